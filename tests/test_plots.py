"""Figures: they show the numbers they were given, lose no text at the edge, refuse bad input by name."""

import io
import subprocess
import sys
import threading
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from rtrbm import RBM, RTRBM, SRTRBM, TRBM, Stack, plots
from rtrbm.plots.curves import AXES
from rtrbm.training.state import HEALTH

pytest.importorskip("matplotlib")
Image = pytest.importorskip("PIL.Image")


def blobs(n_frames, height, width, n_balls=3, seed=0):
    """Gaussian balls that drift across the image and come back on the other side."""
    rng = np.random.default_rng(seed)
    t, y, x = np.ogrid[:n_frames, :height, :width]
    video = np.zeros((n_frames, height, width))
    for at, step in zip(rng.uniform(0, 1, (n_balls, 2)), rng.uniform(0.03, 0.08, (n_balls, 2))):
        row, column = (at[0] + t * step[0]) % 1 * height, (at[1] + t * step[1]) % 1 * width
        video += np.exp(-((y - row) ** 2 + (x - column) ** 2) / (0.01 * height * width))
    return video.clip(0, 1).reshape(n_frames, -1)


def weights(height, width, n_hidden):
    """Localised receptive fields, each unit connected most with those whose field is near its own."""
    rng = np.random.default_rng(1)
    y, x = np.indices((height, width)).reshape(2, -1, 1)
    row, column = rng.uniform(0, height, n_hidden), rng.uniform(0, width, n_hidden)
    W = 3 * np.exp(-((y - row) ** 2 + (x - column) ** 2) / 4) + 0.1 * rng.standard_normal((y.size, n_hidden))
    distance = (row[:, None] - row) ** 2 + (column[:, None] - column) ** 2
    return W, np.exp(-distance / 4) + 0.1 * rng.standard_normal((n_hidden, n_hidden))


def history(n_records=1000, seed=0):
    """A noisy curve that falls a hundredfold, a straight learning rate, two changes of k."""
    rng = np.random.default_rng(seed)
    update = np.arange(n_records)
    fall = 1 + 100 * np.exp(-10 * update / n_records)
    return {
        "update": update,
        "reconstruction_error": fall * rng.lognormal(0, 0.1, n_records),
        "gradient_norm": rng.lognormal(0, 0.1, n_records),
        "learning_rate": 0.01 * (1 - update / n_records),
        "n_gibbs": np.select([update < 100, update < 500], [1, 10], 25),
    }


def shown(axes):
    """The array an axes shows, NaN where it lets the background through."""
    (image,) = axes.images
    return np.ma.filled(image.get_array().astype(float), np.nan)


def tiles(mosaic, height, width):
    """The images of a mosaic in reading order, after checking that they are parted by nothing but NaN."""
    gap = max(1, width // 15)
    n_rows, n_columns = (mosaic.shape[0] + gap) // (height + gap), (mosaic.shape[1] + gap) // (width + gap)
    corners = [(i * (height + gap), j * (width + gap)) for i in range(n_rows) for j in range(n_columns)]
    images = np.array([mosaic[i : i + height, j : j + width] for i, j in corners])
    assert np.isfinite(mosaic).sum() == np.isfinite(images).sum()
    return images.reshape(len(images), -1)


def saved(figure, path):
    """The figure as an RGB array read back from a PNG; no ink on the border, so nothing is cut off."""
    figure.savefig(path)
    with Image.open(path) as image:
        pixels = np.asarray(image.convert("RGB"))
    assert pixels.shape[1] == 1300  # 6.5 inches at 200 dots
    assert all((edge == 255).all() for edge in (pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]))
    assert (pixels < 128).any()
    return pixels


def texts(figure):
    """Every string of the figure."""
    from matplotlib.text import Text

    return [text.get_text() for text in figure.findobj(Text)]


@pytest.mark.parametrize("shape, n_hidden", [((30, 30), 400), ((15, 15), 200)])
def test_receptive_fields_show_columns_of_W_beside_U_transposed(tmp_path, shape, n_hidden):
    W, U = weights(*shape, n_hidden)
    figure = plots.receptive_fields(W, U)
    fields, matrix = figure.axes[:2]
    np.testing.assert_array_equal(tiles(shown(fields), *shape), W[:, :36].T)
    np.testing.assert_array_equal(shown(matrix), U[:36, :36].T)
    assert matrix.get_xlabel() == "from unit at $t-1$" and matrix.get_ylabel() == "to unit at $t$"
    assert [label.get_text() for label in matrix.get_yticklabels()] == ["0", "6", "12", "18", "24", "30"]
    saved(figure, tmp_path / "fields.png")


def test_receptive_fields_of_chosen_units_of_an_oblong_image(tmp_path):
    W, U = weights(6, 9, 20)
    units = [7, 3, 19, 0, 11]
    figure = plots.receptive_fields(W, U, units, image_shape=(6, 9))
    fields, matrix = figure.axes[:2]
    images = tiles(shown(fields), 6, 9)
    np.testing.assert_array_equal(images[:5], W[:, units].T)
    assert len(images) == 6 and np.isnan(images[5]).all()
    for to, unit in enumerate(units):
        np.testing.assert_array_equal(shown(matrix)[to], U[units, unit])
    saved(figure, tmp_path / "fields.png")


def test_arranged_receptive_fields_map_the_image():
    # one bright pixel for each unit: arranged, unit after unit, they are the image in reading order
    order = np.random.default_rng(2).permutation(25)
    W, U = np.eye(25)[:, order], np.arange(625.0).reshape(25, 25)
    figure = plots.receptive_fields(W, U, 25, arrange=True)
    fields, matrix = figure.axes[:2]
    np.testing.assert_array_equal(tiles(shown(fields), 5, 5), np.eye(25))
    where = np.argsort(order)
    np.testing.assert_array_equal(shown(matrix), U[np.ix_(where, where)].T)


def test_a_few_huge_weights_neither_wash_out_the_rest_nor_go_unsaid():
    W, U = weights(15, 15, 36)
    U[18, 19] = 1000
    figure = plots.receptive_fields(W, U)
    (image,) = figure.axes[1].images
    assert image.norm.vmin == -image.norm.vmax and image.norm.vmax < 2
    assert any("largest 1e+03" in text for text in texts(figure))
    (image,) = plots.receptive_fields(W, np.zeros((36, 36))).axes[1].images
    assert image.norm.vmax == 1


def test_film_strip_shows_the_frames_asked_for(tmp_path):
    rows = {"data": blobs(40, 15, 15), "sampled": blobs(40, 15, 15, seed=1)}
    figure = plots.film_strip(rows, start=10)
    for axes, (title, frames) in zip(figure.axes, rows.items()):
        np.testing.assert_array_equal(tiles(shown(axes), 15, 15), frames[10:22])
        assert axes.get_title(loc="left") == title
        assert axes.images[0].get_clim() == (0, 1) and axes.images[0].get_cmap().name == "gray"
    numbers = [label.get_text() for label in figure.axes[-1].get_xticklabels()]
    assert numbers == [str(t) for t in range(10, 22)]
    saved(figure, tmp_path / "strip.png")


def test_film_strip_ends_where_the_video_ends(tmp_path):
    frames = blobs(40, 6, 8)
    figure = plots.film_strip({"data": frames}, image_shape=(6, 8), start=37)
    np.testing.assert_array_equal(tiles(shown(figure.axes[0]), 6, 8), frames[37:])
    saved(figure, tmp_path / "strip.png")


def test_predictions_stand_beneath_their_frames_with_signed_errors(tmp_path):
    data = blobs(30, 30, 30)
    mean, copy = 0.8 * data, np.roll(data, 1, axis=0)
    figure = plots.predictions(data, {"model": mean, "copy": copy}, start=5)
    wanted = [data, mean, mean - data, copy, copy - data]
    for axes, images in zip(figure.axes, wanted):
        np.testing.assert_array_equal(tiles(shown(axes), 30, 30), images[5:17])
    limits = [figure.axes[row].images[0].get_clim() for row in (2, 4)]
    assert limits[0] == limits[1] and limits[0][0] == -limits[0][1]
    assert np.abs(wanted[4][5:17]).max() >= limits[0][1] > 0.1  # set by the worse of the two
    saved(figure, tmp_path / "predictions.png")
    assert len(plots.predictions(data, data, errors=False).axes) == 2


def test_animation_shows_every_frame_of_every_video(tmp_path):
    rows = {"data": blobs(12, 15, 15), "a title wider than its video": blobs(12, 15, 15, seed=1)}
    path = tmp_path / "balls.gif"
    plots.animate(rows, path, frames_per_second=25, scale=4)
    assert list(tmp_path.iterdir()) == [path]
    with Image.open(path) as gif:
        assert (gif.n_frames, gif.info["loop"], gif.info["duration"]) == (12, 0, 40)
        pages = []
        for t in range(gif.n_frames):
            gif.seek(t)
            pages.append(np.asarray(gif.convert("L")))
    top = 26
    for panel, frames in enumerate(rows.values()):
        left = 10 if panel == 0 else 10 + 60 + 10 + (pages[0].shape[1] - 90 - 60) // 2
        for page, frame in zip(pages, frames):
            image = page[top : top + 60, left : left + 60].reshape(15, 4, 15, 4)
            wanted = np.broadcast_to(np.rint(frame * 255).reshape(15, 1, 15, 1), image.shape)
            np.testing.assert_array_equal(image, wanted)
    assert (pages[0][:top] < 128).any()  # the titles


def test_animated_frames_are_about_200_pixels_large(tmp_path):
    plots.animate({"data": blobs(2, 30, 30)}, tmp_path / "balls.gif")
    with Image.open(tmp_path / "balls.gif") as gif:
        assert gif.size == (10 + 210 + 10, 26 + 210 + 10)


def test_failed_animation_leaves_the_old_file_and_no_other(tmp_path, monkeypatch):
    path = tmp_path / "balls.gif"
    path.write_text("old")

    def fail(self, target, **_):
        Path(target).write_text("half")
        raise OSError("disk full")

    monkeypatch.setattr(Image.Image, "save", fail)
    with pytest.raises(OSError, match="disk full"):
        plots.animate({"data": blobs(3, 5, 5)}, path)
    assert list(tmp_path.iterdir()) == [path] and path.read_text() == "old"


def test_learning_curves_show_raw_values_and_their_running_median(tmp_path):
    histories = {"RTRBM": history(), "TRBM": history(200, seed=1)}
    figure = plots.learning_curves(histories)
    error, gradient, rate = figure.axes
    assert (error.get_yscale(), gradient.get_yscale(), rate.get_yscale()) == ("log", "linear", "linear")
    raw, median, short = error.lines[:3]
    values = histories["RTRBM"]["reconstruction_error"]
    np.testing.assert_array_equal(raw.get_ydata(), values)
    np.testing.assert_array_equal(short.get_ydata(), histories["TRBM"]["reconstruction_error"])
    assert raw.get_alpha() < 1 and raw.get_color() == median.get_color() != short.get_color()
    update, smooth = median.get_data()
    for i in (100, 200, 299):
        assert smooth[i] == np.median(values[update[i] - 10 : update[i] + 11])
    np.testing.assert_array_equal(rate.lines[0].get_ydata(), histories["RTRBM"]["learning_rate"])
    assert rate.get_ylim()[0] == 0 and rate.get_xlabel() == "update"
    saved(figure, tmp_path / "curves.png")


def test_learning_curves_mark_where_k_changes(tmp_path):
    figure = plots.learning_curves({"RTRBM": history()}, {"gradient_norm": "|gradient|", "n_gibbs": "k"})
    for axes in figure.axes:
        assert [line.get_xdata()[0] for line in axes.lines if len(line.get_xdata()) == 2] == [100, 500]
    assert [(text.get_position()[0], text.get_text()) for text in figure.axes[0].texts] == [
        (0, "k = 1"),
        (100, "k = 10"),
        (500, "k = 25"),
    ]
    assert figure.axes[0].get_ylabel() == "|gradient|"
    saved(figure, tmp_path / "curves.png")


def test_marks_of_k_do_not_overlap():
    records = history()
    records["n_gibbs"] = 1 + records["update"] // 10
    figure = plots.learning_curves({"RTRBM": records, "TRBM": {**history(), "n_gibbs": np.full(1000, 1)}})
    figure.draw_without_rendering()
    boxes = [text.get_window_extent() for text in figure.axes[0].texts]
    assert len(boxes) > 10
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])
    assert {text.get_color() for text in figure.axes[0].texts} == {"0.5", plots.COLOURS[0]}


def test_hidden_unit_norms_find_the_second_layer(tmp_path):
    W, U = weights(15, 15, 50)
    W[:, [18, 31]] *= 0.01
    U[:, 31] *= 2
    figure = plots.hidden_unit_norms(W, U)
    everyone, marked = figure.axes[0].collections
    norms = np.column_stack([np.sqrt((W**2).sum(axis=0)), np.sqrt((U**2).sum(axis=0))])
    np.testing.assert_allclose(everyone.get_offsets(), norms)
    np.testing.assert_allclose(marked.get_offsets(), norms[[31, 18]])
    assert figure.axes[0].get_title(loc="left").endswith(": 31, 18")
    saved(figure, tmp_path / "norms.png")
    assert len(plots.hidden_unit_norms(W, U, highlight=0).axes[0].collections) == 1


def test_figures_need_neither_pyplot_nor_the_main_thread(tmp_path):
    code = (
        "import sys, numpy as np; from rtrbm import plots; assert 'matplotlib' not in sys.modules;"
        "plots.film_strip({'data': np.zeros((3, 4))}).savefig(sys.argv[1]);"
        "assert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code, tmp_path / "strip.png"], check=True)
    rows = {"data": blobs(5, 15, 15)}
    thread = threading.Thread(target=lambda: plots.film_strip(rows).savefig(tmp_path / "thread.png"))
    thread.start()
    thread.join()
    pixels = saved(plots.film_strip(rows), tmp_path / "main.png")
    with Image.open(tmp_path / "thread.png") as image:
        np.testing.assert_array_equal(np.asarray(image.convert("RGB")), pixels)


@pytest.fixture(scope="module")
def trained():
    """A model after three updates."""
    X = blobs(20, 4, 4).reshape(2, 10, 16)
    return RTRBM(5, n_gibbs=1, n_updates=3, random_state=0).fit(X)


def test_models_are_taken_for_their_weights_and_histories(trained):
    fields, matrix = plots.receptive_fields(trained).axes[:2]
    np.testing.assert_array_equal(tiles(shown(fields), 4, 4)[:5], trained.params_.W.T)
    np.testing.assert_array_equal(shown(matrix), trained.params_.U.T)
    np.testing.assert_array_equal(shown(plots.receptive_fields(trained.params_).axes[1]), trained.params_.U.T)
    norms = plots.hidden_unit_norms(trained).axes[0].collections[0].get_offsets()
    np.testing.assert_allclose(norms[:, 1], np.linalg.norm(trained.params_.U, axis=0))
    for given in (trained, trained.history_, {"one": trained}, {"one": trained.history_}):
        figure = plots.learning_curves(given)
        line = figure.axes[0].lines[0]
        np.testing.assert_array_equal(line.get_xdata(), [1, 2, 3])
        np.testing.assert_array_equal(line.get_ydata(), trained.history_["reconstruction_error"])
        assert len(figure.legends) == ("one" in given if isinstance(given, dict) else 0)


def test_every_kind_of_model_has_its_weights_drawn(trained):
    X = blobs(20, 4, 4).reshape(2, 10, 16)
    settings = {"n_gibbs": 1, "n_updates": 2, "random_state": 0}
    gated = SRTRBM(5, **settings).fit(X)
    np.testing.assert_array_equal(shown(plots.receptive_fields(gated).axes[1]), gated.effective_.U.T)
    assert np.abs(gated.effective_.U - gated.params_.U).max() > 1e-4  # control
    taps = TRBM(5, n_taps=2, **settings).fit(X)
    np.testing.assert_array_equal(shown(plots.receptive_fields(taps).axes[1]), taps.params_.B[0].T)
    static = RBM(5, **settings).fit(X.reshape(20, 16))
    assert len(plots.receptive_fields(static).axes) == 2  # the fields and their colour bar
    stack = Stack([taps, RTRBM(3, **settings)]).fit(X)
    assert plots.learning_curves(stack).legends[0].get_texts()[1].get_text() == "layer 1"


def test_a_log_has_gaps_where_nothing_was_measured():
    records = {"update": [0, 1, 2], "gradient_norm": [np.nan, 3.0, 2.0], "validation_error": [1.0, np.nan, 0.5]}
    lines = {axis.get_ylabel(): axis.lines[0] for axis in plots.learning_curves(records).axes}
    gradient, error = (next(line for name, line in lines.items() if word in name) for word in ("gradient", "valid"))
    np.testing.assert_array_equal(gradient.get_xydata(), [[1, 3], [2, 2]])
    np.testing.assert_array_equal(error.get_xydata(), [[0, 1], [2, 0.5]])


def test_validation_stands_in_the_curves(trained, tmp_path):
    validation = {"validation_error": [4.0, 2.0], "validation_log_likelihood": [-9.0, -8.0]}
    figure = plots.learning_curves(trained.history_ | validation | {"validation_update": [1, 3]})
    axes = {axis.get_ylabel(): axis for axis in figure.axes}
    for key in ("validation_error", "validation_log_likelihood"):
        (line,) = axes[plots.CURVES[key]].lines
        assert line.get_xdata().tolist() == [1, 3] and line.get_ydata().tolist() == validation[key]
        assert line.get_marker() == "o"
    saved(figure, tmp_path / "curves.png")


def test_curves_differ_without_their_colours():
    histories = {str(i): {"gradient_norm": np.full(5, i)} for i in range(8)}
    figure = plots.learning_curves(histories)
    lines = figure.axes[0].lines
    assert len({str(line.get_linestyle()) + str(line._dash_pattern) for line in lines[:4]}) == 4
    assert len({(line.get_color(), str(line._dash_pattern)) for line in lines}) == 8
    in_legend = figure.legends[0].get_lines()
    assert [line._unscaled_dash_pattern for line in in_legend] == [line._unscaled_dash_pattern for line in lines]


def test_figures_show_themselves_in_a_notebook(trained):
    figure = plots.receptive_fields(trained)
    picture = figure._repr_png_()
    with Image.open(io.BytesIO(picture)) as image:
        assert image.format == "PNG" and image.size == (780, 504)
    assert figure.dpi == 200  # of files, as before


def test_figures_are_drawn_in_axes_of_the_user(trained, tmp_path):
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.5, 8), dpi=200, layout="constrained")
    axes = figure.subplots(3, 2)
    assert plots.hidden_unit_norms(trained, ax=axes[0, 0]) is axes[0, 0]
    assert plots.receptive_fields(trained, ax=axes[0, 1]) is axes[0, 1]
    np.testing.assert_array_equal(tiles(shown(axes[0, 1]), 4, 4)[:5], trained.params_.W.T)
    history = {"a": trained, "b": trained}
    plots.learning_curves(history, {"gradient_norm": "gradient"}, ax=axes[1, 0])
    assert axes[1, 0].get_ylabel() == "gradient" and axes[1, 0].get_legend() is not None
    plots.film_strip({"data": blobs(5, 4, 4)}, ax=axes[1, 1])
    assert axes[1, 1].get_title(loc="left") == "data"
    plots.receptive_fields(trained, ax=axes[2])
    np.testing.assert_array_equal(shown(axes[2, 1]), trained.params_.U.T)
    saved(figure, tmp_path / "all.png")
    with pytest.raises(ValueError, match="ax: given 1 axes, wanted 3, one for each panel"):
        plots.learning_curves(trained, ax=axes[0, 0])


def test_integer_videos_are_drawn_as_their_pixels_are(tmp_path):
    video = blobs(12, 6, 8)
    integers = np.rint(video * 255).astype(np.uint8)
    images = integers.reshape(12, 6, 8)
    rows = {"real": integers / 255, "bytes": integers, "images": images, "int64": integers.astype(int)}
    for axes in plots.film_strip(rows).axes:
        np.testing.assert_array_equal(tiles(shown(axes), 6, 8), integers / 255)
    binary = video > 0.5
    for dtype in (bool, np.uint8, int):
        axes = plots.film_strip({"binary": binary.astype(dtype)}, image_shape=(6, 8)).axes[0]
        np.testing.assert_array_equal(tiles(shown(axes), 6, 8), binary)
    figure = plots.predictions(integers, integers / 255, image_shape=(6, 8))
    np.testing.assert_array_equal(tiles(shown(figure.axes[2]), 6, 8), 0)
    plots.animate({"bytes": integers}, tmp_path / "a.gif", image_shape=(6, 8), scale=1)
    with Image.open(tmp_path / "a.gif") as gif:
        page, left = np.asarray(gif.convert("L")), 10 + (gif.size[0] - 28) // 2
        np.testing.assert_array_equal(page[26:32, left : left + 8], integers[0].reshape(6, 8))


def test_pixels_far_beyond_their_range_are_noticed():
    with pytest.warns(UserWarning, match=r"rows\['a'\]: given values from 0 to 255, drawn clipped") as caught:
        plots.film_strip({"a": 255 * blobs(3, 5, 5).round()})
    assert caught[0].filename == __file__
    plots.film_strip({"a": 1.5 * blobs(3, 5, 5)})  # a prediction may go beyond it a little


class Forecast(NamedTuple):
    """As models return it."""

    mean: np.ndarray
    quantiles: np.ndarray
    levels: tuple


@pytest.fixture(scope="module")
def fan():
    """Quantiles of random walks from two sequences of different lengths, and the walks."""
    rng = np.random.default_rng(0)
    X = [rng.standard_normal((n_frames, 3)).cumsum(axis=0) for n_frames in (60, 45)]
    samples = np.stack([x[-1] for x in X])[:, None] + rng.standard_normal((100, 2, 30, 3)).cumsum(axis=2)
    levels = (0.05, 0.25, 0.5, 0.75, 0.95)
    return Forecast(samples.mean(axis=0), np.quantile(samples, levels, axis=0), levels), X, samples[0]


def test_a_fan_chart_shows_what_was_and_what_may_come(fan, tmp_path):
    predicted, X, truth = fan
    figure = plots.forecast(predicted, X, truth, names=["hip (deg)", "knee (deg)", "ankle (deg)"], sequence=1)
    at = np.arange(44, 75)
    for i, axes in enumerate(figure.axes):
        last = X[1][-1:, i]
        lines = {line.get_label(): line for line in axes.lines}
        np.testing.assert_array_equal(lines["median"].get_data()[0], at)
        np.testing.assert_array_equal(lines["median"].get_ydata(), [*last, *predicted.quantiles[2, 1, :, i]])
        np.testing.assert_array_equal(lines["before"].get_xdata(), np.arange(15, 45))
        np.testing.assert_array_equal(lines["before"].get_ydata(), X[1][15:, i])
        np.testing.assert_array_equal(lines["truth"].get_ydata(), [*last, *truth[1, :, i]])
        bands = axes.collections
        assert [band.get_label() for band in bands] == ["5 % to 95 %", "25 % to 75 %"]
        for band, (low, high) in zip(bands, ((0, 4), (1, 3))):
            x, y = band.get_paths()[0].vertices.T
            for t in (45, 74):
                assert {y[x == t].min(), y[x == t].max()} == {*predicted.quantiles[[low, high], 1, t - 45, i]}
        assert bands[0].get_alpha() < bands[1].get_alpha()
    assert [axes.get_ylabel() for axes in figure.axes] == ["hip (deg)", "knee (deg)", "ankle (deg)"]
    assert figure.axes[-1].get_xlabel() == "frame"
    saved(figure, tmp_path / "fan.png")


def test_names_of_features_are_no_formulas(fan, tmp_path):
    """Two dollar signs are a formula for matplotlib, which fails with this one."""
    predicted, X, _ = fan
    names = ["cost_in_$_or_$_{", "price ($)", "$x$"]
    figure = plots.forecast(predicted, X, names=names)
    assert [axes.get_ylabel() for axes in figure.axes] == names
    saved(figure, tmp_path / "fan.png")


def test_a_fan_chart_of_some_features_in_axes_of_the_user(fan):
    predicted, X, truth = fan
    pandas = pytest.importorskip("pandas")
    table = pandas.DataFrame(X[0], columns=["hip", "knee", "ankle"])
    figure = plots.forecast(predicted, [table, X[1]], features=["ankle", 0])
    assert [axes.get_ylabel() for axes in figure.axes] == ["ankle", "hip"]
    assert figure.axes[0].lines[1].get_xdata().tolist() == list(range(30, 60))
    assert plots.forecast(predicted, table, features="knee").axes[0].get_ylabel() == "knee"
    axes = plots.learning_curves({"gradient_norm": [1]}).axes[0]
    axes.clear()
    no_median = Forecast(predicted.mean, predicted.quantiles[[0, 4]], (0.05, 0.95))
    assert plots.forecast(no_median, truth=truth[0, :7], features=[2], ax=axes) is axes
    assert len(plots.forecast(predicted._replace(quantiles=None)).axes[0].collections) == 0
    lines = {line.get_label(): line for line in axes.lines}
    np.testing.assert_array_equal(lines["mean"].get_data(), [np.arange(30), predicted.mean[0, :, 2]])
    np.testing.assert_array_equal(lines["truth"].get_data(), [np.arange(7), truth[0, :7, 2]])
    assert "before" not in lines and axes.get_legend() is not None


BAD_FANS = {
    "sequence": ({"sequence": 2}, "sequence: given 2, wanted one of the 2 of the forecast"),
    "features": ({"features": [3]}, r"features: given \[3\], wanted some of the 3 features, 0 to 2"),
    "names": ({"names": ["hip"]}, "names: given 1, wanted one for each of the 3 features"),
    "X": ({"X": np.zeros((2, 5, 4))}, r"X: given shape \(5, 4\), wanted \(n_frames, n_features = 3\)"),
    "truth": ({"truth": [[0, 0, 0]]}, r"truth: given shape \(3,\)"),
    "fewer sequences": ({"X": [np.zeros((5, 3))], "sequence": 1}, "X: given 1 sequences, wanted as many"),
}


@pytest.mark.parametrize("arguments, message", BAD_FANS.values(), ids=BAD_FANS)
def test_a_fan_chart_that_does_not_fit_is_refused(fan, arguments, message):
    with pytest.raises(ValueError, match=message):
        plots.forecast(fan[0], **arguments)


ARRAY = np.zeros((4, 9))
W, U = ARRAY.T, np.eye(4)
PARAMS = {"W": W, "U": U, "b_v": np.zeros(9), "b_h": np.zeros(4), "b_init": np.zeros(4)}
BAD = {
    "no square": (lambda: plots.film_strip({"a": ARRAY[:, 1:]}), "image_shape: given None.*n_visible = 8"),
    "negative shape": (lambda: plots.film_strip({"a": ARRAY}, image_shape=(-3, -3)), r"given \(-3, -3\)"),
    "one number": (lambda: plots.film_strip({"a": ARRAY}, image_shape=3), r"image_shape: given 3"),
    "real numbers": (lambda: plots.film_strip({"a": ARRAY}, image_shape=(3.0, 3.0)), r"image_shape: given \(3.0"),
    "no unit": (lambda: plots.hidden_unit_norms(W, U, highlight=-1), "highlight must be at least 0, got -1"),
    "other shape": (lambda: plots.film_strip({"a": ARRAY}, image_shape=(2, 4)), r"given \(2, 4\).*= 9"),
    "W's shape": (lambda: plots.receptive_fields(W[1:], U, 4), "image_shape: given None.*= 8"),
    "U's size": (lambda: plots.receptive_fields(W, U[1:]), r"W, U: given shapes \(9, 4\), \(3, 4\)"),
    "1-d W": (lambda: plots.hidden_unit_norms(W[0], U), r"W, U: given shapes \(4,\)"),
    "diverged": (lambda: plots.hidden_unit_norms(W * np.nan, U), "W, U: .*not finite"),
    "too many units": (lambda: plots.receptive_fields(W, U, 5), r"units: given .*some of the 4 units, 0 to 3"),
    "no units": (lambda: plots.receptive_fields(W, U, 0), r"units: given \[\]"),
    "unknown unit": (lambda: plots.receptive_fields(W, U, [0, -1]), r"units: given \[0, -1\]"),
    "no rows": (lambda: plots.film_strip({}), "rows: given shapes {}"),
    "one frame": (lambda: plots.film_strip({"a": ARRAY[0]}), r"rows: given shapes {'a': \(9,\)}"),
    "late start": (lambda: plots.film_strip({"a": ARRAY}, start=4), "start, n_shown: given 4, 12.*= 4"),
    "nothing shown": (lambda: plots.film_strip({"a": ARRAY}, n_shown=0), "start, n_shown: given 0, 0"),
    "no numbers": (lambda: plots.film_strip({"a": ARRAY * np.nan}), r"rows\['a'\]: .*not finite"),
    "large integers": (lambda: plots.film_strip({"a": np.full((4, 9), 256)}), r"rows\['a'\]: .*from 256 to 256"),
    "negative integers": (lambda: plots.film_strip({"a": np.full((4, 9), -1)}), "integers from -1 to -1"),
    "turned": (lambda: plots.film_strip({"a": ARRAY.reshape(4, 1, 9), "b": ARRAY.reshape(4, 9, 1)}), "given shapes"),
    "short prediction": (lambda: plots.predictions(ARRAY, ARRAY[1:]), r"predicted: given .*\(3, 9\)"),
    "named data": (lambda: plots.predictions(ARRAY, {"data": ARRAY}), "predicted: given the name 'data'"),
    "no models": (lambda: plots.learning_curves({}), "models: given none"),
    "no records": (lambda: plots.learning_curves({"a": {"n_gibbs": []}}), r"models\['a'\]: given a history without"),
    "made of arrays": (lambda: plots.learning_curves(RTRBM.from_params(PARAMS)), "models: given a history without rec"),
    "not fitted": (lambda: plots.learning_curves(RTRBM(3)), "models: this RTRBM is not fitted yet: call fit"),
    "no weights": (lambda: plots.receptive_fields(RTRBM(3)), "model: this RTRBM is not fitted yet: call fit"),
    "no matrix": (lambda: plots.hidden_unit_norms(ARRAY), "model: given one without hidden-to-hidden weights"),
    "unequal": (lambda: plots.learning_curves({"update": [1], "n_gibbs": [1, 2]}), r"\(2,\).* as in 'update'"),
    "validated": (
        lambda: plots.learning_curves({"n_gibbs": [1, 1], "validation_update": [2], "validation_error": [3, 4]}),
        "as many in 'validation_error' as in 'validation_update'",
    ),
    "no curves": (lambda: plots.learning_curves({"n_gibbs": [1]}), r"quantities: given \[\]"),
    "unknown": (lambda: plots.learning_curves({"n_gibbs": [1]}, {"loss": "l"}), r"given \['loss'\]"),
}


@pytest.mark.parametrize("call, message", BAD.values(), ids=BAD)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


WRONG_KIND = {
    "no history": (lambda: plots.learning_curves({"a": 3}), r"models\['a'\]: given int, wanted a fitted model"),
    "no model": (lambda: plots.receptive_fields("model"), "model: given str, wanted a fitted model"),
    "two Us": (lambda: plots.receptive_fields(RTRBM.from_params(PARAMS), U), "U: given beside a model"),
    "layers": (lambda: plots.hidden_unit_norms(Stack([])), r"model: given a Stack, wanted one of its layers"),
    "no axes": (lambda: plots.hidden_unit_norms(W, U, ax="left"), "ax: given 'left', wanted matplotlib Axes"),
    "words": (lambda: plots.film_strip({"a": ARRAY.astype(str)}), r"rows\['a'\]: given dtype <U"),
    "a list of videos": (lambda: plots.film_strip([ARRAY]), "rows: given list, wanted a dict"),
    "a video": (lambda: plots.film_strip(ARRAY), "rows: given ndarray, wanted a dict"),
    "quantities": (lambda: plots.learning_curves({"n_gibbs": [1]}, ["n_gibbs"]), "quantities: given list"),
    "half a unit": (lambda: plots.receptive_fields(W, U, 2.5), "units must be an integer, got 2.5"),
    "half units": (lambda: plots.receptive_fields(W, U, [0.5]), r"units: given \[0.5\]"),
    "a mask": (lambda: plots.receptive_fields(W, U, [True, False]), r"units: given \[True, False\]"),
    "half a frame": (lambda: plots.film_strip({"a": ARRAY}, n_shown=2.5), "n_shown must be an integer, got 2.5"),
    "half a mark": (lambda: plots.hidden_unit_norms(W, U, highlight=2.5), "highlight must be an integer"),
}


@pytest.mark.parametrize("call, message", WRONG_KIND.values(), ids=WRONG_KIND)
def test_what_is_of_the_wrong_kind_is_named(call, message):
    with pytest.raises(TypeError, match=message):
        call()


def test_bad_animations_are_named_and_write_nothing(tmp_path):
    with pytest.raises(ValueError, match=r"rows: given shapes .*\(3, 9\).*\(4, 9\)"):
        plots.animate({"a": ARRAY[1:], "b": ARRAY}, tmp_path / "a.gif")
    with pytest.raises(ValueError, match="frames_per_second: given 0"):
        plots.animate({"a": ARRAY}, tmp_path / "a.gif", frames_per_second=0)
    with pytest.raises(ValueError, match="scale must be at least 1, got 0"):
        plots.animate({"a": ARRAY}, tmp_path / "a.gif", scale=0)
    with pytest.raises(ValueError, match="scale=1000000 would take"):
        plots.animate({"a": ARRAY}, tmp_path / "a.gif", scale=10**6)
    with pytest.raises(ValueError, match="path must be a file in an existing folder"):
        plots.animate({"a": ARRAY}, tmp_path / "absent" / "a.gif")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("missing", ["matplotlib.figure", "PIL.Image"])
def test_a_missing_package_is_named_with_its_remedy(tmp_path, monkeypatch, missing):
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(ImportError, match=r"pip install 'rtrbm\[figures\]'"):
        if missing == "PIL.Image":
            plots.animate({"a": ARRAY}, tmp_path / "a.gif")
        plots.film_strip({"a": ARRAY})


def test_health_stands_at_its_updates():
    X = (np.random.default_rng(0).random((8, 10, 4)) < 0.5).astype(float)
    model = RTRBM(3, n_gibbs=1, n_updates=400, random_state=0).fit(X[:6], validation=X[6:])
    assert {*AXES, "health_update"} == set(HEALTH)
    figure = plots.learning_curves(model, {"dead_units": "dead"})
    np.testing.assert_array_equal(figure.axes[0].lines[0].get_xdata(), model.history_["health_update"])


def test_rows_of_pixels_are_high_enough_to_be_seen():
    """Squares keep their shape, however many there are."""
    rng = np.random.default_rng(0)
    for n_frames, n_pixels, shape in (12, 40, (1, 40)), (60, 400, (20, 20)):
        figure = plots.film_strip({"a": rng.random((n_frames, n_pixels))}, n_frames, image_shape=shape)
        figure.canvas.draw()
        (axis, *_), is_line = figure.axes, shape[0] == 1
        axis.apply_aspect()
        assert axis.get_window_extent().height / figure.dpi > 0.1 or not is_line
        assert (axis.get_aspect() == "auto") == is_line
