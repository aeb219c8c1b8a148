"""Delay taps: biases linear in the frames before, b_t = sum_n x_{t-n} T_n (chapter 3.2), and their backward pass.

x is anything that has a value at every frame: the visible units or the hidden states. What the frames before the
first would add to the bias of frame t is learned in their stead, as ``init[t]``. Frames are packed
(`rtrbm.sequences`).
"""

import numpy as np

from .parallel import gram, product
from .sequences import later_rows, previous_rows


def forward(x, where, T, init=(), n_jobs=None):
    """The biases of all frames.

    b_t = sum_{n=1..m, n<t} x_{t-n} T_n, plus init_t while t <= len(init), t counted from 1.

    Parameters
    ----------
    x : (n_rows, n_in) ndarray
    where : Layout
    T : (m, n_in, n_out) ndarray
        T[n - 1] leads from frame t - n to frame t; no taps if m = 0.
    init : (n_init, n_out) ndarray, optional
    n_jobs : int, optional

    Returns
    -------
    (n_rows, n_out) ndarray
    """
    bias = np.zeros((where.n_rows, T.shape[2]), T.dtype)
    for n in _reaching(T, where):
        bias[later_rows(where, n)] += product(x[previous_rows(where, n)], T[n - 1], n_jobs)
    for rows, b in zip(_first_frames(where), init):
        bias[rows] += b
    return bias


def backward(d_bias, where, T, n_jobs=None):
    """Derivative of the loss with respect to x, given that with respect to the biases.

    dL/dx_t = sum_n dL/db_{t+n} T_n^T.

    Parameters
    ----------
    d_bias : (n_rows, n_out) ndarray
    where, T, n_jobs
        As in `forward`.

    Returns
    -------
    (n_rows, n_in) ndarray
    """
    d_x = np.zeros((where.n_rows, T.shape[1]), T.dtype)
    for n in _reaching(T, where):
        d_x[previous_rows(where, n)] += product(d_bias[later_rows(where, n)], T[n - 1].T, n_jobs)
    return d_x


def gradient(x, where, d_bias, m, n_jobs=None):
    """Derivative with respect to the taps: dL/dT_n = sum_{t>n} x_{t-n}^T dL/db_t.

    Parameters
    ----------
    x, where, n_jobs
        As in `forward`.
    d_bias : (n_rows, n_out) ndarray
    m : int
        Number of taps.

    Returns
    -------
    (m, n_in, n_out) ndarray
    """
    d_T = np.zeros((m, x.shape[1], d_bias.shape[1]), x.dtype)
    for n in _reaching(d_T, where):
        gram(x[previous_rows(where, n)], d_bias[later_rows(where, n)], n_jobs, out=d_T[n - 1])
    return d_T


def initial_gradient(where, d_bias, n_init):
    """Derivative with respect to the learned biases of the first frames: that of the bias, summed over sequences.

    Parameters
    ----------
    where, d_bias
        As in `gradient`.
    n_init : int

    Returns
    -------
    (n_init, n_out) ndarray
    """
    d_init = np.zeros((n_init, d_bias.shape[1]), d_bias.dtype)
    for d, rows in zip(d_init, _first_frames(where)):
        d[:] = d_bias[rows].sum(axis=0)
    return d_init


def _reaching(T, where):
    """The delays n for which some sequence has a frame t - n."""
    return range(1, min(len(T), len(where.starts) - 1) + 1)


def _first_frames(where):
    """The rows of frame 1, of frame 2, ..."""
    return (slice(start, start + n) for start, n in zip(where.starts.tolist(), where.batch_sizes.tolist()))
