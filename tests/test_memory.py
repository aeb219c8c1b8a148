"""The peak of memory grows with the minibatch, not with the data set nor with the number of updates."""

import tracemalloc

import h5py
import numpy as np
import pytest
from helpers import needs_numba
from scipy import sparse

from rtrbm import RBM, RTRBM, user_data
from rtrbm.datasets import BouncingBalls, bouncing_balls
from rtrbm.minibatches.sequences import layout, tiles
from rtrbm.rbm import exact

SIZE = {"n_frames": 20, "resolution": 16, "n_balls": 2}

# That the thread which makes minibatches and the updates reach their peaks together is chance, and may add a minibatch
# (0.1 of a peak) and what making it takes; the whole of the larger data set is four times the peak.
SAME = 1.5


def peak(data, batch_size=2, n_updates=3):
    """Bytes allocated at most during fit, beyond what was there before."""
    model = RTRBM(30, n_gibbs=1, batch_size=batch_size, n_updates=n_updates, n_jobs=1, random_state=0)
    model.fit(data)  # fills caches and buffers
    tracemalloc.start()
    try:
        model.fit(data)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.fixture(scope="module")
def small():
    return peak(bouncing_balls(4, **SIZE, random_state=0))


def test_more_sequences_take_no_more(small):
    videos = bouncing_balls(64, **SIZE, random_state=0)
    assert peak(videos) < SAME * small
    assert videos.nbytes > SAME * small  # a copy of them would show


def test_more_updates_take_no_more():
    """If minibatches stayed in memory, 40 of them would be four times the peak."""
    stream = BouncingBalls(2, **SIZE, random_state=0)
    assert peak(stream, n_updates=40) < SAME * peak(stream, n_updates=10)


def test_a_larger_minibatch_takes_more(small):
    assert peak(bouncing_balls(64, **SIZE, random_state=0), batch_size=16) > 2 * small


# Data on a disk.


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Files with 4 and with 64 sequences."""
    paths = {n: tmp_path_factory.mktemp("memory") / f"{n}.h5" for n in (4, 64)}
    for n, path in paths.items():
        with h5py.File(path, "w") as file:
            file["X"] = bouncing_balls(n, **SIZE, random_state=0)
            for i, sequence in enumerate(file["X"]):
                file[f"ragged/{i}"] = sequence[i % 2 :]
    return paths


@pytest.mark.parametrize("name", ["X", "ragged"])
def test_a_larger_file_takes_no_more(files, name):
    limit = SAME * peak((files[4], name), n_updates=40)
    assert peak((files[64], name), n_updates=40) < limit
    assert peak(Loading(files[64], name), n_updates=40) > limit  # control
    assert peak((files[64], name), batch_size=16) > limit  # control: the minibatch counts


class Loading:
    """Minibatches of a file that is loaded as a whole."""

    def __init__(self, path, name):
        self.path, self.name = path, name

    def minibatch(self, update):
        with h5py.File(self.path) as file:
            data = file[self.name]
            return [data[key][()] for key in (data if self.name == "ragged" else range(len(data)))][:2]


@pytest.mark.parametrize("lengths", [[1], [100]])
def test_the_layout_of_chains_grows_with_the_rows(lengths):
    def peak_of(n):
        where = layout(lengths * n)
        tracemalloc.start()
        try:
            tiles(where)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    n = 400_000 // sum(lengths)
    assert peak_of(n) < 1.1 * 4 * peak_of(n // 4)  # quadratic: 16 times


def test_a_longer_iterable_takes_no_more():
    def videos(kept=None):
        for minibatch in BouncingBalls(2, **SIZE, random_state=0):
            for video in minibatch:
                yield video
                if kept is not None:
                    kept.append(video)

    limit = SAME * peak(videos(), n_updates=10)
    assert peak(videos(), n_updates=60) < limit
    assert peak(videos(kept=[]), n_updates=60) > limit  # control


@needs_numba
def test_the_memory_of_a_compiled_update_does_not_grow_with_the_sequences():
    """But for their frames; and it goes with the model."""
    from rtrbm.compute.numba import whole

    def peak_of(n):
        X = (np.random.default_rng(0).random((n, 2, 150)) < 0.1).astype(np.float32)
        model = RTRBM(150, n_gibbs=1, random_state=0, engine="numba", n_jobs=1).partial_fit(X[:4])
        tracemalloc.start()
        try:
            model.partial_fit(X)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    assert peak_of(1600) - peak_of(400) < 4 * 1200 * 2 * 150 * 4  # a few copies of the frames, no sum for every tile
    assert not vars(whole._local)


@pytest.mark.parametrize("window", [None, 5])
def test_a_mask_takes_no_copy_of_the_data(window, monkeypatch):
    monkeypatch.setattr(user_data, "PIECE", 2**12)  # numbers that are checked together: data here have few
    X = bouncing_balls(64, **SIZE, random_state=0).astype(float)
    mask = np.random.default_rng(0).random(X.shape) < 0.2

    def peak_of(X, mask):
        model = RTRBM(30, n_gibbs=1, batch_size=2, n_updates=3, n_jobs=1, random_state=0)
        model.fit(X, mask=mask, window=window)
        tracemalloc.start()
        try:
            model.fit(X, mask=mask, window=window)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    assert peak_of(X, mask) < SAME * peak_of(X[:8], mask[:8])
    assert X.nbytes > SAME * peak_of(X[:8], mask[:8])  # a copy of them would show


def test_sparse_rows_are_scored_in_parts():
    X = sparse.random(20_000, 300, 0.02, "csr", np.float32, random_state=0, data_rvs=np.ones)
    model = RBM(5, n_updates=3, n_jobs=1, random_state=0).fit(X)
    for verb in (model.score, model.score_samples, lambda X: model.likelihood(X).nats):
        verb(X[:10])
        tracemalloc.start()
        try:
            found = verb(X)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        np.testing.assert_allclose(found, verb(X.toarray()), rtol=1e-6)
        assert peak < 0.6 * 4 * X.shape[0] * X.shape[1]  # the dense array in single precision


def test_enumeration_for_many_rows_takes_blocks():
    rng = np.random.default_rng(0)
    W, b_h = rng.normal(size=(1, 20)), rng.normal(size=(4096, 20))
    tracemalloc.start()
    try:
        exact.log_partition(W, np.zeros(1), b_h, "gaussian")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 8 * 8 * exact.BLOCK_ELEMENTS  # the sums of all states of 12 units would be 4 blocks an array
