"""Memory of arrays that are gone, for new arrays of the same size.

The system gives large memory back and takes it anew page by page, all zeros: an update that does so with its parameters
may take twice as long.
"""

import weakref
from collections import deque

import numpy as np

from .room import new_floats

MOST = 6  # arrays whose memory is kept; an update of one part leaves four
LATELY = 16  # arrays made since memory was last of use


class Spare:
    """What one thread's arrays leave behind.

    Memory for which there was no use lately, or that is more than `MOST` arrays left, goes back to the system when the
    next array is taken.
    """

    def __init__(self):
        self._left, self._lent, self._gone, self._n_made = deque(maxlen=MOST), {}, deque(), 0

    def take(self, n):
        """An array of n numbers of any value, which begins with a line of the cache."""
        self._n_made += 1
        self._take_back()
        memory = self._found(n)
        if memory is None:
            memory = new_floats(n)
        array = np.frombuffer(memory.data, np.float32, n)  # not a view of an array: all its views keep it
        lent = weakref.ref(array, self._gone.append)  # a function of Python would swallow Ctrl-C
        self._lent[id(lent)] = lent, n, memory
        return array

    def _take_back(self):
        """The memory of arrays that are gone is left; whatever comes between two steps, the next call goes on."""
        while self._gone:
            _, n, memory = self._lent.pop(id(self._gone[0]), (None, 0, None))
            if n:
                self._left.append((n, self._n_made, memory))
            self._gone.popleft()

    def _found(self, n):
        """Memory for n numbers, or None; what is too old is let go."""
        found = None
        for _ in range(len(self._left)):
            size, since, memory = self._left.popleft()
            if found is None and size == n:
                found = memory
            elif self._n_made - since < LATELY:
                self._left.append((size, since, memory))
        return found
