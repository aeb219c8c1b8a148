"""What an update costs beside the matrix products it cannot do without.

Times, interleaved in one run, (a) one update of an RTRBM, (b) the same matrix products alone, each over all frames at
once in preallocated arrays with the matrix library's own threads, and (c) making the minibatch of bouncing balls. The
machine's speed drifts, so quote the ratios.
"""

import argparse
import time

import numpy as np

from experiments.runner import output_folder, print_table, run, write_settings, write_table
from rtrbm import RTRBM
from rtrbm.datasets import BouncingBalls
from rtrbm.validation import check_count


def products_alone(n_visible, n_hidden, n_frames, n_sequences, n_gibbs, dtype):
    """A function that does the matrix products of one update and nothing else."""
    rng = np.random.default_rng(0)
    n_rows = n_sequences * n_frames
    v, W, U, h, r = (
        rng.standard_normal(shape, dtype)
        for shape in ((n_rows, n_visible), (n_visible, n_hidden), (n_hidden, n_hidden), (n_rows, n_hidden),
                      (n_sequences, n_hidden))
    )  # fmt: skip
    W_T, v_out, h_out, r_out = np.ascontiguousarray(W.T), np.empty_like(v), np.empty_like(h), np.empty_like(r)
    d_W, d_U = np.empty_like(W), np.empty_like(U)

    def products():
        np.matmul(v, W, out=h_out)  # input of the recurrence
        for _ in range(2 * (n_frames - 1)):  # recurrence, forward and backward
            np.matmul(r, U, out=r_out)
        for _ in range(n_gibbs):
            np.matmul(h, W_T, out=v_out)
            np.matmul(v, W, out=h_out)
        for _ in range(2):  # positive and negative statistics
            np.matmul(v.T, h, out=d_W)
        np.matmul(h.T, h, out=d_U)

    return products


def interleaved(functions, repeats, pause=0.1):
    """Seconds of each function in each of `repeats` rounds, (repeats, n_functions), after one round unmeasured.

    A matrix library's idle threads keep a processor busy for a while after a product; the pause before each function
    lets them fall asleep.
    """
    seconds = np.empty((repeats + 1, len(functions)))
    for row in seconds:
        for column, function in enumerate(functions):
            time.sleep(pause)
            start = time.perf_counter()
            function()
            row[column] = time.perf_counter() - start
    return seconds[1:]


def main(arguments=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--resolution", type=int, default=30, help="pixels a side; n_visible is its square")
    parser.add_argument("--n-hidden", type=int, default=400)
    parser.add_argument("--n-frames", type=int, default=100)
    parser.add_argument("--n-sequences", type=int, default=8)
    parser.add_argument("--n-gibbs", type=int, default=10)
    parser.add_argument("--dtype", choices=("float32", "float64"), default="float32")
    parser.add_argument(
        "--n-jobs", type=int, default=-1, help="threads of the update (default: all processors)"
    )
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument(
        "--out", default="results/benchmark", help="folder for settings.json and benchmark.csv"
    )
    options = parser.parse_args(arguments)
    check_count("--repeats", options.repeats)
    folder = output_folder(options.out)
    stream = BouncingBalls(
        options.n_sequences, options.n_frames, resolution=options.resolution, random_state=0
    )
    videos = stream.minibatch(0)
    model = RTRBM(
        options.n_hidden, n_gibbs=options.n_gibbs, dtype=options.dtype, n_jobs=options.n_jobs, random_state=0
    )
    products = products_alone(
        videos.shape[2],
        options.n_hidden,
        options.n_frames,
        options.n_sequences,
        options.n_gibbs,
        options.dtype,
    )
    functions = (lambda: model.partial_fit(videos), products, lambda: stream.minibatch(1))
    seconds = interleaved(functions, options.repeats)
    update, alone, data = np.median(seconds, axis=0)
    ratio, share = np.median(seconds[:, 0] / seconds[:, 1]), np.median(seconds[:, 2] / seconds[:, 0])
    columns = ("quantity", "median", "minimum")
    rows = [
        ("seconds per update", update, seconds[:, 0].min()),
        ("seconds of its matrix products alone", alone, seconds[:, 1].min()),
        ("ratio", ratio, (seconds[:, 0] / seconds[:, 1]).min()),
        ("frames per second", len(videos) * options.n_frames / update, None),
        ("seconds to make the minibatch", data, seconds[:, 2].min()),
        ("minibatch / update", share, None),
    ]
    print_table(columns, rows)
    write_settings(folder / "settings.json", vars(options))
    write_table(folder / "benchmark.csv", columns, rows)


if __name__ == "__main__":
    run(main)
