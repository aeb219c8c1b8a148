"""What a training run needs around its updates: minibatches made ahead, a progress bar, a clean stop."""

import signal
import threading
from concurrent.futures import ThreadPoolExecutor, wait

from tqdm import tqdm

from .ranks import is_first

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
    """

    def __init__(self, prepare, n_updates):
        self._prepare, self._n_updates = prepare, n_updates
        self._following, self._given_up = None, False
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="rtrbm-minibatches")

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self._thread.shutdown(wait=not self._given_up, cancel_futures=True)

    def minibatch(self, update, interrupt):
        """The minibatch of an update: at the first call any, later the one after the last.

        None if it is not there yet and `interrupt`, an `Interruptible`, is requested to stop: it is given up.
        """
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


class Interruptible:
    """Context in which Ctrl-C sets `requested` rather than breaking off an update; a second one breaks off.

    Outside the main thread, where signals cannot be handled, it does nothing.
    """

    def __enter__(self):
        self.requested = False
        self._previous = None
        if threading.current_thread() is threading.main_thread():
            self._previous = signal.signal(signal.SIGINT, self._handle)
        return self

    def __exit__(self, *exception):
        if self._previous is not None:
            signal.signal(signal.SIGINT, self._previous)

    def _handle(self, signum, frame):
        if self.requested:
            raise KeyboardInterrupt
        self.requested = True


class progress_bar:
    """Context that shows a model's updates with tqdm, if its `verbose` asks for it and there is a terminal.

    Shown are the squared reconstruction error |v - v_k|^2 per frame (v_k the end of the CD chain), the
    gradient's norm and the frames learnt from per second.
    """

    def __init__(self, model):
        shown = None if model.verbose and is_first(model.comm) else True
        self._bar = tqdm(
            total=model.n_updates, initial=model.n_updates_, unit="update", disable=shown, mininterval=0.5
        )

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self._bar.close()

    def advance(self, history, n_frames):
        """Count one update."""
        self._bar.update()
        if not self._bar.disable:
            rate = self._bar.format_dict["rate"] or 0
            self._bar.set_postfix(
                error=f"{history['reconstruction_error'][-1]:.3g}",
                gradient=f"{history['gradient_norm'][-1]:.2g}",
                frames_per_s=f"{rate * n_frames:.3g}",
                refresh=False,
            )
