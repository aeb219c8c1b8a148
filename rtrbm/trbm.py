"""The Temporal RBM with delay taps (chapter 3.2), and its ablations."""

from .dynamics import tap_shapes
from .temporal import TemporalRBM
from .validation import check_choice, check_n_taps, check_number

CONNECTIONS = ("VV", "HH", "VH")  # visible to visible, hidden to hidden, visible to hidden: A, B, C


class TRBM(TemporalRBM):
    """Temporal Restricted Boltzmann Machine with delay taps (Sutskever & Hinton 2007; Sutskever 2013, 3.2).

    At every frame an RBM, whose visible biases are linear in v_{t-1}..v_{t-m} and whose hidden biases are linear in
    these and in the filtered hidden states r_{t-1}..r_{t-m} (see `TRBMParams`). Filtering is mean-field (3.2.1):
    r_t = P(h_t = 1 | v_t, past). Trained by CD-k with filtered hidden states (3.2.2), without a backward pass.

    Parameters
    ----------
    n_hidden : int
        Hidden units.
    n_taps : int
        m, the number of frames the biases look back.
    without : str or tuple of str
        Kinds of connections to leave out, the ablations of the paper: "VV" visible to visible (A), "HH" hidden to
        hidden (B; filtering is then exact), "VH" visible to hidden (C). ``TRBM(n_taps=1, without=("VV", "VH"))`` is the
        simplified TRBM (3.6), which is ``RTRBM(bptt=False)``.
    vv_rate : float
        Factor of the learning rate for A; the paper's is 0.01. Pixels are much like those before, and with A learned as
        fast as the rest the hidden units are left with little to do.
    bptt : bool
        Also learn through the filter, as the RTRBM does (eq. 3.25).
    visible, n_gibbs, sample_visible, optimizer, learning_rate, momentum, centering, max_norm, batch_size, n_updates,
    initialization, dtype, engine, n_jobs, random_state, comm, verbose
        As of `rtrbm.RTRBM`.

    Attributes
    ----------
    params_ : TRBMParams
        Learned arrays W, A, B, C, U_v (always empty here), b_v, b_h, b_v_init, b_init.
    history_, n_updates_, seed_, n_features_in_
        As of `rtrbm.RTRBM`.

    Examples
    --------
    >>> from rtrbm import TRBM
    >>> from rtrbm.datasets import bouncing_balls
    >>> X = bouncing_balls(8, n_frames=20, resolution=8, n_balls=1, random_state=0)
    >>> model = TRBM(n_hidden=20, n_taps=2, n_gibbs=1, n_updates=10, random_state=0).fit(X)
    >>> model.params_.A.shape, model.params_.B.shape, model.params_.C.shape
    ((2, 64, 64), (2, 20, 20), (2, 64, 20))
    >>> model.denoise(X).shape
    (8, 20, 64)
    """

    def __init__(
        self,
        n_hidden=100,
        *,
        n_taps=4,
        without=(),
        vv_rate=1.0,
        visible="bernoulli",
        bptt=False,
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
        self.without = without
        self.vv_rate = vv_rate
        self.visible = visible
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
        check_n_taps(self)
        if not isinstance(self.without, str | tuple | list):
            raise TypeError(
                f"without must be one of {', '.join(map(repr, CONNECTIONS))} or a tuple of them, got {self.without!r}"
            )
        for kind in _kinds(self.without):
            check_choice("without", kind, CONNECTIONS)
        check_number("vv_rate", self.vv_rate, 0, closed=True)

    def _shapes(self, n_visible):
        without = _kinds(self.without)
        n_A, n_B, n_C = (0 if kind in without else self.n_taps for kind in CONNECTIONS)
        return tap_shapes(n_visible, self.n_hidden, n_A, n_B, n_C)

    def _damped(self, step):
        return step if self.vv_rate == 1 else step._replace(A=step.A * step.A.dtype.type(self.vv_rate))


def _kinds(without):
    """The connections to leave out as a tuple."""
    return (without,) if isinstance(without, str) else tuple(without)
