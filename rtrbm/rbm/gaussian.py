"""Gaussian visible units of variance 1, for standardised real values."""

from dataclasses import dataclass

import numpy as np

from ..user_data import check_reals
from .units import Units

LOG_NORM = float(0.5 * np.log(2 * np.pi))  # a Python number leaves the precision as it is


@dataclass(frozen=True)
class Gaussian(Units):
    """P(v | a) = N(a, 1): log_base(v) = -v^2 / 2, log_partition(a) = a^2 / 2 + log(2 pi) / 2."""

    name = "gaussian"
    linear = True
    curvature = 1.0

    def mean(self, a, out=None):
        if out is None:
            return a
        out[...] = a
        return out

    def check(self, v, name, missing=None):
        check_reals(v, name)

    def log_partition(self, a):
        return (0.5 * a**2 + LOG_NORM).sum(axis=-1)

    def log_base(self, v):
        return -0.5 * (v**2).sum(axis=-1)

    def bias(self, mean, n):
        return mean

    def draw(self, mean, rng):
        return mean + rng.standard_normal(mean.shape).astype(mean.dtype)

    def start_noise(self, noise, out):
        noise.normal(out)

    def sample_mean(self, mean, noise, scratch):
        noise.normal(scratch)
        mean += scratch

    def mean_given(self, states, W, bias, noise, out):
        noise.multiply(states, W, out=out)
        out += bias
