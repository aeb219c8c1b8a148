"""A kind of visible units, and the binary one.

P(v | a) = exp(v a + log_base(v) - log_partition(a)), with a = b_v + h W^T the total input of the units.

A new kind is a subclass of `Units` with a `name`, in a file of its own (docs/add-a-model.md).
"""

from dataclasses import dataclass

import numpy as np

from ..functions import sigmoid, softplus
from ..kinds import Kind, named

ROUNDING = 1e-6  # beyond 0 and 1, of numbers that were computed in single precision


class Units(Kind):
    """The interface of a kind of visible units to the RBM.

    Attributes
    ----------
    name : str
        Its name in the setting `visible`.
    scale : float
        Weights and biases are multiplied by it before a chain, which then delivers `scale` times the total input.
    binary : bool
        Whether a unit is 0 or 1, each by itself, so that a layer's states can be counted off.
    one_hot : bool
        Whether one unit of a group is 1 and all others are 0.
    linear : bool
        Whether E[v | a] = a.
    curvature : float or None
        The largest variance that v can have given a, over all directions; None if there is none.
    """

    kinds = {}
    scale = 1.0
    binary = False
    one_hot = False
    linear = False
    curvature = None

    def mean(self, a, out=None):
        """E[v | a] of every unit; `out` may be `a` itself."""
        raise NotImplementedError

    def log_partition(self, a):
        """The log of the sum (integral) over v of exp(v a + log_base(v)), added up over the units: a's last axis."""
        raise NotImplementedError

    def log_base(self, v):
        """log_base(v), added up over the units: v's last axis."""
        return 0.0

    def bias(self, mean, n):
        """The input that gives units the mean of n frames of data; finite whatever the data are."""
        raise NotImplementedError

    def draw(self, mean, rng):
        """States of these means, drawn with a numpy Generator."""
        raise NotImplementedError

    def check(self, v, name, missing=None):
        """Raise a ValueError that calls the data `name` if units cannot have these values.

        If it has an attribute `limits`, finite values between the two pass, and it is not asked.

        Parameters
        ----------
        v : (..., n_visible) ndarray
            Finite numbers.
        name : str
        missing : (..., n_visible) bool ndarray, optional
            Values that are not there, 0 in v.

        Returns
        -------
        ndarray or None
            Values to take in their place if rounding has carried some beyond the limits; None: v as it is.
        """

    def nearest(self, mean):
        """Values near these means that `check` lets pass."""
        return mean

    def parts(self, n_visible):
        """The number of the part that each unit belongs to, in order; the units of one are missing together."""
        return np.arange(n_visible)

    def start_noise(self, noise, out):
        """Fill `out` with states of pure noise, from which a chain that knows nothing starts (a `Noise`'s numbers)."""
        raise NotImplementedError

    def sample_mean(self, mean, noise, scratch):
        """Replace means by states that have them, in a chain; `scratch` is as large as `mean`."""
        raise NotImplementedError

    def mean_given(self, states, W, bias, noise, out):
        """out <- E[v | a] for the total input a = states W + bias, in a chain."""
        noise.multiply(states, W, out=out)
        out += bias
        self.mean(out, out=out)

    def sample_given(self, states, W, bias, noise, out, scratch):
        """out <- a sample of P(v | a) for the total input a = states W + bias, in a chain."""
        self.mean_given(states, W, bias, noise, out)
        self.sample_mean(out, noise, scratch)

    # For a kind with parameters of its own: the RBM sees `inward(v)`, users see `outward` of the RBM's values.

    def shape(self, n_visible):
        """The shape of the kind's own parameters, one array; None if it has none."""
        return None

    def start(self, frames):
        """Their first values, from the frames of a minibatch."""
        return None

    def inward(self, v, own):
        """Data as the RBM sees them."""
        return v

    def outward(self, v, own):
        """The RBM's values as data."""
        return v

    def log_volume(self, own):
        """log |d inward(v) / d v| of a frame, which its log-likelihood gains."""
        return 0.0

    def derivative(self, params, v, b_v, positive, gradient, maps):
        """The derivative of the log-likelihood of all rows with respect to the kind's own parameters.

        Parameters
        ----------
        params : NamedTuple
        v : (n_rows, n_visible) ndarray
            Data as the RBM sees them.
        b_v : (n_visible,) or (n_rows, n_visible) ndarray
            Visible biases.
        positive : (n_visible, n_hidden) ndarray
            sum_t v_t^T (h_pos,t + d_t), the data's part of the derivative with respect to W.
        gradient : NamedTuple
            Derivatives with respect to the other parameters.
        maps : tuple of Map
            `rtrbm.past.conditioner.Conditioner.maps`.
        """
        return None


@dataclass(frozen=True)
class Bernoulli(Units):
    """Binary units: P(v = 1 | a) = sigmoid(a). Data in [0, 1] are taken as probabilities of 1.

    A chain works with half the total input: a unit of probability sigmoid(2 x) is on when a uniform number on [-1, 1)
    is below tanh(x).
    """

    name = "bernoulli"
    scale = 0.5
    binary = True
    curvature = 0.25

    def mean(self, a, out=None):
        return sigmoid(a, out=out)

    def log_partition(self, a):
        return softplus(a).sum(axis=-1)

    def bias(self, mean, n):
        from scipy.special import logit  # as slow to import as numpy

        return logit((mean * n + 0.5) / (n + 1))  # half a count added on either side

    def draw(self, mean, rng):
        return (rng.random(mean.shape) < mean).astype(mean.dtype)

    def check(self, v, name, missing=None):
        low, high = v.min(), v.max()
        if 0 <= low and high <= 1:
            return None
        if -ROUNDING <= low and high <= 1 + ROUNDING:
            return np.clip(v, 0, 1)
        remedy = "real-valued data want visible='scaled_gaussian' and standardize=True"
        if low >= 0 and high <= 255 and (v == np.rint(v)).all():
            remedy = f"divide pixels by 255 (rtrbm.convert.video), counts want visible='poisson', other {remedy}"
        got = f"got values from {low:g} to {high:g}"
        raise ValueError(f"{name} must lie in [0, 1] for Bernoulli units, {got}; {remedy}")

    check.limits = 0, 1

    def start_noise(self, noise, out):
        noise.uniform(out)
        np.less(out, 0, out=out)

    def sample_mean(self, mean, noise, scratch):
        noise.switch_on(mean, scratch)

    def mean_given(self, states, W, bias, noise, out):
        noise.multiply(states, W, out=out)
        out += bias
        np.tanh(out, out=out)
        out *= 0.5
        out += 0.5

    def sample_given(self, states, W, bias, noise, out, scratch):
        noise.sample(states, W, bias, out, scratch)


BERNOULLI = Bernoulli()


def as_units(units):
    """The kind of visible units that a name or an object means; a ValueError if it means none."""
    return named(Units, "units", units)
