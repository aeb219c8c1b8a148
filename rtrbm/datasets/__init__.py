"""Data sets: those that are computed, and readers of those that are files."""

from .bouncing_balls import BouncingBalls, bouncing_balls

__all__ = ["BouncingBalls", "bouncing_balls"]
