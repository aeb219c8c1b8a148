"""Model files: whole or not at all, refused when anything else; and runs that go on as if never stopped."""

import dataclasses
import gc
import json
import os
import pickle
import stat
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import h5py
import numpy as np
import pytest
from helpers import altered, random_array, random_sequences, state

import rtrbm
from rtrbm import CRBM, LSTMRBM, RBM, RNNRBM, RTRBM, SRTRBM, TRBM, Stack
from rtrbm.callbacks import Log
from rtrbm.checks import check_anything
from rtrbm.estimators.base import TrainedRBM
from rtrbm.estimators.settings import setting, settings
from rtrbm.estimators.temporal import TemporalRBM
from rtrbm.minibatches.sources import Shuffled
from rtrbm.rbm import Bernoulli, Gaussian
from rtrbm.rbm.negative import CD
from rtrbm.training.files import replacing

SETTINGS = dict(n_hidden=3, n_gibbs=1, n_updates=12, batch_size=2, random_state=0, n_jobs=1)
X = random_array(5, 4)
FORMAT_1, FORMAT_2 = (Path(__file__).parent / "data" / name for name in ("format1", "format2"))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.h5"


@pytest.fixture
def saved(path):
    """A complete model file."""
    RTRBM(**SETTINGS | dict(n_updates=3, optimizer="adam")).fit(X).save(path)
    return path


class Stops(BaseException):
    """What breaks a run off without a word: an Exception of the data would be followed by a checkpoint."""


class Stopping:
    """The minibatches `fit` makes of a data set, broken off at that of one update."""

    def __init__(self, model, data, at):
        self.model, self.at = model, at
        self.minibatches = Shuffled(data, model.batch_size, seed=0)

    def minibatch(self, update):
        if update == self.at and hasattr(self.model, "n_updates_"):  # not while it is initialised
            raise Stops
        return self.minibatches.minibatch(update)


def stopped(path, settings, data=X, at=7, every=5, **resume):
    """A model whose fit broke off, the checkpoint of its last multiple of `every` updates in `path`."""
    model = RTRBM(**settings)
    with pytest.raises(Stops):
        model.fit(Stopping(model, data, at), checkpoint=path, checkpoint_every=every, **resume)
    return model


# --------------------------------------------------------------------------------------- round trip

VARIANTS = {
    "default": {},
    "momentum": dict(optimizer="momentum", momentum=0.5),
    "float64": dict(dtype="float64"),
    "dynamic": dict(dynamic_visible_bias=True),
    "thesis": dict(initialization="thesis"),
    "no bptt": dict(bptt=False),
    "schedule": dict(n_gibbs={0: 1, 5: 2, 8: 1}),
    "clipped": dict(max_norm=0.01),
    "gaussian": dict(visible="gaussian"),
    "not centred": dict(centering=False),
    "visible means": dict(sample_visible=False),
}
variants = pytest.mark.parametrize("variant", VARIANTS.values(), ids=VARIANTS)


@variants
def test_a_loaded_model_is_the_saved_one(path, variant):
    model = RTRBM(**SETTINGS | variant).fit(X)
    model.save(path)
    loaded = RTRBM.load(path)
    assert state(loaded) == state(model)
    assert loaded.get_params() == model.get_params()
    assert type(loaded.params_) is type(model.params_)
    assert type(loaded.optimizer_state_) is type(model.optimizer_state_)
    np.testing.assert_array_equal(loaded.transform(X), model.transform(X))
    np.testing.assert_array_equal(loaded.predict(X), model.predict(X))
    np.testing.assert_array_equal(loaded.sample(3, random_state=1), model.sample(3, random_state=1))
    for _ in range(3):  # and goes on learning as it would have
        model.partial_fit(X)
        loaded.partial_fit(X)
    assert state(loaded) == state(model)


@pytest.mark.parametrize("form", [str, os.fspath, lambda p: p], ids=["str", "fspath", "Path"])
def test_any_path_like_will_do(path, form):
    model = RTRBM(**SETTINGS).fit(X)
    model.save(form(path))
    assert state(RTRBM.load(form(path))) == state(model)


def test_a_relative_path_is_beside_the_working_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    RTRBM(**SETTINGS).fit(X).save("model.h5")
    assert os.listdir(tmp_path) == ["model.h5"]


def test_the_users_folder_may_be_called_by_its_sign(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    np.save(tmp_path / "X.npy", X)
    options = dict(checkpoint="~/run.h5", checkpoint_every=5, callbacks=[Log("~/log.csv")])
    model = RTRBM(**SETTINGS).fit("~/X.npy", **options)
    assert {"run.h5", "run.h5.before", "log.csv", "X.npy"} == set(os.listdir(tmp_path))
    assert state(rtrbm.load("~/run.h5")) == state(model) and rtrbm.load("~/run.h5.before").n_updates_ == 10
    RTRBM(**SETTINGS).fit("~/X.npy", resume=True, **options)
    with pytest.raises(ValueError, match="no update would be made"):
        RTRBM(**SETTINGS | dict(n_gibbs=2)).fit("~/X.npy", resume=True, **options)


@pytest.mark.parametrize(
    "random_state", [np.random.RandomState(0), np.random.default_rng(0), None, np.int64(7), 2**100]
)
def test_any_random_state_can_be_saved(path, random_state):
    """A generator is not written; the seed drawn from it is, so the loaded model goes on alike."""
    model = RTRBM(**SETTINGS | dict(random_state=random_state)).fit(X)
    model.save(path)
    loaded = RTRBM.load(path)
    assert loaded.seed_ == model.seed_
    assert state(loaded.partial_fit(X)) == state(model.partial_fit(X))


def test_saving_leaves_the_model_alone(path):
    model = RTRBM(**SETTINGS).fit(X)
    before = state(model)
    model.save(path)
    assert state(model) == before


def test_a_file_has_the_usual_permissions(saved):
    mask = os.umask(0)
    os.umask(mask)
    assert stat.S_IMODE(saved.stat().st_mode) == 0o666 & ~mask


def test_nothing_in_a_file_is_pickled(saved):
    """Reading a model must not run code from it."""
    with h5py.File(saved, "r") as file:
        kinds = []
        file.visititems(lambda name, item: kinds.append(item.dtype.kind) if hasattr(item, "dtype") else None)
    assert kinds and set(kinds) <= set("iuf")


# ------------------------------------------------------------------------------ whole or not at all


def only_file(path, content):
    assert os.listdir(path.parent) == [path.name] and path.read_bytes() == content


@pytest.mark.parametrize("broken", ["os.replace", "os.fsync", "os.chmod"])
def test_a_failing_disk_leaves_the_old_file(saved, broken, monkeypatch):
    old, model = saved.read_bytes(), RTRBM(**SETTINGS).fit(X)

    def fail(*args, **kwargs):
        raise OSError("no space left")

    monkeypatch.setattr(broken, fail)
    with pytest.raises(OSError, match="no space left"):
        model.save(saved)
    only_file(saved, old)


def test_an_array_that_cannot_be_written_leaves_the_old_file(saved):
    old, model = saved.read_bytes(), RTRBM(**SETTINGS).fit(X)
    model._history["gradient_norm"] = [object()]
    with pytest.raises(TypeError):
        model.save(saved)
    only_file(saved, old)


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, SystemExit])
def test_breaking_off_leaves_the_old_file(saved, error):
    old = saved.read_bytes()
    with pytest.raises(error), replacing(saved) as temporary:
        with open(temporary, "wb") as file:
            file.write(b"half of it")
        raise error
    only_file(saved, old)


def test_a_first_file_that_fails_leaves_nothing(path):
    model = RTRBM(**SETTINGS).fit(X)
    model._history["gradient_norm"] = [object()]
    with pytest.raises(TypeError):
        model.save(path)
    assert os.listdir(path.parent) == []


def test_no_folder_no_file(tmp_path):
    model = RTRBM(**SETTINGS).fit(X)
    with pytest.raises(ValueError, match="path"):
        model.save(tmp_path / "absent" / "model.h5")
    assert os.listdir(tmp_path) == []


def test_a_folder_is_no_file(tmp_path):
    model = RTRBM(**SETTINGS).fit(X)
    folder = tmp_path / "folder"
    folder.mkdir()
    with pytest.raises((ValueError, OSError), match="folder"):
        model.save(folder)
    assert os.listdir(tmp_path) == ["folder"] and os.listdir(folder) == []


def test_a_model_that_is_not_fitted_writes_nothing(path):
    with pytest.raises(ValueError, match="not fitted"):
        RTRBM(**SETTINGS).save(path)
    assert not path.exists()


# -------------------------------------------------------------------------------------- wrong files


def refused(path, match="path"):
    """Neither load nor resume takes the file, both name it as what is wrong, and resume changes nothing."""
    content = path.read_bytes()
    with pytest.raises(ValueError, match=match) as caught:
        RTRBM.load(path)
    assert path.name in str(caught.value)
    model = RTRBM(**SETTINGS | dict(n_updates=3))
    before = dict(vars(model))
    with pytest.raises(ValueError, match=path.name):
        model.fit(X, checkpoint=path, resume=True)
    assert vars(model) == before
    assert path.read_bytes() == content


def test_a_complete_file_is_not_refused(saved):
    """Control of all that follow."""
    with pytest.raises(pytest.fail.Exception):
        refused(saved)


@pytest.mark.parametrize("part", [0, 0.01, 0.2, 0.5, 0.8, 0.95, 0.999])
def test_truncated_files_are_refused(saved, part):
    content = saved.read_bytes()
    saved.write_bytes(content[: int(part * len(content))])
    refused(saved)


def test_a_file_without_its_last_byte_is_refused(saved):
    saved.write_bytes(saved.read_bytes()[:-1])
    refused(saved)


@pytest.mark.parametrize("content", [b"W U b_v b_h b_init\n1 2 3\n", b"\x89PNG\r\n\x1a\n" + bytes(5000), bytes(8192)])
def test_other_files_are_refused(path, content):
    path.write_bytes(content)
    refused(path)


def test_pickles_are_refused_unread(path):
    class Trap:
        def __reduce__(self):
            return os.abort, ()

    path.write_bytes(pickle.dumps(Trap()))
    refused(path)


def test_other_hdf5_files_are_refused(path):
    with h5py.File(path, "w") as file:
        file["params/W"] = np.zeros((4, 3))
    refused(path)


class Other(RTRBM):
    """Another class of model."""


def test_models_of_another_class_are_refused(path):
    Other(**SETTINGS).fit(X).save(path)
    refused(path, "Other")
    assert type(Other.load(path)) is Other


def test_a_folder_is_not_loaded(tmp_path):
    with pytest.raises((ValueError, OSError), match=tmp_path.name):
        RTRBM.load(tmp_path)


def test_a_folder_is_no_model_file(tmp_path):
    with pytest.raises(ValueError, match="folder"):
        RTRBM.load(tmp_path)


def test_an_absent_file_is_said_to_be_absent(path):
    with pytest.raises(FileNotFoundError, match=path.name):
        RTRBM.load(path)
    assert not path.exists()


@pytest.mark.parametrize("wrong", [3, None, 1.5, ["model.h5"]])
def test_a_path_of_the_wrong_type_is_refused(wrong):
    with pytest.raises(TypeError):
        RTRBM.load(wrong)
    with pytest.raises(TypeError):
        RTRBM(**SETTINGS).fit(X).save(wrong)


DATASETS = [
    *(f"params/{name}" for name in ("W", "U", "b_v", "b_h", "b_init")),
    "optimizer/n_steps",
    *(f"optimizer/{part}/{name}" for part in ("gradient", "square") for name in ("W", "b_init")),
    *(f"history/{name}" for name in ("reconstruction_error", "gradient_norm", "learning_rate", "n_gibbs")),
]


def test_these_are_the_datasets(saved):
    """Control: a model file holds what is taken away below."""
    with h5py.File(saved, "r") as file:
        assert all(isinstance(file[name], h5py.Dataset) for name in DATASETS)


@pytest.mark.parametrize("name", [*DATASETS, "params", "optimizer", "optimizer/gradient", "history"])
def test_files_with_a_part_missing_are_refused(saved, name):
    altered(saved, lambda file: file.__delitem__(name))
    refused(saved)


@pytest.mark.parametrize("name", ["format", "model", "hyper_parameters", "progress"])
def test_files_with_an_attribute_missing_are_refused(saved, name):
    altered(saved, lambda file: file.attrs.__delitem__(name))
    refused(saved)


@pytest.mark.parametrize(
    "name, value",
    [
        ("format", "rtrbm model, version 999"),
        ("hyper_parameters", "{not json"),
        ("hyper_parameters", "[]"),
        ("hyper_parameters", '{"n_hiden": 3}'),
        ("hyper_parameters", '{"n_hidden": "x"}'),
        ("hyper_parameters", '{"n_hidden": -1}'),
        ("hyper_parameters", '{"n_taps": null}'),
        ("hyper_parameters", '{"dtype": "junk"}'),
        ("hyper_parameters", '{"visible": "junk"}'),
        ("hyper_parameters", '{"n_gibbs": {}}'),
        ("format", np.zeros(3)),
        ("model", np.zeros(3)),
        ("progress", "{}"),
        ("progress", "no json"),
        ("progress", '{"n_updates": 3, "seed": -1}'),
        ("progress", '{"n_updates": 3, "seed": Infinity}'),
        ("progress", '{"n_updates": 3.5, "seed": 0}'),
    ],
)
def test_files_with_other_attributes_are_refused(saved, name, value):
    altered(saved, lambda file: file.attrs.__setitem__(name, value))
    refused(saved)


@pytest.mark.parametrize(
    "name, value",
    [
        ("params/W", np.zeros((3, 4))),
        ("params/U", np.zeros((2, 2))),
        ("params/b_v", np.zeros((4, 1))),
        ("params/b_h", 0.0),
        ("params/b_init", np.bytes_(b"text")),
        ("params/b_v", np.full(4, np.nan, np.float32)),
        ("history", np.zeros(3)),
        ("history/gradient_norm", np.array([b"a", b"b", b"c"])),
        ("optimizer/gradient/W", np.zeros((3, 4))),
        ("optimizer/gradient/W", np.full((4, 3), np.inf, np.float32)),
        ("optimizer/square/W", np.full((4, 3), np.nan, np.float32)),
        ("optimizer/square/W", np.full((4, 3), -1, np.float32)),
        ("optimizer/n_steps", np.int64(-1)),
    ],
)
def test_files_whose_arrays_do_not_fit_together_are_refused(saved, name, value):
    def change(file):
        del file[name]
        file[name] = value

    altered(saved, change)
    refused(saved)


# ------------------------------------------------------------------------------------------- resume


@variants
@pytest.mark.parametrize("data", [X, random_sequences((4, 2, 7, 1, 3))], ids=["array", "list"])
def test_resumed_is_uninterrupted(path, variant, data):
    settings = SETTINGS | variant
    whole = RTRBM(**settings).fit(data)
    stopped(path, settings, data)
    assert RTRBM.load(path).n_updates_ == 5
    resumed = RTRBM(**settings).fit(data, checkpoint=path, resume=True)
    assert state(resumed) == state(whole)
    assert state(RTRBM.load(path)) == state(whole)


def test_the_order_of_stops_does_not_matter(path):
    whole = RTRBM(**SETTINGS).fit(X)
    for at in (3, 4, 9):
        stopped(path, SETTINGS, at=at, every=1, resume=True)
        assert RTRBM.load(path).n_updates_ == at
    assert state(RTRBM(**SETTINGS).fit(X, checkpoint=path, resume=True)) == state(whole)


def test_the_seed_of_the_file_counts_when_none_is_given(path):
    settings = SETTINGS | dict(random_state=None)
    first = stopped(path, settings)
    resumed, whole = RTRBM(**settings), RTRBM(**SETTINGS | dict(random_state=first.seed_))
    resumed.fit(Stopping(resumed, X, at=99), checkpoint=path, resume=True)
    assert state(resumed) == state(whole.fit(Stopping(whole, X, at=99)))


def test_a_loaded_model_resumes_too(path):
    whole = RTRBM(**SETTINGS).fit(X)
    stopped(path, SETTINGS)
    assert state(RTRBM.load(path).fit(X, checkpoint=path, resume=True)) == state(whole)


def test_a_fitted_model_starts_anew_without_resume(path):
    model = RTRBM(**SETTINGS).fit(X)
    assert state(model.fit(X, checkpoint=path)) == state(RTRBM(**SETTINGS).fit(X))


def test_resuming_a_finished_run_changes_nothing(path):
    model = RTRBM(**SETTINGS).fit(X, checkpoint=path)
    assert state(RTRBM(**SETTINGS).fit(X, checkpoint=path, resume=True)) == state(model)


def test_resuming_from_an_absent_file_is_a_fresh_start(path):
    assert state(RTRBM(**SETTINGS).fit(X, checkpoint=path, resume=True)) == state(RTRBM(**SETTINGS).fit(X))
    assert path.exists()


OTHER = dict(
    n_hidden=4, learning_rate=1e-4, n_updates=20, n_gibbs={0: 1, 3: 2}, optimizer="momentum", batch_size=3,
    dtype="float64", bptt=False, dynamic_visible_bias=True, max_norm=1.0, momentum=0.5,
    centering=False, initialization="thesis", random_state=1, visible="gaussian",
)  # fmt: skip


@pytest.mark.parametrize("name", OTHER)
def test_what_can_be_saved_can_be_loaded(path, name):
    """Also after a setting was changed: it is refused by `save`, by name, or the file is a whole model."""
    model = RTRBM(**SETTINGS).fit(X).set_params(**{name: OTHER[name]})
    try:
        model.save(path)
    except ValueError as error:
        assert name in str(error) and not path.exists()
    else:
        assert RTRBM.load(path).get_params() == model.get_params()


@pytest.mark.parametrize("random_state", [-1, 1.5, "0"])
def test_a_bad_random_state_is_refused_on_resuming_too(path, random_state):
    stopped(path, SETTINGS)
    model = RTRBM(**SETTINGS | dict(random_state=random_state))
    with pytest.raises((ValueError, TypeError), match="random_state"):
        model.fit(X, checkpoint=path, resume=True)
    assert not hasattr(model, "params_")


@pytest.mark.parametrize("name", [name for name in OTHER if name != "n_updates"])
def test_resuming_with_another_setting_is_refused(path, name):
    """Once the run is complete; tests/test_watch.py goes on with some of them before that."""
    RTRBM(**SETTINGS).fit(X, checkpoint=path)
    content, model = path.read_bytes(), RTRBM(**SETTINGS | {name: OTHER[name]})
    with pytest.raises(ValueError, match="seed" if name == "random_state" else name):
        model.fit(X, checkpoint=path, resume=True)
    assert not hasattr(model, "params_") and path.read_bytes() == content


@pytest.mark.parametrize(
    "plain, same",
    [
        (dict(dtype="float32"), dict(dtype=np.float32)),
        (dict(dtype="float64"), dict(dtype=float)),
        (dict(dtype="float32"), dict(dtype=np.dtype("float32"))),
        (dict(dtype="single"), dict(dtype="f4")),
        (dict(n_hidden=3), dict(n_hidden=np.int64(3))),
        (dict(n_gibbs=2), dict(n_gibbs=np.int32(2))),
        (dict(n_gibbs={0: 1, 2: 3}), dict(n_gibbs={np.int64(0): np.int64(1), 2: np.int64(3)})),
        (dict(learning_rate=0.25), dict(learning_rate=np.float64(0.25))),
        (dict(learning_rate=0.25), dict(learning_rate=np.float32(0.25))),
        (dict(momentum=0.5), dict(momentum=np.float32(0.5))),
        (dict(max_norm=0.25), dict(max_norm=np.float64(0.25))),
        (dict(random_state=1), dict(random_state=np.int64(1))),
        (dict(n_jobs=1), dict(n_jobs=2)),
        (dict(verbose=0), dict(verbose=1)),
        (dict(visible="bernoulli"), dict(visible=Bernoulli())),
        (dict(visible="gaussian"), dict(visible=Gaussian())),
    ],
    ids=str,
)
def test_the_same_setting_in_another_form_is_the_same_run(path, plain, same):
    whole = RTRBM(**SETTINGS | plain).fit(X)
    assert state(RTRBM(**SETTINGS | same).fit(X)) == state(whole)
    for first, second in ((plain, same), (same, plain), (same, same)):
        path.unlink(missing_ok=True)
        model = stopped(path, SETTINGS | first)
        RTRBM(**SETTINGS | second).fit(Stopping(model, X, at=99), checkpoint=path, resume=True)
        assert RTRBM.load(path).n_updates_ == 12


def without(name, path):
    """Take a setting out of a file."""

    def change(file):
        settings = json.loads(file.attrs["hyper_parameters"])
        del settings[name]
        file.attrs["hyper_parameters"] = json.dumps(settings)

    altered(path, change)


@pytest.mark.parametrize("name", ["n_hidden", "visible", "sample_visible"])
def test_a_file_without_one_of_the_settings_is_refused(saved, name):
    without(name, saved)
    with pytest.raises(ValueError, match=f"path must hold all hyper-parameters of a RTRBM, .*model.h5' lacks {name}: "):
        RTRBM.load(saved)


def test_a_setting_that_an_old_file_does_not_know_has_its_default_there(path):
    """Files of format 1 were written before there was such a setting."""
    path.write_bytes((FORMAT_1 / "rtrbm.h5").read_bytes())
    model = RTRBM.load(path)
    assert model.sample_visible is True
    with pytest.raises(ValueError, match="no update would be made with sample_visible=False"):
        RTRBM(**model.get_params() | dict(sample_visible=False)).check_resume(path)
    RTRBM(**model.get_params()).check_resume(path)


def test_resuming_with_other_data_is_refused_before_anything_changes(path):
    stopped(path, SETTINGS)
    content, model = path.read_bytes(), RTRBM(**SETTINGS)
    with pytest.raises(ValueError, match="X"):
        model.fit(random_array(5, 4, n_visible=6), checkpoint=path, resume=True)
    assert not hasattr(model, "params_") and path.read_bytes() == content


@pytest.mark.parametrize("wrong", ["no", 1, None])
def test_resume_is_a_switch(path, wrong):
    with pytest.raises(ValueError, match="resume"):
        RTRBM(**SETTINGS).fit(X, checkpoint=path, resume=wrong)
    assert not path.exists()


def test_resume_wants_a_file():
    model = RTRBM(**SETTINGS)
    with pytest.raises(ValueError, match="checkpoint"):
        model.fit(X, resume=True)
    assert not hasattr(model, "params_")


class Counting:
    """A stream that counts how often it is asked."""

    def __init__(self):
        self.n = 0

    def minibatch(self, update):
        self.n += 1
        return X


@pytest.mark.parametrize(
    "settings",
    [
        dict(checkpoint=""), dict(checkpoint="new/"), dict(checkpoint="a\0b"), dict(checkpoint="a" * 300),
        dict(checkpoint="absent/model.h5"), dict(checkpoint="."), dict(checkpoint=3), dict(checkpoint=[]),
        dict(checkpoint="model.h5", checkpoint_every=0), dict(checkpoint="model.h5", checkpoint_every=-1),
        dict(checkpoint="model.h5", checkpoint_every=1.5), dict(checkpoint="model.h5", checkpoint_every="10"),
        dict(checkpoint=3, resume=True), dict(checkpoint=".", resume=True),
    ],
    ids=str,
)  # fmt: skip
def test_a_checkpoint_that_cannot_be_written_is_refused_before_training(tmp_path, monkeypatch, settings):
    """Not after the first 500 updates."""
    monkeypatch.chdir(tmp_path)
    model, stream = RTRBM(**SETTINGS), Counting()
    with pytest.raises((ValueError, TypeError), match="checkpoint"):
        model.fit(stream, **settings)
    assert stream.n == 0 and not hasattr(model, "params_") and os.listdir(tmp_path) == []


def test_checkpoints_come_at_their_interval_and_at_the_end(path):
    seen = []

    def watch(model):
        seen.append(RTRBM.load(path).n_updates_ if path.exists() else None)

    RTRBM(**SETTINGS | dict(n_updates=7)).fit(X, checkpoint=path, checkpoint_every=3, callbacks=[watch])
    assert seen == [None, None, None, 3, 3, 3, 6] and RTRBM.load(path).n_updates_ == 7


@pytest.mark.parametrize("number", [Fraction(1, 4), np.longdouble(0.25), np.float16(0.25)])
def test_numbers_of_any_kind_are_kept(path, number):
    RTRBM(**SETTINGS | dict(learning_rate=number, max_norm=number)).fit(X, checkpoint=path)
    assert RTRBM.load(path).learning_rate == RTRBM.load(path).max_norm == 0.25


# ------------------------------------------------------------------------------------------ any class

CLASSES = {
    "RTRBM": lambda **s: RTRBM(3, n_taps=2, dynamic_visible_bias=True, **s),
    "TRBM": lambda **s: TRBM(3, n_taps=2, **s),
    "CRBM": lambda **s: CRBM(3, n_taps=2, **s),
    "RNNRBM": lambda **s: RNNRBM(3, **s),
    "LSTMRBM": lambda **s: LSTMRBM(3, **s),
    "SRTRBM": lambda **s: SRTRBM(3, **s),
    "subclass": lambda **s: Other(3, **s),
}
SHORT = {name: value for name, value in SETTINGS.items() if name != "n_hidden"} | dict(n_updates=3)


@pytest.mark.parametrize("make", CLASSES.values(), ids=CLASSES)
def test_load_finds_the_class(path, make):
    model = make(**SHORT).fit(X)
    model.save(path)
    for place in (path, str(path)):
        loaded = rtrbm.load(place)
        assert type(loaded) is type(model) and state(loaded) == state(model)
        assert loaded.get_params() == model.get_params()
        np.testing.assert_array_equal(loaded.predict(X), model.predict(X))
    assert state(loaded.partial_fit(X)) == state(model.partial_fit(X))


def test_load_finds_a_static_rbm_and_a_stack(path):
    static = RBM(3, **SHORT).fit(X[:, 0])
    static.save(path)
    loaded = rtrbm.load(path)
    assert type(loaded) is RBM and state(loaded) == state(static)
    stack = Stack([TRBM(3, n_taps=2, **SHORT), RTRBM(2, **SHORT)]).fit(X)
    stack.save(path)
    loaded = rtrbm.load(path)
    assert type(loaded) is Stack and [type(layer) for layer in loaded.layers] == [TRBM, RTRBM]
    assert [state(layer) for layer in loaded.layers] == [state(layer) for layer in stack.layers]
    np.testing.assert_array_equal(loaded.predict(X), stack.predict(X))


def test_load_reads_checkpoints(path):
    stopped(path, SETTINGS)
    assert rtrbm.load(path).n_updates_ == 5


def test_a_class_that_is_not_known_is_named(saved):
    altered(saved, lambda file: file.attrs.__setitem__("model", "Yours"))
    with pytest.raises(ValueError, match="path must .*got a Yours.*import"):
        rtrbm.load(saved)
    for name in ("Estimator", "object", "TemporalRBM", "TrainedRBM"):
        altered(saved, lambda file: file.attrs.__setitem__("model", name))
        with pytest.raises(ValueError, match="path must"):
            rtrbm.load(saved)


@pytest.fixture
def forgets():
    """Classes that a test defines are gone after it."""
    yield
    gc.collect()


@pytest.mark.parametrize("parent", [RTRBM, TemporalRBM, TrainedRBM, RBM], ids=lambda kind: kind.__name__)
def test_the_package_class_counts_before_one_of_a_user(path, parent, forgets):
    """A class of the same name, wherever it stands among the subclasses, takes no file of the package's."""
    user = type("RTRBM", (parent,), {"__module__": "users"})
    model = RTRBM(**SETTINGS).fit(X)
    model.save(path)
    loaded = rtrbm.load(path)
    assert type(loaded) is RTRBM is not user and state(loaded) == state(model)
    Stack([model]).save(path)
    assert [type(layer) for layer in rtrbm.load(path).layers] == [RTRBM]
    if parent is RTRBM:  # its own load still gives the user's
        user(**SETTINGS).fit(X).save(path)
        assert type(user.load(path)) is user


def test_of_two_classes_of_a_user_the_later_counts(path, forgets):
    """As in a notebook, where a cell is run again. Control: one alone."""
    for parent in (RTRBM, TRBM):
        first = type("Twice", (parent,), {})
        first(**SETTINGS).fit(X).save(path)
        assert type(rtrbm.load(path)) is first
        second = type("Twice", (parent,), {})
        assert type(rtrbm.load(path)) is second is not first
        del first, second
        gc.collect()


def test_load_refuses_what_is_no_model_file(path, tmp_path):
    with pytest.raises(FileNotFoundError, match=path.name):
        rtrbm.load(path)
    with pytest.raises(ValueError, match="folder"):
        rtrbm.load(tmp_path)
    for wrong in (3, None):
        with pytest.raises(TypeError, match="path"):
            rtrbm.load(wrong)
    for content in (b"", b"W U b_v\n1 2 3\n", bytes(8192)):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=path.name):
            rtrbm.load(path)


# --------------------------------------------------------------------------------- objects as settings

OBJECTS = {
    "Units": dict(visible=Gaussian()),
    "NegativePhase": dict(negative=CD(3)),
    "both": dict(visible=Bernoulli(), negative=CD(2, sample_visible=False)),
    "by name": dict(negative="exact"),
}
objects = pytest.mark.parametrize("own", OBJECTS.values(), ids=OBJECTS)


@objects
def test_units_and_negative_phases_are_kept_and_resumed(path, own):
    settings = SETTINGS | own
    whole = RTRBM(**settings).fit(X)
    stopped(path, settings)
    assert RTRBM.load(path).get_params() == RTRBM(**settings).get_params()
    assert state(RTRBM(**settings).fit(X, checkpoint=path, resume=True)) == state(whole)
    assert state(RTRBM.load(path)) == state(whole)
    twin = pickle.loads(pickle.dumps(whole))
    assert state(twin.partial_fit(X)) == state(whole.partial_fit(X))


def test_resuming_with_another_object_is_refused(path):
    RTRBM(**SETTINGS, negative=CD(2)).fit(X, checkpoint=path)
    for other in (CD(3), CD(2, sample_visible=False), "cd"):
        with pytest.raises(ValueError, match="differ: negative"):
            RTRBM(**SETTINGS, negative=other).fit(X, checkpoint=path, resume=True)


@pytest.mark.parametrize("name", ["visible", "negative"])
def test_a_kind_that_is_not_known_is_named(path, name):
    """Also when a run is resumed: a user's class must be imported before its file is read."""
    own = {"visible": Gaussian(), "negative": CD(2)}
    RTRBM(**SETTINGS, **own).fit(X).save(path)

    def change(file):
        values = json.loads(file.attrs["hyper_parameters"])
        values[name]["kind"] = "yours"
        file.attrs["hyper_parameters"] = json.dumps(values)

    altered(path, change)
    match = f"{path.name}.* there is no kind 'yours' .a class of yours must be imported first"
    model = RTRBM(**SETTINGS, **own)
    for read in (rtrbm.load, RTRBM.load, model.check_resume, lambda path: model.fit(X, checkpoint=path, resume=True)):
        with pytest.raises(ValueError, match=match):
            read(path)
    assert not hasattr(model, "params_")


@settings
class Decaying(RTRBM):
    """A model with a setting of its own that may be anything."""

    decay: Callable | float | None = setting(None, check_anything)


UNKEPT = {
    "function": abs,
    "lambda": lambda x: x,
    "object": object(),
    "dict": {"a": 1},
    "bytes": b"1",
    "in a list": [abs],
}


@pytest.mark.parametrize("decay", UNKEPT.values(), ids=UNKEPT)
def test_a_setting_that_a_file_cannot_keep_is_named_before_training(path, decay):
    """With a checkpoint before any work; else by save, and the model trains and predicts."""
    match = "^decay=.* cannot be kept in a model file"
    model, updates = Decaying(**SETTINGS, decay=decay), []
    with pytest.raises(TypeError, match=match):
        model.fit(X, checkpoint=path, callbacks=[lambda model: updates.append(model.n_updates_)])
    assert not updates and not hasattr(model, "params_") and not path.exists()
    model.fit(X).partial_fit(X)
    before = state(model)
    for write in (lambda: model.save(path), lambda: Stack([model]).save(path), lambda: model.fit(X, checkpoint=path)):
        with pytest.raises(TypeError, match=match):
            write()
        assert state(model) == before and not path.exists()
    assert model.predict(X).shape == X.shape
    twin = RTRBM(**SETTINGS).fit(X).partial_fit(X)
    assert state(twin) == before


@pytest.mark.parametrize("decay", [0.5, None, "slow", True, (1, 2.5), np.float32(0.5), {0: 1, 5: 2}], ids=repr)
def test_a_setting_of_a_subclass_that_a_file_can_keep_is_kept(path, decay):
    """Control of the test above."""
    Decaying(**SETTINGS, decay=decay).fit(X, checkpoint=path)
    assert rtrbm.load(path).decay == decay
    Decaying(**SETTINGS, decay=decay).check_resume(path)
    with pytest.raises(ValueError, match="these differ: decay"):
        Decaying(**SETTINGS, decay=7.5).check_resume(path)


# -------------------------------------------------------------------------------- files of format 1 and 2

OLD = {"rtrbm": RTRBM, "taps": RTRBM, "trbm": TRBM, "crbm": CRBM, "rbm": RBM, "stack": Stack}
old = pytest.mark.parametrize("name, kind", OLD.items())


@pytest.fixture(scope="module")
def expected():
    """What the models of the files did when they were written (data/format1/make.py)."""
    with np.load(FORMAT_1 / "expected.npz") as arrays:
        return dict(arrays)


def close(a, b):
    """Equal but for the rounding of another machine."""
    np.testing.assert_allclose(a, b, rtol=0, atol=1e-9)


def learned(expected, prefix):
    """The arrays of a model of format 1 under the names they have now."""
    found = {name.removeprefix(prefix): a for name, a in expected.items() if name.startswith(prefix)}
    if prefix.startswith("taps"):
        return {"U": found.pop("B")[0], "U_v": found.pop("U_v")[0]} | found
    return found


def compare(model, expected, prefix):
    arrays = {name: a for name, a in model.params_._asdict().items() if a is not None}
    assert arrays.keys() == learned(expected, prefix).keys()
    for name, a in learned(expected, prefix).items():
        close(arrays[name], a)


@old
def test_files_of_format_1_are_read(name, kind, expected):
    model, X = kind.load(FORMAT_1 / f"{name}.h5"), expected["data"]
    X = X[:, 0] if name == "rbm" else X
    layers = {f"{name}/{i}": layer for i, layer in enumerate(model.layers, 1)} if name == "stack" else {name: model}
    for place, layer in layers.items():
        compare(layer, expected, f"{place}/params/")
        assert (layer.n_updates_, layer.seed_, layer.n_features_in_) == (6, 0, len(layer.params_.W))
        assert {len(values) for values in layer.history_.values()} == {6}
    for verb in ("transform", "denoise"):
        close(getattr(model, verb)(X), expected[f"{name}/{verb}"])
    close(model.sample(3, random_state=0, n_gibbs=5), expected[f"{name}/sample"])
    if name == "rbm":
        close(model.score(X), expected["rbm/score"])
    else:  # but for the noise of chains, which had other addresses
        predicted, then = model.predict(X), expected[f"{name}/predict"]
        assert abs(predicted - then).max() < 0.015 < abs(predicted - X).max()
        assert model.score(X) == pytest.approx(float(expected[f"{name}/score"]), rel=0.01)
    assert type(rtrbm.load(FORMAT_1 / f"{name}.h5")) is kind


@old
def test_models_of_format_1_train_on(name, kind, expected):
    """As they would have then: momentum, running squares and random numbers go on."""
    model, X = kind.load(FORMAT_1 / f"{name}.h5"), expected["data"]
    X = X[:, 0] if name == "rbm" else X
    layers = {f"{name}/{i}": layer for i, layer in enumerate(model.layers, 1)} if name == "stack" else {name: model}
    for place, layer in layers.items():
        layer.partial_fit(X)
        assert layer.n_updates_ == 7
        compare(layer, expected, f"{place}/later/")
        with pytest.raises(AssertionError):  # control
            compare(layer, expected, f"{place}/params/")
        X = layer.transform(X)


@old
def test_models_of_format_1_are_saved_in_the_format_of_now(name, kind, path):
    model = kind.load(FORMAT_1 / f"{name}.h5")
    model.save(path)
    assert path.read_bytes().startswith(b"rtrbm model, version 3\n")
    again = rtrbm.load(path)
    pairs = zip(again.layers, model.layers) if name == "stack" else [(again, model)]
    assert all(state(a) == state(b) and a.get_params() == b.get_params() for a, b in pairs)


def test_a_run_of_format_1_is_resumed(path, expected):
    """From update 6 of 6, and it is left alone: the settings are the same."""
    path.write_bytes((FORMAT_1 / "taps.h5").read_bytes())
    model = RTRBM.load(path)
    resumed = RTRBM(**model.get_params()).fit(expected["data"], checkpoint=path, resume=True)
    assert state(resumed) == state(model)
    with pytest.raises(ValueError, match="has made 6 updates, 6 are wanted in all"):
        RTRBM(**model.get_params() | dict(max_norm=2.0)).fit(expected["data"], checkpoint=path, resume=True)


def test_files_of_format_2_are_read():
    """Best parameters, persistent chains, the spectral optimiser's state, scales of features, and a stack."""
    with np.load(FORMAT_2 / "expected.npz") as arrays:
        expected = dict(arrays)
    X, models = expected["data"], {name: rtrbm.load(FORMAT_2 / f"{name}.h5") for name in ("best", "chains", "scaled")}
    for name, model in models.items():
        for field in (key for key in expected if key.startswith(f"{name}/params/")):
            found = model.best_.params if name == "best" else model.params_
            np.testing.assert_array_equal(getattr(found, field.rsplit("/", 1)[-1]), expected[field])
        if name != "best":
            close_to = model.transform(X[:, 0] if name == "chains" else X)
            np.testing.assert_allclose(close_to, expected[f"{name}/transform"], rtol=0, atol=1e-5)
        assert model.n_updates_ == 6 and model.partial_fit(X[:, 0] if name == "chains" else X).n_updates_ == 7
    assert models["best"].history_["validation_update"] == [0, 2, 4, 6]
    stack = rtrbm.load(FORMAT_2 / "stack.h5")
    np.testing.assert_allclose(stack.transform(X), expected["stack/transform"], rtol=0, atol=1e-5)


def test_a_fit_calls_its_file_checkpoint(tmp_path):
    X, path = random_sequences([5, 5], 3), tmp_path / "run.h5"
    RTRBM(2, n_gibbs=1, n_updates=2, random_state=0).fit(X, checkpoint=path)
    with pytest.raises(ValueError, match="^checkpoint must hold a model of class TRBM"):
        TRBM(2, n_gibbs=1, n_updates=4, random_state=0).fit(X, checkpoint=path, resume=True)
    with pytest.raises(ValueError, match="^path must hold a model of class TRBM"):
        TRBM(2, n_gibbs=1, n_updates=4, random_state=0).check_resume(path)


@pytest.mark.parametrize("verb", ["predict", "score", "transform", "denoise", "log_likelihood", "partial_fit"])
def test_another_dtype_after_fitting_is_refused(verb):
    X = random_sequences([5, 5], 3)
    model = RTRBM(2, n_gibbs=1, n_updates=2, random_state=0, dtype="float64").fit(X)
    with pytest.raises(ValueError, match="dtype='float32' was set after fitting in float64: fit again"):
        getattr(model.set_params(dtype="float32"), verb)(X)


def test_arrays_of_another_dtype_are_not_written(tmp_path):
    X, path = random_sequences([5, 5], 3), tmp_path / "model.h5"
    model = RTRBM(2, n_gibbs=1, n_updates=2, random_state=0).fit(X)
    model.predict(X)  # after which a model is known to be whole
    for name in ("W", "b_v"):
        given = model.params_
        model.params_ = given._replace(**{name: getattr(given, name).astype(float)})
        for verb in (lambda: model.save(path), lambda: model.predict(X), lambda: model.partial_fit(X)):
            with pytest.raises(ValueError, match=rf"params_\.{name} must be of float32.* got float64"):
                verb()
        model.params_ = given
    assert not path.exists()
    model.save(path)
    RTRBM.load(path)


def test_a_mask_of_many_weights_is_kept(tmp_path):
    rng = np.random.default_rng(0)
    masks = rng.random((300, 40)) < 0.1, rng.integers(0, 2, (40, 40))
    model = SRTRBM(40, mask=masks, n_updates=1, n_jobs=1).fit(rng.random((2, 3, 300)))
    model.save(tmp_path / "model.h5")
    assert os.path.getsize(tmp_path / "model.h5") < 6 * sum(part.nbytes for part in model.params_ if part is not None)
    loaded = SRTRBM.load(tmp_path / "model.h5")
    for mask, kept in zip(masks, loaded.mask, strict=True):
        np.testing.assert_array_equal(kept, mask != 0)
    X = rng.random((1, 4, 300))
    np.testing.assert_array_equal(loaded.transform(X), model.transform(X))
    loaded.fit(X, checkpoint=tmp_path / "run.h5")


def test_masks_of_earlier_files_are_read():
    """They are lists of rows."""
    read = {field.name: field.metadata["read"] for field in dataclasses.fields(SRTRBM)}["mask"]
    assert read([[[True, False], [False, False]], None]) == (((True, False), (False, False)), None)


def test_what_a_file_has_no_room_for_is_refused_before_any_work(tmp_path, monkeypatch):
    monkeypatch.setattr("rtrbm.estimators.settings.MOST_KEPT", 1000)
    model = SRTRBM(40, mask=(np.ones((300, 40)), None), n_updates=1)
    with pytest.raises(ValueError, match="mask takes 2,0.. bytes in a model file, with room for 1,000"):
        model.fit(np.zeros((2, 3, 300)), checkpoint=tmp_path / "run.h5")
    assert not hasattr(model, "params_") and not (tmp_path / "run.h5").exists()
