"""What one-step predictions are worth, beside the predictors that need no model.

Everything is the squared error summed over features and averaged over frames 2..T of all sequences: nothing is
known before the first frame, so no predictor is scored on it.
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
        Of that mean, sequences being the independent units; NaN for a single sequence.
    """
    sums = np.array([((np.asarray(v[1:], float) - p[1:]) ** 2).sum() for v, p in zip(X, predicted)])
    n_frames = np.array([len(v) - 1 for v in X])
    error = sums.sum() / n_frames.sum()
    n = len(sums)
    if n == 1:
        return float(error), float("nan")
    residual = sums - error * n_frames
    return float(error), float(np.sqrt((residual**2).sum() * n / (n - 1)) / n_frames.sum())
