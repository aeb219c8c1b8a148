"""The report: whole, harmless and readable HTML, small, without a network; and the page about a run under way."""

import base64
import hashlib
import http.client
import json
import os
import re
import shutil
import sys
import threading
import warnings
from html.parser import HTMLParser

import numpy as np
import pytest

from rtrbm import CRBM, RBM, RTRBM, Stack, TRBM
from rtrbm.callbacks import Log
from rtrbm.convert import read
from rtrbm.report import drawn, live, noted, watch, write_report, written
from rtrbm.report.html import as_json, number, table
from rtrbm.report.likelihood import _scored
from rtrbm.report.parts import LeftOut, split
from rtrbm.report.predictions import paired, verdict
from rtrbm.report.subject import Subject

EVIL = '</script><img src="//x" onerror=alert(1)>&"\'<!--'
TINY = {"n_gibbs": 1, "n_updates": 12, "random_state": 0, "n_jobs": 1}
VOID = {"meta", "link", "img", "br", "input", "hr"}


class Page(HTMLParser):
    """What a page holds; tags that do not match raise."""

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.words, self.scripts = [], [], [], []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attributes):
        assert len(dict(attributes)) == len(attributes)
        self.tags.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        (self.scripts if self.open[-1:] == ["script"] else self.words).append(data)

    def all(self, *names):
        return [attributes for tag, attributes in self.tags if tag in names]

    @property
    def data(self):
        return json.loads(self.scripts[0])

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())


def report(tmp_path, *arguments, **options):
    """The page of a report, and its text."""
    path = tmp_path / "report.html"
    write_report(path, *arguments, **options)
    return Page(path.read_text("utf-8")), path.read_text("utf-8")


def pixels(n_sequences=6, n_frames=24, seed=0):
    """Squares that move, 10x10 pixels."""
    X = np.zeros((n_sequences, n_frames, 10, 10))
    for i, start in enumerate(np.random.default_rng(seed).integers(0, 10, n_sequences)):
        for t in range(n_frames):
            X[i, t, 3:6, np.arange(start + t, start + t + 3) % 10] = 1
    return X.reshape(n_sequences, n_frames, 100)


@pytest.fixture(scope="module")
def images():
    X = pixels()
    return RTRBM(8, **TINY).fit(X[:4], validation=X[4:]), X


@pytest.fixture(scope="module")
def evil_table(tmp_path_factory):
    """A recording with the names of columns that want to leave their place."""
    path = tmp_path_factory.mktemp("data") / "t.csv"
    names = [EVIL, "b", "c\u202e", "=1+1"]
    quoted = ",".join('"{}"'.format(name.replace('"', '""')) for name in names)
    rows = np.cumsum(np.random.default_rng(0).standard_normal((120, 4)), axis=0).tolist()
    path.write_text("\n".join([quoted, *(",".join(map(str, row)) for row in rows)]), "utf-8")
    table = read(path)
    return CRBM(5, visible="gaussian", standardize=True, **TINY).fit(table, window=30), table


# ------------------------------------------------------------------------------------------- the page


def check_page(page, text):
    """What every page must be: valid, labelled, closed to the network and to foreign scripts, and small."""
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert page.tags[0] == ("html", {"lang": "en"})
    headings = [int(tag[1]) for tag, _ in page.tags if re.fullmatch("h[1-6]", tag)]
    assert headings[0] == 1 and headings.count(1) == 1 and max(np.diff(headings), default=0) <= 1
    assert len(page.all("main")) == len(page.all("title")) == 1
    assert all(figure["aria-label"] for figure in page.all("figure")) and len(page.all("figcaption")) == len(
        page.all("figure")
    )
    assert all(cell["scope"] in ("row", "col") for cell in page.all("th"))
    assert len(page.all("caption")) == len(page.all("table"))
    assert {figure["data-figure"] for figure in page.all("figure")} == set(page.data["figures"])
    for _, attributes in page.tags:
        assert not any(name.startswith("on") or name in ("src", "srcset", "style", "action") for name in attributes)
        assert attributes.get("href", "#")[:1] == "#" or attributes["href"] == "data:,"
        assert set(attributes.get("href", "#")[1:].split()) <= {*ids, "ata:,"}
    assert set(re.findall(r"\w+://[\w./]+", text)) <= {"http://www.w3.org/2000/svg"}  # a name, not an address
    _, script = page.scripts
    policy = next(tag["content"] for tag in page.all("meta") if "content" in tag and "default-src" in tag["content"])
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}';" in policy and "default-src 'none'" in policy
    assert "unsafe" not in policy and "connect-src" not in policy
    assert len(text.encode()) < 5e6


def titles(page):
    return [attributes["id"] for attributes in page.all("h2")]


ALL = ["dreams", "predictions", "forecasts", "likelihood", "learning", "weights", "about"]


def test_frames_have_the_numbers_of_the_recording(images, tmp_path):
    """The second half of a single recording is scored, and its last frames are forecast."""
    model, X = images
    long = np.concatenate(list(np.tile(X, (1, 2, 1))))
    half = len(long) // 2
    for data, scored, ahead in ((long[None], half, len(long) - 30), (X[4:], 0, 24 - 8)):
        figures = report(tmp_path, model, data)[0].data["figures"]
        assert figures["prediction"]["start"] == scored + 1 and figures["futures"]["start"] == ahead + 1
        (at, _), = figures["fan"]["marks"]
        assert at == ahead


def test_a_report_of_images(images, tmp_path):
    model, X = images
    page, text = report(tmp_path, model, X[4:], train=X[:4], title="Squares", warnings=["look here"])
    check_page(page, text)
    assert titles(page) == ["notes", *ALL]
    assert "Squares" in page.text and "look here" in page.text and "Settings of the RTRBM" in page.text
    figures = page.data["figures"]
    assert set(figures) == {"dreams", "prediction", "fan", "futures", "ahead", "learning", "fields", "hidden"}
    assert [panel["label"] for panel in figures["prediction"]["panels"]] == ["data", "prediction", "difference"]
    shown = figures["prediction"]["panels"][0]["values"]
    assert shown["shape"] == [24, 10, 10]
    steps = np.frombuffer(base64.b64decode(shown["bytes"]), np.uint8).reshape(24, 100)
    np.testing.assert_array_equal(steps, 255 * X[4])
    names = [panel["title"] for panel in figures["learning"]["panels"]]
    assert any("validation" in name for name in names) and "learning rate" in names
    assert "the first half" not in page.text


def test_the_errors_are_those_of_evaluate(images, tmp_path):
    from rtrbm import evaluate

    model, X = images
    page, text = report(tmp_path, model, X[4:], train=X[:4], random_state=5)
    own = evaluate.squared_error(X[4:], model.predict(X[4:], random_state=5))[0]
    linear = evaluate.squared_error(X[4:], evaluate.autoregression(X[4:], X[:4], 2, 0, 1))[0]
    for error in (own, linear, evaluate.squared_error(X[4:], evaluate.copy_previous(X[4:]))[0]):
        assert f">{number(error)}<" in text
    by_frame = page.data["figures"]["prediction"]["errors"]["prediction"]
    predicted = model.predict(X[4:], random_state=5)[0]
    assert by_frame[0] is None
    np.testing.assert_allclose(by_frame[1:], np.square(X[4] - predicted).sum(axis=1)[1:], rtol=1e-3)


def test_foreign_text_is_only_text(evil_table, tmp_path):
    model, X = evil_table
    page, text = report(tmp_path, model, X, title=EVIL, warnings=[EVIL, UserWarning(EVIL)])
    check_page(page, text)
    assert not page.all("img") and len(page.scripts) == 2
    assert page.text.count(EVIL) >= 3 and EVIL not in text
    assert EVIL in page.data["figures"]["fields"]["rows"]
    assert "\u202e" not in text  # it would turn the words after it round
    control = text.replace("&lt;/script&gt;", "</script>")
    with pytest.raises(AssertionError):
        check_page(Page(control), control)


def test_a_recording_is_cut_in_two_and_the_model_knows_it(evil_table, tmp_path):
    model, X = evil_table
    page, _ = report(tmp_path, model, X)
    assert "the second half is scored" in page.text and "data that the model was trained on" in page.text
    other, _ = report(tmp_path, model, X[10:])
    assert "data that the model was trained on" not in other.text
    assert "values should lie between its edges" in page.text
    assert [panel["title"] for panel in page.data["figures"]["prediction"]["panels"]][
        -1
    ] == "squared error of the frame"


def test_without_data_parts_are_left_out(images, tmp_path):
    page, text = report(tmp_path, images[0])
    check_page(page, text)
    assert titles(page) == ["dreams", "learning", "weights", "about", "left-out"]
    assert page.text.count("No data were given.") == 3


@pytest.mark.parametrize("kind", ["static", "stack", "taps", "counts"])
def test_other_models(kind, tmp_path):
    X = pixels(4, 16)
    model = {
        "static": RBM(5, **TINY),
        "stack": Stack([TRBM(6, n_taps=1, **TINY), RTRBM(5, **TINY)]),
        "taps": TRBM(6, n_taps=2, **TINY),
        "counts": RTRBM(5, visible="poisson", **TINY),
    }[kind]
    X = 3 * X[:, :, :40] if kind == "counts" else X
    model.fit(np.concatenate(X) if kind == "static" else X)
    page, text = report(tmp_path, model, np.concatenate(X) if kind == "static" else X)
    check_page(page, text)
    missing = {"static": {"predictions", "forecasts"}, "stack": {"forecasts"}}.get(kind, set())
    assert set(titles(page)) == {*ALL, "left-out"} - missing - (set() if missing else {"left-out"})
    assert "It failed" not in page.text
    assert ("lies above by an unknown distance" in page.text) == (kind == "stack")
    assert ("hidden" in page.data["figures"]) == (kind != "static")
    assert page.data["figures"]["dreams"]["kind"] == ("roll" if kind == "counts" else "images")


@pytest.mark.parametrize("n_frames", [1, 2, 4, 9])
def test_short_data_make_a_report_too(n_frames, images, tmp_path):
    """One recording, and several sequences, of a few frames."""
    for X in (pixels(1, n_frames)[0], pixels(3, n_frames)):
        page, text = report(tmp_path, images[0], X)
        check_page(page, text)
        assert "It failed" not in page.text
        assert ("forecasts" in titles(page)) == (n_frames == 9)


def test_a_part_that_fails_costs_no_report(images, tmp_path, monkeypatch):
    def broken(subject):
        raise RuntimeError(EVIL)

    def unable(subject):
        raise LeftOut("It is Thursday.")

    monkeypatch.setattr(written, "PARTS", {"Broken": broken, "Unable": unable, "Learning": written.learning})
    page, text = report(tmp_path, *images)
    check_page(page, text)
    assert titles(page) == ["learning", "left-out"]
    assert "It failed: RuntimeError" in page.text and "It is Thursday." in page.text


def test_no_figure_needs_matplotlib(images, tmp_path, monkeypatch):
    for name in [name for name in sys.modules if name.partition(".")[0] == "matplotlib"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)  # an import raises
    page, _ = report(tmp_path, *images)
    assert set(ALL) <= set(titles(page)) and "It failed" not in page.text


def test_large_frames_make_a_small_page():
    """Three animations and the fields of 30x30 pixels, and one of a megapixel."""
    model = RTRBM.from_params(
        dict(W=np.zeros((900, 4)), U=np.zeros((4, 4)), b_v=np.zeros(900), b_h=np.zeros(4), b_init=np.zeros(4))
    )
    subject = Subject(model)
    n = subject.most()
    frames = np.random.default_rng(0).random((n, 900))
    assert n == 100 and 3 * len(as_json(subject.figure({"a": frames, "b": frames, "c": frames}))) < 1.2e6
    wide = Subject(RBM.from_params(dict(W=np.zeros((10**6, 1)), b_v=np.zeros(10**6), b_h=np.zeros(1))))
    frames = np.zeros((wide.most(), 10**6), np.float32)
    assert 2 <= len(frames) < 40 and len(as_json(wide.figure({"a": frames}))) < 4e5


@pytest.mark.parametrize(
    "change, error, words",
    [
        ({"path": "none/report.html"}, ValueError, "path must be a file in an existing folder"),
        ({"model": 3}, TypeError, "model must be a model of this package, got int"),
        ({"model": RTRBM(3)}, ValueError, "model must be fitted, this RTRBM is not: call fit first"),
        ({"X": np.zeros((2, 5, 7))}, ValueError, "X has 7 features, but RTRBM is expecting 100"),
        ({"X": np.full((2, 5, 100), 2.0)}, ValueError, r"X must lie in \[0, 1\]"),
        ({"train": np.full((2, 5, 100), 2.0)}, ValueError, r"train must lie in \[0, 1\]"),
        ({"image_shape": (9, 11)}, ValueError, r"image_shape must be \(height, width\) of 100 pixels, got \(9, 11\)"),
        ({"random_state": -1}, ValueError, "random_state must be a non-negative integer"),
    ],
)
def test_a_wrong_argument_is_named_before_any_work(images, tmp_path, monkeypatch, change, error, words):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(written, "PARTS", {"never": None})
    arguments = {"path": "report.html", "model": images[0], "X": images[1], **change}
    with pytest.raises(error, match=words):
        write_report(**arguments)
    assert not list(tmp_path.iterdir())


def test_remarks_on_a_history(tmp_path):
    X = pixels(3, 12)
    model = RTRBM(4, **TINY).fit(X)
    model.n_updates = 50
    model._history.update(validation_update=[0, 6, 12], validation_error=[3.0, 1.0, 2.0])
    page, _ = report(tmp_path, model)
    assert "12 of 50 updates were made" in page.text
    assert "the validation error was least at update 6 (1) and is 2 now" in page.text


def test_warnings_are_noted_and_shown():
    with warnings.catch_warnings(record=True) as shown:
        warnings.simplefilter("always")
        with noted() as found:
            warnings.warn("one", stacklevel=1)
            warnings.warn("one", stacklevel=1)
    assert found == ["one"] and len(shown) == 2


# ------------------------------------------------------------------------------- numbers on the page


def test_packed_values_are_near():
    values = np.random.default_rng(0).normal(size=(3, 50))
    low, high = values.min(), values.max()
    made = drawn.packed(values)
    steps = np.frombuffer(base64.b64decode(made["bytes"]), np.uint8).reshape(made["shape"])
    assert np.abs(low + steps * (high - low) / 255 - values).max() <= (high - low) / 510 + 1e-12
    signed = drawn.packed([-1.0, 0.0, 0.25], signed=True)
    assert (signed["low"], signed["high"]) == (-1, 1)
    assert np.frombuffer(base64.b64decode(signed["bytes"]), np.uint8).tolist() == [0, 128, 159]
    odd = drawn.packed([np.nan, np.inf, -np.inf, 0, 2], low=0, high=2)
    assert np.frombuffer(base64.b64decode(odd["bytes"]), np.uint8).tolist() == [0, 255, 0, 0, 255]


def test_a_long_curve_is_thinned_by_running_medians():
    y = np.arange(5000.0)
    x, thin = drawn.thinned(np.arange(1, 5001), y)
    assert len(thin) <= drawn.N_POINTS and (x[0], x[-1]) == (1, 5000) and (thin[0], thin[-1]) == (0, 4999)
    np.testing.assert_array_equal(thin, x - 1)  # windows are centred
    y[2500] = 1e9
    assert drawn.thinned(np.arange(5000), y)[1].max() < 5000
    assert drawn.thinned([1, 2], [3, 4])[1].tolist() == [3, 4]


def test_numbers_and_tables_as_people_read_them():
    assert [number(value) for value in (1234567, -0.5, 0.123456, None, float("nan"), np.int64(7), 1e-9, -2000.4)] == [
        "1,234,567", "\N{MINUS SIGN}0.5", "0.1235", "\N{EN DASH}", "\N{EN DASH}", "7", "1e-09", "\N{MINUS SIGN}2,000",
    ]  # fmt: skip
    page = Page(table("<c>", ["<a>"], [["<b>", 1.5]]))
    assert page.text == "<c> <a> <b> 1.5"
    assert json.loads(as_json({"a": EVIL})) == {"a": EVIL} and not re.search("[<>&]", as_json({"a": EVIL}))
    with pytest.raises(ValueError):
        as_json([float("nan")])


def test_the_paired_difference():
    rng = np.random.default_rng(0)
    X = [rng.normal(size=(n, 2)) for n in (5, 9, 7)]
    one, other = ([v + scale * rng.normal(size=v.shape) for v in X] for scale in (1.0, 1.0))
    per = [(np.square(v - a) - np.square(v - b)).sum(axis=1)[1:] for v, a, b in zip(X, one, other)]
    mean = np.concatenate(per).mean()
    residuals = [p.sum() - mean * len(p) for p in per]
    expected = np.sqrt(np.square(residuals).sum() * 3 / 2) / 18
    np.testing.assert_allclose(paired(X, one, other), (mean, expected))
    blocks = np.array([per[1][at].mean() for at in np.split(np.arange(8), 8)])  # a frame each
    np.testing.assert_allclose(paired(X[1:2], one[1:2], other[1:2])[1], blocks.std(ddof=1) / np.sqrt(8))
    assert np.isnan(paired([X[0][:2]], [one[0][:2]], [other[0][:2]])[1])


def test_the_verdict_is_honest():
    rng = np.random.default_rng(0)
    data = [rng.normal(size=(50, 3)) for _ in range(8)]
    far = [v + 2 * rng.normal(size=v.shape) for v in data]
    near = [v + 0.1 * rng.normal(size=v.shape) for v in data]
    other = [v + 2 * rng.normal(size=v.shape) for v in data]

    def said(own, rival):
        return verdict(
            "M", {"M": (1.0, 0), "copy": (2.0, 0), "mean": (9.0, 0)}, {"data": data, "M": own, "copy": rival}
        )

    assert "better than the best simple predictor</strong> (copy, 2)" in said(near, far)
    assert "per frame, worse than" in said(far, near)
    assert "not clearly better or worse" in said(far, other)


# ------------------------------------------------------------------------------------------ live


@pytest.fixture
def serving(images, tmp_path):
    """A folder with a run, and a function that asks its server."""
    folder = tmp_path / EVIL.replace("/", "")
    folder.mkdir()
    images[0].save(folder / "rtrbm.h5")
    images[0].save(folder / "rtrbm.previous-1.h5")
    (folder / "errors.csv").write_text("predictor,error\ncopy,1\n")
    serving = live.server(folder)
    thread = threading.Thread(target=serving.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()

    def ask(path, host=None, method="GET"):
        connection = http.client.HTTPConnection("127.0.0.1", serving.server_port, timeout=10)
        connection.request(method, path, headers={"Host": host or f"127.0.0.1:{serving.server_port}"})
        answer = connection.getresponse()
        content = answer.read().decode()
        connection.close()
        return answer, content

    yield folder, ask
    serving.shutdown()
    thread.join()
    serving.server_close()


def test_the_live_page_follows_the_files(serving, images):
    folder, ask = serving
    answer, text = ask("/")
    page = Page(text)
    assert answer.status == 200 and answer.headers["X-Content-Type-Options"] == "nosniff"
    assert page.data["live"]["folder"] == folder.name and not page.all("img") and len(page.scripts) == 2
    assert "connect-src 'self';" in text
    (run,) = json.loads(ask("/state.json")[1])["runs"]
    assert run["name"] == "rtrbm.h5" and run["words"] == "RTRBM: update 12 of 12"
    assert run["chart"]["panels"][0]["lines"][0]["x"][-1] == 12
    X = pixels(2, 8)
    RTRBM(4, **TINY).fit(X, validation=X, callbacks=[Log(folder / "log.csv")])
    (folder / "broken.h5").write_text("nothing")
    TRBM(4, **TINY | {"n_updates": 3}).fit(X).save(folder / "rtrbm.h5")
    runs = {run["name"]: run for run in json.loads(ask("/state.json")[1])["runs"]}
    assert set(runs) == {"rtrbm.h5", "broken.h5", "log.csv"}
    assert runs["rtrbm.h5"]["words"] == "TRBM: update 3 of 3"
    assert runs["broken.h5"]["words"].startswith("It cannot be read") and runs["broken.h5"]["chart"] is None
    assert runs["log.csv"]["words"] == "log: update 12"
    lines = [panel["lines"][0] for panel in runs["log.csv"]["chart"]["panels"]]
    assert lines[0]["x"][0] == 0 and lines[-1]["x"] == list(range(1, 13))


def test_the_live_page_serves_nothing_else_and_nobody_else(serving):
    folder, ask = serving
    before = sorted(path.name for path in folder.iterdir())
    for path in ("/rtrbm.h5", "/../", "/.", "/state.json?x", "/index.html", f"/{folder}"):
        assert ask(path.replace(" ", "%20"))[0].status in (400, 404)
    for host in ("evil.example", "127.0.0.1", "localhost:1", "127.0.0.1.evil.example:80"):
        assert ask("/", host)[0].status == 403 and "RTRBM" not in ask("/state.json", host)[1]
    for method in ("POST", "PUT", "DELETE", "HEAD", "OPTIONS"):
        assert ask("/", method=method)[0].status == 501
    assert ask("/")[0].status == 200
    assert sorted(path.name for path in folder.iterdir()) == before


@pytest.mark.parametrize("kind", ["pipe", "link", "line", "number"])
def test_the_live_page_stands_files_that_are_no_logs(tmp_path, kind):
    """A pipe would be waited for, and a line without an end would fill the memory."""
    path, head = tmp_path / "log.csv", ",".join(Log.COLUMNS)
    if kind == "pipe":
        if not hasattr(os, "mkfifo"):
            pytest.skip("needs named pipes")
        os.mkfifo(path)
    elif kind == "link":
        path.symlink_to("nowhere.csv")
    else:
        path.write_text(f"{head}\n" + ("x" * 10**6 if kind == "line" else f"1,1,1,1,{10**400},,\n2,1,1,1,1,,\n"))
    runs = live.Runs(tmp_path).state()["runs"]
    reason = {"pipe": "is a pipe or a device", "line": "has a line of 1000 characters", "number": "cannot convert"}
    assert all(reason[kind] in run["words"] for run in runs) and len(runs) == (kind != "link")


def test_watch_says_where_and_ends_on_ctrl_c(tmp_path, monkeypatch, capsys):
    def stop(self):
        assert self.server_address[0] == "127.0.0.1"
        raise KeyboardInterrupt

    monkeypatch.setattr(live.ThreadingHTTPServer, "serve_forever", stop)
    watch(tmp_path)
    assert re.match(r"http://127\.0\.0\.1:\d+/ shows ", capsys.readouterr().out)
    with pytest.raises(ValueError, match="folder must be a folder"):
        watch(tmp_path / "none")
    with pytest.raises(ValueError, match="port must be at most 65535"):
        watch(tmp_path, 70000)


def test_an_earlier_report_stays_if_the_new_one_cannot_be_written(images, tmp_path, monkeypatch):
    path = tmp_path / "report.html"
    path.write_text("earlier")

    def full(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(written, "page", full)
    monkeypatch.setattr(written, "PARTS", {})
    with pytest.raises(OSError, match="No space left"):
        write_report(path, images[0])
    assert path.read_text() == "earlier" and len(list(tmp_path.iterdir())) == 1
    shutil.rmtree(tmp_path)


def test_a_long_row_of_pixels_is_shown(tmp_path):
    X = (np.random.default_rng(0).random((6, 10, 200)) < 0.5).astype(float)
    model = RTRBM(3, n_gibbs=1, n_updates=3, random_state=0).fit(X)
    images = Subject(model, X, None, (1, 200), None).images(X[0])
    assert images.shape == (10, 1, 66)
    np.testing.assert_allclose(images[:, 0, 0], X[0, :, :3].mean(axis=1))


@pytest.mark.parametrize("kind", [CRBM, RTRBM])
def test_frames_of_one_recording_are_scored_given_their_past(kind):
    """As the whole recording has them; scored as a recording of their own they are less probable."""
    rng = np.random.default_rng(0)
    X = np.cumsum(rng.standard_normal((400, 3)), axis=0).astype(np.float32)
    settings = {"visible": "gaussian", "standardize": True, "n_taps": 2, "batch_size": 4}
    model = kind(5, **settings, **{**TINY, "n_updates": 300}).fit(X, window=50)
    subject = Subject(model, [X], None, None, None)
    parts = split(subject, 100)
    assert parts.n_warm > 2
    own, frames = _scored(subject, parts, 100)
    given = model.score_samples([X])[0]
    begin = parts.first + parts.n_warm
    wanted = given[begin : begin + len(frames)].mean()
    alone = model.likelihood([frames]).nats
    assert own.n_frames == len(frames) and own.nats == pytest.approx(wanted, abs=1e-6)
    assert alone < wanted - 0.01  # control
