"""Data sets: some are computed, others are read from files that the user has."""

from .assemblies import assemblies
from .binary_addition import binary_addition
from .bouncing_balls import BouncingBalls, bouncing_balls
from .bvh import bvh_motion
from .motion import MotionFeatures, hsu_motion, hsu_walking, mocap6, training_part
from .noise import correlated_noise
from .recorded import piano_rolls
from .walking import walking

__all__ = [
    "BouncingBalls",
    "MotionFeatures",
    "assemblies",
    "binary_addition",
    "bouncing_balls",
    "bvh_motion",
    "correlated_noise",
    "hsu_motion",
    "hsu_walking",
    "mocap6",
    "piano_rolls",
    "training_part",
    "walking",
]
