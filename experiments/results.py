"""All runs beside the numbers in print: docs/results/summary.csv and the tables of docs/results.md.

    python -m experiments.results --add results/real_data    keep a run: its tables and settings, in docs/results
    python -m experiments.results                            make the tables anew

docs/results has a folder for each run that is kept, and published.csv, the numbers in print. Runs that differ in their
seed alone are averaged. A run that is added again takes the place of the one with the same name.
"""

import argparse
import csv
import io
import json
import math
import os
import shutil
import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np

from experiments.readers import INDEPENDENT, TABLES, measured, read_run, read_table
from experiments.runner import check_ended, mean_and_error, run
from rtrbm.training.files import replacing

DOCS = Path(__file__).parent.parent / "docs"
BEGIN, END = "<!-- begin: python -m experiments.results -->", "<!-- end -->"
SOURCES = "<!-- results: * -->"  # of the tables, for tests/test_results.py
LARGEST = 200_000  # bytes of a table that is kept
LINEAR = "linear predictor"
# Settings in which runs may differ that are averaged: seeds, what a row is of, and what no number depends on.
APART = {
    "seed", "seeds", "test_seed", "fit_seed", "out", "data", "n_jobs", "resume", "minutes", "versions", "machine",
    "sets", "models", "model", "tasks", "music",
}  # fmt: skip


class Row(NamedTuple):
    """A number of summary.csv: the mean over runs that differ in their seed alone.

    error : float or None, the standard error over seeds, of one seed that over test sequences; beside : dict of str to
    float, predictors without hidden units; minutes : float or None; bracket : (float, float) or None, bounds of what is
    estimated; commits, runs : tuple of str.
    """

    table: str
    model: str
    protocol: str
    settings: str
    value: float
    error: float | None
    n_seeds: int
    minutes: float | None
    beside: dict
    bracket: tuple | None
    commits: tuple
    runs: tuple

    @property
    def lost(self):
        """Whether the linear predictor on the same frames is as good, within the standard error."""
        sign = 1 if TABLES[self.table].largest_first else -1
        return LINEAR in self.beside and sign * (self.value - self.beside[LINEAR]) <= (self.error or 0)


def add(source, kept):
    """Copy the tables and the settings of a run to the folder `kept`, paths left out.

    Parameters
    ----------
    source : Path
        The folder that a script has written.
    kept : Path
        Gets a folder of the same name.

    Returns
    -------
    str or None
        What is wrong with the run, if its numbers can be kept nevertheless.

    Raises
    ------
    ValueError
        If there are no settings, no tables or no commit, a file cannot be read, or a table is large.
    FileExistsError
        If there is a folder of that name.
    """
    tables, settings = sorted(source.glob("*.csv")), source / "settings.json"
    if not tables or not settings.exists():
        raise ValueError(f"--add wants the folder of a run that ended, with settings.json and CSV files: got {source}")
    for table in tables:
        if table.stat().st_size > LARGEST:
            raise ValueError(
                f"{table} has {table.stat().st_size:,} bytes, more than the {LARGEST:,} of a table to keep"
            )
    run = read_run(source)
    check_ended("--add", source, run.settings)
    commit = (run.settings.get("versions") or {}).get("commit")
    if not commit:
        raise ValueError(f"{settings} names no commit: run the script in a clone of the repository")
    folder = kept / source.resolve().name
    folder.mkdir(parents=True)
    for table in tables:
        (folder / table.name).write_bytes(table.read_bytes().replace(b"\r\n", b"\n"))
    found = {name: value for name, value in _without_paths(run.settings).items() if "/" not in json.dumps(value)}
    (folder / "settings.json").write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    if commit.endswith("-dirty"):
        return f"{source}: files had changed since commit {commit[:12]}, nobody can repeat this run"
    return None if list(measured(run)) else f"{source}: none of its tables has numbers that are compared"


def _without_paths(settings):
    """Settings whose dicts have no entry with a path."""
    return {
        name: {key: own for key, own in value.items() if "/" not in key + json.dumps(own)}
        if isinstance(value, dict) else value
        for name, value in settings.items()
    }  # fmt: skip


def gather(*folders):
    """The rows of all runs in some folders, averaged over seeds.

    A run in a later folder takes the place of one with the same name.

    Raises
    ------
    ValueError
        If a run cannot be read, two have measured the same from the same seed and found different numbers, or from
        different seeds with other settings.
    """
    groups, runs = {}, {path.parent.name: path.parent for kept in folders for path in kept.glob("*/settings.json")}
    for name in sorted(runs):
        found = read_run(runs[name])
        for one in measured(found):
            group = groups.setdefault((one.table, one.model, one.protocol, one.settings), [])
            if all(one.value != other.value for _, other in group):  # 1-grams do not differ
                group.append((found, one))
    return sorted(_beside_independent([_average(*group) for group in groups.items()]), key=_place)


def _beside_independent(rows):
    """The rows, those of music beside the models of independent notes, which runs of their own may have measured."""
    known = {}
    for row in rows:
        if row.model in INDEPENDENT:
            known.setdefault(row.table, {}).setdefault(row.model, row.value)
    found = []
    for row in rows:
        others = {name: value for name, value in known.get(row.table, {}).items() if name != row.model}
        found.append(row._replace(beside=row.beside | others))
    return found


def _average(key, group):
    runs, ours = zip(*group)
    seeds = [seed for one in ours for seed in one.seeds]
    names = tuple(dict.fromkeys(found.name for found in runs))
    if len(seeds) > len(set(seeds)):
        raise ValueError(f"{' and '.join(names)} measure {', '.join(key)} from the same seed: keep one of them")
    for found in runs[1:]:
        own, other = (run.settings for run in (runs[0], found))
        different = {name for name in {*own, *other} - APART if _differ(name, own.get(name), other.get(name))}
        if different:
            raise ValueError(
                f"{names[0]} and {found.name} measure {', '.join(key)}, but differ in more than their seeds, "
                f"{', '.join(sorted(different))}: keep one of them"
            )
    value, over_seeds = mean_and_error([one.value for one in ours])
    error = over_seeds if len(ours) > 1 else ours[0].error
    minutes = None if None in (one.minutes for one in ours) else float(np.mean([one.minutes for one in ours]))
    known = [name for name in ours[0].beside if all(name in one.beside for one in ours)]
    beside = {name: float(np.mean([one.beside[name] for one in ours])) for name in known}
    brackets = [one.bracket or (one.value, one.value) for one in ours]
    bracket = tuple(np.mean(brackets, axis=0).tolist()) if any(one.bracket for one in ours) else None
    commits = tuple(dict.fromkeys(found.settings["versions"]["commit"] for found in runs))
    return Row(*key, value, error, len(seeds), minutes, beside, bracket, commits, names)


def _differ(name, own, other):
    """Whether a setting has two values; of the recipes of sets of data those in both runs alone count."""
    if name != "recipes" or not (isinstance(own, dict) and isinstance(other, dict)):
        return own != other
    return any(own[key] != other[key] for key in {*own} & {*other})


def _place(row):
    table = TABLES[row.table]
    return list(TABLES).index(row.table), -row.value if table.largest_first else row.value


def summary(rows):
    """summary.csv as text."""
    beside = list(dict.fromkeys(name for row in rows for name in row.beside))
    head = "table", "model", "protocol", "settings", "value", "standard_error", "lower", "upper", "seeds", "minutes"
    lines = [(*head, *beside, "commit", "runs")]
    for row in rows:
        others = [row.beside.get(name) for name in beside]
        numbers = [row.value, row.error, *(row.bracket or (None, None)), row.n_seeds, row.minutes, *others]
        lines.append((*row[:4], *map(_exactly, numbers), " ".join(row.commits), " ".join(row.runs)))
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(lines)
    return text.getvalue()


def _exactly(number):
    return "" if number is None else f"{number:.6g}"


def shown(value, error=None):
    """A number with its standard error, to the first digit of the error; four digits without one."""
    if not error:
        return f"{value:.4g}"
    digits = max(0, -math.floor(math.log10(float(f"{error:.0e}"))))
    return f"{value:.{digits}f} ± {error:.{digits}f}"


def page(rows, published):
    """The tables of docs/results.md, those first in which the linear predictor is as good as a model.

    Parameters
    ----------
    rows : list of Row
        From `gather`, the best of a table first.
    published : list of dict
        Rows of published.csv.

    Returns
    -------
    str
    """
    sections = [_where_lost(rows)]
    for name, table in TABLES.items():
        ours = [row for row in rows if row.table == name]
        printed = [row for row in published if row["table"] == name]
        if not ours:
            continue
        beside = list(dict.fromkeys(other for row in ours for other in row.beside))
        cells = [(row.value, _ours(row, beside)) for row in ours]
        cells += [(float(row["value"]), _printed(row, beside)) for row in printed]
        cells.sort(key=lambda pair: pair[0], reverse=table.largest_first)
        head = "model", "published", "ours", *beside, "protocol", "settings", "minutes", "seeds", "commit or source"
        order = "the largest" if table.largest_first else "the smallest"
        text = f"{table.unit[0].upper()}{table.unit[1:]}; {order} is the best."
        sections.append(_section(table.title, text, head, [line for _, line in cells]))
    return "\n\n".join(sections)


def _where_lost(rows):
    best = {}
    for row in rows:  # the best protocol comes first
        best.setdefault((row.table, row.model, row.settings), row)
    lost = [
        (TABLES[row.table].title, *row[1:4], shown(row.value, row.error), shown(row.beside[LINEAR]))
        for row in best.values()
        if row.lost
    ]
    text = "By the protocol that suits the model best, within its standard error."
    head = "data", "model", "protocol", "settings", "ours", LINEAR
    return _section("Where the linear predictor is as good or better", text if lost else "Nowhere.", head, lost)


def _section(title, text, head, rows):
    """A heading, a sentence and, if there are rows, a table."""
    lines = ["| " + " | ".join(map(str, row)) + " |" for row in (head, ["---"] * len(head), *rows)]
    return "\n\n".join([f"## {title}", text, *[f"{SOURCES}\n\n" + "\n".join(lines)] * bool(rows)])


def _ours(row, beside):
    others = [shown(row.beside[name]) if name in row.beside else "" for name in beside]
    minutes = "" if row.minutes is None else f"{row.minutes:.2g}" if row.minutes < 99.5 else f"{row.minutes:.0f}"
    ours = shown(row.value, row.error)
    if row.bracket:
        ours += f" [{shown(row.bracket[0])}, {shown(row.bracket[1])}]"
    return (row.model, "", ours, *others, row.protocol, row.settings, minutes, row.n_seeds, ", ".join(row.commits))


def _printed(row, beside):
    return (row["model"], row["value"], "", *[""] * len(beside), row["protocol"], "", "", "", row["source"])


def within(text, tables):
    """A page with new tables between its two marks."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"docs/results.md must have the lines {BEGIN} and {END}")
    return f"{before}{BEGIN}\n\n{tables}\n\n{END}{after}"


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--add", type=Path, nargs="+", default=[], metavar="FOLDER", help="runs to keep")
    parser.add_argument("--out", type=Path, default=DOCS, help="folder of results.md and results/ (default: docs)")
    options = parser.parse_args(arguments)
    kept, target = options.out / "results", options.out / "results.md"
    names = [source.resolve().name for source in options.add]
    if len(names) > len(set(names)):
        raise ValueError(f"--add must name folders of different names, got {', '.join(names)}")
    for path in target, kept / "published.csv":
        if not path.exists():
            raise FileNotFoundError(f"--out must be the folder docs, or a copy of it: there is no {path}")
    old, published = target.read_text(encoding="utf-8"), read_table(kept / "published.csv")
    with tempfile.TemporaryDirectory(dir=options.out, prefix=".adding-") as temporary:
        new = Path(temporary)
        notes = [add(source, new) for source in options.add]
        rows = gather(kept, new)
        text = within(old, page(rows, published))  # all of it can be read: only now something changes
        for name in names:
            shutil.rmtree(kept / name, ignore_errors=True)
            os.replace(new / name, kept / name)
    for path, content in ((kept / "summary.csv", summary(rows)), (target, text)):
        with replacing(path) as temporary:
            Path(temporary).write_text(content, encoding="utf-8")
    print("\n".join([f"{len(rows)} numbers in {target}", *filter(None, notes)]))
    return 0


if __name__ == "__main__":
    run(main)
