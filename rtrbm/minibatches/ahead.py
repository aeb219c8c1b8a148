"""Minibatches made ahead, by a thread of their own."""

from concurrent.futures import ThreadPoolExecutor, wait

PATIENCE = 0.1  # seconds between looks whether to stop waiting


class Ahead:
    """Context in which a thread makes the minibatch of the next update while that of the last one is in use.

    At most one is made ahead. Errors of `prepare` are raised by `minibatch`, as they are; on leaving, the thread ends,
    unless it was given up.

    Parameters
    ----------
    prepare : callable (update) -> minibatch
        Called for one update at a time.
    n_updates : int
        The last minibatch is that of update `n_updates` - 1.
    at_once : bool
        Whether `prepare` takes less time than to wake a thread: then there is none, and nothing is made ahead.
    """

    def __init__(self, prepare, n_updates, at_once=False):
        self._prepare, self._n_updates = prepare, n_updates
        self._following, self._given_up = None, False
        self._thread = None if at_once else ThreadPoolExecutor(1, thread_name_prefix="rtrbm-minibatches")

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        if self._thread is not None:
            self._thread.shutdown(wait=not self._given_up, cancel_futures=True)

    def minibatch(self, update, interrupt):
        """The minibatch of an update: at the first call any, later the one after the last.

        None if it is not there yet and `interrupt`, an `Interruptible`, is requested to stop: it is given up.
        """
        if self._thread is None:
            return self._prepare(update)
        following = self._following or self._thread.submit(self._prepare, update)
        while wait([following], PATIENCE).not_done:
            if interrupt.requested:
                self._given_up = True
                return None
        minibatch = following.result()
        self._following = None
        if update + 1 < self._n_updates:
            self._following = self._thread.submit(self._prepare, update + 1)
        return minibatch
