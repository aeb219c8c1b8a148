"""Squared errors and the predictors that need no model, on data whose answers fit on a hand."""

import numpy as np
import pytest

from rtrbm.evaluate import autoregression, copy_previous, coverage, linear_extrapolation, mean_frame, squared_error

# One feature; two sequences of 2 and 4 frames.
RAGGED = [np.array([[1.0], [3.0]]), np.array([[0.0], [1.0], [4.0], [2.0]])]
VIDEO = np.array([[[0.0, 1.0], [0.5, 1.0], [0.5, 0.0], [1.0, 1.0]]])  # one sequence, 4 frames, 2 features


def same(a, b):
    assert type(a) is type(b) and len(a) == len(b)
    for x, y in zip(a, b):
        np.testing.assert_array_equal(x, y)


# --------------------------------------------------------------------------------------- predictors


def test_copy_previous_by_hand():
    same(copy_previous(VIDEO), np.array([[[0, 0], [0.0, 1.0], [0.5, 1.0], [0.5, 0.0]]]))
    same(copy_previous(RAGGED), [np.array([[0.0], [1.0]]), np.array([[0.0], [0.0], [1.0], [4.0]])])


def test_linear_extrapolation_by_hand():
    same(linear_extrapolation(VIDEO), np.array([[[0, 0], [0.0, 1.0], [1.0, 1.0], [0.5, -1.0]]]))
    same(linear_extrapolation(VIDEO, 0, 1), np.array([[[0, 0], [0.0, 1.0], [1.0, 1.0], [0.5, 0.0]]]))
    same(linear_extrapolation(RAGGED), [np.array([[0.0], [1.0]]), np.array([[0.0], [0.0], [2.0], [7.0]])])
    same(linear_extrapolation(RAGGED, 1, 5), [np.array([[1.0], [1.0]]), np.array([[1.0], [1.0], [2.0], [5.0]])])


def test_mean_frame_by_hand():
    """The mean of all frames together: 11 / 6, not the mean of the sequences' means, 15 / 8."""
    same(mean_frame(VIDEO[..., :1], RAGGED[:1] * 2), np.full((1, 4, 1), 2.0))
    predicted = mean_frame(RAGGED, RAGGED)
    assert [p.shape for p in predicted] == [(2, 1), (4, 1)]
    np.testing.assert_allclose(np.concatenate(predicted), 11 / 6, rtol=1e-15)


def waves(n_features):
    """Sequences to fit, of 3 to 22 frames."""
    rng = np.random.default_rng(1)
    return [rng.standard_normal((n, n_features)).cumsum(axis=0) for n in range(3, 23)]


PREDICTORS = {
    "copy_previous": copy_previous,
    "linear_extrapolation": linear_extrapolation,
    "clipped extrapolation": lambda X: linear_extrapolation(X, 0, 1),
    "mean_frame": lambda X: mean_frame(X, X),
    "autoregression": lambda X: autoregression(X, waves(np.shape(X[0])[1])),
}
predictors = pytest.mark.parametrize("predictor", PREDICTORS.values(), ids=PREDICTORS)


@predictors
def test_predictors_leave_the_data_alone(predictor):
    X = [np.array(v) for v in RAGGED]
    for v in X:
        v.flags.writeable = False  # a write would raise
    predictor(X)
    video = VIDEO.copy()
    predictor(video)
    np.testing.assert_array_equal(video, VIDEO)


@predictors
def test_array_and_list_agree(predictor):
    X = np.random.default_rng(0).random((3, 5, 2))
    of_array, of_list = predictor(X), predictor(list(X))
    assert isinstance(of_array, np.ndarray) and isinstance(of_list, list)
    np.testing.assert_array_equal(of_array, np.stack(of_list))


@pytest.mark.parametrize("predictor", [copy_previous, linear_extrapolation, PREDICTORS["autoregression"]])
def test_predictors_know_the_past_alone(predictor):
    X = np.random.default_rng(0).random((3, 6, 2))
    for t in range(6):
        changed = X.copy()
        changed[:, t:] = 9
        np.testing.assert_array_equal(predictor(changed)[:, : t + 1], predictor(X)[:, : t + 1])
    assert (predictor(2 * X)[:, 1:] != predictor(X)[:, 1:]).all()  # control: but they do know it


@predictors
@pytest.mark.parametrize("n_frames", [1, 2])
def test_sequences_of_one_and_two_frames(predictor, n_frames):
    assert predictor(VIDEO[:, :n_frames]).shape == (1, n_frames, 2)
    assert [p.shape for p in predictor([VIDEO[0, :n_frames], VIDEO[0]])] == [(n_frames, 2), (4, 2)]


@predictors
@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int64, np.float32])
def test_binary_data_of_any_dtype_is_predicted_as_its_numbers(predictor, dtype):
    """Piano rolls are bool or uint8: there 0 - 1 is True or 255, and a mean is cut to 0."""
    roll = (np.random.default_rng(0).random((2, 9, 3)) < 0.4).astype(dtype)
    expected = predictor(roll.astype(float))
    # mean_frame may round to the precision of float32 data, the others are exact
    np.testing.assert_allclose(np.asarray(predictor(roll), float), expected, rtol=1e-7)
    assert squared_error(roll, predictor(roll)) == pytest.approx(squared_error(roll.astype(float), expected))


@predictors
def test_nested_lists_are_sequences_too(predictor):
    same([np.asarray(p) for p in predictor([v.tolist() for v in RAGGED])], predictor(RAGGED))


# ----------------------------------------------------------------------------------- autoregression


@pytest.mark.parametrize("n_taps", [1, 2, 4])
def test_autoregression_is_the_least_squares_solution(n_taps):
    """Beside a regression written frame by frame, on sequences shorter and longer than the taps."""
    rng = np.random.default_rng(0)
    train = [5 + rng.standard_normal((n, 3)) for n in [1, 2, 3, 4, *range(5, 40)]]
    X = [5 + rng.standard_normal((n, 3)) for n in (1, 2, 3, 9)]

    def rows(sequences):
        return [
            np.concatenate([*(v[max(t - n, 0)] for n in range(1, n_taps + 1)), [1]])
            for v in sequences
            for t in range(1, len(v))
        ]

    solution = np.linalg.lstsq(rows(train), np.concatenate([v[1:] for v in train]), rcond=None)[0]
    predicted = autoregression(X, train, n_taps, ridge=1e-13)
    np.testing.assert_allclose(np.concatenate([p[1:] for p in predicted]), rows(X) @ solution, rtol=1e-9)
    for p in predicted:
        np.testing.assert_allclose(p[0], np.concatenate(train).mean(axis=0), rtol=1e-13)


def process(rng, n_sequences, n_frames, A_1, A_2, constant):
    """Sequences of v_t = constant + v_{t-1} A_1 + v_{t-2} A_2 + noise, the first frame standing before itself."""
    v = rng.standard_normal((n_sequences, n_frames, len(A_1)))
    for t in range(1, n_frames):
        v[:, t] += constant + v[:, t - 1] @ A_1 + v[:, max(t - 2, 0)] @ A_2
    return v


def test_autoregression_finds_the_process():
    """Mean prediction over 100 fits against E[v_t | v_{t-1}, v_{t-2}]; control: one tap does not reach it."""
    rng = np.random.default_rng(0)
    A_1, A_2 = np.array([[0.9, 0.3], [-0.2, 0.7]]), np.array([[-0.5, 0.1], [0.2, -0.3]])
    constant = np.array([1.0, -0.5])
    X = process(rng, 3, 6, A_1, A_2, constant)
    expected = constant + X[:, 1:-1] @ A_1 + X[:, :-2] @ A_2
    trains = [process(rng, 200, 8, A_1, A_2, constant) for _ in range(100)]
    z = {}
    for n_taps in (1, 2):
        fits = np.array([autoregression(X, train, n_taps)[:, 2:] for train in trains])
        z[n_taps] = abs(fits.mean(axis=0) - expected) / (fits.std(axis=0, ddof=1) / 10)
    assert z[2].max() < 4 < z[1].max()


def test_autoregression_sees_its_taps_and_nothing_else():
    X, train = np.random.default_rng(0).random((2, 9, 3)), waves(3)
    before = autoregression(X, train, n_taps=2)
    for t in range(9):
        other = X.copy()
        other[:, t] += 1
        changed = (autoregression(other, train, n_taps=2) != before).any(axis=(0, 2))
        assert np.flatnonzero(changed).tolist() == [s for s in (t + 1, t + 2) if s < 9]


def test_autoregression_fits_arrays_and_lists_alike_and_clips():
    X, train = np.random.default_rng(0).random((2, 4, 9, 3))
    predicted = autoregression(X, train)
    np.testing.assert_array_equal(autoregression(X, list(train)), predicted)
    np.testing.assert_array_equal(autoregression(X, train, 2, 0.4, 0.5), predicted.clip(0.4, 0.5))


@pytest.mark.parametrize("n_taps", [1, 3])
def test_features_that_never_change_are_predicted_as_they_are(n_taps):
    train = [v * [1, 0, 0] + [0, 2, 0] for v in waves(3)]
    for predicted in autoregression(train, train, n_taps):
        np.testing.assert_allclose(predicted[:, 1:], np.broadcast_to([2.0, 0.0], (len(predicted), 2)), atol=1e-12)
    np.testing.assert_allclose(autoregression(VIDEO, VIDEO * 0 + 3, n_taps), np.full(VIDEO.shape, 3.0))


def test_a_large_ridge_leaves_the_mean():
    """The constant is not shrunk: what is left is the mean of the frames that are fitted, all but the first."""
    train = waves(2)
    predicted = np.concatenate([p[1:] for p in autoregression(train, train, ridge=1e12)])
    fitted = np.concatenate([v[1:] for v in train])
    np.testing.assert_allclose(predicted, np.broadcast_to(fitted.mean(axis=0), predicted.shape), rtol=1e-9)


@pytest.mark.parametrize(
    "arguments, error, message",
    [
        ({"n_taps": 0}, ValueError, "n_taps"),
        ({"n_taps": 1.0}, TypeError, "n_taps"),
        ({"ridge": 0}, ValueError, "ridge"),
        ({"ridge": -1.0}, ValueError, "ridge"),
        ({"train": VIDEO[:, :1]}, ValueError, "train"),
        ({"train": []}, ValueError, "train"),
        ({"train": RAGGED}, ValueError, "features"),
        ({"n_taps": 10**8}, ValueError, "n_taps"),
        ({"train": (v for v in VIDEO)}, TypeError, "train"),
        ({"X": (v for v in VIDEO)}, TypeError, "X"),
        ({"train": np.ma.masked_less(VIDEO, 0.2)}, TypeError, "train"),
    ],
)
def test_autoregression_refuses_by_name(arguments, error, message):
    with pytest.raises(error, match=message):
        autoregression(**{"X": VIDEO, "train": VIDEO, **arguments})


# ------------------------------------------------------------------------------------ squared error


def test_squared_error_by_hand():
    """Sum over features, mean over frames 2..T: (0.25 + 0) + (0 + 1) + (0.25 + 1) over 3 frames."""
    error, standard_error = squared_error(VIDEO, copy_previous(VIDEO))
    assert error == pytest.approx(2.5 / 3) and np.isnan(standard_error)


def test_frames_count_alike_whatever_their_sequence():
    """(4) and (1 + 9 + 4) over 1 + 3 frames: 4.5; the mean of the sequences' means would be 4.33."""
    error, standard_error = squared_error(RAGGED, copy_previous(RAGGED))
    assert error == 4.5
    # residuals of a ratio: 4 - 4.5 and 14 - 13.5, so sqrt(2 (0.25 + 0.25)) / 4
    assert standard_error == pytest.approx(0.25)


def test_the_first_frame_is_not_scored_and_the_last_not_alone():
    X, predicted = np.zeros((2, 4, 3)), np.zeros((2, 4, 3))
    predicted[:, 0] = 100
    assert squared_error(X, predicted) == (0, 0)
    for t in (1, 2, 3):
        wrong = predicted.copy()
        wrong[0, t, 1] = 3
        assert squared_error(X, wrong)[0] == 9 / 6


def test_perfect_predictions_have_no_error():
    assert squared_error(VIDEO, VIDEO)[0] == 0


def test_array_and_list_have_the_same_error():
    X, predicted = np.random.default_rng(0).random((2, 3, 5, 2))
    assert squared_error(X, predicted) == squared_error(list(X), list(predicted))


def test_single_precision_data_is_summed_in_double():
    X = np.full((1, 100_001, 1), 0.1, np.float32)
    error, _ = squared_error(X, np.zeros_like(X))
    assert error == pytest.approx(float(np.float32(0.1)) ** 2, rel=1e-12)  # float32 sums would be off by 1e-4


@pytest.mark.parametrize(
    "X, predicted",
    [
        (VIDEO, VIDEO[:, :3]),
        (VIDEO, VIDEO[..., :1]),
        (VIDEO, VIDEO[0]),
        (RAGGED, RAGGED[::-1]),
        (RAGGED, RAGGED[:1]),
        (RAGGED, RAGGED + RAGGED),
    ],
)
def test_other_shapes_are_refused(X, predicted):
    with pytest.raises(ValueError, match="predicted"):
        squared_error(X, predicted)


@pytest.mark.parametrize("X", [[], VIDEO[:, :1], VIDEO[:0], [VIDEO[0, :1]] * 3])
def test_nothing_to_score_is_an_error(X):
    with pytest.raises(ValueError, match="X"):
        squared_error(X, X)


@pytest.mark.parametrize("predict", [copy_previous, linear_extrapolation, lambda X: mean_frame(X, VIDEO)])
@pytest.mark.parametrize("X", [VIDEO[0], VIDEO * np.nan, [], VIDEO[:0], iter(VIDEO), "video", [VIDEO[0, 0]]])
def test_what_is_no_set_of_sequences_is_refused(predict, X):
    with pytest.raises((TypeError, ValueError), match="X"):
        predict(X)


@pytest.mark.parametrize("predicted", [VIDEO * np.nan, np.ma.masked_less(VIDEO, 0.2), VIDEO.astype(str)])
def test_predictions_that_are_no_numbers_are_refused(predicted):
    with pytest.raises((TypeError, ValueError), match="predicted"):
        squared_error(VIDEO, predicted)


@pytest.mark.parametrize("train", [[], RAGGED, iter(VIDEO), VIDEO * np.nan])
def test_a_mean_of_what(train):
    with pytest.raises((TypeError, ValueError), match="train|features"):
        mean_frame(VIDEO, train)


def test_a_sequence_without_frames_is_an_error():
    """It would otherwise count as minus one frame."""
    X = [np.zeros((0, 2)), np.ones((3, 2))]
    with pytest.raises(ValueError, match="X"):
        squared_error(X, [v * 0 for v in X])


def test_standard_error_is_the_spread_over_repeated_draws():
    """Mean SE^2 against the variance of the error, over ragged data whose frames share a scale.

    Control: the standard error that takes frames for independent is far too small.
    """
    rng = np.random.default_rng(0)
    n_draws, n_sequences = 500, 80
    errors, squares, naive = np.empty((3, n_draws))
    for draw in range(n_draws):
        lengths = rng.integers(1, 12, n_sequences)
        X = [rng.exponential() * rng.standard_normal((n, 2)) for n in lengths]
        predicted = [np.zeros_like(v) for v in X]
        errors[draw], standard_error = squared_error(X, predicted)
        squares[draw] = standard_error**2
        frames = np.concatenate([(v[1:] ** 2).sum(axis=1) for v in X])
        naive[draw] = frames.var(ddof=1) / len(frames)
    variance = errors.var(ddof=1)
    fourth = ((errors - errors.mean()) ** 4).mean()
    of_variance = (fourth - variance**2) / n_draws  # squared standard error of a sample variance
    assert abs(squares.mean() - variance) / np.sqrt(of_variance + squares.var() / n_draws) < 4
    assert abs(naive.mean() - variance) / np.sqrt(of_variance + naive.var() / n_draws) > 4


@pytest.mark.parametrize("predict", [linear_extrapolation, lambda X, low, high: autoregression(X, X, 1, low, high)])
@pytest.mark.parametrize(
    "low, high, error, match",
    [
        (1, 0, ValueError, "low must be at most high, got low=1, high=0"),
        (np.nan, 1, ValueError, "low must be at most high"),
        ("0", 1, TypeError, "low must be a number, got '0'"),
        (0, None, TypeError, "high must be a number, got None"),
    ],
)
def test_wrong_bounds(predict, low, high, error, match):
    with pytest.raises(error, match=match):
        predict(VIDEO, low, high)


def test_a_feature_of_large_numbers_does_not_hide_the_others():
    rng = np.random.default_rng(0)
    t = np.arange(60)
    X = [np.stack([np.full(60, rng.normal(70000, 15000)), np.sin(t / 5 + i)], axis=1) for i in range(10)]
    linear, copied = (squared_error(X, p)[0] for p in (autoregression(X, X, 2), copy_previous(X)))
    assert linear < 0.05 * copied


def test_long_recordings_are_taken_in_parts(monkeypatch):
    rng = np.random.default_rng(0)
    X = [rng.random((n, 3)).cumsum(axis=0) for n in (23, 2, 40)]
    whole = autoregression(X, X, n_taps=2)
    monkeypatch.setattr("rtrbm.evaluate.N_ROWS", 7)
    for a, b in zip(autoregression(X, X, n_taps=2), whole, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9)


def test_bounds_of_a_band_have_an_order():
    X = np.zeros((1, 3, 2))
    assert coverage(X, X - 1, X + 1)[0] == 1
    with pytest.raises(ValueError, match="low must be at most high everywhere"):
        coverage(X, X + 1, X - 1)
