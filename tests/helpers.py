"""What several test files share: small random models, and slow sums over all states.

The slow functions take one sequence, loop over its frames and enumerate visible and hidden states together,
so that they share no code, no layout and no shortcut with what they check.
"""

import io
import itertools
from importlib.util import find_spec

import h5py
import numpy as np
import pytest

from rtrbm import CRBM, RTRBM, TRBM
from rtrbm.models.rtrbm import RTRBMParams
from rtrbm.parameters import each
from rtrbm.rbm import Bernoulli, Gaussian
from rtrbm.training import files

Z_MAX = 4  # of one standard normal number: 6e-5, and the seeds are fixed
UNITS = {"bernoulli": Bernoulli(), "gaussian": Gaussian()}  # what the names in tests mean to the library

needs_numba = pytest.mark.skipif(find_spec("numba") is None, reason="numba is not installed")
every_engine = pytest.mark.parametrize(
    "engine", ["numpy", pytest.param("numba", marks=needs_numba)]
)

FILES_UP_TO = """
import atexit, resource
before = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, ({}, before[1]))
atexit.register(resource.setrlimit, resource.RLIMIT_FSIZE, before)  # coverage writes its file at the end
"""


def files_up_to(n_bytes):
    """Lines of a program that can write files of so many bytes until it ends."""
    return FILES_UP_TO.format(n_bytes)


def binary_states(n):
    """All states of n binary units, (2^n, n); the first unit is the slowest."""
    return np.array(list(itertools.product([0.0, 1.0], repeat=n)))


def state_codes(v):
    """Place of binary rows in `binary_states`."""
    return (v @ 2 ** np.arange(v.shape[-1])[::-1]).astype(int)


def random_params(n_visible=4, n_hidden=3, dynamic=False, scale=0.8, seed=0):
    """Parameters of scale 0.8: at the scale training starts from, no gradient test tells right from wrong."""
    rng = np.random.default_rng(seed)
    shapes = [(n_visible, n_hidden), (n_hidden, n_hidden), (n_visible,), (n_hidden,), (n_hidden,)]
    params = RTRBMParams(*(scale * rng.standard_normal(shape) for shape in shapes))
    return params._replace(U_v=scale * rng.standard_normal((n_hidden, n_visible))) if dynamic else params


def random_sequences(lengths, n_visible=4, visible="bernoulli", seed=1):
    """Sequences of these lengths: pixels of which half are binary, or standard normal numbers."""
    rng = np.random.default_rng(seed)
    if visible == "gaussian":
        return [rng.standard_normal((n, n_visible)) for n in lengths]
    pixels = [rng.random((n, n_visible)) for n in lengths]
    return [np.where(rng.random(v.shape) < 0.5, np.round(v), v) for v in pixels]


def random_array(n_sequences, n_frames, n_visible=4, visible="bernoulli", seed=1):
    """The same as one array."""
    return np.stack(random_sequences([n_frames] * n_sequences, n_visible, visible, seed))


def model_with(params, **settings):
    """An RTRBM that holds a copy of these parameters, after one update that set up the rest of its state."""
    settings = dict(random_state=0, dtype="float64", n_gibbs=1, n_jobs=1) | settings
    model = RTRBM.from_params(params, **settings).partial_fit(np.full((2, 2, len(params.W)), 0.5))
    model.params_ = each(lambda p: p.astype(settings["dtype"]), params)
    return model


TAPS = {
    "TRBM": (TRBM, dict(n_taps=3)),
    "TRBM bptt": (TRBM, dict(n_taps=2, bptt=True)),
    "simplified TRBM": (TRBM, dict(n_taps=1, without=("VV", "VH"))),
    "CRBM": (CRBM, dict(n_taps=2)),
    "RTRBM": (RTRBM, dict(n_taps=2)),
    "RTRBM dynamic b_v": (RTRBM, dict(n_taps=2, dynamic_visible_bias=True)),
}  # models with delay taps: a class and its settings


DRAWN = ("W", "A", "U", "B", "C", "U_v", "b_v", "b_h", "b_v_init", "b_init")  # the order of random parameters


def random_like(shapes, scale, seed):
    """A NamedTuple of random arrays of these shapes; None stays None."""
    rng = np.random.default_rng(seed)
    names = sorted(shapes._fields, key=lambda name: DRAWN.index(name) if name in DRAWN else len(DRAWN))
    present = [name for name in names if getattr(shapes, name) is not None]
    return shapes._replace(**{name: scale * rng.standard_normal(getattr(shapes, name)) for name in present})


def random_taps(past, n_visible=3, n_hidden=2, scale=0.7, seed=0):
    """The parameters of a conditioner with delay taps, of that scale."""
    return random_like(past.shapes(n_visible, n_hidden), scale, seed)


def random_model(kind, n_visible=3, n_hidden=2, scale=0.7, seed=0, **settings):
    """A model of any class with parameters of that scale, after one update that set up the rest of its state."""
    model = kind(n_hidden, **dict(random_state=0, dtype="float64", n_gibbs=1, n_jobs=1) | settings)
    model.partial_fit(np.full((2, 2, n_visible), 0.5))
    params = random_like(each(np.shape, model.params_), scale, seed)
    model.params_ = each(lambda p: p.astype(model.dtype), params)
    return model


def over_seeds(n, function):
    """function(seed) of n seeds, stacked: predictions have the same random numbers in all sequences."""
    return np.stack([function(seed) for seed in range(n)])


def state(model):
    """Everything a model has learnt, as a dictionary that `==` compares bit for bit."""
    arrays = {f"params/{name}": array for name, array in model.params_._asdict().items()}
    for name, value in model.optimizer_state_._asdict().items():
        parts = value._asdict() if hasattr(value, "_asdict") else {"": value}
        arrays |= {f"optimizer/{name}/{part}": array for part, array in parts.items()}
    kept = {name: (str(a.dtype), a.shape, a.tobytes()) for name, a in arrays.items() if a is not None}
    kept["chains"] = None if model.chains_ is None else model.chains_.tobytes()
    kept["history"] = {name: list(values) for name, values in model.history_.items()}
    return kept | {"n_updates": model.n_updates_, "seed": model.seed_, "n_features": model.n_features_in_}


def altered(path, change):
    """Change a file as a program would that knows the format: header and table fit again afterwards."""
    with h5py.File(path, "a") as file:  # which cuts off the table behind it
        change(file)
    image = io.BytesIO(path.read_bytes())
    files.seal(image)
    path.write_bytes(image.getvalue())


def whole(path, model=None):
    """The contents of a model file, or of the layers of a stack, all arrays read."""

    def read(value):
        if isinstance(value, dict):
            return {name: read(part) for name, part in value.items()}
        return value.read() if hasattr(value, "read") else value

    def parse(contents, path):
        if isinstance(contents, list):
            return [layer._replace(groups=read(layer.groups)) for layer in contents]
        return contents._replace(groups=read(contents.groups))

    return files.read(path, parse, model)


# ---------------------------------------------------------------------------------------- slow sums


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def frame_energies(v, W, b_v, b_h, visible):
    """Minus the energy of one visible state with every hidden state, (2^n_hidden,)."""
    h = binary_states(W.shape[1])
    negative = v @ b_v + h @ b_h + (v @ W) @ h.T
    return negative - 0.5 * v @ v if visible == "gaussian" else negative


def log_sum(a):
    return a.max() + np.log(np.exp(a - a.max()).sum())


def hidden_distribution(W, b_v, b_h, visible):
    """log Z and P(h) of every hidden state.

    Binary visible units: a sum over all pairs of states. Gaussian ones: the integral of exp(v a - v^2/2) is
    sqrt(2 pi) exp(a^2/2), a = b_v + W h.
    """
    h = binary_states(W.shape[1])
    if visible == "gaussian":
        a = b_v + h @ W.T
        log_weight = h @ b_h + 0.5 * (a**2).sum(axis=1) + 0.5 * len(b_v) * np.log(2 * np.pi)
    else:
        v = binary_states(W.shape[0])
        pairs = (v @ b_v)[:, None] + (h @ b_h)[None, :] + v @ W @ h.T
        log_weight = np.log(np.exp(pairs).sum(axis=0))
    log_z = log_sum(log_weight)
    return log_z, np.exp(log_weight - log_z)


def visible_distribution(W, b_v, b_h):
    """P(v) of every state of binary visible units."""
    log_z, _ = hidden_distribution(W, b_v, b_h, "bernoulli")
    v = binary_states(W.shape[0])
    return np.exp([log_sum(frame_energies(state, W, b_v, b_h, "bernoulli")) - log_z for state in v])


def visible_means(h, W, b_v, visible):
    """E[v | h] of rows of hidden states."""
    a = b_v + h @ W.T
    return a if visible == "gaussian" else sigmoid(a)


def model_moments(W, b_v, b_h, visible, h_pos=None):
    """<v>, <h> and <v^T h> under the RBM of one frame."""
    h = binary_states(W.shape[1])
    _, p = hidden_distribution(W, b_v, b_h, visible)
    means = visible_means(h, W, b_v, visible)
    return p @ means, p @ h, (means * p[:, None]).T @ h


def independent(p):
    """Probability of every state of independent binary units that are on with probability p: rows to rows."""
    states = binary_states(np.shape(p)[-1])
    return np.prod(np.where(states == 1, p[..., None, :], 1 - p[..., None, :]), axis=-1)


def up_kernel(W, b_h):
    """P(h | v): (states of v, states of h)."""
    return independent(sigmoid(binary_states(W.shape[0]) @ W + b_h))


def down_kernel(W, b_v):
    """P(v | h): (states of h, states of v)."""
    return independent(sigmoid(binary_states(W.shape[1]) @ W.T + b_v))


def reconstruction_distribution(h_pos, W, b_v, b_h, n_gibbs):
    """Distribution of v after n_gibbs steps from independent hidden states that are on with h_pos."""
    up, down = up_kernel(W, b_h), down_kernel(W, b_v)
    p = independent(np.asarray(h_pos)) @ down
    for _ in range(n_gibbs - 1):
        p = p @ up @ down
    return p


def cd_moments(n_gibbs):
    """What the averages of CD-k are in expectation, as a function like `model_moments`."""

    def moments(W, b_v, b_h, visible, h_pos):
        assert visible == "bernoulli"
        p, v = reconstruction_distribution(h_pos, W, b_v, b_h, n_gibbs), binary_states(W.shape[0])
        h = sigmoid(v @ W + b_h)
        return p @ v, p @ h, (v * p[:, None]).T @ h

    return moments


def slow_states(params, v, held=None):
    """r_t, b_v[t] and b_h[t] of one sequence, frame after frame (eq. 3.20).

    held : hidden states that stand for r in the biases of later frames (parameters with taps only).
    """
    if not isinstance(params, RTRBMParams) or params.A is not None:
        return slow_tap_states(params, v, held)
    r, b_v, b_h = [], [], []
    for t in range(len(v)):
        b_h.append(params.b_h + (params.b_init if t == 0 else r[t - 1] @ params.U))
        dynamic = params.U_v is not None and t > 0
        b_v.append(params.b_v + (r[t - 1] @ params.U_v if dynamic else 0))
        r.append(sigmoid(v[t] @ params.W + b_h[t]))
    return np.array(r), np.array(b_v), np.array(b_h)


def slow_tap_states(params, v, held=None):
    """The same with delay taps: every term of every bias by itself (chapter 3.2)."""
    parts = (getattr(params, name, None) for name in ("A", "B", "C", "U_v", "b_v_init", "b_init"))
    A, B, C, U_v, b_v_init, b_init = (() if part is None else part for part in parts)
    U_v = [U_v] if len(U_v) else []
    r, b_v, b_h = [], [], []
    past_h = r if held is None else held
    for t in range(len(v)):
        b_v_t, b_h_t = np.array(params.b_v), np.array(params.b_h)
        if t < len(b_v_init):
            b_v_t += b_v_init[t]
        if t < len(b_init):
            b_h_t += b_init[t]
        for s in range(t):
            delay = t - s  # frame s acts on frame t through the tap of that delay, if there is one
            if delay <= len(A):
                b_v_t += v[s] @ A[delay - 1]
            if delay <= len(U_v):
                b_v_t += past_h[s] @ U_v[delay - 1]
            if delay <= len(B):
                b_h_t += past_h[s] @ B[delay - 1]
            if delay <= len(C):
                b_h_t += v[s] @ C[delay - 1]
        b_v.append(b_v_t)
        b_h.append(b_h_t)
        r.append(sigmoid(v[t] @ params.W + b_h_t))
    return np.array(r), np.array(b_v), np.array(b_h)


def slow_log_likelihood(params, v, visible="bernoulli", held=None):
    """sum_t log Q(v_t | r_{t-1}) of one sequence (eq. 3.22)."""
    total = 0.0
    for frame, b_v, b_h in zip(v, *slow_states(params, v, held)[1:]):
        log_z, _ = hidden_distribution(params.W, b_v, b_h, visible)
        total += log_sum(frame_energies(frame, params.W, b_v, b_h, visible)) - log_z
    return total


def slow_predictions(params, v, visible="bernoulli"):
    """E[v_t | v_1..v_{t-1}] of one sequence, and the variance of E[v_t | h_t], by enumeration."""
    h, means, variances = binary_states(params.W.shape[1]), [], []
    for b_v, b_h in zip(*slow_states(params, v)[1:]):
        _, p = hidden_distribution(params.W, b_v, b_h, visible)
        given_h = visible_means(h, params.W, b_v, visible)
        means.append(p @ given_h)
        variances.append(p @ given_h**2 - means[-1] ** 2)
    return np.array(means), np.array(variances)


FAULTS = (
    "3.23 as printed: c_t for c_{t+1}",
    "3.24 as printed: no direct term",
    "3.25 as printed: factor of the next frame",
    "U for its transpose in the recursion",
    "no term through the next frame's state",
    "d_{t+1} for d_t in dW",
    "no direct term in dW",
    "b_init never updated",
    "b_init not in b_h's sum",
)


def slow_gradient(params, v, visible="bernoulli", bptt=True, moments=model_moments, fault=None):
    """Gradient of eq. 3.22 for one sequence, frame after frame, in its right form; or with one of FAULTS."""
    W, U = params.W, params.U
    r, b_v, b_h = slow_states(params, v)
    n = len(v)
    averages = [moments(W, b_v[t], b_h[t], visible, r[t]) for t in range(n)]
    c_v = np.array([v[t] - averages[t][0] for t in range(n)])
    c = np.array([r[t] - averages[t][1] for t in range(n)])
    d = np.zeros_like(r)
    for t in reversed(range(n - 1)):
        arriving = {FAULTS[0]: d[t + 1] + c[t], FAULTS[4]: c[t + 1]}.get(fault, d[t + 1] + c[t + 1])
        g = (U.T if fault == FAULTS[3] else U) @ arriving
        if params.U_v is not None:
            g = g + params.U_v @ c_v[t + 1]
        if bptt:
            d[t] = r[t] * (1 - r[t]) * g

    d_W, d_U, d_b_h = np.zeros_like(W), np.zeros_like(U), np.zeros_like(params.b_h)
    d_U_v = np.zeros((W.shape[1], W.shape[0]))
    for t in range(n):
        through_r = d[t]
        if fault == FAULTS[2]:
            through_r = U @ d[t + 1] if t < n - 1 else np.zeros_like(d[t])
        elif fault == FAULTS[5]:
            through_r = d[t + 1] if t < n - 1 else np.zeros_like(d[t])
        d_W += np.outer(v[t], through_r)
        if fault != FAULTS[6]:
            d_W += np.outer(v[t], r[t]) - averages[t][2]
        if t > 0 or fault != FAULTS[8]:
            d_b_h += d[t] + c[t]
        if t > 0:
            d_U += np.outer(r[t - 1], d[t] if fault == FAULTS[1] else d[t] + c[t])
            d_U_v += np.outer(r[t - 1], c_v[t])
    d_b_init = np.zeros_like(params.b_init) if fault == FAULTS[7] else d[0] + c[0]
    gradient = RTRBMParams(d_W, d_U, c_v.sum(axis=0), d_b_h, d_b_init)
    return gradient if params.U_v is None else gradient._replace(U_v=d_U_v)


def mean_gradient(params, sequences, **settings):
    """The mean over sequences of `slow_gradient`."""
    return mean_of([slow_gradient(params, v, **settings) for v in sequences])


def mean_of(gradients):
    """The mean of several NamedTuples, array by array."""
    return each(lambda *parts: np.mean(parts, axis=0), *gradients)


def flat(gradient):
    """All numbers of a NamedTuple in one vector."""
    return np.concatenate([part.ravel() for part in gradient if part is not None])


# -------------------------------------------------------------------------------------- comparisons


def central_differences(function, arrays, step=1e-3):
    """Derivatives of function(*arrays) with respect to every entry, from four values around each; None stays None.

    (f(x-2s) - 8 f(x-s) + 8 f(x+s) - f(x+2s)) / 12 s. Cutting the series costs s^4 f^(5) / 30, 3e-14 f^(5) at
    s = 1e-3, and rounding 1e-16 |f| / s, 1e-12 for |f| = 10. Two-point differences would reach 1e-10 at best.
    """
    arrays = [None if a is None else np.array(a, float) for a in arrays]
    derivatives = [None if a is None else np.empty_like(a) for a in arrays]
    for a, derivative in zip(arrays, derivatives):
        for i in () if a is None else np.ndindex(a.shape):
            here, total = a[i], 0.0
            for offset, weight in ((-2, 1), (-1, -8), (1, 8), (2, -1)):
                a[i] = here + offset * step
                total += weight * function(*arrays)
            a[i] = here
            derivative[i] = total / (12 * step)
    return derivatives


def largest_difference(a, b):
    """Largest absolute difference of two collections of arrays of the same shapes, None in the same places."""
    a, b = list(a), list(b)
    assert [x is None for x in a] == [y is None for y in b]
    assert [np.shape(x) for x in a] == [np.shape(y) for y in b]
    return max(float(np.abs(x - y).max(initial=0)) for x, y in zip(a, b) if x is not None)


def z_scores(draws, expected):
    """(mean of independent draws - expected) / standard error of that mean, entry by entry."""
    draws = np.asarray(draws, float)
    return (draws.mean(axis=0) - expected) / (draws.std(axis=0, ddof=1) / np.sqrt(len(draws)))


def chi_square_z(counts, probabilities):
    """Pearson's statistic of counts as a standard normal number (Wilson & Hilferty's cube root).

    The rarest cells are counted together until they expect 5.
    """
    order = np.argsort(probabilities)
    counts, expected = counts[order], probabilities[order] * counts.sum()
    n = int(np.searchsorted(np.cumsum(expected), 5))
    counts, expected = (np.append(a[n + 1 :], a[: n + 1].sum()) for a in (counts, expected))
    dof = len(counts) - 1
    ratio = ((counts - expected) ** 2 / expected).sum() / dof
    return (ratio ** (1 / 3) - (1 - 2 / (9 * dof))) / np.sqrt(2 / (9 * dof))


class Tensor:
    """An array of another library."""

    def __init__(self, array):
        self._array, self.ndim, self.dtype, self.shape = array, array.ndim, "a type", array.shape

    def __array__(self, dtype=None, copy=None):
        return self._array

    def __len__(self):
        return len(self._array)

    def __getitem__(self, i):
        return Tensor(self._array[i])
