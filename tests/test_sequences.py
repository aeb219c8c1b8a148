"""Packing, unpacking and tiling of ragged sequences: properties that hold for any lengths."""

import numpy as np
import pytest

from rtrbm.minibatches.sequences import PIECE_FRAMES, TILE_ROWS, layout, pack, pieces, previous_rows, tiles, unpack


def random_lengths(seed):
    """Some sequences of some lengths: many short, few long, all alike, or one alone."""
    rng = np.random.default_rng(seed)
    n_sequences = int(rng.integers(1, 40))
    kind = seed % 4
    if kind == 0:
        return rng.integers(1, 8, n_sequences)
    if kind == 1:
        return np.full(n_sequences, rng.integers(1, 300))
    if kind == 2:
        return rng.geometric(0.01, n_sequences)
    return rng.integers(1, 2000, 1)


LENGTHS = [random_lengths(seed) for seed in range(40)] + [np.array([1]), np.array([256, 257, 255, 1, 512])]
any_lengths = pytest.mark.parametrize("lengths", LENGTHS, ids=range(len(LENGTHS)))


def labelled(lengths):
    """Sequences whose frames say where they belong: (sequence, frame)."""
    return [np.column_stack([np.full(n, i), np.arange(n)]) for i, n in enumerate(lengths)]


@any_lengths
def test_unpack_undoes_pack(lengths):
    sequences = labelled(lengths)
    packed, where = pack(sequences)
    assert packed.shape == (sum(lengths), 2) and where.n_rows == sum(lengths)
    back = unpack(packed, where)
    assert len(back) == len(sequences)
    for a, b in zip(back, sequences):
        np.testing.assert_array_equal(a, b)


@any_lengths
def test_frame_t_of_sequence_i_is_where_the_layout_says(lengths):
    packed, where = pack(labelled(lengths))
    np.testing.assert_array_equal(where.lengths, lengths)
    for i, n in enumerate(lengths):
        rows = where.starts[:n] + where.rank[i]
        np.testing.assert_array_equal(packed[rows], np.column_stack([np.full(n, i), np.arange(n)]))


@any_lengths
def test_the_living_are_a_prefix_of_those_before(lengths):
    packed, where = pack(labelled(lengths))
    assert (np.diff(where.batch_sizes) <= 0).all() and where.batch_sizes[-1] >= 1
    assert len(where.batch_sizes) == len(where.starts) == max(lengths)
    living = [packed[s : s + n, 0] for s, n in zip(where.starts, where.batch_sizes)]
    for t, now in enumerate(living):
        assert set(now) == set(np.flatnonzero(lengths > t))
        if t:
            np.testing.assert_array_equal(now, living[t - 1][: len(now)])


@any_lengths
def test_equal_lengths_keep_the_callers_order(lengths):
    _, where = pack(labelled(lengths))
    for n in set(lengths):
        assert (np.diff(where.rank[lengths == n]) > 0).all()


@any_lengths
def test_previous_rows_are_one_frame_earlier(lengths):
    packed, where = pack(labelled(lengths))
    later = packed[where.batch_sizes[0] :]
    earlier = packed[previous_rows(where)]
    np.testing.assert_array_equal(earlier, later - [0, 1])


@pytest.mark.parametrize("n_frames", [1, 5])
def test_an_array_is_packed_as_its_list(n_frames):
    X = np.random.default_rng(0).random((3, n_frames, 4)).astype("float32")
    packed, where = pack(X)
    packed_list, where_list = pack(list(X))
    np.testing.assert_array_equal(packed, packed_list)
    assert packed.dtype == packed_list.dtype == np.dtype("float32")
    for a, b in zip(where, where_list):
        np.testing.assert_array_equal(a, b)
    assert isinstance(previous_rows(where), slice)  # no copy when nothing is ragged


def test_unpack_keeps_other_dimensions_and_dtype():
    _, where = pack(labelled([2, 4, 1]))
    frames = np.arange(7 * 3 * 2, dtype=np.int16).reshape(7, 3, 2)
    back = unpack(frames, where)
    assert [f.shape for f in back] == [(2, 3, 2), (4, 3, 2), (1, 3, 2)]
    assert {f.dtype for f in back} == {np.dtype(np.int16)}


def test_layout_does_not_take_over_the_callers_lengths():
    lengths = np.array([3, 1, 2])
    layout(lengths)
    np.testing.assert_array_equal(lengths, [3, 1, 2])


@any_lengths
def test_every_row_is_in_exactly_one_tile(lengths):
    where = layout(lengths)
    cut = tiles(where)
    np.testing.assert_array_equal(np.sort(np.concatenate([tile.rows for tile in cut])), np.arange(where.n_rows))
    assert all(len(tile.rows) == sum(piece.n_rows for piece in tile.pieces) for tile in cut)


@any_lengths
def test_pieces_are_what_they_are_named(lengths):
    packed, where = pack(labelled(lengths))
    for tile in tiles(where):
        start = 0
        for sequence, frame, n_rows in tile.pieces:
            rows = packed[tile.rows[start : start + n_rows]]
            if max(lengths) > 1:
                np.testing.assert_array_equal(rows, labelled(lengths)[sequence][frame : frame + n_rows])
            else:
                np.testing.assert_array_equal(rows[:, 0], np.arange(sequence, sequence + n_rows))
            start += n_rows


@any_lengths
def test_tiles_and_pieces_are_small(lengths):
    cut = tiles(layout(lengths))
    sizes = [piece.n_rows for tile in cut for piece in tile.pieces]
    assert 0 < min(sizes) and max(sizes) <= PIECE_FRAMES
    assert max(len(tile.rows) for tile in cut) <= TILE_ROWS + PIECE_FRAMES


@any_lengths
def test_the_pieces_of_a_sequence_do_not_depend_on_the_others(lengths):
    """So that its random numbers are the same in whatever minibatch, on whatever machine."""
    if max(lengths) == 1:
        return
    together = pieces(np.array(lengths))
    for sequence, length in enumerate(lengths):
        mine = [piece[1:] for piece in together if piece.sequence == sequence]
        if length > 1:
            assert mine == [piece[1:] for piece in pieces(np.array([length]))]
        else:
            assert mine == [(0, 1)]


@any_lengths
def test_frames_of_a_tile_are_in_order(lengths):
    packed, where = pack(labelled(lengths))
    order = np.concatenate([packed[tile.rows] for tile in tiles(where)])
    np.testing.assert_array_equal(order, np.concatenate(labelled(lengths)))


def test_two_threads_have_equal_work():
    """To half a piece, since that is where a tile may end."""
    for lengths in LENGTHS:
        sizes = [len(tile.rows) for tile in tiles(layout(lengths))]
        whole = max(piece.n_rows for piece in pieces(np.array(lengths)))
        half = sum(sizes[: len(sizes) // 2])
        assert abs(half - sum(lengths) / 2) <= max(whole / 2, 0.5) or len(sizes) % 2


def test_few_large_tiles_rather_than_many_small_ones():
    sizes = [len(tile.rows) for tile in tiles(layout([10] * 1000))]
    assert len(sizes) == 26 and max(sizes) - min(sizes) <= 10
