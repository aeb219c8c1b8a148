"""Models of music whose notes are independent of each other, given the past: what an RBM at every frame must beat.

Their log-likelihoods are exact. `scores` are nats a frame, pooled over all frames of all pieces, and the accuracy of
`accuracy`.
"""

from functools import partial

import numpy as np

from rtrbm.biases import Biases
from rtrbm.compute import engine
from rtrbm.functions import sigmoid
from rtrbm.minibatches.sequences import pack
from rtrbm.minibatches.windows import packed
from rtrbm.models.lstmrbm import FORGET, LSTM
from rtrbm.parameters import each
from rtrbm.streams import stream
from rtrbm.training import optimizers

SMOOTHING = 0.5  # added to both counts of a note
N_CELLS, N_UPDATES, LEARNING_RATE, MAX_NORM = 200, 3000, 0.01, 1.0
N_LOOKS = 20  # measurements on the validation pieces
NEAREST = 2.0**-23  # to 0 and 1, of a probability: single precision has none between 1 and 1 less this


def accuracy(pieces, predicted):
    """Frame-level accuracy TP / (TP + FP + FN) of Bay, Ehmann & Downie (2009), in expectation.

    A note that is predicted with probability p and sounds (v = 1) is p true positives and 1 - p false negatives; one
    that does not sound is p false positives. All are summed over all frames of all pieces before they are divided:

        sum v p / sum (v + p - v p).

    Parameters
    ----------
    pieces, predicted : lists of (n_frames_i, 88) ndarrays

    Returns
    -------
    float
    """
    v, p = np.concatenate(pieces), np.concatenate(predicted)
    hits = np.vdot(v, p)
    return float(hits / (v.sum(dtype=float) + p.sum(dtype=float) - hits))


def scores(pieces, probabilities):
    """Nats a frame and accuracy of independent notes with these probabilities, lists of (n_frames_i, 88)."""
    v, p = np.concatenate(pieces), np.clip(np.concatenate(probabilities), NEAREST, 1 - NEAREST)
    nats = float(np.log(np.where(v == 1, p, 1 - p)).sum(axis=1, dtype=float).mean())
    return nats, accuracy(pieces, probabilities)


def one_gram(train):
    """Every note with its frequency in the training frames: a function of pieces that gives probabilities."""
    p = frequency(np.concatenate(train))
    return lambda pieces: [np.broadcast_to(p, v.shape) for v in pieces]


def markov(train):
    """Every note a Markov chain of its own: it sounds as often as after frames in which it sounded, or not.

    The first frame of a piece is that of the 1-gram.
    """
    before, now = (np.concatenate([v[part] for v in train]) for part in (slice(-1), slice(1, None)))
    p_0, p_1 = (frequency(now, before == state) for state in (0, 1))
    first = frequency(np.concatenate(train))
    return lambda pieces: [np.concatenate([first[None], np.where(v[:-1] == 1, p_1, p_0)]) for v in pieces]


def frequency(v, where=True):
    """How often notes sound, of the frames that count."""
    counted = np.broadcast_to(where, v.shape)
    return (v.sum(axis=0, where=counted, dtype=float) + SMOOTHING) / (counted.sum(axis=0) + 2 * SMOOTHING)


class NoteLSTM:
    """A long short-term memory (`rtrbm.models.lstmrbm.LSTM`) with an output for every note, and no hidden units.

    P(v_t | u_{t-1}) = prod_j sigmoid(b_v + u_{t-1} W_uv)_j^(v_tj) (1 - ...)^(1 - v_tj), trained by Adam with a rate
    that falls linearly to 0; the parameters kept are those with the best validation likelihood.

    Parameters
    ----------
    means : (n_visible,) ndarray
        How often every note sounds: where the outputs start.
    n : int
        Cells.
    seed : int
    """

    def __init__(self, means, n=N_CELLS, seed=0):
        self.past, rng = LSTM(n), stream(seed, "initial")
        n_visible, shapes = len(means), self.past.shapes(len(means), 0)
        self.params = each(lambda shape: np.zeros(shape, np.float32), shapes)
        for name in ("K", "R"):
            getattr(self.params, name)[:] = rng.standard_normal(getattr(shapes, name)) / np.sqrt(n_visible)
        self.params.b_g[2 * n : 3 * n] = FORGET
        self.params.b_v[:] = np.log(means / (1 - means))

    def fit(self, minibatches, valid, n_updates=N_UPDATES):
        """Learn from a source of minibatches of `Example`s; the gradient is cut off at the norm `MAX_NORM`."""
        optimizer, best = optimizers.adam(), (-np.inf, self.params)
        state = optimizer.init(self.params)
        for update in range(n_updates):
            v, where, *_ = packed(minibatches.minibatch(update))
            gradient = self.gradient(v, where)
            gradient = each(partial(np.multiply, 1 / max(1, optimizers.norm(gradient) / MAX_NORM)), gradient)
            rate = optimizers.linear_decay(LEARNING_RATE, update, n_updates)
            steps, state = optimizer.update(gradient, state, rate)
            self.params = each(np.add, self.params, steps)
            if (update + 1) % -(-n_updates // N_LOOKS) == 0 or update + 1 == n_updates:
                best = max(best, (scores(valid, self.predict(valid))[0], self.params), key=lambda pair: pair[0])
        self.params = best[1]
        return self

    def gradient(self, v, where):
        """The derivatives of the log-likelihood per frame; frames that warm up do not count."""
        biases, memory = self.past.forward(self.params, v, where, engine.NUMPY)
        c = v - sigmoid(biases.v)
        if where.n_warm is not None:
            frame = np.repeat(np.arange(len(where.batch_sizes)), where.batch_sizes)
            n_warm = where.n_warm[np.argsort(where.rank)]
            c[frame < np.concatenate([n_warm[:n] for n in where.batch_sizes])] = 0
        c /= len(v)
        _, gradient = self.past.backward(self.params, memory, Biases(c, biases.h), engine.NUMPY)
        return gradient._replace(W=np.zeros_like(self.params.W))

    def predict(self, pieces):
        """Probabilities of all notes, given the frames before: a list of (n_frames_i, 88)."""
        return [sigmoid(self.past.forward(self.params, *pack([v]), engine.NUMPY)[0].v) for v in pieces]
