"""Doubts: each is raised by what it is about, and by nothing else."""

import re
import warnings

import numpy as np
import pytest

import rtrbm
from rtrbm import RBM, RTRBM, Stack
from rtrbm.datasets import bouncing_balls
from rtrbm.estimators import doubts
from rtrbm.rbm import Bernoulli, Gaussian, Poisson, ScaledGaussian


def about(sample, units=Gaussian(), dtype="float32", standardize=False, names=None):
    return list(doubts.of_data([sample], units, np.dtype(dtype), standardize, names))


def standard(n=500, n_features=4):
    return np.random.default_rng(0).standard_normal((n, n_features))


def test_standardised_data_raise_no_doubt():
    for units in (Gaussian(), ScaledGaussian()):
        assert about(standard(), units) == []
    assert about((standard() > 0).astype("uint8"), Bernoulli()) == []
    assert about(np.random.default_rng(0).poisson(3, (100, 4)), Poisson()) == []


@pytest.mark.parametrize(
    "sample, units, message",
    [
        (standard() * [1, 10, 1, 1], Gaussian(), "not standardised in feature 1 .*standardize=True"),
        (standard() * [1, 0.1, 1, 0.1], Gaussian(), "not standardised in features 1, 3 "),
        (standard() + [0, 0, 0, 5], Gaussian(), "not standardised in feature 3 "),
        (standard() + [0, 0, 0, 50], ScaledGaussian(), "more than 5 standard deviations in feature 3"),
        (standard() * [1, 1, 0, 1], Gaussian(), "does not vary in feature 2"),
        (standard() * [1, 1, 0, 1] + 7, ScaledGaussian(), "does not vary in feature 2"),
        ((standard() * 50).astype(int), Gaussian(), "integers from .*divide pixels by 255"),
        (standard() * 1e-3 + 1e5, ScaledGaussian(), "float32 loses much of it.*standardize=True"),
    ],
)
def test_data_that_raise_doubts(sample, units, message):
    found = about(sample, units)
    assert any(re.search(message, line) for line in found), found
    assert all("\n" not in line for line in found)
    if "does not vary" not in message:
        assert about(sample, units, standardize=True) == []


def test_features_are_named():
    assert "'speed'" in about(standard() * [1, 10, 1, 1], names=["a", "speed", "b", "c"])[0]
    many = about(standard(n_features=9) * 10)[0]
    assert "features 0, 1, 2, 3, 4 and 4 more" in many


def test_double_precision_keeps_what_single_precision_loses():
    sample = standard() * 1e-3 + 1e5
    assert not any("loses" in line for line in about(sample, ScaledGaussian(), "float64"))


# ------------------------------------------------------------------------------------------ axes


def test_videos_and_transposed_rolls():
    video = bouncing_balls(1, n_frames=100, resolution=15, random_state=0)[0].reshape(100, 15, 15)
    for given in (video, list(video)):
        assert "may be a video" in list(doubts.of_axes(given))[0]
    assert list(doubts.of_axes([*video[:50], video[50][:-1]])) == []
    rng, roll = np.random.default_rng(0), np.zeros((120, 88))
    for start in range(0, 120, 6):
        roll[start : start + 6, rng.integers(88, size=4)] = 1
    assert "may be transposed" in list(doubts.of_axes(roll.T[None]))[0]
    videos = bouncing_balls(30, n_frames=20, resolution=15, random_state=0)
    for right in (videos, videos[:, :, ::-1], roll[None], rng.random((50, 20, 20)), rng.random((5, 20, 30)).round()):
        assert list(doubts.of_axes(right)) == []


# ---------------------------------------------------------------------------------------- models


def test_models_that_raise_doubts():
    rng = np.random.default_rng(0)
    fine = rng.random((50, 20))
    assert list(doubts.of_model(fine, 1.0, 1.0)) == []
    dead, full = fine.copy(), fine.copy()
    dead[:, :15], full[:, :15] = 0, 1
    assert "75% of the hidden units" in list(doubts.of_model(dead, 1.0, 1.0))[0]
    assert "always on" in list(doubts.of_model(full, 1.0, 1.0))[0]
    assert "chains that start with noise" in list(doubts.of_model(fine, 10.0, 1.0))[0]
    assert "chains that start with noise" in list(doubts.of_model(fine, np.nan, 1.0))[0]


# --------------------------------------------------------------------------------------------- y


def test_labels_are_no_data():
    X = np.zeros((10, 5, 3))
    for y in (None, [0, 1] * 5, list("abcdefghij"), np.arange(10), np.zeros((10, 2)), np.full(10, 5)):
        doubts.of_y(y, X)
    doubts.of_y([0, 1] * 5, X[:, 0])


def test_data_and_lengths_as_y():
    X = np.random.default_rng(0).random((4, 5, 3))
    with pytest.raises(TypeError, match="looks like data.*validation="):
        doubts.of_y(X[:2], X)
    with pytest.raises(TypeError, match="looks like data"):
        doubts.of_y([X[0], X[1, :3]], [X[0], X[2, :4]])
    with pytest.raises(TypeError, match="looks like the lengths of sequences.*np.split"):
        doubts.of_y([8, 12], X.reshape(20, 3))
    padded, lengths = X.copy(), [5, 3, 4, 1]
    for x, n in zip(padded, lengths):
        x[n:] = 0
    with pytest.raises(TypeError, match="looks like the lengths of padded"):
        doubts.of_y(lengths, padded)
    doubts.of_y(lengths, X)  # not padded: labels


def test_targets_of_a_pipeline_are_ignored():
    """One row for each of X, as many columns as it: what the next step wants."""
    rows = np.random.default_rng(0).random((40, 3))
    doubts.of_y(rows + 1, rows, is_static=True)
    for y, is_static in ((rows[:20], True), (rows + 1, False)):
        with pytest.raises(TypeError, match="looks like data"):
            doubts.of_y(y, rows, is_static)


def test_the_first_minibatch_sets_the_scale():
    rows = 50 + 10 * np.random.default_rng(0).standard_normal((40, 3))
    with pytest.warns(UserWarning, match="the first minibatch of partial_fit, which has 1 frames"):
        RBM(2, visible="gaussian", standardize=True).partial_fit(rows[:1])
    with pytest.warns(UserWarning, match="not standardised"):
        RBM(2, visible="gaussian").partial_fit(rows)
    RBM(2, visible="gaussian", standardize=True).partial_fit(rows)
    normal = np.random.default_rng(0).standard_normal((4, 60, 3))
    RTRBM(2, visible="gaussian").partial_fit(normal, mask=normal > -1)  # what is left is as it should be
    with pytest.warns(UserWarning, match="may be a video"):
        RTRBM(2).partial_fit(np.cumsum(np.full((100, 16, 16), 0.01), axis=0))


def test_doubts_of_numbers_beyond_single_precision():
    X = 1e40 * np.random.default_rng(0).standard_normal((2, 40, 30))
    with np.errstate(all="raise"):
        assert list(doubts.of_axes(X)) == []


# ------------------------------------------------------------------------------------- whole fits


def fit(X, **settings):
    arguments = {name: settings.pop(name) for name in ("y", "mask", "window") if name in settings}
    model = settings.pop("model", rtrbm.RTRBM)
    return model(**dict(n_hidden=8, n_gibbs=1, n_updates=30, random_state=0) | settings).fit(X, **arguments)


@pytest.mark.parametrize(
    "make, settings, message",
    [
        (lambda: standard(400).reshape(8, 50, 4) * 40 + 170, dict(visible="gaussian"), "X is not standardised"),
        (
            lambda: bouncing_balls(1, n_frames=60, resolution=15, random_state=0).reshape(60, 15, 15),
            {},
            "may be a video",
        ),
        (
            lambda: bouncing_balls(8, n_frames=30, resolution=8, n_balls=1, random_state=0),
            dict(learning_rate=10.0),
            "learning_rate=10 changes weights",
        ),
    ],
    ids=["unscaled", "video", "rate"],
)
def test_fits_that_warn(make, settings, message):
    with pytest.warns(UserWarning) as caught:
        fit(make(), **settings)
    assert re.search(message, str(caught[0].message))
    assert all("\n" not in str(warning.message) for warning in caught)
    assert caught[0].filename == __file__


def test_numbers_beyond_1_by_rounding_are_clipped():
    X = np.random.default_rng(0).integers(0, 2, (4, 10, 3)) * np.float32(1.0000001)
    whole = fit(np.minimum(X, 1))
    assert np.array_equal(fit(X).params_.W, whole.params_.W)
    with pytest.raises(ValueError, match=r"must lie in \[0, 1\]"):
        fit(X * 1.001)


def test_gaps_are_located():
    X = standard(40, 2).reshape(2, 20, 2).copy()
    X[1, 7, 1] = X[1, 9, 0] = np.nan
    with pytest.raises(
        ValueError, match="NaN or infinite values, 2 in 2 features, the first in sequence 1, frame 7, feature 1.*mask="
    ):
        fit(X, visible="gaussian")
    fit(X, visible="gaussian", mask=np.isnan(X))


def test_a_model_that_a_rate_has_wrecked():
    X = bouncing_balls(20, n_frames=30, resolution=8, n_balls=1, random_state=0)
    fit(X, learning_rate=0.02)
    with pytest.warns(UserWarning) as caught:
        model = fit(X, learning_rate=3.0, n_hidden=20, n_updates=200)
    assert any("chains that start with noise" in str(warning.message) for warning in caught)
    assert model.history_["reconstruction_error"][-1] < model.history_["reconstruction_error"][0]  # looks healthy


def test_transposed_sequences_of_different_lengths_are_told_apart():
    with pytest.raises(ValueError, match=r"10 rows in each and 20 to 30 columns.*\[x.T for x in X\]"):
        fit([np.zeros((10, 20)), np.zeros((10, 30))])
    with pytest.raises(ValueError, match=r"X\[1\] must have 20 features, got 30"):
        fit([np.zeros((10, 20)), np.zeros((11, 30))])


def test_keywords_of_fit_in_the_constructor():
    with pytest.raises(TypeError, match=r"'window': did you mean fit\(X, window=...\)\?"):
        rtrbm.RTRBM(window=10)


@pytest.mark.parametrize("form", [np.asarray, list])
def test_features_that_are_never_seen(form):
    X = (np.random.default_rng(0).random((6, 9, 4)) < 0.4).astype(np.float32)
    mask = np.zeros(X.shape, bool)
    mask[:, :, 2] = True
    with pytest.warns(UserWarning, match="mask is True everywhere in feature 2: the model learns nothing"):
        RTRBM(2, n_updates=1, random_state=0).fit(form(X), mask=form(mask))
    mask[0, 0, 2] = False  # control
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        RTRBM(2, n_updates=1, random_state=0).fit(form(X), mask=form(mask))
    with pytest.raises(ValueError, match="mask must leave values to learn from, it is True everywhere"):
        RTRBM(2, n_updates=1, random_state=0).fit(form(X), mask=form(mask | True))


# --------------------------------------------------------------------------------------------- grey likelihoods


@pytest.mark.parametrize("kind", ["RBM", "RTRBM", "Stack", "Stack of one"])
def test_the_likelihood_of_grey_frames_is_doubted(kind):
    rng = np.random.default_rng(0)
    grey, settings = rng.random((3, 4, 5)), dict(n_gibbs=1, n_updates=1, random_state=0)
    grey[:2] = np.round(grey[:2])
    model = RBM(3, **settings) if kind == "RBM" else RTRBM(3, **settings)
    if "Stack" in kind:
        model = Stack([model] if kind == "Stack of one" else [model, RTRBM(2, **settings)])
    data = (grey, np.round(grey)) if kind != "RBM" else (grey.reshape(12, 5), np.round(grey).reshape(12, 5))
    model.fit(data[0])
    with pytest.warns(UserWarning, match="X has values between 0 and 1 in 4 of 12 (frames|rows), for which") as told:
        model.likelihood(data[0])
    assert len(told) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.likelihood(data[1])
        model.log_likelihood(data[0])
        model.score(data[0])


def test_the_likelihood_of_softmax_frames_that_are_not_one_hot_is_doubted():
    X = np.eye(4)[np.random.default_rng(0).integers(4, size=(3, 5))]
    model = RTRBM(3, visible="softmax", n_gibbs=1, n_updates=1, random_state=0).fit(X)
    with pytest.warns(UserWarning, match="X has values between 0 and 1 in 15 of 15 frames"):
        model.likelihood(np.full_like(X, 0.25))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.likelihood(X)


def test_no_likelihood_of_counts_or_densities_is_doubted():
    for visible in ("gaussian", "poisson"):
        X = np.random.default_rng(0).poisson(2, (3, 4, 5)).astype(float)
        model = RTRBM(3, visible=visible, n_gibbs=1, n_updates=1, random_state=0, standardize=visible == "gaussian")
        model.fit(X).likelihood(X)
