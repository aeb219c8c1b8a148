"""Every script runs, tiny, and writes what it says it writes."""

import csv
import errno
import json
import os
import re
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from helpers import needs_numba

from experiments import (
    ablation,
    benchmark,
    binary_addition,
    bouncing_balls,
    contenders,
    denoising,
    gradient_check,
    readers,
    recipe,
    runner,
    timings,
)
from experiments.contenders import Setting, interleaved
from experiments.runner import begin
from rtrbm import RTRBM
from rtrbm.compute.engine import named
from rtrbm.compute.threads import processors
from rtrbm.parameters import arrays

ROOT = Path(__file__).parents[1]
TINY = {"resolution": 8, "n_hidden": 12, "n_gibbs": {0: 1, 3: 2}, "batch_size": 2, "n_updates": 6}


def table(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def tiny(monkeypatch):
    monkeypatch.setitem(bouncing_balls.PROFILES, "quick", TINY)
    monkeypatch.setattr(bouncing_balls, "N_TEST", 3)
    monkeypatch.setattr(bouncing_balls, "N_LINEAR", 3)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--model", "both"],
        ["--dynamic-visible-bias"],
        ["--model", "trbm"],
        ["--n-taps", "1"],
        pytest.param(["--engine", "numba"], marks=needs_numba),
    ],
)
def test_bouncing_balls(tiny, tmp_path, arguments):
    pytest.importorskip("matplotlib")
    assert bouncing_balls.main([*arguments, "--out", str(tmp_path), "--seed", "3"]) == 0
    names = {"--model both": ["rtrbm", "trbm"], "--model trbm": ["trbm"]}.get(" ".join(arguments), ["rtrbm"])
    errors = table(tmp_path / "errors.csv")
    assert list(errors[0]) == ["predictor", "protocol", "squared_error_per_frame", "standard_error"]
    assert {"copy-previous", "linear extrapolation", "mean frame"} < {row["predictor"] for row in errors}
    units = table(tmp_path / "hidden_units.csv")
    assert [row["hidden_units"] for row in units] == [str(TINY["n_hidden"])] * len(names)
    assert all(0 <= int(row["idle"]) <= TINY["n_hidden"] for row in units)
    for name in names:
        model = RTRBM.load(tmp_path / f"{name}.h5")
        assert model.bptt == (name == "rtrbm") and model.n_updates_ == TINY["n_updates"]
        assert [row["protocol"] for row in errors if row["predictor"] == name.upper()] == [
            "mean",
            "chain",
            "mean_field",
        ]
        assert (tmp_path / f"{name}_receptive_fields.png").exists()
        assert (tmp_path / f"{name}_hidden_units.png").exists()
    ahead = {row["frames_ahead"] for row in table(tmp_path / "rollouts.csv") if row["prediction"] == "one future"}
    assert ahead == {"1", "2", "5", "10", "20"}
    pictures = ("dreams.png", "dreams.gif", "predictions.png", "learning_curves.png", "rollouts.png")
    for picture in (*pictures, "report.html"):
        assert (tmp_path / picture).stat().st_size > 1000
    assert (tmp_path / "report-trbm.html").exists() == (len(names) == 2)
    settings = json.loads((tmp_path / "settings.json").read_text())
    assert settings["engine"] == named("auto").name  # the one that was at work
    assert settings["seed"] == 3 and settings["n_hidden"] == 12 and {"commit", "scipy"} < set(settings["versions"])
    assert settings["machine"]["processors"] >= 1 and set(settings["minutes"]) == set(names)


def test_bouncing_balls_repeats_and_resumes(tiny, tmp_path, monkeypatch):
    pytest.importorskip("matplotlib")
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    bouncing_balls.main(["--out", str(whole)])
    original = bouncing_balls.BouncingBalls.minibatch

    def interrupted(self, update):
        if update == 4:
            os.kill(os.getpid(), 2)
        return original(self, update)

    with monkeypatch.context() as patch:
        patch.setattr(bouncing_balls.BouncingBalls, "minibatch", interrupted)
        assert bouncing_balls.main(["--out", str(parts)]) == 130
    assert RTRBM.load(parts / "rtrbm.h5").n_updates_ == 4  # minibatch 4 is made ahead, during update 3
    bouncing_balls.main(["--out", str(parts), "--resume"])
    assert (whole / "errors.csv").read_text() == (parts / "errors.csv").read_text()
    for one, other in zip(*(arrays(RTRBM.load(folder / "rtrbm.h5").params_) for folder in (whole, parts))):
        np.testing.assert_array_equal(one, other)


def test_gradient_check(tmp_path, capsys):
    gradient_check.main(["--draws", "30", "--out", str(tmp_path)])
    rows = {row["parameter"]: row for row in table(tmp_path / "gradient.csv")}
    assert list(rows) == ["W", "U", "b_v", "b_h", "b_init"]
    assert all(float(row["error_right_form"]) < 1e-8 for row in rows.values())
    assert all(float(rows[name]["error_as_printed"]) > 0.01 for name in ("W", "U"))
    assert len(table(tmp_path / "cd.csv")) == 30
    assert "central differences" in capsys.readouterr().out


SMALL_UPDATE = "--n-visible 36 --n-hidden 8 --n-frames 5 --n-sequences 2 --n-gibbs 1 --repeats 2".split()


def test_benchmark(tmp_path, capsys):
    benchmark.main([*SMALL_UPDATE, "--contenders", "rtrbm", "--out", str(tmp_path)])
    rows = {row["contender"]: row for row in table(tmp_path / "benchmark.csv")}
    assert list(rows) == ["rtrbm", "products alone"]
    assert float(rows["rtrbm"]["ratio"]) > 1 and float(rows["products alone"]["ratio"]) == 1
    assert rows["rtrbm"]["n_hidden"] == "8" and rows["rtrbm"]["rounds"] == "2"
    settings = json.loads((tmp_path / "settings.json").read_text())
    assert settings["processor"] and settings["libraries"]["numpy"] == np.__version__
    assert "minibatch of bouncing balls" in capsys.readouterr().out


@needs_numba
def test_timings(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(bouncing_balls.PROFILES, "quick", dict(TINY, n_gibbs={0: 1, 30: 2}, n_updates=40))
    monkeypatch.setattr(timings, "SHORTEST", 0.0)
    monkeypatch.setattr(timings, "SIZES", {"tiny": (36, 8)})
    monkeypatch.setattr(timings.verb_rows, "__defaults__", (20,))
    timings.main(["--profiles", "quick", "--verbs", "tiny", "--repeats", "1", "--out", str(tmp_path)])
    rows = table(tmp_path / "profiles.csv")
    assert [(row["k"], row["updates"]) for row in rows] == [("1", "30"), ("2", "10"), ("minutes of all", "40")]
    ms = [float(row["numba_ms"]) for row in rows]
    assert ms[2] == pytest.approx((30 * ms[0] + 10 * ms[1]) / 60_000)
    assert [row["verb"] for row in table(tmp_path / "verbs.csv")] == list(timings.VERBS)
    assert "AIS of 1,000 frames" in capsys.readouterr().out


def test_benchmark_grid_and_scaling(tmp_path, monkeypatch):
    pytest.importorskip("matplotlib")
    monkeypatch.setattr(benchmark, "GRID", [Setting(4, 3, 2, 1, 1), Setting(4, 3, 2, 2, 1)])
    monkeypatch.setattr(benchmark, "CURVES", {"n_gibbs": (1, 2, 3)})
    arguments = [*SMALL_UPDATE, "--contenders", "rtrbm", "--out", str(tmp_path)]
    benchmark.main([*arguments, "--grid", "--scaling", "n_gibbs", "n_jobs"])
    assert [row["n_sequences"] for row in table(tmp_path / "grid.csv")] == ["1", "1", "2", "2"]
    assert [row["n_gibbs"] for row in table(tmp_path / "n_gibbs.csv")] == list("112233")
    assert {row["threads"] for row in table(tmp_path / "threads.csv")} >= {"1"}
    assert [row["contender"] for row in table(tmp_path / "exponents.csv")] == ["rtrbm", "products alone"]
    assert (tmp_path / "scaling.png").stat().st_size > 1000


def test_exponents_of_a_power_law():
    def row(n_frames):
        return ("rtrbm", 1, *Setting(n_frames=n_frames), 3 * n_frames**1.5, *[None] * 5)

    assert benchmark.exponents([row(n) for n in (10, 20, 40)], "n_frames")["rtrbm"] == pytest.approx(1.5)


def test_contenders_have_all_the_threads_asked_for_whatever_the_environment_says(monkeypatch):
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "1")
    with contenders.Contender(contenders.PRODUCTS, processors()) as products:
        assert products.prepare(contenders.SMALLEST)["threads"] == processors()
    assert os.environ["OPENBLAS_NUM_THREADS"] == "1"


def test_a_contender_that_fails_says_why():
    with contenders.Contender(contenders.OWN, processors()) as own:
        with pytest.raises(ChildProcessError, match="'rtrbm' failed: ValueError: .* GB"):
            own.prepare(contenders.SMALLEST._replace(n_hidden=10**12))


def test_an_mpiexec_that_fails_costs_the_ranks_alone(tmp_path, monkeypatch, capsys):
    pytest.importorskip("mpi4py")

    def fail(command, **_):
        return subprocess.CompletedProcess(command, 1, "", "There are not enough slots")

    monkeypatch.setattr(contenders.shutil, "which", lambda name: name)
    monkeypatch.setattr(contenders.subprocess, "run", fail)
    benchmark._ranks(contenders.SMALLEST, tmp_path)
    assert "mpiexec failed: There are not enough slots" in capsys.readouterr().out
    assert not list(tmp_path.iterdir())


def test_interleaved():
    calls = []
    seconds = interleaved([lambda: calls.append("a") or 1.0, lambda: calls.append("b") or 2.0], 5, limit=0, pause=0)
    assert calls == ["a", "b"] * 3 and seconds.tolist() == [[1.0, 2.0]] * 3


def test_recipe(tmp_path, monkeypatch):
    monkeypatch.setattr(recipe, "N_TEST", 2)
    monkeypatch.setattr(recipe, "RESOLUTION", 6)
    monkeypatch.setattr(recipe, "N_FRAMES", 6)
    recipe.main(["--n-updates", "12", "--out", str(tmp_path)])
    rivals, rows = table(tmp_path / "recipe.csv")[:2], table(tmp_path / "recipe.csv")[2:]
    assert [row["variant"] for row in rivals] == [recipe.COPYING, recipe.LINEAR]
    assert rows[0]["variant"] == "the recipe" and len(rows) == len(recipe.variants(12))
    errors = {row["squared_error_per_frame"] for row in rows if "noise" not in row["variant"]}
    assert len(errors) == len(rows) - 2  # every change changes something; small weights soon forget noise


SCRIPTS = sorted(p.stem for p in (ROOT / "experiments").glob("*.py") if "def main(" in p.read_text())


@pytest.mark.parametrize("name", SCRIPTS)
def test_help(name):
    done = subprocess.run(
        [sys.executable, "-m", f"experiments.{name}", "--help"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0 and "--out" in done.stdout


def test_a_file_where_the_folder_should_be(tiny, tmp_path):
    (tmp_path / "taken").write_text("mine")
    with pytest.raises(ValueError, match="--out"):
        bouncing_balls.main(["--out", str(tmp_path / "taken")])
    assert (tmp_path / "taken").read_text() == "mine"


def test_minutes_that_a_kill_lost_are_not_known(tmp_path):
    """Those of a model that was being trained, and of one whose file is there without them."""
    written = []

    def write():
        written.append(dict(minutes))
        runner.write_settings(tmp_path / "settings.json", {"minutes": minutes}, ended=False)

    minutes = runner.minutes_before(tmp_path, True)
    for name in "ab":
        with runner.timed(minutes, name, write):
            (tmp_path / f"{name}.h5").touch()
    assert written[2]["a"] is not None and written[2]["b"] is None and None not in written[3].values()
    minutes["b"] = minutes["d"] = None  # killed in the training of b; that of d has written no file
    write()
    for name in "c", "e.previous-1":
        (tmp_path / f"{name}.h5").touch()
    minutes = runner.minutes_before(tmp_path, True)
    assert minutes == {"a": written[3]["a"], "b": None, "c": None}
    for name in "abcd":
        with runner.timed(minutes, name, write):
            pass
    assert [minutes[name] is None for name in "abcd"] == [False, True, True, False]
    assert runner.minutes_before(tmp_path, False) == {}


def test_errors_of_a_script_name_its_options(tiny, tmp_path):
    pytest.importorskip("matplotlib")
    assert bouncing_balls.main(["--out", str(tmp_path)]) == 0
    with pytest.raises(ValueError, match="^--resume wants the settings of .* or begin anew without --resume$"):
        bouncing_balls.main(["--out", str(tmp_path), "--resume", "--seed", "1"])


def test_resume_checks_all_models_before_it_trains_one(tiny, tmp_path):
    pytest.importorskip("matplotlib")
    assert bouncing_balls.main(["--out", str(tmp_path), "--model", "both"]) == 0
    (tmp_path / "rtrbm.h5").unlink()
    with pytest.raises(ValueError, match="trbm.h5.*seed"):
        bouncing_balls.main(["--out", str(tmp_path), "--model", "both", "--resume", "--seed", "1"])
    assert not (tmp_path / "rtrbm.h5").exists()


def test_resume_says_what_it_does(tiny, tmp_path, capsys):
    pytest.importorskip("matplotlib")
    for said in ("from the start", "going on from"):
        assert bouncing_balls.main(["--out", str(tmp_path), "--resume"]) == 0
        assert said in capsys.readouterr().out


@pytest.mark.parametrize(
    "wrong", [["--n-jobs", "0"], ["--n-taps", "100"], ["--n-taps", "1000000000000"], ["--seed", "-1"]]
)
def test_what_is_refused_leaves_the_folder_as_it_is(tiny, tmp_path, wrong):
    pytest.importorskip("matplotlib")
    for name in ("rtrbm.h5", "rtrbm.previous-1.h5", "settings.json"):
        (tmp_path / name).write_text(f"my {name}")
    with pytest.raises(ValueError):
        bouncing_balls.main(["--out", str(tmp_path), *wrong])
    assert {p.name: p.read_text() for p in tmp_path.iterdir()} == {
        name: f"my {name}" for name in ("rtrbm.h5", "rtrbm.previous-1.h5", "settings.json")
    }


def test_an_engine_that_is_missing_is_told_before_there_is_a_folder(tmp_path, monkeypatch):
    pytest.importorskip("matplotlib")
    monkeypatch.setitem(sys.modules, "rtrbm.compute.numba", None)
    with pytest.raises(ValueError, match=r"needs numba: install rtrbm\[fast\]"):
        bouncing_balls.main(["--out", str(tmp_path / "results"), "--engine", "numba"])
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize("script", [ablation, bouncing_balls, denoising, recipe])
@pytest.mark.parametrize("wrong", [["--n-jobs", "0"], ["--seed", "-1"]])
def test_wrong_options_are_refused_before_there_is_a_folder(tmp_path, script, wrong):
    pytest.importorskip("matplotlib")
    with pytest.raises(ValueError, match=wrong[0]):
        script.main(["--out", str(tmp_path / "results"), *wrong])
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize(
    "error, said",
    [
        (OSError(errno.ENOSPC, "cannot write 'a.h5': No space left on device", "a.h5"), "cannot write 'a.h5': No"),
        (FileNotFoundError(errno.ENOENT, "No such file or directory", "a.csv"), "No such file or directory: 'a.csv'"),
        (OSError(errno.EIO, "Input/output error"), "Input/output error"),
        (OSError("the disk is gone"), "the disk is gone"),
        (ValueError("--seed must be at least 0"), "--seed must be at least 0"),
    ],
)
def test_an_error_is_told_in_one_line_without_its_number(capsys, monkeypatch, error, said):
    def main():
        raise error

    monkeypatch.setattr(sys, "argv", ["experiments/NAME.py"])
    with pytest.raises(SystemExit, match="1"):
        runner.run(main)
    told = capsys.readouterr().err
    assert told.startswith(f"NAME: {said}") and told.count("\n") == 1
    assert "Errno" not in told and told.count("a.") <= 1


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full")
@pytest.mark.parametrize("output", ["/dev/full", os.devnull])
def test_standard_output_ends_no_script(tmp_path, output):
    """Neither a full disk nor letters that a terminal has not."""
    code = "from experiments import runner; runner.run(lambda: print('ö', flush=True))"
    environment = os.environ | {"PYTHONIOENCODING": "ascii", "PYTHONPATH": str(ROOT)}
    with open(output, "w") as file:
        done = subprocess.run(
            [sys.executable, "-c", code], stdout=file, stderr=subprocess.PIPE, text=True, env=environment
        )
    said = "-c: cannot write to standard output: No space left on device; the work goes on\n"
    assert (done.returncode, done.stderr) == (0, said if output == "/dev/full" else "")


def test_earlier_models_are_kept(tmp_path):
    """Each under a number of its own, with the checkpoint before it; --resume leaves them where they are."""

    def files():
        return {p.name: p.read_text() for p in tmp_path.iterdir()}

    class Model:
        def check_resume(self, path):
            assert path == tmp_path / "a.h5"

    def start(text, resume=False):
        begin(tmp_path, {"a": Model(), "b": Model()}, resume)
        (tmp_path / "a.h5").write_text(text)
        os.utime(tmp_path / "a.h5", ns=(10**18, 10**18))

    start("first")
    (tmp_path / "a.h5.before").write_text("before the first")
    start("first, trained on", resume=True)
    assert files() == {"a.h5": "first, trained on", "a.h5.before": "before the first"}
    kept = {"a.previous-1.h5": "first, trained on", "a.previous-1.h5.before": "before the first"}
    for text in ("second", "third"):
        start(text)
    assert files() == {"a.h5": "third", "a.previous-2.h5": "second", **kept}


def test_resume_finds_models_of_its_own_run_alone(tmp_path, monkeypatch):
    """Also those whose turn had not come when it was broken off, of which there are earlier ones."""
    pytest.importorskip("matplotlib")
    tiny = {**ablation.PROFILES["quick"], "resolution": 6, "n_hidden": 4, "n_frames": 8, "batch_size": 2, "n_test": 2}
    monkeypatch.setitem(ablation.PROFILES, "quick", tiny)
    monkeypatch.setattr(ablation, "VARIANTS", {name: ablation.VARIANTS[name] for name in list(ablation.VARIANTS)[:3]})
    monkeypatch.setattr(ablation, "figure", lambda *_: None)
    monkeypatch.setattr(ablation, "save_figure", lambda *_: None)

    def errors(folder, *options):
        status = ablation.main(["--out", str(folder), "--seeds", "1", "--n-jobs", "1", *options])
        settings = json.loads((folder / "settings.json").read_text())
        assert settings.get("broken_off", False) == bool(status)
        table = readers.read_table(folder / "errors.csv")
        return [(row["predictor"], row["squared_error_per_frame"]) for row in table], settings["minutes"]

    train = ablation.train

    def break_off(title, *others):
        if title == list(ablation.VARIANTS)[1]:
            raise KeyboardInterrupt
        train(title, *others)

    clean, _ = errors(tmp_path / "clean", "--n-updates", "6")
    earlier, _ = errors(tmp_path / "a", "--n-updates", "3")
    monkeypatch.setattr(ablation, "train", break_off)
    _, minutes = errors(tmp_path / "a", "--n-updates", "6")
    monkeypatch.setattr(ablation, "train", train)
    resumed, after = errors(tmp_path / "a", "--n-updates", "6", "--resume")
    assert resumed == clean != earlier
    assert all(after[name] >= value for name, value in minutes.items())


def test_a_warning_is_one_line(capsys):
    """Control: without `run` the line of code is shown, too."""
    def main():
        warnings.warn("first\nsecond", UserWarning, stacklevel=1)
        return 0

    with warnings.catch_warnings(), pytest.raises(SystemExit):
        warnings.simplefilter("default")
        runner.run(main)
    said = capsys.readouterr().err.strip()
    assert said.endswith(": warning: first second") and "\n" not in said
    with pytest.warns(UserWarning, match="first"):
        main()


@pytest.mark.parametrize("path", ["", " "])
def test_a_folder_without_a_name_is_refused(path):
    with pytest.raises(ValueError, match="--out must name a folder"):
        runner.output_folder(path, default="results/other")


def test_a_run_holds_its_folder(tmp_path):
    """Until its script ends, by an error too; a second run names it."""

    @runner.script
    def main(arguments=None):
        folder = runner.output_folder(tmp_path)
        with pytest.raises(RuntimeError, match=f"--out .* is in use by another run, process {os.getpid()} on "):
            runner.output_folder(tmp_path)
        assert os.listdir(folder) == ["run.lock"]
        raise LookupError

    for _ in range(2):
        with pytest.raises(LookupError):
            main()
        assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    "wrong",
    [
        ["--n-jobs", "0"],
        ["--n-jobs", "100000"],
        ["--limit", "nan"],
        ["--limit", "-1"],
        ["--repeats", "0"],
        ["--n-sequences", "1", "--scaling", "n_ranks"],
    ],
)
def test_the_benchmark_refuses(tmp_path, wrong):
    with pytest.raises(ValueError, match=wrong[0]):
        benchmark.main(["--out", str(tmp_path / "results"), *wrong])
    assert not (tmp_path / "results").exists()


def test_the_benchmark_says_what_is_not_installed(tmp_path, monkeypatch):
    monkeypatch.setattr(benchmark, "installed", lambda: ["rtrbm"])
    with pytest.raises(ValueError, match="--contenders.*jax"):
        benchmark.main(["--out", str(tmp_path / "results"), "--contenders", "rtrbm", "jax"])


@pytest.mark.parametrize(
    "script, options",
    [(ablation, []), (benchmark, ["--scaling"]), (binary_addition, []), (bouncing_balls, []), (denoising, [])],
)
def test_pictures_need_matplotlib(tmp_path, monkeypatch, script, options):
    """Said before hours of training."""
    monkeypatch.setattr(runner, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"rtrbm\[figures\]"):
        script.main(["--out", str(tmp_path / "results"), *options])
    assert not (tmp_path / "results").exists()


def test_the_readme_runs(tmp_path, monkeypatch):
    code = re.search(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.S).group(1)
    monkeypatch.chdir(tmp_path)
    names = {}
    exec(code.replace("n_updates=500", "n_updates=2"), names)
    assert names["prediction"].shape == (10, 100, 225)
    assert names["dream"].shape == (1, 100, 225)
    assert (tmp_path / "balls.h5").exists()
