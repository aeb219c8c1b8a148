"""Eq. 3.25 for all tiles of a minibatch in one call: from frames to sums of the gradient, without the interpreter.

As `rtrbm.gradient` with the RTRBM's conditioner (`rtrbm.models.rtrbm`), binary units and contrastive divergence, which
specify it. Helpers (`rtrbm.compute.numba.crew`) take whole tiles. If there is one tile, or if U is so large that all
had to read it for tiles of their own, they share its steps instead. The sums are the same bits in any case.
"""

import functools

import numpy as np

from .backward import compare, finish, pack_states, statistics_of_frames, statistics_of_states, step_back
from .board import APART, callable_from_python, door, end_part, new_board, next_part, share
from .buffers import keep
from .chain import Chains, contrastive_divergence, looks_up, n_blocks_of, sample_half_step
from .compiled import inner, shared
from .forward import bias_visible_units, step_ahead, take_frames, take_rows
from .lookups import UNITS, n_groups_of, pack, pack_transposed
from .room import (
    ROWS,
    SHARERS,
    Job,
    an_update,
    packed_at,
    part_of,
    reads_as_it_lies,
    room_at,
    scratch_at,
    takes_tiles,
    task_at,
)
from .vectors import WIDTH, up_to

SHARED = 2**17  # numbers of U of which a step of the recurrence is worth sharing
COLUMNS = 128  # of a step that are worth a thread
MATRICES = 4
TABLE, WAIT = 48, 500  # look-ups that take as long as a table, and as threads that wait for one another


@shared
def pack_matrix(part, worker, job):
    """packed <- one of the matrices of these parameters, if it is read packed."""
    task = task_at(job.task)
    size, at, params, table = task.model
    V, H, packed = size.V, size.H, packed_at(table, 0)
    if part == 3:
        pack_transposed(params, at.W, V, H, UNITS * n_groups_of(H), packed.down)
    elif part == 2 and not reads_as_it_lies(task.data, H):
        pack_transposed(params, at.U, H, H, H, packed.back)
    elif part == 1:
        pack(params, at.W, V, H, UNITS * n_groups_of(V), packed.up)
    elif part == 0:
        pack(params, at.U, H, H, H, packed.ahead)


@inner
def _chains_of(task, room):
    """The chains of a tile, from r (Algorithm 1) to v_neg and h_neg."""
    (V, H, m, k, dynamic, _, sample_visible), packed = task.model.size, packed_at(task.model.packed, 0)
    stride_v = up_to(V, WIDTH) if m > 0 or dynamic else 0
    return Chains(
        V, H, k, sample_visible, packed.up, packed.down, room.r, room.bias_v, stride_v, room.bias_h, room.keys, 0,
        room.on, room.on_h, room.c_v, room.h_neg,
    )  # fmt: skip


@shared
def run_chains(part, worker, job):
    """The chains of some rows of a tile."""
    task = task_at(job.task)
    room, scratch = room_at(task.rooms, job.first), scratch_at(task.scratches, worker)
    chains, (low, high) = _chains_of(task, room), part_of(room.counts[0], part, job.n_parts)
    for first in range(low, high, ROWS):
        contrastive_divergence(chains, first, min(ROWS, high - first), scratch)


@shared
def step_chains(part, worker, job):
    """The chains of a tile; threads share the columns of each half-step, or its rows if it looks up no sums."""
    task, n_parts = task_at(job.task), job.n_parts
    room, scratch = room_at(task.rooms, job.first), scratch_at(task.scratches, worker)
    chains = _chains_of(task, room)
    for number in range(2 * chains.k + 1):
        mine, n_blocks = next_part(room.steps, number, part, n_parts), n_blocks_of(number, chains)
        while mine >= 0:
            low, high = 0, room.counts[0]
            if not looks_up(number, chains):
                low, high = part_of(high, mine, n_parts)
            first_block, last_block = part_of(n_blocks, mine, n_parts)
            for first in range(low, high, ROWS):
                n_rows = min(ROWS, high - first)
                sample_half_step(number, chains, first, n_rows, first_block, last_block, scratch)
            end_part(room.steps, number, mine)
            mine = next_part(room.steps, number, part, n_parts)


@inner
def shares_columns(V, H, n_rows, n_parts):
    """Whether threads share the columns of every half-step of chains, or all half-steps of some rows.

    With columns each makes half of the tables, but all wait for one another after every half-step.
    """
    by_rows = by_columns = 0
    for n_in, n_out in ((V, H), (H, V)):
        n_groups, n_blocks = n_groups_of(n_in), -(-n_out // WIDTH)
        by_rows += n_groups * n_blocks * (TABLE + -(-n_rows // n_parts))
        by_columns += n_groups * -(-n_blocks // n_parts) * (TABLE + n_rows) + WAIT
    return n_parts > 1 and by_columns < by_rows


def most_threads(n_tiles, H):
    """The number of threads that have something to do."""
    return n_tiles if takes_tiles(n_tiles, H) else min(max(2, H // COLUMNS), SHARERS)


STEPS = (
    pack_matrix, take_frames, take_rows, step_ahead, bias_visible_units, run_chains, step_chains, compare, step_back,
    statistics_of_frames, pack_states, statistics_of_states, finish,
)  # fmt: skip
(PACK, TAKE_FRAMES, TAKE_ROWS, STEP_AHEAD, BIAS_VISIBLE, CHAINS, STEP_CHAINS, COMPARE, STEP_BACK, OF_FRAMES,
 PACK_STATES, OF_STATES, FINISH, ALL) = range(len(STEPS) + 1)  # fmt: skip


@inner
def begin_steps(job):
    """No step has begun."""
    steps = room_at(task_at(job.task).rooms, job.first).steps
    for part in range(job.n_parts):
        steps[APART * part] = 0


@inner
def _share_steps(board, worker, address, job):
    """`share` what goes step by step."""
    begin_steps(job)
    share(board, worker, address, job, job.n_parts)


@shared
def go_through(part, worker, job):
    """All steps of eq. 3.25 for tiles low to low + n - 1, in rooms from the first one on, shared by some threads.

    If one thread works on one tile, this is a part of what is shared: tile `part`, in the room of this thread.
    """
    board, doors, low, first, n, n_workers, address = job
    task = task_at(address)
    size = task.model.size
    if n_workers == 1:
        low, first = low + part, first + worker
    tiles, n_parts = Job(low, first, n, 1, address), n_workers if size.H**2 >= SHARED else 1
    columns = Job(low, first, n, n_parts, address)
    share(board, worker, doors[TAKE_FRAMES], tiles, n)
    for i in range(n):
        share(board, worker, doors[TAKE_ROWS], Job(low + i, first + i, 1, n_workers, address), n_workers)
    _share_steps(board, worker, doors[STEP_AHEAD], columns)
    if size.dynamic:
        share(board, worker, doors[BIAS_VISIBLE], tiles, n)
    for i in range(n):
        tile, n_rows = Job(low + i, first + i, 1, n_workers, address), room_at(task.rooms, first + i).counts[0]
        if shares_columns(size.V, size.H, n_rows, n_workers):
            _share_steps(board, worker, doors[STEP_CHAINS], tile)
        else:
            share(board, worker, doors[CHAINS], tile, n_workers)
    share(board, worker, doors[COMPARE], tiles, n)
    _share_steps(board, worker, doors[STEP_BACK], columns)
    for i in range(n):
        tile = Job(low + i, first + i, 1, n_workers, address)
        share(board, worker, doors[OF_FRAMES], tile, n_workers)
        share(board, worker, doors[PACK_STATES], tile, 1)
        share(board, worker, doors[OF_STATES], tile, n_workers)
    share(board, worker, doors[FINISH], tiles, n)


@shared
def _find_sums(part, worker, job):
    """task.sums <- those of its tiles; job : (board, doors, n_workers, task). It is worker 0, on whatever thread."""
    board, doors, n_workers, task = job
    address, n_tiles = keep(task), task.n_sums
    share(board, 0, doors[PACK], Job(0, 0, n_tiles, 1, address), MATRICES)
    if takes_tiles(n_tiles, task.model.size.H):
        share(board, 0, doors[ALL], (board, doors, 0, 0, 1, 1, address), n_tiles)
        return
    for low in range(0, n_tiles, n_workers):
        n = min(n_workers, n_tiles - low)
        share(board, 0, doors[ALL], (board, doors, low, 0, n, n_workers, address), 1)


@functools.cache
def call_of_sums():
    """What finds the sums of tiles, called (board, aside, (board, doors, n_workers, task)), and these doors."""
    board, some, one = new_board(), np.zeros(1, np.intp), 1
    steps = [door(function, one, one, Job(one, one, one, one, one)) for function in STEPS]
    doors = np.array([*steps, door(go_through, one, one, (board, some, one, one, one, one, one))])
    return callable_from_python(_find_sums, board, doors, one, an_update()), doors
