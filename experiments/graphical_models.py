"""The chapter's two diagrams: the graphical models of the TRBM and of the RTRBM, as PNG and PDF.

Connections of one name share their weights. The names are those of the code. A_n, B_n and C_n are the TRBM's
connections over n frames, and B_1 is the RTRBM's U. Biases are left out, except the RTRBM's first hidden one.
"""

import argparse

import numpy as np
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Circle, FancyArrowPatch

from experiments.runner import output_folder, run, save_figure, script, write_settings
from rtrbm.plots import COLOURS, WIDTH

RADIUS = 0.3  # of a layer, in inches as all lengths here
COLOUR_OF = {"W": COLOURS[6], "U": COLOURS[1], "A": COLOURS[0], "B": COLOURS[1], "C": COLOURS[2], "b": "0.4"}
B_INIT = r"b_{\mathrm{init}}"


def blank(height):
    """A figure and its axes, whose coordinates are inches from the lower left corner."""
    figure = Figure(figsize=(WIDTH, height))
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, WIDTH), ylim=(0, height))
    axes.set_axis_off()
    return figure, axes


def write(axes, place, text, **style):
    """Text centred at a place."""
    axes.text(*place, text, **{"ha": "center", "va": "center", "math_fontfamily": "cm", "fontsize": 13, **style})


def layer(axes, place, name="", visible=False, deterministic=False, radius=RADIUS):
    """A layer of units: a circle, grey if they are visible, double if they are deterministic."""
    fill = "0.88" if visible else "white"
    circle = Circle(place, radius, facecolor=fill, edgecolor="black", linewidth=1, zorder=3)
    axes.add_patch(circle)
    if deterministic:
        axes.add_patch(Circle(place, 0.85 * radius, fill=False, edgecolor="black", linewidth=0.7, zorder=3))
    write(axes, place, name, zorder=4)
    return circle


def connect(axes, start, end, colour="black", directed=True, faint=False, bend=0.0):
    """A line or arrow from one circle to another; `bend` is the height of its arc relative to its length."""
    rgb = np.array(to_rgb(colour))
    arrow = FancyArrowPatch(
        start.center,
        end.center,
        patchA=start,
        patchB=end,
        shrinkA=0,
        shrinkB=0.5 * directed,
        arrowstyle="-|>" if directed else "-",
        connectionstyle=f"arc3,rad={2 * bend}",
        mutation_scale=11,
        linewidth=0.9 if faint else 1.3,
        color=0.5 + 0.5 * rgb if faint else rgb,
        zorder=1 if faint else 2,
    )
    axes.add_patch(arrow)


def connection(axes, start, end, name, at=0.5, side=0.14, bend=0.0, **style):
    """A connection with its name, a fraction `at` of the way and `side` to the left of it."""
    colour = COLOUR_OF[name[0]]
    connect(axes, start, end, colour, bend=bend, **style)
    way = np.subtract(end.center, start.center)
    left = np.array([-way[1], way[0]])
    on_arc = start.center + at * way - 4 * at * (1 - at) * bend * left
    write(axes, on_arc + side * left / np.hypot(*way), f"${name}$", color=colour)


def key(axes, *rows):
    """The meaning of the kinds of layers and connections: rows of three, from the bottom up."""
    for y, row in zip((0.18, 0.43), rows):
        for x, (meaning, style) in zip((0.45, 2.45, 4.55), row.items()):
            if "directed" in style:
                connect(axes, Circle((x - 0.2, y), 0), Circle((x + 0.2, y), 0), **style)
            else:
                layer(axes, (x, y), radius=0.09, **style)
            write(axes, (x + 0.28, y), meaning, ha="left", fontsize=9)


def trbm():
    """The TRBM with 2 taps: RBMs whose biases depend on the frames and the hidden units before them."""
    figure, axes = blank(4.3)
    frames = {"t-2": 1.15, "t-1": 3.25, "t": 5.35}
    v = [layer(axes, (x, 1.65), f"$v_{{{t}}}$", visible=True) for t, x in frames.items()]
    h = [layer(axes, (x, 3.25), f"$h_{{{t}}}$") for t, x in frames.items()]
    for layers in v, h:
        for x in (0.4, 6.1):
            write(axes, (x, layers[0].center[1]), r"$\cdots$")
    for t in range(3):
        connection(axes, v[t], h[t], "W", at=0.62, side=0.17, directed=False)
    for t in range(2):
        connection(axes, v[t], v[t + 1], "A_1")
        connection(axes, h[t], h[t + 1], "U = B_1")
        connection(axes, v[t], h[t + 1], "C_1", side=0.16)
    connection(axes, v[0], v[2], "A_2", side=-0.14, bend=0.14, faint=True)
    connection(axes, h[0], h[2], "B_2", bend=-0.14, faint=True)
    connection(axes, v[0], h[2], "C_2", at=0.36, side=-0.14, faint=True)
    key(
        axes,
        {
            "undirected": {"directed": False},
            "directed, over 1 frame": {"directed": True},
            "directed, over 2 frames": {"directed": True, "faint": True},
        },
        {"visible, stochastic": {"visible": True}, "hidden, stochastic": {}},
    )
    return figure


def rtrbm():
    """The RTRBM: RBMs whose hidden bias depends on a deterministic hidden state, r_t = P(h_t = 1 | v_t, r_{t-1})."""
    figure, axes = blank(4.3)
    columns = {1: 1.2, 2: 3.0, 3: 4.8}
    v = [layer(axes, (x, 1.15), f"$v_{t}$", visible=True) for t, x in columns.items()]
    h = [layer(axes, (x, 2.4), f"$h_{t}$") for t, x in columns.items()]
    r = [layer(axes, (x + 0.85, 3.65), f"$r_{t}$", deterministic=True) for t, x in columns.items()]
    for layers in v, h, r:
        write(axes, (6.25, layers[0].center[1]), r"$\cdots$")
    for t in range(3):
        connection(axes, v[t], h[t], "W", side=0.17, directed=False)
        connection(axes, v[t], r[t], "W", side=-0.18)
    for t in range(2):
        connection(axes, r[t], h[t + 1], "U", side=-0.16)
        connection(axes, r[t], r[t + 1], "U")
    start = axes.add_patch(Circle((columns[1] - 0.95, 3.65), 0.04, color=COLOUR_OF["b"]))
    connection(axes, start, h[0], B_INIT, side=-0.22)
    connection(axes, start, r[0], B_INIT, side=0.16)
    key(
        axes,
        {"undirected": {"directed": False}, "directed": {"directed": True}},
        {
            "visible, stochastic": {"visible": True},
            "hidden, stochastic": {},
            "hidden, deterministic": {"deterministic": True},
        },
    )
    return figure


@script
def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", default="results/graphical_models", help="folder for the pictures")
    options = parser.parse_args(arguments)
    folder = output_folder(options.out)
    for name, figure in {"trbm": trbm(), "rtrbm": rtrbm()}.items():
        for suffix in ("png", "pdf"):
            save_figure(figure, folder / f"{name}.{suffix}")
    write_settings(folder / "settings.json", vars(options))


if __name__ == "__main__":
    run(main)
