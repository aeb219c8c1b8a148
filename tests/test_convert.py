"""Data as people have them: conversions and back, and the files of other programs with their conventions."""

import os
import zipfile
from contextlib import nullcontext

import h5py
import numpy as np
import pytest
from helpers import state
from scipy import io, sparse

from rtrbm import RBM, RTRBM, convert, hdf5
from rtrbm.minibatches.paths import opened

SETTINGS = dict(n_hidden=3, n_gibbs=1, n_updates=4, batch_size=2, random_state=0, n_jobs=1)
RNG = np.random.default_rng(0)
X = RNG.random((4, 6, 3))
RAGGED = [X[0], X[1, :4], X[2, :2]]


def refuses(match, function, *arguments, **keywords):
    with pytest.raises((TypeError, ValueError, OSError), match=match):
        function(*arguments, **keywords)


# ---------------------------------------------------------------------------------------------- videos


def test_videos_go_there_and_back():
    bytes_ = RNG.integers(0, 256, (2, 5, 4, 3), dtype="u1")
    sequences = convert.video(bytes_)
    assert sequences.shape == (2, 5, 12) and sequences.dtype == np.float32
    np.testing.assert_allclose(sequences[1, 2, 3 * 3 + 2], bytes_[1, 2, 3, 2] / 255, rtol=1e-6)
    np.testing.assert_array_equal(convert.frames_of(sequences, 4, 3), bytes_)
    np.testing.assert_array_equal(convert.video(bytes_[0]), sequences[:1])
    np.testing.assert_array_equal(convert.video(bytes_ > 99), (bytes_ > 99).reshape(2, 5, 12))
    RTRBM(**SETTINGS).fit(sequences)


@pytest.mark.parametrize(
    "video, match",
    [
        (np.zeros((5, 8, 8, 3), "u1"), "3 channels last; take X.mean"),
        (np.zeros((2, 5, 8, 8, 4), "u1"), "4 channels last"),
        (np.zeros((8, 8), "u1"), "must have shape"),
        (np.zeros((5, 8, 8), int), "got int64 from 0 to 0; divide by"),
        (np.full((5, 8, 8), 255.0), "0 to 1, got 255 to 255; divide"),
        (np.full((5, 8, 8), 40000, "u2"), r"got uint16 from 40000 to 40000; divide .*, or X / 65535 of 16 bits"),
        (np.full((5, 8, 8), np.nan), "got NaN: fill in"),
        (np.zeros((0, 8, 8)), "must have shape"),
        ([np.zeros((5, 8, 8)), np.zeros((3, 8, 8))], r"take \[rtrbm.convert.video\(x\)\[0\] for x in X\]"),
    ],
)
def test_what_is_no_grey_video_is_refused(video, match):
    refuses(match, convert.video, video)
    assert convert.video(np.zeros((5, 8, 8))).shape == (1, 5, 64)  # control


def test_rows_that_are_no_frames_are_refused():
    refuses("height \\* width = 16", convert.frames_of, np.zeros((2, 5, 12)), 4, 4)
    refuses("one video is X\\[None\\]", convert.frames_of, np.zeros((5, 12)), 4, 3)


# ---------------------------------------------------------------------------------------------- spikes


def test_every_spike_is_in_its_bin():
    times = [np.sort(RNG.random(n) * 2 + 1) for n in (0, 50, 7)]
    counts = convert.spikes(times, 0.05, start=1, stop=3)
    assert counts.shape == (40, 3) and counts.sum(axis=0).tolist() == [0, 50, 7]
    expected = np.histogram(times[1], np.linspace(1, 3, 41))[0]
    np.testing.assert_array_equal(counts[:, 1], expected)
    np.testing.assert_array_equal(convert.counts(counts, 10), counts.reshape(4, 10, 3).sum(axis=1))
    RTRBM(**SETTINGS, visible="poisson").fit([counts])


def test_trials_have_the_same_bins():
    trials = convert.spikes([[[0.1, 0.35], [0.2]], [[], [0.05]]], 0.1)
    assert [trial.tolist() for trial in trials] == [[[0, 0], [1, 0], [0, 1], [1, 0]], [[0, 1], [0, 0], [0, 0], [0, 0]]]
    edges = convert.spikes([np.arange(10) * 0.1], 0.1)  # 0.1 * 3 is more than 0.3
    assert edges.ravel().tolist() == [1] * 10


@pytest.mark.parametrize(
    "arguments, match",
    [
        (([[0.1], [0.2]], 0), "width must be greater than 0"),
        (([[0.1], [0.2]], 0.1, 0.15), "start=0.15 must not be after the first spike"),
        (([[0.1], [0.2]], 0.1, 0, 0.15), "stop=0.15 must not be before the last spike"),
        (([[0.1], [0.2]], 1, 0, 0.5), "width=1 must fit"),
        (([["a"]], 0.1), r"times\[0\]\[0\] must hold real numbers|times\[0\] must hold real numbers"),
        (([[np.nan]], 0.1), r"times\[0\] must be finite times, got nan"),
        (([[-1.0]], 0.1), "start=0 must not be after the first spike, at -1"),
        (([[[0.1]], 0.1], 0.1), "got numbers: one neuron is .times."),
        ((np.arange(3.0), 0.1), "got numbers: one neuron is .times."),
        ((np.zeros((2, 2, 2, 1)), 0.1), "must be times in one dimension"),
        (({"a": [0.1]}, 0.1), r"list\(times.values\(\)\)"),
        (([], 0.1), "times must be a list"),
        (([[[0.1], [0.2]], [[0.1]]], 0.1), "same neurons in every trial"),
    ],
)
def test_wrong_spikes_are_refused(arguments, match):
    refuses(match, convert.spikes, *arguments)


def test_a_table_of_spikes_is_refused():
    table = pytest.importorskip("pandas").DataFrame({"neuron": [0, 1, 0], "time": [0.1, 0.2, 0.3]})
    refuses(r"got a table: .* take \[spikes.time for", convert.spikes, table, 0.1)
    assert convert.spikes([spikes.time for _, spikes in table.groupby("neuron")], 0.1).sum() == 3


def test_rows_of_neuron_and_time_are_doubted():
    rows = np.array([[0, 0.11], [1, 0.21], [0, 0.31]])
    with pytest.warns(UserWarning, match="taken for 3 neurons with two spikes each: .* neuron and time"):
        assert convert.spikes(rows, 0.1).shape[1] == 3
    convert.spikes(rows + 0.5, 0.1)  # control: no numbers of neurons


def test_what_are_no_counts_is_refused():
    refuses("must hold counts", convert.counts, [[0.5]], 1)
    refuses("at least n=3 bins", convert.counts, [[1], [1]], 3)


# ----------------------------------------------------------------------------------------------- music

ROLL = (RNG.random((20, 88)) < 0.2).astype(np.float32)


def test_rolls_of_either_orientation_are_the_same_sequence():
    velocities = ROLL * RNG.integers(1, 128, ROLL.shape)
    np.testing.assert_array_equal(convert.piano_roll(velocities), ROLL)
    np.testing.assert_array_equal(convert.piano_roll(velocities.T.astype("u1")), ROLL)
    midi = np.pad(velocities, ((0, 0), (21, 19)))
    np.testing.assert_array_equal(convert.piano_roll(midi.T), ROLL)
    square = np.resize(velocities, (88, 88))
    refuses("pass pitches='rows' or pitches='columns'", convert.piano_roll, square)
    np.testing.assert_array_equal(convert.piano_roll(square, "rows"), convert.piano_roll(square.T, "columns"))


def test_notes_go_there_and_back():
    found = convert.midi_notes(ROLL, step=0.5)
    np.testing.assert_array_equal(convert.notes(found, step=0.5, n_frames=20), ROLL)
    assert (np.diff(found[:, 1]) >= 0).all() and found[:, 2].sum() == 0.5 * ROLL.sum()
    assert convert.notes([(21, 0, 0.01)], step=1).sum() == 1  # a short note is heard


@pytest.mark.parametrize("kind", ["pandas", "polars"])
def test_columns_of_a_table_of_notes_are_taken_by_name(kind):
    library, found = pytest.importorskip(kind), convert.midi_notes(ROLL, step=0.5)
    pitch, onset, duration = found.T
    named = library.DataFrame({"onset": onset, "duration": duration, "pitch": pitch.astype(int)})
    np.testing.assert_array_equal(convert.notes(named, step=0.5, n_frames=20), ROLL)
    wrong = library.DataFrame({"start": onset, "duration": duration, "pitch": pitch})
    refuses("one column each of pitch, onset, duration, got .'start', .* rename them", convert.notes, wrong, 0.5)
    louder = named.assign(velocity=90) if kind == "pandas" else named.with_columns(library.lit(90).alias("velocity"))
    np.testing.assert_array_equal(convert.notes(louder, step=0.5, n_frames=20), ROLL)
    if kind == "pandas":  # names that are no texts
        np.testing.assert_array_equal(convert.notes(library.DataFrame(found), step=0.5, n_frames=20), ROLL)


@pytest.mark.parametrize(
    "function, data, match",
    [
        (convert.piano_roll, np.zeros((60, 70)), "88 or 128 pitches as its rows or columns, got shape \\(60, 70\\)"),
        (convert.piano_roll, np.full((88, 9), np.nan), "NaN or infinity: put 0 where no note sounds"),
        (convert.piano_roll, np.full((88, 9), 128), "velocities from 0 to 127"),
        (convert.piano_roll, np.ones((128, 9)), "pitches of a piano, 21 to 108"),
        (convert.piano_roll, np.zeros(88), "two dimensions"),
        (lambda X: convert.piano_roll(X, "rows"), np.zeros((9, 88)), "88 or 128 pitches as its rows"),
        (lambda X: convert.notes(X, 0.1), [(20, 0, 1)], r"got \[20\]"),
        (lambda X: convert.notes(X, 0.1), [(60, -1, 1)], "at least 0"),
        (lambda X: convert.notes(X, 0.1), [(60, 1)], "rows of pitch, onset and duration"),
        (lambda X: convert.notes(X, 0.1, 5), [(60, 0, 1)], "n_frames=5 must be at least 10"),
        (lambda X: convert.midi_notes(X, 0.1), np.zeros((2, 9, 88)), r"X\[i\]"),
    ],
)
def test_wrong_music_is_refused(function, data, match):
    refuses(match, function, data)


# ---------------------------------------------------------------------------------------------- tables


def table(kind):
    library = pytest.importorskip(kind)
    columns = {"walk": [*"aaabb"], "t": [0, 1, 2, 0, 1], "hip": np.arange(5) / 5, "knee": np.arange(5) / 10}
    return library.DataFrame(columns)


@pytest.mark.parametrize("kind", ["pandas", "polars"])
def test_a_table_becomes_sequences(kind):
    sequences = convert.tables(table(kind), by="walk", time="t")
    assert [list(sequence.columns) for sequence in sequences] == [["hip", "knee"]] * 2
    np.testing.assert_allclose(np.asarray(sequences[1]), [[0.6, 0.3], [0.8, 0.4]])
    model = RTRBM(**SETTINGS).fit(sequences)
    arrays = [np.asarray(sequence) for sequence in sequences]
    np.testing.assert_array_equal(model.params_.W, RTRBM(**SETTINGS).fit(arrays).params_.W)
    whole = convert.tables([sequences[0], sequences[1]])
    assert [len(sequence) for sequence in whole] == [3, 2]


@pytest.mark.parametrize("kind", ["pandas", "polars"])
def test_wrong_tables_are_refused(kind):
    good = table(kind)
    refuses("by='name' must be a column of X, one of", convert.tables, good, by="name")
    refuses("X must have increasing times in its column 't', got 2 and then 0 in row 3", convert.tables, good, time="t")
    refuses("columns of X\\[0\\]", convert.tables, [good, good[["t", "walk"]]])
    refuses("columns besides", convert.tables, good[["t", "walk"]], by="walk", time="t")
    refuses("must be a table", convert.tables, np.zeros((3, 4)))
    refuses("column 'walk' \\('a' in row 0\\).*by=", RTRBM(**SETTINGS).fit, [good])


# ----------------------------------------------------------------------------------------------- files


def write_csv(path, text):
    path.write_text(text)
    return path


@pytest.mark.parametrize("mark", [",", ";", "\t", " "])
def test_text_with_and_without_a_header(tmp_path, mark):
    body = "\n".join(mark.join(map(str, row)) for row in X[0].tolist())
    plain = convert.read(write_csv(tmp_path / "plain.csv", body))
    np.testing.assert_array_equal(plain, X[0])
    named = convert.read(write_csv(tmp_path / "named.csv", mark.join(["hip", '"knee"', "toe"]) + "\n" + body + "\n"))
    assert named.columns == ["hip", "knee", "toe"]
    np.testing.assert_array_equal(np.asarray(named), X[0])
    assert state(RTRBM(**SETTINGS).fit([named])) == state(RTRBM(**SETTINGS).fit(X[:1]))
    commented = write_csv(tmp_path / "commented.csv", "# hip knee toe\n" + body + "\n")  # as numpy.savetxt writes
    with pytest.warns(UserWarning, match="'hip', 'knee', 'toe': remove it") if mark != " " else nullcontext():
        read = convert.read(commented)
    assert read.columns == ["hip", "knee", "toe"]
    np.testing.assert_array_equal(np.asarray(read), X[0])
    rows = RBM(**SETTINGS).fit(tmp_path / "named.csv").params_.W
    np.testing.assert_array_equal(rows, RBM(**SETTINGS).fit(X[0]).params_.W)


WINDOWS = {
    "CSV": lambda path, X: write_csv(path / "walk.csv", "\n".join(",".join(map(str, row)) for row in X.tolist())),
    "npy": lambda path, X: np.save(path / "walk.npy", X) or path / "walk.npy",
    "mat": lambda path, X: io.savemat(path / "walk.mat", {"X": X}) or path / "walk.mat",
    "sparse": lambda path, X: sparse.csr_array(X),
    "list of sparse": lambda path, X: [sparse.csr_matrix(X)],
    "DataFrame": lambda path, X: pytest.importorskip("pandas").DataFrame(X),
    "half precision": lambda path, X: X.astype("f2"),
}


@pytest.mark.parametrize("make", WINDOWS.values(), ids=WINDOWS)
def test_one_recording_of_any_kind_is_cut_into_windows(tmp_path, make):
    recording = np.round(np.concatenate(X))
    whole = RTRBM(**SETTINGS).fit(recording, window=5)
    assert state(RTRBM(**SETTINGS).fit(make(tmp_path, recording), window=5)) == state(whole)


def test_reversed_axes_are_cut_into_windows(h5):
    recording = np.concatenate(X)
    dataset = matlab(h5, "X", recording)
    whole = RTRBM(**SETTINGS).fit(recording, window=5)
    np.testing.assert_array_equal(RTRBM(**SETTINGS).fit(dataset, window=5).params_.W, whole.params_.W)
    group = h5.create_group("group")
    for name in "ab":
        matlab(group, name, recording)
    two = RTRBM(**SETTINGS).fit([recording, recording], window=5)
    np.testing.assert_array_equal(RTRBM(**SETTINGS).fit(group, window=5).params_.W, two.params_.W)


def test_gaps_of_a_table_are_a_mask():
    pd = pytest.importorskip("pandas")
    walk = pd.DataFrame(np.round(X[0])).astype("Int64")
    walk.iloc[2, 1] = pd.NA
    model = RTRBM(**SETTINGS)
    refuses("missing values .* column 1 \\(1, the first in row 2\\)", model.fit, [walk])
    model.fit([walk], mask=[walk.isna()])
    filled = model.impute([walk], [walk.isna()])[0]
    assert 0 <= filled[2, 1] <= 1 and np.isfinite(filled).all()


def test_pandas_text_is_read_as_it_was_written(tmp_path):
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(X[0], columns=["hip", "knee", "toe"])
    for options in ({}, {"index": False}, {"index": False, "sep": ";"}):
        frame.to_csv(tmp_path / "walk.csv", **options)
        read = convert.read(tmp_path / "walk.csv")
        assert read.columns == list(frame.columns)
        np.testing.assert_array_equal(np.asarray(read), X[0])
    pd.DataFrame(X[0]).to_csv(tmp_path / "walk.csv", index=False)
    np.testing.assert_array_equal(np.asarray(convert.read(tmp_path / "walk.csv")), X[0])


@pytest.mark.parametrize(
    "text, match",
    [
        ("a,b\n1,2\n3\n", "row 1 of its data has 1 fields, 2 are wanted"),
        ("a,b\n", "no rows"),
        ("a,b\n1,2,\n3,4,\n", "have 3 fields, the header has 2: they end with one more delimiter"),
        ("a,b\n0.5,2,1,3\n3,4,5,6\n", "have 4 fields, the header has 2$"),
        ("a,a\n1,2\n", "come twice in the header: 'a'"),
        ("1,2\n3,x\n", r"columns \[1\].*no numbers"),
        ("a,b,c\n1,2\n", "rows of its data have 2 fields, the header has 3"),
        ("# hi\na,b\n0,1\n", "the first line, '# hi', is a comment, and has no name for each column below: remove"),
        ("# of 2024\n0;1;2\n", "the first line, '# of 2024', is a comment"),
        ("# a nice comment\nhip,knee,toe\n0,1,2\n", "is a comment"),
        ("# hip knee\n# of 2024\n0,1,1\n", "remove the lines that begin with #"),
    ],
)
def test_wrong_text_is_refused(tmp_path, text, match):
    refuses(match, convert.read, write_csv(tmp_path / "walk.csv", text))


NAN = np.nan


@pytest.mark.parametrize(
    "text, names, values",
    [
        ("a,b\n1,2\n,\n3,4\n", ["a", "b"], [[1, 2], [NAN, NAN], [3, 4]]),
        ('a\n1\n""\n3\n', ["a"], [[1], [NAN], [3]]),
        ("a\tb\n1\t2\n\t\n3\t4\n", ["a", "b"], [[1, 2], [NAN, NAN], [3, 4]]),
        ("a,b\n1,2\n\n   \n3,4\n\n", ["a", "b"], [[1, 2], [3, 4]]),
        ("NA,2\n3,4\n", None, [[NAN, 2], [3, 4]]),
        (",2\n3,4\n", None, [[NAN, 2], [3, 4]]),
        (",0.5\n3,4\n", None, [[NAN, 0.5], [3, 4]]),
        (",0\n,1\n3,4\n", None, [[NAN, 0], [NAN, 1], [3, 4]]),
        ("0,1\n1,2\n", None, [[0, 1], [1, 2]]),
        ("0,1,2\n1,0,4\n", ["0", "1", "2"], [[1, 0, 4]]),
        (",0,1\n0,0.5,2\n4,1,3\n", ["0", "1"], [[0.5, 2], [1, 3]]),
        (",hip\n0,1\n3,2\n0,3\n", ["hip"], [[1], [2], [3]]),
        ("hip knee\nx 1 2\ny 3 4\n", ["hip", "knee"], [[1, 2], [3, 4]]),
        ("a,b,\n1,2,\n3,4,\n", ["a", "b"], [[1, 2], [3, 4]]),
        ("a,b\nr1,1,NA\nr2,2,NA\n", ["a", "b"], [[1, NAN], [2, NAN]]),
        ("nan,0,1\n1,1,0\n0,1,1\n", None, [[NAN, 0, 1], [1, 1, 0], [0, 1, 1]]),
        ("NA,0\n1,1\n0,1\n", None, [[NAN, 0], [1, 1], [0, 1]]),
        (",0.0,1.0\n1.0,1.0,0.0\n", None, [[NAN, 0, 1], [1, 1, 0]]),
        (",0,1\n1,1,0\n0,1,1\n1,0,0\n", None, [[NAN, 0, 1], [1, 1, 0], [0, 1, 1], [1, 0, 0]]),
        (",0,1\n2020-01-01,0.5,2\n2020-01-02,1,3\n", ["0", "1"], [[0.5, 2], [1, 3]]),
        ('"",0,1\nr1,0,1\nr2,1,1\n', ["0", "1"], [[0, 1], [1, 1]]),
        (",0\n0,0.5\n1,1.5\n0,2\n", ["0"], [[0.5], [1.5], [2]]),
        ("0.0,1.0,2.0\n3,4,5\n", None, [[0, 1, 2], [3, 4, 5]]),
        ("0,1,2\n", None, [[0, 1, 2]]),
    ],
)
def test_what_lines_of_text_are(tmp_path, text, names, values):
    read = convert.read(write_csv(tmp_path / "walk.csv", text))
    assert getattr(read, "columns", None) == names
    np.testing.assert_array_equal(np.asarray(read), values)


@pytest.mark.parametrize(
    "text, names, values, match",
    [
        ("0,1\n0.5,2\n", ["0", "1"], [[0.5, 2]], "the first line, 0 and 1, is taken for numbers of columns"),
        ("a,b\n1.5,1,2\n2.5,3,4\n", ["a", "b"], [[1, 2], [3, 4]], "the first column has no name and is left out"),
        (",0,1\n0.5,0,1\n0.6,1,1\n", ["0", "1"], [[0, 1], [1, 1]], "the first column has no name and is left out"),
        (",0,1\n0,0.5,2\nNA,1,3\n", ["0", "1"], [[0.5, 2], [1, 3]], "the first column has no name and is left out"),
        (",a\n0.5,1\n0.7,2\n", ["a"], [[1], [2]], "the first column has no name and is left out"),
        ("0,5;1\n1;0\n", ["0,5", "1"], [[1, 0]], "names of columns, '0,5' among them: if .*, write decimal points"),
    ],
)
def test_what_could_be_data_is_told(tmp_path, text, names, values, match):
    with pytest.warns(UserWarning, match=match) as told:
        read = convert.read(write_csv(tmp_path / "walk.csv", text))
    assert read.columns == names and told[0].filename == __file__
    np.testing.assert_array_equal(np.asarray(read), values)


def test_tables_of_pandas_keep_their_rows_whatever_their_index(tmp_path):
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(X[0], columns=["hip", "knee", "toe"])
    kept, twice = frame[frame.index % 3 != 1], pd.concat([frame, frame])
    for table in (kept, twice, frame.set_index(frame.index * 10 + 5), frame[::-1]):
        table.to_csv(tmp_path / "walk.csv")
        read = convert.read(tmp_path / "walk.csv")
        assert read.columns == list(frame.columns)
        np.testing.assert_array_equal(np.asarray(read), table)
        table.set_axis(range(3), axis=1).to_csv(tmp_path / "walk.csv")
        np.testing.assert_array_equal(np.asarray(convert.read(tmp_path / "walk.csv")), table)
    frame.set_axis(pd.date_range("2020", periods=len(frame))).set_axis(range(3), axis=1).to_csv(tmp_path / "walk.csv")
    np.testing.assert_array_equal(np.asarray(convert.read(tmp_path / "walk.csv")), frame)
    frame.iloc[2:4] = np.nan
    frame.to_csv(tmp_path / "walk.csv", index=False)
    np.testing.assert_array_equal(np.asarray(convert.read(tmp_path / "walk.csv")), frame)


def test_whole_numbers_beyond_double_precision_stay_apart(tmp_path):
    text = "walk,a\n12345678901234567,1\n12345678901234568,2\n"
    read = convert.read(write_csv(tmp_path / "walk.csv", text))
    assert read["walk"].tolist() == [12345678901234567, 12345678901234568]
    assert len(convert.tables(read, by="walk")) == 2
    read = convert.read(write_csv(tmp_path / "walk.csv", "a,b\n1e300,99999999999999999999\n,1\n"))
    np.testing.assert_array_equal(np.asarray(read), [[1e300, 1e20], [NAN, 1]])
    read = convert.read(write_csv(tmp_path / "walk.csv", "a\n9007199254740993\n1\n"))
    assert np.asarray(read).tolist() == [[9007199254740993], [1]]


def test_columns_of_text_are_no_numbers(tmp_path):
    read = convert.read(write_csv(tmp_path / "walk.csv", "a,b\n1_0,2\n3,4\n"))
    refuses("the column 'a' has text, '1_0'", np.asarray, read)
    assert np.asarray(read, object).tolist() == [["1_0", 2], ["3", 4]]


def test_columns_that_are_no_numbers_are_named(tmp_path):
    path = write_csv(tmp_path / "walk.csv", "walk,t,hip\na,0,0.5\na,1,\nb,0,0.25\n")
    read = convert.read(path)
    refuses(r"columns? 'walk' \('a' in row 0\)", RTRBM(**SETTINGS).fit, [read])
    refuses(r"missing values .*column 'hip' \(1, the first in row 1\).*mask=", RTRBM(**SETTINGS).fit, [read[["hip"]]])
    sequences = convert.tables(read, by="walk", time="t")
    assert [sequence.shape for sequence in sequences] == [(2, 1), (1, 1)]


@pytest.fixture(params=["npz", "npy", "mat", "h5"])
def one(request, tmp_path):
    """A file of each kind with one array."""
    path = tmp_path / f"X.{request.param}"
    if request.param == "npz":
        np.savez(path, X=X)
    elif request.param == "npy":
        np.save(path, X)
    elif request.param == "mat":
        io.savemat(path, {"X": X})
    else:
        with h5py.File(path, "w") as file:
            file["X"] = X
    return path


def test_one_array_in_a_file_needs_no_name(one):
    np.testing.assert_array_equal(convert.read(one), X)
    assert state(RTRBM(**SETTINGS).fit(str(one))) == state(RTRBM(**SETTINGS).fit(X))
    if one.suffix != ".npy":
        np.testing.assert_array_equal(convert.read(one, "X"), X)
        refuses("got 'Y'; there: 'X'", convert.read, one, "Y")
        refuses("got 'Y'; there: 'X'", RTRBM(**SETTINGS).fit, (one, "Y"))


def test_a_file_with_several_arrays_wants_a_name(tmp_path):
    np.savez(tmp_path / "walks.npz", *RAGGED)
    io.savemat(tmp_path / "walks.mat", {"a": X, "b": X, "walks": np.array([*RAGGED, None], object)[:-1]})
    for name in ("walks.npz", "walks.mat"):
        refuses("must say which array .*'(arr_0|a)', '", RTRBM(**SETTINGS).fit, tmp_path / name)
    whole = state(RTRBM(**SETTINGS).fit(RAGGED))
    assert state(RTRBM(**SETTINGS).fit((tmp_path / "walks.npz", "/"))) == whole
    assert state(RTRBM(**SETTINGS).fit((tmp_path / "walks.mat", "walks"))) == whole


def test_nothing_is_unpickled(tmp_path):
    objects = np.array([*RAGGED, None], object)
    np.save(tmp_path / "walks.npy", objects)
    np.savez(tmp_path / "walks.npz", X=objects)
    for name in ("walks.npy", "walks.npz"):
        refuses("Python's objects, pickled, .*savez", convert.read, tmp_path / name)
    (tmp_path / "walks.dat").write_bytes(b"\x80\x04K\x01.")
    refuses("a pickle, which runs code", RTRBM(**SETTINGS).fit, tmp_path / "walks.dat")


@pytest.mark.parametrize(
    "named, kind", [("X.h5", "an .npz"), ("X.npz", "an HDF5"), ("X.npy", "text"), ("X.mat", "text")]
)
def test_files_with_another_files_name_are_told_so(tmp_path, named, kind):
    path = tmp_path / named
    if kind == "an .npz":
        with open(path, "wb") as file:
            np.savez(file, X=X)
    elif kind == "an HDF5":
        with h5py.File(path, "w") as file:
            file["X"] = X
    else:
        path.write_text("1,2\n")
    for function, data in ((RTRBM(**SETTINGS).fit, (path, "X")), (convert.read, path)):
        refuses(rf"{named}' is named \{path.suffix} but is {kind}.* by its first bytes; rename", function, data)


def test_files_that_cannot_be_read_say_why(one, tmp_path):
    content = one.read_bytes()
    one.write_bytes(content[: len(content) // 2])
    refuses("truncated|complete HDF5 file", convert.read, one)
    one.write_bytes(b"")
    refuses("is empty, 0 bytes", convert.read, one)
    refuses("no file at", convert.read, tmp_path / "absent.npz")
    refuses("is a folder", convert.read, tmp_path)
    refuses("path must be", convert.read, 3)
    for head, match in ((b"PAR1\0", "read_parquet"), (b"\x1f\x8b\x08", "unpack"), (b"\0\1\2", "are read")):
        (tmp_path / "X.dat").write_bytes(head)
        refuses(match, RTRBM(**SETTINGS).fit, tmp_path / "X.dat")


def test_a_locked_file_says_so(tmp_path, monkeypatch):
    def locked(*arguments):
        raise BlockingIOError(11, "Unable to synchronously open file (unable to lock file, errno = 11)")

    with h5py.File(tmp_path / "X.h5", "w") as file:
        file["X"] = X
    monkeypatch.setattr(h5py, "File", locked)
    refuses("X.h5' is locked, another program has it open for writing", RTRBM(**SETTINGS).fit, tmp_path / "X.h5")


# ------------------------------------------------------------------------------------------ conventions


@pytest.fixture
def h5(tmp_path):
    with h5py.File(tmp_path / "X.h5", "w") as file:
        yield file


def matlab(file, name, array):
    """A dataset as MATLAB writes it: with its axes reversed."""
    dataset = file.create_dataset(name, data=np.asarray(array).T)
    dataset.attrs["MATLAB_class"] = np.bytes_("double")
    return dataset


def test_matlabs_axes_are_turned_round(h5):
    dataset = matlab(h5, "X", X)
    np.testing.assert_array_equal(RTRBM(**SETTINGS).fit(dataset).params_.W, RTRBM(**SETTINGS).fit(X).params_.W)
    model = RTRBM(**SETTINGS).fit(X)
    np.testing.assert_array_equal(model.transform(dataset), model.transform(X))
    assert dataset.shape == (3, 6, 4)  # control


def test_matlabs_cells_are_lists(h5):
    cell = h5.create_dataset("walks", (len(RAGGED), 1), h5py.ref_dtype)
    cell.attrs["MATLAB_class"] = np.bytes_("cell")
    for i, sequence in enumerate(RAGGED):
        cell[i, 0] = matlab(h5, f"#refs#/{i}", sequence).ref
    path = h5.filename
    h5.close()
    assert [sequence.shape for sequence in convert.read(path)] == [(6, 3), (4, 3), (2, 3)]
    assert state(RTRBM(**SETTINGS).fit((path, "walks"))) == state(RTRBM(**SETTINGS).fit(RAGGED))
    refuses("another file", RTRBM(**SETTINGS).fit, (path, "walks"), checkpoint=path)


def test_scales_and_fill_values_are_obeyed(h5):
    numbers = np.rint(100 * X).astype("i2")
    numbers[1, 2, 0] = -999
    dataset = h5.create_dataset("X", data=numbers)
    dataset.attrs.update({"scale_factor": 0.01, "add_offset": 0.0, "_FillValue": np.int16(-999)})
    with opened((h5.filename, "X")) as found:
        expected = np.where(numbers == -999, np.nan, numbers * 0.01)
        np.testing.assert_allclose(found[()], expected)
        np.testing.assert_allclose(found[1:3], expected[1:3])
    refuses(r"X\[1\].*(finite|NaN)", RTRBM(**SETTINGS | dict(n_updates=40)).fit, dataset)
    del dataset.attrs["_FillValue"], dataset.attrs["scale_factor"]
    dataset.attrs["scale_factor"] = [1.0, 2.0]
    refuses("one number as its attribute scale_factor", RTRBM(**SETTINGS).fit, dataset)


@pytest.mark.parametrize(
    "numbers, attributes, meant",
    [
        (np.array([1.0, 2.0]), {"conversion": 1e-3}, [0.001, 0.002]),
        (np.array([1.0, 2.0], "f4"), {"scale_factor": 0.5, "add_offset": 1}, [1.5, 2]),
        (np.array([20000], "i2"), {"scale_factor": np.int32(2)}, [40000]),
        (np.array([200], "u1"), {"add_offset": np.int32(100)}, [300]),
        (np.array([-1, 5], "i2"), {"_Unsigned": "true"}, [65535, 5]),
        (np.array([-1, 4], "i2"), {"_Unsigned": b"true", "scale_factor": 2, "_FillValue": np.int16(-1)}, [np.nan, 8]),
        (np.array([-2], "i2"), {"_Unsigned": "true", "scale_factor": 1.5}, [98301]),
    ],
)  # fmt: skip
def test_numbers_of_every_type_are_scaled(h5, numbers, attributes, meant):
    h5.create_dataset("X", data=numbers[:, None]).attrs.update(attributes)
    path = h5.filename
    h5.close()
    np.testing.assert_allclose(convert.read(path)[:, 0], meant, rtol=1e-12)
    with opened(path) as found:
        assert found[()].dtype == found.dtype


@pytest.mark.parametrize("kind", ["datetime", "string", "table", "function_handle"])
def test_objects_of_matlab_are_no_numbers(h5, kind):
    dataset = h5.create_dataset("X", data=np.array([[3707764736, 2, 1, 1, 1, 1]], "u4"))
    dataset.attrs["MATLAB_class"] = np.bytes_(kind)
    path = h5.filename
    h5.close()
    refuses(f"the attribute MATLAB_class='{kind}', no numbers", convert.read, path)


def test_fields_of_matlabs_structs(tmp_path):
    savemat = pytest.importorskip("scipy.io").savemat
    savemat(tmp_path / "s.mat", {"S": {"a": X[0], "b": 2.0}})
    np.testing.assert_array_equal(convert.read(tmp_path / "s.mat", "S/a"), X[0])
    refuses("a struct of that name, no array; name one of its fields: 'S/a', 'S/b'", convert.read, tmp_path / "s.mat")
    savemat(tmp_path / "in.mat", {"S": {"in": {"a": X[0]}}})
    np.testing.assert_array_equal(convert.read(tmp_path / "in.mat", "S/in/a"), X[0])
    refuses("'S/in/b'", convert.read, tmp_path / "in.mat", "S/in/b")
    savemat(tmp_path / "three.mat", {"S": np.zeros((1, 3), [("a", float)])})
    refuses("3 structs of that name: save their fields as arrays", convert.read, tmp_path / "three.mat", "S")
    savemat(tmp_path / "old.mat", {"A": X[0]}, format="4")
    np.testing.assert_array_equal(convert.read(tmp_path / "old.mat"), X[0])


def test_compressed_spikes_are_read(tmp_path):
    """Deflate makes a raster of few spikes several hundred times as small."""
    raster = (np.random.default_rng(0).random((60_000, 100)) < 0.001).astype(float)
    np.savez_compressed(tmp_path / "x.npz", raster)
    assert (tmp_path / "x.npz").stat().st_size * 150 < raster.nbytes
    np.testing.assert_array_equal(convert.read(tmp_path / "x.npz"), raster)
    savemat = pytest.importorskip("scipy.io").savemat
    savemat(tmp_path / "x.mat", {"x": raster}, do_compression=True)
    np.testing.assert_array_equal(convert.read(tmp_path / "x.mat"), raster)


@pytest.mark.parametrize("name", ["PAR1", "CDF", "RIFF", "SQLite", "MThd"])
def test_text_may_begin_as_other_files_do(name, tmp_path):
    (tmp_path / "x.csv").write_text(f"{name},b\n0.5,1\n0.25,0\n")
    assert convert.read(tmp_path / "x.csv").columns == [name, "b"]


def test_cells_are_lists_of_arrays(tmp_path):
    cell = np.empty((1, 3), object)
    cell[0] = [np.zeros((n, 2)) for n in (4, 5, 6)]
    path = tmp_path / "cell.mat"
    io.savemat(path, {"X": cell})
    found = convert.read(path)
    assert isinstance(found, list) and [x.shape for x in found] == [(4, 2), (5, 2), (6, 2)]


def test_true_and_false_are_numbers(tmp_path):
    path = tmp_path / "answers.csv"
    path.write_text("on,x\nTrue,1\nFALSE,2\n,3\n")
    assert np.array_equal(convert.read(path)["on"], [1, 0, np.nan], equal_nan=True)
    path.write_text("on,x\nTrue,1\nmaybe,2\n")
    assert convert.read(path)["on"].dtype.kind == "U"


def test_a_spreadsheet_is_named(tmp_path):
    path = tmp_path / "real.xlsx"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("[Content_Types].xml", "<a/>")
    refuses("a spreadsheet: save it as CSV, or hand in pandas.read_excel", convert.read, path)


def test_arrays_without_names_have_none(tmp_path):
    np.save(tmp_path / "x.npy", X[0])
    (tmp_path / "x.csv").write_text("hip,knee\n1,2\n0,1\n")
    for file in "x.npy", "x.csv":
        refuses(f"{file}' is .*, whose array has no name: leave 'hip' out", convert.read, tmp_path / file, "hip")
        refuses("X: .*leave 'hip' out", RTRBM(**SETTINGS).fit, (str(tmp_path / file), "hip"))
        convert.read(tmp_path / file, "/")


def test_a_frame_that_is_taken_for_names_is_told(tmp_path):
    (tmp_path / "x.csv").write_text("0.1,#VALUE!,0.3\n0.4,0.5,0.6\n")
    with pytest.warns(UserWarning, match="the first line is taken for names of columns, '#VALUE!' among them"):
        convert.read(tmp_path / "x.csv")
    (tmp_path / "x.csv").write_text("0.1,#N/A,0.3\n0.4,0.5,0.6\n")
    assert np.isnan(convert.read(tmp_path / "x.csv")[0, 1])
    for names in "name,2019,2020", "sample,400.5,401.0", "well,1e2,1E3":  # controls: years, wavelengths
        (tmp_path / "x.csv").write_text(f"{names}\nann,1,2\n")
        assert convert.read(tmp_path / "x.csv").columns == names.split(",")


def test_decimal_commas_are_named(tmp_path):
    (tmp_path / "x.csv").write_text("a;b\n0,5;1,5\n0,25;0\n")
    refuses("commas in the numbers of columns 'a' .*decimal=','", RTRBM(**SETTINGS).fit, tmp_path / "x.csv")


def test_links_that_lead_nowhere(h5):
    h5["g/a"] = X[0]
    h5["g/b"] = h5py.SoftLink("/nowhere")
    path = h5.filename
    h5.close()
    refuses("'/g' holds the link 'b', which leads nowhere", convert.read, path, "g")
    refuses("X..b..", RTRBM(**SETTINGS).fit, (path, "g"))


def test_windows_of_matlabs_cells_are_read_alone(h5, monkeypatch):
    cell = h5.create_dataset("walks", (2, 1), h5py.ref_dtype)
    cell.attrs["MATLAB_class"] = np.bytes_("cell")
    walks = np.random.default_rng(0).integers(0, 2, (2, 400, 3)).astype(float)
    for i in range(2):
        cell[i, 0] = matlab(h5, f"#refs#/{i}", walks[i]).ref
    path, n_frames, read = h5.filename, [], hdf5.View.__getitem__
    h5.close()
    with monkeypatch.context() as patched:
        patched.setattr(hdf5.View, "__getitem__", lambda *its: n_frames.append(len(read(*its))) or read(*its))
        found = RTRBM(**SETTINGS).fit((path, "walks"), window=10)
    assert max(n_frames) <= 20
    assert state(found) == state(RTRBM(**SETTINGS).fit(list(walks), window=10))


def test_samples_on_the_first_of_three_axes_are_sequences(h5):
    for i, labels in enumerate([("sample", "step", "cell"), ("trial", "cell", "step"), ("trial", "cell", "samples")]):
        dataset = h5.create_dataset(f"X{i}", data=np.zeros((4, 6, 3)))
        for label, axis in zip(labels, dataset.dims):
            axis.label = label
    RTRBM(**SETTINGS).fit(h5["X0"])
    for name in "X1", "X2":
        refuses("axes .*by its attribute DIMENSION_LABELS", RTRBM(**SETTINGS).fit, h5[name])


@pytest.mark.parametrize(
    "where, attribute, value",
    [
        ("dataset", "rhdf5-NA.OK", 1),
        ("dataset", "MATLAB_empty", 1),
        ("dataset", "MATLAB_class", np.bytes_("char")),
        ("dataset", "julia type", "Array"),
        ("dataset", "encoding-type", "string-array"),
        ("group", "encoding-type", "csr_matrix"),
        ("group", "pandas_type", "frame"),
        ("group", "MATLAB_sparse", 3),
        ("group", "MATLAB_class", np.bytes_("struct")),
        ("group", "neurodata_type", "TimeSeries"),
    ],
)
def test_what_an_attribute_makes_unreadable_is_refused_by_its_name(h5, where, attribute, value):
    group = h5.create_group("group")
    group["dataset"] = X
    RTRBM(**SETTINGS).fit(group["dataset"])  # control
    named = group if where == "group" else group["dataset"]
    named.attrs[attribute] = value
    refuses(rf"X: '/group.*{attribute}=", RTRBM(**SETTINGS).fit, named)
    if attribute == "pandas_type":
        refuses("pandas.read_hdf", RTRBM(**SETTINGS).fit, group["dataset"])


def test_labels_of_axes_are_read(h5):
    dataset = h5.create_dataset("X", data=X)
    for label, axis in zip(("trial", "time", "neuron"), dataset.dims):
        axis.label = label
    RTRBM(**SETTINGS).fit(dataset)
    for label, axis in zip(("trial", "neuron", "time"), dataset.dims):
        axis.label = label
    refuses("axes .*'neuron', 'time'.* by its attribute DIMENSION_LABELS", RTRBM(**SETTINGS).fit, dataset)
    for label, axis in zip(("time", "lat", "lon"), dataset.dims):
        axis.label = label
    refuses(r"hand in X\.reshape\(1, len\(X\), -1\)", RTRBM(**SETTINGS).fit, dataset)


def test_one_grey_channel_is_no_width():
    refuses("take X.*0. if the last axis is a grey channel", convert.video, np.zeros((30, 12, 12, 1), "uint8"))


def test_scales_of_axes_are_no_data_and_name_axes(h5):
    dataset, time = h5.create_dataset("X", data=X), h5.create_dataset("time", data=np.arange(6.0))
    time.make_scale("time")
    dataset.dims[1].attach_scale(time)
    with opened(h5.filename) as found:
        assert found.name == "/X"
    swapped = h5.create_dataset("Y", data=X.swapaxes(1, 2))
    swapped.dims[2].attach_scale(time)
    refuses("DIMENSION_LIST", RTRBM(**SETTINGS).fit, swapped)


@pytest.mark.skipif("RTRBM_DATA" not in os.environ, reason="RTRBM_DATA names no folder with real data")
def test_real_cells_are_read():
    folder = os.environ["RTRBM_DATA"]
    chorales = convert.read(os.path.join(folder, "polyphonic_music", "JSB_Chorales.mat"), "testdata")
    assert isinstance(chorales, list) and len(chorales) == 77 and sum(map(len, chorales)) == 4725
    walks = (os.path.join(folder, "mocap_hsu", "motion.mat"), "Motion")
    with pytest.warns(UserWarning, match="X does not vary in features 9|X is not standardised"):
        assert RTRBM(**SETTINGS | dict(n_updates=1), visible="gaussian").fit(walks).n_features_in_ == 108


def test_names_with_underscores_are_no_numbers(tmp_path):
    (tmp_path / "header.csv").write_text("1_1,1_2,2_1\n0.1,0.2,0.3\n0.2,0.1,0.4\n")
    assert convert.read(tmp_path / "header.csv").columns == ["1_1", "1_2", "2_1"]
    (tmp_path / "trials.csv").write_text("trial,hip\n1_2,0.1\n1_2,0.2\n12,0.3\n12,0.4\n")
    table = convert.read(tmp_path / "trials.csv")
    assert [len(part) for part in convert.tables(table, by="trial")] == [2, 2]
    with pytest.raises(TypeError, match="trial"):
        RTRBM(2).fit([table])


def test_a_table_is_put_into_the_order_of_the_fit(tmp_path):
    (tmp_path / "ab.csv").write_text("a,b\n0,1\n1,0\n0,1\n")
    (tmp_path / "ba.csv").write_text("b,a\n1,0\n0,1\n1,0\n")
    first, second = (convert.read(tmp_path / name) for name in ("ab.csv", "ba.csv"))
    model = RTRBM(2, n_updates=2, n_gibbs=1, random_state=0).fit([first])
    with pytest.raises(ValueError, match=r"Take \[x\[model.feature_names_in_\] for x in X\]"):
        model.predict([second])
    np.testing.assert_array_equal(model.predict([second[model.feature_names_in_]]), model.predict([first]))


def test_no_rows_of_a_table_are_a_table(tmp_path):
    (tmp_path / "ab.csv").write_text("a,b\n0,1\n1,0\n")
    for rows in ([], np.array([], int), slice(0, 0)):
        assert convert.read(tmp_path / "ab.csv")[rows].shape == (0, 2)


@pytest.mark.parametrize("mark", [np.float64(1e20), np.float32(1e20), np.float64(-999.9)])
def test_marks_of_missing_values_in_another_precision(tmp_path, mark):
    with h5py.File(tmp_path / "data.h5", "w") as file:
        file["x"] = np.array([[1, 2], [mark, 3]], "f4")
        file["x"].attrs["missing_value"] = mark
    np.testing.assert_array_equal(convert.read(tmp_path / "data.h5", "x"), [[1, 2], [np.nan, 3]])


def test_columns_of_one_name_make_no_sequences():
    pd = pytest.importorskip("pandas")
    refuses("come twice: 'a'", convert.tables, pd.DataFrame([[1, 2, 3], [4, 5, 6]], columns=["a", "a", "b"]))


@pytest.mark.parametrize(
    "text, columns, values",
    [
        ("Heart rate\n72\n75\n", ["Heart rate"], [[72], [75]]),
        ('"speed; km/h","dir"\n0.1,1\n1,0\n', ["speed; km/h", "dir"], [[0.1, 1], [1, 0]]),
        ('"hip\nangle",knee\n1,2\n', ["hip\nangle", "knee"], [[1, 2]]),
        ("# hip knee\n1 2\n3 4\n", ["hip", "knee"], [[1, 2], [3, 4]]),
        ("# hip,knee\n1,2\n3,4\n", ["hip", "knee"], [[1, 2], [3, 4]]),
        ("#,hip\n1,2\n3,4\n", ["#", "hip"], [[1, 2], [3, 4]]),
        ("hip knee\n1 2\n3 4\n", ["hip", "knee"], [[1, 2], [3, 4]]),
    ],
)
def test_what_parts_columns_is_found_outside_quotes(tmp_path, text, columns, values):
    (tmp_path / "data.csv").write_text(text)
    table = convert.read(tmp_path / "data.csv")
    assert table.columns == columns
    np.testing.assert_array_equal(np.asarray(table), values)


def test_groups_within_groups_are_named(tmp_path):
    with h5py.File(tmp_path / "data.h5", "w") as file:
        file["g/a"] = np.zeros((3, 2))
        file["#refs#/b"] = np.zeros(3)
        file["X"] = np.ones((3, 2))
        file["scale"] = np.arange(3)
        file["scale"].make_scale("t")
    refuses("'/' holds the group 'g', which is no array: name it by itself", convert.read, tmp_path / "data.h5", "/")
    with h5py.File(tmp_path / "data.h5", "a") as file:
        del file["g"]
    (only,) = convert.read(tmp_path / "data.h5", "/")
    np.testing.assert_array_equal(only, np.ones((3, 2)))
    RTRBM(2, n_gibbs=1, n_updates=1, random_state=0).fit((tmp_path / "data.h5", "/"))


def test_an_array_that_is_not_asked_for_may_be_pickled(tmp_path):
    path = tmp_path / "data.npz"
    np.savez(path, X=np.ones((3, 2)), names=np.array(["a", None], object))
    np.testing.assert_array_equal(convert.read(path, "X"), np.ones((3, 2)))
    for name in ("names", "/"):
        refuses("names is an array of Python's objects, pickled", convert.read, path, name)


def test_sums_of_velocities_are_told_what_to_do():
    with pytest.raises(ValueError, match="got .* values from 0 to 200: of sums of velocities take X > 0"):
        convert.piano_roll(np.full((128, 5), 200.0) * (np.arange(128) == 60)[:, None])


def test_large_whole_numbers_are_different_names(tmp_path):
    """Those of 64 bits, and larger ones, name sequences each."""
    for first in (17345678901234567890, 10**25, 2**62):
        rows = [f"{first + i},{t}" for i in range(3) for t in range(3)]
        (tmp_path / "t.csv").write_text("\n".join(["id,x", *rows]) + "\n")
        assert [len(x) for x in convert.tables(convert.read(tmp_path / "t.csv"), by="id")] == [3, 3, 3]


def test_the_first_bytes_decide_not_the_ending(tmp_path):
    (tmp_path / "x.csv.gz").write_text("1,2\n3,4.5\n")
    np.testing.assert_array_equal(convert.read(tmp_path / "x.csv.gz"), [[1, 2], [3, 4.5]])


@pytest.mark.parametrize("text", ["[[1, 2], [3, 4]]", '{"a": [1]}', "[\n  1,\n  2\n]"])
def test_json_is_no_table(text, tmp_path):
    (tmp_path / "data.json").write_text(text)
    with pytest.raises(ValueError, match="data.json' is JSON: save its arrays with numpy.savez"):
        convert.read(tmp_path / "data.json")


def test_members_of_a_group_are_counted(tmp_path):
    """walk2 comes before walk10, as in a list."""
    with h5py.File(tmp_path / "g.h5", "w") as file:
        for i in range(12):
            file[f"walks/walk{i}"] = np.full((4, 2), float(i))
    with h5py.File(tmp_path / "g.h5") as file:
        assert hdf5.members(file["walks"]) == [f"walk{i}" for i in range(12)]


@pytest.mark.parametrize("start, dtype, width", [(20_000, float, 1e-3), (1.7e9, float, 0.02), (0, np.float32, 1e-3)])
def test_spikes_on_edges_are_in_the_bins_that_begin_there(start, dtype, width):
    """Whatever the clock, and in single precision: a regular train has a spike in every bin."""
    times = (start + width * np.arange(20_000)).astype(dtype)
    counts = convert.spikes([times], width, start=float(times[0]))
    assert (counts == 1).all()
    late = convert.spikes([times + np.array(0.8 * width, dtype)], width, start=float(times[0]))
    assert (late[1:] == 1).all()  # control: what lies within a bin stays there


def test_vectors_of_a_matlab_cell_are_no_trials():
    rows = [np.array([[0.1, 0.2]]), np.array([[0.3]]), np.array([[0.2, 0.5, 0.6]])]
    for given in (rows, [x.T for x in rows]):
        with pytest.raises(ValueError, match="got matrices of one row or column: take .numpy.ravel.x. for x in times."):
            convert.spikes(given, 0.1)
    assert convert.spikes([np.ravel(x) for x in rows], 0.1).shape == (7, 3)


@pytest.mark.parametrize("first", ["1,2,3", "2019,2020"])
def test_a_first_line_that_counts_may_be_names(first, tmp_path):
    n = first.count(",") + 1
    rows = [",".join(["0.5"] * n) for _ in range(4)]
    (tmp_path / "t.csv").write_text("\n".join([first, *rows]) + "\n")
    with pytest.warns(UserWarning, match=f"the first line, {first.replace(',', ', ')}, is taken for a frame"):
        assert convert.read(tmp_path / "t.csv").shape == (5, n)
    (tmp_path / "t.csv").write_text("\n".join(["3,4", "1,2", "9,9"]) + "\n")  # control: counts
    assert convert.read(tmp_path / "t.csv").shape == (3, 2)
