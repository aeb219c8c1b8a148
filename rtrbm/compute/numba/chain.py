"""The Gibbs chain of a tile of rows (Algorithm 1), in one call: half-steps of look-ups, each sampled at once.

States are bytes. Biases are vectors, or rows one `stride` after another. Layers are padded to whole vectors.
"""

from typing import NamedTuple

import numpy as np

from .compiled import compiled
from .dense import add_product
from .exponential import sigmoid
from .hashing import half_step_words, switch_mean_on, switch_on
from .lookups import find_patterns, look_up
from .vectors import WIDTH, add, load, store, up_to, wide, zeros


class Scratch(NamedTuple):
    """Buffers of a thread's chain.

    on_v, on_h : states; patterns : those of either layer; tables, sums : of a chunk and of a block of columns; words :
    of a half-step; v : visible means.
    """

    on_v: np.ndarray
    on_h: np.ndarray
    patterns: np.ndarray
    tables: np.ndarray
    sums: np.ndarray
    words: np.ndarray
    v: np.ndarray


@compiled
def sample_means(p, first, n_rows, stride, words, on):
    """on <- binary states of these probabilities, in rows of `stride`."""
    wide()
    for i in range(n_rows):
        for j in range(0, stride, WIDTH):
            switch_mean_on(on, i * stride + j, load(p, (first + i) * stride + j), words, i, j)


@compiled
def _sample_block(sums, bias, at, stride_b, n_rows, column, words, on, stride):
    """Columns of on <- samples of units with these inputs and biases, those of row i from at + i stride_b on."""
    wide()
    for i in range(n_rows):
        x = add(load(sums, i * WIDTH), load(bias, at + i * stride_b + column))
        switch_on(on, i * stride + column, x, words, i, column)


@compiled
def _mean_block(sums, bias, at, stride_b, n_rows, column, out, to, stride):
    """Columns of out <- the means of such units."""
    wide()
    for i in range(n_rows):
        x = add(load(sums, i * WIDTH), load(bias, at + i * stride_b + column))
        store(out, to + i * stride + column, sigmoid(x))


@compiled
def half_step(on, n_rows, stride, W, n_groups, chunk, bias, at, stride_b, is_mean, out, to, on_out, stride_out, scratch):
    """States of the other layer, given binary ones: a sample in on_out, or means in `out` from number `to` on.

    W is packed, from the layer `on` to the other one.
    """
    stride_p = up_to(n_groups, 32)
    find_patterns(on, n_rows, stride, n_groups, scratch.patterns, stride_p)
    for block in range(stride_out // WIDTH):
        look_up(scratch.patterns, n_rows, stride_p, W, block, n_groups, chunk, scratch.tables, scratch.sums)
        if is_mean:
            _mean_block(scratch.sums, bias, at, stride_b, n_rows, block * WIDTH, out, to, stride_out)
        else:
            _sample_block(
                scratch.sums, bias, at, stride_b, n_rows, block * WIDTH, scratch.words, on_out, stride_out
            )


@compiled
def half_step_from_means(v, n_rows, stride, n_in, W, n_units, bias, at, stride_b, is_mean, out, to, on_out, stride_out,
                         scratch):  # fmt: skip
    """The same, given means of the first layer."""
    wide()
    for i in range(n_rows):
        for j in range(0, stride_out, WIDTH):
            store(out, to + i * stride_out + j, zeros())
    add_product(v, 0, n_rows, stride, n_in, W, n_units, stride_out // WIDTH, out, to, stride_out)
    for i in range(n_rows):
        for j in range(0, stride_out, WIDTH):
            x = add(load(out, to + i * stride_out + j), load(bias, at + i * stride_b + j))
            if is_mean:
                store(out, to + i * stride_out + j, sigmoid(x))
            else:
                switch_on(on_out, i * stride_out + j, x, scratch.words, i, j)


@compiled
def contrastive_divergence(
    r, first, n_rows, V, H, k, sample_visible, up, down, groups, bias_v, stride_v, bias_h, keys, scratch, h_neg
):
    """From h ~ r, k times v ~ P(v | h) (or its mean), h ~ P(h | v); the last h is a probability, in h_neg.

    Of rows `first` to first + n_rows - 1; the last v is in scratch.on_v (or scratch.v). up, down : W packed from visible
    to hidden units and back; groups : (groups, chunk) of the visible layer and of the hidden one.
    """
    Vp, Hp = up_to(V, WIDTH), up_to(H, WIDTH)
    (n_v, chunk_v), (n_h, chunk_h) = groups
    words = scratch.words
    drawn = 0
    half_step_words(keys, first, n_rows, drawn, words)
    sample_means(r, first, n_rows, Hp, words, scratch.on_h)
    for step in range(k):
        if sample_visible:
            drawn += 1
            half_step_words(keys, first, n_rows, drawn, words)
        half_step(scratch.on_h, n_rows, Hp, down, n_h, chunk_h, bias_v, first * stride_v, stride_v, not sample_visible,
                  scratch.v, 0, scratch.on_v, Vp, scratch)  # fmt: skip
        drawn += 1
        half_step_words(keys, first, n_rows, drawn, words)
        is_last = step == k - 1
        if sample_visible:
            half_step(scratch.on_v, n_rows, Vp, up, n_v, chunk_v, bias_h, first * Hp, Hp, is_last, h_neg, first * Hp,
                      scratch.on_h, Hp, scratch)  # fmt: skip
        else:
            half_step_from_means(scratch.v, n_rows, Vp, V, up, 5 * n_v, bias_h, first * Hp, Hp, is_last, h_neg,
                                 first * Hp, scratch.on_h, Hp, scratch)  # fmt: skip
