"""Stick figures: people as the joints that motion capture measures."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..checks import check_count, check_memory
from ..user_data import check_reals
from ..foreign import array
from ..types import ArrayLike, Given, Path
from .paper import COLOURS, WIDTH, load, mapping, panels
from .videos import check_gif, save_gif

SIDE_COLOURS = {1: COLOURS[0], 0: "#404040", -1: COLOURS[1]}  # left, middle, right
GRID = "#cccccc"
MOST = 10**6  # figures in a row, or frames from one to the next


def figure_strip(
    rows: Mapping[str, ArrayLike],
    parents: ArrayLike,
    sides: Given = None,
    n_shown: int = 12,
    step: int = 3,
    *,
    ax: Any = None,
) -> Any:
    """Stick figures side by side, one row a person, every `step`-th frame, as seen from their right.

    Parameters
    ----------
    rows : dict of str to ndarray, shape (n_frames, n_joints, 3)
        Title and places of the joints of each person, z upwards (`rtrbm.datasets.motion.Skeleton.positions`).
    parents : sequence of int
        The joint that each joint hangs on, -1 for the root, the first joint.
    sides : sequence of int, optional
        1 for joints of the left side, drawn blue, -1 for those of the right, drawn orange; if not given, all are grey.
    n_shown : int
        Figures in a row (fewer if the frames end before).
    step : int
        Frames from one figure to the next.
    ax : sequence of matplotlib Axes, optional
        Draw here, each person in one of them.

    Returns
    -------
    rtrbm.plots.notebook.Figure, or `ax`

    Raises
    ------
    TypeError, ValueError
        If a person's joints are no finite numbers of that shape, or `parents` or `sides` do not fit them.
    """
    check_count("n_shown", n_shown)
    check_count("step", step)
    rows, parents, sides = _people(rows, parents, sides)
    n_shown, step = min(int(n_shown), MOST), min(int(step), MOST)
    seen = {title: _from_the_right(joints, parents, sides) for title, joints in rows.items()}
    shown = {title: figures[: n_shown * step : step] for title, figures in seen.items()}
    low, high = _extent(shown.values())
    tall = (high[1] - low[1]) or 1.0  # of figures that lie flat
    limits = min(low[1], 0), low[1] + tall
    slot = 0.75 * tall
    height = WIDTH / n_shown * tall / slot + 0.3
    drawn, axes = panels(ax, (len(rows), 1), len(rows) * height + 0.3)
    for axis, (title, figures) in zip(axes, shown.items()):
        for i, figure in enumerate(figures):
            _draw(axis, figure + [i * slot, 0], parents, sides)
        axis.axhline(0, color="0.75", linewidth=0.6, zorder=0)
        axis.set(aspect="equal", xlim=(-0.6 * slot, (n_shown - 0.4) * slot), ylim=limits, yticks=[])
        axis.set_title(title, fontsize=9, loc="left", pad=3)
        axis.spines[:].set_visible(False)
        axis.set_xticks([])
    longest = max(map(len, shown.values()))
    axes[-1].set_xticks(slot * np.arange(longest), [str(i * step) for i in range(longest)])
    axes[-1].tick_params(labelsize=8, length=0)
    axes[-1].set_xlabel("frame", fontsize=9)
    return drawn


def animate_figures(
    rows: Mapping[str, ArrayLike],
    parents: ArrayLike,
    path: Path,
    sides: Given = None,
    frames_per_second: float = 30,
    size: int = 240,
) -> None:
    """Write a looping GIF of stick figures side by side, each under its title; it is complete or not there at all.

    The camera goes along beside each person, and a grid on the floor shows the way.

    Parameters
    ----------
    rows, parents, sides
        As in `figure_strip`.
    path : str or os.PathLike
        The file to write.
    frames_per_second : float
        Rounded to hundredths of a second a frame, 50 at most.
    size : int
        Pixels of each picture's side.

    Raises
    ------
    TypeError, ValueError
        As in `figure_strip`; if `frames_per_second` is below 1/600, or `path` is not in an existing folder.
    """
    check_gif(path, frames_per_second)
    check_count("size", size)
    size = int(size)
    Image, ImageDraw, ImageFont = (load(f"PIL.{name}") for name in ("Image", "ImageDraw", "ImageFont"))
    rows, parents, sides = _people(rows, parents, sides)
    font, top, n_frames = ImageFont.load_default(13), 24, max(map(len, rows.values()))
    tallest = max(float(np.abs(joints[..., 2]).max()) for joints in rows.values()) or 1.0  # above the floor
    check_memory(f"pictures of size={size}", 3 * (n_frames * len(rows) + 4) * size**2, "uint8")
    pages = [Image.new("RGB", (size * len(rows), size + top), "white") for _ in range(n_frames)]
    for place, (title, joints) in enumerate(rows.items()):
        camera = _smooth(joints[:, 0])
        for page, figure, at in zip(pages, joints, camera):
            picture = Image.new("RGB", (2 * size, 2 * size), "white")  # drawn twice as large, for smooth lines
            _paint(ImageDraw.Draw(picture), figure, at, parents, sides, 2 * size, tallest)
            page.paste(picture.resize((size, size)), (place * size, top))
            middle = ((place + 0.5) * size, top / 2)
            ImageDraw.Draw(page).text(middle, title, fill=0, font=font, anchor="mm")
    palette = Image.new("P", (1, 1))
    palette.putpalette([*_shades()])
    pages = [page.quantize(palette=palette, dither=Image.Dither.NONE) for page in pages]  # a fifth of the bytes
    save_gif(pages, path, frames_per_second)


def _shades():
    """Red, green and blue of every colour in a picture and of its mixtures with white, one after the other."""
    hues = [*SIDE_COLOURS.values(), GRID, "black"]
    for rgb in load("matplotlib.colors").to_rgba_array(hues)[:, :3]:
        for part in np.linspace(0, 1, 5):
            yield from (round(255 * (part * c + 1 - part)) for c in rgb)


def _people(rows, parents, sides):
    """The arguments, checked, as arrays."""
    rows = {title: array(joints, f"rows[{title!r}]") for title, joints in mapping("rows", rows).items()}
    parents = array(parents, "parents")
    if parents.ndim != 1 or not len(parents):
        raise ValueError(f"parents: given shape {parents.shape}, wanted the parent of each joint")
    n = len(parents)
    for title, joints in rows.items():
        if joints.ndim != 3 or joints.shape[1:] != (n, 3) or not len(joints):
            raise ValueError(
                f"rows[{title!r}]: given shape {joints.shape}, wanted (n_frames, n_joints = {n}, 3) by parents"
            )
        if joints.dtype.kind not in "iuf" or not np.isfinite(joints).all():
            raise ValueError(f"rows[{title!r}]: given places that are no finite numbers")
        check_reals(joints, f"rows[{title!r}]")
    if not rows:
        raise ValueError("rows: given none, wanted at least one person")
    if parents.dtype.kind not in "iu" or parents[0] != -1 or not all(0 <= p < i for i, p in enumerate(parents) if i):
        raise ValueError(f"parents: given {parents.tolist()}, wanted -1, then for each joint one before it")
    sides = np.zeros(n, int) if sides is None else array(sides, "sides")
    if sides.shape != (n,) or not np.isin(sides, (-1, 0, 1)).all():
        raise ValueError(f"sides: given {sides.tolist()}, wanted 1, 0 or -1 for each of {n} joints")
    return rows, parents, sides


def _from_the_right(joints, parents, sides):
    """Places in the plane of walking, (n_frames, n_joints, 2): ahead to the right, up; the root is at 0.

    Ahead is at a right angle to the line between the hips and shoulders of both sides, or without sides where the root
    goes from the first frame to the last.
    """
    inner = [i for i, parent in enumerate(parents) if i and sides[i] and not sides[parent]]
    if {int(sides[i]) for i in inner} == {-1, 1}:
        left = _smooth(np.mean([sides[i] * joints[:, i, :2] for i in inner], axis=0))
        ahead = np.stack([left[:, 1], -left[:, 0]], axis=1)
    else:
        ahead = np.tile(joints[-1, 0, :2] - joints[0, 0, :2], (len(joints), 1))
    length = np.linalg.norm(ahead, axis=1, keepdims=True)
    ahead = np.where(length > 0, ahead, [1.0, 0]) / np.where(length > 0, length, 1)
    along = np.einsum("tjk,tk->tj", joints[..., :2] - joints[:, :1, :2], ahead)
    return np.stack([along, joints[..., 2]], axis=2)


def _extent(figures):
    """The smallest and the largest of both coordinates."""
    points = np.concatenate([figure.reshape(-1, 2) for figure in figures])
    return points.min(axis=0), points.max(axis=0)


def _bones(parents, sides):
    """(joint, parent, colour) of each bone."""
    return [(i, parent, SIDE_COLOURS[int(sides[i])]) for i, parent in enumerate(parents) if i]


def _draw(axis, figure, parents, sides):
    for i, parent, colour in _bones(parents, sides):
        axis.plot(*figure[[parent, i]].T, color=colour, linewidth=1.2, solid_capstyle="round")


def _smooth(places, half=15):
    """Running means over about a stride, so that the camera does not shake."""
    padded = np.pad(places, ((half, half), (0, 0)), mode="edge")
    return np.stack([padded[i : i + 2 * half + 1].mean(axis=0) for i in range(len(places))])


def _paint(canvas, figure, at, parents, sides, size, tallest):
    """One frame in perspective-free view from the right, ahead and above; nearer limbs cover farther ones."""
    turn, tilt, scale = math.radians(-60), math.radians(12), 0.72 * size / tallest

    def screen(points):
        points = np.asarray(points, float)
        x, y = points[..., 0] - at[0], points[..., 1] - at[1]
        across, deep = x * math.cos(turn) - y * math.sin(turn), x * math.sin(turn) + y * math.cos(turn)
        up = points[..., 2] * math.cos(tilt) + deep * math.sin(tilt)
        return np.stack([size / 2 + scale * across, 0.88 * size - scale * up], axis=-1), deep

    spacing = tallest / 3
    near = spacing * np.round(np.asarray(at[:2]) / spacing)
    for k in range(-4, 5):
        for ends in (
            [[near[0] + k * spacing, near[1] + s * 4 * spacing, 0] for s in (-1, 1)],
            [[near[0] + s * 4 * spacing, near[1] + k * spacing, 0] for s in (-1, 1)],
        ):
            canvas.line([tuple(point) for point in screen(ends)[0]], fill=GRID, width=2)
    points, deep = screen(figure)
    bones = sorted(_bones(parents, sides), key=lambda bone: -deep[bone[0]] - deep[bone[1]])
    for i, parent, colour in bones:
        canvas.line([tuple(points[parent]), tuple(points[i])], fill=colour, width=max(3, size // 80))
