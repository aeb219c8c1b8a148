"""Transposed pieces: every frame once an epoch, moved as a whole, with addressed random numbers."""

import itertools

import numpy as np
import pytest

from rtrbm import RTRBM
from rtrbm.datasets import Transposed
from rtrbm.minibatches.windows import Example


def chords(keys, n_frames):
    roll = np.zeros((n_frames, 88), np.float32)
    for t in range(n_frames):
        roll[t, [keys[0] + t % 3, keys[1]]] = 1
    return roll


PIECES = [chords((30, 40), 7), chords((20, 60), 23), chords((0, 84), 12), chords((50, 80), 9)]


def shift_of(found, piece):
    """By how much a window was moved; None if it is no part of the piece."""
    for start, shift in itertools.product(range(len(piece) - len(found) + 1), range(-11, 12)):
        if np.array_equal(np.roll(piece[start : start + len(found)], shift, axis=1), found):
            return start, shift
    return None


@pytest.mark.parametrize("window", [None, 5])
def test_an_epoch_has_every_frame_once_in_one_key_a_window(window):
    stream = Transposed(PIECES, 3, window=window, warm_up=2, random_state=1)
    n_seen = 0
    for update in range(stream.n_minibatches):
        for v, n_warm, missing, inputs in stream.minibatch(update):
            found = [shift_of(v, piece) for piece in PIECES]
            assert any(place is not None and -6 <= place[1] <= 5 for place in found)
            assert missing is None and inputs is None
            assert len(v) - n_warm <= (window or 23) and n_warm <= 2
            n_seen += len(v) - n_warm
    assert n_seen == sum(map(len, PIECES))


def test_intervals_are_uniform_over_those_that_fit():
    counts = {i: np.zeros(13, int) for i in range(2)}
    low, free = chords((2, 40), 4), chords((30, 40), 5)  # 2 keys are left below the first
    stream = Transposed([low, free], 2, random_state=0)
    for update in range(2400):
        for v, *_ in stream.minibatch(update):
            piece = low if len(v) == 4 else free
            counts[len(v) - 4][shift_of(v, piece)[1] + 6] += 1
    for i, fits in enumerate([range(4, 12), range(12)]):
        expected = 2400 / len(fits)
        assert counts[i].sum() == counts[i][list(fits)].sum() == 2400
        assert (abs(counts[i][list(fits)] - expected) < 5 * expected**0.5).all()
    assert abs(counts[1][2] - 2400 / 8) > 5 * (2400 / 8) ** 0.5  # control


def test_the_numbers_are_those_of_the_address():
    a, b = (Transposed(PIECES, 2, window=6, random_state=3) for _ in range(2))
    c = Transposed(PIECES, 2, window=6, random_state=4)
    for update in (9, 2, 0, 9):
        for (v, *_), (w, *_) in zip(a.minibatch(update), b.minibatch(update), strict=True):
            np.testing.assert_array_equal(v, w)
    assert any(v.shape != w.shape or (v != w).any() for (v, *_), (w, *_) in zip(a.minibatch(9), c.minibatch(9)))
    assert len(next(iter(a))) == len(a.minibatch(0))


def test_pieces_stay_as_they_are_without_intervals():
    before = [piece.copy() for piece in PIECES]
    stream = Transposed(PIECES, 4, semitones=(0, 0), random_state=0)
    found = [v for v, *_ in stream.minibatch(0)]
    for piece in PIECES:
        assert any(np.array_equal(v, piece) for v in found)
    Transposed(PIECES, 4, random_state=0).minibatch(0)
    assert all(np.array_equal(a, b) for a, b in zip(before, PIECES))
    silent = Transposed([np.zeros((3, 88))], 1, random_state=0)
    assert not silent.minibatch(0)[0].v.any()


def test_fit_takes_it_and_goes_on(tmp_path):
    settings = {"n_hidden": 4, "n_gibbs": 1, "n_updates": 6, "random_state": 0, "n_jobs": 1, "engine": "numpy"}

    def stream():
        return Transposed(PIECES, 2, window=5, warm_up=2, random_state=0)

    whole = RTRBM(**settings).fit(stream(), validation=PIECES[:1])

    def stop(model):
        return model.n_updates_ == 3

    RTRBM(**settings).fit(stream(), callbacks=[stop], checkpoint=tmp_path / "run.h5")
    resumed = RTRBM(**settings).fit(stream(), checkpoint=tmp_path / "run.h5", resume=True)
    for a, b in zip(whole.params_, resumed.params_):
        np.testing.assert_array_equal(a, b)
    assert len(whole.history_["validation_error"]) == 7


@pytest.mark.parametrize(
    "wrong, error, match",
    [
        ({"batch_size": 0}, ValueError, "batch_size"),
        ({"window": 2.5}, TypeError, "window"),
        ({"warm_up": -1}, ValueError, "warm_up"),
        ({"semitones": 5}, TypeError, "semitones must be a pair"),
        ({"semitones": (1, 5)}, ValueError, "at most 0 to at least 0"),
        ({"semitones": (0, 0.5)}, TypeError, "semitones must be an integer"),
        ({"pieces": []}, ValueError, "pieces"),
        ({"pieces": [np.zeros((3, 88)), np.zeros((3, 87))]}, ValueError, r"pieces\[1\]"),
    ],
)
def test_wrong_arguments(wrong, error, match):
    with pytest.raises(error, match=match):
        Transposed(**{"pieces": PIECES, "batch_size": 2, **wrong})
    with pytest.raises(ValueError, match="update"):
        Transposed(PIECES, 2).minibatch(-1)


@pytest.mark.parametrize(
    "pieces, message",
    [
        ([np.full((4, 88), 90.0)], r"pieces\[0\] must be a piano roll of numbers from 0 to 1, got values from 90"),
        ([np.zeros((4, 88)), np.full((3, 88), -1.0)], r"pieces\[1\] must be a piano roll"),
        (([np.zeros((4, 88))], [np.zeros((3, 88))], [np.zeros((5, 88))]), "got three lists: take train"),
    ],
)
def test_what_is_no_piano_roll(pieces, message):
    with pytest.raises((TypeError, ValueError), match=message):
        Transposed(pieces, 2)


def test_a_model_in_double_precision_learns_in_double_precision():
    rolls = [(np.random.default_rng(i).random((20, 88)) < 0.05).astype(float) for i in range(3)]
    stream = Transposed(rolls, 2, window=8, random_state=0)
    model = RTRBM(3, n_gibbs=1, n_updates=3, random_state=0, dtype="float64").fit(stream)
    assert {part.dtype for part in model.params_ if part is not None} == {np.dtype(float)}
    model.predict(rolls)


class Given:
    """A stream of one example."""

    def __init__(self, *values):
        self.example = Example(*values)

    def minibatch(self, update):
        return [self.example]


X = (np.random.default_rng(0).random((10, 4)) < 0.5).astype(float)


@pytest.mark.parametrize(
    "values, settings, match",
    [
        ([X * 255], {}, r"X\[0\] must lie in \[0, 1\]"),
        ([X], {"visible": "softmax"}, "one-hot"),
        ([np.where(X, np.nan, 0)], {}, r"X\[0\] must be finite"),
    ],
)
def test_examples_of_a_stream_are_checked(values, settings, match):
    with pytest.raises(ValueError, match=match):
        RTRBM(3, n_gibbs=1, n_updates=3, random_state=0, **settings).fit(Given(*values))


def test_examples_of_a_stream_are_cast_and_have_their_features():
    settings = dict(n_gibbs=1, n_updates=3, random_state=0)
    model = RTRBM(3, **settings).fit(Given(X.astype(int)))
    np.testing.assert_array_equal(model.params_.W, RTRBM(3, **settings).fit(Given(X)).params_.W)
    with pytest.raises(ValueError, match=r"X\[0\] must have 4 features, got 3"):
        model.partial_fit([Example(X[:, :3])])
    with pytest.raises(ValueError, match=r"X\[0\] must have 4 features, got 3"):
        model.partial_fit([[[0, 1, 0]]], mask=[[[False] * 3]])
    gaps = np.zeros(X.shape, bool)
    gaps[2:4] = True
    masked = RTRBM(3, **settings).fit(Given(np.where(gaps, np.nan, X), 0, gaps))
    np.testing.assert_array_equal(masked.params_.W, RTRBM(3, **settings).fit([X], mask=[gaps]).params_.W)
