"""Gaussian visible units with a learned variance of every feature."""

from dataclasses import dataclass

import numpy as np

from .gaussian import Gaussian


@dataclass(frozen=True)
class ScaledGaussian(Gaussian):
    """P(v | a) = N(sigma a, sigma^2) with a learned sigma of every feature: v / sigma are `Gaussian` units.

    The parameters of its own are log sigma, (n_visible,), which `params_` calls `units`. sigma starts at the standard
    deviation of the first minibatch (of a constant feature, at its absolute value). Features whose mean is many times
    their deviation should be centred first.
    """

    name = "scaled_gaussian"

    def shape(self, n_visible):
        return (n_visible,)

    def start(self, frames):
        deviation, largest = frames.std(axis=0, dtype=float), abs(frames).max(axis=0)
        constant = deviation <= 32 * np.finfo(frames.dtype).eps * largest  # but for rounding errors
        return np.log(np.where(constant, np.where(largest > 0, largest, 1), deviation)).astype(frames.dtype)

    def inward(self, v, own):
        return v * np.exp(-own)

    def outward(self, v, own):
        return v * np.exp(own)

    def log_volume(self, own):
        return -float(own.sum(dtype=float))

    def derivative(self, params, v, b_v, positive, gradient, maps):
        """With u = v / sigma every use of u by a matrix M contributes -sum_j M_ij dM_ij, and

        dL / d log sigma_i = sum_t u_ti^2 - sum_t u_ti b_v,ti - sum_j W_ij (data's part of dW)_ij - ... - n_rows.
        """
        d = (v * (v - b_v)).sum(axis=0) - (params.W * positive).sum(axis=1) - len(v)
        for part in maps:
            if part.source == "v":
                use = getattr(params, part.matrix) * getattr(gradient, part.matrix)
                d -= use.reshape(-1, *use.shape[-2:]).sum(axis=(0, 2))
        return d
