"""What serves the pages: Bokeh's server on the loopback address, with its own scripts, and nothing from anywhere else."""

from __future__ import annotations

import errno
import logging
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

from bokeh.application import Application
from bokeh.application.handlers.document_lifecycle import DocumentLifecycleHandler
from bokeh.application.handlers.function import FunctionHandler
from bokeh.core.templates import get_env
from bokeh.document import Document
from bokeh.server.server import BaseServer
from bokeh.server.tornado import BokehTornado
from tornado.httpserver import HTTPServer
from tornado.ioloop import IOLoop

from .background.processes import Background
from .page.begun import Begun
from .page.day_page import DayPage
from .page.hour_page import HourPage

ADDRESS: Final = "127.0.0.1"
PAGES: Final = (("/", "A day"), ("/hourly", "Hour by hour, by hand"))
_HERE: Final = Path(__file__).parent / "page" / "templates"
_LAST_PORT: Final = 65535
_REFUSED: Final = {errno.EADDRINUSE: "another program listens", errno.EACCES: "this user may not listen"}
_PAGES: Final[dict[str, tuple[str, Callable[[Document, Begun, Background], object]]]] = {
    "/": ("day.html", DayPage),
    "/hourly": ("hour.html", HourPage),
}


class Serving(NamedTuple):
    """A server that listens, and its port."""

    server: BaseServer
    port: int

    @property
    def url(self) -> str:
        """Where the page of a day is."""
        return f"http://{ADDRESS}:{self.port}/"


@contextmanager
def serving(begun: Begun, background: Background, *, port: int) -> Iterator[Serving]:
    """Serve the pages meanwhile; :func:`run_until_stopped` answers.

    Args:
        begun: What pages begin with.
        background: Works out what takes longer.
        port: To listen on, 0 for any that is free.

    Raises:
        ValueError: If there is no such port, or another program listens there.
    """
    for name in ("bokeh", "tornado"):
        logging.getLogger(name).setLevel(logging.ERROR)
    listening = _listening(port)
    bound = int(listening.getsockname()[1])
    origins = [f"{ADDRESS}:{bound}", f"localhost:{bound}"]
    applications = {path: application_of(path, begun, background) for path in _PAGES}
    pages = BokehTornado(applications, extra_websocket_origins=origins, use_index=False, redirect_root=False)
    http = HTTPServer(pages)
    http.add_sockets([listening])
    server = BaseServer(IOLoop.current(), pages, http)
    server.start()
    try:
        yield Serving(server, bound)
    finally:
        http.stop()
        server.stop()


def _listening(port: int) -> socket.socket:
    """Return a socket that listens on the loopback address; errors as :func:`serving`."""
    if not 0 <= port <= _LAST_PORT:
        raise ValueError(f"`port` must be from 0 to {_LAST_PORT}, got {port}.")
    made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a page served a moment ago is no other program
        made.bind((ADDRESS, port))
        made.listen()
    except OSError as error:
        made.close()
        if error.errno not in _REFUSED:
            raise
        reason = _REFUSED[error.errno]
        raise ValueError(f"`port` must be free, got {port}, on which {reason}. Pass another, or 0 for any that is free.") from None
    made.setblocking(False)
    return made


def run_until_stopped(serving: Serving, *, ready: Callable[[], object]) -> int:
    """Answer until the process is interrupted or asked to end, and return the signal that did so.

    Args:
        serving: What answers.
        ready: Called once from here on an interruption is an orderly end: whoever is told how to end it may do so at once.
    """
    loop: Any = serving.server.io_loop
    came: list[int] = []

    def stop(number: int, _: object) -> None:
        came.append(number)
        loop.asyncio_loop.call_soon_threadsafe(loop.stop)

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        ready()
        loop.start()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    return came[0] if came else signal.SIGINT


def application_of(path: str, begun: Begun, background: Background) -> Application:
    """Return what makes a page at a path of :data:`PAGES` for everybody who opens it."""
    template, make = _PAGES[path]

    def fill(document: Document) -> None:
        document.template = _template(template)
        document.template_variables.update(
            community=begun.problem.community.name, objective=begun.problem.spec.objective, pages=PAGES, here=path
        )
        make(document, begun, background)

    return Application(FunctionHandler(fill), DocumentLifecycleHandler())  # which tells a page that it was closed


def _template(name: str) -> Any:
    """Return a page's template: the frame with the page's own block within."""
    frame, page = ((_HERE / each).read_text(encoding="utf-8") for each in ("frame.html", name))
    return get_env().from_string(frame.replace("{% block contents %}{% endblock %}", page))
