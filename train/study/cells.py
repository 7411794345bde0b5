"""Questions of single days, answered side by side and kept: a study that was killed goes on where it was.

An answer is a JSON file in the study's folder ``cells``, written whole or not at all, named by a hash of everything it depends on: the
question, the community's data, the source of the model and of the module the question stands in. Another question, or another model, has
another name.
"""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final, Protocol

from ..ground.runs import write_text
from ..references.meaning import Source
from ..references.store import software
from ..workers import Workers
from .cases import Case, community_of

Answer = dict[str, Any]
"""JSON values."""

_ROOT: Final = Path(__file__).resolve().parents[2]
_SHARED: Final = (
    "train/study/cases.py",
    "train/study/tables.py",
    "train/scoring/kept.py",
    "envs/community/community.py",
    *(f"envs/account/{name}.py" for name in ("loss_shares", "fairness", "social", "social_program")),
)
"""Modules that answers depend on, beside the optimum's, the brackets' and the one a question stands in."""


class Question(Protocol):
    """A frozen dataclass of words and numbers that knows how to answer itself."""

    @property
    def case(self) -> Case:
        """The day it is about."""
        ...

    def answer(self) -> Answer:
        """Work it out."""
        ...


@dataclass(frozen=True)
class Answered:
    """A question with its answer."""

    question: Any
    answer: Answer


def answer_all(questions: Sequence[Question], folder: Path, workers: Workers) -> list[Answered]:
    """Answer questions in the workers, but for those whose answers the folder holds.

    Args:
        questions: What to ask; equal ones are asked once.
        folder: Keeps the answers.
        workers: Answer them.
    """
    folder.mkdir(parents=True, exist_ok=True)  # where it cannot be made, that is known before hours of work
    different = list(dict.fromkeys(questions))
    paths = {question: folder / f"{_name(question)}.json" for question in different}
    open_ones = [question for question in different if _read(paths[question]) is None]
    for place, answer in workers.each(_answer_of, open_ones, "cells"):  # kept here, as they come in: workers may be on another machine
        _keep(paths[open_ones[place]], open_ones[place], answer)
    answers = {question: _read(paths[question]) for question in different}
    return [Answered(question, answers[question] or {}) for question in questions]


def _answer_of(question: Question) -> Answer:
    return question.answer()


def _keep(path: Path, question: Question, answer: Answer) -> None:
    content = {"question": type(question).__name__, **asdict(question), "answer": answer}  # type: ignore[call-overload]
    write_text(path, json.dumps(content, allow_nan=False) + "\n")


def _read(path: Path) -> Answer | None:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    answer: Answer | None = content.get("answer") if isinstance(content, dict) else None
    return answer


def _name(question: Question) -> str:
    key = {
        "question": type(question).__name__,
        "asked": asdict(question),  # type: ignore[call-overload]
        "community": community_of(question.case.system).content_hash,
        "software": _software(inspect.getfile(type(question))),
    }
    return hashlib.sha256(json.dumps(key, sort_keys=True, allow_nan=False).encode()).hexdigest()[:32]


@cache
def _software(module: str) -> str:
    """Return a hash of what answers: all optima and what they rest on, what only this study asks for, and the question's module."""
    own = Source(frozenset({Path(module), *(_ROOT / name for name in _SHARED)}), frozenset())
    known = "".join(map(software, ("optima", "brackets", "breakpoints", "played")))
    return hashlib.sha256((known + own.digest()).encode()).hexdigest()
