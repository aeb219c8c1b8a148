"""Buffers that compiled code knows by their addresses.

To compiled code an array is seven numbers and a count of its references, an address is one number. Functions that call
one another with dozens of arrays are busy with these. Nobody counts references to a buffer: whoever passes its address
on keeps it.
"""

import numpy as np
from numba import from_dtype
from numba.core import types
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
