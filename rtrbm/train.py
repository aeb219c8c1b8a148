"""What a training run needs around its updates: minibatches, a progress bar, a clean stop."""

import signal
import threading

import numpy as np
from tqdm import tqdm

from .streams import stream


class Shuffled:
    """Minibatches of a finite data set: every sequence once an epoch, in an order addressed by (seed, epoch).

    Parameters
    ----------
    sequences : ndarray or list of ndarrays
    batch_size : int
    seed : int
    """

    def __init__(self, sequences, batch_size, seed):
        self.sequences, self.batch_size, self.seed = sequences, batch_size, seed
        self._epoch, self._order = None, None

    def minibatch(self, update):
        """The sequences of an update, of the type of the data set."""
        n = len(self.sequences)
        places = range(update * self.batch_size, (update + 1) * self.batch_size)
        chosen = [self._permutation(place // n)[place % n] for place in places]
        if isinstance(self.sequences, np.ndarray):
            return self.sequences[chosen]
        return [self.sequences[i] for i in chosen]

    def _permutation(self, epoch):
        if epoch != self._epoch:
            order = stream(self.seed, "shuffle", epoch).permutation(len(self.sequences))
            self._epoch, self._order = epoch, order
        return self._order


class Repeated:
    """The same minibatch at every update."""

    def __init__(self, sequences):
        self.sequences = sequences

    def minibatch(self, update):
        """The sequences of any update."""
        return self.sequences


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

    Shown are the squared reconstruction error |v - v_k|^2 per frame (v_k the sampled end of the CD chain), the
    gradient's norm and the frames learnt from per second.
    """

    def __init__(self, model):
        shown = None if model.verbose else True
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
