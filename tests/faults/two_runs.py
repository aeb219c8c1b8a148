"""Pairs of runs on one checkpoint at the same time: one does all its work, the other is told that it cannot begin.

    python -m tests.faults.two_runs --n 200

The second run of a pair is another process or another thread, and names the file as the first one does or by a link.
Prints one line: pairs, those in which both ran (one after the other), refusals, refusals that do not name the process,
pairs in which no run or two ended otherwise, results that differ from those of a run alone, and files left.
"""

import os
import re
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

import rtrbm
from rtrbm import RTRBM
from tests.faults.common import N_UPDATES, SETTINGS, Child, X, bits, leftovers, parser, uninterrupted

NAMED = r"process \d+ on \S+, since 2|a process that has just begun"


def in_thread(path, said):
    """A run in a thread of this process, and the thread."""

    def fit():
        try:
            RTRBM(**SETTINGS).fit(X, checkpoint=path, checkpoint_every=3, callbacks=[lambda model: time.sleep(0.002)])
        except RuntimeError as error:
            said.append(str(error))

    thread = threading.Thread(target=fit)
    thread.start()
    return thread


def of_threads(paths):
    """Statuses and refusals of a pair of threads."""
    said = []
    for thread in [in_thread(path, said) for path in paths]:
        thread.join()
    return [0] * (2 - len(said)) + [1] * len(said), said


def of_processes(paths, pause):
    """Statuses and refusals of a pair of processes."""
    with tempfile.TemporaryFile("w+") as errors:
        kept = os.dup(2)
        os.dup2(errors.fileno(), 2)
        try:
            children = [Child(path, pause=0.002, wait=pause * i) for i, path in enumerate(paths)]
            statuses = [child.wait()[0] for child in children]
        finally:
            os.dup2(kept, 2)
            os.close(kept)
        errors.seek(0)
        return statuses, re.findall("RuntimeError: (.*)", errors.read())


def main(arguments=None):
    options = parser(__doc__, 200).parse_args(arguments)
    rng, whole = np.random.default_rng(options.seed), uninterrupted()
    counts = dict.fromkeys(("both", "refused", "unnamed", "wrong", "different", "left"), 0)
    for i in range(options.n):
        with tempfile.TemporaryDirectory() as folder:
            path, link = Path(folder, "run.h5"), Path(folder, "link.h5")
            link.symlink_to(path)
            paths = path, link if i % 2 else path
            statuses, said = of_threads(paths) if i % 4 > 1 else of_processes(paths, rng.random() / 20)
            counts["different"] += bits(rtrbm.load(link)) != whole[N_UPDATES]
            link.unlink()
            counts["both"] += statuses == [0, 0]
            counts["refused"] += sorted(statuses) == [0, 1]
            counts["wrong"] += sorted(statuses) not in ([0, 0], [0, 1])
            counts["unnamed"] += sum(not re.search(NAMED, line) for line in said)
            counts["left"] += len(leftovers(folder))
    print(
        f"two runs: {options.n} pairs, {counts['both']} one after the other, {counts['refused']} refusals, "
        f"{counts['unnamed']} unnamed, {counts['wrong']} wrong ends, {counts['different']} other results, "
        f"{counts['left']} left"
    )
    return int(any(counts[name] for name in ("unnamed", "wrong", "different", "left")))


if __name__ == "__main__":
    sys.exit(main())
