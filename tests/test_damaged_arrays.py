"""What is wrong with a damaged .npy, .npz or .mat file is said; the same files without the damage are read."""

import io
import struct
import zipfile
import zlib

import numpy as np
import pytest

from rtrbm.convert import read
from rtrbm.minibatches import arrays, bounds

HEADER = "{{'descr': {}, 'fortran_order': False, 'shape': {}}}"


def npy(descr="'<f8'", shape="(2, 3)", data=bytes(48), version=1, magic=b"\x93NUMPY", text=None):
    """The bytes of an .npy file."""
    text = (text or HEADER.format(descr, shape)).encode()
    return magic + bytes([version, 0]) + struct.pack("<H" if version == 1 else "<I", len(text)) + text + data


@pytest.mark.parametrize("version", [1, 2, 3])
def test_arrays_of_all_versions_are_read(version, tmp_path):
    (tmp_path / "a.npy").write_bytes(npy(version=version, data=np.arange(6.0).tobytes()))
    np.testing.assert_array_equal(read(tmp_path / "a.npy"), np.arange(6.0).reshape(2, 3))


def test_an_array_of_python_2_and_one_without_numbers(tmp_path):
    (tmp_path / "a.npy").write_bytes(npy(shape="(2L, 3L)"))
    assert arrays.read_npy(tmp_path / "a.npy").shape == (2, 3)
    (tmp_path / "a.npy").write_bytes(npy(shape="(0, 3)", data=b""))
    assert arrays.read_npy(tmp_path / "a.npy").shape == (0, 3)


NPY = {
    "does not begin as an .npy file": npy(version=9),
    "has a header of 70000 bytes": npy(version=2, text=" " * 70_000),
    "the header of it is damaged: SyntaxError": npy(text="{'descr': "),
    "the header of it is damaged: KeyError": npy(text="{'descr': '<f8'}"),
    "is an array of Python's objects, pickled": npy(descr="'|O'"),
    r"is damaged: shape \(-2, 3\)": npy(shape="(-2, 3)"),
    r"is damaged: shape 6 of float64": npy(shape="6"),
    "should have 48 bytes by its shape .* 8 are there": npy(data=bytes(8)),
    "cannot be read: 128 bytes follow its array; save several": npy(data=bytes(176)),
}


@pytest.mark.parametrize("message", NPY)
def test_damaged_npy_files(message, tmp_path):
    (tmp_path / "a.npy").write_bytes(NPY[message])
    with pytest.raises(ValueError, match=message):
        read(tmp_path / "a.npy")


def npz(members, method=zipfile.ZIP_DEFLATED):
    """The bytes of an .npz file."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return file.getvalue()


ONE = npz([("a.npy", npy())])
NPZ = {
    "'a.txt' is no array": npz([("a.txt", b"x")]),
    "is packed by another method than deflate": npz([("a.npy", npy())], zipfile.ZIP_BZIP2),
    "'a.npy' is encrypted": ONE.replace(b"PK\1\2\x14\3\x14\0\0\0", b"PK\1\2\x14\3\x14\0\1\0"),
    "a has more bytes than its header says": npz([("a.npy", npy(data=bytes(49)))]),
    "the array 'a' would take 100000000 bytes": npz([("a.npy", bytes(10**8))]),
    "a should have 48 bytes": npz([("a.npy", npy(data=b""))]),
}


@pytest.mark.parametrize("message", NPZ)
def test_damaged_npz_files(message, tmp_path, monkeypatch):
    monkeypatch.setattr(bounds, "SPARED", 2**25)
    (tmp_path / "a.npz").write_bytes(NPZ[message])
    with pytest.raises(ValueError, match=message):
        read(tmp_path / "a.npz")
    (tmp_path / "a.npz").write_bytes(ONE)
    assert (read(tmp_path / "a.npz") == np.zeros((2, 3))).all()


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_an_array_that_comes_twice(tmp_path):
    (tmp_path / "a.npz").write_bytes(npz([("a.npy", npy())] * 2))
    with pytest.raises(ValueError, match="it has 'a.npy' twice"):
        read(tmp_path / "a.npz")


def test_an_array_that_ends_too_early():
    """A zip archive that lies about the size of a member."""
    with pytest.raises(ValueError, match="a is truncated"):
        arrays._array(io.BytesIO(npy(data=bytes(8))), 200, "a")


# ------------------------------------------------------------------------------------ MATLAB


def element(kind, data):
    return struct.pack("<II", kind, len(data)) + data + bytes(0 if kind == 15 else -len(data) % 8)  # 15: packed


def numbers(kind, *values):
    return element(kind, struct.pack(f"<{len(values)}i", *values))


def matrix(parts=(), kind=6, shape=(1, 1), data=b"", name=b"x"):
    """An array: its flags, shape, name, and parts."""
    named = element(1, name)
    return element(14, numbers(6, kind, 0) + numbers(5, *shape) + named + b"".join(parts) + data)


def mat(*elements):
    return b"MATLAB 5.0 MAT-file".ljust(124) + struct.pack("<H2s", 0x100, b"IM") + b"".join(elements)


DOUBLE = element(9, struct.pack("<d", 2.5))


def sparse(row):
    """A sparse matrix of 2 x 2 with a number in that row of the first column."""
    return matrix([numbers(5, row), numbers(5, 0, 1, 1), DOUBLE], kind=5, shape=(2, 2))


FIELDS = numbers(5, 8) + element(1, b"field\0\0\0")
IN_CELLS = matrix([DOUBLE])
for _ in range(40):
    IN_CELLS = matrix([IN_CELLS], kind=1)
MAT = {
    "is damaged: its header does not tell the order of bytes": mat(matrix([DOUBLE])).replace(b"IM", b"XX"),
    "is damaged: an element of type 9 is where an array should be": mat(DOUBLE),
    "truncated inside the tag of an element": mat(matrix([DOUBLE]))[:-1] + b"\0" + b"\1\2\3",
    "truncated: an element should have 99 bytes": mat(struct.pack("<II", 14, 99)),
    "truncated, or has a variable of more than": mat(element(15, zlib.compress(matrix([DOUBLE]))[:-9])),
    "is damaged: Error -3": mat(element(15, b"no zlib stream")),
    "cells or structs in one another, more than 32": mat(IN_CELLS),
    "is damaged: an array has the flags": mat(matrix([DOUBLE], kind=99)),
    "is damaged: an array has the shape": mat(matrix([DOUBLE], shape=(1, -1))),
    "is damaged: an array has an element of type 8": mat(matrix([element(8, bytes(8))])),
    "is damaged: an array has an element of type 16": mat(matrix([element(16, bytes(8))])),  # a text for numbers
    "is damaged: ValueError: .*ind": mat(sparse(5)),
    "is damaged: an array has more parts than its class": mat(matrix([DOUBLE] * 2)),
    "array lacks one of its parts": mat(matrix([DOUBLE], kind=6 | 0x800)),  # no imaginary one
    "is damaged: an array of the shape": mat(matrix([DOUBLE], shape=(1000, 1000))),
    "a sparse matrix would take 1600000000 bytes": mat(matrix([DOUBLE] * 3, kind=5, shape=(2 * 10**8, 1))),
    "the names of a struct's fields have another length": mat(matrix([numbers(5, 0), element(1, b"")], kind=2)),
    "arrays should be in a cell or struct of": mat(matrix([FIELDS], kind=2, shape=(1000, 1))),
    "an element of type 9 is where one of type 6 should be": mat(element(14, DOUBLE)),
    "is damaged: an array lacks one of its parts": mat(element(14, numbers(6, 6, 0))),
}


@pytest.mark.parametrize("message", MAT)
def test_damaged_mat_files(message, tmp_path):
    (tmp_path / "a.mat").write_bytes(MAT[message])
    with pytest.raises(ValueError, match=message):
        read(tmp_path / "a.mat")


@pytest.mark.parametrize("packed", [False, True])
def test_mat_files_are_read(packed, tmp_path):
    """Control: whole ones, packed or not."""
    array = matrix([DOUBLE])
    (tmp_path / "a.mat").write_bytes(mat(element(15, zlib.compress(array)) if packed else array))
    assert read(tmp_path / "a.mat").tolist() == [[2.5]]


def test_what_is_no_array_may_lie_beside_one(tmp_path):
    """A string or a table of MATLAB, a handle of a function, a sparse matrix."""
    names = b"".join(element(1, name) for name in (b"table", b"MCOS", b"table"))
    table = element(14, numbers(6, 17, 0) + names + matrix([DOUBLE]))
    handle = matrix([matrix([DOUBLE])], kind=16, name=b"f")
    (tmp_path / "a.mat").write_bytes(mat(table, handle, matrix([DOUBLE])))
    assert read(tmp_path / "a.mat", "x").tolist() == [[2.5]]
    (tmp_path / "b.mat").write_bytes(mat(sparse(1)))
    assert np.asarray(read(tmp_path / "b.mat").todense()).tolist() == [[0, 0], [2.5, 0]]


def test_a_file_may_hold_so_much(tmp_path):
    (tmp_path / "small").write_bytes(bytes(10))
    budget = bounds.Budget(tmp_path / "small", 3)
    budget.take(bounds.SPARED, "the first")
    with pytest.raises(ValueError, match="the second would take 1 bytes, the file is too small to hold so much"):
        budget.take(1, "the second")
