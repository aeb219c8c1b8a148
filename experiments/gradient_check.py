"""The proof: an RTRBM's gradient against central differences, CD-k against the gradient, the equations as printed.

Everything is small enough to enumerate: 4 visible and 3 hidden units, 5 frames, weights of scale 0.8. At training
initialisation (scale 0.01) such a check would prove nothing: there all of backpropagation changes the gradient by 1e-5.
"""

import argparse
from functools import partial

import numpy as np

from experiments.runner import output_folder, print_table, run, write_settings, write_table
from rtrbm import exact, gibbs, rnn, taps
from rtrbm.dynamics import gradient, states_and_biases, tap_shapes, visible_biases
from rtrbm.rbm import cd_averages
from rtrbm.rtrbm import RTRBMParams, as_rtrbm, as_trbm
from rtrbm.sequences import pack, previous_rows
from rtrbm.streams import stream
from rtrbm.validation import check_count

N_VISIBLE, N_HIDDEN, N_FRAMES, SCALE, STEP = 4, 3, 5, 0.8, 1e-5


def small_model(seed):
    """Parameters of scale 0.8 and one binary sequence."""
    rng = stream(seed, "initial")
    shapes = (N_VISIBLE, N_HIDDEN), (N_HIDDEN, N_HIDDEN), N_VISIBLE, N_HIDDEN, N_HIDDEN
    params = RTRBMParams(*(SCALE * rng.standard_normal(shape) for shape in shapes))
    return params, rng.integers(0, 2, (1, N_FRAMES, N_VISIBLE)).astype(float)


def objective(params, v, where):
    """O = sum_t log Q(v_t | r_{t-1}) (eq. 3.22), by enumeration."""
    _, b_v, b_h = states_and_biases(params, v, where)
    return exact.log_likelihood(v, params.W, b_v, b_h).sum()


def objective_given_states(params, states, v, where):
    """The same with the hidden states of the past held: what the TRBM's rule climbs (3.2.2)."""
    b_v = visible_biases(params, v, states, where)
    b_h = params.b_h + taps.forward(states, where, params.B, params.b_init)
    b_h += taps.forward(v, where, params.C)
    return exact.log_likelihood(v, params.W, b_v, b_h).sum()


def exact_averages(h_pos, W, b_v, b_h):
    """The negative phase by enumeration."""
    return exact.averages(W, b_v, b_h)


def central_differences(function, params, step=STEP):
    """Numerical gradient: (f(x + step) - f(x - step)) / (2 step) for every element."""
    gradients = []
    for name, array in zip(params._fields, params):
        numerical = np.empty_like(array)
        for index in np.ndindex(array.shape):
            shifted = [array.copy(), array.copy()]
            shifted[0][index] += step
            shifted[1][index] -= step
            up, down = (function(params._replace(**{name: a})) for a in shifted)
            numerical[index] = (up - down) / (2 * step)
        gradients.append(numerical)
    return type(params)(*gradients)


def printed_gradient(params, v, where):
    """dU and dW as the equations 3.24 and 3.25 are printed (NIPS 2008: 13 and 14), with the right dO/dr_t in them.

    3.24: dW' = sum_t (r_{t+1} (1 - r_{t+1}) dO/dr_{t+1}) r_t^T, which lacks the CD term of W' itself.
    3.25: dW = sum_{t<T} [W'^T (r_{t+1} (1 - r_{t+1}) dO/dr_{t+1})] v_t^T + the CD term, whose factor should be
    r_t (1 - r_t) dO/dr_t.
    """
    r, b_v, b_h = states_and_biases(as_trbm(params), v, where)
    negative = exact_averages(r, params.W, b_v, b_h)
    d, _ = rnn.backward(r, where, params.U, d_bias=r - negative.h)
    now = previous_rows(where)
    d_U = r[now].T @ d[1:]
    d_W = v[now].T @ (d[1:] @ params.U.T) + v.T @ r - negative.vh()
    return params._replace(U=d_U, W=d_W)


def cd_estimates(params, v, where, n_gibbs, n_draws, seed, sample_visible=True):
    """Mean and standard error of all entries of the CD-k gradient over independent draws."""
    draws = []
    for draw in range(n_draws):
        chains = gibbs.chains(where, seed, "chain", n_gibbs, draw)
        negative_phase = partial(
            cd_averages, n_gibbs=n_gibbs, visible="bernoulli", chains=chains, sample_visible=sample_visible
        )
        estimate, *_ = gradient(params, v, where, negative_phase)
        draws.append(np.concatenate([d.ravel() for d in as_rtrbm(estimate)]))
    return np.mean(draws, axis=0), np.std(draws, axis=0, ddof=1) / np.sqrt(n_draws)


def gradient_rows(params, v, where):
    """Each parameter's exact gradient, right and printed, against central differences."""
    numerical = central_differences(lambda p: objective(as_trbm(p), v, where), params)
    right = as_rtrbm(gradient(as_trbm(params), v, where, exact_averages)[0])
    printed = printed_gradient(params, v, where)
    rows = []
    for name, equation in zip(params._fields, ("3.25", "3.24", "-", "-", "-")):
        true = getattr(numerical, name)
        wrong = abs(getattr(printed, name) - true).max() if equation != "-" else None
        rows.append((name, equation, abs(true).max(), abs(getattr(right, name) - true).max(), wrong))
    return rows


def cd_rows(params, v, where, n_draws, seed):
    """Each parameter's largest z-score of the mean CD-k gradient against the exact one, for several k.

    At last for chains whose visible units are means: their bias stays however long they are.
    """
    names, params = params._fields, as_trbm(params)
    exact_gradient = as_rtrbm(gradient(params, v, where, exact_averages)[0])
    sizes = np.cumsum([d.size for d in exact_gradient])[:-1]
    truth = np.split(np.concatenate([d.ravel() for d in exact_gradient]), sizes)
    rows = []
    for k, sample_visible in ((1, True), (5, True), (25, True), (100, True), (1, False), (25, False)):
        method = f"CD-{k}" if sample_visible else f"CD-{k}, visible means"
        estimates = cd_estimates(params, v, where, k, n_draws, seed, sample_visible)
        estimates = (np.split(a, sizes) for a in estimates)
        for name, mean, error, true in zip(names, *estimates, truth):
            z = (mean - true) / error
            worst = np.argmax(abs(z))
            rows.append((method, name, true[worst], mean[worst], error[worst], z[worst]))
    return rows


MODELS = {
    "RTRBM": {"n_B": 1, "bptt": True},
    "RTRBM, dynamic visible bias": {"n_B": 1, "n_U_v": 1, "bptt": True},
    "RTRBM, 2 taps": {"n_A": 2, "n_B": 1, "n_C": 2, "bptt": True},
    "TRBM, 2 taps, BPTT": {"n_A": 2, "n_B": 2, "n_C": 2, "bptt": True},
    "CRBM, 2 taps": {"n_A": 2, "n_C": 2, "bptt": False},
    "TRBM, 2 taps": {"n_A": 2, "n_B": 2, "n_C": 2, "bptt": False},
    "simplified TRBM": {"n_B": 1, "bptt": False},
}


def model_rows(v, where, seed):
    """Each model's rule against central differences of its objective, and of the same with the past's states held.

    With BPTT the rule is the gradient; so it is if no state is carried on. Without, it is that of the second alone.
    """
    rows = []
    for name, numbers in MODELS.items():
        numbers = dict(n_A=0, n_B=0, n_C=0) | numbers
        bptt, rng = numbers.pop("bptt"), stream(seed, "initial", 1)
        shapes = tap_shapes(N_VISIBLE, N_HIDDEN, **numbers)
        params = type(shapes)(*(SCALE * rng.standard_normal(shape) for shape in shapes))
        rule = gradient(params, v, where, exact_averages, bptt)[0]
        states = states_and_biases(params, v, where)[0]
        whole = central_differences(partial(objective, v=v, where=where), params)
        held = central_differences(partial(objective_given_states, states=states, v=v, where=where), params)
        largest = max(abs(d).max() for d in whole if d.size)
        errors = (max(abs(a - b).max() for a, b in zip(rule, other) if a.size) for other in (whole, held))
        rows.append((name, "yes" if bptt else "no", largest, *errors))
    return rows


def main(arguments=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seed", type=int, default=0, help="of the parameters, the sequence and the chains")
    parser.add_argument("--draws", type=int, default=4000, help="CD gradients averaged for every k")
    parser.add_argument(
        "--out", default="results/gradient_check", help="folder for settings.json and the CSV files"
    )
    options = parser.parse_args(arguments)
    check_count("--seed", options.seed, 0)
    check_count("--draws", options.draws, 10)  # fewer can agree by chance: no standard error
    folder = output_folder(options.out)
    params, X = small_model(options.seed)
    v, where = pack(X)
    columns = ("parameter", "equation", "largest_entry", "error_right_form", "error_as_printed")
    rows = gradient_rows(params, v, where)
    print_table(
        columns, rows, f"Exact gradient against central differences (step {STEP}), largest absolute error"
    )
    model_columns = ("model", "bptt", "largest_entry", "error", "error_given_states")
    models = model_rows(v, where, options.seed)
    print_table(
        model_columns,
        models,
        "Every model's rule against central differences of its objective, and of the same given the filtered states",
    )
    cd_columns = ("method", "parameter", "exact", "mean", "standard_error", "z")
    cd = cd_rows(params, v, where, options.draws, options.seed)
    print_table(
        cd_columns,
        cd,
        f"Mean of {options.draws} CD-k gradients against the exact one, the entry of largest |z|",
    )
    print(
        "\nEach z is the largest of the 3 to 12 entries of a parameter. With the default number of draws CD-1, which"
    )
    print("is biased, shows |z| > 4 in every parameter; CD-100 shows none. Chains of visible means are")
    print("biased at any k.")
    write_settings(folder / "settings.json", vars(options))
    write_table(folder / "gradient.csv", columns, rows)
    write_table(folder / "models.csv", model_columns, models)
    write_table(folder / "cd.csv", cd_columns, cd)


if __name__ == "__main__":
    run(main)
