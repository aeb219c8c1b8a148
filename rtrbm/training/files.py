"""Model files: written whole or not at all, checked as they are read, free of pickle.

A file of version 3 is a header of 512 bytes, an HDF5 file, and a table. HDF5 skips such a header and ignores what
comes behind its own end, so that `h5py.File(path)` and other HDF5 tools open a model file as it is. The header is ASCII
text; `head -c 512` shows it:

    rtrbm model, version 3
    sha256 <SHA-256 of all bytes after the header, hexadecimal>
    bytes <number of bytes after the header>
    table <number of bytes of the table, the last ones of the file>

Spaces and a newline fill the rest of it. The HDF5 part has the attributes

- `format`: "rtrbm model, version 3",
- `model`: the name of the model's class,
- `hyper_parameters`: a JSON object, all settings of that class,
- `progress`: a JSON object with the integers `n_updates` and `seed`, and `begin`, the update at which the present
  schedule of the learning rate began (0 if it is missing),

and the groups

- `params`, `optimizer`, `history`: arrays; a NamedTuple or dict within a group is a group within it,
- `chains`, optional: states of persistent chains,
- `data`, optional: the attribute `fingerprint`, and of a model that standardises the arrays `mean` and `scale`, one
  number per feature,
- `validation`, optional: the attribute `fingerprint`, and the arrays `update`, `error` and, where it could be had,
  `log_likelihood`, a value for each time they were measured,
- `features`, optional: the arrays `names` and `inputs`, UTF-8 bytes, one for each feature and each known input,
- `health`, optional: the arrays `update`, `dead_units`, `saturated_units`, `still_chains`, `noise_error` and
  `overfitting`, a value for each time they were looked at,
- `engine`, optional: the attribute `name`, the library that was at work,
- `best`, optional: the best parameters so far, a group `params`, and the numbers `update` and `error`.

In a group, arrays are contiguous datasets and texts are attributes. A value that is None is left out: a model that
lacks a parameter has no dataset for it. A stack has the attributes `format` and `model`, and the groups `layer_1` (the
bottom one), `layer_2` and so on; each is laid out like a file. A reader takes the names that it knows and leaves the
others. A setting that a class gets later is a reason for another version of the format.

The table is a JSON object, the HDF5 part without its arrays: a group is an object, a text is a string, and an array is
[dtype as numpy writes it, shape, offset in the file]. `read` goes by the header and the table; no byte of the file
comes to HDF5. It reads an array once its dtype and shape are seen to be those that the settings call for.

A file of version 2 has no table, and no such line in its header. A file of version 1 has no header either, it is an
HDF5 file. In both a setting may be missing, which has its default then. Their tables are made by HDF5 in a process of
its own (`rtrbm.probe`).

HDF5 writes to memory only. If the disk is full while HDF5 itself writes to it, the process crashes when it exits.

The file that a checkpoint replaces is kept, `run.h5` as `run.h5.before`. `read` takes it, and says so, if the newer
file is damaged.
"""

import hashlib
import io
import json
import os
import re
import time
from typing import NamedTuple

import h5py

from .. import probe
from ..replacing import as_path, before, check_path as check_place, replacing
from ..warned import warn
from .kept import Damaged, ModelFile, arrays, loads, shortened

VERSION = 3
FORMAT = f"rtrbm model, version {VERSION}"
START = b"rtrbm model, version "
HEADER = 512  # bytes: the smallest user block that HDF5 allows
FIELDS = re.compile(rb"sha256 ([0-9a-f]{64})\nbytes (\d{1,18})\n(?:table (\d{1,18})\n)? *\n")
SIGNATURE = b"\x89HDF\r\n\x1a\n"  # at the start of every HDF5 file, or after its user block
PROGRESS = ("n_updates", "seed", "begin")
LONGEST = 2**21  # bytes of a table
SLACK = 2**24  # bytes of a file that its reader has no use for: HDF5's own, and what later versions may add
LARGE = 2**28  # bytes of a file whose digest is not checked at once
SEARCHED = 2**20  # bytes at the start of a file of version 1 that hold its attributes
_written = {}  # files as this process wrote them last


class Contents(NamedTuple):
    """All that is kept of a model.

    model : str, its class's name; hyper_parameters : dict, anything JSON can hold; progress : dict, the integers
    `n_updates`, `seed` and `begin`; groups : dict of dicts or NamedTuples of arrays, which can be nested. A text in a
    group is kept as an attribute. A value that is None is left out. The arrays of a file are `Kept`. version : int, of
    the format; a setting may be missing in an earlier one.
    """

    model: str
    hyper_parameters: dict
    progress: dict
    groups: dict
    version: int = VERSION


# ------------------------------------------------------------------------------------------- writing


def check_path(name, path):
    """The path of a place where a model can be written, a `~` in it replaced.

    Raises
    ------
    TypeError, ValueError
        As `rtrbm.replacing.check_path`; also if there is a file that is no model file: it is not replaced. A damaged
        model file is, and an empty file.
    """
    path = check_place(name, path)
    if os.path.exists(path) and os.path.getsize(path):
        try:
            with open(path, "rb") as file:
                start = file.read(SEARCHED)
        except OSError as error:
            raise ValueError(f"{name} must be a file that may be read, {path!r} is not: {error.strerror}") from error
        if not _is_ours(start) and START + b"1" not in start:
            raise ValueError(
                f"{name} must be another file, {path!r} is there and no model file: it would be lost; take another "
                "name, or delete it"
            )
    return path


def check_checkpoint(path):
    """The absolute path of a checkpoint: the process may change its folder while it trains.

    Raises
    ------
    TypeError, ValueError
        As `check_path`, also about the file before.
    """
    path = os.path.abspath(check_path("checkpoint", path))
    if os.path.lexists(before(path)):
        check_path("checkpoint", before(path))
    return path


def write(path, contents, keep=False):
    """Write a model.

    Parameters
    ----------
    path : path-like
        Replaced whole once the new file is complete.
    contents : Contents
    keep : bool
        Whether the file that was there is kept, as `rtrbm.replacing.before` names it, unless it is damaged.

    Raises
    ------
    TypeError, ValueError
        As in `check_path`; TypeError also if HDF5 cannot hold a value.
    OSError
        If the file cannot be written, as on a full disk. It names `path`; the earlier file stands.
    """
    _write_file(path, keep, lambda file: _write_contents(file, contents))


def write_stack(path, model, layers):
    """Write a stack of models, the class of the stack and its layers, the bottom one first; errors as of `write`."""

    def fill(file):
        file.attrs["format"], file.attrs["model"] = FORMAT, model
        for i, contents in enumerate(layers, 1):
            _write_contents(file.create_group(f"layer_{i}"), contents)

    _write_file(path, False, fill)


def _write_file(path, keep, fill):
    """Write a file that `fill`, called with an empty HDF5 file in memory, puts its contents into."""
    path = check_path("path", path)
    image = io.BytesIO()
    with h5py.File(image, "w", userblock_size=HEADER) as file:
        fill(file)
    seal(image)
    keep = keep and os.path.exists(path) and (_written.get(os.path.realpath(path)) == _state(path) or _is_whole(path))
    with replacing(path, keep) as temporary, open(temporary, "wb") as file, image.getbuffer() as data:
        file.write(data)
    _written[os.path.realpath(path)] = _state(path)


def _state(path):
    status = os.stat(path)
    return status.st_ino, status.st_size, status.st_mtime_ns


def seal(image):
    """Put the table behind an HDF5 file, and fill in the header.

    Parameters
    ----------
    image : io.BytesIO
        An HDF5 file with room for the header, changed in place.
    """
    with h5py.File(image, "r") as file:
        table = json.dumps(probe.table(file)).encode()
    if len(table) > LONGEST:
        raise ValueError(f"the settings and names of a model must not take more than {LONGEST} bytes in a file")
    image.seek(0, os.SEEK_END)
    image.write(table)
    with image.getbuffer() as data, data[HEADER:] as rest:
        text = f"{FORMAT}\nsha256 {hashlib.sha256(rest).hexdigest()}\nbytes {len(rest)}\ntable {len(table)}\n"
        data[:HEADER] = text.encode().ljust(HEADER - 1) + b"\n"


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


def read(path, parse, model=None):
    """Read a model file, or the one before if it is damaged.

    Parameters
    ----------
    path : path-like
    parse : callable (contents, path)
        Makes a model of a `Contents`, or of a list of them for a stack, the bottom layer first. Nothing has been
        checked but that the arrays lie in the file. What it returns is used if the file is the one that was written.
    model : str, optional
        The class it must hold; any by default.

    Returns
    -------
    What `parse` returns

    Raises
    ------
    TypeError
        If `path` is no path.
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is truncated, has changed since it was written, is no HDF5 file, is no model of this package, was written
        by a newer version, or holds a model of another class.

    Warns
    -----
    UserWarning
        If the file before was read.
    """
    path = as_path("path", path)
    try:
        return _read(path, parse, model)
    except Damaged as error:
        earlier = before(path)
        try:
            found = _read(earlier, parse, model)
        except (ValueError, OSError):
            raise error from error.__cause__
        written = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(os.path.getmtime(earlier)))
        warn(f"{error}; read instead: {earlier!r}, the file before, of {written}")
        return found


def look(path, parse):
    """What `parse` makes of the contents of a model file, most of its arrays unread.

    The file before is not taken for a damaged one. The digest of a file above 256 MB is not checked. All else is as
    `read` does it.
    """
    return _read(as_path("path", path), parse, whole=False)


def _read(path, parse, model=None, whole=True):
    """What `parse` makes of a file; `whole` says that it reads the arrays."""
    try:
        with ModelFile(path) as file:
            version, digest, n_table = _header(file)
            if digest is not None and file.size < LARGE:
                _check_digest(file, digest)
            try:
                found = parse(_contents(_table(file, version, n_table), file, version, model), path)
            except ValueError as error:
                if file.size < LARGE or isinstance(error, Damaged):
                    raise
                raise Damaged(str(error)) from error  # it may be: its digest would take long
            if not whole or digest is None:
                return found
            if file.size > SLACK + 2 * file.n_read:
                raise ValueError(
                    f"path must be a model file, {path!r} has {file.size} bytes and its model {file.n_read}: it holds "
                    "something else"
                )
            if file.size >= LARGE:  # it has been seen to be as large as its model
                _check_digest(file, digest)
            return found
    except Exception as error:  # also what nobody thought of
        if isinstance(error, ValueError | FileNotFoundError) and repr(path) in str(error):
            raise
        kind = Damaged if isinstance(error, OSError) else ValueError
        raise kind(f"path must be a complete model file, {path!r} cannot be read: {shortened(error)}") from error


def _header(file):
    """The version, digest and number of bytes of the table that the header of a file tells; 1, None, 0 without one."""
    start = file.bytes(0, HEADER + len(SIGNATURE))
    header, behind = bytes(start[:HEADER]), start[HEADER:]
    if not START.startswith(header[: len(START)]):
        if _is_ours(start):  # the first line is no longer the one that was written
            raise _changed(file)
        if behind == SIGNATURE or header.startswith(SIGNATURE):
            return 1, None, 0
        raise Damaged(f"path must be a complete model file, {file.path!r} is none")
    line, newline, rest = header.partition(b"\n")
    version, fields = _version(line, file) if newline else None, FIELDS.match(rest)
    n_bytes, n_table = (int(fields[2]), int(fields[3] or 0)) if fields else (0, 0)
    if len(header) < HEADER or fields and file.size < HEADER + n_bytes:
        raise Damaged(f"path must be a complete model file, {file.path!r} is truncated: it has {file.size} bytes")
    has_table = fields is not None and fields[3] is not None
    known = version == VERSION and has_table and n_table <= min(n_bytes, LONGEST) or version == 2 and not has_table
    if not fields or not known or file.size > HEADER + n_bytes:
        raise _changed(file)
    return version, fields[1].decode(), n_table


def _is_ours(start):
    """Whether the first bytes of a file are those of a model file with a header, or damaged ones."""
    header, behind = start[:HEADER], start[HEADER : HEADER + len(SIGNATURE)]
    return header.startswith(START) or b"\nsha256 " in header and behind == SIGNATURE


def _version(text, file):
    """The version that the first line of a file, or its attribute `format`, tells; None in those of other files."""
    match = re.fullmatch(START + b"([0-9]{1,9})", text)
    if match and int(match[1]) > VERSION:
        raise ValueError(
            f"path must be a model file of version {VERSION} at most, {file.path!r} was written by a newer rtrbm "
            f"(version {int(match[1])}), this one reads versions 1 to {VERSION}: upgrade"
        )
    return int(match[1]) if match else None


def _is_whole(path):
    """Whether a file can be a complete model file, as far as its header and digest tell."""
    try:
        with ModelFile(path) as file:
            _, digest, _ = _header(file)
            if digest is not None:
                _check_digest(file, digest)
    except (ValueError, OSError):
        return False
    return True


def _check_digest(file, digest):
    if file.sha256(HEADER) != digest:
        raise _changed(file)


def _changed(file):
    return Damaged(
        f"path must be a complete model file, {file.path!r} has changed since it was written: a copy that went wrong, "
        "or a failing disk; take another copy or the checkpoint before"
    )


def _table(file, version, n_table):
    """The texts and arrays of a file, all else checked that can be checked without knowing the model."""
    try:
        found = loads(file.bytes(file.size - n_table, n_table)) if version == VERSION else probe.tables(file.path)
        return arrays(found, file)
    except ValueError as error:
        raise Damaged(f"path must be a complete model file, {file.path!r} cannot be read: {error}") from error


def _contents(table, file, version, model):
    """The contents of a file; of a stack those of its layers."""
    path, found = file.path, _version(str(table.get("format")).encode(errors="replace"), file)
    if found is None:
        raise Damaged(f"path must be a file of {FORMAT!r}, {path!r} is another kind of HDF5 file")
    if found != version:
        raise ValueError(
            f"path must be a file as rtrbm wrote it, {path!r} does not have the header of version {found}: another "
            "program has written it"
        )
    if model is not None and table.get("model") != model:
        raise ValueError(f"path must hold a model of class {model}, {path!r} holds {shortened(table.get('model'))}")
    if "hyper_parameters" in table:
        return _of_model(table, path, version)
    layers = [name for name in table if re.fullmatch("layer_[1-9][0-9]{0,3}", name)]
    if not layers:
        raise ValueError(f"path must be a complete model file, {path!r} has no layers")
    return [_of_model(table.get(f"layer_{i}"), path, version) for i in range(1, len(layers) + 1)]


def _of_model(table, path, version):
    try:
        hyper_parameters = loads(table["hyper_parameters"], constants=True)
        progress = loads(table["progress"])
        progress = {name: progress[name] for name in PROGRESS if name in progress or name != "begin"}
        if not all(type(value) is int for value in progress.values()):
            raise ValueError(f"progress must hold integers, got {progress}")
        if not isinstance(table["model"], str):
            raise ValueError("the name of its class is no text")
        groups = {name: part for name, part in table.items() if isinstance(part, dict)}
        return Contents(table["model"], hyper_parameters, progress, groups, version)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ValueError(
            f"path must be a complete model file, the attributes of {path!r} cannot be read: {shortened(error)}"
        ) from error
