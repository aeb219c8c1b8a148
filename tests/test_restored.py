"""Each part of a model file is within what training can have left there, or the file is refused."""

import json

import h5py
import numpy as np
import pytest
from helpers import altered, state

import rtrbm
from rtrbm import RBM, RTRBM, machine
from rtrbm.callbacks import EarlyStopping
from rtrbm.training import restored

SETTINGS = dict(n_gibbs=1, n_updates=6, batch_size=2, learning_rate=0.1, random_state=0, n_jobs=1)
X = np.random.default_rng(0).random((4, 5, 3))


@pytest.fixture
def path(tmp_path):
    """The file of a model with all parts: measured on validation data, the best one kept, standardised."""
    path, settings = tmp_path / "model.h5", dict(visible="gaussian", standardize=True)
    watched = dict(validation=X[:2], validation_every=2, callbacks=[EarlyStopping()])
    RTRBM(2, **SETTINGS | settings).fit(X, checkpoint=path, **watched)
    assert rtrbm.load(path).history_["validation_update"] == [0, 2, 4, 6]
    return path


@pytest.fixture
def chains(tmp_path):
    RBM(2, negative="pcd", **SETTINGS).fit(X[:, 0]).save(tmp_path / "model.h5")
    return tmp_path / "model.h5"


def refused(path, part, change, match="in '.*model.h5' "):
    """The file is refused once an array in it is another."""

    def alter(file):
        array = file[part][()]
        del file[part]
        file[part] = change(array)

    before = state(rtrbm.load(path))
    content = path.read_bytes()
    altered(path, lambda file: None)
    assert state(rtrbm.load(path)) == before  # control
    altered(path, alter)
    with pytest.raises(ValueError, match=match):
        rtrbm.load(path)
    path.write_bytes(content)


def at(i, value):
    """The change that puts a value at a place of an array."""

    def change(array):
        array = np.array(array)
        array.flat[i] = value
        return array

    return change


@pytest.mark.parametrize("name", ["reconstruction_error", "gradient_norm", "learning_rate"])
def test_the_history_has_values_that_updates_leave(path, name):
    for value in (np.nan, -1e-9, -np.inf):
        refused(path, f"history/{name}", at(2, value), f"{name} has values that no update leaves")
    if name != "reconstruction_error":
        refused(path, f"history/{name}", at(5, np.inf), f"{name} has values that no update leaves")
    refused(path, f"history/{name}", lambda values: values[1:])


def test_a_history_larger_than_memory_is_refused(path, monkeypatch):
    """A file with holes takes no room on a disk, whatever number of updates it has."""
    monkeypatch.setattr(machine, "memory", lambda: 1000)
    with pytest.raises(ValueError, match="model.h5' cannot be read: the history of 6 updates would take 1 GB"):
        rtrbm.load(path)


@pytest.mark.parametrize(
    "change", [at(1, 0), at(1, -2), at(3, 7), at(0, -1), lambda n: n[::-1].copy(), lambda n: n.astype(float)]
)
def test_validation_updates_increase_up_to_those_made(path, change):
    refused(path, "validation/update", change)


def test_validation_errors_are_not_negative_and_as_many(path):
    refused(path, "validation/error", at(0, -0.1), "validation_error has values below 0")
    refused(path, "validation/error", lambda values: values[1:])
    refused(path, "validation/update", lambda values: np.arange(0))


@pytest.mark.parametrize(
    "part, change",
    [
        ("best/update", lambda n: np.int64(7)),
        ("best/update", lambda n: np.int64(-1)),
        ("best/update", lambda n: np.float64(3)),
        ("best/params/W", at(0, np.nan)),
        ("best/params/W", lambda W: W.T.copy()),
        ("optimizer/n_steps", lambda n: np.int64(5)),
        ("optimizer/n_steps", lambda n: np.int64(2**62)),
        ("optimizer/square/W", at(3, -1e-20)),
        ("optimizer/gradient/U", at(0, np.inf)),
        ("data/mean", at(0, np.nan)),
        ("data/scale", at(0, 0)),
        ("data/scale", lambda scale: scale.astype("f4")),
    ],
)
def test_other_parts_are_as_training_leaves_them(path, part, change):
    refused(path, part, change)


@pytest.mark.parametrize("value", [-1, 2, 0.5, np.nan, np.inf])
def test_chains_are_states_of_the_units(chains, value):
    if value == 0.5:  # means lie in the domain of these units too
        altered(chains, lambda file: file["chains/states"].__setitem__((0, 0), value))
        assert rtrbm.load(chains).chains_[0, 0] == 0.5
        return
    refused(chains, "chains/states", at(0, value))


@pytest.mark.parametrize("change", [lambda v: v[0], lambda v: v[:0], lambda v: v[:, 1:], lambda v: v.astype(float)])
def test_chains_have_the_form_of_the_units(chains, change):
    refused(chains, "chains/states", change)


@pytest.mark.parametrize(
    "progress",
    [
        {"n_updates": 5}, {"n_updates": -1}, {"n_updates": True}, {"n_updates": 10**12}, {"n_updates": 6.0},
        {"n_updates": []}, {"seed": -1}, {"seed": None}, {"begin": 7}, {"begin": -1}, {"begin": "0"},
    ],
)  # fmt: skip
def test_the_progress_is_possible(path, progress):
    with h5py.File(path) as file:
        own = json.loads(file.attrs["progress"])
    altered(path, lambda file: file.attrs.__setitem__("progress", json.dumps(own | progress)))
    with pytest.raises(ValueError, match="path must be a complete model file"):
        rtrbm.load(path)


def test_texts_are_texts(path):
    for group, name in (("data", "fingerprint"), ("validation", "fingerprint"), ("engine", "name")):
        content = path.read_bytes()
        altered(path, lambda file, group=group, name=name: file[group].attrs.__setitem__(name, "a\x1b[31m"))
        with pytest.raises(ValueError, match="complete model file"):
            rtrbm.load(path)
        path.write_bytes(content)


def test_what_measured_returns_is_of_one_length():
    kept = {"update": np.array([0, 3]), "error": np.ones(2)}
    found = restored.measured(("v_update", "v_error", "v_other"), kept, "v_", 3, "model.h5")
    assert list(found) == ["v_update", "v_error"]
    assert restored.measured(("v_update", "v_error"), {}, "v_", 3, "model.h5") == {}
    for wrong in ({"error": np.ones(2)}, kept | {"update": np.array([0, 4])}, kept | {"error": np.ones((2, 1))}):
        with pytest.raises(ValueError, match="'model.h5'"):
            restored.measured(("v_update", "v_error"), wrong, "v_", 3, "model.h5")
