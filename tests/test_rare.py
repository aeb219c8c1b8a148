"""What happens rarely: systems that lack something, other owners of files, HDF5 files with what no model has."""

import io
import os
import stat
import sys
import zipfile

import h5py
import numpy as np
import pytest

from rtrbm import hdf5, machine, probe, replacing
from rtrbm.compute import threads
from rtrbm.convert import read, read_midi, write_midi
from rtrbm.datasets import archives
from rtrbm.training import kept, locks

# ------------------------------------------------------------------------------------ systems


def test_a_system_that_tells_neither_processors_nor_memory(monkeypatch):
    for name in ("process_cpu_count", "sched_getaffinity", "sysconf"):
        monkeypatch.delattr(os, name, raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert machine.processors() == 1 and machine.memory() == np.inf
    monkeypatch.setattr(os, "process_cpu_count", lambda: 1, raising=False)
    assert machine.processors() == 1


def test_a_folder_that_cannot_be_written_to(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: path != os.fspath(tmp_path))
    with pytest.raises(ValueError, match="checkpoint must be in a folder that can be written to"):
        replacing.check_path("checkpoint", tmp_path / "model.h5")


@pytest.mark.skipif(not hasattr(os, "chown"), reason="files have no owners here")
def test_a_file_of_another_owner_keeps_its_owner(tmp_path, monkeypatch):
    """Only the system's administrator may do it; for others the file is theirs."""
    path, asked = tmp_path / "model", []
    for refused in (False, True):

        def chown(place, *owner):
            asked.append(owner)
            if refused:
                raise PermissionError

        path.write_bytes(b"old")
        monkeypatch.setattr(os, "geteuid", lambda: os.stat(path).st_uid + 1)
        monkeypatch.setattr(os, "chown", chown)
        with replacing.replacing(path) as temporary, open(temporary, "wb") as file:
            file.write(b"new")
        assert path.read_bytes() == b"new"
    assert asked == [(os.stat(path).st_uid, os.stat(path).st_gid)] * 2


def test_without_locks_of_files_what_a_writer_left_is_deleted(tmp_path, monkeypatch):
    monkeypatch.setattr(replacing, "fcntl", None)
    left = replacing._name(os.fspath(tmp_path / "model"))
    with open(left, "wb"):
        pass
    with replacing.replacing(tmp_path / "model") as temporary, open(temporary, "wb") as file:
        file.write(b"new")
    assert os.listdir(tmp_path) == ["model"]


def test_a_file_system_without_locks(tmp_path, monkeypatch):
    """A process that lives holds a lock by its number alone; one that is gone does not."""

    def refuse(*arguments):
        raise OSError

    monkeypatch.setattr(locks.fcntl, "flock", refuse)
    path, said = tmp_path / "run", []
    with locks.held(path, "checkpoint", said.append):
        with pytest.raises(RuntimeError, match=f"is in use by another run, process {os.getpid()} on"):
            with locks.held(path, "checkpoint", said.append):
                pass
        text = (tmp_path / "run.lock").read_text()
    assert not said and not (tmp_path / "run.lock").exists()
    (tmp_path / "run.lock").write_text(text.replace(f'"pid": {os.getpid()}', '"pid": 4194305'))
    with locks.held(path, "checkpoint", said.append):
        pass
    assert len(said) == 1 and "takes over" in said[0] and "process 4194305" in said[0]


def test_a_lock_of_another_host_or_none_at_all_is_left(tmp_path):
    path, lock = tmp_path / "run", tmp_path / "run.lock"
    for text, message in [
        ('{"pid": 1, "host": "elsewhere", "since": "long ago"}', "elsewhere, since long ago; if that run is over, del"),
        ("my notes", "is another file: move it away"),
        ('{"pid": -1}', "is another file: move it away"),
    ]:
        lock.write_text(text)
        with pytest.raises(RuntimeError, match=message):
            with locks.held(path, "checkpoint", print):
                pass
        assert lock.read_text() == text


def test_a_lock_that_cannot_be_written(tmp_path, monkeypatch):
    def full(*arguments):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(locks.os, "ftruncate", full)
        with pytest.raises(OSError, match="cannot write .*run.lock': No space left on device"):
            with locks.held(tmp_path / "run", "checkpoint", print):
                pass
    assert os.listdir(tmp_path) == []


def test_an_error_of_a_task_on_another_thread():
    """It is raised, and the caller's own tasks end."""
    import threading

    both = threading.Barrier(2)

    def task(i):
        both.wait(30)
        if threading.current_thread() is not threading.main_thread():
            raise KeyError(i)

    with pytest.raises(KeyError):
        threads.run(task, range(2), 2)


# ------------------------------------------------------------------------------------ files


def test_files_that_are_no_model_files(tmp_path):
    with pytest.raises(ValueError, match="is a folder"):
        kept.ModelFile(tmp_path)
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe")
        with pytest.raises(ValueError, match="is a device or a pipe"):
            kept.ModelFile(tmp_path / "pipe")
        with pytest.raises(ValueError, match="path must be a file, .* is a pipe or a device"):
            read(tmp_path / "pipe")


def test_a_pipe_that_takes_the_place_of_a_file_meanwhile(tmp_path, monkeypatch):
    (tmp_path / "model").write_bytes(b"x")
    fstat = os.fstat

    def pipe(handle):
        status = list(fstat(handle))
        status[0] = stat.S_IFIFO
        return os.stat_result(status)

    monkeypatch.setattr(os, "fstat", pipe)
    with pytest.raises(ValueError, match="is a device or a pipe"):
        kept.ModelFile(tmp_path / "model")


def in_memory():
    return h5py.File(io.BytesIO(), "w")


def nested(file):
    for _ in range(10):
        file = file.create_group("x")


def datatype(file):
    file["x"] = np.dtype("f4")


def link(file):
    file["x"] = h5py.SoftLink("/elsewhere")


def compact(file):
    file.create_dataset("x", data=np.zeros(100), compression="gzip")


def empty(file):
    file.create_dataset("x", (3,), "f4")  # nothing was written


def times(file):
    file["x"] = h5py.Empty("f4")


@pytest.mark.parametrize(
    "make, message",
    [
        (nested, "groups lie in groups, more than 8"),
        (datatype, "'/x' is no array of numbers"),
        (times, "'/x' is no array of numbers"),
        (link, "'x' is a link"),
        (compact, "'/x' does not lie in the file as it is"),
        (empty, "'/x' has no values"),
    ],
)
def test_hdf5_files_with_what_no_model_has(make, message):
    with in_memory() as file:
        make(file)
        with pytest.raises(ValueError, match=message):
            probe.table(file)


def test_a_table_of_what_a_model_has():
    """Control; attributes that are no text are left out."""
    with in_memory() as file:
        file["group/x"] = np.zeros((2, 3), "f4")
        file.attrs["a"], file.attrs["b"] = "text", 3
        (offset,) = [file["group/x"].id.get_offset()]
        assert probe.table(file) == {"a": "text", "group": {"x": ["<f4", [2, 3], offset]}}


def test_a_program_without_an_interpreter_looks_at_no_file(tmp_path, monkeypatch):
    (tmp_path / "a.h5").write_bytes(b"")
    for executable, message in (("", "there is no Python interpreter"), ("/no/python", "No such file")):
        monkeypatch.setattr(sys, "executable", executable)
        with pytest.raises(ValueError, match=f"no other process can look at it: .*{message}"):
            probe.tables(os.fspath(tmp_path / "a.h5"))


def test_what_hdf5_has_besides_arrays(tmp_path):
    with in_memory() as file:
        datatype(file)
        with pytest.raises(ValueError, match="path: '/x' is a data type, no dataset"):
            hdf5.view(file["x"], "path")
        references = file.create_dataset("cells", (2, 2), h5py.ref_dtype)
        references.attrs["MATLAB_class"] = np.bytes_("cell")
        with pytest.raises(ValueError, match=r"the cell '/cells' must be one row or column, got shape \(2, 2\)"):
            hdf5.view(references, "path")
        file.create_group("inside")
        row = file.create_dataset("row", (1, 1), h5py.ref_dtype)
        row[0, 0], row.attrs["MATLAB_class"] = file["inside"].ref, np.bytes_("cell")
        with pytest.raises(ValueError, match=r"path\[0\] must be an array, got another cell or a struct"):
            hdf5.view(row, "path")[0]


def test_an_archive_with_a_name_twice(tmp_path):
    with pytest.warns(UserWarning, match="Duplicate name"), zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for _ in range(2):
            archive.writestr("a", b"x")
    with pytest.raises(ValueError, match="it has 'a' twice"):
        archives.unpack(tmp_path / "a.zip", tmp_path / "folder")
    assert not (tmp_path / "folder").exists()


def test_a_midi_file_without_quarter_notes_or_with_too_long_a_pause(tmp_path):
    pytest.importorskip("mido")
    frames = np.zeros((3, 88), np.float32)
    frames[0, 5] = 1
    write_midi(tmp_path / "a.mid", frames, 1.0)
    data = bytearray((tmp_path / "a.mid").read_bytes())
    data[12:14] = 0, 0
    (tmp_path / "a.mid").write_bytes(data)
    with pytest.raises(ValueError, match="it has no quarter notes, a division of 0"):
        read_midi(tmp_path / "a.mid")
    data[-4:] = b"\xff\xff\xff\xff"
    (tmp_path / "a.mid").write_bytes(data + b"\xff" * 8)
    with pytest.raises(ValueError, match="is no complete MIDI file"):
        read_midi(tmp_path / "a.mid")
    with pytest.raises(ValueError, match="step=1000000.* must be smaller, a MIDI file has no pauses"):
        write_midi(tmp_path / "b.mid", frames, 1e6)
