"""Sequences of different lengths as one block of rows, without padding or masks.

The frames of a minibatch are stored *packed*: all first frames, then all second frames, and so on, the
longest sequence first within each. `batch_sizes[t]` sequences are alive at frame t, always a prefix of
those alive at t - 1, so that a recurrence works on contiguous rows.
"""

from typing import NamedTuple

import numpy as np

TILE_ROWS = 400


class Layout(NamedTuple):
    """Where each frame of each sequence lies in a packed block.

    Frame t of sequence i is row ``starts[t] + rank[i]``.

    Attributes
    ----------
    lengths : (n_sequences,) int ndarray
        Frames of each sequence, in the caller's order.
    rank : (n_sequences,) int ndarray
        Place of each sequence when the longest comes first.
    batch_sizes : (n_frames,) int ndarray
        Number of sequences that have a frame t.
    starts : (n_frames,) int ndarray
        First row of frame t.
    """

    lengths: np.ndarray
    rank: np.ndarray
    batch_sizes: np.ndarray
    starts: np.ndarray

    @property
    def n_rows(self):
        """Number of frames of all sequences together."""
        return int(self.lengths.sum())


class Tile(NamedTuple):
    """Rows of a packed block that run their Gibbs chain together, named by their first frame.

    Attributes
    ----------
    sequence, frame : int
        Which frame of which sequence comes first in the tile.
    rows : (n,) int ndarray
        Rows of the packed block.
    """

    sequence: int
    frame: int
    rows: np.ndarray


def layout(lengths):
    """The packed layout of sequences of these lengths.

    Parameters
    ----------
    lengths : (n_sequences,) array_like of int

    Returns
    -------
    Layout

    Examples
    --------
    >>> layout([1, 3]).batch_sizes
    array([2, 1, 1])
    """
    lengths = np.asarray(lengths)
    rank = np.empty_like(lengths)
    rank[np.argsort(-lengths, kind="stable")] = np.arange(len(lengths))
    batch_sizes = len(lengths) - np.searchsorted(np.sort(lengths), np.arange(lengths.max()), side="right")
    return Layout(lengths, rank, batch_sizes, np.cumsum(batch_sizes) - batch_sizes)


def _packed_rows(where):
    """The packed row of every frame, sequence after sequence."""
    first = np.cumsum(where.lengths) - where.lengths
    sequence = np.repeat(np.arange(len(where.lengths)), where.lengths)
    frame = np.arange(where.n_rows) - first[sequence]
    return where.starts[frame] + where.rank[sequence]


def pack(sequences):
    """Pack sequences into one block of rows.

    Parameters
    ----------
    sequences : (n_sequences, n_frames, n) ndarray or list of (n_frames_i, n) ndarrays

    Returns
    -------
    packed : (sum of lengths, n) ndarray
    where : Layout

    Examples
    --------
    >>> packed, where = pack([np.array([[1.0]]), np.array([[2.0], [3.0]])])
    >>> packed.ravel()
    array([2., 1., 3.])
    >>> unpack(packed, where)
    [array([[1.]]), array([[2.],
           [3.]])]
    """
    where = layout([len(sequence) for sequence in sequences])
    if isinstance(sequences, np.ndarray):
        return sequences.swapaxes(0, 1).reshape(where.n_rows, -1), where
    packed = np.empty((where.n_rows, sequences[0].shape[1]), sequences[0].dtype)
    packed[_packed_rows(where)] = np.concatenate(sequences)
    return packed, where


def unpack(packed, where):
    """The sequences of a packed block, in the caller's order.

    Returns
    -------
    list of (n_frames_i, ...) ndarrays
    """
    return np.split(packed[_packed_rows(where)], np.cumsum(where.lengths)[:-1])


def previous_rows(where):
    """For every row past the first frames, the row of the same sequence one frame earlier.

    Returns
    -------
    slice or int ndarray
        A slice (no copy) when all sequences have the same length.
    """
    n_first = where.batch_sizes[0]
    if where.batch_sizes[-1] == n_first:
        return slice(0, where.n_rows - n_first)
    return np.arange(n_first, where.n_rows) - np.repeat(where.batch_sizes[:-1], where.batch_sizes[1:])


def tiles(where, max_rows=TILE_ROWS):
    """Cut a packed block into tiles of at most `max_rows` rows, at the ends of sequences where they allow it.

    The size aimed at gives an even number of tiles, so that two threads have equal work; a sequence longer than that
    is cut. The cut depends on the lengths alone, never on the number of threads: random numbers are addressed by tile.

    Returns
    -------
    list of Tile
    """
    n_pairs = -(-where.n_rows // (2 * max_rows))
    size = -(-where.n_rows // (2 * n_pairs))
    ends = np.cumsum(where.lengths)
    rows = _packed_rows(where)
    cut, start = [], 0
    while start < where.n_rows:
        sequence = int(np.searchsorted(ends, start, side="right"))
        remaining = int(ends[sequence]) - start
        if remaining > size:
            stop = start + -(-remaining // -(-remaining // size))
        else:
            stop = int(ends[np.searchsorted(ends, start + size, side="right") - 1])
        frame = start - int(ends[sequence] - where.lengths[sequence])
        cut.append(Tile(sequence, frame, rows[start:stop]))
        start = stop
    return cut
