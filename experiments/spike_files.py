"""Times of spikes in a file, as a list of arrays, one a neuron."""

import numpy as np

from rtrbm import convert
from rtrbm.minibatches.paths import kind_of, opened


def spike_times(path):
    """The neurons of a file and the times of their spikes.

    Parameters
    ----------
    path : path-like
        A table of text with the columns neuron and time, an HDF5 or .npz file with arrays of these names, or one with
        an array of times for each neuron. Other columns and, beside neuron and time, other arrays are left aside.

    Returns
    -------
    names : list
        In the order of their numbers or letters; in a file with an array for each, the names of the arrays.
    times : list of (n_spikes_i,) ndarrays

    Raises
    ------
    FileNotFoundError, IsADirectoryError, PermissionError
        If there is no such file, or it must not be read.
    ValueError
        If the file is none of these, or holds no spikes.
    """
    kind = kind_of(path, "--spikes")
    if kind not in READERS:
        raise ValueError(f"--spikes must be a table of text, an HDF5 or an .npz file, got {kind}: {path}")
    columns = READERS[kind](path)
    if {"neuron", "time"} <= set(columns):
        neurons, times = (np.asarray(columns[name]) for name in ("neuron", "time"))
        if neurons.shape != times.shape or neurons.ndim != 1:
            shapes = f"{neurons.shape} and {times.shape}"
            raise ValueError(f"neuron and time of {path} must be columns of one length, got {shapes}")
        found, which = np.unique(neurons, return_inverse=True)
        columns = {name: times[which == i] for i, name in enumerate(found.tolist())}
    elif kind == "text":
        raise ValueError(f"{path} must have the columns neuron and time, got {', '.join(columns) or 'none with names'}")
    if not any(map(len, columns.values())):
        raise ValueError(f"{path} holds no spikes")
    return list(columns), [np.ravel(times) for times in columns.values()]


def _text(path):
    table = convert.read(path)
    return {name: table[name] for name in getattr(table, "columns", ())}


def _hdf5(path):
    with opened((path, "/"), "--spikes") as file:
        names = [name for name in file if hasattr(file[name], "shape")]
    return {name: convert.read(path, name) for name in names}


def _npz(path):
    arrays = convert.read(path, "/")  # refuses what is truncated or pickled
    with np.load(path, allow_pickle=False) as file:
        return dict(zip(file.files, arrays))


READERS = {"text": _text, "an HDF5 file": _hdf5, "an .npz file": _npz}
