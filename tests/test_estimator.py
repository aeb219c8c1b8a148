"""The class: scikit-learn's habits, bad input refused before anything happens, users' arrays left alone."""

import contextlib
import copy
import gc
import inspect
import os
import pickle
import signal
import weakref
from dataclasses import dataclass
from functools import partial

import h5py
import numpy as np
import pytest
from helpers import Tensor, model_with, random_array, random_params, random_sequences, state

from rtrbm import CRBM, LSTMRBM, RBM, RNNRBM, RTRBM, SRTRBM, TRBM, Stack
from rtrbm.callbacks import Callback
from rtrbm.checks import check_number
from rtrbm.estimators.settings import setting, settings
from rtrbm.kinds import named
from rtrbm.parameters import arrays
from rtrbm.rbm import Bernoulli, Gaussian, Poisson, ScaledGaussian, Softmax, Units
from rtrbm.rbm.negative import CD, NegativePhase

SETTINGS = dict(n_hidden=3, n_gibbs=1, n_updates=4, batch_size=2, random_state=0, n_jobs=1)
MODELS = (RTRBM, TRBM, CRBM, RNNRBM, LSTMRBM, SRTRBM, RBM)
X = random_array(5, 4)


@pytest.fixture
def fitted():
    return RTRBM(**SETTINGS).fit(X)


@contextlib.contextmanager
def time_limit(seconds):
    """A loop that would never end is an error after so many seconds."""

    def stop(signum, frame):
        raise TimeoutError(f"not done after {seconds} s")

    previous = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)


def refuses(match, function, *args, **kwargs):
    """A ValueError or TypeError that names the argument, at once; text is the path of a file that is not there."""
    with time_limit(2), pytest.raises((ValueError, TypeError, FileNotFoundError), match=match):
        function(*args, **kwargs)


# ------------------------------------------------------------------------------ scikit-learn habits

ODD = dict(
    n_hidden=np.int64(7), visible="no such units", n_taps=2, n_gibbs={0: 1, 9: 2}, optimizer=None, learning_rate=-1,
    momentum="0.9", max_norm=np.float32(3), batch_size=[8], n_updates=0, n_epochs=1.5, initialization=0,
    dtype=np.float64, n_jobs=0, random_state=np.random.RandomState(0), verbose=object(),
    bptt="no", dynamic_visible_bias=2,
    centering="yes", engine="steam", comm="me", sample_visible="now and then", negative=["cd"],
    weight_decay="some", l1=None, sparsity_cost=-1, sparsity_target=2, standardize="maybe",
)  # fmt: skip


def test_the_constructor_stores_what_it_is_given_and_nothing_else():
    model = RTRBM(**ODD)
    assert vars(model).keys() == ODD.keys() == RTRBM().get_params().keys()
    for name, value in ODD.items():
        assert getattr(model, name) is value


def test_clone_gets_an_equal_unfitted_model():
    """As scikit-learn's clone: construct from get_params, then ask that every value be the very object."""
    model = RTRBM(**ODD)
    parameters = model.get_params(deep=False)
    clone = type(model)(**parameters)
    assert all(clone.get_params(deep=False)[name] is value for name, value in parameters.items())
    fitted = RTRBM(**SETTINGS).fit(X)
    clone = RTRBM(**fitted.get_params())
    assert not any(name.endswith("_") for name in vars(clone))
    assert state(clone.fit(X)) == state(fitted)


def test_every_hyper_parameter_has_an_immutable_default_and_a_line_in_the_docstring():
    for name, parameter in inspect.signature(RTRBM).parameters.items():
        assert isinstance(parameter.default, int | float | str | bool | None)
        assert f"\n{name} : " in inspect.getdoc(RTRBM)
        assert parameter.kind is parameter.KEYWORD_ONLY or name == "n_hidden"


def test_get_and_set_params():
    model = RTRBM(n_hidden=4)
    assert model.get_params() == model.get_params(deep=True) == model.get_params(deep=False)
    assert model.get_params()["n_hidden"] == 4
    assert model.set_params(n_hidden=5, momentum=0.5) is model
    assert (model.n_hidden, model.momentum) == (5, 0.5)
    assert model.set_params() is model


def test_an_unknown_name_is_refused_and_sets_nothing():
    model = RTRBM(n_hidden=4)
    for names in (dict(n_hiden=5), dict(n_hidden=9, params_=3), dict(n_hidden=9, fit=3)):
        refuses("n_hiden|params_|fit", model.set_params, **names)
    assert model.n_hidden == 4
    with pytest.raises(TypeError):
        RTRBM(n_hiden=5)


MEANT = {
    "n_components": "n_hidden", "hidden_size": "n_hidden", "n_iter": "n_epochs", "max_iter": "n_epochs",
    "epochs": "n_epochs", "num_epochs": "n_epochs", "lr": "learning_rate", "seed": "random_state",
    "n_hiden": "n_hidden", "learning_rates": "learning_rate", "batchsize": "batch_size",
}  # fmt: skip


@pytest.mark.parametrize("kind", MODELS)
def test_what_users_of_other_packages_type_is_answered_with_what_they_mean(kind):
    """In the constructor, in set_params and in fit."""
    for name, meant in MEANT.items():
        with pytest.raises(TypeError, match=f"{kind.__name__} .*'{name}': did you mean {meant}\\?"):
            kind(**{name: 3})
        model = kind(n_hidden=4)
        with pytest.raises(ValueError, match=f"{kind.__name__} .*'{name}': did you mean {meant}\\?"):
            model.set_params(momentum=0.5, **{name: 3})
        assert (model.n_hidden, model.momentum) == (4, 0.9)
        for verb in (model.fit, model.partial_fit):
            with pytest.raises(TypeError, match=f"'{name}'"):
                verb(X, **{name: 3})
        assert not hasattr(model, "params_")
    for name in ("n_components", "n_iter", "epochs", "lr"):
        with pytest.raises(TypeError, match=f"fit .*'{name}': did you mean {MEANT[name]}"):
            kind().fit(X, **{name: 3})


@pytest.mark.parametrize("kind", MODELS)
def test_lengths_are_a_list_of_arrays(kind):
    """Of hmmlearn, which takes sequences end to end and their lengths."""
    hint = "'lengths': did you mean X as a list of arrays, one for each sequence"
    for error, verb in (
        (TypeError, lambda: kind(lengths=[3, 2])),
        (ValueError, lambda: kind().set_params(lengths=[3, 2])),
        (TypeError, lambda: kind().fit(X, lengths=[3, 2])),
        (TypeError, lambda: kind().partial_fit(X, lengths=[3, 2])),
    ):
        with pytest.raises(error, match=hint):
            verb()


def test_keywords_of_fit_are_guessed_too(fitted):
    before = state(fitted)
    for name, meant in {
        "callback": "callbacks",
        "checkpoints": "checkpoint",
        "chekpoint_every": "checkpoint_every",
    }.items():
        with pytest.raises(TypeError, match=f"RTRBM.fit .*'{name}': did you mean {meant}"):
            fitted.fit(X, **{name: 3})
    with pytest.raises(TypeError, match="'sample_weight', only X, y, window"):
        fitted.fit(X, sample_weight=3)
    assert state(fitted) == before


def test_words_nobody_means_are_refused_with_what_there_is():
    with pytest.raises(TypeError, match="'colour', only n_hidden, visible"):
        RTRBM(colour="red")


@pytest.mark.parametrize("kind", MODELS)
def test_scikit_learns_clone(kind):
    clone = pytest.importorskip("sklearn.base").clone
    own = {"n_hidden": 4, "n_gibbs": {0: 1, 9: 2}, "negative": CD(2), "visible": Gaussian(), "random_state": 3}
    model = kind(**own)
    twin = clone(model)
    assert type(twin) is kind and twin is not model and repr(twin) == repr(model)
    assert twin.get_params().keys() == model.get_params().keys() and twin.n_gibbs == {0: 1, 9: 2}
    fitted = kind(**SETTINGS).fit(X[:, 0] if kind is RBM else X)
    twin = clone(fitted)
    assert not any(name.endswith("_") for name in vars(twin)) and twin.get_params() == fitted.get_params()
    assert state(twin.fit(X[:, 0] if kind is RBM else X)) == state(fitted)


def test_scikit_learns_clone_of_a_stack():
    clone = pytest.importorskip("sklearn.base").clone
    stack = Stack([TRBM(**SETTINGS, without=["VV"]), RTRBM(**SETTINGS | dict(n_hidden=2))]).fit(X)
    twin = clone(stack)
    assert [type(layer) for layer in twin.layers] == [TRBM, RTRBM]
    assert not any(hasattr(layer, "params_") for layer in twin.layers)
    assert [state(layer) for layer in twin.fit(X).layers] == [state(layer) for layer in stack.layers]


@pytest.fixture
def forgets():
    """Classes that a test defines are gone after it."""
    yield
    gc.collect()


rate_of = partial(setting, 0.5, partial(check_number, minimum=0))


def subclasses_without_the_decorator():
    class Forgotten(RTRBM):
        rate: float = rate_of()

    class Below(Forgotten):
        pass

    @settings
    class Decorated(Forgotten):
        more: float = rate_of()

    class ForgottenStack(Stack):
        rate: float = rate_of()

    return Forgotten, Below, Decorated, ForgottenStack


@pytest.mark.parametrize("which", range(4), ids=["itself", "a subclass of it", "a decorated one", "a stack"])
def test_a_subclass_with_settings_that_lacks_the_decorator_says_so(which, forgets):
    """Control: with it the setting is one."""
    kind = subclasses_without_the_decorator()[which]
    first = [] if issubclass(kind, Stack) else 3
    for make in (lambda: kind(first), lambda: kind(first, rate=0.1)):
        with pytest.raises(TypeError, match="has hyper-parameters of its own and needs the decorator @settings"):
            make()

    @settings
    class Own(RTRBM):
        rate: float = rate_of()

    class Through(RTRBM):
        def __init__(self, *values, **settings):
            super().__init__(*values, **settings)

    class Fewer(RTRBM):
        def __init__(self, n_hidden=5):
            super().__init__(n_hidden)

    class More(RTRBM):
        def __init__(self, n_hidden=5, extra=3, **settings):
            super().__init__(n_hidden, **settings)
            self.extra = extra

    assert Through(4, n_updates=3).get_params()["n_updates"] == 3

    class Needing(RTRBM):
        def __init__(self, extra, **settings):
            super().__init__(**settings)

    for make, why in (Fewer, "Fewer.__init__ does not take batch_size, bptt"), (Needing, "Needing.*needs extra"):
        with pytest.raises(TypeError, match=f"{why}.*declare hyper-parameters"):
            make(1)
    with pytest.warns(UserWarning, match="load and clone forget extra of More.__init__, .* NAME: TYPE = DEFAULT"):
        More()
    with pytest.raises(TypeError, match="FewerSettings.__init__ does not take"):

        @settings
        class FewerSettings(RTRBM):
            def __init__(self, n_hidden=5):
                super().__init__(n_hidden)

    @settings
    class AsIsSaid(RTRBM):
        extra: int = 3

    assert AsIsSaid(extra=7).get_params()["extra"] == 7
    assert (Own().rate, Own(3, rate=0.1).get_params()["rate"]) == (0.5, 0.1)
    refuses("rate", Own(**SETTINGS, rate="high").fit, X)


def test_repr_is_what_was_changed():
    model = RTRBM(n_hidden=4, n_gibbs={0: 1, 9: 2}, dtype="float64")
    assert eval(repr(model)).get_params() == model.get_params()
    assert repr(RTRBM()) == "RTRBM()"


def test_verbs_that_learn_return_the_model():
    model = RTRBM(**SETTINGS)
    assert model.fit(X) is model and model.partial_fit(X) is model


def test_learned_attributes():
    model = RTRBM(**SETTINGS)
    assert not any(name.endswith("_") for name in vars(model))
    model.fit(X)
    shapes = {name: array.shape for name, array in model.params_._asdict().items() if array is not None}
    assert shapes == {"W": (4, 3), "U": (3, 3), "b_v": (4,), "b_h": (3,), "b_init": (3,)}
    assert (model.n_updates_, model.n_features_in_, model.seed_) == (4, 4, 0)
    dynamic = RTRBM(**SETTINGS, dynamic_visible_bias=True).fit(X)
    learned = [name for name, array in dynamic.params_._asdict().items() if array is not None]
    assert learned == ["W", "U", "b_v", "b_h", "b_init", "U_v"]
    assert dynamic.params_.U_v.shape == (3, 4)


def test_U_has_one_name_with_taps_and_without():
    """(n_hidden, n_hidden) in every RTRBM; B is the same as hidden taps, as the TRBM has them."""
    for own in ({}, dict(n_taps=2), dict(n_taps=2, dynamic_visible_bias=True), dict(n_taps=1, bptt=False)):
        params = RTRBM(**SETTINGS, **own).fit(X).params_
        assert params.U.shape == (3, 3) and params.U.any() and "B" not in params._fields
        np.testing.assert_array_equal(params.B, params.U[None])
        assert params.U_v is None or params.U_v.shape == (3, 4)
    params = RTRBM(**SETTINGS, n_taps=2, dynamic_visible_bias=True).fit(X).params_
    learned = [name for name, array in params._asdict().items() if array is not None]
    assert learned == ["W", "U", "b_v", "b_h", "b_init", "U_v", "A", "C", "b_v_init"]
    assert params.A.shape == (2, 4, 4) and params.C.shape == (2, 4, 3)
    assert params.b_init.shape == (2, 3) and params.b_v_init.shape == (2, 4)


def test_the_U_of_a_model_with_taps_carries_its_state_on():
    """As without taps: r_2 is sigmoid(v_2 W + b_h + b_init_2 + r_1 U + v_1 C_1). Control: without U it is another."""
    model = RTRBM(**SETTINGS | dict(dtype="float64", learning_rate=0.3), n_taps=1).fit(X)
    p, r = model.params_, model.transform(X)
    x = X[:, 1] @ p.W + p.b_h + X[:, 0] @ p.C[0]
    np.testing.assert_allclose(r[:, 1], 1 / (1 + np.exp(-x - r[:, 0] @ p.U)), rtol=0, atol=1e-14)
    assert np.abs(r[:, 1] - 1 / (1 + np.exp(-x))).max() > 1e-3


@pytest.mark.parametrize("name", ["W", "U", "b_v", "b_h", "b_init", "U_v"])
def test_every_parameter_is_learned(name):
    """None is called learned and never updated."""
    model = RTRBM(**SETTINGS, dynamic_visible_bias=True).partial_fit(X)
    before = getattr(model.params_, name).copy()
    model.partial_fit(X)
    assert (getattr(model.params_, name) != before).all()


def test_a_second_fit_starts_anew(fitted):
    first = state(fitted)
    assert state(fitted.fit(X)) == first


def test_partial_fit_goes_on():
    model = RTRBM(**SETTINGS)
    for n in range(3):
        model.partial_fit(X)
        assert model.n_updates_ == len(model.history_["gradient_norm"]) == n + 1
    other = RTRBM(**SETTINGS).partial_fit(X).partial_fit(X)
    assert state(other) != state(model)
    assert state(other.partial_fit(X)) == state(model)


def test_partial_fit_goes_on_after_fit(fitted):
    before = fitted.params_.W.copy()
    fitted.partial_fit(X)
    assert fitted.n_updates_ == 5 and (fitted.params_.W != before).any()


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))], ids=["deepcopy", "pickle"])
@pytest.mark.parametrize("settings", [{}, dict(dynamic_visible_bias=True, optimizer="momentum")], ids=str)
def test_copies_are_independent_and_complete(copied, settings):
    model = RTRBM(**SETTINGS, **settings).fit(X)
    twin = copied(model)
    before = state(model)
    assert state(twin) == before and twin.get_params() == model.get_params()
    twin.partial_fit(X)
    assert state(model) == before != state(twin)
    assert state(model.partial_fit(X)) == state(twin)
    np.testing.assert_array_equal(model.predict(X), twin.predict(X))


def test_an_unfitted_model_can_be_copied():
    model = RTRBM(**SETTINGS)
    for copied in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert copied.get_params() == model.get_params()


def test_score_is_minus_the_squared_error_of_frames_2_to_T(fitted):
    ragged = random_sequences((3, 1, 5))
    predicted = fitted.predict(ragged)
    expected = sum(((v - p)[1:] ** 2).sum() for v, p in zip(ragged, predicted)) / 6
    assert fitted.score(ragged) == pytest.approx(-expected, rel=1e-6)  # float32 against float64 differences


# ------------------------------------------------------------------------------------- random_state


def parameters(model):
    return b"".join(p.tobytes() for p in arrays(model.params_))


def fit_with(random_state):
    return parameters(RTRBM(**SETTINGS | dict(random_state=random_state)).fit(X))


def test_an_integer_makes_every_run_the_same():
    assert fit_with(3) == fit_with(3) == fit_with(np.int64(3)) != fit_with(4)
    model = RTRBM(**SETTINGS | dict(random_state=3))
    assert parameters(model.fit(X)) == parameters(model.fit(X))


def test_none_makes_every_run_another():
    assert fit_with(None) != fit_with(None)
    model = RTRBM(**SETTINGS | dict(random_state=None))
    assert parameters(model.fit(X)) != parameters(model.fit(X))


@pytest.mark.parametrize("kind", [np.random.RandomState, np.random.default_rng])
def test_a_generator_is_drawn_from(kind):
    generator = kind(0)
    first, second = fit_with(generator), fit_with(generator)
    assert first != second and first == fit_with(kind(0))


# -------------------------------------------------------------------------------- forms of the data


@pytest.mark.parametrize("settings", [{}, dict(batch_size=5), dict(dynamic_visible_bias=True)], ids=str)
def test_array_and_list_give_the_same_numbers(settings):
    settings = SETTINGS | settings
    of_array, of_list = RTRBM(**settings).fit(X), RTRBM(**settings).fit(list(X))
    assert state(of_array) == state(of_list)
    assert state(of_array.partial_fit(X)) == state(of_list.partial_fit(list(X)))
    for verb in ("transform", "predict"):
        results = getattr(of_array, verb)(X), getattr(of_array, verb)(list(X))
        assert isinstance(results[0], np.ndarray) and isinstance(results[1], list)
        np.testing.assert_array_equal(results[0], np.stack(results[1]))
    np.testing.assert_array_equal(of_array.log_likelihood(X), of_array.log_likelihood(list(X)))
    assert of_array.score(X) == of_array.score(list(X))


FORMS = {
    "nested lists": lambda X: X.tolist(),
    "tuple": tuple,
    "list of lists of arrays": lambda X: [list(v) for v in X],
    "Fortran order": np.asfortranarray,
    "every other frame of a longer array": lambda X: np.repeat(X, 2, axis=1)[:, ::2],
    "big-endian": lambda X: X.astype(">f8"),
    "single precision": lambda X: X.astype(np.float32),
    "read-only": lambda X: (X.setflags(write=False), X)[1],
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
@pytest.mark.parametrize("n_sequences", [1, 5])
def test_any_form_of_the_same_data_will_do(form, n_sequences):
    data = X[:n_sequences].copy()
    expected = RTRBM(**SETTINGS).fit(data)
    model = RTRBM(**SETTINGS).fit(form(data.copy()))
    for a, b in zip(arrays(model.params_), arrays(expected.params_), strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-6)  # 4 updates; other strides may round differently
    states = np.stack(list(model.transform(form(data.copy()))))
    np.testing.assert_allclose(states, model.transform(data), atol=1e-6)


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int64, np.float16])
def test_binary_data_of_any_dtype(dtype):
    binary = np.round(X)
    assert state(RTRBM(**SETTINGS).fit(binary.astype(dtype))) == state(RTRBM(**SETTINGS).fit(binary))


@pytest.mark.parametrize("dtype", ["float32", "float64", np.float32, float])
@pytest.mark.parametrize("data", [X, X.astype(np.float32)], ids=["double", "single"])
def test_everything_has_the_dtype_of_the_model(dtype, data):
    model = RTRBM(**SETTINGS | dict(dtype=dtype), dynamic_visible_bias=True).fit(data)
    adam = model.optimizer_state_
    found = [a for params in (model.params_, adam.gradient, adam.square, model.gradient(data)) for a in arrays(params)]
    found += [model.transform(data), *model.sample(2, random_state=0, return_states=True)]
    found += [model.sample(2, prefix=data[0], random_state=0)]
    found += [model.predict(data, protocol=protocol) for protocol in ("mean", "chain", "mean_field")]
    assert {a.dtype for a in found} == {np.dtype(dtype)}


def test_single_and_double_precision_agree():
    """Of what has no chain in it: there a random number may fall between two roundings of a probability."""
    results = [model_with(random_params(), dtype=dtype).log_likelihood(X) for dtype in ("float32", "float64")]
    np.testing.assert_allclose(*results, rtol=1e-5)


def test_sequences_of_one_frame_and_data_of_one_feature():
    for data in (X[:, :1], X[:, :, :1], X[:1, :1, :1], [X[0, :1], X[1]]):
        model = RTRBM(**SETTINGS | dict(dynamic_visible_bias=True)).fit(data)
        assert np.isfinite(model.sample(2, random_state=0)).all()
        assert [p.shape for p in model.predict(data)] == [np.shape(v) for v in data]
        assert np.isfinite(model.log_likelihood(data)).all()


VERBS = {
    "fit": lambda m, X: m.fit(X),
    "partial_fit": lambda m, X: m.partial_fit(X),
    "transform": lambda m, X: m.transform(X),
    "predict mean": lambda m, X: m.predict(X),
    "predict chain": lambda m, X: m.predict(X, protocol="chain"),
    "predict mean_field": lambda m, X: m.predict(X, protocol="mean_field"),
    "score": lambda m, X: m.score(X),
    "log_likelihood": lambda m, X: m.log_likelihood(X),
    "gradient exact": lambda m, X: m.gradient(X, method="exact"),
    "gradient cd": lambda m, X: m.gradient(X),
}
verbs = pytest.mark.parametrize("verb", VERBS.values(), ids=VERBS)


@verbs
@pytest.mark.parametrize("bptt", [True, False])
def test_users_arrays_are_left_alone(verb, bptt):
    """Also those of the model's own dtype and of one sequence, which need no copy on the way in."""
    for data in (X, X[:1], [X[0], X[1, :2]], [X[0]]):
        data = [v.astype(np.float32) for v in data] if isinstance(data, list) else data.astype(np.float32)
        model = RTRBM(**SETTINGS, bptt=bptt, dynamic_visible_bias=True).fit(data)
        kept = [v.copy() for v in data]
        for v in [data] if isinstance(data, np.ndarray) else data:
            v.flags.writeable = False  # a write would raise
        verb(model, data)
        for a, b in zip(data, kept):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("verb", [name for name in VERBS if "fit" not in name])
def test_verbs_that_only_look_change_nothing(fitted, verb):
    before = state(fitted)
    VERBS[verb](fitted, X)
    fitted.sample(3, prefix=X[0], random_state=0)
    assert state(fitted) == before
    assert state(fitted.partial_fit(X)) == state(RTRBM(**SETTINGS).fit(X).partial_fit(X))


def test_a_prefix_is_left_alone(fitted):
    for prefix in (X[0].astype(np.float32), X.astype(np.float32)):
        prefix.flags.writeable = False
        fitted.sample(2, len(X), prefix=prefix, random_state=0)


def test_a_fitted_model_does_not_keep_the_users_array():
    data = X.astype(np.float32)
    model = RTRBM(**SETTINGS).fit(data)
    before = state(model)
    data[:] = 0
    assert state(model) == before


# ----------------------------------------------------------------------------------------- bad data


class Sparse:
    """As a matrix of scipy.sparse."""

    shape, ndim, dtype = (4, 4), 2, np.dtype(float)

    def getnnz(self):
        return 0

    def __len__(self):
        raise TypeError("sparse array length is ambiguous; use getnnz() or shape[0]")


@pytest.mark.skipif(not hasattr(os, "sysconf"), reason="this system does not tell its memory")
def test_the_memory_of_a_sample_counts_the_sequences_of_its_prefix(fitted):
    n_frames = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // (8 * X.shape[2] * 50)
    with pytest.raises(ValueError, match="n_sequences=100 sequences would take .* GB"):
        fitted.sample(n_frames, prefix=np.zeros((100, 1, X.shape[2])))


class Table:
    """What a two-dimensional table of another library looks like: it gives the names of its columns when iterated."""

    ndim, shape, dtypes = 2, X[0].shape, ["float64"] * X.shape[2]

    def __array__(self, dtype=None, copy=None):
        return X[0]

    def __len__(self):
        return len(X[0])

    def __iter__(self):
        return iter("abcdefghijklmnopqrstuvwxyz"[: X.shape[2]])


def test_a_table_is_one_sequence(fitted):
    np.testing.assert_array_equal(fitted.transform([Table()])[0], fitted.transform(X[:1])[0])
    for verb in (fitted.fit, fitted.transform, fitted.predict):
        with pytest.raises(ValueError, match="X must have 3 dimensions"):
            verb(Table())


@pytest.mark.parametrize("verb", ["transform", "predict", "denoise"])
def test_arrays_of_other_libraries_are_arrays(fitted, verb):
    np.testing.assert_array_equal(getattr(fitted, verb)(Tensor(X)), getattr(fitted, verb)(X))


def test_a_masked_array_is_refused_wherever_it_comes_in(fitted):
    masked, H = np.ma.masked_less(X, 0.5), fitted.transform(X)
    mask = X < 0.5
    for verb in (
        lambda: fitted.transform(masked),
        lambda: fitted.sample(3, prefix=masked[0]),
        lambda: fitted.sample(2, prefix=[masked[0], X[1]]),
        lambda: fitted.decode([H[0], np.ma.masked_less(H[1], 0.5)]),
        lambda: fitted.decode(np.ma.masked_less(H, 0.5)),
        lambda: fitted.reconstruct(X, np.ma.masked_less(H, 0.5)),
        lambda: fitted.impute(X, np.ma.masked_array(mask, mask)),
    ):
        with pytest.raises(TypeError, match="masked array"):
            verb()


def test_a_model_whose_training_diverges_says_so_and_keeps_the_updates_before(fitted):
    fitted.set_params(optimizer="momentum").fit(X)
    fitted.set_params(learning_rate=1e300)
    with pytest.raises(FloatingPointError, match="learning_rate=1e\\+300 is too large, or values of X"):
        for _ in range(5):
            before = state(fitted)
            fitted.partial_fit(X)
    assert state(fitted) == before
    fitted.set_params(learning_rate=0.01).partial_fit(X)
    assert np.isfinite(fitted.predict(X)).all()


def test_parameters_that_are_not_finite_are_refused(fitted):
    before = fitted.n_updates_
    fitted.params_.W[0, 0] = np.nan
    for verb in (fitted.transform, fitted.predict, fitted.denoise, fitted.score, fitted.partial_fit):
        with pytest.raises(ValueError, match="params_ must be finite, got NaN or infinite values: fit again"):
            verb(X)
    assert fitted.fit(X).n_updates_ == before  # a new start


def bad_data():
    nan, inf, both, above, below = (X.copy() for _ in range(5))
    nan[1, 2, 3], inf[0, 0, 0], both[0, 0, :2] = np.nan, np.inf, (np.inf, -np.inf)
    above[4, 3, 3], below[0, 0, 0] = 1.01, -0.01
    return {
        "NaN": nan,
        "infinite": inf,
        "minus infinite": -inf,
        "both infinities": both,
        "above 1": above,
        "below 0": below,
        "pixels to 255": (X * 255).astype(np.uint8),
        "scalar": np.array(0.5),
        "1-D": X[0, 0],
        "2-D": X[0],
        "4-D": X[None],
        "no sequences": X[:0],
        "no frames": X[:, :0],
        "no features": X[:, :, :0],
        "empty list": [],
        "empty tuple": (),
        "list of empty": [[]],
        "a sequence without frames": [X[0], X[1, :0]],
        "first sequence without frames": [X[0, :0], X[1]],
        "features differ": [X[0], X[1, :, :3]],
        "later features differ": [X[0], X[1], X[2, :, :1]],
        "list of 1-D": [X[0, 0], X[0, 1]],
        "list of 3-D": [X, X],
        "NaN in a list": list(nan),
        "above 1 in a list": list(above),
        "ragged nested list": [[[0, 1, 0, 1], [0, 1]]],
        "text": "video",
        "list of text": ["a", "b"],
        "array of text": np.full((2, 3, 4), "a"),
        "objects": np.full((2, 3, 4), {}, dtype=object),
        "None": None,
        "list of None": [None, None],
        "number": 3,
        "complex": X.astype(complex),
        "dates": np.zeros((2, 3, 4), "datetime64[s]"),
        "dict": {"a": X[0]},
        "sparse": Sparse(),
        "list of sparse": [Sparse(), Sparse()],
    }


BAD = bad_data()
bad = pytest.mark.parametrize("data", BAD.values(), ids=BAD)


@bad
@verbs
def test_bad_data_is_refused_and_nothing_changes(fitted, verb, data):
    before = state(fitted)
    refuses("X", verb, fitted, data)
    assert state(fitted) == before


@bad
@pytest.mark.parametrize("verb", ["fit", "partial_fit"])
def test_bad_data_leaves_a_new_model_new(verb, data, tmp_path):
    model = RTRBM(**SETTINGS)
    before = dict(vars(model))
    refuses("X", VERBS[verb], model, data)
    refuses("X", model.fit, data, checkpoint=tmp_path / "model.h5", checkpoint_every=1)
    assert vars(model) == before and os.listdir(tmp_path) == []


def test_good_data_is_not_refused(fitted):
    """Control of the tests above."""
    for verb in VERBS.values():
        verb(fitted, X)


@verbs
def test_other_numbers_of_features_are_refused(fitted, verb):
    if verb is VERBS["fit"]:  # which starts anew
        assert verb(fitted, X[:, :, :3]).n_features_in_ == 3
        return
    before = state(fitted)
    refuses("X", verb, fitted, X[:, :, :3])
    refuses("X", verb, fitted, [np.ones((2, 5))])
    assert state(fitted) == before


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_gaussian_units_take_any_finite_value_and_no_other(dtype):
    model = RTRBM(**SETTINGS | dict(visible="gaussian", dtype=dtype))
    for data in (BAD["NaN"], BAD["infinite"], BAD["both infinities"]):
        refuses("X", model.fit, data)
    model.fit(10 * X - 5)
    refuses("X", model.transform, BAD["both infinities"])


def test_numbers_too_large_for_single_precision_are_an_error_of_the_data():
    model = RTRBM(**SETTINGS | dict(visible="gaussian"))
    refuses("X", model.fit, 1e300 * X)
    refuses("X", model.fit, list(-1e39 * X))
    assert not hasattr(model, "params_")


def test_verbs_of_an_unfitted_model_say_so():
    for name, verb in VERBS.items():
        if "fit" not in name:
            refuses("not fitted", verb, RTRBM(**SETTINGS), X)
    refuses("not fitted", RTRBM(**SETTINGS).sample, 3)


# ----------------------------------------------------------------------------- bad hyper-parameters

HUGE = 2**40
BAD_SETTINGS = {
    "n_hidden": [0, -1, 2.5, 3.0, "3", None, True, [3], np.nan, HUGE, np.int64(HUGE), np.array([3, 3])],
    "visible": ["binary", "Bernoulli", "", None, 3, True, ["bernoulli"], np.array(["bernoulli", "gaussian"])],
    "n_taps": [-1, 1.5, "2", None, True, [2], HUGE, np.int64(HUGE)],
    "dynamic_visible_bias": ["yes", 2, None, 0.5, np.array([True, True])],
    "bptt": ["no", 2, None, 0.5, np.array([True, True])],
    "standardize": ["yes", 2, None, 0.5, np.array([True, True])],
    "negative": ["cd2", "CD", "", None, 3, True, ["cd"], CD, np.array(["cd", "exact"])],
    "n_gibbs": [
        0, -1, 1.5, "2", None, True, [1], {}, {1: 3}, {0: 0}, {0: 1.5}, {0: 1, -1: 1}, {"0": 1}, {0: None},
        {0.5: 1, 0: 1},
    ],
    "sample_visible": ["yes", 2, None, 0.5, np.array([True, True])],
    "optimizer": ["sgd", "", None, 3, ["adam"], np.array(["adam", "momentum"])],
    "learning_rate": [0, -1e-3, np.nan, np.inf, "0.1", None, True, 1j, [0.1], np.array([0.1, 0.1])],
    "momentum": [-0.1, 1, 1.5, np.nan, "0.9", None, True, [0.9]],
    "centering": ["yes", 2, None, 0.5, np.array([True, True])],
    "max_norm": [0, -1, np.nan, "1", True, [1.0]],
    "weight_decay": [-1, np.inf, "1", None, True],
    "l1": [-1, np.inf, "1", None, True],
    "sparsity_cost": [-1, np.inf, "1", None, True],
    "sparsity_target": [0, 1, "1", None, True],
    "batch_size": [0, -1, 1.5, "8", None, True, HUGE, np.int64(HUGE)],
    "n_updates": [0, -1, 1.5, "10", None, True, np.nan],
    "n_epochs": [0, -1, 1.5, "10", True, np.nan],
    "initialization": ["zeros", None, 0, ["data"]],
    "dtype": ["float16", "int32", "complex128", "banana", None, 3, "object", ["float32"], ...],
    "comm": [2, "world", object()],
    "engine": ["torch", None, 1, ["numpy"]],
    "n_jobs": [0, 1.5, "2", [1], 2.0],
    "random_state": [-1, 1.5, "0", True, [1], np.nan],
    "verbose": ["loud", [1], ...],
}  # fmt: skip
bad_settings = pytest.mark.parametrize(
    "name, value", [(name, value) for name, values in BAD_SETTINGS.items() for value in values], ids=repr
)


@bad_settings
def test_bad_hyper_parameters_are_refused_before_any_work(name, value, tmp_path):
    model = RTRBM(**SETTINGS | {name: value})
    refuses(name, model.fit, X, checkpoint=tmp_path / "model.h5", checkpoint_every=1)
    refuses(name, model.partial_fit, X)
    assert not any(attribute.endswith("_") for attribute in vars(model)) and os.listdir(tmp_path) == []


@bad_settings
def test_a_fitted_model_survives_bad_hyper_parameters(fitted, name, value):
    before = state(fitted)
    refuses(name, fitted.set_params(**{name: value}).fit, X)
    assert state(fitted) == before


@pytest.mark.parametrize("k", [0, -1, 1.5, "2", None, True])
def test_a_negative_phase_that_cannot_be_is_refused(k, tmp_path):
    """By itself or, before any work, by the model."""
    with pytest.raises((TypeError, ValueError), match=r"\bk\b|negative"):
        phase = CD(k)
        model = RTRBM(**SETTINGS, negative=phase)
        try:
            model.fit(X, checkpoint=tmp_path / "model.h5", checkpoint_every=1)
        finally:
            assert not hasattr(model, "params_") and os.listdir(tmp_path) == []


@pytest.fixture
def kinds(monkeypatch):
    """Classes that a test defines are forgotten after it."""
    for base in (Units, NegativePhase):
        monkeypatch.setattr(base, "kinds", dict(base.kinds))


def kinds_that_files_cannot_keep():
    """Settings, and the class that is named."""

    class Nameless(Bernoulli):
        pass

    class Plain(Units):
        name = "plain"

    class NamelessPhase(CD):
        pass

    class PlainPhase(NegativePhase):
        name = "plain"

    @dataclass(frozen=True)
    class NamelessSettings(Gaussian):
        n: int = 3

    units = [dict(visible=kind()) for kind in (Nameless, Plain, NamelessSettings, Units)]
    return [*units, *(dict(negative=kind()) for kind in (NamelessPhase, PlainPhase, NegativePhase))]


def test_kinds_that_files_cannot_keep_are_refused_before_any_work(kinds, fitted, tmp_path):
    """Control: those with a name that are dataclasses are taken."""
    for own in kinds_that_files_cannot_keep():
        ((name, value),) = own.items()
        match = f"^{name} must be of a class that files can keep: {type(value).__name__} must be a dataclass with"
        model, before = RTRBM(**SETTINGS, **own), state(fitted)
        for verb in (lambda m: m.fit(X), lambda m: m.fit(X, checkpoint=tmp_path / "m.h5"), lambda m: m.partial_fit(X)):
            for one in (model, fitted.set_params(**own)):
                with pytest.raises(TypeError, match=match):
                    verb(one)
        assert not hasattr(model, "params_") and state(fitted) == before and os.listdir(tmp_path) == []
        with pytest.raises(TypeError, match=match):
            RTRBM.from_params(fitted.params_, **own)
        fitted.set_params(visible="bernoulli", negative="cd")

    @dataclass(frozen=True)
    class Own(Bernoulli):
        name = "own"

    @dataclass(frozen=True)
    class OwnPhase(CD):
        name = "own_phase"

    model = RTRBM(**SETTINGS, visible=Own(), negative=OwnPhase(1)).fit(X, checkpoint=tmp_path / "m.h5")
    assert type(RTRBM.load(tmp_path / "m.h5").negative) is OwnPhase and np.isfinite(model.score(X))


@pytest.mark.parametrize("base, parent, name", [(Units, Bernoulli, "visible"), (NegativePhase, CD, "negative")])
def test_of_a_class_that_is_defined_twice_the_later_counts(kinds, base, parent, name, tmp_path):
    """As in a notebook, where a cell is run again."""

    def define():
        return dataclass(frozen=True)(type("Own", (parent,), {"name": "own"}))

    first, path = define(), tmp_path / "model.h5"
    RTRBM(**SETTINGS | {name: first()}).fit(X).save(path)
    assert type(getattr(RTRBM.load(path), name)) is first
    second = define()
    assert type(named(base, name, "own")) is second
    loaded = RTRBM.load(path)
    assert type(getattr(loaded, name)) is second
    assert type(getattr(RTRBM(**SETTINGS | {name: second()}).fit(X, checkpoint=path), name)) is second


@pytest.mark.parametrize(
    "parent, name, method", [(Bernoulli, "visible", "inward"), (CD, "negative", "averages"), (CD, "negative", "check")]
)
def test_an_update_takes_the_later_definition_of_a_name(kinds, parent, name, method):
    called = []

    def define(number):
        def own(self, *given):
            called.append(number)
            return getattr(parent, method)(self, *given)

        dataclass(frozen=True)(type("Own", (parent,), {"name": "own", method: own}))

    define(1)
    model = RTRBM(**SETTINGS | {name: "own"}).partial_fit(X).partial_fit(X)
    assert set(called) == {1}
    called.clear()
    define(2)
    model.partial_fit(X)
    assert set(called) == {2}


def test_what_passed_a_check_in_a_run_that_failed_is_looked_at_again(tmp_path):
    class Failing(Callback):
        def start(self, model):
            model.save(tmp_path / "model.h5")
            raise OSError("no space")

    model = RTRBM.from_params(RTRBM(**SETTINGS).fit(X).params_, **SETTINGS).set_params(visible="gaussian")
    for _ in range(2):  # before the run, and after it
        for verb in (model.predict, model.partial_fit):
            with pytest.raises(ValueError, match="visible was changed after fitting"):
                verb(X)
        with pytest.raises(OSError, match="no space"):
            model.fit(X, callbacks=[Failing()])


@pytest.mark.parametrize(
    "base, parent, name", [(Units, Units, "visible"), (Units, Bernoulli, "visible"), (NegativePhase, CD, "negative")]
)
def test_the_names_of_the_package_stay(kinds, base, parent, name, tmp_path):
    """Wherever a user's class of such a name stands among the subclasses."""
    names = ("bernoulli", "gaussian", "scaled_gaussian") if base is Units else ("cd", "pcd", "exact")
    before = {own: type(named(base, name, own)) for own in names}
    mine = [dataclass(frozen=True)(type("Own", (parent,), {"name": own})) for own in names]
    assert {own: type(named(base, name, own)) for own in names} == before and not set(mine) & set(before.values())
    own = names[-1]
    RTRBM(**SETTINGS | {name: before[own]()}).fit(X).save(tmp_path / "model.h5")
    assert type(getattr(RTRBM.load(tmp_path / "model.h5"), name)) is before[own]
    assert state(RTRBM(**SETTINGS | {name: own}).fit(X)) == state(RTRBM(**SETTINGS | {name: before[own]()}).fit(X))


@pytest.mark.parametrize("name", BAD_SETTINGS)
def test_every_hyper_parameter_is_checked(name):
    """Control of the tests above: they are all here, and a good value passes."""
    assert BAD_SETTINGS.keys() == RTRBM().get_params().keys()
    good = dict(
        n_hidden=np.int64(4), visible="gaussian", n_taps=np.int8(2), dynamic_visible_bias=True, bptt=False,
        centering=False, n_gibbs={0: 1, np.int64(2): 2}, optimizer="momentum", learning_rate=np.float32(0.1),
        momentum=0, max_norm=1, batch_size=np.int32(3), n_updates=1, n_epochs=1, initialization="thesis",
        dtype=np.float64, engine="numpy", comm=None, negative=CD(2), sample_visible=np.False_, n_jobs=np.int64(2),
        random_state=np.uint8(3), verbose=True, weight_decay=1, l1=np.float32(0.1), sparsity_cost=1,
        sparsity_target=0.2, standardize=np.False_,
    )  # fmt: skip
    RTRBM(**SETTINGS | {name: good[name]}).fit(X)


@pytest.mark.parametrize(
    "settings",
    [
        dict(n_hidden=5), dict(dynamic_visible_bias=True), dict(optimizer="momentum"), dict(dtype="float64"),
    ],
    ids=str,
)  # fmt: skip
def test_a_setting_that_does_not_fit_what_was_learned_is_named_or_does_no_harm(fitted, settings):
    """Changed after fit, these contradict the arrays learned: the verbs work all the same, or name it."""
    fitted.set_params(**settings)
    for verb in (lambda m: m.sample(2, random_state=0), lambda m: m.partial_fit(X), lambda m: m.transform(X)):
        try:
            verb(fitted)
        except (ValueError, TypeError) as error:
            assert next(iter(settings)) in str(error)


def test_units_by_name_and_as_an_object_are_the_same(fitted):
    for visible, other in (("bernoulli", Bernoulli()), ("gaussian", Gaussian())):
        model = RTRBM(**SETTINGS | dict(visible=visible)).fit(X)
        assert state(RTRBM(**SETTINGS | dict(visible=other)).fit(X)) == state(model)
        predicted = model.predict(X)
        np.testing.assert_array_equal(model.set_params(visible=other).predict(X), predicted)
        with pytest.raises(ValueError, match="visible"):
            model.set_params(visible=Gaussian() if visible == "bernoulli" else Bernoulli()).predict(X)


UNITS = {"bernoulli": Bernoulli, "gaussian": Gaussian, "poisson": Poisson, "scaled_gaussian": ScaledGaussian}


@pytest.mark.parametrize("name", [*UNITS, "softmax"])
def test_the_same_units_in_another_form_may_be_set_after_fitting(name, tmp_path):
    """An object for its name and back; every verb goes on. Control: other units are refused by name."""
    kind, path = UNITS.get(name, Softmax), tmp_path / "model.h5"
    data = np.eye(4)[np.arange(20) % 4].reshape(5, 4, 4)
    for first, then in ((name, kind()), (kind(), name)):
        model, twin = (RTRBM(**SETTINGS, visible=first).fit(data) for _ in range(2))
        predicted = model.predict(data)
        np.testing.assert_array_equal(model.set_params(visible=then).predict(data), predicted)
        model.save(path)
        model.check_resume(path)
        twin.check_resume(path)
        np.testing.assert_array_equal(RTRBM.load(path).set_params(visible=first).predict(data), predicted)
        assert state(model.partial_fit(data)) == state(twin.partial_fit(data))
    others = [Gaussian() if name != "gaussian" else Bernoulli(), Softmax((2, 2))]
    for other in others:
        with pytest.raises(ValueError, match="^visible was changed after fitting"):
            model.set_params(visible=other).predict(data)


CHANGES = {
    "n_gibbs": 3,
    "negative": "exact",
    "sample_visible": False,
    "learning_rate": 0.3,
    "momentum": 0.1,
    "centering": False,
    "max_norm": 1e-3,
    "weight_decay": 0.3,
    "l1": 0.3,
    "sparsity_cost": 0.3,
}


@pytest.mark.parametrize("name", list(CHANGES))
@pytest.mark.parametrize("engine", ["numpy", "auto"])
def test_the_next_update_takes_the_settings_of_now(name, engine, tmp_path):
    """As a model that is read from a file with them does. Control: it is not the update of the settings before."""
    data, path = random_sequences((7, 4, 9)), tmp_path / "model.h5"
    model, twin = (RTRBM(4, engine=engine, random_state=0).partial_fit(data).partial_fit(data) for _ in range(2))
    model.save(path)
    model.set_params(**{name: CHANGES[name]}).partial_fit(data)
    other = RTRBM.load(path).set_params(**{name: CHANGES[name]}).partial_fit(data)
    assert state(model) == state(other) != state(twin.partial_fit(data))


def test_nothing_keeps_a_model_that_was_trained():
    """Its parameters may be large, and the search for cycles late."""
    data = random_sequences((7, 4))
    model = RTRBM(4, random_state=0).partial_fit(data).partial_fit(data)
    gone = weakref.ref(model)
    gc.disable()
    try:
        del model
        assert gone() is None
    finally:
        gc.enable()


# --------------------------------------------------------------------------- bad arguments of verbs


@pytest.mark.parametrize("value", [0, -1, 1.5, 3.0, "3", None, True, [3], 2**62, np.int64(2**62), np.nan])
def test_bad_numbers_of_frames_and_sequences(fitted, value):
    refuses("n_frames", fitted.sample, value)
    refuses("n_sequences", fitted.sample, 3, value)


def test_two_numbers_whose_product_overflows(fitted):
    refuses("n_frames|n_sequences", fitted.sample, np.int32(2**31 - 1), np.int32(2**31 - 1))
    refuses("n_frames|n_sequences", fitted.sample, np.int64(2**32), np.int64(2**32))


@pytest.mark.parametrize("value", [0, -1, 1.5, "3", None, True])
def test_bad_lengths_of_sampling_chains(fitted, value):
    refuses("n_gibbs", fitted.sample, 3, n_gibbs=value)


@pytest.mark.parametrize("value", [-1, 1.5, "0", True, [1]])
def test_bad_random_states(fitted, value):
    refuses("random_state", fitted.sample, 3, random_state=value)
    refuses("random_state", fitted.predict, X, random_state=value)
    refuses("random_state", fitted.gradient, X, random_state=value)
    refuses("random_state", fitted.gradient, X, "exact", value)


@pytest.mark.parametrize("value", ["best", "", None, 3, ["mean"]])
def test_bad_protocols_and_methods(fitted, value):
    refuses("protocol", fitted.predict, X, protocol=value)
    refuses("method", fitted.gradient, X, method=value)


BAD_PREFIXES = {
    "NaN": np.full((2, 4), np.nan),
    "infinite": np.full((2, 4), np.inf),
    "above 1": np.full((2, 4), 2.0),
    "1-D": np.zeros(4),
    "4-D": np.zeros((1, 3, 2, 4)),
    "no frames": np.zeros((0, 4)),
    "no sequences": np.zeros((0, 2, 4)),
    "other features": np.zeros((2, 3)),
    "two for three": np.zeros((2, 2, 4)),
    "four for three": np.zeros((4, 2, 4)),
    "ragged": [[0, 1, 0, 1], [0, 1]],
    "ragged sequences": [np.zeros((2, 4)), np.zeros((3, 4)), np.zeros((2, 4))],
    "text": "prefix",
    "number": 3,
    "objects": np.array([None, None]),
    "empty": [],
}


@pytest.mark.parametrize("prefix", BAD_PREFIXES.values(), ids=BAD_PREFIXES)
def test_bad_prefixes_are_called_prefix(fitted, prefix):
    before = state(fitted)
    refuses("prefix", fitted.sample, 2, 3, prefix=prefix, random_state=0)
    assert state(fitted) == before


def test_a_refused_call_draws_nothing_from_the_users_generator(fitted):
    for call in (
        lambda rng: fitted.predict(BAD["NaN"], random_state=rng),
        lambda rng: fitted.gradient(BAD["NaN"], random_state=rng),
        lambda rng: fitted.sample(2, prefix=BAD_PREFIXES["NaN"], random_state=rng),
        lambda rng: RTRBM(**SETTINGS | dict(random_state=rng)).fit(BAD["NaN"]),
        lambda rng: RTRBM(**SETTINGS | dict(random_state=rng, n_hidden=HUGE)).fit(X),
    ):
        rng = np.random.default_rng(0)
        with pytest.raises((ValueError, TypeError)):
            call(rng)
        assert rng.bit_generator.state == np.random.default_rng(0).bit_generator.state


# -------------------------------------------------------------------------------- exact enumeration


@pytest.mark.parametrize("shape, visible, allowed", [
    ((26, 2), "bernoulli", True), ((2, 26), "bernoulli", True), ((26, 26), "bernoulli", False),
    ((30, 2), "gaussian", True), ((2, 26), "gaussian", False),
])  # fmt: skip
def test_likelihoods_that_cannot_be_summed_are_refused(shape, visible, allowed):
    n_visible, n_hidden = shape
    X = np.random.default_rng(0).standard_normal((2, 50, n_visible))
    X = X if visible == "gaussian" else np.float32(X > 0)
    model = RTRBM(**SETTINGS | dict(n_hidden=n_hidden, visible=visible)).fit(X)
    data = np.full((1, 2, n_visible), 0.5)
    if allowed:
        assert np.isfinite(model.log_likelihood(data)).all()
        return
    for verb in (model.log_likelihood, model.score_samples, model.likelihood, model.gradient):
        refuses("n_hidden", lambda data: verb(data, method="exact"), data)
    model.gradient(data, method="cd")


def test_log_likelihood_is_one_number_per_sequence(fitted):
    assert fitted.log_likelihood(X).shape == (5,)
    ragged = random_sequences((3, 1, 5))
    each = [fitted.log_likelihood([v])[0] for v in ragged]
    # sums of a few float32 numbers in products of other sizes
    np.testing.assert_allclose(fitted.log_likelihood(ragged), each, rtol=1e-5)


def closed_dataset(folder):
    with h5py.File(folder / "closed.h5", "w") as file:
        return file.create_dataset("X", data=np.ones((3, 5, 2)))


@pytest.mark.parametrize("given", [range(3), ".", [range(3)]], ids=repr)
def test_what_is_wrong_with_validation_data_is_said_of_them(given, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for model in (RTRBM(**SETTINGS), Stack([RTRBM(**SETTINGS)])):
        with pytest.raises((ValueError, OSError), match=r"^validation"):
            model.fit(X, validation=given)
        with pytest.raises((ValueError, OSError), match=r"^X"):
            model.fit(given)


def test_a_y_that_cannot_be_read_is_not_used(tmp_path):
    assert state(RTRBM(**SETTINGS).fit(X, y=closed_dataset(tmp_path))) == state(RTRBM(**SETTINGS).fit(X))


@pytest.mark.parametrize("name", ["weight_decay", "sparsity_cost"])
def test_a_setting_that_is_too_large_is_named(name):
    with pytest.raises(FloatingPointError, match=f"{name}=1.7e.308 is too large"), np.errstate(all="ignore"):
        RTRBM(**SETTINGS | {name: 1.7e308}).fit(X)
