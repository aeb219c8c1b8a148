"""Power failures amid checkpoints, simulated: what was not written through to the disk is gone, or half there.

    python -m tests.faults.power --n 300

The calls by which a checkpoint changes the folder are recorded, with the content of the files at each `fsync`. After
any number of them the power fails. Of a file that stays everything up to its last `fsync`; what was written since is
there, missing, cut or zeros. Of the entries of the folder all up to its last `fsync` stay, and any part of those since,
in any order. Prints one line: failures, and those after which no checkpoint can be read though one was complete, or one
that is not a state of the run.
"""

import os
import sys
import tempfile
import warnings
from pathlib import Path
from unittest import mock

import numpy as np

import rtrbm
from rtrbm import RTRBM
from tests.faults.common import EVERY, SETTINGS, X, bits, parser

N_UPDATES = 12


class Recorder:
    """The calls that change a folder: (what, arguments) with the content of files, in order."""

    def __init__(self, folder, is_synced):
        self.folder, self.events, self.is_synced = os.path.realpath(folder), [], is_synced
        self.real = {name: getattr(os, name) for name in ("replace", "rename", "link", "unlink", "remove", "fsync")}

    def __enter__(self):
        self._patches = [mock.patch.object(os, name, self._called(name)) for name in self.real]
        for patch in self._patches:
            patch.start()
        return self

    def __exit__(self, *exception):
        for patch in self._patches:
            patch.stop()

    def _called(self, name):
        def call(first, *others, **keywords):
            before = self._content(first) if name != "fsync" else None
            result = self.real[name](first, *others, **keywords)
            if name == "fsync" and self.is_synced:
                path = os.readlink(f"/proc/self/fd/{first}")
                if path == self.folder:
                    self.events.append(("sync folder",))
                elif os.path.dirname(path) == self.folder:
                    self.events.append(("sync", os.path.basename(path), self._content(path)))
            elif before is not None:
                names = [os.path.basename(os.fspath(path)) for path in (first, *others[:1])]
                self.events.append((name, *names, before))
            return result

        return call

    def _content(self, path):
        path = os.fspath(path) if not isinstance(path, int) else ""
        if os.path.dirname(os.path.realpath(path)) != self.folder or not os.path.isfile(path):
            return None
        return Path(path).read_bytes()

    def mark(self, n_updates):
        """A checkpoint is complete."""
        self.events.append(("done", n_updates))


def lost_in_part(content, rng):
    """Content that was not written through, as the disk may have it."""
    kind, n = rng.integers(4), int(rng.integers(len(content) + 1))
    return [content, b"", content[:n], content[:n] + bytes(len(content) - n)][kind]


def crashed(events, rng):
    """The folder after a power failure behind these events: content by name, and the updates of the last checkpoint."""
    synced, disk, waiting, done, content = {}, {}, [], 0, {}
    for what, *rest in events:
        if what == "done":
            done = rest[0]
        elif what == "sync":
            content[rest[0]] = synced[rest[0]] = rest[1]
        elif what == "sync folder":
            for change in waiting:
                change(disk)
            waiting = []
        elif what in ("unlink", "remove"):
            name = rest[0]
            waiting.append(lambda folder, name=name: folder.pop(name, None))
            synced.pop(name, None)
        else:
            source, target, data = rest
            kept = synced.get(source)
            data = data if kept == data else lost_in_part(data, rng)
            moves = what != "link"

            def change(folder, source=source, target=target, data=data, moves=moves):
                folder[target] = data
                if moves:
                    folder.pop(source, None)

            waiting.append(change)
            if kept is not None:
                synced[target] = kept
                if moves:
                    del synced[source]
    for i in sorted(rng.permutation(len(waiting))[: rng.integers(len(waiting) + 1)]):
        waiting[i](disk)
    return disk, done


def main(arguments=None):
    options = parser(__doc__, 300)
    options.add_argument("--no-sync", action="store_true", help="leave out every fsync, a control that must lose some")
    options = options.parse_args(arguments)
    rng, whole, bad = np.random.default_rng(options.seed), {}, 0
    settings = SETTINGS | {"n_updates": N_UPDATES}
    RTRBM(**settings).fit(X, callbacks=[lambda model: whole.__setitem__(model.n_updates_, bits(model))])
    with tempfile.TemporaryDirectory() as folder:
        with Recorder(folder, not options.no_sync) as recorder:
            model = RTRBM(**settings)
            write = model._checkpoint

            def save(path):
                write(path)
                recorder.mark(model.n_updates_)

            model._checkpoint = save
            model.fit(X, checkpoint=Path(folder, "run.h5"), checkpoint_every=EVERY)
        for _ in range(options.n):
            n = int(rng.integers(len(recorder.events) + 1))
            bad += not is_safe(*crashed(recorder.events[:n], rng), whole)
    print(f"power: {options.n} failures in {len(recorder.events)} calls, {bad} lost")
    return int(bad > 0)


def is_safe(disk, done, whole):
    """Whether a run that goes on from that folder does so from its last complete checkpoint, or a later one."""
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, content in disk.items():
            Path(folder, name).write_bytes(content)
        path = Path(folder, "run.h5")
        if not done:
            return True
        try:
            model = rtrbm.load(path)
        except Exception:
            return False
        return model.n_updates_ >= done and bits(model) == whole[model.n_updates_]


if __name__ == "__main__":
    sys.exit(main())
