"""Memory of arrays that are gone, for new arrays of the same size.

The system gives large memory back and takes it anew page by page, all zeros: an update that does so with its parameters
may take twice as long.
"""

import threading
import weakref
from collections import deque

import numpy as np

from .room import new_floats

LATELY = 16  # arrays made since memory was last of use; an update makes four
_local = threading.local()


class Spare:
    """What one thread's arrays leave behind. Memory for which there was no use lately goes back to the system."""

    def __init__(self):
        self._left, self._n_made = deque(), 0

    def floats(self, n):
        """An array of n numbers of any value, which begins with a line of the cache."""
        self._n_made += 1
        memory = self._taken(n)
        if memory is None:
            memory = new_floats(n)
        array = np.frombuffer(memory.data, np.float32, n)  # not a view of an array: it is the base of its views
        weakref.finalize(array, self._keep, n, memory).atexit = False
        return array

    def _keep(self, n, memory):
        self._left.append((n, self._n_made, memory))

    def _taken(self, n):
        """Memory for n numbers, or None; forgets what is too old."""
        found = None
        for _ in range(len(self._left)):
            size, since, memory = self._left.popleft()
            if found is None and size == n:
                found = memory
            elif self._n_made - since < LATELY:
                self._left.append((size, since, memory))
        return found


def floats(n):
    """An array of n numbers of any value, in memory that another one of this thread left if there is some."""
    if not hasattr(_local, "spare"):
        _local.spare = Spare()
    return _local.spare.floats(n)
