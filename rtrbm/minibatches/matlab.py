"""MATLAB's files up to version 7.2, read by `scipy.io.loadmat` once their sizes are known to tell the truth.

The format is that of "MAT-File Format" (The MathWorks, R2023b): a header of 128 bytes, then elements. An element has a
tag (its type and its number of bytes) and data; that of an array has elements in it. scipy makes arrays as large as a
file says. So all tags and sizes are looked at before: what they ask for must be there, and all arrays take no more
memory together than the size of the file explains (`rtrbm.minibatches.bounds`). It crashes on types of numbers that it
does not know, as it meets them if an array has another number of parts than its class, and it uses a sparse matrix's
indices as they come: these are looked at too.
"""

import inspect
import io
import math
import struct
import zlib

import numpy as np

from .bounds import Budget

HEADER, TAG = 128, 8  # bytes; elements begin at multiples of 8
RATIO, RATIO_UNPACKED = 1000, 200  # of memory and file: Boulanger-Lewandowski's piano rolls have 505 and 42
DEEPEST = 32  # cells and structs in one another
OF_OBJECT = 4096  # bytes that an array counts for besides its numbers: many of them take time to make
MATRIX, PACKED, INT32, UINT32 = 14, 15, 5, 6  # types of elements
NUMBERS, TEXTS = {1, 2, 3, 4, 5, 6, 7, 9, 12, 13}, {16, 17, 18}
CELL, STRUCT, OBJECT, CHAR, SPARSE, FUNCTION, OPAQUE = 1, 2, 3, 4, 5, 16, 17  # classes of arrays; numbers have others
COMPLEX = 0x800  # the flag of an array with an imaginary part
ORDERS = {b"IM": "<", b"MI": ">"}  # of bytes, by the last two of the header; version 4 has no such header


def read_mat(path, only=None):
    """The variables of a .mat file by their names, as `scipy.io.loadmat` gives them.

    Parameters
    ----------
    path : path-like
    only : collection of str, optional
        The variables that are wanted.

    Returns
    -------
    dict of str to ndarray

    Raises
    ------
    ValueError
        If the file is damaged, truncated, of another version, or asks for more memory than its size explains.
    """
    from scipy.io import loadmat

    with open(path, "rb") as file:
        data = file.read()
    order = ORDERS.get(data[HEADER - 2 : HEADER])
    if order is not None:
        _Sizes(order, path).check(data)
    elif 0 not in data[:4]:  # scipy takes it for version 5, and its numbers for big-endian ones
        raise ValueError("it is damaged: its header does not tell the order of bytes")
    try:
        found = loadmat(io.BytesIO(data), variable_names=only, **_sparse_as_ever(loadmat))
        for array in found.values():
            _check_sparse(array)
    except Exception as error:  # scipy meets damage with errors of many kinds: zlib.error, IndexError, OSError, ...
        raise ValueError(f"it is damaged: {type(error).__name__}: {str(error).split(chr(10))[0]}") from error
    return {name: array for name, array in found.items() if not name.startswith("__")}


def _sparse_as_ever(loadmat):
    """The keyword that keeps sparse matrices what they are in older versions, which do not have it."""
    return {"spmatrix": True} if "spmatrix" in inspect.signature(loadmat).parameters else {}


class _Sizes:
    """What a file says of its sizes.

    Parameters
    ----------
    order : {"<", ">"}
        Of the bytes of a number.
    path : path-like
    """

    def __init__(self, order, path):
        self._order, self._budget, self._limit = order, Budget(path, RATIO), Budget(path, RATIO_UNPACKED).n_bytes

    def check(self, data):
        """Raise a ValueError if a size cannot be true."""
        for kind, element in self._elements(memoryview(data)[HEADER:]):
            if kind == PACKED:
                kind, element = _next(self._elements(self._unpacked(element)))
            self._check_array(kind, element, 0)

    def _unpacked(self, data):
        unpacking = zlib.decompressobj()
        try:
            found = unpacking.decompress(data, self._limit)
        except zlib.error as error:
            raise ValueError(f"it is damaged: {error}") from error
        if not unpacking.eof:
            raise ValueError(
                f"it is truncated, or has a variable of more than {self._limit} bytes: save that without compression"
            )
        return memoryview(found)

    def _elements(self, data):
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

    def _check_array(self, kind, data, depth):
        if kind != MATRIX:
            raise ValueError(f"it is damaged: an element of type {kind} is where an array should be")
        if depth > DEEPEST:
            raise ValueError(f"it has cells or structs in one another, more than {DEEPEST} of them")
        self._budget.take(OF_OBJECT, "an array")
        if not len(data):
            return
        parts = self._elements(data)
        flags = self._integers(_next(parts), UINT32)
        if flags.size != 2 or not 1 <= flags[0] & 0xFF <= OPAQUE:
            raise ValueError(f"it is damaged: an array has the flags {flags}")
        kind = int(flags[0]) & 0xFF
        if kind == OPAQUE:  # a string, a table or another object: its names and one array
            for _ in range(3):
                _next(parts)
            return self._check_array(*_next(parts), depth + 1)
        shape = self._integers(_next(parts), INT32)
        if not 2 <= shape.size <= 32 or shape.min() < 0:
            raise ValueError(f"it is damaged: an array has the shape {shape}")
        n = math.prod(shape.tolist())
        _next(parts)  # its name
        if kind in (CELL, STRUCT, OBJECT):
            self._check_members(parts, kind, n, len(data), depth)
        elif kind == FUNCTION:
            self._check_array(*_next(parts), depth + 1)
        else:
            n_parts = (3 if kind == SPARSE else 1) + bool(flags[0] & COMPLEX)
            self._check_numbers([_next(parts) for _ in range(n_parts)], kind, shape, len(data))
        if next(parts, None) is not None:
            raise ValueError("it is damaged: an array has more parts than its class")

    def _check_numbers(self, parts, kind, shape, n_bytes):
        self._budget.take(8 * int(shape.max()) if kind == SPARSE else 0, "a sparse matrix")
        if kind != SPARSE and math.prod(shape.tolist()) > n_bytes:  # a number has a byte at least
            raise ValueError(f"it is damaged: an array of the shape {shape.tolist()} has {n_bytes} bytes")
        for type_, part in parts:
            if type_ not in NUMBERS and not (kind == CHAR and type_ in TEXTS):
                raise ValueError(f"it is damaged: an array has an element of type {type_}")
            self._budget.take(len(part) * (16 if kind == CHAR else 1), "an array")  # a letter becomes a text

    def _check_members(self, parts, kind, n, n_bytes, depth):
        if kind == OBJECT:
            _next(parts)  # the name of its class
        n_fields = 1
        if kind != CELL:
            length, (_, names) = self._integers(_next(parts), INT32), _next(parts)
            if length.size != 1 or length[0] < 1 or len(names) % length[0]:
                raise ValueError("it is damaged: the names of a struct's fields have another length than it says")
            n_fields = len(names) // int(length[0])
        if n * max(n_fields, 1) * TAG > n_bytes:
            raise ValueError(f"it is damaged: {n * n_fields} arrays should be in a cell or struct of {n_bytes} bytes")
        for _ in range(n * n_fields):
            self._check_array(*_next(parts), depth + 1)

    def _integers(self, part, wanted):
        kind, data = part
        if kind not in (INT32, UINT32) or len(data) % 4:
            raise ValueError(f"it is damaged: an element of type {kind} is where one of type {wanted} should be")
        return np.frombuffer(data, f"{self._order}{'i' if kind == INT32 else 'u'}4")


def _next(elements):
    found = next(elements, None)
    if found is None:
        raise ValueError("it is damaged: an array lacks one of its parts")
    return found


def _check_sparse(array):
    """Raise a ValueError if a sparse matrix, or one in cells or structs, has indices outside its shape."""
    dtype = getattr(array, "dtype", None)
    if hasattr(array, "check_format"):
        array.check_format(full_check=True)
    elif dtype is not None and dtype.hasobject:
        for part in [array[name] for name in dtype.names] if dtype.names else np.ravel(array):
            _check_sparse(part)
