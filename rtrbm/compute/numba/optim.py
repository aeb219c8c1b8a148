"""Adam's step in one pass over the parameters, in place of numpy's ten."""

import numpy as np

from ..engine import NEGLIGIBLE
from .compiled import compiled
from .vectors import wide


def adam_block(g, total, square, new_total, new_square, *settings):
    """As `rtrbm.compute.engine.adam_block`, up to rounding."""
    _adam(g, total, square, new_total, new_square, *map(g.dtype.type, (*settings, NEGLIGIBLE)))


@compiled(fastmath={"contract"})
def _adam(g, total, square, new_total, new_square, decay, square_decay, epsilon, scale, negligible):
    wide()
    for i in range(len(g)):
        d = g[i] + negligible
        new_total[i] = decay * total[i] + d
        new_square[i] = square_decay * square[i] + d * d
        g[i] = scale * new_total[i] / (np.sqrt(new_square[i]) + epsilon)
