"""The weights of a model as figures show them."""

import math

import numpy as np


def matrices(params):
    """W, and the weights from hidden units to hidden units one frame later, or None.

    Parameters
    ----------
    params : NamedTuple
        Parameters of a model, those at work (`effective_`) where they are others.

    Returns
    -------
    W : (n_visible, n_hidden) ndarray
    U : (n_hidden, n_hidden) ndarray or None
        In a TRBM B_1.
    """
    U, B = getattr(params, "U", None), getattr(params, "B", None)
    return params.W, U if U is not None or B is None else B[0]


def strongest(W, n):
    """The indices of the n hidden units whose weights W_j are largest, |W_j| = sqrt(sum_i W_ij^2), those first."""
    return np.argsort(-np.linalg.norm(W, axis=0), kind="stable")[:n]


def in_reading_order(W, units, image_shape):
    """Hidden units by the places of their weights in the image: rows by height, each from left to right.

    Parameters
    ----------
    W : (n_visible, n_hidden) ndarray
    units : (n,) ndarray of int
    image_shape : (int, int)

    Returns
    -------
    (n,) ndarray of int
        As many in a row as make a square of all.
    """
    power = W[:, units] ** 2
    y, x = np.indices(image_shape).reshape(2, -1) @ power / np.maximum(power.sum(axis=0), 1e-30)
    side = math.ceil(math.sqrt(len(units)))
    rows = np.split(np.argsort(y, kind="stable"), range(side, len(units), side))
    return units[np.concatenate([row[np.argsort(x[row], kind="stable")] for row in rows])]
