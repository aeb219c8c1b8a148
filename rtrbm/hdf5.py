"""Datasets of HDF5 files whose attributes say how their numbers are to be read.

MATLAB reverses the axes, netCDF and NWB scale the values and mark those that are missing, pandas and AnnData spread a
table over several datasets. What is read here is read as it was meant; the rest is refused, and the message names the
attribute.
"""

import re

import h5py
import numpy as np

TIME = ("time", "times", "frame", "frames", "t", "step", "timestep")  # labels of the axis of frames
SAMPLES = ("sample", "samples")  # of frames too, but for the first of three axes, which may be that of sequences
NUMBERS = ("", "double", "single", "logical", *(f"{sign}int{n}" for sign in ("", "u") for n in (8, 16, 32, 64)))
MISSING, SCALE, OFFSET = ("_FillValue", "missing_value"), ("scale_factor", "conversion"), ("add_offset", "offset")
REFUSED = {
    "pandas_type": "pandas wrote it: read it with pandas.read_hdf and hand in the table",
    "MATLAB_sparse": "it is a sparse matrix of MATLAB: save full(X)",
    "MATLAB_empty": "it is an empty array of MATLAB",
    "neurodata_type": "it is an object of NWB: name the dataset in it",
    "rhdf5-NA.OK": "R wrote it, perhaps with its axes reversed: read it with h5py and hand in the array",
    "julia type": "Julia wrote it, with its axes reversed: read it with h5py and hand in the transposed array",
}  # attributes of groups and datasets that cannot be read as an array
HIDDEN = ("#refs#", "#subsystem#")  # MATLAB's own groups


def view(stored, name="X"):
    """A dataset or group as its attributes say it is to be read.

    Parameters
    ----------
    stored : h5py.Dataset or h5py.Group
    name : str
        What messages call it.

    Returns
    -------
    h5py.Dataset or h5py.Group
        `stored` itself if no attribute says anything.
    View
        A dataset whose axes are reversed, or whose values are scaled or missing.
    Cells
        A cell of MATLAB.

    Raises
    ------
    ValueError
        If it is no array, or has its axes in another order; the message names the attribute.
    """
    if not isinstance(stored, h5py.Group | h5py.Dataset):
        raise ValueError(f"{name}: {stored.name!r} is a data type, no dataset")
    attributes = dict(stored.attrs)
    for attribute, why in REFUSED.items():
        # NWB's name on a dataset says nothing about its numbers; a part of a pandas table is no table.
        holds = attribute in attributes and not (attribute == "neurodata_type" and isinstance(stored, h5py.Dataset))
        if holds or attribute == "pandas_type" and attribute in stored.parent.attrs:
            whose = stored if attribute in attributes else stored.parent
            raise ValueError(
                f"{name}: {whose.name!r} has the attribute {attribute}={whose.attrs[attribute]!r}, {why}"
            )
    encoding = _text(attributes.get("encoding-type", "array"))
    if encoding != "array":
        raise ValueError(
            f"{name}: {stored.name!r} has the attribute encoding-type={encoding!r}: read it with anndata and hand in "
            "the array"
        )
    kind = _text(attributes.get("MATLAB_class", ""))
    if isinstance(stored, h5py.Group):
        if kind:
            raise ValueError(f"{name}: {stored.name!r} has the attribute MATLAB_class={kind!r}: name one of its fields")
        return stored
    if kind == "cell":
        return Cells(stored, name)
    if kind not in NUMBERS or stored.dtype.kind == "O":
        held = "texts" if h5py.check_string_dtype(stored.dtype) else "references to other objects"
        what = f"the attribute MATLAB_class={kind!r}" if kind else held
        raise ValueError(f"{name}: {stored.name!r} has {what}, no numbers: name a dataset of numbers")
    _check_labels(stored, name)
    missing = [attributes[key] for key in MISSING if key in attributes]
    scale, offset = _factor(stored, SCALE, 1, name), _factor(stored, OFFSET, 0, name)
    unsigned = stored.dtype.kind == "i" and _text(attributes.get("_Unsigned", "")).lower() == "true"
    if kind or scale != 1 or offset != 0 or missing or unsigned:
        return View(stored, bool(kind), scale, offset, missing, unsigned)
    return stored


def names_in(file, limit):
    """The names of the datasets of a file that may be data, at most so many; scales of axes are none.

    Parameters
    ----------
    file : h5py.File
    limit : int

    Returns
    -------
    list of str
    """
    names = []

    def note(name, stored):
        if isinstance(stored, h5py.Dataset) and not stored.is_scale and not name.startswith(HIDDEN):
            names.append(name)
        return None if len(names) < limit else "enough"

    file.visititems(note)
    return names


def members(group):
    """The names of what a group holds, but for MATLAB's own groups and scales of axes; numbers in names are counted."""
    found = {name: group.get(name) for name in sorted(group, key=_counted) if name not in HIDDEN}
    return [name for name, member in found.items() if not (isinstance(member, h5py.Dataset) and member.is_scale)]


def _counted(name):
    """What a name is sorted by: walk_2 comes before walk_10."""
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in re.split(r"(\d+)", name) if part]


def array_in(group, key, name):
    """A member of a group as `view` has it; raises a ValueError if it is no array."""
    if group.get(key) is None:
        raise ValueError(f"{name}: {group.name!r} holds the link {key!r}, which leads nowhere: take it out")
    member = view(group[key], f"{name}[{key!r}]")
    if isinstance(member, h5py.Group | Cells):
        kind = "cell" if isinstance(member, Cells) else "group"
        raise ValueError(f"{name}: {group.name!r} holds the {kind} {key!r}, which is no array: name it by itself")
    return member


def _text(value):
    return value.decode() if isinstance(value, bytes) else str(value)


def _factor(stored, keys, default, name):
    for key in keys:
        if key in stored.attrs:
            value = np.asarray(stored.attrs[key])
            if value.size != 1 or value.dtype.kind not in "biuf":
                raise ValueError(f"{name}: {stored.name!r} must have one number as its attribute {key}, got {value!r}")
            return value.item()
    return default


def _check_labels(stored, name):
    """Raise if the labels or scales of the axes say that frames are not the last axis but one."""
    labels = [axis.label or (axis[0].name.rsplit("/", 1)[-1] if len(axis) else "") for axis in stored.dims]
    known = [TIME if n == 0 and len(labels) > 2 else TIME + SAMPLES for n in range(len(labels))]
    where = [n for n, label in enumerate(labels) if label.lower() in known[n]]
    if len(labels) > 1 and where and len(labels) - 2 not in where:
        attribute = "DIMENSION_LABELS" if "DIMENSION_LABELS" in stored.attrs else "DIMENSION_LIST"
        remedy = "hand in the transposed array"
        if len(labels) > 2 and where[0] == 0:
            remedy = "hand in X.reshape(1, len(X), -1), which has the numbers of a frame in a row"
        raise ValueError(
            f"{name}: {stored.name!r} has the axes {tuple(labels)} by its attribute {attribute}, but frames are wanted "
            f"on the last axis but one: read it with h5py and {remedy}"
        )


class View:
    """A dataset read through its attributes: ``view[i]``, ``view[a:b]`` and so on are arrays.

    Parameters
    ----------
    dataset : h5py.Dataset
    is_reversed : bool
        Whether the file has its axes in reversed order.
    scale, offset : float
        A value is scale * number + offset.
    missing : list
        Numbers that stand for missing values, read as NaN.
    unsigned : bool
        Whether integers with a sign stand for those without, as in netCDF 3.
    """

    def __init__(self, dataset, is_reversed, scale, offset, missing, unsigned=False):
        self._dataset, self._reversed, self._unsigned = dataset, is_reversed, unsigned
        self._scale, self._offset, self._missing = scale, offset, missing
        self.file, self.name = dataset.file, dataset.name
        self.shape = dataset.shape[::-1] if is_reversed else dataset.shape
        self.ndim = len(self.shape)
        self._are_numbers = dataset.dtype.kind in "biuf" and bool(missing or scale != 1 or offset != 0)
        self.dtype = np.dtype(float) if self._are_numbers else self._without_sign(dataset.dtype)

    def __len__(self):
        return self.shape[0]

    def __getitem__(self, key):
        if self._reversed and key != ():
            key = key if isinstance(key, tuple) else (key,)
            key = (*key, *[slice(None)] * (self.ndim - len(key)))[::-1]
        numbers = self._dataset[key]
        numbers = numbers.view(self._without_sign(numbers.dtype))
        numbers = numbers.T if self._reversed else numbers
        if not self._are_numbers:
            return numbers
        values = numbers.astype(float) * self._scale + self._offset
        for mark in self._missing:
            mark = np.asarray(mark)
            if numbers.dtype.kind == "f" or self._unsigned:
                with np.errstate(over="ignore"):
                    mark = mark.astype(numbers.dtype)  # a mark of 1e20 in double precision is another number in single
            values = np.where(np.isin(numbers, mark), np.nan, values)
        return values

    def _without_sign(self, dtype):
        return np.dtype(dtype.str.replace("i", "u")) if self._unsigned else dtype

    def __array__(self, dtype=None, copy=None):
        return np.asarray(self[()], dtype)


class Cells:
    """A cell of MATLAB: ``cells[i]`` is array i.

    Parameters
    ----------
    dataset : h5py.Dataset
        Of references, in one row or one column.
    name : str
    """

    def __init__(self, dataset, name):
        if dataset.size != max(dataset.shape, default=0):
            raise ValueError(f"{name}: the cell {dataset.name!r} must be one row or column, got shape {dataset.shape}")
        self.file, self._references, self._name = dataset.file, dataset[()].ravel(), name

    def __len__(self):
        return len(self._references)

    def __getitem__(self, i):
        return self.member(i)[()]

    def stored(self, i):
        """Array i as the file has it."""
        return self.file[self._references[i]]

    def member(self, i):
        """Array i, its numbers unread: a dataset or a `View`."""
        name = f"{self._name}[{i}]"
        member = view(self.stored(i), name)
        if isinstance(member, h5py.Group | Cells):
            raise ValueError(f"{name} must be an array, got another cell or a struct: take the arrays out of it")
        return member
