"""Random streams, addressed by their purpose, so that no state of a generator is ever carried."""

import numbers

import numpy as np

PURPOSES = (
    "initial", "shuffle", "data", "chain", "sample", "predict", "pretrain", "ais", "decode", "impute", "noise",
    "prefix", "persistent", "missing", "window", "validation", "forecast",
    "posterior",
)  # fmt: skip


def stream(seed, purpose, *address):
    """The random stream of one purpose at one address.

    The same arguments always give the same stream, different ones give independent streams; so a run
    draws the same numbers whatever the number of threads or processes, interrupted or not.

    Parameters
    ----------
    seed : int
        Non-negative seed of the run.
    purpose : str
        One of `PURPOSES`.
    *address : int
        Where in the run: usually the update, then the sequence (or tile) within the minibatch.

    Returns
    -------
    numpy.random.Generator

    Examples
    --------
    >>> bool(stream(0, "chain", 7, 1).random() == stream(0, "chain", 7, 1).random())
    True
    >>> bool(stream(0, "chain", 7, 1).random() == stream(0, "chain", 8, 1).random())
    False
    """
    key = (PURPOSES.index(purpose), *address)
    return np.random.Generator(np.random.SFC64(seed_sequence(int(seed), key)))


def seed_sequence(seed, key):
    """SeedSequence(seed, spawn_key=key). The words of 32 bits that numpy would make of both are made here, in half the
    time."""
    if max(key) >= 2**32:
        return np.random.SeedSequence(seed, spawn_key=key)
    words = [seed >> shift & 0xFFFFFFFF for shift in range(0, max(128, seed.bit_length()), 32)]
    return np.random.SeedSequence(np.array([*words, *key], np.uint32))


def as_seed(random_state):
    """The seed a `random_state` stands for, with scikit-learn's meaning of that argument.

    Parameters
    ----------
    random_state : None, int, numpy.random.RandomState or numpy.random.Generator
        None: fresh entropy from the operating system. int: that seed. A generator: a number drawn from it,
        so that successive calls differ.

    Returns
    -------
    int
        A seed for `stream`.

    Raises
    ------
    TypeError
        If `random_state` is none of these.
    ValueError
        If it is a negative integer.
    """
    check_random_state(random_state)
    if random_state is None:
        return int(np.random.SeedSequence().entropy)
    if isinstance(random_state, np.random.RandomState):
        return int(random_state.randint(2**31 - 1))
    if isinstance(random_state, np.random.Generator):
        return int(random_state.integers(2**63 - 1))
    return int(random_state)


def check_random_state(random_state, name="random_state"):
    """Raise as `as_seed` does, without drawing from a generator."""
    if random_state is None or isinstance(random_state, np.random.RandomState | np.random.Generator):
        return
    if not isinstance(random_state, numbers.Integral) or isinstance(random_state, bool):
        raise TypeError(
            f"{name} must be None, an integer, a numpy RandomState or a numpy Generator, "
            f"got {type(random_state).__name__}"
        )
    if random_state < 0:
        raise ValueError(f"{name} must be a non-negative integer, got {random_state}")
