"""Sampling and Adam in one pass, compiled by numba: the extra ``rtrbm[fast]``.

numpy makes five passes over a layer (bias, tanh, random integers, their scaling, comparison), ten over the parameters.
Here all of them happen while a number is in a register. The random numbers differ from numpy's, their law does not.
"""

import numba
import numpy as np
from numba.core import types
from numba.extending import intrinsic

from .optim import NEGLIGIBLE
from .streams import Noise

KEYS = 32  # half-steps whose keys are drawn at a time

_MINUS_2_LOG2_E, _LIMIT = np.float32(-2 / np.log(2)), np.float32(126)
_UNIT = np.nextafter(np.float32(2.0**-31), np.float32(0))
_POWERS = tuple(np.float32(np.log(2) ** n / np.prod(np.arange(1.0, n + 1))) for n in range(7))
_FIRST, _SECOND = np.uint32(0x7FEB352D), np.uint32(0x846CA68B)
_1, _15, _16 = np.uint32(1), np.uint32(15), np.uint32(16)


def _of_32_bits(instruction):
    """An operation of 32-bit words: those of numba are widened to 64, of which a vector register holds half as many."""

    @intrinsic
    def operation(context, a, b):
        def generate(context, builder, signature, arguments):
            return getattr(builder, instruction)(*arguments)

        return types.uint32(types.uint32, types.uint32), generate

    return operation


_add, _mul, _xor, _shift = map(_of_32_bits, ("add", "mul", "xor", "lshr"))


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
    Unit i of a piece gets the word key_1 + i key_4 (an odd number), mixed by the multiplications and shifts of Wellons'
    "lowbias32" hash, with key_2 and key_3 put in between; exp is 2^(k + g) with a polynomial for 2^g, |g| <= 1/2, good
    to single precision.
    """
    n = half.shape[1]
    start = 0
    for piece in range(len(ends)):
        word, key_2 = np.uint32(keys[piece, 0]), np.uint32(keys[piece, 0] >> np.uint64(32))
        key_3, key_4 = np.uint32(keys[piece, 1]), np.uint32((keys[piece, 1] >> np.uint64(32)) | np.uint64(1))
        for row in range(start, ends[piece]):
            x, b = half[row], bias[row if len(bias) > 1 else 0]
            for j in range(n):
                z = _add(word, _mul(key_4, np.uint32(j)))
                z = _mul(_xor(z, _shift(z, _16)), _FIRST)
                z = _mul(_xor(_xor(z, key_2), _shift(z, _15)), _SECOND)
                z = _add(_xor(z, _shift(z, _16)), key_3)
                u = np.float32(np.int32(_shift(z, _1)) | np.int32(1)) * _UNIT
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
            word = _add(word, _mul(key_4, np.uint32(n)))
        start = ends[piece]


def adam_block(g, total, square, decay, square_decay, epsilon, scale):
    """As `rtrbm.optim.adam_block`, up to rounding."""
    kind = g.dtype.type
    _adam(g, total, square, *map(kind, (decay, square_decay, epsilon, scale, NEGLIGIBLE)))


@numba.njit(nogil=True, cache=True, fastmath={"contract"}, error_model="numpy")
def _adam(g, total, square, decay, square_decay, epsilon, scale, negligible):
    for i in range(len(g)):
        d = g[i] + negligible
        total[i] = decay * total[i] + d
        square[i] = square_decay * square[i] + d * d
        g[i] = scale * total[i] / (np.sqrt(square[i]) + epsilon)
