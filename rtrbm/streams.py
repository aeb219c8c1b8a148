"""Random streams addressed by what they are for, so that no generator state is ever carried."""

import numbers

import numpy as np

PURPOSES = (
    "initial", "shuffle", "data", "chain", "sample", "predict", "pretrain", "ais", "decode", "impute", "noise",
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
    return np.random.Generator(np.random.SFC64(np.random.SeedSequence(seed, spawn_key=key)))


# Random integers times just less than 1 / their range, so that no uniform rounds to 1.
_UNIFORM = {
    "float32": (np.int32, np.nextafter(np.float32(2.0**-31), np.float32(0))),
    "float64": (np.int64, np.nextafter(2.0**-63, 0.0)),
}


class Noise:
    """Random numbers for a block of rows, drawn piece by piece, so that a row's do not depend on the block it is in.

    Parameters
    ----------
    streams : list of numpy.random.Generator
        One for each piece.
    n_rows : list of int
        Rows of each piece.

    Examples
    --------
    >>> out = np.empty((5, 2))
    >>> Noise([stream(0, "chain", 0), stream(0, "chain", 1)], [2, 3]).uniform(out)
    >>> alone = np.empty((3, 2))
    >>> Noise([stream(0, "chain", 1)], [3]).uniform(alone)
    >>> bool((alone == out[2:]).all())
    True
    """

    multiply = staticmethod(np.matmul)

    def __init__(self, streams, n_rows):
        self._streams, self._ends = streams, np.cumsum(n_rows)

    def uniform(self, out):
        """Fill an array of (n_rows, n) floats with uniforms on [-1, 1): raw random integers, scaled."""
        integer, unit = _UNIFORM[out.dtype.name]
        for rng, piece in self._pieces(out):
            words = rng.bit_generator.random_raw(-(-piece.nbytes // 8)).view(integer)[: piece.size]
            np.multiply(words.reshape(piece.shape), unit, out=piece, dtype=out.dtype, casting="unsafe")

    def sample(self, states, half_W, half_bias, out, scratch):
        """out <- binary states of probability sigmoid(2 (states half_W + half_bias)); `scratch` is as large as out.

        A unit of probability p = sigmoid(2 x) is on when a uniform on [-1, 1) is below tanh(x) = 2 p - 1.
        """
        self.multiply(states, half_W, out=out)
        out += half_bias
        np.tanh(out, out=out)
        self.uniform(scratch)
        np.less(scratch, out, out=out)

    def switch_on(self, p, scratch):
        """p <- binary states of these probabilities; `scratch` is as large as p."""
        self.uniform(scratch)
        p *= 2
        p -= 1
        np.less(scratch, p, out=p)

    def normal(self, out):
        """Fill an array of (n_rows, n) floats with standard normal numbers."""
        for rng, piece in self._pieces(out):
            rng.standard_normal(out=piece, dtype=out.dtype)

    def _pieces(self, out):
        start = 0
        for rng, end in zip(self._streams, self._ends):
            yield rng, out[start:end]
            start = end


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


def check_random_state(random_state):
    """Raise as `as_seed` does, without drawing from a generator."""
    if random_state is None or isinstance(random_state, np.random.RandomState | np.random.Generator):
        return
    if not isinstance(random_state, numbers.Integral) or isinstance(random_state, bool):
        raise TypeError(
            "random_state must be None, an integer, a numpy RandomState or a numpy Generator, "
            f"got {type(random_state).__name__}"
        )
    if random_state < 0:
        raise ValueError(f"random_state must be a non-negative integer, got {random_state}")
