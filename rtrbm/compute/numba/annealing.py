"""Annealed importance sampling of `rtrbm.rbm.ais` for binary units in single precision, a tile in one compiled call.

A step takes its product v W once: it gives the rise of log w and the next hidden states. With y = v W + rise_h, the
inputs x = base_h + beta y before and x' = base_h + beta' y after the step, the rise is

    sum_j log(1 + exp(x'_j)) - log(1 + exp(x_j))
        = sum_j max(x'_j, 0) - max(x_j, 0) + log prod_j (1 + exp(-|x'_j|)) / (1 + exp(-|x_j|)),

and every factor lies in [1/2, 2]: one logarithm does for many units.
"""

import math

import numpy as np

from .compiled import compiled, inner
from .exponential import exponential
from .gibbs import gather, pack_both, scatter_bytes, scratch_of
from .hashing import from_bytes, half_step_words, switch_on, uniforms
from .lookups import AT_ONCE, chunk_of, find_patterns, look_up, n_groups_of, to_bytes
from .vectors import (
    WIDTH,
    add,
    aligned,
    divide,
    fill,
    load,
    multiply,
    multiply_add,
    product,
    store,
    store_less,
    subtract,
    total,
    up_to,
    where_negative,
    wide,
    zeros,
)

FACTORS = 30  # in every place of a vector before a logarithm: their product over all places is a double above 0


def log_weights(W, path, betas, n_chains, chains, engine, start):
    """As `rtrbm.rbm.ais.log_weights`, of paths in single precision."""
    packed, W, n = pack_both(W), np.asarray(W), len(path.base_v) * n_chains
    inputs, log_w, v = [_padded(a) for a in path], np.zeros(n), np.empty((n, len(W)), np.float32)
    given = np.zeros(0, np.float32) if start is None else np.ascontiguousarray(start, np.float32).reshape(-1)

    def run_tile(these):
        numbers, noise = these
        rows = numbers // n_chains
        drawn = noise.take(2 * (len(betas) - 1) + (start is None))
        _anneal(numbers, rows, *W.shape, *packed, *inputs, betas, noise.keys, drawn, given, log_w, v.reshape(-1))

    engine.run(run_tile, chains, 2 * len(betas) * n * W.size)
    return log_w, v


def _padded(inputs):
    """Rows of whole vectors, with zeros at their ends, as a flat array."""
    return np.pad(inputs, ((0, 0), (0, -inputs.shape[1] % WIDTH))).astype(np.float32, copy=False).reshape(-1)


@compiled
def _anneal(numbers, rows, V, H, up, down, base_v, rise_v, base_h, rise_h, betas, keys, drawn, given, log_w, v):
    """log_w[numbers], v[numbers] <- of the chains of a tile, whose inputs are `rows` of the path's.

    drawn : the number of the first half-step.
    """
    n, Vp, Hp, is_given = len(rows), up_to(V, WIDTH), up_to(H, WIDTH), len(given) > 0
    (scratch, on_v, on_h), rise = scratch_of(n, V, H), aligned(3 * n * WIDTH)
    if is_given:
        start = aligned(n * Vp)
        gather(given, numbers, V, True, start)
        to_bytes(start, n, Vp, on_v)
    for step in range(len(betas)):
        beta = betas[step]
        if step > 0 or not is_given:
            half_step_words(keys, 0, n, drawn, scratch.words)
            drawn += 1
            _visible(rows, H, Vp, Hp, down, base_v, rise_v, beta, on_h, on_v, scratch)
        if step < len(betas) - 1:
            half_step_words(keys, 0, n, drawn, scratch.words)
            drawn += 1
            _begin(rows, Vp, rise_v, betas[step + 1] - beta, on_v, rise)
            these = rows, numbers, V, Vp, Hp, up, base_h, rise_h, beta, betas[step + 1]
            _hidden(*these, on_v, on_h, rise, scratch, log_w)
    scatter_bytes(on_v, numbers, V, v)


@inner
def _visible(rows, H, Vp, Hp, down, base, rise, beta, on_h, on_v, scratch):
    """on_v <- states given on_h at beta."""
    wide()
    n, n_groups, chunk, sums = len(rows), n_groups_of(H), chunk_of(H), scratch.sums
    stride_p, at_beta = up_to(n_groups, AT_ONCE), fill(beta)
    find_patterns(on_h, 0, n, Hp, n_groups, scratch.patterns, stride_p)
    for block in range(Vp // WIDTH):
        look_up(scratch.patterns, n, stride_p, down, block, n_groups, chunk, scratch.tables, sums)
        for i in range(n):
            at = rows[i] * Vp + block * WIDTH
            x = multiply_add(at_beta, add(load(sums, i * WIDTH), load(rise, at)), load(base, at))
            switch_on(on_v, i * Vp + block * WIDTH, x, scratch.words, i, block * WIDTH)


@inner
def _begin(rows, Vp, rise_v, step, on_v, rise):
    """rise[i] <- (step v rise_v, in parts, 1, 1) of row i, a vector each."""
    wide()
    one, by = fill(np.float32(1)), fill(step)
    for i in range(len(rows)):
        sums = zeros()
        for j in range(0, Vp, WIDTH):
            sums = multiply_add(from_bytes(on_v, i * Vp + j), load(rise_v, rows[i] * Vp + j), sums)
        store(rise, 3 * i * WIDTH, multiply(by, sums))
        store(rise, (3 * i + 1) * WIDTH, one)
        store(rise, (3 * i + 2) * WIDTH, one)


@inner
def _hidden(rows, numbers, V, Vp, Hp, up, base, rise_h, before, beta, on_v, on_h, rise, scratch, log_w):
    """on_h <- states given on_v at beta; log_w rises by what beta has risen from `before`."""
    wide()
    n, n_groups, chunk, sums = len(rows), n_groups_of(V), chunk_of(V), scratch.sums
    stride_p, one, at_before, at_beta = up_to(n_groups, AT_ONCE), fill(np.float32(1)), fill(before), fill(beta)
    n_blocks, by = Hp // WIDTH, fill(beta - before)
    find_patterns(on_v, 0, n, Vp, n_groups, scratch.patterns, stride_p)
    for block in range(n_blocks):
        look_up(scratch.patterns, n, stride_p, up, block, n_groups, chunk, scratch.tables, sums)
        for i in range(n):
            at, to = 3 * i * WIDTH, rows[i] * Hp + block * WIDTH
            y, more = add(load(sums, i * WIDTH), load(rise_h, to)), load(base, to)
            x, old = multiply_add(at_beta, y, more), multiply_add(at_before, y, more)
            odds = exponential(where_negative(x, x, subtract(zeros(), x)))
            above = add(one, odds)
            below = add(one, exponential(where_negative(old, old, subtract(zeros(), old))))
            # max(x, 0) - max(old, 0), without the difference of large numbers
            from_above = where_negative(x, subtract(zeros(), old), multiply(by, y))
            more = where_negative(old, where_negative(x, zeros(), x), from_above)
            store(rise, at, add(load(rise, at), more))
            store(rise, at + WIDTH, multiply(load(rise, at + WIDTH), above))
            store(rise, at + 2 * WIDTH, multiply(load(rise, at + 2 * WIDTH), below))
            # u < sigmoid(x)
            u = uniforms(scratch.words, i, block * WIDTH)
            store_less(on_h, i * Hp + block * WIDTH, multiply(u, above), where_negative(x, odds, one))
        if block == n_blocks - 1 or block % FACTORS == FACTORS - 1:
            for i in range(n):
                at = 3 * i * WIDTH
                ratio = product(divide(load(rise, at + WIDTH), load(rise, at + 2 * WIDTH)))
                log_w[numbers[i]] += math.log(ratio) + total(load(rise, at))
                store(rise, at, zeros())
                store(rise, at + WIDTH, one)
                store(rise, at + 2 * WIDTH, one)
