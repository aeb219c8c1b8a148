"""Parts that all experiment scripts share: the folder of results, the settings, the tables."""

import argparse
import contextlib
import functools
import itertools
import json
import os
import pathlib
import subprocess
import sys
import time
from importlib.util import find_spec

import numpy as np

from rtrbm.checks import about, check_count
from rtrbm.commands import MISTAKES, readable, warnings_in_lines, writing
from rtrbm.commands.balls import TEST_SEED_OFFSET  # noqa: F401, scripts take it from here
from rtrbm.commands.writing import print_table, save_figure, write_table  # noqa: F401, scripts take them from here
from rtrbm.compute import engine
from rtrbm.minibatches.fingerprint import difference
from rtrbm.progress import lenient
from rtrbm.replacing import before, check_path
from rtrbm.training import locks, ranks

PICTURES = ".png", ".pdf", ".svg"


def command_line(description, name, profiles):
    """The options of a script that trains, to which it can add more. Results go to results/NAME-PROFILE by default."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--profile", choices=profiles, default="quick", help="size and recipe (default: quick)")
    parser.add_argument("--out", help=f"folder for the results (default: results/{name}-PROFILE)")
    parser.add_argument("--seed", type=int, default=0, help="default: 0")
    parser.add_argument("--resume", action="store_true", help="go on from the models in the folder")
    work_options(parser)
    return parser


def work_options(parser, n_jobs=-1):
    """Add --engine and --n-jobs, by which models work."""
    said = "numba: faster, with other random numbers, by rtrbm[fast]; auto: numba if it is there (default: auto)"
    parser.add_argument("--engine", choices=engine.ENGINES, default="auto", help=said)
    said = f"threads (default: {n_jobs if n_jobs > 0 else 'all processors'})"
    parser.add_argument("--n-jobs", type=int, default=n_jobs, help=said)


def check_work(options):
    """Raise if options of `work_options` are wrong; the name of the engine that works."""
    if options.n_jobs == 0:
        raise ValueError("--n-jobs must be a number of threads, or -1 for all processors, got 0")
    return engine.named(options.engine).name


def data_option(parser):
    """Add --data, the folder of real data."""
    home = os.path.expanduser  # a shell leaves the ~ of --data=~/data as it is
    default = os.environ.get("RTRBM_DATA")
    parser.add_argument("--data", type=home, default=default, help="folder of data (default: RTRBM_DATA)")


def check_different(option, values):
    """Raise if a value of an option is there twice: its runs would be taken for independent ones."""
    if len(set(values)) < len(values):
        raise ValueError(f"{option} must be different from each other, got {' '.join(map(str, values))}")


def check_seeds(seeds):
    """Raise if the values of --seeds are no seeds, or one is there twice."""
    for seed in seeds:
        check_count("--seeds", seed, 0)
    check_different("--seeds", seeds)


def check_command_line(options):
    """Raise if options of `command_line` are wrong or pictures cannot be drawn; the name of the engine that works.

    Scripts call this before any work.
    """
    check_count("--seed", options.seed, 0)
    check_figures()
    return check_work(options)


def data_files(files, folder):
    """The files of tasks that are in the folder of data; a task whose file is not there is left out, and this is said.

    Parameters
    ----------
    files : dict of str to str
        Paths below the folder, by the names of tasks; None of a task that needs no file.
    folder : path-like or None

    Returns
    -------
    dict of str to Path or None

    Raises
    ------
    ValueError
        If no task is left.
    """
    paths = {name: file and pathlib.Path(folder or "", file) for name, file in files.items()}
    there = {name: path for name, path in paths.items() if not path or folder and is_there(path)}
    if not there:
        raise ValueError(f"--data must name the folder of data, got {folder!r}: there is no file of any task")
    for name in [name for name in paths if name not in there]:
        print(f"{name} is left out: there is no {paths[name]}, --data names the folder of data", flush=True)
    return there


def is_there(path):
    """Whether a file of the folder of data is there; raises a ValueError if that cannot be seen."""
    try:
        return path.exists()
    except OSError as error:
        raise ValueError(f"--data must name a folder that can be read: {error.strerror}: {os.fspath(path)!r}") from None


_held = contextlib.ExitStack()  # the folders of the script that runs


def script(main):
    """Decorator of a script's `main`: it lets go of its folder of results at the end, and errors name --resume."""

    @functools.wraps(main)
    def run_main(arguments=None):
        with (
            _held,
            about("without --resume", "with resume=False"),
            about("--resume", "^resume(?= wants)"),
            about("--seed", r"random_state \(the seed\)"),
        ):
            return main(arguments)

    return run_main


def _say(line):
    print(line, file=sys.stderr)


def output_folder(path, comm=None, default=None):
    """The folder of that name, made if need be; until the end of the script no other run may write to it.

    Without a name it is the default one. A folder has one lock, ``run.lock``, that of a file ``run`` in it. Of several
    ranks the first one holds it.
    """
    path = default if path is None else path
    if not os.fspath(path).strip():
        raise ValueError(f"--out must name a folder, got {path!r}")
    folder = pathlib.Path(path).expanduser()

    def hold():
        with writing.making(path):
            folder.mkdir(parents=True, exist_ok=True)
            if ranks.is_first(comm):
                what = f"--out {os.fspath(path)!r}"
                _held.enter_context(locks.held(folder / "run", "--out", _say, what))

    ranks.together(hold, comm)
    return folder


def begin(folder, models, resume, comm=None):
    """Make ready, before any work, the files of the models of a run, NAME.h5: the checkpoints of their training.

    With `resume` every model must be able to go on from its file. Without it earlier files become NAME.previous-1.h5
    (2, 3, and so on), so that --resume finds models of this run alone.

    Parameters
    ----------
    folder : Path
    models : dict of str -> model
        Those of the run, by NAME, as they will be trained.
    resume : bool
    comm : communicator of mpi4py or None

    Raises
    ------
    TypeError, ValueError
        If a model cannot go on from its file (`check_resume`); nothing is changed.
    """

    def prepare():
        for name, model in models.items():
            path = folder / f"{name}.h5"
            if resume and path.exists():
                model.check_resume(path)
            elif ranks.is_first(comm) and not resume:
                _keep(path)

    ranks.together(prepare, comm)


def check_begun(folder, options, names):
    """Raise if the run in a folder, with which --resume goes on, began with other values of some options."""
    earlier = earlier_settings(folder)
    for name in names:
        own = getattr(options, name)
        if earlier.get(name, own) != own:
            began = f"--resume goes on with the run in {folder}, which began with --{name} {earlier[name]}"
            raise ValueError(f"--{name} must stay as it is, got {own}: {began}; take another --out")


def check_data(folder, own, option):
    """Raise if the run in a folder, with which --resume goes on, learned from other data by their fingerprints."""
    other = difference(earlier_settings(folder).get("learned_from"), own)
    if other is not None:
        wanted = f"the data that the models in {folder} learned from"
        raise ValueError(f"{option} must have {wanted}, got {other}: take another --out")


def _keep(path):
    """Rename a model's file, and the checkpoint before it, if they are there."""
    there = [earlier for earlier in (path, pathlib.Path(before(path))) if earlier.exists()]
    if there:
        kept = next(kept for n in itertools.count(1) if not (kept := path.with_suffix(f".previous-{n}.h5")).exists())
        for earlier in there:
            earlier.rename(before(kept) if earlier != path else kept)


def starting(work, path, resume):
    """Say what is trained, and with --resume whether it goes on from a file."""
    note = ""
    if resume:
        note = f", going on from {path}" if path.exists() else f", from the start: there is no {path}"
    print(f"training {work}{note}", flush=True)


def stopped(folder):
    """Say how to go on after Ctrl-C; returns the status to end with."""
    print(f"\nstopped; the same command with --resume goes on from the last checkpoint in {folder}", file=sys.stderr)
    return 130


def run(main, by_ranks=False):
    """Run a script's `main`. A mistake of the user ends it with one line, Ctrl-C ends it with status 130.

    Standard output that breaks, as that of `| head`, ends no script. The first of several ranks prints the line.
    Several ranks are an error unless `main` can share its work among them.
    """
    name, comm = pathlib.Path(sys.argv[0]).stem, None
    with lenient(name), warnings_in_lines(name, []):
        try:
            comm = ranks.world()
            if comm is not None and comm.size > 1 and not by_ranks:
                raise ValueError(f"this script is the work of one process, mpiexec started {comm.size}")
            sys.exit(main())
        except MISTAKES as error:
            if ranks.is_first(comm):
                print(f"{name}: {readable(error)}", file=sys.stderr)
            ranks.meet(comm)
            sys.exit(1)
        except KeyboardInterrupt:
            print("\nstopped", file=sys.stderr)
            sys.exit(130)


def commit():
    """The version of the code that runs: the commit, marked if files have changed since; None outside a checkout."""
    try:
        found = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=12"],
            cwd=pathlib.Path(__file__).parent, capture_output=True, text=True, check=True,
        )  # fmt: skip
    except (OSError, subprocess.CalledProcessError):
        return None
    return found.stdout.strip()


def minutes_before(folder, resume):
    """The minutes of each model's training before --resume goes on with it, from the folder's settings.

    They are None, not known, of a model whose file is there without them.
    """
    found = earlier_settings(folder).get("minutes") or {} if resume else {}
    there = [path.stem for path in folder.glob("*.h5") if ".previous-" not in path.name] if resume else ()
    return {name: found.get(name) for name in there}


def check_ended(option, folder, settings):
    """Raise if the run in a folder, of these settings, was broken off."""
    if settings.get("broken_off"):
        raise ValueError(f"{option} wants the folder of a run that ended, {folder} was broken off: go on with --resume")


def check_picture(option, path):
    """Raise if a picture cannot be written there, before any work."""
    check_path(option, path)
    if writing.ending_of(path) not in PICTURES:
        raise ValueError(f"{option} must end in one of {', '.join(PICTURES)}, got {path!r}")
    check_figures()


def earlier_settings(folder):
    """The settings of the run that is in a folder; none if there is no run."""
    path = folder / "settings.json"
    return read_settings(path) if path.exists() else {}


def read_settings(path):
    """The settings in a file that `write_settings` wrote.

    Raises
    ------
    ValueError
        If it holds something else.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is damaged: {error}; remove it, or take another folder") from error
    if not isinstance(found, dict):
        raise ValueError(f"{path} must hold settings by their names, got a {type(found).__name__}: remove it")
    return found


@contextlib.contextmanager
def timed(minutes, name, write):
    """Context that adds its minutes to those of that name, even if it is broken off.

    Parameters
    ----------
    minutes : dict of str to float or None
        None stays None: minutes of an earlier part are not known.
    name : str
    write : callable ()
        Writes settings with the minutes. Meanwhile they say None there: a process that is killed does not know them.
    """
    start, before = time.perf_counter(), minutes.get(name, 0)
    minutes[name] = None
    write()
    try:
        yield
    finally:
        minutes[name] = None if before is None else round(before + (time.perf_counter() - start) / 60, 3)
        write()


def write_settings(path, settings, ended=True):
    """Write settings as JSON, with the machine, the commit and the versions of everything that took part.

    Unless the run has ended they say so, by "broken_off": the tables beside them need not be all of it, or of this run.
    """
    writing.write_settings(path, settings if ended else {**settings, "broken_off": True}, commit=commit())


def mean_and_error(values, axis=0):
    """Mean and standard error of independent values, along an axis; the error of a single value is NaN."""
    values = np.asarray(values, float)
    mean, n = values.mean(axis=axis), values.shape[axis]
    error = values.std(axis=axis, ddof=1) / np.sqrt(n) if n > 1 else np.full_like(mean, np.nan)
    return (mean, error) if mean.ndim else (float(mean), float(error))


def check_figures():
    """Raise ValueError if pictures cannot be drawn. Scripts call this before any work."""
    if find_spec("matplotlib") is None:
        raise ValueError("pictures need matplotlib: install rtrbm[figures]")
