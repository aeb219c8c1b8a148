"""Spikes in bins of time."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..checks import check_count, check_memory, check_number
from ..user_data import as_given, check_counts, is_sequence
from ..foreign import is_table, numbers
from ..types import Array, ArrayLike
from ..warned import warn

MOST = 2**53  # whole numbers beyond are no floating point numbers
MOST_SLACK = 0.1  # of a bin, by which a rounded time may lie before the bin that it belongs to


def spikes(times: Any, width: float, start: float = 0.0, stop: float | None = None) -> Any:
    """Counts of spikes in bins of time.

    Bin t holds the spikes from start + t width up to, not including, start + (t + 1) width.

    Parameters
    ----------
    times : list of (n_spikes_i,) array_like, or list of such lists
        The times of the spikes of every neuron; or a list of trials of them, each with all neurons.
    width : float
        Of a bin, in the unit of the times.
    start, stop : float
        The time that is divided into bins; a last bin that would end after `stop` is left out. Without `stop`, the
        bins end with the last spike of all trials.

    Returns
    -------
    (n_bins, n_neurons) float32 ndarray, or a list of them for trials
        Counts, for ``visible="poisson"``; np.minimum(counts, 1) is for Bernoulli units.

    Raises
    ------
    TypeError, ValueError
        If times are no finite numbers, trials differ in their neurons, there is no bin, or spikes lie before `start`
        or after `stop`.

    Warns
    -----
    UserWarning
        If an array has rows of two numbers that may be a neuron and a time.

    Examples
    --------
    >>> spikes([[0.01, 0.02, 0.35], [0.22]], width=0.1, stop=0.4)
    array([[2., 0.],
           [0., 0.],
           [0., 1.],
           [1., 0.]], dtype=float32)
    """
    check_number("width", width, 0)
    check_number("start", start, -np.inf)
    trials, are_trials, rounding = _trials(times)
    width, start = float(width), float(start)
    slack = min(MOST_SLACK, 1e-9 + (rounding + float(np.spacing(abs(start)))) / width)
    first = min((trains.min() for trial in trials for trains in trial if len(trains)), default=start)
    last = max((trains.max() for trial in trials for trains in trial if len(trains)), default=start)
    if first < start:
        raise ValueError(f"start={start:g} must not be after the first spike, at {first:g}; pass start={first:g}")
    if stop is None:
        n_bins = _n_bins(start, last, width, slack) + 1
    else:
        check_number("stop", stop, start)
        n_bins = _n_bins(start, float(stop), width, slack)
        if last > stop:
            raise ValueError(
                f"stop={stop} must not be before the last spike, at {last:g}; leave out later spikes first"
            )
    if n_bins < 1:
        raise ValueError(f"width={width:g} must fit into the time from start={start:g} to stop={stop}")
    n_numbers = n_bins * sum(map(len, trials))
    check_memory(f"width={width}, {n_bins} bins of {len(trials[0])} neurons,", n_numbers, np.float32)
    binned = [np.stack([_binned(train, width, start, n_bins, slack) for train in trial], axis=1) for trial in trials]
    return binned if are_trials else binned[0]


def _n_bins(start, stop, width, slack):
    """How many bins fit between two times."""
    with np.errstate(over="ignore"):
        n = np.floor((np.float64(stop) - start) / width + slack)
    if not abs(n) < MOST:
        times = f"the times from start={start:g} to stop={stop:g}"
        raise ValueError(f"width={width:g} must not be so small beside {times}")
    return int(n)


def _trials(times):
    """A list of trials, each a list of arrays of times, one a neuron; if there are several; the rounding of times."""
    if isinstance(times, list | tuple) and not times:
        raise TypeError("times must be a list of arrays of times, one a neuron, got none")
    if is_table(times):
        raise TypeError(
            "times must be a list of arrays of times, one a neuron, got a table: with the columns neuron and time take "
            "[spikes.time for _, spikes in times.groupby('neuron')]"
        )
    times = as_given(times, "times")
    are_listed = isinstance(times, list)
    times = times if are_listed else _rows(numbers(times, "times"))
    if are_listed and all(getattr(x, "ndim", 0) == 2 and 1 in x.shape for x in times):
        raise ValueError(
            "times must be arrays of one dimension, got matrices of one row or column: take [numpy.ravel(x) for x in "
            "times] if they are of neurons, as in a MATLAB cell, [[numpy.ravel(x)] for x in times] if they are of "
            "trials of one neuron"
        )
    if not all(map(is_sequence, times)):
        raise ValueError("times must be a list of arrays of times, one a neuron, got numbers: one neuron is [times]")
    are_trials = not any(_is_train(trial) for trial in times)
    given = [
        [_train(train, f"times[{i}][{n}]" if are_trials else f"times[{n}]") for n, train in enumerate(trial)]
        for i, trial in enumerate(times if are_trials else [times])
    ]
    sizes = {len(trial) for trial in given}
    if len(sizes) != 1 or 0 in sizes:
        raise ValueError(f"times must have the same neurons in every trial, got {sorted(sizes)} of them")
    floats = [train for trial in given for train in trial if train.size and train.dtype.kind == "f"]
    rounding = max((float(np.spacing(np.abs(train).max())) for train in floats), default=0.0)
    return [[train.astype(float) for train in trial] for trial in given], are_trials, rounding


def _rows(times):
    """The rows of an array, one a neuron; a warning if they may be spikes instead."""
    if times.ndim == 2 and times.shape[1] == 2 and len(times) > 2:
        neurons = times[:, 0]
        if (neurons == np.rint(neurons)).all() and len(np.unique(neurons)) < len(neurons):
            warn(
                f"times of shape {times.shape} are taken for {len(times)} neurons with two spikes each: if its rows "
                "are neuron and time, pass [times[times[:, 0] == n, 1] for n in np.unique(times[:, 0])]"
            )
    return list(times)


def _is_train(x):
    """Whether x is a list of times, rather than a list of lists of them."""
    return not is_sequence(x) or not len(x) or not is_sequence(next(iter(x)))


def _train(times, name):
    train = numbers(times, name)
    if train.ndim != 1:
        raise ValueError(f"{name} must be times in one dimension, got shape {train.shape}")
    if not np.isfinite(train).all():
        raise ValueError(f"{name} must be finite times, got {train[~np.isfinite(train)][0]}: leave such spikes out")
    return train


def _binned(times, width, start, n_bins, slack):
    places = np.floor((times - start) / width + slack).astype(int)
    return np.bincount(places[places < n_bins], minlength=n_bins).astype(np.float32)


def counts(X: ArrayLike, n: int) -> Array:
    """Counts in bins n times as long.

    Parameters
    ----------
    X : (n_bins, n_neurons) array_like
        Counts of spikes, time first.
    n : int
        Bins that are added up; a rest of fewer at the end is left out.

    Returns
    -------
    (n_bins // n, n_neurons) float32 ndarray

    Raises
    ------
    TypeError, ValueError
        If X holds no counts, or fewer than n bins.

    Examples
    --------
    >>> counts([[1, 0], [1, 0], [0, 2], [0, 0], [5, 5]], 2)
    array([[2., 0.],
           [0., 2.]], dtype=float32)
    """
    check_count("n", n)
    X, n = numbers(X, "X"), int(n)
    if X.ndim != 2 or len(X) < n or not X.size:
        raise ValueError(f"X must have shape (n_bins, n_neurons) with at least n={n} bins, got {X.shape}")
    X = X.astype(float)
    check_counts(X, "X")
    if X.max() > MOST:
        raise ValueError(f"X must hold counts of at most {MOST:g}, got {X.max():g}")
    return X[: len(X) // n * n].reshape(-1, n, X.shape[1]).sum(axis=1).astype(np.float32)
