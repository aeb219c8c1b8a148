"""Products of binary states with a matrix, by looking up sums (`rtrbm.compute.numba.lookups`)."""

import numpy as np

from .compiled import compiled, inner
from .lookups import (
    AT_ONCE,
    CHUNKS,
    TABLES,
    UNITS,
    chunk_of,
    find_patterns,
    find_patterns_of_rows,
    look_up,
    look_up_gram,
    n_groups_of,
    pack,
    to_bytes,
)
from .vectors import (
    WIDTH,
    aligned,
    load,
    load_part,
    store,
    store_part,
    up_to,
    wide,
    zeros,
)

FEWEST = 32  # rows of states that are worth the sums


def multiply(states, W, out):
    """out <- states W; numpy's product if a state is neither 0 nor 1, or if size, precision or layout do not fit.

    Parameters
    ----------
    states : (n_rows, n_in) ndarray
    W : (n_in, n_out) ndarray
    out : (n_rows, n_out) ndarray
    """
    done = False
    fit = all(a.dtype == np.float32 for a in (states, W, out)) and W.flags.c_contiguous and out.flags.c_contiguous
    fit = fit and states.shape[1] == len(W) and out.shape == (len(states), W.shape[1])
    if fit and len(states) >= FEWEST:
        if states.flags.c_contiguous:
            done = _multiply(states, W, out)
        elif states.strides[0] < states.strides[1]:
            done = _multiply_transposed(np.ascontiguousarray(states.T), W, out)
    if not done:
        np.matmul(states, W, out=out)


@compiled
def _multiply(states, W, out):
    """out <- states W; False if a state is neither 0 nor 1."""
    (n_rows, n_in), n_out = states.shape, W.shape[1]
    n_groups, chunk, stride = n_groups_of(n_in), chunk_of(n_in), up_to(n_in, WIDTH)
    on = np.zeros(n_rows * stride + UNITS * n_groups + 2 * AT_ONCE, np.uint8)
    if not to_bytes(states.reshape(-1), n_rows, n_in, on):
        return False
    stride_p = up_to(n_groups, AT_ONCE)
    patterns, packed = np.empty(n_rows * stride_p + AT_ONCE, np.uint8), aligned(up_to(n_out, WIDTH) * UNITS * n_groups)
    tables, sums = aligned(TABLES), aligned(n_rows * WIDTH)
    find_patterns(on, 0, n_rows, stride, n_groups, patterns, stride_p)
    pack(W.reshape(-1), 0, n_in, n_out, UNITS * n_groups, packed)
    for block in range(-(-n_out // WIDTH)):
        look_up(patterns, n_rows, stride_p, packed, block, n_groups, chunk, tables, sums)
        _copy(sums, n_rows, out.reshape(-1), block * WIDTH, n_out)
    return True


@compiled
def _multiply_transposed(states, W, out):
    """out <- states^T W; False if a state is neither 0 nor 1."""
    (n_in, n_rows), n_out = states.shape, W.shape[1]
    n_groups, stride, stride_w = up_to(-(-n_in // UNITS), CHUNKS[-1]), up_to(n_rows, WIDTH), up_to(n_out, WIDTH)
    on = np.zeros(UNITS * n_groups * stride + 2 * AT_ONCE, np.uint8)
    if not to_bytes(states.reshape(-1), n_in, n_rows, on):
        return False
    stride_p = up_to(n_rows, AT_ONCE)
    patterns, padded = np.empty(n_groups * stride_p + AT_ONCE, np.uint8), aligned(UNITS * n_groups * stride_w)
    tables, sums = aligned(TABLES), aligned(n_rows * WIDTH)
    find_patterns_of_rows(on, stride, n_rows, n_groups, patterns, stride_p)
    _pad(W.reshape(-1), n_in, n_out, UNITS * n_groups, padded)
    for block in range(-(-n_out // WIDTH)):
        look_up_gram(patterns, n_rows, stride_p, padded, stride_w, block, n_groups, tables, sums)
        _copy(sums, n_rows, out.reshape(-1), block * WIDTH, n_out)
    return True


@inner
def _pad(W, n_rows, n, n_units, out):
    """out <- rows of W, padded to whole vectors, then rows of zeros up to n_units."""
    wide()
    n_p = up_to(n, WIDTH)
    for i in range(n_units):
        for j in range(0, n_p, WIDTH):
            store(out, i * n_p + j, load_part(W, i * n + j, n - j) if i < n_rows else zeros())


@inner
def _copy(sums, n_rows, out, column, n):
    """Write sums to the columns of out from `column` on."""
    wide()
    for i in range(n_rows):
        store_part(out, i * n + column, load(sums, i * WIDTH), n - column)
