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
from helpers import altered

from rtrbm.training import files
from rtrbm.training.files import Contents, check_path, read, replacing, restored, write, write_stack

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
    if isinstance(value, np.ndarray | np.generic):
        return value.dtype.str, value.shape, value.tobytes()
    return value


def same(a, b):
    return isinstance(a, Contents) and isinstance(b, Contents) and plain(a) == plain(b)


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


def test_the_header_is_readable(saved):
    data = saved.read_bytes()
    header, rest = data[:512].decode("ascii"), data[512:]
    lines = ["rtrbm model, version 2", f"sha256 {hashlib.sha256(rest).hexdigest()}", f"bytes {len(rest)}"]
    assert header.splitlines()[:3] == lines
    assert header.endswith("\n") and not "".join(header.splitlines()[3:]).strip()
    assert rest.startswith(b"\x89HDF\r\n\x1a\n")


def test_h5py_opens_the_file_as_it_is(saved):
    with h5py.File(saved, "r") as file:
        assert file.userblock_size == 512
        assert file.attrs["format"] == "rtrbm model, version 2" and file.attrs["model"] == "RTRBM"
        assert json.loads(file.attrs["progress"]) == {"n_updates": 12, "seed": 2**100}
        np.testing.assert_array_equal(file["optimizer/gradient/U"][()], contents().groups["params"].U)
        assert file["data"].attrs["fingerprint"] == "é 0123abc"


def test_nothing_in_a_file_is_pickled(saved):
    with h5py.File(saved, "r") as file:
        kinds = []
        file.visititems(lambda name, item: kinds.append(item.dtype.kind) if hasattr(item, "dtype") else None)
    assert kinds and set(kinds) <= set("iuf")


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


def test_hdf5_sees_no_byte_of_a_damaged_file(saved, monkeypatch):
    data = bytearray(saved.read_bytes())
    data[-1] ^= 1
    saved.write_bytes(data)
    opened = []
    monkeypatch.setattr(h5py, "File", lambda *arguments, **settings: opened.append(arguments))
    refused(saved, "has changed since it was written: .*take another copy or the checkpoint before")
    assert opened == []


def test_a_file_that_another_program_changed_is_refused(saved):
    with h5py.File(saved, "a") as file:
        file["params/W"][0, 0] += 1
    refused(saved, "has changed since it was written")


def test_a_file_that_lost_its_header_is_refused(saved):
    saved.write_bytes(saved.read_bytes()[512:])
    refused(saved, "not the header of version 2")


def test_a_file_of_a_newer_version_is_refused(saved):
    data = saved.read_bytes()
    saved.write_bytes(data.replace(b"version 2", b"version 3", 1))
    refused(saved, r"written by a newer rtrbm \(version 3\), this one reads versions 1 and 2: upgrade")
    saved.write_bytes(b"rtrbm model, version 12\nnothing else is known")
    refused(saved, r"newer rtrbm \(version 12\)")
    with h5py.File(saved, "w") as file:
        file.attrs["format"] = "rtrbm model, version 3"
    refused(saved, r"newer rtrbm \(version 3\)")


@pytest.mark.parametrize("content", [b"W U b_v\n1 2 3\n", b"\x89PNG\r\n\x1a\n" + bytes(5000), bytes(8192), b"rtrbm is"])
def test_files_without_hdf5_are_refused(path, content):
    path.write_bytes(content)
    refused(path, "path must be a complete HDF5 model file, .* is no HDF5 file")


@pytest.mark.parametrize("userblock_size", [0, 512, 1024])
def test_other_hdf5_files_are_refused(path, userblock_size):
    with h5py.File(path, "w", userblock_size=userblock_size) as file:
        file["params/W"] = np.zeros((4, 3))
    refused(path, "another kind of HDF5 file")


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

    monkeypatch.setattr("builtins.open", refuse)
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
            return put(file, *layers[0])
        file.attrs["format"], file.attrs["model"] = "rtrbm model, version 1", "Stack"
        for i, layer in enumerate(layers, 1):
            put(file.create_group(f"layer_{i}"), *layer)


def version_1_contents(seed):
    """Contents that a version 1 file can hold: no texts in groups, nothing that is None."""
    model, hyper_parameters, progress, groups = contents(seed=seed)
    params = groups["params"]._replace(b_init=np.arange(3.0))
    groups = {"params": params, "optimizer": Moments(np.int64(3), params), "history": groups["history"]}
    return Contents(model, hyper_parameters, progress, groups)


def test_version_1_is_read(path):
    write_version_1(path, [version_1_contents(0)])
    assert path.read_bytes().startswith(b"\x89HDF")
    assert same(read(path), version_1_contents(0)) and same(read(path, "RTRBM"), version_1_contents(0))
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
    refused(path, "path must be a complete HDF5 model file, .* cannot be read")


# ------------------------------------------------------------------------------ whole or not at all


def only_file(path, content):
    assert os.listdir(path.parent) == [path.name] and path.read_bytes() == content


@pytest.mark.parametrize("broken", ["os.replace", "os.fsync", "os.chmod", "tempfile.mkstemp"])
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

    monkeypatch.setattr(files, "_sync_folder", interrupt)  # the new file is in its place by then
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
LIMITED = WRITES + "import resource\nresource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))\n" + FULL


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
    script = WRITES + FULL + "\nassert files.read('model.h5').progress['n_updates'] == 10\n"
    command = [unshare, "-rm", "sh", "-c", ON_A_SMALL_DISK, "sh", sys.executable, "-c", script]
    done = run(command, tmp_path)
    assert done.stderr == "model.h5\n"
    done.stderr = ""
    ended_well(done, 0, errno.ENOSPC)


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
    with pytest.raises(ValueError, match="'model.h5' do not fit together"):
        restored(like, {"W": W, "b_v": np.zeros(2)}, "model.h5")


def test_seal_fills_in_the_header_of_any_buffer(saved):
    data = bytearray(saved.read_bytes())
    data[:512] = bytes(512)
    files.seal(data)
    assert data == saved.read_bytes()
    assert io.BytesIO(data).read(22) == b"rtrbm model, version 2"
