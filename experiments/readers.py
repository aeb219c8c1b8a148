"""How the tables of a run become numbers that can be compared: a function for each kind of table.

A kind is known by its columns (`READERS`). A run is a folder with settings.json and CSV files.
"""

import csv
from typing import NamedTuple

from experiments.runner import read_settings


class Table(NamedTuple):
    """title, unit : str; largest_first : bool, whether large numbers are good."""

    title: str
    unit: str
    largest_first: bool = False


ERROR, FEATURE, NATS = "squared error of a frame", "squared error of a feature", "log-likelihood, nats a frame"
TABLES = {
    "balls15": Table("Bouncing balls, 15x15 pixels", ERROR),
    "balls30": Table("Bouncing balls, 30x30 pixels", ERROR),
    "jsb": Table("JSB chorales", NATS, True),
    "nottingham": Table("Nottingham", NATS, True),
    "musedata": Table("MuseData", NATS, True),
    "piano-midi": Table("Piano-midi", NATS, True),
    "walking": Table("Hsu's walking", FEATURE),
    "mocap6": Table("mocap6", FEATURE),
    "walks": Table("Random walks", ERROR),
    "jsb_error": Table("JSB chorales, one-step prediction", ERROR),
    "spikes": Table("Simulated neural assemblies", "correlation of recovered and true connections", True),
    "ablation": Table("The parts of the model (ablation.md)", ERROR),
    "recipe": Table("The parts of the recipe (recipe.md)", ERROR),
    "digits": Table("Features of digits for a classifier (from-sklearn.md)", "accuracy", True),
}


class Run(NamedTuple):
    """name : str, of the folder; settings : dict; tables : dict of str to list of dict, rows by the file's name."""

    name: str
    settings: dict
    tables: dict


class Measured(NamedTuple):
    """A number that a run measured.

    table : str, of `TABLES`; model, settings, protocol : str; seeds : tuple of int; value : float; error : float or
    None, the standard error over test sequences, with several seeds that over seeds; minutes : float or None, of
    training; beside : dict of str to float, predictors without hidden units on the same frames; bracket : (float,
    float) or None, bounds of what is estimated.
    """

    table: str
    model: str
    protocol: str
    settings: str
    seeds: tuple
    value: float
    error: float | None
    minutes: float | None
    beside: dict
    bracket: tuple | None = None


def read_run(folder):
    """The run in a folder; cells of its tables are numbers where they can be, None where they are empty.

    Raises
    ------
    ValueError
        If a file cannot be read.
    """
    settings, tables = read_settings(folder / "settings.json"), {}
    for path in sorted(folder.glob("*.csv")):
        tables[path.stem] = [{name: _cell(cell) for name, cell in row.items()} for row in read_table(path)]
    return Run(folder.name, settings, tables)


def read_table(path):
    """The rows of a CSV file, dicts of str; of columns with one name the first counts."""
    with open(path, newline="", encoding="utf-8") as file:
        columns, *rows = list(csv.reader(file)) or [()]
    if not columns:
        raise ValueError(f"{path} is no table: its first line has no names of columns")
    return [dict(zip(reversed(columns), reversed(row))) for row in rows]


def _cell(text):
    """A number or a text; None of an empty cell and of NaN, a standard error that is not known."""
    for kind in (int, float):
        try:
            value = kind(text)
            return None if value != value else value
        except ValueError:
            pass
    return text or None


def measured(run):
    """All `Measured` of a run; none if its tables are of no kind that is compared.

    Raises
    ------
    ValueError
        If a table or the settings lack what numbers of this kind are compared with.
    """
    for name, rows in run.tables.items():
        for columns, reader in READERS.items():
            if rows and columns <= set(rows[0]):
                try:
                    yield from reader(run.settings, rows)
                except (KeyError, TypeError, AttributeError) as error:
                    wrong = f"{type(error).__name__}: {error}"
                    raise ValueError(
                        f"{name}.csv or settings.json of the run {run.name} lacks a row, a number or a setting that "
                        f"belongs to it ({wrong}): keep runs that ended"
                    ) from error


def named(model, settings):
    """A model's name with its parts, e.g. "RTRBM, dynamic visible bias, 2 taps"."""
    parts = [model, "dynamic visible bias" if settings.get("dynamic_visible_bias") else None]
    return ", ".join(filter(None, [*parts, taps(settings["n_taps"]) if settings.get("n_taps") else None]))


def taps(n):
    return f"{n} tap{'s' * (n > 1)}"


def size(settings):
    """Hidden units, updates and, if it is known, the engine in words."""
    words = f"{settings['n_hidden']} hidden units, {settings['n_updates']:,} updates"
    return f"{words}, {settings['engine']}" if "engine" in settings else words


def without_model(rows, column):
    """The numbers in a column of the rows that have neither a protocol nor a seed, by predictor."""
    found = [row for row in rows if row.get("protocol", "none") == "none" and row.get("seed") is None]
    return {row["predictor"]: row[column] for row in found}


def balls(settings, rows):
    """errors.csv of bouncing_balls."""
    error = without_model(rows, "squared_error_per_frame")
    beside = {
        "linear predictor": error[f"autoregression, {taps(settings['n_taps'] or 2)}"],
        "copying": error["copy-previous"],
        "extrapolation": error["linear extrapolation"],
    }
    for row in rows:
        if row["predictor"] not in error:
            yield Measured(
                table=f"balls{settings['resolution']}",
                model=named(row["predictor"], settings),
                protocol=row["protocol"],
                settings=f"`{settings['profile']}`, {size(settings)}",
                seeds=(settings["seed"],),
                value=row["squared_error_per_frame"],
                error=row["standard_error"],
                minutes=settings.get("minutes", {}).get(row["predictor"].lower()),
                beside=beside,
            )


def ablation(settings, rows):
    """errors.csv of ablation."""
    error = without_model(rows, "squared_error_per_frame")
    for row in rows:
        if row["predictor"] not in error:
            yield Measured(
                table="ablation",
                model=row["predictor"],
                protocol=settings["protocol"],
                settings=f"`{settings['profile']}`, {size(settings)}",
                seeds=(row["seed"],),
                value=row["squared_error_per_frame"],
                error=row["standard_error"],
                minutes=row["seconds"] and row["seconds"] / 60,
                beside={"linear predictor": row["linear_error"], "copying": error["copy-previous"]},
            )


COPYING, LINEAR = "the frame before", "linear predictor on 2 frames"  # rows of recipe and learning


def recipe(settings, rows):
    """recipe.csv of recipe."""
    beside = {row["variant"]: row["squared_error_per_frame"] for row in rows if row["seconds"] is None}
    beside = {"copying": beside.get(COPYING), "linear predictor": beside.get(LINEAR)}
    beside = {name: error for name, error in beside.items() if error is not None}
    for row in (row for row in rows if row["seconds"] is not None):
        yield Measured(
            table="recipe",
            model=row["variant"],
            protocol="mean",
            settings=f"{settings['n_updates']:,} updates",
            seeds=(settings["seed"],),
            value=row["squared_error_per_frame"],
            error=row["standard_error"],
            minutes=row["seconds"] / 60,
            beside=beside,
        )


def real_data(settings, rows):
    """real_data.csv of real_data."""
    for row in rows:
        own = {**settings["recipes"][row["task"]], "engine": settings["engine"]}
        averaged = own.get("n_predictions", 1)
        yield Measured(
            table="jsb_error" if row["task"] == "jsb" else row["task"],
            model=named(own["model"], own),
            protocol=scored(settings) + f", {averaged} predictions averaged" * (averaged > 1),
            settings=size(own),
            seeds=(row["seed"],),
            value=row["model"],
            error=None,
            minutes=row["minutes"],
            beside={"linear predictor": row["linear"], "copying": row["copy"]},
        )


def scored(settings):
    return "mean, validation part" if settings["validation"] else "mean"


def motion(settings, rows):
    """errors.csv of motion_capture; the linear predictor has three frames."""
    error = without_model(rows, "squared_error_per_feature")
    scaled = [f"statistics of {settings['statistics']} frames"] if settings["set"] == "walking" else []
    for row in rows:
        if row["predictor"] not in error:
            own = settings["recipes"].get(row["predictor"])
            yield Measured(
                table=settings["set"],
                model=row["predictor"],
                protocol=scored(settings),
                settings=", ".join(scaled + ([size(own["settings"])] if own else [])),
                seeds=(row["seed"],),
                value=row["squared_error_per_feature"],
                error=None,
                minutes=row["minutes"],
                beside={"linear predictor": error["AR(3)"], "copying": error["copy-previous"]},
            )


NOTES = {
    "rtrbm": "RTRBM, dynamic visible bias",
    "rtrbm-static": "RTRBM",
    "rnnrbm": "RNN-RBM",
    "rbm": "RBM",
    "lstmrbm": "LSTM-RBM",
    "1-gram": "1-gram of notes",
    "markov": "Markov chain of each note",
    "lstm": "LSTM of independent notes",
}

INDEPENDENT = tuple(NOTES[name] for name in ("1-gram", "markov", "lstm"))  # notes, given the past


def music(settings, rows):
    """scores.csv of polyphonic_music, without sets of a user's own."""
    for row in rows:
        if row["set"] not in TABLES or TABLES[row["set"]].unit != NATS:
            continue
        trained = row["trained_on"]
        if row["best"]:  # a temporal RBM
            recipe = settings["recipes"].get(f"{row['set']}, {trained}") or settings["recipes"][row["set"]]
            minutes = recipe.get("minutes", settings["minutes"])
            minutes = minutes.get(row["model"]) if isinstance(minutes, dict) else minutes
            lasted = f"{minutes:g} minutes" if minutes else f"{row['updates']:,} updates"
            own = {**recipe["model"], **recipe.get("networks", {}).get(row["model"], {})}
            trained += f", {own['n_hidden']} hidden units, {lasted}"
        yield Measured(
            table=row["set"],
            model=NOTES.get(row["model"], row["model"]),
            protocol=row["method"],
            settings=trained,
            seeds=(row["seed"],),
            value=row["nats"],
            error=row["standard_error"],
            minutes=row["minutes"],
            beside={},
            bracket=(row["lower"], row["upper"]) if row["lower"] < row["upper"] else None,
        )


def assemblies(settings, rows):
    """recovery.csv of neural_assemblies."""
    for row in rows:
        yield Measured(
            table="spikes",
            model=row["model"],
            protocol=f"{row['visible']} units",
            settings=f"{settings['hidden']} hidden units",
            seeds=(row["seed"],),
            value=row["correlation"],
            error=None,
            minutes=None,
            beside={},
        )


def digits(settings, rows):
    """features.csv of digits, whose rows are means over seeds."""
    for row in rows:
        yield Measured(
            table="digits",
            model=row["model"],
            protocol="logistic regression",
            settings="100 hidden units",
            seeds=tuple(range(settings["seeds"])),
            value=row["accuracy"],
            error=row["+-"],
            minutes=row["seconds"] / 60,
            beside={},
        )


READERS = {
    frozenset(("predictor", "protocol", "squared_error_per_frame", "standard_error")): balls,
    frozenset(("predictor", "seed", "squared_error_per_frame", "linear_error", "seconds")): ablation,
    frozenset(("variant", "squared_error_per_frame", "standard_error", "seconds")): recipe,
    frozenset(("task", "seed", "model", "linear", "copy", "minutes")): real_data,
    frozenset(("predictor", "seed", "squared_error_per_feature", "minutes")): motion,
    frozenset(("set", "model", "trained_on", "seed", "nats", "standard_error", "lower", "upper", "method")): music,
    frozenset(("visible", "seed", "model", "weight_match", "correlation")): assemblies,
    frozenset(("model", "accuracy", "+-", "minus BernoulliRBM", "seconds")): digits,
}
