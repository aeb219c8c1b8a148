"""One update of an RTRBM in torch, eager or compiled.

Compiled are the half-steps of the chain and all that follows the gradient, each one fused pass beside its product. The
recurrences stay as they are: `torch.compile` would unroll them over all frames.
torch's generators run on one thread. The compiled chain asks them for whole 64-bit words, the fastest way, and makes
the uniforms while it compares; without compilation that takes more passes over the arrays.
"""

import numpy as np
import torch

from experiments.rivals import mix
from rtrbm.compute.engine import NEGLIGIBLE
from rtrbm.models.rtrbm import RTRBMParams
from rtrbm.parameters import arrays, each

DECAY, SQUARE_DECAY, EPSILON = 0.9, 0.999, 1e-8


def states(params, v):
    """The hidden states and the biases of all frames (eq. 3.20).

    Parameters
    ----------
    params : RTRBMParams of tensors
    v : (n_frames, n_sequences, n_visible) tensor

    Returns
    -------
    r, b_h : (n_frames, n_sequences, n_hidden) tensor
    """
    x = (v.flatten(0, 1) @ params.W).view(*v.shape[:2], -1)
    r, b_h = torch.empty_like(x), torch.empty_like(x)
    b_h[0] = params.b_h + params.b_init
    torch.add(x[0], b_h[0], out=r[0]).sigmoid_()
    frames = list(zip(x.unbind(), b_h.unbind(), r.unbind()))
    for (_, _, past), (x_t, b_t, r_t) in zip(frames, frames[1:]):
        torch.addmm(params.b_h, past, params.U, out=b_t)
        torch.add(x_t, b_t, out=r_t).sigmoid_()
    return r, b_h


def gradient(params, v, r, v_neg, h_neg):
    """Gradient of sum_t log Q(v_t | r_{t-1}) over all sequences, given the end of the chain (eq. 3.23 to 3.25).

    Parameters
    ----------
    params : RTRBMParams of tensors
    v, v_neg : (n_frames, n_sequences, n_visible) tensor
    r, h_neg : (n_frames, n_sequences, n_hidden) tensor

    Returns
    -------
    RTRBMParams of tensors
    """
    total = r - h_neg
    slope = (1 - r).mul_(r)
    d = torch.zeros_like(r)
    frames = list(zip(d.unbind(), slope.unbind(), total.unbind()))[::-1]
    for (_, _, later), (d_t, slope_t, total_t) in zip(frames, frames[1:]):
        torch.mm(later, params.U.T, out=d_t).mul_(slope_t)
        total_t += d_t
    d_W = v.flatten(0, 1).T @ d.add_(r).flatten(0, 1)
    d_W.addmm_(v_neg.flatten(0, 1).T, h_neg.flatten(0, 1), alpha=-1)
    d_U = r[:-1].flatten(0, 1).T @ total[1:].flatten(0, 1)
    d_b_v = v.sum((0, 1)) - v_neg.sum((0, 1))
    return RTRBMParams(d_W, d_U, d_b_v, total.sum((0, 1)), total[0].sum(0))


def climb(params, first, second, gradient, v_mean, h_mean, scale, root, n_frames):
    """One step of Adam in centred coordinates; changes params, first and second and returns the gradient's norm.

    Parameters
    ----------
    params, first, second, gradient : RTRBMParams of tensors
        `first` and `second` are Adam's running means, biased towards zero.
    v_mean, h_mean : tensor
        Means of the visible and hidden units.
    scale, root : 0-d tensor
        rate / (1 - decay^n) and sqrt(1 - square_decay^n), at the n-th step.
    n_frames : int
        Frames of all sequences together.

    Returns
    -------
    0-d tensor
    """
    g_W, g_U, g_v, g_h, g_init = (g / n_frames for g in arrays(gradient))
    norm = sum(g.square().sum() for g in (g_W, g_U, g_v, g_h, g_init)).sqrt()
    g_W = g_W - v_mean[:, None] * g_h - g_v[:, None] * h_mean
    g_U = g_U - h_mean[:, None] * (g_h - g_init)
    steps = []
    for p, m, s, g in zip(*map(arrays, (params, first, second)), (g_W, g_U, g_v, g_h, g_init)):
        g = g + NEGLIGIBLE
        m.lerp_(g, 1 - DECAY)
        s.mul_(SQUARE_DECAY).addcmul_(g, g, value=1 - SQUARE_DECAY)
        step = m * scale / (s.sqrt() / root + EPSILON)
        p.add_(step)
        steps.append(step)
    past = h_mean @ steps[1]
    params.b_h.sub_(v_mean @ steps[0] + past)
    params.b_v.sub_(steps[0] @ h_mean)
    params.b_init.add_(past)
    return norm


def _sample_from_words(x, W, b, words):
    """Binary states of probability sigmoid(x W + b), from signed random integers."""
    uniform = words * 2.0 ** (-8 * words.itemsize) + 0.5
    return (uniform < torch.sigmoid(x @ W + b)).to(x.dtype)


def _sample_hashed(x, W, b, key):
    """The same, the integers a hash of the element's number and of the key."""
    p = torch.sigmoid(x @ W + b)

    def shift_right(a, bits):
        return (a >> bits) & (2 ** (32 - bits) - 1)

    x = mix(torch.arange(p.numel(), dtype=torch.int32).view(p.shape), key[0], key[1], shift_right)
    return (x * 2.0**-32 + 0.5 < p).to(p.dtype)


def _mean(x, W, b):
    return torch.sigmoid(x @ W + b)


def _compiled(function):
    torch._dynamo.config.recompile_limit = 1000  # beyond the limit a new shape would be left uncompiled
    return torch.compile(function, dynamic=False)


class Update:
    """One update after another; the arguments are those of `experiments.rivals`.

    Parameters
    ----------
    params : RTRBMParams of ndarrays
    n_gibbs : int
    rate : float
    seed : int
    compile : bool
    hashed : bool
        Random numbers are a hash of a counter; implies `compile`.
    """

    def __init__(self, params, n_gibbs, rate, seed=0, compile=False, hashed=False):
        self._params = each(torch.tensor, params)
        self._first, self._second = (each(torch.zeros_like, self._params) for _ in range(2))
        self._n_gibbs, self._rate, self._n_steps = n_gibbs, rate, 0
        self._generator = torch.Generator().manual_seed(seed)
        self._buffers = {}
        self._climb, self._chain = climb, self._chain_in_place
        if compile or hashed:
            self._climb, self._chain = _compiled(climb), self._chain_compiled
            self._sample = _compiled(_sample_hashed if hashed else _sample_from_words)
            self._mean = _compiled(_mean)
            self._random = self._key if hashed else self._words

    @property
    def params(self):
        return each(lambda p: p.numpy().copy(), self._params)

    @torch.no_grad()
    def __call__(self, videos):
        g, v, v_neg, h_neg = self._draw(videos)
        n_frames = v.shape[0] * v.shape[1]
        self._n_steps += 1
        scale = self._rate / (1 - DECAY**self._n_steps)
        root = (1 - SQUARE_DECAY**self._n_steps) ** 0.5
        scale, root = (torch.tensor(a, dtype=v.dtype) for a in (scale, root))
        means = v.mean((0, 1)), h_neg.mean((0, 1))
        norm = self._climb(self._params, self._first, self._second, g, *means, scale, root, n_frames)
        error = torch.sub(v, v_neg, out=v_neg).square_().sum() / n_frames
        return float(error), float(norm)

    @torch.no_grad()
    def cd_gradient(self, videos):
        """A draw of the CD-k gradient of the sum over frames, as numpy arrays."""
        return each(torch.Tensor.numpy, self._draw(videos)[0])

    def _draw(self, videos):
        v = torch.from_numpy(videos).transpose(0, 1).contiguous()
        r, b_h = states(self._params, v)
        v_neg, h_neg = self._chain(r.flatten(0, 1), b_h.flatten(0, 1))
        v_neg, h_neg = v_neg.view_as(v), h_neg.view_as(r)
        return gradient(self._params, v, r, v_neg, h_neg), v, v_neg, h_neg

    def _buffer(self, name, shape, dtype):
        if name not in self._buffers or self._buffers[name].shape != shape:
            self._buffers[name] = torch.empty(shape, dtype=dtype)
        return self._buffers[name]

    def _chain_in_place(self, r, b_h):
        W, b_v = self._params.W, self._params.b_v
        shape_v = (len(r), len(W))
        v, h = (self._buffer(n, s, r.dtype) for n, s in (("v", shape_v), ("h", r.shape)))
        u_v, u_h = (self._buffer(n, s, r.dtype) for n, s in (("u_v", shape_v), ("u_h", r.shape)))
        torch.lt(u_h.uniform_(generator=self._generator), r, out=h)
        for step in range(self._n_gibbs):
            torch.addmm(b_v, h, W.T, out=v).sigmoid_()
            torch.lt(u_v.uniform_(generator=self._generator), v, out=v)
            torch.addmm(b_h, v, W, out=h).sigmoid_()
            if step < self._n_gibbs - 1:
                torch.lt(u_h.uniform_(generator=self._generator), h, out=h)
        return v, h

    def _chain_compiled(self, r, b_h):
        W, b_v = self._params.W, self._params.b_v
        W_T = W.T.contiguous()
        u_h = self._buffer("u_h", r.shape, r.dtype)
        h = (u_h.uniform_(generator=self._generator) < r).to(r.dtype)
        for step in range(self._n_gibbs):
            v = self._sample(h, W_T, b_v, self._random("visible", (len(r), len(W)), r.dtype))
            if step < self._n_gibbs - 1:
                h = self._sample(v, W, b_h, self._random("hidden", r.shape, r.dtype))
        return v, self._mean(v, W, b_h)

    def _words(self, name, shape, dtype):
        """Random signed integers of the size of `dtype`, in a buffer that is used again."""
        size, itemsize = int(np.prod(shape)), dtype.itemsize
        words = self._buffer(name, (-(-size * itemsize // 8),), torch.int64)
        words.random_(-(2**63), None, generator=self._generator)
        return words.view(torch.int32 if itemsize == 4 else torch.int64)[:size].view(shape)

    def _key(self, name, shape, dtype):
        """Two random 32-bit words."""
        return self._words("key", (2,), torch.float32)
