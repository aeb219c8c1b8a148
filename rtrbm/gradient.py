"""Eq. 3.25, in its right form: every model learns by this.

The gradient of sum_t log P(v_t | past) has two halves. The RBM's half knows no time: at every frame an RBM with given
biases returns the derivatives with respect to W and to these biases. The past's half knows no chains: it takes the
derivatives of the biases and carries them back through time.
"""

from functools import partial
from typing import NamedTuple

import numpy as np

from .biases import Biases, with_inputs
from .minibatches.sequences import counted
from .past.conditioner import Conditioner
from .rbm.conditionals import hidden_mean
from .rbm.units import Units


class Model(NamedTuple):
    """An RBM that receives its biases, and the conditioner that makes them.

    past : Conditioner; units : Units, the kind of visible units.
    """

    past: Conditioner
    units: Units


def gradient(model, params, v, where, negative_phase, engine, inputs=None):
    """Gradient of sum_t log P(v_t | past) over all sequences of a minibatch (eq. 3.25, in its right form).

    With c_t = h_pos,t - <h_t>, c_v,t = v_t - <v_t> and d_t the derivative that reaches v_t W through later frames,

        dW = sum_t v_t^T (h_pos,t + d_t) - sum_t <v_t^T h_t>.

    In the RTRBM h_pos,t is r_t and d_t is r_t (1 - r_t) dO/dr_t.

    Parameters
    ----------
    model : Model
    params : NamedTuple
        Effective ones (`Conditioner.effective`).
    v : (n_rows, n_visible) ndarray
        Packed frames, as the RBM sees them (`Units.inward`).
    where : Layout
    negative_phase : callable (h_pos, W, biases) -> Averages
        The averages <.> under the model of every frame that counts.
    engine : Engine
    inputs : (n_rows, n_inputs) ndarray, optional
        Known inputs of every frame x_t, which add x_t D_v and x_t D_h to its biases:
        dD_v = sum_t x_t^T c_v,t and dD_h = sum_t x_t^T (c_t + d_t).

    Returns
    -------
    gradient : NamedTuple of the type of `params`
    c : Biases
        Derivatives with respect to the biases of every frame that counts (`Layout.n_warm`).
    memory : Memory
    """
    driven = with_inputs(params, inputs)
    biases, memory = model.past.forward(driven, v, where, engine)  # eq. 3.20
    rows = counted(where)[1]
    v, biases = v[rows], biases.at(rows)
    h_pos = hidden_mean(v, params.W, biases.h, engine.product) if memory.h_pos is None else memory.h_pos[rows]
    average = negative_phase(h_pos, params.W, biases)  # <v^T h>, <v>, <h>
    c = Biases(v - average.v, h_pos - average.h)
    all_c = c.spread(rows, where.n_rows)
    backward = partial(model.past.backward, driven, memory, all_c, engine)  # eq. 3.23, 3.24
    (d, rest), vh = engine.both(backward, average.vh, len(v) * params.W.size)  # rest: of all but W
    own = {}
    if inputs is not None:
        total = all_c.h if d is None else all_c.h + d
        own |= {"D_v": engine.gram(inputs, all_c.v), "D_h": engine.gram(inputs, total)}
    d = None if d is None else d[rows]
    positive = engine.gram(v, h_pos if d is None else np.add(h_pos, d, out=d))  # sum_t v_t^T (h_pos,t + d_t)
    if params.units is not None:
        own["units"] = model.units.derivative(params, v, biases.v, positive, rest, model.past.maps())
    return rest._replace(W=np.subtract(positive, vh, out=positive), **own), c, memory  # eq. 3.25
