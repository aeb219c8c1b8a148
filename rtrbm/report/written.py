"""A report is written: its parts are made one after the other, and a part that fails is left out with the reason."""

from __future__ import annotations

import contextlib
import warnings as python_warnings
from collections.abc import Iterable
from typing import Any

from ..biases import n_inputs
from ..progress import bar
from ..minibatches.paths import check_no_data
from ..replacing import replacing
from ..types import Path, Seed
from .about import about, head
from .dreams import dreams
from .forecasts import forecasts
from .html import page, text
from .learning import learning, remarks
from .likelihood import likelihood
from .parts import LeftOut
from .predictions import predictions
from .subject import Subject
from .weights import weights

PARTS = {
    "Dreams": dreams,
    "Predictions": predictions,
    "Forecasts": forecasts,
    "Likelihood": likelihood,
    "Learning": learning,
    "Weights": weights,
    "Settings, data, versions": about,
}

WITH_INPUTS = "The model was fitted with inputs=, which a page has none of: call the verb in Python."


def write_report(
    path: Path,
    model: Any,
    X: Any = None,
    *,
    train: Any = None,
    title: str | None = None,
    image_shape: tuple[int, int] | None = None,
    warnings: Iterable[Any] = (),
    random_state: Seed = None,
) -> None:
    """Write a page about a trained model: what it dreams, predicts and forecasts, how it learnt, its weights, settings.

    The page is one HTML file that a browser opens from the disk. It fetches nothing. With X it takes some ten seconds:
    it looks at as many frames as that allows. A part that cannot be made is left out, and the page says why.

    Parameters
    ----------
    path : path-like
        Replaced whole once the new file is complete.
    model : fitted model
        A `Stack` too.
    X : (n_sequences, n_frames, n_visible) array_like, list of (n_frames_i, n_visible) array_like or table, optional
        Data to show, best those that the model was not trained on. A table or an array of two dimensions is one
        recording. Without X there are no predictions, forecasts and likelihoods.
    train : like X, optional
        Training data, from which the linear predictor and the mean frame learn. If not given, they learn from the first
        half of X, and the second half alone is scored.
    title : str, optional
    image_shape : (int, int), optional
        (height, width) of frames that are images. If not given, binary frames of a square number of at least 100
        features without names are square images.
    warnings : iterable of str or warnings
        Those of the run, to be repeated on the page (see `noted`).
    random_state : None, int, RandomState or Generator
        Of dreams, predictions and forecasts. None: the seed the model was trained with.

    Raises
    ------
    TypeError, ValueError
        If an argument is not valid or the model is not fitted, before any work.
    OSError
        If the file cannot be written; an earlier one stays as it was.

    Examples
    --------
    >>> import numpy as np
    >>> from rtrbm import RTRBM
    >>> X = np.random.default_rng(0).integers(2, size=(6, 20, 5))
    >>> model = RTRBM(10, n_gibbs=1, n_updates=50, random_state=0).fit(X)
    >>> write_report("report.html", model, X)  # doctest: +SKIP
    """
    path = check_no_data("path", path)
    subject = Subject(model, X, train, image_shape, random_state)
    title = f"{type(model).__name__} with {subject.layers[-1].n_hidden:,} hidden units" if title is None else title
    notes = [str(getattr(one, "message", one)) for one in warnings] + remarks(subject)
    made, left_out = _made(subject)
    sections = "".join(
        f'<section aria-labelledby="{part.name}"><h2 id="{part.name}">{text(part.title)}</h2>{part.html}</section>'
        for part in made
    )
    links = "".join(f'<li><a href="#{part.name}">{text(part.title)}</a></li>' for part in made)
    if left_out:
        sections += (
            '<section aria-labelledby="left-out"><h2 id="left-out">Left out</h2><dl>'
            + "".join(f"<dt>{text(name)}</dt><dd>{text(why)}</dd>" for name, why in left_out)
            + "</dl></section>"
        )
    body = (
        f'<header class="top">{head(subject, title, notes)}</header>'
        f'<nav aria-label="Parts of this page"><ul>{links}</ul></nav><main id="main" tabindex="-1">{sections}</main>'
        "<footer><p>Made by rtrbm. The figures need JavaScript; the tables do not.</p></footer>"
    )
    figures = {name: spec for part in made for name, spec in part.figures.items()}
    with replacing(path) as temporary, open(temporary, "w", encoding="utf-8", newline="\n") as file:
        file.write(page(title, body, {"figures": figures}))


def _made(subject):
    """The parts, and the names of those that are left out with the reasons."""
    made, left_out = [], []
    with bar(len(PARTS), "part") as counted:
        for name, part in PARTS.items():
            try:
                made.append(part(subject))
            except LeftOut as reason:
                left_out.append((name, str(reason)))
            except Exception as error:  # the model is trained: no page may cost its run
                why = f"It failed: {type(error).__name__}: {error}"
                left_out.append((name, WITH_INPUTS if n_inputs(subject.bottom.params_) else why))
            counted.update()
    return made, left_out


@contextlib.contextmanager
def noted():
    """Context that shows warnings as ever and gives a list of their texts, for `write_report`.

    Examples
    --------
    >>> with noted() as found:  # doctest: +SKIP
    ...     model.fit(X)
    >>> write_report("report.html", model, X, warnings=found)  # doctest: +SKIP
    """
    found = []
    with python_warnings.catch_warnings():
        show = python_warnings.showwarning

        def both(message, *args, **options):
            if str(message) not in found:
                found.append(str(message))
            show(message, *args, **options)

        python_warnings.showwarning = both
        yield found
