"""Damaged and hostile files of data, read by a process that is watched: it must neither crash nor hang.

    python tests/faults/damaged_files.py --n 5000 --seed 0

Damage is random: flipped bits, lost ends, zeroed blocks, inserted and exchanged parts. Hostile files (`HOSTILE`) are
made to harm: bombs, sizes that are not there, endless numbers, forbidden names. Every file must give an error of the
package that names the file, or values of the documented form. The process that reads has a limit of memory; its time
and its peak of memory are measured for every file.
"""

import argparse
import bz2
import gzip
import io
import json
import lzma
import os
import pickle
import resource
import select
import struct
import subprocess
import sys
import tarfile
import tempfile
import time
import traceback
import zipfile
import zlib
from collections import Counter

import numpy as np

SECONDS, PATIENCE = 2.0, 120.0  # of computing, and of waiting for a process on a busy machine
MOST, LARGE = 100 * 2**20, 25  # bytes above the baseline, and times the size of a file that is not small
ROOM = 2**30  # bytes of address space above the baseline, beyond which there is no memory
TRAIN = [[(60, 64), (), (60,)], [(21, 108)]]
PIECES = {"train": TRAIN, "valid": [[(62,)]], "test": [[(62, 64, 66, 70)], [(50,), (51,)]]}
EMPTY = {"train": [], "valid": [], "test": []}


# --------------------------------------------------------------------------------------------- files in order


def npz(packed=True, **arrays):
    file = io.BytesIO()
    (np.savez_compressed if packed else np.savez)(file, **arrays)
    return file.getvalue()


def npy(array):
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def mat(packed=True, **variables):
    from scipy.io import savemat

    file = io.BytesIO()
    savemat(file, variables, do_compression=packed)
    return file.getvalue()


def cell(*arrays):
    found = np.empty((1, len(arrays)), object)
    found[0] = list(arrays)
    return found


def motion(packed=True):
    """motion.mat, two short walks of a skeleton of two joints."""
    joint = [("parent", object), ("or", object), ("offset", object)]
    tree = np.empty((1, 2), joint)
    tree[0, 0] = (np.zeros((0, 0)), np.array([[1, 2, 3]]), np.array([[4, 5, 6]]))
    tree[0, 1] = (np.array([[1]]), np.array([[7, 8, 9]]), np.array([[10, 11, 12]]))
    rng = np.random.default_rng(0)
    walks = cell(rng.standard_normal((5, 108)), rng.standard_normal((3, 108)))
    return mat(packed, Motion=walks, skel={"type": "mit", "tree": tree})


def midi(*tracks, division=480, kind=1):
    """A MIDI file of tracks of bytes."""
    parts = b"".join(b"MTrk" + struct.pack(">I", len(track)) + track for track in tracks)
    return b"MThd" + struct.pack(">IHHH", 6, kind, len(tracks), division) + parts


def tune(n=40):
    """A track of notes, one after the other."""
    rng = np.random.default_rng(n)
    keys = rng.integers(30, 90, n).tolist()
    return (
        b"".join(b"\x00\x90" + bytes([key, 80]) + b"\x81\x70\x80" + bytes([key, 0]) for key in keys)
        + b"\x00\xff\x2f\x00"
    )


def zipped(members, method=zipfile.ZIP_DEFLATED):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return file.getvalue()


def tarred(members, mode="w:gz"):
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode=mode) as archive:
        for name, data in members:
            info = name if isinstance(name, tarfile.TarInfo) else tarfile.TarInfo(name)
            info.size = info.size or len(data)
            archive.addfile(info, io.BytesIO(data))
    return file.getvalue()


def pieces():
    return [(f"{part}/{i}.mid", midi(tune(5 + i))) for part in ("train", "valid", "test") for i in range(2)]


def bvh(n=3):
    joints = (
        "HIERARCHY\nROOT hip\n{\nOFFSET 0 0 0\nCHANNELS 6 Xposition Yposition Zposition Zrotation Xrotation Yrotation\n"
    )
    joints += (
        "JOINT knee\n{\nOFFSET 0 -1 0\nCHANNELS 3 Zrotation Xrotation Yrotation\nEnd Site\n{\nOFFSET 0 -1 0\n}\n}\n}\n"
    )
    rows = "\n".join(" ".join(f"{x:.3f}" for x in row) for row in np.random.default_rng(0).standard_normal((n, 9)))
    return f"{joints}MOTION\nFrames: {n}\nFrame Time: 0.033\n{rows}\n".encode()


def orderly():
    """Name (its ending is that of the file), content and reader of files that are read."""
    rng = np.random.default_rng(0)
    X, mixed = (
        rng.standard_normal((20, 5)),
        {"a": rng.random((6, 4)), "b": rng.integers(0, 9, (3, 2)), "c": np.array(["x", "y"])},
    )
    table = "hip,knee,name\n" + "".join(f"{a:.4f},{b:.4f},n{i}\n" for i, (a, b) in enumerate(rng.random((30, 2))))
    plain = "\n".join("\t".join(f"{x:.5g}" for x in row) for row in X)
    cells = {
        part: cell(*(rng.integers(0, 2, (n, 88)) for n in (3, 5))) for part in ("traindata", "validdata", "testdata")
    }
    from scipy.sparse import csc_matrix

    return {
        "one.npy": (npy(X), "read"),
        "columns.npy": (npy(np.asfortranarray(X.astype("f4"))), "read"),
        "records.npy": (npy(np.zeros(5, "f4,i2")), "read"),
        "packed.npz": (npz(**mixed), "all"),
        "plain.npz": (npz(False, **mixed), "all"),
        "packed.mat": (mat(X=X, whole=np.arange(6)), "all"),
        "plain.mat": (mat(False, X=X, words=["ab", "cd"], z=X[:2] + 1j, flag=True), "all"),
        "cells.mat": (mat(False, c=cell(X, X[:2]), s={"x": X, "y": {"z": 1.0}}, sparse=csc_matrix(np.eye(4))), "all"),
        "table.csv": (table.encode(), "read"),
        "plain.tsv": (plain.encode(), "read"),
        "quoted.csv": (b'"a";"b\nc"\n' + b"".join(b'"%d";%d\n' % (i, i * i) for i in range(30)), "read"),
        "blanks.txt": (plain.replace("\t", "  ").encode("utf-8-sig"), "read"),
        **{f"set{i}.pickle": (pickle.dumps(PIECES, i), "piano_rolls") for i in range(6)},
        "set.json": (json.dumps(PIECES).encode(), "piano_rolls"),
        "set.mat": (mat(**cells), "piano_rolls"),
        "set-plain.mat": (mat(False, **cells), "piano_rolls"),
        "piece.mid": (midi(tune(), tune(9)), "read_midi"),
        "set.zip": (zipped(pieces()), "piano_rolls"),
        "set.tar": (tarred(pieces(), "w:"), "piano_rolls"),
        "set.tgz": (tarred(pieces()), "piano_rolls"),
        "set.tbz": (tarred(pieces(), "w:bz2"), "piano_rolls"),
        "set.txz": (tarred(pieces(), "w:xz"), "piano_rolls"),
        "walk.bvh": (bvh(), "bvh_motion"),
        "motion.mat": (motion(), "hsu_motion"),
        "motion-plain.mat": (motion(False), "hsu_motion"),
        "MOCAP.mat": (mat(batchdata=rng.standard_normal((9, 49)), seqlengths=np.array([4, 5])), "hsu_walking"),
        "dataset.npz": (npz(X=X, doc_range=np.array([0, 8, 20])), "mocap6"),
    }


# ------------------------------------------------------------------------------------------------- damage


def damaged(data, rng):
    """The bytes of a file after one accident, or several."""
    data = bytearray(data)
    for _ in range(rng.geometric(0.7)):
        if not data:
            break
        a, b = sorted(rng.integers(0, len(data) + 1, 2).tolist())
        b = min(b, a + int(2 ** rng.uniform(0, 12)))
        accident = rng.integers(8)
        if accident <= 2:
            for at in rng.integers(0, len(data), rng.geometric(0.5)):
                data[at] ^= 1 << int(rng.integers(8))
        elif accident == 3:
            del data[a if rng.random() < 0.5 else int(rng.integers(len(data))) :]
        elif accident == 4:
            data[a:b] = bytes(b - a)
        elif accident == 5:
            data[a:a] = rng.bytes(int(2 ** rng.uniform(0, 8)))
        elif accident == 6:
            data[a:b] = b"\xff" * (b - a)
        else:
            c = int(rng.integers(len(data) + 1))
            data = bytearray(data[a:b] + data[:a] + data[c:] + data[b:c])
    return bytes(data)


# ------------------------------------------------------------------------------------------------- hostile files


def npy_of(descr="<f8", shape="(3,)", fortran="False", version=1, length=None, data=bytes(24)):
    """An .npy file with a header of one's own."""
    header = f"{{'descr': {descr!r}, 'fortran_order': {fortran}, 'shape': {shape}}}\n".encode()
    length = len(header) if length is None else length
    return b"\x93NUMPY" + bytes([version, 0]) + struct.pack("<H" if version == 1 else "<I", length) + header + data


def element(kind, data, n=None):
    """An element of a .mat file, which may lie about its length."""
    return struct.pack("<II", kind, len(data) if n is None else n) + data + bytes(-len(data) % 8)


def matrix(kind, shape, body=b"", flags=0, n=None):
    """A variable x of a .mat file."""
    dims = struct.pack(f"<{len(shape)}i", *shape)
    return element(14, element(6, struct.pack("<II", kind | flags, 0)) + element(5, dims) + element(1, b"x") + body, n)


def mat_of(*elements, packed=False):
    head = b"MATLAB 5.0 MAT-file".ljust(124) + b"\x00\x01IM"
    body = b"".join(elements)
    return head + (element(15, zlib.compress(body)) if packed else body)


def nested(depth):
    """Cells in one another."""
    body = b""
    for _ in range(depth):
        body = matrix(1, (1, 1), body)
    return body


def linked(target):
    info = tarfile.TarInfo("train/link.mid")
    info.type, info.linkname = tarfile.SYMTYPE, target
    return info


def pax_bomb():
    """A tar archive whose header is 100 MB of zeros, packed."""
    info = tarfile.TarInfo("header")
    info.type, info.size = tarfile.XHDTYPE, 100 * 2**20
    return gzip.compress(info.tobuf() + bytes(100 * 2**20))


def zip_link():
    info = zipfile.ZipInfo("train/link.mid")
    info.external_attr = 0o120777 << 16
    return zipped([(info, "/etc/passwd")])


def encrypted():
    data = bytearray(zipped(pieces()))
    for magic, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        begin = data.find(magic)
        while begin >= 0:
            data[begin + at] |= 1
            begin = data.find(magic, begin + 1)
    return bytes(data)


def flat(unpacked):
    """One member of so many zero bytes."""
    return zipped([("train/a.mid", bytes(unpacked))])


def memo_bomb(n):
    """Lists in a pickle of which each holds the last one twice, as pieces of a set."""
    code = b"\x80\x02}(X\x05\x00\x00\x00train](](K<eq\x00"
    code += b"".join(b"](h" + bytes([i]) + b"h" + bytes([i]) + b"eq" + bytes([i + 1]) for i in range(n))
    return code + b"eX\x05\x00\x00\x00valid](](](K<eeeX\x04\x00\x00\x00test](](](K<eeeu."


def frames_bomb(n, times):
    """A pickle with a piece of n frames, so many times over."""
    code = b"\x80\x02}(X\x05\x00\x00\x00train](](" + b")" * n + b"eq\x00" + b"h\x00" * times
    return code + b"eX\x05\x00\x00\x00valid](](](K<eeeX\x04\x00\x00\x00test](](](K<eeeu."


class Harm:
    def __reduce__(self):
        return os.system, ("touch /tmp/harm",)


HOSTILE = {
    "declared.npy": (lambda: npy_of(shape="(10**12,)"), "read"),
    "declared-digits.npy": (lambda: npy_of(shape="(1000000000000,)"), "read"),
    "overflow.npy": (lambda: npy_of(shape="(4294967296, 4294967296, 16)"), "read"),
    "negative.npy": (lambda: npy_of(shape="(-3,)"), "read"),
    "flag.npy": (lambda: npy_of(shape="(True,)"), "read"),
    "none.npy": (lambda: npy_of(shape="(0, 10000000000000000000000)"), "read"),
    "objects.npy": (lambda: npy_of("|O", data=pickle.dumps(Harm())), "read"),
    "objects-inside.npy": (lambda: npy_of([("a", "|O")]), "read"),
    "no-bytes.npy": (lambda: npy_of("|S0", shape="(1000000000000,)"), "read"),
    "void.npy": (lambda: npy_of("|V0", shape="(1000000000000,)"), "read"),
    "text.npy": (lambda: npy_of("<U1000000000"), "read"),
    "subarray.npy": (lambda: npy_of("(1000000000,)f8", shape="(1,)"), "read"),
    "fortran.npy": (lambda: npy_of(fortran="[1]"), "read"),
    "axes.npy": (lambda: npy_of(shape=f"({'1,' * 100})", data=bytes(8)), "read"),
    "header.npy": (lambda: npy_of(version=2, length=2**32 - 1), "read"),
    "brackets.npy": (lambda: npy_of(shape="(" * 30000), "read"),
    "minus.npy": (lambda: npy_of(shape="-" * 30000 + "1"), "read"),
    "code.npy": (lambda: npy_of(shape="__import__('os').system('touch /tmp/harm')"), "read"),
    "declared.npz": (lambda: zipped([("x.npy", npy_of(shape="(1000000000000,)"))]), "read"),
    "zeros.npz": (lambda: npz(x=np.zeros(2**27, "u1")), "read"),
    "many-zeros.npz": (lambda: npz(**{f"x{i}": np.zeros(2**22, "u1") for i in range(40)}), "all"),
    "bzip2.npz": (lambda: zipped([("x.npy", npy(np.zeros(2**27, "u1")))], zipfile.ZIP_BZIP2), "read"),
    "lzma.npz": (lambda: zipped([("x.npy", npy(np.zeros(2**27, "u1")))], zipfile.ZIP_LZMA), "read"),
    "twice.npz": (lambda: zipped([("x.npy", npy(np.zeros(3))), ("x.npy", npy(np.ones(3)))]), "read"),
    "others.npz": (lambda: zipped([("x.txt", b"words")]), "read"),
    "encrypted.npz": (encrypted, "read"),
    "longer.npz": (lambda: zipped([("x.npy", npy(np.zeros(3)) + b"more")]), "read"),
    "declared.mat": (lambda: mat_of(matrix(6, (2**31 - 1, 2**31 - 1), element(9, bytes(8)))), "read"),
    "cell.mat": (lambda: mat_of(matrix(1, (1, 2**31 - 1))), "read"),
    "empty-cells.mat": (lambda: mat_of(matrix(1, (2**21, 1), element(14, b"") * 2**21), packed=True), "read"),
    "struct.mat": (
        lambda: mat_of(matrix(2, (2**31 - 1, 1), element(5, struct.pack("<i", 8)) + element(1, b"a" * 8))),
        "read",
    ),
    "fields.mat": (lambda: mat_of(matrix(2, (1, 1), element(5, struct.pack("<i", 0)) + element(1, b"a" * 8))), "read"),
    "same-fields.mat": (
        lambda: mat_of(
            matrix(2, (1, 1), element(5, struct.pack("<i", 4)) + element(1, b"a\0\0\0" * 2) + 2 * nested(1))
        ),
        "read",
    ),
    "deep.mat": (lambda: mat_of(nested(3000)), "read"),
    "deep-packed.mat": (lambda: mat_of(nested(3000), packed=True), "read"),
    "long.mat": (lambda: mat_of(matrix(6, (1, 1), element(9, bytes(8)), n=2**32 - 1)), "read"),
    "part.mat": (lambda: mat_of(matrix(6, (1, 1), element(9, bytes(8), n=2**32 - 8))), "read"),
    "short.mat": (lambda: mat_of(struct.pack("<HH", 14, 200) + bytes(4)), "read"),
    "zeros.mat": (lambda: mat_of(matrix(9, (2**27, 1), element(2, bytes(2**27))), packed=True), "read"),
    "wide-zeros.mat": (lambda: mat_of(matrix(6, (2**25, 1), element(2, bytes(2**25))), packed=True), "read"),
    "rows.mat": (
        lambda: mat_of(
            matrix(
                5, (2**31 - 1, 1), element(5, bytes(4)) + element(5, struct.pack("<2i", 0, 1)) + element(9, bytes(8))
            )
        ),
        "read",
    ),
    "columns.mat": (
        lambda: mat_of(
            matrix(
                5,
                (2, 2),
                element(5, struct.pack("<i", 9)) + element(5, struct.pack("<3i", 0, 2, 1)) + element(9, bytes(8)),
            )
        ),
        "read",
    ),
    "text.mat": (lambda: mat_of(matrix(4, (1, 2**31 - 1), element(16, b"a"))), "read"),
    "no-utf.mat": (lambda: mat_of(matrix(4, (1, 3), element(16, b"\xff\xff\xff"))), "read"),
    "object.mat": (lambda: mat_of(matrix(3, (1, 1)), matrix(17, (1, 1))), "read"),
    "packed-twice.mat": (lambda: mat_of(element(15, zlib.compress(bytes(100))), packed=True), "read"),
    "one-line.csv": (lambda: b"1" * 2**22, "read"),
    "one-row.csv": (lambda: b"1," * 2**20 + b"1\n", "read"),
    "null.csv": (lambda: b"a,b\n" + b"1,2\n" * 300 + b"1,\0\n", "read"),
    "columns.csv": (
        lambda: ",".join(f"c{i}" for i in range(10**6)).encode() + b"\n" + b",".join([b"1"] * 10**6),
        "read",
    ),
    "same-columns.csv": (lambda: b",".join([b"c"] * 10**5) + b"\n" + b",".join([b"1"] * 10**5), "read"),
    "quoted.csv": (lambda: b'a,b\n"' + b"1\n" * 2**20, "read"),
    "newlines.csv": (lambda: b'"a\nb",c\n"1\n2",3\n', "read"),
    "digits.csv": (lambda: b"a,b\n1,2\n3," + b"9" * 10**6, "read"),
    "exponent.csv": (lambda: b"a,b\n1,1e999999999\n", "read"),
    "empty-lines.csv": (lambda: b"\n" * 2**20, "read"),
    "bytes.csv": (lambda: b"a,b\n1,\xff\xfe\n", "read"),
    "ticks.mid": (
        lambda: midi(b"\x00\x90\x3c\x50\xff\xff\xff\x7f\x80\x3c\x00" + b"\x00\xff\x2f\x00", division=1),
        "read_midi",
    ),
    "many-ticks.mid": (lambda: midi(b"\xff\xff\xff\x7f\x90\x3c\x50" * 4000, division=1), "read_midi"),
    "endless.mid": (lambda: midi(b"\xff" * 2**20), "read_midi"),
    "long-number.mid": (lambda: midi(b"\x00\x90\x3c\x50" + b"\x81" * 2**20 + b"\x00"), "read_midi"),
    "long-event.mid": (lambda: midi(b"\x00\xf0\xff\xff\xff\x7f"), "read_midi"),
    "long-track.mid": (lambda: midi(tune()).replace(b"MTrk", b"MTrk\xff\xff\xff\xff", 1), "read_midi"),
    "tracks.mid": (lambda: b"MThd" + struct.pack(">IHHH", 6, 1, 65535, 480) + b"MTrk\0\0\0\0" * 9, "read_midi"),
    "films.mid": (lambda: midi(tune(), division=0xE728), "read_midi"),
    "no-time.mid": (lambda: midi(tune(), division=0), "read_midi"),
    "long-notes.mid": (
        lambda: midi(
            *[
                b"\x00"
                + b"".join(b"\x90" + bytes([k, 9]) + b"\x00" for k in range(21, 108))
                + b"\x90\x6c\x09\x83\xff\x7f\xff\x2f\x00"
            ]
            * 60,
            division=1,
        ),
        "read_midi",
    ),
    "frames.mid": (lambda: midi(b"\x00\x90\x3c\x50\x87\xff\x7f\x80\x3c\x00", division=1), "read_midi"),
    "deep.json": (lambda: b"[" * 10**5, "piano_rolls"),
    "deep-dict.json": (lambda: b'{"train":' * 10**5, "piano_rolls"),
    "numbers.json": (lambda: json.dumps(PIECES).replace("62", "1e400").encode(), "piano_rolls"),
    "nan.json": (lambda: json.dumps(PIECES).replace("62", "NaN").encode(), "piano_rolls"),
    "digits.json": (lambda: json.dumps(PIECES).replace("62", "9" * 4000).encode(), "piano_rolls"),
    "many-digits.json": (lambda: json.dumps(PIECES).replace("62", "9" * 10**6).encode(), "piano_rolls"),
    "chord.json": (lambda: json.dumps(PIECES | {"train": [[[60] * 10**5]]}).encode(), "piano_rolls"),
    "empty.json": (lambda: json.dumps(EMPTY).encode(), "piano_rolls"),
    "frames.json": (lambda: json.dumps(PIECES | {"train": [[[]] * 10**5]}).encode(), "piano_rolls"),
    "text.json": (lambda: json.dumps(PIECES | {"train": "words"}).encode(), "piano_rolls"),
    "bytes.json": (lambda: b'{"train": "\xff\xfe"}', "piano_rolls"),
    "system.pickle": (lambda: pickle.dumps(Harm()), "piano_rolls"),
    "system0.pickle": (lambda: pickle.dumps({"train": Harm()}, 0), "piano_rolls"),
    "memo.pickle": (lambda: memo_bomb(200), "piano_rolls"),
    "frames.pickle": (lambda: frames_bomb(10**5, 10**5), "piano_rolls"),
    "itself.pickle": (
        lambda: b"\x80\x02}q\x00(X\x05\x00\x00\x00trainh\x00X\x05\x00\x00\x00validh\x00X\x04\x00\x00\x00testh\x00u.",
        "piano_rolls",
    ),
    "long4.pickle": (lambda: b"\x80\x02\x8b\xff\xff\xff\x7f" + bytes(100), "piano_rolls"),
    "digits.pickle": (lambda: pickle.dumps(PIECES | {"train": [[(10**300,)]]}, 2), "piano_rolls"),
    "deep.pickle": (lambda: b"\x80\x02" + b"]" * 10**6 + b"a" * (10**6 - 1) + b".", "piano_rolls"),
    "tuples.pickle": (lambda: b"\x80\x02)" + b"\x85" * 10**6 + b".", "piano_rolls"),
    "marks.pickle": (lambda: b"\x80\x02" + b"(" * 2**20, "piano_rolls"),
    "text.pickle": (lambda: b"\x80\x04\x8d" + struct.pack("<Q", 2**62) + b"a", "piano_rolls"),
    "absolute.zip": (lambda: zipped([("/tmp/harm", b"x")]), "piano_rolls"),
    "above.zip": (lambda: zipped([("train/../../harm", b"x")]), "piano_rolls"),
    "link.zip": (zip_link, "piano_rolls"),
    "bomb.zip": (lambda: flat(2**27), "piano_rolls"),
    "bzip2.zip": (lambda: zipped([("train/a.mid", bytes(2**27))], zipfile.ZIP_BZIP2), "piano_rolls"),
    "twice.zip": (lambda: zipped([("train/a.mid", b"x"), ("train/a.mid", b"y")]), "piano_rolls"),
    "members.zip": (lambda: zipped([(f"train/{i}", b"") for i in range(20000)], zipfile.ZIP_STORED), "piano_rolls"),
    "encrypted.zip": (encrypted, "piano_rolls"),
    "both.zip": (lambda: zipped([("train", b"x"), ("train/a.mid", b"y")]), "piano_rolls"),
    "absolute.tar": (lambda: tarred([("/tmp/harm", b"x")], "w:"), "piano_rolls"),
    "above.tar": (lambda: tarred([("../harm", b"x")], "w:"), "piano_rolls"),
    "link.tar": (lambda: tarred([(linked("/etc/passwd"), b"")], "w:"), "piano_rolls"),
    "bomb.tgz": (lambda: gzip.compress(bytes(2**27)), "piano_rolls"),
    "member.tgz": (lambda: tarred([("train/a.mid", bytes(2**27))]), "piano_rolls"),
    "header.tgz": (pax_bomb, "piano_rolls"),
    "bomb.tbz": (lambda: bz2.compress(bytes(2**27)), "piano_rolls"),
    "bomb.txz": (lambda: lzma.compress(bytes(2**27)), "piano_rolls"),
    "frames.bvh": (lambda: bvh().replace(b"Frames: 3", b"Frames: 999999999999"), "bvh_motion"),
    "time.bvh": (lambda: bvh().replace(b"0.033", b"0"), "bvh_motion"),
    "nan.bvh": (lambda: bvh().replace(b"0.033\n", b"0.033\n nan"), "bvh_motion"),
    "deep.bvh": (lambda: bvh().replace(b"JOINT knee\n{\n", b"JOINT knee\n{\nOFFSET 0 0 0\n" * 10**4), "bvh_motion"),
    "type.mat": (lambda: mat(Motion=np.eye(3), skel=1.0), "hsu_motion"),
    "lengths.mat": (lambda: mat(batchdata=np.zeros((9, 49)), seqlengths=np.array([np.nan, 4.5, 4.5])), "hsu_walking"),
    "words.mat": (lambda: mat(batchdata=np.zeros((9, 49)), seqlengths="words"), "hsu_walking"),
    "range.npz": (lambda: npz(X=np.zeros((5, 2)), doc_range=np.array([])), "mocap6"),
    "range-nan.npz": (lambda: npz(X=np.zeros((5, 2)), doc_range=np.array([0, np.nan, 5])), "mocap6"),
}


# ------------------------------------------------------------------------------------------------- reading


def readers():
    """By name: the function that reads, and the check of its values."""
    from rtrbm import convert, datasets

    def arrays(value):
        for part in value if isinstance(value, list) else [value]:
            assert hasattr(part, "shape"), type(part)
            if hasattr(part, "toarray"):
                part.toarray()

    def rolls(value):
        for roll in [roll for part in value for roll in part] if isinstance(value, tuple) else [value]:
            assert roll.dtype == np.float32 and roll.shape[1] == 88 and len(roll) and np.isin(roll, (0, 1)).all()

    def finite(value):
        value = value if isinstance(value, list) else value[0]
        for part in value if isinstance(value, list) else [value]:
            assert part.dtype == float and part.ndim == 2 and part.size and np.isfinite(part).all()

    return {
        "read": (convert.read, arrays),
        "all": (lambda path: convert.read(path, None if path.endswith((".npy", ".csv")) else "/"), arrays),
        "read_midi": (convert.read_midi, rolls),
        "piano_rolls": (datasets.piano_rolls, rolls),
        "mocap6": (datasets.mocap6, finite),
        "hsu_motion": (datasets.hsu_motion, finite),
        "hsu_walking": (datasets.hsu_walking, finite),
        "bvh_motion": (datasets.bvh_motion, finite),
    }


def peak():
    """The most memory that this process has had since the last call, and what it has now, in bytes."""
    with open("/proc/self/status") as file:
        found = {line.split(":")[0]: line.split()[1] for line in file if line.startswith("Vm")}
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")
    return 1024 * int(found["VmHWM"]), 1024 * int(found["VmRSS"])


def reading(known, path, reader):
    """What comes of a file: "values" or "error", or what is wrong with it."""
    import warnings

    function, check = known[reader]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            value = function(path)
    except MemoryError:
        return "no memory"
    except (ValueError, TypeError) as error:
        frame = traceback.extract_tb(error.__traceback__)[-1]
        if not frame.line or not frame.line.startswith("raise") or type(error) not in (ValueError, TypeError):
            is_own = type(error).__module__.startswith("rtrbm")
            if not is_own or not frame.line.startswith("raise"):
                return f"foreign {type(error).__name__}: {error} at {frame.filename}:{frame.lineno}"
        return "error" if os.path.basename(path) in str(error) else f"does not name the file: {error}"
    except FileNotFoundError as error:  # a folder that an archive lacks
        return "error" if "path" in str(error) else f"foreign {error}"
    except ImportError as error:
        return f"left out ({error})"
    except BaseException as error:
        return f"foreign {type(error).__name__}: {error}"
    try:
        check(value)
    except Exception as error:
        return f"wrong values: {type(error).__name__} {error}"
    return "values"


def work():
    """Read the files whose paths come in, a line each, and write what came of each."""
    known = readers()
    with tempfile.TemporaryDirectory() as folder:
        for name, (data, reader) in orderly().items():  # what is imported late belongs to the baseline
            path = os.path.join(folder, name)
            with open(path, "wb") as file:
                file.write(data)
            found = reading(known, path, reader)
            if found != "values" and not found.startswith("left out"):
                raise SystemExit(f"{name} is in order, and gives: {found}")
    with open("/proc/self/statm") as file:
        size = int(file.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + ROOM, size + ROOM))
    print("ready", flush=True)
    for line in sys.stdin:
        path, reader = json.loads(line)
        _, before = peak()
        began = time.process_time()
        found = reading(known, path, reader)
        spent = time.process_time() - began
        print(json.dumps([found, spent, peak()[0] - before]), flush=True)


class Worker:
    """A process that reads files; a new one takes the place of one that has died."""

    def __init__(self):
        self._process = None

    def _reply(self):
        if select.select([self._process.stdout], [], [], PATIENCE)[0]:
            return self._process.stdout.readline()
        return None

    def read(self, path, reader):
        """What came of a file, seconds and bytes."""
        if self._process is None:
            command = [
                sys.executable,
                "-c",
                f"import sys; sys.path.insert(0, {os.path.dirname(__file__)!r}); "
                "import damaged_files; damaged_files.work()",
            ]
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                bufsize=1,
                env=os.environ | {"OMP_NUM_THREADS": "1"},
            )
            if self._reply() != "ready\n":
                raise RuntimeError("the process that reads did not begin")
        self._process.stdin.write(json.dumps([path, reader]) + "\n")
        reply = self._reply()
        if reply:
            found, seconds, n_bytes = json.loads(reply)
            return found, seconds, n_bytes
        if reply is None:
            self._process.kill()
        code, self._process = self._process.wait(), None
        return ("hang" if reply is None else f"crash {code}"), PATIENCE, 0

    def close(self):
        """End the process."""
        if self._process is not None:
            self._process.stdin.close()
            self._process.wait()
            self._process.stdout.close()


def verdict(found, seconds, n_bytes, size):
    """The word that is counted."""
    if found in ("values", "error") or found.startswith("left out"):
        return "slow" if seconds > SECONDS else "memory" if n_bytes > MOST + LARGE * size else found.split(" (")[0]
    return found.split()[0].rstrip(":")


def run(files, say=print):
    """Read files, (name, content, reader) each; the counts of verdicts, and those that are wrong."""
    worker, counts, wrong, slowest, most = Worker(), Counter(), [], 0, 0
    with tempfile.TemporaryDirectory() as folder:
        for name, data, reader in files:
            path = os.path.join(folder, name)
            with open(path, "wb") as file:
                file.write(data)
            found, seconds, n_bytes = worker.read(path, reader)
            os.remove(path)
            word = verdict(found, seconds, n_bytes, len(data))
            counts[word] += 1
            slowest, most = max(slowest, seconds), max(most, n_bytes)
            if word not in ("values", "error", "left out"):
                wrong.append((name, found))
                say(f"{name} ({len(data)} bytes): {word}: {found[:300]}, {seconds:.2f} s, {n_bytes / 2**20:.0f} MB")
    worker.close()
    return counts, wrong, slowest, most


def random_files(n, seed):
    """So many damaged files, of all kinds in turn."""
    kinds = list(orderly().items())
    for i in range(n):
        name, (data, reader) = kinds[i % len(kinds)]
        yield f"{i}-{name}", damaged(data, np.random.default_rng((seed, i))), reader


def hostile_files():
    for name, (make, reader) in HOSTILE.items():
        yield name, make(), reader


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=5000, help="damaged files (default: 5000)")
    parser.add_argument("--seed", type=int, default=0, help="default: 0")
    options = parser.parse_args(arguments)
    n_wrong = 0
    for what, files in (("hostile", hostile_files()), ("damaged", random_files(options.n, options.seed))):
        counts, wrong, slowest, most = run(files)
        n_wrong += len(wrong)
        told = ", ".join(f"{n} {word}" for word, n in sorted(counts.items()))
        print(
            f"{sum(counts.values())} {what} files: {told}; slowest {slowest:.2f} s, most memory {most / 2**20:.0f} MB"
        )
    return 1 if n_wrong else 0


if __name__ == "__main__":
    sys.exit(main())
