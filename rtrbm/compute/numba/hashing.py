"""Random numbers that are hashes of their address: (key of a row, half-step of its chain, unit).

A row's key is the hash of everything that names it: seed, purpose, update, sequence and frame. No generator has a
state, so that numbers do not depend on the order in which they are drawn, nor on the threads and ranks that draw them.
"""

import functools

import numpy as np
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from ...streams import PURPOSES, seed_sequence
from .compiled import compiled, inner
from .exponential import odds_against
from .vectors import CONTRACT, FLAGS, FLOATS, INTS, WIDTH, address, data_of, filled, floats, ints, is_flat, vector

_BITS = (1 << 64) - 1
_GOLDEN, _FIRST, _SECOND = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB
_UNIT = np.nextafter(np.float32(2.0**-31), np.float32(0))


def mix(key, number):
    """A 64-bit key of a key and a number: the finaliser of splitmix64 (Steele, Lea & Flood 2014) on their sum."""
    z = (key + _GOLDEN * (number + 1)) & _BITS
    z = ((z ^ (z >> 30)) * _FIRST) & _BITS
    z = ((z ^ (z >> 27)) * _SECOND) & _BITS
    return z ^ (z >> 31)


@functools.lru_cache(maxsize=64)
def _key_of_purpose(seed, purpose):
    return int(seed_sequence(seed, (PURPOSES.index(purpose),)).generate_state(1, np.uint64)[0])


def key_of(seed, purpose, address):
    """The key of an address: of all rows whose numbers belong together.

    Parameters
    ----------
    seed : int
    purpose : str
        One of `rtrbm.streams.PURPOSES`.
    address : tuple of int

    Returns
    -------
    int
        Below 2^64.
    """
    return functools.reduce(mix, address, _key_of_purpose(seed, purpose))


@inner
def mixed(key, number):
    """`mix`, compiled, of unsigned integers."""
    z = np.uint64(key) + np.uint64(_GOLDEN) * (np.uint64(number) + np.uint64(1))
    z = (z ^ (z >> np.uint64(30))) * np.uint64(_FIRST)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(_SECOND)
    return z ^ (z >> np.uint64(31))


@compiled
def row_keys(key, sequences, frames, keys):
    """keys <- those of rows, each a frame of a sequence."""
    for i in range(len(keys)):
        keys[i] = mixed(mixed(key, sequences[i]), frames[i])


@inner
def half_step_words(keys, first, n_rows, half_step, words):
    """words <- three for each row, from which all random numbers of its half-step follow."""
    low, factor = np.uint64(0xFFFFFFFF), np.uint64(0x9E3779B1)
    for i in range(n_rows):
        z = mixed(keys[first + i], half_step)
        a, b = z & low, z >> np.uint64(32)
        words[3 * i], words[3 * i + 1], words[3 * i + 2] = a, b, (a * factor ^ b) & low


def _uniforms(builder, word, column, second, third):
    """A vector of numbers on (0, 1), without the ends, for the units from `column` on.

    The number of the unit plus the first word is mixed by the multiplications and shifts of Wellons' "lowbias32" hash,
    with two more words put in between.
    """
    places = ir.Constant(INTS, list(range(WIDTH)))
    z = builder.add(filled(builder, builder.add(word, builder.trunc(column, word.type))), places)
    z = builder.mul(builder.xor(z, builder.lshr(z, ints(16))), ints(0x7FEB352D))
    z = builder.mul(builder.xor(builder.xor(z, filled(builder, second)), builder.lshr(z, ints(15))), ints(0x846CA68B))
    z = builder.add(builder.xor(z, builder.lshr(z, ints(16))), filled(builder, third))
    return builder.fmul(builder.sitofp(builder.or_(builder.lshr(z, ints(1)), ints(1)), FLOATS), floats(_UNIT))


def _words_at(context, builder, array_type, array, row):
    """Three words of a row."""
    data = data_of(context, builder, array_type, array)
    at = builder.mul(row, row.type(3))
    return [builder.load(builder.gep(data, [builder.add(at, row.type(i))])) for i in range(3)]


def _store_flags(context, builder, array_type, array, at, flags):
    builder.store(builder.zext(flags, FLAGS), address(context, builder, array_type, array, at, FLAGS), align=1)


@intrinsic
def switch_on(context, on, at, x, words, row, column):
    """on[at : at + WIDTH] <- whether u < sigmoid(x), in other words u (1 + exp(-x)) < 1, in bytes."""

    def generate(context, builder, signature, arguments):
        on, at, x, words, row, column = arguments
        first, second, third = _words_at(context, builder, signature.args[3], words, row)
        u = _uniforms(builder, first, column, second, third)
        total = builder.fadd(builder.fmul(u, odds_against(builder, x), flags=CONTRACT), u, flags=CONTRACT)
        is_on = builder.fcmp_ordered("<", total, floats(1))
        _store_flags(context, builder, signature.args[0], on, at, is_on)
        return context.get_dummy_value()

    if is_flat(on, types.uint8) and is_flat(words, types.uint32):
        return types.void(on, types.intp, vector, words, types.intp, types.intp), generate


@intrinsic
def switch_mean_on(context, on, at, p, words, row, column):
    """on[at : at + WIDTH] <- whether u < p, in bytes."""

    def generate(context, builder, signature, arguments):
        on, at, p, words, row, column = arguments
        first, second, third = _words_at(context, builder, signature.args[3], words, row)
        is_on = builder.fcmp_ordered("<", _uniforms(builder, first, column, second, third), p)
        _store_flags(context, builder, signature.args[0], on, at, is_on)
        return context.get_dummy_value()

    if is_flat(on, types.uint8) and is_flat(words, types.uint32):
        return types.void(on, types.intp, vector, words, types.intp, types.intp), generate


@intrinsic
def uniforms(context, words, row, column):
    """A vector of uniform numbers on (0, 1), those of the units from `column` on."""

    def generate(context, builder, signature, arguments):
        words, row, column = arguments
        first, second, third = _words_at(context, builder, signature.args[0], words, row)
        return _uniforms(builder, first, column, second, third)

    if is_flat(words, types.uint32):
        return vector(words, types.intp, types.intp), generate


@intrinsic
def from_bytes(context, on, at):
    """A vector of the numbers 0 and 1 in bytes."""

    def generate(context, builder, signature, arguments):
        bytes_ = builder.load(address(context, builder, signature.args[0], *arguments, FLAGS), align=1)
        return builder.uitofp(bytes_, FLOATS)

    if is_flat(on, types.uint8):
        return vector(on, types.intp), generate
