"""Adam's step in one pass over the parameters, in place of numpy's ten."""

import numba
import numpy as np

from ..engine import NEGLIGIBLE
from .vectors import wide


def adam_block(g, total, square, decay, square_decay, epsilon, scale):
    """As `rtrbm.compute.engine.adam_block`, up to rounding."""
    kind = g.dtype.type
    _adam(g, total, square, *map(kind, (decay, square_decay, epsilon, scale, NEGLIGIBLE)))


@numba.njit(nogil=True, cache=True, fastmath={"contract"}, error_model="numpy")
def _adam(g, total, square, decay, square_decay, epsilon, scale, negligible):
    wide()
    for i in range(len(g)):
        d = g[i] + negligible
        total[i] = decay * total[i] + d
        square[i] = square_decay * square[i] + d * d
        g[i] = scale * total[i] / (np.sqrt(square[i]) + epsilon)
