"""Forecasts and their coverage, frames that arrive one at a time, random numbers that rows have in common, bars."""

import copy
import io
import pickle
import sys
import tracemalloc
from math import erf, exp, factorial, sqrt
from types import SimpleNamespace

import numpy as np
import pytest
from helpers import (
    Z_MAX,
    binary_states,
    chi_square_z,
    independent,
    random_array,
    random_model,
    random_sequences,
    sigmoid,
    slow_predictions,
    state_codes,
    visible_distribution,
    z_scores,
)

from rtrbm import CRBM, LSTMRBM, RBM, RNNRBM, RTRBM, SRTRBM, TRBM, Stack, progress
from rtrbm.compute.engine import NUMPY
from rtrbm.compute.noise import BLOCK, INVERTED, CommonNoise
from rtrbm.evaluate import coverage
from rtrbm.rbm.chains import Draw
from rtrbm.streams import stream

MODELS = {
    "RTRBM": (RTRBM, {}),
    "RTRBM with taps": (RTRBM, dict(n_taps=2, dynamic_visible_bias=True)),
    "RTRBM without BPTT": (RTRBM, dict(bptt=False)),
    "TRBM": (TRBM, dict(n_taps=3)),
    "TRBM with BPTT": (TRBM, dict(n_taps=2, bptt=True)),
    "TRBM without a past": (TRBM, dict(without=("VV", "VH", "HH"))),
    "CRBM": (CRBM, dict(n_taps=2)),
    "RNNRBM": (RNNRBM, dict(n_recurrent=4)),
    "LSTMRBM": (LSTMRBM, dict(n_recurrent=4)),
    "SRTRBM": (SRTRBM, {}),
}
every_model = pytest.mark.parametrize("kind, settings", MODELS.values(), ids=MODELS)
LENGTHS = (4, 1, 7, 2, 2)


# ----------------------------------------------------------------------------------- one frame at a time


@every_model
@pytest.mark.parametrize("visible", ["bernoulli", "scaled_gaussian"])
def test_filter_step_is_transform(kind, settings, visible):
    """Of one stream and of several. Control: from the second frame on the past counts."""
    model = random_model(kind, 4, 3, visible=visible, **settings)
    X = random_array(5, 9, visible="gaussian" if visible == "scaled_gaussian" else visible)
    expected, state, one = model.transform(X), None, None
    frame = np.empty_like(X[:, 0])
    for t in range(9):
        frame[...] = X[:, t]  # the stream uses its array again
        h, state = model.filter_step(state, frame)
        alone, one = model.filter_step(one, X[2, t].tolist())
        assert h.shape == (5, 3) and alone.shape == (3,)
        np.testing.assert_allclose(h, expected[:, t], rtol=0, atol=1e-12)
        np.testing.assert_allclose(alone, expected[2, t], rtol=0, atol=1e-12)
    fresh, _ = model.filter_step(None, X[:, 8])
    assert (abs(fresh - h).max() > 1e-6) == (settings.get("without") is None)


@every_model
def test_the_state_is_small_and_can_be_kept(kind, settings):
    """No larger after 50 frames than after 8. It is not changed, and goes through a file."""
    model, X = random_model(kind, 4, 3, **settings), random_array(1, 50)[0]
    states = [None]
    for frame in X:
        states.append(model.filter_step(states[-1], frame)[1])
    sizes = [len(pickle.dumps(state)) for state in states[8:]]
    assert max(sizes) <= sizes[0] + 8
    again = model.filter_step(pickle.loads(pickle.dumps(states[8])), X[8])[0]
    np.testing.assert_array_equal(again, model.filter_step(states[8], X[8])[0])
    np.testing.assert_allclose(again, model.transform(X[None])[0, 8], rtol=0, atol=1e-12)


@pytest.mark.parametrize("kind", [RTRBM, SRTRBM])
def test_a_model_that_learned_on_filters_with_its_new_parameters(kind):
    model, X = kind(3, n_gibbs=1, dtype="float64", random_state=0, learning_rate=0.1), random_array(2, 5)
    _, state = model.partial_fit(X).filter_step(None, X[:, 0])
    before = model.filter_step(state, X[:, 1])[0]
    model.partial_fit(X)
    after = model.filter_step(state, X[:, 1])[0]
    assert abs(after - before).max() > 1e-6
    np.testing.assert_allclose(model.filter_step(None, X[:, 0])[0], model.transform(X)[:, 0], rtol=0, atol=1e-12)


def test_wrong_frames_and_states_are_refused():
    model, X = random_model(RTRBM, 4, 3), random_array(2, 3)
    _, state = model.filter_step(None, X[:, 0])
    other = random_model(RTRBM, 5, 3).filter_step(None, np.zeros((2, 5)))[1]
    for arguments, error, match in [
        ((X[:, 0], state), TypeError, "state must be None or what filter_step returned"),
        ((other, X[:, 0]), ValueError, "got another model's"),
        ((state, X[0, 0]), ValueError, "frame must have a row for each of 2 sequences, got 1"),
        ((None, X[:, 0, :3]), ValueError, "frame must have 4 features, got 3"),
        ((None, X), ValueError, "frame must have 2 dimensions"),
        ((None, 2 * np.ones(4)), ValueError, "frame must lie in"),
        ((None, np.full(4, np.nan)), ValueError, "frame must be finite"),
        ((None, None), TypeError, "frame must hold real numbers"),
    ]:
        with pytest.raises(error, match=match):
            model.filter_step(*arguments)
    with pytest.raises(ValueError, match="not fitted"):
        RTRBM(3).filter_step(None, X[0, 0])


# ------------------------------------------------------------------------------- forecasts: the closed form


def autoregression(n_taps=2, sd=None, seed=0):
    """A CRBM with W = 0, which is v_t = b + sum_n v_{t-n} A_n + noise, and its arrays."""
    rng = np.random.default_rng(seed)
    A = 0.4 * rng.standard_normal((n_taps, 2, 2))
    arrays = dict(W=np.zeros((2, 3)), A=A, C=rng.standard_normal((n_taps, 2, 3)), b_v=rng.standard_normal(2))
    arrays |= dict(b_h=np.zeros(3), b_init=np.zeros((n_taps, 3)), b_v_init=rng.standard_normal((n_taps, 2)))
    if sd is not None:
        arrays["units"] = np.log(sd)
    visible = "gaussian" if sd is None else "scaled_gaussian"
    return CRBM.from_params(arrays, visible=visible, random_state=0, n_jobs=1), arrays


def slow_forecast(arrays, prefix, horizon):
    """Means and standard deviations of the frames after a prefix, (horizon, 2) each: linear in independent noise."""
    sd = np.exp(arrays["units"]) if "units" in arrays else np.ones(2)
    n, frames, loadings = len(prefix), [v / sd for v in prefix], [np.zeros((2, 0))] * len(prefix)
    for t in range(n, n + horizon):
        mean = arrays["b_v"] + (arrays["b_v_init"][t] if t < len(arrays["A"]) else 0)
        on = np.zeros((2, 2 * (t - n + 1)))  # of frame t on the noise of frames n..t
        for tap, A in enumerate(arrays["A"], 1):
            if t - tap >= 0:
                mean = mean + frames[t - tap] @ A
                on[:, : loadings[t - tap].shape[1]] += A.T @ loadings[t - tap]
        on[:, -2:] += np.eye(2)
        frames.append(mean)
        loadings.append(on)
    spread = np.array([np.sqrt((on**2).sum(axis=1)) for on in loadings[n:]])
    return np.array(frames[n:]) * sd, spread * sd


def normal_cdf(z):
    return 0.5 * (1 + np.vectorize(erf)(z / sqrt(2)))


@pytest.mark.parametrize("sd", [None, (0.2, 5.0)], ids=["gaussian", "scaled"])
def test_an_autoregression_has_the_forecast_of_its_closed_form(sd):
    """Means, variances and quantiles after prefixes of several lengths, one shorter than the taps reach.

    Controls: the forecast after another prefix, and the spread of one frame ahead at every frame.
    """
    model, arrays = autoregression(sd=sd)
    prefixes, q, n = random_sequences(LENGTHS, 2, "gaussian"), (0.05, 0.5, 0.9), 3000
    ahead = model.forecast(prefixes, 4, n, q, n_gibbs=1, return_samples=True)
    assert ahead.mean.shape == (5, 4, 2) and ahead.quantiles.shape == (3, 5, 4, 2)
    assert ahead.samples.shape == ahead.means.shape == (5, n, 4, 2)
    for i, prefix in enumerate(prefixes):
        mean, spread = slow_forecast(arrays, prefix, 4)
        assert np.abs(z_scores(ahead.samples[i], mean)).max() < Z_MAX
        assert np.abs(z_scores((ahead.samples[i] - mean) ** 2, spread**2)).max() < Z_MAX
        np.testing.assert_allclose(ahead.mean[i], ahead.means[i].mean(axis=0), rtol=1e-12)
        np.testing.assert_allclose(ahead.mean[i, 0], mean[0], rtol=0, atol=1e-12)  # given h alone
        for level, quantile in zip(q, ahead.quantiles[:, i]):
            error = sqrt(level * (1 - level) / n)  # of the probability that lies below the quantile
            assert np.abs((normal_cdf((quantile - mean) / spread) - level) / error).max() < Z_MAX
            if level != 0.5:
                assert np.abs((normal_cdf((quantile - mean) / spread[0]) - level) / error)[1:].max() > Z_MAX
        other, _ = slow_forecast(arrays, prefixes[i - 1], 4)
        assert np.abs(z_scores(ahead.samples[i], other)).max() > Z_MAX


def test_coverage_of_the_right_spread_and_of_wrong_ones():
    """Data drawn by hand from the autoregression, after one long past. Controls: models that are too sure or unsure."""
    _, arrays = autoregression(sd=np.ones(2))
    rng, n, n_samples = np.random.default_rng(1), 200, 499
    prefixes = random_sequences([3] * n, 2, "gaussian")
    came = []
    for prefix in prefixes:
        frames = list(prefix)
        for _ in range(3):
            past = sum(frames[-tap] @ A for tap, A in enumerate(arrays["A"], 1))
            frames.append(arrays["b_v"] + past + rng.standard_normal(2))
        came.append(np.array(frames[3:]))

    def z(factor):
        scaled = {"units": np.full(2, np.log(factor)), "b_v": arrays["b_v"] / factor}
        model = CRBM.from_params(arrays | scaled, visible="scaled_gaussian", random_state=0, n_jobs=1)
        ahead = model.forecast(prefixes, 3, n_samples, (0.1, 0.9), n_gibbs=1)
        share, standard_error = coverage(came, *(list(bound) for bound in ahead.quantiles))
        return (share - 0.8) / sqrt(standard_error**2 + 0.8 * 0.2 / n_samples)

    assert abs(z(1.0)) < Z_MAX
    assert z(0.7) < -Z_MAX and z(1.5) > Z_MAX


def test_coverage_counts():
    """By hand, sequence by sequence, bounds included; the error is that of a ratio. Lists and arrays alike."""
    X = [np.array([[0.0, 1.0], [2.0, 3.0]]), np.array([[5.0, 1.0]])]
    low, high = [np.full(v.shape, 1.0) for v in X], [np.full(v.shape, 2.0) for v in X]
    share, error = coverage(X, low, high)
    residual = np.array([2 - 0.5 * 4, 1 - 0.5 * 2])
    assert share == 0.5 and error == pytest.approx(sqrt(2 * (residual**2).sum()) / 6)
    assert np.isnan(coverage(X[:1], low[:1], high[:1])[1])
    array = np.arange(24.0).reshape(4, 3, 2)
    share, error = coverage(array, array - 1, np.where(array < 6, array, array - 0.5))
    residual = np.array([6, 0, 0, 0]) - 6 / 4
    assert share == 0.25 and error == pytest.approx(sqrt(4 / 3 * (residual**2).sum()) / 24)
    for wrong, match in (((low[:1], high), "low must have the shape"), ((low, high[::-1]), "high must have the shape")):
        with pytest.raises(ValueError, match=match):
            coverage(X, *wrong)


# ------------------------------------------------------------------------------- forecasts: binary models


def test_the_first_frame_ahead_has_its_exact_mean():
    """After every prefix. Control: the mean after the other prefix."""
    model = random_model(RTRBM, 3, 2, scale=1.2, dynamic_visible_bias=True)
    prefixes = random_sequences((5, 2), 3)
    ahead = model.forecast(prefixes, 1, 4000, None, return_samples=True)
    assert ahead.quantiles is None
    exact = [slow_predictions(model.params_, np.concatenate([v, v[:1]]), "bernoulli")[0][-1] for v in prefixes]
    for i in range(2):
        for drawn in (ahead.samples, ahead.means):
            assert np.abs(z_scores(drawn[i, :, 0], exact[i])).max() < Z_MAX
            assert np.abs(z_scores(drawn[i, :, 0], exact[1 - i])).max() > Z_MAX


def test_without_bptt_the_hidden_states_of_the_prefix_are_drawn():
    """After one frame, where the filter is exact: sum_h P(h_1 | v_1) P(v_2 | h_1). Control: P(v_2 | r_1)."""
    model = random_model(RTRBM, 3, 2, scale=1.0, bptt=False)
    W, U, b_v, b_h, b_init = model.params_[:5]
    model.params_ = model.params_._replace(U=6 * U)
    prefix = np.array([[1.0, 0.0, 1.0]])
    r = sigmoid(prefix[0] @ W + b_h + b_init)
    given = np.array([visible_distribution(W, b_v, b_h + h @ (6 * U)) for h in binary_states(2)])
    samples = model.forecast([prefix], 1, 20_000, None, return_samples=True).samples[0, :, 0]
    counts = np.bincount(state_codes(samples), minlength=8)
    assert abs(chi_square_z(counts, independent(r) @ given)) < Z_MAX
    assert chi_square_z(counts, visible_distribution(W, b_v, b_h + r @ (6 * U))) > Z_MAX


@every_model
def test_a_forecast_depends_neither_on_the_company_nor_on_what_is_asked_besides(kind, settings, monkeypatch):
    """Sequences alone, in other groups, on two threads, with fewer frames or samples. Control: another seed."""
    model, X = random_model(kind, 4, 3, **settings), random_sequences(LENGTHS)
    asked = dict(n_gibbs=5, return_samples=True)
    ahead, other = (model.forecast(X, 4, 50, random_state=seed, **asked) for seed in (0, 1))
    assert (ahead.means != other.means).mean() > 0.5
    np.testing.assert_array_equal(ahead.samples, model.forecast(X, 4, 50, **asked).samples)  # the seed of training
    monkeypatch.setattr("rtrbm.estimators.grouped.GROUP_ROWS", 120)
    model.n_jobs = 2
    for again, part in (
        (model.forecast(X, 4, 50, **asked), np.s_[:]),
        (model.forecast(X[2:3], 4, 50, **asked), np.s_[2:3]),
        (model.forecast([X[3], X[0]], 4, 20, **asked), np.s_[[3, 0], :20]),
        (model.forecast(X, 2, 50, **asked), np.s_[:, :, :2]),
    ):
        np.testing.assert_allclose(again.samples, ahead.samples[part], rtol=0, atol=1e-12)
        np.testing.assert_allclose(again.means, ahead.means[part], rtol=0, atol=1e-12)


def test_the_parts_of_a_forecast_belong_together():
    """Mean and quantiles are those of the samples; binary quantiles are states; arrays and lists alike."""
    for visible in ("bernoulli", "gaussian"):
        model, X = random_model(RTRBM, 4, 3, visible=visible), random_array(3, 5, visible=visible)
        ahead = model.forecast(X, 6, 19, (0.05, 0.5, 0.95), return_samples=True)
        ordered = np.sort(ahead.samples, axis=1)
        np.testing.assert_allclose(ahead.quantiles, ordered[:, [0, 9, 18]].swapaxes(0, 1), rtol=0, atol=1e-12)
        np.testing.assert_allclose(ahead.mean, ahead.means.mean(axis=1), rtol=0, atol=1e-12)
        assert ahead.levels == (0.05, 0.5, 0.95) and model.forecast(X, 1, quantiles=None).levels == ()
        np.testing.assert_array_equal(model.forecast(list(X), 6, 19, (0.5,)).quantiles[0], ahead.quantiles[1])
        assert np.isin(ahead.samples, (0, 1)).all() == (visible == "bernoulli")
        single = random_model(RTRBM, 4, 3, visible=visible, dtype="float32").forecast(X, 2)
        assert single.mean.dtype == single.quantiles.dtype == np.float32 and single.samples is None


def test_the_memory_of_a_forecast_is_that_of_a_group(monkeypatch):
    """16 groups take about the memory of one. Control: with all of them as one group they take more."""
    model, X = random_model(RTRBM, 60, 20), random_array(64, 2, 60)

    def peak(X, group_rows):
        monkeypatch.setattr("rtrbm.estimators.grouped.GROUP_ROWS", group_rows)
        tracemalloc.start()
        model.forecast(X, 2, 100, n_gibbs=1)
        top = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return top

    one, many, together = peak(X[:4], 400), peak(X, 400), peak(X, 6400)
    assert many < 2 * one < together


def test_wrong_arguments_of_forecasts_are_refused():
    model, X = random_model(RTRBM, 4, 3), random_array(2, 3)
    for arguments, error, match in [
        (dict(horizon=0), ValueError, "horizon must be at least 1"),
        (dict(horizon=2.0), TypeError, "horizon must be an integer"),
        (dict(n_samples=0), ValueError, "n_samples must be at least 1"),
        (dict(n_gibbs=0), ValueError, "n_gibbs must be at least 1"),
        (dict(quantiles=(0.5, 1.0)), ValueError, "quantiles must be a sequence of numbers between 0 and 1"),
        (dict(quantiles=(-0.1,)), ValueError, "quantiles must be"),
        (dict(quantiles=0.5), TypeError, "quantiles must be"),
        (dict(quantiles="0.5"), TypeError, "quantiles must be"),
        (dict(quantiles=(None,)), TypeError, "quantiles must be"),
        (dict(n_samples=50, quantiles=(0.01,)), ValueError, "n_samples=50 are too few for the quantile 0.01.*least 99"),
        (dict(return_samples="no"), ValueError, "return_samples must be"),
        (dict(random_state=-1), ValueError, "random_state"),
        (dict(X=X[0]), ValueError, "X must have 3 dimensions"),
        (dict(X=[X[0], X[0, :0]]), ValueError, r"X\[1\] must have at least one frame"),
        (dict(n_samples=10**12), ValueError, "n_samples=1000000000000 .* would take"),
    ]:
        with pytest.raises(error, match=match):
            model.forecast(**dict(X=X, horizon=2) | arguments)
    model.forecast(X, 1, 99, (0.01, 0.99))  # just enough


# -------------------------------------------------------------------------------- numbers in common


@pytest.mark.parametrize("n_rows", [40, 1000])
def test_rows_of_one_number_draw_the_same(n_rows):
    """In every tile, half-step after half-step; rows of other numbers draw others."""
    numbers = np.random.default_rng(0).integers(0, 3 * BLOCK, n_rows)
    chains = Draw(0, "predict").chains_in_common(numbers, NUMPY)
    np.testing.assert_array_equal(np.concatenate([rows for rows, _ in chains]), np.arange(n_rows))
    assert (len(chains) > 1) == (n_rows > 400)
    for fill in ("uniform", "normal", "poisson"):
        found = np.full((n_rows, 40), 3.0)
        for rows, noise in chains:
            drawn = found[rows]
            getattr(noise, fill)(drawn)
            found[rows] = drawn
        by_number = {number: {row.tobytes() for row in found[numbers == number]} for number in set(numbers.tolist())}
        assert {len(rows) for rows in by_number.values()} == {1}
        assert len(set.union(*by_number.values())) == len(by_number) > 20


@pytest.mark.parametrize("mean", [0.7, 9.0, INVERTED, INVERTED + 1e-9])
def test_counts_in_common_are_poisson(mean):
    """Added up and from streams of rows. Control: the law of a mean larger by a twentieth."""
    n, most = 20_000, int(mean + 12 * sqrt(mean) + 5)
    counts = np.full((n // 10, 10), mean)
    CommonNoise([stream(0, "chain")], [n // 10], np.arange(n // 10)).poisson(counts)
    tally = np.bincount(counts.astype(int).ravel(), minlength=most + 1)

    def z(mean):
        p = np.array([exp(-mean) * mean**k / factorial(k) for k in range(most + 1)])
        often = np.flatnonzero(n * p > 10)
        rest = [tally.sum() - tally[often].sum()], [1 - p[often].sum()]
        return chi_square_z(np.concatenate([tally[often], rest[0]]), np.concatenate([p[often], rest[1]]))

    assert abs(z(mean)) < Z_MAX < z(1.05 * mean)


# ----------------------------------------------------------------------------------------------- bars


class Terminal(io.StringIO):
    def isatty(self):
        return True


VERBS = {
    "predict": lambda model, X: model.predict(X),
    "transform": lambda model, X: model.transform(X),
    "sample": lambda model, X: model.sample(5),
    "decode": lambda model, X: model.decode(X[..., :3]),
    "log_likelihood": lambda model, X: model.log_likelihood(X),
    "impute": lambda model, X: model.impute(X, X > 0.5),
    "forecast": lambda model, X: model.forecast(X, 5),
    "impute of rows": lambda model, X: RBM(3, n_updates=1, n_gibbs=1).fit(X[0]).impute(X[0], X[0] > 0.5),
    "sample of rows": lambda model, X: RBM(3, n_updates=1, n_gibbs=1).fit(X[0]).sample(2, n_gibbs=3),
    "tempered rows": lambda model, X: RBM(3, n_updates=1, n_gibbs=1).fit(X[0]).sample(2, n_gibbs=3, betas=(0, 1)),
    "AIS": lambda model, X: model.likelihood(np.round(X), method="ais", n_steps=3),
    "sample of a stack": lambda model, X: Stack([model]).sample(5),
}


@pytest.mark.parametrize("name", VERBS)
def test_what_takes_long_shows_a_bar_where_it_is_seen(name, monkeypatch):
    """With a delay of 0 in place of two seconds. Control: with the delay nothing is shown."""
    model, X = random_model(RTRBM, 4, 3), random_array(3, 5)
    for delay in (0, 100):
        monkeypatch.setattr(progress, "DELAY", delay)
        monkeypatch.setattr(sys, "stderr", Terminal())
        VERBS[name](model, X)
        assert ("%|" in sys.stderr.getvalue()) == (delay == 0)


@pytest.mark.parametrize("name", VERBS)
def test_no_bar_is_made_where_nobody_sees_it(name, monkeypatch):
    def refuse(*arguments, **settings):
        raise AssertionError("a bar")

    monkeypatch.setattr(progress, "_kind", lambda: refuse)
    monkeypatch.setattr(progress, "DELAY", 0)
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    VERBS[name](random_model(RTRBM, 4, 3), random_array(3, 5))
    monkeypatch.setattr(sys, "stderr", Terminal())
    with pytest.raises(AssertionError, match="a bar"):  # control
        VERBS[name](random_model(RTRBM, 4, 3), random_array(3, 5))


def test_a_kernel_of_jupyter_is_seen(monkeypatch):
    shell = SimpleNamespace(config={"IPKernelApp": {}})
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    assert not progress.is_seen()
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    assert progress.is_seen()


def test_a_frame_of_a_table_has_the_columns_of_the_fit():
    pd = pytest.importorskip("pandas")
    rng = np.random.default_rng(0)
    X = [pd.DataFrame((rng.random((10, 4)) < 0.5).astype(float), columns=list("abcd")) for _ in range(3)]
    model = RTRBM(3, n_gibbs=1, n_updates=3, random_state=0).fit(X)
    h, _ = model.filter_step(None, X[0].iloc[[0]])
    np.testing.assert_allclose(h, model.transform(X)[0][:1], atol=1e-6)
    with pytest.raises(ValueError, match="frame: The feature names should match"):
        model.filter_step(None, X[0][list("dcba")].iloc[[0]])


def test_filter_step_sees_settings_that_were_changed():
    X = np.random.default_rng(0).integers(0, 2, (3, 4, 5))
    model = RTRBM(3, n_updates=1, n_jobs=1).fit(X)
    _, state = model.filter_step(None, X[:, 0])
    for changed in {"visible": "poisson"}, {"n_hidden": 9}, {"n_taps": 2}:
        other = copy.copy(model).set_params(**changed)
        with pytest.raises(ValueError, match=f"{next(iter(changed))}.* fit again"):
            other.filter_step(state, X[:, 1])
