"""What the docs quote is there: names of the package, and lines of the functions they are said to be in."""

import importlib
import inspect
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "experiments" / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def find(name):
    """The object of a dotted name."""
    parts = name.split(".")
    for n in range(len(parts), 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:n]))
        except ModuleNotFoundError:
            continue
        for part in parts[n:]:
            found = getattr(found, part)
        return found
    raise ModuleNotFoundError(name)


def names(text):
    """The dotted names in code font, files left out."""
    return re.findall(r"`((?:rtrbm|experiments)(?:\.(?!h5`)\w+)+)(?:\(\))?`", text)


def quotations(text):
    """Pairs of a line and the function it is said to be in."""
    return re.findall(r"`([^`]+)` in `(rtrbm(?:\.\w+)+)`", text)


def is_in(line, function):
    """Whether a line, in which ... stands for anything, is in the source of a function."""
    pattern = ".*".join(re.escape(part) for part in line.split("..."))
    return re.search(pattern, inspect.getsource(find(function))) is not None


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_every_name_on_a_page_exists(page):
    for name in names(page.read_text()):
        find(name)


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_every_quoted_line_is_in_its_function(page):
    wrong = [pair for pair in quotations(page.read_text()) if not is_in(*pair)]
    assert not wrong


def test_there_is_something_to_check():
    """Control: the gradient's page quotes lines, and a line or a name that is not there is noticed."""
    text = (ROOT / "docs" / "gradient.md").read_text()
    assert len(quotations(text)) >= 6 and "rtrbm.exact.averages" in names(text)
    assert not is_in("d_W = gram(h, d, n_jobs)", "rtrbm.dynamics.gradient")
    with pytest.raises((AttributeError, ModuleNotFoundError)):
        find("rtrbm.rnn.forwards")


def test_every_file_a_page_shows_or_links_to_exists():
    for page in PAGES:
        for link in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
            assert link.startswith("http") or (page.parent / link).exists(), (page.name, link)
