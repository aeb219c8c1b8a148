"""The conditional RBM (Taylor, Hinton & Roweis 2006): an RBM whose biases are linear in the last frames."""

from .dynamics import tap_shapes
from .temporal import TemporalRBM
from .validation import check_n_taps


class CRBM(TemporalRBM):
    """Conditional Restricted Boltzmann Machine (Taylor, Hinton & Roweis 2006).

    P(v_t, h_t | v_{t-1}..v_{t-m}) is an RBM whose biases are linear in the m frames before (`rtrbm.dynamics.TRBMParams`
    with A and C alone). No hidden state is carried on, so filtering is exact. It is ``TRBM(without="HH")``; with
    Gaussian units and W = 0 it is a linear autoregression.

    Parameters
    ----------
    n_hidden : int
        Hidden units.
    n_taps : int
        m, the number of frames the biases look back.
    visible, n_gibbs, sample_visible, optimizer, learning_rate, momentum, centering, max_norm, batch_size, n_updates,
    initialization, dtype, engine, n_jobs, random_state, comm, verbose
        As of `rtrbm.RTRBM`.

    Attributes
    ----------
    params_ : TRBMParams
        Learned arrays W, A, C, b_v, b_h, b_v_init, b_init; B and U_v are empty.
    history_, n_updates_, seed_, n_features_in_
        As of `rtrbm.RTRBM`.

    Examples
    --------
    >>> from rtrbm import CRBM
    >>> import numpy as np
    >>> X = np.random.default_rng(0).standard_normal((8, 20, 3)).cumsum(axis=1)
    >>> model = CRBM(n_hidden=10, n_taps=2, visible="gaussian", n_gibbs=1, n_updates=10, random_state=0).fit(X)
    >>> model.predict(X).shape
    (8, 20, 3)
    """

    bptt = False  # nothing is carried on that a backward pass could go through

    def __init__(
        self,
        n_hidden=100,
        *,
        n_taps=3,
        visible="bernoulli",
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
        self.n_taps = n_taps
        self.visible = visible
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
        check_n_taps(self)

    def _shapes(self, n_visible):
        return tap_shapes(n_visible, self.n_hidden, self.n_taps, 0, self.n_taps)
