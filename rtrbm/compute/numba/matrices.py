"""Products of matrices of any numbers, whose rows threads share (`rtrbm.compute.numba.crew`)."""

import functools
from typing import NamedTuple

import numpy as np

from ..threads import worth
from .board import callable_from_python, door, new_board, share
from .compiled import shared
from .crew import helped
from .dense import ROWS, add_product
from .lookups import pack_block
from .vectors import WIDTH, aligned, clear, fill, load, multiply, store_part, up_to, wide

AT_ONCE = 4 * ROWS  # rows of a task: few enough that threads have equal parts


class Factors(NamedTuple):
    """out = factor a b, with a (n_rows, n_in) and b (n_in, n_out), all of them flat.

    packed : b in blocks of columns (`rtrbm.compute.numba.lookups.pack`); sums : (n_workers, ...), buffers.
    """

    a: np.ndarray
    b: np.ndarray
    out: np.ndarray
    factor: float
    packed: np.ndarray
    sums: np.ndarray
    n_in: int
    n_out: int


def multiply_scaled(a, b, factor, out, n_jobs):
    """out <- factor a b.

    Parameters
    ----------
    a, b, out : contiguous ndarrays of float32
    factor : float
    n_jobs : int or None
    """
    n_rows, (n_in, n_out) = len(a), b.shape
    n_parts, stride = -(-n_rows // AT_ONCE), up_to(n_out, WIDTH)
    multiply, doors = _call_of_product()
    with helped(worth(a.size * n_out, n_jobs), n_parts) as (board, n_workers):
        sums = aligned(n_workers * AT_ONCE * stride).reshape(n_workers, -1)
        flat = (x.reshape(-1) for x in (a, b, out))
        job = Factors(*flat, float(factor), aligned(n_in * stride), sums, n_in, n_out)
        multiply(board, False, (board, doors, n_parts, job))


@shared
def _pack_block(block, worker, job):
    pack_block(block, job.b, 0, job.n_in, job.n_out, job.n_in, job.packed)


@shared
def _multiply_rows(part, worker, job):
    wide()
    n_in, n_out, sums, factor = job.n_in, job.n_out, job.sums[worker], fill(np.float32(job.factor))
    low, stride = part * AT_ONCE, up_to(n_out, WIDTH)
    n_rows = min(AT_ONCE, len(job.out) // n_out - low)
    clear(sums, 0, n_rows * stride)
    add_product(job.a, low * n_in, n_rows, n_in, n_in, job.packed, n_in, stride // WIDTH, sums, 0, stride)
    for i in range(n_rows):
        for j in range(0, n_out, WIDTH):
            store_part(job.out, (low + i) * n_out + j, multiply(factor, load(sums, i * stride + j)), n_out - j)


@shared
def _multiply(part, worker, given):
    board, doors, n_parts, job = given
    share(board, 0, doors[0], job, up_to(job.n_out, WIDTH) // WIDTH)
    share(board, 0, doors[1], job, n_parts)


@functools.cache
def _call_of_product():
    """What multiplies, called (board, False, (board, doors, n_parts, factors)), and these doors."""
    flat = np.zeros(1, np.float32)
    job = Factors(flat, flat, flat, 1.0, flat, np.zeros((1, 1), np.float32), 1, 1)
    doors = np.array([door(function, 1, 1, job) for function in (_pack_block, _multiply_rows)])
    return callable_from_python(_multiply, new_board(), doors, 1, job), doors
