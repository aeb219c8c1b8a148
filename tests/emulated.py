"""The vector operations of `rtrbm.compute.numba` in numpy: a second specification, and what runs without a compiler.

With ``NUMBA_DISABLE_JIT=1`` compiled functions are plain Python, and `install` puts these in the place of numba's
intrinsics, so that lines can be counted. Here an index outside of an array fails; in compiled code it destroys memory.
test_emulated.py compares each with the compiled one.
"""

import functools
import inspect
import threading
import time
import weakref

import numba.extending
import numpy as np

NAMES = {"fadd": "add", "fsub": "subtract", "fmul": "multiply", "fdiv": "divide"}


def install():
    """Put the functions below in the place of intrinsics that are defined from now on."""

    def intrinsic(function=None, **options):
        if function is None:
            return intrinsic
        made = (OPERATIONS | SHARING)[name_of(function)]
        return made(function) if made is taking else made

    numba.extending.intrinsic = intrinsic
    from rtrbm.compute import numba as compiled
    from rtrbm.compute.numba import board, buffers, matrices, step, tile

    def callable_from_python(function, *given):
        return functools.partial(board._do_all, door(function))

    for module in (matrices, step, tile):
        module.door, module.callable_from_python = door, callable_from_python
    buffers.address_of, compiled.HAS_COMPILER = address_of, True


def name_of(definition):
    """The name of an intrinsic; those of arithmetic share one definition, which holds LLVM's instruction."""
    return NAMES.get(inspect.getclosurevars(definition).nonlocals.get("instruction"), definition.__name__)


@functools.cache
def width():
    from rtrbm.compute.numba.vectors import WIDTH

    return WIDTH


def part(array, i, n, dtype=np.float32):
    """A view of n numbers of a flat array."""
    assert array.flags.c_contiguous and array.dtype == dtype
    assert 0 <= i and i + n <= array.size, f"{i} to {i + n} of {array.size}"
    return array.reshape(-1)[i : i + n]


def clipped(n):
    return min(max(n, 0), width())


def load(array, i):
    return part(array, i, width()).copy()


def load_part(array, i, n):
    x = zeros()
    if n > 0:
        x[: clipped(n)] = part(array, i, clipped(n))
    return x


def store(array, i, x):
    part(array, i, width())[:] = x


def store_part(array, i, x, n):
    if n > 0:
        part(array, i, clipped(n))[:] = x[: clipped(n)]


def store_past(array, i, x):
    assert part(array, i, width()).ctypes.data % 64 == 0, "no line of the cache begins there"
    store(array, i, x)


def wait_for_stores():
    pass


def fill(number):
    return np.full(width(), number, np.float32)


def fill_at(array, i):
    return fill(part(array, i, 1)[0])


def number_at(array, i):
    assert array.dtype in (np.uint8, np.uint32)
    return int(part(array, i, 1, array.dtype)[0])


def zeros():
    return np.zeros(width(), np.float32)


def multiply_add(x, y, z):
    return x * y + z


def sign(x):
    return np.select([x > 0, x < 0], [np.float32(1), np.float32(-1)], np.float32(0))


def where_negative(x, y, z):
    return np.where(x < 0, y, z)


def where_beyond(x, bound):
    return sum(1 << i for i in range(width()) if not abs(x[i]) < bound)


def few():
    from rtrbm.compute.numba.vectors import FEW

    return FEW


def copy_few(array, to, a, at):
    part(array, to, few())[:] = part(a, at, few())


def transpose_few(array, to, step_to, a, at, step):
    rows = [part(a, at + i * step, few()) for i in range(few())]
    for j, column in enumerate(np.transpose(rows)):
        part(array, to + j * step_to, few())[:] = column


def lowest(bits):
    return (bits & -bits).bit_length() - 1


def store_less(on, at, x, y):
    part(on, at, width(), np.uint8)[:] = x < y


def first(x, n):
    return np.where(np.arange(width()) < n, x, np.float32(0))


def total(x):
    while len(x) > 1:
        x = x[: len(x) // 2] + x[len(x) // 2 :]
    return x[0]


def product(x):
    x = x.astype(float)
    while len(x) > 1:
        x = x[: len(x) // 2] * x[len(x) // 2 :]
    return x[0]


def wide():
    pass


# ------------------------------------------------------------------------------------ powers


def exponential(x):
    return powers_of_2(x * np.float32(1 / np.log(2)))


def sigmoid(x):
    from rtrbm.compute.numba.exponential import NEVER

    odds = odds_against(x)
    return np.where(odds >= NEVER, np.float32(0), 1 / (odds + 1))


def odds_against(x):
    return powers_of_2(x * np.float32(-1 / np.log(2)))


def powers_of_2(t):
    """The nearer of 2^-126 and 2^126 beyond them."""
    with np.errstate(invalid="ignore"):
        return np.exp2(np.clip(t, -126, 126))


# ------------------------------------------------------------------------------------ random numbers


def uniforms(words, row, column):
    a, b, c = part(words, 3 * row, 3, np.uint32)
    z = np.arange(column, column + width(), dtype=np.uint32) + a
    z = (z ^ (z >> np.uint32(16))) * np.uint32(0x7FEB352D)
    z = (z ^ b ^ (z >> np.uint32(15))) * np.uint32(0x846CA68B)
    z = (z ^ (z >> np.uint32(16))) + c
    return ((z >> np.uint32(1)) | np.uint32(1)).astype(np.float32) * np.nextafter(np.float32(2.0**-31), np.float32(0))


def switch_on(on, at, x, words, row, column):
    u = uniforms(words, row, column)
    part(on, at, width(), np.uint8)[:] = u * odds_against(x) + u < 1


def switch_mean_on(on, at, p, words, row, column):
    part(on, at, width(), np.uint8)[:] = uniforms(words, row, column) < p


def from_bytes(on, at):
    return part(on, at, width(), np.uint8).astype(np.float32)


# ------------------------------------------------------------------------------------ look-ups


def find_patterns(on, at, step, patterns, to):
    n = 32
    part(patterns, to, n, np.uint8)[:] = sum(part(on, at + b * step, n, np.uint8) << np.uint8(b + 3) for b in range(5))


def store_halves(tables, entry, x):
    (group, pattern), half = divmod(entry, 32), width() // 2
    for behind in (0, 1):
        store_at = ((2 * group + behind) * 32 + pattern) * half
        part(tables, store_at, half)[:] = x[behind * half : (behind + 1) * half]


def add_looked_up(x, tables, patterns, at, between, chunk):
    for group in range(chunk):
        code, rest = divmod(int(part(patterns, at + group * between, 1, np.uint8)[0]), 8)
        assert rest == 0
        tops = ((2 * group + behind) * 32 + code for behind in (0, 1))
        x = x + np.concatenate([part(tables, top * (width() // 2), width() // 2) for top in tops])
    return x


# ------------------------------------------------------------------------------------ work that threads share

_doors, _jobs, _kept, _buffers, _one_at_a_time = [], {}, {}, weakref.WeakValueDictionary(), threading.Lock()


def door(function, *given):
    _doors.append(function)
    return len(_doors) - 1


def call(address, arguments):
    _doors[address](*arguments)


def post(board, address, job):
    _jobs[id(board)] = _doors[address], job


def do(board, part, worker):
    function, job = _jobs[id(board)]
    function(part, worker, job)


def read(board, i):
    return int(board[i])


def write(board, i, x):
    board[i] = x


def increase(board, i, x):
    with _one_at_a_time:
        board[i] += x


def replace(board, i, old, new):
    with _one_at_a_time:
        found = board[i] == old
        if found:
            board[i] = new
        return bool(found)


def pause():
    pass


def give_way():
    time.sleep(0)


def address_of(buffer):
    _buffers[buffer.ctypes.data] = buffer
    return buffer.ctypes.data


def taking(definition):
    make = inspect.getclosurevars(definition).nonlocals["make"]

    def take(table, i):
        return type(make())(*(_buffers[address] for address in table[i]))

    return take


def keep(given):
    _kept[len(_kept)] = given
    return len(_kept) - 1


def kept(address):
    return _kept[address]


def beyond(buffer, n):
    return buffer.reshape(-1)[n:]


SHARING = {"_post": post, "_do": do, "take": taking}
SHARING |= {f.__name__: f for f in (call, read, write, increase, replace, pause, give_way, keep, kept, beyond)}
OPERATIONS = {
    "add": np.add,
    "subtract": np.subtract,
    "multiply": np.multiply,
    "divide": np.divide,
    "root": np.sqrt,
    "_find_patterns": find_patterns,
    "_store_halves": store_halves,
    "_add_looked_up": add_looked_up,
}
OPERATIONS |= {
    operation.__name__: operation
    for operation in (
        load,
        load_part,
        store,
        store_part,
        store_past,
        wait_for_stores,
        copy_few,
        transpose_few,
        fill,
        fill_at,
        number_at,
        zeros,
        multiply_add,
        sign,
        where_negative,
        where_beyond,
        lowest,
        store_less,
        first,
        total,
        product,
        wide,
        exponential,
        sigmoid,
        uniforms,
        switch_on,
        switch_mean_on,
        from_bytes,
    )
}
