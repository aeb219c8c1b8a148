"""Recorded data from files that the user has: motion capture and piano rolls. None of them comes with the package."""

import os

import numpy as np


def hsu_walking(path):
    """Eugene Hsu's walking data in the form of the RTRBM papers: 3 sequences of 49 features, standardised.

    Parameters
    ----------
    path : path-like
        MOCAP.mat of the 2008 release, with the variables `batchdata` and `seqlengths`.

    Returns
    -------
    list of (n_frames_i, 49) ndarrays
        Of 438, 260 and 3128 frames. Their mean and deviation over all frames are 0 and 1.
    """
    file = _matlab(path, "batchdata", "seqlengths")
    return np.split(file["batchdata"], np.cumsum(file["seqlengths"].ravel().astype(int))[:-1])


def mocap6(path):
    """Six sequences of exercises, 12 joint angles each, 10 frames a second (from the CMU motion capture data base).

    Parameters
    ----------
    path : path-like
        dataset.npz of bnpy's data set mocap6, with the arrays `X` and `doc_range`.

    Returns
    -------
    list of (n_frames_i, 12) ndarrays
        As they are, not standardised.
    """
    with np.load(_existing(path), allow_pickle=False) as file:
        return np.split(file["X"], file["doc_range"][1:-1].astype(int))


def piano_rolls(path):
    """Polyphonic music of Boulanger-Lewandowski, Bengio & Vincent (2012), with their split.

    Parameters
    ----------
    path : path-like
        JSB_Chorales.mat, Nottingham.mat, Piano_midi.mat or MuseData.mat, with the cells `traindata`, `validdata` and
        `testdata`.

    Returns
    -------
    train, valid, test : lists of (n_frames_i, 88) float32 ndarrays
        1 where a note sounds; column j is MIDI note 21 + j.
    """
    names = "traindata", "validdata", "testdata"
    file = _matlab(path, *names)
    return tuple([np.asarray(roll, np.float32) for roll in file[name].ravel()] for name in names)


def _existing(path):
    if not os.path.exists(path):
        raise FileNotFoundError(f"path: there is no file {os.fspath(path)!r}")
    return path


def _matlab(path, *names):
    """The variables of a MATLAB file; a ValueError if it lacks one of these."""
    from scipy.io import loadmat

    file = loadmat(_existing(path))
    missing = [name for name in names if name not in file]
    if missing:
        raise ValueError(f"path must be a file with {', '.join(names)}, {os.fspath(path)!r} has no {missing[0]}")
    return file
