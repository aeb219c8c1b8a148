"""The Recurrent Temporal RBM (chapter 3.7-3.10): an RBM at every frame, its biases made by the hidden-state RNN.

The hidden states r_t = sigmoid(v_t W + b_h + r_{t-1} U) (eq. 3.20) are deterministic given the video; frame t is an RBM
with hidden bias b_h + r_{t-1} U (b_h + b_init at the first frame) and visible bias b_v. The objective is
O = sum_t log Q(v_t | r_{t-1}) (eq. 3.22).
"""

from functools import partial
from typing import NamedTuple

import numpy as np

from . import rbm, rnn
from .parallel import gram, product, run
from .rbm import hidden_mean
from .sequences import previous_rows
from .streams import stream
from .temporal import TemporalRBM
from .validation import check_choice


class RTRBMParams(NamedTuple):
    """Q(v_t, h_t | r_{t-1}) = exp(v_t b_v + v_t W h_t + h_t (b_h + r_{t-1} U)) / Z(r_{t-1}); b_init for r_0 U.

    W : (n_visible, n_hidden); U : (n_hidden, n_hidden), the thesis's W' transposed; b_v : (n_visible,);
    b_h, b_init : (n_hidden,).
    """

    W: np.ndarray
    U: np.ndarray
    b_v: np.ndarray
    b_h: np.ndarray
    b_init: np.ndarray


class DynamicRTRBMParams(NamedTuple):
    """As `RTRBMParams`, with the dynamic visible bias b_v + r_{t-1} U_v (b_v alone at the first frame).

    U_v : (n_hidden, n_visible), the RNN-RBM's W_uv.
    """

    W: np.ndarray
    U: np.ndarray
    b_v: np.ndarray
    b_h: np.ndarray
    b_init: np.ndarray
    U_v: np.ndarray


def states_and_biases(params, v, where, n_jobs=None):
    """The hidden states of a minibatch and the biases its RBMs receive (eq. 3.20).

    Parameters
    ----------
    params : RTRBMParams or DynamicRTRBMParams
    v : (n_rows, n_visible) ndarray
        Packed frames.
    where : Layout
    n_jobs : int, optional

    Returns
    -------
    r : (n_rows, n_hidden) ndarray
        r_t, which is also P(h_t = 1 | v_t, r_{t-1}).
    b_v : (n_visible,) or, with the dynamic visible bias, (n_rows, n_visible) ndarray
    b_h : (n_rows, n_hidden) ndarray
    """
    r, b_h = rnn.forward(product(v, params.W, n_jobs), where, params.U, params.b_h, params.b_init, n_jobs)
    if isinstance(params, RTRBMParams):
        return r, params.b_v, b_h
    b_v = np.empty_like(v)
    n_first = where.batch_sizes[0]
    b_v[:n_first] = params.b_v
    np.add(product(r[previous_rows(where)], params.U_v, n_jobs), params.b_v, out=b_v[n_first:])
    return r, b_v, b_h


def gradient(params, v, where, negative_phase, bptt=True, n_jobs=None):
    """Gradient of sum_t log Q(v_t | r_{t-1}) over all sequences of a minibatch (eq. 3.25, in its right form).

    With c_t = r_t - <h_t> and d_t = r_t (1 - r_t) dO/dr_t from `rtrbm.rnn.backward`,

        dW = sum_t v_t^T d_t + sum_t (v_t^T r_t - <v_t^T h_t>),  dU = sum_{t>=2} r_{t-1}^T (d_t + c_t),
        db_v = sum_t (v_t - <v_t>),  db_h = sum_t (d_t + c_t),  db_init = d_1 + c_1,
        dU_v = sum_{t>=2} r_{t-1}^T (v_t - <v_t>).

    Parameters
    ----------
    params : RTRBMParams or DynamicRTRBMParams
    v : (n_rows, n_visible) ndarray
        Packed frames.
    where : Layout
    negative_phase : callable (h_pos, W, b_v, b_h) -> Averages
        The model averages <.>: exact (`rtrbm.exact.averages`) or by CD-k (`rtrbm.rbm.cd_averages`).
    bptt : bool
        If False, d_t = 0: the chapter's TRBM baseline (3.11).
    n_jobs : int, optional

    Returns
    -------
    RTRBMParams or DynamicRTRBMParams
        The gradient.
    Averages
        The negative phase.
    """
    r, b_v, b_h = states_and_biases(params, v, where, n_jobs)
    negative = negative_phase(r, params.W, b_v, b_h)
    c = r - negative.h
    n_first, previous = where.batch_sizes[0], previous_rows(where)
    dynamic = isinstance(params, DynamicRTRBMParams)
    if dynamic:
        c_v = v - negative.v
    if bptt:
        e = None
        if dynamic:
            e = np.zeros_like(r)  # through the visible bias of frame t + 1
            e[previous] = product(c_v[n_first:], params.U_v.T, n_jobs)
        backward = partial(rnn.backward, r, where, params.U, d_bias=c, d_r=e, n_jobs=n_jobs)
        (d, c), negative_vh = run(lambda task: task(), [backward, negative.vh], n_jobs)
        d += r
    else:
        d, negative_vh = r, negative.vh()
    d_W = gram(v, d, n_jobs)  # eq. 3.25: sum_t v_t^T (d_t + r_t) - <v_t^T h_t>
    d_W -= negative_vh
    d_U, d_b_h, d_b_init = rnn.parameter_gradient(r, where, c, n_jobs)  # eq. 3.24
    d_b_v = v.sum(axis=0) - negative.v.sum(axis=0)
    derivatives = RTRBMParams(d_W, d_U, d_b_v, d_b_h, d_b_init)
    if not dynamic:
        return derivatives, negative
    return DynamicRTRBMParams(*derivatives, gram(r[previous], c_v[n_first:], n_jobs)), negative


def initial_params(minibatch, n_hidden, visible, seed, initialization="data", dynamic_visible_bias=False):
    """Parameters to start training from.

    ``"data"`` : weights N(0, 0.01^2), hidden biases 0, b_v reproducing the mean of the first minibatch.
    ``"thesis"`` : W from 30 CD-5 updates of a static RBM at rate 0.01, all else N(0, 0.005^2) (3.11.3).

    Parameters
    ----------
    minibatch : callable (update) -> (n_rows, n_visible) ndarray
        Frames to learn from.
    n_hidden : int
    visible : {"bernoulli", "gaussian"}
    seed : int
    initialization : {"data", "thesis"}
    dynamic_visible_bias : bool

    Returns
    -------
    RTRBMParams or DynamicRTRBMParams
        Of the dtype of the frames.
    """
    rng = stream(seed, "initial", 1)
    frames = minibatch(0)

    def normal(*shape):
        scale = 0.005 if initialization == "thesis" else 0.01
        return (scale * rng.standard_normal(shape)).astype(frames.dtype)

    n_visible = frames.shape[1]
    U, U_v = normal(n_hidden, n_hidden), normal(n_hidden, n_visible)
    if initialization == "thesis":
        W = rbm.pretrained_weights(minibatch, n_hidden, visible, seed)
        params = RTRBMParams(W, U, normal(n_visible), normal(n_hidden), normal(n_hidden))
    else:
        W, b_v, b_h = rbm.initial_params(frames, n_hidden, visible, seed)
        params = RTRBMParams(W, U, b_v, b_h, np.zeros_like(b_h))
    return DynamicRTRBMParams(*params, U_v) if dynamic_visible_bias else params


class RTRBM(TemporalRBM):
    """Recurrent Temporal Restricted Boltzmann Machine (Sutskever, Hinton & Taylor 2008; Sutskever 2013, 3.7-3.11).

    Q(v_t, h_t | r_{t-1}) = exp(v_t b_v + v_t W h_t + h_t (b_h + r_{t-1} U)) / Z(r_{t-1}), with
    r_t = sigmoid(v_t W + b_h + r_{t-1} U) (eq. 3.20); trained to climb sum_t log Q(v_t | r_{t-1}) (eq. 3.22) by CD-k
    and backpropagation through time (eq. 3.25).

    Parameters
    ----------
    n_hidden : int
        Hidden units.
    visible : {"bernoulli", "gaussian"}
        Bernoulli units for data in [0, 1], unit-variance Gaussian ones for standardised real values.
    dynamic_visible_bias : bool
        Let the past act on the visible units too: visible bias b_v + r_{t-1} U_v.
    bptt : bool
        False leaves out the backward pass (d_t = 0): the chapter's TRBM baseline.
    n_gibbs : int or dict {first_update: k}
        Steps of the CD chain, constant or growing with training; a schedule starts at update 0.
    optimizer : {"adam", "momentum"}
    learning_rate : float
        At the first update; `fit` lets it fall linearly to 0.
    momentum : float
        Decay of the running mean of the gradient (Adam) or of the velocity (momentum).
    centering : bool
        Take gradient steps in coordinates where units have mean zero (`rtrbm.centering`); learns much faster.
    max_norm : float, optional
        The gradient per frame is scaled down to this Euclidean norm if it is longer.
    batch_size : int
        Sequences per update (when X is not a stream, which brings its own minibatches).
    n_updates : int
        Updates of `fit`.
    initialization : {"data", "thesis"}
        See `initial_params`.
    dtype : {"float32", "float64"}
    engine : {"numpy", "numba"}
        Who samples in training: numpy, or numba (the extra ``rtrbm[fast]``), faster and with other random numbers.
    n_jobs : int, optional
        Threads: -1 all processors, None 1. Results do not depend on it.
    random_state : None, int, RandomState or Generator
        As in scikit-learn: an int makes every run the same.
    comm : mpi4py communicator, optional
        `fit` is called on every rank of it and trains one model: each rank takes its share of every minibatch's
        sequences, the first rank alone logs and writes. -1 jobs are then the rank's share of its machine's processors.
    verbose : int
        Show a progress bar if greater than 0 and on a terminal.

    Attributes
    ----------
    params_ : RTRBMParams or DynamicRTRBMParams
        Learned arrays W, U, b_v, b_h, b_init (and U_v).
    history_ : dict of lists
        reconstruction_error (|v - v_k|^2 per frame, v_k the sampled end of the CD chain), gradient_norm,
        learning_rate and n_gibbs of every update.
    n_updates_ : int
        Updates made.
    seed_ : int
        The seed of all random streams of the run.
    n_features_in_ : int
        Visible units.

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

    def __init__(
        self,
        n_hidden=100,
        *,
        visible="bernoulli",
        dynamic_visible_bias=False,
        bptt=True,
        n_gibbs=10,
        optimizer="adam",
        learning_rate=3e-3,
        momentum=0.9,
        centering=True,
        max_norm=None,
        batch_size=8,
        n_updates=2000,
        initialization="data",
        dtype="float32",
        engine="numpy",
        n_jobs=-1,
        random_state=None,
        comm=None,
        verbose=0,
    ):
        self.n_hidden = n_hidden
        self.visible = visible
        self.dynamic_visible_bias = dynamic_visible_bias
        self.bptt = bptt
        self.n_gibbs = n_gibbs
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.momentum = momentum
        self.centering = centering
        self.max_norm = max_norm
        self.batch_size = batch_size
        self.n_updates = n_updates
        self.initialization = initialization
        self.dtype = dtype
        self.engine = engine
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.comm = comm
        self.verbose = verbose

    def _params_type(self):
        return DynamicRTRBMParams if self.dynamic_visible_bias else RTRBMParams

    def _check_hyper_parameters(self):
        super()._check_hyper_parameters()
        check_choice("initialization", self.initialization, ("data", "thesis"))
        check_choice("bptt", self.bptt, (True, False))
        check_choice("dynamic_visible_bias", self.dynamic_visible_bias, (True, False))

    def _initial_params(self, minibatch, seed):
        return initial_params(
            minibatch, self.n_hidden, self.visible, seed, self.initialization, self.dynamic_visible_bias
        )

    def _gradient(self, v, where, negative_phase):
        return gradient(self.params_, v, where, negative_phase, self.bptt, self.n_jobs)

    def _states_and_biases(self, v, where):
        return states_and_biases(self.params_, v, where, self.n_jobs)

    def _next_biases(self, r, n_sequences):
        params = self.params_
        b_h = params.b_h + (params.b_init if r is None else r @ params.U)
        b_v = params.b_v
        if isinstance(params, DynamicRTRBMParams) and r is not None:
            b_v = b_v + r @ params.U_v
        return b_v, np.broadcast_to(b_h, (n_sequences, self.n_hidden))

    def _next_states(self, v, b_h):
        return hidden_mean(v, self.params_.W, b_h)
