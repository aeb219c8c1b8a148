"""Samples of binary units in one pass.

numpy takes five: add the bias, tanh, draw random integers, scale them, compare.
"""

import numba
import numpy as np
from numba.core import types
from numba.extending import intrinsic

from ..streams import Noise
from .exponential import power_of_2
from .products import multiply
from .vectors import wide

KEYS = 32  # half-steps whose keys are drawn at a time

_MINUS_2_LOG2_E = np.float32(-2 / np.log(2))
_UNIT = np.nextafter(np.float32(2.0**-31), np.float32(0))
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

    multiply = staticmethod(multiply)

    def __init__(self, streams, n_rows):
        super().__init__(streams, n_rows)
        self._keys = iter(())

    def sample(self, states, half_W, half_bias, out, scratch):
        """As `Noise.sample`; every piece takes two random words, from which those of its units follow."""
        if out.dtype != np.float32:
            return super().sample(states, half_W, half_bias, out, scratch)
        keys = next(self._keys, None)
        if keys is None:
            words = [rng.bit_generator.random_raw(2 * KEYS).reshape(KEYS, 2) for rng in self._streams]
            self._keys = iter(np.stack(words, axis=1))
            keys = next(self._keys)
        self.multiply(states, half_W, out)
        _switch_on(out, np.atleast_2d(half_bias), self._ends, keys)


@numba.njit(nogil=True, cache=True, fastmath={"contract"})
def _switch_on(half, bias, ends, keys):
    """half <- 1 where u (1 + exp(-2 (half + bias))) < 1, else 0.

    u is uniform on (0, 1), without its ends: a unit of probability 0 is off, one of probability 1 on.
    Unit i of a piece gets the word key_1 + i key_4 (an odd number), mixed by the multiplications and shifts of Wellons'
    "lowbias32" hash, with key_2 and key_3 put in between.
    """
    wide()
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
                e = power_of_2((x[j] + b[j]) * _MINUS_2_LOG2_E)
                x[j] = np.float32(1) if u + u * e < np.float32(1) else np.float32(0)
            word = _add(word, _mul(key_4, np.uint32(n)))
        start = ends[piece]
