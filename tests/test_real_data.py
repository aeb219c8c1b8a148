"""The script of real data: the splits, the table, and what it says of files that are not there; the loaders."""

import csv
import os
import pathlib

import numpy as np
import pytest

from experiments import real_data
from experiments.real_data import TASKS, Split, ends, error, standardised, windows
from rtrbm.datasets import hsu_walking, mocap6, piano_rolls

io = pytest.importorskip("scipy.io")
DATA = os.environ.get("RTRBM_DATA")
needs_data = pytest.mark.skipif(not DATA, reason="RTRBM_DATA does not name a folder of real data")


@pytest.fixture
def folder(tmp_path):
    """Files of the right form."""
    rng, files = np.random.default_rng(0), [tmp_path / (task.file or "none") for task in TASKS.values()]
    for file in files:
        file.parent.mkdir(exist_ok=True)
    walk = rng.standard_normal((120, 49)).cumsum(axis=0)
    io.savemat(files[0], {"batchdata": walk, "seqlengths": np.array([[50, 40, 30]], float)})
    np.savez(files[1], X=walk[:, :12], doc_range=np.arange(7.0) * 20)
    cells = np.empty((1, 3), object)
    cells[0] = [(rng.random((n, 88)) < 0.1).astype(np.uint8) for n in (9, 12, 10)]
    io.savemat(files[3], {"traindata": cells, "validdata": cells[:, :1], "testdata": cells[:, :2]})
    return tmp_path


def quick(monkeypatch):
    for name, task in TASKS.items():
        monkeypatch.setitem(TASKS, name, task._replace(settings={**task.settings, "n_hidden": 5, "n_updates": 2}))


@pytest.mark.parametrize("validation", [[], ["--validation"]])
def test_every_task_has_its_row(validation, folder, monkeypatch, capsys):
    quick(monkeypatch)
    real_data.main(["--data", str(folder), "--seeds", "0", "--n-jobs", "1", "--out", str(folder / "out"), *validation])
    with open(folder / "out" / "real_data.csv") as file:
        rows = list(csv.DictReader(file))
    assert [row["task"] for row in rows] == list(TASKS) and all(float(row["model"]) > 0 for row in rows)
    assert "model_over_linear" in capsys.readouterr().out


def test_a_task_without_its_file_is_left_out(tmp_path, monkeypatch, capsys):
    quick(monkeypatch)
    monkeypatch.delenv("RTRBM_DATA", raising=False)
    real_data.main(["--tasks", "jsb", "walks", "--seeds", "0", "--n-jobs", "1", "--out", str(tmp_path)])
    assert "jsb is left out" in capsys.readouterr().out


def test_a_file_that_cannot_be_read_is_seen_before_any_work(folder, tmp_path):
    (folder / TASKS["jsb"].file).write_bytes(b"")
    with pytest.raises(ValueError, match="JSB_Chorales.mat"):
        real_data.main(["--data", str(folder), "--tasks", "walks", "jsb", "--out", str(tmp_path / "out")])
    assert not (tmp_path / "out").exists()


def test_splits():
    X = [np.arange(20.0).reshape(10, 2), np.arange(8.0).reshape(4, 2)]
    split = ends(X)
    assert [len(v) for v in split.train] == [8, 3] == split.first and split.test is X
    made = standardised(Split(X, X, [1, 1]))
    np.testing.assert_allclose(np.concatenate(made.train).std(axis=0), 1, rtol=1e-6)
    assert [len(v) for v in windows(X, 4)] == [4, 4, 2, 4]
    predicted = [v + 1 for v in X]
    predicted[0][:8] += 5  # not scored
    assert error(split, predicted, per_feature=True) == 1 and error(split, predicted, per_feature=False) == 2


def test_loaders(folder):
    assert [v.shape for v in hsu_walking(folder / TASKS["walking"].file)] == [(50, 49), (40, 49), (30, 49)]
    assert [v.shape for v in mocap6(folder / TASKS["mocap6"].file)] == [(20, 12)] * 6
    train, valid, test = piano_rolls(folder / TASKS["jsb"].file)
    assert [len(v) for v in train] == [9, 12, 10] and len(valid) == 1 and len(test) == 2
    assert train[0].dtype == np.float32 and set(np.unique(train[0])) == {0, 1}
    for load in (hsu_walking, mocap6, piano_rolls):
        with pytest.raises(FileNotFoundError, match="nowhere"):
            load(folder / "nowhere.mat")
    with pytest.raises(ValueError, match="traindata"):
        piano_rolls(folder / TASKS["walking"].file)


@needs_data
def test_the_files_are_those_that_the_papers_used():
    sequences = hsu_walking(pathlib.Path(DATA, TASKS["walking"].file))
    assert [v.shape for v in sequences] == [(438, 49), (260, 49), (3128, 49)]
    np.testing.assert_allclose(np.concatenate(sequences).std(axis=0, ddof=1), 1)
    assert sum(map(len, mocap6(pathlib.Path(DATA, TASKS["mocap6"].file)))) == 2058
    assert [sum(map(len, part)) for part in piano_rolls(pathlib.Path(DATA, TASKS["jsb"].file))] == [13807, 4602, 4725]
