"""Polyphonic music from files that the user has: piano rolls in three parts, to train, to validate and to test."""

from __future__ import annotations

import json
import numbers
import os
import tempfile
from collections import Counter

import numpy as np

from ..checks import check_number
from ..convert.midi import read_midi
from ..convert.music import LOWEST, N_KEYS
from ..foreign import is_sparse
from ..minibatches.bounds import Budget, check_regular
from ..minibatches.matlab import RATIO
from ..minibatches.paths import MAGIC, read
from ..replacing import as_path
from ..types import Array, Path
from .archives import is_archive, unpack
from .matlab import dense
from .opcodes import read_plain

PARTS = "train", "valid", "test"
LONGEST_CHORD = 2 * N_KEYS  # notes of a frame, of which some may come twice
PICKLES = b"\x80", b"(", b"}", b"]", b"c"  # the opcodes that may come first
MIDI = ".mid", ".midi"
HEAD = 4096  # bytes by which a file is known
SPARED = 2**18  # frames that a file of any size may ask for


def piano_rolls(path: Path, step: float = 0.5) -> tuple[list[Array], list[Array], list[Array]]:
    """Polyphonic music with its split, of Boulanger-Lewandowski, Bengio & Vincent (2012) or your own.

    Parameters
    ----------
    path : path-like
        One of these; the first bytes of a file decide:

        - a .mat file with the cells `traindata`, `validdata` and `testdata` of arrays (n_frames_i, 88) of 0 and 1, such
          as JSB_Chorales.mat, Nottingham.mat, Piano_midi.mat and MuseData.mat; in place of a cell also an array
          (n_pieces, n_frames, 88), as scipy.io.savemat writes a list of pieces of one length;
        - a pickle, as the authors published the sets: a dict with the lists `train`, `valid` and `test` of pieces; a
          piece is a list of frames, a frame a list or tuple of MIDI's note numbers. It is read by
          `rtrbm.datasets.opcodes`: no code in it is run;
        - the same as JSON;
        - a folder with the folders `train`, `valid` and `test` of MIDI files (.mid, .midi), those in folders inside
          too, in the order of their paths (`rtrbm.convert.read_midi` reads a single one), or a zip or tar archive of
          such a folder.
    step : float
        Quarter notes from frame to frame, of MIDI files alone.

    Returns
    -------
    train, valid, test : lists of (n_frames_i, 88) float32 ndarrays
        1 where a note sounds; column j is MIDI's note 21 + j.

    Raises
    ------
    FileNotFoundError
        If there is no such file or folder.
    TypeError, ValueError
        If a file is damaged, of another form, has notes outside 21 to 108, or rolls with other values than 0 and 1. The
        message names the file and the place.

    Examples
    --------
    >>> import os, tempfile
    >>> path = os.path.join(tempfile.mkdtemp(), "two-frames.json")
    >>> with open(path, "w", encoding="utf-8") as file:
    ...     _ = file.write('{"train": [[[60, 64], [60]]], "valid": [[[60]]], "test": [[[62]]]}')
    >>> train, valid, test = piano_rolls(path)
    >>> train[0].shape, train[0].sum(axis=1)
    ((2, 88), array([2., 1.], dtype=float32))
    """
    path = as_path("path", path)
    check_number("step", step, 0)
    if os.path.isdir(path):
        return tuple(_midi_part(os.path.join(path, part), step) for part in PARTS)
    check_regular(path, "path")
    if is_archive(path):
        with tempfile.TemporaryDirectory() as folder:
            unpack(path, folder)
            _check_midi(folder, path)
            try:
                return tuple(_midi_part(os.path.join(_top(folder), part), step) for part in PARTS)
            except (FileNotFoundError, ValueError) as error:  # the folder is gone when the user reads the message
                raise type(error)(str(error).replace(folder, path)) from error
    with open(path, "rb") as file:
        head = file.read(HEAD)
    if not head:
        raise ValueError(f"path: {path!r} is empty, 0 bytes")
    if any(head.startswith(magic) for magic in MAGIC):
        budget = Budget(path, RATIO)
        return tuple(_cells(_array(path, f"{part}data"), f"path: {part}data of {path!r}", budget) for part in PARTS)
    if head.startswith(b"MThd"):
        raise ValueError(
            f"path: {path!r} is one MIDI file, a set is a folder with the folders {', '.join(PARTS)} of them; "
            "rtrbm.convert.read_midi reads one"
        )
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if text.startswith((b"{", b"[")):
        return _noted(_json(path), path)
    if not head.startswith(PICKLES):
        raise ValueError(
            f"path: {path!r} is none of the files that are read by its first bytes: .mat, a pickle or JSON"
        )
    return _noted(read_plain(path), path)


def _check_midi(folder, path):
    """Raise if no MIDI file came out of an archive."""
    names = sorted(name for *_, files in os.walk(folder) for name in files)
    if not any(name.lower().endswith(MIDI) for name in names):
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        raise ValueError(
            f"path: the archive {path!r} must hold MIDI files ({', '.join(MIDI)}), got "
            f"{', '.join(names[:3]) or 'nothing'}{more}: files of other kinds (.mat, pickle, JSON) are read unpacked"
        )


def _top(folder):
    """The folder inside if there is no other, as in most archives."""
    inside = [entry.path for entry in os.scandir(folder) if entry.is_dir() and entry.name != "__MACOSX"]
    return inside[0] if len(inside) == 1 and os.path.basename(inside[0]) not in PARTS else folder


def _midi_part(folder, step):
    """The pieces in a folder of MIDI files."""
    if not os.path.isdir(folder):
        raise FileNotFoundError(
            f"path: there is no folder {folder!r}; a set of MIDI files is a folder with the folders {', '.join(PARTS)}"
        )
    files, seen = [], set()
    for where, folders, names in os.walk(folder, onerror=_raised, followlinks=True):
        if os.path.realpath(where) in seen:  # by a link
            folders.clear()
            continue
        seen.add(os.path.realpath(where))
        files += [os.path.join(where, name) for name in names]
    found = sorted(os.path.relpath(file, folder).split(os.sep) for file in files if file.lower().endswith(MIDI))
    found = [parts for parts in found if not any(part.startswith(".") for part in parts)]
    if not found:
        raise ValueError(f"path: there are no MIDI files ({', '.join(MIDI)}) in {folder!r}")
    return [read_midi(os.path.join(folder, *parts), step) for parts in found]


def _raised(error):
    raise error


def _array(path, name):
    """An array of a .mat file."""
    try:
        return read(path, name)
    except ValueError as error:
        wanted = ", ".join(f"{part}data" for part in PARTS)
        raise ValueError(f"path: {path!r} is no whole .mat file with {wanted}: {error}") from error


def _cells(cells, name, budget):
    """The rolls in a MATLAB cell."""
    if isinstance(cells, np.ndarray) and (cells.dtype == object or cells.ndim == 3):  # 3 axes: pieces of one length
        cells = list(cells.ravel() if cells.dtype == object else cells)
    if not (len(cells) if isinstance(cells, list) else np.size(cells)):
        raise ValueError(f"{name} must hold a piece or more, it is empty: every part of a set has pieces")
    if not isinstance(cells, list):
        raise ValueError(
            f"{name} must be a cell of piano rolls, or an array (n_pieces, n_frames, {N_KEYS}), got an array of shape "
            f"{np.shape(cells)}"
        )
    return [_piece(roll, f"{name}: piece {i}", budget) for i, roll in enumerate(cells)]


def _piece(roll, name, budget):
    """A roll of a MATLAB file, once it is known to be one and to take no more memory than the file explains."""
    if getattr(roll, "dtype", np.dtype(object)).kind not in "biuf" or roll.ndim != 2 or roll.shape[1] != N_KEYS:
        raise ValueError(f"{name} must be a roll (n_frames, {N_KEYS}), got shape {np.shape(roll)}")
    if not is_sparse(roll):
        budget.take(roll.size * np.dtype(np.float32).itemsize, name)
    roll = dense(roll, name, budget)
    if not len(roll) or not ((roll == 0) | (roll == 1)).all():
        wrong = "no frames" if not len(roll) else f"values from {roll.min():g} to {roll.max():g}"
        raise ValueError(f"{name} must hold 0 and 1 alone, got {wrong}")
    return np.asarray(roll, np.float32)


def _json(path):
    try:
        with open(path, encoding="utf-8-sig") as file:
            return json.load(file, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"path: {path!r} is no complete JSON file: {type(error).__name__}: {error}") from error


def _once(pairs):
    """The dict of pairs whose keys differ."""
    found = dict(pairs)
    if len(found) < len(pairs):
        (twice, _), *_ = Counter(name for name, _ in pairs).most_common(1)
        raise ValueError(f"the key {twice!r} comes twice")
    return found


def _noted(found, path):
    """The rolls of lists of notes. The size of the file bounds the frames it can ask for: a pickle can repeat some."""
    if not isinstance(found, dict) or not set(PARTS) <= set(found):
        got = f"the keys {', '.join(map(repr, list(found)[:8]))}" if isinstance(found, dict) else type(found).__name__
        raise ValueError(f"path: {path!r} must hold a dict with the keys {', '.join(PARTS)}, got {got}")
    left, parts = max(SPARED, os.path.getsize(path)), []
    for part in PARTS:
        pieces = _listed(found[part], f"path: {part} of {path!r}", "a list of pieces")
        for i, piece in enumerate(pieces):
            left -= len(_listed(piece, f"path: {part}[{i}] of {path!r}", "a list of frames"))
            if left < 0:
                more = f"more frames than bytes, and than {SPARED}"
                raise ValueError(f"path: {path!r} repeats pieces, it would have {more}")
        parts.append([_roll(piece, f"{part}[{i}]", path) for i, piece in enumerate(pieces)])
    return tuple(parts)


def _listed(value, name, wanted):
    if not isinstance(value, list | tuple) or not value:
        raise ValueError(f"{name} must be {wanted}, got {type(value).__name__}{' of none' if value == [] else ''}")
    return value


def _roll(piece, name, path):
    """A list of frames, each a list of notes, as a roll (n_frames, 88)."""
    roll = np.zeros((len(piece), N_KEYS), np.float32)
    for t, chord in enumerate(piece):
        if not isinstance(chord, list | tuple) or len(chord) > LONGEST_CHORD:
            got = f"{len(chord)} notes" if isinstance(chord, list | tuple) else type(chord).__name__
            raise ValueError(f"path: {name}, frame {t} of {path!r} must be a list of notes, got {got}")
        for note in chord:
            is_number = isinstance(note, numbers.Real) and not isinstance(note, bool)
            if not (is_number and LOWEST <= note < LOWEST + N_KEYS and note == int(note)):
                got = f"the note {str(note)[:20]}" if is_number else f"a {type(note).__name__}"
                raise ValueError(
                    f"path: {name}, frame {t} of {path!r} must have whole notes of a piano, {LOWEST} to "
                    f"{LOWEST + N_KEYS - 1}, got {got}"
                )
            roll[t, int(note) - LOWEST] = 1
    return roll
