"""The scripts of faults in files, with few cases: no damaged or hostile file crashes, hangs, or is read as another."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("name, n", [("damage", 150), ("hostile", 20), ("damaged_data", 8)])
def test_faults_have_plain_outcomes(name, n):
    found = outcomes(name, n)
    assert sum(found.values()) == n and found["refused"] > n / 4
    assert not [outcome for outcome in found if outcome.isupper()]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit on the size of a file")
def test_a_full_disk_at_any_byte_has_one_outcome():
    assert outcomes("disk", 24) == {"refused": 24}


def outcomes(name, n):
    """The outcomes that a script prints."""
    command = [sys.executable, "-m", f"tests.faults.{name}", "--n", str(n)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    line = done.stdout.splitlines()[0].rpartition(": ")[2]
    return {outcome: int(count) for outcome, count in (pair.split() for pair in line.split(", "))}


CRASHING = """
import os
from tests.faults import cases

def main(folder, seed):
    def case(i):
        if i == 2:
            os.abort()
        while i == 5:
            pass
        return "fine"
    return case

if __name__ == "__main__":
    cases.run(main, "", 8, 2)
"""


def test_crashes_and_hangs_are_seen(tmp_path):
    """Control: cases after them are done too."""
    script = tmp_path / "crashing.py"
    script.write_text(CRASHING)
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, script], env=environment, capture_output=True, text=True, timeout=100)
    assert done.stdout.splitlines()[0] == "crashing: 8 cases, seed 0: CRASH 1, HANG 1, fine 6"
    assert done.stdout.splitlines()[1:] == ["    CRASH: cases [2]", "    HANG: cases [5]"]
