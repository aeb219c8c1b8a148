"""Every model of sequences with every kind of visible units, against slow sums over all states."""

import itertools
import math

import numpy as np
import pytest
from helpers import binary_states, central_differences, largest_difference, needs_numba, random_like, state
from numpy.testing import assert_allclose, assert_array_equal

import rtrbm
from rtrbm import CRBM, LSTMRBM, RNNRBM, RTRBM, SRTRBM, TRBM, Stack
from rtrbm.compute.engine import NUMPY
from rtrbm.minibatches.sequences import pack
from rtrbm.models.srtrbm import SRTRBMParams
from rtrbm.parameters import each
from rtrbm.past.conditioner import rows_of
from rtrbm.rbm import Bernoulli, Gaussian, Poisson, ScaledGaussian, Softmax

V, H = 4, 3
LENGTHS = (5, 1, 4)  # not sorted, one sequence without a past
MASKS = (np.array([[1, 0, 1], [1, 1, 0], [0, 1, 1], [1, 1, 1]]), np.array([[1, 1, 0], [0, 1, 1], [1, 0, 1]]))
GROUPS = {"visible_groups": [1, 0, 1, 1], "hidden_groups": [0, 1, 0]}

MODELS = {
    "RTRBM": (RTRBM, {}),
    "RTRBM with U_v": (RTRBM, {"dynamic_visible_bias": True}),
    "RTRBM with taps": (RTRBM, {"n_taps": 2}),
    "RTRBM with taps and U_v": (RTRBM, {"n_taps": 2, "dynamic_visible_bias": True}),
    "RTRBM without BPTT": (RTRBM, {"bptt": False, "dynamic_visible_bias": True}),
    "TRBM": (TRBM, {"n_taps": 2}),
    "TRBM with BPTT": (TRBM, {"n_taps": 2, "bptt": True}),
    "TRBM without A": (TRBM, {"n_taps": 2, "without": "VV"}),
    "TRBM without B": (TRBM, {"n_taps": 2, "without": "HH"}),
    "TRBM, simplified": (TRBM, {"n_taps": 1, "without": ("VV", "VH")}),
    "CRBM": (CRBM, {"n_taps": 2}),
    "RNNRBM": (RNNRBM, {"n_recurrent": 2}),
    "RNNRBM, sigmoid": (RNNRBM, {"activation": "sigmoid"}),
    "LSTMRBM": (LSTMRBM, {"n_recurrent": 2}),
    "SRTRBM": (SRTRBM, {"dynamic_visible_bias": True}),
    "SRTRBM with masks": (SRTRBM, {"mask": MASKS}),
    "SRTRBM of groups": (SRTRBM, {**GROUPS, "mask": ([[1, 0], [1, 1]], MASKS[1])}),
}
every_model = pytest.mark.parametrize("name", MODELS)

UNITS = {
    "bernoulli": (Bernoulli(), 0.8),
    "gaussian": (Gaussian(), 0.5),  # v is not bounded: the fifth derivative, which the differences miss, grows with it
    "poisson": (Poisson(), 0.25),  # rates are exp(b_v + h W^T): with weights of scale 0.8 they reach hundreds
    "softmax": (Softmax(), 0.8),
    "softmax of groups": (Softmax((1, 3)), 0.8),
    "scaled_gaussian": (ScaledGaussian(), 0.5),
}


def frames(units, n, rng):
    """n frames that units of a kind can have."""
    if isinstance(units, Softmax):
        groups = units.groups or (V,)
        return np.concatenate([np.eye(size)[rng.integers(size, size=n)] for size in groups], axis=1)
    if isinstance(units, Poisson):
        return rng.poisson(1.5, (n, V)).astype(float)
    if isinstance(units, Gaussian):
        return rng.standard_normal((n, V))
    pixels = rng.random((n, V))
    return np.where(rng.random((n, V)) < 0.5, pixels.round(), pixels)


def sequences(units, lengths=LENGTHS, seed=1):
    rng = np.random.default_rng(seed)
    return [frames(units, n, rng) for n in lengths]


def random_model(name, units=UNITS["bernoulli"][0], scale=0.8, seed=0, **more):
    """A model with random parameters of that scale."""
    kind, settings = MODELS[name]
    settings = {**settings, "visible": units, "dtype": "float64", "n_gibbs": 1, "random_state": 0, "n_jobs": 1, **more}
    blank = kind(H, **settings).partial_fit([frames(units, 4, np.random.default_rng(0))])
    return kind.from_params(random_like(each(np.shape, blank.params_), scale, seed), **settings)


# --------------------------------------------------------------- the oracle: equations, frame after frame


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def biases(params, v, model, held=None):
    """W, b_v and b_h of every frame, and the states, of one sequence; `held` states stand for its own in the biases."""
    if isinstance(params, SRTRBMParams):
        params = without_gates(params, model)
    of = {RNNRBM: rnn_biases, LSTMRBM: lstm_biases}.get(type(model), tap_biases)
    b_v, b_h, states = of(params, v, model, held)
    return params.W, np.array(b_v), np.array(b_h), np.array(states)


def without_gates(params, model):
    """The RTRBM that an SRTRBM is, weight by weight."""
    groups = model.visible_groups or range(V), model.hidden_groups or range(H)
    weights = {}
    for name, gates, (rows, columns), n in (("W", "G_W", groups, 0), ("U", "G_U", groups[1:] * 2, 1)):
        M, G = np.array(getattr(params, name)), getattr(params, gates)
        for i, j in np.ndindex(M.shape):
            block = rows[i], columns[j]
            M[i, j] *= sigmoid(G[block])
            if model.mask is not None:
                mask = np.array(model.mask[n])
                M[i, j] *= mask[i, j] if mask.shape == M.shape else mask[block]
        weights[name] = M
    b_init, U_v = params.b_init, params.U_v
    return rtrbm.models.rtrbm.RTRBMParams(b_v=params.b_v, b_h=params.b_h, b_init=b_init, U_v=U_v, **weights)


def tap_biases(params, v, model, held):
    """RTRBM, TRBM and CRBM, every term of every bias by itself."""

    def taps(name):
        matrices = getattr(params, name, None)
        return [] if matrices is None else [matrices] if matrices.ndim == 2 else list(matrices)

    def first(name):
        rows = getattr(params, name, None)
        return [] if rows is None else list(np.atleast_2d(rows))

    b_v, b_h, r = [], [], []
    past = r if held is None else held
    for t in range(len(v)):
        a, b = np.array(params.b_v), np.array(params.b_h)
        a += sum((row for i, row in enumerate(first("b_v_init")) if i == t), 0)
        b += sum((row for i, row in enumerate(first("b_init")) if i == t), 0)
        a += sum((v[t - n] @ A for n, A in enumerate(taps("A"), 1) if n <= t), 0)
        a += sum((past[t - n] @ M for n, M in enumerate(taps("U_v"), 1) if n <= t), 0)
        b += sum((past[t - n] @ B for n, B in enumerate(taps("U") or taps("B"), 1) if n <= t), 0)
        b += sum((v[t - n] @ C for n, C in enumerate(taps("C"), 1) if n <= t), 0)
        b_v.append(a)
        b_h.append(b)
        r.append(sigmoid(v[t] @ params.W + b))
    return b_v, b_h, r


def rnn_biases(params, v, model, held):
    f = sigmoid if model.activation == "sigmoid" else np.tanh
    b_v, b_h, u = [], [], []
    for t in range(len(v)):
        past = params.u_0 if t == 0 else (u if held is None else held)[t - 1]
        b_v.append(params.b_v + past @ params.W_uv)
        b_h.append(params.b_h + past @ params.W_uh)
        u.append(f(params.b_u + past @ params.W_uu + v[t] @ params.W_vu))
    return b_v, b_h, u


def lstm_biases(params, v, model, held):
    """Gate by gate; a held state is (u, c)."""
    b_v, b_h, states = [], [], []
    for t in range(len(v)):
        u, c = (0 * params.R[:, 0],) * 2 if t == 0 else (states if held is None else held)[t - 1]
        b_v.append(params.b_v + u @ params.W_uv)
        b_h.append(params.b_h + u @ params.W_uh)
        x_o, x_i, x_f, x_z = np.split(v[t] @ params.K + u @ params.R + params.b_g, 4)
        c = sigmoid(x_f) * c + sigmoid(x_i) * np.tanh(x_z)
        states.append((sigmoid(x_o) * np.tanh(c), c))
    return b_v, b_h, states


def visible_states(units):
    """All states of visible units that have finitely many, or None."""
    if isinstance(units, Bernoulli):
        return binary_states(V)
    if isinstance(units, Softmax):
        return np.array([np.concatenate(rows) for rows in itertools.product(*map(np.eye, units.groups or (V,)))])
    return None


def log_likelihood(units, v, W, b_v, b_h):
    """log P(v_t) of every frame: a sum over hidden states, and over visible ones where there are finitely many."""
    h = binary_states(H)
    of_h = b_h @ h.T  # (frames, states)
    states = visible_states(units)
    if states is not None:
        pairs = (b_v @ states.T)[:, :, None] + of_h[:, None, :] + states @ W @ h.T
        log_z = np.logaddexp.reduce(pairs.reshape(len(v), -1), axis=1)
        base = 0
    else:
        a = b_v[:, None, :] + h @ W.T
        if isinstance(units, Poisson):
            of_v, base = np.exp(a), [-sum(math.lgamma(count + 1) for count in frame) for frame in v]
        else:
            of_v, base = a**2 / 2 + np.log(2 * np.pi) / 2, -(v**2).sum(axis=1) / 2
        log_z = np.logaddexp.reduce(of_h + of_v.sum(axis=2), axis=1)
    return np.logaddexp.reduce(of_h + v @ W @ h.T, axis=1) + (v * b_v).sum(axis=1) + base - log_z


def slow_log_likelihood(model, params, X, held=None):
    """The sum over all frames of all sequences."""
    units, total = model.visible, 0.0
    for i, v in enumerate(X):
        if params.units is not None:
            v = v / np.exp(params.units)
            total -= len(v) * params.units.sum()
        W, b_v, b_h, _ = biases(params, v, model, None if held is None else held[i])
        total += log_likelihood(units, v, W, b_v, b_h).sum()
    return total


def slow_states(model, params, X):
    scale = 1 if params.units is None else np.exp(params.units)
    return [biases(params, v / scale, model)[3] for v in X]


def differences(model, X, hold=False):
    """Derivatives of the slow log-likelihood; with `hold` the past's states stay as they are."""
    params = model.params_
    held = slow_states(model, params, X) if hold else None
    return central_differences(lambda *arrays: slow_log_likelihood(model, type(params)(*arrays), X, held), params)


# ------------------------------------------------------------------------------------------ gradients


@every_model
def test_gradient_is_that_of_the_enumerated_likelihood(name):
    """Without BPTT the past's hidden states are held. Controls: a frame is left out; states are held the other way."""
    for units, scale in UNITS.values():
        model, X = random_model(name, units, scale), sequences(units)
        bptt = getattr(model, "bptt", True)
        gradient = each(lambda d: len(X) * d, model.gradient(X, method="exact"))
        assert largest_difference(gradient, differences(model, X, hold=not bptt)) < 1e-8, units
        shorter = model.gradient([*X[:-1], X[-1][:-1]], method="exact")
        assert largest_difference(gradient, each(lambda d: len(X) * d, shorter)) > 1e-3, units
        has_states = not (isinstance(model, CRBM) or name == "TRBM without B")
        if has_states and isinstance(units, Bernoulli):
            assert largest_difference(gradient, differences(model, X, hold=bptt)) > 1e-3


@every_model
def test_log_likelihood_is_the_enumerated_one(name):
    for units, scale in UNITS.values():
        model, X = random_model(name, units, scale), sequences(units)
        expected = [slow_log_likelihood(model, model.params_, [v]) for v in X]
        assert_allclose(model.log_likelihood(X), expected, rtol=1e-12, err_msg=str(units))


@every_model
def test_frame_by_frame_is_all_at_once(name):
    """start, biases and step give the biases of forward."""
    for units, scale in UNITS.values():
        model = random_model(name, units, scale)
        past = model._past()
        params, (v, where) = past.effective(model.params_), pack(sequences(units))
        at_once, memory = past.forward(params, v, where, NUMPY)
        at_once = [np.broadcast_to(b, (len(v), b.shape[-1])) for b in at_once]
        state = past.start(params, len(LENGTHS))
        for start, n in zip(where.starts, where.batch_sizes):
            rows = slice(start, start + n)
            state = rows_of(state, n)
            now = past.biases(params, state)
            for b, b_at_once in zip(now, at_once):
                assert_allclose(np.broadcast_to(b, b_at_once[rows].shape), b_at_once[rows], rtol=0, atol=1e-12)
            state = past.step(params, state, v[rows], sigmoid(v[rows] @ params.W + now.h))


def test_an_rnnrbm_with_tied_weights_is_an_rtrbm():
    """W_vu = W, W_uu = W_uh = U, W_uv = 0, b_u = b_h, u_0 U = b_init; of tied arrays the derivatives are summed."""
    rtrbm_ = random_model("RTRBM")
    W, U, b_v, b_h, b_init, *_ = rtrbm_.params_
    u_0, zero = np.linalg.solve(U.T, b_init), np.zeros((H, V))
    tied = {"W_vu": W, "W_uu": U, "W_uh": U, "W_uv": zero, "b_u": b_h, "u_0": u_0}
    params = {"W": W, "b_v": b_v, "b_h": b_h, **tied}
    rnn, X = RNNRBM.from_params(params, activation="sigmoid", random_state=0), sequences(Bernoulli())
    for one, other in ((rtrbm_.transform(X), rnn.transform(X)), (rtrbm_.log_likelihood(X), rnn.log_likelihood(X))):
        assert largest_difference(one, other) < 1e-12
    v, where = pack(X)
    ours = [model._past().forward(model.params_, v, where, NUMPY)[0] for model in (rtrbm_, rnn)]
    assert largest_difference(*([np.broadcast_to(b, (len(v), b.shape[-1])) for b in of] for of in ours)) < 1e-12
    d, e = rtrbm_.gradient(X, method="exact"), rnn.gradient(X, method="exact")
    assert largest_difference([d.W, d.b_v, d.b_h], [e.W + e.W_vu, e.b_v, e.b_h + e.b_u]) < 1e-12
    # b_init = u_0 U depends on both: in the RTRBM U and b_init are two parameters.
    assert largest_difference([d.U + np.outer(u_0, d.b_init), U @ d.b_init], [e.W_uu + e.W_uh, e.u_0]) < 1e-12
    assert np.abs(e.W_vu).max() > 0.01  # control: the state's part is no small one


# -------------------------------------------------------------------------------------- the verbs


@every_model
def test_every_verb(name, tmp_path):
    """Binary units, and one other kind in turn."""
    kind, settings = MODELS[name]
    others = list(UNITS)[1:]
    for which in ("bernoulli", others[list(MODELS).index(name) % len(others)]):
        units = UNITS[which][0]
        X = sequences(units, (4, 2, 3))
        more = {"visible": units, "n_gibbs": 1, "n_updates": 4, "batch_size": 2, "random_state": 0, "n_jobs": 1}
        model = kind(H, **settings, **more).fit(X)
        states, predictions = model.transform(X), model.predict(X)
        assert [h.shape for h in states] == [(len(v), H) for v in X]
        for values in (predictions, model.denoise(X), model.reconstruct(X, states)):
            assert [frame.shape for frame in values] == [v.shape for v in X]
            assert all(np.isfinite(frame).all() for frame in values)
        assert np.isfinite(model.score(X)) and np.isfinite(model.log_likelihood(X)).all()
        for prefix in (None, X[0], np.stack([X[0][:2], X[1][:2]])):
            means, drawn = model.sample(3, 2, prefix, random_state=0, n_gibbs=2, return_states=True)
            assert means.shape == drawn.shape == (2, 3, V)
            units.check(drawn, "the sample")  # raises if units cannot have these values
        H_given = np.random.default_rng(0).random((2, 3, H))
        units.check(model.decode(H_given, X[0], random_state=0, return_states=True)[1], "the sample")
        mask = [np.zeros(v.shape, bool) for v in X]
        mask[0][1] = mask[1][1] = True
        for v, filled, missing in zip(X, model.impute(X, mask), mask):
            assert_allclose(filled[~missing], v[~missing], rtol=1e-6)
            assert np.isfinite(filled).all()
        model.save(tmp_path / "model.h5")
        loaded = rtrbm.load(tmp_path / "model.h5")
        assert type(loaded) is kind and state(loaded) == state(model) and loaded.visible == units
        for again in (loaded, kind.from_params(model.params_, **settings, **more)):
            same = again.predict(X, "mean_field")
            assert largest_difference(model.predict(X, "mean_field"), same) == 0
        assert state(loaded.partial_fit(X)) == state(model.partial_fit(X))
        stack = Stack([model, RTRBM(2, n_gibbs=1, n_updates=2, batch_size=2, random_state=0, n_jobs=1)]).fit(X)
        assert stack.sample(3, prefix=X[0], random_state=0).shape == (1, 3, V)
        assert [h.shape for h in stack.transform(X)] == [(len(v), 2) for v in X]
        assert all(
            np.isfinite(v).all() for v in [*stack.denoise(X), *stack.impute(X, mask), *stack.predict(X, "mean_field")]
        )


@every_model
def test_a_resumed_run_is_an_uninterrupted_one(name, tmp_path):
    kind, settings = MODELS[name]
    X, path = sequences(Bernoulli()), tmp_path / "run.h5"
    settings = {**settings, "n_gibbs": 1, "n_updates": 5, "batch_size": 2, "random_state": 0, "n_jobs": 1}
    settings["initialization"] = "thesis"  # the other tests start from "data"
    whole = kind(H, **settings).fit(X)
    kind(H, **settings).fit(X, checkpoint=path, callbacks=[lambda model: model.n_updates_ == 3])
    assert rtrbm.load(path).n_updates_ == 3
    assert state(kind(H, **settings).fit(X, checkpoint=path, resume=True)) == state(whole)


NEW = ("RNNRBM", "RNNRBM, sigmoid", "LSTMRBM", "SRTRBM", "SRTRBM of groups")


def of_size(name, n_visible, n_hidden, **more):
    """A model with the settings of that name, its groups dealt out to so many units."""
    kind, settings = MODELS[name]
    settings = {key: value for key, value in settings.items() if key not in ("mask", "n_recurrent")}
    for key, n in (("visible_groups", n_visible), ("hidden_groups", n_hidden)):
        if key in settings:
            settings[key] = np.arange(n) % 3
    return kind(n_hidden, **settings, n_gibbs=1, random_state=0, **more)


@pytest.mark.parametrize("engine", ["numpy", pytest.param("numba", marks=needs_numba)])
@pytest.mark.parametrize("name", NEW)
def test_two_threads_learn_what_one_does(name, engine):
    """The products are large enough to wake threads: 640 x 256 x 256 > 2^25 multiplications."""
    rng = np.random.default_rng(0)
    X = [rng.random((n, 256)).round() for n in (100, 60, 80, 80, 80, 80, 80, 80)]
    one, two = (of_size(name, 256, 256, engine=engine, n_jobs=n).partial_fit(X).partial_fit(X) for n in (1, 2))
    assert state(one) == state(two)


@needs_numba
@pytest.mark.parametrize("name", NEW)
def test_both_engines_learn_the_same(name):
    """In double precision up to rounding; in single precision the gradient is that of numpy's loops."""
    X = sequences(Bernoulli(), (5, 1, 4, 4, 4, 4))
    double = [of_size(name, V, H, engine=engine, dtype="float64") for engine in ("numpy", "numba")]
    for _ in range(3):
        double = [model.partial_fit(X) for model in double]
    assert largest_difference(double[0].params_, double[1].params_) < 1e-12
    params = each(lambda p: p.astype("f"), random_model(name).params_)
    settings = MODELS[name][1]
    single = [type(double[0]).from_params(params, **settings, engine=engine) for engine in ("numpy", "numba")]
    assert largest_difference(*(model.gradient(X, method="exact") for model in single)) < 1e-6


CYCLE = np.array([[1, 1, 0, 0], [0, 1, 1, 0], [0, 0, 1, 1]])


def cycles(units):
    """Three sequences of 7 frames in which three patterns take turns."""
    patterns, rng = CYCLE, np.random.default_rng(0)
    if isinstance(units, Softmax):
        patterns = np.eye(4)[:3] if units.groups is None else np.column_stack([np.ones(3), np.eye(3)])
    X = [np.concatenate([patterns] * 3)[start : start + 7].astype(float) for start in (0, 1, 2)]
    if isinstance(units, Poisson):
        return [4 * v for v in X]
    return [3 * v + rng.standard_normal(v.shape) for v in X] if isinstance(units, Gaussian) else X


@every_model
def test_learning_raises_the_enumerated_likelihood(name):
    """Binary units, and one other kind in turn. The best static model gives each of three patterns 1/3. Control: with
    their frames in another order the sequences are no likelier than that."""
    kind, settings = MODELS[name]
    others = list(UNITS)[1:]
    for which in ("bernoulli", others[(list(MODELS).index(name) + 2) % len(others)]):
        units, start = UNITS[which][0], []
        X = cycles(units)
        shuffled = [v[np.random.default_rng(0).permutation(7)] for v in X]

        def note(model, X=X, start=start):
            start.extend([] if start else [model.log_likelihood(X).sum() / 21])

        rate = 0.05 if which == "poisson" else 0.1  # counts grow with the exponential of the weights
        more = {"n_gibbs": 3, "n_updates": 120, "learning_rate": rate, "random_state": 0, "n_jobs": 1}
        model = kind(H, visible=units, **settings, **more).fit(X, callbacks=[note])
        end, control = model.log_likelihood(X).sum() / 21, model.log_likelihood(shuffled).sum() / 21
        assert end > start[0] + 0.5, which
        if which == "bernoulli":
            assert end > -0.9 > -np.log(3) > control


@pytest.mark.parametrize("name", ["RNNRBM", "LSTMRBM"])
def test_centring_takes_the_step_at_constant_beta(name):
    """b_u = beta - m W_vu - q W_uu, with m the mean of v_t and q that of u_{t-1}, by a slow loop. The gradient is taken
    at constant beta, and b_u follows. Control: without centring it does not."""
    X, rate = sequences(Bernoulli()), 0.5
    of_v, of_u, bias = {"RNNRBM": ("W_vu", "W_uu", "b_u"), "LSTMRBM": ("K", "R", "b_g")}[name]
    steps = []
    for centering in (True, False):
        model = random_model(name, optimizer="momentum", momentum=0, learning_rate=rate, centering=centering)
        params, gradient = each(np.copy, model.params_), model.gradient(X, method="cd")
        steps.append(each(np.subtract, model.partial_fit(X).params_, params))
    d = each(lambda part: part * len(X) / sum(LENGTHS), gradient)  # per frame
    states = [biases(params, v, model)[3] for v in X]
    past = [np.array([u[0] if u.ndim == 2 else u for u in of]) for of in states]
    first = params.u_0 if name == "RNNRBM" else np.zeros(2)
    m, q = np.concatenate(X).mean(axis=0), np.concatenate([[first, *u[:-1]] for u in past]).mean(axis=0)
    d_v, d_u = getattr(d, of_v) - np.outer(m, getattr(d, bias)), getattr(d, of_u) - np.outer(q, getattr(d, bias))
    expected = [rate * d_v, rate * d_u, rate * (getattr(d, bias) - m @ d_v - q @ d_u)]
    found = [[getattr(step, part) for part in (of_v, of_u, bias)] for step in steps]
    assert largest_difference(found[0], expected) < 1e-12
    assert largest_difference(found[1], expected) > 1e-3


# -------------------------------------------------------------------------------------- single models


def test_an_lstm_starts_with_open_forget_gates():
    model = LSTMRBM(3, n_recurrent=2, n_updates=1, learning_rate=1e-9, n_gibbs=1, random_state=0).fit(
        sequences(Bernoulli())
    )
    assert_allclose(model.params_.b_g, [0, 0, 0, 0, 1, 1, 0, 0], atol=1e-6)


def test_the_recurrent_units_are_as_many_as_hidden_ones_unless_they_are_given():
    X = sequences(Bernoulli())
    for kind, name in ((RNNRBM, "W_uh"), (LSTMRBM, "R")):
        for given, n in ((None, 5), (2, 2)):
            assert len(getattr(kind(5, n_recurrent=given, n_gibbs=1, n_updates=1).fit(X).params_, name)) == n
        with pytest.raises(ValueError, match="n_recurrent must be at least 1, got 0"):
            kind(n_recurrent=0).fit(X)
    with pytest.raises(ValueError, match="activation must be one of 'tanh', 'sigmoid', got 'relu'"):
        RNNRBM(activation="relu").fit(X)


CHANGED = {
    "activation": (RNNRBM, {}, "sigmoid"),
    "mask": (SRTRBM, {"mask": MASKS}, (1 - MASKS[0], MASKS[1])),
    "visible_groups": (SRTRBM, GROUPS, [0, 1, 1, 0]),
    "hidden_groups": (SRTRBM, GROUPS, [1, 0, 0]),
}  # settings that change a fitted model and none of its shapes


@pytest.mark.parametrize("form", ["fitted", "loaded", "given"])
@pytest.mark.parametrize("name", CHANGED)
def test_a_setting_the_parameters_were_learned_for_is_refused_when_changed(name, form, tmp_path):
    """By name, and nothing is changed; set back, the model is the one it was."""
    kind, settings, value = CHANGED[name]
    settings = {**settings, "n_gibbs": 1, "n_updates": 3, "random_state": 0, "n_jobs": 1}
    X = sequences(Bernoulli())
    model = kind(H, **settings).fit(X)
    if form == "loaded":
        model.save(tmp_path / "model.h5")
        model = rtrbm.load(tmp_path / "model.h5")
    if form == "given":
        model = kind.from_params(model.params_, **settings)
    own, before, predicted = getattr(model, name), state(model), model.predict(X)
    model.set_params(**{name: value})
    for verb in (
        lambda: model.predict(X),
        lambda: model.transform(X),
        lambda: model.sample(2),
        lambda: model.partial_fit(X),
        lambda: model.save(tmp_path / "other.h5"),
    ):
        with pytest.raises(ValueError, match=f"^{name} was changed after fitting: fit again"):
            verb()
    assert state(model) == before and not (tmp_path / "other.h5").exists()
    back = own if isinstance(own, str) else [np.array(part).tolist() for part in own]  # the same in another form
    for same in (own, back):
        assert largest_difference(model.set_params(**{name: same}).predict(X), predicted) == 0
    assert state(model.partial_fit(X)) != before
    assert np.isfinite(model.set_params(**{name: value}).fit(X).score(X))


def test_a_mask_that_is_written_to_after_fitting_is_refused():
    X, mask = sequences(Bernoulli()), MASKS[0].copy()
    model = SRTRBM(H, mask=(mask, None), n_gibbs=1, n_updates=2, random_state=0).fit(X)
    mask[0] = 1 - mask[0]
    with pytest.raises(ValueError, match="mask was changed after fitting"):
        model.predict(X)
    mask[0] = 1 - mask[0]
    assert np.isfinite(model.score(X))


def test_an_srtrbm_is_the_rtrbm_of_its_effective_weights():
    for name in ("SRTRBM", "SRTRBM with masks", "SRTRBM of groups"):
        model, X = random_model(name), sequences(Bernoulli())
        slow = without_gates(model.params_, model)
        assert largest_difference(model.effective_, slow) < 1e-15
        same = RTRBM.from_params(model.effective_, random_state=0)
        for verb in (RTRBM.transform, RTRBM.log_likelihood, RTRBM.denoise):
            assert largest_difference(verb(same, X), verb(model, X)) < 1e-14
        shapes = [(V, H), (H, H)] if name != "SRTRBM of groups" else [(2, 2), (2, 2)]
        assert [gates.shape for gates in model.gates_] == shapes
        assert largest_difference(model.gates_, [sigmoid(model.params_.G_W), sigmoid(model.params_.G_U)]) < 1e-15


def test_with_open_gates_an_srtrbm_learns_what_an_rtrbm_does():
    """sigmoid(40) is 1 and its slope 0: the centred updates are those of the RTRBM. Control: those without centring."""
    X, settings = sequences(Bernoulli()), {"optimizer": "momentum", "learning_rate": 0.3, "random_state": 0}
    start = random_model("RTRBM with U_v").params_
    gates = {"G_W": np.full((V, H), 40.0), "G_U": np.full((H, H), 40.0)}
    given = {name: part for name, part in start._asdict().items() if part is not None}
    plain, other = (RTRBM.from_params(start, **settings, centering=c).partial_fit(X) for c in (True, False))
    gated = SRTRBM.from_params(given | gates, **settings).partial_fit(X)
    assert largest_difference(gated.effective_, plain.params_) < 1e-14
    assert largest_difference(other.params_, plain.params_) > 1e-3
    for name, gate in gates.items():
        assert_array_equal(getattr(gated.params_, name), gate)


def test_masked_weights_stay_out_of_the_model():
    mask_W, mask_U = MASKS
    model = SRTRBM(H, mask=MASKS, n_gibbs=1, n_updates=20, random_state=0).fit(sequences(Bernoulli()))
    W, U, *_ = model.effective_
    assert not W[mask_W == 0].any() and not U[mask_U == 0].any()
    assert W[mask_W == 1].all() and U[mask_U == 1].all()


def test_the_sparsity_penalty_is_the_sum_of_the_gates_per_frame():
    """A step of plain ascent changes by the rate times the penalty's derivative, sigmoid'(G), and not elsewhere."""
    X, rate, sparsity = sequences(Bernoulli()), 0.5, 0.3
    for name in ("SRTRBM", "SRTRBM of groups"):
        settings = {"optimizer": "momentum", "momentum": 0, "learning_rate": rate, "centering": False}
        start = random_model(name).params_
        without, penalised = (random_model(name, **settings, sparsity=s).partial_fit(X).params_ for s in (0, sparsity))
        for part in start._fields:
            if getattr(start, part) is not None:
                change = getattr(penalised, part) - getattr(without, part)
                gate = sigmoid(getattr(start, part))
                expected = -rate * sparsity * gate * (1 - gate) if part in ("G_W", "G_U") else np.zeros_like(gate)
                assert_allclose(change, expected, rtol=0, atol=1e-14)


def test_sparsity_closes_gates_that_the_data_do_not_call_for():
    """Units 0 and 1 exclude each other, units 2 and 3 are noise. Control: without sparsity their gates stay open."""
    rng = np.random.default_rng(0)
    X = rng.integers(2, size=(20, 12, V)).astype(float)
    X[:, :, 0] = np.arange(12) // 2 % 2
    X[:, :, 1] = 1 - X[:, :, 0]
    groups = {"visible_groups": [0, 0, 1, 1], "hidden_groups": [0, 0, 1, 1]}
    settings = {**groups, "n_gibbs": 1, "n_updates": 200, "learning_rate": 0.08, "random_state": 0, "n_jobs": 1}
    sparse, dense = (SRTRBM(4, sparsity=s, **settings).fit(X).gates_[0].max(axis=1) for s in (0.02, 0))
    assert sparse[0] > 0.8 and sparse[1] < 0.05
    assert dense[0] > 0.8 and dense[1] > 0.15


def test_masks_and_groups_are_kept_in_files_and_compared(tmp_path):
    clone = pytest.importorskip("sklearn.base").clone
    X, path = sequences(Bernoulli()), tmp_path / "model.h5"
    settings = {
        "mask": MASKS,
        "visible_groups": np.array([1, 0, 1, 1]),
        "n_gibbs": 1,
        "n_updates": 2,
        "random_state": 0,
    }
    model = SRTRBM(H, **settings).fit(X, checkpoint=path)
    loaded = rtrbm.load(path)
    for copy in (loaded, clone(model), clone(loaded)):
        assert largest_difference(copy.mask, MASKS) == 0
        assert list(copy.visible_groups) == [1, 0, 1, 1] and copy.hidden_groups is None
    assert largest_difference(loaded.effective_, model.effective_) == 0
    assert len(repr(SRTRBM(mask=(np.ones((90, 90)).tolist(), None)))) < 1100  # a long setting is cut
    SRTRBM(H, **{**settings, "mask": tuple(mask.tolist() for mask in MASKS)}).check_resume(path)  # the same
    for other in ({"visible_groups": [0, 1, 0, 0]}, {"mask": (MASKS[0], None)}, {"mask": None}, {"sparsity": 0.1}):
        with pytest.raises(ValueError, match=f"these differ: {next(iter(other))}|has made 2 updates.*sparsity=0.1"):
            SRTRBM(H, **{**settings, **other}).check_resume(path)


@pytest.mark.parametrize(
    "settings, error, message",
    [
        ({"mask": MASKS[0]}, TypeError, "mask must be None or a pair, the mask of W and that of U, got ndarray"),
        ({"mask": (MASKS[0].T, None)}, ValueError, r"mask of W must have shape \(4, 3\), got \(3, 4\)"),
        ({"mask": (None, np.eye(2))}, ValueError, r"mask of U must have shape \(3, 3\), got \(2, 2\)"),
        (
            {"mask": (None, np.eye(4)), "hidden_groups": [0, 1, 0]},
            ValueError,
            r"mask of U must have shape \(3, 3\), or \(2, 2\) for groups, got \(4, 4\)",
        ),
        ({"mask": (MASKS[0] / 2, None)}, ValueError, "mask must hold matrices of 0 and 1, that of W"),
        ({"mask": (None, [0, 1, 1])}, ValueError, "mask must hold matrices of 0 and 1, that of U"),
        ({"mask": (None, [[0, 1], [1]])}, ValueError, "mask must hold rectangular arrays, that of U is not"),
        (
            {"visible_groups": [0, 1]},
            ValueError,
            "visible_groups must hold the group of each of 4 visible units, got 2",
        ),
        ({"hidden_groups": [0, 1]}, ValueError, "hidden_groups must hold the group of each of 3 hidden units, got 2"),
        ({"visible_groups": [0, 0, 2, 2]}, ValueError, r"must number groups from 0 and leave out none, got \[0, 2\]"),
        ({"visible_groups": [0, 1, -1, 0]}, ValueError, r"must number groups from 0 and leave out none"),
        ({"visible_groups": [0.0, 1.0, 0.0, 0.0]}, TypeError, "visible_groups must be None or a list of integers"),
        ({"sparsity": -1}, ValueError, "sparsity must be at least 0"),
    ],
)
def test_bad_masks_and_groups(settings, error, message):
    with pytest.raises(error, match=message):
        SRTRBM(H, n_updates=1, **settings).fit(sequences(Bernoulli()))
