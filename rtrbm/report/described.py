"""What a model's file says of itself, its parameters unread."""

import math
import os

from ..training import files, restored
from ..training.kept import Kept

LAST = "reconstruction_error", "gradient_norm", "validation_error", "validation_log_likelihood"


def described(path):
    """What a model's file says of itself.

    Parameters
    ----------
    path : path-like

    Returns
    -------
    dict
        For JSON. That of a stack has ``layers``, the bottom one first.

    Raises
    ------
    FileNotFoundError, ValueError
        If there is no such file, or it is no model.
    """
    return files.look(path, _described)


def _described(contents, path):
    """What is known of the model or stack in a file."""
    layers = contents if isinstance(contents, list) else [contents]
    version = f"rtrbm model, version {layers[0].version}"
    found = {"file": os.fspath(path), "bytes": os.path.getsize(path), "format": version}
    if layers is contents:
        return found | {"model": "Stack", "layers": [_layer(layer, path) for layer in layers]}
    return found | _layer(contents, path)


def _layer(contents, path):
    """What is known of one model."""
    settings, progress, groups = contents.hyper_parameters, contents.progress, contents.groups
    restored.check_progress(progress, path)
    arrays = {name: part.shape for name, part in groups["params"].items() if isinstance(part, Kept) and part.size}
    found = {"model": contents.model, "updates": progress["n_updates"], "seed": progress["seed"]}
    found["engine"] = restored.text(groups.get("engine", {}).get("name"), path)
    found["settings"] = {name: _setting(value) for name, value in settings.items()}
    found["arrays"] = {name: list(shape) for name, shape in arrays.items()}
    found["parameters"] = sum(map(math.prod, arrays.values()))
    found["features"] = n_features = arrays["W"][0]
    names = restored.names(groups.get("features", {}).get("names"), n_features, path)
    found["feature_names"] = None if names is None else names.tolist()
    for part, name in (("data", "data"), ("validation", "validation_data")):
        found[name] = restored.text(groups.get(part, {}).get("fingerprint"), path)
    history = restored.restored_history(groups, progress["n_updates"], path)
    found["last"] = {name: history[name][-1] for name in LAST if history.get(name)}
    if "best" in groups:
        update, error = (restored.array(groups["best"][name], (), "iuf", path) for name in ("update", "error"))
        found["best"] = {"update": int(update), "error": float(error)}
    return found


def _setting(value):
    """A setting as it was given: a schedule is a dict."""
    return dict(value["schedule"]) if isinstance(value, dict) and "schedule" in value else value
