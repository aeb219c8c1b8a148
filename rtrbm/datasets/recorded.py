"""Recorded music from files that the user has. None of them comes with the package."""

import numpy as np

from .matlab import read_matlab


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
    file = read_matlab(path, *names)
    return tuple([np.asarray(roll, np.float32) for roll in file[name].ravel()] for name in names)
