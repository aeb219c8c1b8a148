"""Claims: whatever exception comes between two steps, the next block of code can have the key."""

import contextlib
import itertools
import os
import sys
import threading
import time
import weakref

import pytest

from rtrbm.claims import Claim, Claims


class Interrupt(Exception):
    pass


def is_interrupted(block, codes, at, kept):
    """Call a function with an exception at the at-th line that is traced in these code objects; whether it came."""
    left, came = at, []

    def trace(frame, event, argument):
        nonlocal left
        if frame.f_code not in codes:
            return None
        left -= 1
        if left < 0 and not came:
            came.append(True)
            raise Interrupt
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        block()
    except Interrupt as error:
        kept.append(error)  # as a prompt keeps the last one, and the frames of its traceback
    finally:
        sys.settrace(before)
    return bool(came)


def codes_of(kind):
    functions = (getattr(function, "__wrapped__", function) for function in vars(kind).values() if callable(function))
    return {function.__code__ for function in functions}


class Forgetful(Claims):
    """A control: its claims count until they are taken back."""

    @contextlib.contextmanager
    def claimed(self, key):
        own = object()
        is_free = self._made.setdefault(key, own) is own
        try:
            yield is_free
        finally:
            if is_free:
                del self._made[key]


@pytest.mark.parametrize("kind, is_safe", [(Claims, True), (Forgetful, False)])
def test_an_exception_at_any_line_leaves_nothing_claimed(kind, is_safe):
    """As long as its traceback is kept, one that comes between the context and its block may."""
    n_held, n_lost, kept = 0, 0, []
    for at in itertools.count():
        claims = kind()

        def block(claims=claims):
            with claims.claimed("a") as is_free:
                assert is_free

        came = is_interrupted(block, codes_of(kind), at, kept)
        with claims.claimed("a") as is_free:
            n_held += not is_free
        kept.clear()
        with claims.claimed("a") as is_free:
            n_lost += not is_free
        if not came:
            break
    assert at > 4 and (n_held <= 1 and not n_lost) == is_safe


class Careless(Claims):
    """A control: whoever finds a maker gone takes the next place, though the first one may be free by now."""

    def _take(self, key, mine):
        for n in itertools.count():
            made = self._made.setdefault((key, n), mine)
            if made is mine:
                return key, n
            if made() is not None:
                return None


@pytest.mark.parametrize("kind, is_safe", [(Claims, True), (Careless, False)])
def test_threads_do_not_meet(kind, is_safe):
    claims, inside, met, end = kind(), [], [], time.monotonic() + (1.5 if is_safe else 30)

    def work():
        while time.monotonic() < end and not met:
            with claims.claimed("a") as is_free:
                if is_free:
                    inside.append(1)
                    time.sleep(0)
                    if len(inside) > 1:
                        met.append(1)
                    inside.pop()

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(before)
    assert bool(met) != is_safe


def test_a_lost_claim_is_passed_and_what_is_given_back_is_not():
    """Step by step: a thread finds the first one's claim, which is given back before the thread goes on."""
    claims = Claims()
    claims._made["a", 0] = weakref.ref(Claim())  # lost: its maker is gone
    with claims.claimed("a") as first, claims.claimed("a") as second:
        assert first and not second and list(claims._made) == [("a", 0)]  # which takes its place
    assert not claims._made

    lost = weakref.ref(Claim())
    claims._made["a", 0] = lost

    class GivenBack(dict):
        def setdefault(self, place, mine):
            found = super().setdefault(place, mine)
            if place == ("a", 0) and found is not mine and found() is None:
                self.pop(place)  # now
            return found

    claims._made = GivenBack(claims._made)
    with claims.claimed("a") as is_free:
        assert is_free and list(claims._made) == [("a", 0)]


def test_a_key_is_for_one_block_at_a_time():
    claims, found = Claims(), []

    def other():
        with claims.claimed("a") as is_free:
            found.append(is_free)

    with claims.claimed("a") as outer, claims.claimed("a") as inner:
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
    other()
    assert (outer, inner, found) == (True, False, [False, True])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no forks")
def test_a_child_has_the_claims_of_its_thread_alone():
    claims, begun, end = Claims(), threading.Event(), threading.Event()

    def other():
        with claims.claimed("others"):
            begun.set()
            end.wait()

    thread = threading.Thread(target=other)
    thread.start()
    begun.wait()
    with claims.claimed("own"):
        claims.after_fork()
        with claims.claimed("others") as theirs, claims.claimed("own") as own:
            assert theirs and not own
    end.set()
    thread.join()
