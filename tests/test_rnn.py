"""The hidden-state RNN alone: any differentiable loss on its states and its biases, no RBM in sight."""

import ast
from pathlib import Path

import numpy as np
import pytest
from helpers import central_differences, largest_difference

import rtrbm
from rtrbm import rnn
from rtrbm.sequences import pack, unpack

LENGTHS = (5, 2, 6, 1, 5)  # not sorted, one without a recurrence, two of the same length
N_HIDDEN = 3
ROUNDING = 1e-13  # a few dozen operations on numbers of order 1, in float64


def random_inputs(lengths=LENGTHS, scale=0.8, seed=0):
    """Packed inputs, layout and the arrays U, b, b_init."""
    rng = np.random.default_rng(seed)
    x, where = pack([rng.standard_normal((n, N_HIDDEN)) for n in lengths])
    return (
        x,
        where,
        *(scale * rng.standard_normal(shape) for shape in ((N_HIDDEN, N_HIDDEN), N_HIDDEN, N_HIDDEN)),
    )


def slow_forward(x, U, b, b_init):
    """One sequence, from the definition."""
    r, bias = np.zeros_like(x), np.zeros_like(x)
    for t in range(len(x)):
        bias[t] = b + b_init if t == 0 else b + r[t - 1] @ U
        r[t] = 1 / (1 + np.exp(-(x[t] + bias[t])))
    return r, bias


@pytest.mark.parametrize("lengths", [LENGTHS, (4, 4, 4), (1, 1), (7,)])
def test_forward_is_the_recurrence_of_each_sequence(lengths):
    x, where, U, b, b_init = random_inputs(lengths)
    r, bias = rnn.forward(x, where, U, b, b_init)
    for x_i, r_i, bias_i in zip(unpack(x, where), unpack(r, where), unpack(bias, where)):
        slow = slow_forward(x_i, U, b, b_init)
        assert largest_difference((r_i, bias_i), slow) < ROUNDING


# Losses whose derivatives with respect to r and to the biases are known: squared errors to fixed targets.
LOSSES = {
    "on the states": (1.0, 0.0),
    "on the biases": (0.0, 1.0),
    "on both": (0.7, 1.3),
}


@pytest.mark.parametrize("weights", LOSSES.values(), ids=LOSSES)
@pytest.mark.parametrize("lengths", [LENGTHS, (6, 6), (1, 1)])
def test_backward_is_central_differences(lengths, weights):
    x, where, *arrays = random_inputs(lengths)
    on_r, on_bias = weights
    targets = np.random.default_rng(1).standard_normal((2, *x.shape))

    def loss(x, U, b, b_init):
        r, bias = rnn.forward(x, where, U, b, b_init)
        return 0.5 * (on_r * ((r - targets[0]) ** 2).sum() + on_bias * ((bias - targets[1]) ** 2).sum())

    r, bias = rnn.forward(x, where, *arrays)
    d_r = on_r * (r - targets[0]) if on_r else None
    d_bias = on_bias * (bias - targets[1]) if on_bias else None
    d_x, d_total = rnn.backward(r, where, arrays[0], d_bias=d_bias, d_r=d_r)
    gradient = (d_x, *rnn.parameter_gradient(r, where, d_total))
    # The differences are good to 1e-11 for a loss of order 50 (central_differences); a lost term costs 0.1.
    assert largest_difference(gradient, central_differences(loss, (x, *arrays))) < 1e-9


@pytest.mark.parametrize("n_hidden, n_sequences", [(130, 120), (301, 30), (301, 60), (400, 1), (2, 3)])
def test_large_products_are_those_of_small_ones(n_hidden, n_sequences):
    """However a product is cut, forward and backward are the loops over frames."""
    rng = np.random.default_rng(0)
    lengths = rng.integers(1, 5, n_sequences)
    x, where = pack([rng.standard_normal((n, n_hidden)) for n in lengths])
    U = rng.standard_normal((n_hidden, n_hidden)) / np.sqrt(n_hidden)
    b, b_init = rng.standard_normal((2, n_hidden))
    r, _ = rnn.forward(x, where, U, b, b_init)
    e, c = rng.standard_normal((2, *r.shape))
    d, _ = rnn.backward(r, where, U, d_bias=c, d_r=e)
    for x_i, r_i, e_i, c_i, d_i in zip(*(unpack(a, where) for a in (x, r, e, c, d))):
        np.testing.assert_allclose(r_i, slow_forward(x_i, U, b, b_init)[0], rtol=0, atol=ROUNDING * 10)
        g = e_i[-1]
        for t in reversed(range(len(x_i))):
            slow = r_i[t] * (1 - r_i[t]) * g
            np.testing.assert_allclose(d_i[t], slow, rtol=0, atol=ROUNDING * 10)  # sums of n_hidden terms
            g = e_i[t - 1] + U @ (slow + c_i[t])


def test_no_loss_no_derivative():
    x, where, U, b, b_init = random_inputs()
    r, _ = rnn.forward(x, where, U, b, b_init)
    assert not np.any(rnn.backward(r, where, U))


def test_a_loss_at_the_last_frame_reaches_the_first():
    """Control: without the recursion through r it would not."""
    x, where, U, b, b_init = random_inputs((6,))
    r, _ = rnn.forward(x, where, U, b, b_init)
    d_r = np.zeros_like(r)
    d_r[-1] = 1
    assert np.abs(rnn.backward(r, where, U, d_r=d_r)[0][0]).min() > 1e-8


def test_backward_is_linear_in_what_reaches_it():
    x, where, U, b, b_init = random_inputs()
    r, _ = rnn.forward(x, where, U, b, b_init)
    e, c = np.random.default_rng(2).standard_normal((2, *r.shape))
    together, _ = rnn.backward(r, where, U, d_bias=c, d_r=e)
    apart = rnn.backward(r, where, U, d_bias=c)[0] + rnn.backward(r, where, U, d_r=e)[0]
    assert largest_difference([together], [apart]) < ROUNDING


def test_arguments_are_left_alone():
    x, where, U, b, b_init = random_inputs()
    r, _ = rnn.forward(x, where, U, b, b_init)
    e, c = np.random.default_rng(2).standard_normal((2, *r.shape))
    arguments = (x, U, b, b_init, r, e, c)
    before = [a.copy() for a in arguments]
    rnn.forward(x, where, U, b, b_init)
    rnn.parameter_gradient(r, where, rnn.backward(r, where, U, d_bias=c, d_r=e)[1])
    assert largest_difference(before, arguments) == 0


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_dtype_follows_the_input(dtype):
    x, where, *arrays = random_inputs()
    x, U, b, b_init = (a.astype(dtype) for a in (x, *arrays))
    r, bias = rnn.forward(x, where, U, b, b_init)
    d_x, d_total = rnn.backward(r, where, U, d_bias=bias, d_r=r)
    results = (r, bias, d_x, d_total, *rnn.parameter_gradient(r, where, d_x))
    assert {a.dtype for a in results} == {np.dtype(dtype)}


def test_saturated_units_neither_overflow_nor_learn():
    x, where, U, b, b_init = random_inputs()
    r, _ = rnn.forward(1000 * np.sign(x), where, U, b, b_init)
    np.testing.assert_array_equal(r, x > 0)
    assert not rnn.backward(r, where, U, d_bias=np.ones_like(r), d_r=np.ones_like(r))[0].any()


def imported(module):
    """Modules of the package that a module imports, directly or not, as written in its source."""
    seen, waiting = set(), [module]
    while waiting:
        module = waiting.pop()
        path = Path(rtrbm.__file__).parent / module.replace(".", "/")
        package = module.split(".") if path.is_dir() else module.split(".")[:-1]
        source = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
        for node in ast.walk(ast.parse(source.read_text())):
            names = []
            if isinstance(node, ast.ImportFrom) and node.level:
                above = package[: len(package) + 1 - node.level]
                below = [node.module] if node.module else [alias.name for alias in node.names]
                names = [".".join([*above, name]) for name in below]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module.removeprefix("rtrbm.")] if node.module.startswith("rtrbm.") else []
            elif isinstance(node, ast.Import):
                names = [a.name.removeprefix("rtrbm.") for a in node.names if a.name.startswith("rtrbm.")]
            waiting += set(names) - seen
            seen |= set(names)
    return seen


def test_the_two_halves_do_not_import_each_other():
    assert not imported("rnn") & {"rbm", "gibbs", "exact", "ais", "rtrbm", "temporal", "estimator"}
    assert not imported("rbm") & {"rnn", "rtrbm", "temporal"} and not imported("gibbs") & {
        "rnn",
        "rtrbm",
        "temporal",
    }
    assert {"rnn", "rbm", "gibbs", "fast.recurrence"} <= imported("rtrbm")  # control: the model is their sum
