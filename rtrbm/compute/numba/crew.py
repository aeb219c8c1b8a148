"""Helpers: threads that take parts of what compiled code shares (`rtrbm.compute.numba.board`)."""

import atexit
import contextlib
import functools
import os
import threading
from queue import SimpleQueue

from ...claims import Claims
from ..threads import n_threads
from .board import OPEN, STOP, WORKERS, new_board, serve


class Crew:
    """Helpers with a board, as many as were ever wanted at once. They sleep unless there was work a moment ago."""

    def __init__(self):
        self.board, self.claims = new_board(), Claims()
        self._is_asleep, self._wake = [], []
        atexit.register(self.dismiss)

    def _help(self, i):
        while True:
            self._wake[i].get()
            while serve(self.board, i + 1) and self._wants(i):
                pass  # it was opened while this thread waited for the interpreter
            self._is_asleep[i] = True

    def _wants(self, i):
        """Whether this helper may take parts now."""
        return self.board[OPEN] and i + 1 < self.board[WORKERS] and not self.board[STOP]

    def open(self, n):
        """Let n helpers take parts, and wake those of them who sleep."""
        self.board[WORKERS], self.board[OPEN] = n + 1, 1
        for i in range(len(self._wake), n):
            self._wake.append(SimpleQueue())
            self._is_asleep.append(True)
            try:
                threading.Thread(target=self._help, args=(i,), name=f"rtrbm_helper_{i}", daemon=True).start()
            except RuntimeError:  # this process must have no more threads
                del self._wake[i], self._is_asleep[i]
                break
        for i in range(min(n, len(self._wake))):
            if self._is_asleep[i]:
                self._is_asleep[i] = False
                self._wake[i].put(None)

    def dismiss(self):
        """Let nobody look for work any more: the interpreter ends."""
        self.board[STOP] = 1


_crew = functools.cache(Crew)

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_crew.cache_clear)


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
    return contextlib.nullcontext((new_board(), 1)) if n < 2 else _with_helpers(n)


@contextlib.contextmanager
def _with_helpers(n):
    crew = _crew()
    with crew.claims.claimed("board") as is_free:
        if not is_free:
            yield new_board(), 1
            return
        try:
            crew.open(n - 1)
            yield crew.board, n
        finally:
            crew.board[OPEN] = 0
