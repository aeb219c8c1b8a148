"""Missing values, filled in frame by frame: those filled in are part of the past of later frames."""

import numpy as np

from ..past.conditioner import advance, biases_of, rows_of
from ..rbm.chains import average_visible


def fill_in(past, params, v, where, missing, values, inputs=None, count=None):
    """Fill gaps, in place.

    Parameters
    ----------
    past : Conditioner
    params : NamedTuple
    v : (n_rows, n_visible) ndarray
        Packed frames.
    where : Layout
    missing : (n_rows, n_visible) bool ndarray
    values : callable (t, frame, gaps, biases) -> ndarray of the shape of `frame`
        Called at a frame of the sequences with gaps; what it returns is taken at the gaps.
    inputs : (n_rows, n_inputs) ndarray, optional
    count : callable (n_rows), optional
        Called after every frame.
    """
    state = past.start(params, len(where.lengths))
    for t, (start, n) in enumerate(zip(where.starts.tolist(), where.batch_sizes.tolist())):
        rows = slice(start, start + n)
        frame, gaps, state = v[rows], missing[rows], rows_of(state, n)
        biases = biases_of(past, params, state, n, None if inputs is None else inputs[rows])
        if gaps.any():
            np.copyto(frame, values(t, frame, gaps, biases), where=gaps)
        state = advance(past, params, state, frame, biases.h)
        if count is not None:
            count(n)


def fill(model, params, v, where, missing, draw, n_gibbs, engine, inputs=None):
    """Draw missing values, frame by frame, from P(v_missing | v_present, past).

    With h summed out, the gradient of log P(v_present | past) is the average of that of log P(v | past) over
    v_missing ~ P(v_missing | v_present, past) (Fisher's identity). One draw is an unbiased estimate, if the chain has
    forgotten its start.

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
    v = v.copy()

    def drawn(t, frame, gaps, biases):
        start = np.where(gaps, units.mean(np.broadcast_to(biases.v, frame.shape)), frame)
        chains = draw.at(t).chains_of_rows(len(frame), engine)
        return average_visible(start, params.W, biases, n_gibbs - 1, 1, units, chains, engine, held=~gaps)[1]

    fill_in(past, params, v, where, missing, drawn, inputs)
    return v
