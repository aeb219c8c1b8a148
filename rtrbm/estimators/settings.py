"""Hyper-parameters with the habits of scikit-learn: the fields of a dataclass, stored as they are given."""

from __future__ import annotations

import dataclasses
import functools
import inspect
import json
import numbers
import os
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from ..checks import check_anything, check_flag, check_known
from ..user_data import as_given
from ..kinds import Kind
from ..types import Data, Self, dataclass_transform
from ..warned import warn
from .protocol import Protocol

LONGEST = 1000  # characters of a value that are shown
N_SHOWN = 5  # names of hyper-parameters in a message
MOST_KEPT = 2**20  # characters of all hyper-parameters in a model file
Model = TypeVar("Model")


def setting(
    default: Any,
    check: Callable[[str, Any], object],
    fixed: bool = False,
    free: bool = False,
    kept: Callable[[Any], Any] | None = None,
    read: Callable[[Any], Any] | None = None,
    **options: Any,
) -> Any:
    """A hyper-parameter: its default, and `check(name, value)`, which raises if a model cannot have this value.

    `fixed` says that a fitted model has parameters for this value alone, `free` that a run can go on with another one.
    A model file has `kept(value)`, as JSON; `read` makes the value of that again. Plain values need neither.
    """
    metadata = {"check": check, "fixed": fixed, "free": free, "kept": kept, "read": read}
    return dataclasses.field(default=default, metadata=metadata, **options)


@dataclass_transform(kw_only_default=True, eq_default=False, field_specifiers=(setting, dataclasses.field))
def settings(cls: type[Model]) -> type[Model]:
    """Class decorator: the annotated fields are the hyper-parameters. Those of the class itself are keywords alone.

    An unknown keyword is refused with the name that was probably meant.
    """
    has_own = "__init__" in vars(cls)
    cls = dataclasses.dataclass(eq=False, repr=False, kw_only=True)(cls)
    init, cls._names = cls.__init__, tuple(field.name for field in dataclasses.fields(cls))
    if has_own:
        _check_init(cls)

    @functools.wraps(init)
    def checked(self, *values, **keywords):
        if any(isinstance(value, dataclasses.Field) for base in type(self).__mro__ for value in vars(base).values()):
            raise TypeError(f"{type(self).__name__} has hyper-parameters of its own and needs the decorator @settings")
        if not hasattr(type(self).__init__, "of_settings"):
            _check_init(type(self))
        check_known(f"{type(self).__name__} has no hyper-parameter", keywords, type(self)._names)
        init(self, *values, **keywords)

    checked.of_settings = True
    cls.__init__ = checked
    return cls


def _check_init(cls):
    """Raise a TypeError unless a class's own __init__ can be called with all hyper-parameters by name and no more.

    Warn if it takes others.
    """
    given = dict(list(inspect.signature(cls.__init__).parameters.items())[1:])  # without self
    is_open = any(part.kind is part.VAR_KEYWORD for part in given.values())
    others = {name: part for name, part in given.items() if part.kind not in (part.VAR_KEYWORD, part.VAR_POSITIONAL)}
    missing = [] if is_open else sorted({*cls._names} - {*others})
    others = {name: part for name, part in others.items() if name not in cls._names}
    needed = [name for name, part in others.items() if part.default is part.empty]
    remedy = (
        "Leave __init__ out, and declare hyper-parameters and their defaults in the class, NAME: TYPE = DEFAULT, with "
        "the decorator @settings (from rtrbm.estimators.settings import settings)"
    )
    if needed or missing:
        why = f"needs {', '.join(needed)}" if needed else f"does not take {', '.join(missing[:N_SHOWN])}"
        raise TypeError(f"{cls.__name__}.__init__ {why}: load and clone could not make the model anew. {remedy}")
    if others:
        names, own = ", ".join(others), f"{cls.__name__}.__init__"
        warn(f"load and clone forget {names} of {own}, which is no hyper-parameter. {remedy}")


class Estimator(Protocol):
    """A dataclass of hyper-parameters as scikit-learn wants it."""

    _names = ()  # of all hyper-parameters

    def _check_hyper_parameters(self):
        for field in dataclasses.fields(self):
            field.metadata.get("check", check_anything)(field.name, getattr(self, field.name))

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Hyper-parameters by name.

        Parameters
        ----------
        deep : bool
            Also those of models that are hyper-parameters, or are in a list that is one: ``layers__0__n_hidden``.

        Returns
        -------
        dict
        """
        check_flag("deep", deep)
        own = {name: getattr(self, name) for name in self._names}
        for name, value in list(own.items()) if deep else ():
            for place, model in _models(name, value).items():
                own |= {place: model} | {f"{place}__{key}": inner for key, inner in model.get_params().items()}
        return own

    def set_params(self, **params: Any) -> Self:
        """Set hyper-parameters by name.

        Parameters
        ----------
        **params
            Also those of models in it, as in `get_params`. These are set after its own.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If there is no hyper-parameter of that name.
        """
        what = f"{type(self).__name__} has no hyper-parameter"
        own = {name: value for name, value in params.items() if "__" not in name}
        check_known(what, own, self._names, ValueError)
        for name, value in own.items():
            setattr(self, name, value)
        for name in sorted(params.keys() - own.keys(), key=lambda name: name.count("__")):
            check_known(what, [name], self.get_params(), ValueError)
            self._set_inner(name, params[name])
        return self

    def _set_inner(self, name, value):
        """Set a hyper-parameter of a model in this one, or put a model in its place in a list."""
        head, _, rest = name.partition("__")
        models = _models(head, getattr(self, head))
        if name in models:
            members = list(getattr(self, head))
            members[int(rest)] = value
            setattr(self, head, members)
        else:
            place = next(place for place in models if name.startswith(f"{place}__"))
            models[place].set_params(**{name.removeprefix(f"{place}__"): value})

    def fit_transform(self, X: Data, y: object = None, **options: Any) -> Any:
        """`fit` on X with these options, then `transform` X.

        Parameters
        ----------
        X, y, **options
            As of `fit` and of `transform`. X is in memory.

        Returns
        -------
        As of `transform`.

        Raises
        ------
        OSError, TypeError, ValueError
            As `fit` and `transform`; before any work if `transform` cannot take what `fit` can: a path, a stream or an
            iterator, missing values, or one recording that is cut into windows.
        """
        if isinstance(X, str | os.PathLike) or hasattr(X, "minibatch"):
            raise TypeError(f"fit_transform wants X in memory, got {type(X).__name__}: call fit, then transform arrays")
        as_given(X)
        if options.get("mask") is not None:
            raise TypeError("fit_transform takes no mask: call fit, and transform of what impute has filled in")
        self._check_shown(X, options)
        known, learns = (set(inspect.signature(verb).parameters) for verb in (self.transform, self.fit))
        shown = {name: value for name, value in options.items() if name in known}
        learnt = {name: value for name, value in options.items() if name in learns or name not in known}
        return self.fit(X, y, **learnt).transform(X, **shown)

    def _check_shown(self, X, options):
        """Raise if `transform` cannot take X after `fit` with these options."""

    def _changed(self):
        """The hyper-parameters that differ from their defaults, as text."""
        defaults = {field.name: field.default for field in dataclasses.fields(self)}
        changed = {k: repr(v) for k, v in self.get_params(deep=False).items() if repr(v) != repr(defaults[k])}
        return {k: v if len(v) <= LONGEST else v[:LONGEST] + "..." for k, v in changed.items()}

    def __repr__(self):
        return f"{type(self).__name__}({', '.join(f'{k}={v}' for k, v in self._changed().items())})"


def _models(name, value):
    """The models that a hyper-parameter is, or holds in a list, by their names in `get_params`."""
    if isinstance(value, list | tuple):
        return {f"{name}__{i}": item for i, item in enumerate(value) if isinstance(item, Estimator)}
    return {name: value} if isinstance(value, Estimator) else {}


def as_json(field, value):
    """A hyper-parameter as JSON has it: what its field keeps of it, else a number, a text, a list or a schedule.

    Raises
    ------
    TypeError
        If JSON has no such value.
    """
    if field.metadata.get("kept"):
        return field.metadata["kept"](value)
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, tuple | list):
        return [as_json(field, item) for item in value]
    if isinstance(value, dict) and all(isinstance(n, numbers.Integral) for pair in value.items() for n in pair):
        return {"schedule": [[int(k), int(v)] for k, v in value.items()]}
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, numbers.Real):
        return int(value) if isinstance(value, numbers.Integral) else float(value)
    raise TypeError(f"{field.name}={value!r} cannot be kept in a model file")


def as_setting(field, value):
    """The hyper-parameter that `as_json` wrote."""
    if field.metadata.get("read"):
        return field.metadata["read"](value)
    if isinstance(value, dict):
        return dict(map(tuple, value["schedule"]))
    return tuple(as_setting(field, item) for item in value) if isinstance(value, list) else value


def check_kept(settings):
    """Hyper-parameters, as `as_json` gives them, if a model file has room for them; else a ValueError."""
    lengths = {name: len(json.dumps(value)) for name, value in settings.items()}
    if sum(lengths.values()) > MOST_KEPT:
        name = max(lengths, key=lengths.get)
        raise ValueError(
            f"{name} takes {lengths[name]:,} bytes in a model file, with room for {MOST_KEPT:,} of hyper-parameters"
        )
    return settings


def comparable(model, which=None):
    """The hyper-parameters of a model as they compare, by name; `which`: those alone that are "fixed" or "free"."""
    fields = [field for field in dataclasses.fields(model) if which is None or field.metadata.get(which)]
    return {field.name: _comparable(field, getattr(model, field.name)) for field in fields}


def _comparable(field, value):
    """A tuple of names in any order, one name as a tuple, an array as tuples, a kind without settings as its name."""
    if isinstance(value, Kind) and all(getattr(value, own.name) == own.default for own in dataclasses.fields(value)):
        value = value.name
    value = as_setting(field, as_json(field, value))
    value = (value,) if isinstance(value, str) else value
    names = isinstance(value, tuple) and all(isinstance(item, str) for item in value)
    return set(value) if names else value
