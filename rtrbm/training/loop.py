"""Stochastic gradient ascent: one update, and the loop of updates."""

import contextlib
import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from ..compute.engine import Engine
from ..compute.threads import one_blas_thread
from ..gradient import Model, gradient
from ..minibatches.ahead import Ahead
from ..minibatches.sequences import Layout, counted, pack
from .missing import fill
from ..parameters import arrays, each, empty_like, filled
from ..past.conditioner import Map
from ..rbm.chains import Draw
from . import optimizers, ranks, whole
from .centering import centre_biases, centre_gradient
from .health import Health, remedy
from .monitor import signs
from .optimizers import Optimizer
from .penalties import Penalties
from .saves import Saves
from .signals import Interruptible

INPUTS = Map("D_v", "x", "b_v"), Map("D_h", "x", "b_h")


class Part(NamedTuple):
    """Some sequences of a minibatch.

    v : (n_rows, n_visible), packed frames, or (n_sequences, n_frames, n_visible), sequences as they are; where :
    Layout; first : int, the number of the first sequence; missing : (n_rows, n_visible) of bool, values that are not
    there, or None; inputs : (n_rows, n_inputs), or None.
    """

    v: np.ndarray
    where: Layout
    first: int = 0
    missing: np.ndarray | None = None
    inputs: np.ndarray | None = None

    def packed(self):
        """The same, with packed frames."""
        return self if self.v.ndim == 2 else self._replace(v=pack(self.v)[0])


class Rule(NamedTuple):
    """How a model is trained.

    model : Model; negative : callable (update) -> NegativePhase; optimizer : Optimizer; learning_rate : float, at the
    first update; centering : bool or "visible"; max_norm : float or None; engine : Engine; comm : MPI communicator or
    None; penalties : Penalties; deviation : (n_visible,) ndarray, that of a feature which the model sees as 1, or
    None.
    """

    model: Model
    negative: Callable
    optimizer: Optimizer
    learning_rate: float
    centering: bool | str
    max_norm: float | None
    engine: Engine
    comm: object = None
    penalties: Penalties = Penalties()
    deviation: np.ndarray | None = None


class Frames(NamedTuple):
    """The frames of a minibatch: their number, and the mean of their squares |v|^2, in units of the largest feature's.

    Missing values count as 0. In a compiled update `square` is 1: frames are binary, so that their errors have a bound.
    """

    n_frames: int
    square: float


def update(rule, training, parts, rate):
    """One step up the gradient of the log-likelihood per frame.

    Parameters
    ----------
    rule : Rule
    training : Training
        It stays as it is, also if the update fails.
    parts : list of Part
        This rank's parts of the minibatch.
    rate : float
        Learning rate.

    Returns
    -------
    Training
    Frames
        The frames of all ranks.

    Raises
    ------
    FloatingPointError
        If the gradient or the parameters are not finite.
    """
    phase = rule.negative(training.n_updates)
    compiled = whole.of(rule, training.params, phase, parts)
    if compiled is not None:
        norm, params, state, error, n_frames = whole.climb(compiled, rule, training, parts, rate)
        training = _made(rule, training, params, state, training.chains, norm, error / n_frames, rate, phase)
        return training, Frames(int(n_frames), 1.0)
    past, units = rule.model
    params = past.effective(training.params)
    maps = _maps(past, params)
    sources = {part.source: getattr(params, part.matrix).shape[-2] for part in maps}
    sources = {"v": len(params.b_v), "h": len(params.b_h)} | sources
    if rule.penalties.sparsity_cost:
        sources["active"] = len(params.b_h)
    like = [*arrays(params), *(np.empty(n) for n in sources.values()), np.empty(3)]
    chains = [None if training.chains is None else training.chains.copy()]
    unit, relative = _units_of_error(rule, params)

    def sums(part):
        return _sums(rule, training, params, part, phase, chains, list(sources)[2:], relative)

    with one_blas_thread(), np.errstate(over="ignore", invalid="ignore"):
        totals = ranks.total(lambda: rule.engine.run(sums, parts), like, rule.comm)
        error, square, n_frames = totals.pop().tolist()
        n_arrays = len(totals) - len(sources)
        means = {name: total / n_frames for name, total in zip(sources, totals[n_arrays:])}
        derivatives = filled(params, totals[:n_arrays])
        norm, params, state = _climb(rule, training, params, derivatives, means, n_frames, rate)
        squares = getattr(state, "square", None)  # an infinite one would stop its parameter without a word
        is_well = is_finite(params, rule.engine) and (squares is None or is_finite(squares, rule.engine))
        norm = norm if is_well else np.nan
    training = _made(rule, training, params, state, chains[0], norm, error / n_frames * unit**2, rate, phase)
    return training, Frames(int(n_frames), square / n_frames)


def _units_of_error(rule, params):
    """The squared error is in units of the data: their largest, and all relative to it, None if they are the same.

    Single precision has no squares of very large or very small numbers, so the sums are of relative ones.
    """
    own = None if params.units is None else params.units.astype(float)
    units = rule.model.units.outward(np.ones(len(params.b_v)), own)
    units = units if rule.deviation is None else units * rule.deviation
    largest = float(units.max())
    return largest, None if (units == largest).all() else (units / largest).astype(params.b_v.dtype)


def _made(rule, training, params, state, chains, norm, error, rate, phase):
    """The training after an update; raises if the norm is not finite."""
    if not math.isfinite(norm):
        n, before = training.n_updates, training.history["gradient_norm"]
        was = f", {before[n - 1]:.3g} the update before" if n else ""
        large = {"learning_rate": rule.learning_rate} | {k: v for k, v in rule.penalties._asdict().items() if v > 1}
        raise FloatingPointError(
            f"update {n} is not finite: {' or '.join(f'{k}={v}' for k, v in large.items())} is too large, or values of "
            f"X are (the norm of the gradient is {norm:.3g}{was}, that of the parameters was "
            f"{optimizers.norm(training.params):.3g}): "
            f"{remedy(training)}"
        )
    values = (error, norm, rate, getattr(phase, "k", 0))
    for past_values, value in zip(training.history.values(), values):
        past_values[training.n_updates :] = [value]
    return training._replace(params=params, optimizer=state, chains=chains, n_updates=training.n_updates + 1)


def _sums(rule, training, params, part, phase, chains, others, relative):
    """Sums over the frames of one part of a minibatch: gradient, sources of maps, [squared error, square, frames]."""
    (past, units), (v, where, first, missing, inputs) = rule.model, part.packed()
    v = units.inward(v, params.units)
    if missing is not None:
        draw = Draw(training.seed, "missing", (training.n_updates,), first)
        v = fill(rule.model, params, v, where, missing, draw, phase.k_missing, rule.engine, inputs)
    draw = Draw(training.seed, "chain", (training.n_updates,), first)
    (inner, rows), averages = counted(where), []

    def negative_phase(h_pos, W, biases):
        average, chains[0] = phase.averages(chains[0], h_pos, W, biases, units, inner, draw, rule.engine)
        averages.append(average)
        return average

    derivatives, c, memory = gradient(rule.model, params, v, where, negative_phase, rule.engine, inputs)
    apart = [name for name, p, d in zip(params._fields, params, derivatives) if (p is None) != (d is None)]
    if apart:
        raise TypeError(f"{type(past).__name__}.backward must return the derivative of every parameter: see {apart}")
    sources = {"v": v[rows], "h": averages[0].h}
    error, frames = (x if relative is None else x * relative for x in (c.v, sources["v"]))
    if missing is not None:  # what the model has drawn says nothing of the data
        error, frames = (np.where(missing[rows], 0, x) for x in (error, frames))
    counts = np.array([np.vdot(error, error), np.vdot(frames, frames), len(c.v)], v.dtype)
    sources |= {name: source[rows] for name, source in (past.sources(memory) | {"x": inputs}).items() if name in others}
    if "active" in others:
        sources["active"] = c.h + averages[0].h  # P(h = 1 | v, past)
    means = [sources[name].sum(axis=0) for name in ("v", "h", *others)]
    return [*arrays(derivatives), *means, counts]


def _climb(rule, training, effective, derivatives, means, n_frames, rate):
    """The norm of the gradient per frame, and parameters and optimiser's state after a step along it."""
    past, engine, params = rule.model.past, rule.engine, training.params
    norm = optimizers.norm(derivatives) / n_frames
    scale = 1 / n_frames
    if rule.max_norm is not None and norm > rule.max_norm:
        scale *= rule.max_norm / norm
    engine.blockwise(lambda g: np.multiply(g, scale, out=g), derivatives)
    if not np.isfinite(norm):
        return norm, params, training.optimizer
    active = means.get("active")
    if rule.centering == "visible":
        means = {name: mean if name == "v" else np.zeros_like(mean) for name, mean in means.items()}
    if rule.centering:
        centre_gradient(derivatives, _maps(past, effective), means, engine)
    derivatives = past.pull_back(params, derivatives)
    rule.penalties.subtract(derivatives, params, active)
    penalty = past.penalty(params)
    if penalty is not None:
        derivatives = each(np.subtract, derivatives, penalty)
    step, state = rule.optimizer.update(derivatives, training.optimizer, rate)
    step = past.damped(step)
    new = each(empty_like, params)
    engine.blockwise(lambda p, change, out: np.add(p, change, out=out), params, step, new)
    if rule.centering:
        if effective is not params:
            step = each(np.subtract, past.effective(new), effective)
        centre_biases(new, step, _maps(past, effective), means)
    return norm, new, state


def _maps(past, params):
    """The maps of a conditioner, and those of known inputs."""
    return past.maps() + (INPUTS if getattr(params, "D_v", None) is not None else ())


def is_finite(params, engine):
    """Whether all numbers of a NamedTuple of arrays are finite."""
    parts = arrays(params)
    base = parts[0].base
    if isinstance(base, np.ndarray) and all(part.base is base and part.dtype == base.dtype for part in parts):
        parts = [base]  # of which they are all
    with np.errstate(over="ignore", invalid="ignore"):
        return all(np.isfinite(part.sum()) for part in parts) or all(
            engine.blockwise(lambda p: p.min() > -np.inf and p.max() < np.inf, params)
        )


class Plan(NamedTuple):
    """How long a run is, and what happens at an interval.

    n_updates : int, all of them; look_every, save_every : int, updates between two measurements and two checkpoints;
    validates : bool, whether validation data are measured.
    """

    n_updates: int
    look_every: int
    save_every: int
    validates: bool = False


class Watch(NamedTuple):
    """What happens beside the updates of a run.

    made : callable (training), called after every update; look : callable (parts), measures what is to be measured,
    beside the minibatch of the last update, or None; start : callable (), before the first update: whether to stop;
    called : callable () or None, after every update: whether to stop; end : callable (), when all is over, also after
    an error; save : callable (); warn : callable (line); validates : bool, whether there are validation data to look
    at; saves : bool, whether there is a checkpoint, on whichever rank; written : int, the updates that it has made.
    """

    made: Callable
    look: Callable
    start: Callable
    called: Callable | None
    end: Callable
    save: Callable
    warn: Callable
    validates: bool
    saves: bool
    written: int


def run(rule, training, prepare, plan, watch, verbose, at_once=False):
    """Make the updates that are left, the learning rate falling linearly to 0 from where its schedule began.

    Parameters
    ----------
    rule : Rule
    training : Training
    prepare : callable (update) -> parts
        The minibatch of an update, as `update` takes it; called on a thread of its own.
    plan : Plan
    watch : Watch
        `look` comes before the first update, at its interval, and after the last. `save` is called at an interval, at
        the end, and, once an update is made, on Ctrl-C, on SystemExit and if `prepare`, `look` or a callback fails; if
        it fails itself, that is a warning, but for the last one of a run that is complete. `end` comes before the last
        `save` of a run that is complete, but after that of one that was broken off, which goes on from there.
    verbose : int
    at_once : bool
        Whether `prepare` is quick, so that it needs no thread.

    Raises
    ------
    KeyboardInterrupt
        On Ctrl-C, once the update under way is done and saved. Other signals end the process then
        (`rtrbm.training.signals`).
    FloatingPointError
        If an update is not finite, or the run explodes (`rtrbm.training.health`).
    """
    comm, n_updates, watched = rule.comm, plan.n_updates, ranks.any_of(watch.called is not None, rule.comm)
    interrupt, health = Interruptible(watch.saves), Health(training)
    saves = Saves(watch, health, interrupt, comm, training.n_updates)
    shown = signs(n_updates, training.n_updates, verbose and ranks.is_first(comm))
    ahead, ending = Ahead(prepare, n_updates, interrupt, at_once), contextlib.ExitStack()

    def or_save(function):
        try:
            return ranks.together(function, comm)
        except Exception:
            with contextlib.suppress(Warning):  # if warnings are errors: the one under way counts
                saves(training)
            ranks.meet(comm)
            raise

    def look(parts=None):
        if _is_due(plan, training, watch.validates):
            or_save(lambda: watch.look(parts))

    def leave(kind, error, traceback):
        # by sys.exit in the user's own handler of a signal, say
        if kind in (SystemExit, KeyboardInterrupt) and comm is None and not interrupt.requested:
            with contextlib.suppress(Warning):
                saves(training)

    with interrupt, shown, ahead, ending:
        ending.callback(rule.engine.release)
        ending.callback(watch.end)
        ending.push(leave)
        look()
        finished, stopped = ranks.any_of(or_save(watch.start), comm), 0
        while training.n_updates < n_updates and not finished:
            n = training.n_updates
            minibatch = or_save(lambda n=n: ahead.minibatch(n))
            stopped = ranks.largest(interrupt.requested, comm)
            if stopped:
                break
            rate = optimizers.linear_decay(rule.learning_rate, n - training.begin, n_updates - training.begin)
            training, frames = update(rule, training, minibatch, rate)
            watch.made(training)
            is_due = training.n_updates % plan.save_every == 0
            health.check(training, is_due or interrupt.requested or training.n_updates == n_updates, frames.square)
            look(minibatch)
            shown.advance(training.history, frames.n_frames)
            if watched:
                finished = ranks.any_of(or_save(watch.called or bool), comm)
            if is_due and training.n_updates < n_updates:
                saves(training, goes_on=True)
        if not stopped:
            or_save(ending.close)
        saves(training, is_last=not stopped)
        interrupt.agreed = ranks.largest(stopped or interrupt.requested, comm)
    if interrupt.agreed or comm is None and interrupt.requested:
        raise KeyboardInterrupt


def _is_due(plan, training, validates):
    """Whether to measure now: without validation data after the last update alone; with them before the first one, at
    the interval and after the last one, never twice after one update."""
    n, measured = training.n_updates, training.history.get("validation_update", [])
    if not validates:
        return n == plan.n_updates
    return measured[-1:] != [n] and (not measured or n % plan.look_every == 0 or n == plan.n_updates)
