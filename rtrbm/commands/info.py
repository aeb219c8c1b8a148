"""``rtrbm info``: what a model's file holds, its arrays unread."""

import json
import os
import re

import h5py
import numpy as np

START = "rtrbm model, version"  # of the attribute `format` (`rtrbm.training.files`)
LAST = {"history": ("reconstruction_error", "gradient_norm"), "validation": ("error", "log_likelihood")}


def run(options):
    """Print what a file holds."""
    found = info(options.model)
    if options.json:
        print(json.dumps(found, indent=2))
        return
    for layer in found.get("layers", [found]):
        if layer is not found:
            print()
        print("\n".join(_lines(layer)))
    print(f"{found['bytes']} bytes, {found['format']}")


def info(path):
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
    if not os.path.exists(path):
        raise FileNotFoundError(f"MODEL: no file at {path!r}")
    try:
        with h5py.File(path, "r") as file:
            kind = str(file.attrs.get("format"))
            if not kind.startswith(START):
                raise ValueError(
                    f"MODEL must be a file that `rtrbm train` or a model's save wrote, {path!r} is another"
                )
            common = {"file": os.fspath(path), "bytes": os.path.getsize(path), "format": kind}
            if "hyper_parameters" in file.attrs:
                return common | _layer(file)
            names = sorted((name for name in file if re.fullmatch(r"layer_\d+", name)), key=lambda name: int(name[6:]))
            return common | {"model": str(file.attrs["model"]), "layers": [_layer(file[name]) for name in names]}
    except (OSError, KeyError, RuntimeError, json.JSONDecodeError) as error:
        raise ValueError(f"MODEL must be a complete model file, {path!r} cannot be read: {error}") from error


def _layer(group):
    """What is known of one model."""
    settings = json.loads(group.attrs["hyper_parameters"])
    progress = json.loads(group.attrs["progress"])
    params = group["params"]
    arrays = {name: list(params[name].shape) for name in params if params[name].size}
    found = {"model": str(group.attrs["model"]), "updates": progress["n_updates"], "seed": progress["seed"]}
    found |= {"engine": _text(group, "engine", "name"), "settings": settings, "arrays": arrays}
    found["parameters"] = sum(int(np.prod(shape)) for shape in arrays.values())
    found["features"] = int(params["W"].shape[0])
    names = group["features"].get("names") if "features" in group else None
    found["feature_names"] = None if names is None else [name.decode() for name in names[()]]
    found["data"], found["validation_data"] = (_text(group, part, "fingerprint") for part in ("data", "validation"))
    found["last"] = {
        ("validation_" if part == "validation" else "") + name: float(group[part][name][-1])
        for part, names in LAST.items()
        for name in names
        if part in group and name in group[part] and len(group[part][name])
    }
    if "best" in group:
        found["best"] = {"update": int(group["best/update"][()]), "error": float(group["best/error"][()])}
    return found


def _text(group, part, name):
    """A text that a part of a file keeps, or None."""
    value = group[part].attrs.get(name) if part in group else None
    return None if value is None else str(value)


def _setting(value):
    """A setting as it was given: a schedule is a dict."""
    return dict(value["schedule"]) if isinstance(value, dict) and "schedule" in value else value


def _lines(layer):
    """What is known of one model, in lines."""
    settings = {name: _setting(value) for name, value in layer["settings"].items() if value is not None}
    yield f"{layer['model']}, {layer['updates']} updates, seed {layer['seed']}, engine {layer['engine'] or 'not known'}"
    shapes = ", ".join(f"{name} ({', '.join(map(str, shape))})" for name, shape in layer["arrays"].items())
    yield f"arrays: {shapes}; {layer['parameters']} numbers"
    names = layer["feature_names"]
    yield f"features: {layer['features']}" + ("" if names is None else f", {', '.join(names)}")
    for title, part in (("data", "data"), ("validation data", "validation_data")):
        if layer[part] is not None:
            yield f"{title}: {layer[part]}"
    for name, value in layer["last"].items():
        yield f"last {name.replace('_', ' ')}: {value:.5g}"
    if "best" in layer:
        yield f"the best model so far: that of update {layer['best']['update']}, error {layer['best']['error']:.5g}"
    yield "settings: " + ", ".join(f"{name}={value!r}" for name, value in settings.items())
