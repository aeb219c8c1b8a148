"""Steps of equal size in every direction of a matrix; biases by Adam.

A gradient of W is large in a few directions, of the frames that are seen most, and small in many others. The step here
is the polar factor of the momentum: all its singular values are 1 (Carlson, Cevher & Carin 2015; Jordan et al. 2024).
With the momentum M = sum_i decay^(n - i) g_i = P diag(s) Q^T the direction is

    D = sqrt(max(n_rows, n_columns)) P Q^T,   and a step adds rate D.

The mean square of D's numbers is 1, so that the rate is the root mean square of their change, much as with Adam.
"""

from typing import NamedTuple

import numpy as np

from ..compute.engine import NEGLIGIBLE, NUMPY
from ..parameters import arrays, each, empty_like, is_matrix
from .optimizers import Optimizer, adam

# x <- a x + b x^3 + c x^5, one after the other: the greedy minimax polynomials, as of Amsel et al. (2025), that bring
# singular values from LEAST to 1 nearest to 1.
POLYNOMIALS = (7.3625, -20.7434, 15.1606), (2.9175, -2.1824, 0.4755)
LEAST, BAND = 0.03, (0.61, 1.39)
BIAS_RATE = 2.0  # of Adam for the biases, in units of the learning rate


class SpectralState(NamedTuple):
    """n_steps: steps taken (0-d array); gradient: decaying sums of the gradient; second: of matrices the direction D of
    the last step, of all else decaying sums of the square of the gradient.
    """

    n_steps: np.ndarray
    gradient: NamedTuple
    second: NamedTuple


def spectral(decay=0.9, engine=NUMPY, **settings):
    """Steps along D of matrices (`rtrbm.parameters.is_matrix`), and by Adam for all else.

    Parameters
    ----------
    decay : float
        Of the sums of the gradient.
    engine : Engine
    **settings
        Further ones of `rtrbm.training.optimizers.adam`.

    Returns
    -------
    Optimizer
    """
    base = adam(decay, engine=engine, **settings)

    def init(params):
        return SpectralState(*base.init(params))

    def factors(state, rate):
        return *base.factors(state, BIAS_RATE * rate)[:5], True, rate

    def update(gradient, state, rate):
        settings, along = factors(state, rate)[1:5], gradient.W.dtype.type(rate)
        sums = [each(empty_like, part) for part in state[1:]]

        def gather(g, total, new_total):
            g += NEGLIGIBLE
            np.multiply(total, decay, out=new_total)
            new_total += g

        matrices, others = zip(*map(_divided, (gradient, *state[1:], *sums)))
        engine.blockwise(lambda *pieces: engine.adam_block(*pieces, *settings), *others)
        engine.blockwise(gather, matrices[0], matrices[1], matrices[3])
        turn(*sums)
        engine.blockwise(lambda g, direction: np.multiply(direction, along, out=g), matrices[0], matrices[4])
        return gradient, SpectralState(np.array(int(state.n_steps) + 1), *sums)

    def turn(sums, directions):
        def direct(pair):
            M, D = pair
            np.multiply(polar_factor(M, engine), max(M.shape) ** 0.5, out=D)

        stacks = zip(arrays(_divided(sums)[0]), arrays(_divided(directions)[0]))
        matrices = [pair for M, D in stacks for pair in zip(_matrices(M), _matrices(D))]
        engine.run(direct, sorted(matrices, key=lambda pair: -pair[0].size))  # large ones first, for two threads

    return Optimizer(SpectralState, init, update, factors, turn)


def polar_factor(M, engine=NUMPY):
    """P Q^T of M = P diag(s) Q^T, by products alone (Newton-Schulz iteration), roughly.

    Parameters
    ----------
    M : (m, n) ndarray
    engine : Engine

    Returns
    -------
    (m, n) ndarray
        P diag(f(s)) Q^T. f(s) is in `BAND` where s is at least `LEAST` (sum s^4)^(1/4), and proportional to smaller
        ones or nearly so. 0 for 0.
    """
    peak = np.abs(M).max()
    if peak == 0:
        return np.zeros_like(M)
    tall = len(M) > M.shape[1]
    X = np.divide(M.T if tall else M, peak, order="C")
    S = X @ X.T
    bound = np.sqrt(np.vdot(S, S))  # at least the square of the largest singular value
    X *= bound**-0.5
    S /= bound
    for i, (a, b, c) in enumerate(POLYNOMIALS):
        if i:
            S = X @ X.T
        B = S @ S.T
        B *= c
        B += b * S
        B.flat[:: len(B) + 1] += a
        X = engine.product(B, X)
    return X.T if tall else X


def _divided(params):
    """The matrices of a NamedTuple of parameters, and all else: two of its type, with None for what is in the other."""
    parts = params._asdict().items()
    chosen = {name for name, part in parts if part is not None and is_matrix(name, part)}
    return tuple(type(params)(*(part if (name in chosen) == yes else None for name, part in parts)) for yes in (1, 0))


def _matrices(a):
    """The matrices of an array: itself, or one for each tap."""
    return a.reshape(-1, *a.shape[-2:])
