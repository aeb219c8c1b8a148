"""Samples of binary units in one pass.

numpy takes five: add the bias, tanh, draw random integers, scale them, compare.
"""

import numpy as np
from numba.core import types
from numba.extending import intrinsic

from ..noise import Noise
from .compiled import compiled
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
        """As `Noise.sample`."""
        if out.dtype != np.float32:
            return super().sample(states, half_W, half_bias, out, scratch)
        self.multiply(states, half_W, out)
        _switch_on(out, np.atleast_2d(half_bias), self._ends, self._next_keys())

    def switch_on(self, p, scratch):
        """As `Noise.switch_on`."""
        if p.dtype != np.float32:
            return super().switch_on(p, scratch)
        _switch_mean_on(p, self._ends, self._next_keys())

    def _next_keys(self):
        """Two random words of every piece, from which follow all numbers of its units for one half-step."""
        keys = next(self._keys, None)
        if keys is None:
            words = [rng.bit_generator.random_raw(2 * KEYS).reshape(KEYS, 2) for rng in self._streams]
            self._keys = iter(np.stack(words, axis=1))
            keys = next(self._keys)
        return keys


@compiled(fastmath={"contract"})
def _switch_on(half, bias, ends, keys):
    """half <- 1 where u (1 + exp(-2 (half + bias))) < 1, else 0: where u < sigmoid(2 (half + bias))."""
    wide()
    start = 0
    for piece in range(len(ends)):
        key_1, key_2, key_3, key_4 = _halves(keys[piece])
        for row in range(start, ends[piece]):
            x, b = half[row], bias[row if len(bias) > 1 else 0]
            for j in range(len(x)):
                u = _uniform(_add(key_1, _mul(key_4, np.uint32(j))), key_2, key_3)
                e = power_of_2((x[j] + b[j]) * _MINUS_2_LOG2_E)
                x[j] = np.float32(1) if u + u * e < np.float32(1) else np.float32(0)
            key_1 = _add(key_1, _mul(key_4, np.uint32(len(x))))
        start = ends[piece]


@compiled
def _switch_mean_on(p, ends, keys):
    """p <- 1 where u < p, else 0."""
    wide()
    start = 0
    for piece in range(len(ends)):
        key_1, key_2, key_3, key_4 = _halves(keys[piece])
        for row in range(start, ends[piece]):
            x = p[row]
            for j in range(len(x)):
                u = _uniform(_add(key_1, _mul(key_4, np.uint32(j))), key_2, key_3)
                x[j] = np.float32(1) if u < x[j] else np.float32(0)
            key_1 = _add(key_1, _mul(key_4, np.uint32(len(x))))
        start = ends[piece]


@compiled
def _halves(words):
    """Four keys from two words: that of the first unit, two for the hash, and the odd distance of two units' keys."""
    high = np.uint64(32)
    odd = np.uint32(words[1] >> high) | np.uint32(1)
    return np.uint32(words[0]), np.uint32(words[0] >> high), np.uint32(words[1]), np.uint32(odd)


@compiled
def _uniform(key, key_2, key_3):
    """A number on (0, 1), without its ends: that of the unit with this key.

    The key is mixed by the multiplications and shifts of Wellons' "lowbias32" hash, with two more keys put in between.
    """
    z = _mul(_xor(key, _shift(key, _16)), _FIRST)
    z = _mul(_xor(_xor(z, key_2), _shift(z, _15)), _SECOND)
    z = _add(_xor(z, _shift(z, _16)), key_3)
    return np.float32(np.int32(_shift(z, _1)) | np.int32(1)) * _UNIT
