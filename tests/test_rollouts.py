"""The error of roll-outs: its definition, and the predictors beside the models."""

import numpy as np
import pytest

from experiments import rollouts
from experiments.rollouts import AHEAD, COLUMNS, draw_rollouts, rollout_rows
from experiments.runner import write_table
from rtrbm import RTRBM
from rtrbm.datasets import bouncing_balls
from rtrbm.evaluate import autoregression, autoregressive_forecast


@pytest.fixture(scope="module")
def videos():
    return bouncing_balls(30, n_frames=45, resolution=6, n_balls=1, random_state=0)


@pytest.fixture(scope="module")
def model(videos):
    return RTRBM(8, n_gibbs=1, learning_rate=0.1, n_updates=60, random_state=0).fit(videos)


def test_the_linear_forecast_is_the_one_step_prediction_again_and_again(videos):
    seen, train = videos[:3, :10].astype(float), videos[3:]
    for n_taps in (1, 2, 12):  # more taps than frames seen too
        ahead = autoregressive_forecast(seen, 4, train, n_taps, 0, 1)
        longer = seen
        for t in range(4):
            dummy = np.concatenate([longer, longer[:, :1]], axis=1)  # its last frame is predicted from those before
            now = autoregression(dummy, train, n_taps, 0, 1)[:, -1:]
            if n_taps < 12:
                np.testing.assert_allclose(ahead[:, t], now[:, 0], rtol=0, atol=1e-9)
            longer = np.concatenate([longer, now], axis=1)
        assert ahead.shape == (3, 4, 36) and 0 <= ahead.min() and ahead.max() <= 1
    wrong = autoregressive_forecast(seen[:, ::-1], 4, train, 2, 0, 1)  # control: time runs backwards
    assert np.abs(wrong - autoregressive_forecast(seen, 4, train, 2, 0, 1)).max() > 0.1


def test_the_linear_forecast_checks_its_arguments(videos):
    with pytest.raises(ValueError, match="horizon must be at least 1"):
        autoregressive_forecast(videos[:2], 0, videos)
    with pytest.raises(ValueError, match="low must be at most high"):
        autoregressive_forecast(videos[:2], 2, videos, low=1, high=0)
    with pytest.raises(ValueError, match="n_features|36 features"):
        autoregressive_forecast(videos[:2, :, :5], 2, videos)


def test_rows(videos, model, monkeypatch):
    monkeypatch.setattr(rollouts, "N_VIDEOS", 6)
    rows = rollout_rows({"RTRBM": model}, videos, videos[10:], random_state=3)
    found = {(name, how, k): (error, deviation) for name, how, k, error, deviation in rows}
    assert len(rows) == 5 * len(AHEAD) and len(rows[0]) == len(COLUMNS)
    seen, came = videos[:6, :20], videos[:6, 20:40]
    for k in AHEAD:
        wanted = np.square(seen[:, -1] - came[:, k - 1], dtype=float).sum(axis=1)
        error, deviation = found["copy-last", "", k]
        assert error == pytest.approx(wanted.mean()) and deviation == pytest.approx(wanted.std(ddof=1) / 6**0.5)
    ahead = model.forecast(seen, 20, n_samples=8, quantiles=None, random_state=3, return_samples=True)
    spread = np.square(ahead.means - ahead.mean[:, None], dtype=float).sum(axis=-1).mean(axis=(0, 1))
    for k in AHEAD:
        of_mean, of_one = (found["RTRBM", how, k][0] for how in ("mean of futures", "one future"))
        assert of_one == pytest.approx(of_mean + spread[k - 1], rel=1e-4)  # the parallelogram law
        assert spread[k - 1] > 1e-3
    # the chain of one frame forgets what is not seen: nothing after the prefix is used
    other = videos.copy()
    other[:, 40:] = 0
    assert rollout_rows({"RTRBM": model}, other, videos[10:], random_state=3) == rows


def test_the_figure(videos, model, tmp_path):
    pytest.importorskip("matplotlib")
    rows = rollout_rows({"RTRBM": model}, videos[:3], videos)
    figure = draw_rollouts(rows)
    assert len(figure.axes[0].lines) == 5
    figure.savefig(tmp_path / "rollouts.png")


def test_the_figure_of_several_runs(videos, model, tmp_path, monkeypatch):
    pytest.importorskip("matplotlib")
    rows = rollout_rows({"RTRBM": model}, videos[:3], videos)
    for name, side in ("bouncing_balls-a", 6), ("bouncing_balls-b", 6), ("other", 30):
        (tmp_path / name).mkdir()
        write_table(tmp_path / name / "rollouts.csv", COLUMNS, rows)
        (tmp_path / name / "settings.json").write_text(f'{{"resolution": {side}}}')
    drawn = []
    monkeypatch.setattr(rollouts, "save_figure", lambda figure, path: drawn.append((figure, path)))
    rollouts.main([*map(str, sorted(tmp_path.iterdir())), "--output", str(tmp_path / "rollouts.png")])
    ((figure, path),) = drawn
    labels = [[line.get_label() for line in axis.lines] for axis in figure.axes]
    assert labels == [["copy-last", "mean frame", "linear, 2 frames", *own] for own in (["a", "b"], ["other"])]
    wanted = [error for name, prediction, _, error, _ in rows if prediction == "mean of futures"]
    for axis in figure.axes:
        assert axis.lines[-1].get_xydata().tolist() == [[k, error] for k, error in zip(AHEAD, wanted)]
    figure.savefig(path)


def test_runs_with_two_models_and_runs_of_other_kinds(videos, model, tmp_path, monkeypatch):
    pytest.importorskip("matplotlib")
    for name in "x/a", "y/a", "other":
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "settings.json").write_text('{"resolution": 6}')
        rows = rollout_rows({"RTRBM": model, "TRBM": model}, videos[:3], videos)
        write_table(tmp_path / name / "rollouts.csv", COLUMNS, rows)
    write_table(tmp_path / "other" / "rollouts.csv", ("predictor", "seed"), [("AR(1)", 0)])
    drawn = []
    monkeypatch.setattr(rollouts, "save_figure", lambda figure, path: drawn.append(figure))
    rollouts.main([str(tmp_path / "x" / "a")])
    assert [line.get_label() for line in drawn[0].axes[0].lines][-2:] == ["a, RTRBM", "a, TRBM"]
    with pytest.raises(ValueError, match="names of the folders must be different from each other, got a a"):
        rollouts.main([str(tmp_path / "x" / "a"), str(tmp_path / "y" / "a")])
    with pytest.raises(ValueError, match="must be of a run of bouncing_balls, .*other has a rollouts.csv of another"):
        rollouts.main([str(tmp_path / "other")])


def test_a_run_that_was_broken_off_is_not_drawn(videos, model, tmp_path):
    pytest.importorskip("matplotlib")
    write_table(tmp_path / "rollouts.csv", COLUMNS, rollout_rows({"RTRBM": model}, videos[:3], videos))
    (tmp_path / "settings.json").write_text('{"resolution": 6, "broken_off": true}')
    with pytest.raises(ValueError, match="FOLDER wants .* a run that ended, .* was broken off: go on with --resume"):
        rollouts.main([str(tmp_path), "--output", str(tmp_path / "a.png")])


@pytest.mark.parametrize("path", ["fig", "fig.jpg", "no/fig.png"])
def test_the_picture_is_checked_before_any_work(path, tmp_path, monkeypatch):
    pytest.importorskip("matplotlib")
    monkeypatch.setattr(rollouts, "read_run", None)
    with pytest.raises(ValueError, match="--output must (end in one of .png, .pdf, .svg|be a file in an existing)"):
        rollouts.main([str(tmp_path), "--output", str(tmp_path / path)])


def test_short_videos_are_refused(videos, model):
    with pytest.raises(ValueError, match=r"with 40 frames or more, got \(40, 30, 36\)"):
        rollout_rows({"RTRBM": model}, np.zeros((40, 30, 36)), videos)
