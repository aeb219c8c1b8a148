"""Random numbers for the chains of many rows, drawn from addressed streams (`rtrbm.streams`)."""

import numpy as np

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
    >>> from rtrbm.streams import stream
    >>> out = np.empty((5, 2))
    >>> Noise([stream(0, "chain", 0), stream(0, "chain", 1)], [2, 3]).uniform(out)
    >>> alone = np.empty((3, 2))
    >>> Noise([stream(0, "chain", 1)], [3]).uniform(alone)
    >>> bool((alone == out[2:]).all())
    True
    """

    multiply = staticmethod(np.matmul)  # (a, b, out), out <- a b; `a` may be binary states

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

    def poisson(self, mean):
        """Replace an array of (n_rows, n) means by Poisson counts."""
        for rng, piece in self._pieces(mean):
            piece[...] = rng.poisson(piece)

    def _pieces(self, out):
        start = 0
        for rng, end in zip(self._streams, self._ends):
            yield rng, out[start:end]
            start = end
