"""The restricted Boltzmann machine, its biases given from outside: one row for every frame, or one for all.

P(v, h) = exp(v b_v + h b_h + v W h + log_base(v)) / Z, where log_base is 0 for Bernoulli visible units and -|v|^2 / 2
for Gaussian ones of variance 1 (`rtrbm.rbm.units`).
"""

import numpy as np

from ..functions import sigmoid, softplus
from .units import BERNOULLI


def hidden_mean(v, W, b_h, product=np.matmul):
    """P(h = 1 | v) = sigmoid(v W + b_h).

    Parameters
    ----------
    v : (n_rows, n_visible) ndarray
    W : (n_visible, n_hidden) ndarray
    b_h : (n_hidden,) or (n_rows, n_hidden) ndarray
    product : callable (v, W) -> ndarray
        An engine's, to use its threads.

    Returns
    -------
    (n_rows, n_hidden) ndarray
    """
    a = product(v, W)
    a += b_h
    return sigmoid(a, out=a)


def reconstruction_mean(h, W, b_v, units=BERNOULLI, product=np.matmul):
    """E[v | h], the units' mean for the total input h W^T + b_v.

    Parameters
    ----------
    h : (n_rows, n_hidden) ndarray
    W : (n_visible, n_hidden) ndarray
    b_v : (n_visible,) or (n_rows, n_visible) ndarray
    units : Units
    product : callable (h, W^T) -> ndarray
        An engine's, to use its threads.

    Returns
    -------
    (n_rows, n_visible) ndarray
    """
    return units.mean(product(h, W.T) + b_v)


def sample_visible(h, W, b_v, rng, units=BERNOULLI):
    """Visible states from P(v | h); arguments as in `reconstruction_mean`."""
    return units.draw(reconstruction_mean(h, W, b_v, units), rng)


def free_energy(v, W, b_v, b_h, units=BERNOULLI):
    """F(v) = -log sum_h exp(v b_v + h b_h + v W h + log_base(v)); P(v) = exp(-F(v)) / Z.

    F(v) = -v b_v - sum_j log(1 + exp(v W + b_h)_j) - log_base(v).

    Parameters
    ----------
    v : (n_rows, n_visible) ndarray
    W : (n_visible, n_hidden) ndarray
    b_v : (n_visible,) or (n_rows, n_visible) ndarray
    b_h : (n_hidden,) or (n_rows, n_hidden) ndarray
    units : Units

    Returns
    -------
    (n_rows,) ndarray
        In nats.

    Examples
    --------
    >>> free_energy(np.zeros((1, 2)), np.zeros((2, 3)), np.zeros(2), np.zeros(3)) / np.log(2)
    array([-3.])
    """
    energy = -(v * b_v).sum(axis=-1) - softplus(v @ W + b_h).sum(axis=-1)
    energy -= units.log_base(v)
    return energy


def hidden_free_energy(h, W, b_v, b_h, units=BERNOULLI):
    """F(h) = -log sum_v exp(v b_v + h b_h + v W h + log_base(v)); P(h) = exp(-F(h)) / Z.

    F(h) = -h b_h - A(b_v + W h), where A is the units' `log_partition`: sum_i log(1 + exp(b_v + W h)_i) of Bernoulli
    visible units.

    Parameters
    ----------
    h : (n_rows, n_hidden) ndarray
        Binary states.
    W, b_v, b_h, units
        As of `free_energy`.

    Returns
    -------
    (n_rows,) ndarray
        In nats.

    Examples
    --------
    >>> hidden_free_energy(np.zeros((1, 3)), np.zeros((2, 3)), np.zeros(2), np.zeros(3)) / np.log(2)
    array([-2.])
    """
    return -(h * b_h).sum(axis=-1) - units.log_partition(h @ W.T + b_v)
