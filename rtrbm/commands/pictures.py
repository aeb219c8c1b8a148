"""Samples as pictures: GIF, MP4, strips of images, curves."""

import math
import shutil
import subprocess

import numpy as np

from .. import plots
from ..plots.paper import draw_image, label_axes, label_feature, panels, styles
from ..plots.videos import BRIGHTEST, DARKEST, pixels
from ..replacing import replacing
from ..weights import strongest
from .writing import ending_of, save_figure, say

FRAMES_PER_SECOND = 20
SIDE = 200  # pixels of a video's longer side, about
N_PANELS = 6
N_ROWS, N_FRAMES = 20, 12  # samples in a picture, and frames of a film strip


def draw(path, sequences, image_shape, names, is_binary):
    """Write sequences as .gif, .mp4 or .png.

    Parameters
    ----------
    path : str
    sequences : (n_sequences, n_frames, n_features) ndarray
    image_shape : (int, int) or None
        Height and width of a frame, square if it is not given.
    names : list of str or None
        Those of features.
    is_binary : bool
        Whether values are states of 0 and 1 or their probabilities, not numbers of any size.

    Raises
    ------
    ValueError
        If frames are no images.
    """
    is_film = ending_of(path) == ".mp4"
    if len(sequences) > N_ROWS and not is_film:
        say(f"{path} shows the first {N_ROWS} of {len(sequences)} samples")
        sequences = sequences[:N_ROWS]
    if not is_binary and (ending_of(path) != ".png" or image_shape is not None):
        sequences = _grey(path, sequences)
    if is_film:
        write_mp4(path, sequences, image_shape)
        return
    rows = {f"sample {i}": frames for i, frames in enumerate(sequences, 1)}
    if ending_of(path) == ".gif":
        plots.animate(rows, path, image_shape, FRAMES_PER_SECOND)
    elif image_shape is not None or is_binary and are_images(sequences.shape[2], names):
        if sequences.shape[1] > N_FRAMES:
            say(f"{path} shows the first {N_FRAMES} of {sequences.shape[1]} frames, a .gif shows all")
        save_figure(plots.film_strip(rows, N_FRAMES, image_shape=image_shape), path)
    else:
        if not is_binary and sequences.shape[2] > N_PANELS:
            say(f"{path} shows the first {N_PANELS} of {sequences.shape[2]} features")
        save_figure(_rasters(rows) if is_binary else _curves(sequences, names), path)


def _grey(path, sequences):
    """Values as pixels from 0 to 1: as they are if they are near these, or else by their range, and this is said."""
    low, high = float(sequences.min()), float(sequences.max())
    if DARKEST <= low and high <= BRIGHTEST:
        return sequences
    say(f"{path} draws values from {low:.3g} to {high:.3g} as greys; .csv has the numbers")
    return (sequences - low) / (high - low or 1)


def draw_run(models, videos, seed, folder):
    """Write the pictures of models that have learned videos.

    These are dreams.png and dreams.gif, a dream of each model beside a video; predictions.png; learning_curves.png;
    and for each model NAME_receptive_fields.png and NAME_hidden_units.png.

    Parameters
    ----------
    models : dict of fitted models
        By the name that is shown.
    videos : (n_videos, n_frames, n_pixels) ndarray
    seed : int
        Of the dreams.
    folder : Path
    """
    n_frames = videos.shape[1]
    dreams = {f"{name} dream": model.sample(n_frames, random_state=seed)[0] for name, model in models.items()}
    rows = {"data": videos[0], **dreams}
    save_figure(plots.film_strip(rows, start=n_frames // 2), folder / "dreams.png")
    plots.animate(rows, folder / "dreams.gif")
    predicted = {name: model.predict(videos[:1])[0] for name, model in models.items()}
    save_figure(plots.predictions(videos[0], predicted, start=10), folder / "predictions.png")
    save_figure(plots.learning_curves(models), folder / "learning_curves.png")
    for name, model in models.items():
        fields = plots.receptive_fields(model, units=strongest(model.params_.W, 36), arrange=True)
        save_figure(fields, folder / f"{name.lower()}_receptive_fields.png")
        save_figure(plots.hidden_unit_norms(model), folder / f"{name.lower()}_hidden_units.png")


def are_images(n_features, names):
    """Whether frames are shown as images: they are square, and their features have no names."""
    return names is None and math.isqrt(n_features) ** 2 == n_features > 1


def check_images(options, n_features, names):
    """Raise unless the frames of a model can be drawn as --out and --shape say."""
    shape = options.shape
    if shape is not None and math.prod(shape) != n_features:
        raise ValueError(f"--shape must have the {n_features} features of the model, got {shape[0]}x{shape[1]}")
    if ending_of(options.out) != ".png" and shape is None and math.isqrt(n_features) ** 2 != n_features:
        raise ValueError(
            f"--shape HxW must say the shape of images, the model's {n_features} features make no square: --shape "
            f"1x{n_features} shows a row, and --out with .png or .csv does without"
        )


def write_mp4(path, videos, image_shape=None):
    """Write videos side by side as MP4, by the program ffmpeg.

    Parameters
    ----------
    path : path-like
    videos : (n_videos, n_frames, height * width) array_like
        Pixels from 0 to 1; values beyond are cut off, those far beyond with a warning.
    image_shape : (int, int), optional
        Square if not given.

    Raises
    ------
    RuntimeError
        If ffmpeg is not installed, or fails; the message is its own.
    """
    program = shutil.which("ffmpeg")
    if program is None:
        raise RuntimeError("an .mp4 file wants the program ffmpeg, which is not installed")
    videos = pixels("videos", np.asarray(videos))
    n_videos, n_frames, n_pixels = videos.shape
    height, width = image_shape or (math.isqrt(n_pixels),) * 2
    scale = max(1, round(SIDE / max(height, width)))
    grey = np.rint(255 * videos.clip(0, 1)).astype(np.uint8).reshape(n_videos, n_frames, height, width)
    grey = np.pad(grey, ((0, 0), (0, 0), (0, 0), (0, 1)), constant_values=255)  # a white line between videos
    together = np.concatenate(list(grey), axis=2)[:, :, :-1].repeat(scale, axis=1).repeat(scale, axis=2)
    together = np.pad(together, ((0, 0), *((0, n % 2) for n in together.shape[1:])))  # the codec wants even sides
    size = f"{together.shape[2]}x{together.shape[1]}"
    raw = ["-f", "rawvideo", "-pix_fmt", "gray", "-s", size, "-r", str(FRAMES_PER_SECOND), "-i", "-"]
    with replacing(path) as temporary:
        command = [program, "-loglevel", "error", "-y", *raw, "-pix_fmt", "yuv420p", temporary]
        done = subprocess.run(command, input=together.tobytes(), capture_output=True)
        if done.returncode:
            raise RuntimeError(f"ffmpeg failed: {done.stderr.decode(errors='replace').strip() or done.returncode}")


def _rasters(rows):
    """Sequences as images, time to the right, a feature in each row."""
    figure, axes = panels(None, (len(rows), 1), 0.5 + 1.5 * len(rows), sharex=True)
    for axis, (title, frames) in zip(axes, rows.items()):
        draw_image(axis, 1 - frames.T[::-1]).axes.set_aspect("auto")
        axis.set_title(title, fontsize=9, loc="left", pad=3)
        label_axes(axis, None, "feature")
    axes[-1].set_xticks(np.unique(np.linspace(0, frames.shape[0] - 1, 6).astype(int)))
    axes[-1].set_xlabel("frame", fontsize=9)
    return figure


def _curves(sequences, names):
    """The first features over time, a panel for each and a line for each sequence."""
    n = min(N_PANELS, sequences.shape[2])
    figure, axes = panels(None, (n, 1), 0.6 + 1.1 * n, sharex=True)
    for i, axis in enumerate(axes):
        for sequence, style in zip(sequences, styles()):
            axis.plot(sequence[:, i], linewidth=1, **style)
        label_feature(axis, i, names)
    axes[-1].set_xlabel("frame", fontsize=9)
    return figure
