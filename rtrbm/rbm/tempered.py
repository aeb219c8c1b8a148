"""Parallel tempering: chains at several temperatures that exchange their states, so that they cross between modes.

Inverse temperatures beta reach from 1, the model itself, towards 0, where the units are independent:

    p_beta(v, h) = exp(beta (v b_v + h b_h + v W h) + log_base(v)) / Z_beta.

That is the RBM of the weights beta W and the biases beta b_v and beta b_h, for every kind of units. p_0 is the noise of
`Units.start_noise`. With the hidden units summed out, and a = v W + b_h,

    log p_beta(v) = beta v b_v + sum_j log(1 + exp(beta a_j)) + log_base(v) - log Z_beta.

Sources: Desjardins, Courville, Bengio, Vincent and Delalleau 2010, "Parallel tempering for training of restricted
Boltzmann machines"; Cho, Raiko and Ilin 2010, "Parallel tempering is efficient for learning restricted Boltzmann
machines".
"""

from dataclasses import dataclass

import numpy as np

from ..biases import Biases
from ..user_data import as_float
from ..functions import sigmoid, softplus
from ..progress import bar
from ..streams import stream
from .chains import random_visible, reconstruct
from .negative import NegativePhase
from .persistent import averages_of_chains, check_counts, check_memory_of_chains, check_one_model, shape_of_chains

BETAS = tuple(i / 10 for i in range(11))


@dataclass(frozen=True)
class Tempered(NegativePhase):
    """Parallel tempering (Desjardins 2010, Cho 2010): persistent chains at several temperatures.

    Every chain of the model (beta = 1) has a companion at each other temperature (`rtrbm.rbm.tempered`). In an update
    companions at neighbouring temperatures may exchange their states (`exchange`): those of the temperatures 1 and 2, 3
    and 4, ... in one update, those of 2 and 3, 4 and 5, ... in the next. Then all move by k Gibbs steps at their own
    temperature. The chains at beta = 1 give the averages, as in `rtrbm.rbm.persistent.Persistent`.

    Hot chains cross easily from one mode of the model to another, and their states wander down to beta = 1 by
    exchanges. All this costs as many times the chains of PCD as there are temperatures.

    Parameters
    ----------
    k : int
        Steps of an update. ``negative="tempered"`` takes `n_gibbs`.
    n_chains : int, optional
        Chains at each temperature. None: the number of rows of the first minibatch.
    betas : sequence of float
        Inverse temperatures from 0 to 1, with 1, in increasing or decreasing order. Larger models need closer ones.

    Examples
    --------
    >>> from rtrbm import RBM
    >>> negative = Tempered(n_chains=20, betas=(0, 0.5, 1))
    >>> RBM(3, negative=negative, n_updates=10, random_state=0).fit(np.eye(4)).chains_.shape
    (3, 20, 4)
    """

    k: int = 1
    n_chains: int | None = None
    betas: tuple = BETAS

    name = "tempered"
    persistent = True

    def __post_init__(self):
        check_counts(self)
        object.__setattr__(self, "betas", checked_betas(self.betas))

    def check(self, n_visible, n_hidden, units):
        check_memory_of_chains(self, n_visible, len(self.betas))

    def averages(self, chains, h_pos, W, biases, units, where, draw, engine):
        check_one_model(self, biases)
        shape = shape_of_chains(self, chains, h_pos, W)
        tiles = _tiles(self.betas, shape[0], draw, engine)
        if chains is None or chains.shape != (len(self.betas), *shape):
            chains = _noise(shape, W.dtype, units, tiles)
        models, rng = _models(self.betas, W, biases), stream(draw.seed, "persistent", *draw.address)
        v, h = _round(chains, models, self.betas, units, self.k, sum(draw.address), tiles, rng, engine)
        model = self.betas.index(1)
        return averages_of_chains(v[model], h[model], len(h_pos), engine), v


def sample(n_samples, W, biases, betas, units, n_rounds, draw, engine):
    """Samples of an RBM, each from chains of its own at all temperatures, which start with noise.

    In a round chains at neighbouring temperatures may exchange their states, then every chain makes one Gibbs step.

    Parameters
    ----------
    n_samples : int
    W : (n_visible, n_hidden) ndarray
    biases : Biases
        The same for all rows.
    betas : tuple of float
        From `checked_betas`.
    units : Units
    n_rounds : int
    draw : Draw
    engine : Engine

    Returns
    -------
    (n_samples, n_visible) ndarray
        The states at beta = 1 after the last round.
    """
    tiles, models = _tiles(betas, n_samples, draw, engine), _models(betas, W, biases)
    rng = stream(draw.seed, "persistent", *draw.address)
    v = _noise((n_samples, len(W)), W.dtype, units, tiles)
    with bar(n_rounds, "step") as counted:
        for number in range(n_rounds):
            v, _ = _round(v, models, betas, units, 1, number, tiles, rng, engine)
            counted.update()
    return v[betas.index(1)]


def checked_betas(betas):
    """Inverse temperatures as a tuple of floats.

    Raises
    ------
    TypeError
        If they are not numbers.
    ValueError
        If they do not lie in [0, 1], lack 1 or are not in order.
    """
    values = as_float(betas, "betas")
    if values.ndim != 1 or not values.size:
        raise ValueError(f"betas must be a list of inverse temperatures, got {betas!r}")
    if not ((values >= 0) & (values <= 1)).all():
        raise ValueError(f"betas must lie in [0, 1], got {betas!r}")
    if 1 not in values:
        raise ValueError(f"betas must contain 1, the model itself, got {betas!r}")
    steps = np.diff(values.astype(float))
    if not ((steps > 0).all() or (steps < 0).all()):
        raise ValueError(f"betas must increase or decrease from each to the next, got {betas!r}")
    return tuple(map(float, values))


def exchange(v, a, b_v, betas, parity, rng, engine):
    """Exchange states of chains at neighbouring temperatures, in place, with the probability that keeps p_beta of all.

    Chains at beta and beta' with the states v and v' exchange them with probability

        min(1, p_beta(v') p_beta'(v) / (p_beta(v) p_beta'(v'))),

    in which the normalisers and log_base(v) cancel (Desjardins 2010, with the hidden units summed out).

    Parameters
    ----------
    v : (n_betas, n_chains, n_visible) ndarray
    a : (n_betas, n_chains, n_hidden) ndarray
        The total input v W + b_h at beta = 1; it moves with v.
    b_v : (n_visible,) ndarray
    betas : tuple of float
    parity : int
        0: pairs of the temperatures 0 and 1, 2 and 3, ...; 1: pairs of 1 and 2, 3 and 4, ...
    rng : numpy.random.Generator
    engine : Engine
    """
    pairs = range(parity, len(betas) - 1, 2)
    least = dict(zip(pairs, -rng.standard_exponential((len(pairs), v.shape[1]))))  # log of uniform numbers

    def run_pair(i):
        def gain(j):  # log p_beta' - log p_beta of the states at temperature j, normalisers apart
            softplus_gain = softplus(betas[i + 1] * a[j]) - softplus(betas[i] * a[j])
            return (betas[i + 1] - betas[i]) * (v[j] @ b_v) + softplus_gain.sum(axis=-1)

        accepted = least[i] < gain(i) - gain(i + 1)
        for states in (v, a):
            states[i, accepted], states[i + 1, accepted] = states[i + 1, accepted], states[i, accepted]

    engine.run(run_pair, pairs)


def _round(v, models, betas, units, k, number, tiles, rng, engine):
    """The chains and P(h | v) of each temperature after one exchange and k Gibbs steps."""
    v, (W, biases) = v.copy(), models[betas.index(1)]
    a = engine.product(v.reshape(-1, len(W)), W).reshape(*v.shape[:2], -1)
    a += biases.h
    exchange(v, a, biases.v, betas, number % 2, rng, engine)

    def run_temperature(i):
        return reconstruct(sigmoid(betas[i] * a[i]), *models[i], k, units, tiles[i], engine)

    v, h = zip(*engine.run(run_temperature, range(len(betas))))
    return np.stack(v), h


def _models(betas, W, biases):
    """W and biases of the RBM of every temperature."""
    return [(beta * W, Biases(beta * biases.v, beta * biases.h)) for beta in betas]


def _tiles(betas, n_chains, draw, engine):
    """The chains of every temperature, as the hot loop takes them."""
    return [draw.at(i).chains_of_rows(n_chains, engine) for i in range(len(betas))]


def _noise(shape, dtype, units, tiles):
    """Chains of every temperature in states of pure noise."""
    return np.stack([random_visible(shape, dtype, units, these) for these in tiles])
