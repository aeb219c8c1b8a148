"""Memory of arrays that are gone serves new ones of the same size, and no array that is still there is written to."""

import threading
import weakref

import numpy as np
import pytest

from rtrbm import RTRBM

pytest.importorskip("numba")
from rtrbm.compute.numba import spare, whole  # noqa: E402
from rtrbm.compute.numba.vectors import LINE  # noqa: E402


def address(array):
    return array.ctypes.data


def test_an_array_takes_the_memory_of_one_that_is_gone():
    memory = spare.Spare()
    first = memory.take(100)
    was = address(first)
    assert first.shape == (100,) and first.dtype == np.float32 and first.flags.carray and was % (4 * LINE) == 0
    del first
    assert address(memory.take(99)) != was  # of another size
    again = memory.take(100)
    assert address(again) == was
    assert address(memory.take(100)) != was  # it is taken


def test_a_view_keeps_the_memory():
    memory = spare.Spare()
    first = memory.take(100)
    first[:] = 1
    view = first[10:20].reshape(2, 5)
    assert view.base is first
    del first
    memory.take(100)[:] = 2
    np.testing.assert_array_equal(view, 1)


def test_memory_goes_back_when_nobody_wants_its_size():
    memory = spare.Spare()
    large = memory.take(10_000)
    del large
    kept = [memory.take(8) for _ in range(spare.LATELY)]
    assert 10_000 in [n for n, *_ in memory._left]
    kept.append(memory.take(8))
    assert 10_000 not in [n for n, *_ in memory._left]


def test_a_few_arrays_alone_leave_their_memory():
    memory = spare.Spare()
    many = [memory.take(50) for _ in range(10 * spare.MOST)]
    many.clear()
    memory.take(8)
    assert len(memory._left) == spare.MOST and len(memory._lent) == 1


def test_nothing_of_python_runs_when_an_array_goes():
    """An exception in it, by Ctrl-C say, would be swallowed."""
    memory = spare.Spare()
    array = memory.take(100)
    ((lent, *_),) = memory._lent.values()
    assert type(lent.__callback__) is type([].append) and lent() is array


def test_a_thread_that_ends_leaves_nothing():
    kept, memories = [], []

    def work():
        kept.extend(whole.floats(50) for _ in range(2))
        memories.append(weakref.ref(whole._local.spare))
        kept.pop()

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert memories[0]() is None
    kept[0][:] = 1  # it is still there, and goes without a word
    kept.clear()


def test_a_run_gives_all_buffers_back():
    model = RTRBM(5, engine="numba", random_state=0, n_updates=3)
    model.partial_fit(np.ones((4, 3, 6)))
    assert {"spare", "rooms"} <= {*vars(whole._local)}  # those of a single update are kept for the next
    model.fit(np.ones((4, 3, 6)))
    assert not vars(whole._local)


def test_threads_share_no_memory():
    was, found = address(whole.floats(1234)), []
    thread = threading.Thread(target=lambda: found.append(address(whole.floats(1234))))
    thread.start()
    thread.join()
    assert found != [was] and address(whole.floats(1234)) == was


def test_an_update_leaves_the_parameters_of_earlier_ones_alone():
    X = (np.random.default_rng(0).random((9, 12, 20)) < 0.5).astype(np.float32)
    model = RTRBM(16, engine="numba", random_state=0).partial_fit(X)
    kept, copies, places = [], [], []
    for update in range(20):
        model.partial_fit(X)
        places.append(address(model.params_.W))
        if update % 3 == 0:
            kept.append(model.params_.U[:3])
            copies.append(kept[-1].copy())
    np.testing.assert_array_equal(kept, copies)
    assert len(set(places)) < len(places)  # memory comes back
