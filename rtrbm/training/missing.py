"""Missing values during training: drawn from the model, given what is there."""

import numpy as np

from ..biases import with_inputs
from ..past.conditioner import rows_of
from ..rbm.chains import average_visible
from ..rbm.conditionals import hidden_mean


def fill(model, params, v, where, missing, draw, n_gibbs, engine, inputs=None):
    """Draw missing values, frame by frame, from P(v_missing | v_present, past).

    With h summed out, the gradient of log P(v_present | past) is the average of that of log P(v | past) over
    v_missing ~ P(v_missing | v_present, past) (Fisher's identity). One draw is an unbiased estimate, if the chain has
    forgotten its start. Values that were drawn are part of the past of later frames.

    Parameters
    ----------
    model : Model
    params : NamedTuple
    v : (n_rows, n_visible) ndarray
        Packed frames; values at missing places are ignored.
    where : Layout
    missing : (n_rows, n_visible) bool ndarray
    draw : Draw
    n_gibbs : int
        Steps of the chain of every frame. It starts at E[v | h = 0].
    engine : Engine
    inputs : (n_rows, n_inputs) ndarray, optional

    Returns
    -------
    (n_rows, n_visible) ndarray
    """
    past, units = model
    v, state = v.copy(), past.start(params, len(where.lengths))
    for t, (start, n) in enumerate(zip(where.starts.tolist(), where.batch_sizes.tolist())):
        rows = slice(start, start + n)
        frame, gaps, state = v[rows], missing[rows], rows_of(state, n)
        driven = params if inputs is None else with_inputs(params, inputs[rows])
        biases = past.biases(driven, state)
        biases = biases._replace(h=np.broadcast_to(biases.h, (n, len(params.b_h))))
        if gaps.any():
            np.copyto(frame, units.mean(np.broadcast_to(biases.v, frame.shape)), where=gaps)
            chains = draw.at(t).chains_of_rows(n, engine)
            states = average_visible(frame, params.W, biases, n_gibbs - 1, 1, units, chains, engine, held=~gaps)[1]
            np.copyto(frame, states, where=gaps)
        h = hidden_mean(frame, params.W, biases.h) if past.carries else None
        state = past.step(driven, state, frame, h)
    return v
