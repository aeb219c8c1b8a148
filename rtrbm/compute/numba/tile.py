"""Eq. 3.25 for all tiles of a minibatch in one call: from frames to sums of the gradient, without the interpreter.

As `rtrbm.gradient` with the RTRBM's conditioner (`rtrbm.models.rtrbm`), binary units and contrastive divergence, which
specify it. Helpers (`rtrbm.compute.numba.crew`) take whole tiles. If there is one tile, or if U is so large that all
had to read it for tiles of their own, they share its steps instead. The sums are the same bits in any case.
"""

import functools

import numpy as np

from .backward import compare, finish, pack_states, statistics_of_frames, statistics_of_states, step_back
from .board import compile_for, door, new_board, share
from .chain import contrastive_divergence
from .compiled import compiled, shared
from .forward import bias_visible_units, step_ahead, take_frames, take_rows
from .lookups import UNITS, n_groups_of, pack, pack_transposed
from .room import ROWS, Data, Job, Model, Places, Size, Task, packed_at, part_of, room_at, scratch_at, takes_tiles
from .vectors import WIDTH, up_to

SHARED = 2**17  # numbers of U of which a step of the recurrence is worth sharing
COLUMNS = 128  # of a step that are worth a thread
MATRICES = 4


@shared
def pack_matrix(part, worker, job):
    """packed <- one of the matrices of these parameters."""
    model = job.task.model
    V, H, at, params, packed = model.size.V, model.size.H, model.at, model.params, packed_at(model.packed, 0)
    if part == 3:
        pack_transposed(params, at.W, V, H, UNITS * n_groups_of(H), packed.down)
    elif part == 2:
        pack_transposed(params, at.U, H, H, H, packed.back)
    elif part == 1:
        pack(params, at.W, V, H, UNITS * n_groups_of(V), packed.up)
    else:
        pack(params, at.U, H, H, H, packed.ahead)


@shared
def run_chains(part, worker, job):
    """The chains of some rows of a tile, from r (Algorithm 1): v_neg and h_neg."""
    task, room = job.task, room_at(job.task.rooms, job.first)
    size, packed, n_rows, n_parts = task.model.size, packed_at(task.model.packed, 0), room.counts[0], job.n_parts
    stride_v = up_to(size.V, WIDTH) if size.m > 0 or size.dynamic else 0
    (low, high), scratch = part_of(n_rows, part, n_parts), scratch_at(task.scratches, worker)
    for first in range(low, high, ROWS):
        contrastive_divergence(
            room.r, first, min(ROWS, high - first), size.V, size.H, size.k, size.sample_visible, packed.up, packed.down,
            room.bias_v, stride_v, room.bias_h, room.keys, 0, room.on, room.c_v, room.h_neg, scratch,
        )  # fmt: skip


def most_threads(n_tiles, H):
    """The number of threads that have something to do."""
    return n_tiles if takes_tiles(n_tiles, H) else max(2, H // COLUMNS)


STEPS = (
    pack_matrix, take_frames, take_rows, step_ahead, bias_visible_units, run_chains, compare, step_back,
    statistics_of_frames, pack_states, statistics_of_states, finish,
)  # fmt: skip
(PACK, TAKE_FRAMES, TAKE_ROWS, STEP_AHEAD, BIAS_VISIBLE, CHAINS, COMPARE, STEP_BACK, OF_FRAMES, PACK_STATES, OF_STATES,
 FINISH, ALL) = range(len(STEPS) + 1)  # fmt: skip


@shared
def go_through(part, worker, job):
    """All steps of eq. 3.25 for tiles low to low + n - 1, in rooms from the first one on, shared by some threads.

    If one thread works on one tile, this is a part of what is shared: tile `part`, in the room of this thread.
    """
    board, doors, low, first, n, n_workers, task = job
    size, n_frames = task.model.size, len(task.data.starts)
    if n_workers == 1:
        low, first = low + part, first + worker
    tiles, n_parts = Job(low, first, n, 1, 0, n_frames, task), n_workers if size.H**2 >= SHARED else 1
    at_once = 1 if n_parts > 1 else n_frames
    share(board, worker, doors[TAKE_FRAMES], tiles, n)
    for i in range(n):
        share(board, worker, doors[TAKE_ROWS], Job(low + i, first + i, 1, n_workers, 0, n_frames, task), n_workers)
    for t in range(0, n_frames, at_once):
        share(board, worker, doors[STEP_AHEAD], Job(low, first, n, n_parts, t, t + at_once, task), n_parts)
    if size.dynamic:
        share(board, worker, doors[BIAS_VISIBLE], tiles, n)
    for i in range(n):
        share(board, worker, doors[CHAINS], Job(low + i, first + i, 1, n_workers, 0, n_frames, task), n_workers)
    share(board, worker, doors[COMPARE], tiles, n)
    for t in range(n_frames - at_once, -1, -at_once):
        share(board, worker, doors[STEP_BACK], Job(low, first, n, n_parts, t, t + at_once, task), n_parts)
    for i in range(n):
        tile = Job(low + i, first + i, 1, n_workers, 0, n_frames, task)
        share(board, worker, doors[OF_FRAMES], tile, n_workers)
        share(board, worker, doors[PACK_STATES], tile, 1)
        share(board, worker, doors[OF_STATES], tile, n_workers)
    share(board, worker, doors[FINISH], tiles, n)


@compiled
def find_sums(board, n_workers, doors, task):
    """task.sums <- those of as many tiles as there are rows.

    board, n_workers : of `rtrbm.compute.numba.crew.helped`; doors : `doors_of_steps`; task : Task.
    """
    n_tiles = len(task.sums)
    share(board, 0, doors[PACK], Job(0, 0, n_tiles, 1, 0, 0, task), MATRICES)
    if takes_tiles(n_tiles, task.model.size.H):
        share(board, 0, doors[ALL], (board, doors, 0, 0, 1, 1, task), n_tiles)
        return
    for low in range(0, n_tiles, n_workers):
        n = min(n_workers, n_tiles - low)
        share(board, 0, doors[ALL], (board, doors, low, 0, n, n_workers, task), 1)


@functools.cache
def doors_of_steps():
    """The doors of all that is shared, in their order."""
    some, none, table, one = np.zeros(1, np.intp), np.zeros(0, np.float32), np.zeros((1, 1), np.intp), 1
    data = Data(none, some, some, some, some, one, np.uint64(0), one, one)
    model = Model(Size(1, 1, 0, 1, False, True, True), Places(*range(len(Places._fields))), none, table)
    task = Task(data, model, table, table, np.zeros((1, 1), np.float32))
    steps = [door(function, one, one, Job(one, one, one, one, one, one, task)) for function in STEPS]
    doors = np.array([*steps, door(go_through, one, one, (new_board(), some, one, one, one, one, task))])
    compile_for(find_sums, new_board(), one, doors, task)
    return doors
