"""The log-likelihood of layers upon layers, a lower bound: verbs for frames, sequences and their mean."""

from __future__ import annotations

from typing import Any, Literal, overload

import numpy as np

from ..checks import check_count, check_flag
from ..types import Array, Lists, Seed, Sequences
from . import variational
from .likelihoods import Likelihood, warn_of_grey
from .settings import Estimator

N_DRAWS = 4  # of hidden states


class Bounded(Estimator):
    """Layers of models of sequences, the likelihood of which has a bound. A subclass has `_fitted`, the layers."""

    def log_likelihood(self, X: Sequences, method: str = "auto", random_state: Seed = None) -> Array:
        """A lower bound of the log-likelihood of each sequence, estimated: the sums of `score_samples`.

        Parameters
        ----------
        X, method, random_state
            As of `score_samples`.

        Returns
        -------
        (n_sequences,) ndarray
            In nats, not divided by the number of frames. One is above the truth by more than c nats with a probability
            below exp(-c).

        Raises
        ------
        TypeError, ValueError
            As `score_samples`.
        """
        if len(self._fitted()) == 1:
            return self.layers[0].log_likelihood(X, method, random_state)
        found = self._scores(X, random_state, N_DRAWS, method)
        return np.array([variational.averaged(frames)[0].sum() for frames in found])

    @overload
    def score_samples(
        self, X: Lists, method: str = "auto", random_state: Seed = None, *, return_bracket: Literal[False] = False
    ) -> list[Array]: ...

    @overload
    def score_samples(
        self, X: Sequences, method: str = "auto", random_state: Seed = None, *, return_bracket: Literal[False] = False
    ) -> Array: ...

    @overload
    def score_samples(
        self, X: Sequences, method: str = "auto", random_state: Seed = None, *, return_bracket: Literal[True]
    ) -> tuple[Any, Any, Any]: ...

    def score_samples(
        self, X: Sequences, method: str = "auto", random_state: Seed = None, *, return_bracket: bool = False
    ) -> Any:
        """A lower bound of the log-likelihood, frame by frame: E_q[F(h_t) - F(v_t) + log P(h_t | h_1..h_{t-1})].

        h_t are drawn from the filters, q(h_t) = P(h_t | v_t, past), 4 times; the last term is that of the layers above
        (`rtrbm.estimators.variational`). The values of the first t frames add up to a bound of the log-likelihood of
        these frames (Jensen's inequality); a single value bounds nothing. A stack of one layer has no bound, but the
        likelihood of this layer.

        Parameters
        ----------
        X : (n_sequences, n_frames, n_visible) array_like or list of (n_frames_i, n_visible) array_like
        method : {"auto", "exact", "ais"}
            How log Z of the top layer is found, as of `rtrbm.RTRBM.score_samples`.
        random_state : None, int, RandomState or Generator
            None: the seed the bottom layer was trained with, so that estimates are repeatable.
        return_bracket : bool
            Also return bounds of every value.

        Returns
        -------
        bound : (n_sequences, n_frames) ndarray, or list of (n_frames_i,) ndarrays for a list
            In nats.
        lower, upper : as bound
            Only with `return_bracket`. The sum of lower over a sequence lies below its log-likelihood, with a
            probability of 99.87 % (Markov's inequality: by 6.6 nats a sequence). upper is infinite: nothing says how
            far below the truth the bound is.

        Raises
        ------
        TypeError, ValueError
            If a layer is not fitted, an argument is not valid, or `method` is "exact" and the top layer has more than
            25 visible and more than 25 hidden units.
        """
        check_flag("return_bracket", return_bracket)
        if len(self._fitted()) == 1:
            return self.layers[0].score_samples(X, method, random_state, return_bracket=return_bracket)
        found = self._scores(X, random_state, N_DRAWS, method)
        three = zip(*map(variational.averaged, found))
        bound, *bracket = map(np.stack if isinstance(found, np.ndarray) else list, three)
        return (bound, *bracket) if return_bracket else bound

    def likelihood(
        self,
        X: Sequences,
        method: str = "auto",
        random_state: Seed = None,
        *,
        n_chains: int | None = None,
        n_steps: int | None = None,
        n_draws: int = N_DRAWS,
    ) -> Likelihood:
        """Nats per frame, a lower bound: the mean of `score_samples` over all frames of all sequences.

        Parameters
        ----------
        X, method, random_state
            As of `score_samples`.
        n_chains, n_steps : int, optional
            As of `rtrbm.RTRBM.likelihood`, for the top layer.
        n_draws : int
            Times that hidden states are drawn, at least 2. The standard error falls as their square root.

        Returns
        -------
        Likelihood
            `nats` is an estimate of the bound, with its standard error over draws. `lower` is below the log-likelihood
            itself, with a probability of 99.87 %. `upper` is infinite. ``print`` says it in words.

        Raises
        ------
        TypeError, ValueError
            As of `score_samples`.

        Warns
        -----
        UserWarning
            As of `rtrbm.RTRBM.likelihood`.
        """
        check_count("n_draws", n_draws, minimum=2)
        if len(self._fitted()) == 1:
            return self.layers[0].likelihood(X, method, random_state, n_chains=n_chains, n_steps=n_steps)
        return variational.mean(self._scores(X, random_state, n_draws, method, n_chains, n_steps, doubt_grey=True))

    def _scores(self, X, random_state, n_draws, method, n_chains=None, n_steps=None, doubt_grey=False):
        bottom = self.layers[0]
        seed = bottom._seed_of(random_state)
        settings = {"method": method, "n_chains": n_chains, "n_steps": n_steps}
        self.layers[-1]._check_estimate(settings)
        X = bottom._checked(X)
        if doubt_grey:
            warn_of_grey(X, bottom._units(), "frames")
        return variational.bounded(self.layers, X, seed, n_draws, settings)

    def _is_quick(self, n_rows):
        return self.layers[-1]._is_quick(n_rows)
