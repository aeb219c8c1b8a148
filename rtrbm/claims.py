"""Claims: what one block of code has at a time, and gives back when it ends in whatever way.

An exception may come between any two steps of Python, by Ctrl-C say, and so between a lock and the block that is to
unlock it. A claim counts only as long as the object that made it is there, which goes with its block. A claim that was
not taken back is passed by others.
"""

import contextlib
import itertools
import threading
import weakref


class Claim:
    """Made by a block of code.

    Attributes
    ----------
    thread : int
        That of the block.
    """

    def __init__(self):
        self.thread = threading.get_ident()


class Claims:
    """Keys that have been claimed.

    Examples
    --------
    >>> claims = Claims()
    >>> with claims.claimed("a") as first, claims.claimed("a") as second, claims.claimed("b") as other:
    ...     first, second, other
    (True, False, True)
    """

    def __init__(self):
        self._made = {}

    @contextlib.contextmanager
    def claimed(self, key, refusal=None):
        """Context of whether the key is this block's, which it is if nobody else has claimed it.

        If it is not, and there is a `refusal`, what refusal() returns is raised.
        """
        own, place = Claim(), None
        try:
            try:
                place = self._take(key, weakref.ref(own))
                if place is None and refusal is not None:
                    raise refusal()
                yield place is not None
            finally:
                self._made.pop(place, None)  # before its maker is gone, see `_take`
        finally:
            own = None  # whoever keeps a traceback keeps this frame

    def _take(self, key, mine):
        """Where the claim is kept; None if the key has one that counts.

        It is made behind those whose makers are gone. If these are still in their places, they are lost, and it takes
        the place of the first. If one is not, it was given back, and the place may be another's by now.
        """
        if self._made.setdefault((key, 0), mine) is mine:  # the usual case: nobody has come before
            return key, 0
        while True:
            passed = []
            for n in itertools.count():
                made = self._made.setdefault((key, n), mine)  # one step, which no thread can come into
                if made is mine:
                    break
                if made() is not None:
                    return None
                passed.append(made)
            if all(self._made.get((key, i)) is lost for i, lost in enumerate(passed)):
                break
            self._made.pop((key, n), None)
        self._made[key, 0] = mine  # whoever has passed the lost one that was here finds another now
        for i in range(n, 0, -1):
            self._made.pop((key, i), None)
        return key, 0

    def after_fork(self):
        """In a child, of the threads only this one goes on."""
        for place, made in list(self._made.items()):
            if getattr(made(), "thread", None) != threading.get_ident():
                del self._made[place]
