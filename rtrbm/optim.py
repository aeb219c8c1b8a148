"""Optimisers that climb: `init(params) -> state`, `update(gradient, state, rate) -> (step, state)`.

Gradients, steps and the arrays of a state are NamedTuples of the type of the parameters. The arrays of a state
are changed in place; the gradient's are taken for the step.
"""

from typing import NamedTuple

import numpy as np

from .parallel import blockwise

# Added to gradients: where they are zero for long (a pixel that is never lit), running means would decay to subnormal
# numbers, with which processors are ten times slower.
NEGLIGIBLE = 1e-15


class MomentumState(NamedTuple):
    """velocity: the step last proposed."""

    velocity: NamedTuple


class AdamState(NamedTuple):
    """n_steps: steps taken (0-d array); gradient, square: decaying sums of the gradient and of its square."""

    n_steps: np.ndarray
    gradient: NamedTuple
    square: NamedTuple


class Optimizer(NamedTuple):
    """The pair of functions an optimiser is, and the type of its state."""

    state: type
    init: callable
    update: callable


def _zeros(params):
    return type(params)(*map(np.zeros_like, params))


def momentum(decay=0.9):
    """Gradient ascent with momentum: step <- decay step + rate gradient.

    Parameters
    ----------
    decay : float

    Returns
    -------
    Optimizer
    """

    def init(params):
        return MomentumState(_zeros(params))

    def update(gradient, state, rate):
        for g, velocity in zip(gradient, state.velocity):
            g += NEGLIGIBLE
            velocity *= decay
            g *= rate
            velocity += g
        return state.velocity, state

    return Optimizer(MomentumState, init, update)


def adam_block(g, total, square, decay, square_decay, epsilon, scale):
    """One piece of Adam's arrays: the sums take in the gradient, and g becomes the step.

    total <- decay total + g,  square <- square_decay square + g^2,  g <- scale total / (sqrt(square) + epsilon).
    """
    g += NEGLIGIBLE
    total *= decay
    total += g
    np.square(g, out=g)
    square *= square_decay
    square += g
    np.sqrt(square, out=g)
    g += epsilon
    np.divide(total, g, out=g)
    g *= scale


def adam(decay=0.9, square_decay=0.999, epsilon=1e-8, block=adam_block, n_jobs=None):
    """Adam (Kingma & Ba 2015): step = rate m / (sqrt(s) + epsilon), m and s unbiased running means of g and g^2.

    With the decaying sums M = sum_i decay^(n - i) g_i and S likewise, m = (1 - decay) / (1 - decay^n) M. The sums take
    fewer passes over the arrays than the means.

    Parameters
    ----------
    decay, square_decay : float
        Decay of the running mean of the gradient and of its square.
    epsilon : float
    block : callable
        `adam_block`, or what does the same (`rtrbm.fast`'s).
    n_jobs : int, optional

    Returns
    -------
    Optimizer
    """

    def init(params):
        return AdamState(np.zeros((), np.int64), _zeros(params), _zeros(params))

    def update(gradient, state, rate):
        state.n_steps[...] += 1
        n = int(state.n_steps)
        root = ((1 - square_decay) / (1 - square_decay**n)) ** 0.5
        scale = rate * (1 - decay) / (1 - decay**n) / root
        settings = decay, square_decay, epsilon / root, scale
        blockwise(lambda *arrays: block(*arrays, *settings), n_jobs, gradient, *state[1:])
        return gradient, state

    return Optimizer(AdamState, init, update)


def is_state(state):
    """Whether the arrays of an optimiser's state hold values that updates can have left there."""
    if isinstance(state, AdamState) and (state.n_steps < 0 or any((a < 0).any() for a in state.square)):
        return False
    return all(np.isfinite(a).all() for arrays in state if isinstance(arrays, tuple) for a in arrays)


def norm(gradient):
    """Euclidean norm of all arrays together."""
    return float(np.sqrt(sum(float(np.vdot(g, g)) for g in gradient)))


def linear_decay(rate, update, n_updates):
    """rate (1 - update / n_updates): the thesis's schedule, which reaches 0 after the last update."""
    return rate * max(0.0, 1.0 - update / n_updates)


def scheduled(schedule, update):
    """The value in force at an update.

    Parameters
    ----------
    schedule : value or dict {first_update: value}
    update : int
        From 0.

    Examples
    --------
    >>> scheduled({0: 10, 1000: 25}, 999), scheduled({0: 10, 1000: 25}, 1000)
    (10, 25)
    """
    if not isinstance(schedule, dict):
        return schedule
    return schedule[max(first for first in schedule if first <= update)]
