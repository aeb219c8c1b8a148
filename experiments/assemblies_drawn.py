"""The figure of `experiments.neural_assemblies`."""

import numpy as np

from experiments.assemblies_measured import MOMENTS, correlation, oriented
from rtrbm.plots.paper import COLOURS, colour_bar, colour_limit, draw_image, label_axes, panels

N_SHOWN = 150  # held-out bins of hidden states, where no truth is known


def draw(recording, models, matrices, data, samples):
    """Weights or connections in the upper row, moments of samples beside those of held-out data in the lower one.

    Parameters
    ----------
    recording : Recording
    models : dict
    matrices : dict of (n_assemblies, n_assemblies) ndarrays
        Connections in the order of the true assemblies; needed if there is a truth.
    data, samples : dict of ndarrays, and dict of them
        `moments`, the latter for each model.

    Returns
    -------
    rtrbm.plots.notebook.Figure
    """
    figure, axes = panels(None, (2, 3), 5.0)
    if recording.truth is not None:
        order = along_the_ring(recording.truth.U)
        for axis, (name, U) in zip(axes[:3], {"truth": recording.truth.U, **matrices}.items()):
            agreement = "" if name == "truth" else f"\ncorrelation {correlation(U, recording.truth.U):.2f}"
            title = name.replace(", ", ",\n") + agreement
            _matrix(axis, U[np.ix_(order, order)].T, title, ("from assembly at $t-1$", "to assembly at $t$"))
    else:
        W, U, states = oriented(models["RTRBM"], recording.test)
        neurons = np.lexsort((-np.abs(W).max(axis=1), np.abs(W).argmax(axis=1)))
        _matrix(axes[0], W[neurons], "weights $W$", ("unit", "neurons, by strongest unit"))
        _matrix(axes[1], U.T, "connections $U$", ("from unit at $t-1$", "to unit at $t$"))
        axes[2].imshow(states[:N_SHOWN].T, aspect="auto", cmap="Greys", vmin=0, vmax=1, interpolation="nearest")
        _label(axes[2], "held-out bin", "unit", "states $r_t$")
    for axis, name in zip(axes[3:], MOMENTS):
        _moments(axis, name, data[name], {model: these[name] for model, these in samples.items()})
    return figure


def along_the_ring(U):
    """The assemblies in an order in which each is followed by the one that it drives most, of those left."""
    order, left = [0], set(range(1, len(U)))
    while left:
        order.append(max(left, key=lambda j: U[order[-1], j]))
        left.remove(order[-1])
    return order


def _label(axis, x, y, title):
    label_axes(axis, x, y)
    axis.set_title(title, fontsize=9)


def _matrix(axis, matrix, title, names):
    """A matrix in colours about 0, its scale beneath."""
    drawn = draw_image(axis, matrix, colour_limit(matrix, 100))
    axis.set_aspect("auto")
    axis.set_title(title, fontsize=9)
    axis.set_xlabel(names[0], fontsize=9)
    axis.set_ylabel(names[1], fontsize=9)
    colour_bar(drawn, matrix, "", ax=axis, pad=0.02, aspect=20)


def _moments(axis, name, data, samples):
    """Every moment of samples over that of the data, and the line where they agree."""
    values = np.concatenate([data, *samples.values()])
    scale = 1 if name == "means" else 1000
    limits = scale * min(0, values.min()), scale * max(0, values.max()) * 1.25  # room for the legend
    axis.plot(limits, limits, color="0.6", linewidth=0.8, zorder=0)
    for colour, marker, (model, these) in zip(COLOURS[1::-1], "^o", reversed(samples.items())):
        label = f"{model}: {correlation(data, these):.2f}"
        how = {"markersize": 2.2, "alpha": 0.4, "markeredgewidth": 0, "rasterized": True}
        axis.plot(scale * data, scale * these, marker, color=colour, label=label, **how)
    axis.locator_params(nbins=4)
    axis.set(xlim=limits, ylim=limits)
    unit = "" if scale == 1 else " x 1000"
    _label(axis, f"held-out data{unit}", f"samples{unit}", name)
    axis.legend(frameon=False, fontsize=8, loc="upper left", markerscale=2.5, handletextpad=0.1, borderaxespad=0.1)
