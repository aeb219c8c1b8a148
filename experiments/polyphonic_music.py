"""What temporal RBMs are worth on polyphonic music: nats a frame, beside models whose notes are independent.

    python -m experiments.polyphonic_music --data FOLDER                        JSB chorales, all models
    python -m experiments.polyphonic_music --data FOLDER --transpose            trained on pieces in all keys
    python -m experiments.polyphonic_music --data FOLDER --transpose --pool --sets jsb nottingham piano-midi musedata
    python -m experiments.polyphonic_music --sets my-midi-files                 anything that piano_rolls reads

FOLDER (or the environment variable RTRBM_DATA) holds polyphonic_music/JSB_Chorales.mat and so on: `python -m
rtrbm.datasets jsb --to FOLDER` gets it. The models:

    rtrbm           RTRBM with a dynamic visible bias: the state acts on the notes too
    rtrbm-static    the RTRBM of the thesis
    rnnrbm, lstmrbm RNN-RBM and LSTM-RBM
    rbm             a static RBM of single frames
    1-gram, markov, lstm    independent notes given the past (`experiments.music_baselines`)

Every model learns from the training pieces. Its log-likelihood of some validation pieces is estimated at an interval,
and the parameters of the best measurement are kept. The test pieces are read once, at the end: the mean of
log P(v_t | v_1..v_{t-1}) over all frames of all pieces, between two bounds where it is estimated (`likelihood`), and
the expected frame-level accuracy (`experiments.music_baselines.accuracy`) of one-step predictions. scores.csv has a row
for each, settings.json the settings; of each model there are its file, its measurements (.csv) and a dream, as piano
roll (.png) and as music (.mid).
"""

import argparse
import csv
import math
import os
import pathlib
import time
import warnings
from typing import NamedTuple

import numpy as np

from experiments import music_baselines as baselines
from experiments.reports import report
from experiments.runner import (
    begin,
    check_different,
    check_figures,
    check_work,
    data_option,
    earlier_settings,
    is_there,
    output_folder,
    print_table,
    run,
    save_figure,
    script,
    starting,
    stopped,
    work_options,
    write_settings,
    write_table,
)
from rtrbm import LSTMRBM, RBM, RNNRBM, RTRBM
from rtrbm.callbacks import EarlyStopping
from rtrbm.checks import about, check_count, check_number
from rtrbm.convert import write_midi
from rtrbm.datasets import Transposed, piano_rolls
from rtrbm.datasets.registry import DATA_SETS
from rtrbm.minibatches.fingerprint import difference, fingerprint
from rtrbm.parameters import each
from rtrbm.plots import WIDTH
from rtrbm.training.state import Best

SETS = "jsb", "nottingham", "piano-midi", "musedata"
MODELS = {
    "rtrbm": (RTRBM, {"dynamic_visible_bias": True}),
    "rtrbm-static": (RTRBM, {}),
    "rnnrbm": (RNNRBM, {"learning_rate": 0.003}),
    "lstmrbm": (LSTMRBM, {"learning_rate": 0.003}),
}
ALONE = "1-gram", "markov", "rbm"  # not trained on transposed pieces
BASELINES = (*ALONE, "lstm")
RECIPE = {
    "model": {"n_hidden": 200, "optimizer": "spectral", "momentum": 0.95, "learning_rate": 0.006, "batch_size": 16},
    "n_gibbs": {0: 5, 0.7: 15},  # from a part of all updates on
    "n_updates": 20_000,
    "window": 100,
    "warm_up": 20,
    "step": 0.5,  # quarter notes a frame
}
RECIPES = {"jsb": {**RECIPE, "n_updates": 10_000, "window": None, "step": 1.0}}  # of other sets: RECIPE
MANY = "nottingham", "musedata"  # sets that a large model does not soon know by heart, as it does others
AS_THEY_ARE = {"learning_rate": 0.003, "weight_decay": 5e-4}  # of pieces that are not transposed: of most models,
SMALLER = {
    "rnnrbm": {"n_recurrent": 30, "activation": "sigmoid", "weight_decay": 3e-4},
    "lstmrbm": {"n_recurrent": 30, "weight_decay": 3e-4},
}  # their networks,
LONG_CHAINS, LONGER_CHAINS = {0: 5, 0.3: 10, 0.6: 25, 0.8: 50, 0.9: 100}, {0: 10, 0.15: 25, 0.4: 50, 0.6: 100}
LARGER = {
    "rnnrbm": {
        "n_hidden": 300,
        "n_recurrent": 200,
        "activation": "sigmoid",
        "learning_rate": 0.004,
        "weight_decay": 1e-4,
        "n_gibbs": LONGER_CHAINS,
    },
    "rtrbm": {"n_gibbs": LONG_CHAINS},
}  # those of more music,
LARGEST = {**LARGER, "rnnrbm": {**LARGER["rnnrbm"], "n_hidden": 500, "n_recurrent": 300, "learning_rate": 0.003}}
LARGEST_OF = "musedata"  # alone, in all keys,
SHORTER = 0.3  # and the part of the updates of the others
FRAMES = {
    "n_hidden": 150, "optimizer": "spectral", "learning_rate": 0.006, "weight_decay": 1e-4, "batch_size": 200,
    "n_updates": 10_000,
}  # of the static RBM
TRANSPOSED = -6, 5  # semitones
N_LOOKS, PATIENCE = 25, 8  # measurements in a run; those without a better one that end it
N_VALIDATED = 300  # frames of the validation pieces that are measured
QUICK = {"n_chains": 8, "n_steps": 1024}  # of these measurements
N_TIMED = 40  # updates that tell how many --minutes are
N_DREAMT, N_LOOKED_AT = 200, 100  # frames of a dream, of pictures
DREAM_SEED = 1_000_003


class Score(NamedTuple):
    """A row of scores.csv. nats: of the test frames, with its standard error and its bounds; valid: of the validation
    frames that were measured; best: the update whose parameters were kept."""

    set: str
    model: str
    trained_on: str
    seed: int
    nats: float
    standard_error: float
    lower: float
    upper: float
    n_frames: int
    method: str
    accuracy: float | None
    valid: float | None = None
    updates: int | None = None
    best: int | None = None
    minutes: float | None = None


class Music(NamedTuple):
    """train, valid : lists of rolls; tests : dict of lists of rolls, by the names of the sets; recipe : dict."""

    train: list
    valid: list
    tests: dict
    recipe: dict


class Measurement(NamedTuple):
    """A likelihood of validation pieces. minutes : of training; since : the update from which patience counts."""

    update: int
    nats: float
    standard_error: float
    lower: float
    upper: float
    minutes: float
    since: int = 0


class BestLikelihood(EarlyStopping):
    """Keep the parameters with the best likelihood of some pieces, and write every measurement to a CSV file.

    Parameters
    ----------
    pieces : list of (n_frames_i, 88) ndarrays
    every : int
        Updates between two measurements.
    path : path-like
        The file. A run that goes on keeps the measurements before its checkpoint.
    patience : int or None
        As of EarlyStopping.
    anew : bool
        Count measurements without a better one from the start of this call of `fit`: a run that ended goes on.
    """

    def __init__(self, pieces, every, path, patience=PATIENCE, anew=False):
        super().__init__(patience)
        self.pieces, self.every, self.path, self.anew = pieces, every, path, anew

    def start(self, model):
        n, rows = model.n_updates_, []
        if n and self.path.exists():
            try:
                with open(self.path, newline="", encoding="utf-8") as file:
                    rows = [Measurement(*map(float, row)) for row in list(csv.reader(file))[1:]]
            except (TypeError, ValueError) as error:
                raise ValueError(f"{self.path} is damaged: {error}; remove it, and measurements begin anew") from error
        rows = [row._replace(update=int(row.update), since=int(row.since)) for row in rows if row.update <= n]
        if rows and self.anew:
            rows[-1] = rows[-1]._replace(since=n)
        if not n or self.anew:  # rows of an earlier run would be taken for this one's
            write_table(self.path, Measurement._fields, rows)
        self._rows, self._since = rows, rows[-1].since if rows else 0
        self._begun = time.perf_counter() - 60 * self.minutes
        if n and self._is_due(model) and n not in [row.update for row in rows]:
            self._measure(model)  # which an error broke off
        return self._is_over(model)

    def __call__(self, model):
        if not self._is_due(model):
            return False
        self._measure(model)
        return self._is_over(model)

    def _is_due(self, model):
        return model.n_updates_ % self.every == 0 or model.n_updates_ == model.n_updates

    def _measure(self, model):
        n = model.n_updates_
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of wide bounds, which are in the file
            found = model.likelihood(self.pieces, random_state=0, **QUICK)
        if model.best_ is None or -found.nats < model.best_.error:  # before anything can fail: a checkpoint keeps it
            model.best_ = Best(each(np.copy, model.params_), n, -found.nats)
        minutes = (time.perf_counter() - self._begun) / 60
        bounds = found.standard_error, found.lower, found.upper
        self._rows.append(Measurement(n, found.nats, *bounds, minutes, self._since))
        write_table(self.path, Measurement._fields, self._rows)
        print(f"  update {n}: {found.nats:.3f} nats a validation frame, {minutes:.1f} minutes", flush=True)

    def _is_over(self, model):
        if model.best_ is None:
            return False
        since = max(model.best_.update, self._since)
        return sum(row.update > since for row in self._rows) >= self.patience

    @property
    def minutes(self):
        """Of the whole run, up to the last measurement."""
        return self._rows[-1].minutes if self._rows else 0.0


def load(names, options):
    """The music of some sets, pooled."""
    with about("--sets", "path"):
        parts = [piano_rolls(path_of(name, options.data)) for name in names]
    train, valid = [roll for part in parts for roll in part[0]], [roll for part in parts for roll in some(part[1])]
    return Music(train, valid, {name: part[2] for name, part in zip(names, parts)}, recipe_of(names, options))


def recipe_of(names, options):
    """The settings of runs on some sets, pooled."""
    recipe = RECIPES.get(names[0], RECIPE) if len(names) == 1 else RECIPE
    if options.transpose:
        return {**recipe, "networks": LARGEST if [*names] == [LARGEST_OF] else LARGER}
    if {*names} <= {*MANY}:
        return {**recipe, "networks": {**LARGER, "rtrbm": AS_THEY_ARE}}
    model, n_updates = {**recipe["model"], **AS_THEY_ARE}, round(SHORTER * recipe["n_updates"])
    return {**recipe, "networks": SMALLER, "model": model, "n_updates": n_updates}


def recipes_of(groups, learnt, options, earlier, begun):
    """The recipes of a run and of those it goes on with, by set and pieces, with the --minutes of each model."""
    found, how = dict(earlier), trained_on(None, options)
    for names in groups:
        minutes = {name: options.minutes for name in options.models if title_of(name, names, learnt[name]) not in begun}
        for name in names:
            before = found.get(f"{name}, {how}", {}).get("minutes")
            before = before if isinstance(before, dict) else {}
            found[f"{name}, {how}"] = {**recipe_of(names, options), "minutes": {**before, **minutes}}
    return found


def path_of(name, folder):
    """The file of a set by its name; any other name is a path itself."""
    if name not in SETS:
        return name
    if not folder:
        raise ValueError(f"--data must name the folder of data with {DATA_SETS[name].files[0].path}")
    path = pathlib.Path(folder, DATA_SETS[name].files[0].path)
    if not is_there(path):
        raise ValueError(f"there is no {path}: python -m rtrbm.datasets {name} --to {folder} gets it")
    return path


def some(pieces, n_frames=None):
    """The beginnings of evenly chosen pieces, about so many frames in all."""
    n_frames = n_frames or N_VALIDATED
    longest = max(2, n_frames // 4)
    lengths = np.minimum([len(piece) for piece in pieces], longest)
    n = int(np.clip(round(n_frames / lengths.mean()), 1, len(pieces)))
    return [pieces[i][:longest] for i in np.linspace(0, len(pieces) - 1, n).astype(int)]


def trained_on(name, options):
    """What a model learns from, in words; frequencies of notes are not transposed."""
    words = ["transposed"] * (options.transpose and name not in ALONE)
    words += [f"pooled of {stems(options.sets)}"] * options.pool
    return " ".join(words) or "as it is"


def stems(sets):
    """The names of sets, without folders and endings."""
    return "+".join(pathlib.Path(part).stem for part in sets)


def stream_of(music, options):
    """The training pieces as a stream of minibatches."""
    recipe, semitones = music.recipe, TRANSPOSED if options.transpose else (0, 0)
    cut = {name: recipe[name] for name in ("window", "warm_up")}
    batch_size = recipe["model"]["batch_size"]
    return Transposed(music.train, batch_size, **cut, semitones=semitones, random_state=options.seed)


def new_model(name, recipe, n_updates, options):
    """A model to be trained."""
    kind, own = MODELS[name]
    own = {"n_gibbs": recipe["n_gibbs"], **own, **recipe["networks"].get(name, {})}
    n_gibbs = {int(part * n_updates): k for part, k in own.pop("n_gibbs").items()}
    run_of = {"n_updates": n_updates, "random_state": options.seed, "n_jobs": options.n_jobs, "engine": options.engine}
    return kind(**{**recipe["model"], **own}, n_gibbs=n_gibbs, **run_of)


def begun_runs(groups, learnt, options, folder):
    """The updates of the runs that --resume goes on with, by the names of their files."""
    if not options.resume:
        return {}
    found = {}
    for sets in groups:
        for name in filter(MODELS.get, options.models):
            path = folder / f"{title_of(name, sets, learnt[name])}.h5"
            if path.exists():
                found[path.stem] = MODELS[name][0].load(path).n_updates
    return found


def check_rows(rows, options):
    """Raise unless --resume can go on with the rows of a table of scores."""
    for row in rows:
        if row.seed != options.seed:
            raise ValueError(f"--seed must be that of the run, {row.seed}, got {options.seed}: take another --out")
        if row.model in set(options.models) - set(MODELS) and (row.updates or 0) > (options.updates or math.inf):
            raise ValueError(f"--updates must be at least {row.updates}, those of {row.model}, got {options.updates}")


def check_music(folder, groups, sets):
    """Raise if the run in a folder, with which --resume goes on, had other music of the same name.

    Returns
    -------
    dict of str to dict of str to str
        The fingerprints of the parts of the music of that run and of this one, by the names of the sets.
    """
    known = dict(earlier_settings(folder).get("music", {}))
    for names, music in zip(groups, sets):
        then = known.get(stems(names), {})
        then = then if isinstance(then, dict) else {"train": then}
        parts = {"train": music.train, "valid": music.valid}
        parts |= {f"test of {name}": rolls for name, rolls in music.tests.items()}
        own = {part: fingerprint(rolls) for part, rolls in parts.items()}
        for part in own:
            other = difference(then.get(part), own[part])
            if other is not None:
                raise ValueError(
                    f"--sets {' '.join(names)} must be the music of the run in {folder}, got {other} in {part}: take "
                    "another --out"
                )
        known[stems(names)] = own
    return known


def length_of(name, music, options, begun):
    """The updates of a run: as many as it began with or --updates if these are more; those of the recipe; or as many as
    --minutes last."""
    if begun is not None:
        return max(begun, options.updates or 0)
    if options.minutes is None:
        return options.updates or music.recipe["n_updates"]
    stream = stream_of(music, options)
    new_model(name, music.recipe, 2, options).fit(stream)  # which compiles
    started = time.perf_counter()
    new_model(name, music.recipe, N_TIMED, options).fit(stream)
    return max(1, int(N_TIMED * 60 * options.minutes / (time.perf_counter() - started)))


def train(name, title, music, options, folder, begun):
    """A trained model, and what watched it. begun : the updates of a run that goes on, or None."""
    path = folder / f"{title}.h5"
    n_updates = length_of(name, music, options, begun)
    starting(f"{title}: {n_updates} updates", path, options.resume)
    longer = n_updates > (begun or math.inf)
    watch = BestLikelihood(music.valid, -(-n_updates // N_LOOKS), folder / f"{title}.csv", anew=longer)
    model = new_model(name, music.recipe, n_updates, options)
    model.fit(stream_of(music, options), checkpoint=path, resume=options.resume, callbacks=[watch])
    return model, watch


def title_of(name, sets, learnt):
    """The name of a model's file."""
    return f"{name}-{stems(sets)}-{learnt.partition(' of ')[0].replace(' ', '-')}"


def models_of(groups, sets, learnt, options, begun):
    """The models of a run, by the names of their files; with --resume as long as the runs that go on."""
    found = {}
    for names, music in zip(groups, sets):
        for name in filter(MODELS.get, options.models):
            title = title_of(name, names, learnt[name])
            n_updates = begun.get(title, 1)
            if n_updates > (options.updates or math.inf):
                wanted = f"at least {n_updates}, those of the run of {title}.h5"
                raise ValueError(f"--updates must be {wanted}, got {options.updates}")
            found[title] = new_model(name, music.recipe, n_updates, options)
    return found


def scores_of(name, title, music, learnt, options, folder, begun):
    """The rows of a model, one a set."""
    model, watch = train(name, title, music, options, folder, begun)
    draw(model, title, music, options, folder)
    rows = []
    for part, test in music.tests.items():
        found = model.likelihood(test, random_state=options.seed)
        accuracy = baselines.accuracy(test, model.predict(test))
        bounds = found.nats, found.standard_error, found.lower, found.upper, found.n_frames, found.method
        how = -model.best_.error, model.n_updates_, model.best_.update, watch.minutes
        rows.append(Score(part, name, learnt, options.seed, *bounds, accuracy, *how))
    report(folder, model, next(iter(music.tests.values())), music.train, name=title, title=title)
    return rows


def baseline(name, music, learnt, options):
    """The rows of a model of independent notes, one a set."""
    begun, n_updates = time.perf_counter(), None
    if name == "lstm":
        n_updates = options.updates or baselines.N_UPDATES
        network = baselines.NoteLSTM(baselines.frequency(np.concatenate(music.train)), seed=options.seed)
        predict = network.fit(stream_of(music, options), music.valid, n_updates).predict
    else:
        predict = {"1-gram": baselines.one_gram, "markov": baselines.markov}[name](music.train)
    rows, minutes = [], (time.perf_counter() - begun) / 60
    valid = baselines.scores(music.valid, predict(music.valid))[0]
    for part, test in music.tests.items():
        nats, accuracy = baselines.scores(test, predict(test))
        bounds = nats, 0.0, nats, nats, sum(map(len, test)), "exact"
        rows.append(Score(part, name, learnt, options.seed, *bounds, accuracy, valid, n_updates, None, minutes))
    return rows


def frames_alone(music, learnt, options):
    """The rows of a static RBM, one a set: it does not know the past, and predicts nothing."""
    begun, n_updates = time.perf_counter(), options.updates or FRAMES["n_updates"]
    run_of = {"random_state": options.seed, "n_jobs": options.n_jobs, "engine": options.engine}
    settings = {**FRAMES, "n_updates": n_updates, "n_gibbs": {0: 5, n_updates // 2: 15}}
    model = RBM(**settings, **run_of).fit(np.concatenate(music.train))
    rows, minutes = [], (time.perf_counter() - begun) / 60
    valid = model.likelihood(np.concatenate(music.valid)).nats
    for part, test in music.tests.items():
        found = model.likelihood(np.concatenate(test))
        bounds = found.nats, found.standard_error, found.lower, found.upper, found.n_frames, found.method
        rows.append(Score(part, "rbm", learnt, options.seed, *bounds, None, valid, n_updates, None, minutes))
    return rows


def draw(model, title, music, options, folder):
    """A dream as a picture beside music, and as a file to listen to."""
    _, dreams = model.sample(N_DREAMT, random_state=options.seed + DREAM_SEED, return_states=True)
    write_midi(folder / f"{title}.mid", dreams[0], music.recipe["step"])
    longest = max(music.valid, key=len)
    save_figure(rolls({"music": longest, "dream": dreams[0]}), folder / f"{title}.png")


def rolls(pieces):
    """Piano rolls above each other.

    Parameters
    ----------
    pieces : dict of (n_frames, 88) ndarrays, by their titles

    Returns
    -------
    matplotlib.figure.Figure
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH, 1.7 * len(pieces)), dpi=200, layout="constrained")
    for axes, (title, roll) in zip(figure.subplots(len(pieces), squeeze=False)[:, 0], pieces.items()):
        shown = np.asarray(roll)[:N_LOOKED_AT]
        area = 0, len(shown), 20.5, 108.5
        axes.imshow(shown.T, aspect="auto", origin="lower", cmap="Greys", interpolation="nearest", extent=area)
        axes.set_xlim(0, N_LOOKED_AT)
        axes.set_title(title, fontsize=9)
        axes.set_ylabel("MIDI note", fontsize=8)
        axes.tick_params(labelsize=8)
    axes.set_xlabel("frame", fontsize=8)
    return figure


def parser():
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    data_option(parser)
    said = f"{', '.join(SETS)}, or paths (default: jsb)"
    parser.add_argument("--sets", nargs="+", type=os.path.expanduser, default=["jsb"], metavar="SET", help=said)
    known = (*BASELINES, *MODELS)
    parser.add_argument("--models", nargs="+", choices=known, default=known, metavar="MODEL", help="default: all")
    parser.add_argument("--transpose", action="store_true", help="transpose the pieces at random, by -6 to 5 semitones")
    parser.add_argument("--pool", action="store_true", help="one model of each kind learns from all sets")
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--updates", type=int, help="of a model (default: those of the recipe)")
    how = "of learning, of a model that begins, but rbm and lstm: as many updates as fit into them"
    length.add_argument("--minutes", type=float, help=how)
    parser.add_argument("--seed", type=int, default=0, help="default: 0")
    more = "go on: keep the rows and the models of the folder; with more --updates the models learn further"
    parser.add_argument("--resume", action="store_true", help=more)
    work_options(parser)
    parser.add_argument("--out", default="results/polyphonic_music", help="folder for the results")
    return parser


def check(options):
    """Raise if an option is wrong or something is missing, before any work."""
    check_count("--seed", options.seed, 0)
    if options.updates is not None:
        check_count("--updates", options.updates)
    if options.minutes is not None:
        check_number("--minutes", options.minutes, 0)
    check_work(options)
    check_figures()
    check_different("--sets", options.sets)
    names = [stems([part]) for part in options.sets]
    if len(set(names)) < len(names):
        raise ValueError(f"--sets must have different names, got {', '.join(names)}: files of results have these names")
    check_different("--models", options.models)
    if set(options.models) & set(MODELS):
        try:
            import mido  # noqa: F401
        except ImportError:
            raise ValueError("dreams are written by mido: install rtrbm[music]") from None
    for name in options.sets:
        if not os.path.exists(path_of(name, options.data)):
            raise ValueError(f"--sets must be of {', '.join(SETS)}, or paths, there is no {name!r}")


def earlier_rows(path):
    """The rows of a table of scores that is there."""
    if not path.exists():
        return []
    try:
        with open(path, newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        texts = {"set", "model", "trained_on", "method"}
        return [Score(**{k: cell if k in texts else _number(cell) for k, cell in row.items()}) for row in rows]
    except (TypeError, ValueError) as error:
        raise ValueError(f"{path} is damaged: {error}; remove it, and models are scored anew") from error


def _number(cell):
    """The number in a cell, or None."""
    return (float if set(cell) - set("+-0123456789") else int)(cell) if cell else None


@script
def main(arguments=None):
    options = parser().parse_args(arguments)
    check(options)
    groups = [options.sets] if options.pool else [[name] for name in options.sets]
    sets = [load(names, options) for names in groups]  # what cannot be read is seen before any work
    folder = output_folder(options.out)
    learnt = {name: trained_on(name, options) for name in options.models}
    before = folder if options.resume else folder / "none"
    prints = check_music(before, groups, sets)
    begun = begun_runs(groups, learnt, options, folder)
    begin(folder, models_of(groups, sets, learnt, options, begun), options.resume)
    rows = earlier_rows(folder / "scores.csv") if options.resume else []
    check_rows(rows, options)
    recipes = recipes_of(groups, learnt, options, earlier_settings(before).get("recipes", {}), begun)
    own = {"engine": check_work(options), "recipes": recipes, "music": prints}
    settings = folder / "settings.json", {**vars(options), **own}
    write_settings(*settings, ended=False)
    try:
        for names, music in zip(groups, sets):
            for name, how in learnt.items():
                wanted = {(part, name, how, options.seed) for part in names}
                done, others = [], []
                for row in rows:
                    (done if (row.set, row.model, row.trained_on, row.seed) in wanted else others).append(row)
                title = title_of(name, names, how)
                earlier = begun.get(title) if name in MODELS else done and done[0].updates
                if len(done) == len(wanted) and not (earlier or math.inf) < (options.updates or 0):
                    continue
                rows = others
                write_table(folder / "scores.csv", Score._fields, rows)  # without a score of a model that changes now
                if name in MODELS:
                    rows += scores_of(name, title, music, how, options, folder, earlier)
                elif name == "rbm":
                    rows += frames_alone(music, how, options)
                else:
                    rows += baseline(name, music, how, options)
                write_table(folder / "scores.csv", Score._fields, rows)
    except KeyboardInterrupt:
        return stopped(folder)
    write_settings(*settings)
    print_table(Score._fields, rows, "nats a frame and accuracy of the test pieces")
    return 0


if __name__ == "__main__":
    run(main)
