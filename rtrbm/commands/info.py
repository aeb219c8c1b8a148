"""``rtrbm info``: what a model's file holds, its parameters unread."""

import json
import math

from ..checks import about, printable
from ..report.described import described


def run(options):
    """Print what a file holds."""
    with about("MODEL", "path"):
        found = described(options.model)
    if options.json:
        print(json.dumps(_finite(found), indent=2, allow_nan=False))
        return
    for layer in found.get("layers", [found]):
        if layer is not found:
            print()
        print("\n".join(map(printable, _lines(layer))))
    print(f"{found['bytes']} bytes, {found['format']}")


def _finite(value):
    """What is described, with None for NaN and infinity, which JSON lacks."""
    if isinstance(value, dict):
        return {name: _finite(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _lines(layer):
    """What is known of one model, in lines."""
    settings = {name: value for name, value in layer["settings"].items() if value is not None}
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
