"""The biases that a conditioner hands to an RBM: the only thing that the two halves of a temporal RBM share."""

from typing import NamedTuple

import numpy as np


class Biases(NamedTuple):
    """The biases of an RBM at every frame, or one pair for all frames.

    v : (n_visible,) or (n_rows, n_visible), of the visible units; h : (n_hidden,) or (n_rows, n_hidden), of the hidden
    units. A row stands for a frame.
    """

    v: np.ndarray
    h: np.ndarray
