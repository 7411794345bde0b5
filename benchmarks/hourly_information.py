"""Which part of an hourly observation is worth what: `unrolled` learns again with parts hidden, in training and when it is scored.

    python benchmarks/hourly_information.py --community simbench-rural --seeds 3

What a leader with a memory could add is what observations do not say. So this hides what they do say: the energy stored, the last hour's
trade, the present hour, the forecasts. Prints the mean profit on validation days in EUR a day, that of each seed, and the mean of paired
differences to seeing all. Results are written as they come, so that the command can be killed and started again.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, cast

import numpy as np
from numpy.typing import NDArray

from gridtoll.agents.learned.unrolled import Unrolled
from gridtoll.agents.policy import Observation, Policy, State
from gridtoll.agents.practice import Practice, UnrolledDays
from gridtoll.envs.community.calendar import Scenario
from gridtoll.envs.games.spec import GameSpec
from gridtoll.train.ground.runs import write_text
from gridtoll.train.ground.text import table
from gridtoll.train.learning.practice import TaskPractice
from gridtoll.train.task import environment_of
from gridtoll.train.workers import Workers

_STORED: Final = ("stored", "each_stored")
_LAST: Final = ("last_traded", "last_import", "last_export")
_PRESENT: Final = ("now_spread", "now_load", "now_renewable", "now_surplus", "now_deficit", "now_matched")
HIDDEN: Final[dict[str, tuple[str, ...] | None]] = {
    "nothing": (),
    "energy stored": _STORED,
    "the last hour's trade": _LAST,
    "both": (*_STORED, *_LAST),
    "both and the present hour": (*_STORED, *_LAST, *_PRESENT),
    "all but the hour": None,
}
"""Fields that are hidden; None for all but `hour`."""


class Blindfold:
    """A policy that is shown zeros in some places of its observations."""

    def __init__(self, policy: Policy, seen: NDArray[np.float64]) -> None:
        self._policy, self._seen = policy, seen

    def predict(
        self,
        observation: Observation,
        state: State | None = None,
        episode_start: NDArray[np.bool_] | None = None,
        deterministic: bool = False,
    ) -> tuple[NDArray[np.float64], State | None]:
        """Return what the policy posts for what it sees."""
        return self._policy.predict(np.asarray(observation) * self._seen, state, episode_start, deterministic)


class BlindfoldedPractice:
    """Practice whose observations have zeros in some places."""

    def __init__(self, practice: TaskPractice, seen: NDArray[np.float64]) -> None:
        self._practice, self._seen = practice, seen

    def __getattr__(self, name: str) -> Any:
        return getattr(self._practice, name)

    def unrolled(self, policy: Policy, scenarios: Sequence[Scenario]) -> UnrolledDays:
        """Return days as the blindfolded policy leads them."""
        days = self._practice.unrolled(Blindfold(policy, self._seen), scenarios)
        return replace(days, observations=days.observations * self._seen)

    def validate(self, policy: Policy) -> float:
        """Return what the blindfolded policy earns on validation days."""
        return self._practice.validate(Blindfold(policy, self._seen))


def main() -> None:
    """Train every variant with every seed, and print the table."""
    parser = argparse.ArgumentParser(description="Measure what parts of an hourly observation are worth.")
    parser.add_argument("--out", type=Path, default=Path("results/hourly_information.json"), metavar="FILE")
    parser.add_argument("--community", default="simbench-rural")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=640, help="training days (default: %(default)s)")
    parser.add_argument("--validation-days", type=int, default=28)
    options = parser.parse_args()
    options.out.parent.mkdir(parents=True, exist_ok=True)
    known: dict[str, float] = json.loads(options.out.read_text()) if options.out.is_file() else {}
    for seed in range(options.seeds):
        for hidden in HIDDEN:
            key = f"{options.community}/{options.steps}/{options.validation_days}/{hidden}/{seed}"
            if key not in known:
                known[key] = earned(options, hidden, seed)
                write_text(options.out, json.dumps(known, indent=1))
            print(key, f"{known[key]:.2f}", flush=True)
    each = {
        hidden: np.array(
            [known[f"{options.community}/{options.steps}/{options.validation_days}/{hidden}/{seed}"] for seed in range(options.seeds)]
        )
        for hidden in HIDDEN
    }
    rows = [
        [hidden, f"{earnings.mean():.2f}", " ".join(f"{value:.2f}" for value in earnings), f"{(earnings - each['nothing']).mean():+.2f}"]
        for hidden, earnings in each.items()
    ]
    print(table(["hidden", "earns", "each seed", "beside nothing hidden"], rows))


def earned(options: argparse.Namespace, hidden: str, seed: int) -> float:
    """Return what a leader that learned with fields hidden earns on validation days, EUR a day: the best of its validations."""
    task = GameSpec(env="hourly", community=options.community)
    observer = environment_of(task).observer
    fields = HIDDEN[hidden]
    seen = np.ones(observer.size)
    for name, place in observer.layout.items():
        if name in fields if fields is not None else name != "hour":
            seen[place] = 0.0
    with TemporaryDirectory() as folder, Workers(1, quiet=True) as workers:
        practice = TaskPractice(
            task, seed=seed, folder=Path(folder), steps=options.steps, validation_days=options.validation_days, workers=workers
        )
        Unrolled().learn(cast(Practice, BlindfoldedPractice(practice, seen)))
        return max(point.validation_eur for point in practice.curve)


if __name__ == "__main__":
    main()
