"""The page about a model that a script has trained, beside its tables and pictures."""

import re

from rtrbm.report import write_report


def report(folder, model, X, train=None, *, name="", **options):
    """Write report.html to a folder, or report-NAME.html about one of several models, and say so.

    Parameters
    ----------
    folder : Path
    model, X, train, **options
        As of `rtrbm.report.write_report`.
    name : str
    """
    plain = "-".join(["report", *filter(None, [re.sub(r"[^\w-]+", "_", name).strip("_")])])
    path = folder / f"{plain}.html"
    print(f"writing {path}", flush=True)
    write_report(path, model, X, train=train, **options)
