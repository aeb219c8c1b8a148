"""Arrays that others hold, steps that fail, forks of a process that trains, and what a container allows."""

import contextlib
import copy
import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from events import eventful, interrupt
from helpers import needs_numba, state

from rtrbm import RBM, RTRBM, SRTRBM, TRBM
from rtrbm import machine
from rtrbm.checks import check_memory
from rtrbm.compute import threads
from rtrbm.compute.engine import Engine
from rtrbm.parameters import arrays, each
from rtrbm.rbm import Persistent
from rtrbm.training import loop

X = (np.random.default_rng(0).random((3, 6, 5)) < 0.5).astype(np.float32)
SETTINGS = {"n_gibbs": 2, "random_state": 0}
MODELS = {
    "RTRBM": lambda **more: RTRBM(4, **SETTINGS, **more),
    "SRTRBM": lambda **more: SRTRBM(4, sparsity=0.1, **SETTINGS, **more),
    "TRBM, momentum": lambda **more: TRBM(4, n_taps=2, vv_rate=0.1, optimizer="momentum", **SETTINGS, **more),
    "RTRBM, spectral": lambda **more: RTRBM(4, optimizer="spectral", **SETTINGS, **more),
    "RBM, chains": lambda **more: RBM(4, negative="pcd", **SETTINGS, **more),
}
every_model = pytest.mark.parametrize("make", MODELS.values(), ids=MODELS)


def data_for(model):
    return X[0] if isinstance(model, RBM) else X


def trained(make, n=2, **settings):
    """A model after some updates."""
    model = make(**settings)
    for _ in range(n):
        model.partial_fit(data_for(model))
    return model


def state_of(model):
    """All that updates change."""
    return {name: getattr(model, name) for name in ("params_", "optimizer_state_", "chains_", "n_updates_", "history_")}


def bits(value):
    """A state as bytes and numbers, which compare."""
    if isinstance(value, np.ndarray):
        return value.tobytes()
    if isinstance(value, tuple):
        return [bits(part) for part in value]
    return {name: bits(part) for name, part in value.items()} if isinstance(value, dict) else value


def replaced(value, function):
    """A state with `function` of its arrays in their place."""
    if isinstance(value, np.ndarray):
        return function(value)
    if isinstance(value, tuple):
        return each(lambda part: replaced(part, function), value)
    return value


# ------------------------------------------------------------------------------ where the arrays lie


class TestArraysThatCannotBeWritten:
    @pytest.fixture(params=["read-only", "memory map"])
    def elsewhere(self, request, tmp_path):
        """A function that lays an array where it cannot be written."""

        def lay(array):
            path = tmp_path / f"{len(os.listdir(tmp_path))}.npy"
            np.save(path, array)
            return np.load(path, mmap_mode="r")

        def lock(array):
            array = array.copy()
            array.flags.writeable = False
            return array

        return lay if request.param == "memory map" else lock

    @every_model
    def test_training_goes_on_from_them(self, make, elsewhere):
        self.check(make, elsewhere)

    @needs_numba
    def test_compiled_loops_go_on_from_them(self, elsewhere):
        self.check(MODELS["RTRBM"], elsewhere, engine="numba")

    def check(self, make, elsewhere, **settings):
        model, expected = trained(make, **settings), trained(make, **settings)
        for name in ("params_", "optimizer_state_", "chains_"):
            setattr(model, name, replaced(getattr(model, name), elsewhere))
        before = bits(model.params_)
        given, data = model.params_, data_for(model)
        for _ in range(2):
            model.partial_fit(data), expected.partial_fit(data)
        assert state(model) == state(expected) and bits(given) == before
        for array in arrays(model.params_):
            assert type(array) is np.ndarray and array.flags.writeable

    def test_workers_of_joblib_train_models_whose_arrays_they_map(self):
        joblib = pytest.importorskip("joblib")
        model = trained(MODELS["RTRBM"], n_jobs=1)
        expected = bits(copy.deepcopy(model).partial_fit(X).params_)
        with joblib.Parallel(n_jobs=2, max_nbytes=1, mmap_mode="r") as parallel:
            found = parallel(joblib.delayed(went_on)(model, model.params_) for _ in range(2))
        assert found == [(False, expected)] * 2


def went_on(model, params):
    """Whether arrays can be written, and the bits of a model after an update from them."""
    model.params_ = params
    return params.W.flags.writeable, bits(model.partial_fit(X).params_)


@every_model
def test_what_a_model_hands_out_is_not_changed_later(make):
    model = trained(make)
    handed_out, data = state_of(model), data_for(model)
    before = bits(copy.deepcopy(handed_out))
    model.partial_fit(data)
    assert bits(handed_out) == before != bits(state_of(model))
    seen = []
    model.set_params(n_updates=3).fit(data, callbacks=[lambda model: seen.append((model.params_, bits(model.params_)))])
    assert bits(handed_out) == before and len({bits(p)[0] for p, _ in seen}) == 3
    assert all(bits(params) == then for params, then in seen)


def test_an_earlier_state_can_be_taken_up_again():
    """As a callback does that keeps the best of all updates."""
    model = trained(MODELS["RTRBM"])
    best, expected = model._state(), state(copy.deepcopy(model).partial_fit(X))
    model.partial_fit(X[:1]).partial_fit(X[:2])
    model._set_state(best)
    assert len(model.history_["learning_rate"]) == 2
    assert state(model.partial_fit(X)) == expected


# ------------------------------------------------------------------------------ steps that fail


class Fails(Exception):
    pass


def fail(*arguments):
    raise Fails


class FailingPhase(Persistent):
    """A user's negative phase, which writes into the chains it is given and then fails."""

    name = "failing"
    fails = False

    def averages(self, chains, *others):
        if chains is not None:
            chains[...] = 0
        if FailingPhase.fails:
            raise Fails
        return super().averages(chains, *others)


def after(n, error):
    """An optimiser's step through blocks, which raises an error at block n."""
    block, calls = Engine.adam_block, iter(range(n))

    def called(*arguments):
        if next(calls, None) is None:
            raise error
        return block(*arguments)

    return staticmethod(called)


BREAKS = {
    "the gradient": lambda patch: patch.setattr(loop, "gradient", fail),
    "a block of the optimiser": lambda patch: patch.setattr(Engine, "adam_block", after(1, Fails)),
    "Ctrl-C in the optimiser": lambda patch: patch.setattr(Engine, "adam_block", after(2, KeyboardInterrupt)),
    "the last biases": lambda patch: patch.setattr(loop, "centre_biases", fail),
    "the check": lambda patch: patch.setattr(loop, "is_finite", fail),
}


@pytest.mark.parametrize("broken", BREAKS.values(), ids=BREAKS)
@pytest.mark.parametrize("make", [MODELS["RTRBM"], MODELS["SRTRBM"], MODELS["RBM, chains"]])
def test_a_step_that_fails_changes_nothing(make, broken, monkeypatch):
    model, expected = trained(make, n_jobs=1), trained(make, n=3, n_jobs=1)
    before, data = state(model), data_for(model)
    with monkeypatch.context() as patch:
        broken(patch)
        with pytest.raises((Fails, KeyboardInterrupt)):
            model.partial_fit(data)
    assert state(model) == before
    assert state(model.partial_fit(data)) == state(expected)


@pytest.mark.parametrize("rate", [3e38, 1e300])  # the second makes even 1e-15 infinite
@every_model
def test_a_step_to_infinity_changes_nothing(make, rate):
    model, expected = trained(make), trained(make, n=3)
    data = data_for(model)
    with pytest.raises(FloatingPointError, match="is too large"):
        for _ in range(9):
            before = state(model)
            model.set_params(learning_rate=rate).partial_fit(data)
    assert state(model) == before
    if rate == 1e300:
        model.set_params(learning_rate=expected.learning_rate).partial_fit(data)
        assert state(model) == state(expected)


def test_a_phase_that_fails_with_its_chains_half_made_changes_nothing(monkeypatch):
    model = RBM(4, negative=FailingPhase(), random_state=0).partial_fit(X[0])
    before = state(model)
    monkeypatch.setattr(FailingPhase, "fails", True)
    with pytest.raises(Fails):
        model.partial_fit(X[0])
    assert state(model) == before


@every_model
def test_a_first_update_that_fails_leaves_a_model_that_is_not_fitted(make, monkeypatch):
    model, new = make(), make()
    monkeypatch.setattr(loop, "gradient", fail)
    with pytest.raises(Fails):
        model.partial_fit(data_for(model))
    assert vars(model) == vars(new)
    monkeypatch.undo()
    assert state(model.partial_fit(data_for(model))) == state(trained(make, n=1))


def test_a_second_ctrl_c_leaves_the_updates_before():
    def twice():
        interrupt()
        interrupt()

    model = eventful(twice, at=2, n_hidden=4, n_updates=5, **SETTINGS)
    with pytest.raises(KeyboardInterrupt):
        model.fit(X)
    uninterrupted = []
    RTRBM(4, n_updates=5, **SETTINGS).fit(X, callbacks=[lambda model: uninterrupted.append(state(model))])
    assert state(model) == uninterrupted[1]


# ------------------------------------------------------------------------------ forks

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")

CHILDREN = """
import os, threading, time, warnings
import numpy as np
from threadpoolctl import threadpool_info
from rtrbm import RTRBM
from rtrbm.compute import threads

warnings.simplefilter("ignore", DeprecationWarning)  # of forks beside threads, the matter of this test
limits = lambda: [library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"]
X = (np.random.default_rng(0).random((3, 6, 5)) < 0.5).astype(np.float32)
expected, free = RTRBM(4, random_state=0).partial_fit(X).params_.W, limits()

def child(in_child):
    pid = os.fork()
    if not pid:
        try:
            assert limits() == in_child, (limits(), in_child)
            W = RTRBM(4, n_jobs=2, random_state=0).partial_fit(X).params_.W
            assert (W == expected).all() and limits() == in_child
        except BaseException as error:
            print(repr(error), flush=True)
            os._exit(1)
        os._exit(0)
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if os.waitpid(pid, os.WNOHANG)[0]:
            print("done", flush=True)
            return
        time.sleep(0.002)
    os.kill(pid, 9)
    print("hung", flush=True)

def hold(inside, leave):
    with threads.one_blas_thread(), threads._lock:
        inside.set()
        leave.wait()

inside, leave = threading.Event(), threading.Event()
holder = threading.Thread(target=hold, args=(inside, leave))
holder.start()
inside.wait()
child(free)  # another thread holds the lock, and has set the limit
leave.set()
holder.join()
with threads.one_blas_thread():
    child([1] * len(free))  # the forking thread is still inside in the child
stop = threading.Event()
def train():
    model = RTRBM(20, n_jobs=2, random_state=0)
    while not stop.is_set():
        model.partial_fit(X)
trainer = threading.Thread(target=train)
trainer.start()
for _ in range(10):
    time.sleep(0.003)
    child(free)
stop.set()
trainer.join()
assert limits() == free
"""


@needs_fork
def test_children_of_a_process_that_trains_work():
    environment = {**os.environ, "PYTHONPATH": str(Path(threads.__file__).parents[2]), "OMP_NUM_THREADS": "2"}
    run = subprocess.run([sys.executable, "-c", CHILDREN], env=environment, capture_output=True, text=True, timeout=120)
    assert (run.stdout.split(), run.returncode) == (["done"] * 12, 0), run.stdout + run.stderr


def test_threads_leave_the_limit_of_the_matrix_library_in_any_order():
    def limits():
        return [get_threads() for get_threads, _ in threads._blas()]

    before, first_is_in, second_is_in = limits(), threading.Event(), threading.Event()

    def first():
        with threads.one_blas_thread():
            first_is_in.set()
            second_is_in.wait()

    thread = threading.Thread(target=first)
    thread.start()
    first_is_in.wait()
    with threads.one_blas_thread():
        second_is_in.set()
        thread.join()
        assert limits() == [1] * len(before)
    assert limits() == before


def test_ctrl_c_at_any_place_leaves_no_limit_behind():
    """Ctrl-C wherever the interpreter looks for it, at the entry of functions and after calls, one after the other."""

    def limits():
        return [get_threads() for get_threads, _ in threads._blas()]

    def broken_off(n):
        """Whether the n-th place was reached."""
        left = [n]

        def look(frame, event, argument):
            if frame.f_code.co_filename in (threads.__file__, contextlib.__file__) and event in ("call", "c_return"):
                left[0] -= 1
                if left[0] == 0:
                    raise KeyboardInterrupt

        before = sys.getprofile()
        sys.setprofile(look)
        try:
            with threads.one_blas_thread():
                pass
        except KeyboardInterrupt:
            pass
        finally:
            sys.setprofile(before)
        return left[0] <= 0

    before, n = limits(), 1
    while broken_off(n):
        with threads.one_blas_thread():
            assert limits() == [1] * len(before)
        assert limits() == before and threads._here.depth == 0 and not threads._inside and not threads._lock.locked()
        n += 1
    assert n > 15


# ------------------------------------------------------------------------------ what a container allows


def tree(root, files):
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


GROUPS = "sys/fs/cgroup"
TREES = {
    "version 2": (
        {"proc/self/cgroup": "0::/\n", f"{GROUPS}/cpu.max": "150000 100000\n", f"{GROUPS}/memory.max": "1000000000\n"},
        (2, 10**9),
    ),
    "version 2, the least of nested groups": (
        {
            "proc/self/cgroup": "0::/pods/mine\n",
            f"{GROUPS}/pods/mine/cpu.max": "max 100000\n",
            f"{GROUPS}/pods/cpu.max": "300000 100000\n",
            f"{GROUPS}/pods/mine/memory.max": "5000\n",
            f"{GROUPS}/pods/memory.max": "4000\n",
            f"{GROUPS}/other/memory.max": "1\n",
        },
        (3, 4000),
    ),
    "version 2, less than a processor": (
        {"proc/self/cgroup": "0::/\n", f"{GROUPS}/cpu.max": "5000 100000"},
        (1, np.inf),
    ),
    "version 1": (
        {
            "proc/self/cgroup": "9:name=systemd:/a\n4:memory:/a\n2:cpu,cpuacct:/a/b\n0::/\n",
            f"{GROUPS}/cpu/a/b/cpu.cfs_quota_us": "400000\n",
            f"{GROUPS}/cpu/a/b/cpu.cfs_period_us": "100000\n",
            f"{GROUPS}/memory/a/memory.limit_in_bytes": "7000\n",
        },
        (4, 7000),
    ),
    "version 1, seen from inside, no quota": (
        {
            "proc/self/cgroup": "4:memory:/docker/1f\n2:cpu:/docker/1f\n",
            f"{GROUPS}/cpu/cpu.cfs_quota_us": "-1\n",
            f"{GROUPS}/cpu/cpu.cfs_period_us": "100000\n",
            f"{GROUPS}/memory/memory.limit_in_bytes": "6000\n",
        },
        (np.inf, 6000),
    ),
    "no limits": ({"proc/self/cgroup": "0::/\n", f"{GROUPS}/memory.max": "max\n"}, (np.inf, np.inf)),
    "no groups": ({}, (np.inf, np.inf)),
}


@pytest.mark.parametrize(("files", "expected"), TREES.values(), ids=TREES)
def test_limits_are_read_from_the_files_of_control_groups(files, expected, tmp_path):
    root = tree(tmp_path, files)
    assert (machine.allowed_processors(root), machine.allowed_memory(root)) == expected


def test_threads_and_checks_keep_to_what_is_allowed(monkeypatch):
    everything = machine.processors(), machine.memory()
    assert 1 <= everything[0] <= os.cpu_count() and everything[1] > 10**8
    check_memory("an array", 10**8, "float32")
    monkeypatch.setattr(machine, "allowed_processors", lambda: 1)
    monkeypatch.setattr(machine, "allowed_memory", lambda: 3 * 10**8)
    assert threads.n_threads(-1) == machine.processors() == 1
    with pytest.raises(ValueError, match="an array would take 1 GB, this process may use 0.3 GB"):
        check_memory("an array", 10**8, "float32")
    with pytest.raises(ValueError, match="n_hidden=100000000 would take"):
        RTRBM(10**8).fit(X)
