"""Piano rolls and lists of notes."""

from __future__ import annotations

import numpy as np

from ..checks import check_choice, check_count, check_memory, check_number
from ..foreign import names_of_columns, numbers
from ..types import Array, ArrayLike

LOWEST, N_KEYS, N_MIDI = 21, 88, 128  # MIDI's number of the lowest key of a piano; keys; MIDI's pitches
NOTE = "pitch", "onset", "duration"
FARTHEST = 1e300  # of onsets
LONGEST = 2**53  # frames: whole numbers beyond are no floating point numbers


def piano_roll(X: ArrayLike, pitches: str | None = None) -> Array:
    """A piano roll as a sequence: frame by frame, which of the 88 keys sound.

    Parameters
    ----------
    X : (88, n_frames) or (n_frames, 88) array_like, or of 128 pitches
        Velocities from 0 to 127, or booleans: a note sounds where a number is above 0. Of all 128 pitches of MIDI those
        of a piano are kept, 21 to 108.
    pitches : {"rows", "columns"}, optional
        Where the pitches are. It may be left out if only one of the two numbers of X's shape is 88 or 128.

    Returns
    -------
    (n_frames, 88) float32 ndarray
        0 or 1. Column j is MIDI's pitch 21 + j.

    Raises
    ------
    TypeError, ValueError
        If X is no piano roll, has notes that a piano does not have, or `pitches` must be given.

    Examples
    --------
    >>> roll = np.zeros((128, 10))
    >>> roll[60, 2:5] = 90
    >>> piano_roll(roll).shape, float(piano_roll(roll)[:, 60 - 21].sum())
    ((10, 88), 3.0)
    """
    X = numbers(X, "X")
    if X.ndim != 2:
        raise ValueError(f"X must have two dimensions, pitches and frames, got shape {X.shape}")
    fits = [n in (N_KEYS, N_MIDI) for n in X.shape]
    if pitches is None:
        if not any(fits):
            raise ValueError(f"X must have 88 or 128 pitches as its rows or columns, got shape {X.shape}")
        if all(fits):
            raise ValueError(
                f"X has shape {X.shape}, which does not tell pitches (88 or 128) from frames: pass pitches='rows' or "
                "pitches='columns'"
            )
        pitches = "rows" if fits[0] else "columns"
    check_choice("pitches", pitches, ("rows", "columns"))
    roll = X.T if pitches == "rows" else X
    if roll.shape[1] not in (N_KEYS, N_MIDI):
        raise ValueError(f"X must have 88 or 128 pitches as its {pitches}, got shape {X.shape}")
    if not np.isfinite(X).all():
        raise ValueError("X must hold finite numbers, got NaN or infinity: put 0 where no note sounds")
    if not (X.size and X.min() >= 0 and X.max() <= 127):
        got = f"values from {X.min():g} to {X.max():g}: of sums of velocities take X > 0" if X.size else "no values"
        raise ValueError(f"X must hold velocities from 0 to 127, got shape {X.shape} with {got}")
    if roll.shape[1] == N_MIDI:
        _check_keys(np.flatnonzero(roll.any(axis=0)), "X")
        roll = roll[:, LOWEST : LOWEST + N_KEYS]
    return (roll > 0).astype(np.float32)


def notes(X: ArrayLike, step: float, n_frames: int | None = None) -> Array:
    """A list of notes as a sequence: onset and end are rounded to the nearest frame, a note sounds in at least one.

    Parameters
    ----------
    X : (n_notes, 3) array_like
        Rows of pitch (MIDI's number, 21 to 108), onset and duration. Of a table the columns of these names are taken.
    step : float
        Of time, from frame to frame, in the unit of onsets.
    n_frames : int, optional
        Without it, the sequence ends with the last note.

    Returns
    -------
    (n_frames, 88) float32 ndarray
        0 or 1, as of `piano_roll`. Notes of one pitch that follow each other without a gap become one.

    Raises
    ------
    TypeError, ValueError
        If X is no list of notes, has notes that a piano does not have, or notes after `n_frames`.

    Examples
    --------
    >>> roll = notes([(60, 0, 1.0), (64, 0.5, 0.5)], step=0.25)
    >>> roll.shape, roll[:, 60 - 21], roll[:, 64 - 21]
    ((4, 88), array([1., 1., 1., 1.], dtype=float32), array([0., 0., 1., 1.], dtype=float32))
    """
    check_number("step", step, 0)
    if n_frames is not None:
        check_count("n_frames", n_frames)
    names = names_of_columns(X) or []
    X = numbers(X, "X").astype(float)
    if any(isinstance(name, str) for name in names):
        if any(names.count(name) != 1 for name in NOTE):
            raise ValueError(f"X must have one column each of {', '.join(NOTE)}, got {names}: rename them")
        X = X[:, [names.index(name) for name in NOTE]]
    if X.ndim != 2 or X.shape[1] != 3 or not len(X) or not np.isfinite(X).all():
        raise ValueError(f"X must hold finite rows of pitch, onset and duration, got shape {X.shape}")
    pitch, onset, duration = X.T
    if onset.min() < 0 or duration.min() < 0 or (pitch != np.rint(pitch)).any():
        raise ValueError("X must hold whole pitches, and onsets and durations of at least 0: (pitch, onset, duration)")
    _check_keys(pitch.astype(int), "X")
    step = float(step)
    with np.errstate(over="ignore"):  # a step too small gives infinitely many frames
        first = np.floor(onset / step + 0.5)
        last = np.maximum(np.floor((onset + duration) / step + 0.5), first + 1)
    if not last.max() < LONGEST:
        raise ValueError(f"step={step} must not be so small: the notes would last {last.max():g} frames")
    n_frames = int(last.max()) if n_frames is None else int(n_frames)
    if last.max() > n_frames:
        raise ValueError(f"n_frames={n_frames} must be at least {int(last.max())}, where the last note ends")
    check_memory(f"n_frames={n_frames} frames of a piano roll", n_frames * N_KEYS, np.float32)
    roll = np.zeros((n_frames, N_KEYS), np.float32)
    for key in np.unique(pitch):
        for a, b in _joined(first[pitch == key].astype(int), last[pitch == key].astype(int)):
            roll[a:b, int(key) - LOWEST] = 1
    return roll


def _joined(first, last):
    """Pairs of the first frame and the last + 1 of notes of one pitch, those that overlap made one."""
    order = np.argsort(first, kind="stable")
    first, last = first[order], np.maximum.accumulate(last[order])
    begins = np.flatnonzero(np.r_[True, first[1:] > last[:-1]])
    return zip(first[begins].tolist(), last[np.r_[begins[1:] - 1, -1]].tolist())


def midi_notes(X: ArrayLike, step: float) -> Array:
    """The list of notes of a sequence, the way back from `notes`.

    Parameters
    ----------
    X : (n_frames, 88) array_like
        A note sounds where a number is at least 0.5: states, or probabilities.
    step : float
        Of time, from frame to frame.

    Returns
    -------
    (n_notes, 3) float ndarray
        Rows of pitch, onset and duration in the order of onsets.

    Raises
    ------
    TypeError, ValueError
        If X has another shape, or `step` is not above 0.

    Examples
    --------
    >>> midi_notes(notes([(60, 0, 1.0), (64, 0.5, 0.5)], step=0.25), step=0.25)
    array([[60. ,  0. ,  1. ],
           [64. ,  0.5,  0.5]])
    """
    check_number("step", step, 0)
    X = numbers(X, "X")
    if X.ndim != 2 or X.shape[1] != N_KEYS:
        raise ValueError(f"X must have shape (n_frames, 88), got {X.shape}; one sequence of several is X[i]")
    if not np.isfinite(X).all():
        raise ValueError("X must hold finite numbers, got NaN or infinity")
    step = float(step)
    if not step < FARTHEST / (len(X) + 1):
        raise ValueError(f"step={step} must not be so large: {len(X)} frames would last for ever")
    change = np.diff(np.pad((X >= 0.5).astype(int), ((1, 1), (0, 0))), axis=0)
    keys, first = np.nonzero(change.T == 1)
    last = np.nonzero(change.T == -1)[1]
    found = np.stack([keys + LOWEST, first * step, (last - first) * step], axis=1)
    return found[np.lexsort((keys, first))].astype(float)


def _check_keys(pitches, name):
    wrong = sorted({int(p) for p in pitches if not LOWEST <= p < LOWEST + N_KEYS})
    if wrong:
        raise ValueError(f"{name} must have pitches of a piano, {LOWEST} to {LOWEST + N_KEYS - 1}, got {wrong}")
