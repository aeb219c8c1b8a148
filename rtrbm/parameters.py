"""Parameters are NamedTuples of arrays, in which a part that a model does without is None."""

import numpy as np


def each(function, *params):
    """Apply a function to the arrays of one name in several NamedTuples, name by name.

    Parameters
    ----------
    function : callable (array, ...) -> array
    *params : NamedTuples of arrays
        All have the fields of the first one, and None in the same places.

    Returns
    -------
    NamedTuple of the type of the first one
        None where the first one has None.

    Examples
    --------
    >>> from rtrbm.biases import Biases
    >>> each(lambda a, b: a + b, Biases(1, None), Biases(2, None))
    Biases(v=3, h=None)
    """
    return type(params[0])(*(None if parts[0] is None else function(*parts) for parts in zip(*params)))


def empty_like(array):
    """A new array in memory, of the shape and dtype of one that may be a memory map."""
    return np.empty(array.shape, array.dtype)


def arrays(params):
    """The arrays of a NamedTuple, without the parts that are None.

    Examples
    --------
    >>> from rtrbm.biases import Biases
    >>> arrays(Biases(1, None))
    [1]
    """
    return [part for part in params if part is not None]


def filled(like, values):
    """The NamedTuple `like`, its arrays replaced by `values`, one for each in order."""
    values = iter(values)
    return type(like)(*(None if part is None else next(values) for part in like))


def is_matrix(name, array):
    """Whether a parameter of that name is a matrix, or several of them, that acts on states.

    Not so are biases (b..., also those of several frames), gates of single weights (G...), and vectors.
    """
    return array.ndim > 1 and name[0] not in "bG"
