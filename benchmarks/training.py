"""Where a training's processor time goes: python benchmarks/training.py --algorithm sac --community simbench-rural --steps 1000.

Parts are timed from outside: each function named below counts the processor time of this thread spent in it, less that of the parts it
calls. What is under none of them is the learner's own Python and its environment adapters. With several threads of PyTorch or XLA,
``--process`` counts all threads of the process instead. ``--by-autograd`` takes stable-baselines3's own gradient steps in place of those in
``agents/learned/steps``. ``--out`` keeps the run, so that weights can be compared.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from functools import wraps
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import torch

from gridtoll.envs.games.spec import GameSpec
from gridtoll.train.compare.tuned import tuned_settings
from gridtoll.train.ground.config import training_of
from gridtoll.train.learning.learn import train
from gridtoll.train.workers import Workers

PARTS: Final = {
    "clearing": ("gridtoll.envs.market.exact.compiled.market:StructuredMarket.clear_many",),
    "days and observations": ("gridtoll.envs.games.day_ahead:Episodes._prepared",),
    "validation": ("gridtoll.train.learning.learn:_validate",),
    "gradient steps": (),
    "replay buffer": (
        "stable_baselines3.common.buffers:ReplayBuffer.add",
        "stable_baselines3.common.buffers:ReplayBuffer.sample",
        "gridtoll.agents.learned.steps.soft:draw",
        "gridtoll.agents.learned.steps.td3:draw",
    ),
    "acting": ("stable_baselines3.common.off_policy_algorithm:OffPolicyAlgorithm._sample_action",),
    "making the learner": ("gridtoll.train.learning.learn:_new_learner",),
    "checkpoints": ("gridtoll.train.ground.runs:RunFolder.save",),
}


class Clock:
    """Processor seconds by part, each less what nested parts take."""

    def __init__(self, now: Callable[[], float]) -> None:
        self.now, self.seconds, self.nested = now, dict.fromkeys(PARTS, 0.0), [0.0]

    def timed(self, part: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return the function, its time entered under a part."""

        @wraps(function)
        def run(*args: Any, **kwargs: Any) -> Any:
            began = self.now()
            self.nested.append(0.0)
            try:
                return function(*args, **kwargs)
            finally:
                took = self.now() - began
                self.seconds[part] += took - self.nested.pop()
                self.nested[-1] += took

        return run

    def watch(self, part: str, reference: str) -> None:
        """Time a function wherever it is called from."""
        module, _, path = reference.partition(":")
        *owners, name = path.split(".")
        place: Any = import_module(module)
        for owner in owners:
            place = getattr(place, owner)
        setattr(place, name, self.timed(part, getattr(place, name)))


def with_threads(count: int, function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function, with so many threads of PyTorch."""

    @wraps(function)
    def run(*args: Any, **kwargs: Any) -> Any:
        torch.set_num_threads(count)
        return function(*args, **kwargs)

    return run


def main() -> None:
    """Train, and print where the time went as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--algorithm", default="sac", help="sac, td3 or tqc, or one of them in SBX (default: %(default)s)")
    parser.add_argument("--community", default="simbench-rural")
    parser.add_argument("--steps", type=int, default=1000, help="training days (default: %(default)s)")
    parser.add_argument("--updates", type=int, help="gradient steps in each round")
    parser.add_argument("--batch-size", type=int, help="days in one gradient step")
    parser.add_argument("--tuned", metavar="NAME", help="settings that come with gridtoll, or a file of `gridtoll tune`")
    parser.add_argument("--threads", type=int, default=1, help="of PyTorch (default: %(default)s)")
    parser.add_argument("--by-autograd", action="store_true", help="take stable-baselines3's own gradient steps")
    parser.add_argument("--out", type=Path, help="folder of the run; by default nothing is kept")
    parser.add_argument("--process", action="store_true", help="count all threads of the process")
    options = parser.parse_args()
    tuned = tuned_settings(options.tuned, options.algorithm) if options.tuned else {}
    settings = {name: tuple(value) if isinstance(value, list) else value for name, value in tuned.items()}
    settings |= {name: value for name in ("updates", "batch_size") if (value := getattr(options, name)) is not None}
    numbers = {name: settings.pop(name) for name in ("parallel_days", "validate_every") if name in settings}
    config = training_of(GameSpec(community=options.community), options.algorithm, settings, steps=options.steps, **numbers)
    clock = Clock(time.process_time if options.process else time.thread_time)
    for part, references in PARTS.items():
        for reference in references:
            clock.watch(part, reference)
    began, wall = clock.now(), time.perf_counter()
    package = "sbx" if config.learner.is_sbx else f"gridtoll.agents.learned.steps.{config.learner.kind}"
    kind = getattr(import_module(package), config.learner.kind.upper())
    if options.by_autograd:
        kind.train = kind.__base__.train
    at_import = clock.now() - began
    kind.train = clock.timed("gradient steps", kind.train)
    if options.threads > 1:  # a training sets one: this comes after
        kind.train = with_threads(options.threads, kind.train)
    with tempfile.TemporaryDirectory() as folder, Workers(1, quiet=True) as workers:
        began = clock.now()
        train(config, options.out or Path(folder) / "run", workers)
        total = clock.now() - began + at_import
    clock.seconds["importing the library"] = at_import
    clock.seconds["all else"] = total - sum(clock.seconds.values())
    rounded = {part: round(seconds, 2) for part, seconds in clock.seconds.items()}
    print(json.dumps({"total": round(total, 2), "wall": round(time.perf_counter() - wall, 2), **rounded}))


if __name__ == "__main__":
    main()
