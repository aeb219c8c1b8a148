"""An autoregression of the data to start from: ridge regression, in the input of the visible units."""

from typing import NamedTuple

import numpy as np

from ..compute.threads import one_blas_thread

RIDGES = 10.0 ** np.arange(2, -6.5, -0.5)  # in units of the mean variance of the predictors
TOLERANCE = 1.01
SMALLEST = 1e-3  # deviation of a residual, in units of the feature's own
N_FRAMES = 100_000  # that are read, if there are so many
N_ROWS = 4096  # that are copied at a time
N_STEPS = 30


class Autoregression(NamedTuple):
    """The input of the visible units, b + sum_n v_{t-n} A_n; init_t stands for frames before the first.

    A : (m, n_visible, n_visible); b : (n_visible,); init : (m, n_visible); deviation : (n_visible,), standard
    deviations of the residuals of the linear predictor.
    """

    A: np.ndarray
    b: np.ndarray
    init: np.ndarray
    deviation: np.ndarray


@one_blas_thread()  # rounding does not depend on the number of threads
def autoregression(minibatches, m, units):
    """The autoregression on m taps, fitted to all frames that have m frames before them.

    With x_t = (v_{t-1}, ..., v_{t-m}), covariances S and c the largest variance of a unit (`Units.curvature`),

        A = (c S_xx + c ridge mean(diag S_xx))^-1 S_xv.

    The ridge is the largest of `RIDGES` whose error by generalised cross-validation, sum |v - prediction|^2 / (1 -
    degrees of freedom / frames)^2, is within one percent of the least: data to come are never quite like those at hand.
    For units with E[v | a] = a this is ridge regression. For others it is the first of `N_STEPS` steps up the penalised
    log-likelihood of v given x. c S_xx bounds its curvature, so that each step leads upward (Boehning & Lindsay 1988).
    Frames before the first stand at the mean frame.

    Parameters
    ----------
    minibatches : callable () -> iterable of lists of (n_frames_i, n_visible) ndarrays
        Read until there are `N_FRAMES` frames, and not kept.
    m : int
    units : Units
        Of a known curvature.

    Returns
    -------
    Autoregression, in double precision, or None if no sequence is longer than m frames
    """
    n, count, total, products = 0, 0, 0, 0
    for rows in _rows(minibatches(), m):
        if not count:
            n = rows.shape[1] // (m + 1)
            center = np.tile(rows[:, :n].mean(axis=0), m + 1)  # near the means, so that no digits are lost
        rows -= center
        count, total, products = count + len(rows), total + rows.sum(axis=0), products + rows.T @ rows
    if not count:
        return None
    mean = total / count
    S = products / count - np.outer(mean, mean)
    A, variance, solve, penalty = _ridge_regression(S, n, count)
    A, mean = A / units.curvature, mean + center
    beta = units.bias(mean[:n], count)
    if not units.linear:
        for _ in range(N_STEPS):
            A, beta = _step(_rows(minibatches(), m), A, beta, mean[n:], solve, penalty, count, units)
    taps = A.reshape(m, n, n)
    init = np.cumsum((mean[n:].reshape(m, 1, n) @ taps)[::-1, 0], axis=0)[::-1]  # sum_{k >= t} mean A_k
    deviation = np.sqrt(np.maximum(variance, SMALLEST**2 * np.diag(S)[:n]))
    return Autoregression(taps, beta - mean[n:] @ A, init, deviation)


def _rows(minibatches, m):
    """v_t, v_{t-1}, ..., v_{t-m} side by side, some thousand frames at a time."""
    n_frames = 0
    for sequences in minibatches:
        for v in sequences:
            n_frames += len(v)
            for first in range(m, len(v), N_ROWS):
                piece = v[first - m : first + N_ROWS].astype(float)
                yield np.concatenate([piece[m - n : len(piece) - n] for n in range(m + 1)], axis=1)
        if n_frames >= N_FRAMES:
            return


def _ridge_regression(S, n, count):
    """A of the best ridge, the variances of the residuals, and a function x -> (S_xx + penalty)^-1 x with the penalty.

    S is the covariance matrix of v_t, v_{t-1}, ..., the first n rows those of v_t.
    """
    variances, axes = np.linalg.eigh(S[n:, n:])
    variances, Z = variances.clip(0), axes.T @ S[n:, :n]
    found = []
    for penalty in RIDGES * (variances.mean() or 1):
        kept = variances / (variances + penalty)
        freedom = max(1 - (1 + kept.sum()) / count, 1 / count)
        trusted = freedom > 0.5  # with fewer frames the estimate of the error is far too small
        residual = np.diag(S)[:n] - ((2 - kept) / (variances + penalty)) @ Z**2
        error = residual.sum() / freedom**2 if trusted else np.inf
        found.append((error, penalty, residual / freedom))
    bound = TOLERANCE * min(error for error, *_ in found)
    _, penalty, residual = next(fit for fit in found if fit[0] <= bound)

    def solve(x):
        return axes @ ((axes.T @ x) / (variances + penalty)[:, None])

    return solve(S[n:, :n]), residual, solve, penalty


def _step(rows, A, beta, mean, solve, penalty, count, units):
    """One step up the log-likelihood of frames with the input beta + (x_t - mean) A."""
    c, n = units.curvature, len(beta)
    d_A, d_beta = -c * penalty * A, 0
    for part in rows:
        x = part[:, n:] - mean
        error = part[:, :n] - units.mean(beta + x @ A)
        d_A, d_beta = d_A + x.T @ error / count, d_beta + error.sum(axis=0) / count
    return A + solve(d_A) / c, beta + d_beta / c
