"""A whole update in compiled calls: one for all tiles of sequences, and one or two for all slices of the parameters.

Parameters, and each sum of the optimiser, lie in one flat array: matrices, then biases (`Places`). Tiles and slices
depend on sizes alone, so that results do not depend on the number of threads.
"""

import functools
import math
import threading
from typing import NamedTuple

import numpy as np

from ..threads import TASKS
from . import step, tile
from .board import new_board
from .buffers import addresses
from .crew import helped
from .hashing import key_of
from .room import SEQUENCES, Data, Model, Places, Size, Task, adds_tiles, new_packed, new_room
from .spare import Spare
from .step import Rates, State
from .vectors import WIDTH

MATRICES, BIASES = ("W", "U", "U_v", "A", "C"), ("b_v", "b_h", "b_init", "b_v_init")
SLICE, SLICES = 2**13, 16  # about the fewest numbers that a task of a matrix updates, and the most tasks
TILES = 32  # whose sums are in memory at the same time
LARGE = 2**16  # parameters that are worth waking threads for
ASIDE = 2**14  # parameters that leave little of a processor's cache to the interpreter: a helper is to work on them
ALONE = 2**24  # multiplications that are worth sharing if there is one tile and the model is no larger than that
_NONE = np.empty(0, np.float32)
_local = threading.local()


class Whole(NamedTuple):
    """The sizes and places of a model's updates.

    size : Size; at : Places; places : tuple of (name, begin, end, shape) of the parameters in a flat array; slices :
    table of slices (`rtrbm.compute.numba.step`); widest : int, columns of the widest matrix.
    """

    size: Size
    at: Places
    places: tuple
    slices: np.ndarray
    widest: int

    def flat(self, params):
        """The flat array of which all parameters are views, each in its place; that of a copy if there is none."""
        for places, made, flat in getattr(_local, "made", ()):
            if made is params and places is self.places:
                return flat
        parts = [getattr(params, name) for name, *_ in self.places]
        base = parts[0].base
        if type(base) is np.ndarray and base.dtype == np.float32 and base.shape == (self.at.end,) and base.flags.carray:
            begin = base.__array_interface__["data"][0]
            places = [(begin + 4 * low, False, shape, base.dtype, True) for _, low, _, shape in self.places]
            if places == [(*p.__array_interface__["data"], p.shape, p.dtype, p.flags.c_contiguous) for p in parts]:
                return base
        (flat,) = _spare().take(self.at.end, 1)
        for part, (_, low, high, _) in zip(parts, self.places):
            flat[low:high] = part.reshape(-1)
        return flat

    def laid_out(self, *params):
        """The same parameters as views of flat arrays, which `flat` finds at once."""
        return self._made(map(self.flat, params), type(params[0]))

    def _made(self, flats, kind):
        """Parameters of that type, views of flat arrays, which `flat` knows from now on."""
        made = []
        for flat in flats:
            views = {
                name: flat[low:high].reshape(shape) if len(shape) > 1 else flat[low:high]
                for name, low, high, shape in self.places
            }
            made.append((self.places, kind(**views), flat))
        _local.made = made
        return [params for _, params, _ in made]

    def nothing(self):
        """An array like that of `added`."""
        return np.empty(self.at.rest + 2, np.float32)

    def added(self, sums):
        """The sums of all tiles added up; overwrites those of the first."""
        step.add_up(sums, self._n_added(len(sums)), self.at.rest + 2)
        return sums[0, : self.at.rest + 2]

    def sums(self, flat, v, where, draw, n_jobs):
        """The sums of the gradient over the sequences of a packed block, those of each tile in a row.

        Parameters
        ----------
        flat : (n,) ndarray
            Parameters.
        v : (n_rows, n_visible) or (n_sequences, n_frames, n_visible) ndarray
            Packed frames, or sequences of one length as they are.
        where : Layout
        draw : Draw
        n_jobs : int or None

        Returns
        -------
        (n_tiles, n) ndarray
            As `Places` has them. If there are more than `TILES`, one row with the sums of all.
        """
        n_sequences, n_frames, n_rows = len(where.lengths), len(where.starts), v.size // self.size.V
        rows = _rows_of(where, v.ndim == 2)
        if v.dtype != np.float32 or not v.flags.carray:
            v = np.require(v, np.float32, "CW")
        n_tiles = -(-n_sequences // SEQUENCES)
        n_tiles = min(n_tiles + n_tiles % 2, n_sequences)  # even, for two threads
        key = np.uint64(key_of(draw.seed, draw.purpose, draw.address))
        data = v.reshape(-1), *rows, int(draw.first), key
        packed, table = self._packed()
        model = Model(self.size, self.at, flat, table)
        is_shared = n_rows * self.at.end * self.size.k > (ALONE if n_tiles == 1 and self.at.end <= LARGE else TASKS)
        (find_sums, doors), total = tile.call_of_sums(), None  # which may compile: nobody waits yet
        for low in range(0, n_tiles, TILES):
            n = min(TILES, n_tiles - low)
            (flat_sums,) = _spare().take(n * (self.at.rest + WIDTH), 1)
            sums = flat_sums.reshape(n, -1)
            most = tile.most_threads(n, self.size.H) if is_shared else 1
            with helped(n_jobs, self._wanted(most)) as (board, n_workers):
                aside, n_workers = n_workers > most, min(n_workers, most)
                rooms = self._rooms(-(-n_sequences // n_tiles) * n_frames, n_frames)
                task = Task(Data(*data, low, n_tiles), model, *rooms.tables(n_workers), flat_sums, n)
                find_sums(board, aside, (new_board() if aside else board, doors, n_workers, task))
            if n_tiles > TILES:
                total = self.added(sums).copy() if total is None else np.add(total, self.added(sums), out=total)
        return sums if total is None else total[None]

    def climb(self, sums, flats, kind, rates, max_norm, n_jobs, turn=None):
        """A step of the optimiser along the gradient per frame.

        Parameters
        ----------
        sums : (n_tiles, n) ndarray
            Overwritten.
        flats : list of (n,) ndarrays
            Parameters, and the optimiser's sums, one or two.
        kind : type of NamedTuple
            That of parameters; a part that has no place is None.
        rates : tuple
            The fields of `Rates` after the first.
        max_norm : float or None
        n_jobs : int or None
        turn : callable (sums, square), optional
            Makes the directions of matrices, if they are directed, of the optimiser's new sums, in place.

        Returns
        -------
        norm : float
            Of the gradient per frame, before it was clipped; not finite if a new parameter is not.
        error, n_frames : float
            The squared error of all frames, and their number.
        list of NamedTuples of arrays
            New parameters, and the optimiser's new sums.
        """
        at, none = self.at, [_NONE] * (3 - len(flats))
        new_flats = _spare().take(at.end, len(flats))
        old, new = State(*flats, *none), State(*new_flats, *none)
        max_norm = np.inf if max_norm is None else max_norm
        rates = Rates(*[kind(x) for kind, x in zip(step.KINDS, (max_norm, *rates))])
        (climb, address), buffers, made = step.call_of_climb(), self._buffers(), np.zeros(3)
        arguments = self.slices, sums, self._n_added(len(sums)), at.b_v, at, rates, old, new, *buffers, made
        most = len(self.slices) if at.end > LARGE else 1

        def go_through(stages):
            with helped(n_jobs, self._wanted(most)) as (board, n_workers):
                aside = n_workers > most
                climb(board, aside, (new_board() if aside else board, address, stages, *arguments))
            return made.tolist()

        if rates.directed:
            squares, error, n_frames = go_through(step.SETTLE | step.ROWS)
            turn(*self._made(new_flats[1:], kind))
            squares += go_through(step.MOVE | step.BIASES)[0]
        else:
            squares, error, n_frames = go_through(step.SETTLE | step.ROWS | step.BIASES)
        _local.buffers = self.slices, buffers
        return math.sqrt(squares) / n_frames, error, n_frames, self._made(new_flats, kind)

    def _wanted(self, most):
        """The number of threads that are wanted where so many share: two if one is to do all aside of the other."""
        return max(most, 1 + (self.at.end > ASIDE))

    def _buffers(self):
        """Buffers of `rtrbm.compute.numba.step._climb`: moves, reached, past, dots, found.

        They are those of this thread, which are taken out meanwhile: an update within this one has its own.
        """
        slices, kept = vars(_local).pop("buffers", (None, ()))
        if slices is not self.slices:
            n, reached = len(self.slices), np.empty((len(self.slices), self.widest), np.float32)
            kept = np.empty(n, bool), reached, np.empty_like(reached), np.empty(self.size.V, np.float32), np.empty(n)
        return kept

    def _n_added(self, n_tiles):
        """How many sums the tiles have added up already, in the first row."""
        return self.at.U_v if adds_tiles(n_tiles, self.size) else 0

    def _packed(self):
        """This thread's buffers for packed matrices, and their addresses."""
        V, H = self.size.V, self.size.H
        kept = getattr(_local, "packed", None)
        if kept is None or kept[0] != (V, H):
            packed = new_packed(V, H)
            _local.packed = kept = (V, H), packed, addresses(packed)[None]
        return kept[1:]

    def _rooms(self, n_rows, n_frames):
        """This thread's buffers, for itself and its helpers; new ones if those it has do not fit."""
        kind, kept = self.size._replace(k=0), getattr(_local, "rooms", None)
        if kept is None or kept.kind != kind or kept.n_rows < n_rows or kept.n_frames < n_frames:
            if kept is not None and kept.kind == kind:
                n_rows, n_frames = max(n_rows, kept.n_rows), max(n_frames, kept.n_frames)
            _local.rooms = kept = Rooms(kind, n_rows, n_frames)
        return kept


def _rows_of(where, is_packed):
    """The fields of `Data` that a layout has; those of this thread's last one are kept.

    Sequences that are not packed have one length, so that the rank of each is its number.
    """
    kept = getattr(_local, "rows", None)
    if kept is None or kept[0] is not where or kept[1] != is_packed:
        n_sequences, n_frames = len(where.lengths), len(where.starts)
        starts, apart = (where.starts, 1) if is_packed else (np.arange(n_frames, dtype=np.intp), n_frames)
        n_warm = np.zeros(n_sequences, np.intp) if where.n_warm is None else np.array(where.n_warm, np.intp)
        rows = starts, apart, where.batch_sizes, np.argsort(where.rank), n_warm, n_frames, n_sequences
        _local.rows = kept = where, is_packed, rows
    return kept[2]


def release():
    """Give this thread's buffers back."""
    _local.__dict__.clear()


def _spare():
    """This thread's memory for parameters."""
    spare = getattr(_local, "spare", None)
    if spare is None:  # `release` may be called at any time
        spare = _local.spare = Spare()
    return spare


class Rooms:
    """Buffers for tiles of so many rows and frames, one for each thread."""

    def __init__(self, kind, n_rows, n_frames):
        self.kind, self.n_rows, self.n_frames, self._kept, self._tables = kind, n_rows, n_frames, [], ()

    def tables(self, n):
        """The addresses of n Rooms and Scratches, and maybe of more."""
        if not self._tables or len(self._tables[0]) < n:
            while len(self._kept) < n:
                self._kept.append(new_room(self.kind, self.n_rows, self.n_frames))
            self._tables = [np.array([addresses(part) for part in parts]) for parts in zip(*self._kept)]
        return self._tables


@functools.lru_cache(maxsize=64)
def prepared(form, k, sample_visible, V, H):
    """The sizes and places of the updates of a model.

    Parameters
    ----------
    form : Form
    k : int
    sample_visible : bool
    V, H : int
    """
    return Whole(Size(V, H, form.n_taps, int(k), form.dynamic, form.bptt, sample_visible), *_laid(form, V, H))


@functools.lru_cache(maxsize=64)
def _laid(form, V, H):
    """The fields of `Whole` after the first."""
    m, dynamic, _ = form
    init = (m, H) if m else (H,)
    shapes = {"W": (V, H), "U": (H, H), "b_v": (V,), "b_h": (H,), "b_init": init}
    shapes |= {"U_v": (H, V)} if dynamic else {}
    shapes |= {"A": (m, V, V), "C": (m, V, H), "b_v_init": (m, V)} if m else {}
    places, end = {}, 0
    for name in (*MATRICES, *BIASES):
        places[name] = end
        if name in shapes:
            end += int(np.prod(shapes[name]))
    at = Places(**places, end=end, v=end, h=end + V, active=end + V + H, rest=end + V + 2 * H)
    slices = []

    def cut(at_matrix, n_in, n_out, source, bias, init, n_init, other=-1):
        rows = max(1, SLICE // n_out, -(-n_in // SLICES))
        for low in range(0, n_in, rows):
            slices.append((at_matrix, low, min(low + rows, n_in), n_out, source, bias, init, n_init, other))

    cut(at.W, V, H, at.v, at.b_h, 0, 0, at.b_v)
    cut(at.U, H, H, at.h, at.b_h, at.b_init, 1)
    if dynamic:
        cut(at.U_v, H, V, at.h, at.b_v, at.b_v_init, 1 if m else 0)
    for n in range(m):
        cut(at.A + n * V * V, V, V, at.v, at.b_v, at.b_v_init, n + 1)
        cut(at.C + n * V * H, V, H, at.v, at.b_h, at.b_init, n + 1)
    places = [(name, places[name], shapes[name]) for name in (*MATRICES, *BIASES) if name in shapes]
    places = tuple((name, low, low + int(np.prod(shape)), shape) for name, low, shape in places)
    slices = np.array(slices)
    return at, places, slices, int(slices[:, step.N_OUT].max())
