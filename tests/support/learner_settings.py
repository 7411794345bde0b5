"""The table of every learner's settings with their defaults, made from the dataclasses that hold them: docs/learners.md.

Run as a script, this module writes the page (`make documents`).
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, Final

from gridtoll.agents.curves.first_order import FirstOrder
from gridtoll.agents.curves.response import ResponseLearner
from gridtoll.agents.curves.supervised import Supervised
from gridtoll.agents.fixed.constant_search import ConstantSearch
from gridtoll.agents.learned.settings import DEFAULTS_OF, LearnerSettings
from gridtoll.agents.learned.unrolled import Unrolled
from gridtoll.agents.planning.blended import Blended
from gridtoll.agents.planning.foretold import CertaintyEquivalent, ScenarioSample
from gridtoll.agents.planning.prescriptive import Prescriptive
from gridtoll.envs.games.spec import GameName
from gridtoll.train.ground.config import DEFAULT_TRAININGS, TrainConfig
from gridtoll.train.learning.named import BestConstantCharge, GridConstantCharge

PAGE: Final = Path(__file__).resolve().parent.parent.parent / "docs" / "learners.md"
_OWN: Final = {
    "supervised": Supervised,
    "first-order": FirstOrder,
    "response": ResponseLearner,
    "unrolled": Unrolled,
    "constant-search": ConstantSearch,
    "prescriptive": Prescriptive,
    "blended": Blended,
    "certainty-equivalent": CertaintyEquivalent,
    "scenario": ScenarioSample,
    "best-constant": BestConstantCharge,
    "grid-constant": GridConstantCharge,
}
_NUMBERS: Final = ("steps", "parallel_days", "validate_every", "validation_days")
_INTRODUCTION: Final = """\
# Every learner's settings

This page lists what each learner is trained with unless you say otherwise. `make documents` writes it from the dataclasses in the code, and
a test compares both.

A setting is given in one of three ways:

* on the command line: `gridtoll train --algorithm td3 --learning-rate 0.002`. The option is the setting's name with dashes;
* in a plan: `learning_rate = 0.002` in the table of an algorithm, such as `[algorithms.td3]` ([compare.md](compare.md));
* in Python: `LearnerSettings(algorithm="td3", learning_rate=0.002)`, or `Supervised(epochs=30)`.

`zero`, `random`, `optimum` and `best-found` have no settings. `gridtoll tune` chooses settings on validation days.
"""


def page() -> str:
    """Return the whole page."""
    parts = [_INTRODUCTION, "## Trained by `gridtoll train`\n", _sentence(), _glossary(LearnerSettings, leave="algorithm")]
    for game in DEFAULTS_OF:
        parts += [f"### Defaults in the {game} game\n", _learners(game)]
    parts += ["### How long, and how often validated\n", _trainings(), "## Others, in plans of `gridtoll compare`\n"]
    for name, kind in _OWN.items():
        parts += [f"### `{name}`\n", _sentence_of(kind), _defaults(kind)]
    return "\n".join(parts)


def _sentence() -> str:
    return (
        "These are learners of stable-baselines3 and sb3-contrib. With `sbx-` before the name (`sbx-sac`, `sbx-td3`, `sbx-ppo`,\n"
        "`sbx-tqc`, `sbx-crossq`) an algorithm has the same settings and defaults, and learns in JAX, by SBX. In a clone,\n"
        '`python -m pip install ".[jax]"` brings that. SAC, TD3 and TQC take gradient steps of this package\'s own: the\n'
        "same numbers in an eighth to two thirds of the time ([performance](performance.md#where-a-trainings-time-goes)).\n"
        "A dash in a table of defaults says that the algorithm, or the game, makes no use of the setting.\n"
    )


def _learners(game: GameName) -> str:
    """Return the settings of the learners of stable-baselines3, a column for each."""
    known = DEFAULTS_OF[game]
    rows = [
        [f"`{name}`", *(_value(getattr(settings, name)) if is_used(name, settings, game) else "–" for settings in known.values())]
        for name in (entry.name for entry in fields(LearnerSettings) if entry.name != "algorithm")
    ]
    return _table(["setting", *(f"`{name}`" for name in known)], rows)


def is_used(name: str, settings: LearnerSettings, game: GameName) -> bool:
    """Return whether the algorithm's class is given the setting (agents/learned/stable_baselines.py)."""
    if name == "exploration":
        return settings.kind == "td3" or not settings.is_off_policy
    return name != "discount" or game == "hourly"


def _trainings() -> str:
    """Return the numbers of a training, a column for each game."""
    meanings = meanings_of(TrainConfig)
    rows = [[f"`{name}`", *(_value(getattr(each, name)) for each in DEFAULT_TRAININGS.values()), meanings[name]] for name in _NUMBERS]
    return _table(["setting", *DEFAULT_TRAININGS, "meaning"], rows)


def _glossary(kind: type, *, leave: str) -> str:
    rows = [[f"`{name}`", meaning] for name, meaning in meanings_of(kind).items() if name != leave]
    return _table(["setting", "meaning"], rows)


def _defaults(kind: Any) -> str:
    meanings = meanings_of(kind)
    return _table(
        ["setting", "default", "meaning"], [[f"`{each.name}`", _value(each.default), meanings[each.name]] for each in fields(kind)]
    )


def _sentence_of(kind: type) -> str:
    return str(inspect.getdoc(kind)).partition("\n")[0].replace("``", "`") + "\n"


def meanings_of(kind: type) -> dict[str, str]:
    """Return what the docstring of a dataclass says of each field, under `Attributes:`."""
    _, _, attributes = str(inspect.getdoc(kind)).partition("Attributes:\n")
    found = re.findall(r"^    (\w+): (.*(?:\n        .*)*)", attributes, re.MULTILINE)
    return {name: " ".join(words.split()).replace("``", "`") for name, words in found}


def _value(value: object) -> str:
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    return f"`{value}`" if isinstance(value, str) else f"{value:,}" if isinstance(value, int) else f"{value:g}"


def _table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [titles, ["---"] * len(titles), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
