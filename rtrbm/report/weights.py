"""What the hidden units see, and how they drive each other from one frame to the next."""

import numpy as np

from ..weights import in_reading_order, matrices, strongest
from . import drawn
from .html import figure, folded, number, table
from .parts import LeftOut, Part, paragraph

N_UNITS, N_FEATURES = 36, 40  # that are shown


def weights(subject):
    """Receptive fields as images or as a map of features, and the weights between hidden units."""
    W, U = matrices(getattr(subject.bottom, "effective_", subject.bottom.params_))
    if not np.isfinite(W).all() or U is not None and not np.isfinite(U).all():
        raise LeftOut("Some weights are not finite.")
    units = strongest(W, N_UNITS)
    labels = [f"{unit}" for unit in units]
    html = paragraph(
        f"A hidden unit adds its weights to the frame when it is on. The {len(units)} units with the largest weights "
        f"of {W.shape[1]} are shown. Light is a positive weight, dark a negative one, mid-grey is 0."
    )
    figures = {}
    if subject.image_shape:
        units = in_reading_order(W, units, subject.image_shape)
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
