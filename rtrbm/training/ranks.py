"""Training by several processes (MPI ranks): each takes a share of the minibatch, and one sum makes one gradient.

A communicator of None stands for this process alone. mpi4py is imported only if there is a communicator.
"""

import math
import os
import sys
import time

import numpy as np

from ..compute.threads import slices

LAUNCHED = ("PMI_SIZE", "PMIX_SIZE", "OMPI_COMM_WORLD_SIZE", "MPI_LOCALNRANKS")
PATIENCE = 20  # seconds
PARTS = 4


def world():
    """The communicator of all processes that mpiexec started together; None if it did not start this one.

    Raises
    ------
    ValueError
        If there are several processes, and mpi4py is missing.
    """
    launched = [int(os.environ[name]) for name in LAUNCHED if name in os.environ]
    if not launched:
        return None
    try:
        return _mpi().COMM_WORLD
    except ImportError:
        if max(launched) == 1:
            return None
        raise ValueError("several processes were started, which needs mpi4py: install rtrbm[mpi]") from None


def check_comm(comm):
    """Raise TypeError unless `comm` is None or an MPI communicator."""
    if comm is not None and not hasattr(comm, "Allreduce"):
        raise TypeError(f"comm must be None or an mpi4py communicator, got {type(comm).__name__}")


def is_first(comm):
    """Whether this is the rank that logs and writes."""
    return comm is None or comm.rank == 0


def on_this_machine(comm):
    """The number of ranks that share this machine's processors."""
    if comm is None:
        return 1
    local = comm.Split_type(_mpi().COMM_TYPE_SHARED)
    try:
        return local.size
    finally:
        local.Free()


def check_enough(sequences, comm):
    """Raise a ValueError if there are fewer sequences than ranks."""
    if comm is not None and len(sequences) < comm.size:
        n = len(sequences)
        raise ValueError(f"comm must have at most as many ranks as a minibatch has sequences, {n}, got {comm.size}")


def share(sequences, comm):
    """This rank's parts of a minibatch, each some consecutive sequences.

    Sums over a minibatch are taken part by part, and then pairwise (`total`). 1, 2 and 4 ranks have the same `PARTS`
    parts, if there are as many sequences, so that their sums round alike; other numbers of ranks cut otherwise. Without
    a communicator all is one part.

    Parameters
    ----------
    sequences : array or list
        The same on every rank.
    comm : communicator or None

    Returns
    -------
    list of (part, first)
        `first` is the number of the part's first sequence in the minibatch. Empty on some ranks if there are fewer
        sequences than ranks, in a small minibatch of an epoch say.
    """
    if comm is None:
        return [(sequences, 0)]
    n = len(sequences)
    parts = slices(n, min(n, math.lcm(PARTS, comm.size)))
    return [(sequences[part], part.start) for part in parts[slices(len(parts), comm.size)[comm.rank]]]


def n_gradients(comm):
    """How many gradients a rank holds at most: one of each of its parts, and their sum."""
    return 1 if comm is None else 1 + -(-PARTS // comm.size)


def same(value, comm):
    """The first rank's value of something that is to be the same on every rank."""
    return value if comm is None else comm.bcast(value)


def together(function, comm):
    """Call `function` on every rank; if it fails on one it fails on all.

    Raises
    ------
    Exception
        That of this rank; RuntimeError on the others, which names the rank and its error.
    KeyboardInterrupt
        On all ranks, if Ctrl-C reached one of them.
    """
    if comm is None:
        return function()
    result = error = None
    try:
        result = function()
    except (Exception, KeyboardInterrupt) as caught:
        error = caught
    _agree(error, comm)
    return result


def of_first(function, comm):
    """What `function` returns on the first rank, where alone it is called; if it fails it fails on all (`together`)."""
    return same(together(function if is_first(comm) else bool, comm), comm)


def check_same(values, comm):
    """Raise a ValueError on all ranks unless the dict that `values` returns is the same on every rank."""
    if comm is None:
        return
    own = values()
    first = comm.bcast(own)
    different = comm.allgather([name for name in first if own[name] != first[name]])
    for rank, names in enumerate(different):
        if names:
            raise ValueError(
                "all ranks must train the same model on the same data, "
                f"rank {rank} differs from rank 0 in: {', '.join(names)}"
            )


def meet(comm):
    """Wait for all ranks before leaving with an error: mpiexec ends every rank as soon as the first has left.

    If they do not come within PATIENCE seconds, the error was this rank's alone, and all are ended from here.
    """
    if comm is None:
        return
    sys.stderr.flush()
    arrival, deadline = comm.Ibarrier(), time.monotonic() + PATIENCE
    while not arrival.Test():
        if time.monotonic() > deadline:
            comm.Abort(1)
        time.sleep(0.01)


def any_of(flag, comm):
    """Whether the flag is set on any rank."""
    return flag if comm is None else any(comm.allgather(flag))


def largest(number, comm):
    """The largest of a number of every rank."""
    return number if comm is None else max(comm.allgather(number))


def total(function, like, comm):
    """The sum over the parts of all ranks of the arrays that `function` returns, in one Allreduce of one flat buffer.

    Parameters
    ----------
    function : callable () -> list of lists of ndarray
        The arrays of each part of this rank, if it has any; they may be overwritten.
    like : list of ndarray
        Arrays of the shapes and dtype of those to come.
    comm : communicator or None

    Returns
    -------
    list of ndarray

    Raises
    ------
    Exception
        As `together`.
    """
    if comm is None:
        return _pairwise(function())
    flat = np.zeros(sum(a.size for a in like) + 1, like[0].dtype)
    sums, start = [], 0
    for a in like:
        sums.append(flat[start : start + a.size].reshape(a.shape))
        start += a.size
    error = None
    try:
        parts = function()
        for part, a in zip(sums, _pairwise(parts) if parts else ()):
            part[...] = a
    except Exception as caught:
        error, flat[-1] = caught, 1
    comm.Allreduce(_mpi().IN_PLACE, flat)
    if flat[-1] != 0:
        _agree(error, comm)
    return sums


def _pairwise(parts):
    """The sum of the first half and that of the second, added; in place."""
    if len(parts) == 1:
        return parts[0]
    half = len(parts) // 2
    total = _pairwise(parts[:half])
    for a, b in zip(total, _pairwise(parts[half:])):
        a += b
    return total


def _mpi():
    from mpi4py import MPI

    return MPI


def _agree(error, comm):
    """Raise if any rank has an error: its own on that rank, a report of it on the others."""
    report = None if error is None else f"{type(error).__name__}: {error}"
    reports = comm.allgather((report, isinstance(error, KeyboardInterrupt)))
    if error is not None:
        raise error
    if any(interrupted for _, interrupted in reports):
        raise KeyboardInterrupt
    for rank, (report, _) in enumerate(reports):
        if report is not None:
            raise RuntimeError(f"rank {rank} failed: {report}")
