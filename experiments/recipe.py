"""What each part of the default recipe gives: it is changed one piece at a time, on 15x15 bouncing balls.

Every variant makes the same number of updates on the same videos; the table shows the one-step error it ends with
(protocol `mean`), with its standard error, and the seconds it took. Rates fall linearly to 0 in all of them. The first
rows are predictors without hidden units on the same videos.
"""

import argparse
import time

from experiments.readers import COPYING, LINEAR
from experiments.runner import (
    TEST_SEED_OFFSET,
    check_work,
    output_folder,
    print_table,
    run,
    script,
    work_options,
    write_settings,
    write_table,
)
from rtrbm import RTRBM, evaluate
from rtrbm.checks import check_count
from rtrbm.datasets import BouncingBalls, bouncing_balls
from rtrbm.rbm import FromNoise

RESOLUTION, N_FRAMES, N_TEST, N_TRAIN = 15, 100, 50, 400


def rivals(test, seed):
    """The errors of predictors without hidden units and their standard errors, by name."""
    train = bouncing_balls(N_TRAIN, N_FRAMES, resolution=RESOLUTION, random_state=seed)
    linear = evaluate.autoregression(test, train, 2, 0, 1)
    predicted = {COPYING: evaluate.copy_previous(test), LINEAR: linear}
    return {name: evaluate.squared_error(test, p) for name, p in predicted.items()}


def variants(n_updates):
    """Settings of the recipe, and of each change of it."""
    growing = {0: 1, n_updates // 4: 3, 7 * n_updates // 12: 10}
    recipe = {"n_hidden": 200, "n_gibbs": growing, "optimizer": "spectral", "learning_rate": 8e-3}
    recipe |= {"batch_size": 8, "n_updates": n_updates}
    changes = {
        "the recipe": {},
        "rate 0.004": {"learning_rate": 4e-3},
        "rate 0.012": {"learning_rate": 12e-3},
        "momentum 0.95": {"momentum": 0.95},
        "Adam, rate 0.006": {"optimizer": "adam", "learning_rate": 6e-3},
        "Adam, rate 0.012": {"optimizer": "adam", "learning_rate": 12e-3},
        "Adam, rate 0.024": {"optimizer": "adam", "learning_rate": 24e-3},
        "momentum 0.9, rate 0.05": {"optimizer": "momentum", "learning_rate": 0.05},
        "without centring": {"centering": False},
        "the visible units alone centred": {"centering": "visible"},
        "k = 1 throughout": {"n_gibbs": 1},
        "k = 3 throughout": {"n_gibbs": 3},
        "k = 10 throughout": {"n_gibbs": 10},
        "k = 10, chains from noise": {"n_gibbs": 10, "negative": "noise"},
        "k = 10, 3 of 10 chains from noise": {"n_gibbs": 10, "negative": FromNoise(10, 0.3)},
        "visible units by their means": {"sample_visible": False},
        "4 videos an update": {"batch_size": 4},
        "gradient clipped to norm 1": {"max_norm": 1.0},
        "W pre-trained, biases random (the thesis's start)": {"initialization": "thesis"},
        "400 hidden units": {"n_hidden": 400},
        "dynamic visible bias": {"dynamic_visible_bias": True},
        "the same, visible units by their means": {"dynamic_visible_bias": True, "sample_visible": False},
    }
    return {name: {**recipe, **change} for name, change in changes.items()}


@script
def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n-updates", type=int, default=400, help="updates of every variant (default: 400)")
    parser.add_argument("--seed", type=int, default=0)
    work_options(parser)
    parser.add_argument("--out", default="results/recipe", help="folder for settings.json and recipe.csv")
    options = parser.parse_args(arguments)
    check_count("--n-updates", options.n_updates)
    check_count("--seed", options.seed, 0)
    worked = check_work(options)
    folder = output_folder(options.out)
    written = folder / "settings.json", {**vars(options), "engine": worked}
    write_settings(*written, ended=False)
    test = bouncing_balls(N_TEST, N_FRAMES, resolution=RESOLUTION, random_state=options.seed + TEST_SEED_OFFSET)
    columns = ("variant", "squared_error_per_frame", "standard_error", "seconds")
    rows = [(name, *error, None) for name, error in rivals(test, options.seed).items()]
    for name, settings in variants(options.n_updates).items():
        stream = BouncingBalls(settings["batch_size"], N_FRAMES, resolution=RESOLUTION, random_state=options.seed)
        start = time.perf_counter()
        own = {"n_jobs": options.n_jobs, "engine": options.engine, "random_state": options.seed, "verbose": 1}
        model = RTRBM(**settings, **own).fit(stream)
        seconds = time.perf_counter() - start
        rows.append((name, *evaluate.squared_error(test, model.predict(test)), seconds))
        write_table(folder / "recipe.csv", columns, rows)
    write_settings(*written)
    print_table(columns, rows, f"{options.n_updates} updates, {N_TEST} fresh videos, seed {options.seed}")


if __name__ == "__main__":
    run(main)
