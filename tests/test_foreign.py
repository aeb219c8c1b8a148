"""Arrays of whatever library and program, in every verb.

Each is taken with the numbers of the plain array, or refused by a message that names the argument and says what to do.
Errors of other libraries never come through bare, and nobody's array is changed.
"""

import copy
import re
import tracemalloc
from decimal import Decimal

import h5py
import numpy as np
import pytest
from helpers import Tensor
from scipy import sparse

from rtrbm import RBM, RTRBM, foreign

pd = pytest.importorskip("pandas")
pl = pytest.importorskip("polars")

SETTINGS = dict(n_hidden=2, n_gibbs=1, n_updates=3, batch_size=2, random_state=0, n_jobs=1)
PLAIN = np.random.default_rng(0).integers(0, 2, (2, 3, 3)).astype(float)
REMEDY = (
    "hand in|take |drop|rtrbm.convert|a list|one sequence is|divide|mend|Reshape|must have the shape|must be finite"
)


class Failing:
    """An array of another library that numpy cannot read."""

    ndim, shape, dtype = 3, PLAIN.shape, "float32"

    def __init__(self, array):
        self.array = array

    def __array__(self, dtype=None, copy=None):
        raise RuntimeError("Can't call numpy() on Tensor that requires grad")

    def __len__(self):
        return len(self.array)

    def __getitem__(self, i):
        return Failing(self.array[i])

    def detach(self):
        return self


class Exported:
    """An array that numpy reads by the protocol of DLPack alone."""

    def __init__(self, array):
        self.array = np.ascontiguousarray(array)

    def __dlpack__(self, **options):
        return self.array.__dlpack__(**options)

    def __dlpack_device__(self):
        return self.array.__dlpack_device__()


class Broken:
    """Sequences whose owner fails."""

    def __init__(self, array):
        self.array = array

    def __len__(self):
        return len(self.array)

    def __getitem__(self, i):
        raise RuntimeError("the disk is gone")


def frame(array, dtype=None):
    return pd.DataFrame(array, columns=list("abc"), dtype=dtype)


def cell(arrays, shape):
    """A cell as scipy reads it from MATLAB's files."""
    found = np.empty(len(arrays), object)
    found[:] = list(arrays)
    return found.reshape(shape)


def each(make):
    """A list of sequences, each made of its array."""
    return lambda X: [make(x) for x in X] if X.ndim == 3 else make(X)


def read_only(X):
    X = X.copy()
    X.flags.writeable = False
    return X


def structured(X):
    return np.ascontiguousarray(X).view([(name, float) for name in "abc"])[..., 0]


def masked(X):
    return np.ma.masked_array(X, X > 2)


def nullable(X):
    return frame(X).astype("Int64")


def gaps(X):
    table = nullable(X)
    table.iloc[1, 0] = pd.NA
    return table


def in_a_file(X):
    file = h5py.File.in_memory()
    return file.create_dataset("X", data=X)


SAME = {
    "nested lists": lambda X: X.tolist(),
    "nested tuples": lambda X: tuple(map(tuple, X.tolist())) if X.ndim == 2 else tuple(X.tolist()),
    "list of arrays": list,
    "tuple of arrays": tuple,
    "uint8": lambda X: X.astype("u1"),
    "int64": lambda X: X.astype("i8"),
    "bool": lambda X: X.astype(bool),
    "float16": lambda X: X.astype("f2"),
    "longdouble": lambda X: X.astype("longdouble"),
    "big-endian": lambda X: X.astype(">f4"),
    "Fortran order": np.asfortranarray,
    "negative strides": lambda X: X[::-1].copy()[::-1],
    "strided": lambda X: np.repeat(X, 2, axis=-1)[..., ::2],
    "read-only": read_only,
    "matrix": each(np.asmatrix),
    "object array of numbers": lambda X: X.astype(object),
    "Decimal": lambda X: np.vectorize(Decimal, otypes=[object])(X.astype(int)),
    "cell in a row": lambda X: cell(X, (1, -1)) if X.ndim == 3 else X.astype(object),
    "cell in a column": lambda X: cell(X, (-1, 1)) if X.ndim == 3 else X.astype(object),
    "sparse matrices": each(sparse.csr_matrix),
    "sparse arrays": each(sparse.coo_array),
    "DataFrames": each(frame),
    "integer DataFrames": each(lambda x: frame(x.astype(int))),
    "nullable DataFrames": each(nullable),
    "nullable boolean DataFrames": each(lambda x: frame(x.astype(bool)).astype("boolean")),
    "polars": each(lambda x: pl.DataFrame(x, schema=list("abc"))),
    "other library": Tensor,
    "DLPack": Exported,
    "HDF5": in_a_file,
}
REFUSED = {
    "masked": masked,
    "list of masked": each(masked),
    "structured": structured,
    "text": lambda X: X.astype(str),
    "bytes": lambda X: X.astype("S"),
    "complex": lambda X: X.astype(complex),
    "times": lambda X: X.astype("datetime64[s]"),
    "differences of times": lambda X: X.astype("timedelta64[s]"),
    "0-d": lambda X: np.float64(1),
    "number": lambda X: 1,
    "None": lambda X: None,
    "dict": lambda X: dict(enumerate(X)),
    "path": lambda X: b"videos.h5",
    "generator": lambda X: (x for x in [X[0, ..., 0] * np.nan]),
    "set": lambda X: {1, 2},
    "objects": lambda X: np.full(X.shape, {}, object),
    "text among objects": lambda X: np.where(X == 1, "1", X.astype(object)),
    "nullable with gaps": each(gaps),
    "column of text": each(lambda x: frame(x).assign(name="walk")),
    "column of times": each(lambda x: frame(x).assign(when=pd.Timestamp("2000-01-01"))),
    "column of categories": each(lambda x: frame(x).assign(kind=pd.Categorical([1] * len(x)))),
    "polars with text": each(lambda x: pl.DataFrame(x).with_columns(pl.lit("a").alias("name"))),
    "requires grad": Failing,
    "list of requires grad": lambda X: [Failing(x) for x in X],
    "owner that fails": Broken,
    "pixels to 255": lambda X: (255 * X).astype("u1"),
    "NaN": lambda X: np.where(X == 1, np.nan, X),
}
TEMPORAL = {
    "fit": lambda model, X: model.fit(X).params_.W,
    "partial_fit": lambda model, X: model.partial_fit(X).params_.W,
    "transform": lambda model, X: model.transform(X),
    "predict": lambda model, X: model.predict(X, "mean_field"),
    "score": lambda model, X: model.score(X),
    "log_likelihood": lambda model, X: model.log_likelihood(X),
    "denoise": lambda model, X: model.denoise(X),
    "gradient": lambda model, X: model.gradient(X).W,
    "impute": lambda model, X: model.impute(X, [np.eye(3, dtype=bool)] * 2 if isinstance(X, list) else MASK),
    "reconstruct": lambda model, X: model.reconstruct(X, np.ones((2, 3, 2))),
    "sample": lambda model, X: model.sample(2, n_sequences=2, prefix=X, random_state=0),
}
STATIC = {
    "fit": TEMPORAL["fit"],
    "partial_fit": TEMPORAL["partial_fit"],
    "transform": lambda model, X: model.transform(X),
    "score": lambda model, X: model.score(X),
    "score_samples": lambda model, X: model.score_samples(X),
    "free_energy": lambda model, X: model.free_energy(X),
    "gibbs": lambda model, X: model.gibbs(X, random_state=0),
    "denoise": lambda model, X: model.denoise(X),
    "impute": lambda model, X: model.impute(X, np.eye(3, dtype=bool)),
}
MASK = np.broadcast_to(np.eye(3, dtype=bool), PLAIN.shape)


def model_of(kind, verb):
    return copy.deepcopy(NEW[kind is TEMPORAL] if verb == "fit" else FITTED[kind is TEMPORAL])


def plain_of(kind):
    return PLAIN if kind is TEMPORAL else PLAIN[0]


NEW = [RBM(**SETTINGS), RTRBM(**SETTINGS)]
FITTED = [RBM(**SETTINGS).fit(PLAIN[0]), RTRBM(**SETTINGS).fit(PLAIN)]


def content(X):
    """All bytes of somebody's data."""
    if isinstance(X, list | tuple):
        return b"".join(map(content, X))
    if isinstance(X, h5py.Dataset):
        return X[()].tobytes()
    if sparse.issparse(X):
        return X.toarray().tobytes()
    array = getattr(X, "array", X)
    return repr(array).encode() if not hasattr(array, "tobytes") else array.tobytes()


verbs = pytest.mark.parametrize(
    "kind, verb",
    [(kind, verb) for kind in (TEMPORAL, STATIC) for verb in kind],
    ids=[f"{name}-{verb}" for name, kind in (("RTRBM", TEMPORAL), ("RBM", STATIC)) for verb in kind],
)


@verbs
@pytest.mark.filterwarnings("ignore:the matrix subclass", "ignore:.* has feature names")
def test_arrays_of_all_kinds_give_the_same_numbers(kind, verb):
    plain = plain_of(kind)
    whole = kind[verb](model_of(kind, verb), plain)
    for name, make in SAME.items():
        given = make(plain.copy())
        if verb == "impute" and kind is TEMPORAL and name in ("list of arrays", "tuple of arrays", "nested tuples"):
            continue  # the mask must have the form of X
        before = content(given)
        if verb == "impute" and kind is TEMPORAL and isinstance(given, np.ndarray) and given.ndim < 3:
            given = list(given.ravel())
        result = kind[verb](model_of(kind, verb), given)
        np.testing.assert_array_equal(np.asarray(result), np.asarray(whole), err_msg=name)
        assert content(given) == before or verb == "impute", name


@verbs
@pytest.mark.filterwarnings("ignore:.* has feature names")
def test_what_cannot_be_taken_is_refused_by_name_with_a_remedy(kind, verb):
    plain = plain_of(kind)
    for name, make in REFUSED.items():
        given, model = make(plain.copy()), model_of(kind, verb)
        argument = "prefix" if verb == "sample" else "X"
        if kind[verb] is TEMPORAL["sample"] and name == "None":
            continue  # no prefix
        before = content(given)
        with pytest.raises((TypeError, ValueError)) as caught:
            kind[verb](model, given)
        message = str(caught.value)
        assert message.startswith(argument) or verb == "impute" and name in ("0-d", "number"), (name, message)
        assert re.search(REMEDY, message), (name, message)
        assert content(given) == before, name


# ------------------------------------------------------------------------------------- causes, remedies


@pytest.mark.parametrize(
    "data, match",
    [
        (np.array([[[0, "walk"]]], object), r"X\[0, 0, 1\] is a str, 'walk'"),
        (cell([PLAIN[0], "walk"], (1, 2)), r"X\[1\] must be a sequence, got 'walk': rtrbm.convert.read"),
        (Failing(PLAIN), r"X.*\(Failing: Can't call numpy\(\).*X\[?.*detach\(\)\.cpu\(\)\.numpy\(\)"),
        ({"a": PLAIN[0]}, r"list\(X\.values\(\)\)"),
        ((255 * PLAIN).astype("u1"), r"divide pixels by 255 \(rtrbm\.convert\.video\)"),
        (-PLAIN, "real-valued data want visible='scaled_gaussian' and standardize=True"),
        (masked(PLAIN), "mask= of fit or impute"),
        ([gaps(PLAIN[0])], r"X\[0\] has missing values .* column 'a' \(1, the first in row 1\)"),
        ([frame(PLAIN[0]).assign(name="walk")], r"column 'name' \('walk' in row 0\)"),
        ([frame(2 * PLAIN[0].astype(int)).assign(a=1)], r"in \[0, 1\].*\(columns 'b', 'c'\)"),
        ([frame(PLAIN[0]).astype(str)], r"take X\[0\]\.astype\(float\) if these are numbers written as text, or drop"),
        ([frame(PLAIN[0]).assign(k=pd.Categorical(["7"] * len(PLAIN[0])))], r"take X\[0\]\.astype\(float\) if"),
        ([frame(PLAIN[0]).astype(str).assign(name="walk")], r"'name' \('walk' in row 0\); drop them"),
        ([pl.DataFrame(PLAIN[0].astype(str))], "; make numbers of them if these are numbers written as text, or drop"),
        (Broken(PLAIN), r"X\[\d\] cannot be read: RuntimeError: the disk is gone"),
    ],
    ids=str,
)
def test_messages_tell_the_true_cause(data, match):
    with pytest.raises((TypeError, ValueError), match=match):
        RTRBM(**SETTINGS).fit(data)


def test_sparse_matrices_that_memory_cannot_hold_are_refused():
    with pytest.raises(ValueError, match=r"X is a sparse matrix of shape \(10, 10+\), which would take 80000 GB"):
        foreign.numbers(sparse.csr_matrix((10, 10**12)), "X")


def test_a_tensor_of_a_type_that_numpy_does_not_have_is_cast():
    tensor = Failing(PLAIN)
    tensor.dtype = "torch.bfloat16"
    with pytest.raises(TypeError, match=r"hand in X\.detach\(\)\.cpu\(\)\.float\(\)\.numpy\(\)"):
        foreign.numbers(tensor, "X")


def failing_generator():
    yield PLAIN[0]
    raise KeyError("walk_2")


def test_errors_of_users_own_objects_keep_their_cause():
    for data, kind in ((Broken(PLAIN), RuntimeError), (failing_generator(), KeyError), (Failing(PLAIN), RuntimeError)):
        with pytest.raises((TypeError, ValueError), match="^X") as caught:
            RTRBM(**SETTINGS).fit(data)
        assert isinstance(caught.value.__cause__, kind)


# ---------------------------------------------------------------------------------------------- memory


def peak(function):
    """Bytes allocated at most, beyond what was there before."""
    function()
    tracemalloc.start()
    try:
        function()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def fitting(data):
    model = RTRBM(2, n_gibbs=1, batch_size=1, n_updates=2, n_jobs=1, random_state=0)
    return lambda: model.fit(data)


@pytest.mark.parametrize("dtype", [np.uint8, np.float64])
@pytest.mark.parametrize("make", [np.asarray, list, lambda X: cell(X, (1, -1))], ids=["array", "list", "cell"])
def test_data_in_memory_are_cast_a_minibatch_at_a_time(dtype, make):
    X = np.zeros((400, 50, 200), dtype)  # 16 MB in single precision
    assert peak(fitting(make(X))) < 4 * X.size / 4
    assert peak(fitting(X.astype(np.float32))) < 4 * X.size / 4
    assert peak(fitting(Loading(X))) > 4 * X.size  # control: a copy of all of it


class Loading:
    """A stream that casts all its data."""

    def __init__(self, X):
        self.X = X

    def minibatch(self, update):
        return self.X.astype(np.float32)[:1]


def test_sparse_data_are_made_dense_a_part_at_a_time():
    X = [sparse.random(100, 100, density=0.01, random_state=i, format="csr").astype(bool) for i in range(800)]
    dense = 800 * 100 * 100 * 4  # bytes in single precision
    model = fitting(X)()
    for verb in (fitting(X), lambda: model.transform(X)):
        assert peak(verb) < 0.8 * dense
    rows = sparse.vstack(X)
    static = RBM(2, n_gibbs=1, n_updates=2, batch_size=10, n_jobs=1, random_state=0)
    static.fit(rows)
    for verb in (lambda: static.fit(rows), lambda: static.transform(rows), lambda: static.free_energy(rows)):
        assert peak(verb) < 0.8 * dense
    assert peak(lambda: static.transform(rows.toarray().astype(np.float32))) > dense  # control


def test_columns_of_every_library_are_held_to():
    pa = pytest.importorskip("pyarrow")
    for make in (frame, lambda x: pl.DataFrame(x, schema=list("abc")), lambda x: pa.table(dict(zip("abc", x.T)))):
        table = make(PLAIN[0])
        model = RTRBM(**SETTINGS).fit([table])
        assert list(model.feature_names_in_) == list("abc")
        with pytest.raises(ValueError, match="same order"):
            model.transform([(table.select if hasattr(table, "select") else table.__getitem__)(list("cba"))])


def test_data_sets_that_have_an_item_for_every_index():
    class Endless:
        def __len__(self):
            return 2

        def __getitem__(self, i):
            assert i < 2, "nobody stops at the end"
            return np.full((3, 4), i % 2)

    model = RTRBM(2, n_updates=1, n_jobs=1).fit(Endless())
    assert len(model.transform(Endless())) == 2
