"""The hidden-state RNN: r_t = sigmoid(x_t + b_t), with b_t = b + r_{t-1} U (eq. 3.20), and its backward pass.

Nothing here knows what the loss is. A loss may reach the hidden states r_t (an output layer, say) and, as in
the RTRBM, the biases b_t themselves; `backward` takes the derivatives of both. Frames are packed
(`rtrbm.sequences`); B_t sequences are alive at frame t. There may be several hidden taps: states of earlier frames
than the last one, each with a matrix of its own.
"""

import numpy as np

from . import taps
from .parallel import run, slices
from .units import sigmoid

THREADED_STEP = 2**24  # multiplications in a step of the recurrence that are worth waking threads for


def forward(x, where, U, b, b_init, n_jobs=None):
    """Run the recurrence over packed frames.

    b_1 = b + b_init,  b_t = b + r_{t-1} U,  r_t = sigmoid(x_t + b_t)  (eq. 3.20);
    with m taps b_t = b + sum_n r_{t-n} U_n, plus b_init_t at the first frames.

    Parameters
    ----------
    x : (n_rows, n_hidden) ndarray
        Input to the hidden units at every frame (v_t W in the RTRBM).
    where : Layout
    U : (n_hidden, n_hidden) or (m, n_hidden, n_hidden) ndarray
        The thesis's W' transposed. U[n - 1] leads from frame t - n; m may be 0.
    b : (n_hidden,) or (n_rows, n_hidden) ndarray
        The rest of the bias, for all frames or for each.
    b_init : (n_hidden,) or (n_init, n_hidden) ndarray
        Added to the bias of the first frame, or of each of the first ones.
    n_jobs : int, optional

    Returns
    -------
    r : (n_rows, n_hidden) ndarray
    bias : (n_rows, n_hidden) ndarray
        b_t, what the past adds to the input of the hidden units.
    """
    r, bias = np.empty_like(x), np.empty_like(x)
    b_init, carried = np.atleast_2d(b_init), np.empty_like(x[: where.batch_sizes[0]])
    steps = [_times(U_n, where.batch_sizes[0], n_jobs) for U_n in as_taps(U)]
    past = []  # r_{t-1}, r_{t-2}, ...
    frames = zip(*(_frames(a, where) for a in (x, np.broadcast_to(b, x.shape), bias, r)))
    for t, (x_t, b_t, bias_t, r_t) in enumerate(frames):
        if not past:
            bias_t[:] = 0
        for n, (times_U, r_n) in enumerate(zip(steps, past)):
            if n == 0:
                times_U(r_n[: len(x_t)], bias_t)  # r_{t-1} U, (B_t, n_hidden)
            else:
                bias_t += times_U(r_n[: len(x_t)], carried[: len(x_t)])
        if t < len(b_init):
            bias_t += b_init[t]
        bias_t += b_t
        np.add(x_t, bias_t, out=r_t)
        sigmoid(r_t, out=r_t)  # eq. 3.20
        past = [r_t, *past][: len(steps)]
    return r, bias


def backward(r, where, U, d_bias=None, d_r=None, n_jobs=None):
    """Backpropagate through time (eq. 3.23, in its right form).

    With c_t = dL/db_t and e_t = dL/dr_t the derivatives that reach frame t from its own loss,

        g_t = e_t + (d_{t+1} + c_{t+1}) U^T,   g_T = e_T,   d_t = r_t (1 - r_t) g_t,

    and, with m taps, g_t = e_t + sum_n (d_{t+n} + c_{t+n}) U_n^T.

    Parameters
    ----------
    r : (n_rows, n_hidden) ndarray
        Hidden states from `forward`.
    where : Layout
    U : (n_hidden, n_hidden) or (m, n_hidden, n_hidden) ndarray
    d_bias : (n_rows, n_hidden) ndarray, optional
        c_t: the derivative of the loss with respect to b_t other than through r_t; zero if not given.
    d_r : (n_rows, n_hidden) ndarray, optional
        e_t: the derivative of the loss with respect to r_t other than through later frames; zero if not given.
    n_jobs : int, optional

    Returns
    -------
    d_x : (n_rows, n_hidden) ndarray
        d_t, the derivative with respect to x_t.
    d_total : (n_rows, n_hidden) ndarray
        d_t + c_t, the derivative with respect to b_t.
    """
    d_x = np.zeros_like(r) if d_r is None else np.array(d_r)
    d_total = d_x if d_bias is None else np.array(d_bias)  # becomes d_t + c_t
    slope = 1 - r
    slope *= r
    steps = [_times(U_n.T, where.batch_sizes[0], n_jobs) for U_n in as_taps(U)]
    carried = np.empty_like(r[: where.batch_sizes[0]])
    future = []  # d_{t+1} + c_{t+1}, d_{t+2} + c_{t+2}, ...
    for g, slope_t, total in zip(*(_frames(a, where)[::-1] for a in (d_x, slope, d_total))):
        for times_U_T, later in zip(steps, future):
            g[: len(later)] += times_U_T(later, carried[: len(later)])  # eq. 3.23
        g *= slope_t  # now d_t
        if d_bias is not None:
            total += g
        future = [total, *future][: len(steps)]
    return d_x, d_total


def as_taps(U):
    """U as (m, n_hidden, n_hidden)."""
    return U if U.ndim == 3 else U[None]


def _frames(a, where):
    """Views of a packed block's rows frame by frame, (B_t, n) each."""
    return [a[start : start + n_alive] for start, n_alive in zip(where.starts, where.batch_sizes)]


def _times(U, n_rows, n_jobs):
    """A function (a, out) that multiplies a few rows `a` by the matrix U.

    A matrix library copies the matrix into a layout of its own before each product, which costs more than the product
    itself when the other factor has a few rows. OpenBLAS does without below 10^6 multiplications: the matrix is cut
    into up to four blocks of columns to stay below. A matrix that takes a while is cut for the threads.
    """
    n_multiplications = int(n_rows) * U.size
    n_blocks = -(-n_multiplications // 10**6)
    if n_multiplications > THREADED_STEP:
        columns = slices(U.shape[1])
    else:
        columns = slices(U.shape[1], n_blocks if n_blocks <= 4 else 1)
        n_jobs = None
    blocks = [(block, np.ascontiguousarray(U[:, block])) for block in columns]

    def times(a, out):
        def product(item):
            np.matmul(a, item[1], out=out[:, item[0]])

        if n_jobs is None:
            for item in blocks:
                product(item)
        else:
            run(product, blocks, n_jobs)
        return out

    return times


def parameter_gradient(r, where, d_total, n_jobs=None):
    """Derivatives with respect to one matrix U, b and b_init, given those of every b_t (eq. 3.24).

    For a loss of one's own, as in experiments/binary_addition.py; the models of this package have more taps
    (`rtrbm.dynamics.gradient`).

    dU = sum_{t>=2} r_{t-1}^T (d_t + c_t),  db = sum_t (d_t + c_t),  db_init = d_1 + c_1, summed over sequences.

    Parameters
    ----------
    r : (n_rows, n_hidden) ndarray
    where : Layout
    d_total : (n_rows, n_hidden) ndarray
        d_t + c_t.
    n_jobs : int, optional

    Returns
    -------
    d_U, d_b, d_b_init : ndarray
    """
    d_U = taps.gradient(r, where, d_total, 1, n_jobs)  # eq. 3.24
    return d_U[0], d_total.sum(axis=0), taps.initial_gradient(where, d_total, 1)[0]
