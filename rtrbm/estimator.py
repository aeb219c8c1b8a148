"""What every trained model shares: hyper-parameters, updates, fitting, files."""

import contextlib
import inspect
import json
import numbers
import os

import numpy as np

from . import checkpoint as files
from . import engines, gibbs, optim, ranks, sources
from .centering import centre_biases, centre_gradient
from .parallel import blockwise, one_blas_thread, run, share_processors
from .rbm import cd_averages
from .sequences import pack
from .streams import as_seed, check_random_state
from .train import Ahead, Interruptible, progress_bar
from .validation import (
    check_choice,
    check_count,
    check_dense,
    check_dtype,
    check_frames,
    check_memory,
    check_n_gibbs,
    check_n_jobs,
    check_number,
    check_visible,
)

OPTIMIZERS = ("adam", "momentum")
# Hyper-parameters that say which parameters there are.
SHAPING = ("n_taps", "without", "dynamic_visible_bias")
HISTORY = ("reconstruction_error", "gradient_norm", "learning_rate", "n_gibbs")


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
                raise ValueError(
                    f"{type(self).__name__} has no hyper-parameter {name!r}, only {self._names()}"
                )
        for name, value in params.items():
            setattr(self, name, value)
        return self

    def fit_transform(self, X, y=None):
        """`fit` on X, then `transform` X."""
        return self.fit(X).transform(X)

    def __repr__(self):
        defaults = inspect.signature(type(self).__init__).parameters
        changed = {k: v for k, v in self.get_params().items() if repr(v) != repr(defaults[k].default)}
        return f"{type(self).__name__}({', '.join(f'{k}={v!r}' for k, v in changed.items())})"


class TrainedRBM(Estimator):
    """A model trained by stochastic gradient ascent on its log-likelihood.

    A subclass says what the dimensions of its input are (`_axes`), how it is checked (`_check`), which NamedTuple of
    arrays its parameters are (`_blank`, of their shapes) and how it reads as that of the most general model
    (`_general`, sharing memory), how they start (`_initial_params`) and what their gradient is (`_gradient`); and how
    checked input becomes rows (`_pack`), if not as sequences.
    """

    comm = None

    def fit(self, X, y=None, *, checkpoint=None, checkpoint_every=500, resume=False):
        """Train for `n_updates` updates, the learning rate falling linearly to 0.

        Parameters
        ----------
        X : array_like, list of array_like, HDF5 dataset or group, (path, name), iterable, or stream
            Sequences (of an `RBM`: rows). Read minibatch by minibatch, so that they may be larger than memory, are

            - an h5py dataset (n_sequences, n_frames, n_visible), an h5py group of datasets (n_frames_i, n_visible) in
              the order of their sorted names, or either as (path, name); a memory-mapped array;
            - any other object with ``len(X)`` and ``X[i]``, sequence i (but of a list all is read at once);
            - any other iterable of sequences: read in the order they come, never shuffled, and started again at its
              end. An iterator must give n_updates x batch_size of them (to `resume` hand in a new one: the sequences
              already used are skipped). With initialization="thesis" the first 30 minibatches are held in memory;
            - a stream of fresh data: an object whose ``minibatch(update)`` returns the data of that update
              (`rtrbm.datasets.BouncingBalls` is one).

            All but the last two are shuffled: every sequence once an epoch, in an order that depends on the seed alone.
            Values are taken as they are (pixels from 0 to 255 are not rescaled but refused) and checked when they are
            read; shapes and types of HDF5 data before that. A thread reads the next minibatch during an update.
        y : None
            Ignored.
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
            If a hyper-parameter, X or the checkpoint is not what it should be; nothing is changed then. If it shows
            only later that X is not, or ends too early, the updates made stay and the checkpoint is written.
        FileNotFoundError
            If X is (path, name) and there is no such file.
        FloatingPointError
            If the gradient is no longer finite; the last checkpoint stands.
        KeyboardInterrupt
            On Ctrl-C, once the update under way is done and the checkpoint written.

        Examples
        --------
        >>> model.fit(("videos.h5", "train"), checkpoint="run.h5")  # doctest: +SKIP
        """
        ranks.check_comm(self.comm)
        share_processors(ranks.on_this_machine(self.comm))
        with contextlib.ExitStack() as files_of_X:

            def begin():
                self._check_hyper_parameters()
                check_count("checkpoint_every", checkpoint_every)
                check_choice("resume", resume, (True, False))
                if checkpoint is not None:
                    files.check_path("checkpoint", checkpoint)
                elif resume:
                    raise ValueError("resume=True needs checkpoint, the file to resume from")
                opened = files_of_X.enter_context(sources.opened(X))
                if checkpoint is not None:
                    sources.check_apart(checkpoint, opened)
                data = self._data(opened)
                if resume and os.path.exists(checkpoint):
                    self._resume(checkpoint, data)
                else:
                    self._start(data)
                return data

            data = ranks.together(begin, self.comm)
            self._check_same(data)
            self._set_state(*ranks.same(self._state(), self.comm))
            self._train(self._source(data, self.seed_), checkpoint, checkpoint_every)
        return self

    def _train(self, source, checkpoint, checkpoint_every):
        """Make the updates that are left of `n_updates`, from the minibatches of a source."""

        def prepare(update):
            return self._prepare(source.minibatch(update))

        def save():
            if checkpoint is not None and ranks.is_first(self.comm):
                self.save(checkpoint)

        with Interruptible() as interrupt, progress_bar(self) as bar, Ahead(prepare, self.n_updates) as ahead:
            stopped = False
            while self.n_updates_ < self.n_updates:
                try:
                    minibatch = ranks.together(lambda: ahead.minibatch(self.n_updates_, interrupt), self.comm)
                except Exception:
                    save()
                    ranks.meet(self.comm)
                    raise
                stopped = ranks.any_of(interrupt.requested, self.comm)
                if stopped:
                    break
                rate = optim.linear_decay(float(self.learning_rate), self.n_updates_, self.n_updates)
                n_frames = self._update(minibatch, rate)
                bar.advance(self.history_, n_frames)
                if self.n_updates_ % checkpoint_every == 0:
                    ranks.together(save, self.comm)
            ranks.together(save, self.comm)
            stopped = ranks.any_of(stopped or interrupt.requested, self.comm)
        if stopped:
            raise KeyboardInterrupt

    def _check_same(self, X):
        """Raise unless all ranks have the same settings, and data of the same size."""
        apart = ("n_jobs", "verbose", "random_state")

        def values():
            settings = {name: value for name, value in self._settings().items() if name not in apart}
            n_sequences = len(X) if hasattr(X, "__len__") else None
            return {**settings, "number of features": self.n_features_in_, "number of sequences": n_sequences}

        ranks.check_same(values, self.comm)

    def partial_fit(self, X, y=None):
        """Make one update on the data X, at the constant `learning_rate`.

        The first call on a new model initialises the parameters; later ones go on where the last update, `fit` or
        `load` stopped.

        Parameters
        ----------
        X : array_like or list of array_like
            One minibatch.
        y : None
            Ignored.

        Returns
        -------
        self

        Raises
        ------
        TypeError, ValueError
            As `fit`.
        FloatingPointError
            If the update is not finite. A model that was trained before is lost then, unless it was saved.
        """
        ranks.check_comm(self.comm)
        share_processors(ranks.on_this_machine(self.comm))
        ranks.check_same(lambda: {"updates made": getattr(self, "n_updates_", None)}, self.comm)
        new = not hasattr(self, "params_")

        def begin():
            if new:
                self._check_hyper_parameters()
                self._start(sources.Repeated(self._check(X)))
            else:
                self._check_fitted()
                self._check_trainable()
            return self._prepare(X)

        parts = ranks.together(begin, self.comm)
        self._check_same(X)
        if new:
            self._set_state(*ranks.same(self._state(), self.comm))
        self._update(parts, float(self.learning_rate))
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
        files.write(path, self._contents())

    @classmethod
    def load(cls, path):
        """The model that `save` wrote: it predicts and samples as the saved one would.

        `partial_fit` goes on training it; `fit` starts afresh, unless it is told to resume from the file.

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
        return cls._loaded(files.read(path, cls.__name__), path)

    def _contents(self):
        """What a file keeps of this model."""
        self._check_fitted()
        self._check_trainable()
        progress, params, optimizer_state, history = self._state()
        history = {name: np.asarray(values) for name, values in history.items()}
        groups = {"params": params, "optimizer": optimizer_state, "history": history}
        return files.Contents(type(self).__name__, self._settings(), progress, groups)

    def _settings(self):
        """Hyper-parameters as JSON has them."""
        settings = {name: _to_json(value) for name, value in self.get_params().items()}
        return {**settings, "dtype": np.dtype(self.dtype).name}

    @classmethod
    def _loaded(cls, contents, path):
        settings, *state = cls._parsed(contents, path)
        return cls(**settings)._set_state(*state)

    def check_resume(self, path):
        """Raise, with nothing changed, unless `fit` can go on from a file that a model with these settings wrote.

        Parameters
        ----------
        path : path-like

        Raises
        ------
        FileNotFoundError
            If there is no such file.
        TypeError, ValueError
            If a hyper-parameter is not what it should be, or the file is truncated, of another kind or of other
            settings.
        """
        self._check_hyper_parameters()
        self._saved(path)

    def _resume(self, path, data):
        """Take the state of training from a file."""
        engines.named(self.engine)
        progress, params, *rest = self._saved(path)
        self._check(self._source(data, progress["seed"]).minibatch(0), len(params.W))
        self._set_state(progress, params, *rest)

    def _saved(self, path):
        """The state of training in a file; raises unless it was written with the settings of this model."""
        settings, progress, *arrays = self._parsed(files.read(path, type(self).__name__), path)
        own = {name: _from_json(value) for name, value in self._settings().items()}
        differ = sorted(
            k
            for k, v in settings.items()
            if k not in ("n_jobs", "verbose", "random_state") and _plain(v) != _plain(own[k])
        )
        if isinstance(self.random_state, numbers.Integral) and self.random_state != progress["seed"]:
            differ.append("random_state (the seed)")
        if differ:
            raise ValueError(
                f"resume wants the settings of {os.fspath(path)!r}; these differ: {', '.join(differ)}"
            )
        return progress, *arrays

    @classmethod
    def _parsed(cls, contents, path):
        """Settings, progress, parameters, optimiser state and history of what a file holds."""
        _, settings, progress, groups = contents
        unknown = sorted(set(settings) - set(cls._names()))
        if unknown:
            raise ValueError(
                f"path must hold hyper-parameters of this version, {os.fspath(path)!r} has {unknown}"
            )
        try:
            model = cls(**{name: _from_json(value) for name, value in settings.items()})
            model._check_hyper_parameters()
        except (TypeError, ValueError, KeyError) as error:
            raise ValueError(
                f"path must hold hyper-parameters a model can have, those of {os.fspath(path)!r} are not: {error}"
            ) from error
        params, *state, history = (groups.get(name, {}) for name in ("params", "optimizer", "history"))
        params = files.named_tuple(type(model._blank(1)), params, path)
        if np.ndim(params.W) != 2 or not _alike(params, model._blank(len(params.W))):
            raise _unfitting(path)
        blank = model._optimizer().init(params)
        state = files.named_tuple(type(blank), *state, path)
        state = type(blank)(
            *(
                files.named_tuple(type(params), saved, path)
                if hasattr(kind, "_fields")
                else np.asarray(saved)
                for saved, kind in zip(state, blank)
            )
        )
        history = {name: np.asarray(history.get(name)) for name in HISTORY}
        _check_state(params, blank, state, history, progress, path)
        history = {name: values.tolist() for name, values in history.items()}
        return model.get_params(), progress, params, state, history

    def _set_state(self, progress, params, optimizer_state, history):
        self.params_, self.optimizer_state_, self.history_ = params, optimizer_state, history
        self.n_updates_, self.seed_ = progress["n_updates"], progress["seed"]
        self.n_features_in_, self._visible = len(params.W), self.visible
        return self

    def _state(self):
        progress = {"n_updates": self.n_updates_, "seed": self.seed_}
        return progress, self.params_, self.optimizer_state_, self.history_

    def _data(self, X):
        """Checked sequences that can be counted and indexed, or a source of minibatches."""
        n_visible = None

        def read(sequence, name):
            nonlocal n_visible
            dtype, axes = np.dtype(self.dtype), self._axes[1:]
            frames = check_frames(sequence, self.visible, dtype, n_visible, name, axes)
            n_visible = frames.shape[-1]
            return frames.copy()  # the owner may put the next sequence into the same array

        check_dense(X)
        if hasattr(X, "minibatch"):
            return X
        if sources.is_on_disk(X):
            return sources.Lazy(X, sources.keys_on_disk(X, self._axes), read)
        if sources.is_indexed(X):
            return sources.Lazy(X, range(len(X)), read)
        if sources.is_iterable(X):
            return sources.InOrder(X, self.batch_size, self.n_updates, read)
        return self._check(X)

    def _source(self, data, seed):
        """The source of minibatches of what `_data` returns."""
        return data if hasattr(data, "minibatch") else sources.Shuffled(data, self.batch_size, seed)

    def _prepare(self, data):
        """This rank's parts of a minibatch as an update takes them: checked and packed."""
        parts = []
        for part, first in ranks.share(self._check(data, self.n_features_in_), self.comm):
            v, where = self._pack(part)
            if isinstance(part, np.ndarray) and np.may_share_memory(v, part):
                v = v.copy()  # a stream may put the next minibatch into the same array
            parts.append((v, where, first))
        return parts

    def _start(self, data):
        """Initialise the state of training from what `_data` returns."""
        engines.named(self.engine)
        seed = as_seed(self.random_state)
        source = data.twin() if isinstance(data, sources.InOrder) else self._source(data, seed)

        def minibatch(update):
            sequences = self._check(source.minibatch(update))
            ranks.share(sequences, self.comm)  # raises if there are too few for all
            return self._pack(sequences)[0]

        n_visible = minibatch(0).shape[1]
        # parameters, gradients, the optimiser's state
        copies = 1 + ranks.n_gradients(self.comm) + len(self._optimizer().state._fields)
        n_elements = copies * sum(array.size for array in self._blank(n_visible))
        check_memory(
            f"training n_hidden={self.n_hidden} units on {n_visible} features", n_elements, self.dtype
        )
        self.params_ = self._initial_params(minibatch, seed)
        self.optimizer_state_ = self._optimizer().init(self.params_)
        self.n_updates_, self.seed_, self._visible = 0, seed, self.visible
        self.history_ = {name: [] for name in HISTORY}
        self.n_features_in_ = n_visible

    def _update(self, parts, rate):
        """One step up the gradient of the log-likelihood per frame; returns the number of frames of all ranks."""

        def sums(part):
            v, where, first = part
            negative_phase = self._cd(where, self.n_updates_, self.seed_, first)
            gradient, c_v, h_neg = self._gradient(v, where, negative_phase)
            counts = np.array([np.vdot(c_v, c_v), len(v)], v.dtype)
            return *gradient, v.sum(axis=0), h_neg.sum(axis=0), counts

        params = self.params_
        like = (*params, params.b_v, params.b_h, np.empty(2))
        with one_blas_thread(), np.errstate(over="ignore", invalid="ignore"):
            totals = ranks.total(lambda: run(sums, parts, self.n_jobs), like, self.comm)
            *gradient, v_sum, h_sum, counts = totals
            error, n_frames = counts.tolist()
            norm = self._climb(type(params)(*gradient), v_sum / n_frames, h_sum / n_frames, n_frames, rate)
        if not (np.isfinite(norm) and _finite(self.params_, self.n_jobs)):
            raise FloatingPointError(
                f"update {self.n_updates_} is not finite: "
                f"learning_rate={self.learning_rate} is too large, or values of X are"
            )
        self.history_["reconstruction_error"].append(error / n_frames)
        self.history_["gradient_norm"].append(norm)
        self.history_["learning_rate"].append(rate)
        self.history_["n_gibbs"].append(self._n_gibbs(self.n_updates_))
        self.n_updates_ += 1
        return int(n_frames)

    def _climb(self, gradient, v_mean, h_mean, n_frames, rate):
        """Change the parameters by one step, given the gradient of all frames; returns its norm per frame."""
        norm = optim.norm(gradient) / n_frames
        scale = 1 / n_frames
        if self.max_norm is not None and norm > self.max_norm:
            scale *= float(self.max_norm) / norm
        blockwise(lambda g: np.multiply(g, scale, out=g), self.n_jobs, gradient)
        if not np.isfinite(norm):
            return norm
        if self.centering:
            centre_gradient(self._general(gradient), v_mean, h_mean, self.n_jobs)
        optimizer = self._optimizer(engines.named(self.engine).adam_block)
        step, self.optimizer_state_ = optimizer.update(gradient, self.optimizer_state_, rate)
        step = self._damped(step)
        blockwise(lambda p, change: np.add(p, change, out=p), self.n_jobs, self.params_, step)
        if self.centering:
            centre_biases(self._general(self.params_), self._general(step), v_mean, h_mean)
        return norm

    def _damped(self, step):
        """The step, made smaller for parameters that are to learn more slowly."""
        return step

    def _pack(self, data):
        """Checked input as a packed block of rows, and its layout."""
        return pack(data)

    def _cd(self, where, update, seed, first=0):
        """The negative phase of an update: CD-k with the random numbers of that update."""
        n_gibbs, engine = self._n_gibbs(update), engines.named(self.engine)
        even = self.comm is None or self.comm.size > ranks.PARTS  # else a rank's threads have parts to take
        chains = gibbs.chains(where, seed, "chain", update, first=first, noise=engine.noise, even=even)

        def negative_phase(h_pos, W, b_v, b_h):
            return cd_averages(
                h_pos,
                W,
                b_v,
                b_h,
                n_gibbs,
                self.visible,
                chains,
                self.n_jobs,
                bool(self.sample_visible),
                engine.multiply,
            )

        return negative_phase

    def _optimizer(self, block=optim.adam_block):
        if self.optimizer == "momentum":
            return optim.momentum(float(self.momentum))
        return optim.adam(float(self.momentum), block=block, n_jobs=self.n_jobs)

    def _n_gibbs(self, update):
        return optim.scheduled(self.n_gibbs, update)

    def _check_hyper_parameters(self):
        check_count("n_hidden", self.n_hidden)
        check_memory(f"a frame's n_hidden={self.n_hidden} hidden units", self.n_hidden, "float32")
        check_visible(self.visible)
        check_n_gibbs(self.n_gibbs)
        check_choice("sample_visible", self.sample_visible, (True, False))
        check_choice("optimizer", self.optimizer, OPTIMIZERS)
        check_number("learning_rate", self.learning_rate, 0)
        check_number("momentum", self.momentum, 0, 1, closed=True)
        if self.max_norm is not None:
            check_number("max_norm", self.max_norm, 0)
        check_choice("centering", self.centering, (True, False))
        check_count("batch_size", self.batch_size)
        check_count("n_updates", self.n_updates)
        check_dtype(self.dtype)
        check_choice("engine", self.engine, engines.ENGINES)
        ranks.check_comm(self.comm)
        check_random_state(self.random_state)
        check_memory(f"a minibatch of batch_size={self.batch_size}", self.batch_size, self.dtype)
        check_n_jobs("n_jobs", self.n_jobs)
        if not isinstance(self.verbose, numbers.Integral | np.bool_):
            raise TypeError(f"verbose must be an integer or a bool, got {self.verbose!r}")

    def _check_fitted(self):
        """Raise unless there are parameters, of the kind and size the hyper-parameters say."""
        if not hasattr(self, "params_"):
            raise ValueError(f"this {type(self).__name__} is not fitted yet: call fit or partial_fit first")
        self._check_hyper_parameters()
        if self.visible != self._visible:
            raise ValueError(
                f"visible={self.visible!r} was set after fitting {self._visible} units: fit again"
            )
        if len(self.params_.b_h) != self.n_hidden:
            raise ValueError(
                f"n_hidden={self.n_hidden} was set after fitting {len(self.params_.b_h)} hidden units: fit again"
            )
        if not _alike(self.params_, self._blank(self.n_features_in_), any_dtype=True):
            shaping = [name for name in SHAPING if name in self._names()]
            raise ValueError(f"{' or '.join(shaping)} was changed after fitting: fit again")
        if not _finite(self.params_):
            raise ValueError(
                "the parameters are not finite: training diverged, load the last checkpoint or fit again"
            )

    def _check_trainable(self):
        """Raise unless the state of training is of the kind the hyper-parameters say."""
        if not isinstance(self.optimizer_state_, self._optimizer().state):
            raise ValueError(f"optimizer={self.optimizer!r} was set after fitting with another: fit again")
        if self.params_.W.dtype != np.dtype(self.dtype):
            raise ValueError(
                f"dtype={self.dtype!r} was set after fitting in {self.params_.W.dtype}: fit again"
            )


def _finite(params, n_jobs=None):
    return all(blockwise(lambda p: np.isfinite((p.min(), p.max())).all(), n_jobs, params))


def _check_state(params, blank, state, history, progress, path):
    """Raise unless the state of training in a model file is one that training can have left."""
    fits = progress["seed"] >= 0 and all(map(_alike, state, blank)) and _finite(params)
    fits = fits and optim.is_state(state)
    for values in history.values():
        fits = fits and values.shape == (progress["n_updates"],) and values.dtype.kind in "iuf"
    if not fits:
        raise _unfitting(path)


def _unfitting(path):
    return ValueError(
        f"path must be a complete model file, the arrays of {os.fspath(path)!r} do not fit together"
    )


def _alike(a, b, any_dtype=False):
    """Whether two arrays, or two NamedTuples of arrays, agree in type, shape and dtype."""
    if hasattr(b, "_fields"):
        return type(a) is type(b) and all(_alike(x, y, any_dtype) for x, y in zip(a, b))
    return np.shape(a) == b.shape and (any_dtype or np.asarray(a).dtype == b.dtype)


def _to_json(value):
    """A hyper-parameter as JSON has it; a random_state that is a generator is not kept, its seed is."""
    if isinstance(value, dict):
        return {"schedule": [[int(k), int(v)] for k, v in value.items()]}
    if isinstance(value, bool | np.bool_):
        return bool(value)
    if isinstance(value, numbers.Integral):
        return int(value)
    if isinstance(value, numbers.Real):
        return float(value)
    try:
        return json.loads(json.dumps(value))
    except TypeError:
        return None if not isinstance(value, type | np.dtype) else np.dtype(value).name


def _plain(value):
    """A hyper-parameter as it compares: a tuple of names in any order, one name as a tuple."""
    value = (value,) if isinstance(value, str) else value
    return set(value) if isinstance(value, tuple | list) else value


def _from_json(value):
    if isinstance(value, dict):
        return dict(map(tuple, value["schedule"]))
    return tuple(value) if isinstance(value, list) else value
