"""HTML: text that is escaped, tables, and one page that holds its style, its script and its numbers."""

import base64
import hashlib
import json
from html import escape
from importlib import resources
from string import Template

import numpy as np


def text(value):
    """Any value as text that HTML shows as it is."""
    value = str(value).encode("utf-8", "replace").decode()  # a file's name may hold halves of characters
    return escape("".join(c if c.isprintable() or c in "\n\t" else "\N{REPLACEMENT CHARACTER}" for c in value))


def number(value, digits=4):
    """A number as people read it; a dash for None and NaN."""
    if value is None or value != value:
        return "\N{EN DASH}"
    whole = isinstance(value, int | np.integer) or abs(value) >= 1000 and np.isfinite(value)
    shown = f"{round(value):,}" if whole else f"{value:.{digits}g}"
    return shown.replace("-", "\N{MINUS SIGN}", 1) if value < 0 else shown


def table(caption, columns, rows, marked=()):
    """A table whose first column names the rows; numbers are written by `number`, all else as text.

    Parameters
    ----------
    caption : str
    columns : sequence of str
    rows : iterable of sequences
    marked : collection of int
        The rows to show in bold.
    """
    head = "".join(f'<th scope="col">{text(column)}</th>' for column in columns)
    body = []
    for n, (first, *others) in enumerate(rows):
        kind = ' class="own"' if n in marked else ""
        body.append(f'<tr{kind}><th scope="row">{text(first)}</th>{"".join(map(_cell, others))}</tr>')
    inner = f"<caption>{text(caption)}</caption><thead><tr>{head}</tr></thead><tbody>{''.join(body)}</tbody>"
    return f'<div class="wide" tabindex="0" role="region" aria-label="{text(caption)}"><table>{inner}</table></div>'


def _cell(value):
    if value is None or isinstance(value, int | float | np.number) and not isinstance(value, bool):
        return f'<td class="number">{number(value)}</td>'
    return f"<td>{text(value)}</td>"


def listed(items):
    """A list of texts."""
    return f"<ul>{''.join(f'<li>{text(item)}</li>' for item in items)}</ul>"


def folded(title, inner):
    """HTML that opens when its title is clicked."""
    return f"<details><summary>{text(title)}</summary>{inner}</details>"


def figure(name, label, caption):
    """The place in which the script draws the figure of that name."""
    return (
        f'<figure data-figure="{text(name)}" aria-label="{text(label)}"><div class="drawing"></div>'
        f"<figcaption>{text(caption)}</figcaption></figure>"
    )


def as_json(data):
    """JSON that nothing in a page takes for markup."""
    plain = json.dumps(data, allow_nan=False)
    return plain.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def page(title, body, data):
    """A page that fetches nothing, and may run no script but its own.

    Parameters
    ----------
    title : str
    body : str
        HTML.
    data : dict
        What the script reads: anything JSON can hold.

    Returns
    -------
    str
    """
    style, script, frame = (_own(name) for name in ("report.css", "report.js", "report.html"))
    return Template(frame).substitute(
        title=text(title),
        body=body,
        data=as_json(data),
        style=style,
        script=script,
        style_hash=_hash(style),
        script_hash=_hash(script),
        connect=" connect-src 'self';" if "live" in data else "",
    )


def _own(name):
    """A file of this package, as a page has it between two tags."""
    return (resources.files(__package__) / name).read_text("utf-8").replace("\r\n", "\n")


def _hash(source):
    """The source that a Content-Security-Policy allows."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()}'"
