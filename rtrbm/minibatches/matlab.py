"""MATLAB's files of version 5 to 7.2: arrays, cells, structs, text and sparse matrices; nothing else is built.

The format is that of "MAT-File Format" (The MathWorks, R2023b): a header of 128 bytes, then elements. An element has a
tag (its type and its number of bytes) and data. No number in a file is trusted. What a tag or a size asks for must be
there, and all arrays take no more memory together than the size of the file explains (`rtrbm.minibatches.bounds`).
"""

import math
import struct
import zlib

import numpy as np

from .bounds import Budget

HEADER, TAG = 128, 8  # bytes; elements begin at multiples of 8
RATIO, RATIO_UNPACKED = 1000, 200  # of memory and file: Boulanger-Lewandowski's piano rolls have 505 and 42
DEEPEST = 32  # cells and structs in one another
OF_OBJECT = 256  # bytes that an array takes in memory besides its numbers
MATRIX, PACKED = 14, 15  # types of elements
STORED = {
    1: "i1",
    2: "u1",
    3: "i2",
    4: "u2",
    5: "i4",
    6: "u4",
    7: "f4",
    9: "f8",
    12: "i8",
    13: "u8",
}  # types of numbers
TEXT = {1: "latin1", 2: "latin1", 4: "utf-16", 16: "utf-8", 17: "utf-16", 18: "utf-32"}  # types of letters
CELL, STRUCT, CHAR, SPARSE = 1, 2, 4, 5  # classes
NUMBERS = {6: "f8", 7: "f4", 8: "i1", 9: "u1", 10: "i2", 11: "u2", 12: "i4", 13: "u4", 14: "i8", 15: "u8"}  # classes
COMPLEX, LOGICAL = 0x800, 0x200  # flags


def read_mat(path, only=None):
    """The variables of a .mat file by their names, as `scipy.io.loadmat(path, mat_dtype=True)` gives them.

    Parameters
    ----------
    path : path-like
    only : collection of str, optional
        The variables that are wanted; the others are not built.

    Returns
    -------
    dict of str to ndarray
        Arrays of at least two dimensions; a cell is an array of objects, a struct one of fields of objects, text an
        array of rows. A sparse matrix is a `scipy.sparse.csc_matrix`. MATLAB's objects and functions are left out.

    Raises
    ------
    ValueError
        If the file is damaged, truncated, of another version, or asks for more memory than its size explains.
    """
    with open(path, "rb") as file:
        data = file.read()
    order = {b"IM": "<", b"MI": ">"}.get(data[HEADER - 2 : HEADER])
    if order is None:
        raise ValueError("it does not begin as a MATLAB file of version 5 to 7.2")
    reader, limit, found = _Reader(order, Budget(path, RATIO)), Budget(path, RATIO_UNPACKED).n_bytes, {}
    for kind, element in reader.elements(memoryview(data)[HEADER:]):
        if kind == PACKED:
            kind, element = _next(reader.elements(_unpacked(element, limit)))
        if kind != MATRIX:
            raise ValueError(f"it is damaged: an element of type {kind} is where a variable should be")
        name, value = reader.variable(element, only)
        if value is not None:
            found[name] = value
    return found


def _unpacked(data, limit):
    """The element that a packed one holds."""
    unpacking = zlib.decompressobj()
    try:
        found = unpacking.decompress(data, limit)
    except zlib.error as error:
        raise ValueError(f"it is damaged: {error}") from error
    if not unpacking.eof:
        raise ValueError(f"it is truncated, or has a variable of more than {limit} bytes")
    return memoryview(found)


def _next(elements):
    found = next(elements, None)
    if found is None:
        raise ValueError("it is damaged: an array lacks one of its parts")
    return found


class _Reader:
    """What builds arrays of elements.

    Parameters
    ----------
    order : {"<", ">"}
        Of the bytes of a number.
    budget : Budget
    """

    def __init__(self, order, budget):
        self._order, self._budget = order, budget

    def elements(self, data):
        """The type and the data of every element, one after the other."""
        at = 0
        while at < len(data):
            if len(data) - at < TAG:
                raise ValueError("it is truncated inside the tag of an element")
            kind, n = struct.unpack(f"{self._order}II", data[at : at + TAG])
            begin = at + TAG
            if kind >> 16:  # a short one: its data are in the tag
                kind, n, begin = kind & 0xFFFF, kind >> 16, at + 4
            if n > len(data) - begin or begin < at + TAG and n > 4:
                raise ValueError(f"it is truncated: an element should have {n} bytes, {len(data) - begin} are there")
            yield kind, data[begin : begin + n]
            at = max(begin + n + (0 if kind == PACKED else -(begin + n - at) % TAG), at + TAG)

    def variable(self, data, only=None, depth=0):
        """The name and the value of an array; None of one that is not wanted or of a class that is not read."""
        self._budget.take(OF_OBJECT, "an array")
        if depth > DEEPEST:
            raise ValueError(f"it has cells or structs in one another, more than {DEEPEST} of them")
        if not len(data):
            return "", np.empty((0, 0))
        parts = self.elements(data)
        flags, shape = (self._numbers(_next(parts)) for _ in range(2))
        name = bytes(_next(parts)[1]).decode("latin1").rstrip("\0")
        if flags.size != 2 or shape.dtype.kind != "i" or not 2 <= shape.size <= 32 or shape.min() < 0:
            raise ValueError(f"it is damaged: the array {name!r} has the flags {flags} and the shape {shape}")
        if only is not None and name not in only:
            return name, None
        flags, shape = int(flags[0]), tuple(shape.tolist())
        kind, n = flags & 0xFF, math.prod(shape)
        if kind == CELL:
            return name, self._cell(parts, n, len(data), depth).reshape(shape, order="F")
        if kind == STRUCT:
            return name, self._struct(parts, n, len(data), depth).reshape(shape, order="F")
        if kind == CHAR:
            return name, self._text(_next(parts), shape)
        if kind == SPARSE:
            return name, self._sparse(parts, shape, flags)
        return name, self._array(parts, n, kind, flags).reshape(shape, order="F") if kind in NUMBERS else None

    def _member(self, parts, depth):
        kind, data = _next(parts)
        if kind != MATRIX:
            raise ValueError(f"it is damaged: an element of type {kind} is where an array should be")
        return self.variable(data, depth=depth + 1)[1]

    def _cell(self, parts, n, n_bytes, depth):
        self._check_members(n, n_bytes)
        found = np.empty(n, object)
        for i in range(n):
            found[i] = self._member(parts, depth)
        return found

    def _struct(self, parts, n, n_bytes, depth):
        length, (_, names) = self._numbers(_next(parts)), _next(parts)
        length = int(length[0]) if length.size == 1 else 0
        if length < 1 or len(names) % length:
            raise ValueError("it is damaged: the names of a struct's fields have another length than it says")
        names = [bytes(names[i : i + length]).split(b"\0")[0].decode("latin1") for i in range(0, len(names), length)]
        self._check_members(n * len(names), n_bytes)
        found = np.empty(n, [(name, object) for name in names] or object)
        for i in range(n):
            for name in names:
                found[name][i] = self._member(parts, depth)
        return found

    def _check_members(self, n, n_bytes):
        """Raise if an array of so many arrays, each with a tag at least, is not in so many bytes."""
        if n * TAG > n_bytes:
            raise ValueError(f"it is damaged: a cell or struct should hold {n} arrays, it has {n_bytes} bytes")

    def _text(self, part, shape):
        kind, data = part
        if kind not in TEXT:
            raise ValueError(f"it is damaged: text of the type {kind}")
        self._budget.take(16 * len(data), "text")
        wide = {"<": "-le", ">": "-be"}[self._order] if "16" in TEXT[kind] or "32" in TEXT[kind] else ""
        text = bytes(data).decode(TEXT[kind] + wide)
        if len(text) != math.prod(shape):
            raise ValueError(f"it is damaged: text of {len(text)} letters has the shape {shape}")
        letters = np.array(list(text), "U1").reshape(shape, order="F")
        return np.array(["".join(row) for row in letters], str) if letters.ndim == 2 else letters

    def _sparse(self, parts, shape, flags):
        from scipy.sparse import csc_matrix

        rows, starts = (self._numbers(_next(parts)).astype(np.int64) for _ in range(2))
        self._budget.take(8 * shape[0], "a sparse matrix")  # what it takes by rows
        n = int(starts[-1]) if len(starts) == shape[1] + 1 and len(shape) == 2 else -1
        if not 0 <= n <= len(rows) or starts[0] or (np.diff(starts) < 0).any():
            raise ValueError(f"it is damaged: a sparse matrix of the shape {shape} has other columns")
        rows = rows[:n]
        if n and not 0 <= rows.min() <= rows.max() < shape[0]:
            raise ValueError(f"it is damaged: a sparse matrix of {shape[0]} rows has others")
        values = self._array(parts, None, 6, flags)[:n]
        if len(values) < n:
            raise ValueError("it is damaged: a sparse matrix lacks numbers")
        return csc_matrix((values, rows, starts), shape)

    def _array(self, parts, n, kind, flags):
        """Numbers of the class `kind`, n of them unless n is None."""
        dtype = np.dtype(bool if flags & LOGICAL else NUMBERS[kind])
        found = [self._cast(_next(parts), n, dtype) for _ in range(2 if flags & COMPLEX else 1)]
        if len(found) == 1:
            return found[0]
        if found[0].shape != found[1].shape:
            raise ValueError("it is damaged: real and imaginary parts differ in number")
        return found[0] + 1j * found[1]

    def _cast(self, part, n, dtype):
        given = self._numbers(part)
        if n is not None and given.size != n:
            raise ValueError(f"it is damaged: an array should have {n} numbers by its shape, {given.size} are there")
        if given.dtype.kind == "f" and dtype.kind in "iu":
            raise ValueError(f"it is damaged: an array of integers has numbers of the type {given.dtype}")
        self._budget.take(given.size * dtype.itemsize, "an array")
        with np.errstate(over="ignore"):  # what is too large for single precision is infinite
            return given.astype(dtype)

    def _numbers(self, part):
        kind, data = part
        if kind not in STORED:
            raise ValueError(f"it is damaged: numbers of the type {kind}")
        dtype = np.dtype(self._order + STORED[kind])
        if len(data) % dtype.itemsize:
            raise ValueError(f"it is damaged: {len(data)} bytes of {dtype}")
        return np.frombuffer(data, dtype)
