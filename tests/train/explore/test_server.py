"""The server of the pages, without a browser."""

from __future__ import annotations

import signal
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("bokeh", reason="needs bokeh")
ioloop: Any = pytest.importorskip("tornado.ioloop", reason="needs tornado")


def test_an_interruption_as_soon_as_it_says_that_it_is_ready_ends_it_well() -> None:
    from gridtoll.train.explore.server import run_until_stopped

    loop = ioloop.IOLoop(make_current=False)
    serving: Any = SimpleNamespace(server=SimpleNamespace(io_loop=loop))
    handler = signal.getsignal(signal.SIGINT)
    try:
        assert run_until_stopped(serving, ready=lambda: signal.raise_signal(signal.SIGINT)) == signal.SIGINT
    finally:
        loop.close()
    assert signal.getsignal(signal.SIGINT) is handler
