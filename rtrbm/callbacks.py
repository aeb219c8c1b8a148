"""Callbacks of `fit`: keep the best model and stop early, write a log, print a line now and then.

A callback is any function of the model, called after every update; if it returns True, training stops. One that also
has something to do before the first update or at the end is a subclass of `Callback`.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from .checks import check_count, check_number
from .parameters import each
from .replacing import check_path, replacing
from .training import ranks
from .training.monitor import Callback, Lines
from .training.state import HISTORY, VALIDATION, Best
from .types import Path
from .warned import warn

__all__ = ["Callback", "EarlyStopping", "Log", "Print"]

EVERY = 100  # updates after which a log that could not be written is tried again


class EarlyStopping(Callback):
    """Keep the best model, and stop when there was none better for a while.

    The best is the one of the least validation error (`fit(validation=)`): every measurement counts, that before the
    first update too. Without validation data it is the one of the least reconstruction error, averaged over as many
    updates as lie between two measurements. That error says how well the model fits the data it learns from.

    When training ends, by itself, by an error or by Ctrl-C, `model.params_` are those of the best model. `model.best_`
    holds them too, with `update`, the updates that had been made, and `error`. A checkpoint keeps both `best_` and the
    state of training, so a run that was interrupted goes on, with a new EarlyStopping, as if it had not been. A run
    that is complete goes on from the best parameters, if it is resumed with more updates. A run that is resumed with
    validation data and had none, or the other way round, looks for the best anew, and a warning says so.

    Parameters
    ----------
    patience : int, optional
        Training stops when so many measurements in a row brought no better model. None: it never does.

    Examples
    --------
    >>> import numpy as np
    >>> from rtrbm import RTRBM
    >>> from rtrbm.callbacks import EarlyStopping
    >>> X = np.random.default_rng(0).integers(2, size=(9, 20, 5))
    >>> model = RTRBM(10, n_gibbs=1, learning_rate=0.1, n_updates=200, random_state=0)
    >>> model = model.fit(X[:6], validation=X[6:], callbacks=[EarlyStopping(patience=3)])
    >>> model.n_updates_ < 200 and model.best_.error == min(model.history_["validation_error"])
    True
    """

    def __init__(self, patience: int | None = None) -> None:
        if patience is not None:
            check_count("patience", patience)
        self.patience = patience

    def start(self, model):
        if model.best_ is not None and _is_validated(model) != model._plan.validates:
            model.best_ = None
            if ranks.is_first(model.comm):
                how = "without" if model._plan.validates else "with"
                line = f"EarlyStopping looks for the best model anew: the one so far was found {how} validation="
                warn(line)
        return self(model)

    def __call__(self, model: Any) -> bool | None:
        error = _error(model)
        if error is not None and (model.best_ is None or error < model.best_.error):
            model.best_ = Best(each(np.copy, model.params_), model.n_updates_, error)
        return self.patience is not None and model.best_ is not None and _n_since_best(model) >= self.patience

    def end(self, model):
        if model.best_ is not None:
            model.params_ = each(np.copy, model.best_.params)


def _error(model):
    """The error that was measured after the last update; None if it was not."""
    n, history, every = model.n_updates_, model._history, model._plan.look_every
    if model._plan.validates:
        return history["validation_error"][-1] if history["validation_update"][-1] == n else None
    if n == 0 or n % every and n != model._plan.n_updates:
        return None
    return float(np.mean(history["reconstruction_error"][-every:]))


def _is_validated(model):
    """Whether the best model was found by a validation error."""
    measured = zip(*(model._history.get(name, ()) for name in VALIDATION[:2]))
    return (model.best_.update, model.best_.error) in measured


def _n_since_best(model):
    """How often the error was measured since the best model."""
    n, best = model.n_updates_, model.best_.update
    if model._plan.validates:
        return sum(update > best for update in model._history["validation_update"])
    return n // model._plan.look_every - best // model._plan.look_every


class Log(Callback):
    """Write the history of training to a CSV file, a line after every update.

    Columns: update (the number made so far), the lists of `history_`, and, where they were measured, the validation's
    error and log-likelihood. The line of update 0 has these alone. A run that is resumed goes on with its file, each
    update in it once, from the checkpoint on. A run that begins anew replaces the file of an earlier one. Of several
    MPI ranks the first one writes. A line that cannot be written, on a full disk say, is a warning, and the file is
    written anew later. In a `Stack`, ``log.csv`` stands for ``log-1.csv``, ``log-2.csv``, one a layer.

    Parameters
    ----------
    path : path-like

    Raises
    ------
    TypeError, ValueError
        If it is no path of a file in an existing folder; when training begins, if there is a file that is no such log.
    """

    COLUMNS = ("update", *HISTORY, *VALIDATION[1:])

    def __init__(self, path: Path) -> None:
        self.path, self._is_whole = os.path.abspath(check_path("path", path)), True

    def of_layer(self, i):
        base, suffix = os.path.splitext(self.path)
        return Log(f"{base}-{i}{suffix}")

    def files(self):
        return (self.path,)

    def check(self):
        head = ",".join(self.COLUMNS)
        if os.path.exists(self.path):
            with open(self.path, "rb") as file:
                if file.readline().strip() not in (b"", head.encode()):
                    raise ValueError(f"path must be a new file or that of a log, {self.path!r} is another file")

    def start(self, model):
        if ranks.is_first(model.comm):
            self._write(model)

    def __call__(self, model: Any) -> None:
        if self._is_whole:
            self._try(model, self._append)
        elif model.n_updates_ % EVERY == 0:
            self._try(model, self._write)

    def end(self, model):
        if not self._is_whole:
            self._try(model, self._write)

    def _try(self, model, write):
        """Write to the file; a failure is a warning, the first of several."""
        if not ranks.is_first(model.comm):
            return
        try:
            write(model)
        except (OSError, ValueError) as error:
            if self._is_whole:
                reason = getattr(error, "strerror", None) or error
                line = f"no line of update {model.n_updates_} in {self.path!r}: {reason}; it is tried again later"
                warn(line)
            self._is_whole = False

    def _append(self, model):
        with open(self.path, "a", encoding="ascii") as file:
            last = {n: -1 for n in model._history.get("validation_update", [])[-1:]}
            file.write(f"{_line(model._history, model.n_updates_, last)}\n")

    def _write(self, model):
        """Write the whole file."""
        history, n_updates = model._history, model.n_updates_
        places = {n: at for at, n in enumerate(history.get("validation_update", []))}
        lines = [_line(history, n, places) for n in range(0 if 0 in places else 1, n_updates + 1)]
        with replacing(self.path) as temporary, open(temporary, "w", encoding="ascii") as file:
            file.write("".join(f"{line}\n" for line in [",".join(self.COLUMNS), *lines]))
        self._is_whole = True


def _line(history, n, places):
    """The line of update n of a log; `places` are those of measured updates in the lists of the validation."""
    values = [history[name][n - 1] if n else "" for name in HISTORY]
    values += [history[name][places[n]] if n in places and name in history else "" for name in VALIDATION[1:]]
    return ",".join(map(str, [n, *values]))


class Print(Callback):
    """Print a line about the training every so many seconds.

    Parameters
    ----------
    seconds : float

    Examples
    --------
    >>> from rtrbm import RBM
    >>> from rtrbm.callbacks import Print
    >>> model = RBM(2, n_updates=3, random_state=0).fit(np.eye(4), callbacks=[Print(60)])  # over before that
    """

    def __init__(self, seconds: float = 60) -> None:
        check_number("seconds", seconds, 0, closed=True)
        self.seconds = seconds

    def start(self, model):
        self._lines = Lines(model._plan.n_updates, model.n_updates_, self.seconds, print)

    def __call__(self, model: Any) -> None:
        if ranks.is_first(model.comm):
            self._lines.advance(model._history)
