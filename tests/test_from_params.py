"""Models made from given arrays: they are the model the arrays came from, and arrays that do not fit are named."""

import numpy as np
import pytest
from helpers import TAPS, random_array, random_sequences, state

from rtrbm import LSTMRBM, RBM, RNNRBM, RTRBM, SRTRBM, TRBM
from rtrbm.parameters import arrays
from rtrbm.rbm import Softmax

SETTINGS = dict(n_hidden=3, n_gibbs=1, n_updates=4, batch_size=2, random_state=0, n_jobs=1)
X = random_array(5, 4)
KINDS = {
    **TAPS,
    "RTRBM without taps": (RTRBM, {}),
    "RTRBM without taps, dynamic b_v": (RTRBM, dict(dynamic_visible_bias=True)),
    "TRBM without HH": (TRBM, dict(n_taps=2, without=("HH",))),
    "TRBM without anything": (TRBM, dict(n_taps=1, without=("VV", "HH", "VH"))),
    "RNNRBM": (RNNRBM, dict(n_recurrent=2)),
    "LSTMRBM": (LSTMRBM, dict(n_recurrent=2)),
    "SRTRBM": (SRTRBM, dict(dynamic_visible_bias=True)),
    "RBM": (RBM, {}),
}
any_kind = pytest.mark.parametrize("kind, own", KINDS.values(), ids=KINDS)
NOT_IMPLIED = ("bptt",)  # what arrays do not show


def fitted(kind, **settings):
    return kind(**SETTINGS | settings).fit(X if kind is not RBM else X[:, 0])


def given(model):
    """The arrays of a model by name."""
    return {name: array for name, array in model.params_._asdict().items() if array is not None}


# --------------------------------------------------------------------------------------------- round trip


@pytest.mark.parametrize("settings", [{}, dict(visible="gaussian", dtype="float64")], ids=str)
@any_kind
def test_it_is_the_model_the_arrays_came_from(kind, own, settings):
    model = fitted(kind, **own, **settings)
    data = X if kind is not RBM else X[:, 0]
    for params in (model.params_, given(model), {k: v.tolist() for k, v in given(model).items()}):
        again = kind.from_params(params, **model.get_params())
        assert again.get_params() == model.get_params() and type(again.params_) is type(model.params_)
        assert (again.n_features_in_, again.n_updates_, again.seed_) == (4, 0, 0)
        assert set(map(len, again.history_.values())) == {0}
        for a, b in zip(again.params_, model.params_, strict=True):
            assert (a is None) == (b is None) and (a is None or (a.dtype == b.dtype and (a == b).all()))
        for verb in ("transform", "denoise") if kind is RBM else ("transform", "denoise", "predict", "log_likelihood"):
            np.testing.assert_array_equal(getattr(again, verb)(data), getattr(model, verb)(data))
        np.testing.assert_array_equal(again.sample(3, random_state=1), model.sample(3, random_state=1))
    zero = {name: 0 * array for name, array in given(model).items()}  # control
    assert (kind.from_params(zero, **model.get_params()).transform(data) != model.transform(data)).any()


@any_kind
def test_arrays_imply_the_settings_that_shape_them(kind, own):
    model = fitted(kind, **own)
    implied = kind.from_params(model.params_, **{name: own[name] for name in own if name in NOT_IMPLIED})
    default = kind().get_params()
    expected = default | own | dict(n_hidden=3)
    found = implied.get_params()
    assert {name: found[name] for name in found if name != "without"} == {
        name: expected[name] for name in expected if name != "without"
    }
    assert set(found.get("without", ())) == set(expected.get("without", ()))


@pytest.mark.parametrize(
    "dtype, expected", [("f4", "float32"), ("f8", "float64"), ("f2", "float64"), ("i8", "float64"), (bool, "float64")]
)
def test_the_dtype_is_that_of_the_weights(dtype, expected):
    params = {name: np.ones(array.shape, dtype) for name, array in given(fitted(RTRBM)).items()}
    model = RTRBM.from_params(params)
    assert model.dtype == expected
    assert {array.dtype for array in arrays(model.params_)} == {np.dtype(expected)}
    other = {"float32": "float64", "float64": "float32"}[expected]
    model = RTRBM.from_params(params, dtype=other)
    assert {array.dtype for array in arrays(model.params_)} == {np.dtype(other)} == {model.predict(X).dtype}


@any_kind
def test_arrays_are_copied(kind, own):
    params = given(fitted(kind, **own))
    model = kind.from_params(params, **SETTINGS | own)
    before = state(model)
    for array in params.values():
        array[...] = 7
    assert state(model) == before
    params = given(fitted(kind, **own))
    for array in params.values():
        array.flags.writeable = False  # a write would raise
    model = kind.from_params(params, **SETTINGS | own).partial_fit(X if kind is not RBM else X[:, 0])
    assert not any(np.shares_memory(a, params[name]) for name, a in given(model).items())


@any_kind
def test_training_goes_on_from_them(kind, own):
    """The first update is a step from these arrays: along the gradient, without centring and with momentum's rule."""
    settings = SETTINGS | own | dict(optimizer="momentum", centering=False, dtype="float64", learning_rate=0.01)
    data = X if kind is not RBM else X[:, 0]
    params = given(fitted(kind, **own | dict(dtype="float64")))
    model = kind.from_params(params, **settings)
    model.partial_fit(data)
    assert (model.n_updates_, [len(v) for v in model.history_.values()]) == (1, [1] * 4)
    length = np.sqrt(sum(((a - params[name]) ** 2).sum() for name, a in given(model).items()))
    if kind is not SRTRBM:  # whose gradient is that of the gated weights
        assert length == pytest.approx(0.01 * model.history_["gradient_norm"][0], rel=1e-6)
    again = kind.from_params(params, **settings).partial_fit(data)
    assert state(again) == state(model) != state(again.partial_fit(data))


@any_kind
def test_it_is_saved_and_loaded(tmp_path, kind, own):
    params = given(fitted(kind, **own))
    model = kind.from_params(params, **SETTINGS | own)
    model.save(tmp_path / "model.h5")
    loaded = kind.load(tmp_path / "model.h5")
    assert state(loaded) == state(model) and loaded.get_params() == model.get_params()
    data = X if kind is not RBM else X[:, 0]
    assert state(loaded.partial_fit(data)) == state(model.partial_fit(data))


def test_fit_starts_anew():
    model = RTRBM.from_params(given(fitted(RTRBM)), **SETTINGS)
    assert state(model.fit(X)) == state(fitted(RTRBM))


def test_any_random_state_will_do():
    params = given(fitted(RTRBM))
    generator = np.random.default_rng(0)
    seeds = [RTRBM.from_params(params, random_state=generator).seed_ for _ in range(2)]
    assert seeds[0] != seeds[1]
    assert RTRBM.from_params(params, random_state=5).seed_ == 5
    ragged = random_sequences((3, 1, 5))
    predicted = RTRBM.from_params(params, random_state=5).predict(ragged)
    np.testing.assert_equal(RTRBM.from_params(params, random_state=5).predict(ragged), predicted)


# ------------------------------------------------------------------------------------------------- errors


def refuses(match, kind, params, error=(TypeError, ValueError), **settings):
    with pytest.raises(error, match=match):
        kind.from_params(params, **settings)


@any_kind
def test_arrays_that_do_not_fit_together_are_named(kind, own):
    """One row too many makes this array or another one wrong; one axis too few or too many makes it this one."""
    params = given(fitted(kind, **own))
    settings = {name: value for name, value in own.items() if name != "n_taps"}
    for name, array in params.items():
        for place in range(array.ndim):
            longer = np.concatenate([array, array.take([0], axis=place)], axis=place)
            refuses(r"params\.\w+ must (have shape|be left out)", kind, params | {name: longer}, **settings)
        refuses(rf"params\.{name} must", kind, params | {name: array[None]}, **settings | own)
        refuses(rf"params\.{name} must", kind, params | {name: 0.5}, **settings | own)
        refuses(rf"params\.{name} must", kind, params | {name: []}, **settings | own)


@any_kind
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_numbers_that_are_not_finite_are_refused(kind, own, value):
    params = given(fitted(kind, **own))
    for name, array in params.items():
        bad = array.copy()
        bad.reshape(-1)[-1] = value
        refuses(rf"params\.{name} must be finite", kind, params | {name: bad}, ValueError, **own)


def test_numbers_too_large_for_single_precision_are_refused():
    params = given(fitted(RTRBM))
    refuses(r"params\.b_h must be finite", RTRBM, params | {"b_h": [1e300, 0, 0]}, ValueError, dtype="float32")


@any_kind
def test_missing_arrays_are_named(kind, own):
    params = given(fitted(kind, **own))
    own = dict(without=()) | own if kind is TRBM else own  # else taps of a kind may be missing
    for name in params:
        rest = {k: v for k, v in params.items() if k != name}
        for lacking in (rest, rest | {name: None}):
            refuses(rf"params.*\b{name}\b", kind, lacking, ValueError, **own)


@any_kind
def test_unknown_arrays_are_named(kind, own):
    params = given(fitted(kind, **own))
    refuses(r"params has no array 'V'", kind, params | {"V": params["W"]}, TypeError, **own)


def test_arrays_of_another_model_are_refused():
    refuses(r"params has no array 'U'", TRBM, fitted(RTRBM).params_)
    refuses(r"params has no array 'B'", RTRBM, fitted(TRBM).params_)
    refuses("params", RTRBM, fitted(RBM).params_)
    refuses("params has no array 'U'", RBM, fitted(RTRBM).params_)


@pytest.mark.parametrize("params", [None, 3, "params", [np.zeros((4, 3))], np.zeros((4, 3)), RTRBM(3)], ids=repr)
def test_other_objects_are_refused(params):
    refuses("params must be a NamedTuple or a dict of arrays", RTRBM, params, TypeError)


@pytest.mark.parametrize(
    "wrong", ["text", [["a"] * 3] * 4, np.ones((4, 3)) * 1j, np.full((4, 3), None), [[0, 1, 2], [0, 1]]], ids=repr
)
def test_arrays_must_hold_real_numbers(wrong):
    refuses(r"params\.W must", RTRBM, given(fitted(RTRBM)) | {"W": wrong})


def test_a_layer_without_units_is_refused():
    for n_visible, n_hidden in ((0, 3), (4, 0)):
        params = dict(W=np.zeros((n_visible, n_hidden)), b_v=np.zeros(n_visible), b_h=np.zeros(n_hidden))
        refuses("params.W|n_hidden|n_visible", RBM, params, ValueError)


def test_settings_that_contradict_the_arrays_are_refused():
    params = given(fitted(RTRBM))
    refuses(r"params\.W must have shape \(4, 5\)", RTRBM, params, ValueError, n_hidden=5)
    refuses(r"params\.\w+ must", RTRBM, params, ValueError, n_taps=2)
    refuses(r"params\.U_v must have shape \(3, 4\)", RTRBM, params, ValueError, dynamic_visible_bias=True)
    dynamic = given(fitted(RTRBM, dynamic_visible_bias=True))
    refuses(r"params\.U_v must be left out", RTRBM, dynamic, ValueError, dynamic_visible_bias=False)
    refuses(r"params\.A must be left out", TRBM, given(fitted(TRBM)), ValueError, without="VV")


@any_kind
def test_groups_that_do_not_add_up_to_the_features_are_refused(kind, own):
    """Control: groups that do."""
    params = given(fitted(kind, **own))
    for groups in ((2, 3), (3,), (4, 4), (1, 1, 1)):
        message = rf"groups of Softmax must add up to the 4 features, got \({groups[0]}"
        refuses(message, kind, params, ValueError, **own, visible=Softmax(groups))
    for groups in (None, (4,), (1, 3), (2, 2)):
        model = kind.from_params(params, **own, visible=Softmax(groups), random_state=0)
        assert model.sample(2, random_state=0, n_gibbs=2).shape[-1] == 4


def test_settings_are_checked():
    params = given(fitted(RTRBM))
    refuses("n_components.*did you mean n_hidden", RTRBM, params, TypeError, n_components=3)
    refuses("visible", RTRBM, params, ValueError, visible="binary")
    refuses("random_state", RTRBM, params, ValueError, random_state=-1)
    refuses("dtype", RTRBM, params, ValueError, dtype="float16")
