"""What a training run shows: a progress bar, or lines of text."""

from __future__ import annotations

import sys
import time
from typing import Any

from ..progress import is_seen, shown

PATIENCE = 60  # seconds between lines where there is no terminal


class Callback:
    """What `fit` calls after every update, with the model. A subclass may also have something to do before and after.

    The model is as the update left it: `params_`, `history_` and `n_updates_` belong together.
    """

    def start(self, model: Any) -> object:
        """Called before the first update of a run, or of its part after a resume. If it returns True, training ends."""

    def check(self) -> None:
        """Called before any work; raises if the callback could not do its own."""

    def of_layer(self, i: int) -> Callback:
        """The callback for layer i of a stack, from 1."""
        return self

    def files(self) -> tuple[str, ...]:
        """Paths of the files that it writes, which are no checkpoints."""
        return ()

    def __call__(self, model: Any) -> object:
        """Called after every update. If it returns True, training ends."""

    def end(self, model: Any) -> None:
        """Called when training has ended, also by an error or Ctrl-C."""


def signs(n_updates, n_done, verbose):
    """Context that shows updates as they are made: a bar on a terminal or in a notebook, else a line a minute.

    Both show the squared reconstruction error |v - v_k|^2 per frame (v_k is the end of the CD chain), the last
    validation error if there is one, the norm of the gradient, and the frames per second. Lines go to standard error.

    Parameters
    ----------
    n_updates : int
        All updates of the run.
    n_done : int
        Updates made before it.
    verbose : int
        0: nothing is shown, and no bar is made.
    """
    if not verbose:
        return Nothing()
    if is_seen():
        return Bar(n_updates, n_done)
    return Lines(n_updates, n_done, PATIENCE, lambda line: print(line, file=sys.stderr, flush=True))


def errors(history):
    """The last errors and the norm of the gradient, by their short names."""
    names = {"reconstruction_error": "error", "validation_error": "validation", "gradient_norm": "gradient"}
    return {short: f"{history[name][-1]:.3g}" for name, short in names.items() if history.get(name)}


class Nothing:
    """Context that shows nothing."""

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        pass

    def advance(self, history, n_frames):
        """Count one update."""


class Bar(Nothing):
    """A bar of tqdm; parameters as of `signs`."""

    def __init__(self, n_updates, n_done):
        self._bar = shown(total=n_updates, initial=n_done, unit="update", mininterval=0.5)

    def __exit__(self, *exception):
        self._bar.close()

    def advance(self, history, n_frames):
        """Count one update."""
        self._bar.update()
        rate = self._bar.format_dict["rate"] or 0
        self._bar.set_postfix(errors(history), frames_per_s=f"{rate * n_frames:.3g}", refresh=False)


class Lines(Nothing):
    """A line every so many seconds.

    Parameters
    ----------
    n_updates, n_done : int
        As of `signs`.
    seconds : float
    show : callable (line)
    """

    def __init__(self, n_updates, n_done, seconds, show):
        self._n_updates, self._begin, self._made, self._seconds, self._show = n_updates, n_done, n_done, seconds, show
        self._started = self._shown = time.monotonic()

    def advance(self, history, n_frames=None):
        """Count one update, and show a line if it is time for one."""
        self._made += 1
        now = time.monotonic()
        if now - self._shown < self._seconds:
            return
        self._shown, passed = now, now - self._started
        rate = (self._made - self._begin) / passed
        words = [f"update {self._made} of {self._n_updates}", *(f"{name} {e}" for name, e in errors(history).items())]
        if n_frames is not None:
            words.append(f"{rate * n_frames:.3g} frames/s")
        self._show(f"{', '.join(words)}, {(self._n_updates - self._made) / rate:.0f} s left")
