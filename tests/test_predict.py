"""Prediction and sampling: nothing sees the frame it predicts, and every distribution is the model's."""

import numpy as np
import pytest
from helpers import (
    Z_MAX,
    binary_states,
    chi_square_z,
    down_kernel,
    hidden_distribution,
    model_with,
    random_array,
    random_model,
    random_params,
    random_sequences,
    sigmoid,
    slow_predictions,
    slow_states,
    state_codes,
    up_kernel,
    visible_distribution,
    visible_means,
    z_scores,
    independent,
    largest_difference,
    over_seeds,
)

from rtrbm import CRBM, LSTMRBM, RNNRBM, RTRBM, SRTRBM, TRBM
from rtrbm.biases import Biases
from rtrbm.estimators.grouped import GROUP_ROWS
from rtrbm.estimators.temporal import TemporalRBM
from rtrbm.models.rtrbm import Recurrent
from rtrbm.past.conditioner import Static
from rtrbm.rbm import expectation

PROTOCOLS = ["mean", "chain", "mean_field"]
protocols = pytest.mark.parametrize("protocol", PROTOCOLS)
units = pytest.mark.parametrize("visible", ["bernoulli", "gaussian"])


# --------------------------------------------------------------------------- never the frame itself


LEAK_SEEDS = {"mean": 3, "chain": 20, "mean_field": 1}  # one chain seldom tells that its biases moved


def leaks(model, X, protocol):
    """Frames t whose prediction, or an earlier one's, changes with the frames from t on; with several seeds."""

    def predict(X):
        return over_seeds(LEAK_SEEDS[protocol], lambda seed: model.predict(X, protocol, seed))

    predicted, found = predict(X), []
    for t in range(X.shape[1]):
        changed = X.copy()
        changed[:, t:] = 1 - changed[:, t:]
        again = predict(changed)
        if (again[:, :, : t + 1] != predicted[:, :, : t + 1]).any():
            found.append(t)
        assert (again[:, :, t + 1 :] != predicted[:, :, t + 1 :]).any() or t == X.shape[1] - 1, "the past has no effect"
    return found


@units
@protocols
def test_predictions_do_not_see_their_frame(any_params, protocol, visible):
    model = model_with(any_params, visible=visible)
    assert leaks(model, random_array(20, 6, visible=visible), protocol) == []


@protocols
@pytest.mark.parametrize("bptt", [True, False])
def test_nor_do_those_of_a_fitted_model(bptt, protocol):
    X = np.round(random_array(20, 6))
    X[:, 1::2] = 1 - X[:, ::2]  # something to learn from the past
    model = RTRBM(8, n_gibbs=3, n_updates=150, learning_rate=0.1, bptt=bptt, random_state=0, n_jobs=2).fit(X)
    assert leaks(model, X, protocol) == []


class SeesItself(Recurrent):
    """A cheat: a millionth of the frame leaks into the visible bias it is predicted with."""

    def forward(self, params, v, where, engine):
        biases, memory = super().forward(params, v, where, engine)
        return Biases(biases.v + 1e-6 * v, biases.h), memory


class KnowsItsState(Recurrent):
    """A cheat: the hidden bias of every frame is moved by the state the frame leads to.

    Hidden units of a chain flip only now and then for it, so the check wants some sequences and seeds.
    """

    def forward(self, params, v, where, engine):
        biases, memory = super().forward(params, v, where, engine)
        return Biases(biases.v, biases.h + 0.3 * memory.states), memory


@protocols
@pytest.mark.parametrize("past", [SeesItself, KnowsItsState])
def test_a_cheat_is_caught(params, past, protocol):
    """Control: by the check above."""

    class Cheat(RTRBM):
        def _past(self):
            return past()

    honest = model_with(params)
    model = Cheat.from_params(honest.params_, **honest.get_params())
    assert leaks(model, random_array(30, 6), protocol) == [0, 1, 2, 3, 4, 5]


@protocols
def test_sequences_do_not_see_each_other(params, protocol):
    model, X = model_with(params), random_sequences((5, 3, 7, 2))
    predicted = model.predict(X, protocol=protocol)
    changed = [*X[:2], 1 - X[2], X[3]]
    again = model.predict(changed, protocol=protocol)
    for i in (0, 1, 3):
        np.testing.assert_array_equal(again[i], predicted[i])
    assert (again[2] != predicted[2]).any()


def test_the_first_frame_is_predicted_from_nothing(params):
    model, X = model_with(params), random_array(4, 3)
    predicted = model.predict(X, protocol="mean_field")
    np.testing.assert_array_equal(predicted[:, 0], np.tile(predicted[0, 0], (4, 1)))
    assert (predicted[0, 1] != predicted[1, 1]).any()


# ---------------------------------------------------------------------------- the right expectation

N_SEEDS = 250


@units
@pytest.mark.parametrize("protocol", ["mean", "chain"])
def test_sampled_predictions_average_to_the_exact_conditional_mean(any_params, protocol, visible):
    """One video with many seeds: each has chains of its own, and their mean is E[v_t | past].

    Controls: the expectation of the frame before, and of a model without its initial bias.
    """
    params = any_params._replace(U=3 * any_params.U)  # a past that matters
    video, model = random_sequences([5], visible=visible)[0], model_with(params, visible=visible)
    predicted = over_seeds(N_SEEDS, lambda seed: model.predict([video], protocol, seed)[0])
    exact, _ = slow_predictions(params, video, visible)
    assert np.abs(z_scores(predicted, exact)).max() < Z_MAX
    shifted = np.concatenate([exact[:1], exact[:-1]])
    assert (np.abs(z_scores(predicted, shifted))[1:].max(axis=1) > Z_MAX).all()
    without, _ = slow_predictions(params._replace(b_init=0 * params.b_init), video, visible)
    assert np.abs(z_scores(predicted, without)[0]).max() > Z_MAX


@units
def test_one_chain_has_the_spread_of_the_mean_given_h_and_averages_have_less(params, visible):
    video = random_sequences([4], visible=visible)[0]
    model = model_with(params, visible=visible)
    chain, mean = (
        over_seeds(N_SEEDS, lambda seed, protocol=protocol: model.predict([video], protocol, seed)[0])
        for protocol in ("chain", "mean")
    )
    exact, variance = slow_predictions(params, video, visible)
    assert np.abs(z_scores((chain - exact) ** 2, variance)).max() < Z_MAX
    assert (mean.var(axis=0) < variance / 20).all()  # of 16 x 5 states, each counting as a few in ten


def test_the_mean_is_over_16_chains_of_30_steps_and_the_chain_has_50(params, monkeypatch):
    steps, average = [], expectation.average_visible

    def recording(v, W, biases, n_burn_in, n_average, *rest):
        steps.append((len(v), n_burn_in, n_average))
        return average(v, W, biases, n_burn_in, n_average, *rest)

    monkeypatch.setattr(expectation, "average_visible", recording)
    model, X = model_with(params), random_array(1, 2)
    model.predict(X, "mean")
    assert steps == [(2 * 16, 25, 5)]
    steps.clear()
    model.predict(X, "chain")
    assert steps == [(2, 49, 1)]


@units
def test_mean_field_is_its_fixed_point_iteration(any_params, visible):
    """By hand, frame by frame: 50 times h = P(h | v), v = E[v | h], from E[v | h = 0]."""
    video = random_sequences([5], visible=visible)[0]
    predicted = model_with(any_params, visible=visible).predict([video], protocol="mean_field")[0]
    for t, (b_v, b_h) in enumerate(zip(*slow_states(any_params, video)[1:])):
        v = visible_means(np.zeros(3), any_params.W, b_v, visible)
        for _ in range(50):
            v = visible_means(sigmoid(v @ any_params.W + b_h), any_params.W, b_v, visible)
        # 50 contractions of rounding errors of 1e-16
        np.testing.assert_allclose(predicted[t], v, rtol=0, atol=1e-12)


class OneBiasForAll(Static):
    """A user's conditioner: the same vectors of biases for all frames of all sequences."""

    def start(self, params, n_sequences):
        return 0

    def biases(self, params, state):
        return Biases(params.b_v, params.b_h)

    def step(self, params, state, v, h):
        return state


class Memoryless(TemporalRBM):
    """A model of sequences without a past."""

    def _past(self):
        return OneBiasForAll()


def without_a_past(kind, params, **settings):
    """A model whose frames all have the biases b_v and b_h; an RTRBM needs arrays of zeros for that."""
    own = {name: getattr(params, name) for name in ("W", "b_v", "b_h")}
    if kind is RTRBM:
        own |= {"U": np.zeros((3, 3)), "b_init": np.zeros(3)}
    return kind.from_params(own, **settings, random_state=0, n_jobs=1)


@units
@protocols
def test_models_without_a_past_predict_what_an_rtrbm_without_one_does(params, protocol, visible):
    """Their biases are one vector for all rows. Control: with other biases the predictions are others."""
    expected = without_a_past(RTRBM, params, visible=visible)
    taps = dict(n_taps=1, without=("VV", "VH", "HH"))
    own = [(Memoryless, {}), (TRBM, taps), (TRBM, taps | dict(bptt=True))]
    for X in (random_array(3, 5, visible=visible), random_sequences((5, 1, 3), visible=visible)):
        for kind, settings in own:
            model = without_a_past(kind, params, visible=visible, **settings)
            found, right = model.predict(X, protocol=protocol), expected.predict(X, protocol=protocol)
            assert largest_difference(found, right) < 1e-12
            moved = without_a_past(kind, params._replace(b_v=params.b_v + 0.5), visible=visible, **settings)
            assert largest_difference(moved.predict(X, protocol=protocol), right) > 1e-2


def test_the_other_verbs_of_models_without_a_past(params):
    X, mask = random_array(3, 5), np.zeros((3, 5, 4), bool)
    mask[:, 2, :2] = True
    expected = without_a_past(RTRBM, params)
    for kind, settings in ((Memoryless, {}), (TRBM, dict(n_taps=1, without=("VV", "VH", "HH")))):
        model = without_a_past(kind, params, **settings)
        for verb in (
            lambda m: m.transform(X),
            lambda m: m.denoise(X),
            lambda m: m.impute(X, mask),
            lambda m: m.sample(3, 4, random_state=0),
            lambda m: m.sample(3, 4, prefix=X[0], random_state=0),
            lambda m: m.decode(m.transform(X), random_state=0),
            lambda m: m.log_likelihood(X),
        ):
            assert largest_difference(verb(model), verb(expected)) < 1e-12


@units
def test_a_trbm_without_taps_is_fitted_and_predicts_by_mean_field(visible):
    X = random_array(4, 5, visible=visible)
    model = TRBM(3, without=("VV", "HH", "VH"), visible=visible, n_gibbs=1, n_updates=3, random_state=0).fit(X)
    predicted = model.predict(X, protocol="mean_field")
    assert predicted.shape == X.shape and np.ptp(predicted, axis=(0, 1)).max() < 1e-6  # every frame has one mean


def test_mean_field_draws_nothing(params):
    model, X = model_with(params), random_array(3, 5)
    first, second = (model.predict(X, protocol="mean_field", random_state=seed) for seed in (0, 1))
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("protocol", ["mean", "chain"])
def test_sampled_predictions_follow_their_seed(params, protocol):
    model, X = model_with(params), random_array(3, 5)

    def predict(random_state):
        return model.predict(X, protocol=protocol, random_state=random_state)

    np.testing.assert_array_equal(predict(None), predict(None))  # the seed of training
    np.testing.assert_array_equal(predict(3), predict(3))
    assert (predict(3) != predict(4)).any()
    generator = np.random.RandomState(0)
    assert (predict(generator) != predict(generator)).any()
    np.testing.assert_array_equal(predict(np.random.RandomState(5)), predict(np.random.RandomState(5)))


@protocols
def test_ragged_predictions_have_the_form_of_the_data(params, protocol):
    model, X = model_with(params), random_sequences((5, 1, 7, 2))
    predicted = model.predict(X, protocol=protocol)
    assert isinstance(predicted, list) and [p.shape for p in predicted] == [v.shape for v in X]
    assert all((0 <= p).all() and (p <= 1).all() for p in predicted)
    array = random_array(3, 5)
    of_array, of_list = model.predict(array, protocol=protocol), model.predict(list(array), protocol=protocol)
    assert isinstance(of_array, np.ndarray) and of_array.shape == array.shape
    np.testing.assert_array_equal(of_array, np.stack(of_list))


def test_data_of_many_groups_are_predicted_as_well():
    """More frames than are predicted at once: the fixed points of mean field do not depend on the company."""
    model, X = model_with(random_params()), random_sequences(np.random.default_rng(0).integers(1, 900, 40))
    assert sum(map(len, X)) > 2 * GROUP_ROWS
    together, hidden = model.predict(X, protocol="mean_field"), model.transform(X)
    for i in (0, 7, 39):
        # products of the same rows in blocks of other sizes: rounding of the last place, contracted
        np.testing.assert_allclose(together[i], model.predict([X[i]], protocol="mean_field")[0], rtol=0, atol=1e-12)
        np.testing.assert_allclose(hidden[i], slow_states(model.params_, X[i])[0], rtol=0, atol=1e-12)


@pytest.mark.parametrize("protocol", ["mean", "chain"])
def test_every_part_of_a_long_sequence_has_noise_of_its_own(params, protocol):
    """Without recurrence all frames have one law, and tiles are independent. Control: a tile and itself."""
    alone = params._replace(U=0 * params.U, b_init=0 * params.b_init)
    predicted = model_with(alone).predict(np.zeros((1, 1024, 4)), protocol=protocol)[0]
    centred = (predicted - predicted.mean(axis=0)).reshape(4, 256, 4)
    for lag in (1, 2, 3):
        products = (centred[lag:] * centred[:-lag]).reshape(-1, 4)
        assert np.abs(z_scores(products, 0)).max() < Z_MAX
    assert z_scores((centred**2).reshape(-1, 4), 0).min() > Z_MAX


@pytest.mark.parametrize("visible", ["bernoulli", "gaussian", "poisson", "softmax"])
@pytest.mark.parametrize("protocol", ["mean", "chain"])
def test_a_prediction_depends_neither_on_what_follows_nor_on_the_company(params, visible, protocol):
    """Also in other tiles and groups. Control: with noise of another seed they differ."""
    X = random_sequences((20, 1, 7, 2, 40, 7), visible="bernoulli" if visible != "gaussian" else visible)
    X = {"poisson": [v.round() for v in X], "softmax": [np.eye(4)[v.argmax(axis=1)] for v in X]}.get(visible, X)
    model = RTRBM.from_params(params._replace(W=params.W / 3), visible=visible, random_state=0, n_jobs=1)
    together, other = model.predict(X, protocol), model.predict(X, protocol, random_state=1)
    for v, p, q in zip(X, together, other):
        half = -(-len(v) // 2)
        for again in (model.predict([v], protocol)[0], model.predict([X[2], v, v], protocol)[1]):
            np.testing.assert_allclose(again, p, rtol=0, atol=1e-12)
        np.testing.assert_allclose(model.predict([v[:half]], protocol)[0], p[:half], rtol=0, atol=1e-12)
        assert (abs(p - q).max(axis=1) > 1e-6).mean() > 0.2


def test_all_sequences_of_all_groups_have_the_same_noise(params):
    """And every frame its own."""
    alone = params._replace(U=0 * params.U, b_init=0 * params.b_init)
    first, second = model_with(alone).predict(np.zeros((2, GROUP_ROWS, 4)), protocol="chain")
    np.testing.assert_array_equal(first, second)
    centred = first - first.mean(axis=0)
    assert np.abs(z_scores(centred[1:] * centred[:-1], 0)).max() < Z_MAX
    assert z_scores(centred**2, 0).min() > Z_MAX  # control


def test_transform_is_the_recurrence(any_params):
    X = random_sequences((5, 1, 7, 2))
    for r, v in zip(model_with(any_params).transform(X), X):
        np.testing.assert_allclose(r, slow_states(any_params, v)[0], rtol=0, atol=1e-13)  # a few dozen operations


# ----------------------------------------------------------------------------------------- sampling

N_SAMPLES = 40_000


@pytest.mark.parametrize("dynamic", [False, True], ids=["static b_v", "dynamic b_v"])
def test_samples_have_the_models_distribution_over_two_frames(dynamic):
    """Every pair of first and second frame against P(v_1) Q(v_2 | r_1), 64 cells.

    Controls: no b_init, no recurrence, W' for its transpose, and no chain, v ~ sigmoid(W r + b_v).
    """
    params = random_params(3, 2, dynamic=dynamic, seed=3)
    params = params._replace(U=4 * params.U)  # a past that matters, and chains that still mix
    _, frames = model_with(params).sample(2, N_SAMPLES, random_state=0, return_states=True)
    counts = np.bincount(state_codes(frames[:, 0]) * 8 + state_codes(frames[:, 1]), minlength=64)

    def joint(params, second=None):
        v = binary_states(3)
        first = visible_distribution(params.W, params.b_v, params.b_h + params.b_init)
        rows = []
        for p, state in zip(first, v):
            r, b_v, b_h = slow_states(params, np.stack([state, state]))
            given = visible_distribution(params.W, b_v[1], b_h[1]) if second is None else second(r[0])
            rows.append(p * given)
        return np.ravel(rows)

    def without_chain(r):
        mean = sigmoid(params.W @ r + params.b_v)
        return np.prod(np.where(binary_states(3) == 1, mean, 1 - mean), axis=1)

    assert abs(chi_square_z(counts, joint(params))) < Z_MAX
    controls = {
        "no initial bias": joint(params._replace(b_init=0 * params.b_init)),
        "no recurrence": joint(params._replace(U=0 * params.U)),
        "transposed": joint(params._replace(U=params.U.T)),
        "no chain": joint(params, without_chain),
    }
    if dynamic:
        controls["static b_v"] = joint(params._replace(U_v=0 * params.U_v))
    assert {name for name, p in controls.items() if chi_square_z(counts, p) > Z_MAX} == set(controls)


def test_without_bptt_the_drawn_states_go_on():
    """Algorithm 2: pairs of frames against sum_h P(v_1, h_1) P(v_2 | h_1). Control: Algorithm 3, r_1 for h_1."""
    params = random_params(3, 2, seed=3)
    params = params._replace(U=6 * params.U)
    settings = dict(random_state=0, return_states=True)
    frames = {bptt: model_with(params, bptt=bptt).sample(2, N_SAMPLES, **settings)[1] for bptt in (False, True)}
    W, U, b_v, b_h, b_init = params[:5]
    first = visible_distribution(W, b_v, b_h + b_init)
    states = binary_states(2)
    h_given_v = independent(sigmoid(binary_states(3) @ W + b_h + b_init))  # (v_1, h_1)
    second = np.array([visible_distribution(W, b_v, b_h + h @ U) for h in states])
    joint = np.ravel(first[:, None] * (h_given_v @ second))

    def z(frames):
        counts = np.bincount(state_codes(frames[:, 0]) * 8 + state_codes(frames[:, 1]), minlength=64)
        return chi_square_z(counts, joint)

    assert abs(z(frames[False])) < Z_MAX
    assert z(frames[True]) > 2 * Z_MAX


def test_probabilities_average_to_the_mean_of_the_first_frame(params):
    probabilities, states = model_with(params).sample(1, N_SAMPLES, random_state=1, return_states=True)
    _, p = hidden_distribution(params.W, params.b_v, params.b_h + params.b_init, "bernoulli")
    exact = p @ visible_means(binary_states(3), params.W, params.b_v, "bernoulli")
    assert np.abs(z_scores(probabilities[:, 0], exact)).max() < Z_MAX
    assert np.abs(z_scores(states[:, 0], exact)).max() < Z_MAX
    assert np.abs(z_scores(probabilities[:, 0], sigmoid(params.b_v))).max() > Z_MAX  # control


def test_gaussian_samples_have_the_moments_of_the_first_two_frames(params):
    model = model_with(params, visible="gaussian")
    means, states = model.sample(2, N_SAMPLES, random_state=0, return_states=True)
    exact, variance = slow_predictions(params, np.zeros((1, 4)), "gaussian")
    assert np.abs(z_scores(states[:, 0], exact[0])).max() < Z_MAX
    assert np.abs(z_scores((states[:, 0] - exact[0]) ** 2, 1 + variance[0])).max() < Z_MAX
    assert np.abs(z_scores((means[:, 0] - exact[0]) ** 2, variance[0])).max() < Z_MAX
    # the second frame given the first: the error of E[v_2 | v_1] has mean zero, whatever it is multiplied by
    given = np.array([slow_predictions(params, v, "gaussian")[0][1] for v in states[:2000]])
    error = states[:2000, 1] - given
    r = sigmoid(states[:2000, 0] @ params.W + params.b_h + params.b_init)
    assert np.abs(z_scores(error, 0)).max() < Z_MAX
    assert np.abs(z_scores(error[:, :, None] * (r - r.mean(axis=0))[:, None, :], 0)).max() < Z_MAX
    assert np.abs(z_scores(states[:2000, 1] - exact[0], 0)).max() > Z_MAX  # control: the frames differ


def test_states_are_drawn_with_their_probabilities(params):
    """Given the probabilities shown, the states are independent coins."""
    p, v = model_with(params).sample(6, 2000, random_state=0, return_states=True)
    assert p.shape == v.shape == (2000, 6, 4)
    assert np.isin(v, (0, 1)).all() and ((p > 0) & (p < 1)).all()
    assert abs((v - p).sum() / np.sqrt((p * (1 - p)).sum())) < Z_MAX
    centred = (v - p).reshape(-1, 4)
    assert np.abs(z_scores(centred[:, :1] * centred[:, 1:], 0)).max() < Z_MAX
    assert (
        abs((v - p.mean()).sum(axis=(0, 1)) / np.sqrt(v[..., 0].size / 4)).max() > Z_MAX
    )  # control: not one p for all


def test_a_prefix_is_what_samples_go_on_from(any_params):
    """The first frame has Q(v | r) of the prefix's end. Controls: one frame less, the prefix backwards."""
    prefix = random_sequences([4], seed=5)[0]
    _, v = model_with(any_params).sample(1, N_SAMPLES, prefix=prefix, random_state=0, return_states=True)
    counts = np.bincount(state_codes(v[:, 0]), minlength=16)

    def after(prefix):
        _, b_v, b_h = slow_states(any_params, np.concatenate([prefix, prefix[:1]]))
        return visible_distribution(any_params.W, b_v[-1], b_h[-1])

    assert abs(chi_square_z(counts, after(prefix))) < Z_MAX
    assert chi_square_z(counts, after(prefix[:-1])) > Z_MAX
    assert chi_square_z(counts, after(prefix[::-1])) > Z_MAX


def test_every_sequence_has_its_own_prefix(params):
    params, prefixes = params._replace(U=4 * params.U), random_array(2, 4, seed=7)
    both = np.repeat(prefixes, 20_000, axis=0)
    _, v = model_with(params).sample(1, len(both), prefix=both, random_state=0, return_states=True)
    for i, part in enumerate((v[:20_000, 0], v[20_000:, 0])):
        counts = np.bincount(state_codes(part), minlength=16)
        laws = []
        for prefix in (prefixes[i], prefixes[1 - i]):
            _, b_v, b_h = slow_states(params, np.concatenate([prefix, prefix[:1]]))
            laws.append(visible_distribution(params.W, b_v[-1], b_h[-1]))
        assert abs(chi_square_z(counts, laws[0])) < Z_MAX < chi_square_z(counts, laws[1])


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_one_prefix_serves_all_sequences(params, n_jobs):
    prefix = random_sequences([4])[0]
    model = model_with(params, n_jobs=n_jobs)
    once = model.sample(3, 5, prefix=prefix, random_state=0)
    np.testing.assert_array_equal(once, model.sample(3, 5, prefix=np.stack([prefix] * 5), random_state=0))
    np.testing.assert_array_equal(once, model.sample(3, 5, prefix=prefix.tolist(), random_state=0))
    assert once.shape == (5, 3, 4)


GO_ON = {
    "RTRBM": (RTRBM, {}),
    "RTRBM with taps": (RTRBM, dict(n_taps=2, dynamic_visible_bias=True)),
    "RTRBM without BPTT": (RTRBM, dict(bptt=False)),
    "TRBM": (TRBM, dict(n_taps=2)),
    "TRBM with BPTT": (TRBM, dict(n_taps=2, bptt=True)),
    "CRBM": (CRBM, dict(n_taps=2)),
    "RNNRBM": (RNNRBM, {}),
    "LSTMRBM": (LSTMRBM, {}),
    "SRTRBM": (SRTRBM, {}),
}


@pytest.mark.parametrize("n_visible, n_hidden", [(4, 3), (40, 30)])
@pytest.mark.parametrize("kind, own", GO_ON.values(), ids=GO_ON)
def test_one_prefix_serves_the_sequences_of_every_model(kind, own, n_visible, n_hidden):
    """As repeated, also where a sample of the hidden units goes on. Products of one row or of several differ in the
    last place. Control: another prefix."""
    model, X = random_model(kind, n_visible, n_hidden, scale=1.5, **own), random_array(40, 4, n_visible).round()
    prefixes = X[0], np.stack([X[0]] * 40), X[1]
    once, repeated, other = (model.sample(3, 40, prefix=p, random_state=0, n_gibbs=5) for p in prefixes)
    assert once.shape == (40, 3, n_visible)
    np.testing.assert_allclose(once, repeated, rtol=0, atol=1e-12)
    assert np.abs(once - other).max() > 1e-6
    H = model.transform(X)
    once, repeated = (model.decode(H, prefix=p, random_state=0) for p in prefixes[:2])
    np.testing.assert_allclose(once, repeated, rtol=0, atol=1e-12)


def test_a_message_keeps_its_promise(params):
    """A block of one prefix serves all sequences, or is not offered as a way out."""
    prefix, model = random_array(1, 4), model_with(params)
    try:
        samples = model.sample(3, 5, prefix=prefix, random_state=0)
    except ValueError as error:
        assert "prefix" in str(error) and "1 or" not in str(error)
    else:
        np.testing.assert_array_equal(samples, model.sample(3, 5, prefix=prefix[0], random_state=0))


def test_the_dynamic_bias_of_a_prefix_of_one_frame():
    params = random_params(dynamic=True)
    prefix = random_array(1, 1)[0]
    _, v = model_with(params).sample(1, N_SAMPLES, prefix=prefix, random_state=0, return_states=True)
    _, b_v, b_h = slow_states(params, np.concatenate([prefix, prefix]))
    counts = np.bincount(state_codes(v[:, 0]), minlength=16)
    assert abs(chi_square_z(counts, visible_distribution(params.W, b_v[1], b_h[1]))) < Z_MAX
    assert chi_square_z(counts, visible_distribution(params.W, params.b_v, b_h[1])) > Z_MAX  # control


def test_samples_follow_their_seed(params):
    model = model_with(params)

    def sample(random_state):
        return model.sample(4, 3, random_state=random_state)

    np.testing.assert_array_equal(sample(3), sample(3))
    np.testing.assert_array_equal(sample(3), sample(np.int64(3)))
    assert (sample(3) != sample(4)).any() and (sample(None) != sample(None)).any()
    for kind in (np.random.RandomState, np.random.default_rng):
        generator = kind(0)
        first, second = sample(generator), sample(generator)
        assert (first != second).any()
        np.testing.assert_array_equal(first, sample(kind(0)))
    assert len({v.tobytes() for v in sample(0)}) == 3  # sequences differ


def test_return_states_changes_no_number(params):
    model = model_with(params)
    p, _ = model.sample(4, 3, random_state=0, return_states=True)
    np.testing.assert_array_equal(p, model.sample(4, 3, random_state=0))


def test_longer_samples_begin_alike(params):
    model = model_with(params)
    np.testing.assert_array_equal(model.sample(6, 3, random_state=0)[:, :4], model.sample(4, 3, random_state=0))


def test_chains_are_as_long_as_asked(params):
    """n_gibbs=1 has the distribution of fair coins after one step, which is not yet the model's."""
    slow = params._replace(W=4 * params.W)
    _, v = model_with(slow).sample(1, N_SAMPLES, random_state=0, return_states=True, n_gibbs=1)
    b_h = slow.b_h + slow.b_init
    once = up_kernel(slow.W, b_h) @ down_kernel(slow.W, slow.b_v)
    p, counts = np.full(16, 1 / 16), np.bincount(state_codes(v[:, 0]), minlength=16)
    assert abs(chi_square_z(counts, p @ once)) < Z_MAX
    assert chi_square_z(counts, p @ once @ once) > Z_MAX  # control: two steps
