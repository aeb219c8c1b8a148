"""Files of data: what a file is by its first bytes, which of its arrays is meant, and its numbers."""

from __future__ import annotations

import contextlib
import math
import os
from typing import Any

import h5py
import numpy as np

from .. import checks, foreign, hdf5, probe
from ..replacing import as_path, check_path
from ..types import Path
from .arrays import FOLLOWED, PICKLED, Pickled, read_npy, read_npz
from .bounds import check_regular
from .matlab import read_mat
from .text import read_text

N_NAMES = 20  # shown when a name is not in a file
MAGIC = {
    b"\x89HDF\r\n\x1a\n": "an HDF5 file",
    b"MATLAB 7.3 MAT-file": "an HDF5 file",
    b"PK\x03\x04": "an .npz file",
    b"PK\x05\x06": "an .npz file",
    b"\x93NUMPY": "an .npy file",
    b"MATLAB 5.0 MAT-file": "a .mat file",
}  # the first bytes of the files that are read
SHEETS = ".xlsx", ".xlsm", ".xls", ".ods"
OTHERS = {
    b"\x1f\x8b": "gzip: unpack it",
    b"PAR1": "Parquet: read it with pandas.read_parquet",
    b"CDF": "netCDF 3: read it with scipy.io.netcdf_file",
    b"SQLite": "SQLite: read it with pandas.read_sql",
    b"MThd": "MIDI: rtrbm.convert.read_midi reads it",
    b"\xff\xfe": "text in UTF-16: save it as UTF-8",
    b"\xfe\xff": "text in UTF-16: save it as UTF-8",
    b"RIFF": "sound or video: read it with a library for that",
    b"\x80": "a pickle, which runs code when it is read: save the arrays with numpy.savez",
}  # and of those that are not
SUFFIXES = {
    ".h5": ("an HDF5 file",),
    ".hdf5": ("an HDF5 file",),
    ".npz": ("an .npz file",),
    ".npy": ("an .npy file",),
    ".mat": ("a .mat file", "an HDF5 file"),
    ".csv": ("text",),
    ".tsv": ("text",),
    ".txt": ("text",),
}
READERS = {"an .npz file": read_npz, "an .npy file": read_npy, "a .mat file": read_mat, "text": read_text}
HEAD = 512  # bytes, after which an HDF5 file may begin too


def read(path: Path, name: str | None = None) -> Any:
    """The data in a file, in memory: what `fit` takes from the same path.

    Parameters
    ----------
    path : path-like
        An HDF5 file (.h5, also of MATLAB 7.3), .npz, .npy, .mat or text (.csv). Its first bytes decide. Attributes of
        HDF5 datasets are obeyed: MATLAB's reversed axes, scales, offsets and fill values of netCDF (NaN). An HDF5 file
        is looked at by another process first (`rtrbm.probe`): a damaged one can crash the process that opens it.
    name : str, optional
        The array that is meant, if the file holds several. An HDF5 group, a MATLAB cell and "/", which is the whole of
        an HDF5 or .npz file, are lists of arrays.

    Returns
    -------
    ndarray, list of ndarrays, or `rtrbm.minibatches.text.Table`
        A table of text with a header.

    Raises
    ------
    FileNotFoundError, IsADirectoryError, PermissionError
        If there is no such file, or it must not be read.
    TypeError
        If the file holds several arrays, and no name is given.
    ValueError
        If the file is not what its name says, truncated, damaged, locked, larger than memory, or of a kind that is not
        read; nothing is unpickled. Also if an HDF5 file takes data from one that is not in its folder.

    Examples
    --------
    >>> import os, tempfile
    >>> path = os.path.join(tempfile.mkdtemp(), "walk.csv")
    >>> with open(path, "w", encoding="utf-8") as file:
    ...     _ = file.write("hip,knee\\n0.5,1\\n0.25,0\\n")
    >>> table = read(path)
    >>> table.columns, np.asarray(table)
    (['hip', 'knee'], array([[0.5 , 1.  ],
           [0.25, 0.  ]]))
    """
    path = as_path("path", path)
    with _naming(path), opened(path if name is None else (path, name), "path") as X:
        if isinstance(X, h5py.Group):
            return _all({key: hdf5.array_in(X, key, "path") for key in hdf5.members(X)})
        if isinstance(X, hdf5.Cells):
            with foreign.dressed("path", f" from {path!r}"):
                members = {i: X.member(i) for i in range(len(X))}
            return _all(members)
        if isinstance(X, np.ndarray) and X.dtype == object and X.size == max(X.shape, default=0):
            return X.ravel().tolist()  # a cell
        return _whole(X, "path")


@contextlib.contextmanager
def _naming(path):
    """Context in which a ValueError names the file, if it does not do so yet."""
    try:
        yield
    except ValueError as error:
        if repr(path) in str(error):
            raise
        raise ValueError(f"{error} (in the file {path!r})") from error


def _all(members):
    """Members of an HDF5 group or a cell by their keys, in memory, if they fit there together."""
    n_bytes = sum(math.prod(X.shape) * X.dtype.itemsize for X in members.values() if X.shape is not None)
    checks.check_memory(f"path: {len(members)} arrays", n_bytes, np.uint8)
    return [_whole(X, f"path[{key!r}]") for key, X in members.items()]


def _whole(X, name):
    """An array in memory, if it fits there."""
    if not isinstance(X, np.memmap | h5py.Dataset | hdf5.View):
        return X
    if X.shape is None:
        raise ValueError(f"{name}: the dataset {X.name!r} holds no numbers")
    checks.check_memory(f"{name}: an array of shape {X.shape}", math.prod(X.shape), X.dtype)
    file = X.filename if isinstance(X, np.memmap) else X.file.filename
    with foreign.dressed(name, f" from {file!r}"):
        return np.array(X) if isinstance(X, np.memmap) else X[()]


@contextlib.contextmanager
def opened(X, argument="X"):
    """Context that gives what X = path or (path, name) names in a file; any other X as it is.

    Datasets of HDF5 files and .npy files are not read yet.

    Parameters
    ----------
    X : path-like, (path-like, str) or anything
    argument : str
        What messages call it.

    Raises
    ------
    FileNotFoundError, IsADirectoryError, PermissionError, TypeError, ValueError
        As `read`.
    """
    is_pair = isinstance(X, tuple) and len(X) == 2 and isinstance(X[0], str | os.PathLike)
    if not is_pair and not isinstance(X, str | os.PathLike):
        yield X
        return
    path, name = (as_path(argument, X[0]), X[1]) if is_pair else (as_path(argument, X), None)
    if is_pair and not isinstance(name, str):
        raise TypeError(f"{argument} must be (path, name) with the name of an array in {path!r}, got the name {name!r}")
    kind = kind_of(path, argument)
    if kind in ("text", "an .npy file") and name not in (None, "/"):
        raise ValueError(
            f"{argument}: {path!r} is {kind}, whose array has no name: leave {name!r} out; columns of a table are "
            "rtrbm.convert.read(path)[[name]]"
        )
    if kind == "an HDF5 file":
        with _hdf5(path, name, argument) as found:
            yield found
        return
    try:
        arrays = READERS[kind](path)
    except MemoryError as error:
        raise MemoryError(f"{argument}: {path!r} is larger than memory ({error}): take HDF5, read in parts") from error
    except Exception as error:  # readers of damaged files raise many kinds
        if kind == "text" and isinstance(error, UnicodeDecodeError):
            raise ValueError(f"{argument}: {path!r} is text that is not UTF-8, save it as UTF-8: {error}") from error
        reason = error if type(error) in (ValueError, Pickled) else f"{type(error).__name__}: {error}"
        is_said = kind == "text" or any(known in str(error) for known in (PICKLED, FOLLOWED))
        broken = f"{path!r} is {kind} that cannot be read" + ", it may be truncated" * (not is_said)
        raise ValueError(f"{argument}: {broken}: {reason}") from error
    yield arrays if not isinstance(arrays, dict) else _chosen(arrays, name, path, argument)


def kind_of(path, argument="X"):
    """What a file is by its first bytes, if that is what its name says.

    Returns
    -------
    str
    """
    check_regular(path, argument)
    try:
        with open(path, "rb") as file:
            head = file.read(HEAD + 8)
    except PermissionError as error:
        raise PermissionError(f"{argument}: {path!r} must not be read by this user ({error})") from error
    if not head:
        raise ValueError(f"{argument}: {path!r} is empty, 0 bytes")
    found = _kind_by(head)
    suffix = os.path.splitext(path)[1].lower()
    if suffix in SHEETS:
        raise ValueError(f"{argument}: {path!r} is a spreadsheet: save it as CSV, or hand in pandas.read_excel(path)")
    if found is None and suffix == ".mat" and 0 in head[:4]:
        found = "a .mat file"  # of version 4, which begins with numbers
    if found is None:
        has_zero = b"\0" in head  # text that begins as such a file does has none
        known = [magic for magic in OTHERS if head.startswith(magic) and (has_zero or not magic.isascii())]
        other = OTHERS[known[0]] if known else None
        if other is not None or has_zero:
            what = other or f"{', '.join(SUFFIXES)} are read"
            raise ValueError(f"{argument}: {path!r} is none of the files that are read by its first bytes; {what}")
        if suffix == ".json" or head.lstrip().startswith((b"{", b"[[", b"[{")):
            raise ValueError(
                f"{argument}: {path!r} is JSON: save its arrays with numpy.savez; music, lists of notes, is read by "
                "rtrbm.datasets.piano_rolls"
            )
        found = "text"
    if found not in SUFFIXES.get(suffix, (found,)):
        right = next(ending for ending, kinds in SUFFIXES.items() if found in kinds)
        raise ValueError(
            f"{argument}: {path!r} is named {suffix} but is {found} by its first bytes; rename it to *{right}"
        )
    return found


def check_no_data(name, path):
    """`rtrbm.replacing.check_path` for a page, a picture or a tune: no model and no data are replaced by one."""
    path = check_path(name, path)
    if os.path.exists(path):
        with open(path, "rb") as file:
            found = _kind_by(file.read(HEAD + 8))
        if found is not None:
            raise ValueError(f"{name} must be another file, {path!r} is {found} and would be lost: take another name")
    return path


def _kind_by(head):
    """What a file is by its first bytes, or None."""
    return next((kind for magic, kind in MAGIC.items() if magic in (head[: len(magic)], head[HEAD:])), None)


def _chosen(arrays, name, path, argument):
    """The array of that name, or the only one; all of them in their order if the name is "/"."""
    names = ", ".join(map(repr, [*arrays][:N_NAMES])) + (", ..." if len(arrays) > N_NAMES else "")
    if not arrays:
        raise ValueError(f"{argument}: {path!r} holds no arrays")
    if name is None and len(arrays) != 1:
        raise TypeError(
            f"{argument} must say which array of the file is meant, (path, name) or read(path, name); "
            f"there in {path!r}: {names}"
        )
    if name is not None:
        arrays = _with_field(arrays, name)
    if name is not None and name not in ("/", *arrays):
        raise ValueError(f"{argument} must name an array of {path!r}, got {name!r}; there: {names}")
    chosen = list(arrays.values()) if name in (None, "/") else [arrays[name]]
    for array in chosen:
        if isinstance(array, Pickled):
            raise ValueError(f"{argument}: {path!r} cannot be read: {array}")
    if name == "/":
        return chosen
    array = chosen[0]
    if isinstance(array, np.ndarray) and array.dtype.names:
        struct = next(iter(arrays)) if name is None else name
        fields = ", ".join(repr(f"{struct}/{field}") for field in array.dtype.names)
        what = f"a struct of that name, no array; name one of its fields: {fields}"
        several = f"{array.size} structs of that name: save their fields as arrays"
        raise ValueError(f"{argument}: {path!r} has {what if array.size == 1 else several}")
    return array


def _with_field(arrays, name):
    """The arrays by their names, and one more if the name is that of a field of a struct of MATLAB, "S/a" say."""
    first, *fields = name.split("/")
    found = arrays.get(first)
    for field in fields:
        if getattr(found, "size", 0) != 1 or field not in (found.dtype.names or ()):
            return arrays
        found = found.flat[0][field]
    return {**arrays, name: found} if fields else arrays


@contextlib.contextmanager
def _hdf5(path, name, argument):
    real = os.path.realpath(path)  # its sources are in the folder where the file is
    with contextlib.ExitStack() as stack:
        try:
            probe.check(real, name)
        except ValueError as error:
            raise ValueError(f"{argument} must be in a complete HDF5 file, {path!r} cannot be read: {error}") from error
        try:
            file = stack.enter_context(h5py.File(real, "r"))
        except OSError as error:
            if isinstance(error, BlockingIOError) or "unable to lock" in str(error):
                raise ValueError(
                    f"{argument}: {path!r} is locked, another program has it open for writing: close it there ({error})"
                ) from error
            raise ValueError(f"{argument} must be in a complete HDF5 file, {path!r} cannot be read: {error}") from error
        with _naming(path):
            try:
                named = _member(file, path, name, argument)
            except (OSError, RuntimeError, LookupError, AttributeError, OverflowError, UnicodeError) as error:
                raise ValueError(
                    f"{argument} must be in a complete HDF5 file, {path!r} cannot be read: {error}"
                ) from error
        yield named


def _member(file, path, name, argument):
    """What is named in an HDF5 file, or the only dataset in it, as `hdf5.view` has it."""
    found = hdf5.names_in(file, N_NAMES + 1)
    if name is None and len(found) != 1:
        raise TypeError(
            f"{argument} must say which dataset of the file is meant, (path, name) or read(path, name); there "
            f"in {path!r}: {_names(file)}"
        )
    name = found[0] if name is None else name
    if name not in file:
        raise ValueError(f"{argument} must name a dataset or a group of {path!r}, got {name!r}; there: {_names(file)}")
    stored, folder = file[name], os.path.dirname(os.path.realpath(path))
    try:
        probe.check_inside(stored, folder)
        named = hdf5.view(stored, argument)
        for part in _parts(named):
            probe.check_inside(part, folder)
    except probe.Outside as error:
        raise ValueError(f"{argument} must be in a complete HDF5 file, {path!r} cannot be read: {error}") from error
    return named


def _parts(named):
    """The datasets in a group or cell."""
    for key in hdf5.members(named) if isinstance(named, h5py.Group) else ():
        if isinstance(part := named.get(key), h5py.Dataset | h5py.Group):
            yield part
    for i in range(len(named) if isinstance(named, hdf5.Cells) else 0):
        with contextlib.suppress(Exception):  # it is told when the array is read
            yield named.stored(i)


def _names(file):
    """The names of the datasets and groups of a file, the first few of them."""
    names = []

    def note(name):
        names.append(name)
        return None if len(names) < N_NAMES else "enough"

    more = ", ..." if file.visit(note) else ""
    return ", ".join(map(repr, names)) + more or "none"
