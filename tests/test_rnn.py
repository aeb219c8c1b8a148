"""The hidden-state RNN alone: any differentiable loss on its states and its biases, no RBM in sight."""

import numpy as np
import pytest
from helpers import central_differences, largest_difference, sigmoid

from rtrbm.minibatches.sequences import pack, unpack
from rtrbm.past import recurrence

LENGTHS = (5, 2, 6, 1, 5)  # not sorted, one without a recurrence, two of the same length
N_HIDDEN = 3
ROUNDING = 1e-13  # a few dozen operations on numbers of order 1, in float64


def random_inputs(lengths=LENGTHS, scale=0.8, seed=0):
    """Packed inputs, layout and the arrays U, b, b_init."""
    rng = np.random.default_rng(seed)
    x, where = pack([rng.standard_normal((n, N_HIDDEN)) for n in lengths])
    return (x, where, *(scale * rng.standard_normal(shape) for shape in ((N_HIDDEN, N_HIDDEN), N_HIDDEN, N_HIDDEN)))


ACTIVATIONS = {
    "sigmoid": (sigmoid, lambda r: r * (1 - r)),
    "tanh": (np.tanh, lambda r: 1 - r**2),
}  # each with its derivative, as a function of its value
any_activation = pytest.mark.parametrize("activation", ACTIVATIONS)


def slow_forward(x, U, b, b_init, activation="sigmoid"):
    """One sequence, from the definition."""
    r, bias = np.zeros_like(x), np.zeros_like(x)
    for t in range(len(x)):
        bias[t] = b + b_init if t == 0 else b + r[t - 1] @ U
        r[t] = ACTIVATIONS[activation][0](x[t] + bias[t])
    return r, bias


@any_activation
@pytest.mark.parametrize("lengths", [LENGTHS, (4, 4, 4), (1, 1), (7,)])
def test_forward_is_the_recurrence_of_each_sequence(lengths, activation):
    x, where, U, b, b_init = random_inputs(lengths)
    r, bias = recurrence.forward(x, where, U, b, b_init, activation=activation)
    for x_i, r_i, bias_i in zip(unpack(x, where), unpack(r, where), unpack(bias, where)):
        slow = slow_forward(x_i, U, b, b_init, activation)
        assert largest_difference((r_i, bias_i), slow) < ROUNDING


# Losses whose derivatives with respect to r and to the biases are known: squared errors to fixed targets.
LOSSES = {"on the states": (1.0, 0.0), "on the biases": (0.0, 1.0), "on both": (0.7, 1.3)}


@any_activation
@pytest.mark.parametrize("weights", LOSSES.values(), ids=LOSSES)
@pytest.mark.parametrize("lengths", [LENGTHS, (6, 6), (1, 1)])
def test_backward_is_central_differences(lengths, weights, activation):
    x, where, *arrays = random_inputs(lengths)
    on_r, on_bias = weights
    targets = np.random.default_rng(1).standard_normal((2, *x.shape))

    def loss(x, U, b, b_init):
        r, bias = recurrence.forward(x, where, U, b, b_init, activation=activation)
        return 0.5 * (on_r * ((r - targets[0]) ** 2).sum() + on_bias * ((bias - targets[1]) ** 2).sum())

    r, bias = recurrence.forward(x, where, *arrays, activation=activation)
    d_r = on_r * (r - targets[0]) if on_r else None
    d_bias = on_bias * (bias - targets[1]) if on_bias else None
    d_x, d_total = recurrence.backward(r, where, arrays[0], d_bias, d_r, activation=activation)
    gradient = (d_x, *recurrence.parameter_gradient(r, where, d_total))
    # The differences are good to 1e-11 for a loss of order 50 (central_differences); a lost term costs 0.1.
    assert largest_difference(gradient, central_differences(loss, (x, *arrays))) < 1e-9


@any_activation
@pytest.mark.parametrize("n_hidden, n_sequences", [(130, 120), (301, 30), (301, 60), (400, 1), (2, 3)])
def test_large_products_are_those_of_small_ones(n_hidden, n_sequences, activation):
    """However a product is cut, forward and backward are the loops over frames."""
    rng = np.random.default_rng(0)
    lengths = rng.integers(1, 5, n_sequences)
    x, where = pack([rng.standard_normal((n, n_hidden)) for n in lengths])
    U = rng.standard_normal((n_hidden, n_hidden)) / np.sqrt(n_hidden)
    b, b_init = rng.standard_normal((2, n_hidden))
    r, _ = recurrence.forward(x, where, U, b, b_init, activation=activation)
    e, c = rng.standard_normal((2, *r.shape))
    d, _ = recurrence.backward(r, where, U, c, e, activation=activation)
    for x_i, r_i, e_i, c_i, d_i in zip(*(unpack(a, where) for a in (x, r, e, c, d))):
        np.testing.assert_allclose(r_i, slow_forward(x_i, U, b, b_init, activation)[0], rtol=0, atol=ROUNDING * 10)
        g = e_i[-1]
        for t in reversed(range(len(x_i))):
            slow = ACTIVATIONS[activation][1](r_i[t]) * g
            np.testing.assert_allclose(d_i[t], slow, rtol=0, atol=ROUNDING * 10)  # sums of n_hidden terms
            g = e_i[t - 1] + U @ (slow + c_i[t])


def test_no_loss_no_derivative():
    x, where, U, b, b_init = random_inputs()
    r, _ = recurrence.forward(x, where, U, b, b_init)
    assert not np.any(recurrence.backward(r, where, U))


def test_a_loss_at_the_last_frame_reaches_the_first():
    """Control: without the recursion through r it would not."""
    x, where, U, b, b_init = random_inputs((6,))
    r, _ = recurrence.forward(x, where, U, b, b_init)
    d_r = np.zeros_like(r)
    d_r[-1] = 1
    assert np.abs(recurrence.backward(r, where, U, d_s=d_r)[0][0]).min() > 1e-8


def test_backward_is_linear_in_what_reaches_it():
    x, where, U, b, b_init = random_inputs()
    r, _ = recurrence.forward(x, where, U, b, b_init)
    e, c = np.random.default_rng(2).standard_normal((2, *r.shape))
    together, _ = recurrence.backward(r, where, U, d_bias=c, d_s=e)
    apart = recurrence.backward(r, where, U, d_bias=c)[0] + recurrence.backward(r, where, U, d_s=e)[0]
    assert largest_difference([together], [apart]) < ROUNDING


def test_arguments_are_left_alone():
    x, where, U, b, b_init = random_inputs()
    r, _ = recurrence.forward(x, where, U, b, b_init)
    e, c = np.random.default_rng(2).standard_normal((2, *r.shape))
    arguments = (x, U, b, b_init, r, e, c)
    before = [a.copy() for a in arguments]
    recurrence.forward(x, where, U, b, b_init)
    recurrence.parameter_gradient(r, where, recurrence.backward(r, where, U, d_bias=c, d_s=e)[1])
    assert largest_difference(before, arguments) == 0


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_dtype_follows_the_input(dtype):
    x, where, *arrays = random_inputs()
    x, U, b, b_init = (a.astype(dtype) for a in (x, *arrays))
    r, bias = recurrence.forward(x, where, U, b, b_init)
    d_x, d_total = recurrence.backward(r, where, U, d_bias=bias, d_s=r)
    results = (r, bias, d_x, d_total, *recurrence.parameter_gradient(r, where, d_x))
    assert {a.dtype for a in results} == {np.dtype(dtype)}


def test_saturated_units_neither_overflow_nor_learn():
    x, where, U, b, b_init = random_inputs()
    r, _ = recurrence.forward(1000 * np.sign(x), where, U, b, b_init)
    np.testing.assert_array_equal(r, x > 0)
    assert not recurrence.backward(r, where, U, d_bias=np.ones_like(r), d_s=np.ones_like(r))[0].any()
