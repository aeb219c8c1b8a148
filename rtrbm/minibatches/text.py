"""Tables of text: with a header or without, whatever parts the columns."""

import contextlib
import csv
import re
import warnings
from collections import Counter

import numpy as np

from ..foreign import DECIMAL_COMMA
from ..warned import warn

BLANKS = " \t\r\n"
GAPS = {"", "na", "nan", "n/a", "#n/a", "null", "none"}
TRUTH = {"true": "1", "false": "0"}
DELIMITERS = ("\t", ";", ",")
ONE_COLUMN = "\x1f"  # a delimiter that no text has
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
        """A column by its name, a table of some columns by a list or array of names, of some rows by anything else."""
        if isinstance(key, str):
            return self._columns[key]
        names = key.tolist() if isinstance(key, np.ndarray) and key.ndim == 1 else key
        if isinstance(names, list) and names and all(isinstance(name, str) for name in names):
            return Table({name: self._columns[name] for name in names})
        rows = np.array(key, int) if isinstance(key, list) and not key else key
        return Table({name: np.atleast_1d(values[rows]) for name, values in self._columns.items()})

    def __array__(self, dtype=None, copy=None):
        if dtype == object:
            return np.stack([values.astype(object) for values in self._columns.values()], axis=1)
        numbers = np.stack([_as_numbers(*pair) for pair in self._columns.items()], axis=1)
        return numbers if dtype is None else numbers.astype(dtype, copy=False)

    def __repr__(self):
        return f"Table of {self.shape[0]} rows, columns {', '.join(map(repr, self.columns))}"


def _as_numbers(name, values):
    """A column of numbers; a TypeError if it is one of text."""
    if values.dtype.kind != "U":
        return values
    wrong = next((field for field in values.tolist() if not is_field(field)), None)
    if wrong is not None:
        raise TypeError(f"the column {name!r} has text, {wrong!r:.40}: take the columns of numbers, table[[name, ...]]")
    return np.array([np.nan if field.lower() in GAPS else float(field) for field in values.tolist()])


def read_text(path):
    """A table of text as an array, or with a header as a table.

    Columns are parted by tabulators, semicolons or commas, or else by blanks. The first line is a header if something
    in it is no number and no gap, or if it numbers the columns from 0, as pandas does where they have no names
    (`_is_header` has the cases in which that may be a frame). So is a comment, a first line that begins with #, if it
    has a name for each column. A first column without a name holds names or numbers of rows, which pandas and R write
    there: it is left out. So are columns without a name and without a number. Empty fields, NA, #N/A and NaN are NaN.
    Blank lines are skipped; a line of gaps is a row.

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
        delimiter, head, first, n_lines = _begin(file)
        has_names = not all(map(is_field, head))
        columns = None
        if has_names or first and _are_counted(head):
            columns = _columns(file, path, delimiter, n_lines)
        if columns is None or not (has_names or _is_header(head, columns)):
            beginning, head, columns = head, None, _columns(file, path, delimiter, 0)
            _doubt_frame(beginning, columns)
    if head is not None:
        others = [field for field in head if not is_field(field)]
        commas = all(DECIMAL_COMMA.fullmatch(field) for field in others)
        spoilt = [field for field in others if commas or field[0] == "#" or not re.search(r"\w", field)]
        if spoilt and (commas or any(map(_is_number, head))):
            remedy = "write decimal points" if commas else "leave what is no number empty"
            warn(
                f"the first line is taken for names of columns, {', '.join(map(repr, spoilt[:SHOWN]))} among them: if "
                f"it is a frame, {remedy}"
            )
        return Table(_named(head, list(columns), first))
    if isinstance(columns, np.ndarray):
        return columns.T
    wrong = [i for i, values in enumerate(columns) if values.dtype.kind == "U"]
    if wrong:
        raise ValueError(
            f"the first line is no header, and columns {wrong[:SHOWN]} (from 0) have fields that are no numbers"
        )
    return np.stack(columns, axis=1).astype(float, copy=False)


def text_of(table, path, name):
    """The fields of a column as they are written, gaps as empty texts.

    Parameters
    ----------
    table : Table
    path : path-like
        What it was read from, for a column of numbers.
    name : str

    Returns
    -------
    (n_rows,) ndarray of str
    """
    fields = table[name].tolist()
    if table[name].dtype.kind != "U":
        with open(path, newline="", encoding="utf-8-sig") as file:
            delimiter, head, _, n_lines = _begin(file)
            fields = [row[head.index(name) - len(head)] for row in _below(file, delimiter, n_lines)]
    return np.array(["" if field.lower() in GAPS else field for field in fields])


def _begin(file):
    """What parts the columns, the first line that says something, the next one, and the number of lines up to it."""
    line = next((line for line in file if line.strip()), "")
    while line.count('"') % 2 and (more := next(file, "")):  # a quoted name may go on in the next line
        line += more
    delimiter = next((mark for mark in DELIMITERS if mark in re.sub('"[^"]*"', "", line)), None)
    if delimiter is None and line.startswith("#"):
        named = _named_in_comment(file, line)
        if named is not None:
            return named
    head, first, n_lines = _first_rows(file, delimiter)
    is_named = head[:1] != ["#"] and not all(map(is_field, head))
    if delimiter is None and len(first) == 1 < len(head) and is_named:  # one column, whose name has blanks
        delimiter = ONE_COLUMN
        head, first, n_lines = _first_rows(file, delimiter)
    if head[:1] == ["#"] and len(first) == len(head) - 1:  # as numpy.savetxt writes names
        head = head[1:]
    elif len(head) > 1 and head[0].startswith("#"):
        head = [head[0].lstrip("# ") or head[0], *head[1:]]
    return delimiter, head, first, n_lines


def _named_in_comment(file, line):
    """As `_begin`, if a first line that begins with # has names that blanks part, and other marks part the columns.

    None if these are parted by blanks, too.
    """
    file.seek(0)
    lines = [text for text, _ in zip((text for text in file if text.strip()), range(SHOWN))]
    below = next((text for text in lines if not text.startswith("#")), "")
    delimiter = next((mark for mark in DELIMITERS if mark in re.sub('"[^"]*"', "", below)), None)
    if delimiter is None or all(DECIMAL_COMMA.fullmatch(field) for field in below.split()):
        return None
    names, (_, first, n_lines) = line.lstrip("# ").split(), _first_rows(file, delimiter)
    n_comments = sum(text.startswith("#") for text in lines)
    if n_comments > 1 or len(names) != len(first) or not any(map(is_field, first)):
        raise ValueError(
            f"the first line, {line.strip()!r:.60}, is a comment, and has no name for each column below: remove the "
            "lines that begin with #"
        )
    said = ", ".join(map(repr, names[:SHOWN]))
    warn(f"the first line, a comment, is taken for names of columns, {said}: remove it if it is none of names")
    return delimiter, names, first, n_lines


def _first_rows(file, delimiter):
    """The first row that says something, the next one, and the number of lines up to the first."""
    file.seek(0)
    reader = _reader(file, delimiter)
    rows = _rows(reader)
    head = next((row for row in rows if any(row)), [])
    n_lines = reader.line_num
    return head, next(rows, []), n_lines


def _columns(file, path, delimiter, n_lines):
    """The columns of what follows so many lines: one array if there are numbers alone, or else a list."""
    columns = _numbers(path, delimiter, n_lines)
    return list(_fields(_below(file, delimiter, n_lines))) if columns is None else columns


def _below(file, delimiter, n_lines):
    """The rows after so many lines."""
    file.seek(0)
    reader = _reader(file, delimiter)
    return (row for row in _rows(reader) if reader.line_num > n_lines)


def _are_counted(head):
    """Whether fields are 0, 1, 2, ..., perhaps after an empty one."""
    names = head[head[:1] == [""] :]
    return names == [str(i) for i in range(len(names))]


def _doubt_frame(first, columns):
    """Warn if the first line, taken for a frame, counts on: 1, 2, 3, or 2019, 2020 above smaller numbers."""
    if len(first) < 2 or not all(field.isdecimal() for field in first) or any(len(x) < 2 for x in columns):
        return
    counted = [int(field) for field in first]
    goes_on = counted == [*range(counted[0], counted[0] + len(counted))]
    below = [x[1:][~np.isnan(x[1:])] for x in columns if x.dtype.kind == "f"]
    most = max((np.max(x, initial=-np.inf) for x in below), default=np.inf)
    if goes_on and (counted[0] == 1 and len(first) > 2 or counted[0] > most):
        said = ", ".join(first[:SHOWN])
        warn(f"the first line, {said}, is taken for a frame: if it has the names of columns, give these a letter")


def _is_header(head, columns):
    """Whether fields that are counted are names of the columns below, as pandas writes them, or a frame.

    More than two numbers from 0 on are names, and so are numbers from 0 on behind the names of rows, an empty field.
    Frames of few whole numbers may begin so too: these are told by what is below.
    """
    if len(columns) != len(head):
        return True
    index, *others = columns if head[0] == "" else (None, *columns)
    are_whole = all(map(_are_names, others))
    if index is not None:
        if index.dtype.kind == "U":
            return True
        has_gaps, is_distinct = bool(np.isnan(index).any()), len(np.unique(index)) == len(index)
        return is_distinct and not has_gaps or not are_whole and (len(others) > 1 or not has_gaps)
    if len(head) > 2:
        return True
    if len(head) < 2 or are_whole:
        return False
    warn(
        "the first line, 0 and 1, is taken for numbers of columns, as pandas writes them: write names above if it is a "
        "frame"
    )
    return True


def _named(names, columns, first):
    """Columns by their names, without those of no name that say nothing about frames; `first` is a row of fields."""
    if len(columns) == len(names) + 1:
        if first[-1] == "" and _is_empty(columns[-1]) and columns[0].dtype.kind != "U":
            raise ValueError(
                f"rows of its data have {len(columns)} fields, the header has {len(names)}: they end with one more "
                "delimiter"
            )
        names = ["", *names]  # of rows, as R writes them
    if len(names) != len(columns):
        raise ValueError(f"rows of its data have {len(columns)} fields, the header has {len(names)}")
    if not names[0] and len(names) > 1:
        if not _are_names(columns[0]):
            warn("the first column has no name and is left out, as names of rows are: give it a name if it is data")
        names, columns = names[1:], columns[1:]
    pairs = [(name, column) for name, column in zip(names, columns) if name or not _is_empty(column)]
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
    """The columns of a table of nothing but numbers, after so many lines, or None.

    None also if beneath a header there are whole numbers that double precision may not tell from others.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that there are no rows
            with open(path, encoding="utf-8-sig") as file:  # numpy would go by the ending of the name
                table = np.loadtxt(file, delimiter=delimiter, skiprows=n_lines, comments=None, ndmin=2)
    except ValueError:
        return None
    return table.T if table.size and not (n_lines and _are_large(table)) else None


def _are_large(values):
    """Whether there are finite numbers beyond those that double precision tells from the next whole one."""
    most = np.nanmax(values, initial=0), -np.nanmin(values, initial=0)
    return any(2**53 <= size < np.inf for size in most)


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
        if {field.lower() for field in fields} <= {*TRUTH, *GAPS}:
            fields = [TRUTH.get(field.lower(), field) for field in fields]
        if not all(map(is_field, fields)):
            yield np.array(fields)
            continue
        values = np.array([np.nan if field.lower() in GAPS else float(field) for field in fields])
        yield _whole(fields, values) if _are_large(values) else values


def _whole(fields, values):
    """Whole numbers as integers of 64 bits, as text if they are too large for these; `values` if they are none."""
    try:
        whole = [int(field) for field in fields]
    except ValueError:
        return values
    for kind in (np.int64, np.uint64):
        with contextlib.suppress(OverflowError):
            return np.array(whole, kind)
    return np.array(fields)


def is_field(field):
    """Whether a field of a column of numbers may be so: a number, or a gap."""
    return field.lower() in GAPS or _is_number(field)


def _is_number(field):
    try:
        float(field)
    except ValueError:
        return False
    return "_" not in field  # Python reads 1_2 as 12


def _are_names(values):
    """Whether a column may hold names of rows: text, or whole numbers."""
    return values.dtype.kind in "Uiu" or bool((values == np.rint(values)).all())


def _is_empty(values):
    """Whether a column has no number and no text."""
    return values.dtype.kind == "f" and bool(np.isnan(values).all())
