"""The engine of compiled loops: whole updates, and the chains of the verbs, by numba (the extra ``rtrbm[fast]``).

The random numbers differ from numpy's, their law does not; all else agrees up to rounding.
"""

from dataclasses import dataclass

import numpy as np
from numba import config

from ..engine import Engine
from . import annealing, gibbs, matrices, recurrence, whole
from .optim import adam_block
from .sampling import HashedNoise

HAS_COMPILER = not config.DISABLE_JIT


@dataclass(frozen=True)
class NumbaEngine(Engine):
    """`rtrbm.compute.engine.Engine` with compiled loops for single precision."""

    name = "numba"
    noise = HashedNoise
    adam_block = staticmethod(adam_block)
    recurrence = recurrence
    chains = gibbs
    annealing = annealing
    whole = whole

    def scaled(self, a, b, factor, out):
        if all(x.dtype == np.float32 and x.flags.c_contiguous for x in (a, b, out)):
            matrices.multiply_scaled(a, b, factor, out, self.n_jobs)
        else:
            super().scaled(a, b, factor, out)
