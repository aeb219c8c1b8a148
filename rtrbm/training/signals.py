"""What ends a run from outside: Ctrl-C, and signals by which a system asks a process to end."""

import contextlib
import signal
import sys
import threading

from . import locks

ENDING = ("SIGTERM", "SIGHUP", "SIGUSR1", "SIGXCPU")  # batch systems send the last two as a warning
REPEATED = ("SIGHUP", "SIGXCPU")  # come more than once by themselves


class Interruptible:
    """Context in which Ctrl-C sets `requested` rather than breaking off an update; a second one breaks off.

    So do the signals that ask a process to end, if there is something to save: when the context is left, the process
    ends as the signal would have ended it at once. Signals that are ignored, or have a handler of the user, stay so.
    Outside the main thread, where signals cannot be handled, it does nothing.

    Parameters
    ----------
    saves : bool
        Whether there is something to save.

    Attributes
    ----------
    requested : int
        The number of the first signal that came, else 0.
    agreed : int
        That of one which came to another rank.
    """

    def __init__(self, saves):
        names = ("SIGINT", *(ENDING if saves else ()))
        self._signals = [getattr(signal, name) for name in names if hasattr(signal, name)]
        self._repeated = [getattr(signal, name, None) for name in REPEATED]
        self.requested, self.agreed, self._previous, self._is_put_off = 0, 0, {}, False

    def __enter__(self):
        if threading.current_thread() is threading.main_thread():
            for number in self._signals:
                if signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
                    self._previous[number] = signal.signal(number, self._handle)
        return self

    def __exit__(self, *exception):
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        number = self.agreed or self.requested
        if number not in (0, signal.SIGINT):
            end(number)

    @contextlib.contextmanager
    def put_off(self):
        """Context that no signal breaks off, a second one neither."""
        self._is_put_off = True
        try:
            yield
        finally:
            self._is_put_off = False

    def _handle(self, number, frame):
        again = self.requested and (number != self.requested or number not in self._repeated)
        if again and not self._is_put_off:
            if number == signal.SIGINT:
                raise KeyboardInterrupt
            end(number)
        self.requested = self.requested or number


def end(number):
    """End this process as a signal does that nobody handles; nothing of it runs any more, but its locks are released.

    Process 1 of a container, which such a signal does not end, raises SystemExit.
    """
    locks.let_go()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()
    signal.signal(number, signal.SIG_DFL)
    signal.raise_signal(number)
    raise SystemExit(128 + number)
