"""Vectors of 16 single-precision numbers for compiled loops.

Left to itself the compiler takes half as many, and carries sums to the cache and back that could stay in a register.
"""

import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic, models, register_model

from .compiled import compiled

WIDTH = 16
_IR = ir.VectorType(ir.FloatType(), WIDTH)
_ALIGNMENT = ir.IntType(32)(4)  # bytes
_CONTRACT = ["contract"]  # a product and a sum may be one instruction


class Vector(types.Type):
    """The type of 16 numbers in a register."""


_vector = Vector("float32x16")


@register_model(Vector)
class _Model(models.PrimitiveModel):
    def __init__(self, manager, kind):
        super().__init__(manager, kind, _IR)


def _is_flat(array):
    """Whether 16 numbers of an array lie beside one another; if not, the compiler refuses the code that uses it."""
    return array.dtype == types.float32 and array.layout == "C"


def _address(context, builder, array_type, array, i):
    data = context.make_array(array_type)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [i]), _IR.as_pointer())


def _filled(builder, number):
    """A vector of 16 times the same number."""
    undefined = ir.Constant(ir.VectorType(number.type, WIDTH), ir.Undefined)
    first = ir.Constant(ir.VectorType(ir.IntType(32), WIDTH), [0] * WIDTH)
    return builder.shuffle_vector(builder.insert_element(undefined, number, ir.IntType(32)(0)), undefined, first)


def _mask(builder, n):
    """Which of 16 places are among the first n."""
    places = ir.Constant(ir.VectorType(n.type, WIDTH), list(range(WIDTH)))
    return builder.icmp_signed("<", places, _filled(builder, n))


def _call(builder, name, result, *arguments):
    """Call an intrinsic function of LLVM on 16 numbers in memory."""
    kind = ir.FunctionType(result, [argument.type for argument in arguments])
    function = cgutils.get_or_insert_function(builder.module, kind, f"llvm.masked.{name}.v16f32.p0v16f32")
    return builder.call(function, arguments)


@intrinsic
def load(context, array, i):
    """16 numbers of a contiguous array, from the i-th on."""

    def generate(context, builder, signature, arguments):
        return builder.load(_address(context, builder, signature.args[0], *arguments), align=4)

    if _is_flat(array):
        return _vector(array, types.intp), generate


@intrinsic
def load_part(context, array, i, n):
    """At most n numbers of a contiguous array, from the i-th on, then zeros; n may be below 0 or above 16."""

    def generate(context, builder, signature, arguments):
        array, i, n = arguments
        address, zeros = (_address(context, builder, signature.args[0], array, i), ir.Constant(_IR, [0.0] * WIDTH))
        return _call(builder, "load", _IR, address, _ALIGNMENT, _mask(builder, n), zeros)

    if _is_flat(array):
        return _vector(array, types.intp, types.intp), generate


@intrinsic
def store(context, array, i, x):
    """Write 16 numbers to a contiguous array, from its i-th on."""

    def generate(context, builder, signature, arguments):
        array, i, x = arguments
        builder.store(x, _address(context, builder, signature.args[0], array, i), align=4)
        return context.get_dummy_value()

    if _is_flat(array):
        return types.void(array, types.intp, _vector), generate


@intrinsic
def store_part(context, array, i, x, n):
    """Write at most n of 16 numbers to a contiguous array, from its i-th on; n may be below 0 or above 16."""

    def generate(context, builder, signature, arguments):
        array, i, x, n = arguments
        address = _address(context, builder, signature.args[0], array, i)
        _call(builder, "store", ir.VoidType(), x, address, _ALIGNMENT, _mask(builder, n))
        return context.get_dummy_value()

    if _is_flat(array):
        return types.void(array, types.intp, _vector, types.intp), generate


@intrinsic
def zeros(context):
    """16 zeros."""

    def generate(context, builder, signature, arguments):
        return ir.Constant(_IR, [0.0] * WIDTH)

    return _vector(), generate


@intrinsic
def fill(context, number):
    """16 times a number."""

    def generate(context, builder, signature, arguments):
        return _filled(builder, *arguments)

    return _vector(types.float32), generate


@intrinsic
def add(context, x, y):
    """x + y."""

    def generate(context, builder, signature, arguments):
        return builder.fadd(*arguments)

    return _vector(_vector, _vector), generate


@intrinsic
def multiply_add(context, x, y, z):
    """x y + z."""

    def generate(context, builder, signature, arguments):
        x, y, z = arguments
        return builder.fadd(builder.fmul(x, y, flags=_CONTRACT), z, flags=_CONTRACT)

    return _vector(_vector, _vector, _vector), generate


@intrinsic
def wide(context):
    """Let the loops of the function that calls this take vectors as wide, where the processor has them."""

    def generate(context, builder, signature, arguments):
        set.add(builder.function.attributes, '"prefer-vector-width"="512"')
        return context.get_dummy_value()

    return types.void(), generate


@compiled
def aligned(n):
    """An array of n numbers that begins with a line of the cache, so that no vector of it lies in two."""
    a = np.empty(n + WIDTH, np.float32)
    first = (-a.ctypes.data // 4) % WIDTH
    return a[first : first + n]
