"""A recurrent net that predicts real values, to compare with: deterministic, trained by backpropagation through time.

    s_t = tanh(v_t W + b_h + s_{t-1} U),   prediction of v_{t+1} = v_t + s_t V + b_y

It learns the squared error by Adam, its rate falling linearly to 0, through `rtrbm.past.recurrence`.
"""

from typing import NamedTuple

import numpy as np

from rtrbm.minibatches.sequences import pack
from rtrbm.past import recurrence
from rtrbm.streams import stream
from rtrbm.training import optimizers


class NetParams(NamedTuple):
    """W : (n_visible, n_hidden); U : (n_hidden, n_hidden); b_h, b_init : (n_hidden,); V : (n_hidden, n_visible);
    b_y : (n_visible,)."""

    W: np.ndarray
    U: np.ndarray
    b_h: np.ndarray
    b_init: np.ndarray
    V: np.ndarray
    b_y: np.ndarray


def initial_params(n_visible, n_hidden, seed):
    """Weights of a scale that keeps tanh away from its ends; predictions start as copies of the frame before."""
    rng = stream(seed, "initial")
    W = rng.standard_normal((n_visible, n_hidden)) / np.sqrt(n_visible) / 2
    U = rng.standard_normal((n_hidden, n_hidden)) / np.sqrt(n_hidden) / 2
    zeros = np.zeros(n_hidden), np.zeros(n_hidden), np.zeros((n_hidden, n_visible)), np.zeros(n_visible)
    return NetParams(*(a.astype(np.float32) for a in (W, U, *zeros)))


def states(params, v, where):
    """s_t of packed frames."""
    return recurrence.forward(v @ params.W, where, params.U, params.b_h, params.b_init, activation="tanh")[0]


def gradient(params, v, target, where):
    """The derivatives of -1/2 sum |target - prediction|^2 / number of frames, `target` being the frame after each."""
    s = states(params, v, where)
    e = (target - v - s @ params.V - params.b_y) / len(v)
    d, d_total = recurrence.backward(s, where, params.U, d_s=e @ params.V.T, activation="tanh")
    return NetParams(v.T @ d, *recurrence.parameter_gradient(s, where, d_total), s.T @ e, e.sum(axis=0))


def train(windows, n_hidden=100, n_updates=2000, learning_rate=3e-3, batch_size=8, noise=0.0, seed=0):
    """A net trained on windows of frames.

    Parameters
    ----------
    windows : list of (n_frames_i, n_visible) ndarrays
        Of at least 2 frames each.
    n_hidden, n_updates, batch_size : int
    learning_rate : float
        Of the first update.
    noise : float
        Standard deviation of noise in the frames it sees, not in those that it predicts.
    seed : int

    Returns
    -------
    NetParams
    """
    params, optimizer = initial_params(windows[0].shape[1], n_hidden, seed), optimizers.adam()
    state, rng = optimizer.init(params), stream(seed, "data")
    for update in range(n_updates):
        chosen = [windows[i] for i in rng.integers(len(windows), size=batch_size)]
        (v, where), (target, _) = (pack([np.asarray(x[at], np.float32) for x in chosen])
                                   for at in (slice(0, -1), slice(1, None)))  # fmt: skip
        if noise:
            v = v + np.float32(noise) * rng.standard_normal(v.shape, np.float32)
        rate = optimizers.linear_decay(learning_rate, update, n_updates)
        steps, state = optimizer.update(gradient(params, v, target, where), state, rate)
        for array, step in zip(params, steps):
            array += step
    return params


def predict(params, X):
    """One-step predictions of every frame of each sequence, the first by 0."""
    predicted = []
    for x in X:
        v, where = pack([np.asarray(x, np.float32)])
        ahead = v + states(params, v, where) @ params.V + params.b_y
        predicted.append(np.concatenate([np.zeros_like(v[:1]), ahead[:-1]]))
    return predicted


def roll_out(params, prefixes, horizon):
    """Predictions that go on from predictions, (n_prefixes, horizon, n_visible), after each of some sequences."""
    paths = []
    for x in prefixes:
        v, where = pack([np.asarray(x, np.float32)])
        s, frame, path = states(params, v, where)[-1], v[-1], []
        for _ in range(horizon):
            frame = frame + s @ params.V + params.b_y
            path.append(frame)
            s = np.tanh(frame @ params.W + params.b_h + s @ params.U)
        paths.append(path)
    return np.array(paths)
