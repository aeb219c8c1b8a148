"""Sequences in packed groups, with the biases that their past makes."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from .. import user_data
from ..biases import Biases, n_inputs, with_inputs
from ..compute.threads import one_blas_thread
from ..minibatches.sequences import Layout, pack, unpack
from ..past.conditioner import Memory
from ..progress import bar
from .base import TrainedRBM

GROUP_ROWS = 8192


class Seen(NamedTuple):
    """A packed group of sequences with the biases that its past makes.

    v : (n_rows, n_visible), as the RBM sees it; where : Layout; count : callable (n_rows), to be told of rows that are
    done, if the work on them takes long; biases : Biases; memory : Memory.
    """

    v: np.ndarray
    where: Layout
    count: Callable
    biases: Biases
    memory: Memory


class Grouped(TrainedRBM):
    """A model of sequences, of which as many as fit go through it at once."""

    def _map(self, X, function, *others, inputs=None):
        """Apply function(seen, ...) to packed groups of sequences of X and `others`; the result has the form of X."""
        params, past, engine = self._effective(), self._past(), self._engine()

        def group(v, where, count, x, *packed):
            return function(Seen(v, where, count, *past.forward(with_inputs(params, x), v, where, engine)), *packed)

        return self._grouped(X, group, inputs, *others)

    def _checked_inputs(self, inputs, lengths, of="the frames of X"):
        """Inputs of sequences of these lengths, for a fitted model; None if it was fitted without."""
        self._check_input_names(inputs)
        return self._inputs_of(inputs, lengths, of)

    def _inputs_of(self, inputs, lengths, of="the frames of X"):
        """Inputs of sequences of these lengths, in arrays whose columns have no names; None without."""
        n = n_inputs(self.params_)
        self._check_n_inputs(0 if inputs is None else n or 1, self.params_)
        return None if inputs is None else self._check_inputs(inputs, lengths, n, of)

    def _common_inputs(self, inputs, n_sequences, n_before, n_frames):
        """Inputs of so many sequences, those of a prefix and those to come, of which one sequence may serve all."""
        self._check_input_names(inputs)
        if inputs is not None:
            inputs = of_one_length(inputs, "inputs")
            inputs = inputs[None] if inputs.ndim == 2 else inputs
            inputs = np.broadcast_to(inputs, (n_sequences, *inputs.shape[1:])) if len(inputs) == 1 else inputs
        of = "the frames of prefix and " * (n_before > 0) + f"the {n_frames} frames to come"
        return self._inputs_of(inputs, [n_before + n_frames] * n_sequences, of)

    def _grouped(self, X, function, inputs, *others):
        """The same for function(v, where, count, inputs, ...), which makes its own biases."""
        inputs = self._checked_inputs(inputs, [len(sequence) for sequence in X])
        results, ends = [], np.cumsum([len(sequence) for sequence in X]).tolist()
        with bar(ends[-1], "frame") as counted:
            for first, last in groups(ends):
                v, where = pack(X[first:last])
                v = self._inward(v)
                along = (inputs, *others)
                packed = [None if other is None else pack(other[first:last])[0] for other in along]
                with one_blas_thread():
                    results += unpack(function(v, where, counted.update, *packed), where)
                counted.update(ends[last - 1] - counted.n)
        return np.stack(results) if isinstance(X, np.ndarray) else results


def groups(ends):
    """The first and the last + 1 of successive sequences that have about `GROUP_ROWS` rows; `ends` are summed sizes."""
    first = 0
    while first < len(ends):
        done = ends[first - 1] if first else 0
        last = max(first + 1, int(np.searchsorted(ends, done + GROUP_ROWS, side="right")))
        yield first, last
        first = last


def of_one_length(sequences, name):
    """Sequences as one array."""
    sequences = user_data.as_given(sequences, name)
    if isinstance(sequences, list):
        sequences = [user_data.as_float(sequence, f"{name}[{i}]") for i, sequence in enumerate(sequences)]
        if len({len(sequence) for sequence in sequences if sequence.ndim}) > 1:
            raise ValueError(
                f"{name} must be sequences of one length, got some of different lengths: hand in one at a time"
            )
    return user_data.as_float(sequences, name)
