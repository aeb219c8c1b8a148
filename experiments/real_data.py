"""Models of real data beside the linear predictor on the same frames, the same split, and copying the frame before.

    python -m experiments.real_data --data FOLDER

FOLDER (or the environment variable RTRBM_DATA) holds mocap_hsu/MOCAP.mat, mocap6/dataset.npz and
polyphonic_music/JSB_Chorales.mat; docs/real-data.md says where they come from. Random walks need no file. A task
without its file is left out, and this is said.

Errors are squared errors of one-step predictions (protocol `mean`), means over the test frames with their whole past:
per feature for motion capture, per frame for music and walks. Of music the mean of 8 predictions is scored, 128 chains
a frame. With --validation the last fifth of the training part (of music: the validation pieces) is the test part.
"""

import argparse
import pathlib
import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from experiments.reports import report
from experiments.runner import (
    check_different,
    check_seeds,
    check_work,
    data_files,
    data_option,
    output_folder,
    print_table,
    run,
    script,
    work_options,
    write_settings,
    write_table,
)
from rtrbm import RTRBM, TRBM, evaluate
from rtrbm.datasets import hsu_walking, mocap6, piano_rolls, training_part

COLUMNS = ("task", "seed", "model", "linear", "copy", "model_over_linear", "minutes")


class Split(NamedTuple):
    """Sequences to train on; sequences to predict, of which all frames from `first` on are scored.

    train, test : lists of (n_frames_i, n_visible) ndarrays; first : list of int, one for each test sequence.
    """

    train: list
    test: list
    first: list


class Task(NamedTuple):
    """file : str or None, in the folder of data; load : callable (path, seed, validation) -> Split; model : type;
    settings : dict; n_taps : int, of the linear predictor too; window : int or None, frames of a training sequence;
    per_feature : bool; n_predictions : int, predictions with other random numbers, the mean of which is scored."""

    file: str | None
    load: Callable
    model: type
    settings: dict
    n_taps: int
    window: int | None = None
    per_feature: bool = False
    n_predictions: int = 1


def standardised(split):
    """A split in units of the training part's deviations from its means."""
    frames = np.concatenate(split.train)
    mean, deviation = frames.mean(axis=0), frames.std(axis=0)
    still = np.flatnonzero(np.ptp(frames, axis=0) == 0).tolist()  # whose deviation may be rounding
    if still:
        raise ValueError(f"--data: features {still} (from 0) are the same in all training frames: leave them out")
    train, test = ([((v - mean) / deviation).astype(np.float32) for v in these] for these in (split.train, split.test))
    return Split(train, test, split.first)


def ends(sequences, part=0.2):
    """The last part of every sequence is predicted from what comes before, and not trained on."""
    train, cuts = training_part(sequences, part)
    return Split(train, sequences, cuts)


def load_walking(path, seed, validation):
    split = ends(hsu_walking(path))
    return ends(split.train) if validation else split


def load_mocap6(path, seed, validation):
    sequences = mocap6(path)
    if len(sequences) < 5:
        raise ValueError(f"--data: {path} must hold five sequences or more, four to train on, got {len(sequences)}")
    train, test = sequences[:4], sequences[4:]
    return standardised(ends(train) if validation else Split(train, test, [1] * len(test)))


def load_walks(path, seed, validation):
    steps = np.random.default_rng([seed, int(validation)]).standard_normal((60, 100, 8))
    walks = list(steps.cumsum(axis=1))
    return standardised(Split(walks[:40], walks[40:], [1] * 20))


def load_music(path, seed, validation):
    train, valid, test = piano_rolls(path)
    scored = valid if validation else test
    return Split(train, scored, [1] * len(scored))


REAL = {"visible": "scaled_gaussian", "n_gibbs": 3}
FIXED = {"vv_rate": 0, "without": "VH", "bptt": True}  # A stays the linear predictor's
TASKS = {
    "walking": Task(
        "mocap_hsu/MOCAP.mat", load_walking, TRBM,
        {**REAL, **FIXED, "n_hidden": 100, "learning_rate": 1e-3, "weight_decay": 0.03, "n_updates": 600},
        n_taps=3, window=50, per_feature=True,
    ),
    "mocap6": Task(
        "mocap6/dataset.npz", load_mocap6, RTRBM,
        {**REAL, "dynamic_visible_bias": True, "n_hidden": 100, "learning_rate": 1e-3, "n_updates": 1500},
        n_taps=2, window=50, per_feature=True,
    ),
    "walks": Task(
        None, load_walks, RTRBM,
        {**REAL, "dynamic_visible_bias": True, "n_hidden": 50, "learning_rate": 1e-3, "n_updates": 500},
        n_taps=1,
    ),
    "jsb": Task(
        "polyphonic_music/JSB_Chorales.mat", load_music, RTRBM,
        {"initialization": "linear", "dynamic_visible_bias": True, "n_hidden": 200, "n_gibbs": 25,
         "learning_rate": 6e-3, "weight_decay": 1e-3, "batch_size": 32, "n_updates": 2000},
        n_taps=2, n_predictions=8,
    ),
}  # fmt: skip


def error(split, predicted, per_feature):
    """Squared error of predictions of the scored frames."""
    parts = [np.square(np.subtract(v, p, dtype=float))[n:] for v, p, n in zip(split.test, predicted, split.first)]
    per_frame = np.concatenate(parts)
    return float(per_frame.mean() if per_feature else per_frame.sum(axis=1).mean())


def windows(sequences, n):
    """Sequences cut into pieces of n frames. What is left over counts if it is half as long, or the whole sequence."""
    return [v[i : i + n] for v in sequences for i in range(0, max(len(v) - n // 2, 0) + 1, n)]


def one_run(name, task, path, seed, options):
    """A row of the table."""
    split = task.load(path, seed, options.validation)
    bounds = () if "visible" in task.settings else (0, 1)
    linear = evaluate.autoregression(split.test, split.train, task.n_taps, *bounds)
    rivals = linear, evaluate.copy_previous(split.test)
    train = windows(split.train, task.window) if task.window else split.train
    started = time.perf_counter()
    own = {"n_taps": task.n_taps, "random_state": seed, "n_jobs": options.n_jobs, "verbose": 1}
    model = task.model(**task.settings, **own, engine=options.engine).fit(train)
    minutes = (time.perf_counter() - started) / 60
    each = [model.predict(split.test, random_state=number) for number in range(task.n_predictions)]
    predicted = [sum(parts) / len(each) for parts in zip(*each)]
    found, linear, copy = (error(split, these, task.per_feature) for these in (predicted, *rivals))
    if seed == options.seeds[0]:
        title = f"{task.model.__name__}: {name}"
        report(pathlib.Path(options.out), model, split.test, split.train, name=name, title=title)
    return name, seed, found, linear, copy, found / linear, minutes


def parser():
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    data_option(parser)
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=list(TASKS), metavar="TASK", help="default: all")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], metavar="SEED", help="default: 0 1 2")
    parser.add_argument("--validation", action="store_true", help="score the end of the training part instead")
    work_options(parser)
    parser.add_argument("--out", default="results/real_data", help="folder for settings.json and real_data.csv")
    return parser


@script
def main(arguments=None):
    options = parser().parse_args(arguments)
    check_seeds(options.seeds)
    check_different("--tasks", options.tasks)
    worked = check_work(options)
    paths = data_files({name: TASKS[name].file for name in options.tasks}, options.data)
    for name, path in paths.items():
        TASKS[name].load(path, options.seeds[0], options.validation)  # what cannot be read is seen at once
    folder, rows = output_folder(options.out), []
    settings = {}
    for name in options.tasks:
        task = TASKS[name]
        own = {name: getattr(task, name) for name in ("n_taps", "n_predictions", "window")}
        own["model"] = task.model.__name__
        settings[name] = {**task.settings, **own}
    settings = folder / "settings.json", {**vars(options), "engine": worked, "recipes": settings}
    write_settings(*settings, ended=False)
    for name, path in paths.items():
        for seed in options.seeds:
            rows.append(one_run(name, TASKS[name], path, seed, options))
            write_table(folder / "real_data.csv", COLUMNS, rows)
    write_settings(*settings)
    print_table(COLUMNS, rows, "squared error: per feature (motion capture), per frame (walks, music)")
    return 0


if __name__ == "__main__":
    run(main)
