"""Processors and memory that this process may use: those of the machine, of which a container may allow a part.

Linux keeps what it allows in files of control groups: of version 2 in one tree for everything, of version 1 in a tree
for each kind.
"""

import functools
import math
import os
from pathlib import Path


def processors():
    """How many processors this process may use."""
    if hasattr(os, "process_cpu_count"):  # Python 3.13
        n_processors = os.process_cpu_count()
    else:
        n_processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return min(n_processors or 1, allowed_processors())


def memory():
    """How many bytes of memory this process may use; infinity on a system that does not tell."""
    if not hasattr(os, "sysconf"):
        return math.inf
    return min(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"), allowed_memory())


@functools.cache
def allowed_processors(root="/"):
    """The processors for whose time the control groups of this process have a quota; infinity without one.

    Parameters
    ----------
    root : path-like
        The folder that holds proc and sys.
    """
    quotas = []
    for group in _groups(root, "cpu"):
        words = _words(group / "cpu.max") or _words(group / "cpu.cfs_quota_us") + _words(group / "cpu.cfs_period_us")
        if len(words) == 2 and words[0] not in ("max", "-1"):
            quotas.append(max(1, math.ceil(int(words[0]) / int(words[1]))))
    return min(quotas, default=math.inf)


@functools.cache
def allowed_memory(root="/"):
    """The bytes that the control groups of this process allow; infinity if they set no limit.

    Parameters
    ----------
    root : path-like
        The folder that holds proc and sys.
    """
    limits = []
    for group in _groups(root, "memory"):
        words = _words(group / "memory.max") or _words(group / "memory.limit_in_bytes")
        limits += [int(word) for word in words if word != "max"]
    return min(limits, default=math.inf)


def _groups(root, kind):
    """The folders of the control groups that this process is in, from the inmost to the root of each tree."""
    found = []
    for line in _text(Path(root, "proc/self/cgroup")).splitlines():
        _, kinds, path = line.split(":", 2)
        if kinds and kind not in kinds.split(","):
            continue
        tree = Path(root, "sys/fs/cgroup", kind if kinds else "")
        inmost = tree / path.strip("/")
        found += [inmost, *inmost.parents[: len(inmost.relative_to(tree).parts)]]
    return found


def _words(path):
    return _text(path).split()


def _text(path):
    """What a file holds; nothing if it cannot be read."""
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        return ""
