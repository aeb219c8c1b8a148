"""Music from files of every form, and files that are refused: the message names the file and the reason."""

import gzip
import io
import json
import os
import pathlib
import pickle
import re
import struct
import tarfile
import time
import zipfile

import h5py
import numpy as np
import pytest
from scipy import sparse

from rtrbm.convert import midi_notes, notes, read_midi, write_midi
from rtrbm.datasets import opcodes, piano_rolls
from rtrbm.datasets.archives import unpack

matlab = pytest.importorskip("scipy.io")
mido = pytest.importorskip("mido")
DATA = os.environ.get("RTRBM_DATA")
needs_data = pytest.mark.skipif(not DATA, reason="RTRBM_DATA does not name a folder of real data")
TRAIN = [[(60, 64), (), (60,)], [(21, 108)]]
PIECES = {"train": TRAIN, "valid": [[(62,)]], "test": [[(62, 64, 66, 70)], [(50,), (51,)]]}


def rolls_of(pieces):
    rolls = []
    for piece in pieces:
        rolls.append(np.zeros((len(piece), 88), np.float32))
        for t, chord in enumerate(piece):
            rolls[-1][t, [note - 21 for note in chord]] = 1
    return rolls


def check(found, pieces=PIECES):
    for rolls, part in zip(found, ("train", "valid", "test"), strict=True):
        for roll, wanted in zip(rolls, rolls_of(pieces[part]), strict=True):
            assert roll.dtype == np.float32
            np.testing.assert_array_equal(roll, wanted)


def refused(tmp_path, content, match, name="set.pickle"):
    """The file is refused, at once; the message has its name and the reason."""
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    began = time.perf_counter()
    with pytest.raises(ValueError, match=match) as caught:
        piano_rolls(path)
    assert name in str(caught.value) and time.perf_counter() - began < 2


# ------------------------------------------------------------------------------------------------ lists of notes


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_pickles_of_every_protocol(protocol, tmp_path):
    (tmp_path / "set.pickle").write_bytes(pickle.dumps(PIECES, protocol))
    check(piano_rolls(tmp_path / "set.pickle"))


def test_a_pickle_of_python_2(tmp_path):
    text = b"(dp1\nS'train'\np2\n(lp3\n(lp4\n(I60\nL64L\ntp5\naas"
    text += b"S'valid'\n(l(l(I62\ntaasU\x04test(l(l(I21\ntaas."
    (tmp_path / "set.pickle").write_bytes(text)
    found = piano_rolls(tmp_path / "set.pickle")
    check(found, {"train": [[(60, 64)]], "valid": [[(62,)]], "test": [[(21,)]]})


def test_the_opcode_reader_reads_what_pickle_wrote(tmp_path):
    values = [0, 1, 255, 256, 65535, -1, 2**31, -(2**40), 1.5, "key", "Müller ♪ \\u"]
    values += [(), (1,), (1, 2, 3, 4), [], {}, [[]] * 3]
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        (tmp_path / "plain").write_bytes(pickle.dumps({"a": values, "b": values[:2], "c": [*range(3000)]}, protocol))
        assert opcodes.read_plain(tmp_path / "plain") == {"a": values, "b": values[:2], "c": [*range(3000)]}


def test_the_reader_never_imports_pickle():
    import ast

    names = {
        a.name for n in ast.walk(ast.parse(pathlib.Path(opcodes.__file__).read_text())) for a in getattr(n, "names", ())
    }
    assert names == {"os", "struct"}


def test_json(tmp_path):
    (tmp_path / "set.json").write_text(json.dumps({**PIECES, "test": [[[62.0, 64, 66, 70]], [[50], [51]]]}))
    check(piano_rolls(tmp_path / "set.json"))
    (tmp_path / "far.json").write_text(100 * " " + json.dumps(PIECES))
    check(piano_rolls(tmp_path / "far.json"))


def test_one_list_in_every_part(tmp_path):
    chord = [60, 64]
    one = [[chord] * 50, [[]] * 30]
    (tmp_path / "set.pickle").write_bytes(pickle.dumps({part: one for part in ("train", "valid", "test")}, 2))
    check(piano_rolls(tmp_path / "set.pickle"), {part: one for part in ("train", "valid", "test")})


class Evil:
    def __reduce__(self):
        return os.mkdir, ("made",)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_pickle_that_names_a_function_is_refused(protocol, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    content = pickle.dumps({**PIECES, "test": Evil()}, protocol)
    refused(tmp_path, content, r"GLOBAL at byte \d+, which names \w+\.mkdir")
    assert not os.path.exists("made")
    pickle.loads(content)  # control
    assert os.path.exists("made")


def one(note):
    return {"train": [[[note]]], "valid": [[[60]]], "test": [[[60]]]}


LAUGHS = b"}(U\5train]q\0(]q\1(" + b"(K\x3ct" * 1000 + b"e" + b"h\1" * 1000 + b"eU\5validh\0U\4testh\0u."


@pytest.mark.parametrize(
    "content, match",
    [
        (pickle.dumps(PIECES)[:-20], "truncated"),
        (b"\x80\x04", "truncated"),
        (b"", "is empty, 0 bytes"),
        (b"words", "none of the files that are read"),
        (pickle.dumps(np.zeros(3)), "which names numpy"),
        (pickle.dumps({"train": TRAIN}), "keys train, valid, test, got the keys 'train'"),
        (pickle.dumps([1, 2]), "keys train, valid, test, got list"),
        (pickle.dumps({1: 2}), "dict whose keys are no strings"),
        (pickle.dumps({**PIECES, "valid": []}), "valid of .* a list of pieces"),
        (pickle.dumps({**PIECES, "valid": [[]]}), r"valid\[0\] of .* a list of frames"),
        (pickle.dumps({**PIECES, "valid": [[60]]}), r"valid\[0\], frame 0 .* list of notes, got int"),
        (pickle.dumps({**PIECES, "valid": [[True]]}), "NEWTRUE"),
        (pickle.dumps({**PIECES, "valid": [[True]]}, 0), "it has False or True"),
        (pickle.dumps(one(20)), r"train\[0\], frame 0 .* 21 to 108, got the note 20"),
        (pickle.dumps(one(109)), "got the note 109"),
        (pickle.dumps(one(60.5)), "got the note 60.5"),
        (pickle.dumps(one(float("nan"))), "got the note nan"),
        (pickle.dumps(one("60")), "got a str"),
        (pickle.dumps(one(10**300)), "string or number|21 to 108"),
        (LAUGHS, "repeats pieces"),
        (b"]" * 100 + b"a" * 99, "truncated"),
        (b"a.", "none of the files|damaged"),
        (b"(a.", "damaged"),
        (b"}(t.", r"keys train|damaged"),
        (b"}t.", "damaged"),
        (b"]\x87.", "damaged"),
        (b"(].", "list|damaged"),
        (b"}}.", "damaged: it ends with 2 values"),
        (b"]h\0.", "damaged"),
        (b"](K\1ee.", "damaged"),
        (b"}\x8b\xff\xff\xff\x7f", "string or number of 2147483647 bytes"),
        (b"}X\xff\xff\xff\xff", "string or number of 4294967295 bytes"),
        (b"}G\0\0", "truncated"),
        (b"}I" + b"9" * 5000 + b"\n.", "truncated, or has a line"),
        (b"}U\2\xff\xff.", "damaged"),
        (b"]q\0(h\0h\0e.", "got list"),
        (pickle.dumps(PIECES, 2) + pickle.dumps(PIECES, 2), r"it ends after \d+ bytes, and more follows"),
        (b"\x80\x06}.", "it is of protocol 6, those up to 5 are read"),
    ],
)
def test_a_bad_pickle_is_refused(content, match, tmp_path):
    refused(tmp_path, content, match)


def test_the_number_of_opcodes_is_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr(opcodes, "MAX_OPCODES", 1000)
    refused(tmp_path, b"]" * 2000, "more than 1000 opcodes")


@pytest.mark.parametrize("content", [b"}" * 2000, b"]" + b"\x85" * 2000, b"}" + b"\x94" * 2000, b"(l" * 2000])
def test_the_number_of_objects_is_bounded(content, tmp_path, monkeypatch):
    monkeypatch.setattr(opcodes, "MAX_OBJECTS", 1000)
    refused(tmp_path, content, "more than 1000 lists, tuples and dicts")


@pytest.mark.parametrize(
    "text, match",
    [
        ('{"train": [[', "no complete JSON file"),
        ("[" * 100_000, "no complete JSON file"),
        (json.dumps({"train": TRAIN}), "keys train, valid, test"),
        (json.dumps(one(5)), "got the note 5"),
        (json.dumps(one(float("inf"))), "got the note inf"),
        (json.dumps(one(True)), "got a bool"),
        (json.dumps({**PIECES, "valid": {"a": 1}}), "a list of pieces, got dict"),
    ],
)
def test_bad_json_is_refused(text, match, tmp_path):
    refused(tmp_path, text, match, "set.json")


def test_no_file(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere.pickle"):
        piano_rolls(tmp_path / "nowhere.pickle")


# ------------------------------------------------------------------------------------------------ MATLAB


def cells(rolls):
    made = np.empty((1, len(rolls)), object)
    made[0] = rolls
    return made


def matlab_file(path, **changed):
    parts = {f"{part}data": cells([roll.astype(np.uint8) for roll in rolls_of(PIECES[part])]) for part in PIECES}
    matlab.savemat(path, {**parts, **changed})
    return path.read_bytes()


def test_matlab(tmp_path):
    matlab_file(tmp_path / "set.mat")
    check(piano_rolls(tmp_path / "set.mat"))


def test_sparse_matrices_of_matlab(tmp_path):
    rolls = rolls_of(PIECES["train"])
    matlab_file(tmp_path / "set.mat", traindata=cells([sparse.csc_matrix(roll) for roll in rolls]))
    check(piano_rolls(tmp_path / "set.mat"))


def test_rolls_take_no_more_memory_than_the_file_explains(tmp_path, monkeypatch):
    huge = {"testdata": cells([sparse.csc_matrix((4_000_000, 88))])}
    refused(tmp_path, matlab_file(tmp_path / "set.mat", **huge), "testdata .* piece 0 would take 2816000000", "set.mat")
    monkeypatch.setattr("rtrbm.minibatches.bounds.SPARED", 2**22)
    with h5py.File(tmp_path / "set.h5", "w") as file:  # none of its chunks is there
        file.create_dataset("traindata", (1, 20_000, 88), "u1", chunks=(1, 1000, 88))
    refused(tmp_path, (tmp_path / "set.h5").read_bytes(), "piece 0 would take 7040000 bytes", "set.h5")


@pytest.mark.parametrize(
    "changed, match",
    [
        ({"testdata": cells([np.full((3, 88), 2, np.uint8)] * 2)}, "testdata .* piece 0 must hold 0 and 1 alone, got"),
        ({"testdata": cells([np.zeros((3, 88)), np.full((3, 88), np.nan)])}, "piece 1 must hold 0 and 1 alone"),
        ({"testdata": cells([np.zeros((3, 87), np.uint8), np.zeros((4, 87), np.uint8)])}, "piece 0 must be a roll"),
        ({"testdata": cells([np.zeros((0, 88)), np.zeros((4, 88))])}, "got no frames"),
        ({"testdata": np.zeros((3, 88))}, "must be a cell"),
        ({"testdata": np.zeros((0, 0))}, "must hold a piece or more, it is empty"),
        ({"testdata": cells([sparse.csc_matrix(np.eye(88)[:3] * 2), np.zeros((1, 88))])}, "piece 0 must hold 0 and 1"),
    ],
)
def test_a_bad_matrix_is_refused(changed, match, tmp_path):
    refused(tmp_path, matlab_file(tmp_path / "set.mat", **changed), match, "set.mat")


def test_pieces_of_one_length_in_one_array(tmp_path):
    """What scipy.io.savemat makes of a list of them, and of a set of one song."""
    rolls = np.stack([random_roll(seed) for seed in range(3)])
    matlab_file(tmp_path / "set.mat", traindata=list(rolls), testdata=[rolls[0]])
    train, _, test = piano_rolls(tmp_path / "set.mat")
    np.testing.assert_array_equal(train, rolls)
    np.testing.assert_array_equal(test, rolls[:1])


def test_a_bad_matlab_file_is_refused(tmp_path):
    whole = matlab_file(tmp_path / "set.mat")
    refused(tmp_path, whole[: len(whole) // 2], "may be truncated", "set.mat")
    matlab.savemat(tmp_path / "other.mat", {"traindata": np.zeros(3)})
    refused(tmp_path, (tmp_path / "other.mat").read_bytes(), "'validdata'|a cell", "other.mat")


@needs_data
@pytest.mark.parametrize("name, frames", [("JSB_Chorales", (13807, 4602, 4725)), ("Piano_midi", (75911, 8540, 19036))])
def test_the_sets_of_the_papers(name, frames, tmp_path):
    found = piano_rolls(pathlib.Path(DATA, "polyphonic_music", f"{name}.mat"))
    assert tuple(sum(map(len, part)) for part in found) == frames
    if name == "JSB_Chorales":  # in the form of the original pickles
        parts = [[[tuple((np.flatnonzero(v) + 21).tolist()) for v in roll] for roll in part] for part in found]
        (tmp_path / "set.pickle").write_bytes(pickle.dumps(dict(zip(PIECES, parts)), 2))
        check(piano_rolls(tmp_path / "set.pickle"), dict(zip(PIECES, parts)))


# ------------------------------------------------------------------------------------------------ MIDI


def random_roll(seed, n_frames=40):
    roll = np.zeros((n_frames, 88), np.float32)
    rng = np.random.default_rng(seed)
    roll[rng.integers(n_frames, size=60), rng.integers(88, size=60)] = 1
    roll[-1, 40] = 1  # the last frame has a note, by which its end is known
    return roll


@pytest.mark.parametrize("step", [1.0, 0.5, 0.25])
def test_a_roll_comes_back_from_midi(step, tmp_path):
    roll = random_roll(0)
    write_midi(tmp_path / "piece.mid", roll, step)
    np.testing.assert_array_equal(read_midi(tmp_path / "piece.mid", step), roll)
    assert len(read_midi(tmp_path / "piece.mid", step / 2)) == 2 * len(roll)


def track_of(*messages):
    return mido.MidiTrack([mido.Message(kind, **values) for kind, values in messages])


def test_tracks_channels_and_drums(tmp_path):
    def note(kind, pitch, at, **more):
        return kind, {"note": pitch, "time": at, **more}

    on, off = "note_on", "note_off"
    tracks = [
        track_of(note(on, 60, 0), note(on, 62, 96), note(on, 60, 0, velocity=0), note(off, 62, 96)),
        track_of(note(on, 64, 96, channel=1), note(off, 64, 48, channel=0), note(off, 64, 48, channel=1)),
        track_of(note(on, 30, 0, channel=9), note(off, 30, 960, channel=9)),
        track_of(note(on, 70, 0), note(on, 71, 192)),  # never let go
    ]
    tracks[3].append(mido.MetaMessage("end_of_track", time=96))
    mido.MidiFile(tracks=tracks, ticks_per_beat=96).save(tmp_path / "piece.mid")
    wanted = notes([(60, 0, 1), (62, 1, 1), (64, 1, 1), (70, 0, 3), (71, 2, 1)], 0.5)
    np.testing.assert_array_equal(read_midi(tmp_path / "piece.mid", 0.5), wanted)


def midi_folder(folder):
    for n, part in enumerate(PIECES):
        (folder / part).mkdir(parents=True)
        for i in range(n + 1):
            write_midi(folder / part / f"{i}.MID", random_roll(10 * n + i))
        (folder / part / "readme.txt").write_text("not music")
    return folder


def test_a_folder_and_its_archives(tmp_path):
    folder = midi_folder(tmp_path / "set")
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        for path in folder.rglob("*.*"):
            archive.write(path, path.relative_to(tmp_path))  # inside a folder of its own
    with tarfile.open(tmp_path / "set.tar.gz", "w:gz") as archive:
        for part in PIECES:
            archive.add(folder / part, part)
    for path in (folder, tmp_path / "set.zip", tmp_path / "set.tar.gz"):
        for n, part in enumerate(piano_rolls(path)):
            assert len(part) == n + 1
            for i, roll in enumerate(part):
                np.testing.assert_array_equal(roll, random_roll(10 * n + i))


def test_a_tar_archive_without_its_end_is_refused(tmp_path):
    folder, path = midi_folder(tmp_path / "set"), tmp_path / "set.tar"
    with tarfile.open(path, "w") as archive:
        for part in PIECES:
            archive.add(folder / part, part)
    whole = path.read_bytes()
    with tarfile.open(path) as archive:
        last = archive.getmembers()[-1]
    path.write_bytes(whole[: last.offset])
    with pytest.raises(ValueError, match="is truncated or damaged, nothing can be read after"):
        piano_rolls(path)
    path.write_bytes(whole[: last.offset + 3] + b"\xff" + whole[last.offset + 4 :])
    with pytest.raises(ValueError, match="is truncated or damaged, nothing can be read after"):
        piano_rolls(path)
    path.write_bytes(whole)
    assert len(piano_rolls(path)[2]) == 3


def test_midi_files_in_folders_inside(tmp_path):
    folder = midi_folder(tmp_path / "set")
    for place in "b", ".hidden":
        (folder / "train" / place).mkdir()
        write_midi(folder / "train" / place / "0.mid", random_roll(7))
    (folder / "train" / "b" / "again").symlink_to(folder / "train")
    first, second = piano_rolls(folder)[0]
    np.testing.assert_array_equal(first, random_roll(0))
    np.testing.assert_array_equal(second, random_roll(7))


def test_bad_midi_is_refused(tmp_path, monkeypatch):
    folder = midi_folder(tmp_path / "set")
    path = folder / "test" / "0.MID"
    whole = path.read_bytes()
    low = mido.MidiFile(tracks=[track_of(("note_on", {"note": 5, "time": 0}), ("note_off", {"note": 5, "time": 9}))])
    low.save(path)
    with pytest.raises(ValueError, match=r"0.MID.*21 to 108, got \[5\]"):
        piano_rolls(folder)
    for content in (whole[:40], b"MThd", b"words", whole.replace(b"\x90", b"\xf0")):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"0.MID' is no complete MIDI file"):
            piano_rolls(folder)
    mido.MidiFile(tracks=[mido.MidiTrack()]).save(path)
    with pytest.raises(ValueError, match=r"0.MID' has no notes .percussion does not count.: leave it out"):
        piano_rolls(folder)
    long = mido.MidiFile(ticks_per_beat=1, tracks=[track_of(("note_on", {"note": 60, "time": 2**27}))])
    long.save(path)
    with pytest.raises(ValueError, match="more than 131072 frames"):
        piano_rolls(folder)
    path.write_bytes(whole)
    with pytest.raises(ValueError, match="one MIDI file"):
        piano_rolls(path)
    path.unlink()
    (folder / "test" / "1.MID").unlink()
    (folder / "test" / "2.MID").unlink()
    with pytest.raises(ValueError, match="no MIDI files"):
        piano_rolls(folder)
    with pytest.raises(FileNotFoundError, match="no folder .*train"):
        piano_rolls(tmp_path)
    monkeypatch.setitem(__import__("sys").modules, "mido", None)
    with pytest.raises(ImportError, match=r"pip install 'rtrbm\[music\]'"):
        piano_rolls(folder)


def test_an_archive_of_other_files_is_refused(tmp_path):
    np.savez(tmp_path / "set.npz", train=np.eye(88), test=np.eye(88))
    match = "must hold MIDI files .* got test.npy, train.npy: files of other kinds .* are read unpacked"
    refused(tmp_path, (tmp_path / "set.npz").read_bytes(), match, "set.npz")


def test_a_dream_is_written_by_its_probabilities(tmp_path):
    write_midi(tmp_path / "piece.mid", np.where(random_roll(1) == 1, 0.6, 0.4))
    np.testing.assert_array_equal(midi_notes(read_midi(tmp_path / "piece.mid"), 1), midi_notes(random_roll(1), 1))
    with pytest.raises(ValueError, match="88"):
        write_midi(tmp_path / "piece.mid", np.zeros((3, 5)))
    with pytest.raises(ValueError, match="step=0.001 must be at least a tick of the file, 1/480"):
        write_midi(tmp_path / "piece.mid", random_roll(1), 0.001)


# ------------------------------------------------------------------------------------------------ archives


def zipped(*members):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content, mode in members:
            info = zipfile.ZipInfo(name)
            info.external_attr = mode << 16
            archive.writestr(info, content)
    return file.getvalue()


def tarred(*members):
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as archive:
        for name, kind, target in members:
            info = tarfile.TarInfo(name)
            info.type, info.linkname, info.size = kind, target, 0
            archive.addfile(info)
    return file.getvalue()


@pytest.mark.parametrize(
    "content, match",
    [
        (zipped(("good", "x", 0), ("../evil", "x", 0)), "'../evil' lies outside"),
        (zipped(("/evil", "x", 0)), "'/evil' lies outside"),
        (zipped(("C:\\evil", "x", 0)), "lies outside"),
        (zipped(("a\\..\\..\\evil", "x", 0)), "lies outside"),
        (zipped(("link", "/etc/passwd", 0o120777)), "'link' is neither a file nor a folder"),
        (zipped(("train\\x.mid", "x", 0)), r"'train.*x.mid' has backslashes in place of /"),
        (zipped(("train/x.mid", "x", 0), ("./train/x.mid", "y", 0)), "'./train/x.mid' twice"),
        (tarred(("train/x.mid", tarfile.REGTYPE, ""), ("train//x.mid", tarfile.REGTYPE, "")), "'train//x.mid' twice"),
        (tarred(("a/../../evil", tarfile.REGTYPE, "")), "lies outside"),
        (tarred(("/evil", tarfile.REGTYPE, "")), "lies outside"),
        (tarred(("link", tarfile.SYMTYPE, "/etc")), "neither a file nor a folder"),
        (tarred(("link", tarfile.LNKTYPE, "../x")), "neither a file nor a folder"),
        (tarred(("device", tarfile.CHRTYPE, "")), "neither a file nor a folder"),
        (
            zipped(("good", "x" * 1000, 0)).replace(struct.pack("<II", 1000, 1000), struct.pack("<II", 1000, 2**31)),
            "bytes",
        ),
        (zipped(("good", "x" * 1000, 0))[:-5], "cannot be unpacked"),
        (gzip.compress(pickle.dumps([1, 2])), "is packed, and what it holds is no .* unpack it by hand"),
        (tarred(*((f"{i}", tarfile.REGTYPE, "") for i in range(50)))[:150], "none of the files|cannot be unpacked"),
    ],
)
def test_an_archive_with_a_path_outside_is_refused(content, match, tmp_path):
    inside = tmp_path / "inside"
    inside.mkdir()
    refused(inside, content, match, "set.archive")
    with pytest.raises(ValueError, match=match if "none" not in match else "cannot be unpacked"):
        unpack(inside / "set.archive", inside / "unpacked")
    assert sorted(path.name for path in tmp_path.rglob("*") if path.is_file()) == ["set.archive"]


def test_messages_have_one_line(tmp_path):
    (tmp_path / "set.pickle").write_bytes(pickle.dumps(one(7)))
    with pytest.raises(ValueError) as caught:
        piano_rolls(tmp_path / "set.pickle")
    assert not re.search("\n", str(caught.value))


def test_a_note_that_is_struck_again_before_its_end(tmp_path):
    """At one tick the next begins before the one before ends: both have their length, as if it were after."""
    mido = pytest.importorskip("mido")

    def roll_of(*events):
        track, now = mido.MidiTrack(), 0
        for tick, kind in events:
            track.append(mido.Message(kind, note=60, velocity=64, time=tick - now))
            now = tick
        mido.MidiFile(tracks=[track], ticks_per_beat=480).save(tmp_path / "piece.mid")
        return read_midi(tmp_path / "piece.mid", 0.5)[:, 60 - 21]

    ends_first = roll_of((0, "note_on"), (960, "note_off"), (960, "note_on"), (1920, "note_off"))
    begins_first = roll_of((0, "note_on"), (960, "note_on"), (960, "note_off"), (1920, "note_off"))
    assert ends_first.tolist() == begins_first.tolist() == [1] * 8
    apart = roll_of((0, "note_on"), (480, "note_off"), (960, "note_on"), (1920, "note_off"))
    assert apart.tolist() == [1, 1, 0, 0, 1, 1, 1, 1]
    file = mido.MidiFile(tmp_path / "piece.mid")
    file.type = 2
    file.save(tmp_path / "pieces.mid")
    with pytest.raises(ValueError, match="pieces of their own .format 2.: save each as a file"):
        read_midi(tmp_path / "pieces.mid")


def test_a_part_that_comes_twice_is_refused(tmp_path):
    (tmp_path / "set.json").write_text('{"train": [[[60]]], "train": [[[61]]], "valid": [[[60]]], "test": [[[60]]]}')
    with pytest.raises(ValueError, match="the key 'train' comes twice"):
        piano_rolls(tmp_path / "set.json")
    path = tmp_path / "set.pickle"
    path.write_bytes(b"(dS'train'\n(lsS'train'\n(ls.")
    with pytest.raises(ValueError, match="a key twice"):
        opcodes.read_plain(path)


def test_the_largest_set_has_fewer_opcodes_than_are_read():
    """MuseData as lists, in the protocol that takes most: three for a number, of 1.7 million notes in all."""
    assert opcodes.MAX_OPCODES > 3 * 1_700_000 + 4 * 340_000
