"""Gradient steps in coordinates where units have mean zero (Cho, Raiko & Ilin 2011; Montavon & Mueller 2012).

Seen from a hidden unit, weight W_ij and bias b_j do almost the same when pixel i is nearly constant, and a step of one
undoes that of the other. In terms of centred units v - m and h - l the two are apart: the same model reads

    b_h = beta_h - m W - sum_n l B_n - sum_n m C_n,   b_v = beta_v - l W^T - sum_n m A_n,

and likewise for every other matrix of `Conditioner.maps`. Tap n does not reach the frames t <= n. Where their biases
have initial values, these make up for it: b_init_t = beta_init_t + l B_n, and so on. The gradient is taken with respect
to the matrices at constant beta. (U_v of a model without taps has no initial values: a step of U_v also shifts the
visible bias of the first frame, by -l step_U_v, where U_v does not act.) Only the path of learning changes: neither the
model nor its gradient with respect to its own parameters does. If the visible units alone are to be
centred, the other means are 0.
"""

import numpy as np

from ..compute.threads import slices

COST = 64  # multiplications of a large product that take as long as it takes to change a number in place


def centre_gradient(gradient, maps, means, engine):
    """Turn derivatives at constant biases b into derivatives at constant beta, in place.

    dO/dW -= m dO/db_h + dO/db_v l;  dO/dB_n -= l (dO/db_h - sum_{t<=n} dO/db_init_t), and so on (outer products).

    Parameters
    ----------
    gradient : NamedTuple
    maps : tuple of Map
    means : dict of (n,) ndarrays
        Of every source of a map: "v" m, about the mean of the visible units, "h" l, that of the hidden units.
    engine : Engine
    """
    left, right = np.array([means["v"], gradient.b_v]).T.copy(), np.array([gradient.b_h, means["h"]])
    products = [(gradient.W, left, right)]
    for part in maps:
        d_b, d_init = getattr(gradient, part.bias), _rows(gradient, part.init)
        for n, d_T in enumerate(_taps(gradient, part.matrix), 1):
            # If all is 0 no sequence is as long as the tap, and the difference below is a rounding error.
            if any(row.any() for row in d_T):
                reached = d_b if d_init is None else d_b - d_init[:n].sum(axis=0)
                products.append((d_T, means[part.source][:, None], reached[None]))
    pieces = [(a[rows], left[rows], right) for a, left, right in products for rows in slices(len(a))]
    n_numbers = sum(a.size for a, *_ in products)
    engine.run(lambda piece: _subtract(piece[0], piece[1] @ piece[2]), pieces, COST * n_numbers)


def centre_biases(params, step, maps, means):
    """After params += step in matrices and beta, let the biases b follow, in place.

    b_h -= m step_W + l step_B_n;  b_init_t += l step_B_n for t <= n;  and so on.

    Parameters
    ----------
    params, step : NamedTuple
    maps, means
        As in `centre_gradient`.
    """
    _subtract(params.b_h, means["v"] @ step.W)
    _subtract(params.b_v, step.W @ means["h"])
    for part in maps:
        b, init = getattr(params, part.bias), _rows(params, part.init)
        for n, T in enumerate(_taps(step, part.matrix), 1):
            past = means[part.source] @ T
            _subtract(b, past)
            if init is not None:
                _subtract(init[:n], -past)


def _taps(params, name):
    """The matrices of a map, one for each tap."""
    matrix = getattr(params, name)
    return matrix if matrix.ndim == 3 else matrix[None]


def _rows(params, name):
    """The biases of the first frames, a row each, or None."""
    return None if name is None else np.atleast_2d(getattr(params, name))


def _subtract(a, b):
    np.subtract(a, b, out=a)
