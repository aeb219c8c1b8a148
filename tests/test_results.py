"""Every number in a table of results comes from a run that is kept; the reader of runs and the page that it makes."""

import csv
import fnmatch
import json
import re
from pathlib import Path

import numpy as np
import pytest

from experiments import results
from experiments.readers import TABLES, read_run
from experiments.results import add, gather, page, shown, summary
from experiments.runner import minutes_before, timed

DOCS = Path(__file__).parent.parent / "docs"
KEPT = DOCS / "results"
NAMES = [
    "choosing", "results", "real-data", "recipe", "ablation", "from-sklearn", "likelihood", "performance", "music",
    "motion", "spikes", "denoising",
]  # fmt: skip
PAGES = [DOCS.parent / "README.md", *(path for name in NAMES if (path := DOCS / f"{name}.md").exists())]
NUMBER = re.compile(r"(?<![\w.-])-?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?![\w.-]*\w)")


# ------------------------------------------------------------------------------------- numbers in tables


def tables(text):
    """The tables of a page: the comment above, which says where the numbers are from or that there are none; the cells.

    `<!-- results: NAME ... -->` names runs in docs/results, with * for any characters, and "published";
    `<!-- no results -->` marks a table whose numbers were not measured.
    """
    found, above = [], ""
    for block in re.split(r"\n\s*\n", text):
        lines = block.strip().splitlines()
        first = next((i for i, line in enumerate(lines) if line.startswith("|")), None)
        if first is not None:
            above = lines[first - 1] if first else above
            rows = [line.strip("|").split("|") for line in lines[first:] if line.startswith("|")]
            found.append((above, [rows[0], *rows[2:]]))
        above = lines[-1] if lines else ""
    return found


def numbers(rows):
    """The numbers in a table as they are shown: not in its head, its first column, code, or words like 15x15."""
    cells = [cell for row in rows[1:] for cell in row[1:]]
    return [number for cell in cells for number in NUMBER.findall(re.sub(r"`[^`]*`|\]\([^)]*\)", "", cell))]


def known(names, kept=KEPT):
    """All numbers of the runs with these names and of their means over seeds; apart from them those of settings."""

    def wanted(name):
        return any(fnmatch.fnmatch(name, pattern) for pattern in names)

    texts = [(kept / "published.csv").read_text()] if wanted("published") else []
    for path in kept.glob("*/*.csv"):
        texts += [path.read_text()] if wanted(path.parent.name) else []
    with open(kept / "summary.csv", newline="") as file:
        texts += [" ".join(row.values()) for row in csv.DictReader(file) if any(map(wanted, row["runs"].split()))]
    settings = " ".join(path.read_text() for path in kept.glob("*/settings.json") if wanted(path.parent.name))
    return [np.array(re.findall(r"-?\d+(?:\.\d+)?(?:e[-+]\d+)?", text), float) for text in (" ".join(texts), settings)]


def unknown(above, rows, kept=KEPT):
    """The numbers of a table that are in no run that it names, rounded as they are shown; all of them without names."""
    if "<!-- no results -->" in above or not numbers(rows):
        return []
    named = re.search(r"<!-- results: (.*?) -->", above)
    if named is None:
        return numbers(rows)
    measured, settings = known(named[1].split(), kept)

    def is_known(number):
        value, digits = float(number.replace(",", "")), len(number.partition(".")[2])
        rounded = abs(measured - value) <= 0.5 * 10**-digits * (1 + 1e-9)
        return rounded.any() or not digits and value in settings  # such as 400 hidden units

    return [number for number in numbers(rows) if not is_known(number)]


ALL = [(path, i, *table) for path in PAGES for i, table in enumerate(tables(path.read_text()))]


@pytest.mark.parametrize("above, rows", [table[2:] for table in ALL], ids=[f"{p.stem}-{i}" for p, i, *_ in ALL])
def test_every_number_in_a_table_is_in_a_run(above, rows):
    missing = unknown(above, rows)
    remedy = "run the command of this table, keep the run (python -m experiments.results --add) and show its numbers"
    assert not missing, f"{', '.join(missing)} in no run that the comment names ({above!r}): {remedy}"


TABLE = (
    "<!-- results: a* -->\n\n| model | error | units |\n|---|---|---|\n| RTRBM, 7 taps | 1.23 ± 0.03 | 40 (`9`, 6x6) |"
)


def test_a_number_that_nobody_measured_is_noticed(tmp_path):
    """Control: changed numbers, a table without a name, the numbers of a run of another name."""
    a_run(tmp_path, "a1", 1, 1.2), a_run(tmp_path, "a2", 2, 1.26), a_run(tmp_path, "b", 3, 5.0)
    (tmp_path / "summary.csv").write_text(summary(gather(tmp_path)))

    def wrong(text):
        ((above, rows),) = tables(text)
        return unknown(above, rows, tmp_path)

    assert numbers(tables(TABLE)[0][1]) == ["1.23", "0.03", "40"]
    assert wrong(TABLE) == ["1.23", "0.03"]  # with b the mean is over three seeds
    (tmp_path / "b" / "errors.csv").unlink()
    (tmp_path / "summary.csv").write_text(summary(gather(tmp_path)))
    assert wrong(TABLE) == []  # mean and standard error over seeds, and a whole number of the settings
    assert wrong(TABLE.replace("1.23", "1.24")) == ["1.24"]
    assert wrong(TABLE.replace("40", "41")) == ["41"]
    assert wrong(TABLE.replace("results: a*", "results: b")) == ["1.23", "0.03"]
    assert wrong(TABLE.replace("<!-- results: a* -->", "Text.")) == ["1.23", "0.03", "40"]
    assert wrong(TABLE.replace("results: a*", "no results")) == []


def test_pages_have_tables_of_results():
    """Control: what is looked for is there."""
    assert sum("<!-- results:" in above for _, _, above, _ in ALL) >= 10
    assert len(tables("| a |\n|---|\n| 1 |\n\ntext\n| b |\n|---|\n| 2 |")) == 2


# ------------------------------------------------------------------------------------- runs and the page


def a_run(kept, name, seed, error, **settings):
    """A run of bouncing balls in a folder."""
    (kept / name).mkdir(parents=True, exist_ok=True)
    own = {"profile": "quick", "resolution": 15, "n_taps": 0, "dynamic_visible_bias": False, "n_hidden": 40}
    own |= {"n_updates": 1000, "seed": seed, "minutes": {"rtrbm": 2.0 * seed}, "versions": {"commit": f"abcdef{seed}"}}
    (kept / name / "settings.json").write_text(json.dumps({**own, **settings}, indent=2))
    rows = [("copy-previous", "none", 3.0), ("linear extrapolation", "none", 1.8)]
    rows += [("autoregression, 2 taps", "none", 1.25), ("RTRBM", "mean", error)]
    rows += [("RTRBM", "chain", 2 * error)]
    lines = [f'"{predictor}",{protocol},{value},0.05\n' for predictor, protocol, value in rows]
    (kept / name / "errors.csv").write_text(
        "predictor,protocol,squared_error_per_frame,standard_error\n" + "".join(lines)
    )
    return kept / name


def test_seeds_are_averaged(tmp_path):
    a_run(tmp_path, "one", 1, 1.2), a_run(tmp_path, "other", 2, 1.26), a_run(tmp_path, "large", 1, 0.9, n_hidden=80)
    large, row, *_ = gather(tmp_path)
    assert (large.n_seeds, large.value, large.error, large.minutes) == (1, 0.9, 0.05, 2.0)
    assert (row.n_seeds, row.runs, row.commits) == (2, ("one", "other"), ("abcdef1", "abcdef2"))
    assert row.value == pytest.approx(1.23) and row.error == pytest.approx(0.03) and row.minutes == 3.0
    assert row.beside == {"linear predictor": 1.25, "copying": 3.0, "extrapolation": 1.8}
    assert row.lost is True and large.lost is False  # 1.23 + 0.03 > 1.25
    a_run(tmp_path, "again", 1, 1.2)
    assert gather(tmp_path)[1].n_seeds == 2  # the same once more
    a_run(tmp_path, "again", 1, 1.3)
    with pytest.raises(ValueError, match="again and one and other measure .*RTRBM.* from the same seed"):
        gather(tmp_path)


def test_every_kind_of_run_has_its_rows(tmp_path):
    """Those that scripts write, of one row for each model."""
    kinds = {
        "ablation": "predictor,seed,squared_error_per_frame,standard_error,linear_error,seconds\n"
                    "copy-previous,,3.0,0.1,,\nRTRBM,4,1.5,0.1,1.2,60\n",
        "recipe": "variant,squared_error_per_frame,standard_error,seconds\nthe recipe,2.5,0.1,30\n",
        "walking": "task,seed,model,linear,copy,model_over_linear,minutes\nwalking,0,0.06,0.07,0.1,0.9,2\n",
        "jsb": "task,seed,model,linear,copy,model_over_linear,minutes\njsb,0,2.5,2.7,4.9,0.9,2\n",
        "spikes": "visible,seed,model,weight_match,correlation\npoisson,2,RTRBM,0.97,0.93\n",
        "digits": "model,accuracy,+-,minus BernoulliRBM,+-,seconds\nRBM(),0.95,0.01,0.001,0.002,6\n",
    }  # fmt: skip
    kinds["mocap6"] = "predictor,seed,squared_error_per_feature,published,minutes\ncopy-previous,,0.2,,\nAR(3),,0.1,,\n"
    kinds["mocap6"] += "best,0,0.05,,3\n"
    kinds["music"] = "set,model,trained_on,seed,nats,standard_error,lower,upper,method,updates,best,minutes\n"
    kinds["music"] += "jsb,1-gram,as it is,0,-11.06,0,-11.06,-11.06,exact,,,\n"
    kinds["music"] += "jsb,rnnrbm,transposed,0,-6,0.01,-6.02,-5.97,ais,5000,4000,7\nmine.mid,rnnrbm,,0,,,,,,,,\n"
    recipes = {"walking": {"model": "TRBM", "n_taps": 3, "n_hidden": 9, "n_updates": 5}}
    recipes["jsb"] = {**recipes["walking"], "model": "RTRBM", "n_predictions": 8}
    settings = {"profile": "quick", "n_hidden": 9, "n_updates": 5, "protocol": "mean", "seed": 0, "seeds": 3}
    settings |= {"set": "mocap6", "statistics": "all", "minutes": None, "hidden": 10}
    settings |= {"recipes": recipes, "validation": False, "engine": "numpy", "versions": {"commit": "abc"}}
    for name, text in kinds.items():
        folder = tmp_path / name
        folder.mkdir()
        (folder / "settings.json").write_text(json.dumps(settings))
        (folder / "rows.csv").write_text(text)
        if name == "music":
            recipes["jsb"]["model"] = {"n_hidden": 200}
            (folder / "settings.json").write_text(json.dumps(settings))
    rows = {row.runs[0]: row for row in sorted(gather(tmp_path), key=lambda row: row.model)}
    assert {name: (row.model, row.value, row.minutes) for name, row in rows.items()} == {
        "ablation": ("RTRBM", 1.5, 1.0),
        "recipe": ("the recipe", 2.5, 0.5),
        "walking": ("TRBM, 3 taps", 0.06, 2.0),
        "jsb": ("RTRBM, 3 taps", 2.5, 2.0),
        "digits": ("RBM()", 0.95, 0.1),
        "spikes": ("RTRBM", 0.93, None),
        "mocap6": ("best", 0.05, 3.0),
        "music": ("RNN-RBM", -6.0, 7.0),
    }
    assert rows["digits"].error == 0.01 and rows["digits"].n_seeds == 3  # of two columns "+-" the first
    assert rows["jsb"].protocol == "mean, 8 predictions averaged" and rows["walking"].protocol == "mean"
    assert rows["music"].bracket == (-6.02, -5.97) and rows["music"].beside == {"1-gram of notes": -11.06}
    assert rows["music"].settings == "transposed, 200 hidden units, 5,000 updates" and rows["music"].protocol == "ais"
    assert "-6.00 ± 0.01 [-6.02, -5.97]" in page([rows["music"]], []) and "-6.02,-5.97" in summary([rows["music"]])
    assert rows["ablation"].lost and not rows["walking"].lost


def test_the_page_says_first_where_the_linear_predictor_is_as_good(tmp_path):
    a_run(tmp_path, "one", 1, 1.3)
    published = [{"table": "balls15", "model": "RNN-RBM", "value": "0.96", "protocol": "", "source": "somebody 2012"}]
    text = page(gather(tmp_path), published)
    lost, balls = (rows for _, rows in tables(text))
    assert lost[1:] == [lost[1]]  # the best protocol alone
    assert text.index("linear predictor is as good") < text.index("## Bouncing balls, 15x15")
    assert [cell.strip() for cell in lost[1]][1:] == ["RTRBM", "mean", lost[1][3].strip(), "1.30 ± 0.05", "1.25"]
    assert [row[0].strip() for row in balls] == ["model", "RNN-RBM", "RTRBM", "RTRBM"]  # the best first
    assert numbers(balls)[:11] == ["0.96", "2012", "1.30", "0.05", "1.25", "3", "1.8", "40", "1,000", "2", "1"]
    a_run(tmp_path, "one", 1, 1.1)
    assert "Nowhere." in page(gather(tmp_path), published)


def test_runs_that_differ_in_more_than_their_seed_are_not_averaged(tmp_path):
    a_run(tmp_path, "one", 1, 1.2, learning_rate=0.01), a_run(tmp_path, "other", 2, 1.26, learning_rate=0.01)
    assert gather(tmp_path)[0].n_seeds == 2  # control
    a_run(tmp_path, "other", 2, 1.26, learning_rate=0.02)
    with pytest.raises(ValueError, match="one and other measure .* differ in more than their seeds, learning_rate:"):
        gather(tmp_path)


def test_a_run_that_was_broken_off_is_not_kept(tmp_path):
    with pytest.raises(ValueError, match="was broken off: go on with --resume"):
        add(a_run(tmp_path, "mine", 1, 1.2, broken_off=True), tmp_path / "kept")
    assert not (tmp_path / "kept").exists()


def test_a_run_is_added(tmp_path, capsys):
    docs, folder = tmp_path / "docs", a_run(tmp_path / "results", "mine", 1, 1.2, data="/home/me", out="results/mine")
    (docs / "results").mkdir(parents=True)
    (docs / "results" / "published.csv").write_text("table,model,value,protocol,source\n")
    (docs / "results.md").write_text(f"Before.\n{results.BEGIN}\nold\n{results.END}\nAfter.\n")
    assert results.main(["--add", str(folder), "--out", str(docs)]) == 0
    kept = read_run(docs / "results" / "mine")
    assert "/" not in json.dumps(kept.settings) and kept.settings["n_hidden"] == 40 and kept.tables["errors"]
    text = (docs / "results.md").read_text()
    assert text.startswith("Before.") and text.endswith("After.\n") and "1.20 ± 0.05" in text and "old" not in text
    a_run(tmp_path / "results", "mine", 1, 1.4, versions={"commit": "abc-dirty"})
    results.main(["--add", str(folder), "--out", str(docs)])
    assert "nobody can repeat" in capsys.readouterr().out and "1.40 ± 0.05" in (docs / "results.md").read_text()


def music_run(kept, name, rows, seed=0, **settings):
    """A run on music in a folder; rows of set, model, trained_on, nats and updates."""
    (kept / name).mkdir(parents=True)
    recipe = {"model": {"n_hidden": 50}, "minutes": {}}
    own = {"seed": seed, "sets": ["jsb"], "minutes": None, "transpose": False, "recipes": {"jsb, as it is": recipe}}
    own |= {"versions": {"commit": "abc"}}
    (kept / name / "settings.json").write_text(json.dumps({**own, **settings}))
    head = "set,model,trained_on,seed,nats,standard_error,lower,upper,method,updates,best,minutes\n"
    lines = [
        f"{part},{model},{how},{seed},{nats},0,{nats},{nats},exact,{n},{n},1\n" for part, model, how, nats, n in rows
    ]
    (kept / name / "scores.csv").write_text(head + "".join(lines))
    return kept / name


def test_a_run_on_sets_of_ones_own_keeps_the_recipes_of_the_others(tmp_path):
    recipe = {"model": {"n_hidden": 50}, "minutes": {"rnnrbm": 3}}
    own = {"recipes": {"jsb, as it is": recipe, "path/mine.json, as it is": recipe}, "sets": ["jsb", "path/mine.json"]}
    rows = [("jsb", "rnnrbm", "as it is", -6, 9), ("path/mine.json", "rnnrbm", "as it is", -5, 9)]
    rows += [("walking", "rnnrbm", "as it is", -4, 9)]
    assert add(music_run(tmp_path, "mine", rows, **own), tmp_path / "kept") is None
    assert list(read_run(tmp_path / "kept" / "mine").settings["recipes"]) == ["jsb, as it is"]
    (row,) = gather(tmp_path / "kept")  # a set that is called walking is no motion
    assert (row.table, row.value, row.settings) == ("jsb", -6, "as it is, 50 hidden units, 3 minutes")


def test_runs_on_music_with_other_sets_and_options_stand_together(tmp_path):
    """Predictors that are the same from any seed, and recipes of sets that one of the runs has alone."""
    gram, model = ("jsb", "1-gram", "as it is", -11, ""), ("jsb", "rnnrbm", "as it is", -6, 9)
    music_run(tmp_path, "one", [gram, model])
    keys = {"jsb, transposed": {"model": {"n_hidden": 50}, "minutes": {}}}
    music_run(tmp_path, "other", [gram, ("jsb", "rnnrbm", "transposed", -5, 9)], 1, transpose=True, recipes=keys)
    recipe = {"model": {"n_hidden": 50}, "minutes": {}}
    both = {"jsb, as it is": recipe, "nottingham, as it is": recipe}
    music_run(tmp_path, "two", [(*model[:3], -6.2, 9)], 1, sets=["jsb", "nottingham"], recipes=both)
    found = {(row.model, row.settings): (row.value, row.n_seeds) for row in gather(tmp_path)}
    assert found == {
        ("1-gram of notes", "as it is"): (-11, 1),
        ("RNN-RBM", "as it is, 50 hidden units, 9 updates"): (pytest.approx(-6.1), 2),
        ("RNN-RBM", "transposed, 50 hidden units, 9 updates"): (-5, 1),
    }
    music_run(tmp_path, "three", [(*model[:3], -6.3, 9)], 2, recipes={"jsb, as it is": {**recipe, "step": 1}})
    with pytest.raises(ValueError, match="differ in more than their seeds, recipes: keep one"):
        gather(tmp_path)


def test_minutes_of_a_run_that_goes_on_add_up(tmp_path):
    (tmp_path / "settings.json").write_text(json.dumps({"minutes": {"rtrbm": 2.0}}))
    (tmp_path / "rtrbm.h5").touch()
    for resume, before in ((True, 2.0), (False, 0.0)):
        minutes = minutes_before(tmp_path, resume)
        with pytest.raises(KeyboardInterrupt), timed(minutes, "rtrbm", dict):
            raise KeyboardInterrupt
        assert before <= minutes["rtrbm"] < before + 1
    assert minutes_before(tmp_path / "none", True) == {}


def test_what_is_no_run_is_refused(tmp_path):
    with pytest.raises(ValueError, match="--add wants the folder of a run that ended, .* got .*none"):
        add(tmp_path / "none", tmp_path / "kept")
    with pytest.raises(ValueError, match="names no commit"):
        add(a_run(tmp_path, "mine", 1, 1.2, versions={}), tmp_path / "kept")
    (tmp_path / "mine" / "large.csv").write_text("1\n" * results.LARGEST)
    with pytest.raises(ValueError, match="large.csv has 400,000 bytes"):
        add(tmp_path / "mine", tmp_path / "kept")
    with pytest.raises(ValueError, match="must have the lines"):
        results.within("text", "tables")
    assert not (tmp_path / "kept").exists()


def test_numbers_are_shown_to_the_first_digit_of_their_error():
    assert [shown(1.2345, 0.012), shown(0.06137, 0.0004), shown(47.74, 3.2), shown(1.4493, 0.0097)] == [
        "1.23 ± 0.01",
        "0.0614 ± 0.0004",
        "48 ± 3",
        "1.45 ± 0.01",
    ]
    assert [shown(11.8237), shown(1.2)] == ["11.82", "1.2"]


def test_the_page_is_that_of_the_runs():
    """`python -m experiments.results` changes nothing; every number in print has a table, and every run its commit."""
    rows, published = gather(KEPT), results.read_table(KEPT / "published.csv")
    assert (KEPT / "summary.csv").read_text() == summary(rows)
    text = (DOCS / "results.md").read_text()
    assert text == results.within(text, page(rows, published))
    assert {row["table"] for row in published} <= set(TABLES) and all(row["source"] for row in published)
    for path in KEPT.glob("*/settings.json"):
        assert json.loads(path.read_text())["versions"]["commit"] and "/" not in path.read_text()


@pytest.fixture
def docs(tmp_path):
    """A page with one run that is kept."""
    docs = tmp_path / "docs"
    a_run(docs / "results", "mine", 1, 1.2)
    (docs / "results" / "published.csv").write_text("table,model,value,protocol,source\n")
    (docs / "results.md").write_text(f"Before.\n{results.BEGIN}\nold\n{results.END}\nAfter.\n")
    return docs


def contents(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    "name, text, message",
    [
        ("settings.json", "{bad", "settings.json is damaged"),
        ("settings.json", "[1]", "settings.json must hold settings by their names, got a list"),
        ("errors.csv", "", "errors.csv is no table"),
        ("errors.csv", "predictor,protocol,squared_error_per_frame,standard_error\nRTRBM,mean,1,0.1\n",
         "errors.csv or settings.json of the run mine lacks .*autoregression"),
    ],
)  # fmt: skip
def test_what_is_added_is_read_before_anything_changes(name, text, message, docs, tmp_path):
    folder = a_run(tmp_path / "results", "mine", 1, 1.4)
    (folder / name).write_text(text)
    before = contents(docs)
    with pytest.raises(ValueError, match=message):
        results.main(["--add", str(folder), "--out", str(docs)])
    assert contents(docs) == before


def test_a_run_that_contradicts_another_is_not_kept(docs, tmp_path):
    before, other = contents(docs), a_run(tmp_path / "results", "other", 1, 1.4)
    with pytest.raises(ValueError, match="mine and other measure .* from the same seed"):
        results.main(["--add", str(other), "--out", str(docs)])
    with pytest.raises(ValueError, match="--add must name folders of different names, got other, other"):
        results.main(["--add", str(other), str(other), "--out", str(docs)])
    (docs / "results.md").rename(docs / "page.md")
    with pytest.raises(FileNotFoundError, match="results.md"):
        results.main(["--add", str(other), "--out", str(docs)])
    (docs / "page.md").rename(docs / "results.md")
    assert contents(docs) == before


def test_a_kept_run_can_be_added_once_more(docs, capsys):
    assert results.main(["--add", str(docs / "results" / "mine"), "--out", str(docs)]) == 0
    before = contents(docs / "results" / "mine")
    assert results.main(["--add", str(docs / "results" / "mine"), "--out", str(docs)]) == 0
    assert contents(docs / "results" / "mine") == before and "1.20 ± 0.05" in (docs / "results.md").read_text()
    (docs / "results" / "mine" / "errors.csv").write_text("a,b\n1,2\n")
    results.main(["--add", str(docs / "results" / "mine"), "--out", str(docs)])
    assert "none of its tables has numbers that are compared" in capsys.readouterr().out
