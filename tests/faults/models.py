"""Small model files of every kind: what they hold, and whether a model is still the one that was written."""

import numpy as np

import rtrbm
from rtrbm import CRBM, RBM, RTRBM, TRBM, Stack
from rtrbm.callbacks import EarlyStopping
from rtrbm.parameters import arrays

SETTINGS = dict(n_gibbs=1, n_updates=6, batch_size=2, learning_rate=0.1, random_state=0, n_jobs=1)


def files(folder):
    """The bytes of model files by name."""
    data, models = np.random.default_rng(0).random((4, 5, 3)), {}
    watched = dict(validation=data[:2], validation_every=2, callbacks=[EarlyStopping()])
    models["best"] = RTRBM(2, **SETTINGS).fit(data, checkpoint=f"{folder}/run.h5", **watched)
    models["chains"] = RBM(2, negative="pcd", optimizer="spectral", **SETTINGS).fit(data[:, 0])
    models["scaled"] = CRBM(2, n_taps=1, visible="gaussian", standardize=True, **SETTINGS).fit(data)
    models["stack"] = Stack([TRBM(2, n_taps=1, **SETTINGS), RTRBM(2, **SETTINGS)]).fit(data)
    found = {}
    for name, model in models.items():
        model.save(f"{folder}/{name}.h5")
        with open(f"{folder}/{name}.h5", "rb") as file:
            found[name] = file.read()
    return found


def values(model):
    """All that a model has learnt, as something that `==` compares."""
    if hasattr(model, "layers"):
        return [values(layer) for layer in model.layers]
    parts = [model.params_, *(part for part in model.optimizer_state_)]
    parts += [] if model.best_ is None else [model.best_.params]
    parts = [a for part in parts for a in (arrays(part) if isinstance(part, tuple) else [part])]
    parts += [a for a in (model.chains_, *(model.scale_ or ())) if a is not None]
    rest = model.history_, model.n_updates_, model.seed_, model._begin, model._fingerprints, model.get_params()
    best = None if model.best_ is None else (model.best_.update, model.best_.error)
    return [(str(a.dtype), a.shape, a.tobytes()) for a in parts], repr(rest), best


def loaded(path):
    """The values of the model in a file, and None; or None and the error."""
    try:
        return values(rtrbm.load(path)), None
    except (ValueError, FileNotFoundError) as error:
        if repr(path) not in str(error):
            raise
        return None, error
