"""Tasks on a pool of threads, with the matrix library held to one thread inside.

Work is cut by the shapes of its arrays, not by the number of threads, so that results do not depend on it.
"""

import contextlib
import functools
import os
import threading
from queue import SimpleQueue

import numpy as np
from threadpoolctl import ThreadpoolController

from ..machine import processors

CHUNK = 256
BLOCK = 2**16
THREADED = 2**25  # multiplications that are worth waking threads for
TASKS = 2**22  # those of tasks that do more than multiply
MOST = 256  # threads of a pool: more of them would wait for each other
_n_processes = 1


@functools.cache
def _blas():
    """Of every matrix library, the functions that get and set its number of threads.

    The setters of threadpoolctl 3.8 obey one thread of the process alone. The limit here is one of all threads.
    """
    libraries = ThreadpoolController().select(user_api="blas").lib_controllers
    return [(each.get_num_threads, getattr(each, "_real_set_num_threads", each.set_num_threads)) for each in libraries]


@functools.cache
def _queue(n_threads):
    """The queue of a pool of so many threads, which call what is put into it.

    That takes a third of the time of `concurrent.futures`: two locks for a call, and nothing to keep for later.
    """
    queue = SimpleQueue()

    def serve():
        while True:
            queue.get()()

    with contextlib.suppress(RuntimeError):  # this process must have no more threads: those who call do it all
        for i in range(n_threads):
            threading.Thread(target=serve, name=f"rtrbm_{i}", daemon=True).start()
    return queue


class _Call:
    """A call on another thread: `wait` for its end, unless it has not begun; then it never will."""

    def __init__(self, function):
        self._function, self._error = function, None
        self._begun, self._going_on = threading.Lock(), threading.Lock()
        self._going_on.acquire()

    def __call__(self):
        if self._begun.acquire(blocking=False):
            try:
                self._function()
            except BaseException as error:
                self._error = error
            self._going_on.release()

    def wait(self):
        """Return when the call is over; raise what it raised."""
        if not self._begun.acquire(blocking=False):
            self._going_on.acquire()
            if self._error is not None:
                raise self._error


def share_processors(n_processes):
    """Let -1 stand from now on for an equal share of the processors, if several processes work together."""
    global _n_processes
    _n_processes = n_processes


def n_threads(n_jobs):
    """Threads meant by scikit-learn's `n_jobs`: None is 1, -1 all processors this process may use, -2 all but one."""
    if n_jobs is None:
        return 1
    return min(n_jobs, MOST) if n_jobs > 0 else max(1, processors() // _n_processes + 1 + n_jobs)


def worth(n_multiplications, n_jobs, enough=THREADED):
    """`n_jobs` if there is enough to do to wake threads, else None."""
    return n_jobs if n_multiplications > enough else None


_lock, _inside, _before = threading.Lock(), [], []  # of the limit: the threads within it, and how it is lifted
_here = threading.local()


@contextlib.contextmanager
def one_blas_thread():
    """Context, or decorator, in which the matrix library uses the calling thread alone, and underflow gives 0.

    The library's limit is one of the whole process: the first thread to come in sets it, the last to leave lifts it.
    Ctrl-C may come at any place, and leaves nothing that the next context does not put right.
    """
    depth = getattr(_here, "depth", 0)
    try:
        _here.depth = depth + 1
        if not depth:
            _come_in()
        with np.errstate(under="ignore"):  # whatever the user's own settings are
            yield
    finally:
        _here.depth = depth
        if not depth:
            _leave()


def _come_in():
    me = threading.get_ident()
    with _lock:
        if not _before:
            _before[:] = [(set_threads, get_threads()) for get_threads, set_threads in _blas()]
        if me not in _inside:
            _inside.append(me)
        if len(_inside) == 1:
            for set_threads, _ in _before:
                set_threads(1)


def _leave():
    me = threading.get_ident()
    with _lock:
        if me in _inside:
            _inside.remove(me)
        if not _inside:
            _lift()


def _lift():
    for set_threads, n in _before:
        set_threads(n)
    _before.clear()  # only now: a child may be forked in between, and lifts the limit once more


def _after_fork():
    """In a child, of whose threads only the one that forked is left: free the lock, and lift its parent's limit."""
    global _lock
    _lock = threading.Lock()
    _inside[:] = [thread for thread in _inside if thread == threading.get_ident()]
    if not _inside:
        _lift()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_queue.cache_clear)
    os.register_at_fork(after_in_child=_after_fork)


def run(function, items, n_jobs):
    """Call `function` on every item, on `n_jobs` threads of which the caller is one; the results in order.

    A task may call this in its turn; it gets the threads that are idle. An exception of a task is raised here, and no
    further task is begun. Overflow does not warn: it shows in the result, which callers check.
    """
    threads = min(n_threads(n_jobs), len(items))
    if threads < 2:
        with one_blas_thread(), np.errstate(over="ignore", invalid="ignore"):
            return [function(item) for item in items]
    results, waiting = [None] * len(items), iter(range(len(items)))

    def drain():
        try:
            with np.errstate(over="ignore", invalid="ignore", under="ignore"):
                for i in waiting:
                    results[i] = function(items[i])
        finally:
            list(waiting)

    with one_blas_thread():
        queue, calls = _queue(n_threads(n_jobs) - 1), [_Call(drain) for _ in range(threads - 1)]
        for call in calls:
            queue.put(call)
        with contextlib.ExitStack() as ends:  # which waits for all, also if one has failed
            for call in calls:
                ends.callback(call.wait)
            drain()
    return results


def slices(n, n_slices=None):
    """Nearly equal slices of range(n); if their number is not given, an even one with at most CHUNK in each."""
    if n_slices is None:
        n_slices = max(1, 2 * -(-n // (2 * CHUNK)))
    bounds = [n * i // n_slices for i in range(n_slices + 1)]
    return [slice(*pair) for pair in zip(bounds, bounds[1:])]


def blockwise(function, n_jobs, *tuples):
    """Call `function`, elementwise, on flat pieces of the arrays of several NamedTuples, array by array.

    None is left out.

    The results are in order. Pieces are small enough to stay in the cache through several passes. Arrays that are not
    contiguous are not cut; threads are woken only if one is.
    """
    pieces, n_arrays = [], 0
    for arrays in zip(*tuples):
        if arrays[0] is None or not arrays[0].size:
            continue
        n_arrays += 1
        if all(array.flags.c_contiguous for array in arrays):
            arrays = [array.reshape(-1) for array in arrays]
            starts = range(0, arrays[0].size, BLOCK)
            pieces += [[a[start : start + BLOCK] for a in arrays] for start in starts] if len(starts) > 1 else [arrays]
        else:
            pieces.append(arrays)
    if len(pieces) == n_arrays:
        return [function(*piece) for piece in pieces]
    return run(lambda piece: function(*piece), pieces, n_jobs)
