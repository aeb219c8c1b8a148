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


class Scratch(NamedTuple):
    """Buffers of a thread's chain.

    on_h : hidden states; patterns : those of either layer; tables, sums : of a chunk and of a block of columns;
    words : of a half-step.
    """

    on_h: np.ndarray
    patterns: np.ndarray
    tables: np.ndarray
    sums: np.ndarray
    words: np.ndarray


@inner
def sample_means(p, first, n_rows, stride, words, on):
    """on <- binary states of these probabilities, in rows of `stride`."""
    wide()
    for i in range(n_rows):
        for j in range(0, stride, WIDTH):
            switch_mean_on(on, i * stride + j, load(p, (first + i) * stride + j), words, i, j)


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
              scratch):  # fmt: skip
    """States of the other layer, given binary ones from byte `fr` on.

    Samples go to on_out, or means to `out`, from number `to` on. W is packed, from the layer `on` to the other one.
    """
    stride_p = up_to(n_groups, AT_ONCE)
    find_patterns(on, fr, n_rows, stride, n_groups, scratch.patterns, stride_p)
    for block in range(stride_out // WIDTH):
        look_up(scratch.patterns, n_rows, stride_p, W, block, n_groups, chunk, scratch.tables, scratch.sums)
        column = block * WIDTH
        if is_mean:
            _mean_block(scratch.sums, bias, at, stride_b, n_rows, column, out, to, stride_out)
        else:
            _sample_block(scratch.sums, bias, at, stride_b, n_rows, column, scratch.words, on_out, to, stride_out)


@inner
def half_step_from_means(v, fr, n_rows, stride, n_in, W, n_units, bias, at, stride_b, is_mean, out, to, on_out, words,
                         stride_out):  # fmt: skip
    """The same, given means of the first layer; states go to the beginning of on_out, and `out` is used in any case."""
    wide()
    clear(out, to, n_rows * stride_out)
    add_product(v, fr, n_rows, stride, n_in, W, n_units, stride_out // WIDTH, out, to, stride_out)
    for i in range(n_rows):
        for j in range(0, stride_out, WIDTH):
            x = add(load(out, to + i * stride_out + j), load(bias, at + i * stride_b + j))
            if is_mean:
                store(out, to + i * stride_out + j, sigmoid(x))
            else:
                switch_on(on_out, i * stride_out + j, x, words, i, j)


@inner
def contrastive_divergence(
    r, first, n_rows, V, H, k, sample_visible, up, down, bias_v, stride_v, bias_h, keys, drawn, on_v, v_mean, h_neg,
    scratch,
):  # fmt: skip
    """From h ~ r, k times v ~ P(v | h) (or its mean), h ~ P(h | v); the last h is a probability, in h_neg.

    Of rows `first` to first + n_rows - 1; the last v is in on_v, or in v_mean. up, down : W packed from visible to
    hidden units and back; drawn : the number of the first half-step.
    """
    Vp, Hp = up_to(V, WIDTH), up_to(H, WIDTH)
    n_v, n_h, chunk_v, chunk_h = n_groups_of(V), n_groups_of(H), chunk_of(V), chunk_of(H)
    words, on_h, of_v, of_h = scratch.words, scratch.on_h, first * Vp, first * Hp
    half_step_words(keys, first, n_rows, drawn, words)
    sample_means(r, first, n_rows, Hp, words, on_h)
    for step in range(k):
        if sample_visible:
            drawn += 1
            half_step_words(keys, first, n_rows, drawn, words)
        half_step(on_h, 0, n_rows, Hp, down, n_h, chunk_h, bias_v, first * stride_v, stride_v, not sample_visible,
                  v_mean, on_v, of_v, Vp, scratch)  # fmt: skip
        drawn += 1
        half_step_words(keys, first, n_rows, drawn, words)
        is_last = step == k - 1
        if not sample_visible:
            half_step_from_means(v_mean, of_v, n_rows, Vp, V, up, UNITS * n_v, bias_h, of_h, Hp, is_last, h_neg, of_h,
                                 on_h, words, Hp)  # fmt: skip
        elif is_last:
            half_step(on_v, of_v, n_rows, Vp, up, n_v, chunk_v, bias_h, of_h, Hp, True, h_neg, on_h, of_h, Hp, scratch)
        else:
            half_step(on_v, of_v, n_rows, Vp, up, n_v, chunk_v, bias_h, of_h, Hp, False, h_neg, on_h, 0, Hp, scratch)
