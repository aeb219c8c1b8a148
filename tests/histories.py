"""Hidden states that may go on from a prefix in the samples of a model, by enumeration."""

import numpy as np
from helpers import binary_states, slow_states


def histories(params, prefix, past):
    """Hidden states of a prefix that may go on from it: (probability, states frame by frame).

    past : callable (r_t) -> probabilities and values of a frame's hidden states, `means` or `drawn`.
    """
    found = [(1.0, [])]
    for t in range(len(prefix)):
        found = [
            (p * weight, [*h, value])
            for p, h in found
            for weight, value in past(slow_states(params, prefix[: t + 1], held=h)[0][t])
        ]
    return found


def means(r):
    """The filter's r_t itself."""
    return [(1.0, r)]


def drawn(r):
    """Hidden states, with their probabilities."""
    return [(np.prod(np.where(h == 1, r, 1 - r)), h) for h in binary_states(len(r))]


def carried(model):
    """What goes on in the samples of a model; for a CRBM nothing does."""
    return means if getattr(model, "bptt", True) else drawn
