"""An RTRBM finds neural assemblies and their connections in time; a static RBM and regressions beside it.

    python -m experiments.neural_assemblies                                  a simulated population, the truth is known
    python -m experiments.neural_assemblies --spikes FILE --bin 0.02         your spikes, in bins of 0.02 seconds

The simulation is that of `rtrbm.datasets.assemblies`. Of each seed and kind of units the script writes how well weights
and connections are recovered (recovery.csv; means over seeds in summary.csv), the moments of held-out data beside those
of samples (moments.csv), and log-likelihoods of held-out data (likelihood.csv); the models (HDF5), and one figure for
each kind of units, of the first seed.

FILE holds a number or name and a time for each spike: a table of text with columns neuron and time, or arrays of these
names in an HDF5, .npz or .mat file; or such a file with an array of times for each neuron, or a MATLAB cell of them.
The last fifth of the bins is held out. No truth is known then: assemblies.csv has the strongest neurons of every hidden
unit, and connections.csv the matrix U, instead of recovery.csv. docs/spikes.md says how to read them.
"""

import argparse
import hashlib
import os
import pathlib
import time
from typing import NamedTuple

import numpy as np

from experiments.assemblies_drawn import draw
from experiments.assemblies_measured import (
    aligned,
    linear_regression,
    logistic_regression,
    match,
    moment_rows,
    moments,
    oriented,
    recovery,
)
from experiments.reports import report
from experiments.runner import (
    begin,
    check_begun,
    check_data,
    check_different,
    check_figures,
    check_seeds,
    check_work,
    mean_and_error,
    output_folder,
    print_table,
    run,
    save_figure,
    script,
    starting,
    stopped,
    work_options,
    write_settings,
    write_table,
)
from experiments.spike_files import spike_times
from rtrbm import RBM, RTRBM, convert, evaluate
from rtrbm.checks import about, check_count, check_number
from rtrbm.datasets import assemblies
from rtrbm.minibatches.fingerprint import fingerprint
from rtrbm.rbm.units import as_units

N_FRAMES, N_HELD_OUT, WINDOW, N_TAPS = 20_000, 5_000, 100, 5
SIMULATION = {"drive": 8.0}  # assemblies that drive each other are active together
SAMPLES = {"n_frames": 550, "n_sequences": 20}  # the first 50 frames of each are left out
STATIC_GIBBS = 200  # steps of the chain of a sample of the static RBM
N_GIBBS = {"bernoulli": 5, "poisson": 3}  # draws of counts take longer
RTRBM_SETTINGS = {"learning_rate": 0.06, "batch_size": 8}
RBM_SETTINGS = {"learning_rate": 0.03, "batch_size": 400, "n_updates": 6000}
N_STRONGEST = 10  # neurons of an assembly that are listed
RIVALS = {"RBM, logistic regression": logistic_regression, "RBM, linear regression": linear_regression}
COLUMNS = {
    "recovery": (
        "visible", "seed", "model", "weight_match", "correlation", "off_diagonal", "sign_errors", "connections",
        "slope", "permutation_z", "permutation_p",
    ),
    "summary": ("visible", "model", "quantity", "mean", "standard_error", "seeds"),
    "moments": ("visible", "seed", "samples_of", "moment", "correlation", "rmse", "rmse_of_independence"),
    "likelihood": ("visible", "seed", "model", "nats_per_bin", "standard_error", "lower", "upper"),
    "assemblies": ("visible", "seed", "unit", "mean_state", "rank", "neuron", "weight"),
    "connections": ("visible", "seed", "from_unit", "to_unit", "U"),
}  # fmt: skip


class Recording(NamedTuple):
    """train, test : (n_frames, n_neurons) ndarrays; names : list, the neurons; truth : Assemblies or None."""

    train: np.ndarray
    test: np.ndarray
    names: list
    truth: object = None


def simulated(visible, seed):
    """A recording of which everything is known."""
    made = assemblies(N_FRAMES + N_HELD_OUT, **SIMULATION, visible=visible, random_state=seed)
    return Recording(made.spikes[:N_FRAMES], made.spikes[N_FRAMES:], [*range(len(made.W))], made)


def recorded(path, width):
    """A user's recording, in counts. Neurons that are silent in the training part are left out."""
    names, times = spike_times(path)
    with about("--bin", "width"):
        counts = convert.spikes(times, width, start=min(train.min() for train in times if len(train)))
    if len(counts) < 5 * WINDOW:
        raise ValueError(f"--bin {width} makes {len(counts)} bins of {path}, wanted {5 * WINDOW} or more: shorten it")
    cut = round(0.8 * len(counts))
    active = counts[:cut].any(axis=0)
    if not active.all():
        silent = ", ".join(str(name) for name, keep in zip(names, active) if not keep)
        print(f"left out, silent in the training part: neurons {silent}", flush=True)
    if active.sum() < 2:
        raise ValueError(
            f"--spikes must have two neurons or more with spikes in the first four fifths of the time, got "
            f"{active.sum()} of {len(active)} in {path}"
        )
    if not counts[cut:, active].any():
        last = max(float(train.max()) for train in times if len(train))
        raise ValueError(
            "--spikes must have spikes in the last fifth of the time, by which models are judged, got the last one of "
            f"{path} at {last:g}"
        )
    return Recording(counts[:cut, active], counts[cut:, active], [name for name, keep in zip(names, active) if keep])


def recording_of(visible, seed, own):
    """A user's recording for units of a kind, or a simulated one."""
    if own is None:
        return simulated(visible, seed)
    most = np.inf if visible == "poisson" else 1
    return own._replace(train=np.minimum(own.train, most), test=np.minimum(own.test, most))


def new_models(visible, seed, options):
    """The two models to be trained, by name."""
    work = {"random_state": seed, "engine": options.engine, "n_jobs": options.n_jobs, "verbose": 1}
    common = {"visible": visible, "n_gibbs": N_GIBBS[visible], **work}
    temporal = RTRBM(options.hidden, n_updates=options.n_updates, **RTRBM_SETTINGS, **common)
    static = RBM(options.hidden, **RBM_SETTINGS, **common)
    return {"RTRBM": temporal, "RBM": static}


def title_of(name, visible, seed):
    """The name of a model's file."""
    return f"{name}_{visible}_{seed}"


def fitted(recording, visible, seed, options, folder):
    """The two models, by name; their files are the checkpoints that --resume continues from."""
    models = new_models(visible, seed, options)
    for name, model in models.items():
        path = folder / f"{title_of(name, visible, seed)}.h5"
        starting(f"the {name}, {visible} units, seed {seed}", path, options.resume)
        data, cut = ([recording.train], {"window": WINDOW}) if name == "RTRBM" else (recording.train, {})
        model.fit(data, **cut, checkpoint=path, resume=options.resume)
    return models


def connections(models, recording):
    """U of the RTRBM, and the rivals': regressions of the static RBM's states on those of the frame before."""
    states = models["RBM"].transform(recording.train).astype(float)
    rivals = {name: regress(states) for name, regress in RIVALS.items()}
    return {"RTRBM": models["RTRBM"].params_.U} | rivals


def recovery_rows(models, found, truth):
    """How well each matrix of connections agrees with the truth, and the matrices in the order of the assemblies."""
    matchings = {name: match(model.params_.W, truth.W) for name, model in models.items()}
    rows, matrices = [], {}
    for name, U in found.items():
        matching = matchings["RTRBM" if name == "RTRBM" else "RBM"]
        matrices[name] = aligned(U, matching)
        own = recovery(matrices[name], truth.U)
        counted = own.sign_errors, int((truth.U != 0).sum())
        weights = float(matching.correlations.mean())
        rows.append((name, weights, own.correlation, own.off_diagonal, *counted, own.slope, own.z, own.p))
    return rows, matrices


def sampled(models, seed):
    """Samples of both models, as lists of sequences; those of the static RBM have no order in time."""
    n_left, n = 50, SAMPLES["n_frames"] - 50
    _, temporal = models["RTRBM"].sample(**SAMPLES, random_state=seed, return_states=True)
    rows = models["RBM"].sample(
        n * SAMPLES["n_sequences"], random_state=seed, n_gibbs=STATIC_GIBBS, return_states=True
    )[1]
    return {"RTRBM": list(temporal[:, n_left:]), "RBM": np.split(rows, SAMPLES["n_sequences"])}


def likelihood_rows(models, recording, visible, seed):
    """Nats per bin of held-out data: the models with their brackets, and two predictors of independent neurons."""
    train, test, units = recording.train, recording.test, as_units(visible)
    rate = units.bias(train.mean(axis=0, dtype=float), len(train))
    mean = units.mean(rate)
    low = float((np.minimum(mean, 1 - mean) if units.binary else mean).min())  # no neuron is more certain than the data
    linear = evaluate.autoregression(test[None], train[None], N_TAPS, low, 1 - low if units.binary else np.inf)[0]
    inputs = {"independent neurons": rate, f"linear predictor, {N_TAPS} bins": _input(linear, units)}
    rows = []
    for name, a in inputs.items():
        nats = (test * a).sum(axis=1) + units.log_base(test) - units.log_partition(np.broadcast_to(a, test.shape))
        rows.append((name, float(nats.mean()), 0.0, float(nats.mean()), float(nats.mean())))
    for name, model in models.items():
        found = model.likelihood(test if name == "RBM" else [test], random_state=seed)
        rows.append((name, found.nats, found.standard_error, found.lower, found.upper))
    return rows


def _input(mean, units):
    """The input that gives units these means."""
    mean = mean.astype(float)
    return np.log(mean) - (np.log1p(-mean) if units.binary else 0)


def assembly_rows(model, recording):
    """The strongest neurons of every hidden unit with the mean of its state, and U as rows."""
    W, U, states = oriented(model, recording.train)
    rows = []
    for unit, column in enumerate(W.T):
        strongest = np.argsort(-np.abs(column))[:N_STRONGEST]
        rows += [
            (unit, float(states[:, unit].mean()), rank, recording.names[neuron], float(column[neuron]))
            for rank, neuron in enumerate(strongest.tolist(), 1)
        ]
    return rows, [(i, j, float(weight)) for (i, j), weight in np.ndenumerate(U)]


def one_run(recording, visible, seed, options, folder, tables):
    """Train and measure; rows go to `tables`. Returns what `draw` wants."""
    started = time.perf_counter()
    models = fitted(recording, visible, seed, options, folder)
    samples = {name: moments(sequences) for name, sequences in sampled(models, seed).items()}
    data = moments([recording.test])
    rows = {"likelihood": likelihood_rows(models, recording, visible, seed)}
    both = {"training data": moments([recording.train]), **samples}
    rows["moments"] = [(name, *row) for name, these in both.items() for row in moment_rows(data, these)]
    if recording.truth is None:
        rows["assemblies"], rows["connections"] = assembly_rows(models["RTRBM"], recording)
        matrices = None
    else:
        rows["recovery"], matrices = recovery_rows(models, connections(models, recording), recording.truth)
    for name, new in rows.items():
        tables.setdefault(name, []).extend((visible, seed, *row) for row in new)
    print(f"{visible} units, seed {seed}: {time.perf_counter() - started:.0f} s", flush=True)
    return models, matrices, data, samples


def summary_rows(rows):
    """Means over seeds of what `recovery_rows` measures, with their standard errors."""
    columns, kept = COLUMNS["recovery"], ("weight_match", "correlation", "off_diagonal", "sign_errors", "slope")
    groups = {}
    for row in rows:
        of = dict(zip(columns, row))
        for name in kept:
            groups.setdefault((of["visible"], of["model"], name), []).append(of[name])
    return [(*key, *mean_and_error(x), len(x)) for key, x in groups.items()]


def parser():
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    said = "times of spikes; without it a population is simulated"
    parser.add_argument("--spikes", type=_whole_path, metavar="FILE", help=said)
    parser.add_argument("--bin", type=float, metavar="WIDTH", help="of a bin, in the unit of the times of --spikes")
    parser.add_argument("--visible", nargs="+", choices=("bernoulli", "poisson"), default=["bernoulli", "poisson"])
    parser.add_argument("--hidden", type=int, default=10, help="hidden units (default: 10, the simulated assemblies)")
    parser.add_argument("--n-updates", type=int, default=5000, help="of the RTRBM (default: 5000)")
    parser.add_argument("--seeds", type=int, nargs="+", metavar="SEED", help="default: 0 1 2, with --spikes 0")
    work_options(parser)
    parser.add_argument("--resume", action="store_true", help="go on from the models in the folder")
    where = "folder for tables, models and figures (default: results/neural_assemblies, with --spikes and FILE's name)"
    parser.add_argument("--out", help=where)
    return parser


def _whole_path(path):
    return os.path.abspath(os.path.expanduser(path))


def check_options(options):
    """Raise if an option is wrong, before any work."""
    if (options.spikes is None) != (options.bin is None):
        raise ValueError("--spikes FILE and --bin WIDTH go together: a bin has the unit of the times, 0.02 s say")
    if options.bin is not None:
        check_number("--bin", options.bin, 0)
    elif options.hidden < 10:
        raise ValueError(f"--hidden must be at least 10, a unit for each simulated assembly, got {options.hidden}")
    check_count("--hidden", options.hidden)
    check_count("--n-updates", options.n_updates)
    check_seeds(options.seeds or ())
    check_different("--visible", options.visible)
    check_work(options)
    check_figures()


def fingerprint_of(train):
    """The fingerprint of counts, all of them: the sample of frames that the package looks at has few spikes."""
    return f"{fingerprint(train)}; counts {hashlib.sha256(np.ascontiguousarray(train)).hexdigest()[:16]}"


@script
def main(arguments=None):
    options, tables = parser().parse_args(arguments), {}
    check_options(options)
    known = options.spikes is None
    seeds = options.seeds or ([0, 1, 2] if known else [0])
    own_spikes = None if known else recorded(options.spikes, options.bin)
    stem = "" if known else f"-{pathlib.Path(options.spikes).stem}"
    folder = output_folder(options.out, default=f"results/neural_assemblies{stem}")
    prints = None if known else fingerprint_of(own_spikes.train)
    if options.resume:
        check_begun(folder, options, ("spikes", "bin"))
        check_data(folder, prints, "--spikes")
    runs = [(visible, seed) for visible in options.visible for seed in seeds]
    made = {run_of: new_models(*run_of, options) for run_of in runs}
    models = {title_of(name, *run_of): model for run_of, both in made.items() for name, model in both.items()}
    with about("--n-updates", "n_updates"), about("--hidden", "n_hidden"):
        begin(folder, models, options.resume)
    own = {
        "rtrbm": RTRBM_SETTINGS,
        "rbm": RBM_SETTINGS,
        "n_gibbs": N_GIBBS,
        "simulation": SIMULATION if known else None,
        "window": WINDOW,
        "engine": check_work(options),
        "learned_from": prints,
    }
    settings = folder / "settings.json", {**vars(options), "seeds": seeds, **own}
    write_settings(*settings, ended=False)
    try:
        for visible, seed in runs:
            recording = recording_of(visible, seed, own_spikes)
            result = one_run(recording, visible, seed, options, folder, tables)
            if seed == seeds[0]:
                save_figure(draw(recording, *result), folder / f"{visible}.png")
                title = f"RTRBM of spikes, {visible} units"
                report(folder, result[0]["RTRBM"], recording.test, recording.train, name=visible, title=title)
            if known:
                tables["summary"] = summary_rows(tables["recovery"])
            for name, rows in tables.items():
                write_table(folder / f"{name}.csv", COLUMNS[name], rows)
    except KeyboardInterrupt:
        return stopped(folder)
    for name in ("recovery", "summary", "moments", "likelihood"):
        if name in tables:
            print_table(COLUMNS[name], tables[name], name)
    write_settings(*settings)
    print(f"\ntables, models and figures are in {folder}")
    return 0


if __name__ == "__main__":
    run(main)
