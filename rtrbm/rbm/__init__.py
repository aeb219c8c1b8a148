"""An RBM that receives its biases. Nothing here knows about time: all frames of all sequences are one batch of rows."""

from .gaussian import Gaussian
from .noise import FromNoise
from .persistent import Persistent
from .poisson import Poisson
from .scaled import ScaledGaussian
from .softmax import Softmax
from .tempered import Tempered
from .units import Bernoulli, Units

__all__ = [
    "Bernoulli",
    "FromNoise",
    "Gaussian",
    "Persistent",
    "Poisson",
    "ScaledGaussian",
    "Softmax",
    "Tempered",
    "Units",
]
