"""The Gibbs chain of a tile of rows (Algorithm 1), in one call: half-steps of look-ups, each sampled at once.

States are bytes. Biases are vectors, or rows one `stride` after another. Layers are padded to whole vectors.
"""

from typing import NamedTuple

import numpy as np

from .compiled import inner
from .dense import add_product
from .exponential import sigmoid
from .hashing import half_step_words, switch_mean_on, switch_on
from .lookups import AT_ONCE, UNITS, chunk_of, find_patterns, look_up, n_groups_of
from .vectors import WIDTH, add, clear, load, store, up_to, wide


class Chains(NamedTuple):
    """The chains of some rows, from r on, and the buffers of their states.

    V, H : units; k : steps; sample_visible : whether v is sampled; up, down : W packed from visible to hidden units and
    back; bias_v : rows one stride_v after another, or one row for all (0); keys : of rows; drawn : the number of the
    first half-step. on_v, on_h : the states; v_mean : those of v if it is not sampled; h_neg : the last h.
    """

    V: int
    H: int
    k: int
    sample_visible: bool
    up: np.ndarray
    down: np.ndarray
    r: np.ndarray
    bias_v: np.ndarray
    stride_v: int
    bias_h: np.ndarray
    keys: np.ndarray
    drawn: int
    on_v: np.ndarray
    on_h: np.ndarray
    v_mean: np.ndarray
    h_neg: np.ndarray


class Scratch(NamedTuple):
    """Buffers of a thread's half-step.

    patterns : those of either layer; tables, sums : of a chunk and of a block of columns; words : of its rows.
    """

    patterns: np.ndarray
    tables: np.ndarray
    sums: np.ndarray
    words: np.ndarray


@inner
def sample_means(p, first, n_rows, stride, words, on):
    """on <- binary states of these probabilities, both in rows of `stride`, from row `first` on."""
    wide()
    for i in range(n_rows):
        for j in range(0, stride, WIDTH):
            at = (first + i) * stride + j
            switch_mean_on(on, at, load(p, at), words, i, j)


@inner
def _sample_block(sums, bias, at, stride_b, n_rows, column, words, on, to, stride):
    """Columns of on <- samples of units with these inputs and biases, those of row i from at + i stride_b on."""
    wide()
    for i in range(n_rows):
        x = add(load(sums, i * WIDTH), load(bias, at + i * stride_b + column))
        switch_on(on, to + i * stride + column, x, words, i, column)


@inner
def _mean_block(sums, bias, at, stride_b, n_rows, column, out, to, stride):
    """Columns of out <- the means of such units."""
    wide()
    for i in range(n_rows):
        x = add(load(sums, i * WIDTH), load(bias, at + i * stride_b + column))
        store(out, to + i * stride + column, sigmoid(x))


@inner
def half_step(on, fr, n_rows, stride, W, n_groups, chunk, bias, at, stride_b, is_mean, out, on_out, to, stride_out,
              low, high, scratch):  # fmt: skip
    """States of the other layer in columns of blocks low to high - 1, given binary ones from byte `fr` on.

    Samples go to on_out, or means to `out`, from number `to` on. W is packed, from the layer `on` to the other one.
    """
    stride_p = up_to(n_groups, AT_ONCE)
    find_patterns(on, fr, n_rows, stride, n_groups, scratch.patterns, stride_p)
    for block in range(low, high):
        look_up(scratch.patterns, n_rows, stride_p, W, block, n_groups, chunk, scratch.tables, scratch.sums)
        column = block * WIDTH
        if is_mean:
            _mean_block(scratch.sums, bias, at, stride_b, n_rows, column, out, to, stride_out)
        else:
            _sample_block(scratch.sums, bias, at, stride_b, n_rows, column, scratch.words, on_out, to, stride_out)


@inner
def half_step_from_means(v, fr, n_rows, stride, n_in, W, n_units, bias, at, stride_b, is_mean, out, to, on_out, words,
                         stride_out):  # fmt: skip
    """All columns of the same, given means of the first layer; `out` is used in any case."""
    wide()
    clear(out, to, n_rows * stride_out)
    add_product(v, fr, n_rows, stride, n_in, W, n_units, stride_out // WIDTH, out, to, stride_out)
    for i in range(n_rows):
        for j in range(0, stride_out, WIDTH):
            x = add(load(out, to + i * stride_out + j), load(bias, at + i * stride_b + j))
            if is_mean:
                store(out, to + i * stride_out + j, sigmoid(x))
            else:
                switch_on(on_out, to + i * stride_out + j, x, words, i, j)


@inner
def sample_half_step(number, chains, first, n_rows, low, high, scratch):
    """A half-step of the chains of some rows, in columns of blocks low to high - 1 of the layer that it samples.

    Half-step 0 is h ~ r; those of odd numbers are v ~ P(v | h) or its mean, those of even ones h ~ P(h | v), of which
    the last is the probability, in h_neg. One that does not look up sums (`looks_up`) samples all columns.
    """
    V, H, k, sample_visible, stride_v = chains.V, chains.H, chains.k, chains.sample_visible, chains.stride_v
    Vp, Hp, n_v, n_h, words = up_to(V, WIDTH), up_to(H, WIDTH), n_groups_of(V), n_groups_of(H), scratch.words
    of_v, of_h, is_last = first * Vp, first * Hp, number == 2 * k
    half_step_words(chains.keys, first, n_rows, chains.drawn + (number if sample_visible else number // 2), words)
    if number == 0:
        sample_means(chains.r, first, n_rows, Hp, words, chains.on_h)
    elif number % 2:
        half_step(chains.on_h, of_h, n_rows, Hp, chains.down, n_h, chunk_of(H), chains.bias_v, first * stride_v,
                  stride_v, not sample_visible, chains.v_mean, chains.on_v, of_v, Vp, low, high, scratch)  # fmt: skip
    elif sample_visible:
        half_step(chains.on_v, of_v, n_rows, Vp, chains.up, n_v, chunk_of(V), chains.bias_h, of_h, Hp, is_last,
                  chains.h_neg, chains.on_h, of_h, Hp, low, high, scratch)  # fmt: skip
    else:
        half_step_from_means(chains.v_mean, of_v, n_rows, Vp, V, chains.up, UNITS * n_v, chains.bias_h, of_h, Hp,
                             is_last, chains.h_neg, of_h, chains.on_h, words, Hp)  # fmt: skip


@inner
def looks_up(number, chains):
    """Whether a half-step looks up sums, so that it can sample some columns alone."""
    return number % 2 == 1 or number > 0 and chains.sample_visible


@inner
def n_blocks_of(number, chains):
    """The blocks of columns of the layer that a half-step samples."""
    return -(-(chains.V if number % 2 else chains.H) // WIDTH)


@inner
def contrastive_divergence(chains, first, n_rows, scratch):
    """From h ~ r, k times v ~ P(v | h) (or its mean), h ~ P(h | v), of some rows."""
    for number in range(2 * chains.k + 1):
        sample_half_step(number, chains, first, n_rows, 0, n_blocks_of(number, chains), scratch)
