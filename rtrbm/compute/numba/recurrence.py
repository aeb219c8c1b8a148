"""The recurrence (eq. 3.20) and its backward pass (eq. 3.23) of `rtrbm.past.recurrence`, each in one loop over frames.

numpy makes some ten calls a frame, each on a few rows. Here four sequences share the numbers of U once those are in a
register, and threads take sequences, which need not wait for one another.
"""

import numpy as np

from ..threads import n_threads, run, worth
from .compiled import compiled
from .exponential import NEVER, power_of_2
from .vectors import WIDTH, aligned, fill, load, load_part, multiply_add, store_part, wide

SEQUENCES = 4
COLUMNS = 2 * WIDTH

_MINUS_LOG2_E, _1 = np.float32(-1 / np.log(2)), np.float32(1)


def forward(x, where, U, b, b_init, activation, n_jobs):
    """As `rtrbm.past.recurrence.forward` in single precision, up to rounding; U is (m, n_hidden, n_hidden)."""
    r, bias = np.empty(x.shape, x.dtype), np.empty(x.shape, x.dtype)
    b, b_init, blocks = np.atleast_2d(b), np.atleast_2d(b_init), _in_blocks(U)

    def of(low, high):
        _forward(x, where.starts, where.batch_sizes, low, high, blocks, b, b_init, r, bias, activation == "tanh")

    _share(of, where, U, n_jobs)
    return r, bias


def backward(r, where, U, d_bias, d_r, activation, n_jobs):
    """As `rtrbm.past.recurrence.backward` in single precision, up to rounding; U is (m, n_hidden, n_hidden)."""
    d_x = np.zeros(r.shape, r.dtype) if d_r is None else np.array(d_r, r.dtype, order="C")
    d_total = d_x if d_bias is None else np.array(d_bias, r.dtype, order="C")
    U_T, biases_count = _in_blocks(U.transpose(0, 2, 1)), d_bias is not None

    def of(low, high):
        _backward(r, where.starts, where.batch_sizes, low, high, U_T, d_x, d_total, biases_count, activation == "tanh")

    _share(of, where, U, n_jobs)
    return d_x, d_total


def _share(function, where, U, n_jobs):
    """Call function(low, high) for every thread's share of the sequences; a few multiplications are not worth threads.

    A sequence's numbers do not depend on those beside it, so results do not depend on the number of threads.
    """
    n_sequences = int(where.batch_sizes[0])
    n_shares = n_threads(worth(where.n_rows * U.size, n_jobs))
    size = -(-n_sequences // (n_shares * SEQUENCES)) * SEQUENCES
    shares = [(low, min(low + size, n_sequences)) for low in range(0, n_sequences, size)]
    run(lambda share: function(*share), shares, n_jobs)


@compiled(fastmath={"contract"})
def _forward(x, starts, batch_sizes, low, high, U, b, b_init, r, bias, is_tanh):
    """The recurrence of sequences low to high - 1, counted from the longest."""
    wide()
    for t in range(len(starts)):
        first, n = starts[t] + low, min(batch_sizes[t], high) - low
        for i in range(first, first + n):
            bias[i] = b[i if len(b) > 1 else 0]
            if t < len(b_init):
                bias[i] += b_init[t]
        for tap in range(min(len(U), t)):
            _add_product(r, starts[t - 1 - tap] + low, n, U, tap, bias, first)
        for i in range(first, first + n):
            for j in range(x.shape[1]):
                a = x[i, j] + bias[i, j]
                e = power_of_2((a + a if is_tanh else a) * _MINUS_LOG2_E)
                p = np.float32(0) if e >= NEVER else _1 / (_1 + e)
                r[i, j] = p + p - _1 if is_tanh else p  # eq. 3.20; tanh(a) = 2 sigmoid(2 a) - 1


@compiled(fastmath={"contract"})
def _backward(r, starts, batch_sizes, low, high, U_T, d_x, d_total, biases_count, is_tanh):
    """The backward pass of sequences low to high - 1, counted from the longest."""
    wide()
    for t in range(len(starts) - 1, -1, -1):
        first, n = starts[t] + low, min(batch_sizes[t], high) - low
        for tap in range(min(len(U_T), len(starts) - 1 - t)):
            later = t + 1 + tap
            alive = min(batch_sizes[later], high) - low
            _add_product(d_total, starts[later] + low, alive, U_T, tap, d_x, first)  # eq. 3.23
        for i in range(first, first + n):
            for j in range(r.shape[1]):
                d_x[i, j] *= _1 - r[i, j] * r[i, j] if is_tanh else r[i, j] * (_1 - r[i, j])
                if biases_count:
                    d_total[i, j] += d_x[i, j]


@compiled
def _in_blocks(U):
    """Every U[n] as blocks of COLUMNS columns, the last one filled up with zeros: (m, n_blocks, n_in, COLUMNS)."""
    m, n_in, n_out = U.shape
    n_blocks = -(-n_out // COLUMNS)
    blocks = aligned(m * n_blocks * n_in * COLUMNS).reshape(m, n_blocks, n_in, COLUMNS)
    for n in range(m):
        for block in range(n_blocks):
            for k in range(n_in):
                for j in range(COLUMNS):
                    column = block * COLUMNS + j
                    blocks[n, block, k, j] = U[n, k, column] if column < n_out else 0
    return blocks


@compiled
def _add_product(a, first, n, U, tap, out, to):
    """out[to : to + n] += a[first : first + n] U[tap], SEQUENCES rows and COLUMNS columns at a time."""
    n_in, n_out = a.shape[1], out.shape[1]
    for block in range(U.shape[1]):
        column = block * COLUMNS
        n_x, n_y = n_out - column, n_out - column - WIDTH
        for i in range(0, n, SEQUENCES):
            i_1, i_2, i_3 = min(i + 1, n - 1), min(i + 2, n - 1), min(i + 3, n - 1)
            at_0, at_1 = (to + i) * n_out + column, (to + i_1) * n_out + column
            at_2, at_3 = (to + i_2) * n_out + column, (to + i_3) * n_out + column
            x_0, y_0 = load_part(out, at_0, n_x), load_part(out, at_0 + WIDTH, n_y)
            x_1, y_1 = load_part(out, at_1, n_x), load_part(out, at_1 + WIDTH, n_y)
            x_2, y_2 = load_part(out, at_2, n_x), load_part(out, at_2 + WIDTH, n_y)
            x_3, y_3 = load_part(out, at_3, n_x), load_part(out, at_3 + WIDTH, n_y)
            at = (tap * U.shape[1] + block) * n_in * COLUMNS
            for k in range(n_in):
                x, y = load(U, at), load(U, at + WIDTH)
                a_0, a_1 = fill(a[first + i, k]), fill(a[first + i_1, k])
                a_2, a_3 = fill(a[first + i_2, k]), fill(a[first + i_3, k])
                x_0, y_0 = multiply_add(a_0, x, x_0), multiply_add(a_0, y, y_0)
                x_1, y_1 = multiply_add(a_1, x, x_1), multiply_add(a_1, y, y_1)
                x_2, y_2 = multiply_add(a_2, x, x_2), multiply_add(a_2, y, y_2)
                x_3, y_3 = multiply_add(a_3, x, x_3), multiply_add(a_3, y, y_3)
                at += COLUMNS
            store_part(out, at_0, x_0, n_x)
            store_part(out, at_0 + WIDTH, y_0, n_y)
            store_part(out, at_1, x_1, n_x)
            store_part(out, at_1 + WIDTH, y_1, n_y)
            store_part(out, at_2, x_2, n_x)
            store_part(out, at_2 + WIDTH, y_2, n_y)
            store_part(out, at_3, x_3, n_x)
            store_part(out, at_3 + WIDTH, y_3, n_y)
