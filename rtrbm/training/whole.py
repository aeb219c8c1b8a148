"""A whole update in compiled calls, where the engine has them and the past is eq. 3.20 and no more.

`rtrbm.training.loop.update`, step by step, is the specification.
"""

import numpy as np

from ..rbm.chains import Draw
from ..rbm.negative import CD
from ..rbm.units import Bernoulli
from . import ranks


def of(rule, params, phase, parts):
    """The compiled update (`rtrbm.compute.numba.whole.Whole`), or None if some part of it is not compiled."""
    kernels, (past, units) = rule.engine.whole, rule.model
    if kernels is None or past.form is None or type(units) is not Bernoulli or type(phase) is not CD:
        return None
    if params.W.dtype != np.float32 or params.D_v is not None:
        return None
    if ranks.any_of(any(part.missing is not None for part in parts), rule.comm):  # a rank may have no part
        return None
    return kernels.prepared(past.form, phase.k, phase.sample_visible, *params.W.shape)


def laid_out(rule, training):
    """The same training, its arrays in the flat ones of the compiled update: the first one need not copy them then."""
    whole = of(rule, training.params, rule.negative(training.n_updates), [])
    if whole is None:
        return training
    state = training.optimizer
    places = _places_of_sums(state)
    params, *laid = whole.laid_out(training.params, *(state[i] for i in places))
    sums = dict(zip((state._fields[i] for i in places), laid))
    return training._replace(params=params, optimizer=state._replace(**sums))


def _places_of_sums(state):
    """Where an optimiser's state has its sums, one or two, with arrays like those of the parameters."""
    return [i for i, part in enumerate(state) if isinstance(part, tuple)][:2]


def climb(whole, rule, training, parts, rate):
    """An update: the norm of the gradient per frame, parameters, optimiser's state, squared error, number of frames."""
    n_jobs, params, state = rule.engine.n_jobs, training.params, training.optimizer
    flats, more = [whole.flat(part) for part in (params, *(state[i] for i in _places_of_sums(state)))], []

    def sums(part):
        draw = Draw(training.seed, "chain", (training.n_updates,), part.first)
        return whole.sums(flats[0], part.v, part.where, draw, n_jobs)

    if rule.comm is None:
        total = sums(parts[0])
    else:
        (flat_total,) = ranks.total(lambda: [[whole.added(sums(part))] for part in parts], [whole.nothing()], rule.comm)
        total = flat_total[None]
    rates = bool(rule.centering), rule.centering is True, *rule.penalties, *rule.optimizer.factors(state, rate)

    def turn(*sums):
        more.append(rule.optimizer.turn(state, *sums))

    norm, error, n_frames, (params, *parts) = whole.climb(
        total, flats, type(params), rates, rule.max_norm, n_jobs, turn
    )
    steps = [np.array(int(part) + 1) for part in state if not isinstance(part, tuple)]
    return norm, params, type(state)(*steps, *parts, *more), error, n_frames
