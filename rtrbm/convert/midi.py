"""MIDI files as piano rolls, and back.

The format is that of "Standard MIDI Files 1.0" (MIDI Manufacturers Association, 1996). A file is read with no more
memory and time than its size explains.
"""

import struct

import numpy as np

from ..checks import check_number
from ..minibatches.bounds import check_regular
from ..replacing import check_path
from .music import midi_notes, notes

DRUMS = 9  # the channel whose notes are instruments of percussion, no pitches
TICKS = 480  # of a quarter note, in files that are written
VELOCITY = 80
MAX_FRAMES = 2**17  # 9 hours of eighth notes, 46 MB
HEADER, TRACK, END = b"MThd", b"MTrk", b"\xff\x2f\x00"
NOTE_OFF, NOTE_ON, META, SYSTEM, SHORT = 0x80, 0x90, 0xFF, (0xF0, 0xF7), (0xC0, 0xD0)  # kinds of events
LONGEST_PAUSE = 2**28 - 1


def read_midi(path, step=0.5):
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
    FileNotFoundError
        If there is no such file.
    TypeError, ValueError
        If the file is not MIDI, is damaged, has no notes or notes that a piano does not have, or `step` is not above 0.

    Examples
    --------
    >>> import os, tempfile
    >>> path = os.path.join(tempfile.mkdtemp(), "chord.mid")
    >>> write_midi(path, notes([(60, 0, 2), (64, 1, 1)], step=0.5))
    >>> read_midi(path).sum(axis=0)[[60 - 21, 64 - 21]]
    array([4., 2.], dtype=float32)
    """
    check_number("step", step, 0)
    step = float(step)
    path = check_regular(path, "path")
    with open(path, "rb") as file:
        data = file.read()
    try:
        found = _notes(data)
    except (ValueError, IndexError) as error:
        reason = error if type(error) is ValueError else "it ends inside an event"
        raise ValueError(f"path: {path!r} is no complete MIDI file: {reason}") from error
    if not len(found):
        raise ValueError(f"path: the MIDI file {path!r} has no notes")
    if not found[:, 1:].sum(axis=1).max() <= MAX_FRAMES * step:
        raise ValueError(
            f"path: {path!r} would have more than {MAX_FRAMES} frames with step={step}: take a larger step"
        )
    try:
        return notes(found, step)
    except ValueError as error:
        raise ValueError(f"path: the notes of {path!r} make no piano roll: {error}") from error


def write_midi(path, X, step=0.5):
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
    TypeError, ValueError
        If X has another shape, or `step` is not above 0.
    """
    path = check_path("path", path)
    rows, step = midi_notes(X, step), float(step)
    events = [(onset, 1, int(pitch)) for pitch, onset, _ in rows]
    events += [(onset + duration, 0, int(pitch)) for pitch, onset, duration in rows]  # 0: an end comes first
    events = [(round(beat * TICKS), begins, pitch) for beat, begins, pitch in sorted(events)]
    track, now = bytearray(), 0
    for tick, begins, pitch in [*events, (round(len(X) * step * TICKS), None, 0)]:
        if tick - now > LONGEST_PAUSE:
            raise ValueError(f"step={step} must be smaller, a MIDI file has no pauses of {tick - now} ticks")
        track += _variable(tick - now)
        track += END if begins is None else bytes([NOTE_ON if begins else NOTE_OFF, pitch, VELOCITY if begins else 64])
        now = tick
    with open(path, "wb") as file:
        file.write(HEADER + struct.pack(">IHHH", 6, 1, 1, TICKS) + TRACK + struct.pack(">I", len(track)) + track)


def _variable(n):
    """A number as MIDI has it: 7 bits a byte, all but the last with the highest bit set."""
    found = [n & 127]
    while n := n >> 7:
        found.append(n & 127 | 128)
    return bytes(found[::-1])


def _notes(data):
    """The notes of a MIDI file, rows of pitch, onset and duration in quarter notes."""
    if not data.startswith(HEADER) or len(data) < 14:
        raise ValueError("it does not begin as one")
    length, _, n_tracks, division = struct.unpack(">IHHH", data[4:14])
    if not 0 < division < 2**15:
        raise ValueError(f"it has no quarter notes, a division of {division}")
    at, rows = 8 + length, []
    while n_tracks and at < len(data):
        begin = at + 8
        at = begin + int.from_bytes(data[at + 4 : begin], "big")
        if at > len(data):
            raise ValueError(f"it is truncated, a chunk should end at byte {at} of {len(data)}")
        if data[begin - 8 : begin - 4] == TRACK:
            rows += _track(data[begin:at])
            n_tracks -= 1
    if n_tracks:
        raise ValueError(f"it is truncated, it lacks {n_tracks} tracks")
    return np.array(rows, float).reshape(-1, 3) / [1, division, division]


def _track(track):
    """The notes of a track, (pitch, onset, duration) in ticks."""
    at, now, status, rows, since = 0, 0, 0, [], {}

    def end(key):
        if key in since:
            begin = since.pop(key)
            rows.append((key[1], begin, now - begin))

    while at < len(track):
        delta, at = _read_variable(track, at)
        now += delta
        if track[at] in (META, *SYSTEM):
            is_end = track[at] == META and track[at + 1] == 0x2F
            n, at = _read_variable(track, at + 1 + (track[at] == META))
            at += n
            if is_end:
                break
            continue
        if track[at] > 127:
            status, at = track[at], at + 1
        kind, channel = status & 0xF0, status & 0x0F
        if not 0x80 <= kind < 0xF0:
            raise ValueError(f"it is damaged, it has an event of the kind {status}")
        n = 1 if kind in SHORT else 2
        values, at = track[at : at + n], at + n
        if len(values) < n or max(values) > 127:
            raise ValueError(f"it is damaged or truncated, an event has the values {list(values)}")
        if kind in (NOTE_ON, NOTE_OFF) and channel != DRUMS:
            end((channel, values[0]))
            if kind == NOTE_ON and values[1]:
                since[channel, values[0]] = now
    for key in list(since):
        end(key)
    return rows


def _read_variable(data, at):
    """A number of at most 4 bytes (`_variable`), and the place after it."""
    n = 0
    for i in range(4):
        n = n << 7 | data[at + i] & 127
        if data[at + i] < 128:
            return n, at + i + 1
    raise ValueError("it is damaged, it has a number of more than 4 bytes")
