"""The proof: an RTRBM's gradient against central differences, CD-k against the gradient, the equations as printed.

The model is small enough to enumerate: 4 visible and 3 hidden units, 5 frames, weights of scale 0.8. At the scale that
training starts from (0.01) the check would prove nothing: all of backpropagation changes the gradient by 1e-5 there.
"""

import argparse
from functools import partial

import numpy as np

from experiments.runner import mean_and_error, output_folder, print_table, run, script, write_settings, write_table
from rtrbm.biases import Biases
from rtrbm.checks import check_count
from rtrbm.compute.engine import NUMPY
from rtrbm.gradient import Model, gradient
from rtrbm.minibatches.sequences import pack, previous_rows
from rtrbm.models.crbm import Window
from rtrbm.models.rtrbm import Recurrent, RTRBMParams
from rtrbm.models.trbm import Filter
from rtrbm.parameters import arrays, each
from rtrbm.past import recurrence
from rtrbm.rbm import exact
from rtrbm.rbm.chains import Draw
from rtrbm.rbm.negative import CD, Exact
from rtrbm.rbm.units import BERNOULLI
from rtrbm.streams import stream

N_VISIBLE, N_HIDDEN, N_FRAMES, SCALE, STEP = 4, 3, 5, 0.8, 1e-5
RTRBM = Recurrent()
DRAWN = ("W", "A", "U", "B", "C", "U_v", "b_v", "b_h", "b_v_init", "b_init")  # the order in which `random_params` draws


def small_model(seed):
    """Parameters of scale 0.8 and one binary sequence."""
    rng = stream(seed, "initial")
    shapes = (N_VISIBLE, N_HIDDEN), (N_HIDDEN, N_HIDDEN), N_VISIBLE, N_HIDDEN, N_HIDDEN
    params = RTRBMParams(*(SCALE * rng.standard_normal(shape) for shape in shapes))
    return params, rng.integers(0, 2, (1, N_FRAMES, N_VISIBLE)).astype(float)


def random_params(past, seed):
    """Parameters of scale 0.8 of any conditioner."""
    rng, params = stream(seed, "initial", 1), past.shapes(N_VISIBLE, N_HIDDEN)
    shapes = params._asdict()
    present = [name for name in DRAWN if shapes.get(name) is not None]
    return params._replace(**{name: SCALE * rng.standard_normal(shapes[name]) for name in present})


def objective(past, params, v, where):
    """O = sum_t log Q(v_t | r_{t-1}) (eq. 3.22), by enumeration."""
    biases, _ = past.forward(params, v, where, NUMPY)
    return exact.log_likelihood(v, params.W, *biases).sum()


def objective_given_states(past, params, states, v):
    """The same of one sequence, the hidden states of the past held: what the TRBM's rule climbs (3.2.2)."""
    state, rows = past.start(params, 1), []
    for v_t, h_t in zip(v, states):
        rows.append(past.biases(params, state))
        state = past.step(params, state, v_t[None], h_t[None])
    biases = Biases(*(np.vstack(kind) for kind in zip(*rows)))
    return exact.log_likelihood(v, params.W, *biases).sum()


def rule(past, params, v, where, negative, draw=None):
    """The derivatives that an update follows (eq. 3.25), by a negative phase."""

    def averages(h_pos, W, biases):
        return negative.averages(None, h_pos, W, biases, BERNOULLI, where, draw, NUMPY)[0]

    return gradient(Model(past, BERNOULLI), params, v, where, averages, NUMPY)[0]


def central_differences(function, params, step=STEP):
    """Numerical gradient: (f(x + step) - f(x - step)) / (2 step) for every element."""
    numerical = each(np.empty_like, params)
    present = {name: array for name, array in params._asdict().items() if array is not None}
    for name, array in present.items():
        for index in np.ndindex(array.shape):
            shifted = [array.copy(), array.copy()]
            shifted[0][index] += step
            shifted[1][index] -= step
            up, down = (function(params._replace(**{name: a})) for a in shifted)
            getattr(numerical, name)[index] = (up - down) / (2 * step)
    return numerical


def printed_gradient(params, v, where):
    """dU and dW as equations 3.24 and 3.25 are printed (NIPS 2008: 13 and 14), with the right dO/dr_t in them.

    3.24: dW' = sum_t (r_{t+1} (1 - r_{t+1}) dO/dr_{t+1}) r_t^T, which lacks the CD term of W' itself.
    3.25: dW = sum_{t<T} [W'^T (r_{t+1} (1 - r_{t+1}) dO/dr_{t+1})] v_t^T + the CD term, whose factor should be
    r_t (1 - r_t) dO/dr_t.
    """
    biases, memory = RTRBM.forward(params, v, where, NUMPY)
    r, negative = memory.states, exact.averages(params.W, *biases)
    d, _ = recurrence.backward(r, where, params.U, d_bias=r - negative.h)
    now = previous_rows(where)
    d_U = r[now].T @ d[1:]  # eq. 3.24 as printed
    d_W = v[now].T @ (d[1:] @ params.U.T) + v.T @ r - negative.vh()  # eq. 3.25 as printed
    return params._replace(U=d_U, W=d_W)


def cd_estimates(params, v, where, n_gibbs, n_draws, seed, sample_visible=True):
    """Mean and standard error of all entries of the CD-k gradient over independent draws."""
    negative, draws = CD(n_gibbs, sample_visible), []
    for number in range(n_draws):
        estimate = rule(RTRBM, params, v, where, negative, Draw(seed, "chain", (n_gibbs, number)))
        draws.append(np.concatenate([d.ravel() for d in arrays(estimate)]))
    return mean_and_error(draws)


def gradient_rows(params, v, where):
    """Each parameter's exact gradient, right and printed, against central differences."""
    numerical = central_differences(lambda p: objective(RTRBM, p, v, where), params)
    right = rule(RTRBM, params, v, where, Exact())
    printed = printed_gradient(params, v, where)
    rows = []
    for name, equation in zip(params._fields, ("3.25", "3.24", "-", "-", "-")):
        true = getattr(numerical, name)
        wrong = abs(getattr(printed, name) - true).max() if equation != "-" else None
        rows.append((name, equation, abs(true).max(), abs(getattr(right, name) - true).max(), wrong))
    return rows


def cd_rows(params, v, where, n_draws, seed):
    """Each parameter's largest z-score of the mean CD-k gradient against the exact one, for several k.

    The last rows are of chains whose visible units are means: their bias stays however long they are.
    """
    exact_gradient = arrays(rule(RTRBM, params, v, where, Exact()))
    sizes = np.cumsum([d.size for d in exact_gradient])[:-1]
    rows = []
    for k, sample_visible in ((1, True), (5, True), (25, True), (100, True), (1, False), (25, False)):
        method = f"CD-{k}" if sample_visible else f"CD-{k}, visible means"
        estimates = cd_estimates(params, v, where, k, n_draws, seed, sample_visible)
        estimates = (np.split(a, sizes) for a in estimates)
        for name, mean, error, true in zip(params._fields, *estimates, exact_gradient):
            true = true.ravel()
            z = (mean - true) / error
            worst = np.argmax(abs(z))
            rows.append((method, name, true[worst], mean[worst], error[worst], z[worst]))
    return rows


MODELS = {
    "RTRBM": RTRBM,
    "RTRBM, dynamic visible bias": Recurrent(dynamic_visible_bias=True),
    "RTRBM, 2 taps": Recurrent(n_taps=2),
    "TRBM, 2 taps, BPTT": Filter(2, 2, 2, bptt=True),
    "CRBM, 2 taps": Window(2),
    "TRBM, 2 taps": Filter(2, 2, 2),
    "simplified TRBM": Filter(0, 1, 0),
}


def model_rows(v, where, seed):
    """Each model's rule against central differences of its objective, and of the same with the past's states held.

    With BPTT the rule is the gradient of the objective, and so it is if no state is carried on. Without BPTT it is that
    of the second function alone.
    """
    rows = []
    for name, past in MODELS.items():
        params = random_params(past, seed)
        found = rule(past, params, v, where, Exact())
        _, memory = past.forward(params, v, where, NUMPY)
        states = np.zeros((len(v), N_HIDDEN)) if memory.h_pos is None else memory.h_pos  # zeros: none is carried on
        whole = central_differences(partial(objective, past, v=v, where=where), params)
        held = central_differences(partial(objective_given_states, past, states=states, v=v), params)
        largest = max(abs(d).max() for d in arrays(whole))
        errors = (max(abs(a - b).max() for a, b in zip(arrays(found), arrays(other))) for other in (whole, held))
        rows.append((name, "yes" if past.carries == "means" else "no", largest, *errors))
    return rows


@script
def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0, help="of the parameters, the sequence and the chains")
    parser.add_argument("--draws", type=int, default=4000, help="CD gradients averaged for every k")
    parser.add_argument("--out", default="results/gradient_check", help="folder for settings.json and the CSV files")
    options = parser.parse_args(arguments)
    check_count("--seed", options.seed, 0)
    check_count("--draws", options.draws, 10)  # fewer can agree by chance: no standard error
    folder = output_folder(options.out)
    settings = folder / "settings.json", vars(options)
    write_settings(*settings, ended=False)
    params, X = small_model(options.seed)
    v, where = pack(X)
    columns = ("parameter", "equation", "largest_entry", "error_right_form", "error_as_printed")
    rows = gradient_rows(params, v, where)
    print_table(columns, rows, f"Exact gradient against central differences (step {STEP}), largest absolute error")
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
        cd_columns, cd, f"Mean of {options.draws} CD-k gradients against the exact one, the entry of largest |z|"
    )
    print("\nEach z is the largest of the 3 to 12 entries of a parameter. CD-1 is biased, and so are chains of visible")
    print("means at any k. Parameters with |z| > 4:")
    for method in dict.fromkeys(row[0] for row in cd):
        beyond = [abs(row[-1]) > 4 for row in cd if row[0] == method]
        print(f"  {method}: {sum(beyond)} of {len(beyond)}")
    write_table(folder / "gradient.csv", columns, rows)
    write_table(folder / "models.csv", model_columns, models)
    write_table(folder / "cd.csv", cd_columns, cd)
    write_settings(*settings)


if __name__ == "__main__":
    run(main)
