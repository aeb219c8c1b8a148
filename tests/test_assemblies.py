"""The simulated population of assemblies: its law, and what is measured of models of it; the script, tiny."""

import csv
from unittest.mock import Mock

import h5py
import numpy as np
import pytest

from experiments import neural_assemblies
from experiments.assemblies_measured import (
    aligned,
    linear_regression,
    logistic_regression,
    match,
    moment_rows,
    moments,
    oriented,
    recovery,
)
from experiments.spike_files import spike_times
from rtrbm import RTRBM
from rtrbm.datasets import assemblies
from rtrbm.estimators.doubts import of_axes
from rtrbm.functions import sigmoid
from rtrbm.minibatches.fingerprint import difference


def table(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


# ------------------------------------------------------------------------------------------------- simulation


@pytest.mark.parametrize("visible", ["bernoulli", "poisson"])
def test_the_law_is_a_trbms(visible):
    """log P(v_2 | h_1) by the docstring's law, and by the RBM of frame 2 with the returned parameters."""
    made = assemblies(5, 2, 3, visible=visible, on=0.6, random_state=3)
    rng, h = np.random.default_rng(0), np.array([1.0, 0.0])
    frames = rng.integers(0, 2 + (visible == "poisson"), (7, 6)).astype(float)
    active = sigmoid(-4.5 + h @ made.U)
    members = made.W > 0
    by_law = np.zeros(7)
    for states in np.ndindex(2, 2):
        mean = np.where(members @ np.array(states, float) > 0, 0.6, 0.05)
        if visible == "poisson":
            each = np.exp(-mean) * mean**frames / np.where(frames > 1, 2, 1)
        else:
            each = np.where(frames > 0, mean, 1 - mean)
        by_law += np.prod(np.where(states, active, 1 - active)) * each.prod(axis=1)
    params = {"W": made.W, "U": np.zeros((2, 2)), "b_v": made.b_v, "b_h": made.b_h + h @ made.U, "b_init": np.zeros(2)}
    model = RTRBM.from_params(params, visible=visible)
    np.testing.assert_allclose(model.log_likelihood(frames[:, None]), np.log(by_law), rtol=0, atol=1e-10)
    shifted = RTRBM.from_params({**params, "b_h": made.b_h}, visible=visible)  # control: without the past
    assert np.abs(shifted.log_likelihood(frames[:, None]) - np.log(by_law)).min() > 1e-3


def test_frequencies_are_those_of_the_law():
    made = assemblies(20_000, 3, 4, random_state=0)
    before, now = made.states[:-1].astype(int), made.states[1:]
    worst, worst_reversed = 0, 0
    for states in np.unique(before, axis=0):
        at = now[(before == states).all(axis=1)]
        for U, name in ((made.U, "right"), (made.U.T, "reversed")):
            p = sigmoid(-4.5 + states @ U)
            z = np.abs((at.mean(axis=0) - p) / np.sqrt(p * (1 - p) / len(at))).max()
            if name == "right":
                worst = max(worst, z)
            else:
                worst_reversed = max(worst_reversed, z)
    assert worst < 4.5 < worst_reversed
    on = made.states @ (made.W > 0).T > 0
    for which, p in ((on, 0.25), (~on, 0.05)):
        assert abs(made.spikes[which].mean() - p) < 4.5 * np.sqrt(p * (1 - p) / which.sum())


def test_connections():
    made = assemblies(2, 7, 2, random_state=1)
    U = made.U
    assert (U.diagonal() == 5).all() and ((U == -4).sum(axis=1) == 1).all()
    ring = (U == 5) & ~np.eye(7, dtype=bool)
    assert (ring.sum(axis=0) == 1).all() and (ring.sum(axis=1) == 1).all()
    assert np.linalg.matrix_power(ring.astype(int), 7).trace() == 7 and ring.trace() == 0
    assert ((made.W > 0).sum(axis=0) == 2).all() and ((made.W > 0).sum(axis=1) == 1).all()
    assert assemblies(2, 1, 2, random_state=0).U.tolist() == [[5]]


def test_a_longer_recording_begins_as_a_shorter_one():
    for visible in ("bernoulli", "poisson"):
        short, long = (assemblies(n, random_state=5, visible=visible).spikes for n in (20, 50))
        np.testing.assert_array_equal(short, long[:20])
        assert (assemblies(20, random_state=6, visible=visible).spikes != short).any()


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"n_frames": 0}, "n_frames must be at least 1"),
        ({"n_members": 0}, "n_members must be at least 1"),
        ({"on": 1.0}, "on must be greater than 0 and less than 1"),
        ({"off": 0}, "off must be greater than 0"),
        ({"visible": "gaussian"}, "visible must be one of 'bernoulli', 'poisson'"),
        ({"n_frames": 10**13}, "would take"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        assemblies(**{"n_frames": 10, **arguments})


def test_spikes_do_not_look_transposed():
    for seed in range(20):
        for visible in ("bernoulli", "poisson"):
            spikes = assemblies(32, visible=visible, random_state=seed).spikes
            assert list(of_axes(spikes[None])) == []
    smooth = np.repeat(assemblies(10, n_members=10, random_state=0).spikes, 4, axis=0)
    assert len(list(of_axes(smooth.T[None]))) == 1  # control


# --------------------------------------------------------------------------------------------------- measures


def test_match_undoes_order_and_signs():
    rng, made = np.random.default_rng(0), assemblies(2, 6, 5, random_state=0)
    order, signs = rng.permutation(6), rng.choice([-1.0, 1.0], 6)
    W = (made.W + 0.1 * rng.standard_normal(made.W.shape))[:, order] * signs
    U = made.U[np.ix_(order, order)] * np.outer(signs, signs)
    W, U = np.column_stack([rng.standard_normal(30), W]), np.pad(U, ((1, 0), (1, 0)))  # and a unit of no assembly
    matching = match(W, made.W)
    np.testing.assert_array_equal(aligned(U, matching), made.U)
    assert matching.correlations.min() > 0.95
    found = recovery(aligned(U, matching), made.U, 200)
    assert found.correlation == pytest.approx(1) and found.sign_errors == 0 and found.slope == pytest.approx(1)
    assert found.z > 3 and found.p < 0.02
    wrong = recovery(-made.U[np.ix_(order, order)], made.U, 200)  # control
    assert wrong.p > 0.01 and wrong.sign_errors > 5


def test_turning_a_unit_round_leaves_the_model():
    """The gauge of `oriented` and of `aligned`: h -> 1 - h with other biases is the same model."""
    rng, signs = np.random.default_rng(1), np.array([-1.0, 1.0, -1.0])
    W, U, b_v, b_h, b_init = (rng.standard_normal(n) for n in ((5, 3), (3, 3), 5, 3, 3))
    off = (signs < 0).astype(float)
    params = {"W": W, "U": U, "b_v": b_v, "b_h": b_h, "b_init": b_init}
    turned_round = {
        "W": W * signs,
        "U": U * np.outer(signs, signs),
        "b_v": b_v + W @ off,
        "b_h": signs * (b_h + off @ U),
        "b_init": signs * (b_init - off @ U),
    }
    X = rng.integers(0, 2, (4, 6, 5)).astype(float)
    one, other = RTRBM.from_params(params), RTRBM.from_params(turned_round)
    np.testing.assert_allclose(one.log_likelihood(X), other.log_likelihood(X), rtol=0, atol=1e-10)
    for these, others in zip(oriented(one, X[0]), oriented(other, X[0])):
        np.testing.assert_allclose(these, others, rtol=0, atol=1e-10)


def test_regressions_of_the_true_states_find_the_connections():
    made = assemblies(20_000, 5, 1, random_state=0)
    states = made.states.astype(float)
    logistic = logistic_regression(states)
    assert recovery(logistic, made.U, 200).correlation > 0.99 and np.abs(logistic - made.U).max() < 1
    assert recovery(linear_regression(states), made.U, 200).correlation > 0.8
    assert recovery(logistic_regression(states[::-1]), made.U, 200).correlation < 0.9  # control: time runs backwards


def test_moments():
    rng = np.random.default_rng(0)
    sequences = [rng.random((4, 3)), rng.random((6, 3))]
    found, mean = moments(sequences), np.concatenate(sequences).mean(axis=0)
    centred = [v - mean for v in sequences]
    pairs = [np.mean([c[i] * c[j] for v in centred for c in v]) for i, j in ((0, 1), (0, 2), (1, 2))]
    shifted = [np.mean([a[i] * b[j] for v in centred for a, b in zip(v, v[1:])]) for i in range(3) for j in range(3)]
    for name, wanted in zip(found, (mean, pairs, shifted)):
        np.testing.assert_allclose(found[name], wanted, rtol=1e-12)
    assert [row[1:3] for row in moment_rows(found, found)] == [(pytest.approx(1), 0.0)] * 3


def test_summary():
    rows = [("poisson", seed, "RTRBM", 0.9, seed / 2, 0.0, 1, 3, 1.0, 5.0, 0.1) for seed in (0, 1)]
    found = {row[2]: row[3:] for row in neural_assemblies.summary_rows(rows)}
    assert found["correlation"] == (0.25, pytest.approx(0.25), 2) and found["weight_match"][:2] == (0.9, 0)


# ---------------------------------------------------------------------------------------------------- the script


@pytest.fixture
def tiny(monkeypatch):
    for name, value in {"N_FRAMES": 600, "N_HELD_OUT": 200, "STATIC_GIBBS": 5}.items():
        monkeypatch.setattr(neural_assemblies, name, value)
    monkeypatch.setattr(neural_assemblies, "SAMPLES", {"n_frames": 60, "n_sequences": 2})
    static = {**neural_assemblies.RBM_SETTINGS, "n_updates": 3}
    monkeypatch.setattr(neural_assemblies, "RBM_SETTINGS", static)


COMMON = ["--n-updates", "3", "--engine", "numpy", "--n-jobs", "1", "--seeds", "0"]


def test_the_simulation(tiny, tmp_path):
    pytest.importorskip("matplotlib")
    assert neural_assemblies.main([*COMMON, "--out", str(tmp_path)]) == 0
    rows = table(tmp_path / "recovery.csv")
    assert [row["model"] for row in rows] == ["RTRBM", *neural_assemblies.RIVALS] * 2
    assert {row["visible"] for row in table(tmp_path / "moments.csv")} == {"bernoulli", "poisson"}
    assert {row["seeds"] for row in table(tmp_path / "summary.csv")} == {"1"}
    likelihoods = table(tmp_path / "likelihood.csv")
    assert all(float(row["lower"]) <= float(row["nats_per_bin"]) <= float(row["upper"]) for row in likelihoods)
    for name in ("settings.json", "bernoulli.png", "poisson.png", "RTRBM_poisson_0.h5", "RBM_bernoulli_0.h5"):
        assert (tmp_path / name).stat().st_size > 100


def write_spikes(folder, kind, seed=0):
    """120 seconds of four neurons; of the third there is no spike in the training part."""
    rng = np.random.default_rng(seed)
    times = {name: rng.uniform(5, 125, 300) for name in ("a", "b", "d")}
    times["c"] = rng.uniform(110, 125, 10)
    neuron = np.repeat(list(times), [len(train) for train in times.values()])
    time = np.concatenate(list(times.values()))
    path = folder / f"spikes.{kind.split()[0]}"
    if kind == "csv":
        path.write_text("time,neuron\n" + "".join(f"{t},{n}\n" for t, n in zip(time, neuron)))
    elif kind == "npz":
        np.savez(path, neuron=neuron.astype("S1").view(np.uint8), time=time)
    else:
        with h5py.File(path, "w") as file:
            for name, train in times.items():
                file[name] = train
    return path


@pytest.mark.parametrize("kind", ["csv", "npz", "h5"])
def test_spikes_of_a_user(kind, tiny, tmp_path, capsys):
    pytest.importorskip("matplotlib")
    path, out = write_spikes(tmp_path, kind), tmp_path / "out"
    options = ["--spikes", str(path), "--bin", "0.2", "--hidden", "3", "--visible", "poisson"]
    assert neural_assemblies.main([*COMMON, *options, "--out", str(out)]) == 0
    assert "left out, silent in the training part: neurons " in capsys.readouterr().out
    rows = table(out / "assemblies.csv")
    names = {"a", "b", "d"} if kind != "npz" else {str(ord(name)) for name in "abd"}
    assert {row["neuron"] for row in rows} == names and len(rows) == 9
    assert len(table(out / "connections.csv")) == 9 and not (out / "recovery.csv").exists()
    assert (out / "poisson.png").exists()


def test_times_of_spikes(tmp_path):
    names, times = spike_times(write_spikes(tmp_path, "csv"))
    others, same = spike_times(write_spikes(tmp_path, "h5"))
    assert names == others == ["a", "b", "c", "d"]
    for one, other in zip(times, same):
        np.testing.assert_allclose(one, other)


def test_numbers_of_neurons_in_text_are_whole(tmp_path):
    (tmp_path / "spikes.csv").write_text("neuron,time\n2,0.5\n10,1.5\n2,3\n")
    names, times = spike_times(tmp_path / "spikes.csv")
    assert list(map(str, names)) == ["2", "10"] and times[0].tolist() == [0.5, 3]


def test_two_neurons_whose_times_are_whole_numbers(tmp_path):
    np.savez(tmp_path / "spikes.npz", a=np.arange(0, 60, 2), b=np.arange(1, 61, 2))
    assert spike_times(tmp_path / "spikes.npz")[0] == ["a", "b"]


@pytest.mark.parametrize(
    "text, message",
    [
        ("time,cell\n1,2\n", "must have the columns neuron and time, got time, cell"),
        ("1,2\n3,4\n", "must have the columns neuron and time, got none with names"),
    ],
)
def test_a_table_without_the_columns(text, message, tmp_path):
    (tmp_path / "spikes.csv").write_text(text)
    with pytest.raises(ValueError, match=message):
        spike_times(tmp_path / "spikes.csv")


def test_files_that_hold_no_spikes(tmp_path):
    np.savez(tmp_path / "spikes.npz", a=np.zeros(0), b=np.zeros(0))
    with pytest.raises(ValueError, match="holds no spikes"):
        spike_times(tmp_path / "spikes.npz")
    whole = (tmp_path / "spikes.npz").read_bytes()
    (tmp_path / "spikes.npz").write_bytes(whole[:-30])
    with pytest.raises(ValueError, match="may be truncated"):
        spike_times(tmp_path / "spikes.npz")
    np.save(tmp_path / "spikes.npy", np.zeros(3))
    with pytest.raises(ValueError, match="a table of text, an HDF5, .npz or .mat file, got an .npy file"):
        spike_times(tmp_path / "spikes.npy")
    with pytest.raises(FileNotFoundError, match="--spikes: no file"):
        spike_times(tmp_path / "nowhere.csv")


def test_columns_of_other_lengths(tmp_path):
    np.savez(tmp_path / "spikes.npz", neuron=np.arange(3), time=np.arange(4.0))
    with pytest.raises(ValueError, match="columns of one length, got .3,. and .4,."):
        spike_times(tmp_path / "spikes.npz")


@pytest.mark.parametrize(
    "options, message",
    [
        (["--bin", "0.1"], "go together"),
        (["--spikes", "x.csv"], "go together"),
        (["--spikes", "x.csv", "--bin", "0"], "--bin must be greater than 0"),
        (["--hidden", "9"], "--hidden must be at least 10"),
        (["--n-updates", "0"], "--n-updates must be at least 1"),
        (["--seeds", "-1"], "--seeds must be at least 0"),
        (["--seeds", "1", "1"], "--seeds must be different from each other, got 1 1"),
        (["--visible", "poisson", "poisson"], "--visible must be different from each other"),
    ],
)
def test_bad_options(options, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        neural_assemblies.main([*options, "--out", str(tmp_path / "out")])
    assert not (tmp_path / "out").exists()


def test_a_bin_too_long(tmp_path):
    path = write_spikes(tmp_path, "csv")
    with pytest.raises(ValueError, match="--bin 10.0 makes 12 bins .* shorten it"):
        neural_assemblies.main(["--spikes", str(path), "--bin", "10", "--out", str(tmp_path / "out")])


TIMES = np.linspace(0.5, 99.5, 300)


@pytest.mark.parametrize(
    "arrays, message",
    [
        ({"u0": TIMES, "sampling_rate": np.array(30000.0)}, "'sampling_rate' of .* has shape ..; times of spikes"),
        ({"u0": TIMES, "u1": TIMES.reshape(30, 10)}, "'u1' of .* has shape .30, 10.; times of spikes have one"),
        ({"u0": TIMES, "u1": TIMES.astype(str)}, "'u1' of .* must hold numbers, got <U.* values, the first 0.5"),
        ({"u0": TIMES > 1, "u1": TIMES}, "'u0' of .* must hold numbers, got bool"),
        ({"neuron": np.arange(300), "time": TIMES + 0j}, "time of .* must hold numbers, got complex"),
        ({"u0": np.append(TIMES, np.inf)}, "'u0' of .* must hold finite times, got inf in row 301 of 301, 1 such"),
        ({"neuron": np.append(np.zeros(299), np.nan), "time": TIMES}, "neuron of .* is empty in row 300 of 300"),
        (
            {"spike_times": TIMES, "spike_clusters": np.arange(300) % 9},
            "'spike_clusters' has 9 different numbers alone: .* name the arrays neuron and time",
        ),
        (
            {"times": TIMES, "unit": np.arange(300) % 9, "amplitude": TIMES + 0.5},
            "'times', 'unit', 'amplitude' of .* are taken for 3 neurons .* 'unit' has 9 different",
        ),
        ({"neuron": np.arange(300), "t": TIMES}, "got 'neuron' without 'time' beside t"),
        ({"u0": TIMES, "u1": np.array([99.0])}, "must have two neurons or more .* got 1 of 2 in"),
    ],
)
def test_wrong_times_are_seen_before_any_work(arrays, message, tmp_path):
    np.savez(tmp_path / "spikes.npz", **arrays)
    with pytest.raises(ValueError, match=message):
        neural_assemblies.main(
            ["--spikes", str(tmp_path / "spikes.npz"), "--bin", "0.1", "--out", str(tmp_path / "out")]
        )
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "row, message",
    [("a,", "got nan in row 2"), ("a,soon", "must hold numbers, got .* the first 1"), (",3", "neuron of .* is empty")],
)
def test_cells_that_are_no_times(row, message, tmp_path):
    (tmp_path / "spikes.csv").write_text(f"neuron,time\na,1\n{row}\nb,4\n")
    with pytest.raises(ValueError, match=message):
        spike_times(tmp_path / "spikes.csv")


def test_spikes_of_matlab(tmp_path):
    """Vectors are rows or columns there, and a cell has the times of each neuron, in files of both versions."""
    savemat = pytest.importorskip("scipy.io").savemat
    neuron, time = np.array([[2, 1, 2]]), np.array([[0.5], [1.0], [1.5]])
    savemat(tmp_path / "pairs.mat", {"neuron": neuron, "time": time, "note": "session 3"})
    names, times = spike_times(tmp_path / "pairs.mat")
    assert names == [1, 2] and [train.tolist() for train in times] == [[1.0], [0.5, 1.5]]
    words = np.empty((1, 3), object)
    words[0] = ["b", "a", "b"]
    savemat(tmp_path / "words.mat", {"neuron": words, "time": time})
    names, times = spike_times(tmp_path / "words.mat")
    assert names == ["a", "b"] and [train.tolist() for train in times] == [[1.0], [0.5, 1.5]]
    cell = np.empty((1, 3), object)
    cell[0] = [TIMES, TIMES[:2], np.zeros((0, 0))]
    savemat(tmp_path / "cell.mat", {"spikes": cell, "fs": 30000.0, "note": "session 3"})
    savemat(tmp_path / "trials.mat", {"spikes": np.tile(cell, (2, 1))})
    with pytest.raises(ValueError, match=r"a cell must be one row or column, .* got shape \(2, 3\): if it"):
        spike_times(tmp_path / "trials.mat")
    data = (tmp_path / "cell.mat").read_bytes()
    (tmp_path / "half.mat").write_bytes(data[: len(data) // 2])
    with pytest.raises(ValueError, match="half.mat"):
        spike_times(tmp_path / "half.mat")
    reference = h5py.special_dtype(ref=h5py.Reference)
    with h5py.File(tmp_path / "cell73.mat", "w", userblock_size=512) as file:
        parts = [file.create_dataset(f"#refs#/{i}", data=TIMES[: n or 1][None]) for i, n in enumerate([300, 2])]
        spikes = file.create_dataset("spikes", (2, 1), reference)
        spikes.attrs["MATLAB_class"] = np.bytes_("cell")
        spikes[:, 0] = [part.ref for part in parts]
    for name, lengths in ("cell.mat", [300, 2, 0]), ("cell73.mat", [300, 2]):
        names, times = spike_times(tmp_path / name)
        assert names == [f"spikes{{{i}}}" for i in range(1, len(lengths) + 1)]
        assert [len(train) for train in times] == lengths


def test_busy_neurons_have_a_linear_predictor():
    """Neurons that fire in most bins, or whose means differ much: predictions are bounded by the most certain one."""
    rng = np.random.default_rng(0)
    for rates in ([0.7, 0.9], [0.3, 0.95]):
        spikes = (rng.random((600, 2)) < rates).astype(float)
        recording = neural_assemblies.Recording(spikes[:400], spikes[400:], ["a", "b"])
        rows = {name: nats for name, nats, *_ in neural_assemblies.likelihood_rows({}, recording, "bernoulli", 0)}
        assert rows["linear predictor, 5 bins"] == pytest.approx(rows["independent neurons"], abs=0.1)


def test_going_on_with_spikes(tiny, tmp_path, capsys, monkeypatch):
    """After Ctrl-C the same command with --resume ends; other spikes are refused, and the folder stays as it is."""
    pytest.importorskip("matplotlib")
    monkeypatch.chdir(tmp_path)
    path, command = write_spikes(tmp_path, "csv"), [*COMMON, "--bin", "0.2", "--hidden", "3", "--visible", "poisson"]
    with monkeypatch.context() as patched:
        patched.setattr(neural_assemblies, "sampled", Mock(side_effect=KeyboardInterrupt))
        assert neural_assemblies.main([*command, "--spikes", str(path)]) == 130
    out = tmp_path / "results" / "neural_assemblies-spikes"  # not that of the simulation
    assert not (out / "likelihood.csv").exists() and "with --resume goes on" in capsys.readouterr().err
    assert neural_assemblies.main([*command, "--spikes", str(path), "--resume"]) == 0
    assert capsys.readouterr().out.count("going on from") == 2
    before = {file.name: file.read_bytes() for file in out.iterdir() if file.suffix in (".csv", ".json", ".h5")}
    assert "likelihood.csv" in before
    with pytest.raises(ValueError, match="--bin must stay as it is, got 0.1: .* began with --bin 0.2; take another"):
        neural_assemblies.main([*command, "--bin", "0.1", "--spikes", str(path), "--resume"])
    write_spikes(tmp_path, "csv", seed=1)
    with pytest.raises(ValueError, match="--spikes must have the data that the models in .* learned from, got"):
        neural_assemblies.main([*command, "--spikes", str(path), "--resume"])
    assert before == {name: (out / name).read_bytes() for name in before}


def test_numbers_that_are_no_spikes(tmp_path):
    """A sampling rate beside the neurons of a .mat file, and a recording whose last fifth is silent."""
    savemat = pytest.importorskip("scipy.io").savemat
    savemat(tmp_path / "rate.mat", {"n1": TIMES, "n2": TIMES[:9], "fs": 30000.0})
    with pytest.raises(ValueError, match="'fs' of .* is the number 30000 alone, far beyond all other times, up to"):
        spike_times(tmp_path / "rate.mat")
    savemat(tmp_path / "few.mat", {"n1": TIMES, "n2": TIMES[:1]})
    assert [len(train) for train in spike_times(tmp_path / "few.mat")[1]] == [len(TIMES), 1]
    rows = [f"{neuron},{time}" for neuron in "ab" for time in (*np.linspace(0, 50, 200), 100)]
    (tmp_path / "silent.csv").write_text("\n".join(["neuron,time", *rows[:-1], "c,100"]) + "\n")
    neural_assemblies.recorded(tmp_path / "silent.csv", 0.1)  # control: a spike at 100
    (tmp_path / "silent.csv").write_text("\n".join(["neuron,time", *rows[:200], *rows[201:-1], "c,100"]) + "\n")
    with pytest.raises(ValueError, match="must have spikes in the last fifth of the time, .*, got the last .* at 100"):
        neural_assemblies.recorded(tmp_path / "silent.csv", 0.1)


def test_names_of_neurons_that_are_one_number_stay_apart(tmp_path):
    (tmp_path / "spikes.csv").write_text("neuron,time\n1.1,0.5\n1.10,1.5\n1.1,3\n")
    names, times = spike_times(tmp_path / "spikes.csv")
    assert names == ["1.1", "1.10"] and [len(train) for train in times] == [2, 1]


def test_names_and_notes_in_hdf5(tmp_path):
    """A text beside neuron and time is left aside; neurons may have names; arrays in groups are not looked for."""
    with h5py.File(tmp_path / "spikes.h5", "w") as file:
        file["neuron"], file["time"], file["note"] = ["b", "a", "b"], [1.0, 2.0, 3.0], "session 3"
    names, times = spike_times(tmp_path / "spikes.h5")
    assert names == ["a", "b"] and [train.tolist() for train in times] == [[2.0], [1.0, 3.0]]
    with h5py.File(tmp_path / "groups.h5", "w") as file:
        file["units/u0"] = TIMES
    with pytest.raises(ValueError, match="has groups alone .'units'.: its arrays must not lie in a group"):
        spike_times(tmp_path / "groups.h5")
    with h5py.File(tmp_path / "columns.h5", "w") as file:
        file["u0"], file["u1"] = TIMES[:, None], TIMES[None]
    assert [len(train) for train in spike_times(tmp_path / "columns.h5")[1]] == [300, 300]


def test_every_count_is_in_the_fingerprint():
    """Also that of a frame which the sample of frames leaves out; the sample alone does not tell."""
    counts = np.zeros((5000, 3), np.float32)
    counts[::7] = 1
    other = counts.copy()
    other[4321] = 1 - other[4321]
    sample = neural_assemblies.fingerprint
    assert sample(counts) == sample(other)
    found = [neural_assemblies.fingerprint_of(these) for these in (counts, other)]
    assert difference(*found) == "other counts" and difference(found[0], found[0]) is None


def test_columns_beside_neuron_and_time_are_named(tmp_path, capsys):
    (tmp_path / "spikes.csv").write_text("neuron,time,trial\na,1,0\na,2,1\n")
    assert spike_times(tmp_path / "spikes.csv")[0] == ["a"]
    assert capsys.readouterr().out == "left aside beside neuron and time: trial\n"
