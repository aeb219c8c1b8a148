"""Fixtures: a small random model whose every probability can be summed by hand."""

import os
import signal

import pytest
from helpers import model_with, random_params

# What ran these tests in the background may have had signals ignored, which stay so.
signal.signal(signal.SIGINT, signal.default_int_handler)
if hasattr(signal, "SIGHUP"):
    signal.signal(signal.SIGHUP, signal.SIG_DFL)

WITHOUT_COMPILER = os.environ.get("NUMBA_DISABLE_JIT", "0") != "0"
if WITHOUT_COMPILER:
    import emulated

    emulated.install()


def pytest_configure(config):
    """Compiled code has whole numbers that wrap around, and divisions by 0, without a word."""
    if WITHOUT_COMPILER:
        config.addinivalue_line("filterwarnings", "ignore:.* encountered in:RuntimeWarning")


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
