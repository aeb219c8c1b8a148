"""Models upon models (chapter 3.4): each layer learns the filtered hidden states of the one below as its data."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import field
from typing import Any, Literal, NoReturn, overload

import numpy as np

from ..checks import about, check_callables, check_count, check_flag, check_keywords
from ..user_data import with_mask
from ..compute import engine as engines
from ..estimators import doubts
from ..estimators.base import TrainedRBM
from ..estimators.bounded import Bounded
from ..estimators.features import check_mask
from ..estimators.pooling import check_shown, pooled
from ..estimators.protocol import configured, not_fitted
from ..estimators.settings import settings
from ..estimators.temporal import TemporalRBM
from ..evaluate import squared_error
from ..kinds import subclasses
from ..minibatches import paths as data_files, sources
from ..minibatches.windows import Example, are_examples
from ..rbm.units import BERNOULLI
from ..replacing import check_path
from ..streams import as_seed, stream
from ..training import files, ranks
from ..training.monitor import Callback
from ..types import Array, Callbacks, Data, Given, Lists, Path, Seed, Self, Sequences


@settings
class Stack(Bounded):
    """A multilayer temporal RBM, trained greedily from the bottom (Sutskever & Hinton 2007; Sutskever 2013, 3.4).

    Parameters
    ----------
    layers : list of temporal models
        The bottom one first; all others have Bernoulli visible units. `fit` trains these very objects.

    Examples
    --------
    >>> from rtrbm import RTRBM, Stack, TRBM
    >>> from rtrbm.datasets import bouncing_balls
    >>> X = bouncing_balls(8, n_frames=20, resolution=8, n_balls=1, random_state=0)
    >>> settings = {"n_gibbs": 1, "n_updates": 10, "random_state": 0}
    >>> stack = Stack([TRBM(20, n_taps=2, **settings), RTRBM(10, **settings)]).fit(X)
    >>> stack.transform(X).shape, stack.denoise(X).shape, stack.sample(5, random_state=0).shape
    ((8, 20, 10), (8, 20, 64), (1, 5, 64))
    """

    layers: list[Any] | tuple[Any, ...] = field(kw_only=False)

    _check_shown = staticmethod(check_shown)

    def fit(
        self,
        X: Data,
        y: object = None,
        *,
        checkpoint: Path | None = None,
        checkpoint_every: int = 500,
        resume: bool = False,
        validation: Data | None = None,
        validation_every: int | None = None,
        callbacks: Callbacks = (),
        **unknown: NoReturn,
    ) -> Self:
        """Train the layers one after the other, each by its own `fit`.

        Parameters
        ----------
        X : see `rtrbm.RTRBM.fit`
            Not an iterator: every layer reads the data again, from the bottom up.
        y : None
            Ignored.
        checkpoint : path-like, optional
            ``run.h5`` stands for the files ``run-1.h5``, ``run-2.h5``, ..., one a layer.
        checkpoint_every : int
        resume : bool
            Layers go on from these files where they are. With other settings than before the layers above go on with
            what the layers below have become.
        validation, validation_every : see `rtrbm.RTRBM.fit`
            A layer is measured on what the layers below make of the validation data.
        callbacks : list of callable (layer)
            Each is called after every update of a layer. If one returns True, this layer's training stops there.

        Returns
        -------
        self

        Raises
        ------
        TypeError, ValueError, FloatingPointError, RuntimeError, OSError, KeyboardInterrupt
            As the layers' `fit`; also if `layers` is not a list of models that fit together.
        """
        check_keywords(self.fit, "Stack.fit", unknown, "its layers")
        check_callables("callbacks", callbacks)
        check_flag("resume", resume)
        self._check_layers()
        comm = self.layers[0].comm
        for i, layer in enumerate(self.layers):
            ranks.check_comm(layer.comm)
            if layer.comm != comm:
                raise ValueError(f"layers[{i}] must have the `comm` of layers[0]: all ranks train all layers")
        with contextlib.ExitStack() as files_of_X:

            def begin():
                paths = self._paths(checkpoint)
                files_of_X.enter_context(self.layers[0]._held(checkpoint))
                for layer, path in zip(self.layers, paths):  # all of them before the first is trained
                    layer._check_hyper_parameters()
                    engines.named(layer.engine)
                    if path is not None:
                        layer._settings()  # raises if a file cannot keep one
                    if resume and path is not None and os.path.exists(path):
                        layer.check_resume(path)
                found = _opened(files_of_X, X, validation, paths)
                doubts.of_y(y, found[0], self.layers[0]._is_static)
                self._check_upper(found[0])
                return paths, *found

            paths, X, V = ranks.together(begin, comm)
            settings = {"checkpoint_every": checkpoint_every, "resume": resume, "validation_every": validation_every}
            for i, (layer, path) in enumerate(zip(self.layers, paths)):
                if i:
                    below, data = self.layers[i - 1], (X, V)
                    X, V = ranks.together(lambda: [_filtered(below, each) for each in data], comm)
                own = [call.of_layer(i + 1) if isinstance(call, Callback) else call for call in callbacks]
                layer._derived = i > 0
                try:
                    layer.fit(X, checkpoint=path, validation=V, callbacks=own, **settings)
                finally:
                    layer._derived = False
        return self

    def _check_upper(self, X):
        """Raise unless the layers above the first can be trained on what those below make of X."""
        for i, (below, layer) in enumerate(zip(self.layers, self.layers[1:]), 1):
            if isinstance(X, Iterator):
                raise TypeError("X must not be an iterator: every layer reads the data again")
            if layer.n_epochs is not None and not hasattr(X, "__len__"):
                wrong = f"layers[{i}].n_epochs={layer.n_epochs} needs X of a known length"
                raise ValueError(f"{wrong}, got {type(X).__name__}: set n_updates instead")
            layer._check_size(int(below.n_hidden))
        if hasattr(X, "minibatch") and len(self.layers) > 1:
            _check_frames_alone(sources.Stream(X).minibatch(0))

    @overload
    def transform(self, X: Lists, *, pool: None = None) -> list[Array]: ...

    @overload
    def transform(self, X: Sequences, *, pool: str | None = None) -> Array: ...

    @configured
    def transform(self, X: Sequences, *, pool: str | None = None) -> Array | list[Array]:
        """Filtered hidden states of the top layer, from the bottom up.

        Parameters
        ----------
        X : (n_sequences, n_frames, n_visible) array_like or list of (n_frames_i, n_visible) array_like
        pool : {None, "mean", "last", "flat"}
            As of `rtrbm.RTRBM.transform`.

        Returns
        -------
        array or list of arrays, as X; with `pool` one row for each sequence

        Raises
        ------
        TypeError, ValueError
            If a layer is not fitted, the layers do not fit together, or an argument is not valid.
        """
        for layer in self._fitted():
            X = layer.transform(X)
        return pooled(X, pool)

    @overload
    def denoise(self, X: Lists) -> list[Array]: ...

    @overload
    def denoise(self, X: Sequences) -> Array: ...

    def denoise(self, X: Sequences) -> Array | list[Array]:
        """Filter up to the top, reconstruct down from it (3.4).

        Parameters
        ----------
        X : (n_sequences, n_frames, n_visible) array_like or list of (n_frames_i, n_visible) array_like

        Returns
        -------
        array or list of arrays, as X

        Raises
        ------
        TypeError, ValueError
            If a layer is not fitted, the layers do not fit together, or X is not valid.
        """
        return _down(self._fitted(), X, lambda top, H: top.denoise(H))

    @overload
    def predict(self, X: Lists, protocol: str = "mean", random_state: Seed = None) -> list[Array]: ...

    @overload
    def predict(self, X: Sequences, protocol: str = "mean", random_state: Seed = None) -> Array: ...

    def predict(self, X: Sequences, protocol: str = "mean", random_state: Seed = None) -> Array | list[Array]:
        """One-step predictions: the top layer predicts its visible units, the layers below reconstruct from these.

        Parameters
        ----------
        X : (n_sequences, n_frames, n_visible) array_like or list of (n_frames_i, n_visible) array_like
        protocol, random_state
            Of the top layer's `predict`.

        Returns
        -------
        array or list of arrays, as X
            The prediction of frame t does not depend on X from frame t on.

        Raises
        ------
        TypeError, ValueError
            If a layer is not fitted, the layers do not fit together, or an argument is not valid.
        """
        return _down(self._fitted(), X, lambda top, H: top.predict(H, protocol, random_state))

    @overload
    def impute(self, X: Lists, mask: Given = None, random_state: Seed = None) -> list[Array]: ...

    @overload
    def impute(self, X: Sequences, mask: Given = None, random_state: Seed = None) -> Array: ...

    def impute(self, X: Sequences, mask: Given = None, random_state: Seed = None) -> Array | list[Array]:
        """Fill in missing pixels or frames: the bottom layer's `impute`, then, of several layers, `denoise` there.

        Parameters
        ----------
        X, mask, random_state
            As of `rtrbm.RTRBM.impute`.

        Returns
        -------
        array or list of arrays, as X

        Raises
        ------
        TypeError, ValueError
            If a layer is not fitted, the layers do not fit together, or an argument is not valid.
        """
        layers = self._fitted()
        layers[0]._check_features(X)
        layers = [layers[0]._without_names(), *layers[1:]]
        check_mask(mask, X)
        X, gaps = with_mask(X, mask)
        filled = layers[0].impute(X, None if mask is None else gaps, random_state)
        if len(layers) == 1:
            return filled
        nearest = layers[0]._units().nearest
        seen = nearest(filled) if isinstance(filled, np.ndarray) else list(map(nearest, filled))
        for values, better, missing in zip(filled, Stack(layers).denoise(seen), gaps):
            values[missing] = better[missing]
        return filled

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
    ) -> Array | tuple[Array, Array]:
        """Draw sequences from the top down (3.4): the top layer its own, every layer below the frames they call for.

        Parameters
        ----------
        n_frames, n_sequences, prefix, random_state, n_gibbs, return_states
            As of `rtrbm.RTRBM.sample`; `n_gibbs` steps are those of the top layer.

        Returns
        -------
        probabilities : (n_sequences, n_frames, n_visible) ndarray
            Conditional probabilities (means) of the frames drawn.
        states : (n_sequences, n_frames, n_visible) ndarray
            Only with `return_states`: the frames themselves.

        Raises
        ------
        TypeError, ValueError
            If a layer is not fitted, the layers do not fit together, or an argument is not valid.
        """
        layers = self._fitted()
        check_flag("return_states", return_states)
        for name, value in (("n_frames", n_frames), ("n_sequences", n_sequences), ("n_gibbs", n_gibbs)):
            check_count(name, value)
        if prefix is not None:
            prefix = layers[0]._check_prefix(prefix, n_sequences)
            layers = [layers[0]._without_names(), *layers[1:]]
        seed, prefixes = as_seed(random_state), [prefix]
        for layer in layers[:-1]:
            prefixes.append(None if prefix is None else layer.transform(prefixes[-1]))
        probabilities, states = layers[-1].sample(
            n_frames, n_sequences, prefixes[-1], seed, n_gibbs=n_gibbs, return_states=True
        )
        for i in reversed(range(len(layers) - 1)):
            noise = stream(seed, "decode", i)
            probabilities, states = layers[i].decode(states, prefixes[i], noise, return_states=True)
        return (probabilities, states) if return_states else probabilities

    def score(self, X: Sequences, y: object = None) -> float:
        """Minus the squared error of one-step prediction (`predict`), summed over features, mean over frames 2..T.

        Parameters
        ----------
        X : (n_sequences, n_frames, n_visible) array_like or list of (n_frames_i, n_visible) array_like
        y : None
            Ignored.

        Returns
        -------
        float
            Greater is better.

        Raises
        ------
        TypeError, ValueError
            As `predict`.
        """
        return -squared_error(X, self.predict(X))[0]

    def save(self, path: Path) -> None:
        """Write all layers to one HDF5 file, whole or not at all.

        Parameters
        ----------
        path : path-like

        Raises
        ------
        OSError, TypeError, ValueError
            If a layer is not fitted, or as `rtrbm.RTRBM.save`.
        """
        files.write_stack(path, type(self).__name__, [layer._contents() for layer in self._fitted()])

    @classmethod
    def load(cls, path: Path) -> Self:
        """The stack that `save` wrote.

        Parameters
        ----------
        path : path-like

        Returns
        -------
        Stack

        Raises
        ------
        OSError, TypeError, ValueError
            As `rtrbm.RTRBM.load`.
        """
        return files.read(path, cls._loaded, cls.__name__)

    @classmethod
    def _loaded(cls, contents, path):
        if not isinstance(contents, list):
            raise ValueError(f"path must hold the layers of a stack, {path!r} has none")
        stack = cls([_class(layer.model, TemporalRBM, "layers of")._loaded(layer, path) for layer in contents])
        stack._fitted()
        return stack

    @property
    def n_features_in_(self) -> int:
        """Features of the data."""
        return self._bottom().n_features_in_

    @property
    def feature_names_in_(self) -> Array:
        """Their names, if the stack was fitted to tables."""
        return self._bottom().feature_names_in_

    def _bottom(self):
        if not isinstance(self.layers, list | tuple) or not self.layers:
            raise AttributeError("a Stack without layers has no features")
        return self.layers[0]

    def __sklearn_is_fitted__(self):
        return bool(self.layers) and all(hasattr(layer, "params_") for layer in self.layers)

    def _n_features_out(self):
        return self.layers[-1]._n_features_out()

    def _paths(self, checkpoint):
        """The checkpoint of every layer."""
        if checkpoint is None:
            return [None] * len(self.layers)
        base, suffix = os.path.splitext(check_path("checkpoint", checkpoint))
        return [files.check_checkpoint(f"{base}-{i}{suffix}") for i in range(1, len(self.layers) + 1)]

    def _check_layers(self):
        if not isinstance(self.layers, list | tuple):
            raise TypeError(f"layers must be a list of models, got {type(self.layers).__name__}")
        if not self.layers:
            raise ValueError("layers must hold at least one model, got none")
        for i, layer in enumerate(self.layers):
            if not isinstance(layer, TemporalRBM):
                names = ", ".join(sorted(kind.__name__ for kind in subclasses(TemporalRBM)))
                raise TypeError(f"layers[{i}] must be one of {names}, got {type(layer).__name__}")
            if i and layer._units() != BERNOULLI:
                raise ValueError(
                    f"layers[{i}] must have visible='bernoulli', its data are probabilities; got {layer.visible!r}"
                )
            if any(layer is other for other in self.layers[:i]):
                raise ValueError(f"layers[{i}] must be a model of its own, it is in the list twice")

    def _fitted(self):
        """The layers, once they are seen to be fitted and to fit together."""
        self._check_layers()
        for i, layer in enumerate(self.layers):
            if not hasattr(layer, "params_"):
                raise not_fitted(f"this Stack is not fitted yet, layers[{i}] is not: call fit first")
            if i and layer.n_features_in_ != self.layers[i - 1].n_hidden:
                raise ValueError(
                    f"layers[{i}] must have the {self.layers[i - 1].n_hidden} hidden units of the layer below as its "
                    f"features, it was fitted to {layer.n_features_in_}"
                )
        return self.layers


def load(path: Path) -> Any:
    """The model that a file holds, of whatever class.

    Parameters
    ----------
    path : path-like
        A file that a model's `save`, or `fit` with a checkpoint, wrote.

    Returns
    -------
    model

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is no complete model file, or holds a class that has not been imported.
    """
    return files.read(path, _loaded)


def _loaded(contents, path):
    """The model that contents of a file are of."""
    if isinstance(contents, list):
        return Stack._loaded(contents, path)
    return _class(contents.model, TrainedRBM)._loaded(contents, path)


def _class(name, base, what="one of"):
    """The model class of that name, a subclass of `base`."""
    models = [kind for kind in subclasses(base) if not kind.__module__.startswith("rtrbm.estimators.")]
    # Of two classes of one name the package's own counts, and else the later one.
    known = {kind.__name__: kind for kind in sorted(models, key=lambda kind: kind.__module__.startswith("rtrbm."))}
    if name not in known:
        raise ValueError(
            f"path must hold {what} {', '.join(sorted(known))}, got a {name} (a class of yours must be imported first)"
        )
    return known[name]


def _opened(files_of_X, X, V, checkpoints):
    """The data and those of the validation, opened if they name files, which no checkpoint may replace."""
    X = files_of_X.enter_context(data_files.opened(X))
    with about("validation", "X"):
        V = files_of_X.enter_context(data_files.opened(V))
    for path in filter(None, checkpoints):  # the layers above do not see the user's file
        for opened in (X, V):
            sources.check_apart(path, opened)
    return X, V


def _down(layers, X, at_top):
    """Filter X up to the top layer, apply `at_top(top, its data)`, and reconstruct from the result down."""
    if len(layers) == 1:
        return at_top(layers[0], X)
    return layers[0].reconstruct(X, _down(layers[1:], layers[0].transform(X), at_top))


def _filtered(layer, X):
    """The data of the layer above: the hidden states that a layer makes of its own data, in the same form.

    Data that are not in memory are filtered when they are asked for. None stays None.
    """
    if X is None:
        return None
    if hasattr(X, "minibatch"):
        return _FilteredStream(layer, X)
    if sources.is_on_disk(X) or sources.is_indexed(X):
        checks_of = layer._axes, layer._check, layer._check_one
        return _FilteredSequences(layer, sources.data(X, *checks_of, layer.batch_size, layer.n_updates))
    if sources.is_iterable(X):
        return _FilteredIterable(layer, X)
    return layer.transform(X)


class _Filtered:
    def __init__(self, layer, X):
        self._layer, self._X = layer, X

    def _filter(self, sequence):
        return self._layer.transform([sequence])[0]


def _check_frames_alone(minibatch):
    """Raise if something goes along with the frames of a minibatch."""
    if are_examples(minibatch) and any(one.missing is not None or one.inputs is not None for one in minibatch):
        raise ValueError("layers take frames alone: an Example of a Stack must have neither missing nor inputs")


class _FilteredStream(_Filtered):
    def minibatch(self, update):
        minibatch = self._X.minibatch(update)
        if not are_examples(minibatch):
            return self._layer.transform(minibatch)
        _check_frames_alone(minibatch)
        return [Example(self._filter(one.v), one.n_warm) for one in minibatch]


class _FilteredSequences(_Filtered):
    def __len__(self):
        return len(self._X)

    def __getitem__(self, i):
        return self._filter(self._X[i])


class _FilteredIterable(_Filtered):
    def __iter__(self):
        return map(self._filter, self._X)
