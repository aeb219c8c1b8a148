"""How far a likelihood can be trusted: annealed importance sampling against enumeration, on models hard for it.

    python -m experiments.likelihoods

Random RBMs with 16 hidden units and weights of scale 0.1 to 3, each with its exact log Z; then a bed of RBMs with many
modes far apart, whose log Z is known by construction, estimated without data and with 200 samples of the model as data.
"within" says whether the truth lies between the bounds; a bracket wider than 1 nat is one that the verbs warn of.
"""

import argparse

import numpy as np
from scipy.special import expit, softmax

from experiments.runner import (
    check_work,
    output_folder,
    print_table,
    run,
    script,
    work_options,
    write_settings,
    write_table,
)
from rtrbm.checks import check_count
from rtrbm.compute import engine
from rtrbm.estimators.likelihoods import WIDE
from rtrbm.rbm import exact, partition

N_VISIBLE, N_HIDDEN, SCALES, N_SCALES = 20, 16, (0.1, 3.0), 8
COLUMNS = ("scale", "models", "rms_error", "mean_error", "standard_error", "bracket", "within", "warned_of")
BED_COLUMNS = ("model", "data", "log_z", "error", "standard_error", "bracket", "within", "warned_of")


def random_rbm(scale, seed, n_visible=N_VISIBLE, n_hidden=N_HIDDEN):
    """W, b_v and b_h of normal numbers of this scale."""
    rng = np.random.default_rng(seed)
    return [scale * rng.standard_normal(shape) for shape in ((n_visible, n_hidden), n_visible, n_hidden)]


def pairs(n, strength):
    """n visible units, each with a hidden unit of its own that is on when it is: 2^n modes of equal weight.

    Returns
    -------
    W, b_v, b_h : ndarrays
    log_z : float
        n log(2 + 2 exp(-strength / 2)).
    """
    b = np.full(n, -strength / 2)
    return strength * np.eye(n), b, b, float(n * np.log(2 + 2 * np.exp(-strength / 2)))


def patterns(n_visible, n_patterns, strength, seed=0):
    """Each hidden unit calls for a pattern of visible units; all units off weigh as much as any pattern.

    Returns
    -------
    W, b_v, b_h : ndarrays
    log_z : float
        A sum over the few states of the hidden units.
    """
    W = strength * np.where(np.random.default_rng(seed).random((n_visible, n_patterns)) < 0.5, -1.0, 1.0)
    b_v, b_h = np.zeros(n_visible), n_visible * np.log(2) - np.logaddexp(0, W).sum(axis=0)
    return W, b_v, b_h, float(exact.log_partition(W, b_v, b_h)[0])


BED = {
    **{f"{n} pairs of strength {s}": pairs(n, s) for n, s in ((14, 2), (14, 6), (14, 12))},
    **{f"{n} patterns of strength {s}": patterns(60, n, s) for n in (2, 5, 9) for s in (0.3, 1, 3)},
    "two clusters": patterns(100, 1, 4),
}


def samples(W, b_v, b_h, n, rng):
    """Exact samples of the visible units, by way of all states of the hidden ones: (n, n_visible)."""
    states = (np.arange(2 ** W.shape[1])[:, None] >> np.arange(W.shape[1]) & 1).astype(float)
    log_p = states @ b_h + np.logaddexp(0, states @ W.T + b_v).sum(axis=1)
    h = states[rng.choice(len(states), n, p=softmax(log_p))]
    return (rng.random((n, len(W))) < expit(h @ W.T + b_v)).astype(float)


def judged(found, log_z):
    """Error, standard error, width of the bracket, whether the truth is within, and whether the verbs would warn."""
    width, within = found.upper - found.lower, (found.lower <= log_z) & (log_z <= found.upper)
    return found.log_z - log_z, found.standard_error, width, within, width > WIDE


def random_models(n_models, seed, worker):
    """Rows of the first table."""
    scales, rows = np.geomspace(*SCALES, N_SCALES), []
    for i, scale in enumerate(scales):
        found = []
        for model in range(n_models // len(scales)):
            params = random_rbm(scale, [seed, i, model])
            estimate = partition.log_partition(*params, method="ais", random_state=model, engine=worker)
            found.append(judged(estimate, exact.log_partition(*params)))
        error, standard, width, within, warned = np.array(found, float)[..., 0].T
        rms = np.sqrt(np.square(error).mean())
        rows.append((scale, len(found), rms, error.mean(), standard.mean(), width.mean(), within.mean(), warned.mean()))
    return rows


def bed(seed, worker):
    """Rows of the second table."""
    rows = []
    for name, (*params, log_z) in BED.items():
        for data in (None, samples(*params, 200, np.random.default_rng(seed))):
            settings = {"method": "ais", "n_chains": 128, "random_state": seed, "engine": worker, "data": data}
            found = [x[0] for x in judged(partition.log_partition(*params, **settings), log_z)]
            rows.append((name, "no" if data is None else "yes", log_z, *found))
    return rows


def parser():
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=int, default=200, help="random models (default: 200)")
    parser.add_argument("--seed", type=int, default=0)
    work_options(parser)
    parser.add_argument("--out", default="results/likelihoods", help="folder for settings.json and the two tables")
    return parser


@script
def main(arguments=None):
    options = parser().parse_args(arguments)
    check_count("--models", options.models, N_SCALES)
    if options.models % N_SCALES:
        raise ValueError(f"--models must be a multiple of the {N_SCALES} scales, got {options.models}")
    check_count("--seed", options.seed, 0)
    check_work(options)
    worker, folder = engine.named(options.engine, options.n_jobs), output_folder(options.out)
    settings = folder / "settings.json", {**vars(options), "engine": worker.name}
    write_settings(*settings, ended=False)
    rows = random_models(options.models, options.seed, worker)
    write_table(folder / "random_models.csv", COLUMNS, rows)
    total = sum(row[1] for row in rows)
    within = sum(row[1] * row[6] for row in rows) / total
    print_table(COLUMNS, rows, f"random models, nats: the truth is within the bounds of {within:.1%} of {total}")
    rows = bed(options.seed, worker)
    write_table(folder / "bed.csv", BED_COLUMNS, rows)
    write_settings(*settings)
    print_table(BED_COLUMNS, rows, "models with many modes, nats")
    return 0


if __name__ == "__main__":
    run(main)
