"""Delay taps: biases linear in the frames before, b_t = sum_n x_{t-n} T_n (chapter 3.2), and their backward pass.

x is anything that has a value at every frame: the visible units or the hidden states. Frames before
the first do not exist: ``init[t]``, which is learned, stands for their part of the bias of frame t. Frames are packed
(`rtrbm.minibatches.sequences`).
"""

from typing import NamedTuple

import numpy as np

from ..biases import Biases
from ..compute.engine import NUMPY
from ..minibatches.sequences import later_rows, previous_rows
from .conditioner import Conditioner, Memory


def forward(x, where, T, init=(), engine=NUMPY):
    """The biases of all frames.

    b_t = sum_{n=1..m, n<t} x_{t-n} T_n, plus init_t while t <= len(init), t counted from 1.

    Parameters
    ----------
    x : (n_rows, n_in) ndarray
    where : Layout
    T : (m, n_in, n_out) ndarray
        T[n - 1] leads from frame t - n to frame t; no taps if m = 0.
    init : (n_init, n_out) ndarray, optional
    engine : Engine

    Returns
    -------
    (n_rows, n_out) ndarray
    """
    bias = np.zeros((where.n_rows, T.shape[2]), T.dtype)
    for n in _reaching(T, where):
        bias[later_rows(where, n)] += engine.product(x[previous_rows(where, n)], T[n - 1])
    for rows, b in zip(_first_frames(where), init):
        bias[rows] += b
    return bias


def as_taps(T):
    """A matrix as one tap, (1, n_in, n_out); taps as they are."""
    return T if T.ndim == 3 else T[None]


def backward(d_bias, where, T, engine=NUMPY):
    """Derivative of the loss with respect to x, given that with respect to the biases.

    dL/dx_t = sum_n dL/db_{t+n} T_n^T.

    Parameters
    ----------
    d_bias : (n_rows, n_out) ndarray
    where, T, engine
        As in `forward`.

    Returns
    -------
    (n_rows, n_in) ndarray
    """
    d_x = np.zeros((where.n_rows, T.shape[1]), T.dtype)
    for n in _reaching(T, where):
        d_x[previous_rows(where, n)] += engine.product(d_bias[later_rows(where, n)], T[n - 1].T)
    return d_x


def gradient(x, where, d_bias, m, engine=NUMPY):
    """Derivative with respect to the taps: dL/dT_n = sum_{t>n} x_{t-n}^T dL/db_t.

    Parameters
    ----------
    x, where, engine
        As in `forward`.
    d_bias : (n_rows, n_out) ndarray
    m : int
        Number of taps.

    Returns
    -------
    (m, n_in, n_out) ndarray
    """
    d_T = np.zeros((m, x.shape[1], d_bias.shape[1]), x.dtype)
    for n in _reaching(d_T, where):
        engine.gram(x[previous_rows(where, n)], d_bias[later_rows(where, n)], out=d_T[n - 1])
    return d_T


def initial_gradient(where, d_bias, n_init):
    """Derivative with respect to the learned biases of the first frames: that of the bias, summed over sequences.

    Parameters
    ----------
    where, d_bias
        As in `gradient`.
    n_init : int

    Returns
    -------
    (n_init, n_out) ndarray
    """
    d_init = np.zeros((n_init, d_bias.shape[1]), d_bias.dtype)
    for d, rows in zip(d_init, _first_frames(where)):
        d[:] = d_bias[rows].sum(axis=0)
    return d_init


def _reaching(T, where):
    """The delays n for which some sequence has a frame t - n."""
    return range(1, min(len(T), len(where.starts) - 1) + 1)


def _first_frames(where):
    """The rows of frame 1, of frame 2, ..."""
    return (slice(start, start + n) for start, n in zip(where.starts.tolist(), where.batch_sizes.tolist()))


class Earlier(NamedTuple):
    """The past as the taps of the next frame see it.

    v : tuple of (n_sequences, n_visible) ndarrays, the frames before, the latest first, 0 where there is none; h :
    tuple of (n_sequences, n_hidden) ndarrays, their hidden states, empty if no tap is on these; n_frames :
    (n_sequences,) int ndarray, the number of frames before.
    """

    v: tuple
    h: tuple
    n_frames: np.ndarray

    def followed_by(self, v, h):
        """The same after one more frame."""
        return Earlier((v, *self.v)[: len(self.v)], (h, *self.h)[: len(self.h)], self.n_frames + 1)


class Taps(Conditioner):
    """Biases linear in earlier frames and hidden states: bias_t = constant + sum over `maps` and n of x_{t-n} T_n.

    As it stands x are earlier frames; a subclass adds the filter that makes hidden states.

    Attributes
    ----------
    kind : type
        The NamedTuple of the parameters.
    bptt : bool
        Whether the filter's means go on in `step`, and not a sample of the hidden units.
    """

    kind = None
    bptt = True

    def forward(self, params, v, where, engine):
        b_v = self.bias("b_v", params, where, engine, params.b_v_init, v=v)
        return Biases(b_v, self.bias("b_h", params, where, engine, params.b_init, v=v)), Memory(v, where)

    def backward(self, params, memory, c, engine):
        return None, self.gradients(memory, c, engine)

    def bias(self, name, params, where, engine, init=None, **sources):
        """The constant bias of that name, plus the taps on the given sources, and `init` at the first frames."""
        total = getattr(params, name)
        for part in self.maps():
            if part.bias == name and part.source in sources:
                T = as_taps(getattr(params, part.matrix))
                total = total + forward(sources[part.source], where, T, () if init is None else init, engine)
                init = None
        return total

    def gradients(self, memory, d, engine):
        """Derivatives with respect to all but W, given those of the biases of all frames, d.v and d.h.

        With z = d.v or d.h, as the bias is: dT_n = sum_{t>n} x_{t-n}^T z_t (3.24 for U), db = sum_t z_t, db_init = z_1.
        """
        v, where, states, _ = memory
        found = {"b_v": d.v.sum(axis=0), "b_h": d.h.sum(axis=0)}
        for part in self.maps():
            d_bias = d.v if part.bias == "b_v" else d.h
            x = v if part.source == "v" else states
            d_T = gradient(x, where, d_bias, part.m or 1, engine)  # eq. 3.24
            found[part.matrix] = d_T if part.m else d_T[0]
            if part.init and part.init not in found:
                n_init = self._n_init(part.init)
                d_init = initial_gradient(where, d_bias, n_init or 1)
                found[part.init] = d_init if n_init else d_init[0]
        return self.kind(W=None, **found)

    @property
    def carries(self):
        recurrent = any(part.source == "h" for part in self.maps())
        return ("means" if self.bptt else "draws") if recurrent else None

    def start(self, params, n_sequences):
        m = max((part.m or 1 for part in self.maps()), default=0)
        v, h = (np.zeros((n_sequences, n), params.W.dtype) for n in params.W.shape)
        return Earlier((v,) * m, (h,) * m if self.carries else (), np.zeros(n_sequences, int))

    def biases(self, params, past):
        totals = {"v": params.b_v, "h": params.b_h}
        inits = {"v": params.b_v_init, "h": params.b_init}
        for side, init in inits.items():
            init = () if init is None else np.atleast_2d(init)
            if (past.n_frames < len(init)).any():
                init = np.concatenate([init, np.zeros_like(init[:1])])
                totals[side] = totals[side] + init[np.minimum(past.n_frames, len(init) - 1)]
        for part in self.maps():
            for x, T in zip(getattr(past, part.source), as_taps(getattr(params, part.matrix))):
                totals[part.bias[-1]] = totals[part.bias[-1]] + x @ T
        return Biases(**totals)

    def step(self, params, past, v, h):
        return past.followed_by(v, h)

    def shapes(self, n_visible, n_hidden):
        size = {"v": n_visible, "h": n_hidden, "b_v": n_visible, "b_h": n_hidden}
        found = {"W": (n_visible, n_hidden), "b_v": (n_visible,), "b_h": (n_hidden,)}
        for part in self.maps():
            found[part.matrix] = (*filter(None, [part.m]), size[part.source], size[part.bias])
            if part.init:
                found[part.init] = (*filter(None, [self._n_init(part.init)]), size[part.bias])
        return self.kind(**found)

    def random(self, n_visible, n_hidden):
        taps = {part.matrix: part for part in self.maps() if part.source == "h"}
        shapes = self.shapes(n_visible, n_hidden)
        # U_v is drawn in any case, so that a seed gives the same numbers with and without it.
        return {**{name: getattr(shapes, name) for name in taps}, "U_v": (n_hidden, n_visible)}

    def _n_init(self, init):
        """The number of frames that have an initial bias of that name; None if it is one vector."""
        return max((part.m for part in self.maps() if part.init == init and part.m), default=None)
