"""Data sets: some are computed, others are read from files that the user has."""

from .binary_addition import binary_addition
from .bouncing_balls import BouncingBalls, bouncing_balls
from .noise import correlated_noise
from .recorded import hsu_walking, mocap6, piano_rolls
from .walking import walking

__all__ = [
    "BouncingBalls",
    "binary_addition",
    "bouncing_balls",
    "correlated_noise",
    "hsu_walking",
    "mocap6",
    "piano_rolls",
    "walking",
]
