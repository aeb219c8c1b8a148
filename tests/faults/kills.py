"""Runs that are killed at random instants, and go on until they are complete.

    python -m tests.faults.kills --n 1000

Half of the kills come at any time, half while a checkpoint is written. Every tenth process is a Python started anew,
the others are forks. Prints one line: kills, those inside a write, checkpoints lost (none there, not readable, older
than the last one that was complete, or not the state of the run that was not killed), runs that ended in another state,
and files left beside the model. The status is 1 unless the last three are 0.
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


def kill(path, rng, is_fresh, whole, seconds):
    """Start or go on with the run, and kill it. Returns its status, and whether that was inside a write."""
    child = Child(path, is_fresh)
    if rng.random() < 0.5:
        due = EVERY * int(rng.integers(1, N_UPDATES // EVERY + 1))
        child.read(f"b{due}\n")
        until = time.perf_counter() + rng.random() * seconds["save"]
        while time.perf_counter() < until:
            pass
    else:
        if is_fresh:
            child.read("u")
        time.sleep(rng.random() * seconds["run"])
    os.kill(child.pid, signal.SIGKILL)
    status, told = child.wait()
    return status, told


def lost(path, told, whole, had):
    """Whether the file is not what it should be, and the updates that it holds."""
    least = max(told.done, had)
    if not path.exists():
        return least > 0, 0
    try:
        model = rtrbm.load(path)
    except Exception:
        return True, 0
    return model.n_updates_ < least or bits(model) != whole[model.n_updates_], model.n_updates_


def duration(whole):
    """Seconds of a run and of a save."""
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        Child(Path(folder, "run.h5")).wait()
        run = time.perf_counter() - start
        start = time.perf_counter()
        rtrbm.load(Path(folder, "run.h5")).save(Path(folder, "run.h5"))
        return {"run": run, "save": time.perf_counter() - start}


def main(arguments=None):
    options = parser(__doc__, 1000).parse_args(arguments)
    rng, whole = np.random.default_rng(options.seed), uninterrupted()
    seconds, kills, inside, n_lost, different, left, runs = duration(whole), 0, 0, 0, 0, 0, 0
    while kills < options.n:
        with tempfile.TemporaryDirectory() as folder:
            path, had, runs = Path(folder, "run.h5"), 0, runs + 1
            for _ in range(8):
                status, told = kill(path, rng, kills % 10 == 9, whole, seconds)
                if status != -signal.SIGKILL:
                    if status:
                        sys.exit(f"a run ended with status {status}")
                    break
                kills, inside = kills + 1, inside + (told.begun > told.done)
                is_lost, had = lost(path, told, whole, had)
                n_lost += is_lost
            status, _ = Child(path).wait()
            different += status != 0 or bits(rtrbm.load(path)) != whole[N_UPDATES]
            left += len(leftovers(folder))
    print(
        f"kills: {kills} in {runs} runs, {inside} inside a write, {n_lost} lost, {different} other results, {left} left"
    )
    return int(n_lost + different + left > 0)


if __name__ == "__main__":
    sys.exit(main())
