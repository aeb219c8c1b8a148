"""The static RBM beside scikit-learn's BernoulliRBM: features of digits for a classifier, time, likelihood.

    python -m experiments.digits

The task is that of scikit-learn's example of RBM features: the 8x8 digits and their copies shifted by one pixel (8985
images in all), pixels scaled to [0, 1], an RBM of 100 hidden units, logistic regression (newton-cg, C = 6000) on
P(h = 1 | v). As there, the split into 80 % to train on and 20 % to test on is random, so that copies of one digit are
on both sides. BernoulliRBM has the example's settings (rate 0.06, 10 epochs), RBM() its defaults. The contenders train
in turn on each seed's split.

The first table has accuracies and seconds of `fit`; the second the mean log-likelihood of binary test images under
models of 16 hidden units, exact, after more and more updates of CD-1 and of persistent chains; the third the
microseconds of a minibatch. Errors (+-) are standard errors over the seeds.
"""

import argparse
import time
from importlib.util import find_spec

import numpy as np

from experiments.runner import mean_and_error, output_folder, print_table, run, script, write_settings, write_table
from rtrbm import RBM
from rtrbm.checks import check_count

SIDE = 8
COLUMNS = (
    "model",
    "accuracy",
    "+-",
    "minus BernoulliRBM",
    "+-",
    "seconds",
    "over BernoulliRBM",
    "log-likelihood",
    "+-",
)
UPDATES = (750, 3000, 10_000)
REPEATS = 20


def nudged_digits():
    """Images and labels: scikit-learn's digits, and each shifted by one pixel up, down, left and right.

    Returns
    -------
    X : (8985, 64) float32 ndarray
        Pixels, scaled to [0, 1] one by one.
    y : (8985,) int ndarray
    """
    from sklearn.datasets import load_digits
    from sklearn.preprocessing import minmax_scale

    X, y = load_digits(return_X_y=True)
    framed = np.pad(X.reshape(-1, SIDE, SIDE), ((0, 0), (1, 1), (1, 1)))
    corners = (1, 1), (0, 1), (2, 1), (1, 0), (1, 2)
    copies = [framed[:, row : row + SIDE, column : column + SIDE] for row, column in corners]
    X = np.concatenate(copies).reshape(-1, SIDE * SIDE)
    return minmax_scale(X).astype(np.float32), np.tile(y, len(corners))


def bernoulli_rbm(seed):
    """scikit-learn's RBM with the settings of its example."""
    from sklearn.neural_network import BernoulliRBM

    return BernoulliRBM(n_components=100, learning_rate=0.06, n_iter=10, random_state=seed)


CONTENDERS = {
    "BernoulliRBM": bernoulli_rbm,
    "RBM()": lambda seed: RBM(random_state=seed),
    "RBM(negative='pcd')": lambda seed: RBM(negative="pcd", random_state=seed),
    "RBM(centering=True)": lambda seed: RBM(centering=True, random_state=seed),
    "RBM(centering=False)": lambda seed: RBM(centering=False, random_state=seed),
}


def as_rbm(model):
    """A BernoulliRBM as an `RBM`: the same model by its parameters."""
    if isinstance(model, RBM):
        return model
    params = {"W": model.components_.T, "b_v": model.intercept_visible_, "b_h": model.intercept_hidden_}
    return RBM.from_params(params, random_state=0)


def accuracy(model, train, train_labels, test, test_labels):
    """Of logistic regression on the model's hidden probabilities."""
    from sklearn.linear_model import LogisticRegression

    classifier = LogisticRegression(solver="newton-cg", C=6000)
    return classifier.fit(model.transform(train), train_labels).score(model.transform(test), test_labels)


def split(X, y, seed):
    from sklearn.model_selection import train_test_split

    return train_test_split(X, y, test_size=0.2, random_state=seed)


def compare(X, y, seeds, contenders=CONTENDERS):
    """Accuracy, seconds of `fit` and log-likelihood of binary test images: (n_seeds, n_contenders) ndarrays."""
    results = np.empty((3, len(seeds), len(contenders)))
    for i, seed in enumerate(seeds):
        train, test, train_labels, test_labels = split(X, y, seed)
        in_turn = list(enumerate(contenders.values()))
        for j, contender in in_turn if i % 2 else in_turn[::-1]:
            model = contender(seed)
            start = time.perf_counter()
            model.fit(train)
            seconds = time.perf_counter() - start
            likelihood = as_rbm(model).score((test > 0.5).astype(np.float32))
            results[:, i, j] = accuracy(model, train, train_labels, test, test_labels), seconds, likelihood
    return results


def comparison_rows(results, names):
    """The first table; differences and ratios are seed by seed, to the first contender."""
    accuracies, seconds, likelihoods = results
    rows = []
    for j, name in enumerate(names):
        gain = mean_and_error(accuracies[:, j] - accuracies[:, 0])
        ratio = float(np.median(seconds[:, j] / seconds[:, 0]))
        time_of = float(np.median(seconds[:, j])), ratio
        rows.append((name, *mean_and_error(accuracies[:, j]), *gain, *time_of, *mean_and_error(likelihoods[:, j])))
    return rows


def likelihood_rows(X, seeds, updates):
    """The second table: exact log-likelihoods of small models trained by CD-1 and by persistent chains."""
    binary, rows = (X > 0.5).astype(np.float32), []
    for n_updates in updates:
        scores = np.empty((2, len(seeds)))
        for i, seed in enumerate(seeds):
            train, test, *_ = split(binary, np.zeros(len(X)), seed)
            for j, negative in enumerate(("cd", "pcd")):
                model = RBM(16, negative=negative, n_updates=n_updates, learning_rate=0.02, random_state=seed)
                scores[j, i] = model.fit(train).score(test)
        cd, pcd = (mean_and_error(own) for own in scores)
        rows.append((n_updates, *cd, *pcd, *mean_and_error(scores[1] - scores[0])))
    return rows


def speed_rows(X, repeats):
    """The third table: microseconds of a minibatch in `fit` and in `partial_fit`, the median of paired repeats."""
    rows = []
    for n_rows in (10, 128):
        part, times = X[: 200 * n_rows], []
        starts = range(0, len(part) - n_rows + 1, n_rows)
        for _ in range(repeats):
            theirs = bernoulli_rbm(0).set_params(n_iter=1, batch_size=n_rows)
            models = theirs, RBM(batch_size=n_rows, n_epochs=1, random_state=0)
            times.append([])
            for model in models:
                start = time.perf_counter()
                model.fit(part)
                times[-1].append(1e6 * (time.perf_counter() - start) / -(-len(part) // n_rows))
            for model in models:
                start = time.perf_counter()
                for first in starts:
                    model.partial_fit(part[first : first + n_rows])
                times[-1].append(1e6 * (time.perf_counter() - start) / len(starts))
        fit_1, fit_2, partial_1, partial_2 = np.array(times).T
        for verb, theirs, ours in (("fit", fit_1, fit_2), ("partial_fit", partial_1, partial_2)):
            rows.append((verb, n_rows, *(float(np.median(values)) for values in (theirs, ours, ours / theirs))))
    return rows


@script
def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=10, help="splits, and seeds of the models (default: 10)")
    parser.add_argument("--out", default="results/digits", help="folder for settings.json and the CSV files")
    options = parser.parse_args(arguments)
    check_count("--seeds", options.seeds, 2)
    if find_spec("sklearn") is None:
        raise ValueError("the digits are scikit-learn's: install scikit-learn")
    folder, (X, y) = output_folder(options.out), nudged_digits()
    small, settings = range(min(options.seeds, 5)), (folder / "settings.json", vars(options))
    write_settings(*settings, ended=False)

    def show(name, columns, rows, title):
        print_table(columns, rows, title)
        write_table(folder / f"{name}.csv", columns, rows)

    title = f"Features of digits for a classifier, {options.seeds} seeds; log-likelihood of binary test images, in nats"
    show("features", COLUMNS, comparison_rows(compare(X, y, range(options.seeds)), CONTENDERS), title)
    title = f"Exact log-likelihood of binary test images, 16 hidden units, {len(small)} seeds, in nats"
    columns = "updates", "CD-1", "+-", "PCD-1", "+-", "PCD-1 minus CD-1", "+-"
    show("likelihood", columns, likelihood_rows(X, small, UPDATES), title)
    title = "Microseconds of a minibatch, 64 visible and 100 hidden units"
    show("speed", ("verb", "rows", "BernoulliRBM", "RBM", "ratio"), speed_rows(X, REPEATS), title)
    write_settings(*settings)


if __name__ == "__main__":
    run(main)
