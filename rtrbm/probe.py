"""A look at HDF5 files of unknown origin in a process of its own.

A damaged or hostile HDF5 file can crash the HDF5 library, or keep it busy for ever. So another process opens it first,
with limits on its time and memory: it runs this very file. `tables` is for model files: it tells where in the file the
arrays are, so that they can be read without HDF5. `check` is for files of data: it reads in them what this process is
about to read.
"""

import contextlib
import faulthandler
import json
import os
import signal
import subprocess
import sys
import time

import h5py
import numpy as np

try:
    import resource
except ImportError:  # Windows
    resource = None

SECONDS = {"tables": 1.0, "survey": 3.0}  # of a processor, for a look at a file
MORE, RATE = 30, 2**27  # at most so many seconds more for a large file of data, one for every so many bytes
WAITED = 10  # times as long it may take on a busy machine
START = 60  # seconds in which a process starts on a busy machine
MEMORY = {"tables": 3 * 2**25, "survey": 2**29}  # bytes that a look takes
DEPTH, LONGEST = 8, 2**21  # of groups in groups, and bytes of an answer
READ, PIECE = 2**26, 2**22  # bytes of data that are read in a file, and at a time
ENOUGH = 1.5  # seconds after which what is left of a file of data is not looked at
KINDS = "iufbS"  # of arrays in a model file: numbers and texts of one length
# The paths of modules are those of the process that asks: it has imported h5py from there.
CODE = "import json, runpy, sys; sys.path[:] = json.loads(sys.argv[1]); runpy.run_path(sys.argv[2], {}, '__main__')"
_passed = set()  # files that passed the check, as they were then


class Outside(ValueError):
    """A file takes data from one outside its folder."""


def check(path, name=None):
    """Raise a ValueError if it is not safe to read data from an HDF5 file.

    It is not if the HDF5 library crashes or does not come to an end there, or if the file takes data from files outside
    its folder (external links, virtual datasets) or has external storage. Any other fault raises an ordinary error when
    it is read. What is looked at is the dataset or group meant, then all others, as far as `ENOUGH` seconds reach. A
    file that passed is not looked at again, and none is in a program without a Python interpreter.

    Parameters
    ----------
    path : str
    name : str, optional
        The dataset or group that is meant.
    """
    status = os.stat(path)
    state = os.path.realpath(path), name, status.st_size, status.st_mtime_ns, status.st_ino
    if state not in _passed and _can_ask():
        _asked("survey", path, name or "/")
        _passed.add(state)


def check_inside(member, folder):
    """Raise `Outside` if a dataset or group lies in a file outside a folder, or takes data from one.

    Parameters
    ----------
    member : h5py.Dataset or h5py.Group
        As links of whatever kind led to it.
    folder : str
        Its real path.
    """
    path = os.path.abspath(member.file.filename)
    for other in {path} | (_sources(member) - {"."} if isinstance(member, h5py.Dataset) else set()):
        _target(other, path, folder)


def _sources(dataset):
    """The names of the files that a dataset takes its values from."""
    found = set()
    with contextlib.suppress(Exception):
        if dataset.is_virtual:
            found.update(source.file_name for source in dataset.virtual_sources())
        found.update(f"{name} (external storage)" for name, *_ in dataset.external or ())  # found from any folder
    return found


def _target(other, path, folder):
    """The real path of a file that another one takes data from; raises `Outside` if that is not in a folder."""
    target = os.path.realpath(os.path.join(os.path.dirname(path), other))
    if os.path.dirname(target) != folder or not os.path.isfile(target):
        raise Outside(
            f"it takes data from another file, {other!r}, which is not in its folder: copy the data into one file, "
            "or hand in the open h5py dataset"
        )
    return target


def tables(path):
    """The texts and arrays of an HDF5 file of a model, as `table` gives them; HDF5 works in another process.

    Raises
    ------
    ValueError
        If it cannot be read, or `table` refuses it.
    """
    return _asked("tables", path)


def table(group, depth=0):
    """The texts and arrays of an HDF5 group, without their values.

    Parameters
    ----------
    group : h5py.Group

    Returns
    -------
    dict
        Of each text, kept as an attribute, a str; of each dataset [dtype, shape, offset in the file]; of each group
        such a dict.

    Raises
    ------
    ValueError
        If there are links, or datasets other than contiguous ones in the file itself.
    """
    if depth > DEPTH:
        raise ValueError(f"groups lie in groups, more than {DEPTH}")
    found = {name: text for name in group.attrs for text in _text(group.attrs, name)}
    for name in group:
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            raise ValueError(f"{name!r} is a link")
        member = group[name]
        found[name] = table(member, depth + 1) if isinstance(member, h5py.Group) else _place(member)
    return found


def _text(attributes, name):
    """The attribute of that name if it is one text, in a list."""
    kept = attributes.get_id(name)
    is_text = kept.shape == () and h5py.check_string_dtype(kept.dtype) is not None
    value = attributes[name] if is_text else None
    return [value] if isinstance(value, str) else []


def _place(dataset):
    """The dtype, shape and offset of a dataset, an offset of 0 if it is empty."""
    if not isinstance(dataset, h5py.Dataset) or dataset.shape is None or dataset.dtype.kind not in KINDS:
        raise ValueError(f"{dataset.name!r} is no array of numbers")
    layout = dataset.id.get_create_plist()
    if layout.get_layout() != h5py.h5d.CONTIGUOUS or layout.get_external_count():
        raise ValueError(f"{dataset.name!r} does not lie in the file as it is")
    offset = dataset.id.get_offset() if dataset.size else 0
    if offset is None:
        raise ValueError(f"{dataset.name!r} has no values")
    return [dataset.dtype.str, list(dataset.shape), int(offset)]


def _can_ask():
    """Whether there is an interpreter to start; a frozen program would start itself."""
    return bool(sys.executable) and not getattr(sys, "frozen", False)


def _asked(task, path, name="/"):
    """The answer of another process about a file."""
    if not _can_ask():
        raise ValueError("no other process can look at it: there is no Python interpreter")
    seconds = SECONDS[task] + (min(MORE, os.path.getsize(path) / RATE) if task == "survey" else 0)
    folders = json.dumps([folder for folder in sys.path if os.path.isabs(folder)])
    path, name = os.path.abspath(path), name.replace("\0", "")
    command = [sys.executable, "-I", "-c", CODE, folders, __file__, task, path, name, str(seconds)]
    settings = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=START + WAITED * seconds,
            env=os.environ | settings,
        )
    except subprocess.TimeoutExpired:
        done = None
    except OSError as error:
        raise ValueError(f"no other process can look at it: {error}") from error
    if done is not None and done.stdout:
        answer = json.loads(done.stdout)
        if "error" not in answer:
            return answer["found"]
        raise ValueError(answer["error"])
    if done is not None and b"Error" in done.stderr:  # of Python, before it looked at the file
        raise ValueError(f"no other process can look at it: {done.stderr.decode(errors='replace').splitlines()[-1]}")
    if done is None or done.returncode in (1, -getattr(signal, "SIGPROF", 1)):
        raise ValueError(f"the HDF5 library did not come to an end with it in {seconds:.1f} seconds")
    raise ValueError("the HDF5 library crashes on it")


# ------------------------------------------------------------------------------- in the other process


def _answer(task, path, name, seconds):
    """Do a task, and print the answer as JSON."""
    with open(os.devnull, "w", encoding="utf-8") as null:
        faulthandler.dump_traceback_later(WAITED * float(seconds), exit=True, file=null)  # ends this process
        if hasattr(signal, "setitimer"):
            signal.signal(signal.SIGPROF, signal.SIG_DFL)
            signal.setitimer(signal.ITIMER_PROF, float(seconds))  # so does this
        if resource is not None:
            with contextlib.suppress(OSError, ValueError):  # less may be allowed already
                resource.setrlimit(resource.RLIMIT_AS, (_address_space() + MEMORY[task],) * 2)
        answer = _found(task, path, name)
    text = json.dumps(answer)
    if len(text) > LONGEST:
        text = json.dumps({"error": f"it has more than {LONGEST} bytes of names and texts"})
    sys.stdout.write(text)
    sys.stdout.flush()
    os._exit(0)  # HDF5's own end may crash after a damaged file


def _found(task, path, name):
    """The answer to a task."""
    try:
        if task == "survey":
            folder, until = os.path.dirname(os.path.realpath(path)), time.process_time() + ENOUGH
            return {"found": _survey(path, name, folder, set(), until)}
        with h5py.File(path, "r") as file:
            return {"found": table(file)}
    except Exception as error:
        return {"error": f"{error}" or type(error).__name__}


def _address_space():
    """Bytes of address space in use, as far as the system tells; what is usual if it does not."""
    try:
        with open("/proc/self/statm", "rb") as file:
            return int(file.read().split()[0]) * resource.getpagesize()
    except OSError:
        return 2**32


def _survey(path, name, folder, seen, until):
    """Read in a file, and in those that it takes data from; a ValueError if one of them is outside a folder."""
    seen.add(path)
    others, budget, addresses, datasets = set(), [READ], set(), []
    try:
        file = h5py.File(path, "r")
    except OSError:
        return  # and so it is for the process that asks
    waiting = [file]
    with contextlib.suppress(Exception):
        waiting += _named(file, name, others)
    while waiting and time.process_time() < until:
        member = waiting.pop()
        with contextlib.suppress(Exception):
            address = h5py.h5o.get_info(member.id).addr
            if address in addresses:
                continue
            addresses.add(address)
        with contextlib.suppress(Exception):
            dict(member.attrs)
        if isinstance(member, h5py.Group):
            waiting += _members(member, others, until)
        elif isinstance(member, h5py.Dataset):
            datasets += [member] if _sources(member) else []
            _read(member, others, budget)
    for other in others - {"."}:
        target = _target(other, path, folder)
        if target not in seen:
            _survey(target, "/", folder, seen, until)
    meant = "/" + name.strip("/")
    for dataset in datasets:
        if dataset.name == meant or dataset.name.startswith(f"{meant.rstrip('/')}/"):
            _check_virtual(dataset, folder, until)


def _named(file, name, others):
    """What a name stands for in a file, in a list; the file that a link on the way leads to is added to `others`."""
    parts = [part for part in name.split("/") if part]
    for n in range(len(parts)):
        link = file.get("/".join(parts[: n + 1]), getlink=True)
        if isinstance(link, h5py.ExternalLink):
            others.add(link.filename)
            return []
    found = file[name]
    if found.file.filename != file.filename:  # by a soft link to an external one
        others.add(found.file.filename)
        return []
    return [found]


def _members(group, others, until):
    """The groups and datasets in a group; the files that links lead to are added to `others`."""
    found = []
    with contextlib.suppress(Exception):
        for name in group:
            if time.process_time() > until:
                break
            with contextlib.suppress(Exception):
                link = group.get(name, getlink=True)
                if isinstance(link, h5py.ExternalLink):
                    others.add(link.filename)
                elif isinstance(link, h5py.HardLink):
                    found.append(group[name])
    return found


def _check_virtual(dataset, folder, until):
    """Raise a ValueError if a source of a virtual dataset is not there: HDF5 would read fill values in its place."""
    wanted = {}
    with contextlib.suppress(Exception):
        for source in dataset.virtual_sources() if dataset.is_virtual else ():
            wanted.setdefault(source.file_name, set()).add(source.dset_name)
    for other, names in wanted.items():
        if time.process_time() > until:
            break
        path = dataset.file.filename
        path = path if other == "." else _target(other, path, folder)
        missing = names
        with contextlib.suppress(Exception), h5py.File(path, "r") as file:
            missing = [name for name in names if "%" not in name and not isinstance(file.get(name), h5py.Dataset)]
        if missing:
            raise ValueError(
                f"its virtual dataset {dataset.name!r} takes data from {min(missing)!r} of {path!r}, where none "
                "can be read: copy the data into one file"
            )


def _read(dataset, others, budget):
    """Read all of a dataset that its reader may look at, and as much of its values as the budget allows."""
    sources = _sources(dataset)
    others |= sources
    if sources - {"."}:
        return
    with contextlib.suppress(Exception):
        _ = dataset.is_scale, [(axis.label, [scale.name for scale in axis.values()]) for axis in dataset.dims]
    with contextlib.suppress(Exception):
        if dataset.chunks and hasattr(dataset.id, "chunk_iter"):
            dataset.id.chunk_iter(lambda chunk: None)
    with contextlib.suppress(Exception):
        row = int(np.prod(dataset.shape[1:], dtype=object)) * dataset.dtype.itemsize
        n = max(1, PIECE // max(1, row))
        for start in range(0, len(dataset) if dataset.shape else 1, n):
            if row > PIECE or budget[0] <= 0:
                break
            values = dataset[start : start + n] if dataset.shape else dataset[()]
            budget[0] -= values.nbytes
            if dataset.dtype == h5py.ref_dtype:
                for reference in values.ravel():
                    _ = dataset.file[reference].name


if __name__ == "__main__":
    _answer(*sys.argv[-4:])
