"""The LSTM-RBM: a long short-term memory (Hochreiter & Schmidhuber 1997) makes the biases of an RBM."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ..estimators.settings import setting, settings
from ..estimators.temporal import TemporalRBM
from ..functions import sigmoid
from ..minibatches.sequences import forget_warm
from ..past import recurrence
from ..past.conditioner import Map, Memory
from ..past.readout import ReadOut
from .rnnrbm import check_n_recurrent

FORGET = 1.0  # the forget gates' bias at the start: open, so that a cell keeps what it holds


class LSTMRBMParams(NamedTuple):
    """P(v_t, h_t | u_{t-1}) = exp(v_t a_t + v_t W h_t + h_t b_t) / Z_t, with the biases

    a_t = b_v + u_{t-1} W_uv,   b_t = b_h + u_{t-1} W_uh,   u_t = o tanh(c_t),   c_t = i z + f c_{t-1}.

    The gates o (output), i (input) and f (forget) are logistic functions, the candidate z is a tanh. What they act on
    are the four parts, in this order, of v_t K + u_{t-1} R + b_g. Before the first frame u and c are 0.

    W : (n_visible, n_hidden); K : (n_visible, 4 n); R : (n, 4 n); b_g : (4 n,); W_uh : (n, n_hidden); W_uv :
    (n, n_visible); b_v : (n_visible,); b_h : (n_hidden,); units : parameters of the visible units' own, None if they
    have none.

    D_v : (n_inputs, n_visible); D_h : (n_inputs, n_hidden): known inputs x_t of a frame, if any, add x_t D_v and
    x_t D_h to its biases.
    """

    W: np.ndarray
    K: np.ndarray
    R: np.ndarray
    b_g: np.ndarray
    W_uh: np.ndarray
    W_uv: np.ndarray
    b_v: np.ndarray
    b_h: np.ndarray
    units: np.ndarray | None = None
    D_v: np.ndarray | None = None
    D_h: np.ndarray | None = None


class States(NamedTuple):
    """gates : (n_rows, 4 n), o, i, f and z of every frame; cells : (n_rows, n), c_t; past : (n_rows, n), u_{t-1}."""

    gates: np.ndarray
    cells: np.ndarray
    past: np.ndarray


@dataclass(frozen=True)
class LSTM(ReadOut):
    """An LSTM that reads the frames; its output makes the biases.

    The way back, with c_t the cells, x_t = v_t K + u_{t-1} R + b_g the input of the gates, and e_t the derivative that
    reaches u_t through the biases of frame t + 1:

    du_t = e_t + dx_{t+1} R^T                                                       (3.23 of this state)
    dc_t = du_t o (1 - tanh^2 c_t) + dc_{t+1} f_{t+1}
    dx_t = (du_t tanh(c_t) o (1 - o), dc_t z i (1 - i), dc_t c_{t-1} f (1 - f), dc_t i (1 - z^2)), of o, i, f and z
    dO/dK = sum_t v_t^T dx_t,  dO/dR = sum_t u_{t-1}^T dx_t,  dO/db_g = sum_t dx_t

    Parameters
    ----------
    n : int
        Units.
    """

    n: int

    def forward(self, params, v, where, engine):
        gates = engine.product(v, params.K)
        gates += params.b_g
        u, cells = np.empty((2, len(v), self.n), v.dtype)
        times_R = recurrence.times(params.R, where.batch_sizes[0], engine, most=16)
        x, (u_t, c_t) = np.empty_like(gates[: where.batch_sizes[0]]), self.start(params, where.batch_sizes[0])
        for g, u_next, c_next in zip(*(recurrence.frames(a, where) for a in (gates, u, cells))):
            g += times_R(u_t[: len(g)], x[: len(g)])
            u_next[:], c_next[:] = self._cell(g, c_t[: len(g)])
            u_t, c_t = u_next, c_next
        past = recurrence.before(u, where, 0)
        return self.read_out(params, past, engine), Memory(v, where, States(gates, cells, past))

    def backward(self, params, memory, c, engine):
        v, where, (gates, cells, past), _ = memory
        d_past, of_read_out = self.read_out_backward(params, past, c, engine)
        d_u, d_x = recurrence.before_backward(d_past, where), np.empty_like(gates)
        before = recurrence.before(cells, where, 0)
        n_first = where.batch_sizes[0]
        times_R_T, buffer = recurrence.times(params.R.T, n_first, engine, most=16), np.empty_like(past[:n_first])
        later, carried = d_x[:0], cells[:0]  # dx_{t+1}, dc_{t+1} f_{t+1}
        for g, cell, cell_before, d_u_t, d_x_t in zip(
            *(recurrence.frames(a, where)[::-1] for a in (gates, cells, before, d_u, d_x))
        ):
            (o, i, f, z), tanh_cell = self._parts(g), np.tanh(cell)
            d_u_t[: len(later)] += times_R_T(later, buffer[: len(later)])  # eq. 3.23: du_t
            d_cell = d_u_t * o * (1 - tanh_cell**2)
            d_cell[: len(later)] += carried
            d_o, d_i, d_f, d_z = self._parts(d_x_t)
            np.multiply(d_u_t * tanh_cell, o * (1 - o), out=d_o)
            np.multiply(d_cell * z, i * (1 - i), out=d_i)
            np.multiply(d_cell * cell_before, f * (1 - f), out=d_f)
            np.multiply(d_cell * i, 1 - z**2, out=d_z)
            later, carried = d_x_t, d_cell * f
        d_x = forget_warm(d_x, where)
        return None, LSTMRBMParams(
            W=None,
            K=engine.gram(v, d_x),
            R=engine.gram(past, d_x),
            b_g=d_x.sum(axis=0),
            **of_read_out,
        )

    def _cell(self, x, c):
        """u_t and c_t, from the input of the gates, which becomes the gates, and c_{t-1}."""
        sigmoid(x[:, : 3 * self.n], out=x[:, : 3 * self.n])
        np.tanh(x[:, 3 * self.n :], out=x[:, 3 * self.n :])
        o, i, f, z = self._parts(x)
        c = i * z + f * c
        return o * np.tanh(c), c

    def _parts(self, x):
        """The four parts of rows (n_rows, 4 n)."""
        return x.reshape(len(x), 4, self.n).swapaxes(0, 1)

    def start(self, params, n_sequences):
        zeros = np.zeros((n_sequences, self.n), params.R.dtype)
        return zeros, zeros

    def biases(self, params, state):
        return super().biases(params, state[0])

    def step(self, params, state, v, h):
        return self._cell(v @ params.K + params.b_g + state[0] @ params.R, state[1])

    def shapes(self, n_visible, n_hidden):
        n = self.n
        return LSTMRBMParams(
            W=(n_visible, n_hidden),
            K=(n_visible, 4 * n),
            R=(n, 4 * n),
            b_g=(4 * n,),
            W_uh=(n, n_hidden),
            W_uv=(n, n_visible),
            b_v=(n_visible,),
            b_h=(n_hidden,),
        )

    def random(self, n_visible, n_hidden):
        shapes = self.shapes(n_visible, n_hidden)
        return {name: getattr(shapes, name) for name in ("K", "R", "W_uh", "W_uv")}

    def maps(self):
        return Map("K", "v", "b_g"), Map("R", "u", "b_g"), *super().maps()


@settings
class LSTMRBM(TemporalRBM):
    """LSTM-RBM: an RBM at every frame, and a long short-term memory that makes its biases.

    P(v_t, h_t | u_{t-1}) = exp(v_t (b_v + u_{t-1} W_uv) + v_t W h_t + h_t (b_h + u_{t-1} W_uh)) / Z_t. The output
    u_t = o tanh(c_t) and the cells c_t = i z + f c_{t-1} are those of an LSTM that reads the frames, with gates o, i, f
    and candidate z (`LSTMRBMParams`; Hochreiter & Schmidhuber 1997, with the forget gates of Gers, Schmidhuber &
    Cummins 2000). It is an `RNNRBM` with an LSTM in the place of the recurrent units: what a cell holds can reach
    further back. The forget gates start with a bias of 1, that is open.

    Trained to climb sum_t log P(v_t | u_{t-1}) by CD-k and backpropagation through time.

    Parameters
    ----------
    n_hidden : int
        Hidden units of the RBM.
    n_recurrent : int, optional
        n, the cells of the LSTM, as many as hidden units if it is not given.
    visible, negative, standardize, n_gibbs, sample_visible, optimizer, learning_rate, momentum, centering, max_norm,
    weight_decay, l1, sparsity_cost, sparsity_target, batch_size, n_updates, n_epochs, initialization, dtype, engine,
    n_jobs, random_state, comm, verbose
        As of `rtrbm.RTRBM`.

    Attributes
    ----------
    params_ : LSTMRBMParams
        Learned arrays W, K, R, b_g, W_uh, W_uv, b_v and b_h.
    history_, n_updates_, seed_, n_features_in_, scale_, feature_names_in_, input_names_in_
        As of `rtrbm.RTRBM`.

    References
    ----------
    S. Hochreiter and J. Schmidhuber, "Long short-term memory", Neural Computation 9 (1997).
    F. Gers, J. Schmidhuber and F. Cummins, "Learning to forget: continual prediction with LSTM", Neural Computation 12
    (2000).

    Examples
    --------
    >>> from rtrbm import LSTMRBM
    >>> from rtrbm.datasets import bouncing_balls
    >>> X = bouncing_balls(8, n_frames=20, resolution=8, n_balls=1, random_state=0)
    >>> model = LSTMRBM(n_hidden=20, n_recurrent=10, n_gibbs=1, n_updates=10, random_state=0).fit(X)
    >>> model.predict(X).shape, model.params_.R.shape
    ((8, 20, 64), (10, 40))
    """

    n_recurrent: int | None = setting(default=None, check=check_n_recurrent, fixed=True)

    def _past(self):
        return LSTM(int(self.n_hidden if self.n_recurrent is None else self.n_recurrent))

    @classmethod
    def _implied(cls, params):
        return {"n_recurrent": len(params.R)}

    def _start(self, data):
        super()._start(data)
        n = len(self.params_.R)
        self.params_.b_g[2 * n : 3 * n] = FORGET
