"""The conditional RBM (Taylor, Hinton & Roweis 2006): an RBM whose biases are linear in the last frames."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ..checks import check_size
from ..estimators.settings import setting, settings
from ..estimators.temporal import TemporalRBM
from ..past import taps
from ..past.conditioner import Map


class CRBMParams(NamedTuple):
    """P(v_t, h_t | v_{t-1}..v_{t-m}) = exp(v_t a_t + v_t W h_t + h_t b_t) / Z_t, with the biases

    a_t = b_v + sum_n v_{t-n} A_n,   b_t = b_h + sum_n v_{t-n} C_n.

    b_v_init_t and b_init_t stand for frames before the first.

    W : (n_visible, n_hidden); A : (m, n_visible, n_visible); C : (m, n_visible, n_hidden); b_v : (n_visible,);
    b_h : (n_hidden,); b_init : (m, n_hidden); b_v_init : (m, n_visible); units : parameters of the visible units' own,
    None if they have none.

    D_v : (n_inputs, n_visible); D_h : (n_inputs, n_hidden): known inputs x_t of a frame, if any, add x_t D_v and
    x_t D_h to its biases.
    """

    W: np.ndarray
    A: np.ndarray
    C: np.ndarray
    b_v: np.ndarray
    b_h: np.ndarray
    b_init: np.ndarray
    b_v_init: np.ndarray
    units: np.ndarray | None = None
    D_v: np.ndarray | None = None
    D_h: np.ndarray | None = None


@dataclass(frozen=True)
class Window(taps.Taps):
    """The last m frames, and nothing besides.

    Parameters
    ----------
    m : int
    """

    m: int

    kind = CRBMParams

    def maps(self):
        return Map("A", "v", "b_v", "b_v_init", self.m), Map("C", "v", "b_h", "b_init", self.m)


@settings
class CRBM(TemporalRBM):
    """Conditional Restricted Boltzmann Machine (Taylor, Hinton & Roweis 2006).

    P(v_t, h_t | v_{t-1}..v_{t-m}) is an RBM whose biases are linear in the m frames before (`CRBMParams`). No hidden
    state is carried on, so filtering is exact. It is ``TRBM(n_taps=m, without="HH")``; with Gaussian units and W = 0
    it is a linear autoregression.

    Parameters
    ----------
    n_hidden : int
        Hidden units.
    n_taps : int
        m, the number of frames the biases look back.
    visible, negative, standardize, n_gibbs, sample_visible, optimizer, learning_rate, momentum, centering, max_norm,
    weight_decay, l1, sparsity_cost, sparsity_target, batch_size, n_updates, n_epochs, initialization, dtype, engine,
    n_jobs, random_state, comm, verbose
        As of `rtrbm.RTRBM`.

    Attributes
    ----------
    params_ : CRBMParams
        Learned arrays W, A, C, b_v, b_h, b_init, b_v_init.
    history_, n_updates_, seed_, n_features_in_, scale_, feature_names_in_, input_names_in_
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

    n_taps: int = setting(default=3, check=check_size, fixed=True)

    def _past(self):
        return Window(int(self.n_taps))

    @classmethod
    def _implied(cls, params):
        return {"n_taps": len(params.A)}
