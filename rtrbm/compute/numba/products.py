"""Products with binary states by looking up sums, the "method of the four Russians" (Arlazarov et al. 1970).

Row i of states W is the sum of the rows of W whose unit is on. The units are cut into groups of five; for each of the
32 patterns of a group the sum of its rows of W is made once, and then looked up by all rows of states: one addition
takes the place of five multiplications and additions.
"""

import numpy as np

from .compiled import compiled
from .vectors import WIDTH, add, aligned, load, load_part, store, store_part, wide, zeros

UNITS = 5  # of a group
PATTERNS = 2**UNITS
GROUPS = 8  # whose sums are looked up together: 32 kB with COLUMNS columns of W, to stay in the first-level cache
COLUMNS = 2 * WIDTH
FEWEST = 32  # rows of states that are worth the sums
_NOT_BINARY = np.uint8(128)


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
    patterns = np.zeros((len(states), _n_groups(W)), np.uint8)
    if not _find_in_rows(states, patterns):
        return False
    _look_up(patterns, W, out)
    return True


@compiled
def _multiply_transposed(states, W, out):
    """out <- states^T W; False if a state is neither 0 nor 1."""
    patterns = np.zeros((_n_groups(W), states.shape[1]), np.uint8)
    if not _find_in_columns(states, patterns):
        return False
    _look_up(patterns.T.copy(), W, out)
    return True


@compiled
def _n_groups(W):
    """The number of groups, a multiple of GROUPS; unit b of group g is unit g + b n_groups of the layer."""
    return -(-len(W) // (GROUPS * UNITS)) * GROUPS


@compiled
def _find_in_rows(states, patterns):
    """patterns <- those of all groups in every row; False if a state is neither 0 nor 1."""
    wide()
    n_groups = patterns.shape[1]
    for i in range(len(states)):
        pattern = patterns[i]
        for b in range(UNITS):
            x = states[i, b * n_groups : (b + 1) * n_groups]
            for g in range(len(x)):
                is_on = np.uint8(x[g] != 0)
                pattern[g] |= (is_on << np.uint8(b)) | (is_on & np.uint8(x[g] != 1)) * _NOT_BINARY
        if pattern.max() >= _NOT_BINARY:
            return False
    return True


@compiled
def _find_in_columns(states, patterns):
    """The same with units along the first axis."""
    wide()
    n_groups = len(patterns)
    for g in range(n_groups):
        pattern = patterns[g]
        for unit in range(g, len(states), n_groups):
            x, b = states[unit], np.uint8(unit // n_groups)
            for i in range(len(x)):
                is_on = np.uint8(x[i] != 0)
                pattern[i] |= (is_on << b) | (is_on & np.uint8(x[i] != 1)) * _NOT_BINARY
        if pattern.max() >= _NOT_BINARY:
            return False
    return True


@compiled
def _look_up(patterns, W, out):
    """out <- the sums of the patterns, COLUMNS columns and GROUPS groups at a time."""
    tables, sums = aligned(GROUPS * PATTERNS * COLUMNS), aligned(len(patterns) * COLUMNS)
    for column in range(0, W.shape[1], COLUMNS):
        for group in range(0, patterns.shape[1], GROUPS):
            _make_tables(W, column, group, patterns.shape[1], tables)
            _add_sums(patterns, group, tables, sums)
        _copy(sums, out, column)


@compiled
def _make_tables(W, column, group, n_groups, tables):
    """tables <- for GROUPS groups and all their patterns, the sums of rows of W in COLUMNS columns."""
    for g in range(GROUPS):
        for half in range(0, COLUMNS, WIDTH):
            at, to = (group + g) * W.shape[1] + column + half, g * PATTERNS * COLUMNS + half
            n_rows, step = (len(W) - group - g + n_groups - 1) // n_groups, n_groups * W.shape[1]
            n = W.shape[1] - column - half
            a = load_part(W, at, n if n_rows > 0 else 0)
            b = load_part(W, at + step, n if n_rows > 1 else 0)
            c = load_part(W, at + 2 * step, n if n_rows > 2 else 0)
            d = load_part(W, at + 3 * step, n if n_rows > 3 else 0)
            e = load_part(W, at + 4 * step, n if n_rows > 4 else 0)
            ab = add(a, b)
            for i in range(4):
                x = zeros() if i == 0 else d if i == 1 else e if i == 2 else add(d, e)
                y = add(x, c)
                store(tables, to, x)
                store(tables, to + COLUMNS, add(x, a))
                store(tables, to + 2 * COLUMNS, add(x, b))
                store(tables, to + 3 * COLUMNS, add(x, ab))
                store(tables, to + 4 * COLUMNS, y)
                store(tables, to + 5 * COLUMNS, add(y, a))
                store(tables, to + 6 * COLUMNS, add(y, b))
                store(tables, to + 7 * COLUMNS, add(y, ab))
                to += 8 * COLUMNS


@compiled
def _add_sums(patterns, group, tables, sums):
    """sums[i] <- sums[i] + the sums of row i's patterns of GROUPS groups; from 0 for the first of them."""
    for i in range(len(patterns)):
        x, y = zeros(), zeros()
        if group:
            x, y = load(sums, i * COLUMNS), load(sums, i * COLUMNS + WIDTH)
        for g in range(GROUPS):
            at = (g * PATTERNS + np.intp(patterns[i, group + g])) * COLUMNS
            x, y = add(x, load(tables, at)), add(y, load(tables, at + WIDTH))
        store(sums, i * COLUMNS, x)
        store(sums, i * COLUMNS + WIDTH, y)


@compiled
def _copy(sums, out, column):
    """Write the sums to COLUMNS columns of out."""
    n = out.shape[1] - column
    for i in range(len(out)):
        for half in range(0, COLUMNS, WIDTH):
            store_part(out, i * out.shape[1] + column + half, load(sums, i * COLUMNS + half), n - half)
