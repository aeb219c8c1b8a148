"""One file a model: its parameters, its conditioner, its class."""

from .crbm import CRBM
from .lstmrbm import LSTMRBM
from .rbm import RBM
from .rnnrbm import RNNRBM
from .rtrbm import RTRBM
from .srtrbm import SRTRBM
from .stack import Stack, load
from .trbm import TRBM

__all__ = ["CRBM", "LSTMRBM", "RBM", "RNNRBM", "RTRBM", "SRTRBM", "TRBM", "Stack", "load"]
