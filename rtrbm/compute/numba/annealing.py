"""Annealed importance sampling of `rtrbm.rbm.ais` for binary units in single precision, a tile in one compiled call.

A step takes its product v W once: it gives the rise of log w and the next hidden states. With x = v W + b_h and
e(beta) = exp(-beta |x|) the rise is

    sum_j log(1 + exp(beta' x_j)) - log(1 + exp(beta x_j))
        = (beta' - beta) sum_j max(x_j, 0) + log prod_j (1 + e_j(beta')) / (1 + e_j(beta)),

and every factor lies in [1/2, 2]: one logarithm does for many units.
"""

import math

import numpy as np

from .compiled import compiled, inner
from .exponential import exponential
from .gibbs import pack_both, scratch_of
from .hashing import from_bytes, half_step_words, switch_on, uniforms
from .lookups import chunk_of, find_patterns, look_up, n_groups_of
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


def log_weights(W, b_h, base, difference, betas, n_chains, chains, engine, count):
    """log w of n_chains chains for each row of biases, as `rtrbm.rbm.ais` has it.

    Parameters
    ----------
    W : (n_visible, n_hidden) float32 ndarray
    b_h : (n_rows, n_hidden) ndarray
    base, difference : (n_rows, n_visible) ndarray
        The visible biases at beta = 0, and what is added to them up to beta = 1.
    betas : (n_steps + 1,) float32 ndarray
    n_chains : int
    chains : list of Chains
        Of the numbers c n_rows + i for chain c of row i.
    engine : Engine
    count : callable (n)
        Called with the number of steps that are made.

    Returns
    -------
    (n_chains n_rows,) float64 ndarray
    """
    packed, n_rows = pack_both(W), len(b_h)
    biases, log_w = [_padded(a) for a in (base, difference, b_h)], np.zeros(n_chains * n_rows)

    def run_tile(these):
        numbers, noise = these
        _anneal(numbers, numbers % n_rows, *W.shape, *packed, *biases, betas, noise.keys, log_w)
        count((len(betas) - 1) * len(numbers))

    engine.run(run_tile, chains, 2 * len(betas) * log_w.size * W.size)
    return log_w


def _padded(bias):
    """Rows of whole vectors, with zeros at their ends, as a flat array."""
    return np.pad(bias, ((0, 0), (0, -bias.shape[1] % WIDTH))).astype(np.float32, copy=False).reshape(-1)


@compiled
def _anneal(numbers, rows, V, H, up, down, base, difference, b_h, betas, keys, log_w):
    """log_w[numbers] <- of the chains of a tile, whose biases are `rows` of those given."""
    n, Vp, Hp = len(rows), up_to(V, WIDTH), up_to(H, WIDTH)
    scratch, on_v = scratch_of(n, V, H)
    on_h, rise = scratch.on_h, aligned(3 * n * WIDTH)
    on_h[:] = 0
    for step in range(len(betas) - 1):
        half_step_words(keys, 0, n, 2 * step, scratch.words)
        _visible(rows, V, H, Vp, Hp, down, base, difference, betas[step], on_h, on_v, rise, scratch)
        half_step_words(keys, 0, n, 2 * step + 1, scratch.words)
        _hidden(rows, numbers, V, H, Vp, Hp, up, b_h, betas[step], betas[step + 1], on_v, on_h, rise, scratch, log_w)


@inner
def _visible(rows, V, H, Vp, Hp, down, base, difference, beta, on_h, on_v, rise, scratch):
    """on_v <- states given on_h at beta; rise[i] <- (v (b_v - base), in parts, 1, 1) of row i, a vector each."""
    wide()
    n, n_groups, chunk, sums = len(rows), n_groups_of(H), chunk_of(H), scratch.sums
    stride_p, at_beta, one = up_to(n_groups, 32), fill(beta), fill(np.float32(1))
    find_patterns(on_h, 0, n, Hp, n_groups, scratch.patterns, stride_p)
    for i in range(n):
        store(rise, 3 * i * WIDTH, zeros())
        store(rise, (3 * i + 1) * WIDTH, one)
        store(rise, (3 * i + 2) * WIDTH, one)
    for block in range(Vp // WIDTH):
        look_up(scratch.patterns, n, stride_p, down, block, n_groups, chunk, scratch.tables, sums)
        for i in range(n):
            at, to = rows[i] * Vp + block * WIDTH, i * Vp + block * WIDTH
            more = load(difference, at)
            x = multiply_add(at_beta, add(load(sums, i * WIDTH), more), load(base, at))
            switch_on(on_v, to, x, scratch.words, i, block * WIDTH)
            store(rise, 3 * i * WIDTH, multiply_add(from_bytes(on_v, to), more, load(rise, 3 * i * WIDTH)))


@inner
def _hidden(rows, numbers, V, H, Vp, Hp, up, b_h, before, beta, on_v, on_h, rise, scratch, log_w):
    """on_h <- states given on_v at beta; log_w rises by what beta has risen from `before`."""
    wide()
    n, n_groups, chunk, sums = len(rows), n_groups_of(V), chunk_of(V), scratch.sums
    stride_p, one, at_before, at_beta = up_to(n_groups, 32), fill(np.float32(1)), fill(before), fill(beta)
    n_blocks, step = Hp // WIDTH, beta - before
    find_patterns(on_v, 0, n, Vp, n_groups, scratch.patterns, stride_p)
    for block in range(n_blocks):
        look_up(scratch.patterns, n, stride_p, up, block, n_groups, chunk, scratch.tables, sums)
        for i in range(n):
            at = 3 * i * WIDTH
            x = add(load(sums, i * WIDTH), load(b_h, rows[i] * Hp + block * WIDTH))
            size = where_negative(x, x, subtract(zeros(), x))  # -|x|
            odds = exponential(multiply(at_beta, size))
            above = add(one, odds)
            store(rise, at, add(load(rise, at), where_negative(x, zeros(), x)))
            store(rise, at + WIDTH, multiply(load(rise, at + WIDTH), above))
            below = add(one, exponential(multiply(at_before, size)))
            store(rise, at + 2 * WIDTH, multiply(load(rise, at + 2 * WIDTH), below))
            # u < sigmoid(beta x)
            u = uniforms(scratch.words, i, block * WIDTH)
            store_less(on_h, i * Hp + block * WIDTH, multiply(u, above), where_negative(x, odds, one))
        if block == n_blocks - 1 or block % FACTORS == FACTORS - 1:
            for i in range(n):
                at = 3 * i * WIDTH
                ratio = product(divide(load(rise, at + WIDTH), load(rise, at + 2 * WIDTH)))
                log_w[numbers[i]] += math.log(ratio) + np.float64(step) * total(load(rise, at))
                store(rise, at, zeros())
                store(rise, at + WIDTH, one)
                store(rise, at + 2 * WIDTH, one)
