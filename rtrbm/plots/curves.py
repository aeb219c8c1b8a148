"""Learning curves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from .paper import check_fitted, label_axes, legend, load, mapping, panels, styles

CURVES = {
    "reconstruction_error": "reconstruction error\nper frame",
    "gradient_norm": "gradient norm",
    "validation_error": "validation error\nper frame",
    "validation_log_likelihood": "validation\nlog-likelihood\nper frame (nats)",
    "learning_rate": "learning rate",
}
LOOKED_AT = ("dead_units", "saturated_units", "still_chains", "noise_error", "overfitting")  # once in a while
AXES = dict.fromkeys(LOOKED_AT, "health_update")


def learning_curves(models: Any, quantities: Mapping[str, str] | None = None, *, ax: Any = None) -> Any:
    """Learning curves against the update: a panel for each quantity, a colour and a kind of line for each model.

    More than 300 records are drawn faint beneath their running median (over a fiftieth of them). Records of a
    validation have a marker each. The axis of a positive quantity that changes tenfold is logarithmic, that of the
    learning rate starts at 0. Thin lines mark where k, the number of Gibbs steps, changes: grey, or in its colour if
    one model of several does so.

    Parameters
    ----------
    models : fitted model, its `history_`, or a dict of str to one of these
        The dict names several. Of a `Stack` every layer is drawn. A history is a dict of the records of quantities,
        shape (n_records,), and of the updates they belong to: "update" (1, 2, ... if it is not there), for quantities
        whose names begin with "validation_" "validation_update". It has "n_gibbs" where k is to be marked.
    quantities : dict of str to str, optional
        Key and axis label of each quantity; if not given, those of `CURVES` that are there.
    ax : matplotlib Axes or sequence of them, optional
        Draw here, each quantity in one of them.

    Returns
    -------
    rtrbm.plots.notebook.Figure, or `ax`

    Raises
    ------
    TypeError, ValueError
        If a model is not fitted, a quantity is in no history, or the records of a history differ in number.
    """
    histories = _histories(models)
    known = {key for curves in histories.values() for key in curves}
    quantities = {key: CURVES[key] for key in CURVES if key in known} if quantities is None else quantities
    if not mapping("quantities", quantities) or not known.issuperset(quantities):
        raise ValueError(f"quantities: given {list(quantities)}, wanted some of {sorted(known)}")
    drawn, axes = panels(ax, (len(quantities), 1), 0.9 + 1.6 * len(quantities), sharex=True)
    for axis, (key, label) in zip(axes, quantities.items()):
        curves = [curves.get(key) for curves in histories.values()]
        for curve, style in zip(curves, styles()):
            if curve is not None:
                _draw(axis, *curve, style, marker="o" if key.startswith("validation") else None)
        _scale(axis, key, np.concatenate([curve[1] for curve in curves if curve is not None]))
        label_axes(axis, None, label)
    axes[-1].set_xlabel("update", fontsize=9)
    axes[-1].xaxis.get_major_locator().set_params(integer=True)
    _mark_gibbs(axes, histories)
    if list(histories) != [""]:
        lines = [load("matplotlib.lines").Line2D([], [], **style) for _, style in zip(histories, styles())]
        legend(drawn, axes, lines, list(histories), ncols=4)
    return drawn


def _histories(models):
    """Name, and the (updates, values) of every quantity, of each model."""
    several = isinstance(models, Mapping) and not any(np.ndim(value) == 1 for value in models.values())
    named = models if several else {"": models}
    if not named:
        raise ValueError("models: given none, wanted at least one")
    histories = {}
    for name, model in named.items():
        for i, layer in enumerate(getattr(model, "layers", [model])):
            title = f"{name} layer {i}".strip() if hasattr(model, "layers") else name
            histories[title] = _curves(f"models[{name!r}]" if name else "models", layer)
    return histories


def _curves(what, model):
    """The (updates, values) of every quantity of one history."""
    check_fitted(what, model, "history_")
    history = getattr(model, "history_", model)
    if not isinstance(history, Mapping):
        raise TypeError(f"{what}: given {type(model).__name__}, wanted a fitted model or its history_")
    records = {key: np.asarray(values) for key, values in history.items()}
    curves = {}
    for key, values in records.items():
        axis = "validation_update" if key.startswith("validation_") else AXES.get(key, "update")
        axis = axis if axis in records else "update"  # a log has all it measured in one table
        updates = records.get(axis, np.arange(1, 1 + values.size))
        if values.ndim != 1 or values.shape != updates.shape:
            shapes = {name: values.shape for name, values in records.items()}
            raise ValueError(f"{what}: given records of shapes {shapes}, wanted as many in {key!r} as in {axis!r}")
        values = values.astype(float)
        kept = np.isfinite(values)  # a log has no value where nothing was measured
        if key != axis and kept.any():
            curves[key] = updates[kept], values[kept]
    if not curves:
        raise ValueError(f"{what}: given a history without records, wanted one of a model that fit has trained")
    return curves


def _draw(axis, update, values, style, marker):
    """A curve, or if it has many records its running median."""
    if len(values) > 300:
        axis.plot(update, values, color=style["color"], linewidth=0.5, alpha=0.25, rasterized=True)
        half = len(values) // 100
        centres = np.linspace(min(half, 7), len(values) - 1 - half, 300).astype(int)
        # at the start, where a curve is steep, the window shrinks so as to stay centred
        values = [np.median(values[i - min(i, half) : i + min(i, half) + 1]) for i in centres]
        update, marker = update[centres], None
    axis.plot(update, values, linewidth=1.2, marker=marker, markersize=3, **style)


def _scale(axis, key, values):
    """From 0, or logarithmic where positive values differ tenfold."""
    values = values[np.isfinite(values)]
    if key == "learning_rate":
        axis.set_ylim(bottom=0)
    elif values.size and 0 < 10 * values.min() <= values.max():
        axis.set_yscale("log", subs=(2, 5))
        axis.yaxis.set_major_formatter("{x:g}")
        axis.yaxis.set_minor_formatter("{x:g}" if values.max() < 300 * values.min() else "")


def _mark_gibbs(axes, histories):
    """Thin lines where k changes, named above the first panel on up to three levels, as room allows."""
    marks, counted = {}, sum("n_gibbs" in curves for curves in histories.values())
    ends = [update[end] for curves in histories.values() for update, _ in curves.values() for end in (0, -1)]
    for style, curves in zip(styles(), histories.values()):
        update, k = curves.get("n_gibbs", ([], []))
        for i in np.flatnonzero(np.diff(k, prepend=-1)):
            marks.setdefault((update[i], int(k[i])), []).append(style)
    taken = [-np.inf] * 3  # where along the axis the last label of each level is
    for (update, k), of in sorted(marks.items()):
        style = {"color": "0.5", "linestyle": "-"} if len(of) > 1 or counted == 1 else of[0]
        if update > min(ends):
            for axis in axes:
                axis.axvline(update, linewidth=0.6, zorder=0, **style)
        room = [level for level, place in enumerate(taken) if update - place >= 0.08 * (max(ends) - min(ends))]
        if room:
            taken[room[0]] = update
            at = axes[0].get_xaxis_transform()
            height = 1.03 + 0.12 * room[0]
            axes[0].text(update, height, f"k = {k}", color=style["color"], fontsize=8, ha="center", transform=at)
