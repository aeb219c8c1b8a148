"""The command line, ``rtrbm`` or ``python -m rtrbm``: one module a command. Its options are in `parser`."""

import contextlib
import importlib
import sys
import warnings

from ..progress import lenient
from .parser import parsed

__all__ = ["main"]

MISTAKES = (ValueError, TypeError, FloatingPointError, OSError, RuntimeError, ImportError, MemoryError)
PRINT = ("info", "score")  # commands that write no file
STOPPED = 130  # the status after Ctrl-C
HOMES = dict.fromkeys(("predict", "denoise", "impute"), "verbs")  # modules of commands that are named otherwise


def main(arguments=None):
    """Run a command.

    Parameters
    ----------
    arguments : list of str, optional
        Those of the command line by default.

    Returns
    -------
    int
        The exit status: 0; 1 after a mistake or a failure, with a line on standard error; 130 after Ctrl-C.
    """
    options = parsed(arguments)
    options.warned = []
    with lenient(f"rtrbm {options.command}", is_result=options.command in PRINT):
        return status_of(options)


def status_of(options):
    """Run a command; its exit status."""
    with warnings_in_lines(f"rtrbm {options.command}", options.warned):
        warnings.simplefilter("default", UserWarning)
        try:
            home = HOMES.get(options.command, options.command)
            status = importlib.import_module(f".{home}", __name__).run(options) or 0
            if sys.stdout is not None:
                sys.stdout.flush()
            return status
        except MISTAKES as error:
            if isinstance(error, BrokenPipeError) and options.command in PRINT:
                return 0  # `| head` has read enough
            print(f"rtrbm {options.command}: {one_line(readable(error))}", file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            print(f"\nrtrbm {options.command}: stopped", file=sys.stderr)
            return STOPPED


@contextlib.contextmanager
def warnings_in_lines(name, warned):
    """Context in which a warning is a line on standard error, behind a program's name, and is kept in a list."""

    def told(message, *_):
        warned.append(one_line(message))
        print(f"{name}: warning: {warned[-1]}", file=sys.stderr, flush=True)

    with warnings.catch_warnings():
        warnings.showwarning = told
        yield


def readable(error):
    """An exception's message; an OSError's without its number, and with the file if it names one."""
    if not isinstance(error, OSError) or error.strerror is None:
        return str(error) or type(error).__name__
    if error.filename is None or repr(error.filename) in error.strerror:
        return error.strerror
    return f"{error.strerror}: {error.filename!r}"


def one_line(text):
    """A text without line breaks."""
    return " ".join(str(text).split())
