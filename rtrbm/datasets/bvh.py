"""Motion capture from BVH files, read by pybvh (the extra `motion`)."""

from __future__ import annotations

import os
import warnings
from typing import NamedTuple

import numpy as np

from ..checks import check_number
from ..user_data import check_reals, check_frames
from ..minibatches.bounds import check_regular
from ..types import Path

LAST = 2**16  # bytes in which the last frame is looked for


class BVHMotion(NamedTuple):
    """frames : (n_frames, 3 + 6 n_joints) ndarray, the root's place, then the first two columns of the rotation of
    every joint, which do not jump at half a turn as angles do; places : (n_frames, n_joints, 3) ndarray, z upwards;
    parents : (n_joints,) int ndarray, -1 for the root; names : list of str; frames_per_second : float."""

    frames: np.ndarray
    places: np.ndarray
    parents: np.ndarray
    names: list
    frames_per_second: float


def bvh_motion(path: Path) -> BVHMotion:
    """A recording in a BVH file, such as the CMU motion capture data base in that form.

    Parameters
    ----------
    path : path-like

    Returns
    -------
    BVHMotion
        `frames` for a model (with `standardize=True`); `places` and `parents` for `rtrbm.plots.figure_strip`.

    Raises
    ------
    FileNotFoundError, ValueError
        If there is no such file, or it is no whole BVH file: it is cut off, perhaps inside its last number.
    ImportError
        Without pybvh.
    """
    try:
        from pybvh import read_bvh_file
    except ImportError as error:
        raise ImportError("BVH files need pybvh: pip install 'rtrbm[motion]'") from error
    path = check_regular(path, "path")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of its guess which way is up
            read = read_bvh_file(path)
        place, rotations = read.to_6d()
        places = read.joint_positions()
        sign, axis = read.world_up
        names, edges, seconds = list(read.joint_names), list(read.edges), read.frame_time
    except Exception as error:  # a reader of text meets damage with errors of many kinds
        raise ValueError(f"path: {path!r} is no BVH file that can be read, or only a part of one: {error}") from None
    _check_end(path)
    if not len(place):
        raise ValueError(f"path: {path!r} has no frames")
    places = np.roll(places, 2 - "xyz".index(axis), axis=2)
    if sign == "-":
        places[..., 1:] *= -1  # half a turn about x
    heights = places[..., 2].mean(axis=0)
    if sign == "-" and heights[0] == heights.min() < 0:  # the root below the ground and all joints: a wrong guess
        places[..., 1:] *= -1
    parents = np.full(len(names), -1)
    for joint, parent in edges:
        parents[joint] = parent
    frames = np.concatenate([place, rotations.reshape(len(place), -1)], axis=1)
    about = f"of {path!r}"
    check_frames(frames, check_reals, float, name=f"the frames {about}")
    check_number(f"the frame time {about}", seconds, 0)
    return BVHMotion(frames, places, parents, names, 1 / seconds)


def _check_end(path):
    """Raise a ValueError if a file ends inside a line whose numbers have as many decimals each, but the last fewer."""
    with open(path, "rb") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - LAST))
        text = file.read().decode(errors="replace")
    numbers = text.splitlines()[-1].split()
    *others, last = [len(number.partition(".")[2]) for number in numbers] or [0]
    if not text[-1:].isspace() and len(set(others)) == 1 and last < others[0]:
        raise ValueError(
            f"path: {path!r} may be cut off, its last number, {numbers[-1]}, has fewer decimals than the others of its "
            "line: fetch the file again, or end that line with a newline if it is whole"
        )
