"""Gaussian noise for videos, correlated in space and in time."""

from __future__ import annotations

import numpy as np

from ..checks import check_count, check_memory, check_number
from ..streams import as_seed, stream
from ..types import Array, Seed


def correlated_noise(
    n_sequences: int,
    n_frames: int = 100,
    *,
    resolution: int = 30,
    deviation: float = 0.4,
    space: float = 0.3,
    time: float = 0.5,
    random_state: Seed = None,
) -> Array:
    """Stationary Gaussian noise, white noise filtered along rows, along columns and along frames.

    One filter does all three, x_i = c x_{i-1} + sqrt(1 - c^2) e_i with x_1 = e_1 and e white: c = `space` within a
    frame, c = `time` from frame to frame. Every value is N(0, deviation^2); two that are dx, dy pixels and dt frames
    apart have the correlation space^(dx + dy) time^dt.

    Parameters
    ----------
    n_sequences, n_frames, resolution : int
        Sizes, as of `bouncing_balls`.
    deviation : float
        Standard deviation of every value.
    space : float
        Correlation of neighbouring pixels, at least 0 and less than 1.
    time : float
        Correlation of a pixel's values in successive frames, at least 0 and less than 1.
    random_state : None, int, numpy.random.RandomState or numpy.random.Generator
        See `rtrbm.streams.as_seed`.

    Returns
    -------
    numpy.ndarray of float32, shape (n_sequences, n_frames, resolution**2)
        The noise of video i depends on `random_state`, i and `resolution`, but not on `n_sequences`; that of a longer
        video begins as that of a shorter one.

    Raises
    ------
    TypeError, ValueError
        If a size is not a positive integer, another number is out of its range, or the noise is larger than the
        machine's memory.

    Examples
    --------
    >>> noise = correlated_noise(2, 5, resolution=10, random_state=0)
    >>> noise.shape, noise.dtype
    ((2, 5, 100), dtype('float32'))
    """
    sizes = {"n_sequences": n_sequences, "n_frames": n_frames, "resolution": resolution}
    for name, value in sizes.items():
        check_count(name, value)
    check_number("deviation", deviation, 0, 1e30, closed=True)
    check_number("space", space, 0, 1, closed=True)
    check_number("time", time, 0, 1, closed=True)
    n_pixels = int(resolution) ** 2
    given = ", ".join(f"{name}={value}" for name, value in sizes.items())
    in_double = 2  # one video, while it is made
    check_memory(f"noise of {given}", (int(n_sequences) + in_double) * int(n_frames) * n_pixels, np.float32)
    seed, noise = as_seed(random_state), np.empty((n_sequences, n_frames, n_pixels), np.float32)
    for i, video in enumerate(noise):
        frames = stream(seed, "noise", i).standard_normal((n_frames, resolution, resolution))
        for axis, c in enumerate((time, space, space)):
            _filter(np.moveaxis(frames, axis, 0), c)
        frames *= deviation
        video[:] = frames.reshape(n_frames, n_pixels)
    return noise


def _filter(x, c):
    """e_1, e_2, ... <- x_i = c x_{i-1} + sqrt(1 - c^2) e_i, x_1 = e_1, in their place."""
    x[1:] *= np.sqrt(1 - c**2)
    for before, now in zip(x, x[1:]):
        now += c * before
