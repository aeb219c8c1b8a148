"""Features of whole sequences, for a classifier or a regression behind a model of sequences."""

from __future__ import annotations

import numpy as np

from .. import checks, user_data
from ..minibatches.windows import as_recordings
from ..types import Array, ArrayLike, Self, Sequences
from .protocol import configured, flat_names, not_fitted
from .settings import Estimator, setting, settings

POOLS = ("mean", "last", "flat")


def check_pool(name, value):
    """Raise a ValueError unless `value` is a way to make one row of a sequence."""
    checks.check_choice(name, value, POOLS)


def check_lengths(lengths, pool):
    """Raise a ValueError if sequences of these lengths do not become rows of one length."""
    if pool == "flat" and len(set(lengths)) > 1:
        raise ValueError(
            f"pool='flat' must have sequences of one length, got some of {min(lengths)} to {max(lengths)} frames; "
            "pool='mean' and pool='last' take sequences of any length"
        )


def check_shown(X, options):
    """Raise if X, of which `fit` cuts windows, is no list of sequences, or cannot be pooled as options["pool"] says."""
    if options.get("window") is not None and as_recordings(X) is not X:
        raise TypeError("fit_transform wants a list of recordings, got one: take [X]")
    if options.get("pool") is not None:
        check_pool("pool", options["pool"])
        check_lengths([np.shape(x)[0] for x in user_data.as_given(X) if np.ndim(x)], options["pool"])


def pooled(H, pool):
    """One row of features for each sequence.

    Parameters
    ----------
    H : (n_sequences, n_frames, n_features) ndarray or list of (n_frames_i, n_features) ndarrays
    pool : {None, "mean", "last", "flat"}
        The mean over frames, the last frame, or all frames one after the other. None leaves H as it is.

    Returns
    -------
    (n_sequences, n_features) ndarray; (n_sequences, n_frames * n_features) for "flat"

    Raises
    ------
    ValueError
        If `pool` is none of these, or is "flat" and the sequences differ in length.
    """
    if pool is None:
        return H
    check_pool("pool", pool)
    if pool == "mean":
        return np.stack([h.mean(axis=0) for h in H])
    if pool == "last":
        return np.stack([h[-1] for h in H])
    check_lengths([len(h) for h in H], pool)
    return np.stack([h.ravel() for h in H])


@settings
class Pool(Estimator):
    """One row of features for each sequence: a step of a scikit-learn Pipeline behind a model of sequences.

    ``Pool("mean").fit_transform(model.transform(X))`` is ``model.transform(X, pool="mean")``.

    Parameters
    ----------
    pool : {"mean", "last", "flat"}
        The mean over frames, the last frame, or all frames one after the other ("flat": sequences of one length).

    Attributes
    ----------
    n_features_in_ : int
        Features of a frame.
    n_frames_ : int or None
        Frames of every sequence of the fit with "flat"; None otherwise.

    Examples
    --------
    >>> import numpy as np
    >>> from rtrbm import Pool
    >>> Pool("last").fit_transform([np.zeros((2, 3)), np.ones((5, 3))])
    array([[0., 0., 0.],
           [1., 1., 1.]])
    """

    pool: str = setting(default="mean", check=check_pool, kw_only=False)

    def fit(self, X: Sequences, y: object = None) -> Self:
        """Note the number of features and, with "flat", that of frames.

        Parameters
        ----------
        X : (n_sequences, n_frames, n_features) array_like or list of (n_frames_i, n_features) array_like
        y : None
            Ignored.

        Returns
        -------
        self

        Raises
        ------
        TypeError, ValueError
            If `pool` or X is not valid.
        """
        self._check_hyper_parameters()
        X = self._checked(X)
        n_features, n_frames = X[0].shape[1], len(X[0]) if self.pool == "flat" else None
        pooled(X, self.pool)
        self.n_features_in_, self.n_frames_ = n_features, n_frames
        return self

    @configured
    def transform(self, X: Sequences) -> Array:
        """One row for each sequence.

        Parameters
        ----------
        X : (n_sequences, n_frames, n_features) array_like or list of (n_frames_i, n_features) array_like

        Returns
        -------
        (n_sequences, n_features) ndarray; (n_sequences, n_frames_ * n_features) for "flat"

        Raises
        ------
        TypeError, ValueError
            If X is not valid.
        """
        if not hasattr(self, "n_features_in_"):
            raise not_fitted("this Pool is not fitted yet: call fit first")
        H = pooled(self._checked(X, self.n_features_in_), self.pool)
        n_frames = H.shape[1] // self.n_features_in_
        if self.n_frames_ not in (None, n_frames):
            raise ValueError(f"X must have sequences of {self.n_frames_} frames, as in fit, got {n_frames}")
        return H

    def get_feature_names_out(self, input_features: ArrayLike | None = None) -> Array:
        """Names of the columns that `transform` makes: those of the features, with the frame behind it for "flat".

        Parameters
        ----------
        input_features : array_like of str, optional
            The names of a frame's features; x0, x1, ... by default.

        Returns
        -------
        object ndarray of str

        Raises
        ------
        ValueError
            If the number of names is another than that of features, or the model is not fitted.
        """
        self._check_input_features(input_features)
        names = [f"x{i}" for i in range(self.n_features_in_)] if input_features is None else list(input_features)
        return np.array(names if self.n_frames_ is None else flat_names(names, self.n_frames_), object)

    @staticmethod
    def _checked(X, n_features=None):
        return user_data.check_sequences(X, user_data.check_reals, None, n_features)
