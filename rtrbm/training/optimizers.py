"""Optimisers that climb: `init(params) -> state`, `update(gradient, state, rate) -> (step, state)`.

Gradients, steps and the arrays of a state are NamedTuples of the type of the parameters. A new state has arrays of its
own, and those of the old one stay as they are; the gradient's are taken for the step.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from ..compute.engine import NEGLIGIBLE, NUMPY
from ..parameters import arrays, each, empty_like


class MomentumState(NamedTuple):
    """velocity: the step last proposed."""

    velocity: NamedTuple


class AdamState(NamedTuple):
    """n_steps: steps taken (0-d array); gradient, square: decaying sums of the gradient and of its square."""

    n_steps: np.ndarray
    gradient: NamedTuple
    square: NamedTuple


class Factors(NamedTuple):
    """What loops over the arrays multiply by.

    adam : whether it is Adam; decay, square_decay, epsilon, rate : as `rtrbm.compute.engine.adam_block` takes them;
    directed : whether matrices step along directions; along : their rate then.
    """

    adam: bool
    decay: float
    square_decay: float
    epsilon: float
    rate: float
    directed: bool = False
    along: float = 0.0

    @property
    def of_adam(self):
        """decay, square_decay, epsilon and rate."""
        return self[1:5]


class Optimizer(NamedTuple):
    """An optimiser: the type of its state, and functions.

    init (params) : the first state; update (gradient, state, rate) : the step, made of the gradient, and the next
    state; factors (state, rate) : the `Factors` of an update; turn (state, sums, directions) or None : makes the
    directions of new sums, in place, and returns the rest of the next state.
    """

    state: type
    init: Callable
    update: Callable
    factors: Callable
    turn: Callable | None = None


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
        return MomentumState(each(np.zeros_like, params))

    def update(gradient, state, rate):
        for g, velocity in zip(arrays(gradient), arrays(state.velocity)):
            g += NEGLIGIBLE
            g *= rate
            g += decay * velocity
        return gradient, MomentumState(gradient)

    def factors(state, rate):
        return Factors(False, decay, 0.0, 0.0, rate)

    return Optimizer(MomentumState, init, update, factors)


def adam(decay=0.9, square_decay=0.999, epsilon=1e-8, engine=NUMPY):
    """Adam (Kingma & Ba 2015): step = rate m / (sqrt(s) + epsilon), m and s unbiased running means of g and g^2.

    With the decaying sums M = sum_i decay^(n - i) g_i and S likewise, m = (1 - decay) / (1 - decay^n) M. The sums take
    fewer passes over the arrays than the means.

    Parameters
    ----------
    decay, square_decay : float
        Decay of the running mean of the gradient and of its square.
    epsilon : float
    engine : Engine

    Returns
    -------
    Optimizer
    """

    def init(params):
        return AdamState(np.zeros((), np.int64), each(np.zeros_like, params), each(np.zeros_like, params))

    def factors(state, rate):
        n = int(state.n_steps) + 1
        root = ((1 - square_decay) / (1 - square_decay**n)) ** 0.5
        scale = rate * (1 - decay) / (1 - decay**n) / root
        return Factors(True, decay, square_decay, epsilon / root, scale)

    def update(gradient, state, rate):
        settings = factors(state, rate).of_adam
        sums = [each(empty_like, part) for part in state[1:]]
        engine.blockwise(lambda *pieces: engine.adam_block(*pieces, *settings), gradient, *state[1:], *sums)
        return gradient, AdamState(np.array(int(state.n_steps) + 1), *sums)

    return Optimizer(AdamState, init, update, factors)


def is_state(state):
    """Whether the arrays of an optimiser's state hold values that updates can have left there."""
    if hasattr(state, "square") and (state.n_steps < 0 or any((a < 0).any() for a in arrays(state.square))):
        return False
    return all(np.isfinite(a).all() for part in state if isinstance(part, tuple) for a in arrays(part))


def norm(gradient):
    """Euclidean norm of all arrays together, in whatever order they come."""
    return float(np.sqrt(sum(sorted(float(np.vdot(g, g)) for g in arrays(gradient)))))


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
