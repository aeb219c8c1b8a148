"""The negative phase: the averages under the model that a gradient needs, by chains from the data or exactly.

A new negative phase is a subclass of `NegativePhase` with a `name`, in a file of its own (docs/add-a-model.md).
"""

from dataclasses import dataclass

import numpy as np

from ..checks import check_count, check_flag
from ..kinds import Kind
from . import exact
from .chains import reconstruct
from .exact import Averages

__all__ = ["Averages", "CD", "Exact", "NegativePhase"]


class NegativePhase(Kind):
    """The interface of a negative phase to an update.

    Attributes
    ----------
    name : str
        Its name in the setting `negative`.
    persistent : bool
        Whether its chains go on from one update to the next. Then the biases must be the same for all rows.
    """

    kinds = {}
    persistent = False

    @property
    def k_missing(self):
        """The Gibbs steps that draw missing values: those of its chains, if it has any."""
        return getattr(self, "k", 1)

    def check(self, n_visible, n_hidden, units):
        """Raise a ValueError if the phase cannot serve a model of this size."""

    def averages(self, chains, h_pos, W, biases, units, where, draw, engine):
        """Estimate the averages under the RBM of every row.

        Parameters
        ----------
        chains : ndarray or None
            The chains that the last call returned; None at first.
        h_pos : (n_rows, n_hidden) ndarray
            P(h | v) of the data.
        W : (n_visible, n_hidden) ndarray
        biases : Biases
        units : Units
        where : Layout
        draw : Draw
            The random numbers of this update.
        engine : Engine

        Returns
        -------
        Averages
        chains : ndarray or None
            The chains that go on to the next update.
        """
        raise NotImplementedError


@dataclass(frozen=True)
class CD(NegativePhase):
    """CD-k (Algorithm 1): a chain of k steps from the data, of which only the end counts: v_k and P(h | v_k).

    Parameters
    ----------
    k : int
    sample_visible : bool
        If False, the chain takes visible units by their means.
    """

    k: int = 1
    sample_visible: bool = True

    name = "cd"

    def __post_init__(self):
        check_count("k", self.k)
        check_flag("sample_visible", self.sample_visible)

    def averages(self, chains, h_pos, W, biases, units, where, draw, engine):
        v_neg, h_neg = reconstruct(
            h_pos, W, biases, self.k, units, draw.chains(where, engine), engine, self.sample_visible
        )
        return Averages(lambda: engine.gram(v_neg, h_neg), v_neg, h_neg), chains


@dataclass(frozen=True)
class Exact(NegativePhase):
    """Sums over all states (`rtrbm.rbm.exact.averages`), for models of at most 25 units in one layer.

    Parameters
    ----------
    k_missing : int
        The Gibbs steps that draw missing values; called by name it takes `n_gibbs`.
    """

    k_missing: int = 1

    name = "exact"

    def __post_init__(self):
        check_count("k_missing", self.k_missing)

    def check(self, n_visible, n_hidden, units):
        exact.check_enumerable(n_visible, n_hidden, units, "negative='exact'", "negative='cd'")

    def averages(self, chains, h_pos, W, biases, units, where, draw, engine):
        average = exact.averages(W, *biases, units)
        n_rows = len(h_pos)
        if len(average.v) == n_rows:
            return average, chains
        v, h = (np.broadcast_to(mean, (n_rows, mean.shape[1])) for mean in average[1:])  # one row stands for all
        return Averages(lambda: n_rows * average.vh(), v, h), chains
