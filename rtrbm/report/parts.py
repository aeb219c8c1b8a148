"""What all parts of a report share: their form, why one is left out, data to score and data to learn from."""

from typing import NamedTuple

import numpy as np

from .subject import N_ROWS, N_TRACES

N_WARM = 50  # frames before the first that is scored, of a recording that is cut in two


class Part(NamedTuple):
    """A section of a page: its anchor, its title, its HTML, and what the script draws by name."""

    name: str
    title: str
    html: str
    figures: dict = {}


class LeftOut(Exception):
    """Why a part cannot be made."""


def paragraph(words):
    """A paragraph of text that is HTML already."""
    return f"<p>{words}</p>"


def cost(subject):
    """Numbers in the products of one frame: what a step of a chain takes."""
    return sum(layer.params_.W.size for layer in subject.layers)


def need_data(subject):
    if subject.X is None:
        raise LeftOut("No data were given.")


def need_time(subject, what):
    if subject.static:
        raise LeftOut(f"{type(subject.model).__name__} is a model of single frames, it {what}.")


def shown_features(subject, words):
    """A caption that says which features there are to see."""
    if subject.view == "images":
        return words
    n = len(subject.moving(N_ROWS if subject.view == "roll" else N_TRACES))
    some = f" The {n} of {subject.n_visible} features that change most are shown." if n < subject.n_visible else ""
    roll = " One row is one feature, bright is large, time goes to the right." if subject.view == "roll" else ""
    return words + roll + some


class Split(NamedTuple):
    """Sequences to score, the frames before each that are no part of the score, and those to fit rivals to.

    first : int, the number of frames of a recording that come before `scored`.
    """

    scored: list
    n_warm: int
    fit: list
    words: str
    first: int


def split(subject, n_frames):
    """So many frames to score, and others for the predictors that need some."""
    X, n_warm, first = subject.X, 0, 0
    if subject.train is not None:
        fit, words = subject.train, "The other predictors learnt from the training data."
    elif len(X) > 1:
        half = (len(X) + 1) // 2
        fit, X = X[:half], X[half:]
        words = "The other predictors learnt from the first half of the sequences; the second half is scored."
    else:
        half = len(X[0]) // 2
        n_warm = min(half, N_WARM)
        first = half - n_warm
        fit, X = [X[0][:half]], [X[0][first:]]
        words = "The other predictors learnt from the first half of the recording; the second half is scored."
    scored = []
    for v in X:
        scored.append(v[: n_frames + n_warm])
        n_frames -= len(scored[-1])
        if n_frames < 2:
            break
    if max(len(v) - n_warm for v in scored) < 2 or max(map(len, fit)) < 2:
        raise LeftOut("The data are too short: 2 frames to learn from and 2 to score are the least.")
    return Split(scored, n_warm, fit, words, first)


def bounds(model):
    """The lowest and the highest prediction of a unit: counts are 0 or more, real values anything."""
    units = model._units()
    return (0, 1) if units.binary or units.one_hot else (-np.inf if units.linear else 0, np.inf)


def n_taps_of(model):
    """The frames that the linear predictor is given: those that the model's taps see, and at least 2."""
    return max(2, int(getattr(model, "n_taps", 0)))


def known(subject):
    return " These are the data that the model was trained on: other data tell more." if subject.was_trained_on else ""
