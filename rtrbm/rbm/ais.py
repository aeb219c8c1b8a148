"""Annealed importance sampling of the partition function, for an RBM too large to enumerate."""

import numpy as np

from ..checks import check_count
from ..compute.engine import NUMPY
from ..functions import softplus
from ..progress import bar
from ..streams import as_seed, stream
from .conditionals import sample_hidden, sample_visible
from .units import BERNOULLI, as_units

GROUP_CHAINS = 50


def log_partition(
    W, b_v, b_h, units=BERNOULLI, *, base_b_v=None, n_chains=100, n_steps=1000, random_state=None, engine=NUMPY
):
    """Estimate log Z of one RBM by annealed importance sampling (Neal 2001; Salakhutdinov & Murray 2008).

    Chains pass through RBMs of equally spaced beta_0..beta_n_steps, from independent visible units (beta = 0)
    to the RBM asked for (beta = 1). With their hidden units summed out, and -|v|^2 / 2 for Gaussian ones,

        log p*_beta(v) = v ((1 - beta) base_b_v + beta b_v) + sum_j log(1 + exp(beta (v W + b_h)_j)).

    A chain that is in v_k when beta rises to beta_k has the weight
    w = prod_k p*_{beta_k}(v_k) / p*_{beta_{k-1}}(v_k), whose mean is Z_1 / Z_0; Z_0 is known.

    Parameters
    ----------
    W : (n_visible, n_hidden) ndarray
    b_v : (n_visible,) ndarray
    b_h : (n_hidden,) ndarray
    units : Units or str
    base_b_v : (n_visible,) ndarray, optional
        Visible biases at beta = 0, best those that reproduce the mean of the data; b_v if left out.
    n_chains : int
        At least 2, for the standard error.
    n_steps : int
        Temperatures; the error falls as they grow.
    random_state : None, int, RandomState or Generator
    engine : Engine
        Results do not depend on its threads.

    Returns
    -------
    log_z : float
        In nats. Z is estimated without bias, so log_z falls short of log Z on average, by about half the
        square of its true standard error: log-likelihoods computed from it tend to be too high.
    standard_error : float
        Of log_z: that of the mean weight divided by the mean (delta method). It knows only of the chains that
        were run: where n_steps is too small or no chain finds an important mode, it is far too small and
        log_z too low. Values near 1, the largest possible, or a log_z that rises with n_steps, tell of that.

    Raises
    ------
    TypeError, ValueError
        If a count or random_state is not valid, the biases are not one row, or there are no units of that name.

    Examples
    --------
    >>> log_z, standard_error = log_partition(np.zeros((30, 40)), np.zeros(30), np.zeros(40), random_state=0)
    >>> float(round(log_z / np.log(2), 9)), round(standard_error, 9)
    (70.0, 0.0)
    """
    check_count("n_chains", n_chains, minimum=2)
    check_count("n_steps", n_steps)
    units = as_units(units)
    W, b_v, b_h = (np.asarray(parameter, float) for parameter in (W, b_v, b_h))
    base = b_v if base_b_v is None else np.asarray(base_b_v, float)
    if not (b_v.shape == base.shape == W.shape[:1] and b_h.shape == W.shape[1:]):
        shapes = f"{b_v.shape}, {base.shape}, {b_h.shape}"
        raise ValueError(f"biases must be one row for W of shape {W.shape}, got shapes {shapes}")
    seed = as_seed(random_state)

    def group(first):
        rng = stream(seed, "ais", first)
        n = min(GROUP_CHAINS, n_chains - first)
        return _log_weights(W, b_v, b_h, base, units, n_steps, n, rng, counted.update)

    groups = range(0, n_chains, GROUP_CHAINS)
    with bar(n_steps * len(groups), "step") as counted:
        log_w = np.concatenate(engine.run(group, groups))
    log_z0 = len(b_h) * np.log(2) + units.log_partition(base)
    w = np.exp(log_w - log_w.max())
    return float(log_z0 + log_w.max() + np.log(w.mean())), float(w.std(ddof=1) / w.mean() / np.sqrt(n_chains))


def _log_weights(W, b_v, b_h, base, units, n_steps, n_chains, rng, count):
    """log w of n_chains chains; `count` is called at every step."""
    log_w = np.zeros(n_chains)
    h = np.zeros((n_chains, len(b_h)))
    bias = base
    for before, beta in zip(np.arange(n_steps) / n_steps, np.arange(1, n_steps + 1) / n_steps):
        v = sample_visible(before * h, W, bias, rng, units)  # the RBM of beta has the weights beta W
        total = v @ W + b_h
        log_w += (beta - before) * (v @ (b_v - base))
        log_w += (softplus(beta * total) - softplus(before * total)).sum(axis=1)
        h = sample_hidden(beta * v, W, beta * b_h, rng)
        bias = base + beta * (b_v - base)
        count()
    return log_w
