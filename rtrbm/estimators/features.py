"""Names of features and of inputs: the columns of the tables that a model was fitted to."""

import os
from collections.abc import ValuesView
from typing import NamedTuple

import h5py
import numpy as np

from ..foreign import check_ungrouped, names_of_columns
from ..warned import warn

N_NAMES = 5  # shown of the names that are wrong
REMEDY = "Take {}: the columns of the fit in their order."


class Names(NamedTuple):
    """features, inputs: the names of the columns of X and of the known inputs; None where there are none."""

    features: np.ndarray | None = None
    inputs: np.ndarray | None = None


def feature_names(X, name="X"):
    """The names of the columns of a table, or of the tables in a list.

    Parameters
    ----------
    X : anything
        What `fit` takes. A table is an object with `columns` that numpy can read.
    name : str
        The name of X in messages.

    Returns
    -------
    (n_features,) object ndarray of str, or None
        None if X is no table, or the names of its columns are no texts.

    Raises
    ------
    TypeError
        If only some of the names are texts.
    ValueError
        If the tables in a list differ in their columns.
    """
    names = next((_names(place, table) for place, table in _members(X, name)), None)
    check_names(X, names, "the model", name)
    return names


def as_bytes(names):
    """The names as a model file keeps them."""
    return None if names is None else np.char.encode(names.astype(str), "utf-8")


def check_number(X, n_features, model, name="X", n_axes=3):
    """Raise a ValueError, as scikit-learn's models do, if an array, or one in a list, has another number of features.

    Parameters
    ----------
    X : anything
    n_features : int
        Those of the fit.
    model : str
        Its class, for messages.
    name : str
        The name of X in messages.
    n_axes : int
        Dimensions of X as one array.
    """
    for place, array in _members(X, name):
        if isinstance(array, h5py.HLObject) or hasattr(array, "columns"):
            continue  # a file has axes of its own, and a table has columns to name: the check of values tells more
        shape = getattr(array, "shape", ())
        if len(shape) == n_axes - (array is not X) and shape[-1] != n_features:
            raise ValueError(
                f"{place} has {shape[-1]} features, but {model} is expecting {n_features} features as input"
            )


def check_names(X, names, model, name="X"):
    """Raise if a table, or one in a list, has other columns than those of the fit, or has them in another order.

    Parameters
    ----------
    X : anything
    names : (n_features,) object ndarray of str, or None
        Those of the fit.
    model, name : str
        As in `check_number`.

    Raises
    ------
    ValueError
        As scikit-learn's models do, with the names that are new, missing or in another place.

    Warns
    -----
    UserWarning
        If X has no names and the fit had some, or the other way round.
    """
    for place, table in _members(X, name):
        if isinstance(table, str | bytes | os.PathLike):
            continue  # which is refused where data are checked
        found = _names(place, table)
        if found is None and names is not None:
            warn(f"{name} does not have valid feature names, but {model} was fitted with feature names")
            return
        if found is not None and names is None:
            warn(f"{name} has feature names, but {model} was fitted without feature names")
            return
        if found is not None and not np.array_equal(found, names):
            raise ValueError(_difference(place, found, names, _remedy(name, place)))


def check_mask(mask, X):
    """Raise if a mask and X are tables, or lists of them, and the mask has not the columns of X in their order."""
    if mask is None:
        return
    for (place, table), (own, frames) in zip(_members(mask, "mask"), _members(X, "X")):
        found, names = _names(place, table), _names(own, frames)
        if found is not None and names is not None and not np.array_equal(found, names):
            raise ValueError(f"{place} must have the columns of {own} in their order: take {place}[{own}.columns]")


def check_labels(frame, names, model, name="frame"):
    """Raise if a frame with labels, a row of a table, has the names of the fit in another order."""
    labels = getattr(frame, "index", None)
    if names is None or labels is None or callable(labels) or len(labels) != len(names):
        return
    if set(labels) == set(names) and not np.array_equal(np.asarray(labels, object), names):
        remedy = REMEDY.format(f"{name}[{model}.{attribute(name)}]")
        raise ValueError(_difference(name, list(labels), names, remedy))


def attribute(name):
    """The attribute of a model that has the names of an argument's columns."""
    return "input_names_in_" if name == "inputs" else "feature_names_in_"


def _members(X, name):
    """(name, object) of the parts that can have columns: X itself, or the members of a list."""
    check_ungrouped(X, name)
    is_cell = isinstance(X, np.ndarray) and X.dtype == object and X.ndim == 1
    several = is_cell or isinstance(X, list | tuple | ValuesView)
    return [(f"{name}[{i}]", x) for i, x in enumerate(X)] if several else [(name, X)]


def _names(place, table):
    columns = names_of_columns(table)
    if columns is None:
        return None
    names = np.empty(len(columns), object)
    names[:] = columns
    kinds = sorted({type(name).__name__ for name in names})
    texts = sum(isinstance(name, str) for name in names)
    if 0 < texts < len(names):
        raise TypeError(
            f"Feature names are only supported if all input features have string names, but {place} has {kinds} as "
            f"feature name / column name types: convert them with {place}.columns = {place}.columns.astype(str)"
        )
    return names if texts else None


def _difference(place, found, names, remedy):
    """The message for columns that are not those of the fit."""
    new, missing = sorted(set(found) - set(names)), sorted(set(names) - set(found))
    lines = [f"{place}: The feature names should match those that were passed during fit."]
    for title, wrong in (("unseen at fit time", new), ("seen at fit time, yet now missing", missing)):
        if wrong:
            shown = [*wrong[:N_NAMES], *(["..."] if len(wrong) > N_NAMES else [])]
            lines += [f"Feature names {title}:", *(f"- {name}" for name in shown)]
    if not new and not missing:
        lines.append("Feature names must be in the same order as they were in fit.")
    return "\n".join(lines + ([] if missing else [remedy])) + "\n"


def _remedy(name, place):
    columns = f"[model.{attribute(name)}]"
    return REMEDY.format(f"{name}{columns}" if place == name else f"[x{columns} for x in {name}]")
