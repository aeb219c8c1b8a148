"""What was trained, on which data, with which settings, by which versions."""

import dataclasses
import platform
import sys
import time

import h5py
import numpy as np
import scipy

from ..minibatches.fingerprint import fingerprint
from .html import folded, number, table, text
from .parts import Part

ASIDE = ("comm", "verbose")  # settings that change no number


def about(subject):
    """Settings with the defaults marked, the shapes of the data, and versions."""
    html = ""
    for i, model in enumerate(subject.layers, 1):
        name = f"layer {i}, {type(model).__name__}" if len(subject.layers) > 1 else type(model).__name__
        defaults = {field.name: repr(field.default) for field in dataclasses.fields(model)}
        values = {key: repr(value) for key, value in model.get_params(deep=False).items() if key not in ASIDE}
        rows = [(key, _one_line(value)) for key, value in values.items()]
        as_ever = [(key, value) for key, value in rows if values[key] == defaults[key]]
        own = [row for row in rows if row not in as_ever]
        html += table(f"Settings of the {name} that differ from the default", ("setting", "value"), own)
        html += folded(
            f"The {len(as_ever)} settings at their default", table("Defaults", ("setting", "value"), as_ever)
        )
        html += table(f"Parameters of the {name}", ("parameter", "shape", "root mean square"), _parameters(model))
    html += table("Data", ("", "sequences", "frames", "fingerprint of the values"), _data(subject))
    html += table("Versions", ("", "version"), versions())
    return Part("about", "Settings, data, versions", html)


def _one_line(value):
    shown = " ".join(value.split())
    return shown if len(shown) <= 200 else f"{shown[:200]} ..."


def _parameters(model):
    parts = model.params_._asdict().items()
    return [
        (
            name,
            " \N{MULTIPLICATION SIGN} ".join(map(str, np.shape(a))),
            float(np.sqrt(np.mean(np.square(a, dtype=float)))),
        )
        for name, a in parts
        if a is not None and np.size(a)
    ]


def _data(subject):
    """What is known of the data of `fit`, and the data of the page."""
    rows = []
    for name, mark in subject.bottom._fingerprints.items():
        if mark is not None:
            rows.append(({"X": "training"}.get(name, name), mark.partition(" ")[0], None, _values(mark)))
    for name, X in (("shown on this page", subject.X), ("learnt by other predictors", subject.train)):
        if X is not None:
            rows.append((name, len(X), sum(map(len, X)), _values(fingerprint(X))))
    return rows


def _values(mark):
    """The part of a fingerprint that tells values."""
    return mark.rpartition("; values ")[2].partition("; ")[0]


def versions():
    """The versions of everything that takes part."""
    own = sys.modules[__package__.partition(".")[0]].__version__
    rows = [("rtrbm", own), ("python", platform.python_version()), ("numpy", np.__version__)]
    rows += [("scipy", scipy.__version__), ("h5py", h5py.__version__)]
    return rows + ([("numba", sys.modules["numba"].__version__)] if "numba" in sys.modules else [])


def head(subject, title, notes):
    """The top of the page: what this is, in one sentence, and what is worth knowing first."""
    model, own = subject.model, type(subject.model).__name__
    what = (type(model).__doc__ or own).strip().splitlines()[0].rstrip(".")
    units = " and ".join(f"{layer.n_hidden:,}" for layer in subject.layers)
    made = " and ".join(f"{layer.n_updates_:,}" for layer in subject.layers)
    facts = [
        ("model", own),
        ("hidden units", units),
        ("features", f"{subject.n_visible:,}"),
        ("updates", made),
        ("parameters", number(sum(np.size(a) for layer in subject.layers for a in layer.params_ if a is not None))),
        ("written", time.strftime("%Y-%m-%d")),
    ]
    cells = "".join(f"<div><dt>{text(name)}</dt><dd>{text(value)}</dd></div>" for name, value in facts)
    said = "".join(f"<li>{text(note)}</li>" for note in notes)
    box = f'<section class="notes" aria-labelledby="notes"><h2 id="notes">Worth knowing</h2><ul>{said}</ul></section>'
    return (
        f'<h1>{text(title)}</h1><p class="lead">{text(what)}. This page shows how it learnt and what it can do. '
        f'It needs no network.</p><dl class="facts">{cells}</dl>{box if notes else ""}'
    )
