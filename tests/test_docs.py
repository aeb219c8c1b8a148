"""What the docs quote is there: names of the package, and lines of the functions they are said to be in.

And what the code cites is on the chapter's page.
"""

import importlib
import inspect
import re
from pathlib import Path

import pytest

import rtrbm
from rtrbm.datasets import BouncingBalls

ROOT = Path(__file__).parent.parent
CHAPTER = ROOT / "docs" / "chapter.md"
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
    """Control: the pages quote lines, and a line or a name that is not there is noticed."""
    chapter = CHAPTER.read_text()
    assert len(quotations(chapter)) >= 20 and len(names(chapter)) >= 50
    text = (ROOT / "docs" / "gradient.md").read_text()
    assert len(quotations(text)) >= 6 and "rtrbm.exact.averages" in names(text)
    assert not is_in("d_W = gram(h, d, n_jobs)", "rtrbm.dynamics.gradient")
    with pytest.raises((AttributeError, ModuleNotFoundError)):
        find("rtrbm.rnn.forwards")


def test_every_file_a_page_shows_or_links_to_exists():
    for page in PAGES:
        for link in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
            assert link.startswith("http") or (page.parent / link).exists(), (page.name, link)


def cited(text):
    """The chapter's equations and algorithms that a module cites."""
    pairs = re.findall(r"\beqs?\. (3\.\d\d)(?: to (3\.\d\d))?", text)
    return {number for pair in pairs for number in pair if number} | set(re.findall(r"\bAlgorithm \d", text))


def test_every_equation_the_code_cites_is_on_the_chapters_page():
    page = CHAPTER.read_text()
    on_page = set(re.findall(r"\b3\.\d\d\b|\bAlgorithm \d", page))
    modules = [*(ROOT / "rtrbm").rglob("*.py"), *(ROOT / "experiments").rglob("*.py")]
    code = set().union(*(cited(module.read_text()) for module in modules))
    assert not code - on_page
    equations = {"3.20", "3.22", "3.23", "3.24", "3.25"}
    assert equations | {"Algorithm 1", "Algorithm 3", "Algorithm 4"} <= code
    assert set(re.findall(r"\b3\.2\d\b(?!\.)", page)) == equations  # and the page has no others
    assert cited("(eq. 3.21), eq. 3.26 to 3.28, Algorithm 5") - on_page == {
        "3.21",
        "3.26",
        "3.28",
        "Algorithm 5",
    }


def models(text):
    """The models and streams in code font, as they are made."""
    return re.findall(r"`((?:RTRBM|TRBM|CRBM|RBM|BouncingBalls)\([^`]+\))`", text)


def make(call):
    return eval(call, {**vars(rtrbm), "BouncingBalls": BouncingBalls})


def test_every_model_on_the_chapters_page_can_be_made():
    made = models(CHAPTER.read_text())
    assert len(made) >= 10
    for call in made:
        model = make(call)
        if not isinstance(model, BouncingBalls):
            model._check_hyper_parameters()
    with pytest.raises(TypeError):  # control
        make("TRBM(n_tap=4)")
