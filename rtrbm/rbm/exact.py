"""Sums over all states of a small RBM: the oracle for every gradient, sampler and estimator.

The smaller layer is enumerated, in blocks of states, so that memory stays bounded; the other layer is summed in
closed form. Visible units that are not binary can only be the closed-form layer.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from ..biases import Biases
from ..functions import sigmoid, softplus
from .conditionals import free_energy
from .units import BERNOULLI, as_units

MAX_UNITS = 25
BLOCK_ELEMENTS = 2**22
LOW_UNITS = 8  # of the hidden units, whose states are one side of a product
SMALL = 600.0  # nats between terms that are added as numbers, without their logarithms


class Averages(NamedTuple):
    """Averages under the model, exact or estimated: the negative phase.

    vh : callable () -> (n_visible, n_hidden) ndarray, the sum over rows of <v^T h>, a product that can be left until
    there is an idle thread; v : (n_rows, n_visible), <v>; h : (n_rows, n_hidden), <h>.
    """

    vh: Callable[[], np.ndarray]
    v: np.ndarray
    h: np.ndarray


def _n_enumerated(n_visible, n_hidden, units):
    """The units of the layer to enumerate."""
    return min(n_visible, n_hidden) if units.binary else n_hidden


def is_enumerable(n_visible, n_hidden, units):
    """Whether the layer to enumerate has at most 25 units."""
    return _n_enumerated(n_visible, n_hidden, units) <= MAX_UNITS


def n_terms(n_visible, n_hidden, units, n_rows=1, shared=False):
    """The terms of a sum over all states for so many rows of biases; `shared`: their visible biases are one row."""
    enumerated = _n_enumerated(n_visible, n_hidden, units)
    n_other = n_visible + n_hidden - enumerated
    if shared and enumerated == n_hidden:
        return 2**enumerated * (n_other + n_rows / 20)  # the visible units are summed out once for all rows
    return 2**enumerated * n_other * n_rows


def check_enumerable(n_visible, n_hidden, units, name="exact enumeration", instead="an estimate"):
    """Raise a ValueError unless the layer to enumerate has at most 25 units.

    Parameters
    ----------
    n_visible, n_hidden : int
    units : Units
    name, instead : str
        What asks for it, and what to take in its place.
    """
    if is_enumerable(n_visible, n_hidden, units):
        return
    if not units.binary:
        kind = type(units).__name__
        raise ValueError(
            f"{name} with {kind} visible units needs n_hidden <= {MAX_UNITS}, got n_hidden={n_hidden}: take {instead}"
        )
    raise ValueError(
        f"{name} needs min(n_visible, n_hidden) <= {MAX_UNITS}, "
        f"got n_visible={n_visible}, n_hidden={n_hidden}: take {instead}"
    )


def _enumerate_hidden(W, units):
    return not units.binary or W.shape[1] <= W.shape[0]


def _states(W, b_v, b_h, units):
    """All binary states of the enumerated layer, in blocks whose temporaries have about BLOCK_ELEMENTS elements."""
    n_other, n_units = W.shape if _enumerate_hidden(W, units) else W.shape[::-1]
    n_rows = max(len(np.atleast_2d(b_v)), len(np.atleast_2d(b_h)))
    block = max(1, BLOCK_ELEMENTS // (n_rows * n_other))
    for start in range(0, 2**n_units, block):
        yield _codes(start, min(start + block, 2**n_units), n_units)


def _float64(*params):
    """The same in double precision: sums over a million states of near-equal weight need it."""
    return [np.asarray(parameter, float) for parameter in params]


def _log_weights(states, W, b_v, b_h, units):
    """Log unnormalised probability of the enumerated layer's states, (n_rows, n_states)."""
    b_v, b_h = np.atleast_2d(b_v), np.atleast_2d(b_h)
    if _enumerate_hidden(W, units):
        activation = states @ W.T + b_v[:, None, :]  # (1 or n_rows, n_states, n_visible)
        return b_h @ states.T + units.log_partition(activation)
    return b_v @ states.T + softplus(states @ W + b_h[:, None, :]).sum(axis=-1)


def log_partition(W, b_v, b_h, units=BERNOULLI, count=None):
    """log Z of an RBM for each row of biases, by enumeration.

    Z = sum_h exp(h b_h) prod_i sum_{v_i} exp(v_i (b_v + W h)_i), an integral with exp(-v_i^2 / 2) for Gaussian units.

    Parameters
    ----------
    W : (n_visible, n_hidden) ndarray
    b_v : (n_visible,) or (n_rows, n_visible) ndarray
    b_h : (n_hidden,) or (n_rows, n_hidden) ndarray
    units : Units or str
    count : callable (n_rows), optional
        Called with numbers of rows that are done.

    Returns
    -------
    (n_rows,) ndarray
        In nats; one row if both biases have one.

    Raises
    ------
    ValueError
        If the smaller layer has more than 25 units, or there are no units of that name.

    Examples
    --------
    >>> float(round(log_partition(np.zeros((2, 3)), np.zeros(2), np.zeros(3))[0] / np.log(2), 9))
    5.0
    """
    units = as_units(units)
    check_enumerable(*W.shape, units)
    W, b_v, b_h = _float64(W, b_v, b_h)
    n_rows = max(len(np.atleast_2d(b)) for b in (b_v, b_h))
    size = 2**12 if b_v.ndim == 1 else max(1, 2**28 // n_terms(*W.shape, units))
    parts = []
    for start in range(0, n_rows, size):
        these = Biases(b_v, b_h).at(slice(start, start + size))
        parts.append(_log_partition(W, *these, units))
        if count is not None:
            count(len(parts[-1]))
    return np.concatenate(parts)


def _log_partition(W, b_v, b_h, units):
    """log Z of some rows."""
    from scipy.special import logsumexp  # as slow to import as numpy

    log_z = -np.inf
    if _enumerate_hidden(W, units) and b_v.ndim == 1:
        for terms in _log_terms(W, b_v, np.atleast_2d(b_h), units):
            log_z = np.logaddexp(log_z, logsumexp(terms, axis=1))
        return log_z
    for states in _states(W, b_v, b_h, units):
        log_z = np.logaddexp(log_z, logsumexp(_log_weights(states, W, b_v, b_h, units), axis=1))
    return log_z


def _log_terms(W, b_v, b_h, units):
    """Blocks of log sums over the states of the first hidden units, (n_rows, n), one for each state of the others.

    With h = (l, m) the term of m is m b_m + log sum_l exp(l b_l) exp(F(l, m)), where F(l, m), the logarithm of the sum
    over the visible units, is the same for all rows: the sum over l is a product of matrices.
    """
    from scipy.special import logsumexp  # as slow to import as numpy

    n_low = min(LOW_UNITS, W.shape[1])
    low = _codes(0, 2**n_low, n_low)
    log_e = b_h[:, :n_low] @ low.T
    most = log_e.max(axis=1, keepdims=True)
    e = np.exp(log_e - most)
    n_high, size = W.shape[1] - n_low, max(1, BLOCK_ELEMENTS // max(len(low) * len(W), len(b_h)))
    for start in range(0, 2**n_high, size):
        high = _codes(start, min(start + size, 2**n_high), n_high)
        activation = (low @ W[:, :n_low].T)[:, None] + (high @ W[:, n_low:].T + b_v)
        log_f = units.log_partition(activation)  # (n_low states, n_high states)
        largest = log_f.max(axis=0)
        if (most - log_e.min(axis=1, keepdims=True)).max() + (largest - log_f.min(axis=0)).max() < SMALL:
            log_sums = most + largest + np.log(e @ np.exp(log_f - largest))
        else:
            log_sums = np.stack([logsumexp(row[:, None] + log_f, axis=0) for row in log_e])
        yield b_h[:, n_low:] @ high.T + log_sums


def _codes(start, stop, n_units):
    """Binary states of these numbers, (stop - start, n_units)."""
    return (np.arange(start, stop)[:, None] >> np.arange(n_units) & 1).astype(float)


def averages(W, b_v, b_h, units=BERNOULLI):
    """The model's averages <v>, <h> for each row of biases, and the sum over rows of <v^T h>, by enumeration.

    Parameters
    ----------
    W, b_v, b_h, units
        As in `log_partition`.

    Returns
    -------
    Averages
    """
    dtype, units = W.dtype, as_units(units)
    W, b_v, b_h = _float64(W, b_v, b_h)
    log_z = log_partition(W, b_v, b_h, units)
    n_rows = len(log_z)
    hidden_enumerated = _enumerate_hidden(W, units)
    vh = np.zeros_like(W)
    v, h = np.zeros((n_rows, W.shape[0]), W.dtype), np.zeros((n_rows, W.shape[1]), W.dtype)
    b_v_rows, b_h_rows = np.broadcast_to(b_v, v.shape), np.broadcast_to(b_h, h.shape)
    for states in _states(W, b_v, b_h, units):
        p = np.exp(_log_weights(states, W, b_v, b_h, units) - log_z[:, None])  # (n_rows, n_states)
        for row in range(n_rows):
            if hidden_enumerated:
                mean = units.mean(states @ W.T + b_v_rows[row])
                vh += (mean * p[row][:, None]).T @ states
                v[row] += p[row] @ mean
                h[row] += p[row] @ states
            else:
                mean = sigmoid(states @ W + b_h_rows[row])
                vh += states.T @ (mean * p[row][:, None])
                v[row] += p[row] @ states
                h[row] += p[row] @ mean
    vh, v, h = (sums.astype(dtype, copy=False) for sums in (vh, v, h))
    return Averages(lambda: vh, v, h)


def log_likelihood(v, W, b_v, b_h, units=BERNOULLI):
    """log P(v) = -F(v) - log Z of each row, in nats (eq. 3.22 for one frame).

    Parameters
    ----------
    v : (n_rows, n_visible) ndarray
    W, b_v, b_h, units
        As in `log_partition`.

    Returns
    -------
    (n_rows,) ndarray
    """
    v, W, b_v, b_h = (np.asarray(array, float) for array in (v, W, b_v, b_h))
    units = as_units(units)
    return -free_energy(v, W, b_v, b_h, units) - log_partition(W, b_v, b_h, units)
