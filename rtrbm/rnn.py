"""The hidden-state RNN: r_t = sigmoid(x_t + b_t), with b_t = b + r_{t-1} U (eq. 3.20), and its backward pass.

Nothing here knows what the loss is. A loss may reach the hidden states r_t (an output layer, say) and, as in
the RTRBM, the biases b_t themselves; `backward` takes the derivatives of both. Frames are packed
(`rtrbm.sequences`); B_t sequences are alive at frame t.
"""

import numpy as np

from .parallel import gram
from .sequences import previous_rows
from .units import sigmoid


def forward(x, where, U, b, b_init):
    """Run the recurrence over packed frames.

    b_1 = b + b_init,  b_t = b + r_{t-1} U,  r_t = sigmoid(x_t + b_t)  (eq. 3.20).

    Parameters
    ----------
    x : (n_rows, n_hidden) ndarray
        Input to the hidden units at every frame (v_t W in the RTRBM).
    where : Layout
    U : (n_hidden, n_hidden) ndarray
        The thesis's W' transposed.
    b, b_init : (n_hidden,) ndarray

    Returns
    -------
    r : (n_rows, n_hidden) ndarray
    bias : (n_rows, n_hidden) ndarray
        b_t, what the past adds to the input of the hidden units.
    """
    r, bias = np.empty_like(x), np.empty_like(x)
    blocks = _column_blocks(U, where.batch_sizes[0])
    past = None
    for x_t, bias_t, r_t in zip(*(_frames(a, where) for a in (x, bias, r))):
        if past is None:
            bias_t[:] = b_init
        else:
            _product(past[: len(x_t)], blocks, out=bias_t)  # r_{t-1} U, (B_t, n_hidden)
        bias_t += b
        np.add(x_t, bias_t, out=r_t)
        sigmoid(r_t, out=r_t)  # eq. 3.20
        past = r_t
    return r, bias


def backward(r, where, U, d_bias=None, d_r=None):
    """Backpropagate through time (eq. 3.23, in its right form).

    With c_t = dL/db_t and e_t = dL/dr_t the derivatives that reach frame t from its own loss,

        g_t = e_t + (d_{t+1} + c_{t+1}) U^T,   g_T = e_T,   d_t = r_t (1 - r_t) g_t.

    Parameters
    ----------
    r : (n_rows, n_hidden) ndarray
        Hidden states from `forward`.
    where : Layout
    U : (n_hidden, n_hidden) ndarray
    d_bias : (n_rows, n_hidden) ndarray, optional
        c_t: the derivative of the loss with respect to b_t other than through r_t; zero if not given.
    d_r : (n_rows, n_hidden) ndarray, optional
        e_t: the derivative of the loss with respect to r_t other than through later frames; zero if not given.

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
    blocks = _column_blocks(U.T, where.batch_sizes[0])
    carried = np.empty_like(r[: where.batch_sizes[0]])
    later = None
    for g, slope_t, total in zip(*(_frames(a, where)[::-1] for a in (d_x, slope, d_total))):
        if later is not None:
            g[: len(later)] += _product(later, blocks, out=carried[: len(later)])  # eq. 3.23
        g *= slope_t  # now d_t
        if d_bias is not None:
            total += g
        later = total
    return d_x, d_total


def _frames(a, where):
    """Views of a packed block's rows frame by frame, (B_t, n) each."""
    return [a[start : start + n_alive] for start, n_alive in zip(where.starts, where.batch_sizes)]


def _column_blocks(U, n_rows):
    """U as contiguous blocks of columns, small enough that a product with n_rows rows needs no packing of U.

    A matrix library copies the matrix into its own layout before a product, which costs more than the product itself
    when the other factor has a few rows. OpenBLAS does without below 10^6 multiplications; cutting into more than
    four blocks no longer pays.
    """
    n_blocks = -(-int(n_rows) * U.size // 10**6)
    n_blocks = n_blocks if n_blocks <= 4 else 1
    return [np.ascontiguousarray(block) for block in np.array_split(U, n_blocks, axis=1)]


def _product(a, blocks, out):
    """a times the matrix whose blocks of columns are given."""
    start = 0
    for block in blocks:
        stop = start + block.shape[1]
        np.matmul(a, block, out=out[:, start:stop])
        start = stop
    return out


def parameter_gradient(r, where, d_total, n_jobs=None):
    """Derivatives with respect to U, b and b_init, given those of every b_t (eq. 3.24).

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
    n_first = where.batch_sizes[0]
    d_U = gram(r[previous_rows(where)], d_total[n_first:], n_jobs)  # eq. 3.24
    return d_U, d_total.sum(axis=0), d_total[:n_first].sum(axis=0)
