"""Videos: rows of frames, predictions beneath them, animations."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..checks import check_count, check_flag, check_memory, check_number
from ..foreign import array
from ..minibatches.paths import check_no_data
from ..replacing import replacing
from ..types import ArrayLike, Path
from ..warned import warn
from .paper import WIDTH, check_image_shape, colour_bar, colour_limit, draw_image, load, mapping, mosaic, panels

DARKEST, BRIGHTEST = -1, 2  # values farther than a prediction of pixels goes beyond 0 and 1
LOWEST, FLAT = 0.15, 4  # inches of a row of images so many times as wide as high, which are drawn higher than they are


def film_strip(
    rows: Mapping[str, ArrayLike],
    n_shown: int = 12,
    image_shape: tuple[int, int] | None = None,
    start: int = 0,
    *,
    ax: Any = None,
) -> Any:
    """Consecutive frames of videos, one row a video, frame numbers beneath.

    Parameters
    ----------
    rows : dict of str to ndarray, shape (n_frames, n_visible) or (n_frames, height, width)
        Title and frames of each video, all of one shape. Pixels are in [0, 1], or integers from 0 to 255 (integers that
        are all 0 or 1 are black and white).
    n_shown : int
        Number of frames shown (fewer if the videos end before).
    image_shape : tuple of int, optional
        (height, width) of a frame; square if not given.
    start : int
        First frame shown.
    ax : sequence of matplotlib Axes, optional
        Draw here, each video in one of them.

    Returns
    -------
    rtrbm.plots.notebook.Figure, or `ax`

    Raises
    ------
    TypeError, ValueError
        If the videos differ in shape or are no videos, or no frame is left to show.

    Warns
    -----
    UserWarning
        If pixels are far beyond [0, 1]: they are clipped.
    """
    return _strips(_videos(rows, image_shape, "rows"), {}, n_shown, start, ax)


def predictions(
    frames: ArrayLike,
    predicted: ArrayLike | Mapping[str, ArrayLike],
    n_shown: int = 12,
    image_shape: tuple[int, int] | None = None,
    start: int = 0,
    errors: bool = True,
    *,
    ax: Any = None,
) -> Any:
    """One-step predictions beneath the frames they predict, and their signed errors.

    Parameters
    ----------
    frames : ndarray
        The data, a video as in `film_strip`.
    predicted : ndarray or dict of str to ndarray
        `predicted[t]` is the prediction of `frames[t]`; a dict names several predictors.
    n_shown, image_shape, start
        As in `film_strip`.
    errors : bool
        Whether a row of prediction minus data follows each prediction.
    ax : sequence of matplotlib Axes, optional
        Draw here, each row in one of them.

    Returns
    -------
    rtrbm.plots.notebook.Figure, or `ax`

    Raises
    ------
    ValueError
        If a prediction differs in shape from the frames or is named "data", or no frame is left to show.
    """
    check_flag("errors", errors)
    predicted = predicted if isinstance(predicted, Mapping) else {"prediction": predicted}
    if "data" in predicted:
        raise ValueError("predicted: given the name 'data', wanted another (the frames have this one)")
    videos = _videos({"data": frames, **predicted}, image_shape, "frames, predicted")
    signed = {name: videos[name] - videos["data"] for name in predicted} if errors else {}
    return _strips(videos, signed, n_shown, start, ax)


def animate(
    rows: Mapping[str, ArrayLike],
    path: Path,
    image_shape: tuple[int, int] | None = None,
    frames_per_second: float = 20,
    scale: int | None = None,
) -> None:
    """Write a looping GIF of videos side by side, each under its title; it appears complete or not at all.

    A GIF counts in hundredths of a second: the rate is rounded to that, and is 50 frames per second at most.
    Equal consecutive frames are stored as one that is shown for longer.

    Parameters
    ----------
    rows : dict of str to ndarray
        As in `film_strip`.
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
    check_gif(path, frames_per_second)
    if scale is not None:
        check_count("scale", scale)
    Image, ImageDraw, ImageFont = (load(f"PIL.{name}") for name in ("Image", "ImageDraw", "ImageFont"))
    videos = _videos(rows, image_shape, "rows")
    n_frames, height, width = next(iter(videos.values())).shape
    scale = max(1, round(200 / max(height, width))) if scale is None else int(scale)
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
    save_gif(pages, path, frames_per_second)


def check_gif(path, frames_per_second):
    """Raise unless a GIF of this rate can be written there."""
    check_no_data("path", path)
    check_number("frames_per_second", frames_per_second, -np.inf)
    if not frames_per_second >= 1 / 600:
        raise ValueError(f"frames_per_second: given {frames_per_second}, wanted a number of at least 1/600")


def save_gif(pages, path, frames_per_second):
    """Write PIL images as a looping GIF; it is complete or not there at all."""
    with replacing(path) as temporary:
        pages[0].save(
            temporary,
            format="GIF",
            save_all=True,
            append_images=pages[1:],
            loop=0,
            duration=10 * max(2, round(100 / frames_per_second)),
        )


def _videos(rows, image_shape, name):
    """The videos by title, (n_frames, height, width), with pixels in [0, 1]."""
    rows = {title: array(frames, f"{name}[{title!r}]") for title, frames in mapping(name, rows).items()}
    shapes = {title: frames.shape for title, frames in rows.items()}
    shaped = {shape[1:] for shape in shapes.values() if len(shape) == 3}
    flat = {(shape[0], math.prod(shape[1:])) for shape in shapes.values() if len(shape) in (2, 3)}
    if (
        not all(len(shape) in (2, 3) for shape in shapes.values())
        or len(flat) != 1
        or 0 in min(flat)
        or len(shaped) > 1
    ):
        raise ValueError(f"{name}: given shapes {shapes}, wanted one shape (n_frames, n_visible) for all")
    image_shape = shaped.pop() if shaped and image_shape is None else image_shape
    image_shape = check_image_shape(min(flat)[1], image_shape)
    for title, frames in rows.items():
        rows[title] = pixels(f"{name}[{title!r}]", frames).reshape(-1, *image_shape)
    return rows


def pixels(name, frames):
    """Floating point pixels: integers that are not all 0 or 1 count to 255."""
    if frames.dtype.kind not in "biuf":
        raise TypeError(f"{name}: given dtype {frames.dtype}, wanted numbers in [0, 1] or integers from 0 to 255")
    low, high = frames.min(), frames.max()
    if not (np.isfinite(low) and np.isfinite(high)):
        raise ValueError(f"{name}: given pixels that are not finite, wanted numbers in [0, 1]")
    if frames.dtype.kind in "iu" and not 0 <= low <= high <= 255:
        raise ValueError(f"{name}: given integers from {low} to {high}, wanted 0 to 255, or divide them by the largest")
    if frames.dtype.kind in "iu" and high > 1:
        return frames / 255
    if low < DARKEST or high > BRIGHTEST:
        warn(f"{name}: given values from {low:.3g} to {high:.3g}, drawn clipped to [0, 1]")
    return frames.astype(float)


def _strips(videos, signed, n_shown, start, ax):
    """A row of frames for each video and, below those that have one, a row of signed errors."""
    check_count("n_shown", n_shown, None)
    check_count("start", start, None)
    start, n_shown = int(start), int(n_shown)
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
            rows.append((f"{title} \N{MINUS SIGN} data", signed[title][shown], colour_limit(errors, 99.9)))
    wanted = (WIDTH - 0.1) / len(shown) * height / width
    stretched = wanted < LOWEST and FLAT * height < width  # lines of pixels would not be seen
    tile = LOWEST if stretched else min(wanted, 1.5)  # height in inches
    figure, axes = panels(ax, (len(rows), 1), len(rows) * (tile + 0.22) + 0.35 + 0.55 * bool(signed))
    for axis, (title, images, limit) in zip(axes, rows):
        strip, gap = mosaic(images, len(shown))
        drawn = draw_image(axis, strip, limit)
        if stretched:
            axis.set_aspect("auto")
        axis.set_title(title, fontsize=9, loc="left", pad=3)
    numbered = shown[:: -(-len(shown) // 20)]
    middles = [(t - start) * (width + gap) + (width - 1) / 2 for t in numbered]
    axes[-1].set_xticks(middles, [str(t) for t in numbered])
    axes[-1].set_xlabel("frame", fontsize=9)
    if signed:
        label = "prediction \N{MINUS SIGN} data"
        colour_bar(drawn, errors, label, ax=axes, shrink=0.4, aspect=30, pad=0.02)
    return figure
