"""Videos of balls that bounce off the walls of a box and off each other.

The data of Sutskever & Hinton (2007, 2008) and of Sutskever (2013, ch. 3.11.1). A video is made in three
steps, each a function: `initial_state`, `simulate`, `render`. The state of a video is two arrays
(n_balls, 2), positions and velocities, x before y, in units of a box of side 10; one unit of time a frame.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from ..checks import check_count, check_memory
from ..streams import as_seed, stream
from ..types import Array, Seed

BOX = 10.0  # side of the box
RADIUS = 1.2  # of a ball
SPEED = 0.5  # root of the sum of all squared velocities of a video
SUBSTEPS = 2  # per frame
MAX_BALLS = 6

_REACH = 1.5 * RADIUS  # a pixel further than this from a ball has less than 1e-11 of it
_TRIES = 32  # configurations drawn at once
_BLOCK_FRAMES = 2**14  # simulated at once
_UPDATES = 16  # whose balls are simulated at once, where updates follow one another: it takes little longer than one
_BLOCK_PIXELS = 2**16  # rendered at once: few enough to stay in the processor's cache


def bouncing_balls(
    n_sequences: int, n_frames: int = 100, *, resolution: int = 30, n_balls: int = 3, random_state: Seed = None
) -> Array:
    """Videos of bouncing balls: the first minibatch of `BouncingBalls`.

    Parameters
    ----------
    n_sequences : int
        Number of videos.
    n_frames : int
        Frames of each video.
    resolution : int
        Pixels along each side of a frame.
    n_balls : int
        Balls in each video, at most 6: a whole configuration is redrawn until it fits, which takes
        8 tries with 3 balls, 3200 with 6 (under a millisecond) and 100 000 with 7.
    random_state : None, int, numpy.random.RandomState or numpy.random.Generator
        See `rtrbm.streams.as_seed`.

    Returns
    -------
    numpy.ndarray of float32, shape (n_sequences, n_frames, resolution**2)
        Intensities in [0, 1], rows of pixels one after the other. Video i depends on `random_state`, i
        and the other sizes, but not on `n_sequences`; a longer video begins as a shorter one.

    Raises
    ------
    TypeError
        If a size is not an integer, or `random_state` is of no known kind.
    ValueError
        If a size is less than 1, `n_balls` more than 6, or the videos larger than the machine's memory.

    References
    ----------
    I. Sutskever and G. E. Hinton (2007). Learning multilevel distributed representations for
    high-dimensional sequences. AISTATS.

    I. Sutskever, G. E. Hinton and G. W. Taylor (2008). The recurrent temporal restricted Boltzmann
    machine. NIPS.

    I. Sutskever (2013). Training recurrent neural networks, ch. 3.11.1. PhD thesis, University of Toronto.

    Examples
    --------
    >>> videos = bouncing_balls(2, 5, resolution=10, random_state=0)
    >>> videos.shape, videos.dtype
    ((2, 5, 100), dtype('float32'))
    """
    sizes = _check_sizes(n_sequences=n_sequences, n_frames=n_frames, resolution=resolution, n_balls=n_balls)
    n_sequences, n_frames, resolution, n_balls = sizes
    return render(_positions(as_seed(random_state), [0], n_sequences, n_frames, n_balls)[0], resolution)


class BouncingBalls:
    """An endless stream of minibatches of videos of bouncing balls, none seen twice.

    Iterating yields minibatch 0, 1, 2, ... for ever.

    Parameters
    ----------
    batch_size : int
        Videos in a minibatch.
    n_frames, resolution, n_balls, random_state
        As in `bouncing_balls`, with the same errors.

    Attributes
    ----------
    n_visible : int
        Pixels of a frame, resolution**2.

    Examples
    --------
    >>> balls = BouncingBalls(4, 20, resolution=15, random_state=0)
    >>> next(iter(balls)).shape
    (4, 20, 225)
    >>> bool((balls.minibatch(7) == balls.minibatch(7)).all())
    True
    """

    def __init__(
        self, batch_size: int, n_frames: int = 100, *, resolution: int = 30, n_balls: int = 3, random_state: Seed = None
    ) -> None:
        sizes = _check_sizes(batch_size=batch_size, n_frames=n_frames, resolution=resolution, n_balls=n_balls)
        self.batch_size, self.n_frames, self.resolution, self.n_balls = sizes
        self.n_visible = self.resolution**2
        self.seed = as_seed(random_state)
        self._known = 0, ()  # the first of some updates, and where their balls are

    def minibatch(self, update: int) -> Array:
        """The minibatch of one update, the same whenever it is asked for.

        Parameters
        ----------
        update : int
            Number of the update, from 0.

        Returns
        -------
        numpy.ndarray of float32, shape (batch_size, n_frames, n_visible)

        Raises
        ------
        TypeError, ValueError
            If `update` is not an integer, or negative.
        """
        check_count("update", update, minimum=0)
        update, (first, positions) = int(update), self._known
        if not first <= update < first + len(positions):
            n = max(1, min(_UPDATES, _BLOCK_FRAMES // (self.batch_size * self.n_frames)))
            updates = range(update, update + (n if 0 < update == first + len(positions) else 1))
            first, positions = update, _positions(self.seed, updates, self.batch_size, self.n_frames, self.n_balls)
            self._known = first, positions
        return render(positions[update - first], self.resolution)

    def __iter__(self) -> Iterator[Array]:
        return map(self.minibatch, itertools.count())


def initial_state(streams, n_balls):
    """Where the balls of each video start, and how fast.

    Velocities are standard normal, then scaled so that their squares sum to 0.5**2 over the balls of a
    video. Positions are uniform on [2, 10]^2, the whole configuration redrawn until every ball is inside the
    walls (which leaves [2, 8.8]^2) and no two overlap.

    Parameters
    ----------
    streams : sequence of numpy.random.Generator
        One for each of B videos.
    n_balls : int
        Balls in each video.

    Returns
    -------
    positions, velocities : numpy.ndarray of float64, shape (B, n_balls, 2)
    """
    velocities = np.array([random.standard_normal((n_balls, 2)) for random in streams])
    velocities *= SPEED / np.linalg.norm(velocities, axis=(1, 2), keepdims=True)
    positions = np.empty_like(velocities)
    first, second = np.tril_indices(n_balls, -1)
    pending = np.arange(len(streams))
    while pending.size:
        tried = 2 + 8 * np.array([streams[i].random((_TRIES, n_balls, 2)) for i in pending])
        z = tried.view(complex)[..., 0]  # (B, tries, n_balls)
        fits = (tried <= BOX - RADIUS).all((2, 3))
        fits &= (np.abs(z[..., first] - z[..., second]) >= 2 * RADIUS).all(2)
        found = fits.any(1)
        positions[pending[found]] = tried[found, fits[found].argmax(1)]
        pending = pending[~found]
    return positions, velocities


def simulate(positions, velocities, n_frames, n_substeps=SUBSTEPS):
    """Let the balls move.

    A substep of half a unit of time moves all balls; then a ball beyond a wall gets a velocity away from that
    wall; then each pair of balls i > j closer than two radii, in order, exchanges its velocities along the
    line of centres (equal masses), even if it already parts.

    Parameters
    ----------
    positions, velocities : numpy.ndarray of float64, shape (B, n_balls, 2)
        The state of B videos at the first frame.
    n_frames : int
        Number of states to record, the first one included.
    n_substeps : int
        Substeps from one recorded state to the next.

    Returns
    -------
    positions, velocities : numpy.ndarray of float64, shape (B, n_frames, n_balls, 2)
    """
    # The plane is complex. `inward` points from a ball to the centre of the box: beyond a wall it has the
    # sign of a velocity away from that wall. A substep is a few calls on small arrays, all made beforehand.
    centre = BOX / 2 * (1 + 1j)
    inward = centre - _as_complex(positions)
    step = _as_complex(velocities) / SUBSTEPS
    n_balls, n_videos = step.shape
    pairs = [(i, j) for i in range(n_balls) for j in range(i)]
    difference = np.array([np.eye(n_balls)[i] - np.eye(n_balls)[j] for i, j in pairs]).reshape(-1, n_balls)
    gap = np.empty((len(pairs), n_videos), complex)
    inward_xy, step_xy, gap_xy = inward.view(float), step.view(float), gap.view(float)
    depth, depth_allowed = np.empty_like(inward_xy), np.full_like(inward_xy, BOX / 2 - RADIUS)
    distance, distance_allowed = np.empty(gap.shape), np.full(gap.shape, 2 * RADIUS)
    outside, contact = np.empty(depth.shape, bool), np.empty(gap.shape, bool)
    states = np.empty((2, n_frames, n_balls, n_videos), complex)

    for frame in range(n_frames):
        states[0, frame], states[1, frame] = inward, step
        for _ in range(n_substeps):
            np.subtract(inward, step, inward)
            np.abs(inward_xy, depth)
            np.greater(depth, depth_allowed, outside)
            np.copysign(step_xy, inward_xy, step_xy, where=outside)
            difference.dot(inward_xy, gap_xy)
            np.abs(gap, distance)
            np.less(distance, distance_allowed, contact)
            if np.count_nonzero(contact):
                for pair, video in zip(*(index.tolist() for index in contact.nonzero())):
                    i, j = pairs[pair]
                    line = gap.item(pair, video) / distance.item(pair, video)
                    change = ((step.item(j, video) - step.item(i, video)) * line.conjugate()).real * line
                    step[i, video] += change
                    step[j, video] -= change

    states[0] = centre - states[0]
    states[1] *= SUBSTEPS
    return states.view(float).reshape(2, n_frames, n_balls, n_videos, 2).transpose(0, 3, 1, 2, 4)


def render(positions, resolution):
    """Draw the balls.

    Pixel (row, column) has its centre at ((column + 0.5), (row + 0.5)) * 10 / resolution and the intensity
    min(1, sum_i exp(-(d_i / 1.2)^8)), d_i its distance to the centre of ball i. Only the pixels nearer than
    1.8 are computed, the others have less than 1e-11 of a ball.

    Parameters
    ----------
    positions : numpy.ndarray of float64, shape (..., n_balls, 2)
    resolution : int
        Pixels along each side of a frame.

    Returns
    -------
    numpy.ndarray of float32, shape (..., resolution**2)
    """
    out = np.empty((*positions.shape[:-2], resolution**2), np.float32)
    pixels = out.reshape(-1, resolution, resolution)
    xy = positions.reshape(-1, *positions.shape[-2:])
    width = min(resolution, int(2 * _REACH * resolution / BOX) + 1)  # enough wherever the ball is
    block = max(1, _BLOCK_PIXELS // width**2)
    for begin in range(0, len(xy), block):
        _render(pixels[begin : begin + block], xy[begin : begin + block], width)
    return out


def _as_complex(state):
    """A state of shape (B, n_balls, 2) as a complex array of shape (n_balls, B)."""
    return np.ascontiguousarray(state).view(complex)[..., 0].T.copy()


def _render(pixels, xy, width):
    """Draw F frames, of balls at xy (F, n_balls, 2), a window of width x width pixels around each."""
    resolution = pixels.shape[1]
    centre = np.ascontiguousarray(xy.T) * (resolution / BOX) - 0.5  # (2, n_balls, F), in pixels
    start = np.clip(np.ceil(centre - _REACH * resolution / BOX), 0, resolution - width)
    corner = (start - centre) * (BOX / resolution / RADIUS)  # of the window, seen from the ball, in radii
    pixel = np.arange(width)[:, None] * (BOX / resolution / RADIUS)
    squares = np.square(corner[:, :, None] + pixel).astype(np.float32)  # (2, n_balls, width, F)
    column, row = start.astype(np.intp)
    frame = np.arange(len(xy))
    pixels[:] = 0
    windows = sliding_window_view(pixels, (width, width), axis=(1, 2), writeable=True)
    for i in range(xy.shape[1]):
        dx2, dy2 = squares[:, i]
        ball = dy2[:, None] + dx2  # (width, width, F)
        np.square(ball, out=ball)
        np.square(ball, out=ball)
        # exp(-80) is nothing, but not subnormal, and subnormal numbers are many times slower.
        np.minimum(ball, 80, out=ball)
        np.exp(np.negative(ball, out=ball), out=ball)
        ball = ball.transpose(2, 0, 1)
        if i:  # the first is drawn on black
            ball = windows[frame, row[i], column[i]] + ball
            np.minimum(ball, 1, out=ball)
        windows[frame, row[i], column[i]] = ball


def _positions(seed, updates, n_sequences, n_frames, n_balls):
    """Where the balls of the minibatches of some updates are, (n_sequences, n_frames, n_balls, 2) for each update."""
    streams = [stream(seed, "data", update, i) for update in updates for i in range(n_sequences)]
    block = max(1, _BLOCK_FRAMES // n_frames)
    parts = [streams[begin : begin + block] for begin in range(0, len(streams), block)]
    positions = np.concatenate([simulate(*initial_state(part, n_balls), n_frames)[0] for part in parts])
    return positions.reshape(len(updates), n_sequences, n_frames, n_balls, 2)


def _check_sizes(**sizes):
    """The sizes as Python integers, in the order given: videos, frames, resolution, balls."""
    for name, value in sizes.items():
        check_count(name, value)
    n_videos, n_frames, resolution, n_balls = map(int, sizes.values())
    if n_balls > MAX_BALLS:
        raise ValueError(f"n_balls must be at most {MAX_BALLS} (more hardly ever fit the box), got {n_balls}")
    given = ", ".join(f"{name}={value}" for name, value in sizes.items())
    numbers = resolution**2 + 2 * 2 * n_balls  # positions are of double precision
    check_memory(f"the videos ({given})", n_videos * n_frames * numbers, np.float32)
    return n_videos, n_frames, resolution, n_balls
