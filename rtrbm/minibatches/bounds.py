"""How much a file of data may ask for: no more than its size explains."""

import os

from ..replacing import as_path

SPARED = 2**29  # bytes that the arrays of any file may take


class Budget:
    """The bytes that the arrays of a file may take in memory, of which each takes its part.

    Parameters
    ----------
    path : path-like
    ratio : int
        How many times the bytes of the file they may be, if those are more than `SPARED`.
    """

    def __init__(self, path, ratio):
        self.n_bytes = self._left = max(SPARED, ratio * os.path.getsize(path))

    def take(self, n_bytes, what):
        """Raise a ValueError if `what` would take more than what is left."""
        self._left -= n_bytes
        if self._left < 0:
            raise ValueError(
                f"{what} would take {n_bytes} bytes, the file is too small to hold so much: its arrays may have "
                f"{self.n_bytes} bytes; save it without compression if that is what it holds"
            )


def check_regular(path, argument):
    """A path as text (`rtrbm.replacing.as_path`); raises unless it is that of a file, and no folder, pipe or device."""
    path = as_path(argument, path)
    if not os.path.exists(path):
        raise FileNotFoundError(f"{argument}: no file at {path!r}")
    if os.path.isdir(path):
        raise IsADirectoryError(f"{argument} must be a file, {path!r} is a folder")
    if not os.path.isfile(path):
        raise ValueError(f"{argument} must be a file, {path!r} is a pipe or a device")
    return path
