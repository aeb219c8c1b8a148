"""How the model learnt: its curves, and remarks on what they say."""

import numpy as np

from ..training.state import HEALTH, HISTORY, VALIDATION
from . import drawn
from .html import figure, folded, table
from .parts import LeftOut, Part, paragraph

N_ROWS = 12  # of the table
LATE = 1.02  # a last validation error of so many times the best one is worth a remark


def learning(subject):
    """Curves of all quantities that a history has."""
    histories = named_histories(subject)
    drawing = drawn.history_chart(histories)
    if drawing is None:
        raise LeftOut("This model was not trained by fit, so it has no history.")
    html = paragraph(
        "Errors should fall and then be flat. If the validation error rises while the training error falls, the model "
        "learns its data by heart. A likelihood should rise. Where k, the steps of the chain, grows, the "
        "reconstruction error jumps up: it is measured after more steps."
    )
    html += figure("learning", "Learning curves", "Move the slider, or point at a curve, to read its values.")
    for name, history in histories.items():
        html += folded(f"The curves in numbers{f', {name}' if name else ''}", _numbers(history))
    return Part("learning", "Learning", html, {"learning": drawing})


def named_histories(subject):
    """The history of every layer by its name."""
    if len(subject.layers) == 1:
        return {"": subject.bottom.history_}
    return {f"layer {i}": layer.history_ for i, layer in enumerate(subject.layers, 1)}


def _numbers(history):
    """Tables of some records."""
    made = ""
    for axis, keys in (
        (VALIDATION[0], VALIDATION[1:]),
        ("update", HISTORY),
        (HEALTH[0], HEALTH[1:]),
    ):
        keys = [key for key in keys if len(history.get(key, ()))]
        if keys:
            n = len(history[keys[0]])
            at = np.unique(np.linspace(0, n - 1, min(n, N_ROWS)).astype(int)).tolist()
            x = history.get(axis, range(1, n + 1))
            rows = [(f"{x[i]:,}", *(_value(history[key][i]) for key in keys)) for i in at]
            names = [key.replace("_", " ").replace("n gibbs", "k") for key in keys]
            made += table(names[0].capitalize() + " and others" * (len(names) > 1), ("update", *names), rows)
    return made


def _value(value):
    return int(value) if isinstance(value, int | np.integer) else float(value)


def remarks(subject):
    """What a history says about a run, in sentences."""
    said = []
    for model, (name, history) in zip(subject.layers, named_histories(subject).items()):
        about = f"{name}: " if name else ""
        if model.n_epochs is None and model.n_updates_ < model.n_updates:
            said.append(
                f"{about}{model.n_updates_:,} of {model.n_updates:,} updates were made: the run broke off or stopped."
            )
        errors = history.get("validation_error", [])
        if len(errors) > 2 and errors[-1] > LATE * min(errors) and model.best_ is None:
            at = history["validation_update"][int(np.argmin(errors))]
            said.append(
                f"{about}the validation error was least at update {at:,} ({min(errors):.4g}) and is {errors[-1]:.4g} "
                "now: rtrbm.callbacks.EarlyStopping keeps the best model."
            )
        errors = history.get("reconstruction_error", [])
        same_k = len(set(history.get("n_gibbs", []))) == 1
        if same_k and len(errors) >= 40 and np.mean(errors[-10:]) > np.mean(errors[:10]):
            said.append(
                f"{about}the reconstruction error is not lower than at the beginning: try a smaller learning_rate."
            )
    return said
