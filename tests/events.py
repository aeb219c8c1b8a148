"""What happens in the midst of an update: binary units that tell a test when an update has begun."""

import os
import signal

from rtrbm import RTRBM
from rtrbm.rbm import Bernoulli


class Eventful(Bernoulli):
    """Binary units that call `event` whenever the RBM takes data: in an update, before its chain.

    In files and messages they are binary units, and so are they to a model without the event.
    """

    name = "bernoulli"

    def __init__(self, event):
        object.__setattr__(self, "event", event)

    def inward(self, v, own):
        self.event()
        return v


def eventful(event, at=0, kind=RTRBM, **settings):
    """A model in the midst of whose update `at` the event happens; `Bernoulli()` units are those of its files."""

    def happens():
        if getattr(model, "n_updates_", None) == at:
            event()

    model = kind(**settings, visible=Eventful(happens))
    return model


def interrupt():
    """Ctrl-C."""
    os.kill(os.getpid(), signal.SIGINT)


class PowerFailure(Exception):
    """What ends a run without a word, in the midst of an update."""


def power_failure():
    raise PowerFailure
