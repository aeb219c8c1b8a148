"""Models that standardise: the same as on data that were standardised before, in the user's units."""

import numpy as np
import pytest

import rtrbm
from rtrbm import CRBM, RBM, RNNRBM, RTRBM

MEAN, DEVIATION = np.array([3.0, -200.0, 1e5]), np.array([0.1, 50.0, 1.0])


def walks(n=6, n_frames=15, seed=0):
    rng = np.random.default_rng(seed)
    return (rng.standard_normal((n, n_frames, 3)).cumsum(axis=1) / 3) * DEVIATION + MEAN


def pair(kind, **settings):
    """A model that standardises, one that had standardised data, and both kinds of data."""
    settings = dict(n_hidden=4, n_gibbs=2, n_updates=20, random_state=0, dtype="float64") | settings
    X = walks() if kind is not RBM else walks().reshape(-1, 3)
    frames = X.reshape(-1, 3)
    mean, deviation = frames.mean(axis=0), frames.std(axis=0)
    Z = (X - mean) / deviation
    return kind(**settings, standardize=True).fit(X), kind(**settings).fit(Z), X, Z, mean, deviation


@pytest.mark.parametrize("visible", ["gaussian", "scaled_gaussian"])
@pytest.mark.parametrize("kind", [RTRBM, CRBM, RBM])
def test_the_same_in_users_units(kind, visible, tmp_path):
    model, other, X, Z, mean, deviation = pair(kind, visible=visible)
    np.testing.assert_allclose(model.scale_.mean, mean, rtol=1e-12)
    np.testing.assert_allclose(model.scale_.deviation, deviation, rtol=1e-9)
    np.testing.assert_allclose(model.params_.W, other.params_.W, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(model.transform(X), other.transform(Z), atol=1e-6)
    model.save(tmp_path / "model.h5")
    loaded = rtrbm.load(tmp_path / "model.h5")
    for which in (model, loaded):
        np.testing.assert_allclose(which.denoise(X), other.denoise(Z) * deviation + mean, rtol=1e-6)
        drawn, drawn_z = (m.sample(3, random_state=1) for m in (which, other))
        np.testing.assert_allclose(drawn, drawn_z * deviation + mean, rtol=1e-6)
    if kind is RBM:
        densities, densities_z = model.score_samples(X), other.score_samples(Z)
        n = 1
    else:
        np.testing.assert_allclose(model.predict(X), other.predict(Z) * deviation + mean, rtol=1e-6)
        ahead, ahead_z = (m.forecast(x, 2, n_samples=9) for m, x in ((model, X), (other, Z)))
        np.testing.assert_allclose(ahead.mean, ahead_z.mean * deviation + mean, rtol=1e-6)
        densities, densities_z, n = model.log_likelihood(X), other.log_likelihood(Z), 15
    np.testing.assert_allclose(densities, densities_z - n * np.log(deviation).sum(), rtol=1e-6)
    assert (abs(densities - densities_z) > 0.5).all()  # control: the Jacobian matters


def test_single_precision_keeps_small_changes_of_large_numbers():
    X = walks() * [1, 1, 1] + [0, 0, 1e7]
    model = CRBM(4, visible="scaled_gaussian", standardize=True, n_updates=5, n_gibbs=1, random_state=0).fit(X)
    error = np.square(model.predict(X)[:, 1:] - X[:, 1:]).mean(axis=(0, 1))
    copy = np.square(np.diff(X, axis=1)).mean(axis=(0, 1))
    assert (error < 1.5 * copy).all()


def test_gaps_do_not_count():
    X = walks()
    mask = np.random.default_rng(1).random(X.shape) < 0.2
    model = RTRBM(4, visible="gaussian", standardize=True, n_updates=2, random_state=0)
    model.fit(np.where(mask, 1e9, X), mask=mask)
    there = np.ma.masked_array(X, mask).reshape(-1, 3)
    np.testing.assert_allclose(model.scale_.mean, there.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(model.scale_.deviation, there.std(axis=0), rtol=1e-9)


def test_history_is_in_users_units():
    model, other, *_, deviation = pair(RTRBM, visible="gaussian")
    ratio = np.divide(model.history_["reconstruction_error"], other.history_["reconstruction_error"])
    assert ((deviation.min() ** 2 < ratio) & (ratio < deviation.max() ** 2)).all() and (ratio > 2).all()


def test_other_kinds_of_units_are_refused():
    with pytest.raises(ValueError, match="standardize=True is for real values, got visible='bernoulli'"):
        RTRBM(4, standardize=True).fit(np.zeros((2, 5, 3)))
    with pytest.raises(ValueError, match="standardize=True wants data"):
        RBM.from_params(
            {"W": np.ones((2, 2)), "b_v": np.ones(2), "b_h": np.ones(2)}, visible="gaussian", standardize=True
        )


@pytest.mark.parametrize("kind, window", [(RBM, None), (RTRBM, None), (RTRBM, 5), (RNNRBM, 5)])
@pytest.mark.parametrize("visible", ["gaussian", "scaled_gaussian"])
def test_a_feature_that_is_missing_throughout_an_example_starts_from_its_mean(kind, window, visible):
    X = walks()
    mask = np.random.default_rng(1).random(X.shape) < 0.2
    mask[0, :, 2] = mask[3, :8, 1] = True
    seen = np.ma.masked_array(X, mask).reshape(-1, 3)
    mean, deviation = seen.mean(axis=0).data, seen.std(axis=0).data
    Z = (X - mean) / deviation
    if kind is RBM:
        X, Z, mask = (part.reshape(-1, 3) for part in (X, Z, mask))
    cut = {} if window is None else {"window": window}
    settings = dict(n_hidden=4, visible=visible, n_gibbs=2, n_updates=20, random_state=0, dtype="float64")
    model = kind(**settings, standardize=True).fit(X, mask=mask, **cut)
    other = kind(**settings).fit(Z, mask=mask, **cut)
    np.testing.assert_allclose(model.scale_.mean, mean, rtol=1e-12)
    np.testing.assert_allclose(model.scale_.deviation, deviation, rtol=1e-9)
    np.testing.assert_allclose(model.params_.b_v, other.params_.b_v, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(model.params_.W, other.params_.W, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("warm_up", [0, 60])
def test_frames_that_warm_up_are_measured_once(warm_up):
    X = np.linspace(0, 100, 200)[:, None] + np.random.default_rng(0).normal(size=(200, 2))
    settings = dict(n_taps=1, visible="gaussian", n_gibbs=1, n_updates=1, random_state=0)
    model = CRBM(2, standardize=True, **settings).fit(X, window=10, warm_up=warm_up)
    np.testing.assert_allclose(model.scale_.mean, X.mean(axis=0), rtol=1e-9)
    np.testing.assert_allclose(model.scale_.deviation, X.std(axis=0), rtol=1e-9)


def test_first_values_that_are_missing_cost_no_digits():
    X = np.random.default_rng(0).normal(5.3e8, 0.1, (6, 60, 2))
    mask = np.zeros(X.shape, bool)
    mask[:, 0, 0] = mask[0, :, 1] = True
    model = CRBM(2, visible="gaussian", standardize=True, n_updates=1, n_gibbs=1, random_state=0).fit(X, mask=mask)
    expected = np.ma.masked_array(X, mask).reshape(-1, 2).std(axis=0)
    np.testing.assert_allclose(model.scale_.deviation, expected, rtol=1e-6)


def test_errors_of_a_fit_are_in_users_units():
    Y = np.random.default_rng(0).normal(5, 2, (20, 30, 4))
    settings = dict(visible="gaussian", standardize=True, n_gibbs=1, n_updates=120, random_state=0)
    small, large = (RTRBM(5, **settings).fit(factor * Y).history_ for factor in (1, 1000))
    for name in ("reconstruction_error", "noise_error"):
        np.testing.assert_allclose(large[name], np.multiply(small[name], 1e6), rtol=1e-2)
