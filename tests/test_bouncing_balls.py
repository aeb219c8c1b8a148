"""The bouncing balls are the process of the papers: its arithmetic, its statistics, its streams."""

import itertools
import sys
import tracemalloc

import numpy as np
import pytest

from rtrbm.datasets import BouncingBalls, bouncing_balls
from rtrbm.datasets.bouncing_balls import initial_state, render, simulate
from rtrbm.streams import stream

MODULE = sys.modules[simulate.__module__]  # rtrbm.datasets.bouncing_balls is the function

# resolution, n_balls, n_frames: mean pixel, and squared errors per frame of the previous frame (frames 2 to
# T), of the data's mean frame (all) and of the extrapolation clip(2 v_t - v_{t-1}) (3 to T). Known to the
# digits shown, so ROUNDING, half a unit of the last digit, is allowed beside the standard error.
KNOWN = {
    (30, 3, 100): (0.1230, 11.80, 74.9, 6.82),
    (15, 3, 128): (0.1232, 2.99, 18.7, 1.75),
    (20, 2, 128): (0.0820, 5.08, 23.9, 3.25),
}
ROUNDING = (5e-5, 5e-3, 5e-2, 5e-3)
N_VIDEOS = 300


def z_score(samples, known, rounding):
    """How many standard errors the mean of independent samples is from an interval known +- rounding."""
    samples = np.asarray(samples, float)
    miss = max(0.0, abs(samples.mean() - known) - rounding)
    return miss / (samples.std(ddof=1) / len(samples) ** 0.5)


def squared_error(predicted, actual):
    """Summed over pixels, averaged over frames: one number for each video."""
    return np.square(predicted - actual).sum(2).mean(1)


def statistics(videos):
    """Those of KNOWN, each as one number for each video."""
    extrapolated = np.clip(2 * videos[:, 1:-1] - videos[:, :-2], 0, 1)
    return (
        videos.mean((1, 2), dtype=float),
        squared_error(videos[:, :-1], videos[:, 1:]),
        squared_error(videos.mean((0, 1), dtype=float).astype(np.float32), videos),
        squared_error(extrapolated, videos[:, 2:]),
    )


def states(n_videos, n_balls=3, seed=0):
    return initial_state([stream(seed, "data", 0, i) for i in range(n_videos)], n_balls)


def contacts(positions):
    """Number of (pair, substep) closer than two radii in each video, of the positions after each substep."""
    i, j = np.tril_indices(positions.shape[2], -1)
    apart = np.linalg.norm(positions[:, :, i] - positions[:, :, j], axis=-1)
    return (apart < 2.4).sum((1, 2))


def pass_through(positions, velocities, n_frames, n_substeps=2):
    """A wrong process: the balls do not see each other."""
    alone = simulate(positions.reshape(-1, 1, 2), velocities.reshape(-1, 1, 2), n_frames, n_substeps)
    return [state.reshape(*positions.shape[:2], -1, 2).swapaxes(1, 2) for state in alone]


def simulate_plainly(positions, velocities, n_frames):
    """One video, ball by ball."""
    x, v = positions.copy(), velocities.copy()
    recorded = []
    for _ in range(n_frames):
        recorded.append(x.copy())
        for _ in range(2):
            x += 0.5 * v
            for ball, axis in np.ndindex(*x.shape):
                if x[ball, axis] - 1.2 < 0:
                    v[ball, axis] = abs(v[ball, axis])
                if x[ball, axis] + 1.2 > 10:
                    v[ball, axis] = -abs(v[ball, axis])
            for i in range(len(x)):
                for j in range(i):
                    distance = np.linalg.norm(x[i] - x[j])
                    if distance < 2.4:
                        line = (x[i] - x[j]) / distance
                        v_i, v_j = line @ v[i], line @ v[j]
                        v[i] += line * (v_j - v_i)
                        v[j] += line * (v_i - v_j)
    return np.array(recorded)


def render_plainly(positions, resolution):
    """Every pixel, in double precision."""
    pixel = (np.arange(resolution) + 0.5) / resolution * 10
    dx = pixel - positions[..., 0, None, None]
    dy = pixel[:, None] - positions[..., 1, None, None]
    dense = np.exp(-((np.hypot(dx, dy) / 1.2) ** 8)).sum(-3)
    return np.minimum(1, dense).reshape(*positions.shape[:-2], resolution**2)


# The process


@pytest.mark.parametrize("n_balls, n_frames", [(1, 100), (2, 100), (3, 100), (6, 30)])
def test_simulation_is_the_plain_one(n_balls, n_frames):
    positions, velocities = states(8, n_balls)
    fast, _ = simulate(positions, velocities, n_frames)
    for video in range(8):
        plain = simulate_plainly(positions[video], velocities[video], n_frames)
        # Rounding errors grow tenfold or so at each contact.
        np.testing.assert_allclose(fast[video], plain, rtol=0, atol=1e-6)


def test_pairs_take_turns():
    random = np.random.default_rng(0)
    positions = random.uniform(4, 6, (20, 4, 2))  # most pairs touch at once
    velocities = random.normal(size=(20, 4, 2)) / 4
    fast, _ = simulate(positions, velocities, 4)
    for video in range(20):
        plain = simulate_plainly(positions[video], velocities[video], 4)
        np.testing.assert_allclose(fast[video], plain, rtol=0, atol=1e-9)


def test_frames_are_every_other_substep():
    start = states(5)
    for frames, substeps in zip(simulate(*start, 20), simulate(*start, 39, n_substeps=1)):
        np.testing.assert_array_equal(frames, substeps[:, ::2])


def test_simulation_leaves_its_arguments_alone():
    start = states(2)
    before = [state.copy() for state in start]
    simulate(*start, 10)
    np.testing.assert_array_equal(start, before)


@pytest.mark.parametrize("resolution", [1, 2, 7, 15, 20, 30, 61])
@pytest.mark.parametrize("n_balls", [1, 3])
def test_rendering_is_the_dense_one(resolution, n_balls):
    positions = np.random.default_rng(resolution).uniform(-1, 11, (4, 50, n_balls, 2))
    positions[:, :5] = [5.0, 1.2]  # where balls coincide the sum is cut at 1
    windowed = render(positions, resolution)
    assert windowed.dtype == np.float32
    np.testing.assert_allclose(windowed, render_plainly(positions, resolution), rtol=0, atol=1e-6)


def test_rendering_has_y_down_the_rows():
    frame = render(np.array([[8.0, 2.0]]), 10).reshape(10, 10)
    assert frame[1:3, 7:9].min() > 0.9 and frame[5:].max() == 0 and frame[:, :5].max() == 0


# The statistics


@pytest.mark.parametrize("sizes", KNOWN)
def test_statistics(sizes):
    resolution, n_balls, n_frames = sizes
    videos = bouncing_balls(N_VIDEOS, n_frames, resolution=resolution, n_balls=n_balls, random_state=0)
    for samples, known, rounding in zip(statistics(videos), KNOWN[sizes], ROUNDING):
        assert z_score(samples, known, rounding) < 4
    if sizes == (30, 3, 100):
        between = ((videos > 0.01) & (videos < 0.99)).mean((1, 2))
        assert z_score(between, 0.154, 5e-4) < 4


@pytest.mark.parametrize("broken", ["radius", "pass_through"])
def test_statistics_tell_a_wrong_process(monkeypatch, broken):
    if broken == "radius":
        monkeypatch.setattr(MODULE, "RADIUS", 1.05 * MODULE.RADIUS)
    else:
        monkeypatch.setattr(MODULE, "simulate", pass_through)
    videos = bouncing_balls(N_VIDEOS, random_state=0)
    known = KNOWN[30, 3, 100]
    assert max(z_score(*row) for row in zip(statistics(videos), known, ROUNDING)) > 4


def test_contacts():
    start = states(N_VIDEOS)
    assert contacts(start[0][:, None]).sum() == 0
    positions, _ = simulate(*start, 201, n_substeps=1)
    assert z_score(contacts(positions[:, 1:]), 8.7, 0.05) < 4
    positions, _ = pass_through(*start, 201, n_substeps=1)
    assert z_score(contacts(positions[:, 1:]), 8.7, 0.05) > 4


@pytest.mark.parametrize("n_balls", [1, 3, 6])
def test_initial_positions_fill_their_support(n_balls):
    positions, _ = states(N_VIDEOS, n_balls)
    assert 2 <= positions.min() < 2.1 and 8.7 < positions.max() <= 8.8


def test_energy_is_conserved():
    _, velocities = simulate(*states(50), 100)
    np.testing.assert_allclose(np.square(velocities).sum((2, 3)), 0.25, rtol=1e-12)


def test_initial_velocities_have_no_preferred_ball_or_axis():
    _, velocities = states(N_VIDEOS)
    for ball, axis in np.ndindex(3, 2):
        assert z_score(velocities[:, ball, axis], 0, 0) < 4
        assert z_score(velocities[:, ball, axis] ** 2, 0.25 / 6, 0) < 4


# The array


@pytest.mark.parametrize("n_balls", [1, 2, 6])
def test_values(n_balls):
    videos = bouncing_balls(3, 40, resolution=13, n_balls=n_balls, random_state=0)
    assert videos.shape == (3, 40, 169) and videos.dtype == np.float32 and videos.flags.c_contiguous
    assert videos.min() >= 0 and 0.9 < videos.max() <= 1


def test_memory_is_that_of_the_videos():
    tracemalloc.start()
    videos = bouncing_balls(1000, 100, resolution=10, random_state=0)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < videos.nbytes + 2e7


def test_blocks_do_not_matter(monkeypatch):
    whole = bouncing_balls(7, 10, random_state=0)
    monkeypatch.setattr(MODULE, "_BLOCK_FRAMES", 25)
    monkeypatch.setattr(MODULE, "_BLOCK_PIXELS", 1000)
    np.testing.assert_array_equal(bouncing_balls(7, 10, random_state=0), whole)


# The streams


def test_a_video_depends_on_the_seed_and_its_number_only():
    videos = bouncing_balls(200, 100, resolution=5, random_state=3)
    for n_sequences in (1, 2, 170, 200):
        fewer = bouncing_balls(n_sequences, 100, resolution=5, random_state=3)
        np.testing.assert_array_equal(fewer, videos[:n_sequences])
    np.testing.assert_array_equal(bouncing_balls(9, 30, resolution=5, random_state=3), videos[:9, :30])
    assert (bouncing_balls(1, 100, resolution=5, random_state=4) != videos[:1]).any()
    assert len(np.unique(videos[:, 0], axis=0)) == 200


def test_minibatches_are_addressed():
    balls = BouncingBalls(3, 10, resolution=9, n_balls=2, random_state=5)
    assert balls.n_visible == 81
    first = [balls.minibatch(update) for update in range(4)]
    assert first[0].shape == (3, 10, 81)
    assert len(np.unique(np.concatenate(first), axis=0)) == 12
    for update in (2, 0, 3):
        np.testing.assert_array_equal(balls.minibatch(update), first[update])
        start = initial_state([stream(5, "data", update, i) for i in range(3)], 2)
        np.testing.assert_array_equal(render(simulate(*start, 10)[0], 9), first[update])
    for _ in range(2):
        np.testing.assert_array_equal(list(itertools.islice(balls, 4)), first)
    np.testing.assert_array_equal(bouncing_balls(3, 10, resolution=9, n_balls=2, random_state=5), first[0])


def small(random_state):
    return bouncing_balls(2, 3, resolution=8, random_state=random_state)


@pytest.mark.parametrize("kind", [np.random.RandomState, np.random.default_rng])
def test_random_state_may_be_a_generator(kind):
    generator = kind(0)
    first, second = small(generator), small(generator)
    assert (first != second).any()
    np.testing.assert_array_equal(small(kind(0)), first)


def test_random_state_none_is_fresh_and_nothing_global_is_drawn():
    before = np.random.get_state()[1].copy()
    assert (small(None) != small(None)).any()
    np.testing.assert_array_equal(np.random.get_state()[1], before)


# Bad input


@pytest.mark.parametrize("name", ["n_sequences", "n_frames", "resolution", "n_balls"])
@pytest.mark.parametrize(
    "value, error", [(0, ValueError), (-1, ValueError), (2.0, TypeError), (True, TypeError), ("2", TypeError)]
)
def test_bad_sizes(name, value, error):
    sizes = {"n_sequences": 1, name: value}
    with pytest.raises(error, match=f"{name} must be .*, got {value!r}"):
        bouncing_balls(**sizes)
    sizes["batch_size"] = sizes.pop("n_sequences")
    name = name.replace("n_sequences", "batch_size")
    with pytest.raises(error, match=f"{name} must be .*, got {value!r}"):
        BouncingBalls(**sizes)


def test_numpy_integers_are_integers():
    one, two = np.int64(1), np.uint8(2)
    videos = bouncing_balls(one, two, resolution=np.uint8(30), n_balls=two, random_state=np.int32(0))
    np.testing.assert_array_equal(videos, bouncing_balls(1, 2, n_balls=2, random_state=0))


def test_too_many_balls():
    with pytest.raises(ValueError, match="n_balls must be at most 6 .*got 7"):
        bouncing_balls(1, n_balls=7)


HUGE = [(10**6, 10**9, 10**6), (1, 1, 2**32), (2**70, 1, 1), (np.int64(2**62), 2, 30)]


@pytest.mark.parametrize("n_sequences, n_frames, resolution", HUGE)
def test_more_videos_than_memory(n_sequences, n_frames, resolution):
    with pytest.raises(ValueError, match=f"n_sequences={n_sequences}, n_frames={n_frames}, .*would take"):
        bouncing_balls(n_sequences, n_frames, resolution=resolution)


@pytest.mark.parametrize("value, error", [(-1, ValueError), (1.0, TypeError), (False, TypeError)])
def test_bad_update(value, error):
    with pytest.raises(error, match=f"update must be .*, got {value!r}"):
        BouncingBalls(1).minibatch(value)


@pytest.mark.parametrize("value, error", [(-1, ValueError), ("seed", TypeError), (1.5, TypeError)])
def test_bad_random_state(value, error):
    with pytest.raises(error, match="random_state must be"):
        bouncing_balls(1, random_state=value)
    with pytest.raises(error, match="random_state must be"):
        BouncingBalls(1, random_state=value)
