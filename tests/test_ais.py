"""Annealed importance sampling against enumeration, and where it must fail."""

import numpy as np
import pytest
from helpers import UNITS

from rtrbm.compute.engine import Engine
from rtrbm.rbm import ais, exact

KINDS = ("bernoulli", "gaussian")
STRONG = {"bernoulli": 3.0, "gaussian": 0.8}  # scales of parameters at which few steps go wrong


def parameters(scale=0.8, n_visible=12, n_hidden=9, seed=0):
    rng = np.random.default_rng(seed)
    return [scale * rng.standard_normal(shape) for shape in ((n_visible, n_hidden), n_visible, n_hidden)]


def worst_z_score(params, visible, **settings):
    """Over five runs, each by the standard error it reports."""
    runs = np.array([ais.log_partition(*params, UNITS[visible], random_state=i, **settings) for i in range(5)])
    return np.abs((runs[:, 0] - exact.log_partition(*params, UNITS[visible])) / runs[:, 1]).max()


@pytest.mark.parametrize("visible", KINDS)
@pytest.mark.parametrize("own_base", [False, True])
def test_estimate_is_log_z(visible, own_base):
    base = np.linspace(-1, 1, 12) if own_base else None
    assert worst_z_score(parameters(STRONG[visible]), visible, n_steps=1000, base_b_v=base) < 4


@pytest.mark.parametrize("visible", KINDS)
def test_too_few_steps_miss_log_z(visible):
    assert worst_z_score(parameters(STRONG[visible]), visible, n_steps=2) > 4


@pytest.mark.parametrize("visible", KINDS)
def test_z_is_unbiased_and_its_logarithm_too_low(visible):
    params = parameters(0.4)
    settings = {"n_chains": 2, "n_steps": 4, "base_b_v": params[1] + np.linspace(-1, 1, 12)}
    estimates = [ais.log_partition(*params, UNITS[visible], **settings, random_state=i)[0] for i in range(1000)]
    error = estimates - exact.log_partition(*params, UNITS[visible])

    def z_score(samples):
        return samples.mean() / (samples.std(ddof=1) / len(samples) ** 0.5)

    assert abs(z_score(np.exp(error) - 1)) < 4
    assert z_score(error) < -4


def test_standard_error_is_the_spread_of_estimates():
    params = parameters()
    runs = [ais.log_partition(*params, n_chains=50, n_steps=50, random_state=i) for i in range(800)]
    estimates, errors = np.transpose(runs)
    # The standard deviation of 800 normal numbers is known to 2.5 per cent.
    assert np.std(estimates, ddof=1) / np.sqrt(np.mean(errors**2)) == pytest.approx(1, abs=4 * 0.025)


@pytest.mark.parametrize("visible", KINDS)
def test_the_base_itself_needs_no_steps(visible):
    W, b_v, b_h = parameters()
    log_z, standard_error = ais.log_partition(0 * W, b_v, b_h, UNITS[visible], n_chains=2, n_steps=1, random_state=0)
    assert log_z == pytest.approx(exact.log_partition(0 * W, b_v, b_h, UNITS[visible])[0], rel=1e-12)
    assert standard_error < 1e-12


def test_large_weights_do_not_overflow():
    params = parameters(1e4)
    assert np.isfinite(ais.log_partition(*params, n_steps=10, random_state=0)[0])


def test_results_depend_on_the_seed_alone():
    params = parameters()
    estimate = ais.log_partition(*params, n_chains=120, n_steps=10, random_state=3)
    assert estimate == ais.log_partition(*params, n_chains=120, n_steps=10, random_state=3, engine=Engine(2))
    assert estimate != ais.log_partition(*params, n_chains=120, n_steps=10, random_state=4)
    single = [p.astype(np.float32) for p in params]
    double = [p.astype(float) for p in single]
    assert ais.log_partition(*single, random_state=3) == ais.log_partition(*double, random_state=3)


@pytest.mark.parametrize(
    "settings, error, message",
    [
        ({"n_chains": 1}, ValueError, "n_chains must be at least 2"),
        ({"n_steps": 0}, ValueError, "n_steps must be at least 1"),
        ({"n_steps": 1.5}, TypeError, "n_steps must be an integer"),
        ({"random_state": "seed"}, TypeError, "random_state must be"),
        ({"base_b_v": np.zeros(9)}, ValueError, r"biases must be one row .*\(9,\)"),
    ],
)
def test_bad_settings(settings, error, message):
    with pytest.raises(error, match=message):
        ais.log_partition(*parameters(), **settings)


@pytest.mark.parametrize("which", [1, 2])
def test_rows_of_biases(which):
    params = parameters()
    params[which] = np.tile(params[which], (100, 1))
    with pytest.raises(ValueError, match="biases must be one row"):
        ais.log_partition(*params)
