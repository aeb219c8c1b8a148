"""The frames to come: fans of possible futures, and their errors the further ahead they reach."""

import numpy as np

from .. import evaluate
from . import drawn
from .html import figure, folded, table
from .parts import LeftOut, Part, bounds, cost, n_taps_of, need_data, need_time, paragraph, shown_features, split

HORIZON, N_AHEAD, CONTEXT = 30, 4, 60  # frames ahead, sequences that are continued, frames before them
LEVELS = (0.1, 0.5, 0.9)


def forecasts(subject):
    """The frames to come as fans of possible futures, and their errors the further ahead they reach."""
    need_time(subject, "forecasts nothing")
    need_data(subject)
    if not hasattr(subject.model, "forecast"):
        raise LeftOut(f"A {type(subject.model).__name__} has no method forecast.")
    parts = split(subject, 10**6)
    long = [v for v in parts.scored if len(v) >= 8][:N_AHEAD]
    if not long:
        raise LeftOut("The data are too short: a forecast needs sequences of 8 frames.")
    horizon = min(HORIZON, min(map(len, long)) // 3)
    starts = [max(0, len(v) - horizon - CONTEXT) for v in long]
    seen = [v[start : len(v) - horizon] for v, start in zip(long, starts)]
    came, first = np.stack([v[len(v) - horizon :] for v in long]), parts.first + starts[0]
    n_samples = int(np.clip(1e9 / cost(subject) / horizon / len(seen), 19, 100))
    found = subject.model.forecast(seen, horizon, n_samples, LEVELS, subject.seed, n_gibbs=50, return_samples=True)
    means = {type(subject.model).__name__: found.mean, "last frame stays": np.stack([v[-1:] for v in seen])}
    if subject.n_visible <= evaluate.LARGEST_LINEAR:
        n = n_taps_of(subject.bottom)
        means[f"linear predictor ({n} frames)"] = evaluate.autoregressive_forecast(
            seen, horizon, parts.fit, n, *bounds(subject.bottom)
        )
    errors = {name: np.square(came - mean).sum(axis=2).mean(axis=0) for name, mean in means.items()}
    ahead = np.arange(1, horizon + 1)
    lines = [drawn.curve(name, ahead, e, style) for (name, e), style in zip(errors.items(), drawn.STYLES)]
    html = paragraph(
        f"After {len(seen[0])} frames the model draws {n_samples} futures of {horizon} frames. A good fan is narrow "
        f"and what came lies in it.{_coverage(subject, found, came)}"
    )
    html += figure("fan", "Fan charts of the forecast", _fan_words(subject))
    figures = {"fan": _fan(subject, found, seen[0], came[0], first)}
    if subject.view != "curves":
        html += figure(
            "futures", "What came, and the forecast", shown_features(subject, "The frames to come, one by one.")
        )
        panels = {"what came": came[0], "mean of all futures": found.mean[0], "one future": found.means[0, 0]}
        figures["futures"] = subject.figure(panels, start=first + len(seen[0]), playable=True)
    words = f"The further ahead, the harder. Mean over {len(seen)} sequence{'s' * (len(seen) > 1)}."
    html += figure("ahead", "Squared error of the forecast against frames ahead", words)
    figures["ahead"] = drawn.chart("frames ahead", [drawn.panel("squared error per frame", lines, zero=True)])
    steps = [k for k in (1, 2, 5, 10, 20, 30) if k <= horizon]
    rows = [(name, *(float(e[k - 1]) for k in steps)) for name, e in errors.items()]
    columns = ("frames ahead", *map(str, steps))
    html += folded("The same in numbers", table("Squared error of the forecast per frame", columns, rows, marked=[0]))
    return Part("forecasts", "Forecasts", html, figures)


def _coverage(subject, found, came):
    if subject.bottom._units().binary:
        return ""
    share, _ = evaluate.coverage(came, found.quantiles[0], found.quantiles[-1])
    return f" 8 of 10 values should lie between its edges; here {100 * share:.0f} % do."


def _fan_words(subject):
    own = " The fan is that of their probabilities." if subject.bottom._units().binary else ""
    return f"The band reaches from the quantile 0.1 to 0.9 of the futures, the dashed line is their median.{own}"


def _fan(subject, found, seen, came, first):
    """Fan charts of the features that change most; `first` frames of the recording come before those seen."""
    if subject.bottom._units().binary:  # the quantiles of 0 and 1 tell nothing
        low, middle, high = np.quantile(found.means[0], LEVELS, axis=0)
    else:
        low, middle, high = found.quantiles[:, 0]
    n, panels = first + len(seen), []
    truth = np.concatenate([seen, came])
    x, later = first + np.arange(1, len(truth) + 1), n + np.arange(1, len(came) + 1)
    features = np.argsort(-np.var(truth, axis=0), kind="stable")[:4]
    for i in np.sort(features):
        fan = drawn.curve("forecast", later, middle[:, i], drawn.STYLES[1], low[:, i], high[:, i])
        panels.append(drawn.panel(subject.title(i), [drawn.curve("data", x, truth[:, i]), fan]))
    return drawn.chart("frame", panels, marks=[[n, "forecast from here"]])
