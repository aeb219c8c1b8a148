"""Fitting, the same for every model."""

from __future__ import annotations

import contextlib
import functools
import os
import weakref
from collections.abc import Mapping
from functools import partial
from typing import Any, NoReturn

import numpy as np

from .. import checks, user_data
from ..biases import n_inputs as number_of_inputs
from ..compute import engine as engines
from ..compute.threads import share_processors
from ..minibatches import paths, sources
from ..minibatches.windows import are_examples, present
from ..parameters import arrays, each
from ..replacing import as_path
from ..streams import as_seed
from ..training import locks, loop, ranks, whole
from ..training.scale import measured
from ..training.start import checked_start, initial_params, shapes
from ..types import ArrayLike, Callbacks, Data, Given, Path, Self, Sequences
from . import doubts
from .features import Names, check_names, feature_names
from .stored import APART, forget_checks
from .watched import Watched

_keepers = weakref.WeakSet()  # models for whose next `partial_fit` a thread keeps buffers
N_LOOKED_AT = 30  # minibatches of a stream that its scale and a start from the linear predictor are found in


def _release_with(model, engine):
    """Give the buffers of updates back when the model is no more."""
    if model not in _keepers:
        _keepers.add(model)
        weakref.finalize(model, engine.release).atexit = False


class TrainedRBM(Watched):
    """A model trained by stochastic gradient ascent on its log-likelihood.

    A subclass names its conditioner (`_past`), and for `from_params` the settings that its parameters imply
    (`_implied`).
    """

    initialization = "data"

    def fit(
        self,
        X: Data,
        y: object = None,
        *,
        window: int | None = None,
        warm_up: int = 10,
        mask: Given = None,
        inputs: Given = None,
        checkpoint: Path | None = None,
        checkpoint_every: int = 500,
        resume: bool = False,
        validation: Data | None = None,
        validation_every: int | None = None,
        callbacks: Callbacks = (),
        **unknown: NoReturn,
    ) -> Self:
        """Train for `n_updates` updates, the learning rate falling linearly to 0.

        Parameters
        ----------
        X : array_like, list of array_like, path, (path, name), HDF5 dataset or group, iterable, or stream
            Sequences (of an `RBM`: rows), see docs/your-data.md; a path may be that of an HDF5 file, .npz, .npy, .mat
            or .csv (`rtrbm.convert.read`). Arrays, tables and sparse matrices in memory stay as they are, and a
            minibatch of them is cast at a time. These are read minibatch by minibatch and may be larger than memory:

            - an h5py dataset (n_sequences, n_frames, n_visible), an h5py group of datasets (n_frames_i, n_visible) in
              the order of their names, 2 before 10, or either as (path, name); a memory-mapped array;
            - any other object with ``len(X)`` and ``X[i]``, sequence i (but of a list all is read at once);
            - any other iterable of sequences: read in the order they come, never shuffled, and started again at its
              end. An iterator must give n_updates x batch_size of them (to `resume` hand in a new one: the sequences
              already used are skipped). With initialization="thesis" or "linear", or standardize=True, the
              first 30 minibatches are read beforehand;
            - a stream of fresh data: an object whose ``minibatch(update)`` returns the data of that update
              (`rtrbm.datasets.BouncingBalls` is one).

            All but the last two are shuffled: every sequence once an epoch, in an order that depends on the seed alone.
            Values are taken as they are (pixels from 0 to 255 are not rescaled but refused) and checked when they are
            read; shapes and types of HDF5 data before that. A thread reads the next minibatch during an update (small
            minibatches of an array are quicker read without).
        y : None
            Ignored.
        window : int, optional
            Frames of the windows that long recordings are cut into. X is then one recording (n_frames, n_visible), an
            HDF5 dataset of that shape, or several as above. Every epoch cuts anew at random places, and takes each
            frame once (`rtrbm.minibatches.windows.Windows`); only the windows of a minibatch are in memory.
        warm_up : int
            Frames before a window that bring its hidden state up to date, where it does not begin a recording. They are
            at least as many as the taps reach back, and no part of the gradient; such a window does not train the
            initial values.
        mask : array_like of bool, or list of them, of the shape of X, optional
            True where a value is missing; X may hold NaN there. Each update draws the missing values from the model,
            given what is there of the frame and the past (`rtrbm.training.missing.fill`). HDF5 data are read as a whole
            then.
        inputs : (n_sequences, n_frames, n_inputs) array_like, or list of (n_frames_i, n_inputs) array_like, optional
            What is known of every frame beside its values, a stimulus say. It acts linearly on the biases of its frame
            (`params_.D_v`, `params_.D_h`); the verbs want it too then.
        checkpoint : path-like, optional
            File to write the state of training to, at an interval, at the end, on Ctrl-C, and on the signals SIGTERM,
            SIGHUP, SIGUSR1 and SIGXCPU, unless they are ignored or the program has a handler for them. The process then
            ends by the signal: nothing after `fit` runs, no ``finally`` either. One that cannot be written is a
            warning, and the next interval tries again. No state that seems to explode is written. While the run lasts,
            ``CHECKPOINT.lock`` keeps other runs away.
        checkpoint_every : int
            Updates between checkpoints.
        resume : bool
            Continue from `checkpoint` if that file exists; the result is that of an uninterrupted run, bit for bit.
            More updates, another learning rate and other settings of training may be given: a warning says what
            changed. The rate then falls from the given one to 0 over the updates that are left. X must be the same.
        validation : like X, but no stream and no iterable, optional
            Data to measure the error on, before the first update, at an interval and after the last update:
            `history_` gets the lists validation_update, validation_error and, where the sums over all states take
            about a second at most, validation_log_likelihood (nats per frame). Training does not depend on it. From
            update 100 on each measurement also looks at frames of the last minibatch: health_update, dead_units and
            saturated_units (shares of the hidden units), still_chains (the share of frames where a step of the chain
            changes nothing), noise_error (squared error per frame of chains that start with noise) and overfitting (the
            rise of the validation error above its least, as a share). The last update does so without validation too.
        validation_every : int, optional
            Updates between two measurements; by default there are about 20 in a run. One takes as long as `score` of
            the validation data, that of some 500 Gibbs steps: in a short run a few sequences are enough.
        callbacks : list of callable (model)
            Each is called after every update with this model. If one returns True, training stops there. It may
            change the arrays of `params_` in place, but set nothing. `rtrbm.callbacks` has some.

        Returns
        -------
        self

        Raises
        ------
        TypeError, ValueError
            If a hyper-parameter, X or the checkpoint is not valid; nothing is changed then. If X turns out to be
            invalid or too short only later, the updates made stay and the checkpoint is written.
        FileNotFoundError
            If X is a path or (path, name) and there is no such file.
        FloatingPointError
            If an update is no longer finite, or the gradient, the error or the parameters explode (beyond 10,000 times
            what they were at first). The last checkpoint is from before.
        RuntimeError
            If another run holds the checkpoint, or this model is being trained already, by another thread say.
        OSError
            If the checkpoint cannot be written after the last update (a ValueError if its folder is gone); the model
            is complete.
        KeyboardInterrupt
            On Ctrl-C, once the update under way is done and the checkpoint written. A second one breaks off at once,
            but no write.

        Examples
        --------
        >>> model.fit(("videos.h5", "train"), checkpoint="run.h5")  # doctest: +SKIP
        """
        self._check_call("fit", unknown)
        with locks.alone(self), contextlib.ExitStack() as opened_files:

            def begin():
                self._check_run(checkpoint, checkpoint_every, resume, validation_every, callbacks)
                opened_files.enter_context(self._held(checkpoint))
                opened = partial(_opened, opened_files, checkpoint)
                found = opened(X)
                names = Names(feature_names(found), feature_names(inputs, "inputs"))
                doubts.of_y(y, found, self._is_static)
                data = self._data(found, window, warm_up, mask, inputs)
                plan = self._planned(data, validation_every, checkpoint_every)
                V = self._validation(validation, data, names.features, opened, window)
                plan = plan._replace(validates=V is not None)
                prints = self._prints(checkpoint is not None, X=data, validation=V)
                if resume and os.path.exists(as_path("checkpoint", checkpoint)):
                    self._resume(checkpoint, data, prints, plan.n_updates, found, inputs)
                else:
                    self._begin_anew(data, names, prints)
                return data, V, plan

            latest = []

            def prepare(update):
                latest[:] = self._prepare(source.minibatch(update), is_kept=True)
                return list(latest)

            with _or_unchanged(self) as begun:
                data, V, self._plan = ranks.together(begin, self.comm)
                begun.append(self.n_updates_)
                self._check_same(data, self._plan)
                rule = self._begin_alike()
                source = sources.source(data, self.batch_size, self.seed_)
                watch, at_once = self._watch(V, callbacks, checkpoint, resume), sources.is_at_hand(source)
                loop.run(rule, self._state(), prepare, self._plan, watch, self.verbose, at_once)
            self._doubt_model(latest)
        return self

    def partial_fit(
        self, X: Sequences, y: object = None, *, mask: Given = None, inputs: Given = None, **unknown: NoReturn
    ) -> Self:
        """Make one update on the data X, at the constant `learning_rate`.

        The first call on a new model initialises the parameters; later ones go on where the last update, `fit` or
        `load` stopped.

        Parameters
        ----------
        X : array_like or list of array_like
            One minibatch.
        y : None
            Ignored.
        mask, inputs
            As in `fit`.

        Returns
        -------
        self

        Raises
        ------
        TypeError, ValueError
            As `fit`.
        FloatingPointError
            If the update is not finite. A rate that is too large may show many updates earlier in ``history_``:
            whether a run explodes is seen by `fit` alone.
        RuntimeError
            If this model is being trained already, by another thread say.

        Notes
        -----
        If it fails, by Ctrl-C too, the model is what it was before. X must stay as it is until the update is made: it
        may not be copied. `standardize` takes means and deviations from the first minibatch alone.
        """
        self._check_call("partial_fit", unknown)
        with locks.alone(self):
            return self._one_update(X, mask, inputs)

    def _one_update(self, X, mask, inputs):
        """Make the update of `partial_fit`."""
        ranks.check_same(lambda: {"updates made": getattr(self, "n_updates_", None)}, self.comm)
        before = dict(vars(self))
        new = "params_" not in before

        def begin():
            rule = None
            if new:
                self._check_hyper_parameters()
                names = Names(feature_names(X), feature_names(inputs, "inputs"))
            else:
                rule = self._trained_rule()
                self._check_features(X)
                self._check_input_names(inputs)
            minibatch, n_inputs, recordings = X, 0, None
            if mask is not None or inputs is not None:
                recordings = self._data(X, None, 0, mask, inputs)
                self._check_seen(recordings)
                minibatch, n_inputs = list(recordings), recordings.n_inputs
            if not new:
                self._check_n_inputs(n_inputs, self.params_)
            else:
                self._start_from(minibatch, n_inputs, names, recordings)
            return rule, self._prepare(minibatch)

        try:
            rule, parts = ranks.together(begin, self.comm)
            self._check_same(X)
            if new:
                rule = self._begin_alike()
            training, _ = loop.update(rule, self._state(), parts, float(self.learning_rate))
            _release_with(self, rule.engine)
            return self._set_state(training)
        except BaseException as error:
            self.__dict__ = before
            forget_checks(self)
            if isinstance(error, FloatingPointError) and not new:
                self._check_finite()  # the update would show it, so it is looked at only now
            raise

    def _begin_alike(self):
        """Take the state of the first rank, laid out for the updates to come; the rule of these."""
        self._set_state(ranks.same(self._state(), self.comm))
        rule = self._rule()
        self._set_state(whole.laid_out(rule, self._state()))
        return rule

    def _check_call(self, verb, unknown):
        """Raise if a keyword is unknown; take this rank's share of the processors."""
        checks.check_keywords(getattr(self, verb), f"{type(self).__name__}.{verb}", unknown)
        ranks.check_comm(self.comm)
        share_processors(ranks.on_this_machine(self.comm))

    @classmethod
    def from_params(cls, params: Mapping[str, ArrayLike] | tuple[Any, ...], **settings: Any) -> Self:
        """A model with given parameters: it predicts and samples, and `partial_fit` goes on from them.

        Parameters
        ----------
        params : NamedTuple or dict of array_like
            Arrays by name, those of `params_` of such a model; they are copied.
        **settings
            Hyper-parameters. Those that the arrays imply (n_hidden, the number of taps and so on) may be left out;
            `dtype` is that of W unless it is given.

        Returns
        -------
        model of this class

        Raises
        ------
        TypeError, ValueError
            If an array is missing, unknown, of another shape than the others call for, or not finite.

        Examples
        --------
        >>> from rtrbm import RBM
        >>> model = RBM.from_params({"W": np.zeros((4, 3)), "b_v": np.zeros(4), "b_h": np.zeros(3)})
        >>> model.n_hidden, model.dtype
        (3, 'float64')
        """
        params = _given(cls()._kind(), params)
        dtype = "float32" if params.W.dtype == np.float32 else "float64"
        model = cls(**{"n_hidden": params.W.shape[1], "dtype": dtype, **cls._implied(params), **settings})
        model._check_hyper_parameters()
        if model.standardize:
            raise ValueError(
                "standardize=True wants data to find the scale in: from_params takes standardised data only"
            )
        expected = shapes(model._model(), len(params.W), model.n_hidden, number_of_inputs(params))
        for name, shape in expected._asdict().items():
            part = getattr(params, name)
            if (None if part is None else part.shape) != shape:
                got = "none" if part is None else f"shape {part.shape}"
                wanted = "be left out" if shape is None else f"have shape {shape}"
                if name == "units" and shape is None:
                    wanted += ", or visible='scaled_gaussian' be given,"
                raise ValueError(f"params.{name} must {wanted} in {model!r}, got {got}")
        with np.errstate(over="ignore"):  # too large a number becomes infinite, and is refused as such
            params = each(lambda part: np.array(part, model.dtype, order="C"), params)
        for name, part in params._asdict().items():
            if part is not None and not np.isfinite(part).all():
                raise ValueError(f"params.{name} must be finite in {model.dtype}, got NaN or infinite values")
        return model._set_state(model._new(params, as_seed(model.random_state)))

    def _start(self, data):
        """Initialise the state of training from data in memory or a source of minibatches."""
        engine, seed = self._engine(), as_seed(self.random_state)
        source = sources.source(data, self.batch_size, seed)

        n = getattr(source, "n_minibatches", min(N_LOOKED_AT, int(self.n_updates)))

        @functools.cache
        def of_all():
            return measured(self._frames_of(sources.look(source, update)) for update in range(n))

        scale = of_all() if self.standardize else None
        reach = max((part.m or 0 for part in self._past().maps()), default=0)  # frames of a warm-up that taps see

        def checked(update):
            sequences = sources.look(source, update)
            if are_examples(sequences):
                sequences = self._check_examples(sequences)
                filled = (present(example, lambda: of_all().mean) for example in sequences)
                sequences = [v[max(0, example.n_warm - reach) :] for v, example in zip(filled, sequences)]
            else:
                sequences = self._check(sequences)
            if scale is None:
                return sequences
            if isinstance(sequences, np.ndarray):
                return scale.inward(sequences, self.dtype)
            return [scale.inward(sequence, self.dtype) for sequence in sequences]

        def minibatch(update):
            sequences = checked(update)
            ranks.check_enough(sequences, self.comm)
            return self._pack(sequences)[0]

        n_visible, n_inputs = minibatch(0).shape[1], getattr(data, "n_inputs", 0)
        start = self._check_size(n_visible, n_inputs)

        def once():
            return (checked(update) for update in range(n))

        params = initial_params(self._model(), minibatch, int(self.n_hidden), seed, start, engine, n_inputs, once)
        self._set_state(self._new(params, seed, scale))

    def _check_size(self, n_visible, n_inputs=0):
        """Raise unless the model can be trained on so many features; where its parameters start from."""
        blank = self._blank(n_visible, n_inputs)
        # gradients, and the parameters and the optimiser's state before and after an update
        copies = ranks.n_gradients(self.comm) + 2 * (1 + len(self._optimizer().state._fields))
        n_elements = copies * sum(part.size for part in arrays(blank))
        what = f"training n_hidden={self.n_hidden} units on {n_visible} features"
        checks.check_memory(what, n_elements, self.dtype)
        self._negative()(0).check(n_visible, int(self.n_hidden), self._units())
        start = self.initialization
        start = start if isinstance(start, str | tuple) else start._effective()
        return checked_start(self._model(), start, blank)

    def _begin_anew(self, data, names, prints):
        """Take the state before the first update."""
        self._check_seen(data)
        self._start(data)
        self._fingerprints = prints
        self._keep_names(names)
        self._doubt_data(data, names.features)

    def _resume(self, path, data, prints, n_updates, X, inputs):
        """Take the state of training from a file."""
        engines.named(self.engine)
        with checks.about("checkpoint", "path"):
            training, names, changed, engine = self._saved(path)
        check_names(X, names.features, "the model")
        if inputs is not None:
            check_names(inputs, names.inputs, "the model", "inputs")
        self._check_n_inputs(getattr(data, "n_inputs", 0), training.params)
        first = sources.look(sources.source(data, self.batch_size, training.seed), 0)
        if not are_examples(first):
            self._check(first, len(training.params.W))
        self._set_state(self._going_on(path, training, changed, engine, prints, n_updates))
        self._keep_names(names)

    def _check_same(self, X, plan=None):
        """Raise unless all ranks have the same settings, data of the same size, and the same plan of a run."""

        def values():
            own = {name: value for name, value in self._settings().items() if name not in APART}
            n_sequences = len(X) if hasattr(X, "__len__") else None
            own["engine"] = self._engine().name
            if plan is not None:
                own |= {"validation_every": plan.look_every, "checkpoint_every": plan.save_every}
                own["validation"] = plan.validates
            return {**own, "number of features": self.n_features_in_, "number of sequences": n_sequences}

        ranks.check_same(values, self.comm)


@contextlib.contextmanager
def _or_unchanged(model):
    """Context that leaves a model as it was if it ends before an update that is to be made.

    Its list takes the number of updates at the start. A state that was read from a file stays after Ctrl-C.
    """
    before, begun = dict(vars(model)), []
    try:
        yield begun
    except BaseException as error:
        none_made = not begun or model.n_updates_ == begun[0] < model._plan.n_updates
        if none_made and (isinstance(error, Exception) or begun in ([], [0])):
            model.__dict__ = before
            forget_checks(model)
        raise


def _opened(files_of_X, checkpoint, X):
    """X, opened if it names a file; raises if the checkpoint would replace that one."""
    X = files_of_X.enter_context(paths.opened(X))
    if checkpoint is not None:
        sources.check_apart(checkpoint, X)
    return X


def _given(kind, params):
    """Parameters that a user hands in, as arrays in the model's NamedTuple."""
    given = params._asdict() if hasattr(params, "_asdict") else params
    if not hasattr(given, "items"):
        raise TypeError(f"params must be a NamedTuple or a dict of arrays, got {type(params).__name__}")
    checks.check_known("params has no array", given, kind._fields, elsewhere={})
    given = {name: user_data.as_float(a, f"params.{name}") for name, a in given.items() if a is not None}
    required = [name for name in kind._fields if name not in kind._field_defaults]
    missing = [name for name in required if name not in given]
    if missing:
        raise ValueError(f"params must hold {', '.join(required)}, got no {', '.join(missing)}")
    for name, part in given.items():
        if not part.ndim:
            raise ValueError(f"params.{name} must be an array, got the number {part}")
    if given["W"].ndim != 2 or not given["W"].size:
        raise ValueError(f"params.W must have shape (n_visible, n_hidden), got {given['W'].shape}")
    return kind(**{name: None for name in kind._fields} | given)
