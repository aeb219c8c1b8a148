"""Recurrent Temporal Restricted Boltzmann Machines, after chapter 3 of Sutskever (2013)."""

from .crbm import CRBM
from .rtrbm import RTRBM
from .stack import Stack
from .static import RBM
from .trbm import TRBM

__version__ = "0.1.0"
__all__ = ["CRBM", "RBM", "RTRBM", "TRBM", "Stack"]
