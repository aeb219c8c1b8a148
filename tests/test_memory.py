"""The peak of memory grows with the minibatch, not with the data set nor with the number of updates."""

import tracemalloc

import pytest

from rtrbm import RTRBM
from rtrbm.datasets import BouncingBalls, bouncing_balls

SIZE = {"n_frames": 20, "resolution": 16, "n_balls": 2}


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
    assert peak(bouncing_balls(64, **SIZE, random_state=0)) < 1.1 * small


def test_more_updates_take_no_more():
    stream = BouncingBalls(2, **SIZE, random_state=0)
    assert peak(stream, n_updates=40) < 1.1 * peak(stream)


def test_a_larger_minibatch_takes_more(small):
    assert peak(bouncing_balls(64, **SIZE, random_state=0), batch_size=16) > 2 * small
