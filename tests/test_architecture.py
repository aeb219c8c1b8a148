"""The picture of the house: the imports are found, each of them is drawn, and nothing covers a text."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("matplotlib")
Image = pytest.importorskip("PIL.Image")

from test_graphical_models import covered  # noqa: E402

import rtrbm  # noqa: E402
from experiments import architecture  # noqa: E402
from experiments.architecture import ROOMS, SMALL, House, arrows, imports  # noqa: E402

PACKAGE = Path(rtrbm.__file__).parent


def drawn(figure):
    """What the straight arrows and the dots stand for, in alphabetical order."""
    artists = [*figure.axes[0].patches, *figure.axes[0].lines]
    return sorted(artist.get_gid() for artist in artists if artist.get_gid())


def test_imports_of_every_form_are_found(tmp_path):
    sources = {
        "__init__.py": "from . import a",
        "a.py": "import numpy as np\nfrom .b import x\n\ndef f():\n    from house.c import y",
        "b/__init__.py": "from .inner import x\nfrom .. import d",
        "b/inner.py": "from ..c.deep import y as z\nfrom . import other\nimport house.e",
        "c.py": "import a, os\nfrom other.e import x",
        "d.py": "import house, house.a",
        "e.py": "",
    }
    for name, source in sources.items():
        (tmp_path / "house" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "house" / name).write_text(source)
    assert imports(tmp_path / "house") == {"a": {"b", "c"}, "b": {"c", "d", "e"}, "c": set(), "d": {"a"}, "e": set()}


def test_every_import_of_the_package_is_drawn_once():
    pairs = arrows(imports(PACKAGE))
    assert {("models", "estimators"), ("training", "gradient"), ("gradient", "rbm"), ("gradient", "past")} < set(pairs)
    assert not {("rbm", "past"), ("past", "rbm")} & set(pairs)
    assert drawn(House(imports(PACKAGE)).figure) == sorted(f"{a} imports {b}" for a, b in pairs)


def test_every_folder_has_a_room_of_its_own():
    folders = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert folders | {"gradient", "evaluate", "callbacks", "plots", SMALL} == set(ROOMS)


@pytest.mark.parametrize("wrong", [("compute", "training"), ("rbm", "past"), ("streams", "rbm")])
def test_an_import_that_does_not_lead_down_is_refused(wrong):
    a, b = wrong
    found = imports(PACKAGE)
    found[a] = found[a] | {b}
    with pytest.raises(ValueError, match=f"imports '{b}'"):
        House(found)


def test_nothing_covers_a_text_even_with_more_small_modules():
    house = House(imports(PACKAGE) | {"more": {"checks"}, "yet_more": set()})
    assert not covered(house.figure)
    label = next(text for text in house.axes.texts if text.get_text() == "rbm/")
    x, y = label.get_position()
    label.set_position((x, y + 0.13))
    assert covered(house.figure) == ["rbm/"]  # control: onto the side of its room
    label.set_position((0.5, y))
    assert covered(house.figure) == ["rbm/"]  # and onto a line beside the house


def test_main(tmp_path):
    architecture.main(["--output", str(tmp_path / "house.png")])
    with Image.open(tmp_path / "house.png") as image:
        pixels = np.asarray(image.convert("RGB"))
    assert pixels.shape[1] == 1300  # 6.5 inches at 200 dots
    assert all((edge == 255).all() for edge in (pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]))
    assert (pixels < 128).any()


@pytest.mark.parametrize("path", ["missing/house.png", "house"])
def test_the_picture_is_checked_before_any_work(path, tmp_path, monkeypatch):
    monkeypatch.setattr(architecture, "House", None)
    with pytest.raises(ValueError, match="--output must (be a file in an existing folder|end in one of .png, )"):
        architecture.main(["--output", str(tmp_path / path)])
