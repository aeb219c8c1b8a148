"""Figures of a model's weights."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..checks import check_count, check_flag
from ..foreign import array
from ..types import ArrayLike
from ..weights import in_reading_order, matrices
from .paper import (
    COLOURS,
    check_fitted,
    check_image_shape,
    chosen,
    colour_bar,
    colour_limit,
    draw_image,
    label_axes,
    load,
    mosaic,
    panels,
)


def receptive_fields(
    model: Any,
    U: ArrayLike | None = None,
    units: Any = None,
    image_shape: tuple[int, int] | None = None,
    arrange: bool = False,
    *,
    ax: Any = None,
) -> Any:
    """Receptive fields of some hidden units beside the hidden-to-hidden weights among them.

    Row i of the matrix holds the weights into unit i: it is the chapter's W', U transposed. Its lines part
    the units as the rows of the grid do. The colour scales leave out the largest 0.1 % of the visible and
    0.5 % of the hidden weights, so that a few do not wash out the rest; the colour bars say so. A model without
    hidden-to-hidden weights has no matrix.

    Parameters
    ----------
    model : fitted model, its parameters, or ndarray W, shape (n_visible, n_hidden)
        Its visible-to-hidden weights, gates and masks included, and U; in a TRBM B_1 is U.
    U : ndarray, shape (n_hidden, n_hidden), optional
        Hidden-to-hidden weights beside an array W; U[i, j] leads from unit i at t-1 to unit j at t.
    units : int or sequence of int, optional
        The first so many units, or their indices; the first 36 (all if fewer) if not given.
    image_shape : tuple of int, optional
        (height, width) of a frame; square if not given.
    arrange : bool
        Order the units by where in the image their weights are: the grid becomes a rough map of the image,
        and connections between neighbours come to lie near the diagonals of the matrix's blocks.
    ax : matplotlib Axes or two of them, optional
        Draw here, in one the receptive fields alone.

    Returns
    -------
    rtrbm.plots.notebook.Figure, or `ax`

    Raises
    ------
    TypeError, ValueError
        If the model is not fitted, a shape is wrong, a weight is not finite or a unit does not exist.
    """
    check_flag("arrange", arrange)
    W, U = _weights(model, U)
    image_shape = check_image_shape(W.shape[0], image_shape)
    units = chosen("units", min(36, W.shape[1]) if units is None else units, W.shape[1])
    side = math.ceil(math.sqrt(units.size))
    units = in_reading_order(W, units, image_shape) if arrange else units
    alone = U is None or isinstance(ax, load("matplotlib.axes").Axes)
    drawn, axes = panels(ax, (1, 1 if alone else 2), 4.2)
    first = np.arange(0, units.size, side)  # where the rows of the grid begin
    named = np.arange(0, first.size, math.ceil(first.size / 9))  # those with room for a number
    names = units[first[named]].astype(str)
    fields = W[:, units].T.reshape(-1, *image_shape)
    _draw_fields(axes[0], fields, side, named, names, 0.5 if alone and ax is None else 1)
    if not alone:
        _draw_matrix(axes[1], U[np.ix_(units, units)].T, first, first[named], names)
    return drawn


def hidden_unit_norms(model: Any, U: ArrayLike | None = None, highlight: int = 2, *, ax: Any = None) -> Any:
    """How strongly each hidden unit is driven by the frame and by the past: norms of its columns of W and U.

    Units with weak visible and strong temporal weights, at the upper left, are in effect a second layer.

    Parameters
    ----------
    model, U
        As in `receptive_fields`; column j of U leads into unit j.
    highlight : int
        Number of units to mark and name: those whose norm in U is largest relative to that in W.
    ax : matplotlib Axes, optional
        Draw here.

    Returns
    -------
    rtrbm.plots.notebook.Figure, or `ax`

    Raises
    ------
    TypeError, ValueError
        If the model is not fitted or has no hidden-to-hidden weights, a shape is wrong or a weight is not finite.
    """
    check_count("highlight", highlight, 0)
    W, U = _weights(model, U)
    if U is None:
        raise ValueError("model: given one without hidden-to-hidden weights (U, or a TRBM's B), wanted one with them")
    of_W, of_U = np.linalg.norm(W, axis=0), np.linalg.norm(U, axis=0)
    marked = np.argsort(-of_U / np.maximum(of_W, 1e-30), kind="stable")[:highlight]
    drawn, (axes,) = panels(ax, (1, 1), 3.6)
    axes.scatter(of_W, of_U, s=12, color=COLOURS[0], alpha=0.6, linewidths=0, clip_on=False)
    if marked.size:
        axes.scatter(of_W[marked], of_U[marked], s=28, color=COLOURS[1], marker="D", clip_on=False)
        names = ", ".join(marked.astype(str))
        axes.set_title(f"\N{BLACK DIAMOND} largest $|U_j|/|W_j|$: {names}", fontsize=9, loc="left", color=COLOURS[1])
    axes.set_xlim(left=0)
    axes.set_ylim(bottom=0)
    label_axes(
        axes,
        r"visible-to-hidden, $|W_j| = \sqrt{\Sigma_i W_{ij}^2}$",
        "hidden-to-hidden,\n" r"$|U_j| = \sqrt{\Sigma_i U_{ij}^2}$",
    )
    return drawn


def _weights(model, U):
    """W, and U or None, of a model, of its parameters, or as given."""
    if hasattr(model, "layers"):
        raise TypeError(f"model: given a {type(model).__name__}, wanted one of its layers: .layers[0]")
    check_fitted("model", model, "params_")
    params = getattr(model, "effective_", getattr(model, "params_", model))
    if hasattr(params, "W"):
        if U is not None:
            raise TypeError("U: given beside a model, wanted only beside an array W")
        if not getattr(params, "effective", True):
            raise ValueError("model: given parameters whose W lies behind gates, wanted the model or its effective_")
        params, U = matrices(params)
    W, U = array(params, "model"), None if U is None else array(U, "U")
    if W.dtype.kind not in "iuf":
        raise TypeError(f"model: given {type(model).__name__}, wanted a fitted model, its params_ or an array W")
    if W.ndim != 2 or U is not None and U.shape != (W.shape[1], W.shape[1]):
        shapes = f"{W.shape}, {None if U is None else U.shape}"
        wanted = "(n_visible, n_hidden), (n_hidden, n_hidden) in the model"
        raise ValueError(f"W, U: given shapes {shapes}, wanted {wanted}")
    if not (np.isfinite(W).all() and (U is None or np.isfinite(U).all())):
        raise ValueError("W, U: given weights that are not finite, wanted numbers in the model")
    return W, U


def _draw_fields(axes, images, side, named, names, bar):
    """The grid of receptive fields; some of its rows have the number of their first unit. `bar`: its length."""
    height = images.shape[1]
    grid, gap = mosaic(images, side)
    drawn = draw_image(axes, grid, colour_limit(grid, 99.9))
    colour_bar(drawn, grid, "visible-to-hidden weight", ax=axes, pad=0.02, shrink=bar, aspect=25)
    axes.set_yticks((height - 1) / 2 + named * (height + gap), names)
    axes.set_ylabel("unit at the left", fontsize=9)
    axes.set_title("receptive fields", fontsize=9)


def _draw_matrix(axes, among, first, named, names):
    """The matrix of weights among the units, with a line where a row of the grid begins."""
    drawn = draw_image(axes, among, colour_limit(among, 99.5))
    colour_bar(drawn, among, "hidden-to-hidden weight", ax=axes, pad=0.02, aspect=25)
    axes.set_xticks(named, names)
    axes.set_yticks(named, names)
    axes.xaxis.tick_top()
    axes.xaxis.set_label_position("top")
    axes.set_xlabel("from unit at $t-1$", fontsize=9)
    axes.set_ylabel("to unit at $t$", fontsize=9)
    for edge in first[1:] - 0.5:
        axes.axhline(edge, color="0.6", linewidth=0.4)
        axes.axvline(edge, color="0.6", linewidth=0.4)
