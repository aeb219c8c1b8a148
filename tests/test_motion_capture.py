"""The script of motion capture, tiny: its tables and pictures, resuming, what it refuses; the recurrent net."""

import csv
import os

import numpy as np
import pytest
from test_motion import frames, motion_file, upright

from experiments import motion_capture, recurrent_net
from experiments.gradient_check import central_differences
from experiments.motion_capture import Predictor, drawn, of_autoregression, roll_out_errors, roughness
from experiments.real_data import Split, ends
from rtrbm import evaluate
from rtrbm.datasets import hsu_motion
from rtrbm.minibatches.sequences import pack

pytest.importorskip("matplotlib")
pytest.importorskip("scipy.io")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Files of the right form, and recipes of the smallest size."""
    for name in motion_capture.FILES.values():
        (tmp_path / name).parent.mkdir()
    walks = [upright(n) + 0.1 * frames(n, n) for n in (90, 60)]
    motion_file(tmp_path / motion_capture.FILES["walking"], walks)
    np.savez(
        tmp_path / motion_capture.FILES["mocap6"],
        X=np.concatenate([frames(60, seed)[:, :12] for seed in range(6)]),
        doc_range=np.arange(7) * 60,
    )
    small = {"n_hidden": 4, "n_gibbs": 1, "n_updates": 2}
    for name, recipe in motion_capture.RECIPES.items():
        monkeypatch.setitem(motion_capture.RECIPES, name, recipe._replace(settings={**recipe.settings, **small}))
    monkeypatch.setattr(motion_capture, "NET", {"n_hidden": 4, "n_updates": 2})
    monkeypatch.setattr(motion_capture, "HORIZON", 6)
    monkeypatch.setattr(motion_capture, "N_DRAWN", 40)
    return tmp_path


def table(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("name", motion_capture.FILES)
def test_every_predictor_is_measured(name, folder):
    out = folder / "out"
    command = ["--data", str(folder), "--set", name, "--updates", "2", "--n-jobs", "1", "--engine", "numpy"]
    assert motion_capture.main([*command, "--seeds", "0", "1", "--out", str(out)]) == 0
    rows = table(out / "errors.csv")
    once, seeded = ["copy-previous", "mean frame", "AR(1)", "AR(2)", "AR(3)"], ["recurrent net", "AR(3), calm windows"]
    seeded += [*motion_capture.RECIPES, "mean of both"]
    assert [(row["predictor"], row["seed"]) for row in rows] == [(p, "") for p in once] + [
        (p, seed) for seed in "01" for p in seeded
    ] + [("mean of both, all seeds", "")]
    ahead = table(out / "rollouts.csv")
    assert len(ahead) == 6 * len(rows) and all(np.isfinite(float(row["squared_error_per_feature"])) for row in ahead)
    assert (out / "dream.gif").exists() == (name == "walking")
    assert all((out / picture).stat().st_size > 1000 for picture in ("dream.png", "rollouts.png"))


def test_resuming_repeats_the_numbers(folder, monkeypatch, capsys):
    """Without pictures, which take the time."""
    for picture in ("dream", "save_figure"):
        monkeypatch.setattr(motion_capture, picture, lambda *args, **kwargs: None)
    command = ["--data", str(folder), "--set", "mocap6", "--updates", "2", "--n-jobs", "1", "--seeds", "0"]
    command += ["--engine", "numpy", "--out", str(folder / "out")]
    motion_capture.main(command)
    rows = table(folder / "out" / "errors.csv")
    assert "going on from" not in capsys.readouterr().out
    motion_capture.main([*command, "--resume"])
    assert "going on from" in capsys.readouterr().out
    for again, row in zip(table(folder / "out" / "errors.csv"), rows, strict=True):
        assert again | {"minutes": ""} == row | {"minutes": ""}


def test_going_on_with_other_data_is_refused(folder, monkeypatch):
    for picture in ("dream", "save_figure", "report"):
        monkeypatch.setattr(motion_capture, picture, lambda *args, **kwargs: None)
    command = ["--data", str(folder), "--updates", "2", "--n-jobs", "1", "--seeds", "0", "--engine", "numpy"]
    command += ["--out", str(folder / "out")]
    motion_capture.main(command)
    before = {file.name: file.read_bytes() for file in (folder / "out").iterdir()}
    for other, message in {
        ("--statistics", "train"): "--statistics must stay as it is, got train: .* began with --statistics all",
        ("--validation",): "--validation must stay as it is, got True: .* began with --validation False",
        ("--set", "mocap6"): "--set must stay as it is, got mocap6",
    }.items():
        with pytest.raises(ValueError, match=message):
            motion_capture.main([*command, "--resume", *other])
    monkeypatch.setattr(motion_capture, "hsu_motion", lambda path: backwards(hsu_motion(path)))
    with pytest.raises(ValueError, match="--data .* must have the data that the models in .* learned from, got other"):
        motion_capture.main([*command, "--resume"])
    assert before == {file.name: file.read_bytes() for file in (folder / "out").iterdir()}


def backwards(motion):
    """The same walks from their ends to their beginnings."""
    return motion._replace(sequences=[walk[::-1].copy() for walk in motion.sequences])


def test_the_data_must_be_there(folder, monkeypatch):
    monkeypatch.delenv("RTRBM_DATA", raising=False)
    with pytest.raises(ValueError, match="--data"):
        motion_capture.main(["--out", str(folder)])
    with pytest.raises(ValueError, match="--data must name the folder that has mocap_hsu/motion.mat, .*nowhere"):
        motion_capture.main(["--data", os.path.join(folder, "nowhere"), "--out", str(folder)])


def exercises(n_sequences=6, lengths=60, still=False):
    """A file of mocap6's form."""
    lengths = np.broadcast_to(lengths, n_sequences)
    X = np.concatenate([frames(n, seed)[:, :12] for seed, n in enumerate(lengths)])
    X[:, 3] = 7 if still else X[:, 3]
    return {"X": X, "doc_range": np.concatenate([[0], np.cumsum(lengths)])}


@pytest.mark.parametrize(
    "arrays, message",
    [
        (exercises(4), "--data: .*dataset.npz must hold five sequences or more, four to train on, got 4"),
        (exercises(5, [60, 60, 60, 60, 2]), "--data: a test part of .* must have 4 frames or more"),
        (exercises(6, 40), "--data: a training part of .* must have 50 frames, the longest has 40"),
        (exercises(still=True), r"features \[3\] .* are the same in all training frames"),
        ({"X": np.zeros((9, 12))}, "must hold the arrays 'X' and 'doc_range', it has 'X'"),
        (exercises() | {"X": np.full((360, 12), np.nan)}, "NaN or infinite .*: leave these frames out"),
    ],
)
def test_recordings_that_cannot_be_measured(arrays, message, folder):
    np.savez(folder / motion_capture.FILES["mocap6"], **arrays)
    with pytest.raises(ValueError, match=message):
        motion_capture.main(["--data", str(folder), "--set", "mocap6", "--out", str(folder / "out")])
    assert not (folder / "out").exists()


def test_short_walks_are_refused(folder):
    motion_file(folder / motion_capture.FILES["walking"], [upright(60) + 0.1 * frames(60, 1)])
    with pytest.raises(ValueError, match="a training part of .*motion.mat must have 50 frames, the longest has 48"):
        motion_capture.main(["--data", str(folder), "--out", str(folder / "out")])
    with pytest.raises(ValueError, match="--seeds must be different from each other, got 0 0"):
        motion_capture.main(["--data", str(folder), "--seeds", "0", "0", "--out", str(folder / "out")])
    assert not (folder / "out").exists()


@pytest.mark.parametrize(
    "name, text", [("RTRBM_thesis_0.h5", "no model"), ("settings.json", "{"), ("settings.json", "[1]")]
)
def test_damage_is_seen_before_any_work(name, text, folder):
    (folder / "out").mkdir()
    (folder / "out" / "errors.csv").write_text("of an earlier run")
    (folder / "out" / name).write_text(text)
    with pytest.raises(ValueError, match=name):
        motion_capture.main(["--data", str(folder), "--resume", "--out", str(folder / "out")])
    assert (folder / "out" / "errors.csv").read_text() == "of an earlier run"
    assert (folder / "out" / name).read_text() == text


def oscillation(n, seed=0):
    """Sequences that are linear in two frames, but for a little noise."""
    rng = np.random.default_rng(seed)
    t = np.arange(n)[:, None] + rng.uniform(0, 20, 2)
    return np.sin(t / [2.0, 3.0]) + 0.001 * rng.standard_normal((n, 2))


def test_roll_outs_take_predictions_for_frames():
    """The linear predictor follows oscillations for 10 frames; one that repeats the last frame does not."""
    split = ends([oscillation(300), oscillation(200, 1)])
    linear = roll_out_errors(split, of_autoregression(split.train, split.test, 2), 10)
    copied = roll_out_errors(split, motion_capture.of_copy(split.test), 10)
    assert linear.shape == (10,) and linear.max() < 0.01 < 0.1 < copied.max()
    one_step = evaluate.autoregression(split.test, split.train, 2, ridge=motion_capture.best_ridge(split.train, 2))
    firsts = [(i, t) for i, n in enumerate(split.first) for t in range(n, len(split.test[i]) - 9, motion_capture.STEP)]
    wanted = np.mean([np.square(one_step[i][t] - split.test[i][t]).mean() for i, t in firsts])
    assert linear[0] == pytest.approx(wanted, rel=1e-6)


def test_a_roll_out_sees_no_frame_that_it_predicts():
    split = Split([oscillation(60)], [oscillation(60)], [40])

    def ahead(prefixes, horizon):
        assert [len(v) for v in prefixes] == [40, 50]
        np.testing.assert_array_equal(prefixes[1], split.test[0][:50])
        return np.zeros((2, horizon, 2))

    roll_out_errors(split, Predictor([], ahead), 10)


def test_calm_windows_are_drawn_more_often():
    """A half of the frames has ten times the noise; control: with calm=0 both halves have their share."""
    rng = np.random.default_rng(0)
    v = rng.standard_normal((400, 3)) * np.repeat([1, 10], 200)[:, None]
    rough = roughness([v], [v])[0]
    assert rough[200:].mean() > 20 * rough[:200].mean()

    def calm_share(calm):
        return np.mean([np.abs(x).max() < 6 for x in drawn([v], calm, 10, 400, 0)])

    assert calm_share(1.0) > 0.9 > 0.6 > calm_share(0.0) > 0.4


def test_the_gradient_of_the_net():
    """Against central differences, of scale 1; control: without the way back through time it is another."""
    X = [oscillation(6), oscillation(4, 1)]
    (v, where), (target, _) = pack([x[:-1] for x in X]), pack([x[1:] for x in X])
    rng = np.random.default_rng(0)
    params = recurrent_net.initial_params(2, 3, 0)
    params = type(params)(*(rng.standard_normal(part.shape) for part in params))

    def objective(params):
        s = recurrent_net.states(params, v, where)
        return -np.square(target - v - s @ params.V - params.b_y).sum() / 2 / len(v)

    found = recurrent_net.gradient(params, v, target, where)
    wanted = central_differences(objective, params)
    for a, b in zip(found, wanted):
        np.testing.assert_allclose(a, b, atol=1e-7)
    cut = recurrent_net.gradient(params._replace(U=0 * params.U), v, target, where)
    assert np.abs(cut.W - wanted.W).max() > 1e-3


def test_the_net_learns_and_goes_on():
    """Oscillations; its roll-out of one frame is its prediction."""
    X = [oscillation(200, seed).astype(np.float32) for seed in range(3)]
    params = recurrent_net.train([v[i : i + 50] for v in X for i in (0, 50, 100)], n_hidden=20, n_updates=300)
    new = [oscillation(100, 7).astype(np.float32)]
    error, copied = (
        np.square(p[0][10:] - new[0][10:]).mean()
        for p in (recurrent_net.predict(params, new), evaluate.copy_previous(new))
    )
    assert error < copied / 10
    np.testing.assert_allclose(
        recurrent_net.roll_out(params, [new[0][:60]], 3)[0, 0], recurrent_net.predict(params, new)[0][60], atol=1e-5
    )
