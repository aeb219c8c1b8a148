"""The verbs of a temporal RBM that go frame by frame: sampling, decoding, filling in."""

from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from .. import checks, kinds
from ..biases import Biases
from ..compute.engine import Engine
from ..compute.threads import one_blas_thread
from ..minibatches.sequences import Layout, pack, unpack
from ..past.conditioner import Memory, rows_of
from ..rbm.chains import Draw, average_visible, random_visible
from ..rbm.conditionals import hidden_mean, reconstruction_mean
from ..rbm.expectation import expectation
from ..rbm.negative import NegativePhase
from ..rbm.units import BERNOULLI
from ..streams import as_seed, stream
from .base import TrainedRBM
from .settings import setting, settings

GROUP_ROWS = 8192


class Seen(NamedTuple):
    """A packed group of sequences with the biases that its past makes.

    v : (n_rows, n_visible), as the RBM sees it; where : Layout; first : int, the number of the group's first sequence;
    biases : Biases; memory : Memory.
    """

    v: np.ndarray
    where: Layout
    first: int
    biases: Biases
    memory: Memory


def _check_initialization(name, value):
    """Raise unless a model can start from `value`: a word, a fitted model, or its `params_`."""
    if isinstance(value, TrainedRBM) and not hasattr(value, "params_"):
        raise ValueError(f"{name} must be a fitted model, got {value!r}, which is not")
    if not isinstance(value, TrainedRBM) and not {"W", "b_v", "b_h"} <= set(getattr(value, "_fields", ())):
        checks.check_choice(f"{name}, if it is no fitted model,", value, ("auto", "data", "linear", "thesis"))


@settings
class FrameByFrame(TrainedRBM):
    """A model of sequences, whose next frame depends on those before."""

    initialization: object = setting("auto", _check_initialization)
    comm: object = setting(None, checks.check_anything)

    def impute(self, X, mask, random_state=None):
        """Fill in missing pixels or frames with their mean given the rest of the frame and the past.

        Frame by frame, E[v_t, missing | v_t, present, past]: the average of E[v | h] over Gibbs chains of frame t's RBM
        in which the pixels at hand are held. If the whole frame is missing, this is the protocol `mean` of `predict`.
        Values that were filled in are part of the past of later frames.

        Parameters
        ----------
        X : (n_sequences, n_frames, n_visible) array_like or list of (n_frames_i, n_visible) array_like
            Values at missing places are ignored; they may be NaN.
        mask : array_like of bool, or list of them, of the shape of X
            True where a value is missing.
        random_state : None, int, RandomState or Generator
            None: the seed the model was trained with.

        Returns
        -------
        array or list of arrays, as X
            X in the dtype of the model, with probabilities (Bernoulli) or means (Gaussian) where a value was missing.

        Raises
        ------
        TypeError, ValueError
            If the model is not fitted, X is not valid, or `mask` has another shape.
        """
        self._check_fitted()
        self._check_features(X)
        X, mask = checks.without_missing(X, mask)
        X = self._checked(X, missing=mask)
        seed = self.seed_ if random_state is None else as_seed(random_state)
        params, past, units, engine = self._effective(), self._past(), self._units(), Engine(self.n_jobs)
        n_frames = max(map(len, X))
        shown = None if self.verbose else True

        def group(v, where, first, missing, given):
            state = past.start(params, len(where.lengths))
            frames = zip(where.starts.tolist(), where.batch_sizes.tolist())
            for t, (start, n) in enumerate(tqdm(frames, total=n_frames, unit="frame", disable=shown)):
                frame, gaps = v[start : start + n], missing[start : start + n]
                state = rows_of(state, n)
                biases = _biases_of(past, params, state, n)
                if gaps.any():
                    draw = Draw(seed, "impute", (t,), first)

                    def chains(number, draw=draw, n=n):
                        return draw.at(number).chains_of_rows(n, engine)

                    filled = expectation(frame, params.W, biases, units, "mean", chains, engine, held=~gaps)
                    np.copyto(frame, filled, where=gaps)
                h = hidden_mean(frame, params.W, biases.h) if past.carries else None
                state = past.step(params, state, frame, h)
            return np.where(missing, self._outward(v), given)

        return self._grouped(X, group, mask, X)

    def sample(self, n_frames, n_sequences=1, prefix=None, random_state=None, *, n_gibbs=50, return_states=False):
        """Draw sequences: at every frame a Gibbs chain of that frame's RBM, the end of which is past to later frames.

        In an RTRBM r_t goes on (Algorithm 3). Without BPTT (a TRBM, RTRBM(bptt=False)) h_t goes on as drawn
        (Algorithm 2), so that frames and hidden states are a sample of the TRBM itself; over a prefix they are drawn
        from the filter, which is exact after a prefix of one frame. The probabilities (means, of Gaussian units) of the
        frames drawn are returned, as the thesis shows them; `return_states` gives the draws themselves. The first
        frame's chain starts from noise, each later one from the frame before it.

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
        params, past, units, engine = self._effective(), self._past(), self._units(), Engine(self.n_jobs)
        W, n_frames, n_sequences = params.W, int(n_frames), int(n_sequences)
        if prefix is not None:
            prefix = self._check_prefix(prefix, n_sequences)
            n_sequences = max(len(prefix), n_sequences)
        what = f"n_frames={n_frames} frames of n_sequences={n_sequences} sequences"
        checks.check_memory(what, 2 * n_frames * n_sequences * len(W), W.dtype)
        seed = as_seed(random_state)
        draw = Draw(seed, "sample")
        if prefix is None:
            chains = draw.at(0).chains_of_rows(n_sequences, engine)
            state, v = past.start(params, n_sequences), random_visible((n_sequences, len(W)), W.dtype, units, chains)
        else:
            state, v = self._after(prefix, n_sequences, seed), self._inward(prefix[:, -1])
            v = np.broadcast_to(v, (n_sequences, len(W)))
        means = np.empty((n_sequences, n_frames, len(W)), W.dtype)
        states = np.empty_like(means) if return_states else None
        for t in range(n_frames):
            with one_blas_thread():
                biases = _biases_of(past, params, state, n_sequences)
                chains = draw.at(t + 1).chains_of_rows(n_sequences, engine)
                mean, v, h = average_visible(v, W, biases, n_gibbs - 1, 1, units, chains, engine)
                if past.carries == "means":
                    h = hidden_mean(v, W, biases.h)  # r_t, eq. 3.20
                state = past.step(params, state, v, h)
            means[:, t] = self._outward(mean)
            if return_states:
                states[:, t] = self._outward(v)
        return (means, states) if return_states else means

    @one_blas_thread()
    def decode(self, H, prefix=None, random_state=None, *, return_states=False):
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
        params, past, units = self._effective(), self._past(), self._units()
        H = self._check_hidden(_of_one_length(H, "H"))
        seed = as_seed(random_state)
        if prefix is None:
            state = past.start(params, len(H))
        else:
            prefix = self._check_prefix(prefix, len(H), "as H has")
            H = np.broadcast_to(H, (max(len(prefix), len(H)), *H.shape[1:]))
            state = self._after(prefix, len(H), seed)
        means = np.empty((*H.shape[:2], self.n_features_in_), params.W.dtype)
        states = np.empty_like(means)
        for t in range(H.shape[1]):
            biases = _biases_of(past, params, state, len(H))
            mean = reconstruction_mean(H[:, t], params.W, biases.v, units)
            v = units.draw(np.broadcast_to(mean, (len(H), mean.shape[1])), stream(seed, "decode", t))
            h = hidden_mean(v, params.W, biases.h) if past.carries == "means" else H[:, t]
            state = past.step(params, state, v, h)
            means[:, t], states[:, t] = self._outward(mean), self._outward(v)
        return (means, states) if return_states else means

    @one_blas_thread()
    def _after(self, prefix, n_sequences, seed):
        """The state of sequences after a prefix, one or one each; hidden states that go on are drawn."""
        params, past = self._effective(), self._past()
        if past.carries == "draws":
            prefix = np.broadcast_to(prefix, (n_sequences, *prefix.shape[1:]))
        state = past.start(params, len(prefix))
        for t in range(prefix.shape[1]):
            v = self._inward(prefix[:, t])
            h = None
            if past.carries:
                h = hidden_mean(v, params.W, _biases_of(past, params, state, len(v)).h)
            if past.carries == "draws":
                h = BERNOULLI.draw(h, stream(seed, "prefix", t))
            state = past.step(params, state, v, h)
        return rows_of(state, n_sequences)

    def _check_hidden(self, H):
        axes = ("n_frames", "n_hidden")
        return checks.check_sequences(H, checks.check_probabilities, self.params_.W.dtype, self.n_hidden, "H", axes)

    def _check_prefix(self, prefix, n_sequences, source="n_sequences"):
        self._check_features(prefix, "prefix")
        dtype, check = self.params_.W.dtype, self._units().check
        prefix = _of_one_length(prefix, "prefix")
        if prefix.ndim not in (2, 3):
            raise ValueError(
                f"prefix must have 2 or 3 dimensions ([n_sequences,] n_frames, n_visible), got shape {prefix.shape}; "
                "a list of one frame is a prefix too"
            )
        prefix = prefix[None] if prefix.ndim == 2 else prefix
        prefix = checks.check_sequences(prefix, check, dtype, self.n_features_in_, "prefix")
        if 1 not in (len(prefix), n_sequences) and len(prefix) != n_sequences:
            raise ValueError(f"prefix must hold 1 sequence or {n_sequences} ({source}), got {len(prefix)}")
        return prefix

    def _checked(self, X, missing=None):
        """X as sequences a fitted model takes."""
        self._check_fitted()
        if missing is None:  # else its features were checked with the mask
            self._check_features(X)
        dtype, check = np.dtype(self.dtype), self._units().check
        return checks.check_sequences(X, check, dtype, self.n_features_in_, missing=missing)

    def _map(self, X, function, *others):
        """Apply function(seen, ...) to packed groups of sequences of X and `others`; the result has the form of X."""
        params, past, engine = self._effective(), self._past(), Engine(self.n_jobs)

        def group(v, where, first, *packed):
            return function(Seen(v, where, first, *past.forward(params, v, where, engine)), *packed)

        return self._grouped(X, group, *others)

    def _grouped(self, X, function, *others):
        """The same for function(v, where, first sequence, ...), which makes its own biases."""
        results, first = [], 0
        ends = np.cumsum([len(sequence) for sequence in X])
        while first < len(X):
            done = ends[first - 1] if first else 0
            last = max(first + 1, int(np.searchsorted(ends, done + GROUP_ROWS, side="right")))
            v, where = pack(X[first:last])
            v = self._inward(v)
            packed = [pack(other[first:last])[0] for other in others]
            with one_blas_thread():
                results += unpack(function(v, where, first, *packed), where)
            first = last
        return np.stack(results) if isinstance(X, np.ndarray) else results

    def _check_hyper_parameters(self):
        super()._check_hyper_parameters()
        if kinds.named(NegativePhase, "negative", self.negative).persistent:
            raise ValueError(
                f"negative={self.negative!r} is for the static RBM alone: here every frame has biases of its own, "
                "so no chain can go on from one update to the next; negative='cd' starts chains at the data"
            )


def _biases_of(past, params, state, n_sequences):
    """The biases of the next frame, the hidden ones in a row for each sequence."""
    biases = past.biases(params, state)
    return biases._replace(h=np.broadcast_to(biases.h, (n_sequences, len(params.b_h))))


def _of_one_length(sequences, name):
    """Sequences as one array."""
    sequences = checks.as_given(sequences, name)
    if isinstance(sequences, list):
        sequences = [checks.as_float(sequence, f"{name}[{i}]") for i, sequence in enumerate(sequences)]
        if len({len(sequence) for sequence in sequences if sequence.ndim}) > 1:
            raise ValueError(f"{name} must be sequences of one length, got some of different lengths")
    return checks.as_float(sequences, name)
