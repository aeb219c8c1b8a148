"""The engine of compiled loops: whole updates, and the chains of the verbs, by numba (the extra ``rtrbm[fast]``).

The random numbers differ from numpy's, their law does not; all else agrees up to rounding.
"""

from dataclasses import dataclass

from ..engine import Engine
from . import annealing, gibbs, recurrence, whole
from .optim import adam_block
from .sampling import HashedNoise


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
