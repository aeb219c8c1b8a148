"""Warnings at the line of the user."""

import sys
import warnings


def warn(message):
    """A warning at the line of the user, the first outside this package."""
    level, frame = 1, sys._getframe()
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith(("rtrbm.", "contextlib")):
        level, frame = level + 1, frame.f_back
    warnings.warn(message, UserWarning, stacklevel=level)
