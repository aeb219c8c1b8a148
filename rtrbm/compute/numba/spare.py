"""Memory that serves again once nobody looks at it.

The system gives large memory back and takes it anew page by page, all zeros: an update that does so with its parameters
may take twice as long.
"""

from sys import getrefcount

import numpy as np

from .room import new_floats

MOST = 64  # pieces of memory that are known
LATELY = 16  # calls of `take` after which a piece goes that was free all the time


class _Piece:
    """Memory for so many numbers; since : the call of `take` at which it was last in use."""

    def __init__(self, size):
        self.size, self.since, self.memory = size, 0, new_floats(size)


def _references(pieces):
    """How many references there are to the memory of each; arrays made of its buffer, and their views, have one."""
    return [getrefcount(piece.memory) for piece in pieces]


_ALONE = _references([_Piece(1)])[0]


class Spare:
    """One thread's pieces of memory, those that were taken last at the end."""

    def __init__(self):
        self._pieces, self._n_calls = [], 0

    def take(self, size, n):
        """n new arrays of numbers of any value, each of which begins with a line of the cache.

        Parameters
        ----------
        size : int
            The numbers of an array.
        n : int

        Returns
        -------
        list of (size,) ndarrays of float32
            No views of an array: they are the bases of their views. Their memory is free again when they and all their
            views are gone.
        """
        pieces = vars(self).pop("_pieces", [])  # a handler of signals, say, may train another model at any step
        self._n_calls += 1
        now, others, free = self._n_calls, [], []
        for piece, count in zip(pieces, _references(pieces)):
            if count > _ALONE:
                piece.since = now
            (free if count == _ALONE and piece.size == size else others).append(piece)
        taken = free[-n:]
        taken += [_Piece(size) for _ in range(n - len(taken))]
        for piece in taken:
            piece.since = now
        kept = [piece for piece in free[:-n] + others if now - piece.since < LATELY]
        arrays = [np.frombuffer(piece.memory.data, np.float32, size) for piece in taken]
        self._pieces = (kept + taken)[-MOST:]
        return arrays
