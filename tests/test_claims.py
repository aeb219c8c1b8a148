"""Claims: whatever exception comes between two steps, the next block of code can have the key."""

import contextlib
import itertools
import os
import sys
import threading

import pytest

from rtrbm.claims import Claims


class Interrupt(Exception):
    pass


def is_interrupted(block, codes, at):
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
    except Interrupt:
        pass
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


@pytest.mark.parametrize("kind, n_lost", [(Claims, range(1)), (Forgetful, range(1, 9))])
def test_an_exception_at_any_line_leaves_nothing_claimed(kind, n_lost):
    lost = 0
    for at in itertools.count():
        claims = kind()

        def block(claims=claims):
            with claims.claimed("a") as is_free:
                assert is_free

        came = is_interrupted(block, codes_of(kind), at)
        with claims.claimed("a") as is_free:
            lost += not is_free
        if not came:
            break
    assert at > 4 and lost in n_lost


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
