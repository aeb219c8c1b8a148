"""One-step predictions, and their errors beside those of predictors without a model."""

import numpy as np

from .. import evaluate
from ..functions import ratio
from . import drawn
from .html import figure, number, table
from .parts import Part, bounds, cost, known, n_taps_of, need_data, need_time, paragraph, shown_features, split

N_BLOCKS = 10  # of the frames of a single sequence


def predictions(subject):
    """One-step predictions beside the data, and their errors beside those of simple predictors."""
    need_time(subject, "predicts no next frame")
    need_data(subject)
    parts = split(subject, int(np.clip(4e7 / cost(subject), 60, 2000)))
    X, own = parts.scored, type(subject.model).__name__
    predicted = {own: subject.model.predict(X, random_state=subject.seed)}
    predicted["copy of the frame before"] = evaluate.copy_previous(X)
    predicted["mean frame"] = evaluate.mean_frame(X, parts.fit)
    if subject.n_visible <= evaluate.LARGEST_LINEAR:
        n = n_taps_of(subject.bottom)
        predicted[f"linear predictor ({n} frames)"] = evaluate.autoregression(X, parts.fit, n, *bounds(subject.bottom))
    cut = {name: [p[parts.n_warm :] for p in of_one] for name, of_one in {"data": X, **predicted}.items()}
    errors = {name: evaluate.squared_error(cut["data"], cut[name]) for name in predicted}
    copying = errors["copy of the frame before"][0] or np.nan
    order = sorted(errors, key=lambda name: errors[name][0])
    rows = [(name, *errors[name], errors[name][0] / copying) for name in order]
    columns = ("predictor", "squared error per frame", "standard error", "of the error of copying")
    n = sum(len(v) for v in cut["data"])
    caption = f"Squared error of the next frame, summed over features, mean over {n:,} frames"
    html = paragraph(verdict(own, errors, cut))
    html += paragraph(
        f"The model predicts every frame from those before it (the mean of 16 chains). {parts.words}{known(subject)}"
    )
    html += table(caption, columns, rows, marked=[order.index(own)])
    i = int(np.argmax([len(v) for v in cut["data"]]))
    shown = {name: v[i][: subject.most()] for name, v in cut.items()}
    data, ahead = shown["data"], shown[own]
    by_frame = {}
    for name in predicted:
        if name != "mean frame":
            by_frame["prediction" if name == own else name] = [
                None,
                *drawn.short(np.square(data - shown[name]).sum(axis=1)[1:]),
            ]
    last = (
        "The last chart is the squared error" if subject.view == "curves" else "The difference is prediction minus data"
    )
    words = shown_features(subject, f"Move the slider to go through time. {last}.")
    html += figure("prediction", "Data, prediction and difference, frame by frame", words)
    panels = {"data": data, "prediction": ahead, "difference": ahead - data}
    start = parts.first + parts.n_warm  # frames have the numbers of the recording
    drawing = subject.figure(panels, signed=["difference"], start=start, errors=by_frame, playable=True)
    return Part("predictions", "Predictions", html, {"prediction": drawing})


def verdict(own, errors, predicted):
    """One sentence about how a model compares with the best simple predictor."""
    best = min((name for name in errors if name != own), key=lambda name: errors[name][0])
    difference, error = paired(predicted["data"], predicted[own], predicted[best])
    word = "better than" if difference < 0 else "worse than"
    if not abs(difference) > 2 * error:
        word = "not clearly better or worse than"
    return (
        f"<strong>The {own} has an error of {number(errors[own][0], 3)} per frame, {word} the best simple "
        f"predictor</strong> ({best}, {number(errors[best][0], 3)})."
    )


def paired(X, one, other):
    """The difference of two squared errors per frame, and its standard error; blocks of one sequence count as several.

    Parameters
    ----------
    X, one, other : list of (n_frames_i, n_visible) ndarrays
    """
    gains = [(np.square(v - a) - np.square(v - b)).sum(axis=1)[1:] for v, a, b in zip(X, one, other)]
    gains = np.array_split(gains[0], min(N_BLOCKS, len(gains[0]))) if len(gains) == 1 else gains
    return ratio(np.array([gain.sum() for gain in gains]), np.array([len(gain) for gain in gains]))
