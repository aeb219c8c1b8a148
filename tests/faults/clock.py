"""Runs while the clock jumps: files from the future, files of one time stamp, a clock that is set back or forward.

    python -m tests.faults.clock --n 200

Every run stops half-way, its clock and the times of its files are changed, and it goes on. Prints one line: runs, those
that did not go on or ended in another state than one with a steady clock, earlier models that were lost by
`experiments.runner.begin`, and files left.
"""

import os
import sys
import tempfile
import time
from pathlib import Path
from unittest import mock

import numpy as np

import rtrbm
from experiments.runner import begin
from rtrbm import RTRBM
from tests.faults.common import N_UPDATES, SETTINGS, X, bits, leftovers, parser, uninterrupted

YEARS = 365 * 24 * 3600


def jumping(rng):
    """Clocks that show any time within 30 years of now, another one at every look."""
    now = time.time()

    def shown():
        return now + rng.uniform(-30, 30) * YEARS

    return mock.patch.multiple(time, time=shown, time_ns=lambda: int(1e9 * shown()))


def half(path, at):
    """A run that is broken off."""

    class Breaks(Exception):
        pass

    def breaks(model):
        if model.n_updates_ == at:
            raise Breaks

    try:
        RTRBM(**SETTINGS).fit(X, checkpoint=path, checkpoint_every=3, callbacks=[breaks])
    except Breaks:
        pass


def replaced(folder, rng):
    """Whether the earlier model is kept though the new one has its time stamp."""
    path = Path(folder, "a.h5")
    RTRBM(**SETTINGS | {"n_updates": 3}).fit(X, checkpoint=path)
    stamp, earlier = path.stat().st_mtime_ns, bits(rtrbm.load(path))
    model = RTRBM(**SETTINGS | {"n_updates": 5})
    begin(Path(folder), {"a": model}, resume=False)
    model.fit(X, checkpoint=path)
    os.utime(path, ns=(stamp, stamp + int(rng.integers(2)) * 10**9))
    previous = Path(folder, "a.previous-1.h5")
    return previous.exists() and bits(rtrbm.load(previous)) == earlier and rtrbm.load(path).n_updates_ == 5


def main(arguments=None):
    options = parser(__doc__, 200).parse_args(arguments)
    rng, whole = np.random.default_rng(options.seed), uninterrupted()
    different = n_lost = left = 0
    for _ in range(options.n):
        with tempfile.TemporaryDirectory() as folder, jumping(rng):
            path = Path(folder, "run.h5")
            half(path, int(rng.integers(1, N_UPDATES)))
            stamp = int((time.time() // 1) * 10**9)
            os.utime(path, ns=(stamp, stamp))
            try:
                model = RTRBM(**SETTINGS).fit(X, checkpoint=path, checkpoint_every=3, resume=True)
                different += bits(model) != whole[N_UPDATES] or bits(rtrbm.load(path)) != whole[N_UPDATES]
            except Exception as error:
                print(repr(error), file=sys.stderr)
                different += 1
            left += len(leftovers(folder))
        with tempfile.TemporaryDirectory() as folder:
            n_lost += not replaced(folder, rng)
    print(f"clock: {options.n} runs, {different} other results, {n_lost} earlier models lost, {left} left")
    return int(different + n_lost + left > 0)


if __name__ == "__main__":
    sys.exit(main())
