"""Memory of arrays that are gone serves new ones of the same size, and no array that is still there is written to."""

import copy
import gc
import sys
import threading
import weakref

import numpy as np
import pytest

from rtrbm import RTRBM

pytest.importorskip("numba")
from rtrbm.compute.numba import spare, whole  # noqa: E402
from rtrbm.compute.numba.vectors import LINE  # noqa: E402

SMALL = {"n_hidden": 5, "engine": "numba", "random_state": 0}
X = (np.random.default_rng(0).random((3, 6, 4)) < 0.5).astype(np.float32)


def address(array):
    return array.ctypes.data


def taken(memory, size=9):
    (array,) = memory.take(size, 1)
    return array


def sums_of(model):
    """The first of the optimiser's sums."""
    return next(part for part in model.optimizer_state_ if isinstance(part, tuple))


def test_an_array_takes_the_memory_of_one_that_is_gone():
    memory = spare.Spare()
    first = taken(memory)
    was = address(first)
    assert first.shape == (9,) and first.dtype == np.float32 and first.flags.carray and was % (4 * LINE) == 0
    del first
    assert address(taken(memory, 10)) != was  # of another size
    again = taken(memory)
    assert address(again) == was
    assert address(taken(memory)) != was  # it is taken


def test_several_at_once():
    memory = spare.Spare()
    arrays = memory.take(9, 3)
    was = [address(array) for array in arrays]
    assert len({*was}) == 3
    del arrays[1:]
    again = {address(array) for array in memory.take(9, 3)}
    assert {*was[1:]} < again and was[0] not in again


@pytest.mark.parametrize(
    "look",
    [
        lambda array: array,
        lambda array: array[2:5],
        lambda array: array.reshape(3, 3).T[1:][:, 1:],
        lambda array: memoryview(array)[1:],
        lambda array: array.base,
        lambda array: array.base.obj,
        lambda array: iter(array[3:]),
        lambda array: array.reshape(3, 3).flat,
        lambda array: np.nditer(array[1:]),
        lambda array: array.view(np.ma.MaskedArray),
        lambda array: np.frombuffer(array, np.uint8),
        lambda array: np.from_dlpack(array[1:]),
        lambda array: array.ctypes.data_as(np.ctypeslib.ctypes.c_void_p),
        lambda array: lambda: array,
        lambda array: {"deep": [(array[1:],)]},
        lambda array: (x for x in array[1:]),
    ],
)
def test_whoever_looks_keeps_the_memory(look):
    memory = spare.Spare()
    array = taken(memory)
    was, looker = address(array), look(array)
    del array
    assert looker is not None and address(taken(memory)) != was
    del looker
    gc.collect()
    assert was in [address(array) for array in memory.take(9, 3)]  # control


def test_a_copy_keeps_nothing():
    memory = spare.Spare()
    array = taken(memory)
    was, copies, gone = address(array), (copy.deepcopy(array), array[1:].copy()), weakref.ref(array)
    del array
    assert copies and gone() is None and address(taken(memory)) == was


def test_memory_goes_back_when_nobody_wants_it():
    memory = spare.Spare()
    gone = weakref.ref(taken(memory, 10_000).base.obj)
    for _ in range(spare.LATELY - 1):
        taken(memory)
    assert gone() is not None
    taken(memory)
    assert gone() is None


def test_memory_in_use_is_known_for_longer():
    memory = spare.Spare()
    array = taken(memory)
    was = address(array)
    kept = [taken(memory) for _ in range(2 * spare.LATELY)]
    del array
    assert address(taken(memory)) == was
    kept.extend(taken(memory) for _ in range(2 * spare.MOST))
    assert len(memory._pieces) == spare.MOST


def test_an_array_of_one_that_was_changed_is_as_new():
    memory = spare.Spare()
    array = taken(memory)
    was = address(array)
    array.setflags(write=False)
    array.shape = (3, 3)
    del array
    again = taken(memory)
    assert address(again) == was and again.shape == (9,) and again.flags.writeable


def test_whoever_comes_between_two_steps_has_memory_of_its_own():
    """A handler of signals, say, that trains another model."""
    memory = spare.Spare()
    memory.take(9, 2)
    inner, n_steps = [], 0

    def step(frame, event, argument):
        nonlocal n_steps
        if frame.f_code.co_filename == spare.__file__ and frame.f_code.co_name == "take":
            if event == "line":
                n_steps += 1
                sys.settrace(None)
                inner.extend(memory.take(9, 2))
                sys.settrace(step)
            return step

    before = sys.gettrace()
    sys.settrace(step)
    try:
        outer = memory.take(9, 2)
    finally:
        sys.settrace(before)
    places = [address(array) for array in (*outer, *inner)]
    assert n_steps > 8 and len(places) == 2 * n_steps + 2 == len({*places})


def test_a_thread_that_ends_leaves_nothing():
    kept, memories = [], []

    def work():
        kept.extend(taken(whole._spare()) for _ in range(2))
        memories.append(weakref.ref(whole._spare()))
        kept.pop()

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert memories[0]() is None
    kept[0][:] = 1  # it is still there, and goes without a word
    kept.clear()


def test_a_run_gives_all_buffers_back():
    model = RTRBM(**SMALL, n_updates=3)
    model.partial_fit(X)
    assert {"spare", "rooms", "buffers"} <= {*vars(whole._local)}  # those of a single update are kept for the next
    model.fit(X)
    assert not vars(whole._local)


def test_threads_share_no_memory():
    def of_this_one():
        return address(taken(whole._spare(), 1234))

    was, found = of_this_one(), []
    thread = threading.Thread(target=lambda: found.append(of_this_one()))
    thread.start()
    thread.join()
    assert found != [was] and of_this_one() == was


@pytest.mark.parametrize("optimizer", ["adam", "momentum", "spectral"])
def test_an_update_leaves_the_parameters_of_earlier_ones_alone(optimizer):
    model = RTRBM(**SMALL, optimizer=optimizer).partial_fit(X)
    kept, copies, places = [], [], []
    for update in range(20):
        model.partial_fit(X)
        places.append(address(model.params_.W))
        if update % 3 == 0:
            kept += [model.params_.U[:3], sums_of(model).U[:3]]
            copies += map(np.copy, kept[-2:])
    np.testing.assert_array_equal(kept, copies)
    assert len(set(places)) < len(places)  # memory comes back


@pytest.mark.parametrize("optimizer", ["adam", "momentum", "spectral"])
def test_what_a_user_did_to_arrays_does_not_come_back(optimizer):
    model = RTRBM(**SMALL, optimizer=optimizer).partial_fit(X)
    for _ in range(4):
        parts = model.params_.W, sums_of(model).W
        model.partial_fit(X)
        for W in parts:
            W.setflags(write=False)
            W.shape = (5, 4)
        del parts, W
        model.partial_fit(X)
        RTRBM(**SMALL).partial_fit(X)
        assert model.params_.W.flags.writeable and sums_of(model).W.shape == (4, 5)


def test_an_update_that_fails_leaves_the_parameters_alone():
    model = RTRBM(**SMALL).partial_fit(X)
    for _ in range(5):
        before = [(a, a.copy()) for a in (*model.params_[:5], *sums_of(model)[:5])]
        model.learning_rate = np.finfo(np.float32).max
        with pytest.raises(FloatingPointError):
            model.partial_fit(X)
        assert all(np.array_equal(*pair) for pair in before)
        model.learning_rate = 1e-3
        model.partial_fit(X)
        assert all(np.array_equal(*pair) for pair in before)
