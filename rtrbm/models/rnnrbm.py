"""The RNN-RBM (Boulanger-Lewandowski, Bengio & Vincent 2012): the past in recurrent units of their own."""

from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np

from ..checks import check_choice, check_size
from ..estimators.settings import setting, settings
from ..estimators.temporal import TemporalRBM
from ..functions import sigmoid
from ..past import recurrence
from ..past.conditioner import Map, Memory
from ..past.readout import ReadOut


class RNNRBMParams(NamedTuple):
    """P(v_t, h_t | u_{t-1}) = exp(v_t a_t + v_t W h_t + h_t b_t) / Z_t, with the biases

    a_t = b_v + u_{t-1} W_uv,   b_t = b_h + u_{t-1} W_uh,   u_t = f(b_u + u_{t-1} W_uu + v_t W_vu).

    W : (n_visible, n_hidden); W_vu : (n_visible, n_recurrent); W_uu : (n_recurrent, n_recurrent); W_uh :
    (n_recurrent, n_hidden); W_uv : (n_recurrent, n_visible); b_u : (n_recurrent,); b_v : (n_visible,); b_h :
    (n_hidden,); u_0 : (n_recurrent,), the state before the first frame; units : parameters of the visible units' own,
    None if they have none.

    D_v : (n_inputs, n_visible); D_h : (n_inputs, n_hidden): known inputs x_t of a frame, if any, add x_t D_v and
    x_t D_h to its biases.
    """

    W: np.ndarray
    W_vu: np.ndarray
    W_uu: np.ndarray
    W_uh: np.ndarray
    W_uv: np.ndarray
    b_u: np.ndarray
    b_v: np.ndarray
    b_h: np.ndarray
    u_0: np.ndarray
    units: np.ndarray | None = None
    D_v: np.ndarray | None = None
    D_h: np.ndarray | None = None


class States(NamedTuple):
    """u : (n_rows, n_recurrent), the state after every frame; past : (n_rows, n_recurrent), that before it."""

    u: np.ndarray
    past: np.ndarray


@dataclass(frozen=True)
class RecurrentUnits(ReadOut):
    """A state u_t of its own, which reads the frames and makes the biases.

    u_t = f(b_u + u_{t-1} W_uu + v_t W_vu)                                          (3.20 of this state)
    g_t = d_{t+1} W_uu^T + c_{t+1} W_uh^T + c_{v,t+1} W_uv^T,  d_t = f'_t g_t       (3.23 of this state)
    dO/dW_uu = sum_t u_{t-1}^T d_t,  dO/dW_vu = sum_t v_t^T d_t,  dO/db_u = sum_t d_t,  dO/du_0 = g_0

    c_t and c_{v,t} are the derivatives with respect to the biases b_t and a_t (`rtrbm.gradient`); `ReadOut` has those
    with respect to W_uh, W_uv, b_h and b_v.

    Parameters
    ----------
    n_recurrent : int
    activation : {"tanh", "sigmoid"}
        f.
    """

    n_recurrent: int
    activation: str = "tanh"

    def forward(self, params, v, where, engine):
        x, init = engine.product(v, params.W_vu), params.u_0 @ params.W_uu
        u, _ = recurrence.forward(x, where, params.W_uu, params.b_u, init, engine, self.activation)
        past = recurrence.before(u, where, params.u_0)  # u_{t-1}
        return self.read_out(params, past, engine), Memory(v, where, States(u, past))

    def backward(self, params, memory, c, engine):
        v, where, (u, past), _ = memory
        d_past, of_read_out = self.read_out_backward(params, past, c, engine)
        e = recurrence.before_backward(d_past, where)
        d, _ = recurrence.backward(u, where, params.W_uu, None, e, engine, self.activation)  # eq. 3.23
        n_first = where.batch_sizes[0]
        return None, RNNRBMParams(
            W=None,
            W_vu=engine.gram(v, d),
            W_uu=engine.gram(past, d),
            b_u=d.sum(axis=0),
            u_0=d_past[:n_first].sum(axis=0) + params.W_uu @ d[:n_first].sum(axis=0),  # g_0
            **of_read_out,
        )

    def start(self, params, n_sequences):
        return np.tile(params.u_0, (n_sequences, 1))

    def step(self, params, u, v, h):
        f = sigmoid if self.activation == "sigmoid" else np.tanh
        return f(params.b_u + u @ params.W_uu + v @ params.W_vu)

    def shapes(self, n_visible, n_hidden):
        n = self.n_recurrent
        return RNNRBMParams(
            W=(n_visible, n_hidden),
            W_vu=(n_visible, n),
            W_uu=(n, n),
            W_uh=(n, n_hidden),
            W_uv=(n, n_visible),
            b_u=(n,),
            b_v=(n_visible,),
            b_h=(n_hidden,),
            u_0=(n,),
        )

    def random(self, n_visible, n_hidden):
        shapes = self.shapes(n_visible, n_hidden)
        return {name: getattr(shapes, name) for name in ("W_vu", "W_uu", "W_uh", "W_uv")}

    def maps(self):
        return Map("W_vu", "v", "b_u"), Map("W_uu", "u", "b_u"), *super().maps()


def check_n_recurrent(name, value):
    """Raise unless `value` is None or a count of units that fit in memory."""
    if value is not None:
        check_size(name, value)


@settings
class RNNRBM(TemporalRBM):
    """RNN-RBM: an RBM at every frame, and a recurrent network that makes its biases.

    P(v_t, h_t | u_{t-1}) = exp(v_t (b_v + u_{t-1} W_uv) + v_t W h_t + h_t (b_h + u_{t-1} W_uh)) / Z_t, with u_t =
    f(b_u + u_{t-1} W_uu + v_t W_vu), and u_0 learned (Boulanger-Lewandowski, Bengio & Vincent 2012). In the RTRBM
    one state r_t is both the mean of the hidden units and the state that is carried on; here the two have weights of
    their own. With W_vu = W, W_uu = W_uh = U, W_uv = 0, b_u = b_h, u_0 U = b_init and logistic units it is the RTRBM.

    Trained to climb sum_t log P(v_t | u_{t-1}) by CD-k and backpropagation through time.

    Parameters
    ----------
    n_hidden : int
        Hidden units of the RBM.
    n_recurrent : int, optional
        Recurrent units, as many as hidden units if it is not given.
    activation : {"tanh", "sigmoid"}
        The function f of the recurrent units.
    visible, negative, standardize, n_gibbs, sample_visible, optimizer, learning_rate, momentum, centering, max_norm,
    weight_decay, l1, sparsity_cost, sparsity_target, batch_size, n_updates, n_epochs, initialization, dtype, engine,
    n_jobs, random_state, comm, verbose
        As of `rtrbm.RTRBM`.

    Attributes
    ----------
    params_ : RNNRBMParams
        Learned arrays W, W_vu, W_uu, W_uh, W_uv, b_u, b_v, b_h and u_0.
    history_, n_updates_, seed_, n_features_in_, scale_, feature_names_in_, input_names_in_
        As of `rtrbm.RTRBM`.

    References
    ----------
    N. Boulanger-Lewandowski, Y. Bengio and P. Vincent, "Modeling temporal dependencies in high-dimensional sequences:
    application to polyphonic music generation and transcription", ICML 2012.

    Examples
    --------
    >>> from rtrbm import RNNRBM
    >>> from rtrbm.datasets import bouncing_balls
    >>> X = bouncing_balls(8, n_frames=20, resolution=8, n_balls=1, random_state=0)
    >>> model = RNNRBM(n_hidden=20, n_recurrent=10, n_gibbs=1, n_updates=10, random_state=0).fit(X)
    >>> model.predict(X).shape, model.params_.u_0.shape
    ((8, 20, 64), (10,))
    """

    n_recurrent: int | None = setting(default=None, check=check_n_recurrent, fixed=True)
    activation: str = setting(default="tanh", check=partial(check_choice, choices=("tanh", "sigmoid")), fixed=True)

    def _past(self):
        n_recurrent = self.n_hidden if self.n_recurrent is None else self.n_recurrent
        return RecurrentUnits(int(n_recurrent), self.activation)

    @classmethod
    def _implied(cls, params):
        return {"n_recurrent": len(params.b_u)}
