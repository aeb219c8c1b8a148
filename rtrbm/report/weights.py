"""What the hidden units see, and how they drive each other from one frame to the next."""

import math

import numpy as np

from . import drawn
from .html import figure, folded, number, table
from .parts import LeftOut, Part, paragraph

N_UNITS, N_FEATURES = 36, 40  # that are shown


def weights(subject):
    """Receptive fields as images or as a map of features, and the weights between hidden units."""
    W, U = matrices(subject.bottom)
    if not np.isfinite(W).all() or U is not None and not np.isfinite(U).all():
        raise LeftOut("Some weights are not finite.")
    norms = np.linalg.norm(W, axis=0)
    units = np.argsort(-norms, kind="stable")[:N_UNITS]
    labels = [f"{unit}" for unit in units]
    html = paragraph(
        f"A hidden unit adds its weights to the frame when it is on. The {len(units)} units with the largest weights "
        f"of {W.shape[1]} are shown. Light is a positive weight, dark a negative one, mid-grey is 0."
    )
    figures = {}
    if subject.image_shape:
        units = _by_place(W, units, subject.image_shape)
        labels = [f"{unit}" for unit in units]
        html += figure(
            "fields",
            "Receptive fields of hidden units",
            "Receptive fields, roughly in the order of their places. A trained unit has a clear shape; an idle one is "
            "grey noise.",
        )
        fields = drawn.packed(subject.images(W[:, units].T), signed=True)
        figures["fields"] = {"kind": "fields", "labels": labels, "values": fields}
    else:
        rows = np.sort(np.argsort(-np.linalg.norm(W, axis=1), kind="stable")[:N_FEATURES])
        words = "Rows are features, columns are units. A plus is a strong positive weight, a minus a negative one."
        html += figure("fields", "Weights between features and hidden units", words)
        names = [subject.names[i] for i in rows]
        figures["fields"] = matrix(W[np.ix_(rows, units)], names, labels, "feature", "unit")
    if U is not None:
        words = (
            "Row: the unit that acts, at the frame before. Column: the unit that it drives. A plus: it switches the "
            "unit on at the next frame. A minus: it switches it off. The strongest weights have marks."
        )
        html += figure("hidden", "Weights between hidden units", words)
        figures["hidden"] = matrix(U[np.ix_(units, units)], labels, labels, "from unit", "to unit")
    rows = [_row(W, U, unit, subject) for unit in units]
    columns = ("unit", "size of its weights", "size of those from other units", "strongest feature", "its weight")
    html += folded("The units in numbers", table("Hidden units and their weights", columns, rows))
    return Part("weights", "Weights", html, figures)


def matrices(model):
    """W, and the weights from hidden units to hidden units one frame later, or None."""
    params = getattr(model, "effective_", model.params_)
    U, B = getattr(params, "U", None), getattr(params, "B", None)
    return np.asarray(params.W), np.asarray(U) if U is not None else None if B is None else np.asarray(B[0])


def _by_place(W, units, image_shape):
    """The units in reading order of the places of their weights in the image."""
    power = W[:, units] ** 2
    y, x = np.indices(image_shape).reshape(2, -1) @ power / np.maximum(power.sum(axis=0), 1e-30)
    side = math.ceil(math.sqrt(len(units)))
    rows = np.split(np.argsort(y, kind="stable"), range(side, len(units), side))
    return units[np.concatenate([row[np.argsort(x[row], kind="stable")] for row in rows])]


def matrix(values, rows, columns, row_axis, column_axis):
    """A map of weights, each cell with its sign."""
    return {
        "kind": "matrix",
        "values": drawn.packed(values, signed=True),
        "rows": rows,
        "columns": columns,
        "axes": [row_axis, column_axis],
    }


def _row(W, U, unit, subject):
    strongest = int(np.abs(W[:, unit]).argmax())
    others = None if U is None else float(np.linalg.norm(np.delete(U[:, unit], unit)))
    return (
        f"{unit}",
        float(np.linalg.norm(W[:, unit])),
        others,
        subject.title(strongest),
        number(float(W[strongest, unit])),
    )
