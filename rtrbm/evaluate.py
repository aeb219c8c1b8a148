"""The error of one-step predictions, the coverage of forecasts, and predictors that need no model to compare with.

Errors are squared, summed over features, and averaged over frames 2..T of all sequences together: nothing is known
before the first frame, so no predictor is scored on it. Every predictor returns a prediction of every frame, of the
form of X: an array (n_sequences, n_frames, n_visible) or a list of arrays (n_frames_i, n_visible).
"""

from __future__ import annotations

import numbers
from typing import overload

import numpy as np

from .checks import check_count, check_memory, check_number
from .user_data import check_reals, as_float, as_given, check_columns, check_sequences
from .compute.threads import one_blas_thread
from .foreign import is_array
from .functions import ratio
from .types import Array, Lists, Sequences

N_ROWS = 4096  # frames whose predictors are in memory at the same time

FARTHEST = 1e38  # bounds that single precision has
LEAST = 1e-12  # of the mean diagonal: what a feature that never changes has in its place
LARGEST_LINEAR = 1500  # features for which reports and commands fit a linear predictor


def squared_error(X: Sequences, predicted: Sequences) -> tuple[float, float]:
    """Squared error per frame of one-step predictions, over frames 2..T of all sequences, and its standard error.

    Parameters
    ----------
    X, predicted : (n_sequences, n_frames, n_visible) ndarrays, or lists of (n_frames_i, n_visible) ndarrays

    Returns
    -------
    error : float
        sum |v_t - prediction_t|^2 / number of frames.
    standard_error : float
        Of that ratio, sequences being the independent units; NaN for a single sequence.

    Raises
    ------
    TypeError, ValueError
        If X or `predicted` are no sequences of finite numbers, if the two differ in form, or no sequence has a second
        frame.

    Examples
    --------
    >>> squared_error(np.ones((2, 3, 4)), np.zeros((2, 3, 4)))
    (4.0, 0.0)
    """
    X, predicted = _sequences(X), _sequences(predicted, "predicted")
    if [v.shape for v in X] != [p.shape for p in predicted]:
        raise ValueError("predicted must have the shape of X, sequence by sequence")
    n_frames = np.array([len(v) - 1 for v in X])
    if not n_frames.sum():
        raise ValueError("X must have a sequence of at least 2 frames: the first frame is not scored")
    sums = np.array([np.square(np.subtract(v[1:], p[1:], dtype=float)).sum() for v, p in zip(X, predicted)])
    return ratio(sums, n_frames)


def coverage(X: Sequences, low: Sequences, high: Sequences) -> tuple[float, float]:
    """The share of values that lie between two quantiles of their forecast, and its standard error.

    A forecast from 0.1 to 0.9 whose spread is right has a coverage of 0.8 on data that it has not seen. A smaller one
    means that it is too sure, a larger one that it is not sure enough. It is a measure for real values and large
    counts: the quantiles of a binary unit are 0 or 1.

    Parameters
    ----------
    X : (n_sequences, n_frames, n_visible) ndarray, or list of (n_frames_i, n_visible) ndarrays
        The frames that came.
    low, high : of the form of X
        Two of the ``quantiles`` of a forecast, see `rtrbm.RTRBM.forecast`; the bounds are part of the band.

    Returns
    -------
    share : float
    standard_error : float
        Sequences being the independent units; NaN for a single sequence.

    Raises
    ------
    TypeError, ValueError
        If an argument is no sequences of finite numbers, the three differ in form, or `low` is above `high`.

    Examples
    --------
    >>> X = np.array([[[0.0], [1.0]], [[2.0], [3.0]]])
    >>> share, standard_error = coverage(X, np.full(X.shape, 0.5), np.full(X.shape, 2.5))
    >>> share, round(standard_error, 6)
    (0.5, 0.0)
    """
    X, low, high = _sequences(X), _sequences(low, "low"), _sequences(high, "high")
    for name, bound in (("low", low), ("high", high)):
        if [v.shape for v in X] != [b.shape for b in bound]:
            raise ValueError(f"{name} must have the shape of X, sequence by sequence")
    if any((a > b).any() for a, b in zip(low, high)):
        raise ValueError("low must be at most high everywhere: hand in the lower of two quantiles first")
    sums = np.array([((a <= v) & (v <= b)).sum() for v, a, b in zip(X, low, high)])
    return ratio(sums, np.array([v.size for v in X]))


def _sequences(X, name="X", n_visible=None, columns=None):
    """X, checked: an array (n_sequences, n_frames, n_visible) or a list of arrays, of floating point numbers.

    Tables in it have the columns wanted, or those of the first.
    """
    X = as_given(X, name)
    for i, x in enumerate(X if isinstance(X, list) else ()):
        columns = check_columns(x, f"{name}[{i}]", columns)
    if is_array(X):
        return check_sequences(X, check_reals, _floating(X, name), n_visible, name)
    checked = check_sequences(X, check_reals, float, n_visible, name)
    return [v.astype(_floating(given, name), copy=False) for v, given in zip(checked, X)]


def _floating(v, name):
    """Single precision if an array has it, or double precision."""
    return np.dtype(np.float32 if as_float(v, name).dtype == np.float32 else float)


def _each(X, predict):
    """A prediction for every sequence, in the form of X."""
    predicted = [predict(v) for v in X]
    return np.stack(predicted) if isinstance(X, np.ndarray) else predicted


def _previous(v):
    return np.concatenate([np.zeros_like(v[:1]), v[:-1]])


@overload
def copy_previous(X: Lists) -> list[Array]: ...


@overload
def copy_previous(X: Sequences) -> Array: ...


def copy_previous(X: Sequences) -> Array | list[Array]:
    """Predict v_t by v_{t-1} (the first frame by zero).

    Parameters
    ----------
    X : (n_sequences, n_frames, n_visible) array_like or list of (n_frames_i, n_visible) array_like

    Returns
    -------
    array or list of arrays, as X

    Raises
    ------
    TypeError, ValueError
        If an argument is not valid.
    """
    return _each(_sequences(X), _previous)


@overload
def linear_extrapolation(X: Lists, low: float = ..., high: float = ...) -> list[Array]: ...


@overload
def linear_extrapolation(X: Sequences, low: float = ..., high: float = ...) -> Array: ...


def linear_extrapolation(X: Sequences, low: float = -np.inf, high: float = np.inf) -> Array | list[Array]:
    """Predict v_t by 2 v_{t-1} - v_{t-2} clipped to [low, high]; the second frame by the first, the first by zero.

    Parameters
    ----------
    X : (n_sequences, n_frames, n_visible) array_like or list of (n_frames_i, n_visible) array_like
    low, high : float

    Returns
    -------
    array or list of arrays, as X

    Raises
    ------
    TypeError, ValueError
        If an argument is not valid.
    """
    _check_bounds(low, high)

    def predict(v):
        ahead = _previous(v)
        ahead[2:] += v[1:-1] - v[:-2]
        return np.clip(ahead, low, high, out=ahead)

    return _each(_sequences(X), predict)


def _check_bounds(low, high):
    for name, bound, open_end in (("low", low, -np.inf), ("high", high, np.inf)):
        if isinstance(bound, bool) or not isinstance(bound, numbers.Real):
            raise TypeError(f"{name} must be a number, got {bound!r}")
        if bound == bound != open_end and not abs(bound) < FARTHEST:
            raise ValueError(f"{name} must be {open_end} or a number nearer to 0 than {FARTHEST:g}, got {bound!r:.60}")
    if not low <= high:
        raise ValueError(f"low must be at most high, got low={low}, high={high}")


@overload
def mean_frame(X: Lists, train: Sequences) -> list[Array]: ...


@overload
def mean_frame(X: Sequences, train: Sequences) -> Array: ...


def mean_frame(X: Sequences, train: Sequences) -> Array | list[Array]:
    """Predict every frame by the mean of all frames of the training sequences.

    Parameters
    ----------
    X : (n_sequences, n_frames, n_visible) array_like or list of (n_frames_i, n_visible) array_like
    train : the same
        Sequences with the features of X.

    Returns
    -------
    array or list of arrays, as X

    Raises
    ------
    TypeError, ValueError
        If an argument is not valid.
    """
    columns, mean = _columns(train), _mean(_sequences(train, "train"))
    return _each(_sequences(X, n_visible=len(mean), columns=columns), lambda v: np.full(v.shape, mean, v.dtype))


def _columns(train):
    """The names of the columns of the first sequence, None if it is no table."""
    return check_columns(train[0], "train[0]") if isinstance(train, list | tuple) and len(train) else None


def _mean(train):
    return sum(np.sum(v, axis=0, dtype=float) for v in train) / sum(len(v) for v in train)


@overload
def autoregression(
    X: Lists, train: Sequences, n_taps: int = 2, low: float = ..., high: float = ..., ridge: float = 1e-6
) -> list[Array]: ...


@overload
def autoregression(
    X: Sequences, train: Sequences, n_taps: int = 2, low: float = ..., high: float = ..., ridge: float = 1e-6
) -> Array: ...


@one_blas_thread()  # rounding does not depend on the number of threads
def autoregression(
    X: Sequences, train: Sequences, n_taps: int = 2, low: float = -np.inf, high: float = np.inf, ridge: float = 1e-6
) -> Array | list[Array]:
    """Predict v_t by an affine function of v_{t-1}, ..., v_{t-n_taps}, clipped to [low, high]: the linear predictor.

    With m the mean of all frames of the training sequences,

        prediction_t = m + a + sum_n (v_{t-n} - m) A_n

    where a and A_1, ..., A_{n_taps} have the least squared error over frames 2..T of the training sequences (by
    ridge regression). The first frame stands in for those before it, and is itself predicted by m. Copying and, from
    2 taps on, extrapolation are special cases.

    Parameters
    ----------
    X, train : (n_sequences, n_frames, n_visible) ndarrays, or lists of (n_frames_i, n_visible) ndarrays
        Sequences to predict, and sequences to fit. Fitting takes the memory of a few matrices of n_taps * n_visible
        rows and columns, whatever the number of training sequences.
    n_taps : int
        Number of past frames.
    low, high : float
        Bounds of the predictions.
    ridge : float
        Penalty on the squares of all A_n, for every predictor in units of its own diagonal of the normal equations, so
        that scales of features do not matter. Features that never change, or always change together, would make these
        singular; the default is far above rounding errors and shrinks a direction by about a millionth.

    Returns
    -------
    (n_sequences, n_frames, n_visible) ndarray or list of (n_frames_i, n_visible) ndarrays
        In the form of X.

    Raises
    ------
    TypeError, ValueError
        If `n_taps` is no integer of at least 1, `ridge` no number above 0 or `low` greater than `high`, if no training
        sequence has a second frame, or X and `train` differ in their number of features.

    Examples
    --------
    A straight line goes on, from its second frame:

    >>> line = np.arange(5.0)[None, :, None]
    >>> autoregression(line, line, n_taps=2, ridge=1e-9).round(3).ravel()
    array([2., 1., 2., 3., 4.])
    """
    _check_bounds(low, high)
    X, mean, coefficients = _fitted(X, train, n_taps, ridge)

    def predict(v):
        ahead = np.empty(v.shape, v.dtype)
        ahead[0] = np.clip(mean, low, high)
        for frames, past in _pasts(v, mean, n_taps):
            ahead[frames] = np.clip(past @ coefficients + mean, low, high)
        return ahead

    return _each(X, predict)


@one_blas_thread()
def autoregressive_forecast(
    X: Sequences,
    horizon: int,
    train: Sequences,
    n_taps: int = 2,
    low: float = -np.inf,
    high: float = np.inf,
    ridge: float = 1e-6,
) -> Array:
    """The frames after every sequence of X by `autoregression`, which takes each prediction for the frame itself.

    Parameters
    ----------
    X : (n_sequences, n_frames, n_visible) ndarray, or list of (n_frames_i, n_visible) ndarrays
        Frames seen so far.
    horizon : int
        Number of frames ahead.
    train, n_taps, low, high, ridge
        As of `autoregression`.

    Returns
    -------
    (n_sequences, horizon, n_visible) ndarray

    Raises
    ------
    TypeError, ValueError
        As `autoregression`.

    Examples
    --------
    >>> line = np.arange(5.0)[None, :, None]
    >>> autoregressive_forecast(line, 3, line, n_taps=2, ridge=1e-9).round(3).ravel()
    array([5., 6., 7.])
    """
    check_count("horizon", horizon)
    _check_bounds(low, high)
    X, mean, coefficients = _fitted(X, train, n_taps, ridge)
    check_memory(f"horizon={horizon} frames", len(X) * int(horizon) * len(mean), float)
    at = [np.maximum(len(v) - 1 - np.arange(n_taps), 0) for v in X]
    recent = np.stack([v[rows] for v, rows in zip(X, at)]).astype(float)  # the newest first
    ahead = np.empty((len(X), int(horizon), len(mean)), X[0].dtype)
    for t in range(int(horizon)):
        past = np.column_stack([(recent - mean).reshape(len(X), -1), np.ones(len(X))])
        ahead[:, t] = now = np.clip(past @ coefficients + mean, low, high)
        recent = np.concatenate([now[:, None], recent[:, :-1]], axis=1)
    return ahead


def _fitted(X, train, n_taps, ridge):
    """X, checked; the mean of all training frames, and the coefficients A_1, ..., a of `autoregression`."""
    check_count("n_taps", n_taps)
    check_number("ridge", ridge, 0, 1e30)
    columns = _columns(train)
    train = _sequences(train, "train")
    if max(map(len, train)) < 2:
        raise ValueError("train must have a sequence of at least 2 frames: the first frame is not fitted")
    mean = _mean(train)
    X = _sequences(X, n_visible=len(mean), columns=columns)
    check_memory(f"n_taps={n_taps} taps on {len(mean)} features", (int(n_taps) * len(mean) + 1) ** 2, float)
    normal, moments = 0, 0
    for v in train:
        for frames, past in _pasts(v, mean, n_taps):
            normal += past.T @ past
            moments += past.T @ (v[frames] - mean)
    squares = np.einsum("ii->i", normal)[:-1]  # a view; the constant has no penalty
    squares += float(ridge) * np.maximum(squares, LEAST * (squares.mean() or 1))
    try:
        return X, mean, np.linalg.solve(normal, moments)  # a Cholesky decomposition takes as long
    except np.linalg.LinAlgError as error:
        raise ValueError(f"ridge={ridge} must be larger, features of train depend on one another") from error


def _pasts(v, mean, n_taps):
    """Frames 2..T, some at a time, as slices, and their predictors v_{t-1}, ..., v_{t-n_taps}, 1, less the mean.

    The first frame is in place of earlier ones.
    """
    for start in range(1, len(v), N_ROWS):
        frames = slice(start, min(start + N_ROWS, len(v)))
        at = np.arange(frames.start - 1, frames.stop - 1)[:, None] - np.arange(n_taps)
        taps = (v[at.clip(0)] - mean).reshape(len(at), n_taps * v.shape[1])
        yield frames, np.concatenate([taps, np.ones((len(at), 1))], axis=1)
