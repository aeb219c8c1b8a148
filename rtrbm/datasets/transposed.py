"""Pieces of music in all keys: every piece is transposed anew whenever it is learnt from."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np

from ..checks import check_count
from ..user_data import check_sequences
from ..minibatches.windows import Example, Recordings, Windows
from ..streams import as_seed, stream
from ..types import Seed, Sequences


class Transposed:
    """An endless stream of minibatches of pieces, or of windows of them, each transposed by a random interval.

    Every epoch takes each frame once, in windows as of ``fit(window=)`` (`rtrbm.minibatches.windows.Windows`), and
    draws an interval for each window, uniform over those of `semitones` that leave all its notes on the keyboard: no
    note is lost, and no chord changes. Windows bound the memory and the time of an update, however long pieces are.
    Data sets are pooled by adding their lists.

    Parameters
    ----------
    pieces : list of (n_frames_i, n_keys) array_like
        Piano rolls, a column a semitone (`rtrbm.datasets.piano_rolls`).
    batch_size : int
        Pieces, or windows, in a minibatch.
    window : int, optional
        Frames of the windows that longer pieces are cut into, at places that change from epoch to epoch. Without it
        pieces stay whole.
    warm_up : int
        Frames before a window that bring the hidden state up to date and are no part of the gradient.
    semitones : (int, int)
        The lowest and the highest interval; (0, 0) leaves the pieces as they are.
    random_state : None, int, numpy.random.RandomState or numpy.random.Generator
        See `rtrbm.streams.as_seed`. Order, cuts and intervals depend on it and on the number of the update alone, so a
        run that is resumed, or shared by processes, learns from the same data.

    Attributes
    ----------
    n_minibatches : int
        Of an epoch.

    Raises
    ------
    TypeError, ValueError
        If a piece is no array of numbers, pieces differ in their keys, or a number is out of its range.

    Examples
    --------
    >>> roll = np.zeros((6, 88), np.float32)
    >>> roll[:, 60 - 21] = 1
    >>> stream = Transposed([roll], batch_size=1, random_state=0)
    >>> [int(stream.minibatch(update)[0].v[0].argmax()) + 21 for update in range(4)]
    [65, 64, 63, 54]
    """

    def __init__(
        self,
        pieces: Sequences,
        batch_size: int,
        *,
        window: int | None = None,
        warm_up: int = 10,
        semitones: tuple[int, int] = (-6, 5),
        random_state: Seed = None,
    ) -> None:
        check_count("batch_size", batch_size)
        check_count("warm_up", warm_up, minimum=0)
        if window is not None:
            check_count("window", window)
        self.lowest, self.highest = _interval(semitones)
        if isinstance(pieces, tuple) and len(pieces) == 3 and all(isinstance(part, list) for part in pieces):
            raise TypeError("pieces must be the pieces of one part, got three lists: take train of train, valid, test")
        pieces = check_sequences(pieces, _check_roll, np.float32, name="pieces", axes=("n_frames", "n_keys"))
        window = max(map(len, pieces)) if window is None else int(window)
        self.seed = as_seed(random_state)
        self._windows = Windows(Recordings(pieces, window=window, warm_up=int(warm_up)), int(batch_size), self.seed)
        self.n_minibatches = self._windows.n_minibatches

    def minibatch(self, update: int) -> list[Any]:
        """The windows of one update, the same whenever they are asked for.

        Parameters
        ----------
        update : int
            Number of the update, from 0.

        Returns
        -------
        list of `rtrbm.minibatches.windows.Example`
            `v` has the frames, `n_warm` says how many of them only warm up.

        Raises
        ------
        TypeError, ValueError
            If `update` is not an integer, or negative.
        """
        check_count("update", update, minimum=0)
        examples = self._windows.minibatch(int(update))
        return [
            Example(self._transposed(example.v, stream(self.seed, "data", update, i)), example.n_warm)
            for i, example in enumerate(examples)
        ]

    def __iter__(self) -> Iterator[Any]:
        return map(self.minibatch, itertools.count())

    def _transposed(self, v, rng):
        """A roll moved by a random interval that keeps its notes on the keyboard."""
        keys = np.flatnonzero(v.any(axis=0))
        low, high = (keys[0], v.shape[1] - 1 - keys[-1]) if len(keys) else (0, 0)
        return np.roll(v, rng.integers(max(self.lowest, -low), min(self.highest, high) + 1), axis=1)


def _check_roll(v, name, missing=None):
    """The check of piano rolls."""
    low, high = v.min(), v.max()
    if low < 0 or high > 1:
        raise ValueError(
            f"{name} must be a piano roll of numbers from 0 to 1, got values from {low:g} to {high:g}; of velocities "
            "take roll > 0"
        )


def _interval(semitones):
    """The two bounds of the intervals; 0 lies between them, so that every piece has one that fits."""
    if not isinstance(semitones, tuple | list) or len(semitones) != 2:
        raise TypeError(f"semitones must be a pair, the lowest and the highest interval, got {semitones!r}")
    for value in semitones:
        check_count("semitones", value, minimum=None)
    if not semitones[0] <= 0 <= semitones[1]:
        raise ValueError(f"semitones must reach from at most 0 to at least 0, got {semitones!r}")
    return int(semitones[0]), int(semitones[1])
