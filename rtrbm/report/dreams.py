"""Sequences that the model draws by itself, beside data."""

import numpy as np

from .html import figure, table
from .parts import Part, paragraph, shown_features


def dreams(subject):
    """Sequences that the model draws by itself beside data."""
    n = subject.most()
    panels = {}
    if subject.X is not None:
        longest = max(subject.X, key=len)
        panels["data"], n = longest[:n], min(n, len(longest))
    if subject.static:
        panels["dreams"] = subject.model.sample(n, subject.seed)
        words = "Every frame of the dream is a sample of its own."
    else:
        drawn_ones = subject.model.sample(n, 2, random_state=subject.seed)
        panels |= {"first dream": drawn_ones[0], "second dream": drawn_ones[1]}
        words = "Each dream starts from nothing. Every frame is drawn from the model given the frames drawn before it."
    rows = [(name, *_moments(v)) for name, v in panels.items()]
    binary = subject.bottom._units().binary
    means = "the probability of 1" if binary else "the mean, without noise: a dream is smoother than data"
    html = paragraph(f"{words} A good model's dreams move as the data do and keep their shapes. They show {means}.")
    html += figure(
        "dreams", "Data and dreams, frame by frame", shown_features(subject, "Press play, or move the slider.")
    )
    columns = ("", "mean", "standard deviation", "change from frame to frame")
    html += table("Values of data and dreams: a dream that is alive has the numbers of the data", columns, rows)
    return Part("dreams", "Dreams", html, {"dreams": subject.figure(panels, playable=True, autoplay=True)})


def _moments(v):
    change = float(np.square(np.diff(v, axis=0)).sum(axis=1).mean()) if len(v) > 1 else None
    return float(np.mean(v)), float(np.std(v)), change
