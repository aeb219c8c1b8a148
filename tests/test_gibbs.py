"""The Gibbs chain against its exact transition probabilities, on RBMs small enough to write them down."""

import os
import subprocess
import sys

import numpy as np
import pytest
from helpers import (
    UNITS,
    Z_MAX,
    binary_states,
    chi_square_z,
    down_kernel,
    every_engine,
    independent,
    model_moments,
    needs_numba,
    random_sequences,
    reconstruction_distribution,
    sigmoid,
    state_codes,
    up_kernel,
    visible_means,
    z_scores,
)

from rtrbm import RTRBM
from rtrbm.biases import Biases
from rtrbm.compute import threads
from rtrbm.compute.engine import NUMPY, named
from rtrbm.compute.noise import Noise
from rtrbm.minibatches.sequences import Piece, Tile, layout
from rtrbm.parameters import arrays
from rtrbm.rbm import chains

N_VISIBLE, N_HIDDEN = 3, 2
N_ROWS = 60_000
DTYPES = ["float32", "float64"]


def independent_chains(n_rows, seed=0, engine=NUMPY):
    """The chains of so many independent rows."""
    return chains.Draw(seed, "chain").chains_of_rows(n_rows, engine)


def reconstruct(h, W, b_v, b_h, n_gibbs, visible, seed=0, engine=NUMPY, **settings):
    """The ends of independent chains from hidden probabilities h."""
    cut = independent_chains(len(h), seed, engine)
    return chains.reconstruct(h, W, Biases(b_v, b_h), n_gibbs, UNITS[visible], cut, engine, **settings)


def average_visible(v, W, b_v, b_h, n_burn_in, n_average, visible, engine=NUMPY):
    """The averages along independent chains from v."""
    cut = independent_chains(len(v), engine=engine)
    return chains.average_visible(v, W, Biases(b_v, b_h), n_burn_in, n_average, UNITS[visible], cut, engine)


def small_rbm(dtype="float64", scale=3):
    """W, b_v, b_h, balanced. At scale 3 the chain forgets slowly (eigenvalue 0.87), at 1 within 10 steps."""
    W = scale * np.array([[1, -0.8], [0.8, -1], [-1, 0.7]])
    b_v, b_h = [0.3, -0.2, 0.1] - W.sum(axis=1) / 2, [0.2, -0.1] - W.sum(axis=0) / 2
    return W.astype(dtype), b_v.astype(dtype), b_h.astype(dtype)


def counted(v):
    """How often each binary state occurs among rows."""
    assert np.isin(v, (0, 1)).all()
    return np.bincount(state_codes(v.astype(float)), minlength=2 ** v.shape[1])


@every_engine
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n_gibbs", [1, 2, 4])
def test_reconstructions_have_the_distribution_of_the_chain(n_gibbs, dtype, engine):
    W, b_v, b_h = small_rbm(dtype)
    h_pos = np.array([0.9, 0.3], dtype)
    h = np.tile(h_pos, (N_ROWS, 1))
    v, h_neg = reconstruct(h, W, b_v, b_h, n_gibbs, "bernoulli", engine=named(engine))
    assert v.dtype == h_neg.dtype == np.dtype(dtype)
    counts = counted(v)
    assert abs(chi_square_z(counts, reconstruction_distribution(h_pos, W, b_v, b_h, n_gibbs))) < Z_MAX
    wrong = {
        "visible bias": reconstruction_distribution(h_pos, W, b_v + 0.2, b_h, n_gibbs),
        "start": reconstruction_distribution([0.3, 0.9], W, b_v, b_h, n_gibbs),
        "one step more": reconstruction_distribution(h_pos, W, b_v, b_h, n_gibbs + 1),
    }
    if n_gibbs > 1:
        wrong["hidden bias"] = reconstruction_distribution(h_pos, W, b_v, b_h + 0.4, n_gibbs)
    assert {name for name, p in wrong.items() if chi_square_z(counts, p) > Z_MAX} == set(wrong)  # controls


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_last_hidden_layer_is_a_probability_given_the_last_visible(dtype):
    W, b_v, b_h = small_rbm(dtype)
    h = np.full((500, N_HIDDEN), 0.5, dtype)
    v, h_neg = reconstruct(h, W, b_v, b_h, 2, "bernoulli")
    # one product of 3 terms and one tanh, of order 1: a few units in the last place
    np.testing.assert_allclose(h_neg, sigmoid(v @ W + b_h), rtol=0, atol=10 * np.finfo(dtype).eps)


@every_engine
@pytest.mark.parametrize("visible", ["bernoulli", "gaussian"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_chain_of_visible_means(dtype, visible, engine):
    """Of two steps: v_1 = E[v | h_0], h_1 a sample, v_2 = E[v | h_1]; the h_0 are on or off for certain."""
    W, b_v, b_h = small_rbm(dtype, scale=3 if visible == "bernoulli" else 1)
    h_0 = np.tile(np.array([1, 0], dtype), (N_ROWS, 1))
    v, h_neg = reconstruct(h_0, W, b_v, b_h, 2, visible, engine=named(engine), sample_visible=False)
    # inputs of up to 10 to the hidden units
    np.testing.assert_allclose(h_neg, sigmoid(v @ W + b_h), rtol=0, atol=50 * np.finfo(dtype).eps)
    v_1 = visible_means(h_0[:1], W, b_v, visible)
    p = independent(sigmoid(v_1 @ W + b_h)[0])
    ends = visible_means(binary_states(N_HIDDEN), W, b_v, visible)
    distances = np.abs(v[:, None] - ends).max(axis=2)
    assert distances.min(axis=1).max() < 50 * np.finfo(dtype).eps
    counts = np.bincount(distances.argmin(axis=1), minlength=len(ends))
    assert abs(chi_square_z(counts, p)) < Z_MAX
    if visible == "bernoulli":
        assert chi_square_z(counts, independent(v_1[0]) @ up_kernel(W, b_h)) > Z_MAX  # control: h_1 of a sampled v_1


@every_engine
def test_each_row_has_biases_of_its_own(engine):
    W, b_v, b_h = small_rbm("float32")
    rng = np.random.default_rng(3)
    kinds = np.arange(N_ROWS) % 3
    bias_v, bias_h = b_v + rng.standard_normal((3, N_VISIBLE)), b_h + rng.standard_normal((3, N_HIDDEN))
    h_pos = rng.random((3, N_HIDDEN))
    h, rows_v, rows_h = (a[kinds].astype(np.float32) for a in (h_pos, bias_v, bias_h))
    v, _ = reconstruct(h, W, rows_v, rows_h, 2, "bernoulli", engine=named(engine))
    for kind in range(3):
        right = reconstruction_distribution(h_pos[kind], W, bias_v[kind], bias_h[kind], 2)
        other = (kind + 1) % 3
        wrong = reconstruction_distribution(h_pos[other], W, bias_v[other], bias_h[other], 2)
        counts = counted(v[kinds == kind])
        assert abs(chi_square_z(counts, right)) < Z_MAX < chi_square_z(counts, wrong)


@every_engine
def test_chains_that_drew_their_start_go_on_with_other_numbers(engine):
    """Of (v_0, h_1): v_0 fair coins, h_1 given v_0."""
    W, b_v, b_h = small_rbm("float32")
    cut = independent_chains(N_ROWS, engine=named(engine))
    v = chains.random_visible((N_ROWS, N_VISIBLE), W.dtype, UNITS["bernoulli"], cut)
    h = chains.average_visible(v, W, Biases(b_v, b_h), 0, 1, UNITS["bernoulli"], cut, named(engine))[2]
    right = (up_kernel(W, b_h) / 2**N_VISIBLE).ravel()
    assert abs(chi_square_z(counted(np.hstack([v, h])), right)) < Z_MAX
    if engine == "numba":  # control: chains that draw the same numbers twice
        again = independent_chains(N_ROWS, engine=named(engine))
        h = chains.average_visible(v, W, Biases(b_v, b_h), 0, 1, UNITS["bernoulli"], again, named(engine))[2]
        assert chi_square_z(counted(np.hstack([v, h])), right) > Z_MAX


@needs_numba
@pytest.mark.parametrize("sample_visible", [True, False])
def test_compiled_chains_draw_the_numbers_of_those_step_by_step(sample_visible, monkeypatch):
    rng, engine, found = np.random.default_rng(0), named("numba"), []
    W, b_v, b_h = (rng.standard_normal(shape).astype(np.float32) for shape in ((20, 9), (300, 20), (300, 9)))
    units, biases = UNITS["bernoulli"], Biases(b_v, b_h)
    for is_compiled in (True, False):
        if not is_compiled:
            monkeypatch.setattr(chains, "is_compiled", lambda *arguments: False)
        cut = independent_chains(300, engine=engine)
        v = chains.random_visible((300, 20), W.dtype, units, cut)
        mean, v, h = chains.average_visible(v, W, biases, 3, 2, units, cut, engine)
        ends = chains.reconstruct(sigmoid(h), W, biases, 3, units, cut, engine, sample_visible)
        found.append([mean, v, h, *ends, chains.random_visible((300, 20), W.dtype, units, cut)])
    for one, other in zip(*found):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-5)  # sums of 20 products, of order 1


def chains_of(cut, W, biases, engine, sample_visible):
    """What a start that is drawn, and chains from there and from hidden states, arrive at."""
    units, n_rows = UNITS["bernoulli"], len(biases.v)
    v = chains.random_visible((n_rows, len(W)), W.dtype, units, cut)
    mean, v, h = chains.average_visible(v, W, biases, 1, 2, units, cut, engine)
    return np.hstack([mean, v, h, *chains.reconstruct(h, W, biases, 2, units, cut, engine, sample_visible)])


@needs_numba
@pytest.mark.parametrize("sample_visible", [True, False])
@pytest.mark.parametrize("case", range(12))
def test_compiled_chains_of_any_size_draw_those_numbers(case, sample_visible, monkeypatch):
    """1 to 200 units in each layer, 1 to 60 rows. One number in a million falls between two roundings: few rows do."""
    rng, engine = np.random.default_rng(case), named("numba")
    n_rows, n_visible, n_hidden = (1, 1, 1) if case == 0 else (int(rng.integers(1, most)) for most in (61, 201, 201))
    shapes = (n_visible, n_hidden), (n_rows, n_visible), (n_rows, n_hidden)
    W, b_v, b_h = (rng.standard_normal(shape).astype(np.float32) for shape in shapes)
    W /= np.float32(np.sqrt(max(n_visible, n_hidden)))
    compiled, other = (
        chains_of(independent_chains(n_rows, engine=engine, seed=seed), W, Biases(b_v, b_h), engine, sample_visible)
        for seed in (0, 1)
    )
    monkeypatch.setattr(chains, "is_compiled", lambda *arguments: False)
    plain = chains_of(independent_chains(n_rows, engine=engine, seed=0), W, Biases(b_v, b_h), engine, sample_visible)

    def alike(found):
        return (np.abs(found - plain) < 1e-4).all(axis=1)

    assert (~alike(compiled)).sum() <= 0.1 * n_rows
    assert case == 0 or not alike(other).all()  # control: other random numbers


def test_a_bias_with_one_row_is_not_one_for_all():
    W, b_v, b_h = small_rbm("float32")
    for engine in ("numpy", "auto"):
        with pytest.raises(IndexError):
            reconstruct(np.zeros((40, N_HIDDEN), np.float32), W, b_v, b_h[None], 1, "bernoulli", engine=named(engine))


@every_engine
def test_rows_and_tiles_are_independent(engine):
    """Pairs of rows, neighbours in a tile or at the same place of two, have the product distribution."""
    W, b_v, b_h = small_rbm("float32")
    h_pos = np.array([0.5, 0.5], np.float32)
    v, _ = reconstruct(np.tile(h_pos, (N_ROWS, 1)), W, b_v, b_h, 1, "bernoulli", engine=named(engine))
    cut = independent_chains(N_ROWS)
    p = reconstruction_distribution(h_pos, W, b_v, b_h, 1)
    pairs_p = np.outer(p, p).ravel()
    neighbours = np.hstack([v[0::2], v[1::2]])
    n = min(len(tile.rows) for tile in cut[:-1])
    across = np.vstack([np.hstack([v[a.rows[:n]], v[b.rows[:n]]]) for a, b in zip(cut[:-2:2], cut[1:-1:2])])
    for pairs in (neighbours, across):
        assert abs(chi_square_z(counted(pairs), pairs_p)) < Z_MAX
    assert chi_square_z(counted(np.hstack([v[0::2], v[0::2]])), pairs_p) > Z_MAX  # control


def exact_average(start, W, b_v, b_h, n_burn_in, n_average):
    """Expectation of average_visible's mean, and the distribution of its last state."""
    up, down = up_kernel(W, b_h), down_kernel(W, b_v)
    means = visible_means(binary_states(W.shape[1]), W, b_v, "bernoulli")
    h, total = independent(sigmoid(start @ W + b_h)), 0
    for step in range(n_burn_in + n_average):
        total = total + (h @ means if step >= n_burn_in else 0)
        v = h @ down
        h = v @ up
    return total / n_average, v


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n_burn_in, n_average", [(0, 1), (0, 3), (1, 1), (2, 3)])
def test_average_visible_is_that_of_the_chain(n_burn_in, n_average, dtype):
    W, b_v, b_h = small_rbm(dtype)
    start = np.array([1, 0, 0.3], dtype)  # a pixel between 0 and 1 counts with its value
    v = np.tile(start, (N_ROWS, 1))
    mean, last, h = average_visible(v, W, b_v, b_h, n_burn_in, n_average, "bernoulli")
    if n_average == 1:
        np.testing.assert_allclose(mean, sigmoid(h @ W.T + b_v), rtol=1e-5)  # float32; h is what v was drawn from
    right, p_last = exact_average(start, W, b_v, b_h, n_burn_in, n_average)
    assert mean.dtype == last.dtype == np.dtype(dtype)
    assert np.abs(z_scores(mean, right)).max() < Z_MAX
    assert abs(chi_square_z(counted(last), p_last)) < Z_MAX
    for wrong in (exact_average(start, W, b_v + 0.2, b_h, n_burn_in, n_average)[0],
                  exact_average(start, W, b_v, b_h, n_burn_in + 1, n_average)[0],
                  exact_average(1 - start, W, b_v, b_h, n_burn_in, n_average)[0]):  # fmt: skip
        assert np.abs(z_scores(mean, wrong)).max() > Z_MAX  # controls
    np.testing.assert_array_equal(v, np.tile(start, (N_ROWS, 1)))


def test_long_averages_are_the_models_expectation():
    W, b_v, b_h = small_rbm(scale=1)
    v = np.zeros((2000, N_VISIBLE))
    mean, *_ = average_visible(v, W, b_v, b_h, 30, 20, "bernoulli")
    assert np.abs(z_scores(mean, model_moments(W, b_v, b_h, "bernoulli")[0])).max() < Z_MAX
    assert np.abs(z_scores(mean, sigmoid(b_v))).max() > Z_MAX  # control: the biases alone


@pytest.mark.parametrize("dtype", DTYPES)
def test_gaussian_units_have_the_right_mean_and_variance(dtype):
    """From hidden states that are on for certain, v ~ N(b_v + W h, I): first, second and mixed moments."""
    W, b_v, b_h = small_rbm(dtype)
    h = np.tile(np.array([1, 0], dtype), (N_ROWS, 1))
    v, h_neg = reconstruct(h, W, b_v, b_h, 1, "gaussian")
    residual = v.astype(float) - (b_v + W[:, 0])
    assert np.abs(z_scores(residual, 0)).max() < Z_MAX
    assert np.abs(z_scores(residual - 0.1, 0)).max() > Z_MAX  # control
    products = residual[:, :, None] * residual[:, None, :]
    assert np.abs(z_scores(products, np.eye(N_VISIBLE))).max() < Z_MAX
    assert np.abs(z_scores(products, 1.1 * np.eye(N_VISIBLE))).max() > Z_MAX  # control
    assert np.abs(z_scores(residual**4, 3)).max() < Z_MAX  # and the tails are a normal number's
    # inputs of up to 10 to the hidden units
    np.testing.assert_allclose(h_neg, sigmoid(v @ W + b_h), rtol=0, atol=50 * np.finfo(dtype).eps)


def test_gaussian_chain_ends_in_the_model():
    W, b_v, b_h = small_rbm(scale=1)
    h = np.full((N_ROWS, N_HIDDEN), 0.5)
    v, h_neg = reconstruct(h, W, b_v, b_h, 40, "gaussian")
    mean_v, mean_h, mean_vh = model_moments(W, b_v, b_h, "gaussian")
    draws = np.hstack([v, h_neg, (v[:, :, None] * h_neg[:, None, :]).reshape(N_ROWS, -1)])
    assert np.abs(z_scores(draws, np.concatenate([mean_v, mean_h, mean_vh.ravel()]))).max() < Z_MAX
    wrong = model_moments(W, b_v + 0.2, b_h, "gaussian")
    assert np.abs(z_scores(draws[:, :3], wrong[0])).max() > Z_MAX  # control


def test_gaussian_averages_are_of_the_mean_given_h():
    W, b_v, b_h = small_rbm(scale=1)
    v = np.zeros((2000, N_VISIBLE))
    mean, last, _ = average_visible(v, W, b_v, b_h, 30, 20, "gaussian")
    expected = model_moments(W, b_v, b_h, "gaussian")[0]
    assert np.abs(z_scores(mean, expected)).max() < Z_MAX
    assert np.abs(z_scores(last, expected)).max() < Z_MAX
    # a state has its noise, a mean has not
    assert (last.var(axis=0) > 1).all() and (mean.var(axis=0) < 0.8).all()


@pytest.mark.parametrize("visible", ["bernoulli", "gaussian"])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n_rows", [1, 2, 255, 1500])
@every_engine
def test_two_threads_give_the_numbers_of_one(n_rows, dtype, visible, engine):
    rng = np.random.default_rng(0)
    W = rng.standard_normal((37, 19)).astype(dtype)
    b_v, b_h = (rng.standard_normal((n_rows, n)).astype(dtype) for n in W.shape)
    v, h = rng.random(b_v.shape).astype(dtype), rng.random(b_h.shape).astype(dtype)
    results = []
    for n_jobs in (None, 1, 2, 5, -1):
        on_threads = named(engine, n_jobs)
        ends = reconstruct(h, W, b_v, b_h, 3, visible, engine=on_threads)
        averages = average_visible(v, W, b_v, b_h, 2, 2, visible, on_threads)
        results.append(b"".join(a.tobytes() for a in (*ends, *averages)))
    assert len(set(results)) == 1


def test_arguments_are_left_alone():
    rng = np.random.default_rng(0)
    arrays = [rng.random(shape) for shape in ((9, 2), (9, 3), (3, 2), (9, 3), (9, 2))]
    for a in arrays:
        a.flags.writeable = False  # a write would raise
    h, v, W, b_v, b_h = arrays
    reconstruct(h, W, b_v, b_h, 2, "bernoulli")
    average_visible(v, W, b_v, b_h, 1, 2, "gaussian")


def test_results_do_not_share_a_buffer():
    """A second chain leaves the result of the first alone."""
    W, b_v, b_h = small_rbm()
    h = np.full((50, N_HIDDEN), 0.5)
    first = reconstruct(h, W, b_v, b_h, 2, "bernoulli", seed=1)
    kept = [a.copy() for a in first]
    reconstruct(h, W, b_v, b_h, 2, "bernoulli", seed=2)
    for a, b in zip(first, kept):
        np.testing.assert_array_equal(a, b)


def test_buffers_follow_shape_and_dtype():
    """Chains of other sizes and dtypes in between change nothing."""
    W, b_v, b_h = small_rbm()
    h = np.full((50, N_HIDDEN), 0.5)
    before = reconstruct(h, W, b_v, b_h, 2, "bernoulli")
    big = np.full((300, 40), 0.5, np.float32)
    reconstruct(big, np.ones((60, 40), np.float32), np.zeros(60, np.float32), np.zeros(40, np.float32),
                1, "gaussian")  # fmt: skip
    after = reconstruct(h, W, b_v, b_h, 2, "bernoulli")
    for a, b in zip(before, after):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("size", [1000, 1e30])
def test_extreme_inputs_give_0_and_1(size, dtype):
    signs = np.resize([1, -1], (600, 5)).astype(dtype)
    W = np.zeros((5, 5), dtype)
    bias = (size * signs).astype(dtype)
    h = np.full(bias.shape, 0.5, dtype)
    v_neg, h_neg = reconstruct(h, W, bias, -bias, 3, "bernoulli")
    np.testing.assert_array_equal(v_neg, signs > 0)
    np.testing.assert_array_equal(h_neg, signs < 0)
    mean, last, _ = average_visible(h, W, bias, -bias, 1, 2, "bernoulli")
    np.testing.assert_array_equal(mean, signs > 0)
    np.testing.assert_array_equal(last, signs > 0)


class LargestNumbers:
    """A generator whose every random integer is the same: the extreme of what a fair one can draw."""

    def __init__(self, word):
        self.bit_generator, self.word = self, word

    def random_raw(self, n):
        return np.full(n, self.word, np.uint64)


@pytest.mark.parametrize("dtype, word", [("float32", 0x7FFFFFFF_7FFFFFFF), ("float64", 0x7FFFFFFF_FFFFFFFF)])
def test_a_certain_unit_is_on_whatever_is_drawn(dtype, word):
    """A probability of exactly 1 has no exception, not even once in 2^26 draws of single precision."""
    W, bias = np.zeros((4, 3), dtype), np.full(4, 1000, dtype)
    one = [chains.Chains(np.arange(1), Noise([LargestNumbers(word)], [1]))]
    h = np.ones((1, 3), dtype)
    v, _ = chains.reconstruct(h, W, Biases(bias, np.zeros(3, dtype)), 1, UNITS["bernoulli"], one, NUMPY)
    np.testing.assert_array_equal(v, 1)


@pytest.mark.parametrize("dtype, word", [("float32", 0x80000000_80000000), ("float64", 0x80000000_00000000)])
def test_an_impossible_unit_is_off_whatever_is_drawn(dtype, word):
    W, bias = np.zeros((4, 3), dtype), np.full(4, -1000, dtype)
    one = [chains.Chains(np.arange(1), Noise([LargestNumbers(word)], [1]))]
    h = np.zeros((1, 3), dtype)
    v, _ = chains.reconstruct(h, W, Biases(bias, np.zeros(3, dtype)), 1, UNITS["bernoulli"], one, NUMPY)
    np.testing.assert_array_equal(v, 0)


def sampled(noise, half_bias, n_rows):
    """Binary states of units without weights."""
    out = np.empty((n_rows, len(half_bias)), np.float32)
    noise.sample(np.zeros((n_rows, 1), np.float32), np.zeros((1, len(half_bias)), np.float32), half_bias, out, None)
    return out


def noise_of(engine, n_sequences, n_frames):
    """The random numbers of so many sequences in one tile, sequence after sequence."""
    draw, where = chains.Draw(0, "chain"), layout([n_frames] * n_sequences)
    pieces = [Piece(i, start, n) for i in range(n_sequences) for start, n in [(0, n_frames)]]
    rows = np.arange(n_frames) * n_sequences + np.arange(n_sequences)[:, None]
    return named(engine).noise.of_tiles(draw, where, [Tile(pieces, rows.ravel())])[0]


@needs_numba
def test_sampling_in_one_pass_at_its_extremes():
    """Units of probability 0 and 1 in the pass that numba makes, whatever is drawn in 10 million draws."""
    for bias, state in ((1000, 1), (50, 1), (-50, 0), (-1000, 0)):
        noise = noise_of("numba", 1, 10_000)
        assert (sampled(noise, np.full(1000, bias, np.float32), 10_000) == state).all()


@needs_numba
@pytest.mark.parametrize("lag", [1, 2, 450, 900, 2**16, 900_000])
def test_sampling_in_one_pass_has_no_memory(lag):
    """Fair coins: neighbours in a row, the middle of a row, the next row, the next sequence are uncorrelated."""
    coins = sampled(noise_of("numba", 3, 1000), np.zeros(900, np.float32), 3000)
    signs = 2.0 * coins.ravel() - 1
    assert abs(signs.mean() * np.sqrt(signs.size)) < Z_MAX
    assert abs((signs[lag:] * signs[:-lag]).mean() * np.sqrt(signs.size - lag)) < Z_MAX
    assert abs((signs[lag:] * signs[lag:]).mean() * np.sqrt(signs.size - lag)) > Z_MAX  # control: with itself


@pytest.mark.parametrize("p", [0.001, 0.5, 0.999])
@pytest.mark.parametrize("dtype", DTYPES)
@every_engine
def test_units_are_on_with_their_probability(p, dtype, engine):
    """Two million draws of one unit alone, at the middle and at both ends of the scale."""
    n_rows, n_units = 100_000, 20
    bias, h = np.full(n_units, np.log(p / (1 - p)), dtype), np.zeros((n_rows, 1), dtype)
    W, b_h = np.zeros((n_units, 1), dtype), np.zeros(1, dtype)
    v, _ = reconstruct(h, W, bias, b_h, 1, "bernoulli", engine=named(engine))

    def z(p):
        return (v.mean(dtype=float) - p) / np.sqrt(p * (1 - p) / v.size)

    assert abs(z(p)) < Z_MAX
    assert abs(z(sigmoid(np.log(p / (1 - p)) + 0.2))) > Z_MAX  # control


@pytest.mark.parametrize("p", [0, 0.001, 0.5, 0.999, 1])
@pytest.mark.parametrize("dtype", DTYPES)
@every_engine
def test_states_are_on_with_probabilities_given(p, dtype, engine):
    states = np.full((6_000, 300), p, dtype)
    noise_of(engine, 3, 2_000).switch_on(states, np.empty_like(states))
    assert np.isin(states, (0, 1)).all()
    if p in (0, 1):
        assert (states == p).all()
        return

    def z(p):
        return (states.mean(dtype=float) - p) / np.sqrt(p * (1 - p) / states.size)

    assert abs(z(p)) < Z_MAX
    assert abs(z(sigmoid(np.log(p / (1 - p)) + 0.2))) > Z_MAX  # control
    assert not (states[:2_000] == states[2_000:4_000]).all()


FIT = """
import numpy as np, hashlib
from rtrbm import RTRBM
X = [(np.random.default_rng(n).random((n, 40)) < 0.5) * 1.0 for n in (30, 17, 9, 30)]
model = RTRBM(150, n_gibbs=2, n_updates=3, batch_size=4, n_jobs=1, random_state=0).fit(X)
print(hashlib.md5(b"".join(p.tobytes() for p in model.params_ if p is not None)).hexdigest())
"""


def run_python(code, **environment):
    """Standard output of a fresh interpreter that finds the package where this one does."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)} | environment
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_threads_of_the_matrix_library_change_nothing():
    results = [run_python(FIT, OPENBLAS_NUM_THREADS=n, MKL_NUM_THREADS=n, OMP_NUM_THREADS=n) for n in ("1", "2")]
    assert results[0] == results[1] != ""


FORK = """
import os, time
import numpy as np
from rtrbm import RTRBM
X = np.full((20, 60, 4), 0.5)
model = RTRBM(3, n_gibbs=1, n_updates=1, batch_size=20, n_jobs=2, random_state=0).fit(X)
child = os.fork()
if child == 0:
    model.transform(X), model.predict(X)
    os._exit(0)
for _ in range(100):
    if os.waitpid(child, os.WNOHANG)[0]:
        print("done")
        break
    time.sleep(0.05)
else:
    os.kill(child, 9)
    os.waitpid(child, 0)
    print("hangs")
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_threads_work_in_a_forked_child():
    """A pool's threads do not survive the fork of multiprocessing: a child wants a pool of its own."""
    assert run_python(FORK) == "done"


@every_engine
def test_fit_is_the_same_on_any_number_of_threads(engine, monkeypatch):
    monkeypatch.setattr(threads, "THREADED", 0)
    X = random_sequences((40, 300, 7, 130, 40, 2), n_visible=6)
    settings = dict(n_gibbs=2, n_updates=4, batch_size=5, random_state=0, dynamic_visible_bias=True, engine=engine)
    models = [RTRBM(5, n_jobs=n_jobs, **settings).fit(X) for n_jobs in (None, 1, 2, 3)]
    for model in models[1:]:
        for a, b in zip(arrays(models[0].params_), arrays(model.params_), strict=True):
            np.testing.assert_array_equal(a, b)
        np.testing.assert_array_equal(model.predict(X)[1], models[0].predict(X)[1])
        samples = [m.sample(3, 600, prefix=X[0], random_state=1) for m in (models[0], model)]
        np.testing.assert_array_equal(*samples)
