"""Figures of models, videos, learning curves and forecasts, each a matplotlib `Figure` to be saved or shown.

A figure shows itself at the end of a notebook's cell; in a script it is saved by `figure.savefig`. It needs no display
and leaves matplotlib's global state alone. With `ax` a function draws in axes of yours. Units and frames count from 0,
as arrays do.
"""

from .curves import CURVES, learning_curves
from .fans import forecast
from .figures import animate_figures, figure_strip
from .paper import COLOURS, LINES, WIDTH
from .videos import animate, film_strip, predictions
from .weights import hidden_unit_norms, receptive_fields

__all__ = ["COLOURS", "CURVES", "LINES", "WIDTH", "animate", "animate_figures", "figure_strip", "film_strip"]
__all__ += ["forecast", "hidden_unit_norms", "learning_curves", "predictions", "receptive_fields"]
