"""Minibatches made ahead, by a thread of their own."""

import queue
import threading
import time

PATIENCE = 0.1  # seconds between looks whether to stop waiting
LEAVING = 10  # seconds that a minibatch which is no longer wanted has to become ready


class Ahead:
    """Context in which a thread makes the minibatch of the next update while that of the last one is in use.

    At most one is made ahead. Errors of `prepare` are raised by `minibatch`, as they are. On leaving, the thread ends,
    unless `prepare` takes too long or a signal came: then it is given up, and holds up nothing, not even the end of the
    process.

    Parameters
    ----------
    prepare : callable (update) -> minibatch
        Called for one update at a time.
    n_updates : int
        The last minibatch is that of update `n_updates` - 1.
    interrupt : Interruptible
        When it is requested to stop, nothing is waited for any more.
    at_once : bool
        Whether `prepare` takes less time than to wake a thread: then there is none, and nothing is made ahead.
    """

    def __init__(self, prepare, n_updates, interrupt, at_once=False):
        self._prepare, self._n_updates, self._interrupt = prepare, n_updates, interrupt
        self._wanted, self._is_under_way = queue.SimpleQueue(), False
        self._made, self._none_is_made = None, threading.Lock()
        self._none_is_made.acquire()
        thread = threading.Thread(target=self._serve, name="rtrbm-minibatches", daemon=True)
        self._thread = None if at_once else thread

    def __enter__(self):
        if self._thread is not None:
            self._thread.start()
        return self

    def __exit__(self, *exception):
        if self._thread is not None:
            self._wanted.put(None)
            end = time.monotonic() + LEAVING
            self._thread.join(PATIENCE)
            while self._thread.is_alive() and not self._interrupt.requested and time.monotonic() < end:
                self._thread.join(PATIENCE)

    def _serve(self):
        while (update := self._wanted.get()) is not None:
            try:
                self._made = self._prepare(update), None
            except BaseException as error:
                self._made = None, error
            self._none_is_made.release()

    def minibatch(self, update):
        """The minibatch of an update: at the first call any, later the one after the last.

        None if it is not there yet and a stop is requested.
        """
        if self._thread is None:
            return self._prepare(update)
        if not self._is_under_way:
            self._wanted.put(update)
        # `SimpleQueue.get` waits for ever if the handler of a signal is still running when its timeout ends.
        while not self._none_is_made.acquire(timeout=PATIENCE):
            if self._interrupt.requested:
                return None
        (minibatch, error), self._made = self._made, None
        self._is_under_way = error is None and update + 1 < self._n_updates
        if self._is_under_way:
            self._wanted.put(update + 1)
        if error is not None:
            raise error
        return minibatch
