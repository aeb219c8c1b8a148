"""Powers of 2 and the logistic function in single precision, for one number and for a vector of them."""

import numpy as np
from numba.extending import intrinsic

from .compiled import compiled
from .vectors import CONTRACT, FLOATS, INTS, floats, ints, vector

_LIMIT, _HALF = np.float32(126), np.float32(0.5)
_POWERS = tuple(np.float32(np.log(2) ** n / np.prod(np.arange(1.0, n + 1))) for n in range(7))
NEVER = np.float32(2**25)  # odds against a unit beyond which it is 0: numbers next to nothing are slow


@compiled(fastmath={"contract"})
def power_of_2(t):
    """2^t for t from -126 to 126, the nearer of the two beyond: 2^(k + g) with a polynomial for 2^g, |g| <= 1/2."""
    t = min(max(t, -_LIMIT), _LIMIT)
    k = np.floor(t + _HALF)
    g = t - k
    p = _POWERS[6]
    p = p * g + _POWERS[5]
    p = p * g + _POWERS[4]
    p = p * g + _POWERS[3]
    p = p * g + _POWERS[2]
    p = p * g + _POWERS[1]
    p = p * g + _POWERS[0]
    return p * np.int32((np.int32(k) + np.int32(127)) << np.int32(23)).view(np.float32)


def powers_of_2(builder, t):
    """The same for a vector; what is not a number stays so.

    Adding 3 2^22 rounds to a whole number k, which is then in the last bits of the sum.
    """
    for limit, order in ((126, "<"), (-126, ">")):
        t = builder.select(builder.fcmp_ordered(order, floats(limit), t), floats(limit), t)
    rounded = builder.fadd(t, floats(3 * 2**22))
    g = builder.fsub(t, builder.fsub(rounded, floats(3 * 2**22)))
    p = floats(_POWERS[6])
    for power in _POWERS[5::-1]:
        p = builder.fadd(builder.fmul(p, g, flags=CONTRACT), floats(power), flags=CONTRACT)
    exponent = builder.shl(builder.bitcast(rounded, INTS), ints(23))
    return builder.bitcast(builder.add(builder.bitcast(p, INTS), exponent), FLOATS)


def odds_against(builder, x):
    """exp(-x) of a vector."""
    return powers_of_2(builder, builder.fmul(x, floats(-1 / np.log(2))))


@intrinsic
def sigmoid(context, x):
    """1 / (1 + exp(-x)) of a vector; 0 where that is next to nothing."""

    def generate(context, builder, signature, arguments):
        odds = odds_against(builder, arguments[0])
        p = builder.fdiv(floats(1), builder.fadd(odds, floats(1)))
        return builder.select(builder.fcmp_ordered(">=", odds, floats(NEVER)), floats(0), p)

    return vector(vector), generate


@intrinsic
def exponential(context, x):
    """exp(x) of a vector."""

    def generate(context, builder, signature, arguments):
        return powers_of_2(builder, builder.fmul(arguments[0], floats(1 / np.log(2))))

    return vector(vector), generate
