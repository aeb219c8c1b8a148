"""Eqs. 3.23 to 3.25 for a tile: from the ends of its chains to its sums of the gradient."""

import numpy as np

from .board import end_part, next_part
from .compiled import inner, shared
from .dense import add_few, add_gram, add_listed, add_row_back, pack_panels, put
from .forward import add_beside
from .hashing import from_bytes
from .lookups import AT_ONCE, CHUNKS, UNITS, find_patterns_of_rows, look_up_gram, pack_transposed
from .room import (
    adds_tiles,
    packed_at,
    part_of,
    reads_as_it_lies,
    reads_back,
    room_at,
    scratch_at,
    shift,
    sums_at,
    task_at,
    turns_of,
)
from .vectors import (
    WIDTH,
    add,
    clear,
    first,
    load,
    load_part,
    multiply,
    multiply_add,
    store,
    store_part,
    subtract,
    total,
    up_to,
    wide,
    zeros,
)

_1 = np.float32(1)


@shared
def compare(part, worker, job):
    """sums <- those of v - <v>; e_t <- what b_v,t+1 sends back to r_t; for a tile."""
    task = task_at(job.task)
    room, scratch = room_at(task.rooms, job.first + part), scratch_at(task.scratches, worker)
    sums, (size, at, params, _) = sums_at(task, job.low + part), task.model
    V, H, Vp, Hp = size.V, size.H, up_to(size.V, WIDTH), up_to(size.H, WIDTH)
    n_rows, n_frames, rows = room.counts[0], room.counts[1], size.m > 0 or size.dynamic
    clear(sums, at.b_v, at.rest + 2 - at.b_v)
    _forget_warm(n_rows, size.sample_visible, Vp, Hp, room)
    if not size.sample_visible:  # c_v holds <v>
        pack_panels(room.c_v, 0, n_rows, Vp, V, room.panels)
        add_gram(room.panels, n_rows, 0, V, room.h_neg, 0, Hp, H, 0, Hp // WIDTH, n_rows, -_1, True, scratch.sums,
                 sums, at.W)  # fmt: skip
    _visible_differences(task.data.v, n_rows, size.sample_visible, rows, V, Vp, at, room, sums)
    clear(room.x, 0, n_rows * Hp)
    if size.bptt and size.dynamic:  # the derivative with respect to r_{t-1} through b_v,t
        pack_transposed(params, at.U_v, H, V, V, room.matrix)
        add_beside(room.c_v, Vp, V, -1, room.x, Hp, n_rows, n_frames, room)
    if not room.counts[2]:
        pack_panels(room.v, 0, n_rows, V, V, room.panels)
    if size.sample_visible:
        n_groups = up_to(-(-n_rows // UNITS), CHUNKS[-1])
        clear(room.h_neg, n_rows * Hp, (UNITS * n_groups - n_rows) * Hp)
        find_patterns_of_rows(room.on, Vp, V, n_groups, room.patterns, up_to(V, AT_ONCE))


@inner
def go_back(t, first, last, alone, model, U_t, room):
    """d_t = r_t (1 - r_t) (e_t + (d_{t+1} + c_{t+1}) U^T) (eq. 3.23), in columns of blocks first to last - 1.

    e_t is in room.x; room.total <- d_t + c_t, room.d <- d_t + r_t.
    """
    wide()
    H, Hp, bptt = model.size.H, up_to(model.size.H, WIDTH), model.size.bptt
    e, r, h_neg, d, b = room.x, room.r, room.h_neg, room.d, room.total
    to, n = room.start[t] * Hp, room.alive[t + 1]
    if bptt and n and alone:
        end = min(last * WIDTH, H)
        add_row_back(b, room.start[t + 1] * Hp, H, model.params, model.at.U, first * WIDTH, end, e, to)  # eq. 3.23
    elif bptt and n:
        add_few(b, room.start[t + 1] * Hp, n, Hp, H, U_t, H, first, last, reads_back(t), e, to, Hp)  # eq. 3.23
    for row in range(room.alive[t]):
        warm = room.warm[room.start[t] + row]
        for i in range(to + row * Hp + first * WIDTH, to + row * Hp + last * WIDTH, WIDTH):
            p, x = load(r, i), zeros()
            if bptt:
                x = multiply(load(e, i), subtract(p, multiply(p, p)))  # d_t
            if warm:
                store(d, i, zeros())
                store(b, i, zeros())
            else:
                store(d, i, add(x, p))
                store(b, i, add(x, subtract(p, load(h_neg, i))))


@shared
def step_back(part, worker, job):
    """`go_back` for all frames of some tiles, from the last to the first; threads share the columns of each."""
    task, n_parts = task_at(job.task), job.n_parts
    model, steps, n_frames = task.model, room_at(task.rooms, job.first).steps, task.data.n_frames
    n_blocks, U_t = -(-model.size.H // WIDTH), packed_at(model.packed, 0).back
    alone = reads_as_it_lies(task.data, model.size.H)
    for step in range(n_frames):
        mine, t = next_part(steps, step, part, n_parts), n_frames - 1 - step
        while mine >= 0:
            low, high = part_of(n_blocks, mine, n_parts)
            begin, end, apart, n = turns_of(t, low, high, job.n, model.size.H)
            for block in range(begin, end, apart):
                for i in range(job.first, job.first + job.n):
                    room = room_at(task.rooms, i)
                    if t < room.counts[1]:
                        go_back(t, block, min(block + n, high), alone, model, U_t, room)
            end_part(steps, step, mine)
            mine = next_part(steps, step, part, n_parts)


@shared
def statistics_of_frames(part, worker, job):
    """Columns of the derivative with respect to W, v^T (h_pos + d) - v_neg^T h_neg (eq. 3.25), for a tile.

    If the visible units are not sampled, `compare` has set them to - <v>^T h_neg.
    """
    wide()
    task = task_at(job.task)
    n_parts, (begins, sums) = job.n_parts, _sums_of(task, job.low)
    room, scratch = room_at(task.rooms, job.first), scratch_at(task.scratches, worker)
    size, at_W = task.model.size, task.model.at.W
    V, H, Hp = size.V, size.H, up_to(size.H, WIDTH)
    n_rows, few, n_blocks = room.counts[0], room.counts[2] > 0, Hp // WIDTH
    low, high = part_of(n_blocks, part, n_parts)
    n_groups = up_to(-(-n_rows // UNITS), CHUNKS[-1])
    for begin in range(low, high, 2):  # two blocks at a time, which stay in the cache
        end = min(begin + 2, high)
        if size.sample_visible:
            for block in range(begin, end):
                look_up_gram(room.patterns, V, up_to(V, AT_ONCE), room.h_neg, Hp, block, n_groups, scratch.tables,
                             scratch.sums)  # fmt: skip
                for unit in range(V):
                    to, x, n = at_W + unit * H + block * WIDTH, load(scratch.sums, unit * WIDTH), H - block * WIDTH
                    put(sums, to, x, -_1, begins, n)  # eq. 3.25
        if few:
            add_listed(room.starts_t, room.rows_t, room.values_t, room.identity, 0, V, room.d, Hp, WIDTH, H, begin, end,
                       False, sums, at_W, H)  # eq. 3.25  # fmt: skip
        else:
            add_gram(room.panels, n_rows, 0, V, room.d, 0, Hp, H, begin, end, n_rows, _1, False, scratch.sums, sums,
                     at_W)  # eq. 3.25  # fmt: skip


@shared
def pack_states(part, worker, job):
    """states <- r, in the place of d, which is no longer needed."""
    task = task_at(job.task)
    H, room = task.model.size.H, room_at(task.rooms, job.first + part)
    pack_panels(room.r, 0, room.counts[0], up_to(H, WIDTH), H, room.states)


@shared
def statistics_of_states(part, worker, job):
    """Columns of the derivative with respect to U (eq. 3.24), for a tile."""
    task = task_at(job.task)
    n_parts, (begins, sums) = job.n_parts, _sums_of(task, job.low)
    model, room, block = task.model, room_at(task.rooms, job.first), scratch_at(task.scratches, worker).sums
    H, Hp, n_rows, n_frames = model.size.H, up_to(model.size.H, WIDTH), room.counts[0], room.counts[1]
    low, high = part_of(Hp // WIDTH, part, n_parts)
    _add_past_gram(1, room.states, H, room.total, Hp, H, low, high, n_rows, n_frames, begins, room, block, sums,
                   model.at.U)  # eq. 3.24  # fmt: skip


@shared
def finish(part, worker, job):
    """sums += the derivatives of all but W and U, for a tile."""
    task = task_at(job.task)
    room, block = room_at(task.rooms, job.first + part), scratch_at(task.scratches, worker).sums
    sums, size, at = sums_at(task, job.low + part), task.model.size, task.model.at
    n_rows, n_frames, few = room.counts[0], room.counts[1], room.counts[2] > 0
    V, H, Vp, Hp = size.V, size.H, up_to(size.V, WIDTH), up_to(size.H, WIDTH)
    if size.dynamic:
        _add_past_gram(1, room.states, H, room.c_v, Vp, V, 0, Vp // WIDTH, n_rows, n_frames, True, room, block, sums,
                       at.U_v)  # fmt: skip
    for m in range(size.m):
        _sum_tap(few, m + 1, n_rows, n_frames, V, V, Vp, room.c_v, room, block, sums, at.A + m * V * V)
        _sum_tap(few, m + 1, n_rows, n_frames, V, H, Hp, room.total, room, block, sums, at.C + m * V * H)
    _hidden_sums(n_rows, H, Hp, at, room, sums)
    if size.m:
        _first_rows(n_frames, size.m, room.c_v, Vp, V, room, sums, at.b_v_init)
    _first_rows(n_frames, max(1, size.m), room.total, Hp, H, room, sums, at.b_init)


@inner
def _sums_of(task, tile):
    """Whether a tile's sums of W and U are the first where they go, and that place."""
    first = 0 if adds_tiles(task.n_sums, task.model.size) else tile
    return first == tile, sums_at(task, first)


@inner
def _forget_warm(n_rows, sample_visible, Vp, Hp, room):
    """The chains of frames that only warm the state up do not count."""
    for i in range(n_rows):
        if room.warm[i]:
            clear(room.h_neg, i * Hp, Hp)
            if sample_visible:
                clear(room.on, i * Vp, Vp)
            else:
                clear(room.c_v, i * Vp, Vp)


@inner
def _visible_differences(frames, n_rows, sample_visible, rows, V, Vp, at, room, sums):
    """c_v = v - <v>, its sum, that of v, the squared error and the number of frames that count."""
    wide()
    n_counted, squares = 0, 0.0  # of many frames, which single precision does not count
    for i in range(n_rows):
        if room.warm[i]:
            if rows:
                clear(room.c_v, i * Vp, Vp)
            continue
        error = zeros()
        for j in range(0, V, WIDTH):
            n = V - j
            v = load_part(frames, room.source[i] * V + j, n)
            mean = from_bytes(room.on, i * Vp + j) if sample_visible else load(room.c_v, i * Vp + j)
            c = first(subtract(v, mean), n)
            if rows:
                store(room.c_v, i * Vp + j, c)
            error = multiply_add(c, c, error)
            store_part(sums, at.b_v + j, add(load_part(sums, at.b_v + j, n), c), n)
            store_part(sums, at.v + j, add(load_part(sums, at.v + j, n), v), n)
        n_counted += 1
        squares += total(error)
    sums[at.rest], sums[at.rest + 1] = np.float32(squares), np.float32(n_counted)


@inner
def _add_past_gram(delay, a, n_in, d, stride_d, n_out, first, last, n_rows, n_frames, begins, room, block, out, at):
    """A matrix, from number `at` of out on, += the sum over frames of a_{t-delay}^T d_t (`put`), a in panels."""
    if room.alive[n_frames - 1] == room.alive[0]:  # all of one length
        n = n_rows - room.start[delay] if n_frames > delay else 0
        add_gram(a, n_rows, 0, n_in, d, room.start[min(delay, n_frames)] * stride_d, stride_d, n_out, first, last, n,
                 _1, begins, block, out, at)  # fmt: skip
        return
    if begins:
        for unit in range(n_in):
            clear(out, at + unit * n_out + first * WIDTH, min(last * WIDTH, n_out) - first * WIDTH)
    for t in range(delay, n_frames):
        add_gram(a, n_rows, room.start[t - delay], n_in, d, room.start[t] * stride_d, stride_d, n_out, first, last,
                 room.alive[t], _1, False, block, out, at)  # fmt: skip


@inner
def _sum_tap(few, delay, n_rows, n_frames, V, n_out, stride, d, room, block, out, at):
    """A tap, from number `at` of out on, <- the sum over frames of v_{t-delay}^T d_t; 0 if there is none."""
    n_blocks = -(-n_out // WIDTH)
    if not few:
        _add_past_gram(delay, room.panels, V, d, stride, n_out, 0, n_blocks, n_rows, n_frames, True, room, block, out,
                       at)  # fmt: skip
        return
    shift(n_rows, n_frames, delay, room)
    clear(d, n_rows * stride, stride)
    for i in range(room.starts_t[V]):
        room.shifted[i] = room.later[room.rows_t[i]]
    add_listed(room.starts_t, room.shifted, room.values_t, room.identity, 0, V, d, stride, WIDTH, n_out, 0, n_blocks,
               True, out, at, n_out)  # fmt: skip


@inner
def _hidden_sums(n_rows, H, Hp, at, room, sums):
    """Sums over rows of d + c, <h> and h_pos."""
    wide()
    for j in range(0, H, WIDTH):
        d, h, active = zeros(), zeros(), zeros()
        for i in range(n_rows):
            d = add(d, load(room.total, i * Hp + j))
            h = add(h, load(room.h_neg, i * Hp + j))
            if not room.warm[i]:
                active = add(active, load(room.r, i * Hp + j))
        store_part(sums, at.b_h + j, d, H - j)
        store_part(sums, at.h + j, h, H - j)
        store_part(sums, at.active + j, active, H - j)


@inner
def _first_rows(n_frames, n_init, d, stride, n, room, sums, at):
    """Derivatives with respect to the biases of the first frames."""
    wide()
    for t in range(min(n_init, n_frames)):
        for i in range(room.start[t], room.start[t] + room.alive[t]):
            for j in range(0, n, WIDTH):
                to = at + t * n + j
                store_part(sums, to, add(load_part(sums, to, n - j), load(d, i * stride + j)), n - j)
