"""Helpers: threads that take parts of what compiled code shares (`rtrbm.compute.numba.board`)."""

import atexit
import contextlib
import functools
import os
import threading
from collections import deque
from queue import SimpleQueue

from ..threads import n_threads
from .board import OPEN, STOP, new_board, serve


class Crew:
    """Some helpers with a board. They sleep unless there was work a moment ago.

    Parameters
    ----------
    n_helpers : int
    """

    def __init__(self, n_helpers):
        self.board, self.free = new_board(), threading.Lock()
        self._asleep, self._wake = deque(range(n_helpers)), [SimpleQueue() for _ in range(n_helpers)]
        for i in range(n_helpers):
            threading.Thread(target=self._help, args=(i,), name=f"rtrbm_helper_{i}", daemon=True).start()
        atexit.register(self.dismiss)

    def _help(self, i):
        while True:
            self._wake[i].get()
            while serve(self.board, i + 1) and self.board[OPEN] and not self.board[STOP]:
                pass  # it was opened while this thread waited for the interpreter
            self._asleep.append(i)

    def gather(self):
        """Wake all who sleep."""
        with contextlib.suppress(IndexError):
            while True:
                self._wake[self._asleep.pop()].put(None)

    def dismiss(self):
        """Let nobody look for work any more: the interpreter ends."""
        self.board[STOP] = 1


_crew = functools.cache(Crew)

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_crew.cache_clear)


@contextlib.contextmanager
def helped(n_jobs, most):
    """Context of a board and of the number of threads that take parts of what is shared on it.

    Parameters
    ----------
    n_jobs : int or None
        As in scikit-learn. If another thread works with these helpers, there are none.
    most : int
        Threads that have something to do.
    """
    n = min(n_threads(n_jobs), most)
    crew = _crew(n - 1) if n > 1 else None
    if crew is None or not crew.free.acquire(blocking=False):
        yield new_board(), 1
        return
    try:
        crew.board[OPEN] = 1
        crew.gather()
        yield crew.board, n
    finally:
        crew.board[OPEN] = 0
        crew.free.release()
