"""All that the pages name exists: functions, files, commands, links, equations. Their models and their code run.

The equations and algorithms that the code cites are on the chapter's page.
"""

import ast
import importlib
import inspect
import io
import re
import shlex
import tokenize
import warnings
from pathlib import Path

import pytest

import rtrbm
from experiments import bouncing_balls
from rtrbm.datasets import BouncingBalls

ROOT = Path(__file__).parent.parent
DOCS = sorted((ROOT / "docs").glob("*.md"))
CHAPTER, README = ROOT / "docs" / "chapter.md", ROOT / "README.md"
OUTSIDE = "CONTRIBUTING.md SECURITY.md CHANGELOG.md data/README.md experiments/README.md".split()
PAGES = [README, *(ROOT / name for name in OUTSIDE), *DOCS, *sorted((ROOT / "docs" / "api").glob("*.md"))]
every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


# ------------------------------------------------------------------------------------------- names


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
    return re.findall(r"`((?:rtrbm|experiments)(?:\.(?!h5`)\w+)+)(?:\([^`]*\))?`", text)


@every_page
def test_every_name_exists(page):
    for name in names(page.read_text()):
        find(name)


def test_a_missing_name_is_noticed():
    """Control, and the pages name enough."""
    assert len(names(CHAPTER.read_text())) >= 50
    assert "rtrbm.rbm.negative.Exact" in names((ROOT / "docs" / "gradient.md").read_text())
    for name in ("rtrbm.past.recurrence.forwards", "rtrbm.rnn.forward", "rtrbm.RTRBM.fits"):
        with pytest.raises((AttributeError, ModuleNotFoundError)):
            find(name)


# -------------------------------------------------------------------------- tags of equations, words


def numbers(text):
    """The numbers of all equations that a text cites: "eq. 3.24", "eqs. 3.23 to 3.25", "eq. 3.23, 3.24"."""
    lists = re.findall(r"\beqs?\. (3\.\d\d(?:(?:,| and| to) 3\.\d\d)*)", text)
    return set(re.findall(r"3\.\d\d", " ".join(lists)))


def comments(source):
    """The comments of a source text."""
    tokens = tokenize.generate_tokens(io.StringIO(inspect.cleandoc(source)).readline)
    return "\n".join(token.string for token in tokens if token.type == tokenize.COMMENT)


def quotations(text):
    """Pairs of a tag or word and the function or class that it is said to be in."""
    return re.findall(r"`([^`\n]+)` in `(rtrbm(?:\.\w+)+)`", text)


def is_in(quoted, function):
    """Whether a function has a comment with the equation of a tag like "# eq. 3.25", or else the quoted word."""
    source = inspect.getsource(find(function))
    if quoted.startswith("# eq. "):
        return numbers(quoted) <= numbers(comments(source))
    return re.search(rf"(?<!\w){re.escape(quoted)}(?!\w)", source) is not None


@every_page
def test_every_tag_is_in_its_function(page):
    assert not [pair for pair in quotations(page.read_text()) if not is_in(*pair)]


def test_a_missing_tag_is_noticed():
    """Control, and the pages quote the tag of every equation of the gradient."""
    assert len(quotations(CHAPTER.read_text())) >= 15
    for page in ("chapter.md", "gradient.md", "bptt.md"):
        quoted = {tag for tag, _ in quotations((ROOT / "docs" / page).read_text())}
        assert {"# eq. 3.23", "# eq. 3.24", "# eq. 3.25"} <= quoted
    assert is_in("# eq. 3.24", "rtrbm.gradient.gradient")
    assert not is_in("# eq. 3.22", "rtrbm.gradient.gradient")
    assert not is_in("# eq. 3.25", "rtrbm.RTRBM")  # in the docstring alone
    assert not is_in("Algorithm 1", "rtrbm.RTRBM.transform")


def cited(text):
    """The chapter's equations and algorithms that a module cites."""
    return numbers(text) | set(re.findall(r"\bAlgorithm \d", text))


def test_every_equation_the_code_cites_is_on_the_chapters_page():
    page = CHAPTER.read_text()
    on_page = set(re.findall(r"\b3\.\d\d\b|\bAlgorithm \d", page))
    modules = [*(ROOT / "rtrbm").rglob("*.py"), *(ROOT / "experiments").rglob("*.py")]
    code = set().union(*(cited(module.read_text()) for module in modules))
    assert not code - on_page
    equations = {"3.20", "3.22", "3.23", "3.24", "3.25"}
    assert equations | {"Algorithm 1", "Algorithm 2", "Algorithm 3", "Algorithm 4"} <= code
    assert set(re.findall(r"\b3\.2\d\b(?!\.)", page)) == equations  # and the page has no others
    control = cited("(eq. 3.21), eq. 3.26 to 3.28, eq. 3.20, 3.29, Algorithm 5")
    assert control - on_page == {"3.21", "3.26", "3.28", "3.29", "Algorithm 5"}


# ------------------------------------------------------------------------------ files, commands, links


def missing_files(text):
    """Paths in code font that do not exist."""
    paths = re.findall(r"`((?:rtrbm|experiments|tests|docs|data)/[\w./-]*)`", text)
    return [path for path in paths if not (ROOT / path).exists() and not path.endswith("__pycache__")]


def wrong_commands(text):
    """Experiments that do not exist, and options that the main one does not take."""
    wrong = []
    for module, options in re.findall(r"python -m experiments\.(\w+)([^`\n;(]*)", text):
        try:
            if module == "bouncing_balls" and "..." not in options:
                bouncing_balls.parser().parse_args(shlex.split(options))
            else:
                find(f"experiments.{module}.main")
        except (ModuleNotFoundError, AttributeError, SystemExit):
            wrong.append(f"{module}{options}")
    return wrong


def anchor(heading):
    """The anchor that GitHub gives a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def dead_links(page, text):
    """Links and images of a page that lead nowhere, anchors included."""
    dead = []
    for link in re.findall(r"\]\(([^)]+)\)", text):
        file, _, place = link.partition("#")
        target = page.parent / file if file else page
        if link.startswith("http"):
            continue
        headings = re.findall(r"^#+ (.+)$", target.read_text(), re.M) if place and target.exists() else []
        if not target.exists() or place and place not in map(anchor, headings):
            dead.append(link)
    return dead


@every_page
def test_every_file_command_and_link_exists(page):
    text = page.read_text()
    assert not missing_files(text)
    assert not wrong_commands(text)
    assert not dead_links(page, text)


def test_a_missing_file_command_or_link_is_noticed():
    """Control."""
    assert missing_files("`rtrbm/rtrbm.py` and `rtrbm/gradient.py`") == ["rtrbm/rtrbm.py"]
    commands = "`python -m experiments.taps`, `python -m experiments.bouncing_balls --profile quicker`"
    assert len(wrong_commands(commands)) == 2
    links = "[a](chapter.md#39-the-objective) [b](chapter.md#the-objective) [c](none.md) ![d](images/none.png)"
    assert dead_links(CHAPTER, links) == ["chapter.md#the-objective", "none.md", "images/none.png"]


def test_the_index_has_every_page():
    index = (ROOT / "docs" / "README.md").read_text()
    missing = [page.name for page in DOCS if page.name != "README.md" and f"]({page.name})" not in index]
    assert not missing and "](docs/README.md)" in README.read_text()


# --------------------------------------------------------------------------------------- models, code

CLASSES = "|".join(sorted(rtrbm.models.__all__, key=len, reverse=True))


def models(text):
    """The models and streams in code font, as they are made."""
    return re.findall(rf"`((?:{CLASSES}|BouncingBalls)\([^`.]*(?:\.\d[^`.]*)*\))`", text)


def make(call):
    return eval(call, {**vars(rtrbm), "BouncingBalls": BouncingBalls})


@every_page
def test_every_model_can_be_made(page):
    """But those of docs/add-a-model.md with parts of its own, which tests/test_add_a_model.py makes."""
    for call in models(page.read_text()):
        if "Binomial" in call or "FromCoins" in call:
            continue
        model = make(call)
        if isinstance(model, rtrbm.Stack):
            model._check_layers()
        elif not isinstance(model, BouncingBalls):
            model._check_hyper_parameters()


def test_a_model_that_cannot_be_made_is_noticed():
    """Control, and the pages have models."""
    assert len(models(CHAPTER.read_text())) >= 10 and len(models(README.read_text())) >= 8
    with pytest.raises(TypeError):
        make("TRBM(n_tap=4)")


def python(page):
    """The blocks of Python on a page."""
    return re.findall(r"^```python\n(.*?)^```", page.read_text(), re.M | re.S)


SMALLER = {
    "README.md": {"n_updates=500": "n_updates=2", "bouncing_balls(10,": "bouncing_balls(1,"},
    "docs/verbs.md": {"n_epochs=20": "n_epochs=11", "patience=5": "patience=50"},
    "docs/start.md": {'"n_updates": 1000': '"n_updates": 2', "bouncing_balls(420,": "bouncing_balls(24,", "400": "20"},
    "docs/choosing.md": {"n_updates=600": "n_updates=20"},
    "docs/chapter.md": {"range(5)": "range(1)", "(1, 500, 10)": "(1, 5, 10)"},
    "docs/forecasts.md": {"n_updates=1000": "n_updates=20"},
    "docs/from-sklearn.md": {},
    "docs/gradient.md": {"4000": "100"},
    "docs/likelihood.md": {"n_updates=100": "n_updates=20"},
    "docs/music.md": {
        'piano_rolls("data/polyphonic_music/JSB_Chorales.mat")': "[[__import__('numpy').eye(120, 88)]] * 3",
        "n_updates=8000": "n_updates=2",
    },
    "docs/report.md": {"n_updates=300": "n_updates=2", "resolution=15": "resolution=10", "RTRBM(100": "RTRBM(5"},
    "docs/your-data.md": {'"n_updates": 1000': '"n_updates": 2'},
}  # numbers of the pages' code, and those that it is tested with


@pytest.mark.parametrize("name", SMALLER)
def test_the_code_on_a_page_runs(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code = "\n".join(python(ROOT / name))
    for number, smaller in SMALLER[name].items():
        assert number in code
        code = code.replace(number, smaller)
    made = {"__name__": "__main__"}
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "the run in .* goes on with n_epochs")  # as the page says
        exec(compile(code, name, "exec"), made)
    if name == "README.md":
        assert made["prediction"].shape == made["X"].shape == (1, 100, 225)
        assert made["dream"].shape == (1, 100, 225) and (tmp_path / "balls.h5").exists()


def test_all_other_code_is_known():
    """A new block of Python on a page needs an entry here."""
    with_code = {str(page.relative_to(ROOT)) for page in PAGES if python(page)}
    elsewhere = {"docs/bptt.md", "docs/add-a-model.md", "docs/interchange.md"}  # a quotation; test_*.py of that name
    assert with_code == {*SMALLER, *elsewhere}


# ---------------------------------------------------------------------------------------------- README


def test_the_first_screen_stands_by_itself():
    """A picture and the command for such a picture, the rival, and "the chapter" only after it was named."""
    text = README.read_text()
    screen = text[: text.index("\n## ")]
    assert len(screen.splitlines()) <= 30
    assert "docs/images/dreams.gif" in screen and "python -m experiments.bouncing_balls" in screen
    (error,) = re.findall(r"\| 15x15 \| RTRBM \| \(none\) \| (.+) \|", text)
    assert "linear predictor" in screen and "1.22" in screen and f" {error} for the RTRBM" in screen
    assert text.index("call the\nchapter") < text.index("Equations 3.20 and")
    assert len(re.findall("the chapter", text[: text.index("## The chapter")])) == 0


def test_the_test_command_is_one_line():
    """.ci/run takes it from there."""
    assert len(re.findall(r"^python3 -m venv .*pytest.*$", README.read_text(), re.M)) == 1


def test_the_ten_lines_are_ten_lines():
    (code,) = python(README)
    assert len([line for line in code.splitlines() if line.strip()]) == len(ast.parse(code).body) == 10
