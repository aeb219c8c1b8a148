"""Parameters to start training from."""

import numpy as np

from ..biases import Biases
from ..checks import check_memory
from ..gradient import Model, gradient
from ..minibatches.sequences import layout
from ..parameters import each
from ..past.conditioner import RBMParams, Static
from ..rbm.chains import Draw
from ..rbm.negative import CD
from ..streams import stream
from .linear import autoregression

N_PRETRAINING, PRETRAINING_RATE, PRETRAINING_GIBBS = 30, 0.01, 5
N_MATRICES = 5  # of all features of a frame and its taps, that a start from the linear predictor has in memory


def shapes(model, n_visible, n_hidden, n_inputs=0):
    """The shapes of a model's parameters, those of its visible units and inputs included: a NamedTuple of tuples."""
    parts = model.past.shapes(n_visible, n_hidden)
    if "units" not in parts._fields:
        raise TypeError(f"{type(parts).__name__} must have a field `units` with the default None")
    parts = parts._replace(units=model.units.shape(n_visible))
    if not n_inputs:
        return parts
    if "D_v" not in parts._fields:
        raise TypeError(f"inputs want fields `D_v` and `D_h` with the default None, {type(parts).__name__} has none")
    return parts._replace(D_v=(n_inputs, n_visible), D_h=(n_inputs, n_hidden))


def checked_start(model, initialization, params):
    """The start that "auto" stands for, any other one as it is.

    Parameters
    ----------
    model : Model
    initialization : {"auto", "data", "linear", "thesis"} or NamedTuple
    params : NamedTuple
        Of the shapes of the model's parameters.

    Raises
    ------
    ValueError
        If the model cannot start from there: "linear" is asked for, and the model has no taps on the visible units,
        units of an unbounded variance, or so many features and taps that the fit takes more memory than there is; a
        NamedTuple is of another size, or not finite.
    """
    if not isinstance(initialization, str):
        _taken(initialization, params)
        return initialization
    taps = _taps(model)
    if initialization == "auto":
        initialization = "linear" if taps and model.units.linear else "data"
    if initialization != "linear":
        return initialization
    if taps is None:
        raise ValueError("initialization='linear' needs taps on the visible units, this model has none")
    if model.units.curvature is None:
        raise ValueError(
            f"initialization='linear' is for units with a largest variance (`curvature`), {model.units.name!r} names "
            "none"
        )
    n = len(params.b_v)
    what = f"a start from the linear predictor ({taps.m} taps, {n} features; initialization='data' does without it)"
    check_memory(what, N_MATRICES * ((taps.m + 1) * n) ** 2, float)
    return initialization


def _taps(model):
    """The map from earlier frames to the visible biases, or None."""
    return next((part for part in model.past.maps() if (part.source, part.bias) == ("v", "b_v") and part.m), None)


def initial_params(model, minibatch, n_hidden, seed, initialization, engine, n_inputs=0, once=None):
    """Parameters to start training from.

    ``"data"`` : W and the other random matrices (U, B, U_v, ...) from N(0, 0.01^2), b_v reproducing the mean of the
    first minibatch, all else 0.
    ``"linear"`` : the model predicts as the autoregression on its taps does (`rtrbm.training.linear`); it is then
    for the hidden units to do better. A and b_v are the autoregression's, parameters of the visible units' own fit its
    residuals, other matrices on the visible units' biases are 0. W and the rest are those of "data", and b_v makes up
    for the mean effect of W. If no sequence is longer than the taps reach, this is "data".
    ``"auto"`` : "linear" for real-valued units (`Units.linear`) with taps, "data" for all else.
    ``"thesis"`` : W from 30 CD-5 updates of a static RBM at rate 0.01, taps on visible units 0, the
    other random matrices and the biases N(0, 0.005^2) (3.11.3).
    a NamedTuple : W, b_v, b_h and parameters of the visible units' own are taken from it, all else is as for "data".

    Parameters
    ----------
    model : Model
    minibatch : callable (update) -> (n_rows, n_visible) ndarray
        Frames to learn from.
    n_hidden : int
    seed : int
    initialization : {"data", "linear", "thesis"} or NamedTuple
        From `checked_start`.
    engine : Engine
    n_inputs : int
        Known inputs of a frame; their effect is 0 at the start.
    once : callable () -> iterable of lists of (n_frames_i, n_visible) ndarrays, for "linear"
        Minibatches in which every sequence comes once.

    Returns
    -------
    NamedTuple
        Of the dtype of the frames.
    """
    frames = minibatch(0)
    own = model.units.start(frames)
    frames = model.units.inward(frames, own)
    past, n_visible = model.past, frames.shape[1]
    thesis = isinstance(initialization, str) and initialization == "thesis"
    rng, scale = stream(seed, "initial", 1), 0.005 if thesis else 0.01

    def normal(shape):
        return (scale * rng.standard_normal(shape)).astype(frames.dtype)

    params = each(lambda shape: np.zeros(shape, frames.dtype), shapes(model, n_visible, n_hidden, n_inputs))
    drawn = {name: normal(shape) for name, shape in past.random(n_visible, n_hidden).items()}
    present = {name: part for name, part in drawn.items() if getattr(params, name, None) is not None}
    static = _static_params(frames, n_hidden, model.units, seed)
    params = params._replace(**present, units=own)
    if not isinstance(initialization, str):
        return params._replace(**_taken(initialization, params))
    if not thesis:
        params = params._replace(W=static.W, b_v=static.b_v, b_h=static.b_h)
        return _linear(params, model, _taps(model), once) if initialization == "linear" else params

    def inward(update):
        return model.units.inward(minibatch(update), own)

    params = params._replace(W=_pretrained(static, inward, model.units, seed, engine))
    biases = {"b_v", "b_h"} | {name for part in past.maps() for name in (part.bias, part.init)}
    for name in (name for name in params._fields if name in biases):
        params = params._replace(**{name: normal(getattr(params, name).shape)})
    return params


def _taken(given, params):
    """Arrays of another model that these parameters can start from."""
    taken = {}
    for name in ("W", "b_v", "b_h", "units"):
        part, like = getattr(given, name), getattr(params, name)
        if np.shape(part) != np.shape(like) or (part is None) != (like is None):
            got, wanted = ("none" if a is None else f"shape {np.shape(a)}" for a in (part, like))
            raise ValueError(
                f"initialization must be a model with the features, n_hidden and visible of this one: its {name} must "
                f"have {wanted}, got {got}"
            )
        if part is not None and not np.isfinite(part).all():
            raise ValueError(f"initialization must be a model of finite parameters, its {name} has NaN or infinity")
        taken[name] = None if part is None else np.array(part, like.dtype)
    return taken


def _linear(params, model, taps, once):
    """The same parameters, but the model predicts as an autoregression on its taps does."""
    units, own = model.units, params.units

    def minibatches():
        return ([units.inward(v, own) for v in sequences] for sequences in once())

    found = autoregression(minibatches, taps.m, units)
    if found is None:
        return params
    if own is not None:
        deviation = units.outward(found.deviation, own)
        params = params._replace(units=units.start(np.stack([deviation, -deviation]).astype(own.dtype)))
    scale = np.ones(len(found.b))
    if own is not None:  # what an input of 1 becomes in units of the residuals
        scale = units.inward(units.outward(scale, own), params.units)
    values = {taps.matrix: found.A / scale[:, None] * scale, taps.bias: found.b * scale, taps.init: found.init * scale}
    values["b_v"] = values["b_v"] - params.W.sum(axis=1) / 2  # hidden units are on half of the time
    others = {part.matrix for part in model.past.maps() if part.bias == "b_v"} - {taps.matrix}
    values |= {name: np.zeros_like(getattr(params, name)) for name in others}
    return params._replace(**{name: value.astype(params.W.dtype) for name, value in values.items()})


def _static_params(frames, n_hidden, units, seed):
    """Small random weights, and visible biases that reproduce the mean of the data.

    W ~ N(0, 0.01^2), b_h = 0, b_v the bias that gives the units the mean of the frames.
    """
    rng, n_visible = stream(seed, "initial", 0), frames.shape[1]
    W = (0.01 * rng.standard_normal((n_visible, n_hidden))).astype(frames.dtype)
    b_v = units.bias(frames.mean(axis=0), len(frames)).astype(frames.dtype)
    return RBMParams(W, b_v, np.zeros(n_hidden, frames.dtype))


def _pretrained(params, minibatch, units, seed, engine):
    """W of a static RBM after a few CD updates, visible units sampled, on frames without their order (3.11.3)."""
    phase = CD(PRETRAINING_GIBBS)
    for update in range(N_PRETRAINING):
        v, draw = minibatch(update), Draw(seed, "pretrain", (update,))
        where = layout([1] * len(v))

        def negative_phase(h_pos, W, biases: Biases, where=where, draw=draw):
            return phase.averages(None, h_pos, W, biases, units, where, draw, engine)[0]

        derivatives, *_ = gradient(Model(Static(), units), params, v, where, negative_phase, engine)
        params = each(lambda parameter, d, n=len(v): parameter + PRETRAINING_RATE / n * d, params, derivatives)
    return params.W
