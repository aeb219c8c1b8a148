"""The parameters of a model as plain arrays by their names, in scikit-learn's layout too, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

import numpy as np

from ..checks import about
from ..user_data import as_float
from ..training.scale import Scale
from ..types import Array, ArrayLike

Model = TypeVar("Model")
SCALE = ("mean", "deviation")
SKLEARN = ("components_", "intercept_hidden_", "intercept_visible_")


def parameters(model: Any) -> dict[str, Array]:
    """The arrays of a fitted model by their names.

    The names are those of ``params_``, and docs/symbols.md has their shapes: W, b_v, b_h and so on. A model that
    standardises has its scale besides, as ``mean`` and ``deviation``. Layer i of a stack has names like ``layer_i/W``,
    from 1.

    Parameters
    ----------
    model : fitted model

    Returns
    -------
    dict of str to ndarray
        Copies. ``numpy.savez(path, **parameters(model))`` keeps them.

    Raises
    ------
    TypeError, ValueError
        If it is no model of this package, or not fitted.

    Examples
    --------
    >>> from rtrbm import RBM
    >>> model = RBM(2, n_updates=1, random_state=0).fit(np.eye(3))
    >>> {name: array.shape for name, array in parameters(model).items()}
    {'W': (3, 2), 'b_v': (3,), 'b_h': (2,)}
    """
    if isinstance(model, type) or not hasattr(model, "from_params") and not hasattr(model, "layers"):
        raise TypeError(f"model must be a fitted model of this package, got {model!r:.80}")
    if hasattr(model, "layers"):
        layers = [parameters(layer) for layer in model.layers]
        return {f"layer_{i}/{name}": array for i, own in enumerate(layers, 1) for name, array in own.items()}
    model._check_fitted()
    found = {name: np.array(array) for name, array in model.params_._asdict().items() if array is not None}
    return found if model.scale_ is None else found | {name: np.array(getattr(model.scale_, name)) for name in SCALE}


def from_parameters(kind: type[Model], arrays: Mapping[str, ArrayLike], **settings: Any) -> Model:
    """The model of the arrays that `parameters` gave.

    Parameters
    ----------
    kind : type
        Its class, but no Stack.
    arrays : dict of str to array_like
    **settings
        Hyper-parameters, ``visible`` above all; those that the arrays imply may be left out
        (`rtrbm.RTRBM.from_params`). With ``mean`` and ``deviation`` among the arrays the model standardises.

    Returns
    -------
    model of that class

    Raises
    ------
    TypeError, ValueError
        As of ``from_params``; also if ``mean`` or ``deviation`` is no number above 0 for each feature.

    Examples
    --------
    >>> from rtrbm import RTRBM
    >>> X = 20 + np.random.default_rng(0).standard_normal((4, 9, 3))
    >>> real = {"visible": "gaussian", "standardize": True, "random_state": 0}
    >>> model = RTRBM(2, n_updates=1, n_gibbs=1, **real).fit(X)
    >>> again = from_parameters(RTRBM, parameters(model), visible="gaussian", random_state=0)
    >>> bool((again.denoise(X) == model.denoise(X)).all())
    True
    """
    if not isinstance(kind, type) or not hasattr(kind, "from_params"):
        name = getattr(kind, "__name__", kind)
        raise TypeError(f"kind must be the class of a single model, rtrbm.RTRBM say, got {name!r:.80}")
    if not isinstance(arrays, Mapping):
        raise TypeError(f"arrays must be a dict of arrays, or another mapping, got {type(arrays).__name__}")
    if settings.get("standardize") and not set(SCALE) <= set(arrays):
        raise ValueError(f"standardize=True needs the scale of the data, arrays {' and '.join(SCALE)}")
    arrays, settings = dict(arrays), {**settings, "standardize": False}
    scale = [as_float(arrays.pop(name), f"arrays[{name!r}]").astype(float) for name in SCALE if name in arrays]
    with about("arrays", "params"):
        model = kind.from_params(arrays, **settings)
    if not scale:
        return model
    fits = len(scale) == 2 and all(part.shape == (model.n_features_in_,) for part in scale)
    if not fits or not np.isfinite(scale).all() or not (scale[1] > 0).all():
        raise ValueError(
            f"arrays must have a finite mean and a deviation above 0 of each of {model.n_features_in_} features, got "
            f"shapes {[part.shape for part in scale]}"
        )
    model.standardize = True
    model._check_hyper_parameters()
    return model._set_state(model._new(model.params_, model.seed_, Scale(*scale)))


def to_sklearn(model: Any) -> dict[str, Array]:
    """The parameters of a static RBM in the layout of scikit-learn's BernoulliRBM.

    Parameters
    ----------
    model : fitted RBM with Bernoulli units

    Returns
    -------
    dict of str to ndarray
        components_ (n_hidden, n_visible), intercept_hidden_ (n_hidden,), intercept_visible_ (n_visible,): attributes
        of a ``BernoulliRBM``, which ``vars(rbm).update(to_sklearn(model))`` sets.

    Raises
    ------
    TypeError, ValueError
        If it is another model, has other units, or is not fitted.

    Examples
    --------
    >>> from rtrbm import RBM
    >>> model = RBM(2, n_updates=1, random_state=0).fit(np.eye(3))
    >>> to_sklearn(model)["components_"].shape
    (2, 3)
    """
    if not getattr(model, "_is_static", False):
        raise TypeError(f"model must be an RBM, which knows no time, got {type(model).__name__}")
    if not model._units().binary:
        raise ValueError(f"model must have Bernoulli units, as BernoulliRBM has, got visible={model.visible!r}")
    arrays = parameters(model)
    return dict(zip(SKLEARN, (arrays["W"].T.copy(), arrays["b_h"], arrays["b_v"])))


def from_sklearn(rbm: Any) -> dict[str, Array]:
    """The parameters of a BernoulliRBM under the names they have here.

    ``RBM.from_params(from_sklearn(rbm))`` is a model that has them. `partial_fit` goes on from them.

    Parameters
    ----------
    rbm : fitted sklearn.neural_network.BernoulliRBM, or dict of its arrays

    Returns
    -------
    dict of str to ndarray
        W (n_visible, n_hidden), b_v (n_visible,), b_h (n_hidden,).

    Raises
    ------
    TypeError
        If an array is missing.

    Examples
    --------
    >>> from rtrbm import RBM
    >>> arrays = {"components_": np.zeros((2, 3)), "intercept_hidden_": np.zeros(2), "intercept_visible_": np.zeros(3)}
    >>> RBM.from_params(from_sklearn(arrays)).n_features_in_
    3
    """
    held = rbm if isinstance(rbm, dict) else getattr(rbm, "__dict__", {})
    missing = [name for name in SKLEARN if name not in held]
    if missing:
        raise TypeError(f"rbm must be a fitted BernoulliRBM, or a dict of its arrays, it lacks {', '.join(missing)}")
    components, b_h, b_v = (np.array(held[name]) for name in SKLEARN)
    return {"W": components.T.copy(), "b_v": b_v, "b_h": b_h}
