"""A trained model and its file."""

from __future__ import annotations

import dataclasses
import functools
import numbers
import operator
import os
import weakref
from typing import Any

import numpy as np

from ..biases import n_inputs
from ..compute import engine as engines
from ..kinds import Kind
from ..parameters import each
from ..training import files, loop, restored
from ..training.kept import shortened
from ..training.start import shapes
from ..training.state import HEALTH, HISTORY, VALIDATION, Training
from ..types import Array, Path, Self
from .features import Names, as_bytes
from .protocol import not_fitted
from .recipe import Recipe
from .settings import as_json, as_setting, check_kept, comparable

APART = ("n_jobs", "verbose", "random_state")  # settings in which a resumed run, or a rank, may differ
# Attributes of a model: the fields of `Training`.
STATE = (
    "params_",
    "optimizer_state_",
    "chains_",
    "n_updates_",
    "seed_",
    "_history",
    "_begin",
    "best_",
    "_fingerprints",
    "scale_",
)
PLAIN = int, float, str, np.generic, type, type(None)  # kinds of settings that cannot change in themselves
_state_of = operator.attrgetter(*STATE)
_passed = weakref.WeakKeyDictionary()  # of a model: settings and kind that passed a check, what it made, by its name
PRINTS = {"X": "data", "validation": "validation"}  # the groups of a file with the fingerprints of arguments


class Stored(Recipe):
    """The state of training, written to files and read from them."""

    params_: Any
    best_: Any
    scale_: Any
    n_updates_: int
    seed_: int
    n_features_in_: int
    feature_names_in_: Array
    input_names_in_: Array

    def save(self, path: Path) -> None:
        """Write hyper-parameters, parameters and the state of training to an HDF5 file, whole or not at all.

        Parameters
        ----------
        path : path-like

        Raises
        ------
        ValueError
            If the model is not fitted, the folder does not exist, or there is a file that is no model file.
        OSError
            If the file cannot be written, to a full disk say; an earlier file stays as it was.
        """
        files.write(path, self._contents())

    def _checkpoint(self, path):
        """The same, and keep the file that was there as ``path.before``."""
        files.write(path, self._contents(), keep=True)

    @classmethod
    def load(cls, path: Path) -> Self:
        """The model that `save` wrote: it predicts and samples as the saved one would.

        `partial_fit` goes on training it; `fit` starts afresh, unless it is told to resume from the file.

        Parameters
        ----------
        path : path-like

        Returns
        -------
        model of this class

        Raises
        ------
        FileNotFoundError
            If there is no such file.
        ValueError
            If it is truncated or of another kind.

        Warns
        -----
        UserWarning
            If it is damaged, and the checkpoint before it, ``path.before``, was read instead.
        """
        return files.read(path, cls._loaded, cls.__name__)

    def check_resume(self, path: Path) -> None:
        """Raise, with nothing changed, unless `fit` can go on from a file.

        Parameters
        ----------
        path : path-like

        Raises
        ------
        FileNotFoundError
            If there is no such file.
        TypeError, ValueError
            If a hyper-parameter is not valid, the file is truncated, of another kind or of settings with which no run
            can go on, or all updates are made though settings changed.
        """
        self._check_hyper_parameters()
        training, _, changed, _ = self._saved(path)
        if self.n_epochs is None:
            self._check_left(path, training, changed, self.n_updates)

    def _state(self):
        return Training(*_state_of(self))

    def _set_state(self, training):
        state = dict(zip(STATE, training), n_features_in_=len(training.params.W))
        if training.history is not getattr(self, "_history", None):  # another run
            state["_fitted_with"] = comparable(self, "fixed")
            forget_checks(self)
        vars(self).update(state)  # all at once, for Ctrl-C may come at any time
        return self

    @property
    def history_(self) -> dict[str, list[float]]:
        """A value for each update made, and for each measurement on the validation data, in lists by name."""
        if not hasattr(self, "n_updates_"):
            raise AttributeError(f"this {type(self).__name__} has no history_ before it is fitted: call fit")
        n = {name: self.n_updates_ for name in HISTORY}
        return {name: values[: n.get(name)] for name, values in self._history.items()}

    def _inward(self, v):
        """Frames of a user as the RBM sees them."""
        return self._units().inward(self._scaled(v), self.params_.units)

    def _scaled(self, v):
        """Frames of a user in the deviations of the features from their means, if the model standardises."""
        return v if self.scale_ is None else self.scale_.inward(v, self.dtype)

    def _outward(self, v):
        """The RBM's frames in the units of the user."""
        v = self._units().outward(v, self.params_.units)
        return v if self.scale_ is None else self.scale_.outward(v)

    def _log_volume(self):
        """What the change of units adds to the log-density of a frame."""
        own = self._units().log_volume(self.params_.units)
        return own if self.scale_ is None else own - float(np.log(self.scale_.deviation).sum())

    def _given_dtype(self):
        """The dtype that data are checked in: what is standardised keeps double precision until then."""
        return np.dtype("float64" if self.standardize else self.dtype)

    def _new(self, params, seed, scale=None):
        """The state of training before the first update."""
        history = {name: [] for name in HISTORY}
        return Training(params, self._optimizer().init(params), None, 0, seed, history, scale=scale)

    def _blank(self, n_visible, n_inputs=0):
        """Parameters of the shapes and the dtype that the settings call for, without memory of their own."""
        expected = shapes(self._model(), n_visible, int(self.n_hidden), n_inputs)
        return each(lambda shape: np.broadcast_to(np.zeros((), self.dtype), shape), expected)

    def _contents(self):
        """The parts of this model that a file keeps."""
        self._check_fitted()
        self._trained_rule()
        groups = {"params": self.params_, "optimizer": self.optimizer_state_}
        groups["history"] = {name: np.asarray(self.history_[name]) for name in HISTORY}
        groups["engine"] = {"name": self._engine().name}
        names = self._column_names
        groups["features"] = {"names": as_bytes(names.features), "inputs": as_bytes(names.inputs)}
        groups["chains"] = None if self.chains_ is None else {"states": self.chains_}
        groups["data"] = {"fingerprint": self._fingerprints.get("X")}
        if self.scale_ is not None:
            groups["data"] |= {"mean": self.scale_.mean, "scale": self.scale_.deviation}
        measured = [name for name in VALIDATION if name in self.history_]
        if measured:
            values = {name.removeprefix("validation_"): np.asarray(self.history_[name]) for name in measured}
            groups["validation"] = values | {"fingerprint": self._fingerprints.get("validation")}
        if HEALTH[0] in self.history_:
            groups["health"] = {name.removeprefix("health_"): np.asarray(self.history_[name]) for name in HEALTH}
        groups["best"] = None if self.best_ is None else self.best_._asdict()
        progress = {"n_updates": self.n_updates_, "seed": self.seed_, "begin": self._begin}
        return files.Contents(type(self).__name__, self._settings(), progress, groups)

    def _settings(self):
        """Hyper-parameters as JSON has them."""
        return check_kept({own.name: as_json(own, getattr(self, own.name)) for own in dataclasses.fields(self)})

    @classmethod
    def _loaded(cls, contents, path):
        model, training, _ = cls._parsed(contents, path)
        return model._set_state(training)

    def _saved(self, path):
        """The state of training and the names in a file, its values of the settings that are others now, its engine.

        Raises if no run can go on with such a change.
        """
        saved, training, engine = files.read(path, self._parsed, type(self).__name__)
        theirs, own = comparable(saved), comparable(self)
        changed = {n: getattr(saved, n) for n in sorted(own) if theirs[n] != own[n] and n not in APART}
        if "auto" in (saved.engine, self.engine):
            changed.pop("engine", None)
        free = [field.name for field in dataclasses.fields(self) if field.metadata.get("free")]
        refused = [name for name in changed if name not in free]
        if isinstance(self.random_state, numbers.Integral) and self.random_state != training.seed:
            refused.append("random_state (the seed)")
        if refused:
            raise _other_settings(path, refused, {**changed, "random_state (the seed)": training.seed})
        return training, saved._column_names, changed, engine

    def _check_left(self, path, training, changed, n_updates):
        """Raise if settings changed for a run that has no updates left to make with them."""
        if changed and n_updates <= training.n_updates:
            made, name = training.n_updates, "n_updates" if self.n_epochs is None else "n_epochs"
            own = ", ".join(f"{name}={getattr(self, name)!r}" for name in changed)
            raise ValueError(
                f"{os.fspath(path)!r} has made {made} updates, {n_updates} are wanted in all: no update would be made "
                f"with {own}; {name} counts those made too, so give a larger one"
            )

    @classmethod
    def _parsed(cls, contents, path):
        """A model with the settings and names that a file holds, the state of training, and the engine at work."""
        progress, groups = contents.progress, contents.groups
        model = cls._of_settings(contents, path)
        restored.check_progress(progress, path)
        n_updates, seed = progress["n_updates"], progress["seed"]
        saved = cls._upgraded(groups.get("params", {}))
        if np.ndim(saved.get("W")) != 2:
            raise restored.unfitting(path)
        blank = model._blank(len(saved["W"]), len(saved["D_v"]) if np.ndim(saved.get("D_v")) else 0)
        params = restored.restored(blank, saved, path)
        if not loop.is_finite(params, engines.NUMPY):
            raise restored.unfitting(path)
        state = {
            name: cls._upgraded(part) if isinstance(part, dict) else part
            for name, part in groups.get("optimizer", {}).items()
        }
        state = restored.restored(model._optimizer(engines.NUMPY).init(blank), state, path)  # numba may not be here
        restored.check_optimizer(state, n_updates, path)
        chains = restored.restored_chains(groups.get("chains", {}).get("states"), params.W, model._units(), path)
        history = restored.restored_history(groups, n_updates, path)
        best = restored.restored_best(blank, groups.get("best"), n_updates, path)
        prints = {name: restored.text(groups.get(group, {}).get("fingerprint"), path) for name, group in PRINTS.items()}
        names, sizes = groups.get("features", {}), {"names": len(params.W), "inputs": n_inputs(params)}
        model._keep_names(Names(*(restored.names(names.get(key), size, path) for key, size in sizes.items())))
        scale = restored.restored_scale(groups.get("data", {}), len(params.W), path) if model.standardize else None
        engine = restored.text(groups.get("engine", {}).get("name", model.engine), path)
        begin = progress.get("begin", 0)
        training = Training(params, state, chains, n_updates, seed, history, begin, best, prints, scale)
        return model, training, engine

    @classmethod
    def _of_settings(cls, contents, path):
        """A model with the settings that a file holds."""
        values, own = contents.hyper_parameters, {field.name: field for field in dataclasses.fields(cls)}
        unknown = sorted(set(values) - set(own))
        if unknown:
            raise ValueError(
                f"path must hold hyper-parameters of this version, {path!r} has {shortened(', '.join(unknown))}"
            )
        missing = [name for name in own if name not in values]
        if missing and contents.version == files.VERSION:
            raise ValueError(
                f"path must hold all hyper-parameters of a {cls.__name__}, {path!r} lacks {', '.join(missing)}: "
                "another program wrote it, or the class got them later"
            )
        try:
            model = cls(**{name: as_setting(own[name], value) for name, value in values.items()})
            model._check_hyper_parameters()
        except (TypeError, ValueError, KeyError, AttributeError, OverflowError, RecursionError) as error:
            raise ValueError(
                f"path must hold hyper-parameters a model can have, those of {path!r} are not: {shortened(error)}"
            ) from error
        return model

    @classmethod
    def _upgraded(cls, saved):
        """The arrays of a file of format 1 under the names they have now."""
        return {name: array for name, array in saved.items() if np.size(array)}

    def _check_fitted(self):
        """Raise unless there are parameters, finite, of the kind and size the hyper-parameters say."""
        self._check_shapes()
        self._check_finite()

    def _check_finite(self):
        if not loop.is_finite(self.params_, engines.NUMPY):
            raise ValueError("params_ must be finite, got NaN or infinite values: fit again")

    def _check_shapes(self):
        """`_check_fitted`, whatever the numbers are."""
        _once(self, "fitted", self._kind_of_params(), self._check_against_params)

    def _kind_of_params(self):
        """All that a check of the parameters looks at, their numbers apart."""
        if not hasattr(self, "params_"):
            raise not_fitted(f"this {type(self).__name__} is not fitted yet: call fit or partial_fit first")
        parts = [(getattr(part, "shape", ()), getattr(part, "dtype", None)) for part in self.params_]
        return type(self.params_), self.n_features_in_, parts

    def _check_against_params(self):
        """Raise unless the parameters are of the kind and size the hyper-parameters say."""
        self._check_hyper_parameters()
        n_hidden = len(self.params_.b_h)
        own = comparable(self, "fixed")
        changed = [name for name, value in self._fitted_with.items() if own[name] != value]
        if changed:
            raise ValueError(f"{' and '.join(changed)} was changed after fitting: fit again")
        if n_hidden != self.n_hidden:
            raise ValueError(f"n_hidden={self.n_hidden} was set after fitting {n_hidden} hidden units: fit again")
        _check_dtypes(self.params_, self.dtype)
        expected = self._blank(self.n_features_in_, n_inputs(self.params_))
        found, wanted = (list(map(np.shape, params)) for params in (self.params_, expected))
        if type(expected) is not type(self.params_) or found != wanted:
            raise ValueError("params_ must have the arrays that the hyper-parameters call for: fit again")

    def _trained_rule(self):
        """The rule of updates; raises as `_check_shapes`, and unless the state of training is of the settings' kind."""
        kind = self._kind_of_params(), type(self.optimizer_state_), self.n_updates_ == 0, self.comm
        kind += (id(getattr(self.scale_, "deviation", None)),)  # which the rule keeps: no other array has its id
        return _once(self, "trainable", kind, self._checked_rule)

    def _checked_rule(self):
        self._check_against_params()
        if not isinstance(self.optimizer_state_, self._optimizer().state):
            raise ValueError(f"optimizer={self.optimizer!r} was set after fitting with another: fit again")
        self._negative()(self.n_updates_).check(*self.params_.W.shape, self._units())
        return self._rule()


def _once(model, name, kind, make):
    """What make() returned, called anew if the settings, what their names mean, or `kind` have changed since.

    All else that it looks at belongs in `kind`.
    """
    settings, kind = _all_of(model._names)(model), (kind, type(model), Kind.n_defined)
    passed = _passed.get(model)
    if passed is None:
        passed = _passed[model] = {}
    known, known_kind, made = passed.get(name, ((), None, None))
    if len(known) != len(settings) or not all(map(operator.is_, known, settings)) or known_kind != kind:
        made = make()
        if all(map(_is_plain, settings)):
            passed[name] = settings, kind, made
    return made


def _is_plain(value):
    return all(map(_is_plain, value)) if type(value) is tuple else isinstance(value, PLAIN)


def forget_checks(model):
    """All that passed a check is to be looked at again: the model is not what it was then."""
    _passed.pop(model, None)


@functools.cache
def _all_of(names):
    """The function that returns all attributes of these names."""
    return operator.attrgetter(*names)


def _other_settings(path, names, there):
    """The error of settings that are others in a file."""
    differ = ", ".join(f"{name}, {shortened(repr(there[name]))} there" for name in names)
    return ValueError(
        f"resume wants the settings of {os.fspath(path)!r}; these differ: {differ}. Take those, or begin anew with "
        "resume=False"
    )


def _check_dtypes(params, dtype):
    """Raise unless all parameters are of the dtype of the model."""
    dtypes = {name: part.dtype for name, part in params._asdict().items() if part is not None}
    others = [name for name, own in dtypes.items() if own != np.dtype(dtype)]
    if len(others) == len(dtypes):
        raise ValueError(f"dtype={dtype!r} was set after fitting in {params.W.dtype}: fit again")
    if others:
        raise ValueError(
            f"params_.{others[0]} must be of {dtype}, the dtype of the model, got {dtypes[others[0]]}: take its "
            f"astype({dtype!r})"
        )
