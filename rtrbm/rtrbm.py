"""The Recurrent Temporal RBM (chapter 3.7-3.10): an RBM at every frame, its biases made by the hidden-state RNN.

The hidden states r_t = sigmoid(v_t W + b_h + r_{t-1} U) (eq. 3.20) are deterministic given the video; frame t is an RBM
with hidden bias b_h + r_{t-1} U (b_h + b_init at the first frame) and visible bias b_v. The objective is
O = sum_t log Q(v_t | r_{t-1}) (eq. 3.22). It is the TRBM with one hidden tap whose gradient goes through the filter:
`rtrbm.dynamics` has its states, its biases and its gradient.
"""

from typing import NamedTuple

import numpy as np

from .dynamics import TRBMParams, tap_shapes, without_taps
from .temporal import TemporalRBM
from .validation import check_choice, check_n_taps


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


def as_trbm(params):
    """The same model as a TRBM with one hidden tap, B_1 = U; the arrays share memory.

    Parameters
    ----------
    params : RTRBMParams or DynamicRTRBMParams

    Returns
    -------
    TRBMParams
    """
    params = params._asdict()
    for name in ("U", "b_init", "U_v"):
        if name in params:
            params[name] = params[name][None]
    return without_taps(B=params.pop("U"), **params)


def as_rtrbm(params):
    """The inverse of `as_trbm`."""
    static = RTRBMParams(params.W, params.B[0], params.b_v, params.b_h, params.b_init[0])
    return DynamicRTRBMParams(*static, params.U_v[0]) if len(params.U_v) else static


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
    n_taps : int
        Also let v_{t-1}..v_{t-n_taps} act on the biases of frame t, both visible and hidden (see
        `rtrbm.dynamics.TRBMParams`). ``TRBM(bptt=True)`` is this with hidden taps on r_{t-2}..r_{t-n_taps} besides.
    dynamic_visible_bias : bool
        Let the hidden state act on the visible units too: visible bias b_v + r_{t-1} U_v.
    bptt : bool
        False leaves out the backward pass (d_t = 0): the chapter's TRBM baseline.
    n_gibbs : int or dict {first_update: k}
        Steps of the CD chain, constant or growing with training; a schedule starts at update 0.
    sample_visible : bool
        If False, the CD chain takes visible units by their means, as the TRBM of 3.3 does: far less noisy, but biased
        however long the chain is, since means are no states (docs/gradient.md).
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
        See `rtrbm.dynamics.initial_params`.
    dtype : {"float32", "float64"}
    engine : {"numpy", "numba"}
        Who does the work of training: numpy, or numba (the extra ``rtrbm[fast]``), in single precision up to twice as
        fast and with other random numbers.
    n_jobs : int, optional
        Threads: -1 all processors, None 1. Results do not depend on it.
    random_state : None, int, RandomState or Generator
        As in scikit-learn: an int makes every run the same.
    comm : mpi4py communicator, optional
        `fit` is called on every rank of it, with the same data and settings, and trains one model: each rank takes its
        share of every minibatch's sequences, the first rank alone logs and writes. From minibatches of 4 sequences or
        more 1, 2 and 4 ranks learn the same, bit for bit. -1 jobs are then the rank's share of its machine's
        processors.
    verbose : int
        Show a progress bar if greater than 0 and on a terminal.

    Attributes
    ----------
    params_ : RTRBMParams or DynamicRTRBMParams
        Learned arrays W, U, b_v, b_h, b_init (and U_v). With taps, TRBMParams: W, A, B, C, U_v, b_v, b_h, b_v_init,
        b_init, with U as B[0], and U_v with a leading axis of length 0 or 1.
    history_ : dict of lists
        reconstruction_error (|v - v_k|^2 per frame, v_k the end of the CD chain), gradient_norm,
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
        n_taps=0,
        dynamic_visible_bias=False,
        bptt=True,
        n_gibbs=10,
        sample_visible=True,
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
        self.n_taps = n_taps
        self.dynamic_visible_bias = dynamic_visible_bias
        self.bptt = bptt
        self.n_gibbs = n_gibbs
        self.sample_visible = sample_visible
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

    def _check_hyper_parameters(self):
        super()._check_hyper_parameters()
        check_n_taps(self, minimum=0)
        check_choice("dynamic_visible_bias", self.dynamic_visible_bias, (True, False))

    def _shapes(self, n_visible):
        n_taps = int(self.n_taps)
        return tap_shapes(n_visible, self.n_hidden, n_taps, 1, n_taps, int(self.dynamic_visible_bias))

    def _general(self, params):
        return params if isinstance(params, TRBMParams) else as_trbm(params)

    def _own(self, params):
        return params if self.n_taps else as_rtrbm(params)
