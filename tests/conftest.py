"""Fixtures: a small random model whose every probability can be summed by hand."""

import hashlib
import os
from pathlib import Path

import pytest
from helpers import model_with, random_params

import rtrbm

# numba looks at the file of a compiled function alone to see whether it has changed, not at those of what it calls.
sources = sorted(Path(rtrbm.__file__).parent.glob("compute/numba/*.py"))
version = hashlib.md5(b"".join(source.read_bytes() for source in sources)).hexdigest()
os.environ["NUMBA_CACHE_DIR"] = str(Path(__file__).parents[1] / ".pytest_cache" / f"numba-{version}")


@pytest.fixture
def params():
    """4 visible and 3 hidden units, weights of scale 0.8."""
    return random_params()


@pytest.fixture(params=[False, True], ids=["static b_v", "dynamic b_v"])
def any_params(request):
    """The same without and with the dynamic visible bias."""
    return random_params(dynamic=request.param)


@pytest.fixture
def model(params):
    """An RTRBM with those parameters, in float64, on one thread."""
    return model_with(params)
