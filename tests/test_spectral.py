"""Steps of equal size in every direction, against the singular value decomposition."""

import warnings

import numpy as np
import pytest
from helpers import altered, state
from threadpoolctl import threadpool_info, threadpool_limits

from rtrbm import CRBM, LSTMRBM, RBM, RNNRBM, RTRBM, SRTRBM, TRBM
from rtrbm.compute.engine import named
from rtrbm.models.rtrbm import RTRBMParams
from rtrbm.parameters import each, is_matrix
from rtrbm.training import optimizers
from rtrbm.training import spectral as module
from rtrbm.training.spectral import (
    BAND,
    BIAS_RATE,
    EVERY,
    GROWN,
    HELD,
    LARGE,
    LEAST,
    N_LARGE,
    SLOW,
    inverse_root,
    shorten,
    spectral,
)

X = (np.random.default_rng(0).random((4, 7, 6)) < 0.4).astype(np.float32)
SETTINGS = dict(n_gibbs=2, optimizer="spectral", random_state=0, n_updates=6, batch_size=3)
MODELS = {
    "RBM": RBM(4, **SETTINGS),
    "RTRBM": RTRBM(4, n_taps=2, dynamic_visible_bias=True, **SETTINGS),
    "SRTRBM": SRTRBM(4, sparsity=0.1, **SETTINGS),
    "TRBM": TRBM(4, n_taps=2, vv_rate=0.1, **SETTINGS),
    "CRBM": CRBM(4, **SETTINGS),
    "RNNRBM": RNNRBM(4, **SETTINGS),
    "LSTMRBM": LSTMRBM(4, **SETTINGS),
}
ENGINES = ["numpy", pytest.param("numba", marks=pytest.mark.skipif(named("auto").name != "numba", reason="no numba"))]
any_engine = pytest.mark.parametrize("engine", ENGINES)
any_dtype = pytest.mark.parametrize("dtype", [np.float32, np.float64])


def polar_factor(M):
    root = inverse_root(M)
    return M @ root if len(M) > M.shape[1] else root @ M


def orthogonal(n, rng):
    return np.linalg.qr(rng.standard_normal((n, n)))[0]


def matrix(shape, seed, dtype=np.float64):
    """A matrix with singular values between LEAST of the bound and the largest, and its singular vectors."""
    rng, n = np.random.default_rng(seed), min(shape)
    s = np.exp(rng.uniform(np.log(LEAST), 0, n))
    s[0] = 1
    s = np.maximum(s, 1.0001 * LEAST * (s**4).sum() ** 0.25)
    P, Q = orthogonal(shape[0], rng)[:, :n], orthogonal(shape[1], rng)[:, :n]
    return ((P * s) @ Q.T).astype(dtype), P, Q


@any_dtype
@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (30, 30), (90, 40), (40, 90), (300, 270)])
def test_all_singular_values_are_in_the_band_and_the_singular_vectors_stay(shape, dtype):
    M, P, Q = matrix(shape, shape, dtype)
    before = M.copy()
    D = polar_factor(M)
    assert D.dtype == dtype and D.shape == shape and (M == before).all()
    core = P.T @ D @ Q
    s = np.diag(core)
    assert BAND[0] <= s.min() and s.max() <= BAND[1]
    assert np.abs(core - np.diag(s)).max() < (1e-4 if dtype == np.float32 else 1e-11)
    spread = np.linalg.svd(M, compute_uv=False)
    assert min(shape) == 1 or spread[0] / spread[-1] > 5  # which were not in any such band before


@any_dtype
def test_small_singular_values_stay_small_and_none_leaves_the_band_above(dtype):
    rng = np.random.default_rng(1)
    M = (orthogonal(50, rng) * np.geomspace(1e-12, 1, 50)) @ orthogonal(60, rng)[:50]
    s = np.linalg.svd(polar_factor(M.astype(dtype)), compute_uv=False)
    assert s[0] <= BAND[1] and s[-1] < 1e-4 and (s > BAND[0]).sum() > 5


def test_rotations_of_rows_and_columns_rotate_the_factor():
    rng = np.random.default_rng(2)
    M, P, Q = rng.standard_normal((20, 33)), orthogonal(20, rng), orthogonal(33, rng)
    np.testing.assert_allclose(polar_factor(P @ M @ Q), P @ polar_factor(M) @ Q, atol=1e-12)
    np.testing.assert_allclose(polar_factor(M.T), polar_factor(M).T, atol=1e-12)


@pytest.mark.parametrize("scale", [2.0**-50, 2.0**100])
def test_the_scale_does_not_matter(scale):
    M = np.random.default_rng(3).standard_normal((20, 33)).astype(np.float32)
    np.testing.assert_array_equal(polar_factor(M * np.float32(scale)), polar_factor(M))


@any_engine
def test_a_matrix_without_a_gradient_stays(engine):
    X = np.random.default_rng(0).integers(0, 2, (4, 8, 6)).astype(float)
    inputs = np.zeros((4, 8, 2))
    model = RTRBM(5, optimizer="spectral", n_gibbs=1, n_updates=40, learning_rate=0.01, random_state=0, engine=engine)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(X, inputs=inputs)
    assert abs(model.params_.D_h).max() < 1e-6 and abs(model.params_.D_v).max() < 1e-6
    assert abs(model.params_.U).max() > 0.05  # control


def test_nothing_stays_nothing_and_what_is_not_finite_shows():
    assert not polar_factor(np.zeros((3, 4))).any()
    for value in (np.nan, np.inf):
        M = np.ones((3, 4))
        M[1, 2] = value
        with np.errstate(invalid="ignore"):
            assert np.isnan(polar_factor(M)).any()


def stepped(gs, rates, decay=0.8):
    """The steps that the optimisers take along gradients, spectral and Adam's."""
    optimizer, adam = spectral(decay), optimizers.adam(decay)
    state, other, found = optimizer.init(gs[0]), adam.init(gs[0]), []
    for g, rate in zip(gs, rates):
        first, second = (each(np.copy, g) for _ in range(2))
        step, state = optimizer.update(first, state, rate)
        expected, other = adam.update(second, other, BIAS_RATE * rate)
        found.append((each(np.copy, step), each(np.copy, expected)))
    return found


def gradients(factors, seed=4):
    """Gradients of an RTRBM with taps that are multiples of one another."""
    rng = np.random.default_rng(seed)
    shapes = RTRBMParams((5, 3), (3, 3), (5,), (3,), (2, 3), A=(2, 5, 5))
    one = each(rng.standard_normal, shapes)
    return [each(lambda a, c=c: a * c, one) for c in factors]


@pytest.mark.parametrize("decay, held", [(0.8, 1), (SLOW, HELD)])
def test_matrices_step_along_the_factor_of_the_momentum_and_biases_by_adam(decay, held):
    """With a slow decay the first direction serves `HELD` times. The next one has its root, and the mean gradient."""
    growth = [1.0] * held + [-1.3]
    g, *_ = gs = gradients(growth)
    weights = decay ** np.arange(held, -1, -1)
    factors = [1] * held + [weights @ growth / weights.sum()]
    rates = np.linspace(0.1, 0.05, held + 1)
    for (step, adam), factor, rate in zip(stepped(gs, rates, decay), factors, rates):
        for found, M in ((step.W, g.W), (step.U, g.U), (step.A.reshape(10, 5), g.A.reshape(10, 5))):
            expected = factor * rate * max(M.shape) ** 0.5 * polar_factor(M)
            np.testing.assert_allclose(found, expected, atol=1e-12)
        for name in ("b_v", "b_h", "b_init"):
            np.testing.assert_array_equal(getattr(step, name), getattr(adam, name))


def sizes(factors, decay):
    """The size of W's steps, of rate 1, along multiples of a gradient."""
    steps = stepped(gradients(factors), [1] * len(factors), decay)
    return np.array([np.linalg.norm(step.W, 2) for step, _ in steps])


@pytest.mark.parametrize("decay, held", [(0.8, 1), (SLOW, HELD)])
def test_a_root_serves_for_some_updates_unless_all_directions_outgrow_it(decay, held):
    """In each update the mean gradient grows by a little, or suddenly by much."""
    assert EVERY % HELD == 0
    growth = 1.4 ** (1 / EVERY)
    found = sizes(growth ** np.arange(2 * EVERY), decay).reshape(-1, held)
    assert (found == found[:, :1]).all()
    each_direction, last = found[:, 0], EVERY // held
    assert all(a < b for i, (a, b) in enumerate(zip(each_direction, each_direction[1:]), 1) if i != last)
    assert each_direction[last] == pytest.approx(each_direction[0]) != pytest.approx(each_direction[last - 1])
    found = sizes([1] * 2 * held + [100] * 2 * held, decay)
    np.testing.assert_allclose(found[: 3 * held], found[0])
    assert found[-1] < GROWN * 5**0.5


@pytest.mark.parametrize("engine", ["numpy", "numba"])
def test_each_task_of_a_step_has_one_thread_of_the_matrix_library(engine, monkeypatch):
    if engine == "numba":
        pytest.importorskip("numba")
    found = {"shorten": [], "inverse_root": []}
    for name in found:
        function = getattr(module, name)
        monkeypatch.setattr(
            module, name, lambda *a, name=name, f=function: (found[name].append(blas_threads()), f(*a))[1]
        )
    with threadpool_limits(2, "blas"):
        assert blas_threads() == 2
        RTRBM(5, engine=engine, **SETTINGS).fit(np.ones((6, 4, 7)))
    assert {*found["shorten"]} == {*found["inverse_root"]} == {1}


def blas_threads():
    return min(pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas")


@any_dtype
@pytest.mark.parametrize("shape", [(60, 40), (40, 60), (40, 40), (9, 5), (5, 9), (1, 9), (9, 1)])
def test_directions_that_have_grown_are_1_again_and_all_others_stay(shape, dtype):
    """A step D of a momentum M and its root Q, some of whose singular values are above `LARGE`."""
    rng, k, unit = np.random.default_rng(6), min(shape), max(shape) ** 0.5
    M = rng.standard_normal(shape).astype(dtype)
    P, _, R = np.linalg.svd(M, full_matrices=False)
    s = rng.uniform(0.5, 1.2, k)
    n = min(3, k)
    s[:n] = (9, 30, 20)[:n]
    D = ((P * s) @ R * unit).astype(dtype)
    tall = shape[0] > shape[1]
    Q = np.linalg.pinv(M) @ D / unit if tall else D @ np.linalg.pinv(M) / unit
    rest = shorten(D, Q)
    expected = np.sort(np.r_[np.ones(n), s[n:]])[::-1]
    np.testing.assert_allclose(np.linalg.svd(D, compute_uv=False) / unit, expected, atol=1e-2)  # the vectors are rough
    np.testing.assert_allclose(unit * (M @ Q if tall else Q @ M), D, atol=1e-3 if dtype == np.float32 else 1e-11)
    assert (rest > GROWN) == (k == 1)
    before = D.copy()
    shorten(D, Q)
    np.testing.assert_array_equal(D, before)  # nothing is left to do


def test_more_large_directions_than_are_looked_for_show():
    rng = np.random.default_rng(7)
    for n in (N_LARGE - 1, N_LARGE + 4):
        s = np.r_[np.full(n, 2 * GROWN), np.ones(20 - n)]
        D = np.ascontiguousarray((orthogonal(40, rng)[:, :20] * s) @ orthogonal(20, rng)) * 40**0.5
        assert (shorten(D, np.eye(20)) > GROWN) == (n > N_LARGE)


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e30])
def test_a_step_that_is_too_large_is_left_for_a_new_root(value):
    D = np.ones((4, 6), np.float32)
    D[1, 2] = value
    before = D.copy()
    assert shorten(D, np.eye(4, dtype=np.float32)) == np.inf
    np.testing.assert_array_equal(D, before)
    assert shorten(np.zeros((4, 6)), np.eye(4)) == 0 < LARGE


@pytest.mark.parametrize("name", MODELS)
def test_the_matrices_of_a_model_are_known_from_its_other_parameters(name):
    params = MODELS[name].fit(X[0] if name == "RBM" else X).params_
    found = {key for key, a in params._asdict().items() if a is not None and is_matrix(key, a)}
    wanted = {
        "RBM": "W", "RTRBM": "W U U_v A C", "SRTRBM": "W U", "TRBM": "W A B C", "CRBM": "W A C",
        "RNNRBM": "W W_vu W_uu W_uh W_uv", "LSTMRBM": "W K R W_uh W_uv",
    }  # fmt: skip
    assert found == set(wanted[name].split())


@pytest.mark.parametrize("momentum", [0.9, SLOW])
@any_engine
@pytest.mark.parametrize("name", MODELS)
def test_a_run_that_is_resumed_is_the_one_that_was_not(name, engine, momentum, tmp_path):
    data = X[0] if name == "RBM" else X
    path = tmp_path / "model.h5"
    settings = dict(n_updates=6, momentum=momentum, centering=True, max_norm=1.0, l1=1e-4)
    whole = MODELS[name].set_params(engine=engine, **settings).fit(data)
    model = type(whole)(**whole.get_params())

    def stop(seen):
        return seen.n_updates_ == 3

    model.fit(data, checkpoint=path, callbacks=[stop])
    assert model.n_updates_ == 3
    resumed = type(whole)(**whole.get_params()).fit(data, checkpoint=path, resume=True)
    assert state(resumed) == state(whole)


@any_engine
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_threads_do_not_matter(engine, dtype):
    """Also where matrices are cut."""
    data = (np.random.default_rng(5).random((4, 6, 300)) < 0.1).astype(dtype)
    one, two = (
        RTRBM(280, **SETTINGS | dict(n_updates=3), dtype=dtype, engine=engine, n_jobs=n).fit(data) for n in (1, 2)
    )
    assert state(one) == state(two)


@pytest.mark.parametrize("name", ["muon", "Spectral", None])
def test_another_name_is_refused(name):
    with pytest.raises((TypeError, ValueError), match="optimizer must be .*spectral"):
        RTRBM(4, optimizer=name).fit(X)


def test_a_rate_of_1_or_more_is_doubted():
    with pytest.warns(UserWarning, match="learning_rate=2 changes weights by 2"):
        RTRBM(4, **SETTINGS | dict(n_updates=1), learning_rate=2.0).fit(X)


WRONG = [("gradient/W", np.nan), ("second/W", np.inf), ("second/b_h", -1), ("root/U", 1)]


@pytest.mark.parametrize("part, value", WRONG)
def test_a_file_with_a_state_that_cannot_be_is_refused(part, value, tmp_path):
    path = tmp_path / "model.h5"
    RTRBM(3, **SETTINGS).fit(X).save(path)
    RTRBM.load(path)  # control

    def change(file):
        a = file[f"optimizer/{part}"][...]
        del file[f"optimizer/{part}"]
        a[-1] = value
        file[f"optimizer/{part}"] = a[1:] if part.startswith("root") else a

    altered(path, change)
    with pytest.raises(ValueError, match="do not fit together"):
        RTRBM.load(path)
