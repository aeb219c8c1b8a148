"""Hostile model files, with digests that fit: none may crash, hang or fill the process that loads it, or read a file.

    python -m tests.faults.hostile [--n 2000] [--seed 0]

`rtrbm.load`, `rtrbm info` and `rtrbm report --watch` read each. That may take 2 seconds of processors, those of a child
too, and 100 MB more than the process took before. What only waits is a hang after 20 seconds. Files that Python opens
are traced by an audit hook. A file that the hostile ones point to shows by the time of its last access whether HDF5 has
read it.
"""

import hashlib
import io
import json
import os
import pathlib
import random
import re
import sys

import h5py
import numpy as np

from rtrbm import probe
from rtrbm.report import live
from rtrbm.report.described import described
from tests.faults import cases, models

SECONDS, MEMORY = 2, 100  # MB
HEADER = 512
HUGE = 10**9, 2**31, 2**62, 2**63, 2**64, 10**30, -1, 10**12
WRONG = (
    None,
    True,
    1.5,
    "text",
    [],
    {},
    [[]],
    "é\ud800",
    "\x1b[31m",
    "x" * 10_000,
    {"kind": "cd"},
    {"schedule": [[0, 1]]},
)
SHAPES = [
    [10**9],
    [2**62, 2**62],
    [-1],
    [0, 10**15],
    [1] * 40,
    [True, 2],
    [1.0],
    "3",
    [10**30],
    [2, 3, 4, 5, 6, 7, 8, 9],
]
KINDS = ["|O", "<f8", "<c16", "|V8", "<U99999999", "|S999999", "|S0", "f8", ">f4", "<m8[s]", "(2,3)<f8", "", "<f16"]
_opened = []


def note(event, arguments):
    """The audit hook: files that are opened, but for Python's own modules."""
    if event == "open" and isinstance(arguments[0], str | bytes | os.PathLike):
        name = os.path.abspath(os.fsdecode(arguments[0]))
        if not name.endswith((".py", ".pyc", ".so")) and not name.startswith(("/proc/", "/dev/null")):
            _opened.append(os.path.basename(name))


# ------------------------------------------------------------------------------------------- version 3


def sealed(rest, table):
    """A file of version 3 with a fitting header, of its bytes from the header on and the bytes of its table."""
    rest += table
    fields = f"sha256 {hashlib.sha256(rest).hexdigest()}\nbytes {len(rest)}\ntable {len(table)}\n"
    return f"rtrbm model, version 3\n{fields}".encode().ljust(HEADER - 1) + b"\n" + rest


def parts(data):
    """The bytes of a file between header and table, and the table."""
    n = int(re.search(rb"\ntable (\d+)\n", data[:HEADER])[1])
    return data[HEADER:-n], json.loads(data[-n:])


def groups(table):
    """All groups of a table."""
    yield table
    for value in table.values():
        if isinstance(value, dict):
            yield from groups(value)


def somewhere(table, rng, kind):
    """A group of a table and the name of a member of that kind."""
    found = [(group, name) for group in groups(table) for name, value in group.items() if isinstance(value, kind)]
    return rng.choice(found)


def other_array(table, rng):
    group, name = somewhere(table, rng, list)
    kind, shape, offset = group[name]
    group[name] = rng.choice([
        [rng.choice(KINDS), shape, offset],
        [kind, rng.choice(SHAPES), offset],
        [kind, shape, rng.choice([*HUGE, 0, 1, 1.5, "0", None, True])],
        [kind, shape],
        [kind, [rng.choice(HUGE), *shape], offset],
        rng.choice(WRONG),
    ])  # fmt: skip


def other_value(table, rng):
    group, name = somewhere(table, rng, (str, list, dict))
    if rng.random() < 0.3:
        del group[name]
    else:
        group[name] = rng.choice([*WRONG, *HUGE])


def other_name(table, rng):
    group, name = somewhere(table, rng, (str, list, dict))
    group[rng.choice(["new", "", "../W", "/", "W" * 1000, "layer_1", "layer_99999", "__class__"])] = rng.choice(
        [["<f8", [10**9], 600], ["<f8", [0], 0], group[name], {}, {"x": {"y": {"z": ["<f8", [2], 600]}}}]
    )


def other_settings(table, rng):
    found = [group for group in groups(table) if isinstance(group.get("hyper_parameters"), str)]
    group = rng.choice(found)
    name = rng.choice(["hyper_parameters", "progress"])
    values = json.loads(group[name])
    chosen = rng.choice(sorted(values))
    betas = {"kind": "tempered", "k": 1, "n_chains": rng.choice(HUGE), "betas": [0] * 10_000 + [1]}
    values[chosen] = rng.choice([*HUGE, *WRONG, betas, [1] * 10_000, float("nan"), float("inf"), [["a"] * 99] * 99])
    if rng.random() < 0.2:
        del values[chosen]
    group[name] = json.dumps(values)


def other_text(table, rng):
    """JSON that no writer makes, as the table or within it."""
    n = rng.choice([900, 10_000, 300_000])
    bomb = rng.choice([
        "[" * n + "]" * n, '{"a":' * n + "1" + "}" * n, '{"a": 1, "a": 2}', "NaN", '{"a": NaN}', "1" * n, "{}" * n, "",
        '{"a": -Infinity}', '{"a": ' + "9" * 5000 + "}", '"' + "\\ud800" * 9 + '"', "[" + "[]," * n + "[]]", "[1e999]",
        '{"a": [' + "{}," * n + "{}]}", "\ufeff{}",
    ])  # fmt: skip
    if rng.random() < 0.5:
        group = rng.choice([group for group in groups(table) if "progress" in group])
        group[rng.choice(["hyper_parameters", "progress"])] = bomb
        return None
    return bomb.encode(rng.choice(["utf-8", "utf-16", "latin-1", "utf-32"]), "replace")


def other_numbers(rest, table, rng):
    """Numbers that training cannot leave."""
    group, name = somewhere(table, rng, list)
    kind, shape, offset = group[name]
    dtype = np.dtype(kind)
    if dtype.kind not in "iuf" or not all(shape):
        return rest
    values = np.array(rng.choice([np.nan, np.inf, -np.inf, -1, 1e38]) if dtype.kind == "f" else -(2**31)).astype(dtype)
    n = int(np.prod(shape))
    at = offset - HEADER + dtype.itemsize * rng.randrange(n)
    return rest[:at] + values.tobytes() + rest[at + dtype.itemsize :]


def version_3(data, rng):
    rest, table = parts(data)
    change = rng.choice([other_array, other_value, other_name, other_settings, other_text, other_numbers, None])
    if change is None:
        rest += rng.randbytes(rng.choice([1, 100, 10**6])) * rng.choice([1, 20])  # which nothing points to
    elif change is other_numbers:
        rest = other_numbers(rest, table, rng)
    else:
        found = change(table, rng)
        if found is not None:
            return sealed(rest, found)
    try:
        return sealed(rest, json.dumps(table).encode())
    except ValueError:
        return sealed(rest, b"{}")


# -------------------------------------------------------------------------------------- versions 1 and 2


def old(data, version, change):
    """A file of version 1 or 2 that holds what one of version 3 does, once `change(file)` has been at it."""
    image = io.BytesIO()
    with (
        h5py.File(io.BytesIO(data), "r") as source,
        h5py.File(image, "w", userblock_size=HEADER * (version - 1)) as file,
    ):
        for name in source:
            source.copy(name, file)
        file.attrs.update(source.attrs)
        for group in [file, *(file[name] for name in file)]:
            if "format" in group.attrs:
                group.attrs["format"] = f"rtrbm model, version {version}"
        change(file)
    return image.getvalue()


def resealed(data):
    """A file of version 2 with a header that fits."""
    rest = data[HEADER:]
    text = f"rtrbm model, version 2\nsha256 {hashlib.sha256(rest).hexdigest()}\nbytes {len(rest)}\n"
    return text.encode().ljust(HEADER - 1) + b"\n" + rest


def tricks(file, rng, bait):
    """Replace a group or dataset by one that reads other files, or declares more than there is."""
    name = rng.choice(["params/W", "params", "optimizer", "history/gradient_norm", "new", "params/new", "layer_1"])
    if name in file:
        del file[name]
    trick = rng.randrange(12)
    if trick == 0:
        file[name] = h5py.ExternalLink(bait, "/W")
    elif trick == 1:
        file[name] = h5py.SoftLink(rng.choice([f"/{name}", "/", "/absent"]))
    elif trick == 2:
        file.create_dataset(name, (2, 3), "f8", external=[(bait, 0, 48)])
    elif trick == 3:
        layout = h5py.VirtualLayout((3, 2), "f4")
        layout[:] = h5py.VirtualSource(bait, "W", (3, 2))
        file.create_virtual_dataset(name, layout)
    elif trick == 4:
        file.create_dataset(name, (10**9,), "f8", chunks=(2**20,), compression="gzip")
    elif trick == 5:
        file.create_dataset(name, (2**40,), "f8")
    elif trick == 6:
        values = np.zeros(2**21)
        file.create_dataset(name, data=values, chunks=values.shape, compression="gzip")
    elif trick == 7:
        group = file.create_group(name)
        group["again"] = group
        file["round"] = file["/"]
    elif trick == 8:
        group = file.require_group(name)
        for i in range(rng.choice([50, 3000])):
            group = group.create_group("g") if i < 500 else group
            group.attrs[f"a{i}"] = "x" * 100
    elif trick == 9:
        file[name] = np.array([file["/"].ref] * 3, h5py.ref_dtype)
    elif trick == 10:
        file[name] = ["text" * 1000] * 1000
    else:
        file.attrs[rng.choice(["model", "hyper_parameters", "progress", "format"])] = rng.choice(
            ["x" * 60_000, "{}", "[" * 30_000, np.zeros(1000), 3]
        )


def earlier(data, rng, bait):
    version = rng.choice([1, 2])
    if rng.random() < 0.5:
        found = old(data, version, lambda file: tricks(file, rng, bait))
    else:
        found = bytearray(old(data, version, lambda file: None))
        for _ in range(rng.choice([1, 3, 30])):
            at = rng.randrange(HEADER * (version - 1), len(found))
            n = rng.choice([1, 8, 100])
            found[at : at + n] = rng.choice([bytes(n), b"\xff" * n, rng.randbytes(n)])
    return resealed(found) if version == 2 else found


# ------------------------------------------------------------------------------------------- the cases


def special(path, rng):
    """What is no file, or larger than any memory."""
    kind = rng.choice(["pipe", "device", "folder", "sparse", "loop", "header"])
    if kind == "pipe" and hasattr(os, "mkfifo"):
        os.mkfifo(path)
    elif kind == "device" and os.path.exists("/dev/zero"):
        os.symlink("/dev/zero", path)
    elif kind == "folder":
        os.mkdir(path)
    elif kind == "loop":
        os.symlink(path, path)
    else:
        n = 2**40
        table = f"table {rng.choice([10, 2**21, 2**30])}\n" if kind == "header" else ""
        with open(path, "wb") as file:
            file.write(f"rtrbm model, version 3\nsha256 {'0' * 64}\nbytes {n}\n{table}".encode().ljust(511) + b"\n")
            file.truncate(HEADER + n)


def removed(path):
    if os.path.isdir(path) and not os.path.islink(path):
        os.rmdir(path)
    elif os.path.lexists(path):
        os.unlink(path)


def memory(name):
    """MB of memory in use ("VmRSS"), or of the most since `forget` ("VmHWM"); 0 where the system does not tell."""
    try:
        with open("/proc/self/status") as file:
            return next(int(line.split()[1]) / 1024 for line in file if line.startswith(name))
    except OSError:
        return 0


def forget():
    """Begin anew with the most memory in use."""
    try:
        with open("/proc/self/clear_refs", "w") as file:
            file.write("5")
    except OSError:
        pass


def told(path):
    """What `rtrbm info` finds in a file, and None; or None and the error."""
    try:
        return described(path), None
    except (ValueError, FileNotFoundError) as error:
        return None, error


def drawn(path):
    """What `rtrbm report --watch` finds in a file, and None; or None and the error."""
    try:
        return live._read(pathlib.Path(path)), None
    except (ValueError, FileNotFoundError) as error:
        return None, error


def main(folder, seed):
    files = models.files(folder)
    known = {name: models.loaded(f"{folder}/{name}.h5")[0] for name in files}
    bait = f"{folder}/bait.h5"
    with h5py.File(bait, "w") as file:
        file["W"] = np.zeros((3, 2), "f4")
    os.utime(bait, ns=(10**18, 2 * 10**18))  # it is read if the first of them changes
    with open("old.h5", "wb") as file:
        file.write(resealed(old(files["best"], 2, lambda file: None)))
    for reader in (told, drawn, models.loaded):
        assert reader("old.h5")[0] is not None  # control, and all modules are imported
    sys.addaudithook(note)
    probe.START = 20

    def case(i):
        rng = random.Random(f"{seed}/{i}")
        name, kind = rng.choice(sorted(files)), rng.random()
        removed("hostile.h5")
        if kind < 0.02:
            special("hostile.h5", rng)
        else:
            content = version_3(files[name], rng) if kind < 0.7 else earlier(files[name], rng, bait)
            with open("hostile.h5", "wb") as file:
                file.write(content)
            del content
        outcome = None
        for reader in (told, drawn, models.loaded):
            forget()
            before, start = memory("VmRSS"), sum(os.times()[:4])
            _opened.clear()
            found, error = reader("hostile.h5")
            took, opened = sum(os.times()[:4]) - start, set(_opened) - {"hostile.h5"}
            if os.stat(bait).st_atime_ns != 10**18 or opened:
                outcome = f"OPENED {opened}".upper().replace(" ", "-")
            elif memory("VmHWM") - before > MEMORY:
                outcome = "MEMORY"
            elif took > SECONDS:
                outcome = "SLOW"
        return outcome or ("refused" if error else "same" if found == known[name] else "loaded")

    return case


if __name__ == "__main__":
    cases.run(main, __doc__.splitlines()[0], 2000, 20)
