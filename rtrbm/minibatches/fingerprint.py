"""A fingerprint of data, by which a resumed run knows them again."""

import hashlib

import numpy as np

N_SEQUENCES, N_BLOCKS, BLOCK = 8, 4, 16  # blocks of frames of some sequences
N_ROWS = 64
N_OF_VALUES = 4  # parts of a fingerprint that are about values: numbers of sequences and features, lengths, values


def fingerprint(data):
    """A text that tells data from others: their number, and lengths and values of a few, spread evenly.

    Four blocks of 16 frames of 8 sequences are looked at, or 64 rows of data without order, and the inputs of these
    frames. Data that differ elsewhere alone have the same fingerprint. It tells the windows that data are cut into. An
    array, a list and a file that hold the same numbers have the same one.

    Parameters
    ----------
    data : what `rtrbm.minibatches.sources.data` returns

    Returns
    -------
    str or None
        None for a stream or an iterable, which need not give the same data again.
    """
    if not hasattr(data, "__len__"):
        return None
    length, blocks = _part(data, 0)
    lengths, what = [], "rows" if length is None else "sequences"
    digests = hashlib.sha256(), hashlib.sha256()  # of values and of inputs
    for i in spread(len(data), N_ROWS if length is None else N_SEQUENCES):
        length, blocks = _part(data, i) if i else (length, blocks)
        lengths.append(length)
        for block in blocks:
            for part, digest in zip(block, digests):
                if part is not None:
                    with np.errstate(over="ignore"):
                        digest.update(np.ascontiguousarray(part, "<f4").tobytes())  # data in memory are not cast yet
    values, inputs = (digest.hexdigest()[:16] for digest in digests)
    n_inputs, window = getattr(data, "n_inputs", 0), getattr(data, "window", None)
    cut = "no windows" if window is None else f"windows of {window} frames after {data.warm_up}"
    size = f"{len(data)} {what}; {blocks[0][0].shape[-1]} features"
    size += f"; lengths {[n for n in lengths if n]}; values {values}"
    return f"{size}; {cut}; {n_inputs} inputs; inputs {inputs}"


def _part(data, i):
    """The length of sequence i and pairs (values, inputs or None) of some blocks of its frames; None and a row."""
    if hasattr(data, "cut"):  # recordings, which may be larger than memory
        length = data.length(i)
        cut = (data.cut(i, start, start + BLOCK) for start in _starts(length))
        return length, [(block.v, block.inputs) for block in cut]
    values = data[i]
    if values.ndim == 1:
        return None, [(values, None)]
    return len(values), [(values[start : start + BLOCK], None) for start in _starts(len(values))]


def _starts(length):
    return spread(max(length - BLOCK + 1, 1), N_BLOCKS)


def spread(n, most):
    """At most so many of the indices 0 to n - 1, evenly from the first to the last."""
    return np.unique(np.linspace(0, n - 1, min(n, most)).astype(int)).tolist()


def difference(before, now, along=True):
    """What differs between the data of two fingerprints, in words; None if nothing does, or there are not two.

    `along` says whether the windows and inputs count, which go along with the data.
    """
    if not isinstance(before, str) or now is None:
        return None
    pairs = zip(before.split("; "), now.split("; ")[: None if along else N_OF_VALUES])  # earlier files have fewer parts
    then, own = next(((then, own) for then, own in pairs if then != own), (None, None))
    if own is None:
        return None
    kind = own.partition(" ")[0]
    return f"other {kind}" if kind in ("values", "inputs", "counts") else f"{own}, not {then}"
