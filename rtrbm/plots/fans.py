"""Fan charts of forecasts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..checks import check_count
from ..user_data import check_reals, as_float, as_given
from ..foreign import array, check_open, is_table, numbers
from ..types import Given
from .paper import COLOURS, LINES, chosen, label_feature, legend, panels


def forecast(
    predicted: Any,
    X: Given = None,
    truth: Given = None,
    features: Any = 4,
    names: Sequence[str] | None = None,
    sequence: int = 0,
    *,
    ax: Any = None,
) -> Any:
    """A fan chart: the frames before, bands between quantiles of the forecast, its median, and what came.

    Each band lies between a quantile and the one as far from the other end. Bands are darker towards the middle.
    Without a quantile of 0.5 the mean takes the median's place.

    Parameters
    ----------
    predicted : Forecast
        What a model's `forecast` returns.
    X : array_like or list of array_like, optional
        The frames before, as they were given to `forecast`; one sequence may be (n_frames, n_visible). As many are
        shown as the forecast has, and at least 20.
    truth : array_like or list of array_like, optional
        The frames that came, in the form of X; fewer or more than the horizon are all right.
    features : int or sequence of int or str
        The first so many features, or their indices or names; a panel for each.
    names : sequence of str, optional
        A name for each feature, its unit included; if not given, the column names of X if it is a table.
    sequence : int
        The sequence of X that is shown.
    ax : matplotlib Axes or sequence of them, optional
        Draw here, each feature in one of them.

    Returns
    -------
    rtrbm.plots.notebook.Figure, or `ax`

    Raises
    ------
    TypeError, ValueError
        If there is no such sequence or feature, or shapes do not fit.
    """
    if np.ndim(getattr(predicted, "mean", None)) != 3 or not hasattr(predicted, "levels"):
        raise TypeError(f"predicted: given {type(predicted).__name__}, wanted what a model's forecast returns")
    n_sequences, horizon, n_features = np.shape(predicted.mean)
    check_count("sequence", sequence, 0)
    if sequence >= n_sequences:
        raise ValueError(f"sequence: given {sequence}, wanted one of the {n_sequences} of the forecast, from 0")
    before, columns = _frames("X", X, sequence, n_features)
    after, _ = _frames("truth", truth, sequence, n_features)
    names = columns if names is None else np.ravel(array(names, "names")).tolist()
    if names is not None and len(names) != n_features:
        raise ValueError(f"names: given {len(names)}, wanted one for each of the {n_features} features")
    features = [features] if isinstance(features, str) else features
    is_number = array(features, "features").ndim == 0
    if names is not None and not is_number:
        features = [names.index(f) if isinstance(f, str) and f in names else f for f in features]
    if is_number:
        check_count("features", features)
    shown = chosen("features", min(features, n_features) if is_number else features, n_features)
    drawn, axes = panels(ax, (len(shown), 1), 0.8 + 1.3 * len(shown), sharex=True)
    start = len(before)
    first = max(0, start - max(horizon, 20))
    for axis, i in zip(axes, shown):
        known = before[-1:, i]  # the fan opens at the last frame
        quantiles = () if predicted.quantiles is None else predicted.quantiles
        mean, *quantiles = ([*known, *values[sequence, :, i]] for values in (predicted.mean, *quantiles))
        at = np.arange(start - len(known), start + horizon)
        _fan(axis, at, mean, dict(zip(predicted.levels, quantiles)))
        if start > first:
            axis.plot(np.arange(first, start), before[first:, i], label="before", color="black", linewidth=1)
        if len(after):
            came = [*known, *after[:horizon, i]]
            axis.plot(at[: len(came)], came, label="truth", color="black", linestyle=LINES[2], linewidth=1.4)
        axis.axvline(start - 0.5, color="0.5", linewidth=0.6, zorder=0)
        label_feature(axis, i, names)
    axes[-1].set_xlabel("frame", fontsize=9)
    legend(drawn, axes, *axes[0].get_legend_handles_labels(), ncols=5)
    return drawn


def _fan(axis, at, mean, quantiles):
    """Bands between pairs of quantiles, from the outer one in, and the line in the middle."""
    levels = sorted(quantiles)
    pairs = [(low, high) for low, high in zip(levels, levels[::-1]) if low < high]
    for n, (low, high) in enumerate(pairs, 1):
        shade = {"color": COLOURS[0], "alpha": 0.15 + 0.3 * n / len(pairs), "linewidth": 0}
        axis.fill_between(at, quantiles[low], quantiles[high], label=f"{100 * low:g} % to {100 * high:g} %", **shade)
    middle = ("median", quantiles[0.5]) if 0.5 in quantiles else ("mean", mean)
    axis.plot(at, middle[1], label=middle[0], color=COLOURS[0], linewidth=1.6)


def _frames(name, X, sequence, n_features):
    """One sequence of X, (n_frames, n_visible), and its column names or None."""
    if X is None:
        return np.empty((0, n_features)), None
    check_open(X, name)
    X = X if is_table(X) or getattr(X, "ndim", None) == 2 else as_given(X, name)
    if getattr(X, "ndim", None) != 2:
        X = X if isinstance(X, list) else numbers(X, name)
        if len(X) <= sequence:
            raise ValueError(f"{name}: given {len(X)} sequences, wanted as many as the forecast has")
        X = X[sequence]
    frames = as_float(X, name, float)
    if frames.ndim != 2 or frames.shape[1] != n_features:
        raise ValueError(f"{name}: given shape {frames.shape}, wanted (n_frames, n_features = {n_features})")
    check_reals(frames, name)
    return frames, list(X.columns) if hasattr(X, "columns") else None
