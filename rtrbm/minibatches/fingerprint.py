"""A fingerprint of data, by which a resumed run knows them again."""

import hashlib

import numpy as np

N_SEQUENCES, N_BLOCKS, BLOCK = 8, 4, 16  # blocks of frames of some sequences
N_ROWS = 64


def fingerprint(data):
    """A text that tells data from others: their number, and lengths and values of a few, spread evenly.

    Four blocks of 16 frames of 8 sequences are looked at, or 64 rows of data without order. Data that differ elsewhere
    alone have the same fingerprint. An array, a list and a file that hold the same numbers have the same one.

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
    is_sequence = hasattr(data, "cut") or np.ndim(data[0]) > 1
    digest, lengths = hashlib.sha256(), []
    for i in spread(len(data), N_SEQUENCES if is_sequence else N_ROWS):
        blocks = [data[i]]
        if is_sequence:
            length, cut = _cutting(data, i)
            lengths.append(length)
            blocks = [cut(start, start + BLOCK) for start in spread(max(length - BLOCK + 1, 1), N_BLOCKS)]
        for values in blocks:
            digest.update(np.ascontiguousarray(values, "<f8").tobytes())
    size = f"{len(data)} {'sequences' if is_sequence else 'rows'}; {blocks[0].shape[-1]} features"
    return f"{size}; lengths {lengths}; values {digest.hexdigest()[:16]}"


def _cutting(data, i):
    """The length of sequence i, and a function that gives its frames from a start to a stop."""
    if hasattr(data, "cut"):  # recordings, of which only a part may fit in memory
        return data.length(i), lambda start, stop: data.cut(i, start, stop).v
    frames = data[i]
    return len(frames), lambda start, stop: frames[start:stop]


def spread(n, most):
    """At most so many of the indices 0 to n - 1, evenly from the first to the last."""
    return np.unique(np.linspace(0, n - 1, min(n, most)).astype(int)).tolist()


def difference(before, now):
    """What differs between the data of two fingerprints, in words; None if nothing does, or there are not two."""
    if not isinstance(before, str) or now is None or before == now:
        return None
    pairs = zip(before.split("; "), now.split("; "))
    then, own = next(((then, own) for then, own in pairs if then != own), ("", "values "))
    return "other values" if own.startswith("values ") else f"{own}, not {then}"
