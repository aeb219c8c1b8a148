"""Recurrent Temporal Restricted Boltzmann Machines, after chapter 3 of Sutskever (2013)."""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from . import callbacks, convert
    from .estimators.pooling import Pool
    from .models import CRBM, LSTMRBM, RBM, RNNRBM, RTRBM, SRTRBM, TRBM, Stack, load

__version__ = "0.2.0"
__all__ = ["CRBM", "LSTMRBM", "Pool", "RBM", "RNNRBM", "RTRBM", "SRTRBM", "TRBM", "Stack"]
__all__ += ["callbacks", "convert", "load"]

_MODULES = ("callbacks", "convert")
_HOMES = {name: "models" for name in __all__ if name not in _MODULES} | {"Pool": "estimators.pooling"}

if not TYPE_CHECKING:  # a type checker would let any name pass

    def __getattr__(name):
        """A class or a module, imported when first asked for, so that ``rtrbm --help`` need not wait for numpy."""
        home = f"{__name__}.{_HOMES.get(name, name)}"
        try:
            found = importlib.import_module(home)
        except ModuleNotFoundError as error:
            if error.name != home:
                raise
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}") from None
        globals()[name] = found = getattr(found, name) if name in _HOMES else found
        return found


def __dir__():
    return sorted({*globals(), *__all__})
