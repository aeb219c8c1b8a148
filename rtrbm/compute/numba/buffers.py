"""Buffers that compiled code knows by their addresses.

To compiled code an array is seven numbers and a count of its references, an address is one number. Functions that call
one another with dozens of arrays are busy with these. Nobody counts references to a buffer: whoever passes its address
on keeps it.
"""

import numpy as np
from llvmlite import ir
from numba import from_dtype, typeof
from numba.core import cgutils, types
from numba.extending import intrinsic

from .vectors import data_of, is_flat


def address_of(buffer):
    """Where an array begins."""
    return buffer.ctypes.data


def addresses(buffers):
    """The addresses of a NamedTuple of contiguous arrays: a row of a table, for `taking`."""
    return np.array([address_of(buffer) for buffer in buffers], np.intp)


def taking(make):
    """The compiled function (table, i) that returns the buffers of row i; make() makes a NamedTuple of their kinds.

    Flags are bytes: the compiler keeps a bool in a bit.
    """

    @intrinsic
    def take(context, table, i):
        example = make()
        kinds = [types.CPointer(from_dtype(buffer.dtype)) for buffer in example]
        kind, n = types.BaseTuple.from_types(kinds, type(example)), len(kinds)

        def generate(context, builder, signature, arguments):
            table, i = arguments
            data, first = data_of(context, builder, signature.args[0], table), builder.mul(i, i.type(n))
            found = []
            for place, buffer in enumerate(kinds):
                address = builder.load(builder.gep(data, [builder.add(first, first.type(place))]))
                found.append(builder.inttoptr(address, context.get_value_type(buffer)))
            return context.make_tuple(builder, kind, found)

        if is_flat(table, types.intp):
            return kind(table, types.intp), generate

    return take


def _with_buffers(kind):
    """The type of a NamedTuple, whose parts may be NamedTuples, with buffers for arrays."""
    if isinstance(kind, types.BaseTuple):
        return types.BaseTuple.from_types([_with_buffers(part) for part in kind], kind.instance_class)
    if isinstance(kind, types.Array):
        if kind.layout != "C":
            raise TypeError(f"wants arrays whose numbers lie beside one another, got {kind}")
        return types.CPointer(kind.dtype)
    return kind


def _convert(context, builder, kind, value):
    """A value of type `_with_buffers` (kind)."""
    if isinstance(kind, types.BaseTuple):
        parts = zip(kind, cgutils.unpack_tuple(builder, value, len(kind)))
        return context.make_tuple(builder, _with_buffers(kind), [_convert(context, builder, *part) for part in parts])
    return data_of(context, builder, kind, value) if isinstance(kind, types.Array) else value


@intrinsic
def keep(context, given):
    """The address of a copy of a NamedTuple, for `kept_as`: it is there until the function that keeps it returns."""

    def generate(context, builder, signature, arguments):
        place = cgutils.alloca_once_value(builder, _convert(context, builder, given, arguments[0]))
        return builder.ptrtoint(place, ir.IntType(64))

    return types.intp(given), generate


def kept_as(make):
    """The compiled function of an address that `keep` gave; make() makes a NamedTuple of that type.

    What it returns has buffers for arrays: numbers, and no references to be counted, are all that functions pass on.
    """

    @intrinsic
    def kept(context, address):
        kind = _with_buffers(typeof(make()))

        def generate(context, builder, signature, arguments):
            place = builder.inttoptr(arguments[0], context.get_value_type(kind).as_pointer())
            return builder.load(place)

        return kind(types.intp), generate

    return kept


@intrinsic
def beyond(context, buffer, n):
    """The buffer that begins with the n-th number of another."""

    def generate(context, builder, signature, arguments):
        return builder.gep(data_of(context, builder, buffer, arguments[0]), [arguments[1]])

    if is_flat(buffer):
        return types.CPointer(buffer.dtype)(buffer, types.intp), generate
