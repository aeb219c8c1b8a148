"""A disk that is full, at any byte of a write: no crash, the earlier file stands, and the error names it.

    python -m tests.faults.disk [--n 500] [--seed 0]

Even cases limit the size that a file may have; odd ones write to a small file system in memory that is nearly full,
where the system lets this process mount one.
"""

import ctypes
import os
import random
import shutil
import subprocess
import sys

import numpy as np

from rtrbm import RTRBM
from tests.faults import cases, models

try:
    import resource
except ImportError:  # Windows
    resource = None

SIZE = 2**18  # bytes of the small file system


def mounted(folder):
    """A small file system of its own, if it can be had."""
    os.makedirs(folder, exist_ok=True)
    if not sys.platform.startswith("linux") or ctypes.CDLL(None).unshare(0x20000):  # mounts of this process alone
        return False
    subprocess.run(["mount", "--make-rprivate", "/"], capture_output=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", folder]
    return shutil.which("mount") is not None and subprocess.run(command, capture_output=True).returncode == 0


def filled(path, free):
    """Leave about so many bytes on the small file system."""
    with open(path, "wb") as file:
        try:
            file.write(bytes(max(0, os.statvfs(os.path.dirname(path)).f_bavail * 4096 - free)))
        except OSError:
            pass


def limited(n):
    """No file may have more bytes from here on; None: as many as before."""
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard if n is None else n, hard))


def main(folder, seed):
    data = np.random.default_rng(0).random((4, 5, 12))
    model = RTRBM(20, n_gibbs=1, n_updates=6, batch_size=2, random_state=0, n_jobs=1).fit(data)
    small = f"{folder}/small"
    places = [folder, small] if mounted(small) else [folder]
    for place in places:
        model.save(f"{place}/run.h5")
    size, expected = os.path.getsize(f"{folder}/run.h5"), models.loaded(f"{folder}/run.h5")[0]
    model.partial_fit(data)

    def case(i):
        place, at = places[i % len(places)], random.Random(f"{seed}/{i}").randrange(size)
        path, write = f"{place}/run.h5", [model.save, model._checkpoint][i // 2 % 2]
        try:
            if place == folder:
                limited(at)
            else:
                filled(f"{small}/filler", at)
            write(path)
            outcome = "WRITTEN"
        except OSError as error:
            outcome = "refused" if path in str(error) and error.filename == path else "UNNAMED"
        finally:
            if place == folder:
                limited(None)
            else:
                os.unlink(f"{small}/filler")
        left = {name for name in os.listdir(place) if name.startswith(".")}
        if left:
            return "LEFT"
        return outcome if models.loaded(path)[0] == expected else "LOST"

    return case


if __name__ == "__main__":
    cases.run(main, __doc__.splitlines()[0], 500, 20)
