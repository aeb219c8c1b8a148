"""Sampling in one pass over the units, compiled by numba: the extra ``rtrbm[fast]``.

numpy makes five passes over a layer (bias, tanh, random integers, their scaling, comparison). Here all five happen
while a unit is in a register. The random numbers differ from numpy's, their law does not.
"""

import numba
import numpy as np

from .streams import Noise

KEYS = 32  # half-steps whose keys are drawn at a time

_FIRST, _SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_MINUS_2_LOG2_E, _LIMIT = np.float32(-2 / np.log(2)), np.float32(126)
_UNIT = np.nextafter(np.float32(2.0**-31), np.float32(0))
_POWERS = tuple(np.float32(np.log(2) ** n / np.prod(np.arange(1.0, n + 1))) for n in range(7))


class FusedNoise(Noise):
    """`Noise` that samples binary units of single precision in one pass."""

    def __init__(self, streams, n_rows):
        super().__init__(streams, n_rows)
        self._keys = iter(())

    def switch_on(self, half, bias, scratch):
        """As `Noise.switch_on`; every piece takes two random words, from which those of its units follow."""
        if half.dtype != np.float32:
            return super().switch_on(half, bias, scratch)
        keys = next(self._keys, None)
        if keys is None:
            words = [rng.bit_generator.random_raw(2 * KEYS).reshape(KEYS, 2) for rng in self._streams]
            self._keys = iter(np.stack(words, axis=1))
            keys = next(self._keys)
        _switch_on(half, np.atleast_2d(bias), self._ends, keys)


@numba.njit(nogil=True, cache=True, fastmath={"contract"})
def _switch_on(half, bias, ends, keys):
    """half <- 1 where u (1 + exp(-2 (half + bias))) < 1, else 0.

    u is uniform on (0, 1), without its ends: a unit of probability 0 is off, one of probability 1 on.
    The words u comes from are those of SplitMix64 (Steele, Lea & Flood 2014) with a start and an increment of its own
    for each piece of rows; exp is 2^(k + g) with a polynomial for 2^g, |g| <= 1/2, good to single precision.
    """
    n = half.shape[1]
    start = 0
    for piece in range(len(ends)):
        word, increment = keys[piece, 0], keys[piece, 1] | np.uint64(1)
        for row in range(start, ends[piece]):
            x, b = half[row], bias[row if len(bias) > 1 else 0]
            for j in range(n):
                z = word + increment * np.uint64(j)
                z = (z ^ (z >> np.uint64(30))) * _FIRST
                z = (z ^ (z >> np.uint64(27))) * _SECOND
                u = np.float32(np.int32(z >> np.uint64(33)) | np.int32(1)) * _UNIT
                t = min(max((x[j] + b[j]) * _MINUS_2_LOG2_E, -_LIMIT), _LIMIT)
                k = np.floor(t + np.float32(0.5))
                g = t - k
                e = _POWERS[6]
                e = e * g + _POWERS[5]
                e = e * g + _POWERS[4]
                e = e * g + _POWERS[3]
                e = e * g + _POWERS[2]
                e = e * g + _POWERS[1]
                e = e * g + _POWERS[0]
                e *= np.int32((np.int32(k) + np.int32(127)) << np.int32(23)).view(np.float32)  # 2^k
                x[j] = np.float32(1) if u + u * e < np.float32(1) else np.float32(0)
            word += increment * np.uint64(n)
        start = ends[piece]
