"""The options and the help of every command. Nothing is imported that takes time: help comes at once."""

import argparse
import difflib
import os
import re
import sys
import textwrap

from .. import __version__

MODELS = ("rtrbm", "rnnrbm", "lstmrbm", "crbm", "srtrbm", "trbm", "rbm")
ENGINES = ("auto", "numba", "numpy")
ARRAYS = (".csv", ".npz", ".npy", ".h5")
FORECASTS = (".csv", ".npz", ".h5", ".png")
SAMPLES = (*ARRAYS, ".gif", ".mp4", ".mid", ".png")

ABOUT = """Train a temporal RBM on a file of yours, and ask it for predictions, forecasts and samples.

A file of data is .csv, .npz, .npy, .mat, .h5 or .mid, with time down the rows and a feature in each column."""
ENDS = """`rtrbm COMMAND --help` explains a command and has examples.

exit status:
  0    all is well
  1    a mistake in the data or settings, or a failure: one line on standard error says which
  2    a command or an option that does not exist, or a value it cannot have
  130  Ctrl-C; `train` and `balls` save first, and the same command with --resume goes on

Nothing is overwritten without --force. A file that is written is complete or not there."""


class Parser(argparse.ArgumentParser):
    """A parser that takes no abbreviations, and names what was probably meant."""

    def __init__(self, **options):
        super().__init__(allow_abbrev=False, formatter_class=argparse.RawDescriptionHelpFormatter, **options)

    def parse_known_args(self, args=None, namespace=None):
        self._given = [word.partition("=")[0] for word in args or () if word.startswith("--")]
        return super().parse_known_args(args, namespace)

    def error(self, message):
        known = list(self._option_string_actions)
        wrong = [word for word in self._given if word not in known]
        if choice := re.search(r"invalid choice: '(.*?)' \(choose from (.*)\)", message):
            wrong, known = [choice[1]], re.findall(r"[\w.]+", choice[2])
        elif wrong and "unrecognized" not in message:
            message += f"; there is no {wrong[0]}"
        meant = difflib.get_close_matches(wrong[0], known, 1) if wrong else ()
        super().error(message + "".join(f"; did you mean {name}?" for name in meant))


def count(minimum):
    """The type of an option that is a whole number of at least `minimum`."""

    def convert(text):
        if not re.fullmatch(r"-?\d+", text) or int(text) < minimum:
            raise argparse.ArgumentTypeError(f"must be a whole number of at least {minimum}, got {text!r}")
        return int(text)

    return convert


def image_shape(text):
    """The type of --shape, for example 15x20."""
    sides = re.fullmatch(r"([1-9]\d*)x([1-9]\d*)", text)
    if not sides:
        raise argparse.ArgumentTypeError(f"must be HEIGHTxWIDTH, for example 15x20, got {text!r}")
    return int(sides[1]), int(sides[2])


def threads(text):
    """The type of --n-jobs."""
    if not re.fullmatch(r"-?[1-9]\d*", text):
        raise argparse.ArgumentTypeError(f"must be a number of threads, or -1 for all processors, got {text!r}")
    return int(text)


# --------------------------------------------------------------------------------- options of several commands


def data(parser, what="the data"):
    """A file of data, and how it is read."""
    parser.add_argument("file", metavar="FILE", help=f"{what}: .csv, .npz, .npy, .mat, .h5 or .mid")
    columns(parser)


def columns(parser):
    """Which array of a file, and what its columns are."""
    parser.add_argument(
        "--name", metavar="ARRAY", help="the array, if the file has several; / takes all of them as sequences"
    )
    parser.add_argument(
        "--by",
        metavar="COLUMN",
        help="the column that names the sequence of a row (default: 'sequence', if there is such a column)",
    )
    parser.add_argument("--time", metavar="COLUMN", help="the column of times, which is no feature")


def fitted(parser):
    """Data beside those that are scored."""
    parser.add_argument("--train", metavar="FILE", help="data that the predictors without a model are fitted to")
    parser.add_argument("--train-name", metavar="ARRAY", help="the array in that file (default: that of --name)")


def model(parser):
    """The file of a model."""
    parser.add_argument("model", metavar="MODEL", help="the file that `rtrbm train` or a model's `save` wrote")


def out(parser, endings, default=None):
    """The file to write."""
    given = f" (default: {default})" if default else ""
    parser.add_argument(
        "--out",
        metavar="FILE",
        required=default is None,
        default=default,
        help=f"the file to write, {', '.join(endings)}{given}",
    )
    force(parser)


def force(parser):
    """Whether files are replaced."""
    parser.add_argument("--force", action="store_true", help="replace files that are there already")


def seed(parser, default, text):
    """The seed of random numbers."""
    parser.add_argument("--seed", type=count(0), default=default, metavar="N", help=text)


def training(parser):
    """Options of commands that train."""
    parser.add_argument("--updates", type=count(1), metavar="N", help="updates of the parameters")
    parser.add_argument("--hidden", type=count(1), metavar="N", help="hidden units")
    parser.add_argument("--n-jobs", type=threads, metavar="N", help="threads (default: all processors)")
    parser.add_argument(
        "--engine",
        choices=ENGINES,
        help="numba is faster, pip install 'rtrbm[fast]'; auto takes it where it is installed (default: auto)",
    )
    parser.add_argument("--resume", action="store_true", help="go on from the file of an earlier run, bit for bit")


# --------------------------------------------------------------------------------------------------- commands


def train(parser):
    """Train a model on a file.

    Numbers in [0, 1] are probabilities of Bernoulli units. Real values want --standardize: every feature is brought to
    mean 0 and standard deviation 1, and all results come back in the units of the file. Missing values (empty fields,
    NaN) are drawn from the model. A recording of more than 200 frames is cut into windows of 100, or as --window says.

    After training, the error of the next frame stands beside that of predictors without a model. With --validation it
    is measured on data that the model has not learned from, and the model with the least such error is kept.

    Settings are those of the class, as in help(rtrbm.RTRBM). `--config` reads them from a TOML file, with lines like
    n_hidden = 50, and model = "trbm" and window = 60. Options win over --set, and --set wins over the file.
    """
    data(parser)
    out(parser, (".h5",), "model.h5")
    parser.add_argument("--model", choices=MODELS, help="the kind of model (default: rtrbm)")
    parser.add_argument("--validation", metavar="FILE", help="data of the same kind that are held out")
    parser.add_argument("--validation-name", metavar="ARRAY", help="the array in that file (default: that of --name)")
    parser.add_argument(
        "--window", type=count(0), metavar="N", help="frames that a long recording is cut into; 0: it is not cut"
    )
    parser.add_argument("--standardize", action="store_true", help="for real values, on any scale")
    parser.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="a setting of the model; as often as you like"
    )
    parser.add_argument("--config", metavar="FILE", help="settings as a TOML file")
    training(parser)
    seed(parser, None, "of all random numbers (default: 0)")


def score(parser):
    """Measure the one-step error of a model beside that of predictors without one.

    The error is the squared difference of the next frame and its prediction, summed over features, and the mean over
    frames. `linear predictor` is the best affine function of the last frames. It is fitted to --train; without that
    option it is fitted to FILE itself, which is in its favour.
    """
    model(parser)
    data(parser)
    fitted(parser)
    parser.add_argument(
        "--likelihood",
        nargs="?",
        type=count(1),
        const=500,
        metavar="FRAMES",
        help="also the log-likelihood per frame, with bounds: of so many frames (500) if it takes long",
    )


def predict(parser):
    """Predict every frame from those before it: E[v_t | v_1..v_{t-1}], in the form of FILE."""
    model(parser)
    data(parser)
    out(parser, ARRAYS)


def denoise(parser):
    """Filter the frames, and reconstruct them from the hidden units, in the form of FILE."""
    model(parser)
    data(parser)
    out(parser, ARRAYS)


def impute(parser):
    """Fill in missing values (empty fields, NaN), given the rest of the frame and those before it."""
    model(parser)
    data(parser)
    out(parser, ARRAYS)


def forecast(parser):
    """Draw many futures after the last frame, and write their mean and quantiles.

    A CSV has a block of rows for each statistic: the mean, then the quantiles 0.1, 0.5 and 0.9 of every value by
    itself; its columns are statistic, frame (1 is the first one ahead) and the features. A .png is a fan chart. .npz
    and .h5 hold the arrays mean (n_sequences, frames, n_features), quantiles (3, ...) and levels.
    """
    model(parser)
    data(parser, "the frames so far")
    out(parser, FORECASTS)
    parser.add_argument("--frames", type=count(1), default=20, metavar="N", help="frames ahead (default: 20)")
    parser.add_argument("--futures", type=count(9), default=100, metavar="N", help="continuations (default: 100)")
    seed(parser, None, "of the futures (default: that of the model)")


def sample(parser):
    """Draw sequences from nothing.

    Numbers are the probabilities or means of each frame, as the thesis shows them; --states writes the frames that
    were drawn. A .mid file always has the drawn notes, and several samples are several files. .gif and .mp4 show frames
    as grey images, .png as a strip of images; else binary features as a raster, and real values as curves.
    """
    model(parser)
    out(parser, SAMPLES)
    parser.add_argument("--frames", type=count(1), default=100, metavar="N", help="frames (default: 100)")
    parser.add_argument("--n", type=count(1), default=1, metavar="N", help="sequences (default: 1)")
    parser.add_argument("--states", action="store_true", help="the drawn values in place of their probabilities")
    parser.add_argument("--shape", type=image_shape, metavar="HxW", help="of images that are not square: 15x20")
    seed(parser, 0, "of the samples (default: 0)")


def info(parser):
    """Say what a model's file holds, without reading its arrays."""
    model(parser)
    parser.add_argument("--json", action="store_true", help="as JSON")


def report(parser):
    """Write a page about a model, report.html: settings, learning curves, weights, samples, errors.

    The page needs no network. --watch shows a training that runs, as it goes on, on this machine alone.
    """
    parser.add_argument("model", metavar="MODEL", nargs="?", help="the file that `rtrbm train` wrote")
    parser.add_argument("--data", metavar="FILE", help="data to predict and forecast, best those that were held out")
    columns(parser)
    fitted(parser)
    parser.add_argument("--shape", type=image_shape, metavar="HxW", help="of images that are not square: 15x20")
    parser.add_argument("--watch", metavar="FOLDER", help="the folder of a training that runs")
    out(parser, (".html",), "report.html")


def balls(parser):
    """Learn bouncing balls: videos of 15x15 pixels, made as training goes on.

    Writes the model, its settings, the table of errors (errors.csv) and, with `pip install 'rtrbm[figures]'`, pictures
    to a folder: a dream beside data (dreams.gif), predictions, learning curves, receptive fields.
    """
    parser.add_argument("--out", default="balls", metavar="FOLDER", help="the folder to write (default: balls)")
    force(parser)
    training(parser)
    seed(parser, 0, "of all random numbers (default: 0)")


COMMANDS = (train, score, predict, forecast, sample, denoise, impute, info, report, balls)
EXAMPLES = {
    "train": (
        "rtrbm train joints.csv --standardize --window 60",
        "rtrbm train rolls.npz --name train --hidden 50 --updates 500 --out rolls.h5",
        "rtrbm train joints.csv --standardize --validation more.csv --model crbm --set n_taps=3 --out crbm.h5",
        "rtrbm train rolls.npz --name train --set 'n_gibbs={0:1,300:3}' --set visible=bernoulli --out cd.h5",
        "rtrbm train joints.csv --standardize --window 60 --updates 3000 --resume",
    ),
    "score": ("rtrbm score model.h5 more.csv --train joints.csv", "rtrbm score rolls.h5 rolls.npz --name train"),
    "predict": ("rtrbm predict model.h5 joints.csv --out predicted.csv",),
    "denoise": ("rtrbm denoise rolls.h5 rolls.npz --name train --out clean.npz",),
    "impute": ("rtrbm impute model.h5 gaps.csv --out filled.csv",),
    "forecast": (
        "rtrbm forecast model.h5 joints.csv --frames 20 --out ahead.csv",
        "rtrbm forecast model.h5 joints.csv --frames 20 --futures 200 --out ahead.png",
    ),
    "sample": (
        "rtrbm sample model.h5 --frames 200 --n 4 --out dream.csv",
        "rtrbm sample rolls.h5 --frames 64 --seed 3 --out dream.mid",
        "rtrbm sample rolls.h5 --shape 8x11 --out dream.gif",
    ),
    "info": ("rtrbm info model.h5", "rtrbm info model.h5 --json"),
    "report": ("rtrbm report model.h5 --data joints.csv --out report.html",),
    "balls": ("rtrbm balls", "rtrbm balls --updates 6000 --resume"),
}


def parser():
    """The parser of the command line, and those of the commands by their names."""
    top = Parser(prog="rtrbm", description=ABOUT, epilog=ENDS)
    top.add_argument("--version", action="version", version=f"rtrbm {__version__}")
    commands = top.add_subparsers(dest="command", metavar="COMMAND", required=True, title="commands")
    for add in COMMANDS:
        first, _, rest = add.__doc__.partition("\n")  # Python 3.13 has taken the indent away already
        name, text = add.__name__, f"{first}\n{textwrap.dedent(rest)}".strip()
        examples = "\n".join(f"  {line}" for line in EXAMPLES[name])
        short = text.split("\n\n")[0].rstrip(".")
        add(commands.add_parser(name, help=short, description=text, epilog=f"examples:\n{examples}"))
    return top, commands.choices


def parsed(arguments=None):
    """The options of a command line; ends with status 2 if it is wrong."""
    top, commands = parser()
    options, unknown = top.parse_known_args(sys.argv[1:] if arguments is None else arguments)
    if unknown:
        commands[options.command].error(f"unrecognized arguments: {' '.join(unknown)}")
    for name, value in vars(options).items():
        if isinstance(value, str):  # a shell leaves the ~ of --out=~/x
            setattr(options, name, os.path.expanduser(value))
    return options
