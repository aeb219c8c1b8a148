"""Penalties: an update climbs the log-likelihood per frame minus the penalties, as finite differences have it."""

import numpy as np
import pytest
from helpers import random_model

from rtrbm import CRBM, LSTMRBM, RBM, RNNRBM, RTRBM, SRTRBM, TRBM
from rtrbm.functions import sigmoid
from rtrbm.parameters import each

RATE = 1e-6
SETTINGS = dict(negative="exact", optimizer="momentum", momentum=0, learning_rate=RATE)
MODELS = {
    "RBM": (RBM, {}),
    "RTRBM": (RTRBM, dict(n_taps=2, dynamic_visible_bias=True)),
    "SRTRBM": (SRTRBM, {}),
    "TRBM": (TRBM, dict(n_taps=2, bptt=True)),
    "CRBM": (CRBM, dict(n_taps=2)),
    "RNNRBM": (RNNRBM, {}),
    "LSTMRBM": (LSTMRBM, {}),
}
MATRICES = {"W", "U", "U_v", "A", "B", "C", "W_vu", "W_uu", "W_uh", "W_uv", "K", "R"}


def model_of(name, **penalties):
    kind, settings = MODELS[name]
    if kind is RBM:
        params = dict(W=np.ones((3, 2)), b_v=np.zeros(3), b_h=np.zeros(2))
        rng = np.random.default_rng(0)
        params = {name: 0.7 * rng.standard_normal(part.shape) for name, part in params.items()}
        return RBM.from_params(params, **SETTINGS, **penalties)
    return random_model(kind, **settings, **SETTINGS, **penalties)


def data(model):
    """Frames in the form that the model takes."""
    X = (np.random.default_rng(1).random((3, 6, 3)) < 0.4).astype(float)
    return X.reshape(-1, 3) if isinstance(model, RBM) else X


def climbed(model):
    """The direction of one update."""
    before = each(np.copy, model.params_)
    after = model.partial_fit(data(model)).params_
    return each(lambda a, b: (a - b) / RATE, after, before)


def objective(model):
    """Log-likelihood per frame minus the penalties on matrices."""
    X = data(model)
    per_frame = model.score(X) if isinstance(model, RBM) else model.log_likelihood(X).sum() / X[..., 0].size
    matrices = [part for name, part in model.params_._asdict().items() if name in MATRICES and part is not None]
    squares, sizes = (sum(function(M).sum() for M in matrices) for function in (np.square, np.abs))
    return per_frame - model.weight_decay / 2 * squares - model.l1 * sizes


@pytest.mark.parametrize("centering", [False, True])
@pytest.mark.parametrize("name", MODELS)
def test_an_update_climbs_the_penalised_log_likelihood(name, centering):
    """Along its own direction. Control: another factor than the one of the model does not fit."""
    model = model_of(name, weight_decay=0.3, l1=0.2, centering=False)
    params, direction = each(np.copy, model.params_), climbed(model)
    rng, found = np.random.default_rng(2), {}
    along = each(lambda part: rng.standard_normal(part.shape), params)
    for factor in (0.3, 0.5):
        model.weight_decay = factor
        values = []
        for step in (1e-5, -1e-5):
            model.params_ = each(lambda p, d, step=step: p + step * d, params, along)
            values.append(objective(model))
        found[factor] = (values[0] - values[1]) / 2e-5
    climb = sum(float(np.vdot(a, d)) for a, d in zip(along, direction) if a is not None)
    assert climb == pytest.approx(found[0.3], abs=1e-7) != pytest.approx(found[0.5], abs=1e-2)
    if centering:  # other coordinates, the same sign
        centred = climbed(model_of(name, weight_decay=0.3, l1=0.2, centering=True))
        plain = climbed(model_of(name, centering=True))
        np.testing.assert_allclose(centred.W - plain.W, -0.3 * params.W - 0.2 * np.sign(params.W), atol=1e-7)


@pytest.mark.parametrize("name", MODELS)
def test_sparsity_moves_the_hidden_biases_by_target_minus_activity(name):
    model = model_of(name, sparsity_cost=2, sparsity_target=0.3, centering=False)
    plain = model_of(name, centering=False)
    active = model.transform(data(model)).reshape(-1, 2).mean(axis=0)
    with_cost, without = climbed(model), climbed(plain)
    for part, (a, b) in zip(with_cost._fields, zip(with_cost, without)):
        if a is not None:
            wanted = 2 * (0.3 - active) if part == "b_h" else 0
            np.testing.assert_allclose(a - b, np.broadcast_to(wanted, a.shape), atol=1e-7, err_msg=part)


def test_sparsity_is_the_derivative_of_a_cross_entropy():
    model = model_of("RBM", sparsity_cost=2, sparsity_target=0.3)
    X, (W, _, b_h, _) = data(model), each(np.copy, model.params_)

    def entropy(b):
        q = sigmoid(X @ W + b)
        return 2 * (0.3 * np.log(q) + 0.7 * np.log(1 - q)).sum() / len(X)

    slope = [(entropy(b_h + e) - entropy(b_h - e)) / 2e-5 for e in 1e-5 * np.eye(2)]
    np.testing.assert_allclose(climbed(model).b_h - climbed(model_of("RBM")).b_h, slope, atol=1e-6)


def test_penalties_do_what_they_are_for():
    X = (np.random.default_rng(0).random((20, 10, 6)) < 0.5).astype(float)
    settings = dict(n_hidden=8, n_gibbs=1, n_updates=200, learning_rate=0.02, random_state=0, n_jobs=1)
    plain, small, few, idle = (
        RTRBM(**settings, **penalties).fit(X)
        for penalties in ({}, dict(weight_decay=0.1), dict(l1=0.1), dict(sparsity_cost=1, sparsity_target=0.05))
    )
    assert np.abs(small.params_.W).mean() < 0.5 * np.abs(plain.params_.W).mean()
    assert (np.abs(few.params_.W) < 0.03).mean() > 0.9 > 0.5 > (np.abs(plain.params_.W) < 0.03).mean()
    assert idle.transform(X).mean() < 0.25 < 0.4 < plain.transform(X).mean()


@pytest.mark.parametrize("name", ["weight_decay", "l1", "sparsity_cost", "sparsity_target"])
@pytest.mark.parametrize("value", [-1, np.nan, "0.1", None, True])
def test_factors_that_cannot_be_are_refused(name, value):
    with pytest.raises((TypeError, ValueError), match=name):
        RTRBM(4, **{name: value}).fit(np.zeros((2, 3, 4)))


@pytest.mark.parametrize("engine", ["numpy", "numba"])
@pytest.mark.parametrize(
    "too_large",
    [dict(weight_decay=1e21), dict(l1=1e21), dict(sparsity_cost=1e21), dict(sparsity_cost=1e21, optimizer="spectral")],
    ids=str,
)
def test_an_infinite_sum_of_squares_shows(engine, too_large):
    """It would stop its parameter, which stays finite. Control: a smaller factor gives finite sums."""
    if engine == "numba":
        pytest.importorskip("numba")
    X = (np.random.default_rng(0).random((9, 11, 37)) < 0.3).astype(np.float32)
    model = RTRBM(20, n_gibbs=1, random_state=0, engine=engine, **too_large)
    with pytest.raises(FloatingPointError, match="update 0 is not finite"):
        model.partial_fit(X)
    smaller = {name: 1e15 if name != "optimizer" else value for name, value in too_large.items()}
    model.set_params(**smaller).partial_fit(X)
    assert model.n_updates_ == 1


def test_sparsity_asks_which_one_is_meant():
    """The SRTRBM alone has a factor of that name, of its gates."""
    with pytest.raises(TypeError, match="sparsity_cost"):
        RTRBM(sparsity=0.1)
