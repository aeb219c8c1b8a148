"""Optimisers and schedules against their formulas, written out once more."""

import threading
import time
from typing import NamedTuple

import numpy as np
import pytest

from rtrbm.compute import threads
from rtrbm.compute.engine import Engine
from rtrbm.training import optimizers

ROUNDING = 1e-12  # twenty steps of a few operations on numbers of order 1, in float64


class Pair(NamedTuple):
    """Two arrays of different shapes, a type of their own."""

    a: np.ndarray
    b: np.ndarray


def gradients(n, dtype="float64", seed=0):
    rng = np.random.default_rng(seed)
    return [Pair(rng.standard_normal((2, 3)).astype(dtype), rng.standard_normal(4).astype(dtype)) for _ in range(n)]


def copies(pairs):
    """Optimisers may overwrite the gradient they are given."""
    return [Pair(*(x.copy() for x in pair)) for pair in pairs]


def steps(optimizer, gs, rates):
    state, taken = optimizer.init(copies(gs)[0]), []
    for g, rate in zip(copies(gs), rates):
        step, state = optimizer.update(g, state, rate)
        taken.append(Pair(*(x.copy() for x in step)))
    return taken


def flat(pairs):
    return np.array([np.concatenate([x.ravel() for x in pair]) for pair in pairs])


RATES = np.linspace(0.1, 0.01, 20)


def test_momentum_is_its_formula():
    gs, velocity, expected = gradients(20), 0, []
    for g, rate in zip(flat(gs), RATES):
        velocity = 0.7 * velocity + rate * g
        expected.append(velocity)
    np.testing.assert_allclose(flat(steps(optimizers.momentum(0.7), gs, RATES)), expected, rtol=0, atol=ROUNDING)


def test_momentum_of_zero_is_plain_ascent():
    gs = gradients(5)
    expected = RATES[:5, None] * flat(gs)
    np.testing.assert_allclose(flat(steps(optimizers.momentum(0), gs, RATES)), expected, rtol=0, atol=ROUNDING)


def test_adam_is_its_formula():
    gs, m, s, expected = gradients(20), 0, 0, []
    for n, (g, rate) in enumerate(zip(flat(gs), RATES), start=1):
        m = 0.8 * m + 0.2 * g
        s = 0.95 * s + 0.05 * g**2
        expected.append(rate * (m / (1 - 0.8**n)) / (np.sqrt(s / (1 - 0.95**n)) + 1e-3))
    taken = steps(optimizers.adam(0.8, 0.95, epsilon=1e-3), gs, RATES)
    np.testing.assert_allclose(flat(taken), expected, rtol=0, atol=ROUNDING)


def test_adams_first_step_is_the_rate():
    """Both means are unbiased, so that |step| = rate g / (|g| + 1e-8): 1e-8 / |g| from the rate."""
    gs = gradients(1)
    np.testing.assert_allclose(flat(steps(optimizers.adam(), gs, [0.1])), 0.1 * np.sign(flat(gs)), rtol=1e-6)


@pytest.mark.parametrize("optimizer", [optimizers.momentum(), optimizers.adam()], ids=["momentum", "adam"])
class TestBoth:
    def test_a_zero_gradient_is_no_step(self, optimizer):
        """But for the negligible addition, of 1e-15, that Adam divides by its epsilon of 1e-8."""
        zero = Pair(np.zeros((2, 3)), np.zeros(4))
        assert np.abs(flat(steps(optimizer, [zero], [0.1]))).max() <= 0.1 * 1e-15 / 1e-8

    def test_no_state_becomes_subnormal(self, optimizer):
        """Processors take ten times as long for numbers below the smallest normal one."""
        params = Pair(np.ones((2, 3), np.float32), np.ones(4, np.float32))
        state = optimizer.init(params)
        for n in range(1200):  # 0.9^1200 = 1e-55
            _, state = optimizer.update(Pair(*(np.full_like(p, n == 0) for p in params)), state, 0.01)
        for part in state:
            if isinstance(part, tuple):
                assert np.abs(flat([part])).min() > np.finfo(np.float32).tiny

    def test_steps_go_up(self, optimizer):
        """Climbing -|x - 3|^2 / 2 ends at 3; a step of the wrong sign runs away."""
        x = Pair(np.zeros((2, 3)), np.ones(4))
        state = optimizer.init(x)
        for n in range(2000):
            step, state = optimizer.update(Pair(*(3 - p for p in x)), state, optimizers.linear_decay(0.05, n, 2000))
            for p, change in zip(x, step):
                p += change
        assert np.abs(flat([x]) - 3).max() < 1e-2  # Adam's last steps have the size of its last rates, 1e-3

    @pytest.mark.parametrize("dtype", ["float32", "float64"])
    def test_types_and_dtypes_are_those_of_the_parameters(self, optimizer, dtype):
        (g,) = gradients(1, dtype)
        state = optimizer.init(g)
        step, state = optimizer.update(g, state, 0.1)
        assert type(step) is Pair and {x.dtype for x in step} == {np.dtype(dtype)}
        for part in state:
            if isinstance(part, tuple):
                assert type(part) is Pair and {x.dtype for x in part} == {np.dtype(dtype)}

    def test_init_starts_from_nothing_and_leaves_parameters_alone(self, optimizer):
        (params,) = gradients(1)
        before = flat([params])
        for part in optimizer.init(params):
            assert not flat([part]).any() if isinstance(part, tuple) else part == 0
        optimizer.update(gradients(1, seed=1)[0], optimizer.init(params), 0.1)
        np.testing.assert_array_equal(flat([params]), before)

    def test_a_rate_of_zero_is_no_step_at_first(self, optimizer):
        assert not flat(steps(optimizer, gradients(1), [0.0])).any()


def test_norm_is_of_all_arrays_together():
    assert optimizers.norm(Pair(np.array([[3.0, 0.0]]), np.array([-4.0, 12.0]))) == 13


def test_linear_decay_falls_to_zero():
    rates = [optimizers.linear_decay(0.01, n, 5) for n in range(7)]
    np.testing.assert_allclose(rates, [0.01, 0.008, 0.006, 0.004, 0.002, 0, 0], atol=1e-17)


@pytest.mark.parametrize("update, k", [(0, 10), (1, 10), (99, 10), (100, 25), (999, 25), (1000, 3), (10**9, 3)])
def test_a_schedule_holds_until_its_next_entry(update, k):
    assert optimizers.scheduled({1000: 3, 0: 10, 100: 25}, update) == k
    assert optimizers.scheduled(k, update) == k


@pytest.mark.parametrize("dtype, rounding", [("float64", 1e-14), ("float32", 1e-6)])
def test_the_compiled_pass_is_the_plain_one(dtype, rounding):
    """Relative to steps of order 0.1: rounding of a few operations, summed over twenty steps."""
    compiled = pytest.importorskip("rtrbm.compute.numba").NumbaEngine()
    gs = gradients(20, dtype)
    plain = steps(optimizers.adam(), gs, RATES)
    fused = steps(optimizers.adam(engine=compiled), gs, RATES)
    assert fused[0].a.dtype == dtype
    np.testing.assert_allclose(flat(fused), flat(plain), rtol=0, atol=rounding)
    other = steps(optimizers.adam(0.8, engine=compiled), gs, RATES)
    assert abs(flat(other) - flat(plain)).max() > 1000 * rounding  # control


def test_adam_does_not_depend_on_threads(monkeypatch):
    monkeypatch.setattr(threads, "BLOCK", 3)
    gs = gradients(5)
    one, two = (steps(optimizers.adam(engine=Engine(n_jobs)), gs, RATES) for n_jobs in (None, 2))
    np.testing.assert_array_equal(flat(one), flat(two))


@pytest.mark.parametrize("order", ["C", "F"])
def test_pieces_cover_every_array_once_whatever_its_layout(monkeypatch, order):
    monkeypatch.setattr(threads, "BLOCK", 3)
    x = Pair(np.ones((5, 7), order=order), np.ones(0))
    sizes = threads.blockwise(lambda a, b: (np.add(a, b, out=a), a.size)[1], 2, x, copies([x])[0])
    assert (x.a == 2).all() and sum(sizes) == 35 and (max(sizes) == 3) == (order == "C")


def test_all_tasks_have_ended_when_one_has_failed():
    """Arrays that they write to belong to the caller again. Each of three threads has a task, and one not of the caller
    fails."""
    for _ in range(6):  # of the others either may be waited for first
        ended, failing, all_of_them = [], iter([True]), threading.Barrier(3)

        def task(i, ended=ended, failing=failing, all_of_them=all_of_them):
            all_of_them.wait(10)
            if threading.current_thread() is threading.main_thread():
                return
            if next(failing, False):
                raise LookupError
            time.sleep(0.05)
            ended.append(i)

        with pytest.raises(LookupError):
            threads.run(task, [0, 1, 2], 3)
        assert len(ended) == 1
