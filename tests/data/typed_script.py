"""A user's script, which `mypy --strict` and pyright must find right (tests/test_types.py)."""

from pathlib import Path

import numpy as np

import rtrbm
from rtrbm import CRBM, RBM, RNNRBM, RTRBM, TRBM, Stack
from rtrbm.callbacks import Callback, EarlyStopping, Log
from rtrbm.convert import counts, read, spikes, video
from rtrbm.datasets import BouncingBalls, bouncing_balls
from rtrbm.evaluate import autoregression, squared_error
from rtrbm.rbm import Gaussian, Persistent


class Stop(Callback):
    def __call__(self, model: RTRBM) -> bool:
        return model.n_updates_ >= 2


def main(folder: Path) -> float:
    X = bouncing_balls(4, n_frames=6, resolution=4, n_balls=1, random_state=0)
    model = RTRBM(5, n_gibbs={0: 1, 1: 2}, learning_rate=0.01, n_updates=2, dtype=np.float64, random_state=0, bptt=True)
    model = model.fit(
        X, validation=X, checkpoint=folder / "run.h5", callbacks=[EarlyStopping(3), Stop(), Log("log.csv")]
    )
    length: int = model.predict(X).shape[1] + len(model.predict(list(X))[0]) + model.params_.W.shape[0]
    dream = model.sample(3, 4, prefix=X[:, :2], random_state=np.random.default_rng(0))
    probabilities, states = model.sample(3, return_states=True)
    ahead = model.forecast(X, 2, n_samples=20, quantiles=[0.1, 0.9]).mean[:, -1]
    error, of_linear = squared_error(X, model.predict(X))[0], squared_error(X, autoregression(X, train=X))[0]
    bits: float = model.score(X) + model.likelihood(np.round(X)).nats + float(model.log_likelihood(list(X)).sum())
    model.save(folder / "model.h5")
    again = RTRBM.load(str(folder / "model.h5")).set_params(n_updates=3).partial_fit(list(X), mask=X > 2)
    other = rtrbm.load(folder / "model.h5")
    np.save(folder / "x.npy", X)
    TRBM(3, n_updates=1).fit(folder / "x.npy").impute(X, X > 2).mean()
    CRBM(3, n_taps=2, n_updates=1).fit(BouncingBalls(2, 6, resolution=4, n_balls=1)).denoise(X)
    rows = RBM(3, negative=Persistent(k=1), n_updates=1).fit(X[0]).transform(X[0].tolist())
    real = RNNRBM(3, visible=Gaussian(), standardize=True, n_updates=1).fit(
        [np.random.default_rng(0).random((6, 2))] * 2
    )
    stack = Stack([RTRBM(3, n_updates=1), RTRBM(2, n_updates=1)]).fit(X, callbacks=[lambda layer: True])
    pooled = stack.transform(list(X), pool="mean") + np.zeros(2)
    h, state = again.filter_step(None, X[0, 0])
    h, state = again.filter_step(state, X[0, 1])
    binned = [
        counts(spikes([[0.1, 0.2], [0.3]], width=0.1), 2),
        video(dream[0].reshape(3, 4, 4))[0],
        read(folder / "x.npy")[0],
    ]
    losses: list[float] = other.history_["reconstruction_error"] + real.history_["gradient_norm"]
    return (
        error
        + of_linear
        + bits
        + length
        + sum(losses)
        + float(np.sum(states) + ahead.sum() + pooled.sum() + binned[0].sum() + rows.sum())
    )
