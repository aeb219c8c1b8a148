"""Arrays in a model file, and the JSON that says where they are: nothing is taken on trust.

A reader asks for an array by its name, looks at its shape and dtype, and only then has it read. No more of the file
comes into memory.
"""

import hashlib
import json
import math
import os
import re
import stat

import numpy as np

from ..checks import check_memory, printable

DTYPE = re.compile("[<>|]([iu][1248]|f[248]|b1|S[1-9][0-9]{0,5})")
BLOCK = 2**20  # bytes of a file that are hashed at a time
DEPTH = 8  # of groups in groups
SHOWN = 300  # characters of a message that may hold parts of a file


class Damaged(ValueError):
    """A file that is not the model file it was, or none at all."""


class ModelFile:
    """An open file, of which arrays are read.

    Parameters
    ----------
    path : str

    Attributes
    ----------
    size : int, bytes; n_read : int, bytes of the arrays that were read

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is a folder, a device or a pipe; these are not waited for.
    """

    def __init__(self, path):
        self.path, self.n_read = path, 0
        if not os.path.exists(path):
            raise FileNotFoundError(f"no model file at {path!r}")
        if os.path.isdir(path):  # which Windows does not open
            raise ValueError(f"path must be a model file, {path!r} is a folder")
        flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise ValueError(f"path must be a model file, {path!r} is a device or a pipe")
        self._file = os.fdopen(os.open(path, flags), "rb", buffering=0)
        status = os.fstat(self._file.fileno())
        if not stat.S_ISREG(status.st_mode):
            self._file.close()
            raise ValueError(f"path must be a model file, {path!r} is a device or a pipe")
        self.size = status.st_size

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self._file.close()

    def bytes(self, offset, n):
        """So many bytes of the file, fewer at its end."""
        found = bytearray(min(n, max(0, self.size - offset)))
        return found[: self.fill(offset, found)]

    def fill(self, offset, out):
        """Read from there on into a buffer of bytes; how many there were."""
        self._file.seek(offset)
        view, n = memoryview(out), 0
        while n < len(view):
            got = self._file.readinto(view[n:])
            if not got:
                break
            n += got
        return n

    def sha256(self, offset):
        """The digest of all bytes from there on, hexadecimal."""
        digest = hashlib.sha256()
        for start in range(offset, self.size, BLOCK):
            digest.update(self.bytes(start, BLOCK))
        return digest.hexdigest()


class Kept:
    """An array of a model file, not read yet.

    Parameters
    ----------
    file : ModelFile
    place : list
        [dtype, shape, offset in the file].

    Attributes
    ----------
    dtype : dtype, in the byte order of this machine; shape : tuple of int; ndim, size : int

    Raises
    ------
    ValueError
        If this is no array that lies in the file.
    """

    def __init__(self, file, place):
        if len(place) != 3 or not isinstance(place[0], str) or not DTYPE.fullmatch(place[0]):
            raise ValueError("an array is of no known type")
        kind, shape, self._offset = place
        if not isinstance(shape, list) or len(shape) > 8 or not all(map(_is_count, [*shape, self._offset])):
            raise ValueError("an array has no shape or no place")
        self._file, self._kind = file, np.dtype(kind)
        self.dtype, self.shape, self.ndim = self._kind.newbyteorder("="), tuple(shape), len(shape)
        self.size = math.prod(shape)
        if self._offset + self.size * self._kind.itemsize > file.size:
            raise ValueError("an array is larger than the file")

    def __len__(self):
        return self.shape[0]

    def __getitem__(self, key):
        return self.read()[key]

    def read(self):
        """The array; raises if it is larger than memory, or those that were read have more bytes than the file."""
        check_memory(f"an array of shape {self.shape}", self.size, self.dtype)
        self._file.n_read += self.size * self._kind.itemsize
        if self._file.n_read > self._file.size:
            raise ValueError("its arrays lie over one another")
        found = np.empty(self.shape, self._kind)
        if self._file.fill(self._offset, found.reshape(-1).view(np.uint8)) < found.nbytes:
            raise ValueError("the file has become shorter while it was read")
        return found.astype(self.dtype, copy=False)


def arrays(value, file, depth=0):
    """A table of a file (`rtrbm.probe.table`) with its arrays as `Kept`.

    Raises
    ------
    ValueError
        If it is no such table.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return Kept(file, value)
    if not isinstance(value, dict) or depth > DEPTH:
        raise ValueError("its table holds something else than groups, texts and arrays")
    return {name: arrays(part, file, depth + 1) for name, part in value.items()}


def loads(text, constants=False):
    """What a JSON text says, which is an object.

    Parameters
    ----------
    text : str or bytearray
    constants : bool
        Whether NaN and Infinity are numbers in it.

    Raises
    ------
    ValueError
        If it is no such text, names something twice, or is nested too deeply.
    """
    settings = {} if constants else {"parse_constant": _refused}
    try:
        text = text.decode() if isinstance(text, bytearray) else text
        found = json.loads(text, object_pairs_hook=_once, **settings)
    except RecursionError:
        raise ValueError("its JSON is nested too deeply") from None
    except ValueError as error:
        raise ValueError(shortened(f"its JSON cannot be read: {error}")) from None
    if not isinstance(found, dict):
        raise ValueError("its JSON is no object")
    return found


def shortened(text):
    """The beginning of a text that may be too long for a message, or hold more than a terminal should get."""
    text = str(text)
    return printable(text if len(text) <= SHOWN else f"{text[:SHOWN]}...")


def _once(pairs):
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name comes twice")
    return found


def _refused(constant):
    raise ValueError(f"{constant} is no number")


def _is_count(value):
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**60
