"""Parameters in memory that serves again once nobody looks at it.

The system gives large memory back and takes it anew page by page, all zeros: an update that does so with its parameters
may take twice as long. An array also takes its time to be made, as long as some hundred additions.
"""

import operator
from sys import getrefcount

import numpy as np

from ...parameters import arrays
from .room import new_floats

LATELY = 16  # parameters taken since a block was last of use


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
        self._own = None

    def is_free(self):
        """Whether nobody else holds the arrays; the first call is to be made when nobody does."""
        if self._own is None:
            self._own = list(map(getrefcount, self._held))
        return all(map(operator.eq, map(getrefcount, self._held), self._own))


class Spare:
    """One thread's blocks, the last one taken at the end. Those that were of no use lately are let go."""

    def __init__(self):
        self.blocks, self._n_taken = [], 0

    def take(self, places, like):
        """The flat array and the parameters of a block, numbers of any value; it is free again when both are gone.

        Parameters
        ----------
        places : tuple of (name, begin, end, shape)
            That of a block is the same object.
        like : NamedTuple of arrays
            The type of the parameters; all its arrays have places.
        """
        self._n_taken += 1
        block = self._found(places, type(like)) or Block(places, like)
        block.is_free()
        block.since = self._n_taken
        self.blocks.append(block)
        while self._n_taken - self.blocks[0].since >= LATELY:
            del self.blocks[0]
        return block.flat, block.params

    def _found(self, places, kind):
        """A free block, no longer among the others; the one that was used last is the likeliest to be in the cache."""
        for i in range(len(self.blocks) - 1, -1, -1):
            block = self.blocks[i]
            if block.places is places and type(block.params) is kind and block.is_free():
                return self.blocks.pop(i)
        return None
