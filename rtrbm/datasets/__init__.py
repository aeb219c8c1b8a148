"""Data sets: some are computed, others are read from files that the user has."""

from .assemblies import assemblies
from .binary_addition import binary_addition
from .bouncing_balls import BouncingBalls, bouncing_balls
from .bvh import bvh_motion
from .motion import MotionFeatures, hsu_motion, hsu_walking, mocap6, training_part
from .music import piano_rolls
from .noise import correlated_noise
from .registry import download
from .transposed import Transposed
from .walking import walking

__all__ = [
    "BouncingBalls",
    "MotionFeatures",
    "Transposed",
    "assemblies",
    "binary_addition",
    "bouncing_balls",
    "bvh_motion",
    "correlated_noise",
    "download",
    "hsu_motion",
    "hsu_walking",
    "mocap6",
    "piano_rolls",
    "training_part",
    "walking",
]
