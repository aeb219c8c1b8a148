"""Eq. 3.20 for a tile: from frames to the biases and states r of the recurrence."""

from .board import end_part, next_part
from .compiled import inner, shared
from .dense import add_few, add_listed, add_product, list_by_columns, list_numbers
from .exponential import sigmoid
from .hashing import mixed
from .lookups import UNITS, n_groups_of, pack
from .room import packed_at, part_of, place_rows, reads_back, room_at, shift, task_at, turns_of
from .vectors import WIDTH, add, clear, load, load_part, store, store_part, up_to, wide


@shared
def take_frames(part, worker, job):
    """From frames to their lists and the biases (eq. 3.20), for a tile.

    The biases lack what r_{t-1} adds to them. The sequences of tile n are n, n + n_tiles, ..., from the longest on, n
    counted from the first tile of this call.
    """
    wide()
    task = task_at(job.task)
    data, (size, at, params, _) = task.data, task.model
    room = room_at(task.rooms, job.first + part)
    V, H, Hp = size.V, size.H, up_to(size.H, WIDTH)
    n_rows, n_frames = place_rows(data.batch_sizes, data.n_frames, data.low + job.low + part, data.n_tiles, room)
    for row in range(n_rows):
        rank, t = room.sequence[row], room.frame[row]
        sequence = data.order[rank]
        room.keys[row] = mixed(mixed(data.key, data.number + sequence), t - data.n_warm[sequence])
        room.warm[row] = t < data.n_warm[sequence]
        room.source[row] = data.starts[t] + rank * data.apart
    few = list_numbers(data.v, room.source, n_rows, V, room.starts, room.columns, room.values)
    room.counts[0], room.counts[1], room.counts[2] = n_rows, n_frames, few
    if few:
        list_by_columns(n_rows, V, room.starts, room.columns, room.values, room.starts_t, room.rows_t, room.values_t)
    else:
        for row in range(n_rows):
            for j in range(0, V, WIDTH):
                store_part(room.v, row * V + j, load_part(data.v, room.source[row] * V + j, V - j), V - j)
    _constant_bias(params, at.b_h, at.b_init, max(1, size.m), H, n_frames, room, room.bias_h)
    if size.m or size.dynamic:
        _constant_bias(params, at.b_v, at.b_v_init, size.m, V, n_frames, room, room.bias_v)
    else:
        for j in range(0, V, WIDTH):
            store(room.bias_v, j, load_part(params, at.b_v + j, V - j))
    for m in range(min(size.m, n_frames - 1)):
        shift(n_rows, n_frames, m + 1, room)
        low_row = room.start[m + 1]
        pack(params, at.A + m * V * V, V, V, V, room.matrix)
        _add_frames(few, room.earlier, low_row, n_rows, room.matrix, V, V, V, room.bias_v, up_to(V, WIDTH), room)
        pack(params, at.C + m * V * H, V, H, V, room.matrix)
        _add_frames(few, room.earlier, low_row, n_rows, room.matrix, V, V, H, room.bias_h, Hp, room)


@shared
def take_rows(part, worker, job):
    """x_t <- v_t W, in a part of the rows of a tile."""
    task = task_at(job.task)
    room, size, W = room_at(task.rooms, job.first), task.model.size, packed_at(task.model.packed, 0).up
    V, H, n_rows, few = size.V, size.H, room.counts[0], room.counts[2] > 0
    Hp, (low, high) = up_to(H, WIDTH), part_of(n_rows, part, job.n_parts)
    clear(room.x, low * Hp, (high - low) * Hp)
    _add_frames(few, room.identity, low, high, W, V, UNITS * n_groups_of(V), H, room.x, Hp, room)


@inner
def go_ahead(t, first, last, H, U, room):
    """Columns of blocks first to last - 1: r_t <- sigmoid(x_t + b_t), b_t <- b_t + r_{t-1} U (eq. 3.20)."""
    wide()
    Hp = up_to(H, WIDTH)
    x, r, bias, to, n = room.x, room.r, room.bias_h, room.start[t] * Hp, room.alive[t]
    if t:
        add_few(r, room.start[t - 1] * Hp, n, Hp, H, U, H, first, last, reads_back(t), bias, to, Hp)
    for row in range(n):
        for i in range(to + row * Hp + first * WIDTH, to + row * Hp + last * WIDTH, WIDTH):
            store(r, i, sigmoid(add(load(x, i), load(bias, i))))  # eq. 3.20


@shared
def step_ahead(part, worker, job):
    """`go_ahead` for all frames of some tiles; threads share the columns of each."""
    task, n_parts = task_at(job.task), job.n_parts
    steps, H, U = room_at(task.rooms, job.first).steps, task.model.size.H, packed_at(task.model.packed, 0).ahead
    n_blocks = -(-H // WIDTH)
    for t in range(task.data.n_frames):
        mine = next_part(steps, t, part, n_parts)
        while mine >= 0:
            low, high = part_of(n_blocks, mine, n_parts)
            begin, end, apart, n = turns_of(t, low, high, job.n, H)
            for block in range(begin, end, apart):
                for i in range(job.first, job.first + job.n):
                    room = room_at(task.rooms, i)
                    if t < room.counts[1]:
                        go_ahead(t, block, min(block + n, high), H, U, room)
            end_part(steps, t, mine)
            mine = next_part(steps, t, part, n_parts)


@shared
def bias_visible_units(part, worker, job):
    """b_v,t <- b_v,t + r_{t-1} U_v, for a tile."""
    task = task_at(job.task)
    (size, at, params, _), room = task.model, room_at(task.rooms, job.first + part)
    pack(params, at.U_v, size.H, size.V, size.H, room.matrix)
    V_p, H_p, (n_rows, n_frames) = up_to(size.V, WIDTH), up_to(size.H, WIDTH), (room.counts[0], room.counts[1])
    add_beside(room.r, H_p, size.H, 1, room.bias_v, V_p, n_rows, n_frames, room)


@inner
def _add_frames(few, lists, low, high, W, n_in, n_units, n_out, out, stride, room):
    """Rows low to high - 1 of out += frames times the packed W: row i takes the frame lists[i]."""
    n_blocks = -(-n_out // WIDTH)
    if few:
        add_listed(room.starts, room.columns, room.values, lists, low, high, W, WIDTH, n_units * WIDTH,
                   n_blocks * WIDTH, 0, n_blocks, False, out, 0, stride)  # fmt: skip
        return
    i = low
    while i < high:
        j = i + 1
        while j < high and lists[j] == lists[j - 1] + 1:
            j += 1
        add_product(room.v, lists[i] * n_in, j - i, n_in, n_in, W, n_units, n_blocks, out, i * stride, stride)
        i = j


@inner
def add_beside(a, stride_a, n_in, delay, out, stride, n_rows, n_frames, room):
    """Rows of out of frame t += those of a of frame t - delay, 1 or -1, times the matrix in room.matrix."""
    n_blocks = stride // WIDTH
    if room.alive[n_frames - 1] == room.alive[0]:  # all of one length
        n = n_rows - room.alive[0]
        fr, to = (0, room.alive[0]) if delay > 0 else (room.alive[0], 0)
        add_product(a, fr * stride_a, n, stride_a, n_in, room.matrix, n_in, n_blocks, out, to * stride, stride)
        return
    for t in range(1, n_frames):  # sequences that have ended are left out
        fr, to = (room.start[t - 1], room.start[t]) if delay > 0 else (room.start[t], room.start[t - 1])
        add_product(a, fr * stride_a, room.alive[t], stride_a, n_in, room.matrix, n_in, n_blocks, out, to * stride,
                    stride)  # fmt: skip


@inner
def _constant_bias(params, constant, init, n_init, n, n_frames, room, bias):
    """bias <- the constant one, plus those of the first frames; rows are padded with zeros."""
    wide()
    n_p = up_to(n, WIDTH)
    for t in range(n_frames):
        for i in range(room.start[t], room.start[t] + room.alive[t]):
            for j in range(0, n, WIDTH):
                x = load_part(params, constant + j, n - j)
                if t < n_init:
                    x = add(x, load_part(params, init + t * n + j, n - j))
                store(bias, i * n_p + j, x)
