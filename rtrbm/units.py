"""The two kinds of visible units and the stable scalar functions every module shares."""

import numpy as np

VISIBLE = ("bernoulli", "gaussian")


def sigmoid(x, out=None):
    """The logistic function 1 / (1 + exp(-x)), computed as (1 + tanh(x / 2)) / 2, which never overflows.

    Parameters
    ----------
    x : ndarray
    out : ndarray, optional
        Where to write; may be `x` itself.

    Returns
    -------
    ndarray
        Of the dtype of `x`.

    Examples
    --------
    >>> sigmoid(np.array([-1000.0, 0.0, 1000.0]))
    array([0. , 0.5, 1. ])
    """
    out = np.multiply(x, 0.5, out=out)
    np.tanh(out, out=out)
    out *= 0.5
    out += 0.5
    return out


def softplus(x):
    """log(1 + exp(x)), the log-partition function of one binary unit, without overflow.

    Examples
    --------
    >>> softplus(np.array([-1000.0, 1000.0]))
    array([   0., 1000.])
    """
    return np.logaddexp(x, np.zeros((), x.dtype))


def logit(p):
    """log(p / (1 - p)), the inverse of `sigmoid`."""
    return np.log(p) - np.log1p(-p)


def visible_mean(activation, visible):
    """E[v | h] of units with total input `activation`: sigmoid(a) (Bernoulli) or a (unit-variance Gaussian)."""
    return sigmoid(activation) if visible == "bernoulli" else activation


def visible_log_partition(activation, visible):
    """Log of the sum (integral) over each visible unit of exp(v a), times exp(-v^2/2) for Gaussian units.

    Bernoulli: log(1 + exp(a)). Gaussian: a^2 / 2 + log(2 pi) / 2.
    """
    if visible == "bernoulli":
        return softplus(activation)
    return 0.5 * activation**2 + 0.5 * np.log(2 * np.pi)
