"""``rtrbm report``: a page about a model, or about a training that runs."""

from ..checks import about
from ..report import watch, write_report
from .reading import check_complete, check_unnamed, read_data, read_model
from .verbs import for_model
from .writing import check_out, earlier_settings, say, settings_of


OF_A_PAGE = {
    "model": "MODEL", "data": "--data", "name": "--name", "by": "--by", "time": "--time", "train": "--train",
    "train_name": "--train-name", "shape": "--shape",
}  # fmt: skip


def run(options):
    """Write the page, or serve it."""
    if options.watch is not None:
        given = [word for name, word in OF_A_PAGE.items() if getattr(options, name) not in (None, False)]
        if given:
            raise ValueError(f"--watch FOLDER shows runs under way: leave out {', '.join(given)}")
        with about("--watch", "^folder"):
            return watch(options.watch)
    if options.model is None:
        raise ValueError("MODEL must be given, the file that `rtrbm train` wrote, or --watch FOLDER")
    check_out(options, (".html",), options.model, options.data, options.train)
    model = read_model(options.model)
    X = train = None
    if options.data is None and options.train is not None:
        raise ValueError("--train has what simple predictors learn from, and --data what is scored: give --data FILE")
    useless = [f"--{name}" for name in ("name", "by", "time") if getattr(options, name) is not None]
    if options.data is None and useless:
        raise ValueError(f"{', '.join(useless)} is for the file of --data: give --data FILE, too")
    if options.train is None:
        check_unnamed("--train", options.train_name)
    if options.data is not None:
        X = _sequences(read_data(options.data, options, "--data"), model)
    if options.train is not None:
        train = _sequences(read_data(options.train, options, "--train", options.train_name), model)
    say(f"writing {options.out}")
    with about("--shape", "image_shape"):
        warned = earlier_settings(settings_of(options.model)).get("warnings", [])
        write_report(options.out, model, X, train=train, image_shape=options.shape, warnings=warned)
    say(options.out)


def _sequences(data, model):
    """Complete sequences of the features of a model."""
    check_complete(data)
    return for_model(data, model).sequences
