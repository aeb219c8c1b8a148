"""Where the hidden units of an RBM settle, and what that says of log Z.

With the visible units summed out, log p*(h) = b_h h + A(b_v + h W^T), A the log partition function of the visible
units. A is convex, with the gradient E[v | h]. So independent units with means m have, by Jensen's inequality,

    log Z >= b_h m + A(b_v + m W^T) + entropy(m),

and a step to m' = sigmoid(b_h + E[v | m] W) never lowers it: the mean-field equations. Modes that are far apart each
have such means, and chains that start with noise or with data need not come to them.
"""

import numpy as np

from ..compute.engine import NUMPY
from ..functions import sigmoid, softplus
from .conditionals import hidden_free_energy

MULTIPLES = 1, 2, 4  # a climb starts as if so many copies of one hidden unit were on
N_STARTS = 8  # of a row, beside no unit and all units
STEPS = 10
NUMBERS = 2**21  # that are looked at at the same time


def attractors(W, biases, units, data, common=(), engine=NUMPY):
    """Where mean-field equations lead, for each row of biases.

    Climbs begin at E[v | h] with no hidden unit on, with all, and with one, two or four units of the same weights,
    those of the largest p*; at frames of the row, and at frames that all rows have in common. A row's ends do not
    depend on other rows.

    Parameters
    ----------
    W : (n_visible, n_hidden) ndarray
        Climbs have its precision, bounds that of float64.
    biases : Biases
        Rows of both layers.
    units : Units
    data : (n_rows, n_data, n_visible) ndarray
    common : (n_common, n_visible) ndarray, optional
    engine : Engine
        Its threads share the rows.

    Returns
    -------
    bound : (n_rows, n) float64 ndarray
        What each end says that log Z is at least, the largest first.
    v : (n_rows, n, n_visible) ndarray
        E[v | m] there.
    known : (n_rows,) float64 ndarray
        The larger of the best bound, and the log of the sum of p*(h) over the different binary states h that are
        nearest to the ends of the climbs.
    """
    n_starts = 2 + N_STARTS + data.shape[1] + len(common)
    n = max(1, NUMBERS // (len(MULTIPLES) * W.size + n_starts**2 * W.shape[1]))

    def settled(rows):
        own, frames = biases.at(rows), data[rows]
        shared = np.broadcast_to(common, (len(frames), *np.shape(common))) if len(common) else frames[:, :0]
        return _settled(W, *own, np.concatenate([frames, shared], axis=1).astype(W.dtype, copy=False), units)

    parts = [slice(i, i + n) for i in range(0, len(biases.v), n)]
    return tuple(map(np.concatenate, zip(*engine.run(settled, parts))))


def _settled(W, b_v, b_h, frames, units):
    v = np.concatenate([units.mean(_starts(W, b_v, b_h, units)), frames], axis=1)
    b_v, b_h = b_v[:, None], b_h[:, None]
    for _ in range(STEPS):
        x = b_h + v @ W
        v = units.mean(b_v + sigmoid(x) @ W.T)
    W, b_v, b_h, x = (part.astype(float, copy=False) for part in (W, b_v, b_h, x))
    m = sigmoid(x)
    a = b_v + m @ W.T
    bound = (b_h * m + softplus(x) - x * m).sum(axis=-1) + units.log_partition(a)
    h = (x > 0).astype(float)
    log_p = -hidden_free_energy(h, W, b_v, b_h, units)
    known = np.maximum(bound.max(axis=1), np.logaddexp.reduce(np.where(_repeated(h), -np.inf, log_p), axis=1))
    order = np.argsort(-bound, axis=1, kind="stable")
    return np.take_along_axis(bound, order, 1), np.take_along_axis(v, order[..., None], 1), known


def _starts(W, b_v, b_h, units):
    """Inputs of the visible units at which climbs begin, (n_rows, n, n_visible)."""
    pushes = np.concatenate([c * W.T for c in MULTIPLES])
    alike = b_v[:1] if (b_v == b_v[0]).all() else b_v
    log_p = np.concatenate([c * b_h for c in MULTIPLES], axis=1) + units.log_partition(alike[:, None] + pushes)
    best = np.argsort(-log_p, axis=1, kind="stable")[:, :N_STARTS]
    none = np.zeros((len(b_v), 1, len(W)), W.dtype)
    return b_v[:, None] + np.concatenate([none, none + W.sum(axis=1), pushes[best]], axis=1)


def _repeated(h):
    """Which states of a row, (n_rows, n) of (n_rows, n, n_hidden), came before."""
    same = (h[:, :, None] == h[:, None]).all(axis=-1)
    return same.argmax(axis=2) < np.arange(h.shape[1])
