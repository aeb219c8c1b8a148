"""Powers of 2 in single precision, which the compiler does for a vector of numbers at a time."""

import numpy as np

from .compiled import compiled

_LIMIT, _HALF = np.float32(126), np.float32(0.5)
_POWERS = tuple(np.float32(np.log(2) ** n / np.prod(np.arange(1.0, n + 1))) for n in range(7))


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
