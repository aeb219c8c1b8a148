"""The oracle of all other tests, against sums over joint states, quadrature and closed forms."""

import numpy as np
import pytest
from helpers import UNITS, binary_states, hidden_distribution, model_moments, visible_distribution

from rtrbm.rbm import exact, partition

KINDS = ("bernoulli", "gaussian")
SIZES = [(4, 3), (3, 5), (4, 4)]  # the hidden layer is the smaller one, the larger one, neither
ROWS = [(None, None), (None, 3), (3, None), (3, 3)]  # rows of b_v and of b_h; None is one bias for all


def parameters(n_visible, n_hidden, rows_v=None, rows_h=None, seed=0, scale=1.0):
    rng = np.random.default_rng(seed)

    def normal(rows, n_units):
        return scale * rng.standard_normal((n_units,) if rows is None else (rows, n_units))

    W = scale * rng.standard_normal((n_visible, n_hidden))
    return W, normal(rows_v, n_visible), normal(rows_h, n_hidden)


def each_row(b_v, b_h):
    """The pairs of 1-D biases that rows of biases stand for."""
    b_v, b_h = np.atleast_2d(b_v), np.atleast_2d(b_h)
    n_rows = max(len(b_v), len(b_h))
    return zip(np.resize(b_v, (n_rows, b_v.shape[1])), np.resize(b_h, (n_rows, b_h.shape[1])))


@pytest.mark.parametrize("visible", KINDS)
@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("rows", ROWS)
def test_sums_are_those_over_joint_states(sizes, rows, visible):
    W, b_v, b_h = parameters(*sizes, *rows)
    biases = list(each_row(b_v, b_h))
    log_z = [hidden_distribution(W, *row, visible)[0] for row in biases]
    np.testing.assert_allclose(exact.log_partition(W, b_v, b_h, UNITS[visible]), log_z, rtol=1e-12)
    averages = exact.averages(W, b_v, b_h, UNITS[visible])
    v, h, vh = zip(*(model_moments(W, *row, visible) for row in biases))
    for average, known in ((averages.v, v), (averages.h, h), (averages.vh(), sum(vh))):
        np.testing.assert_allclose(average, known, rtol=1e-12)


@pytest.mark.parametrize("sizes", SIZES)
def test_log_likelihood_is_that_of_the_joint_states(sizes):
    W, b_v, b_h = parameters(*sizes)
    log_p = exact.log_likelihood(binary_states(sizes[0]), W, b_v, b_h)
    np.testing.assert_allclose(np.exp(log_p), visible_distribution(W, b_v, b_h), rtol=1e-12)


def test_log_likelihood_takes_a_row_of_biases_for_each_row():
    W, b_v, b_h = parameters(4, 3, 5, 5)
    codes = [3, 9, 15, 0, 3]
    known = [visible_distribution(W, *row)[code] for code, row in zip(codes, each_row(b_v, b_h))]
    log_p = exact.log_likelihood(binary_states(4)[codes], W, b_v, b_h)
    np.testing.assert_allclose(np.exp(log_p), known, rtol=1e-12)


def test_gaussian_log_partition_is_the_integral():
    W, b_v, b_h = parameters(1, 3)
    v = np.linspace(-40, 40, 8001)  # the trapezoidal rule is exact to rounding on so smooth a function
    h = binary_states(3)
    p = np.exp(np.outer(v, b_v + h @ W[0]) + h @ b_h - v[:, None] ** 2 / 2)
    z = p.sum() * (v[1] - v[0])
    assert exact.log_partition(W, b_v, b_h, UNITS["gaussian"])[0] == pytest.approx(np.log(z), rel=1e-12)
    log_p = exact.log_likelihood(v[:, None], W, b_v, b_h, UNITS["gaussian"])
    np.testing.assert_allclose(np.exp(log_p), p.sum(1) / z, atol=1e-14)


# Numerics


def everything(*arguments):
    averages = exact.averages(*arguments)
    return exact.log_partition(*arguments), averages.vh(), averages.v, averages.h


@pytest.mark.parametrize("visible", KINDS)
@pytest.mark.parametrize("sizes", SIZES)
def test_blocks_do_not_matter(monkeypatch, sizes, visible):
    arguments = (*parameters(*sizes, 2, None), UNITS[visible])
    whole = everything(*arguments)
    monkeypatch.setattr(exact, "BLOCK_ELEMENTS", 25)
    for a, b in zip(whole, everything(*arguments)):
        np.testing.assert_allclose(b, a, rtol=1e-12)


def test_large_weights_do_not_overflow():
    W, b_v, b_h = parameters(4, 3, scale=1e4)
    v, h = binary_states(4), binary_states(3)
    energy = (v @ b_v)[:, None] + h @ b_h + v @ W @ h.T
    assert exact.log_partition(W, b_v, b_h)[0] == pytest.approx(energy.max(), rel=1e-12)
    best_v, best_h = np.unravel_index(energy.argmax(), energy.shape)
    averages = exact.averages(W, b_v, b_h)
    np.testing.assert_allclose(averages.v[0], v[best_v], atol=1e-12)
    np.testing.assert_allclose(averages.h[0], h[best_h], atol=1e-12)


def test_single_precision_parameters_lose_nothing():
    W, b_v, b_h = (a.astype(np.float32) for a in parameters(60, 14, seed=1, scale=0.1))
    b_v += 8  # log Z near 500, to which each of 16384 states adds little
    double = [a.astype(float) for a in (W, b_v, b_h)]
    assert exact.log_partition(W, b_v, b_h)[0] == pytest.approx(exact.log_partition(*double)[0], rel=1e-6)
    for single, known in zip(everything(W, b_v, b_h)[1:], everything(*double)[1:]):
        np.testing.assert_allclose(single, known, atol=1e-5)


# Too many units


@pytest.mark.parametrize("sizes", [(25, 10**4), (10**4, 25), (1, 1)])
def test_enumerable(sizes):
    exact.check_enumerable(*sizes, UNITS["bernoulli"])
    if sizes[1] <= 25:
        exact.check_enumerable(*sizes, UNITS["gaussian"])


@pytest.mark.parametrize(
    "n_visible, n_hidden, visible, message",
    [
        (26, 27, "bernoulli", r"min\(n_visible, n_hidden\) <= 25, got n_visible=26, n_hidden=27"),
        (4, 26, "gaussian", "Gaussian visible units needs n_hidden <= 25, got n_hidden=26"),
    ],
)
def test_too_many_units(n_visible, n_hidden, visible, message):
    arguments = (np.zeros((n_visible, n_hidden)), np.zeros(n_visible), np.zeros(n_hidden), UNITS[visible])
    with pytest.raises(ValueError, match=message):
        exact.check_enumerable(n_visible, n_hidden, UNITS[visible])
    for function in (exact.log_partition, exact.averages):
        with pytest.raises(ValueError, match=message):
            function(*arguments)
    with pytest.raises(ValueError, match=message):
        exact.log_likelihood(np.zeros((1, n_visible)), *arguments)


@pytest.mark.parametrize("function", [exact.log_partition, exact.averages, partition.log_partition])
def test_a_word_that_is_no_kind_of_units(function):
    W, b_v, b_h = np.ones((3, 2)), np.zeros(3), np.zeros(2)
    with pytest.raises(ValueError, match="units must be one of 'bernoulli'.*got 'Bernoulli'"):
        function(W, b_v, b_h, "Bernoulli")
    function(W, b_v, b_h, "bernoulli")
