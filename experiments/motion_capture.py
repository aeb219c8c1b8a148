"""Motion capture (3.11.2): the RTRBM and the TRBM as the thesis trains them, a better recipe, their rivals, roll-outs.

    python -m experiments.motion_capture --data FOLDER                 Hsu's walking data, 49 features
    python -m experiments.motion_capture --data FOLDER --set mocap6    exercises, 12 angles

FOLDER (or the environment variable RTRBM_DATA) holds mocap_hsu/motion.mat and mocap6/dataset.npz; docs/motion.md says
where they come from, and what is measured.

errors.csv has the squared errors per feature of one-step predictions (protocol `mean`) of the test frames, each from
all frames before it; rollouts.csv those of 1 to 60 frames ahead. In a roll-out every prediction is taken for the frame
and is part of the past of the next one: `impute` for models, the same for all rivals. dream.png and, of walking,
dream.gif show what the models dream. With --validation the last fifth of the training part is the test part.
"""

import argparse
import pathlib
from functools import partial
from typing import NamedTuple

import numpy as np

from experiments import recurrent_net
from experiments.real_data import Split, ends, error, load_mocap6, windows
from experiments.reports import report
from experiments.runner import (
    begin,
    check_begun,
    check_data,
    check_figures,
    check_seeds,
    check_work,
    data_option,
    is_there,
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
    work_options,
    write_settings,
    write_table,
)
from rtrbm import RTRBM, TRBM, evaluate, plots
from rtrbm.checks import about, check_count
from rtrbm.datasets import MotionFeatures, hsu_motion, training_part
from rtrbm.minibatches.fingerprint import fingerprint
from rtrbm.plots.paper import label_axes, legend, panels, styles
from rtrbm.streams import stream

HORIZON, STEP, PREFIX = 60, 10, 100  # frames ahead; from one origin to the next; before it
RIDGES = 10.0 ** np.arange(-6, 0.5, 0.5)
N_DREAM, DREAM_PREFIX = 90, 60
FILES = {"walking": "mocap_hsu/motion.mat", "mocap6": "mocap6/dataset.npz"}
THESIS = {
    "n_hidden": 200,
    "visible": "gaussian",
    "n_gibbs": {0: 10, 1000: 25},
    "optimizer": "momentum",
    "centering": False,
    "learning_rate": 5e-3,
    "initialization": "thesis",
    "batch_size": 1,
}
NET = {"n_hidden": 100, "n_updates": 2000, "noise": 0.2}


class Recipe(NamedTuple):
    """A model and its training.

    kind : type; settings : dict; window : int, frames of a window; drawn : bool, whether calm windows come more often
    (`drawn`) or all of them in turn; published : float or None, the error per feature of Hsu's data in print.
    """

    kind: type
    settings: dict
    window: int = 50
    drawn: bool = False
    published: float | None = None


TAPS, DYNAMIC = "TRBM, 3 taps", "RTRBM, dynamic bias"
RECIPES = {
    "RTRBM, thesis": Recipe(RTRBM, THESIS, published=0.42),
    "TRBM, thesis": Recipe(RTRBM, {**THESIS, "bptt": False}, published=0.47),
    TAPS: Recipe(
        TRBM,
        {
            "n_hidden": 30,
            "n_taps": 3,
            "visible": "scaled_gaussian",
            "bptt": True,
            "vv_rate": 0,  # the taps stay those of the start, the linear predictor
            "n_gibbs": 3,
            "weight_decay": 0.1,
            "learning_rate": 1e-4,
            "batch_size": 16,
            "n_updates": 500,
        },
        window=20,
        drawn=True,
    ),
    DYNAMIC: Recipe(
        RTRBM,
        {
            "n_hidden": 200,
            "visible": "gaussian",
            "dynamic_visible_bias": True,
            "n_gibbs": 5,
            "learning_rate": 3e-3,
            "batch_size": 8,
            "n_updates": 4000,
        },
        drawn=True,
    ),
}
HSU = [438, 260, 3128]  # frames of the walks whose errors are in print
CALM = {"walking": 1.0, "mocap6": 0.0}  # how much more often calm windows are drawn
N_DRAWN, N_ROUNDS = 4000, 4  # windows that are drawn


class Data(NamedTuple):
    """split : Split; motion : Motion and features : MotionFeatures of Hsu's data, or None."""

    split: Split
    motion: object = None
    features: object = None


def load(name, path, statistics, validation):
    """The data of a set, standardised."""
    if name == "mocap6":
        return Data(load_mocap6(path, None, validation))
    motion = hsu_motion(path)
    of_rest = validation and statistics == "train"  # without the frames that are scored
    known = training_part(motion.sequences)[0] if of_rest else motion.sequences
    features = MotionFeatures.measured(known, statistics)
    split = ends([features.inward(v).astype(np.float32) for v in motion.sequences])
    return Data(ends(split.train) if validation else split, motion, features)


def check_lengths(split, path):
    """Raise unless there are windows to train on, and frames to predict."""
    longest, wanted = max(map(len, split.train)), max(recipe.window for recipe in RECIPES.values())
    if longest < wanted:
        raise ValueError(f"--data: a training part of {path} must have {wanted} frames, the longest has {longest}")
    if longest_horizon(split) < 1:
        raise ValueError(f"--data: a test part of {path} must have 4 frames or more, the longest has fewer")


# ----------------------------------------------------------------------------------------------- training


def roughness(train, known, n_taps=3, ridge=1e-4):
    """Squared residuals of the linear predictor of `known`, of every frame: in units of medians, mean over features."""
    predicted = evaluate.autoregression(train, known, n_taps, ridge=ridge)
    squares = [np.square(v - p) for v, p in zip(train, predicted)]
    typical = np.median(np.concatenate(squares), axis=0) / 0.455  # of a normal distribution: its variance
    return [(s / typical).mean(axis=1) for s in squares]


def drawn(train, calm, window, n_windows, seed):
    """Windows from anywhere in the training part, calm ones more often.

    A window whose frames are of the mean roughness d is drawn with a chance proportional to (0.06 + d)^-calm. With
    calm=1 a sum of squares over windows is weighted as if the noise of a window had a variance of 0.06 + d: so are the
    frames in a maximum likelihood fit of Student's t distribution. Its linear predictor is again that of the roughness,
    which takes a few rounds.
    """
    known = train
    for turn in range(N_ROUNDS):
        chances, starts = [], []
        for i, rough in enumerate(roughness(train, known)):
            sums = np.concatenate([[0], np.cumsum(rough)])
            mean = (sums[window:] - sums[:-window]) / window
            chances.append((0.06 + mean) ** -calm)
            starts += [(i, first) for first in range(len(mean))]
        chances = np.concatenate(chances)
        n = n_windows if turn == N_ROUNDS - 1 else n_windows // 4
        chosen = stream(seed, "data", turn).choice(len(starts), n, p=chances / chances.sum())
        known = [train[i][first : first + window] for i, first in (starts[k] for k in chosen)]
    return known


def training_windows(train, recipe, seed, calm):
    """The windows of frames that a recipe trains on."""
    return drawn(train, calm, recipe.window, N_DRAWN, seed) if recipe.drawn else windows(train, recipe.window)


def new_model(recipe, seed, options, **settings):
    """A model to be trained."""
    own = {"engine": options.engine, "n_jobs": options.n_jobs, "random_state": seed}
    return recipe.kind(**{**recipe.settings, **own, **settings})


def trained(name, recipe, data, seed, options, folder, clock):
    """A model, trained further from its file with --resume; its minutes are added to those of that name.

    clock : callable (title), the context that does this.
    """
    model, title = new_model(recipe, seed, options, verbose=1), title_of(name, seed)
    path = folder / f"{title}.h5"
    with clock(title):
        starting(f"{name}, seed {seed}: {model.n_updates} updates", path, options.resume)
        train = training_windows(data.split.train, recipe, seed, CALM[options.set])
        model.fit(train, checkpoint=path, resume=options.resume)
    return model


def title_of(name, seed):
    """The name of a model's file."""
    return f"{name.replace(',', '').replace(' ', '_')}_{seed}"


# ---------------------------------------------------------------------------------------------- predictors


class Predictor(NamedTuple):
    """one_step : predictions of every frame of sequences; ahead : callable (prefixes, horizon) -> paths of predictions
    after each of them, (n_prefixes, horizon, n_visible)."""

    one_step: list
    ahead: object


def of_model(model, test):
    """A model's predictions; its roll-out fills in frames that are missing."""

    def ahead(prefixes, horizon):
        unknown = np.full((horizon, prefixes[0].shape[1]), np.nan, np.float32)
        return np.stack([v[-horizon:] for v in model.impute([np.concatenate([v, unknown]) for v in prefixes])])

    return Predictor(model.predict(test), ahead)


def best_ridge(train, n_taps):
    """The ridge of the least error on the last fifth of the training part."""
    split = ends(train)
    found = [
        error(split, evaluate.autoregression(split.test, split.train, n_taps, ridge=ridge), True) for ridge in RIDGES
    ]
    return float(RIDGES[int(np.argmin(found))])


def of_autoregression(train, test, n_taps):
    """The linear predictor's."""
    ridge = best_ridge(train, n_taps)

    def ahead(prefixes, horizon):
        path = np.stack([v[-n_taps:] for v in prefixes])
        for _ in range(horizon):
            last = np.concatenate([path[:, -n_taps:], np.zeros_like(path[:, :1])], axis=1)
            path = np.concatenate([path, evaluate.autoregression(last, train, n_taps, ridge=ridge)[:, -1:]], axis=1)
        return path[:, n_taps:]

    return Predictor(evaluate.autoregression(test, train, n_taps, ridge=ridge), ahead)


def of_copy(test):
    return Predictor(
        evaluate.copy_previous(test), lambda prefixes, n: np.stack([np.tile(v[-1], (n, 1)) for v in prefixes])
    )


def of_mean(train, test):
    mean = np.concatenate(train).mean(axis=0)
    return Predictor(evaluate.mean_frame(test, train), lambda prefixes, n: np.tile(mean, (len(prefixes), n, 1)))


def of_net(train, test, seed):
    params = recurrent_net.train(train, seed=seed, **NET)
    return Predictor(
        recurrent_net.predict(params, test), lambda prefixes, n: recurrent_net.roll_out(params, prefixes, n)
    )


def of_mean_of(predictors):
    """The mean of several predictors' predictions, and of their roll-outs."""
    one_step = [sum(parts) / len(parts) for parts in zip(*(predictor.one_step for predictor in predictors))]
    return Predictor(one_step, lambda prefixes, n: sum(p.ahead(prefixes, n) for p in predictors) / len(predictors))


def roll_out_errors(split, predictor, horizon):
    """Squared error per feature of frames 1 to `horizon` ahead, mean over origins that are STEP frames apart."""
    origins = [
        (v, t) for v, first in zip(split.test, split.first) for t in range(max(first, 3), len(v) - horizon + 1, STEP)
    ]
    paths = predictor.ahead([v[max(0, t - PREFIX) : t] for v, t in origins], horizon)
    came = np.stack([v[t : t + horizon] for v, t in origins])
    return np.square(paths - came).mean(axis=(0, 2))


def longest_horizon(split):
    """HORIZON, or less if the test parts are shorter."""
    return min(HORIZON, max(len(v) - max(first, 3) for v, first in zip(split.test, split.first)))


# ------------------------------------------------------------------------------------------------- results


class Results:
    """Errors of predictors, written after each of them."""

    columns = ("predictor", "seed", "squared_error_per_feature", "published", "minutes")

    def __init__(self, split, folder):
        self.split, self.folder, self.horizon = split, folder, longest_horizon(split)
        self.rows, self.paths = [], []

    def add(self, name, predictor, seed=None, published=None, minutes=None):
        """Measure a predictor."""
        self.rows.append((name, seed, error(self.split, predictor.one_step, True), published, minutes))
        self.paths.append(roll_out_errors(self.split, predictor, self.horizon))
        write_table(self.folder / "errors.csv", self.columns, self.rows)
        ahead = [
            (name, seed, k, e)
            for (name, seed, *_), path in zip(self.rows, self.paths)
            for k, e in enumerate(path.tolist(), 1)
        ]
        write_table(self.folder / "rollouts.csv", ("predictor", "seed", "frames_ahead", self.columns[2]), ahead)

    def summary(self):
        """Means over seeds: (name, error, its standard error over seeds, seeds, published, mean path) of predictors."""
        found = []
        for name in dict.fromkeys(row[0] for row in self.rows):
            at = [i for i, row in enumerate(self.rows) if row[0] == name]
            path = np.mean([self.paths[i] for i in at], axis=0)
            found.append((name, *mean_and_error([self.rows[i][2] for i in at]), len(at), self.rows[at[0]][3], path))
        return found

    def show(self):
        """Print and draw the means over seeds."""
        shown = [k for k in (1, 2, 5, 10, 20, 30, 60) if k <= self.horizon]
        found = self.summary()
        columns = ("predictor", "error", "standard_error", "seeds", "published", *(f"{k} ahead" for k in shown))
        rows = [(*row[:5], *(float(row[5][k - 1]) for k in shown)) for row in found]
        write_table(self.folder / "summary.csv", columns, rows)
        print_table(columns, rows, "Squared error per feature, mean over seeds: one step of all test frames, roll-outs")
        save_figure(self.figure(found), self.folder / "rollouts.png")

    def figure(self, found):
        """The errors of most predictors against the frames ahead."""
        figure, (axes,) = panels(None, (1, 1), 3.4)
        drawn = [(name, path) for name, *_, path in found if name not in ("AR(1)", "AR(2)", "TRBM, thesis")]
        for (name, path), style in zip(drawn, styles()):
            axes.plot(np.arange(1, len(path) + 1), path, label=name, linewidth=1.2, **style)
        axes.set_ylim(0, 1.3 * float(dict(drawn)["mean frame"].max()))
        label_axes(axes, "frames ahead", "squared error per feature")
        legend(figure, [axes], *axes.get_legend_handles_labels(), ncols=3)
        return figure


def dream(models, data, folder, seed):
    """Pictures of what models dream after the first frames of the longest test part, beside what came."""
    longest = int(np.argmax([len(v) - first for v, first in zip(data.split.test, data.split.first)]))
    v, first = data.split.test[longest], data.split.first[longest]
    first = min(first + DREAM_PREFIX, len(v) - 1)
    prefix, came = v[max(0, first - DREAM_PREFIX) : first], v[first : first + N_DREAM]
    rows = {"data": came}
    for name, model in models.items():
        rows[name] = model.sample(len(came), prefix=prefix, random_state=seed)[0]
    if data.motion is None:
        return save_figure(curves(rows), folder / "dream.png")
    own, angles = data.motion.skeleton, {name: data.features.outward(frames) for name, frames in rows.items()}
    joints, sides = {name: own.positions(frames) for name, frames in angles.items()}, own.sides(data.features.mean)
    save_figure(plots.figure_strip(joints, own.parents, sides), folder / "dream.png")
    halved = {name: places[::2] for name, places in joints.items()}  # a file of half the size
    rate = data.motion.frames_per_second / 2
    plots.animate_figures(halved, own.parents, folder / "dream.gif", sides, rate, size=160)


def curves(rows, n_shown=4):
    """The first features, standardised, against time: a column of panels, a line for each of the rows."""
    figure, axes = panels(None, (n_shown, 1), 1 + 1.2 * n_shown, sharex=True)
    for i, axis in enumerate(axes):
        for (name, frames), style in zip(rows.items(), styles()):
            axis.plot(frames[:, i], label=name, linewidth=1.2, **style)
        label_axes(axis, "frame (angles are standardised)" if i == n_shown - 1 else None, f"angle {i}")
    legend(figure, axes, *axes[0].get_legend_handles_labels(), ncols=3)
    return figure


def parser():
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    data_option(parser)
    parser.add_argument("--set", choices=FILES, default="walking", help="default: walking")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], metavar="SEED", help="default: 0 1 2")
    parser.add_argument(
        "--updates", type=int, default=20_000, help="of the thesis's recipe, which has 100000 (default: 20000)"
    )
    parser.add_argument(
        "--statistics",
        choices=("all", "train"),
        default="all",
        help="frames whose means and deviations scale walking: all, as in print, or those of the training part",
    )
    parser.add_argument("--validation", action="store_true", help="score the end of the training part instead")
    parser.add_argument("--resume", action="store_true", help="go on from the models in the folder")
    work_options(parser)
    parser.add_argument("--out", help="folder for the results (default: results/motion_capture-SET)")
    return parser


def measure(data, recipes, options, folder, minutes, write):
    """Train and measure everything; the models of the first seed."""
    as_printed = (options.set, options.statistics, options.validation) == ("walking", "all", False)
    is_printed = as_printed and [*map(len, data.motion.sequences)] == HSU
    results, split, first, both = Results(data.split, folder), data.split, {}, []
    results.add("copy-previous", of_copy(split.test))
    results.add("mean frame", of_mean(split.train, split.test))
    for n_taps in (1, 2, 3):
        results.add(f"AR({n_taps})", of_autoregression(split.train, split.test, n_taps))
    for seed in options.seeds:
        of_seed = {}
        net = training_windows(split.train, recipes[DYNAMIC], seed, CALM[options.set])
        results.add("recurrent net", of_net(net, split.test, seed), seed)
        start = new_model(recipes[TAPS], seed, options, n_updates=1, learning_rate=1e-12)  # W is next to 0
        start.fit(training_windows(split.train, recipes[TAPS], seed, CALM[options.set]))
        results.add("AR(3), calm windows", of_model(start, split.test), seed)
        for name, recipe in recipes.items():
            model = trained(name, recipe, data, seed, options, folder, partial(timed, minutes, write=write))
            of_seed[name] = of_model(model, split.test)
            published = recipe.published if is_printed else None
            results.add(name, of_seed[name], seed, published, minutes[title_of(name, seed)])
            first.setdefault(name, model)
        both.append(of_mean_of([of_seed[TAPS], of_seed[DYNAMIC]]))
        results.add("mean of both", both[-1], seed)
    results.add("mean of both, all seeds", of_mean_of(both))
    results.show()
    return first


@script
def main(arguments=None):
    options = parser().parse_args(arguments)
    check_seeds(options.seeds)
    check_count("--updates", options.updates)
    worked = check_work(options)
    check_figures()
    if not options.data:
        raise ValueError("--data must name the folder of data (or the environment variable RTRBM_DATA)")
    path = pathlib.Path(options.data, FILES[options.set])
    if not is_there(path):
        raise ValueError(f"--data must name the folder that has {FILES[options.set]}, there is no {path}")
    data = load(options.set, path, options.statistics, options.validation)
    check_lengths(data.split, path)
    recipes = dict(RECIPES)
    for name in ("RTRBM, thesis", "TRBM, thesis"):
        recipes[name] = recipes[name]._replace(settings={**recipes[name].settings, "n_updates": options.updates})
    folder = output_folder(options.out, default=f"results/motion_capture-{options.set}")
    seeded = [(name, seed) for name in recipes for seed in options.seeds]
    models = {title_of(name, seed): new_model(recipes[name], seed, options) for name, seed in seeded}
    prints = fingerprint(data.split.train)
    if options.resume:
        check_begun(folder, options, ("set", "statistics", "validation"))
        check_data(folder, prints, f"--data {options.data}")
    with about("--updates", "n_updates"):
        begin(folder, models, options.resume)
    said = {name: {**recipe._asdict(), "kind": recipe.kind.__name__} for name, recipe in recipes.items()}
    said = {"engine": worked, "recipes": said, "recurrent_net": NET, "calm": CALM, "learned_from": prints}
    minutes = minutes_before(folder, options.resume)
    settings = folder / "settings.json", {**vars(options), **said, "minutes": minutes}
    record = partial(write_settings, *settings, ended=False)
    record()
    try:
        models = measure(data, recipes, options, folder, minutes, record)
    except KeyboardInterrupt:
        return stopped(folder)
    dream({name: models[name] for name in ("RTRBM, thesis", DYNAMIC)}, data, folder, options.seeds[0])
    for name in ("RTRBM, thesis", DYNAMIC):
        own = "" if name == DYNAMIC else name
        report(folder, models[name], data.split.test, data.split.train, name=own, title=f"{name}: {options.set}")
    write_settings(*settings)
    print(f"\ntables, models and pictures are in {folder}")
    return 0


if __name__ == "__main__":
    run(main)
