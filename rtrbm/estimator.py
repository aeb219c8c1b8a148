"""What every trained model shares: hyper-parameters, updates, fitting, files."""

import inspect
import json
import os

import numpy as np

from . import checkpoint as files
from . import optim
from .centering import centre_biases, centre_gradient
from .parallel import n_threads, one_blas_thread
from .sequences import pack, tiles
from .streams import as_seed, stream
from .train import Interruptible, Shuffled, progress_bar
from .validation import (
    check_choice,
    check_count,
    check_memory,
    check_n_gibbs,
    check_number,
    check_visible,
)

OPTIMIZERS = ("adam", "momentum")
DTYPES = ("float32", "float64")


class Estimator:
    """Hyper-parameters with the habits of scikit-learn: the constructor's keywords, stored as they are."""

    @classmethod
    def _names(cls):
        return [name for name in inspect.signature(cls.__init__).parameters if name != "self"]

    def get_params(self, deep=True):
        """Hyper-parameters by name.

        Parameters
        ----------
        deep : bool
            Accepted for scikit-learn's sake.

        Returns
        -------
        dict
        """
        return {name: getattr(self, name) for name in self._names()}

    def set_params(self, **params):
        """Set hyper-parameters by name.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If there is no hyper-parameter of that name.
        """
        for name in params:
            if name not in self._names():
                raise ValueError(f"{type(self).__name__} has no hyper-parameter {name!r}, only {self._names()}")
        for name, value in params.items():
            setattr(self, name, value)
        return self

    def __repr__(self):
        defaults = inspect.signature(type(self).__init__).parameters
        changed = {k: v for k, v in self.get_params().items() if v != defaults[k].default}
        return f"{type(self).__name__}({', '.join(f'{k}={v!r}' for k, v in changed.items())})"


class TrainedRBM(Estimator):
    """A model trained by stochastic gradient ascent on its log-likelihood.

    A subclass says how input is checked (`_check`), how parameters start (`_initial_params`) and what their gradient is
    (`_gradient`); and how checked input becomes rows (`_pack`), if not as sequences.
    """

    def fit(self, X, *, checkpoint=None, checkpoint_every=500, resume=False):
        """Train for `n_updates` updates, the learning rate falling linearly to 0.

        Parameters
        ----------
        X : array_like, list of array_like, or stream
            Data, or an endless source of fresh data: an object whose ``minibatch(update)`` returns the data of that
            update (`rtrbm.datasets.BouncingBalls` is one).
        checkpoint : path-like, optional
            HDF5 file to write the state of training to, at an interval, at the end and on Ctrl-C.
        checkpoint_every : int
            Updates between checkpoints.
        resume : bool
            Continue from `checkpoint` if that file exists; the result is that of an uninterrupted run, bit for bit.

        Returns
        -------
        self

        Raises
        ------
        TypeError, ValueError
            If a hyper-parameter, X or the checkpoint is not what it should be; nothing is changed then.
        FloatingPointError
            If the gradient is no longer finite; the last checkpoint stands.
        KeyboardInterrupt
            On Ctrl-C, once the update under way is done and the checkpoint written.
        """
        self._check_hyper_parameters()
        check_count("checkpoint_every", checkpoint_every)
        if resume and checkpoint is None:
            raise ValueError("resume=True needs checkpoint, the file to resume from")
        data = X if hasattr(X, "minibatch") else self._check(X)
        if resume and os.path.exists(checkpoint):
            self._restore(checkpoint, same_settings=True)
        else:
            self._start(data)
        if not hasattr(data, "minibatch"):
            data = Shuffled(data, self.batch_size, self.seed_)
        with Interruptible() as interrupt, progress_bar(self) as bar:
            while self.n_updates_ < self.n_updates and not interrupt.requested:
                rate = optim.linear_decay(self.learning_rate, self.n_updates_, self.n_updates)
                n_frames = self._update(data.minibatch(self.n_updates_), rate)
                bar.advance(self.history_, n_frames)
                if checkpoint is not None and self.n_updates_ % checkpoint_every == 0:
                    self.save(checkpoint)
            if checkpoint is not None:
                self.save(checkpoint)
        if interrupt.requested:
            raise KeyboardInterrupt
        return self

    def partial_fit(self, X, y=None):
        """Make one update on the data X, at the constant `learning_rate`.

        The first call on a new model initialises the parameters; later ones go on where the last update, `fit` or `load`
        stopped.

        Parameters
        ----------
        X : array_like or list of array_like
            One minibatch.
        y : None
            Ignored.

        Returns
        -------
        self
        """
        self._check_hyper_parameters()
        fitted = hasattr(self, "params_")
        data = self._check(X, self.params_.W.shape[0] if fitted else None)
        if not fitted:
            self._start(data)
        self._update(data, self.learning_rate)
        return self

    def save(self, path):
        """Write hyper-parameters, parameters and the state of training to an HDF5 file, whole or not at all.

        Parameters
        ----------
        path : path-like

        Raises
        ------
        ValueError
            If the model is not fitted, or the folder does not exist.
        """
        self._check_fitted()
        settings = {k: _to_json(v) for k, v in self.get_params().items()}
        progress = {"n_updates": self.n_updates_, "seed": self.seed_}
        history = {name: np.asarray(values) for name, values in self.history_.items()}
        files.write(
            path,
            type(self).__name__,
            settings,
            progress,
            params=self.params_,
            optimizer=self.optimizer_state_,
            history=history,
        )

    @classmethod
    def load(cls, path):
        """The model that `save` wrote: it predicts, samples and goes on training as the saved one would.

        Parameters
        ----------
        path : path-like

        Returns
        -------
        model of this class

        Raises
        ------
        FileNotFoundError
            If there is no such file.
        ValueError
            If it is truncated or of another kind.
        """
        model = cls()
        model._restore(path)
        return model

    def _restore(self, path, same_settings=False):
        settings, progress, groups = files.read(path, type(self).__name__)
        unknown = set(settings) - set(self._names())
        if unknown:
            raise ValueError(f"path must hold hyper-parameters of this version, {path!r} has {sorted(unknown)}")
        settings = {k: _from_json(v) for k, v in settings.items()}
        if same_settings:
            free = ("n_jobs", "verbose", "random_state")
            differ = sorted(k for k, v in settings.items() if k not in free and v != getattr(self, k))
            if differ:
                raise ValueError(f"resume wants the settings of {str(path)!r}; these differ: {differ}")
            seed = None if self.random_state is None else as_seed(self.random_state)
            if seed not in (None, progress["seed"]):
                raise ValueError(f"resume wants the seed of {str(path)!r}, {progress['seed']}, got {seed}")
        candidate = type(self)(**settings)
        kind = candidate._params_type()
        params = files.named_tuple(kind, groups.get("params", {}), path)
        state = candidate._optimizer().init(params)
        saved = groups.get("optimizer", {})
        for name, value in state._asdict().items():
            if name not in saved:
                raise ValueError(f"path must be a complete model file, {str(path)!r} lacks optimizer/{name}")
            nested = files.named_tuple(kind, saved[name], path) if hasattr(value, "_fields") else np.asarray(saved[name])
            state = state._replace(**{name: nested})
        if not same_settings:
            self.set_params(**settings)
        self.params_, self.optimizer_state_ = params, state
        self.n_updates_, self.seed_ = progress["n_updates"], progress["seed"]
        self.history_ = {name: values.tolist() for name, values in groups["history"].items()}
        self.n_features_in_ = params.W.shape[0]

    def _start(self, data):
        """Initialise the state of training from data or a stream."""
        seed = as_seed(self.random_state)
        source = data if hasattr(data, "minibatch") else Shuffled(data, self.batch_size, seed)

        def minibatch(update):
            return self._pack(self._check(source.minibatch(update)))[0]

        n_visible = minibatch(0).shape[1]
        n_elements = (n_visible + self.n_hidden) * self.n_hidden
        check_memory(f"parameters for n_hidden={self.n_hidden} and {n_visible} features", n_elements, self.dtype)
        self.params_ = self._initial_params(minibatch, seed)
        self.optimizer_state_ = self._optimizer().init(self.params_)
        self.n_updates_, self.seed_ = 0, seed
        self.history_ = {name: [] for name in ("reconstruction_error", "gradient_norm", "learning_rate", "n_gibbs")}
        self.n_features_in_ = n_visible

    def _update(self, data, rate):
        """One step up the gradient of the log-likelihood per frame; returns the number of frames."""
        v, where = self._pack(self._check(data, self.params_.W.shape[0]))
        with one_blas_thread():
            gradient, negative = self._gradient(v, where, self._cd(where, self.n_updates_, self.seed_))
        for g in gradient:
            g /= len(v)
        norm = optim.norm(gradient)
        if not np.isfinite(norm):
            raise FloatingPointError(
                f"the gradient of update {self.n_updates_} is not finite: learning_rate={self.learning_rate} is too large"
            )
        if self.max_norm is not None and norm > self.max_norm:
            for g in gradient:
                g *= self.max_norm / norm
        means = v.mean(axis=0), negative.h.mean(axis=0)
        if self.centering:
            centre_gradient(gradient, *means)
        step, self.optimizer_state_ = self._optimizer().update(gradient, self.optimizer_state_, rate)
        for parameter, change in zip(self.params_, step):
            parameter += change
        if self.centering:
            centre_biases(self.params_, step, *means)
        error = v - negative.v
        self.history_["reconstruction_error"].append(float(np.vdot(error, error)) / len(v))
        self.history_["gradient_norm"].append(norm)
        self.history_["learning_rate"].append(rate)
        self.history_["n_gibbs"].append(self._n_gibbs(self.n_updates_))
        self.n_updates_ += 1
        return len(v)

    def _pack(self, data):
        """Checked input as a packed block of rows, and its layout."""
        return pack(data)

    def _cd(self, where, update, seed):
        """The negative phase of an update: CD-k from the streams of that update."""
        from .rbm import cd_averages  # imports this module

        n_gibbs = self._n_gibbs(update)
        cut, streams = self._streams(where, "chain", update, seed=seed)

        def negative_phase(h_pos, W, b_v, b_h):
            return cd_averages(h_pos, W, b_v, b_h, n_gibbs, self.visible, cut, streams, self.n_jobs)

        return negative_phase

    def _optimizer(self):
        return optim.adam(self.momentum) if self.optimizer == "adam" else optim.momentum(self.momentum)

    def _n_gibbs(self, update):
        return optim.scheduled(self.n_gibbs, update)

    def _streams(self, where, purpose, *address, seed=None):
        """The tiles of a packed block, and a random stream for each."""
        cut = tiles(where)
        seed = self.seed_ if seed is None else seed
        return cut, [stream(seed, purpose, *address, tile.sequence, tile.frame) for tile in cut]

    def _check_hyper_parameters(self):
        check_count("n_hidden", self.n_hidden)
        check_visible(self.visible)
        check_n_gibbs(self.n_gibbs)
        check_choice("optimizer", self.optimizer, OPTIMIZERS)
        check_number("learning_rate", self.learning_rate, 0)
        check_number("momentum", self.momentum, 0, 1, closed=True)
        if self.max_norm is not None:
            check_number("max_norm", self.max_norm, 0)
        check_choice("centering", self.centering, (True, False))
        check_count("batch_size", self.batch_size)
        check_count("n_updates", self.n_updates)
        check_choice("dtype", np.dtype(self.dtype).name, DTYPES)
        if self.n_jobs is not None and (not isinstance(self.n_jobs, int) or self.n_jobs == 0):
            raise ValueError(f"n_jobs must be None or an integer other than 0, got {self.n_jobs!r}")
        n_threads(self.n_jobs)

    def _check_fitted(self):
        if not hasattr(self, "params_"):
            raise ValueError(f"this {type(self).__name__} is not fitted yet: call fit or partial_fit first")


def _to_json(value):
    """A hyper-parameter as JSON has it; a random_state that is a generator is not kept, its seed is."""
    if isinstance(value, dict):
        return {"schedule": [[int(k), int(v)] for k, v in value.items()]}
    if isinstance(value, np.generic):
        return value.item()
    try:
        return json.loads(json.dumps(value))
    except TypeError:
        return None if not isinstance(value, type | np.dtype) else np.dtype(value).name


def _from_json(value):
    return dict(map(tuple, value["schedule"])) if isinstance(value, dict) else value
