"""What users hand in: the same numbers in every container, dtype, stride and order, and things that are no data at all.

`Given.value` is what a user hands in, `Given.plain` are the same numbers as a plain array (a list of them) in double
precision, or in single precision if those of the user are.
"""

import os
import tempfile
from typing import NamedTuple

import h5py
import numpy as np
from hypothesis import strategies as st

FLOATS = ("float16", "float32", "float64", "longdouble")
WHOLE = ("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
FOLDER = tempfile.TemporaryDirectory(prefix="rtrbm-given-")


class Given(NamedTuple):
    """value : what is handed in; plain : the same as a plain array, a list of them or the value itself."""

    value: object
    plain: object


def _swapped(a):
    return a.astype(a.dtype.newbyteorder())


def _read_only(a):
    a = a.copy()
    a.flags.writeable = False
    return a


def _strided(a):
    return np.repeat(a, 2, axis=-1)[..., ::2]


def _backwards(a):
    return a[::-1].copy()[::-1]


def _unaligned(a):
    room = np.empty(a.nbytes + 1, np.uint8)[1:].view(a.dtype).reshape(a.shape)
    room[...] = a
    return room


def _mapped(a):
    file, path = tempfile.mkstemp(dir=FOLDER.name)
    os.close(file)
    mapped = np.memmap(path, a.dtype, "w+", shape=a.shape)
    mapped[...] = a
    return mapped


def _stored(a, name=iter(range(2**62))):
    file = h5py.File(f"{next(name)}.h5", "w", driver="core", backing_store=False)
    return file.create_dataset("X", data=a if a.dtype != np.longdouble else a.astype(float))


def _table(a):
    import pandas

    return pandas.DataFrame(
        a if a.dtype != np.float16 else a.astype(float), columns=[f"c{i}" for i in range(a.shape[1])]
    )


def _polar(a):
    import polars

    a = a.astype(float) if a.dtype in (np.float16, np.longdouble) else a
    return polars.DataFrame(np.ascontiguousarray(a), schema=[f"c{i}" for i in range(a.shape[1])])


def _lazy(a):
    import dask.array

    return dask.array.from_array(a, chunks=(1, *a.shape[1:]))


def _tuples(a):
    return tuple(map(_tuples, a)) if np.ndim(a) else a


DRESSES = {
    "array": np.copy,
    "columns first": np.asfortranarray,
    "strided": _strided,
    "backwards": _backwards,
    "read-only": _read_only,
    "swapped bytes": _swapped,
    "unaligned": _unaligned,
    "objects": lambda a: a.astype(object),
    "list": lambda a: a.tolist(),
    "tuple": lambda a: _tuples(a.tolist()),
    "memory map": _mapped,
    "dataset": _stored,
}
TABLES = {"pandas": _table, "polars": _polar, "dask": _lazy}


@st.composite
def numbers(draw, *shape, low=0, high=1, whole=False):
    """An array whose values every one of its dtypes has exactly: eighths from low to high, or whole numbers."""
    dtype = np.dtype(draw(st.sampled_from(WHOLE if whole else FLOATS + WHOLE)))
    steps = 1 if dtype.kind in "biu" else 8
    low = max(0, low) if dtype.kind in "bu" else low
    seed = draw(st.integers(0, 2**16))
    drawn = np.random.default_rng(seed).integers(steps * low, steps * high + 1, shape) / steps
    if draw(st.booleans()) and len(shape) > 1:  # a value at a time is common in data
        drawn = np.broadcast_to(drawn[:1], shape)
    return drawn.astype(dtype)


def plain(a):
    """The numbers of an array as a plain one."""
    return np.array(a, np.float32 if a.dtype == np.float32 else float, order="C")


@st.composite
def arrays(draw, *shape, tables=True, **options):
    """An array in one of its dresses."""
    a = draw(numbers(*shape, **options))
    if len(shape) > 1 and draw(st.integers(0, 9)) == 0:  # strides of zero
        row = np.copy(a[:1])
        return Given(np.broadcast_to(row, a.shape), plain(np.broadcast_to(row, a.shape)))
    known = DRESSES | (TABLES if tables and len(shape) == 2 else {})
    return Given(known[draw(st.sampled_from([*known]))](a), plain(a))


@st.composite
def sequences(draw, n_features=4, least=1, most=5, n=None, **options):
    """Sequences as one array, or as a list, a tuple or an array of arrays of different lengths."""
    n = draw(st.integers(1, 3)) if n is None else n
    form = draw(st.sampled_from(["array", "list", "tuple", "objects"]))
    if form == "array":
        drawn = draw(arrays(n, draw(st.integers(least, most)), n_features, **options))
        return drawn._replace(plain=list(drawn.plain)) if isinstance(drawn.value, list | tuple) else drawn
    members = [draw(arrays(draw(st.integers(least, most)), n_features, **options)) for _ in range(n)]
    values, plains = [m.value for m in members], [m.plain for m in members]
    if len({p.dtype for p in plains}) > 1:
        plains = [p.astype(float) for p in plains]
    if form == "objects" and all(isinstance(v, np.ndarray) for v in values):
        several = np.empty(n, object)
        several[:] = values
        return Given(several, plains)
    return Given(tuple(values) if form == "tuple" else values, plains)


class Raising:
    """An object of somebody else's that cannot be read."""

    shape, ndim, dtype = (2, 3, 4), 3, np.dtype(float)

    def __array__(self, dtype=None, copy=None):
        raise RuntimeError("no disk")

    def __len__(self):
        raise KeyError("length")

    def __getitem__(self, i):
        raise IndexError("out of range")


def endless():
    """A list that holds itself."""
    a = []
    a.append(a)
    return a


def ragged():
    """An array of objects that are arrays of different lengths, or none."""
    a = np.empty(3, object)
    a[:] = [np.zeros((2, 4)), np.zeros((0, 4)), None]
    return a


SHAPE = (2, 3, 4)
ODD = {
    "nothing": lambda: None,
    "True": lambda: True,
    "numpy's True": lambda: np.True_,
    "0": lambda: 0,
    "1": lambda: 1,
    "-1": lambda: -1,
    "a numpy integer": lambda: np.int8(2),
    "2.5": lambda: 2.5,
    "2.0": lambda: np.float32(2),
    "NaN": lambda: float("nan"),
    "infinity": lambda: float("inf"),
    "the largest number": lambda: 1.7e308,
    "the least number": lambda: 5e-324,
    "a huge integer": lambda: 10**30,
    "a huge negative integer": lambda: -(10**400),
    "complex": lambda: 1j,
    "no text": lambda: "",
    "a text": lambda: "text",
    "bytes": lambda: b"text",
    "an empty list": list,
    "an empty tuple": tuple,
    "a dict": dict,
    "a dict of arrays": lambda: {"a": np.zeros(SHAPE)},
    "a set": lambda: {1, 2},
    "a range": lambda: range(3),
    "an object": object,
    "a function": lambda: len,
    "an iterator": lambda: iter([np.zeros((2, 4))]),
    "a generator": lambda: (np.zeros((2, 4)) for _ in range(2)),
    "a list that holds itself": endless,
    "a list of nothing": lambda: [None, None],
    "a list of texts": lambda: ["a", "b"],
    "a list of empty lists": lambda: [[], []],
    "rows of different lengths": lambda: [[[0, 1, 0, 1], [1]], [[0, 1, 1, 1]]],
    "arrays of different widths": lambda: [np.zeros((2, 4)), np.zeros((2, 3))],
    "a number as an array": lambda: np.array(1.0),
    "an empty array": lambda: np.zeros(0),
    "no frames": lambda: np.zeros((2, 0, 4)),
    "no sequences": lambda: np.zeros((0, 3, 4)),
    "no features": lambda: np.zeros((2, 3, 0)),
    "a row": lambda: np.zeros(4),
    "rows": lambda: np.zeros((3, 4)),
    "too many axes": lambda: np.zeros((2, 3, 4, 1)),
    "other features": lambda: np.zeros((2, 3, 5)),
    "NaNs": lambda: np.full(SHAPE, np.nan),
    "infinities": lambda: np.full(SHAPE, -np.inf),
    "largest numbers": lambda: np.full(SHAPE, 1.7e308),
    "numbers of both ends": lambda: np.resize([1.7e308, -1.7e308], SHAPE),
    "large numbers": lambda: np.full(SHAPE, 1e200),
    "large numbers of single precision": lambda: np.resize([3e38, -3e38], SHAPE),
    "large rows": lambda: np.resize([1e200, -1e200], (3, 4)),
    "least numbers": lambda: np.full(SHAPE, 5e-324),
    "negative numbers": lambda: np.full(SHAPE, -1),
    "halves": lambda: np.full(SHAPE, 0.5, np.float16),
    "complex numbers": lambda: np.full(SHAPE, 1j),
    "times": lambda: np.zeros(SHAPE, "M8[s]"),
    "spans of time": lambda: np.zeros(SHAPE, "m8[s]"),
    "texts": lambda: np.full(SHAPE, "a"),
    "records": lambda: np.zeros((2, 3), "f4,f4"),
    "a masked array": lambda: np.ma.masked_equal(np.zeros(SHAPE), 0),
    "arrays as objects": ragged,
    "numbers and nothing": lambda: np.resize(np.array([1, None], object), SHAPE),
    "another's object": Raising,
    "a closed dataset": lambda: _closed(),
    "a stream": lambda: type("Stream", (), {"minibatch": lambda self, update: np.full(SHAPE, np.nan)})(),
    "a generator of numbers": lambda: np.random.default_rng(0),
    "an old generator of numbers": lambda: np.random.RandomState(0),
    "a path of nothing": lambda: os.path.join(FOLDER.name, "nothing.npy"),
    "a path with a null": lambda: "a\0b",
    "a folder": lambda: FOLDER.name,
}


def _closed():
    file = h5py.File("closed.h5", "w", driver="core", backing_store=False)
    dataset = file.create_dataset("X", data=np.zeros(SHAPE))
    file.close()
    return dataset


odd = st.sampled_from([*ODD])


def shot(value, depth=0):
    """Everything about the arrays in an argument that a call must not change."""
    if isinstance(value, np.ndarray):
        inner = [shot(x, depth + 1) for x in value.flat] if value.dtype == object else value.tobytes()
        return value.dtype, value.shape, value.strides, str(value.flags), inner
    if isinstance(value, list | tuple) and depth < 4:
        return [shot(x, depth + 1) for x in value]
    if isinstance(value, dict):
        return {key: shot(x, depth + 1) for key, x in value.items()}
    if hasattr(value, "columns") and hasattr(value, "to_numpy"):
        return repr(value.to_numpy().tolist()), list(value.columns)
    if isinstance(value, h5py.Dataset) and value:
        return value[()].tobytes()
    return repr(value) if isinstance(value, int | float | str | bytes) else id(value)
