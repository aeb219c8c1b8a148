"""The one-step error of a model beside that of predictors without one."""

import numpy as np

from .. import evaluate

COLUMNS = ("predictor", "squared_error_per_frame", "standard_error")


def error_rows(name, predicted, X, train, bounds=(-np.inf, np.inf), n_taps=2, of_train=""):
    """Rows of `COLUMNS`: predictors without a model, and then the model; of many features without the linear one.

    Parameters
    ----------
    name : str
        Of the model.
    predicted : list of (n_frames_i, n_features) arrays
        Its predictions.
    X, train : lists of (n_frames_i, n_features) arrays
        The frames that came, and those that predictors are fitted to.
    bounds : (float, float)
        Least and greatest value of a linear prediction.
    n_taps : int
        Frames that the linear predictor sees.
    of_train : str
        Added to the names of predictors that are fitted.

    Returns
    -------
    list of tuples
    """
    found = {"copy-previous": evaluate.copy_previous(X), f"mean frame{of_train}": evaluate.mean_frame(X, train)}
    if X[0].shape[-1] <= evaluate.LARGEST_LINEAR:
        linear = f"linear predictor on {n_taps} frame{'s' * (n_taps > 1)}{of_train}"
        found[linear] = evaluate.autoregression(X, train, n_taps, *bounds)
    found[name] = predicted
    return [(predictor, *evaluate.squared_error(X, values)) for predictor, values in found.items()]
