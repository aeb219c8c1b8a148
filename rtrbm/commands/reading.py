"""Files of data as the sequences that models take, and models from their files."""

import shlex
from typing import NamedTuple

import numpy as np

from ..checks import about
from ..user_data import as_given
from ..convert import read as read_arrays, read_midi, tables, video
from ..foreign import DECIMAL_COMMA, is_table, numbers
from ..minibatches.text import Table, is_field, text_of
from ..models import load

SEQUENCE = "sequence"  # the column that names sequences, unless --by says another
MOTION = ".bvh", ".amc", ".asf", ".c3d"
MIDI, NAMELESS = (".mid", ".midi"), (".csv", ".tsv", ".txt", ".npy")


class Data(NamedTuple):
    """The sequences of a file.

    path : str; sequences : list of (n_frames_i, n_features) arrays or tables; form : "one", "array" or "list", what the
    file held; names : list of str, the features' names, or None; by, labels : the column that names sequences and the
    name of each, or None; time, times : the column of times and the times of each sequence, or None; columns : all
    columns of a table in its order, or None; places : the rows of each sequence in the table, or None.
    """

    path: str
    sequences: list
    form: str
    names: list | None = None
    by: str | None = None
    labels: list | None = None
    time: str | None = None
    times: list | None = None
    columns: list | None = None
    places: list | None = None

    def arrays(self):
        """The sequences as arrays of floating point numbers."""
        return [np.asarray(sequence, float) for sequence in self.sequences]

    def rows(self):
        """All frames as one table or array, for models without time."""
        if len(self.sequences) == 1:
            return self.sequences[0]
        together = np.concatenate(self.arrays())
        return together if self.names is None else Table(dict(zip(self.names, together.T)))

    def __str__(self):
        lengths = [len(sequence) for sequence in self.sequences]
        n, few, many = len(lengths), min(lengths), max(lengths)
        frames = f"{few} frames" if few == many else f"{few} to {many} frames"
        features = np.shape(self.sequences[0])[1]
        return f"{n} sequence{'s' * (n > 1)} of {frames}, {features} feature{'s' * (features > 1)}"


def read_model(path):
    """The model in a file."""
    with about("MODEL", "path"):
        return load(path)


def read_data(path, options, label="FILE", name=None):
    """The data of a file.

    Parameters
    ----------
    path : str
    options : argparse.Namespace
        name, by and time, of `rtrbm.commands.parser.data`.
    label : str
        The argument, for messages.
    name : str, optional
        The array, if it is not that of ``options.name``.

    Returns
    -------
    Data

    Raises
    ------
    OSError, TypeError, ValueError, ImportError
        If it cannot be read, or holds no sequences of numbers.
    """
    data = _read(path, options, label, name)
    _refuse(data, np.isinf, "infinite values", "leave the field empty (NaN) where a value is missing")
    return data


def _read(path, options, label, name):
    """The data of a file, infinite values among them."""
    option = "--name" if label in ("FILE", "--data") else f"{label}-name"
    if path.lower().endswith(MOTION):
        raise ValueError(
            f"{label} must be a table or arrays, {path!r} is motion capture: rtrbm.datasets.bvh_motion reads .bvh "
            "files in Python; write the frames as .npy or .csv"
        )
    own = options.name if option == "--name" else name
    is_midi = path.lower().endswith(MIDI)
    if own is not None and path.lower().endswith(MIDI + NAMELESS):
        raise ValueError(f"{option}={own} is for a file with arrays that have names, {path!r} has none")
    if path.lower().endswith(NAMELESS):
        name = None
    elif name is None:
        name = options.name
    try:
        with about(label, "path"), about(label if own is None else option, "path(?= must name )"):
            held = read_midi(path) if is_midi else read_arrays(path, name)
    except TypeError as error:
        there = str(error).rpartition("; there in ")[2]
        raise ValueError(f"{option} ARRAY must say which array of the file is meant; there in {there}") from error
    if is_table(held):
        return _table(path, held, options)
    for option, column in (("--by", options.by), ("--time", options.time)):
        if column is not None:
            raise ValueError(f"{option}={column} is for a table with a header, {path!r} has no names of columns")
    with about(path, "X"):
        held = as_given(held)
        if isinstance(held, list):
            return Data(path, _of_one_width([_frames(x, f"X[{i}]") for i, x in enumerate(held)], path), "list")
        held = _numbers(held, "X")
        if held.ndim == 4:
            held = video(held)
    if held.ndim == 3:
        return Data(path, list(held), "array")
    return Data(path, [_frames(held, path)], "one")


def _numbers(x, name):
    """An array of real numbers, at least one."""
    x = numbers(x, name)
    if not x.size:
        raise ValueError(f"{name} must have at least one frame and one feature, got shape {x.shape}")
    return x


def _frames(x, name):
    """One sequence; numbers in a row are those of one feature."""
    x = _numbers(x, name)
    if x.ndim not in (1, 2):
        raise ValueError(f"{name} must be a sequence (n_frames, n_features), got shape {x.shape}")
    return x[:, None] if x.ndim == 1 else x


def _of_one_width(sequences, path):
    """Sequences, all with the features of the first."""
    n = sequences[0].shape[1]
    for i, sequence in enumerate(sequences):
        if sequence.shape[1] != n:
            raise ValueError(
                f"{path!r} must have sequences of the same features, got {n} features in array 0 and "
                f"{sequence.shape[1]} in array {i}: take one array with --name, or write those that belong together"
            )
    return sequences


def _table(path, table, options):
    """The sequences of a table with a header."""
    by = SEQUENCE if options.by is None and SEQUENCE in table.columns else options.by
    for option, column in (("--by", by), ("--time", options.time)):
        if column is not None and column not in table.columns:
            raise ValueError(f"{option}={column} must be a column of {path!r}, one of {', '.join(table.columns)}")
    for column in table.columns:
        if table[column].dtype.kind != "U" or column in (by, options.time):
            continue
        for row, text in ((i, str(field)) for i, field in enumerate(table[column]) if not is_field(field)):
            if DECIMAL_COMMA.fullmatch(text):
                raise ValueError(f"{path!r} has decimal commas, {text!r} in column {column!r}: write decimal points")
            quoted = shlex.quote(column)
            raise ValueError(
                f"{path!r} has text in its column {column!r}, {text!r} in row {row}: --by {quoted} if it names the "
                f"sequence of a row, --time {quoted} if it holds times, 1 and 0 for yes and no, no text for a missing "
                "value, or leave it out"
            )
    if by is not None:  # 01 and 1 are two names
        table = Table({name: text_of(table, path, by) if name == by else table[name] for name in table.columns})
    with about(path, "X"), about("--by", "by="):
        sequences = tables(table, by, options.time)
    labels = times = None
    places = [np.arange(len(table))]
    if by is not None:
        labels = list(dict.fromkeys(table[by].tolist()))
        places = [np.flatnonzero(table[by] == label) for label in labels]
    if options.time is not None:
        times = [table[options.time][at] for at in places]
    form = "one" if by is None else "list"
    names = sequences[0].columns
    return Data(path, sequences, form, names, by, labels, options.time, times, table.columns, places)


def check_complete(data, remedy="`rtrbm impute` fills them in"):
    """Raise if values are missing."""
    _refuse(data, np.isnan, "missing values", remedy)


def check_unnamed(option, name):
    """Raise if an array is named in a file that is not given."""
    if name is not None:
        raise ValueError(f"{option}-name={name} names an array in the file of {option}: give {option} FILE, too")


def check_follows(data):
    """Raise unless a frame follows another one."""
    if max(map(len, data.sequences)) < 2:
        raise ValueError(f"{data.path!r} must have a sequence of at least 2 frames, the first one is not predicted")


def _refuse(data, are_wrong, what, remedy):
    """Raise if there are such values."""
    found = [np.argwhere(are_wrong(sequence)) for sequence in data.arrays()]
    n, i = sum(map(len, found)), next((i for i, wrong in enumerate(found) if len(wrong)), None)
    if n:
        frame, feature = found[i][0].tolist()
        column = feature if data.names is None else repr(data.names[feature])
        where = f"row {frame if data.places is None else data.places[i][frame]}, column {column}"
        if len(found) > 1:
            where = f"sequence {i if data.labels is None else data.labels[i]}, {where}"
        raise ValueError(f"{data.path!r} has {what}, the first of {n} in {where}: {remedy}")
