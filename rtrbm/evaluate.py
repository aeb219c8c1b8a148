"""What one-step predictions are worth, beside the predictors that need no model.

Errors are squared, summed over features, and averaged over frames 2..T of all sequences together: nothing is known
before the first frame, so no predictor is scored on it. Every predictor returns a prediction of every frame, of the
form of X: an array (n_sequences, n_frames, n_visible) or a list of arrays (n_frames_i, n_visible).
"""

import numpy as np


def squared_error(X, predicted):
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
    ValueError
        If the two differ in form, or no sequence has a second frame.

    Examples
    --------
    >>> squared_error(np.ones((2, 3, 4)), np.zeros((2, 3, 4)))
    (4.0, 0.0)
    """
    if [np.shape(v) for v in X] != [np.shape(p) for p in predicted]:
        raise ValueError("predicted must have the shape of X, sequence by sequence")
    n_frames = np.array([len(v) - 1 for v in X])
    if n_frames.min(initial=0) < 0:
        raise ValueError("X must have no sequence without frames")
    if not n_frames.sum():
        raise ValueError("X must have a sequence of at least 2 frames: the first frame is not scored")
    sums = np.array([np.square(np.subtract(v[1:], p[1:], dtype=float)).sum() for v, p in zip(X, predicted)])
    error = sums.sum() / n_frames.sum()
    if len(sums) == 1:
        return float(error), float("nan")
    residual = sums - error * n_frames
    variance = (residual**2).sum() * len(sums) / (len(sums) - 1)
    return float(error), float(np.sqrt(variance) / n_frames.sum())


def _each(X, predict):
    """A prediction for every sequence, in the form of X."""
    predicted = [predict(_as_float(v)) for v in X]
    return np.stack(predicted) if isinstance(X, np.ndarray) else predicted


def _as_float(v):
    v = np.asarray(v)
    return v if v.dtype.kind == "f" else v.astype(float)


def _previous(v):
    return np.concatenate([np.zeros_like(v[:1]), v[:-1]])


def copy_previous(X):
    """Predict v_t by v_{t-1} (the first frame by zero)."""
    return _each(X, _previous)


def linear_extrapolation(X, low=-np.inf, high=np.inf):
    """Predict v_t by 2 v_{t-1} - v_{t-2} clipped to [low, high]; the second frame by the first, the first by zero."""

    def predict(v):
        ahead = _previous(v)
        ahead[2:] += v[1:-1] - v[:-2]
        return np.clip(ahead, low, high, out=ahead)

    return _each(X, predict)


def mean_frame(X, train):
    """Predict every frame by the mean of all frames of the training sequences."""
    n_frames = sum(len(v) for v in train)
    mean = sum(np.sum(v, axis=0, dtype=float) for v in train) / n_frames
    return _each(X, lambda v: np.broadcast_to(mean.astype(v.dtype), v.shape))
