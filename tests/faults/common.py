"""What the scripts of faults share: a tiny run, the process that makes it, and what it should have become."""

import argparse
import os
import select
import subprocess
import sys
import time
import traceback
from pathlib import Path
from typing import NamedTuple

import numpy as np

from rtrbm import RTRBM

ROOT = Path(__file__).parents[2]
N_UPDATES, EVERY = 60, 3
SETTINGS = {
    "n_hidden": 8, "n_gibbs": 1, "batch_size": 4, "learning_rate": 0.02, "n_updates": N_UPDATES, "engine": "numpy",
    "n_jobs": 1, "random_state": 0,
}  # fmt: skip
X = (np.random.default_rng(0).random((16, 6, 10)) < 0.4).astype(np.float32)


def parser(description, n):
    options = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--n", type=int, default=n, help=f"how many (default: {n})")
    options.add_argument("--seed", type=int, default=0, help="default: 0")
    return options


def bits(model):
    """Parameters, optimiser's state and history, as something that `==` compares."""
    parts = [part if isinstance(part, tuple) else [part] for part in (model.params_, *model.optimizer_state_)]
    arrays = [array for part in parts for array in part]
    return model.n_updates_, [None if a is None else np.asarray(a).tobytes() for a in arrays], model.history_


def uninterrupted():
    """The bits of the run after every update."""
    found = {}
    RTRBM(**SETTINGS).fit(X, callbacks=[lambda model: found.__setitem__(model.n_updates_, bits(model))])
    return found


def leftovers(folder):
    """Names in the folder of run.h5 that are neither it nor the checkpoint before: temporary files, and locks."""
    return sorted(set(os.listdir(folder)) - {"run.h5", "run.h5.before"})


class Told(NamedTuple):
    """What a process told before it ended: update: the last one made; begun, done: updates of its last saves."""

    update: int = 0
    begun: int = 0
    done: int = 0

    @classmethod
    def of(cls, text):
        last = {"u": 0, "b": 0, "d": 0}
        for line in text.split():
            last[line[0]] = int(line[1:])
        return cls(last["u"], last["b"], last["d"])


def train(path, pipe, pause=0.0, wait=0.0, **settings):
    """The run, which tells every update and the begin and the end of every save."""
    time.sleep(wait)
    model = RTRBM(**SETTINGS | settings)

    def tell(what):
        os.write(pipe, f"{what}{getattr(model, 'n_updates_', 0)}\n".encode())

    def updated(model):
        tell("u")
        time.sleep(pause)

    write = model._checkpoint

    def save(path):
        tell("b")
        write(path)
        tell("d")

    model._checkpoint = save
    model.fit(X, checkpoint=path, checkpoint_every=EVERY, resume=True, callbacks=[updated])


class Child:
    """A process that trains: a fork of this one, which is quick to make, or a Python that is started anew."""

    def __init__(self, path, is_fresh=False, **options):
        self.pipe, end = os.pipe()
        self.text = ""
        if is_fresh:
            code = f"from tests.faults.common import train; train({str(path)!r}, {end}, **{options!r})"
            environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore"}
            process = subprocess.Popen(
                [sys.executable, "-c", code], pass_fds=[end], env=environment, cwd=ROOT, stderr=subprocess.DEVNULL
            )
            process.returncode = 0  # it is waited for here
            self.pid = process.pid
        else:
            sys.stdout.flush()
            self.pid = os.fork()
            if not self.pid:
                os.close(self.pipe)
                os._exit(_outcome(lambda: train(path, end, **options)))
        os.close(end)

    def read(self, until=None):
        """Read what it tells, until a text comes or its end."""
        while until is None or until not in self.text:
            got = os.read(self.pipe, 1 << 16).decode()
            if not got:
                break
            self.text += got

    def is_writing(self):
        """Whether it is inside a write now."""
        while select.select([self.pipe], [], [], 0)[0] and (got := os.read(self.pipe, 1 << 16).decode()):
            self.text += got
        return self.text.rfind("b") > self.text.rfind("d")

    def wait(self):
        """Its status, and what it told."""
        self.read()
        os.close(self.pipe)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1]), Told.of(self.text)


def _outcome(function):
    import warnings

    warnings.simplefilter("ignore")
    try:
        function()
    except KeyboardInterrupt:
        return 130
    except BaseException:
        traceback.print_exc()
        return 1
    return 0
