"""Windows of long recordings, missing values and known inputs in training, against frames held in hand."""

import h5py
import numpy as np
import pytest

from rtrbm import CRBM, LSTMRBM, RBM, RNNRBM, RTRBM, SRTRBM, TRBM
from rtrbm.compute.engine import NUMPY
from rtrbm.gradient import gradient
from rtrbm.minibatches.sequences import counted, layout, pack
from rtrbm.minibatches.windows import Example, Recordings, Windows, packed
from rtrbm.parameters import each
from rtrbm.rbm import exact
from rtrbm.rbm.negative import Exact

MODELS = {
    "rtrbm": RTRBM(2, dynamic_visible_bias=True),
    "rtrbm with taps": RTRBM(2, n_taps=2, dynamic_visible_bias=True),
    "trbm with bptt": TRBM(2, n_taps=2, bptt=True),
    "trbm": TRBM(2, n_taps=2),
    "crbm": CRBM(2, n_taps=2),
    "rnnrbm": RNNRBM(2),
    "lstmrbm": LSTMRBM(2),
    "srtrbm": SRTRBM(2, dynamic_visible_bias=True),
}


def numbers(*shape, seed=0):
    """Numbers in [0, 1], some of them 0."""
    return np.random.default_rng(seed).random(shape).round(1)


COMMON = dict(n_gibbs=1, dtype="float64", n_updates=1, random_state=0)


def strong(model, n_inputs=0, n_visible=3, seed=0):
    """A model with weights of scale 0.7."""
    model = type(model)(**model.get_params() | COMMON)
    X = numbers(2, 5, n_visible)
    model.partial_fit(X, inputs=numbers(2, 5, n_inputs, seed=1) if n_inputs else None)
    rng = np.random.default_rng(seed)
    return type(model).from_params(
        each(lambda p: 0.7 * rng.standard_normal(p.shape), model.params_), **model.get_params()
    )


def exact_gradient(model, examples):
    v, where, _, inputs = packed(examples)
    params, parts = model._effective(), model._model()

    def negative(h_pos, W, biases):
        inner = counted(where)[0]
        return Exact().averages(None, h_pos, W, biases, parts.units, inner, None, NUMPY)[0]

    return gradient(parts, params, v, where, negative, NUMPY, inputs)[0]


def log_likelihood_from(model, params, example, n_warm):
    """The log-likelihood of the frames behind a warm-up whose states were made with the model's own parameters."""
    past, held, x = model._past(), model._effective(), example.inputs
    state = past.start(held if n_warm else params, 1)
    total = 0
    for t, frame in enumerate(example.v):
        these = held if t < n_warm else params
        if x is not None:
            b_v, b_h = these.b_v + x[t : t + 1] @ these.D_v, these.b_h + x[t : t + 1] @ these.D_h
            these = these._replace(b_v=b_v, b_h=b_h)
        biases = past.biases(these, state)
        v = frame[None]
        h = 1 / (1 + np.exp(-(v @ these.W + biases.h)))
        if t >= n_warm:
            b_v, b_h = (np.atleast_2d(b) for b in biases)
            total += exact.log_likelihood(v, these.W, b_v, b_h, model._units())[0]
        state = past.step(these, state, v, h)
    return total


@pytest.mark.parametrize("n_inputs", [0, 2])
@pytest.mark.parametrize("name", MODELS)
def test_gradient_of_windows(name, n_inputs):
    """The gradient is that of the frames that count, with the states of the warm-up held; b_init is not trained."""
    model = strong(MODELS[name], n_inputs)
    X = [numbers(n, 3, seed=n) for n in (9, 7, 8)]
    recordings = Recordings(X)
    if n_inputs:
        recordings.inputs = [numbers(len(x), n_inputs, seed=40 + len(x)) for x in X]
    examples = [recordings.cut(0, 4, 9, 3), recordings.cut(1, 0, 5, 3), recordings.cut(2, 2, 8, 3)]
    assert [example.n_warm for example in examples] == [3, 0, 2]
    found = exact_gradient(model, examples)
    params, differ = model._effective(), 0
    without_bptt = name in ("trbm",)
    for field, part in params._asdict().items():
        if part is None or (without_bptt and field in ("W", "B", "b_h", "b_init", "C", "D_h", "b_v_init")):
            continue  # the rule of 3.2.2 is not the gradient of this sum
        numeric = np.zeros_like(part)
        for index in np.ndindex(part.shape):
            values = []
            for sign in (1, -1):
                moved = part.copy()
                moved[index] += sign * 1e-5
                these = params._replace(**{field: moved})
                values.append(sum(log_likelihood_from(model, these, e, e.n_warm) for e in examples))
            numeric[index] = (values[0] - values[1]) / 2e-5
        np.testing.assert_allclose(getattr(found, field), numeric, atol=1e-8)
        differ += 1
    assert differ >= 2
    warmed = exact_gradient(model, [examples[0], examples[2]])
    for field in ("b_init", "b_v_init", "u_0"):
        if getattr(warmed, field, None) is not None:
            assert not getattr(warmed, field).any()
            assert getattr(found, field).any()  # control: a window that begins its recording trains them


@pytest.mark.parametrize(
    "lengths, window, batch_size", [([23], 5, 2), ([5, 12, 3, 10], 5, 2), ([100], 7, 4), ([4], 9, 8)]
)
def test_every_frame_once_an_epoch(lengths, window, batch_size):
    X = [np.stack([np.full(n, i), np.arange(n)], axis=1).astype(float) for i, n in enumerate(lengths)]
    windows = Windows(Recordings(X, window=window, warm_up=3), batch_size, seed=1)
    starts = []
    for epoch in range(3):
        seen = []
        for update in range(epoch * windows.n_minibatches, (epoch + 1) * windows.n_minibatches):
            minibatch = windows.minibatch(update)
            assert minibatch
            for example in minibatch:
                first = example.v[0, 1]
                assert example.n_warm == min(3, example.v[example.n_warm, 1])
                assert 0 < len(example.v) - example.n_warm <= window
                np.testing.assert_array_equal(example.v[:, 1], first + np.arange(len(example.v)))
                seen += [tuple(frame) for frame in example.v[example.n_warm :]]
        assert sorted(seen) == sorted((i, t) for i, n in enumerate(lengths) for t in range(n))
        starts.append([tuple(e.v[e.n_warm]) for e in windows.minibatch(epoch * windows.n_minibatches)])
    if len(lengths) == 1 and lengths[0] > window:
        assert starts[0] != starts[1] or starts[1] != starts[2]
    again = Windows(Recordings(X, window=window, warm_up=3), batch_size, seed=1)
    last = 3 * windows.n_minibatches - 1
    for a, b in zip(again.minibatch(last), windows.minibatch(last), strict=True):  # addressed, not carried
        np.testing.assert_array_equal(a.v, b.v)


def test_one_recording_from_every_kind_of_place(tmp_path):
    X = numbers(60, 3)
    with h5py.File(tmp_path / "long.h5", "w") as file:
        file["one"], file["group/a"] = X, X
    settings = dict(n_hidden=4, batch_size=3, n_updates=12, n_gibbs=1, random_state=0)
    memory = np.lib.format.open_memmap(tmp_path / "long.npy", "w+", X.dtype, X.shape)
    memory[:] = X
    with h5py.File(tmp_path / "long.h5") as file:
        kinds = [X, [X], X[None], X.tolist(), file["one"], file["group"], memory]
        models = [RTRBM(**settings).fit(kind, window=8, warm_up=4) for kind in kinds]
    for model in models[1:]:
        np.testing.assert_array_equal(model.params_.W, models[0].params_.W)
    other = RTRBM(**settings).fit(X, window=8, warm_up=0)
    assert (other.params_.W != models[0].params_.W).any()


def test_resumed_windows(tmp_path):
    X, path = numbers(60, 3), tmp_path / "model.h5"
    settings = dict(n_hidden=4, batch_size=3, n_updates=9, n_gibbs=1, random_state=0)
    whole = RTRBM(**settings).fit(X, window=8)
    RTRBM(**settings).fit(X, window=8, checkpoint=path, callbacks=[lambda model: model.n_updates_ == 4])
    resumed = RTRBM(**settings).fit(X, window=8, checkpoint=path, resume=True)
    np.testing.assert_array_equal(whole.params_.W, resumed.params_.W)
    assert resumed.n_updates_ == 9


# ---------------------------------------------------------------------------------------- missing values


def test_masked_values_do_not_matter():
    X, rng = numbers(6, 10, 4), np.random.default_rng(0)
    mask = rng.random(X.shape) < 0.3
    models = []
    for filler in (0.5, np.nan, 1e30):
        holes = np.where(mask, filler, X)
        kept = holes.copy()
        models.append(RTRBM(5, n_updates=5, n_gibbs=2, random_state=0).fit(holes, mask=mask))
        np.testing.assert_array_equal(holes, kept)
    ragged = RTRBM(5, n_updates=5, n_gibbs=2, random_state=0).fit(list(X), mask=list(mask))
    for model in [*models[1:], ragged]:
        np.testing.assert_array_equal(model.params_.W, models[0].params_.W)
    nothing = RTRBM(5, n_updates=5, n_gibbs=2, random_state=0).fit(X, mask=np.zeros_like(mask))
    full = RTRBM(5, n_updates=5, n_gibbs=2, random_state=0).fit(X)
    np.testing.assert_array_equal(nothing.params_.W, full.params_.W)
    assert (models[0].params_.W != full.params_.W).any()


def test_a_new_static_rbm_takes_a_mask():
    rows, rng = numbers(60, 4), np.random.default_rng(0)
    mask = rng.random(rows.shape) < 0.3
    models = [RBM(5, n_updates=5, random_state=0).fit(np.where(mask, fill, rows), mask=mask) for fill in (0.5, np.nan)]
    assert models[0].params_.W.shape == (4, 5)
    np.testing.assert_array_equal(models[0].params_.W, models[1].params_.W)
    assert (models[0].params_.W != RBM(5, n_updates=5, random_state=0).fit(rows).params_.W).any()
    real = rng.standard_normal((60, 4))
    settings = dict(visible="gaussian", standardize=True, n_updates=2, random_state=0)
    assert RBM(5, **settings).fit(3 + 9 * real, mask=mask).scale_ is not None
    assert RBM(5, random_state=0).partial_fit(rows, mask=mask).n_updates_ == 1


def test_gradient_with_missing_values_is_that_of_what_is_there():
    """The mean over updates is the derivative of log P(v_present), summed over what is missing: |z| < 4."""
    rng = np.random.default_rng(0)
    params = {"W": rng.standard_normal((4, 3)), "b_v": rng.standard_normal(4), "b_h": rng.standard_normal(3)}
    row, missing = np.array([[1.0, 0, 1, 0]]), np.array([[False, True, False, True]])
    states = np.array([[1.0, a, 1, b] for a in (0, 1) for b in (0, 1)])

    def log_p(**changed):
        W, b_v, b_h = (changed.get(name, params[name]) for name in ("W", "b_v", "b_h"))
        units = RBM()._units()
        each_state = exact.log_likelihood(states, W, b_v[None].repeat(4, 0), b_h[None].repeat(4, 0), units)
        return np.logaddexp.reduce(each_state)

    numeric = np.zeros((4, 3))
    for index in np.ndindex(4, 3):
        step = np.zeros((4, 3))
        step[index] = 1e-5
        numeric[index] = (log_p(W=params["W"] + step) - log_p(W=params["W"] - step)) / 2e-5
    n = 4000
    rows, masks = np.repeat(row, n, axis=0), np.repeat(missing, n, axis=0)
    settings = dict(n_gibbs=20, negative="cd", optimizer="momentum", momentum=0.0, learning_rate=1.0, centering=False)
    means = []
    for seed in range(20):
        model = RBM.from_params(params, **settings, random_state=seed).partial_fit(rows, mask=masks)
        means.append(model.params_.W - params["W"])
    mean, error = np.mean(means, axis=0), np.std(means, axis=0, ddof=1) / np.sqrt(len(means))
    assert (abs(mean - numeric) / error).max() < 4.5
    zeros = RBM.from_params(params, **settings, random_state=0).partial_fit(rows).params_.W - params["W"]
    assert (abs(zeros - numeric) / error).max() > 10  # control: zeros in the place of what is missing


def test_what_is_there_is_learned_from():
    """With a third of the values missing, the error on whole data is near that of training on whole data."""
    rng = np.random.default_rng(0)
    phase = rng.random((20, 1, 1)) * 2 * np.pi
    X = (np.sin(phase + 0.5 * np.arange(20)[:, None] + np.arange(6)) > 0).astype(float)
    mask = rng.random(X.shape) < 0.3
    settings = dict(n_hidden=20, n_gibbs=2, n_updates=150, learning_rate=0.03, random_state=0)
    full, holes = RTRBM(**settings).fit(X), RTRBM(**settings).fit(np.where(mask, np.nan, X), mask=mask)
    zeros = RTRBM(**settings).fit(np.where(mask, 0, X))
    errors = [-model.score(X) for model in (full, holes, zeros)]
    assert errors[1] < errors[0] + 0.5 * (errors[2] - errors[0])


# -------------------------------------------------------------------------------------- bad arguments


@pytest.mark.parametrize(
    "arguments, error, match",
    [
        (dict(window=0), ValueError, "window must be at least 1"),
        (dict(window=2.5), TypeError, "window must be an integer"),
        (dict(window=4, warm_up=-1), ValueError, "warm_up must be at least 0"),
        (dict(mask=np.zeros((2, 9, 3), bool)), ValueError, "mask must have the shape of X"),
        (dict(inputs=np.zeros((2, 9, 3))), ValueError, "inputs must have the frames of X"),
        (dict(inputs=[np.zeros((10, 3)), np.zeros((10, 2))]), ValueError, r"inputs\[1\] must have 3 inputs, got 2"),
        (dict(inputs=np.full((2, 10, 1), np.nan)), ValueError, "inputs must be finite"),
    ],
)
def test_bad_arguments(arguments, error, match):
    with pytest.raises(error, match=match):
        RTRBM(3).fit(numbers(2, 10, 3), **arguments)


def test_what_cannot_be_cut():
    with pytest.raises(TypeError, match="window wants sequences that can be counted"):
        RTRBM(3).fit(iter([numbers(10, 3)]), window=4)
    with pytest.raises(TypeError, match="rows of RBM have no order"):
        RBM(3).fit(numbers(10, 3), window=4)


def test_layout_of_frames_that_count():
    v, where = pack([np.arange(n)[:, None] + 10 * n for n in (4, 6, 5)])
    where = where._replace(n_warm=np.array([1, 4, 0]))
    inner, rows = counted(where)
    np.testing.assert_array_equal(inner.lengths, [3, 2, 5])
    expected, _ = pack([np.arange(1, 4)[:, None] + 40, np.arange(4, 6)[:, None] + 60, np.arange(5)[:, None] + 50])
    np.testing.assert_array_equal(v[rows], expected)
    same = layout([4, 6])._replace(n_warm=np.array([2, 2]))
    assert counted(same)[1] == slice(4, None)


class Given:
    """A stream of the same examples."""

    def __init__(self, *examples):
        self.examples = list(examples)

    def minibatch(self, update):
        return list(self.examples)


def test_examples_with_and_without_gaps_go_together():
    v, gaps = numbers(2, 4, 3), numbers(4, 3, seed=1) > 0.6
    none = np.zeros_like(gaps)
    for order in (1, -1):
        pairs = [[Example(v[0], 0, first), Example(v[1], 0, gaps)][::order] for first in (None, none)]
        found = [RTRBM(2, **COMMON).fit(Given(*these)).params_ for these in pairs]
        for a, b in zip(*found):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    "example, message",
    [
        (Example(numbers(4, 3), 4), r"X.1..n_warm must leave frames to learn from, got 4 of 4"),
        (Example(numbers(4, 3), 0, None, numbers(4, 2)), "X.1..inputs must be there if those of X.0. are"),
        (Example(numbers(4, 3), 0, np.zeros((4, 2), bool)), r"X.1..missing must be of bool and have .* \(4, 3\)"),
    ],
)
def test_examples_are_checked(example, message):
    with pytest.raises(ValueError, match=message):
        RTRBM(2, **COMMON).fit(Given(Example(numbers(4, 3)), example))
