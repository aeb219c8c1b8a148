"""Products with numbers that are neither 0 nor 1: with most of them 0, and with few.

Six rows (or columns) of one factor meet a block of WIDTH columns of the other in registers.
"""

import numpy as np

from .compiled import inner
from .vectors import (
    WIDTH,
    add,
    clear,
    copy_few,
    fill,
    fill_at,
    load,
    load_part,
    lowest,
    multiply,
    multiply_add,
    number_at,
    store,
    store_part,
    total,
    where_beyond,
    wide,
    zeros,
)

ROWS = 6
LOST = np.float32(2.0**-30)  # numbers below it are lost beside 1 in single precision
HAS_REGISTERS = WIDTH == 32  # for the sums of four rows and two blocks of columns
MOST = 0.4  # the share of numbers that are not lost from which on all are multiplied

_1 = np.float32(1)


@inner
def put(out, at, x, sign, begins, n):
    """out[at : at + n] += sign x, or as much of it as a vector holds; out is first set to 0 if this begins its sum."""
    x = multiply(fill(sign), x)
    if n < WIDTH:
        store_part(out, at, x if begins else add(x, load_part(out, at, n)), n)
    else:
        store(out, at, x if begins else add(x, load(out, at)))


@inner
def add_product(a, first, n_rows, stride_a, n_in, W, n_units, n_blocks, out, to, stride):
    """Rows of out, from number `to` on, += rows of a times the packed W (`rtrbm.compute.numba.lookups.pack`).

    Row i of a begins at number first + i stride_a, that of out at to + i stride; out has whole blocks of columns.
    """
    wide()
    for i in range(0, n_rows, ROWS):
        n = min(ROWS, n_rows - i) - 1
        s_1, s_2, s_3, s_4, s_5 = min(1, n), min(2, n), min(3, n), min(4, n), min(5, n)
        a_0, o_0 = first + i * stride_a, to + i * stride
        a_1, a_2, a_3 = a_0 + s_1 * stride_a, a_0 + s_2 * stride_a, a_0 + s_3 * stride_a
        a_4, a_5 = a_0 + s_4 * stride_a, a_0 + s_5 * stride_a
        for block in range(n_blocks):
            c = o_0 + block * WIDTH
            x_0, x_1, x_2 = load(out, c), load(out, c + s_1 * stride), load(out, c + s_2 * stride)
            x_3, x_4, x_5 = load(out, c + s_3 * stride), load(out, c + s_4 * stride), load(out, c + s_5 * stride)
            at = block * n_units * WIDTH
            for k in range(n_in):
                w = load(W, at)
                x_0 = multiply_add(fill_at(a, a_0 + k), w, x_0)
                x_1 = multiply_add(fill_at(a, a_1 + k), w, x_1)
                x_2 = multiply_add(fill_at(a, a_2 + k), w, x_2)
                x_3 = multiply_add(fill_at(a, a_3 + k), w, x_3)
                x_4 = multiply_add(fill_at(a, a_4 + k), w, x_4)
                x_5 = multiply_add(fill_at(a, a_5 + k), w, x_5)
                at += WIDTH
            store(out, c + s_5 * stride, x_5)
            store(out, c + s_4 * stride, x_4)
            store(out, c + s_3 * stride, x_3)
            store(out, c + s_2 * stride, x_2)
            store(out, c + s_1 * stride, x_1)
            store(out, c, x_0)


@inner
def add_few(a, first, n_rows, stride_a, n_in, W, n_units, low, high, backwards, out, to, stride):
    """`add_product` for one to four rows, in columns of blocks low to high - 1.

    A single row may read its blocks backwards, to begin with what the row before has left in the cache.
    """
    if n_rows == 1:
        _add_one(a, first, n_in, W, n_units, low, high, backwards, out, to)
    elif n_rows == 2:
        _add_two(a, first, first + stride_a, n_in, W, n_units, low, high, out, to, to + stride)
    else:
        _add_four(a, first, n_rows, stride_a, n_in, W, n_units, low, high, out, to, stride)


@inner
def add_row_back(a, first, n_in, W, at, low, high, out, to):
    """Numbers low to high - 1 of a row of out += a row of a times the transpose of W, which lies at number `at` on.

    W has rows of n_in numbers. Each is read once, from its begin to its end, so W need not be packed.
    """
    wide()
    whole = n_in // (4 * WIDTH) * (4 * WIDTH)
    for i in range(low, high):
        w = at + i * n_in
        x_0, x_1, x_2, x_3 = zeros(), zeros(), zeros(), zeros()
        for j in range(0, whole, 4 * WIDTH):
            u, v = first + j, w + j
            x_0 = multiply_add(load(a, u), load(W, v), x_0)
            x_1 = multiply_add(load(a, u + WIDTH), load(W, v + WIDTH), x_1)
            x_2 = multiply_add(load(a, u + 2 * WIDTH), load(W, v + 2 * WIDTH), x_2)
            x_3 = multiply_add(load(a, u + 3 * WIDTH), load(W, v + 3 * WIDTH), x_3)
        for j in range(whole, n_in, WIDTH):
            x_0 = multiply_add(load_part(a, first + j, n_in - j), load_part(W, w + j, n_in - j), x_0)
        out[to + i] += total(add(add(x_0, x_1), add(x_2, x_3)))


@inner
def _add_one(a, first, n_in, W, n_units, low, high, backwards, out, to):
    """One row meets three blocks of columns at a time, the first ones two at a time where three do not divide them."""
    n_blocks = high - low
    n_pairs = 1 if n_blocks == 1 else -n_blocks % 3
    n_turns = n_pairs + (n_blocks - 2 * n_pairs + 2) // 3
    for turn in range(n_turns):
        i = n_turns - 1 - turn if backwards else turn
        if i < n_pairs:
            _add_two_blocks(a, first, n_in, W, n_units, low + 2 * i, min(1, n_blocks - 1), backwards, out, to)
        else:
            _add_three_blocks(a, first, n_in, W, n_units, low + 3 * i - n_pairs, backwards, out, to)


@inner
def _way_through(at, first, n_in, backwards):
    """Where a block that begins at number `at`, and a row of n_in numbers, are read first, and the steps from there."""
    if backwards:
        return at + (n_in - 1) * WIDTH, first + n_in - 1, -WIDTH, -1
    return at, first, WIDTH, 1


@inner
def _add_two_blocks(a, first, n_in, W, n_units, block, beside, backwards, out, to):
    """One row meets two blocks of columns. Sums are taken in two halves, so that none waits for the one just before.

    beside : 1, or 0 if there is one block alone, which is computed twice then.
    """
    wide()
    size, c = n_units * WIDTH, to + block * WIDTH
    at, k, step, one = _way_through(block * size, first, n_in, backwards)
    d, between = c + beside * WIDTH, beside * size
    x, y, x_1, y_1 = load(out, c), load(out, d), zeros(), zeros()
    for _ in range(n_in // 2):
        u, v, next_ = fill_at(a, k), fill_at(a, k + one), at + step
        x, y = multiply_add(u, load(W, at), x), multiply_add(u, load(W, at + between), y)
        x_1, y_1 = multiply_add(v, load(W, next_), x_1), multiply_add(v, load(W, next_ + between), y_1)
        at += 2 * step
        k += 2 * one
    if n_in % 2:
        u = fill_at(a, k)
        x, y = multiply_add(u, load(W, at), x), multiply_add(u, load(W, at + between), y)
    store(out, d, add(y, y_1))
    store(out, c, add(x, x_1))


@inner
def _add_three_blocks(a, first, n_in, W, n_units, block, backwards, out, to):
    """The same with three blocks."""
    wide()
    size, c = n_units * WIDTH, to + block * WIDTH
    at, k, step, one = _way_through(block * size, first, n_in, backwards)
    d, e = c + WIDTH, c + 2 * WIDTH
    x, y, z, x_1, y_1, z_1 = load(out, c), load(out, d), load(out, e), zeros(), zeros(), zeros()
    for _ in range(n_in // 2):
        u, v, next_ = fill_at(a, k), fill_at(a, k + one), at + step
        x, y = multiply_add(u, load(W, at), x), multiply_add(u, load(W, at + size), y)
        z = multiply_add(u, load(W, at + 2 * size), z)
        x_1, y_1 = multiply_add(v, load(W, next_), x_1), multiply_add(v, load(W, next_ + size), y_1)
        z_1 = multiply_add(v, load(W, next_ + 2 * size), z_1)
        at += 2 * step
        k += 2 * one
    if n_in % 2:
        u = fill_at(a, k)
        x, y = multiply_add(u, load(W, at), x), multiply_add(u, load(W, at + size), y)
        z = multiply_add(u, load(W, at + 2 * size), z)
    store(out, e, add(z, z_1))
    store(out, d, add(y, y_1))
    store(out, c, add(x, x_1))


@inner
def _add_two(a, first, second, n_in, W, n_units, low, high, out, to, to_1):
    """Two rows meet two blocks of columns."""
    wide()
    for block in range(low, high, 2):
        c, beside = block * WIDTH, min(1, high - block - 1)
        d = c + beside * WIDTH
        x_0, x_1, y_0, y_1 = load(out, to + c), load(out, to_1 + c), load(out, to + d), load(out, to_1 + d)
        at, at_y = block * n_units * WIDTH, (block + beside) * n_units * WIDTH
        for k in range(n_in):
            w, z = load(W, at), load(W, at_y)
            u, v = fill_at(a, first + k), fill_at(a, second + k)
            x_0, x_1 = multiply_add(u, w, x_0), multiply_add(v, w, x_1)
            y_0, y_1 = multiply_add(u, z, y_0), multiply_add(v, z, y_1)
            at += WIDTH
            at_y += WIDTH
        store(out, to_1 + d, y_1)
        store(out, to + d, y_0)
        store(out, to_1 + c, x_1)
        store(out, to + c, x_0)


@inner
def _add_four(a, first, n_rows, stride_a, n_in, W, n_units, low, high, out, to, stride):
    """Three or four rows meet two blocks of columns, or one where there are no registers for more sums."""
    wide()
    n, size = n_rows - 1, n_units * WIDTH
    s_1, s_2, s_3 = min(1, n), min(2, n), min(3, n)
    a_1, a_2, a_3 = first + s_1 * stride_a, first + s_2 * stride_a, first + s_3 * stride_a
    t_1, t_2, t_3 = to + s_1 * stride, to + s_2 * stride, to + s_3 * stride
    block = low
    while HAS_REGISTERS and block + 1 < high:
        c, d, at = block * WIDTH, (block + 1) * WIDTH, block * size
        x_0, x_1, x_2, x_3 = load(out, to + c), load(out, t_1 + c), load(out, t_2 + c), load(out, t_3 + c)
        y_0, y_1, y_2, y_3 = load(out, to + d), load(out, t_1 + d), load(out, t_2 + d), load(out, t_3 + d)
        for k in range(n_in):
            w, z, u_0, u_1 = load(W, at), load(W, at + size), fill_at(a, first + k), fill_at(a, a_1 + k)
            x_0, y_0 = multiply_add(u_0, w, x_0), multiply_add(u_0, z, y_0)
            x_1, y_1 = multiply_add(u_1, w, x_1), multiply_add(u_1, z, y_1)
            u_2, u_3 = fill_at(a, a_2 + k), fill_at(a, a_3 + k)
            x_2, y_2 = multiply_add(u_2, w, x_2), multiply_add(u_2, z, y_2)
            x_3, y_3 = multiply_add(u_3, w, x_3), multiply_add(u_3, z, y_3)
            at += WIDTH
        _store_four(out, t_3 + d, y_3, t_2 + d, y_2, t_1 + d, y_1, to + d, y_0)
        _store_four(out, t_3 + c, x_3, t_2 + c, x_2, t_1 + c, x_1, to + c, x_0)
        block += 2
    while block < high:
        c, at = block * WIDTH, block * size
        x_0, x_1, x_2, x_3 = load(out, to + c), load(out, t_1 + c), load(out, t_2 + c), load(out, t_3 + c)
        for k in range(n_in):
            w = load(W, at)
            x_0 = multiply_add(fill_at(a, first + k), w, x_0)
            x_1 = multiply_add(fill_at(a, a_1 + k), w, x_1)
            x_2 = multiply_add(fill_at(a, a_2 + k), w, x_2)
            x_3 = multiply_add(fill_at(a, a_3 + k), w, x_3)
            at += WIDTH
        _store_four(out, t_3 + c, x_3, t_2 + c, x_2, t_1 + c, x_1, to + c, x_0)
        block += 1


@inner
def _store_four(out, at_3, x_3, at_2, x_2, at_1, x_1, at_0, x_0):
    """Vectors go to their rows, the first one last: a row that stands for one that is not there has its place."""
    store(out, at_3, x_3)
    store(out, at_2, x_2)
    store(out, at_1, x_1)
    store(out, at_0, x_0)


@inner
def pack_panels(a, first, n_rows, stride, n_in, panels):
    """panels[j, i, :] <- columns 6 j to 6 j + 5 of row i, which begins at number first + i stride of a.

    What follows the last column is any number.
    """
    wide()
    for j in range(0, n_in, ROWS):
        to = j * n_rows
        for i in range(n_rows):
            copy_few(panels, to, a, first + i * stride + j)  # two more: the next row, or nobody, takes their place
            to += ROWS


@inner
def add_gram(panels, n_packed, first, n_in, d, from_, stride_d, n_out, low, high, n_rows, sign, begins, block_of_d, out,
             to):  # fmt: skip
    """A matrix (n_in, n_out), from number `to` of out on, += sign times the sum over rows of a_i^T d_i (`put`).

    In columns of blocks low to high - 1. a : packed in panels of n_packed rows, of which n_rows from number `first` on
    are taken; row i of d begins at number from_ + i stride_d, and has whole blocks of columns. block_of_d : a buffer
    for n_rows vectors.
    """
    wide()
    for block in range(low, high):
        left = n_out - block * WIDTH
        for i in range(n_rows):
            store(block_of_d, i * WIDTH, load(d, from_ + i * stride_d + block * WIDTH))
        for j in range(0, n_in, ROWS):
            x_0, x_1, x_2, x_3, x_4, x_5 = zeros(), zeros(), zeros(), zeros(), zeros(), zeros()
            at = j * n_packed + first * ROWS
            for i in range(n_rows):
                w = load(block_of_d, i * WIDTH)
                x_0 = multiply_add(fill_at(panels, at), w, x_0)
                x_1 = multiply_add(fill_at(panels, at + 1), w, x_1)
                x_2 = multiply_add(fill_at(panels, at + 2), w, x_2)
                x_3 = multiply_add(fill_at(panels, at + 3), w, x_3)
                x_4 = multiply_add(fill_at(panels, at + 4), w, x_4)
                x_5 = multiply_add(fill_at(panels, at + 5), w, x_5)
                at += ROWS
            for k in range(min(ROWS, n_in - j)):
                x = x_0 if k == 0 else x_1 if k == 1 else x_2 if k == 2 else x_3 if k == 3 else x_4 if k == 4 else x_5
                put(out, to + (j + k) * n_out + block * WIDTH, x, sign, begins, left)


@inner
def list_numbers(v, source, n_rows, n, starts, columns, values):
    """The numbers of rows that are not lost: their columns and values, those of row source[i] from starts[i] on.

    Returns False if they are more than MOST; columns and values have room for so many and n more.
    """
    wide()
    end, most = 0, int(MOST * n_rows * n)
    for i in range(n_rows):
        starts[i] = end
        if end > most:
            return False
        at = source[i] * n
        for j in range(0, n, WIDTH):
            x = load_part(v, at + j, n - j)
            places = where_beyond(x, LOST)  # NaN is kept
            while places:
                place = lowest(places)
                columns[end], values[end] = j + place, v[at + j + place]
                end += 1
                places &= places - 1
    starts[n_rows] = end
    return end <= most


@inner
def list_by_columns(n_rows, n, starts, columns, values, starts_t, rows_t, values_t):
    """The same numbers column by column: starts_t, rows_t, values_t."""
    clear(starts_t, 0, n + 1)
    for i in range(starts[n_rows]):
        starts_t[columns[i] + 1] += 1
    for j in range(n):
        starts_t[j + 1] += starts_t[j]
    for i in range(n_rows):
        for at in range(starts[i], starts[i + 1]):
            to = starts_t[columns[at]]
            rows_t[to], values_t[to] = i, values[at]
            starts_t[columns[at]] = to + 1
    for j in range(n, 0, -1):
        starts_t[j] = starts_t[j - 1]
    starts_t[0] = 0


@inner
def add_listed(starts, listed, values, lists, low, high, M, step, between, n_out, first, last, begins, out, to,
               stride):  # fmt: skip
    """Rows of out += sums of listed rows of M, each times its value (`put`), in columns of blocks first to last - 1.

    Row i, for i from low to high - 1, takes list lists[i] and begins at number to + i stride of out. Row j of M begins
    at number j step, in a block of columns that is `between` numbers after the one before.
    """
    wide()
    for block in range(first, last, 2):
        base, left = block * between, min(n_out, last * WIDTH) - block * WIDTH
        beside = base + between if left > WIDTH else base
        for i in range(low, high):
            at, end = starts[lists[i]], starts[lists[i] + 1]
            x, y, x_2, y_2 = zeros(), zeros(), zeros(), zeros()
            while at + 1 < end:
                value, row = fill_at(values, at), number_at(listed, at) * step
                x, y = multiply_add(value, load(M, base + row), x), multiply_add(value, load(M, beside + row), y)
                value, row = fill_at(values, at + 1), number_at(listed, at + 1) * step
                x_2, y_2 = (
                    multiply_add(value, load(M, base + row), x_2),
                    multiply_add(value, load(M, beside + row), y_2),
                )
                at += 2
            if at < end:
                value, row = fill_at(values, at), number_at(listed, at) * step
                x, y = multiply_add(value, load(M, base + row), x), multiply_add(value, load(M, beside + row), y)
            here = to + i * stride + block * WIDTH
            put(out, here, add(x, x_2), _1, begins, left)
            if left > WIDTH:
                put(out, here + WIDTH, add(y, y_2), _1, begins, left - WIDTH)
