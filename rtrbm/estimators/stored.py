"""A trained model and its file."""

import dataclasses
import numbers
import os

import numpy as np

from ..biases import n_inputs
from ..compute import engine as engines
from ..parameters import each
from ..training import files, loop, optimizers
from ..training.start import shapes
from ..training.state import HISTORY, Training
from .recipe import Recipe
from .settings import as_json, as_setting, comparable

APART = ("n_jobs", "verbose", "random_state")  # settings in which a resumed run, or a rank, may differ


class Stored(Recipe):
    """The state of training, written to files and read from them."""

    def save(self, path):
        """Write hyper-parameters, parameters and the state of training to an HDF5 file, whole or not at all.

        Parameters
        ----------
        path : path-like

        Raises
        ------
        ValueError
            If the model is not fitted, or the folder does not exist.
        OSError
            If the file cannot be written, to a full disk say; an earlier file stays as it was.
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
            If a hyper-parameter is not valid, or the file is truncated, of another kind or of other
            settings.
        """
        self._check_hyper_parameters()
        self._saved(path)

    def _state(self):
        return Training(self.params_, self.optimizer_state_, self.chains_, self.n_updates_, self.seed_, self.history_)

    def _set_state(self, training):
        if training.params is not getattr(self, "params_", None):
            fixed = [field.name for field in dataclasses.fields(self) if field.metadata.get("fixed")]
            self._fitted_with = {name: comparable(name, getattr(self, name)) for name in fixed}
        self.params_, self.optimizer_state_, self.chains_ = training[:3]
        self.n_updates_, self.seed_, self.history_ = training[3:]
        self.n_features_in_ = len(self.params_.W)
        return self

    def _inward(self, v):
        """Frames of a user as the RBM sees them."""
        return self._units().inward(v, self.params_.units)

    def _outward(self, v):
        """The RBM's frames in the units of the user."""
        return self._units().outward(v, self.params_.units)

    def _log_volume(self):
        """What the change of units adds to the log-density of a frame."""
        return self._units().log_volume(self.params_.units)

    def _new(self, params, seed):
        """The state of training before the first update."""
        return Training(params, self._optimizer().init(params), None, 0, seed, {name: [] for name in HISTORY})

    def _blank(self, n_visible, n_inputs=0):
        """Parameters of the shapes and the dtype that the settings call for, without memory of their own."""
        expected = shapes(self._model(), n_visible, int(self.n_hidden), n_inputs)
        return each(lambda shape: np.broadcast_to(np.zeros((), self.dtype), shape), expected)

    def _contents(self):
        """The parts of this model that a file keeps."""
        self._check_fitted()
        self._check_trainable()
        groups = {"params": self.params_, "optimizer": self.optimizer_state_}
        groups["history"] = {name: np.asarray(values) for name, values in self.history_.items()}
        groups["chains"] = None if self.chains_ is None else {"states": self.chains_}
        progress = {"n_updates": self.n_updates_, "seed": self.seed_}
        return files.Contents(type(self).__name__, self._settings(), progress, groups)

    def _settings(self):
        """Hyper-parameters as JSON has them."""
        return {name: as_json(name, value) for name, value in self.get_params().items()}

    @classmethod
    def _loaded(cls, contents, path):
        model, training = cls._parsed(contents, path)
        return model._set_state(training)

    def _saved(self, path):
        """The state of training in a file; raises unless it was written with the settings of this model."""
        saved, training = self._parsed(files.read(path, type(self).__name__), path)
        compared = [name for name in self._names() if name not in APART]
        differ = sorted(
            name for name in compared if comparable(name, getattr(saved, name)) != comparable(name, getattr(self, name))
        )
        if isinstance(self.random_state, numbers.Integral) and self.random_state != training.seed:
            differ.append("random_state (the seed)")
        if differ:
            raise ValueError(f"resume wants the settings of {os.fspath(path)!r}; these differ: {', '.join(differ)}")
        return training

    @classmethod
    def _parsed(cls, contents, path):
        """A model with the settings that a file holds, and the state of training."""
        _, values, progress, groups = contents
        unknown = sorted(set(values) - set(cls._names()))
        if unknown:
            raise ValueError(f"path must hold hyper-parameters of this version, {os.fspath(path)!r} has {unknown}")
        try:
            model = cls(**{name: as_setting(name, value) for name, value in values.items()})
            model._check_hyper_parameters()
        except (TypeError, ValueError, KeyError) as error:
            raise ValueError(
                f"path must hold hyper-parameters a model can have, those of {os.fspath(path)!r} are not: {error}"
            ) from error
        saved = cls._upgraded(groups.get("params", {}))
        if np.ndim(saved.get("W")) != 2:
            raise files.unfitting(path)
        blank = model._new(model._blank(len(saved["W"]), len(saved.get("D_v", ()))), progress["seed"])
        params = files.restored(blank.params, saved, path)
        state = {
            name: cls._upgraded(part) if isinstance(part, dict) else part
            for name, part in groups.get("optimizer", {}).items()
        }
        state = files.restored(blank.optimizer, state, path)
        chains = groups.get("chains", {}).get("states")
        history = {name: np.asarray(groups.get("history", {}).get(name)) for name in HISTORY}
        fits = progress["seed"] >= 0 and loop.is_finite(params, engines.NUMPY) and optimizers.is_state(state)
        fits = fits and (chains is None or _are_chains(chains, params.W))
        for past_values in history.values():
            fits = fits and past_values.shape == (progress["n_updates"],) and past_values.dtype.kind in "iuf"
        if not fits:
            raise files.unfitting(path)
        history = {name: past_values.tolist() for name, past_values in history.items()}
        return model, Training(params, state, chains, progress["n_updates"], progress["seed"], history)

    @classmethod
    def _upgraded(cls, saved):
        """The arrays of a file of format 1 under the names they have now."""
        return {name: array for name, array in saved.items() if np.size(array)}

    def _check_fitted(self):
        """Raise unless there are parameters, of the kind and size the hyper-parameters say."""
        if not hasattr(self, "params_"):
            raise ValueError(f"this {type(self).__name__} is not fitted yet: call fit or partial_fit first")
        self._check_hyper_parameters()
        n_hidden = len(self.params_.b_h)
        changed = [name for name, value in self._fitted_with.items() if comparable(name, getattr(self, name)) != value]
        if changed:
            raise ValueError(f"{' and '.join(changed)} was changed after fitting: fit again")
        if n_hidden != self.n_hidden:
            raise ValueError(f"n_hidden={self.n_hidden} was set after fitting {n_hidden} hidden units: fit again")
        expected = self._blank(self.n_features_in_, n_inputs(self.params_))
        found, wanted = (list(map(np.shape, params)) for params in (self.params_, expected))
        if type(expected) is not type(self.params_) or found != wanted:
            raise ValueError("params_ must have the arrays that the hyper-parameters call for: fit again")
        if not loop.is_finite(self.params_, engines.NUMPY):
            raise ValueError("the parameters are not finite: training diverged, load the last checkpoint or fit again")

    def _check_trainable(self):
        """Raise unless the state of training is of the kind the hyper-parameters say."""
        if not isinstance(self.optimizer_state_, self._optimizer().state):
            raise ValueError(f"optimizer={self.optimizer!r} was set after fitting with another: fit again")
        self._negative(self.n_updates_).check(*self.params_.W.shape, self._units())
        if self.params_.W.dtype != np.dtype(self.dtype):
            raise ValueError(f"dtype={self.dtype!r} was set after fitting in {self.params_.W.dtype}: fit again")


def _are_chains(chains, W):
    """Whether an array can hold visible states of chains."""
    shape = np.shape(chains)
    return (
        len(shape) > 1
        and shape[-1] == len(W)
        and 0 not in shape
        and chains.dtype == W.dtype
        and np.isfinite(chains).all()
    )
