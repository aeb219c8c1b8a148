"""Measures of what a model says about assemblies: weights and connections beside the truth, moments of its samples."""

from typing import NamedTuple

import numpy as np

from rtrbm.functions import sigmoid
from rtrbm.streams import stream

MOMENTS = ("means", "pairs", "time-shifted pairs")


class Matching(NamedTuple):
    """units : (n_assemblies,) int ndarray, the hidden unit of every assembly; signs : (n_assemblies,) ndarray, -1 where
    the unit is off when the assembly is active; correlations : (n_assemblies,) ndarray, sizes of those of weights."""

    units: np.ndarray
    signs: np.ndarray
    correlations: np.ndarray


class Recovery(NamedTuple):
    """correlation, off_diagonal : float, of recovered and true connections, all and those between two assemblies;
    sign_errors : int, of the true connections that are not 0; slope : float, of recovered on true ones; z, p : float,
    of `off_diagonal` among those of relabelled assemblies."""

    correlation: float
    off_diagonal: float
    sign_errors: int
    slope: float
    z: float
    p: float


def match(W, truth):
    """The hidden units that stand for the assemblies, one for each, chosen so that the weights correlate most.

    A hidden unit's number has no meaning, and neither has its sign: h -> 1 - h turns the sign of its weights round, and
    the biases make up for it. So sizes of correlations are added up (scipy.optimize.linear_sum_assignment).

    Parameters
    ----------
    W : (n_neurons, n_hidden) ndarray, with n_hidden >= n_assemblies
    truth : (n_neurons, n_assemblies) ndarray

    Returns
    -------
    Matching
    """
    from scipy.optimize import linear_sum_assignment

    centred = [part - part.mean(axis=0) for part in (truth, W)]
    unit = [part / np.maximum(np.linalg.norm(part, axis=0), 1e-30) for part in centred]
    correlations = unit[0].T @ unit[1]
    assemblies, units = linear_sum_assignment(-np.abs(correlations))
    chosen = correlations[assemblies, units]
    return Matching(units, np.where(chosen < 0, -1.0, 1.0), np.abs(chosen))


def aligned(U, matching):
    """Connections among the matched units in the order of the assemblies, (n_assemblies, n_assemblies).

    A unit with the opposite sign has the opposite sign in its row and in its column, the diagonal apart.
    """
    return U[np.ix_(matching.units, matching.units)] * np.outer(matching.signs, matching.signs)


def oriented(model, recording):
    """W, U and the states r_t of a recording, every unit with the sign that makes the sum of the cubes of its weights
    positive, so that a unit is on when its strongest neurons fire.

    Parameters
    ----------
    model : fitted RTRBM
    recording : (n_frames, n_neurons) ndarray

    Returns
    -------
    W : (n_neurons, n_hidden) ndarray
    U : (n_hidden, n_hidden) ndarray
    states : (n_frames, n_hidden) ndarray
        1 - r_t of the units that were turned round.
    """
    W, U, states = model.params_.W, model.params_.U, model.transform([recording])[0]
    signs = np.where((W**3).sum(axis=0) < 0, -1, 1).astype(W.dtype)
    return W * signs, U * np.outer(signs, signs), np.where(signs < 0, 1 - states, states)


def recovery(U, truth, n_permutations=2000, seed=0):
    """Aligned connections beside the true ones. The control gives the assemblies of U other names, at random.

    Parameters
    ----------
    U, truth : (n_assemblies, n_assemblies) ndarray
    n_permutations, seed : int

    Returns
    -------
    Recovery
        p counts the recovered order among the permuted ones: it is at least 1 / (n_permutations + 1).
    """
    between, rng = ~np.eye(len(U), dtype=bool), stream(seed, "shuffle")

    def off_diagonal(order):
        return correlation(U[np.ix_(order, order)][between], truth[between])

    found = off_diagonal(np.arange(len(U)))
    others = np.array([off_diagonal(rng.permutation(len(U))) for _ in range(n_permutations)])
    return Recovery(
        correlation(U, truth),
        found,
        int((np.sign(U) != np.sign(truth))[truth != 0].sum()),
        float((U * truth).sum() / np.square(truth).sum()),
        float((found - others.mean()) / others.std()),
        float((1 + (others >= found).sum()) / (1 + n_permutations)),
    )


def correlation(one, other):
    """Pearson's, of two arrays of one shape; NaN if one of them is constant."""
    one, other = (np.ravel(part) - np.mean(part) for part in (one, other))
    size = np.linalg.norm(one) * np.linalg.norm(other)
    return float(one @ other / size) if size else float("nan")


def linear_regression(states):
    """Weights of the least squares regression of the next frame's states on the present ones.

    Parameters
    ----------
    states : (n_frames, n_hidden) ndarray

    Returns
    -------
    (n_hidden, n_hidden) ndarray
        Entry [i, j] is the effect of unit i at t-1 on unit j at t.
    """
    past = np.column_stack([states[:-1], np.ones(len(states) - 1)])
    return np.linalg.lstsq(past, states[1:], rcond=None)[0][:-1]


def logistic_regression(states, ridge=1e-3, n_steps=50):
    """The same for the log-likelihood of states between 0 and 1, less ridge / 2 times the weights' squares (Newton)."""
    past = np.column_stack([states[:-1], np.ones(len(states) - 1)])
    weights = np.zeros((past.shape[1], states.shape[1]))
    for column, wanted in zip(weights.T, states[1:].T):
        for _ in range(n_steps):
            mean = sigmoid(past @ column)
            slope = past.T @ (wanted - mean) - ridge * column
            curvature = (past.T * (mean * (1 - mean))) @ past + ridge * np.eye(len(column))
            step = np.linalg.solve(curvature, slope)
            column += step
            if np.abs(step).max() < 1e-8:
                break
    return weights[:-1]


def moments(sequences):
    """Means, covariances of pairs in a frame, and covariances of pairs one frame apart.

    Parameters
    ----------
    sequences : list of (n_frames_i, n_neurons) ndarrays

    Returns
    -------
    dict of ndarrays
        "means": <v_i>; "pairs": <v_i v_j> - <v_i> <v_j> of i < j; "time-shifted pairs": the same of v_i at t and v_j
        at t + 1, of all i and j.
    """
    mean = np.concatenate(sequences).mean(axis=0, dtype=float)
    centred = [v - mean for v in sequences]
    same = sum(v.T @ v for v in centred) / sum(map(len, centred))
    shifted = sum(v[:-1].T @ v[1:] for v in centred) / sum(len(v) - 1 for v in centred)
    return dict(zip(MOMENTS, (mean, same[np.triu_indices(len(mean), 1)], shifted.ravel())))


def moment_rows(data, samples):
    """(moment, correlation, RMSE, RMSE of samples without any dependence) of `moments` of samples beside the data's."""
    rows = []
    for name in MOMENTS:
        nothing = data[name].mean() if name == "means" else 0.0
        errors = (float(np.sqrt(np.mean(np.square(data[name] - other)))) for other in (samples[name], nothing))
        rows.append((name, correlation(data[name], samples[name]), *errors))
    return rows
