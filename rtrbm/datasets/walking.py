"""Joint angles of somebody who walks, now faster and now slower."""

from __future__ import annotations

import numpy as np

from ..checks import check_count, check_memory
from ..streams import as_seed, stream
from ..types import Array, Seed

FRAMES_PER_SECOND = 25
JOINTS = {  # degrees: mean, then size and place in the stride of the first and of the second harmonic
    "hip": (10, 20, 0.95, 3, 0.10),
    "knee": (25, 21, 0.73, 14, 0.70),
    "ankle": (-1, 7, 0.38, 9, 0.43),
    "shoulder": (5, 15, 0.50, 1, 0.00),
}


def walking(n_frames: int, *, random_state: Seed = None) -> Array:
    """Angles of eight joints, 25 frames a second.

    Each joint follows two harmonics of the stride, chosen to look like the curves of textbooks. The right side is half
    a stride behind the left one. The number of strides a second wanders about 0.9, slowly: a first-order autoregression
    with a time constant of 4 seconds and a standard deviation of 0.12. Quicker strides are longer. The angles have
    noise of a standard deviation of 1 degree.

    Parameters
    ----------
    n_frames : int
    random_state : None, int, numpy.random.RandomState or numpy.random.Generator
        See `rtrbm.streams.as_seed`.

    Returns
    -------
    angles : numpy.ndarray of float64, shape (n_frames, 8)
        In degrees.
    names : list of str
        "left hip", ..., "right shoulder", the columns.

    Raises
    ------
    TypeError, ValueError
        If `n_frames` is no integer of at least 1, or the angles are more than the machine's memory can hold.

    Examples
    --------
    >>> angles, names = walking(100, random_state=0)
    >>> angles.shape, names[:2]
    ((100, 8), ['left hip', 'left knee'])
    """
    check_count("n_frames", n_frames)
    check_memory(f"n_frames={n_frames} frames", 8 * int(n_frames), float)
    rng = stream(as_seed(random_state), "data")
    keep = np.exp(-1 / (4 * FRAMES_PER_SECOND))
    pace, strides = rng.standard_normal(), np.empty(n_frames)
    for t, shock in enumerate(rng.standard_normal(n_frames)):  # importing scipy.signal takes longer
        pace = keep * pace + np.sqrt(1 - keep**2) * shock
        strides[t] = 0.9 + 0.12 * pace
    phase = rng.uniform() + np.cumsum(strides) / FRAMES_PER_SECOND
    angles, names = [], []
    for side, behind in (("left", 0), ("right", 0.5)):
        for joint, (mean, first, at, second, then) in JOINTS.items():
            turn = 2 * np.pi * (phase - behind)
            swing = first * np.cos(turn - 2 * np.pi * at) + second * np.cos(2 * (turn - 2 * np.pi * then))
            angles.append(mean + strides / 0.9 * swing)
            names.append(f"{side} {joint}")
    return np.column_stack(angles) + rng.standard_normal((n_frames, 8)), names
