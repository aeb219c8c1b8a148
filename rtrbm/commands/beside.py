"""The settings beside a model that is trained."""

import contextlib

from ..callbacks import Callback
from .writing import mark, write_settings


class Beside(Callback):
    """Write the settings as soon as there is a checkpoint of this run, and at the end: those of an earlier run do not
    stay beside it. They say that the run was broken off, until `write_settings` writes those of one that ended.

    Parameters
    ----------
    path : path-like
        The file of settings.
    checkpoint : path-like
    settings : callable (running) -> dict
        running : bool, whether updates are still being made.
    """

    def __init__(self, path, checkpoint, settings):
        self._path, self._checkpoint, self._settings = path, checkpoint, settings
        self._before, self._is_written = mark(checkpoint), False

    def __call__(self, model):
        if not self._is_written and mark(self._checkpoint) != self._before:
            self._is_written = True
            self.write(running=True)

    def end(self, model):
        is_complete = model.n_updates_ == model._plan.n_updates  # the checkpoint is written next
        if is_complete or mark(self._checkpoint) != self._before:  # otherwise it is that of an earlier run
            self.write()

    def write(self, running=False):
        """Write them. A failure ends no training: it comes again, and is told, when the run has ended."""
        with contextlib.suppress(OSError, ValueError):
            write_settings(self._path, {**self._settings(running), "broken_off": True})
