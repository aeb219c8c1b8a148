"""Model files: written whole or not at all, checked before they are read, free of pickle.

A file of version 2 is a header of 512 bytes and an HDF5 file behind it. HDF5 skips such a header, so that
`h5py.File(path)` and other HDF5 tools open a model file as it is. The header is ASCII text; `head -c 512` shows it:

    rtrbm model, version 2
    sha256 <SHA-256 of all bytes after the header, hexadecimal>
    bytes <number of bytes after the header>

Spaces and a newline fill the rest of it. The HDF5 part has the attributes

- `format`: "rtrbm model, version 2",
- `model`: the name of the model's class,
- `hyper_parameters`: a JSON object,
- `progress`: a JSON object with the integers `n_updates` and `seed`, and `begin`, the update at which the present
  schedule of the learning rate began (0 if it is missing),

and the groups

- `params`, `optimizer`, `history`: arrays; a NamedTuple or dict within a group is a group within it,
- `chains`, optional: states of persistent chains,
- `data`, optional: the attribute `fingerprint`, and of a model that standardises the arrays `mean` and `scale`, one
  number per feature,
- `validation`, optional: the attribute `fingerprint`, and the arrays `update`, `error` and, where it could be had,
  `log_likelihood`, a value for each time they were measured,
- `engine`, optional: the attribute `name`, the library that was at work,
- `best`, optional: the best parameters so far, a group `params`, and the numbers `update` and `error`.

In a group, arrays are datasets and texts are attributes. A value that is None is left out: a model that lacks a
parameter has no dataset for it. A stack has the attributes `format` and `model`, and the groups `layer_1` (the bottom
one), `layer_2` and so on; each is laid out like a file. A reader takes the names that it knows and leaves the others.

A file of version 1 is an HDF5 file without a header; `format` is "rtrbm model, version 1", all else is the same.

HDF5 works in memory only. If the disk is full while HDF5 itself writes to it, the process crashes when it exits.
"""

import contextlib
import hashlib
import io
import json
import os
import re
import tempfile
from typing import NamedTuple

import h5py
import numpy as np

VERSION = 2
FORMAT = f"rtrbm model, version {VERSION}"
START = b"rtrbm model, version "
HEADER = 512  # bytes: the smallest user block that HDF5 allows
FIELDS = re.compile(rb"sha256 ([0-9a-f]{64})\nbytes (\d{1,18})\n")
SIGNATURE = b"\x89HDF\r\n\x1a\n"  # at the start of every HDF5 file, or after its user block
PROGRESS = ("n_updates", "seed", "begin")
LONGEST = 200  # bytes: file systems take 255, the temporary file beside a file needs some more than its name


# ---------------------------------------------------------------------------------- replacing a file


def check_path(name, path):
    """Raise unless `path` is a place where a file can be written.

    Raises
    ------
    TypeError
        If it is no path.
    ValueError
        If it is a folder, or its folder does not exist.
    """
    if not isinstance(path, str | os.PathLike):
        raise TypeError(f"{name} must be a path, got {path!r}")
    path = os.fspath(path)
    folder, file = os.path.split(path)
    if "\0" in path or not file or os.path.isdir(path) or not os.path.isdir(os.path.abspath(folder)):
        raise ValueError(f"{name} must be a file in an existing folder, got {path!r}")
    if len(os.fsencode(file)) > LONGEST:
        raise ValueError(f"{name} must be a file of a shorter name, of {LONGEST} bytes at most, got {path!r}")
    if not os.access(os.path.dirname(os.path.abspath(path)), os.W_OK):
        raise ValueError(f"{name} must be in a folder that can be written to, got {path!r}")


@contextlib.contextmanager
def replacing(path):
    """Path of a temporary file beside `path` that takes its place if the block ends well, and vanishes if not.

    Raises
    ------
    TypeError, ValueError
        As in `check_path`.
    OSError
        If the file cannot be written. It names `path` and the reason. An OSError of the block that is about another
        file than the temporary one is left as it is.
    """
    check_path("path", path)
    path = os.fspath(path)
    temporary = _temporary(path)
    try:
        yield temporary
        _settle(temporary, path)
    except BaseException as error:
        with contextlib.suppress(OSError):  # there is none left if only the last step, on the folder, broke off
            os.unlink(temporary)
        if isinstance(error, OSError) and _is_about(error, temporary):
            raise _cannot_write(path, error) from error
        raise


def _folder(path):
    return os.path.dirname(os.path.abspath(path))


def _temporary(path):
    """Make an empty file beside `path`, with the same ending."""
    try:
        handle, temporary = tempfile.mkstemp(dir=_folder(path), prefix=".", suffix=os.path.splitext(path)[1])
        os.close(handle)
    except OSError as error:
        raise _cannot_write(path, error) from error
    return temporary


def _settle(temporary, path):
    """Put a complete temporary file in the place of `path`, such that a power failure leaves one of the two whole."""
    with open(temporary, "rb+") as file:
        os.fsync(file.fileno())
    os.chmod(temporary, 0o666 & ~_umask())
    os.replace(temporary, path)
    _sync_folder(_folder(path))


def _sync_folder(folder):
    """Have a folder's entries written to the disk; systems that cannot do this are left alone.

    A failure is no error: both the new file and the earlier one are whole, it is open which of them a power failure
    would leave.
    """
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _is_about(error, temporary):
    """Whether an OSError is about the temporary file, or about no file that it names, as those of writing are."""
    return error.filename is None or temporary in (error.filename, error.filename2)


def _cannot_write(path, error):
    """An OSError like `error` that names the file that was asked for."""
    message = f"cannot write {path!r}: {error.strerror or error}"
    return OSError(message) if error.errno is None else OSError(error.errno, message, path)


# ------------------------------------------------------------------------------------------- writing


class Contents(NamedTuple):
    """All that is kept of a model.

    model : str, its class's name; hyper_parameters : dict, anything JSON can hold; progress : dict, the integers
    `n_updates`, `seed` and `begin`; groups : dict of dicts or NamedTuples of arrays, which can be nested. A text in a
    group is kept as an attribute. A value that is None is left out.
    """

    model: str
    hyper_parameters: dict
    progress: dict
    groups: dict


def write(path, contents):
    """Write a model.

    Parameters
    ----------
    path : path-like
        Replaced whole once the new file is complete.
    contents : Contents

    Raises
    ------
    TypeError, ValueError
        As in `check_path`; TypeError also if HDF5 cannot hold a value.
    OSError
        If the file cannot be written, as on a full disk. It names `path`; the earlier file stands.
    """
    with _new(path) as file:
        _write_contents(file, contents)


def write_stack(path, model, layers):
    """Write a stack of models, the class of the stack and its layers, the bottom one first; errors as of `write`."""
    with _new(path) as file:
        file.attrs["format"], file.attrs["model"] = FORMAT, model
        for i, contents in enumerate(layers, 1):
            _write_contents(file.create_group(f"layer_{i}"), contents)


def seal(data):
    """Fill in the header of a model file.

    Parameters
    ----------
    data : bytearray or writable memoryview
        All bytes of the file, changed in place.
    """
    with memoryview(data) as view:
        rest = view[HEADER:]
        text = f"{FORMAT}\nsha256 {hashlib.sha256(rest).hexdigest()}\nbytes {len(rest)}\n"
        view[:HEADER] = text.encode().ljust(HEADER - 1) + b"\n"
        rest.release()


@contextlib.contextmanager
def _new(path):
    """Context that gives an empty HDF5 file in memory, sealed and written to `path` if the block ends well."""
    image = io.BytesIO()
    with h5py.File(image, "w", userblock_size=HEADER) as file:
        yield file
    with image.getbuffer() as data:
        seal(data)
        with replacing(path) as temporary, open(temporary, "wb") as file:
            file.write(data)


def _write_contents(group, contents):
    group.attrs["format"] = FORMAT
    group.attrs["model"] = contents.model
    group.attrs["hyper_parameters"] = json.dumps(contents.hyper_parameters)
    group.attrs["progress"] = json.dumps(contents.progress)
    _write(group, contents.groups)


def _write(group, values):
    for name, value in values.items():
        if hasattr(value, "_asdict"):
            value = value._asdict()
        if isinstance(value, dict):
            _write(group.create_group(name), value)
        elif isinstance(value, str):
            group.attrs[name] = value
        elif value is not None:
            group[name] = value


# ------------------------------------------------------------------------------------------- reading


def read(path, model=None):
    """Read a model file.

    Parameters
    ----------
    path : path-like
    model : str, optional
        The class it must hold; any by default.

    Returns
    -------
    Contents, or list of Contents
        A list for a stack, the bottom layer first.

    Raises
    ------
    TypeError
        If `path` is no path.
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is truncated, has changed since it was written, is no HDF5 file, is no model of this package, was written
        by a newer version, or holds a model of another class.
    """
    with _opened(path, model) as file:
        return _contents(file, path) if "hyper_parameters" in file.attrs else _layers(file, path)


@contextlib.contextmanager
def _opened(path, model):
    """Context that gives the open file of a model of that class, or of any if it is None."""
    if not isinstance(path, str | os.PathLike):
        raise TypeError(f"path must be a path, got {path!r}")
    path = os.fspath(path)
    if not os.path.exists(path):
        raise FileNotFoundError(f"no model file at {path!r}")
    if not os.path.isfile(path):
        kind = "a folder" if os.path.isdir(path) else "a device or a pipe"
        raise ValueError(f"path must be a model file, {path!r} is {kind}")
    try:
        image, version = _image(path)
        with h5py.File(image, "r") as file:
            found = _version(str(file.attrs.get("format")).encode(), path)
            if found is None:
                raise ValueError(f"path must be a file of {FORMAT!r}, {path!r} is another kind of HDF5 file")
            if found != version:
                raise ValueError(
                    f"path must be a file as rtrbm wrote it, {path!r} has not the header of version {found}: another "
                    "program has written it"
                )
            if model is not None and _class(file) != model:
                raise ValueError(f"path must hold a model of class {model}, {path!r} holds {_class(file)}")
            yield file
    except (OSError, RuntimeError, KeyError) as error:
        raise ValueError(f"path must be a complete HDF5 model file, {path!r} cannot be read: {error}") from error


def _image(path):
    """The bytes of a file, checked against its header, and the version; the path and version 1 if it has no header."""
    with open(path, "rb") as file:
        start = file.read(HEADER + len(SIGNATURE))
        header, beyond = start[:HEADER], start[HEADER:]
        if not START.startswith(header[: len(START)]):
            if b"\nsha256 " in header and beyond == SIGNATURE:  # the first line is no longer the one that was written
                raise _changed(path)
            if not h5py.is_hdf5(path):
                raise ValueError(f"path must be a complete HDF5 model file, {path!r} is no HDF5 file")
            return path, 1
        line, newline, rest = header.partition(b"\n")
        version, fields = _version(line, path) if newline else None, FIELDS.match(rest)
        size = os.fstat(file.fileno()).st_size
        if len(header) < HEADER or fields and version == VERSION and size < HEADER + int(fields[2]):
            raise ValueError(f"path must be a complete model file, {path!r} is truncated: it has {size} bytes")
        if version != VERSION or not fields or size > HEADER + int(fields[2]):
            raise _changed(path)
        file.seek(0)
        data = file.read(size)
    if hashlib.sha256(memoryview(data)[HEADER:]).hexdigest() != fields[1].decode():
        raise _changed(path)
    return io.BytesIO(data), VERSION


def _version(text, path):
    """The version that the first line of a file, or its attribute `format`, tells; None in those of other files."""
    match = re.fullmatch(START + b"([0-9]{1,9})", text)
    if match and int(match[1]) > VERSION:
        raise ValueError(
            f"path must be a model file of version {VERSION} at most, {path!r} was written by a newer rtrbm "
            f"(version {int(match[1])}), this one reads versions 1 and 2: upgrade"
        )
    return int(match[1]) if match else None


def _changed(path):
    return ValueError(
        f"path must be a complete model file, {path!r} has changed since it was written: a copy that went wrong, or a "
        "failing disk; take another copy or the checkpoint before"
    )


def _class(file):
    """The name of the class of the model in an open file."""
    return str(file.attrs.get("model"))


def _layers(file, path):
    """The contents of each layer of a stack."""
    n_layers = sum(bool(re.fullmatch("layer_[1-9][0-9]*", name)) for name in file)
    if not n_layers:
        raise ValueError(f"path must be a complete model file, {os.fspath(path)!r} has no layers")
    return [_contents(file[f"layer_{i}"], path) for i in range(1, n_layers + 1)]


def _contents(group, path):
    try:
        hyper_parameters, progress = (json.loads(group.attrs[name]) for name in ("hyper_parameters", "progress"))
        progress = {name: progress[name] for name in PROGRESS if name in progress or name != "begin"}
        if not all(isinstance(value, int) for value in progress.values()):
            raise ValueError(f"progress must hold integers, got {progress}")
        groups = {name: _read(item) for name, item in group.items() if isinstance(item, h5py.Group)}
        return Contents(str(group.attrs["model"]), dict(hyper_parameters), progress, groups)
    except (KeyError, TypeError, ValueError, OverflowError, MemoryError) as error:
        raise ValueError(
            f"path must be a complete model file, the attributes of {os.fspath(path)!r} cannot be read: {error}"
        ) from error


def _read(group):
    """The texts and arrays of a group, the groups in it as dicts."""
    texts = {name: value for name, value in group.attrs.items() if isinstance(value, str)}
    return texts | {name: _read(item) if isinstance(item, h5py.Group) else item[()] for name, item in group.items()}


def restored(like, saved, path):
    """The arrays that a group of a model file holds, in the form of `like`.

    Parameters
    ----------
    like : NamedTuple of ndarrays, None or such NamedTuples
        Of the shapes and dtypes wanted.
    saved : dict
        Arrays by name, and dicts of them.
    path : path-like
        For messages.

    Returns
    -------
    NamedTuple of the type of `like`

    Raises
    ------
    ValueError
        If an array is missing, or of another shape or dtype.
    """
    saved = saved if isinstance(saved, dict) else {}
    missing = {name for name, part in like._asdict().items() if part is not None} - set(saved)
    if missing:
        raise ValueError(f"path must be a complete model file, {os.fspath(path)!r} lacks {sorted(missing)}")

    def part(name, wanted):
        if hasattr(wanted, "_fields"):
            return restored(wanted, saved[name], path)
        if wanted is None:
            return None
        array = np.asarray(saved[name])
        if array.shape != wanted.shape or array.dtype != wanted.dtype:
            raise unfitting(path)
        return array

    return type(like)(*(part(name, wanted) for name, wanted in like._asdict().items()))


def unfitting(path):
    """The error of a file whose arrays do not fit together."""
    return ValueError(f"path must be a complete model file, the arrays of {os.fspath(path)!r} do not fit together")
