"""An RTRBM learns bouncing balls: train, dream, predict (chapter 3.11.1).

Trains on an endless stream of fresh videos, prints the one-step error beside that of predictors without a model, and
writes settings.json, the models with their learning histories (HDF5), errors.csv, hidden_units.csv, rollouts.csv (the
error 1 to 20 frames ahead, `experiments.rollouts`), the pictures and report.html, a page with all of it, to a folder.

    python -m experiments.bouncing_balls                      15x15 pixels, 6 minutes, with numba 3
    python -m experiments.bouncing_balls --profile minute     30x30 pixels, trained for a minute
    python -m experiments.bouncing_balls --profile standard   30x30 pixels, 8 minutes
    python -m experiments.bouncing_balls --profile taps       the same with delay taps and a dynamic visible bias
    python -m experiments.bouncing_balls --profile best       the same with 1,600 hidden units, about 120 minutes
    python -m experiments.bouncing_balls --profile long       30x30 pixels without taps, 60,000 updates, 32 minutes
    python -m experiments.bouncing_balls --profile paper      the thesis's recipe, 100,000 updates
    mpiexec -n 2 python -m experiments.bouncing_balls         any of them by several processes (rtrbm[mpi])
"""

import time

import numpy as np

from experiments import rollouts
from experiments.reports import report
from experiments.runner import (
    TEST_SEED_OFFSET,
    begin,
    check_command_line,
    check_work,
    command_line,
    minutes_before,
    output_folder,
    print_table,
    run,
    save_figure,
    script,
    starting,
    stopped,
    timed,
    write_settings,
    write_table,
)
from rtrbm import RTRBM, evaluate
from rtrbm.checks import check_count
from rtrbm.commands.pictures import draw_run
from rtrbm.datasets import BouncingBalls, bouncing_balls
from rtrbm.rbm.expectation import PROTOCOLS
from rtrbm.report import noted
from rtrbm.training import ranks

PROFILES = {
    "quick": {
        "resolution": 15,
        "n_hidden": 300,
        "n_gibbs": {0: 1, 2100: 3, 4800: 10},
        "optimizer": "spectral",
        "learning_rate": 7e-3,
        "batch_size": 8,
        "n_updates": 8000,
    },
    "minute": {
        "resolution": 30,
        "n_hidden": 400,
        "n_gibbs": {0: 2, 1160: 8},
        "optimizer": "spectral",
        "learning_rate": 8e-3,
        "batch_size": 4,
        "n_updates": 2000,
    },
    "standard": {
        "resolution": 30,
        "n_hidden": 400,
        "n_gibbs": {0: 3, 8000: 10},
        "optimizer": "spectral",
        "learning_rate": 4e-3,
        "momentum": 0.95,
        "batch_size": 4,
        "n_updates": 20_000,
    },
    "taps": {
        "resolution": 30,
        "n_hidden": 400,
        "n_taps": 2,
        "dynamic_visible_bias": True,
        "n_gibbs": {0: 3, 10_000: 10},
        "sample_visible": False,
        "learning_rate": 8e-3,
        "batch_size": 4,
        "n_updates": 15_000,
    },
    "best": {
        "resolution": 30,
        "n_hidden": 1600,
        "n_taps": 2,
        "dynamic_visible_bias": True,
        "n_gibbs": {0: 2, 8600: 10},
        "sample_visible": False,
        "optimizer": "spectral",
        "learning_rate": 1.6e-3,
        "momentum": 0.95,
        "batch_size": 16,
        "n_updates": 10_000,
    },
    "long": {
        "resolution": 30,
        "n_hidden": 400,
        "n_gibbs": {0: 3, 24_000: 10},
        "optimizer": "spectral",
        "learning_rate": 4e-3,
        "momentum": 0.95,
        "batch_size": 4,
        "n_updates": 60_000,
    },
    "paper": {
        "resolution": 30,
        "n_hidden": 400,
        "n_gibbs": {0: 10, 1000: 25},
        "optimizer": "momentum",
        "centering": False,
        "learning_rate": 0.01,
        "momentum": 0.9,
        "initialization": "thesis",
        "batch_size": 1,
        "n_updates": 100_000,
    },
}
N_BALLS, N_FRAMES, N_TEST, N_LINEAR = 3, 100, 100, 400  # N_LINEAR videos fit the predictors without a model
TITLES = {"rtrbm": "RTRBM", "trbm": "TRBM"}


def new_model(name, options, settings, comm):
    """A model to be trained."""
    hyper_parameters = {key: value for key, value in settings.items() if key != "resolution"}
    return RTRBM(
        **hyper_parameters,
        bptt=name == "rtrbm",
        engine=options.engine,
        n_jobs=options.n_jobs,
        random_state=options.seed,
        comm=comm,
        verbose=1,
    )


def train(model, name, options, settings, folder):
    """Train one model on the stream; its file is the checkpoint that --resume continues from."""
    stream = BouncingBalls(
        settings["batch_size"], N_FRAMES, resolution=settings["resolution"], n_balls=N_BALLS, random_state=options.seed
    )
    work = f"{settings['n_updates']} updates of {settings['batch_size']} videos"
    path = folder / f"{name}.h5"
    if ranks.is_first(model.comm):
        starting(f"the {TITLES[name]}: {work}", path, options.resume)
    model.fit(stream, checkpoint=path, resume=options.resume)


def error_rows(models, n_taps, test, train_videos):
    """Squared error per frame of every predictor under every protocol, with its standard error."""
    trivial = {
        "copy-previous": evaluate.copy_previous(test),
        "linear extrapolation": evaluate.linear_extrapolation(test, 0, 1),
        "mean frame": evaluate.mean_frame(test, train_videos),
    }
    for m in sorted({2, n_taps} - {0}):
        trivial[f"autoregression, {m} tap{'s' * (m > 1)}"] = evaluate.autoregression(test, train_videos, m, 0, 1)
    rows = [(name, "none", *evaluate.squared_error(test, predicted)) for name, predicted in trivial.items()]
    for name, model in models.items():
        for protocol in PROTOCOLS:
            error = evaluate.squared_error(test, model.predict(test, protocol))
            rows.append((TITLES[name], protocol, *error))
    return rows


def idle(model, videos):
    """How many hidden units are on in under 1 % of the frames, or in over 99 %."""
    mean = np.concatenate(list(model.transform(videos))).mean(axis=0)
    return int(((mean < 0.01) | (mean > 0.99)).sum())


def parser():
    """The command line."""
    parser = command_line(__doc__, "bouncing_balls", PROFILES)
    parser.add_argument(
        "--model",
        choices=("rtrbm", "trbm", "both"),
        default="rtrbm",
        help="trbm: the simplified one, RTRBM(bptt=False) (default: rtrbm)",
    )
    parser.add_argument("--dynamic-visible-bias", action="store_true", help="let the past act on the visible units too")
    parser.add_argument(
        "--n-taps",
        type=int,
        help="delay taps: let so many frames before act on all biases (default: that of the profile)",
    )
    return parser


def write_all_settings(folder, options, settings, minutes, ended=True):
    """The command line, the profile and the protocol of what is in the folder, and the minutes of training."""
    protocol = {
        "n_balls": N_BALLS,
        "n_frames": N_FRAMES,
        "n_test": N_TEST,
        "n_linear": N_LINEAR,
        "test_seed": options.seed + TEST_SEED_OFFSET,
        "scored_frames": f"2..{N_FRAMES}",
    }
    worked = {"engine": check_work(options)}
    written = {**vars(options), **settings, **protocol, **worked, "minutes": minutes}
    write_settings(folder / "settings.json", written, ended)


@script
def main(arguments=None):
    started = time.perf_counter()
    options = parser().parse_args(arguments)
    check_command_line(options)
    settings, comm = {"n_taps": 0, "dynamic_visible_bias": False, **PROFILES[options.profile]}, ranks.world()
    if options.n_taps is not None:
        check_count("--n-taps", options.n_taps, 0)
        if options.n_taps >= N_FRAMES:
            raise ValueError(f"--n-taps must be less than the videos' {N_FRAMES} frames, got {options.n_taps}")
        settings["n_taps"] = options.n_taps
    if options.dynamic_visible_bias:
        settings["dynamic_visible_bias"] = True
    folder = output_folder(options.out, comm, default=f"results/bouncing_balls-{options.profile}")
    names = ("rtrbm", "trbm") if options.model == "both" else (options.model,)
    models = {name: new_model(name, options, settings, comm) for name in names}
    begin(folder, models, options.resume, comm)
    minutes = minutes_before(folder, options.resume)

    def record():
        if ranks.is_first(comm):
            write_all_settings(folder, options, settings, minutes, ended=False)

    try:
        with noted() as warned:
            for name, model in models.items():
                with timed(minutes, name, record):
                    train(model, name, options, settings, folder)
    except KeyboardInterrupt:
        return stopped(folder) if ranks.is_first(comm) else 130
    if not ranks.is_first(comm):
        return 0
    videos = {"n_frames": N_FRAMES, "resolution": settings["resolution"], "n_balls": N_BALLS}
    test = bouncing_balls(N_TEST, **videos, random_state=options.seed + TEST_SEED_OFFSET)
    columns = ("predictor", "protocol", "squared_error_per_frame", "standard_error")
    train_videos = bouncing_balls(N_LINEAR, **videos, random_state=options.seed)
    rows = error_rows(models, settings["n_taps"], test, train_videos)
    write_table(folder / "errors.csv", columns, rows)
    print_table(
        columns, rows, f"One-step prediction of {N_TEST} fresh videos, frames 2..{N_FRAMES}, seed {options.seed}"
    )
    units = [(TITLES[name], model.n_hidden, idle(model, test)) for name, model in models.items()]
    columns = ("model", "hidden_units", "idle")
    write_table(folder / "hidden_units.csv", columns, units)
    print_table(columns, units, f"Hidden units that are on in under 1 % of the frames of {N_TEST} videos, or over 99 %")
    titled = {TITLES[name]: model for name, model in models.items()}
    ahead = rollouts.rollout_rows(titled, test, train_videos, max(2, settings["n_taps"]), options.seed)
    write_table(folder / "rollouts.csv", rollouts.COLUMNS, ahead)
    print_table(rollouts.COLUMNS, ahead, f"Roll-outs from {rollouts.N_PREFIX} frames of {rollouts.N_VIDEOS} videos")
    save_figure(rollouts.draw_rollouts(ahead), folder / "rollouts.png")
    draw_run(titled, test, options.seed, folder)
    for name, model in models.items():
        title, own = f"{TITLES[name]} of bouncing balls", "" if name == names[0] else name
        report(folder, model, test, train_videos, name=own, title=title, warnings=warned)
    write_all_settings(folder, options, settings, minutes)
    print(f"\n{time.perf_counter() - started:.0f} s; model, history, table, pictures and report.html are in {folder}")
    return 0


if __name__ == "__main__":
    run(main, by_ranks=True)
