"""The Recurrent Temporal RBM (chapter 3.7-3.10)."""

from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np

from ..biases import Biases
from ..checks import check_flag, check_size
from ..estimators.settings import setting, settings
from ..estimators.temporal import TemporalRBM
from ..past import recurrence, taps
from ..past.conditioner import Form, Map, Memory


class RTRBMParams(NamedTuple):
    """Q(v_t, h_t | r_{t-1}) = exp(v_t a_t + v_t W h_t + h_t b_t) / Z(r_{t-1}), with the biases

    a_t = b_v,  b_t = b_h + r_{t-1} U  (b_h + b_init at the first frame),  r_t = sigmoid(v_t W + b_t)  (eq. 3.20).

    The dynamic visible bias adds r_{t-1} U_v to a_t. Delay taps add sum_n v_{t-n} A_n to a_t and sum_n v_{t-n} C_n to
    b_t; b_v_init_t and b_init_t then stand for frames before the first in the biases of frames 1 to m.

    W : (n_visible, n_hidden); U : (n_hidden, n_hidden), the thesis's W' transposed; b_v : (n_visible,); b_h :
    (n_hidden,); b_init : (n_hidden,), or (m, n_hidden) with m taps; U_v : (n_hidden, n_visible), the RNN-RBM's W_uv;
    A : (m, n_visible, n_visible); C : (m, n_visible, n_hidden); b_v_init : (m, n_visible); units : parameters of the
    visible units' own. A part that a model does without is None.

    D_v : (n_inputs, n_visible); D_h : (n_inputs, n_hidden): known inputs x_t of a frame, if any, add x_t D_v and
    x_t D_h to its biases.
    """

    W: np.ndarray
    U: np.ndarray
    b_v: np.ndarray
    b_h: np.ndarray
    b_init: np.ndarray
    U_v: np.ndarray | None = None
    A: np.ndarray | None = None
    C: np.ndarray | None = None
    b_v_init: np.ndarray | None = None
    units: np.ndarray | None = None
    D_v: np.ndarray | None = None
    D_h: np.ndarray | None = None

    @property
    def B(self):
        """U as hidden taps, (1, n_hidden, n_hidden): the TRBM's B_1."""
        return self.U[None]


@dataclass(frozen=True)
class Recurrent(taps.Taps):
    """The hidden state r_t, carried from frame to frame, and the way back.

    b_1 = b_h + b_init,  b_t = b_h + r_{t-1} U,  r_t = sigmoid(v_t W + b_t)                 (3.20)
    d_t = r_t (1 - r_t) g_t,  g_t = (d_{t+1} + c_{t+1}) U^T,  g_T = 0                       (3.23, in its right form)
    dO/dU = sum_{t>=2} r_{t-1}^T (d_t + c_t)                                                (3.24, in its right form)

    c_t = r_t - <h_t> comes from the RBM of frame t (`rtrbm.gradient`). Taps on frames add sum_n v_{t-n} C_n to b_t and
    sum_n v_{t-n} A_n to the visible bias. The dynamic visible bias adds r_{t-1} U_v to it, and e_t = c_{v,t+1} U_v^T to
    g_t.

    Parameters
    ----------
    n_taps : int
    dynamic_visible_bias : bool
    bptt : bool
        False leaves out the backward pass, d_t = 0. Then a sample of h_t goes on in `step`, in the place of r_t.
    """

    n_taps: int = 0
    dynamic_visible_bias: bool = False
    bptt: bool = True

    kind = RTRBMParams

    @property
    def form(self):
        if type(self) is Recurrent:  # a subclass may have other equations
            return Form(self.n_taps, self.dynamic_visible_bias, self.bptt)

    def forward(self, params, v, where, engine):
        b_h = self.bias("b_h", params, where, engine, v=v)
        x = engine.product(v, params.W)
        r, b_h = recurrence.forward(x, where, params.U, b_h, params.b_init, engine)  # eq. 3.20
        b_v = self.bias("b_v", params, where, engine, params.b_v_init, v=v, h=r)
        return Biases(b_v, b_h), Memory(v, where, r, h_pos=r)

    def backward(self, params, memory, c, engine):
        where, r, d, total = memory.where, memory.states, None, c.h  # total is d_t + c_t
        if self.bptt:
            e = taps.backward(c.v, where, params.U_v[None], engine) if self.dynamic_visible_bias else None  # of 3.23
            d, total = recurrence.backward(r, where, params.U, c.h, e, engine)  # eq. 3.23
        return d, self.gradients(memory, Biases(c.v, total), engine)  # eq. 3.24

    def maps(self):
        m, init = self.n_taps, "b_v_init" if self.n_taps else None
        parts = [Map("U", "h", "b_h", "b_init")]
        if m:
            parts = [Map("A", "v", "b_v", init, m), *parts, Map("C", "v", "b_h", "b_init", m)]
        return (*parts, Map("U_v", "h", "b_v", init)) if self.dynamic_visible_bias else tuple(parts)


@settings
class RTRBM(TemporalRBM):
    """Recurrent Temporal Restricted Boltzmann Machine (Sutskever, Hinton & Taylor 2008; Sutskever 2013, 3.7-3.11).

    Q(v_t, h_t | r_{t-1}) = exp(v_t b_v + v_t W h_t + h_t (b_h + r_{t-1} U)) / Z(r_{t-1}), with
    r_t = sigmoid(v_t W + b_h + r_{t-1} U) (eq. 3.20); trained to climb sum_t log Q(v_t | r_{t-1}) (eq. 3.22) by CD-k
    and backpropagation through time (eq. 3.25). In a clone of the repository docs/README.md leads to the equations,
    the results and advice; ``python -m sphinx -c docs . build/docs`` makes a site of these pages.

    Parameters
    ----------
    n_hidden : int
        Hidden units.
    visible : {"bernoulli", "gaussian", "poisson", "softmax", "scaled_gaussian"} or Units
        Bernoulli units for data in [0, 1]; Gaussian units of variance 1 for standardised real values, or with a learned
        variance of every feature ("scaled_gaussian"); Poisson units for counts; softmax units for one-hot frames
        (`rtrbm.rbm.Softmax` takes groups of features).
    negative : {"cd", "noise", "exact"} or NegativePhase
        The averages under the model: contrastive divergence; chains from noise, or from noise and data
        (`rtrbm.rbm.FromNoise`); or sums over all states of at most 25 hidden units, or of at most
        25 binary visible units.
    standardize : bool
        Bring every feature of real values to mean 0 and standard deviation 1, measured in the data of `fit` (of a
        stream or an iterable in its first 30 minibatches, or `n_updates` if these are fewer). Results of
        the verbs come back in the units of X, densities too (docs/your-data.md).
    n_taps : int
        Also let v_{t-1}..v_{t-n_taps} act on the biases of frame t, both visible and hidden (see
        `RTRBMParams`). ``TRBM(bptt=True)`` is this with hidden taps on r_{t-2}..r_{t-n_taps} besides.
    dynamic_visible_bias : bool
        Let the hidden state act on the visible units too: visible bias b_v + r_{t-1} U_v.
    bptt : bool
        False leaves out the backward pass (d_t = 0): the chapter's TRBM baseline.
    n_gibbs : int or dict {first_update: k}
        Steps of the chain in the negative phase, constant or growing with training; a schedule starts at update 0.
    sample_visible : bool
        If False, the CD chain takes visible units by their means, as the TRBM of 3.3 does. The gradient has
        about a fifth of the noise, but it is biased for any length of the chain, since means are no states
        (docs/gradient.md).
    optimizer : {"adam", "momentum", "spectral"}
        "spectral": steps of equal size in every direction of a matrix (`rtrbm.training.spectral`), biases by Adam.
    learning_rate : float
        At the first update; `fit` lets it fall linearly to 0. With "spectral" the root mean square of the change of a
        matrix; biases take twice the rate.
    momentum : float
        Decay of the running mean of the gradient (Adam, "spectral") or of the velocity (momentum).
    centering : {True, False, "visible"}
        Take gradient steps in coordinates where units have mean zero (`rtrbm.training.centering`); learns much faster.
        "visible" leaves out hidden units and recurrent states.
    max_norm : float, optional
        The gradient per frame is scaled down to this Euclidean norm if it is longer.
    weight_decay : float
        Half of it times the sum of squares of all matrices is taken off the log-likelihood per frame that an update
        climbs; biases are left out (`rtrbm.training.penalties`).
    l1 : float
        The same with the sum of absolute values.
    sparsity_cost : float
        The hidden biases are pushed by it times the difference of sparsity_target and a unit's mean activity.
    sparsity_target : float
        Between 0 and 1.
    batch_size : int
        Sequences per update (when X is not a stream, which brings its own minibatches).
    n_updates : int
        Updates of `fit`.
    n_epochs : int, optional
        How often `fit` goes through the data; if given, `n_updates` is left aside.
    initialization : {"auto", "data", "linear", "thesis"}, fitted model or its `params_`
        What training starts from (`rtrbm.training.start.initial_params`): small weights, means of the first minibatch;
        ridge regression on the taps ("linear", and "auto" for real-valued units with taps); the thesis's start; or W,
        biases and parameters of the visible units' own of a fitted model, an `RBM` say. A file keeps "auto" for it.
    dtype : {"float32", "float64"}
    engine : {"numpy", "numba", "auto"}
        The library that does the work, of training and of the verbs. numba (the extra ``rtrbm[fast]``) is faster in
        single precision, 1.5 to 2.6 times in runs (docs/performance.md), and draws other random numbers. "auto" is
        numba where it can be imported, and numpy where not: the same seed then gives other numbers on another machine.
        numba compiles once, for 10 to 20 seconds.
    n_jobs : int, optional
        Threads: -1 all processors, None 1. Results do not depend on it.
    random_state : None, int, RandomState or Generator
        As in scikit-learn: an int makes every run the same.
    comm : mpi4py communicator, optional
        `fit` is called on every rank, with the same data and settings, and trains one model. Each rank takes its share
        of every minibatch's sequences; the first rank alone logs and writes. From minibatches of 4 sequences or more
        1, 2 and 4 ranks learn the same, bit for bit. n_jobs=-1 then means the rank's share of its machine's
        processors.
    verbose : int
        Show a progress bar if greater than 0; without a terminal a line a minute.

    Attributes
    ----------
    params_ : RTRBMParams
        Learned arrays W, U, b_v, b_h, b_init; with the dynamic visible bias U_v; with taps A, C and b_v_init; with
        known inputs D_v and D_h. A part that is left out is None.
    history_ : dict of lists
        reconstruction_error (|v - v_k|^2 per frame, v_k the end of the CD chain), gradient_norm,
        learning_rate and n_gibbs of every update.
    n_updates_ : int
        Updates made.
    seed_ : int
        The seed of all random streams of the run.
    n_features_in_ : int
        Visible units.
    scale_ : Scale or None
        mean and deviation of every feature, if `standardize` is True.
    feature_names_in_ : (n_features_in_,) ndarray of str
        The columns of X, if `fit` was given tables.
    input_names_in_ : (n_inputs,) ndarray of str
        Those of the known inputs, if these were tables.

    Examples
    --------
    >>> from rtrbm import RTRBM
    >>> from rtrbm.datasets import bouncing_balls
    >>> X = bouncing_balls(8, n_frames=20, resolution=8, n_balls=1, random_state=0)
    >>> model = RTRBM(n_hidden=20, n_gibbs=1, n_updates=10, random_state=0).fit(X)
    >>> model.predict(X).shape
    (8, 20, 64)
    >>> model.sample(5, n_sequences=2, prefix=X[0, :10], random_state=0).shape
    (2, 5, 64)
    """

    n_taps: int = setting(default=0, check=partial(check_size, minimum=0), fixed=True)
    dynamic_visible_bias: bool = setting(default=False, check=check_flag, fixed=True)
    bptt: bool = setting(default=True, check=check_flag)

    def _past(self):
        return Recurrent(int(self.n_taps), bool(self.dynamic_visible_bias), bool(self.bptt))

    @classmethod
    def _implied(cls, params):
        n_taps = 0 if params.A is None else len(params.A)
        return {"n_taps": n_taps, "dynamic_visible_bias": params.U_v is not None}

    @classmethod
    def _upgraded(cls, arrays):
        arrays = super()._upgraded(arrays)
        if "B" in arrays:  # with taps, U was B[0]
            arrays["U"] = arrays.pop("B")[0]
        if np.ndim(arrays.get("U_v")) == 3:
            arrays["U_v"] = arrays["U_v"][0]
        return arrays
