"""``rtrbm balls``: an RTRBM learns bouncing balls. `experiments.bouncing_balls` has more sizes and recipes."""

import os
import pathlib

from ..checks import about
from ..datasets import BouncingBalls, bouncing_balls
from ..models import RTRBM
from ..replacing import check_path
from ..report import write_report
from . import STOPPED
from .beside import Beside
from .errors import COLUMNS, error_rows
from .settings import about_options
from .writing import has, making, mark, print_table, say, say_stopped, write_settings, write_table

VIDEOS = {"n_frames": 100, "resolution": 15, "n_balls": 3}
N_TEST, N_LINEAR = 25, 400  # videos that are predicted, and those that the linear predictor is fitted to
TEST_SEED_OFFSET = 1_000_003  # fresh videos, not those of training
FILES = "rtrbm.h5", "settings.json", "errors.csv", "report.html"  # beside pictures
UPDATES, HIDDEN, ENGINE = 3000, 200, "auto"
RECIPE = {"dynamic_visible_bias": True, "optimizer": "spectral", "learning_rate": 7e-3, "batch_size": 8}
LENGTHENED = {0: 1, 0.25: 3, 0.6: 10}  # steps of the chain, from these parts of the training on


def run(options):
    """Train, measure, draw."""
    folder, updates = pathlib.Path(options.out), options.updates or UPDATES
    seed = options.seed or 0
    path = folder / "rtrbm.h5"
    goes_on = options.resume and path.exists()
    lengthened = {int(part * updates): k for part, k in LENGTHENED.items()}
    model = RTRBM(
        options.hidden or HIDDEN,
        n_gibbs=RTRBM.load(path).n_gibbs if goes_on else lengthened,  # a longer run goes on with the longest chains
        n_updates=updates,
        engine=options.engine or ENGINE,
        n_jobs=-1 if options.n_jobs is None else options.n_jobs,
        random_state=seed,
        verbose=1,
        **RECIPE,
    )
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"--out must be a folder, {options.out!r} is a file")
    with making(options.out):
        folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()) and not options.force and not goes_on:
        how = f"--resume finds no {path.name} there" if options.resume else "--resume goes on with it"
        raise ValueError(f"--out: {options.out!r} is not empty; --force replaces what is in it, {how}")
    for name in FILES:
        check_path("--out", folder / name)
    say(f"training {model!r} on fresh videos of bouncing balls")
    stream, before = BouncingBalls(RECIPE["batch_size"], **VIDEOS, random_state=seed), mark(path)
    settings = {"videos": VIDEOS, "n_test": N_TEST, "n_linear": N_LINEAR, "test_seed": seed + TEST_SEED_OFFSET}

    def record(running=False):
        return {"model": "RTRBM", **model._settings(), **settings, "warnings": options.warned}

    beside = Beside(folder / "settings.json", path, record)
    try:
        with about("--out", "checkpoint", "path"), about_options():
            model.fit(stream, checkpoint=path, resume=options.resume, callbacks=[beside])
    except KeyboardInterrupt:
        say_stopped("balls", path, before, options.resume)
        return STOPPED
    beside.write()
    measure(model, options, seed, folder)
    write_settings(folder / "settings.json", record())
    say(f"\n{folder} has {', '.join(sorted(os.listdir(folder)))}")


def measure(model, options, seed, folder):
    """Predict fresh videos, write the errors, draw."""
    say(f"predicting {N_TEST} fresh videos")
    test = bouncing_balls(N_TEST, **VIDEOS, random_state=seed + TEST_SEED_OFFSET)
    known = bouncing_balls(N_LINEAR, **VIDEOS, random_state=seed)
    rows = error_rows("RTRBM", model.predict(test), test, known, (0, 1))
    write_table(folder / "errors.csv", COLUMNS, rows)
    print_table(COLUMNS, rows, f"Squared error of the next frame of {N_TEST} fresh videos")
    if has("matplotlib"):
        from .pictures import draw_run

        draw_run({"RTRBM": model}, test, seed, folder)
    else:
        say("pip install 'rtrbm[figures]' and --resume add pictures: dreams.gif, predictions.png, receptive fields")
    write_report(folder / "report.html", model, test, train=known, warnings=options.warned)
