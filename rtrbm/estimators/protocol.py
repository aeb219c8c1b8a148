"""What scikit-learn asks of an estimator besides its settings. It is imported only where it calls."""

from __future__ import annotations

import functools
import sys
from copy import copy

import numpy as np

from ..checks import check_choice
from ..foreign import array
from ..types import Array, Given, Self, Verb
from .features import Names, check_names, check_number
from .picture import picture

OUTPUTS = ("default", "pandas", "polars")


class NotFittedError(ValueError, AttributeError):
    """A model is used before it is fitted. Where scikit-learn is imported, its class of this name is raised."""


def not_fitted(message):
    """The error of a model that is not fitted, of the class that a user's `except` can name."""
    theirs = sys.modules.get("sklearn.exceptions")
    return (theirs.NotFittedError if theirs else NotFittedError)(message)


def configured(transform: Verb) -> Verb:
    """Decorator of `transform`: a 2-D result becomes the kind of table that `set_output` asks for."""

    @functools.wraps(transform)
    def with_table(self, X, *args, **options):
        return _as_table(self, transform(self, X, *args, **options), X)

    return with_table


def flat_names(names, n_frames):
    """The names of all features of frame 0, then those of frame 1, and so on."""
    return [f"{name}_{t}" for t in range(n_frames) for name in names]


class Protocol:
    """The methods by which scikit-learn asks a model about itself, and tells it the form of its output."""

    _axes = ("n_sequences", "n_frames", "n_visible")
    _is_static = False  # whether rows of data have no order in time

    def __sklearn_tags__(self):
        from sklearn.utils import InputTags, Tags, TargetTags, TransformerTags

        rows = self._is_static
        return Tags(
            estimator_type=None,
            target_tags=TargetTags(required=False),
            transformer_tags=TransformerTags(preserves_dtype=[]),
            input_tags=InputTags(two_d_array=rows, three_d_array=not rows, sparse=rows),
        )

    def __sklearn_is_fitted__(self):
        return hasattr(self, "n_features_in_")

    def __sklearn_clone__(self):
        """A model with the same settings that is not fitted. A fitted model and a communicator are kept as they are."""
        from sklearn.base import clone

        settings = self.get_params(deep=False)
        copied = {k: v for k, v in settings.items() if k != "comm" and not _is_fitted(v)}
        twin = type(self)(**settings | {k: clone(v, safe=False) for k, v in copied.items()})
        if hasattr(self, "_sklearn_output_config"):
            twin._sklearn_output_config = dict(self._sklearn_output_config)
        return twin

    def set_output(self, *, transform: str | None = None) -> Self:
        """Choose the kind of table that `transform` returns where its result has two dimensions.

        Parameters
        ----------
        transform : {"default", "pandas", "polars"}, optional
            "default" is an array. None changes nothing. Sequences of hidden states stay arrays.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If `transform` is none of these.
        """
        if transform is not None:
            check_choice("transform", transform, OUTPUTS)
            self._sklearn_output_config = {"transform": transform}
        return self

    def get_feature_names_out(self, input_features: Given = None) -> Array:
        """Names of the hidden units, the columns that `transform` makes: the class's name and a number.

        Parameters
        ----------
        input_features : array_like of str, optional
            Compared with `feature_names_in_` where there are such names.

        Returns
        -------
        (n_hidden,) object ndarray of str

        Raises
        ------
        ValueError
            If the model is not fitted, or `input_features` are not its features.
        """
        self._check_input_features(input_features)
        return np.array([f"{type(self).__name__.lower()}{i}" for i in range(self._n_features_out())], object)

    def _n_features_out(self):
        return int(self.n_hidden)

    def _check_input_features(self, names):
        """Raise unless the model is fitted, and to features of these names if names are given."""
        if not self.__sklearn_is_fitted__():
            raise not_fitted(f"this {type(self).__name__} is not fitted yet: call fit first")
        if names is None:
            return
        names, own = array(names, "input_features"), getattr(self, "feature_names_in_", None)
        if names.ndim != 1:
            raise TypeError(f"input_features must be a list of names, got shape {names.shape}")
        if own is not None and not np.array_equal(own, names.astype(object)):
            raise ValueError("input_features is not equal to feature_names_in_")
        if len(names) != self.n_features_in_:
            raise ValueError(
                f"input_features should have length equal to number of features ({self.n_features_in_}), "
                f"got {len(names)}"
            )

    @property
    def _column_names(self):
        """The names that this model knows."""
        return Names(getattr(self, "feature_names_in_", None), getattr(self, "input_names_in_", None))

    def _keep_names(self, names):
        """Set `feature_names_in_` and `input_names_in_`, or delete them where there are no names."""
        for name, columns in zip(("feature_names_in_", "input_names_in_"), names):
            vars(self).pop(name, None)
            if columns is not None:
                setattr(self, name, columns)

    def _without_names(self):
        """The same model for arrays that were made of tables, once their names are checked."""
        nameless = copy(self)
        nameless._keep_names(self._column_names._replace(features=None))
        return nameless

    def _check_features(self, X, name="X"):
        """Raise if X has another number of features than the fit had, or other names of them."""
        model, names = type(self).__name__, self._column_names.features
        if type(X) is np.ndarray and names is None and X.shape[-1:] == (self.n_features_in_,) and X.dtype != object:
            return
        check_names(X, names, model, name)
        check_number(X, self.n_features_in_, model, name, len(self._axes))

    def _repr_html_(self):
        return picture(self)


def _is_fitted(value):
    return isinstance(value, Protocol) and value.__sklearn_is_fitted__()


def _as_table(model, out, X):
    """A 2-D array as the kind of table that the model's `set_output`, or scikit-learn's, asks for."""
    kind = getattr(model, "_sklearn_output_config", {}).get("transform")
    if kind is None:
        sklearn = sys.modules.get("sklearn")
        kind = sklearn.get_config()["transform_output"] if sklearn else "default"
    if kind == "default" or not isinstance(out, np.ndarray) or out.ndim != 2:
        return out
    names = list(model.get_feature_names_out())
    if len(names) != out.shape[1]:
        names = flat_names(names, out.shape[1] // len(names))
    if kind == "pandas":
        import pandas

        return pandas.DataFrame(out, index=X.index if hasattr(X, "iloc") else None, columns=names, copy=False)
    import polars

    return polars.DataFrame(out, schema=names, orient="row")
