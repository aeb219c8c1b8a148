"""A small picture of a model for notebooks: its layers, its past, and the settings that are not the defaults."""

from html import escape

from ..checks import check_count

MOST, RADIUS = 5, 9  # circles of a layer
LEFT, STEP, HIDDEN, VISIBLE = 110, 34, 30, 100  # the first circle, the way to the next, the rows of the two layers
END = LEFT + MOST * STEP
CELL = '<td style="text-align: left; padding: 0 1em 0 0">'
SVG = (
    '<svg xmlns="http://www.w3.org/2000/svg" width="520" height="130" role="img" stroke="currentColor" fill="none" '
    'font-family="sans-serif" font-size="13">'
)


def picture(model):
    """HTML of a model: a drawing and a table of settings; those of models in it below, the last one first.

    Parameters
    ----------
    model : Estimator

    Returns
    -------
    str
    """
    inner = [value for name, value in model.get_params().items() if name.count("__") == 1 and _is_model(value)]
    own = {} if inner else model._changed()
    rows = "".join(f"<tr>{CELL}{escape(name)}</td>{CELL}{escape(value)}</td></tr>" for name, value in own.items())
    below = "".join(f'<div style="margin-left: 1.5em">{picture(layer)}</div>' for layer in reversed(inner))
    state = "fitted" if model.__sklearn_is_fitted__() else "not fitted"
    drawing = _drawing(model) if hasattr(model, "n_hidden") else ""
    return f"<div><b>{escape(type(model).__name__)}</b> ({state})<br>{drawing}<table>{rows}</table>{below}</div>"


def _is_model(value):
    return hasattr(value, "__sklearn_is_fitted__")


def _drawing(model):
    """The two layers, all units of one joined with all of the other, and the past on their left."""
    n_visible = getattr(model, "n_features_in_", None)
    hidden, visible = _places(model.n_hidden), _places(n_visible)
    parts = [_line(x, HIDDEN, u, VISIBLE, 'stroke-opacity="0.25"') for x in hidden for u in visible]
    for row, places in ((HIDDEN, hidden), (VISIBLE, visible)):
        parts += [f'<circle cx="{x}" cy="{row}" r="{RADIUS}" fill="white"/>' for x in places]
    number = "" if n_visible is None else f"{n_visible} "
    parts += [_text(END, HIDDEN, f"{model.n_hidden} hidden units")]
    parts += [_text(END, VISIBLE, f"{number}visible units, {model.visible}")]
    if not model._is_static:
        middle, arrow = (HIDDEN + VISIBLE) / 2, LEFT - 2 * RADIUS
        parts += [_text(12, middle, "past")]
        for row in (HIDDEN, VISIBLE):
            parts += [_line(48, middle, arrow, row, 'stroke-dasharray="4 3"')]
            parts += [f'<circle cx="{arrow}" cy="{row}" r="2.5" fill="currentColor"/>']
    return f"{SVG}{''.join(parts)}</svg>"


def _places(n_units):
    """Where the circles of a layer are: one for each of a few units, and as many as there is room for if unknown."""
    try:
        check_count("n_units", n_units)
    except (TypeError, ValueError):
        n_units = MOST
    return [LEFT + STEP * i for i in range(min(n_units, MOST))]


def _line(x, y, u, v, style):
    return f'<line x1="{x}" y1="{y}" x2="{u}" y2="{v}" {style}/>'


def _text(x, y, words):
    return f'<text x="{x}" y="{y}" dy="0.35em" fill="currentColor" stroke="none">{escape(words)}</text>'
