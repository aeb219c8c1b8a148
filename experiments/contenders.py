"""The functions that the benchmark times. Each makes one update, in a process of its own.

In a process of its own a contender has a peak of memory of its own, and no threads of another library beside it. All
processes may run on the same processors. They make updates when they are told to and sleep in between.
"""

import argparse
import contextlib
import importlib.util
import json
import multiprocessing
import os
import shutil
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from threadpoolctl import threadpool_info

from rtrbm import RTRBM
from rtrbm.compute.engine import NUMPY
from rtrbm.compute.threads import processors
from rtrbm.gradient import Model
from rtrbm.minibatches.sequences import pack
from rtrbm.models.rtrbm import Recurrent
from rtrbm.rbm.units import BERNOULLI
from rtrbm.training import ranks
from rtrbm.training.start import initial_params

RATE = 1e-3
THREADS = tuple(f"{library}_NUM_THREADS" for library in ("OMP", "OPENBLAS", "MKL", "BLIS", "GOTO", "NUMBA"))


class Setting(NamedTuple):
    """The size of an update: units, frames of each sequence, sequences, steps of the chain, floating-point type."""

    n_visible: int = 900
    n_hidden: int = 400
    n_frames: int = 100
    n_sequences: int = 8
    n_gibbs: int = 10
    dtype: str = "float32"


SMALLEST = Setting(4, 3, 3, 2, 2)


def minibatch(setting):
    """Binary pixels, one in ten of them lit, (n_sequences, n_frames, n_visible)."""
    shape = setting.n_sequences, setting.n_frames, setting.n_visible
    return (np.random.default_rng(0).random(shape) < 0.1).astype(setting.dtype)


def own_update(setting, videos, **options):
    """`RTRBM.partial_fit`."""
    _, n_hidden, *_, n_gibbs, dtype = setting
    model = RTRBM(n_hidden, n_gibbs=n_gibbs, learning_rate=RATE, dtype=dtype, random_state=0, **options)
    return partial(model.partial_fit, videos)


def products_alone(setting, videos):
    """The matrix products of an update, each over all frames at once, in preallocated arrays."""
    rng = np.random.default_rng(0)
    n_visible, n_hidden, n_frames, n_sequences, n_gibbs, dtype = setting
    n_rows = n_sequences * n_frames
    v, W, U, h, r = (
        rng.standard_normal(shape, dtype)
        for shape in ((n_rows, n_visible), (n_visible, n_hidden), (n_hidden, n_hidden), (n_rows, n_hidden),
                      (n_sequences, n_hidden))
    )  # fmt: skip
    W_T, v_out, h_out, r_out = np.ascontiguousarray(W.T), np.empty_like(v), np.empty_like(h), np.empty_like(r)
    d_W, d_U = np.empty_like(W), np.empty_like(U)

    def products():
        np.matmul(v, W, out=h_out)  # input of the recurrence
        for _ in range(2 * (n_frames - 1)):  # recurrence, forward and backward
            np.matmul(r, U, out=r_out)
        for _ in range(n_gibbs):
            np.matmul(h, W_T, out=v_out)
            np.matmul(v, W, out=h_out)
        for _ in range(2):  # positive and negative statistics
            np.matmul(v.T, h, out=d_W)
        np.matmul(h.T, h, out=d_U)

    return products


def torch_update(setting, videos, **options):
    """`experiments.rivals.torch_update`."""
    from experiments.rivals.torch_update import Update

    return partial(Update(_initial(setting, videos), setting.n_gibbs, RATE, **options), videos)


def jax_update(setting, videos, **options):
    """`experiments.rivals.jax_update`."""
    import jax

    from experiments.rivals.jax_update import Update

    jax.config.update("jax_enable_x64", setting.dtype == "float64")
    return partial(Update(_initial(setting, videos), setting.n_gibbs, RATE, **options), videos)


def _initial(setting, videos):
    """The parameters that `own_update` starts from."""
    model = Model(Recurrent(), BERNOULLI)
    return initial_params(model, lambda update: pack(videos)[0], setting.n_hidden, 0, "data", NUMPY)


OWN, PRODUCTS = "rtrbm", "products alone"
CONTENDERS = {
    OWN: own_update,
    "rtrbm numba": partial(own_update, engine="numba"),
    PRODUCTS: products_alone,
    "torch eager": torch_update,
    "torch compiled": partial(torch_update, compile=True),
    "torch hashed": partial(torch_update, hashed=True),
    "jax": jax_update,
    "jax hashed": partial(jax_update, hashed=True),
}


def installed():
    """The contenders whose library is installed."""
    return [name for name in CONTENDERS if importlib.util.find_spec(library(name))]


def library(name):
    """The library that a contender needs."""
    own = {OWN: "numpy", "rtrbm numba": "numba", PRODUCTS: "numpy"}
    return own.get(name, name.split()[0])


@contextlib.contextmanager
def bound_to(n_threads):
    """Context in which new processes may use only so many processors; all libraries make as many threads."""
    available = processors()
    if n_threads > available or (n_threads < available and not hasattr(os, "sched_setaffinity")):
        raise ValueError(f"cannot run on {n_threads} of {available} processors on this machine")
    wished = {name: os.environ.pop(name) for name in THREADS if name in os.environ}  # the products alone obey them
    mine = os.sched_getaffinity(0) if n_threads < available else None
    if mine:
        os.sched_setaffinity(0, sorted(mine)[:n_threads])
    try:
        yield
    finally:
        os.environ.update(wished)
        if mine:
            os.sched_setaffinity(0, mine)


class Contender:
    """A process that makes one contender's updates; a context that ends it.

    Parameters
    ----------
    name : key of CONTENDERS
    n_threads : int
    """

    def __init__(self, name, n_threads):
        self.name, self.n_threads = name, n_threads
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(name, theirs), daemon=True)
        with bound_to(n_threads):
            self._process.start()
        theirs.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._connection.close()
        self._process.join()

    def prepare(self, setting):
        """Make ready for updates of that size and make the first ones, which compile.

        Returns
        -------
        dict
            memory: the peak of an update, in bytes above the process before, which held the minibatch and had made an
            update of the smallest size; None where the system does not tell, or for all but the first setting.
            threads: of each library.
        """
        return self._ask(setting)

    def seconds(self, setting, n_updates=1):
        """Seconds per update, over so many updates one after another, after one that is not timed.

        The first update finds its threads asleep and the processors slow. In a training run this happens only once.
        """
        return self._ask((setting, n_updates))

    def _ask(self, question):
        try:
            self._connection.send(question)
            answer, error = self._connection.recv()
        except (EOFError, BrokenPipeError, ConnectionResetError):
            raise ChildProcessError(f"the process of {self.name!r} has ended") from None
        if error is not None:
            raise ChildProcessError(f"{self.name!r} failed: {error}")
        return answer


def _serve(name, connection):
    """Answer questions until there are no more."""
    ready = {}
    with contextlib.suppress(EOFError, KeyboardInterrupt):
        while True:
            question, answer, error = connection.recv(), None, None
            try:
                answer = _answer(name, question, ready)
            except Exception as caught:
                error = f"{type(caught).__name__}: {caught}"
            connection.send((answer, error))


def _answer(name, question, ready):
    if isinstance(question, Setting):
        ready[question], answer = _prepare(name, question, measured=not ready)
        return answer
    setting, n_updates = question
    ready[setting]()
    start = time.perf_counter()
    for _ in range(n_updates):
        ready[setting]()
    return (time.perf_counter() - start) / n_updates


def _prepare(name, setting, measured):
    build = CONTENDERS[name]
    if measured:
        smallest = SMALLEST._replace(dtype=setting.dtype)
        build(smallest, minibatch(smallest))()
    videos = minibatch(setting)
    before = _memory("VmRSS")
    update = build(setting, videos)
    for _ in range(3):
        update()
    _reset_peak()
    update()
    memory = _memory("VmHWM") - before if measured and before is not None else None
    return update, {"memory": memory, "threads": _threads(name)}


def ranks_seconds(setting, n_ranks, n_updates):
    """Seconds per update of a model trained by several MPI ranks of one thread each.

    Returns
    -------
    float or None
        None without mpi4py or mpiexec.

    Raises
    ------
    ChildProcessError
        If mpiexec fails, with the last it said.
    """
    beside = Path(sys.executable).with_name("mpiexec")
    mpiexec = str(beside) if beside.exists() else shutil.which("mpiexec")
    if mpiexec is None or importlib.util.find_spec("mpi4py") is None:
        return None
    arguments = json.dumps([*setting]), str(n_updates)
    done = subprocess.run(
        [mpiexec, "-n", str(n_ranks), sys.executable, "-m", "experiments.contenders", *arguments],
        capture_output=True, text=True,
    )  # fmt: skip
    if done.returncode:
        raise ChildProcessError(f"mpiexec failed: {' '.join((done.stderr or done.stdout).split()[-30:])}")
    return float(done.stdout)


def _one_rank(setting, n_updates):
    """This rank's part of `ranks_seconds`; the first prints them."""
    comm = ranks.world()
    update = own_update(setting, minibatch(setting), n_jobs=1, comm=comm)
    for _ in range(2):
        update()
    start = time.perf_counter()
    for _ in range(n_updates):
        update()
    if ranks.is_first(comm):
        print((time.perf_counter() - start) / n_updates)


def _memory(field):
    """A field of Linux's account of this process, in bytes; None elsewhere."""
    status = Path("/proc/self/status")
    if not status.exists():
        return None
    line = next(line for line in status.read_text(encoding="utf-8").splitlines() if line.startswith(field + ":"))
    return 1024 * int(line.split()[1])


def _reset_peak():
    """Set the peak of memory back, where the system can; elsewhere it includes the first updates."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")


def _threads(name):
    """Threads the contender's library computes with."""
    if name.startswith("torch"):
        import torch

        return torch.get_num_threads()
    if name == PRODUCTS:
        return max(pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas")
    return processors()


def interleaved(functions, repeats, limit=float("inf"), pause=0.1):
    """The values that functions return in each of `repeats` rounds, (n_rounds, n_functions).

    After `limit` seconds and 3 rounds no further one begins. A library's idle threads keep a processor
    busy for a while after its last work; the pause before each function lets them fall asleep.
    """
    start, rounds = time.perf_counter(), []
    while len(rounds) < repeats and (len(rounds) < 3 or time.perf_counter() - start < limit):
        row = []
        for function in functions:
            time.sleep(pause)
            row.append(function())
        rounds.append(row)
    return np.array(rounds)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="One rank of several, which `experiments.benchmark` starts.")
    parser.add_argument("setting", type=json.loads, help="the values of a Setting, as JSON")
    parser.add_argument("n_updates", type=int)
    options = parser.parse_args()
    _one_rank(Setting(*options.setting), options.n_updates)
