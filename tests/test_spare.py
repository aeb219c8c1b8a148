"""Memory of parameters that are gone serves new ones, and no array that is still there is written to."""

import copy
import gc
import threading
import weakref
from typing import NamedTuple

import numpy as np
import pytest

from rtrbm import RTRBM

pytest.importorskip("numba")
from rtrbm.compute.numba import spare, whole  # noqa: E402
from rtrbm.compute.numba.vectors import LINE  # noqa: E402


class Params(NamedTuple):
    W: np.ndarray
    b: np.ndarray
    units: np.ndarray | None = None


class Others(NamedTuple):
    W: np.ndarray
    b: np.ndarray


PLACES, LARGER = ((("W", 0, 6, (2, 3)), ("b", 6, n, (n - 6,))) for n in (9, 10_000))
LIKE, OTHER = Params(None, None), Others(None, None)


def address(array):
    return array.ctypes.data


def taken(memory, places=PLACES, like=LIKE):
    """The flat array and the parameters of one block."""
    (flat,), (params,) = memory.take(1, places, like)
    return flat, params


def test_parameters_take_the_memory_of_those_that_are_gone():
    memory = spare.Spare()
    flat, first = taken(memory)
    was = address(flat)
    assert flat.shape == (9,) and flat.dtype == np.float32 and flat.flags.carray and was % (4 * LINE) == 0
    assert type(first) is Params and first.W.shape == (2, 3) and first.b.shape == (3,) and first.units is None
    assert first.W.base is flat and first.b.base is flat
    flat[:] = range(9)
    np.testing.assert_array_equal(first.b, [6, 7, 8])
    del flat, first
    assert address(taken(memory, LARGER)[0]) != was  # of another size
    assert address(taken(memory, PLACES, OTHER)[0]) != was  # of another type
    again = taken(memory)
    assert address(again[0]) == was
    assert address(taken(memory)[0]) != was  # it is taken


@pytest.mark.parametrize(
    "look",
    [
        lambda flat, params: flat,
        lambda flat, params: params,
        lambda flat, params: params._replace(W=None),
        lambda flat, params: params.W,
        lambda flat, params: params.b[1:],
        lambda flat, params: params.W.T[1:][:1],
        lambda flat, params: memoryview(params.b)[1:],
        lambda flat, params: iter(params.W),
        lambda flat, params: params.W.flat,
        lambda flat, params: np.nditer(params.b),
        lambda flat, params: params.b.__array_interface__ | {"of": params.b},
        lambda flat, params: np.asarray(params.b.view(np.ma.MaskedArray)),
        lambda flat, params: np.frombuffer(params.b, np.uint8),
        lambda flat, params: params.b.ctypes.data_as(np.ctypeslib.ctypes.c_void_p),
        lambda flat, params: lambda: params,
        lambda flat, params: {"deep": [(params.W,)]},
    ],
)
def test_whoever_looks_keeps_the_memory(look):
    memory = spare.Spare()
    given = taken(memory)
    was, looker = address(given[0]), look(*given)
    del given
    assert looker is not None and address(taken(memory)[0]) != was
    del looker
    gc.collect()
    assert was in [address(flat) for flat, _ in [taken(memory) for _ in range(3)]]  # control


def test_several_at_once():
    memory = spare.Spare()
    flats, params = memory.take(3, PLACES, LIKE)
    assert len({address(flat) for flat in flats}) == 3 and all(part.W.base is flat for part, flat in zip(params, flats))
    was = [address(flat) for flat in flats[1:]]
    flats, params = flats[:1], params[:1]
    again, _ = memory.take(3, PLACES, LIKE)
    assert {*was} < {address(flat) for flat in again} and address(flats[0]) not in map(address, again)


def test_a_copy_keeps_nothing():
    memory = spare.Spare()
    given = taken(memory)
    was, copies = address(given[0]), (copy.deepcopy(given[1]), given[1].W.copy(), weakref.ref(given[1].W))
    del given
    assert copies and address(taken(memory)[0]) == was


def test_memory_goes_back_when_nobody_wants_it():
    memory = spare.Spare()
    flat = weakref.ref(taken(memory, LARGER)[0])
    kept = [taken(memory) for _ in range(spare.LATELY - 1)]
    assert flat() is not None
    kept.append(taken(memory))
    assert flat() is None


def test_few_of_many_are_kept():
    """The ones that were used last come first, so that the others are of no use."""
    memory = spare.Spare()
    many = [taken(memory) for _ in range(10 * spare.LATELY)]
    assert len(memory.blocks) == spare.LATELY
    many.clear()
    for _ in range(spare.LATELY):
        taken(memory)
    assert len(memory.blocks) == 1


def test_a_thread_that_ends_leaves_nothing():
    kept, memories = [], []

    def work():
        kept.extend(taken(whole._spare())[1] for _ in range(2))
        memories.append(weakref.ref(whole._spare()))
        kept.pop()

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert memories[0]() is None
    kept[0].W[:] = 1  # it is still there, and goes without a word
    kept.clear()


def test_a_run_gives_all_buffers_back():
    model = RTRBM(5, engine="numba", random_state=0, n_updates=3)
    model.partial_fit(np.ones((4, 3, 6)))
    assert {"spare", "rooms", "buffers"} <= {*vars(whole._local)}  # those of a single update are kept for the next
    model.fit(np.ones((4, 3, 6)))
    assert not vars(whole._local)


def test_threads_share_no_memory():
    def of_this_one():
        return address(taken(whole._spare())[0])

    was, found = of_this_one(), []
    thread = threading.Thread(target=lambda: found.append(of_this_one()))
    thread.start()
    thread.join()
    assert found != [was] and of_this_one() == was


@pytest.mark.parametrize("optimizer", ["adam", "momentum", "spectral"])
def test_an_update_leaves_the_parameters_of_earlier_ones_alone(optimizer):
    X = (np.random.default_rng(0).random((9, 12, 20)) < 0.5).astype(np.float32)
    model = RTRBM(16, engine="numba", optimizer=optimizer, random_state=0).partial_fit(X)
    kept, copies, places = [], [], []
    for update in range(20):
        model.partial_fit(X)
        places.append(address(model.params_.W))
        if update % 3 == 0:
            kept += [model.params_.U[:3], model.optimizer_state_[-1].U[:3]]
            copies += map(np.copy, kept[-2:])
    np.testing.assert_array_equal(kept, copies)
    assert len(set(places)) < len(places)  # memory comes back


def test_an_update_that_fails_leaves_the_parameters_alone():
    X = np.ones((2, 5, 6), np.float32)
    model = RTRBM(4, engine="numba", random_state=0).partial_fit(X)
    for _ in range(5):
        before = [(a, a.copy()) for a in (*model.params_[:5], *model.optimizer_state_[1][:5])]
        model.learning_rate = np.finfo(np.float32).max
        with pytest.raises(FloatingPointError):
            model.partial_fit(X)
        assert all(np.array_equal(*pair) for pair in before)
        model.learning_rate = 1e-3
        model.partial_fit(X)
        assert all(np.array_equal(*pair) for pair in before)
