"""Models in HDF5 files, written whole or not at all, read without pickle.

File layout: attributes `format`, `model` (class name), `hyper_parameters` and `progress` (JSON); a group for each of
`params`, `optimizer` and `history`, holding arrays (nested NamedTuples are nested groups). A stack has the attributes
`format` and `model`, and a group for each layer, `layer_1` at the bottom, which is laid out like a file.
"""

import contextlib
import json
import os
import tempfile
from typing import NamedTuple

import h5py

FORMAT = "rtrbm model, version 1"
PROGRESS = ("n_updates", "seed")
STACK = "Stack"
LONGEST = 200  # bytes: file systems take 255, the temporary file beside a file needs some more than its name


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
    """
    check_path("path", path)
    path = os.fspath(path)
    folder = os.path.dirname(os.path.abspath(path))
    handle, temporary = tempfile.mkstemp(dir=folder, prefix=".", suffix=os.path.splitext(path)[1])
    os.close(handle)
    try:
        yield temporary
        with open(temporary, "rb") as file:
            os.fsync(file.fileno())
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def _umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _write(group, arrays):
    for name, value in arrays.items():
        if hasattr(value, "_asdict"):
            value = value._asdict()
        if isinstance(value, dict):
            _write(group.create_group(name), value)
        else:
            group[name] = value


def _read(group):
    return {name: _read(item) if isinstance(item, h5py.Group) else item[()] for name, item in group.items()}


class Contents(NamedTuple):
    """What is kept of a model.

    model : str, its class's name; hyper_parameters : dict, anything JSON can hold; progress : dict, the integers
    `n_updates` and `seed`; groups : dict of dicts or NamedTuples of arrays.
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
    """
    with replacing(path) as temporary, h5py.File(temporary, "w") as file:
        _write_contents(file, contents)


def write_stack(path, layers):
    """Write a stack of models, the bottom one first; arguments as of `write`."""
    with replacing(path) as temporary, h5py.File(temporary, "w") as file:
        file.attrs["format"], file.attrs["model"] = FORMAT, STACK
        for i, contents in enumerate(layers, 1):
            _write_contents(file.create_group(f"layer_{i}"), contents)


def _write_contents(group, contents):
    group.attrs["format"] = FORMAT
    group.attrs["model"] = contents.model
    group.attrs["hyper_parameters"] = json.dumps(contents.hyper_parameters)
    group.attrs["progress"] = json.dumps(contents.progress)
    _write(group, contents.groups)


def read(path, model):
    """Read a model file.

    Parameters
    ----------
    path : path-like
    model : str
        The class it must hold.

    Returns
    -------
    Contents

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is truncated, no HDF5 file, no model of this package, or a model of another class.
    """
    with _opened(path, model) as file:
        return _contents(file, path)


def read_stack(path):
    """Read the layers of a stack, the bottom one first; raises as `read`.

    Returns
    -------
    list of Contents
    """
    with _opened(path, STACK) as file:
        if not len(file):
            raise ValueError(f"path must be a complete model file, {os.fspath(path)!r} has no layers")
        return [_contents(file[f"layer_{i}"], path) for i in range(1, len(file) + 1)]


@contextlib.contextmanager
def _opened(path, model):
    """Context that gives the open file of a model of that class."""
    if not isinstance(path, str | os.PathLike):
        raise TypeError(f"path must be a path, got {path!r}")
    path = os.fspath(path)
    if not os.path.exists(path):
        raise FileNotFoundError(f"no model file at {path!r}")
    if os.path.isdir(path):
        raise ValueError(f"path must be a model file, {path!r} is a folder")
    try:
        with h5py.File(path, "r") as file:
            attributes = dict(file.attrs)
            if str(attributes.get("format")) != FORMAT:
                raise ValueError(f"path must be a file of {FORMAT!r}, {path!r} is another kind of HDF5 file")
            if str(attributes.get("model")) != model:
                raise ValueError(
                    f"path must hold a model of class {model}, {path!r} holds {attributes.get('model')}"
                )
            yield file
    except (OSError, RuntimeError, KeyError) as error:
        raise ValueError(
            f"path must be a complete HDF5 model file, {path!r} cannot be read: {error}"
        ) from error


def _contents(group, path):
    try:
        hyper_parameters, progress = (
            json.loads(group.attrs[name]) for name in ("hyper_parameters", "progress")
        )
        if not all(isinstance(progress[name], int) for name in PROGRESS):
            raise ValueError(f"progress must hold integers, got {progress}")
        progress = {name: progress[name] for name in PROGRESS}
        groups = {name: item for name, item in _read(group).items() if isinstance(item, dict)}
        return Contents(str(group.attrs["model"]), dict(hyper_parameters), progress, groups)
    except (KeyError, TypeError, ValueError, OverflowError, MemoryError) as error:
        raise ValueError(
            f"path must be a complete model file, the attributes of {os.fspath(path)!r} cannot be read: {error}"
        ) from error


def named_tuple(kind, arrays, path):
    """The NamedTuple of type `kind` that a group of a model file holds, arrays as arrays and groups as dicts.

    Raises
    ------
    ValueError
        If an array is missing.
    """
    missing = set(kind._fields) - set(arrays if isinstance(arrays, dict) else ())
    if missing:
        raise ValueError(f"path must be a complete model file, {os.fspath(path)!r} lacks {sorted(missing)}")
    return kind(*(arrays[name] for name in kind._fields))
