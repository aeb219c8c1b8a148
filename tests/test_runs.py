"""Runs that nothing stops but what should: failed checkpoints, signals, locks, forks and explosions."""

import copy
import errno
import json
import os
import pickle
import re
import signal
import socket
import subprocess
import sys
import threading
import warnings
from pathlib import Path

import numpy as np
import pytest
from faults import clock, kills, one_core, power, signals, soak, two_runs
from helpers import needs_numba, random_array, state
from test_ranks import launch, needs_mpi

import rtrbm
from rtrbm import RBM, RTRBM, Stack
from rtrbm.callbacks import Log
from rtrbm.training import health, locks
from rtrbm.training.signals import Interruptible

ROOT = Path(rtrbm.__file__).parents[1]
SETTINGS = dict(n_hidden=3, n_gibbs=1, n_updates=12, batch_size=2, random_state=0, n_jobs=1, engine="numpy")
X = random_array(6, 5)
posix = pytest.mark.skipif(not hasattr(signal, "SIGUSR1"), reason="this system has no such signals")


def python(code, *arguments, **options):
    """A process that runs code."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        env=environment, cwd=ROOT, capture_output=True, text=True, timeout=300, **options,
    )  # fmt: skip


# -------------------------------------------------------------------------------- checkpoints that fail


class Failing(RTRBM):
    """A model whose checkpoints at some updates cannot be written."""

    fails = ()

    def _checkpoint(self, path):
        if self.n_updates_ in type(self).fails:
            raise OSError(errno.ENOSPC, f"cannot write {os.fspath(path)!r}: No space left on device", path)
        super()._checkpoint(path)


def failing(*updates):
    return type("Failing", (Failing,), {"fails": updates})(**SETTINGS)


def test_a_checkpoint_that_fails_is_a_warning_and_the_next_is_written(tmp_path):
    path = tmp_path / "run.h5"
    with pytest.warns(UserWarning) as caught:
        model = failing(2, 6, 8).fit(X, checkpoint=path, checkpoint_every=2)
    said = [str(warning.message) for warning in caught]
    assert len(said) == 3 and not any("\n" in line for line in said) and caught[0].filename == __file__
    assert said[0].startswith(f"no checkpoint of 2 updates: cannot write '{path}': No space left on device")
    assert "there is none yet" in said[0] and "the last one has 4, 0.0 minutes ago" in said[1] and "has 4" in said[2]
    assert rtrbm.load(path).n_updates_ == 12 and state(model) == state(RTRBM(**SETTINGS).fit(X))


def test_the_last_checkpoint_must_be_written(tmp_path):
    path, model = tmp_path / "run.h5", failing(12)
    with pytest.raises(OSError, match="No space left"):
        model.fit(X, checkpoint=path, checkpoint_every=4)
    assert state(model) == state(RTRBM(**SETTINGS).fit(X)) and rtrbm.load(path).n_updates_ == 8


def test_a_folder_that_is_gone_does_not_end_a_run(tmp_path):
    folder = tmp_path / "drive"
    folder.mkdir()

    def mount(model):
        if model.n_updates_ == 5:
            folder.rename(tmp_path / "away")
        if model.n_updates_ == 9:
            (tmp_path / "away").rename(folder)

    with pytest.warns(UserWarning, match="no checkpoint of 8 updates: .*existing folder.*the last one has 4") as caught:
        RTRBM(**SETTINGS).fit(X, checkpoint=folder / "run.h5", checkpoint_every=4, callbacks=[mount])
    assert len(caught) == 1 and rtrbm.load(folder / "run.h5").n_updates_ == 12


@pytest.mark.parametrize("are_errors", [False, True])
def test_the_error_of_the_user_is_raised_though_its_checkpoint_fails(tmp_path, are_errors):
    def breaks(model):
        if model.n_updates_ == 3:
            raise LookupError("mine")

    class Stream:
        def minibatch(self, update):
            if update == 3:
                raise KeyError("mine")
            return X

    for data, callbacks, error in ((X, [breaks], LookupError), (Stream(), [], ValueError)):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("error" if are_errors else "always")
            with pytest.raises(error, match="mine"):
                failing(3).fit(data, checkpoint=tmp_path / "run.h5", callbacks=callbacks)
        assert [str(w.message)[:15] for w in caught] == ([] if are_errors else ["no checkpoint o"])


def test_ctrl_c_is_raised_though_its_checkpoint_fails(tmp_path):
    def press(model):
        if model.n_updates_ == 3:
            os.kill(os.getpid(), signal.SIGINT)

    said = "no checkpoint of 3 .*; the model in memory can be kept by save"
    with pytest.warns(UserWarning, match=said), pytest.raises(KeyboardInterrupt):
        failing(3).fit(X, checkpoint=tmp_path / "run.h5", callbacks=[press])


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt])
def test_what_ends_a_program_loses_no_update(tmp_path, error):
    """A handler of the user's own that raises, in an update too, a callback, and a stream."""

    def raises(*_):
        raise error

    class Stream:
        def minibatch(self, update):
            return X if update < 3 else raises()

    def press(model):
        return os.kill(os.getpid(), signal.SIGUSR2) if model.n_updates_ == 3 else None

    def breaks(model):
        return raises() if model.n_updates_ == 3 else None

    before = signal.signal(signal.SIGUSR2, raises) if hasattr(signal, "SIGUSR2") else None
    cases = [(Stream(), []), (X, [breaks]), *([(X, [press])] if before is not None else [])]
    for i, (data, callbacks) in enumerate(cases):
        with pytest.raises(error):
            RTRBM(**SETTINGS).fit(data, checkpoint=tmp_path / f"{i}.h5", callbacks=callbacks)
        assert rtrbm.load(tmp_path / f"{i}.h5").n_updates_ == 3
    if before is not None:
        signal.signal(signal.SIGUSR2, before)


def test_a_process_that_changes_its_folder_writes_where_it_began(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "other").mkdir()

    def moves(model):
        os.chdir(tmp_path / "other")

    RTRBM(**SETTINGS).fit(X, checkpoint="run.h5", callbacks=[moves, Log("log.csv")])
    os.chdir(tmp_path)
    Stack([RTRBM(**SETTINGS), RTRBM(**SETTINGS)]).fit(X, checkpoint="stack.h5", callbacks=[moves])
    assert not os.listdir(tmp_path / "other") and rtrbm.load(tmp_path / "stack-2.h5").n_updates_ == 12
    assert rtrbm.load(tmp_path / "run.h5").n_updates_ == 12
    assert len((tmp_path / "log.csv").read_text().splitlines()) == 13


def test_a_file_of_the_user_in_the_place_of_the_one_before_is_not_lost(tmp_path):
    before = tmp_path / "run.h5.before"
    before.write_text("mine")
    with pytest.raises(ValueError, match="checkpoint must be another file, '.*run.h5.before' is there and no model"):
        RTRBM(**SETTINGS).fit(X, checkpoint=tmp_path / "run.h5")
    assert before.read_text() == "mine"


@needs_mpi
def test_a_checkpoint_that_fails_is_alike_on_all_ranks(tmp_path):
    code = """
import warnings
warnings.simplefilter("ignore")
model = RTRBM(**settings, n_updates=6, comm=comm)
broken, write = [True], model._checkpoint
def save(path):
    if broken:
        raise OSError(28, "cannot write it")
    write(path)
model._checkpoint = save
def mend(model):
    if model.n_updates_ == WHEN:
        broken.clear()
try:
    model.fit(stream, checkpoint="model.h5", checkpoint_every=2, callbacks=[mend])
except Exception as error:
    print(f"{comm.rank} {type(error).__name__}", flush=True)
print(f"{comm.rank} made {model.n_updates_}", flush=True)
"""
    status, output, errors = launch(2, code.replace("WHEN", "5"), tmp_path)
    assert status == 0 and sorted(output.split("\n")) == ["", "0 made 6", "1 made 6"], (output, errors)
    status, output, errors = launch(2, code.replace("WHEN", "99"), tmp_path)
    assert sorted(output.split("\n")) == ["", "0 OSError", "0 made 6", "1 RuntimeError", "1 made 6"], (output, errors)


# ------------------------------------------------------------------------------------------ signals

SIGNALLED = """
import json, os, signal, sys, threading, time, traceback, warnings
import numpy as np
import rtrbm
from rtrbm import RTRBM
from rtrbm.callbacks import Callback
warnings.simplefilter("ignore")
X = (np.random.default_rng(0).random((6, 5, 4)) < 0.5) * 1.0
def fit(path, number, what):
    class Ends(Callback):
        def __call__(self, model):
            if model.n_updates_ == 5 and what != "blocked":
                for _ in range(1 + (what == "twice")):
                    os.kill(os.getpid(), number)
                    print("after", flush=True) if what == "twice" else None
        def end(self, model):
            print("ended", flush=True)
    class Blocks:
        def minibatch(self, update):
            if update == 5 and getattr(model, "n_updates_", 0) >= 4:
                threading.Timer(0.2, os.kill, (os.getpid(), number)).start()
                time.sleep(1000)
            return X
    if what == "ignored":
        signal.signal(number, signal.SIG_IGN)
    if what == "handled":
        signal.signal(number, lambda *_: print("mine", flush=True))
    model = RTRBM(3, n_gibbs=1, n_updates=12, random_state=0, n_jobs=1, engine="numpy")
    if what == "saving":
        write = model._checkpoint
        def saving(path):
            for _ in range(3):
                os.kill(os.getpid(), number)
            write(path)
        model._checkpoint = saving
    checkpoint = None if what == "nothing to save" else path
    data = Blocks() if what == "blocked" else X
    try:
        model.fit(data, checkpoint=checkpoint, checkpoint_every=100, callbacks=[Ends()])
    finally:
        print("made", model.n_updates_, flush=True)
found = []
for i, (number, what) in enumerate(json.loads(sys.argv[2])):
    path = f"{sys.argv[1]}/{i}.h5"
    pipe, end = os.pipe()
    pid = os.fork()
    if not pid:
        os.dup2(end, 1)
        status = 0
        try:
            fit(path, number, what)
        except KeyboardInterrupt:
            status = 130
        except BaseException:
            traceback.print_exc()
            status = 1
        sys.stdout.flush()
        os._exit(status)
    os.close(end)
    said = open(pipe).read().split("\\n")[:-1]
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    made = rtrbm.load(path).n_updates_ if os.path.exists(path) else None
    found.append([status, said, made, os.path.exists(path + ".lock")])
print(json.dumps(found))
"""
INT = int(signal.SIGINT)
TERM, HUP, USR1, XCPU = (int(getattr(signal, f"SIG{name}", 0)) for name in ("TERM", "HUP", "USR1", "XCPU"))
whole, interrupted = (0, ["ended", "made 12"], 12), (130, ["ended", "made 5"], 5)
ENDS = {  # what a run does that gets a signal in its fifth update: its status, output, and the updates in its file
    **{(number, ""): (-number, ["ended"], 5) for number in (TERM, HUP, USR1, XCPU)},
    (INT, ""): interrupted,
    (INT, "blocked"): interrupted,
    (TERM, "blocked"): (-TERM, ["ended"], 5),
    (INT, "ignored"): whole,
    (TERM, "ignored"): whole,
    (INT, "handled"): (0, ["mine", "ended", "made 12"], 12),
    (USR1, "handled"): (0, ["mine", "ended", "made 12"], 12),
    (TERM, "nothing to save"): (-TERM, [], None),
    (INT, "nothing to save"): (130, ["ended", "made 5"], None),
    (TERM, "saving"): (-TERM, ["ended"], 5),
    (INT, "saving"): interrupted,
    (TERM, "twice"): (-TERM, ["after"], None),  # the second one ends it at once
    (INT, "twice"): (130, ["after", "ended", "made 5"], None),
    (HUP, "twice"): (-HUP, ["after", "after", "ended"], 5),  # these come twice by themselves
    (XCPU, "twice"): (-XCPU, ["after", "after", "ended"], 5),
}


@posix
def test_signals_save_and_end_the_process_as_ever(tmp_path):
    """Also one whose stream blocks; those that are ignored or handled by the user stay so."""
    done = python(SIGNALLED, tmp_path, json.dumps(list(ENDS)))
    assert done.stdout, done.stderr
    found = {case: tuple(outcome) for case, outcome in zip(ENDS, json.loads(done.stdout))}
    for case, (status, said, made) in ENDS.items():
        assert found[case] == (status, said, made, False), (case, done.stderr)
    assert len(found) == len(ENDS)


def test_handlers_are_those_from_before_again():
    handlers = {number: signal.getsignal(number) for number in signal.valid_signals()}
    with Interruptible(True):
        assert signal.getsignal(signal.SIGINT) != handlers[signal.SIGINT]
        assert signal.getsignal(signal.SIGTERM) != handlers[signal.SIGTERM]
    assert {number: signal.getsignal(number) for number in signal.valid_signals()} == handlers


@needs_mpi
@posix
def test_a_signal_to_one_rank_saves_and_ends_all(tmp_path):
    code = """
class Ends:
    def minibatch(self, update):
        if update == 5 and comm.rank == 1:
            os.kill(os.getpid(), signal.SIGTERM)
        return stream.minibatch(update)
RTRBM(**settings, n_updates=5000, comm=comm).fit(Ends(), checkpoint="model.h5", checkpoint_every=10_000)
print("went on")
"""
    status, output, _ = launch(2, code, tmp_path)
    assert status in (15, 143, -15, 241) and "went on" not in output
    assert 4 <= RTRBM.load(tmp_path / "model.h5").n_updates_ < 20 and not (tmp_path / "model.h5.lock").exists()


# -------------------------------------------------------------------------------------------- locks


def held(path):
    return locks.held(path, "checkpoint", warn)


def warn(line):
    raise AssertionError(line)


def test_a_checkpoint_is_held_while_a_run_lasts(tmp_path):
    path, other, seen = tmp_path / "run.h5", tmp_path / "other.h5", []
    other.symlink_to(path)

    def second(model):
        holder = json.loads((tmp_path / "run.h5.lock").read_text())
        assert (holder["host"], holder["pid"]) == (socket.gethostname(), os.getpid())
        for same in (path, other, tmp_path / ".." / tmp_path.name / "run.h5"):
            rival = RTRBM(**SETTINGS)
            with pytest.raises(RuntimeError, match="in use by another run, process") as caught:
                rival.fit(X, checkpoint=same)
            assert not hasattr(rival, "params_")
            seen.append(f"process {os.getpid()} on {socket.gethostname()}, since 2" in str(caught.value))

    RTRBM(**SETTINGS | dict(n_updates=1)).fit(X, checkpoint=path, callbacks=[second])
    assert seen == [True, True, True] and sorted(os.listdir(tmp_path)) == ["other.h5", "run.h5"]
    RTRBM(**SETTINGS).fit(X, checkpoint=path)  # and free again


def test_errors_release_the_lock(tmp_path):
    def breaks(model):
        raise LookupError

    with pytest.raises(LookupError):
        RTRBM(**SETTINGS).fit(X, checkpoint=tmp_path / "run.h5", callbacks=[breaks])
    with pytest.raises(ValueError):
        RTRBM(**SETTINGS).fit(3 * X, checkpoint=tmp_path / "run.h5")
    assert os.listdir(tmp_path) == ["run.h5"]


def test_another_process_is_refused_and_a_killed_one_is_taken_over(tmp_path):
    path = tmp_path / "run.h5"
    code = (
        "import sys, time; from rtrbm.training import locks\n"
        "with locks.held(sys.argv[1], 'checkpoint', print): print('held', flush=True); time.sleep(60)"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen([sys.executable, "-c", code, path], env=environment, stdout=subprocess.PIPE) as process:
        try:
            process.stdout.readline()
            with pytest.raises(RuntimeError, match=f"in use by another run, process {process.pid} on "), held(path):
                pass
        finally:
            process.kill()
    with pytest.warns(UserWarning, match=f"takes over .*run.h5.lock.* was killed: process {process.pid} on ") as caught:
        RTRBM(**SETTINGS).fit(X, checkpoint=path)
    assert len(caught) == 1 and caught[0].filename == __file__ and os.listdir(tmp_path) == ["run.h5"]


HOLDERS = {
    "a recycled process": ({"pid": os.getpid(), "start": "1 before"}, "taken"),
    "a dead process": ({"pid": 2**22 + 1, "start": "1 before"}, "taken"),
    "another host": ({"host": "elsewhere", "pid": 1}, "refused"),
}


@pytest.mark.parametrize("with_locks", [True, False])
@pytest.mark.parametrize("holder, outcome", HOLDERS.values(), ids=HOLDERS)
def test_stale_locks_are_taken_over_and_those_of_other_hosts_are_not(
    tmp_path, monkeypatch, holder, outcome, with_locks
):
    if not with_locks:
        monkeypatch.setattr(locks, "_lock", lambda file: None)  # as on some network file systems
    path, lines = tmp_path / "run.h5", []
    lock = tmp_path / "run.h5.lock"
    lock.write_text(json.dumps({"host": socket.gethostname(), "since": "then"} | holder))
    if outcome == "refused":
        with pytest.raises(RuntimeError, match="on elsewhere, since then; if that run is over, delete .*run.h5.lock"):
            with locks.held(path, "checkpoint", lines.append):
                pass
        lock.unlink()
    with locks.held(path, "checkpoint", lines.append):
        with pytest.raises(RuntimeError, match="in use by another run"), held(path):  # control
            pass
    assert len(lines) == (outcome == "taken") and not lock.exists()


def test_a_lock_that_cannot_be_opened_names_the_checkpoint(tmp_path):
    (tmp_path / "run.h5.lock").mkdir()
    with pytest.raises(OSError, match="checkpoint='.*run.h5' wants its lock in '.*run.h5.lock': "):
        RTRBM(**SETTINGS).fit(X, checkpoint=tmp_path / "run.h5")


def test_a_lock_that_is_another_file_is_left_alone(tmp_path):
    path, lock = tmp_path / "run.h5", tmp_path / "run.h5.lock"
    for text in ("mine", "[1]", '{"pid": "x"}', "[" * 900):
        lock.write_text(text)
        with pytest.raises(RuntimeError, match="which is another file"), held(path):
            pass
        assert lock.read_text() == text
    for text in ("", "\0" * 50):  # what a power failure leaves
        lock.write_text(text)
        with held(path):
            pass
    if hasattr(os, "mkfifo"):
        os.mkfifo(lock)
        with pytest.raises(RuntimeError, match="which is another file"), held(path):
            pass


def test_a_stack_holds_its_checkpoint(tmp_path):
    def second(model):
        with pytest.raises(RuntimeError, match="run.h5' is in use by another run"):
            Stack([RTRBM(**SETTINGS)]).fit(X, checkpoint=tmp_path / "run.h5")
        return True

    layers = [RTRBM(**SETTINGS), RTRBM(**SETTINGS)]
    Stack(layers).fit(X, checkpoint=tmp_path / "run.h5", callbacks=[second])
    assert sorted(os.listdir(tmp_path)) == ["run-1.h5", "run-2.h5"]


# ----------------------------------------------------------------------------------- one model, one fit


def test_a_model_that_is_being_trained_refuses_another_fit():
    model, begun, leave, caught = RTRBM(**SETTINGS), threading.Event(), threading.Event(), []

    def wait(model):
        begun.set()
        leave.wait(30)

    thread = threading.Thread(target=lambda: model.fit(X, callbacks=[wait]))
    thread.start()
    begun.wait(30)
    for train in (model.fit, model.partial_fit):
        with pytest.raises(RuntimeError, match="this RTRBM is being trained already.*copy.deepcopy"):
            train(X)
    for free in (copy.copy(model), copy.deepcopy(model), pickle.loads(pickle.dumps(model)), RTRBM(**SETTINGS)):
        free.partial_fit(X)
    leave.set()
    thread.join()
    assert state(model) == state(RTRBM(**SETTINGS).fit(X))

    def within(model):
        with pytest.raises(RuntimeError, match="by the fit that called this function") as error:
            model.partial_fit(X)
        caught.append(error)

    model.fit(X, callbacks=[within])
    assert len(caught) == 12


def test_a_fit_that_fails_frees_the_model():
    model = RTRBM(**SETTINGS)
    for train in (model.fit, model.partial_fit):
        with pytest.raises(ValueError):
            train(3 * X)
    assert model.fit(X).partial_fit(X).n_updates_ == 13 and not locks._in_use._made


# --------------------------------------------------------------------------------------------- forks

FORKS = """
import os, sys, threading, time, warnings
import numpy as np
from rtrbm import RTRBM
warnings.simplefilter("ignore")
engine, n, folder = sys.argv[1], int(sys.argv[2]), sys.argv[3]
X = (np.random.default_rng(0).random((3, 6, 5)) < 0.5).astype(np.float32)
make = lambda: RTRBM(4, n_gibbs=1, n_jobs=2, engine=engine, n_updates=5, random_state=0)
expected = make().fit(X).params_.W
stop = threading.Event()
def train():
    while not stop.is_set():
        model = RTRBM(20, n_gibbs=1, n_jobs=2, engine=engine, random_state=0, n_updates=20)
        model.fit(X, checkpoint=f"{folder}/parent.h5", checkpoint_every=2)
trainer = threading.Thread(target=train)
trainer.start()
done = 0
for i in range(n):
    time.sleep(0.002 * (i % 5))
    pid = os.fork()
    if not pid:
        W = make().fit(X, checkpoint=f"{folder}/child.h5").params_.W
        os._exit(int((W != expected).any()))
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        gone, status = os.waitpid(pid, os.WNOHANG)
        if gone:
            done += status == 0
            break
        time.sleep(0.002)
    else:
        os.kill(pid, 9)
stop.set()
trainer.join()
print(done, sorted(name for name in os.listdir(folder) if name.endswith("lock")))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.parametrize("engine, n", [("numpy", 15), pytest.param("numba", 10, marks=needs_numba)])
def test_children_of_a_process_that_trains_train(tmp_path, engine, n):
    done = python(FORKS, engine, n, tmp_path)
    assert done.stdout.split("\n")[0] == f"{n} []", done.stderr


TQDM = """
import sys, multiprocessing, threading
created = []
real = multiprocessing.RLock
import multiprocessing.context
def counted(self, *a, **k):
    created.append(1)
    raise AssertionError("a lock of several processes")
multiprocessing.context.BaseContext.RLock = counted
import numpy as np
from rtrbm import RTRBM
X = np.zeros((3, 4, 5))
class Terminal:
    def isatty(self): return SEEN
    def write(self, text): return len(text)
    def flush(self): pass
sys.stderr = Terminal()
model = RTRBM(4, n_gibbs=1, n_updates=3, random_state=0, verbose=SEEN).fit(X)
model.score(X)
sys.stderr = sys.__stderr__
assert not created and ("tqdm" in sys.modules) == SEEN
if SEEN:
    from tqdm import tqdm
    from rtrbm.progress import _kind
    assert _kind().get_lock() is not vars(tqdm).get("_lock")
print("fine")
"""


@pytest.mark.parametrize("seen", [False, True])
def test_no_lock_of_several_processes_is_made_for_a_bar(seen):
    done = python(TQDM.replace("SEEN", str(seen)))
    assert done.stdout == "fine\n", done.stderr


# --------------------------------------------------------------------------------------- explosions


def exploding(path, **settings):
    """A model, the error that ended its training, and what its checkpoint holds."""
    model = RTRBM(**SETTINGS | dict(n_updates=100) | settings)
    with warnings.catch_warnings(), pytest.raises(FloatingPointError) as caught:
        warnings.simplefilter("ignore")
        model.fit(random_array(6, 5, visible="gaussian"), checkpoint=path, checkpoint_every=1)
    return model, str(caught.value), rtrbm.load(path) if path.exists() else None


def test_an_exploding_run_stops_and_keeps_the_last_good_state(tmp_path):
    diverging = dict(visible="gaussian", optimizer="momentum", learning_rate=20.0)
    model, said, kept = exploding(tmp_path / "run.h5", **diverging)
    n = model.n_updates_
    assert np.abs(model.params_.W).max() < 1e30 and f"update {n} explodes" in said
    assert "the norm of the gradient is" in said and "the norm of the parameters is" in said
    assert "learning_rate" in said and "max_norm=" in said and "\n" not in said
    assert 1 <= kept.n_updates_ < n and np.abs(kept.params_.W).max() < 1e3 < np.abs(np.concatenate([
        part.ravel() for part in model.params_ if part is not None
    ])).max()  # fmt: skip
    cut = RTRBM(**SETTINGS | diverging, max_norm=0.01).fit(random_array(6, 5, visible="gaussian"))  # as it says
    assert np.abs(cut.params_.W).max() < 100


def test_a_rate_beyond_all_measure_leaves_no_checkpoint(tmp_path):
    model, said, kept = exploding(tmp_path / "run.h5", visible="gaussian", learning_rate=1e15)
    assert model.n_updates_ == 1 and "update 1 explodes" in said and kept is None


class Numbers:
    """A state of training of which only the history counts."""

    def __init__(self, values, scale=1.0):
        self.history = {name: list(values) for name in health.WATCHED} | {"learning_rate": [0.1] * len(values)}
        self.params = RTRBM(**SETTINGS).partial_fit(X).params_
        self.params, self.begin = self.params._replace(W=self.params.W * scale), 0

    def after(self, n):
        self.n_updates = n
        return self


def outcome(values, **more):
    """The update at which a run of these numbers is stopped, and those whose checkpoint is written."""
    numbers = Numbers(values, **more)
    watch, written = health.Health(numbers.after(0)), []
    for n in range(1, len(values) + 1):
        try:
            watch.check(numbers.after(n), is_due=False)
        except FloatingPointError:
            return n, written
        try:
            watch.check_good(numbers, is_last=False)
            written.append(n)
        except FloatingPointError:
            pass
    return None, written


class Bursting:
    """A stream whose minibatch of one update is large."""

    def __init__(self, at, by=60.0):
        self.at, self.by = at, by

    def minibatch(self, update):
        return np.random.default_rng(update).standard_normal((2, 10, 5)) * (self.by if update == self.at else 1)


def test_an_odd_minibatch_at_the_end_is_written(tmp_path):
    """A checkpoint changes nothing of a run; the last state is held back if its parameters are too large."""
    settings = SETTINGS | dict(visible="gaussian", n_updates=30, learning_rate=1e-4)
    path, alone = tmp_path / "run.h5", RTRBM(**settings).fit(Bursting(29))
    burst = alone.history_["gradient_norm"][-1] / max(1, *alone.history_["gradient_norm"][:-1])
    assert burst > health.SUSPECT or alone.history_["reconstruction_error"][-1] > 1000
    model = RTRBM(**settings).fit(Bursting(29), checkpoint=path, checkpoint_every=10)
    assert state(model) == state(alone) and rtrbm.load(path).n_updates_ == 30
    large = settings | dict(optimizer="momentum", learning_rate=1.0, max_norm=None)
    model = RTRBM(**large)
    with pytest.raises(FloatingPointError, match="update 30 explodes"):
        model.fit(Bursting(29, 3e3), checkpoint=path, checkpoint_every=10)
    assert model.n_updates_ == 30 and rtrbm.load(path).n_updates_ == 20


@pytest.mark.parametrize(
    "change", [lambda m: m.set_params(learning_rate=1e-5), lambda m: setattr(m, "params_", m.params_._replace())]
)
def test_a_callback_changes_no_setting_of_a_run(change, tmp_path):
    """A checkpoint would keep what the run does not know."""
    path = tmp_path / "run.h5"

    def callback(model):
        if model.n_updates_ == 2:
            change(model)

    model = RTRBM(**SETTINGS | {"n_updates": 4})
    with pytest.raises(ValueError, match="a callback has set (learning_rate|params_), .*partial_fit"):
        model.fit(X, callbacks=[callback], checkpoint=path)
    resumed = RTRBM(**SETTINGS | {"n_updates": 4}).fit(X, checkpoint=path, resume=True)
    assert state(resumed) == state(RTRBM(**SETTINGS | {"n_updates": 4}).fit(X))


def test_missing_values_do_not_hide_an_explosion():
    """What is drawn for them explodes too, so it is no measure."""
    data = np.random.default_rng(0).standard_normal((8, 30, 6))
    mask = np.random.default_rng(1).random(data.shape) < 0.5
    stopped = []
    for given in ({}, {"mask": mask}):
        model = RTRBM(6, visible="gaussian", optimizer="momentum", learning_rate=3.0, n_updates=200, random_state=0)
        with pytest.raises(FloatingPointError, match="explodes"):
            model.fit(data, **given)
        stopped.append(np.abs(model.params_.W).max())
    assert max(stopped) < 1e5


class Waking:
    """A stream of counts that is quiet for some updates, and loud from then on."""

    def minibatch(self, update):
        return np.random.default_rng(update).poisson(0.01 if update < 30 else 30, (1, 10, 100))


def test_louder_data_are_no_explosion(tmp_path):
    settings = SETTINGS | dict(visible="poisson", n_updates=60, learning_rate=1e-3)
    model = RTRBM(**settings).fit(Waking(), checkpoint=tmp_path / "run.h5", checkpoint_every=35)
    error = model.history_["reconstruction_error"]
    assert model.n_updates_ == 60 and min(error[30:]) > health.FACTOR * max(1, *error[:20])  # control
    resumed = RTRBM(**settings | {"n_updates": 70})
    with pytest.warns(UserWarning, match="goes on with"):
        resumed.fit(Waking(), checkpoint=tmp_path / "run.h5", resume=True)
    assert resumed.n_updates_ == 70


@pytest.mark.parametrize("visible", ["gaussian", "scaled_gaussian"])
def test_errors_of_very_large_and_very_small_numbers(visible):
    """Single precision has no squares of 1e20 or 1e-30."""
    X, found = np.random.default_rng(0).standard_normal((4, 20, 3)).cumsum(axis=1), []
    for unit in (1.0, 1e20, 1e-30):
        model = RTRBM(**SETTINGS | dict(visible=visible, standardize=True, n_updates=20)).fit(unit * X)
        found.append(np.array(model.history_["reconstruction_error"]) / unit**2)
    assert np.allclose(found[0], found[1], rtol=0.2) and np.allclose(found[0], found[2], rtol=0.2)


def test_the_rate_to_go_below_is_that_of_the_schedule():
    numbers = Numbers([1.0] * 10).after(10)
    numbers.history["learning_rate"] = list(np.linspace(0.1, 0.01, 10))
    assert health.remedy(numbers) == "take a smaller learning_rate than 0.1"


def test_bursts_pass_and_explosions_stop():
    calm = [1.0] * 30
    assert outcome(calm + [50.0] * 200)[0] is None and outcome(calm + [50.0] * 9)[1] == list(range(1, 40))
    assert outcome(calm + [1e9] * 4 + calm)[0] is None  # an odd minibatch
    assert outcome(calm + [1e9] * 4 + calm)[1] == [*range(1, 31), *range(35, 65)]  # of which nothing is written
    assert outcome(calm + [1e9] * 6)[0] == 35
    growing = [1.5**i for i in range(60)]
    stopped, written = outcome(calm + growing)
    assert stopped == 58 and max(written) < 30 + 13
    high = outcome(calm + [1e3] * 150)  # a run that stays there is one that learns otherwise
    assert high[0] is None and max(high[1]) == 180 and set(high[1]) & set(range(31, 130)) == set()


def test_a_silent_beginning_is_no_measure():
    assert outcome([1e-9] * 30 + [20.0] * 50)[0] is None
    assert outcome([1e6] * 60)[0] is None


def test_the_parameters_are_looked_at_now_and_then(monkeypatch):
    """Their norm takes a fraction of an update; the other numbers are there already."""
    numbers, calls, norm = Numbers([1.0] * 1000), [], health.optimizers.norm
    watch = health.Health(numbers.after(0))
    monkeypatch.setattr(health.optimizers, "norm", lambda params: calls.append(1) or norm(params))
    for n in range(1, 1001):
        watch.check(numbers.after(n), is_due=False)
    assert len(calls) == 20 + 980 // 20


# ------------------------------------------------------------------------------------ what it looks like


def test_the_history_tells_of_units_and_chains(tmp_path):
    rows = random_array(1, 200)[0]
    settings = dict(n_hidden=9, n_updates=150, batch_size=50, n_gibbs=1, random_state=0)
    model = RBM(**settings).fit(rows, validation=rows[:50], validation_every=25, checkpoint=tmp_path / "run.h5")
    history = model.history_
    assert history["health_update"] == [100, 125, 150]
    assert all(len(history[name]) == 3 and np.isfinite(history[name]).all() for name in rtrbm.training.state.HEALTH)
    assert history["overfitting"][-1] == history["validation_error"][-1] / min(history["validation_error"]) - 1
    assert rtrbm.load(tmp_path / "run.h5").history_ == history
    alone = RBM(**settings).fit(rows)
    assert alone.history_["health_update"] == [150] and alone.history_["dead_units"] == history["dead_units"][-1:]
    dead = copy.deepcopy(alone)
    dead.params_.b_h[:3], dead.params_.b_h[3:5] = -50, 50
    dead.save(tmp_path / "dead.h5")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that the run is extended
        longer = RBM(**settings | dict(n_updates=151)).fit(rows, checkpoint=tmp_path / "dead.h5", resume=True)
    assert [longer.history_[name][-1] for name in ("dead_units", "saturated_units")] == pytest.approx([3 / 9, 2 / 9])


def test_a_gap_between_training_and_validation_is_said_once():
    settings = dict(n_hidden=20, n_updates=200, learning_rate=0.1, n_gibbs=1, batch_size=6, random_state=0)
    known, others = random_array(6, 8), random_array(6, 8, seed=9)
    with pytest.warns(UserWarning) as caught:
        RTRBM(**settings).fit(known, validation=others)
    said = [str(warning.message) for warning in caught if "validation_error rose" in str(warning.message)]
    assert len(said) == 1 and "EarlyStopping" in said[0] and "\n" not in said[0]
    RTRBM(**settings).fit(known, validation=known)  # controls: what is known is predicted, and the best model is kept
    RTRBM(**settings).fit(known, validation=others, callbacks=[rtrbm.callbacks.EarlyStopping()])


# ------------------------------------------------------------------------------------- scripts of faults

SCRIPTS = {
    kills: (3, r"kills: \d+ in \d+ runs, \d+ inside a write, 0 lost, 0 other results, 0 left"),
    signals: (5, r"signals: 5, .* 0 updates lost, 0 wrong ends, 0 other states, 0 left"),
    two_runs: (4, r"two runs: 4 pairs, .* 0 unnamed, 0 wrong ends, 0 other results, 0 left"),
    clock: (2, r"clock: 2 runs, 0 other results, 0 earlier models lost, 0 left"),
    one_core: (2, r"one core: 2 runs, 0 slow, 0 other results"),
    power: (40, r"power: 40 failures in \d+ calls, 0 lost"),
}


@posix
@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")
@pytest.mark.parametrize("script, n, said", [(script, *rest) for script, rest in SCRIPTS.items()])
def test_scripts_of_faults_find_none(script, n, said, capsys):
    assert script.main(["--n", str(n)]) == 0
    assert re.fullmatch(said, capsys.readouterr().out.strip())


def test_without_writing_through_a_power_failure_loses_checkpoints():
    """A control of that script."""
    assert power.main(["--n", "40", "--no-sync"]) == 1


def test_the_soak_writes_its_table_and_curve(tmp_path, capsys):
    pytest.importorskip("matplotlib")
    tiny = ["--hours", "0.0002", "--row", "0.1", "--resolution", "6", "--n-hidden", "4", "--every", "5"]
    soak.main([*tiny, "--engine", "numpy", "--out", str(tmp_path)])
    assert {"soak.csv", "soak.png", "soak.h5", "settings.json"} <= set(os.listdir(tmp_path))
    assert capsys.readouterr().out.startswith("soak: ")
    assert rtrbm.load(tmp_path / "soak.h5").n_updates_ > 0


# --------------------------------------------------------------------- a run that fails before its first update


class Late:
    """Sequences of which the last turns out to be wrong when it is read."""

    def __len__(self):
        return 3

    def __getitem__(self, i):
        return X[i] + 5 * (i == 2)


@pytest.mark.parametrize(
    "settings, message",
    [
        (dict(validation=X[:, :1]), "validation must have a sequence of at least 2 frames"),
        (dict(validation=Late()), "validation.* must lie in"),
        (dict(mask=np.arange(X.shape[2]) == np.zeros(X.shape)), "mask is True everywhere in feature 0"),
    ],
)
def test_a_model_is_what_it_was(settings, message):
    model, new = RTRBM(**SETTINGS).fit(X), RTRBM(**SETTINGS)
    before = state(model)
    for one in model, new:
        with warnings.catch_warnings(), pytest.raises((ValueError, UserWarning), match=message):
            warnings.simplefilter("error")
            one.fit(X[::-1], **settings)
    assert state(model) == before and not hasattr(new, "params_")
    assert state(model.fit(X)) == before  # and can be trained


def test_ctrl_c_before_the_first_update_leaves_a_model_as_it_was():
    class Pressed:
        def __len__(self):
            return 2

        def __getitem__(self, i):
            raise KeyboardInterrupt

    model = RTRBM(**SETTINGS).fit(X)
    before = state(model)
    with pytest.raises(KeyboardInterrupt):
        model.fit(X[::-1], validation=Pressed())
    assert state(model) == before


def test_a_complete_run_is_there_though_its_checkpoint_fails(tmp_path):
    path = tmp_path / "run.h5"
    done, again = failing().fit(X, checkpoint=path), failing(12)
    with pytest.raises(OSError, match="No space left"):
        again.fit(X, checkpoint=path, resume=True)
    assert state(again) == state(done)


def test_a_copy_has_a_history_of_its_own():
    model = RTRBM(**SETTINGS).fit(X)
    other = copy.copy(model)
    other.partial_fit(X[:1])
    kept = [list(values) for values in other.history_.values()]
    model.partial_fit(X[1:])
    assert [list(values) for values in other.history_.values()] == kept
    assert model.history_["gradient_norm"][-1] != other.history_["gradient_norm"][-1]
