"""The chains of `rtrbm.rbm.chains` for binary units in single precision, a tile in one compiled call.

They draw the same numbers as those step by step, and agree with them up to rounding.
"""

import numpy as np

from .chain import Chains, Scratch, contrastive_divergence, half_step, half_step_from_means, sample_means
from .compiled import compiled, inner
from .hashing import from_bytes, half_step_words
from .lookups import AT_ONCE, TABLES, UNITS, chunk_of, n_groups_of, pack, pack_transposed, to_bytes
from .vectors import WIDTH, aligned, load, load_part, store, store_part, up_to, wide


def reconstruct(h, W, biases, n_gibbs, chains, engine, sample_visible):
    """As `rtrbm.rbm.chains.reconstruct`."""
    packed, h, W = pack_both(W), np.ascontiguousarray(h), np.asarray(W)
    v_neg, h_neg = np.empty((len(h), len(W)), W.dtype), np.empty_like(h)
    b_v, b_h = _flat(biases.v, len(h)), _flat(biases.h, len(h))
    n_drawn = 2 * n_gibbs if sample_visible else n_gibbs

    def run_tile(these):
        rows, noise = these
        _reconstruct(
            h.reshape(-1), rows, *W.shape, *packed, *b_v, *b_h, n_gibbs, sample_visible, noise.keys,
            noise.take(n_drawn), v_neg.reshape(-1), h_neg.reshape(-1),
        )  # fmt: skip

    engine.run(run_tile, chains, 2 * n_gibbs * len(h) * W.size)
    return v_neg, h_neg


def average_visible(v, W, biases, n_burn_in, n_average, chains, engine, held, count):
    """As `rtrbm.rbm.chains.average_visible`."""
    packed, v, W = pack_both(W), np.ascontiguousarray(v), np.asarray(W)
    mean, last_v, last_h = np.empty_like(v), np.empty_like(v), np.empty((len(v), W.shape[1]), W.dtype)
    b_v, b_h, n_steps = _flat(biases.v, len(v)), _flat(biases.h, len(v)), n_burn_in + n_average
    held = np.zeros(0, bool) if held is None else np.ascontiguousarray(held).reshape(-1)

    def run_tile(these):
        rows, noise = these
        _average(
            v.reshape(-1), rows, *W.shape, *packed, *b_v, *b_h, n_burn_in, n_average, held, noise.keys,
            noise.take(2 * n_steps), mean.reshape(-1), last_v.reshape(-1), last_h.reshape(-1),
        )  # fmt: skip
        if count is not None:
            count(n_steps * len(rows))

    engine.run(run_tile, chains, 2 * n_steps * len(v) * W.size)
    return mean, last_v, last_h


def _flat(bias, n_rows):
    """A bias as a flat array of single precision, and whether it has a row for each of n_rows."""
    by_rows = np.ndim(bias) == 2
    if by_rows and len(bias) != n_rows:
        raise IndexError(f"a bias must have {n_rows} rows, or be one for all (1-D), got the shape {np.shape(bias)}")
    return np.ascontiguousarray(bias, np.float32).reshape(-1), by_rows


def pack_both(W):
    """W packed for both directions."""
    V, H = W.shape
    up, down = aligned(up_to(H, WIDTH) * UNITS * n_groups_of(V)), aligned(up_to(V, WIDTH) * UNITS * n_groups_of(H))
    _pack(np.ascontiguousarray(W).reshape(-1), V, H, up, down)
    return up, down


@compiled
def _pack(W, V, H, up, down):
    pack(W, 0, V, H, UNITS * n_groups_of(V), up)
    pack_transposed(W, 0, V, H, UNITS * n_groups_of(H), down)


@inner
def gather(a, rows, n, by_rows, out):
    """Rows of out, padded with zeros <- the given rows of a, (n_rows, n) or one row for all."""
    wide()
    n_p = up_to(n, WIDTH)
    for i in range(len(rows)):
        first = rows[i] * n if by_rows else 0
        for j in range(0, n, WIDTH):
            store(out, i * n_p + j, load_part(a, first + j, n - j))


@inner
def _scatter(a, rows, n, out):
    """The given rows of out, (n_rows, n) <- rows of a, which are padded."""
    wide()
    n_p = up_to(n, WIDTH)
    for i in range(len(rows)):
        for j in range(0, n, WIDTH):
            store_part(out, rows[i] * n + j, load(a, i * n_p + j), n - j)


@inner
def scatter_bytes(on, rows, n, out):
    """The same of states in bytes."""
    wide()
    n_p = up_to(n, WIDTH)
    for i in range(len(rows)):
        for j in range(0, n, WIDTH):
            store_part(out, rows[i] * n + j, from_bytes(on, i * n_p + j), n - j)


@inner
def scratch_of(n_rows, V, H):
    """Buffers for so many rows, and states of the visible and hidden units, all 0."""
    Vp, Hp, n_v, n_h = up_to(V, WIDTH), up_to(H, WIDTH), n_groups_of(V), n_groups_of(H)
    beyond = UNITS * max(n_v, n_h) + 2 * AT_ONCE
    on_v, on_h = np.zeros(n_rows * Vp + beyond, np.uint8), np.zeros(n_rows * Hp + beyond, np.uint8)
    patterns = np.empty(n_rows * up_to(max(n_v, n_h), AT_ONCE) + AT_ONCE, np.uint8)
    scratch = Scratch(patterns, aligned(TABLES), aligned(n_rows * WIDTH), np.empty(3 * n_rows, np.uint32))
    return scratch, on_v, on_h


@compiled
def _reconstruct(h, rows, V, H, up, down, b_v, rows_v, b_h, rows_h, k, sample_visible, keys, drawn, v_neg, h_neg):
    """v_neg[rows], h_neg[rows] <- the ends of the chains of a tile, of which half-step `drawn` is the first."""
    n, Vp, Hp = len(rows), up_to(V, WIDTH), up_to(H, WIDTH)
    scratch, on_v, on_h = scratch_of(n, V, H)
    r, h_end, bias_h, bias_v = aligned(n * Hp), aligned(n * Hp), aligned(n * Hp), aligned(n * Vp if rows_v else Vp)
    v_mean = aligned(0 if sample_visible else n * Vp)
    gather(h, rows, H, True, r)
    gather(b_h, rows, H, rows_h, bias_h)
    gather(b_v, rows if rows_v else rows[:1], V, rows_v, bias_v)
    stride_v = Vp if rows_v else 0
    chains = Chains(
        V, H, k, sample_visible, up, down, r, bias_v, stride_v, bias_h, keys, drawn, on_v, on_h, v_mean, h_end
    )
    contrastive_divergence(chains, 0, n, scratch)
    if sample_visible:
        scatter_bytes(on_v, rows, V, v_neg)
    else:
        _scatter(v_mean, rows, V, v_neg)
    _scatter(h_end, rows, H, h_neg)


@compiled
def _average(v, rows, V, H, up, down, b_v, rows_v, b_h, rows_h, n_burn_in, n_average, held, keys, drawn, mean, last_v,
             last_h):  # fmt: skip
    """mean[rows] <- averages along the chains of a tile, of which half-step `drawn` is the first; the last states."""
    wide()
    n, Vp, Hp, n_v, n_h = len(rows), up_to(V, WIDTH), up_to(H, WIDTH), n_groups_of(V), n_groups_of(H)
    scratch, on_v, on_h = scratch_of(n, V, H)
    words = scratch.words
    start, p, total = aligned(n * Vp), aligned(n * Vp), aligned(n * Vp)
    h, bias_h, bias_v = aligned(n * Hp), aligned(n * Hp), aligned(n * Vp if rows_v else Vp)
    gather(v, rows, V, True, start)
    gather(b_h, rows, H, rows_h, bias_h)
    gather(b_v, rows if rows_v else rows[:1], V, rows_v, bias_v)
    binary, stride_v = to_bytes(start, n, Vp, on_v), Vp if rows_v else 0
    grey_held = len(held) > 0 and not binary
    total[:] = 0
    for step in range(n_burn_in + n_average):
        half_step_words(keys, 0, n, drawn + 2 * step, words)
        if binary:
            half_step(on_v, 0, n, Vp, up, n_v, chunk_of(V), bias_h, 0, Hp, False, h, on_h, 0, Hp, 0, Hp // WIDTH,
                      scratch)  # fmt: skip
        else:
            half_step_from_means(start, 0, n, Vp, V, up, UNITS * n_v, bias_h, 0, Hp, False, h, 0, on_h, words, Hp)
        half_step_words(keys, 0, n, drawn + 2 * step + 1, words)
        is_mean = step >= n_burn_in
        half_step(on_h, 0, n, Hp, down, n_h, chunk_of(H), bias_v, 0, stride_v, is_mean, p, on_v, 0, Vp, 0, Vp // WIDTH,
                  scratch)  # fmt: skip
        if is_mean:
            for i in range(n * Vp):
                total[i] += p[i]
            sample_means(p, 0, n, Vp, words, on_v)
        binary = not grey_held
        if len(held):
            _hold(held, rows, start, n, V, on_v, grey_held)
    for i in range(n * Vp):
        total[i] /= np.float32(n_average)
    _scatter(total, rows, V, mean)
    if grey_held:
        _scatter(start, rows, V, last_v)
    else:
        scatter_bytes(on_v, rows, V, last_v)
    scatter_bytes(on_h, rows, H, last_h)


@inner
def _hold(held, rows, v, n_rows, V, on, is_grey):
    """Held units take the value they started with: in on, or if some are grey all states go to v, but for these."""
    Vp = up_to(V, WIDTH)
    for i in range(n_rows):
        for j in range(V):
            if is_grey:
                if not held[rows[i] * V + j]:
                    v[i * Vp + j] = on[i * Vp + j]
            elif held[rows[i] * V + j]:
                on[i * Vp + j] = v[i * Vp + j] != 0
