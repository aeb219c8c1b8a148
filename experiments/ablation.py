"""The gain from each part of the model: recurrence, the backward pass, delay taps, the dynamic visible bias.

Every variant makes the same number of updates on the same videos of bouncing balls, from several seeds. Its one-step
error stands beside the error of the linear predictor on as many past frames (`rtrbm.evaluate.autoregression`). The
difference is the gain from the RBM. The script writes settings.json, errors.csv (a row for each variant and seed),
summary.csv, the models and one figure, ablation.png: the errors and a dream of every variant.

    python -m experiments.ablation                      15x15 pixels, about 2 minutes
    python -m experiments.ablation --n-updates 2000     the same, nearer to the end of learning, 7 minutes
    python -m experiments.ablation --profile standard   30x30 pixels, about 2 hours; --seeds 1: 40 minutes
"""

import math
import re
import time
from typing import NamedTuple

import numpy as np

from experiments.runner import (
    TEST_SEED_OFFSET,
    begin,
    check_command_line,
    command_line,
    mean_and_error,
    minutes_before,
    output_folder,
    print_table,
    run,
    save_figure,
    script,
    starting,
    stopped,
    timed,
    write_settings,
    write_table,
)
from rtrbm import CRBM, RTRBM, TRBM, evaluate
from rtrbm.checks import about, check_count
from rtrbm.datasets import BouncingBalls, bouncing_balls
from rtrbm.models.trbm import CONNECTIONS
from rtrbm.parameters import arrays
from rtrbm.plots import COLOURS, WIDTH

PROFILES = {
    "quick": {
        "resolution": 15,
        "n_frames": 50,
        "n_hidden": 200,
        "n_gibbs": (1, 3),  # in the first and in the second half of the updates
        "learning_rate": 2e-2,
        "batch_size": 4,
        "n_updates": 300,
        "n_test": 20,
    },
    "standard": {
        "resolution": 30,
        "n_frames": 100,
        "n_hidden": 400,
        "n_gibbs": (3, 10),
        "learning_rate": 4e-3,
        "batch_size": 4,
        "n_updates": 3000,
        "n_test": 100,
    },
}
N_BALLS, N_TEST_FRAMES, N_LINEAR = 3, 100, 400  # N_LINEAR videos fit the predictors without a model
LONGEST = 4  # taps


class Variant(NamedTuple):
    """A model, and the number of past frames that the linear predictor beside it is given.

    A hidden state has no such number. A model that has nothing else is compared with the linear predictor of most taps.
    """

    model: type
    options: dict
    n_linear: int


class Row(NamedTuple):
    """A row of errors.csv: a predictor and, if it is a model, a seed; `seconds` is the time of its training,
    None if not known."""

    predictor: str
    seed: int | None
    n_parameters: int | None
    squared_error_per_frame: float
    standard_error: float  # over videos
    linear_taps: int | None = None
    linear_error: float | None = None
    seconds: float | None = None


VARIANTS = {
    "no recurrence": Variant(TRBM, {"n_taps": 1, "without": CONNECTIONS}, 0),
    "RTRBM without BPTT": Variant(RTRBM, {"bptt": False}, LONGEST),
    "RTRBM": Variant(RTRBM, {}, LONGEST),
    "RTRBM, dynamic visible bias": Variant(RTRBM, {"dynamic_visible_bias": True}, LONGEST),
    "CRBM, 2 taps": Variant(CRBM, {"n_taps": 2}, 2),
    "TRBM, 2 taps": Variant(TRBM, {"n_taps": 2}, 2),
    "RTRBM, 1 tap": Variant(RTRBM, {"n_taps": 1}, 1),
    "RTRBM, 2 taps": Variant(RTRBM, {"n_taps": 2}, 2),
    "RTRBM, 4 taps": Variant(RTRBM, {"n_taps": LONGEST}, LONGEST),
}
DREAM_START, DREAM_STEP, DREAM_SHOWN = 50, 2, 10  # frames in the figure
NAMES, ERRORS, ABOVE, BELOW = 1.68, 1.75, 0.34, 0.44  # inches of the figure


def name_of(title, seed):
    """The name of a model's file."""
    return re.sub(r"\W+", "_", title).lower() + f"-{seed}"


def new_model(title, settings, seed, options):
    """A variant to be trained."""
    kind, own, _ = VARIANTS[title]
    first, last = settings["n_gibbs"]
    return kind(
        settings["n_hidden"],
        **own,
        n_gibbs={0: first, max(1, settings["n_updates"] // 2): last},
        learning_rate=settings["learning_rate"],
        n_updates=settings["n_updates"],
        n_jobs=options.n_jobs,
        engine=options.engine,
        random_state=seed,
        verbose=1,
    )


def train(title, model, settings, path, options):
    """Train one variant from its seed; its file is the checkpoint that --resume continues from."""
    seed = model.random_state
    stream = BouncingBalls(
        settings["batch_size"],
        settings["n_frames"],
        resolution=settings["resolution"],
        n_balls=N_BALLS,
        random_state=seed,
    )
    starting(f"{title} from seed {seed}", path, options.resume)
    model.fit(stream, checkpoint=path, resume=options.resume)


def baselines(test, train_videos):
    """A row for each predictor without a model, and the errors of the linear ones by their number of taps."""
    linear = {0: evaluate.mean_frame(test, train_videos)}
    for m in sorted({variant.n_linear for variant in VARIANTS.values()} - {0}):
        linear[m] = evaluate.autoregression(test, train_videos, m, 0, 1)
    predicted = {
        "copy-previous": evaluate.copy_previous(test),
        "linear extrapolation": evaluate.linear_extrapolation(test, 0, 1),
        "mean frame": linear[0],
        **{f"autoregression, {m} tap{'s' * (m > 1)}": linear[m] for m in linear if m},
    }
    rows = [Row(name, None, None, *evaluate.squared_error(test, p)) for name, p in predicted.items()]
    return rows, {m: evaluate.squared_error(test, p)[0] for m, p in linear.items()}


def summary(rows):
    """A row for each predictor: the number of seeds, means over seeds, the standard error over seeds.

    Without a second seed the standard error stays that over videos.
    """
    found = {}
    for row in rows:
        found.setdefault(row.predictor, []).append(row)
    summarised = []
    for first, *others in found.values():
        row = first._replace(seed=first.seed if first.seed is None else 1 + len(others))
        if others:
            error, of_mean = mean_and_error([r.squared_error_per_frame for r in (first, *others)])
            seconds = [r.seconds for r in (first, *others)]
            seconds = None if None in seconds else float(np.mean(seconds))
            row = row._replace(squared_error_per_frame=error, standard_error=of_mean, seconds=seconds)
        summarised.append(row)
    return summarised


def figure(rows, data, dreams):
    """The error of every variant, on a logarithmic scale, and beside it frames of its dream.

    Parameters
    ----------
    rows : list of Row
        From `summary`.
    data : (n_frames, n_visible) ndarray
        A video to see beside the dreams.
    dreams : dict of str to (n_frames, n_visible) ndarray
        By variant.

    Returns
    -------
    matplotlib.figure.Figure
    """
    from matplotlib.figure import Figure

    videos = {"data": data, **dreams}
    shown = range(DREAM_START, len(data), DREAM_STEP)[:DREAM_SHOWN]
    tile = (WIDTH - NAMES - ERRORS - 0.25) / len(shown)  # inches
    height = ABOVE + len(videos) * tile + BELOW
    figure = Figure(figsize=(WIDTH, height), dpi=200)

    def panel(left, width):
        box = (left / WIDTH, BELOW / height, width / WIDTH, len(videos) * tile / height)
        axes = figure.add_axes(box, ylim=(len(videos) - 0.5, -0.5))  # a row of each has the height of a frame
        axes.tick_params(labelsize=8)
        axes.tick_params(axis="y", length=0)
        return axes

    _errors(panel(NAMES, ERRORS), {row.predictor: row for row in rows}, list(videos))
    _film(panel(NAMES + ERRORS + 0.2, len(shown) * tile), videos, shown)
    handles, labels = figure.axes[0].get_legend_handles_labels()
    handles, labels = (handles[-1:] + handles[:-1], labels[-1:] + labels[:-1])  # matplotlib puts error bars last
    figure.legend(handles, labels, loc="upper center", ncols=4, frameon=False, fontsize=8, columnspacing=1.8)
    return figure


def _errors(axes, table, titles):
    """Errors from left to right, a row for each title that is a variant."""
    from matplotlib.ticker import LogLocator, NullFormatter

    places = [i for i, title in enumerate(titles) if title in VARIANTS]
    found = [table[titles[i]] for i in places]
    axes.errorbar(
        [row.squared_error_per_frame for row in found],
        places,
        xerr=[row.standard_error for row in found],
        fmt="o",
        markersize=4.5,
        color=COLOURS[0],
        ecolor="black",
        elinewidth=0.8,
        capsize=2.5,
        label="model",
        zorder=3,
    )
    linear = [row.linear_error for row in found]
    marks = {"marker": "D", "s": 24, "facecolors": "none", "edgecolors": COLOURS[1], "linewidths": 1}
    axes.scatter(linear, places, label="linear predictor", **marks, zorder=2)
    for name, style in (("copy-previous", "--"), ("linear extrapolation", ":")):
        axes.axvline(
            table[name].squared_error_per_frame, color="0.55", linewidth=0.9, linestyle=style, label=name, zorder=1
        )
    axes.hlines(places, 0, 1, transform=axes.get_yaxis_transform(), color="0.9", linewidth=0.6, zorder=0)
    axes.set_xscale("log")
    axes.set_yticks(range(len(titles)), titles)
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.set_xlabel("squared error per frame", fontsize=9)


def _film(axes, videos, shown):
    """The shown frames from left to right, a row for each video."""
    side = math.isqrt(next(iter(videos.values())).shape[1])
    gap = max(1, side // 15)
    strips = np.ones((len(videos), side + gap, len(shown), side + gap))  # white between the frames
    for strip, video in zip(strips, videos.values()):
        strip[:side, :, :side] = video[shown].reshape(-1, side, side).swapaxes(0, 1)
    shift = gap / (side + gap) / 2  # puts the middles of the frames at 0, 1, ...
    right, bottom = len(shown) - 0.5 + shift, len(videos) - 0.5 + shift
    axes.imshow(
        strips.reshape(len(videos) * (side + gap), -1),
        cmap="gray",
        vmin=0,
        vmax=1,
        interpolation="nearest",
        aspect="auto",
        extent=(shift - 0.5, right, bottom, shift - 0.5),
    )
    axes.set_ylim(len(videos) - 0.5, -0.5)  # imshow has moved it
    axes.spines[:].set_visible(False)
    axes.set_yticks([])
    axes.set_xticks(range(len(shown)), shown)
    axes.tick_params(axis="x", length=0)
    axes.set_xlabel("frame", fontsize=9)


def parser():
    """The command line."""
    parser = command_line(__doc__, "ablation", PROFILES)
    parser.add_argument("--n-updates", type=int, help="updates of every variant (default: the profile's)")
    parser.add_argument("--seeds", type=int, default=3, help="number of seeds, --seed the first (default: 3)")
    return parser


@script
def main(arguments=None):
    started = time.perf_counter()
    options = parser().parse_args(arguments)
    settings = dict(PROFILES[options.profile])
    settings["n_updates"] = settings["n_updates"] if options.n_updates is None else options.n_updates
    check_count("--n-updates", settings["n_updates"])
    check_count("--seeds", options.seeds)
    worked = check_command_line(options)
    folder = output_folder(options.out, default=f"results/ablation-{options.profile}")
    protocol = {
        "protocol": "mean",
        "n_balls": N_BALLS,
        "n_test_frames": N_TEST_FRAMES,
        "n_linear": N_LINEAR,
        "test_seed": options.seed + TEST_SEED_OFFSET,
        "scored_frames": f"2..{N_TEST_FRAMES}",
    }
    runs = [(title, seed) for seed in range(options.seed, options.seed + options.seeds) for title in VARIANTS]
    models = {name_of(*which): new_model(which[0], settings, which[1], options) for which in runs}
    with about("--n-updates", "n_updates"):
        begin(folder, models, options.resume)
    minutes = minutes_before(folder, options.resume)
    written = {**vars(options), **settings, **protocol, "engine": worked, "minutes": minutes}
    settings_file = folder / "settings.json", written

    def record():
        write_settings(*settings_file, ended=False)

    record()
    videos = {"n_frames": N_TEST_FRAMES, "resolution": settings["resolution"], "n_balls": N_BALLS}
    test = bouncing_balls(settings["n_test"], **videos, random_state=options.seed + TEST_SEED_OFFSET)
    train_videos = bouncing_balls(N_LINEAR, **videos, random_state=options.seed)
    rows, linear_errors = baselines(test, train_videos)
    dreams = {}
    for (title, seed), (name, model) in zip(runs, models.items()):
        try:
            with timed(minutes, name, record):
                train(title, model, settings, folder / f"{name}.h5", options)
        except KeyboardInterrupt:
            return stopped(folder)
        n_parameters = sum(p.size for p in arrays(model.params_))
        error = evaluate.squared_error(test, model.predict(test))
        n_linear, seconds = VARIANTS[title].n_linear, None if minutes[name] is None else 60 * minutes[name]
        rows.append(Row(title, seed, n_parameters, *error, n_linear, linear_errors[n_linear], seconds))
        write_table(folder / "errors.csv", Row._fields, rows)
        after = "" if seconds is None else f" after {seconds:.1f} s"
        print(f"seed {seed}, {title}: {error[0]:.4g}{after}", flush=True)
        if seed == options.seed:
            dreams[title] = model.sample(N_TEST_FRAMES, random_state=seed)[0]

    columns, summarised = (Row._fields[0], "seeds", *Row._fields[2:]), summary(rows)
    write_table(folder / "summary.csv", columns, summarised)
    over = "seeds (without seeds: over videos)" if options.seeds > 1 else "videos"
    print_table(
        columns,
        summarised,
        f"One-step prediction of {len(test)} fresh videos after {settings['n_updates']} updates, protocol mean; "
        f"standard errors over {over}",
    )
    save_figure(figure(summarised, test[0], dreams), folder / "ablation.png")
    write_settings(*settings_file)
    print(f"\n{time.perf_counter() - started:.0f} s; models, tables and the figure are in {folder}")
    return 0


if __name__ == "__main__":
    run(main)
