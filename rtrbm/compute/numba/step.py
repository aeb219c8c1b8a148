"""From the sums of all tiles to new parameters: norm, centring, penalties, the optimiser's step, in one pass.

As `rtrbm.training.loop._climb`, which specifies it. Matrices are cut into slices of rows, which threads share; what
slices contribute to sums is added in their order.
"""

import functools
from typing import NamedTuple

import numpy as np

from ..engine import NEGLIGIBLE
from .board import callable_from_python, door, new_board, share
from .compiled import compiled, inner, optimised, shared
from .room import Places
from .vectors import (
    LINE,
    WIDTH,
    add,
    divide,
    fill,
    first,
    load_part,
    multiply,
    multiply_add,
    root,
    sign,
    store_part,
    store_past,
    subtract,
    total,
    wait_for_stores,
    wide,
    zeros,
)

_0, _NEGLIGIBLE = np.float32(0), np.float32(NEGLIGIBLE)


# Columns of a table of slices, each some rows of a matrix (of one tap): where the matrix begins; its rows; its columns;
# where the means of its source begin, the bias that it adds to, the biases of first frames, how many of these stand in
# for it; and, for W, where the derivative of the bias on its other side begins, else -1.
AT, LOW, HIGH, N_OUT, SOURCE, BIAS, INIT, N_INIT, OTHER = range(9)
SETTLE, ROWS, MOVE, BIASES = 1, 2, 4, 8
BEYOND = 2**21  # parameters, old and new, with their sums, that leave a processor's caches before they are read again
PIECE = 2**16  # numbers whose squares are added up in single precision


class Rates(NamedTuple):
    """What an update makes of a gradient.

    max_norm : the largest norm of a gradient per frame that is not clipped; centres, centres_hidden : whether steps are
    centred, and whether with the means of the hidden units too; weight_decay, l1, sparsity_cost, sparsity_target : of
    the penalties; adam : which optimiser; decay, square_decay, epsilon, rate : its settings
    (`rtrbm.compute.engine.adam_block`; decay and rate of momentum); directed : whether matrices step along
    `State.square` instead, at the rate `along`.
    """

    max_norm: float
    centres: bool
    centres_hidden: bool
    weight_decay: float
    l1: float
    sparsity_cost: float
    sparsity_target: float
    adam: bool
    decay: float
    square_decay: float
    epsilon: float
    rate: float
    directed: bool
    along: float


KINDS = tuple(Rates.__annotations__.values())


class Scales(NamedTuple):
    """scale : of the sums over frames; inverse : 1 / the number of frames."""

    scale: float
    inverse: float


class State(NamedTuple):
    """Flat arrays of a training: parameters, and the sums of the optimiser (square is empty for momentum).

    If matrices are directed, square has their directions.
    """

    params: np.ndarray
    sums: np.ndarray
    square: np.ndarray


@inner
def _add_up(sums, low, high):
    wide()
    flat = sums[0]
    for tile in range(1, len(sums)):
        more = sums[tile]
        for i in range(low, high, WIDTH):
            store_part(flat, i, add(load_part(flat, i, high - i), load_part(more, i, high - i)), high - i)


@inner
def _squares(sums, n_tiles, low, high):
    wide()
    found = zeros()
    for i in range(low, high, WIDTH):
        x = zeros()
        for tile in range(n_tiles):
            x = add(x, load_part(sums[tile], i, high - i))
        found = multiply_add(x, x, found)
    return total(found)


@compiled
def add_up(sums, low, high):
    """sums[0] <- the sum over tiles, from number low to high - 1."""
    _add_up(sums, low, high)


@inner
def squares(sums, added, low, high):
    """The sum of squares of the sums over tiles, from number low to high - 1, piece by piece.

    added : the numbers before this one are added up in the first row.
    """
    found = 0.0
    for begin, end, n in ((low, min(added, high), 1), (max(low, added), high, len(sums))):
        for piece in range(begin, end, PIECE):
            found += _squares(sums, n, piece, min(piece + PIECE, end))
    return found


@inner
def _find_scales(sums, added, at, max_norm):
    """The scales of the sums over tiles, the squared error of all frames and their number."""
    error, n_frames = 0.0, 0.0
    for tile in range(len(sums)):
        error += sums[tile, at.rest]
        n_frames += sums[tile, at.rest + 1]
    scale = 1 / n_frames
    if max_norm < np.inf:
        norm = np.sqrt(squares(sums, added, 0, at.end)) / n_frames
        if norm > max_norm:
            scale *= max_norm / norm
    return Scales(scale, 1 / n_frames), error, n_frames


@inner
def _write(array, i, x, n, streams):
    """Write a vector, or the first n numbers of one; a whole one past the cache if it `streams`."""
    if streams and n >= WIDTH:
        store_past(array, i, x)
    else:
        store_part(array, i, x, n)


@optimised
def _stepped(g, i, n, old, new, rates, streams):
    """The optimiser's step along g for numbers i to i + n - 1, and the new parameters.

    Also 0 where these and the optimiser's sums are finite, else NaN: an infinite sum of squares would stop its
    parameter without a word.

    streams : whether they begin a line of the cache, and are to be written past it.
    """
    g = add(g, fill(_NEGLIGIBLE))
    if rates.adam:
        m = multiply_add(fill(np.float32(rates.decay)), load_part(old.sums, i, n), g)
        s = multiply_add(fill(np.float32(rates.square_decay)), load_part(old.square, i, n), multiply(g, g))
        _write(new.square, i, s, n, streams)
        step = divide(multiply(fill(np.float32(rates.rate)), m), add(root(s), fill(np.float32(rates.epsilon))))
        lost = subtract(s, s)
    else:
        lost = zeros()
        m = load_part(old.sums, i, n)
        m = multiply_add(fill(np.float32(rates.decay)), m, multiply(fill(np.float32(rates.rate)), g))
        step = m
    x = add(load_part(old.params, i, n), step)
    _write(new.sums, i, m, n, streams)
    _write(new.params, i, x, n, streams)
    return step, first(add(lost, subtract(x, x)), n)


@inner
def _find_moving(slices, sums, added, moves):
    """moves <- whether any derivative of a slice's matrix is not 0: a tap may be longer than all sequences."""
    i = 0
    while i < len(slices):
        last, at = i, slices[i, AT]
        while last + 1 < len(slices) and slices[last + 1, AT] == at:
            last += 1
        found = slices[i, OTHER] >= 0 or _any(sums, added, at, at + slices[last, HIGH] * slices[i, N_OUT])
        for part in range(i, last + 1):
            moves[part] = found
        i = last + 1


@inner
def _any(sums, added, low, high):
    n_tiles = _rows_of(sums, added, low)
    for i in range(low, high):
        x = _0
        for tile in range(n_tiles):
            x += sums[tile, i]
        if x != 0:
            return True
    return False


@inner
def _rows_of(sums, added, at):
    """The rows that have sums of a matrix which begins there."""
    return 1 if at < added else len(sums)


@inner
def _climb_rows(part, moving, moves, sums, added, hidden, scale, rates, old, new, reached, past, dots):
    """Climb along a slice; the sum of squares of its sums over tiles, NaN if a new parameter or, unless
    directed, a new sum is not finite.

    past <- means @ step, dots[row] <- step @ means of the hidden units, which begin at `hidden`: what the biases lose
    (`rtrbm.training.centering.centre_biases`). moving : whether to step along the directions, which are made of the
    sums between a first call and this one; moves : whether the matrix is centred; reached : a buffer.
    """
    wide()
    at, n, bias, init, other_bias = part[AT], part[N_OUT], part[BIAS], part[INIT], part[OTHER]
    flat, found, lost = sums[0], zeros(), zeros()
    centres, n_tiles = rates.centres and moves, _rows_of(sums, added, at)
    for j in range(n):
        past[j], reached[j] = _0, flat[bias + j]
        for t in range(part[N_INIT]):
            reached[j] -= flat[init + t * n + j]
    for row in range(part[LOW], part[HIGH]):
        mean = flat[part[SOURCE] + row]
        other = flat[other_bias + row] if other_bias >= 0 else _0
        dot, streams = zeros(), len(new.params) > BEYOND and (at + row * n) % LINE == 0
        for j in range(0, n, WIDTH):
            left, i = n - j, at + row * n + j
            if moving:
                step = multiply(fill(np.float32(rates.along)), load_part(new.square, i, left))
                x = add(load_part(old.params, i, left), step)
                lost = add(lost, first(subtract(x, x), left))
                _write(new.params, i, x, left, streams)
            else:
                g = zeros()
                for tile in range(n_tiles):
                    g = add(g, load_part(sums[tile], i, left))
                found = multiply_add(g, g, found)
                g = multiply(g, fill(np.float32(scale)))
                if centres:
                    g = subtract(g, multiply(fill(mean), load_part(reached, j, left)))
                    if other_bias >= 0:
                        g = subtract(g, multiply(fill(other), load_part(flat, hidden + j, left)))
                if rates.weight_decay > 0 or rates.l1 > 0:
                    M = load_part(old.params, i, left)
                    g = subtract(g, multiply(fill(np.float32(rates.weight_decay)), M))
                    g = subtract(g, multiply(fill(np.float32(rates.l1)), sign(M)))
                if rates.directed:
                    m = multiply_add(fill(np.float32(rates.decay)), load_part(old.sums, i, left), g)
                    _write(new.sums, i, m, left, streams)
                    continue
                step, not_finite = _stepped(g, i, left, old, new, rates, streams)
                lost = add(lost, not_finite)
            if rates.centres:
                store_part(past, j, multiply_add(fill(mean), first(step, left), load_part(past, j, left)), left)
                if other_bias >= 0:
                    dot = multiply_add(step, load_part(flat, hidden + j, left), dot)
        if other_bias >= 0:
            dots[row] = total(dot)
    wait_for_stores()
    return total(found) + total(lost)


@inner
def _settle(sums, low, at, scales, rates):
    """Add up the derivatives of the biases and the means, which follow the matrices, and scale them.

    The sum of squares of the biases' sums.
    """
    _add_up(sums, low, at.rest + 2)
    flat = sums[0]
    found = _squares(sums, 1, low, at.end)
    for i in range(low, at.end):
        flat[i] *= np.float32(scales.scale)
    for i in range(at.v, at.h):
        flat[i] = flat[i] * np.float32(scales.inverse) if rates.centres else _0
    for i in range(at.h, at.active):
        flat[i] = flat[i] * np.float32(scales.inverse) if rates.centres_hidden else _0
    for i in range(at.active, at.rest):
        flat[i] *= np.float32(scales.inverse)
    return found


@inner
def _climb_biases(slices, flat, low, at, rates, old, new, past, dots):
    """Climb along the biases and let them follow the matrices; NaN if one is not finite, else 0."""
    wide()
    vectors = zeros()
    for i in range(at.active, at.rest):
        flat[at.b_h + i - at.active] -= np.float32(rates.sparsity_cost) * (flat[i] - np.float32(rates.sparsity_target))
    for i in range(low, at.end, WIDTH):
        n = at.end - i
        _, not_finite = _stepped(load_part(flat, i, n), i, n, old, new, rates, False)
        vectors = add(vectors, not_finite)
    b, lost = new.params, total(vectors)
    if rates.centres:
        for i in range(len(dots)):
            b[at.b_v + i] -= dots[i]
        for part in range(len(slices)):
            n_out = slices[part, N_OUT]
            for j in range(n_out):
                b[slices[part, BIAS] + j] -= past[part, j]
                for t in range(slices[part, N_INIT]):
                    b[slices[part, INIT] + t * n_out + j] += past[part, j]
    for i in range(low, at.end):
        lost += b[i] - b[i]
    return lost


@shared
def _climb_slice(i, worker, job):
    moving, slices, sums, added, at, scale, rates, old, new, moves, reached, past, dots, found = job
    found[i] = _climb_rows(
        slices[i], moving, moves[i], sums, added, at.h, scale, rates, old, new, reached[i], past[i], dots
    )


@shared
def _climb(part, worker, job):
    """A step of the optimiser along the gradient.

    made <- the sum of squares of the sums over tiles, NaN if it is not finite, and, if it settles, the squared error of
    all frames and their number.

    job : (board, address, stages, slices, sums, added, low, at, rates, old, new, moves, reached, past, dots,
    found, made). address : of `call_of_climb`; stages : of SETTLE, ROWS or MOVE and BIASES those to go through, in this
    order; slices : a table of slices; sums : (n_tiles, n), overwritten; added : the numbers before this one are added
    up in the first row; low : where the biases begin, after all matrices; at : Places; rates : Rates; old, new : State;
    moves, found : (n_slices,), reached, past : (n_slices, ...), dots : (V,), buffers; made : (3,).
    """
    board, address, stages, slices, sums, added, low, at, rates, old, new = job[:11]
    moves, reached, past, dots, found, made = job[11:]
    found_squares, n, scales = 0.0, len(slices), Scales(0.0, 0.0)
    if stages & SETTLE:
        scales, made[1], made[2] = _find_scales(sums, added, at, rates.max_norm)
        _find_moving(slices, sums, added, moves)
        found_squares += _settle(sums, low, at, scales, rates)
    if stages & (ROWS | MOVE):
        moving = stages & MOVE > 0
        arguments = moving, slices, sums, added, at, scales.scale, rates, old, new, moves, reached, past, dots, found
        share(board, 0, address, arguments, n)
        for i in range(n):
            found_squares += found[i]
    if stages & BIASES:
        found_squares += _climb_biases(slices, sums[0], low, at, rates, old, new, past, dots)
    made[0] = found_squares


@functools.cache
def call_of_climb():
    """What makes a step, called (board, aside, job) with a job of `_climb`, and the address in it."""
    table, flat, rows = np.zeros((1, 1), np.intp), np.zeros(1, np.float32), np.zeros((1, 1), np.float32)
    places, rates = Places(*range(len(Places._fields))), Rates(*(kind(1) for kind in KINDS))
    state, buffers = State(flat, flat, flat), (np.zeros(1, bool), rows, rows, flat, np.zeros(1))
    address = door(_climb_slice, 1, 1, (True, table, rows, 1, places, 1.0, rates, state, state, *buffers))
    given = address, 1, table, rows, 1, 1, places, rates, state, state, *buffers, np.zeros(3)
    return callable_from_python(_climb, new_board(), *given), address
