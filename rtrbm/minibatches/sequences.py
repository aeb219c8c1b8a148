"""Sequences of different lengths as one block of rows, without padding or masks.

The frames of a minibatch are stored *packed*: all first frames, then all second frames, and so on, the
longest sequence first within each. `batch_sizes[t]` sequences are alive at frame t, always a prefix of
those alive at t - 1, so that a recurrence works on contiguous rows.
"""

import functools
from typing import NamedTuple

import numpy as np

REMEMBERED_FRAMES = 2**14
TILE_ROWS = 400
PIECE_FRAMES = 64


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
    n_warm : (n_sequences,) int ndarray or None
        Frames at the start of each sequence that bring its hidden state up to date and do no more: they count neither
        in the log-likelihood nor in its gradient. None: every frame counts.
    """

    lengths: np.ndarray
    rank: np.ndarray
    batch_sizes: np.ndarray
    starts: np.ndarray
    n_warm: np.ndarray | None = None

    @property
    def n_rows(self):
        """Number of frames of all sequences together."""
        return int(self.lengths.sum())


class Piece(NamedTuple):
    """Successive frames of a sequence that draw random numbers from one stream, named by the first.

    Attributes
    ----------
    sequence, frame : int
    n_rows : int
    """

    sequence: int
    frame: int
    n_rows: int


class Tile(NamedTuple):
    """Rows of a packed block that run their Gibbs chain together.

    Attributes
    ----------
    pieces : list of Piece
    rows : (n,) int ndarray
        Rows of the packed block.
    """

    pieces: list
    rows: np.ndarray


def _remembered(function):
    """Keep the latest results for lengths of few frames: the minibatches of a run are often alike."""
    kept = functools.lru_cache(maxsize=8)(function)

    def call(lengths, *more):
        return (kept if sum(lengths) <= REMEMBERED_FRAMES else function)(lengths, *more)

    return call


def layout(lengths):
    """The packed layout of sequences of these lengths; its arrays are not to be changed.

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
    return _layout(tuple(lengths.tolist() if isinstance(lengths, np.ndarray) else lengths))


@_remembered
def _layout(lengths):
    lengths = np.asarray(lengths)
    rank = np.empty_like(lengths)
    rank[np.argsort(-lengths, kind="stable")] = np.arange(len(lengths))
    batch_sizes = len(lengths) - np.searchsorted(np.sort(lengths), np.arange(lengths.max()), side="right")
    return Layout(lengths, rank, batch_sizes, np.cumsum(batch_sizes) - batch_sizes)


def packed_rows(where):
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
        n_sequences, n_frames = sequences.shape[:2]
        return np.ascontiguousarray(sequences.swapaxes(0, 1).reshape(n_sequences * n_frames, -1)), where
    packed = np.empty((where.n_rows, sequences[0].shape[1]), sequences[0].dtype)
    packed[packed_rows(where)] = np.concatenate(sequences)
    return packed, where


def unpack(packed, where):
    """The sequences of a packed block, in the caller's order.

    Returns
    -------
    list of (n_frames_i, ...) ndarrays
    """
    return np.split(packed[packed_rows(where)], np.cumsum(where.lengths)[:-1])


def summary(lengths):
    """Numbers of frames, for a message."""
    return f"{len(lengths)} of {min(lengths, default=0)} to {max(lengths, default=0)} frames"


def counted(where):
    """The layout of the frames that count, and their rows in the packed block.

    Parameters
    ----------
    where : Layout

    Returns
    -------
    Layout
        Of the sequences without their first `n_warm` frames.
    rows : slice or int ndarray
        Its rows in the block of `where`; a slice (no copy) if `n_warm` is the same for all sequences.
    """
    if where.n_warm is None:
        return where, slice(None)
    inner, n_warm = layout(where.lengths - where.n_warm), int(where.n_warm[0])
    if (where.n_warm == n_warm).all():
        return inner, slice(int(where.batch_sizes[:n_warm].sum()), None)
    rows = np.empty(inner.n_rows, int)
    first = np.cumsum(where.lengths) - where.lengths
    frame = np.arange(where.n_rows) - np.repeat(first, where.lengths)
    rows[packed_rows(inner)] = packed_rows(where)[frame >= np.repeat(where.n_warm, where.lengths)]
    return inner, rows


def forget_warm(d, where):
    """Set derivatives of frames that do not count to 0, in place; returns them."""
    if where.n_warm is None:
        return d
    _, rows = counted(where)
    if isinstance(rows, slice):
        d[: rows.start] = 0
    else:
        kept = np.zeros(len(d), bool)
        kept[rows] = True
        d[~kept] = 0
    return d


def previous_rows(where, n=1):
    """For every row past the first n frames, the row of the same sequence n frames earlier.

    Returns
    -------
    slice or int ndarray
        A slice (no copy) when all sequences have the same length.
    """
    n = min(n, len(where.starts))
    n_early = later_rows(where, n).start
    if where.batch_sizes[-1] == where.batch_sizes[0]:
        return slice(0, where.n_rows - n_early)
    distance = where.starts[n:] - where.starts[: len(where.starts) - n]
    return np.arange(n_early, where.n_rows) - np.repeat(distance, where.batch_sizes[n:])


def later_rows(where, n=1):
    """The rows past the first n frames, a slice."""
    return slice(int(where.batch_sizes[:n].sum()), where.n_rows)


def pieces(lengths):
    """Cut sequences into an even number of nearly equal pieces of at most `PIECE_FRAMES` frames.

    The cut of a sequence depends on its own length alone. Single frames, which have no neighbours, go together instead.

    Parameters
    ----------
    lengths : (n_sequences,) int ndarray

    Returns
    -------
    list of Piece
    """
    n = len(lengths)
    if lengths.max() == 1:
        starts = range(0, n, PIECE_FRAMES)
        return [Piece(start, 0, min(PIECE_FRAMES, n - start)) for start in starts]
    cut = []
    for sequence, length in enumerate(lengths.tolist()):
        n_pieces = min(length, 2 * -(-length // (2 * PIECE_FRAMES)))
        frames = [length * i // n_pieces for i in range(n_pieces + 1)]
        cut += [Piece(sequence, start, stop - start) for start, stop in zip(frames, frames[1:])]
    return cut


def tiles(where, even=True):
    """Gather the pieces of a packed block into tiles of nearly equal size, about `TILE_ROWS` rows or less.

    The cut depends on the lengths alone, never on the number of threads.

    Parameters
    ----------
    where : Layout
    even : bool
        Whether their number is even, so that two threads have equal work.

    Returns
    -------
    list of Tile
        Not to be changed.
    """
    return _tiles(tuple(where.lengths.tolist()), even)


def n_tiles_of(n_rows, even):
    """The number of tiles of so many rows, an even one for two threads."""
    multiple = 2 if even else 1
    return multiple * -(-n_rows // (multiple * TILE_ROWS))


@_remembered
def _tiles(lengths, even):
    where = layout(lengths)
    cut = pieces(where.lengths)
    ends = np.cumsum([piece.n_rows for piece in cut])
    n_tiles = n_tiles_of(where.n_rows, even)
    wanted = where.n_rows * np.arange(1, n_tiles + 1) / n_tiles
    last = np.unique(np.searchsorted((ends[:-1] + ends[1:]) / 2, wanted))  # the piece that ends nearest
    rows, tiles, piece, row = packed_rows(where), [], 0, 0
    for next_piece in (last + 1).tolist():
        next_row = int(ends[next_piece - 1])
        tiles.append(Tile(cut[piece:next_piece], rows[row:next_row]))
        piece, row = next_piece, next_row
    return tiles
