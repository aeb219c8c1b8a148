"""A process without what Unix alone has: all modules of rtrbm are imported, a model learns, is kept and goes on.

    python tests/without_unix.py FOLDER

tests/test_package.py runs it. The libraries below come first, for they ask which system this is. `msvcrt` is a stand-in
that locks nothing.
"""

import contextlib
import importlib
import multiprocessing.connection
import os
import pkgutil
import signal
import socket
import subprocess
import sys
import tempfile
import types
import warnings
from pathlib import Path

import h5py
import numpy as np
import scipy.linalg
import scipy.special
import tqdm.auto

with contextlib.suppress(ImportError):
    import matplotlib.figure  # noqa: F401

UNIX_MODULES = ("fcntl", "grp", "posix", "pty", "pwd", "resource", "syslog", "termios", "tty")
WINDOWS_SIGNALS = ("SIGABRT", "SIGBREAK", "SIGFPE", "SIGILL", "SIGINT", "SIGSEGV", "SIGTERM")
UNIX_NAMES = """
    O_CLOEXEC O_DIRECTORY O_DSYNC O_NOCTTY O_NOFOLLOW O_NONBLOCK O_SYNC chown chroot fchmod fchown fork forkpty getegid
    geteuid getgid getgrouplist getgroups getloadavg getpgid getuid killpg lchown lockf mkfifo mknod nice openpty pread
    preadv pwrite register_at_fork sched_getaffinity sched_setaffinity sched_yield setgid setsid setuid statvfs sync
    sysconf uname wait
""".split()
LOADED = (multiprocessing.connection, socket, subprocess, tempfile, h5py, scipy.linalg, scipy.special, tqdm.auto)
EXTRAS = {"matplotlib", "PIL", "mido", "pooch", "pybvh", "numba", "llvmlite", "mpi4py"}


def hide():
    """Take away what Windows does not have."""
    for module in UNIX_MODULES:
        sys.modules[module] = None
    for name in [name for name in dir(signal) if name.startswith("SIG") and name[3] != "_"]:
        if name not in WINDOWS_SIGNALS:
            delattr(signal, name)
    for name in filter(lambda name: hasattr(os, name), UNIX_NAMES):
        delattr(os, name)
    for name in ("SIG_BLOCK", "SIG_SETMASK", "SIG_UNBLOCK", "alarm", "pause", "pthread_kill", "setitimer", "sigwait"):
        vars(signal).pop(name, None)
    os.process_cpu_count = os.cpu_count  # of Python 3.13; as on Windows
    sys.platform = "win32"
    sys.modules["msvcrt"] = types.SimpleNamespace(LK_NBLCK=2, locking=lambda file, mode, n: None)


def import_all():
    """The modules of rtrbm that are there; those that want an extra, or its compiler, may be missing."""
    import rtrbm

    missing = []
    for found in pkgutil.walk_packages(rtrbm.__path__, "rtrbm.", onerror=lambda name: None):
        if "numba" not in found.name and not found.name.endswith("__main__"):
            try:
                importlib.import_module(found.name)
            except ModuleNotFoundError as error:
                if error.name.split(".")[0] not in EXTRAS:
                    raise
                missing.append(found.name)
    return missing


def run(folder):
    """Train with a checkpoint, save, load, read files, resume; the numbers are those of a run in one piece."""
    from rtrbm import RTRBM
    from rtrbm.convert import read

    X = np.random.default_rng(0).integers(0, 2, (4, 6, 3))
    settings = {"n_hidden": 3, "n_gibbs": 1, "random_state": 0}
    whole = RTRBM(n_updates=4, **settings).fit(X)
    path = folder / "run.h5"
    RTRBM(n_updates=4, **settings).fit(X, checkpoint=path, callbacks=[lambda model: model.n_updates_ == 2])
    again = RTRBM(n_updates=4, **settings).fit(X, checkpoint=path, resume=True)
    again.save(folder / "model.h5")
    loaded = RTRBM.load(folder / "model.h5")
    assert all(np.array_equal(a, b) for a, b in zip(loaded.params_, whole.params_) if a is not None)
    with h5py.File(folder / "x.h5", "w") as file:
        file["X"] = X
    assert np.array_equal(read(folder / "x.h5"), X)
    assert not list(folder.glob("*.lock")) and not list(folder.glob("*.tmp*"))


if __name__ == "__main__":
    warnings.simplefilter("error")
    own = sys.platform
    hide()
    print("without", *import_all())
    sys.platform = own  # threadpoolctl asks for it, and would look for libraries of Windows
    run(Path(sys.argv[1]))
    print("done")
