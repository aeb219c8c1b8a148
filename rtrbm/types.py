"""The names of types in public signatures: for mypy, pyright and editors. Nothing is checked by them when code runs."""

from collections.abc import Callable, Iterable
from os import PathLike
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

__all__ = ["Array", "ArrayLike", "Callbacks", "DTypeLike", "Data", "Given", "Indexed", "Lists", "Path", "Seed", "Self"]
__all__ += ["Sequences", "Stream", "Verb", "dataclass_transform"]

if TYPE_CHECKING:  # later than Python 3.10
    from typing_extensions import Self, dataclass_transform
else:
    Self = Any

    def dataclass_transform(**rules):
        return lambda decorator: decorator


class Stream(Protocol):
    """Fresh data for every update."""

    def minibatch(self, update: int, /) -> Any: ...


class Indexed(Protocol):
    """Sequences by number."""

    def __len__(self) -> int: ...

    def __getitem__(self, i: int, /) -> Any: ...


Array = NDArray[Any]
Path = str | PathLike[str]
Seed = int | np.integer[Any] | np.random.RandomState | np.random.Generator | None
Sequences = ArrayLike  # one array, or a list of arrays of any lengths
Given = Sequences | None
Lists = list[Any] | tuple[Any, ...]  # of sequences; the result is a list then
Data = ArrayLike | Path | Iterable[Any] | Indexed | Stream  # what `fit` reads
Callbacks = list[Callable[[Any], object]] | tuple[Callable[[Any], object], ...]
Verb = TypeVar("Verb", bound=Callable[..., Any])
