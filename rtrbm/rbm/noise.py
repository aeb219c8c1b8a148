"""Chains from noise: a negative phase that runs the chains that prediction runs."""

from dataclasses import dataclass
from functools import partial

import numpy as np

from ..checks import check_count, check_flag, check_number
from .chains import random_visible, reconstruct
from .conditionals import hidden_mean
from .negative import Averages, NegativePhase


@dataclass(frozen=True)
class FromNoise(NegativePhase):
    """Chains of k steps from noise (Decelle, Furtlehner & Seoane 2021), of which only the end counts.

    CD-k starts at the data and sees states near them alone; predictions and samples start at noise. Here the model
    learns that k steps from noise (`Units.start_noise`) end at the data, and states which no chain of CD reaches get no
    probability. Rows can be shared out between both kinds of chains. In `history_`, reconstruction_error is the
    squared distance of the data from the ends of all chains.

    Parameters
    ----------
    k : int
        Steps. ``negative="noise"`` takes `n_gibbs`.
    share : float
        Of the rows whose chain starts at noise, drawn anew in every update; the others' chains start at the data (CD).
    sample_visible : bool
        If False, the chain takes visible units by their means.

    Examples
    --------
    >>> from rtrbm import RBM
    >>> model = RBM(3, negative=FromNoise(k=10, share=0.5), n_updates=10, random_state=0).fit(np.eye(4))
    """

    k: int = 10
    share: float = 1.0
    sample_visible: bool = True

    name = "noise"

    def __post_init__(self):
        check_count("k", self.k)
        check_number("share", self.share, minimum=0)
        if self.share > 1:
            raise ValueError(f"share must be at most 1, got {self.share}")
        check_flag("sample_visible", self.sample_visible)

    def averages(self, chains, h_pos, W, biases, units, where, draw, engine):
        start = draw.at(1).chains(where, engine)  # other numbers than those of the chains
        v = random_visible((len(h_pos), len(W)), W.dtype, units, start)
        h = hidden_mean(v, W, biases.h, engine.product)
        if self.share < 1:
            for rows, noise in start:
                u = np.empty((len(rows), 1), W.dtype)
                noise.uniform(u)  # on [-1, 1)
                h[rows] = np.where(u < 2 * self.share - 1, h[rows], h_pos[rows])
        tiles = draw.chains(where, engine)
        v_neg, h_neg = reconstruct(h, W, biases, self.k, units, tiles, engine, self.sample_visible)
        return Averages(partial(engine.gram, v_neg, h_neg), v_neg, h_neg), chains
