"""log Z of the RBMs of many frames: by enumeration, or by annealed importance sampling between two bounds.

Chains that rise from independent units to the RBM give log Z from below, chains that fall from the RBM to them give it
from above. Where both agree they are near the truth.
"""

from typing import NamedTuple

import numpy as np

from ..biases import Biases
from ..checks import check_choice, check_count, check_memory
from ..compute.engine import NUMPY
from ..functions import sigmoid
from ..streams import as_seed, stream
from . import ais, exact
from .attractors import attractors
from .chains import Draw, average_visible
from .units import BERNOULLI, as_units

METHODS = ("auto", "exact", "ais")
BLOCK_CHAINS = 2**13  # that run at the same time; fewer if their states have more than NUMBERS
N_CHAINS = 16  # of each group and row
NUMBERS = 2**24  # in states that chains begin with, of rows that are estimated together
PILOT = 64  # temperatures of a first run, by which a row is given those of its second
# temperatures: (the largest gap between a row's bounds in nats, chains for each that counts, at most)
LADDER = {64: (0.1, 2), 256: (0.3, 4), 1024: (1.0, 8), 4096: (np.inf, np.inf)}
SHARE = 0.5  # of the inputs, from which the chains of all other rows rise
AGAIN = 1024  # temperatures at least, of a row whose chains have missed a mode
FAR = 10.0  # nats below the largest bound of where units settle: chains need not begin there
ROUNDING = 1e-5  # of a bound: chains have single precision
N_CLIMBS = 4  # frames of a row at which mean-field equations begin, if each row has frames of its own
SETTLING = 10  # Gibbs steps of a chain before it falls
BOOTSTRAP = 50
MARGIN = 3  # standard errors added to a bound


class LogZ(NamedTuple):
    """log Z of each row of biases, in nats.

    Attributes
    ----------
    log_z : (n_rows,) ndarray
    standard_error : (n_rows,) ndarray
        Of log_z, by the bootstrap over chains; 0 if it is exact.
    low, high : (n_rows,) ndarray
        Estimates from below and from above; log_z if it is exact.
    low_error, high_error : (n_rows,) ndarray
        Their standard errors.
    effective : (n_rows,) ndarray
        The chains that count, 1 / sum of squares of their normalised weights: of the rising or of the falling chains,
        whichever are fewer; infinite if log_z is exact.
    group : (n_rows,) int ndarray
        Rows of one number have the same biases, and one estimate.
    """

    log_z: np.ndarray
    standard_error: np.ndarray
    low: np.ndarray
    low_error: np.ndarray
    high: np.ndarray
    high_error: np.ndarray
    effective: np.ndarray
    group: np.ndarray

    @property
    def lower(self):
        """Below log Z, (n_rows,): the lower of low and log_z, each less 3 of its standard errors."""
        return np.minimum(self.low - MARGIN * self.low_error, self.log_z - MARGIN * self.standard_error)

    @property
    def upper(self):
        """Above log Z, (n_rows,): the higher of high and log_z, each and 3 of its standard errors."""
        return np.maximum(self.high + MARGIN * self.high_error, self.log_z + MARGIN * self.standard_error)


def log_partition(
    W, b_v, b_h, units=BERNOULLI, *, method="auto", data=None, n_chains=None, n_steps=None, random_state=None,
    engine=NUMPY, first=0, count=None, n_rows=None, common=(),
):  # fmt: skip
    """log Z of an RBM for each row of biases.

    ``"exact"`` : the sum over all states (`rtrbm.rbm.exact.log_partition`).
    ``"ais"`` : annealed importance sampling (`rtrbm.rbm.ais`) from independent units that have the means of the row's
    RBM. n_chains chains rise; as many fall from states drawn from the ends of these, and as many from the data, after
    10 Gibbs steps. The rising ones give an estimate from below (in the mean). Those that fall from their ends give one
    from above, as far as these are samples of the RBM; those from the data take their place if they say more, by over 3
    standard errors. log Z is Bennett's estimate from the first two groups. First runs with 64 temperatures, from these
    units and from units with half their inputs, tell how many temperatures a row gets in its last: 64 if all of them
    agree, up to 4,096. The last run starts from half the inputs unless it has 64: such units are less certain, so that
    chains reach modes that the means do not show.
    ``"auto"`` : exact where it costs less.

    Rows of equal biases are estimated once. A row's random numbers are those of its number: its estimate does not
    depend on the other rows, up to rounding, unless they have the same biases.

    Mean-field equations (`rtrbm.rbm.attractors`) say how large log Z is at least, from the data too. A row whose
    estimate is below that is estimated again, with chains that start where they lead, too, and no bound is left below
    it.

    No estimator sees a mode that neither chains from noise nor the data nor these equations come to. The bounds are
    then too low, both.

    Sources: Neal 2001; Bennett 1976, "Efficient estimation of free energy differences from Monte Carlo data"; Grosse,
    Ghahramani & Adams 2015, "Sandwiching the marginal likelihood using bidirectional Monte Carlo".

    Parameters
    ----------
    W : (n_visible, n_hidden) ndarray
        Chains have its precision, single or double.
    b_v : (n_visible,) or (n_rows, n_visible) ndarray
    b_h : (n_hidden,) or (n_rows, n_hidden) ndarray
    units : Units or str
    method : {"auto", "exact", "ais"}
    data : (n_rows, n_visible) or (n, n_visible) ndarray, optional
        The frame that each row's biases were made for; with one row of biases, any number of frames. None: E[v | h]
        with one hidden unit on takes their place.
    n_chains : int, optional
        Of each group and row, at least 2; 16 if left out.
    n_steps : int, optional
        Temperatures of all rows, in place of 64 to 4,096.
    random_state : None, int, RandomState or Generator
    engine : Engine
        Results do not depend on its threads.
    first : int
        The number of the first row.
    count : callable (n), optional
        Called with numbers of rows that are done.
    n_rows : int, optional
        Rows of all calls together, of which this is one: "auto" takes one method for all.
    common : (n_common, n_visible) ndarray, optional
        Frames at which the mean-field equations of every row begin, too: a row may have modes that others show.

    Returns
    -------
    LogZ

    Raises
    ------
    TypeError, ValueError
        If a setting is not valid, a bias has another shape, or there are too many units to enumerate.

    Examples
    --------
    >>> found = log_partition(np.zeros((30, 40)), np.zeros(30), np.zeros((3, 40)), method="ais", random_state=0)
    >>> found.log_z / np.log(2), bool((found.upper - found.lower < 1e-6).all())
    (array([70., 70., 70.]), True)
    """
    units, seed = as_units(units), as_seed(random_state)
    W, b_v, b_h = _with_rows(W, b_v, b_h)
    check_settings(*W.shape, units, method, n_chains, n_steps)
    if method == "exact" or method == "auto" and is_exact(*W.shape, units, b_v, b_h, n_rows):
        log_z = exact.log_partition(W, b_v, b_h, units, count)
        none = np.zeros_like(log_z)
        return LogZ(log_z, none, log_z, none, log_z, none, none + np.inf, np.arange(len(log_z)))
    biases, one_of, group = _distinct(b_v, b_h)
    chosen, sizes = None if data is None else _rows_of_data(group, len(one_of), len(data)), np.bincount(group)
    found, size = [], max(1, NUMBERS // (N_CHAINS * len(W)))
    for start in range(0, len(one_of), size):
        at = slice(start, start + size)
        own = biases.at(at)
        given = _without_data(W, own, units) if data is None else data[chosen[at]]
        numbers = first + one_of[at]
        n, starts = int(n_chains or N_CHAINS), given
        if data is None or len(data) == len(group):
            starts = given[:, _spread(given.shape[1], N_CLIMBS)]
        annealed = _Annealed(W, units, n, Draw(seed, "ais"), engine, own, given, numbers, starts, common)
        found.append(_in_steps(annealed, n_steps, sizes[at], count))
    return LogZ(*np.concatenate(found, axis=1)[:, group], group)


def _in_steps(annealed, n_steps, sizes, count):
    """The fields of LogZ but `group`, (7, n_rows), of rows that are counted as so many."""
    rows, least = np.arange(len(sizes)), 1
    if n_steps is None:
        pilots = annealed.of(rows, PILOT, 0, (1.0, SHARE))
        n_steps, least = _temperatures(pilots, annealed.n_chains), AGAIN
    n_steps = np.broadcast_to(n_steps, len(rows))
    found = annealed.in_steps(rows, n_steps, 1, count and (lambda rows: count(int(sizes[rows].sum()))))
    return _with_attractors(found, annealed, np.maximum(n_steps, least))


def check_settings(n_visible, n_hidden, units, method, n_chains, n_steps):
    """Raise unless `log_partition` takes these settings for an RBM of this size."""
    check_choice("method", method, METHODS)
    if n_chains is not None:
        check_count("n_chains", n_chains, minimum=2)
        check_memory(f"n_chains={n_chains} chains", n_chains * (n_visible + n_hidden + 3 * BOOTSTRAP), float)
    if n_steps is not None:
        check_count("n_steps", n_steps)
        check_memory(f"n_steps={n_steps} temperatures", n_steps, float)
    if method == "exact":
        exact.check_enumerable(n_visible, n_hidden, units, "method='exact'", "method='ais'")


def is_exact(n_visible, n_hidden, units, b_v, b_h, n_rows=None):
    """Whether the sum over all states costs less than annealing does: it takes about 4 ns a term, a product 0.2 ns.

    n_rows : int, those of all calls together, if the biases are some of many.
    """
    if not exact.is_enumerable(n_visible, n_hidden, units):
        return False
    n_rows = n_rows or max(len(np.atleast_2d(b)) for b in (b_v, b_h))
    n_terms = exact.n_terms(n_visible, n_hidden, units, n_rows, np.ndim(b_v) == 1)
    return n_terms < 2000 * n_rows * n_visible * n_hidden


def _with_rows(W, b_v, b_h):
    """W and biases in the precision of W; each has one row, or all rows."""
    W = np.asarray(W)
    W = W.astype(W.dtype if W.dtype == np.float32 else float, copy=False)
    if W.ndim != 2:
        raise ValueError(f"W must have the shape (n_visible, n_hidden), got {W.shape}")
    biases = {"b_v": np.asarray(b_v, W.dtype), "b_h": np.asarray(b_h, W.dtype)}
    for n, (name, bias) in zip(W.shape, biases.items()):
        if bias.ndim not in (1, 2) or bias.shape[-1] != n or not len(bias):
            wanted = f"({n},) or (n_rows, {n}) for W of shape {W.shape}"
            raise ValueError(f"{name} must have the shape {wanted}, got {bias.shape}")
    n_rows = {name: len(bias) for name, bias in biases.items() if bias.ndim == 2}
    if len(set(n_rows.values())) > 1:
        numbers = ", ".join(f"{n} in {name}" for name, n in n_rows.items())
        raise ValueError(f"biases must have the same number of rows, or one for all (1-D), got {numbers}")
    return W, *biases.values()


def _distinct(b_v, b_h):
    """Biases without repetition, the first row that has each, and which of them every row has."""
    n_rows = max(len(np.atleast_2d(b)) for b in (b_v, b_h))
    whole = np.concatenate([np.broadcast_to(b, (n_rows, b.shape[-1])) for b in (b_v, b_h)], axis=1)
    key = np.ascontiguousarray(whole).view(np.dtype((np.void, whole.dtype.itemsize * whole.shape[1]))).ravel()
    _, one_of, group = np.unique(key, return_index=True, return_inverse=True)
    order = np.argsort(one_of)
    one_of, place = one_of[order], np.argsort(order)
    b_v, b_h = np.split(whole[one_of], [b_v.shape[-1]], axis=1)
    return Biases(np.ascontiguousarray(b_v), np.ascontiguousarray(b_h)), one_of, place[group.ravel()]


def _without_data(W, biases, units):
    """In place of data: E[v | h] with one hidden unit on, for some units spread over all, (n_rows, n, n_visible)."""
    n = min(N_CHAINS, W.shape[1])
    return units.mean(biases.v[:, None] + W.T[np.arange(n) * W.shape[1] // n])


def rows_of_data(unnormalised):
    """The rows that chains start from, if all share their biases: half spread over all, half of the largest p*(v)."""
    n, half = len(unnormalised), N_CHAINS // 2
    if n <= N_CHAINS:
        return np.arange(n)
    return np.concatenate([_spread(n, half), np.argsort(-unnormalised, kind="stable")[:half]])


def _spread(n, most):
    """At most so many of n rows, evenly."""
    few = min(most, n)
    return np.arange(few) * n // few


def _rows_of_data(group, n_rows, n_data):
    """Of the frames of each distinct row of biases some that are spread over them, (n_rows, n) places."""
    if n_data != len(group):
        return _spread(n_data, N_CHAINS)[None]
    order, counts = np.argsort(group, kind="stable"), np.bincount(group, minlength=n_rows)
    starts, n = np.cumsum(counts) - counts, min(N_CHAINS, int(counts.max()))
    return order[starts[:, None] + np.arange(n) * counts[:, None] // n]


class _Annealed(NamedTuple):
    """What all chains have in common, and rows of biases, data and numbers."""

    W: np.ndarray
    units: object
    n_chains: int
    draw: Draw
    engine: object
    biases: Biases
    data: np.ndarray
    numbers: np.ndarray
    starts: np.ndarray
    common: np.ndarray

    def in_steps(self, rows, n_steps, run, count=None):
        """The fields of LogZ but `group`, of rows with so many temperatures each, (7, n_rows)."""
        found = np.empty((7, len(rows)))
        for n in np.unique(n_steps):
            at = np.flatnonzero(n_steps == n)
            (found[:, at],) = self.of(rows[at], int(n), run, (1.0 if n == PILOT else SHARE,), count)
        return found

    def of(self, rows, n_steps, run, shares, count=None):
        """The fields of LogZ but `group`, of some rows and from each of some shares, (n_shares, 7, n_rows)."""
        size, parts = max(1, min(BLOCK_CHAINS, NUMBERS // max(self.W.shape)) // self.n_chains), []
        for start in range(0, len(rows), size):
            these = rows[start : start + size]
            rows_of = self.biases.at(these), self.data[these], self.numbers[these]
            parts.append(self._block(*rows_of, n_steps, shares, self.draw.at(run)))
            if count is not None:
                count(these)
        return np.concatenate(parts, axis=2)

    def _block(self, biases, data, numbers, n_steps, shares, draw):
        """The same of rows whose chains run at the same time."""
        n, betas = self.n_chains, np.arange(n_steps + 1) / n_steps
        given = data[:, np.arange(n) % data.shape[1]].reshape(-1, data.shape[2])
        given = self._settled(given, biases, numbers, draw.at(3, 0))

        def estimate(path):
            def run(betas, draw, start=None):
                these = self.W, path, self.units, betas, n, numbers, draw, self.engine, start
                log_w, v = ais.log_weights(*these)
                return log_w.reshape(-1, n), v

            rising, v = run(betas, draw.at(1))
            arrived = self._settled(v[_resampled(rising)], biases, numbers, draw.at(2, 0))
            falling = run(betas[::-1], draw.at(2, 1), arrived)[0], run(betas[::-1], draw.at(3, 1), given)[0]
            return _summary(path.log_z0(self.units), rising, falling, stream(draw.seed, "ais"))

        these = self.W, biases, self.units, data, numbers, draw.at(0), self.engine, shares
        return np.array([estimate(path) for path in ais.paths_from_means(*these)])

    def _settled(self, v, biases, numbers, draw):
        """v after some Gibbs steps."""
        these = Biases(*(np.repeat(b, self.n_chains, axis=0) for b in biases))
        chains = draw.chains_in_common(ais.of_rows(numbers, self.n_chains), self.engine)
        start = v.astype(self.W.dtype, copy=False)
        return average_visible(start, self.W, these, SETTLING - 1, 1, self.units, chains, self.engine)[1]


def _with_attractors(found, annealed, n_steps):
    """The fields of LogZ but `group`; rows below what mean-field equations say are estimated again, with their help."""
    W, biases, units, data = annealed.W, annealed.biases, annealed.units, annealed.data
    bound, v, known = attractors(W, biases, units, annealed.starts, annealed.common, annealed.engine)
    rows = np.flatnonzero(known > found[0] + MARGIN * found[1] + ROUNDING * np.abs(known))
    if len(rows):
        data = _beside(bound[rows], v[rows], data[rows])
        biases, numbers = biases.at(rows), annealed.numbers[rows]
        again = annealed._replace(biases=biases, data=data, numbers=numbers)
        found[:, rows] = _lifted(again.in_steps(np.arange(len(rows)), n_steps[rows], 2), known[rows])
    return found


def _beside(bound, v, data):
    """Data of rows whose chains begin where units settle, too: these means and data take turns."""
    near = bound > bound[:, :1] - FAR
    v = np.where(near[..., None], v, v[:, :1])
    half = np.arange(N_CHAINS // 2)
    both = [part[:, half % part.shape[1]].astype(data.dtype) for part in (v, data)]
    return np.stack(both, axis=2).reshape(len(v), N_CHAINS, -1)


def _lifted(found, known):
    """The fields of LogZ but `group`, where log Z is known to be so large; estimates below may miss as much again."""
    log_z, error, low, low_error, high, high_error, effective = found
    short, below = np.maximum(known - log_z, 0), low < known
    high = np.maximum(high, known + short)
    return np.array([log_z + short, error, np.maximum(low, known), np.where(below, 0, low_error), high, high_error,
                     effective])  # fmt: skip


def _temperatures(pilots, n_chains):
    """How many each row gets in its second run, from its first ones."""
    _, _, low, _, high, _, effective = pilots.swapaxes(0, 1)
    apart, effective = np.maximum(high, low).max(axis=0) - low.min(axis=0), effective.min(axis=0)
    enough = [(apart <= most) & (effective >= n_chains / part) for most, part in LADDER.values()]
    return np.array(list(LADDER))[np.argmax(enough, axis=0)]


def _resampled(log_w):
    """Which chains go on: each as often as its weight says, but for rounding; (n_rows, n) numbers of all chains."""
    n_rows, n = log_w.shape
    weights = np.exp(log_w - log_w.max(axis=1, keepdims=True))
    ends = np.cumsum(weights, axis=1)
    places = (np.arange(n) + 0.5) / n * ends[:, -1:]
    chosen = np.array([np.searchsorted(*row) for row in zip(ends, places)])
    return (np.arange(n_rows)[:, None] * n + chosen).ravel()


def _summary(log_z0, rising, falling, rng):
    """The fields of LogZ but `group`, (7, n_rows)."""
    n = rising.shape[1]
    counts = rng.multinomial(n, np.full(n, 1 / n), (3, BOOTSTRAP))
    counts = np.concatenate([np.ones((3, 1, n)), counts], axis=1)  # all chains, then draws from them
    low, *high = (sign * _log_mean(these, c) for sign, these, c in zip((1, -1, -1), (rising, *falling), counts))
    spread = np.hypot(*(bound[1:].std(axis=0) for bound in high))
    high = np.where(high[1][0] - high[0][0] > MARGIN * spread, high[1], high[0])
    estimates = [log_z0 + these for these in (_bennett(rising, -falling[0], counts), low, high)]
    effective = np.min([_effective(these) for these in (rising, falling[0])], axis=0)
    both = [part for these in estimates for part in (these[0], these[1:].std(axis=0, ddof=1))]
    return np.array([*both, effective])


def _log_mean(log_w, counts):
    """The log of the mean weight of each row, each chain taken as often as `counts` says: (n_counts, n_rows)."""
    largest = log_w.max(axis=1)
    weights = np.exp(log_w - largest[:, None])
    return largest + np.log(np.maximum(counts @ weights.T, np.finfo(float).tiny) / log_w.shape[1])


def _effective(log_w):
    """1 / sum of squares of the normalised weights of each row."""
    weights = np.exp(log_w - log_w.max(axis=1, keepdims=True))
    return weights.sum(axis=1) ** 2 / np.square(weights).sum(axis=1)


def _bennett(rising, falling, counts):
    """Bennett's estimate of log Z / Z_0 of each row, (n_counts, n_rows), from log w in one direction of both groups.

    It solves sum_i sigmoid(log w_i - x) = sum_j sigmoid(x - log w_j), i a chain that rises, j one that falls: the left
    side falls with x and the right side rises, so that halving an interval finds it.
    """
    low = np.broadcast_to(np.minimum(rising.min(axis=1), falling.min(axis=1)), (counts.shape[1], len(rising)))
    high = np.broadcast_to(np.maximum(rising.max(axis=1), falling.max(axis=1)), low.shape)
    for _ in range(40):
        x = (low + high) / 2
        up = (counts[0][:, None] * sigmoid(rising - x[..., None])).sum(axis=-1)
        down = (counts[1][:, None] * sigmoid(x[..., None] - falling)).sum(axis=-1)
        low, high = np.where(up > down, x, low), np.where(up > down, high, x)
    return (low + high) / 2
