"""Learning one can watch: validation, callbacks, signs of life, extended runs, epochs, fingerprints."""

import csv
import io
import os
import sys
import warnings
from types import SimpleNamespace

import h5py
import numpy as np
import pytest
from helpers import random_array, random_sequences, state

import rtrbm
from rtrbm import RBM, RTRBM, TRBM, Stack, callbacks
from rtrbm.callbacks import Callback, EarlyStopping, Log, Print
from rtrbm.minibatches.fingerprint import difference, fingerprint
from rtrbm.rbm import exact
from rtrbm.training import monitor

SETTINGS = dict(n_hidden=3, n_gibbs=1, n_updates=12, batch_size=2, learning_rate=0.05, random_state=0, n_jobs=1)
X, V = random_array(6, 5), random_array(3, 7, seed=2)


class Breaks(Exception):
    """What ends a run."""


def breaking(at):
    """A callback that ends a run at an update."""

    def callback(model):
        if model.n_updates_ == at:
            raise Breaks

    return callback


def broken(path, at, settings=SETTINGS, callbacks=(), **keywords):
    """A run that was broken off after `at` updates, its checkpoint written."""
    model = RTRBM(**settings)
    with pytest.raises(Breaks):
        model.fit(X, checkpoint=path, callbacks=[*callbacks, breaking(at)], **keywords)
    return model


def everything(model):
    """State, the schedule and the best model."""
    best = model.best_ and (
        model.best_.update,
        model.best_.error,
        [a.tobytes() for a in model.best_.params if a is not None],
    )
    return state(model), model._begin, best


# ------------------------------------------------------------------------------------------------ validation


def test_the_validation_error_is_that_of_score_at_every_measurement():
    scores = {}

    def score(model):
        scores[model.n_updates_] = -model.score(V), model.log_likelihood(V).sum() / 21

    model = RTRBM(**SETTINGS).fit(X, validation=V, validation_every=4, callbacks=[score])
    history = model.history_
    assert history["validation_update"] == [0, 4, 8, 12]
    for i, n in enumerate((4, 8, 12), 1):
        got = history["validation_error"][i], history["validation_log_likelihood"][i]
        np.testing.assert_allclose(got, scores[n], rtol=1e-7)
    assert len(set(history["validation_error"])) == 4


def test_training_does_not_depend_on_the_validation():
    alone, watched = RTRBM(**SETTINGS).fit(X), RTRBM(**SETTINGS).fit(X, validation=V)
    for name in [name for name in watched._history if name.startswith("validation")]:
        del watched._history[name]
    assert state(alone) == state(watched)


def test_there_are_about_twenty_measurements_by_default():
    model = RTRBM(**SETTINGS | dict(n_updates=50)).fit(X, validation=V)
    assert model.history_["validation_update"] == [*range(0, 50, 3), 50]


def test_ragged_and_stored_validation_data(tmp_path):
    ragged = random_sequences((3, 1, 6), seed=3)
    lists = RTRBM(**SETTINGS).fit(X, validation=ragged).history_["validation_error"]
    with h5py.File(tmp_path / "data.h5", "w") as file:
        file["V"] = V
        for i, sequence in enumerate(ragged):
            file[f"ragged/{i}"] = sequence
    for name, wanted in (("ragged", lists), ("V", RTRBM(**SETTINGS).fit(X, validation=V).history_["validation_error"])):
        stored = RTRBM(**SETTINGS).fit(X, validation=(tmp_path / "data.h5", name)).history_["validation_error"]
        np.testing.assert_allclose(stored, wanted, rtol=1e-6)


def test_long_sums_over_states_are_left_out():
    many = random_array(2, 200, n_visible=20)
    model = RTRBM(**SETTINGS | dict(n_hidden=18, n_updates=2)).fit(many, validation=many)
    assert "validation_log_likelihood" not in model.history_ and len(model.history_["validation_error"]) == 3


@pytest.mark.parametrize(
    "wrong, message",
    [
        (random_array(2, 4, n_visible=6), "validation must have the 4 features of X, got 6"),
        (V * 3, r"validation must .*\[0, 1\]"),
        (V[0], "validation must have 3 dimensions"),
        (iter(V), "validation must be data of a known length"),
        (("none.h5", "V"), "validation: no file"),
        ([], "validation must hold at least one"),
    ],
    ids=str,
)
def test_wrong_validation_data_are_refused_before_anything_changes(wrong, message):
    model = RTRBM(**SETTINGS)
    with pytest.raises((TypeError, ValueError, FileNotFoundError), match=message):
        model.fit(X, validation=wrong)
    assert not hasattr(model, "params_")


def test_columns_of_validation_tables_are_held_to():
    pd = pytest.importorskip("pandas")
    tables = [[pd.DataFrame(x, columns=list("abcd")) for x in data] for data in (X, V)]
    model = RTRBM(**SETTINGS).fit(tables[0], validation=tables[1])  # without a warning of missing names
    same = RTRBM(**SETTINGS).fit(X, validation=V)
    np.testing.assert_allclose(*(m.history_["validation_error"] for m in (model, same)), rtol=1e-6)
    with pytest.raises(ValueError, match="(?s)validation.*same order"):
        model.fit(tables[0], validation=[v[list("dcba")] for v in tables[1]])
    with pytest.warns(UserWarning, match="validation does not have valid feature names"):
        model.fit(tables[0], validation=V)


def test_single_frames_cannot_be_validated():
    with pytest.raises(ValueError, match="validation must have a sequence of at least 2 frames"):
        RTRBM(**SETTINGS).fit(X, validation=V[:, :1])


def test_the_static_rbm_fills_in_what_it_does_not_see():
    """Pairs of equal pixels: the error falls from that of a guess, 1/4 a pixel; the likelihood is exact."""
    rng = np.random.default_rng(0)
    rows = np.repeat(rng.integers(2, size=(300, 4)), 2, axis=1).astype(float)
    model = RBM(8, batch_size=20, n_updates=600, learning_rate=0.05, n_gibbs=1, random_state=0)
    model.fit(rows[:200], validation=rows[200:])
    errors, likelihoods = (model.history_[f"validation_{name}"] for name in ("error", "log_likelihood"))
    assert errors[0] == pytest.approx(2 / 4, rel=0.1) and errors[-1] < 0.6 * errors[0]
    assert likelihoods[-1] == pytest.approx(model.score(rows[200:])) and likelihoods[-1] > likelihoods[0]
    assert exact.is_enumerable(8, 8, model._units())


# ------------------------------------------------------------------------------------------------ the best model


def overfitted(**keywords):
    """A model that learns six short sequences by heart, after it has been better on others."""
    return RTRBM(**SETTINGS | dict(n_hidden=20, n_updates=60, learning_rate=0.2)).fit(X, validation=V, **keywords)


def test_the_best_model_is_kept_and_restored():
    model = overfitted(callbacks=[EarlyStopping()])
    errors, updates = model.history_["validation_error"], model.history_["validation_update"]
    best = int(np.argmin(errors))
    assert errors[best] < errors[-1]  # control: the last model is another
    assert model.n_updates_ == 60 and model.best_[1:] == (updates[best], errors[best])
    assert -model.score(V) == pytest.approx(errors[best], rel=1e-7)
    assert -overfitted().score(V) == pytest.approx(errors[-1], rel=1e-7)


@pytest.mark.filterwarnings("ignore:learning_rate=2 changes weights")
def test_the_start_counts_too():
    """A model that is best before it learns, as one that starts at the linear predictor can be."""
    start = RTRBM(**SETTINGS | dict(n_updates=1, learning_rate=1e-12)).fit(X)
    model = RTRBM(**SETTINGS | dict(learning_rate=0.9)).fit(X, validation=V, callbacks=[EarlyStopping()])
    assert model.best_.update == 0
    np.testing.assert_allclose(model.params_.W, start.params_.W, atol=1e-7)


def test_patience_counts_measurements():
    model = overfitted(validation_every=3, callbacks=[EarlyStopping(patience=4)])
    assert model.n_updates_ == model.best_.update + 12 < 60


def test_without_validation_data_the_reconstruction_error_counts():
    model = RTRBM(**SETTINGS | dict(n_updates=40)).fit(X, callbacks=[EarlyStopping(patience=30)])
    errors = np.array(model.history_["reconstruction_error"]).reshape(20, 2).mean(axis=1)
    assert model.best_[1:] == (2 * int(np.argmin(errors)) + 2, errors.min())


@pytest.mark.parametrize("with_validation", [True, False])
@pytest.mark.parametrize("at", [1, 17, 45])
def test_a_resumed_run_keeps_the_best_of_all(tmp_path, at, with_validation):
    path, settings = tmp_path / "run.h5", SETTINGS | dict(n_hidden=20, n_updates=60, learning_rate=0.2)
    given = {"validation": V} if with_validation else {}
    whole = RTRBM(**settings).fit(X, **given, callbacks=[EarlyStopping()])
    stopped = broken(path, at, settings, [EarlyStopping()], **given)
    last, best = RTRBM.load(path), stopped.best_
    if best is not None:  # in memory the best model, in the file the last one as well
        assert stopped.params_.W.tobytes() == best.params.W.tobytes() == last.best_.params.W.tobytes()
    resumed = RTRBM(**settings).fit(X, checkpoint=path, resume=True, **given, callbacks=[EarlyStopping()])
    assert everything(resumed) == everything(whole) == everything(RTRBM.load(path))


def test_a_run_that_stopped_early_stays_as_it_is(tmp_path):
    path = tmp_path / "run.h5"
    first = overfitted(callbacks=[EarlyStopping(2)], checkpoint=path)
    assert first.n_updates_ < 60
    again = overfitted(callbacks=[EarlyStopping(2)], checkpoint=path, resume=True)
    assert everything(again) == everything(first)
    assert overfitted(callbacks=[EarlyStopping(50)], checkpoint=path, resume=True).n_updates_ == 60


def test_a_run_that_diverges_leaves_the_best_model():
    class Explodes(Callback):
        def __call__(self, model):
            if model.n_updates_ == 9:
                model.params_.W[:] = np.inf

    model = RTRBM(**SETTINGS)
    with pytest.raises(FloatingPointError):
        model.fit(X, validation=V, callbacks=[EarlyStopping(), Explodes()])
    assert np.isfinite(model.score(V))


def test_validation_on_other_data_is_refused_on_resuming(tmp_path):
    broken(tmp_path / "run.h5", 5, validation=V)
    with pytest.raises(ValueError, match="validation must hold the data .* other values"):
        RTRBM(**SETTINGS).fit(X, checkpoint=tmp_path / "run.h5", resume=True, validation=1 - V)


# ------------------------------------------------------------------------------------------------ log and print


def read(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def test_the_log_is_the_history(tmp_path):
    model = RTRBM(**SETTINGS).fit(X, validation=V, validation_every=5, callbacks=[Log(tmp_path / "log.csv")])
    lines = read(tmp_path / "log.csv")
    assert [int(line["update"]) for line in lines] == list(range(13))
    for name in ("reconstruction_error", "gradient_norm", "learning_rate", "n_gibbs"):
        assert [float(line[name]) for line in lines[1:]] == model.history_[name]
    measured = {int(line["update"]): float(line["validation_error"]) for line in lines if line["validation_error"]}
    assert measured == dict(zip(model.history_["validation_update"], model.history_["validation_error"]))


def test_a_resumed_log_has_every_update_once(tmp_path):
    whole, parts, path = tmp_path / "whole.csv", tmp_path / "parts.csv", tmp_path / "run.h5"
    RTRBM(**SETTINGS).fit(X, validation=V, callbacks=[Log(whole)])
    broken(path, 5, callbacks=[Log(parts)], validation=V)
    with open(parts, "a") as file:  # updates after the last checkpoint, and half a line
        file.write("6,1.0,1.0,0.1,1,,\n7,1.")
    RTRBM(**SETTINGS).fit(X, validation=V, checkpoint=path, resume=True, callbacks=[Log(parts)])
    assert parts.read_text() == whole.read_text()


@pytest.mark.parametrize("back", [7, 99])
def test_a_log_that_cannot_be_written_ends_no_run_and_is_written_later(tmp_path, back, monkeypatch):
    monkeypatch.setattr(callbacks, "EVERY", 2)
    folder = tmp_path / "drive"
    folder.mkdir()

    def mount(model):
        if model.n_updates_ == 3:
            folder.rename(tmp_path / "away")
        if model.n_updates_ == back:
            (tmp_path / "away").rename(folder)

    with pytest.warns(UserWarning, match="no line of update 3 in '.*log.csv': No such file") as caught:
        model = RTRBM(**SETTINGS).fit(X, validation=V, callbacks=[mount, Log(folder / "log.csv")])
    assert len(caught) == 1
    RTRBM(**SETTINGS).fit(X, validation=V, callbacks=[Log(tmp_path / "whole.csv")])
    path = folder / "log.csv" if back == 7 else tmp_path / "away" / "log.csv"
    assert (path.read_text() == (tmp_path / "whole.csv").read_text()) == (back == 7 < model.n_updates_)


def test_a_log_does_not_replace_another_file(tmp_path):
    path = tmp_path / "walk.csv"
    path.write_text("knee,hip\n1,2\n")
    with pytest.raises(ValueError, match="walk.csv' is another file"):
        RTRBM(**SETTINGS).fit(X, callbacks=[Log(path)])
    assert path.read_text() == "knee,hip\n1,2\n"
    with pytest.raises(ValueError, match="existing folder"):
        Log(tmp_path / "none" / "log.csv")


@pytest.mark.parametrize("what", ["a log", "a start", "a measurement"])
def test_a_run_that_cannot_start_leaves_the_checkpoint(what, tmp_path):
    """It would be replaced by a model of no updates, and on the second try the file before it, too."""
    path, other = tmp_path / "run.h5", tmp_path / "walk.csv"
    other.write_text("knee,hip\n")
    model = RTRBM(**SETTINGS).fit(X, checkpoint=path)
    files = {file: file.read_bytes() for file in tmp_path.iterdir()}

    class Fails(Callback):
        def start(self, model):
            raise Breaks

    more = {
        "a log": {"callbacks": [Log(other)]},
        "a start": {"callbacks": [Fails()]},
        "a measurement": {"validation": V[:, :1]},
    }[what]
    for _ in range(2):
        with pytest.raises((Breaks, ValueError)):
            RTRBM(**SETTINGS).fit(X, checkpoint=path, **more)
        assert {file: file.read_bytes() for file in tmp_path.iterdir()} == files
    with pytest.raises(ValueError, match="is another file"):
        model.fit(X, callbacks=[Log(other)])
    assert model.n_updates_ == SETTINGS["n_updates"]  # nothing is changed


def test_lines_come_at_their_interval(capsys):
    RTRBM(**SETTINGS).fit(X, validation=V, callbacks=[Print(0)])
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 12 and lines[-1].startswith("update 12 of 12, error ") and "validation" in lines[-1]
    RTRBM(**SETTINGS).fit(X, callbacks=[Print(60)])
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    "make", [lambda: EarlyStopping(0), lambda: EarlyStopping("3"), lambda: Print(-1), lambda: Log(3)]
)
def test_wrong_settings_of_callbacks_are_refused(make):
    with pytest.raises((TypeError, ValueError), match="patience|seconds|path"):
        make()


def test_a_callback_is_called_before_and_after():
    calls = []

    class Noting(Callback):
        def start(self, model):
            calls.append(("start", model.n_updates_))
            return True

        def end(self, model):
            calls.append(("end", model.n_updates_))

    RTRBM(**SETTINGS).fit(X, callbacks=[Noting()])
    assert calls == [("start", 0), ("end", 0)]


# ------------------------------------------------------------------------------------------------ signs of life


def test_no_bar_is_made_where_none_is_wanted(monkeypatch):
    monkeypatch.setattr(monitor, "Bar", None)
    RTRBM(**SETTINGS).fit(X)
    assert type(monitor.signs(5, 0, 0)) is monitor.Nothing


def test_lines_go_to_standard_error_where_there_is_no_terminal(monkeypatch, capfd):
    monkeypatch.setattr(monitor, "PATIENCE", 0)
    RTRBM(**SETTINGS, verbose=1).fit(X)
    out, err = capfd.readouterr()
    assert out == "" and len(err.splitlines()) == 12 and "frames/s" in err


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_a_terminal_has_a_bar(monkeypatch):
    monkeypatch.setattr(sys, "stderr", Terminal())
    RTRBM(**SETTINGS, verbose=1).fit(X, validation=V)
    assert "12/12" in sys.stderr.getvalue() and "validation=" in sys.stderr.getvalue()


def test_a_notebook_has_a_bar(monkeypatch, capsys):
    shell = SimpleNamespace(config={"IPKernelApp": {}})
    ipython = SimpleNamespace(get_ipython=lambda: shell)
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    assert isinstance(monitor.signs(3, 0, 1), monitor.Bar)


# ------------------------------------------------------------------------------------------------ longer runs


def test_a_run_is_extended_and_says_so(tmp_path):
    path = tmp_path / "run.h5"
    RTRBM(**SETTINGS).fit(X, checkpoint=path)
    longer = SETTINGS | dict(n_updates=20, learning_rate=0.01)
    message = (
        r"learning_rate=0.01 \(was 0.05\); n_updates=20 \(was 12\); the rate falls from 0.01 to 0 over updates 12 to 20"
    )
    with pytest.warns(UserWarning, match=message) as caught:
        model = RTRBM(**longer).fit(X, checkpoint=path, resume=True)
    assert len(caught) == 1 and "\n" not in str(caught[0].message) and caught[0].filename == __file__
    np.testing.assert_allclose(model.history_["learning_rate"][12:], 0.01 * (1 - np.arange(8) / 8))
    assert all(len(values) == 20 for values in model.history_.values())
    assert state(RTRBM(**longer).fit(X, checkpoint=path, resume=True)) == state(model)  # and now nothing changed


def test_an_extended_run_resumes_bit_for_bit(tmp_path):
    longer, path = SETTINGS | dict(n_updates=20), tmp_path / "run.h5"
    models = []
    for stops in ([], [15], [13, 18]):
        path.unlink(missing_ok=True)
        RTRBM(**SETTINGS).fit(X, checkpoint=path, validation=V)
        for at in stops:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore" if at == stops[0] else "error")
                broken(path, at, longer, resume=True, validation=V)
        with warnings.catch_warnings():
            warnings.simplefilter("error" if stops else "ignore")
            models.append(RTRBM(**longer).fit(X, checkpoint=path, resume=True, validation=V))
    assert everything(models[0]) == everything(models[1]) == everything(models[2])


@pytest.mark.parametrize(
    "changed",
    [dict(batch_size=3), dict(n_gibbs=2), dict(max_norm=0.1), dict(momentum=0.5), dict(centering=False)],
    ids=str,
)
def test_other_settings_of_training_may_change(tmp_path, changed):
    path = tmp_path / "run.h5"
    whole = RTRBM(**SETTINGS).fit(X)
    broken(path, 6)
    with pytest.warns(UserWarning, match=f"goes on with {next(iter(changed))}="):
        model = RTRBM(**SETTINGS | changed).fit(X, checkpoint=path, resume=True)
    assert model.history_["learning_rate"] == whole.history_["learning_rate"]
    assert model.history_["reconstruction_error"][:6] == whole.history_["reconstruction_error"][:6]
    assert state(model) != state(whole)


@pytest.mark.parametrize(
    "changed", [dict(n_updates=8), dict(n_updates=12, learning_rate=0.1), dict(batch_size=3)], ids=str
)
def test_a_change_without_updates_to_make_is_refused(tmp_path, changed):
    path, model = tmp_path / "run.h5", RTRBM(**SETTINGS | changed)
    RTRBM(**SETTINGS).fit(X, checkpoint=path)
    for function in (model.check_resume, lambda path: model.fit(X, checkpoint=path, resume=True)):
        with pytest.raises(ValueError, match="has made 12 updates, (8|12) are wanted in all"):
            function(path)
    assert not hasattr(model, "params_")


# ------------------------------------------------------------------------------------------------ epochs


def test_epochs_are_counted_in_updates(tmp_path):
    path = tmp_path / "run.h5"
    model = RTRBM(**SETTINGS | dict(n_epochs=5, batch_size=4)).fit(X, checkpoint=path)
    assert model.n_updates_ == 10 and model.history_["learning_rate"][-1] == pytest.approx(0.05 / 10)
    assert state(model) == state(RTRBM(**SETTINGS | dict(n_updates=10, batch_size=4)).fit(X))
    with pytest.warns(UserWarning, match=r"n_epochs=6 \(was 5\).*updates 10 to 12"):
        assert RTRBM(**SETTINGS | dict(n_epochs=6, batch_size=4)).fit(X, checkpoint=path, resume=True).n_updates_ == 12


def test_windows_are_watched(tmp_path):
    """Epochs of windows, validation recordings of any length, the best window model, other recordings refused."""
    recording, path = random_array(1, 90)[0], tmp_path / "run.h5"
    settings = SETTINGS | dict(n_epochs=3, batch_size=4)
    given = dict(window=10, warm_up=3, validation=recording[:30], callbacks=[EarlyStopping()], checkpoint=path)
    model = RTRBM(**settings).fit(recording, **given)
    assert model.n_updates_ == 9
    assert model.best_.error == min(model.history_["validation_error"])
    assert -model.score(recording[None, :30]) == pytest.approx(model.best_.error, rel=1e-7)
    with pytest.raises(ValueError, match="other values"):
        RTRBM(**settings).fit(1 - recording, resume=True, **given)


def test_a_stream_has_no_epochs():
    class Stream:
        def minibatch(self, update):
            return X

    for data in (Stream(), (x for x in X)):
        with pytest.raises(ValueError, match="n_epochs=2 .* set n_updates"):
            RTRBM(**SETTINGS, n_epochs=2).fit(data)


# ------------------------------------------------------------------------------------------------ fingerprints


def test_the_container_does_not_matter(tmp_path):
    path = tmp_path / "data.h5"
    with h5py.File(path, "w") as file:
        file["X"] = X
    broken(tmp_path / "run.h5", 5)
    content = (tmp_path / "run.h5").read_bytes()
    models = []
    for same in (X, list(X), X.astype("float32"), (path, "X")):
        (tmp_path / "run.h5").write_bytes(content)
        models.append(state(RTRBM(**SETTINGS).fit(same, checkpoint=tmp_path / "run.h5", resume=True)))
    assert models == [models[0]] * 4


@pytest.mark.parametrize(
    "other, message",
    [
        (X[:5], "5 sequences, not 6 sequences"),
        ([*X[:5], X[5, :3]], r"lengths \[5, 5, 5, 5, 5, 3\], not lengths"),
        (1 - X, "other values"),
        (X[::-1], "other values"),
    ],
    ids=["fewer", "shorter", "others", "reversed"],
)
def test_other_data_are_refused_on_resuming(tmp_path, other, message):
    broken(tmp_path / "run.h5", 5)
    model = RTRBM(**SETTINGS)
    with pytest.raises(ValueError, match=f"X must hold the data .*{message}.* partial_fit"):
        model.fit(other, checkpoint=tmp_path / "run.h5", resume=True)
    assert not hasattr(model, "params_")


@pytest.mark.parametrize("validated", [True, False])
def test_the_best_is_looked_for_anew_if_it_is_measured_otherwise(validated, tmp_path):
    rng = np.random.default_rng(0)
    data, settings = rng.integers(2, size=(6, 7, 4)).astype(float), dict(n_gibbs=1, random_state=0, learning_rate=0.1)
    file, held_out = dict(checkpoint=tmp_path / "run.h5"), dict(validation=data[:2])
    first, then = (held_out, {}) if validated else ({}, held_out)
    RTRBM(3, n_updates=20, **settings).fit(data, **first, **file, callbacks=[EarlyStopping()])
    model = RTRBM(3, n_updates=200, **settings)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        model.fit(data, **then, **file, resume=True, callbacks=[EarlyStopping(patience=1)])
    said = [str(one.message) for one in told if "for the best model anew" in str(one.message)]
    assert len(said) == 1 and said[0].endswith("found with validation=" if validated else "found without validation=")
    assert model.n_updates_ < 200  # patience ends
    own = model.history_["validation_error" if then else "reconstruction_error"]
    assert min(own) <= model.best_.error <= max(own)
    with pytest.warns(UserWarning, match="goes on") as told:
        RTRBM(3, n_updates=300, **settings).fit(data, **then, **file, resume=True, callbacks=[EarlyStopping(1)])
    assert not any("anew" in str(one.message) for one in told)  # control


def test_files_of_callbacks_are_their_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    data = np.zeros((2, 4, 3))
    for arguments in (
        dict(checkpoint="run.h5", callbacks=[Log("run.h5")]),
        dict(checkpoint="run.h5", callbacks=[Log("run.h5.before")]),
        dict(callbacks=[Log("log.csv"), Log(tmp_path / "log.csv")]),
    ):
        with pytest.raises(ValueError, match="callbacks must write to files of their own, got '.*(run|log)"):
            RTRBM(2, n_updates=2, n_gibbs=1).fit(data, **arguments)
        assert os.listdir() == []
    RTRBM(2, n_updates=2, n_gibbs=1).fit(data, checkpoint="run.h5", callbacks=[Log("log.csv")])  # control


@pytest.mark.parametrize(
    "before, now, match",
    [
        (dict(inputs=1), dict(inputs=-1), "got other inputs"),
        (dict(inputs=1), dict(), "inputs must be given, 2 of every frame: this model was fitted with"),
        (dict(), dict(inputs=1), "inputs must be left out: this model was fitted without"),
        (dict(window=5), dict(window=6), "got windows of 6 frames after 10, not windows of 5 frames after 10"),
        (dict(window=5, warm_up=3), dict(window=5), "got windows of 5 frames after 10, not windows of .* after 3"),
        (dict(), dict(window=5), "got windows of 5 frames after 10, not no windows"),
    ],
)
def test_a_run_goes_on_with_the_inputs_and_windows_it_began_with(before, now, match, tmp_path):
    rng = np.random.default_rng(0)
    data, x = rng.integers(2, size=(6, 12, 4)).astype(float), rng.random((6, 12, 2))

    def along(given):
        return given | ({"inputs": given["inputs"] * x} if "inputs" in given else {})

    settings, file = dict(n_gibbs=1, random_state=0), dict(checkpoint=tmp_path / "run.h5")
    RTRBM(3, n_updates=4, **settings).fit(list(data), **along(before), **file)
    whole = (tmp_path / "run.h5").read_bytes()
    with pytest.raises(ValueError, match=match):
        RTRBM(3, n_updates=8, **settings).fit(list(data), resume=True, **along(now), **file)
    assert (tmp_path / "run.h5").read_bytes() == whole
    with pytest.warns(UserWarning, match="goes on"):
        RTRBM(3, n_updates=8, **settings).fit(list(data), resume=True, **along(before), **file)


def test_an_earlier_fingerprint_says_nothing_of_windows_and_inputs():
    now = fingerprint(np.zeros((3, 20, 4)))
    assert difference(now.partition("; no windows")[0], now) is None
    assert difference(now.partition("; no windows")[0], fingerprint(np.ones((3, 20, 4)))) == "other values"


def test_a_fingerprint_looks_at_a_bounded_part():
    class Long:
        def __init__(self):
            self.read = []

        def __len__(self):
            return 10**9

        def __getitem__(self, i):
            self.read.append(i)
            return np.full((1000, 4), i % 7.0)

    data = Long()
    assert difference(fingerprint(data), fingerprint(Long())) is None and len(data.read) <= 8
    assert difference(None, fingerprint(X)) is None and fingerprint(iter(X)) is None


# ------------------------------------------------------------------------------------------------ stacks


def layers(**settings):
    return [TRBM(**SETTINGS | settings, n_taps=1), RTRBM(**SETTINGS | settings)]


def test_a_stack_is_watched_layer_by_layer(tmp_path):
    stack = Stack(layers()).fit(X, validation=V, callbacks=[Log(tmp_path / "log.csv"), EarlyStopping()])
    for i, (layer, data) in enumerate(zip(stack.layers, (V, stack.layers[0].transform(V))), 1):
        assert len(read(tmp_path / f"log-{i}.csv")) == 13
        assert -layer.score(data) == pytest.approx(min(layer.history_["validation_error"]), rel=1e-6)


def test_a_stack_is_extended(tmp_path):
    Stack(layers()).fit(X, checkpoint=tmp_path / "run.h5")
    with pytest.warns(UserWarning, match=r"n_updates=15 \(was 12\)") as caught:
        longer = Stack(layers(n_updates=15)).fit(X, checkpoint=tmp_path / "run.h5", resume=True)
    assert [layer.n_updates_ for layer in longer.layers] == [15, 15] and len(caught) == 2


def test_the_callbacks_come_with_the_package():
    assert rtrbm.callbacks.EarlyStopping is EarlyStopping
