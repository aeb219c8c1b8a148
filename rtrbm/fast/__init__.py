"""What takes an update's time, compiled by numba: the extra ``rtrbm[fast]``.

The random numbers differ from numpy's, their law does not; all else agrees up to rounding.
"""

from .optim import adam_block
from .recurrence import backward, forward
from .sampling import FusedNoise

__all__ = ["FusedNoise", "adam_block", "backward", "forward"]
