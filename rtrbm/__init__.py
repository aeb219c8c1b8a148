"""Recurrent Temporal Restricted Boltzmann Machines, after chapter 3 of Sutskever (2013)."""

from .rbm import RBM
from .rtrbm import RTRBM

__version__ = "0.1.0"
__all__ = ["RBM", "RTRBM"]
