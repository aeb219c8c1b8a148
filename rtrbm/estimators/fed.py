"""What a model learns from: data that are checked, packed and brought to its scale, and doubts about them."""

import numpy as np

from .. import checks, user_data
from ..biases import n_inputs, with_inputs
from ..minibatches import sources
from ..minibatches.fingerprint import spread
from ..minibatches.sequences import counted, layout, pack, summary
from ..minibatches.windows import Example, Recordings, are_examples, as_recordings, packed
from ..rbm.chains import Draw
from ..rbm.conditionals import hidden_mean
from ..rbm.expectation import expectation
from ..streams import as_seed
from ..training import loop, ranks
from ..warned import warn
from . import doubts
from .features import check_mask, check_names
from .stored import Stored


class Fed(Stored):
    """A model that takes data."""

    def _data(self, X, window, warm_up, mask, inputs):
        """Checked sequences, `Recordings` if something goes along with their frames, or a source of minibatches."""
        cut = window is not None
        checks.check_count("warm_up", warm_up, minimum=0)
        if cut or inputs is not None:
            self._check_ordered("window" if inputs is None else "inputs")
        if cut:
            checks.check_count("window", window)
            warm_up = max(int(warm_up), *(part.m or 1 for part in self._past().maps()), 1)
            X, mask = (None if part is None else as_recordings(part, mask is not None) for part in (X, mask))
            inputs = None if inputs is None else as_recordings(inputs)
        if mask is not None:
            check_mask(mask, X)
            data, mask = sources.masked(X, mask, self._axes, self._check)
        else:
            data = sources.data(X, self._axes, self._check, self._check_one, self.batch_size, self.n_updates, cut)
            if not cut and inputs is None:
                return data
            if hasattr(data, "minibatch"):
                name = "window" if cut else "inputs"
                raise TypeError(f"{name} wants sequences that can be counted, X is a {type(X).__name__}: take a list")
        if self._is_static:  # every row is a sequence of one frame
            data, mask = data[:, None], mask[:, None]
        recordings = Recordings(data, mask, window, warm_up, self._given_dtype())
        if inputs is not None:
            recordings.inputs = self._check_inputs(inputs, recordings.lengths())
        return recordings

    def _check_n_inputs(self, given, params):
        """Raise unless parameters are for so many inputs of a frame."""
        n = n_inputs(params)
        if n and not given:
            raise ValueError(f"inputs must be given, {n} of every frame: this model was fitted with inputs=")
        if given and not n:
            raise ValueError("inputs must be left out: this model was fitted without inputs=")
        if given != n:
            raise ValueError(f"inputs must be {n} of every frame, as this model was fitted with, got {given}")

    def _check_input_names(self, inputs):
        """Raise if inputs have other columns than those of the fit, or have them in another order."""
        if inputs is not None:
            check_names(inputs, self._column_names.inputs, type(self).__name__, "inputs")

    def _check_inputs(self, inputs, lengths, n_inputs=None, of="the frames of X"):
        """Inputs of sequences of these lengths, those of `of` in messages."""
        dtype, axes = np.dtype(self.dtype), ("n_frames", "n_inputs")
        inputs = user_data.check_sequences(inputs, user_data.check_reals, dtype, n_inputs, "inputs", axes)
        given = [len(sequence) for sequence in inputs]
        if given != lengths:
            raise ValueError(f"inputs must have {of}, {summary(lengths)}, got {summary(given)}")
        return inputs

    def _seed_of(self, random_state):
        """The seed of a verb; None stands for that with which the model was trained."""
        return self.seed_ if random_state is None else as_seed(random_state)

    def _check_ordered(self, name):
        """Raise unless frames have an order."""
        if self._is_static:
            raise TypeError(f"{name} is for models of sequences, the rows of {type(self).__name__} have no order")

    def _checked(self, X, missing=None):
        """X as a fitted model takes it."""
        self._check_fitted()
        if missing is None:  # else its features were checked with the mask
            self._check_features(X)
        return self._check(X, self.n_features_in_, missing)

    def _check(self, X, n_features=None, missing=None):
        return user_data.check_sequences(X, self._units().check, self._given_dtype(), n_features, missing=missing)

    def _check_one(self, sequence, n_features, name):
        check, axes = self._units().check, self._axes[1:]
        return user_data.check_frames(sequence, check, self._given_dtype(), n_features, name, axes)

    def _check_examples(self, examples, n_features=None):
        """Examples, their frames of the wanted dtype and 0 where they are missing."""
        checked = []
        for i, (v, n_warm, missing, inputs) in enumerate(examples):
            checks.check_count(f"X[{i}].n_warm", n_warm, 0)
            if n_warm >= len(v):
                raise ValueError(f"X[{i}].n_warm must leave frames to learn from, got {n_warm} of {len(v)}")
            if (inputs is None) != (examples[0].inputs is None):
                raise ValueError(f"X[{i}].inputs must be there if those of X[0] are: all examples have some, or none")
            missing = None if missing is None else np.asarray(missing)
            if missing is not None and (missing.shape != np.shape(v) or missing.dtype != bool):
                raise ValueError(f"X[{i}].missing must be of bool and have the shape of its frames, {np.shape(v)}")
            v = v if missing is None else np.where(missing, 0, v)
            dtype, check = self._given_dtype(), self._units().check
            v = user_data.check_frames(v, check, dtype, n_features, f"X[{i}]", missing=missing)
            n_features = v.shape[1]
            checked.append(Example(v, n_warm, missing, inputs))
        return checked

    def _pack(self, data):
        """Checked input as a packed block of rows, and its layout."""
        return pack(data)

    def _prepare(self, data, is_kept=False):
        """This rank's parts of a minibatch as an update takes them: checked and packed.

        is_kept : whether they are there for longer than this call's caller, and the data may change meanwhile: a stream
        may put its next minibatch into the same array.
        """
        parts = []
        data = (self._check_examples if are_examples(data) else self._check)(data, self.n_features_in_)
        for part, first in ranks.share(data, self.comm):
            if are_examples(part):
                v, where, missing, inputs = packed(part)
                parts.append(loop.Part(self._scaled(v), where, first, missing, inputs))
                continue
            if getattr(part, "ndim", 0) == 3 and not is_kept:
                v, where = part, layout([part.shape[1]] * len(part))
            else:
                v, where = self._pack(part)
            v = self._scaled(v)
            if is_kept and isinstance(part, np.ndarray) and np.may_share_memory(v, part):
                v = v.copy()
            parts.append(loop.Part(v, where, first))
        return parts

    def _frames_of(self, minibatch):
        """Pairs of checked frames and of what is missing of them; those that only warm up belong to other windows."""
        if are_examples(minibatch):
            return [
                (v[n_warm:], None if missing is None else missing[n_warm:])
                for v, n_warm, missing, _ in self._check_examples(minibatch)
            ]
        minibatch = self._check(minibatch)
        return [(v.reshape(-1, v.shape[-1]), None) for v in ([minibatch] if hasattr(minibatch, "ndim") else minibatch)]

    def _check_seen(self, data):
        """Raise if a mask leaves no value to learn from."""
        if isinstance(data, Recordings) and data.unseen.all():
            raise ValueError("mask must leave values to learn from, it is True everywhere: True is a missing value")

    def _doubt_data(self, data, names):
        """Warn of what looks wrong in checked data."""
        if not hasattr(data, "__len__") or not ranks.is_first(self.comm):
            return
        frames = data.data if isinstance(data, Recordings) else data
        missing = data.missing if isinstance(data, Recordings) else None
        dtype, is_lazy = np.dtype(self.dtype), isinstance(frames, sources.Lazy)
        if is_lazy:  # no more is read than the first minibatch
            first = sources.source(data, self.batch_size, self.seed_).minibatch(0)
            frames = [v for v, _ in self._frames_of(first)]
        sample = sources.sample(frames, doubts.N_NUMBERS)
        if missing is not None:
            sample = [
                np.ma.masked_array(v, gaps) for v, gaps in zip(sample, sources.sample(missing, doubts.N_NUMBERS))
            ]
        found = list(doubts.of_rate(self.optimizer, self.learning_rate))
        found += list(doubts.of_data(sample, self._units(), dtype, self.standardize, names))
        if isinstance(data, Recordings):
            found += doubts.of_mask(data.unseen, names)
        if not self._is_static and not is_lazy and missing is None:
            found += doubts.of_axes(frames)
        for line in found:
            warn(line)

    def _start_from(self, minibatch, n_inputs, names, recordings):
        """Take the first state from the first minibatch of `partial_fit`; warn of what looks wrong in it.

        recordings : Recordings or None, the minibatch with its mask or inputs.
        """
        checked = minibatch if are_examples(minibatch) else self._check(minibatch)
        self._start(sources.Repeated(checked, n_inputs))
        self._keep_names(names)
        n = sum(len(v) for v, _ in self._frames_of(checked))
        if n < doubts.FEWEST and self.standardize and ranks.is_first(self.comm):
            warn(doubts.of_scale(n))
        if n >= doubts.FEWEST and (recordings is not None or not are_examples(checked)):
            self._doubt_data(checked if recordings is None else recordings, names.features)

    def _seen(self, parts):
        """P(h | v) of frames of a minibatch, the squared error of chains from noise there, and the variance.

        None if there is too little to tell, or the model is too new.
        """
        if not parts or self.n_updates_ < doubts.N_UPDATES:
            return None
        v, where, _, missing, inputs = parts[0].packed()
        params, engine, past = self._effective(), self._engine(), self._past()
        v = self._units().inward(v, params.units)
        driven = with_inputs(params, inputs)
        biases, _ = past.forward(driven, v, where, engine)
        rows = np.arange(len(v))[counted(where)[1]]
        if missing is not None or len(rows) < doubts.FEWEST:
            return None
        v, biases = v[rows], biases.at(rows)
        few = spread(len(v), doubts.N_ROWS)
        draw, numbers = Draw(self.seed_, "predict"), np.arange(len(few))
        biases = biases.at(few)
        found = expectation(v[few], params.W, biases, self._units(), "chain", draw, numbers, engine)

        def of_users(v):
            """Differences as those of the user's frames."""
            v = self._units().outward(v, params.units).astype(float)
            return v if self.scale_ is None else v * self.scale_.deviation

        error = float(np.square(of_users(v[few] - found)).sum() / len(few))
        return hidden_mean(v[few], params.W, biases.h), error, float(of_users(v).var(axis=0).sum())

    def _doubt_model(self, parts):
        """Warn of what looks wrong in a model that has learned; `parts` are of its last minibatch."""
        seen = self._seen(parts) if ranks.is_first(self.comm) else None
        if seen is not None:
            for line in (*doubts.of_model(*seen), *doubts.of_validation(self._history, self.best_)):
                warn(line)
