"""The structured RTRBM (Mittelman, Kuipers, Savarese & Lee 2014), which learns which units depend on which."""

from __future__ import annotations

import base64
import math
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from ..checks import check_flag, check_number
from ..estimators.settings import setting, settings
from ..estimators.temporal import TemporalRBM
from ..functions import sigmoid
from ..parameters import each
from ..types import Array, ArrayLike
from .rtrbm import Recurrent, RTRBMParams

SHARED = ("b_v", "b_h", "b_init", "U_v", "units", "D_v", "D_h")  # parameters without gates


class SRTRBMParams(NamedTuple):
    """The RTRBM (`RTRBMParams`) whose weights are, element by element,

    W sigmoid(G_W) mask_W  in the place of W, and  U sigmoid(G_U) mask_U  in the place of U.

    sigmoid(G) are the gates. With groups of units one gate serves all pairs of a unit of one group and one of another.

    W : (n_visible, n_hidden); U : (n_hidden, n_hidden); b_v : (n_visible,); b_h : (n_hidden,); b_init : (n_hidden,);
    G_W : (n_visible, n_hidden) or (n_visible_groups, n_hidden_groups); G_U : (n_hidden, n_hidden) or (n_hidden_groups,
    n_hidden_groups); U_v : (n_hidden, n_visible), of the dynamic visible bias, or None; units : parameters of the
    visible units' own, None if they have none.

    D_v : (n_inputs, n_visible); D_h : (n_inputs, n_hidden): known inputs x_t of a frame, if any, add x_t D_v and
    x_t D_h to its biases.
    """

    W: np.ndarray
    U: np.ndarray
    b_v: np.ndarray
    b_h: np.ndarray
    b_init: np.ndarray
    G_W: np.ndarray
    G_U: np.ndarray
    U_v: np.ndarray | None = None
    units: np.ndarray | None = None
    D_v: np.ndarray | None = None
    D_h: np.ndarray | None = None

    effective = False  # W is not the one at work


@dataclass(frozen=True, eq=False)
class Gates:
    """The gates of a matrix of weights, and its mask.

    Parameters
    ----------
    rows, columns : (n,) int ndarray, optional
        The group of every unit on either side. None: each unit is a group.
    mask : ndarray of bool, optional
        Of the shape of the weights or of the gates. None: all weights are there.
    """

    rows: np.ndarray | None = None
    columns: np.ndarray | None = None
    mask: np.ndarray | None = None

    def shape(self, weights):
        """The shape of the gates of weights of that shape."""
        return tuple(
            n if groups is None else int(groups.max()) + 1 for n, groups in zip(weights, (self.rows, self.columns))
        )

    def check(self, name, weights):
        """Raise a ValueError unless the mask is one of weights of that shape, or of their gates."""
        gates = self.shape(weights)
        if self.mask is not None and self.mask.shape not in (weights, gates):
            groups = f", or {gates} for groups" if gates != weights else ""
            raise ValueError(f"mask of {name} must have shape {weights}{groups}, got {self.mask.shape}")

    def factor(self, G):
        """What the weights are multiplied by."""
        return self._masked(self._of_units(sigmoid(G)))

    def backward(self, G, d_factor):
        """The derivative with respect to G, given that with respect to `factor`."""
        d = self._masked(d_factor)
        if self.rows is not None:
            d = _indicator(self.rows, d.dtype) @ d
        if self.columns is not None:
            d = d @ _indicator(self.columns, d.dtype).T
        return d * slope(G)

    def _of_units(self, a):
        a = a if self.rows is None else a[self.rows]
        return a if self.columns is None else a[:, self.columns]

    def _masked(self, a):
        if self.mask is None:
            return a
        return a * (self.mask if self.mask.shape == a.shape else self._of_units(self.mask))


def slope(G):
    """The derivative of sigmoid(G)."""
    gate = sigmoid(G)
    return gate * (1 - gate)


def _indicator(groups, dtype):
    """1 where a unit is in a group, (n_groups, n_units)."""
    return (groups == np.arange(groups.max() + 1)[:, None]).astype(dtype)


@dataclass(frozen=True, eq=False)
class Structured(Recurrent):
    """`Recurrent` with gates of W and U.

    Parameters
    ----------
    of_W, of_U : Gates
    sparsity : float
        Factor of the penalty, the sum of all gates.
    """

    of_W: Gates = Gates()
    of_U: Gates = Gates()
    sparsity: float = 0.0

    def effective(self, params):
        W, U = params.W * self.of_W.factor(params.G_W), params.U * self.of_U.factor(params.G_U)
        shared = {name: getattr(params, name) for name in SHARED}
        return RTRBMParams(W=W, U=U, **shared)

    def pull_back(self, params, gradient):
        return SRTRBMParams(
            W=gradient.W * self.of_W.factor(params.G_W),
            U=gradient.U * self.of_U.factor(params.G_U),
            G_W=self.of_W.backward(params.G_W, gradient.W * params.W),
            G_U=self.of_U.backward(params.G_U, gradient.U * params.U),
            **{name: getattr(gradient, name) for name in SHARED},
        )

    def penalty(self, params):
        if not self.sparsity:
            return None
        nothing = each(lambda part: part.dtype.type(0), params)
        return nothing._replace(G_W=self.sparsity * slope(params.G_W), G_U=self.sparsity * slope(params.G_U))

    def shapes(self, n_visible, n_hidden):
        for name, groups, n in (("visible", self.of_W.rows, n_visible), ("hidden", self.of_W.columns, n_hidden)):
            if groups is not None and len(groups) != n:
                raise ValueError(f"{name}_groups must hold the group of each of {n} {name} units, got {len(groups)}")
        self.of_W.check("W", (n_visible, n_hidden))
        self.of_U.check("U", (n_hidden, n_hidden))
        _, U, b_v, b_h, b_init, U_v, *_ = super().shapes(n_visible, n_hidden)
        W = (n_visible, n_hidden)
        return SRTRBMParams(W, U, b_v, b_h, b_init, self.of_W.shape(W), self.of_U.shape(U), U_v)


def _check_groups(name, value):
    if value is None:
        return
    try:
        groups = np.asarray(value)
    except Exception:  # rows of different lengths, an object that raises what it likes
        groups = np.zeros(())
    if groups.ndim != 1 or groups.dtype.kind not in "iu" or not groups.size:
        raise TypeError(f"{name} must be None or a list of integers, the group of every unit, got {value!r}")
    if set(groups.tolist()) != set(range(groups.max() + 1)):
        raise ValueError(f"{name} must number groups from 0 and leave out none, got {sorted(set(groups.tolist()))}")


def _check_mask(name, value):
    if value is None:
        return
    if not isinstance(value, tuple | list) or len(value) != 2:
        raise TypeError(f"{name} must be None or a pair, the mask of W and that of U, got {type(value).__name__}")
    for part, weights in zip(value, "WU"):
        if part is None:
            continue
        try:
            part = np.asarray(part)
        except Exception:
            raise ValueError(f"{name} must hold rectangular arrays, that of {weights} is not") from None
        if part.ndim != 2 or part.dtype.kind not in "biuf" or not np.isin(part, (0, 1)).all():
            raise ValueError(
                f"{name} must hold matrices of 0 and 1, that of {weights} has shape {part.shape} and dtype {part.dtype}"
            )


def _kept_mask(pair):
    """Two masks, a bit for each weight, as JSON has them."""
    return None if pair is None else [None if mask is None else _packed(np.asarray(mask) != 0) for mask in pair]


def _packed(mask):
    return {"shape": list(mask.shape), "bits": base64.b64encode(np.packbits(mask).tobytes()).decode()}


def _read_mask(pair):
    """The masks that `_kept_mask` wrote, or an earlier version as lists, as tuples."""
    return None if pair is None else tuple(mask if mask is None else _unpacked(mask) for mask in pair)


def _unpacked(mask):
    if isinstance(mask, list):
        return tuple(map(tuple, mask))
    shape, bits = mask["shape"], mask["bits"]
    n = math.prod(shape)
    flat = np.unpackbits(np.frombuffer(base64.b64decode(bits), np.uint8))
    if len(shape) != 2 or min(shape) < 0 or not n <= len(flat) < n + 8:
        raise ValueError(f"a mask of shape {shape} must have as many bits, got {len(flat)}")
    return tuple(map(tuple, (flat[:n] != 0).reshape(shape).tolist()))


@settings
class SRTRBM(TemporalRBM):
    """Structured Recurrent Temporal RBM: an RTRBM whose weights pass through learned gates, so that few remain.

    Q(v_t, h_t | r_{t-1}) is that of `rtrbm.RTRBM` with W sigmoid(G_W) in the place of W and U sigmoid(G_U) in that of
    U, element by element. It is trained to climb

        sum_t log Q(v_t | r_{t-1}) - sparsity * n_frames * (sum of sigmoid(G_W) + sum of sigmoid(G_U)),

    so that the gates of weights that the data do not call for close. With groups of units, a gate for every pair of
    groups, the gates are a graph of the groups' dependencies: which sensor or region acts on which. If the graph is
    known, it can be given as a mask (Mittelman, Kuipers, Savarese & Lee 2014).

    At the start all gates are 1/2, and the weights behind them twice those of an RTRBM.

    Parameters
    ----------
    n_hidden : int
        Hidden units.
    sparsity : float
        Factor of the sum of all gates, which is subtracted from the log-likelihood per frame.
    mask : pair of array_like, optional
        0 where W, or U, has no weight, 1 elsewhere: (n_visible, n_hidden) and (n_hidden, n_hidden), or a number for
        every pair of groups, of the shape of the gates. None in the place of a mask, or of the pair, leaves all
        weights.
    visible_groups : list of int, optional
        The group of every visible unit, numbered from 0. None: each is a group.
    hidden_groups : list of int, optional
        The group of every hidden unit, numbered from 0. None: each is a group.
    dynamic_visible_bias : bool
        As of `rtrbm.RTRBM`: visible bias b_v + r_{t-1} U_v. U_v has no gates.
    visible, negative, standardize, n_gibbs, sample_visible, optimizer, learning_rate, momentum, centering, max_norm,
    weight_decay, l1, sparsity_cost, sparsity_target, batch_size, n_updates, n_epochs, initialization, dtype, engine,
    n_jobs, random_state, comm, verbose
        As of `rtrbm.RTRBM`. `max_norm`, and "gradient_norm" in `history_`, are of the gradient with respect to
        `effective_`.

    Attributes
    ----------
    params_ : SRTRBMParams
        Learned arrays W, U, b_v, b_h, b_init, G_W, G_U; with the dynamic visible bias U_v.
    effective_ : RTRBMParams
        The RTRBM that this is, its weights multiplied by gates and masks.
    gates_ : pair of ndarrays
        sigmoid(G_W) and sigmoid(G_U).
    history_, n_updates_, seed_, n_features_in_, scale_, feature_names_in_, input_names_in_
        As of `rtrbm.RTRBM`.

    References
    ----------
    R. Mittelman, B. Kuipers, S. Savarese and H. Lee, "Structured recurrent temporal restricted Boltzmann machines",
    ICML 2014.

    Examples
    --------
    >>> import numpy as np
    >>> from rtrbm import RTRBM, SRTRBM
    >>> from rtrbm.datasets import bouncing_balls
    >>> X = bouncing_balls(8, n_frames=20, resolution=8, n_balls=1, random_state=0)
    >>> groups = {"visible_groups": np.arange(64) // 16, "hidden_groups": np.arange(20) // 5}
    >>> model = SRTRBM(n_hidden=20, sparsity=0.01, n_gibbs=1, n_updates=10, random_state=0, **groups).fit(X)
    >>> [gates.shape for gates in model.gates_]
    [(4, 4), (4, 4)]
    >>> same = RTRBM.from_params(model.effective_)
    >>> bool(np.allclose(same.transform(X), model.transform(X)))
    True
    """

    sparsity: float = setting(default=0.0, check=partial(check_number, minimum=0, closed=True), free=True)
    mask: Any = setting(default=None, check=_check_mask, fixed=True, kept=_kept_mask, read=_read_mask)
    visible_groups: ArrayLike | None = setting(default=None, check=_check_groups, fixed=True)
    hidden_groups: ArrayLike | None = setting(default=None, check=_check_groups, fixed=True)
    dynamic_visible_bias: bool = setting(default=False, check=check_flag, fixed=True)

    @property
    def effective_(self) -> RTRBMParams:
        """The RTRBM that this is, its weights multiplied by gates and masks: `RTRBMParams`."""
        self._check_fitted()
        return self._effective()

    @property
    def gates_(self) -> tuple[Array, Array]:
        """sigmoid(G_W) and sigmoid(G_U)."""
        self._check_fitted()
        return sigmoid(self.params_.G_W), sigmoid(self.params_.G_U)

    def _past(self):
        v, h = (None if groups is None else np.asarray(groups) for groups in (self.visible_groups, self.hidden_groups))
        masks = (None, None) if self.mask is None else self.mask
        of_W, of_U = (None if mask is None else np.asarray(mask) != 0 for mask in masks)
        return Structured(
            dynamic_visible_bias=bool(self.dynamic_visible_bias),
            of_W=Gates(v, h, of_W),
            of_U=Gates(h, h, of_U),
            sparsity=float(self.sparsity),
        )

    def _start(self, data):
        super()._start(data)
        for weights in (self.params_.W, self.params_.U):
            weights *= 2  # behind gates that are 1/2

    @classmethod
    def _implied(cls, params):
        return {"dynamic_visible_bias": params.U_v is not None}
