"""Tables of text: with a header or without, whatever parts the columns."""

import csv
import warnings
from collections import Counter

import numpy as np

BLANKS = " \t\r\n"
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
    in it is no number and no gap, or if it numbers the columns from 0, as pandas does where they have no names. (Two
    columns: if not all numbers below are whole, for 0,1 may be a frame of them.) A first column without a name holds
    names or numbers of rows, which pandas and R write there: it is left out. So are columns without a name and without
    a number. Empty fields, NA and NaN are NaN. Blank lines are skipped; a line of gaps is a row.

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

    Warns
    -----
    UserWarning
        If what is left out, or taken for a header, could be data.
    """
    with open(path, newline="", encoding="utf-8-sig") as file:
        delimiter, head, n_lines = _begin(file)
        if all(map(is_field, head)):
            head, columns = _parted(_columns(file, path, delimiter, 0))
        else:
            columns = _columns(file, path, delimiter, n_lines)
    if head is not None:
        return Table(_named(head, list(columns)))
    if isinstance(columns, np.ndarray):
        return columns.T
    wrong = [i for i, values in enumerate(columns) if values.dtype.kind == "U"]
    if wrong:
        raise ValueError(
            f"the first line is no header, and columns {wrong[:SHOWN]} (from 0) have fields that are no numbers"
        )
    return np.stack(columns, axis=1).astype(float, copy=False)


def text_of(path, name):
    """The fields of a column as they are written, gaps as empty texts.

    Parameters
    ----------
    path : path-like
        A table of text with a header.
    name : str

    Returns
    -------
    (n_rows,) ndarray of str
    """
    with open(path, newline="", encoding="utf-8-sig") as file:
        delimiter, head, _ = _begin(file)
        file.seek(0)
        rows = _rows(_reader(file, delimiter))
        next(row for row in rows if any(row))
        fields = [row[head.index(name) - len(head)] for row in rows]
    return np.array(["" if field.lower() in GAPS else field for field in fields])


def _begin(file):
    """What parts the columns, the first line that says something, and the number of lines up to it."""
    first = next((line for line in file if line.strip()), "")
    delimiter = next((mark for mark in DELIMITERS if mark in first), None)
    file.seek(0)
    reader = _reader(file, delimiter)
    return delimiter, next((row for row in _rows(reader) if any(row)), []), reader.line_num


def _columns(file, path, delimiter, n_lines):
    """The columns of what follows so many lines: one array if there are numbers alone, or else a list."""
    columns = _numbers(path, delimiter, n_lines)
    if columns is not None:
        return columns
    file.seek(0)
    reader = _reader(file, delimiter)
    return list(_fields(row for row in _rows(reader) if reader.line_num > n_lines))


def _parted(columns):
    """The header of columns whose first row has numbers and gaps alone, and the rest; None and all if it is a frame."""
    first, below = [column[0] for column in columns], [column[1:] for column in columns]
    is_index = len(columns) > 1 and bool(first[0] != first[0]) and are_names(below[0])  # has no name
    names = [""] * is_index + [str(i) for i in range(len(columns) - is_index)]
    counts = len(below[0]) > 0 and [str(value).removesuffix(".0") for value in first[is_index:]] == names[is_index:]
    if not counts or not is_index and len(columns) < 2:
        return None, columns
    if not is_index and len(columns) == 2:
        if all(are_names(column) for column in below):
            return None, columns
        warnings.warn(
            "the first line, 0 and 1, is taken for numbers of columns, as pandas writes them: write names above if it "
            "is a frame",
            stacklevel=6,
        )
    return names, below


def _named(names, columns):
    """Columns by their names, without those of no name that say nothing about frames."""
    if len(columns) == len(names) + 1:
        if is_empty(columns[-1]) or not are_names(columns[0]):
            raise ValueError(
                f"rows of its data have {len(columns)} fields, the header has {len(names)}"
                + ": they end with one more delimiter" * is_empty(columns[-1])
            )
        names = ["", *names]  # of rows, as R writes them
    if len(names) != len(columns):
        raise ValueError(f"rows of its data have {len(columns)} fields, the header has {len(names)}")
    if not names[0] and len(names) > 1:
        if not are_names(columns[0]):
            warnings.warn(
                "the first column has no name and is left out, as names of rows are: give it a name if it is data",
                stacklevel=6,
            )
        names, columns = names[1:], columns[1:]
    pairs = [(name, column) for name, column in zip(names, columns) if name or not is_empty(column)]
    twice = [name for name, n in Counter(name for name, _ in pairs).items() if n > 1]
    if twice:
        raise ValueError(f"names of columns come twice in the header: {', '.join(map(repr, sorted(twice)[:SHOWN]))}")
    return dict(pairs or zip(names, columns))


def _reader(lines, delimiter):
    if delimiter is None:
        lines = map(str.strip, lines)
    else:  # a line of nothing but blanks has no fields
        lines = (line if line.strip(BLANKS.replace(delimiter, "")) else "" for line in lines)
    return csv.reader(lines, delimiter=delimiter or " ", skipinitialspace=True)


def _rows(reader):
    """The fields of lines that are not blank."""
    return ([field.strip() for field in row] for row in reader if row)


def _numbers(path, delimiter, n_lines):
    """The columns of a table of nothing but numbers that double precision has, after so many lines, or None."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that there are no rows
            table = np.loadtxt(
                path, delimiter=delimiter, skiprows=n_lines, comments=None, ndmin=2, encoding="utf-8-sig"
            )
    except ValueError:
        return None
    return table.T if table.size and not _are_large(table) else None


def _are_large(values):
    """Whether there are whole numbers that double precision may not tell from others."""
    return bool((np.abs(values) >= 2**53).any())


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
        if not all(map(is_field, fields)):
            yield np.array(fields)
            continue
        values = np.array([np.nan if field.lower() in GAPS else float(field) for field in fields])
        yield _whole(fields) if _are_large(values) else values


def _whole(fields):
    """Numbers as integers of 64 bits, or as floating point numbers if they are none."""
    try:
        return np.array([int(field) for field in fields], np.int64)
    except (ValueError, OverflowError):
        return np.array([np.nan if field.lower() in GAPS else float(field) for field in fields])


def is_field(field):
    """Whether a field of a column of numbers may be so: a number, or a gap."""
    return field.lower() in GAPS or _is_number(field)


def _is_number(field):
    try:
        float(field)
    except ValueError:
        return False
    return True


def are_names(values):
    """Whether a column may hold names of rows: text, or whole numbers."""
    return values.dtype.kind in "Ui" or bool((values == np.rint(values)).all())


def is_empty(values):
    """Whether a column has no number and no text."""
    return values.dtype.kind == "f" and bool(np.isnan(values).all())
