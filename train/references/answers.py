"""Looking up what was computed before, and computing what was not: one day in this process, or many days by workers.

A :class:`Form` says where answers of a kind are kept, and how they are written. JSON has no words for NaN and infinity: they are written as
text.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, Final, Generic, Protocol, Self, TypeVar, cast

from ...agents.optimum.miqp import MiqpError
from ...envs.community.calendar import Scenario
from ...envs.errors import ClearingError
from ..workers import Workers
from .store import store, stored

_NOT_FINITE: Final = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}

Key = Mapping[str, Any]


A = TypeVar("A")
A_co = TypeVar("A_co", covariant=True)


class Together(Protocol[A_co]):
    """Finds the answers of many questions at once."""

    def __call__(self, questions: Sequence[Any], *, threads: int) -> Iterator[tuple[int, A_co | Exception]]:
        """Yield the place of each question with its answer, or with why there is none, as they are found.

        Args:
            questions: At least one.
            threads: How many threads to use.
        """


@dataclass(frozen=True)
class Form(Generic[A]):
    """Where answers of a kind are kept, and how they are read.

    Attributes:
        folder: Of the store, None for answers that are not kept.
        answer: Their class, a frozen dataclass of numbers, words and tuples of these.
    """

    folder: str | None
    answer: type[A]

    def kept(self, key: Key) -> A | None:
        """Return the answer kept for a key, None if there is none."""
        written = stored(self.folder, key) if self.folder else None
        return None if written is None else self.read(written)

    def keep(self, key: Key, answer: A) -> A:
        """Keep an answer, and return it."""
        if self.folder:
            store(self.folder, key, self.written(answer))
        return answer

    def written(self, answer: A) -> dict[str, Any]:
        """Return an answer in words of JSON."""
        return {name: _written(value) for name, value in asdict(cast(Any, answer)).items()}

    def read(self, written: Mapping[str, Any]) -> A:
        """Return the answer that :meth:`written` made words of JSON of."""
        return self.answer(**{name: _read(value) for name, value in written.items()})


@dataclass(frozen=True)
class Found(Generic[A]):
    """What became of one scenario of several.

    Attributes:
        scenario: Which one.
        solved: The answer, None where it failed.
        was_stored: Whether it came from the store.
        error: Why it failed, else None.
    """

    scenario: Scenario
    solved: A | None
    was_stored: bool = False
    error: str | None = None

    @classmethod
    def kept(cls, scenario: Scenario, answer: A) -> Self:
        """Return one that came from the store."""
        return cls(scenario, answer, was_stored=True)


def look_up(form: Form[A], key: Key, compute: Callable[[], A], *, recompute: bool = False) -> tuple[A, bool]:
    """Return the answer to one question and whether it was stored; where it was not, it is computed in this process and kept.

    Args:
        form: Of the answers.
        key: Of the question.
        compute: Finds the answer; what it raises goes through.
        recompute: Whether to compute what is stored as well, and keep the new answer.
    """
    answer = None if recompute else form.kept(key)
    return (form.keep(key, compute()), False) if answer is None else (answer, True)


def look_up_days(
    form: Form[A],
    scenarios: Sequence[Scenario],
    keys: Sequence[Key],
    compute: Callable[[Any], A],
    workers: Workers,
    *,
    label: str,
    questions: Sequence[Any] | None = None,
    before: Callable[[Sequence[int]], None] | None = None,
    together: Together[A] | None = None,
    recompute: bool = False,
) -> list[Found[A]]:
    """Return the answers for scenarios, what is not stored computed by the workers and kept one by one.

    A scenario that fails is reported, and the others go on. Whatever interrupts, scenarios already solved are kept.

    Args:
        form: Of the answers.
        scenarios: Which days under which prices.
        keys: One for each.
        compute: Finds the answer of one question; it must pickle.
        workers: Compute.
        label: Of the progress bar.
        questions: What `compute` is given of each, the scenarios where absent.
        before: Told which are not stored, before they are computed.
        together: Finds the answers of many questions at once, where that is faster.
        recompute: Whether to compute all of them, and keep the new answers.
    """
    found: dict[int, Found[A]] = {}
    for number, (scenario, key) in enumerate(zip(scenarios, keys, strict=True)):
        answer = None if recompute else form.kept(key)
        if answer is not None:
            found[number] = Found.kept(scenario, answer)
    missing = [number for number in range(len(scenarios)) if number not in found]
    if missing and before is not None:
        before(missing)
    asked = [(scenarios if questions is None else questions)[number] for number in missing]
    attempt = partial(_attempt, compute)
    solved = workers.each(attempt, asked, label) if together is None else workers.each_together(together, asked, label)
    written: list[Future[A]] = []
    with ThreadPoolExecutor(1) as writer:  # a file takes 10 ms to reach the disk, in which searches may go on
        for which, outcome in solved:
            number = missing[which]
            scenario = scenarios[number]
            if isinstance(outcome, Exception):
                found[number] = Found(scenario, None, error=f"day {scenario.day}, price path {scenario.price_path}: {outcome}")
            else:
                found[number] = Found(scenario, outcome)
                written.append(writer.submit(form.keep, keys[number], outcome))
    for write in written:
        write.result()
    return [found[number] for number in range(len(scenarios))]


def all_of(found: Sequence[Found[A]], what: str) -> list[A]:
    """Return every answer.

    Args:
        found: What became of the scenarios.
        what: Names the answers in the error.

    Raises:
        ClearingError: If some failed; the others are kept.
    """
    errors = [entry.error for entry in found if entry.error is not None]
    if errors:
        raise ClearingError(f"{what} of {len(errors)} of {len(found)} days was not found: {'; '.join(errors)}")
    return [entry.solved for entry in found if entry.solved is not None]


def _attempt(compute: Callable[[Any], A], question: Any) -> A | Exception:
    """Solve one scenario of several; what cannot be solved is an answer as well, so that the others go on."""
    try:
        return compute(question)
    except (ClearingError, MiqpError, ValueError) as error:
        return error


def _written(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_written(item) for item in value]
    return str(value) if str(value) in _NOT_FINITE else value


def _read(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(_read(item) for item in value)
    return _NOT_FINITE.get(value, value) if isinstance(value, str) else value
