"""Reading MATLAB files that may be damaged or others than those wanted."""

import os


def existing(path):
    """The path; a FileNotFoundError if no file is there."""
    if not os.path.exists(path):
        raise FileNotFoundError(f"path: there is no file {os.fspath(path)!r}")
    return path


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
    from scipy.io import loadmat

    try:
        file = loadmat(existing(path), variable_names=names)
    except FileNotFoundError:
        raise
    except Exception as error:  # scipy meets damage with errors of many kinds: zlib.error, IndexError, OSError, ...
        reason = str(error).split("\n")[0]
        raise ValueError(
            f"path: {os.fspath(path)!r} is no MATLAB file that can be read, or only a part of one ({reason}); "
            f"compare its size with that of the original, and fetch it again"
        ) from None
    missing = [name for name in names if name not in file]
    if missing:
        raise ValueError(f"path must be a file with {', '.join(names)}, {os.fspath(path)!r} has no {missing[0]}")
    return file
