"""Random numbers that are hashes of their address: bit for bit those of numpy (hashes.py), and the laws of samples.

The weakened hashes are controls. A law that one of them obeys as well is no evidence for the whole hash.
"""

import numpy as np
import pytest
from hashes import UNIT, integers, mix, uniforms
from helpers import (
    Z_MAX,
    binary_states,
    chi_square_z,
    independent,
    random_params,
    reconstruction_distribution,
    sigmoid,
    state_codes,
    up_kernel,
    visible_means,
)

from rtrbm.models.rtrbm import Recurrent

numba = pytest.importorskip("numba")
from rtrbm.compute.numba import hashing, whole  # noqa: E402
from rtrbm.compute.numba.buffers import addresses, keep  # noqa: E402
from rtrbm.compute.numba.compiled import compiled  # noqa: E402
from rtrbm.compute.numba.forward import step_ahead, take_frames, take_rows  # noqa: E402
from rtrbm.compute.numba.room import SEQUENCES, Data, Job, Model, Task, new_packed, new_room  # noqa: E402
from rtrbm.compute.numba.tile import MATRICES, begin_steps, pack_matrix, run_chains  # noqa: E402
from rtrbm.compute.numba.vectors import WIDTH, load, store, up_to  # noqa: E402

EPS = float(np.finfo(np.float32).eps)
AXES = ("updates", "sequences", "frames", "half-steps", "units")
SHAPE = (4, 8, 40, 8, 96)  # 983,040 numbers


@numba.njit
def _uniforms(keys, n_half_steps, n, out):
    words = np.empty(3 * len(keys), np.uint32)
    for half_step in range(n_half_steps):
        hashing.half_step_words(keys, 0, len(keys), half_step, words)
        for i in range(len(keys)):
            for j in range(0, n, WIDTH):
                store(out, (i * n_half_steps + half_step) * n + j, hashing.uniforms(words, i, j))


@numba.njit
def _switched(keys, half_step, x, n, means, on):
    words = np.empty(3 * len(keys), np.uint32)
    hashing.half_step_words(keys, 0, len(keys), half_step, words)
    for i in range(len(keys)):
        for j in range(0, n, WIDTH):
            if means:
                hashing.switch_mean_on(on, i * n + j, load(x, i * n + j), words, i, j)
            else:
                hashing.switch_on(on, i * n + j, load(x, i * n + j), words, i, j)


@numba.njit
def _of_words(words, n, out):
    for i in range(len(words) // 3):
        for j in range(0, n, WIDTH):
            store(out, i * n + j, hashing.uniforms(words, i, j))


def compiled_uniforms(keys, n_half_steps, n):
    """(n_rows, n_half_steps, n), n a multiple of WIDTH."""
    out = np.full((len(keys), n_half_steps, n), np.nan, np.float32)
    _uniforms(keys, n_half_steps, n, out.reshape(-1))
    return out


def switched(keys, half_step, x, means=False):
    """States of units with these inputs, or with these means."""
    n_rows, n = x.shape
    padded = np.zeros((n_rows, up_to(n, WIDTH)), np.float32)
    padded[:, :n] = x
    on = np.full(padded.shape, 255, np.uint8)
    _switched(keys, half_step, padded.reshape(-1), padded.shape[1], means, on.reshape(-1))
    assert (on <= 1).all()
    return on[:, :n]


def random_keys(n, seed=0):
    """Keys of 64 bits, their ends among them."""
    keys = np.random.default_rng(seed).integers(0, 2**64, n, np.uint64, endpoint=False)
    keys[:4] = 0, 1, 2**32 - 1, 2**64 - 1
    return keys


# ------------------------------------------------------------------------------------------- bit for bit


def in_single(u):
    """The same uniform numbers in single precision, which rounds the integer, and then the product."""
    return np.rint(u / UNIT).astype(np.float32) * np.float32(UNIT)


def test_uniform_numbers_are_those_of_numpy():
    keys = random_keys(50)
    for n in (WIDTH, 5 * WIDTH, 2016):
        found = compiled_uniforms(keys, 7, n)
        for half_step in range(7):
            np.testing.assert_array_equal(found[:, half_step], in_single(uniforms(keys, half_step, n)))


def test_no_uniform_number_is_0_or_1():
    """Whatever the hash is: the third word, which comes last, makes it anything from 0 to 2^32 - 1."""
    a, b, zero = np.array([[5], [7], [0]], np.uint32)
    hashed, found = 2 * int(integers(a, b, zero, 1)[0, 0]), []  # but for the two last bits
    for near in range(-6, 6):
        out = np.empty(WIDTH, np.float32)
        _of_words(np.array([5, 7, (near - hashed) % 2**32], np.uint32), WIDTH, out)
        found.append(out[0])
    assert 0 < min(found) < 1e-9 and 1 - 1e-7 < max(found) < 1


def test_keys_are_those_of_numpy():
    rng = np.random.default_rng(0)
    sequences, frames = rng.integers(0, 2**31, (2, 200))
    key = int(hashing.key_of(3, "chain", (5, 2)))
    assert key == int(mix(mix(int(hashing.key_of(3, "chain", ())), 5), 2)) < 2**64
    keys = np.zeros(200, np.uint64)
    hashing.row_keys(np.uint64(key), sequences, frames, keys)
    np.testing.assert_array_equal(keys, mix(mix(key, sequences), frames))
    assert [hashing.mix(key, int(n)) for n in frames] == mix(key, frames).tolist()
    others = [
        hashing.key_of(*a)
        for a in ((4, "chain", (5, 2)), (3, "predict", (5, 2)), (3, "chain", (2, 5)), (3, "chain", (5,)))
    ]
    assert len({key, *others}) == 5


def test_units_are_switched_on_by_these_numbers():
    """Below the mean, exactly; below sigmoid(x), but where rounding may decide."""
    keys, rng = random_keys(300), np.random.default_rng(1)
    x = rng.uniform(-20, 20, (300, 77)).astype(np.float32)
    p = rng.random((300, 77)).astype(np.float32)
    for half_step in (0, 5):
        u = uniforms(keys, half_step, 77)
        np.testing.assert_array_equal(switched(keys, half_step, p, means=True), in_single(u) < p)
        on, odds = switched(keys, half_step, x), np.exp(-x.astype(float))
        clear = np.abs(u * (1 + odds) - 1) > 30 * EPS
        np.testing.assert_array_equal(on[clear], (u < 1 / (1 + odds))[clear])
        assert clear.mean() > 0.999 and 0.4 < on.mean() < 0.6
    assert (switched(keys, 0, x)[:, 1:] != switched(keys, 0, x)[:, :-1]).any()


def test_certain_units_and_what_is_not_a_number():
    keys, x = random_keys(2000), np.zeros((2000, 6), np.float32)
    x[:] = [np.inf, 100, -100, -np.inf, np.nan, -1e30]
    np.testing.assert_array_equal(switched(keys, 1, x), np.tile([1, 1, 0, 0, 0, 0], (2000, 1)))
    x[:] = [1, 2, 0, -1, np.nan, np.inf]
    np.testing.assert_array_equal(switched(keys, 1, x, means=True), np.tile([1, 1, 0, 0, 0, 1], (2000, 1)))


# --------------------------------------------------------------------------------------------- laws

_32 = np.uint64(0xFFFFFFFF)


def weakened(without, keys, n_half_steps, n):
    """The uniform numbers of a hash without one of its parts, in numpy; "nothing" leaves it whole."""
    out = np.empty((len(keys), n_half_steps, n))
    for half_step in range(n_half_steps):
        with np.errstate(over="ignore"):
            z = keys + np.uint64(half_step) if without == "hashed half-steps" else mix(keys, half_step)
            a, b = (z & _32).astype(np.uint32), (z >> np.uint64(32)).astype(np.uint32)
            third = a * np.uint32(0x9E3779B1) ^ b
            z = a[:, None] + np.arange(n, dtype=np.uint32)
            z = z ^ (z >> np.uint32(16))
            z = z * np.uint32(0x7FEB352D if without != "the first multiplication" else 1)
            z = z ^ b[:, None] ^ (z >> np.uint32(15))
            z = z * np.uint32(0x846CA68B if without != "the second multiplication" else 1)
            z = (z ^ (z >> np.uint32(16))) + third[:, None]
        out[:, half_step] = ((z >> np.uint32(1)) | np.uint32(1)) * 2.0**-31
    return out


def row_keys(shape, keys_of=mix):
    """Keys of the rows of all frames of all sequences of all updates."""
    updates, sequences, frames = np.ogrid[: shape[0], : shape[1], : shape[2]]
    keys = np.array([hashing.key_of(0, "chain", (update,)) for update in range(shape[0])], np.uint64)
    return keys_of(keys_of(keys[:, None, None], sequences), frames).reshape(-1)


def added(key, number):
    """A key that is a sum: a control."""
    with np.errstate(over="ignore"):
        return key + np.asarray(number, np.uint64)


def pair_counts(a, b, n=16):
    """How often two uniform numbers fall in each of n x n cells."""
    cells = (n * a).astype(np.intp) * n + (n * b).astype(np.intp)
    return np.bincount(cells.ravel(), minlength=n * n)


def z_of_sums(sums, variance):
    """Whether sums vary more, or less, than independent numbers of that variance: their squares are a chi-square."""
    squares = (sums**2 / variance).sum()
    return (squares - sums.size) / np.sqrt(2 * sums.size)


def laws(u):
    """z-scores of uniform numbers u, (updates, sequences, frames, half-steps, units), by name of what they test."""
    u = u.astype(float)
    centred = u - 0.5
    found = {"mean": centred.mean() * np.sqrt(12 * u.size)}
    found["histogram"] = chi_square_z(np.bincount((256 * u).astype(int).ravel(), minlength=256), np.full(256, 1 / 256))
    later = (2**20 * u).astype(int).ravel() & 255
    found["later bits"] = chi_square_z(np.bincount(later, minlength=256), np.full(256, 1 / 256))
    for axis, name in enumerate(AXES):
        others = tuple(i for i in range(5) if i != axis)
        found[f"sums over all but {name}"] = z_of_sums(centred.sum(axis=others), u.size / u.shape[axis] / 12)
        found[f"sums over {name}"] = z_of_sums(centred.sum(axis=axis), u.shape[axis] / 12)
        first, second = (np.take(u, range(low, u.shape[axis] - 1 + low), axis) for low in (0, 1))
        product = (first - 0.5) * (second - 0.5)
        found[f"products of neighbouring {name}"] = product.mean() * 12 * np.sqrt(product.size)
        found[f"pairs of neighbouring {name}"] = chi_square_z(pair_counts(first, second), np.full(256, 1 / 256))
        for p in (0.5, 0.03):
            both = (first < p) & (second < p)
            found[f"both below {p}, {name}"] = (both.mean() - p * p) * np.sqrt(both.size / (p * p * (1 - p * p)))
    for shift in (-1, 1):  # a unit and the next, of a row and the next
        beside = np.roll(u, shift, axis=-1)[..., 1:-1]
        found[f"pairs across frames, {shift}"] = chi_square_z(
            pair_counts(u[:, :, 1:, :, 1:-1], beside[:, :, :-1]), np.full(256, 1 / 256)
        )
        found[f"pairs across half-steps, {shift}"] = chi_square_z(
            pair_counts(u[..., 1:, 1:-1], beside[..., :-1, :]), np.full(256, 1 / 256)
        )
    return found


def broken(found):
    return {name for name, z in found.items() if not abs(z) < Z_MAX}


def test_uniform_numbers_obey_the_laws_of_independent_ones():
    u = compiled_uniforms(row_keys(SHAPE), SHAPE[3], SHAPE[4]).reshape(SHAPE)
    found = laws(u)
    assert broken(found) == set() and len(found) == 37
    shifted = np.clip(u + 0.002, 0, np.nextafter(1, 0))  # controls
    assert "mean" in broken(laws(shifted)) and "histogram" in broken(laws(shifted))
    for axis, name in enumerate(AXES):
        alike = u.astype(float)
        n = alike.shape[axis]
        places = (slice(None),) * axis
        alike[(*places, n - 1)] = alike[(*places, n - 2)]
        assert f"pairs of neighbouring {name}" in broken(laws(alike))


@pytest.mark.parametrize("without", ["the first multiplication", "the second multiplication", "hashed half-steps"])
def test_a_hash_without_a_part_shows(without):
    """Control of the test above."""
    keys = row_keys(SHAPE)
    assert broken(laws(weakened(without, keys, *SHAPE[3:]).reshape(SHAPE)))


def test_the_weakened_hash_is_the_hash_but_for_that():
    keys = random_keys(20)
    np.testing.assert_allclose(weakened("nothing", keys, 3, 40), np.stack([uniforms(keys, i, 40) for i in range(3)], 1))


def test_keys_that_are_not_hashed_show():
    """Control: sequence 1 of frame 0 has then the numbers of sequence 0 of frame 1."""
    u = compiled_uniforms(row_keys(SHAPE, added), SHAPE[3], SHAPE[4]).reshape(SHAPE)
    first, second = u[:, 1:, :-1], u[:, :-1, 1:]
    assert chi_square_z(pair_counts(first, second), np.full(256, 1 / 256)) > Z_MAX
    u = compiled_uniforms(row_keys(SHAPE), SHAPE[3], SHAPE[4]).reshape(SHAPE)
    first, second = u[:, 1:, :-1], u[:, :-1, 1:]
    assert abs(chi_square_z(pair_counts(first, second), np.full(256, 1 / 256))) < Z_MAX


def test_rows_whose_first_words_are_neighbours_are_independent():
    """Among 100,000 rows there are many. The second and the third word keep one from being the other, shifted."""
    n_rows, n = 8000, 2 * WIDTH
    first = np.random.default_rng(0).integers(0, 2**32, (n_rows, 3), np.uint32)
    second = np.random.default_rng(1).integers(0, 2**32, (n_rows, 3), np.uint32)
    second[:, 0] = first[:, 0] + np.uint32(1)

    def pairs():
        u, w = (np.empty((n_rows, n), np.float32) for _ in range(2))
        _of_words(first.reshape(-1), n, u.reshape(-1))
        _of_words(second.reshape(-1), n, w.reshape(-1))
        return chi_square_z(pair_counts(u[:, 1:], w[:, :-1]), np.full(256, 1 / 256))

    assert abs(pairs()) < Z_MAX
    second[:, 1:] = first[:, 1:]
    assert pairs() > Z_MAX  # control


@pytest.mark.parametrize("x", [-9.0, -3.0, -0.4, 0.0, 2.0, 6.0])
def test_units_are_on_as_often_as_their_mean_says(x):
    """In all, unit by unit, and row by row."""
    keys, n, half_steps = row_keys((1, 1, 10_000)), 96, 2
    p = sigmoid(x)
    for means in (False, True):
        value = np.full((len(keys), n), p if means else x, np.float32)
        on = np.stack([switched(keys, half_step, value, means) for half_step in range(half_steps)]).astype(float)
        z = (on.mean() - p) * np.sqrt(on.size / (p * (1 - p)))
        assert abs(z) < Z_MAX
        other = p + 8 * np.sqrt(p * (1 - p) / on.size)
        assert abs(on.mean() - other) * np.sqrt(on.size / (other * (1 - other))) > 3  # control: 0.003 at the most
        for axes in ((0, 1), (0, 2)):
            sums, n_terms = (on - p).sum(axis=axes), on.size / on.shape[3 - sum(axes)]
            if n_terms * p * (1 - p) > 20:  # else they are not normal
                assert abs(z_of_sums(sums, n_terms * p * (1 - p))) < Z_MAX
                assert z_of_sums(sums + 2 * np.sqrt(n_terms * p * (1 - p)), n_terms * p * (1 - p)) > Z_MAX  # control


# --------------------------------------------------------------------------------------------- chains

N_ROWS = 60_000  # sequences
FRAMES = np.array([[1, 0, 1], [0, 1, 0]], np.float32)


@compiled
def pack_all(task):
    for part in range(MATRICES):
        pack_matrix(part, 0, Job(0, 0, 1, 1, keep(task)))


@compiled
def chains_of(low, task):
    """The chains of a tile of sequences of two frames; their ends are in the room."""
    job = Job(low, 0, 1, 1, keep(task))
    take_frames(0, 0, job)
    take_rows(0, 0, job)
    begin_steps(job)
    step_ahead(0, 0, job)
    run_chains(0, 0, job)


class Chains:
    """The ends v and h of chains from the same two frames of many sequences, and the exact distributions of these."""

    def __init__(self, k, sample_visible=True, seed=0, update=0):
        self.params, self.k = random_params(3, 2, scale=1.5, seed=4), k
        form = Recurrent().form
        kernel = whole.prepared(form, k, sample_visible, 3, 2)
        room, scratch = new_room(kernel.size, 2 * SEQUENCES, 2)
        v = np.repeat(FRAMES, N_ROWS, axis=0).reshape(-1)
        starts, batch_sizes = np.array([0, N_ROWS]), np.array([N_ROWS, N_ROWS])
        where = starts, 1, batch_sizes, np.arange(N_ROWS), np.zeros(N_ROWS, np.intp), 2, N_ROWS
        key, n_tiles = np.uint64(hashing.key_of(seed, "chain", (update,))), N_ROWS // SEQUENCES
        data = Data(v, *where, 0, key, 0, n_tiles)
        packed = new_packed(3, 2)
        model = Model(kernel.size, kernel.at, kernel.flat(self.params), addresses(packed)[None])
        rooms, scratches = addresses(room)[None], addresses(scratch)[None]
        task = Task(data, model, rooms, scratches, np.empty(1, np.float32), n_tiles)
        pack_all(task)
        self.v, self.h = np.empty((2, N_ROWS, 3), np.float32), np.empty((2, N_ROWS, 2), np.float32)
        last = room.on if sample_visible else room.c_v
        for low in range(n_tiles):
            chains_of(low, task)
            for out, a in ((self.v, last), (self.h, room.h_neg)):
                rows = a[: 2 * SEQUENCES * WIDTH].reshape(2, SEQUENCES, WIDTH)
                out[:, low::n_tiles] = rows[:, :, : out.shape[2]]

    def biases(self):
        """P(h = 1 | v, past) and the hidden bias of both frames."""
        p, r, found = self.params, None, []
        for v in FRAMES:
            b_h = p.b_h + (p.b_init if r is None else r @ p.U)
            r = sigmoid(v @ p.W + b_h)
            found.append((r, b_h))
        return found

    def law(self, frame, k=None, shift=0.0):
        """The distribution of v after k steps; `shift` is added to a visible bias."""
        h_pos, b_h = self.biases()[frame]
        b_v = self.params.b_v + [shift, 0, 0]
        return reconstruction_distribution(h_pos, self.params.W, b_v, b_h, k or self.k)


def counted(v):
    return np.bincount(state_codes(v.astype(float)), minlength=2 ** v.shape[-1])


@pytest.mark.parametrize("k", [1, 2, 4])
def test_ends_of_chains_have_the_distribution_of_the_chain(k):
    ends = Chains(k)
    for frame in (0, 1):
        counts = counted(ends.v[frame])
        assert abs(chi_square_z(counts, ends.law(frame))) < Z_MAX
        assert chi_square_z(counts, ends.law(frame, shift=0.1)) > Z_MAX  # controls
        assert chi_square_z(counts, ends.law(1 - frame)) > Z_MAX
        if k == 1:
            assert chi_square_z(counts, ends.law(frame, k=2)) > Z_MAX
        b_h = ends.biases()[frame][1]
        np.testing.assert_allclose(ends.h[frame], sigmoid(ends.v[frame] @ ends.params.W + b_h), rtol=0, atol=20 * EPS)


def test_chains_are_independent():
    """Of neighbouring sequences, of both frames, and of two updates or seeds."""
    ends = Chains(2)
    p = [ends.law(frame) for frame in (0, 1)]
    pairs = {
        "sequences": (ends.v[0, ::2], ends.v[0, 1::2], p[0], p[0]),
        "frames": (ends.v[0], ends.v[1], p[0], p[1]),
        "updates": (ends.v[0], Chains(2, update=1).v[0], p[0], p[0]),
        "seeds": (ends.v[1], Chains(2, seed=1).v[1], p[1], p[1]),
    }
    for a, b, p_a, p_b in pairs.values():
        assert abs(chi_square_z(counted(np.hstack([a, b])), np.outer(p_a, p_b).ravel())) < Z_MAX
    a, _, p_a, _ = pairs["sequences"]
    alike = np.where(np.arange(len(a))[:, None] % 20 == 0, a, pairs["sequences"][1])
    assert chi_square_z(counted(np.hstack([a, alike])), np.outer(p_a, p_a).ravel()) > Z_MAX  # control: one pair in 20
    np.testing.assert_array_equal(Chains(2).v, ends.v)


def test_a_chain_of_means():
    """Of two steps: v_1 = E[v | h_0], h_1 a sample, v_2 = E[v | h_1]."""
    ends, W = Chains(2, sample_visible=False), random_params(3, 2, scale=1.5, seed=4).W
    states = binary_states(2)
    possible = visible_means(states, W, ends.params.b_v, "bernoulli")
    for frame, (h_pos, b_h) in enumerate(ends.biases()):
        distances = np.abs(ends.v[frame][:, None] - possible).max(axis=2)
        assert distances.min(axis=1).max() < 20 * EPS
        counts = np.bincount(distances.argmin(axis=1), minlength=4)
        right = independent(h_pos) @ independent(sigmoid(possible @ W + b_h))
        assert abs(chi_square_z(counts, right)) < Z_MAX
        sampled = independent(h_pos) @ independent(possible) @ up_kernel(W, b_h)
        assert chi_square_z(counts, sampled) > Z_MAX  # control
        np.testing.assert_allclose(ends.h[frame], sigmoid(ends.v[frame] @ W + b_h), rtol=0, atol=20 * EPS)
