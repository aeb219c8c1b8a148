"""Stable scalar functions that every module shares."""

import numpy as np


def sigmoid(x, out=None):
    """The logistic function 1 / (1 + exp(-x)), computed as (1 + tanh(x / 2)) / 2, which never overflows.

    `scipy.special.expit` takes 2 to 5 times as long.

    Parameters
    ----------
    x : ndarray
    out : ndarray, optional
        The array to write to; it may be `x` itself.

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
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))  # scipy's and np.logaddexp take 3 to 10 times as long


def ratio(sums, numbers):
    """sum(sums) / sum(numbers) over sequences, and its standard error, sequences being the independent units."""
    ratio = sums.sum() / numbers.sum()
    if len(sums) == 1:
        return float(ratio), float("nan")
    variance = np.square(sums - ratio * numbers).sum() * len(sums) / (len(sums) - 1)
    return float(ratio), float(np.sqrt(variance) / numbers.sum())
