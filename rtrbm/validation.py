"""Checks of what users hand in: every error names the argument, what was given and what is wanted."""

import numbers
import os
from collections.abc import Iterator, Mapping

import numpy as np

from .units import VISIBLE


def check_count(name, value, minimum=1):
    """Raise unless `value` is an integer, of at least `minimum` if that is not None."""
    if isinstance(value, bool) or not isinstance(value, numbers.Integral):
        raise TypeError(f"{name} must be an integer, got {value!r}")
    if minimum is not None and value < minimum:
        raise ValueError(f"{name} must be at least {minimum}, got {value}")


def check_number(name, value, minimum, maximum=np.inf, closed=False):
    """Raise unless `value` is a real number with minimum < value < maximum (minimum <= value if `closed`)."""
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise TypeError(f"{name} must be a number, got {value!r}")
    if not (minimum < value < maximum or closed and value == minimum):
        above = f"at least {minimum}" if closed else f"greater than {minimum}"
        below = f" and less than {maximum}" if maximum < np.inf else " and finite"
        raise ValueError(f"{name} must be {above}{below}, got {value}")


def check_choice(name, value, choices):
    """Raise unless `value` is one of `choices`."""
    value = bool(value) if isinstance(value, np.bool_) else value
    if not any(value is choice or isinstance(value, str) and value == choice for choice in choices):
        raise ValueError(f"{name} must be one of {', '.join(map(repr, choices))}, got {value!r}")


def check_dtype(value):
    """Raise unless `value` means float32 or float64."""
    try:
        known = value is not None and np.dtype(value) in (np.dtype("float32"), np.dtype("float64"))
    except TypeError:
        known = False
    if not known:
        raise ValueError(f"dtype must be one of 'float32', 'float64', got {value!r}")


def check_n_jobs(name, value):
    """Raise unless `value` is None or an integer other than 0, a number of threads (`rtrbm.parallel.n_threads`)."""
    if value is not None:
        check_count(name, value, minimum=None)
        if value == 0:
            raise ValueError(f"{name} must be None or an integer other than 0, got 0")


def check_n_gibbs(value):
    """Raise unless `value` is a positive integer or a schedule {first_update: k} that starts at update 0."""
    if not isinstance(value, dict):
        return check_count("n_gibbs", value)
    for first, k in value.items():
        check_count("n_gibbs (first update)", first, minimum=0)
        check_count("n_gibbs", k)
    if 0 not in value:
        raise ValueError(f"n_gibbs must have a value for update 0, got {value!r}")


def check_n_taps(model, minimum=1):
    """Raise unless `n_taps` of a model is a count of at least `minimum` whose taps fit in memory."""
    check_count("n_taps", model.n_taps, minimum)
    check_memory(f"n_taps={model.n_taps} taps", int(model.n_taps) * int(model.n_hidden), model.dtype)


def check_memory(what, n_elements, dtype):
    """Raise a ValueError if an array of so many elements could not fit in the machine's memory."""
    if not hasattr(os, "sysconf"):  # a system that does not tell its memory
        return
    n_bytes = int(n_elements) * np.dtype(dtype).itemsize
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    if n_bytes > memory:
        raise ValueError(f"{what} would take {n_bytes // 10**9} GB, this machine has {memory // 10**9} GB")


def check_frames(X, visible, dtype, n_visible=None, name="X", axes=("n_frames", "n_visible")):
    """An array of frames, of the wanted dtype.

    Parameters
    ----------
    X : (n_frames, n_visible) array_like
    visible : {"bernoulli", "gaussian"}
        Bernoulli units take values in [0, 1], Gaussian ones any finite value.
    dtype : dtype
    n_visible : int, optional
        Number of features a fitted model wants.
    name : str
        What messages call X.
    axes : tuple of str
        What messages call its dimensions; ("n_visible",) for a single frame.

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
    X = as_float(X, name, dtype)
    if X.ndim != len(axes):
        wanted = f"{len(axes)} dimension{'s' * (len(axes) > 1)} ({', '.join(axes)})"
        raise ValueError(f"{name} must have {wanted}, got shape {X.shape}")
    _check_values(X, visible, n_visible, name)
    return X


def check_sequences(X, visible, dtype, n_visible=None, name="X"):
    """Sequences as one 3-D array or a list of 2-D arrays, of the wanted dtype.

    Parameters
    ----------
    X : (n_sequences, n_frames, n_visible) array_like, or list of (n_frames_i, n_visible) array_like
    visible, dtype, n_visible, name
        As in `check_frames`; `visible` may be "hidden" too, for hidden states or their probabilities.

    Returns
    -------
    (n_sequences, n_frames, n_visible) ndarray or list of (n_frames_i, n_visible) ndarrays

    Raises
    ------
    TypeError, ValueError
        As in `check_frames`; also if there are no sequences, or one has no frames.
    """
    if hasattr(X, "minibatch") or isinstance(X, Iterator):
        raise TypeError(
            f"{name} must be an array or a list of arrays, got a stream: take one minibatch of it"
        )
    axes = ("n_frames", "n_hidden" if visible == "hidden" else "n_visible")
    check_dense(X, name)
    if is_array(X):
        X = as_float(X, name, dtype)
        if X.ndim != 3:
            raise ValueError(
                f"{name} must have 3 dimensions (n_sequences, {', '.join(axes)}), got shape {X.shape}; "
                f"one sequence is {name}[None], sequences of different lengths are a list"
            )
        if not len(X):
            raise ValueError(f"{name} must hold at least one sequence, got none")
        _check_values(X, visible, n_visible, name)
        return X
    wrong = f"{name} must be an array or a list of arrays, got {type(X).__name__}"
    if isinstance(X, str | bytes | Mapping):  # iterables, of names
        raise TypeError(wrong)
    try:
        X = list(X)
    except TypeError:
        raise TypeError(wrong) from None
    if not X:
        raise ValueError(f"{name} must hold at least one sequence, got an empty list")
    if any(isinstance(sequence, str | os.PathLike) for sequence in X):
        raise TypeError(
            f"{name} must hold sequences, got {X!r}: data on a disk are for `fit`, as a tuple (path, name)"
        )
    sequences = []
    for i, sequence in enumerate(X):
        sequences.append(check_frames(sequence, visible, dtype, n_visible, f"{name}[{i}]", axes))
        n_visible = sequences[0].shape[1]
    return sequences


def is_array(X):
    """Whether X is an array, or a table, of whatever library."""
    return hasattr(X, "ndim") and (hasattr(X, "dtype") or hasattr(X, "__array__"))


def check_dense(X, name="X"):
    """Raise a TypeError if X is a sparse matrix."""
    if hasattr(X, "getnnz"):
        raise TypeError(f"{name} must be dense, got a {type(X).__name__}: take {name}.toarray()")


def without_missing(X, mask, name="X"):
    """Sequences with zeros where values are missing, and the mask in the same form.

    Parameters
    ----------
    X : array_like or list of array_like
    mask : array_like of bool or list of them
        True where a value is missing; of the shape of X.
    name : str

    Returns
    -------
    X, mask : ndarrays, or lists of ndarrays

    Raises
    ------
    TypeError, ValueError
        If X is no array and no list of arrays, or `mask` is not of its shape or not boolean.
    """
    check_dense(X, name)
    if is_array(X):
        return rows_without_missing(X, mask, name, "mask")
    wrong = f"{name} must be an array or a list of arrays, got {type(X).__name__}"
    if isinstance(X, str | bytes | Mapping | Iterator) or not hasattr(X, "__len__"):
        raise TypeError(wrong)
    if not hasattr(mask, "__len__") or len(mask) != len(X):
        got = f"{len(mask)} of them" if hasattr(mask, "__len__") else type(mask).__name__
        raise ValueError(f"mask must have the form of {name}, a list of {len(X)} arrays, got {got}")
    pairs = [
        rows_without_missing(x, m, f"{name}[{i}]", f"mask[{i}]") for i, (x, m) in enumerate(zip(X, mask))
    ]
    return [x for x, _ in pairs], [m for _, m in pairs]


def rows_without_missing(X, mask, name="X", mask_name="mask"):
    """The same for one array."""
    if isinstance(mask, np.ma.MaskedArray):
        raise TypeError(f"{mask_name} must not itself be a masked array")
    X, mask = _numbers(X, name), _rectangular(mask, mask_name)
    if mask.dtype != bool:
        raise TypeError(
            f"{mask_name} must hold booleans, True where a value is missing, got dtype {mask.dtype}"
        )
    if mask.shape != X.shape:
        raise ValueError(f"{mask_name} must have the shape of {name}, {X.shape}, got {mask.shape}")
    return np.where(mask, 0, X), mask


def as_float(X, name, dtype):
    """An array of that dtype, or an error if X is not numeric or not rectangular."""
    check_dense(X, name)
    array = _numbers(X, name)
    with np.errstate(over="ignore"):  # what does not fit becomes infinite, and is refused as such
        return array.astype(dtype, copy=False)


def check_unmasked(X, name):
    """Raise a TypeError if X is a masked array, or a list with one in it."""
    for x in X if isinstance(X, list | tuple) else [X]:
        if isinstance(x, np.ma.MaskedArray):
            raise TypeError(
                f"{name} must not be a masked array: fill it in with impute({name}.data, {name}.mask)"
            )


def _numbers(X, name):
    check_unmasked(X, name)
    array = _rectangular(X, name)
    if array.dtype.kind not in "biuf":
        hint = "; sequences of different lengths are a list" if array.dtype == object else ""
        raise TypeError(f"{name} must hold real numbers, got dtype {array.dtype}{hint}")
    return array


def _rectangular(X, name):
    try:
        return np.asarray(X)
    except ValueError as error:
        raise ValueError(f"{name} must be a rectangular array: {error}") from None


def _check_values(X, visible, n_visible, name):
    if not X.size:
        raise ValueError(f"{name} must have at least one frame and one feature, got shape {X.shape}")
    if n_visible is not None and X.shape[-1] != n_visible:
        units = "hidden units" if visible == "hidden" else "features"
        raise ValueError(f"{name} must have {n_visible} {units}, got {X.shape[-1]}")
    low, high = X.min(), X.max()
    if not (np.isfinite(low) and np.isfinite(high)):
        raise ValueError(f"{name} must be finite in {X.dtype}, got NaN or infinite values")
    if visible == "hidden" and (low < 0 or high > 1):
        raise ValueError(
            f"{name} must lie in [0, 1], hidden states or their probabilities, got values from {low:g} to {high:g}"
        )
    if visible == "bernoulli" and (low < 0 or high > 1):
        raise ValueError(
            f"{name} must lie in [0, 1] for Bernoulli units, got values from {low:g} to {high:g}; "
            "real-valued data want visible='gaussian'"
        )


def check_visible(visible):
    """Raise unless `visible` names a kind of units."""
    check_choice("visible", visible, VISIBLE)
