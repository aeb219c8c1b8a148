"""What type checkers say of the public signatures: nothing of a right script, and every mistake of a wrong one."""

import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

DATA = Path(__file__).parent / "data"
RIGHT, WRONG = DATA / "typed_script.py", DATA / "wrong_script.py"


def test_the_right_script_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    total = runpy.run_path(str(RIGHT))["main"](tmp_path)
    assert isinstance(total, float)


def test_mypy_finds_the_mistakes_and_nothing_else(tmp_path):
    pytest.importorskip("mypy")
    options = ["--strict", "--follow-imports=silent", "--cache-dir", str(tmp_path), str(RIGHT), str(WRONG)]
    run = subprocess.run([sys.executable, "-m", "mypy", *options], capture_output=True, text=True, cwd=DATA.parents[1])
    found = set(re.findall(r"(\w+\.py):(\d+): error", run.stdout))
    lines = WRONG.read_text(encoding="utf-8").splitlines()
    assert found == {(WRONG.name, str(n)) for n, line in enumerate(lines, 1) if "# wrong" in line}, (
        run.stdout + run.stderr
    )
