"""Model files of format 1, and what their models did: written once, with the commit 5de5915, and kept.

    PYTHONPATH=<that commit's tree> python tests/data/format1/make.py

`expected.npz` holds `data`, and of every model, as "name/what": its learned arrays, its verbs, and its learned arrays
after `partial_fit` on the data.
"""

from pathlib import Path

import numpy as np

from rtrbm import CRBM, RBM, RTRBM, TRBM, Stack

SETTINGS = dict(n_gibbs=2, n_updates=6, batch_size=2, learning_rate=0.1, dtype="float64", random_state=0, n_jobs=1)
MODELS = {
    "rtrbm": RTRBM(3, **SETTINGS),
    "taps": RTRBM(3, n_taps=2, dynamic_visible_bias=True, **SETTINGS | dict(n_gibbs={0: 1, 3: 2}, max_norm=1.0)),
    "trbm": TRBM(3, n_taps=2, without=("VV",), optimizer="momentum", **SETTINGS),
    "crbm": CRBM(3, n_taps=2, visible="gaussian", centering=False, **SETTINGS),
    "rbm": RBM(3, **SETTINGS),
    "stack": Stack([TRBM(3, n_taps=1, **SETTINGS), RTRBM(2, **SETTINGS)]),
}


def learned(name, model, when):
    """The arrays of a model, or of the layers of a stack."""
    if name == "stack":
        layers = enumerate(model.layers, 1)
        return {k: v for i, layer in layers for k, v in learned(f"{name}/{i}", layer, when).items()}
    return {f"{name}/{when}/{field}": a.copy() for field, a in model.params_._asdict().items() if a.size}


def main():
    """Write a file for every model, and what it does."""
    folder, data = Path(__file__).parent, np.random.default_rng(0).random((4, 5, 3))
    expected = {"data": data}
    for name, model in MODELS.items():
        X = data[:, 0] if name == "rbm" else data
        model.fit(X).save(folder / f"{name}.h5")
        expected |= learned(name, model, "params")
        expected[f"{name}/transform"] = model.transform(X)
        expected[f"{name}/denoise"] = model.denoise(X)
        expected[f"{name}/sample"] = model.sample(3, random_state=0, n_gibbs=5)
        expected[f"{name}/score"] = model.score(X)
        if name != "rbm":
            expected[f"{name}/predict"] = model.predict(X)
        for layer in model.layers if name == "stack" else [model]:
            layer.partial_fit(X)
            X = layer.transform(X)
        expected |= learned(name, model, "later")
    np.savez_compressed(folder / "expected.npz", **expected)


if __name__ == "__main__":
    main()
