"""Gradient steps in coordinates where units have mean zero (Cho, Raiko & Ilin 2011; Montavon & Mueller 2012).

Seen from a hidden unit, weight W_ij and bias b_j do almost the same when pixel i is nearly constant, and a step of one
undoes that of the other. In terms of centred units v - m and h - l the two are apart: the same model reads

    b_h = beta_h - m W - l U,  b_init = beta_init + l U,  b_v = beta_v - l W^T - l U_v,

and the gradient is taken with respect to W, U, U_v at constant beta. Only the path of learning changes: neither the
model nor its gradient with respect to its own parameters does.
"""

import numpy as np


def centre_gradient(gradient, v_mean, h_mean):
    """Turn derivatives at constant biases b into derivatives at constant beta, in place.

    dO/dW -= m dO/db_h + dO/db_v l,  dO/dU -= l (dO/db_h - dO/db_init),  dO/dU_v -= l dO/db_v  (outer products).

    Parameters
    ----------
    gradient : NamedTuple with W, b_v, b_h and perhaps U, b_init, U_v
    v_mean : (n_visible,) ndarray
        m, about the mean of the visible units.
    h_mean : (n_hidden,) ndarray
        l, about the mean of the hidden units.
    """
    both = np.stack([v_mean, gradient.b_v], axis=1) @ np.stack(
        [gradient.b_h, h_mean]
    )  # m dO/db_h + dO/db_v l
    _subtract(gradient.W, both)
    if hasattr(gradient, "U"):
        _subtract(gradient.U, np.outer(h_mean, gradient.b_h - gradient.b_init))
    if hasattr(gradient, "U_v"):
        _subtract(gradient.U_v, np.outer(h_mean, gradient.b_v))


def centre_biases(params, step, v_mean, h_mean):
    """After params += step in W, U, U_v and beta, let the biases b follow, in place.

    b_h -= m step_W + l step_U,  b_init += l step_U,  b_v -= l step_W^T + l step_U_v.

    Parameters
    ----------
    params, step : NamedTuple with W, b_v, b_h and perhaps U, b_init, U_v
    v_mean, h_mean : ndarray
        As in `centre_gradient`.
    """
    _subtract(params.b_h, v_mean @ step.W)
    _subtract(params.b_v, step.W @ h_mean)
    if hasattr(params, "U"):
        past = h_mean @ step.U
        _subtract(params.b_h, past)
        _subtract(params.b_init, -past)
    if hasattr(params, "U_v"):
        _subtract(params.b_v, h_mean @ step.U_v)


def _subtract(a, b):
    np.subtract(a, b, out=a)
