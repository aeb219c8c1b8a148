"""The noise is what it says, the Wiener filter is the exact one, and the script runs."""

import csv
import json
import os
import tracemalloc

import numpy as np
import pytest

from experiments import denoising
from experiments.smoothers import Smoother, Wiener
from rtrbm import TRBM
from rtrbm.datasets import bouncing_balls, correlated_noise

# ------------------------------------------------------------------------------------ the noise

DEVIATION, SPACE, TIME = 0.7, 0.4, 0.6


@pytest.fixture(scope="module")
def noise():
    """As (n_videos, n_frames, row, column), standardised."""
    drawn = correlated_noise(1000, 12, resolution=9, deviation=DEVIATION, space=SPACE, time=TIME, random_state=0)
    return drawn.reshape(1000, 12, 9, 9).astype(float) / DEVIATION


def z_score(products, expected):
    """How many standard errors the mean of products is from what is expected, videos being independent."""
    means = products.reshape(len(products), -1).mean(axis=1)
    return (means.mean() - expected) / (means.std(ddof=1) / np.sqrt(len(means)))


@pytest.mark.parametrize(
    "dt, dy, dx", [(0, 0, 0), (0, 0, 1), (0, 1, 0), (1, 0, 0), (3, 0, 0), (0, 2, 1), (1, 1, 0), (2, 1, 2)]
)
def test_correlations_at_every_distance(noise, dt, dy, dx):
    one, other = noise[:, dt:, dy:, dx:], noise[:, : 12 - dt, : 9 - dy, : 9 - dx]
    expected = SPACE ** (dx + dy) * TIME**dt
    assert abs(z_score(one * other, expected)) < 4
    assert abs(z_score(one * other, 0.9 * expected)) > 4 or expected < 0.1  # the control


@pytest.mark.parametrize("where", [np.s_[:, 0], np.s_[:, -1], np.s_[:, :, 0, 0], np.s_[:, :, -1, -1]])
def test_the_variance_is_the_same_at_the_borders(noise, where):
    assert abs(z_score(noise[where] ** 2, 1)) < 4
    assert abs(z_score(noise[where] ** 2, 1 - SPACE**2)) > 4  # the control: a filter started from nothing


def test_noise_has_mean_zero_and_is_symmetric_and_gaussian(noise):
    assert abs(z_score(noise, 0)) < 4
    assert abs(z_score(noise**3, 0)) < 4
    assert abs(z_score(noise**4, 3)) < 4
    assert abs(z_score(noise**4, 9 / 5)) > 4  # the control: uniform noise


def test_long_noise_takes_no_more_memory_than_it_has_numbers():
    tracemalloc.start()
    noise = correlated_noise(1, 5000, resolution=1, random_state=0)
    assert tracemalloc.get_traced_memory()[1] < 20 * noise.nbytes  # a matrix of its filter has 10,000 times as many
    tracemalloc.stop()


def test_noise_of_a_video_depends_on_nothing_else():
    longer = correlated_noise(3, 8, resolution=5, random_state=1)
    np.testing.assert_allclose(correlated_noise(2, 6, resolution=5, random_state=1), longer[:2, :6], atol=1e-6)
    assert not np.allclose(longer[0], longer[1])
    assert not np.allclose(longer, correlated_noise(3, 8, resolution=5, random_state=2))


def test_noise_without_correlations_is_white():
    """With both correlations 0 the filters do nothing: the numbers are those of the stream."""
    white = correlated_noise(1, 4, resolution=3, deviation=1, space=0, time=0, random_state=5)
    coloured = correlated_noise(1, 4, resolution=3, deviation=1, space=0, time=0.5, random_state=5)
    np.testing.assert_array_equal(white[:, 0], coloured[:, 0])
    expected = 0.5 * white[:, 0] + np.sqrt(0.75) * white[:, 1]
    np.testing.assert_allclose(coloured[:, 1], expected, rtol=1e-5)


@pytest.mark.parametrize(
    "arguments, error",
    [
        ({"n_sequences": 0}, ValueError),
        ({"n_frames": 1.5}, TypeError),
        ({"deviation": -1}, ValueError),
        ({"space": 1}, ValueError),
        ({"time": -0.1}, ValueError),
        ({"n_sequences": 10**12}, ValueError),
        ({"random_state": "seed"}, TypeError),
    ],
)
def test_what_noise_refuses(arguments, error):
    with pytest.raises(error):
        correlated_noise(**{"n_sequences": 1, **arguments})


# ------------------------------------------------------------------------------------ linear estimates


def autoregression(n_sequences, n_frames, a, random):
    """x_t = a x_{t-1} + noise, of variance 1, and x_t + noise of variance 0.5."""
    x = np.empty((n_sequences, n_frames, 1))
    x[:, 0] = random.standard_normal((n_sequences, 1))
    for t in range(1, n_frames):
        x[:, t] = a * x[:, t - 1] + np.sqrt(1 - a**2) * random.standard_normal((n_sequences, 1))
    return x, x + np.sqrt(0.5) * random.standard_normal(x.shape)


def exact_wiener(a, n_past, n_future):
    """K = S_yy^-1 S_yx of that process, earliest frame first."""
    t = np.arange(-n_past, n_future + 1)
    return np.linalg.solve(a ** np.abs(t[:, None] - t) + 0.5 * np.eye(len(t)), a ** np.abs(t))


@pytest.mark.parametrize("n_past, n_future", [(0, 0), (3, 0), (2, 2)])
def test_wiener_filter_of_a_linear_gaussian_process(n_past, n_future):
    random, a = np.random.default_rng(0), 0.8
    fits = np.array([Wiener(*autoregression(20, 60, a, random), n_past, n_future).K[:, 0] for _ in range(60)])
    deviation = fits.std(axis=0, ddof=1) / np.sqrt(len(fits))
    assert np.all(np.abs(fits.mean(axis=0) - exact_wiener(a, n_past, n_future)) < 4 * deviation)
    if n_past:  # the control: the filter of another process
        assert np.any(np.abs(fits.mean(axis=0) - exact_wiener(0.7, n_past, n_future)) > 4 * deviation)


def test_the_causal_wiener_filter_is_causal_and_the_other_looks_ahead():
    random = np.random.default_rng(1)
    clean = random.random((20, 12, 4))
    noisy = clean + random.standard_normal(clean.shape)
    changed = noisy.copy()
    changed[:, 6:] = 0
    for n_future in (0, 2):
        wiener = Wiener(clean, noisy, 2, n_future)
        same = np.all(wiener.denoise(noisy) == wiener.denoise(changed), axis=(0, 2))
        assert same.tolist() == [True] * (6 - n_future) + [False] * (6 + n_future)


def test_smoother_finds_the_line_and_spreads_a_pixel():
    clean = bouncing_balls(4, 20, resolution=10, n_balls=1, random_state=0)
    smoother = Smoother(clean, 0.25 + 0.5 * clean)
    assert smoother.space == smoother.time == 0.5  # the least smoothing on offer
    assert smoother.slope == pytest.approx(2, rel=0.3)
    smoother.slope, smoother.offset = 1, 0
    dot = np.zeros((1, 9, 81))
    dot[0, 4, 40] = 1
    spread = smoother.denoise(dot).reshape(9, 9, 9)
    assert spread.sum() == pytest.approx(1, rel=1e-3)
    np.testing.assert_allclose(spread[4, 4, 5] / spread[4, 4, 4], np.exp(-2))
    np.testing.assert_allclose(spread[5, 4, 4] / spread[4, 4, 4], np.exp(-2))


def test_smoothing_and_wiener_estimates_are_better_than_the_noisy_input():
    def pair(seed):
        clean = bouncing_balls(30, 20, resolution=8, n_balls=1, random_state=seed)
        return clean, np.clip(clean + correlated_noise(30, 20, resolution=8, random_state=seed), 0, 1)

    clean, noisy = pair(1)
    errors = [np.square(e.denoise(noisy) - clean).mean() for e in (Smoother(*pair(0)), Wiener(*pair(0), 2))]
    assert max(errors) < np.square(noisy - clean).mean() / 2


# ------------------------------------------------------------------------------------ the script


TINY = {
    "models": tuple(denoising.MODELS),
    "n_frames": 8,
    "batch_size": 2,
    "n_fit": 6,
    "layers": [
        {"n_hidden": 6, "n_gibbs": 1, "learning_rate": 1e-2, "n_updates": 4},
        {"n_hidden": 5, "n_gibbs": 1, "learning_rate": 1e-2, "n_updates": 4},
    ],
}


@pytest.fixture
def tiny(monkeypatch):
    monkeypatch.setitem(denoising.PROFILES, "quick", TINY)
    monkeypatch.setitem(denoising.VIDEOS, "resolution", 8)
    monkeypatch.setattr(denoising, "N_TEST", 3)
    monkeypatch.setattr(denoising, "N_FRAMES", 12)


def table(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def test_denoising_writes_models_table_and_picture(tiny, tmp_path):
    pytest.importorskip("matplotlib")
    assert denoising.main(["--out", str(tmp_path), "--seed", "3"]) == 0
    rows = table(tmp_path / "errors.csv")
    assert tuple(rows[0]) == denoising.COLUMNS
    assert [(row["denoiser"], row["layers"]) for row in rows[:2]] == [("noisy", ""), ("Gaussian smoothing", "")]
    assert [row["layers"] for row in rows if row["denoiser"] in denoising.MODELS] == ["1", "2"] * 5
    assert all(float(row["squared_error_per_frame"]) > 0 for row in rows)
    for row in rows[4::2]:
        one, two = (float(row["squared_error_per_frame"]), float(rows[rows.index(row) + 1]["squared_error_per_frame"]))
        assert float(rows[rows.index(row) + 1]["one_layer_minus_two"]) == pytest.approx(one - two)
    settings = json.loads((tmp_path / "settings.json").read_text())
    assert settings["time"] == denoising.NOISE["time"] and settings["models"]["TRBM-HH"]["without"] == "HH"
    assert (tmp_path / "denoising.png").stat().st_size > 1000
    for name, (kind, _) in denoising.MODELS.items():
        layers = [kind.load(tmp_path / f"{name}-{i}.h5") for i in (1, 2)]
        assert [layer.n_features_in_ for layer in layers] == [64, 6]


def test_denoising_repeats_and_resumes(tiny, tmp_path, monkeypatch):
    pytest.importorskip("matplotlib")
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    denoising.main(["--models", "TRBM", "--out", str(whole)])
    original = denoising.Drawn.minibatch

    def interrupted(self, update):
        if self._depth == 1 and update == 3:
            os.kill(os.getpid(), 2)
        return original(self, update)

    with monkeypatch.context() as patch:
        patch.setattr(denoising.Drawn, "minibatch", interrupted)
        assert denoising.main(["--models", "TRBM", "--out", str(parts)]) == 130
    assert 0 < TRBM.load(parts / "TRBM-2.h5").n_updates_ < 4
    denoising.main(["--models", "TRBM", "--out", str(parts), "--resume"])
    assert (whole / "errors.csv").read_text() == (parts / "errors.csv").read_text()


def test_an_estimate_that_is_right_has_no_error_and_gains_are_paired():
    random = np.random.default_rng(0)
    clean = random.random((5, 4, 9))
    shift = 0.1 * np.arange(5)[:, None, None]  # videos differ much, the gain not at all
    estimates = {("noisy", None): clean + 1, ("m", 1): clean + np.sqrt(shift + 1), ("m", 2): clean + np.sqrt(shift)}
    rows = {row[:2]: row[2:] for row in denoising.error_rows(clean, estimates)}
    assert rows["noisy", None][:3] == pytest.approx((9, 0, 1))
    assert rows["m", 2][0] == pytest.approx(9 * 0.2) and rows["m", 2][2] == pytest.approx(5)
    assert rows["m", 2][1] == pytest.approx(9 * np.std(shift, ddof=1) / np.sqrt(5))
    assert rows["m", 2][3:] == pytest.approx((9, 0), abs=1e-9)


def test_a_model_that_is_named_twice_is_refused(tmp_path):
    pytest.importorskip("matplotlib")
    with pytest.raises(ValueError, match="--models must be different from each other"):
        denoising.main(["--models", "TRBM", "TRBM", "--out", str(tmp_path / "never")])
    assert not (tmp_path / "never").exists()


def test_a_wrong_noise_is_told_by_its_option(tmp_path):
    pytest.importorskip("matplotlib")
    with pytest.raises(ValueError, match="^--space must be"):
        denoising.main(["--space", "2", "--out", str(tmp_path / "out")])
