"""The log-likelihood of sequences under a temporal RBM, eq. 3.22: a verb for frames, sequences and their mean."""

from __future__ import annotations

from typing import Any, Literal, overload

import numpy as np

from ..checks import check_flag
from ..minibatches.fingerprint import spread
from ..rbm.partition import check_settings
from ..types import Array, Given, Lists, Seed, Sequences
from .forecasts import Forecasting
from .likelihoods import Likelihood, Scores, scores_of_packed, warn_of_doubts, warn_of_grey

N_COMMON = 16  # frames of all sequences: a mode of one frame's RBM may be that of another


class Scored(Forecasting):
    """A model of sequences that has a likelihood."""

    def log_likelihood(
        self, X: Sequences, method: str = "auto", random_state: Seed = None, *, inputs: Given = None
    ) -> Array:
        """Log-likelihood of each sequence, sum_t log Q(v_t | r_{t-1}) (eq. 3.22): the sums of `score_samples`.

        Parameters
        ----------
        X, method, random_state, inputs
            As of `score_samples`.

        Returns
        -------
        (n_sequences,) ndarray
            In nats, not divided by the number of frames.

        Raises
        ------
        TypeError, ValueError
            As of `score_samples`.
        """
        found = self._scores(X, method, random_state, None, None, inputs)
        return np.array([frames[:, 0].sum() for frames in found])

    @overload
    def score_samples(
        self,
        X: Lists,
        method: str = "auto",
        random_state: Seed = None,
        *,
        return_bracket: Literal[False] = False,
        inputs: Given = None,
    ) -> list[Array]: ...

    @overload
    def score_samples(
        self,
        X: Sequences,
        method: str = "auto",
        random_state: Seed = None,
        *,
        return_bracket: Literal[False] = False,
        inputs: Given = None,
    ) -> Array: ...

    @overload
    def score_samples(
        self,
        X: Sequences,
        method: str = "auto",
        random_state: Seed = None,
        *,
        return_bracket: Literal[True],
        inputs: Given = None,
    ) -> tuple[Any, Any, Any]: ...

    def score_samples(
        self,
        X: Sequences,
        method: str = "auto",
        random_state: Seed = None,
        *,
        return_bracket: bool = False,
        inputs: Given = None,
    ) -> Any:
        """Log-likelihood of every frame given those before it, log Q(v_t | r_{t-1}) = -F(v_t) - log Z_t (eq. 3.22).

        The mean over all frames of all sequences is the nats per frame of the literature (`likelihood`).

        Parameters
        ----------
        X : (n_sequences, n_frames, n_visible) array_like or list of (n_frames_i, n_visible) array_like
        method : {"auto", "exact", "ais"}
            How log Z of each frame is found: by the sum over all states of at most 25 hidden units, or of at most 25
            binary visible units; or by annealed importance sampling (`rtrbm.rbm.partition.log_partition`), which looks
            for modes at the frame and at 16 frames spread over X. "auto" takes the one that costs less. A warning says
            so where the bounds of log Z are far apart.
        random_state : None, int, RandomState or Generator
            None: the seed the model was trained with, so that estimates are repeatable.
        return_bracket : bool
            Also return bounds of every value.
        inputs : (n_sequences, n_frames, n_inputs) array_like or list of (n_frames_i, n_inputs) array_like, optional
            Known inputs of every frame, for a model that was fitted with some.

        Returns
        -------
        log_q : (n_sequences, n_frames) ndarray, or list of (n_frames_i,) ndarrays for a list
            In nats. With Bernoulli units it is the log of a probability for binary frames; pixels between 0 and 1 are
            put into the same formula. Of Gaussian units it is the log of a density.
        lower, upper : as log_q
            Only with `return_bracket`: between them is the truth, unless there are modes that no chain came to. If log
            Z is exact they are log_q.

        Raises
        ------
        TypeError, ValueError
            If the model is not fitted, an argument is not valid, or `method` is "exact" and min(n_visible, n_hidden) >
            25 (n_hidden > 25 if visible units are not binary).
        """
        check_flag("return_bracket", return_bracket)
        found = self._scores(X, method, random_state, None, None, inputs)
        three = zip(*([s.log_p, s.lower, s.upper] for s in (Scores(*frames.T) for frames in found)))
        log_q, *bracket = (np.stack(part) if isinstance(found, np.ndarray) else list(part) for part in three)
        return (log_q, *bracket) if return_bracket else log_q

    def likelihood(
        self,
        X: Sequences,
        method: str = "auto",
        random_state: Seed = None,
        *,
        n_chains: int | None = None,
        n_steps: int | None = None,
        inputs: Given = None,
    ) -> Likelihood:
        """Nats per frame: the mean log-likelihood of all frames of all sequences, with its bounds.

        Every frame has the same weight, as in the literature on polyphonic music; a mean over sequences of their means
        is another number.

        Parameters
        ----------
        X, method, random_state, inputs
            As of `score_samples`.
        n_chains, n_steps : int, optional
            Of annealed importance sampling: chains of a frame (16), and temperatures in place of 64 to 4,096.

        Returns
        -------
        Likelihood
            A tuple of nats, standard_error, lower, upper, n_frames, method and effective; ``print`` says it in words.

        Raises
        ------
        TypeError, ValueError
            As of `score_samples`.

        Warns
        -----
        UserWarning
            If frames of Bernoulli or softmax units have values between 0 and 1: the number is no log-probability then.
        """
        found = self._scores(X, method, random_state, n_chains, n_steps, inputs, doubt_grey=True)
        return Scores(*np.concatenate(list(found)).T).mean()

    def _scores(self, X, method, random_state, n_chains, n_steps, inputs, doubt_grey=False):
        """The columns of `Scores` of every frame, in the form of X; warnings of what they are worth."""
        self._check_fitted()
        seed = self._seed_of(random_state)
        settings = {"method": method, "n_chains": n_chains, "n_steps": n_steps}
        self._check_estimate(settings)
        X = self._checked(X)
        found = self._estimated(X, seed, settings, inputs)
        if doubt_grey:
            warn_of_grey(X, self._units(), "frames")
        warn_of_doubts(Scores(*np.concatenate(list(found)).T), "frames", self._units().linear)
        return found

    def _check_estimate(self, settings):
        check_settings(*self._effective().W.shape, self._units(), **settings)

    def _estimated(self, X, seed, settings, inputs=None):
        """The columns of `Scores` of every frame, in the form of X."""
        params, units, first = self._effective(), self._units(), 0
        settings = settings | {"random_state": seed, "engine": self._engine(), "n_rows": sum(map(len, X))}
        settings["common"] = self._inward(_some_frames(X)).astype(params.W.dtype, copy=False)

        def group(seen):
            nonlocal first
            found = scores_of_packed(seen, params.W, units, self._log_volume(), first, **settings)
            first += len(found)
            return found

        return self._map(X, group, inputs=inputs)


def _some_frames(X):
    """A few frames of sequences, evenly over all."""
    ends = np.cumsum([len(sequence) for sequence in X])
    places = spread(int(ends[-1]), N_COMMON)
    sequences = np.searchsorted(ends, places, side="right")
    return np.stack([X[i][n - ends[i]] for i, n in zip(sequences, places)])  # counted from the end of its sequence
