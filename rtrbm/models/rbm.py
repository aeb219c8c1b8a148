"""The static RBM (chapter 3.1): frames without order."""

from __future__ import annotations

from functools import partial
from typing import Any, Literal, overload

import numpy as np

from .. import checks, user_data
from ..compute.threads import one_blas_thread
from ..estimators.base import TrainedRBM
from ..estimators.features import check_mask
from ..estimators.likelihoods import Likelihood, Scores, scores, warn_of_doubts, warn_of_grey
from ..estimators.protocol import configured
from ..estimators.recipe import CENTERING
from ..estimators.settings import setting, settings
from ..foreign import Sparse, is_sparse
from ..minibatches.fingerprint import spread
from ..minibatches.sequences import layout, pack
from ..past.conditioner import RBMParams, Static
from ..parameters import each
from ..progress import bar
from ..rbm import tempered
from ..rbm.chains import Draw, average_visible
from ..rbm.conditionals import free_energy, hidden_mean, reconstruction_mean, sample_visible
from ..rbm.expectation import expectation
from ..rbm.partition import check_settings, log_partition, rows_of_data
from ..biases import Biases
from ..streams import as_seed, stream
from ..types import Array, ArrayLike, Given, Seed

__all__ = ["RBM", "RBMParams"]

MEASURED = 1000  # rows of the validation data
N_CHAINS = 128  # that log Z is estimated from


@settings
class RBM(TrainedRBM):
    """Restricted Boltzmann machine for single frames (Smolensky 1986), trained by CD-k (Hinton 2002).

    P(v, h) = exp(v b_v + h b_h + v W h) / Z, times the units' exp(log_base(v)), which is exp(-|v|^2 / 2) for Gaussian
    ones; trained to climb log P(v). It is the RBM of the temporal models with biases that do not depend on the past.

    The defaults are chosen on digits (docs/from-sklearn.md) for features of a classifier, in a short time. For a higher
    likelihood take more updates. Variances of features ("scaled_gaussian") want more steps of the chain and a smaller
    rate, for example ``n_gibbs=10, learning_rate=0.003, n_updates=2000``.

    Parameters
    ----------
    n_hidden : int
        Hidden units.
    visible : {"bernoulli", "gaussian", "poisson", "softmax", "scaled_gaussian"} or Units
        Bernoulli units for data in [0, 1]; Gaussian units of variance 1 for standardised real values, or with a learned
        variance of every feature ("scaled_gaussian"); Poisson units for counts; softmax units for one-hot frames
        (`rtrbm.rbm.Softmax` takes groups of features).
    negative : {"cd", "noise", "pcd", "tempered", "exact"} or NegativePhase
        The averages under the model: contrastive divergence; chains from noise; chains that go on from one update to
        the next (`rtrbm.rbm.Persistent`); the same at several temperatures (`rtrbm.rbm.Tempered`); or sums over all
        states of at most 25 hidden units, or of at most 25 binary visible units.
    standardize : bool
        Bring every feature of real values to mean 0 and standard deviation 1, measured in the data of `fit` (of a
        stream or an iterable in its first 30 minibatches, or `n_updates` if these are fewer). Results of
        the verbs come back in the units of X, densities too (docs/your-data.md).
    n_gibbs : int or dict {first_update: k}
        Steps of the chain in the negative phase, constant or growing with training; a schedule starts at update 0.
    sample_visible : bool
        If False, the CD chain takes visible units by their means, as the TRBM of 3.3 does. The gradient has
        about a fifth of the noise, but it is biased for any length of the chain, since means are no states
        (docs/gradient.md).
    optimizer : {"adam", "momentum", "spectral"}
        "spectral": steps of equal size in every direction of a matrix (`rtrbm.training.spectral`), biases by Adam.
    learning_rate : float
        At the first update; `fit` lets it fall linearly to 0. With "spectral" the root mean square of the change of a
        matrix; biases take twice the rate.
    momentum : float
        Decay of the running mean of the gradient (Adam, "spectral") or of the velocity (momentum).
    centering : {"visible", True, False}
        Take gradient steps in coordinates where the visible units, or all units (True), have mean zero
        (`rtrbm.training.centering`). Hidden units that are centred are on in half of the rows. Others are on in few
        rows, and make better features for a classifier.
    max_norm : float, optional
        The gradient per row is scaled down to this Euclidean norm if it is longer.
    weight_decay : float
        Half of it times the sum of squares of all matrices is taken off the log-likelihood per row that an update
        climbs; biases are left out (`rtrbm.training.penalties`).
    l1 : float
        The same with the sum of absolute values.
    sparsity_cost : float
        The hidden biases are pushed by it times the difference of sparsity_target and a unit's mean activity.
    sparsity_target : float
        Between 0 and 1.
    batch_size : int
        Rows per update (when X is not a stream, which brings its own minibatches).
    n_updates : int
        Updates of `fit`.
    n_epochs : int, optional
        How often `fit` goes through the data; if given, `n_updates` is left aside.
    dtype : {"float32", "float64"}
    engine : {"numpy", "numba", "auto"}
        The library that does the work, of training and of the verbs. numba (the extra ``rtrbm[fast]``) is faster in
        single precision, 1.5 to 2.6 times in runs (docs/performance.md), and draws other random numbers. "auto" is
        numba where it can be imported, and numpy where not: the same seed then gives other numbers on another machine.
        numba compiles once, for 10 to 20 seconds.
    n_jobs : int, optional
        Threads: -1 all processors, None 1. Results do not depend on it.
    random_state : None, int, RandomState or Generator
        As in scikit-learn: an int makes every run the same.
    verbose : int
        Show a progress bar if greater than 0; without a terminal a line a minute.

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
    scale_ : Scale or None
        mean and deviation of every feature, if `standardize` is True.
    feature_names_in_ : (n_features_in_,) ndarray of str
        The columns of X, if `fit` was given a table.

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

    n_gibbs: int | dict[int, int] = setting(default=1, check=checks.check_n_gibbs, free=True)
    learning_rate: float = setting(default=0.05, check=partial(checks.check_number, minimum=0), free=True)
    centering: bool | str = setting(default="visible", check=partial(checks.check_choice, choices=CENTERING), free=True)
    batch_size: int = setting(default=128, check=checks.check_size, free=True)
    n_updates: int = setting(default=750, check=checks.check_count, free=True)

    _axes = ("n_samples", "n_visible")
    _is_static = True

    def _past(self):
        return Static()

    @configured
    @user_data.in_parts
    @one_blas_thread()
    def transform(self, X: ArrayLike) -> Array:
        """P(h = 1 | v) of each row.

        Parameters
        ----------
        X : (n_samples, n_visible) array_like

        Returns
        -------
        (n_samples, n_hidden) ndarray

        Raises
        ------
        TypeError, ValueError
            If the model is not fitted, or X is not valid.
        """
        v = self._check_rows(X)
        return hidden_mean(v, self.params_.W, self.params_.b_h, self._engine().product)

    def gibbs(self, X: ArrayLike, random_state: Seed = None) -> Array:
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

        Raises
        ------
        TypeError, ValueError
            If the model is not fitted, or an argument is not valid.
        """
        v = self._check_rows(X)
        states = self._chain(v, 1, Draw(as_seed(random_state), "chain"))[1]
        return self._outward(states)

    @one_blas_thread()
    def denoise(self, X: ArrayLike) -> Array:
        """E[v | h = P(h = 1 | X)] of each row: up and down once.

        Parameters
        ----------
        X : (n_samples, n_visible) array_like

        Returns
        -------
        (n_samples, n_visible) ndarray

        Raises
        ------
        TypeError, ValueError
            If the model is not fitted, or X is not valid.
        """
        v, params, product = self._check_rows(X), self.params_, self._engine().product
        h = hidden_mean(v, params.W, params.b_h, product)
        return self._outward(reconstruction_mean(h, params.W, params.b_v, self._units(), product))

    def impute(self, X: ArrayLike, mask: Given = None, random_state: Seed = None) -> Array:
        """Fill in missing values of each row with E[v_missing | v_present], averaged over Gibbs chains.

        All rows have the same random numbers: what is filled in does not depend on the other rows of X.

        Parameters
        ----------
        X : (n_samples, n_visible) array_like
            Values at missing places are ignored; they may be NaN.
        mask : (n_samples, n_visible) array_like of bool, optional
            True where a value is missing. None: where X is NaN; if X has no NaN, a warning says so.
        random_state : None, int, RandomState or Generator
            None: the seed the model was trained with.

        Returns
        -------
        (n_samples, n_visible) ndarray
            X, with probabilities (Bernoulli) or means (Gaussian) where a value was missing.

        Raises
        ------
        TypeError, ValueError
            If the model is not fitted, X is not valid, or `mask` has another shape.
        """
        self._check_fitted()
        self._check_features(X)
        check_mask(mask, X)
        given, (X, mask) = mask, user_data.rows_without_missing(X, mask)
        v = self._check_rows(X, mask)
        user_data.doubt_gaps(given, mask)
        draw = Draw(self._seed_of(random_state), "impute")
        W, b_v, b_h, _ = self.params_
        rows, filled = np.flatnonzero(mask.any(axis=1)), v.copy()
        with bar(len(rows), "row") as counted, one_blas_thread():
            filled[rows] = expectation(
                v[rows], W, Biases(b_v, b_h), self._units(), "mean", draw, np.zeros(len(rows), int),
                self._engine(), ~mask[rows], counted.update,
            )  # fmt: skip
        return np.where(mask, self._outward(filled), X.astype(self._given_dtype(), copy=False))

    @overload
    def sample(
        self,
        n_samples: int = 1,
        random_state: Seed = None,
        *,
        n_gibbs: int = 1000,
        betas: ArrayLike | None = None,
        return_states: Literal[False] = False,
    ) -> Array: ...

    @overload
    def sample(
        self,
        n_samples: int = 1,
        random_state: Seed = None,
        *,
        n_gibbs: int = 1000,
        betas: ArrayLike | None = None,
        return_states: Literal[True],
    ) -> tuple[Array, Array]: ...

    def sample(
        self,
        n_samples: int = 1,
        random_state: Seed = None,
        *,
        n_gibbs: int = 1000,
        betas: ArrayLike | None = None,
        return_states: bool = False,
    ) -> Array | tuple[Array, Array]:
        """Draw rows, each from a Gibbs chain of its own that starts with all hidden units off.

        A model with modes far apart wants parallel tempering (`rtrbm.rbm.tempered`). With `betas` each row has a chain
        at every temperature. These chains start with noise, and before each step neighbours may exchange their states.
        Rows then come from all modes in the right proportion. The cost grows with the number of temperatures.

        Parameters
        ----------
        n_samples : int
        random_state : None, int, RandomState or Generator
        n_gibbs : int
            Steps of the chain; a well-trained model may want many more before it forgets its start.
        betas : sequence of float, optional
            Inverse temperatures from 0 to 1 for parallel tempering, for example ``np.linspace(0, 1, 11)``.
        return_states : bool
            Also return the sampled visible states.

        Returns
        -------
        probabilities : (n_samples, n_visible) ndarray
            The conditional probabilities (means) E[v | h] at the end of each chain.
        states : (n_samples, n_visible) ndarray
            Only with `return_states`: the samples v ~ P(v | h).

        Raises
        ------
        TypeError, ValueError
            If the model is not fitted, an argument is not valid, or the samples do not fit into memory.
        """
        self._check_fitted()
        checks.check_count("n_samples", n_samples)
        checks.check_flag("return_states", return_states)
        checks.check_count("n_gibbs", n_gibbs)
        betas = None if betas is None else tempered.checked_betas(betas)
        W, b_v, b_h, _ = self.params_
        n_chains = int(n_samples) * (1 if betas is None else len(betas))
        checks.check_memory(f"n_samples={n_samples} samples", n_chains * (3 * len(W) + W.shape[1]), W.dtype)
        draw, units = Draw(as_seed(random_state), "sample"), self._units()
        if betas is None:
            off = np.zeros((n_samples, W.shape[1]), W.dtype)
            start, n_left = sample_visible(off, W, b_v, stream(draw.seed, "sample"), units), n_gibbs
        else:
            biases, engine = Biases(b_v, b_h), self._engine()
            start, n_left = tempered.sample(n_samples, W, biases, betas, units, n_gibbs - 1, draw, engine), 1
        means, states = (self._outward(v) for v in self._chain(start, n_left, draw))
        return (means, states) if return_states else means

    @user_data.in_parts
    @one_blas_thread()
    def free_energy(self, X: ArrayLike) -> Array:
        """F(v) = -log sum_h exp(v b_v + h b_h + v W h) of each row, minus log_base(v) of its units.

        Parameters
        ----------
        X : (n_samples, n_visible) array_like

        Returns
        -------
        (n_samples,) float64 ndarray
            In nats; log P(v) = -F(v) - log Z.

        Raises
        ------
        TypeError, ValueError
            If the model is not fitted, or X is not valid.
        """
        return np.concatenate([self._free_energy(part) for part in user_data.pieces(self._check_rows(X))])

    def _free_energy(self, v):
        W, b_v, b_h, _ = self._float64()
        return free_energy(v.astype(float, copy=False), W, b_v, b_h, self._units()) - self._log_volume()

    def log_partition(
        self, random_state: Seed = None, *, method: str = "auto", X: ArrayLike | None = None
    ) -> tuple[float, float]:
        """log Z, exact if that costs less than its estimate (`rtrbm.rbm.partition.log_partition`).

        A warning says so where its bounds are far apart.

        Parameters
        ----------
        random_state : None, int, RandomState or Generator
            Of the estimate. None: the seed the model was trained with, so that it is repeatable.
        method : {"auto", "exact", "ais"}
        X : (n_samples, n_visible) array_like, optional
            Data, from which some chains of the estimate start.

        Returns
        -------
        log_z : float
            In nats.
        standard_error : float
            0 if `log_z` is exact.

        Raises
        ------
        TypeError, ValueError
            If the model is not fitted, an argument is not valid, or `method` is exact and both layers have too many
            units.
        """
        self._check_fitted()
        found = self._log_z(None if X is None else self._check_rows(X), method, random_state)
        warn_of_doubts(Scores(*scores(np.zeros(1), found).T), "rows", has_density=True)
        return float(found.log_z[0]), float(found.standard_error[0])

    @overload
    def score_samples(
        self, X: ArrayLike, method: str = "auto", random_state: Seed = None, *, return_bracket: Literal[False] = False
    ) -> Array: ...

    @overload
    def score_samples(
        self, X: ArrayLike, method: str = "auto", random_state: Seed = None, *, return_bracket: Literal[True]
    ) -> tuple[Array, Array, Array]: ...

    def score_samples(
        self, X: ArrayLike, method: str = "auto", random_state: Seed = None, *, return_bracket: bool = False
    ) -> Any:
        """log P(v) = -F(v) - log Z of each row.

        Parameters
        ----------
        X : (n_samples, n_visible) array_like
        method : {"auto", "exact", "ais"}
            How log Z is found: by the sum over all states of at most 25 hidden units, or of at most 25 binary visible
            units; or by annealed importance sampling (`rtrbm.rbm.partition.log_partition`) with rows of X in its
            chains. "auto" takes the one that costs less. A warning says so where the bounds of log Z are far apart.
        random_state : None, int, RandomState or Generator
            Of the estimate; its error shifts all rows alike. None: the seed the model was trained with.
        return_bracket : bool
            Also return bounds of every value.

        Returns
        -------
        log_p : (n_samples,) float64 ndarray
            In nats; of Gaussian units the log of a density.
        lower, upper : (n_samples,) float64 ndarrays
            Only with `return_bracket`: between them is the truth, unless there are modes that no chain came to. If log
            Z is exact they are log_p.

        Raises
        ------
        TypeError, ValueError
            If the model is not fitted, an argument is not valid, or `method` is exact and both layers have too many
            units.
        """
        checks.check_flag("return_bracket", return_bracket)
        found = self._scores(X, method, random_state)
        return (found.log_p, found.lower, found.upper) if return_bracket else found.log_p

    def log_likelihood(self, X: ArrayLike, method: str = "auto", random_state: Seed = None) -> Array:
        """log P(v) of each row, as a sequence of one frame: `score_samples` by the name that all models have.

        Parameters
        ----------
        X, method, random_state
            As of `score_samples`.

        Returns
        -------
        (n_samples,) float64 ndarray

        Raises
        ------
        TypeError, ValueError
            As `score_samples`.
        """
        return self._scores(X, method, random_state).log_p

    def likelihood(
        self,
        X: ArrayLike,
        method: str = "auto",
        random_state: Seed = None,
        *,
        n_chains: int | None = None,
        n_steps: int | None = None,
    ) -> Likelihood:
        """Nats per row: the mean of `score_samples`, with its bounds.

        Parameters
        ----------
        X, method, random_state
            As of `score_samples`.
        n_chains, n_steps : int, optional
            Of annealed importance sampling: chains (128), and temperatures in place of 64 to 4,096.

        Returns
        -------
        Likelihood
            A tuple of nats, standard_error, lower, upper, n_frames, method and effective; ``print`` says it in words.

        Raises
        ------
        TypeError, ValueError
            As `score_samples`.

        Warns
        -----
        UserWarning
            As of `rtrbm.RTRBM.likelihood`.
        """
        return self._scores(X, method, random_state, n_chains, n_steps, doubt_grey=True).mean()

    def score(self, X: ArrayLike, y: object = None) -> float:
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

        Raises
        ------
        TypeError, ValueError
            As `score_samples`.
        """
        return float(self._scores(X, "auto", None).log_p.mean())

    def _scores(self, X, method, random_state, n_chains=None, n_steps=None, doubt_grey=False):
        """The `Scores` of rows; sparse ones are made dense a part at a time."""
        self._check_fitted()
        check_settings(*self.params_.W.shape, self._units(), method, n_chains, n_steps)
        if is_sparse(X) and len(X.shape) == 2:
            unnormalised, rows = -self.free_energy(X), Sparse(X)
        else:
            rows = self._check_rows(X)
            unnormalised = -np.concatenate([self._free_energy(part) for part in user_data.pieces(rows)])
        v = rows[rows_of_data(unnormalised)]
        v = self._check_rows(v) if isinstance(rows, Sparse) else v
        log_z = self._log_z(v, method, random_state, n_chains, n_steps)
        found = Scores(*scores(unnormalised, log_z).T)
        warn_of_doubts(found, "rows", self._units().linear)
        if doubt_grey:
            warn_of_grey(map(np.asarray, user_data.pieces(rows)), self._units(), "rows")
        return found

    def _log_z(self, v, method, random_state, n_chains=None, n_steps=None):
        """log Z with its bounds; `v` are data."""
        W, b_v, b_h, _ = self.params_
        seed = self._seed_of(random_state)
        with bar(1, "estimate") as counted, one_blas_thread():
            return log_partition(
                W, b_v, b_h, self._units(), method=method, data=v, n_steps=n_steps,
                n_chains=N_CHAINS if n_chains is None else n_chains, random_state=seed, engine=self._engine(),
                count=counted.update,
            )  # fmt: skip

    def _measured(self, V):
        """Of up to 1000 rows, the squared error per row of a quarter of the features, filled in from the others."""
        rows = np.stack([V[i] for i in spread(len(V), MEASURED)])
        parts = self._units().parts(rows.shape[1])
        n = parts[-1] + 1
        rank = stream(self.seed_, "validation").random((len(rows), n)).argsort(axis=1)
        filled = self.impute(rows, (rank < -(-n // 4))[:, parts])
        error = float(np.square(np.subtract(rows, filled, dtype=float)).sum() / len(rows))
        return error, self._scores(rows, "exact", None).log_p.mean() if self._is_quick(1) else None

    def _chain(self, v, n_gibbs, draw):
        """E[v | h] and v at the end of chains that start at v."""
        W, b_v, b_h, _ = self.params_
        engine = self._engine()
        chains = draw.chains_of_rows(len(v), engine)
        these = v, W, Biases(b_v, b_h), n_gibbs - 1, 1, self._units(), chains, engine
        with bar(len(v) * n_gibbs, "step") as counted:
            return average_visible(*these, count=counted.update)[:2]

    def _float64(self):
        return each(lambda parameter: parameter.astype(float, copy=False), self.params_)

    def _check_rows(self, X, missing=None):
        """Rows that a fitted model takes, as the RBM sees them."""
        return self._inward(self._checked(X, missing))

    def _check(self, X, n_visible=None, missing=None):
        dtype, check = self._given_dtype(), self._units().check
        return user_data.check_frames(X, check, dtype, n_visible, axes=self._axes, missing=missing)

    def _pack(self, data):
        return pack(data) if isinstance(data, list) else (data, layout([1] * len(data)))
