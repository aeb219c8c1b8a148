"""``rtrbm predict``, ``denoise`` and ``impute``: from sequences to sequences of the same form."""

import numpy as np

from ..biases import n_inputs
from ..checks import about
from ..models import Stack
from .parser import ARRAYS
from .reading import check_complete, read_data, read_model
from .writing import check_one_array, check_out, say, write_sequences

WHAT = {"predict": "prediction", "denoise": "denoised", "impute": "filled"}


def run(options):
    """Apply a verb to a file and write the result."""
    verb = options.command
    check_out(options, ARRAYS, options.model, options.file)
    model = read_model(options.model)
    check_verb(model, verb, options.model)
    data = for_model(read_data(options.file, options), model)
    check_one_array(options.out, data)
    if verb != "impute":
        check_complete(data)
    say(f"{options.file}: {data}")
    found = applied(model, verb, data)
    if verb == "impute":  # in the model's dtype; what was measured keeps all digits
        found = [np.where(np.isnan(x), filled, x) for x, filled in zip(data.arrays(), found)]
    write_sequences(options.out, WHAT[verb], found, data)
    say(options.out)


def applied(model, verb, data):
    """A verb's result for each sequence."""
    with about_data(data):
        if not bottom_of(model)._is_static:
            return list(getattr(model, verb)(data.sequences))
        ends = np.cumsum([len(sequence) for sequence in data.sequences])
        return np.split(getattr(model, verb)(data.rows()), ends[:-1])


def about_data(data):
    """Context in which errors about X are about the file of the data."""
    return about(data.path, *([r"X\[0\]"] if data.form == "one" else []), "X")


def bottom_of(model):
    """The layer of a model that sees the data."""
    return model.layers[0] if isinstance(model, Stack) else model


def check_verb(model, verb, path):
    """Raise unless a command can call this verb of a model."""
    if not hasattr(model, verb):
        raise ValueError(f"MODEL must be one that can {verb}, {path!r} holds one of class {type(model).__name__}")
    if n_inputs(bottom_of(model).params_):
        raise ValueError(f"MODEL: {path!r} was trained with inputs=, which no command takes: call {verb} in Python")


def for_model(data, model):
    """Data with the columns of a model, in its order; raises as `with_columns`."""
    bottom = bottom_of(model)
    return with_columns(data, getattr(bottom, "feature_names_in_", None), bottom.n_features_in_)


def with_columns(data, names, n_features):
    """Data with the columns of the training data, in their order.

    Parameters
    ----------
    data : Data
    names : sequence of str or None
        Those of the columns in training.
    n_features : int
        Their number.

    Returns
    -------
    Data

    Raises
    ------
    ValueError
        If there are more or fewer, a column is missing, or was not there in training.
    """
    known, n = [] if names is None else list(names), data.sequences[0].shape[1]
    if data.names is None or names is None:
        if n != n_features:
            raise ValueError(f"{data.path!r} must have the {n_features} features of the training data, got {n}")
        return data
    missing = [name for name in known if name not in data.names]
    new = [name for name in data.names if name not in known]
    if missing:
        raise ValueError(f"{data.path!r} must have the columns of the training data, it lacks {_some(missing)}")
    if new:
        raise ValueError(
            f"{data.path!r} must have the columns of the training data alone, it has {_some(new)} besides: --time "
            f"{new[0]} if it holds times, --by {new[0]} if it names the sequence of a row, or leave it out"
        )
    if known == data.names:
        return data
    say(f"{data.path}: columns are taken in the order of training, {_some(known)}")
    return data._replace(sequences=[sequence[known] for sequence in data.sequences], names=known)


def _some(names):
    return ", ".join(names[:5]) + ", ..." * (len(names) > 5)
