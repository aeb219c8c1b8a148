"""The ablation runs, tiny: its tables have every variant and every predictor without a model."""

import csv
import json

import numpy as np
import pytest

from experiments import ablation
from experiments.ablation import VARIANTS, Row, summary
from rtrbm import TRBM
from rtrbm.datasets import bouncing_balls
from rtrbm.parameters import arrays

BASELINES = [
    "copy-previous",
    "linear extrapolation",
    "mean frame",
    "autoregression, 1 tap",
    "autoregression, 2 taps",
    "autoregression, 4 taps",
]


def table(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def tiny(monkeypatch):
    small = {"resolution": 8, "n_frames": 10, "n_hidden": 12, "batch_size": 2, "n_updates": 6, "n_test": 3}
    monkeypatch.setitem(ablation.PROFILES, "quick", {**ablation.PROFILES["quick"], **small})
    monkeypatch.setattr(ablation, "N_LINEAR", 3)


def test_ablation(tiny, tmp_path, capsys):
    pytest.importorskip("matplotlib")
    assert ablation.main(["--seeds", "2", "--seed", "3", "--out", str(tmp_path)]) == 0
    rows = table(tmp_path / "errors.csv")
    assert list(rows[0]) == list(Row._fields)
    assert [(row["predictor"], row["seed"]) for row in rows] == [
        *((name, "") for name in BASELINES),
        *((name, seed) for seed in "34" for name in VARIANTS),
    ]
    means = {row["predictor"]: row for row in table(tmp_path / "summary.csv")}
    assert list(means) == [*BASELINES, *VARIANTS]
    for name, variant in VARIANTS.items():
        errors = [float(row["squared_error_per_frame"]) for row in rows if row["predictor"] == name]
        assert errors[0] != errors[1] and means[name]["seeds"] == "2"
        assert float(means[name]["squared_error_per_frame"]) == pytest.approx(np.mean(errors))
        assert float(means[name]["standard_error"]) == pytest.approx(abs(errors[0] - errors[1]) / 2)
        taps = variant.n_linear
        beside = f"autoregression, {taps} tap{'s' * (taps > 1)}" if taps else "mean frame"
        assert means[name]["linear_error"] == means[beside]["squared_error_per_frame"]
    assert len({means[name]["squared_error_per_frame"] for name in VARIANTS}) == len(VARIANTS)
    assert (tmp_path / "ablation.png").stat().st_size > 1000
    settings = json.loads((tmp_path / "settings.json").read_text())
    assert settings["n_updates"] == 6 and settings["n_linear"] == 3 and "commit" in settings["versions"]
    assert "RTRBM without BPTT" in capsys.readouterr().out


def test_it_resumes_after_an_interruption(tiny, tmp_path, monkeypatch):
    pytest.importorskip("matplotlib")
    arguments = ["--seeds", "1", "--n-updates", "4", "--out"]
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    ablation.main([*arguments, str(whole)])
    original = ablation.train

    def interrupted(title, *rest):
        if title == "RTRBM":
            raise KeyboardInterrupt
        return original(title, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(ablation, "train", interrupted)
        assert ablation.main([*arguments, str(parts)]) == 130
    ablation.main([*arguments, str(parts), "--resume"])
    one, other = ([row["squared_error_per_frame"] for row in table(f / "errors.csv")] for f in (whole, parts))
    assert one == other
    with pytest.raises(ValueError, match="no update would be made with .*; --n-updates counts those made too"):
        ablation.main(["--seeds", "1", "--n-updates", "2", "--out", str(parts), "--resume"])
    (parts / "settings.json").unlink()
    ablation.main([*arguments, str(parts), "--resume"])
    assert {row["seconds"] for row in table(parts / "errors.csv")} == {""}  # as there is no record of them


def test_without_recurrence_nothing_of_the_past_is_used():
    model, options, _ = VARIANTS["no recurrence"]
    X = bouncing_balls(2, n_frames=6, resolution=6, n_balls=1, random_state=0)
    model = model(5, **options, n_gibbs=1, n_updates=3, random_state=0).fit(X)
    assert isinstance(model, TRBM) and sum(p.size for p in arrays(model.params_)) == 36 * 5 + 36 + 5
    np.testing.assert_array_equal(model.predict(X), model.predict(X[:, ::-1]))


def test_one_seed_keeps_the_error_over_videos():
    row = Row("RTRBM", 7, 10, 2.0, 0.5, 4, 1.0, 3.0)
    assert summary([row]) == [row._replace(seed=1)]


@pytest.mark.parametrize("argument", ["--seeds", "--n-updates"])
def test_counts_are_checked(tmp_path, argument):
    with pytest.raises(ValueError, match=argument):
        ablation.main([argument, "0", "--out", str(tmp_path)])
