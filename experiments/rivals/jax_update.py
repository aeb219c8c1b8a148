"""One update of an RTRBM in JAX: a single compiled function whose parameters and state are donated to the next call.

The recurrences are `lax.scan`, the chain is a `lax.fori_loop`. Random bits are threefry's, JAX's default and on a
processor the faster of its own, since they are made within the pass that compares; or a hash of a counter.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp

from experiments.rivals import mix
from rtrbm.compute.engine import NEGLIGIBLE
from rtrbm.models.rtrbm import RTRBMParams
from rtrbm.parameters import arrays, each

DECAY, SQUARE_DECAY, EPSILON = 0.9, 0.999, 1e-8


class State(NamedTuple):
    """All that an update changes: parameters, Adam's biased running means, steps taken, random key."""

    params: RTRBMParams
    first: RTRBMParams
    second: RTRBMParams
    n_steps: jax.Array
    key: jax.Array


def states(params, v):
    """The hidden states and the biases of all frames (eq. 3.20).

    Parameters
    ----------
    params : RTRBMParams of arrays
    v : (n_frames, n_sequences, n_visible) array

    Returns
    -------
    r, b_h : (n_frames, n_sequences, n_hidden) array
    """
    x = v @ params.W
    first = jnp.broadcast_to(params.b_h + params.b_init, x.shape[1:])

    def frame(past, x_t):
        b_t = past @ params.U + params.b_h
        r_t = jax.nn.sigmoid(x_t + b_t)
        return r_t, (r_t, b_t)

    r_1 = jax.nn.sigmoid(x[0] + first)
    _, (r, b_h) = jax.lax.scan(frame, r_1, x[1:])
    return jnp.concatenate([r_1[None], r]), jnp.concatenate([first[None], b_h])


def gradient(params, v, r, v_neg, h_neg):
    """Gradient of sum_t log Q(v_t | r_{t-1}) over all sequences, given the end of the chain (eq. 3.23 to 3.25).

    Parameters
    ----------
    params : RTRBMParams of arrays
    v, v_neg : (n_frames, n_sequences, n_visible) array
    r, h_neg : (n_frames, n_sequences, n_hidden) array

    Returns
    -------
    RTRBMParams of arrays
    """
    c = r - h_neg

    def frame(later, now):
        c_t, slope_t = now
        d_t = slope_t * (later @ params.U.T)
        return d_t + c_t, d_t

    _, d = jax.lax.scan(frame, c[-1], (c[:-1], (r * (1 - r))[:-1]), reverse=True)
    d = jnp.concatenate([d, jnp.zeros_like(c[:1])])
    total = d + c
    d_W = _gram(v, d + r) - _gram(v_neg, h_neg)
    d_U = _gram(r[:-1], total[1:])
    d_b_v = v.sum((0, 1)) - v_neg.sum((0, 1))
    return RTRBMParams(d_W, d_U, d_b_v, total.sum((0, 1)), total[0].sum(0))


def _gram(a, b):
    return a.reshape(-1, a.shape[-1]).T @ b.reshape(-1, b.shape[-1])


def _hashed(key, p):
    """Uniforms in [0, 1) of 32 bits, a hash of the element's number and of the key."""
    high, low = jax.random.key_data(key)
    n = jax.lax.broadcasted_iota(jnp.uint32, p.shape, 0) * p.shape[1]
    x = mix(n + jax.lax.broadcasted_iota(jnp.uint32, p.shape, 1), high, low, jnp.right_shift)
    return x.astype(jnp.int32).astype(p.dtype) * 2.0**-32 + 0.5


def _threefry(key, p):
    return jax.random.uniform(key, p.shape, p.dtype)


def _chain(key, W, b_v, b_h, r, n_gibbs, uniform):
    """The end of the chain: a sample of the visible units, the mean of the hidden ones."""

    def binary(key, p):
        return (uniform(key, p) < p).astype(p.dtype)

    def down(key, h):
        return binary(key, jax.nn.sigmoid(h @ W.T + b_v))

    def up(v):
        return jax.nn.sigmoid(v @ W + b_h)

    def step(_, carried):
        key, h = carried
        key, key_v, key_h = jax.random.split(key, 3)
        return key, binary(key_h, up(down(key_v, h)))

    key, key_h = jax.random.split(key)
    key, h = jax.lax.fori_loop(0, n_gibbs - 1, step, (key, binary(key_h, r)))
    v = down(key, h)
    return v, up(v)


def _draw(params, key, videos, n_gibbs, uniform):
    v = jnp.swapaxes(videos, 0, 1)
    r, b_h = states(params, v)
    rows = (len(v) * v.shape[1], -1)
    b_h, h = b_h.reshape(rows), r.reshape(rows)
    v_neg, h_neg = _chain(key, params.W, params.b_v, b_h, h, n_gibbs, uniform)
    v_neg, h_neg = v_neg.reshape(v.shape), h_neg.reshape(r.shape)
    return gradient(params, v, r, v_neg, h_neg), v, v_neg, h_neg


@partial(jax.jit, static_argnames=("n_gibbs", "uniform"))
def _cd_gradient(params, key, videos, n_gibbs, uniform):
    return _draw(params, key, videos, n_gibbs, uniform)[0]


@partial(jax.jit, static_argnames=("n_gibbs", "uniform"), donate_argnums=0)
def _update(state, videos, rate, n_gibbs, uniform):
    key, chain_key = jax.random.split(state.key)
    g, v, v_neg, h_neg = _draw(state.params, chain_key, videos, n_gibbs, uniform)
    n_frames = v.shape[0] * v.shape[1]
    g = each(lambda a: a / n_frames, g)
    norm = jnp.sqrt(sum((a**2).sum() for a in arrays(g)))
    v_mean, h_mean = v.mean((0, 1)), h_neg.mean((0, 1))
    g = g._replace(
        W=g.W - jnp.outer(v_mean, g.b_h) - jnp.outer(g.b_v, h_mean), U=g.U - jnp.outer(h_mean, g.b_h - g.b_init)
    )
    g = each(lambda a: a + NEGLIGIBLE, g)
    n = state.n_steps + 1
    first = jax.tree.map(lambda m, a: DECAY * m + (1 - DECAY) * a, state.first, g)
    second = jax.tree.map(lambda s, a: SQUARE_DECAY * s + (1 - SQUARE_DECAY) * a**2, state.second, g)
    scale, root = rate / (1 - DECAY**n), jnp.sqrt(1 - SQUARE_DECAY**n)
    step = jax.tree.map(lambda m, s: m * scale / (jnp.sqrt(s) / root + EPSILON), first, second)
    params = jax.tree.map(jnp.add, state.params, step)
    past = h_mean @ step.U
    params = params._replace(
        b_h=params.b_h - v_mean @ step.W - past, b_v=params.b_v - step.W @ h_mean, b_init=params.b_init + past
    )
    return State(params, first, second, n, key), ((v - v_neg) ** 2).sum() / n_frames, norm


class Update:
    """One update after another; the arguments are those of `experiments.rivals`.

    Parameters
    ----------
    params : RTRBMParams of ndarrays
    n_gibbs : int
    rate : float
    seed : int
    hashed : bool
        Random numbers are a hash of a counter.
    """

    def __init__(self, params, n_gibbs, rate, seed=0, hashed=False):
        # copies: what is donated must not be shared with the caller, nor one array with another
        params, first, second = (each(lambda p: jnp.array(scale * p, copy=True), params) for scale in (1, 0, 0))
        dtype = params.W.dtype
        self._state = State(params, first, second, jnp.zeros((), dtype), jax.random.key(seed))
        self._rate = dtype.type(rate)
        self._options = {"n_gibbs": n_gibbs, "uniform": _hashed if hashed else _threefry}

    @property
    def params(self):
        return jax.device_get(self._state.params)

    def __call__(self, videos):
        self._state, error, norm = _update(self._state, videos, self._rate, **self._options)
        jax.block_until_ready(self._state)
        return float(error), float(norm)

    def cd_gradient(self, videos):
        """A draw of the CD-k gradient of the sum over frames, as numpy arrays."""
        key, draw_key = jax.random.split(self._state.key)
        self._state = self._state._replace(key=key)
        return jax.device_get(_cd_gradient(self._state.params, draw_key, videos, **self._options))
