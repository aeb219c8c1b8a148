"""Times of spikes in a file, as a list of arrays, one a neuron."""

import h5py
import numpy as np

from rtrbm import convert
from rtrbm.checks import about
from rtrbm.minibatches.matlab import read_mat
from rtrbm.minibatches.paths import kind_of, opened
from rtrbm.minibatches.text import text_of

COLUMNS = "neuron", "time"


def spike_times(path):
    """The neurons of a file and the times of their spikes.

    Parameters
    ----------
    path : path-like
        A table of text with the columns neuron and time, an HDF5, .npz or .mat file with arrays of these names, or one
        with an array of times for each neuron. A MATLAB cell holds an array for each neuron. Other columns and, beside
        neuron and time, other arrays are left aside.

    Returns
    -------
    names : list
        In the order of their numbers or letters; in a file with an array for each, the names of the arrays. The neurons
        of a cell `spikes` are spikes{1}, spikes{2}, ... as in MATLAB.
    times : list of (n_spikes_i,) float64 ndarrays

    Raises
    ------
    FileNotFoundError, IsADirectoryError, PermissionError
        If there is no such file, or it must not be read.
    ValueError
        If the file is none of these, times are no finite numbers in one dimension, or there are none.
    """
    kind = kind_of(path, "--spikes")
    if kind not in READERS:
        raise ValueError(f"--spikes must be a table of text, an HDF5, .npz or .mat file, got {kind}: {path}")
    with about("--spikes", "path", "X"):
        arrays = _each(READERS[kind](path))
    if kind != "text" and len(set(COLUMNS) & set(arrays)) == 1:
        own, other = sorted(COLUMNS, key=lambda name: name not in arrays)
        raise ValueError(
            f"--spikes: {path} must have neuron and time, or an array of times for each neuron, got {own!r} without "
            f"{other!r} beside {', '.join(name for name in arrays if name != own) or 'nothing'}"
        )
    if set(COLUMNS) <= set(arrays):
        others = [name for name in arrays if name not in COLUMNS]
        if others:
            print(f"left aside beside neuron and time: {', '.join(map(str, others))}", flush=True)
        neurons, times = _flat(arrays["neuron"]), _times(arrays["time"], f"time of {path}")
        if neurons.shape != times.shape:
            shapes = f"{neurons.shape} and {times.shape}"
            raise ValueError(f"neuron and time of {path} must be columns of one length, got {shapes}")
        _check_named(neurons, path)
        found, which = np.unique(neurons, return_inverse=True)
        if found.dtype.kind == "f" and (found == np.rint(found)).all():  # as numbers in text are read
            found = found.astype(int)
        arrays = {name: times[which == i] for i, name in enumerate(found.tolist())}
    elif kind == "text":
        raise ValueError(f"{path} must have the columns neuron and time, got {', '.join(arrays) or 'none with names'}")
    else:
        arrays = {name: _times(array, f"{name!r} of {path}") for name, array in arrays.items()}
        _check_trains(arrays, path)
    if not any(map(len, arrays.values())):
        raise ValueError(f"{path} holds no spikes: it must have neuron and time, or an array of times for each neuron")
    return list(arrays), list(arrays.values())


def _each(arrays):
    """The arrays by their names, each member of a cell by one of its own; beside cells nothing else counts."""
    cells = {name: _members(array) for name, array in arrays.items()}
    if set(COLUMNS) <= set(arrays) or not any(cells.values()):
        joined = {name: np.concatenate([np.ravel(x) for x in members]) for name, members in cells.items() if members}
        return {name: np.asarray(array) for name, array in (arrays | joined).items()}
    apart = [name for name, members in cells.items() if not members]
    if apart:
        print(f"left aside, no cells of times: {', '.join(apart)}", flush=True)
    return {f"{name}{{{i}}}": np.asarray(x) for name, members in cells.items() for i, x in enumerate(members, 1)}


def _members(array):
    """The members of a cell; none of anything else."""
    if isinstance(array, list):
        return array
    if getattr(array, "dtype", None) != object:
        return []
    if array.size != max(array.shape, default=0):
        raise ValueError(
            f"--spikes: a cell must be one row or column, an array of times for each neuron, got shape {array.shape}: "
            "if it is of trials, shift the times of each and join them"
        )
    return list(array.ravel())


def _flat(array):
    """A row or a column of a matrix as a vector, anything else as it is."""
    return array.ravel() if array.ndim == 2 and (1 in array.shape or not array.size) else array


def _check_trains(arrays, path):
    """Raise if arrays are no trains of spikes: a single number beside vectors, or the neurons of all spikes."""
    latest = max((array.max() for array in arrays.values() if len(array) > 1), default=np.inf)
    far = [name for name, array in arrays.items() if len(array) == 1 and array[0] > 2 * latest]
    if far:
        raise ValueError(
            f"--spikes: {far[0]!r} of {path} is the number {arrays[far[0]][0]:g} alone, far beyond all other times, up "
            f"to {latest:g}: a file has times of spikes and nothing else, or the arrays neuron and time"
        )
    for name, array in arrays.items():
        n, alike = len(np.unique(array)), [other for other in arrays if len(arrays[other]) == len(array)]
        if len(alike) > 1 and 2 * n < len(array) and (array == np.rint(array)).all():
            raise ValueError(
                f"--spikes: {', '.join(map(repr, alike))} of {path} are taken for {len(alike)} neurons with "
                f"{len(array)} spikes each, but {name!r} has {n} different numbers alone: if they are the "
                "neurons of the spikes, name the arrays neuron and time"
            )


def _times(array, name):
    """Times as float64, in one dimension; a row or a column of a matrix is one."""
    array = _flat(array)
    if array.ndim != 1:
        wanted = "times of spikes have one dimension. A file holds these alone, or the arrays neuron and time"
        raise ValueError(f"--spikes: {name} has shape {array.shape}; {wanted}")
    if array.dtype.kind not in "iuf":
        first = f", the first {array[0]}" if len(array) else ""
        raise ValueError(f"--spikes: {name} must hold numbers, got {array.dtype} values{first}")
    array, wrong = array.astype(float), ~np.isfinite(array)
    if wrong.any():
        row = int(wrong.argmax())
        raise ValueError(
            f"--spikes: {name} must hold finite times, got {array[row]} in row {row + 1} of {len(array)}, "
            f"{int(wrong.sum())} such in all: leave these spikes out"
        )
    return array


def _check_named(neurons, path):
    """Raise if the neuron of a spike is NaN, or an empty name."""
    missing = ~np.isfinite(neurons) if neurons.dtype.kind == "f" else neurons == ""
    if np.any(missing):
        row = int(np.argmax(missing)) + 1
        raise ValueError(f"--spikes: neuron of {path} is empty in row {row} of {len(neurons)}: leave such spikes out")


def _text(path):
    table = convert.read(path)
    columns = {name: table[name] for name in getattr(table, "columns", ())}
    if COLUMNS[0] in columns and columns[COLUMNS[0]].dtype.kind == "f":
        columns[COLUMNS[0]] = _labels(columns[COLUMNS[0]], text_of(table, path, COLUMNS[0]))
    return columns


def _labels(numbers, texts):
    """The numbers of neurons; their texts if two of them, 1.1 and 1.10 say, are one number."""
    return numbers if len(np.unique(texts)) == len(np.unique(numbers)) else texts


def _hdf5(path):
    with opened((path, "/"), "--spikes") as file:
        names = [name for name in file if hasattr(file.get(name), "shape")]  # of links that lead nowhere get has None
        names = COLUMNS if set(COLUMNS) <= set(names) else names
        texts = {name: file[name].asstr()[()] for name in names if h5py.check_string_dtype(file[name].dtype)}
        if not names and len(file):
            inside = ", ".join(map(repr, file))
            raise ValueError(f"--spikes: {path} has groups alone ({inside}): its arrays must not lie in a group")
    return {name: texts[name] if name in texts else convert.read(path, name) for name in names}


def _npz(path):
    arrays = convert.read(path, "/")  # refuses what is truncated or pickled
    with np.load(path, allow_pickle=False) as file:
        return dict(zip(file.files, arrays))


def _mat(path):
    try:
        found = read_mat(path)
    except ValueError as error:
        raise ValueError(f"--spikes: {path} cannot be read: {error}") from None
    return {name: array for name, array in found.items() if isinstance(array, np.ndarray) and not array.dtype.names}


READERS = {"text": _text, "an HDF5 file": _hdf5, "an .npz file": _npz, "a .mat file": _mat}
