"""The diagrams: every connection is there under its name, between the right layers, and nothing covers a text."""

import json
from collections import Counter
from itertools import combinations

import numpy as np
import pytest

pytest.importorskip("matplotlib")
Image = pytest.importorskip("PIL.Image")

from matplotlib.patches import FancyArrowPatch  # noqa: E402
from matplotlib.path import Path  # noqa: E402

from experiments import graphical_models  # noqa: E402

DIAGRAMS = {"trbm": graphical_models.trbm, "rtrbm": graphical_models.rtrbm}
diagrams = pytest.mark.parametrize("diagram", DIAGRAMS.values(), ids=DIAGRAMS)


def connections(figure):
    """The style, "-" or "-|>", of every connection, by the names of the layers it joins."""
    axes = figure.axes[0]
    layers = {text.get_position(): text.get_text().strip("$") for text in axes.texts}
    return {
        tuple(
            layers.get(tuple(patch.center), "") for patch in (arrow.patchA, arrow.patchB)
        ): arrow.get_arrowstyle().arrow
        for arrow in axes.patches
        if isinstance(arrow, FancyArrowPatch)
    }


def covered(figure):
    """Texts that lie over each other, over a line, over the outline of a patch or over the figure's edge."""
    figure.draw_without_rendering()
    boxes = {text: text.get_window_extent() for text in figure.axes[0].texts}
    lines = [
        Path(polygon).interpolated(100).vertices
        for artist in (*figure.axes[0].patches, *figure.axes[0].lines)
        for polygon in artist.get_transform().transform_path(artist.get_path()).to_polygons(closed_only=False)
    ]
    over = [(a.get_text(), b.get_text()) for a, b in combinations(boxes, 2) if boxes[a].overlaps(boxes[b])]
    for text, box in boxes.items():
        crossed = any(box.count_contains(points) for points in lines)
        if crossed or not (figure.bbox.min <= box.min).all() or not (box.max <= figure.bbox.max).all():
            over.append(text.get_text())
    return over


def test_main(tmp_path):
    graphical_models.main(["--out", str(tmp_path)])
    for name in DIAGRAMS:
        with Image.open(tmp_path / f"{name}.png") as image:
            pixels = np.asarray(image.convert("RGB"))
        assert pixels.shape[1] == 1300  # 6.5 inches at 200 dots
        assert all((edge == 255).all() for edge in (pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]))
        assert (pixels < 128).any()
        assert (tmp_path / f"{name}.pdf").read_bytes().startswith(b"%PDF")
    assert "commit" in json.loads((tmp_path / "settings.json").read_text())["versions"]


def test_connections_of_the_trbm():
    figure = DIAGRAMS["trbm"]()
    frames = ["{t-2}", "{t-1}", "{t}"]
    within = {(f"v_{t}", f"h_{t}"): "-" for t in frames}
    past = {(f"{a}_{s}", f"{b}_{t}"): "-|>" for s, t in combinations(frames, 2) for a, b in ("vv", "vh", "hh")}
    found = connections(figure)
    found.pop(("", ""))  # the key's
    assert found == within | past
    names = Counter(text.get_text().strip("$") for text in figure.axes[0].texts)
    expected = {"W": 3, "A_1": 2, "U = B_1": 2, "C_1": 2, "A_2": 1, "B_2": 1, "C_2": 1}
    assert {name: names[name] for name in expected} == expected


def test_connections_of_the_rtrbm():
    """Eq. 3.20: r_t has v_t and r_{t-1} as parents; h_t has r_{t-1}, and shares an RBM with v_t."""
    figure = DIAGRAMS["rtrbm"]()
    within = {(f"v_{t}", f"h_{t}"): "-" for t in (1, 2, 3)} | {(f"v_{t}", f"r_{t}"): "-|>" for t in (1, 2, 3)}
    past = {(f"r_{t}", f"{x}_{t + 1}"): "-|>" for t in (1, 2) for x in "hr"}
    initial = {("", "h_1"): "-|>", ("", "r_1"): "-|>"}
    found = connections(figure)
    found.pop(("", ""))  # the key's
    assert found == within | past | initial
    names = Counter(text.get_text().strip("$") for text in figure.axes[0].texts)
    expected = {"W": 6, "U": 4, graphical_models.B_INIT: 2}
    assert {name: names[name] for name in expected} == expected


@diagrams
def test_nothing_covers_a_text(diagram):
    figure = diagram()
    assert not covered(figure)
    label = next(text for text in figure.axes[0].texts if text.get_text() == "$W$")
    x, y = label.get_position()
    label.set_position((x + 0.17, y))
    assert covered(figure) == ["$W$"]  # control: onto its line
    label.set_position((0, 2))
    assert covered(figure) == ["$W$"]  # and over the edge
