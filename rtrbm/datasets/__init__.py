"""Data sets, all of them computed."""

from .binary_addition import binary_addition
from .bouncing_balls import BouncingBalls, bouncing_balls
from .noise import correlated_noise
from .walking import walking

__all__ = ["BouncingBalls", "binary_addition", "bouncing_balls", "correlated_noise", "walking"]
