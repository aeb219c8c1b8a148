"""Vectors of single-precision numbers for compiled loops, in two registers of the processor each.

Left to itself the compiler takes half as many, and carries sums to the cache and back that could stay in a register.
An index is not tested here: numba adds the length of an array to a negative one, which takes four instructions.
"""

import numba
import numpy as np
from llvmlite import binding, ir
from numba.core import cgutils, types
from numba.extending import intrinsic, models, register_model

from .compiled import compiled, inner


def _registers():
    """How many numbers two registers hold, on the processor that numba compiles for."""
    features = numba.config.CPU_FEATURES
    if features is None and numba.config.CPU_NAME is None:
        features = binding.get_host_cpu_features().flatten()
    return 32 if "+avx512f" in (features or "") else 16


WIDTH = _registers()
LINE = 16  # numbers of a line of the cache
FEW = 8  # numbers of half a line, which every processor has registers for
FLOAT, INT, BYTE = ir.FloatType(), ir.IntType(32), ir.IntType(8)
FLOATS, INTS, FLAGS = (ir.VectorType(kind, WIDTH) for kind in (FLOAT, INT, BYTE))
CONTRACT = ["contract"]  # a product and a sum may be one instruction


class Vector(types.Type):
    """The type of WIDTH numbers in registers."""


vector = Vector(f"float32x{WIDTH}")


@register_model(Vector)
class _Model(models.PrimitiveModel):
    def __init__(self, manager, kind):
        super().__init__(manager, kind, FLOATS)


def is_flat(array, dtype=types.float32):
    """Whether numbers of an array lie beside one another; if not, the compiler refuses the code that uses it.

    `array` is a type, of an array or of a buffer (`rtrbm.compute.numba.buffers`).
    """
    is_array = isinstance(array, types.Array) and array.layout == "C"
    return (is_array or isinstance(array, types.CPointer)) and array.dtype == dtype


def data_of(context, builder, array_type, array):
    """A pointer to the first number of an array or a buffer."""
    if isinstance(array_type, types.CPointer):
        return array
    return context.make_array(array_type)(context, builder, array).data


def address(context, builder, array_type, array, i, kind=FLOATS):
    """A pointer to a vector that begins at the i-th number of a flat array."""
    data = data_of(context, builder, array_type, array)
    return builder.bitcast(builder.gep(data, [i]), kind.as_pointer())


def filled(builder, number):
    """A vector of the same number."""
    undefined = ir.Constant(ir.VectorType(number.type, WIDTH), ir.Undefined)
    first = ir.Constant(INTS, [0] * WIDTH)
    return builder.shuffle_vector(builder.insert_element(undefined, number, INT(0)), undefined, first)


def floats(x):
    """A constant vector of the same number."""
    return ir.Constant(FLOATS, [float(x)] * WIDTH)


def ints(n):
    """The same of integers."""
    return ir.Constant(INTS, [int(n)] * WIDTH)


def _mask(builder, n):
    """Which places of a vector are among the first n."""
    places = ir.Constant(ir.VectorType(n.type, WIDTH), list(range(WIDTH)))
    return builder.icmp_signed("<", places, filled(builder, n))


def _masked(builder, name, result, *arguments):
    """Call an intrinsic function of LLVM on numbers in memory."""
    kind = ir.FunctionType(result, [argument.type for argument in arguments])
    name = f"llvm.masked.{name}.v{WIDTH}f32.p0v{WIDTH}f32"
    return builder.call(cgutils.get_or_insert_function(builder.module, kind, name), arguments)


@intrinsic
def load(context, array, i):
    """A vector of a contiguous array, from its i-th number on."""

    def generate(context, builder, signature, arguments):
        return builder.load(address(context, builder, signature.args[0], *arguments), align=4)

    if is_flat(array):
        return vector(array, types.intp), generate


@intrinsic
def load_part(context, array, i, n):
    """At most n numbers of a contiguous array, from the i-th on, then zeros; n may be below 0 or above WIDTH."""

    def generate(context, builder, signature, arguments):
        array, i, n = arguments
        at = address(context, builder, signature.args[0], array, i)
        return _masked(builder, "load", FLOATS, at, INT(4), _mask(builder, n), floats(0))

    if is_flat(array):
        return vector(array, types.intp, types.intp), generate


@intrinsic
def store(context, array, i, x):
    """Write a vector to a contiguous array, from its i-th number on."""

    def generate(context, builder, signature, arguments):
        array, i, x = arguments
        builder.store(x, address(context, builder, signature.args[0], array, i), align=4)
        return context.get_dummy_value()

    if is_flat(array):
        return types.void(array, types.intp, vector), generate


@intrinsic
def store_part(context, array, i, x, n):
    """Write at most n numbers of a vector to a contiguous array, from its i-th on; n may be below 0 or above WIDTH."""

    def generate(context, builder, signature, arguments):
        array, i, x, n = arguments
        at = address(context, builder, signature.args[0], array, i)
        _masked(builder, "store", ir.VoidType(), x, at, INT(4), _mask(builder, n))
        return context.get_dummy_value()

    if is_flat(array):
        return types.void(array, types.intp, vector, types.intp), generate


@intrinsic
def store_past(context, array, i, x):
    """`store` past the cache; the i-th number must begin a line of it."""

    def generate(context, builder, signature, arguments):
        array, i, x = arguments
        written = builder.store(x, address(context, builder, signature.args[0], array, i), align=4 * LINE)
        written.set_metadata("nontemporal", builder.module.add_metadata([INT(1)]))
        return context.get_dummy_value()

    if is_flat(array):
        return types.void(array, types.intp, vector), generate


@intrinsic
def wait_for_stores(context):
    """What was stored past the cache is there for other threads."""

    def generate(context, builder, signature, arguments):
        builder.fence("seq_cst")
        return context.get_dummy_value()

    return types.void(), generate


def _few(context, builder, array_type, array, i):
    """A pointer to the FEW numbers of a flat array from the i-th on."""
    return address(context, builder, array_type, array, i, ir.VectorType(FLOAT, FEW))


@intrinsic
def copy_few(context, array, to, a, at):
    """array[to : to + FEW] <- a[at : at + FEW]."""

    def generate(context, builder, signature, arguments):
        (array, to, a, at), (of_array, _, of_a, _) = arguments, signature.args
        x = builder.load(_few(context, builder, of_a, a, at), align=4)
        builder.store(x, _few(context, builder, of_array, array, to), align=4)
        return context.get_dummy_value()

    if is_flat(array) and is_flat(a):
        return types.void(array, types.intp, a, types.intp), generate


@intrinsic
def transpose_few(context, array, to, step_to, a, at, step):
    """array[to + j step_to + i] <- a[at + i step + j], i and j from 0 to FEW - 1."""

    def generate(context, builder, signature, arguments):
        (array, to, step_to, a, at, step), of_array, of_a = arguments, signature.args[0], signature.args[3]
        rows = []
        for _ in range(FEW):
            rows.append(builder.load(_few(context, builder, of_a, a, at), align=4))
            at = builder.add(at, step)
        apart = FEW // 2
        while apart:  # rows i and i + apart exchange their numbers j + apart and j
            new = [None] * FEW
            for i in (i for i in range(FEW) if not i & apart):
                low = [j if not j & apart else FEW + j - apart for j in range(FEW)]
                high = [j + apart if not j & apart else FEW + j for j in range(FEW)]
                for k, places in (i, low), (i + apart, high):
                    mask = ir.Constant(ir.VectorType(INT, FEW), places)
                    new[k] = builder.shuffle_vector(rows[i], rows[i + apart], mask)
            rows, apart = new, apart // 2
        for row in rows:
            builder.store(row, _few(context, builder, of_array, array, to), align=4)
            to = builder.add(to, step_to)
        return context.get_dummy_value()

    if is_flat(array) and is_flat(a):
        return types.void(array, types.intp, types.intp, a, types.intp, types.intp), generate


@intrinsic
def fill(context, number):
    """A vector of the same number."""

    def generate(context, builder, signature, arguments):
        return filled(builder, *arguments)

    return vector(types.float32), generate


@intrinsic
def fill_at(context, array, i):
    """A vector of the i-th number of a contiguous array."""

    def generate(context, builder, signature, arguments):
        array, i = arguments
        data = data_of(context, builder, signature.args[0], array)
        return filled(builder, builder.load(builder.gep(data, [i])))

    if is_flat(array):
        return vector(array, types.intp), generate


@intrinsic
def number_at(context, array, i):
    """The i-th number of a contiguous array of integers, as an index."""

    def generate(context, builder, signature, arguments):
        array, i = arguments
        data = data_of(context, builder, signature.args[0], array)
        return builder.zext(builder.load(builder.gep(data, [i])), ir.IntType(64))

    if is_flat(array, types.uint8) or is_flat(array, types.uint32):
        return types.intp(array, types.intp), generate


@intrinsic
def zeros(context):
    """A vector of zeros."""

    def generate(context, builder, signature, arguments):
        return floats(0)

    return vector(), generate


def _arithmetic(instruction):
    """The function of two vectors that is one instruction."""

    @intrinsic
    def operation(context, x, y):
        def generate(context, builder, signature, arguments):
            return getattr(builder, instruction)(*arguments)

        return vector(vector, vector), generate

    return operation


add, subtract, multiply, divide = map(_arithmetic, ("fadd", "fsub", "fmul", "fdiv"))


@intrinsic
def multiply_add(context, x, y, z):
    """x y + z."""

    def generate(context, builder, signature, arguments):
        x, y, z = arguments
        return builder.fadd(builder.fmul(x, y, flags=CONTRACT), z, flags=CONTRACT)

    return vector(vector, vector, vector), generate


@intrinsic
def root(context, x):
    """The square root of x."""

    def generate(context, builder, signature, arguments):
        function = ir.FunctionType(FLOATS, [FLOATS])
        sqrt = cgutils.get_or_insert_function(builder.module, function, f"llvm.sqrt.v{WIDTH}f32")
        return builder.call(sqrt, arguments)

    return vector(vector), generate


@intrinsic
def sign(context, x):
    """-1, 0 or 1."""

    def generate(context, builder, signature, arguments):
        x = arguments[0]
        above = builder.select(builder.fcmp_ordered(">", x, floats(0)), floats(1), floats(0))
        return builder.select(builder.fcmp_ordered("<", x, floats(0)), floats(-1), above)

    return vector(vector), generate


@intrinsic
def where_negative(context, x, y, z):
    """y where x is below 0, else z."""

    def generate(context, builder, signature, arguments):
        x, y, z = arguments
        return builder.select(builder.fcmp_ordered("<", x, floats(0)), y, z)

    return vector(vector, vector, vector), generate


@intrinsic
def where_beyond(context, x, bound):
    """The bits of the places where |x| is not below a bound."""

    def generate(context, builder, signature, arguments):
        x, bound = arguments
        size = builder.select(builder.fcmp_ordered("<", x, floats(0)), builder.fneg(x), x)
        flags = builder.fcmp_unordered(">=", size, filled(builder, bound))
        return builder.zext(builder.bitcast(flags, ir.IntType(WIDTH)), ir.IntType(64))

    return types.int64(vector, types.float32), generate


@intrinsic
def lowest(context, bits):
    """The place of the lowest bit."""

    def generate(context, builder, signature, arguments):
        return builder.cttz(arguments[0], ir.IntType(1)(1))

    return types.intp(types.int64), generate


@intrinsic
def store_less(context, on, at, x, y):
    """on[at : at + WIDTH] <- whether x < y, in bytes."""

    def generate(context, builder, signature, arguments):
        on, at, x, y = arguments
        flags = builder.zext(builder.fcmp_ordered("<", x, y), FLAGS)
        builder.store(flags, address(context, builder, signature.args[0], on, at, FLAGS), align=1)
        return context.get_dummy_value()

    if is_flat(on, types.uint8):
        return types.void(on, types.intp, vector, vector), generate


@intrinsic
def first(context, x, n):
    """The first n numbers of a vector, then zeros."""

    def generate(context, builder, signature, arguments):
        x, n = arguments
        return builder.select(_mask(builder, n), x, floats(0))

    return vector(vector, types.intp), generate


@intrinsic
def total(context, x):
    """The sum of a vector's numbers, halves first."""

    def generate(context, builder, signature, arguments):
        x, n = arguments[0], WIDTH
        while n > 1:
            n //= 2
            low, high = (ir.Constant(ir.VectorType(INT, n), list(range(i, i + n))) for i in (0, n))
            x = builder.fadd(builder.shuffle_vector(x, x, low), builder.shuffle_vector(x, x, high))
        return builder.extract_element(x, INT(0))

    return types.float32(vector), generate


@intrinsic
def product(context, x):
    """The product of a vector's numbers in double precision, halves first."""

    def generate(context, builder, signature, arguments):
        n = WIDTH
        x = builder.fpext(arguments[0], ir.VectorType(ir.DoubleType(), n))
        while n > 1:
            n //= 2
            low, high = (ir.Constant(ir.VectorType(INT, n), list(range(i, i + n))) for i in (0, n))
            x = builder.fmul(builder.shuffle_vector(x, x, low), builder.shuffle_vector(x, x, high))
        return builder.extract_element(x, INT(0))

    return types.float64(vector), generate


@intrinsic
def wide(context):
    """Let the loops of the function that calls this take vectors of 512 bits, where the processor has them."""

    def generate(context, builder, signature, arguments):
        set.add(builder.function.attributes, '"prefer-vector-width"="512"')
        return context.get_dummy_value()

    return types.void(), generate


@compiled
def aligned(n):
    """An array of n numbers that begins with a line of the cache, so that no vector of it lies in two."""
    a = np.empty(n + LINE, np.float32)
    first = (-a.ctypes.data // 4) % LINE
    return a[first : first + n]


@inner
def clear(a, low, n):
    """a[low : low + n] <- 0."""
    for i in range(low, low + n):
        a[i] = 0


@compiled
def up_to(n, multiple):
    """The smallest multiple that is no smaller than n."""
    return -(-n // multiple) * multiple
