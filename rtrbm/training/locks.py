"""What one run holds and no other may touch: a file, by a lock beside it, and a model in memory.

The lock of ``run.h5`` is the file ``run.h5.lock``. Its text is JSON: the host, the process, when the process began, and
when the lock was taken. The system locks it as well, and lets go of it when the process ends in whatever way. A text
that nobody holds any more is stale: its run was killed. If a file system has no locks, the text alone counts.
"""

import contextlib
import json
import os
import socket
import stat
import time

from ..claims import Claims

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

LONGEST = 1000  # bytes of a text
FAR = 2**30  # the byte that Windows locks, beyond the text, which others may read
FLAGS = os.O_RDWR | os.O_CREAT
for flag in ("O_NOFOLLOW", "O_NONBLOCK", "O_BINARY"):
    FLAGS |= getattr(os, flag, 0)
_held = {}  # descriptors of the locks of this process, by their paths
_in_use = Claims()  # models that are being trained, by their id


@contextlib.contextmanager
def held(path, name, warn, what=None):
    """Context in which this run alone holds a file, or a folder, that it may write to.

    Parameters
    ----------
    path : path-like
        The file need not be there; links and other spellings of a path stand for the same file.
    name : str
        Of the argument, for messages.
    warn : callable (str)
        Called with a line if the lock of a run that was killed is taken over.
    what : str, optional
        What is held, for messages: a folder, say, that has this file for its lock. By default it is the argument.

    Raises
    ------
    RuntimeError
        If another run holds it, in this process, in another one, or on another host.
    OSError
        If the lock cannot be written.
    """
    path = os.path.realpath(os.path.expanduser(os.fspath(path)))
    lock = f"{path}.lock"
    _take(lock, what or f"{name}={path!r}", warn)
    try:
        yield
    finally:
        _release(lock)


def let_go():
    """Release all locks of this process, which is about to end."""
    for lock in list(_held):
        _release(lock)


def _take(lock, what, warn):
    while True:
        try:
            file = os.open(lock, FLAGS, 0o666)
        except OSError as error:
            raise OSError(error.errno, f"{what} wants its lock in {lock!r}: {error.strerror}", lock) from error
        try:
            holder = _read(file)
            if holder is None:
                raise RuntimeError(f"{what} wants its lock in {lock!r}, which is another file: move it away")
            locked = _lock(file)
            if locked is False or locked is None and _is_running(holder) or _is_elsewhere(holder):
                raise RuntimeError(_refusal(what, holder, lock))
            if _is_at(file, lock):  # else its run ended in between, and removed it
                break
        except BaseException:
            os.close(file)
            raise
        os.close(file)
    _held[lock] = file
    try:
        os.ftruncate(file, 0)
        os.lseek(file, 0, os.SEEK_SET)
        os.write(file, json.dumps(_self()).encode())
    except OSError as error:
        _release(lock)
        raise OSError(error.errno, f"cannot write {lock!r}: {error.strerror}", lock) from error
    if holder:
        warn(f"{what} takes over {lock!r} from a run that was killed: {_about(holder)}")


def _release(lock):
    """Remove a lock; Windows removes a file only when it is closed."""
    file = _held.pop(lock, None)
    if file is None:
        return
    if fcntl is not None:
        with contextlib.suppress(OSError):
            os.unlink(lock)
    os.close(file)
    if fcntl is None:
        with contextlib.suppress(OSError):
            os.unlink(lock)


def _lock(file):
    """Whether the system now locks the file for this descriptor; None if this file system has no locks."""
    try:
        if fcntl is not None:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        else:
            import msvcrt

            os.lseek(file, FAR, os.SEEK_SET)
            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
    except (BlockingIOError, PermissionError):
        return False
    except OSError:
        return None
    return True


def _is_at(file, path):
    """Whether an open file is the one at a path."""
    try:
        return os.path.samestat(os.fstat(file), os.stat(path))
    except FileNotFoundError:
        return False


def _read(file):
    """The holder in the text of a lock; an empty one if there is no text, None if the file is no lock."""
    if not stat.S_ISREG(os.fstat(file).st_mode):
        return None
    os.lseek(file, 0, os.SEEK_SET)
    text = os.read(file, LONGEST).strip(b"\0 \n")  # a power failure may leave zeros
    try:
        holder = json.loads(text) if text else {}
        return holder if not text or isinstance(holder["pid"], int) and holder["pid"] > 0 else None
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def _self():
    pid = os.getpid()
    return {
        "host": socket.gethostname(), "pid": pid, "start": _start(pid), "since": time.strftime("%Y-%m-%d %H:%M:%S"),
    }  # fmt: skip


def _start(pid):
    """When a process began, in the system's own numbers, which tell it from a later one of the same number; or None."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            ticks = file.read().rpartition(b")")[2].split()[19].decode()
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            return f"{ticks} {file.read().strip()}"
    except (OSError, IndexError):
        return None


def _is_elsewhere(holder):
    return bool(holder) and holder.get("host") != socket.gethostname()


def _is_running(holder):
    """Whether the holder is a process of this host."""
    if not holder:
        return False
    try:
        os.kill(holder["pid"], 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        pass  # it is that of another user
    return holder.get("start") == _start(holder["pid"])


def _about(holder):
    return f"process {holder.get('pid')} on {holder.get('host')}, since {holder.get('since')}"


def _refusal(what, holder, lock):
    who = _about(holder) if holder else "a process that has just begun"
    remedy = ": wait until it ends, or take another name"
    if _is_elsewhere(holder):
        remedy = f"; if that run is over, delete {lock!r}"
    return f"{what} is in use by another run, {who}{remedy}"


def alone(model):
    """Context in which no other `fit` or `partial_fit` can begin on this model object.

    Raises
    ------
    RuntimeError
        If one is under way, in another thread or around this one.
    """

    def refusal():
        return RuntimeError(
            f"this {type(model).__name__} is being trained already, by another thread or by the fit that called this "
            "function: train a copy (copy.deepcopy)"
        )

    return _in_use.claimed(id(model), refusal)


def _after_fork():
    """In a child: the locks are its parent's, and of the threads only this one goes on."""
    for file in _held.values():
        os.close(file)
    _held.clear()
    _in_use.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
