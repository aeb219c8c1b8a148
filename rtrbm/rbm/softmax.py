"""Softmax visible units, for symbols: one unit of each group is on."""

from dataclasses import dataclass

import numpy as np

from ..checks import check_count
from ..user_data import place_of
from .units import Units

AXES = "sequence", "frame"
ROUNDING = 1e-4  # by which the sum over a group may differ from 1


@dataclass(frozen=True)
class Softmax(Units):
    """P(unit i of a group is on | a) = exp(a_i) / sum_j exp(a_j), j in the group: one unit of each group is on.

    log_base(v) = 0, log_partition(a) = sum over groups of log sum_j exp(a_j). Frames are one-hot in every group;
    numbers in [0, 1] that add up to 1 are taken as probabilities.

    Parameters
    ----------
    groups : tuple of int, optional
        The numbers of units of consecutive groups, all features together. None: all features are one group.

    Examples
    --------
    >>> Softmax((2, 3)).mean(np.log([[1.0, 3.0, 1.0, 1.0, 2.0]]))
    array([[0.25, 0.75, 0.25, 0.25, 0.5 ]])
    """

    groups: tuple | None = None

    name = "softmax"
    one_hot = True
    curvature = 0.5

    def __post_init__(self):
        if self.groups is None:
            return
        if not isinstance(self.groups, tuple | list | np.ndarray) or not len(self.groups):
            raise TypeError(f"groups must be None or a tuple of numbers of units, got {self.groups!r}")
        for size in self.groups:
            check_count("groups", size)
        object.__setattr__(self, "groups", tuple(map(int, self.groups)))

    def mean(self, a, out=None):
        sizes, starts = self._layout(a)
        largest = np.repeat(np.maximum.reduceat(a, starts, axis=-1), sizes, axis=-1)
        out = np.subtract(a, largest, out=out)
        np.exp(out, out=out)
        out /= np.repeat(np.add.reduceat(out, starts, axis=-1), sizes, axis=-1)
        return out

    def log_partition(self, a):
        return np.logaddexp.reduceat(a, self._layout(a)[1], axis=-1).sum(axis=-1)

    def bias(self, mean, n):
        return np.log((mean * n + 0.5) / (n + 1))

    def draw(self, mean, rng):
        return self._switch_on(mean, rng.random((*mean.shape[:-1], len(self._layout(mean)[0]))))

    def shape(self, n_visible):
        n = n_visible if self.groups is None else sum(self.groups)
        if n != n_visible:
            raise ValueError(f"groups of Softmax must add up to the {n_visible} features, got {self.groups}")

    def check(self, v, name, missing=None):
        sizes, starts = self._layout(v)
        if sum(sizes) != v.shape[-1]:
            n = v.shape[-1]
            raise ValueError(f"groups of Softmax must add up to the {n} features of {name}, got {self.groups}")
        absent = np.zeros((1,) * v.ndim, bool)
        if missing is not None:
            n_missing = np.add.reduceat(missing, starts, axis=-1, dtype=int)
            absent = n_missing > 0
            parts = np.argwhere(absent & (n_missing != sizes))
            if len(parts):
                *frame, group = parts[0].tolist()
                raise ValueError(
                    f"missing values of {name} must be whole groups of softmax units, got "
                    f"{n_missing[tuple(parts[0])]} of the {sizes[group]} of group {group} in {place_of(frame, AXES)}: "
                    "let all of it be NaN, or True in the mask"
                )
        totals = np.add.reduceat(v, starts, axis=-1, dtype=float)
        off = ~absent & (abs(totals - 1) > ROUNDING)
        if v.min() < 0 or off.any():
            *frame, group = np.argwhere(off | (np.minimum.reduceat(v, starts, axis=-1) < 0))[0].tolist()
            raise ValueError(
                f"{name} must be one-hot for softmax units: every group of every frame must add up to 1, "
                f"got values from {v.min():g} to {v.max():g} and sums from {totals.min():g} to {totals.max():g}: "
                f"see group {group} in {place_of(frame, AXES)}"
            )

    def parts(self, n_visible):
        sizes = self._sizes(n_visible)
        return np.repeat(np.arange(len(sizes)), sizes)

    def start_noise(self, noise, out):
        out[...] = 1
        self.sample_mean(out, noise, np.empty_like(out))

    def sample_mean(self, mean, noise, scratch):
        u = scratch.reshape(-1)[: len(mean) * len(self._layout(mean)[0])].reshape(len(mean), -1)
        noise.uniform(u)
        mean[...] = self._switch_on(mean, (u + 1) / 2)

    def _layout(self, a):
        """The sizes of the groups, and their first units."""
        sizes = self._sizes(a.shape[-1])
        return sizes, np.cumsum(sizes) - sizes

    def _sizes(self, n_visible):
        return np.array([n_visible] if self.groups is None else self.groups)

    def _switch_on(self, weights, u):
        """Switch on one unit of every group: their weights lie end to end, and u in [0, 1) picks a place."""
        sizes, starts = self._layout(weights)
        ends = np.cumsum(weights, axis=-1, dtype=float)
        begins = np.concatenate([np.zeros_like(ends[..., :1]), ends[..., :-1]], axis=-1)
        first, last = begins[..., starts], ends[..., starts + sizes - 1]
        place = np.minimum(first + u * (last - first), np.nextafter(last, -np.inf))
        place = np.repeat(place, sizes, axis=-1)
        return ((begins <= place) & (place < ends)).astype(weights.dtype)
