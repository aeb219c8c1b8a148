"""Figures of weights, videos and learning curves, 6.5 inches wide, each a matplotlib `Figure` to be saved.

They need no display and leave matplotlib's global state alone. Units and frames count from 0, as arrays do.
"""

import importlib
import math
from collections.abc import Mapping
from itertools import cycle

import numpy as np

from .checks import check_count, check_memory
from .training.files import check_path, replacing

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")  # Okabe and Ito's
CURVES = {
    "reconstruction_error": "reconstruction error",
    "gradient_norm": "gradient norm",
    "learning_rate": "learning rate",
}
WIDTH = 6.5  # inches


def receptive_fields(W, U, units=36, image_shape=None, arrange=False):
    """Receptive fields of some hidden units beside the hidden-to-hidden weights among them.

    Row i of the matrix holds the weights into unit i: it is the chapter's W', U transposed. Its lines part
    the units as the rows of the grid do. The colour scales leave out the largest 0.1 % of the visible and
    0.5 % of the hidden weights, so that a few do not wash out the rest; the colour bars say so.

    Parameters
    ----------
    W : ndarray, shape (n_visible, n_hidden)
        Visible-to-hidden weights.
    U : ndarray, shape (n_hidden, n_hidden)
        Hidden-to-hidden weights; U[i, j] leads from unit i at t-1 to unit j at t.
    units : int or sequence of int
        The first so many units, or their indices.
    image_shape : tuple of int, optional
        (height, width) of a frame; square if not given.
    arrange : bool
        Order the units by where in the image their weights are: the grid becomes a rough map of the image,
        and connections between neighbours come to lie near the diagonals of the matrix's blocks.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        If a shape is wrong, a weight is not finite or a unit does not exist.
    """
    W, U = _weights(W, U)
    height, width = image_shape = _image_shape(W.shape[0], image_shape)
    if np.ndim(units) == 0:
        check_count("units", units, 0)
        units = np.arange(units)
    units = np.asarray(units)
    if units.ndim != 1 or units.dtype.kind not in "iu":
        raise TypeError(f"units: given {units.tolist()}, wanted a number of units or their indices")
    if not units.size or units.min() < 0 or units.max() >= W.shape[1]:
        raise ValueError(f"units: given {units.tolist()}, wanted some of the n_hidden = {W.shape[1]} units")
    side = math.ceil(math.sqrt(units.size))
    units = _by_position(W, units, side, image_shape) if arrange else units
    gap = max(1, width // 15)
    mosaic = _mosaic(W[:, units].T.reshape(-1, height, width), side, gap)
    among = U[np.ix_(units, units)].T
    figure = _figure(4.2)
    grid = figure.add_gridspec(2, 2, height_ratios=(1, 0.04))
    fields, matrix = (figure.add_subplot(grid[0, column]) for column in (0, 1))
    drawn = _show(fields, mosaic, _limit(mosaic, 99.9))
    _colour_bar(drawn, mosaic, "visible-to-hidden weight", cax=figure.add_subplot(grid[1, 0]))
    drawn = _show(matrix, among, _limit(among, 99.5))
    _colour_bar(drawn, among, "hidden-to-hidden weight", cax=figure.add_subplot(grid[1, 1]))
    first = np.arange(0, units.size, side)  # where the rows of the grid begin
    rows = np.arange(0, first.size, math.ceil(first.size / 9))  # those with room for a number
    named = first[rows]
    fields.set_yticks((height - 1) / 2 + rows * (height + gap), units[named].astype(str))
    fields.set_ylabel("unit at the left", fontsize=9)
    fields.set_title("receptive fields", fontsize=9)
    matrix.set_xticks(named, units[named].astype(str))
    matrix.set_yticks(named, units[named].astype(str))
    matrix.xaxis.tick_top()
    matrix.xaxis.set_label_position("top")
    matrix.set_xlabel("from unit at $t-1$", fontsize=9)
    matrix.set_ylabel("to unit at $t$", fontsize=9)
    for edge in first[1:] - 0.5:
        matrix.axhline(edge, color="0.6", linewidth=0.4)
        matrix.axvline(edge, color="0.6", linewidth=0.4)
    return figure


def film_strip(rows, n_shown=12, image_shape=None, start=0):
    """Consecutive frames of videos, one row a video, frame numbers beneath.

    Parameters
    ----------
    rows : dict of str to ndarray, shape (n_frames, n_visible)
        Title and frames of each video, pixels in [0, 1]; all of one shape.
    n_shown : int
        Number of frames shown (fewer if the videos end before).
    image_shape : tuple of int, optional
        (height, width) of a frame; square if not given.
    start : int
        First frame shown.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        If the videos differ in shape or are no videos, or no frame is left to show.
    """
    return _strips(_videos(rows, image_shape, "rows"), {}, n_shown, start)


def predictions(frames, predicted, n_shown=12, image_shape=None, start=0, errors=True):
    """One-step predictions beneath the frames they predict, and their signed errors.

    Parameters
    ----------
    frames : ndarray, shape (n_frames, n_visible)
        The data, pixels in [0, 1].
    predicted : ndarray or dict of str to ndarray, shape (n_frames, n_visible)
        `predicted[t]` is the prediction of `frames[t]`; a dict names several predictors.
    n_shown, image_shape, start
        As in `film_strip`.
    errors : bool
        Whether a row of prediction minus data follows each prediction.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        If a prediction differs in shape from the frames or is named "data", or no frame is left to show.
    """
    predicted = predicted if isinstance(predicted, Mapping) else {"prediction": predicted}
    if "data" in predicted:
        raise ValueError("predicted: given the name 'data', wanted another (the frames have this one)")
    videos = _videos({"data": frames, **predicted}, image_shape, "frames, predicted")
    signed = {name: videos[name] - videos["data"] for name in predicted} if errors else {}
    return _strips(videos, signed, n_shown, start)


def animate(rows, path, image_shape=None, frames_per_second=20, scale=None):
    """Write a looping GIF of videos side by side, each under its title; it appears complete or not at all.

    A GIF counts in hundredths of a second: the rate is rounded to that, and is 50 frames per second at most.
    Equal consecutive frames are stored as one that is shown for longer.

    Parameters
    ----------
    rows : dict of str to ndarray, shape (n_frames, n_visible)
        Title and frames of each video, pixels in [0, 1] (clipped to it); all of one shape.
    path : str or os.PathLike
        The file to write.
    image_shape : tuple of int, optional
        (height, width) of a frame; square if not given.
    frames_per_second : float
        Rate, above 0.
    scale : int, optional
        Times each frame is enlarged; if not given, to about 200 pixels.

    Raises
    ------
    TypeError, ValueError
        If the videos differ in shape or are no videos, the rate is below 1/600 (a GIF's limit), `scale` is not a
        positive integer or too much for the memory, or `path` is not in an existing folder.
    """
    check_path("path", path)
    if not frames_per_second >= 1 / 600:
        raise ValueError(f"frames_per_second: given {frames_per_second}, wanted a number of at least 1/600")
    if scale is not None:
        check_count("scale", scale)
    Image, ImageDraw, ImageFont = (_load(f"PIL.{name}") for name in ("Image", "ImageDraw", "ImageFont"))
    videos = _videos(rows, image_shape, "rows")
    n_frames, height, width = next(iter(videos.values())).shape
    scale = scale or max(1, round(200 / max(height, width)))
    check_memory(f"frames enlarged by scale={scale}", 3 * len(videos) * n_frames * height * width * scale**2, "uint8")
    font, top, gap = ImageFont.load_default(14), 26, 10
    panels = [max(width * scale, math.ceil(font.getlength(title))) for title in videos]
    blank = Image.new("L", (sum(panels) + gap * (len(panels) + 1), top + height * scale + gap), "white")
    pages = [blank.copy() for _ in range(n_frames)]
    left = gap
    for (title, video), panel in zip(videos.items(), panels):
        pixels = np.rint(video.clip(0, 1) * 255).astype(np.uint8).repeat(scale, axis=1).repeat(scale, axis=2)
        for page, frame in zip(pages, pixels):
            ImageDraw.Draw(page).text((left + panel / 2, top / 2), title, fill=0, font=font, anchor="mm")
            page.paste(Image.fromarray(frame), (left + (panel - width * scale) // 2, top))
        left += panel + gap
    with replacing(path) as temporary:
        pages[0].save(
            temporary,
            format="GIF",
            save_all=True,
            append_images=pages[1:],
            loop=0,
            duration=10 * max(2, round(100 / frames_per_second)),
        )


def learning_curves(histories, quantities=None):
    """Learning curves against the update: a panel for each quantity, a colour for each model.

    More than 300 records are drawn faint beneath their running median (over a fiftieth of them). The axis of
    a positive quantity that changes tenfold is logarithmic, that of the learning rate starts at 0. Thin lines
    mark where k, the number of Gibbs steps, changes: grey, or in its colour if one model of several does so.

    Parameters
    ----------
    histories : dict of str to dict of str to ndarray, shape (n_records,)
        The records of each model: "update", quantities, and "n_gibbs" where k is to be marked.
    quantities : dict of str to str, optional
        Key and axis label of each quantity; if not given, those of `CURVES` that are there.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        If a quantity is in no history, a history lacks "update", or its arrays differ in length.
    """
    histories = {model: _history(model, history) for model, history in _mapping("histories", histories).items()}
    known = {key for history in histories.values() for key in history}
    quantities = {key: CURVES[key] for key in CURVES if key in known} if quantities is None else quantities
    if not _mapping("quantities", quantities) or not known.issuperset(quantities):
        raise ValueError(f"quantities: given {list(quantities)}, wanted some of {sorted(known)}")
    figure = _figure(0.9 + 1.6 * len(quantities))
    panels = figure.subplots(len(quantities), sharex=True, squeeze=False)[:, 0]
    for axes, (key, label) in zip(panels, quantities.items()):
        values = np.concatenate([history[key] for history in histories.values() if key in history])
        values = values[np.isfinite(values)]
        for below, colour, history in zip(range(len(histories))[::-1], cycle(COLOURS), histories.values()):
            if key == "learning_rate" and key in history:  # equal schedules show as a line within a wider one
                axes.plot(history["update"], history[key], color=colour, linewidth=1.2 + 1.5 * below)
            elif key in history:
                _curve(axes, history["update"], history[key], colour)
        if key == "learning_rate":
            axes.set_ylim(bottom=0)
        elif values.size and 0 < 10 * values.min() <= values.max():
            axes.set_yscale("log", subs=(2, 5))
            axes.yaxis.set_major_formatter("{x:g}")
            axes.yaxis.set_minor_formatter("{x:g}" if values.max() < 300 * values.min() else "")
        _label(axes, None, label)
    _label(panels[-1], "update", label)
    figure.align_ylabels(panels)
    _mark_gibbs(panels, histories)
    Line2D = _load("matplotlib.lines").Line2D
    lines = [Line2D([], [], color=colour) for colour, _ in zip(cycle(COLOURS), histories)]
    figure.legend(lines, list(histories), loc="outside upper center", ncols=4, frameon=False, fontsize=9)
    return figure


def hidden_unit_norms(W, U, highlight=2):
    """How strongly each hidden unit is driven by the frame and by the past: norms of its columns of W and U.

    Units with weak visible and strong temporal weights, at the upper left, are in effect a second layer.

    Parameters
    ----------
    W : ndarray, shape (n_visible, n_hidden)
        Visible-to-hidden weights.
    U : ndarray, shape (n_hidden, n_hidden)
        Hidden-to-hidden weights; column j leads into unit j.
    highlight : int
        Number of units to mark and name: those whose norm in U is largest relative to that in W.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        If a shape is wrong or a weight is not finite.
    """
    check_count("highlight", highlight, 0)
    W, U = _weights(W, U)
    of_W, of_U = np.linalg.norm(W, axis=0), np.linalg.norm(U, axis=0)
    marked = np.argsort(-of_U / np.maximum(of_W, 1e-30), kind="stable")[:highlight]
    figure = _figure(3.6)
    axes = figure.add_subplot()
    axes.scatter(of_W, of_U, s=12, color=COLOURS[0], alpha=0.6, linewidths=0, clip_on=False)
    if marked.size:
        axes.scatter(of_W[marked], of_U[marked], s=28, color=COLOURS[1], marker="D", clip_on=False)
        axes.set_title(
            "largest $|U_j|/|W_j|$: " + ", ".join(marked.astype(str)), fontsize=9, loc="left", color=COLOURS[1]
        )
    axes.set_xlim(left=0)
    axes.set_ylim(bottom=0)
    _label(
        axes,
        r"visible-to-hidden, $|W_j| = \sqrt{\Sigma_i W_{ij}^2}$",
        r"hidden-to-hidden, $|U_j| = \sqrt{\Sigma_i U_{ij}^2}$",
    )
    return figure


def _load(name):
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ImportError("figures need matplotlib and Pillow: pip install 'rtrbm[figures]'") from error


def _figure(height):
    return _load("matplotlib.figure").Figure(figsize=(WIDTH, height), dpi=200, layout="constrained")


def _image_shape(n_visible, image_shape):
    side = math.isqrt(n_visible)
    shape = (side, side) if image_shape is None else tuple(np.atleast_1d(image_shape).tolist())
    integers = all(isinstance(n, int) and n > 0 for n in shape)
    if not integers or len(shape) != 2 or shape[0] * shape[1] != n_visible:
        raise ValueError(
            f"image_shape: given {image_shape}, wanted (height, width) with height * width = "
            f"n_visible = {n_visible} (None: square)"
        )
    return shape


def _weights(W, U):
    W, U = np.asarray(W), np.asarray(U)
    if W.ndim != 2 or U.shape != (W.shape[1], W.shape[1]):
        raise ValueError(f"W, U: given shapes {W.shape}, {U.shape}, wanted (n_visible, n_hidden), (n_hidden, n_hidden)")
    if not (np.isfinite(W).all() and np.isfinite(U).all()):
        raise ValueError("W, U: given weights that are not finite, wanted numbers")
    return W, U


def _mapping(name, value):
    if not isinstance(value, Mapping):
        raise TypeError(f"{name}: given {type(value).__name__}, wanted a dict, its keys the names to be shown")
    return value


def _videos(rows, image_shape, name):
    rows = {title: np.asarray(frames, dtype=float) for title, frames in _mapping(name, rows).items()}
    shapes = {title: frames.shape for title, frames in rows.items()}
    shape = next(iter(shapes.values()), ())
    if len(shape) != 2 or 0 in shape or len(set(shapes.values())) > 1:
        raise ValueError(f"{name}: given shapes {shapes}, wanted one shape (n_frames, n_visible) for all")
    if not all(np.isfinite(frames).all() for frames in rows.values()):
        raise ValueError(f"{name}: given pixels that are not finite, wanted numbers in [0, 1]")
    image_shape = _image_shape(shape[1], image_shape)
    return {title: frames.reshape(-1, *image_shape) for title, frames in rows.items()}


def _history(model, history):
    history = {key: np.asarray(values) for key, values in _mapping(f"histories[{model!r}]", history).items()}
    shapes = {key: values.shape for key, values in history.items()}
    shape = shapes.get("update", ())
    if len(shape) != 1 or 0 in shape or len(set(shapes.values())) > 1:
        raise ValueError(f"histories[{model!r}]: given shapes {shapes}, wanted 'update' and others, all (n_records,)")
    return history


def _by_position(W, units, side, image_shape):
    """The units in reading order: rows of `side` by the height of their weights, each from left to right."""
    power = W[:, units] ** 2
    y, x = np.indices(image_shape).reshape(2, -1) @ power / np.maximum(power.sum(axis=0), 1e-30)
    rows = np.split(np.argsort(y, kind="stable"), range(side, units.size, side))
    return units[np.concatenate([row[np.argsort(x[row], kind="stable")] for row in rows])]


def _mosaic(images, n_columns, gap):
    """Images (n, height, width) in reading order as one array, NaN between them."""
    n, height, width = images.shape
    n_rows = -(-n // n_columns)
    tiles = np.full((n_rows * n_columns, height + gap, width + gap), np.nan)
    tiles[:n, :height, :width] = images
    tiles = tiles.reshape(n_rows, n_columns, height + gap, width + gap).swapaxes(1, 2)
    return tiles.reshape(n_rows * (height + gap), n_columns * (width + gap))[:-gap, :-gap]


def _limit(image, percent):
    """A colour limit that holds so much of the image, and something in any case."""
    magnitude = np.abs(image[np.isfinite(image)])  # without what lies between the tiles of a mosaic
    return float(np.percentile(magnitude, percent) or magnitude.max() or 1)


def _show(axes, image, limit=None):
    """Draw an array unsmoothed: grey from 0 to 1 or, given a limit, diverging about 0."""
    cmap, low, high = ("gray", 0, 1) if limit is None else ("RdBu_r", -limit, limit)
    axes.set_facecolor("white" if limit is None else "0.75")  # shows where the array is NaN
    axes.spines[:].set_visible(False)
    axes.set(xticks=[], yticks=[])
    axes.tick_params(labelsize=8, length=0)
    return axes.imshow(image, interpolation="nearest", cmap=cmap, vmin=low, vmax=high)


def _colour_bar(drawn, image, label, **where):
    """A horizontal colour bar that says how much of the image lies between its ends."""
    magnitude, limit = np.abs(image[np.isfinite(image)]), drawn.norm.vmax
    largest, extend = magnitude.max(), "neither"
    if largest > limit:
        within, extend = 100 * np.mean(magnitude <= limit), "both"
        label += f"\n{within:.1f} % within ±{limit:.2g}, largest {largest:.2g}"
    bar = drawn.figure.colorbar(drawn, orientation="horizontal", extend=extend, **where)
    bar.locator = _load("matplotlib.ticker").MaxNLocator(4, steps=(1, 2, 5, 10))
    bar.outline.set_linewidth(0.6)
    bar.ax.tick_params(labelsize=8, width=0.6, length=2.5)
    bar.set_label(label, fontsize=8)


def _label(axes, x, y):
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(which="both", labelsize=8)
    axes.set_xlabel(x, fontsize=9)
    axes.set_ylabel(y, fontsize=9)


def _strips(videos, signed, n_shown, start):
    """A row of frames for each video and, below those that have one, a row of signed errors."""
    check_count("n_shown", n_shown, None)
    check_count("start", start, None)
    n_frames, height, width = next(iter(videos.values())).shape
    shown = range(n_frames)[start : start + n_shown] if start >= 0 and n_shown > 0 else ()
    if not shown:
        raise ValueError(
            f"start, n_shown: given {start}, {n_shown}, wanted 0 <= start < n_frames = {n_frames}, n_shown > 0"
        )
    errors = np.array([signed[title][shown] for title in signed])
    rows = []
    for title, video in videos.items():
        rows.append((title, video[shown], None))
        if title in signed:
            rows.append((f"{title} \N{MINUS SIGN} data", signed[title][shown], _limit(errors, 99.9)))
    tile = min((WIDTH - 0.1) / len(shown) * height / width, 1.5)  # height in inches
    figure = _figure(len(rows) * (tile + 0.22) + 0.35 + 0.55 * bool(signed))
    panels = figure.subplots(len(rows), squeeze=False)[:, 0]
    gap = max(1, width // 15)
    for axes, (title, images, limit) in zip(panels, rows):
        drawn = _show(axes, _mosaic(images, len(shown), gap), limit)
        axes.set_title(title, fontsize=9, loc="left", pad=3)
    numbered = shown[:: -(-len(shown) // 20)]
    middles = [(t - start) * (width + gap) + (width - 1) / 2 for t in numbered]
    panels[-1].set_xticks(middles, [str(t) for t in numbered])
    panels[-1].set_xlabel("frame", fontsize=9)
    if signed:
        label = "prediction \N{MINUS SIGN} data"
        _colour_bar(drawn, errors, label, ax=panels, shrink=0.4, aspect=30, pad=0.02)
    return figure


def _curve(axes, update, values, colour):
    if len(values) > 300:
        axes.plot(update, values, color=colour, linewidth=0.5, alpha=0.25, rasterized=True)
        half = len(values) // 100
        centres = np.linspace(min(half, 7), len(values) - 1 - half, 300).astype(int)
        # at the start, where a curve is steep, the window shrinks so as to stay centred
        values = [np.median(values[i - min(i, half) : i + min(i, half) + 1]) for i in centres]
        update = update[centres]
    axes.plot(update, values, color=colour, linewidth=1.2)


def _mark_gibbs(panels, histories):
    """Thin lines where k changes, named above the first panel on up to three levels, as room allows."""
    marks, counted = {}, sum("n_gibbs" in history for history in histories.values())
    for colour, history in zip(cycle(COLOURS), histories.values()):
        for i in np.flatnonzero(np.diff(history.get("n_gibbs", []), prepend=-1)):
            marks.setdefault((history["update"][i], int(history["n_gibbs"][i])), []).append(colour)
    first, last = (pick([pick(history["update"]) for history in histories.values()]) for pick in (min, max))
    taken = [-np.inf] * 3  # where along the axis the last label of each level is
    for (update, k), colours in sorted(marks.items()):
        colour = "0.5" if len(colours) > 1 or counted == 1 else colours[0]
        if update > first:
            for axes in panels:
                axes.axvline(update, color=colour, linewidth=0.6, zorder=0)
        room = [level for level, place in enumerate(taken) if update - place >= 0.08 * (last - first)]
        if room:
            taken[room[0]] = update
            panels[0].text(
                update,
                1.03 + 0.12 * room[0],
                f"k = {k}",
                color=colour,
                fontsize=8,
                ha="center",
                transform=panels[0].get_xaxis_transform(),
            )
