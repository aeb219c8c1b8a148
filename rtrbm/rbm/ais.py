"""Annealed importance sampling of many RBMs: chains from independent units to an RBM, and back.

With their hidden units summed out, the distributions on the way from beta = 0 to beta = 1 are

    log p*_beta(v) = v (base_v + beta rise_v) + sum_j log(1 + exp(base_h + beta (v W + rise_h))_j) + log_base(v),

independent units of inputs base_v, base_h at beta = 0, and the RBM at beta = 1, since base + rise is its bias.

Sources: Neal 2001, "Annealed importance sampling"; Salakhutdinov & Murray 2008, "On the quantitative analysis of deep
belief networks".
"""

from typing import NamedTuple

import numpy as np

from ..biases import Biases
from ..functions import sigmoid, softplus
from .chains import average_visible, is_compiled, random_visible
from .conditionals import hidden_mean
from .units import BERNOULLI

N_MEANS, BURN_IN, AVERAGE = 16, 25, 5  # chains of a row that give its means; their steps left out, and averaged
COUNTS = 100  # draws that means are taken to be known from: none of them is 0 or 1


class Path(NamedTuple):
    """Inputs of the units on the way to the RBM of each row.

    base_v, rise_v : (n_rows, n_visible) ndarrays; base_h, rise_h : (n_rows, n_hidden) ndarrays.
    """

    base_v: np.ndarray
    rise_v: np.ndarray
    base_h: np.ndarray
    rise_h: np.ndarray

    def at(self, rows):
        """The same of some rows."""
        return Path(*(inputs[rows] for inputs in self))

    def log_z0(self, units):
        """log Z of the independent units, (n_rows,)."""
        v, h = (base.astype(float, copy=False) for base in (self.base_v, self.base_h))
        return units.log_partition(v) + softplus(h).sum(axis=1)


def paths_from_means(W, biases, units, data, numbers, draw, engine, shares=(1.0,)):
    """Paths of each row from independent units that have the means of its RBM, or shares of the inputs that give them.

    The means are averages over 16 Gibbs chains, of E[v | h] over 5 steps after 25 and of P(h = 1 | v) at the end. Half
    of the chains start from noise, and half from data. These units overlap with all modes that the chains are in; a
    mean-field solution has one of them.

    Parameters
    ----------
    W : (n_visible, n_hidden) ndarray
    biases : Biases
        With a row for each RBM.
    units : Units
    data : (n_rows, n, n_visible) ndarray
        Frames that the RBM of each row may give a high probability.
    numbers : (n_rows,) int ndarray
        The rows' numbers, which address their random numbers.
    draw : Draw
    engine : Engine
    shares : tuple of float
        Of the inputs that give the means. Units with smaller inputs are less certain, and overlap with modes that these
        chains miss. Inputs of visible units without bounds say where they are, not how certain: the share is that of
        what the hidden units add to their biases.

    Returns
    -------
    list of Path
        One for each share.
    """
    n_rows = len(biases.v)
    these = Biases(*(np.repeat(b, N_MEANS, axis=0) for b in biases))
    chains = draw.chains_in_common(of_rows(numbers, N_MEANS), engine)
    v = random_visible(these.v.shape, W.dtype, units, chains)
    half = N_MEANS // 2
    v.reshape(n_rows, N_MEANS, -1)[:, half:] = data[:, np.arange(half) % data.shape[1]]
    mean, v, _ = average_visible(v, W, these, BURN_IN, AVERAGE, units, chains, engine)
    h = hidden_mean(v, W, these.h, engine.product)
    v, h = (a.reshape(n_rows, N_MEANS, -1).mean(axis=1) for a in (mean, h))
    means = units.bias(v, COUNTS), BERNOULLI.bias(h, COUNTS)
    at = 0 if units.binary or units.one_hot else biases.v
    bases = (Biases(at + share * (means[0] - at), share * means[1]) for share in shares)
    return [Path(base.v, biases.v - base.v, base.h, biases.h - base.h) for base in bases]


def of_rows(numbers, n_chains):
    """The numbers of n_chains chains of each row, one row after the other."""
    return np.add.outer(n_chains * numbers, np.arange(n_chains)).ravel()


def log_weights(W, path, units, betas, n_chains, numbers, draw, engine, start=None):
    """log w of n_chains chains of each row.

    log w = sum_k log p*_{beta_k}(v_k) - log p*_{beta_{k-1}}(v_k), with v_k in equilibrium, or nearly, at beta_{k-1}.
    From 0 to 1 the mean of w is Z / Z_0; from 1 to 0, of chains that start with samples of the RBM, it is Z_0 / Z.

    Parameters
    ----------
    W : (n_visible, n_hidden) ndarray
    path : Path
        In the precision of W.
    units : Units
    betas : (n_steps + 1,) ndarray
        Rising from 0, or falling from 1 with a `start`.
    n_chains : int
    numbers, draw
        As of `paths_from_means`.
    engine : Engine
        Results do not depend on its threads. numba has compiled chains for binary units in single precision.
    start : (n_rows n_chains, n_visible) ndarray, optional
        The chains' first states, samples at the first beta; the chains of a row follow each other.

    Returns
    -------
    log_w : (n_rows n_chains,) float64 ndarray
    v : (n_rows n_chains, n_visible) ndarray
        The chains' last states.
    """
    betas = np.asarray(betas, W.dtype)
    chains = draw.chains_in_common(of_rows(numbers, n_chains), engine)
    if is_compiled(engine, units, W):
        return engine.annealing.log_weights(W, path, betas, n_chains, chains, engine, start)
    n = len(numbers) * n_chains
    log_w, v, down = np.empty(n), np.empty((n, len(W)), W.dtype), np.ascontiguousarray(units.scale * W.T)

    def run_tile(these):
        rows, noise = these
        first = None if start is None else start[rows]
        log_w[rows], v[rows] = _anneal(W, down, path.at(rows // n_chains), units, betas, noise, first)

    engine.run(run_tile, chains, 2 * len(betas) * n * W.size)
    return log_w, v


def _anneal(W, down, path, units, betas, noise, v):
    """log w and v of the chains of a tile; `down` is the transpose of W, scaled as the units want it."""
    base_v, rise_v, base_h, rise_h = path
    log_w, h = np.zeros(len(base_v)), np.zeros_like(base_h)
    y, scratch = np.empty_like(h), np.empty(max(base_v.size, h.size), W.dtype)
    is_given, v = v is not None, np.empty_like(base_v) if v is None else v
    for step, beta in enumerate(betas):
        if step or not is_given:
            bias = units.scale * (base_v + beta * rise_v)
            units.sample_given(h, beta * down, bias, noise, v, scratch[: v.size].reshape(v.shape))
        if step == len(betas) - 1:
            return log_w, v
        after = betas[step + 1]
        noise.multiply(v, W, out=y)
        y += rise_h
        x = base_h + after * y
        log_w += (after - beta) * (v * rise_v).sum(axis=1, dtype=float)
        log_w += (softplus(x) - softplus(base_h + beta * y)).sum(axis=1, dtype=float)
        sigmoid(x, out=h)
        noise.switch_on(h, scratch[: h.size].reshape(h.shape))
