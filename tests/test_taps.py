"""Delay taps: states, likelihood and gradient of every model that has them, against loops and sums over all states."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from helpers import (
    TAPS,
    UNITS,
    Z_MAX,
    binary_states,
    central_differences,
    flat,
    largest_difference,
    over_seeds,
    mean_of,
    random_array,
    random_model,
    random_sequences,
    random_taps,
    sigmoid,
    slow_log_likelihood,
    slow_predictions,
    slow_states,
    z_scores,
)

from rtrbm import CRBM, RTRBM, TRBM
from rtrbm.compute.engine import NUMPY
from rtrbm.gradient import Model, gradient
from rtrbm.minibatches.sequences import pack, unpack
from rtrbm.models.crbm import Window
from rtrbm.models.rtrbm import Recurrent
from rtrbm.models.trbm import Filter
from rtrbm.parameters import arrays, each
from rtrbm.past import taps
from rtrbm.rbm import exact

LENGTHS = (6, 1, 2, 5)  # not sorted; a sequence without a past, and one that taps reach beyond
ROUNDING = 1e-12  # sums of some hundred numbers of order 1 in another order, in float64
any_taps = pytest.mark.parametrize("kind, settings", TAPS.values(), ids=TAPS)
any_past = pytest.mark.parametrize(
    "past, m",
    [
        (Filter(3, 3, 3), 3),
        (Filter(2, 2, 2, bptt=True), 2),
        (Filter(0, 1, 0), 1),
        (Filter(2, 3, 1), 3),
        (Filter(0, 0, 0), 0),
        (Window(2), 2),
        (Recurrent(2), 2),
        (Recurrent(2, dynamic_visible_bias=True), 2),
        (Recurrent(0, dynamic_visible_bias=True), 1),
    ],
    ids=str,
)  # conditioners, and how far each looks back
units = pytest.mark.parametrize("visible", ["bernoulli", "gaussian"])


def differences(params, sequences, visible, hold=False):
    """Central differences of the mean over sequences of the slow log-likelihood.

    hold : with the hidden states in the biases held at what they are for `params`.
    """
    held = [slow_states(params, v)[0] if hold else None for v in sequences]

    def objective(*arrays):
        moved = type(params)(*arrays)
        return np.mean([slow_log_likelihood(moved, v, visible, h) for v, h in zip(sequences, held)])

    return central_differences(objective, params)


# ------------------------------------------------------------------------------------- states and biases


@any_taps
def test_states_are_the_slow_ones(kind, settings):
    model, X = random_model(kind, **settings), random_sequences(LENGTHS, 3)
    for r, v in zip(model.transform(X), X):
        np.testing.assert_allclose(r, slow_states(model.params_, v)[0], rtol=0, atol=1e-13)


@any_past
def test_biases_are_the_slow_ones(past, m):
    params, X = random_taps(past), random_sequences(LENGTHS, 3)
    v, where = pack(X)
    biases, _ = past.forward(params, v, where, NUMPY)
    b_v, b_h = (np.broadcast_to(b, (len(v), b.shape[-1])) for b in biases)
    for i, sequence in enumerate(X):
        _, slow_b_v, slow_b_h = slow_states(params, sequence)
        np.testing.assert_allclose(unpack(b_v, where)[i], slow_b_v, rtol=0, atol=1e-13)
        np.testing.assert_allclose(unpack(b_h, where)[i], slow_b_h, rtol=0, atol=1e-13)


@any_past
def test_biases_of_one_more_frame_are_those_of_the_whole_sequence(past, m):
    """What sampling and imputing go by, frame after frame."""
    params, X = random_taps(past), random_array(4, 6, 3)
    states = [slow_states(params, v) for v in X]
    state = past.start(params, len(X))
    for t in range(6):
        b_v, b_h = (np.broadcast_to(b, (len(X), b.shape[-1])) for b in past.biases(params, state))
        np.testing.assert_allclose(b_v, [slow_b_v[t] for _, slow_b_v, _ in states], rtol=0, atol=1e-13)
        np.testing.assert_allclose(b_h, [slow_b_h[t] for _, _, slow_b_h in states], rtol=0, atol=1e-13)
        state = past.step(params, state, X[:, t], np.array([r[t] for r, _, _ in states]))
    assert len(state.v) == m and len(state.h) == (m if past.carries else 0) and (state.n_frames == 6).all()


@pytest.mark.parametrize("m", [0, 1, 3, 8])
def test_backward_is_the_transpose_of_forward(m):
    """<d, forward(x)> = <backward(d), x> = <gradient(x, d), T> for every d, x and T: taps are bilinear."""
    rng = np.random.default_rng(0)
    x, where = pack(random_sequences(LENGTHS, 3, "gaussian"))
    T, d = rng.standard_normal((m, 3, 4)), rng.standard_normal((len(x), 4))
    value = (d * taps.forward(x, where, T)).sum()
    assert (value != 0) == (m > 0)
    assert (taps.backward(d, where, T) * x).sum() == pytest.approx(value, abs=ROUNDING)
    assert (taps.gradient(x, where, d, m) * T).sum() == pytest.approx(value, abs=ROUNDING)
    init = rng.standard_normal((m, 4))
    more = (d * taps.forward(x, where, T, init)).sum() - value
    assert (taps.initial_gradient(where, d, m) * init).sum() == pytest.approx(more, abs=ROUNDING)


@any_taps
def test_packed_is_one_at_a_time_and_a_list_is_its_array(kind, settings):
    model, X = random_model(kind, **settings), random_sequences(LENGTHS, 3)
    for verb in (model.transform, model.denoise, model.log_likelihood):
        for together, v in zip(verb(X), X):
            np.testing.assert_allclose(together, verb([v])[0], rtol=0, atol=ROUNDING)
    mean = mean_of([model.gradient([v], method="exact") for v in X])
    assert largest_difference(model.gradient(X, method="exact"), mean) < ROUNDING
    array = random_array(3, 5, 3)
    for verb in (model.transform, model.denoise, model.log_likelihood, model.predict):
        np.testing.assert_array_equal(verb(array), np.stack(verb(list(array))))
    for method in ("exact", "cd"):
        of_array, of_list = (model.gradient(data, method=method) for data in (array, list(array)))
        assert largest_difference(of_array, of_list) == 0


# ------------------------------------------------------------------------------------------ likelihood


@units
@any_taps
def test_log_likelihood_is_the_slow_sum(kind, settings, visible):
    model, X = random_model(kind, visible=visible, **settings), random_sequences(LENGTHS, 3, visible)
    expected = [slow_log_likelihood(model.params_, v, visible) for v in X]
    np.testing.assert_allclose(model.log_likelihood(X), expected, rtol=0, atol=10 * ROUNDING)


@any_taps
def test_probabilities_of_all_videos_sum_to_one(kind, settings):
    frames = binary_states(3)
    videos = np.array(list(itertools.product(frames, repeat=3)))
    model = random_model(kind, **settings)
    assert np.exp(model.log_likelihood(videos)).sum() == pytest.approx(1, abs=ROUNDING)


# -------------------------------------------------------------------------------------------- gradient

ABLATIONS = {
    f"TRBM without {' '.join(without)}": (TRBM, dict(n_taps=2, without=without))
    for n in range(1, 4)
    for without in itertools.combinations(("VV", "HH", "VH"), n)
}
LEARNED = {
    "TRBM": (TRBM, dict(n_taps=3)),
    "CRBM": (CRBM, dict(n_taps=2)),
    "RTRBM": (RTRBM, dict(n_taps=2)),
    "RTRBM dynamic b_v": (RTRBM, dict(n_taps=2, dynamic_visible_bias=True)),
    **ABLATIONS,
}


@units
@pytest.mark.parametrize("kind, settings", LEARNED.values(), ids=LEARNED)
def test_gradient_is_that_of_central_differences(kind, settings, visible):
    """With the backward pass that of the likelihood; without, that with the filtered states of the past held.

    The two are far apart where there are hidden taps, and the same where there are none.
    """
    X = random_sequences(LENGTHS, 3, visible)
    model = random_model(kind, visible=visible, scale=1.0, **settings)
    params = model.params_
    whole, held = (differences(params, X, visible, hold) for hold in (False, True))
    rules = {"bptt": whole, "no bptt": held} if kind is not CRBM else {"": whole}
    for rule, expected in rules.items():
        if kind is not CRBM:
            model.set_params(bptt=rule == "bptt")
        gradient = model.gradient(X, method="exact")
        assert type(gradient) is type(params)
        assert largest_difference(gradient, expected) < 1e-8
        # what there is to learn is learned: no array of the gradient is zero by mistake
        assert all(np.abs(g).max() > 1e-3 for g in arrays(gradient))
    recurrent = getattr(params, "B", None) is not None
    apart = largest_difference(whole, held)
    assert apart > 0.004 if recurrent else apart < 1e-10  # 0.0045 to 4.0


@units
@pytest.mark.parametrize("bptt", [True, False])
@pytest.mark.parametrize("past", [Filter(1, 3, 2), Filter(3, 1, 2)], ids=str)
def test_gradient_with_one_kind_of_taps_longer_than_another(past, bptt, visible):
    params, X = random_taps(past), random_sequences(LENGTHS, 3, visible)
    v, where = pack(X)

    def negative_phase(h_pos, W, biases):
        return exact.averages(W, *biases, UNITS[visible])

    model = Model(replace(past, bptt=bptt), UNITS[visible])
    found, *_ = gradient(model, params, v, where, negative_phase, NUMPY)
    expected = differences(params, X, visible, hold=not bptt)
    assert largest_difference(each(lambda g: g / len(X), found), expected) < 1e-8


@any_taps
def test_float32_gradient_is_the_float64_one(kind, settings):
    X = random_sequences(LENGTHS, 3)
    double, single = (random_model(kind, dtype=dtype, **settings) for dtype in ("float64", "float32"))
    gradient = single.gradient(X, method="exact")
    assert {g.dtype for g in arrays(gradient)} == {np.dtype("float32")}
    assert largest_difference(gradient, double.gradient(X, method="exact")) < 1e-5


def test_long_chains_are_unbiased_and_one_step_is_not():
    video, z = random_sequences([5], 3)[0], {}
    X = np.repeat(video[None], 200, axis=0)
    for n_gibbs in (40, 1):
        model = random_model(RTRBM, n_taps=2, dynamic_visible_bias=True, n_gibbs=n_gibbs, scale=1.5)
        expected = flat(model.gradient([video], method="exact"))
        draws = [flat(model.gradient(X, random_state=draw)) for draw in range(20)]
        z[n_gibbs] = np.abs(z_scores(draws, expected)).max()
    assert z[40] < 5 and z[1] > 6  # of 20 draws, Student's: beyond 5 once in 10^4


# ------------------------------------------------------------- sequences shorter than the taps reach


@pytest.mark.parametrize("kind", [TRBM, CRBM, RTRBM])
def test_short_sequences_work_through_the_initial_values(kind):
    model, X = random_model(kind, n_taps=5), random_array(20, 3, 3)
    for r, v in zip(model.transform(X), X):
        np.testing.assert_allclose(r, slow_states(model.params_, v)[0], rtol=0, atol=1e-13)
    assert model.predict(X).shape == X.shape and model.sample(2, random_state=0).shape == (1, 2, 3)
    gradient = model.gradient(X, method="exact")
    for name in ("b_init", "b_v_init"):
        size = np.abs(getattr(gradient, name)).max(axis=1)
        assert (size[:3] > 1e-3).all() and not size[3:].any()  # of the frames there are
    for name in ("A", "C"):
        size = np.abs(getattr(gradient, name)).max(axis=(1, 2))
        assert (size[:2] > 1e-3).all() and not size[2:].any()  # of the delays there are


@pytest.mark.parametrize("initialization", ["data", "thesis"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_initial_values_are_learned_and_taps_out_of_reach_are_not(dtype, initialization):
    """Also with centring, which makes of their derivative, zero, a difference of equal sums."""
    X, settings = random_array(20, 3, 5), dict(n_gibbs=1, n_updates=1, dtype=dtype, random_state=0)
    settings |= dict(n_taps=4, initialization=initialization, optimizer="adam", learning_rate=0.01)
    first = TRBM(4, **settings).fit(X).params_
    last = TRBM(4, **settings | dict(n_updates=100)).fit(X).params_
    for name in ("b_init", "b_v_init"):
        moved = np.abs(getattr(last, name) - getattr(first, name)).max(axis=1)
        assert (moved[:3] > 0.02).all() and (moved[3:] < 1e-5).all()
    for name in ("A", "B", "C"):
        moved = np.abs(getattr(last, name) - getattr(first, name)).max(axis=(1, 2))
        assert (moved[:2] > 0.02).all() and (moved[2:] < 1e-5).all()


# ------------------------------------------------------------------------------------------ prediction


@units
@any_taps
def test_predictions_are_the_expectation_by_enumeration(kind, settings, visible):
    """Controls: the expectation of the frame before, and of a model without its initial values."""
    model = random_model(kind, visible=visible, scale=0.9, **settings)
    video = random_sequences([5], 3, visible)[0]
    predicted = over_seeds(150, lambda seed: model.predict([video], random_state=seed)[0])
    expected, _ = slow_predictions(model.params_, video, visible)
    assert np.abs(z_scores(predicted, expected)).max() < Z_MAX
    shifted = np.concatenate([expected[:1], expected[:-1]])
    assert np.abs(z_scores(predicted, shifted))[1:].max() > 2 * Z_MAX
    without = model.params_._replace(b_init=0 * model.params_.b_init)
    assert np.abs(z_scores(predicted, slow_predictions(without, video, visible)[0])[0]).max() > Z_MAX


@any_taps
def test_predictions_do_not_see_their_frame(kind, settings):
    model, X = random_model(kind, **settings), random_array(10, 6, 3)
    predicted = model.predict(X)
    for t in range(6):
        changed = X.copy()
        changed[:, t:] = 1 - changed[:, t:]
        again = model.predict(changed)
        np.testing.assert_array_equal(again[:, : t + 1], predicted[:, : t + 1])
        assert t == 5 or (again[:, t + 1 :] != predicted[:, t + 1 :]).any()  # control


# ---------------------------------------------------------------------------- filtering: exact or not


def filtered_exactly(params, v):
    """P(h_t = 1 | v_1..v_t) for every t, by a sum over all hidden sequences h_1..h_t.

    P(v, h) is the product over frames of an RBM whose hidden biases come from the hidden states h themselves, not from
    their probabilities, and P(h_1..h_t, v_1..v_t) the product of the first t.
    """
    h_states, v_states = (binary_states(n) for n in params.W.shape[::-1])
    posterior = []
    for t in range(1, len(v) + 1):
        total = 0.0, np.zeros(params.W.shape[1])
        for h in itertools.product(h_states, repeat=t):
            log_p = 0.0
            _, b_v, b_h = slow_states(params, v[:t], held=h)
            for s in range(t):
                energies = (v_states @ b_v[s])[:, None] + v_states @ params.W @ h_states.T + h_states @ b_h[s]
                log_p += v[s] @ b_v[s] + v[s] @ params.W @ h[s] + h[s] @ b_h[s] - np.log(np.exp(energies).sum())
            p = np.exp(log_p)
            total = total[0] + p, total[1] + p * h[-1]
        posterior.append(total[1] / total[0])
    return np.array(posterior)


def test_without_hidden_taps_filtering_is_the_exact_posterior():
    """Control: with hidden taps it is not, but for the first frame."""
    v = np.round(random_sequences([4], 3)[0])
    model = random_model(TRBM, n_taps=2, without="HH")
    np.testing.assert_allclose(model.transform([v])[0], filtered_exactly(model.params_, v), rtol=0, atol=ROUNDING)
    model = random_model(TRBM, n_taps=2, scale=1.0)
    wrong = np.abs(model.transform([v])[0] - filtered_exactly(model.params_, v)).max(axis=1)
    assert wrong[0] < ROUNDING and (wrong[1:] > 0.003).any() and wrong.max() > 0.01


def test_reconstructions_are_the_formula():
    """E[v_t | h_t = H_t, past], and denoising with H = r; the past is that of the filter, whatever H is."""
    for visible, (kind, settings) in itertools.product(["bernoulli", "gaussian"], TAPS.values()):
        model = random_model(kind, visible=visible, **settings)
        X, H = random_sequences(LENGTHS, 3, visible), random_sequences(LENGTHS, 2, seed=5)
        params = model.params_
        for v, h, given, denoised in zip(X, H, model.reconstruct(X, H), model.denoise(X)):
            r, b_v, _ = slow_states(params, v)
            for found, states in ((given, h), (denoised, r)):
                mean = b_v + states @ params.W.T
                mean = sigmoid(mean) if visible == "bernoulli" else mean
                np.testing.assert_allclose(found, mean, rtol=0, atol=1e-13)
        assert np.abs(given - denoised).max() > 0.01  # control
