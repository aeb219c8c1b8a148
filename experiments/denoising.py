"""Temporal RBMs of one and of two layers denoise videos of two bouncing balls (chapter 3.3, 3.4).

The models are trained on clean videos alone, 20x20 pixels. Then they filter noisy videos and reconstruct them from the
filtered hidden states. The noise is Gaussian, correlated in space and time (`rtrbm.datasets.correlated_noise`), and its
sum with the video is clipped to [0, 1]. The models are compared with Gaussian smoothing and Wiener filters, which are
fitted to pairs of clean and noisy videos. The script writes settings.json, the models (HDF5), errors.csv and
denoising.png to a folder.

    python -m experiments.denoising                     small layers, under 3 minutes
    python -m experiments.denoising --profile paper     300 and 400 hidden units
"""

import contextlib
import time

import numpy as np

from experiments.reports import report
from experiments.runner import (
    TEST_SEED_OFFSET,
    begin,
    check_command_line,
    check_different,
    command_line,
    mean_and_error,
    output_folder,
    print_table,
    run,
    save_figure,
    script,
    starting,
    stopped,
    write_settings,
    write_table,
)
from experiments.smoothers import Smoother, Wiener
from rtrbm import RTRBM, TRBM, Stack, plots
from rtrbm.checks import about
from rtrbm.compute.threads import one_blas_thread
from rtrbm.datasets import BouncingBalls, bouncing_balls, correlated_noise
from rtrbm.streams import stream

VIDEOS = {"resolution": 20, "n_balls": 2}
NOISE = {"deviation": 0.4, "space": 0.25, "time": 0.5}
SAID = {
    "deviation": "standard deviation",
    "space": "correlation of neighbouring pixels",
    "time": "correlation of successive frames",
}
N_FRAMES, N_TEST = 128, 100
FIT_SEED_OFFSET = 2_000_003  # of the videos the linear denoisers are fitted to

TAPS = {"n_taps": 4, "vv_rate": 0.01}
MODELS = {
    "TRBM": (TRBM, TAPS),
    "TRBM-VV": (TRBM, {**TAPS, "without": "VV"}),
    "TRBM-HH": (TRBM, {**TAPS, "without": "HH"}),
    "TRBM-VH": (TRBM, {**TAPS, "without": "VH"}),
    "RTRBM": (RTRBM, {}),
}
PROFILES = {
    "quick": {
        "models": ("TRBM", "TRBM-VV", "TRBM-HH", "TRBM-VH"),
        "n_frames": 64,
        "batch_size": 8,
        "n_fit": 300,
        "layers": [
            {
                "n_hidden": 150,
                "n_gibbs": {0: 1, 400: 3},
                "sample_visible": False,
                "learning_rate": 8e-3,
                "n_updates": 800,
            },
            {"n_hidden": 250, "n_gibbs": 1, "learning_rate": 1e-2, "n_updates": 700},
        ],
    },
    "paper": {
        "models": tuple(MODELS),
        "n_frames": 128,
        "batch_size": 4,
        "n_fit": 1000,
        "layers": [
            {
                "n_hidden": 300,
                "n_gibbs": {0: 1, 1000: 3},
                "sample_visible": False,
                "learning_rate": 5e-3,
                "n_updates": 2000,
            },
            {"n_hidden": 400, "n_gibbs": 1, "learning_rate": 7e-3, "n_updates": 1500},
        ],
    },
}
LAYERS = {None: "", 1: ", one layer", 2: ", two layers"}
COLUMNS = (
    "denoiser",
    "layers",
    "squared_error_per_frame",
    "standard_error",
    "noisy_over_this",
    "one_layer_minus_two",
    "its_standard_error",
)


def videos(n_videos, noise, seed):
    """Clean videos and noisy ones."""
    clean = bouncing_balls(n_videos, N_FRAMES, **VIDEOS, random_state=seed)
    added = correlated_noise(n_videos, N_FRAMES, resolution=VIDEOS["resolution"], **noise, random_state=seed)
    return clean, np.clip(clean + added, 0, 1)


class Drawn:
    """A stream of binary units, drawn from the pixels of another stream, or from the states that a layer filters.

    Drawn units are the data that the model's equations speak of. They also keep its taps from living on small
    differences between successive frames, which noise would drown.
    """

    def __init__(self, source, seed, depth, layer=None):
        self._source, self._seed, self._depth, self._layer = source, seed, depth, layer

    def minibatch(self, update):
        p = self._source.minibatch(update)
        if self._layer is not None:
            p = self._layer.transform(p)
        uniform = stream(self._seed, "noise", update, self._depth).random(p.shape, p.dtype)
        return (uniform < p).astype(p.dtype)


def new_layers(name, options, profile):
    """The layers to be trained, by the names of their files."""
    kind, settings = MODELS[name]
    own = {**settings, "n_jobs": options.n_jobs, "engine": options.engine, "random_state": options.seed, "verbose": 1}
    return {f"{name}-{depth}": kind(**layer, **own) for depth, layer in enumerate(profile["layers"], 1)}


def train(name, layers, options, profile, folder):
    """Train layers on clean videos; their files are the checkpoints that --resume continues from."""
    balls = BouncingBalls(profile["batch_size"], profile["n_frames"], **VIDEOS, random_state=options.seed)
    data = Drawn(balls, options.seed, 0)
    for depth, (file, layer) in enumerate(layers.items(), 1):
        path = folder / f"{file}.h5"
        starting(f"the {name}, layer {depth}", path, options.resume)
        layer.fit(data, checkpoint=path, resume=options.resume)
        data = Drawn(data, options.seed, depth, layer)
    return Stack(list(layers.values()))


@one_blas_thread()  # rounding does not depend on the number of threads
def linear_estimates(noisy, pairs):
    """Estimates from noisy videos by the linear denoisers, which are fitted to pairs of clean and noisy videos."""
    denoisers = {
        "Gaussian smoothing": Smoother(*(these[:10] for these in pairs)),  # has four numbers to fit
        "Wiener, 2 frames back": Wiener(*pairs, 2),
        "Wiener, 2 back, 2 ahead": Wiener(*pairs, 2, 2),
    }
    return {(name, None): denoiser.denoise(noisy) for name, denoiser in denoisers.items()}


def error_rows(clean, estimates):
    """Squared error per frame of every estimate and of the noisy videos, and the gain from a second layer.

    `estimates` has the keys (name, number of layers). All frames count, the first too. Standard errors are over videos.
    The gain from a second layer is the difference on the same videos.
    """

    def per_video(estimate):
        return np.square(np.subtract(clean, estimate, dtype=float)).sum(axis=2).mean(axis=1)

    errors = {key: per_video(estimate) for key, estimate in estimates.items()}
    noisy = errors["noisy", None].mean()
    rows = []
    for (name, n_layers), values in errors.items():
        gain = mean_and_error(errors[name, 1] - values) if n_layers == 2 else (None, None)
        rows.append((name, n_layers, *mean_and_error(values), float(noisy / values.mean()), *gain))
    return rows


def draw(clean, estimates, folder):
    """The first video: clean, noisy and every estimate."""
    rows = {"clean": clean[0]}
    for (name, n_layers), estimate in estimates.items():
        rows[name + LAYERS[n_layers]] = estimate[0]
    save_figure(plots.film_strip(rows, start=N_FRAMES // 2), folder / "denoising.png")


def parser():
    """The command line."""
    parser = command_line(__doc__, "denoising", PROFILES)
    parser.add_argument(
        "--models", nargs="+", choices=MODELS, metavar="MODEL",
        help=f"some of {', '.join(MODELS)} (default: all; quick: all but the last)",
    )  # fmt: skip
    for name, value in NOISE.items():
        said = f"{SAID[name]} of the noise (default: {value})"
        parser.add_argument(f"--{name}", type=float, default=value, help=said)
    return parser


@script
def main(arguments=None):
    started = time.perf_counter()
    options = parser().parse_args(arguments)
    worked = check_command_line(options)
    profile = PROFILES[options.profile]
    names = options.models or profile["models"]
    check_different("--models", names)
    noise = {name: getattr(options, name) for name in NOISE}
    test_seed, fit_seed = options.seed + TEST_SEED_OFFSET, options.seed + FIT_SEED_OFFSET
    with contextlib.ExitStack() as options_of_noise:
        for name in NOISE:
            options_of_noise.enter_context(about(f"--{name}", name))
        clean, noisy = videos(N_TEST, noise, test_seed)
    folder = output_folder(options.out, default=f"results/denoising-{options.profile}")
    settings = {**vars(options), **profile, "models": {name: MODELS[name][1] for name in names}, **VIDEOS}
    settings["engine"] = worked
    protocol = {"test_seed": test_seed, "fit_seed": fit_seed, "n_test": N_TEST, "scored_frames": f"1..{N_FRAMES}"}
    layers = {name: new_layers(name, options, profile) for name in names}
    begin(folder, {file: layer for own in layers.values() for file, layer in own.items()}, options.resume)
    write_settings(folder / "settings.json", {**settings, **protocol}, ended=False)
    try:
        stacks = {name: train(name, layers[name], options, profile, folder) for name in names}
    except KeyboardInterrupt:
        return stopped(folder)
    estimates = {("noisy", None): noisy}
    estimates |= linear_estimates(noisy, videos(profile["n_fit"], noise, fit_seed))
    for name, stack in stacks.items():
        estimates[name, 1] = stack.layers[0].denoise(noisy)
        estimates[name, 2] = stack.denoise(noisy)
    rows = error_rows(clean, estimates)
    write_table(folder / "errors.csv", COLUMNS, rows)
    print_table(COLUMNS, rows, f"{N_TEST} fresh videos, frames 1..{N_FRAMES}, seed {options.seed}")
    draw(clean, estimates, folder)
    for name, stack in stacks.items():
        report(folder, stack, clean, name="" if name == names[0] else name, title=f"{name}, two layers")
    write_settings(folder / "settings.json", {**settings, **protocol})
    print(f"\n{time.perf_counter() - started:.0f} s; models, table and picture are in {folder}")
    return 0


if __name__ == "__main__":
    run(main)
