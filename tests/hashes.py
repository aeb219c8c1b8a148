"""The random numbers of `rtrbm.compute.numba.hashing`, written in numpy, and chains of any precision that draw them."""

import numpy as np

from rtrbm.compute.engine import Engine
from rtrbm.compute.noise import Noise

_32 = np.uint64(0xFFFFFFFF)
UNIT = float(np.nextafter(np.float32(2.0**-31), np.float32(0)))


def mix(key, number):
    """splitmix64's finaliser."""
    with np.errstate(over="ignore"):
        z = np.uint64(key) + np.uint64(0x9E3779B97F4A7C15) * (np.asarray(number, np.uint64) + np.uint64(1))
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))


def uniforms(keys, half_step, n):
    """Those of a half-step of rows with these keys, on (0, 1), (n_rows, n) of double precision."""
    z = mix(keys, half_step)
    a, b = (z & _32).astype(np.uint32), (z >> np.uint64(32)).astype(np.uint32)
    with np.errstate(over="ignore"):
        return integers(a, b, (a * np.uint32(0x9E3779B1)) ^ b, n) * UNIT


def integers(a, b, third, n):
    """Odd numbers below 2^31 from three words of every row, (n_rows, n)."""
    with np.errstate(over="ignore"):
        z = a[:, None] + np.arange(n, dtype=np.uint32)
        z = (z ^ (z >> np.uint32(16))) * np.uint32(0x7FEB352D)
        z = ((z ^ b[:, None]) ^ (z >> np.uint32(15))) * np.uint32(0x846CA68B)
        z = (z ^ (z >> np.uint32(16))) + third[:, None]
    return (z >> np.uint32(1)) | np.uint32(1)


class HashedNoise(Noise):
    """`Noise` whose uniform numbers are hashes."""

    def __init__(self, keys):
        self._keys, self._half_step = keys, 0

    def uniform(self, out):
        out[...] = 2 * uniforms(self._keys, self._half_step, out.shape[1]) - 1
        self._half_step += 1

    @classmethod
    def of_tiles(cls, draw, where, tiles):
        from rtrbm.compute.numba.hashing import key_of

        key = key_of(draw.seed, draw.purpose, draw.address)
        frame = np.searchsorted(where.starts, np.arange(where.n_rows), side="right") - 1
        sequence = np.argsort(where.rank)[np.arange(where.n_rows) - where.starts[frame]]
        keys = mix(mix(key, draw.first + sequence), frame)
        return [cls(keys[tile.rows]) for tile in tiles]

    @classmethod
    def in_common(cls, draw, numbers):
        from rtrbm.compute.numba.hashing import key_of

        return cls(mix(mix(key_of(draw.seed, draw.purpose, draw.address), numbers), 0))


class HashedEngine(Engine):
    """numpy's engine with these numbers: what numba compiles, in any precision."""

    noise = HashedNoise
