"""The verbs of a temporal RBM, the same for every model that makes the biases of its frames from the past."""

from functools import partial

import numpy as np
from tqdm import tqdm

from . import dynamics, engines, exact, gibbs
from .dynamics import Past
from .estimator import TrainedRBM
from .evaluate import squared_error
from .parallel import one_blas_thread, product
from .predict import PROTOCOLS, expectation
from .rbm import draw_visible, hidden_mean, reconstruction_mean
from .sequences import layout, pack, unpack
from .streams import as_seed, check_random_state, stream
from .units import visible_mean
from .validation import (
    as_float,
    check_choice,
    check_count,
    check_memory,
    check_sequences,
    check_unmasked,
    without_missing,
)

GROUP_ROWS = 8192


class TemporalRBM(TrainedRBM):
    """A model of sequences.

    A subclass says which shapes its parameters have (`_shapes`); if they are not `rtrbm.dynamics.TRBMParams`, also how
    they are read as such (`_general`) and back (`_own`).
    """

    _axes = ("n_sequences", "n_frames", "n_visible")

    def transform(self, X):
        """Hidden states r_t = P(h_t = 1 | v_1..v_t) (eq. 3.20, Algorithm 4).

        Parameters
        ----------
        X : (n_sequences, n_frames, n_visible) array_like or list of (n_frames_i, n_visible) array_like

        Returns
        -------
        (n_sequences, n_frames, n_hidden) ndarray, or list of (n_frames_i, n_hidden) ndarrays for a list

        Raises
        ------
        TypeError, ValueError
            If the model is not fitted, or X is not what it should be.
        """
        return self._map(self._checked(X), lambda v, where, first: self._biases(v, where)[0])

    def predict(self, X, protocol="mean", random_state=None):
        """One-step predictions E[v_t | v_1..v_{t-1}], for every t including the first.

        Parameters
        ----------
        X : (n_sequences, n_frames, n_visible) array_like or list of (n_frames_i, n_visible) array_like
        protocol : {"mean", "chain", "mean_field"}
            How the expectation is computed, see `rtrbm.predict.expectation`.
        random_state : None, int, RandomState or Generator
            None: the seed the model was trained with, so that predictions are repeatable.

        Returns
        -------
        array or list of arrays, as X
            Probabilities (Bernoulli) or means (Gaussian). The prediction of frame t does not depend on the values of X
            from frame t on (the chains' noise depends on the lengths of the sequences).

        Raises
        ------
        TypeError, ValueError
            If the model is not fitted, or X or `protocol` is not what it should be.
        """
        check_choice("protocol", protocol, PROTOCOLS)
        X = self._checked(X)
        seed = self.seed_ if random_state is None else as_seed(random_state)

        def group(v, where, first):
            _, b_v, b_h = self._biases(v, where)

            chains = partial(gibbs.chains, where, seed, "predict", first=first)
            return expectation(v, self.params_.W, b_v, b_h, self.visible, protocol, chains, self.n_jobs)

        return self._map(X, group)

    def score(self, X, y=None):
        """Minus the squared error of one-step prediction (`predict`), summed over features, mean over frames 2..T.

        Parameters
        ----------
        X : array_like or list of array_like
        y : None
            Ignored.

        Returns
        -------
        float
            Greater is better.
        """
        return -squared_error(X, self.predict(X))[0]

    def denoise(self, X):
        """Filter and reconstruct: E[v_t | h_t = r_t, past] with r_t = P(h_t = 1 | v_1..v_t), X taken as noisy (3.3).

        Parameters
        ----------
        X : (n_sequences, n_frames, n_visible) array_like or list of (n_frames_i, n_visible) array_like

        Returns
        -------
        array or list of arrays, as X
            Probabilities (Bernoulli) or means (Gaussian). Unlike a prediction they depend on the frame itself.

        Raises
        ------
        TypeError, ValueError
            If the model is not fitted, or X is not what it should be.
        """

        def group(v, where, first):
            r, b_v, _ = self._biases(v, where)
            return self._visible_mean(r, b_v)

        return self._map(self._checked(X), group)

    def reconstruct(self, X, H):
        """E[v_t | h_t = H_t, past] of frames whose hidden states are given, by another layer say.

        Parameters
        ----------
        X : (n_sequences, n_frames, n_visible) array_like or list of (n_frames_i, n_visible) array_like
            Only the past of a frame is used, its pixels and its filtered hidden states, where biases depend on them.
        H : (n_sequences, n_frames, n_hidden) array_like or list of (n_frames_i, n_hidden) array_like
            Hidden states or their probabilities, in [0, 1].

        Returns
        -------
        array or list of arrays, as X

        Raises
        ------
        TypeError, ValueError
            If the model is not fitted, or X or H is not what it should be.
        """
        X = self._checked(X)
        H = check_sequences(H, "hidden", self.params_.W.dtype, self.n_hidden, "H")
        wanted, given = ([len(sequence) for sequence in these] for these in (X, H))
        if wanted != given:
            raise ValueError(
                f"H must have the sequences and frames of X, {_summary(wanted)}, got {_summary(given)}"
            )

        def group(v, where, first, h):
            _, b_v, _ = self._biases(v, where)
            return self._visible_mean(h, b_v)

        return self._map(X, group, H)

    def impute(self, X, mask, random_state=None):
        """Fill in missing pixels or frames with their mean given the rest of the frame and the past.

        Frame by frame, E[v_t, missing | v_t, present, past]: the average of E[v | h] over Gibbs chains of frame t's RBM
        in which the pixels at hand are held (protocol `mean` of `predict`, which is what it is if the whole frame is
        missing). What was filled in is part of the past of the frames after it.

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
            If the model is not fitted, X is not what it should be, or `mask` has another shape.
        """
        self._check_fitted()
        X, mask = without_missing(X, mask)
        X = self._checked(X)
        seed = self.seed_ if random_state is None else as_seed(random_state)
        params, shown = self._general(self.params_), None if self.verbose else True
        n_frames = max(map(len, X))

        def group(v, where, first, missing):
            past = Past()
            frames = zip(where.starts.tolist(), where.batch_sizes.tolist())
            for t, (start, n) in enumerate(tqdm(frames, total=n_frames, unit="frame", disable=shown)):
                frame, gaps = v[start : start + n], missing[start : start + n]
                past = past.of(n)
                b_v, b_h = dynamics.next_biases(params, past, n)
                if gaps.any():
                    chains = partial(gibbs.chains, layout([1] * n), seed, "impute", t, first=first)
                    filled = expectation(
                        frame, params.W, b_v, b_h, self.visible, "mean", chains, self.n_jobs, held=~gaps
                    )
                    np.copyto(frame, filled, where=gaps)
                past = past.followed_by(frame, hidden_mean(frame, params.W, b_h), self._reach())
            return v

        return self._map(X, group, mask)

    def log_likelihood(self, X):
        """Log-likelihood of each sequence, sum_t log Q(v_t | r_{t-1}) (eq. 3.22), by exact enumeration.

        Parameters
        ----------
        X : array_like or list of array_like

        Returns
        -------
        (n_sequences,) ndarray
            In nats, not divided by the number of frames. With Bernoulli units it is the log of a probability for binary
            frames; pixels between 0 and 1 are put into the same formula. The cost is 2^(units of the smaller layer)
            times frames times units of the other.

        Raises
        ------
        ValueError
            If min(n_visible, n_hidden) > 20 (n_hidden > 20 with Gaussian visible units).
        """
        self._check_fitted()
        exact.check_enumerable(*self.params_.W.shape, self.visible)

        def group(v, where, first):
            _, b_v, b_h = self._biases(v, where)
            return exact.log_likelihood(v, self.params_.W, b_v, b_h, self.visible)[:, None]

        return np.array([frames.sum() for frames in self._map(self._checked(X), group)])

    def gradient(self, X, method="cd", random_state=None):
        """Gradient of the mean over sequences of the log-likelihood sum_t log Q(v_t | r_{t-1}).

        Parameters
        ----------
        X : array_like or list of array_like
        method : {"exact", "cd"}
            Model averages by enumeration, or by CD-k with the k in force after the updates made so far (and
            `sample_visible` as it is set).
        random_state : None, int, RandomState or Generator
            Of the chain; None: that of the next update.

        Returns
        -------
        NamedTuple of the type of `params_`

        Raises
        ------
        ValueError
            If `method` is "exact" and min(n_visible, n_hidden) > 20 (n_hidden > 20 with Gaussian visible units).
        """
        check_choice("method", method, ("exact", "cd"))
        check_random_state(random_state)
        X = self._checked(X)
        v, where = pack(X)
        if method == "exact":
            exact.check_enumerable(*self.params_.W.shape, self.visible)

            def negative_phase(h_pos, W, b_v, b_h):
                return exact.averages(W, b_v, b_h, self.visible)
        else:
            seed = self.seed_ if random_state is None else as_seed(random_state)
            negative_phase = self._cd(where, self.n_updates_, seed)
        gradient, *_ = self._gradient(v, where, negative_phase)
        return type(gradient)(*(g / len(X) for g in gradient))

    def sample(
        self, n_frames, n_sequences=1, prefix=None, random_state=None, *, n_gibbs=50, return_states=False
    ):
        """Draw sequences: at every frame a Gibbs chain of that frame's RBM, whose end is the past of later frames.

        Of an RTRBM it is r_t that goes on (Algorithm 3). Without BPTT (a TRBM, a CRBM, RTRBM(bptt=False)) it is h_t as
        drawn (Algorithm 2), so that frames and hidden states are a sample of the TRBM itself. What is returned are the
        probabilities (means, of Gaussian units) of the frames drawn, as the thesis shows them; `return_states` gives
        the draws themselves. The first frame's chain starts from noise, each later one from the frame before it.

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
            The conditional probabilities (means) E[v_t | h_t] at the end of each chain: what the thesis shows.
        states : (n_sequences, n_frames, n_visible) ndarray
            Only with `return_states`: the sampled frames the sequence went on from.

        Raises
        ------
        TypeError, ValueError
            If the model is not fitted, or an argument is not what it should be.
        """
        self._check_fitted()
        check_count("n_frames", n_frames)
        check_count("n_sequences", n_sequences)
        check_count("n_gibbs", n_gibbs)
        params, n_frames, n_sequences = self._general(self.params_), int(n_frames), int(n_sequences)
        W = params.W
        if prefix is not None:
            prefix = self._check_prefix(prefix, n_sequences)
            n_sequences = len(prefix)
        what = f"n_frames={n_frames} frames of n_sequences={n_sequences} sequences"
        check_memory(what, 2 * n_frames * n_sequences * len(W), W.dtype)
        seed = as_seed(random_state)
        where = layout([1] * n_sequences)
        if prefix is None:
            chains = gibbs.chains(where, seed, "sample", 0)
            past, v = Past(), gibbs.random_visible((n_sequences, len(W)), W.dtype, self.visible, chains)
        else:
            past, v = self._past(prefix, self.transform(prefix)), prefix[:, -1]
        probabilities = np.empty((n_sequences, n_frames, len(W)), W.dtype)
        binary = np.empty_like(probabilities) if return_states else None
        for t in range(n_frames):
            with one_blas_thread():
                b_v, b_h = dynamics.next_biases(params, past, n_sequences)
                chains = gibbs.chains(where, seed, "sample", t + 1)
                mean, v, h = gibbs.average_visible(
                    v, W, b_v, b_h, n_gibbs - 1, 1, self.visible, chains, self.n_jobs
                )
                if self.bptt:
                    h = hidden_mean(v, W, b_h)  # r_t, eq. 3.20
                past = past.followed_by(v, h, self._reach())
            probabilities[:, t] = mean
            if return_states:
                binary[:, t] = v
        return (probabilities, binary) if return_states else probabilities

    def decode(self, H, prefix=None, random_state=None, *, return_states=False):
        """Draw the frames that hidden states call for, on line (3.4): v_t ~ P(v_t | h_t = H_t, past), frame by frame.

        The past are the frames drawn so far and what goes on from them in `sample`: r_t, or without BPTT h_t.

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
            If the model is not fitted, or an argument is not what it should be.
        """
        self._check_fitted()
        params = self._general(self.params_)
        H = check_sequences(_of_one_length(H, "H"), "hidden", params.W.dtype, self.n_hidden, "H")
        past = Past()
        if prefix is not None:
            prefix = self._check_prefix(prefix, len(H), "as H has")
            past = self._past(prefix, self.transform(prefix))
            H = np.broadcast_to(H, (len(prefix), *H.shape[1:]))
        seed = as_seed(random_state)
        probabilities = np.empty((*H.shape[:2], self.n_features_in_), params.W.dtype)
        states = np.empty_like(probabilities)
        for t in range(H.shape[1]):
            b_v, b_h = dynamics.next_biases(params, past, len(H))
            probabilities[:, t] = reconstruction_mean(H[:, t], params.W, b_v, self.visible)
            states[:, t] = draw_visible(probabilities[:, t], stream(seed, "decode", t), self.visible)
            h = hidden_mean(states[:, t], params.W, b_h) if self.bptt else H[:, t]
            past = past.followed_by(states[:, t], h, self._reach())
        return (probabilities, states) if return_states else probabilities

    def _past(self, v, r):
        """What sequences (n_sequences, n_frames, ...) leave behind."""
        back = range(1, min(self._reach(), v.shape[1]) + 1)
        return Past(tuple(v[:, -n] for n in back), tuple(r[:, -n] for n in back), v.shape[1])

    def _reach(self):
        """The number of frames the biases look back."""
        params = self._general(self.params_)
        return max(map(len, (params.A, params.B, params.C, params.U_v)))

    def _check_prefix(self, prefix, n_sequences, source="n_sequences"):
        prefix = as_float(_of_one_length(prefix, "prefix"), "prefix", self.params_.W.dtype)
        if prefix.ndim not in (2, 3):
            raise ValueError(
                f"prefix must have 2 or 3 dimensions ([n_sequences,] n_frames, n_visible), got shape {prefix.shape}"
            )
        if prefix.ndim == 2:
            prefix = prefix[None]
        prefix = check_sequences(prefix, self.visible, self.params_.W.dtype, self.n_features_in_, "prefix")
        if 1 not in (len(prefix), n_sequences) and len(prefix) != n_sequences:
            raise ValueError(f"prefix must hold 1 sequence or {n_sequences} ({source}), got {len(prefix)}")
        return np.broadcast_to(prefix, (max(len(prefix), n_sequences), *prefix.shape[1:]))

    def _check(self, X, n_visible=None):
        return check_sequences(X, self.visible, np.dtype(self.dtype), n_visible)

    def _checked(self, X):
        """X as sequences a fitted model takes."""
        self._check_fitted()
        return self._check(X, self.n_features_in_)

    def _map(self, X, function, *others):
        """Apply function(v, where, first sequence, ...) to packed groups of sequences of X and of `others`.

        The result has the form of X.
        """
        results, first = [], 0
        ends = np.cumsum([len(sequence) for sequence in X])
        while first < len(X):
            done = ends[first - 1] if first else 0
            last = max(first + 1, int(np.searchsorted(ends, done + GROUP_ROWS, side="right")))
            v, where = pack(X[first:last])
            packed = [pack(other[first:last])[0] for other in others]
            with one_blas_thread():
                results += unpack(function(v, where, first, *packed), where)
            first = last
        return np.stack(results) if isinstance(X, np.ndarray) else results

    def _check_hyper_parameters(self):
        super()._check_hyper_parameters()
        check_choice("bptt", self.bptt, (True, False))
        check_choice("initialization", self.initialization, ("data", "thesis"))

    def _general(self, params):
        return params

    def _own(self, params):
        return params

    def _initial_params(self, minibatch, seed):
        shapes = self._shapes(minibatch(0).shape[1])
        return self._own(dynamics.initial_params(minibatch, shapes, self.visible, seed, self.initialization))

    def _blank(self, n_visible):
        nothing = np.zeros((), self.dtype)
        shapes = self._shapes(n_visible)
        return self._own(type(shapes)(*(np.broadcast_to(nothing, shape) for shape in shapes)))

    def _gradient(self, v, where, negative_phase):
        params = self._general(self.params_)
        derivatives, *rest = dynamics.gradient(
            params, v, where, negative_phase, self.bptt, self.n_jobs, engines.named(self.engine)
        )
        return self._own(derivatives), *rest

    def _visible_mean(self, h, b_v):
        """E[v | h] of every row."""
        return visible_mean(product(h, self.params_.W.T, self.n_jobs) + b_v, self.visible)

    def _biases(self, v, where):
        return dynamics.states_and_biases(self._general(self.params_), v, where, self.n_jobs)


def _of_one_length(sequences, name):
    """Sequences as one array."""
    check_unmasked(sequences, name)
    try:
        return np.asarray(sequences)
    except ValueError:
        raise ValueError(f"{name} must be sequences of one length, got some of different lengths") from None


def _summary(lengths):
    """Numbers of frames, for a message."""
    return f"{len(lengths)} of {min(lengths, default=0)} to {max(lengths, default=0)} frames"
