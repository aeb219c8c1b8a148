"""The script that compares ways of learning, at tiny size."""

import csv

import pytest

from experiments import learning


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(learning, "WAYS", {name: learning.WAYS[name] for name in ("Adam", "spectral")})
    monkeypatch.setattr(learning, "N_TIMED", 2)
    monkeypatch.setattr(learning, "N_TEST", 2)
    monkeypatch.setattr(learning.Balls, "model", {"n_hidden": 4, "batch_size": 2, "learning_rate": 8e-3})


def test_a_row_for_every_way_with_its_updates_and_error(small, tmp_path, capsys):
    arguments = ["--tasks", "balls", "mocap6", "--seconds", "0.02", "--seeds", "0", "1", "--data", str(tmp_path)]
    assert learning.main([*arguments, "--engine", "numpy", "--out", str(tmp_path)]) == 0
    with open(tmp_path / "learning.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["data"], row["way"], row["seeds"]) for row in rows] == [
        ("balls", learning.COPYING, ""), ("balls", "linear predictor on 2 frames", ""), ("balls", "Adam", "2"),
        ("balls", "spectral", "2"),
    ]  # fmt: skip
    assert all(float(row["error"]) > 0 for row in rows)
    assert all(float(row["standard_error"]) > 0 and int(row["updates"]) for row in rows[2:])
    assert "mocap6 is left out: there is no" in capsys.readouterr().out


@pytest.mark.parametrize("option, value", [("--seconds", "0"), ("--seeds", "-1"), ("--n-jobs", "0")])
def test_wrong_options_are_named(option, value, tmp_path):
    with pytest.raises(ValueError, match=option):
        learning.main([option, value, "--out", str(tmp_path / "never")])
    assert not (tmp_path / "never").exists()


def test_ways_that_cost_the_same_make_as_many_updates(monkeypatch, small, tmp_path):
    """In the same processor time, whatever their timings would be."""
    timed = iter((5, 7))
    monkeypatch.setattr(learning, "WAYS", {"Adam": {}, "slow Adam": {"rate": 0.5}, "other": {"optimizer": "spectral"}})
    monkeypatch.setattr(learning, "n_updates_in", lambda *_: next(timed))
    assert learning.main(["--tasks", "balls", "--seeds", "0", "--engine", "numpy", "--out", str(tmp_path)]) == 0
    with open(tmp_path / "learning.csv", newline="") as file:
        assert [int(row["updates"]) for row in csv.DictReader(file) if row["updates"]] == [5, 5, 7]


def test_damaged_data_are_an_error_and_so_is_none_at_all(tmp_path):
    (tmp_path / "mocap6").mkdir()
    (tmp_path / "mocap6" / "dataset.npz").write_bytes(b"PK")
    for tasks, folder in ((["balls", "mocap6"], tmp_path), (["mocap6"], tmp_path / "none")):
        with pytest.raises(ValueError, match="dataset.npz|there is no file of any task"):
            learning.main(["--tasks", *tasks, "--data", str(folder), "--out", str(tmp_path / "never")])
    assert not (tmp_path / "never").exists()
