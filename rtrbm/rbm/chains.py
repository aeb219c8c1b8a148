"""The Gibbs chain of an RBM whose biases differ from row to row: the only hot loop.

Given the biases all frames of all sequences are independent, so they are one batch of rows, cut into tiles
(`rtrbm.minibatches.sequences.tiles`). Each tile runs its whole chain in buffers that stay in the cache, on one thread,
with random streams of its own.

The products deliver half the total input of a binary unit. It is sampled from that without forming its probability
(`rtrbm.compute.noise.Noise.sample`).
"""

import threading
from typing import NamedTuple

import numpy as np

from ..compute.noise import Noise
from ..minibatches.sequences import PIECE_FRAMES, layout, n_tiles_of, tiles
from .units import BERNOULLI, Bernoulli

_local = threading.local()


class Chains(NamedTuple):
    """Rows of a packed block whose chains run together, and their random numbers.

    rows : (n,) int ndarray; noise : Noise.
    """

    rows: np.ndarray
    noise: Noise


class Draw(NamedTuple):
    """The address of the random numbers of chains: (seed, purpose, *address, sequence, frame) for every row.

    seed : int; purpose : str, one of `rtrbm.streams.PURPOSES`; address : tuple of int, the update for example;
    first : int, the number of the first sequence, if the block is a part of a larger one.
    """

    seed: int
    purpose: str
    address: tuple = ()
    first: int = 0

    def at(self, *more):
        """The same with more numbers at the end of the address."""
        return self._replace(address=(*self.address, *more))

    def chains(self, where, engine):
        """The chains of all rows of a packed block, tile by tile.

        Parameters
        ----------
        where : Layout
        engine : Engine

        Returns
        -------
        list of Chains
        """
        cut = tiles(where, engine.even)
        return [Chains(tile.rows, noise) for tile, noise in zip(cut, engine.noise.of_tiles(self, where, cut))]

    def chains_of_rows(self, n_rows, engine):
        """The chains of rows that are no frames of sequences."""
        return self.chains(layout([1] * n_rows), engine)

    def chains_in_common(self, numbers, engine):
        """The chains of rows that have random numbers in common: those of one number draw the same, in any company.

        Parameters
        ----------
        numbers : (n_rows,) int ndarray
            Of a frame for example, in the place of its sequence and its own place there.
        engine : Engine

        Returns
        -------
        list of Chains
        """
        n_tiles = 1 if len(numbers) <= PIECE_FRAMES else n_tiles_of(len(numbers), engine.even)
        cut = np.array_split(np.arange(len(numbers)), n_tiles)
        return [Chains(rows, engine.noise.in_common(self, numbers[rows])) for rows in cut]


class _Tile:
    """Views of this thread's buffers for one tile, and the half-steps of the chain on them."""

    def __init__(self, n_rows, weights, noise):
        self.up, self.down, self.units = weights
        self.noise = noise
        n_visible, n_hidden = self.up.shape
        self.v = _buffer("v", n_rows, n_visible, self.up.dtype)
        self.h = _buffer("h", n_rows, n_hidden, self.up.dtype)
        self._drawn = _buffer("drawn", n_rows, max(n_visible, n_hidden), self.up.dtype)

    def hidden_mean(self, b_h):
        """h <- P(h | v)."""
        BERNOULLI.mean_given(self.v, self.up, b_h, self.noise, self.h)

    def sample_hidden(self, b_h):
        """h <- a sample from P(h | v)."""
        BERNOULLI.sample_given(self.v, self.up, b_h, self.noise, self.h, self._scratch(self.h))

    def visible_mean(self, b_v):
        """v <- E[v | h]."""
        self.units.mean_given(self.h, self.down, b_v, self.noise, self.v)

    def sample_visible(self, b_v):
        """v <- a sample from P(v | h)."""
        self.units.sample_given(self.h, self.down, b_v, self.noise, self.v, self._scratch(self.v))

    def sample_visible_mean(self):
        """v <- a sample from P(v | h), from E[v | h]."""
        self.units.sample_mean(self.v, self.noise, self._scratch(self.v))

    def sample_hidden_mean(self):
        """h <- a sample from P(h | v), from that probability."""
        BERNOULLI.sample_mean(self.h, self.noise, self._scratch(self.h))

    def _scratch(self, a):
        return self._drawn.reshape(-1)[: a.size].reshape(a.shape)


def _buffer(name, n_rows, n_columns, dtype):
    """This thread's buffer of that name, grown when it is too small."""
    size = n_rows * n_columns
    flat = getattr(_local, name, None)
    if flat is None or flat.dtype != dtype or flat.size < size:
        flat = np.empty(size, dtype)
        setattr(_local, name, flat)
    return flat[:size].reshape(n_rows, n_columns)


def _weights(W, units):
    """W for the way up and its transpose for the way down, scaled as the units of that side want it."""
    up = BERNOULLI.scale * W
    down = up if units.scale == BERNOULLI.scale else units.scale * W
    return up, np.ascontiguousarray(down.T), units


def _rows(a, rows, scale):
    """The biases of a tile: rows of `a`, or `a` itself if it is the same for all."""
    return scale * (a[rows] if a.ndim == 2 else a)


def is_compiled(engine, units, W):
    """Whether the engine has compiled chains, for units that are Bernoulli and no kind made from it."""
    return engine.chains is not None and type(units) is Bernoulli and W.dtype == np.float32


def reconstruct(h, W, biases, n_gibbs, units, chains, engine, sample_visible=True):
    """Run n_gibbs steps of alternating Gibbs sampling from hidden probabilities h (Algorithm 1).

    h_0 ~ h; then n_gibbs times v ~ P(v | h), h ~ P(h | v), but the last h is a probability.

    Parameters
    ----------
    h : (n_rows, n_hidden) ndarray
        P(h | v_0).
    W : (n_visible, n_hidden) ndarray
    biases : Biases
    n_gibbs : int
        k of CD-k, at least 1.
    units : Units
    chains : list of Chains
        From `Draw.chains`, for all rows.
    engine : Engine
    sample_visible : bool
        If False, the chain takes v = E[v | h] in place of a sample of P(v | h) (3.3).

    Returns
    -------
    v_neg : (n_rows, n_visible) ndarray
        A sample, or the mean.
    h_neg : (n_rows, n_hidden) ndarray
        P(h | v_neg).
    """
    if is_compiled(engine, units, W):
        return engine.chains.reconstruct(h, W, biases, n_gibbs, chains, engine, sample_visible)
    weights = _weights(W, units)
    v_neg, h_neg = np.empty((len(h), len(W)), W.dtype), np.empty_like(h)

    def run_tile(these):
        rows, noise = these
        tile = _Tile(len(rows), weights, noise)
        reconstruct_visible = tile.sample_visible if sample_visible else tile.visible_mean
        bias_v, bias_h = _rows(biases.v, rows, units.scale), _rows(biases.h, rows, BERNOULLI.scale)
        np.take(h, rows, axis=0, out=tile.h, mode="clip")
        tile.sample_hidden_mean()
        for _ in range(n_gibbs - 1):
            reconstruct_visible(bias_v)
            tile.sample_hidden(bias_h)
        reconstruct_visible(bias_v)
        tile.hidden_mean(bias_h)
        v_neg[rows], h_neg[rows] = tile.v, tile.h

    engine.run(run_tile, chains, 2 * n_gibbs * len(h) * W.size)
    return v_neg, h_neg


def random_visible(shape, dtype, units, chains):
    """Visible states of pure noise: fair coins (Bernoulli), standard normal numbers (Gaussian), and so on.

    Parameters
    ----------
    shape : tuple
        (n_rows, n_visible)
    dtype : dtype
    units : Units
    chains : list of Chains
        As in `reconstruct`.

    Returns
    -------
    (n_rows, n_visible) ndarray
    """
    v = np.empty(shape, dtype)
    for rows, noise in chains:
        drawn = np.empty((len(rows), shape[1]), dtype)
        units.start_noise(noise, drawn)
        v[rows] = drawn
    return v


def average_visible(v, W, biases, n_burn_in, n_average, units, chains, engine, held=None, count=None):
    """Average E[v | h] along a Gibbs chain.

    From v, n_burn_in + n_average times h ~ P(h | v), v ~ P(v | h); the mean of E[v | h] over the last n_average
    steps estimates E[v].

    Parameters
    ----------
    v : (n_rows, n_visible) ndarray
        The start of the chains.
    n_burn_in, n_average : int
    W, biases, units, chains, engine
        As in `reconstruct`.
    held : (n_rows, n_visible) bool ndarray, optional
        Units that keep the value they start with: the chain is that of the others given these.
    count : callable (n_rows), optional
        Called after every step of some rows.

    Returns
    -------
    mean : (n_rows, n_visible) ndarray
    v : (n_rows, n_visible) ndarray
        The chains' last states, sampled.
    h : (n_rows, n_hidden) ndarray
        The hidden states that v was sampled from.
    """
    if is_compiled(engine, units, W):
        return engine.chains.average_visible(v, W, biases, n_burn_in, n_average, chains, engine, held, count)
    weights = _weights(W, units)
    mean, last_v, last_h = np.zeros_like(v), np.empty_like(v), np.empty((len(v), W.shape[1]), W.dtype)

    def run_tile(these):
        rows, noise = these
        tile = _Tile(len(rows), weights, noise)
        bias_v, bias_h = _rows(biases.v, rows, units.scale), _rows(biases.h, rows, BERNOULLI.scale)
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
            if count is not None:
                count(len(rows))
        mean[rows], last_v[rows], last_h[rows] = total / n_average, tile.v, tile.h

    engine.run(run_tile, chains, 2 * (n_burn_in + n_average) * len(v) * W.size)
    return mean, last_v, last_h
