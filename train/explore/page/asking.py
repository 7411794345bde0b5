"""What a page asks the background for, and how the answers reach it; those to older questions are dropped."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import CancelledError, Future
from functools import partial
from typing import Any, TypeVar

from bokeh.document import Document

from ..background.processes import KINDS, Background, Kind, SupersededError
from ..model.reading import in_words

Answer = TypeVar("Answer")


class Asking:
    """The questions of one page.

    Args:
        background: Answers them.
        document: Of the page; answers arrive in its turn.
    """

    def __init__(self, background: Background, document: Document) -> None:
        self._background, self._document = background, document
        self._page, self._number = background.page(), dict.fromkeys(KINDS, 0)
        self._open = True
        self._turns = _running_loop()
        document.on_session_destroyed(lambda _: self.close())

    def newer(self, kind: Kind) -> None:
        """Drop what was asked for so far."""
        self._number[kind] += 1
        self._background.newer(kind, self._page)

    def ask(
        self, kind: Kind, job: Callable[..., Answer], *arguments: Any, then: Callable[[Answer], None], failed: Callable[[str], None]
    ) -> None:
        """Ask for something.

        Args:
            kind: Which process works it out.
            job: What it calls, with the arguments and a check.
            arguments: Of the job; they must pickle.
            then: Gets the answer.
            failed: Gets the error in words.
        """
        future = self._background.ask(kind, self._page, job, *arguments)
        deliver = partial(self._deliver, kind, self._number[kind], then, failed)
        future.add_done_callback(lambda done: self._in_turn(partial(deliver, done)))

    def _in_turn(self, deliver: Callable[[], None]) -> None:
        """Have an answer delivered in the server's turn: another thread calls this, maybe when the page is already gone."""
        if self._turns is None:
            self._hand_over(deliver)
        elif not self._turns.is_closed():
            self._turns.call_soon_threadsafe(self._hand_over, deliver)

    def _hand_over(self, deliver: Callable[[], None]) -> None:
        if self._open:
            self._document.add_next_tick_callback(deliver)

    def _deliver(self, kind: Kind, number: int, then: Callable[[Any], None], failed: Callable[[str], None], done: Future[Any]) -> None:
        if not self._open or number != self._number[kind]:
            return
        try:
            answer = done.result()
        except (CancelledError, SupersededError):
            return
        except Exception as error:  # whatever it is, the page says so
            logging.getLogger(__name__).debug("a job of the page failed", exc_info=True)
            failed(in_words(error))
            return
        then(answer)

    def close(self) -> None:
        """Ask nothing more, and drop what was asked for."""
        self._open = False
        for kind in KINDS:
            self.newer(kind)


def _running_loop() -> asyncio.AbstractEventLoop | None:
    """Return the loop of the server that makes the page, None where it is made without one."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
