"""Temporal RBMs in general: an RBM at every frame, its biases made by delay taps on the past (chapter 3.2).

The hidden states of the past are known only through the filter r_t = P(h_t = 1 | v_t, past), a mean-field one
(3.2.1). Learning takes them as given (3.2.2), or it counts how they change with the parameters too (3.10). The RTRBM
is the case of one hidden tap and the second rule.
"""

from functools import partial
from typing import NamedTuple

import numpy as np

from . import rbm, taps
from .engines import NUMPY
from .parallel import gram, product, run
from .streams import stream


class TRBMParams(NamedTuple):
    """P(v_t, h_t | past) = exp(v_t a_t + v_t W h_t + h_t b_t) / Z_t, with the biases

    a_t = b_v + sum_n v_{t-n} A_n + sum_n r_{t-n} U_v_n,   b_t = b_h + sum_n r_{t-n} B_n + sum_n v_{t-n} C_n.

    What frames before the first would add to a_t and b_t is b_v_init_t and b_init_t.

    W : (n_visible, n_hidden), the chapter's C_0; A : (m, n_visible, n_visible); B : (m, n_hidden, n_hidden);
    C : (m, n_visible, n_hidden); U_v : (m, n_hidden, n_visible), m the number of taps of that kind, perhaps 0, and
    A[n - 1] = A_n, the chapter's transposed; b_v : (n_visible,); b_h : (n_hidden,); b_v_init : (n_init, n_visible);
    b_init : (n_init, n_hidden).
    """

    W: np.ndarray
    A: np.ndarray
    B: np.ndarray
    C: np.ndarray
    U_v: np.ndarray
    b_v: np.ndarray
    b_h: np.ndarray
    b_v_init: np.ndarray
    b_init: np.ndarray


class Past(NamedTuple):
    """What the biases of the next frame depend on.

    v : tuple of (n_sequences, n_visible) ndarrays, the frames before, the latest first; r : tuple of
    (n_sequences, n_hidden) ndarrays, their hidden states; n_frames : int, the number of frames before.
    """

    v: tuple = ()
    r: tuple = ()
    n_frames: int = 0

    def followed_by(self, v, r, m):
        """The past of the frame after this one, as far as m taps reach back."""
        return Past((v, *self.v)[:m], (r, *self.r)[:m], self.n_frames + 1)

    def of(self, n_sequences):
        """The past of the first so many sequences."""
        return Past(
            tuple(v[:n_sequences] for v in self.v), tuple(r[:n_sequences] for r in self.r), self.n_frames
        )


def states_and_biases(params, v, where, n_jobs=None, engine=NUMPY):
    """The filtered hidden states of a minibatch and the biases its RBMs receive (3.2.1; eq. 3.20).

    Parameters
    ----------
    params : TRBMParams
    v : (n_rows, n_visible) ndarray
        Packed frames.
    where : Layout
    n_jobs : int, optional
    engine : Engine

    Returns
    -------
    r : (n_rows, n_hidden) ndarray
        r_t = sigmoid(v_t W + b_t), P(h_t = 1 | v_t, past).
    b_v : (n_visible,) or, with taps that lead to the visible units (A, U_v), (n_rows, n_visible) ndarray
        a_t.
    b_h : (n_rows, n_hidden) ndarray
        b_t.
    """
    b_h = params.b_h
    if len(params.C):
        b_h = b_h + taps.forward(v, where, params.C, n_jobs=n_jobs)
    x = product(v, params.W, n_jobs, engine.multiply)
    r, b_h = engine.forward(x, where, params.B, b_h, params.b_init, n_jobs)  # eq. 3.20
    return r, visible_biases(params, v, r, where, n_jobs), b_h


def visible_biases(params, v, r, where, n_jobs=None):
    """The visible biases a_t = b_v + sum_n v_{t-n} A_n + sum_n r_{t-n} U_v_n.

    Parameters
    ----------
    params, v, where, n_jobs
        As in `states_and_biases`.
    r : (n_rows, n_hidden) ndarray
        Hidden states.

    Returns
    -------
    (n_visible,) or, with taps that lead to the visible units (A, U_v), (n_rows, n_visible) ndarray
    """
    if not (len(params.A) or len(params.U_v)):
        return params.b_v
    b_v = taps.forward(v, where, params.A, params.b_v_init, n_jobs)
    b_v += taps.forward(r, where, params.U_v, n_jobs=n_jobs)
    b_v += params.b_v
    return b_v


def next_biases(params, past, n_sequences):
    """The biases of one more frame of every sequence.

    Parameters
    ----------
    params : TRBMParams
    past : Past
    n_sequences : int

    Returns
    -------
    b_v : (n_visible,) or (n_sequences, n_visible) ndarray
    b_h : (n_sequences, n_hidden) ndarray
    """

    def bias(constant, init, *kinds):
        total = constant + init[past.n_frames] if past.n_frames < len(init) else constant
        for earlier, T in kinds:
            for x, T_n in zip(earlier, T):
                total = total + x @ T_n
        return total

    b_v = bias(params.b_v, params.b_v_init, (past.v, params.A), (past.r, params.U_v))
    b_h = bias(params.b_h, params.b_init, (past.r, params.B), (past.v, params.C))
    return b_v, np.broadcast_to(b_h, (n_sequences, len(params.b_h)))


def gradient(params, v, where, negative_phase, bptt=True, n_jobs=None, engine=NUMPY):
    """Gradient of sum_t log P(v_t | past) over all sequences of a minibatch (eq. 3.25, in its right form).

    With c_t = r_t - <h_t>, c_v,t = v_t - <v_t> and d_t = r_t (1 - r_t) dO/dr_t from `rtrbm.rnn.backward`,

        dW = sum_t v_t^T d_t + sum_t (v_t^T r_t - <v_t^T h_t>),
        dA_n = sum_t v_{t-n}^T c_v,t,         dU_v,n = sum_t r_{t-n}^T c_v,t,    db_v = sum_t c_v,t,
        dB_n = sum_t r_{t-n}^T (d_t + c_t),   dC_n = sum_t v_{t-n}^T (d_t + c_t),  db_h = sum_t (d_t + c_t).

    In the RTRBM B_1 is U.

    Parameters
    ----------
    params : TRBMParams
    v : (n_rows, n_visible) ndarray
        Packed frames.
    where : Layout
    negative_phase : callable (h_pos, W, b_v, b_h) -> Averages
        The model averages <.>: exact (`rtrbm.exact.averages`) or by CD-k (`rtrbm.rbm.cd_averages`). Their array v may
        be overwritten.
    bptt : bool
        If False, d_t = 0: the TRBM's rule (3.2.2), which takes the past's hidden states as given.
    n_jobs : int, optional
    engine : Engine

    Returns
    -------
    derivatives : TRBMParams
    c_v : (n_rows, n_visible) ndarray
        v_t - <v_t>
    h_neg : (n_rows, n_hidden) ndarray
        <h_t>
    """
    r, b_v, b_h = states_and_biases(params, v, where, n_jobs, engine)
    negative = negative_phase(r, params.W, b_v, b_h)
    c, c_v, e = r - negative.h, None, None
    if len(params.U_v):
        c_v = v - negative.v
        e = taps.backward(c_v, where, params.U_v, n_jobs)
    if bptt:
        backward = partial(engine.backward, r, where, params.B, d_bias=c, d_r=e, n_jobs=n_jobs)  # eq. 3.23
        (d, c), negative_vh = run(lambda task: task(), [backward, negative.vh], n_jobs)
        d += r
    else:
        d, negative_vh = r, negative.vh()
    d_W = gram(v, d, n_jobs, multiply=engine.multiply)  # eq. 3.25: sum_t v_t^T (d_t + r_t) - <v_t^T h_t>
    d_W -= negative_vh
    if c_v is None:
        c_v = np.subtract(v, negative.v, out=negative.v)  # in its place: large new arrays are slow
    derivatives = TRBMParams(
        W=d_W,
        A=taps.gradient(v, where, c_v, len(params.A), n_jobs),
        B=taps.gradient(r, where, c, len(params.B), n_jobs),  # eq. 3.24
        C=taps.gradient(v, where, c, len(params.C), n_jobs),
        U_v=taps.gradient(r, where, c_v, len(params.U_v), n_jobs),
        b_v=c_v.sum(axis=0),
        b_h=c.sum(axis=0),
        b_v_init=taps.initial_gradient(where, c_v, len(params.b_v_init)),
        b_init=taps.initial_gradient(where, c, len(params.b_init)),
    )
    return derivatives, c_v, negative.h


def initial_params(minibatch, shapes, visible, seed, initialization="data"):
    """Parameters to start training from.

    ``"data"`` : W, B, U_v from N(0, 0.01^2), b_v reproducing the mean of the first minibatch, all else 0.
    ``"thesis"`` : W from 30 CD-5 updates of a static RBM at rate 0.01, A and C 0, all else N(0, 0.005^2) (3.11.3).

    Parameters
    ----------
    minibatch : callable (update) -> (n_rows, n_visible) ndarray
        Frames to learn from.
    shapes : TRBMParams of tuples
    visible : {"bernoulli", "gaussian"}
    seed : int
    initialization : {"data", "thesis"}

    Returns
    -------
    TRBMParams
        Of the dtype of the frames.
    """
    rng = stream(seed, "initial", 1)
    frames = minibatch(0)
    n_visible, n_hidden = shapes.W

    def normal(*shape):
        scale = 0.005 if initialization == "thesis" else 0.01
        return (scale * rng.standard_normal(shape)).astype(frames.dtype)

    params = TRBMParams(*(np.zeros(shape, frames.dtype) for shape in shapes))
    B = normal(*shapes.B)
    # Drawn in any case, so that the numbers after it are the same.
    U_v = normal(1, n_hidden, n_visible)[: shapes.U_v[0]]
    params = params._replace(B=B, U_v=U_v)
    if initialization == "data":
        return params._replace(**rbm.initial_params(frames, n_hidden, visible, seed)._asdict())
    W = rbm.pretrained_weights(minibatch, n_hidden, visible, seed)
    b_v, b_h, b_init = normal(n_visible), normal(n_hidden), normal(*shapes.b_init)
    return params._replace(W=W, b_v=b_v, b_h=b_h, b_init=b_init, b_v_init=normal(*shapes.b_v_init))


def without_taps(W, **arrays):
    """`TRBMParams` with W, with these arrays and with no other taps or initial values."""
    shapes = tap_shapes(*W.shape, 0, 0, 0)
    empty = TRBMParams(*(np.empty(shape, W.dtype) if 0 in shape else None for shape in shapes))
    return empty._replace(W=W, **arrays)


def tap_shapes(n_visible, n_hidden, n_A, n_B, n_C, n_U_v=0):
    """The shapes of `TRBMParams` with these numbers of taps; every bias a tap reaches has as many initial values."""
    return TRBMParams(
        W=(n_visible, n_hidden),
        A=(n_A, n_visible, n_visible),
        B=(n_B, n_hidden, n_hidden),
        C=(n_C, n_visible, n_hidden),
        U_v=(n_U_v, n_hidden, n_visible),
        b_v=(n_visible,),
        b_h=(n_hidden,),
        b_v_init=(n_A, n_visible),
        b_init=(max(n_B, n_C), n_hidden),
    )
