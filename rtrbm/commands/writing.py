"""What commands write: tables, arrays, pictures, settings. Every file is whole or not there."""

import contextlib
import csv
import io
import json
import os
import pathlib
import platform
import shutil

import h5py
import numpy as np

from ..machine import processors
from ..replacing import check_path, replacing
from .reading import SEQUENCE


def check_out(options, endings, *paths, writes=None):
    """Raise, before any work, unless the file of `--out` can be written.

    Parameters
    ----------
    options : argparse.Namespace
    endings : tuple of str
        Of files that the command writes.
    *paths : str
        Files that are read.
    writes : iterable of str, optional
        Files that are written, if it is not this one alone.

    Raises
    ------
    ValueError, ImportError
        If its name has another ending, it is a folder, is in none, is there already, is read or write-protected, if
        another file that is written is so, or if a library or program for files of its kind is not installed.
    """
    path, ending = options.out, ending_of(options.out)
    if ending not in endings:
        raise ValueError(f"--out must end in one of {', '.join(endings)}, got {path!r}")
    if not os.path.isdir(os.path.dirname(os.path.abspath(path))):
        raise ValueError(f"--out must be in a folder that exists, got {path!r}")
    if os.path.isdir(path):
        raise ValueError(f"--out must be a file, {path!r} is a folder")
    paths = [read for read in paths if read]
    if not all(map(os.path.exists, paths)):
        return  # their reader says which one is missing
    if any(os.path.exists(path) and os.path.samefile(read, path) for read in paths):
        raise ValueError(f"--out must not be a file that is read, got {path!r}")
    resume = getattr(options, "resume", None)
    files = writes or [path]
    there = list(filter(os.path.exists, files))
    if there and not options.force and not resume:
        more = "" if resume is None else ", --resume goes on with it"
        raise ValueError(f"--out: {there[0]!r} is there already; --force replaces it{more}")
    for file in files:
        check_path("--out", file)
    if ending == ".mp4" and shutil.which("ffmpeg") is None:
        raise ValueError(f"--out {path}: an .mp4 file wants the program ffmpeg, which is not installed; take a .gif")
    library = {".gif": "matplotlib", ".png": "matplotlib", ".mid": "mido"}.get(ending)
    if library is not None and not has(library):
        extra = "music" if library == "mido" else "figures"
        raise ImportError(f"--out {path}: {ending} files want {library}: pip install 'rtrbm[{extra}]'")


def has(library):
    """Whether a library can be imported; matplotlib stands for Pillow too, which comes with it."""
    from importlib.util import find_spec

    return find_spec(library) is not None


def ending_of(path):
    """The ending of a file's name, in lower case."""
    return os.path.splitext(path)[1].lower()


# ------------------------------------------------------------------------------------------- tables and settings


def write_table(path, columns, rows):
    """Write rows as CSV, beneath the names of their columns unless these are None."""
    with replacing(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerows([] if columns is None else [columns])
        writer.writerows(rows)


def exact(value):
    """A label or a time as text, with all digits of a number."""
    return np.format_float_positional(value, trim="-") if isinstance(value, float) else str(value)


def print_table(columns, rows, title=None):
    """Print rows under their columns; floats with four significant digits, NaN and None as a blank."""
    cells = [[_cell(value) for value in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(columns, *cells)]
    if title:
        print(f"\n{title}")
    for line in [columns, ["-" * width for width in widths], *cells]:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip(), flush=True)


def _cell(value):
    if value is None or value != value:
        return ""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def say(text):
    """Print a line at once: a sign of life."""
    print(text, flush=True)


def settings_of(path):
    """The file of settings beside that of a model."""
    return f"{os.path.splitext(path)[0]}.settings.json"


@contextlib.contextmanager
def making(folder):
    """Context in which the folder of --out is made; if it cannot be, the message names it."""
    try:
        yield
    except OSError as error:
        raise ValueError(f"--out must be a folder that can be made, got {folder!r}: {error.strerror}") from None


KEPT = {"minutes": int | float | None, "window": int | None, "warnings": list}


def earlier_settings(path):
    """The settings that `write_settings` wrote there, without those of another kind; none if they cannot be read."""
    try:
        with open(path, encoding="utf-8") as file:
            found = json.load(file)
    except (OSError, ValueError):
        return {}
    found = found if isinstance(found, dict) else {}
    return {name: value for name, value in found.items() if isinstance(value, KEPT.get(name, object))}


def write_settings(path, settings, **versions):
    """Write settings as JSON, with the machine and the versions of everything that took part."""
    from ..report import about

    everything = {**settings, "versions": {**dict(about.versions()), **versions}, "machine": machine()}
    with replacing(path) as temporary:
        pathlib.Path(temporary).write_text(json.dumps(everything, indent=2) + "\n", encoding="utf-8")


def machine():
    """The processors of this process, and their vector instructions as numpy finds them (from its version 1.26 on)."""
    config = np.show_config(mode="dicts") if np.lib.NumpyVersion(np.__version__) >= "1.26.0" else {}
    simd = config.get("SIMD Extensions", {}).get("found", [])
    return {"processors": processors(), "architecture": platform.machine(), "simd": " ".join(simd)}


def mark(path):
    """What tells a file from another that takes its place; None if there is none."""
    with contextlib.suppress(FileNotFoundError):
        status = os.stat(path)
        return status.st_ino, status.st_mtime_ns


def say_stopped(command, path, before, resume):
    """Say how to go on after Ctrl-C; `before` is the `mark` of the checkpoint before the run."""
    if resume and before is not None or mark(path) != before:
        how = f"the same command with --resume goes on from {path}"
    else:
        how = "nothing had been learned yet" + (f"; {path} is that of an earlier run" if before is not None else "")
    say(f"\nrtrbm {command}: stopped; {how}")


def check_one_array(path, data):
    """Raise if an .npy file, which holds one array, is to hold several sequences."""
    n = len(data.sequences)
    if ending_of(path) == ".npy" and data.form == "list" and n > 1:
        raise ValueError(f"--out must be .npz or .h5 for {n} sequences, got {path!r}: .npy holds one array")


def save_figure(figure, path):
    """Write a figure, of the kind that the ending says, whole or not at all."""
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=200)


# ------------------------------------------------------------------------------------------------- sequences


def write_sequences(path, what, sequences, like):
    """Write sequences as .csv, .npz, .npy or .h5.

    A CSV has the columns and the order of rows of the table that was read. Without one it has a column of the
    sequences' names, if there are several (`sequence`, counted from 0), and the features; no header if there is one
    sequence. Numbers are written such that they are read as the same. The other kinds have the features in the order of
    the table, and the rows of each sequence together. They hold one array
    (n_frames, n_features), or (n_sequences, n_frames, n_features) where sequences were one array, or an array for each
    sequence where they were several.

    Parameters
    ----------
    path : str
    what : str
        The name of the array.
    sequences : list of (n_frames_i, n_features) arrays
    like : Data
        What the sequences belong to.
    """
    ending = ending_of(path)
    if ending == ".csv":
        write_table(path, *_as_table(sequences, like))
        return
    names = like.names
    if like.columns is not None:
        names = [name for name in like.columns if name in like.names]
        sequences = [sequence[:, [like.names.index(name) for name in names]] for sequence in map(np.asarray, sequences)]
    write_arrays(path, _as_arrays(what, sequences, like.form), names)


def write_arrays(path, arrays, names=None):
    """Write arrays by their names as .npz or .h5, where a slash parts a group from its members, or one as .npy."""
    ending, held = ending_of(path), io.BytesIO()
    if ending == ".h5":
        with h5py.File(held, "w", libver=("v108", "latest")) as file:  # before, attributes had 64 kB at most
            for name, array in arrays.items():
                file[name] = array
                if names is not None:
                    file[name].attrs["features"] = list(names)
    elif ending == ".npy":
        np.save(held, *arrays.values())
    else:
        np.savez(held, **{name.replace("/", "_"): array for name, array in arrays.items()})
    with replacing(path) as temporary, open(temporary, "wb") as file:
        file.write(held.getbuffer())


def _as_arrays(what, sequences, form):
    if form == "list" and len(sequences) > 1:
        digits = len(str(len(sequences) - 1))
        return {f"{what}/{i:0{digits}d}": sequence for i, sequence in enumerate(sequences)}
    return {what: np.stack(sequences) if form == "array" else sequences[0]}


def _as_table(sequences, like):
    """The columns and rows of sequences; no names of columns if nothing has a name."""
    features = feature_columns(sequences[0].shape[1], like.names)
    labels = like.labels
    if labels is None and len(sequences) > 1:
        labels = list(range(len(sequences)))
    columns = [like.by or SEQUENCE] * (labels is not None) + [like.time] * (like.times is not None)

    def row(i, t):
        first = [] if labels is None else [exact(labels[i])]
        return [*first, *([] if like.times is None else [exact(like.times[i][t])]), *map(str, sequences[i][t])]

    columns = [*columns, *features] if columns or like.names is not None else None
    rows = [row(i, t) for i, sequence in enumerate(sequences) for t in range(len(sequence))]
    if like.places is None:
        return columns, rows
    in_order, at = np.argsort(np.concatenate(like.places)), [columns.index(name) for name in like.columns]
    return like.columns, ([rows[i][j] for j in at] for i in in_order)


def feature_columns(n, names):
    """The columns of n features."""
    return [f"feature_{i}" for i in range(n)] if names is None else list(names)
