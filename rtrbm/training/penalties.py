"""Penalties on weights and on the activity of hidden units, which an update takes off the log-likelihood per frame.

With M each of the matrices (`rtrbm.parameters.is_matrix`; biases are left out), an update climbs the average over
frames of

    log P(v_t | past) - weight_decay / 2 sum M^2 - l1 sum |M|.

These penalties are parts of the gradient, also with Adam. They are not decoupled from it as in AdamW, so that the
maximum is that of this sum. `max_norm` does not count them.

The sparsity cost moves the hidden biases alone. With q_tj = P(h_j = 1 | v_t, past) and p the target, it adds

    sparsity_cost mean_t (p - q_tj)

to the derivative with respect to b_h,j. That is the derivative of the cross-entropy p log q + (1 - p) log(1 - q); those
with respect to the weights are left out, which leaves the weights to the data (Hinton 2010, section 11; Lee, Ekanadham
& Ng 2008).
"""

from typing import NamedTuple

import numpy as np

from ..parameters import is_matrix


class Penalties(NamedTuple):
    """The factors of the penalties: weight_decay, l1, sparsity_cost, and p, the sparsity_target."""

    weight_decay: float = 0.0
    l1: float = 0.0
    sparsity_cost: float = 0.0
    sparsity_target: float = 0.1

    def subtract(self, derivatives, params, active):
        """Subtract the derivatives of the penalties from those of the log-likelihood per frame, in place.

        Parameters
        ----------
        derivatives, params : NamedTuple
        active : (n_hidden,) ndarray or None
            q, which is needed if there is a sparsity_cost.
        """
        if self.weight_decay or self.l1:
            for name, M in params._asdict().items():
                if M is not None and is_matrix(name, M):
                    d = getattr(derivatives, name)
                    d -= self.weight_decay * M + self.l1 * np.sign(M)
        if self.sparsity_cost:
            d = derivatives.b_h
            d -= self.sparsity_cost * (active - self.sparsity_target)
