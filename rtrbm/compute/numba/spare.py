"""Parameters in memory that serves again once nobody looks at it.

The system gives large memory back and takes it anew page by page, all zeros: an update that does so with its parameters
may take twice as long. An array also takes its time to be made, as long as some hundred additions.
"""

import operator
from sys import getrefcount

import numpy as np

from ...parameters import arrays
from .room import new_floats

LATELY = 16  # blocks taken since one was last of use


class Block:
    """A flat array and parameters that are views of it.

    Whatever shows some of their numbers, a view of a view too, holds one of the views, or the flat array.

    Attributes
    ----------
    flat : (n,) ndarray of float32
        Begins with a line of the cache.
    params : NamedTuple of arrays
    places : tuple of (name, begin, end, shape)
        Where `flat` has each of them.
    since : int
        When it was taken last.
    """

    def __init__(self, places, like):
        n = max(end for _, _, end, _ in places)
        self.flat = np.frombuffer(new_floats(n).data, np.float32, n)  # no view of an array: it is the base of its views
        self.params = like._replace(**{name: self.flat[low:high].reshape(shape) for name, low, high, shape in places})
        self.places, self.since = places, 0
        self._held = self.params, self.flat, *arrays(self.params)
        self._own = []

    def settled(self):
        """The same block, which knows how many references its arrays have while nobody else holds them, as now."""
        self._own = list(map(getrefcount, self._held))
        return self

    def is_free(self):
        """Whether nobody else holds the arrays."""
        return all(map(operator.eq, map(getrefcount, self._held), self._own))


class Spare:
    """One thread's blocks, those that were taken last at the end. Those that were of no use lately are let go."""

    def __init__(self):
        self.blocks, self._n_taken = [], 0

    def take(self, n, places, like):
        """Flat arrays and their parameters, numbers of any value; a block is free again when both are gone.

        Parameters
        ----------
        n : int
        places : tuple of (name, begin, end, shape)
            That of a block is the same object.
        like : NamedTuple of arrays
            The type of the parameters; all its arrays have places.

        Returns
        -------
        flats : tuple of ndarrays
        params : tuple of NamedTuples of arrays
        """
        kind, taken = type(like), []
        for block in reversed(self.blocks):
            if block.places is places and type(block.params) is kind and block.is_free():
                taken.append(block)
                if len(taken) == n:
                    break
        taken += [Block(places, like).settled() for _ in range(n - len(taken))]
        self._n_taken += n
        for block in taken:
            block.since = self._n_taken
        since = self._n_taken - LATELY
        self.blocks = [block for block in self.blocks if block.since > since and block not in taken] + taken
        return tuple(block.flat for block in taken), tuple(block.params for block in taken)
