"""Motion capture: Hsu's walking data as angles and as the papers' features, a skeleton to draw them, and mocap6."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..checks import check_choice, check_number
from ..user_data import check_reals, check_frames, check_sequences
from ..foreign import numbers
from ..minibatches.bounds import check_regular
from ..minibatches.arrays import Pickled, read_npz
from ..replacing import as_path
from ..types import Array, ArrayLike, Path, Sequences
from .matlab import read_matlab

N_COLUMNS = 108
KEPT = np.r_[0:9, 13, 18:21, 25, 30:33, 37, 42:45, 49, 54:57, 60:63, 66:69, 72:75, 78:81, 84:87, 90:93, 96:99, 102:105]
TEST_PART = 0.2


class Motion(NamedTuple):
    """sequences : list of (n_frames_i, 108) ndarrays; skeleton : Skeleton; frames_per_second : int."""

    sequences: list[Array]
    skeleton: Skeleton
    frames_per_second: int = 30


class Skeleton(NamedTuple):
    """The joints of a figure, and the columns of its frames.

    Joint i turns by the exponential map in the columns `rotations[i]`, as seen from its parent, and is `offsets[i]`
    away from it. The root, joint 0, is body-centred instead, as Taylor, Hinton & Roweis (2006) have it: its columns are

        0, 1 : the angles of the body's axis ahead and of that to the left with the vertical downwards
        2    : the turn about the vertical until the next frame
        3, 4 : the step until the next frame, ahead and to the right
        5    : the height

    parents : (n_joints,) int ndarray, -1 for the root; rotations, offsets : (n_joints, 3) int ndarrays of columns.
    """

    parents: np.ndarray
    rotations: np.ndarray
    offsets: np.ndarray

    def positions(self, frames: ArrayLike) -> Array:
        """Where the joints are: steps and turns are summed up, so that the figure goes through space.

        It starts at the origin and faces the x axis; z points up.

        Parameters
        ----------
        frames : (n_frames, 108) array_like

        Returns
        -------
        (n_frames, n_joints, 3) ndarray
            In the unit of the offsets, millimetres in Hsu's data.

        Raises
        ------
        TypeError, ValueError
            If `frames` is no array of that form of finite numbers.
        """
        from scipy.spatial.transform import Rotation

        frames = check_frames(frames, check_reals, float, N_COLUMNS, "frames", ("n_frames", "n_columns"))
        turns = [_root_turn(frames)]  # each from the joint's own axes to those of space, (n_frames, 3, 3)
        places = [_path(frames)]
        for parent, rotation, offset in zip(self.parents[1:], self.rotations[1:], self.offsets[1:]):
            places.append(places[parent] + np.einsum("tij,tj->ti", turns[parent], frames[:, offset]))
            turns.append(turns[parent] @ Rotation.from_rotvec(frames[:, rotation]).as_matrix())
        return np.stack(places, axis=1)

    def sides(self, frame: ArrayLike) -> Array:
        """1 for joints of the left side, -1 for those of the right, 0 between, by the offsets in one frame (108,)."""
        frame = check_frames(frame, check_reals, float, N_COLUMNS, "frame", ("n_columns",))
        found = np.zeros(len(self.parents), int)
        for i, parent in enumerate(self.parents[1:], 1):
            found[i] = found[parent] or np.sign(frame[self.offsets[i, 1]])
        return found


def _path(frames):
    """The root's place in every frame."""
    heading = _heading(frames)
    ahead, right = frames[:-1, 3], frames[:-1, 4]
    steps = np.stack(
        [
            ahead * np.cos(heading[:-1]) + right * np.sin(heading[:-1]),
            ahead * np.sin(heading[:-1]) - right * np.cos(heading[:-1]),
        ],
        axis=1,
    )
    ground = np.concatenate([np.zeros((1, 2)), np.cumsum(steps, axis=0)])
    return np.column_stack([ground, frames[:, 5]])


def _heading(frames):
    """The angle of the direction ahead with the x axis."""
    return np.concatenate([[0], np.cumsum(frames[:-1, 2])])


def _root_turn(frames):
    """The root's axes in space as columns: ahead, left, up.

    With u_z = -cos(angle of the axis ahead) and v_z = -cos(angle of that to the left), u is known from its heading.
    v, of length 1, is at a right angle to u, on the left of it. Angles that no body has are met by the nearest one.
    """
    u_z, v_z, heading = -np.cos(frames[:, 0]), -np.cos(frames[:, 1]), _heading(frames)
    flat = np.sqrt(np.maximum(1 - u_z**2, 1e-12))
    along = -u_z * v_z / flat  # v in the direction of the heading
    across = np.sqrt(np.maximum(1 - v_z**2 - along**2, 0))
    ahead = np.stack([np.cos(heading), np.sin(heading), np.zeros(len(frames))], axis=1)
    left = np.stack([-np.sin(heading), np.cos(heading), np.zeros(len(frames))], axis=1)
    up = np.array([0, 0, 1.0])
    u = flat[:, None] * ahead + u_z[:, None] * up
    v = along[:, None] * ahead + across[:, None] * left + v_z[:, None] * up
    v /= np.linalg.norm(v, axis=1, keepdims=True)
    return np.stack([u, v, np.cross(u, v)], axis=2)


class MotionFeatures(NamedTuple):
    """From the 108 columns of Hsu's frames to the 49 features of the RTRBM papers, and back.

    The features are the columns `KEPT` in units of their standard deviation (of n - 1) about their mean. The other 59
    are the lengths of bones and angles of hinges that have one axis: constants.

    mean : (108,) ndarray; deviation : (49,) ndarray.
    """

    mean: np.ndarray
    deviation: np.ndarray

    @classmethod
    def measured(cls, sequences: Sequences, statistics: str = "train") -> MotionFeatures:
        """Means and deviations of sequences.

        Parameters
        ----------
        sequences : list of (n_frames_i, 108) ndarrays
        statistics : {"train", "all"}
            Of the frames before the last fifth of every sequence, or of all: MOCAP.mat has these, and so does every
            published number. They know the test frames' means and deviations.

        Returns
        -------
        MotionFeatures

        Raises
        ------
        ValueError
            If `statistics` is neither, or a feature never changes.
        """
        check_choice("statistics", statistics, ("train", "all"))
        sequences = check_sequences(sequences, check_reals, float, N_COLUMNS, "sequences", ("n_frames", "n_columns"))
        known = np.concatenate(training_part(sequences)[0] if statistics == "train" else list(sequences))
        if len(known) < 2:
            raise ValueError(f"sequences must have 2 frames to measure, got {len(known)} for statistics={statistics!r}")
        still = 1 + KEPT[np.ptp(known[:, KEPT], axis=0) == 0]  # whose deviation may be a rounding error
        if still.size:
            raise ValueError(f"sequences must vary in every feature, columns {still.tolist()} (from 1) are constant")
        return cls(known.mean(axis=0), known[:, KEPT].std(axis=0, ddof=1))

    def inward(self, frames: ArrayLike) -> Array:
        """Features of frames, standardised.

        Parameters
        ----------
        frames : (n_frames, 108) array_like

        Returns
        -------
        (n_frames, 49) float64 ndarray

        Raises
        ------
        TypeError, ValueError
            If they have another shape, or values that are no numbers.
        """
        frames = check_frames(frames, check_reals, float, N_COLUMNS, "frames", ("n_frames", "n_columns"))
        return (frames[:, KEPT] - self.mean[KEPT]) / self.deviation

    def outward(self, features: ArrayLike) -> Array:
        """Frames of features; the columns that are no features are at their constants.

        Parameters
        ----------
        features : (n_frames, 49) array_like

        Returns
        -------
        (n_frames, 108) float64 ndarray

        Raises
        ------
        TypeError, ValueError
            If they have another shape, or values that are no numbers.
        """
        features = check_frames(features, check_reals, float, len(KEPT), "features", ("n_frames", "n_features"))
        frames = np.tile(self.mean, (len(features), 1))
        frames[:, KEPT] += features * self.deviation
        return frames


def training_part(sequences: Sequences, part: float = TEST_PART) -> tuple[list[Array], list[int]]:
    """The sequences without the last part of each, and where they were cut: the split of the 2008 code.

    Parameters
    ----------
    sequences : list of (n_frames_i, n) ndarrays
    part : float

    Returns
    -------
    train : list of ndarrays
    cuts : list of int
        The first frame of each that is kept for the test.

    Raises
    ------
    TypeError, ValueError
        If an argument is not valid.
    """
    check_number("part", part, 0, 1, closed=True)
    sequences = check_sequences(sequences, check_reals, None, name="sequences")
    cuts = [round((1 - float(part)) * len(v)) for v in sequences]
    return [v[:cut] for v, cut in zip(sequences, cuts)], cuts


def hsu_motion(path: Path) -> Motion:
    """Eugene Hsu's walking data before any scaling, 30 frames a second, and their skeleton.

    Parameters
    ----------
    path : path-like
        motion.mat of Taylor, Hinton & Roweis' release, with the variables `Motion` (frames of exponential maps, the
        root body-centred) and `skel`, of the type "mit".

    Returns
    -------
    Motion
        Sequences of 438, 260 and 3128 frames; `MotionFeatures` makes the 49 features of MOCAP.mat of them.

    Raises
    ------
    FileNotFoundError, TypeError, ValueError
        If there is no such file, it cannot be read, or holds something else.
    """
    file, name = read_matlab(path, "Motion", "skel"), as_path("path", path)
    sequences = [
        check_frames(v, check_reals, float, N_COLUMNS, f"Motion[{i}] of {name!r}", ("n_frames", "n_columns"))
        for i, v in enumerate(_cell(file["Motion"], f"Motion of {name!r}"))
    ]
    try:
        skel = file["skel"][0, 0]
        kind, tree = str(skel["type"][0]), skel["tree"][0]
        parents = np.array([joint["parent"].ravel()[0] - 1 if joint["parent"].size else -1 for joint in tree], int)
        rotations, offsets = (np.array([joint[key].ravel() for joint in tree], int) - 1 for key in ("or", "offset"))
        orderly = parents[0] == -1 and all(0 <= parent < i for i, parent in enumerate(parents[1:], 1))
    except (AttributeError, IndexError, KeyError, TypeError, ValueError, OverflowError):
        kind, orderly = None, False
    columns = (len(parents), 3) if orderly else None
    if kind != "mit" or not orderly or {rotations.shape, offsets.shape} != {columns}:
        raise ValueError(f"path: skel of {name!r} is no tree of joints of the type 'mit'")
    if min(rotations.min(), offsets.min()) < 0 or max(rotations.max(), offsets.max()) >= N_COLUMNS:
        raise ValueError(f"path: skel of {name!r} names columns beyond the {N_COLUMNS} of its frames")
    return Motion(sequences, Skeleton(parents, rotations, offsets))


def _cell(cell, name):
    """The arrays of a MATLAB cell."""
    if getattr(cell, "dtype", None) != object or not cell.size:
        raise ValueError(f"path: {name} must be a cell of arrays, got shape {cell.shape} of {cell.dtype}")
    return cell.ravel()


def hsu_walking(path: Path) -> list[Array]:
    """Eugene Hsu's walking data in the form of the RTRBM papers: 3 sequences of 49 features, standardised.

    Parameters
    ----------
    path : path-like
        MOCAP.mat of the 2008 release, with the variables `batchdata` and `seqlengths`.

    Returns
    -------
    list of (n_frames_i, 49) ndarrays
        Of 438, 260 and 3128 frames. Their mean and deviation over all frames are 0 and 1.

    Raises
    ------
    FileNotFoundError, TypeError, ValueError
        If there is no such file, it cannot be read, or holds something else.
    """
    file, name = read_matlab(path, "batchdata", "seqlengths"), as_path("path", path)
    frames = check_frames(
        file["batchdata"], check_reals, float, len(KEPT), f"batchdata of {name!r}", ("n_frames", "n_features")
    )
    lengths = numbers(file["seqlengths"], f"seqlengths of {name!r}").ravel()
    if not ((lengths >= 1) & (lengths == np.rint(lengths))).all():
        raise ValueError(f"path: seqlengths of {name!r} must be whole numbers from 1")
    if lengths.sum() != len(frames):
        raise ValueError(f"path: seqlengths of {name!r} sum to {lengths.sum():g}, batchdata has {len(frames)} frames")
    return np.split(frames, np.cumsum(lengths.astype(int))[:-1])


def mocap6(path: Path) -> list[Array]:
    """Six sequences of exercises, 12 joint angles each, 10 frames a second (from the CMU motion capture data base).

    Parameters
    ----------
    path : path-like
        dataset.npz of bnpy's data set mocap6, with the arrays `X` and `doc_range`.

    Returns
    -------
    list of (n_frames_i, 12) ndarrays
        As they are, not standardised.

    Raises
    ------
    FileNotFoundError, TypeError, ValueError
        If there is no such file, it cannot be read, or holds something else.
    """
    path = name = check_regular(path, "path")
    try:
        file = read_npz(path)
    except Exception as error:  # damage has many kinds
        raise ValueError(
            f"path: {name!r} is no npz file with X and doc_range, or only a part of one: {error}"
        ) from None
    pickled = next((value for value in file.values() if isinstance(value, Pickled)), None)
    if pickled is not None:
        raise ValueError(f"path: {name!r} is no npz file with X and doc_range: {pickled}")
    if not {"X", "doc_range"} <= set(file):
        there = ", ".join(map(repr, file)) or "none"
        raise ValueError(f"path: {name!r} must hold the arrays 'X' and 'doc_range', it has {there}")
    ends = file["doc_range"]
    frames = check_frames(file["X"], check_reals, float, None, f"X of {name!r}", ("n_frames", "n_features"))
    is_whole = ends.dtype.kind in "iuf" and ends.ndim == 1 and ends.size and (ends == np.rint(ends)).all()
    if not is_whole or ends[0] != 0 or ends[-1] != len(frames):
        raise ValueError(f"path: doc_range of {name!r} must be whole numbers from 0 to the {len(frames)} frames of X")
    if (ends[1:] <= ends[:-1]).any():
        raise ValueError(f"path: doc_range of {name!r} must rise")
    return np.split(frames, ends[1:-1].astype(int))
