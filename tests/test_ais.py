"""Annealed importance sampling against enumeration, and where it must fail."""

import numpy as np
import pytest
from hashes import HashedEngine
from helpers import UNITS, every_engine, needs_numba

from rtrbm.compute import threads
from rtrbm.compute.engine import Engine, named
from rtrbm.rbm import Bernoulli, Gaussian, Poisson, Softmax, ais, exact

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
    W, b_v, b_h = parameters(0.4)
    rows = np.tile(b_v, (1000, 1))
    settings = {"n_chains": 2, "n_steps": 4, "base_b_v": b_v + np.linspace(-1, 1, 12), "random_state": 0}
    error = ais.log_partition(W, rows, b_h, UNITS[visible], **settings)[0]
    error -= exact.log_partition(W, b_v, b_h, UNITS[visible])

    def z_score(samples):
        return samples.mean() / (samples.std(ddof=1) / len(samples) ** 0.5)

    assert abs(z_score(np.exp(error) - 1)) < 4
    assert z_score(error) < -4


@every_engine
def test_standard_error_is_the_spread_of_estimates(engine):
    W, b_v, b_h = (p.astype(np.float32) for p in parameters())
    rows = np.tile(b_v, (800, 1))
    estimates, errors = ais.log_partition(W, rows, b_h, n_chains=50, n_steps=50, random_state=0, engine=named(engine))
    # The standard deviation of 800 normal numbers is known to 2.5 per cent.
    assert np.std(estimates, ddof=1) / np.sqrt(np.mean(errors**2)) == pytest.approx(1, abs=4 * 0.025)


@pytest.mark.parametrize("visible", KINDS)
def test_the_base_itself_needs_no_steps(visible):
    W, b_v, b_h = parameters()
    log_z, standard_error = ais.log_partition(0 * W, b_v, b_h, UNITS[visible], n_chains=2, n_steps=1, random_state=0)
    assert log_z == pytest.approx(exact.log_partition(0 * W, b_v, b_h, UNITS[visible])[0], rel=1e-12)
    assert standard_error < 1e-12


@every_engine
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("n_hidden", [9, 2000])
def test_large_weights_do_not_overflow(n_hidden, dtype, engine):
    params = [p.astype(dtype) for p in parameters(1e4, n_hidden=n_hidden)]
    assert np.isfinite(ais.log_partition(*params, n_steps=10, random_state=0, engine=named(engine))[0])


@every_engine
@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("which", ["W", "b_v", "b_h", "base_b_v"])
def test_what_is_not_finite_shows(which, value, engine):
    params = rows_of_parameters(3, 0.5)
    params[which][1, 2] = value
    log_z, error = ais.log_partition(**params, n_chains=4, n_steps=5, random_state=0, engine=named(engine))
    finite = np.isfinite(log_z) & np.isfinite(error)
    assert not finite[1] and (which == "W" or finite[[0, 2]].all())


def rows_of_parameters(n_rows, scale, n_visible=12, n_hidden=9, dtype="float32", seed=0, units=None):
    """W, and rows of biases and base biases; for Poisson units weights that let no rate explode."""
    rng = np.random.default_rng(seed)
    sizes = {"W": (n_visible, n_hidden), "b_v": (n_rows, n_visible), "b_h": (n_rows, n_hidden)}
    params = {name: scale * rng.standard_normal(size) for name, size in sizes.items()}
    params["base_b_v"] = params["b_v"] + scale * rng.standard_normal(n_visible)
    if isinstance(units, Poisson):
        params["W"] = -abs(params["W"])
    return {name: parameter.astype(dtype) for name, parameter in params.items()}


@pytest.mark.parametrize(
    "engine, dtype", [("numpy", "float32"), ("numpy", "float64"), pytest.param("numba", "float32", marks=needs_numba)]
)
@pytest.mark.parametrize(
    "units, scale",
    [(Bernoulli(), 0.1), (Bernoulli(), 0.3), (Bernoulli(), 1), (Gaussian(), 0.3), (Poisson(), 0.5), (Softmax(), 0.5),
     (Softmax((4, 3, 5)), 0.5)],
    ids=str,
)  # fmt: skip
def test_every_row_has_its_own_log_z(units, scale, engine, dtype):
    """z-scores of 40 rows; controls: the rows in another order, and a fifth added to the hidden biases."""
    params = rows_of_parameters(40, scale, dtype=dtype, units=units)
    settings = {"n_chains": 100, "n_steps": 100, "random_state": 1, "engine": named(engine)}
    estimates, errors = ais.log_partition(units=units, **params, **settings)
    del params["base_b_v"]

    def z_scores(**changed):
        return (estimates - exact.log_partition(units=units, **(params | changed))) / errors

    # t-distributed rather than normal: the errors are estimates themselves
    assert abs(z_scores()).max() < 5 and 0.6 < z_scores().std() < 1.5
    for wrong in ({"b_h": params["b_h"] + 0.2}, {"b_v": params["b_v"][::-1]}):
        assert abs(z_scores(**wrong)).max() > 5


@pytest.mark.parametrize("which", ["b_v", "b_h", "base_b_v"])
def test_one_row_for_all_is_that_row_for_each(which):
    params = rows_of_parameters(5, 0.5)
    params[which] = params[which][0]
    one = ais.log_partition(**params, n_chains=4, n_steps=5, random_state=0)
    params[which] = np.tile(params[which], (5, 1))
    np.testing.assert_array_equal(one, ais.log_partition(**params, n_chains=4, n_steps=5, random_state=0))


@every_engine
@pytest.mark.parametrize("units", [Bernoulli(), Gaussian(), Poisson(), Softmax((4, 3, 5))], ids=repr)
def test_a_row_does_not_depend_on_the_others(units, engine, monkeypatch):
    """Neither on their values, nor on their number, nor on the blocks they run in, nor on threads."""
    params = rows_of_parameters(60, 0.5, units=units, dtype="float64" if engine == "numpy" else "float32")

    def estimates(n_rows=60, n_jobs=None, seed=0, **changed):
        rows = {name: p if name == "W" else p[:n_rows] for name, p in (params | changed).items()}
        settings = {"n_chains": 10, "n_steps": 10, "random_state": seed, "engine": named(engine, n_jobs)}
        return np.transpose(ais.log_partition(units=units, **rows, **settings))

    together, others = estimates(), params["b_v"].copy()
    others[:20] = others[20:40]
    # numpy's products of different numbers of rows are different in their last bits
    compiled = engine == "numba" and isinstance(units, Bernoulli)
    tolerance = {"rtol": 0 if compiled else 1e-10 if engine == "numpy" else 1e-5}
    np.testing.assert_allclose(estimates(7), together[:7], **tolerance)
    np.testing.assert_allclose(estimates(b_v=others)[20:], together[20:], **tolerance)
    assert (estimates(b_v=others)[:20] != together[:20]).all()
    monkeypatch.setattr(threads, "TASKS", 0)
    np.testing.assert_array_equal(estimates(n_jobs=2), together)
    monkeypatch.setattr(ais, "BLOCK_CHAINS", 100)
    np.testing.assert_allclose(estimates(), together, **tolerance)
    assert (estimates(seed=1) != together).all()


@needs_numba
@pytest.mark.parametrize("n_visible, n_hidden", [(1, 1), (12, 9), (31, 33), (88, 150), (200, 5), (3, 2000), (161, 64)])
@pytest.mark.parametrize("scale", [0.1, 1, 5])
def test_compiled_chains_are_those_of_double_precision(n_visible, n_hidden, scale):
    """Chain by chain, given the same random numbers: but for the few that rounding carries to another state."""
    params = rows_of_parameters(3, scale, n_visible, n_hidden)
    shared = Bernoulli(), np.linspace(0, 1, 13), 7, ais.Draw(0, "ais")

    def log_w(dtype, engine):
        W, b_v, b_h, base = (p.astype(dtype) for p in params.values())
        units, betas, *more = shared
        return ais._log_weights(W, b_v, b_h, base, units, betas.astype(dtype), *more, engine, lambda n: None)

    compiled, double = log_w("float32", named("numba")), log_w("float64", HashedEngine())
    size = abs(double).max() + n_hidden
    close = abs(compiled - double) < 1e-6 * size
    assert close.mean() > 0.9
    other = log_w("float64", Engine())  # control: other random numbers
    assert (abs(other - double) < 1e-6 * size).mean() < 0.6


def test_results_depend_on_the_seed_alone():
    params = parameters()
    estimate = ais.log_partition(*params, n_chains=120, n_steps=10, random_state=3)
    assert estimate == ais.log_partition(*params, n_chains=120, n_steps=10, random_state=3, engine=Engine(2))
    assert estimate != ais.log_partition(*params, n_chains=120, n_steps=10, random_state=4)


@needs_numba
def test_single_precision_is_far_better_than_the_estimate():
    """The same random numbers in either precision: log Z differs by less than a thousandth of its standard error."""
    params = [p.astype(np.float32) for p in parameters(0.3, 40, 60)]
    settings = {"n_steps": 200, "random_state": 3}
    double, error = ais.log_partition(*[p.astype(float) for p in params], **settings, engine=HashedEngine())
    for engine in (HashedEngine(), named("numba")):
        assert 0 < abs(ais.log_partition(*params, **settings, engine=engine)[0] - double) < 1e-3 * error


@pytest.mark.parametrize(
    "settings, error, message",
    [
        ({"n_chains": 1}, ValueError, "n_chains must be at least 2"),
        ({"n_steps": 0}, ValueError, "n_steps must be at least 1"),
        ({"n_steps": 1.5}, TypeError, "n_steps must be an integer"),
        ({"random_state": "seed"}, TypeError, "random_state must be"),
        ({"base_b_v": np.zeros(9)}, ValueError, r"base_b_v must have the shape \(12,\) or \(n_rows, 12\) .*\(9,\)"),
        ({"b_v": np.zeros((4, 11))}, ValueError, r"b_v must have the shape \(12,\) .*\(12, 9\), got \(4, 11\)"),
        ({"b_h": np.zeros((0, 9))}, ValueError, r"b_h must have the shape .*, got \(0, 9\)"),
        ({"b_h": np.zeros((2, 3, 9))}, ValueError, r"b_h must have the shape .*, got \(2, 3, 9\)"),
        ({"b_h": 1.0}, ValueError, r"b_h must have the shape .*, got \(\)"),
        ({"W": np.zeros(12)}, ValueError, r"W must have the shape \(n_visible, n_hidden\), got \(12,\)"),
        (
            {"b_h": np.zeros((4, 9)), "base_b_v": np.zeros((5, 12))},
            ValueError,
            "the same number of rows, or one for all .*got 4 in b_h, 5 in base_b_v",
        ),
    ],
)
def test_bad_settings(settings, error, message):
    with pytest.raises(error, match=message):
        ais.log_partition(**(dict(zip(("W", "b_v", "b_h"), parameters())) | settings))
