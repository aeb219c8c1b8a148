"""The progress bar of a training run, and its stop on Ctrl-C."""

import signal
import threading

from tqdm import tqdm


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
    """Context that shows updates with tqdm, if `verbose` asks for it and there is a terminal.

    The bar shows the squared reconstruction error |v - v_k|^2 per frame (v_k is the end of the CD chain), the norm of
    the gradient, and the frames per second.

    Parameters
    ----------
    n_updates : int
        All updates of the run.
    n_done : int
        Updates made before it.
    verbose : int
    """

    def __init__(self, n_updates, n_done, verbose):
        self._bar = tqdm(
            total=n_updates, initial=n_done, unit="update", disable=None if verbose else True, mininterval=0.5
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
