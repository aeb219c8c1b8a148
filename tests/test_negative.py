"""Persistent chains and parallel tempering against exact transition matrices and exact averages of small RBMs."""

import numpy as np
import pytest
from helpers import (
    Z_MAX,
    binary_states,
    chi_square_z,
    down_kernel,
    every_engine,
    frame_energies,
    log_sum,
    sigmoid,
    state,
    state_codes,
    up_kernel,
    visible_distribution,
    z_scores,
)

from rtrbm import CRBM, RBM, RTRBM, TRBM, load
from rtrbm.biases import Biases
from rtrbm.compute.engine import NUMPY, named
from rtrbm.gradient import Model, gradient
from rtrbm.minibatches.sequences import layout
from rtrbm.parameters import arrays
from rtrbm.past.conditioner import RBMParams, Static
from rtrbm.rbm import Bernoulli, FromNoise, Gaussian, Persistent, Poisson, Softmax, Tempered, exact, tempered
from rtrbm.rbm.chains import Draw
from rtrbm.rbm.negative import CD

DTYPES = ["float32", "float64"]
PHASES = {"pcd": Persistent, "tempered": Tempered}


def slow_rbm(dtype="float64", scale=2.0):
    """W (4, 3), b_v, b_h, balanced, whose chain forgets slowly: a step more or less is seen in its distribution."""
    rng = np.random.default_rng(0)
    W = scale * np.sign(rng.standard_normal((4, 3))) * rng.uniform(0.5, 1, (4, 3))
    b_v, b_h = 0.3 * rng.standard_normal(4) - W.sum(axis=1) / 2, 0.3 * rng.standard_normal(3) - W.sum(axis=0) / 2
    return W.astype(dtype), b_v.astype(dtype), b_h.astype(dtype)


def random_rbm(n_visible=4, n_hidden=3, scale=0.8, seed=0):
    rng = np.random.default_rng(seed)
    shapes = (n_visible, n_hidden), n_visible, n_hidden
    return RBMParams(*(scale * rng.standard_normal(shape) for shape in shapes))


def averages(phase, chains, W, b_v, b_h, units=Bernoulli(), n_rows=7, update=0, seed=0, engine=NUMPY):
    """The averages of a phase, and its chains after them."""
    h_pos, draw = np.zeros((n_rows, len(b_h)), W.dtype), Draw(seed, "chain", (update,))
    return phase.averages(chains, h_pos, W, Biases(b_v, b_h), units, layout([1] * n_rows), draw, engine)


def transition(beta, W, b_v, b_h, k=1):
    """P(v after k steps | v) at that inverse temperature, (states, states)."""
    step = up_kernel(beta * W, beta * b_h) @ down_kernel(beta * W, beta * b_v)
    return np.linalg.matrix_power(step, k)


def at_temperature(beta, W, b_v, b_h):
    """p_beta(v) of every state."""
    return visible_distribution(beta * W, beta * b_v, beta * b_h)


def counted(v):
    """How often each binary state occurs among rows."""
    assert np.isin(v, (0, 1)).all()
    return np.bincount(state_codes(v.astype(float)), minlength=2 ** v.shape[-1])


# One step, from known states


@every_engine
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("k", [1, 2, 4])
def test_persistent_chains_move_as_the_transition_matrix_says(k, dtype, engine):
    rbm, v = slow_rbm(dtype), binary_states(4)
    for start in (0, 9):
        chains = np.tile(v[start], (40_000, 1)).astype(dtype)
        average, after = averages(Persistent(k), chains, *rbm, engine=named(engine))
        assert after.dtype == average.v.dtype == average.h.dtype == average.vh().dtype == np.dtype(dtype)
        assert np.array_equal(chains, np.tile(v[start], (40_000, 1)))  # the chains handed in stay as they are
        counts = counted(after)
        assert abs(chi_square_z(counts, transition(1, *rbm, k)[start])) < Z_MAX
        assert chi_square_z(counts, transition(1, *rbm, k + 1)[start]) > Z_MAX  # controls
        assert chi_square_z(counts, transition(0.9, *rbm, k)[start]) > Z_MAX


@every_engine
@pytest.mark.parametrize("dtype", DTYPES)
def test_tempered_chains_move_as_their_temperatures_say(dtype, engine):
    """Without an exchange: two temperatures exchange in even updates only."""
    rbm, v, betas = slow_rbm(dtype), binary_states(4), (1, 0.6)
    chains = np.broadcast_to(v[[0, 9]][:, None], (2, 40_000, 4)).astype(dtype)
    _, after = averages(Tempered(2, betas=betas), chains, *rbm, update=1, engine=named(engine))
    assert after.dtype == np.dtype(dtype)
    for start, beta, other, states in zip((0, 9), betas, betas[::-1], after):
        counts = counted(states)
        assert abs(chi_square_z(counts, transition(beta, *rbm, 2)[start])) < Z_MAX
        assert chi_square_z(counts, transition(beta, *rbm, 3)[start]) > Z_MAX  # controls
        assert chi_square_z(counts, transition(other, *rbm, 2)[start]) > Z_MAX
    pairs = np.concatenate(list(after), axis=1)
    both = np.outer(transition(1, *rbm, 2)[0], transition(0.6, *rbm, 2)[9]).ravel()
    assert abs(chi_square_z(counted(pairs), both)) < Z_MAX  # the temperatures' noise is independent
    _, same = averages(Tempered(2, betas=betas), chains, *rbm, update=0, engine=named(engine))
    assert abs(chi_square_z(counted(same[0]), transition(1, *rbm, 2)[0])) > Z_MAX  # control: they did exchange


@pytest.mark.parametrize("phase", [Persistent(1, 50), Tempered(1, 50, betas=(0, 0.5, 1)), Tempered(1, 50, (1, 0.5))])
@pytest.mark.parametrize("n_rows", [7, 50, 90])
def test_the_averages_are_those_of_the_chains_at_beta_1(phase, n_rows):
    W, b_v, b_h = random_rbm()[:3]
    average, chains = averages(phase, None, W, b_v, b_h, n_rows=n_rows)
    if isinstance(phase, Tempered):
        assert chains.shape == (len(phase.betas), 50, 4)
        chains = chains[phase.betas.index(1)]
    h = sigmoid(chains @ W + b_h)
    np.testing.assert_allclose(average.vh(), n_rows / 50 * chains.T @ h, rtol=1e-12)
    np.testing.assert_allclose(average.v, np.tile(chains.mean(axis=0), (n_rows, 1)), rtol=1e-12)
    np.testing.assert_allclose(average.h, np.tile(h.mean(axis=0), (n_rows, 1)), rtol=1e-12)


def test_chains_start_with_noise_of_independent_units():
    """Before the first step; a step at beta = 0 keeps that distribution."""
    W, b_v, b_h = slow_rbm()
    _, chains = averages(Tempered(1, 40_000, betas=(0, 1)), None, W, b_v, b_h, update=1)
    coins = np.full(16, 1 / 16)
    assert abs(chi_square_z(counted(chains[0]), coins)) < Z_MAX
    for after in (chains[1], averages(Persistent(1, 40_000), None, W, b_v, b_h)[1]):
        assert abs(chi_square_z(counted(after), coins @ transition(1, W, b_v, b_h))) < Z_MAX
        assert chi_square_z(counted(after), coins) > Z_MAX  # control


# At the model's distribution


def exact_states(n, W, b_v, b_h, units, beta=1.0, seed=0):
    """Independent samples of p_beta(v): h from its distribution by enumeration, then v given h."""
    rng, h = np.random.default_rng(seed), binary_states(W.shape[1])
    log_p = beta * (h @ b_h) + units.log_partition(beta * (b_v + h @ W.T))
    h = h[rng.choice(len(h), n, p=np.exp(log_p - log_sum(log_p)))]
    return units.draw(units.mean(beta * (b_v + h @ W.T)), rng)


KINDS = {"bernoulli": Bernoulli(), "gaussian": Gaussian(), "poisson": Poisson(), "softmax": Softmax((2, 2))}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", PHASES)
def test_the_gradient_at_the_models_distribution_averages_to_the_exact_one(name, kind):
    """Over 300 runs of 3 updates with 40 chains each, that start at exact samples; the parameters stay."""
    params, units = random_rbm(scale=0.5 if kind == "poisson" else 0.8), KINDS[kind]
    betas = (0.4, 1.0)
    phase = Persistent(1, 40) if name == "pcd" else Tempered(1, 40, betas)
    v = exact_states(5, *params[:3], units, beta=0.0, seed=1)
    where = layout([1] * len(v))

    def gradient_by(average):
        return gradient(Model(Static(), units), params, v, where, lambda *_: average, NUMPY)[0]

    exactly = exact.averages(*params[:3], units)
    v_mean, h_mean = (np.broadcast_to(mean, (5, mean.shape[1])) for mean in exactly[1:])
    expected = gradient_by(exact.Averages(lambda: 5 * exactly.vh(), v_mean, h_mean))
    found, hot, other = [], [], []
    for run in range(300):
        chains = [exact_states(40, *params[:3], units, beta, seed=(run, i)) for i, beta in enumerate(betas)]
        chains = chains[1] if name == "pcd" else np.stack(chains)
        total = 0
        for update in range(3):
            average, chains = averages(phase, chains, *params[:3], units, 5, update, seed=run)
            total = total + _flat(gradient_by(average)) / 3
        found.append(total)
        hot.append(chains[0].mean(axis=0))
        average, _ = averages(phase, np.broadcast_to(v[0], chains.shape), *params[:3], units, 5, seed=run)
        other.append(_flat(gradient_by(average)))
    assert np.abs(z_scores(found, _flat(expected))).max() < Z_MAX
    assert np.abs(z_scores(other, _flat(expected))).max() > Z_MAX  # control: a step from one state
    if name == "tempered":  # the hot chains keep p_0.4, which is not the model
        expected = exact.averages(*(0.4 * p for p in params[:3]), units).v[0]
        assert np.abs(z_scores(hot, expected)).max() < Z_MAX < np.abs(z_scores(hot, exactly.v[0])).max()


def _flat(params):
    return np.concatenate([a.ravel() for a in arrays(params)])


def small_rbm():
    """A balanced 2 x 2 RBM, whose chain forgets slowly."""
    W = np.array([[6.0, -3.0], [4.5, 5.4]])
    return W, [0.3, -0.2] - W.sum(axis=1) / 2, [0.2, 0.4] - W.sum(axis=0) / 2


def with_betas(*others):
    """An `exchange` that takes other temperatures than the chains have: a wrong rule of acceptance."""
    right = tempered.exchange
    return lambda v, a, b_v, betas, *rest: right(v, a, b_v, others, *rest)


def exchange_always(v, a, b_v, betas, parity, rng, engine):
    for i in range(parity, len(betas) - 1, 2):
        v[[i, i + 1]], a[[i, i + 1]] = v[[i + 1, i]], a[[i + 1, i]]


@pytest.mark.parametrize("betas", [(0.3, 1.0), (1.0, 0.5, 0.0)])
def test_the_joint_distribution_of_all_temperatures_stays(betas, monkeypatch):
    rbm, n_chains = small_rbm(), 25_000
    rng = np.random.default_rng(0)
    p = [at_temperature(beta, *rbm) for beta in betas]
    start = np.stack([binary_states(2)[rng.choice(4, n_chains, p=one)] for one in p])
    joint = p[0]
    for one in p[1:]:
        joint = np.outer(joint, one).ravel()

    def score(rounds=9):
        chains = start
        for update in range(rounds):
            _, chains = averages(Tempered(betas=betas), chains, *rbm, update=update)
        return chi_square_z(counted(np.concatenate(list(chains), axis=1)), joint)

    assert abs(score()) < Z_MAX
    wrong = [exchange_always, with_betas(*(np.array(betas) / 2)), with_betas(*betas[::-1])]
    for rule in wrong:  # controls
        monkeypatch.setattr(tempered, "exchange", rule)
        assert score() > Z_MAX


@pytest.mark.parametrize("visible", ["bernoulli", "gaussian"])
@pytest.mark.parametrize("betas", [(0.3, 0.8), (1.0, 0.0)])
def test_states_are_exchanged_with_the_right_probability(betas, visible):
    W, b_v, b_h = small_rbm()
    states = binary_states(2) if visible == "bernoulli" else np.random.default_rng(0).standard_normal((4, 2))
    n = 4_000

    def log_p(beta, v):  # + log Z
        energies = frame_energies(v, W, b_v, b_h, visible)
        base = -0.5 * v @ v if visible == "gaussian" else 0.0
        return base + log_sum(beta * (energies - base))

    cold, hot = betas
    exchanged, right, wrong = [], [], []
    for one in states:
        for two in states:
            if (one == two).all():
                continue
            v = np.repeat(np.stack([one, two])[:, None], n, axis=1)
            a = v @ W + b_h
            tempered.exchange(v, a, b_v, betas, 0, np.random.default_rng(len(right)), NUMPY)
            np.testing.assert_allclose(a, v @ W + b_h)  # the total inputs move with the states
            moved = (v[0] == two).all(axis=1)
            assert np.array_equal(moved, (v[1] == one).all(axis=1)) and np.array_equal(
                ~moved, (v[0] == one).all(axis=1)
            )
            ratio = log_p(cold, two) + log_p(hot, one) - log_p(cold, one) - log_p(hot, two)
            exchanged.append(moved.mean())
            right.append(min(1, np.exp(ratio)))
            wrong.append(min(1, np.exp(ratio / 2)))
    exchanged, right, wrong = map(np.array, (exchanged, right, wrong))
    error = np.sqrt(np.maximum(right * (1 - right), 0) / n)
    certain = right == 1
    assert certain.any() and not certain.all() and (exchanged[certain] == 1).all()
    z = (exchanged - right)[~certain] / error[~certain]
    assert np.abs(z).max() < Z_MAX
    assert np.abs((exchanged - wrong)[~certain] / error[~certain]).max() > Z_MAX  # control


def test_pairs_take_turns():
    """With all states alike but for a label that costs nothing, every exchange is made."""
    v = np.arange(5.0).reshape(5, 1, 1)
    a = np.zeros((5, 1, 1))
    for parity, order in enumerate([[1, 0, 3, 2, 4], [1, 3, 0, 4, 2]]):
        tempered.exchange(v, a, np.zeros(1), (0, 0.25, 0.5, 0.75, 1), parity, np.random.default_rng(0), NUMPY)
        assert v.ravel().tolist() == order


def test_every_update_draws_exchanges_of_its_own(monkeypatch):
    drawn = []
    monkeypatch.setattr(tempered, "exchange", lambda v, a, b_v, betas, parity, rng, engine: drawn.append(rng.random()))
    for update, seed in [(0, 0), (1, 0), (2, 0), (0, 1), (0, 0)]:
        averages(Tempered(1, 5), None, *random_rbm()[:3], update=update, seed=seed)
    assert len(set(drawn)) == 4 and drawn[0] == drawn[4]


# Two modes far apart


def bimodal(n_visible=20, w=6.0, odds=3.0):
    """A hidden unit that switches all visible units on or off: p(on) = odds / (1 + odds), and never by a Gibbs step.

    Two more hidden units without weights stand by.
    """
    W = np.zeros((n_visible, 3))
    W[:, 0] = w
    return {"W": W, "b_v": np.full(n_visible, -w / 2), "b_h": np.array([np.log(odds) - n_visible * w / 2, 0.3, -0.2])}


@pytest.mark.parametrize("betas", [np.linspace(0, 1, 9), [1, 0.85, 0.7, 0.5, 0.3, 0.1]])
def test_tempered_samples_visit_both_modes_in_proportion(betas):
    model = RBM.from_params(bimodal(), n_jobs=1)
    means, states = model.sample(1000, 0, n_gibbs=100, betas=betas, return_states=True)
    assert means.shape == states.shape == (1000, 20)
    on = (states.mean(axis=1) > 0.5).astype(float)
    assert abs(z_scores(on, 0.75)) < Z_MAX < abs(z_scores(on, 0.6))
    expected = 0.75 * sigmoid(3.0) + 0.25 * sigmoid(-3.0)
    assert abs(z_scores(means.mean(axis=1), expected)) < Z_MAX
    _, plain = model.sample(1000, 0, n_gibbs=100, return_states=True)
    assert (plain.mean(axis=1) < 0.5).all()  # control: the chains stay in the mode they start in
    assert np.array_equal(means, model.sample(1000, 0, n_gibbs=100, betas=betas))
    two_threads = model.set_params(n_jobs=2).sample(1000, 0, n_gibbs=100, betas=betas)
    assert np.array_equal(means, two_threads)


def test_tempered_samples_of_gaussian_units_visit_both_modes():
    """Means of 2 or -2 in 9 units: p(h = 1) / p(h = 0) = exp(b_h + sum_i (b_v + W_i)^2 / 2 - b_v^2 / 2) = 3."""
    params = {"W": np.full((9, 1), 4.0), "b_v": np.full(9, -2.0), "b_h": np.array([np.log(3.0)])}
    model = RBM.from_params(params, visible="gaussian", n_jobs=1)
    _, states = model.sample(1000, 0, n_gibbs=100, betas=np.linspace(0, 1, 9), return_states=True)
    assert abs(z_scores(states.mean(axis=1) > 0, 0.75)) < Z_MAX
    _, plain = model.sample(1000, 0, n_gibbs=100, return_states=True)
    assert (plain.mean(axis=1) < 0).all()  # control


def test_the_negative_phase_leaves_the_mode_it_starts_in():
    W, b_v, b_h = (bimodal()[name] for name in ("W", "b_v", "b_h"))
    n_chains, betas = 500, tuple(np.linspace(0, 1, 9))
    off = np.zeros((len(betas), n_chains, len(b_v)))
    for phase, chains, crosses in [(Tempered(betas=betas), off, True), (Persistent(), off[0], False)]:
        for update in range(150):
            average, chains = averages(phase, chains, W, b_v, b_h, update=update)
        on = (chains.reshape(-1, n_chains, len(b_v))[-1].mean(axis=1) > 0.5).astype(float)
        assert abs(z_scores(on, 0.75)) < Z_MAX if crosses else not on.any()


@pytest.mark.parametrize("betas", [None, (1.0,), [0, 1]])
def test_samples_after_one_step(betas):
    model = RBM.from_params(random_rbm(), n_jobs=1)
    means, states = model.sample(3, 0, n_gibbs=1, betas=betas, return_states=True)
    assert means.shape == (3, 4) and np.isin(states, (0, 1)).all()


# Training


def striped(n_rows=300, seed=0):
    """Rows whose left or right half is on, with noise."""
    rng = np.random.default_rng(seed)
    left = rng.random((n_rows, 1)) < 0.7
    p = np.where(np.arange(8) < 4, np.where(left, 0.9, 0.1), np.where(left, 0.1, 0.9))
    return (rng.random(p.shape) < p).astype(float)


SETTINGS = dict(n_hidden=6, n_gibbs=2, batch_size=80, random_state=0, n_jobs=1)  # the last minibatch is smaller
TRAINED = {
    "pcd": "pcd",
    "tempered": "tempered",
    "10 chains": Persistent(1, 10),
    "300 chains": Tempered(np.int64(1), np.int64(300), np.array([0, 0.5, 1])),
}


def everything(model):
    """`state` of a model, and its chains."""
    return state(model) | {"chains": (model.chains_.dtype, model.chains_.shape, model.chains_.tobytes())}


@every_engine
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", TRAINED)
def test_threads_and_a_stop_change_nothing(name, dtype, engine, tmp_path):
    settings = SETTINGS | dict(negative=TRAINED[name], n_updates=11, dtype=dtype, engine=engine)
    X, path = striped(), tmp_path / "run.h5"
    whole = RBM(**settings).fit(X)
    assert whole.chains_.dtype == np.dtype(dtype) and np.isin(whole.chains_, (0, 1)).all()
    assert everything(RBM(**settings | dict(n_jobs=2)).fit(X)) == everything(whole)
    RBM(**settings).fit(X, checkpoint=path, callbacks=[lambda model: model.n_updates_ == 5])
    assert load(path).n_updates_ == 5
    resumed = RBM(**settings).fit(X, checkpoint=path, resume=True)
    assert resumed.n_updates_ == 11 and everything(resumed) == everything(whole)
    other = RBM(**settings | dict(random_state=1)).fit(X)
    assert everything(other)["chains"] != everything(whole)["chains"]  # control


@pytest.mark.parametrize("name", TRAINED)
def test_a_file_keeps_the_chains(name, tmp_path):
    X, path = striped(), tmp_path / "model.h5"
    model = RBM(**SETTINGS | dict(negative=TRAINED[name], n_updates=4)).fit(X)
    model.save(path)
    loaded = load(path)
    assert loaded.negative == model.negative
    assert everything(loaded) == everything(model)
    for one in (model, loaded):
        one.partial_fit(X[:50])
    assert everything(loaded) == everything(model)
    model.chains_ = None  # control: the chains do count
    assert everything(model.partial_fit(X[:50])) != everything(loaded.partial_fit(X[:50]))


def test_the_first_minibatch_says_how_many_chains():
    model = RBM(**SETTINGS | dict(negative="pcd"))
    for n_rows in (30, 50, 7):
        assert model.partial_fit(striped(n_rows)).chains_.shape == (30, 8)
    model.set_params(negative="tempered")  # chains of another shape begin anew
    assert model.partial_fit(striped(50)).chains_.shape == (11, 30, 8)
    model.set_params(negative=Persistent(1, 20))
    assert model.partial_fit(striped(50)).chains_.shape == (20, 8)


PHASE_STEPS = {
    "cd": ("cd", [4, 4, 7]),
    "pcd": ("pcd", [4, 4, 7]),
    "CD(3)": (CD(3), [3, 3, 3]),
    "Persistent(2)": (Persistent(2), [2, 2, 2]),
    "Tempered(5)": (Tempered(5), [5, 5, 5]),
    "exact": ("exact", [0, 0, 0]),
}


@pytest.mark.parametrize("negative, steps", PHASE_STEPS.values(), ids=PHASE_STEPS)
def test_the_history_has_the_steps_that_were_made(negative, steps):
    """Those of the object; a phase by name takes the setting n_gibbs."""
    settings = SETTINGS | dict(n_gibbs={0: 4, 2: 7}, n_updates=3, negative=negative)
    assert RBM(**settings).fit(striped()).history_["n_gibbs"] == steps
    model = RBM(**settings)
    for _ in steps:
        model.partial_fit(striped(50))
    assert model.history_["n_gibbs"] == steps
    if isinstance(negative, CD) or negative == "cd":
        assert RTRBM(**settings | dict(batch_size=2)).fit(striped(8)[:, None]).history_["n_gibbs"] == steps


@pytest.mark.parametrize("name", PHASES)
def test_training_raises_the_likelihood(name):
    """Both come within 0.02 nats a row of the likelihood that training by exact averages reaches."""
    X, seen = striped(1000), []
    settings = SETTINGS | dict(n_gibbs=1, learning_rate=0.01, n_updates=600, centering=True)

    def watch(model):
        if model.n_updates_ in (1, 100, 600):
            seen.append(model.score(X))

    RBM(**settings | dict(negative=name)).fit(X, callbacks=[watch])
    best = RBM(**settings | dict(negative="exact")).fit(X).score(X)
    assert seen == sorted(seen) and seen[-1] > seen[0] + 0.5
    assert seen[-1] > best - 0.02


KINDS_OF_DATA = {
    "gaussian": lambda v: 2 * v - 1,
    "scaled_gaussian": lambda v: 5 * v + 1,
    "poisson": lambda v: 3 * v,
    "softmax": lambda v: np.eye(8)[(v[:, :3] @ [1, 2, 4]).astype(int)],
}


@pytest.mark.parametrize("visible", KINDS_OF_DATA)
@pytest.mark.parametrize("name", PHASES)
def test_every_kind_of_units_learns(name, visible):
    X = KINDS_OF_DATA[visible](striped(400))
    model = RBM(**SETTINGS | dict(negative=name, visible=visible, learning_rate=0.005, n_updates=1)).fit(X)
    before = model.score(X)
    assert model.set_params(n_updates=200).fit(X).score(X) > before + 0.02
    assert np.isfinite(model.sample(5, 0, n_gibbs=5, betas=(0, 0.5, 1))).all()


# What is refused


@pytest.mark.parametrize("negative", ["pcd", "tempered", Persistent(), Tempered(betas=(0, 1))], ids=str)
@pytest.mark.parametrize("kind", [RTRBM, TRBM, CRBM])
def test_models_of_sequences_refuse_persistent_chains(kind, negative):
    with pytest.raises(ValueError, match="every frame has biases of its own"):
        kind(3, negative=negative).fit(np.zeros((2, 4, 3)))


@pytest.mark.parametrize("phase", [Persistent(), Tempered()])
@pytest.mark.parametrize("rows", ["b_v", "b_h"])
def test_a_phase_refuses_biases_of_many_rows(phase, rows):
    rbm = random_rbm()
    rbm = rbm._replace(**{rows: np.tile(getattr(rbm, rows), (7, 1))})
    with pytest.raises(ValueError, match=f"{phase.name}.* needs biases that are the same for all rows"):
        averages(phase, None, rbm.W, rbm.b_v, rbm.b_h)


TOO_LARGE = {
    "pcd": (Persistent(1, 10**15), "n_chains=10{15} chains would take"),
    "tempered": (Tempered(n_chains=10**15), "n_chains=10{15} chains would take"),
    "exact": ("exact", "negative=.exact. needs min.n_visible, n_hidden. <= 25, .*: take negative=.cd."),
}


@pytest.mark.parametrize("verb", ["fit", "partial_fit"])
@pytest.mark.parametrize("negative, message", TOO_LARGE.values(), ids=TOO_LARGE)
def test_a_fitted_model_survives_a_phase_that_is_too_large(negative, message, verb, tmp_path):
    """Nothing is changed, no file is written, and with the phase it had the model trains on."""
    X, path = np.random.default_rng(0).integers(2, size=(6, 4, 30)).astype(float), tmp_path / "run.h5"
    settings = dict(n_hidden=26, n_gibbs=1, n_updates=3, batch_size=2, random_state=0, n_jobs=1)
    for kind, data in ((RBM, X[:, 0]), (RTRBM, X)):
        if kind is RTRBM and negative != "exact":
            continue  # it has no persistent chains
        settings["negative"] = "pcd" if kind is RBM else "cd"
        model, twin = (kind(**settings).fit(data) for _ in range(2))
        before, seen, chains, params = state(model), model.transform(data), model.chains_, model.params_
        own = {"checkpoint": path} if verb == "fit" else {}
        with pytest.raises(ValueError, match=message):
            getattr(model.set_params(negative=negative), verb)(data, **own)
        assert state(model) == before and model.params_ is params and model.chains_ is chains and not path.exists()
        assert np.array_equal(model.transform(data), seen) and model.n_updates_ == 3
        assert state(model.set_params(**settings).partial_fit(data)) == state(twin.partial_fit(data))
        new = kind(**settings | dict(negative=negative))
        with pytest.raises(ValueError, match=message):
            getattr(new, verb)(data, **own)
        assert not hasattr(new, "params_") and not path.exists()


WRONG_BETAS = [
    ((0, 0.5), ValueError, "must contain 1"),
    ((), ValueError, "must be a list"),
    (1.0, ValueError, "must be a list"),
    ([[0, 1]], ValueError, "must be a list"),
    ((-0.1, 1), ValueError, r"must lie in \[0, 1\]"),
    ((0, 1, 2), ValueError, r"must lie in \[0, 1\]"),
    ((np.nan, 1), ValueError, r"must lie in \[0, 1\]"),
    ((0, 0.6, 0.5, 1), ValueError, "must increase or decrease"),
    ((0, 1, 1), ValueError, "must increase or decrease"),
    ((0, 1, 0), ValueError, "must increase or decrease"),
    (("0", "1"), TypeError, "must hold real numbers"),
    ("linear", TypeError, "must hold real numbers"),
]


@pytest.mark.parametrize("betas, error, message", WRONG_BETAS)
def test_wrong_betas(betas, error, message):
    with pytest.raises(error, match=f"betas {message}"):
        Tempered(betas=betas)
    model = RBM.from_params(random_rbm())
    with pytest.raises(error, match=f"betas {message}"):
        model.sample(2, 0, betas=betas)


@pytest.mark.parametrize("kind", PHASES.values())
def test_wrong_counts(kind):
    for settings in (dict(k=0), dict(n_chains=0)):
        with pytest.raises(ValueError, match="must be at least 1"):
            kind(**settings)
    for settings in (dict(k=1.5), dict(n_chains="10"), dict(k=None)):
        with pytest.raises(TypeError, match="must be an integer"):
            kind(**settings)


# From noise


@every_engine
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("share", [1.0, 0.3])
def test_chains_from_noise_and_from_data_end_where_the_transition_matrix_says(share, dtype, engine):
    """Fair coins, or one state, and then k steps; the shares add up."""
    (W, b_v, b_h), v, n = slow_rbm(dtype, 4.0), binary_states(4), 40_000
    h_pos = np.tile(sigmoid(v[9] @ W + b_h), (n, 1)).astype(dtype)
    start = np.full(16, share / 16) + (1 - share) * np.eye(16)[9]

    def ends(k):
        draw = Draw(0, "chain", (k,))
        phase, where = FromNoise(k, share), layout([4] * (n // 4))
        average, chains = phase.averages(None, h_pos, W, Biases(b_v, b_h), Bernoulli(), where, draw, named(engine))
        assert chains is None and average.v.dtype == average.h.dtype == np.dtype(dtype)
        np.testing.assert_allclose(average.h, sigmoid(average.v @ W + b_h), atol=1e-5)
        np.testing.assert_allclose(average.vh(), average.v.T @ average.h, rtol=1e-4)
        return counted(average.v)

    for k in (1, 2):
        counts = ends(k)
        assert abs(chi_square_z(counts, start @ transition(1, W, b_v, b_h, k))) < Z_MAX
        for other in (start @ transition(1, W, b_v, b_h, k + 1), transition(1, W, b_v, b_h, k)[9]):  # controls
            assert chi_square_z(counts, other) > Z_MAX


@every_engine
def test_a_model_learns_by_chains_from_noise_whatever_the_threads(engine):
    X = (np.random.default_rng(0).random((3, 40, 5)) < 0.3).astype(np.float32)
    settings = dict(negative=FromNoise(1, 0.5), n_updates=8, learning_rate=0.3, random_state=0, engine=engine)
    one, two = (RTRBM(4, **settings, n_jobs=n_jobs).fit(X) for n_jobs in (1, 2))
    assert state(one) == state(two)
    assert state(one) != state(RTRBM(4, **settings | dict(negative=FromNoise(1, 0.4))).fit(X))


def test_a_share_that_is_none_is_refused():
    for share, error in ((0, ValueError), (1.1, ValueError), (np.nan, ValueError), ("1", TypeError), (True, TypeError)):
        with pytest.raises(error, match="share must be"):
            FromNoise(share=share)
