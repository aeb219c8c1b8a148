"""The checkpoints of a run; none is written of a state that has exploded."""

import time

from .. import checks
from . import ranks


class Saves:
    """Write checkpoints. If a write fails, the run goes on and warns; only the last write of a complete run raises.

    A run that is broken off before its first update writes none: an earlier run may have made the file that is there.

    Parameters
    ----------
    watch : Watch
        Its `save`, `warn` and `written`.
    health : Health
    interrupt : Interruptible
        It is put off meanwhile.
    comm : MPI communicator or None
    begun : int
        Updates that had been made when the run began.
    """

    def __init__(self, watch, health, interrupt, comm, begun):
        self._watch, self._health, self._interrupt, self._comm = watch, health, interrupt, comm
        self._begun = begun
        self._written, self._at = watch.written, time.monotonic()

    def __call__(self, training, is_last=False, goes_on=False):
        """Write the checkpoint after an update; if it is the last one, a failure is raised on all ranks.

        `goes_on` says that there will be others: the run is neither complete nor broken off.
        """
        if training.n_updates == self._begun and not is_last:
            return

        def save():
            try:
                if self._watch.saves:
                    self._health.check_good(training, is_last)
                with self._interrupt.put_off(), checks.about("checkpoint", "path"):
                    self._watch.save()
            except Exception as error:
                if is_last:
                    raise
                reason = getattr(error, "strerror", None) or str(error)
                self._watch.warn(self._said(training.n_updates, reason, goes_on))
            else:
                self._written, self._at = training.n_updates, time.monotonic()

        ranks.together(save, self._comm)

    def _said(self, n_updates, reason, goes_on):
        """A line about a checkpoint that was not written."""
        minutes = (time.monotonic() - self._at) / 60
        last = f"the last one has {self._written}, {minutes:.1f} minutes ago" if self._written else "there is none yet"
        remedy = "the next interval tries again" if goes_on else "the model in memory can be kept by save(path)"
        return f"no checkpoint of {n_updates} updates: {reason}; {last}; {remedy}"
