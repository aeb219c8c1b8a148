"""Sequences with all that goes along with their frames, whole or cut into windows."""

import functools
from typing import NamedTuple

import h5py
import numpy as np

from .. import hdf5
from ..user_data import is_sequence
from ..foreign import is_array
from ..streams import stream
from .sequences import pack


class Example(NamedTuple):
    """A sequence to train on.

    v : (n_frames, n_visible); n_warm : int, frames at its start that only bring the hidden state up to date;
    missing : (n_frames, n_visible) of bool, values that are not there, or None; inputs : (n_frames, n_inputs) or None.
    """

    v: np.ndarray
    n_warm: int = 0
    missing: np.ndarray | None = None
    inputs: np.ndarray | None = None

    def __len__(self):
        return len(self.v)


class Recordings:
    """Sequences, and the masks and inputs that belong to them.

    Parameters
    ----------
    data : array, list or object with `frames(i, start, stop)` and `length(i)`
        Sequences that were checked, or are checked when they are read.
    missing : array or list, optional
        In the form of `data`, where values at missing places may be anything; those of an example are 0.
    window : int, optional
        Frames of the windows that recordings are cut into (`Windows`).
    warm_up : int
    dtype : dtype, optional
        That frames are cast to.

    Attributes
    ----------
    data, missing : as above
    inputs : array or list, or None
        In the form of `data`.
    """

    inputs = None

    def __init__(self, data, missing=None, window=None, warm_up=0, dtype=None):
        self.data, self.missing, self.window, self.warm_up, self._dtype = data, missing, window, warm_up, dtype

    @property
    def n_inputs(self):
        """The number of known inputs of a frame."""
        return 0 if self.inputs is None else self.inputs[0].shape[1]

    @functools.cached_property
    def unseen(self):
        """Whether each feature is missing in every frame, (n_visible,); without a mask False, of all."""
        hidden = [np.bool_(False)] if self.missing is None else [part.all(axis=0) for part in self.missing]
        return np.all(hidden, axis=0)

    def lengths(self):
        """The number of frames of every recording."""
        return [self.length(i) for i in range(len(self))]

    def __len__(self):
        return len(self.data)

    def __getitem__(self, i):
        return self.cut(i, 0, self.length(i))

    def length(self, i):
        """The number of frames of recording i."""
        return self.data.length(i) if hasattr(self.data, "length") else len(self.data[i])

    def cut(self, i, start, stop, n_warm=0):
        """Frames start to stop of recording i, and up to n_warm frames before them."""
        first = max(0, start - n_warm)
        v = self.data.frames(i, first, stop) if hasattr(self.data, "frames") else self.data[i][first:stop]
        missing, inputs = (None if part is None else part[i][first:stop] for part in (self.missing, self.inputs))
        if missing is not None:
            v = np.where(missing, 0, v)
        return Example(np.asarray(v, self._dtype), start - first, missing, inputs)


def as_recordings(X, read=False):
    """An array of frames as a list of one recording; anything else as it is, data on a disk unless they are read."""
    on_disk = isinstance(X, h5py.HLObject | hdf5.View | np.memmap) and not read
    if on_disk or getattr(X, "ndim", 2) != 2 or not (is_array(X) or isinstance(X, list | tuple)):
        return X
    return [X] if is_array(X) or not len(X) or _is_row(X[0]) else X


def _is_row(x):
    """Whether x is one frame, a list of numbers."""
    return getattr(x, "ndim", 2) == 1 if is_array(x) else is_sequence(x) and not any(map(is_sequence, x))


class Windows:
    """Minibatches of windows: every epoch cuts each recording anew, and takes each frame once.

    The cuts of a recording are `window` frames apart and begin at a random place, addressed by (seed, epoch), so that
    the first and the last window may be shorter. A recording no longer than a window stays whole. The windows of an
    epoch come in random order, in minibatches of about `batch_size`. A window that does not begin a recording starts
    with the hidden state after the `warm_up` frames before it.

    Parameters
    ----------
    recordings : Recordings
    batch_size, seed : int
    """

    def __init__(self, recordings, batch_size, seed):
        self._recordings, self._window, self._seed = recordings, recordings.window, seed
        self._lengths = recordings.lengths()
        fewest = sum(-(-n // self._window) for n in self._lengths)  # windows of an epoch
        self.n_minibatches = -(-fewest // batch_size)  # of an epoch
        self._epoch, self._parts = None, None

    def minibatch(self, update):
        """The windows of an update: a list of `Example`."""
        epoch, part = divmod(update, self.n_minibatches)
        if epoch != self._epoch:
            self._epoch, self._parts = epoch, self._cut(epoch)
        return [self._recordings.cut(i, start, stop, self._recordings.warm_up) for i, start, stop in self._parts[part]]

    def _cut(self, epoch):
        """The windows of an epoch (recording, start, stop), minibatch by minibatch."""
        rng, windows = stream(self._seed, "window", epoch), []
        for i, n in enumerate(self._lengths):
            offset = int(rng.integers(self._window)) if n > self._window else n
            cuts = [0, *range(offset or self._window, n, self._window), n]
            windows += [(i, start, stop) for start, stop in zip(cuts, cuts[1:]) if stop > start]
        order = rng.permutation(len(windows))
        return [[windows[j] for j in part] for part in np.array_split(order, self.n_minibatches)]


def are_examples(minibatch):
    """Whether a minibatch is a list of `Example`."""
    return isinstance(minibatch, list) and len(minibatch) > 0 and isinstance(minibatch[0], Example)


def present(example, elsewhere):
    """The frames of an example, each missing value replaced by the mean of its feature.

    Where a feature is missing in all frames its mean is that of `elsewhere` ().
    """
    if example.missing is None:
        return example.v
    counts = (~example.missing).sum(axis=0)
    means = np.where(example.missing, 0, example.v).sum(axis=0, dtype=float) / np.maximum(counts, 1)
    if not counts.all():
        means = np.where(counts, means, elsewhere())
    return np.where(example.missing, means.astype(example.v.dtype), example.v)


def packed(examples):
    """Examples as packed blocks.

    Parameters
    ----------
    examples : list of Example

    Returns
    -------
    v : (n_rows, n_visible) ndarray
    where : Layout
    missing : (n_rows, n_visible) bool ndarray or None
    inputs : (n_rows, n_inputs) ndarray or None
    """
    v, n_warm, missing, inputs = zip(*examples)
    packed_v, where = pack(list(v))
    if any(n_warm):
        where = where._replace(n_warm=np.array(n_warm))
    if any(part is not None for part in missing):
        missing = [np.zeros(frames.shape, bool) if part is None else part for part, frames in zip(missing, v)]
    missing, inputs = (None if parts[0] is None else pack(list(parts))[0] for parts in (missing, inputs))
    return packed_v, where, missing, inputs
