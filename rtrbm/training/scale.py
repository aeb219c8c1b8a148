"""The scale of every feature: its mean and standard deviation in the data of the fit."""

from typing import NamedTuple

import numpy as np


class Scale(NamedTuple):
    """mean, deviation : (n_features,) float64 ndarrays; a constant feature has the deviation 1."""

    mean: np.ndarray
    deviation: np.ndarray

    def inward(self, v, dtype):
        """(v - mean) / deviation, formed in double precision."""
        return ((v - self.mean) / self.deviation).astype(dtype)

    def outward(self, v):
        """v deviation + mean."""
        return v * self.deviation + self.mean


def measured(minibatches):
    """The scale of all values that are there.

    Parameters
    ----------
    minibatches : iterable of lists of (v, missing)
        v : (n_frames, n_features); missing : bool ndarray of that shape, or None.

    Returns
    -------
    Scale
    """
    n = total = squares = largest = origin = 0
    for v, missing in (pair for minibatch in minibatches for pair in minibatch):
        v = np.asarray(v, float)
        there = np.ones(v.shape, bool) if missing is None else ~missing
        first = np.take_along_axis(v, there.argmax(axis=0)[None], axis=0)[0]
        origin = np.where((n == 0) & there.any(axis=0), first, origin)
        moved = np.where(there, v - origin, 0)  # about a point near the mean, for features far from 0
        n, total, squares = n + there.sum(axis=0), total + moved.sum(axis=0), squares + (moved**2).sum(axis=0)
        largest = np.maximum(largest, abs(np.where(there, v, 0)).max(axis=0))
    mean = total / np.maximum(n, 1)
    deviation = np.sqrt(np.maximum(squares / np.maximum(n, 1) - mean**2, 0))
    constant = deviation <= 32 * np.finfo(float).eps * largest
    return Scale(mean + origin, np.where(constant, 1, deviation))
