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

    def at(self, rows):
        """Those of some rows, a slice or indices."""
        return Biases(*(bias[rows] if bias.ndim == 2 else bias for bias in self))

    def spread(self, rows, n_rows):
        """These as the given rows of n_rows, with zeros in the others."""
        if isinstance(rows, slice) and rows == slice(None):
            return self
        all_rows = Biases(*(np.zeros((n_rows, bias.shape[1]), bias.dtype) for bias in self))
        all_rows.v[rows], all_rows.h[rows] = self
        return all_rows


def n_inputs(params):
    """The number of known inputs of a frame that these parameters are for."""
    D_v = getattr(params, "D_v", None)
    return 0 if D_v is None else len(D_v)


def with_inputs(params, inputs):
    """Parameters whose constant biases have a row for every frame, b_v + x_t D_v and b_h + x_t D_h.

    Parameters
    ----------
    params : NamedTuple
    inputs : (n_rows, n_inputs) ndarray or None
        x_t, what is known of every frame besides its values. None: the parameters stay as they are.
    """
    if inputs is None:
        return params
    return params._replace(b_v=params.b_v + inputs @ params.D_v, b_h=params.b_h + inputs @ params.D_h)
