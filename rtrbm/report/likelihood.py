"""The log-likelihood of data with its bounds, beside that of features without each other."""

import warnings

import numpy as np

from ..estimators.likelihoods import Scores
from .html import listed, table
from .parts import LeftOut, Part, cost, known, need_data, paragraph, split

N_STEPS, N_FRAMES, FEWEST = 256, 200, 20  # temperatures; frames, at most and at least


def likelihood(subject):
    """Nats per frame with bounds, and those of features without each other."""
    need_data(subject)
    n = int(min(3e6 / cost(subject), N_FRAMES))
    if n < FEWEST:
        raise LeftOut("A model of this size would take minutes for enough frames: model.likelihood(X) estimates it.")
    parts = split(subject, n)
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        own, X = _scored(subject, parts, n)
    how = "by sums over all states" if own.method == "exact" else "by annealed importance sampling"
    bounded = np.isfinite(own.upper)
    rows = [(type(subject.model).__name__, own.nats, own.lower, own.upper if bounded else None)]
    alone = _alone(subject, parts.fit, X)
    if alone is not None:
        rows.append(("every feature by itself", alone, None, None))
    where = "the truth lies between the bounds, unless the chains missed a part of the distribution"
    if not bounded:
        where = "of layers upon layers it is a bound, the truth lies above by an unknown distance"
    html = paragraph(
        "The log-likelihood says how probable the frames are under the model, each given those before it. Larger is "
        f"better. It is found {how}; {where}.{known(subject)}"
    )
    columns = ("model", "nats per frame", "lower bound", "upper bound")
    html += table(f"Log-likelihood, mean over {own.n_frames:,} frames", columns, rows, marked=[0])
    html += listed(str(one.message) for one in found) if found else ""
    return Part("likelihood", "Likelihood", html)


def _scored(subject, parts, n):
    """The `Likelihood` of the frames that are scored, and these frames; those before them are their past."""
    model, settings = subject.model, {"random_state": subject.seed, "n_steps": N_STEPS}
    if subject.static:
        X = parts.scored[0][:n]
        return model.likelihood(X, **settings), X
    if len(subject.layers) > 1:  # whose bound is one of whole sequences
        return model.likelihood(parts.scored, **settings), np.concatenate(parts.scored)
    found = model._scores(parts.scored, "auto", subject.seed, None, N_STEPS, None, doubt_grey=True)
    own, X = (np.concatenate([part[parts.n_warm :] for part in these]) for these in (found, parts.scored))
    return Scores(*own.T).mean(), X


def _alone(subject, fit, X):
    """Nats per frame of features that know neither each other nor time; None for kinds without such a formula."""
    fit, X = np.concatenate(fit).astype(float), np.asarray(X, float)
    if subject.bottom._units().binary:
        p = (fit.sum(axis=0) + 0.5) / (len(fit) + 1)
        return float((X * np.log(p) + (1 - X) * np.log1p(-p)).sum(axis=1).mean())
    if not subject.bottom._units().linear:
        return None
    mean, variance = fit.mean(axis=0), np.maximum(fit.var(axis=0), 1e-12)
    return float(-0.5 * (np.square(X - mean) / variance + np.log(2 * np.pi * variance)).sum(axis=1).mean())
