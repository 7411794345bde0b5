"""What the hourly game teaches: hourly charges beside one for the day, with and without storage; forecast errors; leaders that learn.

    python benchmarks/hourly.py --out results/hourly

Every stage writes what it has as it goes and skips what is there, so that the command can be killed and started again; `--stages` picks
some. `train` fills OUT/runs, the others write OUT/references.json, score.json, errors.json and storage.json, from which `report` prints the
tables of docs/hourly.md. Intervals are 95% hierarchical bootstrap intervals over seeds and whole weeks of days
(:mod:`gridtoll.train.statistics.resampling`).
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from gridtoll.agents.fixed.hourly import SchedulePolicy
from gridtoll.agents.optimum import solve_optimum
from gridtoll.agents.optimum.one_charge.hours import solve_hours
from gridtoll.agents.policy import Policy
from gridtoll.envs.community.calendar import Scenario, week_of
from gridtoll.envs.community.day import Day
from gridtoll.envs.games.spec import GameSpec
from gridtoll.envs.grid.grid import IntArray
from gridtoll.envs.market.exact.compiled import StructuredMarket
from gridtoll.train.ground.config import training_of
from gridtoll.train.ground.playing import play_days
from gridtoll.train.ground.runs import RunFolder, write_text
from gridtoll.train.ground.text import table, with_interval
from gridtoll.train.learning import learn
from gridtoll.train.references.hours import HourlyEnds, SearchEffort, search_day
from gridtoll.train.scoring.chosen import find_best_schedule
from gridtoll.train.scoring.leaders import learned_policy, make_leader
from gridtoll.train.statistics.intervals import hierarchical_bootstrap, paired_difference
from gridtoll.train.task import environment_of
from gridtoll.train.workers import Workers

STAGES = ("train", "references", "score", "errors", "storage", "report")
ERRORS = (0.05, 0.1, 0.2)
Numbers = dict[str, Any]


def main() -> None:
    """Run the stages asked for."""
    parser = argparse.ArgumentParser(description="Measure what the hourly game teaches.")
    parser.add_argument("--out", type=Path, default=Path("results/hourly"), metavar="DIR")
    parser.add_argument("--stages", nargs="*", default=STAGES, choices=STAGES, help="default: all")
    parser.add_argument("--community", default="simbench-rural")
    parser.add_argument("--days", type=int, default=60, help="test days, spread evenly (default: %(default)s)")
    parser.add_argument("--seeds", type=int, default=5, help="trainings of each algorithm (default: %(default)s)")
    parser.add_argument("--steps", type=int, default=640, help="training days of each (default: %(default)s)")
    parser.add_argument("--algorithms", nargs="*", default=["sac", "recurrent-ppo"])
    parser.add_argument("--plans", type=int, default=1500, help="of the search for each day's best sequence (default: %(default)s)")
    parser.add_argument("--starts", type=int, default=0, help="of the search, beside the day-ahead optima (default: %(default)s)")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    stages: dict[str, Callable[[argparse.Namespace], None]] = {
        "train": train,
        "references": references,
        "score": score,
        "errors": errors,
        "storage": storage,
        "report": report,
    }
    for stage in options.stages:
        began = time.process_time()
        stages[stage](options)
        print(f"{stage}: {time.process_time() - began:.0f} s of processor time", flush=True)


def runs(options: argparse.Namespace) -> list[tuple[str, int, Path]]:
    """Return algorithm, seed and folder of every training."""
    return [(name, seed, options.out / "runs" / f"{name}-{seed}") for name in options.algorithms for seed in range(options.seeds)]


def train(options: argparse.Namespace) -> None:
    """Train every algorithm with every seed."""
    for name, seed, folder in runs(options):
        if (folder / "config.json").is_file():
            learn.resume(folder, Workers(1))
        else:
            folder.parent.mkdir(parents=True, exist_ok=True)
            task = GameSpec(env="hourly", community=options.community)
            learn.train(training_of(task, name, seed=seed, steps=options.steps), folder, Workers(1))
        print(name, seed, [round(row["objective_eur"], 2) for row in RunFolder.open(folder).progress()], flush=True)


def days_of(options: argparse.Namespace) -> list[Scenario]:
    """Return the test days."""
    return environment_of(GameSpec(env="hourly", community=options.community)).community.scenarios("test", options.days)


def references(options: argparse.Namespace) -> None:
    """Search the best sequences of the test days."""
    file, task = options.out / "references.json", GameSpec(env="hourly", community=options.community)
    kept: Numbers = json.loads(file.read_text()) if file.is_file() else {}
    for place, scenario in enumerate(days_of(options)):
        if str(place) not in kept:
            kept[str(place)] = asdict(search_day(task, scenario, SearchEffort(plans=options.plans, starts=options.starts)))
            write_text(file, json.dumps(kept))


def ends_of(options: argparse.Namespace) -> dict[int, HourlyEnds]:
    """Return what `references` wrote, by the place of the day among the test days."""
    kept = {int(place): HourlyEnds(**each) for place, each in json.loads((options.out / "references.json").read_text()).items()}
    return {place: kept[place] for place in range(options.days)}


def score(options: argparse.Namespace) -> None:
    """Play every leader on all test days."""
    file, task, days = options.out / "score.json", GameSpec(env="hourly", community=options.community), days_of(options)
    kept: dict[str, list[list[float]]] = json.loads(file.read_text()) if file.is_file() else {}
    for name in ("zero", "random", "grid-constant", "best-schedule"):
        if name not in kept:
            kept[name] = [earned(task, make_leader(name, task, days, Workers(1), seed=0).on, days)]
            write_text(file, json.dumps(kept))
    for name, seed, folder in runs(options):
        if len(kept.setdefault(name, [])) <= seed:
            kept[name].append(earned(task, _same(learned_policy(RunFolder.open(folder), task)), days))
            write_text(file, json.dumps(kept))


def earned(task: GameSpec, policies: Callable[[Scenario], Policy], days: Sequence[Scenario]) -> list[float]:
    """Return what a leader earns on each day, EUR."""
    return [played.objective_eur for played in play_days(task, policies, days, threads=1)]


def _same(policy: Policy) -> Callable[[Scenario], Policy]:
    return lambda _: policy


def errors(options: argparse.Namespace) -> None:
    """Play leaders made without forecast errors where prosumers err, on every second day, and leave everything else as it was."""
    file, task, ends = options.out / "errors.json", GameSpec(env="hourly", community=options.community), ends_of(options)
    kept: Numbers = json.loads(file.read_text()) if file.is_file() else {}
    hour = environment_of(task).observer.layout["hour"]
    known = {days_of(options)[place]: each for place, each in ends.items() if place % 2 == 0}
    fixed: dict[str, Callable[[Scenario], Policy]] = {
        "day-ahead optimum, repeated": lambda day: SchedulePolicy([known[day].constant_charge], hour),
        "best sequence found": lambda day: SchedulePolicy(np.reshape(known[day].charges, (-1, 1)), hour),
        "best schedule": _same(SchedulePolicy(find_best_schedule(task, Workers(1), seed=0).charges, hour)),
    }
    name = options.algorithms[0]
    for seed in range(options.seeds):
        fixed[f"{name} {seed}"] = _same(learned_policy(RunFolder.open(options.out / "runs" / f"{name}-{seed}"), task))
    for error in (0.0, *ERRORS):
        for leader, policies in fixed.items():
            if f"{error} {leader}" not in kept:
                kept[f"{error} {leader}"] = earned(replace(task, forecast_error=error), policies, list(known))
                write_text(file, json.dumps(kept))


def storage(options: argparse.Namespace) -> None:
    """Compare charges by the hour with one for the day where the stores are taken away; both are certified."""
    file, env = options.out / "storage.json", environment_of(GameSpec(env="hourly", community=options.community))
    kept: Numbers = json.loads(file.read_text()) if file.is_file() else {"day": [], "hours": [], "bound": []}
    market = StructuredMarket(threads=1)
    for scenario in days_of(options)[len(kept["day"]) :]:
        day = without_storage(env.day_of(scenario))
        network, tariff, cap = env.community.network, env.tariff, env.charge_cap
        hours = solve_hours(day, network, tariff, cap=cap, market=market)
        kept["day"].append(solve_optimum(day, network, tariff, cap=cap, market=market).profit_eur)
        kept["hours"].append(hours.goal_eur)
        kept["bound"].append(hours.upper_bound_eur)
        write_text(file, json.dumps(kept))


def without_storage(day: Day) -> Day:
    """Return a day on which nobody can store anything."""
    none = np.zeros(day.n_prosumers)
    return replace(day, storage_power=none, storage_capacity=none, storage_start=none, storage_end=None)


def report(options: argparse.Namespace) -> None:
    """Print the tables from what was measured."""
    libraries = ", ".join(f"{name} {version(name)}" for name in ("gridtoll", "numpy", "numba", "stable-baselines3", "sb3-contrib", "torch"))
    print(f"Python {platform.python_version()} on {platform.machine()}; {libraries}")
    played = {name: np.array(values) for name, values in json.loads((options.out / "score.json").read_text()).items()}
    ends, random = ends_of(options), np.random.default_rng(0)
    known = {
        name: np.array([getattr(each, f"{name}_eur") for each in ends.values()]) for name in ("constant", "kept", "best", "upper_bound")
    }
    weeks = week_of([scenario.day for scenario in days_of(options)])
    print(f"{len(ends)} test days of {len(set(weeks.tolist()))} weeks, EUR a day")
    played |= {"day-ahead": known["constant"][None], "best-found": known["best"][None]}
    print(_table(played, known, random, weeks))
    for name in options.algorithms:
        for other in ("best-schedule", "day-ahead"):
            print(f"{name} less {other}: {with_interval(paired_difference(played[name], played[other], random, blocks=weeks), 2)}")
    for name, other in (("best", "constant"), ("kept", "constant"), ("best", "kept")):
        print(f"{name} less {other}: {with_interval(paired_difference(known[name], known[other], random, blocks=weeks), 2)}")
    if (options.out / "storage.json").is_file():
        bare = {name: np.array(values) for name, values in json.loads((options.out / "storage.json").read_text()).items()}
        gain = with_interval(paired_difference(bare["hours"], bare["day"], random, blocks=weeks[: len(bare["day"])]), 2)
        means = ", ".join(f"{name} {bare[name].mean():.2f}" for name in ("day", "hours", "bound"))
        print(f"without storage, {len(bare['day'])} days: {means}, more {gain}")
    if (options.out / "errors.json").is_file():
        print(_errors_table(json.loads((options.out / "errors.json").read_text()), random, weeks[::2]))


def _table(played: Numbers, known: Numbers, random: np.random.Generator, weeks: IntArray) -> str:
    header = ["leader", "earns [95%]", "regret to best found [95%]", "to bound", "exceeds best found"]
    lines, best = [], known["best"]
    for name, values in played.items():
        earns, lacks = hierarchical_bootstrap(values, random, blocks=weeks), paired_difference(best, values, random, blocks=weeks)
        cells = [with_interval(earns, 2), with_interval(lacks, 2)]
        lines.append([name, *cells, f"{(known['upper_bound'] - values).mean():.0f}", f"{(values > best + 1e-9).mean():.0%}"])
    return table(header, lines)


def _errors_table(told: Numbers, random: np.random.Generator, weeks: IntArray) -> str:
    names = sorted({key.split(" ", 1)[1] for key in told})
    groups = {"sac": [name for name in names if name[-1].isdigit()]} | {name: [name] for name in names if not name[-1].isdigit()}
    header = ["leader", *(f"errors of {error:g}" for error in (0.0, *ERRORS))]
    lines = []
    for group, members in groups.items():
        sure = np.array([told[f"0.0 {name}"] for name in members])
        cells = [f"{sure.mean():.2f}"]
        for error in ERRORS:
            values = np.array([told[f"{error} {name}"] for name in members])
            cells.append(with_interval(paired_difference(values, sure, random, blocks=weeks), 2))
        lines.append([group, *cells])
    return table(header, lines)


if __name__ == "__main__":
    main()
