"""Missing values: their mean given what is there of the frame and the past, and never anything else."""

import h5py
import numpy as np
import pytest
from helpers import (
    TAPS,
    Z_MAX,
    binary_states,
    frame_energies,
    over_seeds,
    random_array,
    random_model,
    random_sequences,
    sigmoid,
    slow_predictions,
    slow_states,
    state,
    visible_means,
    z_scores,
)

from rtrbm import CRBM, RBM, RTRBM, TRBM, Stack
from rtrbm.rbm import expectation

N_SEEDS = 250
KINDS = {**TAPS, "RTRBM without taps": (RTRBM, {})}
any_kind = pytest.mark.parametrize("kind, settings", KINDS.values(), ids=KINDS)
units = pytest.mark.parametrize("visible", ["bernoulli", "gaussian"])
SETTINGS = dict(n_hidden=3, n_gibbs=1, n_updates=4, batch_size=2, random_state=0, n_jobs=1)
X, RAGGED_OF_4 = random_array(5, 6), random_sequences((4, 1, 7, 2, 3))


def mask_of(shape, seed=3):
    """A third of the values, no whole sequence."""
    return np.random.default_rng(seed).random(shape) < 1 / 3


def missing_means(W, b_v, b_h, frame, missing, visible):
    """E[v | v_present] of one frame, by a sum over missing (Bernoulli) or hidden (Gaussian) states."""
    n_missing = int(missing.sum())
    if visible == "bernoulli":
        completions = np.repeat(frame[None], 2**n_missing, axis=0)
        completions[:, missing] = binary_states(n_missing)
        weights = [np.exp(frame_energies(v, W, b_v, b_h, visible)).sum() for v in completions]
        return np.average(completions, axis=0, weights=weights)
    h = binary_states(W.shape[1])
    means = visible_means(h, W, b_v, visible)
    present = np.where(missing, 0, frame)
    log_p = h @ b_h + (present @ W) @ h.T + 0.5 * (means[:, missing] ** 2).sum(axis=1)
    return np.where(missing, np.average(means, axis=0, weights=np.exp(log_p)), frame)


@units
@any_kind
def test_missing_pixels_have_their_mean_given_the_others_and_the_past(kind, settings, visible):
    """In the first frame and in a later one. Control: the mean given the past alone, without the present pixels."""
    model = random_model(kind, scale=1.0, seed=1, visible=visible, **settings)
    video, missing = random_sequences([5], 3, visible)[0], np.array([True, False, False])
    masks = np.zeros((2, 5, 3), bool)
    masks[0, 0] = masks[1, 3] = missing
    filled = over_seeds(N_SEEDS, lambda seed: model.impute(np.stack([video, video]), masks, seed))
    _, b_v, b_h = slow_states(model.params_, video)
    past_alone, _ = slow_predictions(model.params_, video, visible)
    for found, t, mask in zip(filled.swapaxes(0, 1), (0, 3), masks):
        expected = missing_means(model.params_.W, b_v[t], b_h[t], video[t], missing, visible)
        assert np.abs(z_scores(found[:, t, missing], expected[missing])).max() < Z_MAX
        assert np.abs(z_scores(found[:, t, missing], past_alone[t, missing])).max() > Z_MAX
        np.testing.assert_array_equal(found[:, ~mask], np.tile(video[~mask], (N_SEEDS, 1)))


@units
@pytest.mark.parametrize("kind, settings", [KINDS[name] for name in ("TRBM", "RTRBM dynamic b_v")])
def test_a_missing_frame_is_predicted(kind, settings, visible):
    """A frame without any pixel has the mean of `predict`. Control: that of the frame before."""
    model = random_model(kind, scale=1.0, seed=1, visible=visible, **settings)
    video, mask = random_sequences([4], 3, visible)[0], np.zeros((4, 3), bool)
    mask[3] = True
    filled = over_seeds(N_SEEDS, lambda seed: model.impute([video], [mask], seed)[0][3])
    expected, variance = slow_predictions(model.params_, video, visible)
    assert np.abs(z_scores(filled, expected[3])).max() < Z_MAX
    assert np.abs(z_scores(filled, expected[2])).max() > Z_MAX
    # the protocol is that of predict, 4 x 25 states: its spread is too
    predicted = over_seeds(150, lambda seed: model.predict([video], random_state=seed)[0][3])
    ratio = filled.var(axis=0) / predicted.var(axis=0)
    assert ((0.6 < ratio) & (ratio < 1.6)).all()  # 150 draws: standard error 0.12


@units
def test_what_was_filled_in_is_the_past_of_later_frames(visible):
    """Frame 2 has its mean given the values filled into frame 1. Control: given those that were hidden."""
    model = random_model(RTRBM, n_taps=2, dynamic_visible_bias=True, scale=1.5, seed=1, visible=visible)
    video, mask = random_sequences([3], 3, visible)[0], np.zeros((3, 3), bool)
    mask[1], mask[2, :2] = True, True
    video[1] = 1 - video[1].round()
    filled = over_seeds(N_SEEDS, lambda seed: model.impute([video], [mask], seed)[0])

    def error(sequence, value):
        _, b_v, b_h = slow_states(model.params_, sequence)
        mean = missing_means(model.params_.W, b_v[2], b_h[2], sequence[2], mask[2], visible)
        return (value - mean)[mask[2]]

    right = np.array([error(v, v[2]) for v in filled])
    wrong = np.array([error(np.array([video[0], video[1], video[2]]), v[2]) for v in filled])
    assert np.abs(z_scores(right, 0)).max() < Z_MAX < np.abs(z_scores(wrong, 0)).max()


@any_kind
def test_neither_later_frames_nor_masked_values_count(kind, settings):
    model, data, form = (random_model(kind, **settings), random_array(6, 5, 3), list if kind is TRBM else np.stack)
    mask = mask_of(data.shape)
    filled = np.stack(model.impute(form(data), form(mask)))
    garbage = np.where(mask, np.nan, data)
    np.testing.assert_array_equal(np.stack(model.impute(form(garbage), form(mask))), filled)
    for wild in (np.inf, -np.inf, 1e300, -7):
        np.testing.assert_array_equal(model.impute(np.where(mask, wild, data), mask), filled)
    for t in range(1, 5):
        changed, other_mask = data.copy(), mask.copy()
        changed[:, t:] = 1 - changed[:, t:]
        other_mask[:, t:] = mask_of(mask[:, t:].shape, seed=9)
        again = np.stack(model.impute(form(changed), form(other_mask)))
        np.testing.assert_array_equal(again[:, :t], filled[:, :t])
        assert (again[:, t:][mask[:, t:]] != filled[:, t:][mask[:, t:]]).any()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@units
def test_present_values_come_back_and_nothing_is_written_to(dtype, visible):
    model = random_model(TRBM, 4, 3, visible=visible, dtype=dtype)
    for data in (random_array(5, 6, visible=visible), random_sequences((4, 1, 7), visible=visible)):
        data = [v.astype(dtype) for v in data] if isinstance(data, list) else data.astype(dtype)
        masks = [mask_of(v.shape, seed=i) for i, v in enumerate(data)]
        kept, before = [v.copy() for v in data], state(model)
        for array in (*data, *masks):
            array.flags.writeable = False
        filled = model.impute(data, masks if isinstance(data, list) else np.array(masks))
        assert isinstance(filled, type(data)) and state(model) == before
        for v, found, old, mask in zip(data, filled, kept, masks):
            np.testing.assert_array_equal(v, old)
            np.testing.assert_array_equal(found[~mask], v[~mask])
            assert found.dtype == dtype and (found[mask] != v[mask]).all()
            assert not np.shares_memory(found, v)
            if visible == "bernoulli":
                assert ((0 < found[mask]) & (found[mask] < 1)).all()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ["RBM", "RTRBM", "TRBM", "Stack of one", "Stack"])
def test_values_of_any_scale_come_back_bit_for_bit(name, dtype):
    """Not as v / sigma times sigma. Missing ones may be anything, and all are filled in."""
    rng = np.random.default_rng(0)
    data = [(rng.standard_normal((n, 4)) * [0.013, 1.7, 31, 3] + [0, 5, 100, -7]).astype(dtype) for n in (7, 7, 7, 3)]
    settings = dict(n_gibbs=1, n_updates=5, batch_size=2, random_state=0, n_jobs=1, dtype=dtype)
    kind = {"RBM": RBM, "TRBM": TRBM}.get(name, RTRBM)
    model = kind(3, visible="scaled_gaussian", **settings)
    if "Stack" in name:
        model = Stack([model] if name == "Stack of one" else [model, RTRBM(2, **settings)])
    model.fit(np.concatenate(data) if kind is RBM else data)
    masks = [mask_of(v.shape, seed=i) for i, v in enumerate(data)]
    given = [np.where(mask, np.nan, v) for v, mask in zip(data, masks)]
    forms = [(np.stack(given[:3]), np.stack(masks[:3])), (given, masks)]
    forms.append((given[0].astype(float), masks[0]) if kind is RBM else ([v.astype(float) for v in given], masks))
    for X, mask in forms[2:] if kind is RBM else forms:
        pairs = [(X, mask, model.impute(X, mask))] if kind is RBM else zip(X, mask, model.impute(X, mask))
        for v, missing, filled in pairs:
            assert filled.dtype == dtype and np.isfinite(filled).all()
            assert filled[~missing].tobytes() == v[~missing].astype(dtype).tobytes()


def test_nothing_missing_is_nothing_changed():
    for kind in (TRBM, CRBM, RTRBM):
        model = random_model(kind, 4, 3)
        np.testing.assert_array_equal(model.impute(X, np.zeros(X.shape, bool)), X)


def test_without_a_mask_what_is_nan_is_missing():
    """In every form of the data, for every model. Nothing is filled in where there is no NaN, and a warning says so."""
    mask, ragged = mask_of(X.shape), [np.where(mask_of(v.shape), np.nan, v) for v in RAGGED_OF_4]
    gaps, settings = np.where(mask, np.nan, X), dict(SETTINGS, n_updates=1)
    for model in (random_model(TRBM, 4, 3), Stack([RTRBM(**settings), RTRBM(**settings | dict(n_hidden=2))]).fit(X)):
        filled = model.impute(gaps, mask)
        for data in (gaps, list(gaps), gaps.tolist()):
            np.testing.assert_array_equal(np.stack(model.impute(data)), filled)
        for a, b in zip(model.impute(ragged), model.impute(ragged, [np.isnan(v) for v in ragged])):
            np.testing.assert_array_equal(a, b)
    for data in (X, X.round().astype(int), list(X)):
        with pytest.warns(UserWarning, match="X has no NaN and no mask is given") as caught:
            np.testing.assert_array_equal(np.stack(random_model(TRBM, 4, 3).impute(data)), np.stack(data))
        assert caught[0].filename == __file__
    with pytest.warns(UserWarning, match="X has no NaN"):
        RBM(**SETTINGS).fit(X[0]).impute(X[0])


def test_chains_are_rows_of_one_batch(monkeypatch):
    """16 of every sequence that has a gap in the frame."""
    sizes, average = [], expectation.average_visible

    def recording(v, *rest):
        sizes.append(len(v))
        return average(v, *rest)

    monkeypatch.setattr(expectation, "average_visible", recording)
    mask = np.zeros(X.shape, bool)
    mask[:3, 1, 0] = mask[4, 3] = True
    random_model(TRBM, 4, 3).impute(X, mask)
    RBM(**SETTINGS).fit(X[0]).impute(X[0], mask[4])
    assert sizes == [3 * 16, 16, 16]


def test_imputation_follows_its_seed():
    model, mask = random_model(TRBM, 4, 3), mask_of(X.shape)

    def impute(random_state):
        return model.impute(X, mask, random_state)

    np.testing.assert_array_equal(impute(None), impute(0))  # the seed of training
    assert (impute(3) != impute(4)).any()
    generator = np.random.default_rng(0)
    assert (impute(generator) != impute(generator)).any()


def test_sequences_are_filled_as_they_are_alone(monkeypatch):
    """In any company and group, and whatever follows. Control: with another seed they are filled differently."""
    monkeypatch.setattr("rtrbm.estimators.grouped.GROUP_ROWS", 12)
    model, masks = random_model(TRBM, 4, 3), [mask_of(v.shape) for v in RAGGED_OF_4]
    filled, other = (model.impute(RAGGED_OF_4, masks, seed) for seed in (0, 1))
    for v, mask, found, different in zip(RAGGED_OF_4, masks, filled, other):
        half = -(-len(v) // 2)
        np.testing.assert_allclose(model.impute([v], [mask], 0)[0], found, rtol=0, atol=1e-12)
        np.testing.assert_allclose(model.impute([v[:half]], [mask[:half]], 0)[0], found[:half], rtol=0, atol=1e-12)
        assert (abs(found - different)[mask] > 1e-6).all()


def test_frames_have_noise_of_their_own():
    """Without any past all frames have one law; the same numbers would give the same means."""
    model = random_model(CRBM, 4, 3, n_taps=1)
    alone = {name: 0 * getattr(model.params_, name) for name in ("A", "C", "b_init", "b_v_init")}
    model.params_ = model.params_._replace(**alone)
    filled = model.impute(X, np.ones(X.shape, bool))
    assert len({frame.tobytes() for frame in filled.reshape(-1, 4)}) == 6
    np.testing.assert_array_equal(filled, np.repeat(filled[:1], 5, axis=0))


def test_a_list_is_filled_as_its_array():
    model, mask = random_model(TRBM, 4, 3), mask_of(X.shape)
    filled = model.impute(X, mask)
    for data, masks in (
        (list(X), list(mask)),
        (list(X), mask),
        (X, list(mask)),
        (X.tolist(), mask.tolist()),
        (tuple(X), tuple(mask)),
    ):
        np.testing.assert_array_equal(np.stack(model.impute(data, masks)), filled)


# ------------------------------------------------------------------------------------------ static RBM


@units
def test_rows_of_a_static_rbm(visible):
    """Against enumeration; control: without regard to the present pixels."""
    rows = random_sequences([20], 3, visible)[0]
    rng = np.random.default_rng(1)
    W, b_v, b_h = (1.2 * rng.standard_normal(shape) for shape in ((3, 2), (3,), (2,)))
    model = RBM.from_params(dict(W=W, b_v=b_v, b_h=b_h), visible=visible, n_gibbs=1, random_state=0)
    row, missing = rows[1], np.array([True, False, True])
    by_seed = over_seeds(2 * N_SEEDS, lambda seed: model.impute(row[None], missing[None], seed)[0])
    expected = missing_means(W, b_v, b_h, row, missing, visible)
    assert np.abs(z_scores(by_seed[:, missing], expected[missing])).max() < Z_MAX
    wrong = missing_means(W, b_v, b_h, row, np.ones(3, bool), visible)
    assert np.abs(z_scores(by_seed[:, missing], wrong[missing])).max() > Z_MAX
    data, masks = rows.copy(), np.tile(missing, (20, 1))
    masks[::2] = ~missing
    filled = model.impute(data, masks)
    np.testing.assert_allclose(filled[1:2], model.impute(data[1:2], masks[1:2]), rtol=0, atol=1e-12)  # in any company
    np.testing.assert_array_equal(filled[~masks], data[~masks])
    data[masks] = np.nan
    data.flags.writeable = masks.flags.writeable = False
    np.testing.assert_array_equal(model.impute(data, masks), filled)
    np.testing.assert_array_equal(model.impute(data), filled)
    assert (model.impute(data, masks, 5) != filled).any()
    h = sigmoid(rows @ W + b_h)
    mean = b_v + h @ W.T
    expected = sigmoid(mean) if visible == "bernoulli" else mean
    np.testing.assert_allclose(model.denoise(rows), expected, rtol=0, atol=1e-13)


# ---------------------------------------------------------------------------------------------- errors

MASK = mask_of(X.shape)
WRONG_MASKS = {
    "fewer frames": (MASK[:, :5], ValueError, "mask must have the shape of X"),
    "fewer sequences": (MASK[:4], ValueError, "mask must have the shape of X"),
    "one sequence": (MASK[0], ValueError, "mask must have the shape of X"),
    "fewer features": (MASK[..., :3], ValueError, "mask must have the shape of X"),
    "numbers": (MASK.astype(float), TypeError, "mask must hold booleans"),
    "integers": (MASK.astype(int), TypeError, "mask must hold booleans"),
    "text": ("mask", TypeError, "mask must hold booleans"),
    "a truth value": (True, ValueError, "mask must have the shape of X"),
    "ragged": ([MASK[0], MASK[1, :2]], ValueError, "mask must be a rectangular array"),
}
WRONG_LISTS = {
    "fewer": (list(MASK[:4]), ValueError, "mask must have the form of X, a list of 5 arrays, got 4"),
    "fewer and ragged": ([MASK[0], MASK[1, :2]], ValueError, "mask must have the form of X"),
    "one of another length": ([*MASK[:4], MASK[4, :5]], ValueError, r"mask\[4\] must have the shape of X\[4\]"),
    "one of numbers": ([*MASK[:4], 1 * MASK[4]], TypeError, r"mask\[4\] must hold booleans"),
    "one ragged": ([[[True], [True, False]], *MASK[1:]], ValueError, r"mask\[0\] must be a rectangular array"),
    "an iterator": (iter(MASK), ValueError, "mask must have the form of X"),
}


@pytest.mark.parametrize("mask, error, match", WRONG_MASKS.values(), ids=WRONG_MASKS)
def test_wrong_masks_are_refused(mask, error, match):
    generator = np.random.default_rng(0)
    for model, data in (
        (TRBM(**SETTINGS).fit(X), X),
        (RTRBM(**SETTINGS).fit(X), X),
        (RBM(**SETTINGS).fit(X[0]), X.reshape(-1, 4)),
    ):
        with pytest.raises(error, match=match):
            model.impute(data, mask, generator)
    assert generator.bit_generator.state == np.random.default_rng(0).bit_generator.state


@pytest.mark.parametrize("mask, error, match", WRONG_LISTS.values(), ids=WRONG_LISTS)
def test_wrong_lists_of_masks_are_refused(mask, error, match):
    with pytest.raises(error, match=match):
        TRBM(**SETTINGS).fit(X).impute(list(X), mask)


WRONG_DATA = {
    "NaN elsewhere": (np.where(MASK, X, np.nan), ValueError, "X must be finite"),
    "above 1 elsewhere": (np.where(MASK, X, 1.01), ValueError, "X must lie in"),
    "text": (np.full(X.shape, "a"), TypeError, "X must hold real numbers"),
    "objects": (np.full(X.shape, {}, dtype=object), TypeError, "X must hold real numbers"),
    "None": (None, TypeError, "X must"),
    "a name": ("video", TypeError, "X must"),
    "an iterator": (iter(X), TypeError, "X must"),
    "a number": (3, TypeError, "X must"),
    "a dictionary": ({"a": X[0]}, TypeError, "X must"),
}


@pytest.mark.parametrize("data, error, match", WRONG_DATA.values(), ids=WRONG_DATA)
def test_wrong_data_are_refused(data, error, match):
    for kind in (TRBM, RTRBM):
        with pytest.raises(error, match=match):
            kind(**SETTINGS).fit(X).impute(data, MASK)
    rows = data.reshape(-1, 4) if isinstance(data, np.ndarray) else data
    if not isinstance(data, int):  # an array of no dimensions
        with pytest.raises(error, match=match):
            RBM(**SETTINGS).fit(X[0]).impute(rows, MASK.reshape(-1, 4))


def test_other_dimensions_are_refused():
    model = TRBM(**SETTINGS).fit(X)
    for data, match in ((X[0], "X must have 3 dimensions"), (X[..., :3], "X has 3 features")):
        with pytest.raises(ValueError, match=match):
            model.impute(data, np.zeros(data.shape, bool))
    for data, match in (([], "X must hold at least one sequence"), ([X[0], X[1, :, :2]], r"X\[1\] has 2 features")):
        with pytest.raises(ValueError, match=match):
            model.impute(data, [np.zeros(v.shape, bool) for v in data])
    with pytest.raises(ValueError, match="X must have 2 dimensions"):
        RBM(**SETTINGS).fit(X[0]).impute(X, MASK)
    with pytest.raises(ValueError, match="random_state"):
        model.impute(X, MASK, random_state=-1)


def test_an_unfitted_rbm_says_so():
    for verb in (lambda m: m.impute(X[0], MASK[0]), lambda m: m.denoise(X[0])):
        with pytest.raises(ValueError, match="not fitted"):
            verb(RBM(3))


@pytest.mark.parametrize("form", ["arrays", "a group", "its path", "a dataset"])
def test_a_file_may_have_a_mask(tmp_path, form):
    rng = np.random.default_rng(0)
    X, settings = rng.random((4, 6, 3)), dict(n_gibbs=1, n_updates=3, random_state=0)
    mask = rng.random(X.shape) < 0.3
    gaps = np.where(mask, np.nan, X)
    with h5py.File(tmp_path / "data.h5", "w") as file:
        file["X"] = gaps
        for i, x in enumerate(gaps):
            file[f"g/{i}"] = x
    with h5py.File(tmp_path / "data.h5", "r") as file:
        given = {"arrays": list(gaps), "a group": file["g"], "its path": (tmp_path / "data.h5", "g")}
        found = RTRBM(2, **settings).fit({**given, "a dataset": file["X"]}[form], mask=list(mask))
    np.testing.assert_array_equal(found.params_.W, RTRBM(2, **settings).fit(X, mask=mask).params_.W)
    assert np.isnan(gaps).any()  # and nobody has filled them in


def test_an_exact_phase_draws_missing_values_by_n_gibbs():
    """P(v_1 = v_2) of two units that agree in 95 % of rows, one of them missing in 70 %."""
    rng, n = np.random.default_rng(0), 1000
    first = rng.integers(0, 2, n)
    second = np.where(rng.random(n) < 0.95, first, 1 - first)
    X = np.stack([first, second], axis=1).astype(float)
    mask = np.zeros(X.shape, bool)
    mask[:, 1] = rng.random(n) < 0.7

    def agreement(k):
        settings = dict(n_updates=800, learning_rate=0.05, batch_size=200, random_state=0)
        model = RBM(2, negative="exact", n_gibbs=k, **settings).fit(X, mask=mask)
        p = np.exp(model.score_samples(np.array([[0, 0], [0, 1], [1, 0], [1, 1.0]])))
        return p[0] + p[3]

    # The rows that are there, some 300, have 0.95 with a standard error of 0.013.
    assert abs(agreement(30) - 0.95) < 4 * 0.013
    assert agreement(1) < 0.95 - 8 * 0.013  # control: one step does not reach the law of the missing values


@pytest.mark.parametrize("form", ["a dataset", "its path", ".npy", "a memmap"])
def test_one_recording_on_a_disk_is_cut_with_its_mask(tmp_path, form):
    rng = np.random.default_rng(0)
    X, settings = rng.random((60, 3)), dict(n_gibbs=1, n_updates=3, random_state=0)
    mask = rng.random(X.shape) < 0.3
    np.save(tmp_path / "X.npy", X)
    with h5py.File(tmp_path / "data.h5", "w") as file:
        file["X"], file["mask"] = X, mask
    expected = RTRBM(2, **settings).fit(X, window=10, mask=mask).params_.W
    with h5py.File(tmp_path / "data.h5", "r") as file:
        given = {"a dataset": file["X"], "its path": (tmp_path / "data.h5", "X"), ".npy": tmp_path / "X.npy"}
        given["a memmap"] = np.load(tmp_path / "X.npy", mmap_mode="r")
        for absent in (mask, file["mask"]):
            model = RTRBM(2, **settings).fit(given[form], window=10, mask=absent)
            np.testing.assert_array_equal(model.params_.W, expected)


def test_values_that_are_missing_raise_no_doubt_about_the_scale():
    Z = np.random.default_rng(0).normal(size=(20000, 4))
    mask = np.random.default_rng(1).random(Z.shape) < 0.97
    settings = dict(visible="gaussian", n_gibbs=1, n_updates=2, random_state=0)
    CRBM(3, **settings).fit(Z, mask=mask, window=50)  # a warning would be an error
    with pytest.warns(UserWarning, match="not standardised"):
        CRBM(3, **settings).fit(10 * Z, mask=mask, window=50)
