"""A sign of life: a bar for whatever takes longer than two seconds, where somebody can see it."""

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
