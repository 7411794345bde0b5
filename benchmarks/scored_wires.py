"""Leaders scored in the linear model and under AC on the same days, and what learning under AC is worth.

    python benchmarks/scored_wires.py --community simbench-rural --leaders zero constant:0.2 best-constant optimum
    python benchmarks/scored_wires.py --community simbench-rural --leaders response --trained dc ac --seeds 0 1 2 3 4
    python benchmarks/scored_wires.py --table

A call plays one or several leaders on test days and adds a row for each day to the file; what stands there already is not done again, so
that a campaign resumes. ``--trained`` says which power flow a leader learned, was chosen or was solved under. Every leader is played under
both. Operators answer for injections. ``--table`` prints the tables of docs/wires.md: regret beside regret, and the paired difference
between learning under AC and in the linear model, with 95% bootstrap intervals over weeks (and seeds).
"""

from __future__ import annotations

import argparse
import tempfile
from itertools import product
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd

from gridtoll.envs.arrays import Array, IntArray
from gridtoll.envs.community.calendar import week_of
from gridtoll.envs.community.sources import COMMUNITY_NAMES, DEFAULT_COMMUNITY
from gridtoll.envs.games.spec import GameSpec
from gridtoll.train.ground.playing import Leaders, play_days, same_for_all
from gridtoll.train.learning.algorithms import make_algorithm
from gridtoll.train.learning.practice import TaskPractice
from gridtoll.train.references.ends import references
from gridtoll.train.scoring.leaders import make_leader
from gridtoll.train.statistics.intervals import Interval, hierarchical_bootstrap, mean, paired_difference
from gridtoll.train.task import environment_of
from gridtoll.train.workers import Workers

POWER_FLOWS: Final = ("dc", "ac")
LEARNERS: Final = ("response", "sac", "first-order", "supervised")
ROWS: Final = Path("docs/reference/wires.csv")
KEY: Final = ["community", "leader", "trained", "seed"]
_STEPS: Final = {"response": 4000, "sac": 4000, "first-order": 1400, "supervised": 100}
_VALIDATION_DAYS: Final = 16


def main() -> None:
    """Play leaders that are not in the file yet, or print the tables."""
    parser = argparse.ArgumentParser(description="Score leaders in the linear model and under AC.")
    parser.add_argument("--community", default=DEFAULT_COMMUNITY, choices=COMMUNITY_NAMES)
    parser.add_argument("--leaders", nargs="*", default=["zero"], help="names of leaders or of learners")
    parser.add_argument("--trained", nargs="*", choices=POWER_FLOWS, default=["dc"], help="power flows of practice (default: dc)")
    parser.add_argument("--seeds", type=int, nargs="*", default=[0])
    parser.add_argument("--steps", type=int, help="training days (default: as the learner's reference rows have it)")
    parser.add_argument("--days", type=int, default=28, help="test days (default: %(default)s)")
    parser.add_argument("--rows", type=Path, default=ROWS, help="the file (default: %(default)s)")
    parser.add_argument("--table", action="store_true", help="print the tables instead")
    options = parser.parse_args()
    known = pd.read_csv(options.rows) if options.rows.is_file() else pd.DataFrame(columns=KEY)
    if options.table:
        print_tables(known)
        return
    with Workers(1, quiet=True) as workers:
        for name, seed, trained in product(options.leaders, options.seeds, options.trained):
            key = (options.community, name, trained, seed)
            if not (known[KEY] == list(key)).all(axis=1).any():
                found = played(key, options, workers)
                known = pd.concat([known, found], ignore_index=True) if len(known) else found
                known.to_csv(options.rows, index=False)
                print(found.drop(columns=["day", "price_path"]).groupby(KEY).mean().round(3).to_string(), flush=True)


def game(community: str, power_flow: str) -> GameSpec:
    """Return the game under a power flow."""
    return GameSpec(community=community, flows="injections", power_flow=power_flow)


def played(key: tuple[str, str, str, int], options: argparse.Namespace, workers: Workers) -> pd.DataFrame:
    """Return a row for each test day: what a leader earns under each power flow, what no charge does, and the best known."""
    community, name, trained, seed = key
    own = game(community, trained)
    scenarios = environment_of(own).community.scenarios("test", options.days)
    if name in LEARNERS:
        leaders = learned(name, own, seed, options.steps or _STEPS[name], workers)
    else:
        leaders = make_leader(name, own, scenarios, workers, seed=seed).on
    rows: dict[str, object] = dict(zip(KEY, key, strict=True))
    rows |= {"day": [each.day for each in scenarios], "price_path": [each.price_path for each in scenarios]}
    for power_flow in POWER_FLOWS:
        task = game(community, power_flow)
        ends = references(task, scenarios, workers)
        rows[f"{power_flow}_eur"] = [day.objective_eur for day in play_days(task, leaders, scenarios, threads=1)]
        rows[f"{power_flow}_zero_eur"] = [each.zero_eur for each in ends]
        rows[f"{power_flow}_best_eur"] = [each.best_eur for each in ends]
    return pd.DataFrame(rows)


def learned(name: str, task: GameSpec, seed: int, steps: int, workers: Workers) -> Leaders:
    """Return the leader that an algorithm with its default settings arrives at."""
    with tempfile.TemporaryDirectory() as folder:
        own = {"seed": seed, "steps": steps, "validation_days": _VALIDATION_DAYS}
        return same_for_all(make_algorithm(name, {}).learn(TaskPractice(task, folder=Path(folder), workers=workers, **own)))


def print_tables(rows: pd.DataFrame) -> None:
    """Print the table of regrets, and what learning under AC is worth."""
    best = rows.groupby(["community", "day", "price_path"])[["ac_eur", "ac_best_eur"]].max().max(axis=1).rename("ac_known_eur")
    rows = rows.join(best, on=["community", "day", "price_path"])
    print("| community | leader | learned under | seeds | profit: linear | AC | regret: linear | AC |")
    print("|---|---|---|---|---|---|---|---|")
    for (community, leader, trained), group in rows.groupby(["community", "leader", "trained"], sort=False):
        cells = [f"{table(group, name).mean():,.2f}" for name in ("dc_eur", "ac_eur")]
        for name, known in (("dc", "dc_best"), ("ac", "ac_known")):
            cells.append(interval(weeks(group), table(group, f"{known}_eur") - table(group, f"{name}_eur")))
        print(f"| {community} | {leader} | {trained} | {group['seed'].nunique()} | {' | '.join(cells)} |")
    print("\n| community | learner | seeds | AC profit, learned under AC less in the linear model |\n|---|---|---|---|")
    for (community, leader), group in rows.groupby(["community", "leader"], sort=False):
        if set(group["trained"]) == set(POWER_FLOWS):
            seeds = set.intersection(*(set(group["seed"][group["trained"] == name]) for name in POWER_FLOWS))
            both = group[group["seed"].isin(seeds)]
            under = {name: table(both[both["trained"] == name], "ac_eur") for name in POWER_FLOWS}
            generator = np.random.default_rng(0)
            found = paired_difference(under["ac"], under["dc"], generator, statistic=mean, blocks=weeks(both))
            print(f"| {community} | {leader} | {len(seeds)} | {in_words(found)} |")


def table(group: pd.DataFrame, name: str) -> Array:
    """Return a column as seeds by days."""
    return np.asarray(group.pivot_table(index="seed", columns=["day", "price_path"], values=name), dtype=np.float64)


def weeks(group: pd.DataFrame) -> IntArray:
    """Return the week of each column of a table: days of one are drawn together."""
    return week_of([day for day, _ in sorted(set(zip(group["day"], group["price_path"], strict=True)))])


def interval(blocks: IntArray, scores: Array) -> str:
    """Return a mean with its interval over seeds and weeks of days."""
    return in_words(hierarchical_bootstrap(scores, np.random.default_rng(0), statistic=mean, blocks=blocks))


def in_words(found: Interval) -> str:
    """Return an interval as tables have it."""
    return f"{found.centre:.3f} [{found.low:.3f}, {found.high:.3f}]"


if __name__ == "__main__":
    main()
