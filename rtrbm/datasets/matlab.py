"""Reading MATLAB files that may be damaged or others than those wanted."""

from ..minibatches.bounds import check_regular
from ..minibatches.matlab import read_mat


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

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it cannot be read as a MATLAB file, or lacks a variable.
    """
    path = check_regular(path, "path")
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
    return file
