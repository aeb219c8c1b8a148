"""The cost of an update of an RTRBM, compared with its matrix products alone, and with torch and JAX.

The script times one update, interleaved in one run, of (a) rtrbm, (b) the same matrix products alone, and (c) torch and
JAX (`experiments.rivals`), if they are installed. Each product of (b) is over all frames at once, in preallocated
arrays, with numpy's matrix library on all threads. Each contender has a process of its own; compilation is not timed.
An update takes a minibatch as a numpy array, changes the parameters and returns. The machine's speed drifts, so quote
the ratios: the time of each contender to that of (b) in the same round, the median over rounds. "hashed" are updates
whose random numbers are a hash of a counter, cheaper than any generator of the libraries.

The peak of memory is the peak during an update, less the memory of the process before it, with its libraries and the
minibatch.

Without an option the size is the thesis's: 900 visible and 400 hidden units, 8 sequences of 100 frames, CD-10.
"""

import argparse
import contextlib
import platform
import time
from importlib import metadata
from pathlib import Path

import numpy as np

from experiments.contenders import (
    CONTENDERS,
    PRODUCTS,
    Contender,
    Setting,
    installed,
    interleaved,
    library,
    ranks_seconds,
)
from experiments.runner import (
    check_figures,
    output_folder,
    print_table,
    run,
    save_figure,
    script,
    write_settings,
    write_table,
)
from rtrbm.checks import check_count, check_n_jobs
from rtrbm.compute.threads import n_threads, processors
from rtrbm.datasets import BouncingBalls
from rtrbm.plots import COLOURS, WIDTH

GRID = [
    Setting(n_visible, n_hidden, n_sequences=n_sequences, n_gibbs=n_gibbs)
    for n_visible, n_hidden in ((88, 150), (900, 400), (900, 2000))
    for n_sequences in (1, 8, 32)
    for n_gibbs in (1, 10, 25)
]
CURVES = {
    "n_frames": (25, 50, 100, 200, 400),
    "n_sequences": (2, 4, 8, 16, 32),
    "n_gibbs": (3, 6, 12, 25, 50),
    "n_hidden": (100, 200, 400, 800, 1600),
}
SCALINGS = [*CURVES, "n_jobs", "n_ranks"]
LABELS = {"n_frames": "frames T", "n_sequences": "sequences", "n_gibbs": "Gibbs steps k", "n_hidden": "hidden units"}
COLUMNS = (
    "contender", "threads", *Setting._fields, "median_seconds", "minimum_seconds", "frames_per_second", "ratio",
    "peak_megabytes", "rounds",
)  # fmt: skip
SHORTEST = 0.2  # seconds that one measurement takes at least, by repeating the update


def measure(names, settings, threads, repeats, limit):
    """Time updates of several sizes, all of them interleaved.

    Parameters
    ----------
    names : list of str
        Contenders.
    settings : list of Setting
    threads : list of int
        Numbers of threads; each contender has a process for each of them.
    repeats : int
    limit : float
        Seconds after which no further round begins.

    Returns
    -------
    list of tuples
        Rows of COLUMNS, by number of threads, setting, contender.
    """
    with contextlib.ExitStack() as stack:
        measured, functions = [], []
        for n in threads:
            contenders = [stack.enter_context(Contender(name, n)) for name in names]
            for setting in settings:
                for contender in contenders:
                    told = contender.prepare(setting)
                    n_updates = int(np.clip(SHORTEST / contender.seconds(setting), 1, 1000))
                    functions.append(lambda c=contender, s=setting, n=n_updates: c.seconds(s, n))
                    measured.append((contender.name, told["threads"], setting, told["memory"]))
        seconds = interleaved(functions, repeats, limit)
    rows = []
    for column, (name, n, setting, memory) in enumerate(measured):
        own = seconds[:, column]
        alone = seconds[:, column - column % len(names) + names.index(PRODUCTS)]
        median = np.median(own)
        frames = setting.n_frames * setting.n_sequences / median if name != PRODUCTS else None
        memory = memory / 1e6 if memory is not None else None
        ratio = np.median(own / alone)
        rows.append((name, n, *setting, median, own.min(), frames, ratio, memory, len(seconds)))
    return rows


def exponents(rows, curve):
    """For each contender the exponent a of the fit seconds = c size^a, by least squares of the logarithms."""
    points = _points(rows, curve)
    return {name: np.polyfit(np.log(x), np.log(y), 1)[0] for name, (x, y) in points.items()}


def _points(rows, curve):
    """Sizes and median seconds of each contender along a curve."""
    size, median = COLUMNS.index(curve), COLUMNS.index("median_seconds")
    names = dict.fromkeys(row[0] for row in rows)
    return {name: np.array([(row[size], row[median]) for row in rows if row[0] == name]).T for name in names}


def curves_figure(curves):
    """Seconds per update against size on logarithmic axes, a panel for each curve, with the fitted exponents.

    Parameters
    ----------
    curves : dict of str to list of rows
        Rows of COLUMNS for each varied field of `Setting`.

    Returns
    -------
    matplotlib.figure.Figure
    """
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D
    from matplotlib.ticker import FixedLocator, LogLocator, NullLocator

    blue, red, green, _, orange, *_ = COLOURS
    palette = dict(zip(CONTENDERS, (blue, "navy", "0.55", orange, red, red, green, green)))
    styles = {name: {"color": palette[name], "linestyle": "--" if "hashed" in name else "-"} for name in CONTENDERS}
    marks = {"marker": "o", "markersize": 3, "linewidth": 1.2}
    n_rows = -(-len(curves) // 2)
    figure = Figure(figsize=(WIDTH, 0.6 + 2.5 * n_rows), dpi=200, layout="constrained")
    panels = figure.subplots(n_rows, 2, squeeze=False, sharey=True).ravel()
    for axes in panels[len(curves) :]:
        axes.remove()
    names = {}
    for axes, (curve, rows) in zip(panels, curves.items()):
        for name, (x, y) in _points(rows, curve).items():
            names[name] = True
            axes.plot(x, y, **styles[name], **marks)
        axes.set(xscale="log", yscale="log")
        axes.xaxis.set_major_locator(FixedLocator(x))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter("{x:g}")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_minor_locator(NullLocator())
        axes.yaxis.set_major_formatter("{x:g}")
        lines = [("exponent", "black")]
        for name, exponent in exponents(rows, curve).items():
            lines.append((f"{exponent:.2f}" + " hashed" * ("hashed" in name), palette[name]))
        for line, (text, colour) in enumerate(lines):
            axes.text(0.03, 0.93 - 0.07 * line, text, color=colour, fontsize=8, transform=axes.transAxes)
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(which="both", labelsize=8)
        axes.set_xlabel(LABELS[curve], fontsize=9)
    low, high = panels[0].get_ylim()
    panels[0].set_ylim(low, 1.5 * high)  # room for the exponents
    for axes in panels[::2]:
        axes.set_ylabel("seconds per update", fontsize=9)
    handles = [Line2D([], [], **styles[name], **marks) for name in names]
    figure.legend(handles, list(names), loc="outside upper center", ncols=4, frameon=False, fontsize=9)
    return figure


def processor_name():
    """The processor's name as the system gives it."""
    information = Path("/proc/cpuinfo")
    if information.exists():
        for line in information.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def _versions(names):
    return {name: metadata.version(name) for name in dict.fromkeys(["numpy", *map(library, names)])}


def _print(rows, title, *shown):
    """A table of the columns that matter for its purpose."""
    kept = [COLUMNS.index(name) for name in shown]
    print_table(shown, [[row[i] for i in kept] for row in rows], title)


def _minibatch_seconds(setting, repeats=5):
    """Seconds it takes to make a minibatch of bouncing balls, if the frames are square."""
    side = int(setting.n_visible**0.5)
    if side**2 != setting.n_visible or side < 6:
        return None
    stream = BouncingBalls(setting.n_sequences, setting.n_frames, resolution=side, random_state=0)

    def seconds():
        start = time.perf_counter()
        stream.minibatch(0)
        return time.perf_counter() - start

    return np.median(interleaved([seconds], repeats))


def _parser():
    default = Setting()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--grid", action="store_true", help="all sizes: 3 models, 1 to 32 sequences, k = 1 to 25")
    parser.add_argument(
        "--scaling", nargs="*", choices=SCALINGS, metavar="CURVE",
        help="scaling curves about the size given: all, or some of " + ", ".join(SCALINGS),
    )  # fmt: skip
    parser.add_argument("--contenders", nargs="+", choices=list(CONTENDERS), metavar="NAME",
                        help=f"some of {', '.join(CONTENDERS)} (default: all that are installed)")  # fmt: skip
    for name in Setting._fields[:-1]:
        parser.add_argument("--" + name.replace("_", "-"), type=int, default=getattr(default, name))
    parser.add_argument("--dtype", choices=("float32", "float64"), default=default.dtype)
    parser.add_argument("--n-jobs", type=int, default=-1, help="threads of everyone (default: all processors)")
    parser.add_argument("--repeats", type=int, default=20, help="rounds")
    parser.add_argument("--limit", type=float, default=60, help="seconds of rounds for each table or curve")
    parser.add_argument("--out", default="results/benchmark", help="folder for settings.json, the CSV files, the PNG")
    return parser


@script
def main(arguments=None):
    options = _parser().parse_args(arguments)
    for name in (*Setting._fields[:-1], "repeats"):
        check_count("--" + name.replace("_", "-"), getattr(options, name))
    if np.isnan(options.limit) or options.limit < 0:
        raise ValueError(f"--limit must be a number of seconds of at least 0, got {options.limit}")
    check_n_jobs("--n-jobs", options.n_jobs)
    threads = n_threads(options.n_jobs)
    if threads > processors():
        raise ValueError(f"--n-jobs must be at most the number of processors, {processors()}, got {options.n_jobs}")
    curves = SCALINGS if options.scaling == [] else options.scaling or []
    if "n_ranks" in curves and options.n_sequences < 2:
        raise ValueError(f"--n-sequences must be at least 2 for n_ranks, got {options.n_sequences}")
    if set(curves) & set(CURVES):
        check_figures()
    missing = [name for name in options.contenders or [] if name not in installed()]
    if missing:
        raise ValueError(f"--contenders must be installed, {', '.join(missing)} is not")
    folder = output_folder(options.out)
    names = [name for name in CONTENDERS if name in (options.contenders or installed()) or name == PRODUCTS]
    setting = Setting(*(getattr(options, name) for name in Setting._fields))
    described = {"processor": processor_name(), "processors": processors(), "libraries": _versions(names)}
    print(f"{described['processor']}, {threads} of {processors()} processors, {options.dtype};", end=" ")
    print(", ".join(f"{name} {version}" for name, version in described["libraries"].items()))
    settings = folder / "settings.json", vars(options) | described
    write_settings(*settings, ended=False)
    budget = options.repeats, options.limit
    if options.grid:
        _grid(names, options.dtype, threads, budget, folder)
    if curves:
        _scaling(names, setting, curves, threads, budget, folder)
    if not options.grid and not curves:
        rows = measure(names, [setting], [threads], *budget)
        _print(rows, None, "contender", "threads", "median_seconds", "minimum_seconds", "frames_per_second", "ratio",
               "peak_megabytes")  # fmt: skip
        write_table(folder / "benchmark.csv", COLUMNS, rows)
        if (seconds := _minibatch_seconds(setting)) is not None:
            print(f"\nA minibatch of bouncing balls takes {seconds:.4f} s to make.")
    write_settings(*settings)


def _grid(names, dtype, threads, budget, folder):
    rows = []
    for setting in GRID:
        rows += measure(names, [setting._replace(dtype=dtype)], [threads], *budget)
        title = "{} x {}, T = {}, {} sequences, CD-{}".format(*setting)
        _print(rows[-len(names) :], title, "contender", "median_seconds", "frames_per_second", "ratio",
               "peak_megabytes")  # fmt: skip
        write_table(folder / "grid.csv", COLUMNS, rows)


def _scaling(names, setting, wanted, threads, budget, folder):
    curves = {}
    for curve in wanted:
        if curve == "n_jobs":
            rows = measure(names, [setting], sorted({1, threads}), *budget)
            _print(rows, "Threads", "contender", "threads", "median_seconds", "ratio", "peak_megabytes")
            write_table(folder / "threads.csv", COLUMNS, rows)
            continue
        if curve == "n_ranks":
            _ranks(setting, folder)
            continue
        curves[curve] = measure(names, [setting._replace(**{curve: x}) for x in CURVES[curve]], [threads], *budget)
        _print(curves[curve], LABELS[curve], "contender", curve, "median_seconds", "ratio")
        write_table(folder / f"{curve}.csv", COLUMNS, curves[curve])
    if curves:
        fitted = {curve: exponents(rows, curve) for curve, rows in curves.items()}
        table = [(name, *(fitted[curve][name] for curve in curves)) for name in names]
        print_table(("contender", *curves), table, "Exponents of seconds per update")
        write_table(folder / "exponents.csv", ("contender", *curves), table)
        save_figure(curves_figure(curves), folder / "scaling.png")


def _ranks(setting, folder, n_rounds=3, n_updates=20):
    """Seconds per update of 1 and 2 ranks of one thread each, launched in turn."""
    try:
        rounds = [[ranks_seconds(setting, n, n_updates) for n in (1, 2)] for _ in range(n_rounds)]
    except ChildProcessError as error:
        print(f"\nRanks are left out: {error}")
        return
    if rounds[0][0] is None:
        print("\nRanks are left out: they need rtrbm[mpi].")
        return
    median = np.median(rounds, axis=0)
    speedup = np.median([one / two for one, two in rounds])
    rows = [(1, median[0], 1.0), (2, median[1], speedup)]
    columns = "ranks", "median_seconds", "times_faster"
    print_table(columns, rows, "Ranks of one thread each")
    write_table(folder / "ranks.csv", columns, rows)


if __name__ == "__main__":
    run(main)
