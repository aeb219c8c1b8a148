"""Data larger than memory: HDF5 files, lazily indexed collections, iterables, and the thread that reads them ahead."""

import itertools
import os
import signal
import threading
import time

import h5py
import numpy as np
import pytest
from events import Eventful, PowerFailure, eventful, interrupt, power_failure
from helpers import Tensor, random_array, random_sequences, state

from rtrbm import RBM, RTRBM
from rtrbm.minibatches.ahead import PATIENCE, Ahead
from rtrbm.minibatches.sources import InOrder, Lazy, Shuffled
from rtrbm.parameters import arrays
from rtrbm.rbm import Bernoulli
from rtrbm.training.signals import Interruptible

SETTINGS = dict(n_hidden=3, n_gibbs=1, n_updates=12, batch_size=2, random_state=0, n_jobs=1)
X = random_array(5, 4)
RAGGED = random_sequences((4, 2, 7, 1, 3))


@pytest.fixture
def path(tmp_path):
    """A file with the data above."""
    path = tmp_path / "videos.h5"
    with h5py.File(path, "w") as file:
        file["X"] = X
        file["deep/X"] = X
        for i in (3, 0, 4, 1, 2):
            file[f"ragged/walk_{i}"] = RAGGED[i]
    return path


class Indexed:
    """Sequences with a length and an index, and the list of what was read."""

    def __init__(self, sequences):
        self.sequences, self.read = sequences, []

    def __len__(self):
        return len(self.sequences)

    def __getitem__(self, i):
        self.read.append(i)
        return self.sequences[i]


class Iterable:
    """Sequences that can be iterated over again and again, without a length."""

    def __init__(self, sequences):
        self.sequences = sequences

    def __iter__(self):
        return iter(self.sequences)


class Batches:
    """The minibatches of an endless list, in its order."""

    def __init__(self, sequences, batch_size=2):
        self.sequences, self.batch_size = sequences, batch_size

    def minibatch(self, update):
        n = len(self.sequences)
        return [self.sequences[i % n] for i in range(update * self.batch_size, (update + 1) * self.batch_size)]


def generator(n, sequences=X):
    return itertools.islice(itertools.cycle(sequences), n)


# ---------------------------------------------------------------------------- the same run as in memory


@pytest.mark.parametrize(
    "settings",
    [{}, dict(batch_size=5), dict(batch_size=13), dict(initialization="thesis"), dict(dtype="float64")],
    ids=str,
)
@pytest.mark.parametrize("storage", [{}, dict(chunks=(2, 3, 4), compression="gzip"), dict(dtype="f4")], ids=str)
def test_a_dataset_gives_the_parameters_of_its_array(tmp_path, settings, storage):
    settings = SETTINGS | settings
    with h5py.File(tmp_path / "videos.h5", "w") as file:
        dataset = file.create_dataset("X", data=X, **storage)
        whole = RTRBM(**settings).fit(dataset[:])
        assert state(RTRBM(**settings).fit(dataset)) == state(whole)
    assert state(RTRBM(**settings).fit((tmp_path / "videos.h5", "X"))) == state(whole)
    assert state(RTRBM(**settings | dict(random_state=1)).fit(X)) != state(whole)  # the order matters


@pytest.mark.parametrize("dtype", [bool, "u1", "i8", "f2", ">f8"])
def test_binary_datasets_of_any_dtype(tmp_path, dtype):
    binary = np.round(X)
    with h5py.File(tmp_path / "videos.h5", "w") as file:
        dataset = file.create_dataset("X", data=binary.astype(dtype))
        assert state(RTRBM(**SETTINGS).fit(dataset)) == state(RTRBM(**SETTINGS).fit(binary))


@pytest.mark.parametrize("form", [str, os.fspath, lambda path: path], ids=["str", "fspath", "Path"])
@pytest.mark.parametrize("name", ["X", "deep/X", "/X"])
def test_a_path_and_a_name_will_do(path, form, name):
    assert state(RTRBM(**SETTINGS).fit((form(path), name))) == state(RTRBM(**SETTINGS).fit(X))


def test_a_group_is_a_list_in_the_order_of_its_names(path):
    whole = RTRBM(**SETTINGS).fit(RAGGED)
    assert state(RTRBM(**SETTINGS).fit((path, "ragged"))) == state(whole)
    with h5py.File(path, "r", track_order=True) as file:
        assert state(RTRBM(**SETTINGS).fit(file["ragged"])) == state(whole)
    assert state(RTRBM(**SETTINGS).fit(RAGGED[::-1])) != state(whole)


def test_a_file_with_nothing_but_sequences_is_a_group(tmp_path):
    with h5py.File(tmp_path / "walks.h5", "w") as file:
        for i, sequence in enumerate(RAGGED):
            file[f"{i}"] = sequence
        assert state(RTRBM(**SETTINGS).fit(file)) == state(RTRBM(**SETTINGS).fit(RAGGED))


class Small(Bernoulli):
    """Units that check no more than two sequences at once."""

    name = "bernoulli"

    def check(self, v, name, missing=None):
        assert v.ndim == 2 or len(v) <= 2
        super().check(v, name, missing)


def test_memory_mapped_arrays_are_read_lazily(tmp_path):
    np.save(tmp_path / "X.npy", X)
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    whole = RTRBM(**SETTINGS).fit(X)
    assert state(RTRBM(**SETTINGS, visible=Small()).fit(mapped)) == state(whole)
    with pytest.raises(AssertionError):  # control
        RTRBM(**SETTINGS, visible=Small()).fit(X)
    content = (tmp_path / "X.npy").read_bytes()
    refuses(ValueError, "checkpoint must be another file", mapped, checkpoint=tmp_path / "X.npy")
    assert (tmp_path / "X.npy").read_bytes() == content
    refuses(ValueError, "X must have 3 dimensions", mapped[0])


@pytest.mark.parametrize("sequences", [X, RAGGED], ids=["one length", "ragged"])
def test_indexed_data_give_the_parameters_of_their_list(sequences):
    assert state(RTRBM(**SETTINGS).fit(Indexed(sequences))) == state(RTRBM(**SETTINGS).fit(list(sequences)))


def test_rows_of_a_static_rbm(tmp_path):
    rows = X.reshape(-1, 4)
    settings = SETTINGS | dict(batch_size=7)
    whole = state_of_rbm(RBM(**settings).fit(rows))
    with h5py.File(tmp_path / "rows.h5", "w") as file:
        file["rows"] = rows
    assert state_of_rbm(RBM(**settings).fit((tmp_path / "rows.h5", "rows"))) == whole
    assert state_of_rbm(RBM(**settings).fit(Indexed(rows))) == whole
    in_order = state_of_rbm(RBM(**settings).fit(Iterable(rows)))
    assert in_order == state_of_rbm(RBM(**settings).fit(generator(12 * 7, rows))) != whole


def state_of_rbm(model):
    return b"".join(p.tobytes() for p in arrays(model.params_)), model.n_updates_, model.history_["gradient_norm"]


# ------------------------------------------------------------------------------------------- shuffling


@pytest.mark.parametrize("n, batch_size", [(10, 5), (10, 3), (7, 1), (5, 10), (1, 4)])
def test_every_sequence_is_read_once_an_epoch(n, batch_size):
    indexed = Indexed([np.full((1, 1), i) for i in range(n)])
    lazy = Lazy(indexed, range(n), lambda sequence, name: sequence)
    shuffled, expected = Shuffled(lazy, batch_size, seed=3), Shuffled(indexed.sequences, batch_size, seed=3)
    drawn, n_epochs = [], 3
    for update in range(n_epochs * -(-n // batch_size)):
        indexed.read.clear()
        batch = [int(v[0, 0]) for v in shuffled.minibatch(update)]
        assert batch == [int(v[0, 0]) for v in expected.minibatch(update)]
        assert indexed.read == sorted(set(batch)) and len(set(batch)) == len(batch)  # forwards, and none twice
        drawn += batch
    epochs = np.reshape(drawn, (n_epochs, n))
    np.testing.assert_array_equal(np.sort(epochs), np.tile(np.arange(n), (n_epochs, 1)))


def test_only_what_is_wanted_is_read():
    indexed = Indexed(random_array(50, 4))
    RTRBM(**SETTINGS | dict(n_updates=3)).fit(indexed)
    assert len(set(indexed.read)) == 6 and all(type(i) is int for i in indexed.read)


# ------------------------------------------------------------------------------------------- iterables

ITERABLES = {
    "iterable": lambda: Iterable(X),
    "generator": lambda: (v for v in generator(24)),
    "iterator": lambda: generator(24),
    "endless": lambda: itertools.cycle(X),
}
iterables = pytest.mark.parametrize("iterable", ITERABLES.values(), ids=ITERABLES)


@iterables
def test_iterables_are_read_in_their_order(iterable):
    expected = RTRBM(**SETTINGS).fit(Batches(X))
    assert state(RTRBM(**SETTINGS).fit(iterable())) == state(expected) != state(RTRBM(**SETTINGS).fit(X))


def test_no_more_is_taken_than_is_used():
    taken = itertools.count()
    data = (X[next(taken) % 5] for _ in range(99))
    RTRBM(**SETTINGS).fit(data)
    assert next(taken) == 24


@pytest.mark.parametrize("kind, stream", [(Iterable, Batches(X)), (itertools.cycle, Batches(X)), (Indexed, X)])
def test_thesis_initialization_reads_the_first_minibatches_twice(kind, stream):
    settings = SETTINGS | dict(initialization="thesis")
    assert state(RTRBM(**settings).fit(kind(X))) == state(RTRBM(**settings).fit(stream))
    refuses(ValueError, "X must .*24 sequences .*thesis.*ended after 30", iter(generator(30)), RTRBM(**settings))


@iterables
def test_a_resumed_run_skips_what_was_used(tmp_path, iterable):
    path, whole = tmp_path / "model.h5", RTRBM(**SETTINGS).fit(iterable())
    model = eventful(interrupt, at=6, **SETTINGS)
    with pytest.raises(KeyboardInterrupt):
        model.fit(iterable(), checkpoint=path)
    assert model.n_updates_ == 7
    resumed = RTRBM(**SETTINGS, visible=Bernoulli()).fit(iterable(), checkpoint=path, resume=True)
    assert state(resumed) == state(whole)


@pytest.mark.parametrize("data", ["X", "ragged"])
def test_a_resumed_run_reads_the_file_as_the_first_would_have(tmp_path, path, data):
    checkpoint, whole = tmp_path / "model.h5", RTRBM(**SETTINGS).fit((path, data))
    model = eventful(power_failure, at=7, **SETTINGS)
    with pytest.raises(PowerFailure):
        model.fit((path, data), checkpoint=checkpoint, checkpoint_every=5)
    assert RTRBM.load(checkpoint).n_updates_ == 5
    resumed = RTRBM(**SETTINGS, visible=Bernoulli()).fit((path, data), checkpoint=checkpoint, resume=True)
    assert state(resumed) == state(whole)


def test_an_iterator_that_ends_early_says_so_and_loses_nothing(tmp_path):
    path, model = tmp_path / "model.h5", RTRBM(**SETTINGS)
    with pytest.raises(ValueError, match=r"X must give n_updates x batch_size = 24 .*islice ended after 11"):
        model.fit(generator(11), checkpoint=path)
    assert model.n_updates_ == RTRBM.load(path).n_updates_ == 5
    resumed = RTRBM(**SETTINGS).fit(generator(24), checkpoint=path, resume=True)
    assert state(resumed) == state(RTRBM(**SETTINGS).fit(generator(24)))


@pytest.mark.parametrize("n", [0, 1])
def test_an_iterable_without_a_first_minibatch_changes_nothing(tmp_path, n):
    model = RTRBM(**SETTINGS)
    before = dict(vars(model))
    with pytest.raises(ValueError, match=f"X must give .* 24 .* ended after {n}"):
        model.fit(generator(n), checkpoint=tmp_path / "model.h5")
    assert vars(model) == before and os.listdir(tmp_path) == []
    with pytest.raises(ValueError, match="X must give .* ended after 0"):
        model.fit(Iterable([]))


def test_an_iterable_shorter_than_a_minibatch_is_started_again():
    settings = SETTINGS | dict(batch_size=13)
    assert state(RTRBM(**settings).fit(Iterable(X))) == state(RTRBM(**settings).fit(Batches(X, 13)))


def test_minibatches_of_iterables_are_addressed():
    def read(sequence, name):
        assert name == f"X[{sequence}]"
        return sequence

    data, ahead, skipping = (InOrder(iter(range(100)), 3, 10, read) for _ in range(3))
    for source, looks, updates in (
        (data, (0, 0), (0, 1, 2, 3, 4)),
        (ahead, (0, 0, 1, 2), (0, 1, 2, 3, 4)),
        (skipping, (0, 0), (0, 1, 4, 5, 9)),
        (InOrder(iter(range(100)), 3, 10, read), (0,), (7, 8)),
        (InOrder(iter(range(100)), 3, 10, read), (), (7, 8)),
    ):
        for update in looks:
            assert source.look(update) == list(range(3 * update, 3 * update + 3))
        for update in updates:
            assert source.minibatch(update) == list(range(3 * update, 3 * update + 3))


def test_views_of_dictionaries_are_shuffled_as_before():
    values = dict(enumerate(X)).values()
    assert state(RTRBM(**SETTINGS).fit(values)) == state(RTRBM(**SETTINGS).fit(X))


# ------------------------------------------------------------------------------------------- bad input


def refuses(error, match, data, model=None, **kwargs):
    """An error before any work: the model is as it was."""
    model = RTRBM(**SETTINGS) if model is None else model
    before = dict(vars(model))
    with pytest.raises(error, match=match):
        model.fit(data, **kwargs)
    assert vars(model) == before


BAD_DATASETS = {
    "2-D": (X[0], ValueError, r"X must have 3 dimensions \(n_sequences, n_frames, n_visible\), got shape \(4, 4\)"),
    "4-D": (X[None], ValueError, "X must have 3 dimensions"),
    "scalar": (0.5, ValueError, "X must have 3 dimensions"),
    "null": (h5py.Empty("f4"), ValueError, "X must have 3 dimensions"),
    "text": (np.full((2, 3, 4), b"a"), TypeError, "X must hold real numbers"),
    "complex": (X.astype(complex), TypeError, "X must hold real numbers"),
    "compound": (np.zeros((2, 3, 4), [("a", "f4")]), TypeError, "X must hold real numbers"),
    "no sequences": (X[:0], ValueError, "X must not be empty"),
    "no frames": (X[:, :0], ValueError, "X must not be empty"),
    "no features": (X[:, :, :0], ValueError, "X must not be empty"),
}
BAD_GROUPS = {
    "empty": ({}, ValueError, "X must hold at least one sequence"),
    "3-D": ({"a": X}, ValueError, r"X\['a'\] must have 2 dimensions \(n_frames, n_visible\)"),
    "text": ({"a": X[0], "b": np.full((3, 4), b"a")}, TypeError, r"X\['b'\] must hold real numbers"),
    "no frames": ({"a": X[0], "b": X[0, :0]}, ValueError, r"X\['b'\] must not be empty"),
    "features": ({"a": X[0], "b": X[0, :, :3]}, ValueError, r"X\['b'\] must have 4 features, got 3"),
    "group": ({"a": X[0], "b/c": X[0]}, TypeError, r"X must be .* group .*X\['b'\]"),
}


@pytest.mark.parametrize("data, error, match", BAD_DATASETS.values(), ids=BAD_DATASETS)
def test_bad_datasets_are_refused(tmp_path, data, error, match):
    with h5py.File(tmp_path / "bad.h5", "w") as file:
        file["X"] = data
        refuses(error, match, file["X"])
    refuses(error, match, (tmp_path / "bad.h5", "X"), checkpoint=tmp_path / "model.h5")
    assert os.listdir(tmp_path) == ["bad.h5"]


@pytest.mark.parametrize("members, error, match", BAD_GROUPS.values(), ids=BAD_GROUPS)
def test_bad_groups_are_refused(tmp_path, members, error, match):
    with h5py.File(tmp_path / "bad.h5", "w") as file:
        group = file.create_group("X")
        for name, data in members.items():
            group[name] = data
        refuses(error, match, group)
    refuses(error, match, (tmp_path / "bad.h5", "X"))


def test_good_datasets_are_not_refused(path):
    """Control of all these."""
    with pytest.raises(pytest.fail.Exception):
        refuses(ValueError, "X", (path, "X"))


def test_files_that_are_not_complete_are_refused(path, tmp_path):
    content = path.read_bytes()
    for part in (0.01, 0.5, 0.999):
        path.write_bytes(content[: int(part * len(content))])
        refuses(ValueError, r"X must be in a complete HDF5 file, .*videos\.h5", (path, "X"))
    path.write_bytes(b"")
    refuses(ValueError, r"videos\.h5' is empty", (path, "X"))
    path.write_bytes(b"0 1 0 1\n" * 1000)
    refuses(ValueError, r"videos\.h5' is named \.h5 but is text by its first bytes", (path, "X"))
    refuses(IsADirectoryError, "X must be a file, .* is a folder", (tmp_path, "X"))


def test_a_chunk_that_cannot_be_read_is_named(tmp_path):
    path, model = tmp_path / "videos.h5", RTRBM(**SETTINGS | dict(batch_size=5))
    with h5py.File(path, "w") as file:
        dataset = file.create_dataset("X", data=X, chunks=(1, 4, 4), fletcher32=True)
        broken = dataset.id.get_chunk_info(3).byte_offset
    with open(path, "r+b") as file:
        file.seek(broken)
        file.write(b"garbage")
    refuses(ValueError, r"X\[3\] cannot be read from .*videos\.h5", (path, "X"), model)


def test_absent_files_and_names(path, tmp_path):
    refuses(FileNotFoundError, "X.*absent", (tmp_path / "absent.h5", "X"))
    refuses(ValueError, r"X must name .*videos\.h5.*got 'Y'.*'X', 'deep'.*'deep/X'", (path, "Y"))
    refuses(ValueError, "X must name", (path, ""))
    refuses(TypeError, "X must be .*name", (path, 3))
    refuses(TypeError, r"X must say which dataset", str(path))
    refuses(TypeError, r"X must say which dataset", path)
    with h5py.File(tmp_path / "many.h5", "w") as file:
        for i in range(1000):
            file[f"{i}"] = X[0]
    with pytest.raises(ValueError, match=r"got 'X'.*, \.\.\.") as caught:
        RTRBM(**SETTINGS).fit((tmp_path / "many.h5", "X"))
    assert len(str(caught.value)) < 500


def test_closed_files_are_refused(path):
    with h5py.File(path, "r") as file:
        closed = file["X"], file["ragged"], file
    for data in closed:
        refuses(ValueError, "X must be an open HDF5 dataset", data)


def test_a_group_is_not_rows(path):
    refuses(TypeError, r"X must be a dataset \(n_samples, n_visible\)", (path, "ragged"), RBM(**SETTINGS))
    refuses(ValueError, r"X must have 2 dimensions \(n_samples, n_visible\)", (path, "X"), RBM(**SETTINGS))


@pytest.mark.parametrize("value", [np.nan, np.inf, 1.01, -0.01, 255])
@pytest.mark.parametrize("place", range(5))
def test_bad_values_are_named_by_their_sequence(tmp_path, value, place):
    bad = X.copy()
    bad[place, 2, 1] = value
    match = rf"X\[{place}\] must (be finite|lie in \[0, 1\])"
    with h5py.File(tmp_path / "bad.h5", "w") as file:
        file["X"] = bad
    for data in ((tmp_path / "bad.h5", "X"), Indexed(bad), Iterable(bad), iter(bad)):
        with pytest.raises(ValueError, match=match):
            RTRBM(**SETTINGS).fit(data)
    with pytest.raises(ValueError, match=rf"X\[{4 * place + 2}\]"):
        RBM(**SETTINGS | dict(batch_size=7)).fit(Indexed(bad.reshape(-1, 4)))


def test_pixels_to_255_are_not_rescaled(tmp_path):
    with h5py.File(tmp_path / "bytes.h5", "w") as file:
        file["X"] = (255 * X).astype("u1")
        refuses(ValueError, r"X\[\d\] must lie in \[0, 1\]", file["X"])
        with pytest.warns(UserWarning, match="X is not standardised"):
            RTRBM(**SETTINGS | dict(visible="gaussian", learning_rate=1e-6)).fit(file["X"])


BAD_SEQUENCES = {
    "features": (X[3, :, :3], ValueError, "must have 4 features, got 3"),
    "no frames": (X[3, :0], ValueError, "at least one frame"),
    "1-D": (X[3, 0], ValueError, r"2 dimensions \(n_frames, n_visible\)"),
    "pair": ((X[3], 1), TypeError, "got a tuple of 2"),
    "text": ("video", TypeError, "real numbers"),
    "None": (None, TypeError, "real numbers"),
}


@pytest.mark.parametrize("kind", [Indexed, Iterable, iter])
@pytest.mark.parametrize("sequence, error, match", BAD_SEQUENCES.values(), ids=BAD_SEQUENCES)
def test_bad_sequences_are_named(tmp_path, kind, sequence, error, match):
    data = [*X[:3], sequence, X[4]]
    path, model = tmp_path / "model.h5", RTRBM(**SETTINGS)
    with pytest.raises(error, match=rf"X\[3\].*{match}"):
        model.fit(kind(data), checkpoint=path)
    if hasattr(model, "params_"):  # what was learnt before is kept
        assert state(RTRBM.load(path)) == state(model)


def test_other_objects_are_refused():
    refuses(ValueError, "X must hold at least one sequence", Indexed([]))
    refuses(ValueError, r"X\[0\] must have 2 dimensions", range(5, 6))
    for data in (None, 3, object(), {"a": X[0]}, b"video"):
        refuses((TypeError, ValueError), "X", data)
    refuses(ValueError, r"X\[0\] must have 1 dimension \(n_visible\)", Iterable(X), RBM(**SETTINGS))


def test_resuming_with_other_features_is_refused(tmp_path, path):
    checkpoint = tmp_path / "model.h5"
    RTRBM(**SETTINGS).fit(X[:, :, :3], checkpoint=checkpoint)
    content = checkpoint.read_bytes()
    for data in ((path, "X"), (path, "ragged"), Indexed(X), iter(X)):
        refuses(ValueError, "X.* must have 3 features, got 4", data, checkpoint=checkpoint, resume=True)
    assert checkpoint.read_bytes() == content


@pytest.mark.parametrize("verb", ["transform", "predict", "score", "log_likelihood", "gradient", "partial_fit"])
def test_other_verbs_want_arrays(path, verb):
    model = RTRBM(**SETTINGS).fit(X)
    with h5py.File(path, "r") as file:
        for data in ((path, "X"), path, str(path), file, generator(5)):
            with pytest.raises(TypeError, match="X"):
                getattr(model, verb)(data)


# --------------------------------------------------------------------------------------- the user's file


def is_closed(path):
    """HDF5 opens no file for writing that is open for reading."""
    try:
        h5py.File(path, "a").close()
    except OSError:
        return False
    return True


def test_the_file_is_only_read_and_closed(path):
    path.chmod(0o444)
    before = path.read_bytes(), os.stat(path).st_mtime_ns
    RTRBM(**SETTINGS).fit((path, "X"))
    assert (path.read_bytes(), os.stat(path).st_mtime_ns) == before
    path.chmod(0o644)
    assert is_closed(path)
    with h5py.File(path, "r") as file:
        RTRBM(**SETTINGS).fit(file["X"])
        assert file["X"] and not is_closed(path)  # control; and what the user opened stays open


@pytest.mark.parametrize("error", [KeyboardInterrupt, FloatingPointError, MemoryError])
def test_the_file_is_closed_after_errors(path, error):
    def fail():
        assert not is_closed(path)  # control
        raise error

    with pytest.raises(error):
        eventful(fail, **SETTINGS).fit((path, "X"))
    assert is_closed(path)
    refuses(ValueError, "X must have 3 dimensions", (path, "ragged/walk_0"))
    refuses(ValueError, "X must name", (path, "Y"))
    assert is_closed(path)


def test_a_checkpoint_cannot_replace_the_data(path, tmp_path, monkeypatch):
    content = path.read_bytes()
    monkeypatch.chdir(tmp_path)
    with h5py.File(path, "r") as file:
        for data in (file["X"], file["ragged"], (path, "X"), ("videos.h5", "X")):
            refuses(ValueError, "checkpoint must be another file", data, checkpoint="videos.h5")
        for items in ([file["X"][0], file["X"]], (file["ragged/walk_0"], file["ragged/walk_1"])):
            refuses(ValueError, "checkpoint must be another file", items, checkpoint="videos.h5")
    assert path.read_bytes() == content


@pytest.mark.parametrize("dtype", [np.uint8, np.int8])
def test_small_integers_do_not_overflow(dtype):
    X = random_array(5, 4)
    settings = dict(n_hidden=2, n_gibbs=1, n_updates=40, random_state=0)
    model = RTRBM(**settings, batch_size=dtype(8)).fit(X)
    np.testing.assert_array_equal(model.params_.W, RTRBM(**settings, batch_size=8).fit(X).params_.W)


# --------------------------------------------------------------------------------- the thread that reads


class Stream:
    """Sequences of one update after the other; `before(update)` is called first."""

    def __init__(self, before=lambda update: None):
        self.before = before

    def minibatch(self, update):
        self.before(update)
        return random_array(2, 4, seed=1000 + update)


def test_the_next_minibatch_is_made_during_an_update():
    """Each update waits until the next minibatch is being made: without the thread that would never be."""
    made = [threading.Event() for _ in range(SETTINGS["n_updates"] + 1)]
    made[-1].set()

    def wait():
        if getattr(model, "n_updates_", 12) < SETTINGS["n_updates"]:  # in an update
            assert made[model.n_updates_ + 1].wait(timeout=20)

    model = RTRBM(**SETTINGS, visible=Eventful(wait))
    model.fit(Stream(lambda update: made[update].set()))
    assert state(model) == state(RTRBM(**SETTINGS).fit(Stream()))


def test_no_more_than_one_minibatch_is_made_ahead_and_none_beside_another():
    model, ahead, busy = RTRBM(**SETTINGS), [], threading.Lock()

    def before(update):
        assert busy.acquire(blocking=False)
        ahead.append(update - getattr(model, "n_updates_", update))
        busy.release()

    model.fit(Stream(before))
    assert set(ahead) <= {0, 1} and len(ahead) >= SETTINGS["n_updates"]


def test_minibatches_ahead_are_the_minibatches():
    asked = []
    with Interruptible(False) as interrupt, Ahead(lambda update: asked.append(update) or update, 9, interrupt) as ahead:
        assert [ahead.minibatch(update) for update in range(4, 9)] == list(range(4, 9))
    assert asked == list(range(4, 9))


def test_ctrl_c_does_not_wait_for_data_that_do_not_come(tmp_path):
    path, arrived = tmp_path / "model.h5", threading.Event()

    def never(update):
        if update == 3:
            threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()
            assert arrived.wait(timeout=60)

    with pytest.raises(KeyboardInterrupt):
        RTRBM(**SETTINGS).fit(Stream(never), checkpoint=path)
    assert not arrived.is_set()
    arrived.set()
    assert RTRBM.load(path).n_updates_ == 3
    for thread in threading.enumerate():
        if thread.name.startswith("rtrbm-minibatches"):  # it was given up, and ends now
            thread.join(timeout=60)


def test_a_signal_whose_handler_outlasts_the_wait_is_noticed():
    interrupt, arrived = Interruptible(False), threading.Event()

    def handle(number, frame):
        time.sleep(2 * PATIENCE)
        interrupt.requested = number

    previous = signal.signal(signal.SIGINT, handle)
    try:
        with Ahead(lambda update: arrived.wait(timeout=20), 1, interrupt) as ahead:
            threading.Timer(PATIENCE / 2, os.kill, (os.getpid(), signal.SIGINT)).start()
            assert ahead.minibatch(0) is None and not arrived.is_set()
            arrived.set()
    finally:
        signal.signal(signal.SIGINT, previous)


@pytest.mark.parametrize("error", [OSError, StopIteration, KeyError, MemoryError, KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("at", [0, 1, 7, 11])
def test_errors_while_reading_name_the_data_and_end_the_thread(error, at):
    dressed = ValueError if issubclass(error, Exception) and error is not MemoryError else error

    def fail(update):
        if update == at:
            raise error("no more")

    before, model = threading.active_count(), RTRBM(**SETTINGS)
    with pytest.raises(dressed, match="no more") as caught:
        model.fit(Stream(fail))
    if dressed is not error:
        assert f"X.minibatch({at})" in str(caught.value) and isinstance(caught.value.__cause__, error)
    assert threading.active_count() == before
    assert getattr(model, "n_updates_", 0) == at


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])
def test_errors_of_an_update_end_the_thread(error):
    before = threading.active_count()

    def fail():
        assert threading.active_count() == before + 1  # control
        raise error

    with pytest.raises(error):
        eventful(fail, **SETTINGS).fit(list(X))
    assert threading.active_count() == before


def test_no_thread_is_left():
    before = threading.active_count()
    RTRBM(**SETTINGS).fit(X)
    assert threading.active_count() == before


@pytest.mark.parametrize("kind", [np.asarray, Tensor])
@pytest.mark.parametrize("shape", [(1, 4, 4), (2, 1, 4), (2, 4, 4)])
def test_a_stream_may_use_its_array_again(shape, kind):
    class Same(Stream):
        def __init__(self, buffer):
            self.buffer = buffer

        def minibatch(self, update):
            fresh = random_array(*shape, seed=update).astype(np.float32)
            if self.buffer is None:
                return fresh
            self.buffer[:] = fresh
            return kind(self.buffer)

    expected = state(RTRBM(**SETTINGS).fit(Same(None)))
    assert state(RTRBM(**SETTINGS).fit(Same(np.empty(shape, np.float32)))) == expected


@pytest.mark.parametrize("kind", [lambda sequences: sequences, Iterable])
def test_an_iterable_may_use_its_array_again(kind):
    def same():
        buffer = np.empty((4, 4), np.float32)
        for sequence in generator(24):
            buffer[:] = sequence
            yield buffer

    assert state(RTRBM(**SETTINGS).fit(kind(same()))) == state(RTRBM(**SETTINGS).fit(generator(24)))


def test_recordings_larger_than_memory(tmp_path):
    """Of windows no more is read than they hold; whole recordings are an error that names them."""
    with h5py.File(tmp_path / "large.h5", "w") as file:  # which takes no room as long as nothing is written
        file.create_dataset("X", (2, 10**5, 10**6), "f4", chunks=(1, 1, 10**6))
    settings = {"n_updates": 1, "n_gibbs": 1, "batch_size": 2, "random_state": 0, "visible": "bernoulli"}
    RTRBM(2, **settings).fit(tmp_path / "large.h5", window=5)
    with pytest.raises(MemoryError, match=r"X\[\d\] is larger than memory from '.*large.h5' .*window="):
        RTRBM(2, **settings).fit(tmp_path / "large.h5")
