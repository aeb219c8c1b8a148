"""The package as it is handed out: Python 3.10 to 3.13, any system, its version and files."""

import ast
import configparser
import os
import re
import subprocess
import sys
from functools import cache, partial
from pathlib import Path

import pytest

import rtrbm

parse = cache(partial(ast.parse, feature_version=(3, 10)))
ROOT = Path(__file__).parents[1]
FILES = sorted([*(ROOT / "rtrbm").rglob("*.py"), *(ROOT / "experiments").rglob("*.py")])
SOURCES = {str(path.relative_to(ROOT)): path.read_text(encoding="utf-8") for path in FILES}
# Of Python 3.11 to 3.13, and what 3.13 has no more.
NEWER = {"tomllib", "Self", "Never", "LiteralString", "assert_never", "reveal_type", "dataclass_transform", "StrEnum"}
NEWER |= {
    "file_digest",
    "batched",
    "ExceptionGroup",
    "BaseExceptionGroup",
    "TaskGroup",
    "UTC",
    "override",
    "cbrt",
    "exp2",
}
NEWER |= {"add_note", "sumprod"}
GONE = set(
    "aifc asynchat asyncore audioop cgi cgitb chunk crypt distutils imghdr imp lib2to3 mailcap msilib nis nntplib "
    "ossaudiodev pipes smtpd sndhdr spwd sunau telnetlib uu xdrlib".split()
)


def imports(tree):
    """The modules and names that a file imports, each with its line."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name.split(".")[0], node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield node.module.split(".")[0], node.lineno
            yield from ((alias.name, node.lineno) for alias in node.names)


def guarded(tree):
    """Lines of blocks that the oldest Python does not run: those with `except ImportError`, and TYPE_CHECKING."""
    for node in ast.walk(tree):
        by_error = isinstance(node, ast.Try) and any("Import" in ast.unparse(h.type or node) for h in node.handlers)
        by_name = isinstance(node, ast.If) and re.search("TYPE_CHECKING|version_info", ast.unparse(node.test))
        if by_error or by_name:
            yield from range(node.lineno, node.end_lineno + 1)


def too_new(text):
    """What Python 3.10 does not have: its syntax is checked by the parser, names by a list."""
    tree = parse(text)
    free = set(guarded(tree))
    named = {(node.attr, node.lineno) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    return sorted((name, line) for name, line in named | set(imports(tree)) if name in NEWER and line not in free)


def test_nothing_is_newer_than_the_oldest_python():
    assert {name: found for name, text in SOURCES.items() if (found := too_new(text))} == {}


def test_nothing_is_imported_that_the_newest_python_has_no_more():
    found = {(name, module) for name, text in SOURCES.items() for module, _ in imports(parse(text))}
    assert [pair for pair in found if pair[1] in GONE] == []


def test_what_is_too_new_is_seen():
    """Control."""
    assert too_new("import tomllib") == [("tomllib", 1)] and too_new("x = hashlib.file_digest") == [("file_digest", 1)]
    assert too_new("try:\n    import tomllib\nexcept ImportError:\n    import tomli as tomllib") == []
    with pytest.raises(SyntaxError):
        too_new("try:\n    pass\nexcept* ValueError:\n    pass")


def without_encoding(text):
    """Lines that open a file as text in whatever encoding the system has."""
    found = []
    for node in ast.walk(parse(text)):
        if not isinstance(node, ast.Call) or any(keyword.arg == "encoding" for keyword in node.keywords):
            continue
        name = getattr(node.func, "id", getattr(node.func, "attr", ""))
        is_open = isinstance(node.func, ast.Name) and name == "open"
        modes = [
            arg.value for arg in [*node.args[1:2], *(k.value for k in node.keywords)] if isinstance(arg, ast.Constant)
        ]
        if is_open and not any("b" in mode for mode in modes if isinstance(mode, str)):
            found.append(node.lineno)
        if name == "read_text" and isinstance(node.func, ast.Attribute) and not node.args:
            found.append(node.lineno)
        if name == "write_text" and len(node.args) < 2:
            found.append(node.lineno)
    return found


def test_every_text_file_has_an_encoding():
    assert {name: lines for name, text in SOURCES.items() if (lines := without_encoding(text))} == {}


def test_a_missing_encoding_is_seen():
    """Control."""
    text = "open(p)\nopen(p, 'w')\nopen(p, 'rb')\nopen(p, encoding='ascii')\np.read_text()\np.write_text(x)"
    assert without_encoding(text) == [1, 2, 5, 6]


def test_it_works_without_what_unix_alone_has(tmp_path):
    """Modules, signals and functions of the system are taken away, as Windows has none of them."""
    script = [sys.executable, str(Path(__file__).parent / "without_unix.py"), str(tmp_path)]
    run = subprocess.run(script, capture_output=True, text=True, cwd=ROOT, env=environment())
    assert run.stdout.splitlines()[-1:] == ["done"], run.stdout + run.stderr


def environment():
    """This process's, with the package on the path."""
    return os.environ | {"PYTHONPATH": str(ROOT)}


def test_the_version_is_said_once():
    settings = configparser.ConfigParser()
    settings.read(ROOT / "setup.cfg", encoding="utf-8")
    assert settings["metadata"]["version"] == "attr: rtrbm.__version__"
    assert re.search(
        rf"^version: {re.escape(rtrbm.__version__)}$", (ROOT / "CITATION.cff").read_text(encoding="utf-8"), re.M
    )
    assert f"\n## {rtrbm.__version__}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert (ROOT / "rtrbm" / "py.typed").exists()


def test_importing_the_package_imports_nothing_heavy():
    """Figures, tables and the like come with the function that wants them."""
    code = "import sys; from rtrbm import RTRBM; import rtrbm.callbacks, rtrbm.convert; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment())
    heavy = (
        "matplotlib PIL pandas polars pyarrow sklearn dask numba mpi4py mido pooch scipy.stats scipy.optimize scipy.io"
    )
    assert set(heavy.split()) & set(run.stdout.split()) == set()
