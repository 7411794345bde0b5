"""The exact optimum against mixed-integer programming on small random communities: do they agree, and what does each cost?

    python benchmarks/agreement.py --time-limit 60 --write docs/agreement.md

Nine sizes with and without storage, each under both accounts of flows, with wide and with tight branch limits, with and without an import
fee. A program that SCIP finishes must agree with the one-parameter search within SCIP's own gap; one that it does not finish must bracket
the optimum. Ends with exit status 1 where either fails.
"""

from __future__ import annotations

import argparse
import functools
import json
import os
import platform
import re
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from gridtoll.agents.optimum import solve_optimum
from gridtoll.agents.optimum.miqp import MiqpSolver, solve_miqp
from gridtoll.envs.account.settlement import Flows, settle
from gridtoll.envs.account.tariff import make_tariff
from gridtoll.envs.community.day import Day, make_day
from gridtoll.envs.files import write_atomically
from gridtoll.envs.grid.grid import make_grid
from gridtoll.envs.grid.network import Network, make_network
from gridtoll.envs.market.exact import P2PMarket
from gridtoll.envs.market.exact.compiled import StructuredMarket

SIZES = ((2, 1, 0), (3, 1, 0), (5, 1, 0), (9, 1, 0), (3, 4, 0), (5, 4, 0), (3, 2, 1), (3, 4, 2), (4, 4, 1))
"""Prosumers, hours, and how many of the prosumers have storage."""

CAP = 1.0  # EUR/kWh
FEE = 0.08  # EUR/kWh
TIGHT = 0.6  # of the greatest flow without charges: such a limit is exceeded, and costs the operator something
FRICTION = 0.005  # EUR/kWh/kW at a mean load of about 1 kW

BEGIN, END = "<!-- written by benchmarks/agreement.py -->\n", "<!-- until here -->"


@dataclass(frozen=True, kw_only=True)
class Instance:
    """One random community and day, by its seed."""

    seed: int
    prosumers: int
    hours: int
    storages: int
    flows: Flows
    tight: bool
    fee: bool


@dataclass(frozen=True, kw_only=True)
class Row:
    """What the two methods found on one instance.

    Attributes:
        pairs: Complementarity pairs.
        charge: The exact optimum, EUR/kWh.
        exact_eur: Its profit, re-cleared.
        miqp_eur: The profit at the charge that the solver found, re-cleared.
        difference_eur: Solver's less exact.
        miqp_gap_eur: The solver's upper bound less ``miqp_eur``.
        overload_kwh: Energy above the branch limits at the optimum.
        finished: Whether the solver closed its gap.
        agrees: Whether each method's profit is below the other's upper bound.
        exact_seconds: Wall time of the search.
        miqp_seconds: Wall time of building, solving and clearing again.
        nodes: The solver's.
        solver: Name and version.
    """

    instance: Instance
    pairs: int
    charge: float
    exact_eur: float
    miqp_eur: float
    difference_eur: float
    miqp_gap_eur: float
    overload_kwh: float
    finished: bool
    agrees: bool
    exact_seconds: float
    miqp_seconds: float
    nodes: int
    solver: str


def main() -> int:
    """Measure, print a line per instance as soon as it is there, and write the table if asked to."""
    parser = argparse.ArgumentParser(description="Compare the exact optimum with mixed-integer programming.")
    parser.add_argument("--seeds", type=int, default=1, help="communities of each size and kind (default: %(default)s)")
    parser.add_argument("--solver", default="scip", choices=("scip", "gurobi"))
    parser.add_argument("--time-limit", type=float, default=30.0, help="seconds for each program (default: %(default)s)")
    parser.add_argument("--jobs", type=int, default=1, help="processes; more than one disturb the times (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="one JSON object per line")
    parser.add_argument("--write", type=Path, help="document to write the table into, between its two marks")
    options = parser.parse_args()
    found = []
    work = functools.partial(compare, solver=options.solver, time_limit_s=options.time_limit)
    for row in measured(work, list(instances(options.seeds)), options.jobs):
        found.append(row)
        print(json.dumps(asdict(row)) if options.json else "  ".join(cells(row)), flush=True)
    if options.write:
        write(options.write, found, options.time_limit)
    print(json.dumps({"summary": summary(found)}) if options.json else summary(found))
    return 0 if all(row.agrees for row in found) else 1


def instances(seeds: int) -> Iterator[Instance]:
    """Yield every size in every kind; no two share a seed."""
    kinds: tuple[tuple[Flows, bool, bool], ...] = (
        ("trades", False, False),
        ("trades", True, True),
        ("injections", False, True),
        ("injections", True, False),
    )
    seed = 0
    for _ in range(seeds):
        for n, hours, storages in SIZES:
            for flows, tight, fee in kinds:
                seed += 1
                yield Instance(seed=seed, prosumers=n, hours=hours, storages=storages, flows=flows, tight=tight, fee=fee)


def measured(work: functools.partial[Row], every: list[Instance], jobs: int) -> Iterator[Row]:
    """Yield the rows in order."""
    if jobs == 1:
        yield from map(work, every)
        return
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        yield from pool.map(work, every)


@functools.cache
def markets() -> tuple[StructuredMarket, P2PMarket]:
    """What clears for the search, and, sharing nothing with it, for the solver; once per process, compiled."""
    fast = StructuredMarket()
    first = Instance(seed=0, prosumers=2, hours=1, storages=1, flows="trades", tight=False, fee=False)
    day, network = random_day(first), random_network(first, random_day(first), fast)
    solve_optimum(day, network, make_tariff("distance", network), cap=CAP, market=fast)  # compiles what a first search compiles
    return fast, P2PMarket()


def compare(instance: Instance, *, solver: MiqpSolver, time_limit_s: float) -> Row:
    """Solve one instance by both methods."""
    fast, plain = markets()
    day = random_day(instance)
    network = random_network(instance, day, fast)
    tariff = make_tariff("distance", network)
    exact = solve_optimum(day, network, tariff, cap=CAP, flows=instance.flows, market=fast)
    miqp = solve_miqp(
        day, network, tariff, cap=CAP, flows=instance.flows, solver=solver, time_limit_s=time_limit_s, force=True, market=plain
    )
    charges = exact.charge * tariff.basis[0]
    overload = settle(day, network, charges, fast.clear(day, charges), flows=instance.flows).overload_kwh
    below = exact.recleared_profit_eur <= miqp.upper_bound_eur + miqp.accuracy_eur
    return Row(
        instance=instance,
        pairs=miqp.pairs,
        charge=exact.charge,
        exact_eur=exact.recleared_profit_eur,
        miqp_eur=miqp.recleared_profit_eur,
        difference_eur=miqp.recleared_profit_eur - exact.recleared_profit_eur,
        miqp_gap_eur=miqp.upper_bound_eur - miqp.recleared_profit_eur,
        overload_kwh=overload,
        finished=miqp.status == "optimal",
        agrees=below and miqp.recleared_profit_eur <= exact.upper_bound_eur + miqp.accuracy_eur,
        exact_seconds=exact.seconds,
        miqp_seconds=miqp.seconds,
        nodes=miqp.nodes,
        solver=miqp.solver,
    )


def random_day(instance: Instance) -> Day:
    """Return hours from morning to evening, loads near 1 kW, sun on most roofs, spot prices and a fixed retail price."""
    rng = np.random.default_rng(instance.seed)
    hours, n = instance.hours, instance.prosumers
    load = rng.uniform(0.3, 2.0, (hours, n))
    clock = (np.arange(hours) + 0.5) / hours
    roofs = (rng.permutation(n) < max(1, (3 * n) // 5)) * rng.uniform(2.0, 7.0, n)
    renewable = np.sin(np.pi * clock)[:, None] * roofs * rng.uniform(0.5, 1.0, (hours, 1))
    curvature, owns = 0.3 / load, np.arange(n) < instance.storages
    connection = np.maximum(3.0 * load.max(axis=0), renewable.max(axis=0))
    export_price = rng.uniform(-0.02, 0.25, hours)
    return make_day(
        label=f"agreement {instance.seed}",
        demand_min=0.6 * load,
        demand_max=1.4 * load,
        utility_curvature=curvature,
        utility_slope=0.32 + curvature * load,
        renewable=renewable,
        import_price=0.32,
        export_price=export_price,
        loss_price=np.maximum(export_price, 0.02),
        overload_price=1.0,
        import_fee=FEE if instance.fee else 0.0,
        import_limit=connection,
        export_limit=connection,
        grid_friction=FRICTION,
        storage_power=1.5 * owns,
        storage_capacity=3.0 * owns,
        storage_efficiency=0.95,
        storage_wear=FRICTION,
        storage_start=1.5 * owns,
        trade_limit=np.minimum.outer(connection, connection),
        trade_friction=FRICTION,
        n_buses=n + 1,
    )


def random_network(instance: Instance, day: Day, market: StructuredMarket) -> Network:
    """Return a random tree with one more branch; tight limits are below the greatest flow of the day without charges."""
    n = instance.prosumers

    def build(limit_kw: float) -> Network:
        rng = np.random.default_rng([instance.seed, 1])
        grid = make_grid(
            f"agreement {instance.seed}",
            bus_names=[f"bus {bus}" for bus in range(n + 1)],
            branch_from=[*(int(rng.integers(0, bus)) for bus in range(1, n + 1)), 0],
            branch_to=[*range(1, n + 1), n],
            branch_resistance_pu=rng.uniform(0.3, 1.0, n + 1),
            branch_reactance_pu=rng.uniform(0.5, 2.0, n + 1),
            branch_limit_kw=limit_kw,
            base_power_kw=100.0,
            slack_bus=0,
        )
        return make_network(grid, range(1, n + 1))

    wide, free = build(1000.0), np.zeros((n, n))
    if not instance.tight:
        return wide
    peak = settle(day, wide, free, market.clear(day, free), flows=instance.flows).peak_loading * 1000.0
    return build(TIGHT * peak)


HEADINGS = (
    "prosumers",
    "hours",
    "storages",
    "pairs",
    "flows",
    "overload, kWh",
    "fee",
    "charge, EUR/kWh",
    "exact, EUR",
    "MIQP − exact, EUR",
    "MIQP's gap, EUR",
    "finished",
    "agrees",
    "exact, s",
    "MIQP, s",
)


def cells(row: Row) -> tuple[str, ...]:
    """Return one row of the table."""
    what = row.instance
    return (
        str(what.prosumers),
        str(what.hours),
        str(what.storages),
        str(row.pairs),
        what.flows,
        f"{row.overload_kwh:.3f}" if what.tight else "no limits",
        f"{FEE if what.fee else 0.0:.2f}",
        f"{row.charge:.6f}",
        f"{row.exact_eur:.9f}",
        f"{row.difference_eur:.1e}",
        f"{row.miqp_gap_eur:.1e}",
        "yes" if row.finished else "no",
        "yes" if row.agrees else "NO",
        f"{row.exact_seconds:.2f}",
        f"{row.miqp_seconds:.2f}",
    )


def summary(found: list[Row]) -> str:
    """Return what the rows say together."""
    finished = [row for row in found if row.finished]
    words = [
        f"{len(found)} instances, {sum(row.agrees for row in found)} agree. {len(finished)} programs were finished"
        + (f", where the profits differ by at most {max(abs(row.difference_eur) for row in finished):.1e} EUR." if finished else "."),
        f"Exact search: {sum(row.exact_seconds for row in found):.1f} s in all, at most {max(row.exact_seconds for row in found):.2f} s.",
        f"MIQP: {sum(row.miqp_seconds for row in found):.0f} s in all, at most {max(row.miqp_seconds for row in found):.0f} s.",
    ]
    return " ".join(words)


def write(document: Path, found: list[Row], time_limit_s: float) -> None:
    """Replace what stands between the document's marks."""
    lines = [HEADINGS, ("---:",) * len(HEADINGS), *(cells(row) for row in found)]
    table = "\n".join("| " + " | ".join(line) + " |" for line in lines)
    solvers = f"{found[0].solver}, CVXPY {version('cvxpy')}, Clarabel {version('clarabel')}, NumPy {version('numpy')}"
    machine = f"Measured with Python {platform.python_version()}, {solvers}, on {platform.system()} {platform.machine()} ({_processor()}),"
    machine += f" one process, {time_limit_s:g} s for each program. {summary(found)}"
    text = document.read_text(encoding="utf-8")
    if not re.search(f"{re.escape(BEGIN)}.*{re.escape(END)}", text, re.DOTALL):
        raise ValueError(f"{document} must have the marks {BEGIN.strip()!r} and {END!r}, between which the table is written.")
    before, after = text.split(BEGIN)[0], text.split(END)[1]
    content = f"{before}{BEGIN}\n{machine}\n\n{table}\n\n{END}{after}".encode()
    write_atomically(document, lambda file: file.write(content))


def _processor() -> str:
    """Return the processor's name and the number of cores this process may use."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    names = re.findall(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text()) if Path("/proc/cpuinfo").exists() else []
    return f"{names[0] if names else platform.processor() or 'unknown processor'}, {cores} cores"


if __name__ == "__main__":
    sys.exit(main())
