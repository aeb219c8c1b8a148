"""The recurrence s_t = f(x_t + b_t), with b_t = b + s_{t-1} U (eq. 3.20), and its backward pass (eq. 3.23).

Nothing here knows the loss. A loss may reach the states s_t (an output layer, say) and, as in the RTRBM, the
biases b_t themselves; `backward` takes the derivatives of both. The RTRBM's state is r_t, and its f is the logistic
function. Frames are packed (`rtrbm.minibatches.sequences`); B_t sequences are alive at frame t. Several taps are states
of earlier frames than the last one, each with a matrix of its own.
"""

import numpy as np

from ..compute import threads
from ..compute.engine import NUMPY
from ..functions import sigmoid
from ..minibatches.sequences import forget_warm, later_rows, previous_rows
from . import taps

THREADED_STEP = 2**24  # multiplications in a step of the recurrence that are worth waking threads for


def forward(x, where, U, b, b_init, engine=NUMPY, activation="sigmoid"):
    """Run the recurrence over packed frames.

    b_1 = b + b_init,  b_t = b + s_{t-1} U,  s_t = f(x_t + b_t)  (eq. 3.20);
    with m taps b_t = b + sum_n s_{t-n} U_n, plus b_init_t at the first frames.

    Parameters
    ----------
    x : (n_rows, n_hidden) ndarray
        Input to the units at every frame (v_t W in the RTRBM).
    where : Layout
    U : (n_hidden, n_hidden) or (m, n_hidden, n_hidden) ndarray
        The thesis's W' transposed. U[n - 1] leads from frame t - n; m may be 0.
    b : (n_hidden,) or (n_rows, n_hidden) ndarray
        The rest of the bias, for all frames or for each.
    b_init : (n_hidden,) or (n_init, n_hidden) ndarray
        Added to the bias of the first frame, or of each of the first ones.
    engine : Engine
    activation : {"sigmoid", "tanh"}
        f.

    Returns
    -------
    s : (n_rows, n_hidden) ndarray
    bias : (n_rows, n_hidden) ndarray
        b_t, the part of the units' input that the past makes.
    """
    if engine.recurrence is not None and x.dtype == np.float32:
        return engine.recurrence.forward(x, where, taps.as_taps(U), b, b_init, activation, engine.n_jobs)
    s, bias = np.empty_like(x), np.empty_like(x)
    f = sigmoid if activation == "sigmoid" else np.tanh
    b_init, carried = np.atleast_2d(b_init), np.empty_like(x[: where.batch_sizes[0]])
    steps = [times(U_n, where.batch_sizes[0], engine) for U_n in taps.as_taps(U)]
    past = []  # s_{t-1}, s_{t-2}, ...
    for t, (x_t, b_t, bias_t, s_t) in enumerate(
        zip(*(frames(a, where) for a in (x, np.broadcast_to(b, x.shape), bias, s)))
    ):
        if not past:
            bias_t[:] = 0
        for n, (times_U, s_n) in enumerate(zip(steps, past)):
            if n == 0:
                times_U(s_n[: len(x_t)], bias_t)  # s_{t-1} U, (B_t, n_hidden)
            else:
                bias_t += times_U(s_n[: len(x_t)], carried[: len(x_t)])
        if t < len(b_init):
            bias_t += b_init[t]
        bias_t += b_t
        np.add(x_t, bias_t, out=s_t)
        f(s_t, out=s_t)  # eq. 3.20
        past = [s_t, *past][: len(steps)]
    return s, bias


def backward(s, where, U, d_bias=None, d_s=None, engine=NUMPY, activation="sigmoid"):
    """Backpropagate through time (eq. 3.23, in its right form).

    With c_t = dL/db_t and e_t = dL/ds_t the derivatives that reach frame t from its own loss,

        g_t = e_t + (d_{t+1} + c_{t+1}) U^T,   g_T = e_T,   d_t = f'_t g_t,

    where f'_t is s_t (1 - s_t) of the logistic function and 1 - s_t^2 of tanh. With m taps
    g_t = e_t + sum_n (d_{t+n} + c_{t+n}) U_n^T.

    Parameters
    ----------
    s : (n_rows, n_hidden) ndarray
        States from `forward`.
    where : Layout
    U : (n_hidden, n_hidden) or (m, n_hidden, n_hidden) ndarray
    d_bias : (n_rows, n_hidden) ndarray, optional
        c_t: the derivative of the loss with respect to b_t other than through s_t; zero if not given.
    d_s : (n_rows, n_hidden) ndarray, optional
        e_t: the derivative of the loss with respect to s_t other than through later frames; zero if not given.
    engine, activation
        As in `forward`.

    Returns
    -------
    d_x : (n_rows, n_hidden) ndarray
        d_t, the derivative with respect to x_t.
    d_total : (n_rows, n_hidden) ndarray
        d_t + c_t, the derivative with respect to b_t. Both are 0 at frames that only warm the state up
        (`Layout.n_warm`), where c_t must be 0: the gradient stops there.
    """
    if engine.recurrence is not None and s.dtype == np.float32:
        d_x, d_total = engine.recurrence.backward(s, where, taps.as_taps(U), d_bias, d_s, activation, engine.n_jobs)
        return forget_warm(d_x, where), forget_warm(d_total, where)
    d_x = np.zeros_like(s) if d_s is None else np.array(d_s)
    d_total = d_x if d_bias is None else np.array(d_bias)  # becomes d_t + c_t
    if activation == "sigmoid":
        slope = 1 - s
        slope *= s
    else:
        slope = 1 - s**2
    steps = [times(U_n.T, where.batch_sizes[0], engine) for U_n in taps.as_taps(U)]
    carried = np.empty_like(s[: where.batch_sizes[0]])
    future = []  # d_{t+1} + c_{t+1}, d_{t+2} + c_{t+2}, ...
    for d_t, slope_t, total_t in zip(*(frames(a, where)[::-1] for a in (d_x, slope, d_total))):
        for times_U_T, later in zip(steps, future):
            d_t[: len(later)] += times_U_T(later, carried[: len(later)])  # eq. 3.23: g_t
        d_t *= slope_t
        if d_bias is not None:
            total_t += d_t
        future = [total_t, *future][: len(steps)]
    return forget_warm(d_x, where), forget_warm(d_total, where)


def frames(a, where):
    """Views of a packed block's rows frame by frame, (B_t, n) each."""
    return [a[start : start + n_alive] for start, n_alive in zip(where.starts, where.batch_sizes)]


def times(U, n_rows, engine, most=4):
    """A function (a, out) that multiplies a few rows `a` by the matrix U.

    A matrix library copies the matrix into a layout of its own before each product. That costs more than the product
    itself when the other factor has a few rows. OpenBLAS does without below 10^6 multiplications: the matrix is cut
    into up to `most` blocks of columns to stay below. A matrix that takes a while is cut for the threads.

    Parameters
    ----------
    U : (n_in, n_out) ndarray
    n_rows : int
        The largest number of rows of `a`.
    engine : Engine
    most : int

    Returns
    -------
    callable (a, out) -> out
    """
    n_multiplications = int(n_rows) * U.size
    n_blocks = -(-n_multiplications // 10**6)
    is_large = n_multiplications > THREADED_STEP
    columns = threads.slices(U.shape[1], None if is_large else n_blocks if n_blocks <= most else 1)
    blocks = [(block, np.ascontiguousarray(U[:, block])) for block in columns]

    def multiply(a, out):
        def product(item):
            np.matmul(a, item[1], out=out[:, item[0]])

        if is_large:
            engine.run(product, blocks)
        else:
            for item in blocks:
                product(item)
        return out

    return multiply


def before(s, where, s_0):
    """The states before every frame: s_{t-1}, and s_0 before the first ones.

    Parameters
    ----------
    s : (n_rows, n) ndarray
    where : Layout
    s_0 : (n,) ndarray or float

    Returns
    -------
    (n_rows, n) ndarray
    """
    earlier = np.empty_like(s)
    earlier[: where.batch_sizes[0]] = s_0
    earlier[later_rows(where)] = s[previous_rows(where)]
    return earlier


def before_backward(d_earlier, where):
    """The derivative with respect to the states s of `before`, given that with respect to its result.

    Parameters
    ----------
    d_earlier : (n_rows, n) ndarray
    where : Layout

    Returns
    -------
    (n_rows, n) ndarray
    """
    d_s = np.zeros_like(d_earlier)
    d_s[previous_rows(where)] = d_earlier[later_rows(where)]
    return d_s


def parameter_gradient(s, where, d_total, engine=NUMPY):
    """Derivatives with respect to one matrix U, b and b_init, given those of every b_t (eq. 3.24).

    dU = sum_{t>=2} s_{t-1}^T (d_t + c_t),  db = sum_t (d_t + c_t),  db_init = d_1 + c_1, summed over sequences.

    Parameters
    ----------
    s : (n_rows, n_hidden) ndarray
    where : Layout
    d_total : (n_rows, n_hidden) ndarray
        d_t + c_t.
    engine : Engine

    Returns
    -------
    d_U, d_b, d_b_init : ndarray
    """
    d_U = taps.gradient(s, where, d_total, 1, engine)  # eq. 3.24
    return d_U[0], d_total.sum(axis=0), taps.initial_gradient(where, d_total, 1)[0]
