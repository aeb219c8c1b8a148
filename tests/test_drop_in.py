"""The static RBM in the place of scikit-learn's BernoulliRBM, and what makes its small updates light."""

import threading
import warnings

import numpy as np
import pytest

from experiments import digits
from helpers import Z_MAX
from rtrbm import RBM
from rtrbm.minibatches import sources
from rtrbm.minibatches.ahead import Ahead
from rtrbm.minibatches.sequences import layout, tiles
from rtrbm.rbm import Persistent
from rtrbm.streams import PURPOSES, stream

sklearn = pytest.importorskip("sklearn")


# ------------------------------------------------------------------------------------------- features


@pytest.fixture(scope="module")
def right():
    """Which of 900 test digits each contender's features let a classifier know."""
    from sklearn.datasets import load_digits
    from sklearn.linear_model import LogisticRegression

    X, y = load_digits(return_X_y=True)
    X = (X / 16).astype(np.float32)
    contenders = {
        "BernoulliRBM": digits.bernoulli_rbm(0).set_params(n_iter=80),  # as many updates as in the example
        "RBM": RBM(random_state=0),
        "untrained": RBM(random_state=0, n_updates=1, learning_rate=1e-9),
    }
    found = {}
    for name, model in contenders.items():
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "chains that start")
            features = model.fit(X[:897]).transform(X)
            known = LogisticRegression(max_iter=300).fit(features[:897], y[:897])
        found[name] = known.predict(features[897:]) == y[897:]
    return found


def z_of(ours, theirs):
    """Of the difference of two accuracies on the same images: McNemar's."""
    return (ours.sum() - theirs.sum()) / np.sqrt((ours != theirs).sum())


def test_defaults_make_features_as_good_as_those_of_bernoulli_rbm(right):
    assert z_of(right["RBM"], right["BernoulliRBM"]) > -2
    assert z_of(right["untrained"], right["BernoulliRBM"]) < -Z_MAX  # control


def test_a_fitted_bernoulli_rbm_becomes_an_rbm():
    X = np.random.default_rng(0).random((30, 6))
    theirs = digits.bernoulli_rbm(0).set_params(n_components=4).fit(X)
    ours = digits.as_rbm(theirs)
    np.testing.assert_allclose(ours.transform(X), theirs.transform(X), rtol=0, atol=1e-12)
    assert digits.as_rbm(ours) is ours


def test_the_experiment_writes_its_tables(tmp_path, monkeypatch, capsys):
    X, y = digits.nudged_digits()
    assert X.shape == (8985, 64) and X.min() == 0 and X.max() == 1
    up, original = X[1797 : 2 * 1797].reshape(-1, 8, 8), X[:1797].reshape(-1, 8, 8)
    assert np.corrcoef(up[:, 1:].ravel(), original[:, :-1].ravel())[0, 1] > 0.99  # pixels have scales of their own
    compare, contenders = (
        digits.compare,
        {
            "BernoulliRBM": lambda seed: digits.bernoulli_rbm(seed).set_params(n_iter=1, n_components=8),
            "RBM()": lambda seed: RBM(8, random_state=seed, n_updates=9),
        },
    )
    monkeypatch.setattr(digits, "nudged_digits", lambda: (X[:300], y[:300]))
    monkeypatch.setattr(digits, "compare", lambda *data: compare(*data, contenders))
    monkeypatch.setattr(digits, "CONTENDERS", contenders)
    monkeypatch.setattr(digits, "UPDATES", (20,))
    monkeypatch.setattr(digits, "REPEATS", 1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of models that have learned next to nothing
        digits.main(["--seeds", "2", "--out", str(tmp_path)])
    assert {path.name for path in tmp_path.iterdir()} == {
        "features.csv", "likelihood.csv", "speed.csv", "settings.json"
    }  # fmt: skip
    assert "BernoulliRBM" in capsys.readouterr().out


# ------------------------------------------------------------------------- centring of the visible units


def mirrored(params):
    """The model of 1 - v."""
    W, b_v, b_h, _ = params
    return {"W": -W, "b_v": -b_v, "b_h": b_h + W.sum(axis=0)}


@pytest.mark.parametrize("centering, alike", [("visible", True), (True, True), (False, False)])
def test_learning_does_not_depend_on_which_value_is_called_1(centering, alike):
    rng = np.random.default_rng(0)
    X = (rng.random((20, 5)) < 0.2).astype(float)
    settings = dict(centering=centering, negative="exact", optimizer="momentum", learning_rate=0.3)
    start = {"W": rng.standard_normal((5, 3)), "b_v": rng.standard_normal(5), "b_h": rng.standard_normal(3)}
    model = RBM.from_params(start, **settings)
    other = RBM.from_params(mirrored(model.params_), **settings)
    for _ in range(10):
        model.partial_fit(X)
        other.partial_fit(1 - X)
    difference = abs(model.score_samples(X) - other.score_samples(1 - X)).max()
    assert (difference < 1e-9) == alike
    assert abs(model.params_.W - start["W"]).max() > 0.1


def test_centred_hidden_units_are_another_path():
    X = (np.random.default_rng(0).random((20, 5)) < 0.2).astype(float)
    models = [RBM(3, centering=c, n_updates=5, random_state=0).fit(X) for c in ("visible", True)]
    assert abs(models[0].params_.W - models[1].params_.W).max() > 1e-4


# ----------------------------------------------------------------------------------- persistent chains


def test_minibatches_may_differ_in_size_and_the_chains_do_not():
    X = np.random.default_rng(0).random((30, 5))
    for negative, n in (("pcd", 7), (Persistent(1, 11), 11)):
        model = RBM(3, negative=negative, random_state=0)
        for rows in (X[:7], X[7:8], X[8:30]):
            assert model.partial_fit(rows).chains_.shape == (n, 5)


# -------------------------------------------------------------------------------------- light updates


def test_layouts_are_made_once():
    assert layout([1] * 50) is layout(np.ones(50, int)) and tiles(layout([1] * 50)) is tiles(layout([1] * 50))
    assert layout([50]) is not layout([1] * 50)
    many = [1] * 20_000
    assert layout(many) is not layout(many)


def test_a_small_minibatch_needs_no_thread(monkeypatch):
    X = np.random.default_rng(0).random((40, 5))

    def n_threads():
        seen, before = [], threading.active_count()
        model = RBM(3, batch_size=8, n_updates=4, random_state=0)
        model.fit(X, callbacks=[lambda model: seen.append(threading.active_count() - before)])
        return max(seen), model

    monkeypatch.setattr(sources, "AT_HAND", -1)
    one, model = n_threads()  # control
    monkeypatch.undo()
    none, same = n_threads()
    assert (one, none) == (1, 0)
    np.testing.assert_array_equal(model.params_.W, same.params_.W)


def test_minibatches_made_at_once_are_not_made_ahead():
    asked = []
    with Ahead(lambda update: asked.append(update) or update, 9, None, at_once=True) as ahead:
        assert ahead.minibatch(4) == 4 and asked == [4]


@pytest.mark.parametrize("seed", [0, 1, 2**31, 2**32, 2**63 - 1, 2**128 + 3, 2**200 + 7])
@pytest.mark.parametrize("address", [(), (5,), (2**32 - 1, 0), (2**32,), (1, 2**40), (1, 2, 3, 4)])
def test_streams_are_those_of_numpys_spawn_keys(seed, address):
    sequence = np.random.SeedSequence(seed, spawn_key=(PURPOSES.index("chain"), *address))
    expected = np.random.Generator(np.random.SFC64(sequence)).random(3)
    np.testing.assert_array_equal(stream(seed, "chain", *address).random(3), expected)
