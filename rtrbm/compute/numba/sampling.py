"""Random numbers of chains by hashes of their addresses, and samples of binary units in one pass.

numpy takes five passes: add the bias, tanh, draw random integers, scale them, compare.
"""

import functools

import numpy as np

from ..noise import Noise
from .compiled import compiled
from .hashing import from_bytes, half_step_words, key_of, row_keys, switch_mean_on, switch_on, uniforms
from .products import multiply
from .vectors import WIDTH, add, fill, load_part, multiply_add, store_part, wide

_2 = np.float32(2)


class HashedNoise(Noise):
    """`Noise` of hashes, in single precision; all but uniform numbers are those of numpy's streams.

    Parameters
    ----------
    keys : (n_rows,) uint64 ndarray
        One for each row (`rtrbm.compute.numba.hashing.row_keys`).
    plain : callable () -> Noise
        Makes numpy's, if it is needed.
    """

    multiply = staticmethod(multiply)

    def __init__(self, keys, plain):
        self.keys, self._plain, self._half_step = keys, plain, 0

    @classmethod
    def of_tiles(cls, draw, where, tiles):
        """As `Noise.of_tiles`."""
        rows = np.arange(where.n_rows)
        frames = np.searchsorted(where.starts, rows, side="right") - 1
        sequences = draw.first + np.argsort(where.rank)[rows - where.starts[frames]]
        keys = _keys(draw, sequences, frames)
        return [cls(keys[tile.rows], functools.partial(_of_tile, draw, where, tile)) for tile in tiles]

    @classmethod
    def in_common(cls, draw, numbers):
        """As `Noise.in_common`."""
        return cls(_keys(draw, numbers, np.zeros_like(numbers)), functools.partial(Noise.in_common, draw, numbers))

    def uniform(self, out):
        """As `Noise.uniform`."""
        if out.dtype != np.float32:
            return self._numpy.uniform(out)
        _uniform(out, self.keys, self.take(1))

    def sample(self, states, half_W, half_bias, out, scratch):
        """As `Noise.sample`."""
        if out.dtype != np.float32:
            return super().sample(states, half_W, half_bias, out, scratch)
        self.multiply(states, half_W, out)
        _switch_on(out, np.atleast_2d(half_bias), self.keys, self.take(1))

    def switch_on(self, p, scratch):
        """As `Noise.switch_on`."""
        if p.dtype != np.float32:
            return super().switch_on(p, scratch)
        _switch_mean_on(p, self.keys, self.take(1))

    def normal(self, out):
        """As `Noise.normal`."""
        self._numpy.normal(out)

    def poisson(self, mean):
        """As `Noise.poisson`."""
        self._numpy.poisson(mean)

    @functools.cached_property
    def _numpy(self):
        return self._plain()

    def take(self, n):
        """The number of the first of the next n half-steps, which are taken by this."""
        self._half_step += n
        return self._half_step - n


def _of_tile(draw, where, tile):
    return Noise.of_tiles(draw, where, [tile])[0]


def _keys(draw, sequences, frames):
    keys = np.empty(len(sequences), np.uint64)
    row_keys(np.uint64(key_of(draw.seed, draw.purpose, draw.address)), sequences, frames, keys)
    return keys


@compiled
def _uniform(out, keys, half_step):
    """out <- uniform numbers on [-1, 1)."""
    wide()
    words, flat, n = np.empty(3 * len(keys), np.uint32), out.reshape(-1), out.shape[1]
    half_step_words(keys, 0, len(keys), half_step, words)
    for i in range(len(keys)):
        for j in range(0, n, WIDTH):
            u = multiply_add(fill(_2), uniforms(words, i, j), fill(np.float32(-1)))
            store_part(flat, i * n + j, u, n - j)


@compiled
def _switch_on(half, bias, keys, half_step):
    """half <- 1 where u < sigmoid(2 (half + bias)), else 0."""
    wide()
    words, on = np.empty(3 * len(keys), np.uint32), np.empty(WIDTH, np.uint8)
    flat, flat_bias, n = half.reshape(-1), bias.reshape(-1), half.shape[1]
    half_step_words(keys, 0, len(keys), half_step, words)
    for i in range(len(keys)):
        first = i * n if len(bias) > 1 else 0
        for j in range(0, n, WIDTH):
            x = add(load_part(flat, i * n + j, n - j), load_part(flat_bias, first + j, n - j))
            switch_on(on, 0, add(x, x), words, i, j)
            store_part(flat, i * n + j, from_bytes(on, 0), n - j)


@compiled
def _switch_mean_on(p, keys, half_step):
    """p <- 1 where u < p, else 0."""
    wide()
    words, on = np.empty(3 * len(keys), np.uint32), np.empty(WIDTH, np.uint8)
    flat, n = p.reshape(-1), p.shape[1]
    half_step_words(keys, 0, len(keys), half_step, words)
    for i in range(len(keys)):
        for j in range(0, n, WIDTH):
            switch_mean_on(on, 0, load_part(flat, i * n + j, n - j), words, i, j)
            store_part(flat, i * n + j, from_bytes(on, 0), n - j)
