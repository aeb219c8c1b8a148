"""Arrays and tables of whatever library, as numpy arrays; errors of other libraries and of users' objects dressed."""

import contextlib
import math
import re

import h5py
import numpy as np

from . import hdf5, machine

CATEGORIES = ("cat", "enum", "dictionary")  # the beginnings of their types, in pandas, polars and pyarrow
SHOWN = 8  # columns that a message names
DECIMAL_COMMA = re.compile(r"[-+]?[\d.]*,\d+(e[-+]?\d+)?", re.I)
REMEDIES = {
    "c": "take {0}.real or abs({0})",
    "M": "times are no data: drop them (of tables: rtrbm.convert.tables({0}, time=...))",
    "m": "times are no data: drop them (of tables: rtrbm.convert.tables({0}, time=...))",
    "U": "take {0}.astype(float) if it holds numbers written as text",
    "S": "take {0}.astype(float) if it holds numbers written as text",
    "V": "take numpy.lib.recfunctions.structured_to_unstructured({0})",
}  # by the kind of a dtype


@contextlib.contextmanager
def dressed(what, where=""):
    """Context in which any error becomes a TypeError or ValueError that says what cannot be read, and where.

    Parameters
    ----------
    what : str
        The argument, and its part.
    where : str
        More of the message, " from " a file say.
    """
    try:
        yield
    except MemoryError:
        raise
    except Exception as error:
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(
            f"{what} cannot be read{where}: {type(error).__name__}: {error} (raised above; mend it there)"
        ) from error


class Sparse:
    """A sparse matrix of rows, as an array whose parts are dense.

    Parameters
    ----------
    X : (n_rows, n) sparse matrix or array
    """

    ndim = 2

    def __init__(self, X):
        self._X = X.tocsr()
        self.shape, self.dtype = X.shape, X.dtype

    def __len__(self):
        return self.shape[0]

    def __getitem__(self, rows):
        if np.ndim(rows) or isinstance(rows, slice):
            return self._X[rows].toarray()
        return self._X[[rows]].toarray()[0]

    def __array__(self, dtype=None, copy=None):
        return self._X.toarray()


def is_array(X):
    """Whether X is an array, or a table, of whatever library."""
    return hasattr(X, "__array__") or hasattr(X, "__dlpack__") or hasattr(X, "ndim") and hasattr(X, "dtype")


def is_sparse(X):
    """Whether X is a sparse matrix or array (scipy)."""
    return hasattr(X, "toarray") and hasattr(X, "tocsr")


def is_table(X):
    """Whether X is a table whose columns have names (pandas, polars, pyarrow, `rtrbm.convert.read`)."""
    return hasattr(X, "__array__") and hasattr(X, "columns")


def names_of_columns(X):
    """The names of the columns of a table, or None of anything else."""
    if not is_table(X) or callable(X.columns):
        return None
    return list(getattr(X, "column_names", X.columns))  # of pyarrow, of all others


def columns(X):
    """Pairs of a name and the values of the columns of a table."""
    if hasattr(X, "column_names"):
        return list(zip(X.column_names, X.columns))
    if hasattr(X, "iloc"):  # names may come twice
        return [(column, X.iloc[:, i]) for i, column in enumerate(X.columns)]
    return [(column, X[column]) for column in X.columns]


def check_unmasked(X, name):
    """Raise a TypeError if X is a masked array, or a list with one in it."""
    for x in X if isinstance(X, list | tuple) else [X]:
        if isinstance(x, np.ma.MaskedArray):
            raise TypeError(
                f"{name} must not be a masked array, its mask would be lost: hand in {name}.data, and "
                f"numpy.ma.getmaskarray({name}) as mask= of fit or impute"
            )


def numbers(X, name, gaps=False):
    """Real numbers as a numpy array, of their own dtype.

    Parameters
    ----------
    X : array_like, of whatever library
        Sparse ones become dense.
    name : str
        What messages call it.
    gaps : bool
        Whether a table may have missing values; they are NaN then.

    Returns
    -------
    ndarray
        Without a copy where numpy can do without.

    Raises
    ------
    TypeError, ValueError
        If X is not numeric, not rectangular, masked, a table with gaps, or cannot be read by numpy.
    """
    check_unmasked(X, name)
    if is_table(X):
        return _table(X, name, gaps)
    found = array(X, name)
    kind, itself = found.dtype.kind, name if " " not in name else "it"  # "X of file" is no expression
    if kind == "O":
        return _objects(found, X, name, gaps)
    if kind == "c":
        raise ValueError(
            f"{name} must hold real numbers, got dtype {found.dtype} (Complex data not supported); "
            + REMEDIES[kind].format(itself)
        )
    if kind not in "biuf":
        given = f"the text {X!r:.60}" if isinstance(X, str) else f"dtype {found.dtype}"
        remedy = "rtrbm.convert.read reads files" if isinstance(X, str) else REMEDIES.get(kind, "").format(itself)
        raise TypeError(f"{name} must hold real numbers, got {given}; {remedy or 'convert them first'}")
    return found


def check_ungrouped(X, name):
    """Raise a TypeError if X is a table in groups (pandas), whose members are pairs."""
    if hasattr(X, "ngroups"):
        raise TypeError(f"{name} must be sequences, got a {type(X).__name__}: take [x for _, x in {name}]")


def check_open(X, name):
    """Raise a ValueError if X is a dataset of a file that is closed."""
    if isinstance(X, h5py.HLObject) and not X:
        raise ValueError(f"{name} must be open, the HDF5 file of this dataset is closed: open it again")


def array(X, name):
    """np.asarray(X), of whatever dtype, with errors that say why X cannot be read."""
    check_open(X, name)
    if isinstance(X, h5py.Dataset):
        X = hdf5.view(X, name)
    if is_sparse(X):
        _check_dense(X, name)
    try:
        if is_sparse(X):
            return X.toarray()
        if not hasattr(X, "__array__") and hasattr(X, "__dlpack__"):
            return np.from_dlpack(X)
        return np.asarray(X)
    except MemoryError:
        raise
    except Exception as error:
        if isinstance(X, list | tuple) and type(error) is ValueError:
            raise ValueError(
                f"{name} must be a rectangular array: {error}; sequences of different lengths are a list"
            ) from error
        cast = ".float()" * ("bfloat16" in str(getattr(X, "dtype", "")))  # which numpy does not have
        remedy = f"hand in {name}.detach().cpu(){cast}.numpy()" if hasattr(X, "detach") else "hand in a numpy array"
        raise TypeError(f"{name} cannot be read as an array ({type(X).__name__}: {error}); {remedy}") from error


def _check_dense(X, name):
    """Raise a ValueError if a sparse matrix would not fit into memory as an array."""
    n_bytes, allowed = math.prod(X.shape) * X.dtype.itemsize, machine.memory()
    if n_bytes > allowed:
        raise ValueError(
            f"{name} is a sparse matrix of shape {X.shape}, which would take {-(-n_bytes // 10**9)} GB as an array, "
            f"this process may use {allowed / 1e9:.3g} GB: hand in a part of it"
        )


def _objects(array, X, name, gaps):
    """An array of Python's objects as numbers; text is none."""
    if not array.ndim:
        given = f"a {type(X).__name__}" if X is not None else "None"
        remedy = f"take list({name}.values())" if hasattr(X, "values") else "make an array of it, or a list of arrays"
        raise TypeError(f"{name} must hold real numbers, got {given}; {remedy}")
    found = np.empty(array.shape)
    for place, value in np.ndenumerate(array):
        try:
            if isinstance(value, str | bytes):
                raise TypeError("text is no number")
            found[place] = np.nan if gaps and is_gap(value) else float(value)
        except Exception as error:
            where = f"{name}[{', '.join(map(str, place))}]"
            remedy = f"take {name}.astype(float) once all of it are numbers"
            if hasattr(value, "__len__") and not isinstance(value, str | bytes | dict):
                remedy = "sequences of different lengths are a list of 2-D arrays"
            elif is_gap(value):
                remedy = "of missing values hand in mask="
            raise TypeError(
                f"{name} must hold real numbers, got dtype object: {where} is a {type(value).__name__}, "
                f"{value!r:.40} ({error}); {remedy}"
            ) from error
    return found


def is_gap(value):
    """Whether a value of a table stands for a missing one."""
    return value is None or type(value).__name__ in ("NAType", "NaTType")


def _table(X, name, gaps):
    """The columns of a table side by side; those that are no numbers, or have gaps, are named."""
    found, wrong, missing, commas, written = [], [], [], [], []
    for column, given in columns(X):
        with dressed(f"{name}, column {column!r}"):
            values = _column(given)
        if values.dtype.kind == "O":
            row, value = next((row, value) for row, value in enumerate(values) if not _is_real(value))
            wrong.append(f"{column!r} ({value!r:.40} in row {row})")
            commas += wrong[-1:] * bool(DECIMAL_COMMA.fullmatch(str(value)))
            written += wrong[-1:] * _is_written(value)
            continue
        absent = np.flatnonzero(np.isnan(values)) if values.dtype.kind == "f" else ()
        if len(absent):
            missing.append(f"{column!r} ({len(absent)}, the first in row {absent[0]})")
        found.append(values)
    if commas:
        raise TypeError(
            f"{name} has commas in the numbers of {_some(commas)}: hand in the table of pandas.read_csv(path, sep=';', "
            "decimal=',') if they are decimal ones, with thousands=',' if they part thousands"
        )
    if wrong:
        cast = f"take {name}.astype(float)" if hasattr(X, "astype") else "make numbers of them"
        remedy = f"{cast} if these are numbers written as text, or " * (len(written) == len(wrong))
        raise TypeError(
            f"{name} must hold real numbers, got others in {_some(wrong)}; {remedy}drop them "
            f"(rtrbm.convert.tables({name}, by=..., time=...) drops the names of sequences and times)"
        )
    if missing and not gaps:
        raise ValueError(
            f"{name} has missing values (NaN or NA) in {_some(missing)}; hand in their places as mask= of fit or impute"
        )
    return np.stack(found, axis=1) if found else np.empty((len(X), 0))


def _column(given):
    """A column as an array of numbers, NaN where values are missing; of objects if some are no numbers."""
    is_category = str(getattr(given, "dtype", getattr(given, "type", ""))).lower().startswith(CATEGORIES)
    values = np.asarray(given)
    if values.dtype.kind in "biuf" and not is_category:
        return values
    if is_category or values.dtype.kind in "mM":  # which would become integers
        return values.astype(str).astype(object)
    values = values.astype(object)
    if all(map(_is_real, values)):
        return np.array([np.nan if is_gap(value) else value for value in values], float)
    return values


def _is_real(value):
    return is_gap(value) or isinstance(value, bool | int | float | np.bool_ | np.integer | np.floating)


def _is_written(value):
    """Whether a value is a number, written as text."""
    try:
        float(str(value))
    except ValueError:
        return False
    return "_" not in str(value)  # Python reads 1_2 as 12


def _some(parts):
    more = f" and {len(parts) - SHOWN} more" if len(parts) > SHOWN else ""
    return f"column{'s' * (len(parts) > 1)} " + ", ".join(parts[:SHOWN]) + more
