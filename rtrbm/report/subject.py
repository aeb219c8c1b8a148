"""The subject of a report: a trained model, the data that it is shown on, and the way to show a frame."""

import math
from copy import copy

import numpy as np

from ..checks import check_count
from ..user_data import check_reals, as_given, check_sequences
from ..foreign import is_table
from ..minibatches.fingerprint import difference, fingerprint
from . import drawn

N_FRAMES = 100  # of an animation
N_VALUES = 250_000  # of all frames of one animation
N_ROWS, N_TRACES = 96, 6  # features of a piano roll, and of curves
SMALLEST_IMAGE = 100  # pixels
LARGEST_SIDE = 96  # pixels of an image


class Subject:
    """A trained model and its data.

    Parameters
    ----------
    model : fitted model
    X, train : as of `rtrbm.report.write_report`
    image_shape : (int, int) or None
    random_state : None, int, RandomState or Generator

    Attributes
    ----------
    layers : list of models
        The model itself, or the layers of a stack.
    X, train : list of (n_frames_i, n_visible) ndarrays, or None
    static : bool
        Whether the model knows no time.
    names : list of str
    view : {"images", "roll", "curves"}
    seed : int
    was_trained_on : bool
        Whether X are the data of `fit`, as far as their fingerprint tells.
    """

    def __init__(self, model, X=None, train=None, image_shape=None, random_state=None):
        if not hasattr(model, "get_params"):
            raise TypeError(f"model must be a model of this package, got {type(model).__name__}")
        self.model, self.layers = model, getattr(model, "layers", [model])
        for layer in self.layers:
            if not hasattr(layer, "params_"):
                raise ValueError(f"model must be fitted, this {type(model).__name__} is not: call fit first")
        self.bottom = self.layers[0]
        self.static = self.bottom._is_static
        self.seed = self.bottom._seed_of(random_state)
        names = getattr(self.bottom, "feature_names_in_", None)
        self.names = list(map(str, range(self.n_visible) if names is None else names))
        self._named = names is not None
        self.X, self.train = self._sequences(X, "X"), self._sequences(train, "train")
        self.model, self.layers = _without_names(model, self.layers)  # which the sequences no longer have
        self.bottom = self.layers[0]
        self.was_trained_on = _is_known(self.bottom, self.X)
        self.image_shape = self._shape_of_images(image_shape)
        linear = self.bottom._units().linear
        self.view = "images" if self.image_shape else "curves" if linear else "roll"

    @property
    def n_visible(self):
        """Features of a frame."""
        return self.bottom.n_features_in_

    def _sequences(self, X, name):
        """Data as a list of arrays; one recording, or all rows of a static model, are a list of one."""
        if X is None:
            return None
        if is_table(X) or getattr(X, "ndim", 3) == 2:
            X = [X]
        X = as_given(X, name)
        self.bottom._check_features(X, name)
        units, dtype = self.bottom._units(), self.bottom._given_dtype()
        check_sequences(X, check_reals, dtype, self.n_visible, name)
        return list(check_sequences(X, units.check, dtype, self.n_visible, name))

    def _shape_of_images(self, shape):
        """(height, width) of frames that are images, or None."""
        n = self.n_visible
        if shape is not None:
            for side in shape:
                check_count("image_shape", side)
            if len(shape) != 2 or math.prod(shape) != n:
                raise ValueError(f"image_shape must be (height, width) of {n} pixels, got {shape!r}")
            return tuple(map(int, shape))
        side = math.isqrt(n)
        is_image = side**2 == n >= SMALLEST_IMAGE and not self._named and self.bottom._units().binary
        return (side, side) if is_image else None

    def most(self, n_frames=N_FRAMES):
        """How many frames of an animation may be shown."""
        shown = min(self.n_visible, LARGEST_SIDE**2) if self.image_shape else self.n_visible
        return max(2, min(n_frames, N_VALUES // shown))

    def moving(self, n):
        """The n features that change most in the data, in their order; the first ones without data."""
        if self.X is None:
            return np.arange(min(n, self.n_visible))
        spread = np.var(np.concatenate([x[: 10 * N_FRAMES] for x in self.X[:10]]), axis=0)
        return np.sort(np.argsort(-spread, kind="stable")[:n])

    def title(self, i):
        """What feature i is called where it stands alone."""
        if self.image_shape:
            row, column = divmod(int(i), self.image_shape[1])
            return f"pixel in row {row + 1}, column {column + 1}"
        return self.names[i] if self._named else f"feature {i}"

    def images(self, rows):
        """Rows of values of all pixels as images that are no larger than a page wants them."""
        height, width = self.image_shape
        rows = np.reshape(rows, (-1, height, width))
        if max(height, width) <= LARGEST_SIDE:
            return rows
        k = -(-max(height, width) // LARGEST_SIDE)
        n, m = min(k, height), min(k, width)  # pixels that become one, down and across
        rows = rows[:, : height // n * n, : width // m * m]
        return rows.reshape(len(rows), height // n, n, width // m, m).mean(axis=(2, 4))

    def figure(self, panels, signed=(), start=0, **more):
        """What the script draws of frames: images that move, a piano roll, or curves.

        Parameters
        ----------
        panels : dict of str to (n_frames, n_visible) ndarray
            Frames side by side, by their names.
        signed : collection of str
            The panels that are differences.
        start : int
            The number of the first frame.
        **more
            playable : bool; errors : dict of str to list of float, a number for every frame.

        Returns
        -------
        dict
        """
        if self.view == "curves":
            return self._curves({name: v for name, v in panels.items() if name not in signed}, start, **more)
        low, high = self._range([v for name, v in panels.items() if name not in signed])
        rows = self.moving(N_ROWS)
        shown = []
        for name, v in panels.items():
            is_signed = name in signed
            limits = (
                {"low": -(high - low), "high": high - low, "signed": True} if is_signed else {"low": low, "high": high}
            )
            values = self.images(v) if self.image_shape else v[:, rows]
            shown.append({"label": name, "signed": is_signed, "values": drawn.packed(values, **limits)})
        kind = {"kind": "images"} if self.image_shape else {"kind": "roll", "names": [self.names[i] for i in rows]}
        return {**kind, "panels": shown, "start": start + 1, **more}

    def _range(self, arrays):
        """The lowest and the highest value that panels show: 0 and 1 of binary units."""
        if self.bottom._units().binary:
            return 0.0, 1.0
        return min(float(v.min()) for v in arrays), max(float(v.max()) for v in arrays)

    def _curves(self, panels, start, errors=None, **more):
        charts = []
        for i in self.moving(N_TRACES):
            lines = [
                drawn.curve(name, range(start + 1, start + 1 + len(v)), v[:, i], style)
                for (name, v), style in zip(panels.items(), drawn.STYLES)
            ]
            charts.append(drawn.panel(self.title(i), lines))
        if errors:
            n = len(next(iter(errors.values())))
            x = range(start + 1, start + 1 + n)
            lines = [drawn.curve(name, x, e, style) for (name, e), style in zip(errors.items(), drawn.STYLES[1:])]
            charts.append(drawn.panel("squared error of the frame", lines, zero=True))
        return drawn.chart("frame", charts, **more)


def _without_names(model, layers):
    """A model and its layers as they are, for arrays made of tables."""
    bottom = layers[0]._without_names()
    if model is layers[0]:
        return bottom, [bottom]
    model, layers = copy(model), [bottom, *layers[1:]]
    model.layers = layers
    return model, layers


def _is_known(model, X):
    kept = model._fingerprints.get("X")
    return kept is not None and X is not None and difference(kept, fingerprint(X), along=False) is None
