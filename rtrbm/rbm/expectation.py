"""E[v_t | v_1..v_{t-1}] under the RBM of every frame, by three named protocols.

All start from noise, never from the frame they predict, and know the past through the biases alone.
"""

import numpy as np

from ..biases import Biases
from ..functions import sigmoid
from .chains import average_visible, random_visible
from .conditionals import reconstruction_mean

PROTOCOLS = ("mean", "chain", "mean_field")
CHAINS = {"mean": (16, (25, 5)), "chain": (1, (49, 1))}  # their number, and their steps: burn-in and average
MEAN_FIELD_STEPS = 50
BATCH_ROWS = 4096  # chains that run at the same time


def expectation(frames, W, biases, units, protocol, draw, numbers, engine, held=None, count=None):
    """E[v] of an RBM for each row of biases.

    ``"chain"`` : one chain of 50 steps from noise; its last E[v | h] (the protocol of the 2008 release).
    ``"mean"`` : the average of E[v | h] over 16 chains of 30 steps from noise, the first 25 of each left out.
    Where weights are large it is biased, and its spread does not show that (docs/chapter.md).
    ``"mean_field"`` : 50 iterations of h = P(h | v), v = E[v | h] from v = E[v | h = 0]; no sampling.

    All chains of a few thousand rows run as one batch.

    Parameters
    ----------
    frames : (n_rows, n_visible) ndarray
        The frames to predict; only their shape and dtype are used, and the values of units that are held.
    W : (n_visible, n_hidden) ndarray
    biases : Biases
    units : Units
    protocol : {"mean", "chain", "mean_field"}
    draw : Draw
    numbers : (n_rows,) int ndarray
        The numbers of the rows: those of one number draw the same random numbers (`Draw.chains_in_common`).
    engine : Engine
    held : (n_rows, n_visible) bool ndarray, optional
        Units that keep their value; the expectation of the others is then that given these.
    count : callable (n_rows), optional
        Called with the number of rows that are done, part by part.

    Returns
    -------
    (n_rows, n_visible) ndarray
    """
    n_chains, steps = CHAINS.get(protocol, (1, None))
    size, found = max(1, BATCH_ROWS // n_chains), np.empty_like(frames)

    def of(rows, a):
        """The biases (or whatever) of some rows, once for each of their chains."""
        return a if a is None or a.ndim == 1 else np.repeat(a[rows], n_chains, axis=0)

    for start in range(0, len(frames), size):
        rows = slice(start, start + size)
        these = of(rows, frames), W, Biases(*(of(rows, b) for b in biases)), units
        if steps is None:
            means = _fixed_point(*these, engine, of(rows, held))
        else:
            chains = np.add.outer(n_chains * numbers[rows], np.arange(n_chains)).ravel()
            means = _average(*these, *steps, draw.chains_in_common(chains, engine), engine, of(rows, held))
        found[rows] = means.reshape(-1, n_chains, len(W)).mean(axis=1)
        if count is not None:
            count(len(found[rows]))
    return _with_held(found, frames, held)


def _average(frames, W, biases, units, n_burn_in, n_average, chains, engine, held):
    """The average of E[v | h] along chains from noise."""
    start = _with_held(random_visible(frames.shape, frames.dtype, units, chains), frames, held)
    return average_visible(start, W, biases, n_burn_in, n_average, units, chains, engine, held)[0]


def _fixed_point(frames, W, biases, units, engine, held):
    """Mean field: h = P(h | v), v = E[v | h], again and again."""
    v = np.broadcast_to(reconstruction_mean(np.zeros((1, W.shape[1]), W.dtype), W, biases.v, units), frames.shape)
    v = _with_held(v, frames, held)
    W_T = np.ascontiguousarray(W.T)
    for _ in range(MEAN_FIELD_STEPS):
        h = sigmoid(engine.product(v, W) + biases.h)
        v = _with_held(units.mean(engine.product(h, W_T) + biases.v), frames, held)
    return v


def _with_held(v, frames, held):
    """v, with the values of `frames` in units that are held."""
    return v if held is None else np.where(held, frames, v)
