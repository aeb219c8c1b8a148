"""Spikes of a population whose neurons form assemblies that drive and inhibit one another after one frame."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..checks import check_choice, check_count, check_memory, check_number
from ..functions import sigmoid
from ..rbm.poisson import Poisson
from ..rbm.units import BERNOULLI
from ..streams import as_seed, stream
from ..types import Seed

VISIBLE = {
    "bernoulli": (BERNOULLI, lambda p: np.log(p) - np.log1p(-p), 1.0),
    "poisson": (Poisson(), np.log, 1e6),
}  # units, link, bound of the mean


class Assemblies(NamedTuple):
    """A recording, and the truth about it in the letters of a TRBM.

    spikes : (n_frames, n_neurons) float32 ndarray; states : (n_frames, n_assemblies) float32 ndarray, 1 where an
    assembly is active; W : (n_neurons, n_assemblies); U : (n_assemblies, n_assemblies), U[i, j] the effect of assembly
    i at t-1 on assembly j at t; b_v : (n_neurons,); b_h : (n_assemblies,).
    """

    spikes: np.ndarray
    states: np.ndarray
    W: np.ndarray
    U: np.ndarray
    b_v: np.ndarray
    b_h: np.ndarray


def assemblies(
    n_frames: int,
    n_assemblies: int = 10,
    n_members: int = 8,
    *,
    off: float = 0.05,
    on: float = 0.25,
    persistence: float = 5.0,
    drive: float = 5.0,
    inhibition: float = 4.0,
    rest: float = -4.5,
    visible: str = "bernoulli",
    random_state: Seed = None,
) -> Assemblies:
    """A recording of a population with known assemblies, and known connections in time.

    Every neuron belongs to one assembly, drawn at random. Assembly j is active at frame t with the probability

        P(h_t[j] = 1 | h_{t-1}) = sigmoid(rest + sum_i h_{t-1}[i] U[i, j]),   h_0 = 0,

    and its neurons fire independently: with probability `on` if it is active and `off` if not (Bernoulli), or with
    Poisson counts of these means. U has `persistence` on its diagonal. The assemblies form a ring in a random order, in
    which each drives the next (U[i, j] = `drive`). Each also inhibits another one, drawn at random, if there are three
    or more (U[i, j] = -`inhibition`).

    This law is a TRBM's of chapter 3.6 exactly, since the assemblies have no neuron in common: with g the link (logit
    or log) and A the log-partition function of the visible units, b_v = g(off), W = g(on) - g(off) for the members of
    an assembly, and b_h[j] = rest - n_members (A(g(on)) - A(g(off))).

    Parameters
    ----------
    n_frames : int
    n_assemblies, n_members : int
        Their number, and the neurons of each.
    off, on : float
        Probability of a spike, or mean count, of a neuron whose assembly is inactive or active.
    persistence, drive, inhibition, rest : float
        In the units of a logit.
    visible : {"bernoulli", "poisson"}
    random_state : None, int, numpy.random.RandomState or numpy.random.Generator
        See `rtrbm.streams.as_seed`. A longer recording begins as a shorter one.

    Returns
    -------
    Assemblies

    Raises
    ------
    TypeError, ValueError
        If a size is no positive integer, another number is out of its range, or the recording is larger than the
        machine's memory.

    Examples
    --------
    >>> made = assemblies(100, n_assemblies=3, n_members=4, random_state=0)
    >>> made.spikes.shape, made.states.shape, made.U.diagonal()
    ((100, 12), (100, 3), array([5., 5., 5.]))
    """
    for name, count in (("n_frames", n_frames), ("n_assemblies", n_assemblies), ("n_members", n_members)):
        check_count(name, count)
    check_choice("visible", visible, VISIBLE)
    units, link, most = VISIBLE[visible]
    for name, mean in (("off", off), ("on", on)):
        check_number(name, mean, 0, most)
    strengths = {"persistence": persistence, "drive": drive, "inhibition": inhibition, "rest": rest}
    for name, value in strengths.items():
        check_number(name, value, -np.inf)
    off, on, rest = float(off), float(on), float(rest)
    n_frames, n_neurons = int(n_frames), int(n_assemblies) * int(n_members)
    sizes = f"n_frames={n_frames}, n_assemblies={n_assemblies}, n_members={n_members}"
    check_memory(f"a recording of {sizes}", 3 * n_frames * n_neurons, float)
    seed = as_seed(random_state)
    rng = stream(seed, "data", 0)
    U = _connections(int(n_assemblies), persistence, drive, inhibition, rng)
    members = rng.permutation(np.repeat(np.eye(int(n_assemblies)), int(n_members), axis=0))
    states = _active(U, rest, stream(seed, "data", 1).random((n_frames, len(U))))
    spikes = units.draw(np.where(states @ members.T > 0, on, off), stream(seed, "data", 2))
    low, high = link(np.array([off, on]))[:, None]
    b_h = rest - int(n_members) * (units.log_partition(high) - units.log_partition(low))
    found = spikes.astype(np.float32), states.astype(np.float32)
    return Assemblies(*found, (high - low) * members, U, np.full(n_neurons, low), np.full(len(U), b_h))


def _connections(n, persistence, drive, inhibition, rng):
    """U: persistence, a ring of excitation, and one assembly that each inhibits."""
    U, ring = persistence * np.eye(n), rng.permutation(n)
    following = dict(zip(ring.tolist(), np.roll(ring, -1).tolist()))
    for i, j in following.items():
        others = [k for k in range(n) if k not in (i, j)]
        if i != j:
            U[i, j] = drive
        if others:
            U[i, rng.choice(others)] = -inhibition
    return U


def _active(U, rest, uniform):
    """The states of all frames, from a uniform number for each."""
    states, before = np.empty(uniform.shape), np.zeros(len(U))
    for t, numbers in enumerate(uniform):
        before = states[t] = numbers < sigmoid(rest + before @ U)
    return states
