"""numpy's files, .npy and .npz: nothing is read before its header is known to tell the truth, and nothing unpickled."""

import ast
import math
import os
import re
import zipfile

import numpy as np

from .bounds import Budget

MAGIC = b"\x93NUMPY"
LONGEST_HEADER = 2**16
RATIO = 500  # of memory and file: deflate makes zeros 1,030 times as small, data far less
PIECE = 2**20  # bytes that are unpacked at a time
PICKLED = (
    "is an array of Python's objects, pickled, which would run code when it is read; save every sequence as an array "
    "of its own, numpy.savez(path, *sequences), and name them (path, '/')"
)
FOLLOWED = (
    "bytes follow its array; save several arrays with numpy.savez(path, *arrays), or one anew with numpy.save(path, "
    "numpy.load(path))"
)


def read_npy(path):
    """The array of an .npy file, mapped into memory.

    Raises
    ------
    ValueError
        If its header is damaged, or describes more or less than the file holds.
    """
    with open(path, "rb") as file:
        dtype, shape, order = _header(file, os.path.getsize(path), "it")
        at = file.tell()
    more = os.path.getsize(path) - at - math.prod(shape) * dtype.itemsize
    if more:
        raise ValueError(f"{more} {FOLLOWED}")
    return np.memmap(path, dtype, "r", at, shape, order) if 0 not in shape else np.empty(shape, dtype)


class Pickled(ValueError):
    """That an array is one of Python's objects."""


def read_npz(path):
    """The arrays of an .npz file by their names; a `Pickled` stands for one that is not read.

    Raises
    ------
    ValueError
        If it holds anything but arrays, they are damaged or encrypted, come twice, or would take more memory than the
        size of the file explains.
    """
    found, budget = {}, Budget(path, RATIO)
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            name = member.filename.removesuffix(".npy")
            if name == member.filename or name in found:
                raise ValueError(f"it has {member.filename!r} twice" if name in found else f"{name!r} is no array")
            check_member(member)
            budget.take(member.file_size, f"the array {name!r}")
            with archive.open(member) as file:
                try:
                    found[name] = _array(file, member.file_size, name)
                except Pickled as error:
                    found[name] = error
    return found


def check_member(member):
    """Raise unless a member of a zip archive is packed in a way whose memory is bounded, and not encrypted."""
    if member.flag_bits & 1:
        raise ValueError(f"{member.filename!r} is encrypted")
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ValueError(f"{member.filename!r} is packed by another method than deflate: pack it anew")


def _array(file, n_bytes, name):
    dtype, shape, order = _header(file, n_bytes, name)
    array = np.empty(math.prod(shape), dtype)
    into, at = array.view(np.uint8) if array.size else np.empty(0, np.uint8), 0
    while at < len(into):
        part = file.read(min(PIECE, len(into) - at))
        if not part:
            raise ValueError(f"{name} is truncated")
        into[at : at + len(part)] = np.frombuffer(part, np.uint8)
        at += len(part)
    if file.read(1):  # at the end the checksum is compared
        raise ValueError(f"{name} has more bytes than its header says")
    return array.reshape(shape, order=order)


def _header(file, n_bytes, name):
    """The dtype, shape and order of an array, at the begin of a file of so many bytes."""
    begin = file.read(8)
    if len(begin) < 8 or begin[:6] != MAGIC or begin[6] not in (1, 2, 3):
        raise ValueError(f"{name} does not begin as an .npy file")
    width = 2 if begin[6] == 1 else 4
    length = int.from_bytes(file.read(width), "little")
    if length > LONGEST_HEADER:
        raise ValueError(f"{name} has a header of {length} bytes, at most {LONGEST_HEADER} are read")
    text = file.read(length).decode("utf-8" if begin[6] == 3 else "latin1")
    try:
        header = ast.literal_eval(re.sub(r"(\d)L\b", r"\1", text))  # Python 2 wrote 10L
        dtype, shape = np.lib.format.descr_to_dtype(header["descr"]), header["shape"]
        order = {False: "C", True: "F"}[header["fortran_order"]]
    except Exception as error:  # of text that is no header, of many kinds
        raise ValueError(f"the header of {name} is damaged: {type(error).__name__}: {error}") from error
    if dtype.hasobject:
        raise Pickled(f"{name} {PICKLED}")
    if not isinstance(shape, tuple) or not all(type(n) is int and n >= 0 for n in shape) or not dtype.itemsize:
        raise ValueError(f"the header of {name} is damaged: shape {shape!r:.60} of {dtype}")
    wanted, there = math.prod(shape) * dtype.itemsize, n_bytes - 8 - width - length
    if wanted > there:
        raise ValueError(f"{name} should have {wanted} bytes by its shape {shape!r:.60} of {dtype}, {there} are there")
    return dtype, shape, order
