"""The log-likelihood of layers upon layers (3.4), bounded from below.

The layers above give h_1..h_T, and the bottom layer v_t given h_t and the past. Its filter q(h_t) = P(h_t | v_t, past)
says which h_t may have been there:

log P(v_1..v_T) >= E_q[sum_t log P(v_t | h_t, past) - log q(h_t) + log P(h_1..h_T)]
                 = E_q[sum_t F(h_t) - F(v_t) + log P(h_1..h_T)]

by Jensen's inequality, as for layers without time (Hinton, Osindero & Teh 2006). F are the free energies of the RBM of
frame t, whose log Z cancels. The past enters their biases as it does in each layer's own likelihood. The last term is
bounded in the same way, or is that of the top layer (eq. 3.22).

One draw of h is estimated, and how far above the truth may it be? With log w in place of the bracket, E_q[w] is
P(v_1..v_T) itself. Sequences are independent, so by Markov's inequality the sum of log w over all of them is above
that of log P by more than c nats with a probability below exp(-c). The same holds for means over draws.
"""

import numpy as np

from ..rbm.conditionals import free_energy, hidden_free_energy
from ..streams import stream
from .likelihoods import Likelihood, Scores, warn_of_doubts

COLUMNS = [Scores._fields.index(name) for name in ("log_p", "high", "low")]
GROUP = Scores._fields.index("group")
ABOVE = -float(np.log(0.00135))  # nats above the truth, which a sum is not with the probability of 3 standard errors


def bounded(layers, X, seed, n_draws, settings):
    """The `Scores` of frames with h drawn from q: their mean over draws is the bound.

    Parameters
    ----------
    layers : list of temporal models
        Fitted, the bottom one first, more than one.
    X : checked sequences
    seed : int
    n_draws : int
        At least 2.
    settings : dict
        method, n_chains, n_steps: of the top layer's likelihood.

    Returns
    -------
    (n_sequences, n_draws, n_frames, 8) ndarray, or list of (n_draws, n_frames_i, 8) ndarrays for a list
        Columns as of `Scores`.
    """
    *below, top = layers
    found, gains = [], []
    for number in range(n_draws):
        states, gained = X, []
        for i, layer in enumerate(below):
            states, gain = _drawn(layer, states, seed, (number, i))
            gained.append(gain)
        found.append(top._estimated(states, seed, settings))
        gains.append([sum(parts) for parts in zip(*gained)])
    _warn_of_doubts(found, n_draws)
    for of_top, added in zip(found, gains):
        for frames, gain in zip(of_top, added):
            frames[:, COLUMNS] += gain
    found = [np.stack(draws) for draws in zip(*found)]
    return np.stack(found) if isinstance(X, np.ndarray) else found


def _warn_of_doubts(found, n_draws):
    """Warnings of what the top layer's likelihoods are worth, all draws together."""
    parts, n_groups = [], 0
    for draw in found:
        frames = np.concatenate(list(draw))
        frames[:, GROUP] += n_groups
        n_groups = frames[:, GROUP].max() + 1
        parts.append(frames)
    warn_of_doubts(Scores(*np.concatenate(parts).T), f"frames of {n_draws} draws", False)


def averaged(frames):
    """The bound of each frame, what lies below the truth, and infinity.

    Parameters
    ----------
    frames : (n_draws, n_frames, 8) ndarray
        Of one sequence, as of `bounded`.

    Returns
    -------
    values, lower, upper : (n_frames,) ndarray
        In nats. The values of the first frames of a sequence add up to a bound of these frames. Those of lower add up
        to less than the truth, with a probability of 99.87 %.
    """
    found = Scores(*np.moveaxis(frames, -1, 0))
    lower = found.lower.mean(axis=0) - ABOVE / frames.shape[1]
    return found.log_p.mean(axis=0), lower, np.full(len(lower), np.inf)


def mean(found):
    """The mean over all frames of all sequences, as a `Likelihood` without an upper bound.

    Draws of one sequence are independent, its frames are not: the standard error is that of sums over sequences.

    Parameters
    ----------
    found : sequence of (n_draws, n_frames_i, 8) ndarrays
        As of `bounded`.
    """
    of_draws = [Scores(*np.concatenate(draw).T).mean() for draw in zip(*found)]
    nats, error, lower, effective = (
        float(np.mean([getattr(draw, name) for draw in of_draws]))
        for name in ("nats", "standard_error", "lower", "effective")
    )
    n_frames = of_draws[0].n_frames
    sums = np.stack([frames[..., 0].sum(axis=1) for frames in found], axis=1)
    spread = float(np.sqrt(np.square(_error_of_mean(sums)).sum()) / n_frames)
    error = float(np.hypot(error, spread))
    return Likelihood(nats, error, lower - ABOVE / n_frames, np.inf, n_frames, of_draws[0].method, effective)


def _error_of_mean(draws):
    """The standard error of a mean over the first axis."""
    return draws.std(axis=0, ddof=1) / np.sqrt(len(draws))


def _drawn(layer, X, seed, address):
    """Hidden states from a layer's filter, and F(h_t) - F(v_t) as a column, both in the form of X."""
    means = layer._map(X, layer._states)
    drawn = [
        (stream(seed, "posterior", *address, i).random(mean.shape) < mean).astype(mean.dtype)
        for i, mean in enumerate(means)
    ]
    drawn = np.stack(drawn) if isinstance(X, np.ndarray) else drawn
    W, units, log_volume = layer._effective().W, layer._units(), layer._log_volume()

    def gain(seen, h):
        v, h, *params = (np.asarray(a, float) for a in (seen.v, h, W, seen.biases.v, seen.biases.h))
        gained = hidden_free_energy(h, *params, units) - free_energy(v, *params, units) + log_volume
        return gained[:, None]

    return drawn, layer._map(X, gain, drawn)
