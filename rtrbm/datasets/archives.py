"""Archives unpacked into a folder, and nowhere else."""

import os
import tarfile
import zipfile
from pathlib import PurePosixPath, PureWindowsPath

MAX_BYTES, MAX_MEMBERS = 2**30, 100_000  # of an archive, unpacked


def is_archive(path):
    """Whether a file is a zip or a tar archive, packed or not."""
    return _is_zip(path) or tarfile.is_tarfile(path)


def _is_zip(path):
    with open(path, "rb") as file:
        return file.read(4) == b"PK\x03\x04"


def unpack(path, folder):
    """Unpack a zip or tar archive into a folder, once all its members are known to lie inside.

    Parameters
    ----------
    path, folder : path-like

    Raises
    ------
    ValueError
        If a member has a path outside the folder, or is a link or a device; if there is more than 1 GiB or 100,000
        members; if the archive is damaged or encrypted. Nothing is unpacked in the first two cases.
    """
    path = os.fspath(path)
    try:
        if _is_zip(path):
            with zipfile.ZipFile(path) as archive:
                members = archive.infolist()
                _check(((m.filename, m.file_size, m.external_attr >> 28 in (0, 4, 8)) for m in members), path)
                archive.extractall(folder)
            return
        with tarfile.open(path) as archive:
            _check(((m.name, m.size, m.isfile() or m.isdir()) for m in archive), path)
            safe = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
            archive.extractall(folder, **safe)
    except Refused:
        raise
    except Exception as error:  # zip, gzip, bzip2 and xz raise many kinds
        raise ValueError(f"path: the archive {path!r} cannot be unpacked: {type(error).__name__}: {error}") from error


class Refused(ValueError):
    """An archive is not unpacked."""


def _check(members, path):
    """Raise unless all members (name, bytes, whether it is a file or a folder) may be unpacked."""
    total = 0
    for n, (name, size, is_plain) in enumerate(members, 1):
        posix, windows = PurePosixPath(name), PureWindowsPath(name)
        if posix.is_absolute() or windows.anchor or ".." in windows.parts:
            raise Refused(f"path: the archive {path!r} is not unpacked, {name!r} lies outside its folder")
        if not is_plain:
            raise Refused(f"path: the archive {path!r} is not unpacked, {name!r} is neither a file nor a folder")
        total += size
        if n > MAX_MEMBERS or total > MAX_BYTES:
            raise Refused(
                f"path: the archive {path!r} is not unpacked, it has more than {MAX_MEMBERS} members or "
                f"{MAX_BYTES} bytes: unpack it by hand and hand in the folder"
            )
