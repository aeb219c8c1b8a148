"""Tables as sequences."""

from __future__ import annotations

from typing import Any
from collections.abc import Hashable

import numpy as np

from ..foreign import columns, dressed, is_gap, is_table


def tables(X: Any, by: str | None = None, time: str | None = None) -> list[Any]:
    """Tables as sequences: one table a sequence, columns that name sequences or give times left out.

    Parameters
    ----------
    X : DataFrame (pandas, polars) or `rtrbm.convert.read`'s table, or list of them
        Each of a list is a sequence.
    by : str, optional
        The column that names the sequence of a row; rows of one name are a sequence, in the order of the table.
        Sequences come in the order in which their names come first.
    time : str, optional
        The column with the times of rows, or of frames. Times must increase in every sequence.

    Returns
    -------
    list of tables
        Of the type of X, with the other columns under their names.

    Raises
    ------
    TypeError
        If X is no table.
    ValueError
        If there is no such column, a name is missing, times do not increase, tables have other columns, or none is
        left.

    Examples
    --------
    >>> import pandas as pd
    >>> table = pd.DataFrame({"walk": list("aab"), "t": [0, 1, 0], "hip": [0.1, 0.2, 0.3]})
    >>> [len(sequence) for sequence in tables(table, by="walk", time="t")]
    [2, 1]
    """
    given = [X] if is_table(X) else X
    if not isinstance(given, list | tuple) or not given or not all(map(is_table, given)):
        raise TypeError(f"X must be a table with named columns or a list of tables, got {type(X).__name__}")
    sequences = []
    for i, table in enumerate(given):
        name = "X" if is_table(X) else f"X[{i}]"
        kept = _kept(table, by, time, name)
        if i == 0:
            wanted = kept
        elif kept != wanted:
            raise ValueError(f"{name} must have the columns of X[0], {wanted}, got {kept}")
        for label, rows in _groups(table, by, name):
            part = table.iloc[rows] if hasattr(table, "iloc") else table[rows]
            if time is not None:
                _check_times(part, time, name if label is None else f"{name}, {by}={label!r}", by)
            sequences.append(part[kept])
    return sequences


def _kept(table, by, time, name):
    """The names of the columns that are data."""
    known = [column for column, _ in columns(table)]
    twice = sorted({repr(column) for column in known if known.count(column) > 1})
    if twice:
        raise ValueError(f"{name} must have names of columns that differ, these come twice: {', '.join(twice)}")
    for keyword, column in (("by", by), ("time", time)):
        if column is not None and not (isinstance(column, Hashable) and column in known):
            is_index = isinstance(column, str) and column in getattr(getattr(table, "index", None), "names", ())
            remedy = f": {name}.reset_index() makes columns of the index" if is_index else ""
            raise ValueError(f"{keyword}={column!r:.60} must be a column of {name}, one of {known}{remedy}")
    kept = [column for column in known if column not in (by, time)]
    if not kept:
        raise ValueError(f"{name} must have columns besides by={by!r} and time={time!r}")
    return kept


def _groups(table, by, name):
    """The names of sequences and their rows, in the order of first rows."""
    if by is None:
        return [(None, np.arange(len(table)))]
    with dressed(f"{name}, column {by!r}"):
        labels = np.asarray(table[by]).astype(object)
    missing = [row for row, label in enumerate(labels) if is_gap(label) or label != label or label == ""]
    if missing:
        raise ValueError(f"{name}, column by={by!r}, must name the sequence of every row, row {missing[0]} has no name")
    rows = {}
    for row, label in enumerate(labels.tolist()):
        rows.setdefault(label, []).append(row)
    return [(label, np.array(found)) for label, found in rows.items()]


def _check_times(part, time, name, by):
    times = np.asarray(part[time])
    with dressed(f"{name}, column {time!r}"):
        missing = [row for row, at in enumerate(times) if is_gap(at) or at != at or str(at) == ""]
    if missing:
        raise ValueError(f"{name} must have a time in every row of its column {time!r}, row {missing[0]} has none")
    with dressed(f"{name}, column {time!r}"):
        wrong = np.flatnonzero(~(times[1:] > times[:-1]))
    if len(wrong):
        row = int(wrong[0])
        is_text = isinstance(times[row], str)
        remedy = "text is compared letter by letter: write 2024-01-31 09:05, " * is_text + "sort the rows"
        raise ValueError(
            f"{name} must have increasing times in its column {time!r}, got {times[row]!s} and then {times[row + 1]!s} "
            f"in row {row + 1}; {remedy}" + (", or name the sequences with by=" if by is None else "")
        )
