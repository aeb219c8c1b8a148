"""``rtrbm report``: a page about a model, or about a training that runs."""

import json

from ..report import watch, write_report
from .reading import read_data, read_model
from .verbs import for_model
from .writing import check_out, say, settings_of


def run(options):
    """Write the page, or serve it."""
    if options.watch is not None:
        return watch(options.watch)
    if options.model is None:
        raise ValueError("MODEL must be given, the file that `rtrbm train` wrote, or --watch FOLDER")
    check_out(options, (".html",), options.model, options.data, options.train)
    model = read_model(options.model)
    X = train = None
    if options.data is not None:
        X = for_model(read_data(options.data, options, "--data"), model).sequences
    if options.train is not None:
        train = for_model(read_data(options.train, options, "--train", options.train_name), model).sequences
    say(f"writing {options.out}")
    write_report(options.out, model, X, train=train, image_shape=options.shape, warnings=_warnings(options.model))
    say(options.out)


def _warnings(path):
    """Those of the training, from the settings beside a model."""
    try:
        with open(settings_of(path), encoding="utf-8") as file:
            return json.load(file).get("warnings", [])
    except (OSError, ValueError):
        return []
