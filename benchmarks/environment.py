"""Days per second: the batched environment against stable-baselines3's SubprocVecEnv over the default environment, which CVXPY clears.

    python benchmarks/environment.py --num-envs 1 8 64 256 --json

Both play the same game with random charges, in turns within one run: a turn of SubprocVecEnv with as many processes as cores, then one of
the batched environment with each number of rows, again and again. Each number is the median over turns, each ratio the median of the
turns' own ratios, so that whatever else the machine does meanwhile weighs on both alike. Compiling, starting processes and the first visit
to each scenario come before the clock starts; what a first visit costs is stated apart.

``--processor`` counts processor time in place of wall time, that of SubprocVecEnv's processes included: days a second of one core. So the
ratio means something on a busy machine as well. What SubprocVecEnv's processes wait for one another is left out.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import version
from typing import Any

import numpy as np
from gymnasium.vector import VectorEnv
from stable_baselines3.common.vec_env import SubprocVecEnv

from gridtoll.envs import Clearing, Day, DayAheadEnv, PricingVectorEnv, Scenario, make_market
from gridtoll.envs.community.day import Array
from gridtoll.envs.community.sources import COMMUNITY_NAMES, DEFAULT_COMMUNITY, load_community
from gridtoll.envs.machine import available_cores

Row = dict[str, str | float]


class TimedMarket:
    """The compiled kernel with a stopwatch."""

    def __init__(self) -> None:
        self.market = make_market("structured")
        self.seconds = 0.0

    def clear(self, day: Day, charges: Any, *, start: Clearing | None = None) -> Clearing:
        """Clear one day."""
        return self.market.clear(day, charges, start=start)

    def clear_many(self, days: Sequence[Day], charges: Array) -> list[Clearing]:
        """Clear many days, timed."""
        began = time.perf_counter()
        cleared = self.market.clear_many(days, charges)
        self.seconds += time.perf_counter() - began
        return cleared


def main() -> None:
    """Measure, and print a line per measurement."""
    parser = argparse.ArgumentParser(description="Measure how many days a second environments play.")
    parser.add_argument("--community", default=DEFAULT_COMMUNITY, choices=COMMUNITY_NAMES)
    parser.add_argument("--num-envs", type=int, nargs="+", default=[1, 8, 64, 256], help="rows of the batched environment")
    parser.add_argument("--processes", type=int, default=available_cores(), help="of SubprocVecEnv (default: as many as cores)")
    parser.add_argument("--turns", type=int, default=7, help="of each kind (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=1.0, help="least length of a turn (default: %(default)s)")
    parser.add_argument("--processor", action="store_true", help="count processor time, on a busy machine")
    parser.add_argument("--json", action="store_true", help="one JSON object per line")
    options = parser.parse_args()
    if not options.json:
        libraries = ", ".join(f"{name} {version(name)}" for name in ("gridtoll", "numpy", "numba", "cvxpy", "stable-baselines3"))
        print(f"Python {platform.python_version()} on {platform.machine()}, {available_cores()} cores; {libraries}")
    for row in rows(options):
        print(json.dumps(row) if options.json else as_text(row), flush=True)


def rows(options: argparse.Namespace) -> Iterator[Row]:
    """Yield the speed of each kind of environment, then where the time of the batched one goes."""
    community = load_community(options.community)
    markets = {n: TimedMarket() for n in options.num_envs}
    batches = {n: PricingVectorEnv(n, community, mechanism=market) for n, market in markets.items()}
    visits = [first_visits(envs) for envs in batches.values()]
    processes = SubprocVecEnv([_Single(options.community)] * options.processes)
    processes.seed(0)
    processes.reset()
    own = time.process_time if options.processor else time.perf_counter

    def of_processes() -> float:
        return own() + sum(processes.env_method("processor_seconds")) if options.processor else own()

    turns: dict[str, Callable[[], float]] = {"subproc": lambda: subproc_turn(processes, options.seconds, of_processes)}
    turns |= {f"batched {n}": lambda envs=envs: batched_turn(envs, options.seconds, own) for n, envs in batches.items()}  # type: ignore[misc]
    for turn in turns.values():
        turn()  # compiles, and fills caches
    played = [{name: turn() for name, turn in turns.items()} for _ in range(options.turns)]
    processes.close()
    yield {"case": "subproc", "num_envs": options.processes, "steps_per_second": statistics.median(each["subproc"] for each in played)}
    for n in options.num_envs:
        speed = [each[f"batched {n}"] for each in played]
        ratio = statistics.median(each[f"batched {n}"] / each["subproc"] for each in played)
        yield {"case": "batched", "num_envs": n, "steps_per_second": statistics.median(speed), "ratio": ratio}
    for n, envs in batches.items():
        yield {"case": "microseconds a day", "num_envs": n, **where_the_time_goes(envs, markets[n])}
    yield {"case": "first visit to a scenario", "milliseconds": 1e3 * statistics.median(visits)}


class _Single:
    """Makes the default environment in a process of its own."""

    def __init__(self, community: str) -> None:
        self.community = community

    def __call__(self) -> DayAheadEnv:
        return _Timed(self.community)


class _Timed(DayAheadEnv):
    """The default environment, which can be asked what its process has taken."""

    def processor_seconds(self) -> float:
        """Return the processor time of this process so far."""
        return time.process_time()


def first_visits(envs: PricingVectorEnv) -> float:
    """Prepare every training scenario, and return what one took in seconds."""
    began, scenarios = time.perf_counter(), envs.setting.community.scenarios("train")
    for first in range(0, len(scenarios), envs.num_envs):
        chosen = (scenarios[first : first + envs.num_envs] * envs.num_envs)[: envs.num_envs]
        envs.reset(options={name: [getattr(scenario, name) for scenario in chosen] for name in Scenario._fields})
    taken = time.perf_counter() - began
    envs.reset(seed=0)
    return taken / len(scenarios)


def subproc_turn(processes: SubprocVecEnv, seconds: float, clock: Callable[[], float]) -> float:
    """Return days a second of SubprocVecEnv."""
    rng = np.random.default_rng(0)
    return _per_second(
        lambda: processes.step(_charges(rng, processes.num_envs, processes.action_space)), processes.num_envs, seconds, clock
    )


def batched_turn(envs: VectorEnv[Any, Any, Any], seconds: float, clock: Callable[[], float]) -> float:
    """Return days a second of the batched environment."""
    rng = np.random.default_rng(0)
    return _per_second(lambda: envs.step(_charges(rng, envs.num_envs, envs.single_action_space)), envs.num_envs, seconds, clock)


def where_the_time_goes(envs: PricingVectorEnv, market: TimedMarket, n_steps: int = 15) -> dict[str, float]:
    """Return medians over steps in microseconds a day: all of a step, and its parts, of which the clearing is timed within it."""
    setting, rng = envs.setting, np.random.default_rng(1)
    parts: dict[str, list[float]] = {name: [] for name in ("step", "clearing", "charges", "settlement")}
    for _ in range(n_steps):
        actions = _charges(rng, envs.num_envs, envs.single_action_space)
        days, market.seconds = envs.days, 0.0
        parts["step"].append(_seconds(lambda actions=actions: envs.step(actions)))  # type: ignore[misc]
        parts["clearing"].append(market.seconds)
        outcomes = [envs.outcome(row) for row in range(envs.num_envs)]
        charges, clearings = np.stack([outcome.charges for outcome in outcomes]), [outcome.clearing for outcome in outcomes]

        def read(actions: Array = actions) -> None:
            for action in actions:
                setting.tariff.charges(setting.read(action))

        def settle(days: list[Day] = days, charges: Array = charges, clearings: list[Clearing] = clearings) -> None:
            setting.rules.settled_many(days, charges, clearings)

        parts["charges"].append(_seconds(read))
        parts["settlement"].append(_seconds(settle))
    found = {name: 1e6 * statistics.median(seconds) / envs.num_envs for name, seconds in parts.items()}
    return found | {"other": found["step"] - found["clearing"] - found["charges"] - found["settlement"]}


def _charges(rng: np.random.Generator, num_envs: int, space: Any) -> Array:
    """Return random charges in EUR/kWh in the space of one day's actions, shape (num_envs, coefficients)."""
    return rng.uniform(space.low, space.high, (num_envs, *space.shape))


def _seconds(call: Callable[[], object]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def _per_second(call: Callable[[], object], n_days: int, seconds: float, clock: Callable[[], float]) -> float:
    """Return days a second of calls that play ``n_days`` each, for at least that long."""
    began, calls = clock(), 0
    while (taken := clock() - began) < seconds:
        call()
        calls += 1
    return calls * n_days / taken


def as_text(row: Row) -> str:
    """Return one measurement as a line for reading."""
    return f"{row['case']:<26} " + "  ".join(f"{name} {value:.4g}" for name, value in row.items() if not isinstance(value, str))


if __name__ == "__main__":
    main()
