"""The common parts of all figures: their width, colours and lines, the axes they are drawn in, images and labels."""

import importlib
import math
import textwrap
from collections.abc import Mapping
from itertools import cycle

import numpy as np

from ..checks import check_count
from ..foreign import array

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")  # Okabe and Ito's
LINES = ("-", (0, (5, 1.5)), (0, (1, 1)), (0, (6, 1.5, 1, 1.5)))  # they tell curves apart without colours
WIDTH = 6.5  # inches


def styles():
    """A colour and a kind of line for each curve, as keywords of matplotlib."""
    return ({"color": colour, "linestyle": line} for colour, line in zip(cycle(COLOURS), cycle(LINES)))


def load(name):
    """A module of matplotlib or Pillow, or an error with the remedy."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ImportError("figures need matplotlib and Pillow: pip install 'rtrbm[figures]'") from error


def panels(ax, shape, height, **sharing):
    """Axes to draw in, and the value to return: a new figure so many inches high, or the user's axes.

    Parameters
    ----------
    ax : None, matplotlib Axes or sequence of them
    shape : (int, int)
        Rows and columns of panels.
    height : float
    **sharing
        Of a new figure's axes: `sharex`, `sharey`.

    Returns
    -------
    drawn : Figure, or `ax`
        Not the figure of `ax`: pyplot shows that one in a notebook, and it would appear twice.
    axes : list of Axes
    """
    if ax is None:
        load("matplotlib.figure")
        from .notebook import Figure

        figure = Figure(figsize=(WIDTH, height), dpi=200, layout="constrained")
        axes = list(figure.subplots(*shape, squeeze=False, **sharing).flat)
        figure.align_ylabels(axes)
        return figure, axes
    axes = list(ax.flat) if isinstance(ax, np.ndarray) else list(ax) if isinstance(ax, list | tuple) else [ax]
    if not all(isinstance(axis, load("matplotlib.axes").Axes) for axis in axes):
        raise TypeError(f"ax: given {ax!r}, wanted matplotlib Axes, one for each panel")
    if len(axes) != math.prod(shape):
        raise ValueError(f"ax: given {len(axes)} axes, wanted {math.prod(shape)}, one for each panel")
    return ax, axes


def check_fitted(name, model, attribute):
    """Raise a ValueError if it is a model that lacks what only a fitted one has."""
    if hasattr(model, "get_params") and not hasattr(model, attribute):
        raise ValueError(f"{name}: this {type(model).__name__} is not fitted yet: call fit or partial_fit first")


def mapping(name, value):
    """The value, if it is a dict."""
    if not isinstance(value, Mapping):
        raise TypeError(f"{name}: given {type(value).__name__}, wanted a dict, its keys the names to be shown")
    return value


def chosen(name, given, n):
    """Indices below n: the first so many, or those given."""
    given = array(given, name)
    if given.ndim == 0:
        check_count(name, given.item(), 0)
        given = np.arange(min(int(given), n + 1))
    if given.ndim != 1 or given.size and given.dtype.kind not in "iu":
        raise TypeError(f"{name}: given {given.tolist()}, wanted a number of {name} or their indices")
    if not given.size or given.min() < 0 or given.max() >= n:
        raise ValueError(f"{name}: given {given.tolist()}, wanted some of the {n} {name}, 0 to {n - 1}")
    return given


def check_image_shape(n_visible, image_shape):
    """The height and width of a frame, those of a square if None is given."""
    side = math.isqrt(n_visible)
    shape = (side, side) if image_shape is None else tuple(array(image_shape, "image_shape").ravel().tolist())
    integers = all(isinstance(n, int) and n > 0 for n in shape)
    if not integers or len(shape) != 2 or shape[0] * shape[1] != n_visible:
        raise ValueError(
            f"image_shape: given {image_shape}, wanted (height, width) with height * width = n_visible = {n_visible} "
            f"(None: square); features that are no image have (1, {n_visible})"
        )
    return shape


def mosaic(images, n_columns):
    """Images (n, height, width) in reading order as one array, NaN in the gaps between them; the gap in pixels."""
    n, height, width = images.shape
    gap, n_rows = max(1, width // 15), -(-n // n_columns)
    tiles = np.full((n_rows * n_columns, height + gap, width + gap), np.nan)
    tiles[:n, :height, :width] = images
    tiles = tiles.reshape(n_rows, n_columns, height + gap, width + gap).swapaxes(1, 2)
    return tiles.reshape(n_rows * (height + gap), n_columns * (width + gap))[:-gap, :-gap], gap


def colour_limit(image, percent):
    """A colour limit that holds so much of the image, and something in any case."""
    magnitude = np.abs(image[np.isfinite(image)])  # without what lies between the tiles of a mosaic
    return float(np.percentile(magnitude, percent) or magnitude.max() or 1)


def draw_image(axes, image, limit=None):
    """Draw an array unsmoothed: grey from 0 to 1 or, given a limit, diverging about 0."""
    cmap, low, high = ("gray", 0, 1) if limit is None else ("RdBu_r", -limit, limit)
    axes.set_facecolor("white" if limit is None else "0.75")  # shows where the array is NaN
    axes.spines[:].set_visible(False)
    axes.set(xticks=[], yticks=[])
    axes.tick_params(labelsize=8, length=0)
    return axes.imshow(image, interpolation="nearest", cmap=cmap, vmin=low, vmax=high)


def colour_bar(drawn, image, label, **where):
    """A horizontal colour bar that says how much of the image lies between its ends."""
    magnitude, end = np.abs(image[np.isfinite(image)]), drawn.norm.vmax
    largest, extend = magnitude.max(), "neither"
    if largest > end:
        within, extend = 100 * np.mean(magnitude <= end), "both"
        label += f"\n{within:.1f} % within ±{end:.2g}, largest {largest:.2g}"
    bar = drawn.figure.colorbar(drawn, orientation="horizontal", extend=extend, **where)
    bar.locator = load("matplotlib.ticker").MaxNLocator(4, steps=(1, 2, 5, 10))
    bar.outline.set_linewidth(0.6)
    bar.ax.tick_params(labelsize=8, width=0.6, length=2.5)
    bar.set_label(label, fontsize=8)


def label_axes(axes, x, y):
    """Name the axes, in the size and with the frame of all figures."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(which="both", labelsize=8)
    axes.set_xlabel(x, fontsize=9)
    axes.set_ylabel(y, fontsize=9)


def label_feature(axes, i, names):
    """Name the feature whose numbers are drawn, as its name is written: a $ in it begins no formula."""
    label_axes(axes, None, textwrap.fill(f"feature {i}" if names is None else str(names[i]), 18))
    axes.yaxis.label.set_parse_math(False)


def legend(drawn, axes, lines, names, ncols):
    """A legend above all panels of a figure of ours, or in the first of the user's axes; labels in a column."""
    ours = hasattr(drawn, "savefig")
    where = {"loc": "outside upper center", "ncols": ncols} if ours else {"loc": "best"}
    (drawn if ours else axes[0]).legend(lines, names, frameon=False, fontsize=9, handlelength=2.6, **where)
