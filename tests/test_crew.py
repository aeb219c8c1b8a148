"""Work that compiled code shares among threads (`rtrbm.compute.numba.board`, `crew`, `buffers`)."""

import os
import subprocess
import sys
import threading
import time
from typing import NamedTuple
from unittest.mock import Mock

import numpy as np
import pytest

from rtrbm import RTRBM
from rtrbm.compute import threads

pytest.importorskip("numba")
from rtrbm.compute.numba import buffers, crew  # noqa: E402
from rtrbm.compute.numba.board import (  # noqa: E402
    APART,
    OPEN,
    STOP,
    WORKERS,
    callable_from_python,
    door,
    end_part,
    give_way,
    increase,
    new_board,
    next_part,
    read,
    serve,
    share,
)
from rtrbm.compute.numba.compiled import compiled, inner, shared  # noqa: E402

N_PARTS = 64


@shared
def take_note(part, worker, job):
    """counts[part] += 1, workers[part] <- worker, after some work."""
    counts, workers, n = job
    x = 1.0
    for _ in range(n):
        x = x * 0.5 + 1
    counts[part] += 1 if x > 0 else 0
    workers[part] = worker


@shared
def meet(part, worker, job):
    """Wait for another thread to come to another part; give up after a while."""
    counts, _, n = job
    increase(counts, N_PARTS, 1)
    for _ in range(n):
        if read(counts, N_PARTS) > 1:
            counts[part] = 1
            return
        give_way()


@shared
def go_step_by_step(part, worker, job):
    """order[step, part] <- `fewest` when it began, and how often it was done; workers <- how many each has done."""
    steps, order, workers, n_parts, n_steps, n = job
    for step in range(n_steps):
        mine = next_part(steps, step, part, n_parts)
        while mine >= 0:
            increase(workers, APART * worker, 1)
            order[step, mine, 0] = fewest(steps, n_parts)
            x = 1.0
            for _ in range(n * (mine + 1)):
                x = x * 0.5 + 1
            order[step, mine, 1] += 1 if x > 0 else 0
            end_part(steps, step, mine)
            mine = next_part(steps, step, part, n_parts)


@inner
def fewest(steps, n_parts):
    """Twice the steps that all parts have ended."""
    least = read(steps, 0)
    for part in range(1, n_parts):
        least = min(least, read(steps, APART * part))
    return least


@compiled
def take(steps, step, part, n_parts):
    return next_part(steps, step, part, n_parts)


@compiled
def ended(steps, step, part):
    end_part(steps, step, part)


@compiled
def share_steps(board, address, steps, order, workers, n_parts, n_steps, n):
    share(board, 0, address, (steps, order, workers, n_parts, n_steps, n), n_parts)


@inner
def look(part, worker, job):
    """Nothing."""


@compiled
def share_all(board, address, counts, workers, n, n_parts):
    share(board, 0, address, (counts, workers, n), n_parts)


def done(function, board, n=200, n_parts=N_PARTS):
    """How often each part was done, and by whom, the last time."""
    counts, workers = np.zeros(N_PARTS + 1, np.int64), np.full(N_PARTS, -1)
    share_all(board, door(function, 1, 1, (counts, workers, 1)), counts, workers, n, n_parts)
    return counts, workers


@pytest.mark.parametrize("n_parts", [0, 1, 2, N_PARTS])
@pytest.mark.parametrize("n_jobs", [None, 1, 2, 3, 5])
def test_every_part_is_done_once(n_jobs, n_parts):
    for _ in range(50):
        with crew.helped(n_jobs, 8) as (board, n_workers):
            counts, workers = done(take_note, board, n_parts=n_parts)
        assert n_workers == (n_jobs or 1)
        assert (counts[:n_parts] == 1).all() and not counts[n_parts:].any()
        assert ((workers[:n_parts] >= 0) & (workers[:n_parts] < n_workers)).all()


def test_two_threads_are_in_two_parts_at_once():
    with crew.helped(2, 8) as (board, _):
        assert done(meet, board, 10**7, 2)[0][:2].tolist() == [1, 1]
    alone = new_board()
    assert done(meet, alone, 1000, 2)[0][:2].tolist() == [1, 0]  # control: one after the other


@pytest.mark.parametrize("n_parts", [1, 2, 3, 5])
@pytest.mark.parametrize("n_jobs", [None, 2, 3])
def test_no_part_of_a_step_begins_before_all_of_the_one_before_have_ended(n_jobs, n_parts):
    n_steps, n_helped, n_rounds, latest = 40, 0, 0, time.monotonic() + 60
    while n_rounds < 30 or n_helped == 0 and n_parts > 1 and n_jobs:  # control: helpers come, if rarely
        assert time.monotonic() < latest
        n_rounds += 1
        with crew.helped(n_jobs, 8) as (board, n_workers):
            steps, workers = np.zeros(APART * n_parts, np.int64), np.zeros(APART * 8, np.int64)
            order = np.zeros((n_steps, n_parts, 2), np.int64)
            address = door(go_step_by_step, 1, 1, (steps, order, workers, 1, 1, 1))
            share_steps(board, address, steps, order, workers, n_parts, n_steps, 100)
        assert (order[..., 1] == 1).all() and workers.sum() == n_steps * n_parts
        assert (order[..., 0] >= 2 * np.arange(n_steps)[:, None]).all()
        assert (steps[::APART] == 2 * n_steps).all() and not workers[APART * n_workers :].any()
        n_helped += workers[APART:].sum()


def test_a_thread_alone_takes_its_own_part_first_and_then_those_that_nobody_has_begun():
    steps = np.zeros(3 * APART, np.int64)
    for step in range(2):
        taken = [take(steps, step, 1, 3), take(steps, step, 1, 3)]
        steps[0] += 1  # another thread has begun the part that is left
        assert taken == [1, 2]
        for part in taken:
            ended(steps, step, part)
        steps[0] += 1
        assert take(steps, step, 1, 3) == -1
    assert steps[::APART].tolist() == [4, 4, 4]


def by(aside, n_jobs, counts, workers, n=200):
    """The worker that does a whole job."""
    call = callable_from_python(take_note, counts, workers, n)
    with crew.helped(n_jobs, 8) as (board, _):
        call(board, aside, (counts, workers, n))
    return workers[0]


def test_a_helper_does_a_job_aside():
    counts, workers = np.zeros(1, np.int64), np.zeros(1, np.int64)
    end, found = time.monotonic() + 60, set()
    while 1 not in found and time.monotonic() < end:  # it may have to be woken, and wants a free processor
        found.add(by(True, 2, counts, workers))
    assert 1 in found and {by(aside, n_jobs, counts, workers) for aside, n_jobs in ((False, 2), (True, 1))} == {0}
    n_before = counts[0]
    assert by(True, 2, counts, workers) in (0, 1) and counts[0] == n_before + 1


def test_helpers_that_sleep_are_woken():
    for _ in range(3):
        time.sleep(0.05)
        with crew.helped(2, 8) as (board, _):
            assert done(meet, board, 10**7, 2)[0][:2].tolist() == [1, 1]


def test_helpers_sleep_when_there_is_nothing():
    with crew.helped(2, 8) as (board, _):
        done(take_note, board)
    time.sleep(0.2)
    begun = time.process_time()
    time.sleep(0.5)
    assert time.process_time() - begun < 0.1
    with crew.helped(2, 8):  # control: while the board is open they look for work, if the processors are free
        begun, latest = time.process_time(), time.monotonic() + 60
        while time.process_time() - begun < 0.1:
            assert time.monotonic() < latest
            time.sleep(0.5)


def test_a_crew_helps_one_thread_at_a_time():
    with crew.helped(2, 8) as (board, n_workers), crew.helped(2, 8) as (other, n_others):
        assert (n_workers, n_others) == (2, 1) and other is not board
        assert (done(take_note, other)[1] == 0).all() and done(take_note, board)[0][:N_PARTS].all()
    with crew.helped(2, 8) as (again, n_workers):
        assert n_workers == 2 and again is board


def test_no_more_help_than_there_is_to_do():
    for n_jobs, most, expected in ((2, 1, 1), (3, 2, 2), (2, 3, 2), (None, 3, 1)):
        with crew.helped(n_jobs, most) as (_, n_workers):
            assert n_workers == expected


def test_one_crew_has_as_many_helpers_as_were_wanted_at_once():
    """Numbers of tiles vary; those who are not wanted take no part, though they may still look for work."""
    before = {thread.name for thread in threading.enumerate() if thread.name.startswith("rtrbm_helper")}
    for n in (5, 2, 4, 3, 5, 2):
        with crew.helped(5, n) as (board, n_workers):
            for _ in range(20):
                counts, workers = done(take_note, board)
                assert (counts[:N_PARTS] == 1).all() and (workers < n_workers).all()
    helpers = {thread.name for thread in threading.enumerate() if thread.name.startswith("rtrbm_helper")}
    assert len(helpers) == max(4, len(before))


def test_an_error_leaves_the_crew_free():
    with pytest.raises(KeyError):
        with crew.helped(2, 8):
            raise KeyError
    with crew.helped(2, 8) as (_, n_workers):
        assert n_workers == 2


def test_without_any_helper_all_is_done_by_the_caller():
    """Also where helpers were dismissed, as they are when the interpreter ends."""
    board = new_board()
    board[STOP] = 1
    serve(board, 1)  # returns at once
    counts, workers = done(take_note, board)
    assert counts[:N_PARTS].all() and (workers == 0).all()


def test_a_helper_does_not_look_for_work_for_ever():
    """Though the board is open: whoever opened it may be compiling."""
    board = new_board()
    assert serve(board, 1)  # control: closed, and some time has passed
    board[OPEN], board[WORKERS] = 1, 2
    assert not serve(board, 1)
    board[WORKERS] = 1
    assert serve(board, 1)  # who is not wanted does not stay
    asleep = crew._crew()._is_asleep
    with crew.helped(2, 8):
        end = time.monotonic() + 60
        while not asleep[0] and time.monotonic() < end:
            time.sleep(0.01)
        assert asleep[0]
    with crew.helped(2, 8) as (board, _):
        assert done(meet, board, 10**7, 2)[0][:2].tolist() == [1, 1]


def test_a_function_without_an_address_has_no_door():
    with pytest.raises(TypeError, match="look is called by compiled functions alone: decorate it with shared"):
        door(look, 1, 1, (np.zeros(1, np.int64), np.zeros(1, np.int64), 1))


def test_many_threads_work_beside_each_other():
    found = []

    def work():
        for _ in range(100):
            with crew.helped(2, 8) as (board, _):
                found.append(done(take_note, board)[0][:N_PARTS])

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 400 and (np.array(found) == 1).all()


def fitted(n_jobs):
    X = (np.random.default_rng(0).random((8, 60, 40)) < 0.1).astype(np.float32)
    return RTRBM(60, n_gibbs=2, n_updates=5, engine="numba", n_jobs=n_jobs, random_state=0, verbose=0).fit(X)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_child_has_helpers_of_its_own():
    expected = fitted(2).params_.W.tobytes()
    child = os.fork()
    if not child:
        os._exit(fitted(2).params_.W.tobytes() != expected)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_a_process_ends_while_helpers_look_for_work():
    code = """
import numpy as np
from rtrbm import RTRBM
X = (np.random.default_rng(0).random((8, 60, 40)) < 0.1).astype(np.float32)
RTRBM(60, n_updates=20, engine="numba", n_jobs=2, random_state=0, verbose=0).fit(X)
print("done")
"""
    for _ in range(5):
        ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300)
        assert (ended.returncode, ended.stdout) == (0, "done\n"), ended.stderr


# ------------------------------------------------------------------------------------ buffers at addresses


class Pair(NamedTuple):
    a: np.ndarray
    b: np.ndarray


pair_at = buffers.taking(lambda: Pair(np.zeros(1, np.float32), np.zeros(1, np.uint8)))


@compiled
def change(table, i, n):
    pair = pair_at(table, i)
    for j in range(n):
        pair.a[j] += pair.b[j]


def test_buffers_are_taken_from_their_addresses():
    pairs = [Pair(np.arange(n, dtype=np.float32), np.full(n + 1, n, np.uint8)) for n in (3, 5)]
    table = np.array([buffers.addresses(pair) for pair in pairs])
    for i, n in enumerate((3, 5)):
        change(table, i, n)
        np.testing.assert_array_equal(pairs[i].a, np.arange(n) + n)


def test_nobody_counts_references_to_a_buffer():
    def references():
        return [sys.getrefcount(a) for a in pair]

    pair = Pair(np.zeros(3, np.float32), np.zeros(4, np.uint8))
    before = references()
    table = buffers.addresses(pair)[None]
    for _ in range(100):
        change(table, 0, 3)
    assert references() == before


def test_threads_that_cannot_be_started_are_not_missed(monkeypatch):
    """A limit of the process: the caller does it all; once it is lifted, helpers are there."""
    mine = crew.Crew()
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", Mock(side_effect=RuntimeError("can't start new thread")))
        mine.open(3)
        assert not mine._wake and not mine._is_asleep
        counts, workers = done(take_note, mine.board)
        assert (counts[:N_PARTS] == 1).all() and (workers == 0).all()
        found = threads.run(lambda i: i + 1, list(range(5)), 3)
    assert found == [1, 2, 3, 4, 5]
    mine.open(2)
    assert len(mine._wake) == 2
    mine.dismiss()
