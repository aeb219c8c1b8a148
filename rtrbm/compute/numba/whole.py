"""A whole update in compiled calls: one for each tile of sequences, and one for each slice of the parameters.

Parameters, and each sum of the optimiser, lie in one flat array: matrices, then biases (`Places`). Tiles and slices
depend on sizes alone, so that results do not depend on the number of threads.
"""

import functools
import threading
from typing import NamedTuple

import numpy as np

from ..threads import TASKS, run, worth
from . import step
from .chain import Scratch
from .dense import MOST
from .dense import ROWS as MULTIPLIED
from .hashing import key_of
from .lookups import AT_ONCE, CHUNKS, TABLES, UNITS, n_groups_of
from .step import Rates, State
from .tile import BEGIN, CHAIN, END, ROWS, SEQUENCES, Places, Packed, Room, Size, pack_all, tile
from .vectors import LINE, WIDTH, up_to

MATRICES, BIASES = ("W", "U", "U_v", "A", "C"), ("b_v", "b_h", "b_init", "b_v_init")
SLICE = 2**16  # numbers of a matrix that one task updates
LARGE = 2**17  # parameters that are worth waking threads for
PARTS = 2**24  # multiplications of a chain that are worth waking threads for
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
        """The flat array of which all parameters are views, each in its place; a copy of them if there is none."""
        parts = [getattr(params, name) for name, *_ in self.places]
        base = parts[0].base
        if type(base) is np.ndarray and base.dtype == np.float32 and base.shape == (self.at.end,) and base.flags.carray:
            begin = base.__array_interface__["data"][0]
            places = [(begin + 4 * low, False, shape, True) for _, low, _, shape in self.places]
            if places == [(*p.__array_interface__["data"], p.shape, p.flags.c_contiguous) for p in parts]:
                return base
        flat = self.empty()
        for part, view in zip(parts, self.views(flat).values()):
            view[...] = part
        return flat

    def empty(self):
        """A new flat array."""
        return np.empty(self.at.end, np.float32)

    def views(self, flat):
        """The parameters in a flat array, by name."""
        return {name: flat[low:high].reshape(shape) for name, low, high, shape in self.places}

    def nothing(self):
        """An array like that of `added`."""
        return np.empty(self.at.rest + 2, np.float32)

    def added(self, sums):
        """The sums of all tiles added up; overwrites those of the first."""
        step.add_up(sums, 0, self.at.rest + 2)
        return sums[0, : self.at.rest + 2]

    def sums(self, flat, v, where, draw, n_jobs):
        """The sums of the gradient over the sequences of a packed block, those of each tile in a row.

        Parameters
        ----------
        flat : (n,) ndarray
            Parameters.
        v : (n_rows, n_visible) ndarray
        where : Layout
        draw : Draw
        n_jobs : int or None

        Returns
        -------
        (n_tiles, n) ndarray
            As `Places` has them.
        """
        n_sequences, n_frames = len(where.lengths), len(where.starts)
        order = np.argsort(where.rank)
        n_warm = np.zeros(n_sequences, np.intp) if where.n_warm is None else where.n_warm
        n_tiles = -(-n_sequences // SEQUENCES)
        n_tiles = min(n_tiles + n_tiles % 2, n_sequences)  # even, for two threads
        sums = np.empty((n_tiles, self.at.rest + WIDTH), np.float32)
        key = np.uint64(key_of(draw.seed, draw.purpose, draw.address))
        rows = -(-n_sequences // n_tiles) * n_frames
        data = v.reshape(-1), where.starts, where.batch_sizes, order, n_warm
        packed = self._packed()
        pack_all(self.size, self.at, flat, packed)
        address, common = (n_tiles, draw.first, key), (self.size, self.at, flat, packed)

        def of(low):
            tile(BEGIN | CHAIN | END, 0, len(v), *data, low, *address, *common, *self._room(rows, n_frames), sums[low])

        n_chain = worth(rows * self.size.V * self.size.H * self.size.k, n_jobs, PARTS)  # threads for parts of its rows
        if n_tiles > 1 or n_chain is None:
            run(of, range(n_tiles), worth(len(v) * flat.size * self.size.k, n_jobs, TASKS))
            return sums
        room, scratch = self._room(rows, n_frames)
        arguments = *data, 0, *address, *common, room
        tile(BEGIN, 0, 0, *arguments, scratch, sums[0])
        n_parts = 2 * -(-rows // (2 * ROWS))

        def chain(part):
            bounds = rows * part // n_parts, rows * (part + 1) // n_parts
            tile(CHAIN, *bounds, *arguments, self._room(rows, n_frames)[1], sums[0])

        run(chain, range(n_parts), n_chain)
        tile(END, 0, 0, *arguments, scratch, sums[0])
        return sums

    def climb(self, sums, flat, state, rates, max_norm, n_jobs, turn=None):
        """A step of the optimiser along the gradient per frame.

        Parameters
        ----------
        sums : (n_tiles, n) ndarray
            Overwritten.
        flat : (n,) ndarray
            Parameters.
        state : list of (n,) ndarrays
            The optimiser's sums.
        rates : tuple
            The fields of `Rates` after the first two.
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
        flat : (n,) ndarray
            New parameters.
        state : list of (n,) ndarrays
            The optimiser's new sums.
        """
        at, n = self.at, len(self.slices)
        error, n_frames = sums[:, at.rest : at.rest + 2].sum(axis=0, dtype=float).tolist()
        scale = inverse = 1 / n_frames
        if max_norm is not None:
            norm = inverse * float(np.sqrt(sum(step.squares(sums, *bounds) for bounds in self._pieces())))
            scale *= max_norm / norm if norm > max_norm else 1
        old = State(flat, *state, *[flat[:0]] * (2 - len(state)))
        new = State(*(np.empty_like(a) for a in old))
        moves, (reached, past) = np.empty(n, bool), np.empty((2, n, self.widest), np.float32)
        arguments = (
            self.slices,
            sums,
            at.b_v,
            at,
            Rates(scale, inverse, *rates),
            old,
            new,
            moves,
            reached,
            past,
            np.empty(self.size.V, np.float32),
        )

        def climb(stages, begin=0, end=n):
            return step.climb(stages, begin, end, *arguments)

        def climb_rows(stage, squares):  # added up in the order of one call, so that the norm is the same too
            if large:
                return sum(run(lambda i: climb(stage, i, i + 1), range(n), n_jobs), squares)
            return squares + climb(stage)

        large, directed = worth(at.end, n_jobs, LARGE), arguments[4].directed
        if large or directed:
            squares = climb_rows(step.ROWS, climb(step.SETTLE))
            if directed:
                turn(new.sums, new.square)
                squares = climb_rows(step.MOVE, squares)
            squares += climb(step.BIASES)
        else:
            squares = climb(step.SETTLE | step.ROWS | step.BIASES)
        return np.sqrt(squares) * inverse, error, n_frames, new.params, [new.sums, new.square][: len(state)]

    def _pieces(self):
        return [(i, min(i + SLICE, self.at.end)) for i in range(0, self.at.end, SLICE)]

    def _packed(self):
        """This thread's buffers for packed matrices."""
        V, H = self.size.V, self.size.H
        kept = getattr(_local, "packed", None)
        if kept is None or kept[0] != (V, H):
            V_p, H_p = up_to(V, WIDTH), up_to(H, WIDTH)
            up, down = _floats(H_p * UNITS * n_groups_of(V)), _floats(V_p * UNITS * n_groups_of(H))
            _local.packed = kept = (V, H), Packed(up, down, _floats(H_p * H), _floats(H_p * H))
        return kept[1]

    def _room(self, n_rows, n_frames):
        """This thread's buffers, new ones if those of the last update do not fit."""
        kind, kept = self.size._replace(k=0), getattr(_local, "room", None)
        if kept is None or kept[0] != kind or kept[1] < n_rows or kept[2] < n_frames:
            if kept is not None and kept[0] == kind:
                n_rows, n_frames = max(n_rows, kept[1]), max(n_frames, kept[2])
            _local.room = kept = kind, n_rows, n_frames, *_room(kind, n_rows, n_frames)
        return kept[3:]


@functools.lru_cache(maxsize=8)
def prepared(form, k, sample_visible, V, H):
    """The sizes and places of the updates of a model.

    Parameters
    ----------
    form : Form
    k : int
    sample_visible : bool
    V, H : int
    """
    m, dynamic, bptt = form
    size = Size(V, H, m, int(k), dynamic, bptt, sample_visible)
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
        rows = max(1, SLICE // n_out)
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
    return Whole(size, at, places, np.array(slices), max(V, H))


def _floats(n):
    """A buffer of zeros that begins with a line of the cache; a part that is never used is never there."""
    a = np.zeros(n + WIDTH + LINE, np.float32)
    return a[(-a.ctypes.data // 4) % LINE :][: n + WIDTH]


def _room(size, n_rows, n_frames):
    """Room and Scratch for tiles of so many rows and frames."""
    V, H, m, k, dynamic, bptt, sample_visible = size
    V_p, H_p = up_to(V, WIDTH), up_to(H, WIDTH)
    n_v, n_h = n_groups_of(V), n_groups_of(H)
    padded = UNITS * up_to(-(-n_rows // UNITS), CHUNKS[-1]) + 1  # rows, with those of zeros behind
    rows = bool(m or dynamic)
    n_listed = int(MOST * n_rows * V) + V

    def numbers(n, dtype=np.intp):
        return np.zeros(n, dtype)

    def flags(n, beyond):
        return np.zeros(n + UNITS * beyond + 2 * AT_ONCE, np.uint8)

    bias, x = _floats((n_rows + 1) * H_p), _floats((n_rows + 1) * H_p)
    matrix = max(dynamic * max(V_p * H, H_p * V), bool(m) * max(V_p, H_p) * V)
    room = Room(
        counts=numbers(3), start=numbers(n_frames + 1), alive=numbers(n_frames + 1), sequence=numbers(n_rows),
        frame=numbers(n_rows), source=numbers(n_rows), warm=numbers(n_rows, bool),
        identity=np.arange(max(n_rows, V)), earlier=numbers(n_rows), later=numbers(n_rows),
        keys=numbers(n_rows, np.uint64), starts=numbers(n_rows + 1), columns=numbers(n_listed, np.uint32),
        values=_floats(n_listed), starts_t=numbers(V + 1), rows_t=numbers(n_listed, np.uint32),
        values_t=_floats(n_listed), shifted=numbers(n_listed if m else 0, np.uint32), matrix=_floats(matrix),
        panels=_floats(n_rows * (max(V, H) + MULTIPLIED)), block=_floats(n_rows * WIDTH), v=_floats(n_rows * V),
        on=flags(padded * V_p, n_v), x=x, r=_floats(n_rows * H_p), bias_h=bias,
        bias_v=_floats(n_rows * V_p if rows else V_p), h_neg=_floats(padded * H_p), d=bias, total=x,
        c_v=_floats((n_rows + 1) * V_p if rows or not sample_visible else 0),
        patterns=flags(padded // UNITS * up_to(V, AT_ONCE), 0),
    )  # fmt: skip
    most = min(n_rows, ROWS)
    scratch = Scratch(
        on_h=flags(most * H_p, n_h), patterns=flags(most * up_to(max(n_v, n_h), AT_ONCE), 0),
        tables=_floats(TABLES), sums=_floats(max(most, V) * WIDTH), words=numbers(3 * most, np.uint32),
    )  # fmt: skip
    return room, scratch
