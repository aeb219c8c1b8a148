"""The list of data sets, and downloads from a server on this machine."""

import contextlib
import functools
import hashlib
import http.server
import io
import os
import pathlib
import sys
import threading
import zipfile

import pytest

from rtrbm.datasets import download, piano_rolls, registry
from rtrbm.datasets.__main__ import main
from rtrbm.datasets.registry import DATA_SETS, DataSet, File

pytest.importorskip("pooch")
DATA = os.environ.get("RTRBM_DATA")
CONTENT = b'{"train": [[[60]]], "valid": [[[60]]], "test": [[[62]]]}'


class Quiet(http.server.SimpleHTTPRequestHandler):
    n_requests = 0

    def log_message(self, *arguments):
        Quiet.n_requests += 1


@pytest.fixture
def server(tmp_path):
    """A folder, and the address at which its files are."""
    folder = tmp_path / "there"
    folder.mkdir()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=folder)) as found:
        thread = threading.Thread(target=found.serve_forever)
        thread.start()
        yield folder, f"http://127.0.0.1:{found.server_port}/"
        found.shutdown()
        thread.join()


@pytest.fixture
def data_set(server, monkeypatch):
    """A function that adds a data set to the list, a file on the server."""

    def add(content, sha256=None, url=None):
        folder, address = server
        (folder / "set.json").write_bytes(content)
        file = File(
            "music/set", len(content), sha256 or hashlib.sha256(content).hexdigest(), url or address + "set.json"
        )
        monkeypatch.setitem(DATA_SETS, "test", DataSet("a test", "here", "none", "nothing", (file,)))

    return add


def test_a_download_with_the_right_checksum(data_set, tmp_path):
    data_set(CONTENT)
    (path,) = download("test", tmp_path / "here")
    assert pathlib.Path(path) == tmp_path / "here" / "music" / "set"
    assert piano_rolls(path)[2][0][0, 62 - 21] == 1
    before = Quiet.n_requests
    assert download("test", tmp_path / "here") == [path] and Quiet.n_requests == before  # it is there already


def test_another_checksum_is_not_kept(data_set, tmp_path):
    data_set(CONTENT, hashlib.sha256(b"other").hexdigest())
    with pytest.raises(ValueError, match=r"http://127.*set.json is another file .* not kept"):
        download("test", tmp_path / "here")
    assert not [path for path in (tmp_path / "here").rglob("*") if path.is_file()]


def test_a_download_that_is_broken_off_leaves_nothing_among_the_data(data_set, tmp_path, monkeypatch):
    """As by a signal that ends the process."""
    data_set(CONTENT)
    folders = []
    with monkeypatch.context() as patched:
        patched.setattr("pooch.retrieve", lambda url, known, name, folder: folders.append(folder) or sys.exit(1))
        with pytest.raises(SystemExit):
            download("test", tmp_path / "here")
    assert tmp_path / "here" not in pathlib.Path(folders[0]).parents and not (tmp_path / "here").exists()
    (tmp_path / "here").write_text("a file")
    with pytest.raises(OSError, match="set.json cannot be downloaded to .*music.set"):
        download("test", tmp_path / "here")


def test_a_file_that_is_not_there(data_set, server, tmp_path):
    data_set(CONTENT, url=server[1] + "nowhere.json")
    with pytest.raises(OSError, match=r"nowhere.json cannot be downloaded .* 404"):
        download("test", tmp_path / "here")
    data_set(CONTENT, url="http://127.0.0.1:9/set.json")
    with pytest.raises(OSError, match="set.json cannot be downloaded"):
        download("test", tmp_path / "here")


def test_another_file_in_its_place_is_left_alone(data_set, tmp_path):
    data_set(CONTENT)
    (tmp_path / "music").mkdir()
    (tmp_path / "music" / "set").write_text("mine")
    with pytest.raises(ValueError, match="is another file, sha256 .* move it away"):
        download("test", tmp_path)
    assert (tmp_path / "music" / "set").read_text() == "mine"


def test_an_archive_with_a_path_outside_that_was_downloaded(data_set, tmp_path):
    with zipfile.ZipFile(tmp_path / "evil.zip", "w") as archive:
        archive.writestr("../../evil.mid", b"MThd")
    data_set((tmp_path / "evil.zip").read_bytes())
    (path,) = download("test", tmp_path / "here")
    with pytest.raises(ValueError, match=r"music.set' is not unpacked, '../../evil.mid' lies outside"):
        piano_rolls(path)
    assert not list(tmp_path.rglob("evil.mid"))


def test_what_cannot_be_downloaded(tmp_path, monkeypatch):
    with pytest.raises(ValueError, match="computed by rtrbm.datasets.bouncing_balls"):
        download("bouncing-balls", tmp_path)
    with pytest.raises(ValueError, match=r"MOCAP.mat has no address .*put it at .*source"):
        download("hsu-walking", tmp_path)
    with pytest.raises(ValueError, match="name must be"):
        download("jbs", tmp_path)
    monkeypatch.setitem(sys.modules, "pooch", None)
    with pytest.raises(ImportError, match=r"pip install 'rtrbm\[data\]'"):
        download("jsb", tmp_path)


def test_the_list(capsys):
    assert main([]) == 0
    text = capsys.readouterr().out
    for name, entry in DATA_SETS.items():
        assert name in text and entry.licence in text
        assert all(file.sha256 in text and f"{file.size} bytes" in text for file in entry.files)
        module, function = entry.read.rsplit(".", 1)
        assert callable(getattr(sys.modules[module], function))
        assert f"rtrbm.datasets {name} --to" in text or not entry.files or entry.files[0].url is None


def test_the_command_downloads(data_set, tmp_path, capsys):
    data_set(CONTENT)
    assert main(["test", "--to", str(tmp_path)]) == 0
    assert "checksum is right" in capsys.readouterr().out
    assert main(["walking"]) == 1
    assert "computed by" in capsys.readouterr().err
    with contextlib.suppress(SystemExit):
        main(["--help"])
    assert "python -m rtrbm.datasets" in capsys.readouterr().out


def test_names_are_checked_before_a_download(data_set, tmp_path, capsys):
    data_set(CONTENT)
    assert main(["test", "nope", "--to", str(tmp_path / "here")]) == 1
    assert "NAME must be one of" in capsys.readouterr().err and not (tmp_path / "here").exists()


def test_letters_that_a_terminal_has_not_end_no_download(data_set, tmp_path, monkeypatch):
    data_set(CONTENT)
    output = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", output)
    assert main(["test", "--to", str(tmp_path / "höhe")]) == 0
    assert rb"h\xf6he" in output.buffer.getvalue()


def test_ctrl_c(monkeypatch, capsys):
    def interrupted(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr("rtrbm.datasets.__main__.download", interrupted)
    assert main(["jsb"]) == 130
    assert capsys.readouterr().err == "\nrtrbm.datasets: stopped\n"


@pytest.mark.skipif(not DATA, reason="RTRBM_DATA does not name a folder of real data")
def test_the_checksums_are_those_of_the_files():
    for entry in DATA_SETS.values():
        for file in entry.files:
            content = pathlib.Path(DATA, file.path).read_bytes()
            assert (len(content), hashlib.sha256(content).hexdigest()) == (file.size, file.sha256)
    assert registry.download("jsb", DATA) == [os.path.join(DATA, "polyphonic_music", "JSB_Chorales.mat")]
