"""How Sphinx builds the site from the pages of the repository: `python -m sphinx -W -c docs . build/docs`.

The source folder is the root of the repository. So README.md, CHANGELOG.md and the other pages there are pages of the
site, and a link that works in the repository works in the site. A page of the site fetches nothing from the network:
equations are MathML, which docutils writes and browsers draw without a script.
"""

import re
import sys
import textwrap
from pathlib import Path

from docutils import nodes
from docutils.utils.math import latex2mathml

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

import rtrbm  # noqa: E402, from the clone that holds the pages

project, author = "rtrbm", "rtrbm developers"
html_show_copyright = False
version = release = rtrbm.__version__
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
root_doc = "docs/index"
include_patterns = ["*.md", "docs/**", "experiments/README.md", "data/README.md"]
exclude_patterns = ["docs/results/**", "build", ".*"]
default_role = "py:obj"
language = "en"

html_theme = "furo"
html_title = "rtrbm"
html_static_path = ["site.css"]
html_css_files = ["site.css"]
html_copy_source = False
html_math_renderer = "mathml"

myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 4
nb_execution_mode = "off"  # the notebooks are kept as they ran

autodoc_member_order = "bysource"
autodoc_typehints = "none"
napoleon_google_docstring = False
napoleon_use_rtype = False
napoleon_use_ivar = True


def mathml(tex, as_block):
    """An equation as MathML, in which brackets grow by themselves; an index stands beside a letter with a hat."""
    found = latex2mathml.tex2mathml(re.sub(r"\\[Bb]ig\b", "", tex), as_block=as_block)
    hat = r"<munderover>\s*(<mi>\w</mi>)(.*?)(<mo[^>]*>\S</mo>)\s*</munderover>"
    return re.sub(hat, r"<msub><mover>\1\3</mover>\2</msub>", found, flags=re.DOTALL)


def visit_inline(translator, node):
    translator.body.append(mathml(node.astext(), False))
    raise nodes.SkipNode


def visit_block(translator, node):
    translator.body.append(f'<div class="math">{mathml(node.astext(), True)}</div>')
    raise nodes.SkipNode


def as_written(app, what, name, obj, options, lines):
    """Docstrings are plain text: equations keep their lines, `*`, `|`, `params_` mean themselves, pages are links."""
    text = re.sub(r"(?m)^(\w[\w, ]*,)\n(?=\w+[,\n ])(?=[\w, ]+$)", r"\1 ", "\n".join(lines))  # names over two lines
    blocks = text.split("\n\n")
    for i, block in enumerate(blocks):
        if not re.match(r"\w+\n---|>>>", block) and all(" = " in line for line in block.splitlines()):
            blocks[i] = "::\n\n" + textwrap.indent(textwrap.dedent(block), "    ")
            continue
        parts = re.split(r"(`+[^`]*`+)", block)
        for n in range(0, len(parts), 2):  # outside code font
            part = re.sub(r"(?<=\w)_(?!\w)|[*|]", r"\\\g<0>", parts[n])
            parts[n] = re.sub(r"\b(docs/[\w-]+)\.md\b", r":doc:`\g<0> </\1>`", part)
        blocks[i] = "".join(parts)
    lines[:] = "\n\n".join(blocks).splitlines()


def front_page(app, exception):
    """The root of the site leads to its front page, as docs/index.html is not where a browser looks first."""
    if app.builder.format == "html":
        leads = '<meta http-equiv="refresh" content="0; url=docs/index.html"><a href="docs/index.html">rtrbm</a>'
        page = f'<!doctype html><html lang="en"><title>rtrbm</title>{leads}</html>'
        Path(app.outdir, "index.html").write_text(page)


def setup(app):
    app.connect("build-finished", front_page)
    app.add_html_math_renderer("mathml", (visit_inline, None), (visit_block, None))
    app.connect("autodoc-process-docstring", as_written, priority=400)  # before napoleon
