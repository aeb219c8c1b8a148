"""The static RBM: frames without order."""

from functools import partial

import numpy as np

from . import ais, engines, exact, gibbs
from .dynamics import without_taps
from .estimator import TrainedRBM
from .parallel import gram, product
from .predict import expectation
from .rbm import (
    RBMParams,
    free_energy,
    hidden_mean,
    initial_params,
    reconstruction_mean,
    sample_visible,
)
from .sequences import layout
from .streams import as_seed, check_random_state, stream
from .units import sigmoid
from .validation import check_count, check_frames, check_memory, rows_without_missing


def gradient(params, v, negative_phase, n_jobs=None, engine=engines.NUMPY):
    """Gradient of sum log P(v) over the rows of v.

    Parameters
    ----------
    params : RBMParams
    v : (n_rows, n_visible) ndarray
    negative_phase : callable (h_pos, W, b_v, b_h) -> Averages
        Exact (`rtrbm.exact.averages`), one row that stands for all, or by CD-k (`cd_averages`), one row each.
    n_jobs : int, optional
    engine : Engine

    Returns
    -------
    derivatives : RBMParams
    c_v : (n_rows, n_visible) ndarray
        v - <v>
    h_neg : (n_rows, n_hidden) or (1, n_hidden) ndarray
        <h>
    """
    W, b_v, b_h = params
    h_pos = product(v, W, n_jobs, engine.multiply)
    h_pos += b_h
    sigmoid(h_pos, out=h_pos)
    negative = negative_phase(h_pos, W, b_v, b_h)
    d_W = gram(v, h_pos, n_jobs, multiply=engine.multiply)
    d_W -= len(v) // len(negative.v) * negative.vh()
    c_v = v - negative.v
    return RBMParams(d_W, c_v.sum(axis=0), (h_pos - negative.h).sum(axis=0)), c_v, negative.h


class RBM(TrainedRBM):
    """Restricted Boltzmann machine for single frames (Smolensky 1986), trained by CD-k (Hinton 2002).

    P(v, h) = exp(v b_v + h b_h + v W h) / Z, times exp(-|v|^2 / 2) for Gaussian visible units; trained to
    climb log P(v). It is the RBM of the temporal models with biases that do not depend on the past.

    Parameters
    ----------
    n_hidden : int
        Hidden units.
    visible : {"bernoulli", "gaussian"}
        Bernoulli units for data in [0, 1], unit-variance Gaussian ones for standardised real values.
    n_gibbs : int or dict {first_update: k}
        Steps of the CD chain, constant or growing with training; a schedule starts at update 0.
    sample_visible : bool
        If False, the CD chain takes visible units by their means, as the TRBM of 3.3 does: far less noisy, but biased
        however long the chain is, since means are no states (docs/gradient.md).
    optimizer : {"adam", "momentum"}
    learning_rate : float
        At the first update; `fit` lets it fall linearly to 0.
    momentum : float
        Decay of the running mean of the gradient (Adam) or of the velocity (momentum).
    centering : bool
        Take gradient steps in coordinates where units have mean zero (`rtrbm.centering`); learns much faster.
    max_norm : float, optional
        The gradient per row is scaled down to this Euclidean norm if it is longer.
    batch_size : int
        Rows per update (when X is not a stream, which brings its own minibatches).
    n_updates : int
        Updates of `fit`.
    dtype : {"float32", "float64"}
    engine : {"numpy", "numba"}
        Who does the work of training: numpy, or numba (the extra ``rtrbm[fast]``), in single precision up to twice as
        fast and with other random numbers.
    n_jobs : int, optional
        Threads: -1 all processors, None 1. Results do not depend on it.
    random_state : None, int, RandomState or Generator
        As in scikit-learn: an int makes every run the same.
    verbose : int
        Show a progress bar if greater than 0 and on a terminal.

    Attributes
    ----------
    params_ : RBMParams
        Learned arrays W, b_v, b_h.
    history_ : dict of lists
        reconstruction_error (squared, per row), gradient_norm, learning_rate and n_gibbs of every update.
    n_updates_ : int
        Updates made.
    seed_ : int
        The seed of all random streams of the run.
    n_features_in_ : int
        Visible units.

    Examples
    --------
    >>> from rtrbm import RBM
    >>> X = np.repeat([[0, 0, 1, 1], [1, 1, 0, 0]], 50, axis=0)
    >>> model = RBM(n_hidden=3, learning_rate=0.05, n_updates=300, random_state=0).fit(X)
    >>> model.transform(X).shape
    (100, 3)
    >>> bool(model.score(X) > -1)  # nats; the best is -log 2
    True
    """

    _axes = ("n_samples", "n_visible")

    def __init__(
        self,
        n_hidden=100,
        *,
        visible="bernoulli",
        n_gibbs=10,
        sample_visible=True,
        optimizer="adam",
        learning_rate=3e-3,
        momentum=0.9,
        centering=True,
        max_norm=None,
        batch_size=128,
        n_updates=2000,
        dtype="float32",
        engine="numpy",
        n_jobs=-1,
        random_state=None,
        verbose=0,
    ):
        self.n_hidden = n_hidden
        self.visible = visible
        self.n_gibbs = n_gibbs
        self.sample_visible = sample_visible
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.momentum = momentum
        self.centering = centering
        self.max_norm = max_norm
        self.batch_size = batch_size
        self.n_updates = n_updates
        self.dtype = dtype
        self.engine = engine
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose

    def transform(self, X):
        """P(h = 1 | v) of each row.

        Parameters
        ----------
        X : (n_samples, n_visible) array_like

        Returns
        -------
        (n_samples, n_hidden) ndarray
        """
        v = self._check_rows(X)
        return hidden_mean(v, self.params_.W, self.params_.b_h)

    def gibbs(self, X, random_state=None):
        """One step of Gibbs sampling from each row: h ~ P(h | v), then v' ~ P(v | h).

        Parameters
        ----------
        X : (n_samples, n_visible) array_like
        random_state : None, int, RandomState or Generator
            In a loop hand in a generator: the same int draws the same numbers at each call.

        Returns
        -------
        (n_samples, n_visible) ndarray
            v', sampled.
        """
        v = self._check_rows(X)
        return self._chain(v, 1, "chain", as_seed(random_state))[1]

    def denoise(self, X):
        """E[v | h = P(h = 1 | X)] of each row: up and down once.

        Parameters
        ----------
        X : (n_samples, n_visible) array_like

        Returns
        -------
        (n_samples, n_visible) ndarray
        """
        return reconstruction_mean(self.transform(X), self.params_.W, self.params_.b_v, self.visible)

    def impute(self, X, mask, random_state=None):
        """Fill in missing values of each row with E[v_missing | v_present], averaged over Gibbs chains.

        Parameters
        ----------
        X : (n_samples, n_visible) array_like
            Values at missing places are ignored; they may be NaN.
        mask : (n_samples, n_visible) array_like of bool
            True where a value is missing.
        random_state : None, int, RandomState or Generator
            None: the seed the model was trained with.

        Returns
        -------
        (n_samples, n_visible) ndarray
            X, with probabilities (Bernoulli) or means (Gaussian) where a value was missing.

        Raises
        ------
        TypeError, ValueError
            If the model is not fitted, X is not what it should be, or `mask` has another shape.
        """
        self._check_fitted()
        X, mask = rows_without_missing(X, mask)
        v = self._check_rows(X)
        seed = self.seed_ if random_state is None else as_seed(random_state)
        chains = partial(gibbs.chains, layout([1] * len(v)), seed, "impute")
        W, b_v, b_h = self.params_
        b_h = np.broadcast_to(b_h, (len(v), len(b_h)))
        return expectation(v, W, b_v, b_h, self.visible, "mean", chains, self.n_jobs, held=~mask)

    def sample(self, n_samples=1, random_state=None, *, n_gibbs=1000, return_states=False):
        """Draw rows, each from a Gibbs chain of its own that starts with all hidden units off.

        Parameters
        ----------
        n_samples : int
        random_state : None, int, RandomState or Generator
        n_gibbs : int
            Steps of the chain; a well-trained model may want many more before it forgets its start.
        return_states : bool
            Also return the sampled visible states.

        Returns
        -------
        probabilities : (n_samples, n_visible) ndarray
            The conditional probabilities (means) E[v | h] at the end of each chain.
        states : (n_samples, n_visible) ndarray
            Only with `return_states`: the samples v ~ P(v | h).
        """
        self._check_fitted()
        check_count("n_samples", n_samples)
        check_count("n_gibbs", n_gibbs)
        W, b_v, _ = self.params_
        check_memory("the samples", int(n_samples) * (3 * len(W) + W.shape[1]), W.dtype)
        seed = as_seed(random_state)
        off = np.zeros((n_samples, W.shape[1]), W.dtype)
        start = sample_visible(off, W, b_v, stream(seed, "sample"), self.visible)
        probabilities, states = self._chain(start, n_gibbs, "sample", seed)
        return (probabilities, states) if return_states else probabilities

    def free_energy(self, X):
        """F(v) = -log sum_h exp(v b_v + h b_h + v W h) of each row, plus |v|^2 / 2 for Gaussian units.

        Parameters
        ----------
        X : (n_samples, n_visible) array_like

        Returns
        -------
        (n_samples,) float64 ndarray
            In nats; log P(v) = -F(v) - log Z.
        """
        v = self._check_rows(X)
        return free_energy(v.astype(float, copy=False), *self._float64(), self.visible)

    def log_partition(self, random_state=None):
        """log Z, exact if min(n_visible, n_hidden) <= 20 (n_hidden <= 20 with Gaussian visible units).

        Otherwise the estimate of `rtrbm.ais.log_partition` with its default settings.

        Parameters
        ----------
        random_state : None, int, RandomState or Generator
            Of the estimate. None: the seed the model was trained with, so that it is repeatable.

        Returns
        -------
        log_z : float
            In nats.
        standard_error : float
            0 if `log_z` is exact.
        """
        self._check_fitted()
        check_random_state(random_state)
        shape = self.params_.W.shape
        if (shape[1] if self.visible == "gaussian" else min(shape)) <= exact.MAX_UNITS:
            return float(exact.log_partition(*self._float64(), self.visible)[0]), 0.0
        seed = self.seed_ if random_state is None else random_state
        return ais.log_partition(*self.params_, self.visible, random_state=seed, n_jobs=self.n_jobs)

    def score_samples(self, X, random_state=None):
        """log P(v) = -F(v) - log Z of each row.

        Parameters
        ----------
        X : (n_samples, n_visible) array_like
        random_state : None, int, RandomState or Generator
            Of log Z where it is an estimate, see `log_partition`; an error of log Z shifts all rows alike.

        Returns
        -------
        (n_samples,) float64 ndarray
            In nats; of Gaussian units the log of a density.
        """
        return -self.free_energy(X) - self.log_partition(random_state)[0]

    def score(self, X, y=None):
        """The mean of `score_samples`, in nats per row.

        Parameters
        ----------
        X : (n_samples, n_visible) array_like
        y : None
            Ignored.

        Returns
        -------
        float
            Greater is better.
        """
        return float(self.score_samples(X).mean())

    def _chain(self, v, n_gibbs, purpose, seed):
        """E[v | h] and v at the end of chains that start at v."""
        chains = gibbs.chains(layout([1] * len(v)), seed, purpose)
        n_burn_in, n_average = n_gibbs - 1, 1
        return gibbs.average_visible(
            v, *self.params_, n_burn_in, n_average, self.visible, chains, self.n_jobs
        )[:2]

    def _float64(self):
        return RBMParams(*(parameter.astype(float, copy=False) for parameter in self.params_))

    def _check_rows(self, X):
        self._check_fitted()
        return check_frames(X, self.visible, self.params_.W.dtype, self.n_features_in_, axes=self._axes)

    def _check(self, X, n_visible=None):
        return check_frames(X, self.visible, np.dtype(self.dtype), n_visible, axes=self._axes)

    def _pack(self, data):
        return data, layout([1] * len(data))

    def _blank(self, n_visible):
        nothing, n_hidden = np.zeros((), self.dtype), int(self.n_hidden)
        shapes = RBMParams((n_visible, n_hidden), (n_visible,), (n_hidden,))
        return RBMParams(*(np.broadcast_to(nothing, shape) for shape in shapes))

    def _general(self, params):
        W, b_v, b_h = params
        return without_taps(W, b_v=b_v, b_h=b_h)

    def _initial_params(self, minibatch, seed):
        return initial_params(minibatch(0), self.n_hidden, self.visible, seed)

    def _gradient(self, v, where, negative_phase):
        return gradient(self.params_, v, negative_phase, self.n_jobs, engines.named(self.engine))
