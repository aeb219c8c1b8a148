"""The RTRBM's gradient against central differences, slow loops and the faults it is easy to make."""

import numpy as np
import pytest
from helpers import (
    FAULTS,
    Z_MAX,
    binary_states,
    cd_moments,
    central_differences,
    flat,
    largest_difference,
    mean_gradient,
    mean_of,
    model_moments,
    model_with,
    random_array,
    random_params,
    random_sequences,
    slow_gradient,
    slow_log_likelihood,
    z_scores,
)

from rtrbm.parameters import arrays, each

LENGTHS = (6, 1, 5, 5, 3)  # not sorted, one sequence without a past, two of the same length
ROUNDING = 1e-12  # sums of some hundred numbers of order 1 in another order, in float64


def differences(params, sequences, visible, **step):
    """Central differences of the mean over sequences of the slow log-likelihood."""

    def objective(*arrays):
        return np.mean([slow_log_likelihood(type(params)(*arrays), v, visible) for v in sequences])

    return central_differences(objective, params, **step)


@pytest.mark.parametrize("visible", ["bernoulli", "gaussian"])
def test_log_likelihood_is_the_slow_sum(any_params, visible):
    X = random_sequences(LENGTHS, visible=visible)
    model = model_with(any_params, visible=visible)
    expected = [slow_log_likelihood(any_params, v, visible) for v in X]
    np.testing.assert_allclose(model.log_likelihood(X), expected, rtol=0, atol=ROUNDING * 10)  # values of order 10


def test_probabilities_of_all_videos_sum_to_one(any_params):
    frames = binary_states(4)
    pairs = np.stack(np.broadcast_arrays(frames[:, None], frames[None]), axis=2).reshape(-1, 2, 4)
    log_q = model_with(any_params).log_likelihood(pairs)
    assert np.exp(log_q).sum() == pytest.approx(1, abs=ROUNDING)


@pytest.mark.parametrize("visible", ["bernoulli", "gaussian"])
def test_exact_gradient_is_that_of_central_differences(any_params, visible):
    X = random_sequences(LENGTHS, visible=visible)
    gradient = model_with(any_params, visible=visible).gradient(X, method="exact")
    # 1e-8 is 1e4 times the error of these differences, see central_differences and the next test.
    assert largest_difference(gradient, differences(any_params, X, visible)) < 1e-8


def test_differences_are_finer_than_the_tolerance(any_params):
    """A doubled step multiplies their error by 16: if both agree to 1e-9, each is good to 1e-10."""
    X = random_sequences(LENGTHS)
    fine, coarse = (differences(any_params, X, "bernoulli", step=s) for s in (1e-3, 2e-3))
    assert largest_difference(fine, coarse) < 1e-9


def test_gradient_has_the_type_of_the_parameters(any_params):
    for method in ("exact", "cd"):
        gradient = model_with(any_params).gradient(random_array(2, 3), method=method)
        assert type(gradient) is type(any_params)
        assert [g is None for g in gradient] == [p is None for p in any_params]


@pytest.mark.parametrize("visible", ["bernoulli", "gaussian"])
@pytest.mark.parametrize("bptt", [True, False])
def test_packed_gradient_is_the_slow_one_frame_by_frame(any_params, visible, bptt):
    X = random_sequences(LENGTHS, visible=visible)
    gradient = model_with(any_params, visible=visible, bptt=bptt).gradient(X, method="exact")
    slow = mean_gradient(any_params, X, visible=visible, bptt=bptt)
    assert largest_difference(gradient, slow) < ROUNDING


def test_without_bptt_the_gradient_is_another(any_params):
    """Control of the test above: at this scale the backward pass is no small correction."""
    X = random_sequences(LENGTHS)
    on, off = (model_with(any_params, bptt=bptt).gradient(X, method="exact") for bptt in (True, False))
    assert largest_difference(on, off) > 0.01


@pytest.mark.parametrize("fault", FAULTS)
def test_faulty_equations_are_measurably_wrong(params, fault):
    """Control: the printed 3.23 to 3.25 and other slips are 1e6 times farther off than the tolerance."""
    X = random_sequences(LENGTHS)
    true = differences(params, X, "bernoulli")
    assert largest_difference(mean_gradient(params, X), true) < 1e-8
    assert largest_difference(mean_gradient(params, X, fault=fault), true) > 0.01  # 0.011 to 0.56


def test_gradient_of_a_batch_is_the_mean_of_its_sequences(any_params):
    model, X = model_with(any_params), random_sequences(LENGTHS)
    mean = mean_of([model.gradient([v], method="exact") for v in X])
    assert largest_difference(model.gradient(X, method="exact"), mean) < ROUNDING


@pytest.mark.parametrize("method", ["exact", "cd"])
def test_array_and_list_give_the_same_gradient(any_params, method):
    model, X = model_with(any_params), random_array(7, 5)
    of_array = model.gradient(X, method=method, random_state=3)
    of_list = model.gradient(list(X), method=method, random_state=3)
    assert largest_difference(of_array, of_list) == 0


def test_sequences_of_one_frame(any_params):
    """No past: nothing reaches U and U_v, and b_h and b_init have the same derivative."""
    gradient = model_with(any_params).gradient(random_array(4, 1), method="exact")
    assert not gradient.U.any() and (gradient.U_v is None or not gradient.U_v.any())
    assert gradient.b_init.any()
    np.testing.assert_array_equal(gradient.b_h, gradient.b_init)


def static_gradient(params, v):
    """Gradient of sum log P(v) over the frames of v under a static RBM, by enumeration."""
    mean_v, mean_h, mean_vh = model_moments(params.W, params.b_v, params.b_h, "bernoulli")
    h = 1 / (1 + np.exp(-(v @ params.W + params.b_h)))
    return v.T @ h - len(v) * mean_vh, (v - mean_v).sum(axis=0), (h - mean_h).sum(axis=0)


@pytest.mark.parametrize("bptt", [True, False])
def test_without_recurrence_it_is_a_static_rbm(params, bptt):
    params = params._replace(U=np.zeros_like(params.U), b_init=np.zeros_like(params.b_init))
    X = random_sequences(LENGTHS)
    gradient = model_with(params, bptt=bptt).gradient(X, method="exact")
    static = [d / len(X) for d in static_gradient(params, np.concatenate(X))]
    assert largest_difference([gradient.W, gradient.b_v, gradient.b_h], static) < ROUNDING
    assert np.abs(gradient.U).max() > 0.01  # at U = 0 there is still something to learn


def test_float32_gradient_is_the_float64_one(any_params):
    X = random_sequences(LENGTHS)
    exact = model_with(any_params).gradient(X, method="exact")
    single = model_with(any_params, dtype="float32").gradient(X, method="exact")
    assert {g.dtype for g in arrays(single)} == {np.dtype("float32")}
    assert largest_difference(single, exact) < 1e-5  # 2^-24 = 6e-8, times the sum of about 100 terms of order 1


# --------------------------------------------------------------------------------------------- CD-k

N_ROWS, N_DRAWS = 1250, 60  # frames of all copies of the video in a call, and calls: the standard error is of the calls
N_FRAMES = 25  # noise is drawn sequence by sequence, so that few long ones are faster than many short ones


def cd_draws(params, video, n_gibbs, **settings):
    """Gradients by CD-k, one row a call, all parameters in one vector."""
    model = model_with(params, n_gibbs=n_gibbs, **settings)
    X = np.repeat(video[None], N_ROWS // len(video), axis=0)
    gradients = [model.gradient(X, method="cd", random_state=draw) for draw in range(N_DRAWS)]
    return np.array([flat(gradient) for gradient in gradients])


@pytest.mark.parametrize("bptt", [True, False])
def test_long_chains_are_unbiased_and_one_step_is_not(any_params, bptt):
    video = random_sequences([N_FRAMES])[0]
    exact = flat(slow_gradient(any_params, video, bptt=bptt))
    assert np.abs(z_scores(cd_draws(any_params, video, 50, bptt=bptt), exact)).max() < Z_MAX
    assert np.abs(z_scores(cd_draws(any_params, video, 1, bptt=bptt), exact)).max() > 2 * Z_MAX  # control


def test_long_gaussian_chains_are_unbiased_and_one_step_is_not(any_params):
    video = random_sequences([N_FRAMES], visible="gaussian")[0]
    exact = flat(slow_gradient(any_params, video, visible="gaussian"))
    draws = {k: cd_draws(any_params, video, k, visible="gaussian") for k in (1, 60)}
    assert np.abs(z_scores(draws[60], exact)).max() < Z_MAX
    assert np.abs(z_scores(draws[1], exact)).max() > 2 * Z_MAX  # control


@pytest.mark.parametrize("n_gibbs", [1, 2, 3])
def test_cd_k_takes_k_steps_and_averages_its_end_alone(n_gibbs):
    """Against the expectation of CD-k itself, from the chain's transition probabilities.

    An average over the chain, one that counts the data, P(h | v_0) in place of P(h | v_k), a step too few or
    too many: each is another expectation. k + 1 is the control; weights of scale 2 make the chain slow.
    """
    params, video = random_params(scale=2), random_sequences([5])[0]
    draws = cd_draws(params, video, n_gibbs)
    right = flat(slow_gradient(params, video, moments=cd_moments(n_gibbs)))
    wrong = flat(slow_gradient(params, video, moments=cd_moments(n_gibbs + 1)))
    assert np.abs(z_scores(draws, right)).max() < Z_MAX
    assert np.abs(z_scores(draws, wrong)).max() > 2 * Z_MAX  # control


def test_averaging_over_the_data_would_be_seen(params):
    """Control: a chain of two states of which one is the data halves the gradient of CD-1."""
    video = random_sequences([N_FRAMES])[0]
    frames = iter(video)

    def with_data(W, b_v, b_h, visible, h_pos):
        v = next(frames)
        end = cd_moments(1)(W, b_v, b_h, visible, h_pos)
        return tuple((a + b) / 2 for a, b in zip(end, (v, h_pos, np.outer(v, h_pos))))

    wrong = flat(slow_gradient(params, video, moments=with_data))
    assert np.abs(z_scores(cd_draws(params, video, 1), wrong)).max() > 2 * Z_MAX


def test_the_schedule_says_how_many_steps(params):
    X = random_array(3, 4)
    model = model_with(params, n_gibbs={0: 1, 1: 7, 5: 2})  # one update has been made
    fixed = model_with(params, n_gibbs=7)
    assert largest_difference(model.gradient(X, random_state=1), fixed.gradient(X, random_state=1)) == 0
    fixed.set_params(n_gibbs=1)
    assert largest_difference(model.gradient(X, random_state=1), fixed.gradient(X, random_state=1)) > 0


def test_cd_gradient_is_repeatable_and_changes_nothing(model):
    X = random_array(3, 4)
    before = each(np.copy, model.params_)
    assert largest_difference(model.gradient(X, method="cd"), model.gradient(X, method="cd")) == 0
    assert largest_difference(model.gradient(X, random_state=1), model.gradient(X, random_state=2)) > 0
    assert largest_difference(before, model.params_) == 0


def test_cd_gradient_is_that_of_the_next_update():
    """One step of plain ascent (momentum 0) moves the parameters by the rate times the gradient per frame."""
    params, X = random_params(), random_array(3, 4)
    model = model_with(params, optimizer="momentum", momentum=0, learning_rate=0.5, centering=False)
    gradient = model.gradient(X, method="cd")
    model.partial_fit(X)
    steps = each(lambda after, before: (after - before) / 0.5, model.params_, params)
    per_frame = each(lambda g: g / 4, gradient)  # gradient() is a mean over sequences, of 4 frames each
    assert largest_difference(steps, per_frame) < ROUNDING
