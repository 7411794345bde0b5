"""Hours per second of the batched hourly environment, where its time goes, and what beginning plans at the last hour's would do.

    python benchmarks/hours.py --communities ieee9 simbench-rural --rows 1 16 64

Random charges, a new one every hour. Three forms take turns within one run: the environment as it is, the same with every tail of a day
prepared alone instead of cut from the day's arrays, and single environments one after the other. ``--warm`` tries instead to polish each
plan from the plan of the hour before, and says how often that is proved, what it takes beside a clearing from nothing, and how often the
hour carried out is the same to the last bit. Times are processor time of the process, so that other programs count little; hours a second
are of wall time.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import wraps
from typing import Any

import gymnasium
import numpy as np

from gridtoll.envs.community.day import Day
from gridtoll.envs.community.tails import Tails
from gridtoll.envs.games.setting import make_setting
from gridtoll.envs.games.spec import GameSpec
from gridtoll.envs.market.exact import Clearing
from gridtoll.envs.market.exact.compiled import StructuredMarket, kernel
from gridtoll.envs.market.exact.compiled.program import program_of
from gridtoll.envs.market.exact.solution import TOLERANCE

ID = "gridtoll.envs:gridtoll/Hourly-v0"


class Alone:
    """A market that is never told what a tail was cut from."""

    def __init__(self, market: StructuredMarket) -> None:
        self.market = market

    def clear_many(self, days: Sequence[Day], charges: Any) -> list[Clearing]:
        """Clear copies."""
        return self.market.clear_many([replace(day) for day in days], charges)


class Clock:
    """Processor seconds spent in the compiled loops."""

    def __init__(self) -> None:
        self.seconds = 0.0
        for name in ("approach", "finish", "climb"):
            setattr(kernel, name, self._timed(getattr(kernel, name)))

    def _timed(self, loops: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(loops)
        def run(*arguments: Any) -> Any:
            began = time.thread_time()
            found = loops(*arguments)
            self.seconds += time.thread_time() - began
            return found

        return run


def main() -> None:
    """Measure, and print a line per measurement."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--communities", nargs="+", default=["ieee9", "simbench-rural"])
    parser.add_argument("--rows", type=int, nargs="+", default=[1, 16, 64])
    parser.add_argument("--turns", type=int, default=7, help="of each form (default: %(default)s)")
    parser.add_argument("--hours", type=int, default=480, help="in a turn, shared by the rows (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=1, help="that clear (default: %(default)s)")
    parser.add_argument("--warm", type=int, metavar="DAYS", help="try warm starts on so many days")
    options = parser.parse_args()
    clock = Clock()
    for community in options.communities:
        if options.warm:
            for spread in (None, 0.3, 0.03, 0.0):
                print(community, warm_starts(community, options.warm, spread), flush=True)
            continue
        for rows in options.rows:
            measure(community, rows, clock, options)


def measure(community: str, rows: int, clock: Clock, options: argparse.Namespace) -> None:
    """Print what an hour takes in each form."""
    market = StructuredMarket(threads=options.threads)
    forms: dict[str, Callable[[int], None]] = {
        "as it is": of_rows(gymnasium.make_vec(ID, num_envs=rows, community=community, mechanism=market), rows),
        "tails alone": of_rows(gymnasium.make_vec(ID, num_envs=rows, community=community, mechanism=Alone(market)), rows),
        "one by one": one_by_one(gymnasium.make(ID, community=community, mechanism=market)),
    }
    for play in forms.values():
        play(24 * rows)  # compiles, and loads what is loaded once
    took: dict[str, list[tuple[float, float, float]]] = {form: [] for form in forms}
    for _ in range(options.turns):
        for form, play in forms.items():
            clock.seconds, wall, own = 0.0, time.perf_counter(), time.process_time()
            play(options.hours)
            took[form].append((time.process_time() - own, clock.seconds, time.perf_counter() - wall))
    for form, turns in took.items():
        whole, loops, wall = (1e6 * statistics.median(column) / options.hours for column in zip(*turns, strict=True))
        ratio = statistics.median(one[0] / other[0] for one, other in zip(turns, took["as it is"], strict=True))
        told = f"{whole:.0f} µs an hour, of which loops {loops:.0f}; {ratio:.2f} times the first form; {1e6 / wall:.0f} hours a second"
        print(f"{community}, {rows} rows, {form}: {told}", flush=True)


def of_rows(envs: Any, rows: int) -> Callable[[int], None]:
    """Return what plays so many hours, shared by the rows."""
    cap, rng = float(np.max(envs.unwrapped.setting.charge_cap)), np.random.default_rng(0)
    envs.reset(seed=0)

    def play(hours: int) -> None:
        for _ in range(hours // rows):
            envs.step(cap * rng.uniform(0.0, 1.0, (rows, 1)) ** 2)

    return play


def one_by_one(env: Any) -> Callable[[int], None]:
    """Return what plays so many hours in a single environment."""
    cap, rng = float(np.max(env.unwrapped.setting.charge_cap)), np.random.default_rng(0)
    env.reset(seed=0)

    def play(hours: int) -> None:
        for _ in range(hours):
            if env.step(cap * rng.uniform(0.0, 1.0, 1) ** 2)[2]:
                env.reset()

    return play


def warm_starts(community: str, n_days: int, spread: float | None) -> str:
    """Say what polishing each plan from that of the hour before would do.

    Args:
        community: Whose days are played.
        n_days: How many of them.
        spread: Standard deviation of the logarithm of a charge over that of the hour before; charges are drawn anew where it is absent.
    """
    setting = make_setting(GameSpec(community=community, env="hourly"), split="train")
    market, basis, cap, rng = StructuredMarket(threads=1), setting.tariff.basis[0], float(setting.charge_cap), np.random.default_rng(1)
    cold, tries, proved, same, off = [], [], 0, 0, 0.0
    market.clear(setting.community.day(0), 0.0 * basis)
    for index in rng.choice(setting.days, n_days):
        day = setting.community.day(int(index))
        tails, stored, before, charge = Tails(day), day.storage_start, None, cap * rng.uniform(0.0, 0.5)
        for hour in range(day.n_periods):
            charge = cap * rng.uniform() ** 2 if spread is None else min(cap, charge * np.exp(spread * rng.standard_normal()))
            tail, posted = tails.at(hour, stored), charge * basis
            program_of(tail)
            began = time.thread_time()
            plan = market.clear(tail, posted)
            cold.append(time.thread_time() - began)
            if before is not None:
                began = time.thread_time()
                valid, primal, dual, gap, *_, arrays = kernel.clear_warm(program_of(tail), posted[None], rest_of(before))
                tries.append(time.thread_time() - began)
                if valid and max(primal, dual, abs(gap)) <= TOLERANCE:
                    _, energy, trade = arrays
                    proved += 1
                    same += bool(np.array_equal(trade[0], plan.trade[0]) and np.array_equal(energy[1], plan.stored_energy[1]))
                    off = max(off, float(np.abs(trade[0] - plan.trade[0]).max()))
            before, stored = plan, np.clip(plan.stored_energy[1], 0.0, day.storage_capacity)
    how = "drawn anew" if spread is None else f"moving by {spread:g}"
    found = f"{proved / len(tries):.0%} of {len(tries)} tries proved, {same} the same to the last bit, trades up to {off:.0e} kW off"
    return f"charges {how}: {found}; a try takes {1e6 * np.mean(tries):.0f} µs, a clearing {1e6 * np.mean(cold):.0f}"


def rest_of(plan: Clearing) -> Clearing:
    """Return a plan without its first hour."""
    rows: dict[str, Any] = {name: np.ascontiguousarray(getattr(plan, name)[1:]) for name in plan.by_period}
    return replace(plan, stored_energy=np.ascontiguousarray(plan.stored_energy[1:]), **rows)


if __name__ == "__main__":
    main()
