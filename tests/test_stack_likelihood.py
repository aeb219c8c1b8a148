"""The log-likelihood of stacks: a bound from below, against sums over all hidden sequences."""

import warnings

import numpy as np
import pytest
from helpers import Z_MAX, binary_states, random_array, random_sequences
from scipy.special import logsumexp, xlog1py, xlogy
from scipy.stats import norm

from rtrbm import CRBM, RTRBM, TRBM, Stack
from rtrbm.estimators import variational
from rtrbm.estimators.likelihoods import Scores
from rtrbm.parameters import each

SETTINGS = dict(n_gibbs=1, n_updates=3, batch_size=2, random_state=0, n_jobs=1, dtype="float64")
N_FRAMES, N_HIDDEN, N_VISIBLE = 5, 2, 4
X = np.round(random_array(3, N_FRAMES, seed=1))
BOTTOMS = {
    "TRBM": TRBM(N_HIDDEN, n_taps=2, **SETTINGS),
    "TRBM bptt": TRBM(N_HIDDEN, n_taps=1, bptt=True, **SETTINGS),
    "CRBM": CRBM(N_HIDDEN, n_taps=2, **SETTINGS),
    "RTRBM dynamic b_v": RTRBM(N_HIDDEN, dynamic_visible_bias=True, **SETTINGS),
    "RTRBM gaussian": RTRBM(N_HIDDEN, visible="gaussian", **SETTINGS),
    "RTRBM standardized": RTRBM(N_HIDDEN, visible="gaussian", standardize=True, **SETTINGS),
}
kinds = pytest.mark.parametrize("kind", BOTTOMS)


def data_of(kind):
    return X if BOTTOMS[kind].visible == "bernoulli" else X * [1, 2, 0.5, 1] + 0.1 * random_array(3, N_FRAMES, seed=2)


def randomized(layers, data, scale=0.8):
    """A stack of these layers with random parameters."""
    stack, rng = Stack(layers).fit(data), np.random.default_rng(0)
    for layer in layers:
        layer.params_ = each(lambda p: (scale * rng.standard_normal(p.shape)).astype(p.dtype), layer.params_)
    return stack


def stack_of(kind):
    return randomized([BOTTOMS[kind], RTRBM(3, **SETTINGS)], data_of(kind))


def log_p_given(bottom, v, H):
    """sum_t log P(v_t | h_t, past) of one sequence for many of hidden states, from the means alone."""
    means = bottom.reconstruct(np.repeat(v[None], len(H), axis=0), H)
    if bottom.visible == "bernoulli":
        return (xlogy(v, means) + xlog1py(1 - v, -means)).sum(axis=(1, 2))
    deviation = bottom.scale_.deviation if bottom.standardize else 1.0
    return norm.logpdf(v, means, deviation).sum(axis=(1, 2))


def log_q(bottom, v, H):
    """log q(h_1..h_T) of the filter."""
    r = bottom.transform(v[None])[0]
    return (xlogy(H, r) + xlog1py(1 - H, -r)).sum(axis=(1, 2))


def enumerated(stack, v):
    """The bound and the log-likelihood of one sequence, by the sum over all hidden sequences of a stack of two."""
    bottom, top = stack.layers
    H = binary_states(N_FRAMES * N_HIDDEN).reshape(-1, N_FRAMES, N_HIDDEN).astype(float)
    joint, q = log_p_given(bottom, v, H) + top.log_likelihood(H, "exact"), log_q(bottom, v, H)
    return np.exp(q) @ (joint - q), logsumexp(joint)


def recorded(stack, monkeypatch):
    """Lists that the hidden states of the top layer's data, and of the layer below it, are added to."""
    seen, estimated = [], type(stack.layers[-1])._estimated

    def spy(layer, H, *rest):
        seen.append(np.array(H))
        return estimated(layer, H, *rest)

    monkeypatch.setattr(type(stack.layers[-1]), "_estimated", spy)
    return seen


@kinds
def test_the_mean_over_draws_is_the_enumerated_bound_below_the_likelihood(kind, monkeypatch):
    stack, data = stack_of(kind), data_of(kind)
    bounds, truths = np.transpose([enumerated(stack, v) for v in data])
    assert (bounds < truths - 0.01).all()

    def z():
        found = stack.likelihood(data, n_draws=400)
        return (found.nats - bounds.sum() / (3 * N_FRAMES)) / found.standard_error

    assert abs(z()) < Z_MAX
    monkeypatch.setattr(variational, "hidden_free_energy", lambda h, *params: np.zeros(len(h)))
    assert abs(z()) > 3 * Z_MAX  # control: without F(h)


@kinds
def test_a_draw_is_the_formula_for_its_states(kind, monkeypatch):
    stack, data = stack_of(kind), data_of(kind)
    seen = recorded(stack, monkeypatch)
    frames = variational.bounded(stack.layers, data, 0, 3, {"method": "exact", "n_chains": None, "n_steps": None})
    bottom, top = stack.layers
    assert frames.shape == (3, 3, N_FRAMES, 8) and len(seen) == 3
    for draw, states in enumerate(list(seen)):
        for v, h, found in zip(data, states, frames[:, draw]):
            expected = log_p_given(bottom, v, h[None]) - log_q(bottom, v, h[None]) + top.log_likelihood(h[None])
            np.testing.assert_allclose(found[:, 0].sum(), expected[0], rtol=0, atol=1e-8)
            np.testing.assert_allclose(found[:, [2, 4]], found[:, [0, 0]], rtol=0, atol=1e-8)
    assert (seen[0] != seen[1]).any()


def test_sums_of_first_frames_are_bounds_of_these_frames():
    stack = stack_of("TRBM")
    values = stack.score_samples(X)
    np.testing.assert_allclose(values[:, :3], stack.score_samples(X[:, :3]), rtol=0, atol=1e-8)
    np.testing.assert_allclose(stack.log_likelihood(X), values.sum(axis=1), rtol=1e-12)
    assert stack.likelihood(X).nats == pytest.approx(values.mean(), abs=1e-12)


def test_three_layers_are_bounded_through_both_below(monkeypatch):
    layers = [RTRBM(3, **SETTINGS), TRBM(2, n_taps=1, **SETTINGS), CRBM(2, n_taps=1, **SETTINGS)]
    randomized(layers, X)
    middle, drawn = [], variational._drawn

    def spy(layer, states, *rest):
        found = drawn(layer, states, *rest)
        middle.append(found[0])
        return found

    monkeypatch.setattr(variational, "_drawn", spy)
    frames = variational.bounded(layers, X, 0, 2, {"method": "exact", "n_chains": None, "n_steps": None})
    for draw in range(2):
        h1, h2 = middle[2 * draw : 2 * draw + 2]
        expected = layers[2].log_likelihood(h2)
        for layer, v, h in ((layers[0], X, h1), (layers[1], h1, h2)):
            expected += [(log_p_given(layer, a, b[None]) - log_q(layer, a, b[None]))[0] for a, b in zip(v, h)]
        np.testing.assert_allclose(frames[:, draw, :, 0].sum(axis=1), expected, rtol=0, atol=1e-8)


def test_a_stack_of_one_has_the_likelihood_of_its_layer():
    model = BOTTOMS["RTRBM dynamic b_v"]
    stack = Stack([model]).fit(X)
    for method in ("exact", "ais"):
        assert stack.likelihood(X, method, 3, n_chains=4) == model.likelihood(X, method, 3, n_chains=4)
        np.testing.assert_array_equal(stack.log_likelihood(X, method, 3), model.log_likelihood(X, method, 3))
        ours, its = (m.score_samples(X, method, 3, return_bracket=True) for m in (stack, model))
        np.testing.assert_array_equal(ours, its)


def test_lists_arrays_and_what_stands_beside_give_the_same_numbers():
    stack, ragged = stack_of("CRBM"), [np.round(x) for x in random_sequences((4, 1, 7), N_VISIBLE)]
    np.testing.assert_array_equal(stack.score_samples(X), stack.score_samples(list(X)))
    found = stack.score_samples(ragged)
    assert [len(one) for one in found] == [4, 1, 7]
    np.testing.assert_allclose(found[0], stack.score_samples(ragged[:1])[0], rtol=0, atol=1e-8)
    assert (stack.log_likelihood(X, random_state=1) != stack.log_likelihood(X)).all()
    np.testing.assert_array_equal(stack.log_likelihood(X, random_state=1), stack.log_likelihood(X, random_state=1))


def test_what_is_printed_as_certain_lies_below_the_truth():
    """Also with draws that are all alike, whose standard error is 0, on little data."""
    small = np.random.default_rng(0).integers(0, 2, (3, 3, 3)).astype(float)
    settings = SETTINGS | dict(n_updates=150, learning_rate=0.1, batch_size=10)
    stack = Stack([RTRBM(2, **settings), RTRBM(2, **settings)]).fit(small)
    H = binary_states(6).reshape(-1, 3, 2)
    bottom, top = stack.layers
    truths = [logsumexp(log_p_given(bottom, v, H) + top.log_likelihood(H, "exact")) for v in small]
    found = [stack.likelihood(small, random_state=seed) for seed in range(60)]
    assert all(one.lower < sum(truths) / 9 for one in found)  # the probability that one is not: 60 * 0.00135 at most
    assert sum(one.nats - 3 * one.standard_error > sum(truths) / 9 for one in found) > 5  # control
    lower = stack.score_samples(small, return_bracket=True)[1].sum(axis=1)
    assert (lower < truths).all()


def test_nothing_bounds_it_from_above():
    stack = stack_of("RTRBM dynamic b_v")
    bound, lower, upper = stack.score_samples(X, "ais", return_bracket=True)
    assert np.isinf(upper).all() and (lower < bound).all() and bound.shape == lower.shape == upper.shape == X.shape[:2]
    found = stack.likelihood(X, "ais")
    assert found.upper == np.inf and found.lower < found.nats and found.method == "ais" and found.n_frames == 15
    assert str(found).startswith(f"at least {found.lower:.3f} nats a frame (estimate of a lower bound {found.nats:.3f}")


def test_annealing_agrees_with_the_sum_over_all_states():
    stack, found = stack_of("TRBM bptt"), {}
    for method in ("exact", "ais"):  # of the same draws
        frames = variational.bounded(stack.layers, X, 0, 4, {"method": method, "n_chains": None, "n_steps": None})
        found[method] = [Scores(*np.concatenate(list(frames[:, draw])).T).mean() for draw in range(4)]
    error = np.mean([draw.standard_error for draw in found["ais"]])  # draws share random numbers: it does not fall
    exact, annealed = (np.mean([draw.nats for draw in found[method]]) for method in ("exact", "ais"))
    assert 0 < error < 0.02 and abs(annealed - exact) < Z_MAX * error
    assert stack.likelihood(X, "ais").nats == pytest.approx(annealed, abs=1e-12)


def test_more_draws_have_a_smaller_error():
    stack = stack_of("TRBM")
    few, many = (stack.likelihood(X, n_draws=n).standard_error for n in (50, 800))
    assert 3 < few / many < 5.3  # 4 within the spread of a standard error, 1 / sqrt(2 * 49) of it a sequence


def test_doubts_of_the_top_layer_are_told_once():
    stack = randomized([RTRBM(30, **SETTINGS), RTRBM(28, **SETTINGS)], X, scale=3)
    with pytest.warns(UserWarning, match="frames of 4 draws") as told:
        stack.likelihood(X, "ais", n_chains=2, n_steps=2)
    assert len(told) == 1 and told[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        stack_of("TRBM").likelihood(X)


def test_bad_arguments_are_named():
    stack = stack_of("TRBM")
    for arguments, match in (
        (dict(n_draws=1), "n_draws must be at least 2"),
        (dict(n_draws=2.0), "n_draws must be an integer"),
        (dict(method="best"), "method must be one of"),
        (dict(n_chains=1), "n_chains"),
        (dict(random_state=-1), "random_state"),
    ):
        with pytest.raises((TypeError, ValueError), match=match):
            stack.likelihood(X, **arguments)
    with pytest.raises((TypeError, ValueError), match="return_bracket"):
        stack.score_samples(X, return_bracket=1)
    large = Stack([RTRBM(30, **SETTINGS), RTRBM(30, **SETTINGS)]).fit(X)
    with pytest.raises(ValueError, match="exact"):
        large.log_likelihood(X, "exact")
