"""The Gibbs chain of an RBM whose biases differ from row to row: the only hot loop.

Given the biases all frames of all sequences are independent, so they are one batch of rows, cut into tiles
(`rtrbm.sequences.tiles`). Each tile runs its whole chain in buffers that stay in the cache, on one thread, with
a random stream of its own.

A unit of probability p = sigmoid(a) is switched on when a uniform u on [-1, 1) is below tanh(a / 2) = 2 p - 1.
Half the total input is what the matrix products below deliver, and u is a raw random integer times a constant, so that
the sigmoid is never formed.
"""

import threading

import numpy as np

from .parallel import run

_local = threading.local()

# Random integers times just less than 1 / their range, so that no uniform rounds to 1: a unit of probability 1 is on.
_UNIFORM = {
    "float32": (np.int32, np.nextafter(np.float32(2.0**-31), np.float32(0))),
    "float64": (np.int64, np.nextafter(2.0**-63, 0.0)),
}


class _Tile:
    """Views of this thread's buffers for one tile, and the steps of the chain on them."""

    def __init__(self, n_rows, weights, rng):
        up, down, self.visible = weights
        self.up, self.down, self.rng = up, down, rng
        n_visible, n_hidden = up.shape
        self.v = _buffer("v", n_rows, n_visible, up.dtype)
        self.h = _buffer("h", n_rows, n_hidden, up.dtype)
        self.noise = _buffer("noise", n_rows, max(n_visible, n_hidden), up.dtype)

    def activate_hidden(self, b_h):
        """h <- half the total input of the hidden units."""
        np.matmul(self.v, self.up, out=self.h)
        self.h += b_h

    def activate_visible(self, b_v):
        """v <- the total input of the visible units, halved if they are binary."""
        np.matmul(self.h, self.down, out=self.v)
        self.v += b_v

    def mean(self, half):
        """half <- sigmoid(2 half)."""
        np.tanh(half, out=half)
        half *= 0.5
        half += 0.5

    def visible_mean(self):
        """v <- E[v | h], from the total input."""
        if self.visible == "bernoulli":
            self.mean(self.v)

    def sample(self, half):
        """half <- binary states of probability sigmoid(2 half)."""
        np.tanh(half, out=half)
        self._switch(half)

    def sample_mean(self, p):
        """p <- binary states of probability p."""
        p *= 2
        p -= 1
        self._switch(p)

    def sample_visible(self):
        """v <- a sample from P(v | h), from the total input."""
        if self.visible == "bernoulli":
            self.sample(self.v)
        else:
            noise = self._noise_like(self.v)
            self.rng.standard_normal(out=noise, dtype=noise.dtype)
            self.v += noise

    def sample_visible_mean(self):
        """v <- a sample from P(v | h), from E[v | h]."""
        if self.visible == "bernoulli":
            self.sample_mean(self.v)
        else:
            self.sample_visible()

    def _switch(self, threshold):
        """threshold <- 1 where a uniform on [-1, 1) is below it, else 0."""
        integer, unit = _UNIFORM[threshold.dtype.name]
        words = self.rng.bit_generator.random_raw(-(-threshold.nbytes // 8)).view(integer)[: threshold.size]
        uniform = self._noise_like(threshold)
        np.multiply(
            words.reshape(threshold.shape), unit, out=uniform, dtype=threshold.dtype, casting="unsafe"
        )
        np.less(uniform, threshold, out=threshold)

    def _noise_like(self, a):
        return self.noise.reshape(-1)[: a.size].reshape(a.shape)


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


def reconstruct(h, W, b_v, b_h, n_gibbs, visible, tiles, streams, n_jobs=None):
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
    tiles : list of Tile
    streams : list of numpy.random.Generator
        One for each tile.
    n_jobs : int, optional

    Returns
    -------
    v_neg : (n_rows, n_visible) ndarray
        A sample.
    h_neg : (n_rows, n_hidden) ndarray
        P(h | v_neg).
    """
    weights = _weights(W, visible)
    scale_v = 0.5 if visible == "bernoulli" else 1.0
    v_neg, h_neg = np.empty((len(h), len(W)), W.dtype), np.empty_like(h)

    def chain(job):
        rows, rng = job
        tile = _Tile(len(rows), weights, rng)
        bias_v, bias_h = _rows(b_v, rows, scale_v), _rows(b_h, rows, 0.5)
        np.take(h, rows, axis=0, out=tile.h, mode="clip")
        tile.sample_mean(tile.h)
        for step in range(n_gibbs):
            tile.activate_visible(bias_v)
            tile.sample_visible()
            tile.activate_hidden(bias_h)
            if step < n_gibbs - 1:
                tile.sample(tile.h)
        tile.mean(tile.h)
        v_neg[rows], h_neg[rows] = tile.v, tile.h

    run(chain, [(tile.rows, rng) for tile, rng in zip(tiles, streams)], n_jobs)
    return v_neg, h_neg


def average_visible(v, W, b_v, b_h, n_burn_in, n_average, visible, tiles, streams, n_jobs=None):
    """Average E[v | h] along a Gibbs chain.

    From v, n_burn_in + n_average times h ~ P(h | v), v ~ P(v | h); the mean of E[v | h] over the last n_average
    steps estimates E[v].

    Parameters
    ----------
    v : (n_rows, n_visible) ndarray
        Where the chains start.
    n_burn_in, n_average : int
    W, b_v, b_h, visible, tiles, streams, n_jobs
        As in `reconstruct`.

    Returns
    -------
    mean : (n_rows, n_visible) ndarray
    v : (n_rows, n_visible) ndarray
        The chains' last states, sampled.
    """
    weights = _weights(W, visible)
    scale_v = 0.5 if visible == "bernoulli" else 1.0
    mean, last = np.zeros_like(v), np.empty_like(v)

    def chain(job):
        rows, rng = job
        tile = _Tile(len(rows), weights, rng)
        bias_v, bias_h = _rows(b_v, rows, scale_v), _rows(b_h, rows, 0.5)
        total = np.zeros_like(tile.v)
        np.take(v, rows, axis=0, out=tile.v, mode="clip")
        for step in range(n_burn_in + n_average):
            tile.activate_hidden(bias_h)
            tile.sample(tile.h)
            tile.activate_visible(bias_v)
            tile.visible_mean()
            if step >= n_burn_in:
                total += tile.v
            tile.sample_visible_mean()
        mean[rows], last[rows] = total / n_average, tile.v

    run(chain, [(tile.rows, rng) for tile, rng in zip(tiles, streams)], n_jobs)
    return mean, last
