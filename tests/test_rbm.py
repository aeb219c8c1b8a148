"""The RBM against sums over its joint states: conditionals, samplers, gradients, estimator."""

from typing import NamedTuple

import numpy as np
import pytest
from helpers import (
    UNITS,
    Z_MAX,
    binary_states,
    central_differences,
    frame_energies,
    hidden_distribution,
    log_sum,
    model_moments,
    state_codes,
    visible_distribution,
    visible_means,
    z_scores,
)

from rtrbm import RBM
from rtrbm.biases import Biases
from rtrbm.compute.engine import NUMPY, Engine
from rtrbm.gradient import Model, gradient
from rtrbm.minibatches.sequences import layout
from rtrbm.parameters import arrays
from rtrbm.past.conditioner import RBMParams, Static
from rtrbm.rbm import Softmax, conditionals, exact
from rtrbm.rbm.chains import Draw, reconstruct
from rtrbm.rbm.negative import CD, Exact
from rtrbm.streams import stream
from rtrbm.training import start

KINDS = ("bernoulli", "gaussian")
N_VISIBLE, N_HIDDEN = 4, 3


V, H = binary_states(N_VISIBLE), binary_states(N_HIDDEN)


class Parameters(NamedTuple):
    """Those of an RBM whose visible units have none of their own."""

    W: np.ndarray
    b_v: np.ndarray
    b_h: np.ndarray


def parameters(scale=0.8, seed=0):
    rng = np.random.default_rng(seed)
    shapes = (N_VISIBLE, N_HIDDEN), N_VISIBLE, N_HIDDEN
    return Parameters(*(scale * rng.standard_normal(shape) for shape in shapes))


def frames(n_rows, visible="bernoulli", seed=1):
    rng = np.random.default_rng(seed)
    if visible == "gaussian":
        return rng.standard_normal((n_rows, N_VISIBLE))
    return V[rng.integers(0, len(V), n_rows)]


def hidden_probabilities(v, W, b_h):
    """P(h | v) of every hidden state, (n_rows, n_states)."""
    p = np.exp(v @ W @ H.T + H @ b_h)
    return p / p.sum(axis=1, keepdims=True)


def energies(v, params, visible):
    """Minus the energy of every row with every hidden state."""
    return np.array([frame_energies(row, *params, visible) for row in v])


def misses(samples, known):
    """Whether the mean of a column is further from what it should be than chance lets it."""
    return np.abs(z_scores(samples, known)).max() > Z_MAX


def derivatives(v, params, visible, negative_phase, engine=NUMPY):
    """Those of sum log P(v) with respect to the parameters, and with respect to the biases of every row."""
    model, where = Model(Static(), UNITS[visible]), layout([1] * len(v))
    found, c, _ = gradient(model, RBMParams(*params), v, where, negative_phase, engine)
    return Parameters(*arrays(found)), c


def cd_averages(n_gibbs, visible, draw, engine=NUMPY, sample_visible=True):
    """CD-k as a negative phase, on a chain of its own for every row."""

    def negative_phase(h_pos, W, biases):
        where, phase = layout([1] * len(h_pos)), CD(n_gibbs, sample_visible)
        return phase.averages(None, h_pos, W, biases, UNITS[visible], where, draw, engine)[0]

    return negative_phase


def contrastive_divergence(v, W, b_v, b_h, n_gibbs, visible, draw=Draw(0, "chain"), engine=NUMPY):
    """Derivatives by CD-k: with respect to W, b_v and b_h, those of the biases row by row."""
    found, c = derivatives(v, (W, b_v, b_h), visible, cd_averages(n_gibbs, visible, draw, engine), engine)
    return found.W, c.v, c.h


# Conditional distributions


@pytest.mark.parametrize("visible", KINDS)
def test_hidden_mean(visible):
    W, _, b_h = parameters()
    v = frames(10, visible)
    np.testing.assert_allclose(conditionals.hidden_mean(v, W, b_h), hidden_probabilities(v, W, b_h) @ H, rtol=1e-12)


def test_reconstruction_mean():
    W, b_v, _ = parameters()
    p = np.exp(H @ W.T @ V.T + V @ b_v)
    p /= p.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(conditionals.reconstruction_mean(H, W, b_v), p @ V, rtol=1e-12)
    v = np.linspace(-20, 20, 2001)[:, None, None]  # (grid, hidden states, visible units)
    density = np.exp(v * (b_v + H @ W.T) - v**2 / 2)
    mean = conditionals.reconstruction_mean(H, W, b_v, UNITS["gaussian"])
    np.testing.assert_allclose(mean, (v * density).sum(0) / density.sum(0), atol=1e-12)


@pytest.mark.parametrize("visible", KINDS)
def test_free_energy(visible):
    params = parameters()
    v = frames(10, visible)
    expected = [-log_sum(row) for row in energies(v, params, visible)]
    np.testing.assert_allclose(conditionals.free_energy(v, *params, UNITS[visible]), expected, rtol=1e-12)


def test_free_energy_of_large_weights():
    params = parameters(1e5)
    expected = -energies(V, params, "bernoulli").max(axis=1)
    np.testing.assert_allclose(conditionals.free_energy(V, *params), expected, rtol=1e-12)


@pytest.mark.parametrize("visible", KINDS)
def test_a_row_of_biases_for_each_row(visible):
    W, b_v, b_h = parameters()
    v, h = frames(5, visible), H[[1, 3, 4, 6, 7]]
    rows_v, rows_h = np.arange(5.0)[:, None] - b_v, np.arange(5.0)[:, None] + b_h

    def results(v, h, b_v, b_h):
        yield conditionals.hidden_mean(v, W, b_h)
        yield conditionals.reconstruction_mean(h, W, b_v, UNITS[visible])
        yield conditionals.free_energy(v, W, b_v, b_h, UNITS[visible])

    for i in range(5):
        one = slice(i, i + 1)
        for whole, row in zip(results(v, h, rows_v, rows_h), results(v[one], h[one], rows_v[i], rows_h[i])):
            np.testing.assert_allclose(whole[one], row, rtol=1e-12)


def with_products(x):
    """x and the products of all pairs of columns."""
    i, j = np.triu_indices(x.shape[1])
    return np.concatenate([x, x[:, i] * x[:, j]], axis=1)


@pytest.mark.parametrize("visible", KINDS)
def test_sample_visible(visible):
    W, b_v, _ = parameters()
    h = H[5:6]
    if visible == "bernoulli":
        p = np.exp(V @ (b_v + W @ h[0]))
        known = p / p.sum() @ with_products(V)
    else:
        mean = b_v + W @ h[0]
        i, j = np.triu_indices(N_VISIBLE)
        known = np.concatenate([mean, mean[i] * mean[j] + (i == j)])
    v = conditionals.sample_visible(np.repeat(h, 20000, axis=0), W, b_v, stream(0, "sample"), UNITS[visible])
    assert not misses(with_products(v), known)
    wrong = conditionals.sample_visible(np.repeat(h, 20000, axis=0), W, b_v + 0.1, stream(0, "sample"), UNITS[visible])
    assert misses(with_products(wrong), known)


@pytest.mark.parametrize("visible", KINDS)
def test_dtype_follows_the_data(visible):
    W, b_v, b_h = (a.astype(np.float32) for a in parameters())
    v, h, rng = frames(5, visible).astype(np.float32), H[:5].astype(np.float32), stream(0, "sample")
    for result in (
        conditionals.hidden_mean(v, W, b_h),
        conditionals.reconstruction_mean(h, W, b_v, UNITS[visible]),
        conditionals.sample_visible(h, W, b_v, rng, UNITS[visible]),
        conditionals.free_energy(v, W, b_v, b_h, UNITS[visible]),
        *contrastive_divergence(v, W, b_v, b_h, 1, visible),
    ):
        assert result.dtype == np.float32


# Contrastive divergence


def biased_rows(n_copies, visible, scale):
    """Rows of data with biases of their own, `n_copies` of each, and the exact gradient of sum log P(v)."""
    W, b_v, b_h = parameters(scale)
    v = frames(5, visible)
    rng = np.random.default_rng(2)
    rows_v = b_v + 0.5 * rng.standard_normal((5, N_VISIBLE))
    rows_h = b_h + 0.5 * rng.standard_normal((5, N_HIDDEN))
    h = np.concatenate([hidden_probabilities(v[i : i + 1], W, rows_h[i]) @ H for i in range(5)])
    mean_v, mean_h, mean_vh = zip(*(model_moments(W, *biases, visible) for biases in zip(rows_v, rows_h)))
    derivatives = v.T @ h - sum(mean_vh), (v - mean_v).sum(0), (h - mean_h).sum(0)
    copied = [np.repeat(a, n_copies, axis=0) for a in (v, rows_v, rows_h)]
    return copied[0], W, copied[1], copied[2], np.concatenate([d.ravel() for d in derivatives])


@pytest.mark.parametrize("visible, scale", [("bernoulli", 0.8), ("gaussian", 0.6)])
def test_long_chains_give_the_gradient_and_short_ones_do_not(visible, scale):
    n_copies = 20
    v, W, b_v, b_h, gradient = biased_rows(n_copies, visible, scale)

    def estimates(n_gibbs, n_repeats):
        for repeat in range(n_repeats):
            draw = Draw(0, "chain", (repeat,))
            d_W, d_b_v, d_b_h = contrastive_divergence(v, W, b_v, b_h, n_gibbs, visible, draw)
            yield np.concatenate([d_W.ravel(), d_b_v.sum(0), d_b_h.sum(0)]) / n_copies

    assert not misses(list(estimates(200, 100)), gradient)
    assert misses(list(estimates(1, 100)), gradient)


@pytest.mark.parametrize("visible", KINDS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_threads_do_not_matter(visible, dtype):
    arguments = [frames(1000, visible).astype(dtype), *(a.astype(dtype) for a in parameters())]
    one, two, other = (
        contrastive_divergence(*arguments, 3, visible, Draw(seed, "chain"), Engine(n_jobs))
        for seed, n_jobs in ((0, 1), (0, 2), (1, 1))
    )
    for a, b, c in zip(one, two, other):
        np.testing.assert_array_equal(a, b)
        assert (a != c).any()


@pytest.mark.parametrize("visible", KINDS)
def test_one_bias_is_the_same_bias_for_every_row(visible):
    W, b_v, b_h = parameters()
    v = frames(600, visible)
    one = contrastive_divergence(v, W, b_v, b_h, 3, visible)
    rows_v, rows_h = np.tile(b_v, (600, 1)), np.tile(b_h, (600, 1))
    for biases in ((rows_v, b_h), (b_v, rows_h), (rows_v, rows_h)):
        for a, b in zip(one, contrastive_divergence(v, W, *biases, 3, visible)):
            np.testing.assert_array_equal(a, b)


def test_real_valued_pixels_are_used_as_they_are():
    params = parameters()
    v = np.random.default_rng(0).random((6, N_VISIBLE))
    d_W, d_b_v, d_b_h = contrastive_divergence(v, *params, 1, "bernoulli")
    h = conditionals.hidden_mean(v, params.W, params.b_h)
    v_neg, h_neg = v - d_b_v, h - d_b_h
    np.testing.assert_allclose(v_neg, v_neg.round(), atol=1e-12)
    np.testing.assert_allclose(h_neg, conditionals.hidden_mean(v_neg, params.W, params.b_h), atol=1e-12)
    np.testing.assert_allclose(d_W, v.T @ h - v_neg.T @ h_neg, atol=1e-12)


# Gradient and initial parameters


def log_likelihood(params, v, visible):
    """log P(v) of each row."""
    log_z, _ = hidden_distribution(*params, visible)
    return np.array([log_sum(row) - log_z for row in energies(v, params, visible)])


@pytest.mark.parametrize("visible", KINDS)
def test_gradient_is_that_of_central_differences(visible):
    params, v = parameters(), frames(7, visible)

    def negative_phase(h_pos, W, biases):
        return Exact().averages(None, h_pos, W, biases, UNITS[visible], None, None, NUMPY)[0]

    found, _ = derivatives(v, params, visible, negative_phase)
    known = central_differences(lambda *params: log_likelihood(params, v, visible).sum(), params)
    for derivative, difference in zip(found, known):
        np.testing.assert_allclose(derivative, difference, atol=1e-10)


@pytest.mark.parametrize("visible", KINDS)
def test_gradient_by_contrastive_divergence(visible):
    params, v, draw = parameters(), frames(300, visible), Draw(0, "chain")
    h = conditionals.hidden_mean(v, params.W, params.b_h)
    chains = draw.chains_of_rows(300, NUMPY)
    v_neg, h_neg = reconstruct(h, params.W, Biases(params.b_v, params.b_h), 2, UNITS[visible], chains, NUMPY)
    found, c = derivatives(v, params, visible, cd_averages(2, visible, draw))
    for a, b in zip(found, (v.T @ h - v_neg.T @ h_neg, (v - v_neg).sum(0), (h - h_neg).sum(0))):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-10)
    np.testing.assert_array_equal(c.v, v - v_neg)
    assert c.h.shape == h_neg.shape


@pytest.mark.parametrize("visible", KINDS)
def test_visible_means_make_the_gradient_less_noisy(visible):
    params, v = parameters(), frames(300, visible)
    h_pos = conditionals.hidden_mean(v, params.W, params.b_h)

    def spread(sample_visible):
        average = cd_averages(1, visible, Draw(0, "chain"), sample_visible=sample_visible)
        ends = average(h_pos, params.W, Biases(params.b_v, params.b_h))
        residuals = v - ends.v
        return residuals.var(axis=0).sum(), (h_pos - ends.h).var(axis=0).sum()

    (sampled_v, sampled_h), (mean_v, mean_h) = spread(True), spread(False)
    assert mean_v < 0.8 * sampled_v and mean_h < 0.8 * sampled_h


def initial_params(minibatch, n_hidden, visible, seed, initialization="data"):
    """The parameters that training starts from."""
    model = Model(Static(), UNITS[visible])
    return Parameters(*arrays(start.initial_params(model, minibatch, n_hidden, seed, initialization, NUMPY)))


@pytest.mark.parametrize("visible", KINDS)
def test_initial_biases_reproduce_the_mean(visible):
    v = np.concatenate([frames(99, visible)[:, :3], np.zeros((99, 1))], axis=1).astype(np.float32)
    params = initial_params(lambda update: v, 500, visible, seed=3)
    assert [p.shape for p in params] == [(4, 500), (4,), (500,)]
    assert {p.dtype for p in params} == {np.dtype(np.float32)}
    mean = v.mean(0) if visible == "gaussian" else (v.sum(0) + 0.5) / 100
    no_hidden = conditionals.reconstruction_mean(0 * params.b_h, params.W, params.b_v, UNITS[visible])
    np.testing.assert_allclose(no_hidden, mean, atol=1e-6)
    assert not params.b_h.any()
    assert params.W.std() == pytest.approx(0.01, rel=0.1)  # four times the standard error of 2000 weights
    np.testing.assert_array_equal(initial_params(lambda update: v, 500, visible, seed=3).W, params.W)
    assert (initial_params(lambda update: v, 500, visible, seed=4).W != params.W).any()


def test_pretrained_weights_know_which_pixels_go_together(monkeypatch):
    monkeypatch.setattr(start, "N_PRETRAINING", 300)
    monkeypatch.setattr(start, "PRETRAINING_RATE", 0.5)

    def minibatch(update):
        pairs = stream(0, "data", update).integers(0, 2, (100, 2))
        return np.repeat(pairs, 2, axis=1).astype(np.float32)

    def weights():
        return initial_params(minibatch, 20, "bernoulli", seed=0, initialization="thesis").W

    W = weights()
    assert W.dtype == np.float32
    similarity = W @ W.T
    assert min(similarity[0, 1], similarity[2, 3]) > 10 * np.abs(similarity[:2, 2:]).max()
    np.testing.assert_array_equal(weights(), W)


# The estimator


def fitted(visible="bernoulli", scale=0.8):
    """A model with the parameters of `parameters`."""
    return RBM.from_params(parameters(scale), visible=visible, random_state=0)


def entropy(p):
    return -(p * np.log(p, where=p > 0, out=np.zeros_like(p))).sum()


def test_fit_learns_a_distribution():
    p = np.zeros(16)
    p[[3, 12, 5, 15]] = 0.4, 0.3, 0.2, 0.1
    X = np.repeat(V, np.round(100 * p).astype(int), axis=0)
    model = RBM(10, learning_rate=0.05, n_updates=1000, batch_size=100, random_state=0).fit(X)
    divergence = -entropy(p) - p @ model.score_samples(V)
    independent = sum(entropy(np.array([m, 1 - m])) for m in X.mean(0)) - entropy(p)
    assert independent > 0.5  # the divergence of the best model without hidden units
    assert 0 <= divergence < 0.05 * independent
    assert model.n_updates_ == len(model.history_["gradient_norm"]) == 1000
    np.testing.assert_allclose(model.score(X), p @ model.score_samples(V), rtol=1e-6)


def test_fit_learns_a_density():
    rng = np.random.default_rng(0)
    centre = np.array([2.0, -2.0, 1.0])
    X = np.where(rng.random((2000, 1)) < 0.3, centre, -centre) + rng.standard_normal((2000, 3))
    model = RBM(2, visible="gaussian", n_gibbs=5, learning_rate=0.03, n_updates=600, random_state=0).fit(X)
    squares = [((X - c) ** 2).sum(1) / 2 for c in (centre, -centre)]
    true = np.log(0.3 * np.exp(-squares[0]) + 0.7 * np.exp(-squares[1])) - 1.5 * np.log(2 * np.pi)
    without_hidden = -((X - X.mean(0)) ** 2).sum(1) / 2 - 1.5 * np.log(2 * np.pi)
    assert true.mean() - without_hidden.mean() > 1
    assert abs(model.score(X) - true.mean()) < 0.05


@pytest.mark.parametrize("visible", KINDS)
def test_verbs_are_the_functions(visible):
    model, params = fitted(visible), parameters()
    X = frames(6, visible)
    np.testing.assert_array_equal(model.transform(X), conditionals.hidden_mean(X, params.W, params.b_h))
    np.testing.assert_array_equal(model.free_energy(X), conditionals.free_energy(X, *params, UNITS[visible]))
    log_p = model.score_samples(X)
    np.testing.assert_allclose(log_p, log_likelihood(params, X, visible), rtol=1e-12)
    assert model.score(X) == log_p.mean()
    assert model.log_partition()[1] == 0


def test_probabilities_of_all_states_sum_to_one():
    assert np.exp(fitted().score_samples(V)).sum() == pytest.approx(1, rel=1e-12)


def test_single_precision_model_has_double_precision_likelihoods():
    X = np.repeat(V, 5, axis=0)
    model = RBM(N_HIDDEN, n_updates=5, random_state=0).fit(X)
    assert model.transform(X).dtype == np.float32
    assert np.exp(model.score_samples(V)).sum() == pytest.approx(1, rel=1e-12)


def visible_moments(W, b_v, visible):
    """E[v | h] of every hidden state, and E[v_i v_j | h] of all pairs."""
    mean = visible_means(H, W, b_v, visible)
    second = mean**2 + 1 if visible == "gaussian" else mean
    i, j = np.triu_indices(N_VISIBLE)
    return np.concatenate([mean, np.where(i == j, second[:, i], mean[:, i] * mean[:, j])], axis=1)


@pytest.mark.parametrize("visible", KINDS)
def test_one_gibbs_step(visible):
    model = fitted(visible, scale=1.6 if visible == "bernoulli" else 0.8)
    W, b_v, b_h = arrays(model.params_)
    v = frames(1, visible)
    p = hidden_probabilities(v, W, b_h)[0]
    known = p @ visible_moments(W, b_v, visible)
    samples = model.gibbs(np.repeat(v, 20000, axis=0), random_state=0)
    assert not misses(with_products(samples), known)
    assert misses(with_products(model.gibbs(samples, random_state=1)), known)  # two steps are not one


def test_gibbs_draws_from_what_it_is_handed():
    model, X = fitted(), frames(50)
    np.testing.assert_array_equal(model.gibbs(X, random_state=0), model.gibbs(X, random_state=0))
    rng = np.random.default_rng(0)
    assert (model.gibbs(X, rng) != model.gibbs(X, rng)).any()
    assert (model.gibbs(X) != model.gibbs(X)).any()


@pytest.mark.parametrize("n_gibbs, right", [(100, True), (1, False)])
def test_samples_are_those_of_the_model(n_gibbs, right):
    model = fitted(scale=1.2)
    probabilities, samples = model.sample(20000, random_state=0, n_gibbs=n_gibbs, return_states=True)
    p = visible_distribution(*arrays(model.params_))
    assert misses(state_codes(samples)[:, None] == np.arange(16), p) != right
    assert misses(probabilities, p @ V) != right


@pytest.mark.parametrize("n_gibbs, right", [(200, True), (1, False)])
def test_gaussian_samples_are_those_of_the_model(n_gibbs, right):
    model = fitted("gaussian", scale=0.6)
    _, p = hidden_distribution(*arrays(model.params_), "gaussian")
    known = p @ visible_moments(model.params_.W, model.params_.b_v, "gaussian")
    probabilities, samples = model.sample(20000, random_state=0, n_gibbs=n_gibbs, return_states=True)
    assert misses(with_products(samples), known) != right
    assert misses(probabilities, known[:N_VISIBLE]) != right


def test_sample_has_one_row_unless_told():
    model = fitted()
    assert model.sample(random_state=0).shape == (1, N_VISIBLE)
    np.testing.assert_array_equal(model.sample(7, random_state=0), model.sample(7, random_state=0))
    probabilities, samples = model.sample(7, random_state=0, return_states=True)
    np.testing.assert_array_equal(probabilities, model.sample(7, random_state=0))
    assert set(np.unique(samples)) <= {0, 1}


@pytest.mark.parametrize("visible", KINDS)
def test_large_models_have_an_estimated_partition_function(monkeypatch, visible):
    model = fitted(visible)
    X = frames(5, visible)
    known = model.score_samples(X)
    monkeypatch.setattr(exact, "MAX_UNITS", N_HIDDEN - 1)
    log_z, standard_error = model.log_partition(X=X)
    estimated = model.score_samples(X)
    assert 0 < standard_error < 0.05
    np.testing.assert_allclose(estimated, -model.free_energy(X) - log_z, rtol=1e-12)
    assert np.ptp(estimated - known) < 1e-12
    assert abs(estimated - known)[0] < 4 * standard_error
    np.testing.assert_array_equal(model.score_samples(X), estimated)
    assert (model.score_samples(X, random_state=1) != estimated).all()


@pytest.mark.parametrize("visible", KINDS)
def test_fit_does_not_depend_on_threads(visible):
    X = frames(600, visible)
    one, two = (
        RBM(N_HIDDEN, visible=visible, batch_size=300, n_updates=5, n_jobs=n_jobs, random_state=0).fit(X)
        for n_jobs in (1, 2)
    )
    for a, b in zip(arrays(one.params_), arrays(two.params_), strict=True):
        np.testing.assert_array_equal(a, b)
    assert one.params_.W.dtype == np.float32


def test_partial_fit_goes_on():
    X = frames(20)
    model = RBM(N_HIDDEN, n_gibbs={0: 1, 2: 3}, random_state=0)
    before = [model.partial_fit(X).params_.W.copy() for _ in range(3)]
    assert model.n_updates_ == 3 and model.history_["n_gibbs"] == [1, 1, 3]
    assert (before[1] != before[2]).any()
    with pytest.raises(ValueError, match="X has 3 features, but RBM is expecting 4"):
        model.partial_fit(X[:, :3])


def test_a_stream_brings_its_own_minibatches():
    class Stream:
        def minibatch(self, update):
            return frames(10, seed=update)

    model = RBM(N_HIDDEN, n_updates=4, random_state=0).fit(Stream())
    assert model.n_updates_ == 4 and model.n_features_in_ == N_VISIBLE


def test_saved_model_goes_on_as_the_original_would(tmp_path):
    X = frames(30)
    model = RBM(N_HIDDEN, n_updates=3, learning_rate=0.01, random_state=0).fit(X)
    model.save(tmp_path / "model.h5")
    loaded = RBM.load(tmp_path / "model.h5")
    assert loaded.get_params() == model.get_params()
    for other in (model, loaded):
        other.partial_fit(X)
    for a, b in zip(arrays(model.params_), arrays(loaded.params_), strict=True):
        np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(model.sample(3, random_state=0), loaded.sample(3, random_state=0))


def test_hyper_parameters_have_the_habits_of_scikit_learn():
    model = RBM(5, visible="gaussian")
    assert repr(model) == "RBM(n_hidden=5, visible='gaussian')"
    assert RBM(**model.get_params()).get_params() == model.get_params()
    assert model.set_params(n_hidden=6) is model and model.n_hidden == 6
    with pytest.raises(ValueError, match="RBM has no hyper-parameter 'bptt'"):
        model.set_params(bptt=True)


# Bad input

ONE = np.ones((3, N_VISIBLE))
BAD_FRAMES = [
    (np.ones(4), ValueError, r"X must have 2 dimensions .*got shape \(4,\)"),
    (np.ones((2, 3, 4)), ValueError, r"X must have 2 dimensions .*got shape \(2, 3, 4\)"),
    (np.ones((0, 4)), ValueError, "X must have at least one frame"),
    ([[1.0, 2.0], [1.0]], ValueError, "X must be a rectangular array"),
    (np.full((3, 4), "a"), TypeError, "X must hold real numbers"),
    (None, TypeError, "X must hold real numbers"),
    (np.nan * ONE, ValueError, "X must be finite"),
    (2 * ONE, ValueError, r"X must lie in \[0, 1\].*visible='scaled_gaussian'"),
]


ROW_VERBS = ["transform", "gibbs", "free_energy", "score_samples", "score"]
WRONG_FEATURES = (ONE[:, :3], ValueError, "X has 3 features, but RBM is expecting 4")


@pytest.mark.parametrize("X, error, message", [*BAD_FRAMES, WRONG_FEATURES])
@pytest.mark.parametrize("verb", [*ROW_VERBS, "partial_fit"])
def test_bad_frames(verb, X, error, message):
    with pytest.raises(error, match=message):
        getattr(fitted(), verb)(X)


@pytest.mark.parametrize("X, error, message", BAD_FRAMES)
def test_bad_frames_to_fit(X, error, message):
    model = RBM(N_HIDDEN, n_updates=1)
    for verb in (model.fit, model.partial_fit):
        with pytest.raises(error, match=message):
            verb(X)
    assert not hasattr(model, "params_")


@pytest.mark.parametrize(
    "settings, error, message",
    [
        ({"n_hidden": 0}, ValueError, "n_hidden must be at least 1"),
        ({"visible": "binary"}, ValueError, "visible must be one of"),
        ({"n_gibbs": {5: 1}}, ValueError, "n_gibbs must have a value for update 0"),
        ({"batch_size": 1.5}, TypeError, "batch_size must be an integer"),
        ({"dtype": "int32"}, ValueError, "dtype must be one of"),
        ({"learning_rate": 0}, ValueError, "learning_rate must be greater than 0"),
    ],
)
def test_bad_hyper_parameters(settings, error, message):
    with pytest.raises(error, match=message):
        RBM(**settings).fit(ONE)


@pytest.mark.parametrize(
    "arguments, error, message",
    [
        ({"n_samples": 0}, ValueError, "n_samples must be at least 1"),
        ({"n_samples": 2.0}, TypeError, "n_samples must be an integer"),
        ({"n_samples": 10**12}, ValueError, "samples would take"),
        ({"n_gibbs": 0}, ValueError, "n_gibbs must be at least 1"),
        ({"random_state": -1}, ValueError, "random_state must be a non-negative integer"),
    ],
)
def test_bad_arguments_of_sample(arguments, error, message):
    with pytest.raises(error, match=message):
        fitted().sample(**arguments)


def test_verbs_want_a_fitted_model(tmp_path):
    calls = [(verb, ONE) for verb in ROW_VERBS]
    calls += [("sample",), ("log_partition",), ("save", tmp_path / "model.h5")]
    for verb, *arguments in calls:
        with pytest.raises(ValueError, match="this RBM is not fitted yet"):
            getattr(RBM(), verb)(*arguments)


@pytest.mark.parametrize("groups", [None, (2, 3, 1)])
def test_validation_hides_whole_groups_of_softmax_units(groups):
    units, rng = Softmax(groups), np.random.default_rng(0)
    sizes = (6,) if groups is None else groups
    rows = np.concatenate([np.eye(n)[rng.integers(n, size=40)] for n in sizes], axis=1)
    model = RBM(3, visible=units, n_updates=4, random_state=0).fit(rows[:30], validation=rows[30:])
    assert np.isfinite(model.history_["validation_error"]).all()


def test_impute_keeps_large_values_as_they_are():
    X = 1.7e9 + np.random.default_rng(0).standard_normal((30, 4))
    model = RBM(3, visible="gaussian", standardize=True, n_updates=2, random_state=0).fit(X)
    mask = np.zeros(X.shape, bool)
    mask[:, 1] = True
    np.testing.assert_array_equal(model.impute(X, mask)[~mask], X[~mask])


def test_the_log_likelihood_of_validation_rows_is_exact():
    """Also where `score` would estimate it, in less time."""
    X = (np.random.default_rng(0).random((30, 64)) < 0.3).astype(float)
    model = RBM(16, n_updates=2, n_gibbs=1, random_state=0).fit(X, validation=X)
    nats = model.log_likelihood(X, method="exact").mean()
    assert model.history_["validation_log_likelihood"][-1] == pytest.approx(nats, abs=1e-6)
    assert model.likelihood(X, method="ais").nats != pytest.approx(nats, abs=1e-6)  # control
