"""The verbs of a temporal RBM that go frame by frame: sampling, decoding, filling in."""

from __future__ import annotations

from typing import Any, Literal, overload

import numpy as np

from .. import checks, kinds, user_data
from ..biases import n_inputs
from ..compute.threads import one_blas_thread
from ..minibatches.sequences import pack
from ..past.conditioner import advance, biases_of, of_states
from ..progress import bar
from ..rbm.chains import Draw, average_visible, random_visible
from ..rbm.conditionals import hidden_mean, reconstruction_mean
from ..rbm.expectation import expectation
from ..rbm.negative import NegativePhase
from ..streams import as_seed, stream
from ..training.missing import fill_in
from ..types import Array, Given, Lists, Seed, Sequences
from .base import TrainedRBM
from .features import check_mask
from .grouped import Grouped, of_one_length
from .settings import setting, settings


def _check_initialization(name, value):
    """Raise unless a model can start from `value`: a word, a fitted model, or its `params_`."""
    if isinstance(value, TrainedRBM) and not hasattr(value, "params_"):
        raise ValueError(f"{name} must be a fitted model, got {value!r}, which is not")
    if not getattr(value, "effective", True):
        raise ValueError(f"{name} must be a fitted model or its effective_: the W of its params_ lies behind gates")
    if not isinstance(value, TrainedRBM) and not {"W", "b_v", "b_h"} <= set(getattr(value, "_fields", ())):
        checks.check_choice(f"{name}, if it is no fitted model,", value, ("auto", "data", "linear", "thesis"))


def _word_alone(initialization):
    """A word; "auto" in place of a fitted model: its arrays have been used."""
    return initialization if isinstance(initialization, str) else "auto"


def _nothing(comm):
    """A communicator is not kept."""


@settings
class FrameByFrame(Grouped):
    """A model of sequences, whose next frame depends on those before."""

    initialization: Any = setting(default="auto", check=_check_initialization, kept=_word_alone)
    comm: Any = setting(default=None, check=checks.check_anything, kept=_nothing)

    @overload
    def impute(
        self, X: Lists, mask: Given = None, random_state: Seed = None, *, inputs: Given = None
    ) -> list[Array]: ...

    @overload
    def impute(self, X: Sequences, mask: Given = None, random_state: Seed = None, *, inputs: Given = None) -> Array: ...

    def impute(
        self, X: Sequences, mask: Given = None, random_state: Seed = None, *, inputs: Given = None
    ) -> Array | list[Array]:
        """Fill in missing pixels or frames with their mean given the rest of the frame and the past.

        Frame by frame, E[v_t, missing | v_t, present, past]: the average of E[v | h] over Gibbs chains of frame t's RBM
        in which the pixels at hand are held. If the whole frame is missing, this is the protocol `mean` of `predict`.
        Values that were filled in are part of the past of later frames. As in `predict`, all sequences have the same
        random numbers: what is filled in does not depend on the other sequences of X.

        Parameters
        ----------
        X : (n_sequences, n_frames, n_visible) array_like or list of (n_frames_i, n_visible) array_like
            Values at missing places are ignored; they may be NaN.
        mask : array_like of bool, or list of them, of the shape of X; optional
            True where a value is missing. None: where X is NaN; if X has no NaN, a warning says so.
        random_state : None, int, RandomState or Generator
            None: the seed the model was trained with.
        inputs : (n_sequences, n_frames, n_inputs) array_like or list of (n_frames_i, n_inputs) array_like, optional
            Known inputs of every frame, for a model that was fitted with some.

        Returns
        -------
        array or list of arrays, as X
            X in the dtype of the model (float64 if it standardises), with probabilities (Bernoulli) or means
            (Gaussian) where a value was missing.

        Raises
        ------
        TypeError, ValueError
            If the model is not fitted, X is not valid, or `mask` has another shape.
        """
        self._check_fitted()
        self._check_features(X)
        check_mask(mask, X)
        given, (X, mask) = mask, user_data.without_missing(X, mask)
        X = self._checked(X, missing=mask)
        user_data.doubt_gaps(given, mask)
        seed = self._seed_of(random_state)
        params, past, units, engine = self._effective(), self._past(), self._units(), self._engine()

        def means(t, frame, gaps, biases):
            rows = np.flatnonzero(gaps.any(axis=1))
            draw, numbers, found = Draw(seed, "impute", (t,)), np.zeros(len(rows), int), frame.copy()
            these = frame[rows], params.W, biases.at(rows), units, "mean", draw, numbers, engine
            found[rows] = expectation(*these, held=~gaps[rows])
            return found

        def group(v, where, count, x, missing, given):
            fill_in(past, params, v, where, missing, means, x, count)
            return np.where(missing, self._outward(v), given)

        return self._grouped(X, group, inputs, mask, X)

    @overload
    def sample(
        self,
        n_frames: int,
        n_sequences: int = 1,
        prefix: Given = None,
        random_state: Seed = None,
        *,
        n_gibbs: int = 50,
        return_states: Literal[False] = False,
        inputs: Given = None,
    ) -> Array: ...

    @overload
    def sample(
        self,
        n_frames: int,
        n_sequences: int = 1,
        prefix: Given = None,
        random_state: Seed = None,
        *,
        n_gibbs: int = 50,
        return_states: Literal[True],
        inputs: Given = None,
    ) -> tuple[Array, Array]: ...

    def sample(
        self,
        n_frames: int,
        n_sequences: int = 1,
        prefix: Given = None,
        random_state: Seed = None,
        *,
        n_gibbs: int = 50,
        return_states: bool = False,
        inputs: Given = None,
    ) -> Array | tuple[Array, Array]:
        """Draw sequences: at every frame a Gibbs chain of that frame's RBM, the end of which is past to later frames.

        In an RTRBM r_t goes on (Algorithm 3). Without BPTT (a TRBM, RTRBM(bptt=False)) h_t goes on as drawn
        (Algorithm 2), so that frames and hidden states are a sample of the TRBM itself; over a prefix they are drawn
        from the filter, which is exact after a prefix of one frame. The probabilities (means, of Gaussian units) of the
        frames drawn are returned, as the thesis shows them; `return_states` gives the draws themselves. The first
        chain starts from the last frame of the prefix, or without one from noise; each later one from the frame drawn
        before.

        Parameters
        ----------
        n_frames : int
        n_sequences : int
            With a prefix of several sequences: their number, or 1 for all of them once.
        prefix : (n_prefix, n_visible) or (n_sequences, n_prefix, n_visible) array_like, optional
            Frames to continue, one sequence for all or one for each; they are not repeated in the result.
        random_state : None, int, RandomState or Generator
        n_gibbs : int
            Steps of each frame's chain.
        return_states : bool
            Also return the sampled visible states.
        inputs : (n_sequences, n_prefix + n_frames, n_inputs) array_like, optional
            Known inputs of the frames of the prefix and of those to draw, for a model that was fitted with some; one
            sequence of them serves all.

        Returns
        -------
        probabilities : (n_sequences, n_frames, n_visible) ndarray
            The conditional probabilities (means) E[v_t | h_t] at the end of each chain, which the thesis shows.
        states : (n_sequences, n_frames, n_visible) ndarray
            Only with `return_states`: the sampled frames the sequence went on from.

        Raises
        ------
        TypeError, ValueError
            If the model is not fitted, or an argument is not valid.
        """
        self._check_fitted()
        checks.check_count("n_frames", n_frames)
        checks.check_count("n_sequences", n_sequences)
        checks.check_count("n_gibbs", n_gibbs)
        checks.check_flag("return_states", return_states)
        params, units, engine = self._effective(), self._units(), self._engine()
        W, n_frames, n_sequences = params.W, int(n_frames), int(n_sequences)
        if prefix is not None:
            prefix = self._check_prefix(prefix, n_sequences)
            n_sequences = max(len(prefix), n_sequences)
        what = f"n_frames={n_frames} frames of n_sequences={n_sequences} sequences"
        checks.check_memory(what, 2 * n_frames * n_sequences * len(W), W.dtype)
        n_before = 0 if prefix is None else prefix.shape[1]
        inputs = self._common_inputs(inputs, n_sequences, n_before, n_frames)
        seed = as_seed(random_state)
        draw = Draw(seed, "sample")
        if prefix is None:
            chains = draw.at(0).chains_of_rows(n_sequences, engine)
            state = self._past().start(params, n_sequences)
            v = random_visible((n_sequences, len(W)), W.dtype, units, chains)
        else:
            before = None if inputs is None else inputs[:, :n_before]
            if before is not None:  # of which each sequence may have its own
                prefix = np.broadcast_to(prefix, (n_sequences, *prefix.shape[1:]))
            state, v = self._after(prefix, np.arange(n_sequences), seed, before), self._inward(prefix[:, -1])
            v = np.broadcast_to(v, (n_sequences, len(W)))
        means = np.empty((n_sequences, n_frames, len(W)), self._given_dtype())
        states = np.empty_like(means) if return_states else None
        with bar(n_frames, "frame") as counted:
            for t in range(n_frames):
                chains = draw.at(t + 1).chains_of_rows(n_sequences, engine)
                x = None if inputs is None else inputs[:, n_before + t]
                mean, v, state = self._next(params, state, v, n_gibbs, chains, engine, x)
                means[:, t] = self._outward(mean)
                if return_states:
                    states[:, t] = self._outward(v)
                counted.update()
        return (means, states) if return_states else means

    @one_blas_thread()
    def _next(self, params, state, v, n_gibbs, chains, engine, x):
        """E[v | h] and v at the end of the next frame's chain, which starts at v, and the state after that frame."""
        past = self._past()
        biases = biases_of(past, params, state, len(v), x)
        mean, v, h = average_visible(v, params.W, biases, n_gibbs - 1, 1, self._units(), chains, engine)
        return mean, v, advance(past, params, state, v, biases.h, h)

    @overload
    def decode(
        self, H: Sequences, prefix: Given = None, random_state: Seed = None, *, return_states: Literal[False] = False
    ) -> Array: ...

    @overload
    def decode(
        self, H: Sequences, prefix: Given = None, random_state: Seed = None, *, return_states: Literal[True]
    ) -> tuple[Array, Array]: ...

    @one_blas_thread()
    def decode(
        self, H: Sequences, prefix: Given = None, random_state: Seed = None, *, return_states: bool = False
    ) -> Array | tuple[Array, Array]:
        """Draw the frames that hidden states call for, on line (3.4): v_t ~ P(v_t | h_t = H_t, past), frame by frame.

        The past are the frames drawn so far, with r_t or, without BPTT, h_t of each, as in `sample`.

        Parameters
        ----------
        H : (n_sequences, n_frames, n_hidden) array_like
            Hidden states, those a layer above has drawn say, in [0, 1]; one sequence of them serves several prefixes.
        prefix : (n_prefix, n_visible) or (n_sequences, n_prefix, n_visible) array_like, optional
            Frames before the first, as in `sample`.
        random_state : None, int, RandomState or Generator
        return_states : bool
            Also return the sampled visible states.

        Returns
        -------
        probabilities : (n_sequences, n_frames, n_visible) ndarray
            E[v_t | h_t, past].
        states : (n_sequences, n_frames, n_visible) ndarray
            Only with `return_states`: the sampled frames the sequence went on from.

        Raises
        ------
        TypeError, ValueError
            If the model is not fitted, or an argument is not valid.
        """
        self._check_fitted()
        checks.check_flag("return_states", return_states)
        if n_inputs(self.params_):
            raise ValueError("decode takes no inputs, and this model was fitted with them: sample takes them")
        params, past, units = self._effective(), self._past(), self._units()
        H = self._check_hidden(of_one_length(H, "H"))
        seed = as_seed(random_state)
        if prefix is None:
            state = past.start(params, len(H))
        else:
            prefix = self._check_prefix(prefix, len(H), "as H has")
            H = np.broadcast_to(H, (max(len(prefix), len(H)), *H.shape[1:]))
            state = self._after(prefix, np.arange(len(H)), seed)
        means = np.empty((*H.shape[:2], self.n_features_in_), self._given_dtype())
        states = np.empty_like(means)
        with bar(H.shape[1], "frame") as counted:
            for t in range(H.shape[1]):
                biases = biases_of(past, params, state, len(H))
                mean = reconstruction_mean(H[:, t], params.W, biases.v, units)
                v = units.draw(np.broadcast_to(mean, (len(H), mean.shape[1])), stream(seed, "decode", t))
                state = advance(past, params, state, v, biases.h, H[:, t])
                means[:, t], states[:, t] = self._outward(mean), self._outward(v)
                counted.update()
        return (means, states) if return_states else means

    @one_blas_thread()
    def _after(self, prefixes, numbers, seed, inputs=None):
        """The state after prefixes of any lengths, in rows of equally many copies of each, one prefix after the other.

        Hidden states that go on are drawn for every row, from the random numbers of its number.
        """
        params, past = self._effective(), self._past()
        n_copies, (v, where) = len(numbers) // len(prefixes), pack(prefixes)
        n_drawn = n_copies if past.carries == "draws" else 1  # rows of a prefix that differ
        order = np.argsort(where.rank)
        numbers = numbers.reshape(len(prefixes), n_copies)[order].ravel()
        v, state, ended = self._inward(v), past.start(params, len(prefixes) * n_drawn), []
        inputs = None if inputs is None else pack(inputs)[0]
        n_before = where.batch_sizes[0]
        for t, (start, n) in enumerate(zip(where.starts.tolist(), where.batch_sizes.tolist())):
            n_rows = n * n_drawn
            if n < n_before:
                ended.append(of_states(lambda a, at=n_rows: a[at:], state))
                state = of_states(lambda a, at=n_rows: a[:at], state)
            frame, drawn, n_before = np.repeat(v[start : start + n], n_drawn, axis=0), None, n
            x = None if inputs is None else np.repeat(inputs[start : start + n], n_drawn, axis=0)
            b_h = biases_of(past, params, state, n_rows, x).h if past.carries else None
            if past.carries == "draws":
                mean = hidden_mean(frame, params.W, b_h)
                uniform = stream(seed, "prefix", t).random((numbers.max() + 1, mean.shape[1]))
                drawn = (uniform[numbers[:n_rows]] < mean).astype(mean.dtype)
            state = advance(past, params, state, frame, b_h, drawn)
        copies = np.add.outer(where.rank * n_drawn, np.arange(n_copies) % n_drawn).ravel()
        return of_states(lambda *a: np.concatenate(a)[copies], state, *reversed(ended))

    def _check_hidden(self, H):
        check, axes = user_data.check_probabilities, ("n_frames", "n_hidden")
        return user_data.check_sequences(H, check, self.params_.W.dtype, self.n_hidden, "H", axes)

    def _check_prefix(self, prefix, n_sequences, source="n_sequences"):
        self._check_features(prefix, "prefix")
        dtype, check = self._given_dtype(), self._units().check
        prefix = of_one_length(prefix, "prefix")
        if prefix.ndim not in (2, 3):
            raise ValueError(
                f"prefix must have 2 or 3 dimensions ([n_sequences,] n_frames, n_visible), got shape {prefix.shape}; "
                "a list of one frame is a prefix too"
            )
        prefix = prefix[None] if prefix.ndim == 2 else prefix
        prefix = user_data.check_sequences(prefix, check, dtype, self.n_features_in_, "prefix")
        if 1 not in (len(prefix), n_sequences) and len(prefix) != n_sequences:
            raise ValueError(f"prefix must hold 1 sequence or {n_sequences} ({source}), got {len(prefix)}")
        return prefix

    def _check_hyper_parameters(self):
        if self.initialization is self:  # whose repr has no end
            raise ValueError("initialization must be another model than this one: copy.deepcopy(model)")
        super()._check_hyper_parameters()
        _check_alike(self, self.initialization)
        if kinds.named(NegativePhase, "negative", self.negative).persistent:
            why = "every frame has biases of its own, so no chain can go on from one update to the next"
            other = "negative='cd' starts chains at the data"
            raise ValueError(f"negative={self.negative!r} is for the static RBM alone: here {why}; {other}")


def _check_alike(model, start):
    """Raise unless the model to start from, if it is one, sees the same numbers."""
    if not isinstance(start, TrainedRBM):
        return
    alike = {"visible": type(model._units()) is type(start._units())}
    alike["standardize"] = bool(model.standardize) == bool(start.standardize)
    for name in (name for name, is_so in alike.items() if not is_so):
        wanted, got = getattr(model, name), getattr(start, name)
        raise ValueError(f"initialization must be a model with {name}={wanted!r}, as this one has, got {name}={got!r}")
