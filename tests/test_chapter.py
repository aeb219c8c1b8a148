"""What docs/chapter.md says of filtering in TRBMs, against sums over all histories of the hidden units."""

import numpy as np
import pytest
from helpers import binary_states, log_sum

from experiments.gradient_check import MODELS, N_HIDDEN, N_VISIBLE, objective, random_params, small_model
from rtrbm import CRBM, TRBM
from rtrbm.minibatches.sequences import pack


def small_trbm(name):
    """A model of the gradient check's second table: its conditioner, its parameters, and its sequence."""
    past = MODELS[name]
    return past, random_params(past, 0), small_model(0)[1]


def sum_over_histories(params, v):
    """P(h_t = 1 | v_1..v_t) of every frame, and log P(v_1..v_T): each history keeps its own h."""
    h, all_v = binary_states(N_HIDDEN), binary_states(N_VISIBLE)
    parts = (getattr(params, part, None) for part in ("A", "B", "C", "b_v_init", "b_init"))
    A, B, C, b_v_init, b_init = (() if part is None else part for part in parts)
    histories, log_p, filtered = [()], np.zeros(1), []
    for t in range(len(v)):
        extended, extended_log_p = [], []
        for past, log_past in zip(histories, log_p):
            a, b = params.b_v.copy(), params.b_h.copy()
            for bias, init in (a, b_v_init), (b, b_init):
                bias += init[t] if t < len(init) else 0
            for bias, T, x in (a, A, v), (b, C, v), (b, B, past):
                for n in range(1, min(len(T), t) + 1):
                    bias += x[t - n] @ T[n - 1]
            log_z = log_sum(((all_v @ a)[:, None] + h @ b + all_v @ params.W @ h.T).ravel())
            extended += [(*past, state) for state in h]
            extended_log_p.append(log_past + v[t] @ a + h @ b + v[t] @ params.W @ h.T - log_z)
        histories, log_p = extended, np.concatenate(extended_log_p)
        filtered.append(np.exp(log_p - log_sum(log_p)) @ np.array([past[-1] for past in histories]))
    return np.array(filtered), log_sum(log_p)


@pytest.mark.parametrize(
    "name, error, log_p, log_q",
    [("simplified TRBM", 0.077, -16.8849, -16.8795), ("TRBM, 2 taps", 0.024, -17.6186, -17.6171)],
)
def test_filter_is_approximate_with_hidden_taps(name, error, log_p, log_q):
    past, params, X = small_trbm(name)
    v, where = pack(X)
    filtered, log_likelihood = sum_over_histories(params, v)
    difference = abs(TRBM.from_params(params).transform(X)[0] - filtered).max(axis=1)
    assert difference[0] < 1e-12  # no past
    assert difference.max() == pytest.approx(error, abs=5e-4)
    assert log_likelihood == pytest.approx(log_p, abs=5e-5)
    assert objective(past, params, v, where) == pytest.approx(log_q, abs=5e-5)


def test_filter_is_exact_without_hidden_taps():
    past, params, X = small_trbm("CRBM, 2 taps")
    v, where = pack(X)
    filtered, log_likelihood = sum_over_histories(params, v)
    assert abs(CRBM.from_params(params).transform(X)[0] - filtered).max() < 1e-12
    assert objective(past, params, v, where) == pytest.approx(log_likelihood, abs=1e-10)
