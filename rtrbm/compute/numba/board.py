"""Work that compiled code shares among threads at once.

To wake a sleeping thread takes as long as thousands of multiplications, and the interpreter's lock passes through as
many hands. A helper (`rtrbm.compute.numba.crew`) therefore looks for work for some two milliseconds after its last, and
sleeps only then. Whoever shares work takes parts of it too, and waits for those parts alone that helpers have begun:
none need be there.

A board, a line of integers, is what they all look at. Each number has a line of the cache to itself.
"""

import functools
import os

import numpy as np
from llvmlite import binding, ir
from numba import typeof
from numba.core import cgutils, types
from numba.extending import intrinsic

from .compiled import compiled, inner
from .vectors import data_of

TICKET, DONE, JOB, OPEN, STOP, WORKERS = 0, 8, 16, 24, 32, 40  # places on a board; JOB: function and arguments
SIZE = 48
APART = 8  # numbers from one place to the next
LEFT = 2**32 - 1  # a ticket: 2^32 times the number of the job, plus the parts that nobody has taken
PATIENCE, LOOKS = 3000, 25  # turns in which a helper finds nothing before it sleeps, and looks in each
LIMIT = 50 * PATIENCE  # turns in which it finds nothing though the board is open
MOMENT = 200  # looks for which a caller waits for a helper to take a job
_LONG, _BYTES = ir.IntType(64), ir.IntType(8).as_pointer()
_PART = ir.FunctionType(ir.VoidType(), [_BYTES, _LONG, _LONG])  # arguments, part, worker
_HAS_PAUSE = binding.get_process_triple().startswith(("x86_64", "i686"))


def _place(context, builder, kind, board, i):
    return builder.gep(data_of(context, builder, kind, board), [i])


@intrinsic
def read(context, board, i):
    """The i-th number of a board, and all that was written before it."""

    def generate(context, builder, signature, arguments):
        at = _place(context, builder, signature.args[0], *arguments)
        return builder.load_atomic(at, ordering="acquire", align=8)

    return types.int64(board, types.intp), generate


@intrinsic
def write(context, board, i, x):
    """board[i] <- x, after all that was written before."""

    def generate(context, builder, signature, arguments):
        board, i, x = arguments
        at = _place(context, builder, signature.args[0], board, i)
        builder.store_atomic(x, at, ordering="release", align=8)
        return context.get_dummy_value()

    return types.void(board, types.intp, types.int64), generate


@intrinsic
def increase(context, board, i, x):
    """board[i] <- board[i] + x, whoever else does so."""

    def generate(context, builder, signature, arguments):
        board, i, x = arguments
        builder.atomic_rmw("add", _place(context, builder, signature.args[0], board, i), x, ordering="seq_cst")
        return context.get_dummy_value()

    return types.void(board, types.intp, types.int64), generate


@intrinsic
def replace(context, board, i, old, new):
    """board[i] <- new if it is old; whether it was."""

    def generate(context, builder, signature, arguments):
        board, i, old, new = arguments
        at = _place(context, builder, signature.args[0], board, i)
        return builder.extract_value(builder.cmpxchg(at, old, new, ordering="seq_cst"), 1)

    return types.boolean(board, types.intp, types.int64, types.int64), generate


@intrinsic
def pause(context):
    """Let some time pass, in a loop that waits."""

    def generate(context, builder, signature, arguments):
        if _HAS_PAUSE:
            function = ir.FunctionType(ir.VoidType(), [])
            builder.call(cgutils.get_or_insert_function(builder.module, function, "llvm.x86.sse2.pause"), [])
        return context.get_dummy_value()

    return types.void(), generate


@intrinsic
def give_way(context):
    """Let another thread have the processor, if one wants it."""

    def generate(context, builder, signature, arguments):
        if hasattr(os, "sched_yield"):
            function = ir.FunctionType(ir.IntType(32), [])
            builder.call(cgutils.get_or_insert_function(builder.module, function, "sched_yield"), [])
        return context.get_dummy_value()

    return types.void(), generate


def door(function, *given):
    """The address of a `shared` function, which returns nothing, for arguments of the types of those given."""
    kinds = tuple(map(typeof, given))
    function.compile(kinds)
    made = function.overloads[kinds]
    address = made.library.get_pointer_to_function(made.fndesc.llvm_func_name)
    if not address:
        raise TypeError(f"{function.__name__} is called by compiled functions alone: decorate it with shared")
    return address


def _call(context, builder, address, kinds, values):
    """Call the function behind a door."""
    function = context.call_conv.get_function_type(types.none, kinds)
    results = [cgutils.alloca_once(builder, kind.pointee) for kind in function.args[:2]]  # nothing, and no error
    values = context.get_arg_packer(kinds).as_arguments(builder, values)
    builder.call(builder.inttoptr(address, function.as_pointer()), [*results, *values])


@intrinsic
def call(context, address, arguments):
    """Call the function behind a door; that of each is compiled once, and not a part of all that call it."""

    def generate(context, builder, signature, values):
        address, packed = values
        kinds = signature.args[1].types
        _call(context, builder, address, kinds, cgutils.unpack_tuple(builder, packed, len(kinds)))
        return context.get_dummy_value()

    return types.void(types.int64, arguments), generate


@intrinsic
def _post(context, board, address, job):
    """Write on the board what to call for a part and a worker; the caller keeps the job."""

    def generate(context, builder, signature, values):
        board, address, job = values
        kinds, module = (types.intp, types.intp, signature.args[2]), builder.module
        given = cgutils.pack_struct(builder, [address, job])
        entry = ir.Function(module, _PART, module.get_unique_name(f"{builder.function.name}.part"))
        entry.linkage = "internal"
        inside = ir.IRBuilder(entry.append_basic_block("entry"))
        at, part, worker = entry.args
        door, kept = cgutils.unpack_tuple(inside, inside.load(inside.bitcast(at, given.type.as_pointer())), 2)
        _call(context, inside, door, kinds, [part, worker, kept])
        inside.ret_void()
        place = cgutils.alloca_once_value(builder, given)
        for i, pointer in enumerate((entry, place)):
            to = _place(context, builder, signature.args[0], board, ir.Constant(_LONG, JOB + i))
            builder.store(builder.ptrtoint(pointer, _LONG), to)
        return context.get_dummy_value()

    return types.void(board, types.int64, job), generate


@intrinsic
def _do(context, board, part, worker):
    """Do a part of what is on the board."""

    def generate(context, builder, signature, arguments):
        board, part, worker = arguments
        function, given = (
            builder.load(_place(context, builder, signature.args[0], board, ir.Constant(_LONG, JOB + i)))
            for i in (0, 1)
        )
        pointers = builder.inttoptr(function, _PART.as_pointer()), builder.inttoptr(given, _BYTES)
        builder.call(pointers[0], [pointers[1], part, worker])
        return context.get_dummy_value()

    return types.void(board, types.intp, types.intp), generate


@inner
def take_part(board, worker):
    """Do a part that nobody has taken; whether there was one for this worker."""
    ticket = read(board, TICKET)
    while ticket & LEFT:
        if worker and worker >= read(board, WORKERS):  # no less new than the ticket
            return False
        if replace(board, TICKET, ticket, ticket - 1):
            _do(board, (ticket & LEFT) - 1, worker)
            increase(board, DONE, 1)
            return True
        ticket = read(board, TICKET)
    return False


@inner
def _look_away(looks):
    """Let some time pass after so many looks at a board, at times so that another thread has it; one look more."""
    pause()
    if (looks + 1) % 1024 == 0:
        give_way()
    return looks + 1


@inner
def share(board, worker, address, job, n_parts):
    """Call function(part, worker, job) for each part, on this thread, which is `worker`, and on helpers.

    address : the door of the function. A single part does not come to the board.
    """
    if n_parts == 1:
        call(address, (0, worker, job))
        return
    _post(board, address, job)
    _share_posted(board, worker, n_parts, 0)


@inner
def _share_posted(board, worker, n_parts, moment):
    """Share what is on the board; this thread takes no part in the first looks, a moment of so many."""
    write(board, DONE, 0)
    write(board, TICKET, (read(board, TICKET) | LEFT) + 1 + n_parts)
    looks = 0
    while looks < moment and read(board, TICKET) & LEFT:
        looks = _look_away(looks)
    while take_part(board, worker):
        pass
    looks = 0
    while read(board, DONE) < n_parts:
        looks = _look_away(looks)


@compiled
def _do_all(address, board, aside, job):
    if not aside:
        call(address, (0, 0, job))
        return
    _post(board, address, job)
    _share_posted(board, 0, 1, MOMENT)


def callable_from_python(function, *given):
    """A `shared` function as Python calls it: made(board, aside, job) is function(0, 0, job), for jobs like `given`.

    It is compiled before helpers wait for work. A call takes any job as one of these types, and looks at no more than
    the lengths of tuples and the bytes of a number: numba takes longer to find the types of nested tuples than for all
    else of a call.

    If `aside`, a helper does the job, if one is awake, as function(0, i, job) with i its number. It has the arrays of
    the job before in the caches of its processor, and those of this thread's keep what the interpreter needs.
    """
    kinds = types.intp, typeof(new_board()), types.boolean, typeof(given)
    address = door(function, 1, 1, given)
    _do_all.compile(kinds)
    return functools.partial(_do_all.overloads[kinds].entry_point, address)


@inner
def next_part(steps, step, part, n_parts):
    """A part of a step that this thread is to do, its own one if nobody has begun it; -1 if all of them have ended.

    No part of a step begins before all parts of the step before have ended. Whoever waits waits for parts under way
    alone, as with `share`. steps : (n_parts APART,), 0 before the first step; a part's number there is twice the steps
    that have ended, and one more during a step.
    """
    looks = 0
    while True:
        n_ended = 0
        for i in range(n_parts):
            at = APART * (part + i if part + i < n_parts else part + i - n_parts)
            found = read(steps, at)
            if found == 2 * step and replace(steps, at, found, found + 1):
                return at // APART
            n_ended += found >= 2 * step + 2
        if n_ended == n_parts:
            return -1
        looks = _look_away(looks)


@inner
def end_part(steps, step, part):
    """This part of a step has ended."""
    write(steps, APART * part, 2 * step + 2)


def new_board():
    """A board with nothing on it."""
    return np.zeros(SIZE, np.int64)


@compiled
def serve(board, worker):
    """Take parts of all that is shared on a board, while it is open and for a moment after.

    Returns whether there was some lately: who opened the board may do something else for seconds, compile say.
    """
    turns = idle = 0
    while turns < PATIENCE and idle < LIMIT and read(board, STOP) == 0:
        turns, idle = 0 if read(board, OPEN) and worker < read(board, WORKERS) else turns + 1, idle + 1
        for _ in range(LOOKS):
            while take_part(board, worker):
                idle = 0
            pause()
        give_way()
    return idle < LIMIT
