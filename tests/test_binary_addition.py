"""Binary addition: the data, the gradient of the network that learns it, the recursion docs/bptt.md is about."""

import csv
import json

import numpy as np
import pytest
from helpers import central_differences, largest_difference

from experiments import binary_addition as experiment
from rtrbm.datasets import binary_addition
from rtrbm.past import recurrence
from rtrbm.streams import stream

ROUNDING = 1e-14  # a few dozen operations on numbers of order 1, in float64


def integers(bits):
    """Python integers from bits (n_sequences, n_bits), the least significant first."""
    return [sum(int(bit) << place for place, bit in enumerate(row)) for row in bits]


@pytest.mark.parametrize("n_bits", [2, 8, 32, 63])
def test_the_sums_are_sums(n_bits):
    inputs, sums = binary_addition(200, n_bits, random_state=0)
    assert inputs.shape == (200, n_bits, 2) and sums.shape == (200, n_bits, 1)
    assert inputs.dtype == sums.dtype == np.float32
    assert set(np.unique(inputs)) == set(np.unique(sums)) == {0, 1}
    first, second, total = (integers(bits) for bits in (inputs[..., 0], inputs[..., 1], sums[..., 0]))
    assert [a + b for a, b in zip(first, second)] == total
    assert max(first + second) < 2 ** (n_bits - 1)


def test_numbers_are_uniform_and_independent():
    """Pearson's statistic of all 64 pairs of 3-bit numbers, as a standard normal; and of pairs that are not free."""
    inputs, _ = binary_addition(20_000, 4, random_state=1)
    first, second = integers(inputs[..., 0]), integers(inputs[..., 1])

    def z(first, second):
        counts = np.bincount(8 * np.array(first) + second, minlength=64)
        expected = len(first) / 64
        return (((counts - expected) ** 2 / expected).sum() - 63) / np.sqrt(2 * 63)

    assert abs(z(first, second)) < 4
    assert z(first, np.maximum(first, second)) > 100


def test_data_are_addressed_by_the_seed():
    inputs, sums = binary_addition(5, random_state=3)
    again = binary_addition(7, random_state=3)
    assert (again[0][:5] == inputs).all() and (again[1][:5] == sums).all()
    assert (binary_addition(5, random_state=4)[0] != inputs).any()
    successive = np.random.default_rng(0)
    one, other = (binary_addition(5, random_state=successive)[0] for _ in range(2))
    assert (one != other).any()
    updates = [binary_addition(5, random_state=stream(0, "data", update))[0] for update in (0, 1, 0)]
    assert (updates[0] == updates[2]).all() and (updates[0] != updates[1]).any()


@pytest.mark.parametrize(
    "arguments, error, match",
    [
        ((0,), ValueError, "n_sequences"),
        ((2.0,), TypeError, "n_sequences"),
        ((1, 1), ValueError, "n_bits must be at least 2"),
        ((1, 64), ValueError, "n_bits must be at most 63"),
        ((1, "8"), TypeError, "n_bits"),
        ((10**15,), ValueError, "GB"),
    ],
)
def test_wrong_arguments(arguments, error, match):
    with pytest.raises(error, match=match):
        binary_addition(*arguments, random_state=0)


def test_wrong_random_state():
    with pytest.raises(TypeError, match="random_state"):
        binary_addition(1, random_state="0")


@pytest.fixture
def task():
    """Parameters of scale 0.8, packed inputs and sums of four additions, their layout."""
    return experiment.small_task(seed=0)


def test_gradient_is_central_differences(task):
    params, *data = task
    numerical = central_differences(lambda *p: experiment.objective(experiment.RNNParams(*p), *data), params)
    assert largest_difference(experiment.gradient(params, *data), numerical) < 1e-8
    truncated = experiment.gradient(params, *data, bptt=False)
    for name, true in zip(params._fields, numerical):
        wrong = abs(getattr(truncated, name) - true).max()
        assert wrong < 1e-8 if name in ("V", "b_y") else wrong > 0.001, name


def test_objective_is_the_log_probability_of_the_sums(task):
    """One addition after the other, from the definition."""
    params, v, y, where = task
    n, total = where.batch_sizes[0], 0.0
    for i in range(n):
        past = params.b_init
        for v_t, y_t in zip(v[i::n], y[i::n]):
            r = 1 / (1 + np.exp(-(v_t @ params.W + params.b_h + past)))
            p = 1 / (1 + np.exp(-(r @ params.V + params.b_y)))
            total += np.log(p[0] if y_t[0] else 1 - p[0])
            past = r @ params.U
    assert experiment.objective(params, v, y, where) == pytest.approx(total / n, abs=ROUNDING)


def test_the_line_is_the_backward_pass():
    for seed in range(3):
        for _, largest, difference in experiment.recursion_rows(seed):
            assert largest > 0.01 and difference < ROUNDING


FAULTS = {
    "d_t for d_{t+1}": lambda d, arriving, r, U: d @ U.T + arriving,
    "U for its transpose": lambda d, arriving, r, U: shifted(d) @ U + arriving,
    "nothing from later frames": lambda d, arriving, r, U: arriving,
    "nothing from the own frame": lambda d, arriving, r, U: shifted(d) @ U.T,
    "r_t for r_t (1 - r_t)": lambda d, arriving, r, U: (shifted(d) @ U.T + arriving) / (1 - r),
}


def shifted(d):
    """d_{t+1} at frame t."""
    return np.append(d[1:], np.zeros_like(d[:1]), axis=0)


def test_the_line_holds_of_the_backward_pass_and_no_other_does(task):
    """The line as an equation in all d_t at once, and what it must not be taken for."""
    params, v, y, where = task
    r, output = experiment.states_and_outputs(params, v, where)
    arriving = (y - 1 / (1 + np.exp(-output))) @ params.V.T
    d, _ = recurrence.backward(r, where, params.U, d_s=arriving)
    d, arriving, r = (a.reshape(experiment.SMALL["n_bits"], -1, r.shape[1]) for a in (d, arriving, r))
    assert abs((shifted(d) @ params.U.T + arriving) * r * (1 - r) - d).max() < ROUNDING
    for name, fault in FAULTS.items():
        assert abs(fault(d, arriving, r, params.U) * r * (1 - r) - d).max() > 0.01, name


def test_without_carry_is_right_when_there_is_none():
    """Every one of the 4^3 pairs of 3-bit numbers: (3/4)^3 have no carry."""
    numbers = np.arange(8)
    bits = (numbers[:, None] >> np.arange(4) & 1).astype(float)
    a, b = (grid.ravel() for grid in np.meshgrid(numbers, numbers))
    inputs = np.stack([bits[a], bits[b]], axis=2)
    sums = ((a + b)[:, None] >> np.arange(4) & 1)[..., None]
    additions, _ = experiment.without_carry(inputs, sums)
    assert additions == (3 / 4) ** 3


def test_accuracy_counts_additions_and_bits():
    """An adder by hand: a unit for each of 1, 2, 3 ones among the bits and the carry, which the second hands on."""
    sharp = 100.0
    thresholds = np.array([0.5, 1.5, 2.5])
    U = np.zeros((3, 3))
    U[1] = sharp
    adder = experiment.RNNParams(
        np.full((2, 3), sharp), U, -sharp * thresholds, np.zeros(3), np.array([[2.0], [-2.0], [2.0]]), np.array([-1.0])
    )
    inputs, sums = binary_addition(500, 20, random_state=0)
    assert experiment.accuracy(adder, inputs.astype(float), sums) == (1, 1)
    forgetful = adder._replace(U=np.zeros((3, 3)))
    assert experiment.accuracy(forgetful, inputs.astype(float), sums) == experiment.without_carry(inputs, sums)
    sums[0, 0] = 1 - sums[0, 0]
    assert experiment.accuracy(adder, inputs.astype(float), sums) == (1 - 1 / 500, 1 - 1 / 10_000)


def test_models_differ_as_said(monkeypatch):
    monkeypatch.setattr(experiment, "N_UPDATES", 5)
    monkeypatch.setattr(experiment, "N_TEST", 50)
    trained = {name: experiment.train(0, **settings)[0] for name, settings in experiment.MODELS.items()}
    full, truncated, alone = trained.values()
    assert not alone.U.any() and full.U.any()
    assert all((a != b).any() for a, b in zip(full, truncated))
    again, _ = experiment.train(0)
    assert all((a == b).all() for a, b in zip(full, again))


def test_main_writes_its_files(tmp_path, monkeypatch, capsys):
    pytest.importorskip("matplotlib")
    monkeypatch.setattr(experiment, "N_UPDATES", 30)
    monkeypatch.setattr(experiment, "N_TEST", 100)
    experiment.main(["--seed", "2", "--out", str(tmp_path)])

    def table(name):
        with open(tmp_path / name, newline="") as file:
            return list(csv.DictReader(file))

    assert [row["model"] for row in table("additions.csv")] == ["adding without carry", *experiment.MODELS]
    assert [row["parameter"] for row in table("gradient.csv")] == list(experiment.RNNParams._fields)
    assert all(float(row["error"]) < 1e-8 for row in table("gradient.csv"))
    assert all(float(row["difference"]) < ROUNDING for row in table("recursion.csv"))
    assert [row["update"] for row in table("learning_curves.csv")] == ["0", "20", "30"] * 3
    for picture in ("bptt_unrolled.png", "learning_curves.png"):
        assert (tmp_path / picture).stat().st_size > 1000
    assert json.loads((tmp_path / "settings.json").read_text())["seed"] == 2
    assert "32 bits, seed 2" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [["--seed", "-1"], ["--out", __file__]])
def test_wrong_options(arguments):
    with pytest.raises(ValueError, match=arguments[0]):
        experiment.main(arguments)
