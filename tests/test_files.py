"""The format of model files: what is written is read back, anything else is refused with its cause."""

import errno
import hashlib
import io
import json
import os
import random
import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np
import pytest
from helpers import altered, files_up_to, whole as read

from rtrbm import machine, replacing as writing
from rtrbm.replacing import before, check_path, replacing
from rtrbm.training import files
from rtrbm.training.files import Contents, write, write_stack
from rtrbm.training.restored import restored

ROOT = Path(files.__file__).parents[2]


class Params(NamedTuple):
    W: np.ndarray
    b_v: np.ndarray
    U: np.ndarray = None
    b_init: np.ndarray = None


class Moments(NamedTuple):
    n_steps: np.ndarray
    gradient: Params


def contents(model="RTRBM", seed=0):
    """Contents with all that a group can hold: nested tuples, scalars, texts, empty arrays, values that are None."""
    rng = np.random.default_rng(seed)
    params = Params(rng.standard_normal((4, 3)), rng.standard_normal(4).astype("f4"), U=rng.standard_normal((3, 3)))
    return Contents(
        model,
        {"n_hidden": 3, "n_gibbs": {"0": 1, "5": 2}, "max_norm": None, "visible": "bernoulli"},
        {"n_updates": 12, "seed": 2**100},
        {
            "params": params,
            "optimizer": Moments(np.int64(12), params),
            "history": {"gradient_norm": rng.random(12), "n_gibbs": np.arange(12), "learning_rate": np.empty(0)},
            "data": {"fingerprint": "é 0123abc", "scale": np.ones(4)},
            "chains": None,
        },
    )


def plain(value):
    """Contents as nested dicts of comparable values, without what is None."""
    if hasattr(value, "_asdict"):
        value = value._asdict()
    if isinstance(value, dict):
        return {name: plain(item) for name, item in value.items() if item is not None}
    if isinstance(value, tuple):
        return tuple(map(plain, value))
    if isinstance(value, np.ndarray | np.generic):
        return value.dtype.str, value.shape, value.tobytes()
    return value


def same(a, b):
    return isinstance(a, Contents) and isinstance(b, Contents) and plain(a[:4]) == plain(b[:4])


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.h5"


@pytest.fixture
def saved(path):
    write(path, contents())
    return path


@pytest.fixture
def stack(tmp_path):
    write_stack(tmp_path / "stack.h5", "Stack", [contents(seed=i) for i in range(12)])
    return tmp_path / "stack.h5"


def refused(path, match, model=None):
    """The file is refused with a ValueError that names it and gives the cause."""
    with pytest.raises(ValueError, match=match) as caught:
        read(path, model)
    assert repr(os.fspath(path)) in str(caught.value)


# --------------------------------------------------------------------------------------- round trip


def test_what_is_written_is_read(saved):
    assert same(read(saved), contents()) and same(read(saved, "RTRBM"), contents())
    assert not same(read(saved), contents(seed=1))  # control


def test_none_is_left_out(saved):
    groups = read(saved).groups
    assert "chains" not in groups
    assert set(groups["params"]) == set(groups["optimizer"]["gradient"]) == {"W", "b_v", "U"}


def test_a_stack_is_read_in_its_order(stack):
    for layers in (read(stack), read(stack, "Stack")):
        assert len(layers) == 12
        assert all(same(layer, contents(seed=i)) for i, layer in enumerate(layers))


def test_the_class_counts_if_one_is_given(saved, stack):
    refused(saved, "class TRBM, .* holds RTRBM", "TRBM")
    refused(stack, "class TRBM, .* holds Stack", "TRBM")
    with pytest.raises(ValueError, match="class Stack, .* holds RTRBM"):
        read(saved, "Stack")


def test_the_same_model_gives_the_same_bytes(saved, tmp_path):
    write(tmp_path / "other.h5", contents())
    assert (tmp_path / "other.h5").read_bytes() == saved.read_bytes()


def test_a_reader_leaves_what_it_does_not_know(saved, stack):
    def add(file):
        file.attrs["new"], file["new_array"] = 1, np.ones(3)
        file["params"].attrs["new"] = 3

    altered(saved, add)
    altered(stack, lambda file: file.create_group("notes"))
    assert same(read(saved), contents()) and len(read(stack)) == 12


# ------------------------------------------------------------------------------------------- header


def parts(path):
    """The lines of a file's header, all behind it, and the table at its end."""
    data = path.read_bytes()
    header, rest = data[:512].decode("ascii"), data[512:]
    return header, rest, json.loads(rest[-int(header.splitlines()[3].split()[1]) :])


def test_the_header_is_readable(saved):
    header, rest, table = parts(saved)
    lines = ["rtrbm model, version 3", f"sha256 {hashlib.sha256(rest).hexdigest()}", f"bytes {len(rest)}"]
    assert header.splitlines()[:3] == lines and header.splitlines()[3].startswith("table ")
    assert header.endswith("\n") and not "".join(header.splitlines()[4:]).strip()
    assert rest.startswith(b"\x89HDF\r\n\x1a\n")


def test_the_table_tells_where_arrays_are(saved):
    """All of them are where HDF5 finds them too."""
    data, (_, _, table) = saved.read_bytes(), parts(saved)
    assert table["model"] == "RTRBM" and table["data"]["fingerprint"] == "é 0123abc"
    assert json.loads(table["progress"]) == {"n_updates": 12, "seed": 2**100}
    found = []

    def compare(group, names):
        for name, value in group.items():
            if isinstance(value, dict):
                compare(value, [*names, name])
            elif isinstance(value, list):
                (kind, shape, offset), there = value, file["/".join([*names, name])][()]
                n = np.dtype(kind).itemsize * int(np.prod(shape))
                assert np.frombuffer(data[offset : offset + n], kind).reshape(shape).tobytes() == there.tobytes()
                found.append(name)

    with h5py.File(saved) as file:
        compare(table, [])
    assert len(found) == 11


def test_h5py_opens_the_file_as_it_is(saved):
    with h5py.File(saved, "r") as file:
        assert file.userblock_size == 512
        assert file.attrs["format"] == "rtrbm model, version 3" and file.attrs["model"] == "RTRBM"
        assert json.loads(file.attrs["progress"]) == {"n_updates": 12, "seed": 2**100}
        np.testing.assert_array_equal(file["optimizer/gradient/U"][()], contents().groups["params"].U)
        assert file["data"].attrs["fingerprint"] == "é 0123abc"


def test_nothing_in_a_file_is_pickled(saved):
    with h5py.File(saved, "r") as file:
        kinds = []
        file.visititems(lambda name, item: kinds.append(item.dtype.kind) if hasattr(item, "dtype") else None)
    assert kinds and set(kinds) <= set("iuf")


# ------------------------------------------------------------------------- a table that fits its digest


def with_table(path, table):
    """The file with another table and a header that fits, as someone makes it who knows the format."""
    data = path.read_bytes()
    rest = data[512 : -int(re.search(rb"table (\d+)", data)[1])] + table
    fields = f"sha256 {hashlib.sha256(rest).hexdigest()}\nbytes {len(rest)}\ntable {len(table)}\n"
    text = f"rtrbm model, version 3\n{fields}"
    path.write_bytes(text.encode().ljust(511) + b"\n" + rest)


def test_a_table_can_be_replaced(saved):
    """Control of those below."""
    with_table(saved, json.dumps(parts(saved)[2], indent=1).encode())
    assert same(read(saved), contents())


@pytest.mark.parametrize(
    "table, reason",
    [
        (b"", "its JSON cannot be read"),
        (b"[]", "its JSON is no object"),
        (b'{"a": "\xff"}', "its JSON cannot be read: 'utf-8' codec"),
        (b'{"a": 1, "a": 2}', "its JSON cannot be read: a name comes twice"),
        (b'{"a": NaN}', "its JSON cannot be read: NaN is no number"),
        (b'{"a": -Infinity}', "its JSON cannot be read: -Infinity is no number"),
        (b'{"a": ' + b"9" * 10_000 + b"}", "its JSON cannot be read: "),
        (b'{"a": ' * 100_000 + b"1" + b"}" * 100_000, "its JSON is nested too deeply"),
        (b'{"a": ' * 20 + b"{}" + b"}" * 20, "its table holds something else"),
        (b'{"a": 3}', "its table holds something else"),
        (b'{"format": "rtrbm model, version 2"}', "does not have the header of version 2"),
        (b'{"format": "rtrbm model, version 3"}', "has no layers"),
        (b'{"format": "rtrbm model, version 3", "layer_2": {}}', "the attributes of .* cannot be read"),
        (b" " * 2**21 + b"{}", "has changed since it was written"),
    ],
)
def test_a_table_without_sense_is_refused(saved, table, reason):
    with_table(saved, table)
    refused(saved, reason)


@pytest.mark.parametrize(
    "place, reason",
    [
        (["<f8", [2**30], 600], "an array is larger than the file"),
        (["<f8", [4, 3], 10**6], "an array is larger than the file"),
        (["<f8", [4, 3], -8], "an array has no shape or no place"),
        (["<f8", [-4, -3], 600], "an array has no shape or no place"),
        (["<f8", [True, 3], 600], "an array has no shape or no place"),
        (["<f8", [1] * 9, 600], "an array has no shape or no place"),
        (["<f8", [2**62], 600], "an array has no shape or no place"),
        (["<f8", "43", 600], "an array has no shape or no place"),
        (["|O", [4, 3], 600], "an array is of no known type"),
        (["<U9", [4, 3], 600], "an array is of no known type"),
        ([["<f8"], [4, 3], 600], "an array is of no known type"),
        (["<f8", [4, 3]], "an array is of no known type"),
    ],
)
def test_an_array_that_cannot_be_there_is_refused(saved, place, reason):
    table = parts(saved)[2]
    table["params"]["W"] = place
    with_table(saved, json.dumps(table).encode())
    refused(saved, reason)


def test_arrays_over_one_another_are_refused(saved):
    """They would take more memory than the file has bytes."""

    def parse(found, path):
        return [part.read() for part in found.groups["params"].values()]

    table, n_bytes = parts(saved)[2], os.path.getsize(saved) - 700
    table["params"] = {"a": ["|u1", [n_bytes], 600]}
    with_table(saved, json.dumps(table).encode())
    files.read(saved, parse)  # control
    table["params"]["b"] = ["|u1", [n_bytes], 600]
    with_table(saved, json.dumps(table).encode())
    with pytest.raises(ValueError, match="its arrays lie over one another"):
        files.read(saved, parse)


def test_an_array_larger_than_memory_is_refused(saved, monkeypatch):
    """A file with holes takes no room on a disk."""
    monkeypatch.setattr(machine, "memory", lambda: 95)
    with pytest.raises(ValueError, match=r"an array of shape \(4, 3\) would take 1 GB, this process may use 9.5e-08"):
        files.read(saved, lambda found, path: found.groups["params"]["W"].read())


def test_an_array_is_read_when_it_is_asked_for(saved):
    """And no other one."""

    def parse(found, path):
        kept = found.groups["params"]["W"]
        return kept, kept.read()

    kept, W = files.read(saved, parse)
    assert kept._file.n_read == W.nbytes == 96
    np.testing.assert_array_equal(W, contents().groups["params"].W)


def test_a_file_may_not_be_filled_with_what_is_not_read(saved, monkeypatch):
    data, table = saved.read_bytes(), json.dumps(parts(saved)[2]).encode()
    saved.write_bytes(data[: -len(table)] + bytes(30_000) + table)
    with_table(saved, table)
    assert same(read(saved), contents())  # control
    monkeypatch.setattr(files, "SLACK", 20_000)
    refused(saved, "it holds something else")


@pytest.mark.parametrize("version, n_table", [(2, ""), (3, ""), (3, "table 100\n")])
def test_a_file_larger_than_any_disk_is_refused_at_once(path, version, n_table):
    """Its bytes are not there; nothing reads them."""
    with open(path, "wb") as file:
        header = f"rtrbm model, version {version}\nsha256 {'0' * 64}\nbytes {2**40}\n{n_table}"
        file.write(header.encode().ljust(511) + b"\n")
        file.truncate(512 + 2**40)
    refused(path, "path must be a complete model file")


# ------------------------------------------------------------------------------------- wrong files


def test_every_bit_flip_is_refused_or_harmless(saved):
    data = saved.read_bytes()
    used = data[:512].rindex(b"\n", 0, 511) + 1  # padding follows
    n_bits, rng = 8 * len(data), random.Random(0)
    padding = [8 * byte + rng.randrange(8) for byte in range(used, 512)]
    bits = [*range(8 * used), *padding, *rng.sample(range(8 * 512, n_bits), 400), n_bits - 1]
    harmless = []
    for bit in bits:
        flipped = bytearray(data)
        flipped[bit // 8] ^= 1 << bit % 8
        saved.write_bytes(flipped)
        try:
            found = read(saved)
        except ValueError as error:
            assert "has changed since it was written" in str(error) or bit // 8 < used
        else:
            assert same(found, contents())
            harmless.append(bit // 8)
    assert all(used <= byte < 512 for byte in harmless)
    saved.write_bytes(data)
    assert same(read(saved), contents())  # control


@pytest.mark.parametrize("place", [0, 5, 20])
def test_a_damaged_first_line_is_told_from_another_file(saved, place):
    data = bytearray(saved.read_bytes())
    data[place] ^= 1
    saved.write_bytes(data)
    refused(saved, "has changed since it was written")


def test_truncated_files_are_refused(saved):
    data = saved.read_bytes()
    lengths = {*range(600), *range(600, len(data), 97), *range(len(data) - 20, len(data))}
    for length in sorted(lengths):
        saved.write_bytes(data[:length])
        refused(saved, "is truncated: ")
    saved.write_bytes(data)
    assert same(read(saved), contents())  # control


def test_longer_files_are_refused(saved):
    with open(saved, "ab") as file:
        file.write(b"\0")
    refused(saved, "has changed since it was written")


def test_hdf5_sees_no_byte_of_a_file(saved, monkeypatch):
    """Damaged or not."""
    opened = []
    monkeypatch.setattr(h5py, "File", lambda *arguments, **settings: opened.append(arguments))
    monkeypatch.setattr(subprocess, "run", lambda *arguments, **settings: opened.append(arguments))
    assert same(read(saved), contents())
    data = bytearray(saved.read_bytes())
    data[-1] ^= 1
    saved.write_bytes(data)
    refused(saved, "has changed since it was written: .*take another copy or the checkpoint before")
    assert opened == []


def test_a_file_that_another_program_changed_is_refused(saved):
    with h5py.File(saved, "a") as file:
        file["params/W"][0, 0] += 1
    refused(saved, "is truncated")  # HDF5 takes the table away


def test_a_file_that_lost_its_header_is_refused(saved):
    saved.write_bytes(saved.read_bytes()[512:])
    refused(saved, "not have the header of version 3")


def test_a_file_of_a_newer_version_is_refused(saved):
    data = saved.read_bytes()
    saved.write_bytes(data.replace(b"version 3", b"version 4", 1))
    refused(saved, r"written by a newer rtrbm \(version 4\), this one reads versions 1 to 3: upgrade")
    saved.write_bytes(b"rtrbm model, version 12\nnothing else is known")
    refused(saved, r"newer rtrbm \(version 12\)")
    with h5py.File(saved, "w") as file:
        file.attrs["format"] = "rtrbm model, version 4"
    refused(saved, r"newer rtrbm \(version 4\)")


@pytest.mark.parametrize("content", [b"W U b_v\n1 2 3\n", b"\x89PNG\r\n\x1a\n" + bytes(5000), bytes(8192), b"rtrbm is"])
def test_files_without_hdf5_are_refused(path, content):
    path.write_bytes(content)
    refused(path, "path must be a complete model file, .* is none")


@pytest.mark.parametrize(
    "userblock_size, reason", [(0, "another kind of HDF5 file"), (512, "another kind of HDF5 file"), (1024, "is none")]
)
def test_other_hdf5_files_are_refused(path, userblock_size, reason):
    with h5py.File(path, "w", userblock_size=userblock_size) as file:
        file["params/W"] = np.zeros((4, 3))
    refused(path, reason)


@pytest.mark.parametrize("name", ["format", "model", "hyper_parameters", "progress"])
def test_a_missing_attribute_is_refused(saved, name):
    altered(saved, lambda file: file.attrs.__delitem__(name))
    refused(saved, "path must", "RTRBM")


@pytest.mark.parametrize(
    "name, value",
    [
        ("format", "rtrbm model, version 1"), ("format", np.zeros(3)), ("format", "model"), ("model", np.zeros(3)),
        ("hyper_parameters", "{not json"), ("hyper_parameters", "3"), ("progress", "{}"), ("progress", "[1, 2]"),
        ("progress", '{"n_updates": 3.5, "seed": 0}'),
    ],
)  # fmt: skip
def test_another_attribute_is_refused(saved, name, value):
    altered(saved, lambda file: file.attrs.__setitem__(name, value))
    refused(saved, "path must", "RTRBM")


@pytest.mark.parametrize("gone", [["layer_1"], ["layer_5"], [f"layer_{i}" for i in range(1, 13)]])
def test_a_stack_with_a_gap_is_refused(stack, gone):
    altered(stack, lambda file: [file.__delitem__(name) for name in gone])
    refused(stack, "cannot be read" if len(gone) == 1 else "has no layers")


def test_a_stack_without_its_last_layer_is_a_stack(stack):
    """Control of the one before."""
    altered(stack, lambda file: file.__delitem__("layer_12"))
    assert len(read(stack)) == 11


def test_a_path_without_a_file_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="absent.h5"):
        read(tmp_path / "absent.h5")
    refused(tmp_path, "is a folder")
    for wrong in (3, None, ["model.h5"]):
        with pytest.raises(TypeError, match="path must be a path"):
            read(wrong)
        with pytest.raises(TypeError, match="path must be a path"):
            write(wrong, contents())


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no named pipes")
def test_a_pipe_is_not_waited_for(path):
    os.mkfifo(path)
    refused(path, "is a device or a pipe")


def test_a_file_that_cannot_be_opened_is_said_to_be_so(saved, monkeypatch):
    def refuse(path, *arguments):
        raise PermissionError(errno.EACCES, "Permission denied", path)

    monkeypatch.setattr("os.open", refuse)
    refused(saved, "cannot be read: .*Permission denied")


# --------------------------------------------------------------------------------------- version 1


def write_version_1(path, layers, stack=False):
    """Lay out a file as the writer of version 1 did."""

    def fill(group, values):
        for name, value in values.items():
            value = value._asdict() if hasattr(value, "_asdict") else value
            if isinstance(value, dict):
                fill(group.create_group(name), value)
            else:
                group[name] = value

    def put(group, model, hyper_parameters, progress, groups):
        group.attrs["format"] = "rtrbm model, version 1"
        group.attrs["model"] = model
        group.attrs["hyper_parameters"] = json.dumps(hyper_parameters)
        group.attrs["progress"] = json.dumps(progress)
        fill(group, groups)

    with h5py.File(path, "w") as file:
        if not stack:
            return put(file, *layers[0][:4])
        file.attrs["format"], file.attrs["model"] = "rtrbm model, version 1", "Stack"
        for i, layer in enumerate(layers, 1):
            put(file.create_group(f"layer_{i}"), *layer[:4])


def version_1_contents(seed):
    """Contents that a version 1 file can hold: no texts in groups, nothing that is None."""
    model, hyper_parameters, progress, groups, _ = contents(seed=seed)
    params = groups["params"]._replace(b_init=np.arange(3.0))
    groups = {"params": params, "optimizer": Moments(np.int64(3), params), "history": groups["history"]}
    return Contents(model, hyper_parameters, progress, groups)


def test_version_1_is_read(path):
    write_version_1(path, [version_1_contents(0)])
    assert path.read_bytes().startswith(b"\x89HDF")
    assert same(read(path), version_1_contents(0)) and same(read(path, "RTRBM"), version_1_contents(0))
    assert read(path).version == 1
    refused(path, "class TRBM, .* holds RTRBM", "TRBM")


def test_version_1_stacks_are_read(path):
    layers = [version_1_contents(i) for i in range(11)]
    write_version_1(path, layers, stack=True)
    assert all(same(a, b) for a, b in zip(read(path), layers, strict=True))


@pytest.mark.parametrize("part", [0.01, 0.2, 0.5, 0.8, 0.95, 0.999])
def test_truncated_files_of_version_1_are_refused(path, part):
    write_version_1(path, [version_1_contents(0)])
    content = path.read_bytes()
    path.write_bytes(content[: int(part * len(content))])
    refused(path, "path must be a complete model file, .* cannot be read")


# ------------------------------------------------------------------------------ whole or not at all


def only_file(path, content):
    assert os.listdir(path.parent) == [path.name] and path.read_bytes() == content


@pytest.mark.parametrize("broken", ["os.replace", "os.fsync", "os.chmod", "os.open"])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EACCES, None])
def test_a_failing_disk_leaves_the_old_file(saved, broken, number, monkeypatch):
    def fail(*arguments, **settings):
        raise OSError("it failed") if number is None else OSError(number, os.strerror(number))

    old, reason = saved.read_bytes(), "it failed" if number is None else os.strerror(number)
    monkeypatch.setattr(broken, fail)
    with pytest.raises(OSError, match=re.escape(f"cannot write {os.fspath(saved)!r}: {reason}")) as caught:
        write(saved, contents(seed=1))
    only_file(saved, old)
    assert caught.value.errno == number
    assert caught.value.filename == (None if number is None else os.fspath(saved))


def test_a_folder_that_cannot_be_synchronised_is_no_error(saved, monkeypatch):
    fsync, folders = os.fsync, []

    def refuse(handle):
        if stat.S_ISDIR(os.fstat(handle).st_mode):
            folders.append(handle)
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        fsync(handle)

    monkeypatch.setattr("os.fsync", refuse)
    write(saved, contents(seed=1))
    assert same(read(saved), contents(seed=1)) and os.listdir(saved.parent) == [saved.name]
    assert len(folders) == (os.name == "posix")


def test_an_array_that_cannot_be_written_leaves_the_old_file(saved, tmp_path):
    old, bad = saved.read_bytes(), contents()._replace(groups={"history": {"gradient_norm": [object()]}})
    with pytest.raises(TypeError):
        write(saved, bad)
    only_file(saved, old)
    with pytest.raises(TypeError):
        write_stack(saved, "Stack", [contents(), bad])
    only_file(saved, old)


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, SystemExit])
def test_breaking_off_leaves_the_old_file(saved, error):
    old = saved.read_bytes()
    with pytest.raises(error), replacing(saved) as temporary:
        with open(temporary, "wb") as file:
            file.write(b"half of it")
        raise error
    only_file(saved, old)


def test_breaking_off_at_the_very_end_is_not_hidden(saved, monkeypatch):
    def interrupt(folder):
        raise KeyboardInterrupt

    monkeypatch.setattr(writing, "_sync_folder", interrupt)  # the new file is in its place by then
    with pytest.raises(KeyboardInterrupt), replacing(saved) as temporary:
        Path(temporary).write_bytes(b"new")
    only_file(saved, b"new")


def test_errors_of_other_files_keep_their_name(saved, tmp_path):
    old = saved.read_bytes()
    with pytest.raises(FileNotFoundError, match="absent.png"), replacing(saved) as temporary:
        shutil.copyfile(tmp_path / "absent.png", temporary)
    only_file(saved, old)
    with pytest.raises(PermissionError, match="cannot write .*model.h5") as caught, replacing(saved) as temporary:
        raise PermissionError(errno.EACCES, "Permission denied", temporary)
    assert os.path.basename(temporary) not in str(caught.value)
    only_file(saved, old)


def test_a_file_has_the_usual_permissions(saved):
    mask = os.umask(0)
    os.umask(mask)
    assert stat.S_IMODE(saved.stat().st_mode) == 0o666 & ~mask


@pytest.mark.parametrize("wrong", ["", "new/", "a\0b", "a" * 201, "absent/model.h5", "."])
def test_a_place_that_takes_no_file_is_refused(tmp_path, monkeypatch, wrong):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match="checkpoint must be a file"):
        check_path("checkpoint", wrong)
    with pytest.raises(ValueError, match="path must be a file"):
        write(wrong, contents())
    assert os.listdir() == []
    write("a" * 200, contents())  # control
    assert os.listdir() == ["a" * 200]


WRITES = """
import sys
import numpy as np
from rtrbm.training import files

def contents(n):
    params = {"W": np.arange(float(n))}
    return files.Contents("RTRBM", {}, {"n_updates": n, "seed": 0}, {"params": params})

files.write("model.h5", contents(10))
"""
FULL = """
try:
    files.write("model.h5", contents(100_000))
except OSError as error:
    assert type(error) is OSError, error
    print(error.errno, error.filename, error.strerror, sep="; ")
    if sys.argv[1:] == ["raise"]:
        raise
"""
LIMITED = WRITES + files_up_to(10_000) + FULL


def run(command, folder):
    """Run a command in a folder, with the package at hand."""
    places = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    return subprocess.run(command, cwd=folder, env=os.environ | {"PYTHONPATH": places}, capture_output=True, text=True)


def ended_well(done, status, number):
    """Python itself ended the process, with an error that names the file and the reason."""
    assert done.returncode == status, done.stderr
    message = f"cannot write 'model.h5': {os.strerror(number)}"
    assert done.stdout.splitlines()[-1] == f"{number}; model.h5; {message}"
    if status:
        assert done.stderr.splitlines()[-1].startswith(f"OSError: [Errno {number}] {message}")
    else:
        assert done.stderr == ""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit on the size of a file")
@pytest.mark.parametrize("arguments, status", [([], 0), (["raise"], 1)])
def test_a_file_that_grows_too_large_leaves_the_old_one(tmp_path, arguments, status):
    done = run([sys.executable, "-c", LIMITED, *arguments], tmp_path)
    ended_well(done, status, errno.EFBIG)
    assert os.listdir(tmp_path) == ["model.h5"]
    assert read(tmp_path / "model.h5").progress["n_updates"] == 10


ON_A_SMALL_DISK = 'mount -t tmpfs -o size=64k tmpfs . && cd "$PWD" && "$@"; status=$?; ls -A >&2; exit $status'


def test_a_full_disk_leaves_the_old_file(tmp_path):
    unshare = shutil.which("unshare")
    probe = [unshare, "-rm", "mount", "-t", "tmpfs", "tmpfs", str(tmp_path)]
    if unshare is None or run(probe, tmp_path).returncode:
        pytest.skip("no small disk can be mounted")
    script = WRITES + FULL + "\nassert files.read('model.h5', lambda found, _: found.progress['n_updates']) == 10\n"
    command = [unshare, "-rm", "sh", "-c", ON_A_SMALL_DISK, "sh", sys.executable, "-c", script]
    done = run(command, tmp_path)
    assert done.stderr == "model.h5\n"
    done.stderr = ""
    ended_well(done, 0, errno.ENOSPC)


# ------------------------------------------------------------------------------------- the file before


def test_the_file_before_is_kept_if_asked(saved):
    assert before(saved) == f"{os.path.realpath(saved)}.before"
    write(saved, contents(seed=1))
    assert os.listdir(saved.parent) == [saved.name]
    for seed in (2, 3):
        write(saved, contents(seed=seed), keep=True)
        assert sorted(os.listdir(saved.parent)) == [saved.name, f"{saved.name}.before"]
        assert same(read(saved), contents(seed=seed)) and same(read(before(saved)), contents(seed=seed - 1))


def test_a_first_file_has_none_before(path):
    write(path, contents(), keep=True)
    assert os.listdir(path.parent) == [path.name]


def flip(path):
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize("damage", [flip, lambda path: path.write_bytes(b""), lambda path: path.write_bytes(bytes(9))])
def test_a_damaged_file_falls_back_to_the_one_before(saved, damage):
    write(saved, contents(seed=1), keep=True)
    damage(saved)
    with pytest.warns(UserWarning, match="model.h5' .*; read instead: .*model.h5.before', the file before, of 20"):
        assert same(read(saved), contents(seed=0))
    damage(Path(before(saved)))
    refused(saved, "path must be a complete model file")


def test_other_faults_do_not_fall_back(saved):
    write(saved, contents("TRBM"), keep=True)
    refused(saved, "class RTRBM, .* holds TRBM", "RTRBM")
    saved.unlink()
    with pytest.raises(FileNotFoundError):
        read(saved)


def test_a_damaged_file_is_not_kept(saved):
    write(saved, contents(seed=1), keep=True)
    flip(saved)
    write(saved, contents(seed=2), keep=True)
    assert same(read(saved), contents(seed=2)) and same(read(before(saved)), contents(seed=0))


def test_without_links_a_copy_is_kept(saved, monkeypatch):
    def refuse(*arguments, **settings):
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr("os.link", refuse)
    write(saved, contents(seed=1), keep=True)
    assert same(read(saved), contents(seed=1)) and same(read(before(saved)), contents(seed=0))
    assert len(os.listdir(saved.parent)) == 2


def test_a_name_that_is_left_from_a_kill_is_no_hindrance(saved):
    """Killed between the two steps: both names are of one file."""
    os.link(saved, before(saved))
    write(saved, contents(seed=1), keep=True)
    assert sorted(os.listdir(saved.parent)) == [saved.name, f"{saved.name}.before"]
    assert same(read(saved), contents(seed=1)) and same(read(before(saved)), contents(seed=0))


# ---------------------------------------------------------------------------------- as users expect it

unix = pytest.mark.skipif(os.name != "posix", reason="permissions of Unix")


@unix
@pytest.mark.parametrize("mode", [0o600, 0o640, 0o664, 0o755])
def test_a_file_keeps_its_permissions(saved, mode):
    saved.chmod(mode)
    with replacing(saved) as temporary:
        assert stat.S_IMODE(os.stat(temporary).st_mode) == 0o600  # until it is complete
        Path(temporary).write_bytes(b"new")
    assert stat.S_IMODE(saved.stat().st_mode) == mode and saved.read_bytes() == b"new"


@unix
def test_a_new_file_follows_the_umask_which_no_thread_sees_changed(path, monkeypatch):
    mask = os.umask(0o027)
    monkeypatch.setattr("os.umask", None)
    with replacing(path) as temporary:
        Path(temporary).write_bytes(b"new")
    monkeypatch.undo()
    os.umask(mask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


@unix
def test_a_write_protected_file_is_refused(saved):
    """For the system's administrator too."""
    old = saved.read_bytes()
    saved.chmod(0o444)
    with pytest.raises(ValueError, match="path must be a file that may be written, .*model.h5' is write-protected"):
        write(saved, contents(seed=1))
    only_file(saved, old)


@unix
def test_links_are_followed(saved, tmp_path):
    (tmp_path / "links").mkdir()
    for name, target in (("to", saved), ("new", tmp_path / "new.h5")):
        link = tmp_path / "links" / name
        link.symlink_to(os.path.relpath(target, link.parent))
        write(link, contents(seed=1), keep=True)
        assert link.is_symlink() and same(read(link), contents(seed=1)) and same(read(target), contents(seed=1))
    assert sorted(os.listdir(tmp_path / "links")) == ["new", "to"]
    assert sorted(os.listdir(tmp_path)) == ["links", "model.h5", "model.h5.before", "new.h5"]
    link.unlink()
    link.symlink_to(link)
    with pytest.raises(ValueError, match="existing folder"):
        write(link, contents())


def test_the_users_folder_may_be_called_by_its_sign(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    write("~/model.h5", contents())
    assert check_path("path", "~/model.h5") == str(tmp_path / "model.h5")
    assert same(read("~/model.h5"), contents()) and os.listdir(tmp_path) == ["model.h5"]


@unix
def test_devices_and_pipes_are_not_replaced(path):
    os.mkfifo(path)
    for wrong in (path, "/dev/null"):
        with pytest.raises(ValueError, match="path must be an ordinary file"):
            write(wrong, contents())


@pytest.mark.parametrize("content", [b"my thesis", b"\x89HDF\r\n\x1a\n" + bytes(999), bytes(600)])
def test_other_files_are_not_replaced(path, content):
    path.write_bytes(content)
    for work in (lambda: write(path, contents()), lambda: files.check_path("path", path)):
        with pytest.raises(ValueError, match="path must be another file, .*model.h5' is there and no model file"):
            work()
    only_file(path, content)


def test_model_files_are_replaced(path):
    """Those of all formats, damaged ones and empty files."""
    write(path, contents())
    data = path.read_bytes()
    write_version_1(path, [version_1_contents(0)])
    old = path.read_bytes()
    for content in (data, data[:300], data[:-1], b"x" + data[1:], data[:512] + bytes(9), old, b""):
        path.write_bytes(content)
        write(path, contents(seed=1))
        assert same(read(path), contents(seed=1))


KILLED = """
import os, sys
from rtrbm.replacing import replacing

with replacing("model.h5") as temporary:
    open(temporary, "wb").write(b"half")
    print(temporary, flush=True)
    sys.stdin.read()
    os._exit(1)
"""


def test_what_a_killed_writer_leaves_is_deleted_by_the_next(saved):
    """But not the file of a writer that lives, and no file of another name."""
    others = [".model.h5.tmp.h5", ".model.h5.0123456z.tmp.h5", ".another.h5.01234567.tmp.h5", ".model.h5.01234567.tmp"]
    for name in others:
        (saved.parent / name).write_bytes(b"another's")
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = {"args": [sys.executable, "-c", KILLED], "cwd": saved.parent, "env": environment}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(**command, **pipes) as alive, subprocess.Popen(**command, **pipes) as dead:
        temporaries = [os.path.basename(process.stdout.readline().strip()) for process in (alive, dead)]
        dead.kill()
        dead.wait()
        assert sorted(os.listdir(saved.parent)) == sorted([*others, *temporaries, saved.name])
        write(saved, contents(seed=1))
        assert sorted(os.listdir(saved.parent)) == sorted([*others, temporaries[0], saved.name])
        alive.kill()
    write(saved, contents(seed=1))
    assert sorted(os.listdir(saved.parent)) == sorted([*others, saved.name])


# -------------------------------------------------------------------------------------- named tuples


def test_parameters_are_restored_in_the_form_of_the_model(saved):
    wanted = contents().groups["params"]
    params = restored(wanted, read(saved).groups["params"], saved)
    assert isinstance(params, Params) and params.b_init is None
    np.testing.assert_array_equal(params.U, wanted.U)
    less = restored(wanted._replace(U=None), read(saved).groups["params"], saved)
    assert less.U is None  # a part that this model does without


@pytest.mark.parametrize("arrays", [{}, {"W": 1}, {"b_v": 1, "U": 2}, np.zeros(3), None])
def test_what_the_model_has_may_not_be_missing(arrays):
    like = Params(np.zeros((2, 3)), np.zeros(2))
    with pytest.raises(ValueError, match=r"path must be a complete model file, 'model.h5' lacks \[.*('b_v'|'W')"):
        restored(like, arrays, "model.h5")


@pytest.mark.parametrize("W", [np.zeros((3, 2)), np.zeros((2, 3), "float32"), np.zeros(6), "text"])
def test_arrays_of_another_shape_or_dtype_are_refused(W):
    like = Params(np.zeros((2, 3)), np.zeros(2))
    with pytest.raises(ValueError, match="in 'model.h5' the arrays do not fit together"):
        restored(like, {"W": W, "b_v": np.zeros(2)}, "model.h5")


def test_seal_fills_in_header_and_table(saved):
    data = saved.read_bytes()
    image = io.BytesIO(bytes(512) + data[512 : -len(json.dumps(parts(saved)[2]))])
    files.seal(image)
    assert image.getvalue() == data
