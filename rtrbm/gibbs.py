"""The Gibbs chain of an RBM whose biases differ from row to row: the only hot loop.

Given the biases all frames of all sequences are independent, so they are one batch of rows, cut into tiles
(`rtrbm.sequences.tiles`). Each tile runs its whole chain in buffers that stay in the cache, on one thread, with
random streams of its own.

The matrix products deliver half the total input of a unit, from which it is sampled without forming its probability
(`rtrbm.streams.Noise.sample`).
"""

import threading
from typing import NamedTuple

import numpy as np

from .parallel import run
from .sequences import tiles
from .streams import Noise, stream

_local = threading.local()


class Chains(NamedTuple):
    """Rows of a packed block whose chains run together, and their random numbers.

    rows : (n,) int ndarray; noise : Noise.
    """

    rows: np.ndarray
    noise: Noise


def chains(where, seed, purpose, *address, first=0, noise=Noise, even=True):
    """The chains of all rows of a packed block, tile by tile.

    The random numbers of a row are addressed by its place in its sequence: (seed, purpose, *address, sequence, frame).

    Parameters
    ----------
    where : Layout
    seed : int
    purpose : str
        One of `rtrbm.streams.PURPOSES`.
    *address : int
    first : int
        Number of the first sequence, if the block is a part of a larger one.
    noise : type
        `rtrbm.streams.Noise`, or one that samples faster.
    even : bool
        Whether the number of tiles is even.

    Returns
    -------
    list of Chains
    """

    def noise_of(pieces):
        streams = [stream(seed, purpose, *address, first + p.sequence, p.frame) for p in pieces]
        return noise(streams, [p.n_rows for p in pieces])

    return [Chains(tile.rows, noise_of(tile.pieces)) for tile in tiles(where, even)]


class _Tile:
    """Views of this thread's buffers for one tile, and the half-steps of the chain on them."""

    def __init__(self, n_rows, weights, noise):
        up, down, self.visible = weights
        self.up, self.down, self.noise = up, down, noise
        n_visible, n_hidden = up.shape
        self.v = _buffer("v", n_rows, n_visible, up.dtype)
        self.h = _buffer("h", n_rows, n_hidden, up.dtype)
        self._drawn = _buffer("drawn", n_rows, max(n_visible, n_hidden), up.dtype)

    def hidden_mean(self, b_h):
        """h <- P(h | v)."""
        self.noise.multiply(self.v, self.up, out=self.h)
        _mean(self.h, b_h)

    def sample_hidden(self, b_h):
        """h <- a sample from P(h | v)."""
        self.noise.sample(self.v, self.up, b_h, self.h, self._scratch(self.h))

    def visible_mean(self, b_v):
        """v <- E[v | h]."""
        self.noise.multiply(self.h, self.down, out=self.v)
        if self.visible == "bernoulli":
            _mean(self.v, b_v)
        else:
            self.v += b_v

    def sample_visible(self, b_v):
        """v <- a sample from P(v | h)."""
        if self.visible == "bernoulli":
            self.noise.sample(self.h, self.down, b_v, self.v, self._scratch(self.v))
        else:
            self.visible_mean(b_v)
            self.sample_visible_mean()

    def sample_visible_mean(self):
        """v <- a sample from P(v | h), from E[v | h]."""
        if self.visible == "bernoulli":
            self.sample_mean(self.v)
        else:
            deviation = self._scratch(self.v)
            self.noise.normal(deviation)
            self.v += deviation

    def sample_mean(self, p):
        """p <- binary states of probability p."""
        self.noise.switch_on(p, self._scratch(p))

    def _scratch(self, a):
        return self._drawn.reshape(-1)[: a.size].reshape(a.shape)


def _mean(half, bias):
    """half <- sigmoid(2 (half + bias))."""
    half += bias
    np.tanh(half, out=half)
    half *= 0.5
    half += 0.5


def _buffer(name, n_rows, n_columns, dtype):
    """This thread's buffer of that name, grown when it is too small."""
    size = n_rows * n_columns
    flat = getattr(_local, name, None)
    if flat is None or flat.dtype != dtype or flat.size < size:
        flat = np.empty(size, dtype)
        setattr(_local, name, flat)
    return flat[:size].reshape(n_rows, n_columns)


def _weights(W, visible):
    """W for the way up, its transpose for the way down, halved where a tanh follows."""
    up = 0.5 * W
    return up, np.ascontiguousarray((up if visible == "bernoulli" else W).T), visible


def _rows(a, rows, scale):
    """The biases of a tile: rows of `a`, or `a` itself if it is the same for all."""
    return scale * (a[rows] if a.ndim == 2 else a)


def reconstruct(h, W, b_v, b_h, n_gibbs, visible, chains, n_jobs=None, sample_visible=True):
    """Run n_gibbs steps of alternating Gibbs sampling from hidden probabilities h (Algorithm 1).

    h_0 ~ h; then n_gibbs times v ~ P(v | h), h ~ P(h | v), but the last h is a probability.

    Parameters
    ----------
    h : (n_rows, n_hidden) ndarray
        P(h | v_0).
    W : (n_visible, n_hidden) ndarray
    b_v : (n_visible,) or (n_rows, n_visible) ndarray
    b_h : (n_hidden,) or (n_rows, n_hidden) ndarray
    n_gibbs : int
        k of CD-k, at least 1.
    visible : {"bernoulli", "gaussian"}
    chains : list of Chains
        From `chains`, for all rows.
    n_jobs : int, optional
    sample_visible : bool
        If False, the chain takes v = E[v | h] in place of a sample of P(v | h) (3.3).

    Returns
    -------
    v_neg : (n_rows, n_visible) ndarray
        A sample, or the mean.
    h_neg : (n_rows, n_hidden) ndarray
        P(h | v_neg).
    """
    weights = _weights(W, visible)
    scale_v = 0.5 if visible == "bernoulli" else 1.0
    v_neg, h_neg = np.empty((len(h), len(W)), W.dtype), np.empty_like(h)

    def run_tile(these):
        rows, noise = these
        tile = _Tile(len(rows), weights, noise)
        reconstruct_visible = tile.sample_visible if sample_visible else tile.visible_mean
        bias_v, bias_h = _rows(b_v, rows, scale_v), _rows(b_h, rows, 0.5)
        np.take(h, rows, axis=0, out=tile.h, mode="clip")
        tile.sample_mean(tile.h)
        for _ in range(n_gibbs - 1):
            reconstruct_visible(bias_v)
            tile.sample_hidden(bias_h)
        reconstruct_visible(bias_v)
        tile.hidden_mean(bias_h)
        v_neg[rows], h_neg[rows] = tile.v, tile.h

    run(run_tile, chains, n_jobs)
    return v_neg, h_neg


def random_visible(shape, dtype, visible, chains):
    """Visible states of pure noise: fair coins (Bernoulli) or standard normal numbers (Gaussian).

    Parameters
    ----------
    shape : tuple
        (n_rows, n_visible)
    dtype : dtype
    visible : {"bernoulli", "gaussian"}
    chains : list of Chains
        As in `reconstruct`.

    Returns
    -------
    (n_rows, n_visible) ndarray
    """
    v = np.empty(shape, dtype)
    for rows, noise in chains:
        drawn = np.empty((len(rows), shape[1]), dtype)
        if visible == "bernoulli":
            noise.uniform(drawn)
            np.less(drawn, 0, out=drawn)
        else:
            noise.normal(drawn)
        v[rows] = drawn
    return v


def average_visible(v, W, b_v, b_h, n_burn_in, n_average, visible, chains, n_jobs=None, held=None):
    """Average E[v | h] along a Gibbs chain.

    From v, n_burn_in + n_average times h ~ P(h | v), v ~ P(v | h); the mean of E[v | h] over the last n_average
    steps estimates E[v].

    Parameters
    ----------
    v : (n_rows, n_visible) ndarray
        Where the chains start.
    n_burn_in, n_average : int
    W, b_v, b_h, visible, chains, n_jobs
        As in `reconstruct`.
    held : (n_rows, n_visible) bool ndarray, optional
        Units that keep the value they start with: the chain is that of the others given these.

    Returns
    -------
    mean : (n_rows, n_visible) ndarray
    v : (n_rows, n_visible) ndarray
        The chains' last states, sampled.
    h : (n_rows, n_hidden) ndarray
        Those v was sampled from.
    """
    weights = _weights(W, visible)
    scale_v = 0.5 if visible == "bernoulli" else 1.0
    mean, last_v, last_h = np.zeros_like(v), np.empty_like(v), np.empty((len(v), W.shape[1]), W.dtype)

    def run_tile(these):
        rows, noise = these
        tile = _Tile(len(rows), weights, noise)
        bias_v, bias_h = _rows(b_v, rows, scale_v), _rows(b_h, rows, 0.5)
        total = np.zeros_like(tile.v)
        np.take(v, rows, axis=0, out=tile.v, mode="clip")
        for step in range(n_burn_in + n_average):
            tile.sample_hidden(bias_h)
            if step < n_burn_in:
                tile.sample_visible(bias_v)
            else:
                tile.visible_mean(bias_v)
                total += tile.v
                tile.sample_visible_mean()
            if held is not None:
                np.copyto(tile.v, v[rows], where=held[rows])
        mean[rows], last_v[rows], last_h[rows] = total / n_average, tile.v, tile.h

    run(run_tile, chains, n_jobs)
    return mean, last_v, last_h
