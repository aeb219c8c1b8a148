"""Starting at the linear predictor, or at a fitted model: what comes out, what is refused, and what files keep."""

import copy

import numpy as np
import pytest
from helpers import TAPS, random_array, state

from rtrbm import CRBM, LSTMRBM, RBM, RTRBM, SRTRBM, TRBM, evaluate
from rtrbm.functions import sigmoid
from rtrbm.rbm import Bernoulli, Gaussian
from rtrbm.training import linear

QUICK = dict(n_hidden=5, n_gibbs=1, n_updates=1, learning_rate=1e-12, random_state=0, n_jobs=1, dtype="float64")
WITH_A = [name for name in TAPS if name != "simplified TRBM"]

pytestmark = pytest.mark.filterwarnings("ignore:X has means", "ignore:X does not vary", "ignore:X is not standardised")


def walks(lengths=(40, 60, 50), n=3, seed=0):
    """Sequences that are linear in their last two frames but for noise, features of different scales and means."""
    rng, sequences = np.random.default_rng(seed), []
    A = 0.3 * rng.standard_normal((2, n, n))
    for length in lengths:
        v = rng.standard_normal((length, n))
        for t in range(2, length):
            v[t] += v[t - 1] @ A[0] + v[t - 2] @ A[1]
        sequences.append(v * [0.01, 1, 30][:n] + [1, 0, -50][:n])
    return sequences


def least_squares(sequences, m, ridge):
    """A and b of ridge regression, slowly: the penalty is on deviations from the mean, in units of `ridge`."""
    sequences = [v for v in sequences if len(v) > m]
    x = np.concatenate([[v[t - m : t][::-1].ravel() for t in range(m, len(v))] for v in sequences])
    y = np.concatenate([v[m:] for v in sequences])
    x_c, y_c = x - x.mean(axis=0), y - y.mean(axis=0)
    penalty = ridge * x_c.var(axis=0).mean() * len(x)
    A = np.linalg.lstsq(
        np.concatenate([x_c, np.sqrt(penalty) * np.eye(x.shape[1])]),
        np.concatenate([y_c, np.zeros((x.shape[1], y.shape[1]))]), rcond=None,
    )[0]  # fmt: skip
    return A, y.mean(axis=0) - x.mean(axis=0) @ A, y - x @ A


# ------------------------------------------------------------------------------------------- regression


@pytest.mark.parametrize("m", [1, 3])
def test_the_autoregression_is_that_of_ridge_regression(m, monkeypatch):
    """Of sequences in pieces too. Control: that of another ridge differs."""
    monkeypatch.setattr(linear, "RIDGES", np.array([0.01]))
    monkeypatch.setattr(linear, "N_ROWS", 7)
    X = [(v - [1, 0, -50]) / [0.01, 1, 30] for v in walks()] + [np.zeros((m, 3))]
    found = linear.autoregression(lambda: [X[:2], X[2:]], m, Gaussian())
    A, b, residual = least_squares(X, m, 0.01)
    np.testing.assert_allclose(found.A.reshape(A.shape), A, atol=1e-12)
    np.testing.assert_allclose(found.b, b, atol=1e-12)
    assert np.abs(least_squares(X, m, 0.1)[0] - A).max() > 1e-2
    np.testing.assert_allclose(found.deviation, residual.std(axis=0), rtol=0.1)
    mean = np.mean([v[t - m] for v in X for t in range(m, len(v))], axis=0)
    np.testing.assert_allclose(found.init[-1], mean @ found.A[-1], atol=1e-12)


def test_few_frames_have_a_large_ridge():
    """Twelve features, three taps, 20 frames: the error on new data is below that of a small ridge."""
    X, new = ([v] for v in np.random.default_rng(0).standard_normal((2, 20, 12)))
    few = linear.autoregression(lambda: [X], 3, Gaussian())
    A, b, _ = least_squares(X, 3, 1e-6)

    def error(A, b):
        x = np.array([new[0][t - 3 : t][::-1].ravel() for t in range(3, 20)])
        return np.square(new[0][3:] - x @ A - b).mean()

    assert error(few.A.reshape(36, 12), few.b) < 1.5 < 1.8 < error(A, b)
    assert few.deviation.min() > 0.5


def test_in_logits_it_is_a_maximum_of_the_penalised_likelihood(monkeypatch):
    """The derivative vanishes; after one step it does not."""
    monkeypatch.setattr(linear, "RIDGES", np.array([0.01]))
    X = [(np.random.default_rng(i).random((30, 3)) < 0.3).astype(float) for i in range(4)]
    for v in X:
        v[1:, 0] = v[:-1, 1]
    x = np.concatenate([v[:-1] for v in X])
    penalty = 0.25 * 0.01 * x.var(axis=0).mean()

    def slope(n_steps):
        monkeypatch.setattr(linear, "N_STEPS", n_steps)
        A, b, *_ = linear.autoregression(lambda: [X], 1, Bernoulli())
        error = np.concatenate([v[1:] for v in X]) - sigmoid(x @ A[0] + b)
        return np.abs((x - x.mean(axis=0)).T @ error / len(x) - penalty * A[0]).max() + np.abs(error.mean(axis=0)).max()

    assert slope(3000) < 1e-8 < 1e-2 < slope(1)


# ------------------------------------------------------------------------------------------------ models


@pytest.mark.parametrize("visible", ["gaussian", "scaled_gaussian"])
@pytest.mark.parametrize("name", WITH_A)
def test_a_model_starts_as_the_linear_predictor(name, visible):
    """With W = 0 it is the ridge prediction to rounding, with its own small W nearly; "data" is neither."""
    kind, settings = TAPS[name]
    X = walks()
    if visible == "gaussian":
        X = [(v - [1, 0, -50]) / [0.01, 1, 30] for v in X]
    m = settings["n_taps"]
    model = kind(**QUICK, **settings, visible=visible, batch_size=len(X)).fit(X)
    near = [v[m:] for v in model.predict(X, "mean_field")]
    offset = model.params_.W.sum(axis=1) / 2
    model.params_ = model.params_._replace(W=0 * model.params_.W, b_v=model.params_.b_v + offset)
    predicted = [v[m:] for v in model.predict(X)]
    scale = np.ones(3) if visible == "gaussian" else np.concatenate(X).std(axis=0)
    fitted = linear.autoregression(lambda: [[v / scale for v in X]], m, Gaussian())
    wanted = [
        scale * (fitted.b + sum((v / scale)[m - n : len(v) - n] @ fitted.A[n - 1] for n in range(1, m + 1))) for v in X
    ]
    data = kind(**QUICK, **settings, visible=visible, initialization="data").fit(X).predict(X, "mean_field")
    for p, q, w, other in zip(predicted, near, wanted, data):
        np.testing.assert_allclose(p / scale, w / scale, atol=2e-5 if visible == "scaled_gaussian" else 1e-9)
        assert np.abs((q - w) / scale).max() < 0.05 < 0.2 < np.abs((other[m:] - w) / scale).max()


def test_deviations_are_those_of_the_residuals():
    X = walks()
    own = CRBM(**QUICK, n_taps=2, visible="scaled_gaussian").fit(X).params_.units
    residual = least_squares([(v - [1, 0, -50]) / [0.01, 1, 30] for v in X], 2, 1e-4)[2].std(axis=0)
    np.testing.assert_allclose(np.exp(own) / [0.01, 1, 30], residual, rtol=0.05)


def test_a_feature_that_is_predicted_exactly_has_a_deviation():
    t = np.arange(60)
    X = np.stack([np.sin(t / 3), np.ones(60), np.random.default_rng(0).random(60)], axis=1)[None]
    model = CRBM(**QUICK | dict(n_updates=20, learning_rate=1e-4), n_taps=2, visible="scaled_gaussian").fit(X)
    assert np.isfinite(model.predict(X)).all() and np.exp(model.params_.units).min() > 1e-4


@pytest.mark.parametrize(
    "kind, settings",
    [
        (RTRBM, dict(visible="gaussian")), (RTRBM, dict(n_taps=2)), (TRBM, dict(visible="gaussian", without="VV")),
        (LSTMRBM, dict(visible="gaussian")), (SRTRBM, dict(visible="gaussian")), (CRBM, dict(visible="poisson")),
    ],
    ids=str,
)  # fmt: skip
def test_without_taps_or_real_values_the_start_is_that_of_the_data(kind, settings):
    X = random_array(3, 6).round()
    models = [kind(**QUICK | settings, initialization=start).fit(X) for start in ("auto", "data")]
    assert state(models[0]) == state(models[1])
    if settings.get("n_taps") != 2:
        with pytest.raises(ValueError, match="initialization='linear'"):
            kind(**QUICK | settings, initialization="linear").fit(X)


def test_sequences_that_are_too_short_start_from_the_data():
    X = random_array(3, 3, visible="gaussian")
    models = [CRBM(**QUICK, n_taps=3, visible="gaussian", initialization=start).fit(X) for start in ("linear", "data")]
    assert state(models[0]) == state(models[1])


def test_binary_data_start_in_logits():
    """From the data the first prediction is the mean frame."""
    X = np.repeat((np.random.default_rng(0).random((20, 12, 4)) < 0.5).astype(float), 2, axis=1)
    errors = {start: -RTRBM(**QUICK, n_taps=2, initialization=start).fit(X).score(X) for start in ("linear", "data")}
    assert errors["linear"] < 0.9 * errors["data"] < 0.9 * 1.1


def test_all_the_data_are_read_and_the_batch_size_does_not_matter():
    X = np.array(walks(lengths=[30] * 7))[..., 1:2]
    taken = [CRBM(**QUICK, n_taps=2, visible="gaussian", batch_size=n).fit(X).params_.A for n in (2, 7, 16)]
    for A in taken[1:]:
        np.testing.assert_allclose(A, taken[0], atol=1e-10)
    other = CRBM(**QUICK, n_taps=2, visible="gaussian", batch_size=2).fit(X[:2]).params_.A
    assert np.abs(other - taken[0]).max() > 1e-3
    given = (v for v in X)  # an iterator gives them all, and is not read beyond its end
    model = CRBM(**QUICK | dict(n_updates=3), n_taps=2, visible="gaussian", batch_size=2).fit(given)
    assert model.n_updates_ == 3


def test_one_recording_in_windows_is_read_whole():
    X = walks(lengths=[300])
    X = [(v - [1, 0, -50]) / [0.01, 1, 30] for v in X]
    cut, whole = (
        CRBM(**QUICK, n_taps=2, visible="gaussian", batch_size=4).fit(X, **window).params_.A
        for window in (dict(window=20, warm_up=2), {})
    )
    np.testing.assert_allclose(cut, whole, atol=0.05)
    assert np.abs(whole).max() > 0.3


# ----------------------------------------------------------------------------------------- fitted models


@pytest.fixture(scope="module")
def rbm():
    return RBM(5, n_gibbs=1, n_updates=20, learning_rate=0.1, random_state=1, n_jobs=1).fit(
        random_array(5, 8).reshape(-1, 4)
    )


@pytest.mark.parametrize("name", TAPS)
@pytest.mark.parametrize("given", ["model", "params_"])
def test_a_fitted_model_gives_weights_and_biases(name, given, rbm):
    kind, settings = TAPS[name]
    before = state(rbm)
    start = rbm if given == "model" else rbm.params_
    model = kind(**QUICK, **settings, initialization=start).fit(random_array(3, 6))
    for array in ("W", "b_v", "b_h"):
        np.testing.assert_allclose(getattr(model.params_, array), getattr(rbm.params_, array), atol=1e-10)
    assert state(rbm) == before and model.get_params()["initialization"] is start


def test_a_fitted_model_gives_deviations_and_gates(rbm):
    X = walks()
    scaled = RBM(5, visible="scaled_gaussian", n_gibbs=1, n_updates=3, random_state=1).fit(np.concatenate(X))
    model = RTRBM(**QUICK, visible="scaled_gaussian", initialization=scaled).fit(X)
    np.testing.assert_allclose(model.params_.units, scaled.params_.units, atol=1e-10)
    gated = SRTRBM(**QUICK, initialization=rbm).fit(random_array(3, 6))
    np.testing.assert_allclose(gated.effective_.W, rbm.params_.W, atol=1e-10)
    again = RTRBM(**QUICK, initialization=gated).fit(random_array(3, 6))
    np.testing.assert_allclose(again.params_.W, rbm.params_.W, atol=1e-10)


@pytest.mark.parametrize(
    "settings, match",
    [
        (dict(n_hidden=6), "W must have shape"), (dict(visible="scaled_gaussian"), "with visible='scaled_gaussian'"),
        (dict(initialization=RBM(5)), "must be a fitted model"), (dict(initialization=np.zeros((4, 5))), "one of"),
    ],
)  # fmt: skip
def test_a_model_that_does_not_fit_is_refused(settings, match, rbm):
    with pytest.raises((ValueError, TypeError), match=f"initialization.*{match}|{match}"):
        RTRBM(**QUICK | dict(initialization=rbm) | settings).fit(random_array(3, 6))


def test_files_and_copies(rbm, tmp_path):
    """A file keeps "auto"; a resumed run is the same, whatever it was told to start from."""
    X, path = random_array(6, 5), tmp_path / "model.h5"
    settings = QUICK | dict(n_updates=4, learning_rate=0.01, batch_size=3, initialization=rbm)
    whole = RTRBM(**settings).fit(X)
    with pytest.raises(RuntimeError, match="stop"):
        RTRBM(**settings).fit(X, checkpoint=path, checkpoint_every=1, callbacks=[stop_at_2])
    assert RTRBM.load(path).initialization == "auto"
    assert state(RTRBM(**settings).fit(X, checkpoint=path, resume=True)) == state(whole)
    assert state(copy.deepcopy(RTRBM(**settings)).fit(X)) == state(whole)


def stop_at_2(model):
    if model.n_updates_ == 2:
        raise RuntimeError("stop")


def test_scikit_learn_clones_a_model_that_starts_from_parameters(rbm):
    clone = pytest.importorskip("sklearn.base").clone
    model = RTRBM(**QUICK, initialization=rbm.params_)
    X = random_array(3, 6)
    assert state(clone(model).fit(X)) == state(model.fit(X))
    model.set_params(initialization=rbm)
    assert state(clone(model).fit(X)) == state(model.fit(X))


def test_the_linear_predictor_of_evaluate_is_near():
    X = [(v - [1, 0, -50]) / [0.01, 1, 30] for v in walks(lengths=[200] * 5)]
    found = CRBM(**QUICK, n_taps=2, visible="scaled_gaussian").fit(X).predict(X, "mean_field")
    wanted = evaluate.autoregression(X, X, 2)
    assert evaluate.squared_error(X, found)[0] < 1.01 * evaluate.squared_error(X, wanted)[0]


def test_a_start_that_is_not_finite_is_refused():
    params = RBM(3, n_updates=1).fit(np.eye(4)).params_
    broken = params._replace(W=np.full_like(params.W, np.nan))
    with pytest.raises(ValueError, match="initialization must be a model of finite parameters, its W has NaN"):
        RTRBM(3, n_updates=1, initialization=broken).fit(np.zeros((2, 3, 4)))


def test_the_memory_of_the_linear_predictor_is_checked(monkeypatch):
    monkeypatch.setattr("rtrbm.machine.memory", lambda: 200_000)
    X = random_array(3, 20, visible="gaussian")
    with pytest.raises(ValueError, match="a start from the linear predictor .30 taps, .*'data' does without it. would"):
        CRBM(2, n_taps=30, visible="gaussian", n_updates=1).fit(np.tile(X, (1, 3, 1)))


@pytest.mark.parametrize("kind", [RTRBM, SRTRBM, TRBM])
def test_the_model_to_start_from_stays_as_it_is(kind):
    source = RBM(3, n_updates=1).fit(np.eye(4))
    before = [part.copy() for part in source.params_ if part is not None]
    model = kind(3, n_updates=1, n_jobs=1, initialization=source).fit(random_array(3, 4))
    for part, was in zip((part for part in source.params_ if part is not None), before, strict=True):
        np.testing.assert_array_equal(part, was)
    assert not np.shares_memory(model.params_.W, source.params_.W)
