"""The state of training: all that a checkpoint holds besides the settings."""

from typing import Any, NamedTuple

from .scale import Scale

HISTORY = ("reconstruction_error", "gradient_norm", "learning_rate", "n_gibbs")
VALIDATION = ("validation_update", "validation_error", "validation_log_likelihood")
HEALTH = ("health_update", "dead_units", "saturated_units", "still_chains", "noise_error", "overfitting")
MEASURED = {key: names[0] for names in (VALIDATION, HEALTH) for key in names}  # the updates of each


class Best(NamedTuple):
    """The best parameters so far: those after `update` updates, whose error was `error`."""

    params: NamedTuple
    update: int
    error: float


class Training(NamedTuple):
    """The state after some updates; the next one makes new arrays, and leaves these as they are.

    params : NamedTuple; optimizer : NamedTuple, the optimiser's state; chains : states that a negative phase
    carries on, or None; n_updates : int, updates made; seed : int, of all random streams; history : dict of lists;
    begin : int, the update at which the present schedule of the learning rate began; best : Best or None; fingerprints
    : dict of str, of the data by the name of the argument; scale : Scale, in the units of which the model sees its
    features, or None.

    The lists of `HISTORY` have a value for each update, and the first n_updates belong to this state. Those of
    `VALIDATION` and `HEALTH` have a value for each measurement. The states of one run share the lists.
    """

    params: NamedTuple
    optimizer: NamedTuple
    chains: Any
    n_updates: int
    seed: int
    history: dict
    begin: int = 0
    best: Best | None = None
    fingerprints: dict = {}
    scale: Scale | None = None
