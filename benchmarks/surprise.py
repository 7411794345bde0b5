"""What surprise earns in the hourly game, what is left of it once prosumers learn, and who pays.

    python benchmarks/surprise.py --out results/surprise

On days in a row the leader posts the best sequence of charges found for each of them where prosumers take charges as standing. The last
days of every run are scored: where prosumers remember nothing, which is ``belief="standing"``, and where they remember the leader's last 1,
2, … 7 days (``belief="learned"``). Beside it stand the best hourly charges found that surprise nobody, and the best charge for the day. The
former are the better of two on each day: a schedule searched for as one that is announced and kept, and the best sequence itself, believed.

`search` writes OUT/COMMUNITY/searched.json, `play` OUT/COMMUNITY/played.json; both keep every day as it is done, and skip what is there.
`report` prints the tables of docs/hourly.md and draws its picture. `film` writes OUT/hourly.gif: the best charge for a day, posted every
hour, and the best sequence found beside it.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gridtoll.agents.optimum.hourly_game.search import HourlyDay, day_ahead_hints
from gridtoll.envs import HourlyEnv
from gridtoll.envs.adapters.pictures.hourly import Beside, animate
from gridtoll.envs.arrays import Array
from gridtoll.envs.community.calendar import Scenario
from gridtoll.envs.games.hourly import HourlyGame
from gridtoll.envs.games.memory import REMEMBERED_DAYS
from gridtoll.envs.games.spec import GameSpec
from gridtoll.envs.market.exact.compiled import StructuredMarket
from gridtoll.train.ground.runs import write_text
from gridtoll.train.ground.text import table
from gridtoll.train.references.hours import SearchEffort, search_day
from gridtoll.train.task import environment_of

STAGES = ("search", "play", "report", "film")
REPEATED = REMEMBERED_DAYS + 1
"""Name of the row in which the day's own sequence was posted on the days before as well."""
HONEST = REPEATED + 1
"""Row of the best charges that surprise nobody."""
OF_ALL = ("profit_eur", "welfare_eur", "traded_kwh")
OWNERS, OTHERS, LEADER = "#0072b2", "#e69f00", "#cc79a7"  # Okabe and Ito's, readable with any kind of colour vision
Numbers = dict[str, Any]


def main() -> None:
    """Run the stages asked for."""
    parser = argparse.ArgumentParser(description="Measure what surprise earns once prosumers learn, and who pays.")
    parser.add_argument("--out", type=Path, default=Path("results/surprise"), metavar="DIR")
    parser.add_argument("--stages", nargs="*", default=STAGES, choices=STAGES, help="default: all")
    parser.add_argument("--communities", nargs="*", default=["simbench-rural", "ieee9"])
    parser.add_argument(
        "--first", nargs="*", type=int, default=[189, 98], metavar="DAY", help="first scored day of each run (default: 189 98)"
    )
    parser.add_argument("--days", type=int, default=4, help="scored days of each run (default: %(default)s)")
    parser.add_argument("--plans", type=int, default=1500, help="of the search for each day's best sequence (default: %(default)s)")
    parser.add_argument("--film-day", type=int, default=190, metavar="DAY", help="scored day of the film (default: %(default)s)")
    options = parser.parse_args()
    stages: dict[str, Callable[[argparse.Namespace, str], None]] = {"search": search, "play": play}
    for stage in options.stages:
        for community in options.communities if stage in stages else ():
            (options.out / community).mkdir(parents=True, exist_ok=True)
            stages[stage](options, community)
    if "report" in options.stages:
        report(options)
    if "film" in options.stages:
        film(options)


def scored_days(options: argparse.Namespace) -> list[int]:
    """Return the days that are scored."""
    return [first + later for first in options.first for later in range(options.days)]


def search(options: argparse.Namespace, community: str) -> None:
    """Search the best sequence of every day that is scored or remembered."""
    file, task = options.out / community / "searched.json", GameSpec(env="hourly", community=community)
    kept = _read(file)
    for day in sorted({day - back for day in scored_days(options) for back in range(REMEMBERED_DAYS + 1)}):
        if str(day) not in kept:
            kept[str(day)] = asdict(search_day(task, Scenario(day, 0), SearchEffort(plans=options.plans, starts=0)))
            write_text(file, json.dumps(kept))
            print(community, day, f"{kept[str(day)]['best_eur']:.2f} EUR", flush=True)


def play(options: argparse.Namespace, community: str) -> None:
    """Play every scored day after 0 to 7 remembered days, after days like itself, and without surprise."""
    file, searched = options.out / community / "played.json", _read(options.out / community / "searched.json")
    posted = {int(day): np.reshape(found["charges"], (-1, 1)) for day, found in searched.items()}
    learned, standing = (
        environment_of(GameSpec(env="hourly", community=community, belief=belief)).game for belief in ("learned", "standing")
    )
    market, kept = StructuredMarket(threads=1), _read(file)
    for day in scored_days(options):
        if str(day) in kept:
            continue
        runs = [[(back, posted[back]) for back in range(day - n, day + 1)] for n in range(REMEMBERED_DAYS + 1)]
        runs.append([(day, posted[day])] * 2)
        bracket, hints = day_ahead_hints(HourlyDay(cast(HourlyGame, standing), Scenario(day, 0), market), max_clearings=300)
        constant = np.broadcast_to(hints[1], posted[day].shape)
        runs += [[(day, charges)] * 2 for charges in (bracket.coefficients, constant)]  # believed on the second day
        kept[str(day)] = [played(cast(HourlyGame, learned), market, run) for run in runs]
        write_text(file, json.dumps(kept))
        print(community, day, [round(each["profit_eur"], 2) for each in kept[str(day)]], flush=True)


def played(game: HourlyGame, market: StructuredMarket, run: Sequence[tuple[int, Array]]) -> Numbers:
    """Play days in a row, each an episode from the community's own stored energy, and return what came of the last."""
    state, hours = None, []
    for day, charges in run:
        state, hours = game.begin(Scenario(day, 0), before=state), []
        while not state.over:
            plays = game.play(market, [state], [game.setting.read(charges[state.hour])])
            [state] = plays.states
            hours.append(plays.carried_out.settlements.row(0))
    sums = {name: float(sum(getattr(hour, name) for hour in hours)) for name in OF_ALL}
    return sums | {"surplus_eur": np.sum([hour.surplus_eur for hour in hours], axis=0).tolist()}


def report(options: argparse.Namespace) -> None:
    """Print the tables and draw the picture."""
    measured = {name: measured_of(options, name) for name in options.communities}
    for name, each in measured.items():
        owners = int(each["owners"].sum())
        print(f"{name}: {len(each['profit'])} days, EUR a day; {owners} of {len(each['owners'])} prosumers have a battery")
        print(table(["", "profit", "share of the gain left", "surplus, with battery", "without", "welfare"], lines_of(each)))
    draw(measured, options.out / "surprise.png")


def measured_of(options: argparse.Namespace, community: str) -> Numbers:
    """Return profit, welfare and surplus of both kinds of prosumers in EUR, arrays of shape (days, rows); who has a battery, shape (N,)."""
    kept, env = _read(options.out / community / "played.json"), environment_of(GameSpec(env="hourly", community=community))
    rows = [kept[str(day)] for day in scored_days(options)]
    for row in rows:
        row[HONEST] = max(row[REPEATED], row[HONEST], key=lambda each: each["profit_eur"])
    surplus = np.array([[each["surplus_eur"] for each in row] for row in rows])
    owners = env.community.storage_capacity > 0
    sums = {name: np.array([[each[f"{name}_eur"] for each in row] for row in rows]) for name in ("profit", "welfare")}
    return sums | {"owners": owners, "with": surplus[..., owners].sum(axis=-1), "without": surplus[..., ~owners].sum(axis=-1)}


def lines_of(each: Numbers) -> list[list[str]]:
    """Return the lines of a community's table: profit, and what differs from the best charges that surprise nobody."""
    names = ["nobody remembers", *(f"{n} day{'s' if n > 1 else ''} remembered" for n in range(1, REMEMBERED_DAYS + 1))]
    names += ["same charges on the days before", "best charges that surprise nobody", "best charge for the day"]
    gain, lines = (each["profit"][:, 0] - each["profit"][:, HONEST]).mean(), []
    for row, name in enumerate(names):
        more = {part: (each[part][:, row] - each[part][:, HONEST]).mean() for part in ("profit", "with", "without", "welfare")}
        share = f"{more['profit'] / gain:.0%}" if row <= REMEMBERED_DAYS else ""
        lines.append(
            [name, f"{each['profit'][:, row].mean():,.2f}", share, *(f"{more[part]:+,.2f}" for part in ("with", "without", "welfare"))]
        )
    return lines


def draw(measured: dict[str, Numbers], path: Path) -> None:
    """Draw what is left of the gain from surprise, and who pays, a row a community."""
    figure = Figure(figsize=(10.0, 3.7 * len(measured)), layout="constrained")
    with mpl.rc_context({"font.size": 10.0, "axes.spines.top": False, "axes.spines.right": False}):
        panels = figure.subplots(len(measured), 2, squeeze=False)
        for (left, right), (name, each) in zip(panels, measured.items(), strict=True):
            _draw_profit(left, name, each)
            _draw_payers(right, each)
    figure.savefig(path, dpi=100)


def _draw_profit(axes: Axes, name: str, each: Numbers) -> None:
    """Draw the profit over the days remembered, every day thin and their mean thick, as a share of what surprises nobody."""
    days, kept = np.arange(REMEMBERED_DAYS + 1), each["profit"][:, HONEST]
    axes.plot(days, (each["profit"][:, : len(days)] / kept[:, None]).T * 100, color="#999999", lw=0.8)
    axes.plot(
        days, each["profit"][:, : len(days)].mean(axis=0) / kept.mean() * 100, color=LEADER, lw=2.6, marker="o", label="mean of the days"
    )
    axes.axhline(100, color="black", lw=1.2, ls="--", label="best charges that surprise nobody")
    axes.set_title(f"{name}: profit in %", loc="left", fontsize=11, fontweight="bold")
    axes.set_xlabel("days of this leader that prosumers remember")
    axes.legend(frameon=False, fontsize=9)


def _draw_payers(axes: Axes, each: Numbers) -> None:
    """Draw how profit and surpluses differ from the best charges that surprise nobody."""
    shown = {"nobody\nremembers": 0, "1 day": 1, "3 days": 3, "7 days": REMEMBERED_DAYS}
    parts = {"leader": ("profit", LEADER), "prosumers with a battery": ("with", OWNERS), "without": ("without", OTHERS)}
    for place, (label, (part, colour)) in enumerate(parts.items()):
        more = [(each[part][:, row] - each[part][:, HONEST]).mean() for row in shown.values()]
        axes.bar(np.arange(len(shown)) + 0.27 * (place - 1), more, 0.25, color=colour, label=label)
    axes.axhline(0, color="black", lw=0.8)
    axes.set_xticks(range(len(shown)), list(shown))
    axes.set_title("Who gains and who pays, EUR a day", loc="left", fontsize=11, fontweight="bold")
    axes.legend(frameon=False, fontsize=9)


def film(options: argparse.Namespace) -> None:
    """Write the film of a day of the first community."""
    community, day = options.communities[0], options.film_day
    found = _read(options.out / community / "searched.json")[str(day)]
    charges = np.reshape(found["charges"], (-1, 1))
    best = Beside(name="best found", charges=charges, earned_eur=found["best_eur"], upper_bound_eur=found["upper_bound_eur"])
    earned = animate(HourlyEnv(community), [[found["constant_charge"]]] * len(charges), options.out / "hourly.gif", day=day, beside=best)
    print(f"film of day {day} of {community}: {earned:.2f} EUR, best found {best.earned_eur:.2f} EUR")


def _read(file: Path) -> Numbers:
    return dict(json.loads(file.read_text())) if file.is_file() else {}


if __name__ == "__main__":
    main()
