"""``rtrbm report``: a page about a model, or about a training that runs."""

import json

from .reading import read_data, read_model
from .verbs import for_model
from .writing import check_out, has, say, settings_of


def run(options):
    """Write the page, or serve it."""
    if not has("rtrbm.report"):
        raise ImportError("this version of rtrbm has no reports")
    from ..report import watch, write_report

    if options.watch is not None:
        return watch(options.watch)
    if options.model is None:
        raise ValueError("MODEL must be given, the file that `rtrbm train` wrote, or --watch FOLDER")
    check_out(options, (".html",), options.model, options.data, options.train)
    model = read_model(options.model)
    X, train = (
        None if path is None else for_model(read_data(path, options, label, name), model).sequences
        for path, label, name in ((options.data, "--data", None), (options.train, "--train", options.train_name))
    )
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
