"""Errors of arguments that no other test hands in, each by its name, its value and a way out."""

import re

import numpy as np
import pytest
from sklearn.base import clone

pd = pytest.importorskip("pandas")
import rtrbm.plots  # noqa: E402
import rtrbm.report  # noqa: E402
from rtrbm import RBM, RTRBM, SRTRBM, checks, evaluate, user_data  # noqa: E402
from rtrbm.user_data import doubt_gaps, rows_without_missing, without_missing  # noqa: E402
from rtrbm.convert import frames_of, midi_notes, notes, spikes, tables  # noqa: E402
from rtrbm.models import srtrbm  # noqa: E402
from rtrbm.rbm import Poisson, Softmax, tempered  # noqa: E402

HUGE = 10**400
ROWS = np.zeros((3, 2))


@pytest.mark.parametrize(
    "refused, error, message",
    [
        (lambda: checks.check_number("rate", HUGE, 0), ValueError, "rate must be a number that double precision has"),
        (lambda: checks.check_callables("callbacks", print), TypeError, "callbacks must be a list of functions"),
        (lambda: checks.check_n_jobs("n_jobs", 0), ValueError, "n_jobs must be None or an integer other than 0"),
        (lambda: user_data.check_reals(np.float32([[1e30]]), "X"), ValueError, "got values from 1e.30 .* divide by a"),
        (lambda: user_data.check_probabilities(np.float32([1.5]), "h"), ValueError, r"h must lie in \[0, 1\]"),
        (lambda: without_missing([ROWS, ROWS], [ROWS > 0]), ValueError, "the form of X, a list of 2 arrays, got 1"),
        (lambda: without_missing([ROWS], 3), ValueError, "the form of X, a list of 1 arrays, got int"),
        (lambda: rows_without_missing(ROWS, np.ma.masked_array(ROWS > 0)), TypeError, "not itself be a masked array"),
        (lambda: rows_without_missing(ROWS, ROWS), TypeError, r"got dtype float64: take mask.astype\(bool\)"),
        (lambda: RTRBM(2).fit([(ROWS, 1)]), TypeError, r"X\[0\] must be a sequence, got a tuple .*take \[x for x, "),
        (lambda: RTRBM(2).fit(x for x in [(ROWS, ROWS)]), TypeError, r"X\[0\] must be a sequence, got a tuple of 2"),
        (lambda: RTRBM(2).fit([0.0, 1.0, 1.0]), ValueError, r"got 3 numbers: .* numpy.reshape\(X, \(-1, 1\)\)"),
        (lambda: spikes([0.1, 0.2, 0.3], 0.1), ValueError, r"got numbers: one neuron is \[times\]"),
        (lambda: RTRBM(2).fit([([[0, 1], [1]], [[1, 0], [0, 1]])]), ValueError, r"X\[0\] must be a rectangular array"),
        (lambda: RTRBM(2).fit([ROWS[None], ROWS[None]]), ValueError, r"minibatches, take \[x for batch in X for x in"),
        (lambda: RBM(n_visible=2), TypeError, "'n_visible': the number of features is that of X"),
        (lambda: RTRBM(warm_start=True), TypeError, "'warm_start': partial_fit goes on"),
        (lambda: RTRBM(2).fit([ROWS], patience=3), TypeError, r"'patience': take .*EarlyStopping\(patience\)"),
        (lambda: rows_without_missing(ROWS, ROWS[1:] > 0), ValueError, r"the shape of X, \(3, 2\), got \(2, 2\)"),
        (lambda: spikes([[0.0, 1.0]], 1e-300), ValueError, "width=1e-300 must not be so small"),
        (lambda: notes([[60, 0, 1]], 1e-300), ValueError, "step=1e-300 must not be so small"),
        (lambda: midi_notes(ROWS, 1), ValueError, r"X must have shape \(n_frames, 88\), got \(3, 2\)"),
        (lambda: midi_notes(np.full((3, 88), np.nan), 1), ValueError, "X must hold finite numbers"),
        (lambda: midi_notes(np.zeros((3, 88)), 1e308), ValueError, "step=1e.308 must not be so large"),
        (lambda: frames_of(np.full((1, 2, 12), np.nan), 4, 3), ValueError, "X must hold numbers, got NaN"),
        (lambda: tables(pd.DataFrame({"a": [1.0, 2], "b": ["x", None]}), by="b"), ValueError, "row 1 has no name"),
        (lambda: tables(pd.DataFrame({"a": [1.0, 2], "b": ["x", pd.NA]}), by="b"), ValueError, "row 1 has no name"),
        (lambda: tables(pd.DataFrame({"a": [1.0, 2], "b": ["x", ""]}), by="b"), ValueError, "row 1 has no name"),
    ],
)
def test_the_argument_is_named(refused, error, message):
    with pytest.raises(error, match=message):
        refused()


def test_masks_of_lists_are_where_values_are_nan():
    X = [np.array([[1.0, np.nan]]), np.zeros((2, 2))]
    filled, masks = without_missing(X, None)
    assert [mask.tolist() for mask in masks] == [[[False, True]], [[False, False]] * 2]
    assert all(np.isfinite(x).all() for x in filled) and np.isnan(X[0][0, 1])
    with pytest.warns(UserWarning, match="X has no NaN and no mask is given"):
        doubt_gaps(None, [np.zeros((2, 2), bool)])
    doubt_gaps(None, masks)


@pytest.mark.parametrize("wrong", [3 * np.eye(4)[None], np.eye(4), np.zeros((1, 4, 0))], ids=str)
def test_wrong_data_are_not_said_to_have_no_gaps(wrong):
    """A warning would fail the test. Control: right data are."""
    model = RTRBM(2, n_updates=2, n_gibbs=1).fit(np.eye(4)[None])
    with pytest.raises(ValueError, match="X"):
        model.impute(wrong)
    with pytest.raises(ValueError, match="X must have at least one frame, got an empty list"):
        RBM(2, n_updates=2, n_gibbs=1).fit(np.eye(4)).impute([])
    with pytest.warns(UserWarning, match="X has no NaN and no mask is given"):
        model.impute(np.eye(4)[None])


def test_one_row_larger_than_a_piece_is_cut(monkeypatch):
    monkeypatch.setattr(user_data, "PIECE", 4)
    X = np.arange(24).reshape(2, 4, 3)
    parts = list(user_data.pieces(X))
    assert [part.shape for part in parts] == [(1, 1, 3)] * 8
    np.testing.assert_array_equal(np.concatenate([part.reshape(-1) for part in parts]), X.reshape(-1))


THREE = np.full((1, 3), 0.5, np.float32)


@pytest.mark.parametrize(
    "refused, error, message",
    [
        (lambda: tempered.checked_betas([[0, 1]]), ValueError, "betas must be a list of inverse temperatures"),
        (lambda: tempered.checked_betas([0, 2]), ValueError, r"betas must lie in \[0, 1\]"),
        (lambda: tempered.checked_betas([0, 0.5]), ValueError, "betas must contain 1, the model itself"),
        (lambda: tempered.checked_betas([0, 1, 0.5]), ValueError, "betas must increase or decrease"),
        (lambda: srtrbm._check_groups("g", [0.5]), TypeError, "g must be None or a list of integers"),
        (lambda: srtrbm._check_groups("g", [0, 2]), ValueError, r"leave out none, got \[0, 2\]"),
        (lambda: srtrbm._check_mask("mask", 3), TypeError, "mask must be None or a pair, .* got int"),
        (lambda: srtrbm._check_mask("mask", ([[1], [1, 0]], None)), ValueError, "rectangular arrays, that of W is not"),
        (lambda: srtrbm._check_mask("mask", (None, 3 * THREE)), ValueError, "of 0 and 1, that of U has shape"),
        (lambda: Poisson().check(-THREE, "X"), ValueError, "X must hold counts for Poisson units"),
        (lambda: Poisson().check(np.rint(1e9 * THREE), "X"), ValueError, "X must hold counts of at most"),
        (lambda: Softmax(3), TypeError, "groups must be None or a tuple"),
        (lambda: Softmax((2,)).check(THREE, "X"), ValueError, "add up to the 3 features of X"),
        (lambda: Softmax((3,)).check(THREE, "X"), ValueError, "X must be one-hot for softmax units"),
        (lambda: Softmax((3,)).check(THREE, "X", THREE > [[0, 1, 1]]), ValueError, "must be whole groups of softmax"),
    ],
)
def test_values_and_settings_that_units_and_models_cannot_have(refused, error, message):
    with pytest.raises(error, match=message):
        refused()


def test_an_rbm_takes_rows():
    X = [np.zeros((6, 5)), np.zeros((9, 5))]
    for wrong in (X, tuple(X), X[:1]):
        with pytest.raises(ValueError, match=r"X must be one array of rows, got a .* numpy.concatenate\(X\) has"):
            RBM(4, n_updates=1).fit(wrong)
    model = RBM(4, n_updates=1).fit(np.concatenate(X))
    with pytest.raises(ValueError, match="X must have at least one frame, got an empty list"):
        model.score_samples([])


def test_pages_pictures_and_tunes_replace_no_data(tmp_path):
    for optional in ("matplotlib", "PIL", "mido"):
        pytest.importorskip(optional)
    data = np.eye(88)[None]
    model = RTRBM(2, n_gibbs=1, n_updates=2, random_state=0).fit(data)
    model.save(tmp_path / "model.h5")
    np.savez(tmp_path / "data.npz", X=data)
    np.save(tmp_path / "data.npy", data)
    writers = (
        lambda path: rtrbm.report.write_report(path, model),
        lambda path: rtrbm.plots.animate({"a": data[0, :, :4]}, path),
        lambda path: rtrbm.convert.write_midi(path, data[0]),
    )
    for name in ("model.h5", "data.npz", "data.npy"):
        whole = (tmp_path / name).read_bytes()
        for write in writers:
            with pytest.raises(ValueError, match=f"path must be another file, '.*{name}' is an? .* take another name"):
                write(tmp_path / name)
        assert (tmp_path / name).read_bytes() == whole
    for write in writers * 2:  # control
        write(tmp_path / "other")


def test_a_model_does_not_start_from_itself():
    model = RTRBM(2, n_gibbs=1, n_updates=2, random_state=0).fit(np.eye(4)[None])
    for one in (model, RTRBM(2)):
        with pytest.raises(ValueError, match="initialization must be another model than this one"):
            one.set_params(initialization=one).fit(np.eye(4)[None])


@pytest.mark.parametrize(
    "keyword, match",
    [
        ("window", "Stack.fit has no keyword 'window', only X, y, checkpoint"),
        ("mask", "Stack.fit has no keyword 'mask', only"),
        ("n_epochs", "did you mean n_epochs, a hyper-parameter of its layers?"),
        ("validation_data", "did you mean validation?"),
    ],
)
def test_keywords_of_a_stack(keyword, match):
    with pytest.raises(TypeError, match=match):
        rtrbm.Stack([RTRBM(2)]).fit(np.eye(4)[None], **{keyword: 3})


def test_remedies_are_those_of_the_data():
    data = np.eye(4)[None]
    for dtype, more in (("float32", "; numbers beyond float32 want dtype='float64'"), ("float64", "")):
        with pytest.raises(ValueError, match=rf"learns from the others, with a mask= that is True there{more}$"):
            RTRBM(2, dtype=dtype).fit(np.nan * data)
    with pytest.raises(ValueError, match="prefix must be finite .* fills such values in with a mask="):
        RTRBM(2, n_gibbs=1, n_updates=2).fit(data).sample(3, prefix=np.full_like(data, np.inf))
    with pytest.raises(ValueError, match=r"got shape \(1, 1, 4, 4\); X\[0\] is the first part, rtrbm.convert.video"):
        RTRBM(2).fit(data[None])
    with pytest.raises(ValueError, match=r"got shape \(4, 4\); one sequence is \[X\]"):
        RTRBM(2).fit(data[0])


def test_an_srtrbm_hands_on_the_weights_that_are_at_work():
    X = (np.random.default_rng(0).random((6, 12, 5)) < 0.4).astype(float)
    model = SRTRBM(3, sparsity=0.1, n_gibbs=1, n_updates=3, random_state=0).fit(X)
    settings = dict(n_gibbs=1, n_updates=1, learning_rate=1e-9, random_state=0)
    for start in (model, model.effective_):
        W = RTRBM(3, initialization=start, **settings).fit(X).params_.W
        np.testing.assert_allclose(W, model.effective_.W, atol=1e-6)
    with pytest.raises(ValueError, match="initialization must be a fitted model or its effective_"):
        RTRBM(3, initialization=model.params_, **settings).fit(X)


def test_a_masked_array_without_a_mask_is_told_a_remedy_that_works():
    X = np.ma.array(np.zeros((2, 4, 3)))
    with pytest.raises(TypeError, match=r"numpy.ma.getmaskarray\(X\) as mask="):
        RTRBM(2).fit(X)
    RTRBM(2, n_gibbs=1, n_updates=1, random_state=0).fit(X.data, mask=np.ma.getmaskarray(X))


def test_a_model_of_other_units_is_no_start():
    X = (np.random.default_rng(0).random((6, 12, 5)) < 0.4).astype(float)
    settings = dict(n_gibbs=1, n_updates=2, random_state=0)
    binary = RBM(3, **settings).fit(X.reshape(-1, 5))
    with pytest.raises(ValueError, match="initialization must be a model with visible='gaussian', .* got visible='b"):
        RTRBM(3, visible="gaussian", initialization=binary, **settings).fit(X)
    scaled = RBM(3, visible="gaussian", standardize=True, **settings).fit(X.reshape(-1, 5))
    with pytest.raises(ValueError, match="initialization must be a model with standardize=False, .* got standardize=T"):
        RTRBM(3, visible="gaussian", initialization=scaled, **settings).fit(X)
    RTRBM(3, visible="gaussian", standardize=True, initialization=scaled, **settings).fit(X)


@pytest.mark.parametrize(
    "refused, names, remedy",
    [
        (lambda X: RBM(2).fit(X), {"X": np.zeros((5, 4, 3))}, (5, 12)),
        (lambda X: RTRBM(2).fit(X), {"X": [np.zeros((5, 4, 3)), np.zeros((6, 4, 3))]}, (5, 12)),
        (lambda X: RTRBM(2).fit(X), {"X": np.zeros(9)}, (9, 1)),
        (lambda X: RBM(2).fit(X), {"X": [0.0, 1.0, 0.0]}, (1, 3)),
    ],
)
def test_remedies_of_shapes_are_expressions_that_work(refused, names, remedy):
    with pytest.raises(ValueError) as caught:
        refused(**names)
    advice = re.search(r"numpy\.reshape\(.*?\)\)", str(caught.value)).group()
    assert eval(advice, {"numpy": np, **names}).shape == remedy


def test_columns_in_another_order_are_refused_in_every_container():
    A = pd.DataFrame(np.tile([0.0, 1.0], (6, 1)), columns=["a", "b"])
    B = A[["b", "a"]]
    model = RTRBM(2, n_updates=1, random_state=0)

    class Indexed:
        def __getitem__(self, i):
            return (A, B)[i]

        def __len__(self):
            return 2

    for X in ({"x": A, "y": B}.values(), Indexed(), (x for x in (A, B))):
        with pytest.raises(ValueError, match="columns|order"):
            clone(model).fit(X)
    model.fit([A, A])
    with pytest.raises(ValueError, match="in the same order"):
        model.predict({"x": B}.values())
    with pytest.raises(ValueError, match="in the same order"):
        model.filter_step(None, B.iloc[0])
    assert np.array_equal(model.filter_step(None, A.iloc[0])[0], model.filter_step(None, A.to_numpy()[0])[0])
    with pytest.raises(ValueError, match=r"X\[0\] must have the columns"):
        evaluate.autoregression([B], [A])
    with pytest.raises(ValueError, match=r"train\[1\] must have the columns"):
        evaluate.mean_frame([A], [A, B])
    with pytest.raises(TypeError, match="take .x for _, x in X."):
        model.fit(list(A.groupby("a")))
    for verb in (model.fit, model.predict):
        with pytest.raises(TypeError, match="got a DataFrameGroupBy: take .x for _, x in X."):
            verb(A.groupby("a"))


def test_gaps_in_validation_data_have_a_remedy_that_can_be_followed():
    X = np.zeros((2, 5, 3))
    gappy = np.where(np.arange(3) == 1, np.nan, X)
    for V in (gappy, list(gappy), np.ma.masked_invalid(gappy)):
        with pytest.raises(ValueError, match="validation must have no missing values: leave out these frames"):
            RTRBM(2, n_updates=1).fit(X, validation=V)
