"""Penalties on weights and on the activity of hidden units, which an update takes off the log-likelihood per frame.

With M each of the matrices (W and those of `Conditioner.maps`; biases are left out), q_tj = P(h_j = 1 | v_t, past) and
p the target, an update climbs the average over frames of

    log P(v_t | past) - weight_decay / 2 sum M^2 - l1 sum |M|
        + sparsity_cost sum_j (p log q_tj + (1 - p) log(1 - q_tj)).

The last term, a cross-entropy, moves the hidden biases b_h alone, by the mean of p - q_tj, and leaves the weights to
the data (Hinton 2010, section 11; Lee, Ekanadham & Ng 2008). The penalties are parts of the gradient, also with Adam.
They are not decoupled from it as in AdamW, so that the maximum is that of this sum. `max_norm` does not count them.
"""

from typing import NamedTuple

import numpy as np


class Penalties(NamedTuple):
    """The factors of the penalties: weight_decay, l1, sparsity_cost, and p, the sparsity_target."""

    weight_decay: float = 0.0
    l1: float = 0.0
    sparsity_cost: float = 0.0
    sparsity_target: float = 0.1

    def subtract(self, derivatives, params, maps, active):
        """Subtract the derivatives of the penalties from those of the log-likelihood per frame, in place.

        Parameters
        ----------
        derivatives, params : NamedTuple
        maps : tuple of Map
        active : (n_hidden,) ndarray or None
            q, which is needed if there is a sparsity_cost.
        """
        if self.weight_decay or self.l1:
            for name in ("W", *(part.matrix for part in maps)):
                M, d = getattr(params, name), getattr(derivatives, name)
                d -= self.weight_decay * M + self.l1 * np.sign(M)
        if self.sparsity_cost:
            d = derivatives.b_h
            d -= self.sparsity_cost * (active - self.sparsity_target)
