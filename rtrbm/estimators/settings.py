"""Hyper-parameters with the habits of scikit-learn: the fields of a dataclass, stored as they are given."""

import dataclasses
import functools
import json
import numbers

import numpy as np

from ..checks import check_known
from ..kinds import from_json, named, to_json
from ..rbm.negative import NegativePhase
from ..rbm.units import Units

LONGEST = 1000  # characters of a value that are shown


def setting(default, check, shapes=False, **options):
    """A hyper-parameter: its default, and `check(name, value)`, which raises if a model cannot have this value.

    `shapes` says that the shapes of the parameters depend on it.
    """
    return dataclasses.field(default=default, metadata={"check": check, "shapes": shapes}, **options)


def settings(cls):
    """Class decorator: the annotated fields are the hyper-parameters, all but inherited ones by keyword.

    An unknown keyword is refused with the name that was probably meant.
    """
    cls = dataclasses.dataclass(eq=False, repr=False, kw_only=True)(cls)
    init = cls.__init__

    @functools.wraps(init)
    def checked(self, *values, **keywords):
        check_known(f"{type(self).__name__} has no hyper-parameter", keywords, type(self)._names())
        init(self, *values, **keywords)

    cls.__init__ = checked
    return cls


class Estimator:
    """A dataclass of hyper-parameters as scikit-learn wants it."""

    @classmethod
    def _names(cls):
        return [field.name for field in dataclasses.fields(cls)]

    def _check_hyper_parameters(self):
        for field in dataclasses.fields(self):
            field.metadata["check"](field.name, getattr(self, field.name))

    def get_params(self, deep=True):
        """Hyper-parameters by name.

        Parameters
        ----------
        deep : bool
            Accepted for scikit-learn's sake.

        Returns
        -------
        dict
        """
        return {name: getattr(self, name) for name in self._names()}

    def set_params(self, **params):
        """Set hyper-parameters by name.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If there is no hyper-parameter of that name.
        """
        check_known(f"{type(self).__name__} has no hyper-parameter", params, self._names(), ValueError)
        for name, value in params.items():
            setattr(self, name, value)
        return self

    def fit_transform(self, X, y=None):
        """`fit` on X, then `transform` X."""
        return self.fit(X).transform(X)

    def __repr__(self):
        defaults = {field.name: field.default for field in dataclasses.fields(self)}
        changed = {k: repr(v) for k, v in self.get_params().items() if repr(v) != repr(defaults[k])}
        parts = (f"{k}={v if len(v) <= LONGEST else v[:LONGEST] + '...'}" for k, v in changed.items())
        return f"{type(self).__name__}({', '.join(parts)})"


def as_json(value):
    """A hyper-parameter as JSON has it; a random_state that is a generator is not kept, its seed is."""
    if isinstance(value, dict):
        return {"schedule": [[int(k), int(v)] for k, v in value.items()]}
    if isinstance(value, bool | np.bool_):
        return bool(value)
    if isinstance(value, numbers.Integral):
        return int(value)
    if isinstance(value, numbers.Real):
        return float(value)
    if isinstance(value, Units | NegativePhase):
        return to_json(value)
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, tuple | list):
        return [as_json(item) for item in value]
    try:
        return json.loads(json.dumps(value))
    except TypeError:
        return None if not isinstance(value, type | np.dtype) else np.dtype(value).name


def as_setting(value):
    """The hyper-parameter that `as_json` wrote."""
    if isinstance(value, dict) and "kind" in value:
        return from_json((Units, NegativePhase), value)
    if isinstance(value, dict):
        return dict(map(tuple, value["schedule"]))
    return tuple(map(as_setting, value)) if isinstance(value, list) else value


def plain(value):
    """A hyper-parameter as it compares: a tuple of names in any order, one name as a tuple."""
    if isinstance(value, Units) and value == named(Units, "visible", value.name):
        value = value.name  # a kind without settings of its own
    value = (value,) if isinstance(value, str) else value
    names = isinstance(value, tuple) and all(isinstance(item, str) for item in value)
    return set(value) if names else value
