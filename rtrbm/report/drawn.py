"""What the script of a page draws, as JSON: arrays as bytes, curves as a few hundred numbers."""

import base64

import numpy as np

from ..training.state import HEALTH, MEASURED

N_POINTS = 240  # of a curve


def packed(values, low=None, high=None, signed=False):
    """An array in steps of 1/255 of its range.

    Parameters
    ----------
    values : ndarray
        A value that is not finite becomes the nearest end of the range, NaN the lower one.
    low, high : float, optional
        The range; that of the finite values if not given.
    signed : bool
        A range that is as wide on either side of 0.

    Returns
    -------
    dict
        shape; low and high; bytes, in base64.
    """
    values = np.asarray(values, float)
    finite = values[np.isfinite(values)]
    low = float(finite.min(initial=0) if low is None else low)
    high = float(finite.max(initial=0) if high is None else high)
    if signed:
        high = max(abs(low), abs(high)) or 1.0
        low = -high
    steps = np.nan_to_num((values - low) / (high - low or 1), nan=0, posinf=1, neginf=0).clip(0, 1) * 255
    data = base64.b64encode(np.rint(steps).astype(np.uint8).tobytes()).decode()
    return {"shape": list(values.shape), "low": short(low), "high": short(high), "bytes": data}


def short(value):
    """A number of four digits, or a list of them; None where it is not finite."""
    if np.ndim(value):
        return [short(one) for one in np.asarray(value, float).tolist()]
    return float(f"{value:.4g}") if np.isfinite(value) else None


def curve(label, x, y, style="first solid", low=None, high=None):
    """A line of a chart, and the band between `low` and `high` around it."""
    line = {"label": label, "x": np.asarray(x).tolist(), "y": short(y), "style": style}
    return line if low is None else {**line, "low": short(low), "high": short(high)}


def thinned(x, y, n=N_POINTS):
    """A long curve as running medians at about n places; a short one as it is."""
    x, y = np.asarray(x), np.asarray(y, float)
    if len(y) <= n:
        return x, y
    half = max(1, len(y) // n)
    at = np.unique(np.linspace(0, len(y) - 1, n).astype(int))
    reach = np.minimum(half, np.minimum(at, len(y) - 1 - at))  # at the ends windows shrink and stay centred
    return x[at], np.array([np.median(y[i - r : i + r + 1]) for i, r in zip(at, reach)])


def panel(title, lines, log=False, zero=False):
    """One chart of several that share their horizontal axis.

    Parameters
    ----------
    title : str
    lines : list of dict
        From `curve`.
    log, zero : bool
        A logarithmic axis; one that begins at 0.
    """
    return {"title": title, "lines": lines, "log": log, "zero": zero}


def chart(axis, panels, **more):
    """Charts under one another, read by one slider.

    Parameters
    ----------
    axis : str
        The name of the horizontal axis.
    panels : list of dict
        From `panel`.
    **more
        marks : list of (x, text), lines through all panels; playable : bool.
    """
    return {"kind": "chart", "axis": axis, "panels": panels, **more}


def history_chart(histories):
    """The learning curves of some models.

    Parameters
    ----------
    histories : dict of str to dict
        `history_` by name.

    Returns
    -------
    dict or None
        None if there are no records.
    """
    panels = []
    for key, title in QUANTITIES.items():
        lines = []
        for n, (name, history) in enumerate(histories.items()):
            y = np.asarray(history.get(key, ()), float)
            if np.isfinite(y).any() and (key not in HEALTH or len(y) > 1 and y.any()):  # all is well without dead units
                x = history[MEASURED[key]] if key in MEASURED else np.arange(1, len(y) + 1)
                lines.append(curve(name, *thinned(x, y), STYLES[n % len(STYLES)]))
        values = [v for line in lines for v in line["y"] if v is not None]
        if values:
            zero = key == "learning_rate" or title.startswith("share")
            log = not zero and min(values) > 0 and max(values) > 10 * min(values)
            panels.append(panel(title, lines, log=log, zero=zero))
    if not panels:
        return None
    k = np.asarray(next(iter(histories.values())).get("n_gibbs", ()))
    changes = np.flatnonzero(np.diff(k)) + 1
    return chart("update", panels, marks=[[int(at) + 1, f"k = {int(k[at])}"] for at in changes[:8]])


QUANTITIES = {
    "validation_error": "validation: squared error per frame",
    "validation_log_likelihood": "validation: log-likelihood per frame, nats",
    "reconstruction_error": "training: reconstruction error per frame",
    "gradient_norm": "norm of the gradient",
    "learning_rate": "learning rate",
    "dead_units": "share of hidden units that are dead",
    "saturated_units": "share of hidden units that are saturated",
    "still_chains": "share of chains that stand still",
    "noise_error": "squared error per frame of chains from noise",
}
STYLES = ("first solid", "second dashed", "third dotted", "fourth chained")
