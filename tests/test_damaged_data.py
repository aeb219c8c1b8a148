"""Some damaged and hostile files of data (tests/faults/damaged_files.py has thousands)."""

import sys

import pytest

pytest.importorskip("resource")
from faults import damaged_files  # noqa: E402

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="memory is measured by Linux's /proc")
SLOW = (
    "zeros.npz many-zeros.npz bzip2.npz lzma.npz zeros.mat columns.csv bomb.zip bzip2.zip members.zip bomb.tgz "
    "member.tgz header.tgz bomb.tbz bomb.txz one-row.csv endless.mid deep.pickle"
).split()  # to make, or to read


def wrong(files):
    counts, found, *_ = damaged_files.run(files)
    assert sum(counts.values()) > 50
    return found


def test_damaged_files_give_errors_or_values():
    assert wrong(damaged_files.random_files(100, 1)) == []


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_hostile_files_do_no_harm():
    kept = {name: file for name, file in damaged_files.HOSTILE.items() if name not in SLOW}
    assert wrong((name, make(), reader) for name, (make, reader) in kept.items()) == []


def test_what_is_wrong_is_seen():
    assert damaged_files.verdict("values", 3, 0, 0) == "slow"
    assert damaged_files.verdict("error", 0, 2**27, 100) == "memory"
    assert damaged_files.verdict("crash -11", 0, 0, 0) == "crash"
    assert damaged_files.verdict("foreign KeyError: 1", 0, 0, 0) == "foreign"
    assert damaged_files.verdict("values", 1, 2**20, 0) == "values"
