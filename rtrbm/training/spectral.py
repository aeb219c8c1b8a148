"""Steps of equal size in every direction of a matrix; biases by Adam.

A gradient of W is large in a few directions, of the frames that are seen most, and small in many others. The step here
is the polar factor of the momentum: its singular values are about 1 (Carlson, Cevher & Carin 2015; Jordan et al. 2024).
With the momentum M = sum_i decay^(n - i) g_i = P diag(s) Q^T the direction is

    D = sqrt(max(n_rows, n_columns)) P Q^T,   and a step adds rate D.

The mean square of D's numbers is 1, so that the rate is the root mean square of their change, much as with Adam. As
P Q^T = (M M^T)^(-1/2) M, one product makes it of M and the root, which changes slowly: it serves for `EVERY` updates.
The few directions that outgrow it before are shortened. If the momentum decays slowly, so that D changes slowly, too,
D serves for `HELD` updates. Taps (m, n_in, n_out) are one matrix (m n_in, n_out), which maps all m frames.
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
EVERY = 16  # updates: so long a root serves, if fewer than N_LARGE singular values of a step get larger than GROWN
HELD, SLOW = 2, 0.95  # updates: so long a direction serves if momentum decays no faster than this; divides EVERY
N_LARGE, LARGE, GROWN = 8, 1.5, 4.0  # so many are looked for, and those above LARGE become 1
BIAS_RATE = 2.0  # of Adam for the biases, in units of the learning rate


class SpectralState(NamedTuple):
    """n_steps: steps taken (0-d array); gradient: decaying sums of the gradient; second: of matrices the direction D of
    the last step, of all else decaying sums of the square of the gradient; root: of matrices the inverse root of
    M M^T, or M^T M if that is smaller, None of all else.
    """

    n_steps: np.ndarray
    gradient: NamedTuple
    second: NamedTuple
    root: NamedTuple

    @property
    def square(self):
        """`second` without the directions."""
        return _divided(self.second)[1]


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
        def root(M):
            n = min(M.size // M.shape[-1], M.shape[-1])
            return np.zeros((n, n), M.dtype)

        return SpectralState(*base.init(params), each(root, _divided(params)[0]))

    def factors(state, rate):
        return base.factors(state, BIAS_RATE * rate)._replace(directed=True, along=rate)

    def update(gradient, state, rate):
        settings, along = factors(state, rate).of_adam, gradient.W.dtype.type(rate)
        sums = [each(empty_like, part) for part in state[1:3]]

        def gather(g, total, new_total):
            g += NEGLIGIBLE
            np.multiply(total, decay, out=new_total)
            new_total += g

        matrices, others = zip(*map(_divided, (gradient, *state[1:3], *sums)))
        engine.blockwise(lambda *pieces: engine.adam_block(*pieces, *settings), *others)
        engine.blockwise(gather, matrices[0], matrices[1], matrices[3])
        root = turn(state, *sums)
        engine.blockwise(lambda g, direction: np.multiply(direction, along, out=g), matrices[0], matrices[4])
        return gradient, SpectralState(np.array(int(state.n_steps) + 1), *sums, root)

    def turn(state, sums, directions):
        n = int(state.n_steps)
        if decay >= SLOW and n % HELD:
            engine.blockwise(np.copyto, *(_divided(part)[0] for part in (directions, state.second)))
            return state.root
        root = each(np.copy, state.root)
        mean = (1 - decay) / (1 - decay ** (n + 1))

        def direct(M, D, Q):
            a, b = (M, Q) if len(M) > M.shape[1] else (Q, M)
            engine.scaled(a, b, mean * max(M.shape) ** 0.5, D)

        def renew(task):
            M, _, Q = task
            is_still = mean * np.abs(M).max() <= 2 * NEGLIGIBLE  # nothing but what `gather` adds
            Q[...] = 0 if is_still else inverse_root(M) / M.dtype.type(mean)

        stacks = zip(*(arrays(_divided(part)[0]) for part in (sums, directions, root)))
        stale = tasks = [tuple(a.reshape(-1, a.shape[-1]) for a in stack) for stack in stacks]
        if n % EVERY:
            for task in tasks:
                direct(*task)
            n_multiplications = N_LARGE * sum(D.size for _, D, _ in tasks)
            rest = engine.run(lambda task: shorten(*task[1:]), tasks, n_multiplications)
            stale = [task for task, size in zip(tasks, rest) if not size < GROWN]
        engine.run(renew, sorted(stale, key=lambda task: -task[0].size))  # large ones first, for two threads
        for task in stale:
            direct(*task)
        return root

    return Optimizer(SpectralState, init, update, factors, turn)


def inverse_root(M):
    """The inverse root of M M^T, or of M^T M if that is smaller, by products alone (Newton-Schulz iteration), roughly.

    Parameters
    ----------
    M : (m, n) ndarray

    Returns
    -------
    (k, k) ndarray
        k = min(m, n). Its product with M = P diag(s) Q^T is P diag(f(s)) Q^T. f(s) is in `BAND` where s is at least
        `LEAST` (sum s^4)^(1/4), and goes to 0 with smaller ones. 0 for 0.
    """
    peak = np.abs(M).max()
    if peak == 0:
        return np.zeros((min(M.shape),) * 2, M.dtype)
    X = np.divide(M.T if len(M) > M.shape[1] else M, peak, order="C")
    S = X @ X.T
    bound = np.sqrt(np.vdot(S, S))  # at least the square of the largest singular value
    S /= bound
    B = root = _polynomial(S, *POLYNOMIALS[0])
    for factors in POLYNOMIALS[1:]:
        S = B @ B.T @ S  # all of them commute
        B = _polynomial(S, *factors)
        root = B @ root
    return root / (peak * np.sqrt(bound))


def _polynomial(S, a, b, c):
    """a + b S + c S^2."""
    B = S @ S.T  # numpy knows by this that half of the numbers are enough
    B *= c
    B += b * S
    B.flat[:: len(B) + 1] += a
    return B


def shorten(D, Q):
    """Set the largest singular values of a step that are above `LARGE` to 1, in place.

    Some rounds of subspace iteration from the longest rows find them and their singular vectors, roughly.

    Parameters
    ----------
    D : (m, n) ndarray
        sqrt(max(m, n)) M Q, or sqrt(max(m, n)) Q M if m <= n, of a momentum M; changed.
    Q : (k, k) ndarray
        The root, k = min(m, n); changed as D is, so that steps to come have these directions short too.

    Returns
    -------
    float
        The least of the `N_LARGE` singular values before; inf if numbers are too large or not finite.
    """
    tall = len(D) > D.shape[1]
    rows = D if tall else D.T
    squares = np.einsum("ij,ij->i", rows, rows)
    if not np.isfinite(squares.sum()):
        return np.inf
    longest = rows[np.argsort(-squares)[:N_LARGE]]
    near = rows.T @ (rows @ np.linalg.qr(longest.T)[0])
    basis = np.linalg.qr(near)[0]
    image = rows @ basis
    s, turned = np.linalg.svd(image, full_matrices=False)[1:]
    s /= max(D.shape) ** 0.5
    large = turned[s > LARGE].T
    if large.size:
        V, Y = basis @ large, image @ large
        cut = V * (1 - 1 / s[s > LARGE])
        for a, b in ((D, Y), (Q, Q @ V if tall else Q.T @ V)):
            a -= b @ cut.T if tall else cut @ b.T
    return s[-1]


def _divided(params):
    """The matrices of a NamedTuple of parameters, and all else: two of its type, with None for what is in the other."""
    parts = params._asdict().items()
    chosen = {name for name, part in parts if part is not None and is_matrix(name, part)}
    return tuple(type(params)(*(part if (name in chosen) == yes else None for name, part in parts)) for yes in (1, 0))
