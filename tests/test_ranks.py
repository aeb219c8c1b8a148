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

from rtrbm import RTRBM, ranks
from rtrbm.datasets import BouncingBalls

MPIEXEC = os.path.join(os.path.dirname(sys.executable), "mpiexec")
MPIEXEC = MPIEXEC if os.path.exists(MPIEXEC) else shutil.which("mpiexec")
needs_mpi = pytest.mark.skipif(
    MPIEXEC is None or find_spec("mpi4py") is None, reason="mpi4py or mpiexec is not installed: rtrbm[mpi]"
)

PRELUDE = """
import json, os, signal, sys, traceback
import numpy as np
from mpi4py import MPI
from rtrbm import RTRBM
from rtrbm.datasets import BouncingBalls
comm = MPI.COMM_WORLD
settings = dict(n_hidden=20, n_gibbs=3, batch_size=8, random_state=0, n_jobs=1)
stream = BouncingBalls(8, 20, resolution=8, n_balls=1, random_state=0)
def flat(model):
    return np.concatenate([p.ravel() for p in model.params_])
"""


def launch(n_ranks, code, tmp_path, *, timeout=60):
    """Exit status, output and errors of that code on so many ranks."""
    script = tmp_path / "script.py"
    script.write_text(PRELUDE + code)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(
        [MPIEXEC, "-n", str(n_ranks), sys.executable, str(script)],
        env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=timeout,
    )  # fmt: skip
    return done.returncode, done.stdout, done.stderr


TRAIN = """
model = RTRBM(**settings, n_updates=N_UPDATES, dtype=DTYPE, comm=comm).fit(stream)
np.save(f"params{comm.size}-{comm.rank}.npy", flat(model))
if comm.rank == 0:
    json.dump(model.history_, open(f"history{comm.size}.json", "w"))
"""


def alone(seed=0, **settings):
    """The parameters without ranks."""
    stream = BouncingBalls(8, 20, resolution=8, n_balls=1, random_state=0)
    model = RTRBM(20, n_gibbs=3, batch_size=8, random_state=seed, n_jobs=1, **settings).fit(stream)
    return np.concatenate([p.ravel() for p in model.params_])


def trained_by(n_ranks, dtype, tmp_path):
    """Parameters and reconstruction errors after 100 updates by so many ranks."""
    code = TRAIN.replace("DTYPE", repr(dtype)).replace("N_UPDATES", "100")
    status, _, stderr = launch(n_ranks, code, tmp_path)
    assert status == 0, stderr
    each = [np.load(tmp_path / f"params{n_ranks}-{rank}.npy") for rank in range(n_ranks)]
    assert all((p == each[0]).all() for p in each)  # every rank has the whole model
    return each[0], json.loads((tmp_path / f"history{n_ranks}.json").read_text())["reconstruction_error"]


@needs_mpi
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_any_number_of_ranks_learns_the_same(tmp_path, dtype):
    """Bit for bit: sums over the minibatch are taken in the same order."""
    params, errors = trained_by(1, dtype, tmp_path)
    for n_ranks in (2, 4):
        others, other_errors = trained_by(n_ranks, dtype, tmp_path)
        np.testing.assert_array_equal(others, params)
        assert other_errors == errors


@needs_mpi
def test_with_ranks_and_without_it_learns_the_same(tmp_path):
    """To rounding: without ranks sums are taken in one.

    Training amplifies it, but not before a probability differs from its neighbour just where the uniform is that is
    compared with it. In double precision that does not happen.
    """
    expected, (params, _) = alone(dtype="float64", n_updates=100), trained_by(2, "float64", tmp_path)
    other = alone(seed=1, dtype="float64", n_updates=100)
    assert np.abs(params - expected).max() < 1e-10 * np.abs(expected).max()
    assert np.abs(other - expected).max() > 1e-3 * np.abs(expected).max()  # control


@needs_mpi
def test_ragged_sequences_and_a_share_of_one(tmp_path):
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
    assert "RuntimeError: rank 1 failed: OSError: disk gone" in errors and "OSError: disk gone" in errors
    assert RTRBM.load(tmp_path / "model.h5").n_updates_ in (4, 5)


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
run(bouncing_balls.main)
"""
    status, _, errors = launch(2, code, tmp_path, timeout=120)
    assert status != 0 and errors.count("bouncing_balls: rank 1 failed: OSError: disk gone") == 1, errors
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
bouncing_balls.N_FRAMES = bouncing_balls.N_TEST = 12
from experiments.runner import run
sys.argv = ["bouncing_balls", "--out", "results"]
run(bouncing_balls.main)
"""
    status, output, errors = launch(2, code, tmp_path, timeout=120)
    assert status == 0, errors
    assert output.count("training the RTRBM") == 1 and output.count("copy-previous") == 1
    assert {"errors.csv", "settings.json", "rtrbm.h5"} <= set(os.listdir(tmp_path / "results"))


def test_alone_there_is_no_communicator(monkeypatch):
    for name in ranks.LAUNCHED:
        monkeypatch.delenv(name, raising=False)
    assert ranks.world() is None and ranks.is_first(None)
    assert ranks.share([1, 2], None) == [([1, 2], 0)]


def test_several_processes_without_mpi4py_are_told(monkeypatch):
    """Rather than train the same model several times over."""
    monkeypatch.setenv("PMI_SIZE", "2")
    monkeypatch.setitem(sys.modules, "mpi4py", None)
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
    assert sum((part for part, _ in parts), []) == sequences and all(
        part[0] == first for part, first in parts
    )
    assert min(map(len, shares)) > 0 and max(map(len, shares)) - min(map(len, shares)) <= 1


@pytest.mark.parametrize("n", [4, 8, 9, 100])
def test_parts_do_not_depend_on_1_2_or_4_ranks(n):
    cuts = [
        [part for rank in range(size) for part in ranks.share(range(n), Communicator(rank, size))]
        for size in (1, 2, 4)
    ]
    assert cuts[0] == cuts[1] == cuts[2] and len(cuts[0]) == ranks.PARTS
