"""Stacks: each layer on the hidden states of the one below, and back down again."""

import contextlib
import itertools
import os
import pathlib
import sys

import h5py
import numpy as np
import pytest
from events import PowerFailure
from helpers import (
    altered,
    Z_MAX,
    binary_states,
    chi_square_z,
    random_array,
    random_sequences,
    sigmoid,
    slow_states,
    state,
    state_codes,
    visible_distribution,
)
from histories import drawn, histories, means

from rtrbm import CRBM, RBM, RTRBM, SRTRBM, TRBM, Stack
from rtrbm.datasets import BouncingBalls, Transposed
from rtrbm.minibatches.windows import Example
from rtrbm.parameters import arrays, each
from rtrbm.rbm import Bernoulli
from rtrbm.rbm.negative import CD

SETTINGS = dict(n_gibbs=1, n_updates=12, batch_size=2, random_state=0, n_jobs=1)
X, RAGGED = random_array(5, 6), random_sequences((4, 1, 7, 2, 3))
datasets = pytest.mark.parametrize("data", [X, RAGGED], ids=["array", "list"])

BOTTOMS = {
    "TRBM": lambda **s: TRBM(3, n_taps=2, **SETTINGS | s),
    "CRBM": lambda **s: CRBM(3, n_taps=2, **SETTINGS | s),
    "RTRBM": lambda **s: RTRBM(3, **SETTINGS | s),
    "RTRBM dynamic b_v": lambda **s: RTRBM(3, dynamic_visible_bias=True, **SETTINGS | s),
}
bottoms = pytest.mark.parametrize("bottom", BOTTOMS.values(), ids=BOTTOMS)


def stack_of(bottom=BOTTOMS["TRBM"], **settings):
    """Three layers of three kinds."""
    return Stack([bottom(**settings), RTRBM(4, **SETTINGS | settings), CRBM(2, n_taps=3, **SETTINGS | settings)])


def states_of(stack):
    return [state(layer) for layer in stack.layers]


def randomized(stack, scale=0.7, seed=0):
    """The stack with parameters at which its layers do something."""
    rng = np.random.default_rng(seed)
    for layer in stack.layers:
        layer.params_ = each(lambda p: (scale * rng.standard_normal(p.shape)).astype(p.dtype), layer.params_)
    return stack


@pytest.fixture
def fitted():
    return randomized(stack_of(dtype="float64").fit(X))


# ------------------------------------------------------------------------------------------------ a single layer


@datasets
@bottoms
def test_a_stack_of_one_is_the_model(bottom, data):
    model, stack = bottom().fit(data), Stack([bottom()]).fit(data)
    assert states_of(stack) == [state(model)]
    masks = [np.arange(v.size).reshape(v.shape) % 3 == 0 for v in data]
    for verb in (
        lambda m: m.transform(data),
        lambda m: m.predict(data),
        lambda m: m.predict(data, "chain", 5),
        lambda m: m.denoise(data),
        lambda m: m.impute(data, masks),
        lambda m: m.impute(data, masks, 3),
        lambda m: m.sample(4, random_state=1),
        lambda m: m.sample(4, 3, data[0], random_state=1, n_gibbs=7),
        lambda m: m.score(data),
    ):
        np.testing.assert_equal(verb(stack), verb(model))
    assert (stack.sample(4, random_state=1) != stack.sample(4, random_state=2)).any()  # control


# --------------------------------------------------------------------------------------------------- training


@datasets
@bottoms
def test_each_layer_learns_the_filtered_states_of_the_one_below(bottom, data):
    stack, by_hand = stack_of(bottom).fit(data), stack_of(bottom)
    below = data
    for layer in by_hand.layers:
        below = layer.fit(below).transform(below)
    assert states_of(stack) == states_of(by_hand)
    np.testing.assert_equal(stack.transform(data), below)
    np.testing.assert_equal(stack_of(bottom).fit_transform(data), below)
    other = stack_of(bottom)
    other.layers[1].fit(np.stack([v[:1, :3] for v in data]))  # what it had learned before does not count
    assert states_of(other.fit(data)) == states_of(stack)


def test_gaussian_data_below_probabilities():
    data = random_array(5, 6, visible="gaussian")
    stack = stack_of(visible="gaussian")
    stack.layers[1].visible = stack.layers[2].visible = "bernoulli"
    stack.fit(data)
    assert (stack.predict(data) < 0).any() and (stack.sample(3, random_state=0) < 0).any()
    assert ((0 < stack.transform(data)) & (stack.transform(data) < 1)).all()


class Indexed:
    """Sequences with a length and an index."""

    def __init__(self, sequences):
        self.sequences = sequences

    def __len__(self):
        return len(self.sequences)

    def __getitem__(self, i):
        return self.sequences[i]


class Again:
    """Sequences that can be iterated over again and again."""

    def __init__(self, sequences):
        self.sequences = sequences

    def __iter__(self):
        return iter(self.sequences)


class Batches:
    """The minibatches an `Again` gives."""

    def __init__(self, sequences):
        self.sequences = sequences

    def minibatch(self, update):
        return [self.sequences[i % len(self.sequences)] for i in range(2 * update, 2 * update + 2)]


def close(stack, other):
    """The same number for number, but for the rounding of products of other sizes in the layers above the first."""
    assert state(stack.layers[0]) == state(other.layers[0])
    for a, b in zip(stack.layers[1:], other.layers[1:]):
        for x, y in zip(arrays(a.params_), arrays(b.params_), strict=True):
            np.testing.assert_allclose(x, y, rtol=0, atol=1e-9)


SETTINGS_64 = dict(dtype="float64")


@datasets
def test_data_that_are_not_in_memory_give_the_numbers_of_those_that_are(tmp_path, data):
    whole = stack_of(**SETTINGS_64).fit(data)
    with h5py.File(tmp_path / "data.h5", "w") as file:
        if data is X:
            file["X"] = data
        else:
            for i in (3, 0, 4, 1, 2):
                file[f"X/{i}"] = data[i]
    close(stack_of(**SETTINGS_64).fit((tmp_path / "data.h5", "X")), whole)
    with h5py.File(tmp_path / "data.h5", "r") as file:
        close(stack_of(**SETTINGS_64).fit(file["X"]), whole)
        assert file["X"]  # what the user opened stays open
    h5py.File(tmp_path / "data.h5", "a").close()  # and what was opened for them is closed
    close(stack_of(**SETTINGS_64).fit(Indexed(data)), whole)
    if data is X:
        np.save(tmp_path / "X.npy", data)
        close(stack_of(**SETTINGS_64).fit(np.load(tmp_path / "X.npy", mmap_mode="r")), whole)
    in_order = stack_of(**SETTINGS_64).fit(Again(data))
    close(in_order, stack_of(**SETTINGS_64).fit(Batches(data)))
    with pytest.raises(AssertionError):  # control: these are not shuffled
        close(in_order, whole)


def test_a_stream_of_fresh_data():
    stream = BouncingBalls(2, 7, resolution=4, n_balls=1, random_state=0)
    stack = stack_of().fit(stream)
    by_hand = stack_of()
    by_hand.layers[0].fit(stream)

    class Filtered:
        def minibatch(self, update):
            return by_hand.layers[0].transform(stream.minibatch(update))

    by_hand.layers[1].fit(Filtered())
    assert states_of(stack)[:2] == [state(layer) for layer in by_hand.layers[:2]]
    assert stack.layers[2].n_updates_ == 12


@pytest.mark.parametrize("window, warm_up", [(None, 0), (8, 3)])
def test_a_stream_of_pieces_in_all_keys(window, warm_up):
    pieces = [(np.random.default_rng(i).random((12 + i, 88)) < 0.05).astype(np.float32) for i in range(3)]
    stream = Transposed(pieces, 2, window=window, warm_up=warm_up, random_state=0)
    stack = stack_of().fit(stream)
    by_hand = stack_of()
    by_hand.layers[0].fit(stream)

    class Filtered:
        def minibatch(self, update):
            examples = stream.minibatch(update)
            return [Example(by_hand.layers[0].transform([e.v])[0], e.n_warm) for e in examples]

    by_hand.layers[1].fit(Filtered())
    assert states_of(stack)[:2] == [state(layer) for layer in by_hand.layers[:2]]
    assert stack.layers[2].n_updates_ == 12


def test_examples_with_gaps_are_refused():
    class Gaps:
        def minibatch(self, update):
            return [Example(v, missing=np.zeros(v.shape, bool)) for v in X]

    with pytest.raises(ValueError, match="neither missing nor inputs"):
        stack_of().fit(Gaps())


def test_iterators_are_refused_but_by_a_single_layer():
    for data in (iter(X), (v for v in itertools.cycle(X)), itertools.cycle(X)):
        stack = stack_of()
        with pytest.raises(TypeError, match="X must not be an iterator"):
            stack.fit(data)
        assert not hasattr(stack.layers[0], "params_")
        np.testing.assert_array_equal(next(iter(data)), X[0])  # nothing was taken but this
    single = Stack([BOTTOMS["RTRBM"]()]).fit(itertools.cycle(X))
    assert state(single.layers[0]) == state(BOTTOMS["RTRBM"]().fit(Again(X)))


# ------------------------------------------------------------------------------------------- up and down again


def by_hand(stack, data, at_top):
    """Filter up, apply `at_top`, come down with the formula E[v_t | h_t, past], frame after frame."""
    *below, top = stack.layers
    inputs = [data]
    for layer in below:
        inputs.append(layer.transform(inputs[-1]))
    down = at_top(top, inputs[-1])
    for layer, given in zip(below[::-1], inputs[-2::-1]):
        down = [sigmoid(slow_states(layer.params_, v)[1] + h @ layer.params_.W.T) for v, h in zip(given, down)]
    return down


@datasets
@bottoms
def test_predictions_and_denoising_come_down_from_the_top(bottom, data):
    stack = randomized(stack_of(bottom, dtype="float64").fit(data))
    for verb, at_top in (
        (stack.predict, lambda top, H: top.predict(H)),
        (lambda X: stack.predict(X, "chain", 5), lambda top, H: top.predict(H, "chain", 5)),
        (stack.denoise, lambda top, H: top.denoise(H)),
    ):
        found = verb(data)
        assert type(found) is type(data)
        for v, expected in zip(found, by_hand(stack, data, at_top)):
            np.testing.assert_allclose(v, expected, rtol=0, atol=1e-12)
    difference = np.concatenate(stack.predict(data)) - np.concatenate(stack.denoise(data))
    assert np.abs(difference).max() > 1e-5  # control: ten million times the tolerance


@bottoms
def test_predictions_do_not_see_their_frame(bottom):
    stack = randomized(stack_of(bottom, dtype="float64").fit(X))
    predicted = stack.predict(X)
    for t in range(6):
        changed = X.copy()
        changed[:, t:] = 1 - changed[:, t:]
        again = stack.predict(changed)
        np.testing.assert_array_equal(again[:, : t + 1], predicted[:, : t + 1])
        assert t == 5 or (again[:, t + 1] != predicted[:, t + 1]).any()  # the last frame has an effect
        denoised = stack.denoise(changed)
        np.testing.assert_array_equal(denoised[:, :t], stack.denoise(X)[:, :t])


def test_the_score_is_that_of_the_predictions(fitted):
    errors = np.square(fitted.predict(X) - X)[:, 1:].sum(axis=2)
    assert fitted.score(X) == pytest.approx(-errors.mean(), rel=1e-12)


@datasets
def test_missing_values_are_filled_by_the_bottom_layer_and_denoised(fitted, data):
    masks = [np.random.default_rng(i).random(v.shape) < 0.4 for i, v in enumerate(data)]
    data = [v.copy() for v in data] if isinstance(data, list) else data.copy()
    for v, mask in zip(data, masks):
        v[mask] = np.nan
    masks = masks if isinstance(data, list) else np.array(masks)
    filled, bottom = fitted.impute(data, masks), fitted.layers[0].impute(data, masks)
    better = fitted.denoise(bottom)
    for v, found, b, d, mask in zip(data, filled, bottom, better, masks):
        assert np.isnan(v[mask]).all()
        np.testing.assert_array_equal(found[~mask], v[~mask])
        np.testing.assert_array_equal(found[mask], d[mask])
        assert (found[mask] != b[mask]).all()  # control
    nested = [mask.tolist() for mask in masks]
    np.testing.assert_equal(np.concatenate(fitted.impute(list(data), nested)), np.concatenate(filled))
    with pytest.raises(ValueError, match="mask"):
        fitted.impute(data, masks[:2])


def test_imputing_never_sees_later_frames(fitted):
    mask = np.random.default_rng(0).random(X.shape) < 0.4
    filled = fitted.impute(X, mask)
    for t in range(1, 6):
        changed = X.copy()
        changed[:, t:] = 1 - changed[:, t:]
        np.testing.assert_array_equal(fitted.impute(changed, mask)[:, :t], filled[:, :t])


def test_users_arrays_are_left_alone(fitted):
    data, mask = X.copy(), X < 0.3
    data.flags.writeable = mask.flags.writeable = False
    before = states_of(fitted)
    for verb in (fitted.transform, fitted.predict, fitted.denoise, fitted.score, stack_of().fit):
        verb(data)
    fitted.impute(data, mask)
    fitted.sample(2, prefix=data[0], random_state=0)
    assert states_of(fitted) == before


# ---------------------------------------------------------------------------------------------------- sampling


@pytest.mark.parametrize("n_prefix", [0, 2])
def test_samples_have_the_distribution_of_the_layers_together(n_prefix):
    """Two binary layers of 3 and 2 units: P(v_1) is a sum over the upper layer's video.

    sum_h P_top(h | prefix) P(v | h, prefix), the top layer's own hidden states of the prefix drawn from its filter.
    Controls: the upper layer after no past, or the prefix backwards, or with the filter's means.
    """
    settings, prefix = SETTINGS | dict(dtype="float64"), random_sequences([n_prefix], 3)[0]
    stack = Stack([TRBM(2, n_taps=2, **settings), TRBM(2, n_taps=2, **settings)])
    stack = randomized(stack.fit(random_array(4, 5, 3)), scale=1.2, seed=1)
    bottom, top = (layer.params_ for layer in stack.layers)
    top = stack.layers[1].params_ = top._replace(B=6 * top.B)  # its hidden states matter
    probabilities = stack.sample(1, 20_000, prefix if n_prefix else None, random_state=0)[:, 0]

    def next_biases(params, v, h=None):
        return [b[-1] for b in slow_states(params, np.concatenate([v, np.zeros((1, v.shape[1]))]), h)[1:]]

    def law(v, past=drawn):
        return sum(p * visible_distribution(top.W, *next_biases(top, v, h)) for p, h in histories(top, v, past))

    r = slow_states(bottom, prefix)[0] if n_prefix else np.zeros((0, 2))
    b_v, _ = next_biases(bottom, prefix)
    decoded = sigmoid(b_v + binary_states(2) @ bottom.W.T)  # E[v | h] for every h, which is what is returned
    distance = np.abs(probabilities[:, None] - decoded).max(axis=2)
    assert distance.min(axis=1).max() < 1e-12
    counts = np.bincount(distance.argmin(axis=1), minlength=4)
    assert abs(chi_square_z(counts, law(r))) < Z_MAX
    others = [law(np.zeros((0, 2))), law(r[::-1]), law(r, means)] if n_prefix else [law(np.ones((1, 2)))]
    for other in others:
        assert chi_square_z(counts, other) > Z_MAX


def test_the_frames_drawn_are_the_past_of_the_next():
    """The second frame's probabilities are decoded from states drawn with the first's: A_1 acts on a binary frame."""
    stack = Stack([CRBM(2, n_taps=1, **SETTINGS | SETTINGS_64), RTRBM(2, **SETTINGS | SETTINGS_64)])
    stack = randomized(stack.fit(random_array(4, 5, 3)), scale=1.2, seed=1)
    p = stack.layers[0].params_
    drawn = stack.sample(2, 5000, random_state=0)
    logit = np.log(drawn[:, 1] / (1 - drawn[:, 1]))
    pasts, h = binary_states(3), binary_states(2)
    possible = (p.b_v + pasts @ p.A[0])[:, None] + h @ p.W.T  # (8 pasts, 4 states, 3)
    distance = np.abs(logit[:, None, None] - possible).max(axis=3)
    assert distance.min(axis=(1, 2)).max() < 1e-9
    past = pasts[distance.min(axis=2).argmin(axis=1)]
    law = np.prod(np.where(pasts[:, None] == 1, drawn[:, 0], 1 - drawn[:, 0]), axis=2)  # (8, n)
    counts = np.bincount(state_codes(past), minlength=8)
    expected, variance = law.sum(axis=1), (law * (1 - law)).sum(axis=1)
    assert (np.abs(counts - expected) / np.sqrt(variance)).max() < Z_MAX
    assert (np.abs(counts - 5000 / 8) / np.sqrt(variance)).max() > Z_MAX  # control


def test_every_layer_draws_numbers_of_its_own(monkeypatch):
    """Of fair coins everywhere, two layers' states agree in half of their units. Control: those of one layer."""
    stack, decoded, decode = Stack([RTRBM(4, **SETTINGS) for _ in range(3)]).fit(X), [], RTRBM.decode
    for layer in stack.layers:
        layer.params_ = each(np.zeros_like, layer.params_)

    def recording(*args, **settings):
        decoded.append(decode(*args, **settings))
        return decoded[-1]

    monkeypatch.setattr(RTRBM, "decode", recording)
    stack.sample(50, 20, random_state=0)
    (_, upper), (_, lower) = decoded
    agreement = (upper == lower) - 0.5
    assert abs(agreement.sum() / np.sqrt(agreement.size / 4)) < Z_MAX
    for states in (upper, lower):
        assert abs((states - 0.5).sum() / np.sqrt(states.size / 4)) < Z_MAX
        assert ((states == states) - 0.5).sum() / np.sqrt(states.size / 4) > Z_MAX


def test_samples_follow_their_seed_and_their_prefix(fitted):
    np.testing.assert_array_equal(fitted.sample(4, 3, random_state=1), fitted.sample(4, 3, random_state=1))
    assert (fitted.sample(4, random_state=1) != fitted.sample(4, random_state=2)).any()
    generator = np.random.default_rng(0)
    assert (fitted.sample(4, random_state=generator) != fitted.sample(4, random_state=generator)).any()
    once = fitted.sample(4, 3, X[0], 1)
    for prefix in (X[:1], X[0].tolist(), np.repeat(X[:1], 3, axis=0)):
        np.testing.assert_array_equal(fitted.sample(4, 3, prefix, 1), once)
    assert (fitted.sample(4, 3, X[1], 1) != once).any()
    assert fitted.sample(4, prefix=X[:3], random_state=1).shape == (3, 4, 4)  # all of them once
    np.testing.assert_array_equal(fitted.sample(2, 3, X[0], 1), once[:, :2])


# ------------------------------------------------------------------------------------------- files, threads


@datasets
def test_a_loaded_stack_is_the_saved_one(tmp_path, data):
    stack = stack_of().fit(data)
    stack.save(tmp_path / "stack.h5")
    assert os.listdir(tmp_path) == ["stack.h5"]
    loaded = Stack.load(tmp_path / "stack.h5")
    assert states_of(loaded) == states_of(stack) and repr(loaded) == repr(stack)
    assert [type(layer) for layer in loaded.layers] == [TRBM, RTRBM, CRBM]
    np.testing.assert_equal(loaded.predict(data), stack.predict(data))
    np.testing.assert_array_equal(loaded.sample(3, random_state=0), stack.sample(3, random_state=0))
    assert states_of(loaded.fit(data)) == states_of(stack)


def test_more_than_nine_layers_keep_their_order(tmp_path):
    settings = SETTINGS | dict(n_updates=1)
    Stack([RTRBM(n, **settings) for n in range(2, 14)]).fit(X).save(tmp_path / "stack.h5")
    assert [layer.n_hidden for layer in Stack.load(tmp_path / "stack.h5").layers] == list(range(2, 14))


def test_other_files_are_refused(tmp_path):
    path, stack = tmp_path / "stack.h5", stack_of().fit(X)
    stack.save(path)
    content = path.read_bytes()
    for part in (0, 0.1, 0.5, 0.9, 0.999):
        path.write_bytes(content[: int(part * len(content))])
        with pytest.raises(ValueError, match="stack.h5"):
            Stack.load(path)
    with pytest.raises(FileNotFoundError, match="absent.h5"):
        Stack.load(tmp_path / "absent.h5")
    stack.layers[1].save(path)
    with pytest.raises(ValueError, match="class Stack.*holds RTRBM"):
        Stack.load(path)
    stack.save(path)
    with pytest.raises(ValueError, match="class RTRBM.*holds Stack"):
        RTRBM.load(path)


@pytest.mark.parametrize(
    "part", ["layer_1", "layer_2", "layer_3", "layer_2/params", "layer_1/params/A", "layer_3/history"]
)
def test_files_with_a_part_missing_are_refused(tmp_path, part):
    stack_of().fit(X).save(tmp_path / "stack.h5")
    altered(tmp_path / "stack.h5", lambda file: file.__delitem__(part))
    if part == "layer_3":  # what is left is a stack
        assert len(Stack.load(tmp_path / "stack.h5").layers) == 2
        return
    with pytest.raises(ValueError, match="stack.h5"):
        Stack.load(tmp_path / "stack.h5")


def test_files_whose_layers_do_not_fit_together_are_refused(tmp_path):
    stack_of().fit(X).save(tmp_path / "stack.h5")

    def exchange(file):
        file.move("layer_2", "kept")
        file.move("layer_3", "layer_2")
        file.move("kept", "layer_3")

    altered(tmp_path / "stack.h5", exchange)
    with pytest.raises(ValueError, match=r"layers\[1\]"):
        Stack.load(tmp_path / "stack.h5")
    RBM(3, **SETTINGS).fit(X[0]).save(tmp_path / "rbm.h5")

    def of_rbm(file):
        for name in list(file):
            del file[name]
        with h5py.File(tmp_path / "rbm.h5") as rbm:
            rbm.copy("/", file, "layer_1")

    altered(tmp_path / "stack.h5", of_rbm)
    with pytest.raises(ValueError, match=r"layers of CRBM, (\w+, )*RTRBM, (\w+, )*TRBM, got a RBM"):
        Stack.load(tmp_path / "stack.h5")


class Breaking(CD):
    """CD-1 that breaks a layer off in the midst of an update, or of any."""

    name = "cd"

    def __init__(self, layer, at=None):
        super().__init__()
        object.__setattr__(self, "fails", lambda: at in (None, layer.n_updates_))

    def averages(self, *arguments):
        if self.fails():
            raise PowerFailure
        return super().averages(*arguments)


@datasets
@pytest.mark.parametrize("broken", [0, 1, 2])
def test_resumed_is_uninterrupted(tmp_path, broken, data):
    whole, first = stack_of().fit(data), stack_of()
    for i, layer in enumerate(first.layers):
        layer.set_params(negative=Breaking(layer, at=7) if i == broken else CD())
    with pytest.raises(PowerFailure):
        first.fit(data, checkpoint=tmp_path / "run.h5", checkpoint_every=5)
    assert sorted(path.name for path in tmp_path.glob("*.h5")) == [f"run-{i}.h5" for i in range(1, broken + 2)]
    resumed = stack_of()
    for i, layer in enumerate(resumed.layers):  # layers that are done make no more updates
        layer.set_params(negative=Breaking(layer) if i < broken else CD())
    resumed.fit(data, checkpoint=tmp_path / "run.h5", resume=True)
    assert states_of(resumed) == states_of(whole)
    assert type(resumed.layers[2]).load(tmp_path / "run-3.h5").n_updates_ == 12


def test_any_number_of_threads_gives_the_same_numbers():
    data = random_array(30, 30, 6)
    one, two = (stack_of(n_jobs=n_jobs, batch_size=30, n_updates=3).fit(data) for n_jobs in (1, 2))
    assert states_of(one) == states_of(two)
    np.testing.assert_array_equal(one.predict(data), two.predict(data))
    np.testing.assert_array_equal(one.denoise(data), two.denoise(data))
    np.testing.assert_array_equal(one.sample(3, 5, random_state=0), two.sample(3, 5, random_state=0))


# ------------------------------------------------------------------------------------------------------ errors

MODEL = BOTTOMS["RTRBM"]()
WRONG_LAYERS = {
    "None": (None, TypeError, "layers must be a list"),
    "a model": (MODEL, TypeError, "layers must be a list"),
    "text": ("RTRBM", TypeError, "layers must be a list"),
    "an iterator": (iter([MODEL]), TypeError, "layers must be a list"),
    "none": ([], ValueError, "layers must hold at least one model"),
    "a number": ([MODEL, 3], TypeError, r"layers\[1\] must be one of CRBM, (\w+, )*RTRBM, (\w+, )*TRBM, got int"),
    "a class": ([RTRBM], TypeError, r"layers\[0\] must be one of"),
    "a static RBM": ([MODEL, RBM(3)], TypeError, r"layers\[1\] must be one of .*got RBM"),
    "a stack": ([Stack([MODEL])], TypeError, r"layers\[0\] must be one of .*got Stack"),
    "the same twice": ([MODEL, RTRBM(3), MODEL], ValueError, r"layers\[2\] .*twice"),
    "Gaussian": ([MODEL, RTRBM(3, visible="gaussian")], ValueError, r"layers\[1\] must have visible='bernoulli'"),
    "a wrong setting above": ([MODEL, TRBM(3, n_taps=0)], ValueError, "n_taps"),
    "a wrong setting below": ([RTRBM(0), MODEL], ValueError, "n_hidden"),
}


@pytest.mark.parametrize("layers, error, match", WRONG_LAYERS.values(), ids=WRONG_LAYERS)
def test_wrong_layers_are_refused_before_any_work(tmp_path, layers, error, match):
    with pytest.raises(error, match=match):
        Stack(layers).fit(X, checkpoint=tmp_path / "run.h5", checkpoint_every=1)
    assert os.listdir(tmp_path) == [] and not hasattr(MODEL, "params_")


def test_layers_with_binary_units_by_name_and_as_an_object_are_the_same():
    by_name, objects = stack_of(), stack_of()
    for layer in objects.layers:
        layer.set_params(visible=Bernoulli())
    assert states_of(objects.fit(X)) == states_of(by_name.fit(X))


def test_wrong_arguments_are_refused_before_any_work(tmp_path):
    for settings, error, match in (
        (dict(checkpoint=3), TypeError, "checkpoint"),
        (dict(checkpoint=tmp_path), ValueError, "checkpoint"),
        (dict(checkpoint=tmp_path / "absent" / "run.h5"), ValueError, "checkpoint"),
        (dict(checkpoint_every=0), ValueError, "checkpoint_every"),
        (dict(resume=True), ValueError, "resume"),
    ):
        stack = stack_of()
        with pytest.raises(error, match=match):
            stack.fit(X, **settings)
        assert not hasattr(stack.layers[0], "params_") and os.listdir(tmp_path) == []


def test_what_a_layer_above_lacks_is_told_before_the_first_is_trained(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "rtrbm.compute.numba", None)
    layers = [RTRBM(3, n_updates=2), RTRBM(2, n_updates=2, engine="numba")]
    with pytest.raises(ValueError, match="numba"):
        Stack(layers).fit(X, checkpoint=tmp_path / "run.h5")
    RTRBM(2, n_updates=3, random_state=0).fit(random_array(4, 6, 3)).save(tmp_path / "run-2.h5")
    layers[1].engine = "numpy"
    with pytest.raises(ValueError, match="has made 3 updates, 2 are wanted in all"):
        Stack(layers).fit(X, checkpoint=tmp_path / "run.h5", resume=True)
    assert os.listdir(tmp_path) == ["run-2.h5"] and not hasattr(layers[0], "params_")


@pytest.mark.parametrize("name", ["run-1.h5", "run-2.h5", "run-3.h5"])
def test_no_checkpoint_of_any_layer_can_replace_the_data(tmp_path, name):
    with h5py.File(tmp_path / name, "w") as file:
        file["X"] = X
    content = (tmp_path / name).read_bytes()
    with pytest.raises(ValueError, match="checkpoint must be another file"):
        stack_of().fit((tmp_path / name, "X"), checkpoint=tmp_path / "run.h5")
    assert os.listdir(tmp_path) == [name] and (tmp_path / name).read_bytes() == content


VERBS = {
    "transform": lambda s: s.transform(X),
    "denoise": lambda s: s.denoise(X),
    "predict": lambda s: s.predict(X),
    "impute": lambda s: s.impute(X, X < 0.5),
    "sample": lambda s: s.sample(2),
    "score": lambda s: s.score(X),
}
verbs = pytest.mark.parametrize("verb", VERBS.values(), ids=VERBS)


@verbs
def test_an_unfitted_stack_says_so(verb, tmp_path):
    half = stack_of()
    half.layers[0].fit(X)
    for stack, place in ((stack_of(), 0), (half, 1)):
        with pytest.raises(ValueError, match=rf"not fitted yet, layers\[{place}\]"):
            verb(stack)
        with pytest.raises(ValueError, match="not fitted"):
            stack.save(tmp_path / "stack.h5")
    assert os.listdir(tmp_path) == []


@verbs
def test_layers_fitted_to_other_sizes_are_refused(verb):
    bottom, top = RTRBM(3, **SETTINGS).fit(X), RTRBM(2, **SETTINGS).fit(X)
    with pytest.raises(ValueError, match=r"layers\[1\] must have the 3 hidden units .*fitted to 4"):
        verb(Stack([bottom, top]))
    verb(Stack([bottom, RTRBM(2, **SETTINGS).fit(bottom.transform(X))]))  # control


@pytest.mark.parametrize("verb", [name for name in VERBS if name != "sample"])
def test_wrong_data_are_called_X(fitted, verb):
    before = states_of(fitted)
    for wrong in (X[0], X[..., :3], 2 * X + 1, np.nan * X, "video", None, [], iter(X)):
        with pytest.raises((TypeError, ValueError), match="X"):
            fitted.impute(wrong, X < 0.5) if verb == "impute" else getattr(fitted, verb)(wrong)
    with pytest.raises((TypeError, ValueError), match="X"):
        stack_of().fit(X[0])
    assert states_of(fitted) == before


@pytest.mark.parametrize(
    "settings, match",
    [
        (dict(n_frames=0), "n_frames"),
        (dict(n_sequences=1.5), "n_sequences"),
        (dict(n_gibbs="5"), "n_gibbs"),
        (dict(random_state=-1), "random_state"),
        (dict(prefix=X[0, 0]), "prefix must have 2 or 3 dim"),
        (dict(prefix=X[..., :3]), "prefix has 3 features"),
        (dict(prefix=np.nan * X[0]), "prefix must be finite"),
        (dict(prefix=[[0, 1, 0, 1], [0]]), "prefix must be sequences of one length"),
        (dict(prefix="prefix"), "prefix must be an array"),
        (dict(prefix=X[:2], n_sequences=3), "prefix must hold 1 sequence or 3"),
    ],
    ids=str,
)
def test_wrong_arguments_of_sample_are_named_and_draw_nothing(fitted, settings, match):
    generator = np.random.default_rng(0)
    with pytest.raises((TypeError, ValueError), match=match):
        fitted.sample(**dict(n_frames=2, random_state=generator) | settings)
    assert generator.bit_generator.state == np.random.default_rng(0).bit_generator.state


def test_a_wrong_protocol_is_refused(fitted):
    with pytest.raises(ValueError, match="protocol"):
        fitted.predict(X, protocol="best")


def test_a_stack_has_the_habits_of_an_estimator():
    stack = stack_of()
    assert list(stack.get_params(deep=False)) == ["layers"] and stack.get_params()["layers"] is stack.layers
    assert stack.set_params(layers=stack.layers[:1]) is stack and len(stack.layers) == 1
    assert repr(stack) == f"Stack(layers={stack.layers!r})"
    with pytest.raises(ValueError, match="no hyper-parameter"):
        stack.set_params(n_hidden=3)


@pytest.mark.parametrize("form", ["a group", "its path", "a dataset"])
def test_layers_above_read_a_file_as_its_attributes_say(tmp_path, form):
    numbers = np.random.default_rng(0).integers(-30000, 30000, (6, 12, 5)).astype("i2")
    with h5py.File(tmp_path / "data.h5", "w") as file:
        for name, values in (("X", numbers), *((f"g/{i}", x) for i, x in enumerate(numbers))):
            file[name] = values
            file[name].attrs["scale_factor"] = 1e-4

    def layers():
        settings = dict(n_gibbs=1, n_updates=3, random_state=0, dtype="float64")
        return Stack([RTRBM(4, visible="gaussian", **settings), RTRBM(3, **settings)])

    whole = layers().fit(list(numbers * 1e-4) if form != "a dataset" else numbers * 1e-4)
    with h5py.File(tmp_path / "data.h5", "r") as file:
        given = {"a group": file["g"], "its path": (tmp_path / "data.h5", "g"), "a dataset": file["X"]}
        close(layers().fit(given[form]), whole)


@pytest.mark.parametrize(
    "top, message",
    [
        (RTRBM(3, initialization="linear"), "initialization='linear' needs taps"),
        (RTRBM(3, initialization=RBM(3, n_updates=1).fit(np.eye(5))), "initialization must be a model with the feat"),
        (RTRBM(3_000_000), "training n_hidden=3000000 units on 4 features would take"),
        (RTRBM(30, negative="exact", n_updates=1), None),  # control: 4 units can be enumerated
        (SRTRBM(3, visible_groups=[0, 1]), "visible_groups"),
    ],
)
def test_a_layer_that_cannot_be_trained_is_refused_before_any_work(top, message):
    bottom = RTRBM(4, **SETTINGS)
    with pytest.raises(ValueError, match=message) if message else contextlib.nullcontext():
        Stack([bottom, top]).fit(np.zeros((2, 3, 5)))
    assert hasattr(bottom, "params_") == (message is None)


def test_epochs_of_a_stream_are_refused_before_any_work():
    bottom, top = RTRBM(4, **SETTINGS), RTRBM(3, n_epochs=2)
    with pytest.raises(ValueError, match=r"layers\[1\].n_epochs=2 needs X of a known length, got BouncingBalls"):
        Stack([bottom, top]).fit(BouncingBalls(2, 5, resolution=4))
    assert not hasattr(bottom, "params_")


@pytest.mark.parametrize("kind", [str, pathlib.Path])
def test_epochs_of_a_file_are_known(kind, tmp_path):
    np.save(tmp_path / "x.npy", np.zeros((2, 3, 5)))
    stack = Stack([RTRBM(4, **SETTINGS), RTRBM(3, n_epochs=1, batch_size=1)]).fit(kind(tmp_path / "x.npy"))
    assert stack.layers[1].n_updates_ == 2


def test_examples_with_gaps_train_no_layer():
    class Stream:
        def minibatch(self, update):
            return [Example(np.zeros((3, 4)), 0, np.eye(3, 4) > 0)]

    bottom = RTRBM(4, **SETTINGS)
    with pytest.raises(ValueError, match="layers take frames alone"):
        Stack([bottom, RTRBM(3)]).fit(Stream())
    assert not hasattr(bottom, "params_")


def test_a_stack_without_layers_has_no_features():
    assert not hasattr(Stack([]), "n_features_in_") and not hasattr(Stack(None), "feature_names_in_")


def test_y_that_looks_like_data_is_refused():
    X = np.zeros((3, 4, 5))
    X[:, :2] = 1
    with pytest.raises(TypeError, match="y is not used, but it looks like the lengths of padded sequences"):
        Stack([RTRBM(4, **SETTINGS)]).fit(X, np.array([2, 2, 3]))
