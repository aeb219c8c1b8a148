"""The picture of the house: the folders of rtrbm/ in floors, and an arrow for every import between them, as PNG.

The imports are read from the sources (`ast`), also those inside functions. A room stands above all rooms that it
imports. An arrow is straight where the way down is free. The other imports use lines at both sides of the house: a grey
line leads from a room to the coloured line of the room that it imports, and a dot marks the import. The small modules
at the bottom count as one room.
"""

import argparse
import ast
from pathlib import Path
from typing import NamedTuple

from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

import rtrbm
from experiments.graphical_models import blank, write
from experiments.runner import check_picture, run, save_figure
from rtrbm.plots import COLOURS

BLUE, RED, GREEN, PINK, ORANGE, SKY, *_ = COLOURS
GREY = "0.55"
SMALL = "small modules"


class Room(NamedTuple):
    """A folder or a module: its floor, from the top, its left and its right end in inches, a text."""

    floor: int
    left: float
    right: float
    text: str


ROOMS = {
    "commands": Room(-1, 1.0, 5.5, "the command line: a module each, over what is below"),
    "models": Room(0, 1.2, 3.3, "a file each: its parameters,\nits conditioner, its class"),
    "plots": Room(0, 3.37, 3.87, "figures"),
    "report": Room(0, 4.05, 4.57, "a page"),
    "datasets": Room(0, 4.61, 5.34, "data"),
    "convert": Room(1, 4.75, 5.52, "your data"),
    "estimators": Room(1, 1.4, 3.05, "the habits of scikit-learn:\nfit, predict, sample, save"),
    "callbacks": Room(1, 3.4, 4.4, "the best model,\na log, lines of text"),
    "evaluate": Room(2, 1.0, 2.0, "errors, linear\npredictors"),
    "training": Room(2, 2.8, 5.5, "from a gradient to parameters:\nupdates, optimisers, files"),
    "gradient": Room(3, 1.6, 4.0, "eq. 3.25: the gradient of every model,\nthe sum of two halves"),
    "rbm": Room(4, 1.0, 3.2, "an RBM that receives its biases;\nit knows no time"),
    "past": Room(4, 3.3, 5.5, "conditioners, which make the biases;\nthey know no chains"),
    "compute": Room(5, 1.0, 3.2, "threads, products,\nrandom numbers, numba"),
    "minibatches": Room(5, 3.3, 5.5, "from users' data\nto packed rows"),
    SMALL: Room(6, 1.0, 5.5, ""),
}
LINES = {
    ("evaluate", "left"): (0.08, SKY),
    ("rbm", "left"): (0.75, RED),
    ("compute", "left"): (0.5, ORANGE),
    (SMALL, "left"): (0.25, "black"),
    ("past", "right"): (5.75, BLUE),
    ("minibatches", "right"): (6.0, GREEN),
    (SMALL, "right"): (6.25, "black"),
}  # the lines at the sides: the room each leads to, and its place
HEIGHT, PITCH, KEY = 0.48, 0.84, 0.5  # of a room, from floor to floor, of what is below the house
IN_A_ROW, SMALL_HEIGHT = 6, 0.24  # small modules
CHANNEL = 0.11  # between lines that leave rooms downwards
NARROW = 0.15  # no arrow is drawn through a narrower gap


def imports(package):
    """The imports between the folders and modules of a package.

    Parameters
    ----------
    package : Path
        Its folder.

    Returns
    -------
    dict of str to set of str
        For each folder or module the others that it imports. The package's ``__init__`` and ``__main__`` are left out.
    """
    own = [package / "__init__.py", package / "__main__.py"]
    paths = [path for path in package.rglob("*.py") if path not in own]
    found = {path.relative_to(package).parts[0].removesuffix(".py"): set() for path in paths}
    for path in paths:
        own, *_ = parts = path.relative_to(package).with_suffix("").parts
        names = _imported(ast.parse(path.read_text(encoding="utf-8")), (package.name, *parts[:-1]))
        found[own] |= {name for name in names if name in found and name != own}
    return found


def _imported(tree, folder):
    """The folders and modules of its package that a module in `folder` imports."""
    for node in ast.walk(tree):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name.split(".") for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            start = folder[: len(folder) + 1 - node.level] if node.level else ()
            module = node.module.split(".") if node.module else ()
            names = [[*start, *module, alias.name] for alias in node.names]
        yield from (name[1] for name in names if name[0] == folder[0] and len(name) > 1)


def arrows(found):
    """Pairs (a, b): room a imports room b, the small modules taken as one.

    Parameters
    ----------
    found : dict of str to set of str
        From `imports`.

    Returns
    -------
    list of pairs of str
        From the top floor down.

    Raises
    ------
    ValueError
        If a room imports one that does not stand below it.
    """
    pairs = {(a, b) for a, names in found.items() for b in names}
    pairs = {tuple(name if name in ROOMS else SMALL for name in pair) for pair in pairs}
    pairs.discard((SMALL, SMALL))
    for a, b in sorted(pairs):
        if ROOMS[a].floor >= ROOMS[b].floor:
            raise ValueError(f"a room must import rooms below it, {a!r} imports {b!r}")
    return sorted(pairs, key=lambda pair: [list(ROOMS).index(name) for name in pair])


def gaps(a, b):
    """The intervals in which a vertical arrow from room a to room b meets no other room.

    Returns
    -------
    list of (left, right)
    """
    between = [room for room in ROOMS.values() if ROOMS[a].floor < room.floor < ROOMS[b].floor]
    open_ = [(max(ROOMS[a].left, ROOMS[b].left), min(ROOMS[a].right, ROOMS[b].right))]
    for room in between:
        open_ = [
            pair for left, right in open_ for pair in ((left, min(right, room.left)), (max(left, room.right), right))
        ]
    return [(left, right) for left, right in open_ if right - left >= NARROW]


class House:
    """The picture under way.

    Parameters
    ----------
    found : dict of str to set of str
        From `imports`.
    """

    def __init__(self, found):
        self.small = sorted(set(found) - set(ROOMS))
        rows = -(-len(self.small) // IN_A_ROW)
        self.bottom = KEY + 0.1 + rows * (SMALL_HEIGHT + 0.06)
        self.figure, self.axes = blank(max(map(self.top, ROOMS)) + 0.1)
        self._rooms(found)
        self._arrows(arrows(found))
        self._key()

    def top(self, name):
        """The height of the upper side of a room."""
        return self.bottom + (ROOMS[SMALL].floor - ROOMS[name].floor) * PITCH

    def floor(self, name):
        """The height of the lower side of a room."""
        return KEY if name == SMALL else self.top(name) - HEIGHT

    # ------------------------------------------------------------------------------------------ rooms

    def _rooms(self, found):
        colours = {name: colour for (name, _), (_, colour) in LINES.items()}
        for name, room in ROOMS.items():
            self._box(room.left, self.floor(name), room.right, self.top(name), colours.get(name, "black"))
            if name != SMALL:
                ending = "/" if (Path(rtrbm.__file__).parent / name).is_dir() else ".py"
                middle, top = (room.left + room.right) / 2, self.top(name)
                write(self.axes, (middle, top - 0.1), name + ending, fontsize=9, fontweight="bold", zorder=4)
                write(self.axes, (middle, top - 0.31), room.text, fontsize=7, linespacing=1.1, zorder=4)
        room, width = ROOMS[SMALL], (ROOMS[SMALL].right - ROOMS[SMALL].left - 0.06) / IN_A_ROW
        for number, name in enumerate(self.small):
            row, column = divmod(number, IN_A_ROW)
            left, top = room.left + 0.06 + column * width, self.top(SMALL) - 0.08 - row * (SMALL_HEIGHT + 0.06)
            self._box(left, top - SMALL_HEIGHT, left + width - 0.06, top, "0.7")
            write(self.axes, (left + width / 2 - 0.03, top - SMALL_HEIGHT / 2), name, fontsize=7.5, zorder=4)

    def _box(self, left, bottom, right, top, colour):
        style = {"facecolor": "white", "edgecolor": colour, "linewidth": 1, "zorder": 3}
        corners = "round,pad=0,rounding_size=0.05"
        self.axes.add_patch(FancyBboxPatch((left, bottom), right - left, top - bottom, corners, **style))

    # ------------------------------------------------------------------------------------------ arrows

    def _arrows(self, pairs):
        far = {}  # the lines each room uses
        for a, b in pairs:
            if open_ := gaps(a, b):
                left, right = max(open_, key=lambda gap: gap[1] - gap[0])
                self._arrow(a, b, (left + right) / 2, (left + right) / 2)
            elif ROOMS[b].floor - ROOMS[a].floor == 1:
                self._arrow(a, b, *self._nearest(a, b))
            else:
                far.setdefault(a, []).append(b)
        used = {}  # the heights at which each line is joined
        for a, names in far.items():
            for side in ("left", "right"):
                mine = [b for b in names if self._side(a, b) == side]
                if mine:
                    y = self._leave(a, side, [LINES[b, side][0] for b in mine])
                for b in mine:
                    x, colour = LINES[b, side]
                    self.axes.plot(x, y, "o", markersize=4.5, color=colour, zorder=2.5, gid=f"{a} imports {b}")
                    used.setdefault((b, side), []).append(y)
        for line, heights in used.items():
            self._line(*line, max(heights))

    def _arrow(self, a, b, x_a, x_b):
        """A straight arrow."""
        self._draw((x_a, self.floor(a)), (x_b, self.top(b)), "black", gid=f"{a} imports {b}")

    def _draw(self, start, end, colour, **more):
        style = {"arrowstyle": "-|>", "mutation_scale": 9, "linewidth": 1.2, "shrinkA": 0, "shrinkB": 0}
        self.axes.add_patch(FancyArrowPatch(start, end, color=colour, zorder=2, **style, **more))

    @staticmethod
    def _nearest(a, b, inside=0.25):
        """Where a slanting arrow starts and ends, between rooms of which none is over the other."""
        if ROOMS[a].left > ROOMS[b].right:
            return ROOMS[a].left + inside, ROOMS[b].right - inside
        return ROOMS[a].right - inside, ROOMS[b].left + inside

    @staticmethod
    def _side(a, b):
        """The side on which the line of room b is joined by room a."""
        sides = [side for side in ("left", "right") if (b, side) in LINES]
        if not sides:
            raise ValueError(f"no arrow can lead from {a!r} to {b!r}: give {b!r} a line in LINES")
        middle = ROOMS[SMALL].left + ROOMS[SMALL].right
        return sides[0] if len(sides) == 1 or ROOMS[a].left + ROOMS[a].right <= middle else sides[1]

    def _leave(self, a, side, places):
        """A room's grey line to the furthest of these places; returns its height."""
        room, sign = ROOMS[a], 1 if side == "left" else -1
        beside = [r for r in ROOMS.values() if r.floor == room.floor and sign * (r.left - room.left) < 0]
        start, end = (room.left, min(places)) if side == "left" else (room.right, max(places))
        y = (self.top(a) + self.floor(a)) / 2 - 0.08
        xs, ys = [start, end], [y, y]
        if beside:  # around the rooms between
            y = self.floor(a) - CHANNEL * len(beside)
            start += sign * 0.08
            xs, ys = [start, start, end], [self.floor(a), y, y]
        self.axes.plot(xs, ys, color=GREY, linewidth=1, zorder=1, solid_joinstyle="round")
        return y

    def _line(self, b, side, highest):
        """The coloured line that leads to room b from the highest room that imports it."""
        x, colour = LINES[b, side]
        end = ROOMS[b].left if side == "left" else ROOMS[b].right
        y = (self.top(b) + self.floor(b)) / 2 + (0.08 if b != SMALL else 0)
        self.axes.plot([x, x], [highest, y], color=colour, linewidth=1.2, zorder=2, solid_capstyle="round")
        self._draw((x, y), (end, y), colour)

    # -------------------------------------------------------------------------------------------- key

    def _key(self):
        y = 0.2
        self._draw((0.9, y), (1.3, y), "black")
        write(self.axes, (1.38, y), "imports", ha="left", fontsize=8)
        self.axes.plot([2.2, 2.5], [y, y], color=GREY, linewidth=1)
        self.axes.plot(2.5, y, "o", markersize=4.5, color=RED)
        self._draw((2.5, y), (2.9, y), RED)
        write(self.axes, (2.98, y), "imports the room to which the coloured line leads", ha="left", fontsize=8)


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", default="docs/images/architecture.png", help="the picture, .png, .pdf or .svg")
    options = parser.parse_args(arguments)
    check_picture("--output", options.output)
    save_figure(House(imports(Path(rtrbm.__file__).parent)).figure, options.output)


if __name__ == "__main__":
    run(main)
