"""``rtrbm train``: a model of the data in a file."""

import os
import time

import numpy as np

from ..callbacks import EarlyStopping
from ..checks import about
from ..report.described import described
from . import STOPPED
from .beside import Beside
from .errors import COLUMNS
from .reading import check_complete, check_follows, check_unnamed, read_data
from .score import print_errors
from .settings import about_options, for_data, given_settings
from .verbs import about_data, with_columns
from .writing import check_out, earlier_settings, mark, say, say_stopped, settings_of, write_settings

LONG, WINDOW = 200, 100  # a sequence of more frames is cut into windows of so many, unless --window says otherwise


def run(options):
    """Train a model, say what it is worth, write it and its settings."""
    started = time.perf_counter()
    settings = settings_of(options.out)
    check_out(options, (".h5",), options.file, options.validation, options.config, writes=[options.out, settings])
    kind, given = given_settings(options)
    data = read_data(options.file, options)
    if options.resume:
        data = _as_before(data, options.out)
    missing, static = _missing(data), kind._is_static
    if not static:
        check_follows(data)
    model = _new_model(kind, for_data(kind, given, data))
    before = mark(options.out)
    earlier = earlier_settings(settings) if options.resume and before is not None else {"minutes": 0}
    held_out, window = _held_out(options, data), _window(options, data, static, earlier)
    say(f"{options.file}: {data}" + (f"; windows of {window} frames" if window else ""))
    if options.resume and not os.path.exists(options.out):
        say(f"--resume: there is no {options.out}, training begins anew")
    say(f"training {model!r}")
    extra = {} if static else {"window": window}
    if held_out is not None:
        extra["validation"] = held_out.rows() if static else held_out.sequences
    if missing is not None:
        extra["mask"] = np.concatenate(missing) if static else missing

    def record(running=False):
        minutes = None  # not known if the process is killed now, or was
        if not running and earlier.get("minutes") is not None:
            minutes = round(earlier["minutes"] + (time.perf_counter() - started) / 60, 3)
        found = {"file": options.file, "data": str(data), "validation": options.validation, "window": window}
        found |= {"model": kind.__name__, **model._settings(), "updates": model.n_updates_}
        warnings = list(dict.fromkeys([*(earlier.get("warnings") or []), *options.warned]))
        return found | {"warnings": warnings, "minutes": minutes}

    beside = Beside(settings, options.out, record)
    extra["callbacks"] = [EarlyStopping()] * (held_out is not None) + [beside]
    try:
        with (
            about_data(data),
            about("--validation", "validation"),
            about("--out", "checkpoint", "path"),
            about_options(),
        ):
            model.fit(data.rows() if static else data.sequences, checkpoint=options.out, resume=options.resume, **extra)
    except KeyboardInterrupt:
        say_stopped("train", options.out, before, options.resume)
        return STOPPED
    beside.write()
    errors = [] if static else _errors(model, data, held_out, missing)
    write_settings(settings, {**record(), "errors": errors})
    say(f"\n{options.out} has the model, {settings} its settings and errors")


def _new_model(kind, settings):
    """A model of these settings, which are checked together."""
    model = kind(**settings)
    with about_options():
        model._check_hyper_parameters()
    return model


def _as_before(data, path):
    """Data with the columns in the order of a run to go on from; `fit` says what is wrong with a file or its names."""
    try:
        names = described(path).get("feature_names")
    except (OSError, ValueError):
        return data
    if names is None or sorted(names) != sorted(data.names or ()):
        return data
    return with_columns(data, names, len(names))


def _held_out(options, data):
    """The validation data, or None."""
    if options.validation is None:
        check_unnamed("--validation", options.validation_name)
        return None
    held_out = read_data(options.validation, options, "--validation", options.validation_name)
    check_complete(held_out, "it must have none: leave these rows out")
    return with_columns(held_out, data.names, data.sequences[0].shape[1])


def _missing(data):
    """Where values are missing, for each sequence; None if none is."""
    missing = [np.isnan(array) for array in data.arrays()]
    n = sum(int(mask.sum()) for mask in missing)
    if not n:
        return None
    absent = np.flatnonzero(np.concatenate(missing).all(axis=0))
    if len(absent):
        column = absent[0] if data.names is None else repr(data.names[absent[0]])
        raise ValueError(f"{data.path!r} must have values in every column, column {column} has none: leave it out")
    say(f"{data.path}: {n} values are missing, each update draws them from the model")
    return missing


def _window(options, data, static, earlier):
    """The frames of a window, or None; with --resume those of the run that goes on, of these settings."""
    longest = max(len(sequence) for sequence in data.sequences)
    if static:
        if options.window:
            raise ValueError(f"--window {options.window} is for models of sequences, an RBM takes rows: leave it out")
        return None
    if "window" in earlier:
        began = earlier["window"]
        if options.window is not None and (options.window or None) != began:
            raise ValueError(
                f"--window, or window in the file of --config, must stay {began or 0}, with which the run in "
                f"{options.out!r} began, got {options.window}: leave it out, or begin anew with --force in place of "
                "--resume"
            )
        return began
    if options.window is None:
        return WINDOW if longest > LONG else None
    return options.window or None


def _errors(model, data, held_out, missing):
    """Print the table of errors; its rows, for the settings."""
    if missing is not None and held_out is None:
        say("\nno table of errors: the data have missing values; --validation FILE takes data that have none")
        return []
    where = f" of {data.path}, which the model has learned from" if held_out is None else f" of {held_out.path}"
    scored = data if held_out is None else held_out
    say("measuring the error of the next frame")
    rows = print_errors(model, scored, data if missing is None else None, where)
    return [{name: None if value != value else value for name, value in zip(COLUMNS, row)} for row in rows]
