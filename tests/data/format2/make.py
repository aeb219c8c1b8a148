"""Model files of format 2, and what their models were: written once, with the commit b1bfa61, and kept.

    PYTHONPATH=<that commit's tree> python tests/data/format2/make.py

`expected.npz` holds `data`, and of every model, as "name/what": its learned arrays, and its hidden states on the data.
`stack.h5` has no expected values but those of its layers' shapes.
"""

from pathlib import Path

import numpy as np

from rtrbm import CRBM, RBM, RTRBM, TRBM, Stack
from rtrbm.callbacks import EarlyStopping

SETTINGS = dict(n_gibbs=1, n_updates=6, batch_size=2, learning_rate=0.1, random_state=0, n_jobs=1)


def main():
    """Write a file for every model, and its values."""
    folder, data = Path(__file__).parent, np.random.default_rng(0).random((4, 5, 3))
    watched = dict(validation=data[:2], validation_every=2, callbacks=[EarlyStopping()])
    models = {
        "best": RTRBM(2, **SETTINGS).fit(data, checkpoint=folder / "best.h5", **watched),
        "chains": RBM(2, negative="pcd", optimizer="spectral", **SETTINGS).fit(data[:, 0]),
        "scaled": CRBM(2, n_taps=1, visible="gaussian", standardize=True, **SETTINGS).fit(data),
        "stack": Stack([TRBM(2, n_taps=1, **SETTINGS), RTRBM(2, **SETTINGS)]).fit(data),
    }
    expected = {"data": data}
    for name, model in models.items():
        if name != "best":
            model.save(folder / f"{name}.h5")
        expected[f"{name}/transform"] = model.transform(data[:, 0] if name == "chains" else data)
        if name != "stack":
            arrays = {field: a for field, a in model.params_._asdict().items() if a is not None}
            expected |= {f"{name}/params/{field}": a for field, a in arrays.items()}
    np.savez_compressed(folder / "expected.npz", **expected)


if __name__ == "__main__":
    main()
