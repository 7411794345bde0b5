"""Negotiated markets against the exact clearing: how many rounds, how many messages, and what is kept when the rounds are cut.

    python benchmarks/mechanisms.py --write docs/mechanisms.md
    python benchmarks/mechanisms.py --only growth

Every figure is of day 180 at a charge of 0.1 EUR/kWh by electrical distance, unless a row says otherwise. Errors are those of contracts
after the negotiation, against the exact clearing: of the followers' objective and of charge revenue relative to themselves, of the worst
single trade relative to the mean of the greatest demands. Seconds are processor time of this process, which is wall time on a core of its
own, with compiled code loaded; plans with contracts are included.
"""

from __future__ import annotations

import argparse
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from cases import case_community

from gridtoll.envs.account.tariff import make_tariff
from gridtoll.envs.community.day import Array, Day
from gridtoll.envs.community.sources import load_community
from gridtoll.envs.files import write_atomically
from gridtoll.envs.market.admm import Admm
from gridtoll.envs.market.bilateral import Bilateral
from gridtoll.envs.market.call_auction.plans import plan_alone
from gridtoll.envs.market.exact.compiled import StructuredMarket

COMMUNITIES = (
    "two-prosumers", "simbench-rural", "simbench-rural2", "simbench-rural3", "simbench-semiurb4", "simbench-urban6",
    "ieee9", "ieee39", "ieee57", "ieee118", "case33bw",
)  # fmt: skip
DAY, CHARGE = 180, 0.1
ROUNDS = (1, 2, 5, 10, 20, 50, 100, 200, 500)
SIZES: tuple[tuple[int, int | None], ...] = ((9, None), (20, None), (57, None), (100, 20), (300, 20))  # with so many partners each, or all
EXACT = StructuredMarket(threads=1)


def _day(name: str) -> tuple[Day, Array]:
    whose = load_community(name)
    tariff = make_tariff("distance", whose.network, "day")
    day = whose.day(DAY, price_path=0)
    return day, tariff.charges(tariff.read(np.array([CHARGE]), day.n_periods, 1.0))


def _against(day: Day, charges: Array, mechanism: Admm | Bilateral) -> dict[str, Any]:
    """Return what a mechanism came to on a day, beside the exact clearing."""
    began = time.process_time()
    [found] = mechanism.clear_many([day], [charges])
    seconds = time.process_time() - began
    exact, alone = EXACT.clear(day, charges), plan_alone(day).objective_eur
    gain, revenue = alone - exact.objective_eur, float((charges * exact.trade).sum())
    return {
        "evidence": found.evidence,
        "seconds": seconds,
        "objective": abs(found.objective_eur / exact.objective_eur - 1.0),
        "revenue": abs(float((charges * found.trade).sum()) / revenue - 1.0) if revenue > 0 else 0.0,
        "trade": float(np.abs(found.trade - exact.trade).max() / day.demand_max.mean()),
        "efficiency": (alone - found.objective_eur) / gain if gain > 0 else 1.0,
    }


def convergence() -> list[list[str]]:
    """Return how `admm` comes to the exact clearing, a row for each community."""
    rows = [["community", "N", "pairs", "rounds", "seconds", "objective", "revenue", "worst trade", "messages", "MB"]]
    for name in COMMUNITIES:
        day, charges = _day(name)
        _against(day, charges, Admm(rounds=1))  # plans alone and compiled code are there from now on
        of = _against(day, charges, Admm())
        told = of["evidence"]
        rounds = f"{told.rounds}" if told.converged else f"{told.rounds}, not converged"
        numbers = [f"{of[key]:.0e}" for key in ("objective", "revenue", "trade")]
        pairs = int(day.can_trade.sum())
        rows.append(
            [
                name,
                f"{day.n_prosumers}",
                f"{pairs:,}",
                rounds,
                f"{of['seconds']:.2f}",
                *numbers,
                f"{told.messages:,}",
                f"{told.bytes / 1e6:.1f}",
            ]
        )
    return rows


def efficiency() -> list[list[str]]:
    """Return which share of the gain is kept after so many rounds, a row for each community and mechanism."""
    rows = [["community", "mechanism", *map(str, ROUNDS)]]
    for name in ("simbench-rural", "ieee9", "ieee39", "case33bw"):
        day, charges = _day(name)
        for kind, make in (("admm", Admm), ("bilateral", Bilateral)):
            kept = [_against(day, charges, make(rounds=rounds))["efficiency"] for rounds in ROUNDS]
            rows.append([name, kind, *(f"{share:.4f}" if share < 0.99995 else f"1 − {max(1 - share, 1e-16):.0e}" for share in kept)])
    return rows


def growth() -> list[list[str]]:
    """Return how rounds, messages and seconds of `admm` grow with a community in which all trade with all, or with their nearest."""
    rows = [["N", "partners", "pairs", "rounds", "seconds", "objective", "messages", "MB", "MB a prosumer"]]
    for n, partners in SIZES:
        community = case_community(n, partners=partners)
        day = community.day(community.scenarios("train", 1)[0].day, price_path=0)
        charges = np.broadcast_to(0.1 * community.charge_cap * community.network.distance, (day.n_periods, n, n))
        _against(day, charges, Admm(rounds=1))
        of = _against(day, charges, Admm())
        told = of["evidence"]
        rounds = f"{told.rounds}" if told.converged else f"{told.rounds}, not converged"
        size = told.bytes / 1e6
        rows.append(
            [
                f"{n}",
                f"{partners or n - 1}",
                f"{int(day.can_trade.sum()):,}",
                rounds,
                f"{of['seconds']:.2f}",
                f"{of['objective']:.0e}",
                f"{told.messages:,}",
                f"{size:.0f}",
                f"{size / n:.1f}",
            ]
        )
    return rows


SECTIONS: dict[str, Callable[[], list[list[str]]]] = {"convergence": convergence, "efficiency": efficiency, "growth": growth}


def table(rows: list[list[str]]) -> str:
    """Return rows as a Markdown table, the first being its head."""
    head, *rest = rows
    return "\n".join("| " + " | ".join(row) + " |" for row in [head, ["---"] * len(head), *rest])


def write(document: Path, name: str, text: str) -> None:
    """Rewrite a marked section of a document."""
    begin, end = f"<!-- written by benchmarks/mechanisms.py: {name} -->\n", "<!-- until here -->"
    pattern = re.compile(re.escape(begin) + ".*?" + re.escape(end), re.DOTALL)
    found = document.read_text(encoding="utf-8")
    if not pattern.search(found):
        raise ValueError(f"{document} must have a section that begins with {begin.strip()!r} and ends with {end!r}.")
    changed = pattern.sub(lambda _: f"{begin}\n{text}\n\n{end}", found)
    write_atomically(document, lambda file: file.write(changed.encode()))


def main() -> None:
    """Measure what is asked for, print it, and write it into a document."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=SECTIONS, help="measure one section (default: all)")
    parser.add_argument("--write", type=Path, metavar="FILE", help="rewrite the sections of this document")
    options = parser.parse_args()
    for name in [options.only] if options.only else SECTIONS:
        text = table(SECTIONS[name]())
        print(f"{name}\n\n{text}\n", flush=True)
        if options.write is not None:
            write(options.write, name, text)


if __name__ == "__main__":
    main()
