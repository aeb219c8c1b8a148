"""Compiled functions are kept and found again, a process says once that it compiles, and the engine "auto"."""

import gc
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import Mock

import numpy as np
import pytest
from helpers import files_up_to, needs_numba

import rtrbm
from rtrbm import RTRBM
from rtrbm.compute.engine import named
from rtrbm.parameters import arrays

SAYS = "rtrbm: compiling, 10 to 20 s, "
KEPT = SAYS + "kept for the next time\n"
CALLEE = "from .compiled import {0}\n\n@{0}\ndef callee(x):\n    return x + {1}\n"
CALLER = (
    "from .compiled import compiled\nfrom .callee import callee\n\n@compiled\ndef caller(x):\n    return callee(x)\n"
)
CLOSURES = """
from .compiled import inner

def made(n):
    def add(x):
        return x + n

    add.__qualname__ = f"add_{n}"
    return inner(add)

one, ten = made(1), made(10)
"""
CALLERS = """
import os
from .callee import one, ten
from .compiled import compiled

@compiled
def caller_of_one(x):
    return one(x)

@compiled
def caller_of_ten(x):
    return ten(x)

@compiled
def caller_of_both(x):
    return 100 * one(x) + ten(x)

caller = globals()["caller_of_" + os.environ["WHICH"]]
"""
RUN = """
import sys, threading, numba
from rtrbm.compute.numba.caller import caller
found = []
thread = threading.Thread(target=lambda: found.extend(caller(eval(x)) for x in sys.argv[1:]))
thread.start()
thread.join()
print(*found, sum(caller.stats.cache_misses.values()), repr(numba.config.CACHE_DIR))
"""
NOWHERE = "import tempfile; tempfile.tempdir = '/dev/null/none'"


@pytest.fixture
def package(tmp_path):
    """The folder of compiled code in a copy of the package, with two functions of which one calls the other."""
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(Path(rtrbm.__file__).parent, tmp_path / "rtrbm", ignore=ignored)
    folder = tmp_path / "rtrbm" / "compute" / "numba"
    (folder / "callee.py").write_text(CALLEE.format("compiled", 1))
    (folder / "caller.py").write_text(CALLER)
    return folder


def started(package, *arguments, first="", **environment):
    """A new process that calls the caller from a thread, once with each argument."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(("NUMBA_", "PYTHON"))}
    home = package.parents[2]
    own |= {"XDG_CACHE_HOME": home / "user", **environment}
    own |= {"PYTHONDONTWRITEBYTECODE": "1"}  # such a file would not show a change of the same size and second
    command = [sys.executable, "-c", f"{first}\n{RUN}", *arguments]
    return subprocess.Popen(command, cwd=home, env=own, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def run(*arguments, **options):
    """What such a process prints, and what it says on stderr."""
    return started(*arguments, **options).communicate(timeout=60)


def folders(place):
    return set(place.glob("rtrbm-compiled-*"))


@needs_numba
@pytest.mark.parametrize("decorator", ["compiled", "inner"])
def test_compiled_code_is_kept_until_any_source_changes(decorator, package):
    place = package / "__pycache__"
    (package / "callee.py").write_text(CALLEE.format(decorator, 1))
    assert run(package, "1", "0.5") == ("2 1.5 2 ''\n", KEPT)
    assert run(package, "1", "0.5") == ("2 1.5 0 ''\n", "")  # nothing is compiled again
    (first,) = folders(place)
    for file in first.iterdir():
        file.write_bytes(file.read_bytes()[:-100])
    assert run(package, "1") == ("2 1 ''\n", KEPT)  # a damaged file is as none, and is replaced
    assert run(package, "1") == ("2 0 ''\n", "")
    for file in first.glob("caller*"):
        file.unlink()
    assert run(package, "1") == ("2 1 ''\n", KEPT)  # the kept callee becomes a part of a new caller
    (package / "callee.py").write_text(CALLEE.format(decorator, 2))
    assert run(package, "1") == ("3 1 ''\n", KEPT)
    assert first in folders(place) and len(folders(place)) == 2  # control: it is young
    month_ago = time.time() - 31 * 24 * 3600
    os.utime(first, (month_ago, month_ago))
    (package / "callee.py").write_text(CALLEE.format(decorator, 3))
    assert run(package, "1") == ("4 1 ''\n", KEPT)
    assert first not in folders(place) and len(folders(place)) == 2


@needs_numba
def test_code_of_two_processes_together(package):
    """Each numbers its functions from 1 on: `one` and `ten` have the same number, and names of their own."""
    (package / "callee.py").write_text(CLOSURES)
    (package / "caller.py").write_text(CALLERS)
    for which, expected in (("one", 2), ("ten", 11), ("both", 211)):
        assert run(package, "1", WHICH=which)[0] == f"{expected} 1 ''\n"


@needs_numba
@pytest.mark.parametrize("decorator", ["compiled", "inner"])
def test_code_with_addresses_of_its_process_is_not_kept(decorator, package):
    """An array of more than a megabyte is known by its address."""
    first, rest = CALLEE.format(decorator, "big[0]").split("\n", 1)
    (package / "callee.py").write_text(f"import numpy as np\n{first}\nbig = np.ones(200_000)\n{rest}")
    for _ in range(2):
        assert run(package, "1")[0] == "2.0 1 ''\n"


@needs_numba
def test_a_function_without_a_name_of_its_own_is_refused():
    from rtrbm.compute.numba.compiled import compiled

    def within(x):
        return x + 1

    for function in (within, lambda x: x + 1):
        with pytest.raises(ValueError, match="several functions: give it a __qualname__ of its own"):
            compiled(function)
    within.__qualname__ = "within"
    assert compiled(within)(1) == 2


@needs_numba
def test_other_settings_of_the_compiler_have_a_folder_of_their_own(package, tmp_path):
    place = tmp_path / "chosen"
    for n, settings in enumerate(({}, {"NUMBA_CPU_NAME": "generic"}, {"NUMBA_BOUNDSCHECK": "1"}, {"NUMBA_OPT": "0"})):
        assert run(package, "1", NUMBA_CACHE_DIR=place, **settings)[0].startswith("2 1 ")
        assert len(folders(place)) == n + 1
    assert run(package, "1", NUMBA_CACHE_DIR=place)[0].startswith("2 0 ")  # control


@needs_numba
def test_processes_that_compile_at_the_same_time(package, tmp_path):
    place = tmp_path / "chosen"
    both = [started(package, *order, NUMBA_CACHE_DIR=place) for order in (("1", "0.5"), ("0.5", "1"))]
    for process, values in zip(both, ("2 1.5", "1.5 2")):
        assert process.communicate(timeout=60)[0].startswith(values)
    assert run(package, "1", "0.5", NUMBA_CACHE_DIR=place) == (f"2 1.5 0 '{place}'\n", "")
    assert len(folders(place)) == 1 and not (package / "__pycache__").exists()


@needs_numba
@pytest.mark.skipif(sys.platform == "win32", reason="folders that cannot be written are others there")
def test_a_folder_that_cannot_be_written(package, tmp_path):
    (package / "__pycache__").write_text("a file in the place of the folder")
    assert run(package, "1") == ("2 1 ''\n", KEPT)
    (kept,) = folders(tmp_path / "user" / "rtrbm")
    shutil.rmtree(kept)
    values, said = run(package, "1", "0.5", first=files_up_to(500))
    first, *others = said.split("\n")
    assert values == "2 1.5 2 ''\n" and first + "\n" == KEPT
    assert others == [f"rtrbm: not kept: {kept} cannot be written: File too large", ""]
    assert list(kept.iterdir()) == []
    environment = {"XDG_CACHE_HOME": "/dev/null/none", "first": NOWHERE}
    not_kept = f"{SAYS}not kept: {package / '__pycache__'} cannot be written\n"
    assert run(package, "1", "0.5", **environment) == ("2 1.5 2 ''\n", not_kept)


@needs_numba
@pytest.mark.skipif(sys.platform == "win32", reason="permissions are others there")
def test_a_folder_that_others_can_write_is_left_alone(package, tmp_path):
    assert run(package, "1") == ("2 1 ''\n", KEPT)
    (kept,) = folders(package / "__pycache__")
    kept.chmod(0o777)
    assert run(package, "1") == ("2 1 ''\n", KEPT)  # compiled again, and kept elsewhere
    (elsewhere,) = folders(tmp_path / "user" / "rtrbm")
    assert elsewhere.name == kept.name


@pytest.mark.parametrize("there", ["numpy", pytest.param("numba", marks=needs_numba)])
def test_auto_is_the_engine_that_is_there(there, monkeypatch):
    if there == "numpy":
        monkeypatch.setitem(sys.modules, "rtrbm.compute.numba", None)
    assert named("auto").name == there
    X = (np.random.default_rng(0).random((8, 12, 9)) < 0.5).astype(float)
    one, other = (RTRBM(6, n_updates=3, random_state=0, engine=name).fit(X) for name in (there, "auto"))
    for a, b in zip(arrays(one.params_), arrays(other.params_), strict=True):
        np.testing.assert_array_equal(a, b)
    if there == "numba":  # control
        assert (RTRBM(6, n_updates=3, random_state=0).fit(X).params_.W != one.params_.W).any()


@needs_numba
@pytest.mark.parametrize("optimizer", ["adam", "spectral"])
def test_a_model_of_numba_is_loaded_where_numba_is_missing(optimizer, tmp_path, monkeypatch):
    X, path = np.zeros((4, 5, 3)), tmp_path / "model.h5"
    RTRBM(2, n_updates=2, random_state=0, optimizer=optimizer, engine="numba").fit(X).save(path)
    monkeypatch.setitem(sys.modules, "rtrbm.compute.numba", None)
    model = RTRBM.load(path)
    with pytest.raises(ValueError, match="engine='numba' needs numba: install"):
        model.predict(X)
    assert np.isfinite(model.set_params(engine="numpy").predict(X)).all()


FIRST_FITS = """
import threading
import numpy as np
from rtrbm import RTRBM
X, found = np.random.default_rng(0).integers(0, 2, (4, 6, 5)).astype(float), []
def fit(i):
    try:
        found.append(RTRBM(3 + i, n_updates=2, random_state=0, engine="numba", n_jobs=1).fit(X).n_updates_)
    except Exception as error:
        found.append(repr(error))
threads = [threading.Thread(target=fit, args=(i,)) for i in range(3)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(found)
"""


@needs_numba
def test_the_first_fits_of_a_process_may_be_in_several_threads():
    own = os.environ | {"PYTHONPATH": str(Path(rtrbm.__file__).parents[1])}
    done = subprocess.run([sys.executable, "-c", FIRST_FITS], env=own, capture_output=True, text=True)
    assert done.stdout == "[2, 2, 2]\n", done.stdout + done.stderr


@needs_numba
def test_a_compiler_that_is_switched_off_is_not_taken_by_auto():
    program = "from rtrbm.compute.engine import named; print(named('auto').name); import numpy as np; import rtrbm; "
    own = os.environ | {"PYTHONPATH": str(Path(rtrbm.__file__).parents[1]), "NUMBA_DISABLE_JIT": "1"}
    for fit in ("RTRBM(2, engine='numba').partial_fit(np.zeros((2, 3, 2)))", "RBM(2, engine='numba').fit(np.eye(2))"):
        done = subprocess.run([sys.executable, "-c", f"{program}rtrbm.{fit}"], env=own, capture_output=True, text=True)
        assert done.stdout == "numpy\n"
        assert "engine='numba' needs numba's compiler: unset NUMBA_DISABLE_JIT" in done.stderr


@needs_numba
@pytest.mark.parametrize("is_set", [True, False])
def test_the_search_for_cycles_is_as_it_was_after_compiling(is_set, monkeypatch):
    """Unless another thread has set it meanwhile."""
    from rtrbm.compute.numba import compiled

    seen, before = [], gc.get_threshold()

    def compile_extra(self, function):
        seen.append(gc.get_threshold()[0])
        if is_set:
            gc.set_threshold(123, *before[1:])

    monkeypatch.setattr(compiled.compiler.Compiler, "compile_extra", compile_extra)
    compiler = compiled._Compiler.__new__(compiled._Compiler)
    try:
        compiler.compile_extra(None)
        after = gc.get_threshold()
    finally:
        gc.set_threshold(*before)
    assert seen == [compiled.SEARCH] and after == ((123, *before[1:]) if is_set else before)


def test_auto_survives_an_installation_that_is_broken(tmp_path):
    (tmp_path / "llvmlite.py").touch()
    (tmp_path / "numba.py").write_text("raise SystemError('initialization failed')")
    program = "from rtrbm.compute.engine import named; print(named('auto').name); named('numba')"
    own = os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), str(Path(rtrbm.__file__).parents[1])])}
    done = subprocess.run([sys.executable, "-W", "error", "-c", program], env=own, capture_output=True, text=True)
    assert done.stdout == "numpy\n"
    assert done.stderr.endswith("engine='numba' needs numba: install rtrbm[fast] (initialization failed)\n")


@needs_numba
@pytest.mark.parametrize("before", ["auto", "numpy"])
def test_a_run_that_goes_on_with_another_engine_says_so(before, tmp_path, monkeypatch):
    X, path = np.zeros((4, 5, 3)), tmp_path / "run.h5"
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "rtrbm.compute.numba", None)
        RTRBM(2, n_epochs=1, batch_size=1, random_state=0, engine=before).fit(X, checkpoint=path)
        RTRBM(2, n_epochs=1, batch_size=1, engine="auto").fit(X, checkpoint=path, resume=True)  # without a word
    with pytest.warns(UserWarning, match=r"run.h5' goes on with numba \(was numpy\)") as said:
        RTRBM(2, n_epochs=1, batch_size=1, engine="auto").fit(X, checkpoint=path, resume=True)
    assert len(said) == 1 and said[0].filename == __file__
    RTRBM(2, n_epochs=1, batch_size=1, engine="auto").fit(X, checkpoint=path, resume=True)  # it now is numba's


@needs_numba
def test_places_of_compiled_code(monkeypatch):
    """A folder of the user's comes first and needs no other; a relative one, which a missing home makes, is none."""
    compiled = pytest.importorskip("rtrbm.compute.numba.compiled")
    monkeypatch.setattr(compiled.tempfile, "gettempdir", Mock(side_effect=FileNotFoundError("no temporary directory")))
    monkeypatch.setattr(compiled, "AppDirs", lambda *_, **__: SimpleNamespace(user_cache_dir="~/.cache/rtrbm"))
    assert list(compiled._places()) == [str(compiled.cache_from_source(compiled.__file__)).rpartition(os.sep)[0]]
    monkeypatch.setattr(compiled.config, "CACHE_DIR", "/somewhere")
    assert next(compiled._places()) == "/somewhere"
