"""Poisson visible units, for counts: spikes in a bin, events in an hour."""

from dataclasses import dataclass

import numpy as np

from ..user_data import check_counts
from .units import Units

LARGEST = 12.0  # log of the largest rate


@dataclass(frozen=True)
class Poisson(Units):
    """P(v | a) = exp(v a - e^a) / v!: counts 0, 1, 2, ... of rate e^a.

    log_base(v) = -log v!, log_partition(a) = mean(a) = e^a. A rate is at most e^12 = 162,755: a larger input than 12 is
    clipped to 12, so that no rate overflows. There log_partition goes on along its tangent, so that its derivative is
    still the mean.

    With large positive weights a chain can climb to that bound. Learn with a small rate, and choose bins in which most
    counts are below ten or so.
    """

    name = "poisson"

    def mean(self, a, out=None):
        out = np.minimum(a, LARGEST, out=out)
        with np.errstate(under="ignore"):  # a rate of 0, whatever the user's own settings are
            return np.exp(out, out=out)

    def log_partition(self, a):
        return (self.mean(a) * (1 + np.maximum(a - LARGEST, 0))).sum(axis=-1)

    def log_base(self, v):
        from scipy.special import gammaln  # as slow to import as numpy

        total = -gammaln(v + 1.0, dtype=float).sum(axis=-1)
        return total.astype(np.result_type(v.dtype, np.float32))

    def bias(self, mean, n):
        return np.minimum(np.log((mean * n + 0.5) / (n + 1)), LARGEST)

    def draw(self, mean, rng):
        return rng.poisson(mean).astype(mean.dtype)

    def check(self, v, name, missing=None):
        check_counts(v, name, "counts for Poisson units", "; visible='gaussian' takes real numbers")
        high = v.max()
        most = int(1.02 * np.exp(LARGEST))  # five standard deviations above the largest rate
        if high > most:
            raise ValueError(
                f"{name} must hold counts of at most {most} for Poisson units, got {high:g}; divide into shorter bins"
            )

    def nearest(self, mean):
        return np.round(mean)

    def start_noise(self, noise, out):
        out.fill(1)
        noise.poisson(out)

    def sample_mean(self, mean, noise, scratch):
        noise.poisson(mean)
