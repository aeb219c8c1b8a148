"""Checks of settings: every error names the argument, the value given and the values wanted."""

import contextlib
import difflib
import inspect
import numbers
import re

import numpy as np

from . import machine


@contextlib.contextmanager
def about(label, *names):
    """Context in which errors that call an argument by one of these names call it `label`.

    Paths stay as they are, and so do X.T, X[..., 0], X[:, 0] and X / 255.
    """
    try:
        yield
    except (TypeError, ValueError, OSError, RuntimeError) as error:
        pattern = rf"(?<![\w'\"/\\-])({'|'.join(names)})(?![\w'\"/\\]|\.\w|\[[.:]| / )"

        def said(part):
            return re.sub(pattern, lambda _: label, part) if isinstance(part, str) else part

        error.args = tuple(map(said, error.args))
        if isinstance(error, OSError):  # whose text is not made of its arguments
            error.strerror = said(error.strerror)
        raise


def printable(text):
    """A text with escapes for characters that would move a terminal's cursor, or do more."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def check_count(name, value, minimum=1):
    """Raise unless `value` is an integer, of at least `minimum` if that is not None."""
    if isinstance(value, bool) or not isinstance(value, numbers.Integral):
        raise TypeError(f"{name} must be an integer, got {value!r}")
    if minimum is not None and value < minimum:
        raise ValueError(f"{name} must be at least {minimum}, got {value}")


def check_number(name, value, minimum, maximum=np.inf, closed=False):
    """Raise unless `value` is a finite number with minimum < value < maximum (minimum <= value if `closed`)."""
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise TypeError(f"{name} must be a number, got {value!r}")
    try:
        there = float(value)
    except OverflowError as error:
        raise ValueError(f"{name} must be a number that double precision has, got {value!r:.60}") from error
    if not (minimum < there < maximum or closed and there == minimum):
        above = f"at least {minimum}" if closed else f"greater than {minimum}"
        below = f" and less than {maximum}" if maximum < np.inf else " and finite"
        raise ValueError(f"{name} must be {above}{below}, got {value}")


RENAMED = {
    "n_components": "n_hidden",
    "hidden_size": "n_hidden",
    "n_hiddens": "n_hidden",
    "n_iter": "n_epochs",
    "max_iter": "n_epochs",
    "epochs": "n_epochs",
    "num_epochs": "n_epochs",
    "n_epochs": "n_epochs",
    "n_updates": "n_updates",
    "validation_data": "validation",
    "X_val": "validation",
    "lr": "learning_rate",
    "eta": "learning_rate",
    "k": "n_gibbs",
    "cd_k": "n_gibbs",
    "seed": "random_state",
    "random_seed": "random_state",
}  # names in other packages, and the names here
SAID = dict.fromkeys(("n_visible", "n_features", "input_size", "n_input"), "the number of features is that of X")
SAID |= {"warm_start": "partial_fit goes on, and so does fit(X, checkpoint=..., resume=True)"}
STOPPING = "take fit(X, callbacks=[rtrbm.callbacks.EarlyStopping(patience)])"
SAID |= dict.fromkeys(("early_stopping", "n_iter_no_change", "patience"), STOPPING)
SAID |= {"validation_split": "take fit(X, validation=...)", "validation_fraction": "take fit(X, validation=...)"}
AS_A_LIST = {"lengths": "X as a list of arrays, one for each sequence"}
OF_FIT = {name: f"fit(X, {name}=...)" for name in ("window", "warm_up", "mask", "inputs", "validation", "callbacks")}


def check_known(what, given, known, error=TypeError, owner="the model", elsewhere=OF_FIT | AS_A_LIST):
    """Raise if a keyword is not known; the message says which one was probably meant.

    Parameters
    ----------
    what : str
        The beginning of the message: the function and its kind of keywords.
    given, known : iterables of str
    error : type
    owner : str
        What has the hyper-parameters.
    elsewhere : dict of str to str
        Names that belong elsewhere, and what to write there.
    """
    known = list(known)
    for name in given:
        if name in known:
            continue
        if elsewhere and name in SAID:
            raise error(f"{what} {name!r}: {SAID[name]}")
        meant = RENAMED.get(name, name)
        if meant in known:
            said = meant
        elif meant in elsewhere:
            said = elsewhere[meant]
        elif name in RENAMED:
            said = f"{meant}, a hyper-parameter of {owner}"
        elif alike := difflib.get_close_matches(name, known, 1):
            (said,) = alike
        else:
            raise error(f"{what} {name!r}, only {', '.join(known)}")
        raise error(f"{what} {name!r}: did you mean {said}?")


def check_keywords(function, what, unknown, owner="the model"):
    """Raise a TypeError if `unknown`, the keywords that a function does not have, holds any; `owner` has settings."""
    if unknown:
        known = [name for name in inspect.signature(function).parameters if name not in ("self", "unknown")]
        elsewhere = AS_A_LIST | ({} if function.__name__ == "fit" else OF_FIT)
        check_known(f"{what} has no keyword", unknown, known, owner=owner, elsewhere=elsewhere)


def check_choice(name, value, choices):
    """Raise unless `value` is one of `choices`."""
    value = bool(value) if isinstance(value, np.bool_) else value
    if not any(value is choice or isinstance(value, str) and value == choice for choice in choices):
        raise ValueError(f"{name} must be one of {', '.join(map(repr, choices))}, got {value!r}")


def check_dtype(name, value):
    """Raise unless `value` means float32 or float64."""
    try:
        known = value is not None and np.dtype(value) in (np.dtype("float32"), np.dtype("float64"))
    except Exception:  # numpy asks the value itself
        known = False
    if not known:
        raise ValueError(f"{name} must be one of 'float32', 'float64', got {value!r}")


def check_n_jobs(name, value):
    """Raise unless `value` is None or an integer other than 0: threads (`rtrbm.compute.threads.n_threads`)."""
    if value is not None:
        check_count(name, value, minimum=None)
        if value == 0:
            raise ValueError(f"{name} must be None or an integer other than 0, got 0")


def check_n_gibbs(name, value):
    """Raise unless `value` is a positive integer or a schedule {first_update: k} that starts at update 0."""
    if not isinstance(value, dict):
        return check_count(name, value)
    for first, k in value.items():
        check_count(f"{name} (first update)", first, minimum=0)
        check_count(name, k)
    if 0 not in value:
        raise ValueError(f"{name} must have a value for update 0, got {value!r}")


def check_callables(name, value):
    """Raise a TypeError unless `value` is a list or tuple of callables."""
    if not isinstance(value, list | tuple) or not all(map(callable, value)):
        raise TypeError(f"{name} must be a list of functions, each called with the model, got {value!r}")
    for i, one in enumerate(value):
        if isinstance(one, type):
            raise TypeError(f"{name}[{i}] must be a function or an object, got the class: take {one.__name__}()")


def check_anything(name, value):
    """No check: another place checks it."""


def check_flag(name, value):
    """Raise unless `value` is True or False."""
    check_choice(name, value, (True, False))


def check_n_epochs(name, value):
    """Raise unless `value` is None or a count."""
    if value is not None:
        check_count(name, value)


def check_max_norm(name, value):
    """Raise unless `value` is None or a number greater than 0."""
    if value is not None:
        check_number(name, value, 0)


def check_verbose(name, value):
    """Raise a TypeError unless `value` is an integer or a bool."""
    if not isinstance(value, numbers.Integral | np.bool_):
        raise TypeError(f"{name} must be an integer or a bool, got {value!r}")


def check_size(name, value, minimum=1):
    """Raise unless `value` is a count of at least `minimum`, and an array of so many numbers fits in memory."""
    check_count(name, value, minimum)
    check_memory(f"{name}={value}", value, "float32")


def check_memory(what, n_elements, dtype):
    """Raise a ValueError if an array of so many elements could not fit in the memory that this process may use."""
    n_bytes, allowed = int(n_elements) * np.dtype(dtype).itemsize, machine.memory()
    if n_bytes > allowed:
        raise ValueError(f"{what} would take {-(-n_bytes // 10**9)} GB, this process may use {allowed / 1e9:.3g} GB")
