"""Each compiled function of a whole update against numpy in double precision, over random shapes.

What compiled functions alone can call is called here from a small one (`from_python`). Buffers are full of NaN at
first, so that it shows if something was not written.
"""

import functools

import numpy as np
import pytest
from helpers import random_like

from rtrbm.compute.engine import NUMPY, named
from rtrbm.gradient import Model
from rtrbm.models.rtrbm import Recurrent
from rtrbm.parameters import each
from rtrbm.rbm.units import BERNOULLI
from rtrbm.training import loop, optimizers
from rtrbm.training.penalties import Penalties
from rtrbm.training.state import HISTORY, Training

numba = pytest.importorskip("numba")
from rtrbm.compute.numba import dense, exponential, lookups, matrices, step, whole  # noqa: E402
from rtrbm.compute.numba.vectors import WIDTH, load, store, total, up_to  # noqa: E402

EPS = float(np.finfo(np.float32).eps)


def sizes(n, most, seed):
    """Random sizes, the small ones as likely as the large ones, and both ends."""
    drawn = np.exp(np.random.default_rng(seed).uniform(0, np.log(most + 0.999), n - 2)).astype(int)
    return [1, most, *drawn.tolist()]


def shapes(n, *most):
    """Random shapes."""
    return list(zip(*(np.random.default_rng(i).permutation(sizes(n, m, i)).tolist() for i, m in enumerate(most))))


@functools.cache
def from_python(function):
    """A compiled function that hands its arguments on to one that compiled functions alone can call."""
    return numba.njit(lambda *arguments: function(*arguments))


def normal(shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def on_or_off(shape, share=0.5, seed=1):
    return (np.random.default_rng(seed).random(shape) < share).astype(np.uint8)


def unwritten(n):
    return np.full(n, np.nan, np.float32)


def padded(a, n_columns, value):
    """Rows of an array, each with more numbers behind it."""
    out = np.full((len(a), n_columns), value, a.dtype)
    out[:, : a.shape[1]] = a
    return out


def assert_is_product(found, a, b, start=0):
    """Each sum of n terms is rounded n + 5 times at most, by half a unit in the last place of their sizes' sum."""
    a, b, start = (np.asarray(x, float) for x in (a, b, start))
    bound = 0.5 * (len(b) + 5) * EPS * (np.abs(a) @ np.abs(b) + np.abs(start))
    assert found.shape == (a.shape[0], b.shape[1])
    assert (np.abs(found - (start + a @ b)) <= bound).all()


# ------------------------------------------------------------------------------------ whole matrices


@pytest.mark.parametrize("n_rows, n_in, n_out", shapes(25, 200, 200, 200))
def test_scaled_products_of_matrices(n_rows, n_in, n_out):
    """The same bits on any number of threads; numpy's where they do not fit."""
    a, b, found = normal((n_rows, n_in)), normal((n_in, n_out), 1), []
    for n_jobs in (None, 2, 3):
        out = unwritten(n_rows * n_out + 9)
        matrices.multiply_scaled(a, b, 0.5, out[:-9].reshape(n_rows, n_out), n_jobs)
        assert np.isnan(out[-9:]).all()
        found.append(out[:-9].reshape(n_rows, n_out))
    assert_is_product(2 * found[0], a, b)
    np.testing.assert_array_equal(found[1:], found[:1] * 2)
    transposed = np.asfortranarray(unwritten(n_rows * n_out).reshape(n_rows, n_out))
    named("numba").scaled(a, b, 0.5, transposed)
    assert_is_product(2 * transposed, a, b)


def test_what_is_not_finite_shows_in_scaled_products():
    a, b, out = normal((9, 7)), normal((7, 5)), unwritten(45).reshape(9, 5)
    a[2, 3], b[1, 4] = np.nan, np.inf
    matrices.multiply_scaled(a, b, 2.0, out, None)
    finite = np.isfinite(out)
    assert not finite[2].any() and not finite[:, 4].any() and finite.sum() == 8 * 4


# ------------------------------------------------------------------------------------ packing, look-ups


def packed(W, n_units, transposed=False):
    """W in blocks of columns, by the compiled function; in the middle of an array."""
    n_rows, n_cols = W.shape
    before = unwritten(7)
    flat = np.concatenate([before, W.ravel(), before])
    n_blocks = -(-(n_rows if transposed else n_cols) // WIDTH)
    out = unwritten(n_blocks * n_units * WIDTH + 5)
    pack = lookups.pack_transposed if transposed else lookups.pack
    from_python(pack)(flat, 7, n_rows, n_cols, n_units, out)
    assert np.isnan(out[-5:]).all()
    return out[:-5]


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("n_rows, n_cols, more", shapes(25, 200, 200, 30))
def test_packing(n_rows, n_cols, more, transposed):
    """Bit for bit; zeros are behind."""
    W = normal((n_rows, n_cols))
    M = W.T if transposed else W
    n_units, n_blocks = len(M) + more - 1, -(-M.shape[1] // WIDTH)
    expected = np.zeros((n_units, n_blocks * WIDTH), np.float32)
    expected[: len(M), : M.shape[1]] = M
    blocks = packed(W, n_units, transposed).reshape(n_blocks, n_units, WIDTH)
    np.testing.assert_array_equal(blocks.transpose(1, 0, 2).reshape(n_units, -1), expected)


@numba.njit
def looked_up(on, fr, n_rows, stride, W, n_in, patterns, tables, sums, out):
    """out[block] <- blocks of columns of a product, as in `rtrbm.compute.numba.chain.half_step`."""
    n_groups, stride_p = lookups.n_groups_of(n_in), up_to(lookups.n_groups_of(n_in), 32)
    lookups.find_patterns(on, fr, n_rows, stride, n_groups, patterns, stride_p)
    for block in range(len(out)):
        lookups.look_up(patterns, n_rows, stride_p, W, block, n_groups, lookups.chunk_of(n_in), tables, sums)
        out[block] = sums[: n_rows * WIDTH]


def product_of(on, W, transposed=False):
    """states W (or states W^T) by look-ups, the states being bytes with ones behind every row."""
    n_rows, n_in = on.shape
    n_out = W.shape[0] if transposed else W.shape[1]
    n_groups = lookups.n_groups_of(n_in)
    blocks = packed(W, lookups.UNITS * n_groups, transposed)
    stride, fr = up_to(n_in, WIDTH), 3
    beyond = np.ones(lookups.UNITS * n_groups + 2 * lookups.AT_ONCE, np.uint8)
    states = np.concatenate([beyond[:fr], padded(on, stride, 1).ravel(), beyond])
    patterns = np.full(n_rows * up_to(n_groups, 32), 255, np.uint8)
    out = np.empty((-(-n_out // WIDTH), n_rows * WIDTH), np.float32)
    tables, sums = unwritten(lookups.TABLES), unwritten(n_rows * WIDTH)
    looked_up(states, fr, n_rows, stride, blocks, n_in, patterns, tables, sums, out)
    out = out.reshape(len(out), n_rows, WIDTH).transpose(1, 0, 2).reshape(n_rows, -1)
    assert (out[:, n_out:] == 0).all()
    return out[:, :n_out]


LOOKED_UP = [*shapes(40, 90, 200, 200), (11, 400, 33), (3, 900, 20)]


def test_shapes_hit_every_size_of_a_chunk():
    n_in = {n for _, a, b in LOOKED_UP for n in (a, b)}
    assert {lookups.chunk_of(n) for n in n_in} == set(lookups.CHUNKS)
    assert {lookups.n_groups_of(n) // lookups.chunk_of(n) for n in n_in} >= {1, 2, 3, 4}
    assert any(n % lookups.UNITS for n in n_in) and any(n_out % WIDTH for _, _, n_out in LOOKED_UP)


@pytest.mark.parametrize("n_rows, n_in, n_out", LOOKED_UP)
def test_look_up_is_a_product(n_rows, n_in, n_out):
    """On the way up, with W, and on the way down, with its transpose."""
    W = normal((n_in, n_out))
    for share in (0.1, 0.5, 1.0):
        up, down = on_or_off((n_rows, n_in), share), on_or_off((n_rows, n_out), share)
        assert_is_product(product_of(up, W), up, W)
        assert_is_product(product_of(down, W, transposed=True), down, W.T)
    assert (product_of(np.zeros((n_rows, n_in), np.uint8), W) == 0).all()


def test_a_unit_that_is_lost_shows():
    """Control: the last one, whose weights are small."""
    W, on = normal((200, 33)), on_or_off((5, 200))
    on[:, -1], W[-1] = 1, 1e-3
    other = on.copy()
    other[:, -1] = 0
    with pytest.raises(AssertionError):
        assert_is_product(product_of(other, W), on, W)


@numba.njit
def gram(on, stride, n_units, n_groups, patterns, stride_p, h, stride_h, tables, sums, out):
    """out[block] <- blocks of columns of a sum over rows, as in `rtrbm.compute.numba.tile`."""
    lookups.find_patterns_of_rows(on, stride, n_units, n_groups, patterns, stride_p)
    for block in range(len(out)):
        lookups.look_up_gram(patterns, n_units, stride_p, h, stride_h, block, n_groups, tables, sums)
        out[block] = sums[: n_units * WIDTH]


@pytest.mark.parametrize("n_rows, n_units, n_out", [*shapes(40, 200, 200, 100), (630, 40, 7), (401, 3, 70)])
def test_a_gram_of_states_is_looked_up(n_rows, n_units, n_out):
    on, h = on_or_off((n_rows, n_units)), normal((n_rows, n_out))
    n_groups = up_to(-(-n_rows // lookups.UNITS), lookups.CHUNKS[-1])
    all_rows, stride, stride_h = lookups.UNITS * n_groups, up_to(n_units, WIDTH), up_to(n_out, WIDTH)
    states = np.ones((all_rows, stride), np.uint8)  # rows of h beyond are 0, those of the states anything
    states[:n_rows, :n_units] = on
    states = np.concatenate([states.ravel(), np.ones(2 * lookups.AT_ONCE, np.uint8)])
    behind = np.zeros((all_rows, stride_h), np.float32)
    behind[:n_rows, :n_out] = h
    stride_p = up_to(n_units, 32)
    patterns = np.full(n_groups * stride_p + lookups.AT_ONCE, 255, np.uint8)
    out = np.empty((stride_h // WIDTH, n_units * WIDTH), np.float32)
    gram(states, stride, n_units, n_groups, patterns, stride_p, behind.ravel(), stride_h, unwritten(lookups.TABLES),
         unwritten(n_units * WIDTH), out)  # fmt: skip
    out = out.reshape(len(out), n_units, WIDTH).transpose(1, 0, 2).reshape(n_units, -1)
    assert_is_product(out[:, :n_out], on.T, h)
    assert (out[:, n_out:] == 0).all()


def test_what_is_not_a_number_is_looked_up():
    """By the rows whose unit is on, or whose group has it, and by no column but its own."""
    W, on = normal((200, 40)), on_or_off((30, 200))
    W[123, 35] = np.nan
    out = product_of(on, W)
    assert np.isnan(out[on[:, 123] == 1, 35]).all() and not np.isnan(np.delete(out, 35, axis=1)).any()
    assert not np.isnan(out[on[:, 123] == 0]).any() and 0 < on[:, 123].sum() < 30


# ------------------------------------------------------------------------------------ dense products

DENSE = shapes(40, 40, 200, 200)


def parts_of(n_blocks):
    """Two parts of the columns, one of them empty if there is one block."""
    return (0, n_blocks // 2), (n_blocks // 2, n_blocks)


@pytest.mark.parametrize("name", ["add_product", "add_few"])
@pytest.mark.parametrize("n_rows, n_in, n_out", [*DENSE, (1, 5, 5), (2, 5, 70), (3, 5, 33), (4, 9, 100), (6, 9, 9)])
def test_dense_products(name, n_rows, n_in, n_out):
    """Added to what is there, in rows of any stride from any number on; what is beside them stays."""
    if name == "add_few":
        n_rows = n_rows % 4 + 1
    a, W, start = normal((n_rows, n_in)), normal((n_in, n_out), 1), normal((n_rows, n_out), 2)
    stride_a, stride, first, to, beyond = n_in + 3, up_to(n_out, WIDTH) + WIDTH, 5, 2 * WIDTH, 2
    rows = np.concatenate([unwritten(first), padded(a, stride_a, np.nan).ravel()])
    out = np.concatenate([unwritten(to), padded(start, stride, np.nan).ravel()])
    n_units, n_blocks = n_in + beyond, -(-n_out // WIDTH)
    blocks = packed(W, n_units)
    out.reshape(-1)[to:].reshape(n_rows, stride)[:, n_out : n_blocks * WIDTH] = 0
    kernel, given = from_python(getattr(dense, name)), (rows, first, n_rows, stride_a, n_in, blocks, n_units)
    for i, part in enumerate(parts_of(n_blocks) if name == "add_few" else [(n_blocks,)]):
        backwards = [i == 1] if name == "add_few" else []
        kernel(*given, *part, *backwards, out, to, stride)
    found = out[to:].reshape(n_rows, stride)
    assert_is_product(found[:, :n_out], a, W, start)
    assert (found[:, n_out : n_blocks * WIDTH] == 0).all()
    assert np.isnan(out[:to]).all() and np.isnan(found[:, n_blocks * WIDTH :]).all()


@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("n_in", [1, 2, 9, 150])
@pytest.mark.parametrize("n_blocks", range(1, 10))
def test_one_row_and_any_number_of_blocks(n_blocks, n_in, backwards):
    """Sums are the same bits if threads share the blocks."""
    a, W, start = normal((1, n_in)), normal((n_in, n_blocks * WIDTH), 1), normal((1, n_blocks * WIDTH), 2)
    kernel, given = from_python(dense.add_few), (a.ravel(), 0, 1, n_in, n_in, packed(W, n_in), n_in)
    whole_row, alone = start.ravel().copy(), start.ravel().copy()
    kernel(*given, 0, n_blocks, backwards, whole_row, 0, 0)
    for block in range(n_blocks):
        kernel(*given, block, block + 1, backwards, alone, 0, 0)
    assert_is_product(whole_row[None], a, W, start)
    np.testing.assert_array_equal(whole_row, alone)


@pytest.mark.parametrize("begins", [False, True])
@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("n_rows, n_in, n_out", DENSE)
def test_a_gram_of_panels(n_rows, n_in, n_out, sign, begins):
    """Of some rows of those that are packed, added to a matrix in the middle of an array, or put there."""
    high, low = n_rows + 9, 4
    a, d, start = normal((high, n_in)), normal((n_rows, n_out), 1), normal((n_in, n_out), 2)
    stride_a, stride_d, first, fr, to = n_in + 2, up_to(n_out, WIDTH) + 3, 5, 6, 7
    panels, block = unwritten(high * up_to(n_in, dense.ROWS) + WIDTH), unwritten(n_rows * WIDTH)
    rows = np.concatenate([unwritten(first), padded(a, stride_a, np.nan).ravel(), unwritten(WIDTH)])
    from_python(dense.pack_panels)(rows, first, high, stride_a, n_in, panels)
    for j in range(n_in):
        column = panels[(j - j % dense.ROWS) * high + j % dense.ROWS :: dense.ROWS][:high]
        np.testing.assert_array_equal(column, a[:, j])
    assert np.isnan(panels[-dense.ROWS :]).all()
    d_rows = np.concatenate([unwritten(fr), padded(d, stride_d, np.nan).ravel()])
    out = np.concatenate([unwritten(to), start.ravel(), unwritten(WIDTH)])
    given = panels, high, low, n_in, d_rows, fr, stride_d, n_out
    for part in parts_of(-(-n_out // WIDTH)):
        from_python(dense.add_gram)(*given, *part, n_rows, np.float32(sign), begins, block, out, to)
    found = out[to : to + start.size].reshape(n_in, n_out)
    assert_is_product(found, sign * a[low : low + n_rows].T, d, 0 * start if begins else start)
    assert np.isnan(out[:to]).all() and np.isnan(out[to + start.size :]).all()


def listed(v):
    """The lists of the numbers of every row, or None if they are too many; and those of every column."""
    n_rows, n = v.shape
    room = int(dense.MOST * n_rows * n) + n
    starts, starts_t = np.full(n_rows + 1, -1), np.full(n + 1, -1)
    columns, rows = np.zeros((2, room), np.uint32)
    values, values_t = np.full((2, room), np.nan, np.float32)
    source = np.random.default_rng(0).permutation(n_rows)  # where the rows are
    scattered = np.empty_like(v)
    scattered[source] = v
    if not from_python(dense.list_numbers)(scattered.ravel(), source, n_rows, n, starts, columns, values):
        return None
    from_python(dense.list_by_columns)(n_rows, n, starts, columns, values, starts_t, rows, values_t)
    return (starts, columns, values), (starts_t, rows, values_t)


def sparse(shape, share):
    """Of both kinds of numbers, and of some that are lost beside 1."""
    v = normal(shape, 3)
    v[on_or_off(shape, 0.5, 4) == 1] = 1
    v[on_or_off(shape, share, 5) == 0] = 0
    v[on_or_off(shape, 0.1, 6) == 1] *= np.float32(2.0**-40)
    return v


@pytest.mark.parametrize("share", [0, 0.1, 0.3, 0.6, 1])
@pytest.mark.parametrize("n_rows, n, n_out", DENSE)
def test_lists_of_numbers_and_their_products(n_rows, n, n_out, share):
    v = sparse((n_rows, n), share)
    kept = np.where(np.abs(v) < dense.LOST, 0, v)
    found = listed(v)
    assert (found is not None) == (np.count_nonzero(kept) <= int(dense.MOST * v.size))
    if found is None:
        return
    for (starts, places, values), matrix in zip(found, (kept, kept.T)):
        rebuilt = np.zeros_like(matrix)
        for i in range(len(matrix)):
            these = slice(starts[i], starts[i + 1])
            assert (np.diff(places[these].astype(int)) > 0).all()
            rebuilt[i, places[these]] = values[these]
        np.testing.assert_array_equal(rebuilt, matrix)
    (starts, columns, values), (starts_t, rows, values_t) = found
    M, start, to = normal((n, n_out), 1), normal((n_rows + 2, n_out), 2), 5
    lists = np.random.default_rng(7).integers(0, n_rows, n_rows + 2)  # row i of the result is that of list lists[i]
    stride, low, high = n_out + 3, 1, n_rows + 2
    blocks, between = np.concatenate([packed(M, n + 2), unwritten(WIDTH)]), (n + 2) * WIDTH
    out = np.concatenate([unwritten(to), padded(start, stride, np.nan).ravel(), unwritten(WIDTH)])
    given = starts, columns, values, lists, low, high, blocks, WIDTH, between, n_out
    for part in parts_of(-(-n_out // WIDTH)):
        from_python(dense.add_listed)(*given, *part, False, out, to, stride)
    result = out[to:-WIDTH].reshape(n_rows + 2, stride)
    assert_is_product(result[low:, :n_out], kept[lists[low:]], M, start[low:])
    np.testing.assert_array_equal(result[0, :n_out], start[0])
    assert np.isnan(out[:to]).all() and np.isnan(result[:, n_out:]).all()
    # the sum over rows: columns listed, d in rows of whole blocks
    d, stride_d = normal((n_rows, n_out), 8), up_to(n_out, WIDTH)
    d_rows = np.concatenate([padded(d, stride_d, np.nan).ravel(), unwritten(WIDTH)])
    given = starts_t, rows, values_t, np.arange(n), 0, n, d_rows, stride_d, WIDTH, n_out
    for begins in (False, True):
        out = np.concatenate([M.ravel(), unwritten(WIDTH)])
        for part in parts_of(-(-n_out // WIDTH)):
            from_python(dense.add_listed)(*given, *part, begins, out, 0, n_out)
        assert_is_product(out[: M.size].reshape(M.shape), kept.T, d, 0 * M if begins else M)
        assert np.isnan(out[M.size :]).all()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 2.0**-30])
def test_a_number_that_is_not_lost_is_listed(value):
    v = np.zeros((5, 9), np.float32)
    v[3, 7] = value
    (starts, columns, values), _ = listed(v)
    assert starts[-1] == 1 and columns[0] == 7
    np.testing.assert_equal(values[0], np.float32(value))
    v[3, 7] = 2.0**-31
    assert listed(v)[0][0][-1] == 0  # control


# ------------------------------------------------------------------------------------ the logistic function


def by_vectors(function, x):
    """A function of vectors, of numbers."""

    @numba.njit
    def apply(x, out):
        for i in range(0, len(x), WIDTH):
            store(out, i, function(load(x, i)))

    rows = np.concatenate([x, np.zeros(-len(x) % WIDTH)]).astype(np.float32)
    out = unwritten(len(rows))
    apply(rows, out)
    return out[: len(x)]


INPUTS = np.concatenate(
    [np.linspace(-100, 100, 200_001), np.geomspace(1e-30, 1e30, 1001), -np.geomspace(1e-30, 1e30, 1001)]
)
INPUTS = INPUTS.astype(np.float32)


def test_sigmoid():
    """Relative to its value, also where that is small: exp(-x) has the rounding of x / log 2, that of |x| besides."""
    found, x = by_vectors(exponential.sigmoid, INPUTS), INPUTS.astype(float)
    with np.errstate(over="ignore"):
        odds = np.exp(-x)
    near, far = odds < 0.999 * exponential.NEVER, odds > 1.001 * exponential.NEVER
    assert (found[far] == 0).all() and far.any()

    def is_right(found):
        return (np.abs(found[near] * (1 + odds[near]) - 1) <= (3 + np.abs(x[near])) * EPS).all()

    assert is_right(found.astype(float)) and not is_right(found + 1e-6)
    assert ((found >= 0) & (found <= 1)).all() and found[INPUTS == 0] == 0.5
    assert (np.diff(found[:200_001]) >= -2 * EPS).all()


def test_exponential_and_powers_of_2():
    x = INPUTS[np.abs(INPUTS) < 87]
    found = by_vectors(exponential.exponential, x)
    assert (np.abs(found / np.exp(x.astype(float)) - 1) <= (3 + np.abs(x)) * EPS).all()
    t = np.linspace(-126, 126, 10_001).astype(np.float32)
    found = np.array([exponential.power_of_2(value) for value in t])
    np.testing.assert_allclose(found, 2 ** t.astype(float), rtol=3 * EPS)
    whole_numbers = np.arange(-126, 127).astype(np.float32)
    np.testing.assert_array_equal([exponential.power_of_2(n) for n in whole_numbers], 2.0**whole_numbers)


def test_ends_and_what_is_not_a_number():
    x = np.array([-np.inf, np.inf, np.nan, -0.0])
    np.testing.assert_array_equal(by_vectors(exponential.sigmoid, x), np.float32([0, 1, np.nan, 0.5]))
    assert np.isnan(by_vectors(exponential.exponential, x)[2])


def test_sums_of_vectors_keep_what_is_not_a_number():
    @numba.njit
    def summed(x):
        return total(load(x, 0))

    x = np.ones(WIDTH, np.float32)
    assert summed(x) == WIDTH
    for place in range(WIDTH):
        x[:], x[place] = 1, np.nan
        assert np.isnan(summed(x))


# ------------------------------------------------------------------------------------ the step of the optimiser

FORMS = [Recurrent(), Recurrent(1), Recurrent(2, dynamic_visible_bias=True), Recurrent(0, True)]
CLIMBS = [(i, *shape) for i, shape in enumerate([*shapes(22, 200, 200, 5), (300, 290, 2)])]


def climbed(i, n_visible, n_hidden, n_tiles):
    """A step along random sums by both, results by name: numba's, and numpy's in double precision."""
    rng, past = np.random.default_rng(i), FORMS[i % len(FORMS)]
    kernel = whole.prepared(past.form, 1, True, n_visible, n_hidden)
    n_frames, rate = 50, 0.01
    params = random_like(past.shapes(n_visible, n_hidden), 0.3, i)
    params = each(lambda p: p.astype(np.float32), params)
    sums = unwritten((n_tiles, kernel.at.rest + WIDTH))
    sums[:, : kernel.at.rest + 2] = rng.standard_normal((n_tiles, kernel.at.rest + 2)) * n_frames / n_tiles
    if past.n_taps == 2:  # no sequence is as long as the tap
        sums[:, kernel.at.A + n_visible**2 : kernel.at.A + 2 * n_visible**2] = 0
    sums[:, kernel.at.rest + 1] = n_frames / n_tiles
    optimizer = [optimizers.adam(epsilon=rate), optimizers.momentum()][i % 2]
    centering, max_norm = [True, False, "visible"][i % 3], [None, 1.0, 1e6][i % 3]
    penalties = [Penalties(), Penalties(0.02, 0.003, 0.2, 0.3)][i // 2 % 2]
    start = optimizer.init(params)
    state = type(start)(*(part if not isinstance(part, tuple) else each(lambda p: p + 0.25, part) for part in start))
    rule = loop.Rule(
        Model(past, BERNOULLI), None, optimizer, rate, centering, max_norm, NUMPY, None, penalties
    )  # fmt: skip
    rates = bool(centering), centering is True, *penalties, *optimizer.factors(state, rate)
    flats = [kernel.flat(part) for part in (params, *state) if isinstance(part, tuple)]
    in_double = sums[:, : kernel.at.rest + 2].sum(axis=0, dtype=float)
    norm, error, frames, found = kernel.climb(sums, flats, type(params), rates, max_norm, None)

    def double(part):
        return each(lambda a: a.astype(float), part) if isinstance(part, tuple) else part

    derivatives = {name: in_double[low:high].reshape(shape).copy() for name, low, high, shape in kernel.places}
    derivatives = params._replace(**derivatives)
    at = kernel.at
    means = {"v": in_double[at.v : at.h], "h": in_double[at.h : at.active], "active": in_double[at.active : at.rest]}
    means = {name: mean / n_frames for name, mean in means.items()}
    training = Training(double(params), type(state)(*map(double, state)), None, 0, 0, {name: [] for name in HISTORY})
    expected_norm, *expected = loop._climb(rule, training, training.params, derivatives, means, n_frames, rate)
    expected = [expected[0], *(part for part in expected[1] if isinstance(part, tuple))]
    assert abs(norm - expected_norm) <= 1e-5 * expected_norm
    assert frames == pytest.approx(n_frames) and error == pytest.approx(in_double[at.rest], rel=1e-5)
    return [*map(by_name, found)], [*map(by_name, expected)]


def by_name(params):
    """The arrays that there are."""
    return {name: array for name, array in params._asdict().items() if array is not None}


@pytest.mark.parametrize("i, n_visible, n_hidden, n_tiles", CLIMBS)
def test_a_step_is_that_of_numpy_in_double_precision(i, n_visible, n_hidden, n_tiles):
    """Derivatives of order 1, means of order 1, so that up to 200 numbers of order 0.01 are taken off a bias."""
    found, expected = climbed(i, n_visible, n_hidden, n_tiles)
    for a, b in zip(found, expected, strict=True):
        for name in a:
            np.testing.assert_allclose(a[name], b[name], rtol=50 * EPS, atol=50 * EPS, err_msg=name)


def test_a_large_step_has_several_slices():
    """Control: it is what the last of the cases above is for."""
    small, large = (len(whole.prepared(FORMS[0].form, 1, True, n, n).slices) for n in (50, 300))
    assert (small, large) == (2, 24)


@numba.njit
def squares(sums, added, low, high):
    return step.squares(sums, added, low, high)


@pytest.mark.parametrize("n_tiles, n", shapes(12, 6, 500))
def test_sums_over_tiles(n_tiles, n):
    sums = np.concatenate([normal((n_tiles, n)), unwritten((n_tiles, WIDTH))], axis=1)
    low = n // 3
    in_double = sums[:, :n].astype(float).sum(axis=0)
    for added in (low // 2, low + 1, n):
        in_first = np.concatenate([sums[0, :added], in_double[added:]])
        expected = (in_first[low:] ** 2).sum()
        assert squares(sums, added, low, n) == pytest.approx(expected, rel=(n + n_tiles) * EPS)
    assert squares(sums, 0, low, n) == pytest.approx((in_double[low:] ** 2).sum(), rel=(n + n_tiles) * EPS)
    first = sums[0].copy()
    step.add_up(sums, low, n)
    np.testing.assert_allclose(sums[0, low:n], in_double[low:], rtol=0, atol=n_tiles**2 * EPS * 4)
    np.testing.assert_array_equal(sums[0, :low], first[:low])
    assert np.isnan(sums[0, n:]).all()
