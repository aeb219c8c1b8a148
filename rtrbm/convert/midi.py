"""MIDI files as piano rolls, and back, by the library mido (``pip install 'rtrbm[music]'``)."""

from __future__ import annotations

import io
import re

import numpy as np

from ..checks import check_number
from ..foreign import numbers
from ..minibatches.bounds import check_regular
from ..minibatches.paths import check_no_data
from ..replacing import replacing
from ..types import Array, ArrayLike, Path
from .music import midi_notes, notes

DRUMS = 9  # the channel whose notes are instruments of percussion, no pitches
TICKS = 480  # of a quarter note, in files that are written
VELOCITY = 80
LONGEST_PAUSE = 2**28 - 1  # ticks
ENDLESS = re.compile(rb"[\x80-\xff]{4096}")  # numbers end with a byte below, and take mido the square of their length
MAX_FRAMES = 2**17  # 9 hours of eighth notes, 46 MB


def read_midi(path: Path, step: float = 0.5) -> Array:
    """The notes of a MIDI file as a sequence: frame by frame, which of the 88 keys sound.

    A frame is a part of a quarter note, so that tempo does not matter. All tracks and channels count but percussion's.

    Parameters
    ----------
    path : path-like
    step : float
        Quarter notes from frame to frame: 0.5 for eighth notes.

    Returns
    -------
    (n_frames, 88) float32 ndarray
        0 or 1, as of `rtrbm.convert.notes`.

    Raises
    ------
    ImportError
        If mido is not installed.
    FileNotFoundError
        If there is no such file.
    TypeError, ValueError
        If the file is not MIDI, is damaged, has no notes or notes that a piano does not have, or `step` is not above 0.

    Notes
    -----
    The roll ends with the last note: rests after it are not kept.

    Examples
    --------
    >>> import os, tempfile
    >>> path = os.path.join(tempfile.mkdtemp(), "chord.mid")
    >>> write_midi(path, notes([(60, 0, 2), (64, 1, 1)], step=0.5))
    >>> read_midi(path).sum(axis=0)[[60 - 21, 64 - 21]]
    array([4., 2.], dtype=float32)
    """
    check_number("step", step, 0)
    mido, path, step = _mido(), check_regular(path, "path"), float(step)
    with open(path, "rb") as opened:
        data = opened.read()  # mido believes in lengths, and cannot read more than there is of these bytes
    try:
        if ENDLESS.search(data):
            raise ValueError("it has a number without an end")
        file = mido.MidiFile(file=io.BytesIO(data))
        if not file.ticks_per_beat > 0:
            raise ValueError(f"it has no quarter notes, a division of {file.ticks_per_beat}")
        if file.type == 2:
            raise ValueError("its tracks are pieces of their own (format 2): save each as a file")
        found = _sounding(file) / [1, file.ticks_per_beat, file.ticks_per_beat]
    except Exception as error:  # mido raises many kinds
        said = f"{type(error).__name__} {error}".rstrip()
        raise ValueError(f"path: {path!r} is no complete MIDI file, or mido cannot read it: {said}") from error
    if not len(found):
        raise ValueError(f"path: the MIDI file {path!r} has no notes (percussion does not count): leave it out")
    if not found[:, 1:].sum(axis=1).max() <= MAX_FRAMES * step:
        raise ValueError(
            f"path: {path!r} would have more than {MAX_FRAMES} frames with step={step}: take a larger step"
        )
    try:
        return notes(found, step)
    except ValueError as error:
        raise ValueError(
            f"path: the notes of {path!r} make no piano roll: {error}; move these by octaves, or leave the file out"
        ) from error


def write_midi(path: Path, X: ArrayLike, step: float = 0.5) -> None:
    """Write a piano roll as a MIDI file that plays it, 120 quarter notes a minute.

    Parameters
    ----------
    path : path-like
    X : (n_frames, 88) array_like
        A note sounds where a number is at least 0.5. Frames in a row are one long note.
    step : float
        Quarter notes from frame to frame.

    Raises
    ------
    ImportError
        If mido is not installed.
    TypeError, ValueError
        If X has another shape, or `step` is less than a tick, 1/480 of a quarter note.
    """
    path, X = check_no_data("path", path), numbers(X, "X")
    rows, step, mido = midi_notes(X, step), float(step), _mido()
    if step * TICKS < 1:
        raise ValueError(f"step={step} must be at least a tick of the file, 1/{TICKS} of a quarter note")
    events = [(onset, 1, int(pitch)) for pitch, onset, _ in rows]
    events += [(onset + duration, 0, int(pitch)) for pitch, onset, duration in rows]  # 0: an end comes first
    track, now = mido.MidiTrack(), 0
    for beat, begins, pitch in [*sorted(events), (len(X) * step, None, 0)]:
        pause, now = round(beat * TICKS) - now, round(beat * TICKS)
        if pause > LONGEST_PAUSE:
            raise ValueError(f"step={step} must be smaller, a MIDI file has no pauses of {pause} ticks")
        if begins is None:
            track.append(mido.MetaMessage("end_of_track", time=pause))
        else:
            kind, velocity = ("note_on", VELOCITY) if begins else ("note_off", 0)
            track.append(mido.Message(kind, note=pitch, velocity=velocity, time=pause))
    with replacing(path) as temporary:
        mido.MidiFile(tracks=[track], ticks_per_beat=TICKS).save(temporary)


def _mido():
    try:
        import mido
    except ImportError as error:
        raise ImportError("MIDI files need mido: pip install 'rtrbm[music]', or pip install mido") from error
    return mido


def _sounding(file):
    """The notes of a MIDI file, rows of pitch, onset and duration in ticks."""
    rows = []
    for track in file.tracks:
        now, since, struck = 0, {}, {}

        def end(key):
            if key in since:
                begin = since.pop(key)
                rows.append((key[1], begin, now - begin))

        for message in track:
            now += message.time
            if message.type not in ("note_on", "note_off") or message.channel == DRUMS:
                continue
            key = message.channel, message.note
            if message.type == "note_on" and message.velocity:
                if key in since:
                    struck[key] = now  # the end of the note before may follow at this tick
                end(key)
                since[key] = now
            elif struck.pop(key, None) != now:
                end(key)
        for key in list(since):
            end(key)
    return np.array(rows, float).reshape(-1, 3)
