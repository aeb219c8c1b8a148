"""What `fit` does beside its updates: the error on validation data, callbacks, and what changed when a run goes on."""

import contextlib
import os
from functools import partial

import numpy as np

from .. import checks, foreign
from ..minibatches import sources
from ..minibatches.fingerprint import difference, fingerprint
from ..minibatches.windows import as_recordings
from ..rbm import exact
from ..replacing import as_path, before
from ..training import files, locks, loop, ranks
from ..training.monitor import Callback
from ..training.state import VALIDATION
from ..warned import warn
from . import doubts
from .features import check_names
from .fed import Fed

SCHEDULE = ("n_updates", "n_epochs", "learning_rate")  # settings that begin a new schedule of the learning rate
N_LOOKS = 20  # measurements in a run, unless told otherwise
MAX_TERMS = 2**24  # of the sums over all states in a measurement: about a second

COMPLETE = "leave out these frames, or train without validation and have them filled in by impute"


class Watched(Fed):
    """A model that is measured while it learns."""

    _derived = False  # whether the data come from a layer below, which makes others of them once it has learnt more

    def __copy__(self):
        """A model that goes on by itself: what training changes in place is its own."""
        new = object.__new__(type(self))
        new.__dict__ = dict(vars(self))
        if hasattr(self, "_history"):
            new._history = {name: list(values) for name, values in self._history.items()}
        return new

    def _measured(self, V):
        """The error of checked validation data, and their mean log-likelihood, None if that would take long."""
        raise NotImplementedError

    def _is_quick(self, n_rows):
        """Whether the sums over all states of so many RBMs take about a second at most."""
        shape, units = self.params_.W.shape, self._units()
        return exact.is_enumerable(*shape, units) and exact.n_terms(*shape, units, n_rows) <= MAX_TERMS

    def _check_run(self, checkpoint, checkpoint_every, resume, validation_every, callbacks):
        """Raise unless settings and keywords are valid."""
        self._check_hyper_parameters()
        checks.check_count("checkpoint_every", checkpoint_every)
        checks.check_flag("resume", resume)
        checks.check_callables("callbacks", callbacks)
        if validation_every is not None:
            checks.check_count("validation_every", validation_every)
        if checkpoint is not None:
            files.check_checkpoint(checkpoint)
            self._settings()  # raises if a file cannot keep one
        elif resume:
            raise ValueError("resume=True needs checkpoint, the file to resume from")
        own = [call for call in callbacks if isinstance(call, Callback)]
        _check_files(own, checkpoint)
        for callback in own:
            callback.check()

    def _held(self, checkpoint):
        """Context in which no other run writes to the checkpoint."""
        if checkpoint is None or not ranks.is_first(self.comm):
            return contextlib.nullcontext()
        return locks.held(checkpoint, "checkpoint", warn)

    def _planned(self, data, look_every, save_every):
        """The length of a run on these data, and its intervals."""
        source = sources.source(data, self.batch_size, 0)
        n_updates = int(self.n_updates) if self.n_epochs is None else sources.n_updates(source, self.n_epochs)
        look_every = -(-n_updates // N_LOOKS) if look_every is None else int(look_every)
        return loop.Plan(n_updates, look_every, int(save_every))

    def _validation(self, V, data, names, opened, window):
        """Checked validation data, `opened`, of as many features as the data of the run, and of their names."""
        if V is None:
            return None
        with checks.about("validation", "X"):
            V = opened(V) if window is None else as_recordings(opened(V))
            check_names(V, names, type(self).__name__, "validation")
            checked, cut = (self._check, self._check_one), window is not None
            try:
                V = sources.data(V, self._axes, *checked, self.batch_size, self.n_updates, cut)
            except (TypeError, ValueError):
                if _has_gaps(V):
                    raise ValueError(f"validation must have no missing values: {COMPLETE}") from None
                raise
            n_features = V[0].shape[-1] if hasattr(V, "__len__") else None
        if n_features is None:
            raise TypeError("validation must be data of a known length, got a stream or an iterable: take some of them")
        if not self._is_static:
            length = sources.length_of(V)
            if not any(length(i) > 1 for i in range(len(V))):
                raise ValueError(
                    "validation must have a sequence of at least 2 frames: the first frame is not predicted"
                )
        if getattr(data, "inputs", None) is not None:
            raise ValueError("validation cannot be measured with inputs: its error would want inputs too")
        if hasattr(data, "cut"):
            first = data.cut(0, 0, 1).v
        else:
            first = data[0] if hasattr(data, "__len__") else self._frames_of(sources.look(data, 0))[0][0]
        if n_features != first.shape[-1]:
            raise ValueError(f"validation must have the {first.shape[-1]} features of X, got {n_features}")
        return V

    def _prints(self, read, **data):
        """The fingerprints of data, by the name of the argument; data on a disk are only read for them if `read`."""
        known = {name: X for name, X in data.items() if X is not None and not self._derived}
        return {name: fingerprint(X) for name, X in known.items() if read or not isinstance(X, sources.Lazy)}

    def _going_on(self, path, training, changed, engine, prints, n_updates):
        """The state of training in a file, for a run to go on from; says which settings changed since then.

        Raises if its data are others, or no update would be made.
        """
        for name, own in prints.items():
            other = difference(training.fingerprints.get(name), own)
            if other is not None:
                cut = "take the window= and warm_up= of then, " if "windows" in other else ""
                raise ValueError(
                    f"{name} must hold the data that the run in {os.fspath(path)!r} began with, got {other}: {cut}"
                    "begin anew with resume=False, or load the file and train on others with partial_fit"
                )
        self._check_left(path, training, changed, n_updates)
        training = training._replace(fingerprints=training.fingerprints | prints)
        if engine != self._engine().name and ranks.is_first(self.comm):
            text = f"goes on with {self._engine().name} (was {engine}): other random numbers than of either alone"
            warn(f"the run in {os.fspath(path)!r} {text}")
        if not changed:
            return training
        now = [f"{name}={getattr(self, name)!r} (was {before!r})" for name, before in changed.items()]
        if set(SCHEDULE) & set(changed) or self.n_epochs is not None and "batch_size" in changed:
            training = training._replace(begin=training.n_updates)
            now.append(f"the rate falls from {self.learning_rate:g} to 0 over updates {training.begin} to {n_updates}")
        if ranks.is_first(self.comm):
            warn(f"the run in {os.fspath(path)!r} goes on with {'; '.join(now)}")
        return training

    def _watch(self, V, callbacks, checkpoint, resume):
        """What the loop calls beside its updates."""
        own = [callback for callback in callbacks if isinstance(callback, Callback)]

        def made(training):
            self._set_state(training._replace(best=self.best_))  # which a callback may have set

        def measured():
            with checks.about("validation", "X"):
                return self._without_names()._measured(V)

        def validate():
            for name, value in zip(VALIDATION, (self.n_updates_, *ranks.of_first(measured, self.comm))):
                if value is not None:
                    self._history.setdefault(name, []).append(value)

        def look(parts):
            if V is not None:
                validate()
            if parts is not None:
                seen = ranks.of_first(lambda: self._seen(parts), self.comm)
                for name, value in doubts.health(self._history, self.n_updates_, seen):
                    self._history.setdefault(name, []).append(value)

        def start():
            return _any_true([callback.start(self) for callback in own])

        def called():
            before = self.get_params(deep=False) | {"params_": self.params_}
            stop = _any_true([callback(self) for callback in callbacks])
            changed = [name for name, value in before.items() if getattr(self, name) is not value]
            if changed and not stop and self.n_updates_ < self._plan.n_updates:
                vars(self).update(before)
                raise ValueError(
                    f"a callback has set {', '.join(changed)}, which a run takes when it begins: change arrays of "
                    "params_ in place, and train in parts (partial_fit, or fit with resume=True) to change settings"
                )
            return stop

        def end():
            for callback in own:
                callback.end(self)

        saves, called, save = checkpoint is not None, (called if callbacks else None), bool
        if saves and ranks.is_first(self.comm):
            save = partial(self._checkpoint, os.path.abspath(as_path("checkpoint", checkpoint)))
        say, written = warn if ranks.is_first(self.comm) else bool, self.n_updates_ if resume else 0
        return loop.Watch(made, look, start, called, end, save, say, V is not None, saves, written)


def _has_gaps(V):
    """Whether arrays or tables in memory have missing values."""
    for v in V if isinstance(V, list | tuple) else [V]:
        if np.ma.isMaskedArray(v) and np.ma.getmaskarray(v).any():
            return True
        if foreign.is_table(v) or isinstance(v, np.ndarray) and v.dtype.kind == "f":
            if np.isnan(foreign.numbers(v, "validation", gaps=True)).any():
                return True
    return False


def _check_files(callbacks, checkpoint):
    """Raise if two of them write to one file."""
    checkpoint = None if checkpoint is None else as_path("checkpoint", checkpoint)
    there = set() if checkpoint is None else {os.path.realpath(checkpoint), before(checkpoint)}
    for path in (os.path.realpath(path) for callback in callbacks for path in callback.files()):
        if path in there:
            raise ValueError(f"callbacks must write to files of their own, got {path!r} for two, or as the checkpoint")
        there.add(path)


def _any_true(results):
    """Whether one of them is True."""
    return any(isinstance(stop, bool | np.bool_) and bool(stop) for stop in results)
