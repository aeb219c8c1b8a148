"""What users hand in as data, checked: arrays, lists and tables, and the masks beside them.

Every error names the argument, the value given and the values wanted.
"""

import functools
import math
import numbers
import os
from collections.abc import Iterator, Mapping, Set

import h5py
import numpy as np

from . import foreign
from .warned import warn

FAR = 1e-4  # of the number whose square is the largest of a precision
PIECE = 2**18  # numbers that are looked at, or cast, at a time when the values of data in memory are checked


def check_reals(v, name, missing=None):
    """Raise a ValueError if a value is so large that its square could overflow in this dtype."""
    if v.dtype.kind == "f" and v.itemsize > 2 and v.size:
        most = FAR * float(np.finfo(v.dtype).max) ** 0.5
        if v.max() > most or v.min() < -most:
            raise ValueError(
                f"{name} must lie between -{most:.2g} and {most:.2g} in {v.dtype}, got values from {v.min():.3g} to "
                f"{v.max():.3g}: divide by a constant"
            )


def check_counts(v, name, what="counts", remedy=""):
    """Raise a ValueError, which tells the first place, unless all values are whole numbers from 0."""
    wrong = ~((v >= 0) & (v == np.floor(v)))
    if wrong.any():
        place = tuple(np.argwhere(wrong)[0].tolist())
        raise ValueError(
            f"{name} must hold {what}, whole numbers from 0, got values from {v.min():g} to {v.max():g}: "
            f"{np.count_nonzero(wrong)} are no counts, the first is {v[place]:g} in {place_of(place)}{remedy}"
        )


def place_of(indices, axes=("sequence", "frame", "feature")):
    """A place in an array with the last of these axes, for a message."""
    return ", ".join(f"{axis} {i}" for axis, i in zip(axes[-len(indices) :], indices))


def check_probabilities(v, name, missing=None):
    """The check of hidden states or their probabilities."""
    low, high = v.min(), v.max()
    if low < 0 or high > 1:
        raise ValueError(
            f"{name} must lie in [0, 1], hidden states or their probabilities, got values from {low:g} to {high:g}"
        )


def check_frames(X, check, dtype, n_features=None, name="X", axes=("n_frames", "n_visible"), missing=None):
    """An array of frames, of the wanted dtype.

    Parameters
    ----------
    X : (n_frames, n_visible) array_like
    check : callable (v, name, missing)
        Raises a ValueError if units cannot have these values (`rtrbm.rbm.units.Units.check`).
    dtype : dtype
    n_features : int, optional
        Number of features a fitted model wants.
    name : str
        The name of X in messages.
    axes : tuple of str
        The names of its dimensions in messages; ("n_visible",) for a single frame.
    missing : bool ndarray, optional
        Values that are not there, 0 in X.

    Returns
    -------
    (n_frames, n_visible) ndarray
        X itself if it has that dtype already.

    Raises
    ------
    TypeError
        If X is not numeric.
    ValueError
        If it has another number of dimensions or features, no frames, or values that are not allowed.
    """
    check_list_of_rows(X, name)
    given, X = X, as_float(X, name, dtype)
    if X.ndim != len(axes):
        wanted = f"{len(axes)} dimension{'s' * (len(axes) > 1)} ({', '.join(axes)})"
        raise ValueError(f"{name} must have {wanted}, got shape {X.shape}; {_reshaped(X, name, axes)}")
    try:
        return _check_values(X, check, n_features, name, axes, missing)
    except ValueError as error:
        raise ValueError(f"{error}{_columns_refused(given, X, check)}") from None


def check_list_of_rows(X, name):
    """Raise if X is a list that holds nothing, or arrays of rows where rows are wanted."""
    if not isinstance(X, list | tuple):
        return
    if not X:
        raise ValueError(f"{name} must have at least one frame, got an empty {type(X).__name__}")
    if all(getattr(x, "ndim", 0) == 2 for x in X):
        raise ValueError(
            f"{name} must be one array of rows, got a {type(X).__name__} of {len(X)} arrays: numpy.concatenate({name}) "
            "has the rows of all"
        )


def _reshaped(X, name, axes):
    """What to do with an array of the wrong number of dimensions."""
    if X.ndim < len(axes):
        frame, feature = (f"numpy.reshape({name}, {shape})" for shape in ("(1, -1)", "(-1, 1)"))
        return f"Reshape your data: {frame} is one frame, {feature} is one feature"
    pixels = f"numpy.reshape({name}, (len({name}), -1))"
    if axes[0] == "n_frames":
        said = f"Reshape your data: {pixels} has the pixels of a frame in a row, as rtrbm.convert.video makes them"
        whole = name.rpartition("[")[0]
        return f"{said}; if {whole} gives minibatches, take [x for batch in {whole} for x in batch]" if whole else said
    if axes[0] != "n_samples":
        return f"Reshape your data: numpy.ravel({name}) is one frame"
    rows = f"numpy.reshape({name}, (-1, {X.shape[-1]}))"
    return f"Reshape your data: {pixels} if these are images, {rows} if they are sequences of frames"


def _columns_refused(given, X, check):
    """The names of the columns of a table with values that a check refuses, for a message, unless it refuses all."""
    if not foreign.is_table(given):
        return ""
    names, refused = [column for column, _ in foreign.columns(given)], []
    for i, name in enumerate(names):
        try:
            check(X[:, [i]], "")
        except ValueError:
            refused.append(repr(name))
    return f" (columns {', '.join(refused)})" if 0 < len(refused) < len(names) else ""


def check_sequences(X, check, dtype, n_features=None, name="X", axes=("n_frames", "n_visible"), missing=None):
    """Sequences as one 3-D array or a list of 2-D arrays, of the wanted dtype.

    Parameters
    ----------
    X : (n_sequences, n_frames, n_visible) array_like, or list of (n_frames_i, n_visible) array_like
    check, dtype, n_features, name, axes
        As in `check_frames`.
    missing : bool ndarray or list of them, optional
        In the form of X.

    Returns
    -------
    (n_sequences, n_frames, n_visible) ndarray or list of (n_frames_i, n_visible) ndarrays
        Sparse ones are made dense when they are asked for.

    Raises
    ------
    TypeError, ValueError
        As in `check_frames`; also if there are no sequences, or one has no frames.
    """
    X = as_given(X, name)
    if foreign.is_array(X):
        X = as_float(X, name, dtype)
        _check_dimensions(X, name, axes)
        return _check_values(X, check, n_features, name, axes, missing)

    def read(i):
        absent = None if missing is None else missing[i]
        return check_frames(X[i], check, dtype, n_features, f"{name}[{i}]", axes, absent)

    if n_features is None:
        if name == "X":
            check_widths(X)
        n_features = read(0).shape[1]
    if not any(map(foreign.is_sparse, X)):
        return [read(i) for i in range(len(X))]
    for i in range(len(X)):
        read(i)
    return DenseWhenAsked(len(X), read)


class DenseWhenAsked:
    """A list of sequences of which some are sparse: each is made dense when it is asked for.

    Parameters
    ----------
    n : int
    read : callable (i) -> ndarray
    """

    def __init__(self, n, read):
        self._n, self._read = n, read

    def __len__(self):
        return self._n

    def __getitem__(self, i):
        places = range(self._n)[i]  # raises the IndexError that ends a loop
        return list(map(self._read, places)) if isinstance(i, slice) else self._read(places)


def in_parts(verb):
    """Decorator of a verb of rows: a sparse X is made dense a part at a time."""

    @functools.wraps(verb)
    def of_parts(self, X):
        if not foreign.is_sparse(X) or len(X.shape) != 2:
            return verb(self, X)
        return np.concatenate([verb(self, part) for part in pieces(foreign.Sparse(X))])

    return of_parts


def as_given(X, name="X"):
    """One array for sequences in one array of any library, else a list of what can become arrays; nothing is converted.

    A cell, which is an array of arrays (MATLAB), is a list.

    Raises
    ------
    TypeError, ValueError
        If X is a stream, a mapping, text or no container of sequences, or holds none.
    """
    if type(X) is np.ndarray and X.ndim and X.dtype.kind == "f":  # the usual case, of which nothing else is to be asked
        return X
    foreign.check_open(X, name)
    foreign.check_ungrouped(X, name)
    if hasattr(X, "minibatch") or isinstance(X, Iterator):
        raise TypeError(
            f"{name} must be an array or a list of arrays, got a stream, {type(X).__name__}: take one minibatch of it, "
            f"or list({name}) if it ends"
        )
    if isinstance(X, np.ndarray) and X.dtype == object and X.size == max(X.shape, default=0):
        X = X.ravel().tolist() if any(map(is_sequence, X.flat)) else X
    if foreign.is_array(X):
        if getattr(X, "ndim", 1):
            return X
        raise ValueError(
            f"{name} must be an array of sequences or a list of arrays, got an array without dimensions: one sequence "
            "is a list of one array"
        )
    wrong = f"{name} must be an array or a list of arrays, got {type(X).__name__}"
    if isinstance(X, h5py.Group):  # whose own order is that of text, 10 before 2
        raise TypeError(f"{wrong}: take rtrbm.convert.read({name}.file.filename, {name}.name), the list of its arrays")
    if isinstance(X, Mapping):
        raise TypeError(f"{wrong}, of arrays with names: take list({name}.values())")
    if isinstance(X, str | bytes | os.PathLike):
        raise TypeError(f"{wrong}: rtrbm.convert.read({name}) reads files, [rtrbm.convert.read({name})] one sequence")
    if not hasattr(X, "__getitem__") and not hasattr(X, "__iter__") or isinstance(X, Set):
        raise TypeError(f"{wrong}: one sequence is a list of one array")
    with foreign.dressed(name):
        counted = hasattr(X, "__len__") and hasattr(X, "__getitem__") and not hasattr(X, "__iter__")
        X = [X[i] for i in range(len(X))] if counted else list(X)  # which may have an item for every i
    if not X:
        raise ValueError(f"{name} must hold at least one sequence, got an empty list")
    if name == "X" and all(isinstance(x, numbers.Real) for x in X):
        raise ValueError(
            f"{name} must hold sequences, got {len(X)} numbers: a sequence of one feature is numpy.reshape({name}, "
            "(-1, 1)), in a list or cut by window="
        )
    for i, sequence in enumerate(X):
        check_unpaired(sequence, f"{name}[{i}]")
        pair = sequence if isinstance(sequence, tuple) and len(sequence) == 2 else (None, None)
        if isinstance(sequence, str | os.PathLike) or all(isinstance(part, str) for part in pair):
            raise TypeError(f"{name}[{i}] must be a sequence, got {sequence!r}: rtrbm.convert.read reads files")
        if foreign.is_table(pair[1]):
            raise TypeError(f"{name}[{i}] must be a sequence, got a pair with a table: take [x for _, x in {name}]")
    return X


def check_unpaired(sequence, name):
    """Raise a TypeError if a sequence comes in a tuple, with a label or with another one."""
    if isinstance(sequence, tuple) and len(sequence) > 1 and len(getattr(sequence[0], "shape", ())) > 1:
        whole = name.rpartition("[")[0] or name
        raise TypeError(
            f"{name} must be a sequence, got a tuple of {len(sequence)}, of which the first is an array of shape "
            f"{np.shape(sequence[0])}: take [x for x, *_ in {whole}]"
        )


def check_columns(table, name, wanted=None):
    """The names of the columns of a table, which must be those wanted in their order; `wanted` if it is no table."""
    found = foreign.names_of_columns(table)
    if found is None or wanted is None:
        return found or wanted
    if found != wanted:
        raise ValueError(f"{name} must have the columns of the others, {wanted}, got {found}: take x[{wanted}] of each")
    return wanted


def check_widths(X):
    """Raise a ValueError if arrays of a list differ in their features, but look alike once they are transposed."""
    shapes = [getattr(x, "shape", ()) for x in X]
    if len(X) < 2 or any(len(shape) != 2 for shape in shapes):
        return
    n, widths = shapes[0][0], sorted({shape[1] for shape in shapes})
    if len(widths) > 1 and all(shape[0] == n for shape in shapes):
        raise ValueError(
            f"X must hold sequences (n_frames_i, n_visible) with the same features, got {n} rows in each and "
            f"{widths[0]} to {widths[-1]} columns: if they are transposed, take [x.T for x in X]"
        )


def pieces(X):
    """An array of whatever size in parts of at most `PIECE` numbers, each with all dimensions of X."""
    if X.ndim < 2 or math.prod(X.shape) <= PIECE:
        yield X
        return
    row = math.prod(X.shape[1:])
    n = max(1, PIECE // row)
    for start in range(0, X.shape[0], n):
        if row <= PIECE:
            yield X[start : start + n]
        else:
            yield from (part[None] for part in pieces(X[start]))


def is_sequence(x):
    """Whether x, an element of an array of objects, may be an array itself."""
    return isinstance(x, list | tuple) or foreign.is_array(x) and getattr(x, "ndim", 2) > 0


def with_mask(X, mask, name="X"):
    """Sequences as arrays of their own dtype, and the mask in the same form.

    Parameters
    ----------
    X : array_like or list of array_like
    mask : array_like of bool or list of them, or None
        True where a value is missing; of the shape of X. None: where X is NaN.
    name : str

    Returns
    -------
    X, mask : ndarrays, or lists of ndarrays

    Raises
    ------
    TypeError, ValueError
        If X is no array and no list of arrays, or `mask` is not of its shape or not boolean.
    """
    X = as_given(X, name)
    if foreign.is_array(X):
        return rows_with_mask(X, mask, name, "mask")
    if mask is None:
        X = [foreign.numbers(x, f"{name}[{i}]", gaps=True) for i, x in enumerate(X)]
        mask = list(map(where_nan, X))
    foreign.check_open(mask, "mask")
    with foreign.dressed("mask"):
        n = len(mask) if hasattr(mask, "__len__") else type(mask).__name__
    if n != len(X):
        raise ValueError(f"mask must have the form of {name}, a list of {len(X)} arrays, got {n}")
    pairs = [rows_with_mask(x, m, f"{name}[{i}]", f"mask[{i}]") for i, (x, m) in enumerate(zip(X, mask))]
    return [x for x, _ in pairs], [m for _, m in pairs]


def rows_with_mask(X, mask, name="X", mask_name="mask"):
    """The same for one array."""
    if isinstance(mask, np.ma.MaskedArray):
        raise TypeError(f"{mask_name} must not itself be a masked array")
    X = foreign.numbers(X, name, gaps=True)
    mask = where_nan(X) if mask is None else foreign.array(mask, mask_name)
    if mask.dtype != bool:
        raise TypeError(
            f"{mask_name} must hold booleans, True where a value is missing, got dtype {mask.dtype}: "
            f"take {mask_name}.astype(bool)"
        )
    if mask.shape != X.shape:
        raise ValueError(f"{mask_name} must have the shape of {name}, {X.shape}, got {mask.shape}")
    return X, mask


def without_missing(X, mask, name="X"):
    """`with_mask`, and zeros where values are missing."""
    X, mask = with_mask(X, mask, name)
    return ([np.where(m, 0, x) for x, m in zip(X, mask)] if isinstance(X, list) else np.where(mask, 0, X)), mask


def rows_without_missing(X, mask):
    """The same for one array of rows."""
    check_list_of_rows(X, "X")
    X, mask = rows_with_mask(X, mask)
    return np.where(mask, 0, X), mask


def where_nan(array):
    """Where an array is NaN."""
    return np.isnan(array) if array.dtype.kind == "f" else np.zeros(array.shape, bool)


def doubt_gaps(given, masks):
    """Warn if no mask was given, and the data have no NaN."""
    if given is None and not any(mask.any() for mask in masks):
        warn("X has no NaN and no mask is given: nothing is filled in; missing values are NaN, or mask is True")


def as_float(X, name, dtype=None):
    """An array of that dtype, or of its own, or an error if X is not numeric or not rectangular."""
    if type(X) is np.ndarray and dtype is not None and X.dtype == dtype:  # the usual case, see `as_given`
        return X
    array = foreign.numbers(X, name)
    if dtype is None or array.dtype == dtype:
        return array
    with np.errstate(over="ignore"):  # too large a number becomes infinite, and is refused as such
        return array.astype(dtype, copy=False)


def _check_dimensions(X, name, axes):
    if X.ndim != 3:
        remedy = f"{name}[0] is the first part, rtrbm.convert.video({name}) makes rows of the pixels of videos"
        if X.ndim == 2:
            cut = " (a model's fit cuts a long one with window=), sequences of different lengths are a list"
            remedy = f"one sequence is [{name}]" + ("" if name == "H" else cut)
        elif X.ndim < 2:
            cut = "" if name == "H" else " or cut by window="
            remedy = f"a sequence of one feature is numpy.reshape({name}, (-1, 1)), in a list{cut}"
        raise ValueError(
            f"{name} must have 3 dimensions (n_sequences, {', '.join(axes)}), got shape {X.shape}; {remedy}"
        )
    if not len(X):
        raise ValueError(f"{name} must hold at least one sequence, got none")


def _check_values(X, check, n_features, name, axes, missing):
    if X.shape[0] and not X.shape[-1]:
        raise ValueError(f"{name} has 0 feature(s) (shape={X.shape}) while a minimum of 1 is required.")
    if not X.size:
        raise ValueError(f"{name} must have at least one frame and one feature, got shape {X.shape}")
    if n_features is not None and X.shape[-1] != n_features:
        what = {"n_hidden": "hidden units", "n_inputs": "inputs"}.get(axes[-1], "features")
        raise ValueError(f"{name} must have {n_features} {what}, got {X.shape[-1]}")
    limits = getattr(check, "limits", None)
    if limits is not None and limits[0] == 0 and _are_up_to(X, limits[1]):
        return X
    low, high = _extremes(X)
    if not (np.isfinite(low) and np.isfinite(high)):
        found = _not_finite(X, name, axes[-1] == "n_visible")
        raise ValueError(f"{name} must be finite in {X.dtype}, got {found}")
    if limits is not None and limits[0] <= low and high <= limits[1]:
        return X
    found = check(X, name, missing)
    return X if found is None else found


def _are_up_to(X, limit):
    """Whether all numbers of an array are finite, and from 0 to a limit.

    False also if one is -0, or X is not of native single or double precision. As integers, numbers from 0 on have the
    same order, and all others come after them: one look at each is enough.
    """
    kind, most = _as_integer(X.dtype, limit)
    if kind is None:
        return False
    for part in pieces(X):
        integers = part.view(kind)
        if integers.item(integers.argmax()) > most:  # which takes less than `max` of few numbers
            return False
    return True


@functools.lru_cache(maxsize=64)
def _as_integer(dtype, limit):
    """The integers that are as long as numbers of a dtype, and the limit as one of them; None if there are none."""
    kind = {"f4": np.uint32, "f8": np.uint64}.get(dtype.str[1:])
    if kind is None or not dtype.isnative or limit > np.finfo(dtype).max:
        return None, None
    return np.dtype(kind), int(np.array(limit, dtype).view(kind))


def _extremes(X):
    """The smallest and the largest number of an array, NaN if it holds one; what is in the cache is looked at twice."""
    pairs = [(part.min(), part.max()) for part in pieces(X)]
    return pairs[0] if len(pairs) == 1 else (np.min(pairs), np.max(pairs))


def _not_finite(X, name, may_have_gaps):
    """How many values are not finite, where the first one is, and what to do, for a message."""
    wrong = np.argwhere(~np.isfinite(X))
    n_features = len(np.unique(wrong[:, -1]))
    remedy = "leave these frames out, or put numbers in their place"
    if may_have_gaps:
        remedy = "a model's impute fills such values in" + ", and its fit learns from the others," * (name[0] == "X")
        remedy += " with a mask= that is True there"
        remedy += "; numbers beyond float32 want dtype='float64'" * (X.dtype == np.float32)
    return (
        f"NaN or infinite values, {len(wrong)} in {n_features} feature{'s' * (n_features > 1)}, the first in "
        f"{place_of(wrong[0].tolist())}: {remedy}"
    )
