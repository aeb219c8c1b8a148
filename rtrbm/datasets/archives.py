"""Archives unpacked into a folder, and nowhere else."""

import bz2
import contextlib
import gzip
import lzma
import os
import tarfile
import tempfile
import zipfile
from pathlib import PurePosixPath, PureWindowsPath

from ..minibatches.arrays import PIECE, check_member

MAX_BYTES, MAX_MEMBERS = 2**30, 10_000  # of an archive, unpacked
SPARED, RATIO = 2**25, 50  # bytes that any archive may have unpacked, and so many times its own
ZIP = b"PK\x03\x04"
PACKED = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ": lzma.open}  # the first bytes of tar archives
TAR, AT = b"ustar", 257  # of one that is not packed


def is_archive(path):
    """Whether a file is a zip or a tar archive, packed or not, by its first bytes."""
    head = _head(path)
    return head.startswith((ZIP, *PACKED)) or head[AT:] == TAR


def _head(path):
    with open(path, "rb") as file:
        return file.read(AT + len(TAR))


def unpack(path, folder):
    """Unpack a zip or tar archive into a folder, once all its members are known to lie inside.

    Parameters
    ----------
    path, folder : path-like

    Raises
    ------
    ValueError
        If a member has a path outside the folder or with backslashes, comes twice, or is a link or a device; if there
        is more than 1 GiB, 50 times the size of the archive or 10,000 members; if the archive is damaged or encrypted.
        Nothing is unpacked then.
    """
    path = os.fspath(path)
    limit = min(MAX_BYTES, max(SPARED, RATIO * os.path.getsize(path)))
    try:
        if _head(path).startswith(ZIP):
            with zipfile.ZipFile(path) as archive:
                members = archive.infolist()
                for member in members:
                    check_member(member)
                _check(((m.filename, m.file_size, m.external_attr >> 28 in (0, 4, 8)) for m in members), path, limit)
                archive.extractall(folder)
            return
        with _plain(path, limit) as file, _tar(file, path) as archive:
            _check(((m.name, m.size, m.isfile() or m.isdir()) for m in archive), path, limit)
            _check_end(file, archive.offset, path)
            safe = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
            archive.extractall(folder, **safe)
    except Refused:
        raise
    except Exception as error:  # zip, gzip, bzip2 and xz raise many kinds
        raise ValueError(f"path: the archive {path!r} cannot be unpacked: {type(error).__name__}: {error}") from error


def _tar(file, path):
    """A tar archive, opened."""
    try:
        return tarfile.open(fileobj=file, mode="r:")
    except tarfile.ReadError as error:
        if _head(path).startswith(tuple(PACKED)):
            raise Refused(
                f"path: {path!r} is packed, and what it holds is no complete tar archive ({error}): if it is a single "
                "file, unpack it by hand"
            ) from error
        raise


def _check_end(file, offset, path):
    """Raise unless a tar archive has the block of zeros by which it ends where its last member was found."""
    file.seek(offset)
    end = file.read(tarfile.BLOCKSIZE)
    if len(end) < tarfile.BLOCKSIZE or end.strip(b"\0"):
        raise Refused(f"path: the archive {path!r} is truncated or damaged, nothing can be read after {offset} bytes")


class Refused(ValueError):
    """An archive is not unpacked."""


@contextlib.contextmanager
def _plain(path, limit):
    """A tar archive, opened, of at most so many bytes; a packed one is unpacked first, for its reader has no bounds."""
    unpack = next((unpack for magic, unpack in PACKED.items() if _head(path).startswith(magic)), None)
    if unpack is None:
        with open(path, "rb") as file:
            yield file
        return
    with tempfile.TemporaryFile() as file, unpack(path) as packed:
        while part := packed.read(PIECE):
            file.write(part)
            if file.tell() > limit:
                raise _too_large(path, limit)
        file.seek(0)
        yield file


def _too_large(path, limit):
    return Refused(
        f"path: the archive {path!r} is not unpacked, it has more than {MAX_MEMBERS} members or {limit} bytes: "
        "unpack it by hand and hand in the folder"
    )


def _check(members, path, limit):
    """Raise unless all members (name, bytes, whether it is a file or a folder) may be unpacked."""
    total, names = 0, set()
    for n, (name, size, is_plain) in enumerate(members, 1):
        posix, windows = PurePosixPath(name), PureWindowsPath(name)
        if posix.as_posix() in names:  # ./a and a//b are a and a/b
            raise Refused(f"path: the archive {path!r} is not unpacked, it has {name!r} twice")
        names.add(posix.as_posix())
        if posix.is_absolute() or windows.anchor or ".." in windows.parts:
            raise Refused(f"path: the archive {path!r} is not unpacked, {name!r} lies outside its folder")
        if "\\" in name and "/" not in name:
            raise Refused(
                f"path: the archive {path!r} is not unpacked, {name!r} has backslashes in place of /, as some programs "
                "write them: unpack it by hand and hand in the folder"
            )
        if not is_plain:
            raise Refused(f"path: the archive {path!r} is not unpacked, {name!r} is neither a file nor a folder")
        total += size
        if n > MAX_MEMBERS or total > limit:
            raise _too_large(path, limit)
