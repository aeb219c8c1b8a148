"""A look at HDF5 files in another process: what is refused before this process opens it, and what is not."""

import os
import subprocess

import h5py
import numpy as np
import pytest

from rtrbm import machine, probe
from rtrbm.convert import read

DATA = np.random.default_rng(0).random((4, 3))


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "data.h5")


def stored(path, fill):
    with h5py.File(path, "w") as file:
        fill(file)
    return path


def virtual(name):
    """A file whose data are those of another one."""

    def fill(file):
        layout = h5py.VirtualLayout((4, 3), "f8")
        layout[:] = h5py.VirtualSource(name, "X", (4, 3))
        file.create_virtual_dataset("X", layout)

    return fill


def external(name):
    return lambda file: file.create_dataset("X", (4, 3), "f8", external=[(name, 0, 96)])


def link(name):
    def fill(file):
        file["X"] = h5py.ExternalLink(name, "X")
        file["Y"] = h5py.SoftLink("/Y")

    return fill


@pytest.mark.parametrize("kind", [virtual, external, link])
@pytest.mark.parametrize("place", ["inside", "above", "absent", "a pipe"])
def test_data_may_come_from_files_in_the_same_folder_alone(path, tmp_path, kind, place):
    other = "other.h5"
    if place == "above":
        (tmp_path / "sub").mkdir()
        path, other = str(tmp_path / "sub" / "data.h5"), "../other.h5"
    if place == "a pipe":
        if not hasattr(os, "mkfifo"):
            pytest.skip("the system has no named pipes")
        os.mkfifo(tmp_path / "other.h5")
    elif place != "absent":
        stored(tmp_path / "other.h5", lambda file: file.create_dataset("X", data=DATA))
    stored(path, kind(other))
    if place == "inside" and kind is not external:
        assert (read(path, "X") == DATA).all()
        return
    with pytest.raises(
        ValueError, match="data.h5' cannot be read: it takes data from another file, .*other.h5.*', which"
    ):
        read(path, "X")


def test_what_is_in_such_a_file_counts_too(path, tmp_path):
    """Its own links lead out of the folder."""
    stored(path, virtual("other.h5"))
    stored(tmp_path / "other.h5", link("/etc/passwd"))
    with pytest.raises(ValueError, match="takes data from another file, '/etc/passwd'"):
        read(path, "X")


@pytest.mark.parametrize("name", ["a/X", "a/whole/g/X", "a/virtual", "a", "soft/whole/X", "cell"])
def test_no_link_leads_out_where_the_look_ends_early(tmp_path, monkeypatch, name):
    monkeypatch.setattr(probe, "check", lambda path, name: None)
    (tmp_path / "sub").mkdir()
    stored(tmp_path / "other.h5", lambda file: (file.__setitem__("X", DATA), file.__setitem__("g/X", DATA)))

    def fill(file):
        virtual("../other.h5")(file.create_group("a"))
        file["a"].move("X", "virtual")
        file["a/X"], file["a/whole"] = (h5py.ExternalLink("../other.h5", place) for place in ("/X", "/"))
        file["soft"], file["mine"] = h5py.SoftLink("/a"), DATA
        file["cell"] = np.array([file["a/virtual"].ref], h5py.ref_dtype)
        file["cell"].attrs["MATLAB_class"] = np.bytes_(b"cell")

    path = stored(str(tmp_path / "sub" / "data.h5"), fill)
    assert (read(path, "mine") == DATA).all()
    with pytest.raises(ValueError, match="data.h5' cannot be read: it takes data from another file, .*other.h5', wh"):
        read(path, name)


def test_a_link_in_the_middle_of_a_path_is_looked_at(tmp_path):
    """However little else is."""
    (tmp_path / "sub").mkdir()
    stored(tmp_path / "other.h5", lambda file: file.__setitem__("g/X", DATA))
    out = h5py.ExternalLink("../other.h5", "/")
    path = stored(str(tmp_path / "sub" / "data.h5"), lambda file: file.__setitem__("a", out))
    with pytest.raises(probe.Outside, match="takes data from another file, '../other.h5'"):
        probe._survey(path, "a/g/X", str(tmp_path / "sub"), set(), 0)


@pytest.mark.parametrize("other", ["other.h5", "."])
def test_the_source_of_a_virtual_dataset_must_be_there(path, tmp_path, other):
    """HDF5 reads fill values in its place."""
    stored(tmp_path / "other.h5", lambda file: file.__setitem__("Y", DATA))

    def fill(file):
        layout = h5py.VirtualLayout((4, 3), "f8")
        layout[:] = h5py.VirtualSource(other, "absent", (4, 3))
        file.create_virtual_dataset("X", layout)

    with pytest.raises(ValueError, match="cannot be read: its virtual dataset '/X' takes data from 'absent' of"):
        read(stored(path, fill), "X")


def test_a_file_is_looked_at_once(path, monkeypatch):
    stored(path, lambda file: file.create_dataset("X", data=DATA))
    assert (read(path) == DATA).all()
    run, asked = subprocess.run, []
    monkeypatch.setattr(
        subprocess, "run", lambda *arguments, **settings: asked.append(1) or run(*arguments, **settings)
    )
    assert (read(path) == DATA).all() and not asked
    stored(path, lambda file: file.create_dataset("X", data=DATA + 1))
    assert (read(path) == DATA + 1).all() and asked


@pytest.mark.parametrize(
    "code, reason",
    [
        ("import os; os.abort()", "the HDF5 library crashes on it"),
        ("import os; os._exit(1)", "the HDF5 library did not come to an end with it in 3.0 seconds"),
        ("import absent", "no other process can look at it: ModuleNotFoundError"),
    ],
)
def test_what_ends_the_other_process_is_told(path, monkeypatch, code, reason):
    stored(path, lambda file: file.create_dataset("X", data=DATA))
    with monkeypatch.context() as patched:
        patched.setattr(probe, "CODE", code)
        with pytest.raises(
            ValueError, match=f"path must be in a complete HDF5 file, .*data.h5' cannot be read: {reason}"
        ):
            read(path)
    assert (read(path) == DATA).all()  # control


ENDLESS = """
import json, runpy, sys, time
sys.path[:] = json.loads(sys.argv[1])
probe = runpy.run_path(sys.argv[2])
probe["_answer"].__globals__["_survey"] = lambda *arguments: time.sleep(99)
probe["_answer"](*sys.argv[-4:])
"""


def test_a_look_without_end_is_ended(path, monkeypatch):
    stored(path, lambda file: file.create_dataset("X", data=DATA))
    monkeypatch.setattr(probe, "CODE", ENDLESS)
    monkeypatch.setitem(probe.SECONDS, "survey", 0.2)
    with pytest.raises(ValueError, match="did not come to an end with it in 0.2 seconds"):
        read(path)


def test_a_data_type_is_no_data(path):
    stored(path, lambda file: file.__setitem__("X", np.dtype("f8")))
    with pytest.raises(ValueError, match="path: '/X' is a data type, no dataset"):
        read(path, "X")


def test_a_dataset_that_declares_more_than_there_is_memory_is_refused(path):
    stored(path, lambda file: file.create_dataset("X", (10**6, 10**6), "f8", chunks=(1, 1000)))
    with pytest.raises(ValueError, match=r"shape \(1000000, 1000000\) would take 8000 GB"):
        read(path)


@pytest.mark.parametrize(
    "fill, reason",
    [
        (lambda file: file.create_dataset("W", (4, 3), "f8", chunks=(2, 3)), "'/W' does not lie in the file as it is"),
        (lambda file: file.create_dataset("W", (4, 3), "f8"), "'/W' has no values"),
        (external("other"), "'/X' does not lie in the file as it is"),
        (virtual("other"), "'/X' does not lie in the file as it is"),
        (link("other"), "'X' is a link"),
        (lambda file: file.create_dataset("W", data=["text"]), "'/W' is no array of numbers"),
        (lambda file: file.create_dataset("W", data=h5py.Empty("f8")), "'/W' is no array of numbers"),
        (lambda file: file.__setitem__("a", file["/"]), "groups lie in groups, more than 8"),
    ],
)
def test_tables_hold_arrays_that_lie_in_the_file(path, fill, reason):
    stored(path, fill)
    with pytest.raises(ValueError, match=reason):
        probe.tables(path)


def test_a_table(path):
    def fill(file):
        file.attrs["text"], file.attrs["number"], file["a/b"], file["a/c"] = "é", 3, DATA, np.zeros((0, 2), "i4")

    table = probe.tables(stored(path, fill))
    kind, shape, offset = table["a"].pop("b")
    assert table == {"text": "é", "a": {"c": ["<i4", [0, 2], 0]}} and (kind, shape) == ("<f8", [4, 3])
    with open(path, "rb") as file:
        file.seek(offset)
        assert file.read(96) == DATA.tobytes()


@pytest.mark.parametrize("kind", ["cell", "group"])
def test_arrays_that_memory_cannot_hold_together_are_refused(path, kind, monkeypatch):
    monkeypatch.setattr(machine, "memory", lambda: 10**6)

    def fill(file):
        for name in ("g/a", "g/b"):
            file.create_dataset(name, (1000, 80), "f8", chunks=(100, 80))
        file["cell"] = np.array([file["g/a"].ref, file["g/b"].ref], h5py.ref_dtype)
        file["cell"].attrs["MATLAB_class"] = np.bytes_(b"cell")

    assert read(stored(path, fill), "g/a").shape == (1000, 80)
    with pytest.raises(ValueError, match="path: 2 arrays would take 1 GB, .*in the file '.*data.h5'"):
        read(path, {"cell": "cell", "group": "g"}[kind])


@pytest.mark.parametrize("name, reason", [("text", "'/text' has texts, no numbers"), ("none", "holds no numbers")])
def test_errors_about_a_member_name_its_file(path, name, reason):
    stored(path, lambda file: (file.__setitem__("text", ["a"]), file.__setitem__("none", h5py.Empty("f8"))))
    for data in (name, "/"):
        with pytest.raises(ValueError, match=r"\(in the file '.*data.h5'\)$"):
            read(path, data)
    with pytest.raises(ValueError, match=reason):
        read(path, name)
