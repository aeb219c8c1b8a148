"""Ten faults put into the code on purpose: each makes a test fail, and the code without them makes none fail.

A fault is a line changed in a copy of the package; the tests that must see it run on that copy.
"""

import os
import pathlib
import shutil
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parent.parent
GRADIENT = "tests/test_gradient.py::test_exact_gradient_is_that_of_central_differences"
STEPS = "tests/test_gradient.py::test_cd_k_takes_k_steps_and_averages_its_end_alone"
CHAIN = "tests/test_gibbs.py::test_the_last_hidden_layer_is_a_probability_given_the_last_visible"
CHAINS = "tests/test_predict.py::test_one_chain_has_the_spread_of_the_mean_given_h_and_averages_have_less"
BY_HAND = "tests/test_evaluate.py::test_squared_error_by_hand"
WEIGHTS = "tests/test_ais.py::test_weights_have_the_means_that_theory_says"
FILES = "tests/test_files.py::test_every_bit_flip_is_refused_or_harmless"
FAULTS = {
    "W learns nothing from later frames (eq. 3.25)": (
        "rtrbm/gradient.py", "h_pos if d is None else np.add(h_pos, d, out=d))", "h_pos)", GRADIENT,
    ),
    "the slope of the state is left out (eq. 3.23)": (
        "rtrbm/past/recurrence.py", "d_t *= slope_t", "d_t *= 1", GRADIENT,
    ),
    "c of the next frame is left out, as in print (eq. 3.23)": (
        "rtrbm/past/recurrence.py", "future = [total_t, *future]", "future = [d_t, *future]", GRADIENT,
    ),
    "U sees the state of its own frame (eq. 3.24)": (
        "rtrbm/past/taps.py", "engine.gram(x[previous_rows(where, n)]", "engine.gram(x[later_rows(where, n)]", GRADIENT,
    ),
    "the chain is a step too long": (
        "rtrbm/rbm/chains.py", "for _ in range(n_gibbs - 1):", "for _ in range(n_gibbs):", STEPS,
    ),
    "the chain ends in a sample of the hidden units": (
        "rtrbm/rbm/chains.py",
        "reconstruct_visible(bias_v)\n        tile.hidden_mean(bias_h)",
        "reconstruct_visible(bias_v)\n        tile.sample_hidden(bias_h)",
        CHAIN,
    ),
    "a prediction is that of one chain": (
        "rtrbm/rbm/expectation.py", "(-1, n_chains, len(W)).mean(axis=1)", "(-1, n_chains, len(W))[:, 0]", CHAINS,
    ),
    "the first frame is scored too": (
        "rtrbm/evaluate.py", "np.subtract(v[1:], p[1:], dtype=float)", "np.subtract(v, p, dtype=float)", BY_HAND,
    ),
    "the weight of a chain forgets the visible biases": (
        "rtrbm/rbm/ais.py", "log_w += (after - beta) * (v * rise_v)", "log_w += 0 * (v * rise_v)", WEIGHTS,
    ),
    "the digest of a file is not compared": (
        "rtrbm/training/files.py", "file.sha256(HEADER) != digest", "not file.sha256(HEADER)", FILES,
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """A copy of the package and its tests."""
    folder = tmp_path_factory.mktemp("copy")
    for name in ("rtrbm", "tests", "experiments"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "setup.cfg", folder)
    return folder


def outcome(folder, *tests):
    """What pytest says of tests there."""
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *tests]
    environment = {**os.environ, "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_makes_a_test_fail(copy, fault):
    file, right, wrong, test = FAULTS[fault]
    path = copy / file
    text = path.read_text(encoding="utf-8")
    assert text.count(right) == 1
    path.write_text(text.replace(right, wrong), encoding="utf-8")
    try:
        found = outcome(copy, test)
    finally:
        path.write_text(text, encoding="utf-8")
    assert found.returncode == 1 and " failed" in found.stdout, found.stdout + found.stderr


def test_without_a_fault_none_of_them_fails(copy):
    found = outcome(copy, *sorted({test for *_, test in FAULTS.values()}))
    assert found.returncode == 0, found.stdout + found.stderr
