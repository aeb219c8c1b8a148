"""The Temporal RBM with delay taps (chapter 3.2), and its ablations."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np

from ..biases import Biases
from ..checks import check_choice, check_flag, check_number, check_size
from ..estimators.settings import setting, settings
from ..estimators.temporal import TemporalRBM
from ..past import recurrence, taps
from ..past.conditioner import Map, Memory

CONNECTIONS = ("VV", "HH", "VH")  # visible to visible, hidden to hidden, visible to hidden: A, B, C


class TRBMParams(NamedTuple):
    """P(v_t, h_t | past) = exp(v_t a_t + v_t W h_t + h_t b_t) / Z_t, with the biases

    a_t = b_v + sum_n v_{t-n} A_n,   b_t = b_h + sum_n h_{t-n} B_n + sum_n v_{t-n} C_n.

    In the filter r_t = sigmoid(v_t W + b_t) stands for h_t. b_v_init_t and b_init_t stand for frames before the first
    in a_t and b_t.

    W : (n_visible, n_hidden), the chapter's C_0; A : (m, n_visible, n_visible); B : (m, n_hidden, n_hidden);
    C : (m, n_visible, n_hidden), m the number of taps, and A[n - 1] = A_n, the chapter's transposed; b_v :
    (n_visible,); b_h : (n_hidden,); b_init : (m, n_hidden); b_v_init : (m, n_visible); units : parameters of the
    visible units' own. A part that a model does without is None.

    D_v : (n_inputs, n_visible); D_h : (n_inputs, n_hidden): known inputs x_t of a frame, if any, add x_t D_v and
    x_t D_h to its biases.
    """

    W: np.ndarray
    b_v: np.ndarray
    b_h: np.ndarray
    A: np.ndarray | None = None
    B: np.ndarray | None = None
    C: np.ndarray | None = None
    b_init: np.ndarray | None = None
    b_v_init: np.ndarray | None = None
    units: np.ndarray | None = None
    D_v: np.ndarray | None = None
    D_h: np.ndarray | None = None


@dataclass(frozen=True)
class Filter(taps.Taps):
    """Mean-field filtering (3.2.1): r_t stands for the hidden units of earlier frames.

    r_t = sigmoid(v_t W + b_h + sum_n r_{t-n} B_n + sum_n v_{t-n} C_n)      (3.20 with taps)
    d_t = 0, or with `bptt` (3.23) with taps                                (3.2.2)
    dO/dB_n = sum_{t>n} r_{t-n}^T (d_t + c_t)                               (3.24 with taps)

    Parameters
    ----------
    n_A, n_B, n_C : int
        Taps of each kind, perhaps 0.
    vv_rate : float
        Factor of the learning rate for A.
    bptt : bool
        Learn through the filter. Then r_t goes on in `step`; else a sample of h_t, as the model has it.
    """

    n_A: int
    n_B: int
    n_C: int
    vv_rate: float = 1.0
    bptt: bool = False

    kind = TRBMParams

    def forward(self, params, v, where, engine):
        if not self.n_B:
            return super().forward(params, v, where, engine)  # nothing to filter
        b_h = self.bias("b_h", params, where, engine, v=v)
        x = engine.product(v, params.W)
        r, b_h = recurrence.forward(x, where, params.B, b_h, params.b_init, engine)  # eq. 3.20
        b_v = self.bias("b_v", params, where, engine, params.b_v_init, v=v)
        return Biases(b_v, b_h), Memory(v, where, r, h_pos=r)

    def backward(self, params, memory, c, engine):
        d, total = None, c.h  # d_t = 0: the past's hidden states are taken as given (3.2.2)
        if self.bptt and self.n_B:
            d, total = recurrence.backward(memory.states, memory.where, params.B, c.h, None, engine)  # eq. 3.23
        return d, self.gradients(memory, Biases(c.v, total), engine)  # eq. 3.24

    def maps(self):
        parts = (
            Map("A", "v", "b_v", "b_v_init", self.n_A),
            Map("B", "h", "b_h", "b_init", self.n_B),
            Map("C", "v", "b_h", "b_init", self.n_C),
        )
        return tuple(part for part in parts if part.m)

    def damped(self, step):
        if self.vv_rate == 1 or not self.n_A:
            return step
        return step._replace(A=step.A * step.A.dtype.type(self.vv_rate))


def _check_without(name, value):
    if not isinstance(value, str | tuple | list):
        raise TypeError(f"{name} must be one of {', '.join(map(repr, CONNECTIONS))} or a tuple of them, got {value!r}")
    for kind in _kinds(value):
        check_choice(name, kind, CONNECTIONS)


@settings
class TRBM(TemporalRBM):
    """Temporal Restricted Boltzmann Machine with delay taps (Sutskever & Hinton 2007; Sutskever 2013, 3.2).

    At every frame an RBM, whose visible biases are linear in v_{t-1}..v_{t-m} and whose hidden biases are linear in
    these and in the filtered hidden states r_{t-1}..r_{t-m} (`TRBMParams`). Filtering is mean-field (3.2.1):
    r_t = P(h_t = 1 | v_t, past). Trained by CD-k with filtered hidden states (3.2.2), without a backward pass
    unless `bptt=True`.

    Parameters
    ----------
    n_hidden : int
        Hidden units.
    n_taps : int
        m, the number of frames the biases look back.
    without : str or tuple of str
        Kinds of connections to leave out, the ablations of the paper: "VV" visible to visible (A), "HH" hidden to
        hidden (B; filtering is then exact), "VH" visible to hidden (C). ``TRBM(n_taps=1, without=("VV", "VH"))`` is the
        simplified TRBM (3.6), which is ``RTRBM(bptt=False)``.
    vv_rate : float
        Factor of the learning rate for A; the paper's is 0.01. Pixels are much like those before, and with A learned as
        fast as the rest the hidden units are left with little to do.
    bptt : bool
        Also learn through the filter, as the RTRBM does (eq. 3.23).
    visible, negative, standardize, n_gibbs, sample_visible, optimizer, learning_rate, momentum, centering, max_norm,
    weight_decay, l1, sparsity_cost, sparsity_target, batch_size, n_updates, n_epochs, initialization, dtype, engine,
    n_jobs, random_state, comm, verbose
        As of `rtrbm.RTRBM`.

    Attributes
    ----------
    params_ : TRBMParams
        Learned arrays W, A, B, C, b_v, b_h, b_init, b_v_init; a part that is left out is None.
    history_, n_updates_, seed_, n_features_in_, scale_, feature_names_in_, input_names_in_
        As of `rtrbm.RTRBM`.

    Examples
    --------
    >>> from rtrbm import TRBM
    >>> from rtrbm.datasets import bouncing_balls
    >>> X = bouncing_balls(8, n_frames=20, resolution=8, n_balls=1, random_state=0)
    >>> model = TRBM(n_hidden=20, n_taps=2, n_gibbs=1, n_updates=10, random_state=0).fit(X)
    >>> model.params_.A.shape, model.params_.B.shape, model.params_.C.shape
    ((2, 64, 64), (2, 20, 20), (2, 64, 20))
    >>> model.denoise(X).shape
    (8, 20, 64)
    """

    n_taps: int = setting(default=4, check=check_size, fixed=True)
    without: str | tuple[str, ...] = setting(default=(), check=_check_without, fixed=True)
    vv_rate: float = setting(default=1.0, check=partial(check_number, minimum=0, closed=True), free=True)
    bptt: bool = setting(default=False, check=check_flag)

    def _past(self):
        without = _kinds(self.without)
        n_A, n_B, n_C = (0 if kind in without else int(self.n_taps) for kind in CONNECTIONS)
        return Filter(n_A, n_B, n_C, float(self.vv_rate), bool(self.bptt))

    @classmethod
    def _implied(cls, params):
        sizes = [len(taps) for taps in (params.A, params.B, params.C) if taps is not None]
        absent = tuple(kind for kind, taps in zip(CONNECTIONS, (params.A, params.B, params.C)) if taps is None)
        return {"n_taps": max(sizes, default=1), "without": absent}


def _kinds(without):
    """The connections to leave out as a tuple."""
    return (without,) if isinstance(without, str) else tuple(without)
