"""Fitting: minibatches, rates and schedules, Ctrl-C, and what happens when training diverges."""

import os
import signal
import subprocess
import sys
import threading
import warnings

import numpy as np
import pytest
from events import eventful, interrupt
from helpers import every_engine, random_array, random_sequences, state

from rtrbm import RTRBM, TRBM
from rtrbm.callbacks import EarlyStopping
from rtrbm.minibatches.sources import Shuffled
from rtrbm.models.rtrbm import Recurrent
from rtrbm.parameters import arrays, each
from rtrbm.rbm import Bernoulli

SETTINGS = dict(n_hidden=3, n_gibbs=1, n_updates=12, batch_size=2, random_state=0, n_jobs=1)


class Stream:
    """Fresh sequences, always the same for the same update; `event` happens at one of them."""

    def __init__(self, event=None, at=5, visible="bernoulli"):
        self.event, self.at, self.visible = event, at, visible
        self.updates = []

    def minibatch(self, update):
        self.updates.append(update)
        if self.event is not None and update == self.at:
            self.event()
        return random_sequences((4, 6), visible=self.visible, seed=1000 + update)


# -------------------------------------------------------------------------------------- minibatches


@pytest.mark.parametrize("n, batch_size", [(10, 5), (10, 3), (7, 1), (5, 10), (1, 1), (1, 4), (4, 6)])
def test_every_sequence_once_an_epoch(n, batch_size):
    data = Shuffled([np.full((1, 1), i) for i in range(n)], batch_size, seed=3)
    n_epochs = 6
    batches = [data.minibatch(update) for update in range(n_epochs * data.n_minibatches)]
    sizes = {len(batch) for batch in batches}
    assert max(sizes) <= batch_size and max(sizes) - min(sizes) <= 1
    drawn = np.concatenate([[int(v[0, 0]) for v in batch] for batch in batches])
    epochs = drawn.reshape(n_epochs, n)
    np.testing.assert_array_equal(np.sort(epochs), np.tile(np.arange(n), (n_epochs, 1)))
    if n >= 7:  # 1/5040 that two epochs agree by chance; the seed is fixed
        assert len({tuple(epoch) for epoch in epochs}) == n_epochs


def test_minibatches_are_addressed_not_carried():
    X = random_array(7, 2)
    forwards, backwards = (Shuffled(X, 3, seed=1) for _ in range(2))
    batches = {update: forwards.minibatch(update) for update in range(10)}
    for update in reversed(range(10)):
        np.testing.assert_array_equal(backwards.minibatch(update), batches[update])
    other = Shuffled(X, 3, seed=2)
    assert any((other.minibatch(update) != batches[update]).any() for update in range(10))


def test_minibatches_of_an_array_and_of_its_list_agree():
    X = random_array(5, 3)
    of_array, of_list = Shuffled(X, 2, seed=0), Shuffled(list(X), 2, seed=0)
    for update in range(6):
        assert isinstance(of_array.minibatch(update), np.ndarray) and isinstance(of_list.minibatch(update), list)
        np.testing.assert_array_equal(of_array.minibatch(update), of_list.minibatch(update))


# -------------------------------------------------------------------------------- rates and history


def test_rates_fall_linearly_and_chains_follow_their_schedule():
    schedule = {0: 1, 3: 2, 7: 4}
    model = RTRBM(**SETTINGS | dict(learning_rate=0.01, n_gibbs=schedule)).fit(Stream())
    np.testing.assert_allclose(model.history_["learning_rate"], 0.01 * (1 - np.arange(12) / 12), rtol=1e-12)
    assert model.history_["n_gibbs"] == [1] * 3 + [2] * 4 + [4] * 5
    assert {len(values) for values in model.history_.values()} == {model.n_updates_} == {12}


def test_the_schedule_changes_the_chain_when_it_says():
    models = [RTRBM(**SETTINGS | dict(n_gibbs=k)).fit(Stream()) for k in (1, {0: 1, 8: 3})]
    norms = [model.history_["gradient_norm"] for model in models]
    assert norms[0][:8] == norms[1][:8] and norms[0][8] != norms[1][8]


def test_partial_fit_keeps_the_rate():
    model = RTRBM(**SETTINGS | dict(learning_rate=0.01))
    for update in range(5):
        model.partial_fit(Stream().minibatch(update))
    assert model.history_["learning_rate"] == [0.01] * 5 and model.n_updates_ == 5


def test_long_gradients_are_cut_to_their_greatest_norm():
    """One step of plain ascent has the length rate x max_norm; without the limit it is longer."""
    X, lengths = random_array(2, 5), {}
    settings = dict(optimizer="momentum", learning_rate=0.1, dtype="float64", centering=False)
    for max_norm in (None, 1e-3, 1e3):
        model = RTRBM(**SETTINGS | settings, max_norm=max_norm)
        model.partial_fit(X)
        before = [p.copy() for p in arrays(model.params_)]
        model.optimizer_state_ = model.optimizer_state_._replace(velocity=each(np.zeros_like, model.params_))
        model.partial_fit(X)
        lengths[max_norm] = np.sqrt(sum(((a - b) ** 2).sum() for a, b in zip(arrays(model.params_), before)))
    assert lengths[1e-3] == pytest.approx(1e-4, rel=1e-9)
    assert lengths[None] == lengths[1e3] > 2e-4


@pytest.mark.parametrize("optimizer", ["adam", "momentum"])
@pytest.mark.parametrize("centering", [True, False])
def test_a_rate_of_its_own_for_the_connections_between_visible_units(optimizer, centering):
    """A alone takes smaller steps, and with the rate 0 none."""
    X = random_sequences((6, 5, 6))
    settings = SETTINGS | dict(n_taps=2, optimizer=optimizer, centering=centering, dtype="float64", n_updates=1)
    whole, damped = (TRBM(**settings, learning_rate=0.1, vv_rate=c).fit(X).params_ for c in (1, 0.25))
    np.testing.assert_allclose(damped.A, whole.A / 4, atol=1e-12)
    np.testing.assert_array_equal(damped.C, whole.C)
    np.testing.assert_array_equal(damped.W, whole.W)
    assert np.array_equal(damped.b_v, whole.b_v) == (not centering)  # centred, the bias makes up for A
    frozen = TRBM(**settings | dict(n_updates=5), learning_rate=0.1, vv_rate=0).fit(X).params_
    assert not frozen.A.any() and frozen.C.any()


def test_what_vv_rate_refuses():
    with pytest.raises(ValueError, match="vv_rate"):
        TRBM(vv_rate=-1).fit(random_sequences((4, 4)))


def test_training_learns():
    """The exact likelihood of what was fitted rises, far beyond that of a model of the pixels alone."""
    X = np.zeros((6, 8, 4))
    X[:, ::2, :2] = X[:, 1::2, 2:] = 1  # two frames in turn
    X[3:] = 1 - X[3:]
    settings = SETTINGS | dict(n_hidden=6, n_gibbs=3, batch_size=6, learning_rate=0.03)
    start, end = (RTRBM(**settings | dict(n_updates=n)).fit(X) for n in (1, 400))
    pixels_alone = 8 * 4 * np.log(0.5)
    assert start.log_likelihood(X).mean() == pytest.approx(pixels_alone, rel=0.05)
    assert end.log_likelihood(X).mean() > pixels_alone / 4


def test_a_stream_that_leaves_the_road_is_an_error_not_a_model():
    class Bad(Stream):
        def minibatch(self, update):
            return [np.full((3, 4), 0.5 if update < 3 else 1.5)]

    with pytest.raises(ValueError, match=r"X.*\[0, 1\]"):
        RTRBM(**SETTINGS).fit(Bad())


def test_the_library_is_silent(capfd):
    for verbose in (0, 1):  # no terminal here: no progress bar even if asked
        RTRBM(**SETTINGS, verbose=verbose).fit(Stream())
    assert capfd.readouterr() == ("", "")


# --------------------------------------------------------------------------------------------- callbacks


def test_callbacks_are_called_in_order_after_every_update_with_the_model():
    calls, weights = [], []

    def first(model):
        calls.append(("first", model.n_updates_))
        assert {len(values) for values in model.history_.values()} == {model.n_updates_}
        weights.append(model.params_.W.copy())

    def second(model):
        calls.append(("second", model.n_updates_))
        seen.add(model)

    seen, model = set(), RTRBM(**SETTINGS)
    model.fit(Stream(), callbacks=[first, second])
    assert calls == [(name, n) for n in range(1, 13) for name in ("first", "second")] and seen == {model}
    assert all((a != b).any() for a, b in zip(weights, weights[1:]))
    for n in (1, 7):  # what they see is the model after so many updates
        shorter = RTRBM(**SETTINGS)
        shorter.fit(Stream(), callbacks=[lambda m, n=n: m.n_updates_ == n])
        np.testing.assert_array_equal(shorter.params_.W, weights[n - 1])


def test_callbacks_that_look_change_nothing(tmp_path):
    X, scores = random_sequences((4, 6)), []

    def look(model):
        scores.append(model.score(X))
        model.sample(2, random_state=0)
        model.save(tmp_path / "seen.h5")

    model = RTRBM(**SETTINGS).fit(Stream(), callbacks=(look,))
    assert state(model) == state(RTRBM(**SETTINGS).fit(Stream())) == state(RTRBM.load(tmp_path / "seen.h5"))
    assert len(set(scores)) == 12 and scores[-1] == model.score(X)


@pytest.mark.parametrize("true", [True, np.True_])
def test_a_callback_that_returns_true_stops_and_the_checkpoint_is_written(tmp_path, true):
    path, others = tmp_path / "model.h5", []
    stop = [lambda model: model.n_updates_ == 7 and true, lambda model: others.append(model.n_updates_)]
    model, stream = RTRBM(**SETTINGS), Stream()
    assert model.fit(stream, checkpoint=path, checkpoint_every=5, callbacks=stop) is model
    assert model.n_updates_ == 7 and others == list(range(1, 8))  # those after it are called all the same
    assert state(RTRBM.load(path)) == state(model)
    assert stream.updates[-1] <= 8
    resumed, whole = RTRBM(**SETTINGS), RTRBM(**SETTINGS).fit(Stream())
    assert state(resumed.fit(Stream(), checkpoint=path, resume=True)) == state(whole) != state(model)


@pytest.mark.parametrize("value", [None, False, np.False_, 0, 1, "yes", [1], np.ones(2)], ids=repr)
def test_other_results_of_callbacks_do_not_count(value):
    assert RTRBM(**SETTINGS).fit(Stream(), callbacks=[lambda model: value]).n_updates_ == 12


@pytest.mark.parametrize("error", [OSError, ValueError, FloatingPointError, MemoryError])
def test_an_exception_in_a_callback_saves_the_checkpoint_and_passes_through(tmp_path, error):
    def fail(model):
        if model.n_updates_ == 7:
            raise error("disk gone")

    path, model, handler = tmp_path / "model.h5", RTRBM(**SETTINGS), signal.getsignal(signal.SIGINT)
    before = threading.active_count()
    with pytest.raises(error, match="disk gone"):
        model.fit(Stream(), checkpoint=path, checkpoint_every=5, callbacks=[fail])
    assert model.n_updates_ == 7 and state(RTRBM.load(path)) == state(model)
    assert signal.getsignal(signal.SIGINT) is handler and threading.active_count() == before
    resumed = RTRBM(**SETTINGS).fit(Stream(), checkpoint=path, resume=True)
    assert state(resumed) == state(RTRBM(**SETTINGS).fit(Stream()))


def test_ctrl_c_in_a_callback_stops_after_it(tmp_path):
    path, model = tmp_path / "model.h5", RTRBM(**SETTINGS)
    with pytest.raises(KeyboardInterrupt):
        model.fit(Stream(), checkpoint=path, callbacks=[lambda m: m.n_updates_ == 7 and interrupt()])
    assert model.n_updates_ == 7 and state(RTRBM.load(path)) == state(model)


def test_a_resumed_run_calls_its_callbacks_for_the_updates_it_makes(tmp_path):
    path, calls = tmp_path / "model.h5", []
    RTRBM(**SETTINGS).fit(Stream(), checkpoint=path, callbacks=[lambda m: m.n_updates_ == 5])
    for _ in range(2):  # the second time none is left
        RTRBM(**SETTINGS).fit(Stream(), checkpoint=path, resume=True, callbacks=[lambda m: calls.append(m.n_updates_)])
    assert calls == list(range(6, 13))


@pytest.mark.parametrize("callbacks", [None, print, [3], [print, None], "print", {"a": print}, iter([print])], ids=repr)
def test_wrong_callbacks_are_refused_before_any_work(tmp_path, callbacks):
    model = RTRBM(**SETTINGS)
    with pytest.raises(TypeError, match="callbacks must be a list of functions"):
        model.fit(Stream(), checkpoint=tmp_path / "model.h5", callbacks=callbacks)
    assert not hasattr(model, "params_") and os.listdir(tmp_path) == []


def test_a_class_is_no_callback():
    with pytest.raises(TypeError, match=r"callbacks\[0\] must be .*, got the class: take EarlyStopping\(\)"):
        RTRBM(**SETTINGS).fit(Stream(), callbacks=[EarlyStopping])


# ------------------------------------------------------------------------------------------- Ctrl-C


@pytest.mark.parametrize("optimizer", ["adam", "momentum", "spectral"])
def test_ctrl_c_leaves_a_checkpoint_from_which_the_run_goes_on_bit_for_bit(tmp_path, optimizer):
    path = tmp_path / "model.h5"
    settings = SETTINGS | dict(optimizer=optimizer, n_gibbs={0: 1, 4: 2, 9: 1})
    whole = RTRBM(**settings).fit(Stream())

    stream, model = Stream(), eventful(interrupt, at=5, **settings)
    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        model.fit(stream, checkpoint=path, checkpoint_every=1000)
    assert signal.getsignal(signal.SIGINT) is handler
    assert model.n_updates_ == 6  # the update under way was finished, no other begun
    assert stream.updates[-1] <= 7  # that of the next was made already, and perhaps another begun
    assert state(RTRBM.load(path)) == state(model)
    assert state(model) != state(whole)

    again = Stream()
    resumed = RTRBM(**settings, visible=Bernoulli()).fit(again, checkpoint=path, resume=True)
    assert [update for update in again.updates if update] == list(range(6, 12))
    assert state(resumed) == state(whole)
    assert state(RTRBM.load(path)) == state(whole)


def test_ctrl_c_without_a_checkpoint_keeps_the_model():
    model = eventful(interrupt, at=5, **SETTINGS)
    with pytest.raises(KeyboardInterrupt):
        model.fit(Stream())
    assert model.n_updates_ == len(model.history_["gradient_norm"]) == 6
    assert np.isfinite(model.sample(2, random_state=0)).all()


def test_ctrl_c_in_the_last_update_loses_nothing(tmp_path):
    path = tmp_path / "model.h5"
    with pytest.raises(KeyboardInterrupt):
        eventful(interrupt, at=11, **SETTINGS).fit(Stream(), checkpoint=path)
    assert state(RTRBM.load(path)) == state(RTRBM(**SETTINGS).fit(Stream()))


def test_a_second_ctrl_c_breaks_off_at_once(tmp_path):
    def twice():
        interrupt()
        interrupt()
        raise AssertionError("the second interrupt was swallowed")

    path, model = tmp_path / "model.h5", eventful(twice, at=5, **SETTINGS)
    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        model.fit(Stream(), checkpoint=path, checkpoint_every=2)
    assert signal.getsignal(signal.SIGINT) is handler
    assert model.n_updates_ == 5 and RTRBM.load(path).n_updates_ == 4  # the last checkpoint stands


def test_ctrl_c_while_a_minibatch_is_made_begins_no_other_update(tmp_path):
    path, model = tmp_path / "model.h5", RTRBM(**SETTINGS)
    with pytest.raises(KeyboardInterrupt):
        model.fit(Stream(interrupt), checkpoint=path)
    assert model.n_updates_ == 5 and state(RTRBM.load(path)) == state(model)  # minibatch 5: during update 4
    resumed = RTRBM(**SETTINGS).fit(Stream(), checkpoint=path, resume=True)
    assert state(resumed) == state(RTRBM(**SETTINGS).fit(Stream()))


def test_the_users_handler_comes_back_after_an_error():
    def fail():
        raise OSError("disk gone")

    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises(ValueError, match="cannot be read: OSError: disk gone"):
        RTRBM(**SETTINGS).fit(Stream(fail))
    assert signal.getsignal(signal.SIGINT) is handler


def test_fit_works_outside_the_main_thread():
    model, errors = RTRBM(**SETTINGS), []

    def fit():
        try:
            model.fit(Stream())
        except Exception as error:
            errors.append(error)

    thread = threading.Thread(target=fit)
    thread.start()
    thread.join(timeout=60)
    assert errors == [] and state(model) == state(RTRBM(**SETTINGS).fit(Stream()))


# --------------------------------------------------------------------------------------- divergence

# Gaussian units and a rate far too large: activations overflow after an update or two.
DIVERGING = SETTINGS | dict(visible="gaussian", optimizer="momentum", learning_rate=1e30, n_updates=50)


@pytest.mark.parametrize("n_jobs", [1, 2])
@every_engine
def test_divergence_is_one_error_that_names_the_rate(engine, n_jobs):
    """An error, not warnings from numpy on the way to it."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(FloatingPointError, match="learning_rate"):
            RTRBM(**DIVERGING | dict(n_jobs=n_jobs, engine=engine)).fit(Stream(visible="gaussian"))


def finite(model):
    return all(np.isfinite(p).all() for p in arrays(model.params_))


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # the test above is about these
@pytest.mark.parametrize("learning_rate", [1e25, 1e30, 1e36, 1e38, 1e200])
def test_the_last_checkpoint_of_a_diverging_run_is_intact(tmp_path, learning_rate):
    path = tmp_path / "model.h5"
    model = RTRBM(**DIVERGING | dict(learning_rate=learning_rate))
    with pytest.raises(FloatingPointError, match="learning_rate"):
        model.fit(Stream(visible="gaussian"), checkpoint=path, checkpoint_every=1)
    if path.exists():  # not if the first update failed
        saved = RTRBM.load(path)
        assert finite(saved) and saved.n_updates_ >= 1
        assert np.isfinite(saved.history_["reconstruction_error"]).all()


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_the_last_update_is_checked_as_well():
    """An overflow in the very last step must not come back as a model."""
    with pytest.raises(FloatingPointError, match="learning_rate"):
        RTRBM(**DIVERGING | dict(learning_rate=1e200, n_updates=1)).fit(Stream(visible="gaussian"))
    with pytest.raises(FloatingPointError, match="learning_rate"):
        RTRBM(**DIVERGING | dict(learning_rate=1e200)).partial_fit(Stream(visible="gaussian").minibatch(0))


@pytest.mark.parametrize("settings", [dict(n_updates=50), dict(n_updates=1, learning_rate=1e200)], ids=str)
def test_a_diverged_model_cannot_overwrite_its_checkpoint(tmp_path, settings):
    """Saved by hand after the error, it is refused or still finite."""
    path = tmp_path / "model.h5"
    model = RTRBM(**DIVERGING | settings)
    with pytest.raises(FloatingPointError):
        model.fit(Stream(visible="gaussian"), checkpoint=path, checkpoint_every=1)
    try:
        model.save(path)
    except ValueError:
        return
    assert finite(RTRBM.load(path))


ALONE = """
import numpy as np
from rtrbm import RTRBM
np.random.seed(0)
before = np.random.get_state()[1].tolist()
RTRBM(3, n_gibbs=1, n_updates=2, random_state=0).fit(np.full((2, 3, 4), 0.5)).sample(2)
assert np.random.get_state()[1].tolist() == before, "numpy's global generator was used"
"""


def test_the_global_generator_is_not_touched():
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", ALONE], env=environment, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


class Forgetful(Recurrent):
    """A conditioner that leaves out a derivative."""

    def backward(self, params, memory, c, engine):
        d, gradient = super().backward(params, memory, c, engine)
        return d, gradient._replace(b_init=None)


class OfForgetful(RTRBM):
    def _past(self):
        return Forgetful()


def test_a_conditioner_that_leaves_out_a_derivative_is_told_of_it():
    with pytest.raises(TypeError, match=r"Forgetful.backward must return .* see \['b_init'\]"):
        OfForgetful(**SETTINGS).fit(random_array(4, 5))
