"""Files that are written whole or not at all.

A file is written beside its place, as ``.NAME.<8 hexadecimal digits>.tmp`` and the ending of NAME. It takes its place
once all of it is on the disk. Its writer holds a lock on it (`flock`; Windows does not delete a file that is open). A
file of that name without a lock was left by a process that was killed: the next one that writes NAME deletes it.
"""

import contextlib
import os
import re
import secrets
import shutil
import stat

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

LONGEST = 200  # bytes: file systems take 255, the temporary file beside a file needs some more than its name
LONGEST_ENDING = 16  # of a name, which tells programs the kind of the temporary file too


def as_path(name, path):
    """A path as text, a `~` at its start replaced by the user's folder.

    Raises
    ------
    TypeError
        If it is no path.
    """
    text = os.fspath(path) if isinstance(path, str | os.PathLike) else None
    if not isinstance(text, str):
        raise TypeError(f"{name} must be a path, got {path!r}")
    return os.path.expanduser(text)


def check_path(name, path):
    """The path of a place where a file can be written.

    Parameters
    ----------
    name : str
        What messages call it.
    path : path-like
        A symbolic link stands for the file that it leads to, which need not be there.

    Returns
    -------
    str
        As `as_path`.

    Raises
    ------
    TypeError
        If it is no path.
    ValueError
        If it is a folder, a device or write-protected, its name is too long, or its folder does not exist or cannot be
        written to.
    """
    path = as_path(name, path)
    if "\0" in path or not os.path.basename(path) or os.path.isdir(path):
        raise ValueError(f"{name} must be a file in an existing folder, got {path!r}")
    place = os.path.realpath(path)
    if not os.path.isdir(os.path.dirname(place)) or os.path.islink(place):
        raise ValueError(f"{name} must be a file in an existing folder, got {path!r}")
    if len(os.fsencode(os.path.basename(place))) > LONGEST:
        raise ValueError(f"{name} must be a file of a shorter name, of {LONGEST} bytes at most, got {path!r}")
    present = _status(place)
    if present is not None and not stat.S_ISREG(present.st_mode):
        raise ValueError(f"{name} must be an ordinary file, {path!r} is a device or a pipe")
    if present is not None and not (present.st_mode & 0o222 and os.access(place, os.W_OK)):
        raise ValueError(f"{name} must be a file that may be written, {path!r} is write-protected: take another name")
    if not os.access(os.path.dirname(place), os.W_OK):
        raise ValueError(f"{name} must be in a folder that can be written to, got {path!r}")
    return path


def before(path):
    """The file that keeps what `path` held before, beside the file that a link leads to."""
    return f"{os.path.realpath(path)}.before"


@contextlib.contextmanager
def replacing(path, keep=False):
    """Path of a temporary file beside `path` that takes its place if the block ends well, and vanishes if not.

    A file that is there already keeps its permissions; a new one has the usual ones.

    Parameters
    ----------
    path : path-like
    keep : bool
        Whether the file that is there is kept, as `before(path)`. At every instant one of the two is whole.

    Raises
    ------
    TypeError, ValueError
        As in `check_path`.
    OSError
        If the file cannot be written. It names `path` and the reason. An OSError of the block that is about another
        file than the temporary one is left as it is.
    """
    path = check_path("path", path)
    place = os.path.realpath(path)
    for target in [place, before(place)] if keep else [place]:
        _sweep(target)
    with _dressed(path):
        temporary, handle = _temporary(place)
    with contextlib.ExitStack() as locked:
        locked.callback(os.close, handle)
        try:
            with _dressed(path, temporary):
                yield temporary
            with _dressed(path):
                _finish(temporary, _status(place))
                if keep and os.path.exists(place):
                    _keep(place)
                locked.close()  # Windows moves no file that is open
                os.replace(temporary, place)
                _sync_folder(os.path.dirname(place))
        except BaseException:
            locked.close()
            with contextlib.suppress(OSError):  # there is none left if only the last step, on the folder, broke off
                os.unlink(temporary)
            raise


def _status(place):
    """The status of a file, None if there is none."""
    try:
        return os.stat(place)
    except OSError:
        return None


def _name(place):
    """A name for a temporary file beside a place."""
    folder, name = os.path.split(place)
    return os.path.join(folder, f".{name}.{secrets.token_hex(4)}.tmp{_ending(name)}")


def _ending(name):
    ending = os.path.splitext(name)[1]
    return ending if len(ending) <= LONGEST_ENDING else ""


def _temporary(place):
    """Make an empty file beside a place and lock it; its path and a handle of it."""
    mode = 0o666 if _status(place) is None else 0o600  # less the umask; permissions of an earlier file come at the end
    while True:
        temporary = _name(place)
        handle = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL, mode)
        _is_free(handle)
        if os.path.exists(temporary):  # no other process found it before it was locked
            return temporary, handle
        os.close(handle)


def _is_free(handle):
    """Whether no other process holds a lock on an open file; from then on this one does, where there are locks."""
    if fcntl is not None:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
    return True


def _sweep(place):
    """Delete temporary files of a place whose writers are dead."""
    folder, name = os.path.split(place)
    known = re.compile(re.escape(f".{name}.") + "[0-9a-f]{8}" + re.escape(f".tmp{_ending(name)}"))
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if known.fullmatch(entry.name) and entry.is_file(follow_symlinks=False):
                _discard(entry.path)


def _discard(temporary):
    """Delete a file unless its writer lives."""
    with contextlib.suppress(OSError), contextlib.ExitStack() as closing:
        if fcntl is not None:
            handle = os.open(temporary, os.O_RDWR)
            closing.callback(os.close, handle)
            if not _is_free(handle):
                return
        os.unlink(temporary)


def _finish(temporary, earlier):
    """Write a complete temporary file to the disk, with the owner and the permissions of the file that it replaces."""
    with open(temporary, "rb+") as file:
        if earlier is not None:
            if hasattr(os, "chown") and (earlier.st_uid, earlier.st_gid) != (os.geteuid(), os.getegid()):
                with contextlib.suppress(OSError):  # which only the system's administrator may do
                    os.chown(temporary, earlier.st_uid, earlier.st_gid)
            os.chmod(temporary, stat.S_IMODE(earlier.st_mode))
        os.fsync(file.fileno())


def _keep(place):
    """Give a file a second name, `before(place)`, in one step."""
    link = _name(before(place))
    try:
        try:
            os.link(place, link)
        except OSError:  # a file system without links
            shutil.copy2(place, link)
            _finish(link, None)
        os.replace(link, before(place))
    finally:
        with contextlib.suppress(OSError):  # it is still there if both were names of one file already
            os.unlink(link)


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


@contextlib.contextmanager
def _dressed(path, temporary=None):
    """Context in which an OSError becomes one that names the file that was asked for.

    With `temporary` only one that is about this file, or about no file, as those of writing are.
    """
    try:
        yield
    except OSError as error:
        if temporary and error.filename is not None and temporary not in (error.filename, error.filename2):
            raise
        message = f"cannot write {path!r}: {error.strerror or error}"
        raise (OSError(message) if error.errno is None else OSError(error.errno, message, path)) from error
