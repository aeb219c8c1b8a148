"""Properties of every public function and method, of numbers in every form and of what is no data at all.

- Equal numbers give equal bits, in whatever container, dtype, stride or order they are handed in.
- Anything else is refused by an error of the package that names the argument, or gives finite numbers.
- There is no warning but a UserWarning of one line, and nobody's arrays are changed.

A public name without its arguments here fails a test. RTRBM_EXAMPLES=1000 is the long run (CONTRIBUTING.md).
"""

import copy
import functools
import inspect
import linecache
import math
import os
import re
import tempfile
import traceback
import warnings

import numpy as np
import pytest

pytest.importorskip("hypothesis")
from given import FOLDER, ODD, Given, arrays, numbers, odd, plain, sequences, shot  # noqa: E402
from hypothesis import HealthCheck, Phase, assume, given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

import rtrbm  # noqa: E402
from rtrbm import CRBM, LSTMRBM, RBM, RNNRBM, RTRBM, SRTRBM, TRBM, Pool, Stack  # noqa: E402
from rtrbm import callbacks, convert, datasets, evaluate, plots  # noqa: E402

N_VISIBLE, N_HIDDEN, N_INPUTS = 4, 3, 2
ERRORS = (TypeError, ValueError, FileNotFoundError, IsADirectoryError, PermissionError, FloatingPointError, ImportError)
TEMPORAL = (RTRBM, TRBM, RNNRBM, LSTMRBM, CRBM, SRTRBM)
QUICK = dict(n_gibbs=1, n_updates=2, batch_size=2, random_state=0, n_jobs=1)
LENGTHY = ("n_gibbs", "n_updates", "n_epochs", "n_steps", "n_chains", "checkpoint_every")  # a huge one is no error
TOGETHER = (
    {"X", "mask", "H", "predicted", "low", "high", "train", "inputs"},
    {"times", "start", "stop", "width"},
    {"name", "folder"},
    {"rows", "parents", "sides"},
    {"rows", "model", "frames", "predicted", "image_shape"},
)  # of which an error may name another
EXAMPLES = int(os.environ.get("RTRBM_EXAMPLES", 5))
every_example = settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
few_examples = settings(every_example, max_examples=max(4, EXAMPLES // 4))


# ------------------------------------------------------------------------------------------------ models


def _learned(model, **options):
    X = np.random.default_rng(0).integers(0, 2, (6, 8, N_VISIBLE)).astype(float)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return model.fit(X[:, 0] if isinstance(model, RBM) else X, **options)


@functools.cache
def fitted(kind, visible, dtype):
    """A model of some class that has learned a little; "inputs" has binary units and known inputs."""
    if kind is Stack:
        return _learned(Stack([fitted(TRBM, visible, dtype), RTRBM(2, dtype=dtype, **QUICK)]))
    if kind is Pool:
        return Pool().fit(np.zeros((2, 3, N_VISIBLE)))
    inputs = {"inputs": np.ones((6, 8, N_INPUTS))} if visible == "inputs" else {}
    visible = "bernoulli" if inputs else visible
    return _learned(kind(N_HIDDEN, visible=visible, dtype=dtype, **QUICK), **inputs)


def subjects(kinds, with_inputs):
    visible = ["bernoulli", "gaussian", *(["inputs"] if with_inputs else [])]
    return st.builds(
        fitted, st.sampled_from(kinds), st.sampled_from(visible), st.sampled_from(["float32", "float64"])
    ).map(copy.deepcopy)


# --------------------------------------------------------------------------------------------- arguments


def same(strategy):
    """Given of values that are plain themselves."""
    return strategy.map(lambda value: Given(value, value))


def of(*values):
    return same(st.sampled_from(values))


X, LONG = sequences(N_VISIBLE), sequences(N_VISIBLE, least=2)
ROWS = arrays(3, N_VISIBLE)
SEED = of(0, np.int64(7), 2**70)
FLAG = of(True, False, np.True_)
FEW = of(1, 2, np.uint8(3))


@st.composite
def with_mask(draw, rows=False):
    """Data and where they are missing."""
    X = draw(ROWS if rows else sequences(N_VISIBLE))
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    masks = [rng.random(np.shape(x)) < 0.3 for x in ([X.plain] if rows else X.plain)]
    masks = masks[0] if rows else np.stack(masks) if isinstance(X.plain, np.ndarray) else masks
    return {"X": X, "mask": Given(masks, masks)}


@st.composite
def with_hidden(draw):
    X = draw(sequences(N_VISIBLE))
    H = [draw(arrays(len(x), N_HIDDEN, tables=False)) for x in X.plain]
    return {"X": X, "H": Given([h.value for h in H], [h.plain for h in H])}


@st.composite
def with_targets(draw, *names, **options):
    """Several arguments of the same form and shapes."""
    given = {name: [] for name in names}
    lengths = draw(st.lists(st.integers(1, 5), min_size=1, max_size=3))
    for name in names:
        for n in lengths:
            given[name].append(draw(arrays(n, 3, tables=False, **options)))
    return {name: Given([g.value for g in gs], [g.plain for g in gs]) for name, gs in given.items()}


def arguments(**strategies):
    """A dict of arguments, each with a strategy of its own."""
    return st.fixed_dictionaries(strategies)


def file_of(write):
    """The path of a file that is written once."""

    @functools.cache
    def path():
        file, path = tempfile.mkstemp(dir=FOLDER.name, suffix=".h5")
        os.close(file)
        write(path)
        return path

    return path


SAVED = file_of(lambda path: fitted(RTRBM, "bernoulli", "float64").save(path))
NEW, TUNE, MADE = (os.path.join(FOLDER.name, name) for name in ("new.file", "tune.mid", "made.file"))
SET = os.path.join(FOLDER.name, "set.json")
convert.write_midi(TUNE, np.eye(88))
with open(SET, "w") as file:
    file.write('{"train": [[[60]]], "valid": [[[61], [62]]], "test": [[[63]]]}')
METHOD = of("auto", "exact")
PARAMS = {"W": arrays(N_VISIBLE, N_HIDDEN), "b_v": arrays(N_VISIBLE), "b_h": arrays(N_HIDDEN)}


@st.composite
def params(draw):
    """Parameters of an RBM as users may have them."""
    found = {name: draw(strategy) for name, strategy in PARAMS.items()}
    assume(len({g.plain.dtype for g in found.values()}) == 1)
    in_list = isinstance(found["W"].value, list | tuple)
    assume(not in_list or found["W"].plain.dtype == float)  # the numbers of a list are doubles
    return {"params": Given(*({name: getattr(g, part) for name, g in found.items()} for part in Given._fields))}


EVERY = {
    "get_params": arguments(deep=FLAG),
    "set_params": arguments(),
    "set_output": arguments(transform=of("default", None)),
    "get_feature_names_out": arguments(input_features=of(None)),
}
MODEL = EVERY | {
    "save": arguments(path=of(NEW)),
    "load": arguments(path=of(None).map(lambda _: Given(SAVED(), SAVED()))),
    "check_resume": arguments(path=of(None).map(lambda _: Given(SAVED(), SAVED()))),
    "from_params": params(),
}
LEARN = {
    "y": of(None),
    "checkpoint_every": FEW,
    "resume": of(False),
    "validation_every": of(None, 1),
    "callbacks": of((), [lambda model: False]),
}
CALLS = {
    TEMPORAL: MODEL
    | {
        "fit": arguments(
            X=X, warm_up=FEW, window=of(None, 2), mask=of(None), checkpoint=of(None), validation=LONG, **LEARN
        ),
        "partial_fit": with_mask(),
        "fit_transform": arguments(X=X, y=of(None)),
        "transform": arguments(X=X, pool=of(None, "mean", "last", "flat")),
        "predict": arguments(X=X, protocol=of("mean", "chain", "mean_field"), random_state=SEED),
        "score": arguments(X=LONG, y=of(None)),
        "denoise": arguments(X=X),
        "reconstruct": with_hidden(),
        "gradient": arguments(X=X, method=of("exact", "cd"), random_state=SEED),
        "impute": with_mask(),
        "sample": arguments(
            n_frames=FEW,
            n_sequences=of(2),
            prefix=arrays(3, N_VISIBLE),
            random_state=SEED,
            n_gibbs=FEW,
            return_states=FLAG,
        ),
        "decode": arguments(
            H=arrays(2, 3, N_HIDDEN), prefix=arrays(3, N_VISIBLE), random_state=SEED, return_states=FLAG
        ),
        "forecast": arguments(
            X=X,
            horizon=FEW,
            n_samples=of(9),
            quantiles=of((0.1, 0.5), None),
            random_state=SEED,
            n_gibbs=FEW,
            return_samples=FLAG,
        ),
        "filter_step": arguments(state=of(None), frame=st.one_of(arrays(N_VISIBLE), ROWS)),
        "log_likelihood": arguments(X=X, method=METHOD, random_state=SEED),
        "score_samples": arguments(X=X, method=METHOD, random_state=SEED, return_bracket=FLAG),
        "likelihood": arguments(X=X, method=METHOD, random_state=SEED, n_chains=of(None, 2), n_steps=of(None, 4)),
    },
    (RBM,): MODEL
    | {
        "fit": arguments(
            X=ROWS, window=of(None), warm_up=FEW, mask=of(None), checkpoint=of(None), validation=ROWS, **LEARN
        ),
        "partial_fit": with_mask(rows=True),
        "fit_transform": arguments(X=ROWS, y=of(None)),
        "transform": arguments(X=ROWS),
        "gibbs": arguments(X=ROWS, random_state=SEED),
        "denoise": arguments(X=ROWS),
        "impute": with_mask(rows=True),
        "sample": arguments(n_samples=FEW, random_state=SEED, n_gibbs=FEW, betas=of(None, [0, 1]), return_states=FLAG),
        "free_energy": arguments(X=ROWS),
        "log_partition": arguments(X=ROWS, method=METHOD, random_state=SEED),
        "score_samples": arguments(X=ROWS, method=METHOD, random_state=SEED, return_bracket=FLAG),
        "log_likelihood": arguments(X=ROWS, method=METHOD, random_state=SEED),
        "likelihood": arguments(X=ROWS, method=METHOD, random_state=SEED, n_chains=of(None, 2), n_steps=of(None, 4)),
        "score": arguments(X=ROWS, y=of(None)),
    },
    (Stack,): EVERY
    | {
        "fit": arguments(X=X, checkpoint=of(None), validation=LONG, **LEARN),
        "fit_transform": arguments(X=X, y=of(None)),
        "transform": arguments(X=X, pool=of(None, "mean", "last", "flat")),
        "denoise": arguments(X=X),
        "predict": arguments(X=X, protocol=of("mean", "chain", "mean_field"), random_state=SEED),
        "impute": with_mask(),
        "sample": arguments(
            n_frames=FEW,
            n_sequences=of(2),
            prefix=arrays(3, N_VISIBLE),
            random_state=SEED,
            n_gibbs=FEW,
            return_states=FLAG,
        ),
        "score": arguments(X=LONG, y=of(None)),
        "log_likelihood": arguments(X=X, method=METHOD, random_state=SEED),
        "score_samples": arguments(X=X, method=METHOD, random_state=SEED, return_bracket=FLAG),
        "likelihood": arguments(
            X=X, method=METHOD, random_state=SEED, n_chains=of(None, 2), n_steps=of(None, 4), n_draws=of(2)
        ),
        "save": arguments(path=of(NEW)),
        "load": arguments(path=of(NEW)),
    },
    (Pool,): EVERY
    | {"fit": arguments(X=X, y=of(None)), "transform": arguments(X=X), "fit_transform": arguments(X=X, y=of(None))},
}
WITH_INPUTS = ("transform", "predict", "score", "denoise", "log_likelihood", "score_samples", "likelihood", "gradient")
PEOPLE = {"walk": np.zeros((4, 2, 3)) + np.arange(4)[:, None, None]}
VIDEO = {"video": np.resize([0.0, 1.0], (3, 4))}


@st.composite
def video(draw):
    """A video of grey values."""
    a = draw(numbers(3, 2, 2))
    a = a.astype(np.uint8) if a.dtype.kind in "iu" else a
    return Given(a, a if a.dtype == np.uint8 else a.astype(bool) if a.dtype == bool else plain(a))


def _forecast():
    return fitted(CRBM, "gaussian", "float64").forecast(np.zeros((1, 3, N_VISIBLE)), 2, n_samples=9, n_gibbs=1)


def _arrays():
    return {"W": np.eye(3, 2), "b_v": np.zeros(3), "b_h": np.zeros(2)}


def lazily(make):
    """Given of something that is made when it is first drawn."""
    made = functools.cache(make)
    return st.builds(lambda: Given(made(), made()))


TRAIN = sequences(3, least=2, whole=True)
BOUNDED = {
    "X": TRAIN,
    "train": TRAIN,
    "n_taps": FEW,
    "low": of(-1.5, 0),
    "high": of(2, np.float32(3)),
    "ridge": of(1e-3),
}
SIZES = {"n_frames": FEW, "resolution": FEW, "random_state": SEED}
FUNCTIONS = {
    "load": (rtrbm.load, arguments(path=of(None).map(lambda _: Given(SAVED(), SAVED())))),
    "convert.counts": (convert.counts, arguments(X=arrays(5, 3, high=9, whole=True), n=FEW)),
    "convert.frames_of": (convert.frames_of, arguments(X=arrays(2, 3, 6), height=of(2, np.int8(2)), width=of(3))),
    "convert.midi_notes": (convert.midi_notes, arguments(X=arrays(4, 88), step=of(0.5, 2))),
    "convert.notes": (
        convert.notes,
        arguments(
            X=of([(60, 0, 1.0), (64, 0.5, 0.5)], np.array([[60, 0, 2]], ">i2")), step=of(0.25, 1), n_frames=of(None, 9)
        ),
    ),
    "convert.piano_roll": (convert.piano_roll, arguments(X=arrays(88, 3), pitches=of(None, "rows"))),
    "convert.parameters": (convert.parameters, arguments(model=lazily(lambda: fitted(CRBM, "gaussian", "float64")))),
    "convert.from_parameters": (convert.from_parameters, arguments(kind=of(RBM), arrays=lazily(_arrays))),
    "convert.to_sklearn": (convert.to_sklearn, arguments(model=lazily(lambda: RBM.from_params(_arrays())))),
    "convert.from_sklearn": (
        convert.from_sklearn,
        arguments(rbm=lazily(lambda: convert.to_sklearn(RBM.from_params(_arrays())))),
    ),
    "convert.read": (
        convert.read,
        arguments(path=of(None).map(lambda _: Given(SAVED(), SAVED())), name=of("params/W")),
    ),
    "convert.read_midi": (convert.read_midi, arguments(path=of(TUNE), step=of(0.5))),
    "convert.write_midi": (convert.write_midi, arguments(path=of(MADE), X=arrays(4, 88), step=of(0.5, 2))),
    "convert.spikes": (
        convert.spikes,
        arguments(
            times=of([[0.01, 0.02], [0.22]], [np.array([1, 2], "u1"), ()]),
            width=of(0.5, 1),
            start=of(0, -1.5),
            stop=of(None, 3),
        ),
    ),
    "convert.tables": (convert.tables, arguments(X=lazily(lambda: _walks()), by=of("walk"), time=of(None, "t"))),
    "convert.video": (convert.video, arguments(X=video())),
    "datasets.BouncingBalls": (datasets.BouncingBalls, arguments(batch_size=FEW, n_balls=FEW, **SIZES)),
    "datasets.BouncingBalls.minibatch": (datasets.BouncingBalls(1, 2, resolution=2).minibatch, arguments(update=FEW)),
    "datasets.MotionFeatures.measured": (
        datasets.MotionFeatures.measured,
        arguments(sequences=lazily(lambda: _motion()), statistics=of("train", "all")),
    ),
    "datasets.MotionFeatures.inward": (lambda frames: _features().inward(frames), arguments(frames=arrays(3, 108))),
    "datasets.MotionFeatures.outward": (
        lambda features: _features().outward(features),
        arguments(features=arrays(3, 49)),
    ),
    "datasets.Transposed": (
        datasets.Transposed,
        arguments(
            pieces=sequences(8),
            batch_size=FEW,
            window=of(None, 2),
            warm_up=FEW,
            semitones=of((-1, 1), [0, 2]),
            random_state=SEED,
        ),
    ),
    "datasets.Transposed.minibatch": (
        datasets.Transposed([np.eye(8)], 1, random_state=0).minibatch,
        arguments(update=FEW),
    ),
    "datasets.assemblies": (
        datasets.assemblies,
        arguments(
            n_frames=FEW,
            n_assemblies=FEW,
            n_members=FEW,
            off=of(0.1),
            on=of(0.5),
            persistence=of(1.0),
            drive=of(2),
            inhibition=of(0),
            rest=of(-1),
            visible=of("bernoulli", "poisson"),
            random_state=SEED,
        ),
    ),
    "datasets.binary_addition": (
        datasets.binary_addition,
        arguments(n_sequences=FEW, n_bits=of(2, 5), random_state=SEED),
    ),
    "datasets.bouncing_balls": (datasets.bouncing_balls, arguments(n_sequences=FEW, n_balls=FEW, **SIZES)),
    "datasets.bvh_motion": (datasets.bvh_motion, arguments(path=of(NEW))),
    "datasets.correlated_noise": (
        datasets.correlated_noise,
        arguments(n_sequences=FEW, deviation=of(0.5), space=of(0), time=of(0.5), **SIZES),
    ),
    "datasets.download": (datasets.download, arguments(name=of("walking"), folder=of(FOLDER.name))),
    "datasets.hsu_motion": (datasets.hsu_motion, arguments(path=of(NEW))),
    "datasets.hsu_walking": (datasets.hsu_walking, arguments(path=of(NEW))),
    "datasets.mocap6": (datasets.mocap6, arguments(path=of(NEW))),
    "datasets.piano_rolls": (datasets.piano_rolls, arguments(path=of(SET), step=of(0.5))),
    "datasets.training_part": (datasets.training_part, arguments(sequences=sequences(3), part=of(0.2, 0.5))),
    "datasets.walking": (datasets.walking, arguments(n_frames=FEW, random_state=SEED)),
    "evaluate.squared_error": (evaluate.squared_error, with_targets("X", "predicted")),
    "evaluate.coverage": (evaluate.coverage, with_targets("X", "low", "high")),
    "evaluate.copy_previous": (evaluate.copy_previous, arguments(X=TRAIN)),
    "evaluate.linear_extrapolation": (
        evaluate.linear_extrapolation,
        arguments(X=TRAIN, low=of(0), high=of(1, math.inf)),
    ),
    "evaluate.mean_frame": (evaluate.mean_frame, arguments(X=TRAIN, train=TRAIN)),
    "evaluate.autoregression": (evaluate.autoregression, arguments(**BOUNDED)),
    "evaluate.autoregressive_forecast": (evaluate.autoregressive_forecast, arguments(horizon=FEW, **BOUNDED)),
    "callbacks.Callback": (callbacks.Callback, arguments()),
    "callbacks.EarlyStopping": (callbacks.EarlyStopping, arguments(patience=of(None, 3))),
    "callbacks.Log": (callbacks.Log, arguments(path=of(NEW))),
    "callbacks.Print": (callbacks.Print, arguments(seconds=of(0, 60.5))),
}
FIGURES = {
    "plots.animate": (
        plots.animate,
        arguments(
            rows=of(VIDEO), path=of(MADE), image_shape=of(None, (2, 2)), frames_per_second=of(20), scale=of(None, 2)
        ),
    ),
    "plots.animate_figures": (
        plots.animate_figures,
        arguments(
            rows=of(PEOPLE), parents=of([-1, 0]), path=of(MADE), sides=of(None), frames_per_second=of(9), size=of(20)
        ),
    ),
    "plots.figure_strip": (
        plots.figure_strip,
        arguments(rows=of(PEOPLE), parents=of([-1, 0]), sides=of(None, [0, 1]), n_shown=FEW, step=FEW, ax=of(None)),
    ),
    "plots.film_strip": (
        plots.film_strip,
        arguments(rows=of(VIDEO), n_shown=FEW, image_shape=of(None, (4, 1)), start=of(0, 1), ax=of(None)),
    ),
    "plots.forecast": (
        plots.forecast,
        arguments(
            predicted=lazily(_forecast),
            X=lazily(lambda: np.zeros((1, 3, N_VISIBLE))),
            truth=of(None),
            features=of(1, [0]),
            names=of(None, ["a", "b", "c", "d"]),
            sequence=of(0),
            ax=of(None),
        ),
    ),
    "plots.hidden_unit_norms": (
        plots.hidden_unit_norms,
        arguments(
            model=of(None).map(lambda _: Given(*[fitted(RTRBM, "bernoulli", "float64")] * 2)),
            U=of(None),
            highlight=FEW,
            ax=of(None),
        ),
    ),
    "plots.learning_curves": (
        plots.learning_curves,
        arguments(models=of({"a": {"reconstruction_error": [3, 2, 1]}}), quantities=of(None), ax=of(None)),
    ),
    "plots.predictions": (
        plots.predictions,
        arguments(
            frames=of(VIDEO["video"]),
            predicted=of(VIDEO["video"]),
            n_shown=FEW,
            image_shape=of(None, (2, 2)),
            start=of(0),
            errors=FLAG,
            ax=of(None),
        ),
    ),
    "plots.receptive_fields": (
        plots.receptive_fields,
        arguments(model=of(np.eye(4)), U=of(None), units=of(None, 2), image_shape=of(None), arrange=FLAG, ax=of(None)),
    ),
}


@functools.cache
def _features():
    return datasets.MotionFeatures.measured(_motion())


def _motion():
    return [np.random.default_rng(i).standard_normal((9, 108)) for i in range(2)]


def _walks():
    import pandas

    return pandas.DataFrame({"walk": [*"aab"], "t": [0, 1, 0], "hip": [0.1, 0.2, 0.3]})


# -------------------------------------------------------------------------------------------- the public names


def public(kind):
    """The public methods of a class."""
    return {name for name, value in inspect.getmembers(kind, callable) if not name.startswith("_")}


@pytest.mark.parametrize("kinds", CALLS, ids=lambda kinds: kinds[0].__name__)
def test_every_method_has_its_arguments(kinds):
    for kind in kinds:
        assert public(kind) == CALLS[kinds].keys()


def test_every_class_and_function_has_its_arguments():
    classes = {kind.__name__ for kinds in CALLS for kind in kinds}
    assert set(rtrbm.__all__) - {"callbacks", "convert"} == classes | {"load"}
    known = {
        f"{module.__name__.split('.')[-1]}.{name}"
        for module in (convert, datasets, callbacks, plots)
        for name in module.__all__
        if callable(getattr(module, name))
    }
    own = inspect.getmembers(evaluate, lambda f: inspect.isfunction(f) and f.__module__ == evaluate.__name__)
    known |= {f"evaluate.{name}" for name, _ in own if not name.startswith("_")}
    methods = {name for name in FUNCTIONS if name.count(".") == 2}
    known -= {"datasets.MotionFeatures"}  # a NamedTuple, which holds whatever it is given
    assert known == (FUNCTIONS | FIGURES).keys() - methods - {"load"}
    for kind in (datasets.BouncingBalls, datasets.Transposed, datasets.MotionFeatures):
        own = {name for name in public(kind) if name not in dir(tuple)}
        assert {f"datasets.{kind.__name__}.{name}" for name in own} == {
            name for name in methods if name.startswith(f"datasets.{kind.__name__}.")
        }


# ------------------------------------------------------------------------------------------------ outcomes


def outcome(function, values):
    """What a call returns, or the error that it raises, and the warnings that it gives."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        try:
            found = function(**values)
        except Exception as error:
            found = error
    for warning in said:
        text = str(warning.message)
        assert warning.category is UserWarning and "\n" not in text, f"{warning.category.__name__}: {text}"
    return found


def check_error(error, which):
    """It is one that the package raises, and names the argument."""
    text = "".join(traceback.format_exception(error))
    assert isinstance(error, ERRORS) and not isinstance(error, UnicodeError), text
    frame = traceback.extract_tb(error.__traceback__)[-1]
    is_own = os.sep + "rtrbm" + os.sep in frame.filename and os.sep + "tests" + os.sep not in frame.filename
    assert is_own and linecache.getline(frame.filename, frame.lineno).strip().startswith("raise"), text
    names = "|".join({which}.union(*(names for names in TOGETHER if which in names)))
    names_a_file = which == "path" and re.search("'.*'", str(error))
    assert names_a_file or isinstance(error, FloatingPointError) or re.search(rf"\b({names})\b", str(error)), text


def leaves(value):
    """The arrays and numbers in a result."""
    if isinstance(value, np.ndarray) and value.dtype.kind in "SU":
        return [value]
    if isinstance(value, np.ndarray) and value.dtype == object or isinstance(value, list | tuple):
        return [leaf for part in value for leaf in leaves(part)]
    if isinstance(value, dict):
        return [leaf for part in value.values() for leaf in leaves(part)]
    if hasattr(value, "params_"):
        return leaves([part for part in value.params_ if part is not None])
    if hasattr(value, "layers"):
        return leaves(list(value.layers))
    if hasattr(value, "minibatch"):
        return leaves(value.minibatch(1))
    return [np.asarray(value)] if isinstance(value, int | float | np.generic | np.ndarray) else []


def check_finite(result):
    for leaf in leaves(result):
        is_no_bound = leaf.dtype.kind == "f" and np.isposinf(leaf).all()  # the upper one of a Stack's likelihood
        assert leaf.dtype.kind not in "fc" or np.isfinite(leaf).all() or leaf.ndim == 0 or is_no_bound, leaf


def check_same(found, wanted):
    if isinstance(wanted, Exception) or isinstance(found, Exception):
        assert type(found) is type(wanted), (found, wanted)
        return
    found, wanted = leaves(found), leaves(wanted)
    assert len(found) == len(wanted)
    for a, b in zip(found, wanted):
        assert a.dtype == b.dtype and a.shape == b.shape
        np.testing.assert_array_equal(a, b, strict=True)


def equal_numbers_give_equal_results(call, drawn, keeps_dtype=False):
    check_complete(call, drawn)
    values, plains = ({name: getattr(g, part) for name, g in drawn.items()} for part in Given._fields)
    before = shot(values)
    found = outcome(call, values)
    assert shot(values) == before
    if isinstance(found, Exception):
        check_error(found, "|".join(drawn))
    else:
        check_finite(found)
    if not keeps_dtype:
        check_same(found, outcome(call, plains))


def check_complete(function, drawn):
    """All arguments of a function are tried."""
    wanted = {p.name for p in inspect.signature(function).parameters.values() if p.kind != p.VAR_KEYWORD}
    assert wanted - drawn.keys() <= {"self", "inputs", "random_state", "y"}, wanted - drawn.keys()


def whatever_is_handed_in(call, drawn, which, kind):
    assume(not (which in LENGTHY and kind == "a huge integer"))
    values = {name: g.value for name, g in drawn.items()} | {which: ODD[kind]()}
    before = shot(values)
    found = outcome(call, values)
    if "hold themselves" not in kind and "itself" not in kind:
        assert shot(values) == before
    if isinstance(found, Exception):
        check_error(found, which)
    else:
        check_finite(found)


def method_of(subject, name):
    @functools.wraps(getattr(subject, name))
    def call(**values):
        twin = copy.deepcopy(subject)
        found = getattr(twin, name)(**values)
        return twin if name in ("fit", "partial_fit") else found

    return call


def methods(*left_out):
    """All methods but some."""
    found = [(kinds, name) for kinds, calls in CALLS.items() for name in calls if name not in left_out]
    return pytest.mark.parametrize("kinds, name", found, ids=[f"{k[0].__name__}-{name}" for k, name in found])


@st.composite
def calls_of(draw, kinds, name):
    subject = draw(subjects(kinds, kinds is TEMPORAL and name in WITH_INPUTS))
    drawn = draw(CALLS[kinds][name])
    if getattr(getattr(subject, "params_", None), "D_v", None) is not None:
        inputs = [draw(arrays(len(x), N_INPUTS, tables=False)) for x in drawn["X"].plain]
        drawn["inputs"] = Given([g.value for g in inputs], [g.plain for g in inputs])
    return method_of(subject, name), drawn


@pytest.fixture(autouse=True, scope="module")
def in_a_folder_of_their_own():
    """What is saved to a path that is only a name goes there."""
    before = os.getcwd()
    os.chdir(FOLDER.name)
    yield
    os.chdir(before)


@methods()
@every_example
@given(data=st.data())
def test_equal_numbers_give_equal_results(kinds, name, data):
    equal_numbers_give_equal_results(*data.draw(calls_of(kinds, name)), keeps_dtype=Pool in kinds)


@methods("set_params")  # whose values fit checks
@every_example
@given(data=st.data(), kind=odd)
def test_whatever_is_handed_in(kinds, name, data, kind):
    call, drawn = data.draw(calls_of(kinds, name))
    whatever_is_handed_in(call, drawn, data.draw(st.sampled_from(sorted(drawn))), kind)


@pytest.mark.parametrize("name", FUNCTIONS)
@every_example
@given(data=st.data())
def test_functions_of_equal_numbers(name, data):
    function, strategy = FUNCTIONS[name]
    equal_numbers_give_equal_results(function, data.draw(strategy), keeps_dtype="training_part" in name)


@pytest.mark.parametrize("name", sorted(FUNCTIONS.keys() - {"callbacks.Callback"}))
@every_example
@given(data=st.data(), kind=odd)
def test_functions_of_whatever_is_handed_in(name, data, kind):
    function, strategy = FUNCTIONS[name]
    drawn = data.draw(strategy)
    whatever_is_handed_in(function, drawn, data.draw(st.sampled_from(sorted(drawn))), kind)


@pytest.mark.parametrize("name", FIGURES)
@few_examples
@given(data=st.data(), kind=odd)
def test_figures_of_whatever_is_handed_in(name, data, kind):
    pytest.importorskip("matplotlib")
    function, strategy = FIGURES[name]
    drawn = data.draw(strategy)
    whatever_is_handed_in(function, drawn, data.draw(st.sampled_from(sorted(drawn))), kind)


SETTINGS = [(kind, name) for kind in (*TEMPORAL, RBM) for name in kind()._names]


@pytest.mark.parametrize("kind", (*TEMPORAL, RBM), ids=lambda kind: kind.__name__)
@every_example
@given(data=st.data(), odd_one=odd)
def test_settings_of_whatever_kind(kind, data, odd_one):
    name = data.draw(st.sampled_from(kind()._names))
    assume(not (name in LENGTHY and odd_one == "a huge integer"))
    rows = np.resize([0.0, 1, 1], (3, 4, N_VISIBLE))
    rows = rows[0] if kind is RBM else rows

    def call(**values):
        return kind(**(QUICK | {"n_hidden": N_HIDDEN} | values)).fit(rows)

    whatever_is_handed_in(call, {}, name, odd_one)
