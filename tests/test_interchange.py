"""The filter on docs/interchange.md, without rtrbm: the numbers of `transform`."""

import re
from pathlib import Path

import numpy as np
import pytest

PAGE = (Path(__file__).parents[1] / "docs" / "interchange.md").read_text(encoding="utf-8")
MODEL, NUMPY, TORCH = re.findall(r"^```python\n(.*?)^```", PAGE, re.M | re.S)


@pytest.mark.parametrize("library, code", [("numpy", NUMPY), ("torch", TORCH)])
def test_the_filter_has_the_numbers_of_transform(library, code, tmp_path, monkeypatch):
    pytest.importorskip(library)
    monkeypatch.chdir(tmp_path)
    made, own = {}, {}
    exec(MODEL.replace("n_updates=200", "n_updates=20"), made)
    exec(code, own)
    wanted = made["model"].transform(made["X"][:1])[0]
    assert "rtrbm" not in code and len([line for line in code.splitlines() if line.strip()]) <= 10
    np.testing.assert_allclose(np.stack([np.asarray(r) for r in own["r"]]), wanted, rtol=0, atol=1e-5)
    assert np.ptp(wanted, axis=0).max() > 1e-3
