"""What numba compiles, against numpy: products with binary states, the recurrence, the gradient of an update.

Sampling is tested in test_gibbs.py, Adam in test_optim.py.
"""

import numpy as np
import pytest
from helpers import every_engine, needs_numba, random_taps

from rtrbm.compute import threads
from rtrbm.compute.engine import named
from rtrbm.gradient import Model, gradient
from rtrbm.minibatches.sequences import pack
from rtrbm.models.rtrbm import Recurrent
from rtrbm.models.trbm import Filter
from rtrbm.parameters import arrays, each
from rtrbm.past import recurrence
from rtrbm.rbm import exact
from rtrbm.rbm.units import BERNOULLI

pytestmark = needs_numba
EPS = np.finfo(np.float32).eps

# Fewer units than a group or a vector has, one more than a whole number of blocks, several blocks, one row too few.
SHAPES = [(32, 1, 1), (33, 4, 31), (40, 41, 33), (50, 88, 150), (400, 225, 64), (31, 50, 50), (1, 7, 3)]


def products():
    from rtrbm.compute.numba import products

    return products


def random_states(shape, share=0.5, seed=0):
    return (np.random.default_rng(seed).random(shape) < share).astype(np.float32)


def random_weights(shape):
    return np.random.default_rng(1).standard_normal(shape).astype(np.float32)


def assert_is_product(out, states, W):
    """Each sum of n_in terms is rounded n_in times, by half a unit in the last place of the sum of their sizes."""
    states, W = states.astype(float), W.astype(float)
    bound = 0.5 * W.shape[0] * EPS * (np.abs(states) @ np.abs(W))
    assert (np.abs(out - states @ W) <= bound).all()


def test_matrices_that_do_not_fit_are_refused():
    for shape_w, shape_out in ((5, 2), (40, 2)), ((4, 2), (40, 3)), ((4, 2), (41, 2)):
        with pytest.raises(ValueError, match="mismatch"):
            products().multiply(random_states((40, 4)), random_weights(shape_w), np.zeros(shape_out, np.float32))


@pytest.fixture
def looked_up(monkeypatch):
    """Whether products are looked up, call by call."""
    calls = []
    for name in ("_multiply", "_multiply_transposed"):
        plain = getattr(products(), name)
        monkeypatch.setattr(products(), name, lambda *a, f=plain: calls.append(f(*a)) or calls[-1])
    return calls


@pytest.mark.parametrize("share", [0, 0.1, 0.5, 1])
@pytest.mark.parametrize("shape", SHAPES)
def test_products_with_binary_states(shape, share, looked_up):
    n_rows, n_in, n_out = shape
    states, W = random_states((n_rows, n_in), share), random_weights((n_in, n_out))
    out = np.full((n_rows, n_out), np.nan, np.float32)
    products().multiply(states, W, out=out)
    assert_is_product(out, states, W)
    assert looked_up == [True] * (n_rows >= products().FEWEST)


@pytest.mark.parametrize("shape", SHAPES)
def test_transposed_states_and_parts_of_arrays(shape, looked_up):
    """As `rtrbm.compute.engine` cuts them: some columns of an array, transposed, into some rows of another."""
    n_rows, n_in, n_out = shape
    a, W = random_states((n_in, n_rows + 9)), random_weights((n_in, n_out))
    out = np.full((n_rows + 9, n_out), np.nan, np.float32)
    products().multiply(a[:, 4:-5].T, W, out=out[4:-5])
    assert_is_product(out[4:-5], a[:, 4:-5].T, W)
    assert np.isnan(out[:4]).all() and np.isnan(out[-5:]).all()
    if n_in > 1 and n_rows >= products().FEWEST:
        assert looked_up == [True]


@every_engine
def test_products_and_grams_by_slices(engine, monkeypatch):
    monkeypatch.setattr(threads, "THREADED", 0)
    v, h = random_states((700, 300)), random_weights((700, 90))
    W, on_threads = random_weights((300, 90)), [named(engine, n_jobs) for n_jobs in (None, 2, 3)]
    products = [engine.product(v, W) for engine in on_threads]
    grams = [engine.gram(v, h) for engine in on_threads]
    assert_is_product(products[0], v, W)
    assert_is_product(grams[0], v.T, h)
    for found in (products, grams):
        np.testing.assert_array_equal(found[1:], [found[0]] * 2)


@pytest.mark.parametrize("value", [0.5, -1, 2, np.nan, np.inf, 1 + EPS, 1e-30])
@pytest.mark.parametrize("place", [(0, 0), (20, 33), (-1, -1)])
def test_one_state_that_is_not_binary_makes_it_a_matrix_product(place, value, looked_up):
    states, W = random_states((64, 70)), random_weights((70, 40))
    states[place] = value
    expected = states @ W
    for a in (states, np.asfortranarray(states)):
        out = np.zeros((64, 40), np.float32)
        products().multiply(a, W, out=out)
        np.testing.assert_array_equal(out, np.matmul(a, W) if a is not states else expected)
    assert looked_up == [False, False]


def test_other_precisions_and_layouts_are_left_to_numpy(looked_up):
    states, W = random_states((64, 70)), random_weights((70, 40))
    for a, b, out in (
        (states.astype(float), W.astype(float), np.zeros((64, 40))),
        (states, np.asfortranarray(W), np.zeros((64, 40), np.float32)),
        (states, W, np.zeros((40, 64), np.float32).T),
        (states, W.astype(float), np.zeros((64, 40), np.float32)),
        (states.astype(float), W, np.zeros((64, 40), np.float32)),
    ):
        products().multiply(a, b, out=out)
        np.testing.assert_allclose(out, states.astype(float) @ W, rtol=0, atol=70 * EPS * np.abs(W).sum(0).max())
    assert not looked_up


def test_a_row_does_not_depend_on_the_rows_beside_it():
    """Ranks and threads cut the rows differently."""
    states, W = random_states((100, 77)), random_weights((77, 45))
    together, alone = np.empty((100, 45), np.float32), np.empty((40, 45), np.float32)
    products().multiply(states, W, out=together)
    products().multiply(states[30:70], W, out=alone)
    np.testing.assert_array_equal(together[30:70], alone)


LENGTHS = [(5, 2, 6, 1, 5), (9, 9, 9, 9), (1, 1), (12,), (3, 8, 8, 2, 7, 7, 1, 4, 10)]


def random_recurrence(lengths, n_hidden, m):
    """x, where, U, b, b_init of scale 1, in single precision."""
    rng = np.random.default_rng(0)
    x, where = pack([rng.standard_normal((n, n_hidden)).astype(np.float32) for n in lengths])
    U = (rng.standard_normal((m, n_hidden, n_hidden)) / np.sqrt(n_hidden)).astype(np.float32)
    b, b_init = rng.standard_normal((2, n_hidden)).astype(np.float32)
    return x, where, U, b, b_init


def in_double(*arrays):
    return [None if a is None else a.astype(float) for a in arrays]


# Sums of at most 2 x 37 terms of order 0.2, and what up to 12 frames carry of their rounding on.
ROUNDING = 2e-5


any_activation = pytest.mark.parametrize("activation", ["sigmoid", "tanh"])


def forward(x, where, U, b, b_init, activation="sigmoid", n_jobs=None):
    """`rtrbm.past.recurrence.forward` by numba."""
    return recurrence.forward(x, where, U, b, b_init, named("numba", n_jobs), activation)


def backward(s, where, U, d_bias=None, d_s=None, activation="sigmoid", n_jobs=None):
    """`rtrbm.past.recurrence.backward` by numba."""
    return recurrence.backward(s, where, U, d_bias, d_s, named("numba", n_jobs), activation)


@any_activation
@pytest.mark.parametrize("m", [0, 1, 2])
@pytest.mark.parametrize("n_hidden", [1, 16, 37])
@pytest.mark.parametrize("lengths", LENGTHS)
def test_the_recurrence_is_that_of_numpy(lengths, n_hidden, m, activation):
    x, where, U, b, b_init = random_recurrence(lengths, n_hidden, m)
    for b, b_init in ((b, b_init), (x * 0.5, np.stack([b_init, -b_init])), (b, b_init[None])):
        r, bias = forward(x, where, U, b, b_init, activation)
        expected = recurrence.forward(*in_double(x), where, *in_double(U, b, b_init), activation=activation)
        np.testing.assert_allclose(r, expected[0], rtol=0, atol=ROUNDING)
        np.testing.assert_allclose(bias, expected[1], rtol=0, atol=ROUNDING)
        assert r.dtype == bias.dtype == np.float32
    c, e = np.random.default_rng(1).standard_normal((2, *x.shape)).astype(np.float32)
    for d_bias, d_r in ((c, None), (None, e), (c, e), (None, None)):
        found = backward(r, where, U, d_bias, d_r, activation)
        expected = recurrence.backward(*in_double(r), where, *in_double(U, d_bias, d_r), activation=activation)
        for a, b in zip(found, expected):
            np.testing.assert_allclose(a, b, rtol=0, atol=ROUNDING)


def assert_rounded_alike(found, single, double):
    """Numbers are as near to those of double precision as numpy's are in single precision, but for a factor."""
    for a, b, right in zip(found, single, double, strict=True):
        assert np.abs(a - right).max() <= 8 * np.abs(b - right).max() + 1e-6 * max(1, np.abs(right).max())


@any_activation
@pytest.mark.parametrize("case", range(16))
def test_the_recurrence_of_any_size_is_that_of_numpy(case, activation):
    """1 to 9 sequences of 1 to 70 frames, 1 to 200 units."""
    rng = np.random.default_rng(case)
    lengths, n_hidden, m = rng.integers(1, 71, rng.integers(1, 10)), int(rng.integers(1, 201)), int(rng.integers(0, 3))
    x, where, U, b, b_init = random_recurrence(lengths, n_hidden, m)
    d_bias, d_r = rng.standard_normal((2, *x.shape)).astype(np.float32)
    kinds = (x, U, b, b_init, d_bias, d_r), in_double(x, U, b, b_init, d_bias, d_r)
    plain = [recurrence.forward(x, where, *more[:3], activation=activation) for x, *more in kinds]
    found = forward(x, where, U, b, b_init, activation)
    assert_rounded_alike(found, *plain)
    r = found[0]
    kinds = (r, U, d_bias, d_r), in_double(r, U, d_bias, d_r)
    plain = [recurrence.backward(r, where, *more, activation=activation) for r, *more in kinds]
    assert_rounded_alike(backward(r, where, U, d_bias, d_r, activation), *plain)


def test_what_is_not_rounded_alike_shows():
    right = np.ones(3)
    with pytest.raises(AssertionError):
        assert_rounded_alike([right + 1e-4], [right + 1e-6], [right])


@pytest.mark.parametrize("case", range(16))
def test_products_of_any_size(case, looked_up):
    rng = np.random.default_rng(case)
    n_rows, n_in, n_out = (int(rng.integers(1, most)) for most in (631, 201, 201))  # rows of 9 sequences of 70 frames
    states, W = random_states((n_rows, n_in)), random_weights((n_in, n_out))
    out = np.full((n_rows, n_out), np.nan, np.float32)
    products().multiply(states, W, out=out)
    assert_is_product(out, states, W)


def test_single_precision_is_not_left_to_numpy():
    """Control of the test above: both round, but not alike."""
    x, where, U, b, b_init = random_recurrence((5, 3), 37, 1)
    r, _ = recurrence.forward(x, where, U, b, b_init)
    assert (forward(x, where, U, b, b_init)[0] != r).any()
    assert (backward(r, where, U, x)[0] != recurrence.backward(r, where, U, x)[0]).any()


def test_one_matrix_is_one_tap():
    x, where, U, b, b_init = random_recurrence((5, 3), 7, 1)
    for one, tap in zip(forward(x, where, U[0], b, b_init), forward(x, where, U, b, b_init)):
        np.testing.assert_array_equal(one, tap)
    for one, tap in zip(backward(x, where, U[0], x), backward(x, where, U, x)):
        np.testing.assert_array_equal(one, tap)


def test_double_precision_is_left_to_numpy():
    x, where, U, b, b_init = random_recurrence((5, 3), 7, 2)
    arrays = in_double(x, U, b, b_init)
    found = forward(arrays[0], where, *arrays[1:])
    np.testing.assert_array_equal(found, recurrence.forward(arrays[0], where, *arrays[1:]))
    np.testing.assert_array_equal(
        backward(found[0], where, arrays[1], found[1]), recurrence.backward(found[0], where, arrays[1], found[1])
    )


@any_activation
@pytest.mark.parametrize("n_jobs", [2, 3, 7])
def test_how_sequences_are_shared_does_not_show(n_jobs, activation, monkeypatch):
    monkeypatch.setattr(threads, "THREADED", 0)
    x, where, U, b, b_init = random_recurrence((3, 8, 8, 2, 7, 7, 1, 4, 10), 37, 2)
    alone, shared = (forward(x, where, U, b, b_init, activation, n) for n in (None, n_jobs))
    np.testing.assert_array_equal(alone, shared)
    back_alone, back_shared = (backward(alone[0], where, U, x, x, activation, n) for n in (None, n_jobs))
    np.testing.assert_array_equal(back_alone, back_shared)


def test_saturated_units_neither_overflow_nor_learn():
    x, where, U, b, b_init = random_recurrence((4, 4), 20, 1)
    x = 1000 * np.sign(x)
    r, _ = forward(x, where, U, b, b_init)
    np.testing.assert_array_equal(r, x > 0)
    assert not backward(r, where, U, np.ones_like(r), np.ones_like(r))[0].any()


def test_what_is_not_a_number_shows():
    x, where, U, b, b_init = random_recurrence((4, 4), 20, 1)
    x[2, 3] = np.nan  # frame 2 of the first sequence
    found, expected = (f(x, where, U, b, b_init) for f in (forward, recurrence.forward))
    for a, b in zip(found, expected):
        np.testing.assert_array_equal(np.isnan(a), np.isnan(b))
    assert np.isnan(found[0]).any() and not np.isnan(found[0][:2]).any()


@pytest.mark.parametrize("order", ["C", "F"])
def test_any_layout_of_the_arguments(order):
    x, where, U, b, b_init = random_recurrence((4, 3), 20, 2)
    other = [np.array(a, order=order)[..., ::1] for a in (x, U)]
    strided = [np.repeat(a, 2, axis=-1)[..., ::2] for a in (x, U)]
    for x_, U_ in (other, strided):
        np.testing.assert_array_equal(forward(x_, where, U_, b, b_init), forward(x, where, U, b, b_init))
        for a, b_ in zip(backward(x_, where, U_, x_, x_.astype(float)), backward(x, where, U, x, x)):
            np.testing.assert_array_equal(a, b_)


def test_the_compiler_refuses_what_is_no_row_of_single_precision():
    import numba
    from rtrbm.compute.numba.vectors import WIDTH, load, store

    @numba.njit
    def copy(a, b):
        store(b, 0, load(a, 0))

    a, b = np.arange(WIDTH, dtype=np.float32), np.zeros(WIDTH, np.float32)
    copy(a, b)
    np.testing.assert_array_equal(a, b)
    for wrong in (np.zeros(WIDTH), np.zeros(2 * WIDTH, np.float32)[::2], np.zeros((WIDTH, 2), np.float32, order="F")):
        with pytest.raises(numba.TypingError):
            copy(wrong, b)
        with pytest.raises(numba.TypingError):
            copy(a, wrong)


def test_arguments_are_left_alone():
    x, where, U, b, b_init = random_recurrence((4, 4), 20, 1)
    arguments = (x, U, b, b_init)
    before = [a.copy() for a in arguments]
    r, _ = forward(x, where, U, b, b_init)
    kept = r.copy()
    backward(r, where, U, x, x)
    for a, b in zip((*before, kept), (*arguments, r)):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("binary", [True, False], ids=["binary", "grey"])
@pytest.mark.parametrize("past", [Filter(1, 2, 1, bptt=True), Recurrent(1, dynamic_visible_bias=True)], ids=str)
def test_the_exact_gradient_of_an_update(past, binary):
    """Equation 3.25 by both engines in single precision, and by numpy in double."""
    params, rng = random_taps(past, 6, 5), np.random.default_rng(1)
    X = [(rng.random((n, 6)) < 0.5) * 1.0 if binary else rng.random((n, 6)) for n in (40, 31, 40)]
    v, where = pack(X)

    def negative_phase(h_pos, W, biases):
        return exact.averages(W, *biases)

    model = Model(past, BERNOULLI)
    reference, *_ = gradient(model, params, v, where, negative_phase, named("numpy"))
    single = each(lambda p: p.astype(np.float32), params)
    for name in ("numpy", "numba"):
        found, *_ = gradient(model, single, v.astype(np.float32), where, negative_phase, named(name))
        for a, b in zip(arrays(found), arrays(reference), strict=True):
            # sums over 111 frames of terms of order 1, each rounded a few dozen times
            np.testing.assert_allclose(a, b, rtol=0, atol=111 * 50 * EPS)
    assert max(np.abs(b).max() for b in arrays(reference)) > 1  # a lost term would show
