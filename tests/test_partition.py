"""log Z between bounds: against enumeration, against models whose log Z is known by construction; warnings."""

import os
import tracemalloc
import warnings
from math import comb

import numpy as np
import pytest
from helpers import every_engine, needs_numba

from experiments.likelihoods import BED, samples
import rtrbm.models.rbm
from rtrbm import RBM, RTRBM
from rtrbm.biases import Biases
from rtrbm.compute.engine import named
from rtrbm.datasets import piano_rolls
from rtrbm.estimators import scored
from rtrbm.estimators.likelihoods import WIDE, Scores, warn_of_doubts
from rtrbm.functions import sigmoid
from rtrbm.rbm import Bernoulli, Gaussian, Poisson, Softmax, ais, exact, partition
from rtrbm.rbm.attractors import attractors
from rtrbm.rbm.conditionals import free_energy
from rtrbm.rbm.partition import log_partition

DATA = os.environ.get("RTRBM_DATA")
needs_data = pytest.mark.skipif(not DATA, reason="RTRBM_DATA does not name a folder of real data")


def parameters(scale, n_rows=1, n_visible=20, n_hidden=16, seed=0, dtype="float64"):
    rng = np.random.default_rng(seed)
    shapes = (n_visible, n_hidden), (n_rows, n_visible), (n_rows, n_hidden)
    return [(scale * rng.standard_normal(shape)).astype(dtype) for shape in shapes]


def inside(found, log_z):
    return (found.lower <= log_z) & (log_z <= found.upper)


# Against enumeration


@every_engine
def test_the_truth_is_between_the_bounds_of_random_models(engine):
    """96 models with 16 hidden units, of scales 0.1 to 3. Control: bounds without their margins."""
    within, bare, widths = [], [], []
    for seed, scale in enumerate(np.geomspace(0.1, 3, 96)):
        W, b_v, b_h = parameters(scale, seed=seed, dtype="float32")
        found = log_partition(W, b_v[0], b_h, method="ais", random_state=0, engine=named(engine))
        log_z = exact.log_partition(W, b_v[0], b_h)
        within.append(inside(found, log_z)[0])
        bare.append((found.low <= log_z)[0] and (log_z <= found.high)[0])
        widths.append((found.upper - found.lower)[0])
    assert np.mean(within) >= 0.95 > np.mean(bare)
    assert np.median(widths) < 0.3 and np.quantile(widths, 0.95) < 1.5


@pytest.mark.parametrize(
    "units, scale", [(Gaussian(), 0.3), (Poisson(), 0.5), (Softmax(), 0.7), (Softmax((8, 5, 7)), 0.7)], ids=repr
)
def test_the_truth_is_between_the_bounds_for_all_units(units, scale):
    W, b_v, b_h = parameters(scale, 40, n_hidden=10)
    W = -abs(W) if isinstance(units, Poisson) else W
    found, log_z = (log_partition(W, b_v, b_h, units, method=m, random_state=0) for m in ("ais", "exact"))
    assert inside(found, log_z.log_z).mean() >= 0.95
    # standard errors of 16 chains are estimates themselves; control: they are no z-scores of other models
    z = (found.log_z - log_z.log_z) / found.standard_error
    assert 0.6 < np.sqrt(np.square(z).mean()) < 1.6
    other = exact.log_partition(W, b_v, b_h + 0.5, units)
    assert np.sqrt(np.square((found.log_z - other) / found.standard_error).mean()) > 3


def test_auto_is_exact_where_that_is_cheap():
    W, b_v, b_h = parameters(0.5, 30, 40, 10)
    found = log_partition(W, b_v, b_h)
    np.testing.assert_array_equal(found.log_z, exact.log_partition(W, b_v, b_h))
    assert not found.standard_error.any() and (found.lower == found.upper).all() and np.isinf(found.effective).all()
    W, b_v, b_h = parameters(0.1, 2, 40, 26)
    assert np.isfinite(log_partition(W, b_v, b_h, n_chains=2, n_steps=2, random_state=0).effective).all()
    with pytest.raises(ValueError, match="n_visible, n_hidden. <= 25"):
        log_partition(W, b_v, b_h, method="exact")


@pytest.mark.parametrize("units", [Bernoulli(), Gaussian(), Softmax()], ids=repr)
@pytest.mark.parametrize("scale", [0.5, 30])
def test_one_sum_over_visible_units_serves_all_rows(units, scale):
    """One row of visible biases, against a row for each; large scales take logarithms one by one."""
    W, b_v, b_h = parameters(scale, 7, 30, 11, seed=2)
    shared = exact.log_partition(W, b_v[0], b_h, units)
    np.testing.assert_allclose(shared, exact.log_partition(W, b_v[:1].repeat(7, 0), b_h, units), rtol=1e-12)
    assert (abs(shared - exact.log_partition(W, b_v[1], b_h, units)) > 1e-3).all()


# Models whose log Z is known by construction


@pytest.mark.parametrize("name", BED)
@pytest.mark.parametrize("with_data", [False, True])
def test_bed_of_models_with_many_modes(name, with_data):
    """The bounds hold the truth, or are so wide that a warning says so."""
    *params, log_z = BED[name]
    data = samples(*params, 200, np.random.default_rng(0)) if with_data else None
    found = log_partition(*params, method="ais", n_chains=64, random_state=0, data=data)
    assert inside(found, log_z)[0] or found.upper[0] - found.lower[0] > WIDE


def together(w, n, b, b_v):
    """n hidden units of weights w and bias b, beside n of weights -w that are off; and log Z."""
    W, b_h = np.concatenate([np.tile(w, (n, 1)), np.tile(-w, (n, 1))]).T, np.repeat([b, -1000.0], n)
    terms = [np.log(comb(n, k)) + k * b + np.logaddexp(0, b_v + k * w).sum() for k in range(n + 1)]
    return (W, b_v, b_h), np.logaddexp.reduce(terms)


def calling(n, odds):
    """A model of `together` whose hidden units call for a pattern, with these odds, and few of them do not."""
    pattern = np.where(np.random.default_rng(0).random(60) < 0.5, -1.0, 1.0)
    w = 4.5 / n * pattern
    on = [np.logaddexp(0, k * w).sum() - 60 * np.log(2) for k in range(n + 1)]
    b = (np.log(odds) - on[-1]) / n
    assert on[n // 2] + n // 2 * b < -5  # half of the units do not suffice
    return pattern, *together(w, n, b, np.zeros(60))


def showing(pattern, is_shown, rng):
    """Binary rows, some of which show a pattern."""
    p = np.where(np.asarray(is_shown)[:, None], sigmoid(4.5 * pattern), 0.5)
    return (rng.random(p.shape) < p).astype(float)


@pytest.mark.parametrize("share, seed", [(0.5, 2), (0.02, 7), (0.02, 8)])
def test_a_mode_in_a_few_rows_of_the_data_is_seen(share, seed):
    """Control: the rows without it."""
    pattern, (W, b_v, b_h), log_z = calling(12, 1)
    model = RBM.from_params({"W": W, "b_v": b_v, "b_h": b_h}, random_state=0, n_jobs=1)
    rng = np.random.default_rng(seed)
    is_shown = rng.random(1000) < share
    assert is_shown.sum() > 10
    X = showing(pattern, is_shown, rng)
    for rows, is_right in ((X, True), (X[~is_shown], False)):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # bounds may be far apart
            found = model.likelihood(rows)
        truth = -free_energy(rows, W, b_v, b_h).mean() - log_z
        assert (found.lower - 1e-4 <= truth <= found.upper + 1e-4) == is_right


@pytest.mark.parametrize("odds", [1, 10])
def test_modes_of_other_frames_are_seen(odds, monkeypatch):
    """Half of the frames are in a mode that the RBMs of all frames have. Control: without frames in common."""
    pattern, (W, b_v, b_h), _ = calling(12, odds)
    rng = np.random.default_rng(3)
    b_h[12:] = -60
    U = 0.02 * rng.standard_normal((24, 24))
    model = RTRBM.from_params({"W": W, "U": U, "b_v": b_v, "b_h": b_h, "b_init": np.zeros(24)}, random_state=0)
    X = [showing(pattern, rng.random(n) < 0.5, rng) for n in (12, 8, 1, 9)]
    exactly = RTRBM.from_params(  # without the units that are off
        {"W": W[:, :12], "U": U[:12, :12], "b_v": b_v, "b_h": b_h[:12], "b_init": np.zeros(12)}
    ).score_samples(X, "exact")
    truth, n_inside = np.concatenate(exactly), []
    for frames in (scored._some_frames, lambda X: X[0][:0]):
        monkeypatch.setattr(scored, "_some_frames", frames)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # bounds may be far apart
            _, low, high = map(np.concatenate, model.score_samples(X, "ais", return_bracket=True))
        n_inside.append(np.count_nonzero((low - 1e-3 <= truth) & (truth <= high + 1e-3)))
    assert n_inside[0] == 30 > n_inside[1]


@pytest.mark.parametrize("mean", [20.0, 300.0])
def test_where_gaussian_units_are_does_not_matter(mean):
    """The same RBM about another mean, its hidden biases moved back: log P is the same."""
    rng = np.random.default_rng(8)
    W, X = 0.6 * rng.standard_normal((27, 27)), rng.standard_normal((20, 27))
    found = []
    for at in (0.0, mean):
        params = {"W": W, "b_v": at + np.zeros(27), "b_h": -at * W.sum(axis=0)}
        model = RBM.from_params(params, visible="gaussian", random_state=0)
        found.append(model.likelihood(at + X, method="ais")[:4])
    assert np.allclose(*found, atol=0.01)


@pytest.mark.parametrize("n, is_seen", [(3, True), (12, False)])
def test_a_mode_that_no_chain_comes_to_is_not_seen(n, is_seen):
    """Hidden units together call for a pattern, few of them do not. With the pattern as data it shows."""
    pattern, params, log_z = calling(n, 10)
    unseen, seen = (
        log_partition(*params, method="ais", random_state=0, data=data)
        for data in (np.full((1, 60), 0.5), (pattern > 0).astype(float)[None])
    )
    assert (inside(unseen, log_z)[0] or unseen.upper[0] - unseen.lower[0] > WIDE) == is_seen
    assert inside(seen, log_z)[0] or seen.upper[0] - seen.lower[0] > WIDE


@pytest.mark.parametrize("units", [Bernoulli(), Gaussian(), Poisson(), Softmax((4, 5))], ids=lambda units: units.name)
@pytest.mark.parametrize("scale", [0.3, 1.0, 3.0])
def test_mean_field_equations_never_say_too_much(units, scale):
    """Each row by itself; the bound of units that nearly all are on or off is log Z."""
    W, b_v, b_h = parameters(scale * (0.2 if units.name == "poisson" else 1), 6, 9, 7)
    rng = np.random.default_rng(0)
    data, common = rng.integers(0, 2, (6, 2, 9)).astype(float), rng.integers(0, 2, (3, 9)).astype(float)
    bound, v, known = attractors(W, Biases(b_v, b_h), units, data, common)
    log_z = exact.log_partition(W, b_v, b_h, units)
    assert (np.diff(bound, axis=1) <= 0).all() and (bound[:, 0] <= known).all()
    assert (known <= log_z + 1e-9).all() and (log_z - known < 1.5).all()
    assert v.shape == (*bound.shape, 9)
    for i in (0, 5):
        own = attractors(W, Biases(b_v[i : i + 1], b_h[i : i + 1]), units, data[i : i + 1], common)
        for part, whole in zip(own, (bound, v, known)):
            np.testing.assert_allclose(part[0], whole[i], rtol=1e-9, atol=1e-9)
    sure = attractors(0 * W, Biases(b_v, 50 * np.sign(b_h)), units, data)[2]
    np.testing.assert_allclose(sure, exact.log_partition(0 * W, b_v, 50 * np.sign(b_h), units), rtol=1e-12)


def far_modes(kind):
    """A model with a mode that neither noise nor the data come to; log Z; data."""
    rng = np.random.default_rng(0)
    if kind == "gaussian":
        return (np.full((3, 1), 6.0), np.zeros(3), np.array([-49.0])), Gaussian(), rng.standard_normal((8, 3))
    if kind == "poisson":
        b_h = np.array([-5 * (np.exp(2) - 1) + 3])
        return (np.full((5, 1), 2.0), np.zeros(5), b_h), Poisson(), rng.poisson(1, (8, 5)).astype(float)
    W, b_h = np.zeros((5, 20)), np.zeros(20)
    W[:, 0], b_h[0] = 5, -57.5  # beside units that do nothing
    return (W, np.zeros(5), b_h), Gaussian(), rng.standard_normal((8, 5))


@pytest.mark.parametrize("kind", ["gaussian", "poisson", "idle"])
@pytest.mark.parametrize("in_rows", [False, True])
def test_modes_far_from_noise_and_data(kind, in_rows, monkeypatch):
    """Control: without the mean-field equations the bounds agree, far from the truth."""
    (W, b_v, b_h), units, data = far_modes(kind)
    log_z = exact.log_partition(W, b_v, b_h, units)
    biases = (np.tile(b_v, (8, 1)), b_h) if in_rows else (b_v, b_h)
    settings = {"method": "ais", "random_state": 0, "data": data, "n_chains": 128}
    found = log_partition(W, *biases, units, **settings)
    assert inside(found, log_z).all() or (found.upper - found.lower > WIDE).all()
    assert np.abs(found.log_z - log_z).max() < 1
    monkeypatch.setattr(partition, "_with_attractors", lambda found, *_: found)
    alone = log_partition(W, *biases, units, **settings)
    assert (alone.upper < log_z - 2).all() and (alone.upper - alone.lower < WIDE).all()


def test_an_estimate_of_log_z_has_its_warning():
    """Four patterns of strength 3, three Gaussian hidden units each."""
    rng = np.random.default_rng(5)
    patterns = 3.0 * (rng.random((4, 16)) < 0.5)
    W, b_h = np.repeat(patterns.T / 3, 3, axis=1), np.repeat(-np.square(patterns).sum(axis=1) / 6, 3)
    model = RBM.from_params({"W": W, "b_v": np.zeros(16), "b_h": b_h}, visible="gaussian", random_state=0)
    exactly = model.log_partition(method="exact")[0]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        log_z, error = model.log_partition(method="ais")
    assert abs(log_z - exactly) < 4 * error or "log Z is not known well" in str(caught[0].message)
    X = rng.standard_normal((5, 16))
    np.testing.assert_array_equal(model.log_likelihood(X, "exact"), model.score_samples(X, "exact"))


def test_too_few_temperatures_show():
    W, b_v, b_h = parameters(1.5, 30, 60, 16)
    W, b_v = 2 * W, -W.sum(axis=1)
    few, many = (log_partition(W, b_v, b_h, method="ais", n_steps=n, random_state=0) for n in (2, 1000))
    assert np.median(few.upper - few.lower) > 3 * np.median(many.upper - many.lower)
    assert few.effective.mean() < 8 < many.effective.mean()
    assert few.low.mean() < exact.log_partition(W, b_v, b_h).mean() < few.high.mean()


def test_rows_with_bounds_apart_take_more_temperatures(monkeypatch):
    W, b_v, b_h = parameters(3.0, 30, 40)
    b_h[:15] -= 1000  # hidden units that are off: independent visible units, for which one step is enough
    made, weights = [], ais.log_weights

    def counted(*arguments, **settings):
        made.append((len(arguments[5]), len(arguments[3]) - 1))
        return weights(*arguments, **settings)

    monkeypatch.setattr(ais, "log_weights", counted)
    found = log_partition(W, b_v, b_h, method="ais", random_state=0)
    assert made[:6] == [(30, 64)] * 6  # two first runs: up, down, down from the data
    assert 10 <= made[6][0] < 30 and made[6][1] == 64 and made[9][1] == 256
    apart = found.high - found.low
    assert abs(np.median(apart[:15])) < 0.03 and apart[15:].max() > 0.1


# Rows


@every_engine
def test_a_row_does_not_depend_on_the_others(engine, monkeypatch):
    W, b_v, b_h = parameters(1.0, 20, dtype="float32")
    settings = {"method": "ais", "random_state": 0, "engine": named(engine), "n_steps": 20}
    together = log_partition(W, b_v, b_h, **settings)
    tolerance = {"rtol": 1e-6 if engine == "numba" else 1e-5}  # numpy's products give the means
    for part in (slice(0, 5), slice(7, 9)):
        alone = log_partition(W, b_v[part], b_h[part], first=part.start, **settings)
        np.testing.assert_allclose(alone.log_z, together.log_z[part], **tolerance)
    monkeypatch.setattr(partition, "BLOCK_CHAINS", 50)
    np.testing.assert_allclose(log_partition(W, b_v, b_h, **settings).log_z, together.log_z, **tolerance)
    assert (log_partition(W, b_v, b_h, **settings | {"random_state": 1}).log_z != together.log_z).all()


def test_rows_are_estimated_some_at_a_time(monkeypatch):
    """So that memory does not grow with their number; the same, but for rounding."""
    W, b_v, b_h = parameters(1.5, 12, seed=3)
    b_v[5:8], b_h[5:8] = b_v[0], b_h[0]
    data = np.random.default_rng(1).integers(0, 2, b_v.shape).astype(float)
    for given in None, data:
        whole, sizes = log_partition(W, b_v, b_h, method="ais", data=given, random_state=0), []
        attract = partition.attractors
        with monkeypatch.context() as patched:
            patched.setattr(partition, "NUMBERS", 4 * partition.N_CHAINS * len(W))
            patched.setattr(partition, "attractors", lambda W, b, *more: sizes.append(len(b.v)) or attract(W, b, *more))
            parts = log_partition(W, b_v, b_h, method="ais", data=given, random_state=0)
        assert sizes == [4, 4, 1]
        for a, b in zip(parts, whole, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-9)


def test_temperatures_and_chains_must_fit_into_memory():
    model = RTRBM(30, n_updates=1).fit(np.zeros((1, 2, 40)))
    for wrong in {"n_steps": 10**13}, {"n_chains": 10**12}:
        ((name, value),) = wrong.items()
        with pytest.raises(ValueError, match=f"{name}={value} .* would take"):
            model.likelihood(np.zeros((1, 2, 40)), **wrong)
    with pytest.raises(ValueError, match="method='exact' needs min.* <= 25, .*: take method='ais'"):
        model.likelihood(np.zeros((1, 2, 40)), method="exact")


def test_rows_of_equal_biases_are_estimated_once(monkeypatch):
    W, b_v, b_h = parameters(1.0, 3)
    rows = np.array([2, 0, 2, 1, 0, 2])
    settings = {"method": "ais", "random_state": 0, "n_steps": 10}
    data = np.arange(6.0)[:, None] * np.ones(20) / 6
    seen = []

    def remembered(self, rows, n_steps, run, shares, count=None):
        seen.append((self.numbers[rows], self.data[rows]))
        return np.full((1, 7, len(rows)), 1e9)  # no mode is missed

    monkeypatch.setattr(partition._Annealed, "of", remembered)
    found = log_partition(W, b_v[rows], b_h[rows], data=data, **settings)
    np.testing.assert_array_equal(found.group, [0, 1, 0, 2, 1, 0])
    [(numbers, frames)] = seen
    np.testing.assert_array_equal(numbers, [0, 1, 3])
    assert frames.shape == (3, 3, 20)
    assert (
        set(frames[0, :, 0] * 6) == {0, 2, 5} and set(frames[1, :, 0] * 6) == {1, 4} and set(frames[2, :, 0] * 6) == {3}
    )


# The parts


def test_bennett_finds_the_ratio_of_two_normal_densities():
    """Work of normal law: mean L - s^2 / 2 up and L + s^2 / 2 down. Control: the wrong sign of what falls."""
    rng, s, true = np.random.default_rng(0), 1.5, 3.0
    rising, falling = (true + sign * s**2 / 2 + s * rng.standard_normal((2000, 40)) for sign in (-1, 1))
    once = np.ones((2, 1, 40))
    found = partition._bennett(rising, falling, once)[0]
    assert abs(found.mean() - true) < 4 * found.std() / np.sqrt(2000) + 0.01  # its bias is of order 1 / 40
    assert abs(partition._bennett(rising, rising, once)[0].mean() - true) > 0.5


def test_chains_go_on_as_often_as_their_weights_say():
    log_w = np.log([[1.0, 2, 4, 1], [1, 1, 1, 1]]) + [[700], [-700]]
    np.testing.assert_array_equal(np.bincount(partition._resampled(log_w), minlength=8), [1, 0, 2, 1, 1, 1, 1, 1])
    assert partition._effective(log_w) == pytest.approx([64 / 22, 4])


@pytest.mark.parametrize(
    "settings, error, message",
    [
        ({"method": "exakt"}, ValueError, "method must be one of 'auto', 'exact', 'ais'"),
        ({"n_chains": 1}, ValueError, "n_chains must be at least 2"),
        ({"n_steps": 0}, ValueError, "n_steps must be at least 1"),
        ({"n_steps": 1.5}, TypeError, "n_steps must be an integer"),
        ({"random_state": "seed"}, TypeError, "random_state must be"),
        ({"b_v": np.zeros((4, 11))}, ValueError, r"b_v must have the shape \(12,\) .*\(12, 9\), got \(4, 11\)"),
        ({"b_h": np.zeros((0, 9))}, ValueError, r"b_h must have the shape .*, got \(0, 9\)"),
        ({"b_h": np.zeros((2, 3, 9))}, ValueError, r"b_h must have the shape .*, got \(2, 3, 9\)"),
        ({"b_h": 1.0}, ValueError, r"b_h must have the shape .*, got \(\)"),
        ({"W": np.zeros(12)}, ValueError, r"W must have the shape \(n_visible, n_hidden\), got \(12,\)"),
        (
            {"b_h": np.zeros((4, 9)), "b_v": np.zeros((5, 12))},
            ValueError,
            "the same number of rows, or one for all .*got 5 in b_v, 4 in b_h",
        ),
    ],
)
def test_bad_settings(settings, error, message):
    given = {"W": np.zeros((12, 9)), "b_v": np.zeros(12), "b_h": np.zeros(9)}
    with pytest.raises(error, match=message):
        log_partition(**(given | settings))


# The verbs


def model(scale=1.0, n_visible=8, n_hidden=6, seed=0, kind=RTRBM, **settings):
    rng = np.random.default_rng(seed)
    sizes = {"W": (n_visible, n_hidden), "U": (n_hidden, n_hidden), "b_v": n_visible, "b_h": n_hidden}
    sizes |= {"b_init": n_hidden}
    if kind is RBM:
        sizes = {name: sizes[name] for name in ("W", "b_v", "b_h")}
    params = {name: scale * rng.standard_normal(size) for name, size in sizes.items()}
    return kind.from_params(params, **{"dtype": "float64", "random_state": 0} | settings)


def sequences(lengths=(5, 1, 4), n=8, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.integers(0, 2, (length, n)).astype(float) for length in lengths]


def test_verbs_agree_with_each_other():
    """score_samples in the form of X; log_likelihood its sums; likelihood its pooled mean."""
    m, X = model(), sequences()
    for method in ("exact", "ais"):
        frames, lower, upper = m.score_samples(X, method, return_bracket=True)
        assert [len(f) for f in frames] == [5, 1, 4]
        np.testing.assert_allclose(m.log_likelihood(X, method), [f.sum() for f in frames], rtol=1e-12)
        found = m.likelihood(X, method)
        assert found.nats == pytest.approx(np.concatenate(frames).mean()) and found.n_frames == 10
        assert found.method == method and found.lower <= found.nats <= found.upper
        assert all((a <= b).all() and (b <= c).all() for a, b, c in zip(lower, frames, upper))
        assert (found.upper - found.lower > 0) == (method == "ais") == (found.standard_error > 0)
        assert str(found).startswith(f"{found.nats:.3f} nats a frame")
    np.testing.assert_array_equal(m.likelihood(X, "ais"), m.likelihood(X, "ais"))
    assert m.likelihood(X, "ais", 1) != m.likelihood(X, "ais", 2)
    array = np.array(sequences((4, 4)))
    assert m.score_samples(array).shape == (2, 4)
    np.testing.assert_allclose(m.score_samples(array)[1], m.score_samples([array[1]])[0], rtol=1e-12)


def test_frames_of_sequences_are_between_their_bounds():
    X = sequences((30, 20))
    for scale in (0.3, 1, 2):
        m = model(scale, seed=1)
        _, lower, upper = m.score_samples(X, "ais", return_bracket=True)
        known = np.concatenate(m.score_samples(X, "exact"))
        within = (np.concatenate(lower) <= known) & (known <= np.concatenate(upper))
        assert within.mean() >= 0.95
        pooled = m.likelihood(X, "ais")
        assert pooled.lower <= known.mean() <= pooled.upper and pooled.upper - pooled.lower < 0.2
        assert not pooled.lower <= known.mean() + 0.2 <= pooled.upper  # control


def test_chains_count_where_there_are_some():
    """Groups of sequences of which some are summed exactly."""
    values = np.zeros((3, len(Scores._fields)))
    values[:, Scores._fields.index("effective")] = [np.inf, 4.0, 6.0]
    values[:, -1] = range(3)
    found = Scores(*values.T).mean()
    assert (found.method, found.effective) == ("ais", 5.0)


def test_the_static_rbm_has_one_log_z():
    """An error of log Z shifts all rows alike, and does not average out."""
    m, X = model(kind=RBM), np.concatenate(sequences((30,)))
    few = m.likelihood(X[:2], "ais"), m.likelihood(X, "ais")
    assert few[0].standard_error == pytest.approx(few[1].standard_error, rel=0.9)
    assert few[1].standard_error > 0.3 * few[0].standard_error
    assert m.score(X) == m.likelihood(X).nats
    log_z, error = m.log_partition(method="ais", X=X)
    assert abs(log_z - m.log_partition()[0]) < 5 * error and m.log_partition()[1] == 0


@pytest.mark.parametrize("kind", [RTRBM, RBM])
def test_wide_bounds_are_warned_of(kind):
    strong = model(4.0, 30, 20, kind=kind)
    X = sequences((3,), 30) if kind is RTRBM else sequences((3,), 30)[0]
    with pytest.warns(UserWarning, match="log Z is not known well: .*n_steps="):
        strong.likelihood(X, "ais", n_steps=2)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model(1.0, kind=kind).likelihood(sequences((3,)) if kind is RTRBM else sequences((3,))[0], "ais")


def test_a_probability_above_one_is_warned_of(monkeypatch):
    """Twelve hidden units together call for a pattern. Control: chains that start at rows without it."""
    pattern = np.repeat([1.0, 0.0], 60)
    (W, b_v, b_h), log_z = together((5 * pattern - 2.5) / 4, 12, -7.5, np.where(pattern, -5.5, -2.0))
    model = RBM.from_params({"W": W, "b_v": b_v, "b_h": b_h}, random_state=0)
    X = np.zeros((100, 120))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.likelihood(X, "ais")  # control
        model.likelihood(pattern[None], "ais")  # where chains do start
        X[1] = pattern
        truth = -free_energy(pattern[None], W, b_v, b_h)[0] - log_z
        assert -10 < truth < 0
        with pytest.warns(UserWarning, match="log Z is not known well"):
            _, lower, upper = model.score_samples(X, "ais", return_bracket=True)
        assert lower[1] < truth < upper[1]
        monkeypatch.setattr(rtrbm.models.rbm, "rows_of_data", lambda _: np.arange(2, 18))
        with pytest.warns(UserWarning, match="log Z is too low: 1 of 100 rows would have a probability above 1"):
            assert model.score_samples(X, "ais")[1] > 10
        log_p = np.array([0.5, -1.0])
        density = Scores(*(8 * [np.zeros(2)]))._replace(log_p=log_p, low=log_p, high=log_p)
        warn_of_doubts(density, "rows", has_density=True)
        with pytest.warns(UserWarning, match="log Z is too low"):
            warn_of_doubts(density, "rows", has_density=False)
        with pytest.warns(UserWarning, match="log Z is not known well"):
            warn_of_doubts(density._replace(low=log_p + np.nan), "rows", has_density=True)


@needs_numba
def test_engines_agree():
    X = sequences((30,), 30)
    numpy, numba = (model(0.7, 30, 12, engine=e, dtype="float32").likelihood(X, "ais") for e in ("numpy", "numba"))
    assert abs(numpy.nats - numba.nats) < 4 * np.hypot(numpy.standard_error, numba.standard_error)


@needs_data
def test_bounds_of_chorales():
    """A trained model of 20 hidden units on real frames: annealed importance sampling beside enumeration."""
    train, _, test = piano_rolls(os.path.join(DATA, "polyphonic_music", "JSB_Chorales.mat"))
    trained = RTRBM(20, n_updates=60, learning_rate=0.02, n_gibbs=3, random_state=0).fit(train)
    known, found = (trained.likelihood(test[:6], method) for method in ("exact", "ais"))
    assert known.n_frames == found.n_frames > 200 and known.nats > -11
    assert found.lower <= known.nats <= found.upper and found.upper - found.lower < 0.1
    assert not found.lower <= known.nats + 0.1 <= found.upper  # control


def test_chains_are_drawn_again_in_memory_that_grows_with_their_number():
    log_w = np.random.default_rng(0).normal(0, 3, (2, 20_000))
    tracemalloc.start()
    try:
        chosen = partition._resampled(log_w).reshape(2, -1) - [[0], [20_000]]
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 10 * log_w.nbytes
    weights = np.exp(log_w - log_w.max(axis=1, keepdims=True))
    wanted = weights / weights.sum(axis=1, keepdims=True) * 20_000
    counts = np.stack([np.bincount(row, minlength=20_000) for row in chosen])
    assert (abs(counts - wanted) <= 1 + 1e-9).all() and (counts.sum(axis=1) == 20_000).all()


def test_auto_takes_one_method_for_all_calls():
    """A few rows alone are estimated; as some of many they are exact."""
    W, b_v, b_h = parameters(0.5, 3, 30, 20)
    alone = log_partition(W, b_v[0], b_h, n_chains=2, n_steps=2, random_state=0)
    assert np.isfinite(alone.effective).all()
    among = log_partition(W, b_v[0], b_h, n_rows=5000)
    np.testing.assert_array_equal(among.log_z, exact.log_partition(W, b_v[0], b_h))


def test_groups_of_sequences_have_one_method(monkeypatch):
    """The result does not depend on which sequences are in a small group."""
    monkeypatch.setattr("rtrbm.estimators.grouped.GROUP_ROWS", 64)
    rng = np.random.default_rng(0)
    params = {"W": 0.5 * rng.standard_normal((30, 20)), "U": 0.3 * rng.standard_normal((20, 20))}
    model = RTRBM.from_params({**params, "b_v": np.zeros(30), "b_h": np.zeros(20), "b_init": np.zeros(20)})
    X = [(rng.random((n, 30)) < 0.5).astype(float) for n in (2000, 4, 3)]
    found, turned = model.log_likelihood(X), model.log_likelihood(X[::-1])
    np.testing.assert_allclose(found, turned[::-1], rtol=1e-12)
    np.testing.assert_allclose(found, model.log_likelihood(X, method="exact"), rtol=1e-12)
