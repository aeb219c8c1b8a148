"""The rivals of the benchmark compute what rtrbm computes: states, gradient, a whole update, the mean of CD-k."""

import importlib

import numpy as np
import pytest
from helpers import Z_MAX, random_array, random_params

from rtrbm import RTRBM
from rtrbm.compute.engine import NUMPY
from rtrbm.gradient import Model, gradient
from rtrbm.minibatches.sequences import pack
from rtrbm.models.rtrbm import Recurrent
from rtrbm.parameters import arrays, each
from rtrbm.rbm.negative import Averages
from rtrbm.rbm.units import BERNOULLI

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # the compiler's own, when it is first imported

N_SEQUENCES, N_FRAMES, N_VISIBLE, N_HIDDEN = 3, 6, 5, 4


@pytest.fixture(params=["torch", "jax"])
def rival(request):
    """The rival's module, and its way of making arrays."""
    library = pytest.importorskip(request.param, reason=f"{request.param} is not installed")
    module = importlib.import_module(f"experiments.rivals.{request.param}_update")
    return module, library.tensor if request.param == "torch" else library.numpy.asarray


@pytest.fixture(params=["torch", "torch compile", "torch hashed", "jax", "jax hashed"])
def update(request):
    """A function (params, n_gibbs, rate) -> the rival's `Update`."""
    library, *options = request.param.split()
    pytest.importorskip(library, reason=f"{library} is not installed")
    module = importlib.import_module(f"experiments.rivals.{library}_update")

    def make(params, n_gibbs, rate=0.01):
        return module.Update(as_float32(params), n_gibbs, rate, seed=0, **dict.fromkeys(options, True))

    return make


def as_float32(params):
    return each(lambda p: p.astype(np.float32), params)


def single_precision(n_sequences=N_SEQUENCES, n_frames=N_FRAMES):
    params = as_float32(random_params(N_VISIBLE, N_HIDDEN))
    return params, random_array(n_sequences, n_frames, N_VISIBLE).astype(np.float32)


def by_frame(rows):
    """Packed rows of sequences of one length as (n_frames, n_sequences, n)."""
    return rows.reshape(N_FRAMES, N_SEQUENCES, -1)


def test_states(rival):
    module, array = rival
    params, X = single_precision()
    v, where = pack(X)
    biases, memory = Recurrent().forward(params, v, where, NUMPY)
    found = module.states(each(array, params), array(by_frame(v)))
    np.testing.assert_allclose(found[0], by_frame(memory.states), atol=1e-6)
    np.testing.assert_allclose(found[1], by_frame(biases.h), atol=1e-6)


def test_gradient_given_the_negative_phase(rival):
    module, array = rival
    params, X = single_precision()
    v, where = pack(X)
    rng = np.random.default_rng(2)
    v_neg = rng.integers(0, 2, v.shape).astype(np.float32)
    h_neg = rng.random((len(v), N_HIDDEN), np.float32)
    averages = Averages(lambda: v_neg.T @ h_neg, v_neg.copy(), h_neg)
    expected, _, memory = gradient(Model(Recurrent(), BERNOULLI), params, v, where, lambda *_: averages, NUMPY)
    chain = (array(by_frame(a)) for a in (v, memory.states, v_neg, h_neg))
    found = module.gradient(each(array, params), *chain)
    for name, d, true in zip(params._fields, arrays(found), arrays(expected)):
        np.testing.assert_allclose(d, true, atol=2e-5, err_msg=name)


def test_updates_without_chance(update):
    """Visible biases so large that every chain ends in the same frame, whatever its hidden states."""
    params, X = single_precision()
    params = params._replace(b_v=np.float32([30, -30, 30, -30, 30]))
    model = RTRBM.from_params(params, n_gibbs=2, learning_rate=0.01, n_jobs=1, random_state=0)
    other = update(params, n_gibbs=2)
    for _ in range(4):
        model.partial_fit(X)
        error, norm = other(X)
        assert error == pytest.approx(model.history_["reconstruction_error"][-1], rel=1e-4)
        assert norm == pytest.approx(model.history_["gradient_norm"][-1], rel=1e-4)
    for name, p, true, start in zip(params._fields, *map(arrays, (other.params, model.params_, params))):
        assert abs(true - start).max() > 0.01, name
        np.testing.assert_allclose(p, true, atol=2e-4, err_msg=name)


def flat(gradient):
    return np.concatenate([np.ravel(d) for d in arrays(gradient)])


def mean_and_error(draws):
    return np.mean(draws, axis=0), np.std(draws, axis=0, ddof=1) / np.sqrt(len(draws))


def test_mean_of_the_cd_gradient(update, n_draws=300):
    params, X = single_precision(n_sequences=30)  # enough for the sums over them to be nearly normal
    other = update(params, n_gibbs=2)
    mean, error = mean_and_error([flat(other.cd_gradient(X)) for _ in range(n_draws)])

    def largest_z(n_gibbs):
        model = RTRBM.from_params(params, n_gibbs=n_gibbs, n_jobs=1, random_state=0)
        draws = [flat(model.gradient(X, random_state=i)) * len(X) for i in range(n_draws)]
        own_mean, own_error = mean_and_error(draws)
        return np.max(abs(mean - own_mean) / np.hypot(error, own_error))

    assert largest_z(2) < Z_MAX
    assert largest_z(1) > 2 * Z_MAX
