"""scikit-learn's protocol: its own checks, its tools, names of features, and what works without it."""

import io
import pickle
import re
import subprocess
import sys
import warnings
import xml.etree.ElementTree as ElementTree
from copy import deepcopy

import joblib
import numpy as np
import pandas as pd
import polars as pl
import pytest
import sklearn
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.utils import estimator_checks, get_tags
from sklearn.utils.validation import check_is_fitted

from rtrbm import CRBM, LSTMRBM, RBM, RNNRBM, RTRBM, SRTRBM, TRBM, Pool, Stack, load
from rtrbm.datasets import BouncingBalls

SETTINGS = dict(n_updates=3, n_gibbs=1, random_state=0, n_jobs=1)
rng = np.random.default_rng(0)
Y = np.arange(18) % 2
X = (rng.random((18, 6, 4)) < 0.2 + 0.6 * Y[:, None, None]).astype(float)
RAGGED = [x[: 3 + i % 3] for i, x in enumerate(X)]
OBJECTS = np.empty(len(X), object)
OBJECTS[:] = RAGGED
NAMES = ["hip", "knee", "ankle", "zehe ü"]
TABLES = [pd.DataFrame(x, columns=NAMES) for x in RAGGED]
TABLE = pd.concat(TABLES, ignore_index=True)
SEQUENCE_MODELS = (RTRBM, TRBM, CRBM, RNNRBM, SRTRBM, LSTMRBM)


def small_stack():
    return Stack([TRBM(4, **SETTINGS), RTRBM(3, **SETTINGS)])


# ------------------------------------------------------------------------------- scikit-learn's own checks

OUTSIDE = "feeds data beyond 1, which Bernoulli units refuse"
EXCUSED = {
    name: OUTSIDE
    for name in (
        "check_estimators_overwrite_params",
        "check_dont_overwrite_parameters",
        "check_estimators_fit_returns_self",
        "check_readonly_memmap_input",
        "check_n_features_in_after_fitting",
        "check_positive_only_tag_during_fit",
        "check_estimators_dtypes",
        "check_pipeline_consistency",
        "check_estimators_pickle",
        "check_f_contiguous_array_estimator",
        "check_transformer_data_not_an_array",
        "check_transformer_general",
        "check_methods_sample_order_invariance",
        "check_methods_subset_invariance",
        "check_fit2d_1sample",
        "check_fit2d_1feature",
        "check_dict_unchanged",
        "check_fit_idempotent",
        "check_fit_check_is_fitted",
        "check_n_features_in",
        "check_fit2d_predict1d",
    )
}


def checked(model, excused=None):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a model has not the base class; a check of array APIs is skipped
        return estimator_checks.check_estimator(model, expected_failed_checks=excused)


def test_a_gaussian_rbm_passes_all_checks():
    results = checked(RBM(3, visible="gaussian", **SETTINGS))
    passed = [result["check_name"] for result in results if result["status"] == "passed"]
    assert set(EXCUSED) <= set(passed) and len(passed) > 40


def test_a_bernoulli_rbm_fails_where_data_are_beyond_1_alone():
    results = checked(RBM(3, **SETTINGS), EXCUSED)
    failed = {result["check_name"]: result["exception"] for result in results if result["status"] == "xfail"}
    assert failed.keys() == EXCUSED.keys()
    assert all("must lie in [0, 1]" in str(error) for error in failed.values())


def test_a_model_that_breaks_a_rule_is_noticed():
    """Control."""

    class Wrong(RBM):
        def transform(self, X):
            return super().transform(X)[::-1] + self.n_updates_

    with pytest.raises(AssertionError):
        estimator_checks.check_methods_subset_invariance("Wrong", Wrong(3, visible="gaussian", **SETTINGS))


@pytest.mark.parametrize(
    "check",
    [
        "check_dataframe_column_names_consistency",
        "check_transformer_get_feature_names_out",
        "check_transformer_get_feature_names_out_pandas",
        "check_set_output_transform",
        "check_set_output_transform_pandas",
        "check_set_output_transform_polars",
        "check_global_output_transform_pandas",
        "check_global_set_output_transform_polars",
    ],
)
@pytest.mark.filterwarnings("ignore:X (has|does not have valid) feature names")
def test_names_and_tables_pass_their_checks(check):
    getattr(estimator_checks, check)("RBM", RBM(3, visible="gaussian", **SETTINGS))


@pytest.mark.parametrize("kind", SEQUENCE_MODELS)
def test_checks_without_data_pass_for_models_of_sequences(kind):
    for check in (
        "check_estimator_cloneable",
        "check_valid_tag_types",
        "check_estimator_repr",
        "check_no_attributes_set_in_init",
        "check_do_not_raise_errors_in_init_or_set_params",
        "check_parameters_default_constructible",
        "check_get_params_invariance",
        "check_set_params",
    ):
        getattr(estimator_checks, check)(kind.__name__, kind(3, **SETTINGS))


# --------------------------------------------------------------------------------------------- the protocol


def test_tags_tell_the_kind_of_data():
    rows, sequences = get_tags(RBM()).input_tags, get_tags(RTRBM()).input_tags
    assert rows.two_d_array and not rows.three_d_array
    assert sequences.three_d_array and not sequences.two_d_array
    assert get_tags(small_stack()).input_tags.three_d_array and get_tags(Pool()).input_tags.three_d_array
    assert rows.positive_only and not get_tags(RBM(visible="gaussian")).input_tags.positive_only
    assert get_tags(RBM(visible="no such units")).input_tags.positive_only  # they fail in `fit`, not here


@pytest.mark.parametrize("model", [RBM(), RTRBM(), small_stack(), Pool()], ids=lambda model: type(model).__name__)
def test_an_unfitted_model_raises_scikit_learns_error(model):
    for verb in (check_is_fitted, lambda m: m.transform(X), lambda m: m.get_feature_names_out()):
        with pytest.raises(NotFittedError, match="not fitted"):
            verb(model)
    data = X[0] if isinstance(model, RBM) else X
    check_is_fitted(
        clone(model).fit(data) if isinstance(model, Pool | Stack) else clone(model).set_params(**SETTINGS).fit(data)
    )


def test_a_stack_of_which_one_layer_is_fitted_is_not():
    stack = small_stack()
    stack.layers[0].fit(X)
    with pytest.raises(NotFittedError):
        check_is_fitted(stack)
    assert not Stack([]).__sklearn_is_fitted__()


@pytest.mark.parametrize("kind", SEQUENCE_MODELS)
def test_models_survive_pickle_and_deepcopy(kind):
    model = kind(3, **SETTINGS).fit(TABLES)
    file = io.BytesIO()
    joblib.dump(model, file)
    for twin in (pickle.loads(pickle.dumps(model)), deepcopy(model), joblib.load(io.BytesIO(file.getvalue()))):
        np.testing.assert_equal(twin.transform(TABLES), model.transform(TABLES))
        np.testing.assert_equal(twin.partial_fit(TABLES).params_.W, deepcopy(model).partial_fit(TABLES).params_.W)
        assert list(twin.feature_names_in_) == NAMES


def test_a_clone_keeps_a_fitted_model_among_its_settings_and_the_kind_of_tables():
    start = RBM(3, **SETTINGS).fit(X[0])
    model = RTRBM(initialization=start).set_output(transform="pandas")
    twin = clone(model)
    assert twin.initialization is start and twin._sklearn_output_config == {"transform": "pandas"}
    assert clone(RTRBM(initialization=RBM(3))).initialization is not start
    assert model.get_params()["initialization__n_hidden"] == 3


def test_a_clone_keeps_a_communicator():
    """Those of MPI cannot be copied."""

    class Communicator:
        def __deepcopy__(self, memo):
            raise ValueError("cannot serialize it")

    comm = Communicator()
    assert clone(RTRBM(3, comm=comm)).comm is comm


def test_parameters_of_layers():
    stack = small_stack()
    bottom, top = stack.layers
    params = stack.get_params()
    assert params["layers__0"] is bottom and params["layers__1__n_hidden"] == 3 and "layers__1__n_taps" in params
    assert stack.set_params(layers__0__n_hidden=7, layers__1=CRBM(2)) is stack
    assert stack.layers[0] is bottom and bottom.n_hidden == 7 and isinstance(stack.layers[1], CRBM)
    stack.set_params(layers__0__n_hidden=5, layers=[RTRBM(2), top])  # those of the layers after the layers
    assert stack.layers[0].n_hidden == 5 and bottom.n_hidden == 7
    for wrong, meant in (("layers__0__n_hiden", "layers__0__n_hidden"), ("layer", "layers")):
        with pytest.raises(ValueError, match=f"no hyper-parameter '{wrong}': did you mean {meant}"):
            stack.set_params(**{wrong: 1})
    with pytest.raises(ValueError, match="layers__2"):
        stack.set_params(layers__2__n_hidden=1)


# ------------------------------------------------------------------------------------- scikit-learn's tools


@pytest.mark.parametrize("data", [X, RAGGED, OBJECTS, TABLES], ids=["3-D", "list", "objects", "tables"])
def test_searches_and_pipelines_of_sequences(data):
    """In two processes, with the results of one."""
    two, one = (cross_val_score(RTRBM(3, **SETTINGS), data, cv=3, n_jobs=n_jobs) for n_jobs in (2, 1))
    np.testing.assert_array_equal(two, one)
    pipeline = make_pipeline(CRBM(3, **SETTINGS), Pool("mean"), LogisticRegression())
    search = GridSearchCV(pipeline, {"crbm__n_hidden": [2, 3], "pool__pool": ["mean", "last"]}, cv=2, n_jobs=2)
    search.fit(data, Y)
    assert not np.isnan(search.cv_results_["mean_test_score"]).any()
    assert search.predict(data).shape == (18,)
    features = pipeline[0].fit(data).transform(data, pool="mean")
    classifier = LogisticRegression().fit(features, Y)
    np.testing.assert_array_equal(pipeline.fit(data, Y).predict_proba(data), classifier.predict_proba(features))


def test_searches_and_pipelines_of_rows():
    rows, y = X[:, 0], Y
    scores = cross_val_score(RBM(3, **SETTINGS), rows, cv=3, n_jobs=2)
    assert scores.shape == (3,) and (scores < 0).all()
    pipeline = make_pipeline(RBM(3, **SETTINGS), LogisticRegression())
    search = GridSearchCV(pipeline, {"rbm__n_hidden": [2, 3]}, cv=2, n_jobs=2).fit(TABLE[:18], y)
    assert search.best_estimator_[0].feature_names_in_.tolist() == NAMES


def test_a_search_over_the_layers_of_a_stack():
    grid = {"layers__0__n_hidden": [2, 5], "layers__1": [RTRBM(2, **SETTINGS), CRBM(2, **SETTINGS)]}
    search = GridSearchCV(small_stack(), grid, cv=2, n_jobs=2).fit(X)
    assert len(set(search.cv_results_["mean_test_score"])) == 4
    assert search.best_estimator_.layers[0].n_hidden == search.best_params_["layers__0__n_hidden"]


def test_dask_does_the_work():
    """A cluster of Dask as the backend of joblib gives the same scores."""
    distributed = pytest.importorskip("dask.distributed", reason="needs dask[distributed]")
    expected = cross_val_score(RTRBM(3, **SETTINGS), RAGGED, cv=3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # those of Dask itself
        options = dict(n_workers=1, threads_per_worker=2, processes=False, dashboard_address=None)
        with distributed.LocalCluster(**options) as cluster, distributed.Client(cluster):
            with joblib.parallel_config("dask"):
                scores = cross_val_score(RTRBM(3, **SETTINGS), RAGGED, cv=3)
    np.testing.assert_array_equal(scores, expected)


def test_sample_weight_is_refused():
    with pytest.raises(TypeError, match="sample_weight"):
        make_pipeline(RBM(3, **SETTINGS), LogisticRegression()).fit(X[:, 0], Y, rbm__sample_weight=np.ones(18))


# --------------------------------------------------------------------------------------------------- pools


def test_pools_are_those_of_the_hidden_states():
    model = RTRBM(3, **SETTINGS).fit(X)
    H = model.transform(RAGGED)
    np.testing.assert_array_equal(model.transform(RAGGED, pool="mean"), [h.mean(axis=0) for h in H])
    np.testing.assert_array_equal(model.transform(RAGGED, pool="last"), [h[-1] for h in H])
    np.testing.assert_array_equal(model.transform(X, pool="flat"), model.transform(X).reshape(18, -1))
    np.testing.assert_array_equal(small_stack().fit(X).transform(X, pool="last").shape, (18, 3))
    for pool in ("mean", "last"):
        np.testing.assert_array_equal(Pool(pool).fit_transform(H, Y), model.transform(RAGGED, pool=pool))


def test_wrong_pools_say_so():
    model = RTRBM(3, **SETTINGS).fit(X)
    with pytest.raises(ValueError, match="one length, got some of 3 to 5 frames; pool='mean'"):
        model.transform(RAGGED, pool="flat")
    with pytest.raises(ValueError, match="pool must be one of 'mean', 'last', 'flat', got 'max'"):
        model.transform(X, pool="max")
    with pytest.raises(ValueError, match="pool must be one of"):
        Pool("max").fit(X)
    with pytest.raises(ValueError, match="one length"):
        Pool("flat").fit(RAGGED)
    with pytest.raises(ValueError, match="X must have sequences of 6 frames, as in fit, got 5"):
        Pool("flat").fit(X).transform(X[:, :5])


# -------------------------------------------------------------------------------------- names and tables


@pytest.mark.parametrize(
    "model, data", [(RBM(3, **SETTINGS), TABLE), (RTRBM(3, **SETTINGS), TABLES), (small_stack(), TABLES)]
)
def test_names_are_kept_in_the_model_and_its_file(model, data, tmp_path):
    model = clone(model).fit(data)
    model.save(tmp_path / "model.h5")
    for known in (model, load(tmp_path / "model.h5"), deepcopy(model)):
        assert known.feature_names_in_.dtype == object and known.feature_names_in_.tolist() == NAMES
        known.transform(data)  # no warning
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        bare = model.fit(X[0] if data is TABLE else X)
    assert not hasattr(bare, "feature_names_in_")


VERBS = {
    "transform": lambda model, X: model.transform(X),
    "predict": lambda model, X: model.predict(X, "mean_field"),
    "denoise": lambda model, X: model.denoise(X),
    "impute": lambda model, X: model.impute(X, [np.zeros(x.shape, bool) for x in X]),
    "partial_fit": lambda model, X: model.partial_fit(X),
    "sample": lambda model, X: model.sample(2, prefix=X[0]),
}
WRONG = {
    "reordered": (lambda x: x[NAMES[::-1]], "same order"),
    "missing": (lambda x: x[NAMES[:3]], "yet now missing:\n- zehe ü"),
    "more": (lambda x: x.assign(toe=0.0), "unseen at fit time:\n- toe"),
    "others": (lambda x: x.rename(columns={"hip": "hüfte"}), "unseen at fit time:\n- hüfte\nFeature names seen"),
}


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("wrong, message", WRONG.values(), ids=WRONG)
def test_other_columns_are_refused(verb, wrong, message):
    models = [RTRBM(3, **SETTINGS).fit(TABLES)] + ([] if verb == "partial_fit" else [small_stack().fit(TABLES)])
    for model in models:
        VERBS[verb](model, TABLES)  # no warning
        before = model.transform(TABLES)
        with pytest.raises(ValueError, match="feature names should match") as error:
            VERBS[verb](model, TABLES[:1] + [wrong(x) for x in TABLES[1:]] if verb != "sample" else [wrong(TABLES[0])])
        assert message in str(error.value) and re.match(r"X\[1\]: |prefix: ", str(error.value))
        np.testing.assert_equal(model.transform(TABLES), before)


def test_the_remedy_works():
    rows, sequences = RBM(3, **SETTINGS).fit(TABLE), RTRBM(3, **SETTINGS).fit(TABLES)
    for model, data in ((rows, TABLE), (sequences, TABLES)):
        other = TABLE[NAMES[::-1]] if data is TABLE else [x[NAMES[::-1]] for x in TABLES]
        with pytest.raises(ValueError) as error:
            model.transform(other)
        remedy = re.search("Take (.*): the columns", str(error.value))[1]
        given = eval(remedy, {"X": other, "model": model})
        np.testing.assert_equal(model.transform(given), model.transform(data))


def test_arrays_for_a_model_with_names_are_taken_with_a_warning_at_the_users_line():
    model = RTRBM(3, **SETTINGS).fit(TABLES)
    with pytest.warns(UserWarning, match="X does not have valid feature names, but RTRBM was fitted with") as found:
        model.predict(X)
    assert [warning.filename for warning in found] == [__file__]
    with pytest.warns(UserWarning, match="X has feature names, but RTRBM was fitted without"):
        RTRBM(3, **SETTINGS).fit(X).predict(TABLES)


def test_columns_of_one_list_agree_and_all_names_are_texts():
    model = RTRBM(3, **SETTINGS)
    for verb in (model.fit, model.partial_fit):
        with pytest.raises(ValueError, match=r"^X\[1\]: The feature names"):
            verb([TABLES[0], TABLES[1][NAMES[::-1]]])
        with pytest.raises(TypeError, match=r"X\[0\] has \['int', 'str'\]"):
            verb([TABLES[0].rename(columns={"hip": 3})])
    assert not hasattr(model, "params_")
    assert not hasattr(model.fit([pd.DataFrame(x) for x in X]), "feature_names_in_")  # columns 0, 1, 2, 3


def test_resuming_on_other_columns_is_refused(tmp_path):
    model = RTRBM(3, **SETTINGS)
    model.fit(TABLES, checkpoint=tmp_path / "run.h5")
    other = [x[NAMES[::-1]] for x in TABLES]
    with pytest.raises(ValueError, match="feature names should match"):
        RTRBM(3, **SETTINGS).fit(other, checkpoint=tmp_path / "run.h5", resume=True)
    again = RTRBM(3, **SETTINGS).fit(TABLES, checkpoint=tmp_path / "run.h5", resume=True)
    assert again.feature_names_in_.tolist() == NAMES


def test_columns_of_known_inputs_are_remembered(tmp_path):
    rng = np.random.default_rng(0)
    inputs = [pd.DataFrame(rng.random((len(x), 2)), columns=["speed", "light"]) for x in TABLES]
    swapped = [x[["light", "speed"]] for x in inputs]
    path = tmp_path / "run.h5"
    model = RTRBM(3, **SETTINGS).fit(TABLES, inputs=inputs, checkpoint=path)
    again = RTRBM(3, **SETTINGS).fit(TABLES, inputs=inputs, checkpoint=path, resume=True)
    for known in (model, RTRBM.load(path), again):
        assert known.input_names_in_.tolist() == ["speed", "light"]
        both = known.predict(TABLES, inputs=inputs), model.predict(TABLES, inputs=inputs)
        np.testing.assert_array_equal(both[0][0], both[1][0])
        ahead = [pd.concat([x, x[:2]]) for x in swapped]
        for wrong in (
            lambda known=known: known.predict(TABLES, inputs=swapped),
            lambda known=known: known.transform(TABLES, inputs=swapped),
            lambda known=known: known.score_samples(TABLES, inputs=swapped),
            lambda known=known: known.partial_fit(TABLES, inputs=swapped),
            lambda known=known: known.impute(TABLES, [x.isna() for x in TABLES], inputs=swapped),
            lambda known=known: known.forecast(TABLES, 2, inputs=ahead),
            lambda known=known: known.sample(len(swapped[0]), inputs=swapped[0]),
            lambda known=known: known.filter_step(None, TABLES[0].iloc[0], inputs=swapped[0].iloc[0]),
            lambda known=known: known.filter_step(None, TABLES[0][:1], inputs=swapped[0][:1]),
        ):
            with pytest.raises(ValueError, match=r"(?s)^inputs.*same order.*model.input_names_in_"):
                wrong()
    right = [x[model.input_names_in_] for x in swapped]
    np.testing.assert_array_equal(model.predict(TABLES, inputs=right)[0], both[1][0])
    model.sample(len(inputs[0]), inputs=inputs[0])
    model.filter_step(None, TABLES[0].iloc[0], inputs=inputs[0].iloc[0])
    with pytest.raises(ValueError, match="same order"):
        RTRBM(3, **SETTINGS).fit(TABLES, inputs=swapped, checkpoint=path, resume=True)
    with pytest.raises(ValueError, match=r"^inputs\[1\]: The feature names"):
        RTRBM(3, **SETTINGS).fit(TABLES, inputs=[inputs[0], *swapped[1:]])
    with pytest.warns(UserWarning, match="inputs does not have valid feature names"):
        model.predict(TABLES, inputs=[x.to_numpy() for x in inputs])
    bare = RTRBM(3, **SETTINGS).fit(TABLES, inputs=[x.to_numpy() for x in inputs])
    assert not hasattr(bare, "input_names_in_")


def test_a_mask_has_the_columns_of_its_data():
    masks = [x.isna() for x in TABLES]
    swapped = [mask[NAMES[::-1]] for mask in masks]
    model = RTRBM(3, **SETTINGS).fit(TABLES, mask=masks)
    for verb in (RTRBM(3, **SETTINGS).fit, model.partial_fit, model.impute):
        with pytest.raises(ValueError, match=r"^mask\[0\] must have the columns of X\[0\] in their order: take mask"):
            verb(TABLES, mask=swapped)
    model.impute(TABLES, mask=[mask.to_numpy() for mask in masks])
    rows, stack = RBM(3, **SETTINGS), Stack([RTRBM(3, **SETTINGS), RTRBM(2, **SETTINGS)]).fit(TABLES)
    for verb in (rows.fit, rows.fit(TABLE).impute):
        with pytest.raises(ValueError, match=r"^mask must have the columns of X in"):
            verb(TABLE, mask=TABLE.isna()[TABLE.columns[::-1]])
    with pytest.raises(ValueError, match=r"^mask\[0\] must have the columns of"):
        stack.impute(TABLES, mask=swapped)


def test_set_output_makes_tables_of_two_dimensions():
    rows = RBM(3, **SETTINGS).fit(TABLE).set_output(transform="pandas")
    hidden = rows.transform(TABLE[5:])
    assert hidden.columns.tolist() == ["rbm0", "rbm1", "rbm2"] and hidden.index.equals(TABLE[5:].index)
    np.testing.assert_equal(hidden.to_numpy(), rows.set_output(transform="default").transform(TABLE[5:]))
    assert isinstance(rows.set_output(transform="polars").transform(TABLE), pl.DataFrame)
    rows.set_output(transform="pandas").denoise(TABLE)  # goes through hidden states that are no table
    model = RTRBM(3, **SETTINGS).fit(X).set_output(transform="pandas")
    assert isinstance(model.transform(X), np.ndarray)
    assert model.transform(X, pool="mean").columns.tolist() == ["rtrbm0", "rtrbm1", "rtrbm2"]
    assert model.transform(X, pool="flat").columns[[0, 3, 17]].tolist() == ["rtrbm0_0", "rtrbm0_1", "rtrbm2_5"]
    with pytest.raises(ValueError, match="transform must be one of 'default', 'pandas', 'polars', got 'arrow'"):
        model.set_output(transform="arrow")
    for pool in ("mean", "flat"):
        pipeline = make_pipeline(RTRBM(3, **SETTINGS), Pool(pool)).set_output(transform="pandas")
        table = pipeline.fit_transform(X)
        assert table.columns.tolist()[:3] == (["x0", "x1", "x2"] if pool == "mean" else ["x0_0", "x1_0", "x2_0"])
        assert pipeline.get_feature_names_out().tolist()[0] == ("rtrbm0" if pool == "mean" else "rtrbm0_0")
    with sklearn.config_context(transform_output="pandas"):
        assert isinstance(RBM(3, **SETTINGS).fit_transform(X[0]), pd.DataFrame)


# ----------------------------------------------------------------------------------- the picture, the absence


def circles(html):
    (drawing,) = re.findall("<svg.*?</svg>", html)
    return len(re.findall("<circle[^>]*white", drawing)), "past" in drawing


def test_the_picture_shows_layers_past_and_settings():
    assert circles(RBM(2)._repr_html_()) == (7, False)
    model = RTRBM(3, **SETTINGS)
    assert "(not fitted)" in model._repr_html_() and "4 visible" not in model._repr_html_()
    html = model.fit(X)._repr_html_()
    assert circles(html) == (7, True) and "3 hidden units" in html and "4 visible units, bernoulli" in html
    assert "(fitted)" in html and "n_updates" in html and "momentum" not in html
    stack = small_stack()._repr_html_()
    assert stack.count("<svg") == 2 and stack.index("RTRBM") < stack.index(">TRBM")
    for model in (model, small_stack(), Pool(), RBM("<b>"), RBM(10**6), Stack(None), Stack([])):
        ElementTree.fromstring(model._repr_html_().replace("<br>", "<br/>"))  # is well formed
    assert "<b>'" not in RBM("<b>")._repr_html_()


def test_all_works_without_scikit_learn_and_nothing_imports_it():
    code = """
import sys
import numpy as np
import rtrbm
from rtrbm.estimators.protocol import NotFittedError
model = rtrbm.RTRBM(2, n_updates=1)
try:
    model.transform(np.zeros((1, 2, 3)))
except NotFittedError as error:
    assert isinstance(error, ValueError) and isinstance(error, AttributeError) and "not fitted" in str(error)
else:
    raise AssertionError
X = np.zeros((2, 3, 4))
assert rtrbm.Pool().fit_transform(model.fit_transform(X)).shape == (2, 2)
assert model._repr_html_() and model.set_output(transform="default").get_params()
assert not {"sklearn", "pandas", "polars", "dask"} & {name.split(".")[0] for name in sys.modules}
sys.modules["sklearn"] = None
assert model.transform(X, pool="last").shape == (2, 2)
"""
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True, timeout=60)


def test_fit_transform_takes_what_transform_takes():
    X, model = np.random.default_rng(0).random((4, 5, 3)), RTRBM(2, n_updates=1, n_jobs=1, random_state=0)
    inputs = X[..., :2]
    same = np.testing.assert_array_equal
    found = model.fit_transform(X, inputs=inputs)
    same(found, model.transform(X, inputs=inputs))
    found = model.fit_transform(X, pool="mean")
    same(found, model.transform(X, pool="mean"))
    same(model.fit_transform(list(X), window=3)[0], model.transform(list(X))[0])
    refused = {
        "in memory, got str": ("x.npy", {}), "in memory, got BouncingBalls": (BouncingBalls(1, 5), {}),
        "got a stream": (iter(X), {}), "takes no mask": (X, {"mask": X > 2}), "take .X.": (X[0], {"window": 2}),
        "RTRBM.fit has no keyword 'pools'": (X, {"pools": "mean"}), "pool must be": (X, {"pool": "means"}),
        "sequences of one length": ([X[0], X[1, :3]], {"pool": "flat"}), "one: take": (X[0].tolist(), {"window": 2}),
    }  # fmt: skip
    for message, (given, options) in refused.items():
        new = RTRBM(2, n_updates=1)
        with pytest.raises((TypeError, ValueError), match=message):
            new.fit_transform(given, **options)
        assert not hasattr(new, "params_")
