"""The site of the pages: every page is in it, two clicks from the front page, and a built page fetches nothing."""

import ast
import importlib
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PUBLIC = ("rtrbm", "rtrbm.rbm", "rtrbm.convert", "rtrbm.datasets", "rtrbm.plots", "rtrbm.report", "rtrbm.callbacks")
COMMAND = "python -m sphinx -W --keep-going -c docs . build/docs"


# --------------------------------------------------------------------------------------------- sources


def toctree(page):
    """The pages of the toctrees of a page, globs too."""
    found = set()
    for block in re.findall(r"^```\{toctree\}\n(.*?)^```", page.read_text(), re.M | re.S):
        for line in block.splitlines():
            if line and not line.startswith(":"):
                found |= {path.resolve() for path in page.parent.glob(f"{line}.*") if path.suffix in (".md", ".ipynb")}
    return found


def pages():
    """All pages of the repository."""
    outside = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")]
    outside += [ROOT / "experiments" / "README.md", ROOT / "data" / "README.md"]
    return {
        path.resolve()
        for path in (*DOCS.glob("*.md"), *DOCS.glob("api/*.md"), *DOCS.glob("notebooks/*.ipynb"), *outside)
    }


def test_every_page_is_two_clicks_from_the_front_page():
    front = (DOCS / "index.md").resolve()
    first = toctree(DOCS / "index.md")
    second = set().union(*(toctree(page) for page in first if page.suffix == ".md"))
    assert pages() == first | second | {front}


def test_every_notebook_is_in_the_gallery_with_its_picture():
    text = (DOCS / "gallery.md").read_text()
    for path in DOCS.glob("notebooks/*.ipynb"):
        assert f"](notebooks/{path.name})" in text and f"](notebooks/{path.stem}.png)" in text
        assert (DOCS / "notebooks" / f"{path.stem}.png").stat().st_size < 40_000


def test_every_public_name_is_in_the_api():
    text = "\n".join(path.read_text() for path in sorted((DOCS / "api").glob("*.md")))
    modules = set(re.findall(r"automodule:: (\S+)\n   :members:\n", text))
    for name in PUBLIC:
        module = importlib.import_module(name)
        for member in getattr(module, "__all__"):
            if name not in modules and callable(getattr(module, member)):
                assert re.search(rf"(autoclass|autofunction):: (\S+\.)?{member}\b|members:.*\b{member}\b", text), member


# -------------------------------------------------------------------------------------------- warnings


def literal(node):
    """The text of a string, "..." for what is filled in; None if it is none."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(part.value if isinstance(part, ast.Constant) else "..." for part in node.values)


def warned(tree):
    """The texts of the warnings of a module: handed to `warn`, yielded as doubts, or returned as what is said."""
    for function in [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]:
        assigned = {
            n.targets[0].id: n.value
            for n in ast.walk(function)
            if isinstance(n, ast.Assign) and isinstance(n.targets[0], ast.Name)
        }
        for node in ast.walk(function):
            if isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] == "warn" and node.args:
                text = node.args[0]
                yield literal(assigned.get(text.id) if isinstance(text, ast.Name) else text)
            elif (
                isinstance(node, ast.Yield)
                and function.name.startswith("of_")
                or isinstance(node, ast.Return)
                and function.name == "_said"
            ):
                yield literal(node.value)


def first_words(text):
    """The first words, up to four, of the first part of a text that has at least two."""
    parts = (re.findall(r"[^\s:;()]*\w[^\s:;()]*", part) for part in text.replace("'", "").split("..."))
    return " ".join(next(words for words in parts if len(words) > 1)[:4]).rstrip(",")


def missing(texts, page):
    return [text for text in texts if first_words(text) not in page]


def test_every_warning_is_on_the_page_of_troubles():
    texts = [text for path in (ROOT / "rtrbm").rglob("*.py") for text in warned(ast.parse(path.read_text())) if text]
    page = (DOCS / "troubleshooting.md").read_text()
    assert len(texts) >= 18 and not missing(texts, page)
    assert missing(["X is very odd in feature ...: leave it out"], page)  # control


# ------------------------------------------------------------------------------------------ built pages


class Links(HTMLParser):
    """What a built page leads to, what it fetches by itself, and the places in it."""

    def __init__(self, path):
        super().__init__()
        self.links, self.fetched, self.places = [], [], {""}
        self.feed(path.read_text())

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.places.add(attributes.get("id", ""))
        if tag == "a" and "href" in attributes:
            self.links.append(attributes["href"])
        elif tag in ("img", "script", "iframe", "source", "video") and "src" in attributes:
            self.fetched.append(attributes["src"])
        elif tag == "link" and attributes.get("rel") not in ("canonical", "index", "search", "next", "prev"):
            self.fetched.append(attributes["href"])


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The pages of the site as the command of CONTRIBUTING.md builds them, by their paths."""
    for name in ("sphinx", "furo", "myst_nb"):
        pytest.importorskip(name)
    assert COMMAND in (ROOT / "CONTRIBUTING.md").read_text()
    out = tmp_path_factory.mktemp("site")
    command = [sys.executable, *COMMAND.split()[1:-1], str(out)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run(command, cwd=ROOT, check=True, env=environment, capture_output=True, text=True)
    return {path: Links(path) for path in out.rglob("*.html")}


def dead(site):
    """Links of built pages that lead nowhere, and what is fetched from elsewhere."""
    found = []
    for path, page in site.items():
        for link in (*page.links, *page.fetched):
            parts = urlsplit(link)
            if parts.scheme in ("data", "mailto"):
                continue
            if parts.scheme or parts.netloc:
                found += [(path.name, link)] if link in page.fetched else []
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if not target.exists() or target in site and unquote(parts.fragment) not in site[target].places:
                found.append((path.name, link))
    return found


def test_built_pages_fetch_nothing_and_lead_somewhere(site):
    assert len(site) > 30 and not dead(site)
    root = min(site, key=lambda path: len(path.parts)).parent
    styles = [style.read_text() for style in root.rglob("*.css")]
    assert styles and not re.search(r"url\(\s*['\"]?(?:https?:)?//", "\n".join(styles))


def test_a_dead_link_of_a_built_page_is_noticed(tmp_path):
    """Control."""
    path = tmp_path / "a.html"
    links = '<a href="b.html"></a><a href="#c"></a><a href="#d" id="d"></a><a href="https://g.org"></a>'
    path.write_text(f'{links}<img src="https://e.org/f.png">')
    assert [link for _, link in dead({path: Links(path)})] == ["b.html", "#c", "https://e.org/f.png"]


def test_the_front_page_leads_to_every_page_in_two_clicks(site):
    pages = {path for path in site if path.name not in ("genindex.html", "py-modindex.html", "search.html")}
    start = next(path for path in pages if path.parts[-2:] == ("docs", "index.html"))

    def reached(path):
        return {
            (path.parent / unquote(urlsplit(link).path)).resolve() for link in site[path].links if "://" not in link
        } & pages

    first = reached(start)
    second = set().union(*map(reached, first))
    assert pages - {start} - first - second <= {start.parent.parent / "index.html"}


def test_equations_are_drawn_without_a_script(site):
    (chapter,) = (path for path in site if path.name == "chapter.html")
    assert chapter.read_text().count("<math") > 100
