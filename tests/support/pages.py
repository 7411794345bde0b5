"""A page without a server: what it would ask other processes for is done at once, and what it put off when told to."""

from __future__ import annotations

from concurrent.futures import Future
from typing import Any

from bokeh.document import Document

from gridtoll.envs import Scenario
from gridtoll.envs.games.spec import GameSpec
from gridtoll.train.explore.background.processes import Background, Kind
from gridtoll.train.explore.model.problem import Problem
from gridtoll.train.explore.page.begun import Begun


class AtOnce(Background):
    """Does every job as it is asked for."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def page(self) -> int:
        return 0

    def newer(self, kind: Kind, page: int) -> None:
        """Nothing runs that could be given up."""

    def ask(self, kind: Kind, page: int, job: Any, *arguments: Any) -> Future[Any]:
        self.asked.append(job.__name__)
        future: Future[Any] = Future()
        try:
            future.set_result(job(*arguments, lambda: None))
        except Exception as error:  # noqa: BLE001 - as a process would hand it back
            future.set_exception(error)
        return future


class Waiting(AtOnce):
    """Works nothing out until the test does."""

    def __init__(self) -> None:
        super().__init__()
        self.futures: list[Future[Any]] = []

    def ask(self, kind: Kind, page: int, job: Any, *arguments: Any) -> Future[Any]:
        self.futures.append(Future())
        return self.futures[-1]


def problem_of(community: str, day: int = 180, **game: Any) -> Problem:
    """Return a day of a community."""
    return Problem(spec=GameSpec(community=community, **game), scenario=Scenario(day, 0))


def begun_with(problem: Problem, *, charge: float = 0.2, leader: str = "constant:0.3", hourly_leader: str | None = None) -> Begun:
    """Return what a page begins with."""
    return Begun(problem=problem, charge=charge, leader=leader, hourly_leader=hourly_leader)


def let_go_on(document: Document) -> None:
    """Do what a page has put off until the server has its next turn."""
    while document.session_callbacks:
        callback: Any = document.session_callbacks[0]
        document.callbacks.remove_session_callback(callback)
        callback.callback()
