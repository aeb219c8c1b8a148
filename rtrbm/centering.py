"""Gradient steps in coordinates where units have mean zero (Cho, Raiko & Ilin 2011; Montavon & Mueller 2012).

Seen from a hidden unit, weight W_ij and bias b_j do almost the same when pixel i is nearly constant, and a step of one
undoes that of the other. In terms of centred units v - m and h - l the two are apart: the same model reads

    b_h = beta_h - m W - sum_n l B_n - sum_n m C_n,   b_v = beta_v - l W^T - sum_n m A_n - sum_n l U_v_n,

and the biases of frame t <= n, which tap n does not reach, are as if it were not there: b_init_t = beta_init_t + l B_n,
and so on. The gradient is taken with respect to weights and taps at constant beta. Only the path of learning changes:
neither the model nor its gradient with respect to its own parameters does. Everything is a `rtrbm.dynamics.TRBMParams`.
"""

import numpy as np

from .parallel import run, slices


def centre_gradient(gradient, v_mean, h_mean, n_jobs=None):
    """Turn derivatives at constant biases b into derivatives at constant beta, in place.

    dO/dW -= m dO/db_h + dO/db_v l;  dO/dB_n -= l (dO/db_h - sum_{t<=n} dO/db_init_t), and so on (outer products).

    Parameters
    ----------
    gradient : TRBMParams
    v_mean : (n_visible,) ndarray
        m, about the mean of the visible units.
    h_mean : (n_hidden,) ndarray
        l, about the mean of the hidden units.
    n_jobs : int, optional
    """
    products = [(gradient.W, np.stack([v_mean, gradient.b_v], axis=1), np.stack([gradient.b_h, h_mean]))]
    for taps, mean, d_b, d_init in _kinds(gradient, v_mean, h_mean):
        for n, d_T in enumerate(taps, 1):
            # If all is 0 no sequence is as long as the tap, and the difference below is a rounding error.
            if any(row.any() for row in d_T):
                products.append((d_T, mean[:, None], (d_b - d_init[:n].sum(axis=0))[None]))
    pieces = [(a[rows], left[rows], right) for a, left, right in products for rows in slices(len(a))]
    run(lambda piece: _subtract(piece[0], piece[1] @ piece[2]), pieces, n_jobs)


def centre_biases(params, step, v_mean, h_mean):
    """After params += step in weights, taps and beta, let the biases b follow, in place.

    b_h -= m step_W + l step_B_n;  b_init_t += l step_B_n for t <= n;  and so on.

    Parameters
    ----------
    params, step : TRBMParams
    v_mean, h_mean : ndarray
        As in `centre_gradient`.
    """
    _subtract(params.b_h, v_mean @ step.W)
    _subtract(params.b_v, step.W @ h_mean)
    kinds = zip(_kinds(step, v_mean, h_mean), _kinds(params, v_mean, h_mean))
    for (taps, mean, *_), (*_, b, init) in kinds:
        for n, T in enumerate(taps, 1):
            past = mean @ T
            _subtract(b, past)
            _subtract(init[:n], -past)


def _kinds(params, v_mean, h_mean):
    """The taps of every kind, the mean of the units they lead from, the bias they lead to and its initial values."""
    return (
        (params.A, v_mean, params.b_v, params.b_v_init),
        (params.B, h_mean, params.b_h, params.b_init),
        (params.C, v_mean, params.b_h, params.b_init),
        (params.U_v, h_mean, params.b_v, params.b_v_init),
    )


def _subtract(a, b):
    np.subtract(a, b, out=a)
