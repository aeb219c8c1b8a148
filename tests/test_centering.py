"""Centred steps: the gradient at constant beta, and biases that follow so that beta moves by the step."""

import numpy as np
import pytest
from helpers import random_sequences, random_taps

from rtrbm import RBM, RTRBM
from rtrbm.compute.engine import NUMPY
from rtrbm.datasets import bouncing_balls
from rtrbm.gradient import Model, gradient
from rtrbm.minibatches.sequences import pack
from rtrbm.models.crbm import Window
from rtrbm.models.rtrbm import Recurrent, RTRBMParams
from rtrbm.models.trbm import Filter
from rtrbm.parameters import arrays, each
from rtrbm.past.conditioner import Static
from rtrbm.rbm import exact
from rtrbm.rbm.negative import Exact
from rtrbm.rbm.units import BERNOULLI
from rtrbm.training.centering import centre_biases, centre_gradient

STEP = 1e-5  # truncation ~ STEP^2 and rounding ~ 1e-16 / STEP are both far below 1e-8


def objective(past, params, v, where):
    biases, _ = past.forward(params, v, where, NUMPY)
    return exact.log_likelihood(v, params.W, *biases).sum()


def from_beta(beta, m, mean_h):
    """The parameters b that stand for beta, by the module's formulas written out."""
    if not isinstance(beta, RTRBMParams) or beta.A is not None:
        return taps_from_beta(beta, m, mean_h)
    past = mean_h @ beta.U
    changes = {"b_h": beta.b_h - m @ beta.W - past, "b_init": beta.b_init + past, "b_v": beta.b_v - beta.W @ mean_h}
    if beta.U_v is not None:
        changes["b_v"] = changes["b_v"] - mean_h @ beta.U_v
    return beta._replace(**changes)


def taps_from_beta(beta, m, mean_h):
    """With taps: what those that reach frame t have in it of the means goes out of its biases, frame by frame.

    Past the initial values, all taps reach it, and that is b; before, b + b_init_t.
    """

    def split(constant, init, *kinds):
        kinds = [(T if T.ndim == 3 else T[None], mean) for T, mean in kinds if T is not None]
        past = [sum(mean @ T[n] for T, mean in kinds for n in range(min(t, len(T)))) for t in range(9)]
        b = constant - past[8]
        if init is None:
            return b, None
        return b, np.array([constant + init[t] - past[t] - b for t in range(len(init))]).reshape(init.shape)

    names = ("A", "B", "C", "U_v", "b_v_init", "b_init")
    A, B, C, U_v, b_v_init, b_init = (getattr(beta, name, None) for name in names)
    b_v, b_v_init = split(beta.b_v - beta.W @ mean_h, b_v_init, (A, m), (U_v, mean_h))
    b_h, b_init = split(beta.b_h - m @ beta.W, b_init, (B, mean_h), (C, m))
    changes = {"b_v": b_v, "b_h": b_h, "b_v_init": b_v_init, "b_init": b_init}
    return beta._replace(**{name: b for name, b in changes.items() if name in beta._fields})


def copied(params):
    return each(np.copy, params)


CASES = {
    "no past": Static(),
    "static": Recurrent(),
    "dynamic visible bias": Recurrent(dynamic_visible_bias=True),
    "TRBM": Filter(3, 3, 3, bptt=True),
    "fewer hidden taps": Filter(3, 2, 3, bptt=True),
    "CRBM": Window(2),
    "RTRBM with taps": Recurrent(2),
    "all kinds of taps": Recurrent(2, dynamic_visible_bias=True),
    "more hidden taps": Filter(0, 3, 1, bptt=True),
}


@pytest.fixture(params=CASES.values(), ids=CASES)
def case(request):
    past = request.param
    v, where = pack(random_sequences([5, 6, 3]))
    rng = np.random.default_rng(3)
    means = {"v": rng.random(4), "h": rng.random(3)}
    return past, random_taps(past, n_visible=4, n_hidden=3, scale=0.8), v, where, means


def exact_averages(h_pos, W, biases):
    return Exact().averages(None, h_pos, W, biases, BERNOULLI, None, None, NUMPY)[0]


def test_centred_gradient_is_the_derivative_at_constant_beta(case):
    past, beta, v, where, means = case
    params = from_beta(beta, means["v"], means["h"])
    centred, *_ = gradient(Model(past, BERNOULLI), params, v, where, exact_averages, NUMPY)
    plain = copied(centred)
    centre_gradient(centred, past.maps(), means, NUMPY)
    for name, array in beta._asdict().items():
        if array is None:
            continue
        numerical = np.empty_like(array)
        for index in np.ndindex(array.shape):
            values = []
            for shift in (STEP, -STEP):
                moved = copied(beta)
                getattr(moved, name)[index] += shift
                values.append(objective(past, from_beta(moved, means["v"], means["h"]), v, where))
            numerical[index] = (values[0] - values[1]) / (2 * STEP)
        np.testing.assert_allclose(getattr(centred, name), numerical, atol=1e-8)
    assert abs(plain.W - centred.W).max() > 0.1  # the two gradients differ, so the comparison can fail


def test_biases_follow_so_that_beta_moves_by_the_step(case):
    past, beta, _, _, means = case
    m, mean_h = means["v"], means["h"]
    step = random_taps(past, n_visible=4, n_hidden=3, scale=1, seed=1)
    params = copied(from_beta(beta, m, mean_h))
    for parameter, change in zip(arrays(params), arrays(step), strict=True):
        parameter += change
    centre_biases(params, step, past.maps(), means)
    wanted = from_beta(each(np.add, beta, step), m, mean_h)
    for found, right in zip(arrays(params), arrays(wanted), strict=True):
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
        RTRBM(40, n_gibbs=3, n_updates=150, centering=centering, learning_rate=0.01, random_state=0).fit(X).score(X)
        for centering in (True, False)
    ]
    assert scores[0] > scores[1]
