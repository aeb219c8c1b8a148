"""A whole update in compiled calls, against the same update step by step by numpy in double precision.

Both draw the same random numbers (hashes.py). A unit flips if its probability lies so near to its random number that
single precision decides otherwise. That changes sums over n frames by some 1 / n, a thousand times as much as rounding
does. So the seed of a case is the first one in which no unit is so near (`reference`): a rule that numpy alone applies.
"""

import copy
import itertools
import pickle
import threading
from types import SimpleNamespace
from typing import NamedTuple

import numpy as np
import pytest
from hashes import HashedEngine, HashedNoise
from helpers import random_params, random_taps, state

from rtrbm import CRBM, LSTMRBM, RBM, RNNRBM, RTRBM, SRTRBM, TRBM
from rtrbm.compute.engine import named
from rtrbm.gradient import Model
from rtrbm.minibatches.sequences import pack, unpack
from rtrbm.minibatches.windows import Example
from rtrbm.models.rtrbm import Recurrent
from rtrbm.parameters import arrays, each
from rtrbm.rbm.chains import Draw
from rtrbm.rbm.negative import CD, Exact
from rtrbm.rbm.units import BERNOULLI, Bernoulli
from rtrbm.training import loop, optimizers, ranks, spectral, whole
from rtrbm.training.penalties import Penalties
from rtrbm.training.state import HISTORY, Training

pytest.importorskip("numba")
from rtrbm.compute.numba import whole as kernels  # noqa: E402
from numba import typeof  # noqa: E402
from rtrbm.compute.numba.board import _do_all, new_board  # noqa: E402
from rtrbm.compute.numba.compiled import compiled  # noqa: E402
from rtrbm.compute.numba.room import ROWS, Packed, new_packed, new_room  # noqa: E402
from rtrbm.compute.numba import spare, step  # noqa: E402
from rtrbm.compute.numba import tile  # noqa: E402

EPS = np.finfo(np.float32).eps
# Derivatives per frame are means of products of numbers of order 1, rounded a few dozen times on their way through
# products, recurrence and centring. Parameters follow them one to one (`OPTIMIZERS`).
ROUNDING = 50 * EPS
# A bias follows the steps of up to 200 weights where these are centred.
FOLLOWING = 4 * ROUNDING
# The norm and the error are sums over all parameters, or over all pixels, in single precision.
SUMS = 100 * EPS
# An input is a sum of up to 200 terms of order 0.1: rounding moves it by some 4e-7, and the probability by a quarter of
# that. Random numbers nearer than this to their probabilities are too near.
NEAR = 2e-6
RATE = 0.01

# Epsilon is as large as the rate: a step changes no more than the derivative does, also where that is near 0.
OPTIMIZERS = {
    "adam": lambda engine, **more: optimizers.adam(**dict(epsilon=RATE, engine=engine) | more),
    "momentum": lambda engine, **more: optimizers.momentum(**more),
    "spectral": lambda engine, **more: spectral.spectral(**dict(epsilon=RATE, engine=engine) | more),
}


@pytest.fixture(autouse=True)
def types_are_those_compiled_for(monkeypatch):
    """Compiled calls do not look at the types of what they are given."""

    def looking(made):
        call, address = made

        def look_and_call(board, aside, job):
            kinds = typeof(1), typeof(board), typeof(aside), typeof(job)
            assert kinds in _do_all.overloads, f"no compiled call takes {kinds}"
            call(board, aside, job)

        return lambda: (look_and_call, address)

    monkeypatch.setattr(tile, "call_of_sums", looking(tile.call_of_sums()))
    monkeypatch.setattr(step, "call_of_climb", looking(step.call_of_climb()))


@pytest.fixture(autouse=True)
def continuous(monkeypatch):
    """The root depends on what rounding leaves of M: test_spectral.py has it, here the identity is in its place."""
    monkeypatch.setattr(spectral, "inverse_root", lambda M: np.eye(min(M.shape), dtype=M.dtype))


SETTINGS = {
    "past": [
        Recurrent(),
        Recurrent(bptt=False),
        Recurrent(1),
        Recurrent(2),
        Recurrent(0, dynamic_visible_bias=True),
        Recurrent(2, dynamic_visible_bias=True),
        Recurrent(1, dynamic_visible_bias=True, bptt=False),
    ],
    "frames": ["sparse binary", "dense binary", "sparse grey", "dense grey"],
    "n_sequences": [1, 2, 3, 4, 5, 8, 9],
    "ragged": [True, False],
    "n_warm": [None, 2, "ragged"],
    "k": [1, 2, 3],
    "sample_visible": [True, False],
    "centering": [True, False, "visible"],
    "optimizer": list(OPTIMIZERS),
    "max_norm": [None, 0.1, 1000.0],  # not there, in force, not in force
    "penalties": [
        Penalties(),
        Penalties(weight_decay=0.02),
        Penalties(l1=0.003),
        Penalties(sparsity_cost=0.1),
        Penalties(0.02, 0.003, 0.2, 0.3),
    ],
}


class Case(NamedTuple):
    """An update: sizes, data and settings."""

    past: Recurrent = Recurrent()
    frames: str = "sparse binary"
    n_warm: int | str | None = None
    k: int = 1
    sample_visible: bool = True
    centering: bool | str = True
    optimizer: str = "adam"
    max_norm: float | None = None
    penalties: Penalties = Penalties()
    n_visible: int = 37
    n_hidden: int = 21
    lengths: tuple = (9, 4, 12, 7, 7)
    first: int = 0  # the number of the first sequence
    rates: dict = {}  # settings of the optimiser

    def __str__(self):
        return f"{self.n_visible}x{self.n_hidden}-{self.lengths}"


def random_cases(seed, largest=(200, 200, 70)):
    """Cases in which every value of a setting meets every value of every other; units and frames are random."""
    rng, cases, names = np.random.default_rng(seed), [], list(SETTINGS)
    left = set(pairs([range(len(values)) for values in SETTINGS.values()]))
    while left:
        drawn = [[int(rng.integers(len(values))) for values in SETTINGS.values()] for _ in range(100)]
        best = max(drawn, key=lambda chosen: len(left & set(pairs([[i] for i in chosen]))))
        left -= set(pairs([[i] for i in best]))
        chosen = {name: SETTINGS[name][i] for name, i in zip(names, best)}
        n_sequences, ragged = chosen.pop("n_sequences"), chosen.pop("ragged")
        n_visible, n_hidden, longest = (int(np.exp(rng.uniform(0, np.log(most + 0.999)))) for most in largest)
        lengths = rng.integers(1, longest + 1, n_sequences) if ragged else [longest] * n_sequences
        cases.append(Case(**chosen, n_visible=n_visible, n_hidden=n_hidden, lengths=tuple(map(int, lengths))))
    return cases


def pairs(values):
    """Pairs of values of two settings, each with its setting."""
    for (i, a), (j, b) in itertools.combinations(enumerate(values), 2):
        yield from (((i, x), (j, y)) for x in a for y in b)


EDGES = [
    Case(n_visible=1, n_hidden=1, lengths=(1,)),
    Case(Recurrent(2, dynamic_visible_bias=True), n_visible=200, n_hidden=1, lengths=(1, 1, 2)),  # taps meet no frame
    Case(Recurrent(2), frames="dense grey", n_visible=5, n_hidden=4, lengths=(1, 1)),
    Case(n_visible=200, n_hidden=200, lengths=(70,) * 9, n_warm="ragged"),
    Case(Recurrent(1, dynamic_visible_bias=True), n_visible=270, n_hidden=290, lengths=(3, 2)),  # slices of matrices
    Case(Recurrent(1), n_visible=8, n_hidden=9, lengths=(2 * ROWS + 31, 5)),  # more rows than run together
    Case(k=2, n_visible=8, n_hidden=9, lengths=(2 * ROWS + 31,)),  # and more than two threads' in one sequence
    Case(n_visible=40, n_hidden=370, lengths=(5,)),  # one sequence whose steps threads share
    Case(Recurrent(1, dynamic_visible_bias=True), n_visible=9, n_hidden=520, lengths=(4, 3, 3, 2, 2, 2, 1, 1)),
    Case(n_visible=40, n_hidden=530, lengths=(4,) * 9, n_warm="ragged", frames="dense grey"),  # tiles that share theirs
    Case(n_visible=40, n_hidden=520, lengths=(5, 5, 4, 3, 1), max_norm=1e-3, k=2),  # and add their sums of matrices
    Case(n_visible=20, n_hidden=515, lengths=(3,) * 5, sample_visible=False),  # but not these
    Case(n_visible=130, n_hidden=140, lengths=(50,), k=3),  # one sequence of which threads share columns of half-steps
    Case(n_visible=120, n_hidden=120, lengths=(ROWS + 40,), k=2, sample_visible=False),  # and more rows than a tile's
    *(Case(n_visible=9, n_hidden=1460, lengths=(3, 2), optimizer=name) for name in OPTIMIZERS),  # beyond any cache
    Case(n_visible=9, n_hidden=530, lengths=(6,)),  # one sequence that reads a large U as it lies
    Case(Recurrent(1, dynamic_visible_bias=True), n_visible=9, n_hidden=545, lengths=(7,), n_warm="ragged"),
]
CASES = random_cases(0) + random_cases(1) + random_cases(2) + EDGES
any_case = pytest.mark.parametrize("case", CASES, ids=[f"{i}-{case}" for i, case in enumerate(CASES)])
SOME = CASES[: -len(EDGES) : 9] + EDGES[-16:]
some_cases = pytest.mark.parametrize("case", SOME, ids=str)


def sequences_of(case, seed=0):
    """Frames of the case's kind."""
    rng, (density, kind) = np.random.default_rng((1, seed)), case.frames.split()

    def values(shape):
        return rng.random(shape) if kind == "grey" else np.ones(shape)

    share = 0.2 if density == "sparse" else 0.7
    shapes = [(n, case.n_visible) for n in case.lengths]
    return [np.where(rng.random(shape) < share, values(shape), 0).astype(np.float32) for shape in shapes]


def minibatch_of(case, seed, dtype):
    """The minibatch as one part."""
    v, where = pack(sequences_of(case, seed))
    if case.n_warm is not None:
        warm = case.n_warm if case.n_warm != "ragged" else np.arange(len(case.lengths)) % 3
        where = where._replace(n_warm=np.minimum(warm, where.lengths - 1))
    return [loop.Part(v.astype(dtype), where, case.first)]


def rule_of(case, engine, comm=None):
    optimizer, phase = OPTIMIZERS[case.optimizer](engine, **case.rates), CD(case.k, case.sample_visible)
    return loop.Rule(
        Model(case.past, BERNOULLI), lambda update: phase, optimizer, RATE, case.centering, case.max_norm, engine, comm,
        case.penalties,
    )  # fmt: skip


def training_of(case, rule, seed, dtype):
    """A training before its sixth update, with parameters of the size that training ends with."""
    scale = 0.7 / np.sqrt(max(case.n_visible, case.n_hidden, 4) / 4)
    params = random_taps(case.past, case.n_visible, case.n_hidden, scale, (2, seed))
    params = each(lambda p: p.astype(np.float32).astype(dtype), params)
    return Training(params, rule.optimizer.init(params), None, 5, 3, {name: [0.0] * 5 for name in HISTORY})


def trained(case, seed, engine, dtype=np.float32, n_updates=2, training=None):
    """The trainings after each of some updates."""
    rule, made = rule_of(case, engine), []
    training = training or training_of(case, rule, seed, dtype)
    parts = minibatch_of(case, seed, dtype)
    for _ in range(n_updates):
        training, seen = loop.update(rule, training, parts, RATE)
        made.append(training)
        warm = parts[0].where.n_warm
        assert seen.n_frames == sum(case.lengths) - (0 if warm is None else warm.sum())
    return made


def by_numba(case, seed, n_jobs=None, **more):
    return trained(case, seed, named("numba", n_jobs), **more)


class TooNear(Exception):
    """A random number lies so near to its probability that rounding may decide."""


class WatchedNoise(HashedNoise):
    """Random numbers of which none is too near."""

    def sample(self, states, half_W, half_bias, out, scratch):
        below = np.tanh(states @ half_W + half_bias)
        super().sample(states, half_W, half_bias, out, scratch)
        self._check(below, scratch)

    def switch_on(self, p, scratch):
        below = 2 * p - 1
        super().switch_on(p, scratch)
        self._check(below, scratch)

    def _check(self, below, drawn):
        if np.abs(drawn - below).min() < 2 * NEAR:
            raise TooNear


class FlippedNoise(HashedNoise):
    """One unit of every visible or hidden sample, the first of the first row, is another than it should be."""

    def sample(self, states, half_W, half_bias, out, scratch):
        super().sample(states, half_W, half_bias, out, scratch)
        out[0, 0] = 1 - out[0, 0]


class WatchedEngine(HashedEngine):
    noise = WatchedNoise


class FlippedEngine(HashedEngine):
    noise = FlippedNoise


_references = {}


def reference(case):
    """The first seed in which no unit is too near, and numpy's trainings with it."""
    if repr(case) not in _references:
        for seed in range(30):
            try:
                _references[repr(case)] = seed, trained(case, seed, WatchedEngine(), np.float64)
                break
            except TooNear:
                pass
    return _references[repr(case)]


def numbers(training):
    """All results of an update by name: parameters and the optimiser's arrays; and error and norm of the gradient."""
    found = {f"params.{name}": a for name, a in training.params._asdict().items() if a is not None}
    for field, part in training.optimizer._asdict().items():
        part = part._asdict() if isinstance(part, tuple) else {"": part}
        found |= {f"{field}.{name}": a for name, a in part.items() if a is not None}
    measured = {name: training.history[name][training.n_updates - 1] for name in HISTORY}
    return found, measured


def differences(found, expected):
    """The results of some updates that differ by more than rounding."""
    names = set()
    for n, pair in enumerate(zip(found, expected, strict=True), 1):
        (a, measured_a), (b, measured_b) = map(numbers, pair)
        assert a.keys() == b.keys()
        for name in a:
            assert a[name].shape == b[name].shape
            bound = (FOLLOWING if name.startswith("params.b") else ROUNDING) * max(1, np.abs(b[name]).max(initial=0))
            if not np.abs(a[name] - b[name]).max(initial=0) <= bound:
                names.add(f"{name} of update {n}")
        for name, value in measured_b.items():
            if not abs(measured_a[name] - value) <= SUMS * max(1, abs(value)):
                names.add(f"{name} of update {n}")
    return names


def bits(trainings):
    """All results as bytes."""
    found = []
    for training in trainings:
        results, measured = numbers(training)
        found.append(({name: a.tobytes() for name, a in results.items()}, measured))
    return found


def in_a_fresh_thread(function):
    """Its result, from buffers that no update has used before."""
    found = []
    thread = threading.Thread(target=lambda: found.append(function()))
    thread.start()
    thread.join()
    return found[0]


# ------------------------------------------------------------------------------------ the whole update


# Where all derivatives of a tap cancel to 0 exactly, numpy does not centre them, and numba may: it looks at tiles
# (`rtrbm.training.centering.centre_gradient`). With one binary visible unit that happens, with none of these seeds.
@any_case
def test_a_whole_update_is_that_of_numpy_in_double_precision(case):
    seed, expected = reference(case)
    rule = rule_of(case, named("numba"))
    training = training_of(case, rule, seed, np.float32)
    assert whole.of(rule, training.params, rule.negative(0), minibatch_of(case, seed, np.float32)) is not None
    assert differences(by_numba(case, seed), expected) == set()


def test_the_cases_are_what_they_are_for():
    sizes = {size for case in CASES for size in (case.n_visible, case.n_hidden)}
    assert len(sizes) > 30 and {1, 200} <= sizes
    assert len({len(case.lengths) for case in CASES}) == 7 and max(max(case.lengths) for case in CASES) > 2 * ROWS
    assert max(reference(case)[0] for case in CASES) < 29


def test_numpy_in_single_precision_draws_the_same():
    """So it is the same chain, but for rounding."""
    case = Case()
    seed, expected = reference(case)
    assert differences(trained(case, seed, HashedEngine()), expected) == set()


@pytest.mark.parametrize("k, sample_visible", [(1, True), (3, True), (2, False)])
def test_a_single_unit_that_flips_shows(k, sample_visible):
    """Control: in two of 630 rows of 200 units, those that come first in a tile."""
    case = Case(k=k, sample_visible=sample_visible, n_visible=200, n_hidden=200, lengths=(70,) * 9, centering=False)
    right, flipped = (trained(case, 0, engine, np.float64, 1) for engine in (HashedEngine(), FlippedEngine()))
    assert {"gradient.W of update 1", "gradient.U of update 1"} <= differences(flipped, right)


ELSE = {
    "past": Recurrent(2, dynamic_visible_bias=True, bptt=False),
    "n_warm": 1,
    "k": 3,
    "sample_visible": False,
    "centering": "visible",
    "max_norm": 0.4,
    "penalties": Penalties(0.021, 0.003, 0.2, 0.3),
    "l1": Penalties(0.02, 0.0031, 0.2, 0.3),
    "sparsity_cost": Penalties(0.02, 0.003, 0.21, 0.3),
    "sparsity_target": Penalties(0.02, 0.003, 0.2, 0.31),
    "first": 1,
    "decay": {"decay": 0.91},
    "square_decay": {"square_decay": 0.998},
    "epsilon": {"epsilon": 1.01 * RATE},
}
FULL = Case(Recurrent(2, dynamic_visible_bias=True), k=2, max_norm=0.5, penalties=Penalties(0.02, 0.003, 0.2, 0.3))


@pytest.mark.parametrize("name", list(ELSE))
def test_any_other_setting_shows(name):
    """Control: the comparison is not so wide that something may be left out."""
    seed, expected = reference(FULL)
    assert differences(by_numba(FULL, seed), expected) == set()
    field = {"l1": "penalties", "sparsity_cost": "penalties", "sparsity_target": "penalties"}.get(name, name)
    field = field if field in Case._fields else "rates"
    assert differences(by_numba(FULL._replace(**{field: ELSE[name]}), seed), expected)


@pytest.mark.parametrize("change", [dict(n_updates=6), dict(seed=4)], ids=str)
def test_every_update_and_seed_has_random_numbers_of_its_own(change):
    training = training_of(FULL, rule_of(FULL, named("numba")), 0, np.float32)
    other = training._replace(history={name: [0.0] * 6 for name in HISTORY}, **change)
    sums = [by_numba(FULL, 0, n_updates=1, training=t)[0].optimizer.gradient.b_v for t in (training, other)]
    assert np.abs(sums[0] - sums[1]).max() > 0.01


# --------------------------------------------------------------------- threads, buffers, ranks, resuming


@pytest.fixture
def always_threads(monkeypatch):
    for name in ("TASKS", "ALONE", "LARGE"):
        monkeypatch.setattr(kernels, name, 0)


@pytest.fixture
def always_aside(monkeypatch):
    monkeypatch.setattr(kernels, "ASIDE", 0)
    for name in ("TASKS", "ALONE", "LARGE"):
        monkeypatch.setattr(kernels, name, np.inf)


@some_cases
def test_the_same_bits_for_any_number_of_threads(case, always_threads):
    alone = bits(by_numba(case, 0))
    assert bits(by_numba(case, 0, 2)) == alone and bits(by_numba(case, 0, 3)) == alone
    assert bits(by_numba(case, 1, 2)) != alone  # control


@some_cases
def test_the_same_bits_aside(case, always_aside):
    assert bits(by_numba(case, 0, 2)) == bits(by_numba(case, 0))
    assert bits(by_numba(case, 1, 2)) != bits(by_numba(case, 0))  # control


def test_threads_share_rows_of_chains_or_columns():
    """With one thread, or few columns, there is nothing to gain; with many rows the tables matter less."""
    few, many = (Case(n_visible=n, n_hidden=n, lengths=(n_rows,)) for n, n_rows in ((30, 50), (130, 4 * ROWS)))
    for case, n_parts, by_columns in (
        (EDGES[-2], 1, False), (EDGES[-2], 2, True), (EDGES[-2], 3, True), (EDGES[-1], 2, True), (few, 2, False),
        (many, 2, False),
    ):  # fmt: skip
        assert columns_are_shared(case.n_visible, case.n_hidden, sum(case.lengths), n_parts) == by_columns


@compiled
def columns_are_shared(V, H, n_rows, n_parts):
    return tile.shares_columns(V, H, n_rows, n_parts)


@pytest.fixture
def compiled_calls(monkeypatch):
    """Of the calls that find sums and that climb: whether they are aside, and of the former how many threads share."""
    calls = {"sums": [], "climb": []}

    def noting(name, made):
        call, address = made

        def note_and_call(board, aside, job):
            calls[name].append((aside, job[2]) if name == "sums" else aside)
            call(board, aside, job)

        return lambda: (note_and_call, address)

    monkeypatch.setattr(tile, "call_of_sums", noting("sums", tile.call_of_sums()))
    monkeypatch.setattr(step, "call_of_climb", noting("climb", step.call_of_climb()))
    return calls


def test_helpers_are_asked(always_threads, compiled_calls):
    """Control of the tests above."""
    for n_jobs, n_sequences, n_hidden in ((None, 9, 5), (2, 9, 5), (3, 9, 5), (3, 5, 5), (3, 1, 5), (9, 5, 530)):
        by_numba(Case(n_hidden=n_hidden, lengths=(3,) * n_sequences), 0, n_jobs, n_updates=1)
    assert compiled_calls["sums"] == [(False, n) for n in (1, 2, 3, 2, 2, 4)]
    assert compiled_calls["climb"] == [False] * 6


def test_a_helper_is_asked(always_aside, compiled_calls):
    """Control of the tests above."""
    for n_jobs in (None, 1, 2, 3):
        by_numba(Case(lengths=(3,) * 9), 0, n_jobs, n_updates=1)
    assert compiled_calls == {"sums": [(False, 1)] * 2 + [(True, 1)] * 2, "climb": [False] * 2 + [True] * 2}


@some_cases
def test_what_buffers_held_before_does_not_show(case):
    """Those of a large minibatch, of one that was not a number, and of another model."""
    expected = in_a_fresh_thread(lambda: bits(by_numba(case, 0)))
    large = case._replace(lengths=tuple(n + 40 for n in case.lengths) * 2, frames="dense grey")

    def after_others():
        rule = rule_of(large, named("numba"))
        training, (part,) = training_of(large, rule, 1, np.float32), minibatch_of(large, 1, np.float32)
        loop.update(rule, training, [part], RATE)
        rooms = kernels._local.rooms
        with pytest.raises(FloatingPointError):
            loop.update(rule, training, [part._replace(v=np.full_like(part.v, np.nan))], RATE)
        found = bits(by_numba(case, 0))
        assert kernels._local.rooms is rooms  # control: the same buffers
        by_numba(case._replace(n_visible=case.n_visible + 1), 0)
        return found, bits(by_numba(case, 0))

    assert in_a_fresh_thread(after_others) == (expected, expected)


class Guards:
    """Copies of buffers that have a fence of known bytes before and behind."""

    width = 4096

    def __init__(self):
        self.fences, self.copies = [], {}

    def guarded(self, a):
        if id(a) not in self.copies:
            block = np.full(2 * self.width + a.nbytes, 0xA5, np.uint8)
            copied = block[self.width : self.width + a.nbytes].view(a.dtype)
            copied[...] = a
            self.fences += [block[: self.width], block[self.width + a.nbytes :]]
            self.copies[id(a)] = copied, a
        return self.copies[id(a)][0]

    def check(self):
        assert self.fences and all((fence == 0xA5).all() for fence in self.fences)


@pytest.fixture
def guards(monkeypatch):
    """Guards of all buffers of updates that are made from now on in new threads."""
    guards = Guards()

    def guarded_room(*sizes):
        return tuple(type(part)(*map(guards.guarded, part)) for part in new_room(*sizes))

    def guarded_packed(*sizes):
        return Packed(*map(guards.guarded, new_packed(*sizes)))

    monkeypatch.setattr(kernels, "new_room", guarded_room)
    monkeypatch.setattr(kernels, "new_packed", guarded_packed)
    return guards


@any_case
def test_nothing_is_written_beside_a_buffer(case, guards):
    """Indices of vectors are not tested where they are used. A minibatch of short sequences has made the buffers."""

    def work():
        by_numba(case._replace(lengths=(2,) * 8, n_warm=None), 0, n_updates=1)
        return bits(by_numba(case, 0))

    found = in_a_fresh_thread(work)
    guards.check()
    assert found == bits(by_numba(case, 0))


def test_a_write_beside_a_buffer_is_seen(guards):
    """Control."""
    array = guards.guarded(np.zeros(5, np.float32))
    guards.check()
    np.lib.stride_tricks.as_strided(array, (6,))[5] = 1
    with pytest.raises(AssertionError):
        guards.check()


class Rank(NamedTuple):
    """The communicator of one of several threads; the sum of 4 ranks is that of two pairs, as MPI has it."""

    rank: int
    size: int
    meeting: threading.Barrier
    given: dict

    def Allreduce(self, _, flat):
        parts = self.allgather(flat.copy())
        flat[...] = ranks._pairwise([[part.copy()] for part in parts])[0]

    def allgather(self, value):
        self.given[self.rank] = value
        self.meeting.wait(100)  # another may be compiling
        values = [self.given[i] for i in range(self.size)]
        self.meeting.wait(100)
        return values


def by_ranks(case, size, seed=0, missing=False):
    """The results of every rank; `missing` is whether some values are not there."""
    meeting, given, found = threading.Barrier(size), {}, {}

    def work(rank):
        rule = rule_of(case, named("numba"), Rank(rank, size, meeting, given))
        training = training_of(case, rule, seed, np.float32)
        shares = ranks.share(sequences_of(case, seed), rule.comm)
        parts = [loop.Part(*pack(part), case.first + first) for part, first in shares]
        if missing:
            parts = [part._replace(missing=part.v == 1) for part in parts]
        found[rank] = [training := loop.update(rule, training, parts, RATE)[0] for _ in range(2)]

    threads = [threading.Thread(target=work, args=(rank,)) for rank in range(size)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [found[rank] for rank in range(size)]


@pytest.fixture
def without_mpi(monkeypatch):
    monkeypatch.setattr(ranks, "_mpi", lambda: SimpleNamespace(IN_PLACE=None))


@pytest.mark.parametrize("lengths", [(9, 4, 12, 7, 7), (6,) * 9, (3, 1, 1, 2)], ids=str)
def test_1_2_and_4_ranks_learn_the_same(lengths, without_mpi):
    """Bit for bit; and to rounding what one process learns without ranks, as all sequences keep their numbers."""
    case = FULL._replace(lengths=lengths, first=7)
    seed, expected = reference(case)
    alone = by_ranks(case, 1, seed)[0]
    for size in (2, 4):
        assert all(bits(found) == bits(alone) for found in by_ranks(case, size, seed))
    assert differences(alone, expected) == set()
    assert bits(by_numba(case, seed)) != bits(alone)  # control: sums in another order


@pytest.mark.parametrize("missing", [False, True])
def test_a_rank_without_sequences_goes_the_way_of_the_others(missing, without_mpi):
    """The last minibatch of an epoch may be a small one; what is not compiled for one rank is compiled for none."""
    case = FULL._replace(lengths=(9,))
    first, second = by_ranks(case, 2, missing=missing)
    assert bits(first) == bits(second)


@pytest.mark.parametrize("n_hidden", [5, 22])
def test_more_tiles_than_are_in_memory_are_added_up(n_hidden, monkeypatch, always_threads):
    case = Case(n_visible=6, n_hidden=n_hidden, lengths=(3, 2) * 9, k=1)
    seed, expected = reference(case)
    monkeypatch.setattr(kernels, "TILES", 2)
    found = by_numba(case, seed)
    assert differences(found, expected) == set() and bits(found) == bits(by_numba(case, seed, 2))


def test_two_threads_may_train_models_of_their_own():
    cases, found = [FULL, FULL._replace(n_hidden=22)], {}

    def work(i):
        found[i] = [bits(by_numba(cases[i], 0)) for _ in range(20)]

    threads = [threading.Thread(target=work, args=(i,)) for i in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for i, case in enumerate(cases):
        assert found[i] == [bits(by_numba(case, 0))] * 20


class Stopped(Exception):
    """The end of a run that is broken off."""


class Stopping:
    """A stream of minibatches that ends too early."""

    def __init__(self, at):
        self.at = at

    def minibatch(self, update):
        if update == self.at:
            raise Stopped
        return (np.random.default_rng(update).random((5, 9 + update % 3, 12)) < 0.3) * 1.0


@pytest.mark.parametrize("optimizer", ["adam", "momentum"])
def test_resumed_is_uninterrupted(optimizer, tmp_path):
    settings = dict(n_hidden=9, n_gibbs={0: 1, 4: 2}, n_updates=9, n_taps=1, random_state=0, engine="numba")
    settings |= dict(optimizer=optimizer, batch_size=5, l1=1e-3, max_norm=1.0)
    straight, path = RTRBM(**settings).fit(Stopping(99)), tmp_path / "model.h5"
    for at in (3, 4, 7):
        with pytest.raises(ValueError, match="Stopped"):
            RTRBM(**settings).fit(Stopping(at), checkpoint=path, checkpoint_every=1, resume=path.exists())
        assert RTRBM.load(path).n_updates_ == at
    resumed = RTRBM(**settings).fit(Stopping(99), checkpoint=path, resume=True)
    assert state(resumed) == state(straight) == state(RTRBM.load(path))
    assert state(RTRBM(**settings | dict(random_state=1)).fit(Stopping(99))) != state(straight)  # control


# ------------------------------------------------------------------------------------- what is compiled


class Other(Recurrent):
    """A conditioner that may have other equations."""


class OtherUnits(Bernoulli):
    name = "bernoulli"


class OtherCD(CD):
    name = "cd"


def asked(monkeypatch):
    """What `whole.of` answers from now on: whether an update is compiled."""
    answers, of = [], whole.of

    def answer(rule, params, phase, parts):
        found = of(rule, params, phase, parts)
        if parts:  # there are none before the first update
            answers.append(found)
        return found

    monkeypatch.setattr(whole, "of", answer)
    return answers


X = (np.random.default_rng(0).random((6, 8, 12)) < 0.3).astype(np.float32)
SMALL = dict(n_hidden=7, n_gibbs=1, batch_size=6, n_updates=3, random_state=0, engine="numba")
COMPILED = {
    "RTRBM": (RTRBM, {}),
    "taps": (RTRBM, dict(n_taps=2, dynamic_visible_bias=True)),
    "without bptt": (RTRBM, dict(bptt=False)),
    "momentum": (RTRBM, dict(optimizer="momentum", centering=False)),
}
NOT_COMPILED = {
    "gaussian": (RTRBM, dict(visible="gaussian")),
    "poisson": (RTRBM, dict(visible="poisson")),
    "softmax": (RTRBM, dict(visible="softmax")),
    "scaled_gaussian": (RTRBM, dict(visible="scaled_gaussian")),
    "other units": (RTRBM, dict(visible=OtherUnits())),
    "exact": (RTRBM, dict(negative="exact")),
    "other cd": (RTRBM, dict(negative=OtherCD())),
    "float64": (RTRBM, dict(dtype="float64")),
    "numpy": (RTRBM, dict(engine="numpy")),
    "RBM": (RBM, dict(negative="pcd")),
    "RNNRBM": (RNNRBM, {}),
    "LSTMRBM": (LSTMRBM, {}),
    "SRTRBM": (SRTRBM, {}),
    "TRBM": (TRBM, {}),
    "CRBM": (CRBM, {}),
}


@pytest.mark.parametrize("name", [*COMPILED, *NOT_COMPILED])
def test_what_is_not_compiled_is_trained_step_by_step(name, monkeypatch):
    kind, settings = (COMPILED | NOT_COMPILED)[name]
    data = X if "softmax" not in name else np.eye(12)[X.argmax(axis=-1)]
    data = data[:, 0] if kind is RBM else data
    answers = asked(monkeypatch)
    model = kind(**SMALL | settings).fit(data)
    assert [answer is not None for answer in answers] == [name in COMPILED] * 3
    W = model.params_.W.copy()
    model.partial_fit(data)
    assert all(np.isfinite(p).all() for p in arrays(model.params_)) and (model.params_.W != W).any()


@pytest.mark.parametrize("name", ["mask", "inputs", "window"])
def test_masks_and_inputs_are_not_compiled_but_windows_are(name, monkeypatch):
    rng, answers = np.random.default_rng(0), asked(monkeypatch)
    more = {"mask": rng.random(X.shape) < 0.2, "inputs": rng.random((6, 8, 2)).astype(np.float32)}
    more = {"window": dict(window=4, warm_up=2)}.get(name) or {name: more[name]}
    model = RTRBM(**SMALL).fit(X, **more)
    assert [answer is not None for answer in answers] == [name == "window"] * 3
    assert all(np.isfinite(p).all() for p in arrays(model.params_))


def test_a_subclass_may_have_other_equations():
    case = Case()
    rule = rule_of(case, named("numba"))
    training, parts = training_of(case, rule, 0, np.float32), minibatch_of(case, 0, np.float32)
    assert whole.of(rule, training.params, CD(1), parts) is not None
    assert whole.of(rule._replace(model=Model(Other(), BERNOULLI)), training.params, CD(1), parts) is None
    assert whole.of(rule._replace(model=Model(Recurrent(), OtherUnits())), training.params, CD(1), parts) is None
    assert whole.of(rule, training.params, Exact(), parts) is None
    assert whole.of(rule, training.params, OtherCD(1), parts) is None
    with_inputs = training.params._replace(D_v=np.zeros((2, case.n_visible)), D_h=np.zeros((2, case.n_hidden)))
    assert whole.of(rule, with_inputs, CD(1), parts) is None
    seed, _ = reference(case)
    trainings = trained(case._replace(past=Other()), seed, named("numba"))
    assert all(np.isfinite(p).all() for p in arrays(trainings[-1].params))


# ------------------------------------------------------------------------------------ parameters


def fitted(n_updates=2, **settings):
    model = RTRBM(**SMALL | dict(n_taps=1, dynamic_visible_bias=True) | settings)
    for _ in range(n_updates):
        model.partial_fit(X)
    return model


def test_parameters_that_were_handed_out_keep_their_values():
    model = fitted()
    params, sums, training = model.params_, model.optimizer_state_, state(model)
    kept = each(np.copy, params), [each(np.copy, part) for part in sums[1:]]
    model.partial_fit(X)
    for old, part in zip((kept[0], *kept[1]), (params, *sums[1:])):
        for a, b in zip(arrays(old), arrays(part)):
            np.testing.assert_array_equal(a, b)
    assert not any(np.shares_memory(a, b) for a, b in zip(arrays(params), arrays(model.params_)))
    assert state(model) != training


def test_parameters_are_views_of_one_array():
    """So that the next update need not gather them."""
    model = fitted()
    for part in (model.params_, *model.optimizer_state_[1:]):
        assert len({id(a.base) for a in arrays(part)}) == 1
        assert sum(a.size for a in arrays(part)) == part.W.base.size


def test_a_flat_array_serves_the_places_it_was_made_for():
    """A model may have another form from one update to the next, by a subclass's property say."""
    one, other = (kernels.prepared(Recurrent().form, 1, True, *shape) for shape in ((3, 2), (2, 3)))
    (params,) = one.laid_out(random_params(3, 2))
    assert one.flat(params) is params.W.base
    with pytest.raises(ValueError):
        other.flat(params)


@pytest.mark.parametrize("optimizer, n", [("momentum", 2), ("adam", 3)])
def test_no_more_arrays_are_kept_than_an_update_makes(optimizer, n):
    model = RTRBM(**SMALL | dict(optimizer=optimizer))
    for _ in range(3):
        model.partial_fit(X)
    assert [id(part) for _, part, _ in kernels._local.made] == [
        id(part) for part in (model.params_, *model.optimizer_state_) if isinstance(part, tuple)
    ]
    assert len(kernels._local.made) == n


def test_ranks_may_be_short_integers():
    """As numpy 1 makes them on Windows."""
    case, sums = Case(lengths=(9,)), []
    rule = rule_of(case, named("numba"))
    params, (part,) = training_of(case, rule, 0, np.float32).params, minibatch_of(case, 0, np.float32)
    kernel = whole.of(rule, params, rule.negative(0), [part])
    for kind in (np.int32, np.int64):
        where = part.where._replace(rank=part.where.rank.astype(kind))
        sums.append(kernel.sums(kernel.flat(params), part.v, where, Draw(0, "chain", (0,)), None).tobytes())
    assert sums[0] == sums[1]


@pytest.mark.parametrize("optimizer", list(OPTIMIZERS))
def test_the_first_update_finds_its_parameters_in_one_array(optimizer, monkeypatch):
    """They would be there twice if it gathered them: its peak of memory would be the highest."""
    gathered, take = [], spare.Spare.take
    monkeypatch.setattr(spare.Spare, "take", lambda self, *given: gathered.append(given) or take(self, *given))
    model = RTRBM(**SMALL | dict(n_taps=1, dynamic_visible_bias=True, optimizer=optimizer))
    begin = whole.laid_out
    monkeypatch.setattr(whole, "laid_out", lambda *arguments: (begin(*arguments), gathered.clear())[0])
    model.partial_fit(X)
    assert len(gathered) == 2  # the sums of tiles, and what is new
    model._set_state(model._state()._replace(params=each(np.copy, model.params_)))
    model.partial_fit(X)
    assert len(gathered) == 5  # control: those of this update, and one more


def saved_and_loaded(model, path):
    model.save(path)
    return RTRBM.load(path)


COPIES = {
    "pickled": lambda model, path: pickle.loads(pickle.dumps(model)),
    "copied": lambda model, path: copy.copy(model),
    "deep-copied": lambda model, path: copy.deepcopy(model),
    "saved": saved_and_loaded,
}


@pytest.mark.parametrize("name", list(COPIES))
def test_a_copy_goes_on_alike(name, tmp_path):
    model = fitted()
    before = state(model)
    other = COPIES[name](model, tmp_path / "model.h5")
    assert state(other) == before
    assert state(other.partial_fit(X)) == state(fitted(3))
    if name == "copied":  # the lists of the history are the same ones
        before["history"] = model.history_
    assert state(model) == before


def read_only(a):
    a = a.copy()
    a.flags.writeable = False
    return a


def swapped(params):
    """Views of the same array, but not all in their places."""
    return params._replace(b_h=params.b_init[0], b_init=params.b_h[None], W=params.W[::-1], U=params.U.T)


def in_one_read_only_array(params):
    """The same places of another array."""
    flat, begin = read_only(params.W.base), params.W.base.ctypes.data

    def same_place(a):
        at = (a.ctypes.data - begin) // a.itemsize
        return flat[at : at + a.size].reshape(a.shape)

    return each(same_place, params)


def memory_mapped(params, path):
    def mapped(a):
        file = path / f"{a.ctypes.data}.npy"
        np.save(file, a)
        return np.load(file, mmap_mode="r")

    return each(mapped, params)


GIVEN = {
    "as they are": lambda params, path: params,
    "Fortran": lambda params, path: each(np.asfortranarray, params),
    "strided": lambda params, path: each(lambda a: np.repeat(a, 2, axis=-1)[..., ::2], params),
    "read-only": lambda params, path: each(read_only, params),
    "one read-only array": lambda params, path: in_one_read_only_array(params),
    "views that are read-only": lambda params, path: each(lambda a: np.frombuffer(a, a.dtype).reshape(a.shape), params),
    "memory map": memory_mapped,
    "swapped": lambda params, path: swapped(params),
}


@pytest.mark.parametrize("name", list(GIVEN))
def test_parameters_may_be_set_in_any_layout(name, tmp_path):
    """The same bits as from plain arrays, and no array of the user is changed."""
    model, plain = fitted(), fitted()
    given = GIVEN[name](model.params_, tmp_path)
    values = each(lambda a: np.array(a, order="C"), given)
    plain.params_ = each(np.copy, values)
    model.params_ = given
    for each_model in (model, plain):
        each_model.partial_fit(X)
    for a, b in zip(arrays(model.params_), arrays(plain.params_)):
        np.testing.assert_array_equal(a, b)
    for a, b in zip(arrays(given), arrays(values)):
        np.testing.assert_array_equal(a, b)
    if name == "swapped":  # control
        assert np.abs(model.params_.b_h - fitted(3).params_.b_h).max() > 0.001


def test_views_of_another_type_are_taken_as_numbers():
    """Their bits are where parameters would be."""

    def trained_from(state):
        model = fitted()
        model.optimizer_state_ = state(model.optimizer_state_)
        return model.partial_fit(X).params_

    def integers(state):
        return state._replace(gradient=each(lambda a: a.view(np.int32) % 7, state.gradient))

    def views(state):
        whole = each(lambda a: a.view(np.int32), state.gradient)
        for a in arrays(whole):
            a %= 7
        return state._replace(gradient=whole)

    for a, b in zip(arrays(trained_from(views)), arrays(trained_from(integers))):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("name", ["Fortran", "read-only", "float64", "memory map", "one sequence"])
def test_frames_may_have_any_layout(name, tmp_path):
    np.save(tmp_path / "X.npy", X)
    given = {
        "Fortran": np.asfortranarray(X),
        "read-only": read_only(X),
        "float64": X.astype(float),
        "memory map": np.load(tmp_path / "X.npy", mmap_mode="r"),
        "one sequence": read_only(X)[:1],
    }[name]
    plain = fitted().partial_fit(np.array(given, np.float32, order="C"))
    assert state(fitted().partial_fit(given)) == state(plain)


@pytest.mark.parametrize("case", [case for case in CASES if len(set(case.lengths)) == 1], ids=str)
def test_sequences_of_one_length_need_not_be_packed(case):
    rule, (packed,) = rule_of(case, named("numba")), minibatch_of(case, 0, np.float32)
    sequences = packed._replace(v=np.stack(unpack(packed.v, packed.where)))
    training = training_of(case, rule, 0, np.float32)
    made = [loop.update(rule, training, [part], RATE)[0] for part in (packed, sequences)]
    for a, b in zip(*(arrays(one.params) for one in made)):
        np.testing.assert_array_equal(a, b)
    if sequences.v.size > 100 and len(sequences.v) > 1:  # control: the frames in another order
        shuffled = sequences._replace(v=sequences.v.reshape(-1)[::-1].reshape(sequences.v.shape))
        other, _ = loop.update(rule, training, [shuffled], RATE)
        assert any((a != b).any() for a, b in zip(arrays(other.params), arrays(made[0].params)))


@pytest.mark.parametrize("engine", ["numpy", "numba"])
@pytest.mark.parametrize("n", [1, 2, len(X)])
def test_an_array_of_sequences_is_a_list_of_them(engine, n):
    model, same, other = (RTRBM(**SMALL | dict(engine=engine)) for _ in range(3))
    assert state(model.partial_fit(X[:n])) == state(same.partial_fit(list(X[:n])))
    assert state(other.partial_fit(X[:n, ::-1])) != state(model)  # control


@pytest.mark.parametrize("v", [X[:, :, :1].repeat(3, axis=2)[:, :, ::2], read_only(X)])
def test_examples_may_have_any_layout_and_their_warm_frames_any_integer(v):
    def trained_by(examples):
        return state(RTRBM(**SMALL).partial_fit(examples))

    plain = trained_by([Example(np.array(one, np.float32, order="C"), 2) for one in v])
    assert trained_by([Example(one, np.int32(2)) for one in v]) == plain
    assert trained_by([Example(one, np.int32(2)) for one in v[:1]]) != plain  # control
    assert trained_by([Example(np.array(v[0], np.float32, order="C"), 2)]) == trained_by([Example(v[0], np.int8(2))])


def test_types_are_looked_at_here():
    """Control of `types_are_those_compiled_for`."""
    call, _ = step.call_of_climb()
    with pytest.raises(AssertionError, match="float64"):
        call(new_board(), False, (np.zeros(3), 1))


# ------------------------------------------------------------------------------------ NaN and infinity

BAD = pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])


def update_fails(case, training, parts):
    """Whether an update raises; it must leave everything as it was, and the next one must not notice."""
    rule = rule_of(case, named("numba"))
    before = pickle.dumps((training, parts))
    with pytest.raises(FloatingPointError, match="update 5 is not finite"):
        loop.update(rule, training, parts, RATE)
    assert pickle.dumps((training, parts)) == before


@BAD
@pytest.mark.parametrize("name", ["W", "U", "U_v", "A", "C", "b_v", "b_h", "b_init", "b_v_init"])
@pytest.mark.parametrize("frames", ["sparse binary", "dense grey"])
def test_a_parameter_that_is_not_finite_shows(name, value, frames):
    """In whatever place of it."""
    case = FULL._replace(frames=frames)
    training = training_of(case, rule_of(case, named("numba")), 0, np.float32)
    for place in (0, -1):
        params = each(np.copy, training.params)
        getattr(params, name).flat[place] = value
        update_fails(case, training._replace(params=params), minibatch_of(case, 0, np.float32))


@BAD
@pytest.mark.parametrize("centering", [True, False])
@pytest.mark.parametrize("optimizer", list(OPTIMIZERS))
def test_a_sum_of_the_optimiser_that_is_not_finite_shows(optimizer, centering, value):
    """In the new parameter alone, without centring."""
    case = FULL._replace(optimizer=optimizer, centering=centering)
    training = training_of(case, rule_of(case, named("numba")), 0, np.float32)
    sums = training.optimizer[-1] if optimizer == "momentum" else training.optimizer.gradient
    for a in arrays(sums):
        for place in (0, -1):
            a.flat[place] = value
            update_fails(case, training, minibatch_of(case, 0, np.float32))
            a.flat[place] = 0


@BAD
@pytest.mark.parametrize("frames", ["sparse binary", "dense grey"])
@pytest.mark.parametrize("case", [FULL, Case(), Case(lengths=(9,)), Case(sample_visible=False)], ids=str)
def test_a_pixel_that_is_not_finite_shows(case, value, frames):
    """In the first frame of a sequence, or in the last."""
    case = case._replace(frames=frames)
    training = training_of(case, rule_of(case, named("numba")), 0, np.float32)
    for place in (0, -1):
        (part,) = minibatch_of(case, 0, np.float32)
        part.v.flat[place] = value
        update_fails(case, training, [part])


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_model_refuses_parameters_and_data_that_are_not_finite(value):
    model = fitted()
    W = model.params_.W.copy()
    W[3, 2] = value
    bad = X.copy()
    bad[1, 2, 3] = value
    before = state(model)
    with pytest.raises(ValueError, match="NaN|infinite"):
        model.partial_fit(bad)
    assert state(model) == before
    model.params_ = model.params_._replace(W=W)
    with pytest.raises(ValueError, match="params_ must be finite"):
        model.partial_fit(X)


@pytest.mark.parametrize("optimizer", list(OPTIMIZERS))
def test_a_learning_rate_that_diverges_leaves_the_model_as_it_was(optimizer):
    model, plain = fitted(optimizer=optimizer), fitted(3, optimizer=optimizer)
    before = state(model)
    with pytest.raises(FloatingPointError, match=r"learning_rate=1e\+300 is too large"):
        model.set_params(learning_rate=1e300).partial_fit(X)
    assert state(model) == before
    assert state(model.set_params(learning_rate=plain.learning_rate).partial_fit(X)) == state(plain)


@pytest.mark.parametrize("optimizer, learning_rate", [("adam", 3e37), ("momentum", 1e38)])
def test_one_that_diverges_slowly_is_found_when_it_has(optimizer, learning_rate):
    """Parameters are finite for some updates."""
    model = fitted(optimizer=optimizer).set_params(learning_rate=learning_rate)
    with pytest.raises(FloatingPointError, match="learning_rate=.* is too large"):
        for _ in range(20):
            before = state(model)
            model.partial_fit(X)
    assert state(model) == before and model.n_updates_ > 2
