"""Motion capture: the loaders and what they say of bad files, features and back, the figure in space, its pictures."""

import os
import pathlib

import numpy as np
import pytest
from scipy import sparse

from rtrbm import plots
from rtrbm.datasets import MotionFeatures, bvh_motion, hsu_motion, hsu_walking, mocap6, training_part
from rtrbm.datasets.motion import KEPT, N_COLUMNS, Skeleton

io = pytest.importorskip("scipy.io")
DATA = os.environ.get("RTRBM_DATA")
needs_data = pytest.mark.skipif(not DATA, reason="RTRBM_DATA does not name a folder of real data")


def skeleton(parents=(-1, 0, 1)):
    """A chain of joints, 6 columns each."""
    columns = np.arange(6 * len(parents)).reshape(-1, 2, 3)
    return Skeleton(np.array(parents), columns[:, 0], columns[:, 1])


def upright(n_frames):
    """Frames of somebody who stands: the axes ahead and to the left are level, at a right angle to the vertical."""
    frames = np.zeros((n_frames, N_COLUMNS))
    frames[:, :2] = np.pi / 2
    frames[:, 5] = 900
    return frames


def motion_file(path, sequences, parents=(-1, 0, 1), kind="mit"):
    """A file of the form of motion.mat."""
    own, cells = skeleton(parents), np.empty((1, len(sequences)), object)
    cells[0] = sequences
    tree = np.empty((1, len(parents)), [(name, object) for name in ("children", "parent", "or", "offset")])
    for i, parent in enumerate(parents):
        tree[0, i] = ([], [] if parent < 0 else [[parent + 1]], own.rotations[i] + 1, own.offsets[i] + 1)
    io.savemat(path, {"Motion": cells, "skel": {"tree": tree, "type": kind}})
    return path


def frames(n, seed=0):
    return np.random.default_rng(seed).standard_normal((n, N_COLUMNS))


# ------------------------------------------------------------------------------------------------ files


def test_motion_and_skeleton_are_read(tmp_path):
    made = [frames(20), frames(12, 1)]
    found = hsu_motion(motion_file(tmp_path / "motion.mat", made))
    for a, b in zip(found.sequences, made, strict=True):
        np.testing.assert_array_equal(a, b)
    for a, b in zip(found.skeleton, skeleton(), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("keep", [0, 90, 400, 5000])
def test_a_part_of_a_file_is_named_with_the_reason(keep, tmp_path):
    path = motion_file(tmp_path / "motion.mat", [frames(20)])
    whole = path.read_bytes()
    assert keep < len(whole)
    path.write_bytes(whole[:keep])
    with pytest.raises(ValueError, match=r"motion\.mat' is no MATLAB file that can be read, or only a part"):
        hsu_motion(path)


def test_other_files_are_refused(tmp_path):
    text = tmp_path / "text.mat"
    text.write_text("no data " * 50)
    for load in (hsu_motion, hsu_walking, mocap6):
        with pytest.raises(ValueError, match=r"text\.mat"):
            load(text)
        with pytest.raises(FileNotFoundError, match="nowhere"):
            load(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="no batchdata"):
        hsu_walking(motion_file(tmp_path / "motion.mat", [frames(20)]))


@pytest.mark.parametrize(
    "wrong, message",
    [
        (dict(sequences=[frames(20)[:, :50]]), r"Motion\[0\] of .*motion\.mat.* 108 features"),
        (dict(sequences=[np.where(np.arange(108) == 3, np.nan, frames(9))]), r"Motion\[0\]"),
        (dict(kind="acclaim"), "no tree of joints of the type 'mit'"),
        (dict(parents=(-1, 2, 1)), "no tree of joints"),
        (dict(parents=(-1, *range(18))), "names columns beyond the 108"),
    ],
)
def test_a_motion_file_of_another_form_is_refused(wrong, message, tmp_path):
    path = motion_file(tmp_path / "motion.mat", **{"sequences": [frames(20)], **wrong})
    with pytest.raises(ValueError, match=message):
        hsu_motion(path)


def test_sparse_matrices_are_dense_if_the_file_explains_them(tmp_path):
    v = frames(20)
    found = hsu_motion(motion_file(tmp_path / "motion.mat", [sparse.csc_matrix(v), v]))
    np.testing.assert_array_equal(found.sequences[0], v)
    huge = sparse.csc_matrix((4_000_000, N_COLUMNS))
    with pytest.raises(ValueError, match=r"path: Motion\[1\] of '.*motion.mat' would take 3456000000 bytes, the file"):
        hsu_motion(motion_file(tmp_path / "motion.mat", [v, huge]))
    io.savemat(tmp_path / "a.mat", {"batchdata": huge[:, :49], "seqlengths": [[20]]})
    with pytest.raises(ValueError, match="path: batchdata of '.*a.mat' would take 1568000000 bytes"):
        hsu_walking(tmp_path / "a.mat")


def test_a_file_of_version_7_3_is_told_so(tmp_path):
    path = tmp_path / "MOCAP.mat"
    for head in (b"MATLAB 7.3 MAT-file, Platform: GLNXA64", b"\x89HDF\r\n\x1a\n"):
        path.write_bytes(head.ljust(600))
        for load in (hsu_motion, hsu_walking):
            with pytest.raises(ValueError, match="MOCAP.mat' is of MATLAB's version 7.3 .* with the option -v7"):
                load(path)


def test_other_values_than_real_numbers_are_refused(tmp_path):
    io.savemat(tmp_path / "a.mat", {"batchdata": frames(20)[:, :49], "seqlengths": [[20 + 1j]]})
    with pytest.raises(ValueError, match=r"seqlengths of .* take it\.real or abs\(it\)"):
        hsu_walking(tmp_path / "a.mat")
    io.savemat(tmp_path / "a.mat", {"batchdata": "walk", "seqlengths": [[20]]})
    with pytest.raises(TypeError, match="batchdata of .*a.mat"):
        hsu_walking(tmp_path / "a.mat")


def test_lengths_that_do_not_fit_are_refused(tmp_path):
    io.savemat(tmp_path / "a.mat", {"batchdata": frames(20)[:, :49], "seqlengths": [[12, 9]]})
    with pytest.raises(ValueError, match="sum to 21, batchdata has 20"):
        hsu_walking(tmp_path / "a.mat")
    np.savez(tmp_path / "b.npz", X=frames(20)[:, :12], doc_range=[0, 25])
    with pytest.raises(ValueError, match="doc_range of .*b.npz"):
        mocap6(tmp_path / "b.npz")
    np.savez(tmp_path / "c.npz", X=frames(20)[:, :12])
    with pytest.raises(ValueError, match="c.npz.*doc_range"):
        mocap6(tmp_path / "c.npz")
    (tmp_path / "d.npz").write_bytes((tmp_path / "b.npz").read_bytes()[:1000])
    with pytest.raises(ValueError, match="d.npz"):
        mocap6(tmp_path / "d.npz")


# --------------------------------------------------------------------------------------------- features


def test_features_and_back():
    X = [frames(50) * 3 + 1, frames(30, 1) * 3 + 1]
    for v in X:
        v[:, np.setdiff1d(np.arange(N_COLUMNS), KEPT)] = 7
    found = MotionFeatures.measured(X, "all")
    inward = [found.inward(v) for v in X]
    together = np.concatenate(inward)
    np.testing.assert_allclose(together.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(together.std(axis=0, ddof=1), 1)
    for v, features in zip(X, inward):
        np.testing.assert_allclose(found.outward(features), v, atol=1e-12)


def test_statistics_of_the_training_part_know_nothing_of_the_rest():
    X = [frames(50), frames(30, 1)]
    train, cuts = training_part(X)
    assert cuts == [40, 24] == [len(v) for v in train]
    changed = [v.copy() for v in X]
    for v, cut in zip(changed, cuts):
        v[cut:] += 100
    for statistics, same in (("train", True), ("all", False)):
        a, b = (MotionFeatures.measured(these, statistics) for these in (X, changed))
        assert np.array_equal(a.mean, b.mean) == np.array_equal(a.deviation, b.deviation) == same
    with pytest.raises(ValueError, match="statistics"):
        MotionFeatures.measured(X, "test")
    for constant in (3, 0.1):  # whose mean is not exact
        with pytest.raises(ValueError, match=r"\[2\].*constant"):
            MotionFeatures.measured([np.where(np.arange(N_COLUMNS) == 1, constant, frames(9))], "all")


# ---------------------------------------------------------------------------------------------- figures


def test_the_figure_goes_through_space():
    """Two steps ahead, a quarter turn to the left, a step ahead, and one to the right."""
    v = upright(5)
    v[:, 3:5] = [(10, 0), (10, 0), (10, 0), (0, 10), (99, 99)]
    v[:, 2] = [0, np.pi / 2, 0, 0, 99]
    np.testing.assert_allclose(
        skeleton((-1,)).positions(v)[:, 0],
        [(0, 0, 900), (10, 0, 900), (20, 0, 900), (20, 10, 900), (30, 10, 900)],
        atol=1e-9,
    )


def test_bones_turn_with_their_parents():
    """Standing, facing x: a bone down from the root; bent by a right angle about the left axis, the next goes back."""
    v = upright(2)
    v[:, 9:12], v[:, 15:18] = (0, 50, 0), (0, 0, -400)  # to the left, then down
    v[1, 7] = np.pi / 2
    v[0, 2] = np.pi  # the second frame faces the other way
    found = skeleton().positions(v)
    np.testing.assert_allclose(found[0], [(0, 0, 900), (0, 50, 900), (0, 50, 500)], atol=1e-9)
    np.testing.assert_allclose(found[1], [(0, 0, 900), (0, -50, 900), (400, -50, 900)], atol=1e-9)


def test_the_root_turns_as_its_angles_say():
    """Any rotation, measured as the release does it, comes back but for its heading."""
    rotation = pytest.importorskip("scipy.spatial.transform").Rotation
    turn = rotation.from_rotvec([0.2, -0.3, 0]).as_matrix()
    v = upright(1)
    v[0, :2] = np.arccos(-turn[2, :2])
    v[0, 9:12], v[0, 15:18] = (0, 50, 0), (0, 0, 0)
    own = Skeleton(np.array([-1, 0, 0]), *(np.arange(18).reshape(3, 2, 3)[:, i] for i in (0, 1)))
    v[0, 15:18] = (100, 0, 0)
    root, left, ahead = own.positions(v)[0]
    heading = np.arctan2(turn[1, 0], turn[0, 0])
    back = rotation.from_euler("z", -heading).as_matrix()
    np.testing.assert_allclose((left - root) / 50, back @ turn[:, 1], atol=1e-9)
    np.testing.assert_allclose((ahead - root) / 100, back @ turn[:, 0], atol=1e-9)


def test_angles_that_no_body_has_give_a_figure_all_the_same():
    v = upright(3)
    v[:, :2] = [(0, 0), (0.1, 3.1), (7, -9)]
    assert np.isfinite(skeleton().positions(v)).all()


def test_pictures(tmp_path):
    """Ink where the figure is; a GIF of as many frames; nothing changes what is given."""
    Image = pytest.importorskip("PIL.Image")
    v = upright(6)
    v[:, 9:12], v[:, 15:18], v[:, 3] = (0, 50, 0), (0, 0, -400), 30
    own = skeleton()
    joints = own.positions(v)
    sides = own.sides(v[0])
    assert sides.tolist() == [0, 1, 1]
    kept = joints.copy()
    figure = plots.figure_strip({"a": joints, "b": joints[:4]}, own.parents, sides, n_shown=3, step=2)
    assert [len(axis.lines) - 1 for axis in figure.axes] == [6, 4]  # two bones a figure, and the floor
    plots.animate_figures({"a": joints, "b": joints[:4]}, own.parents, tmp_path / "a.gif", sides, size=60)
    with Image.open(tmp_path / "a.gif") as gif:
        assert gif.n_frames == 6 and gif.size == (120, 84)
        gif.seek(2)
        blue = np.array(gif.convert("RGB")).astype(int)
    assert (blue[:, :60, 2] - blue[:, :60, 0] > 60).any()
    np.testing.assert_array_equal(joints, kept)


@pytest.mark.parametrize(
    "wrong, error, message",
    [
        (dict(rows={"a": np.zeros((3, 2, 3))}), ValueError, "n_joints = 3"),
        (dict(rows={"a": np.full((3, 3, 3), np.nan)}), ValueError, "finite"),
        (dict(rows={}), ValueError, "at least one"),
        (dict(rows=[np.zeros((3, 3, 3))]), TypeError, "dict"),
        (dict(parents=[0, 1, 2]), ValueError, "parents"),
        (dict(sides=[0, 2, 0]), ValueError, "sides"),
        (dict(step=0), ValueError, "step"),
    ],
)
def test_wrong_figures_are_refused(wrong, error, message):
    with pytest.raises(error, match=message):
        plots.figure_strip(**{"rows": {"a": np.zeros((3, 3, 3))}, "parents": [-1, 0, 1], **wrong})


# ------------------------------------------------------------------------------------------- real data


@needs_data
def test_motion_is_the_matrix_of_the_papers():
    """The 49 columns, standardised, to rounding; control: the training part's statistics give other numbers."""
    folder = pathlib.Path(DATA, "mocap_hsu")
    motion, wanted = hsu_motion(folder / "motion.mat"), hsu_walking(folder / "MOCAP.mat")
    for statistics, same in (("all", True), ("train", False)):
        features = MotionFeatures.measured(motion.sequences, statistics)
        apart = [np.abs(features.inward(v) - w).max() for v, w in zip(motion.sequences, wanted, strict=True)]
        assert (max(apart) < 1e-9) == same
    for v, w in zip(motion.sequences, wanted):
        np.testing.assert_allclose(MotionFeatures.measured(motion.sequences, "all").outward(w), v, atol=1e-9)


@needs_data
def test_feet_stand_still_on_the_floor():
    """A foot that bears the body moves by less than 4 mm a frame; control: without its path the figure slides."""
    motion = hsu_motion(pathlib.Path(DATA, "mocap_hsu", "motion.mat"))
    v = motion.sequences[2]

    def slides(frames):
        toes = motion.skeleton.positions(frames)[:, [4, 8]]
        return np.quantile(np.linalg.norm(np.diff(toes, axis=0), axis=2).min(axis=1), 0.5)

    still = v.copy()
    still[:, 3:5] = 0
    assert slides(v) < 4 < 10 < slides(still)
    places = motion.skeleton.positions(v)
    assert -20 < places[..., 2].min() and np.ptp(places[..., 2], axis=1).min() > 1000  # upright
    assert motion.skeleton.sides(v[0])[1:9].tolist() == [1] * 4 + [-1] * 4


# ------------------------------------------------------------------------------------------- BVH files

BVH = """HIERARCHY
ROOT Hips
{
  OFFSET 0 0 0
  CHANNELS 6 Xposition Yposition Zposition Zrotation Yrotation Xrotation
  JOINT Chest
  {
    OFFSET 0 20 0
    CHANNELS 3 Zrotation Yrotation Xrotation
    JOINT Head
    {
      OFFSET 0 10 0
      CHANNELS 3 Zrotation Yrotation Xrotation
      End Site
      {
        OFFSET 0 5 0
      }
    }
  }
}
MOTION
Frames: 2
Frame Time: 0.0333333
1 90 2 0 0 0 0 0 0 0 0 0
1 90 2 0 0 0 90 0 0 0 0 0
"""


def test_a_bvh_file_is_read(tmp_path):
    """The second frame bends the chest by a right angle about z, so that the head moves along -x; y was up."""
    pytest.importorskip("pybvh")
    path = tmp_path / "a.bvh"
    path.write_text(BVH)
    found = bvh_motion(path)
    assert found.frames.shape == (2, 21) and found.parents.tolist() == [-1, 0, 1]
    assert found.names == ["Hips", "Chest", "Head"] and round(found.frames_per_second) == 30
    np.testing.assert_allclose(found.places[0], [(2, 1, 90), (2, 1, 110), (2, 1, 120)], atol=1e-9)
    np.testing.assert_allclose(found.places[1], [(2, 1, 90), (2, 1, 110), (2, -9, 110)], atol=1e-9)
    np.testing.assert_allclose(found.frames[:, :3], [(1, 90, 2)] * 2)
    path.write_text(BVH[:400])
    with pytest.raises(ValueError, match=r"a\.bvh"):
        bvh_motion(path)
    with pytest.raises(FileNotFoundError, match="nowhere"):
        bvh_motion(tmp_path / "nowhere.bvh")


def test_a_bvh_file_that_ends_inside_its_last_number(tmp_path):
    pytest.importorskip("pybvh")
    path = tmp_path / "a.bvh"
    text = BVH.replace("1 90 2 0 0 0 90 0 0 0 0 0\n", "1.00 90.00 2.00 " + "9.25 " * 8 + "79.25")
    for whole in (text, text + "\n", BVH[:-1], text[:-3] + "\n", text[:-3].replace("9.25 ", "9 ", 1)):
        path.write_text(whole)
        bvh_motion(path)
    for cut in (1, 2, 3, 4):
        path.write_text(text[:-cut])
        with pytest.raises(ValueError, match=r"path: '.*a\.bvh' may be cut off, its last number, 7.*, has fewer"):
            bvh_motion(path)


def test_a_figure_below_the_origin_stays_upright(tmp_path):
    """The head is above the hips, wherever the origin lies."""
    pytest.importorskip("pybvh")
    path = tmp_path / "seated.bvh"
    for height in (-80, 80):
        path.write_text(BVH.replace("1 90 2 ", f"1 {height} 2 "))
        hips, chest, head = bvh_motion(path).places[0, :, 2]
        assert hips == pytest.approx(height) and hips < chest < head


def test_a_lower_body_stands_on_its_feet(tmp_path):
    pytest.importorskip("pybvh")
    joint = "{name}\n{{\nOFFSET {offset}\nCHANNELS {channels}\n{inside}}}\n"
    turn, end = "3 Zrotation Xrotation Yrotation", "End Site\n{\nOFFSET 0 -5 0\n}\n"

    def leg(side, x):
        foot = joint.format(name=f"JOINT {side}Foot", offset="0 -40 0", channels=turn, inside=end)
        return joint.format(name=f"JOINT {side}Leg", offset=f"{x} -45 0", channels=turn, inside=foot)

    place = f"6 Xposition Yposition Zposition {turn[2:]}"
    hips = joint.format(name="ROOT Hips", offset="0 0 0", channels=place, inside=leg("Left", 10) + leg("Right", -10))
    frame = " ".join(["0 90 0", *["0"] * 15])
    path = tmp_path / "legs.bvh"
    path.write_text(f"HIERARCHY\n{hips}MOTION\nFrames: 3\nFrame Time: 0.01\n" + f"{frame}\n" * 3)
    motion = bvh_motion(path)
    heights = dict(zip(motion.names, motion.places[0, :, 2]))
    assert heights["Hips"] == pytest.approx(90) and heights["LeftFoot"] == pytest.approx(5)
