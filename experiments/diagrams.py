"""The recurrence unrolled in time: the weights that lead forward, and the terms of the gradient that come back."""

from rtrbm.plots import COLOURS, WIDTH

FRAMES = "t-2", "t-1", "t", "t+1"  # the first is not drawn
PERIOD = 2.16  # inches from one frame to the next
STATE = 0.86  # from b_t to r_t, side by side
INPUT, LOSS = -0.78, 0.8  # below and above them
RADIUS = 0.165  # of a node
LEFT, BOTTOM, HEIGHT = -0.66, -0.95, 2.22  # of a panel
APART = 0.05  # from an arrow to the line that joins its ends
FORWARD, BACK = 0, 1  # places in `rtrbm.plots.COLOURS`


def unrolled():
    """Three frames of the sigmoid RNN with an output layer and, below, of the RTRBM.

    Arrows forward carry weights, arrows back the terms of eq. 3.23.

    Returns
    -------
    matplotlib.figure.Figure
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH, 2 * HEIGHT), dpi=200)
    right, top = LEFT + WIDTH - 0.1, BOTTOM + HEIGHT - 0.12
    for bottom, title, attach in (
        (0.5, "Output layer: the loss of frame $t$ reaches $r_t$", _output_layer),
        (0, "RTRBM: the loss of frame $t$ reaches $b_t$, and through it $r_{t-1}$", _rbm),
    ):
        axes = figure.add_axes((0, bottom, 1, 0.5))
        axes.set(xlim=(LEFT, LEFT + WIDTH), ylim=(BOTTOM, BOTTOM + HEIGHT))
        axes.set_axis_off()
        _text(axes, (LEFT + 0.1, top), title, size=9, ha="left")
        _text(axes, (right - 0.4, top), "forward", FORWARD, size=9, ha="right")
        _text(axes, (right, top), "back", BACK, size=9, ha="right")
        for i in range(len(FRAMES) - 1):
            _recurrence(axes, i)
            attach(axes, i)
    return figure


def _recurrence(axes, i):
    """The part that both have: b_t = b_h + r_{t-1} U, r_t = sigmoid(v_t W + b_t)."""
    frame, bias, state = FRAMES[i + 1], (i * PERIOD, 0), (i * PERIOD + STATE, 0)
    below, before, after = (state[0], INPUT), (bias[0] - 0.64, 0), (state[0] + 0.64, 0)
    _node(axes, bias, f"$b_{{{frame}}}$", "white")
    _node(axes, state, f"$r_{{{frame}}}$", "0.9")
    _text(axes, below, f"$v_{{{frame}}}$", size=9)
    _arrow(axes, below, state, FORWARD, "$W$", (0.14, 0), apart=0)
    _arrow(axes, bias, state, FORWARD)
    _arrow(axes, state, bias, BACK, f"$d_{{{frame}}}$", (0, -0.16))
    if i > 0:
        _arrow(axes, _state(i - 1), bias, FORWARD, "$U$", (0, 0.14))
    else:
        _arrow(axes, before, bias, FORWARD)
        _arrow(axes, bias, before, BACK)
    if i == len(FRAMES) - 2:
        _arrow(axes, state, after, FORWARD)
        _arrow(axes, after, state, BACK)


def _output_layer(axes, i):
    """The loss hangs on r_t; from later frames comes d_{t+1} alone."""
    frame, state = FRAMES[i + 1], _state(i)
    loss = state[0], LOSS
    _text(axes, loss, rf"$\log P(y_{{{frame}}})$", boxed=True)
    _arrow(axes, state, loss, FORWARD, "$V$", (0.14, 0), apart=-APART)
    _arrow(axes, loss, state, BACK, rf"$(y_{{{frame}}}-p_{{{frame}}})\,V^\top$", (-0.1, 0), -APART, "right")
    if i > 0:
        _arrow(axes, (i * PERIOD, 0), _state(i - 1), BACK, rf"$d_{{{frame}}}\,U^\top$", (0, -0.16))


def _rbm(axes, i):
    """The loss hangs on b_t; from later frames come d_{t+1} and c_{t+1} together."""
    frame, bias = FRAMES[i + 1], (i * PERIOD, 0)
    loss, c = (bias[0], LOSS), rf"$c_{{{frame}}}=r_{{{frame}}}-\langle h_{{{frame}}}\rangle$"
    _text(axes, loss, rf"$\log Q(v_{{{frame}}}|r_{{{FRAMES[i]}}})$", boxed=True)
    _arrow(axes, bias, loss, FORWARD)
    _arrow(axes, loss, bias, BACK, c, (0.1, 0), ha="left")
    if i > 0:
        _arrow(axes, bias, _state(i - 1), BACK, rf"$(d_{{{frame}}}+c_{{{frame}}})\,U^\top$", (0, -0.16))


def _state(i):
    return i * PERIOD + STATE, 0


def _node(axes, centre, text, shade):
    from matplotlib.patches import Circle

    axes.add_patch(Circle(centre, RADIUS, facecolor=shade, edgecolor="black", linewidth=0.8))
    _text(axes, centre, text)


def _arrow(axes, start, end, way, label="", beside=(0, 0), apart=APART, ha="center"):
    """An arrow between nodes, to the left of the line that joins them, and its label so far from the middle."""
    x, y = end[0] - start[0], end[1] - start[1]
    length = (x**2 + y**2) ** 0.5
    x, y = x / length, y / length
    clear = RADIUS + 0.02
    tail = start[0] + clear * x - apart * y, start[1] + clear * y + apart * x
    tip = end[0] - clear * x - apart * y, end[1] - clear * y + apart * x
    style = {"arrowstyle": "-|>,head_width=0.16,head_length=0.32", "color": _colour(way), "linewidth": 1.2}
    axes.annotate("", tip, tail, arrowprops={**style, "shrinkA": 0, "shrinkB": 0})
    _text(axes, ((start[0] + end[0]) / 2 + beside[0], (start[1] + end[1]) / 2 + beside[1]), label, way, ha=ha)


def _text(axes, where, text, way=None, size=8, ha="center", boxed=False):
    box = {"boxstyle": "round,pad=0.35", "facecolor": "white", "linewidth": 0.8} if boxed else None
    axes.text(*where, text, color=_colour(way), fontsize=size, ha=ha, va="center", bbox=box)


def _colour(way):
    return "black" if way is None else COLOURS[way]
