"""Ways of learning beside each other at equal time: optimisers and negative phases on balls, music and motion capture.

    python -m experiments.learning --data FOLDER

FOLDER (or the environment variable RTRBM_DATA) holds polyphonic_music/JSB_Chorales.mat and mocap6/dataset.npz. Data
whose file is not there are left out, and this is said.

Every run makes as many updates as fit into --seconds of processor time, which its first updates tell, and its rate
falls linearly to 0. Balls (15x15) are measured by the squared error of the one-step prediction on fresh videos
(protocol `mean`), chorales by minus the nats of about 300 validation frames, mocap6 by the squared error per feature
on the last fifth of the training recordings. Smaller is better in all of them. No test part is read. The first rows
are predictors without hidden units on the same frames.
"""

import argparse
import time
import warnings

import numpy as np

from experiments import polyphonic_music as music
from experiments import real_data, recipe
from experiments.readers import COPYING
from experiments.runner import (
    TEST_SEED_OFFSET,
    check_different,
    check_seeds,
    check_work,
    data_files,
    data_option,
    mean_and_error,
    output_folder,
    print_table,
    run,
    script,
    work_options,
    write_settings,
    write_table,
)
from rtrbm import RTRBM, evaluate
from rtrbm.checks import check_number
from rtrbm.datasets import BouncingBalls, Transposed, bouncing_balls
from rtrbm.rbm import FromNoise

COLUMNS = ("data", "way", "error", "standard_error", "updates", "seeds")
N_TIMED, N_WARM = 30, 3  # updates that tell the time of one, and those before them
RESOLUTION, N_VIDEOS, N_TEST = recipe.RESOLUTION, 8, 50
WAYS = {
    "Adam": {},
    "Adam, twice the rate": {"rate": 2},
    "Adam, 3 of 10 chains from noise": {"negative": FromNoise(10, 0.3)},
    "spectral": {"optimizer": "spectral"},
    "spectral, a third of the rate": {"optimizer": "spectral", "rate": 1 / 3},
    "spectral, chains from noise": {"optimizer": "spectral", "negative": FromNoise(10)},
    "spectral, 3 of 10 chains from noise": {"optimizer": "spectral", "negative": FromNoise(10, 0.3)},
}


class Balls:
    """Fresh videos of three balls."""

    file = None
    model = {"n_hidden": 200, "batch_size": N_VIDEOS, "learning_rate": 8e-3}
    n_gibbs = {0: 1, 0.25: 3, 0.6: 10}

    def __init__(self, path):
        self.test = bouncing_balls(N_TEST, 100, resolution=RESOLUTION, random_state=TEST_SEED_OFFSET)

    def rivals(self):
        """The errors of predictors without hidden units, by name."""
        return {name: error for name, (error, _) in recipe.rivals(self.test, seed=0).items()}

    def data(self, seed):
        """The data to fit."""
        return BouncingBalls(N_VIDEOS, 100, resolution=RESOLUTION, random_state=seed)

    def error(self, model):
        """What a trained model is measured by."""
        return evaluate.squared_error(self.test, model.predict(self.test))[0]


class Chorales:
    """JSB chorales in all keys."""

    file = music.DATA_SETS["jsb"].files[0].path
    model = {**music.RECIPE["model"], "dynamic_visible_bias": True}
    n_gibbs = {0: 5, 0.7: 15}

    def __init__(self, path):
        train, valid, _ = music.piano_rolls(path)
        self.train, self.valid = train, music.some(valid)

    def rivals(self):
        """The errors of predictors without hidden units, by name."""
        independent = music.baselines.markov(self.train)
        return {"Markov chain of each note": -music.baselines.scores(self.valid, independent(self.valid))[0]}

    def data(self, seed):
        """The data to fit."""
        return Transposed(self.train, self.model["batch_size"], semitones=music.TRANSPOSED, random_state=seed)

    def error(self, model):
        """What a trained model is measured by."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of wide bounds
            return -model.likelihood(self.valid, random_state=0, n_chains=8, n_steps=512).nats


class Motion:
    """The recordings of mocap6."""

    file = real_data.TASKS["mocap6"].file
    model = {name: value for name, value in real_data.TASKS["mocap6"].settings.items() if name != "n_updates"}
    model = {**model, "n_taps": real_data.TASKS["mocap6"].n_taps, "batch_size": 8}
    n_gibbs = {0: 3}

    def __init__(self, path):
        task = real_data.TASKS["mocap6"]
        self.split = task.load(path, 0, True)
        self.windows = real_data.windows(self.split.train, task.window)

    def rivals(self):
        """The errors of predictors without hidden units, by name."""
        train, test = self.split.train, self.split.test
        predicted = {COPYING: evaluate.copy_previous(test)}
        for n in (self.model["n_taps"], 3):
            predicted[f"linear predictor on {n} frames"] = evaluate.autoregression(test, train, n)
        return {name: real_data.error(self.split, p, True) for name, p in predicted.items()}

    def data(self, seed):
        """The data to fit."""
        return self.windows

    def error(self, model):
        """What a trained model is measured by."""
        return real_data.error(self.split, model.predict(self.split.test), True)


DATA = {"balls": Balls, "chorales": Chorales, "mocap6": Motion}


def new_model(data, way, n_updates, seed, options):
    """A model to be trained."""
    change = dict(way)
    rate = data.model["learning_rate"] * change.pop("rate", 1)
    n_gibbs = {int(part * n_updates): k for part, k in data.n_gibbs.items()}
    own = {"n_updates": n_updates, "random_state": seed, "n_jobs": options.n_jobs, "engine": options.engine}
    base = {"optimizer": "adam", "momentum": 0.9}
    return RTRBM(**{**data.model, **base, "n_gibbs": n_gibbs, **change, "learning_rate": rate}, **own)


def n_updates_in(data, way, options):
    """Updates that take so many seconds of processor time, with the mean length of the chain.

    The time of an update is the median of `N_TIMED`.
    """
    lengths, spent = sorted(data.n_gibbs), 0.0
    for part, end in zip(lengths, [*lengths[1:], 1]):
        ends = []
        model = new_model(data, way, N_WARM + N_TIMED, 0, options)
        model.set_params(n_gibbs=data.n_gibbs[part])
        model.fit(data.data(0), callbacks=[lambda _, ends=ends: ends.append(time.process_time())])
        spent += (end - part) * float(np.median(np.diff(ends)[N_WARM:]))
    return max(1, int(options.seconds / spent))


@script
def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    data_option(parser)
    parser.add_argument("--tasks", nargs="+", choices=DATA, default=list(DATA), metavar="DATA", help="default: all")
    parser.add_argument("--seconds", type=float, default=20, help="processor time of a training (default: 20)")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], metavar="SEED", help="default: 0 1 2")
    work_options(parser, n_jobs=1)
    parser.add_argument("--out", default="results/learning", help="folder for settings.json and learning.csv")
    options = parser.parse_args(arguments)
    check_seeds(options.seeds)
    check_different("--tasks", options.tasks)
    check_number("--seconds", options.seconds, 0)
    worked = check_work(options)
    files = data_files({name: DATA[name].file for name in options.tasks}, options.data)
    tasks = {name: DATA[name](path) for name, path in files.items()}
    folder, rows = output_folder(options.out), []
    settings = folder / "settings.json", {**vars(options), "engine": worked}
    write_settings(*settings, ended=False)
    for name, data in tasks.items():
        rows += [(name, title, error, None, None, None) for title, error in data.rivals().items()]
        lengths = {}  # of ways that cost the same
        for title, way in WAYS.items():
            cost = str({key: value for key, value in way.items() if key != "rate"})
            n_updates = lengths[cost] = lengths.get(cost) or n_updates_in(data, way, options)
            errors = []
            for seed in options.seeds:
                model = new_model(data, way, n_updates, seed, options).fit(data.data(seed))
                errors.append(data.error(model))
                print(f"{name}, {title}, seed {seed}: {n_updates} updates, {errors[-1]:.4g}", flush=True)
            rows.append((name, title, *mean_and_error(errors), n_updates, len(errors)))
            write_table(folder / "learning.csv", COLUMNS, rows)
    write_settings(*settings)
    print_table(COLUMNS, rows, f"{options.seconds:g} seconds of processor time each")
    return 0


if __name__ == "__main__":
    run(main)
