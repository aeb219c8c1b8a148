"""Additions of two binary numbers, bit by bit: a task that a network without memory cannot do."""

from __future__ import annotations

import numpy as np

from ..checks import check_count, check_memory
from ..streams import as_seed, stream
from ..types import Array, Seed

MAX_BITS = 63  # so that the sums are 64-bit integers


def binary_addition(n_sequences: int, n_bits: int = 8, *, random_state: Seed = None) -> Array:
    """Additions of two random numbers, the least significant bit in the first frame, as one adds on paper.

    The numbers are uniform on 0, ..., 2^(n_bits - 1) - 1, so that their sum has at most n_bits bits: in the last frame
    both input bits are 0, and the bit of the sum is the last carry.

    Parameters
    ----------
    n_sequences : int
        Number of additions.
    n_bits : int
        Bits of each sum, from 2 to 63.
    random_state : None, int, numpy.random.RandomState or numpy.random.Generator
        See `rtrbm.streams.as_seed`.

    Returns
    -------
    inputs : numpy.ndarray of float32, shape (n_sequences, n_bits, 2)
        Bits of the two numbers, 0 or 1.
    sums : numpy.ndarray of float32, shape (n_sequences, n_bits, 1)
        Bits of their sum.

    Raises
    ------
    TypeError
        If a size is not an integer, or `random_state` is of no known kind.
    ValueError
        If a size is out of its range, or the bits are more than the machine's memory can hold.

    Examples
    --------
    >>> inputs, sums = binary_addition(1, 4, random_state=0)
    >>> inputs[0].T  # 3 and 5, the least significant bit first
    array([[1., 1., 0., 0.],
           [1., 0., 1., 0.]], dtype=float32)
    >>> sums[0].T  # 8
    array([[0., 0., 0., 1.]], dtype=float32)
    """
    check_count("n_sequences", n_sequences)
    check_count("n_bits", n_bits, minimum=2)
    if n_bits > MAX_BITS:
        raise ValueError(f"n_bits must be at most {MAX_BITS}, got {n_bits}")
    check_memory(f"n_sequences={n_sequences} additions", 3 * int(n_sequences) * int(n_bits), np.float32)
    rng = stream(as_seed(random_state), "data")
    numbers = rng.integers(2 ** (int(n_bits) - 1), size=(n_sequences, 2))
    return _bits(numbers, n_bits), _bits(numbers.sum(axis=1, keepdims=True), n_bits)


def _bits(numbers, n_bits):
    """The bits of integers (n_sequences, n), the least significant first: (n_sequences, n_bits, n)."""
    places = np.arange(n_bits)[:, None]
    return (numbers[:, None] >> places & 1).astype(np.float32)
