"""The command line: every example of every help text runs, files in all forms, mistakes, Ctrl-C."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

import rtrbm
from rtrbm import convert
from rtrbm.commands import balls, main, parser, pictures, settings
from rtrbm.commands.info import _finite
from rtrbm.commands.writing import mark, say_stopped, write_arrays
from rtrbm.compute import engine
from rtrbm.report.described import described
from rtrbm.training.kept import Kept

ENVIRONMENT = os.environ | {"PYTHONPATH": str(Path(rtrbm.__file__).parent.parent)}
SMALL = {"train": "--updates 3 --hidden 4 --engine numpy --n-jobs 1", "balls": "--updates 3 --hidden 4 --engine numpy"}
REAL = "train joints.csv --standardize --updates 3 --hidden 4 --engine numpy --n-jobs 1"
BINARY = "train rolls.npz --name train --updates 3 --hidden 4 --engine numpy --n-jobs 1"


def write_joints(path, n, gaps=0.0, seed=0, columns=("hip", "knee", "toe")):
    """A table of so many rows of numbers around 20, some of them missing."""
    rng = np.random.default_rng(seed)
    X = 20 + rng.standard_normal((n, len(columns))).cumsum(axis=0)
    X[rng.random(X.shape) < gaps] = np.nan
    rows = [",".join("" if np.isnan(x) else f"{x:.4f}" for x in row) for row in X]
    path.write_text("\n".join([",".join(columns), *rows]) + "\n")
    return X.round(4)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder of data, and models of some of them."""
    folder = tmp_path_factory.mktemp("trained")
    write_joints(folder / "joints.csv", 70)
    write_joints(folder / "more.csv", 30, seed=1)
    write_joints(folder / "gaps.csv", 30, 0.1, seed=2)
    rolls = np.random.default_rng(0).random((3, 12, 88)) < 0.1
    np.savez(folder / "rolls.npz", train=rolls.astype(float), valid=rolls[:1, 1:].astype(float))
    driven = np.ones((2, 5, 3))
    np.save(folder / "driven.npy", driven)
    rtrbm.TRBM(2, n_updates=1, engine="numpy", random_state=0).fit(driven, inputs=driven).save(folder / "driven.h5")
    here = os.getcwd()
    os.chdir(folder)
    try:
        for command in (f"{REAL} --window 20", f"{BINARY} --out rolls.h5", f"{BINARY} --model rbm --out rbm.h5"):
            assert main(command.split()) == 0
    finally:
        os.chdir(here)
    return folder


@pytest.fixture
def folder(trained, tmp_path, monkeypatch):
    """A copy of that folder, in which the test is."""
    for path in trained.iterdir():
        os.link(path, tmp_path / path.name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def told(capsys, command):
    """The status of a command, and what it said on standard output and standard error."""
    status = main(shlex.split(command))
    return status, *capsys.readouterr()


# ------------------------------------------------------------------------------------------------ help


def examples(text):
    """The commands in a help text."""
    return [line.strip() for line in text.splitlines() if line.startswith("  rtrbm ")]


@pytest.mark.parametrize("command", parser.EXAMPLES)
def test_the_examples_of_a_help_text_run(command, folder, monkeypatch):
    monkeypatch.setattr(balls, "N_TEST", 2)
    monkeypatch.setattr(balls, "N_LINEAR", 2)
    lines = examples(parser.parser()[1][command].format_help())
    assert lines and all(line.split()[1] == command for line in lines)
    for line in lines:
        assert "{" not in re.sub("'[^']*'", "", line)  # bash expands braces
        if line == "rtrbm balls --updates 6000 --resume":  # as without matplotlib, and quicker
            monkeypatch.setattr(balls, "has", lambda library: False)
        more = SMALL.get(command, "") if "--resume" not in line else SMALL[command].replace("3", "4", 1)
        more += " --force" * ("--out" in line or command == "train" and "--resume" not in line)
        assert main(shlex.split(f"{line.removeprefix('rtrbm ')} {more}")) == 0


def test_the_commands_of_the_page_run(folder):
    """Those of docs/command-line.md in their order."""
    page = (Path(__file__).parent.parent / "docs" / "command-line.md").read_text()
    blocks = re.findall(r"^```(\w*)\n(.*?)^```", page, re.M | re.S)
    lines = [line for kind, block in blocks if not kind for line in block.splitlines()]
    Path("settings.toml").write_text(*(block for kind, block in blocks if kind == "toml"))
    walks = "".join(f"{'ab'[i // 20]},{i},{i % 7},{i % 5}\n" for i in range(40))
    Path("walks.csv").write_text(f"walk,t,x,y\n{walks}")
    for name in ("rolls.h5", "rolls.settings.json"):  # of other tests
        Path(name).unlink()
    assert len(lines) > 15 and all(line.startswith("rtrbm ") for line in lines)
    for line in lines[1:]:  # the first one is `rtrbm balls`, as in its help
        name = line.split()[1]
        more = SMALL.get(name, "").replace("3", "4" if "--resume" in line else "3", 1)
        assert main(shlex.split(f"{line.removeprefix('rtrbm ')} {more}")) == 0, line


def test_a_wrong_example_is_noticed(folder):
    """Control."""
    assert examples("examples:\n  rtrbm info model.h5\n  rtrbmm\nrtrbm is") == ["rtrbm info model.h5"]
    assert main(["info", "models.h5"]) == 1


def test_help_comes_at_once():
    """In a process of its own, which must not import numpy."""
    code = "import sys\nfrom rtrbm.commands import main\ntry:\n main(['train', '-h'])\n"
    code += "finally:\n print('numpy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=ENVIRONMENT)
    assert "examples:" in done.stdout and done.stdout.splitlines()[-1] == "False"


def test_the_top_help_has_every_command_and_status(capsys):
    with pytest.raises(SystemExit, match="0"):
        main(["--help"])
    said = capsys.readouterr().out
    assert all(f"\n    {command.__name__} " in said for command in parser.COMMANDS)
    assert all(f"\n  {status} " in said for status in (0, 1, 2, 130))


def test_the_version(capsys):
    with pytest.raises(SystemExit, match="0"):
        main(["--version"])
    assert capsys.readouterr().out == f"rtrbm {rtrbm.__version__}\n"


def test_choices_are_those_of_the_package():
    """The parser writes them down, because it imports nothing."""
    assert {name.upper() for name in parser.MODELS} == set(rtrbm.models.__all__) - {"Stack", "load"}
    assert set(parser.ENGINES) == set(engine.ENGINES)


def test_names_of_the_package_come_when_they_are_asked_for():
    assert set(rtrbm.__all__) <= set(dir(rtrbm)) and rtrbm.convert is convert
    with pytest.raises(AttributeError, match="no attribute 'RTRBMs'"):
        rtrbm.RTRBMs


# ---------------------------------------------------------------------------------------------- mistakes


@pytest.mark.parametrize(
    "command, said",
    [
        ("trian joints.csv", "did you mean train?"),
        ("train joints.csv --hiden 4", "--hiden 4; did you mean --hidden?"),
        ("train joints.csv --hid=4", "--hid=4; did you mean --hidden?"),
        ("train joints.csv --hidden four", "--hidden: must be a whole number of at least 1, got 'four'"),
        ("train joints.csv --hidden 0", "--hidden: must be a whole number of at least 1, got '0'"),
        ("train joints.csv --model rnrbm", "did you mean rnnrbm?"),
        ("train joints.csv --n-jobs 0", "--n-jobs: must be"),
        ("predict model.h5 joints.csv --uot a.csv", "there is no --uot; did you mean --out?"),
        ("sample model.h5 --out a.gif --shape 15", "--shape: must be HEIGHTxWIDTH"),
        ("forecast model.h5 joints.csv --futures 5 --out a.csv", "--futures: must be a whole number of at least 9"),
    ],
)
def test_wrong_usage_ends_with_2(command, said, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(command.split())
    assert said in capsys.readouterr().err


TOML = {"good.toml": 'model = "crbm"\nn_taps = 2\nn_gibbs = {0 = 1, 2 = 3}\nmax_norm = "none"\nwindow = 10\n'}
TOML |= {"typo.toml": "n_hiden = 3\n", "broken.toml": "n_hidden =\n", "value.toml": "n_hidden = 0.5\n"}
TOML |= {"model.toml": 'model = "RTRBMs"\n', "window.toml": 'window = "a"\n'}


@pytest.mark.parametrize(
    "command, said",
    [
        ("train joints.csv --out a.h5", "columns hip, knee, toe.*add --standardize for real values$"),
        ("train counts.csv --out a.h5", "--set visible=poisson for counts$"),
        ("train joint.csv --out a.h5", "FILE: no file at 'joint.csv'"),
        ("train text.csv --out a.h5", "text in its column 'who', 'ann' in row 0: --by who"),
        ("train gap.csv --out a.h5", "text in its column 'b', '[?]' in row 1: .* no text for a missing value"),
        ("train dates.csv --time day --out a.h5", "31.01.2024 and then 01.02.2024 in row 1; text is compared"),
        ("train above.csv --out a.h5", "values from 0 to 1.0000001 .columns a., units of 0 and 1"),
        ("train joints.csv --by walk --out a.h5", "--by=walk must be a column of 'joints.csv', one of hip, knee, toe"),
        ("train rolls.npz --out a.h5", "--name ARRAY must say which .*'train', 'valid'"),
        ("train rolls.npz --name trai --out a.h5", "--name must name an array .* got 'trai'; there: 'train', 'valid'"),
        ("train rolls.npz --name train --by a --out a.h5", "--by=a is for a table with a header"),
        ("train empty.csv --standardize --out a.h5", "every column, column 'b' has none"),
        ("train widths.npz --name / --out a.h5", "'widths.npz' must have .* same features, got 6 .* and 5 in array 1"),
        ("report model.h5 --data rolls.npz --out a.html", "^rtrbm report: --name ARRAY must say which array"),
        ("TRAIN --validation-name a", "--validation-name=a names an array in the file of --validation: give"),
        ("score model.h5 joints.csv --train-name a", "--train-name=a names an array in the file of --train: give"),
        ("score rbm.h5 rolls.npz --name train --likelihood 9", "--likelihood is for models of sequences, an RBM has"),
        ("sample model.h5 --out a.csv --shape 1x3", "--shape is for pictures, 'a.csv' is none"),
        ("report model.h5 --train joints.csv", "--train has what simple predictors learn from, .*: give --data FILE"),
        ("report model.h5 --watch .", "--watch FOLDER shows runs under way: leave out MODEL"),
        ("report --watch . --shape 2x3 --by walk", "--watch FOLDER shows runs under way: leave out --by, --shape"),
        ("report model.h5 --name a --time t", "--name, --time is for the file of --data: give --data FILE, too"),
        ("forecast model.h5 frames.csv --by frame --out f.csv", "the table has a column 'frame' of its own"),
        ("predict model.h5 several.csv --out a.npy", "--out must be .npz or .h5 for 2 sequences, got 'a.npy'"),
        ("score model.h5 driven.npy --name a", "--name=a is for a file with arrays that have names, 'driven.npy'"),
        ("balls --out . --resume", "--out: '.' is not empty; --force replaces what is in it"),
        ("train joints.csv --name a --out a.h5", "--name=a is for a file with arrays that have names, 'joints.csv'"),
        ("train holes.csv --out a.h5", "values from 1 to 5 .*--set visible=poisson for counts"),
        ("train untimed.csv --time t --out a.h5", "must have a time in every row of its column 't', row 1 has none"),
        ("train twice.csv --out a.h5", "'twice.csv' is text that cannot be read: names of columns come twice"),
        ("train trailing.csv --out a.h5", "have 3 fields, the header has 2: they end with one more delimiter"),
        ("train comma.csv --standardize --out a.h5", "has decimal commas, '0,5' in column 'a': write decimal points"),
        ("train latin.csv --standardize --out a.h5", "'latin.csv' is text that is not UTF-8, save it as UTF-8"),
        ("train utf16.csv --standardize --out a.h5", "text in UTF-16: save it as UTF-8"),
        ("train text.npy --out a.h5", "^rtrbm train: text.npy must hold real numbers, got dtype <U1"),
        ("train complex.npy --out a.h5", "complex.npy must hold real numbers, got dtype complex128"),
        ("train none.npy --out a.h5", "none.npy must have at least one frame and one feature, got shape .0, 3."),
        ("train inf.csv --standardize --out a.h5", "'inf.csv' has infinite values, .* in row 1, column 'a'"),
        ("train one.csv --standardize --out a.h5", "'one.csv' must have a sequence of at least 2 frames"),
        ("score model.h5 one.csv", "'one.csv' must have a sequence of at least 2 frames"),
        ("score model.h5 joints.csv --train one.csv", "'one.csv' must have a sequence of at least 2 frames"),
        ("score path/a.h5 joints.csv", "no model file at 'path/a.h5'"),
        ("score model.h5 path/a.csv", "FILE: no file at 'path/a.csv'"),
        ("TRAIN --set n_hiden=4", "did you mean n_hidden"),
        ("TRAIN --set window=4", "an option of its own, --window 4"),
        ("TRAIN --set n_hidden", "--set must be NAME=VALUE, got 'n_hidden'"),
        ("TRAIN --set n_gibbs=many", "--set n_gibbs must be an integer, got 'many'"),
        ("TRAIN --set learning_rate=-1", "--set learning_rate must be greater than 0"),
        ("TRAIN --set optimizer=adm", "--set optimizer must be one of 'adam'"),
        ("TRAIN --set visible=gausian", "--set visible must be one of .*'gaussian'"),
        ("TRAIN --set visible=bernoulli", "--standardize is for real values, .* --set visible=.*, or no --standardize"),
        ("TRAIN --config typo.toml", "typo.toml: .*n_hiden.*did you mean n_hidden"),
        ("TRAIN --config broken.toml", "--config must be a TOML file, 'broken.toml'"),
        ("TRAIN --config value.toml", "value.toml: n_hidden must be an integer"),
        ("TRAIN --config model.toml", "model must be one of crbm, .*'RTRBMs'"),
        ("TRAIN --config window.toml", "window must be a whole number"),
        ("TRAIN --config no.toml", "No such file or directory: 'no.toml'"),
        ("TRAIN --config t", "--config: Is a directory: 't'"),
        ("TRAIN --model rbm --window 9", "--window 9 is for models of sequences"),
        ("TRAIN --validation gaps.csv", "'gaps.csv' has missing values, the first"),
        ("TRAIN --validation other.csv", "'other.csv' must have the columns of the training data, it lacks toe"),
        ("train joints.csv", "'model.h5' is there already; --force replaces it, --resume goes on with it"),
        ("train joint.csv", "FILE: no file at 'joint.csv'"),
        ("train joints.csv --out other.h5 --force --standardize", "--out must be another file, .* no model file"),
        ("train joints.csv --standardize --out b.h5", "'b.settings.json' is there already; --force"),
        ("train joints.csv --standardize --out p.h5 --force", "--out must be .*, 'p.settings.json' is write-protected"),
        ("train joints.csv --standardize --out t.h5 --force", "--out must be a file .*, got 't.settings.json'"),
        ("balls --out t --force", "--out must be a file in an existing folder, got 't/settings.json'"),
        ("train joints.csv --standardize --out a.npz", "--out must end in one of .h5, got 'a.npz'"),
        ("train joints.csv --standardize --out no/a.h5", "--out must be in a folder that exists"),
        ("train joints.csv --standardize --hidden 5 --resume", "these differ: --hidden, 4 there.* with --force in"),
        ("train joints.csv --standardize --hidden 4 --window 30 --resume", "--window, or window .* stay 20, .* got 30"),
        ("TRAIN --set standardize=false", "--standardize and --set standardize=false contradict each other"),
        ("train walk.bvh --out a.h5", "'walk.bvh' is motion capture: rtrbm.datasets.bvh_motion reads"),
        ("train joints.csv --standardize --seed 1 --resume", "--resume wants the settings .*--seed, 0 there"),
        ("train joints.csv --standardize --updates 2 --hidden 4 --window 20 --engine numpy --resume",
         "no update would be made with --updates=2; --updates counts those made too, so give a larger one"),
        ("train joints.csv --standardize --model crbm --resume", "--out must hold a model of class CRBM, .* RTRBM"),
        ("predict driven.h5 driven.npy --out a.csv", "'driven.h5' was trained with inputs=, .*: call predict in"),
        ("score driven.h5 driven.npy", "'driven.h5' was trained with inputs=, .*: call score in Python"),
        ("predict joints.csv model.h5 --out a.csv", "MODEL must be a complete .*'joints.csv'"),
        ("predict model.h5 joints.csv --out joints.csv --force", "--out must not be a file that is read"),
        ("predict model.h5 gaps.csv --out a.csv", "has missing values, .*column '.*': `rtrbm impute` fills them in"),
        ("predict model.h5 other.csv --out a.csv", "must have the columns .* lacks toe"),
        ("predict model.h5 timed.csv --out a.csv", "it has when besides: --time when if it holds times"),
        ("predict model.h5 rolls.npz --name train --out a.csv", "must have the 3 features of .*, got 88"),
        ("predict rbm.h5 rolls.npz --name train --out a.csv", "MODEL must be one that can predict, 'rbm.h5' .* RBM"),
        ("predict model.h5 no.csv --out protected.csv --force", "FILE: no file at 'no.csv'"),
        ("predict model.h5 joints.csv --out protected.csv --force", "--out must be .*, 'protected.csv' is write-prot"),
        ("impute model.h5 gaps.csv --out a.png", "--out must end in one of .csv, .npz, .npy, .h5, got 'a.png'"),
        ("sample model.h5 --out a.mid", "MIDI wants the 88 keys of a piano, the model has 3 features"),
        ("sample rolls.h5 --out a.gif", "--shape HxW must say the shape of images, the model's 88 features"),
        ("sample rolls.h5 --out a.gif --shape 8x10", "--shape must have the 88 features of the model, got 8x10"),
        ("report model.h5 --data gaps.csv", "'gaps.csv' has missing values, .*: `rtrbm impute` fills them in"),
        ("report model.h5 --data more.csv --train gaps.csv", "'gaps.csv' has missing values"),
        ("report model.h5 --shape 3x5", "--shape must be .height, width. of 3 pixels"),
        ("report --watch no", "--watch must be a folder with the files of a run, there is no 'no'"),
        ("info joints.csv", "MODEL must be a complete model file, 'joints.csv' is none"),
        ("info other.h5", "MODEL must be a file of 'rtrbm model, version 3', 'other.h5' is another kind"),
        ("balls --out joints.csv", "--out must be a folder, 'joints.csv' is a file"),
        ("balls --out .", "--out: '.' is not empty; --force replaces what is in it"),
    ],
)  # fmt: skip
def test_a_mistake_is_one_line_and_1(command, said, folder, capsys):
    write_joints(folder / "other.csv", 30, columns=("hip", "knee", "foot"))
    write_joints(folder / "timed.csv", 30, columns=("when", "hip", "knee", "toe"))
    (folder / "counts.csv").write_text("a,b\n1,2\n3,4\n")
    (folder / "several.csv").write_text("sequence,hip,knee,toe\na,1,2,3\na,2,3,4\nb,1,2,3\n")
    rows = [f"{i // 9},{i},{i % 3},{i % 5}" for i in range(18)]
    (folder / "frames.csv").write_text("\n".join(["frame,hip,knee,toe", *rows]) + "\n")
    (folder / "text.csv").write_text("who,a\nann,1\nann,2\n")
    (folder / "empty.csv").write_text("a,b\n1,\n2,\n3,\n")
    (folder / "one.csv").write_text("hip,knee,toe\n1,2,3\n")
    (folder / "inf.csv").write_text("a,b\n1,2\ninf,3\n")
    (folder / "protected.csv").touch(0o444)
    (folder / "gap.csv").write_text("a,b\n1,1\n1,?\n")
    (folder / "dates.csv").write_text("day,a\n31.01.2024,1\n01.02.2024,0\n")
    (folder / "above.csv").write_text("a\n0\n1.0000001\n")
    np.savez(folder / "widths.npz", a=np.zeros((20, 6)), b=np.zeros((20, 5)))
    (folder / "holes.csv").write_text("a,b\n1,5\n,2\n")
    (folder / "untimed.csv").write_text("t,a\n0,1\n,0\n2,1\n")
    (folder / "twice.csv").write_text("a,a\n1,0\n0,1\n")
    (folder / "trailing.csv").write_text("a,b\n1,2,\n2,3,\n")
    (folder / "comma.csv").write_text("a;b\n0,5;1\n0,7;2\n")
    (folder / "latin.csv").write_text("höhe\n1\n2\n", encoding="latin-1")
    (folder / "utf16.csv").write_text("a\n1\n2\n", encoding="utf-16")
    np.save(folder / "text.npy", np.array([["a"], ["b"]]))
    np.save(folder / "complex.npy", np.ones((3, 3)) * 1j)
    np.save(folder / "none.npy", np.ones((0, 3)))
    for name in "t", "t/settings.json", "t.settings.json":
        (folder / name).mkdir()
    (folder / "p.settings.json").touch(0o444)
    h5py.File(folder / "other.h5", "w").close()
    (folder / "b.settings.json").write_text("mine")
    for name, text in TOML.items():
        (folder / name).write_text(text)
    before = sorted(os.listdir(folder))
    command = command.replace("TRAIN", "train joints.csv --standardize --out a.h5")
    status, _, err = told(capsys, command)
    assert status == 1 and err.count("\n") == 1
    assert err.startswith(f"rtrbm {command.split()[0]}: ")
    assert re.search(said, err.strip())
    assert sorted(os.listdir(folder)) == before


@pytest.mark.parametrize(
    "command, remedy",
    [
        ("train joints.csv --updates 2 --hidden 2 --out a.h5", "--standardize"),
        ("train counts.csv --updates 2 --hidden 2 --out a.h5", "--set visible=poisson"),
        ("train rolls.npz --updates 2 --hidden 2 --out a.h5", "--name train"),
        ("train joints.csv --standardize --updates 2 --hidden 2", "--force"),
        ("predict model.h5 timed.csv --out a.csv", "--time when"),
        ("sample rolls.h5 --out a.gif", "--shape 1x88"),
    ],
)
def test_the_remedy_works(command, remedy, folder, capsys):
    X = np.c_[np.arange(30), 20 + np.random.default_rng(0).standard_normal((30, 3))]
    np.savetxt(folder / "timed.csv", X, delimiter=",", header="when,hip,knee,toe", comments="")
    (folder / "counts.csv").write_text("a,b\n" + "1,2\n3,4\n" * 9)
    status, _, err = told(capsys, command)
    assert status == 1 and remedy.split()[0] in err
    assert told(capsys, f"{command} {remedy}")[0] == 0


# ------------------------------------------------------------------------------------------------- training


def test_train_says_what_it_does_and_writes_its_settings(folder, capsys):
    status, out, _ = told(capsys, f"{REAL} --validation more.csv --out a.h5 --seed 3")
    assert status == 0
    assert "1 sequence of 70 frames, 3 features" in out and "of more.csv" in out
    assert all(name in out for name in ("copy-previous", "mean frame", "linear predictor on 2 frames", "this RTRBM"))
    model, kept = rtrbm.load("a.h5"), json.loads(Path("a.settings.json").read_text())
    assert model.seed_ == 3 and model.n_updates_ == kept["updates"] == 3 and kept["visible"] == "scaled_gaussian"
    assert list(model.feature_names_in_) == ["hip", "knee", "toe"] and model.best_ is not None
    assert kept["errors"][-1]["predictor"] == "this RTRBM" and kept["versions"]["rtrbm"] == rtrbm.__version__
    V = convert.read("more.csv")
    assert kept["errors"][-1]["squared_error_per_frame"] == pytest.approx(-model.score([V]), rel=1e-6)


def test_training_data_are_called_so(folder, capsys):
    assert "joints.csv, which the model has learned from" in told(capsys, f"{REAL} --out a.h5")[1]


def test_long_recordings_are_cut(folder, capsys):
    write_joints(folder / "long.csv", 201)
    long = f"{REAL} --out a.h5 --force".replace("joints", "long")
    assert "windows of 100 frames" in told(capsys, long)[1]
    assert "windows of 50 frames" in told(capsys, f"{long} --window 50")[1]
    assert "windows" not in told(capsys, f"{long} --window 0")[1]


def test_settings_come_from_file_set_and_options(folder, capsys):
    for name, text in TOML.items():
        (folder / name).write_text(text)
    assert main(f"{REAL} --config good.toml --set n_taps=1 --set n_hidden=9 --out a.h5".split()) == 0
    model = rtrbm.load("a.h5")
    assert type(model).__name__ == "CRBM" and model.n_gibbs == {0: 1, 2: 3} and model.max_norm is None
    assert model.n_taps == 1 and model.n_hidden == 4  # --set over the file, --hidden over --set
    assert "windows of 10 frames" in capsys.readouterr().out


def test_few_frames_of_real_values_are_not_learned_by_heart(folder, capsys, monkeypatch):
    monkeypatch.setattr(settings, "FEW", 71)
    write_joints(folder / "long.csv", 71)
    assert "weight_decay=0.03" in told(capsys, f"{REAL} --out a.h5")[1]
    assert "weight_decay=0.5" in told(capsys, f"{REAL} --set weight_decay=0.5 --out b.h5")[1]
    assert "weight_decay" not in told(capsys, f"{REAL} --updates 1 --out c.h5".replace("joints", "long"))[1]


@pytest.mark.parametrize(
    "text, value",
    [("3", 3), ("0.5", 0.5), ("true", True), ("False", False), ("none", None), ("adam", "adam")]
    + [("{0:1,200:3}", {0: 1, 200: 3}), ("('VH','VV')", ("VH", "VV")), ("__import__('os')", "__import__('os')")],
)
def test_a_value_is_read_and_never_run(text, value):
    found = settings.value_of(text)
    assert found == value and type(found) is type(value)


def test_gaps_are_learned_from(folder, capsys):
    status, out, _ = told(capsys, f"{REAL} --out a.h5".replace("joints", "gaps"))
    assert status == 0 and "values are missing, each update draws them" in out and "no table of errors" in out
    assert "linear predictor" in told(capsys, f"{REAL} --validation more.csv --out b.h5".replace("joints", "gaps"))[1]


def test_a_warning_is_one_line_and_kept(folder, capsys):
    (folder / "flat.csv").write_text("a,b\n" + "".join(f"{i % 7},5\n" for i in range(60)))
    status, _, err = told(capsys, f"{REAL} --out a.h5".replace("joints", "flat"))
    assert status == 0 and "rtrbm train: warning: X does not vary in feature 'b'" in err
    assert "does not vary" in json.loads(Path("a.settings.json").read_text())["warnings"][0]


def test_resume_goes_on_bit_for_bit(folder):
    whole = REAL.replace("--updates 3", "--set learning_rate=0.001 --updates 6")
    assert main(f"{whole} --out whole.h5".split()) == 0
    assert main(f"{whole} --out begun.h5 --resume".split()) == 0  # from the start: there is no such file
    again = [rtrbm.load(path) for path in ("whole.h5", "begun.h5")]
    assert all((a == b).all() for a, b in zip(again[0].params_, again[1].params_) if a is not None)


INTERRUPTED = """
import os, signal, sys
from rtrbm.commands import main
from rtrbm.training import loop
make, n = loop.update, 0
def update(*arguments):
    global n
    n += 1
    if n == 3:
        os.kill(os.getpid(), getattr(signal, sys.argv[1]))
    return make(*arguments)
loop.update = update
sys.exit(main(sys.argv[2:]))
"""


def interrupted(name, command):
    """A command in which a signal comes during the third update."""
    done = [sys.executable, "-c", INTERRUPTED, name, *command.split()]
    return subprocess.run(done, capture_output=True, text=True, env=ENVIRONMENT)


@pytest.mark.skipif(os.name == "nt", reason="signals are sent as on Unix")
def test_ctrl_c_saves_and_the_run_goes_on(folder):
    command = f"{REAL} --out a.h5".replace("--updates 3", "--updates 6")
    done, command = interrupted("SIGINT", command), command.split()
    assert done.returncode == 130 and "--resume goes on from a.h5" in done.stdout and "Traceback" not in done.stderr
    assert rtrbm.load("a.h5").n_updates_ == 3
    assert main([*command, "--resume"]) == 0
    assert main([*command[:-1], "b.h5"]) == 0
    a, b = (rtrbm.load(path).params_ for path in ("a.h5", "b.h5"))
    assert all((x == y).all() for x, y in zip(a, b) if x is not None)


def settings_in(path):
    return json.loads(Path(path).read_text())


@pytest.mark.skipif(os.name == "nt", reason="signals are sent as on Unix")
@pytest.mark.parametrize("every", [1, 500])
@pytest.mark.parametrize("name", ["SIGTERM", "SIGKILL"])
def test_the_settings_of_an_earlier_run_do_not_stay(folder, name, every, monkeypatch):
    assert main(f"{REAL} --out a.h5".split()) == 0
    assert settings_in("a.settings.json")["minutes"] is not None
    monkeypatch.setitem(globals(), "INTERRUPTED", f"import rtrbm\nrtrbm.RTRBM.fit.__kwdefaults__['checkpoint_every'] = "
                        f"{every}\n{INTERRUPTED}")  # fmt: skip
    assert interrupted(name, f"{REAL} --out a.h5 --seed 1 --force --set learning_rate=0.001").returncode < 0
    found, model = settings_in("a.settings.json"), rtrbm.load("a.h5")
    replaced = (name, every) != ("SIGKILL", 500)
    assert (found["random_state"], found.get("broken_off", False)) == (int(replaced), replaced)
    assert model.random_state == found["random_state"]
    assert model.n_updates_ == (3 if name == "SIGTERM" or not replaced else 2)
    if replaced:
        assert (found["minutes"] is None) == (name == "SIGKILL")
        assert main(f"{REAL} --out a.h5 --seed 1 --resume --set learning_rate=0.001".split()) == 0
        found = settings_in("a.settings.json")
        assert "broken_off" not in found and (found["minutes"] is None) == (name == "SIGKILL")


def test_the_settings_of_a_model_stay_if_another_run_fails(folder, capsys):
    assert main(f"{REAL} --out a.h5".split()) == 0
    before = Path("a.settings.json").read_bytes()
    assert told(capsys, f"{REAL} --out a.h5 --force --updates 50 --set learning_rate=1e15")[0] == 1
    assert Path("a.settings.json").read_bytes() == before and rtrbm.load("a.h5").learning_rate < 1


@pytest.mark.skipif(os.name == "nt", reason="signals are sent as on Unix")
def test_the_settings_of_balls_are_those_of_their_model(folder, monkeypatch, capsys):
    monkeypatch.setattr(balls, "measure", lambda *_: None)
    command = f"balls {SMALL['balls']} --n-jobs 1 --out b"
    assert main(command.split()) == 0 and "broken_off" not in settings_in("b/settings.json")
    assert interrupted("SIGINT", f"{command} --seed 1 --force").returncode == 130
    found = settings_in("b/settings.json")
    assert found["broken_off"] and found["random_state"] == rtrbm.load("b/rtrbm.h5").random_state == 1
    status, _, err = told(capsys, f"{command} --seed 2 --resume")
    assert status == 1 and "--seed, 1 there. Take those, or begin anew with --force in place of --resume" in err

    def fail(*_):
        raise OSError("full")

    monkeypatch.setattr(balls, "measure", fail)  # pictures and report are missing
    assert main(f"{command} --seed 3 --force".split()) == 1
    assert settings_in("b/settings.json")["broken_off"] and settings_in("b/settings.json")["random_state"] == 3


def test_ctrl_c_elsewhere(folder, monkeypatch, capsys):
    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(rtrbm.RTRBM, "predict", stop)
    status, _, err = told(capsys, "predict model.h5 joints.csv --out a.csv")
    assert status == 130 and err == "\nrtrbm predict: stopped\n" and not Path("a.csv").exists()


def test_a_configuration_may_begin_with_a_mark_of_its_encoding(folder):
    Path("mark.toml").write_text("n_taps = 1\n", encoding="utf-8-sig")
    assert main(f"{REAL} --config mark.toml --out a.h5".split()) == 0 and rtrbm.load("a.h5").n_taps == 1


def test_too_little_memory_is_one_line(folder, monkeypatch, capsys):
    def full(*_, **__):
        raise MemoryError

    monkeypatch.setattr(rtrbm.RTRBM, "predict", full)
    assert told(capsys, "predict model.h5 joints.csv --out a.csv")[::2] == (1, "rtrbm predict: MemoryError\n")


def test_letters_that_a_terminal_has_not_end_no_command(folder):
    os.rename("joints.csv", "höhe.csv")
    command = [sys.executable, "-m", "rtrbm", "score", "model.h5", "höhe.csv"]
    done = subprocess.run(command, capture_output=True, text=True, env=ENVIRONMENT | {"PYTHONIOENCODING": "ascii"})
    assert done.returncode == 0 and r"h\xf6he.csv: 1 sequence" in done.stdout and not done.stderr


@pytest.mark.skipif(os.name == "nt", reason="pipes are broken as on Unix")
@pytest.mark.parametrize("broken", ["pipe", "disk"])
@pytest.mark.parametrize(
    "command", [f"{REAL} --out a.h5", "sample model.h5 --out a.csv", "info model.h5", "score model.h5 more.csv"]
)
def test_standard_output_that_breaks(folder, command, broken):
    """It ends no work; a command that has no other result fails on a full disk, and ends quietly without a reader."""
    if broken == "disk" and not os.path.exists("/dev/full"):
        pytest.skip("there is no /dev/full")
    if broken == "pipe":
        reads, output = os.pipe()
        os.close(reads)
    else:
        output = os.open("/dev/full", os.O_WRONLY)
    run = [sys.executable, "-m", "rtrbm", *command.split()]
    done = subprocess.run(run, stdout=output, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT)
    os.close(output)
    word, said = command.split()[0], {"pipe": "Broken pipe", "disk": "No space left on device"}[broken]
    line = f"rtrbm {word}: cannot write to standard output: {said}"
    if word in ("info", "score"):
        assert (done.returncode, done.stderr) == ((0, "") if broken == "pipe" else (1, f"{line}\n"))
    else:
        assert done.returncode == 0 and done.stderr.count(f"{line}; the work goes on\n") == 1
        assert "Traceback" not in done.stderr and Path(command.split()[-1]).exists()
        assert word == "sample" or "errors" in settings_in("a.settings.json")


def test_without_standard_output(folder, monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)  # as that of a service
    assert main("score model.h5 joints.csv".split()) == 0


# --------------------------------------------------------------------------------------- what comes out


def test_what_was_measured_keeps_its_digits(folder):
    """impute works in single precision, and fills gaps alone."""
    rows = [f"{1234567.891 + t},{0.1 * t}" for t in range(40)]
    rows[7] = "1234574.891,"
    (folder / "gaps2.csv").write_text("\n".join(["hip,knee", *rows]) + "\n")
    assert main("train gaps2.csv --set visible=scaled_gaussian --hidden 3 --updates 3 --out digits.h5".split()) == 0
    assert main("impute digits.h5 gaps2.csv --out full.csv".split()) == 0
    before, after = convert.read("gaps2.csv"), convert.read("full.csv")
    there = ~np.isnan(np.asarray(before))
    np.testing.assert_array_equal(np.asarray(after)[there], np.asarray(before)[there])
    assert np.isfinite(np.asarray(after)).all()


def test_a_gap_is_where_the_message_says(folder, capsys):
    rows = [f"{name},{t % 2},{'' if (name, t) == ('b', 2) else t % 3 // 2}" for name in "ab" for t in range(30)]
    (folder / "two.csv").write_text("\n".join(["walk,hip,knee", *rows]) + "\n")
    (folder / "whole.csv").write_text("\n".join(["walk,hip,knee", *rows[:30], *rows[33:]]) + "\n")
    assert main("train whole.csv --by walk --hidden 3 --updates 3 --out two.h5".split()) == 0
    status, _, said = told(capsys, "score two.h5 two.csv --by walk")
    assert status == 1 and "the first of 1 in sequence b, row 32, column 'knee'" in said


def test_times_and_labels_keep_their_digits(folder):
    rows = "".join(f"{20240101123450 + i // 9},{1700000000123 + i % 9 / 2},{i % 2},{i % 3 / 2}\n" for i in range(18))
    Path("times.csv").write_text(f"trial,t,a,b\n{rows}")
    how = "times.csv --by trial --time t"
    assert main(f"train {how} --updates 1 --hidden 2 --engine numpy --n-jobs 1 --out a.h5".split()) == 0
    assert main(f"predict a.h5 {how} --out a.csv".split()) == 0
    found, wanted = (convert.read(path) for path in ("a.csv", "times.csv"))
    assert (found["t"] == wanted["t"]).all() and (found["trial"] == wanted["trial"]).all()
    assert main(f"forecast a.h5 {how} --frames 2 --futures 9 --out b.csv".split()) == 0
    assert set(convert.read("b.csv")["trial"]) == set(wanted["trial"])


def test_frames_without_names_are_images_if_they_are_binary(folder, monkeypatch):
    drawn = []
    monkeypatch.setattr(pictures, "save_figure", lambda figure, path: drawn.append(figure))
    for module, name in ((rtrbm.plots, "film_strip"), (pictures, "_rasters"), (pictures, "_curves")):
        monkeypatch.setattr(module, name, lambda *_, name=name, **__: name)
    for is_binary in (True, False):
        for n, names in ((4, None), (4, list("abcd")), (1, None)):
            pictures.draw("a.png", np.zeros((1, 3, n)), None, names, is_binary)
    pictures.draw("a.png", np.zeros((1, 3, 4)), (2, 2), None, False)
    assert drawn == ["film_strip", "_rasters", "_rasters", "_curves", "_curves", "_curves", "film_strip"]


def test_a_table_comes_back_with_its_columns(folder):
    X = np.asarray(convert.read("joints.csv"))
    assert main("predict model.h5 joints.csv --out a.csv".split()) == 0
    found, wanted = convert.read("a.csv"), rtrbm.load("model.h5").predict([convert.read("joints.csv")])[0]
    assert found.columns == ["hip", "knee", "toe"] and np.allclose(found, wanted, rtol=1e-6) and len(found) == len(X)
    assert main("predict model.h5 joints.csv --out a.npz".split()) == 0
    assert np.array_equal(convert.read("a.npz"), wanted)
    assert main("denoise model.h5 joints.csv --out a.h5".split()) == 0
    assert convert.read("a.h5").shape == X.shape
    with h5py.File("a.h5") as file:
        assert list(file["denoised"].attrs["features"]) == ["hip", "knee", "toe"]


def test_columns_in_another_order_are_found(folder, capsys):
    X = np.asarray(convert.read("joints.csv"))
    np.savetxt("turned.csv", X[:, ::-1], delimiter=",", header="toe,knee,hip", comments="")
    assert main("predict model.h5 joints.csv --out a.csv".split()) == 0
    assert main("predict model.h5 turned.csv --out b.csv".split()) == 0
    assert "order of training, hip, knee, toe" in capsys.readouterr().out
    a, b = convert.read("a.csv"), convert.read("b.csv")
    assert a.columns == ["hip", "knee", "toe"] and b.columns == a.columns[::-1]  # as they were given
    assert all(np.array_equal(a[name], b[name]) for name in a.columns)


def test_rows_and_columns_keep_the_order_of_the_file(folder):
    rng = np.random.default_rng(0)
    given = zip("xyxyyx" * 3, *rng.normal(size=(2, 18)).tolist())
    rows = [(i / 2, x, name, y) for i, (name, x, y) in enumerate(given)]
    Path("mixed.csv").write_text("t,hip,walk,knee\n" + "".join(",".join(map(str, row)) + "\n" for row in rows))
    assert main("train mixed.csv --standardize --updates 2 --by walk --time t --out w.h5".split()) == 0
    for verb in ("predict", "denoise"):
        assert main(f"{verb} w.h5 mixed.csv --by walk --time t --out {verb}.csv".split()) == 0
        table = convert.read(f"{verb}.csv")
        assert table.columns == ["t", "hip", "walk", "knee"]
        assert table["walk"].tolist() == [row[2] for row in rows] and table["t"].tolist() == [row[0] for row in rows]
    lines = [line.split(",") for line in Path("mixed.csv").read_text().split()]
    Path("turned.csv").write_text("".join(f"{t},{knee},{walk},{hip}\n" for t, hip, walk, knee in lines))
    assert main("predict w.h5 turned.csv --by walk --time t --out turned.h5".split()) == 0
    assert main("predict w.h5 mixed.csv --by walk --time t --out mixed.h5".split()) == 0
    with h5py.File("turned.h5") as turned, h5py.File("mixed.h5") as mixed:
        for a, b in zip(turned["prediction"].values(), mixed["prediction"].values()):
            assert a.attrs["features"].tolist() == ["knee", "hip"] and b.attrs["features"].tolist() == ["hip", "knee"]
            np.testing.assert_array_equal(a[()][:, ::-1], b[()])
    sequences = convert.tables(convert.read("mixed.csv"), by="walk", time="t")
    expected, table = rtrbm.load("w.h5").predict(sequences)[1], convert.read("predict.csv")
    np.testing.assert_array_equal([table["hip"][1], table["knee"][1]], np.asarray(expected[0], float))


def test_names_of_sequences_stay_as_they_are_written(folder):
    long = ["12345678901234567", "12345678901234568"]
    for names in (["01", "1", "001"], long, ["1.0", "1.50"]):
        lines = [f"{name},{t},{t % 2}" for name in names for t in range(4)]
        Path("named.csv").write_text("walk,t,a\n" + "\n".join(lines) + "\n")
        assert main("train named.csv --updates 2 --by walk --time t --out n.h5 --force".split()) == 0
        assert main("predict n.h5 named.csv --by walk --time t --out n.csv --force".split()) == 0
        found = [line.split(",")[0] for line in Path("n.csv").read_text().split()[1:]]
        assert found == [name for name in names for _ in range(4)]


def test_filled_in_files_keep_what_was_there(folder):
    rng = np.random.default_rng(0)
    X = 1.7e9 + np.cumsum(rng.normal(size=(60, 2)), axis=0)
    lines = [[f"{x!r}" for x in row] for row in X.tolist()]
    Path("whole.csv").write_text("a,b\n" + "\n".join(map(",".join, lines)) + "\n")
    gaps = [[*row] for row in lines]
    for row in (0, 20, 21):
        gaps[row] = ["", ""]
    gaps[40][1] = "NA"
    Path("holed.csv").write_text("a,b\n" + "\n".join(map(",".join, gaps)) + "\n")
    assert main("train whole.csv --standardize --updates 3 --out g.h5".split()) == 0
    assert main("impute g.h5 holed.csv --out filled.csv".split()) == 0
    filled, seen = np.asarray(convert.read("filled.csv")), ~np.isnan(np.asarray(convert.read("holed.csv")))
    assert filled.shape == X.shape and np.isfinite(filled).all() and seen.sum() == X.size - 7
    np.testing.assert_array_equal(filled[seen], X[seen])


def test_sequences_and_times_of_a_table_come_back(folder):
    rng = np.random.default_rng(0)
    rows = [(name, t / 10, *rng.standard_normal(2)) for name, n in (("b", 8), ("a", 5)) for t in range(n)]
    Path("walks.csv").write_text("walk,t,x,y\n" + "".join(",".join(map(str, row)) + "\n" for row in rows))
    assert main(f"{REAL} --by walk --time t --out w.h5".replace("joints", "walks").split()) == 0
    assert main("predict w.h5 walks.csv --by walk --time t --out a.csv".split()) == 0
    table = convert.read("a.csv")
    assert table.columns == ["walk", "t", "x", "y"]
    assert table["walk"].tolist() == [row[0] for row in rows] and table["t"].tolist() == [row[1] for row in rows]
    assert main("forecast w.h5 walks.csv --by walk --time t --frames 3 --futures 9 --out f.csv".split()) == 0
    table = convert.read("f.csv")
    assert table.columns == ["walk", "statistic", "frame", "x", "y"] and len(table) == 2 * 4 * 3
    assert main("predict w.h5 walks.csv --by walk --time t --out a.h5".split()) == 0
    with h5py.File("a.h5") as file:
        assert [len(file["prediction"][name]) for name in sorted(file["prediction"])] == [8, 5]
    assert main("predict w.h5 walks.csv --by walk --time t --out a.npy".split()) == 1  # one array alone


def test_a_column_called_sequence_names_sequences(folder):
    assert main("sample model.h5 --frames 7 --n 3 --out a.csv".split()) == 0
    assert convert.read("a.csv").columns == ["sequence", "hip", "knee", "toe"]
    assert main("predict model.h5 a.csv --out b.csv".split()) == 0
    assert np.array_equal(convert.read("b.csv")["sequence"], np.repeat([0, 1, 2], 7))


def test_arrays_come_back_in_their_form(folder):
    assert main("predict rolls.h5 rolls.npz --name train --out a.npy".split()) == 0
    assert convert.read("a.npy").shape == (3, 12, 88)
    np.savetxt("bare.csv", np.load("rolls.npz")["train"][0], delimiter=",")
    assert main("predict rolls.h5 bare.csv --out a.csv".split()) == 0
    assert convert.read("a.csv").shape == (12, 88)  # without a header, as it came
    assert main("denoise rbm.h5 rolls.npz --name train --out b.npy".split()) == 0
    assert convert.read("b.npy").shape == (3, 12, 88)


def test_gaps_are_filled_and_nothing_else_is_changed(folder):
    assert main("impute model.h5 gaps.csv --out a.csv".split()) == 0
    X, filled = np.asarray(convert.read("gaps.csv")), np.asarray(convert.read("a.csv"))
    there = ~np.isnan(X)
    assert np.isfinite(filled).all() and not there.all()
    assert np.allclose(filled[there], X[there], rtol=1e-6)


def test_a_forecast_is_the_models_own(folder):
    assert main("forecast model.h5 joints.csv --frames 4 --futures 20 --seed 5 --out a.csv".split()) == 0
    wanted = rtrbm.load("model.h5").forecast([convert.read("joints.csv")], 4, 20, random_state=5)
    table = convert.read("a.csv")
    assert table["statistic"].tolist() == [name for name in ("mean", "0.1", "0.5", "0.9") for _ in range(4)]
    assert table["frame"].tolist() == [1, 2, 3, 4] * 4
    blocks = np.stack([table[name] for name in ("hip", "knee", "toe")], axis=1).reshape(4, 4, 3)
    assert np.allclose(blocks, [wanted.mean[0], *wanted.quantiles[:, 0]], rtol=1e-6)
    assert main("forecast model.h5 joints.csv --frames 4 --futures 20 --seed 5 --out a.npz".split()) == 0
    with np.load("a.npz") as arrays:
        assert np.array_equal(arrays["quantiles"], wanted.quantiles) and arrays["levels"].tolist() == [0.1, 0.5, 0.9]


def test_samples_are_the_models_own(folder):
    means, states = rtrbm.load("rolls.h5").sample(6, 2, random_state=4, return_states=True)
    for option, wanted in (("", means), ("--states", states)):
        assert main(f"sample rolls.h5 --frames 6 --n 2 --seed 4 {option} --force --out a.npz".split()) == 0
        assert np.array_equal(convert.read("a.npz"), wanted)


def test_music_is_written_and_read(folder):
    pytest.importorskip("mido")
    assert main("sample rolls.h5 --frames 6 --n 2 --seed 4 --out a.mid".split()) == 0
    states = rtrbm.load("rolls.h5").sample(6, 2, random_state=4, return_states=True)[1]
    for i in (1, 2):
        read = convert.read_midi(f"a-{i}.mid")
        assert np.array_equal(read, states[i - 1][: len(read)])
    assert main("sample rolls.h5 --frames 6 --n 2 --out a.mid".split()) == 1  # they are there already
    assert main("predict rolls.h5 a-1.mid --out a.npy".split()) == 0


@pytest.mark.parametrize("path", ["a.png", "a.gif"])
def test_samples_as_pictures(path, folder):
    Image = pytest.importorskip("PIL.Image")
    pytest.importorskip("matplotlib")
    assert main(f"sample rolls.h5 --frames 6 --n 2 --shape 8x11 --out {path}".split()) == 0
    assert main(f"sample rolls.h5 --frames 6 --n 2 --shape 8x11 --out {path}".split()) == 1
    with Image.open(path) as image:
        assert getattr(image, "n_frames", 1) == (1 if path == "a.png" else 6)


@pytest.mark.parametrize("model", ["rolls.h5", "model.h5"])
def test_samples_that_are_no_images(model, folder):
    Image = pytest.importorskip("PIL.Image")
    pytest.importorskip("matplotlib")
    assert main(f"sample {model} --frames 6 --n 2 --out a.png".split()) == 0
    with Image.open("a.png") as image:
        assert np.ptp(np.asarray(image.convert("L"))) > 100


def test_images_of_real_values_are_drawn_by_their_range(folder, capsys):
    """Control: what is near 0 and 1 is drawn as it is."""
    pytest.importorskip("matplotlib")
    from rtrbm.commands.pictures import draw

    values = np.linspace(-1, 2, 24).reshape(1, 6, 4)
    drawn = {}
    for scale in (1, 50):
        draw("a.gif", scale * values, (2, 2), None, False)
        drawn[scale] = capsys.readouterr().out
    assert drawn[1] == "" and "a.gif draws values from -50 to 100 as greys" in drawn[50]


@pytest.mark.skipif(os.name == "nt", reason="the program is a script with #!")
def test_a_film_is_handed_to_ffmpeg(folder, monkeypatch):
    """A program in its place keeps what it is told."""
    program = folder / "bin" / "ffmpeg"
    program.parent.mkdir()
    code = "import sys\nasked = ' '.join(sys.argv[1:]).encode()\nframes = sys.stdin.buffer.read()\n"
    program.write_text(f"#!{sys.executable}\n{code}open(sys.argv[-1], 'wb').write(asked + frames)\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent))
    video = np.linspace(0, 1, 3 * 15).reshape(1, 3, 15)
    pictures.write_mp4("a.mp4", video, (3, 5))
    kept = Path("a.mp4").read_bytes()
    side = 40  # pixels of a pixel, so that the longer side has 200
    head, frames = kept[: -3 * 120 * 200].decode(), np.frombuffer(kept[-3 * 120 * 200 :], "u1").reshape(3, 120, 200)
    assert "-f rawvideo" in head and "-s 200x120" in head and "-pix_fmt yuv420p" in head
    assert np.array_equal(frames[:, ::side, ::side], np.rint(255 * video[0]).reshape(3, 3, 5))
    program.write_text(f"#!{sys.executable}\nraise SystemExit('no such codec')\n")
    with pytest.raises(RuntimeError, match="ffmpeg failed: no such codec"):
        pictures.write_mp4("b.mp4", video, (3, 5))
    assert not Path("b.mp4").exists()
    monkeypatch.setenv("PATH", "")
    assert main("sample rolls.h5 --shape 8x11 --out c.mp4".split()) == 1


def test_score_says_likelihood_and_what_baselines_are_fitted_to(folder, capsys):
    out = told(capsys, "score rolls.h5 rolls.npz --name valid --likelihood")[1]
    assert "fitted to these data" in out and "log-likelihood: " in out and "nats a frame" in out
    out = told(capsys, "score rolls.h5 rolls.npz --name valid --train rolls.npz --train-name train")[1]
    assert "fitted to these data" not in out and "likelihood" not in out
    assert "nats a row" in told(capsys, "score rbm.h5 rolls.npz --name valid")[1]
    own = dict(n_gibbs=1, n_updates=1, random_state=0)
    X = np.load("rolls.npz")["train"]
    rtrbm.Stack([rtrbm.RTRBM(4, **own), rtrbm.RTRBM(3, **own)]).fit(X).save("two.h5")
    assert "log-likelihood: at least -" in told(capsys, "score two.h5 rolls.npz --name valid --likelihood")[1]


def test_a_tilde_is_the_folder_of_the_user(folder, capsys, monkeypatch):
    for name in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(folder))
    assert "RTRBM" in told(capsys, "info ~/model.h5")[1]
    assert main(["predict", "~/model.h5", "~/joints.csv", "--out=~/at-home.csv"]) == 0
    assert (folder / "at-home.csv").exists()


# ---------------------------------------------------------------------------------------------------- info


def test_info_says_what_a_file_holds(folder, capsys):
    out = told(capsys, "info model.h5")[1]
    assert "RTRBM, 3 updates, seed 0, engine numpy" in out and "features: 3, hip, knee, toe" in out
    found = json.loads(told(capsys, "info model.h5 --json")[1])
    model = rtrbm.load("model.h5")
    assert found["arrays"]["W"] == [3, 4] and found["parameters"] == sum(a.size for a in model.params_ if a is not None)
    assert found["last"]["reconstruction_error"] == model.history_["reconstruction_error"][-1]
    assert found["data"].startswith("1 sequences; 3 features") and found["settings"]["n_gibbs"] == 3


def test_info_of_a_stack(folder, capsys):
    X = np.load("rolls.npz")["train"]
    own = {"n_gibbs": {0: 1, 2: 3}, "n_updates": 3, "random_state": 0}
    rtrbm.Stack([rtrbm.RTRBM(4, **own), rtrbm.CRBM(3, **own)]).fit(X).save("stack.h5")
    out = told(capsys, "info stack.h5")[1]
    assert "RTRBM, 3 updates" in out and "CRBM, 3 updates" in out and "n_gibbs={0: 1, 2: 3}" in out
    found = json.loads(told(capsys, "info stack.h5 --json")[1])
    assert found["model"] == "Stack" and [layer["features"] for layer in found["layers"]] == [88, 4]
    assert main("predict stack.h5 rolls.npz --name train --out a.npy".split()) == 0
    assert main("sample stack.h5 --out b.npy".split()) == 0


def test_info_reads_no_parameters(folder, monkeypatch):
    read, W = [], rtrbm.load("model.h5").params_.W
    get = Kept.read
    monkeypatch.setattr(Kept, "read", lambda self: read.append(self.shape) or get(self))
    described("model.h5")
    assert len(read) > 2 and W.shape not in read and (len(W),) in read  # the names


def test_info_of_a_damaged_file_takes_no_other(folder):
    model = rtrbm.RTRBM(2, n_updates=4, random_state=0)
    model.fit(np.load("rolls.npz")["train"], checkpoint="run.h5", checkpoint_every=2)
    with open("run.h5", "r+b") as file:
        file.seek(2000)
        file.write(b"damage")
    with pytest.warns(UserWarning, match="the file before"):
        rtrbm.load("run.h5")
    with pytest.raises(ValueError, match="path must be a complete model file, 'run.h5' has changed"):
        described("run.h5")


# ------------------------------------------------------------------------------------------- parameters


def test_parameters_go_and_come_back(folder):
    model = rtrbm.load("model.h5")
    arrays = convert.parameters(model)
    assert set(arrays) == {"W", "U", "b_v", "b_h", "b_init", "U_v", "A", "C", "b_v_init", "units", "mean", "deviation"}
    again = convert.from_parameters(rtrbm.RTRBM, arrays, visible="scaled_gaussian", random_state=0)
    X = np.asarray(convert.read("joints.csv"))
    assert np.array_equal(
        again.denoise([X])[0], np.asarray(model.set_params(verbose=0).denoise([convert.read("joints.csv")])[0])
    )
    np.savez("arrays.npz", **arrays)
    with np.load("arrays.npz") as file:
        stored = convert.from_parameters(rtrbm.RTRBM, file, visible="scaled_gaussian", random_state=0)
    assert np.array_equal(stored.params_.W, arrays["W"])
    arrays["W"][:] = 0
    assert model.params_.W.any()  # they were copies
    with pytest.raises(ValueError, match="standardize=True needs the scale of the data, arrays mean and deviation"):
        convert.from_parameters(rtrbm.RTRBM, {"W": arrays["W"]}, visible="gaussian", standardize=True)
    with pytest.raises(ValueError, match="deviation above 0"):
        convert.from_parameters(rtrbm.RTRBM, arrays | {"deviation": np.zeros(3)}, visible="scaled_gaussian")


def test_parameters_in_the_layout_of_scikit_learn():
    sklearn = pytest.importorskip("sklearn.neural_network")
    X = (np.random.default_rng(0).random((50, 6)) < 0.3).astype(float)
    theirs = sklearn.BernoulliRBM(4, random_state=0, n_iter=2).fit(X)
    ours = rtrbm.RBM.from_params(convert.from_sklearn(theirs))
    assert np.allclose(ours.transform(X), theirs.transform(X), rtol=0, atol=1e-12)
    back = convert.to_sklearn(ours)
    assert all(np.array_equal(back[name], getattr(theirs, name)) for name in back) and len(back) == 3
    with pytest.raises(TypeError, match="lacks components_"):
        convert.from_sklearn(sklearn.BernoulliRBM())
    real = rtrbm.RBM(2, visible="gaussian", n_updates=1, random_state=0).fit(X)
    with pytest.raises(ValueError, match="Bernoulli units.*'gaussian'"):
        convert.to_sklearn(real)
    with pytest.raises(TypeError, match="knows no time, got RTRBM"):
        convert.to_sklearn(rtrbm.RTRBM(2, n_updates=1, random_state=0).fit([X]))


def test_a_table_of_futures_has_columns_that_differ(folder, capsys):
    Path("frames.csv").write_text("frame,a\n" + "0.5,1\n0.25,0\n" * 6)
    assert main(shlex.split("train frames.csv --hidden 2 --updates 2 --out frames.h5 --force")) == 0
    assert main(shlex.split("forecast frames.h5 frames.csv --frames 2 --out frames-ahead.csv")) != 0
    assert "has a column 'frame' of its own" in capsys.readouterr().err
    assert main(shlex.split("forecast frames.h5 frames.csv --frames 2 --out frames-ahead.npz")) == 0


def test_a_picture_shows_some_of_many_samples(folder, capsys):
    Path("two.csv").write_text("a,b\n" + "1,1\n0.5,0\n" * 6)
    assert main(shlex.split("train two.csv --hidden 2 --updates 2 --out two.h5 --force")) == 0
    assert main(shlex.split("sample two.h5 --frames 3 --n 50 --out two.png --force")) == 0
    assert "two.png shows the first 20 of 50 samples" in "".join(capsys.readouterr())


def test_updates_and_epochs_exclude_each_other(folder, capsys):
    Path("two.csv").write_text("a,b\n" + "1,1\n0.5,0\n" * 6)
    assert main(shlex.split("train two.csv --hidden 2 --set n_epochs=1 --updates 50 --out e.h5 --force")) != 0
    assert "--updates and --set n_epochs both say how long training is" in capsys.readouterr().err


def test_a_run_goes_on_with_columns_in_another_order(folder):
    Path("ab.csv").write_text("a,b\n" + "1,1\n0.5,0\n" * 6)
    Path("ba.csv").write_text("b,a\n" + "1,1\n0,0.5\n" * 6)
    settings = "--hidden 2 --engine numpy --n-jobs 1"
    assert main(shlex.split(f"train ab.csv {settings} --updates 3 --out ab.h5 --force")) == 0
    assert main(shlex.split(f"train ba.csv {settings} --updates 5 --out ab.h5 --resume")) == 0


def test_wide_data_have_no_linear_predictor(folder, capsys):
    np.save("wide.npy", (np.random.default_rng(0).random((2, 4, 2000)) < 0.5).astype(float))
    assert main(shlex.split("train wide.npy --hidden 1 --updates 1 --engine numpy --out wide.h5 --force")) == 0
    shown = "".join(capsys.readouterr())
    assert "copy-previous" in shown and "linear predictor" not in shown


def test_names_of_many_features_are_written(tmp_path):
    names = [f"feature number {i}" for i in range(10_000)]
    write_arrays(str(tmp_path / "a.h5"), {"a": np.zeros((2, 10_000))}, names)
    with h5py.File(tmp_path / "a.h5") as file:
        assert list(file["a"].attrs["features"]) == names


def test_stopped_before_anything_was_learned(tmp_path, capsys):
    path = str(tmp_path / "a.h5")
    say_stopped("train", path, None, False)
    (tmp_path / "a.h5").touch()
    say_stopped("train", path, mark(path), False)
    say_stopped("train", path, mark(path), True)
    say_stopped("train", path, (0, 0), False)
    said = [line.partition("stopped; ")[2] for line in capsys.readouterr().out.split("\n") if line]
    goes_on = f"the same command with --resume goes on from {path}"
    nothing = "nothing had been learned yet"
    assert said == [nothing, f"{nothing}; {path} is that of an earlier run", goes_on, goes_on]


def test_info_is_json_of_every_program():
    assert _finite({"a": [1.0, float("nan")], "b": float("inf"), "c": "x"}) == {"a": [1.0, None], "b": None, "c": "x"}


def test_score_and_the_report_have_the_same_linear_predictor(folder, capsys):
    rng = np.random.default_rng(0)
    growing = rng.poisson(1, (8, 20, 3)) + np.arange(20)[:, None]
    np.save("known.npy", growing[:4])
    np.save("other.npy", growing[4:] + 10)  # predictions are above all that is known
    poisson = "train known.npy --hidden 4 --updates 3 --set n_gibbs=1 --set visible=poisson --engine numpy --out a.h5"
    assert told(capsys, poisson)[0] == 0
    _, out, _ = told(capsys, "score a.h5 other.npy --train known.npy")
    told(capsys, "report a.h5 --data other.npy --train known.npy --out a.html")
    mine = re.search(r"linear predictor on 2 frames\S*\s+(\S+)", out)[1]
    page = re.search(r"linear predictor \(2 frames\)</t.>\s*<td[^>]*>([^<]+)", Path("a.html").read_text())[1]
    assert float(page) == pytest.approx(float(mine), rel=1e-3)
