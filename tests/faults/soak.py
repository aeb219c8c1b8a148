"""A long run at the thesis's size, with a checkpoint every 200 updates: its memory, and the time that files take.

    python -m tests.faults.soak --hours 2 --out results/soak

Writes soak.csv (a row a minute: seconds, updates, resident memory, bytes of the history, seconds spent in saves),
soak.png and settings.json. It ends with one line of numbers. The growth of memory is the slope over the second half of
the run, less that of the history.
"""

import argparse
import csv
import os
import sys
import time

import numpy as np

from experiments.runner import check_figures, output_folder, run, save_figure, script, write_settings, write_table
from rtrbm import RTRBM
from rtrbm.checks import check_count, check_number
from rtrbm.datasets import BouncingBalls
from rtrbm.machine import processors

COLUMNS = ("seconds", "updates", "resident_bytes", "history_bytes", "seconds_in_saves")
PAGE = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096


def parser():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--hours", type=float, default=2.0, help="default: 2")
    options.add_argument("--out", default="results/soak", help="folder for the results (default: results/soak)")
    options.add_argument("--seed", type=int, default=0, help="default: 0")
    options.add_argument("--resolution", type=int, default=30, help="pixels of a side (default: 30)")
    options.add_argument("--n-hidden", type=int, default=400, help="default: 400")
    options.add_argument("--every", type=int, default=200, help="updates between checkpoints (default: 200)")
    options.add_argument("--row", type=float, default=60.0, help="seconds between rows (default: 60)")
    options.add_argument("--engine", default="auto", help="default: auto")
    options.add_argument("--optimizer", default="adam", help="default: adam")
    return options


def resident():
    """Bytes of memory that this process holds, on Linux."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * PAGE


def history_bytes(model):
    """Bytes of the lists of the history, and of the numbers in them."""
    return sum(sys.getsizeof(values) + 24 * len(values) for values in model._history.values())


class Measure:
    """A callback that writes a row now and then, and ends the run when its time is over."""

    def __init__(self, file, hours, seconds):
        self.file, self.writer, self.end, self.every = file, csv.writer(file), hours * 3600, seconds
        self.start, self.shown, self.in_saves, self.rows = time.monotonic(), -seconds, 0.0, []
        self.writer.writerow(COLUMNS)

    def saving(self, save):
        """The function `save`, its time counted."""

        def timed(*arguments):
            start = time.perf_counter()
            try:
                return save(*arguments)
            finally:
                self.in_saves += time.perf_counter() - start

        return timed

    def __call__(self, model):
        seconds = time.monotonic() - self.start
        over = seconds >= self.end
        if seconds - self.shown >= self.every or over:
            self.shown = seconds
            row = round(seconds, 1), model.n_updates_, resident(), history_bytes(model), round(self.in_saves, 3)
            self.rows.append(row)
            self.writer.writerow(row)
            self.file.flush()
        return over


def summary(rows):
    """Seconds, updates, MB at the end, growth in MB an hour beside that of the history, and the share of the saves."""
    seconds, updates, memory, history, in_saves = np.array(rows, float).T
    late = slice(len(rows) // 2, None)
    growth = np.polyfit(seconds[late], (memory - history)[late], 1)[0] if len(rows) > 3 else np.nan
    share = in_saves[-1] / seconds[-1]
    return seconds[-1], int(updates[-1]), memory[-1] / 1e6, growth * 3600 / 1e6, share


def figure(rows):
    """Resident memory and the bytes of the history over time, and the share of time in saves."""
    import matplotlib.pyplot as plt

    seconds, _, memory, history, in_saves = np.array(rows, float).T
    drawn, (above, below) = plt.subplots(2, 1, sharex=True, figsize=(6.5, 4.5), layout="constrained")
    above.plot(seconds / 60, memory / 1e6, label="resident memory")
    above.plot(seconds / 60, history / 1e6, label="history")
    above.set(ylabel="MB", ylim=(0, None))
    above.legend(frameon=False)
    below.plot(seconds / 60, 100 * in_saves / np.maximum(seconds, 1e-9))
    below.set(xlabel="minutes", ylabel="% of the time in saves", ylim=(0, None))
    return drawn


@script
def main(arguments=None):
    options = parser().parse_args(arguments)
    check_number("--hours", options.hours, 0)
    check_count("--seed", options.seed, 0)
    check_figures()
    folder = output_folder(options.out)
    write_settings(folder / "settings.json", {**vars(options), "processors": processors()})
    data = BouncingBalls(1, 100, resolution=options.resolution, n_balls=3, random_state=options.seed)
    model = RTRBM(
        options.n_hidden, n_gibbs=10, optimizer=options.optimizer, learning_rate=0.003, batch_size=1, n_jobs=1,
        n_updates=100_000_000, engine=options.engine, random_state=options.seed,
    )  # fmt: skip
    with open(folder / "soak.csv", "w", newline="") as file:
        measure = Measure(file, options.hours, options.row)
        model._checkpoint = measure.saving(model._checkpoint)
        model.fit(data, checkpoint=folder / "soak.h5", checkpoint_every=options.every, callbacks=[measure])
    write_table(folder / "soak.csv", COLUMNS, measure.rows)
    save_figure(figure(measure.rows), folder / "soak.png")
    seconds, updates, memory, growth, share = summary(measure.rows)
    print(
        f"soak: {seconds:.0f} s, {updates} updates, {memory:.0f} MB, growth {growth:+.2f} MB an hour beside the "
        f"history, {share:.2%} of the time in saves"
    )
    return 0


if __name__ == "__main__":
    run(main)
