"""How close the hourly game's bound comes with one store, on test days, and whether anything played exceeds it.

    python benchmarks/one_store.py --out results/one-store --days 8
    python benchmarks/one_store.py --out results/one-store --attack 10000

`prove` writes OUT/COMMUNITY-DAY-PATH.json after every round of splitting, and goes on from there when it is started again. `--attack N`
plays N sequences of charges, random and structured ones and one that a search finds, against each of these bounds, hour by hour, and
writes OUT/COMMUNITY-DAY-PATH-attack.json after every 500 of them. Both end by printing the tables of docs/hourly.md.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

import numpy as np

from gridtoll.agents.optimum.hourly_game.search import HourlyDay, day_ahead_hints, search_hourly
from gridtoll.agents.optimum.one_store.check import attack, drawn, replayed
from gridtoll.agents.optimum.one_store.solve import StoreOptimum, hours_of, solve_hourly
from gridtoll.envs.games.hourly import HourlyGame
from gridtoll.envs.games.spec import GameSpec
from gridtoll.envs.market.exact.compiled import StructuredMarket
from gridtoll.train.ground.runs import write_text
from gridtoll.train.ground.text import table
from gridtoll.train.task import environment_of

AT_ONCE = 500
"""Sequences played between two files."""


def main() -> None:
    """Prove the days, or attack what was proved, and print what is there."""
    parser = argparse.ArgumentParser(description="Prove days with one store, and attack the bounds.")
    parser.add_argument("--out", type=Path, default=Path("results/one-store"), metavar="DIR")
    parser.add_argument("--communities", nargs="*", default=["simbench-rural-pooled", "ieee9-pooled"])
    parser.add_argument("--days", type=int, default=8, help="test days, spread evenly (default: %(default)s)")
    parser.add_argument("--tolerance", type=float, default=0.01, help="gap at which a day is done (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=480.0, help="no round begins later (default: %(default)s)")
    parser.add_argument("--plans", type=int, default=4000, help="of the search before the proof (default: %(default)s)")
    parser.add_argument("--attack", type=int, default=0, metavar="N", help="play N sequences a day instead of proving")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    for community in options.communities:
        spec = GameSpec(env="hourly", community=community)
        for scenario in environment_of(spec).community.scenarios("test", options.days):
            day = HourlyDay(cast(HourlyGame, environment_of(spec).game), scenario, StructuredMarket(threads=1))
            file = options.out / f"{community}-{scenario.day}-{scenario.price_path}.json"
            if options.attack:
                attacked(file, day, options.attack)
            else:
                prove(file, day, options)
    report(options.out)


def prove(file: Path, day: HourlyDay, options: argparse.Namespace) -> None:
    """Prove a day, and keep what is known of it after every round."""
    known, spent, began = None, 0.0, time.process_time()
    if file.exists():
        kept = json.loads(file.read_text())
        spent = kept.pop("processor_seconds")
        known = StoreOptimum(**kept | {"slabs": tuple(tuple(each) for each in kept["slabs"])})
    hints = []
    if known is None:
        hints = day_ahead_hints(day, max_clearings=300)[1]
        hints = [search_hourly(day, hints=hints, n_starts=2, max_plans=options.plans).sequence]

    def keep(found: StoreOptimum) -> None:
        write_text(file, json.dumps(asdict(found) | {"processor_seconds": spent + time.process_time() - began}))
        print(f"{file.stem}: round {found.rounds}, {found.best_eur:.6g} of at most {found.upper_bound_eur:.6g} EUR", flush=True)

    solve_hourly(day, hints=hints, tolerance=options.tolerance, seconds=options.seconds, begin=known, keep=keep)


def attacked(file: Path, day: HourlyDay, n: int) -> None:
    """Play n sequences against the bound of a day, those that were played before left out."""
    if not file.exists():
        return
    kept = json.loads(file.read_text())
    kept.pop("processor_seconds")
    known = StoreOptimum(**kept | {"slabs": tuple(tuple(each) for each in kept["slabs"])})
    result = file.with_name(f"{file.stem}-attack.json")
    done: dict[str, Any] = {"sequences": 0, "greatest_eur": -np.inf, "worst_hour_eur": -np.inf, "bound_eur": known.upper_bound_eur}
    if result.exists() and json.loads(result.read_text())["bound_eur"] == known.upper_bound_eur:
        done = json.loads(result.read_text())
    if done["sequences"] >= n:
        return
    found, cells = replayed(day, known)
    hours = hours_of(day)
    while done["sequences"] < n:
        some = min(AT_ONCE, n - done["sequences"])
        charges = drawn(known, hours.cap, some, seed=done["sequences"])
        if not done["sequences"]:
            charges[0] = search_hourly(day, n_starts=4, seed=1, max_plans=4000).sequence[:, 0]  # of its own, from other starts
        greatest, worst = attack(day, found, cells, charges=charges, owner=hours.owner)
        done["sequences"] += some
        done["greatest_eur"] = max(done["greatest_eur"], greatest)
        done["worst_hour_eur"] = max(done["worst_hour_eur"], worst)
        write_text(result, json.dumps(done))
        print(f"{result.stem}: {done}", flush=True)


def report(out: Path) -> None:
    """Print what is known of the days, and what was played against it."""
    rows, played = [], []
    for file in sorted(out.glob("*.json")):
        kept = json.loads(file.read_text())
        name = file.stem.removesuffix("-attack")
        if "sequences" in kept:
            names = ("sequences", "greatest_eur", "bound_eur", "worst_hour_eur")
            played.append([name, *(f"{kept[each]:,.6g}" for each in names)])
            continue
        gap = (kept["upper_bound_eur"] - kept["best_eur"]) / max(abs(kept["best_eur"]), 0.01)
        numbers = (kept["best_eur"], kept["upper_bound_eur"])
        seconds = (kept["processor_seconds"], kept["seconds"])
        rows.append(
            [name, *(f"{each:,.6g}" for each in numbers), f"{gap:.2%}", str(kept["rounds"]), str(len(kept["price"]))]
            + [f"{each:.0f}" for each in seconds]
        )
    print(table(["day", "best, EUR", "bound, EUR", "gap", "rounds", "lines", "processor s", "proof, s"], rows))
    if played:
        print(table(["day", "sequences", "best, EUR", "bound, EUR", "worst hour, EUR"], played))


if __name__ == "__main__":
    main()
