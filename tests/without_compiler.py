"""Compiled loops as plain Python, at tiny sizes, against numpy; an index outside of an array fails here.

test_emulated.py runs this file in a process with NUMBA_DISABLE_JIT=1, where emulated.py has the vector operations.
"""

import numba
import numpy as np
import pytest
import test_whole
from hashes import HashedEngine
from test_whole import OPTIMIZERS, Case, by_numba, differences, random_cases, reference

from rtrbm.biases import Biases
from rtrbm.compute.engine import NUMPY, named
from rtrbm.compute.numba import dense, lookups, room, step, vectors, whole
from rtrbm.compute.numba.vectors import WIDTH
from rtrbm.minibatches.sequences import layout
from rtrbm.models.rtrbm import Recurrent
from rtrbm.past import recurrence
from rtrbm.rbm import ais, chains
from rtrbm.rbm.units import BERNOULLI

if not numba.config.DISABLE_JIT:
    pytest.skip("test_emulated.py runs it without the compiler", allow_module_level=True)


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
    Case(TAPS, n_visible=WIDTH + 2, n_hidden=WIDTH + 2, lengths=(3, 2), n_warm=1),
    Case(k=2, n_visible=3, n_hidden=4, lengths=(50,)),
]
CASES = [*random_cases(3, (12, 12, 6))[::3], *CHUNKS, *EDGES]


@pytest.mark.parametrize("case", CASES, ids=[f"{i}-{case}" for i, case in enumerate(CASES)])
@pytest.mark.parametrize("n_jobs", [None, 2])
def test_updates(case, n_jobs, monkeypatch):
    """As by numpy in double precision; on two threads the rows of a chain are shared too."""
    for name in ("TASKS", "LARGE"):
        monkeypatch.setattr(whole, name, 0)
    monkeypatch.setattr(test_whole.spectral, "inverse_root", lambda M: np.eye(min(M.shape), dtype=M.dtype))
    seed, expected = reference(case)
    assert differences(by_numba(case, seed, n_jobs), expected) == set()


@pytest.mark.parametrize("lengths", [(3, 3, 2, 2, 2, 2), (3,) * 8])
@pytest.mark.parametrize("n_blocks", [1, 2, 3, 4])
@pytest.mark.parametrize("has_registers", [False, True])
def test_four_rows_meet_one_or_two_blocks_of_columns(has_registers, n_blocks, lengths, monkeypatch):
    monkeypatch.setattr(dense, "HAS_REGISTERS", has_registers)
    case = Case(n_visible=3, n_hidden=WIDTH * n_blocks - 3, lengths=lengths)
    seed, expected = reference(case)
    assert differences(by_numba(case, seed), expected) == set()


@pytest.mark.parametrize("optimizer", list(OPTIMIZERS))
def test_parameters_that_no_cache_holds(optimizer, monkeypatch):
    """Rows that begin a line of the cache are written past it, and one sequence reads U as it lies."""
    monkeypatch.setattr(step, "BEYOND", 0)
    monkeypatch.setattr(room, "CACHED", 0)
    monkeypatch.setattr(test_whole.spectral, "inverse_root", lambda M: np.eye(min(M.shape), dtype=M.dtype))
    written, write = [], step.store_past
    monkeypatch.setattr(step, "store_past", lambda *given: written.append(given) or write(*given))
    case = Case(n_visible=3, n_hidden=WIDTH + 16, lengths=(4,), optimizer=optimizer)
    seed, expected = reference(case)
    assert differences(by_numba(case, seed), expected) == set() and written


def test_a_matrix_of_several_slices(monkeypatch):
    """Each takes a few rows of it."""
    monkeypatch.setattr(whole, "SLICE", 24)
    whole._laid.cache_clear()
    whole.prepared.cache_clear()
    case = Case(TAPS, n_visible=7, n_hidden=9, lengths=(3, 2), max_norm=0.1)
    seed, expected = reference(case)
    found = by_numba(case, seed)
    assert len(whole.prepared(TAPS.form, 1, True, 7, 9).slices) > 20
    whole._laid.cache_clear()
    whole.prepared.cache_clear()
    assert differences(found, expected) == set()


def test_sums_of_ranks():
    """Those of all tiles in one row; a rank without sequences has none of another size."""
    kernel = whole.prepared(TAPS.form, 1, True, 5, 4)
    sums = np.random.default_rng(0).standard_normal((3, kernel.at.rest + WIDTH)).astype(np.float32)
    expected = sums.sum(axis=0)[: kernel.at.rest + 2]
    np.testing.assert_allclose(kernel.added(sums), expected, atol=1e-6)
    assert kernel.nothing().shape == expected.shape


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


@pytest.mark.parametrize("n_visible, n_hidden", [(3, 4), (WIDTH + 2, WIDTH + 3)])
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


@pytest.mark.parametrize("n_rows, n_in, n_out", [(64, 3, 5), (70, 21, WIDTH + 1)])
def test_products(n_rows, n_in, n_out):
    rng, engine = np.random.default_rng(0), named("numba")
    W, states = rng.standard_normal((n_in, n_out)).astype(np.float32), rng.random((n_rows, n_in)) < 0.5
    for a in (states, states / 2, states[:5]):
        a = a.astype(np.float32)
        layouts = a, np.asfortranarray(a), np.repeat(a, 2, axis=1)[:, ::2]
        assert_same([engine.product(each, W) for each in layouts], [a @ W] * 3)


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


@pytest.mark.parametrize("optimizer", ["adam", "momentum"])
def test_steps_of_optimizers_alone(optimizer):
    g, total, square = (
        row.copy() for row in np.abs(np.random.default_rng(0).standard_normal((3, 40))).astype(np.float32)
    )
    settings, found = (0.9, 0.99, 1e-3, 0.1), []
    for engine in (named("numba"), NUMPY):
        results = [g.copy(), np.empty_like(g), np.empty_like(g)]
        engine.adam_block(results[0], total, square, *results[1:], *settings)
        found.append(results)
    assert_same(*found)
