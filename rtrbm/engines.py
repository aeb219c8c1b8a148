"""Who does the work of an update: numpy, or numba (the extra ``rtrbm[fast]``)."""

from collections.abc import Callable
from typing import NamedTuple

from . import optim, rnn
from .streams import Noise

ENGINES = ("numpy", "numba")


class Engine(NamedTuple):
    """The work of an update.

    noise : type, `rtrbm.streams.Noise` or one that does the same faster; forward, backward : as those of `rtrbm.rnn`;
    adam_block : as `rtrbm.optim.adam_block`.
    """

    noise: type
    forward: Callable
    backward: Callable
    adam_block: Callable

    @property
    def multiply(self):
        """The chain's product, for the others too: (a, b, out), out <- a b, where a may be binary states."""
        return self.noise.multiply


NUMPY = Engine(Noise, rnn.forward, rnn.backward, optim.adam_block)


def named(name):
    """The engine of that name.

    Parameters
    ----------
    name : {"numpy", "numba"}

    Returns
    -------
    Engine

    Raises
    ------
    ValueError
        If numba is missing.
    """
    if name == "numpy":
        return NUMPY
    try:
        from .fast import FusedNoise, adam_block, backward, forward
    except ImportError as error:
        raise ValueError("engine='numba' needs numba: install rtrbm[fast]") from error
    return Engine(FusedNoise, forward, backward, adam_block)
