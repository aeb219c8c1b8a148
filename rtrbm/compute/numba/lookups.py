"""Products with binary states by looking up sums, the "method of the four Russians" (Arlazarov et al. 1970).

Row i of states W is the sum of the rows of W whose unit is on. The units are cut into groups of five; for each of the
32 patterns of a group the sum of its rows of W is made once, and then looked up by all rows of states: one addition
takes the place of five multiplications and additions. Unit b of group g is unit g + b n_groups of the layer.

States are bytes, 0 or 1, in rows of `stride` bytes. W is packed in blocks of WIDTH columns (`pack`), with rows of zeros
after its own. The sums of some groups at a time, a chunk of them, are made, so that they stay in the first-level cache.
"""

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from .compiled import compiled, inner
from .vectors import (
    BYTE,
    FEW,
    FLOAT,
    INT,
    INTS,
    WIDTH,
    add,
    address,
    data_of,
    is_flat,
    load,
    load_part,
    store,
    transpose_few,
    up_to,
    vector,
    wide,
    zeros,
)

UNITS = 5  # of a group
PATTERNS = 2**UNITS
CHUNKS = (5, 6, 7, 8) if WIDTH == 32 else (6, 8, 10, 12)  # groups whose sums take 20 to 32 or 12 to 24 kB
AT_ONCE = 32  # patterns
TABLES = CHUNKS[-1] * PATTERNS * WIDTH
_PATTERNS = ir.VectorType(BYTE, AT_ONCE)
_HALF = ir.VectorType(FLOAT, WIDTH // 2)


@compiled
def chunk_of(n_units):
    """The number of groups of a chunk that takes the fewest loads: a group one, a chunk two and a half."""
    n_groups, best, fewest = -(-n_units // UNITS), 0, 0.0
    for chunk in CHUNKS:
        n_loads = up_to(n_groups, chunk) * (1 + 2.5 / chunk)
        if best == 0 or n_loads <= fewest:
            best, fewest = chunk, n_loads
    return best


@compiled
def n_groups_of(n_units):
    """The number of groups of a layer, a multiple of the chunk."""
    return up_to(-(-n_units // UNITS), chunk_of(n_units))


@inner
def pack(W, first, n_rows, n_cols, n_units, out):
    """out[block, unit, :] <- columns of W (n_rows, n_cols), then zeros, in blocks of WIDTH columns and n_units rows.

    W begins at number `first` of its array.
    """
    for block in range(-(-n_cols // WIDTH)):
        pack_block(block, W, first, n_rows, n_cols, n_units, out)


@inner
def pack_block(block, W, first, n_rows, n_cols, n_units, out):
    """One block of `pack`."""
    left, to = n_cols - block * WIDTH, block * n_units * WIDTH
    for u in range(n_rows):
        store(out, to, load_part(W, first + u * n_cols + block * WIDTH, left))
        to += WIDTH
    for u in range(n_rows, n_units):
        store(out, to, zeros())
        to += WIDTH


@inner
def pack_transposed(W, first, n_rows, n_cols, n_units, out):
    """The same of the transpose of W (n_rows, n_cols): out[block, u, j] <- W[block WIDTH + j, u]."""
    for block in range(-(-n_rows // WIDTH)):
        n, to = min(WIDTH, n_rows - block * WIDTH), block * n_units * WIDTH
        if n < WIDTH:
            for u in range(n_cols):
                store(out, to + u * WIDTH, zeros())
        at, whole, n_whole = first + block * WIDTH * n_cols, n_cols // FEW * FEW, n // FEW * FEW
        for u in range(0, whole, FEW):
            for j in range(0, n_whole, FEW):
                transpose_few(out, to + u * WIDTH + j, WIDTH, W, at + j * n_cols + u, n_cols)
        for j in range(n):
            for u in range(whole if j < n_whole else 0, n_cols):
                out[to + u * WIDTH + j] = W[at + j * n_cols + u]
        for u in range(n_cols, n_units):
            store(out, to + u * WIDTH, zeros())


@intrinsic
def _find_patterns(context, on, at, step, patterns, to):
    """patterns[to : to + AT_ONCE] <- the bits of on[at + b step : ... + AT_ONCE], b = 0 to 4, times 8."""

    def generate(context, builder, signature, arguments):
        on, at, step, patterns, to = arguments
        total = None
        for bit in range(UNITS):
            states = builder.load(address(context, builder, signature.args[0], on, at, _PATTERNS), align=1)
            states = builder.shl(states, ir.Constant(_PATTERNS, [bit + 3] * AT_ONCE))
            total = states if total is None else builder.or_(total, states)
            at = builder.add(at, step)
        builder.store(total, address(context, builder, signature.args[3], patterns, to, _PATTERNS), align=1)
        return context.get_dummy_value()

    if is_flat(on, types.uint8) and is_flat(patterns, types.uint8):
        return types.void(on, types.intp, types.intp, patterns, types.intp), generate


@inner
def to_bytes(states, n_rows, n, on):
    """on <- states in bytes, in rows of whole vectors; False if a state is neither 0 nor 1. Bytes of padding stay."""
    n_p, wrong = up_to(n, WIDTH), False
    for i in range(n_rows):
        for j in range(n):
            x = states[i * n + j]
            on[i * n_p + j] = x != 0
            wrong |= (x != 0) & (x != 1)
    return not wrong


@inner
def find_patterns(on, first, n_rows, stride, n_groups, patterns, stride_p):
    """patterns[i, g] <- that of group g in row i, which begins at byte first + i stride of on.

    Up to 5 n_groups + AT_ONCE bytes are read from there.
    """
    wide()
    for i in range(n_rows):
        for g in range(0, n_groups, AT_ONCE):
            _find_patterns(on, first + i * stride + g, n_groups, patterns, i * stride_p + g)


@inner
def find_patterns_of_rows(on, stride, n_units, n_groups, patterns, stride_p):
    """patterns[g, i] <- that of the states of unit i in group g of rows."""
    wide()
    for g in range(n_groups):
        for i in range(0, n_units, AT_ONCE):
            _find_patterns(on, g * stride + i, n_groups * stride, patterns, g * stride_p + i)


@inner
def make_tables(W, base, stride, group, chunk, n_groups, tables):
    """tables <- for a chunk of groups and all their patterns, the sums of rows of W, which are `stride` apart."""
    wide()
    step = n_groups * stride
    for g in range(chunk):
        at, to = base + (group + g) * stride, g * PATTERNS
        a, b, c = load(W, at), load(W, at + step), load(W, at + 2 * step)
        d, e = load(W, at + 3 * step), load(W, at + 4 * step)
        ab = add(a, b)
        for i in range(4):
            x = zeros() if i == 0 else d if i == 1 else e if i == 2 else add(d, e)
            y = add(x, c)
            _store_halves(tables, to, x)
            _store_halves(tables, to + 1, add(x, a))
            _store_halves(tables, to + 2, add(x, b))
            _store_halves(tables, to + 3, add(x, ab))
            _store_halves(tables, to + 4, y)
            _store_halves(tables, to + 5, add(y, a))
            _store_halves(tables, to + 6, add(y, b))
            _store_halves(tables, to + 7, add(y, ab))
            to += 8


@intrinsic
def _store_halves(context, tables, entry, x):
    """Write the sums of a pattern: the lower half of a vector among those of its group, the upper half behind them.

    A processor adds 8 times a byte to an address at no cost, and so finds the half of a pattern times 8.
    """

    def generate(context, builder, signature, arguments):
        tables, entry, x = arguments
        group, pattern = builder.lshr(entry, entry.type(UNITS)), builder.and_(entry, entry.type(PATTERNS - 1))
        at = builder.mul(builder.add(builder.mul(group, entry.type(2 * PATTERNS)), pattern), entry.type(WIDTH // 2))
        for half in _halves(builder, x):
            builder.store(half, address(context, builder, signature.args[0], tables, at, _HALF), align=4)
            at = builder.add(at, entry.type(PATTERNS * WIDTH // 2))
        return context.get_dummy_value()

    if is_flat(tables):
        return types.void(tables, types.intp, vector), generate


def _halves(builder, x):
    places = (list(range(low, low + WIDTH // 2)) for low in (0, WIDTH // 2))
    return [builder.shuffle_vector(x, x, ir.Constant(ir.VectorType(INT, WIDTH // 2), half)) for half in places]


@intrinsic(prefer_literal=True)
def _add_looked_up(context, x, tables, patterns, at, between, chunk):
    """x plus the sums of a chunk of patterns, that of group g at at + g between; a literal 1 stands for neighbours."""

    def generate(context, builder, signature, arguments):
        x, tables, patterns, at, between, _ = arguments
        n, long = signature.args[5].literal_value, ir.IntType(64)
        codes = data_of(context, builder, signature.args[2], patterns)
        data = data_of(context, builder, signature.args[1], tables)
        data, halves = builder.bitcast(data, BYTE.as_pointer()), _halves(builder, x)
        for g in range(n):
            if isinstance(signature.args[4], types.IntegerLiteral):  # one load for eight patterns
                if g % 8 == 0:
                    here = builder.gep(codes, [builder.add(at, at.type(g))])
                    word = builder.load(builder.bitcast(here, long.as_pointer()), align=1)
                code = builder.and_(builder.lshr(word, long(8 * (g % 8))), long(255))
            else:
                code = builder.zext(builder.load(builder.gep(codes, [at])), long)
                at = builder.add(at, between)
            offset = builder.mul(code, long(WIDTH // 4))  # bytes
            for half in (0, 1):
                beyond = long((2 * g + half) * PATTERNS * WIDTH * 2)
                entry = builder.gep(data, [builder.add(offset, beyond)])
                sums = builder.load(builder.bitcast(entry, _HALF.as_pointer()), align=4)
                halves[half] = builder.fadd(halves[half], sums)
        return builder.shuffle_vector(*halves, ir.Constant(INTS, list(range(WIDTH))))

    if is_flat(tables) and is_flat(patterns, types.uint8) and isinstance(chunk, types.IntegerLiteral):
        return vector(vector, tables, patterns, types.intp, between, chunk), generate


def _adder(chunk, by_rows):
    """The compiled function that adds a chunk's sums; patterns of the groups of a row lie by rows or by columns."""

    def add_sums(patterns, n_rows, stride_p, group, tables, sums):
        wide()
        for i in range(n_rows):
            x = zeros()
            if group:
                x = load(sums, i * WIDTH)
            if by_rows:
                x = _add_looked_up(x, tables, patterns, i * stride_p + group, 1, chunk)
            else:
                x = _add_looked_up(x, tables, patterns, group * stride_p + i, stride_p, chunk)
            store(sums, i * WIDTH, x)

    add_sums.__qualname__ = f"add_sums_of_{chunk}_by_{'rows' if by_rows else 'columns'}"
    return inner(add_sums)


_add_fewest, _add_few, _add_many, _add_most = (_adder(chunk, True) for chunk in CHUNKS)
_add_of_rows = _adder(CHUNKS[-1], False)


@inner
def look_up(patterns, n_rows, stride_p, W, block, n_groups, chunk, tables, sums):
    """sums[i] <- a block of columns of the product of the states of row i with the packed W."""
    base = block * UNITS * n_groups * WIDTH
    for group in range(0, n_groups, chunk):
        make_tables(W, base, WIDTH, group, chunk, n_groups, tables)
        if chunk == CHUNKS[0]:
            _add_fewest(patterns, n_rows, stride_p, group, tables, sums)
        elif chunk == CHUNKS[1]:
            _add_few(patterns, n_rows, stride_p, group, tables, sums)
        elif chunk == CHUNKS[2]:
            _add_many(patterns, n_rows, stride_p, group, tables, sums)
        else:
            _add_most(patterns, n_rows, stride_p, group, tables, sums)


@inner
def look_up_gram(patterns, n_units, stride_p, h, stride, block, n_groups, tables, sums):
    """sums[i] <- a block of columns of v_i^T h for unit i of the states v, of which `patterns` are those of rows.

    h has rows of zeros up to row 5 n_groups.
    """
    for group in range(0, n_groups, CHUNKS[-1]):
        make_tables(h, block * WIDTH, stride, group, CHUNKS[-1], n_groups, tables)
        _add_of_rows(patterns, n_units, stride_p, group, tables, sums)
