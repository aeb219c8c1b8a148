"""Recurrent Temporal Restricted Boltzmann Machines, after chapter 3 of Sutskever (2013)."""

from .rtrbm import RTRBM
from .static import RBM

__version__ = "0.1.0"
__all__ = ["RBM", "RTRBM"]
