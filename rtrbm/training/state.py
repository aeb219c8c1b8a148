"""The state of training: all that a checkpoint holds besides the settings."""

from typing import Any, NamedTuple

HISTORY = ("reconstruction_error", "gradient_norm", "learning_rate", "n_gibbs")


class Training(NamedTuple):
    """The state after some updates; the next one changes its arrays in place.

    params : NamedTuple; optimizer : NamedTuple, the optimiser's state; chains : states that a negative phase
    carries on, or None; n_updates : int, updates made; seed : int, of all random streams; history : dict of lists,
    a value for each update.
    """

    params: NamedTuple
    optimizer: NamedTuple
    chains: Any
    n_updates: int
    seed: int
    history: dict
