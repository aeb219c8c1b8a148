"""Videos as sequences of rows of pixels."""

from __future__ import annotations

import numpy as np

from ..checks import check_count
from ..foreign import numbers
from ..types import Array, ArrayLike


def video(X: ArrayLike) -> Array:
    """Videos as sequences: the pixels of a frame in a row, between 0 and 1.

    Parameters
    ----------
    X : (n_frames, height, width) or (n_videos, n_frames, height, width) array_like
        Grey values: uint8 from 0 to 255, or booleans or floats from 0 to 1.

    Returns
    -------
    (n_videos, n_frames, height * width) float32 ndarray
        Values of uint8 divided by 255. One video is one sequence.

    Raises
    ------
    TypeError
        If X does not hold numbers of one of these types.
    ValueError
        If it has another number of dimensions, channels of colour, or values beyond [0, 1].

    Examples
    --------
    >>> video(np.full((5, 4, 3), 255, "uint8")).shape
    (1, 5, 12)
    """
    shapes = {getattr(x, "shape", ()) for x in X} if isinstance(X, list | tuple) else ()
    if len(shapes) > 1 and all(len(shape) == 3 for shape in shapes):
        got = ", ".join(map(str, sorted(shapes)[:3]))
        raise ValueError(
            f"X must have videos of one shape, got {got}: take [rtrbm.convert.video(x)[0] for x in X] if only their "
            "lengths differ"
        )
    X = numbers(X, "X")
    if X.ndim in (4, 5) and X.shape[-1] in (3, 4) and X.ndim + (X.shape[-2] > 4) > 4:
        raise ValueError(
            f"X must have one grey value a pixel, got shape {X.shape} with {X.shape[-1]} channels last; take "
            "X.mean(axis=-1) / 255 of uint8 (X.mean(axis=-1) of floats), or X[..., 0] for one channel"
        )
    if X.ndim in (4, 5) and X.shape[-1] == 1 < X.shape[-2]:
        raise ValueError(
            f"X must have height and width last, got shape {X.shape}: take X[..., 0] if the last axis is a grey channel"
        )
    if X.ndim not in (3, 4) or 0 in X.shape:
        raise ValueError(
            f"X must have shape (n_frames, height, width) or (n_videos, n_frames, height, width), got {X.shape}"
        )
    if X.dtype == np.uint8:
        X = X / np.float32(255)
    elif X.dtype.kind not in "bf":
        raise TypeError(
            f"X must hold uint8 from 0 to 255, or floats from 0 to 1, got {X.dtype} from {X.min()} to {X.max()}; "
            "divide by the greatest value that a pixel can have: X / 255, or X / 65535 of 16 bits"
        )
    low, high = X.min(), X.max()
    if low != low:
        raise ValueError("X must hold numbers, got NaN: fill in missing pixels, or leave out their frames")
    if not (low >= 0 and high <= 1):
        raise ValueError(
            f"X must hold values from 0 to 1, got {low:g} to {high:g}; divide by the greatest possible one"
        )
    X = X if X.ndim == 4 else X[None]
    return X.reshape(*X.shape[:2], -1).astype(np.float32, copy=False)


def frames_of(X: ArrayLike, height: int, width: int) -> Array:
    """Sequences of rows of pixels as videos of uint8, the way back from `video`.

    Parameters
    ----------
    X : (n_videos, n_frames, height * width) array_like
        From 0 to 1, predictions or samples say; values beyond are cut off.
    height, width : int

    Returns
    -------
    (n_videos, n_frames, height, width) uint8 ndarray

    Raises
    ------
    TypeError, ValueError
        If X is no array of this shape.

    Examples
    --------
    >>> frames_of(np.full((1, 5, 12), 0.5), 4, 3).shape
    (1, 5, 4, 3)
    """
    X = numbers(X, "X")
    check_count("height", height)
    check_count("width", width)
    height, width = int(height), int(width)
    if X.ndim != 3 or X.shape[-1] != height * width:
        raise ValueError(
            f"X must have shape (n_videos, n_frames, height * width = {height * width}), got {X.shape}; "
            "one video is X[None]"
        )
    if np.isnan(X).any():
        raise ValueError("X must hold numbers, got NaN")
    return np.rint(255.0 * np.clip(X, 0, 1).astype(float)).astype(np.uint8).reshape(*X.shape[:2], height, width)
