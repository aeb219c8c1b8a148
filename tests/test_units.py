"""Kinds of visible units: their laws against sums and integrals, their draws, and what they refuse."""

import math

import numpy as np
import pytest
from helpers import Z_MAX, binary_states, central_differences, every_engine, largest_difference, over_seeds, z_scores
from numpy.testing import assert_allclose, assert_array_equal

import rtrbm
from rtrbm import RBM, RTRBM, user_data
from rtrbm.compute.engine import named
from rtrbm.rbm import Bernoulli, Gaussian, Poisson, ScaledGaussian, Softmax, partition
from rtrbm.rbm.chains import Draw, random_visible
from rtrbm.rbm.conditionals import free_energy

# Features far from 0, and constant ones, are what some of these tests are about.
pytestmark = pytest.mark.filterwarnings(
    "ignore:X has means of more", "ignore:X does not vary", "ignore:X varies so little"
)

V, H = 4, 3
KINDS = {
    "bernoulli": Bernoulli(),
    "gaussian": Gaussian(),
    "poisson": Poisson(),
    "softmax": Softmax(),
    "softmax of groups": Softmax((1, 3)),
    "scaled_gaussian": ScaledGaussian(),
}
every_kind = pytest.mark.parametrize("name", KINDS)


def random_inputs(n=6, scale=1.2, seed=0):
    """Total inputs of V units."""
    return scale * np.random.default_rng(seed).standard_normal((n, V))


def states_and_weights(units):
    """States of V units, (n, V), and the log of what a sum over them counts each with; None if units are independent
    and take many values."""
    if isinstance(units, Bernoulli):
        return binary_states(V)
    if units == Softmax():
        return np.eye(V)
    if isinstance(units, Softmax):
        return np.column_stack([np.ones(3), np.eye(3)])
    return None


def moments(units, a):
    """E[v] and Var[v] of every unit, and the log of the partition function, by sums and integrals over v."""
    states = states_and_weights(units)
    if states is not None:
        weight = np.exp(a @ states.T)
        p = weight / weight.sum(axis=1, keepdims=True)
        mean = p @ states
        return mean, p @ states**2 - mean**2, np.log(weight.sum(axis=1))
    if isinstance(units, Poisson):
        v = np.arange(400.0)
        log_weight = v * a[..., None] - np.array([math.lgamma(count + 1) for count in v])
    else:
        v = np.linspace(-30, 30, 60_001)  # with so smooth and narrow an integrand the sum's error is next to nothing
        log_weight = v * a[..., None] - v**2 / 2 + np.log(v[1] - v[0])
    weight = np.exp(log_weight)
    total = weight.sum(axis=-1)
    mean = (weight * v).sum(axis=-1) / total
    return mean, (weight * v**2).sum(axis=-1) / total - mean**2, np.log(total).sum(axis=-1)


# --------------------------------------------------------------------------------------------- laws


@every_kind
def test_mean_and_log_partition_are_the_sums_over_states(name):
    units, a = KINDS[name], random_inputs()
    mean, _, log_partition = moments(units, a)
    assert_allclose(units.mean(a), mean, rtol=0, atol=1e-12)
    assert_allclose(units.log_partition(a), log_partition, rtol=0, atol=1e-11)
    single = a.astype("f")
    assert units.mean(single).dtype == units.log_partition(single).dtype == np.float32
    assert_allclose(units.mean(single), mean, rtol=1e-5)
    out = a.copy()
    assert units.mean(out, out=out) is out  # in place
    assert_allclose(out, mean, rtol=0, atol=1e-12)


@every_kind
def test_mean_is_the_derivative_of_log_partition(name):
    """Also where the rate of counts is clipped, above 12."""
    units, a = KINDS[name], np.concatenate([random_inputs(), [[11.0, 13.0, 20.0, -30.0], [-500.0, 3.0, 12.5, 40.0]]])
    (derivative,) = central_differences(lambda a: units.log_partition(a).sum(), [a])
    assert_allclose(units.mean(a), derivative, rtol=1e-7, atol=1e-6)


@every_kind
def test_large_inputs_overflow_nothing(name):
    for dtype in ("float32", "float64"):
        a = np.array([[1e4, -1e4, 500, 0], [-1e4, -1e4, -1e4, -1e4], [1e4, 1e4, 1e4, 1e4]], dtype)
        units = KINDS[name]
        assert np.isfinite(units.mean(a)).all() and np.isfinite(units.log_partition(a)).all()


@every_kind
def test_log_base_makes_probabilities_that_add_up_to_1(name):
    """P(v | a) = exp(v a + log_base(v) - log_partition(a)), over all states of one unit or, softmax, of all."""
    units, a = KINDS[name], random_inputs(3)
    states = states_and_weights(units)
    if states is not None:
        log_p = a @ states.T + units.log_base(states) - units.log_partition(a)[:, None]
        assert_allclose(np.exp(log_p).sum(axis=1), 1, rtol=1e-12)
        return
    v = np.arange(400.0)[:, None] if isinstance(units, Poisson) else np.linspace(-30, 30, 60_001)[:, None]
    step = 1 if isinstance(units, Poisson) else v[1, 0] - v[0, 0]
    for x in a[:, :1]:
        log_p = v[:, 0] * x + units.log_base(v) - units.log_partition(x[None])
        assert abs(step * np.exp(log_p).sum() - 1) < 1e-11


def test_log_base_of_counts_of_any_type():
    counts = np.array([[0, 1, 5], [2, 3, 170]])
    expected = [-sum(math.lgamma(v + 1) for v in row) for row in counts.tolist()]
    for dtype, tolerance in ((int, 1e-14), (float, 1e-14), ("float32", 1e-6)):
        found = Poisson().log_base(counts.astype(dtype))
        assert_allclose(found, expected, rtol=tolerance)
        assert found.dtype == (np.float32 if dtype == "float32" else float)


@every_kind
def test_bias_gives_units_the_mean_of_the_data(name):
    """Up to half a count that keeps it finite: with n frames of data it is off by 1 / n or less."""
    units, n = KINDS[name], 10**6
    mean = units.mean(random_inputs(1))[0]
    assert_allclose(units.mean(units.bias(mean, n)[None])[0], mean, atol=3 / n)
    extreme = (
        np.array([0.0, 1.0, 0.0, 0.0]) if isinstance(units, Softmax | Bernoulli) else np.array([0.0, 1e5, 0.0, 7.0])
    )
    assert np.isfinite(units.bias(extreme, 10)).all()


# -------------------------------------------------------------------------------------------- draws

N_DRAWS = 40_000


def worst(draws, mean, variance):
    """The largest z-score of means and variances; a unit that never changes has its mean exactly."""
    still = variance < 1e-12
    assert np.allclose(draws[:, still], mean[still], rtol=0, atol=1e-9)
    draws, mean, variance = draws[:, ~still].astype(float), mean[~still], variance[~still]
    spread = (draws - mean) ** 2
    varies = spread.std(axis=0) > 1e-9  # not of a fair coin: both its values are as far from 1/2
    of_spread = z_scores(spread[:, varies], variance[varies])
    return max(np.abs(z_scores(draws, mean)).max(), np.abs(of_spread).max(initial=0))


@every_kind
def test_draws_have_the_units_mean_and_variance(name):
    """Control: those of another input."""
    units, a = KINDS[name], random_inputs(1) + 0.1
    mean, variance, _ = (part[0] for part in moments(units, a))
    draws = units.draw(np.broadcast_to(units.mean(a), (N_DRAWS, V)), np.random.default_rng(0))
    assert worst(draws, mean, variance) < Z_MAX
    other, of_other, _ = (part[0] for part in moments(units, a + [[0.1, 0, 0.3, -0.1]]))
    assert worst(draws, other, of_other) > 2 * Z_MAX


@every_engine
@every_kind
def test_samples_of_a_chain_have_the_units_mean_and_variance(name, engine):
    """From the total input h W + b, and from means, in single and double precision, by either engine's numbers."""
    units, rng = KINDS[name], np.random.default_rng(1)
    h, W, b = np.array([[1.0, 0.0, 1.0]]), 0.6 * rng.standard_normal((H, V)), 0.5 * rng.standard_normal(V)
    mean, variance, _ = (part[0] for part in moments(units, h @ W + b))
    for dtype in ("float32", "float64"):
        ((_, noise),) = Draw(3, "chain").chains_of_rows(300, named(engine))[:1]
        states = np.repeat(h, len(_), axis=0).astype(dtype)
        weights, bias = (units.scale * W).astype(dtype), (units.scale * b).astype(dtype)
        out, scratch, from_input, from_mean = *np.empty((2, len(_), V), dtype), [], []
        for _repeat in range(N_DRAWS // len(_)):
            units.sample_given(states, weights, bias, noise, out, scratch)
            from_input.append(out.copy())
            units.mean_given(states, weights, bias, noise, out)
            assert_allclose(out, np.broadcast_to(mean, out.shape), rtol=1e-5)
            units.sample_mean(out, noise, scratch)
            from_mean.append(out.copy())
        for draws in (np.concatenate(from_input), np.concatenate(from_mean)):
            units.check(draws, "draws")
            assert worst(draws, mean, variance) < Z_MAX
            assert worst(draws, mean + 0.08 * np.sqrt(variance), variance) > 2 * Z_MAX  # control


@every_kind
def test_noise_is_that_of_inputs_of_0(name):
    units = KINDS[name]
    mean, variance, _ = (part[0] for part in moments(units, np.zeros((1, V))))
    chains = Draw(0, "chain").chains_of_rows(N_DRAWS, named("numpy"))
    v = random_visible((N_DRAWS, V), np.dtype("float32"), units, chains)
    units.check(v, "noise")
    assert worst(v, mean, variance) < Z_MAX
    assert worst(v, mean + 0.08 * np.sqrt(variance), variance) > 2 * Z_MAX  # control


def test_softmax_never_draws_what_is_impossible():
    """Units of weight 0 stay off, at either end of a group too; in every group one is on."""
    units = Softmax((3, 1, 2))
    mean = np.array([[0.0, 1.0, 0.0, 1.0, 1.0, 0.0], [0.5, 0.0, 0.5, 1.0, 0.0, 1.0]])
    for dtype in ("float32", "float64"):
        draws = units.draw(np.repeat(mean, 2000, axis=0).astype(dtype), np.random.default_rng(0))
        assert not draws[np.repeat(mean == 0, 2000, axis=0)].any()
        assert_array_equal(np.add.reduceat(draws, [0, 3, 4], axis=1), 1)
        ends = units._switch_on(mean.astype(dtype), np.array([[0.0] * 3, [np.nextafter(1, 0)] * 3]))
        assert_array_equal(ends, [[0, 1, 0, 1, 1, 0], [0, 0, 1, 1, 0, 1]])


# ------------------------------------------------------------------------------------- in a model


def frames(units, n, seed=0):
    rng = np.random.default_rng(seed)
    if isinstance(units, Softmax):
        return np.concatenate([np.eye(size)[rng.integers(size, size=n)] for size in units.groups or (V,)], axis=1)
    if isinstance(units, Poisson):
        return rng.poisson(1.5, (n, V)).astype(float)
    return rng.standard_normal((n, V)) if isinstance(units, Gaussian) else rng.integers(2, size=(n, V)).astype(float)


def random_params(units, seed=2):
    """Parameters of an RTRBM at which all kinds of units mix within some steps, but not in one."""
    rng, scale = np.random.default_rng(seed), {"poisson": 0.25, "softmax": 1.2, "bernoulli": 1}.get(units.name, 0.5)
    params = {"W": (V, H), "U": (H, H), "b_v": V, "b_h": H, "b_init": H, "U_v": (H, V)}
    own = {} if units.shape(V) is None else {"units": 0.3 * rng.standard_normal(V)}
    return {name: scale * rng.standard_normal(shape) for name, shape in params.items()} | own


@every_engine
@every_kind
def test_long_chains_are_unbiased_and_one_step_is_not(name, engine):
    """CD-25 against the exact gradient, in single precision, where the engines differ."""
    units, n_copies, n_draws = KINDS[name], 120, 25
    params, X = random_params(units), frames(units, 3)
    exact = RTRBM.from_params(params, visible=units).gradient([X], method="exact")
    settings = {"visible": units, "dtype": "float32", "engine": engine, "n_jobs": 1}
    z = {}
    for k in (1, 25):
        model = RTRBM.from_params(params, n_gibbs=k, **settings)
        draws = [model.gradient(np.repeat(X[None], n_copies, axis=0), random_state=i) for i in range(n_draws)]
        moving = [np.array([d.W[1:].ravel() for d in draws]), np.array([d.b_h for d in draws])]
        z[k] = max(np.abs(z_scores(part, e.ravel())).max() for part, e in zip(moving, (exact.W[1:], exact.b_h)))
    assert z[25] < Z_MAX + 1  # 15 numbers of Student's t with 24 degrees of freedom: 3e-4
    assert z[1] > 2 * Z_MAX  # control


@every_kind
def test_samples_of_a_model_have_its_mean(name):
    """The first frame of `sample`, and the one-step prediction of it, against the sum over hidden states. Control: the
    mean with all hidden units off."""
    units = KINDS[name]
    params = random_params(units)
    model = RTRBM.from_params(params, visible=units, n_jobs=1)
    h = binary_states(H)
    a = params["b_v"] + h @ params["W"].T
    given_h, _, log_z = moments(units, a)
    weight = np.exp(h @ (params["b_h"] + params["b_init"]) + log_z)
    scale = np.exp(params["units"]) if "units" in params else 1
    mean, off = scale * (weight / weight.sum() @ given_h), scale * given_h[0]
    some = slice(1, V)  # unit 0 of a softmax group of one is always on
    _, states = model.sample(1, 4000, random_state=0, n_gibbs=30, return_states=True)
    units.check(states, "states")
    assert np.abs(z_scores(states[:, 0, some], mean[some])).max() < Z_MAX
    assert np.abs(z_scores(states[:, 0, some], off[some])).max() > 2 * Z_MAX
    predicted = over_seeds(200, lambda seed: model.predict(frames(units, 1)[None], random_state=seed)[0, 0])
    assert np.abs(z_scores(predicted[:, some], mean[some])).max() < Z_MAX


@every_kind
def test_a_static_rbm_with_every_kind(name):
    """Its log-likelihood is a sum over hidden states, and every verb returns what it should."""
    units, X = KINDS[name], frames(KINDS[name], 30)
    model = RBM(H, visible=units, dtype="float64", n_gibbs=2, n_updates=60, learning_rate=0.03, random_state=0).fit(X)
    W, b_v, b_h, own = model.params_
    scale = 1 if own is None else np.exp(own)
    h = binary_states(H)
    log_z = np.log(np.exp(h @ b_h + moments(units, b_v + h @ W.T)[2]).sum())
    v = X / scale
    log_p = v @ b_v + np.log(np.exp(h @ b_h + v @ W @ h.T).sum(axis=1)) - log_z - np.log(scale * np.ones(V)).sum()
    if isinstance(units, Gaussian):
        log_p -= (v**2).sum(axis=1) / 2
    if isinstance(units, Poisson):
        log_p -= [sum(math.lgamma(count + 1) for count in row) for row in v]
    assert_allclose(model.score_samples(X), log_p, rtol=1e-10)
    assert_allclose(model.free_energy(X), -log_p - log_z, rtol=1e-10)
    units.check(model.gibbs(X, random_state=0), "a sample")
    units.check(model.sample(5, random_state=0, n_gibbs=5, return_states=True)[1], "a sample")
    assert model.denoise(X).shape == X.shape and model.transform(X).shape == (30, H)
    mask = np.zeros(X.shape, bool)
    mask[3] = True
    filled = model.impute(X, mask)
    assert_allclose(filled[~mask], X[~mask], rtol=1e-12) and np.isfinite(filled).all()
    found = partition.log_partition(W, b_v, b_h, units, method="ais", random_state=0)
    assert found.lower[0] < log_z < found.upper[0] and found.upper[0] - found.lower[0] < 1


def test_learned_variances_are_those_of_the_data():
    rng = np.random.default_rng(0)
    sigma = np.array([0.01, 1.0, 30.0, 2.0])
    X = 5 * sigma + sigma * rng.standard_normal((400, 1, V))
    settings = {"n_gibbs": 1, "n_updates": 400, "batch_size": 400, "learning_rate": 0.02, "random_state": 0}
    model = RTRBM(1, visible="scaled_gaussian", **settings).fit(X)
    assert_allclose(np.exp(model.params_.units), X[:, 0].std(axis=0), rtol=0.05)
    assert_allclose(model.sample(1, 2000, random_state=0, return_states=True)[1].std(axis=(0, 1)), sigma, rtol=0.15)


every_dtype = pytest.mark.parametrize("dtype", ["float32", "float64"])
every_constant = pytest.mark.parametrize("constant", [0.1, 1000.3])


def with_a_constant(constant, dtype, n_frames=7):
    """Sequences of which feature 1 has one value, in the mean and deviation of which there are rounding errors."""
    X = np.random.default_rng(0).standard_normal((40, n_frames, V))
    X[..., 1] = constant
    return X.astype(dtype)


@every_dtype
@every_constant
def test_a_constant_feature_has_its_own_size_as_its_scale(constant, dtype):
    X, seen = with_a_constant(constant, dtype), []
    assert_allclose(ScaledGaussian().start(X.reshape(-1, V))[1], np.log(constant), rtol=1e-6)
    assert ScaledGaussian().start(0 * X.reshape(-1, V))[1] == 0
    settings = {"n_gibbs": 1, "n_updates": 20, "random_state": 0, "n_jobs": 1, "dtype": dtype, "learning_rate": 0.003}
    for kind, data in ((RTRBM, X), (RBM, X[:, 0])):
        model = kind(H, visible="scaled_gaussian", **settings)
        model.fit(data, callbacks=[lambda model: seen.append(model.params_.units[1])])
        assert np.abs(np.array(seen) - np.log(constant)).max() < 0.1  # Adam takes at most 20 steps of 0.003
        varying = model.params_.units[[0, 2, 3]]
        assert_allclose(varying, np.log(data.reshape(-1, V)[:, [0, 2, 3]].std(axis=0)), atol=0.2)


@every_dtype
@every_constant
def test_a_constant_feature_leaves_hidden_units_alone(constant, dtype):
    """None is on or off for all data alike."""
    X = with_a_constant(constant, dtype)
    settings = {"n_gibbs": 1, "n_updates": 20, "random_state": 0, "n_jobs": 1, "dtype": dtype}
    states = RTRBM(H, visible="scaled_gaussian", **settings).fit(X).transform(X)
    assert 0.05 < states.min() < states.max() < 0.95
    assert states.std(axis=(0, 1)).min() > 1e-3


def test_a_small_variation_around_a_large_mean_is_kept():
    """Of 2e-4 of the mean, a thousand times what single precision resolves. Control: one of rounding errors is not."""
    rng = np.random.default_rng(0)
    v = (1000 + 0.2 * rng.standard_normal((500, V))).astype("f")
    assert_allclose(np.exp(ScaledGaussian().start(v)), v.std(axis=0, dtype=float), rtol=1e-5)
    settings = {"n_gibbs": 1, "learning_rate": 1e-6, "batch_size": 500, "n_updates": 1, "random_state": 0}
    model = RBM(H, visible="scaled_gaussian", **settings).fit(v)
    assert_allclose(np.exp(model.params_.units), 0.2, rtol=0.1)
    assert model.params_.units.dtype == np.float32
    constant = np.full((500, V), 1000.3, "f")
    constant[::2] = np.nextafter(constant[::2], np.float32(0))
    assert_allclose(ScaledGaussian().start(constant), np.log(1000.3), rtol=1e-6)


def test_a_change_of_scale_changes_nothing_but_the_scale():
    """Features times s and sigma times s: log-densities lose log s a frame, predictions are s times as large."""
    units, s = ScaledGaussian(), np.array([0.01, 3.0, 100.0, 1.0])
    params, X = random_params(units), np.stack([frames(units, 5), frames(units, 5, seed=1)])
    scaled = params | {"units": params["units"] + np.log(s)}
    one, other = (RTRBM.from_params(p, visible=units, random_state=0) for p in (params, scaled))
    assert_allclose(other.log_likelihood(s * X), one.log_likelihood(X) - 5 * np.log(s).sum(), rtol=1e-12)
    for verb in (RTRBM.predict, RTRBM.denoise):
        assert_allclose(verb(other, s * X), s * verb(one, X), rtol=1e-10)
    assert_allclose(other.transform(s * X), one.transform(X), rtol=1e-10)
    d, e = one.gradient(X, method="exact"), other.gradient(s * X, method="exact")
    assert largest_difference(d, e) < 1e-10


# -------------------------------------------------------------------------------------- what users give


def test_a_name_stands_for_its_kind(tmp_path):
    X = frames(Poisson(), 6)[None]
    settings = {"n_gibbs": 1, "n_updates": 2, "random_state": 0}
    by_name, by_object = (RTRBM(H, visible=v, **settings).fit(X) for v in ("poisson", Poisson()))
    assert largest_difference(by_name.params_, by_object.params_) == 0
    known = r"'bernoulli', .*'softmax' \(a class of yours must be imported first\)"
    with pytest.raises(ValueError, match=f"visible must be one of {known}, or an object of class Units"):
        RTRBM(visible="counts").fit(X)
    groups = np.array([1, 3])  # numbers of any kind of integer
    model = RTRBM(H, visible=Softmax(groups), **settings).fit(frames(Softmax((1, 3)), 6)[None])
    model.save(tmp_path / "model.h5")
    assert rtrbm.load(tmp_path / "model.h5").visible == Softmax((1, 3))


FRAME = np.array([[1.0, 0.0, 0.0, 0.0]])


@pytest.mark.parametrize(
    "units, frame, message",
    [
        (Poisson(), [1, 0, 1.5, 2], "must hold counts for Poisson units, whole numbers from 0, got values from 0 to 2"),
        (Poisson(), [1, 0, -1, 2], "must hold counts for Poisson units, whole numbers from 0, got values from -1 to 2"),
        (Poisson(), [1, 0, 200_000, 2], "must hold counts of at most 166009 for Poisson units, got 200000; divide"),
        (Softmax(), [1, 1, 0, 0], "must be one-hot for softmax units: .* add up to 1, .* sums from 2 to 2"),
        (Softmax(), [0, 0, 0, 0], "must be one-hot for softmax units: .* sums from 0 to 0"),
        (Softmax(), [2, 0, -1, 0], "must be one-hot for softmax units: .* got values from -1 to 2"),
        (Softmax((2, 2)), [0, 0, 0, 1], "must be one-hot for softmax units: every group .* sums from 0 to 1"),
        (Softmax((2, 3)), [1, 0, 0, 1], r"groups of Softmax must add up to the 4 features of X, got \(2, 3\)"),
        (Softmax((2,)), [1, 0, 0, 1], r"groups of Softmax must add up to the 4 features of X, got \(2,\)"),
        (Bernoulli(), [1, 0, 2, 0], "must lie in .0, 1. for Bernoulli units"),
    ],
)
def test_frames_that_units_cannot_have(units, frame, message):
    X = np.array([[frame]], float)
    for verb in (lambda: RTRBM(H, visible=units).fit(X), lambda: RBM(H, visible=units).fit(X[0])):
        with pytest.raises(ValueError, match=message):
            verb()
    if "add up to the" in message:
        return
    model = RTRBM.from_params({**random_params(units)}, visible=units)
    for verb in (model.predict, model.transform, lambda X: model.sample(1, prefix=X[0])):
        with pytest.raises(ValueError, match=message):
            verb(X)


LIMITS = [0.0, -0.0, 1.0, 1e-45, -1e-45, 0.5, -0.5, 1.5, 255.0, math.nan, -math.nan, math.inf, -math.inf]


@pytest.mark.parametrize("dtype, is_told", [("float32", True), ("float64", True), (">f4", False), ("float16", False)])
@pytest.mark.parametrize("place", [(0, 0, 0), (1, 33, 7), (2, 69, 39)])
def test_a_look_at_numbers_as_integers_tells_whether_they_lie_in_0_to_1(place, dtype, is_told):
    X = np.random.default_rng(0).integers(0, 2, (3, 70, 40)).astype(dtype)
    for value in (np.nextafter(x, towards) for x in LIMITS for towards in (-9, x, 9)):
        with np.errstate(all="ignore"):
            X[place] = value
        fine = (X >= 0).all() and (X <= 1).all() and not np.signbit(X).any()
        assert user_data._are_up_to(X[::-1], 1) == (fine and is_told)
        assert not user_data._are_up_to(X, math.inf)


@every_engine
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_largest_counts_that_are_drawn_are_data(dtype, engine):
    """Of the largest rate, e^12: half of the draws are above it, some by more than three standard deviations."""
    units, shape = Poisson(), (20_000, V)
    mean = units.mean(np.full(shape, 13.0, dtype))
    of_chains = mean.copy()
    for rows, noise in Draw(0, "chain").chains_of_rows(len(mean), named(engine)):
        tile = mean[rows]
        units.sample_mean(tile, noise, [])
        of_chains[rows] = tile
    for v in (of_chains, units.draw(mean, np.random.default_rng(0))):
        units.check(v, "the draws")  # raises if units cannot have these values
        assert v.max() > math.exp(12) + 3 * math.exp(6)
    with pytest.raises(ValueError, match="must hold counts of at most"):
        units.check(mean.round() + 8000, "X")  # control


def test_samples_of_the_largest_rate_are_data():
    params = random_params(Poisson()) | {"b_v": np.full(V, 14.0)}
    model = RTRBM.from_params(params, visible="poisson", n_gibbs=1, random_state=0, n_jobs=1)
    means, states = model.sample(3, 50, random_state=0, n_gibbs=2, return_states=True)
    assert states.max() > means.max()
    assert model.transform(states).shape == (50, 3, H)
    assert np.isfinite(model.predict(states, protocol="mean_field")).all()
    assert model.sample(1, 50, prefix=states, random_state=0, n_gibbs=1).shape == (50, 1, V)


@pytest.mark.parametrize(
    "groups, error", [((), TypeError), ((2, 0), ValueError), (3, TypeError), ((2.0, 2.0), TypeError)]
)
def test_groups_are_numbers_of_units(groups, error):
    with pytest.raises(error, match="groups must be"):
        Softmax(groups)


def test_probabilities_of_symbols_are_data_too():
    """What `predict` and `impute` return can be handed in again."""
    model = RTRBM.from_params(random_params(Softmax((2, 2))), visible=Softmax((2, 2)))
    X = np.full((1, 3, V), 0.5)
    assert model.predict(model.predict(X)).shape == X.shape


def test_missing_symbols_are_whole_groups():
    model = RTRBM.from_params(random_params(Softmax((2, 2))), visible=Softmax((2, 2)), random_state=0)
    X = np.array([[[1, 0, 0, 1], [0, 1, 0, 1.0]]])
    mask = np.zeros(X.shape, bool)
    mask[0, 1, :2] = True
    filled = model.impute(np.where(mask, np.nan, X), mask)
    assert_array_equal(filled[~mask], X[~mask])
    assert_allclose(filled.reshape(1, 2, 2, 2).sum(axis=3), 1)
    mask[0, 1, 1] = False
    with pytest.raises(ValueError, match="got 1 of the 2 of group 0 in sequence 0, frame 1: let all of it be NaN"):
        model.impute(X, mask)


def test_free_energy_of_counts():
    """F(v) = -v b_v - sum_j log(1 + exp(v W + b_h)_j) + sum_i log v_i!."""
    rng = np.random.default_rng(0)
    v, W, b_v, b_h = (
        rng.poisson(2.0, (5, V)),
        rng.standard_normal((V, H)),
        rng.standard_normal(V),
        rng.standard_normal(H),
    )
    expected = -(v @ b_v) - np.log1p(np.exp(v @ W + b_h)).sum(axis=1) + [sum(map(math.lgamma, row + 1)) for row in v]
    assert_allclose(free_energy(v, W, b_v, b_h, Poisson()), expected, rtol=1e-12)
