"""Tables of text: with a header or without, whatever parts the columns."""

import csv
import warnings
from collections import Counter

import numpy as np

GAPS = {"", "na", "nan", "n/a", "null", "none"}
DELIMITERS = ("\t", ";", ",")
SHOWN = 8  # columns that a message names


class Table:
    """Columns with names, of numbers or of text.

    Parameters
    ----------
    columns : dict of str to (n_rows,) ndarray

    Attributes
    ----------
    columns : list of str
    """

    ndim = 2

    def __init__(self, columns):
        self._columns, self.columns = columns, list(columns)
        self.shape = (len(next(iter(columns.values()))), len(columns))

    def __len__(self):
        return self.shape[0]

    def __getitem__(self, key):
        """A column by its name, a table of some columns by a list of names, or of some rows by anything else."""
        if isinstance(key, str):
            return self._columns[key]
        if isinstance(key, list) and all(isinstance(name, str) for name in key):
            return Table({name: self._columns[name] for name in key})
        return Table({name: np.atleast_1d(values[key]) for name, values in self._columns.items()})

    def __array__(self, dtype=None, copy=None):
        return np.stack(list(self._columns.values()), axis=1).astype(dtype or None, copy=False)

    def __repr__(self):
        return f"Table of {self.shape[0]} rows, columns {', '.join(map(repr, self.columns))}"


def read_text(path):
    """A table of text as an array, or with a header as a table.

    Columns are parted by tabulators, semicolons or commas, or else by blanks. The first line is a header if something
    in it is no number, or if it numbers the columns from 0. A first column without a name that numbers the rows is left
    out (pandas and R write one). Empty fields, NA and NaN are NaN.

    Parameters
    ----------
    path : path-like

    Returns
    -------
    (n_rows, n_columns) ndarray or Table

    Raises
    ------
    ValueError
        If lines differ in their number of fields, names come twice, there is no header and something is no number, or
        the text is not UTF-8.
    """
    with open(path, newline="", encoding="utf-8-sig") as file:
        first = next((line for line in file if line.strip()), "")
        delimiter = next((mark for mark in DELIMITERS if mark in first), None)
        file.seek(0)
        reader = _reader(file, delimiter)
        head = next(_rows(reader), [])
        n_lines, counts = reader.line_num, len(head) > 2 and all(field == str(i) for i, field in enumerate(head))
        if all(map(_is_number, head)) and not counts:
            head, n_lines = None, 0
            file.seek(0)
            reader = _reader(file, delimiter)
        columns = _numbers(path, delimiter, n_lines)
        if head is None and columns is not None:
            return columns.T
        columns = list(_fields(_rows(reader)) if columns is None else columns)
    if head is None:
        wrong = [i for i, values in enumerate(columns) if values.dtype.kind == "U"]
        if wrong:
            raise ValueError(
                f"the first line is no header, and columns {wrong[:SHOWN]} (from 0) have fields that are no numbers"
            )
        return np.stack(columns, axis=1)
    names = ["", *head] if len(columns) == len(head) + 1 else head  # of R's row names
    if not names[0] and _are_counted(columns[0]):
        names, columns = names[1:], columns[1:]
    if len(names) != len(columns):
        raise ValueError(f"row 0 of its data has {len(columns)} fields, {len(names)} are wanted")
    twice = [name for name, n in Counter(names).items() if n > 1]
    if twice:
        raise ValueError(f"names of columns come twice in the header: {', '.join(map(repr, sorted(twice)[:SHOWN]))}")
    return Table(dict(zip(names, columns)))


def _reader(lines, delimiter):
    lines = (line.strip() if delimiter is None else line for line in lines)
    return csv.reader(lines, delimiter=delimiter or " ", skipinitialspace=True)


def _rows(reader):
    """The fields of lines that are not blank."""
    return ([field.strip() for field in row] for row in reader if any(row))


def _numbers(path, delimiter, n_lines):
    """The columns of a table of nothing but numbers after so many lines, or None."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that there are no rows
            table = np.loadtxt(
                path, delimiter=delimiter, skiprows=n_lines, comments=None, ndmin=2, encoding="utf-8-sig"
            )
    except ValueError:
        return None
    return table.T if table.size else None


def _fields(rows):
    """The columns of a table, of numbers where all fields are numbers or gaps, else of text."""
    rows = list(rows)
    n = len(rows[0]) if rows else 0
    if not n:
        raise ValueError("it has no rows of data")
    wrong = next((i for i, row in enumerate(rows) if len(row) != n), None)
    if wrong is not None:
        raise ValueError(f"row {wrong} of its data has {len(rows[wrong])} fields, {n} are wanted")
    for fields in zip(*rows):
        if all(map(is_field, fields)):
            yield np.array([np.nan if field.lower() in GAPS else float(field) for field in fields])
        else:
            yield np.array(fields)


def is_field(field):
    """Whether a field of a column of numbers may be so: a number, or a gap."""
    return field.lower() in GAPS or _is_number(field)


def _is_number(field):
    try:
        float(field)
    except ValueError:
        return False
    return True


def _are_counted(values):
    """Whether a column numbers the rows, or is text: names of rows."""
    return values.dtype.kind == "U" or np.array_equal(values - values[0], np.arange(len(values)))
