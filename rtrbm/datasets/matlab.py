"""Reading MATLAB files that may be damaged or others than those wanted."""

import math

from ..foreign import is_sparse
from ..minibatches.bounds import Budget, check_regular
from ..minibatches.matlab import RATIO, read_mat

HDF5 = b"MATLAB 7.3 MAT-file", b"\x89HDF"  # the first bytes of files of version 7.3


def read_matlab(path, *names):
    """The variables of a MATLAB file (of version 4 to 7.2).

    Parameters
    ----------
    path : path-like
    *names : str
        The variables that it must hold.

    Returns
    -------
    dict
        Sparse matrices are dense.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it cannot be read as a MATLAB file, lacks a variable, or has a sparse matrix that is too large to be dense.
    """
    path = check_regular(path, "path")
    with open(path, "rb") as start:
        if start.read(32).startswith(HDF5):
            raise ValueError(
                f"path: {path!r} is of MATLAB's version 7.3 (HDF5), those up to 7.2 are read: save it anew in MATLAB "
                "with the option -v7"
            )
    try:
        file = read_mat(path, names)
    except ValueError as error:
        raise ValueError(
            f"path: {path!r} is no MATLAB file that can be read, or only a part of one ({error}); "
            f"compare its size with that of the original, and fetch it again"
        ) from None
    missing = [name for name in names if name not in file]
    if missing:
        raise ValueError(f"path must be a file with {', '.join(names)}, {path!r} has no {missing[0]}")
    budget = Budget(path, RATIO)
    for name in names:
        file[name] = found = dense(file[name], f"path: {name} of {path!r}", budget)
        for i, part in enumerate(found.flat if found.dtype == object else ()):
            found.flat[i] = dense(part, f"path: {name}[{i}] of {path!r}", budget)
    return file


def dense(array, name, budget):
    """A sparse matrix as an array, if the size of its file explains as much; anything else as it is.

    Parameters
    ----------
    array : ndarray or sparse matrix
    name : str
        What messages call it.
    budget : `rtrbm.minibatches.bounds.Budget`
    """
    if not is_sparse(array):
        return array
    budget.take(math.prod(array.shape) * array.dtype.itemsize, name)
    return array.toarray()
