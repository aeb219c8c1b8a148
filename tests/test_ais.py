"""Annealed importance sampling: weights whose means are known, chains in either direction, compiled and not."""

import numpy as np
import pytest
from hashes import HashedEngine
from helpers import every_engine, needs_numba

from rtrbm.biases import Biases
from rtrbm.compute import threads
from rtrbm.compute.engine import NUMPY, Engine, named
from rtrbm.rbm import Bernoulli, Gaussian, Poisson, Softmax, ais, exact
from rtrbm.rbm.chains import Draw

KINDS = [Bernoulli(), Gaussian(), Poisson(), Softmax((4, 3, 5))]
N_ROWS = 400


def rows_of_parameters(n_rows, scale, n_visible=12, n_hidden=9, dtype="float32", seed=0, units=None):
    """W, and a path whose ends have rows of random inputs; for Poisson units weights that let no rate explode."""
    rng = np.random.default_rng(seed)
    W = scale * rng.standard_normal((n_visible, n_hidden))
    if isinstance(units, Poisson):
        W = -abs(W)
    inputs = (scale * rng.standard_normal((n_rows, n)) for n in (n_visible, n_visible, n_hidden, n_hidden))
    return W.astype(dtype), ais.Path(*(a.astype(dtype) for a in inputs))


def biases_of(path):
    return path.base_v + path.rise_v, path.base_h + path.rise_h


def samples(W, b_v, b_h, units, n, rng):
    """Exact samples of v for each row of biases, by way of all hidden states: (n_rows, n, n_visible)."""
    states = exact._codes(0, 2 ** W.shape[1], W.shape[1])
    log_p = exact._log_weights(states, *(a.astype(float) for a in (W, b_v, b_h)), units)
    p = np.exp(log_p - np.logaddexp.reduce(log_p, axis=1)[:, None])
    h = np.array([states[rng.choice(len(states), n, p=row)] for row in p])
    return units.draw(units.mean(h @ W.T + b_v[:, None]), rng).astype(W.dtype)


def z_score(x):
    return (x.mean() - 1) / (x.std(ddof=1) / np.sqrt(len(x)))


@every_engine
@pytest.mark.parametrize("units", KINDS, ids=repr)
def test_weights_have_the_means_that_theory_says(units, engine):
    """Up: the mean of w is Z / Z_0. Down, from exact samples, Z_0 / Z. Controls: another Z; other starts."""
    W, path = rows_of_parameters(N_ROWS, 0.4, 6, 4, units=units if not isinstance(units, Softmax) else None)
    units = Softmax((4, 2)) if isinstance(units, Softmax) else units
    b_v, b_h = biases_of(path)
    log_ratio = exact.log_partition(W, b_v, b_h, units) - path.log_z0(units)
    betas, numbers, draw = np.linspace(0, 1, 5), np.arange(N_ROWS), Draw(0, "ais")

    def means(betas, start, sign):
        log_w, _ = ais.log_weights(W, path, units, betas, 8, numbers, draw, named(engine), start)
        return np.exp(log_w.reshape(N_ROWS, 8) - sign * log_ratio[:, None]).mean(axis=1)

    start = samples(W, b_v, b_h, units, 8, np.random.default_rng(1))
    up, down = means(betas, None, 1), means(betas[::-1], start.reshape(-1, 6), -1)
    assert abs(z_score(up)) < 4 and abs(z_score(down)) < 4
    assert abs(z_score(up * np.exp(0.3))) > 4
    wrong = samples(W, -b_v, -b_h, units, 8, np.random.default_rng(1)).reshape(-1, 6)
    assert abs(z_score(means(betas[::-1], wrong, -1))) > 4


@every_engine
def test_chains_end_with_samples_of_the_model(engine):
    """After many temperatures, of a weak model; control: the samples of the base."""
    W, path = rows_of_parameters(1, 0.5, 5, 4)
    b_v, b_h = biases_of(path)
    v = ais.log_weights(W, path, Bernoulli(), np.linspace(0, 1, 31), 4000, np.arange(1), Draw(0, "ais"), named(engine))[
        1
    ]
    known = exact.averages(W, b_v, b_h).v[0]
    z = (v.mean(axis=0) - known) / np.sqrt(known * (1 - known) / len(v))
    assert abs(z).max() < 4
    base = 1 / (1 + np.exp(-path.base_v[0]))
    assert abs((base - known) / np.sqrt(known * (1 - known) / len(v))).max() > 4


@every_engine
@pytest.mark.parametrize("units", KINDS, ids=repr)
def test_a_path_begins_with_the_models_means(units, engine):
    W, path = rows_of_parameters(50, 0.4, dtype="float32", units=units)
    biases = Biases(*biases_of(path))
    [found] = ais.paths_from_means(
        W, biases, units, biases.v[:, None] > 0, np.arange(50), Draw(0, "ais"), named(engine)
    )
    for base, rise, bias in ((found.base_v, found.rise_v, biases.v), (found.base_h, found.rise_h, biases.h)):
        np.testing.assert_allclose(base + rise, bias, rtol=1e-5, atol=1e-5)
    known = exact.averages(W, *biases, units)
    far = np.sqrt(np.square(1 / (1 + np.exp(-found.base_h)) - known.h).mean())
    alone = np.sqrt(np.square(1 / (1 + np.exp(-biases.h)) - known.h).mean())
    assert far < 0.06 and alone > 2 * far  # 16 chains: at most 1 / (2 sqrt(16)) times the spread of P(h | v)
    if units.name == "bernoulli":
        assert np.sqrt(np.square(1 / (1 + np.exp(-found.base_v)) - known.v).mean()) < 0.06


def test_half_of_the_chains_that_give_the_means_start_from_data():
    """Two modes that no chain leaves, half of the chains from noise in each: with data in one, 12 of 16 are there."""
    W = np.array([[20.0], [20.0]])
    biases = Biases(np.full((50, 2), -10.0), np.full((50, 1), -20.0))
    for value, share in ((0, 0.25), (1, 0.75)):
        data = np.full((50, 1, 2), value)
        [path] = ais.paths_from_means(W, biases, Bernoulli(), data, np.arange(50), Draw(0, "ais"), NUMPY)
        on = 1 / (1 + np.exp(-path.base_h))
        assert on.mean() == pytest.approx(share, abs=4 * 0.5 / np.sqrt(50 * 8))


@every_engine
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("n_hidden", [9, 2000])
def test_large_weights_do_not_overflow(n_hidden, dtype, engine):
    W, path = rows_of_parameters(2, 1e4, n_hidden=n_hidden, dtype=dtype)
    these = np.linspace(0, 1, 11), 4, np.arange(2), Draw(0, "ais"), named(engine)
    assert np.isfinite(ais.log_weights(W, path, Bernoulli(), *these)[0]).all()


@every_engine
@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("which", ["W", *ais.Path._fields])
def test_what_is_not_finite_shows(which, value, engine):
    W, path = rows_of_parameters(3, 0.5)
    (W if which == "W" else getattr(path, which))[1, 2] = value
    these = np.linspace(0, 1, 6), 4, np.arange(3), Draw(0, "ais"), named(engine)
    with np.errstate(invalid="ignore"):
        log_w = ais.log_weights(W, path, Bernoulli(), *these)[0].reshape(3, 4)
        finite = np.isfinite(log_w + path.log_z0(Bernoulli())[:, None]).all(axis=1)
    assert not finite[1] and (which == "W" or finite[[0, 2]].all())


@every_engine
@pytest.mark.parametrize("units", KINDS, ids=repr)
@pytest.mark.parametrize("down", [False, True])
def test_a_row_does_not_depend_on_the_others(units, engine, down, monkeypatch):
    """Neither on their values, nor on their number, nor on threads."""
    W, path = rows_of_parameters(60, 0.5, units=units, dtype="float64" if engine == "numpy" else "float32")
    start = samples(W, *biases_of(path), units, 10, np.random.default_rng(0)) if down else None
    betas = np.linspace(1, 0, 11) if down else np.linspace(0, 1, 11)

    def weights(rows, n_jobs=None, seed=0, path=path):
        first = None if start is None else start[rows].reshape(-1, 12)
        these = W, path.at(rows), units, betas, 10, rows, Draw(seed, "ais"), named(engine, n_jobs), first
        return ais.log_weights(*these)[0].reshape(-1, 10)

    rows = np.arange(60)
    together, others = weights(rows), path.base_v.copy()
    others[:20] = others[20:40]
    # numpy's products of different numbers of rows are different in their last bits
    compiled = engine == "numba" and isinstance(units, Bernoulli)
    tolerance = {"rtol": 0 if compiled else 1e-9 if engine == "numpy" else 1e-4, "atol": 0 if compiled else 1e-5}
    np.testing.assert_allclose(weights(rows[3:7]), together[3:7], **tolerance)
    changed = weights(rows, path=path._replace(base_v=others))
    np.testing.assert_allclose(changed[20:], together[20:], **tolerance)
    assert (changed[:20] != together[:20]).any(axis=1).all()
    monkeypatch.setattr(threads, "TASKS", 0)
    np.testing.assert_array_equal(weights(rows, n_jobs=2), together)
    assert (weights(rows, seed=1) != together).all()


@needs_numba
@pytest.mark.parametrize("n_visible, n_hidden", [(1, 1), (12, 9), (31, 33), (88, 150), (200, 5), (3, 2000), (161, 64)])
@pytest.mark.parametrize("scale", [0.1, 1, 5])
@pytest.mark.parametrize("down", [False, True])
def test_compiled_chains_are_those_of_double_precision(n_visible, n_hidden, scale, down):
    """Chain by chain, given the same random numbers: but for the few that rounding carries to another state."""
    W, path = rows_of_parameters(3, scale, n_visible, n_hidden, dtype="float64")
    start = np.random.default_rng(0).integers(0, 2, (21, n_visible)).astype(float) if down else None
    betas = np.linspace(1, 0, 13) if down else np.linspace(0, 1, 13)

    def weights(dtype, engine):
        arrays = W.astype(dtype), ais.Path(*(a.astype(dtype) for a in path))
        first = None if start is None else start.astype(dtype)
        return ais.log_weights(*arrays, Bernoulli(), betas, 7, np.arange(3), Draw(0, "ais"), engine, first)

    (compiled, v), (double, known) = weights("float32", named("numba")), weights("float64", HashedEngine())
    size = abs(double).max() + n_hidden
    close = (abs(compiled - double) < 1e-6 * size) & (v == known).all(axis=1)
    assert close.mean() > 0.8
    other = weights("float64", Engine())[0]  # control: other random numbers
    assert (abs(other - double) < 1e-6 * size).mean() < 0.6
