"""Training by several processes, each test one launch of 2 to 4 ranks; skipped where there is no MPI."""

import json
import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from typing import NamedTuple

import numpy as np
import pytest
from helpers import needs_numba

from rtrbm import RTRBM, Stack
from rtrbm.datasets import BouncingBalls
from rtrbm.parameters import arrays
from rtrbm.training import ranks

MPIEXEC = os.path.join(os.path.dirname(sys.executable), "mpiexec")
MPIEXEC = MPIEXEC if os.path.exists(MPIEXEC) else shutil.which("mpiexec")
needs_mpi = pytest.mark.skipif(
    MPIEXEC is None or find_spec("mpi4py") is None, reason="mpi4py or mpiexec is not installed: rtrbm[mpi]"
)

PRELUDE = """
import json, os, signal, sys, traceback
import numpy as np
from mpi4py import MPI
from rtrbm import RTRBM, Stack
from rtrbm.datasets import BouncingBalls
from rtrbm.parameters import arrays
from rtrbm.rbm import Bernoulli
comm = MPI.COMM_WORLD
settings = dict(n_hidden=20, n_gibbs=3, batch_size=8, random_state=0, n_jobs=1)
stream = BouncingBalls(8, 20, resolution=8, n_balls=1, random_state=0)
def flat(model):
    return np.concatenate([p.ravel() for p in arrays(model.params_)])
"""


def launch(n_ranks, code, tmp_path, *, timeout=60):
    """Exit status, output and errors of that code on so many ranks."""
    script = tmp_path / "script.py"
    script.write_text(PRELUDE + code)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "OPENBLAS_NUM_THREADS": "1"}
    environment["PYTHONUNBUFFERED"] = ""  # a line is one write: those of two ranks cannot mix
    done = subprocess.run(
        [MPIEXEC, "-n", str(n_ranks), sys.executable, str(script)],
        env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=timeout,
    )  # fmt: skip
    return done.returncode, done.stdout, done.stderr


TRAIN = """
model = RTRBM(**settings | dict(n_updates=100) | MORE, comm=comm).fit(stream)
np.save(f"params{comm.size}-{comm.rank}.npy", flat(model))
if comm.rank == 0:
    json.dump(model.history_, open(f"history{comm.size}.json", "w"))
"""


def alone(seed=0, **settings):
    """The parameters without ranks."""
    stream = BouncingBalls(8, 20, resolution=8, n_balls=1, random_state=0)
    model = RTRBM(20, n_gibbs=3, batch_size=8, random_state=seed, n_jobs=1, **settings).fit(stream)
    return np.concatenate([p.ravel() for p in arrays(model.params_)])


def trained_by(n_ranks, tmp_path, **more):
    """Parameters and reconstruction errors after training by so many ranks."""
    code = TRAIN.replace("MORE", repr(more))
    status, _, stderr = launch(n_ranks, code, tmp_path)
    assert status == 0, stderr
    each = [np.load(tmp_path / f"params{n_ranks}-{rank}.npy") for rank in range(n_ranks)]
    assert all((p == each[0]).all() for p in each)  # every rank has the whole model
    return each[0], json.loads((tmp_path / f"history{n_ranks}.json").read_text())["reconstruction_error"]


@needs_mpi
@pytest.mark.parametrize(
    "more",
    [
        {"dtype": "float32"},
        {"dtype": "float64"},
        {"n_jobs": 2, "n_taps": 2, "dynamic_visible_bias": True, "sample_visible": False, "n_updates": 20},
        pytest.param({"engine": "numba", "n_updates": 20}, marks=needs_numba),
    ],
)
def test_1_2_and_4_ranks_learn_the_same(tmp_path, more):
    """Bit for bit: sums over the minibatch are taken in the same order."""
    params, errors = trained_by(1, tmp_path, **more)
    for n_ranks in (2, 4):
        others, other_errors = trained_by(n_ranks, tmp_path, **more)
        np.testing.assert_array_equal(others, params)
        assert other_errors == errors


@needs_mpi
def test_with_ranks_and_without_it_learns_the_same(tmp_path):
    """To rounding: without ranks sums are taken in one.

    Training amplifies it, but not before a probability differs from its neighbour just where the uniform is that is
    compared with it. In double precision that does not happen.
    """
    expected, (params, _) = alone(dtype="float64", n_updates=100), trained_by(2, tmp_path, dtype="float64")
    other = alone(seed=1, dtype="float64", n_updates=100)
    assert np.abs(params - expected).max() < 1e-10 * np.abs(expected).max()
    assert np.abs(other - expected).max() > 1e-3 * np.abs(expected).max()  # control


@needs_mpi
def test_ragged_sequences_and_a_share_of_one_or_none(tmp_path):
    """5 sequences in minibatches of 3 are 3 and 2."""
    code = """
rng = np.random.default_rng(0)
X = [(rng.random((n, 5)) < 0.5) * 1.0 for n in (3, 9, 1, 70, 2)]
model = RTRBM(**settings | dict(batch_size=3), n_updates=5, dtype="float64", comm=comm).fit(X)
np.save(f"{comm.size}.npy", flat(model))
"""
    for n_ranks in (1, 3):
        status, _, errors = launch(n_ranks, code, tmp_path)
        assert status == 0, errors
    np.testing.assert_allclose(np.load(tmp_path / "3.npy"), np.load(tmp_path / "1.npy"), rtol=0, atol=1e-12)


@needs_mpi
def test_all_ranks_measure_alike_and_keep_the_same_model(tmp_path):
    code = """
from rtrbm.callbacks import EarlyStopping, Log
V = stream.minibatch(999)
watched = dict(validation=V, validation_every=5, callbacks=[EarlyStopping(2), Log("log.csv")])
model = RTRBM(**settings | dict(n_updates=60, learning_rate=1.0), comm=comm).fit(stream, **watched)
own = model.n_updates_, model.best_[1:], model.history_["validation_error"], flat(model).tobytes()
assert comm.bcast(own) == own and model.n_updates_ == model.best_.update + 10 < 60
assert len(open("log.csv").readlines()) == model.n_updates_ + 2
print("fine")
"""
    status, output, errors = launch(2, code, tmp_path)
    assert status == 0 and output.count("fine") == 2, errors


@needs_mpi
def test_the_first_rank_alone_writes_and_all_resume(tmp_path):
    code = """
path = f"of-{comm.rank}.h5"
half = RTRBM(**settings, n_updates=6, comm=comm)
class Breaks:
    def minibatch(self, update):
        if update == 3:
            raise ValueError("no more data")
        return stream.minibatch(update)
try:
    half.fit(Breaks(), checkpoint=path, checkpoint_every=2)
except ValueError:
    pass
if comm.rank == 1:
    assert not os.path.exists(path)
comm.Barrier()
resumed = RTRBM(**settings, n_updates=6, comm=comm).fit(stream, checkpoint="of-0.h5", resume=True)
whole = RTRBM(**settings, n_updates=6, comm=comm).fit(stream)
assert resumed.n_updates_ == 6 and (flat(resumed) == flat(whole)).all()
assert RTRBM.load("of-0.h5").comm is None
print("fine")
"""
    status, output, errors = launch(2, code, tmp_path)
    assert status == 0 and output.count("fine") == 2, errors


@needs_mpi
def test_a_rank_that_fails_stops_all_and_the_checkpoint_stands(tmp_path):
    code = """
class Breaks:
    def minibatch(self, update):
        if update == 5 and comm.rank == 1:
            raise OSError("disk gone")
        return stream.minibatch(update)
try:
    RTRBM(**settings, n_updates=50, comm=comm).fit(Breaks(), checkpoint="model.h5", checkpoint_every=2)
except Exception:
    traceback.print_exc()
    sys.stderr.flush()
    comm.Barrier()  # mpiexec ends all ranks with the first that fails, whatever they have left to say
    sys.exit(1)
"""
    status, _, errors = launch(2, code, tmp_path)
    assert status != 0
    said = "X.minibatch(5) cannot be read: OSError: disk gone"
    assert f"RuntimeError: rank 1 failed: ValueError: {said}" in errors and "\nOSError: disk gone" in errors
    assert RTRBM.load(tmp_path / "model.h5").n_updates_ in (4, 5)


@needs_mpi
@pytest.mark.parametrize("what", ["update", "data", "file", "partial_fit", "stack"])
def test_whatever_fails_on_one_rank_fails_on_all(tmp_path, what):
    """Rather than that the others wait for ever."""
    code = """
X = np.zeros((8, 3, 4))
class Units(Bernoulli):
    name = "bernoulli"
    def inward(self, v, own):
        if WHAT == "update" and comm.rank == 1 and hasattr(model, "n_updates_"):  # not while it is initialised
            raise MemoryError("no room")
        return v
model = RTRBM(**settings, visible=Units(), n_updates=3, comm=comm)
if comm.rank == 1 and WHAT != "update":
    if WHAT in ("file", "stack"):
        X = ("missing.h5", "X")
    else:
        X += 2
if WHAT == "stack":
    model = Stack([model, RTRBM(**settings, comm=comm)])
try:
    model.partial_fit(X) if WHAT == "partial_fit" else model.fit(X)
except Exception as error:
    print(f"{comm.rank}: {error}")
"""
    status, output, errors = launch(2, code.replace("WHAT", repr(what)), tmp_path)
    said = {
        "update": "no room",
        "data": "must lie in [0, 1]",
        "file": "no file at 'missing.h5'",
        "partial_fit": "must lie in [0, 1]",
        "stack": "no file at 'missing.h5'",
    }
    assert status == 0 and output.count(said[what]) == 2 and "0: rank 1 failed" in output, (output, errors)


@needs_mpi
def test_without_a_seed_all_ranks_have_that_of_the_first(tmp_path):
    code = """
X = (np.random.default_rng(0).random((8, 3, 4)) < 0.5) * 1.0
model = RTRBM(**settings | dict(random_state=None), comm=comm).partial_fit(X)
model.partial_fit(X)
each = comm.gather(len(set(comm.allgather((model.seed_, flat(model).tobytes())))))
if comm.rank == 0:  # alone: lines of several ranks may run into one another
    print(*each)
"""
    status, output, errors = launch(2, code, tmp_path)
    assert status == 0 and output.split() == ["1", "1"], (output, errors)


@needs_mpi
def test_one_rank_is_a_world_too(tmp_path):
    """So that a script learns the same from mpiexec -n 1 as from mpiexec -n 2."""
    status, output, errors = launch(1, "from rtrbm.training import ranks; print(ranks.world().size)", tmp_path)
    assert status == 0 and output.split() == ["1"], errors


@needs_mpi
def test_a_script_of_which_a_rank_fails_says_so_and_keeps_the_checkpoint(tmp_path):
    """The first rank has the time to write and to say it, though mpiexec ends all with the first that exits."""
    code = """
from experiments import bouncing_balls
bouncing_balls.PROFILES["quick"] |= dict(resolution=8, n_hidden=10, n_updates=400, n_gibbs=1)
minibatch = bouncing_balls.BouncingBalls.minibatch
def breaks(self, update):
    if update == 5 and comm.rank == 1:
        raise OSError("disk gone")
    return minibatch(self, update)
bouncing_balls.BouncingBalls.minibatch = breaks
from experiments.runner import run
sys.argv = ["bouncing_balls", "--out", "results"]
run(bouncing_balls.main, by_ranks=True)
"""
    status, _, errors = launch(2, code, tmp_path, timeout=120)
    said = "bouncing_balls: rank 1 failed: ValueError: X.minibatch(5) cannot be read: OSError: disk gone"
    assert status != 0 and errors.count(said) == 1, errors
    assert RTRBM.load(tmp_path / "results" / "rtrbm.h5").n_updates_ in (4, 5)


@needs_mpi
def test_a_rank_that_is_interrupted_stops_all(tmp_path):
    code = """
class Interrupts:
    def minibatch(self, update):
        if update == 5 and comm.rank == 1:
            os.kill(os.getpid(), signal.SIGINT)
        return stream.minibatch(update)
try:
    RTRBM(**settings, n_updates=50, comm=comm).fit(Interrupts(), checkpoint="model.h5")
except KeyboardInterrupt:
    print("stopped")
"""
    status, output, errors = launch(2, code, tmp_path)
    assert status == 0 and output.count("stopped") == 2, errors
    assert 4 <= RTRBM.load(tmp_path / "model.h5").n_updates_ < 10


@needs_mpi
def test_ctrl_c_before_the_first_update_stops_all(tmp_path):
    code = """
class Interrupts:
    def minibatch(self, update):
        if comm.rank == 1:
            raise KeyboardInterrupt
        return stream.minibatch(update)
try:
    RTRBM(**settings, n_updates=50, comm=comm).fit(Interrupts())
except KeyboardInterrupt:
    print("stopped")
"""
    status, output, errors = launch(2, code, tmp_path)
    assert status == 0 and output.count("stopped") == 2, errors


@needs_mpi
def test_ctrl_c_during_the_last_save_stops_all(tmp_path):
    """On whatever rank: the others would go on, with the next layer of a stack for one, and wait for ever."""
    code = """
model = RTRBM(**settings, n_updates=5, comm=comm)
save = model._checkpoint
def interrupted(path):
    os.kill(os.getpid(), signal.SIGINT)
    save(path)
model._checkpoint = interrupted
try:
    model.fit(stream, checkpoint="model.h5")
except KeyboardInterrupt:
    print("stopped")
"""
    status, output, errors = launch(2, code, tmp_path)
    assert status == 0 and output.count("stopped") == 2, errors


@needs_mpi
@pytest.mark.parametrize("what", ["validation", "a look", "between layers"])
def test_what_fails_in_the_midst_of_a_run_on_one_rank_fails_on_all(tmp_path, what):
    """Validation data and the health of a model are looked at by the first rank alone."""
    code = """
X, V = np.zeros((8, 3, 4)), None
model = RTRBM(**settings, n_updates=3, comm=comm)
def fails(*_):
    raise MemoryError("no room")
if WHAT == "validation":
    V = X[:4]
    if comm.rank == 0:
        model._measured = fails
elif WHAT == "a look" and comm.rank == 0:
    model._seen = fails
elif WHAT == "between layers":
    if comm.rank == 1:
        model.transform = fails
    model = Stack([model, RTRBM(**settings, n_updates=3, comm=comm)])
try:
    model.fit(X, validation=V)
except Exception as error:
    print(f"{comm.rank}: {error}")
"""
    status, output, errors = launch(2, code.replace("WHAT", repr(what)), tmp_path)
    first = int(what == "between layers")
    assert status == 0 and output.count("no room") == 2, (output, errors)
    assert f"{1 - first}: rank {first} failed" in output, output


@needs_mpi
@pytest.mark.parametrize("name", ["validation", "validation_every", "checkpoint_every"])
def test_ranks_whose_runs_differ_are_told(tmp_path, name):
    code = """
X = np.zeros((8, 3, 4))
first = comm.rank == 0
more = {
    "validation": {"validation": X if first else None},
    "validation_every": {"validation": X, "validation_every": 3 + first},
    "checkpoint_every": {"checkpoint": "model.h5", "checkpoint_every": 3 + first},
}[NAME]
try:
    RTRBM(**settings, n_updates=6, comm=comm).fit(X, **more)
except ValueError as error:
    print(f"{comm.rank}: {error}")
"""
    status, output, errors = launch(2, code.replace("NAME", repr(name)), tmp_path)
    assert status == 0 and output.count(f"rank 1 differs from rank 0 in: {name}\n") == 2, (output, errors)


@needs_mpi
@pytest.mark.parametrize("what", ["learning_rate", "number of sequences", "partial_fit", "updates made"])
def test_ranks_that_differ_are_told(tmp_path, what):
    """They would wait for one another, or learn from data nobody meant."""
    code = """
X = np.zeros((8 + comm.rank * (WHAT in ("number of sequences", "partial_fit")), 3, 4))
model = RTRBM(**settings, n_updates=3, learning_rate=0.01 + comm.rank * (WHAT == "learning_rate"), comm=comm)
if WHAT == "updates made" and comm.rank == 0:
    model.set_params(comm=None).fit(X).set_params(comm=comm)
try:
    model.fit(X) if WHAT in ("learning_rate", "number of sequences") else model.partial_fit(X)
except ValueError as error:
    print(f"{comm.rank}: {error}")
print("same", flush=True)
"""
    status, output, errors = launch(2, code.replace("WHAT", repr(what)), tmp_path)
    name = "number of sequences" if what == "partial_fit" else what
    assert status == 0 and output.count(f"rank 1 differs from rank 0 in: {name}") == 2, (output, errors)


def test_layers_of_a_stack_have_one_communicator():
    class Communicator:
        rank, size = 0, 1

        def Allreduce(self):
            raise AssertionError

    stack = Stack([RTRBM(3), RTRBM(2, comm=Communicator())])
    with pytest.raises(ValueError, match=r"layers\[1\] must have the `comm` of layers\[0\]"):
        stack.fit(np.zeros((2, 3, 4)))


@needs_mpi
def test_more_ranks_than_sequences(tmp_path):
    code = """
try:
    RTRBM(**settings | dict(batch_size=1), comm=comm).fit(np.zeros((5, 4, 3)), checkpoint="model.h5")
except ValueError as error:
    print(error)
"""
    status, output, errors = launch(2, code, tmp_path)
    assert status == 0 and output.count("comm must have at most as many ranks") == 2, errors
    assert not (tmp_path / "model.h5").exists()


@needs_mpi
def test_the_script_trains_one_model(tmp_path):
    """`mpiexec -n 2 python -m experiments.bouncing_balls` writes one folder, and each line once."""
    code = """
from experiments import bouncing_balls
bouncing_balls.PROFILES["quick"] |= dict(resolution=8, n_hidden=10, n_updates=4, n_gibbs=1)
bouncing_balls.N_FRAMES, bouncing_balls.N_TEST = 45, 12  # of roll-outs 20 are seen and 20 come
from experiments.runner import run
sys.argv = ["bouncing_balls", "--out", "results"]
run(bouncing_balls.main, by_ranks=True)
"""
    status, output, errors = launch(2, code, tmp_path, timeout=120)
    assert status == 0, errors
    assert output.count("training the RTRBM") == 1 and output.count("copy-previous") == 1
    assert {"errors.csv", "settings.json", "rtrbm.h5"} <= set(os.listdir(tmp_path / "results"))


@needs_mpi
def test_a_script_for_one_process_does_not_do_its_work_twice(tmp_path):
    code = """
from experiments import gradient_check
from experiments.runner import run
sys.argv = ["gradient_check", "--out", "results"]
run(gradient_check.main)
"""
    status, output, errors = launch(2, code, tmp_path)
    assert status != 0 and output == "" and errors.count("mpiexec started 2") == 1, errors
    assert not (tmp_path / "results").exists()


def test_alone_there_is_no_communicator(monkeypatch):
    for name in ranks.LAUNCHED:
        monkeypatch.delenv(name, raising=False)
    assert ranks.world() is None and ranks.is_first(None)
    assert ranks.share([1, 2], None) == [([1, 2], 0)]


def test_several_processes_without_mpi4py_are_told(monkeypatch):
    """Rather than train the same model several times over."""
    monkeypatch.setitem(sys.modules, "mpi4py", None)
    monkeypatch.setenv("PMI_SIZE", "1")
    assert ranks.world() is None
    monkeypatch.setenv("PMI_SIZE", "2")
    with pytest.raises(ValueError, match=r"rtrbm\[mpi\]"):
        ranks.world()


class Communicator(NamedTuple):
    """What `share` asks."""

    rank: int
    size: int


@pytest.mark.parametrize("n, size", [(8, 1), (8, 4), (5, 2), (3, 2), (7, 6), (12, 3), (2, 1), (1, 1)])
def test_shares_are_all_of_it_in_order(n, size):
    sequences = list(range(n))
    shares = [ranks.share(sequences, Communicator(rank, size)) for rank in range(size)]
    parts = [part for parts in shares for part in parts]
    assert sum((part for part, _ in parts), []) == sequences and all(part[0] == first for part, first in parts)
    assert min(map(len, shares)) > 0 and max(map(len, shares)) - min(map(len, shares)) <= 1


@pytest.mark.parametrize("n", [4, 8, 9, 100])
def test_parts_do_not_depend_on_1_2_or_4_ranks(n):
    cuts = [
        [part for rank in range(size) for part in ranks.share(range(n), Communicator(rank, size))] for size in (1, 2, 4)
    ]
    assert cuts[0] == cuts[1] == cuts[2] and len(cuts[0]) == ranks.PARTS
