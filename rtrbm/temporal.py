"""The verbs of a temporal RBM, the same for every model that makes the biases of its frames from the past."""

import numpy as np

from . import exact, gibbs
from .estimator import TrainedRBM
from .evaluate import squared_error
from .parallel import one_blas_thread
from .predict import PROTOCOLS, expectation
from .sequences import layout, pack, unpack
from .streams import as_seed
from .validation import as_float, check_choice, check_count, check_memory, check_sequences

GROUP_ROWS = 8192


class TemporalRBM(TrainedRBM):
    """A model of sequences.

    A subclass adds to `TrainedRBM`: `_states_and_biases(v, where)` -> states, b_v, b_h, and
    `_next_biases(states, n_sequences)` -> b_v, b_h and `_next_states(v, b_h)` -> states
    for one frame of every sequence.
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
        return self._map(self._checked(X), lambda v, where, first: self._states_and_biases(v, where)[0])

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
            _, b_v, b_h = self._states_and_biases(v, where)

            def chains(number):
                return gibbs.chains(where, seed, "predict", number, first=first)

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
            _, b_v, b_h = self._states_and_biases(v, where)
            return exact.log_likelihood(v, self.params_.W, b_v, b_h, self.visible)[:, None]

        return np.array([frames.sum() for frames in self._map(self._checked(X), group)])

    def gradient(self, X, method="cd", random_state=None):
        """Gradient of the mean over sequences of the log-likelihood sum_t log Q(v_t | r_{t-1}).

        Parameters
        ----------
        X : array_like or list of array_like
        method : {"exact", "cd"}
            Model averages by enumeration, or by CD-k with the k in force after the updates made so far.
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
        X = self._checked(X)
        v, where = pack(X)
        if method == "exact":
            exact.check_enumerable(*self.params_.W.shape, self.visible)

            def negative_phase(h_pos, W, b_v, b_h):
                return exact.averages(W, b_v, b_h, self.visible)
        else:
            seed = self.seed_ if random_state is None else as_seed(random_state)
            negative_phase = self._cd(where, self.n_updates_, seed)
        gradient, _ = self._gradient(v, where, negative_phase)
        return type(gradient)(*(g / len(X) for g in gradient))

    def sample(
        self, n_frames, n_sequences=1, prefix=None, random_state=None, *, n_gibbs=50, return_states=False
    ):
        """Draw sequences (Algorithm 3): at every frame a Gibbs chain of that frame's RBM, then r_t from its end.

        What is returned are the probabilities (means, of Gaussian units) of the frames drawn, as the thesis shows them;
        `return_states` gives the draws themselves. The first frame's chain starts from noise, each later one from the
        frame before it.

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
        W, n_frames, n_sequences = self.params_.W, int(n_frames), int(n_sequences)
        what = f"n_frames={n_frames} frames of n_sequences={n_sequences} sequences"
        check_memory(what, 2 * n_frames * n_sequences * len(W), W.dtype)
        if prefix is not None:
            prefix = self._check_prefix(prefix, n_sequences)
            n_sequences = len(prefix)
        seed = as_seed(random_state)
        where = layout([1] * n_sequences)
        if prefix is None:
            chains = gibbs.chains(where, seed, "sample", 0)
            states, v = None, gibbs.random_visible((n_sequences, len(W)), W.dtype, self.visible, chains)
        else:
            r, *_ = self._states_and_biases(*pack(prefix))
            states, v = r[-n_sequences:], prefix[:, -1]
        probabilities = np.empty((n_sequences, n_frames, len(W)), W.dtype)
        binary = np.empty_like(probabilities) if return_states else None
        for t in range(n_frames):
            with one_blas_thread():
                b_v, b_h = self._next_biases(states, n_sequences)
                chains = gibbs.chains(where, seed, "sample", t + 1)
                mean, v = gibbs.average_visible(
                    v, W, b_v, b_h, n_gibbs - 1, 1, self.visible, chains, self.n_jobs
                )
                states = self._next_states(v, b_h)
            probabilities[:, t] = mean
            if return_states:
                binary[:, t] = v
        return (probabilities, binary) if return_states else probabilities

    def _check_prefix(self, prefix, n_sequences):
        prefix = as_float(prefix, "prefix", self.params_.W.dtype)  # sequences of one length
        if prefix.ndim == 2:
            prefix = prefix[None]
        prefix = check_sequences(prefix, self.visible, self.params_.W.dtype, self.n_features_in_, "prefix")
        if 1 not in (len(prefix), n_sequences) and len(prefix) != n_sequences:
            raise ValueError(f"prefix must hold 1 or n_sequences={n_sequences} sequences, got {len(prefix)}")
        return np.broadcast_to(prefix, (max(len(prefix), n_sequences), *prefix.shape[1:]))

    def _check(self, X, n_visible=None):
        return check_sequences(X, self.visible, np.dtype(self.dtype), n_visible)

    def _checked(self, X):
        """X as sequences a fitted model takes."""
        self._check_fitted()
        return self._check(X, self.n_features_in_)

    def _map(self, X, function):
        """Apply function(v, where, first sequence) to packed groups of sequences; the result has the form of X."""
        results, first = [], 0
        ends = np.cumsum([len(sequence) for sequence in X])
        while first < len(X):
            done = ends[first - 1] if first else 0
            last = max(first + 1, int(np.searchsorted(ends, done + GROUP_ROWS, side="right")))
            v, where = pack(X[first:last])
            with one_blas_thread():
                results += unpack(function(v, where, first), where)
            first = last
        return np.stack(results) if isinstance(X, np.ndarray) else results
