"""Sampling and Adam in one pass, compiled by numba: the extra ``rtrbm[fast]``.

numpy makes five passes over a layer (bias, tanh, random integers, their scaling, comparison), ten over the parameters.
Here all of them happen while a number is in a register. The random numbers differ from numpy's, their law does not.
Where few units are on, as in pictures of balls and in music, their rows of W are added up in place of a matrix product.
"""

import numba
import numpy as np
from numba.core import types
from numba.extending import intrinsic

from .optim import NEGLIGIBLE
from .streams import Noise

KEYS = 32  # half-steps whose keys are drawn at a time
SPARSE = 0.15  # share of the units that are on below which adding up rows is faster than a matrix product
CACHED = 2**19  # numbers of a matrix that stay in the cache while its rows are added up

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


def product(states, W, out):
    """out <- states W, by adding up rows of W if few of the states are not 0; some of the frames tell."""
    some = states[:: -(-len(states) // 8)]
    if out.dtype != np.float32 or np.count_nonzero(some) > SPARSE * some.size:
        np.matmul(states, W, out=out)
    else:
        _add_rows(states, W, out, -(-W.size // CACHED))


@numba.njit(nogil=True, cache=True, fastmath={"contract"})
def _add_rows(states, W, out, n_blocks):
    """out <- states W, a block of columns of W after the other."""
    unit, value = np.empty(len(W) + 8, np.int32), np.empty(len(W) + 8, np.float32)
    for block in range(n_blocks):
        columns = slice(W.shape[1] * block // n_blocks, W.shape[1] * (block + 1) // n_blocks)
        for i in range(len(states)):
            n = 0
            for j in range(len(W)):
                unit[n], value[n] = j, states[i, j]
                n += states[i, j] != 0
            unit[n : n + 8], value[n : n + 8] = 0, 0
            x = out[i, columns]
            x[:] = 0
            for m in range(0, n, 8):  # eight at a time, for x goes to the cache and back with every addition
                u, s = unit[m : m + 8], value[m : m + 8]
                a, b, c, d = W[u[0], columns], W[u[1], columns], W[u[2], columns], W[u[3], columns]
                e, f, g, h = W[u[4], columns], W[u[5], columns], W[u[6], columns], W[u[7], columns]
                for j in range(len(x)):
                    x[j] += (s[0] * a[j] + s[1] * b[j] + s[2] * c[j] + s[3] * d[j]) + (
                        s[4] * e[j] + s[5] * f[j] + s[6] * g[j] + s[7] * h[j]
                    )


class FusedNoise(Noise):
    """`Noise` that samples binary units of single precision in one pass."""

    product = staticmethod(product)

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
        self.product(states, half_W, out)
        _switch_on(out, np.atleast_2d(half_bias), self._ends, keys)


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
