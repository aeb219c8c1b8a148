"""The verbs of a temporal RBM, the same for every model that makes the biases of its frames from the past."""

from __future__ import annotations

from typing import Any, overload

import numpy as np

from .. import checks
from ..evaluate import squared_error
from ..gradient import gradient
from ..minibatches import sources
from ..minibatches.sequences import pack, summary
from ..parameters import each
from ..rbm.chains import Draw
from ..rbm.conditionals import hidden_mean, reconstruction_mean
from ..rbm.expectation import PROTOCOLS, expectation
from ..rbm.negative import Exact
from ..streams import check_random_state
from ..types import Array, Given, Lists, Seed, Sequences
from .pooling import check_shown, pooled
from .protocol import configured
from .scored import Scored


class TemporalRBM(Scored):
    """A model of sequences. A subclass names its conditioner (`_past`)."""

    _check_shown = staticmethod(check_shown)

    @overload
    def transform(self, X: Lists, *, pool: None = None, inputs: Given = None) -> list[Array]: ...

    @overload
    def transform(self, X: Sequences, *, pool: str | None = None, inputs: Given = None) -> Array: ...

    @configured
    def transform(self, X: Sequences, *, pool: str | None = None, inputs: Given = None) -> Array | list[Array]:
        """Hidden states r_t = P(h_t = 1 | v_1..v_t) (eq. 3.20, Algorithm 4).

        Parameters
        ----------
        X : (n_sequences, n_frames, n_visible) array_like or list of (n_frames_i, n_visible) array_like
        pool : {None, "mean", "last", "flat"}
            One row for each sequence: the mean of its hidden states, the last of them, or all one after the other
            (`rtrbm.Pool` does this in a Pipeline).
        inputs : (n_sequences, n_frames, n_inputs) array_like or list of (n_frames_i, n_inputs) array_like, optional
            Known inputs of every frame, for a model that was fitted with some.

        Returns
        -------
        (n_sequences, n_frames, n_hidden) ndarray, or list of (n_frames_i, n_hidden) ndarrays for a list
            With `pool` (n_sequences, n_hidden), or (n_sequences, n_frames * n_hidden) for "flat".

        Raises
        ------
        TypeError, ValueError
            If the model is not fitted, or X is not valid.
        """
        return pooled(self._map(self._checked(X), self._states, inputs=inputs), pool)

    @overload
    def predict(
        self, X: Lists, protocol: str = "mean", random_state: Seed = None, *, inputs: Given = None
    ) -> list[Array]: ...

    @overload
    def predict(
        self, X: Sequences, protocol: str = "mean", random_state: Seed = None, *, inputs: Given = None
    ) -> Array: ...

    def predict(
        self, X: Sequences, protocol: str = "mean", random_state: Seed = None, *, inputs: Given = None
    ) -> Array | list[Array]:
        """One-step predictions E[v_t | v_1..v_{t-1}], for every t including the first.

        Parameters
        ----------
        X : (n_sequences, n_frames, n_visible) array_like or list of (n_frames_i, n_visible) array_like
        protocol : {"mean", "chain", "mean_field"}
            How the expectation is computed, see `rtrbm.rbm.expectation.expectation`.
        random_state : None, int, RandomState or Generator
            None: the seed the model was trained with, so that predictions are repeatable.
        inputs : (n_sequences, n_frames, n_inputs) array_like or list of (n_frames_i, n_inputs) array_like, optional
            Known inputs of every frame, for a model that was fitted with some.

        Returns
        -------
        array or list of arrays, as X
            Probabilities (Bernoulli) or means (Gaussian). The prediction of frame t depends on frames 1..t-1 of its
            sequence alone: the chains of frame t draw the same random numbers in all sequences.

        Raises
        ------
        TypeError, ValueError
            If the model is not fitted, or X or `protocol` is not valid.
        """
        checks.check_choice("protocol", protocol, PROTOCOLS)
        X = self._checked(X)
        seed = self._seed_of(random_state)
        W, units, engine = self._effective().W, self._units(), self._engine()

        def group(seen):
            n_alive = seen.where.batch_sizes
            numbers = np.repeat(np.arange(len(n_alive)), n_alive)
            draw = Draw(seed, "predict")
            means = expectation(seen.v, W, seen.biases, units, protocol, draw, numbers, engine, count=seen.count)
            return self._outward(means)

        return self._map(X, group, inputs=inputs)

    def score(self, X: Sequences, y: object = None, *, inputs: Given = None) -> float:
        """Minus the squared error of one-step prediction (`predict`), summed over features, mean over frames 2..T.

        Parameters
        ----------
        X : array_like or list of array_like
        y : None
            Ignored.
        inputs : (n_sequences, n_frames, n_inputs) array_like or list of (n_frames_i, n_inputs) array_like, optional
            Known inputs of every frame, for a model that was fitted with some.

        Returns
        -------
        float
            Greater is better.

        Raises
        ------
        TypeError, ValueError
            If the model is not fitted, or an argument is not valid.
        """
        return -squared_error(X, self.predict(X, inputs=inputs))[0]

    @overload
    def denoise(self, X: Lists, *, inputs: Given = None) -> list[Array]: ...

    @overload
    def denoise(self, X: Sequences, *, inputs: Given = None) -> Array: ...

    def denoise(self, X: Sequences, *, inputs: Given = None) -> Array | list[Array]:
        """Filter and reconstruct: E[v_t | h_t = r_t, past] with r_t = P(h_t = 1 | v_1..v_t), X taken as noisy (3.3).

        Parameters
        ----------
        X : (n_sequences, n_frames, n_visible) array_like or list of (n_frames_i, n_visible) array_like
        inputs : (n_sequences, n_frames, n_inputs) array_like or list of (n_frames_i, n_inputs) array_like, optional
            Known inputs of every frame, for a model that was fitted with some.

        Returns
        -------
        array or list of arrays, as X
            Probabilities (Bernoulli) or means (Gaussian). Unlike a prediction they depend on the frame itself.

        Raises
        ------
        TypeError, ValueError
            If the model is not fitted, or X is not valid.
        """
        X = self._checked(X)
        return self._map(X, lambda seen: self._reconstructed(seen, self._states(seen)), inputs=inputs)

    @overload
    def reconstruct(self, X: Lists, H: Sequences, *, inputs: Given = None) -> list[Array]: ...

    @overload
    def reconstruct(self, X: Sequences, H: Sequences, *, inputs: Given = None) -> Array: ...

    def reconstruct(self, X: Sequences, H: Sequences, *, inputs: Given = None) -> Array | list[Array]:
        """E[v_t | h_t = H_t, past] of frames whose hidden states are given, by another layer say.

        Parameters
        ----------
        X : (n_sequences, n_frames, n_visible) array_like or list of (n_frames_i, n_visible) array_like
            Only the past of a frame is used, its pixels and its filtered hidden states, where biases depend on them.
        H : (n_sequences, n_frames, n_hidden) array_like or list of (n_frames_i, n_hidden) array_like
            Hidden states or their probabilities, in [0, 1].
        inputs : (n_sequences, n_frames, n_inputs) array_like or list of (n_frames_i, n_inputs) array_like, optional
            Known inputs of every frame, for a model that was fitted with some.

        Returns
        -------
        array or list of arrays, as X

        Raises
        ------
        TypeError, ValueError
            If the model is not fitted, or X or H is not valid.
        """
        X = self._checked(X)
        H = self._check_hidden(H)
        wanted, given = ([len(sequence) for sequence in these] for these in (X, H))
        if wanted != given:
            raise ValueError(f"H must have the sequences and frames of X, {summary(wanted)}, got {summary(given)}")
        return self._map(X, self._reconstructed, H, inputs=inputs)

    def gradient(self, X: Sequences, method: str = "cd", random_state: Seed = None, *, inputs: Given = None) -> Any:
        """Gradient of the mean over sequences of the log-likelihood sum_t log Q(v_t | r_{t-1}), as the model learns it.

        Without BPTT (a TRBM, RTRBM(bptt=False)) it is the learning rule of 3.2.2: the gradient with the past's hidden
        states held at their values, and not that of `log_likelihood`.

        Parameters
        ----------
        X : array_like or list of array_like
        method : {"exact", "cd"}
            Model averages by enumeration, or by CD-k with the k in force after the updates made so far (and
            `sample_visible` as it is set).
        random_state : None, int, RandomState or Generator
            Of the chain; None: that of the next update.
        inputs : (n_sequences, n_frames, n_inputs) array_like or list of (n_frames_i, n_inputs) array_like, optional
            Known inputs of every frame, for a model that was fitted with some.

        Returns
        -------
        NamedTuple of the type of `params_`

        Raises
        ------
        ValueError
            If `method` is "exact" and min(n_visible, n_hidden) > 25 (n_hidden > 25 if visible units are not binary).
        """
        checks.check_choice("method", method, ("exact", "cd"))
        check_random_state(random_state)
        X = self._checked(X)
        v, where = pack(X)
        params, model, engine = self._effective(), self._model(), self._engine()
        phase = Exact() if method == "exact" else self._negative()(self.n_updates_)
        phase.check(*params.W.shape, model.units)
        seed = self._seed_of(random_state)
        draw = Draw(seed, "chain", (self.n_updates_,))

        def negative_phase(h_pos, W, biases):
            return phase.averages(None, h_pos, W, biases, model.units, where, draw, engine)[0]

        v = self._inward(v)
        x = self._checked_inputs(inputs, where.lengths.tolist())
        x = None if x is None else pack(x)[0]
        derivatives, *_ = gradient(model, params, v, where, negative_phase, engine, x)
        return each(lambda d: d / len(X), model.past.pull_back(self.params_, derivatives))

    def _measured(self, V):
        """The squared error of one-step prediction per frame, as `score` has it, and the log-likelihood per frame."""
        squares = n_predicted = nats = n_frames = 0
        length = sources.length_of(V)
        quick = self._is_quick(sum(map(length, range(len(V)))))
        for part in sources.parts(V):
            n = sum(len(v) - 1 for v in part)
            squares -= n * self.score(part) if n else 0
            nats += self.log_likelihood(part, method="exact").sum() if quick else 0
            n_predicted, n_frames = n_predicted + n, n_frames + n + len(part)
        return float(squares / n_predicted), float(nats / n_frames) if quick else None

    def _states(self, seen):
        """P(h_t = 1 | v_t, past) of all frames."""
        if seen.memory.h_pos is not None:
            return seen.memory.h_pos
        return hidden_mean(seen.v, self._effective().W, seen.biases.h, self._engine().product)

    def _reconstructed(self, seen, h):
        """E[v_t | h_t = h, past] of all frames."""
        W, product = self._effective().W, self._engine().product
        return self._outward(reconstruction_mean(h, W, seen.biases.v, self._units(), product))
