"""The notebooks run anew from top to bottom with this Python, and are kept with their tables and pictures."""

import base64
import io
import re
from pathlib import Path

import numpy as np
import pytest

from rtrbm.datasets import walking

nbformat = pytest.importorskip("nbformat")
nbclient = pytest.importorskip("nbclient")
kernelspec = pytest.importorskip("ipykernel.kernelspec")

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "docs" / "notebooks"
NOTEBOOKS = {path.stem: path for path in sorted(FOLDER.glob("*.ipynb"))}
each_notebook = pytest.mark.parametrize("name", NOTEBOOKS)


def read(name):
    return nbformat.read(NOTEBOOKS[name], as_version=4)


def code(notebook):
    """The cells of code."""
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def n_lines(notebook):
    """Lines of code that are neither blank nor comments."""
    lines = "\n".join(cell.source for cell in code(notebook)).splitlines()
    return sum(bool(line.strip()) and not line.strip().startswith("#") for line in lines)


def outputs(notebook, kind):
    """What cells show, of one MIME type, in order; printed text is "text/plain" too."""
    found = []
    for cell in code(notebook):
        for output in cell.outputs:
            if output.output_type == "stream" and kind == "text/plain":
                found.append(output.text)
            elif kind in output.get("data", {}):
                found.append(output.data[kind])
    return found


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A function that executes a notebook of a name, or given, in a kernel of the running Python."""
    kernelspec.write_kernel_spec(tmp_path / "jupyter" / "kernels" / "running")
    folders = {"JUPYTER_PATH": "jupyter", "IPYTHONDIR": "ipython", "JUPYTER_RUNTIME_DIR": "runtime"}
    for variable, folder in folders.items():
        monkeypatch.setenv(variable, str(tmp_path / folder))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("PYTHONWARNINGS", "error::UserWarning")

    def execute(notebook):
        for cell in code(notebook):
            cell.outputs, cell.execution_count = [], None
        where = {"metadata": {"path": str(FOLDER)}}
        return nbclient.NotebookClient(notebook, timeout=300, kernel_name="running", resources=where).execute()

    return execute


@each_notebook
def test_a_notebook_is_kept_as_it_ran(name):
    notebook = read(name)
    nbformat.validate(notebook)
    assert [cell.execution_count for cell in code(notebook)] == list(range(1, 1 + len(code(notebook))))
    assert NOTEBOOKS[name].stat().st_size < 400_000
    pictures = outputs(notebook, "image/png")
    assert pictures and all(len(base64.b64decode(picture)) < 150_000 for picture in pictures)
    assert not [output for cell in code(notebook) for output in cell.outputs if output.get("name") == "stderr"]


def test_the_table_of_joint_angles_is_computed():
    path = FOLDER / "walk.csv"
    angles, names = walking(1500, random_state=0)
    table = np.loadtxt(path, delimiter=",", skiprows=1)
    np.testing.assert_allclose(table[:, 0], np.arange(1500) / 25)
    np.testing.assert_allclose(table[:, 1:], angles, atol=0.0501)
    with open(path) as file:
        assert file.readline().rstrip("\n").split(",") == ["seconds", *(f"{name} (degrees)" for name in names)]


def test_from_joint_angles_to_a_fan_chart(run):
    """In 30 lines. The model is better than the linear predictor, and its bands hold what they should."""
    notebook = run(read("forecast"))
    assert n_lines(notebook) <= 30
    text = "\n".join(outputs(notebook, "text/plain"))
    errors = {name: float(re.search(rf"{name} +([0-9.]+)", text)[1]) for name in ("model", "linear", "copy")}
    assert errors["model"] < errors["linear"] < errors["copy"] / 5
    assert abs(float(re.search(r"([0-9.]+) % of the angles lie in the light band", text)[1]) - 90) < 8
    PIL = pytest.importorskip("PIL.Image")
    with PIL.open(io.BytesIO(base64.b64decode(outputs(notebook, "image/png")[-1]))) as picture:
        assert picture.size[0] == 780 and len(picture.convert("RGB").getcolors(10**6)) > 20


def test_from_spike_times_to_a_table_of_likelihoods(run):
    """Models of groups and of time gain over the predictors that know one of the two or none."""
    notebook = run(read("spikes"))
    (table,) = (text for text in outputs(notebook, "text/plain") if "nats per bin" in text)
    nats = {name: float(value) for name, value in re.findall(r"^(\w+).*?(-[0-9.]+)", table, re.MULTILINE)}
    assert list(nats) == ["independent", "linear", "RBM", "RTRBM", "RNNRBM"]
    assert nats["independent"] < min(nats["linear"], nats["RBM"]) - 0.1
    assert max(nats["linear"], nats["RBM"]) < min(nats["RTRBM"], nats["RNNRBM"]) - 0.1
    assert len(outputs(notebook, "image/png")) == 2


SMALLER = {
    "balls": {"n_updates=600": "n_updates=2", "bouncing_balls(20,": "bouncing_balls(2,", "(400,": "(10,"},
    "gradient": {},
    "motion": {"n_updates=600": "n_updates=2"},
    "music": {'"n_updates": 1500': '"n_updates": 2', "n_gibbs=1000": "n_gibbs=5", "range(20)": "range(3)"},
}  # numbers of the notebooks, and those that their code is run with, in this process


@pytest.mark.parametrize("name", SMALLER)
def test_the_code_of_a_notebook_runs(name, capsys):
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    text = "\n".join(cell.source for cell in code(read(name)))
    for number, smaller in SMALLER[name].items():
        assert number in text
        text = text.replace(number, smaller)
    made = {"__name__": "__main__"}
    exec(compile(text, name, "exec"), made)
    pytest.importorskip("matplotlib.pyplot").close("all")
    if name == "gradient":
        largest = made["largest"]
        assert [value < 1e-8 for value in largest.values()] == [True, True, False, False, False]
        assert min(list(largest.values())[2:]) > 0.01


def test_every_notebook_is_run():
    assert {*SMALLER, "forecast", "spikes"} == set(NOTEBOOKS)


def kept(name, pattern):
    """The first groups of a pattern in the texts that a notebook keeps, as numbers."""
    return [float(number) for number in re.findall(pattern, "\n".join(outputs(read(name), "text/plain")))]


def test_the_models_of_the_gallery_gain_over_their_rivals():
    """As kept: the errors of balls and joints rise from the model to its rivals, the nats rise to the model."""
    errors = kept("balls", r"(?m)^\w+ +([\d.]+) a frame")
    assert len(errors) == 3 and errors == sorted(errors)
    degrees = kept("motion", r"([\d.]+) degrees off")
    assert len(degrees) == 3 and degrees[0] == min(degrees)
    nats = kept("music", r"(?m)^[A-Za-z ]+ (-[\d.]+)$")
    assert len(nats) == 4 and nats == sorted(nats)


def test_a_notebook_that_fails_or_warns_is_noticed(run):
    """Control."""
    for source in ("1 / 0", "import warnings; warnings.warn('a feature is constant')"):
        with pytest.raises(nbclient.exceptions.CellExecutionError):
            run(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)]))
