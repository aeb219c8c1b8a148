"""Verbs for time that runs: forecasts of the frames to come, and filtering of frames that arrive one at a time."""

from __future__ import annotations

import operator
from typing import Any, NamedTuple

import numpy as np

from .. import checks, user_data
from ..compute.threads import one_blas_thread
from ..foreign import is_table
from ..past.conditioner import biases_of
from ..progress import bar
from ..rbm.chains import Draw
from ..rbm.conditionals import hidden_mean
from ..types import Array, ArrayLike, Given, Seed, Sequences
from .features import check_labels, check_names
from .frames import FrameByFrame
from .grouped import groups


class Forecast(NamedTuple):
    """The frames after each of several sequences, as `forecast` of a model of sequences expects them.

    mean : (n_sequences, horizon, n_visible) ndarray, E[v_{T+k} | v_1..v_T], probabilities of binary units; quantiles :
    (n_quantiles, n_sequences, horizon, n_visible) ndarray or None, of every value by itself; levels : tuple of float,
    the probabilities of the quantiles; samples : (n_sequences, n_samples, horizon, n_visible) ndarray or None, the
    frames drawn; means : of the same shape or None, E[v | h] at the end of each frame's chain, of which `samples` are
    draws.
    """

    mean: Array
    quantiles: Array | None = None
    levels: tuple[float, ...] = ()
    samples: Array | None = None
    means: Array | None = None


class Filtered(NamedTuple):
    """The state of `filter_step`.

    learned : the model's parameters; effective : NamedTuple, those that the mathematics takes; past : the conditioner's
    state; n_sequences : int; settings : tuple, the hyper-parameters that the model has been checked with.
    """

    learned: Any
    effective: Any
    past: Any
    n_sequences: int
    settings: tuple[Any, ...]


class Forecasting(FrameByFrame):
    """A model of sequences that runs ahead of its data, or along with them."""

    def forecast(
        self,
        X: Sequences,
        horizon: int,
        n_samples: int = 100,
        quantiles: ArrayLike | None = (0.1, 0.5, 0.9),
        random_state: Seed = None,
        *,
        n_gibbs: int = 50,
        return_samples: bool = False,
        inputs: Given = None,
    ) -> Forecast:
        """The frames after every sequence of X: their means, and quantiles of `n_samples` continuations.

        Every continuation is drawn as by `sample` with the sequence as its prefix; all of them run as rows of one
        batch. Sequences may differ in length. The forecast of a sequence does not depend on the others: sample s draws
        the same random numbers after each of them. So the error of finitely many samples, about
        sqrt(q (1 - q) / n_samples) of a quantile's probability q, does not average out over sequences.

        A quantile is that of the frames themselves, noise of the units included: between those of 0.1 and 0.9 lie 8 of
        10 frames to come, if the model is right (`rtrbm.evaluate.coverage`). The k-th smallest of n samples is the
        quantile k / (n + 1), which holds for any n. Frames of binary units are 0 or 1, and so are their quantiles: that
        of q is 1 where `mean`, the probability of 1, is above 1 - q. How far the probability differs from one
        continuation to another is in ``forecast(..., return_samples=True).means``.

        Parameters
        ----------
        X : (n_sequences, n_frames, n_visible) array_like or list of (n_frames_i, n_visible) array_like
            Frames seen so far, at least one of each sequence.
        horizon : int
            Number of frames ahead.
        n_samples : int
            Continuations of every sequence.
        quantiles : sequence of float, or None for none
            Each between 1 / (n_samples + 1) and 1 minus that.
        random_state : None, int, RandomState or Generator
            None: the seed the model was trained with, so that forecasts are repeatable.
        n_gibbs : int
            Steps of each frame's chain.
        return_samples : bool
            Also return the continuations and their means, n_samples * horizon frames a sequence.
        inputs : list of (n_frames_i + horizon, n_inputs) array_like, optional
            Known inputs of the frames seen and of those to come, for a model that was fitted with some.

        Returns
        -------
        Forecast

        Raises
        ------
        TypeError, ValueError
            If the model is not fitted, or an argument is not valid.

        Examples
        --------
        >>> from rtrbm import CRBM
        >>> X = np.random.default_rng(0).standard_normal((8, 20, 3)).cumsum(axis=1)
        >>> model = CRBM(n_hidden=10, visible="gaussian", n_gibbs=1, n_updates=10, random_state=0).fit(X)
        >>> ahead = model.forecast([X[0], X[1, :7]], horizon=5)
        >>> ahead.mean.shape, ahead.quantiles.shape
        ((2, 5, 3), (3, 2, 5, 3))
        """
        for name, count in (("horizon", horizon), ("n_samples", n_samples), ("n_gibbs", n_gibbs)):
            checks.check_count(name, count)
        checks.check_flag("return_samples", return_samples)
        quantiles = _checked_quantiles(quantiles, n_samples)
        X = self._checked(X)
        of = f"the frames of X and the {horizon} frames after them (horizon)"
        inputs = self._checked_inputs(inputs, [len(sequence) + int(horizon) for sequence in X], of)
        shape = len(X), int(horizon), self.n_features_in_
        n_kept = 1 + len(quantiles) + (2 * int(n_samples) if return_samples else 0)
        n_elements = n_kept * int(np.prod(shape, dtype=object)) + 6 * int(n_samples) * shape[-1]
        what = f"n_samples={n_samples} forecasts of horizon={horizon} frames after {len(X)} sequences"
        checks.check_memory(what, n_elements, self.dtype)
        seed, parts = self._seed_of(random_state), []
        with bar(len(X) * int(horizon), "frame") as counted:
            for first, last in groups(np.arange(1, len(X) + 1) * int(n_samples)):
                x = None if inputs is None else inputs[first:last]
                frames = self._ahead(X[first:last], int(horizon), int(n_samples), seed, int(n_gibbs), counted, x)
                parts.append(_summary(frames, last - first, int(n_samples), quantiles, return_samples))
        mean, at, samples, means = (None if a[0] is None else a for a in zip(*parts))
        joined = (None if a is None else np.concatenate(a) for a in (samples, means))
        at = None if at is None else np.concatenate(at, axis=1)
        return Forecast(np.concatenate(mean), at, tuple(quantiles.tolist()), *joined)

    def filter_step(self, state: Filtered | None, frame: ArrayLike, *, inputs: Given = None) -> tuple[Array, Filtered]:
        """Take in the next frame of a stream: P(h_t = 1 | v_1..v_t) as `transform`, and the state that the next needs.

        It takes one step of the filter and keeps what the model needs of the past, whatever the length of the stream.
        Several streams go side by side as rows.

        Parameters
        ----------
        state : None at the first frame, then what the last call returned
            It holds arrays (pickle writes them) and is not changed: a stream can go on from it in several ways. If the
            model has learned since, its new parameters take over.
        frame : (n_visible,) or (n_sequences, n_visible) array_like
        inputs : (n_inputs,) or (n_sequences, n_inputs) array_like, optional
            Known inputs of the frame, for a model that was fitted with some.

        Returns
        -------
        h : (n_hidden,) or (n_sequences, n_hidden) ndarray
            r_t = P(h_t = 1 | v_1..v_t).
        state : object
            For the next call.

        Raises
        ------
        TypeError, ValueError
            If the model is not fitted, `frame` is not valid, or `state` is of another number of
            sequences, or of a model of another kind or size.

        Examples
        --------
        >>> from rtrbm import RTRBM
        >>> X = np.random.default_rng(0).integers(0, 2, (8, 20, 4))
        >>> model = RTRBM(5, n_gibbs=1, n_updates=10, random_state=0, dtype="float64").fit(X)
        >>> state = None
        >>> for frame in X[0]:
        ...     h, state = model.filter_step(state, frame)
        >>> bool(np.allclose(h, model.transform(X[:1])[0, -1], rtol=0, atol=1e-12))
        True
        """
        if state is not None and not isinstance(state, Filtered):
            raise TypeError(f"state must be None or what filter_step returned, got {type(state).__name__}")
        settings = tuple(getattr(self, name) for name in self._names)
        if state is None or state.learned is not getattr(self, "params_", None):
            self._check_fitted()
            learned, effective = self.params_, self._effective()
            if state is not None and _shapes(effective) != _shapes(state.effective):
                raise ValueError("state must be None or what filter_step of this model returned, got another model's")
        else:
            if not all(map(operator.is_, state.settings, settings)):
                self._check_shapes()
            learned, effective = state[:2]
        names = self._column_names
        for given, own, name in ((frame, names.features, "frame"), (inputs, names.inputs, "inputs")):
            if is_table(given):
                check_names(given, own, type(self).__name__, name)
            check_labels(given, own, "model", name)
        past, dtype = self._past(), effective.W.dtype
        given = user_data.as_float(frame, "frame", self._given_dtype())
        axes = ("n_visible",) if given.ndim == 1 else ("n_sequences", "n_visible")
        given = user_data.check_frames(given, self._units().check, given.dtype, self.n_features_in_, "frame", axes)
        v = np.array(self._inward(np.atleast_2d(given)), dtype)  # a copy: the stream may use its array again
        n = len(v)
        if state is not None and state.n_sequences != n:
            raise ValueError(f"frame must have a row for each of {state.n_sequences} sequences, got {n}")
        x = None if inputs is None else np.atleast_2d(user_data.as_float(inputs, "inputs", dtype))[:, None]
        x = self._inputs_of(x, [1] * n)
        x = None if x is None else x[:, 0]
        before = past.start(effective, n) if state is None else state.past
        with one_blas_thread():
            h = hidden_mean(v, effective.W, biases_of(past, effective, before, n, x).h)
            after = past.step(effective, before, v, h if past.carries else None)
        return h.copy() if given.ndim > 1 else h[0].copy(), Filtered(learned, effective, after, n, settings)

    def _ahead(self, X, horizon, n_samples, seed, n_gibbs, counted, inputs):
        """E[v | h] and v of every frame ahead, in rows of the samples of each sequence, frame after frame."""
        params, engine = self._effective(), self._engine()
        numbers = np.tile(np.arange(n_samples), len(X))
        before = None if inputs is None else [x[: len(v)] for v, x in zip(X, inputs)]
        state = self._after(X, numbers, seed, before)
        v = np.repeat(self._inward(np.stack([sequence[-1] for sequence in X])), n_samples, axis=0)
        for t in range(horizon):
            chains = Draw(seed, "forecast", (t,)).chains_in_common(numbers, engine)
            now = None if inputs is None else np.stack([x[len(seen) + t] for x, seen in zip(inputs, X)])
            x = None if now is None else np.repeat(now, n_samples, axis=0)
            mean, v, state = self._next(params, state, v, n_gibbs, chains, engine, x)
            yield self._outward(mean), self._outward(v)
            counted.update(len(X))


def _summary(frames, n_sequences, n_samples, quantiles, return_samples):
    """The parts of a `Forecast` from the (means, states) of every frame."""
    mean, at, samples, means = [], [], [], []
    for of_h, drawn in frames:
        of_h, drawn = (a.reshape(n_sequences, n_samples, -1) for a in (of_h, drawn))
        mean.append(of_h.mean(axis=1))
        if len(quantiles):
            at.append(np.quantile(drawn, quantiles, axis=1, method="weibull").astype(drawn.dtype))
        if return_samples:
            samples.append(drawn)
            means.append(of_h)
    stacked = (np.stack(a, axis=2) if a else None for a in (at, samples, means))
    return np.stack(mean, axis=1), *stacked


def _checked_quantiles(quantiles, n_samples):
    """Quantiles as an array, in the order given."""
    if quantiles is None:
        return np.empty(0)
    wanted = f"quantiles must be a sequence of numbers between 0 and 1, or None, got {quantiles!r}"
    if isinstance(quantiles, str) or not hasattr(quantiles, "__len__"):
        raise TypeError(wanted)
    try:
        given = user_data.as_float(quantiles, "quantiles")
    except (TypeError, ValueError) as error:
        raise TypeError(f"{wanted} ({error})") from error
    if given.ndim != 1 or given.dtype == bool:
        raise TypeError(wanted)
    for q in given.tolist():
        if not 0 < q < 1:
            raise ValueError(wanted)
        nearest = 1 / (int(n_samples) + 1)
        if not nearest <= q + 1e-9 or not q <= 1 - nearest + 1e-9:
            raise ValueError(
                f"n_samples={n_samples} are too few for the quantile {q}: "
                f"take n_samples of at least {int(np.ceil(1 / min(q, 1 - q) - 1e-9)) - 1}"
            )
    return given.astype(float)


def _shapes(params):
    """What tells parameters of one kind of model and size from others."""
    return type(params), list(map(np.shape, params))
