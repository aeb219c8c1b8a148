"""A conditioner makes the biases of an RBM from its past.

It reads whole sequences (`forward`, `backward`) for training, and goes frame by frame (`start`, `biases`, `step`) for
sampling. A new one is a subclass of `Conditioner`, in the file of its model (docs/add-a-model.md).
"""

from typing import NamedTuple

import numpy as np

from ..biases import Biases, with_inputs
from ..functions import sigmoid


class Map(NamedTuple):
    """A matrix of the parameters, by names: it multiplies a source, and the result is added to a bias.

    matrix : str, the field of an array (n_in, n_out), or (m, n_in, n_out) of taps; source : str, "v", "h" or a name of
    `Conditioner.sources`; bias : str, the field of the bias; init : str, the field of the biases of the first frames,
    (n_out,) or (n_init, n_out), in the place of frames before the first, or None; m : int, the number of taps, or None.
    """

    matrix: str
    source: str
    bias: str
    init: str | None = None
    m: int | None = None


class Memory(NamedTuple):
    """The values of the forward pass that the backward pass needs.

    v : (n_rows, n_visible), packed frames; where : Layout; states : ndarray or NamedTuple of ndarrays, whatever is
    carried on; h_pos : (n_rows, n_hidden) or None, P(h_t = 1 | v_t, past) where the forward pass computes it.
    """

    v: np.ndarray
    where: NamedTuple
    states: object = None
    h_pos: np.ndarray | None = None


class Form(NamedTuple):
    """What a conditioner is, if it is eq. 3.20 and no more: an engine may then compile a whole update.

    n_taps : int, of frames on both biases; dynamic : bool, whether the state acts on the visible bias; bptt : bool.
    """

    n_taps: int
    dynamic: bool
    bptt: bool


class Conditioner:
    """The interface of a conditioner to training and to the verbs. A subclass is a frozen dataclass of its constants.

    Attributes
    ----------
    carries : {None, "means", "draws"}
        The hidden units of a frame as `step` takes them: not at all, as P(h_t = 1 | v_t, past), or as states that a
        verb has drawn or was given (`sample`, `forecast`, `decode`). Verbs that draw none take the means (`advance`).
    form : Form or None
    """

    carries = None
    form = None

    def shapes(self, n_visible, n_hidden):
        """The shapes of all parameters: the model's NamedTuple of tuples. None is a part that is left out."""
        raise NotImplementedError

    def random(self, n_visible, n_hidden):
        """Names and shapes of the parameters that start as small random numbers, in the order they are drawn.

        W is not among them. A name that `shapes` leaves out is drawn and dropped.
        """
        return {}

    def forward(self, params, v, where, engine):
        """The biases of all frames at once (eq. 3.20).

        Parameters
        ----------
        params : NamedTuple
        v : (n_rows, n_visible) ndarray
            Packed frames.
        where : Layout
        engine : Engine

        Returns
        -------
        Biases
        Memory
        """
        raise NotImplementedError

    def backward(self, params, memory, c, engine):
        """Derivatives of the log-likelihood that arrive through the biases (eq. 3.23, 3.24).

        Parameters
        ----------
        params : NamedTuple
        memory : Memory
        c : Biases
            c_t, the derivatives with respect to the biases of every frame: v - <v> and h_pos - <h>.
        engine : Engine

        Returns
        -------
        d : (n_rows, n_hidden) ndarray or None
            d_t, the derivative with respect to v_t W through later frames; None if there is none. Like that of every
            state it is 0 at frames that only warm the state up (`rtrbm.minibatches.sequences.forget_warm`).
        gradient : NamedTuple
            Derivatives with respect to all parameters but W, units, D_v and D_h, which are None.
        """
        raise NotImplementedError

    def start(self, params, n_sequences):
        """The state before the first frame: (nested tuples of) arrays with a row for each sequence, and numbers.

        A number must be the same for sequences of all lengths.
        """
        raise NotImplementedError

    def biases(self, params, state):
        """The biases of the next frame of every sequence: `Biases` of a row each, or of one vector for all."""
        raise NotImplementedError

    def step(self, params, state, v, h):
        """The state after a frame v with hidden units h (`carries`)."""
        raise NotImplementedError

    def maps(self):
        """All matrices but W that multiply visible units, hidden units or `sources`.

        A matrix that is missing here is left out of centred gradient steps (`rtrbm.training.centering`), of the starts
        "linear" and "thesis" (`rtrbm.training.start`), and of the frames that a window warms up on. Visible units with
        parameters of their own need all matrices that multiply visible units (`Units.derivative`).
        """
        return ()

    def sources(self, memory):
        """Other sources of `maps` than v and h: {name: (n_rows, n) ndarray}."""
        return {}

    def effective(self, params):
        """The parameters that the other methods take, from those that are learned."""
        return params

    def pull_back(self, params, gradient):
        """The derivative with respect to the parameters that are learned, from that with respect to the effective."""
        return gradient

    def penalty(self, params):
        """The derivative of a penalty that an update subtracts from that of the log-likelihood per frame, or None."""
        return None

    def damped(self, step):
        """A step of the optimiser, made smaller where parameters are to learn more slowly."""
        return step


def biases_of(past, params, state, n_sequences, x=None):
    """The biases of the next frame, whose known inputs are x, the hidden ones in a row for each sequence."""
    biases = past.biases(with_inputs(params, x), state)
    return biases._replace(h=np.broadcast_to(biases.h, (n_sequences, len(params.b_h))))


def advance(past, params, state, v, b_h, drawn=None):
    """The state after frames v, (n_sequences, n_visible), of hidden biases b_h.

    drawn : (n_sequences, n_hidden) ndarray or None, hidden states that go on if `Conditioner.carries` is "draws".
    """
    h = drawn if past.carries == "draws" else None
    if past.carries and h is None:
        h = sigmoid(v @ params.W + b_h)  # r_t, eq. 3.20
    return past.step(params, state, v, h)


def rows_of(state, n_sequences):
    """The state of the first so many sequences; that of a single sequence serves for any number."""

    def rows(a):
        return a[:n_sequences] if len(a) > 1 else np.broadcast_to(a, (n_sequences, *a.shape[1:]))

    return of_states(rows, state)


def of_states(function, *states):
    """A state whose arrays are function(array of the first state, of the second, ...); numbers must be the same."""
    first = states[0]
    if isinstance(first, np.ndarray):
        return function(*states)
    if isinstance(first, tuple):
        parts = [of_states(function, *parts) for parts in zip(*states, strict=True)]
        return type(first)(*parts) if hasattr(first, "_fields") else tuple(parts)
    if any(state != first for state in states):
        raise TypeError(
            f"a number in the state differs between sequences of different lengths ({first!r}): "
            "the conditioner must keep it as an array with a row for each sequence"
        )
    return first


class RBMParams(NamedTuple):
    """P(v, h) = exp(v b_v + h b_h + v W h) / Z.

    W : (n_visible, n_hidden); b_v : (n_visible,); b_h : (n_hidden,); units : parameters of the visible units' own, if
    they have any.
    """

    W: np.ndarray
    b_v: np.ndarray
    b_h: np.ndarray
    units: np.ndarray | None = None


class Static(Conditioner):
    """No past: the same biases at every frame."""

    def shapes(self, n_visible, n_hidden):
        return RBMParams(W=(n_visible, n_hidden), b_v=(n_visible,), b_h=(n_hidden,))

    def forward(self, params, v, where, engine):
        return Biases(params.b_v, params.b_h), Memory(v, where)

    def backward(self, params, memory, c, engine):
        return None, RBMParams(W=None, b_v=c.v.sum(axis=0), b_h=c.h.sum(axis=0))

    def start(self, params, n_sequences):
        return ()

    def biases(self, params, state):
        return Biases(params.b_v, params.b_h)

    def step(self, params, state, v, h):
        return state
