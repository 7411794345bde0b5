"""What AC adds to a day of training: the batched environment, one environment, and SAC as users train it, under DC and under AC.

    python benchmarks/power_flow.py --community simbench-rural

Both power flows take turns within one run, under the account of injections and the same charges. Seconds are processor time: what else
the machine does weighs on neither. Compiling and first visits to days come before. Each number is the median over turns, the ratio the
median of the turns' own.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Final

import numpy as np

from gridtoll.envs import PricingVectorEnv
from gridtoll.envs.community.sources import COMMUNITY_NAMES, DEFAULT_COMMUNITY
from gridtoll.envs.games.spec import GameSpec
from gridtoll.envs.machine import available_cores
from gridtoll.train.ground.config import training_of
from gridtoll.train.learning.learn import train
from gridtoll.train.workers import Workers

POWER_FLOWS: Final = ("dc", "ac")
Turn = Callable[[], float]
"""Plays some days and returns the processor time of one in seconds."""


def main() -> None:
    """Measure, and print a line for each case."""
    parser = argparse.ArgumentParser(description="Measure what AC adds to a day of training.")
    parser.add_argument("--community", default=DEFAULT_COMMUNITY, choices=COMMUNITY_NAMES)
    parser.add_argument("--num-envs", type=int, nargs="*", default=[1, 16, 64], help="rows of the batched environment")
    parser.add_argument("--turns", type=int, default=7, help="of each kind (default: %(default)s)")
    parser.add_argument("--steps", type=int, default=1000, help="days of a turn of SAC; 0 leaves it out (default: %(default)s)")
    options = parser.parse_args()
    libraries = ", ".join(f"{name} {version(name)}" for name in ("gridtoll", "numpy", "numba", "lightsim2grid"))
    print(f"Python {platform.python_version()} on {platform.machine()}, {available_cores()} cores; {libraries}", flush=True)
    for n in options.num_envs:
        print(
            json.dumps(
                {"case": f"step of {n} rows", **compared([batch(options.community, name, n) for name in POWER_FLOWS], options.turns)}
            )
        )
    if options.steps:
        turns = [sac(options.community, name, options.steps) for name in POWER_FLOWS]
        print(json.dumps({"case": "SAC", **compared(turns, options.turns)}))


def compared(turns: list[Turn], n_turns: int) -> dict[str, float]:
    """Return medians in microseconds a day, and of the turns' own ratios."""
    for turn in turns:
        turn()
    taken = np.array([[turn() for turn in turns] for _ in range(n_turns)])
    of_each = {f"{name} microseconds": round(1e6 * statistics.median(column)) for name, column in zip(POWER_FLOWS, taken.T, strict=True)}
    return of_each | {"ratio": round(statistics.median(taken[:, 1] / taken[:, 0]), 3)}


def batch(community: str, power_flow: str, n: int, n_days: int = 512) -> Turn:
    """Return a turn of random charges in the batched environment."""
    envs = PricingVectorEnv(n, community, flows="injections", power_flow=power_flow)

    def turn() -> float:
        random = np.random.default_rng(0)
        envs.reset(seed=0)
        began = time.process_time()
        for _ in range(n_days // n):
            envs.step(random.uniform(0, envs.setting.charge_cap, (n, 1)))
        return (time.process_time() - began) / n_days

    return turn


def sac(community: str, power_flow: str, steps: int) -> Turn:
    """Return a turn of SAC with the settings of ``gridtoll train``, validations included."""
    config = training_of(GameSpec(community=community, flows="injections", power_flow=power_flow), None, {}, steps=steps, seed=0)

    def turn() -> float:
        with tempfile.TemporaryDirectory() as folder, Workers(1, quiet=True) as workers:
            began = time.process_time()
            train(config, Path(folder) / "run", workers)
            return (time.process_time() - began) / steps

    return turn


if __name__ == "__main__":
    main()
