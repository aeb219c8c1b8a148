"""What numpy and numba take for training runs and for the verbs, in one process, in turn.

The first table has milliseconds of an update of `fit`, for every profile of `experiments.bouncing_balls` and every
number of Gibbs steps in its schedule, and the minutes of all its updates. Fresh videos are made beside the updates, as
in a run. The second table has seconds of a verb with 100 sequences of 100 frames (`forecast`: 10 of them, 10 frames
ahead; `impute`: 20 of them), and of annealed importance sampling of the partition functions of 1,000 frames (20 chains
of 100 steps each). Ratios are medians over rounds.

    python -m experiments.timings                        everything, about 5 minutes
    python -m experiments.timings --profiles quick       one profile, and the verbs
"""

import argparse
import time

import numpy as np

from experiments.benchmark import processor_name
from experiments.bouncing_balls import N_FRAMES, PROFILES
from experiments.runner import output_folder, print_table, run, script, write_settings, write_table
from rtrbm import RTRBM
from rtrbm.checks import check_count, check_n_jobs
from rtrbm.compute.engine import named
from rtrbm.datasets import BouncingBalls
from rtrbm.rbm.partition import log_partition

ENGINES = "numpy", "numba"
SHORTEST = 1.0  # seconds of updates that one measurement takes at least
SHOWN = "quick", "standard", "taps", "best"  # profiles, unless told otherwise
SIZES = {"music, 88x150": (88, 150), "balls, 225x200": (225, 200)}
VERBS = "predict", "sample", "forecast", "impute", "AIS of 1,000 frames"


def update_seconds(settings, k, engine, n_jobs):
    """The mean seconds of an update of `fit` with k Gibbs steps: not all updates do the same."""
    settings = {**settings, "n_gibbs": k}
    stream = BouncingBalls(settings["batch_size"], N_FRAMES, resolution=settings.pop("resolution"), random_state=0)
    times = []

    def mark(model):
        times.append(time.perf_counter())
        return len(times) > 10 and times[-1] - times[5] > SHORTEST

    RTRBM(**settings, engine=engine, n_jobs=n_jobs, random_state=0).fit(stream, callbacks=[mark])
    return float(np.mean(np.diff(times[5:])))


def profile_rows(name, n_jobs, repeats):
    """Milliseconds of an update for each k of a profile, then the minutes of its updates."""
    settings, rows, total = PROFILES[name], [], np.zeros(2)
    schedule = settings["n_gibbs"]
    bounds = [*schedule, settings["n_updates"]]
    for k, first, last in zip(schedule.values(), bounds, bounds[1:]):
        seconds = np.array([[update_seconds(settings, k, e, n_jobs) for e in ENGINES] for _ in range(repeats)])
        medians, ratio = np.median(seconds, axis=0), np.median(seconds[:, 0] / seconds[:, 1])
        rows.append((name, k, last - first, *(1e3 * medians).tolist(), float(ratio)))
        total += (last - first) * medians
    return [*rows, (name, "minutes of all", bounds[-1], *(total / 60).tolist(), float(total[0] / total[1]))]


def verb_calls(n_visible, n_hidden, n_jobs, n_sequences):
    """Functions without arguments by verb and engine, of models with the same parameters."""
    rng = np.random.default_rng(0)
    X = (rng.random((n_sequences, N_FRAMES, n_visible)) < 0.1).astype(np.float32)
    first = RTRBM(n_hidden, n_gibbs=1, n_updates=5, random_state=0, n_jobs=n_jobs).fit(X[:8])
    mask, params = rng.random(X[:20].shape) < 0.3, first.params_
    biases = params.b_h + rng.standard_normal((10 * n_sequences, n_hidden)).astype(np.float32)
    calls = {}
    for engine in ENGINES:
        model = RTRBM.from_params(params, engine=engine, n_jobs=n_jobs, random_state=0)
        calls |= {
            ("predict", engine): lambda m=model: m.predict(X),
            ("sample", engine): lambda m=model: m.sample(N_FRAMES, n_sequences, random_state=0),
            ("forecast", engine): lambda m=model: m.forecast(X[:10], 10, random_state=0),
            ("impute", engine): lambda m=model: m.impute(X[:20], mask),
            ("AIS of 1,000 frames", engine): lambda e=named(engine, n_jobs): log_partition(
                params.W, params.b_v, biases, method="ais", n_chains=20, n_steps=100, random_state=0, engine=e
            ),
        }
    return calls


def verb_rows(name, n_jobs, repeats, n_sequences=100):
    """Seconds of every verb with both engines."""
    calls, rows = verb_calls(*SIZES[name], n_jobs, n_sequences), []
    for verb in VERBS:
        for engine in ENGINES:
            calls[verb, engine]()  # compiles
        seconds = np.array([[_seconds(calls[verb, engine]) for engine in ENGINES] for _ in range(repeats)])
        ratio = np.median(seconds[:, 0] / seconds[:, 1])
        rows.append((name, verb, *np.median(seconds, axis=0).tolist(), float(ratio)))
    return rows


def _seconds(function):
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def _parser():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--profiles", nargs="*", choices=list(PROFILES), metavar="NAME", default=list(SHOWN),
                        help=f"some of {', '.join(PROFILES)} (default: {', '.join(SHOWN)})")  # fmt: skip
    parser.add_argument("--verbs", nargs="*", choices=list(SIZES), metavar="SIZE", default=list(SIZES),
                        help=f"sizes of models: some of {', '.join(map(repr, SIZES))}")  # fmt: skip
    parser.add_argument("--n-jobs", type=int, default=-1, help="threads (default: all processors)")
    parser.add_argument("--repeats", type=int, default=3, help="rounds")
    parser.add_argument("--out", default="results/timings", help="folder for settings.json and the CSV files")
    return parser


@script
def main(arguments=None):
    options = _parser().parse_args(arguments)
    check_count("--repeats", options.repeats)
    check_n_jobs("--n-jobs", options.n_jobs)
    named("numba")  # or says what is missing
    folder = output_folder(options.out)
    settings = folder / "settings.json", vars(options) | {"processor": processor_name()}
    write_settings(*settings, ended=False)
    for what, names, columns, rows_of in (
        ("profiles", options.profiles, ("profile", "k", "updates", "numpy_ms", "numba_ms", "ratio"), profile_rows),
        ("verbs", options.verbs, ("model", "verb", "numpy_s", "numba_s", "ratio"), verb_rows),
    ):
        rows = [row for name in names for row in rows_of(name, options.n_jobs, options.repeats)]
        if rows:
            print_table(columns, rows, what.capitalize())
            write_table(folder / f"{what}.csv", columns, rows)
    write_settings(*settings)


if __name__ == "__main__":
    run(main)
