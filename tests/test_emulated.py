"""Compiled code as plain Python: its vector operations in numpy (emulated.py) are the same, its loops too.

With numba's compiler the operations are compared, and the rest of this file is run by a process without the compiler,
where an index outside of an array fails. There the sizes are tiny.
"""

import os
import subprocess
import sys
from pathlib import Path
from types import FunctionType

import numpy as np
import pytest
from hashes import HashedEngine

from rtrbm.biases import Biases
from rtrbm.compute.engine import NUMPY, named
from rtrbm.minibatches.sequences import layout
from rtrbm.models.rtrbm import Recurrent
from rtrbm.past import recurrence
from rtrbm.rbm import ais, chains
from rtrbm.rbm.units import BERNOULLI

numba = pytest.importorskip("numba")
import emulated  # noqa: E402
import test_whole  # noqa: E402
from test_whole import Case, by_numba, differences, random_cases, reference  # noqa: E402

from rtrbm.compute.numba import exponential, hashing, lookups, vectors, whole  # noqa: E402
from rtrbm.compute.numba.vectors import WIDTH  # noqa: E402

EPS = float(np.finfo(np.float32).eps)
with_compiler = pytest.mark.skipif(numba.config.DISABLE_JIT, reason="needs numba's compiler")
without_compiler = pytest.mark.skipif(not numba.config.DISABLE_JIT, reason="runs with NUMBA_DISABLE_JIT=1")
ALL = {name: getattr(module, name) for module in (exponential, hashing, lookups, vectors) for name in vars(module)
       if name in emulated.OPERATIONS}  # fmt: skip


# ------------------------------------------------------------------------------------ one by one


def arithmetic(x, y, z, out):
    a, b, c = load(x, 0), load(y, 0), load(z, 0)  # noqa: F821
    store(out, 0, add(a, b))  # noqa: F821
    store(out, W, subtract(a, b))  # noqa: F821
    store(out, 2 * W, multiply(a, b))  # noqa: F821
    store(out, 3 * W, divide(a, b))  # noqa: F821
    store(out, 4 * W, root(c))  # noqa: F821
    store(out, 5 * W, sign(a))  # noqa: F821
    store(out, 6 * W, where_negative(a, b, c))  # noqa: F821
    store(out, 7 * W, fill(x[2]))  # noqa: F821
    store(out, 8 * W, fill_at(y, 3))  # noqa: F821
    store(out, 9 * W, zeros())  # noqa: F821
    out[10 * W], out[10 * W + 1] = total(a), product(b)  # noqa: F821


def rounded(x, y, z, out):
    a, b, c = load(x, 0), load(y, 0), load(z, 0)  # noqa: F821
    wide()  # noqa: F821
    store(out, 0, multiply_add(a, b, c))  # noqa: F821
    store(out, W, sigmoid(a))  # noqa: F821
    store(out, 2 * W, exponential(b))  # noqa: F821


def parts(x, n, out):
    store(out, 0, load_part(x, 5, n))  # noqa: F821
    store_part(out, W + 3, load(x, 0), n)  # noqa: F821
    store(out, 3 * W, first(load(x, 0), n))  # noqa: F821


def numbers_of_bytes(x, y, words, on, out):
    store(out, 0, uniforms(words, 1, 7))  # noqa: F821
    store(out, W, from_bytes(on, 2))  # noqa: F821
    out[2 * W], out[2 * W + 1] = number_at(words, 0) % 1000, number_at(on, 5)  # noqa: F821
    store_less(on, 1, load(x, 0), load(y, 0))  # noqa: F821
    switch_on(on, W + 1, load(x, 0), words, 0, 3)  # noqa: F821
    switch_mean_on(on, 2 * W + 1, load(y, 0), words, 1, 40)  # noqa: F821


def patterns_of(on, patterns):
    _find_patterns(on, 2, 7, patterns, 1)  # noqa: F821


def looked_up(x, patterns, stride, tables, out):
    a = load(x, 0)  # noqa: F821
    for entry in range(96):
        _store_halves(tables, entry, multiply(a, fill(np.float32(entry))))  # noqa: F821
    store(out, 0, _add_looked_up(a, tables, patterns, 1, 1, 3))  # noqa: F821
    store(out, W, _add_looked_up(a, tables, patterns, 1, stride, 3))  # noqa: F821


def both(function, *arguments):
    """What the arrays are that a function has written to, with the compiler and without; it has no other names."""
    done = []
    for operations, of in ((ALL, numba.njit), (emulated.OPERATIONS, lambda f: f)):
        copies = [a.copy() if isinstance(a, np.ndarray) else a for a in arguments]
        names = operations | {"W": WIDTH, "np": np, "__builtins__": __builtins__}
        with np.errstate(all="ignore"):
            of(FunctionType(function.__code__, names))(*copies)
        done.append([a for a in copies if isinstance(a, np.ndarray)])
    return done


def assert_both(function, *arguments):
    for a, b in zip(*both(function, *arguments), strict=True):
        np.testing.assert_array_equal(a, b)


def rows(n=3, scale=3.0, seed=0):
    return (scale * np.random.default_rng(seed).standard_normal((n, WIDTH))).astype(np.float32)


def unwritten(n):
    return np.full(n * WIDTH, np.nan, np.float32)


@with_compiler
def test_every_operation_is_here():
    source = "".join(path.read_text() for path in Path(vectors.__file__).parent.glob("*.py"))
    assert source.count("@intrinsic") == len(ALL) - 3  # add, subtract, multiply and divide share one
    assert ALL.keys() == emulated.OPERATIONS.keys()


@with_compiler
def test_arithmetic_has_the_same_bits():
    x, y, z = rows()
    assert_both(arithmetic, x, y, abs(z), unwritten(11))
    x[:4], y[:4], z[:4] = [0, -0.0, np.nan, np.inf], [np.inf, 0, 1, np.nan], [np.nan, 1, -1, np.inf]
    assert_both(arithmetic, x, y, z, unwritten(11))


@with_compiler
@pytest.mark.parametrize("n", [-3, 0, 1, 5, WIDTH - 1, WIDTH, WIDTH + 9])
def test_parts_have_the_same_bits(n):
    assert_both(parts, rows(2).reshape(-1), n, unwritten(4))


@with_compiler
@pytest.mark.parametrize("scale", [1, 30, 1e4])
def test_products_and_powers_are_the_same_up_to_rounding(scale):
    x, y, z = rows(scale=scale)
    x[:3] = np.nan, np.inf, -np.inf
    (*_, found), (*_, expected) = both(rounded, x, y, z, unwritten(3))
    size = np.abs(x * y) + np.abs(z)
    with np.errstate(invalid="ignore"):
        near = (np.abs(found - expected)[:WIDTH] <= EPS * size) | ~np.isfinite(size)
    assert near.all() and (np.isfinite(found) == np.isfinite(expected)).all()
    # exp(x) has the rounding of x / log 2
    np.testing.assert_allclose(found[WIDTH:], expected[WIDTH:], rtol=(4 + min(3 * scale, 90)) * EPS)


@with_compiler
def test_random_numbers_and_bytes_have_the_same_bits():
    rng = np.random.default_rng(0)
    words, on = rng.integers(0, 2**32, 6, np.uint32), rng.integers(0, 2, 4 * WIDTH).astype(np.uint8)
    x, y = rows(2, 1.0)
    assert_both(numbers_of_bytes, x, y, words, on, unwritten(3))


@with_compiler
def test_look_ups_have_the_same_bits():
    on, patterns = (np.random.default_rng(0).random(200) < 0.5).astype(np.uint8), np.full(50, 255, np.uint8)
    (_, found), (_, expected) = both(patterns_of, on, patterns)
    np.testing.assert_array_equal(found, expected)
    assert len(np.unique(found[1:33])) > 10 and (found[33:] == 255).all()
    assert_both(looked_up, rows()[0], expected, 2, np.zeros(96 * WIDTH, np.float32), unwritten(2))


# ------------------------------------------------------------------------------------ all of it


@with_compiler
def test_all_of_it_without_the_compiler():
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", __file__]
    root = Path(__file__).parents[1]
    done = subprocess.run(
        command, cwd=root, env=os.environ | {"NUMBA_DISABLE_JIT": "1"}, capture_output=True, text=True
    )
    assert done.returncode == 0 and " passed" in done.stdout, done.stdout + done.stderr


@without_compiler
def test_an_index_outside_of_an_array_is_seen():
    """Control: compiled code would read and write what lies behind."""
    a = np.zeros(WIDTH, np.float32)
    vectors.store(a, 0, vectors.load(a, 0))
    for i in (-1, 1):
        with pytest.raises(AssertionError):
            vectors.load(a, i)
        with pytest.raises(AssertionError):
            vectors.store(a, i, vectors.zeros())
    with pytest.raises(AssertionError):
        vectors.load(a.astype(float), 0)


TAPS = Recurrent(2, dynamic_visible_bias=True)
CHUNKS = [Case(n_visible=5 * n, n_hidden=3, lengths=(3, 2)) for n in lookups.CHUNKS]
EDGES = [
    Case(n_visible=1, n_hidden=1, lengths=(1,)),
    Case(TAPS, n_visible=6, n_hidden=1, lengths=(1, 1, 2)),
    Case(Recurrent(2), frames="dense grey", n_visible=5, n_hidden=WIDTH + 3, lengths=(1, 1)),
    Case(TAPS, n_visible=2 * WIDTH + 2, n_hidden=WIDTH + 2, lengths=(4, 3), n_warm=1),
    Case(k=2, n_visible=3, n_hidden=4, lengths=(50,)),
]
CASES = [*random_cases(3, (12, 12, 6))[::3], *CHUNKS, *EDGES]


@without_compiler
@pytest.mark.parametrize("case", CASES, ids=[f"{i}-{case}" for i, case in enumerate(CASES)])
@pytest.mark.parametrize("n_jobs", [None, 2])
def test_updates(case, n_jobs, monkeypatch):
    """As by numpy in double precision; on two threads the rows of a chain are shared too."""
    for name in ("TASKS", "LARGE", "PARTS"):
        monkeypatch.setattr(whole, name, 0)
    monkeypatch.setattr(test_whole.spectral, "inverse_root", lambda M: np.eye(min(M.shape), dtype=M.dtype))
    seed, expected = reference(case)
    assert differences(by_numba(case, seed, n_jobs), expected) == set()


def small_rbm(n_rows, n_visible, n_hidden):
    """W, biases for every row, and states, in single precision."""
    rng = np.random.default_rng(0)
    shapes = [(n_visible, n_hidden), (n_rows, n_visible), (n_rows, n_hidden)]
    W, b_v, b_h = (rng.standard_normal(shape).astype(np.float32) for shape in shapes)
    return W, b_v, b_h, (rng.random((n_rows, n_visible)) < 0.5).astype(np.float32)


def by_both(function):
    """A function of an engine, with it and with numpy in the same precision, which draws the same numbers."""
    return [function(engine) for engine in (named("numba"), HashedEngine())]


def assert_same(found, expected):
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=2e-5)


@without_compiler
@pytest.mark.parametrize("own_biases", [True, False])
@pytest.mark.parametrize("sample_visible", [True, False])
@pytest.mark.parametrize("n_visible, n_hidden", [(3, 4), (WIDTH + 2, 5)])
def test_chains(n_visible, n_hidden, sample_visible, own_biases):
    W, b_v, b_h, v = small_rbm(5, n_visible, n_hidden)
    biases = Biases(b_v, b_h) if own_biases else Biases(b_v[0], b_h[0])

    def ends(engine):
        cut, h = chains.Draw(0, "chain").chains_of_rows(5, engine), np.full((5, n_hidden), 0.4, np.float32)
        found = chains.reconstruct(h, W, biases, 2, BERNOULLI, cut, engine, sample_visible)
        for start, held in ((v, None), (v, v > 0.5), (v / 3, v > 0.5), (v / 3, None)):
            cut = chains.Draw(0, "chain").chains_of_rows(5, engine)
            count = None if held is None else int
            found += chains.average_visible(start, W, biases, 2, 2, BERNOULLI, cut, engine, held, count)
        return found

    assert_same(*by_both(ends))


@without_compiler
@pytest.mark.parametrize("n_visible, n_hidden", [(3, 4), (WIDTH + 2, 31 * WIDTH)])
def test_annealing(n_visible, n_hidden):
    W, b_v, b_h, v = small_rbm(3, n_visible, n_hidden)
    W /= np.float32(np.sqrt(n_hidden))
    path, betas = ais.Path(b_v / 2, b_v / 2, b_h / 2, b_h / 2), np.linspace(0, 1, 3)

    def weights(engine):
        found = []
        for these, start in ((betas, None), (betas[::-1], np.repeat(v, 2, axis=0))):
            draw = chains.Draw(0, "ais")
            found += ais.log_weights(W, path, BERNOULLI, these, 2, np.arange(3), draw, engine, start)
        return found

    assert_same(*by_both(weights))


@without_compiler
@pytest.mark.parametrize("activation", ["sigmoid", "tanh"])
@pytest.mark.parametrize("m", [1, 2])
def test_recurrences(m, activation):
    rng, where = np.random.default_rng(0), layout([4, 2, 4, 1, 4])
    x, U, b_init = (rng.standard_normal(shape).astype(np.float32) for shape in ((15, 6), (m, 6, 6), (m, 6)))

    def passes(engine):
        s, bias = recurrence.forward(x, where, U, b_init[0], b_init, engine, activation)
        both = recurrence.backward(s, where, U, x, x, engine, activation)
        return [s, bias, *both, *recurrence.backward(s, where, U, None, x, engine, activation)[:1]]

    assert_same(passes(named("numba")), passes(NUMPY))


@without_compiler
@pytest.mark.parametrize("n_rows, n_in, n_out", [(64, 3, 5), (70, 21, WIDTH + 1)])
def test_products(n_rows, n_in, n_out):
    rng, engine = np.random.default_rng(0), named("numba")
    W, states = rng.standard_normal((n_in, n_out)).astype(np.float32), rng.random((n_rows, n_in)) < 0.5
    for a in (states, states / 2, states[:5]):
        a = a.astype(np.float32)
        assert_same([engine.product(a, W), engine.product(np.asfortranarray(a), W)], [a @ W] * 2)


@without_compiler
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_noise(dtype):
    """Of hashes in single precision, as numpy has it in hashes.py; else of numpy's streams."""
    where, engine = layout([5, 3, 1]), named("numba")
    (these, noise), *_ = chains.Draw(0, "chain").chains(where, engine)
    (_, other), *_ = chains.Draw(0, "chain").chains(where, HashedEngine() if dtype == "float32" else NUMPY)
    shape, found = (len(these), 7), []
    for each in (noise, other):
        u, on, sampled, scratch = np.empty((4, *shape), dtype)
        each.uniform(u)
        on[:] = 0.4
        each.switch_on(on, scratch)
        each.sample(np.ones((len(these), 3), dtype), np.full((3, 7), 0.1, dtype), np.zeros(7, dtype), sampled, scratch)
        found.append([u, on, sampled])
    assert_same(*found)
    drawn, counts = np.full((2, *shape), 3.5, dtype)
    noise.normal(drawn)
    noise.poisson(counts)
    assert (drawn != 3.5).all() and (counts == np.round(counts)).all() and len(np.unique(counts)) > 1


@without_compiler
@pytest.mark.parametrize("optimizer", ["adam", "momentum"])
def test_steps_of_optimizers_alone(optimizer):
    g, total, square = (row.copy() for row in np.abs(rows()))
    settings, found = (0.9, 0.99, 1e-3, 0.1), []
    for engine in (named("numba"), NUMPY):
        results = [g.copy(), np.empty_like(g), np.empty_like(g)]
        engine.adam_block(results[0], total, square, *results[1:], *settings)
        found.append(results)
    assert_same(*found)
