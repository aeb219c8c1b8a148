"""Roll-outs: the error of frames further and further ahead of what a model has seen.

A model sees the first N_PREFIX frames v_1..v_P of every video and no more. The error at k frames ahead is
sum |v_{P+k} - prediction|^2 over pixels, a mean over videos; its standard error takes videos as the independent units.
Two predictions of one `forecast` of N_FUTURES sampled futures are scored:

- "mean of futures": the mean over futures of E[v_{P+k} | h], an estimate of E[v_{P+k} | v_1..v_P], which has the least
  squared error a model can have, and turns grey where futures differ;
- "one future": E[v_{P+k} | h] of one sampled future, as a dream shows it; its error is averaged over all futures. By
  the parallelogram law it is that of the mean plus the futures' spread about it.

Beside them stand predictors without a model: the last frame seen (copy-last), the mean frame of training videos, and
the linear predictor, which takes each of its predictions for the frame itself.

    python -m experiments.rollouts          a figure of all runs of bouncing balls under docs/results
    python -m experiments.rollouts FOLDER ...                 of runs of yours
"""

import argparse
from pathlib import Path

import numpy as np

from experiments.readers import read_table
from experiments.runner import (
    check_different,
    check_ended,
    check_picture,
    mean_and_error,
    read_settings,
    run,
    save_figure,
)
from rtrbm import evaluate
from rtrbm.plots.paper import label_axes, legend, panels, styles

AHEAD = (1, 2, 5, 10, 20)
N_PREFIX, N_VIDEOS, N_FUTURES = 20, 25, 8
COLUMNS = ("predictor", "prediction", "frames_ahead", "squared_error_per_frame", "standard_error")


def rollout_rows(models, videos, train, n_taps=2, random_state=0):
    """Rows of `COLUMNS` for every predictor and each of `AHEAD`.

    Parameters
    ----------
    models : dict of fitted models
        By the name that is shown.
    videos : (n_videos, n_frames, n_visible) ndarray
        At least N_PREFIX + 20 frames of each; the first N_VIDEOS videos are scored.
    train : (n_sequences, n_frames, n_visible) ndarray
        For the mean frame and the linear predictor.
    n_taps : int
        Frames that the linear predictor sees.
    random_state : int
        Of the futures.

    Returns
    -------
    list of tuples

    Raises
    ------
    ValueError
        If videos have fewer frames.
    """
    horizon = AHEAD[-1]
    if np.ndim(videos) != 3 or np.shape(videos)[1] < N_PREFIX + horizon:
        wanted = f"(n_videos, n_frames, n_visible) with {N_PREFIX + horizon} frames or more"
        raise ValueError(f"videos must have the shape {wanted}, got {np.shape(videos)}")
    videos = np.asarray(videos[:N_VIDEOS])
    seen, came = videos[:, :N_PREFIX], videos[:, N_PREFIX : N_PREFIX + horizon]
    mean = train.mean(axis=(0, 1), dtype=float)
    linear = evaluate.autoregressive_forecast(seen, horizon, train, n_taps, 0, 1)
    rows = _rows("copy-last", "", came, np.broadcast_to(seen[:, -1:], came.shape))
    rows += _rows("mean frame", "", came, np.broadcast_to(mean, came.shape))
    rows += _rows(f"linear, {n_taps} frame{'s' * (n_taps > 1)}", "", came, linear)
    for name, model in models.items():
        futures = {"n_samples": N_FUTURES, "quantiles": None, "random_state": random_state, "return_samples": True}
        ahead = model.forecast(seen, horizon, **futures)
        rows += _rows(name, "mean of futures", came, ahead.mean)
        rows += _rows(name, "one future", came[:, None], ahead.means)
    return rows


def _rows(name, prediction, came, predicted):
    """The error of one prediction at each of `AHEAD`; between the axes of videos and frames may be one of futures."""
    errors = np.square(np.subtract(came, predicted, dtype=float)).sum(axis=-1)
    errors = errors.reshape(len(errors), -1, errors.shape[-1]).mean(axis=1)
    means, of_mean = mean_and_error(errors)
    return [(name, prediction, k, float(means[k - 1]), float(of_mean[k - 1])) for k in AHEAD]


def draw_rollouts(rows):
    """Error over frames ahead, a curve for each predictor; a band of one standard error.

    Parameters
    ----------
    rows : list of tuples
        Those of `rollout_rows`.

    Returns
    -------
    rtrbm.plots.notebook.Figure
    """
    figure, axes = panels(None, (1, 1), 3.6)
    curves = {}
    for name, prediction, *point in rows:
        curves.setdefault(f"{name}, {prediction}" if prediction else name, []).append(point)
    _draw(axes[0], curves)
    legend(figure, axes, *axes[0].get_legend_handles_labels(), ncols=3)
    return figure


def draw_profiles(runs):
    """The mean of futures of several runs, a panel for each size of videos, and beside them what needs no model.

    Parameters
    ----------
    runs : dict of str to (int, list of tuples)
        Pixels of a side, and rows of `rollout_rows`, by the name of the run.

    Returns
    -------
    rtrbm.plots.notebook.Figure
    """
    sides = sorted({side for side, _ in runs.values()})
    figure, axes = panels(None, (1, len(sides)), 4.2)
    for axis, side in zip(axes, sides):
        points = {}
        for run_name, rows in ((name, rows) for name, (of_run, rows) in runs.items() if of_run == side):
            several = len({name for name, prediction, *_ in rows if prediction}) > 1
            for name, prediction, k, *error in rows:
                if prediction != "one future":
                    label = f"{run_name}, {name}" if several else run_name
                    points.setdefault(label if prediction else name, {})[k] = k, *error
        curves = {label: list(of.values()) for label, of in points.items()}
        _draw(axis, curves)
        axis.set_title(f"{side}x{side} pixels", fontsize=9)
        axis.set_ylim(0, 1.6 * curves["mean frame"][0][1])  # the linear predictor leaves it
        axis.legend(frameon=False, fontsize=7, loc="upper center", bbox_to_anchor=(0.5, -0.15), ncols=2)
    return figure


def _draw(axis, curves):
    """Curves of (frames ahead, error, standard error) by their labels; a band of one standard error."""
    for (label, points), style in zip(curves.items(), styles()):
        k, error, deviation = np.array(points).T
        axis.plot(k, error, marker="o", markersize=3, label=label, **style)
        axis.fill_between(k, error - deviation, error + deviation, color=style["color"], alpha=0.15, linewidth=0)
    axis.set(xscale="log", ylim=(0, None), xticks=AHEAD, xticklabels=AHEAD)
    axis.minorticks_off()
    label_axes(axis, f"frames ahead of the {N_PREFIX} seen", "squared error per frame")


def read_run(folder):
    """Pixels of a side and the rows of `rollout_rows`, from the folder of a run of bouncing balls."""
    for name in ("rollouts.csv", "settings.json"):
        if not (folder / name).exists():
            raise ValueError(f"FOLDER must be of a run of bouncing_balls, there is no {folder / name}")
    table = read_table(folder / "rollouts.csv")
    settings = read_settings(folder / "settings.json")
    check_ended("FOLDER", folder, settings)
    if not table or not set(COLUMNS) <= set(table[0]) or "resolution" not in settings:
        raise ValueError(f"FOLDER must be of a run of bouncing_balls, {folder} has a rollouts.csv of another kind")
    texts = [[row[name] for name in COLUMNS] for row in table]
    rows = [(name, prediction, int(k), *map(float, errors)) for name, prediction, k, *errors in texts]
    return settings["resolution"], rows


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    kept = sorted(Path("docs/results").glob("bouncing_balls-*"))
    parser.add_argument("folders", type=Path, nargs="*", default=kept, metavar="FOLDER", help="of bouncing_balls")
    parser.add_argument("--output", default="docs/images/rollouts.png", help="the picture, .png, .pdf or .svg")
    options = parser.parse_args(arguments)
    check_picture("--output", options.output)
    if not options.folders:
        raise ValueError("FOLDER must name runs of bouncing_balls, there are none in docs/results here")
    names = [folder.resolve().name.removeprefix("bouncing_balls-") for folder in options.folders]
    check_different("The names of the folders", names)
    runs = {name: read_run(folder) for name, folder in zip(names, options.folders)}
    save_figure(draw_profiles(runs), options.output)
    return 0


if __name__ == "__main__":
    run(main)
