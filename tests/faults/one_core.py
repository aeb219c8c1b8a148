"""Runs on one processor: every engine, more threads than processors, a stream made ahead, a signal.

    python -m tests.faults.one_core --n 20

Prints one line: runs, those that took more than a minute, and those that ended in another state than on all processors.
"""

import os
import sys
import time
from importlib.util import find_spec

from rtrbm import RTRBM
from tests.faults.common import SETTINGS, X, bits, parser

LONGEST = 60  # seconds


class Stream:
    """The data as a stream, which a thread reads ahead."""

    def minibatch(self, update):
        return X[update % 4 :: 4]


def run(engine, n_jobs, data):
    return bits(RTRBM(**SETTINGS | {"engine": engine, "n_jobs": n_jobs}).fit(data))


def main(arguments=None):
    options = parser(__doc__, 20).parse_args(arguments)
    engines = ["numpy", "numba"] if find_spec("numba") else ["numpy"]
    kinds = [(engine, data) for engine in engines for data in (X, Stream())]
    expected = [run(engine, 1, data) for engine, data in kinds]
    processors, slow, different = os.sched_getaffinity(0), 0, 0
    os.sched_setaffinity(0, [min(processors)])
    try:
        for i in range(options.n):
            (engine, data), start = kinds[i % len(kinds)], time.monotonic()
            different += run(engine, (1, 2, 8, -1)[i // len(kinds) % 4], data) != expected[i % len(kinds)]
            slow += time.monotonic() - start > LONGEST
    finally:
        os.sched_setaffinity(0, processors)
    print(f"one core: {options.n} runs, {slow} slow, {different} other results")
    return int(slow + different > 0)


if __name__ == "__main__":
    sys.exit(main())
