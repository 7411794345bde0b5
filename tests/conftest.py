"""What every test runs under: one thread a process, no window, a cache of its own, the same Hypothesis examples everywhere."""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, settings

# No deadline: a test that fails only when the machine is busy says nothing.
settings.register_profile("gridtoll", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("gridtoll")


def pytest_configure(config: pytest.Config) -> None:
    """Set the process up before any test module imports NumPy or PyTorch, which read these variables only once."""
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")  # the tests run one process a core already; threads on top of that only wait
    os.environ["MPLBACKEND"] = "Agg"
    if getattr(config, "cache", None) is not None:  # quick the second time, apart from the user's own cache, gone with `make clean`
        os.environ.setdefault("GRIDTOLL_CACHE", str(config.cache.mkdir("gridtoll")))
