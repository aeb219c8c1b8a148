"""docs/add-a-model.md: its blocks of rtrbm/models/lstmrbm.py are that file's, its other examples run.

They train, their gradients agree with enumeration, and their files load.
"""

import gc
import itertools
import math
import re
import sys
import types
from pathlib import Path

import numpy as np
import pytest
from helpers import Z_MAX, binary_states, flat, largest_difference, log_sum, z_scores

import rtrbm
from rtrbm import LSTMRBM, RBM, RTRBM, Stack
from rtrbm.parameters import each

ROOT = Path(__file__).parent.parent
SOURCE = (ROOT / "rtrbm" / "models" / "lstmrbm.py").read_text()
BLOCKS = re.findall(r"^```python\n(.*?)^```", (ROOT / "docs" / "add-a-model.md").read_text(), re.M | re.S)
EXAMPLES = [block for block in BLOCKS if block.rstrip() not in SOURCE]


@pytest.fixture(scope="module")
def page():
    """The page's other blocks, run one after the other as a module."""
    module = sys.modules["page"] = types.ModuleType("page")
    for code in EXAMPLES:
        exec(compile(code, "add-a-model.md", "exec"), vars(module))
    yield module
    del sys.modules["page"]
    vars(module).clear()
    gc.collect()  # other tests list all kinds


def counts(n_sequences=3, n_frames=5, n_visible=3, n=3, seed=5):
    return np.random.default_rng(seed).integers(0, n + 1, (n_sequences, n_frames, n_visible)).astype(float)


def binary(n_sequences=3, n_frames=5, n_visible=4):
    return counts(n_sequences, n_frames, n_visible, n=1)


def test_the_worked_example_is_the_file():
    """Its blocks lie in the file in their order, and nothing of the conditioner is left out."""
    quoted = [block.rstrip() for block in BLOCKS if block.rstrip() in SOURCE]
    assert len(quoted) == 6
    places = [SOURCE.index(block) for block in quoted]
    assert places == sorted(places)
    conditioner = SOURCE[SOURCE.index("class States") : SOURCE.index("@settings")]
    missing = [line for line in conditioner.splitlines() if not any(line in block for block in quoted)]
    assert not missing
    assert "times_U" not in quoted[1]  # control: a block that is changed is no longer in the file
    assert quoted[1].replace("times_R", "times_U") not in SOURCE


def test_the_examples_are_as_short_as_the_page_says(page):
    """A stranger reads them in minutes."""
    lengths = [len([line for line in code.splitlines() if line.strip()]) for code in EXAMPLES]
    assert len(EXAMPLES) == 6 and max(lengths) < 40


# -------------------------------------------------------------------------------------- the gradient


def test_lstm_gradient_is_exact(page):
    assert page.gradient_error(page.random_model(LSTMRBM, binary(), n_recurrent=2), binary()) < 1e-8


@pytest.mark.parametrize("kind", [RTRBM, LSTMRBM])
def test_binomial_gradient_is_exact(page, kind):
    assert page.gradient_error(page.random_model(kind, counts(), visible=page.Binomial(3)), counts()) < 1e-8


def test_a_wrong_gradient_is_noticed(page):
    """Control: without its backward pass the gradient is another."""
    assert page.gradient_error(page.random_model(RTRBM, binary(), bptt=False), binary()) > 0.01


def test_binomial_likelihood_is_a_sum_over_all_states(page):
    """By another way than the units': every count of every unit, with all hidden states."""
    model = page.random_model(RTRBM, counts(1, 1), visible=page.Binomial(3))
    W, _, b_v, b_h, b_init = model.params_[:5]
    states, h = np.array(list(itertools.product(range(4), repeat=3))), binary_states(3)
    ways = np.array([math.prod(math.comb(3, int(k)) for k in v) for v in states])
    log_weights = np.log(ways) + log_sum_rows((states @ b_v)[:, None] + h @ (b_h + b_init) + states @ W @ h.T)
    expected = log_weights - log_sum(log_weights)
    found = model.log_likelihood(states[:, None].astype(float))
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)
    mean = np.exp(expected) @ states  # of the first frame
    predicted = np.mean([model.predict(counts(1, 1), random_state=seed)[0, 0] for seed in range(200)], axis=0)
    assert abs(predicted - mean).max() < 0.05  # chains of 30 steps; the mean of uniform counts is up to 1 away
    assert abs(1.5 - mean).max() > 0.1  # control


def log_sum_rows(a):
    return np.array([log_sum(row) for row in a])


def test_binomial_chains_and_draws_have_the_mean(page):
    """Of the hot loop and of the Generator; the control is the mean of other units."""
    units, n = page.Binomial(3), 4000
    params = {"W": np.zeros((3, 1)), "b_v": np.array([-1.0, 0.0, 2.0]), "b_h": np.zeros(1)}
    model = RBM.from_params(params, visible=units, random_state=0)
    drawn = {
        "chain": model.sample(n, random_state=0, n_gibbs=2, return_states=True)[1],
        "Generator": units.draw(np.tile(units.mean(params["b_v"]), (n, 1)), np.random.default_rng(0)),
    }
    for states in drawn.values():
        assert set(np.unique(states)) == {0, 1, 2, 3}
        assert abs(z_scores(states, 3 / (1 + np.exp(-params["b_v"])))).max() < Z_MAX
        assert abs(z_scores(states, 3 / (1 + np.exp(-params["b_v"] - 0.2)))).max() > 2 * Z_MAX


def test_chains_from_noise_are_unbiased_if_they_are_long(page):
    """The control is k = 1; with weights of scale 1.6 it is far off."""
    X, model = np.repeat(binary(1), 40, axis=0), page.random_model(RTRBM, binary())
    for weights in (model.params_.W, model.params_.U):
        weights *= 2
    exact = flat(model.gradient(X[:1], method="exact"))

    def z(k):
        model.set_params(negative=page.FromCoins(k))
        return abs(z_scores([flat(model.gradient(X, random_state=seed)) for seed in range(40)], exact)).max()

    assert z(50) < Z_MAX
    assert z(1) > 2 * Z_MAX


def test_binomial_units_in_a_stack_that_imputes_and_with_a_linear_start(page):
    X, mask = counts(6).astype(float), np.zeros((6, 5, 3), bool)
    mask[:, 2] = True
    X[mask] = np.nan
    layers = [RTRBM(3, visible=page.Binomial(3), n_updates=2, random_state=0), RTRBM(3, n_updates=2, random_state=0)]
    filled = Stack(layers).fit(counts(6)).impute(X)
    assert (filled[~mask] == X[~mask]).all() and (0 <= filled[mask]).all() and (filled[mask] <= 3).all()
    with pytest.raises(ValueError, match="whole numbers"):  # what the layer above would be given without `nearest`
        layers[0].transform(filled)
    settings = {"n_taps": 1, "n_updates": 1, "learning_rate": 1e-30, "random_state": 0}
    start = RTRBM(3, visible=page.Binomial(3), initialization="linear", **settings).fit(counts(6))
    plain = RTRBM(3, visible=page.Binomial(3), **settings).fit(counts(6))
    assert start.score(counts(6)) > plain.score(counts(6))


# ------------------------------------------------------------------------- training, files, both engines


def made(page):
    """Each example in use: a model to train, and data."""
    settings = {"n_updates": 5, "random_state": 0}
    return {
        "model": (LSTMRBM(3, n_recurrent=2, **settings), binary(6)),
        "units": (RTRBM(3, visible=page.Binomial(3), **settings), counts(6)),
        "units by name": (RTRBM(3, visible="binomial", **settings), counts(6)),
        "negative phase": (RTRBM(3, negative=page.FromCoins(4), **settings), binary(6)),
        "negative phase by name": (RTRBM(3, negative="coins", n_gibbs=4, **settings), binary(6)),
        "all three": (LSTMRBM(3, visible=page.Binomial(3), negative=page.FromCoins(4), **settings), counts(6)),
        "static": (RBM(3, visible=page.Binomial(3), negative=page.FromCoins(4), **settings), counts(6)[:, 0]),
    }


NAMES = ["model", "units", "units by name", "negative phase", "negative phase by name", "all three", "static"]


@pytest.mark.parametrize("name", NAMES)
def test_examples_train_and_their_files_load(page, name, tmp_path):
    model, X = made(page)[name]
    start = each(np.copy, type(model)(**{**model.get_params(), "n_updates": 1, "learning_rate": 1e-30}).fit(X).params_)
    model.fit(X)
    assert largest_difference(model.params_, start) > 1e-3
    assert np.isfinite(model.sample(2, random_state=0)).all() and np.isfinite(model.denoise(X)).all()
    model.save(tmp_path / "model.h5")
    loaded = rtrbm.load(tmp_path / "model.h5")
    assert type(loaded) is type(model)
    assert (loaded.visible, loaded.negative) == (model.visible, model.negative)
    assert largest_difference(loaded.params_, model.params_) == 0
    assert np.array_equal(loaded.transform(X), model.transform(X))


@pytest.mark.parametrize("name", NAMES)
def test_examples_resume_bit_for_bit(page, name, tmp_path):
    model, X = made(page)[name]
    whole = type(model)(**model.get_params()).fit(X)
    model.fit(X, checkpoint=tmp_path / "run.h5", callbacks=[lambda model: model.n_updates_ == 3])
    assert model.n_updates_ == 3
    resumed = type(model)(**model.get_params()).fit(X, checkpoint=tmp_path / "run.h5", resume=True)
    assert resumed.n_updates_ == 5 and largest_difference(resumed.params_, whole.params_) == 0


@pytest.mark.parametrize("name", NAMES)
def test_examples_do_not_depend_on_threads(page, name):
    model, X = made(page)[name]
    one, two = (type(model)(**{**model.get_params(), "n_jobs": n_jobs}).fit(X) for n_jobs in (1, 2))
    assert largest_difference(one.params_, two.params_) == 0


def test_a_name_takes_the_settings_of_the_model(page):
    by_name, by_object = (made(page)[name][0].fit(binary(6)) for name in ("negative phase by name", "negative phase"))
    assert largest_difference(by_name.params_, by_object.params_) == 0


def test_frame_by_frame_is_all_at_once(page):
    """The states of `transform` are those that `start`, `biases` and `step` make, of ragged sequences too."""
    model = page.random_model(LSTMRBM, binary(), n_recurrent=2)
    X = [binary(1, n)[0] for n in (5, 1, 3)]
    past = model._past()
    for sequence, h in zip(X, model.transform(X)):
        state = past.start(model.params_, 1)
        for v, h_t in zip(sequence, h):
            biases = past.biases(model.params_, state)
            np.testing.assert_allclose(h_t, 1 / (1 + np.exp(-(v @ model.params_.W + biases.h[0]))), rtol=0, atol=1e-12)
            state = past.step(model.params_, state, v[None], None)


def test_data_that_units_cannot_have_are_refused(page):
    for wrong in (counts() - 1, counts() + 0.5, counts() + 1):
        with pytest.raises(ValueError, match="whole numbers from 0 to 3"):
            RTRBM(3, visible=page.Binomial(3), n_updates=1).fit(wrong)
