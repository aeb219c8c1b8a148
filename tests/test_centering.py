"""Centred steps: the gradient at constant beta, and biases that follow so that beta moves by the step."""

import numpy as np
import pytest
from helpers import random_params, random_sequences, random_taps

from rtrbm import RBM, RTRBM, exact
from rtrbm.centering import centre_biases, centre_gradient
from rtrbm.datasets import bouncing_balls
from rtrbm.dynamics import TRBMParams, gradient, states_and_biases
from rtrbm.rtrbm import as_rtrbm, as_trbm
from rtrbm.sequences import pack

STEP = 1e-5  # truncation ~ STEP^2 and rounding ~ 1e-16 / STEP are both far below 1e-8


def objective(params, v, where):
    _, b_v, b_h = states_and_biases(general(params), v, where)
    return exact.log_likelihood(v, params.W, b_v, b_h).sum()


def general(params):
    """The same with taps, sharing memory."""
    return params if isinstance(params, TRBMParams) else as_trbm(params)


def from_beta(beta, m, mean_h):
    """The parameters b that stand for beta, by the module's formulas written out."""
    if isinstance(beta, TRBMParams):
        return taps_from_beta(beta, m, mean_h)
    past = mean_h @ beta.U
    changes = {
        "b_h": beta.b_h - m @ beta.W - past,
        "b_init": beta.b_init + past,
        "b_v": beta.b_v - beta.W @ mean_h,
    }
    if hasattr(beta, "U_v"):
        changes["b_v"] = changes["b_v"] - mean_h @ beta.U_v
    return beta._replace(**changes)


def taps_from_beta(beta, m, mean_h):
    """With taps: what those that reach frame t have in it of the means goes out of its biases, frame by frame.

    Past the initial values, all taps reach it, and that is b; before, b + b_init_t.
    """

    def split(constant, init, *kinds):
        past = [sum(mean @ T[n] for T, mean in kinds for n in range(min(t, len(T)))) for t in range(9)]
        b = constant - past[8]
        return b, np.array([constant + init[t] - past[t] - b for t in range(len(init))]).reshape(init.shape)

    b_v, b_v_init = split(beta.b_v - beta.W @ mean_h, beta.b_v_init, (beta.A, m), (beta.U_v, mean_h))
    b_h, b_init = split(beta.b_h - m @ beta.W, beta.b_init, (beta.B, mean_h), (beta.C, m))
    return beta._replace(b_v=b_v, b_h=b_h, b_v_init=b_v_init, b_init=b_init)


def copied(params):
    return type(params)(*(array.copy() for array in params))


CASES = {
    "static": lambda: random_params(),
    "dynamic visible bias": lambda: random_params(dynamic=True),
    "TRBM": lambda: random_taps(3, 2, 3, n_visible=4, n_hidden=3),
    "CRBM": lambda: random_taps(2, 0, 2, n_visible=4, n_hidden=3),
    "all kinds of taps": lambda: random_taps(2, 1, 2, 2, n_visible=4, n_hidden=3),
    "more hidden taps": lambda: random_taps(0, 3, 1, n_visible=4, n_hidden=3),
}


@pytest.fixture(params=CASES.values(), ids=CASES)
def case(request):
    params = request.param()
    v, where = pack(random_sequences([5, 6, 3]))
    rng = np.random.default_rng(3)
    return params, v, where, rng.random(4), rng.random(3)


def test_centred_gradient_is_the_derivative_at_constant_beta(case):
    beta, v, where, m, mean_h = case
    params = from_beta(beta, m, mean_h)
    centred, *_ = gradient(
        general(params), v, where, lambda h, W, b_v, b_h: exact.averages(W, b_v, b_h), bptt=True
    )
    plain = copied(centred)
    centre_gradient(centred, m, mean_h)
    centred = centred if isinstance(beta, TRBMParams) else as_rtrbm(centred)
    for name, array in beta._asdict().items():
        numerical = np.empty_like(array)
        for index in np.ndindex(array.shape):
            values = []
            for shift in (STEP, -STEP):
                moved = copied(beta)
                getattr(moved, name)[index] += shift
                values.append(objective(from_beta(moved, m, mean_h), v, where))
            numerical[index] = (values[0] - values[1]) / (2 * STEP)
        np.testing.assert_allclose(getattr(centred, name), numerical, atol=1e-8)
    assert abs(plain.W - centred.W).max() > 0.1  # the two gradients differ, so the comparison can fail


def test_biases_follow_so_that_beta_moves_by_the_step(case):
    beta, _, _, m, mean_h = case
    step = type(beta)(*(np.random.default_rng(i).standard_normal(a.shape) for i, a in enumerate(beta)))
    params = copied(from_beta(beta, m, mean_h))
    for parameter, change in zip(params, step):
        parameter += change
    centre_biases(general(params), general(step), m, mean_h)
    wanted = from_beta(type(beta)(*(a + b for a, b in zip(beta, step))), m, mean_h)
    for found, right in zip(params, wanted):
        np.testing.assert_allclose(found, right, atol=1e-13)


def test_static_model_is_the_case_without_recurrence():
    X = np.random.default_rng(0).integers(0, 2, (50, 6)).astype(float)
    model = RBM(4, n_updates=3, batch_size=50, random_state=0).fit(X)
    other = RBM(4, n_updates=3, batch_size=50, centering=False, random_state=0).fit(X)
    assert np.isfinite(model.params_.W).all()
    assert abs(model.params_.W - other.params_.W).max() > 1e-4


def test_centred_steps_learn_faster():
    X = bouncing_balls(16, n_frames=30, resolution=8, n_balls=1, random_state=0)
    scores = [
        RTRBM(40, n_gibbs=3, n_updates=150, centering=centering, learning_rate=0.01, random_state=0)
        .fit(X)
        .score(X)
        for centering in (True, False)
    ]
    assert scores[0] > scores[1]
