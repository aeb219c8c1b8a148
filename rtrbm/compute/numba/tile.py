"""Eq. 3.25 for a tile, some sequences of a minibatch: from frames to sums of the gradient, without the interpreter.

As `rtrbm.gradient` with the RTRBM's conditioner (`rtrbm.models.rtrbm`), binary units and contrastive divergence, which
specify it. Rows of the tile are its frames, packed as in `rtrbm.minibatches.sequences`: sequence s of frame t is row
start[t] + s. Layers are padded to whole vectors.
"""

from typing import NamedTuple

import numpy as np

from .chain import contrastive_divergence
from .compiled import compiled, inner
from .dense import add_few, add_gram, add_listed, add_product, list_by_columns, list_numbers, pack_panels
from .exponential import sigmoid
from .hashing import from_bytes, mixed
from .lookups import CHUNKS, UNITS, find_patterns_of_rows, look_up_gram, n_groups_of, pack, pack_transposed
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

ROWS = 400  # whose chains run together, at most
SEQUENCES = 4  # of a tile, at most: they share the numbers of U that are in registers
BEGIN, CHAIN, END = 1, 2, 4
_0, _1 = np.float32(0), np.float32(1)


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


class Packed(NamedTuple):
    """Matrices packed for all tiles of an update: up and down, W and its transpose; ahead and back, U and its."""

    up: np.ndarray
    down: np.ndarray
    ahead: np.ndarray
    back: np.ndarray


class Room(NamedTuple):
    """Buffers of a tile. Rows of floats are padded with zeros; `later` and `earlier` are rows of other frames.

    counts : the numbers of rows and of frames, and whether most numbers of the frames are 0. x becomes total, and
    bias_h d: they share their memory.
    """

    counts: np.ndarray
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
    block: np.ndarray
    v: np.ndarray
    on: np.ndarray
    x: np.ndarray
    r: np.ndarray
    bias_h: np.ndarray
    bias_v: np.ndarray
    h_neg: np.ndarray
    d: np.ndarray
    total: np.ndarray
    c_v: np.ndarray
    patterns: np.ndarray


@inner
def place_rows(batch_sizes, low, step, room):
    """Rows of the tile of sequences low, low + step, ..., counted from the longest; their number and that of frames."""
    n_rows = n_frames = 0
    for t in range(len(batch_sizes)):
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
def _shift(n_rows, n_frames, delay, room):
    """earlier, later <- the rows so many frames before and after; below 0, and n_rows, where there is none."""
    for i in range(n_rows):
        t = room.frame[i]
        s = i - room.start[t]
        room.earlier[i] = room.start[t - delay] + s if t >= delay else -1
        room.later[i] = room.start[t + delay] + s if t + delay < n_frames and s < room.alive[t + delay] else n_rows


@inner
def begin(v, starts, batch_sizes, order, n_warm, low, step, number, key, size, at, params, packed, room):
    """From frames to r and the biases (eq. 3.20)."""
    wide()
    V, H, Vp, Hp = size.V, size.H, up_to(size.V, WIDTH), up_to(size.H, WIDTH)
    n_rows, n_frames = place_rows(batch_sizes, low, step, room)
    for i in range(n_rows):
        rank = room.sequence[i]
        sequence = order[rank]
        room.keys[i] = mixed(mixed(key, number + sequence), room.frame[i] - n_warm[sequence])
        room.warm[i] = room.frame[i] < n_warm[sequence]
        room.source[i] = starts[room.frame[i]] + rank
    few = list_numbers(v, room.source, n_rows, V, room.starts, room.columns, room.values)
    if few:
        list_by_columns(n_rows, V, room.starts, room.columns, room.values, room.starts_t, room.rows_t, room.values_t)
    else:
        for i in range(n_rows):
            for j in range(0, V, WIDTH):
                store_part(room.v, i * V + j, load_part(v, room.source[i] * V + j, V - j), V - j)
    clear(room.x, 0, n_rows * Hp)
    _add_frames(few, room.identity, 0, n_rows, packed.up, V, UNITS * n_groups_of(V), H, room.x, Hp, room)  # v_t W
    _constant_bias(params, at.b_h, at.b_init, max(1, size.m), H, n_frames, room, room.bias_h)
    if size.m or size.dynamic:
        _constant_bias(params, at.b_v, at.b_v_init, size.m, V, n_frames, room, room.bias_v)
    else:
        for j in range(0, V, WIDTH):
            store(room.bias_v, j, load_part(params, at.b_v + j, V - j))
    for n in range(min(size.m, n_frames - 1)):
        _shift(n_rows, n_frames, n + 1, room)
        low_row = room.start[n + 1]
        pack(params, at.A + n * V * V, V, V, V, room.matrix)
        _add_frames(few, room.earlier, low_row, n_rows, room.matrix, V, V, V, room.bias_v, Vp, room)
        pack(params, at.C + n * V * H, V, H, V, room.matrix)
        _add_frames(few, room.earlier, low_row, n_rows, room.matrix, V, V, H, room.bias_h, Hp, room)
    _recurrence(n_frames, H, Hp, packed, room)
    if size.dynamic:
        pack(params, at.U_v, H, V, H, room.matrix)
        _add_beside(room.r, Hp, H, 1, room.bias_v, Vp, n_rows, n_frames, room)
    room.counts[0], room.counts[1], room.counts[2] = n_rows, n_frames, few


@inner
def _add_frames(few, lists, low, high, W, n_in, n_units, n_out, out, stride, room):
    """Rows low to high - 1 of out += frames times the packed W: row i takes the frame lists[i]."""
    n_blocks = -(-n_out // WIDTH)
    if few:
        add_listed(room.starts, room.columns, room.values, lists, low, high, W, WIDTH, n_units * WIDTH,
                   n_blocks * WIDTH, _1, out, 0, stride)  # fmt: skip
        return
    i = low
    while i < high:
        j = i + 1
        while j < high and lists[j] == lists[j - 1] + 1:
            j += 1
        add_product(room.v, lists[i] * n_in, j - i, n_in, n_in, W, n_units, n_blocks, out, i * stride, stride)
        i = j


@inner
def _add_beside(a, stride_a, n_in, delay, out, stride, n_rows, n_frames, room):
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


@inner
def _recurrence(n_frames, H, Hp, packed, room):
    """r_t <- sigmoid(x_t + b_t), b_t <- b_t + r_{t-1} U (eq. 3.20)."""
    wide()
    x, r, bias = room.x, room.r, room.bias_h
    for t in range(n_frames):
        to, n = room.start[t] * Hp, room.alive[t]
        if t:
            add_few(r, room.start[t - 1] * Hp, n, Hp, H, packed.ahead, H, Hp // WIDTH, bias, to, Hp)
        for i in range(to, to + n * Hp, WIDTH):
            store(r, i, sigmoid(add(load(x, i), load(bias, i))))  # eq. 3.20


@inner
def negative(low, n, size, packed, room, scratch):
    """The chain of rows low to low + n - 1, from r (Algorithm 1): v_neg and h_neg."""
    stride_v = up_to(size.V, WIDTH) if size.m > 0 or size.dynamic else 0
    contrastive_divergence(
        room.r, low, n, size.V, size.H, size.k, size.sample_visible, packed.up, packed.down, room.bias_v, stride_v,
        room.bias_h, room.keys, room.on, room.c_v, room.h_neg, scratch,
    )  # fmt: skip


@inner
def end(v, size, at, params, packed, room, scratch, sums):
    """From the chain's ends to sums: the backward pass (eq. 3.23), then every part of the gradient (3.24, 3.25)."""
    wide()
    V, H, Vp, Hp = size.V, size.H, up_to(size.V, WIDTH), up_to(size.H, WIDTH)
    rows = size.m > 0 or size.dynamic
    n_rows, n_frames, few = room.counts[0], room.counts[1], room.counts[2] > 0
    clear(sums, 0, at.rest + 2)
    _forget_warm(n_rows, size.sample_visible, Vp, Hp, room)
    if not size.sample_visible:  # c_v holds <v>
        pack_panels(room.c_v, 0, n_rows, Vp, V, room.panels)
        add_gram(room.panels, n_rows, 0, V, room.h_neg, 0, Hp, H, n_rows, -_1, room.block, sums, at.W)
    _visible_differences(v, n_rows, size.sample_visible, rows, V, Vp, at, room, sums)
    clear(room.x, 0, n_rows * Hp)
    if size.bptt and size.dynamic:  # the derivative with respect to r_{t-1} through b_v,t
        pack_transposed(params, at.U_v, H, V, V, room.matrix)
        _add_beside(room.c_v, Vp, V, -1, room.x, Hp, n_rows, n_frames, room)
    _backward(n_frames, size.bptt, H, Hp, packed, room)  # eq. 3.23
    _statistics(few, n_rows, size.sample_visible, V, Vp, H, Hp, room, scratch, sums, at.W)
    pack_panels(room.r, 0, n_rows, Hp, H, room.panels)
    _add_past_gram(1, H, room.total, Hp, H, n_rows, n_frames, room, sums, at.U)  # eq. 3.24
    if size.dynamic:
        _add_past_gram(1, H, room.c_v, Vp, V, n_rows, n_frames, room, sums, at.U_v)
    if size.m and not few:
        pack_panels(room.v, 0, n_rows, V, V, room.panels)
    for n in range(min(size.m, n_frames - 1)):
        _add_tap(few, n + 1, n_rows, n_frames, V, V, Vp, room.c_v, room, sums, at.A + n * V * V)
        _add_tap(few, n + 1, n_rows, n_frames, V, H, Hp, room.total, room, sums, at.C + n * V * H)
    _hidden_sums(n_rows, H, Hp, at, room, sums)
    if size.m:
        _first_rows(n_frames, size.m, room.c_v, Vp, V, room, sums, at.b_v_init)
    _first_rows(n_frames, max(1, size.m), room.total, Hp, H, room, sums, at.b_init)


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
    error = zeros()
    for i in range(n_rows):
        if room.warm[i]:
            if rows:
                clear(room.c_v, i * Vp, Vp)
            continue
        sums[at.rest + 1] += _1
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
    sums[at.rest] = total(error)


@inner
def _backward(n_frames, bptt, H, Hp, packed, room):
    """d_t <- r_t (1 - r_t) (e_t + (d_{t+1} + c_{t+1}) U^T), e_t in x; total <- d + c, d <- d + r (eq. 3.23)."""
    wide()
    e, r, h_neg, d, b = room.x, room.r, room.h_neg, room.d, room.total
    for t in range(n_frames - 1, -1, -1):
        to, n = room.start[t] * Hp, room.alive[t + 1]
        if bptt and n:
            add_few(b, room.start[t + 1] * Hp, n, Hp, H, packed.back, H, Hp // WIDTH, e, to, Hp)  # eq. 3.23
        for i in range(to, to + room.alive[t] * Hp, WIDTH):
            p, x = load(r, i), zeros()
            if bptt:
                x = multiply(load(e, i), subtract(p, multiply(p, p)))
            store(d, i, add(x, p))
            store(b, i, add(x, subtract(p, load(h_neg, i))))
        for s in range(room.alive[t]):
            i = room.start[t] + s
            if room.warm[i]:
                clear(d, i * Hp, Hp)
                clear(b, i * Hp, Hp)


@inner
def _statistics(few, n_rows, sample_visible, V, Vp, H, Hp, room, scratch, sums, at_W):
    """The derivative with respect to W += v^T (h_pos + d) - v_neg^T h_neg (eq. 3.25)."""
    wide()
    if few:
        add_listed(
            room.starts_t, room.rows_t, room.values_t, room.identity, 0, V, room.d, Hp, WIDTH, H, _1, sums, at_W, H
        )
    else:
        pack_panels(room.v, 0, n_rows, V, V, room.panels)
        add_gram(room.panels, n_rows, 0, V, room.d, 0, Hp, H, n_rows, _1, room.block, sums, at_W)
    if not sample_visible:
        return
    n_groups = up_to(-(-n_rows // UNITS), CHUNKS[-1])
    clear(room.h_neg, n_rows * Hp, (UNITS * n_groups - n_rows) * Hp)
    stride_p = up_to(V, 32)
    find_patterns_of_rows(room.on, Vp, V, n_groups, room.patterns, stride_p)
    for block in range(Hp // WIDTH):
        look_up_gram(room.patterns, V, stride_p, room.h_neg, Hp, block, n_groups, scratch.tables, scratch.sums)
        left = H - block * WIDTH
        for i in range(V):
            to = at_W + i * H + block * WIDTH
            x = subtract(load_part(sums, to, left), load(scratch.sums, i * WIDTH))
            store_part(sums, to, x, left)


@inner
def _add_past_gram(delay, n_in, d, stride_d, n_out, n_rows, n_frames, room, out, at):
    """A matrix, from number `at` of out on, += the sum over frames of a_{t-delay}^T d_t, a in room.panels."""
    if room.alive[n_frames - 1] == room.alive[0]:  # all of one length
        n = n_rows - room.start[delay] if n_frames > delay else 0
        add_gram(room.panels, n_rows, 0, n_in, d, room.start[min(delay, n_frames)] * stride_d, stride_d, n_out, n, _1,
                 room.block, out, at)  # fmt: skip
        return
    for t in range(delay, n_frames):
        add_gram(room.panels, n_rows, room.start[t - delay], n_in, d, room.start[t] * stride_d, stride_d, n_out,
                 room.alive[t], _1, room.block, out, at)  # fmt: skip


@inner
def _add_tap(few, delay, n_rows, n_frames, V, n_out, stride, d, room, out, at):
    """A tap, from number `at` of out on, += the sum over frames of v_{t-delay}^T d_t."""
    if not few:
        _add_past_gram(delay, V, d, stride, n_out, n_rows, n_frames, room, out, at)
        return
    _shift(n_rows, n_frames, delay, room)
    clear(d, n_rows * stride, stride)
    for i in range(room.starts_t[V]):
        room.shifted[i] = room.later[room.rows_t[i]]
    add_listed(
        room.starts_t, room.shifted, room.values_t, room.identity, 0, V, d, stride, WIDTH, n_out, _1, out, at, n_out
    )


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


@compiled
def pack_all(size, at, params, packed):
    """packed <- the matrices of these parameters."""
    V, H = size.V, size.H
    pack(params, at.W, V, H, UNITS * n_groups_of(V), packed.up)
    pack_transposed(params, at.W, V, H, UNITS * n_groups_of(H), packed.down)
    pack(params, at.U, H, H, H, packed.ahead)
    pack_transposed(params, at.U, H, H, H, packed.back)


@compiled
def tile(stages, low_row, high_row, v, starts, batch_sizes, order, n_warm, low, step, number, key, size, at, params,
         packed, room, scratch, sums):  # fmt: skip
    """sums <- those of the sequences low, low + step, ..., counted from the longest.

    stages : of BEGIN, CHAIN and END those to go through, CHAIN with rows low_row to high_row - 1; v : packed frames of
    the minibatch, in a flat array; starts, batch_sizes, order, n_warm : of its layout, the sequence of each rank and
    the frames of each sequence that do not count; number : of the first sequence; key : of the update
    (`rtrbm.compute.numba.hashing.key_of`); size : Size; at : Places; params : flat array.
    """
    if stages & BEGIN:
        begin(v, starts, batch_sizes, order, n_warm, low, step, number, key, size, at, params, packed, room)
    if stages & CHAIN:
        high_row = min(high_row, room.counts[0])
        for first_row in range(low_row, high_row, ROWS):
            negative(first_row, min(ROWS, high_row - first_row), size, packed, room, scratch)
    if stages & END:
        end(v, size, at, params, packed, room, scratch, sums)
