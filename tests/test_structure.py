"""The package, read from its files: an order of modules, no circle, small classes and functions, no names of kinds.

Every rule is a function from sources to what breaks it, and is tried on sources that break it too.
"""

import ast
from functools import cache
from pathlib import Path

import pytest

import rtrbm
from rtrbm.rbm import Units

ROOT = Path(rtrbm.__file__).parent
LEVELS = (
    (
        "functions", "biases", "claims", "parameters", "kinds", "streams", "hdf5", "machine", "probe", "progress",
        "replacing", "warned", "weights",
    ),  # fmt: skip
    ("types",),
    ("foreign",),
    ("checks", "user_data"),
    ("compute",),
    ("minibatches.sequences",),
    ("rbm", "past"),
    ("gradient",),
    ("minibatches", "evaluate"),
    ("training",),
    ("estimators",),
    ("models", "callbacks"),
    ("plots", "convert", "report"),
    ("datasets",),
    ("",),  # rtrbm/__init__.py
    ("commands",),
    ("__main__",),
)
MODELS = {"RTRBM", "TRBM", "CRBM", "RNNRBM", "SRTRBM", "LSTMRBM", "Stack"}
CLASS_LINES, FUNCTION_LINES = 200, 50
parse = cache(ast.parse)


def read_sources():
    """The text of every module by its name: "rbm.chains", "rbm" for rbm/__init__.py, "" for that of the root."""
    sources = {}
    for path in sorted(ROOT.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        sources[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path.read_text()
    return sources


SOURCES = read_sources()
PACKAGES = {module for module in SOURCES if (ROOT / module.replace(".", "/")).is_dir()}


def with_more(module, text):
    """The sources with more text at the end of a module."""
    return SOURCES | {module: f"{SOURCES[module]}\n{text}\n"}


# ---------------------------------------------------------------------------------------------- imports


def imported(node, module):
    """The modules of the package that an import statement in a module names."""
    if isinstance(node, ast.Import):
        names = [alias.name for alias in node.names if alias.name.split(".")[0] == "rtrbm"]
        return {name.removeprefix("rtrbm").removeprefix(".") for name in names}
    if not node.level:
        if node.module.split(".")[0] != "rtrbm":
            return set()
        base = node.module.split(".")[1:]
    else:
        inside = ["rtrbm", *module.split(".")] if module else ["rtrbm"]
        above = inside[: len(inside) - node.level + (module in PACKAGES)]
        base = [*above[1:], *(node.module.split(".") if node.module else [])]
    below = {".".join([*base, alias.name]) for alias in node.names}
    return {name if name in SOURCES else ".".join(base) for name in below}


def arrows(sources):
    """(importing module, imported module, whether a function imports it when it is called) of all imports."""
    found = set()

    def visit(node, module, in_function):
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.Import | ast.ImportFrom):
                found.update((module, name, in_function) for name in imported(child, module))
            visit(child, module, in_function or isinstance(child, ast.FunctionDef | ast.Lambda))

    for module, text in sources.items():
        visit(parse(text), module, False)
    return found


def unit(module):
    """The member of LEVELS that a module belongs to: itself, or its folder."""
    known = {name for level in LEVELS for name in level}
    return module if module in known else module.split(".")[0]


def upward(sources):
    """Arrows that do not lead to a lower level; within a folder they may."""
    height = {name: n for n, level in enumerate(LEVELS) for name in level}
    pairs = {(a, b) for a, b, _ in arrows(sources) if unit(a) != unit(b)}
    return sorted((a, b) for a, b in pairs if height[unit(a)] <= height[unit(b)])


def in_circles(sources):
    """Modules from which arrows lead back to themselves; what a function imports of its own folder does not count."""
    below = {module: set() for module in sources}
    for a, b, in_function in arrows(sources):
        if not (in_function and unit(a) == unit(b)):
            below[a].add(b)

    def reached(module):
        seen, waiting = set(), [module]
        while waiting:
            new = below[waiting.pop()] - seen
            seen |= new
            waiting += new
        return seen

    return sorted(module for module in sources if module in reached(module))


def test_every_module_has_its_level():
    known = {name for level in LEVELS for name in level}
    assert {unit(module) for module in SOURCES} == known


def test_arrows_are_found():
    found = {(a, b) for a, b, _ in arrows(SOURCES)}
    assert {("", "models"), ("models", "models.rtrbm"), ("models.rtrbm", "past.recurrence")} <= found
    assert {("gradient", "rbm.units"), ("rbm.negative", "rbm.exact"), ("estimators.base", "checks")} <= found
    assert ("compute.engine", "compute.numba", True) in arrows(SOURCES)
    assert ("compute.numba.optim", "compute.engine", False) in arrows(SOURCES)


def test_nothing_is_imported_from_above():
    assert upward(SOURCES) == []


def test_there_is_no_circle():
    assert in_circles(SOURCES) == []


@pytest.mark.parametrize(
    "module, text, target",
    [
        ("rbm.chains", "from ..past import taps", "past.taps"),
        ("past.recurrence", "from ..rbm.units import BERNOULLI", "rbm.units"),
        ("past.taps", "from .. import rbm", "rbm"),
        ("rbm", "from ..past.conditioner import Static", "past.conditioner"),
        ("functions", "from .streams import stream", "streams"),
        ("compute.engine", "from ..minibatches.sequences import tiles", "minibatches.sequences"),
        ("minibatches.sequences", "from .sources import Shuffled", "minibatches.sources"),
        ("gradient", "import rtrbm.training.loop", "training.loop"),
        ("training.loop", "def f():\n    from ..models import rtrbm", "models.rtrbm"),
        ("estimators.temporal", "from rtrbm.models.trbm import TRBM", "models.trbm"),
        ("models.trbm", "from ..datasets import bouncing_balls", "datasets.bouncing_balls"),
        ("models.trbm", "from .. import plots", "plots"),
        ("models.trbm", "from rtrbm import RBM", ""),
    ],
)
def test_an_arrow_upward_is_seen(module, text, target):
    assert set(upward(with_more(module, text))) - set(upward(SOURCES)) == {(module, target)}


@pytest.mark.parametrize(
    "module, text, others",
    [
        ("rbm.units", "from .gaussian import Gaussian", {"rbm.gaussian"}),
        ("functions", "def f():\n    from .rbm import units", {"rbm.units"}),
        ("checks", "from . import checks", set()),
    ],
)
def test_a_circle_is_seen(module, text, others):
    assert {module, *others} <= set(in_circles(with_more(module, text))) - set(in_circles(SOURCES))


# ------------------------------------------------------------------------------------------------- sizes


def docstrings(tree):
    """The docstrings of a module and of all in it, as nodes."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node) is not None:
            yield node.body[0]


def is_overload(node):
    """Whether a function is but a signature for type checkers."""
    names = [getattr(mark, "id", None) for mark in getattr(node, "decorator_list", ())]
    return "overload" in names


def code_lines(text, tree):
    """Numbers of the lines that hold code: neither blank, nor a comment, a docstring or one more signature."""
    lines = {n for n, line in enumerate(text.splitlines(), 1) if line.strip() and not line.strip().startswith("#")}
    apart = [*docstrings(tree), *(node for node in ast.walk(tree) if is_overload(node))]
    return lines.difference(*(range(node.lineno, node.end_lineno + 1) for node in apart))


def too_long(sources):
    """Classes and functions of more lines of code than they may have, with their number."""
    found = []
    for module, text in sources.items():
        tree = parse(text)
        code = code_lines(text, tree)
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef | ast.FunctionDef):
                n = len(code & set(range(node.lineno, node.end_lineno + 1)))
                if n > (CLASS_LINES if isinstance(node, ast.ClassDef) else FUNCTION_LINES):
                    found.append((module, node.name, n))
    return found


def test_no_class_and_no_function_is_long():
    assert too_long(SOURCES) == []


def test_a_long_class_or_function_is_seen():
    """Of one line more than there may be; docstrings, comments and blank lines do not count."""
    free = ['    """Two', '    lines."""', *["    # a comment", ""] * 300]
    for name, head, most in (("C", "class C:", CLASS_LINES), ("f", "def f():", FUNCTION_LINES)):
        lines = [head, *free, *["    x = 1"] * (most - 1)]
        assert too_long({"checks": "\n".join(lines)}) == []
        assert too_long({"checks": "\n".join([*lines, "    y = 2"])}) == [("checks", name, most + 1)]


# ------------------------------------------------------------------------------------------------- names


def names(tree):
    """All identifiers of a module, and its strings that are no docstrings."""
    documents = {id(node.value) for node in docstrings(tree)}
    for node in ast.walk(tree):
        for field in ("id", "attr", "arg", "name", "asname", "module"):
            value = getattr(node, field, None)
            if isinstance(value, str):
                yield from value.split(".")
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documents:
            yield node.value


def classes(folder):
    """Names of the classes that are defined in a folder."""
    trees = [parse(text) for module, text in SOURCES.items() if unit(module) == folder]
    return {node.name for tree in trees for node in ast.walk(tree) if isinstance(node, ast.ClassDef)}


def models_named(sources):
    """Names of models, of their parameters or of their conditioners in estimators/ and training/."""
    forbidden = MODELS | classes("models")
    return sorted(
        (module, name)
        for module, text in sources.items()
        if unit(module) in ("estimators", "training")
        for name in names(parse(text))
        if name in forbidden
    )


def test_estimators_and_training_name_no_model():
    assert models_named(SOURCES) == []


@pytest.mark.parametrize(
    "text",
    [
        "def f(model):\n    return isinstance(model, RTRBM)",
        "def f():\n    from ..models.trbm import TRBM as T",
        "x = models.Stack",
        "def f(kind):\n    return kind == 'CRBM'",
        "f(RNNRBM=1)",
        "class LSTMRBM: pass",
        "x = Recurrent(1)",
    ],
)
def test_a_model_named_is_seen(text):
    for module, n in (("estimators.temporal", 1), ("training.loop", 1), ("models.stack", 0)):
        assert len(models_named({module: text})) == n
    assert models_named({"training.loop": f'def g():\n    """{text}"""'}) == []  # a docstring may


# ------------------------------------------------------------------------------------------ kinds of units


def strings(node):
    """The strings that stand in an expression."""
    return {part.value for part in ast.walk(node) if isinstance(part, ast.Constant) and isinstance(part.value, str)}


def called_visible(node):
    """Whether an expression speaks of `visible`."""
    named = (getattr(part, "id", None) or getattr(part, "attr", None) for part in ast.walk(node))
    return any(name in ("visible", "_visible") for name in named)


def kinds_compared(sources):
    """Comparisons of `visible` with a string, or of anything with the name of a kind of units."""
    found = []
    for module, text in sources.items():
        for node in ast.walk(parse(text)):
            if isinstance(node, ast.Compare | ast.Match):
                compared = [node] if isinstance(node, ast.Compare) else [node.subject, *(c.pattern for c in node.cases)]
                values = set().union(*map(strings, compared))
                if values & set(Units.kinds) or values and any(map(called_visible, compared)):
                    found.append((module, node.lineno))
    return found


def test_no_kind_of_units_is_compared_by_name():
    assert kinds_compared(SOURCES) == []


@pytest.mark.parametrize(
    "text",
    [
        "x = visible == 'bernoulli'",
        "x = self.visible != 'other'",
        "x = 'gaussian' == kind",
        "x = units.name in ('poisson', 'softmax')",
        "x = 1 if params['visible'] == 'gaussian' else 2",
        "match visible:\n    case 'other':\n        pass",
        "match units.name:\n    case 'bernoulli':\n        pass",
    ],
)
def test_a_comparison_by_name_is_seen(text):
    assert kinds_compared({"rbm.chains": text}) == [("rbm.chains", 1)]
