"""Runs that get a signal at random instants: all updates made are in the checkpoint, and the signal ends the process.

    python -m tests.faults.signals --n 1000

Prints one line: signals, those that came inside a write, updates lost, wrong ends (another status than that of the
signal, of Ctrl-C 130), other states than those of the run that was left alone, and files left beside the model. The
status is 1 unless the last four are 0.
"""

import os
import signal
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

import rtrbm
from tests.faults.common import EVERY, N_UPDATES, Child, bits, leftovers, parser, uninterrupted
from tests.faults.kills import duration

SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGXCPU]


def main(arguments=None):
    options = parser(__doc__, 1000).parse_args(arguments)
    rng, whole = np.random.default_rng(options.seed), uninterrupted()
    seconds, counts = duration(whole), dict.fromkeys(("inside", "lost", "wrong", "other", "left", "late"), 0)
    for i in range(options.n):
        number = SIGNALS[i % len(SIGNALS)]
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "run.h5")
            child = Child(path, is_fresh=i % 10 == 9)
            child.read(f"{'ub'[i // 5 % 2]}{EVERY * rng.integers(1, N_UPDATES // EVERY)}\n")
            time.sleep(rng.random() * seconds["save"])
            counts["inside"] += child.is_writing()
            os.kill(child.pid, number)
            status, told = child.wait()
            if status == 0:
                counts["late"] += told.update == N_UPDATES
                counts["wrong"] += told.update != N_UPDATES
            else:
                ends = {130, -number} if number == signal.SIGINT else {-number}
                counts["wrong"] += status not in ends
            model = rtrbm.load(path)
            counts["lost"] += told.update - model.n_updates_
            counts["other"] += bits(model) != whole[model.n_updates_]
            counts["left"] += len(leftovers(folder))
    print(
        f"signals: {options.n}, {counts['inside']} inside a write, {counts['late']} after the last update, "
        f"{counts['lost']} updates lost, {counts['wrong']} wrong ends, {counts['other']} other states, "
        f"{counts['left']} left"
    )
    return int(any(counts[name] for name in ("lost", "wrong", "other", "left")))


if __name__ == "__main__":
    sys.exit(main())
