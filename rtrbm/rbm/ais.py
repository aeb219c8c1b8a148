"""Annealed importance sampling of the partition function, for RBMs too large to enumerate."""

import numpy as np

from ..checks import check_count
from ..compute.engine import NUMPY
from ..functions import sigmoid, softplus
from ..minibatches.sequences import layout
from ..progress import bar
from ..streams import as_seed
from .chains import Draw, is_compiled
from .units import BERNOULLI, as_units

BLOCK_CHAINS = 2**13  # that run at the same time


def log_partition(
    W, b_v, b_h, units=BERNOULLI, *, base_b_v=None, n_chains=100, n_steps=1000, random_state=None, engine=NUMPY
):
    """Estimate log Z of an RBM for each row of biases, by annealed importance sampling.

    Chains pass through RBMs of equally spaced beta_0..beta_n_steps, from independent visible units (beta = 0)
    to the RBM asked for (beta = 1). With their hidden units summed out, and log_base(v) = -|v|^2 / 2 for Gaussian ones,

        log p*_beta(v) = v ((1 - beta) base_b_v + beta b_v) + sum_j log(1 + exp(beta (v W + b_h)_j)) + log_base(v).

    A chain that is in v_k when beta rises to beta_k has the weight
    w = prod_k p*_{beta_k}(v_k) / p*_{beta_{k-1}}(v_k), whose mean is Z_1 / Z_0; Z_0 is known.

    Every row has chains of its own, whose random numbers are those of its number: its estimate does not depend on the
    other rows, up to rounding. All chains of some rows run as one batch.

    Sources: Neal 2001, "Annealed importance sampling"; Salakhutdinov & Murray 2008, "On the quantitative analysis of
    deep belief networks".

    Parameters
    ----------
    W : (n_visible, n_hidden) ndarray
        Chains have its precision, single or double.
    b_v : (n_visible,) or (n_rows, n_visible) ndarray
    b_h : (n_hidden,) or (n_rows, n_hidden) ndarray
    units : Units or str
    base_b_v : (n_visible,) or (n_rows, n_visible) ndarray, optional
        Visible biases at beta = 0, best those that reproduce the mean of the data; b_v if left out.
    n_chains : int
        Of each row; at least 2, for the standard error.
    n_steps : int
        Temperatures; the error falls as they grow.
    random_state : None, int, RandomState or Generator
    engine : Engine
        Results do not depend on its threads. numba has compiled chains for binary units in single precision.

    Returns
    -------
    log_z : float or (n_rows,) ndarray
        In nats; a number if no biases have rows. Z is estimated without bias, so log_z falls short of log Z on average,
        by about half the square of its true standard error: log-likelihoods computed from it tend to be too high.
    standard_error : float or (n_rows,) ndarray
        Of log_z: that of the mean weight divided by the mean (delta method). It knows only of the chains that
        were run: where n_steps is too small or no chain finds an important mode, it is far too small and
        log_z too low. Values near 1, the largest possible, or a log_z that rises with n_steps, tell of that.

    Raises
    ------
    TypeError, ValueError
        If a count or random_state is not valid, a bias has another shape, or there are no units of that name.

    Examples
    --------
    >>> log_z, standard_error = log_partition(np.zeros((30, 40)), np.zeros(30), np.zeros(40), random_state=0)
    >>> float(round(log_z / np.log(2), 9)), round(standard_error, 9)
    (70.0, 0.0)
    >>> frames = np.zeros((3, 40))  # biases of three frames
    >>> log_partition(np.zeros((30, 40)), np.zeros(30), frames, n_steps=10, random_state=0)[0] / np.log(2)
    array([70., 70., 70.])
    """
    check_count("n_chains", n_chains, minimum=2)
    check_count("n_steps", n_steps)
    units, draw = as_units(units), Draw(as_seed(random_state), "ais")
    W = np.asarray(W)
    W = W.astype(W.dtype if W.dtype == np.float32 else float, copy=False)
    base = b_v if base_b_v is None else base_b_v
    b_v, b_h, base, has_rows = _with_rows(W, b_v=b_v, b_h=b_h, base_b_v=base)
    betas = (np.arange(n_steps + 1) / n_steps).astype(W.dtype)
    size, n_rows = max(1, BLOCK_CHAINS // n_chains), len(b_v)
    log_z, error = np.empty(n_rows), np.empty(n_rows)
    with bar(n_rows * n_chains * n_steps, "step") as counted:
        for start in range(0, n_rows, size):
            rows = slice(start, start + size)
            these = b_v[rows], b_h[rows], base[rows]
            log_w = _log_weights(W, *these, units, betas, n_chains, draw._replace(first=start), engine, counted.update)
            log_z0 = W.shape[1] * np.log(2) + units.log_partition(these[2].astype(float, copy=False))
            log_mean, error[rows] = _log_mean(log_w)
            log_z[rows] = log_z0 + log_mean
    return (log_z, error) if has_rows else (float(log_z[0]), float(error[0]))


def _with_rows(W, **biases):
    """The biases with a row for each RBM, in the precision of W, and whether any of them had rows."""
    if W.ndim != 2:
        raise ValueError(f"W must have the shape (n_visible, n_hidden), got {W.shape}")
    biases = {name: np.asarray(bias, W.dtype) for name, bias in biases.items()}
    for name, bias in biases.items():
        n = W.shape[name == "b_h"]
        if bias.ndim not in (1, 2) or bias.shape[-1] != n or not len(bias):
            wanted = f"({n},) or (n_rows, {n}) for W of shape {W.shape}"
            raise ValueError(f"{name} must have the shape {wanted}, got {bias.shape}")
    n_rows = {name: len(bias) for name, bias in biases.items() if bias.ndim == 2}
    if len(set(n_rows.values())) > 1:
        numbers = ", ".join(f"{n} in {name}" for name, n in n_rows.items())
        raise ValueError(f"biases must have the same number of rows, or one for all (1-D), got {numbers}")
    n = max(n_rows.values(), default=1)
    return *(np.broadcast_to(bias, (n, bias.shape[-1])) for bias in biases.values()), bool(n_rows)


def _log_mean(log_w):
    """The log of the mean weight of each column, and its standard error."""
    with np.errstate(invalid="ignore"):  # what is not finite shows in the result
        largest = log_w.max(axis=0)
        w = np.exp(log_w - largest)
        mean = w.mean(axis=0)
        return largest + np.log(mean), w.std(axis=0, ddof=1) / mean / np.sqrt(len(w))


def _log_weights(W, b_v, b_h, base, units, betas, n_chains, draw, engine, count):
    """log w of n_chains chains for each row of biases, (n_chains, n_rows), on a ladder of betas that begins at 0.

    `count` is called with the number of steps that are made.
    """
    n_rows, difference = len(b_v), b_v - base
    chains = draw.chains(layout([n_chains] * n_rows), engine)  # chain c of row i is number c n_rows + i
    if is_compiled(engine, units, W):
        log_w = engine.annealing.log_weights(W, b_h, base, difference, betas, n_chains, chains, engine, count)
        return log_w.reshape(n_chains, n_rows)
    log_w, down = np.empty(n_chains * n_rows), np.ascontiguousarray(units.scale * W.T)

    def run_tile(these):
        numbers, noise = these
        rows = numbers % n_rows
        log_w[numbers] = _anneal(W, down, b_h[rows], base[rows], difference[rows], units, betas, noise, count)

    engine.run(run_tile, chains, 2 * len(betas) * log_w.size * W.size)
    return log_w.reshape(n_chains, n_rows)


def _anneal(W, down, b_h, base, difference, units, betas, noise, count):
    """log w of the chains of a tile; `down` is the transpose of W, scaled as the units want it."""
    log_w, v, h = np.zeros(len(base)), np.empty_like(base), np.zeros_like(b_h)
    x, scratch = np.empty_like(h), np.empty(max(v.size, h.size), W.dtype)
    for before, beta in zip(betas, betas[1:]):
        bias = units.scale * (base + before * difference)
        units.sample_given(h, before * down, bias, noise, v, scratch[: v.size].reshape(v.shape))
        noise.multiply(v, W, out=x)
        x += b_h
        log_w += (beta - before) * (v * difference).sum(axis=1, dtype=float)
        log_w += (softplus(beta * x) - softplus(before * x)).sum(axis=1, dtype=float)
        x *= beta
        sigmoid(x, out=h)
        noise.switch_on(h, scratch[: h.size].reshape(h.shape))
        count(len(v))
    return log_w
