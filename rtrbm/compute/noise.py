"""Random numbers for the chains of many rows, drawn from addressed streams (`rtrbm.streams`)."""

import numpy as np

from ..streams import stream

# Random integers times just less than 1 / their range, so that no uniform rounds to 1.
_UNIFORM = {
    np.dtype("float32"): (np.int32, np.nextafter(np.float32(2.0**-31), np.float32(0))),
    np.dtype("float64"): (np.int64, np.nextafter(2.0**-63, 0.0)),
}

BLOCK = 16  # successive numbers of rows that draw from one stream
INVERTED = 30.0  # the largest mean of a Poisson count that is found by adding up probabilities


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

    @classmethod
    def of_tiles(cls, draw, where, tiles):
        """The numbers of each tile of a packed block.

        Parameters
        ----------
        draw : Draw
        where : Layout
        tiles : list of Tile

        Returns
        -------
        list of Noise
        """
        address = draw.seed, draw.purpose, *draw.address

        def noise_of(pieces):
            streams = [stream(*address, draw.first + piece.sequence, piece.frame) for piece in pieces]
            return cls(streams, [piece.n_rows for piece in pieces])

        return [noise_of(tile.pieces) for tile in tiles]

    @classmethod
    def in_common(cls, draw, numbers):
        """The numbers of rows that have some in common: rows of one number draw the same, in any company.

        Parameters
        ----------
        draw : Draw
        numbers : (n_rows,) int ndarray

        Returns
        -------
        Noise
        """
        blocks, places = np.unique(numbers // BLOCK, return_inverse=True)
        streams = [stream(draw.seed, draw.purpose, *draw.address, block) for block in blocks.tolist()]
        return CommonNoise(streams, [BLOCK] * len(blocks), places * BLOCK + numbers % BLOCK)

    def uniform(self, out):
        """Fill an array of (n_rows, n) floats with uniforms on [-1, 1): raw random integers, scaled."""
        integer, unit = _UNIFORM[out.dtype]
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


class CommonNoise(Noise):
    """Random numbers that rows have in common: row i takes those of row ``rows[i]`` of what the streams draw.

    Parameters
    ----------
    streams, n_rows
        As of `Noise`.
    rows : (n,) int ndarray

    Examples
    --------
    >>> from rtrbm.streams import stream
    >>> out = np.empty((3, 2))
    >>> CommonNoise([stream(0, "chain", 0)], [2], np.array([1, 0, 1])).uniform(out)
    >>> bool((out[0] == out[2]).all()), bool((out[0] == out[1]).any())
    (True, False)
    """

    def __init__(self, streams, n_rows, rows):
        super().__init__(streams, n_rows)
        self._rows = rows

    def uniform(self, out):
        """As `Noise.uniform`."""
        self._spread(super().uniform, out)

    def normal(self, out):
        """As `Noise.normal`."""
        self._spread(super().normal, out)

    def poisson(self, mean):
        """As `Noise.poisson`: a count is the quantile of a uniform number.

        A row with a large mean draws from a stream of its own, since no fixed number of random numbers would do. The
        streams of rows with numbers in common begin alike.
        """
        words, uniform = np.empty((self._ends[-1], 4), np.uint64), np.empty(mean.shape)
        for rng, piece in self._pieces(words):
            piece[...] = rng.bit_generator.random_raw(piece.size).reshape(piece.shape)
        self.uniform(uniform)
        large = mean.max(axis=1) > INVERTED
        bits = np.random.SFC64(0)
        rng, state = np.random.Generator(bits), bits.state
        for row in np.flatnonzero(large):
            state["state"]["state"] = words[self._rows[row]]
            bits.state = state
            mean[row] = rng.poisson(mean[row])
        mean[~large] = _poisson_quantile((uniform[~large] + 1) / 2, mean[~large]).reshape(-1, mean.shape[1])

    def _spread(self, draw, out):
        drawn = np.empty((self._ends[-1], out.shape[1]), out.dtype)
        draw(drawn)
        np.take(drawn, self._rows, axis=0, out=out, mode="clip")


def _poisson_quantile(u, mean):
    """The smallest count k with P(count <= k) > u, for u in [0, 1) and means up to `INVERTED`."""
    u, mean, counts = u.ravel(), mean.ravel().astype(float), np.zeros(u.size)
    p = np.exp(-mean)
    total, left = p.copy(), np.flatnonzero(u >= p)
    for k in range(1, 150):  # u is less than 1 by 1e-16 at least
        if not len(left):
            break
        counts[left] = k
        p[left] *= mean[left] / k
        total[left] += p[left]
        left = left[u[left] >= total[left]]
    return counts
