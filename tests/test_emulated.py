"""Vector operations of compiled code against those in numpy (emulated.py); its loops without the compiler."""

# flake8: noqa: F821

import inspect
import os
import subprocess
import sys
from pathlib import Path
from types import FunctionType

import numpy as np
import pytest

numba = pytest.importorskip("numba")
import emulated  # noqa: E402

from rtrbm.compute.numba import exponential, hashing, lookups, vectors  # noqa: E402
from rtrbm.compute.numba.vectors import WIDTH  # noqa: E402

BESIDE = Path(__file__).parent
EPS = float(np.finfo(np.float32).eps)
ALL = {name: getattr(module, name) for module in (exponential, hashing, lookups, vectors) for name in vars(module)
       if name in emulated.OPERATIONS}  # fmt: skip


def arithmetic(x, y, z, out):
    a, b, c = load(x, 0), load(y, 0), load(z, 0)
    store(out, 0, add(a, b))
    store(out, W, subtract(a, b))
    store(out, 2 * W, multiply(a, b))
    store(out, 3 * W, divide(a, b))
    store(out, 4 * W, root(c))
    store(out, 5 * W, sign(a))
    store(out, 6 * W, where_negative(a, b, c))
    store(out, 7 * W, fill(x[2]))
    store(out, 8 * W, fill_at(y, 3))
    store(out, 9 * W, zeros())
    out[10 * W], out[10 * W + 1] = total(a), product(b)


def rounded(x, y, z, out):
    a, b, c = load(x, 0), load(y, 0), load(z, 0)
    wide()
    store(out, 0, multiply_add(a, b, c))
    store(out, W, sigmoid(a))
    store(out, 2 * W, exponential(b))


def parts(x, n, out):
    store(out, 0, load_part(x, 5, n))
    store_part(out, W + 3, load(x, 0), n)
    store(out, 3 * W, first(load(x, 0), n))


def few_at_a_time(x, step_to, step, out):
    copy_few(out, 3, x, 5)
    transpose_few(out, 11, step_to, x, 1, step)


def numbers_of_bytes(x, y, words, on, out):
    store(out, 0, uniforms(words, 1, 7))
    store(out, W, from_bytes(on, 2))
    out[2 * W], out[2 * W + 1] = number_at(words, 0) % 1000, number_at(on, 5)
    beyond = where_beyond(load(x, 0), np.float32(0.5))
    out[2 * W + 2], out[2 * W + 3], out[2 * W + 4] = beyond % 1024, lowest(beyond), lowest(beyond & (beyond - 1))
    store_less(on, 1, load(x, 0), load(y, 0))
    switch_on(on, W + 1, load(x, 0), words, 0, 3)
    switch_mean_on(on, 2 * W + 1, load(y, 0), words, 1, 40)


def patterns_of(on, patterns):
    _find_patterns(on, 2, 7, patterns, 1)


def looked_up(x, patterns, stride, tables, out):
    a = load(x, 0)
    for entry in range(96):
        _store_halves(tables, entry, multiply(a, fill(np.float32(entry))))
    store(out, 0, _add_looked_up(a, tables, patterns, 1, 1, 3))
    store(out, W, _add_looked_up(a, tables, patterns, 1, stride, 3))


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


def test_every_operation_is_here():
    source = "".join(path.read_text() for path in Path(vectors.__file__).parent.glob("*.py"))
    assert source.count("@intrinsic") == len(ALL) - 3 + len(emulated.SHARING)  # four of arithmetic share one
    assert ALL.keys() == emulated.OPERATIONS.keys()
    assert all(f"@intrinsic\ndef {name}(" in source.replace("    ", "") for name in emulated.SHARING)


def test_arrays_of_another_type_are_refused_by_what_takes_arrays():
    wrong, takers = numba.typeof(np.zeros(WIDTH)), set()
    for name, operation in ALL.items():
        names = list(inspect.signature(operation.__wrapped__).parameters)[1:]
        if {"array", "on", "words", "tables"} & set(names):
            takers.add(name)
            assert operation.__wrapped__(None, *[wrong] * len(names)) is None
    assert len(takers) == 17


@pytest.mark.parametrize("features, name, width", [("+avx512f", None, 32), ("+avx2", None, 16), (None, "generic", 16)])
def test_registers_of_a_processor(features, name, width, monkeypatch):
    monkeypatch.setattr(numba.config, "CPU_FEATURES", features)
    monkeypatch.setattr(numba.config, "CPU_NAME", name)
    assert vectors._registers() == width


def test_arithmetic_has_the_same_bits():
    x, y, z = rows()
    assert_both(arithmetic, x, y, abs(z), unwritten(11))
    x[:4], y[:4], z[:4] = [0, -0.0, np.nan, np.inf], [np.inf, 0, 1, np.nan], [np.nan, 1, -1, np.inf]
    assert_both(arithmetic, x, y, z, unwritten(11))


@pytest.mark.parametrize("n", [-3, 0, 1, 5, WIDTH - 1, WIDTH, WIDTH + 9])
def test_parts_have_the_same_bits(n):
    assert_both(parts, rows(2).reshape(-1), n, unwritten(4))


def written_past(x, out):
    store_past(out, W, load(x, 1))
    wait_for_stores()


def test_what_is_written_past_the_cache_has_the_same_bits():
    x, out = rows(2).reshape(-1), [vectors.aligned(3 * WIDTH) for _ in range(2)]
    for operations, of, found in (ALL, numba.njit, out[0]), (emulated.OPERATIONS, lambda f: f, out[1]):
        found[:] = 7
        of(FunctionType(written_past.__code__, operations | {"W": WIDTH}))(x, found)
        np.testing.assert_array_equal(found[WIDTH : 2 * WIDTH], x[1 : WIDTH + 1])
        assert (found[:WIDTH] == 7).all() and (found[2 * WIDTH :] == 7).all()
    with pytest.raises(AssertionError, match="no line"):
        emulated.store_past(out[1], 1, x[:WIDTH])


@pytest.mark.parametrize("step_to, step", [(8, 8), (9, 13), (8, 0), (32, 11)])
def test_few_numbers_have_the_same_bits(step_to, step):
    x, out = rows(12).reshape(-1), unwritten(20)
    assert_both(few_at_a_time, x, step_to, step, out)
    found = both(few_at_a_time, x, step_to, step, out)[0][-1]
    i, j = np.indices((8, 8))
    np.testing.assert_array_equal(found[11 + j * step_to + i], x[1 + i * step + j])
    np.testing.assert_array_equal(found[3:11], x[5:13])


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


def test_random_numbers_and_bytes_have_the_same_bits():
    rng = np.random.default_rng(0)
    words, on = rng.integers(0, 2**32, 6, np.uint32), rng.integers(0, 2, 4 * WIDTH).astype(np.uint8)
    x, y = rows(2, 1.0)
    assert_both(numbers_of_bytes, x, y, words, on, unwritten(3))


def test_look_ups_have_the_same_bits():
    on, patterns = (np.random.default_rng(0).random(200) < 0.5).astype(np.uint8), np.full(50, 255, np.uint8)
    (_, found), (_, expected) = both(patterns_of, on, patterns)
    np.testing.assert_array_equal(found, expected)
    assert len(np.unique(found[1:33])) > 10 and (found[33:] == 255).all()
    assert_both(looked_up, rows()[0], expected, 2, np.zeros(96 * WIDTH, np.float32), unwritten(2))


def test_all_of_it_without_the_compiler():
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(BESIDE / "without_compiler.py")]
    done = subprocess.run(
        command, cwd=BESIDE.parent, env=os.environ | {"NUMBA_DISABLE_JIT": "1"}, capture_output=True, text=True
    )
    assert done.returncode == 0 and " passed" in done.stdout, done.stdout + done.stderr
