"""The script of music at tiny size; the models of independent notes against what they must be."""

import csv
import json
import os
import pathlib
from types import SimpleNamespace

import numpy as np
import pytest

from experiments import music_baselines as baselines
from experiments import polyphonic_music
from experiments.polyphonic_music import MODELS, RECIPE, BestLikelihood, Score, some
from rtrbm.convert import read_midi
from rtrbm.datasets import Transposed, piano_rolls
from rtrbm.minibatches.windows import Example, packed
from rtrbm.training.state import Best

pytest.importorskip("matplotlib")
pytest.importorskip("mido")
DATA = os.environ.get("RTRBM_DATA")
needs_data = pytest.mark.skipif(not DATA, reason="RTRBM_DATA does not name a folder of real data")


def tune(rng, n_frames):
    """A scale up and down, with a bass: predictable, and different at every place."""
    at = int(rng.integers(7))
    return [[60 + abs((at + t) % 14 - 7), 40 + (at + t) // 4 % 3] for t in range(n_frames)]


@pytest.fixture
def path(tmp_path):
    rng = np.random.default_rng(0)
    parts = {part: [tune(rng, 10 + i) for i in range(n)] for part, n in (("train", 6), ("valid", 3), ("test", 4))}
    (tmp_path / "tunes.json").write_text(json.dumps(parts))
    return tmp_path / "tunes.json"


@pytest.fixture
def quick(monkeypatch):
    small = {"model": {"n_hidden": 4, "learning_rate": 0.01, "batch_size": 3}, "n_gibbs": {0: 1, 0.5: 2}, "window": 8}
    monkeypatch.setattr(polyphonic_music, "RECIPE", {**RECIPE, **small, "n_updates": 6})
    monkeypatch.setattr(polyphonic_music, "QUICK", {"n_chains": 2, "n_steps": 5})
    monkeypatch.setattr(polyphonic_music, "N_LOOKS", 3)


def rows_of(folder):
    with open(folder / "scores.csv", newline="") as file:
        return list(csv.DictReader(file))


def measured_in(path):
    with open(path, newline="") as file:
        return [(row["update"], row["nats"]) for row in csv.DictReader(file)]


def test_every_model_has_its_row_and_goes_on(path, quick, tmp_path, capsys):
    out, common = (
        tmp_path / "out",
        ["--sets", str(path), "--n-jobs", "1", "--engine", "numpy", "--transpose", "--out", str(tmp_path / "out")],
    )
    polyphonic_music.main([*common, "--updates", "4"])
    rows = rows_of(out)
    assert [row["model"] for row in rows] == ["1-gram", "markov", "rbm", "lstm", *MODELS]
    assert [row["trained_on"] for row in rows] == ["as it is"] * 3 + ["transposed"] * 5
    for row in rows:
        assert float(row["lower"]) <= float(row["nats"]) <= float(row["upper"]) < 0
        assert int(row["n_frames"]) == 46 and (row["model"] == "rbm" or 0 < float(row["accuracy"]) < 1)
    assert [row["updates"] for row in rows] == ["", "", *["4"] * 6]
    title = "rtrbm-tunes-transposed"
    assert read_midi(out / f"{title}.mid").any() and (out / f"{title}.png").stat().st_size > 1000
    with open(out / f"{title}.csv", newline="") as file:
        measured = list(csv.DictReader(file))
    assert [row["update"] for row in measured] == ["2", "4"]
    best = max(measured, key=lambda row: float(row["nats"]))
    assert (best["nats"], best["update"]) == (rows[4]["valid"], rows[4]["best"])
    kept = MODELS["rtrbm"][0].load(out / f"{title}.h5")
    for a, b in zip(kept.params_, kept.best_.params):
        np.testing.assert_array_equal(a, b)
    capsys.readouterr()
    (out / "scores.csv").write_text("".join((out / "scores.csv").read_text().splitlines(True)[:-1]))
    polyphonic_music.main([*common, "--resume"])  # the last row is missing, its model is there
    said = capsys.readouterr().out
    assert rows_of(out) == rows and said.count("training") == 1 and "4 updates" in said


def test_a_model_that_has_its_row_learns_further(path, quick, tmp_path, capsys, monkeypatch):
    def failing(*args):
        raise RuntimeError

    common = ["--sets", str(path), "--n-jobs", "1", "--engine", "numpy", "--out", str(tmp_path), "--resume"]
    common += ["--models", "1-gram", "rtrbm", "rnnrbm"]
    polyphonic_music.main([*common, "--updates", "4"])
    earlier = rows_of(tmp_path)
    capsys.readouterr()
    for same in ["--updates", "4"], []:
        polyphonic_music.main([*common, *same])
        assert "training" not in capsys.readouterr().out and rows_of(tmp_path) == earlier
    with pytest.raises(ValueError, match=r"--updates must be at least 4, those of the run of .*, got 3"):
        polyphonic_music.main([*common, "--updates", "3"])
    with monkeypatch.context() as patched, pytest.raises(RuntimeError), pytest.warns(match=r"n_updates=6 \(was 4\)"):
        patched.setattr(polyphonic_music, "draw", failing)
        polyphonic_music.main([*common[:-1], "--updates", "6"])
    assert rows_of(tmp_path) == [earlier[0], earlier[2]]
    polyphonic_music.main([*common[:-1], "--updates", "6"])
    rows = rows_of(tmp_path)
    assert sorted(row["model"] for row in rows) == sorted(row["model"] for row in earlier)
    assert {row["model"]: row["updates"] for row in rows} == {"1-gram": "", "rtrbm": "6", "rnnrbm": "4"}
    with open(tmp_path / "rtrbm-tunes-as-it-is.csv", newline="") as file:
        assert [row["update"] for row in csv.DictReader(file)] == ["2", "4", "6"]


def test_pooled_sets(path, quick, tmp_path):
    other = tmp_path / "others.json"
    other.write_bytes(path.read_bytes())
    common = [
        "--sets",
        str(path),
        str(other),
        "--models",
        "1-gram",
        "rnnrbm",
        "--n-jobs",
        "1",
        "--pool",
        "--engine",
        "numpy",
    ]
    polyphonic_music.main([*common, "--minutes", "0.001", "--out", str(tmp_path / "out")])
    rows = rows_of(tmp_path / "out")
    assert [(row["set"], row["model"]) for row in rows] == [
        (str(part), model) for model in ("1-gram", "rnnrbm") for part in (path, other)
    ]
    assert {row["trained_on"] for row in rows} == {"pooled of tunes+others"} and int(rows[-1]["updates"]) >= 1
    assert rows[0]["nats"] == rows[1]["nats"]
    assert (tmp_path / "out" / "rnnrbm-tunes+others-pooled.h5").exists()
    third = tmp_path / "third.json"
    third.write_bytes(path.read_bytes())
    more = ["--sets", str(path), str(other), str(third), "--resume", "--updates", "2"]
    polyphonic_music.main([*common, *more, "--out", str(tmp_path / "out")])  # another pool has rows of its own
    assert rows_of(tmp_path / "out")[: len(rows)] == rows
    pools = {row["trained_on"] for row in rows_of(tmp_path / "out")}
    assert pools == {"pooled of tunes+others", "pooled of tunes+others+third"}


def test_going_on_with_other_music_is_refused(path, quick, tmp_path):
    """The files of models have the names of sets, which may be in several folders."""
    (tmp_path / "b").mkdir()
    rng, out = np.random.default_rng(1), tmp_path / "out"
    tunes = {part: [tune(rng, 12) for _ in range(6)] for part in ("train", "valid", "test")}
    (tmp_path / "b" / path.name).write_text(json.dumps(tunes))
    command = ["--models", "1-gram", "lstm", "--n-jobs", "1", "--engine", "numpy", "--out", str(out)]
    polyphonic_music.main([*command, "--updates", "2", "--sets", str(path)])
    before = {file.name: file.read_bytes() for file in out.iterdir()}
    with pytest.raises(ValueError, match="the music of the run in .*, got lengths .* in train: take another --out"):
        polyphonic_music.main([*command, "--sets", str(tmp_path / "b" / path.name), "--resume"])
    assert before == {file.name: file.read_bytes() for file in out.iterdir()}
    polyphonic_music.main([*command, "--sets", str(path), "--resume", "--updates", "4"])
    assert [row["updates"] for row in rows_of(out)] == ["", "4"]
    parts = json.loads(path.read_text())
    parts["test"][0] += [[60]]
    path.write_text(json.dumps(parts))
    with pytest.raises(ValueError, match="got lengths .* in test of .*tunes.json: take another --out"):
        polyphonic_music.main([*command, "--sets", str(path), "--resume"])


def test_a_run_that_ended_early_learns_further(tmp_path):
    """Its patience counts anew, if it is to be longer than before."""
    path = tmp_path / "run.csv"
    rows = [f"{n},-1,0,-1,-1,0\n" for n in (3, 6, 9)]
    path.write_text("".join(["update,nats,standard_error,lower,upper,minutes\n", *rows]))
    model = SimpleNamespace(n_updates_=9, n_updates=30, best_=Best(None, 3, 1.0))
    assert BestLikelihood([], 3, path, patience=2).start(model)
    watch = BestLikelihood([], 3, path, patience=2, anew=True)
    assert not watch.start(model)
    model.likelihood = lambda *args, **settings: SimpleNamespace(nats=-2.0, standard_error=0.0, lower=-2.0, upper=-2.0)
    ends = []
    for model.n_updates_ in (12, 15):
        ends.append(watch(model))
    assert ends == [False, True]


def test_an_extension_that_was_broken_off_counts_from_its_start(tmp_path):
    """Before its first measurement too, though the checkpoint no longer says that the run became longer."""
    path = tmp_path / "run.csv"
    rows = [f"{n},-1,0,-1,-1,0\n" for n in (3, 6, 9)]
    path.write_text("".join(["update,nats,standard_error,lower,upper,minutes\n", *rows]))
    model = SimpleNamespace(n_updates_=9, n_updates=30, best_=Best(None, 3, 1.0))
    assert not BestLikelihood([], 3, path, patience=2, anew=True).start(model)
    assert not BestLikelihood([], 3, path, patience=2).start(model)
    model.likelihood = lambda *args, **settings: SimpleNamespace(nats=-2.0, standard_error=0.0, lower=-2.0, upper=-2.0)
    watch = BestLikelihood([], 3, path, patience=2)
    watch.start(model)
    model.n_updates_ = 12
    assert not watch(model)
    again = BestLikelihood([], 3, path, patience=2)
    assert not again.start(model)
    model.n_updates_ = 15
    assert again(model)
    path.write_text("update,nats\n3,abc\n")
    with pytest.raises(ValueError, match="run.csv is damaged: .*abc.*; remove it"):
        BestLikelihood([], 3, path).start(model)


@pytest.mark.parametrize("update", [4, 6])
@pytest.mark.parametrize("failing", ["write_table", "print"])
def test_a_measurement_that_an_error_breaks_off_is_made_on_resume(path, quick, tmp_path, monkeypatch, failing, update):
    common = ["--sets", str(path), "--n-jobs", "1", "--engine", "numpy", "--transpose", "--models", "rtrbm"]
    common += ["--updates", "6", "--out"]
    monkeypatch.setattr(polyphonic_music, "draw", lambda *_: None)
    monkeypatch.setattr(polyphonic_music, "report", lambda *_, **__: None)

    act = {"print": print, "write_table": polyphonic_music.write_table}[failing]

    def fail(*arguments, **options):
        if f"update {update}:" in str(arguments) or f"update={update}," in str(arguments):
            raise OSError("full")
        act(*arguments, **options)

    polyphonic_music.main([*common, str(tmp_path / "whole")])
    with monkeypatch.context() as patched, pytest.raises(OSError, match="full"):
        patched.setattr(polyphonic_music, failing, fail, raising=False)
        polyphonic_music.main([*common, str(tmp_path / "parts")])
    polyphonic_music.main([*common, str(tmp_path / "parts"), "--resume"])
    whole, parts = (rows_of(tmp_path / name)[0] | {"minutes": ""} for name in ("whole", "parts"))
    assert parts == whole
    whole, parts = (measured_in(tmp_path / name / "rtrbm-tunes-transposed.csv") for name in ("whole", "parts"))
    assert parts == whole and [update for update, _ in parts] == ["2", "4", "6"]


def test_measurements_of_an_earlier_run_are_not_taken_over(tmp_path):
    (tmp_path / "run.csv").write_text("update,nats,standard_error,lower,upper,minutes\n3,-1,0,-1,-1,0\n")
    model = SimpleNamespace(n_updates_=0, n_updates=30, best_=None)
    BestLikelihood([], 3, tmp_path / "run.csv").start(model)
    model.n_updates_ = 4  # broken off, and resumed
    again = BestLikelihood([], 3, tmp_path / "run.csv")
    assert not again.start(model) and again.minutes == 0 and measured_in(tmp_path / "run.csv") == []


def test_what_a_resumed_run_must_keep(path, quick, tmp_path, monkeypatch):
    """The seed, the updates of models without checkpoints, and the minutes that earlier models were given."""
    common = ["--sets", str(path), "--n-jobs", "1", "--engine", "numpy", "--out", str(tmp_path)]
    polyphonic_music.main([*common, "--models", "lstm", "rtrbm", "--updates", "4"])
    for more, said in ((["--seed", "1"], "--seed must be that of the run, 0, got 1"),
                       (["--updates", "3"], "--updates must be at least 4, those of lstm, got 3")):  # fmt: skip
        with pytest.raises(ValueError, match=said):
            polyphonic_music.main([*common, "--models", "lstm", *more, "--resume"])
    polyphonic_music.main([*common, "--models", "rtrbm", "rtrbm-static", "--minutes", "0.001", "--resume"])
    (recipe,) = json.loads((tmp_path / "settings.json").read_text())["recipes"].values()
    assert recipe["minutes"] == {"lstm": None, "rtrbm": None, "rtrbm-static": 0.001}


def test_a_certain_network_has_finite_scores():
    """A note that sounds in every training frame, and in no validation frame."""
    chord, other = np.zeros((40, 88), np.float32), np.zeros((40, 88), np.float32)
    chord[:, [39, 43]], other[:, 40] = 1, 1
    network = baselines.NoteLSTM(baselines.frequency(chord), 3)
    network.params.b_v[:] = np.where(chord[0], 40, -200)
    network.fit(Transposed([chord], 1, semitones=(0, 0), random_state=0), [other], 2)
    nats, _ = baselines.scores([other], network.predict([other]))
    assert np.isfinite(nats) and nats < -40


@pytest.mark.parametrize(
    "arguments, match",
    [
        (["--seed", "-1"], "--seed"),
        (["--updates", "0"], "--updates"),
        (["--sets", "a/my.json", "b/my.mat"], "--sets must have different names, got my, my"),
        (["--minutes", "0"], "--minutes"),
        (["--n-jobs", "0"], "--n-jobs"),
        (["--sets", "jsb"], "--data must name the folder"),
        (["--sets", "jsb", "--data", "nowhere"], "rtrbm.datasets jsb --to nowhere"),
        (["--sets", "nowhere.json"], "there is no 'nowhere.json'"),
    ],
)
def test_wrong_options_are_refused_before_any_work(arguments, match, tmp_path, monkeypatch):
    monkeypatch.delenv("RTRBM_DATA", raising=False)
    monkeypatch.chdir(tmp_path)
    with pytest.raises((ValueError, TypeError), match=match):
        polyphonic_music.main(arguments)
    assert not list(tmp_path.iterdir())


def test_some_pieces_are_about_so_many_frames():
    pieces = [np.zeros((n, 88)) for n in (5, 300, 40, 50, 60, 70, 80, 90)]
    chosen = some(pieces, 160)
    assert all(len(piece) <= 40 for piece in chosen) and 120 <= sum(map(len, chosen)) <= 160
    assert len(some(pieces[:1], 160)) == 1


# ------------------------------------------------------------------------------------------------ baselines


def test_accuracy_is_that_of_bay():
    v, p = np.array([[1.0, 1, 0, 0]]), np.array([[1.0, 0, 1, 0]])
    assert baselines.accuracy([v], [p]) == 1 / 3  # one hit, one false, one missed
    assert baselines.accuracy([v], [0.5 * p]) == 0.5 / 2.5


def test_scores_are_means_over_all_frames():
    pieces, p = [np.ones((1, 2)), np.zeros((3, 2))], [np.full((1, 2), 0.5), np.full((3, 2), 0.25)]
    assert baselines.scores(pieces, p)[0] == pytest.approx((2 * np.log(0.5) + 6 * np.log(0.75)) / 4)


def test_one_gram_and_markov_are_the_frequencies():
    train = [np.array([[1.0], [1], [0]]), np.array([[0.0], [1]])]
    assert baselines.one_gram(train)(train)[0].ravel() == pytest.approx([3.5 / 6] * 3)
    after_0, after_1 = 1.5 / 2, 1.5 / 3
    assert baselines.markov(train)(train)[0].ravel() == pytest.approx([3.5 / 6, after_1, after_1])
    assert baselines.markov(train)(train)[1].ravel() == pytest.approx([3.5 / 6, after_0])


def test_the_gradient_of_the_network():
    rng = np.random.default_rng(0)
    network = baselines.NoteLSTM(np.full(3, 0.5), n=4, seed=1)
    network.params = network.params._replace(
        **{k: rng.standard_normal(p.shape) * 0.7 for k, p in network.params._asdict().items() if p is not None}
    )
    examples = [Example(rng.integers(2, size=(n, 3)).astype(float), warm) for n, warm in ((7, 2), (5, 0), (6, 1))]
    v, where, *_ = packed(examples)
    found, n = network.gradient(v, where), sum(len(example) for example in examples)

    def objective(frozen):
        """Of the frames that count; what comes before them has the parameters `frozen`."""
        nats = 0
        for example in examples:
            p = network.predict([example.v])[0]
            nats += np.log(np.where(example.v == 1, p, 1 - p))[example.n_warm :].sum()
        return nats / n

    for name in ("W_uv", "b_v"):  # no past: exact whatever warms up
        part = getattr(network.params, name)
        for at in np.ndindex(part.shape):
            values = []
            for step in (1e-5, -1e-5):
                part[at] += step
                values.append(objective(None))
                part[at] -= step
            assert getattr(found, name)[at] == pytest.approx((values[0] - values[1]) / 2e-5, abs=1e-8)
    examples = [Example(example.v) for example in examples]
    v, where, *_ = packed(examples)
    found = network.gradient(v, where)
    for name in ("K", "R", "b_g"):
        part = getattr(network.params, name)
        for at in list(np.ndindex(part.shape))[::3]:
            values = []
            for step in (1e-5, -1e-5):
                part[at] += step
                values.append(objective(None))
                part[at] -= step
            assert getattr(found, name)[at] == pytest.approx((values[0] - values[1]) / 2e-5, abs=1e-8)


def test_the_network_learns_what_markov_cannot(path):
    train, valid, test = piano_rolls(path)
    stream = Transposed(train, 6, semitones=(0, 0), random_state=0)
    network = baselines.NoteLSTM(baselines.frequency(np.concatenate(train)), n=30, seed=0).fit(stream, valid, 150)
    markov = baselines.scores(test, baselines.markov(train)(test))[0]
    assert baselines.scores(test, network.predict(test))[0] > markov + 1


@needs_data
@pytest.mark.parametrize(
    "name, gram, chain",
    [("JSB_Chorales", -11.06, -10.47), ("Nottingham", -10.25, -5.16), ("Piano_midi", -11.05, -8.26),
     ("MuseData", -11.51, -8.56)],
)  # fmt: skip
def test_the_published_rows(name, gram, chain):
    train, _, test = piano_rolls(pathlib.Path(DATA, "polyphonic_music", f"{name}.mat"))
    found = [baselines.scores(test, make(train)(test))[0] for make in (baselines.one_gram, baselines.markov)]
    assert [round(nats, 2) for nats in found] == [gram, chain]


def test_the_columns_are_named():
    assert Score._fields[:4] == ("set", "model", "trained_on", "seed")
