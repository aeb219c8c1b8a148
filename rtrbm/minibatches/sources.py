"""Where minibatches come from: data in memory, data read from a disk as they are wanted, iterables.

A source is an object whose ``minibatch(update)`` returns the data of that update. Data with a length and an order of
their own are shuffled (`Shuffled`), whether they lie in memory or are read one sequence at a time (`Lazy`); an iterable
keeps its order (`InOrder`). `rtrbm.datasets.BouncingBalls` is a source too.
"""

import itertools
import os
from collections.abc import Mapping, ValuesView
from functools import partial

import h5py
import numpy as np

from .. import foreign, hdf5, user_data
from ..streams import stream
from .fingerprint import spread
from .windows import Windows

WHOLE = None  # the key of a sequence that is all of X
N_SAMPLED = 16  # sequences that are looked at
PART, N_FRAMES = 64, 2**16  # sequences that are read together, and their frames, but for a longer sequence
AT_HAND = 2**18  # bytes of a minibatch that is made in less time than it takes to wake a thread


def check_apart(checkpoint, X):
    """Raise a ValueError if a checkpoint would replace a file that the data X are read from."""
    if not os.path.exists(checkpoint):
        return
    for part in X if isinstance(X, list | tuple) else [X]:
        path = None
        if is_on_disk(part) or isinstance(part, hdf5.Cells):
            is_open = not isinstance(part, h5py.HLObject) or part
            path = part.filename if isinstance(part, np.memmap) else part.file.filename if is_open else None
        if path is not None and os.path.exists(path) and os.path.samefile(checkpoint, path):
            raise ValueError(f"checkpoint must be another file than that of X, got {os.fspath(checkpoint)!r}")


def data(X, axes, check, check_one, batch_size, n_updates, cut=False):
    """Sequences that can be counted and indexed, or a source of minibatches.

    Those in memory stay as they are, their values checked: an update casts the sequences of its minibatch.

    Parameters
    ----------
    X : whatever `fit` takes, opened (`rtrbm.minibatches.paths.opened`)
    axes : tuple of str
        Names of the dimensions wanted, the first that of the sequences.
    check : callable (X) -> ndarray or list of ndarrays
        The check of data in memory, or of a part of them.
    check_one : callable (sequence, n_features, name) -> ndarray
        The check of one sequence, with the number of features of the first one, or None.
    batch_size, n_updates : int
        Of an iterable.
    cut : bool
        Whether windows are wanted: an array of frames is one recording then.
    """
    n_features = columns = None

    def read(sequence, name):
        nonlocal n_features, columns
        user_data.check_unpaired(sequence, name)
        columns = user_data.check_columns(sequence, name, columns)
        frames = check_one(sequence, n_features, name)
        n_features = frames.shape[-1]
        return frames.copy()  # the owner may put the next sequence into the same array

    if hasattr(X, "minibatch"):
        return Stream(X)
    if is_on_disk(X):
        X = hdf5.view(X) if isinstance(X, h5py.HLObject) and X else X
        return Lazy(X, keys_on_disk(X, axes, cut), read)
    if is_indexed(X):
        with foreign.dressed("X"):
            keys = range(len(X))
        return Lazy(X, keys, read)
    if is_iterable(X):
        return InOrder(X, batch_size, n_updates, read)
    return _held(X, axes, check, check_one)


def _held(X, axes, check, check_one):
    """Data in memory as an array of their own dtype or a list of these, once their values are checked."""
    if len(axes) == 3:
        X = user_data.as_given(X)
    else:
        user_data.check_list_of_rows(X, "X")
    if not isinstance(X, list) or len(axes) < 3:
        return _array(X, "X", len(axes), check)
    user_data.check_widths(X)
    arrays = []
    for i, sequence in enumerate(X):
        n_features = arrays[0].shape[1] if arrays else None
        one = partial(check_one, n_features=n_features, name=f"X[{i}]")
        arrays.append(_array(sequence, f"X[{i}]", 2, one))
    return arrays


def _array(X, name, n_dimensions, check):
    """One array, cast and checked a part at a time; the message about a wrong value is that of the whole."""
    if foreign.is_table(X):  # the message names its columns
        check(X)
    X = foreign.Sparse(X) if foreign.is_sparse(X) and len(X.shape) == 2 else foreign.numbers(X, name)
    if X.ndim != n_dimensions or 0 in X.shape:
        check(X)
    for part in user_data.pieces(X):
        try:
            check(part)
        except ValueError:
            check(X)
            raise
    return X


def masked(X, mask, axes, check):
    """Data in memory, of their own dtype, and the mask in their form; data on a disk are read.

    Values that are there are checked a part at a time. All others may be anything.

    Parameters
    ----------
    X : as in `data`, but no source, and nothing that is iterated over
    mask : array_like of bool or list of them
        True where a value is missing.
    axes : tuple of str
        Names of the dimensions wanted.
    check : callable (X, n_features, missing)
    """
    if isinstance(X, h5py.Group) and X:
        X = [X[key] for key in keys_on_disk(X, axes)]
    X, mask = (user_data.with_mask if len(axes) == 3 else user_data.rows_with_mask)(X, mask)
    several, n_features = isinstance(X, list), None
    try:
        for x, m in zip(X, mask) if several else [(X, mask)]:
            for part, missing in zip(user_data.pieces(x), user_data.pieces(m)):
                part = np.where(missing, 0, part)
                check([part] if several else part, n_features, [missing] if several else missing)
            n_features = x.shape[-1]
    except ValueError:  # the message names the place in all of them
        check([np.where(m, 0, x) for x, m in zip(X, mask)] if several else np.where(mask, 0, X), None, mask)
        raise
    return X, mask


def is_on_disk(X):
    """Whether X is an HDF5 dataset or group, or a memory-mapped array."""
    return isinstance(X, h5py.Dataset | h5py.Group | hdf5.View | np.memmap)


def is_indexed(X):
    """Whether X is neither on disk nor in memory, but gives sequence i as X[i] and has a length."""
    return not _in_memory(X) and hasattr(X, "__len__") and hasattr(X, "__getitem__")


def is_iterable(X):
    """Whether X gives its sequences in an order of its own, and in no other."""
    return not _in_memory(X) and hasattr(X, "__iter__") and not is_indexed(X)


def _in_memory(X):
    # Tables (pandas, polars) are indexed by label or by column; np.asarray gives the rows that one sees.
    is_table = foreign.is_array(X) and getattr(X, "ndim", None) != 3
    return is_table or isinstance(X, list | tuple | np.ndarray | str | bytes | Mapping | ValuesView)


def keys_on_disk(X, axes, cut=False):
    """The index in X of sequence 0, 1, ...; X is checked as far as possible without reading values.

    Parameters
    ----------
    X : h5py.Dataset, h5py.Group or numpy.memmap
        One array of sequences of one length, or a group of arrays, each a sequence: its members in the order of their
        sorted names.
    axes : tuple of str
        Names of the dimensions wanted, the first that of the sequences.
    cut : bool
        Whether an array of frames may be one sequence.

    Returns
    -------
    range or list of str

    Raises
    ------
    TypeError
        If X does not hold real numbers, or is a group where single rows are wanted.
    ValueError
        If it has another number of dimensions, is empty or closed, or its members differ in their features.
    """
    if isinstance(X, h5py.HLObject) and not X:
        raise ValueError("X must be an open HDF5 dataset or group, the file of this one is closed")
    if not isinstance(X, h5py.Group):
        if cut and X.shape is not None and len(X.shape) == 2:
            _check_array(X, axes[1:], "X")
            return [WHOLE]
        _check_array(X, axes, "X")
        return range(len(X))
    wanted = f"a dataset ({', '.join(axes)})"
    if len(axes) < 3:
        raise TypeError(f"X must be {wanted}, got the HDF5 group {X.name!r}")
    keys = hdf5.members(X)
    if not keys:
        raise ValueError(f"X must hold at least one sequence, got the empty HDF5 group {X.name!r}")
    n_visible = None
    for key in keys:
        member = X.get(key)
        if not isinstance(member, h5py.Dataset):
            raise TypeError(f"X must be {wanted} or a group of datasets ({', '.join(axes[1:])}), X[{key!r}] is neither")
        member = hdf5.view(member, f"X[{key!r}]")
        _check_array(member, axes[1:], f"X[{key!r}]")
        n_visible = n_visible or member.shape[-1]
        if member.shape[-1] != n_visible:
            raise ValueError(f"X[{key!r}] must have {n_visible} features, got {member.shape[-1]}")
    return keys


def _check_array(X, axes, name):
    if X.shape is None or len(X.shape) != len(axes):
        long = "; fit cuts one long recording with window=" if X.shape and len(X.shape) == len(axes) - 1 == 2 else ""
        raise ValueError(f"{name} must have {len(axes)} dimensions ({', '.join(axes)}), got shape {X.shape}{long}")
    if X.dtype.kind not in "biuf":
        raise TypeError(f"{name} must hold real numbers, got dtype {X.dtype}")
    if 0 in X.shape:
        raise ValueError(f"{name} must not be empty, got shape {X.shape} for ({', '.join(axes)})")


def length_of(sequences):
    """A function that tells the number of frames of sequence i; data on a disk are not read for it."""
    return sequences.length if isinstance(sequences, Lazy) else lambda i: len(sequences[i])


class Lazy:
    """Sequences that are read when they are asked for, and checked then.

    Parameters
    ----------
    X : object with ``X[key]``
    keys : sequence
        The index in X of sequence 0, 1, ...
    read : callable (sequence, name) -> ndarray
        The check, which calls the sequence `name` in its messages.
    """

    def __init__(self, X, keys, read):
        if not len(keys):
            raise ValueError(f"X must hold at least one sequence, got an empty {type(X).__name__}")
        self._X, self._keys, self._read = X, keys, read

    def __len__(self):
        return len(self._keys)

    def __getitem__(self, i):
        return self.frames(i)

    def length(self, i):
        """The number of frames of sequence i; data on a disk are not read for it."""
        X, key = self._X, self._keys[i]
        if key is WHOLE:
            return len(X)
        with foreign.dressed(f"X[{key!r}]"):
            return X.shape[1] if len(getattr(X, "shape", ())) == 3 else len(self._member(key))

    def frames(self, i, start=0, stop=None):
        """Frames start to stop of sequence i; no more than these is read from a disk."""
        X, key = self._X, self._keys[i]
        name, rows = "X" if key is WHOLE else f"X[{key!r}]", slice(start, stop)
        where = f" from {X.file.filename!r}" if isinstance(X, h5py.HLObject | hdf5.View) else ""
        try:
            with foreign.dressed(name, where):
                if key is WHOLE:
                    frames = X[rows]
                elif len(getattr(X, "shape", ())) == 3:
                    frames = X[key, rows]
                else:
                    frames = self._member(key)
                    is_read = not isinstance(X, h5py.Group | hdf5.Cells)
                    frames = frames if rows == slice(0, None) and is_read else frames[rows]
        except MemoryError as error:
            raise MemoryError(
                f"{name} is larger than memory{where} ({error}): hand in a part of it, or train with window="
            ) from error
        return self._read(frames, name)

    def _member(self, key):
        if isinstance(self._X, hdf5.Cells):
            return self._X.member(key)
        member = self._X[key]
        return hdf5.view(member, f"X[{key!r}]") if isinstance(member, h5py.Dataset) else member


class Stream:
    """A user's own source of minibatches, whose errors say that they are the user's."""

    def __init__(self, X):
        self._X = X

    def minibatch(self, update):
        """The data of an update."""
        with foreign.dressed(f"X.minibatch({update})"):
            return self._X.minibatch(update)


def sample(data, n_numbers):
    """Frames of some sequences in memory, about so many numbers, in their own dtype.

    Parameters
    ----------
    data : array or list

    Returns
    -------
    list of (n, n_features) ndarrays
    """
    if getattr(data, "ndim", 0) == 2:
        return [np.asarray(data[spread(len(data), max(100, n_numbers // data.shape[1]))])]
    chosen = spread(len(data), N_SAMPLED)
    n = max(4, n_numbers // data[0].shape[-1] // len(chosen))
    return [np.asarray(data[i][spread(len(data[i]), n)]) for i in chosen]


def parts(data):
    """Data in memory as they are, other data a few sequences at a time."""
    if not isinstance(data, Lazy):
        yield data
        return
    part, n_frames = [], 0
    for sequence in map(data.frames, range(len(data))):
        if part and (len(part) == PART or n_frames + len(sequence) > N_FRAMES):
            yield part
            part, n_frames = [], 0
        part.append(sequence)
        n_frames += len(sequence)
    yield part


class InOrder:
    """Minibatches of an iterable in the order it gives its sequences; it is started again when it ends.

    Parameters
    ----------
    iterable : iterable of sequences
    batch_size, n_updates : int
    read : callable (sequence, name) -> ndarray
        As in `Lazy`.
    """

    def __init__(self, iterable, batch_size, n_updates, read):
        self._batch_size, self._next, self._kept = int(batch_size), 0, {}
        self._given = _endless(iterable, int(n_updates) * self._batch_size)
        self._checked = (read(sequence, f"X[{n}]") for n, sequence in self._given)

    def minibatch(self, update):
        """The sequences of an update, each update later than the last. Those of updates left out are skipped.

        Raises
        ------
        ValueError
            If the iterable is an iterator and ends, or gives no sequences.
        """
        if update in self._kept:
            return self._kept.pop(update)
        for _ in range((update - self._next) * self._batch_size):
            next(self._given)
        self._next = update + 1
        return list(itertools.islice(self._checked, self._batch_size))

    def look(self, update):
        """The same before training starts: the minibatch is kept, and handed on when its update comes."""
        if update not in self._kept:
            self._kept[update] = self.minibatch(update)
        return self._kept[update]


def _endless(iterable, n_wanted):
    """The sequences of an iterable over and over, numbered; a ValueError once it gives no more."""
    n = begin = 0
    end = object()
    while True:
        with foreign.dressed("X"):
            iterator = iter(iterable)
        while True:
            with foreign.dressed(f"X[{n}]"):
                sequence = next(iterator, end)
            if sequence is end:
                break
            yield n, sequence
            n += 1
        if n == begin:
            raise ValueError(
                f"X must give n_updates x batch_size = {n_wanted} sequences (with initialization='thesis' at least "
                f"30 x batch_size), this {type(iterable).__name__} ended after {n}"
            )
        begin = n


def source(found, batch_size, seed):
    """The source of minibatches of the data that `data` returns."""
    if hasattr(found, "minibatch"):
        return found
    cut = getattr(found, "window", None) is not None
    return Windows(found, int(batch_size), seed) if cut else Shuffled(found, batch_size, seed)


def n_updates(source, n_epochs):
    """The updates in which a source gives its data `n_epochs` times.

    Parameters
    ----------
    source : object with ``minibatch(update)``
        It has `n_minibatches`, those of an epoch, if it has epochs.
    n_epochs : int

    Raises
    ------
    ValueError
        If it has no epochs: a stream, or an iterable in an order of its own.
    """
    if not hasattr(source, "n_minibatches"):
        raise ValueError(
            f"n_epochs={n_epochs} needs X of a known length, a stream or an iterable has none: set n_updates instead"
        )
    return int(n_epochs) * source.n_minibatches


def is_at_hand(source):
    """Whether minibatches are in memory, and so small that no thread is needed to make them ahead."""
    sequences = getattr(source, "sequences", None)
    return isinstance(sequences, np.ndarray) and sequences.nbytes <= AT_HAND * getattr(source, "n_minibatches", 1)


def look(source, update):
    """The minibatch of an update before training starts."""
    return source.look(update) if isinstance(source, InOrder) else source.minibatch(update)


class Shuffled:
    """Minibatches of a finite data set: every sequence once an epoch, in an order addressed by (seed, epoch).

    The minibatches of an epoch are of nearly equal size, of at most `batch_size` sequences.

    Parameters
    ----------
    sequences : ndarray, `rtrbm.foreign.Sparse`, list of these, or Lazy
    batch_size : int
    seed : int
    """

    def __init__(self, sequences, batch_size, seed):
        self.sequences, self.seed = sequences, seed
        self.n_minibatches = -(-len(sequences) // int(batch_size))  # of an epoch
        self._epoch, self._parts = None, None

    def minibatch(self, update):
        """The sequences of an update: an array of an array, a list of anything else."""
        epoch, part = divmod(update, self.n_minibatches)
        if epoch != self._epoch:
            order = stream(self.seed, "shuffle", epoch).permutation(len(self.sequences))
            self._epoch, self._parts = epoch, np.array_split(order, self.n_minibatches)
        chosen = self._parts[part]
        if isinstance(self.sequences, np.ndarray | foreign.Sparse):
            return self.sequences[chosen]
        read = {i: self.sequences[i] for i in sorted(chosen.tolist())}  # forwards through a file
        return [read[i] for i in chosen.tolist()]


class Repeated:
    """The same minibatch at every update; its frames have so many known inputs."""

    n_minibatches = 1

    def __init__(self, sequences, n_inputs=0):
        self.sequences, self.n_inputs = sequences, n_inputs

    def minibatch(self, update):
        """The sequences of any update."""
        return self.sequences
