"""``rtrbm score``: the error of the next frame beside predictors without a model, and the log-likelihood."""

import numpy as np

from ..report.parts import bounds, n_taps_of
from .errors import COLUMNS, error_rows
from .reading import check_complete, check_follows, check_unnamed, read_data, read_model
from .verbs import about_data, applied, bottom_of, check_verb, for_model
from .writing import print_table, say

SELF = ", fitted to these data"


def run(options):
    """Print the table of errors, and the log-likelihood if it is asked for."""
    model = read_model(options.model)
    check_verb(model, "score", options.model)
    data = for_model(read_data(options.file, options), model)
    check_complete(data)
    if bottom_of(model)._is_static:
        for option, given in (("--train", options.train), ("--likelihood", options.likelihood)):
            if given is not None:
                raise ValueError(f"{option} is for models of sequences, an RBM has one number of rows: leave it out")
    train = None
    if options.train is None:
        check_unnamed("--train", options.train_name)
    else:
        train = for_model(read_data(options.train, options, "--train", options.train_name), model)
        check_complete(train)
    say(f"{options.file}: {data}")
    if bottom_of(model)._is_static:
        with about_data(data):
            say(f"log-likelihood: {model.likelihood(data.rows())}".replace("frame", "row"))
        return
    for scored in (data, train or data):
        check_follows(scored)
    print_errors(model, data, train)
    if options.likelihood is not None:
        check_verb(model, "likelihood", options.model)
        with about_data(data):
            print_likelihood(model, data, options.likelihood)


def print_errors(model, data, train=None, where=""):
    """Print the one-step errors of a model beside those of predictors without one, and return the rows.

    Parameters
    ----------
    model : model of sequences
    data : Data
    train : Data, optional
        What the predictors without a model are fitted to; `data` itself if it is not given.
    where : str
        What the data are, for the title.
    """
    X = data.arrays()
    known = X if train is None else train.arrays()
    bottom = bottom_of(model)
    predicted = applied(model, "predict", data)
    of_train = SELF if train is None else ""
    name = f"this {type(model).__name__}"
    rows = error_rows(name, predicted, X, known, bounds(bottom), n_taps_of(bottom), of_train)
    columns = COLUMNS if len(X) > 1 else COLUMNS[:2]  # one sequence says nothing of the spread
    print_table(
        columns, [row[: len(columns)] for row in rows], f"Squared error of the next frame{where}, frames 2 to the last"
    )
    return rows


def print_likelihood(model, data, n_frames):
    """Print the log-likelihood per frame: of all frames if it can be summed at once, else of the first so many."""
    lengths = [len(sequence) for sequence in data.sequences]
    sequences, what = data.sequences, ""
    if not model._is_quick(sum(lengths)) and sum(lengths) > n_frames:
        before = np.cumsum([0, *lengths[:-1]])
        kept = [(x, n_frames - start) for x, start in zip(sequences, before) if start < n_frames]
        sequences, what = [x[:n] for x, n in kept], f" of the first {n_frames} frames"
    say(f"\nlog-likelihood{what}: {model.likelihood(sequences)}")
