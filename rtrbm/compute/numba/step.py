"""From the sums of all tiles to new parameters: norm, centring, penalties, the optimiser's step, in one pass.

As `rtrbm.training.loop._climb`, which specifies it. Matrices are cut into slices of rows, which threads share; what
slices contribute to sums is added in their order.
"""

from typing import NamedTuple

import numpy as np

from ..engine import NEGLIGIBLE
from .compiled import compiled, inner
from .vectors import (
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
    subtract,
    total,
    wide,
    zeros,
)

_0, _1, _NEGLIGIBLE = np.float32(0), np.float32(1), np.float32(NEGLIGIBLE)


class Slice(NamedTuple):
    """Rows low to high - 1 of a matrix of the parameters (of one tap), and its part in centring.

    at : where the matrix begins; n_out : its columns; source : where the means of its source begin; bias : where the bias
    begins that it adds to; init, n_init : where the biases of first frames begin, and how many of these stand in for the
    matrix; other : where the derivative of the bias on its other side begins, for W, which has one, else -1.
    """

    at: int
    low: int
    high: int
    n_out: int
    source: int
    bias: int
    init: int
    n_init: int
    other: int


class Rates(NamedTuple):
    """What an update makes of a gradient, in single precision.

    scale : of the sums; centres : whether steps are centred; weight_decay, l1 : of the penalties; adam : which optimiser;
    decay, square_decay, epsilon, rate : its settings (`rtrbm.compute.engine.adam_block`; decay and rate of momentum).
    """

    scale: float
    centres: bool
    weight_decay: float
    l1: float
    adam: bool
    decay: float
    square_decay: float
    epsilon: float
    rate: float


class State(NamedTuple):
    """Flat arrays of a training: parameters, and the sums of the optimiser (square is empty for momentum)."""

    params: np.ndarray
    sums: np.ndarray
    square: np.ndarray


@compiled
def add_up(sums, low, high):
    """sums[0] <- the sum over tiles, from number low to high - 1."""
    wide()
    flat = sums[0]
    for tile in range(1, len(sums)):
        more = sums[tile]
        for i in range(low, high, WIDTH):
            store_part(flat, i, add(load_part(flat, i, high - i), load_part(more, i, high - i)), high - i)


@compiled
def squares(sums, low, high):
    """The sum of squares of the sums over tiles, from number low to high - 1."""
    wide()
    found = zeros()
    for i in range(low, high, WIDTH):
        x = zeros()
        for tile in range(len(sums)):
            x = add(x, load_part(sums[tile], i, high - i))
        found = multiply_add(x, x, found)
    return total(found)


@inner
def _stepped(g, i, n, old, new, rates):
    """The optimiser's step along g for numbers i to i + n - 1, which become new parameters."""
    g = add(g, fill(_NEGLIGIBLE))
    if rates.adam:
        m = multiply_add(fill(np.float32(rates.decay)), load_part(old.sums, i, n), g)
        s = multiply_add(fill(np.float32(rates.square_decay)), load_part(old.square, i, n), multiply(g, g))
        store_part(new.square, i, s, n)
        step = divide(multiply(fill(np.float32(rates.rate)), m), add(root(s), fill(np.float32(rates.epsilon))))
    else:
        m = load_part(old.sums, i, n)
        m = multiply_add(fill(np.float32(rates.decay)), m, multiply(fill(np.float32(rates.rate)), g))
        step = m
    store_part(new.sums, i, m, n)
    store_part(new.params, i, add(load_part(old.params, i, n), step), n)
    return step


@inner
def _moves(part, sums):
    """Whether any derivative with respect to the slice is not 0: a tap may be longer than all sequences."""
    for tile in range(len(sums)):
        flat = sums[tile]
        for i in range(part.at + part.low * part.n_out, part.at + part.high * part.n_out):
            if flat[i] != 0:
                return True
    return False


@compiled
def climb_rows(part, sums, hidden, rates, old, new, reached, past, dots):
    """Climb along a slice; returns the sum of squares of its sums over tiles, NaN if a new parameter is not finite.

    sums : those of all tiles, after `climb_biases`' part of them has been added up and scaled; hidden : where the means of
    the hidden units begin. reached : a buffer. past <- means @ step, dots[row] <- step @ means of the hidden units: what
    the biases lose (`rtrbm.training.centering.centre_biases`).
    """
    wide()
    n, flat, found, lost = part.n_out, sums[0], zeros(), zeros()
    centres = rates.centres and (part.other >= 0 or _moves(part, sums))
    for j in range(n):
        past[j], reached[j] = _0, flat[part.bias + j]
        for t in range(part.n_init):
            reached[j] -= flat[part.init + t * n + j]
    for row in range(part.low, part.high):
        mean = flat[part.source + row]
        other = flat[part.other + row] if part.other >= 0 else _0
        dot = zeros()
        for j in range(0, n, WIDTH):
            left, i = n - j, part.at + row * n + j
            g = zeros()
            for tile in range(len(sums)):
                g = add(g, load_part(sums[tile], i, left))
            found = multiply_add(g, g, found)
            g = multiply(g, fill(np.float32(rates.scale)))
            if centres:
                g = subtract(g, multiply(fill(mean), load_part(reached, j, left)))
                if part.other >= 0:
                    g = subtract(g, multiply(fill(other), load_part(flat, hidden + j, left)))
            if rates.weight_decay > 0 or rates.l1 > 0:
                M = load_part(old.params, i, left)
                g = subtract(g, multiply(fill(np.float32(rates.weight_decay)), M))
                g = subtract(g, multiply(fill(np.float32(rates.l1)), sign(M)))
            step = _stepped(g, i, left, old, new, rates)
            x = load_part(new.params, i, left)
            lost = add(lost, subtract(x, x))
            if rates.centres:
                store_part(past, j, multiply_add(fill(mean), first(step, left), load_part(past, j, left)), left)
                if part.other >= 0:
                    dot = multiply_add(step, load_part(flat, hidden + j, left), dot)
        if part.other >= 0:
            dots[row] = total(dot)
    return total(found) + total(lost)


@compiled
def settle(sums, low, at, rates, inverse, visible, hidden):
    """Add up the derivatives of the biases and the means, which follow the matrices, and scale them.

    low : where the biases begin; at : Places; inverse : 1 / n_frames; visible, hidden : whether visible units and all
    others are centred. Returns the sum of squares of the biases' sums.
    """
    add_up(sums, low, at.rest + 2)
    flat = sums[0]
    found = squares(sums[:1], low, at.end)
    for i in range(low, at.end):
        flat[i] *= np.float32(rates.scale)
    for i in range(at.v, at.h):
        flat[i] = flat[i] * np.float32(inverse) if visible else _0
    for i in range(at.h, at.active):
        flat[i] = flat[i] * np.float32(inverse) if hidden else _0
    for i in range(at.active, at.rest):
        flat[i] *= np.float32(inverse)
    return found


@compiled
def climb_biases(parts, flat, low, at, rates, old, new, past, dots):
    """Climb along the biases and let them follow the matrices; NaN if one is not finite, else 0.

    parts : (n_slices, 4), n_out, bias, init and n_init of every slice; past : (n_slices, ...).
    """
    wide()
    for i in range(low, at.end, WIDTH):
        n = at.end - i
        _stepped(load_part(flat, i, n), i, n, old, new, rates)
    b, lost = new.params, _0
    if rates.centres:
        for i in range(len(dots)):
            b[at.b_v + i] -= dots[i]
        for part in range(len(parts)):
            n_out, bias, init, n_init = parts[part]
            for j in range(n_out):
                b[bias + j] -= past[part, j]
                for t in range(n_init):
                    b[init + t * n_out + j] += past[part, j]
    for i in range(low, at.end):
        lost += b[i] - b[i]
    return lost
