"""Persistent chains: a negative phase for an RBM whose biases are the same for all rows (Tieleman 2008)."""

from dataclasses import dataclass

import numpy as np

from ..checks import check_count, check_memory
from .chains import random_visible, reconstruct
from .conditionals import hidden_mean
from .negative import Averages, NegativePhase


@dataclass(frozen=True)
class Persistent(NegativePhase):
    """Persistent contrastive divergence, PCD-k: chains of the model go on from one update to the next (Tieleman 2008).

    An update moves each of n chains by k steps h ~ P(h | v), v ~ P(v | h). It changes the parameters little, so the
    chains stay close to the model's distribution. Their averages stand for the model's:

        <v> = 1/n sum_c v_c,  <h> = 1/n sum_c P(h | v_c),  <v^T h> = 1/n sum_c v_c^T P(h | v_c).

    CD-k starts at the data in every update and only sees states near them. A persistent chain goes wherever the model
    puts probability. The chains begin with noise (`Units.start_noise`), and they always sample their visible units. In
    `history_`, reconstruction_error is the squared distance of the data from <v>.

    Parameters
    ----------
    k : int
        Steps of an update. ``negative="pcd"`` takes `n_gibbs`.
    n_chains : int, optional
        None: the number of rows of the first minibatch.

    Examples
    --------
    >>> from rtrbm import RBM
    >>> model = RBM(3, negative=Persistent(k=1, n_chains=50), n_updates=10, random_state=0).fit(np.eye(4))
    >>> model.chains_.shape
    (50, 4)
    """

    k: int = 1
    n_chains: int | None = None

    name = "pcd"
    persistent = True

    def __post_init__(self):
        check_counts(self)

    def check(self, n_visible, n_hidden, units):
        check_memory_of_chains(self, n_visible)

    def averages(self, chains, h_pos, W, biases, units, where, draw, engine):
        check_one_model(self, biases)
        shape = shape_of_chains(self, chains, h_pos, W)
        tiles = draw.chains_of_rows(shape[0], engine)
        if chains is None or chains.shape != shape:
            chains = random_visible(shape, W.dtype, units, tiles)
        h = hidden_mean(chains, W, biases.h, engine.product)
        v_neg, h_neg = reconstruct(h, W, biases, self.k, units, tiles, engine)
        return averages_of_chains(v_neg, h_neg, len(h_pos), engine), v_neg


def check_counts(phase):
    """Raise unless the numbers of steps and of chains of a negative phase are positive."""
    check_count("k", phase.k)
    if phase.n_chains is not None:
        check_count("n_chains", phase.n_chains)


def check_memory_of_chains(phase, n_visible, n_copies=1):
    """Raise a ValueError if a given number of chains could not fit in memory."""
    if phase.n_chains is not None:
        check_memory(f"n_chains={phase.n_chains} chains", int(phase.n_chains) * n_copies * n_visible, "float32")


def check_one_model(phase, biases):
    """Raise a ValueError unless all rows have the same biases, so that chains can go on to other rows."""
    if biases.v.ndim > 1 or biases.h.ndim > 1:
        raise ValueError(
            f"negative={phase.name!r} needs biases that are the same for all rows: its chains go on from one update to "
            "the next, where every row would have another model; negative='cd' starts its chains at the data"
        )


def shape_of_chains(phase, chains, h_pos, W):
    """(n_chains, n_visible): as many as the phase was told, or as before, or one for each row of the data."""
    if phase.n_chains is not None:
        n_chains = phase.n_chains
    else:
        n_chains = len(h_pos) if chains is None else chains.shape[-2]
    return n_chains, len(W)


def averages_of_chains(v, h, n_rows, engine):
    """The averages over n chains, for n_rows rows of data that all have the same model.

    Parameters
    ----------
    v : (n, n_visible) ndarray
        The chains' states.
    h : (n, n_hidden) ndarray
        P(h | v).
    n_rows : int
    engine : Engine

    Returns
    -------
    Averages
        Its vh is n_rows <v^T h>, the sum over the rows of the data.
    """
    mean_v, mean_h = (np.broadcast_to(states.mean(axis=0), (n_rows, states.shape[1])) for states in (v, h))
    return Averages(lambda: n_rows / len(v) * engine.gram(v, h), mean_v, mean_h)
