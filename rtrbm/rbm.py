"""The restricted Boltzmann machine, its biases given from outside: one row for every frame, or one for all.

P(v, h) = exp(v b_v + h b_h + v W h) / Z, times exp(-|v|^2 / 2) for unit-variance Gaussian visible units.
Nothing here knows about time: all frames of all sequences are one batch of rows.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from . import gibbs
from .parallel import gram
from .sequences import layout
from .streams import stream
from .units import logit, sigmoid, softplus, visible_mean


def hidden_mean(v, W, b_h):
    """P(h = 1 | v) = sigmoid(v W + b_h).

    Parameters
    ----------
    v : (n_rows, n_visible) ndarray
    W : (n_visible, n_hidden) ndarray
    b_h : (n_hidden,) or (n_rows, n_hidden) ndarray

    Returns
    -------
    (n_rows, n_hidden) ndarray
    """
    return sigmoid(v @ W + b_h)


def reconstruction_mean(h, W, b_v, visible="bernoulli"):
    """E[v | h]: sigmoid(h W^T + b_v) for Bernoulli units, h W^T + b_v for Gaussian ones.

    Parameters
    ----------
    h : (n_rows, n_hidden) ndarray
    W : (n_visible, n_hidden) ndarray
    b_v : (n_visible,) or (n_rows, n_visible) ndarray
    visible : {"bernoulli", "gaussian"}

    Returns
    -------
    (n_rows, n_visible) ndarray
    """
    return visible_mean(h @ W.T + b_v, visible)


def sample_hidden(v, W, b_h, rng):
    """Binary hidden states from P(h | v); arguments as in `hidden_mean`."""
    p = hidden_mean(v, W, b_h)
    return (rng.random(p.shape) < p).astype(p.dtype)


def sample_visible(h, W, b_v, rng, visible="bernoulli"):
    """Visible states from P(v | h); arguments as in `reconstruction_mean`."""
    return draw_visible(reconstruction_mean(h, W, b_v, visible), rng, visible)


def draw_visible(mean, rng, visible="bernoulli"):
    """Visible states of these means."""
    if visible == "bernoulli":
        return (rng.random(mean.shape) < mean).astype(mean.dtype)
    return mean + rng.standard_normal(mean.shape).astype(mean.dtype)


def free_energy(v, W, b_v, b_h, visible="bernoulli"):
    """F(v) = -log sum_h exp(v b_v + h b_h + v W h), plus |v|^2 / 2 for Gaussian units; P(v) = exp(-F(v)) / Z.

    F(v) = -v b_v - sum_j log(1 + exp(v W + b_h)_j).

    Parameters
    ----------
    v : (n_rows, n_visible) ndarray
    W : (n_visible, n_hidden) ndarray
    b_v : (n_visible,) or (n_rows, n_visible) ndarray
    b_h : (n_hidden,) or (n_rows, n_hidden) ndarray
    visible : {"bernoulli", "gaussian"}

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
    if visible == "gaussian":
        energy += 0.5 * (v**2).sum(axis=-1)
    return energy


class Averages(NamedTuple):
    """Averages under the model, exact or estimated by CD-k: the negative phase.

    vh : callable () -> (n_visible, n_hidden) ndarray, the sum over rows of <v^T h>, a product that can be left until
    there is an idle thread; v : (n_rows, n_visible), <v>; h : (n_rows, n_hidden), <h>.
    """

    vh: Callable[[], np.ndarray]
    v: np.ndarray
    h: np.ndarray


def cd_averages(
    h_pos, W, b_v, b_h, n_gibbs, visible, chains, n_jobs=None, sample_visible=True, multiply=np.matmul
):
    """Averages estimated from a chain of n_gibbs steps that starts at the data (CD-k, Algorithm 1).

    Only the chain's end counts: v_k and P(h | v_k).

    Parameters
    ----------
    h_pos : (n_rows, n_hidden) ndarray
        P(h | v) of the data.
    W, b_v, b_h, n_gibbs, visible, chains, n_jobs, sample_visible
        As in `rtrbm.gibbs.reconstruct`.
    multiply : callable
        As that of `rtrbm.engines.Engine`.

    Returns
    -------
    Averages
    """
    v_neg, h_neg = gibbs.reconstruct(h_pos, W, b_v, b_h, n_gibbs, visible, chains, n_jobs, sample_visible)
    return Averages(lambda: gram(v_neg, h_neg, n_jobs, multiply=multiply), v_neg, h_neg)


def contrastive_divergence(v, W, b_v, b_h, n_gibbs, visible, chains, n_jobs=None):
    """The CD-k estimate of the derivatives of sum log P(v) (Algorithm 1).

    d_W = sum (v^T P(h|v) - <v^T h>),  d_b_v = v - <v>,  d_b_h = P(h|v) - <h>.

    Parameters
    ----------
    v : (n_rows, n_visible) ndarray
        Data; real-valued pixels in [0, 1] are used as they are.
    W, b_v, b_h, n_gibbs, visible, chains, n_jobs
        As in `rtrbm.gibbs.reconstruct`.

    Returns
    -------
    d_W : (n_visible, n_hidden) ndarray
    d_b_v : (n_rows, n_visible) ndarray
    d_b_h : (n_rows, n_hidden) ndarray
        One row of bias derivatives for every row of data.
    """
    h_pos = hidden_mean(v, W, b_h)
    negative = cd_averages(h_pos, W, b_v, b_h, n_gibbs, visible, chains, n_jobs)
    return gram(v, h_pos, n_jobs) - negative.vh(), v - negative.v, h_pos - negative.h


class RBMParams(NamedTuple):
    """P(v, h) = exp(v b_v + h b_h + v W h) / Z.

    W : (n_visible, n_hidden); b_v : (n_visible,); b_h : (n_hidden,).
    """

    W: np.ndarray
    b_v: np.ndarray
    b_h: np.ndarray


def initial_params(frames, n_hidden, visible, seed):
    """Small random weights, and visible biases that reproduce the mean of the data.

    W ~ N(0, 0.01^2), b_h = 0, b_v = the mean (Gaussian) or its logit (Bernoulli, half a count added on either
    side).

    Parameters
    ----------
    frames : (n_rows, n_visible) ndarray
    n_hidden : int
    visible : {"bernoulli", "gaussian"}
    seed : int

    Returns
    -------
    RBMParams
        Of the dtype of `frames`.
    """
    rng = stream(seed, "initial", 0)
    W = (0.01 * rng.standard_normal((frames.shape[1], n_hidden))).astype(frames.dtype)
    b_v = frames.mean(axis=0)
    if visible == "bernoulli":
        b_v = logit((b_v * len(frames) + 0.5) / (len(frames) + 1))
    return RBMParams(W, b_v.astype(frames.dtype), np.zeros(n_hidden, frames.dtype))


def pretrained_weights(minibatch, n_hidden, visible, seed, n_updates=30, n_gibbs=5, rate=0.01):
    """W of a static RBM after a few CD updates, visible units sampled, on frames without their order (3.11.3).

    Parameters
    ----------
    minibatch : callable (update) -> (n_rows, n_visible) ndarray
    n_hidden : int
    visible : {"bernoulli", "gaussian"}
    seed : int
    n_updates, n_gibbs : int
    rate : float
        Applied to the gradient per frame.

    Returns
    -------
    (n_visible, n_hidden) ndarray
    """
    params = initial_params(minibatch(0), n_hidden, visible, seed)
    for update in range(n_updates):
        v = minibatch(update)
        chains = gibbs.chains(layout([1] * len(v)), seed, "pretrain", update)
        derivatives = contrastive_divergence(v, *params, n_gibbs, visible, chains)
        for parameter, d in zip(params, derivatives):
            parameter += rate / len(v) * (d if d.shape == parameter.shape else d.sum(axis=0))
    return params.W
