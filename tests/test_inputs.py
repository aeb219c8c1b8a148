"""Known inputs of every frame: their gradient is in test_windows; here the verbs, against biases made by hand."""

import numpy as np
import pytest

import rtrbm
from rtrbm import CRBM, LSTMRBM, RNNRBM, RTRBM, SRTRBM, TRBM
from rtrbm.parameters import each

MODELS = {
    "rtrbm": RTRBM(3, dynamic_visible_bias=True),
    "rtrbm with taps": RTRBM(3, n_taps=2),
    "trbm": TRBM(3, n_taps=2),
    "crbm": CRBM(3, n_taps=2),
    "rnnrbm": RNNRBM(3),
    "lstmrbm": LSTMRBM(3),
    "srtrbm": SRTRBM(3),
}
SETTINGS = dict(n_gibbs=1, n_updates=2, dtype="float64", random_state=0)
RNG = np.random.default_rng(0)
X = [RNG.integers(0, 2, (n, 4)).astype(float) for n in (6, 4, 5)]
INPUTS = [RNG.standard_normal((len(x) + 3, 2)) for x in X]
SEEN = [inputs[: len(x)] for x, inputs in zip(X, INPUTS)]


def strong(model):
    model = type(model)(**model.get_params() | SETTINGS).fit(X, inputs=SEEN)
    drawn = each(lambda p: 0.7 * RNG.standard_normal(p.shape), model.params_)
    return type(model).from_params(drawn, **model.get_params())


@pytest.fixture(scope="module", params=MODELS)
def model(request):
    return strong(MODELS[request.param])


def without(model, x):
    """The model whose biases hold the effect of constant inputs x."""
    p = model.params_
    plain = p._replace(b_v=p.b_v + x @ p.D_v, b_h=p.b_h + x @ p.D_h, D_v=None, D_h=None)
    return type(model).from_params(plain, **model.get_params())


def test_constant_inputs_are_biases(model):
    x = np.array([0.5, -1.0])
    plain, inputs = without(model, x), [np.tile(x, (len(v), 1)) for v in X]
    longer = [np.tile(x, (len(v) + 3, 1)) for v in X]
    masks = [RNG.random(v.shape) < 0.3 for v in X]
    pairs = [
        (model.transform(X, inputs=inputs), plain.transform(X)),
        (model.predict(X, inputs=inputs), plain.predict(X)),
        (model.denoise(X, inputs=inputs), plain.denoise(X)),
        (model.log_likelihood(X, inputs=inputs), plain.log_likelihood(X)),
        (model.impute(X, masks, inputs=inputs), plain.impute(X, masks)),
        (model.gradient(X, "exact", inputs=inputs).W, plain.gradient(X, "exact").W),
        (model.forecast(X, 3, n_samples=9, inputs=longer).mean, plain.forecast(X, 3, n_samples=9).mean),
        (
            model.sample(3, prefix=X[0], random_state=1, inputs=longer[0]),
            plain.sample(3, prefix=X[0], random_state=1),
        ),
        ([model.score(X, inputs=inputs)], [plain.score(X)]),
    ]
    for i, (found, wanted) in enumerate(pairs):
        for a, b in zip(found, wanted, strict=True):
            np.testing.assert_allclose(a, b, atol=1e-10, err_msg=str(i))
    assert abs(model.transform(X, inputs=SEEN)[0] - plain.transform(X)[0]).max() > 0.01  # control


def test_frame_by_frame_is_all_at_once(model):
    wanted, state = model.transform(X[:1], inputs=SEEN[:1])[0], None
    for v, x, h in zip(X[0], SEEN[0], wanted):
        found, state = model.filter_step(state, v, inputs=x)
        np.testing.assert_allclose(found, h, atol=1e-12)


def test_a_forecast_sees_the_inputs_to_come(model):
    other = [np.concatenate([x[: len(v)], x[len(v) :] + 3]) for v, x in zip(X, INPUTS)]
    first, second = (model.forecast(X, 3, n_samples=9, inputs=x).mean for x in (INPUTS, other))
    assert (first != second).any()
    past = [np.concatenate([x[: len(v)] + 9, x[len(v) :]]) for v, x in zip(X, INPUTS)]
    if model._past().carries or type(model) in (RNNRBM, LSTMRBM):
        carried = type(model) not in (RNNRBM, LSTMRBM)  # their states do not see the inputs
        assert (model.forecast(X, 3, n_samples=9, inputs=past).mean != first).any() == carried


def test_inputs_are_learned_and_kept(tmp_path):
    rng = np.random.default_rng(1)
    drive = rng.integers(0, 2, (30, 20, 1)).astype(float)
    data = (rng.random((30, 20, 4)) < 0.1 + 0.8 * drive).astype(float)
    model = RTRBM(5, n_gibbs=1, n_updates=300, learning_rate=0.02, random_state=0).fit(data, inputs=drive)
    blind = RTRBM(5, n_gibbs=1, n_updates=300, learning_rate=0.02, random_state=0).fit(data)
    assert -model.score(data, inputs=drive) < 0.6 * -blind.score(data)
    model.save(tmp_path / "model.h5")
    loaded = rtrbm.load(tmp_path / "model.h5")
    np.testing.assert_array_equal(loaded.params_.D_v, model.params_.D_v)
    assert loaded.score(data, inputs=drive) == model.score(data, inputs=drive)
    model.partial_fit(data, inputs=drive)


def test_wrong_inputs_are_refused(model):
    plain = without(model, np.zeros(2))
    with pytest.raises(ValueError, match="inputs must be given, 2 of every frame"):
        model.predict(X)
    with pytest.raises(ValueError, match="inputs must be left out"):
        plain.predict(X, inputs=SEEN)
    with pytest.raises(ValueError, match="inputs must have the frames of X"):
        model.transform(X, inputs=INPUTS)
    with pytest.raises(ValueError, match=r"inputs\[0\] must have 2 inputs, got 1"):
        model.transform(X, inputs=[x[:, :1] for x in SEEN])
    with pytest.raises(ValueError, match="inputs must be given"):
        model.sample(3)
    with pytest.raises(ValueError, match="inputs must be given"):
        model.filter_step(None, X[0][0])


def test_an_update_wants_the_inputs_of_those_before():
    data, settings = np.round(np.random.default_rng(0).random((4, 5, 3))), dict(n_gibbs=1, n_updates=2, random_state=0)
    for model in (RTRBM(2, **settings), CRBM(2, n_taps=1, **settings)):
        model.fit(data, inputs=np.ones((4, 5, 1)))
        before = model.params_.W.copy()
        with pytest.raises(ValueError, match="inputs must be given, 1 of every frame: this model was fitted with"):
            model.partial_fit(data)
        with pytest.raises(ValueError, match="inputs must be 1 of every frame, as this model was fitted with, got 2"):
            model.partial_fit(data, inputs=np.ones((4, 5, 2)))
        np.testing.assert_array_equal(model.params_.W, before)
        model.partial_fit(data, inputs=np.ones((4, 5, 1)))  # control
    with pytest.raises(ValueError, match="inputs must be left out: this model was fitted without"):
        RTRBM(2, **settings).fit(data).partial_fit(data, inputs=np.ones((4, 5, 1)))


def test_one_prefix_of_several_sequences_has_the_inputs_of_each(model):
    """As if it were handed in for each of them."""
    x = np.random.default_rng(3).standard_normal((2, 3 + 4, SEEN[0].shape[1]))
    prefix = X[0][:3]
    together = model.sample(4, 2, prefix=prefix, inputs=x, random_state=0)
    np.testing.assert_array_equal(together, model.sample(4, 2, prefix=[prefix, prefix], inputs=x, random_state=0))
    if type(model) is RTRBM and not model.n_taps:  # whose states depend on the inputs before
        x[1, :3] += 1
        assert (model.sample(4, 2, prefix=prefix, inputs=x, random_state=0)[1] != together[1]).any()


def test_hidden_states_are_decoded_without_inputs(model):
    with pytest.raises(ValueError, match="decode takes no inputs, and this model was fitted with them"):
        model.decode(np.zeros((1, 4, model.n_hidden)))
