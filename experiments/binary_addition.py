"""Binary addition by `rtrbm.past.recurrence` with an output layer: plain backpropagation through time.

A sigmoid RNN reads two numbers bit by bit and writes their sum. Before it learns, its gradient is compared with central
differences, and `rtrbm.past.recurrence.backward` with the recursion

    layer_1_delta = (future_layer_1_delta.dot(synapse_h.T) + layer_2_delta.dot(synapse_1.T)) * ...

followed frame by frame; docs/bptt.md explains it. Under half a minute.
"""

import argparse
import time
from typing import NamedTuple

import numpy as np

from experiments.diagrams import unrolled
from experiments.gradient_check import STEP, central_differences, small_model
from experiments.runner import (
    TEST_SEED_OFFSET,
    check_figures,
    output_folder,
    print_table,
    run,
    save_figure,
    script,
    write_settings,
    write_table,
)
from rtrbm.checks import check_count
from rtrbm.datasets import binary_addition
from rtrbm.functions import sigmoid, softplus
from rtrbm.minibatches.sequences import pack
from rtrbm.past import recurrence
from rtrbm.plots import COLOURS, WIDTH
from rtrbm.rbm import exact
from rtrbm.streams import stream
from rtrbm.training import optimizers

N_HIDDEN, BATCH_SIZE, N_UPDATES, LEARNING_RATE = 16, 100, 1000, 0.02
N_TEST, N_BITS = 10_000, (8, 32)  # trained on 8 bits
RECORD_EVERY = 20  # updates
SMALL = {"n_hidden": 3, "n_bits": 5, "scale": 0.8}  # of the gradient check

MODELS = {
    "sigmoid RNN": {},
    "the same without d_{t+1} U^T": {"bptt": False},
    "the same with U = 0": {"recurrent": False},
}


class RNNParams(NamedTuple):
    """r_t = sigmoid(v_t W + b_h + r_{t-1} U) (eq. 3.20), P(y_t = 1) = sigmoid(r_t V + b_y); b_init for r_0 U.

    W : (2, n_hidden); U : (n_hidden, n_hidden); b_h, b_init : (n_hidden,); V : (n_hidden, 1); b_y : (1,).
    """

    W: np.ndarray
    U: np.ndarray
    b_h: np.ndarray
    b_init: np.ndarray
    V: np.ndarray
    b_y: np.ndarray


def initial_params(seed, n_hidden=N_HIDDEN):
    """Weights of a scale at which units respond to single bits, biases of 0."""
    rng = stream(seed, "initial")
    shapes = (2, n_hidden), (n_hidden, n_hidden), (n_hidden, 1)
    W, U, V = (rng.standard_normal(shape) / np.sqrt(shape[0]) for shape in shapes)
    zeros = np.zeros(n_hidden)
    return RNNParams(*(a.astype(np.float32) for a in (W, U, zeros, zeros, V, np.zeros(1))))


def states_and_outputs(params, v, where):
    """r_t and r_t V + b_y of packed frames."""
    r, _ = recurrence.forward(v @ params.W, where, params.U, params.b_h, params.b_init)
    return r, r @ params.V + params.b_y


def objective(params, v, y, where):
    """O = sum_t log P(y_t | v_1..v_t), mean over the sequences: minus the log-probability of y_t."""
    _, output = states_and_outputs(params, v, where)
    return float((y * output - softplus(output)).sum()) / where.batch_sizes[0]


def gradient(params, v, y, where, bptt=True):
    """The derivatives of `objective`. Without BPTT a state gets none from later frames."""
    r, output = states_and_outputs(params, v, where)
    d_output = (y - sigmoid(output)) / where.batch_sizes[0]
    U = params.U if bptt else np.zeros_like(params.U)
    d, d_total = recurrence.backward(r, where, U, d_s=d_output @ params.V.T)
    return RNNParams(v.T @ d, *recurrence.parameter_gradient(r, where, d_total), r.T @ d_output, d_output.sum(axis=0))


def frame_by_frame(r, arriving, U):
    """The recursion of the question: every d_t, from the last frame to the first.

    Parameters
    ----------
    r : (n_frames, n_sequences, n_hidden) ndarray
        layer_1.
    arriving : (n_frames, n_sequences, n_hidden) ndarray
        layer_2_delta.dot(synapse_1.T), the derivative that reaches r_t other than through d_{t+1}.
    U : (n_hidden, n_hidden) ndarray
        synapse_h.

    Returns
    -------
    (n_frames, n_sequences, n_hidden) ndarray
        layer_1_delta, d_t.
    """
    d, d_next = np.empty_like(r), np.zeros_like(r[0])
    for t in reversed(range(len(r))):
        d[t] = (d_next @ U.T + arriving[t]) * r[t] * (1 - r[t])  # eq. 3.23
        d_next = d[t]
    return d


def small_task(seed):
    """Parameters of scale 0.8 and a few additions, in float64."""
    rng = stream(seed, "initial")
    shapes = [(p.size,) if p.ndim == 1 else p.shape for p in initial_params(seed, SMALL["n_hidden"])]
    params = RNNParams(*(SMALL["scale"] * rng.standard_normal(shape) for shape in shapes))
    inputs, sums = binary_addition(4, SMALL["n_bits"], random_state=seed)
    (v, where), (y, _) = pack(inputs.astype(float)), pack(sums.astype(float))
    return params, v, y, where


def gradient_rows(seed):
    """Each parameter's gradient against central differences."""
    params, v, y, where = small_task(seed)
    numerical = central_differences(lambda p: objective(p, v, y, where), params)
    computed = gradient(params, v, y, where)
    return [(name, abs(n).max(), abs(c - n).max()) for name, n, c in zip(params._fields, numerical, computed)]


def recursion_rows(seed):
    """`frame_by_frame` against `rtrbm.past.recurrence.backward`: with an output layer, and with an RBM in its place."""
    params, v, y, where = small_task(seed)
    r, output = states_and_outputs(params, v, where)
    p = sigmoid(output)
    deltas = {
        "output layer, log-probability of y_t": y - p,
        "output layer, half the squared error": (y - p) * p * (1 - p),
    }
    rows = []
    for name, delta in deltas.items():
        arriving = delta @ params.V.T
        d, _ = recurrence.backward(r, where, params.U, d_s=arriving)
        rows.append((name, *_compared(d, r, arriving, params.U, where)))
    params, X = small_model(seed)
    v, where = pack(X)
    r, bias = recurrence.forward(v @ params.W, where, params.U, params.b_h, params.b_init)
    c = r - exact.averages(params.W, params.b_v, bias).h
    d, _ = recurrence.backward(r, where, params.U, d_bias=c)
    arriving = np.append(c[1:] @ params.U.T, np.zeros_like(c[:1]), axis=0)  # of frame t + 1, nothing after the last
    return [*rows, ("RBM of the next frame, c_{t+1} U^T", *_compared(d, r, arriving, params.U, where))]


def _compared(d, r, arriving, U, where):
    """The largest |d_t|, and its largest difference from the recursion's."""
    shape = len(where.batch_sizes), where.batch_sizes[0], -1
    slow = frame_by_frame(r.reshape(shape), arriving.reshape(shape), U)
    return abs(d).max(), abs(d.reshape(shape) - slow).max()


def train(seed, bptt=True, recurrent=True):
    """Train on fresh additions.

    Returns
    -------
    params : RNNParams
    history : list of (update, additions right, bits right)
        On 10,000 fresh additions, as fractions.
    """
    params = initial_params(seed)
    params.U[:] *= recurrent
    optimizer = optimizers.adam()
    state = optimizer.init(params)
    test = binary_addition(N_TEST, N_BITS[0], random_state=seed + TEST_SEED_OFFSET)
    history = []
    for update in range(N_UPDATES):
        if update % RECORD_EVERY == 0:
            history.append((update, *accuracy(params, *test)))
        inputs, sums = binary_addition(BATCH_SIZE, N_BITS[0], random_state=stream(seed, "data", update))
        (v, where), (y, _) = pack(inputs), pack(sums)
        rate = optimizers.linear_decay(LEARNING_RATE, update, N_UPDATES)
        steps, state = optimizer.update(gradient(params, v, y, where, bptt), state, rate)
        for array, step in zip(params, steps):
            array += step
        params.U[:] *= recurrent
    return params, [*history, (N_UPDATES, *accuracy(params, *test))]


def accuracy(params, inputs, sums):
    """The fractions of additions whose bits are all right, and of bits that are right."""
    v, where = pack(inputs)
    _, output = states_and_outputs(params, v, where)
    return _right(output.reshape(inputs.shape[1], len(inputs)).T > 0, sums)


def without_carry(inputs, sums):
    """The same for the guess that there is never a carry: each bit of the sum is 1 if the two above it differ."""
    return _right(inputs[..., 0] != inputs[..., 1], sums)


def _right(guess, sums):
    right = guess == sums[..., 0]
    return float(right.all(axis=1).mean()), float(right.mean())


def learning_curves(histories, baseline):
    """Additions wholly right against the update, a line for each model and one for the baseline.

    Parameters
    ----------
    histories : dict of str to list of (update, additions right, bits right)
    baseline : float

    Returns
    -------
    matplotlib.figure.Figure
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import PercentFormatter

    figure = Figure(figsize=(WIDTH, 2.6), dpi=200, layout="constrained")
    axes = figure.subplots()
    for colour, (name, history) in zip(COLOURS, histories.items()):
        update, right, _ = zip(*history)
        axes.plot(update, right, color=colour, linewidth=1.2, label=_mathematical(name))
    axes.axhline(baseline, color="0.5", linewidth=0.8, linestyle="--", label="adding without carry", zorder=0)
    axes.set_ylim(0, 1.03)
    axes.yaxis.set_major_formatter(PercentFormatter(1))
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=8)
    axes.set_xlabel("update", fontsize=9)
    axes.set_ylabel("additions wholly right", fontsize=9)
    axes.legend(frameon=False, fontsize=8, loc="center right")
    return figure


def _mathematical(name):
    return name.replace("d_{t+1} U^T", r"$d_{t+1} U^\top$").replace("U = 0", "$U = 0$")


@script
def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0, help="of the parameters and the additions")
    parser.add_argument(
        "--out", default="results/binary_addition", help="folder for settings.json, the CSV files and pictures"
    )
    options = parser.parse_args(arguments)
    check_count("--seed", options.seed, 0)
    check_figures()
    folder = output_folder(options.out)
    written = folder / "settings.json", vars(options)
    write_settings(*written, ended=False)
    save_figure(unrolled(), folder / "bptt_unrolled.png")

    columns, rows = ("parameter", "largest_entry", "error"), gradient_rows(options.seed)
    print_table(columns, rows, f"Gradient against central differences (step {STEP}), largest absolute error")
    write_table(folder / "gradient.csv", columns, rows)
    columns, rows = ("what_reaches_r_t", "largest_d_t", "difference"), recursion_rows(options.seed)
    print_table(
        columns, rows, "The recursion frame by frame against rtrbm.past.recurrence.backward, largest difference"
    )
    write_table(folder / "recursion.csv", columns, rows)

    tests = [binary_addition(N_TEST, n, random_state=options.seed + TEST_SEED_OFFSET) for n in N_BITS]
    columns = ["model", "updates", "seconds"]
    columns += [f"{what}_right_{n}" for n in N_BITS for what in ("additions", "bits")]
    baseline = [value for test in tests for value in without_carry(*test)]
    rows, histories = [("adding without carry", None, None, *baseline)], {}
    for name, settings in MODELS.items():
        start = time.perf_counter()
        params, histories[name] = train(options.seed, **settings)
        seconds = time.perf_counter() - start
        rows.append((name, N_UPDATES, seconds, *(value for test in tests for value in accuracy(params, *test))))
    print_table(columns, rows, f"Fractions right of {N_TEST} fresh additions of 8 and of 32 bits, seed {options.seed}")
    write_table(folder / "additions.csv", columns, rows)
    records = [(name, *record) for name, history in histories.items() for record in history]
    write_table(folder / "learning_curves.csv", ("model", "update", *columns[3:5]), records)
    save_figure(learning_curves(histories, baseline[0]), folder / "learning_curves.png")
    write_settings(*written)


if __name__ == "__main__":
    run(main)
