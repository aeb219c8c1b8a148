"""Recurrent Temporal Restricted Boltzmann Machines, after chapter 3 of Sutskever (2013)."""

from . import callbacks, convert
from .estimators.pooling import Pool
from .models import CRBM, LSTMRBM, RBM, RNNRBM, RTRBM, SRTRBM, TRBM, Stack, load

__version__ = "0.1.0"
__all__ = ["CRBM", "LSTMRBM", "Pool", "RBM", "RNNRBM", "RTRBM", "SRTRBM", "TRBM", "Stack"]
__all__ += ["callbacks", "convert", "load"]
