"""Signs of life: a bar for whatever takes longer than two seconds, where somebody can see it, and lines of text."""

import contextlib
import functools
import os
import sys
import threading
import warnings

DELAY = 2  # seconds


class Silent:
    """What counts in the place of a bar that nobody could see."""

    n = 0

    def update(self, n=1):
        """Count nothing."""


SILENT = Silent()


def is_seen():
    """Whether there is a terminal or a notebook to show a bar in."""
    return in_notebook() or bool(getattr(sys.stderr, "isatty", bool)())


def in_notebook():
    """Whether this is the kernel of a notebook."""
    ipython = sys.modules.get("IPython")
    shell = ipython and ipython.get_ipython()
    return bool(shell) and "IPKernelApp" in shell.config


@functools.cache
def _kind():
    """A bar of tqdm, the kind that a notebook or a terminal has, with a lock of its own.

    The lock of tqdm itself is shared with all processes that are forked: one killed in it would stop the others.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a notebook that lacks the widgets of the fine bar
        from tqdm.auto import tqdm

    class Bar(tqdm):
        """A bar of this package."""

    def renew():
        Bar.set_lock(threading.RLock())

    renew()
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=renew)  # another thread may have held it
    return Bar


def shown(**options):
    """A bar of tqdm."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return _kind()(**options)


@contextlib.contextmanager
def bar(total, unit):
    """Context with a bar of so many units: ``update(n)`` counts n more of them, ``n`` are those counted.

    Nothing is imported or shown where nobody would see it. The bar appears after two seconds and is taken away at the
    end.

    Parameters
    ----------
    total : int
    unit : str

    Examples
    --------
    >>> with bar(3, "frame") as counted:
    ...     counted.update(3)
    """
    if not is_seen():
        yield SILENT
        return
    with shown(total=total, unit=unit, delay=DELAY, leave=False) as counted:
        yield counted


class Lenient:
    """A stream of text whose failures end no work: a pipe that nobody reads any more, or a full disk.

    What is written from the first failure on is lost.

    Parameters
    ----------
    stream : text stream
    told : callable (OSError)
        Called at the first failure.
    """

    def __init__(self, stream, told):
        self._stream, self._told, self._is_lost = stream, told, False

    def __getattr__(self, name):
        return getattr(self._stream, name)

    def write(self, text):
        """Write a text, if that is possible."""
        self._try(self._stream.write, text)
        return len(text)

    def flush(self):
        """Hand on what was written, if that is possible."""
        self._try(self._stream.flush)

    def _try(self, act, *arguments):
        if self._is_lost:
            return
        try:
            act(*arguments)
        except OSError as error:
            self._is_lost = True
            lose(self._stream)
            self._told(error)


def lose(stream):
    """Have all that is written to a broken stream vanish, what it still holds too: its end would fail otherwise."""
    with contextlib.suppress(OSError, ValueError):  # of a stream without a file
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


@contextlib.contextmanager
def lenient(name, is_result=False):
    """Context in which standard output and standard error end no work; letters that they have not are escaped.

    Parameters
    ----------
    name : str
        Of the program: a line on standard error says if standard output breaks.
    is_result : bool
        Whether there is no other work than what is printed.

    Raises
    ------
    OSError
        If standard output breaks and `is_result`; a BrokenPipeError if nobody reads it any more.
    """

    def told(error):
        said = f"cannot write to standard output: {error.strerror or error}"
        if is_result:
            raise OSError(error.errno, said) from error
        print(f"{name}: {said}; the work goes on", file=sys.stderr)

    with contextlib.ExitStack() as streams:
        for stream in (sys.stdout, sys.stderr):
            if hasattr(stream, "reconfigure"):
                stream.reconfigure(errors="backslashreplace")
        if sys.stderr is not None:
            streams.enter_context(contextlib.redirect_stderr(Lenient(sys.stderr, bool)))
        if sys.stdout is not None:
            streams.enter_context(contextlib.redirect_stdout(Lenient(sys.stdout, told)))
            streams.callback(sys.stdout.flush)
        yield
