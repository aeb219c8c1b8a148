"""Compiled functions, and the folder that keeps them from process to process.

numba's own cache looks at the file of a function alone to see whether it has changed, not at those of what it calls.
Here the name of the folder is a hash of all sources, of numba and its settings, of llvmlite and numpy, so that a
change never meets code from before it. A file is one function for one signature and one kind of processor, and is put
in its place whole: processes that compile at the same time write the same file twice, or two files.
"""

import contextlib
import functools
import gc
import hashlib
import os
import pickle
import shutil
import sys
import tempfile
import time
from importlib.util import cache_from_source
from pathlib import Path

import llvmlite
import numba
import numpy as np
from numba.core import caching, codegen, compiler, config, serialize, types
from numba.misc.appdirs import AppDirs

NAME = "rtrbm-compiled-"  # and the hash: a folder
SEARCH = 10_000  # objects after which Python searches for cycles while it compiles
AGE = 30 * 24 * 3600  # seconds: folders of other sources go when they have not been used for so long


def _hash(*parts):
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:32]


_HERE = Path(__file__).parent
_SOURCES = [(path.name, path.read_bytes()) for path in (_HERE.parent / "engine.py", *sorted(_HERE.glob("*.py")))]
_SETTINGS = config.CPU_NAME, config.CPU_FEATURES, config.OPT, config.BOUNDSCHECK  # vectors are as long as these say
_LIBRARIES = numba.__version__, llvmlite.__version__, np.__version__
_VERSION = _hash(_SOURCES, str(_SETTINGS), _LIBRARIES, sys.implementation.cache_tag)


def compiled(function=None, **options):
    """Decorator: `numba.njit` without the interpreter's lock, with numpy's errors in division, kept in a folder.

    Parameters
    ----------
    function : callable
    **options
        Further ones of `numba.njit`, such as ``fastmath``.

    Returns
    -------
    Dispatcher
        numba's compiled function.

    Raises
    ------
    ValueError
        If the function is within another or a lambda, and has no name of its own. To the linker two such functions are
        one if they have the same name and number, and each process counts for itself: of code that two processes have
        compiled, it takes either.
    """
    if function is None:
        return functools.partial(compiled, **options)
    if "<" in function.__qualname__:
        name = function.__qualname__
        raise ValueError(f"{name} may be the name of several functions: give it a __qualname__ of its own")
    options = {"nogil": True, "error_model": "numpy", "no_cfunc_wrapper": True, "pipeline_class": _Compiler, **options}
    dispatcher = numba.njit(**options)(function)
    dispatcher._cache = _Cache(function)
    return dispatcher


def inner(function, **options):
    """Decorator of functions that are called by compiled ones alone: there is less to compile.

    There is no way to call them from Python, no machine code of them alone, and none of its own for an argument that is
    a constant.
    """
    options = {"pipeline_class": _Inner, "no_cpython_wrapper": True, **options}
    dispatcher = compiled(function, **options)
    if dispatcher is function:  # NUMBA_DISABLE_JIT
        return function
    template = dispatcher.get_call_template

    def of_any_value(types_of_arguments, keywords):
        return template(tuple(map(types.unliteral, types_of_arguments)), keywords)

    dispatcher.get_call_template = of_any_value
    return dispatcher


def optimised(function):
    """Decorator of inner functions that are optimised alone, before others take their code.

    One with many operations is else too long to be taken into a loop, and is called at each of its turns.
    """
    return inner(function, pipeline_class=_Optimised)


def shared(function):
    """Decorator of inner functions that are called at their addresses, too (`rtrbm.compute.numba.board.door`)."""
    return inner(function, pipeline_class=_Compiler)


class _Compiler(compiler.Compiler):
    """numba's compiler. It makes so many objects that Python's search for cycles would take some tenth of its time."""

    def compile_extra(self, function):
        before = gc.get_threshold()
        if 0 < before[0] < SEARCH:
            gc.set_threshold(SEARCH, *before[1:])
        try:
            return super().compile_extra(function)
        finally:
            if gc.get_threshold()[0] == SEARCH:  # else another thread has set it meanwhile
                gc.set_threshold(*before)


class _Linked(codegen.JITCodeLibrary):
    """Code that others take into theirs."""

    def _optimize_final_module(self):
        """Not all that numba does: whoever takes the code optimises it with its own."""
        try:
            passes, builder = self._codegen._module_pass_manager(
                loop_vectorize=False, slp_vectorize=False, opt=self._codegen._opt_level, cost="cheap"
            )
        except (AttributeError, TypeError):  # as in numba before 0.62: then it takes some seconds longer
            super()._optimize_final_module()
        else:
            passes.run(self._final_module, builder)

    def _finalize_final_module(self):
        self._finalized = True
        self._get_module_for_linking()  # which others take
        self._finalize_dynamic_globals()  # by which it is known that the code is of this process alone
        parts = [part for part in self._final_module.global_variables if part.name.startswith("_ZN08NumbaEnv")]
        text = "\n".join(map(str, [self._codegen._create_empty_module(self.name), *parts]))
        self._final_module = llvmlite.binding.parse_assembly(text)
        super()._finalize_final_module()


class _LinkedOptimised(_Linked):
    """Code that others take into theirs, and that is optimised before."""

    _optimize_final_module = codegen.JITCodeLibrary._optimize_final_module


class _Inner(_Compiler):
    """The same, which makes no machine code of a function by itself: those that call it have their own."""

    library = _Linked

    def compile_extra(self, function):
        self.state.library = self.library(self.state.targetctx.codegen(), function.__qualname__)
        self.state.library.enable_object_caching()
        return super().compile_extra(function)


class _Optimised(_Inner):
    """The same for code that is optimised before others take it."""

    library = _LinkedOptimised


class _Cache(caching.FunctionCache):
    """numba's interface of a cache of one function; a folder that cannot be written makes nothing fail."""

    def __init__(self, function):
        self._py_func, self._name = function, f"{function.__module__}.{function.__qualname__}"

    @property
    def cache_path(self):
        return str(_folder())

    def load_overload(self, sig, target_context):
        """The compiled function, None if there is none."""
        target_context.refresh()
        folder = _folder()
        if folder:
            with contextlib.suppress(Exception):  # there is no file, or a damaged one
                data = pickle.loads(self._path(folder, sig, target_context.codegen()).read_bytes())
                return compiler.CompileResult._rebuild(target_context, *data)
        _say_compiling()

    def save_overload(self, sig, data):
        """Keep a compiled function."""
        folder = _folder()
        if folder is None or data.library.has_dynamic_globals:  # addresses of this process
            return
        path = self._path(folder, sig, data.codegen)
        try:
            _write(path, serialize.dumps(data._reduce()))
        except OSError as error:
            _say_not_kept(f"{folder} cannot be written: {error.strerror}")

    def flush(self):
        """Nothing: a function that is compiled again takes the place of the one before."""

    def _path(self, folder, sig, codegen):
        short = self._name.rpartition("numba.")[2]
        return folder / f"{short}-{_hash(self._name, self._index_key(sig, codegen))}"


def _write(path, data):
    """Write a file that is there whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)  # it may have been removed
    handle, temporary = tempfile.mkstemp(dir=path.parent)
    try:
        with open(handle, "wb") as file:
            file.write(data)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def _places():
    """Where the folder may be, the best place first."""
    if config.CACHE_DIR:
        yield config.CACHE_DIR
    yield os.path.dirname(cache_from_source(__file__))
    own = AppDirs("rtrbm", appauthor=False).user_cache_dir
    if os.path.isabs(own):  # else there is no home
        yield own
    with contextlib.suppress(OSError):  # there is no folder for temporary files
        yield tempfile.gettempdir()


@functools.cache
def _folder():
    """The folder of compiled code, in the first place that can be written; None if there is none."""
    return next(filter(_is_usable, (Path(place, NAME + _VERSION).absolute() for place in _places())), None)


def _is_usable(folder):
    """Whether a folder is there or can be made, is this user's alone to write, and takes files; it counts as used."""
    try:
        if not folder.exists():
            folder.mkdir(mode=0o755, parents=True, exist_ok=True)
            _remove_old(folder.parent)
        os.utime(folder)
        tempfile.TemporaryFile(dir=folder).close()
        found = folder.stat()
        return not hasattr(os, "getuid") or found.st_uid == os.getuid() and not found.st_mode & 0o022
    except OSError:
        return False


def _remove_old(place):
    for folder in place.glob(NAME + "*"):
        with contextlib.suppress(OSError):
            if folder.stat().st_mtime < time.time() - AGE:
                shutil.rmtree(folder)


@functools.cache
def _say_compiling():
    """Once in a process: it takes longer than two seconds."""
    kept = "kept for the next time" if _folder() else f"not kept: {next(_places())} cannot be written"
    _say(f"compiling, 10 to 20 s, {kept}")


@functools.cache
def _say_not_kept(reason):
    _say(f"not kept: {reason}")


def _say(line):
    """Print a line to stderr, on the first of several ranks."""
    mpi = sys.modules.get("mpi4py.MPI")
    works = mpi is not None and mpi.Is_initialized() and not mpi.Is_finalized()
    if not works or mpi.COMM_WORLD.rank == 0:
        print(f"rtrbm: {line}", file=sys.stderr, flush=True)
