"""TRBM, CRBM and the RTRBM with taps: which of them are the same model, what they draw, what they leave in files."""

import os

import numpy as np
import pytest
from events import PowerFailure, eventful, power_failure
from helpers import (
    TAPS,
    Z_MAX,
    binary_states,
    chi_square_z,
    random_array,
    random_model,
    random_sequences,
    sigmoid,
    slow_states,
    state,
    state_codes,
    visible_distribution,
    z_scores,
)
from histories import carried, drawn, histories, means

from rtrbm import CRBM, RBM, RTRBM, TRBM
from rtrbm.rbm import Bernoulli

SETTINGS = dict(n_hidden=3, n_gibbs=1, n_updates=12, batch_size=2, random_state=0, n_jobs=1)
X, RAGGED = random_array(5, 6), random_sequences((4, 1, 7, 2, 3))
any_taps = pytest.mark.parametrize("kind, settings", TAPS.values(), ids=TAPS)
units = pytest.mark.parametrize("visible", ["bernoulli", "gaussian"])
datasets = pytest.mark.parametrize("data", [X, RAGGED], ids=["array", "list"])


# ------------------------------------------------------------------------------ models that are the same

SAME = {
    "simplified TRBM": ((TRBM, dict(n_taps=1, without=("VV", "VH"))), (RTRBM, dict(bptt=False))),
    "RTRBM": ((TRBM, dict(n_taps=1, without=("VV", "VH"), bptt=True)), (RTRBM, {})),
    "RTRBM with one tap": ((TRBM, dict(n_taps=1, bptt=True)), (RTRBM, dict(n_taps=1))),
    "CRBM": ((CRBM, dict(n_taps=2)), (TRBM, dict(n_taps=2, without="HH"))),
    "CRBM, whatever the rule": ((CRBM, {}), (TRBM, dict(n_taps=3, without=("HH",), bptt=True))),
}
OPTIONS = {
    "array": ({}, X),
    "list": (dict(dtype="float64", n_gibbs={0: 1, 3: 2}), RAGGED),
    "Gaussian array": (dict(visible="gaussian", initialization="thesis", max_norm=0.05), X),
    "Gaussian list, momentum": (dict(visible="gaussian", optimizer="momentum", centering=False), RAGGED),
}


@pytest.mark.parametrize("options, data", OPTIONS.values(), ids=OPTIONS)
@pytest.mark.parametrize("one, other", SAME.values(), ids=SAME)
def test_models_that_are_the_same_give_the_same_numbers(one, other, options, data):
    """Bit for bit: training, states, predictions, samples, gradients. The control is a test below."""
    settings = SETTINGS | dict(n_updates=6) | options
    one, other = (kind(**settings | own).fit(data) for kind, own in (one, other))
    assert one.history_ == other.history_
    for a, b in zip(arrays_of(one.params_), arrays_of(other.params_), strict=True):
        np.testing.assert_array_equal(a, b)
    for verb in ("transform", "predict", "denoise"):
        np.testing.assert_equal(getattr(one, verb)(data), getattr(other, verb)(data))
    np.testing.assert_array_equal(one.log_likelihood(data), other.log_likelihood(data))
    assert one.score(data) == other.score(data)
    H, prefix = np.full((1, 3, 3), 0.3), data[0]
    for method in ("exact", "cd"):
        gradients = (arrays_of(model.gradient(data, method)) for model in (one, other))
        for a, b in zip(*gradients, strict=True):
            np.testing.assert_array_equal(a, b)
    for prefix in (None, data[0]):
        draws = [(m.sample(4, 2, prefix, 1), m.decode(H, prefix, 1)) for m in (one, other)]
        np.testing.assert_equal(*draws)
    masks = [np.arange(v.size).reshape(v.shape) % 3 == 0 for v in data]
    np.testing.assert_equal(*(model.impute(list(data), masks) for model in (one, other)))


def arrays_of(params):
    """What was learned, by name; U is B_1, and parts that are left out do not count."""
    arrays = {name.replace("U", "B") if name == "U" else name: a for name, a in params._asdict().items()}
    return [a.reshape(-1) for name, a in sorted(arrays.items()) if a is not None]


def test_models_that_differ_do_not():
    """Control: a backward pass, or another kind of connection, changes what is learned."""
    kinds = {name: pair[0] for name, pair in SAME.items()}
    learned = {name: kind(**SETTINGS | own).fit(X).params_.W for name, (kind, own) in kinds.items()}
    names = list(learned)
    for i, name in enumerate(names[:4]):
        assert all((learned[name] != learned[other]).any() for other in names[:i])


ALL = ("VV", "HH", "VH")


@units
def test_without_any_connection_it_is_the_static_rbm(visible):
    """The gradient of the frames without their order."""
    data = random_sequences((4, 1, 7, 2, 3), visible=visible)
    model = random_model(TRBM, 4, 3, visible=visible, without=ALL, bptt=True)
    W, b_v, b_h = model.params_.W, model.params_.b_v, model.params_.b_h
    static = RBM.from_params(dict(W=W, b_v=b_v, b_h=b_h), visible=visible, n_gibbs=1, random_state=0)
    rows = np.concatenate(data)
    np.testing.assert_allclose(np.concatenate(model.transform(data)), static.transform(rows), rtol=0, atol=1e-14)
    np.testing.assert_allclose(np.concatenate(model.denoise(data)), static.denoise(rows), rtol=0, atol=1e-14)
    total = [static.score_samples(v).sum() for v in data]
    np.testing.assert_allclose(model.log_likelihood(data), total, rtol=0, atol=1e-11)
    p = model.params_
    assert [a is None for a in (p.A, p.B, p.C, p.b_init)] == [True] * 4


@pytest.mark.parametrize(
    "options", [{}, dict(visible="gaussian"), dict(dtype="float64", optimizer="momentum")], ids=str
)
def test_without_any_connection_it_learns_what_the_static_rbm_does(options):
    """Number for number, if sequences have one frame: then minibatches, and the chains' random numbers, agree."""
    settings = SETTINGS | dict(batch_size=7, n_gibbs=2, centering=True, learning_rate=0.01) | options
    rows = random_array(1, 20)[0]
    static = RBM(**settings).fit(rows)
    model = TRBM(**settings, without=ALL).fit(rows[:, None])
    assert model.history_ == static.history_
    for name in ("W", "b_v", "b_h"):
        np.testing.assert_array_equal(getattr(model.params_, name), getattr(static.params_, name))
    np.testing.assert_array_equal(model.transform(rows[:, None])[:, 0], static.transform(rows))
    assert (static.params_.W != RBM(**settings | dict(random_state=1)).fit(rows).params_.W).any()  # control


# ----------------------------------------------------------- Gaussian CRBM without W: autoregression


def regression(sequences, m):
    """Regressors of every frame (the m frames before, 1, which of the first m frames it is), and the frames."""
    rows = []
    for v in sequences:
        for t in range(len(v)):
            past = [v[t - n] if n <= t else np.zeros_like(v[0]) for n in range(1, m + 1)]
            rows.append(np.concatenate([*past, [1.0], np.arange(m) == t]))
    return np.array(rows), np.concatenate(sequences)


def autoregression(sequences, m):
    """A Gaussian CRBM with W = 0 and, for the rest, the least-squares solution."""
    n = sequences[0].shape[1]
    regressors, frames = regression(sequences, m)
    coefficients = np.linalg.lstsq(regressors, frames, rcond=None)[0]
    model = random_model(CRBM, n, 2, n_taps=m, visible="gaussian")
    model.params_ = model.params_._replace(
        W=np.zeros((n, 2)),
        A=coefficients[: n * m].reshape(m, n, n),
        b_v=coefficients[n * m],
        b_v_init=coefficients[n * m + 1 :],
    )
    return model


def test_a_gaussian_crbm_without_weights_is_an_autoregression():
    """Predictions are affine in the past, the gradient is the residuals', and least squares is where it vanishes."""
    sequences, m = random_sequences((12, 30, 1, 25, 2), 3, "gaussian"), 2
    model = autoregression(sequences, m)
    regressors, frames = regression(sequences, m)

    def flat(params):
        return np.concatenate([params.A.reshape(-1, 3), params.b_v[None], params.b_v_init])

    for protocol in ("mean", "chain", "mean_field"):
        predicted = np.concatenate(model.predict(sequences, protocol))
        np.testing.assert_allclose(predicted, regressors @ flat(model.params_), rtol=0, atol=1e-12)
    gradient = model.gradient(sequences, method="exact")
    assert np.abs(flat(gradient)).max() < 1e-12
    rng = np.random.default_rng(0)
    p = model.params_
    model.params_ = p._replace(**{k: rng.standard_normal(getattr(p, k).shape) for k in ("A", "b_v", "b_v_init")})
    residuals = frames - regressors @ flat(model.params_)
    expected = regressors.T @ residuals / len(sequences)
    np.testing.assert_allclose(flat(model.gradient(sequences, method="exact")), expected, rtol=0, atol=1e-11)
    assert np.abs(expected).max() > 1  # control
    log_density = -0.5 * (residuals**2).sum() - 0.5 * residuals.size * np.log(2 * np.pi)
    assert model.log_likelihood(sequences).sum() == pytest.approx(log_density, abs=1e-10)


def test_a_gaussian_crbm_learns_an_autoregression():
    """v_t = v_{t-1} M + noise: A_1 comes near M, A_2 near 0. Control: before training it is not."""
    M, rng = np.array([[0.6, 0.5], [-0.5, 0.6]]), np.random.default_rng(0)
    v = np.zeros((50, 40, 2))
    for t in range(40):
        v[:, t] = v[:, t - 1] @ M + rng.standard_normal((50, 2))
    settings = dict(n_taps=2, visible="gaussian", n_gibbs=1, batch_size=50, learning_rate=0.02, random_state=0)
    settings["initialization"] = "data"
    model = CRBM(2, n_updates=200, **settings).fit(v)
    error = np.abs(model.params_.A - [M, 0 * M]).max()
    assert error < 0.15 < 0.5 < np.abs(CRBM(2, n_updates=1, **settings).fit(v).params_.A - [M, 0 * M]).max()


# ---------------------------------------------------------------------------------------------- sampling

N_SAMPLES = 10_000
V, H_2 = binary_states(3), binary_states(2)


def visible_pairs(frames):
    return np.bincount(state_codes(frames[:, -2]) * 8 + state_codes(frames[:, -1]), minlength=64)


def joint(params, prefix, law, hidden, past):
    """Probability of every pair of frames after a prefix; law(params, b_v, b_h, t) that of frame t after the prefix.

    hidden : callable (r_1) -> probabilities and values of the first frame's hidden states as the second knows them.
    past : the same of the prefix's hidden states.
    """
    n, total = len(prefix), 0.0
    for p, h in histories(params, prefix, past):
        video = np.concatenate([prefix, np.zeros((2, 3))])
        _, b_v, b_h = slow_states(params, video[: n + 1], held=h)
        given_h, of_first = [], law(params, b_v[n], b_h[n], 0)
        for first in V:
            video[n], second = first, 0.0
            for weight, value in hidden(sigmoid(first @ params.W + b_h[n])):
                _, *biases = slow_states(params, video, held=[*h, value])
                second = second + weight * law(params, *(b[n + 1] for b in biases), 1)
            given_h.append(of_first[state_codes(first[None])[0]] * second)
        total = total + p * np.ravel(given_h)
    return total


def scaled(params, **factors):
    """Parameters times factors. B is U in an RTRBM; a part that a model does without stays None."""
    names = {name: "U" if name == "B" and hasattr(params, "U") else name for name in factors}
    present = {name: factors[k] for k, name in names.items() if getattr(params, name, None) is not None}
    return params._replace(**{name: factor * getattr(params, name) for name, factor in present.items()})


def free(params, b_v, b_h, t):
    weights = np.exp((V @ b_v)[:, None] + H_2 @ b_h + V @ params.W @ H_2.T).sum(axis=1)
    return weights / weights.sum()


def controls(params, prefix, law, hidden, past):
    """The law of models that lack something, or that had another past."""

    def without(name):
        return joint(scaled(params, **{name: 0}), prefix, law, hidden, past)

    def backwards(name):
        return joint(params._replace(**{name: getattr(params, name)[::-1]}), prefix, law, hidden, past)

    wrong = {name: without(name) for name in ("A", "B", "C", "U_v") if getattr(params, name, None) is not None}
    wrong |= {f"{name} backwards": backwards(name) for name in ("A", "C")}
    if not len(prefix):
        return wrong | {"b_init": without("b_init")}
    wrong["prefix backwards"] = joint(params, prefix[::-1], law, hidden, past)
    return wrong | {"no prefix": joint(params, prefix[:0], law, hidden, past)}


SAMPLED = {name: TAPS[name] for name in ("TRBM", "TRBM bptt", "CRBM", "RTRBM dynamic b_v")}
SAMPLED["RTRBM dynamic b_v, no bptt"] = (RTRBM, dict(n_taps=2, dynamic_visible_bias=True, bptt=False))
sampled = pytest.mark.parametrize("kind, settings", SAMPLED.values(), ids=SAMPLED)


@pytest.mark.parametrize("n_prefix", [0, 3])
@sampled
def test_samples_have_the_models_distribution_over_two_frames(kind, settings, n_prefix):
    """P(v_1) P(v_2 | v_1), or that of the two frames after a prefix, 64 cells."""
    model, prefix = random_model(kind, scale=1.0, seed=6, **settings), random_sequences([n_prefix], 3)[0]
    params = model.params_ = scaled(model.params_, B=3)  # a recurrence that matters
    given = prefix if n_prefix else None
    _, frames = model.sample(2, N_SAMPLES, given, random_state=0, return_states=True)
    counts, hidden = visible_pairs(frames), carried(model)
    assert abs(chi_square_z(counts, joint(params, prefix, free, hidden, hidden))) < Z_MAX
    wrong = controls(params, prefix, free, hidden, hidden)
    if n_prefix and hidden is drawn:
        wrong["the prefix's r for h"] = joint(params, prefix, free, drawn, means)
    z = {name: chi_square_z(counts, p) for name, p in wrong.items()}
    assert min(z.values()) > Z_MAX, z


@sampled
def test_what_goes_on_in_samples_is_the_filters_state_or_the_one_drawn(kind, settings):
    """With BPTT r_1 (Algorithm 3), without h_1 (Algorithm 2). Control: the other one, where there are hidden taps."""
    model, nothing = random_model(kind, scale=1.0, seed=6, **settings), np.zeros((0, 3))
    params = model.params_ = scaled(model.params_, B=8, U_v=4)
    counts = visible_pairs(model.sample(2, N_SAMPLES, random_state=0, return_states=True)[1])
    right, other = (means, drawn) if carried(model) is means else (drawn, means)
    assert abs(chi_square_z(counts, joint(params, nothing, free, right, right))) < Z_MAX
    assert kind is CRBM or chi_square_z(counts, joint(params, nothing, free, other, right)) > 2 * Z_MAX


@pytest.mark.parametrize("n_prefix", [0, 3])
@sampled
def test_decoding_draws_what_hidden_states_call_for(kind, settings, n_prefix):
    """v_t ~ P(v_t | h_t, past). Controls: the past is left out or another, the hidden states are others or drawn."""
    model, prefix = random_model(kind, scale=1.0, seed=2, **settings), random_sequences([n_prefix], 3)[0]
    params = model.params_ = scaled(model.params_, U_v=2)
    H = np.array([[1.0, 0.0], [0.2, 0.9]])
    copies, given = np.repeat(H[None], N_SAMPLES, axis=0), prefix if n_prefix else None
    probabilities, frames = model.decode(copies, given, random_state=0, return_states=True)
    counts = visible_pairs(frames)

    def decoded(H):
        def law(params, b_v, b_h, t):
            mean = sigmoid(b_v + params.W @ H[t])
            return np.prod(np.where(V == 1, mean, 1 - mean), axis=1)

        return law

    def as_given(r):
        return [(1, H[0])]

    past = carried(model)
    right, other = (means, as_given) if past is means else (as_given, means)
    assert abs(chi_square_z(counts, joint(params, prefix, decoded(H), right, past))) < Z_MAX
    wrong = controls(params, prefix, decoded(H), right, past)
    wrong = {name: p for name, p in wrong.items() if name[0] in "AUnp"}  # given h, its biases say nothing
    wrong["H backwards"] = joint(params, prefix, decoded(H[::-1]), right, past)
    wrong["H drawn"] = joint(params, prefix, free, right, past)
    if kind is RTRBM:
        wrong["r for h, or h for r"] = joint(params, prefix, decoded(H), other, past)
        if n_prefix and past is drawn:
            wrong["the prefix's r for h"] = joint(params, prefix, decoded(H), right, means)
    z = {name: chi_square_z(counts, p) for name, p in wrong.items()}
    assert min(z.values()) > Z_MAX, z
    # what is returned are the probabilities of what was drawn
    assert probabilities.shape == frames.shape == (N_SAMPLES, 2, 3)
    assert np.abs(z_scores(frames - probabilities, 0)).max() < Z_MAX
    if kind is RTRBM and n_prefix and past is drawn:  # those of the first frame know the prefix's states
        assert len(np.unique(probabilities[:, 0], axis=0)) == 4
    else:
        np.testing.assert_array_equal(probabilities[:, 0], probabilities[:1, 0].repeat(N_SAMPLES, axis=0))


def test_hidden_states_of_a_prefix_are_drawn():
    """One unit of each kind, after the frame 0: P(v_2 = 1) is a sum over h_1. Control: at h_1 = r_1 it is another."""
    params = dict(W=[[4.0]], U=[[12.0]], b_v=[-2.0], b_h=[-6.0], b_init=[6.0])
    W, U, b_v, b_h, b_init = (np.array(a) for a in params.values())
    first = np.array([[np.exp(v * b_v + v * W * h + h * (b_h + b_init)).item() for h in (0, 1)] for v in (0, 1)])
    p_h = first[0] / first[0].sum()  # P(h_1 | v_1 = 0)

    def on(h):
        return visible_distribution(W, b_v, b_h + h * U[0])[1]

    expected, old = p_h @ [on(0), on(1)], on(p_h[1])
    assert (round(expected, 3), round(old, 3)) == (0.507, 0.79)
    model = RTRBM.from_params(params, bptt=False, n_jobs=1)
    for prefix in ([[0]], np.zeros((10_000, 1, 1))):
        _, frames = model.sample(1, 10_000, prefix, random_state=0, return_states=True)
        assert abs(z_scores(frames.ravel(), expected)) < Z_MAX < abs(z_scores(frames.ravel(), old))
    # and with BPTT r_1 goes on
    _, frames = model.set_params(bptt=True).sample(1, 10_000, [[0]], random_state=0, return_states=True)
    assert abs(z_scores(frames.ravel(), old)) < Z_MAX < abs(z_scores(frames.ravel(), expected))


def test_hidden_states_of_a_prefix_are_drawn_for_decoding():
    """The same through the dynamic visible bias: v_2 is decoded from b_v + h_2 W + h_1 U_v."""
    params = dict(W=[[4.0]], U=[[12.0]], b_v=[-2.0], b_h=[-6.0], b_init=[6.0], U_v=[[8.0]])
    model, H = RTRBM.from_params(params, bptt=False, n_jobs=1), np.zeros((10_000, 1, 1))
    _, frames = model.decode(H, [[0]], random_state=0, return_states=True)
    expected, old = (sigmoid(-2.0) + sigmoid(6.0)) / 2, sigmoid(2.0)  # P(h_1 | v_1 = 0) = 1/2
    assert abs(z_scores(frames.ravel(), expected)) < Z_MAX < abs(z_scores(frames.ravel(), old))
    _, frames = model.set_params(bptt=True).decode(H, [[0]], random_state=0, return_states=True)
    assert abs(z_scores(frames.ravel(), old)) < Z_MAX < abs(z_scores(frames.ravel(), expected))


def test_gaussian_decoding_adds_unit_noise():
    model = random_model(CRBM, n_taps=2, visible="gaussian")
    means, frames = model.decode(np.full((5000, 2, 2), 0.5), random_state=0, return_states=True)
    first = model.params_.b_v + model.params_.b_v_init[0] + 0.5 * model.params_.W.sum(axis=1)
    np.testing.assert_allclose(means[:, 0], np.broadcast_to(first, (5000, 3)), rtol=0, atol=1e-14)
    second = model.params_.b_v + model.params_.b_v_init[1] + 0.5 * model.params_.W.sum(axis=1)
    np.testing.assert_allclose(means[:, 1], second + frames[:, 0] @ model.params_.A[0], rtol=0, atol=1e-13)
    noise = (frames - means).reshape(5000, -1)
    assert np.abs(z_scores(noise, 0)).max() < Z_MAX and np.abs(z_scores(noise**2, 1)).max() < Z_MAX
    assert np.abs(z_scores(noise[:, :3] * noise[:, 3:], 0)).max() < Z_MAX  # frames have noise of their own


def test_decoding_follows_its_seed_and_leaves_arrays_alone():
    model, H, prefix = random_model(TRBM, n_taps=2), random_array(3, 4, 2), random_array(3, 2, 3)
    H.flags.writeable = prefix.flags.writeable = False
    once = model.decode(H, prefix, 1)
    np.testing.assert_array_equal(once, model.decode(H.tolist(), prefix.tolist(), 1))
    assert (once != model.decode(H, prefix, 2)).any() and (model.decode(H) != model.decode(H)).any()
    np.testing.assert_array_equal(once[:, :2], model.decode(H[:, :2], prefix, 1))
    probabilities, _ = model.decode(H, prefix, 1, return_states=True)
    np.testing.assert_array_equal(once, probabilities)
    generator = np.random.default_rng(0)
    assert (model.decode(H, prefix, generator) != model.decode(H, prefix, generator)).any()


def test_one_sequence_of_hidden_states_serves_several_prefixes():
    model, H, prefixes = random_model(TRBM, n_taps=2), random_array(1, 4, 2), random_array(3, 2, 3)
    once = model.decode(H, prefixes, 1)
    rounding = dict(rtol=0, atol=4 * np.finfo(float).eps)  # some libraries round a product of 1 row as none of 3 rows
    np.testing.assert_allclose(once, model.decode(np.repeat(H, 3, axis=0), prefixes, 1), **rounding)
    one_prefix = model.decode(np.repeat(H, 3, axis=0), prefixes[0], 1)
    np.testing.assert_allclose(one_prefix[0], once[0], **rounding)
    assert np.abs(one_prefix[1] - once[1]).max() > 0.01


# ------------------------------------------------------------------------- threads, files, interruptions


@any_taps
def test_any_number_of_threads_gives_the_same_numbers(kind, settings):
    data = random_array(30, 30, 6)  # several tiles, several slices of rows
    mask = data < 0.1
    one, two = (
        kind(**SETTINGS | dict(n_jobs=n_jobs, batch_size=30, n_updates=3), **settings).fit(data) for n_jobs in (1, 2)
    )
    assert state(one) == state(two)
    for verb in (
        lambda model: model.predict(data),
        lambda model: model.transform(data),
        lambda model: model.denoise(data),
        lambda model: model.impute(data, mask),
        lambda model: model.sample(3, 5, prefix=data[0], random_state=0),
    ):
        np.testing.assert_array_equal(verb(one), verb(two))


@any_taps
@datasets
def test_a_loaded_model_is_the_saved_one(tmp_path, kind, settings, data):
    model = kind(**SETTINGS | settings).fit(data)
    model.save(tmp_path / "model.h5")
    loaded = kind.load(tmp_path / "model.h5")
    assert state(loaded) == state(model)
    assert loaded.get_params() == model.get_params() and repr(loaded) == repr(model)
    np.testing.assert_equal(loaded.predict(data), model.predict(data))
    np.testing.assert_array_equal(loaded.sample(3, random_state=1), model.sample(3, random_state=1))
    assert state(loaded.partial_fit(data)) == state(model.partial_fit(data))


@pytest.mark.parametrize("without", [(), "HH", ("HH",), ["VV", "VH"], ALL], ids=str)
def test_what_was_left_out_is_left_out_after_loading(tmp_path, without):
    model = TRBM(**SETTINGS, without=without).fit(X)
    model.save(tmp_path / "model.h5")
    loaded = TRBM.load(tmp_path / "model.h5")
    assert state(loaded) == state(model) and tuple(loaded.without) == tuple(without)
    assert state(TRBM(**SETTINGS, without=without).fit(X, checkpoint=tmp_path / "model.h5", resume=True)) == state(
        model
    )


@pytest.mark.parametrize("kind", [TRBM, CRBM, RTRBM])
def test_truncated_files_are_refused(tmp_path, kind):
    path = tmp_path / "model.h5"
    kind(**SETTINGS, n_taps=2).fit(X).save(path)
    content = path.read_bytes()
    for part in (0, 0.3, 0.7, 0.99):
        path.write_bytes(content[: int(part * len(content))])
        with pytest.raises(ValueError, match="model.h5"):
            kind.load(path)


def test_a_file_is_of_one_class(tmp_path):
    CRBM(**SETTINGS).fit(X).save(tmp_path / "model.h5")
    with pytest.raises(ValueError, match="class TRBM.*holds CRBM"):
        TRBM.load(tmp_path / "model.h5")
    with pytest.raises(ValueError, match="class TRBM.*holds CRBM"):
        TRBM(**SETTINGS).fit(X, checkpoint=tmp_path / "model.h5", resume=True)


@any_taps
@datasets
def test_resumed_is_uninterrupted(tmp_path, kind, settings, data):
    path, settings = tmp_path / "model.h5", SETTINGS | settings
    whole = kind(**settings).fit(data)
    with pytest.raises(PowerFailure):
        eventful(power_failure, 7, kind, **settings).fit(data, checkpoint=path, checkpoint_every=5)
    assert kind.load(path).n_updates_ == 5
    resumed = kind(**settings, visible=Bernoulli()).fit(data, checkpoint=path, resume=True)
    assert state(resumed) == state(whole)


@pytest.mark.parametrize("other", [dict(n_taps=2), dict(without="VV"), dict(bptt=True)], ids=str)
def test_resuming_with_other_connections_is_refused(tmp_path, other):
    TRBM(**SETTINGS).fit(X, checkpoint=tmp_path / "model.h5")
    model = TRBM(**SETTINGS | other)
    with pytest.raises(ValueError, match=next(iter(other))):
        model.fit(X, checkpoint=tmp_path / "model.h5", resume=True)
    assert not hasattr(model, "params_")


# ------------------------------------------------------------------------------------------------ errors

WRONG_TAPS = [-1, 1.5, 2.0, "2", None, True, [2], np.nan, 2**40]
WRONG_WITHOUT = {
    "another kind": ("HV", ValueError),
    "lower case": ("vv", ValueError),
    "two in a string": ("VVHH", ValueError),
    "empty string": ("", ValueError),
    "among others": (("VV", "UV"), ValueError),
    "number among others": (("VV", 3), ValueError),
    "None": (None, TypeError),
    "number": (3, TypeError),
    "bytes": (b"VV", TypeError),
    "set": ({"VV"}, TypeError),  # which no file could hold
    "dict": ({"VV": True}, TypeError),
    "iterator": (iter(["VV"]), TypeError),  # which a check would use up
    "array": (np.array(["VV"]), TypeError),
}


def refused(model, data, error, match, folder):
    """Refused before any work, by name."""
    for verb in (lambda: model.fit(data, checkpoint=folder / "model.h5"), lambda: model.partial_fit(data)):
        with pytest.raises(error, match=match):
            verb()
    assert not any(name.endswith("_") for name in vars(model)) and os.listdir(folder) == []


@pytest.mark.parametrize("kind", [TRBM, CRBM])
@pytest.mark.parametrize("n_taps", [0, *WRONG_TAPS], ids=repr)
def test_wrong_numbers_of_taps_are_refused(tmp_path, kind, n_taps):
    refused(kind(**SETTINGS | dict(n_taps=n_taps)), X, (TypeError, ValueError), "n_taps", tmp_path)


@pytest.mark.parametrize("without, error", WRONG_WITHOUT.values(), ids=WRONG_WITHOUT)
def test_wrong_connections_are_refused(tmp_path, without, error):
    refused(TRBM(**SETTINGS, without=without), X, error, "without", tmp_path)


def test_right_settings_are_not_refused(tmp_path):
    """Control of the two above."""
    for settings in (dict(n_taps=np.int64(1)), dict(without="VV"), dict(without=["VV", "HH"]), dict(without=())):
        with pytest.raises(pytest.fail.Exception):
            refused(TRBM(**SETTINGS | settings), X, ValueError, ".", tmp_path)


def test_the_hyper_parameters_are_those_of_the_rtrbm():
    names = {kind: set(kind().get_params()) for kind in (TRBM, CRBM, RTRBM)}
    assert names[RTRBM] - names[TRBM] == {"dynamic_visible_bias"} and names[TRBM] - names[RTRBM] == {
        "without",
        "vv_rate",
    }
    assert names[TRBM] - names[CRBM] == {"without", "vv_rate", "bptt"} and names[CRBM] < names[TRBM]


@pytest.mark.parametrize("changed", [dict(n_taps=3), dict(without="VV"), dict(without=ALL)], ids=str)
def test_settings_that_shape_the_parameters_cannot_change_after_fitting(changed):
    model = TRBM(**SETTINGS, n_taps=2).fit(X).set_params(**changed)
    for verb in (
        lambda: model.transform(X),
        lambda: model.denoise(X),
        lambda: model.decode(np.zeros((1, 2, 3))),
        lambda: model.sample(2),
        lambda: model.impute(X, X > 2),
        lambda: model.partial_fit(X),
    ):
        with pytest.raises(ValueError, match="was changed after fitting"):
            verb()
    assert model.fit(X).transform(X).shape == (5, 6, 3)


def test_an_unfitted_model_says_so():
    for kind in (TRBM, CRBM, RTRBM):
        model = kind(**SETTINGS)
        for verb in (
            lambda: model.denoise(X),
            lambda: model.reconstruct(X, X),
            lambda: model.decode(X),
            lambda: model.impute(X, X > 2),
        ):
            with pytest.raises(ValueError, match="not fitted"):
                verb()


H = random_array(5, 6, 3)
WRONG_H = {
    "another number of units": (H[..., :2], ValueError, "H must have 3 hidden units"),
    "2-D": (H[0], ValueError, "H must have 3 dimensions"),
    "above 1": (1.5 * H + 0.1, ValueError, "H must lie in"),
    "NaN": (np.nan * H, ValueError, "H must be finite"),
    "text": ("states", TypeError, "H must"),
    "None": (None, TypeError, "H must"),
    "no frames": (H[:, :0], ValueError, "H must"),
    "objects": (np.full(H.shape, {}, dtype=object), TypeError, "H must hold real numbers"),
}


@pytest.mark.parametrize("wrong, error, match", WRONG_H.values(), ids=WRONG_H)
def test_wrong_hidden_states_are_called_H(wrong, error, match):
    model = TRBM(**SETTINGS).fit(X)
    before, generator = state(model), np.random.default_rng(0)
    with pytest.raises(error, match=match):
        model.reconstruct(X, wrong)
    with pytest.raises(error, match=match):
        model.decode(wrong, random_state=generator)
    assert state(model) == before
    assert generator.bit_generator.state == np.random.default_rng(0).bit_generator.state


def test_hidden_states_of_other_sequences_are_refused():
    model = TRBM(**SETTINGS).fit(X)
    for wrong in (H[:4], H[:, :5], list(H[:4]), [*H[:4], H[4, :3]]):
        with pytest.raises(ValueError, match="H must"):
            model.reconstruct(X, wrong)
    np.testing.assert_array_equal(model.reconstruct(X, H), np.stack(model.reconstruct(list(X), H)))
    with pytest.raises(ValueError, match="H must be sequences of one length"):
        model.decode([H[0], H[1, :2]])
    for prefix in (X[:2], X[0, :, :3], X[0, 0], "prefix", [X[0], X[1, :2]]):
        with pytest.raises((TypeError, ValueError), match="prefix"):
            model.decode(H, prefix)


def test_denoising_leaves_arrays_alone_and_takes_lists():
    model, data = TRBM(**SETTINGS).fit(X), X.astype(np.float32)
    data.flags.writeable = H.flags.writeable = False
    denoised = model.denoise(data)
    assert denoised.shape == X.shape and ((0 < denoised) & (denoised < 1)).all()
    model.reconstruct(data, H.astype(np.float32))
    assert [p.shape for p in model.denoise(RAGGED)] == [v.shape for v in RAGGED]
    changed = X.copy()
    changed[:, 3:] = 1 - changed[:, 3:]
    again = model.denoise(changed)
    np.testing.assert_array_equal(again[:, :3], denoised[:, :3])  # on line
    assert (again[:, 3] != denoised[:, 3]).any()  # and not a prediction
