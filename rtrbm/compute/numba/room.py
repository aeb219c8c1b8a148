"""What an update works on: sizes, places in flat arrays, and the buffers of a tile, some sequences of a minibatch.

Rows of a tile are its frames, packed as in `rtrbm.minibatches.sequences`: sequence s of frame t is row start[t] + s.
Layers are padded to whole vectors.
"""

from typing import NamedTuple

import numpy as np
from numba.extending import register_jitable

from .board import APART
from .buffers import beyond, kept_as, taking
from .chain import Scratch
from .compiled import inner
from .dense import MOST
from .dense import ROWS as MULTIPLIED
from .lookups import AT_ONCE, CHUNKS, TABLES, UNITS, n_groups_of
from .vectors import LINE, WIDTH, up_to

ROWS = 400  # whose chains run together, at most
CACHED = 2**18  # numbers of U that stay in a processor's second-level cache
SHARERS = 64  # threads that share a step, at most
SEQUENCES = 4  # of a tile, at most: they share the numbers of U that are in registers


class Size(NamedTuple):
    """V, H : units; m : taps; k : steps of the chain; dynamic, bptt, sample_visible : settings of the model."""

    V: int
    H: int
    m: int
    k: int
    dynamic: bool
    bptt: bool
    sample_visible: bool


class Places(NamedTuple):
    """Where each array begins in a flat buffer: matrices, then biases.

    In a buffer of sums there follow, from `end` on, v, h, active, the sums of v, <h> and h_pos, and rest, the squared
    error and the number of frames that count.
    """

    W: int
    U: int
    U_v: int
    A: int
    C: int
    b_v: int
    b_h: int
    b_init: int
    b_v_init: int
    end: int
    v: int
    h: int
    active: int
    rest: int


class Data(NamedTuple):
    """A minibatch.

    v : frames, in a flat array; starts, apart : rows of it where each frame of the longest sequence lies, and from each
    rank to the next; batch_sizes, order, n_warm : of its layout, the sequence of each rank and the frames of each
    sequence that do not count; n_frames : of the longest sequence; n_sequences; number : of the first sequence; key :
    of the update (`rtrbm.compute.numba.hashing.key_of`); low : the first tile of a call, of n_tiles in all.
    """

    v: np.ndarray
    starts: np.ndarray
    apart: int
    batch_sizes: np.ndarray
    order: np.ndarray
    n_warm: np.ndarray
    n_frames: int
    n_sequences: int
    number: int
    key: int
    low: int
    n_tiles: int


class Packed(NamedTuple):
    """Matrices packed for all tiles of an update: up and down, W and its transpose; ahead and back, U and its."""

    up: np.ndarray
    down: np.ndarray
    ahead: np.ndarray
    back: np.ndarray


class Model(NamedTuple):
    """size : Size; at : Places; params : flat array; packed : table of one row, the addresses of a Packed."""

    size: Size
    at: Places
    params: np.ndarray
    packed: np.ndarray


class Room(NamedTuple):
    """Buffers of a tile. Rows of floats are padded to whole vectors; `later` and `earlier` are rows of other frames.

    counts : the numbers of rows and of frames, and whether most numbers of the frames are 0; steps : those that threads
    share, the tile's and others' (`rtrbm.compute.numba.board.next_part`). panels : those of v
    (of <v> before); states : those of r. x becomes total, and bias_h d, then states: they share their memory.
    """

    counts: np.ndarray
    steps: np.ndarray
    start: np.ndarray
    alive: np.ndarray
    sequence: np.ndarray
    frame: np.ndarray
    source: np.ndarray
    warm: np.ndarray
    identity: np.ndarray
    earlier: np.ndarray
    later: np.ndarray
    keys: np.ndarray
    starts: np.ndarray
    columns: np.ndarray
    values: np.ndarray
    starts_t: np.ndarray
    rows_t: np.ndarray
    values_t: np.ndarray
    shifted: np.ndarray
    matrix: np.ndarray
    panels: np.ndarray
    states: np.ndarray
    v: np.ndarray
    on: np.ndarray
    on_h: np.ndarray
    x: np.ndarray
    r: np.ndarray
    bias_h: np.ndarray
    bias_v: np.ndarray
    h_neg: np.ndarray
    d: np.ndarray
    total: np.ndarray
    c_v: np.ndarray
    patterns: np.ndarray


class Task(NamedTuple):
    """All that an update works on.

    data : Data; model : Model; rooms, scratches : tables of addresses, for each thread those of a Room and of a
    Scratch; sums : flat, those of each of n_sums tiles (`sums_at`), or, of W and U, those of all in the first place
    (`adds_tiles`).
    """

    data: Data
    model: Model
    rooms: np.ndarray
    scratches: np.ndarray
    sums: np.ndarray
    n_sums: int


class Job(NamedTuple):
    """What threads share: a step of eq. 3.25 for some tiles, whose parts are tiles, or columns, or rows of one tile.

    low, n : tiles low to low + n - 1, in rooms from `first` on; n_parts : of columns or rows; task : the address of a
    Task (`task_at`).
    """

    low: int
    first: int
    n: int
    n_parts: int
    task: int


def new_room(size, n_rows, n_frames):
    """Room and Scratch for tiles of so many rows and frames."""
    V, H, m, k, dynamic, bptt, sample_visible = size
    V_p, H_p = up_to(V, WIDTH), up_to(H, WIDTH)
    n_v, n_h = n_groups_of(V), n_groups_of(H)
    padded = UNITS * up_to(-(-n_rows // UNITS), CHUNKS[-1]) + 1  # rows, with those of zeros behind
    rows = bool(m or dynamic)
    n_listed = int(MOST * n_rows * V) + V

    def numbers(n, dtype=np.intp):
        return np.zeros(n, dtype)

    def flags(n, beyond):
        return np.zeros(n + UNITS * beyond + 2 * AT_ONCE, np.uint8)

    x, bias = new_floats((n_rows + 1) * H_p), new_floats(max((n_rows + 1) * H_p, n_rows * (H + MULTIPLIED)))
    matrix = max(dynamic * max(V_p * H, H_p * V), bool(m) * max(V_p, H_p) * V)
    room = Room(
        counts=numbers(3), steps=numbers(APART * SHARERS), start=numbers(n_frames + 1), alive=numbers(n_frames + 1),
        sequence=numbers(n_rows), frame=numbers(n_rows), source=numbers(n_rows), warm=numbers(n_rows, np.uint8),
        identity=np.arange(max(n_rows, V)), earlier=numbers(n_rows), later=numbers(n_rows),
        keys=numbers(n_rows, np.uint64), starts=numbers(n_rows + 1), columns=numbers(n_listed, np.uint32),
        values=new_floats(n_listed), starts_t=numbers(V + 1), rows_t=numbers(n_listed, np.uint32),
        values_t=new_floats(n_listed), shifted=numbers(n_listed if m else 0, np.uint32), matrix=new_floats(matrix),
        panels=new_floats(n_rows * (V + MULTIPLIED)), states=bias, v=new_floats(n_rows * V),
        on=flags(padded * V_p, n_v), on_h=flags(n_rows * H_p, n_h), x=x, r=new_floats(n_rows * H_p), bias_h=bias,
        bias_v=new_floats(n_rows * V_p if rows else V_p), h_neg=new_floats(padded * H_p), d=bias, total=x,
        c_v=new_floats((n_rows + 1) * V_p if rows or not sample_visible else 0),
        patterns=flags(padded // UNITS * up_to(V, AT_ONCE), 0),
    )  # fmt: skip
    most = min(n_rows, ROWS)
    scratch = Scratch(
        patterns=flags(most * up_to(max(n_v, n_h), AT_ONCE), 0),
        tables=new_floats(TABLES), sums=new_floats(max(n_rows, V) * WIDTH), words=numbers(3 * most, np.uint32),
    )  # fmt: skip
    return room, scratch


def new_packed(V, H):
    """Packed matrices of a model of so many units."""
    V_p, H_p = up_to(V, WIDTH), up_to(H, WIDTH)
    up, down = new_floats(H_p * UNITS * n_groups_of(V)), new_floats(V_p * UNITS * n_groups_of(H))
    return Packed(up, down, new_floats(H_p * H), new_floats(H_p * H))


def new_floats(n):
    """A buffer of zeros that begins with a line of the cache; a part that is never used is never there."""
    a = np.zeros(n + WIDTH + LINE, np.float32)
    return a[(-a.ctypes.data // 4) % LINE :][: n + WIDTH]


def _smallest():
    """A Room and a Scratch of the types that all have."""
    return new_room(Size(1, 1, 0, 1, False, True, True), 1, 1)


room_at, scratch_at = taking(lambda: _smallest()[0]), taking(lambda: _smallest()[1])
packed_at = taking(lambda: new_packed(1, 1))


def an_update():
    """A Task of the types that all have."""
    some, none, table, one = np.zeros(1, np.intp), np.zeros(0, np.float32), np.zeros((1, 1), np.intp), 1
    data = Data(none, some, one, some, some, some, one, one, one, np.uint64(0), one, one)
    model = Model(Size(1, 1, 0, 1, False, True, True), Places(*range(len(Places._fields))), none, table)
    return Task(data, model, table, table, none, one)


task_at = kept_as(an_update)


@inner
def sums_at(task, i):
    """The sums of a tile."""
    return beyond(task.sums, i * (task.model.at.rest + WIDTH))


@register_jitable
def takes_tiles(n_tiles, H):
    """Whether every thread takes tiles of its own; if not, all share the steps of each."""
    return n_tiles > 1 and H * H <= CACHED


@register_jitable
def adds_tiles(n_tiles, size):
    """Whether each tile adds its sums of W and U to those of the tiles before, in the first row."""
    return size.sample_visible and not takes_tiles(n_tiles, size.H)


@inner
def reads_as_it_lies(data, H):
    """Whether the backward pass reads U as it lies: a large one, read for single rows, takes longer to be packed."""
    return data.n_sequences == 1 and H * H > CACHED


@inner
def reads_back(t):
    """Whether frame t reads U from its end: it finds in the cache what the frame before has read last."""
    return t % 2 == 1


@inner
def turns_of(t, low, high, n_tiles, H):
    """The turns in which frame t reads blocks low to high - 1 of U: the range of their first blocks, and their size.

    Several tiles find the columns of a turn in the cache.
    """
    all_at_once = n_tiles == 1 and H * H <= CACHED
    size = max(1, high - low) if all_at_once else 2
    if reads_back(t):
        return low + (high - low - 1) // size * size, low - 1, -size, size
    return low, high, size, size


@inner
def part_of(n, part, n_parts):
    """Where a part of n rows, or blocks of columns, begins and ends."""
    return n * part // n_parts, n * (part + 1) // n_parts


@inner
def place_rows(batch_sizes, longest, low, step, room):
    """Rows of the tile of sequences low, low + step, ..., counted from the longest; their number and that of frames."""
    n_rows = n_frames = 0
    for t in range(longest):
        n = -((low - batch_sizes[t]) // step)
        if n <= 0:
            break
        room.start[t], room.alive[t] = n_rows, n
        for s in range(n):
            room.sequence[n_rows], room.frame[n_rows] = low + s * step, t
            n_rows += 1
        n_frames = t + 1
    room.start[n_frames], room.alive[n_frames] = n_rows, 0
    return n_rows, n_frames


@inner
def shift(n_rows, n_frames, delay, room):
    """earlier, later <- the rows so many frames before and after; below 0, and n_rows, where there is none."""
    for i in range(n_rows):
        t = room.frame[i]
        s = i - room.start[t]
        room.earlier[i] = room.start[t - delay] + s if t >= delay else -1
        room.later[i] = room.start[t + delay] + s if t + delay < n_frames and s < room.alive[t + delay] else n_rows
