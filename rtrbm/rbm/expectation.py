"""E[v_t | v_1..v_{t-1}] under the RBM of every frame, by three named protocols.

All start from noise, never from the frame they predict, and know the past through the biases alone.
"""

import numpy as np

from ..functions import sigmoid
from .chains import average_visible, random_visible
from .conditionals import reconstruction_mean

PROTOCOLS = ("mean", "chain", "mean_field")
CHAIN_STEPS = 50
N_CHAINS, N_BURN_IN, N_AVERAGE = 16, 25, 5
MEAN_FIELD_STEPS = 50


def expectation(frames, W, biases, units, protocol, chains, engine, held=None):
    """E[v] of an RBM for each row of biases.

    ``"chain"`` : one chain of 50 steps from noise; its last E[v | h] (the protocol of the 2008 release).
    ``"mean"`` : the average of E[v | h] over 16 chains of 30 steps from noise, the first 25 of each left out.
    Where weights are large it is biased, and its spread does not show that (docs/chapter.md).
    ``"mean_field"`` : 50 iterations of h = P(h | v), v = E[v | h] from v = E[v | h = 0]; no sampling.

    Parameters
    ----------
    frames : (n_rows, n_visible) ndarray
        The frames to predict; only their shape and dtype are used, and the values of units that are held.
    W : (n_visible, n_hidden) ndarray
    biases : Biases
    units : Units
    protocol : {"mean", "chain", "mean_field"}
    chains : callable (number) -> list of Chains
        The rows' chains of that number (`rtrbm.rbm.chains.Draw`), which draw numbers of their own.
    engine : Engine
    held : (n_rows, n_visible) bool ndarray, optional
        Units that keep their value; the expectation of the others is then that given these.

    Returns
    -------
    (n_rows, n_visible) ndarray
    """
    if protocol == "mean_field":
        v = np.broadcast_to(reconstruction_mean(np.zeros((1, W.shape[1]), W.dtype), W, biases.v, units), frames.shape)
        v = _with_held(v, frames, held)
        W_T = np.ascontiguousarray(W.T)
        for _ in range(MEAN_FIELD_STEPS):
            h = sigmoid(engine.product(v, W) + biases.h)
            v = _with_held(units.mean(engine.product(h, W_T) + biases.v), frames, held)
        return v
    n_chains, n_burn_in, n_average = (
        (1, CHAIN_STEPS - 1, 1) if protocol == "chain" else (N_CHAINS, N_BURN_IN, N_AVERAGE)
    )
    total = np.zeros_like(frames)
    for number in range(n_chains):
        these = chains(number)
        start = _with_held(random_visible(frames.shape, frames.dtype, units, these), frames, held)
        total += average_visible(start, W, biases, n_burn_in, n_average, units, these, engine, held)[0]
    return _with_held(total / n_chains, frames, held)


def _with_held(v, frames, held):
    """v, with the values of `frames` in units that are held."""
    return v if held is None else np.where(held, frames, v)
