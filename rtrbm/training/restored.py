"""The state of training in a model file: each part is of the form that the settings call for, and within what training
can have left.
"""

import numpy as np

from ..checks import check_memory
from ..compute import engine as engines
from .kept import Kept
from .loop import is_finite
from .optimizers import is_state
from .scale import Scale
from .state import HEALTH, HISTORY, VALIDATION, Best

LISTED = 48  # bytes of a number in an array and in a list
LARGE = 100  # a count: chains may go beyond the counts that data may have


def restored(like, saved, path):
    """The arrays that a group of a model file holds, in the form of `like`.

    Parameters
    ----------
    like : NamedTuple of ndarrays, None or such NamedTuples
        Of the shapes and dtypes wanted.
    saved : dict
        Arrays by name, `rtrbm.training.kept.Kept` or ndarrays, and dicts of them. An array is read if it is wanted.
    path : path-like
        For messages.

    Returns
    -------
    NamedTuple of the type of `like`

    Raises
    ------
    ValueError
        If an array is missing, or of another shape or dtype.
    """
    saved = saved if isinstance(saved, dict) else {}
    missing = {name for name, part in like._asdict().items() if part is not None} - set(saved)
    if missing:
        raise ValueError(f"path must be a complete model file, {path!r} lacks {sorted(missing)}")

    def part(name, wanted):
        if hasattr(wanted, "_fields"):
            return restored(wanted, saved[name], path)
        return None if wanted is None else array(saved[name], wanted.shape, wanted.dtype, path)

    return type(like)(*(part(name, wanted) for name, wanted in like._asdict().items()))


def array(saved, shape, dtype, path):
    """An array of a file, once it is seen to be of that shape and dtype; "iu", say, is any dtype of these kinds."""
    if not isinstance(saved, Kept | np.ndarray) or saved.shape != shape:
        raise unfitting(path)
    if saved.dtype.kind not in dtype if isinstance(dtype, str) else saved.dtype != dtype:
        raise unfitting(path)
    return saved.read() if isinstance(saved, Kept) else saved


def names(saved, n, path):
    """The n names that a file keeps as UTF-8 bytes, or None."""
    return None if saved is None else np.char.decode(array(saved, (n,), "S", path), "utf-8", "replace").astype(object)


def unfitting(path, what="the arrays do not fit together"):
    """The error of a file whose parts do not fit together."""
    return ValueError(f"path must be a complete model file, in {path!r} {what}")


def check_progress(progress, path):
    """Raise unless these are numbers of updates and a seed."""
    n_updates, seed, begin = progress["n_updates"], progress["seed"], progress.get("begin", 0)
    if not (0 <= begin <= n_updates and seed >= 0):
        raise unfitting(path, f"the progress cannot be: n_updates={n_updates}, seed={seed}, begin={begin}")


def check_optimizer(state, n_updates, path):
    """Raise unless an optimiser can have this state after so many updates."""
    if not is_state(state) or getattr(state, "n_steps", n_updates) != n_updates:
        raise unfitting(path)


def restored_scale(saved, n_visible, path):
    """The scale of the features in a file."""
    blank = Scale(*np.zeros((2, n_visible)))
    scale = restored(blank, {"mean": saved.get("mean"), "deviation": saved.get("scale")}, path)
    if not np.isfinite(scale).all() or not (scale.deviation > 0).all():
        raise unfitting(path)
    return scale


def restored_best(blank, saved, n_updates, path):
    """The best parameters in a file, None if there are none."""
    if saved is None:
        return None
    best = restored(Best(blank, np.int64(0), np.float64(0)), saved, path)
    if not is_finite(best.params, engines.NUMPY) or not 0 <= best.update <= n_updates:
        raise unfitting(path)
    return Best(best.params, int(best.update), float(best.error))


def restored_history(groups, n_updates, path):
    """The lists of `history_` in a file.

    Every update has left a finite norm and rate, and an error that is 0 at least. Errors on validation data may be NaN:
    nothing looks at them in training.
    """
    check_memory(f"the history of {n_updates} updates", LISTED * len(HISTORY) * n_updates, np.uint8)
    history, saved = {}, groups.get("history", {})
    for name in HISTORY:
        values = history[name] = array(saved.get(name), (n_updates,), "iuf", path)
        if not (values >= 0).all() or name != "reconstruction_error" and not np.isfinite(values).all():
            raise unfitting(path, f"{name} has values that no update leaves")
    history |= measured(VALIDATION, groups.get("validation", {}), "validation_", n_updates, path)
    history |= measured(HEALTH, groups.get("health", {}), "health_", n_updates, path)
    if (history.get("validation_error", np.zeros(0)) < 0).any():
        raise unfitting(path, "validation_error has values below 0")
    return {name: values.tolist() for name, values in history.items()}


def measured(names, saved, prefix, n_updates, path):
    """Arrays of a group, a value for each time that something was measured: at most once after every update.

    Parameters
    ----------
    names : tuple of str
        In `history_`; the first one is that of the numbers of updates. Those that the group lacks are left out.
    saved : dict
    prefix : str
        Of the names, which the group has without it.
    n_updates : int
    path : path-like

    Returns
    -------
    dict of ndarrays
    """
    kept = {name: saved[name.removeprefix(prefix)] for name in names if name.removeprefix(prefix) in saved}
    if not kept:
        return {}
    n = min(max(np.shape(kept.get(names[0])), default=0), n_updates + 1)
    found = {name: array(part, (n,), "iu" if name == names[0] else "iuf", path) for name, part in kept.items()}
    updates = found[names[0]]
    if (updates < 0).any() or (updates > n_updates).any() or (updates[1:] <= updates[:-1]).any():
        raise unfitting(path, f"{names[0]} has values that no measurement leaves")
    return found


def restored_chains(saved, W, units, path):
    """Visible states of chains in a file, None if there are none."""
    if saved is None:
        return None
    shape = getattr(saved, "shape", ())
    if len(shape) not in (2, 3) or shape[-1] != len(W) or 0 in shape:
        raise unfitting(path)
    chains = array(saved, shape, W.dtype, path)
    if not np.isfinite(chains).all():
        raise unfitting(path)
    try:
        units.check(np.minimum(chains, LARGE), "chains")
    except ValueError as error:
        raise unfitting(path, str(error)) from error
    return chains


def text(saved, path):
    """A text in a file, or None."""
    if saved is not None and not (isinstance(saved, str) and saved.isprintable()):
        raise unfitting(path)
    return saved
