"""Tuples of arrays, kept at an address: compiled code takes them from there, and nothing is unpacked for it.

Whoever freezes a tuple keeps its arrays.
"""

import numpy as np
from llvmlite import ir
from numba import typeof
from numba.core import cgutils, types
from numba.extending import intrinsic

from .compiled import compiled


def _parts(builder, place):
    """Pointers to all that is not a tuple in what a pointer leads to, with its places."""
    kind = place.type.pointee
    if not isinstance(kind, (ir.LiteralStructType, ir.ArrayType)):
        return [((), place)]
    n = len(kind.elements) if isinstance(kind, ir.LiteralStructType) else kind.count
    zero = ir.IntType(32)(0)
    pairs = [(i, builder.gep(place, [zero, ir.IntType(32)(i)])) for i in range(n)]
    return [((i, *more), part) for i, inside in pairs for more, part in _parts(builder, inside)]


@intrinsic
def _freeze(context, value, out):
    def generate(context, builder, signature, arguments):
        value, out = arguments
        to = context.make_array(signature.args[1])(context, builder, out).data
        frozen = []
        for kind, array in zip(signature.args[0], cgutils.unpack_tuple(builder, value)):
            array = context.make_array(kind)(context, builder, array)
            array.meminfo = cgutils.get_null_value(array.meminfo.type)  # nobody counts references to it
            array.parent = cgutils.get_null_value(array.parent.type)
            frozen.append(array._getvalue())
        kind = context.get_value_type(signature.args[0])
        builder.store(cgutils.pack_struct(builder, frozen), builder.bitcast(to, kind.as_pointer()), align=8)
        return context.get_dummy_value()

    return types.void(value, out), generate


@compiled
def _write(value, out):
    _freeze(value, out)


def freeze(value):
    """A copy of a NamedTuple of arrays, in numbers whose address `thaw` takes."""
    n_words = sum(5 + 2 * a.ndim for a in value)
    out = np.zeros(n_words, np.int64)
    _write(value, out)
    return out


def thawing(make):
    """The compiled function (addresses, i) that returns the tuple at an address; `make` makes one of its kind."""

    @intrinsic
    def thaw(context, addresses, i):
        kind = typeof(make())

        def generate(context, builder, signature, arguments):
            addresses, i = arguments
            data = context.make_array(signature.args[0])(context, builder, addresses).data
            value_type = context.get_value_type(kind)
            place = builder.inttoptr(builder.load(builder.gep(data, [i])), value_type.as_pointer())
            value = ir.Constant(value_type, ir.Undefined)
            for places, part in _parts(builder, place):
                value = builder.insert_value(value, builder.load(part), places)
            return value

        return kind(addresses, types.intp), generate

    return thaw
