"""The settings of a model from a command line: options, --set, a TOML file, and what the data call for."""

import ast
import contextlib
import dataclasses

import numpy as np

from .. import models
from ..checks import about, check_known

WORDS = {"true": True, "false": False, "none": None}
OPTIONS = {"hidden": "n_hidden", "updates": "n_updates", "seed": "random_state", "n_jobs": "n_jobs", "engine": "engine"}
OF_FIT = {
    "no --standardize": "standardize=False", "--standardize": "standardize=True",
    "--updates": "n_updates", "--hidden": "n_hidden", "--seed": r"random_state \(the seed\)", "--resume": "resume",
    "--force in place of --resume": "resume=False", "--window": "window= and warm_up=",
}  # options of commands that train, and what `fit` calls them
OF_SET = "visible", "negative", "initialization", "optimizer"  # settings that messages of `fit` name with a value
OWN = ("comm", "verbose")  # settings that are no choice here
START = {"random_state": 0, "engine": "auto", "n_jobs": -1, "verbose": 1}
OF_TRAIN = ("model", "window")  # what a TOML file may hold beside the settings of a model
BERNOULLI = {"dynamic_visible_bias": True}
REAL = {
    "visible": "scaled_gaussian",
    "standardize": True,
    "n_taps": 2,
    "dynamic_visible_bias": True,
    "learning_rate": 1e-3,
    "n_gibbs": 3,
}  # docs/your-data.md, "Where to start"
FEW, FOR_FEW = 5000, {"weight_decay": 0.03}  # frames of real values that many updates would learn by heart


@contextlib.contextmanager
def about_options():
    """Context in which errors of `fit` name options of the command line."""
    with contextlib.ExitStack() as contexts:
        for option, name in OF_FIT.items():
            contexts.enter_context(about(option, name))
        for name in OF_SET:
            contexts.enter_context(about(f"--set {name}", f"{name}(?==)"))
        yield


def value_of(text):
    """The value of a setting, of its text: a number, a word for True, False or None, a dict, a tuple; else the text.

    Examples
    --------
    >>> value_of("0.5"), value_of("{0:1,200:3}"), value_of("none"), value_of("adam")
    (0.5, {0: 1, 200: 3}, None, 'adam')
    """
    if text.lower() in WORDS:
        return WORDS[text.lower()]
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return text


def from_toml(path):
    """The settings in a TOML file.

    Raises
    ------
    ValueError
        If there is none, it cannot be read, or it is no TOML.
    ImportError
        On Python 3.10 without tomli.
    """
    try:
        import tomllib
    except ImportError:
        try:
            import tomli as tomllib
        except ImportError as error:
            raise ImportError("--config needs tomli on Python 3.10: pip install tomli") from error
    try:
        with open(path, encoding="utf-8-sig") as file:
            read = tomllib.loads(file.read())
    except OSError as error:
        raise ValueError(f"--config: {error.strerror}: {path!r}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"--config must be a TOML file, {path!r} cannot be read: {error}") from error
    return {name: _of_toml(value) for name, value in read.items()}


def _of_toml(value):
    """A value of TOML, whose keys are texts and which has no None, as that of a setting."""
    if isinstance(value, dict):
        return {value_of(key): _of_toml(item) for key, item in value.items()}
    return None if value == "none" else value


def given_settings(options):
    """What a command line says about a model.

    Parameters
    ----------
    options : argparse.Namespace
        Of `train`. `model` and `window` are filled in from the file of --config.

    Returns
    -------
    kind : type
        The model's class.
    given : dict
        Settings by name.

    Raises
    ------
    OSError, TypeError, ValueError, ImportError
        If the file cannot be read, or a setting is unknown or has a value that it cannot have; the message names the
        option.
    """
    found = {} if options.config is None else from_toml(options.config)
    label = f"--config {options.config}:"
    for name in OF_TRAIN:
        value = found.pop(name, None)
        if getattr(options, name) is None:
            setattr(options, name, value)
    options.model = options.model or "rtrbm"
    kind = _class(options.model, label)
    if options.window is not None and (type(options.window) is not int or options.window < 0):
        raise ValueError(f"{label} window must be a whole number of at least 0, got {options.window!r}")
    known = [field.name for field in dataclasses.fields(kind) if field.name not in OWN]
    check_known(f"{label} {kind.__name__} has no setting", found, [*known, *OF_TRAIN], ValueError)
    labels = {name: f"{label} {name}" for name in found}
    for text in options.set:
        name, equals, value = text.partition("=")
        if not equals:
            raise ValueError(f"--set must be NAME=VALUE, got {text!r}")
        if name not in known and name in OF_TRAIN:
            raise ValueError(f"--set: {name} is an option of its own, --{name.replace('_', '-')} {value}")
        check_known(f"--set: {kind.__name__} has no setting", [name], known, ValueError)
        found[name], labels[name] = value_of(value), f"--set {name}"
    for option, name in OPTIONS.items():
        if getattr(options, option) is not None:
            found[name], labels[name] = getattr(options, option), f"--{option.replace('_', '-')}"
    if options.updates is not None and found.get("n_epochs") is not None:
        raise ValueError(f"--updates and {labels['n_epochs']} both say how long training is: leave one of them out")
    if options.standardize:
        if not found.get("standardize", True):
            raise ValueError(f"--standardize and {labels['standardize']}=false contradict each other: leave one out")
        found["standardize"] = True
    for field in dataclasses.fields(kind):
        if field.name in found:
            field.metadata["check"](labels.get(field.name, field.name), found[field.name])
    return kind, found


def _class(name, label):
    """The class of a model by the name of --model."""
    kinds = {kind.lower(): getattr(models, kind) for kind in models.__all__ if kind not in ("Stack", "load")}
    if name not in kinds:
        raise ValueError(f"{label} model must be one of {', '.join(sorted(kinds))}, got {name!r}")
    return kinds[name]


def for_data(kind, given, data):
    """The settings that data call for, and over them those that were given.

    Raises
    ------
    ValueError
        If the data are neither in [0, 1] nor declared as anything else; the message has the options that mend it.
    """
    known = {field.name for field in dataclasses.fields(kind)}
    if not given.get("standardize") and "visible" not in given:
        _check_probabilities(data)
    start = START | (REAL if given.get("standardize") else BERNOULLI)
    if given.get("standardize") and sum(map(len, data.sequences)) < FEW:
        start |= FOR_FEW
    return {name: value for name, value in start.items() if name in known} | given


def _check_probabilities(data):
    """Raise unless all numbers lie in [0, 1]."""
    X = np.concatenate(data.arrays())
    low, high = np.nanmin(X), np.nanmax(X)
    if low >= 0 and high <= 1:
        return
    whole = low >= 0 and ((X == np.rint(X)) | np.isnan(X)).all()
    pixels = "" if high > 255 or data.names else ", divide pixels by 255"
    counts = f", or --set visible=poisson for counts{pixels}" if whole else ""
    beyond = [] if data.names is None else [n for n, low, high in _ranges(data.names, X) if low < 0 or high > 1]
    columns = f" (columns {', '.join(beyond[:5])}{', ...' * (len(beyond) > 5)})" if beyond else ""
    raise ValueError(
        f"{data.path!r} has values from {low:.9g} to {high:.9g}{columns}, units of 0 and 1 want numbers in [0, 1]: add "
        f"--standardize for real values{counts}"
    )


def _ranges(names, X):
    """Each feature's name, least and greatest value."""
    return zip(names, np.nanmin(X, axis=0), np.nanmax(X, axis=0))
