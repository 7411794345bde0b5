"""Where voltage binds, what a price and hard limits do about it, and how far linear rows of voltages are from AC.

    python benchmarks/voltages.py --out docs/figures/voltages.png

    python benchmarks/voltages.py --errors simbench-rural-long simbench-rural case33bw

The first counts over the test days from May to September of `simbench-rural-long`, price path 0, account of injections, and draws the
picture of docs/wires.md. The second prints how far rows are off by where they are linearised, on 7 days at charges of 0, 0.1 and 0.3.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
from matplotlib.figure import Figure

from gridtoll.agents.optimum import solve_optimum
from gridtoll.envs.account.tariff import make_tariff
from gridtoll.envs.arrays import Array
from gridtoll.envs.community.day import Day
from gridtoll.envs.community.sources import COMMUNITY_NAMES, load_community
from gridtoll.envs.errors import PowerFlowError
from gridtoll.envs.games.setting import Setting, make_setting
from gridtoll.envs.games.spec import GameSpec
from gridtoll.envs.games.transition import Transition, transition
from gridtoll.envs.grid.ac import AcPowerFlow
from gridtoll.envs.grid.network import Network
from gridtoll.envs.grid.power_flow import SECURE, DcPowerFlow, Flow
from gridtoll.envs.grid.voltage_rows import sensitivities, voltage_of, with_voltage_rows
from gridtoll.envs.market.exact.compiled import StructuredMarket
from gridtoll.envs.market.mechanism import Allocation

SUMMER: Final = range(121, 274)
DRAWN: Final = 255
DAYS: Final = (15, 120, 150, 165, 180, 200, 220)
CHARGES: Final = (0.0, 0.1, 0.3)
WAYS: Final = {"free": "voltages do not count", "priced": "priced at 500 EUR per p.u. and hour", "hard": "hard limits"}
TANGENT: Final = float(np.tan(np.arccos(0.95)))
MARKET: Final = StructuredMarket(threads=1)


@dataclass(frozen=True)
class Played:
    """What a charge comes to: the priced profit in EUR, the greatest voltage by rows and by AC in p.u., AC's loading of the transformer."""

    charge: float
    profit_eur: float
    rows_pu: float
    ac_pu: float
    loading: float


def main() -> None:
    """Print the counts and draw the picture, or print the errors."""
    parser = argparse.ArgumentParser(description="Voltages that bind, and how far linear rows are from AC.")
    parser.add_argument("--community", default="simbench-rural-long", choices=COMMUNITY_NAMES)
    parser.add_argument("--band", type=float, default=0.05, help="how far voltages may be from 1 p.u. (default 0.05)")
    parser.add_argument("--out", type=Path, help="draw the picture into this file")
    parser.add_argument("--errors", nargs="*", choices=COMMUNITY_NAMES, help="print the errors of rows of these communities instead")
    options = parser.parse_args()
    if options.errors is not None:
        print_errors(options.errors or COMMUNITY_NAMES)
        return
    game = GameSpec(community=options.community, flows="injections", charge_cap=1.0)
    free = make_setting(game, split="test")
    priced = make_setting(game.changed(voltage_price=500.0, voltage_band=options.band), split="test")
    found = {day: optima(free, priced, day) for day in free.days.tolist() if day in SUMMER}
    print_counts(found, 1 + options.band)
    if options.out is not None:
        drawn = [play(priced, DRAWN, charge) for charge in np.linspace(0.0, 0.6, 61)]
        figure = picture(drawn, found, 1 + options.band)
        unpriced = [played(free, DRAWN, point.charge).settlement.profit_eur for point in drawn]
        figure.axes[1].plot([point.charge for point in drawn], unpriced, ":", label="voltages do not count")
        figure.axes[1].legend(frameon=False, fontsize=8)
        figure.savefig(options.out, dpi=80)


def optima(free: Setting, priced: Setting, day: int) -> dict[str, Played | None]:
    """Return the optimum of a day in each way, None where no charge keeps hard limits."""
    found: dict[str, Played | None] = {}
    for way in WAYS:
        setting = free if way == "free" else priced
        best = solve_optimum(
            setting.community.day(day), setting.community.network, setting.tariff,
            cap=1.0, flows="injections", market=MARKET, hard_limits=way == "hard",
        )  # fmt: skip
        found[way] = play(priced, day, best.charge) if np.isfinite(best.charge) else None
    return found


def play(priced: Setting, day: int, charge: float) -> Played:
    """Return what a charge comes to."""
    grid = priced.community.network.grid
    after = played(priced, day, charge)
    network = load_community(priced.community.name).network
    flow, voltage = ac_of(network, net_of(after.clearing))
    rows = voltage_of(grid, after.settlement.flow_kw)
    return Played(charge, after.settlement.profit_eur, float(rows.max()), float(voltage.max()), float(flow.loading.max()))


def ac_of(network: Network, net_kw: Array) -> tuple[Flow, Array]:
    """Return the AC power flow of a day, and its voltages in p.u., shape (T, B), of what prosumers put in, shape (T, N)."""
    flow = AcPowerFlow(network).of(net_kw[None], np.zeros((1, 1, network.grid.n_buses)))
    if flow.voltage_pu is None:
        raise ValueError("the AC power flow must know voltages, and does not.")
    return flow, flow.voltage_pu[0]


def played(setting: Setting, day: int, charge: float) -> Transition:
    """Return a day at a charge."""
    return transition(setting.rules, MARKET, setting.community.day(day), setting.tariff.charges(setting.read([charge])))


def net_of(clearing: Allocation) -> Array:
    """Return what prosumers put in less what they take out, shape (T, N)."""
    net: Array = clearing.renewable_used + clearing.storage_discharge - clearing.storage_charge - clearing.demand
    return net


def print_counts(found: dict[int, dict[str, Played | None]], limit: float) -> None:
    """Print on how many days what binds, and what a price and hard limits do."""
    free, priced, hard = ([day[way] for day in found.values()] for way in WAYS)
    print(f"{len(found)} days, limit {limit:g} p.u.")
    for way, days in zip(WAYS, (free, priced, hard), strict=True):
        there = [day for day in days if day is not None]
        above = [sum(getattr(day, name) > SECURE * limit for day in there) for name in ("rows_pu", "ac_pu")]
        moved = sum(
            day is not None and one is not None and abs(day.charge - one.charge) > 1e-4 for day, one in zip(days, free, strict=True)
        )
        off = [day.rows_pu - day.ac_pu for day in there]
        print(
            f"{way}: an optimum on {len(there)} days, another charge than free on {moved}; above the limit by rows on {above[0]}, by AC on "
            f"{above[1]}; greatest {max(day.ac_pu for day in there):.4f}; rows less AC {min(off):+.4f} to {max(off):+.4f}"
        )
    gain = [one.profit_eur - other.profit_eur for one, other in zip(priced, free, strict=True) if one is not None and other is not None]
    print(f"what the operator loses by not minding voltages: {np.mean(gain):.3f} EUR a day, {max(gain):.3f} at most")


def picture(drawn: Sequence[Played], found: dict[int, dict[str, Played | None]], limit: float) -> Figure:
    """Return greatest voltages against the charge, profits with voltages priced against it, and the voltage at each day's optima."""
    figure = Figure(figsize=(13, 3.6), layout="constrained")
    voltages, profits, days = figure.subplots(1, 3)
    charges = [point.charge for point in drawn]
    voltages.plot(charges, [point.ac_pu for point in drawn], label="AC")
    voltages.plot(charges, [point.rows_pu for point in drawn], "--", label="linear rows")
    profits.plot(charges, [point.profit_eur for point in drawn], label=WAYS["priced"])
    profits.set(xlabel="charge, EUR/kWh", ylabel="EUR", title=f"profit on day {DRAWN}")
    for (way, text), mark in zip(WAYS.items(), "ox+", strict=True):
        best = found[DRAWN][way]
        if best is not None:
            voltages.plot(best.charge, best.ac_pu, mark, color="black", label=f"optimum: {text}")
    voltages.set(xlabel="charge, EUR/kWh", ylabel="p.u.", title=f"greatest voltage on day {DRAWN}")
    for (way, text), mark in zip(WAYS.items(), "ox+", strict=True):
        there = [(day, one[way]) for day, one in found.items()]
        days.plot([day for day, one in there if one], [one.ac_pu for _, one in there if one], mark, label=text, alpha=0.8)
    days.set(xlabel="day of the year", ylabel="p.u.", title="greatest AC voltage at the optimum of each test day")
    for panel in (voltages, days):
        panel.axhline(limit, color="black", linewidth=0.8)
        panel.legend(frameon=False, fontsize=8)
    return figure


def print_errors(names: Sequence[str]) -> None:
    """Print a row of errors for each community, and by how much another bus than a prosumer's is ever the highest."""
    print(
        "| community | without prosumers: all | day's greatest | half way: all | day's greatest | each hour's own: all | day's greatest |"
    )
    print("|---|---|---|---|---|---|---|")
    for name in names:
        print(f"| {name} | {' | '.join(errors_of(name))} |", flush=True)


def errors_of(name: str) -> list[str]:
    """Return greatest errors of rows in p.u. by where they are linearised, of all voltages and of the greatest of a day."""
    community = make_setting(GameSpec(community=name, voltage_price=100.0), split="train").community
    network = load_community(name).network
    idle = with_voltage_rows(network, voltage_price=100.0, overload_price=1.0, draws_only=draws_only(name))
    grid = community.network.grid
    buses, nothing = grid.branch_to[grid.n_wires :], np.zeros((1, 1, grid.n_buses))
    others = np.setdiff1d(np.arange(grid.n_buses), [*buses, grid.slack_bus])
    errors: list[list[float]] = []
    higher = 0.0
    for net, alone in operating_points(name):
        try:
            truth, start = (ac_of(network, each)[1] for each in (net, alone))
        except PowerFlowError:
            continue
        true = truth[:, buses]
        said = [voltage_of(each.grid, DcPowerFlow(each).of(net[None], nothing).branch_kw)[0] for each in (idle, community.network)]
        said.append((start + moved(name, alone, net))[:, buses])
        errors.append([error for each in said for error in (np.abs(each - true).max(), abs(each.max() - true.max()))])
        higher = max(higher, truth[:, others].max() - true.max()) if len(others) else higher
    if not errors:
        return ["no solution"] * 6
    print(f"{name}: another bus is higher than all prosumers' by {higher:.5f} at most, {len(errors)} days and charges", file=sys.stderr)
    return [f"{worst:.4f}" for worst in np.max(errors, axis=0)]


def draws_only(name: str) -> Array:
    """Return who has nothing to put in, shape (N,)."""
    community = load_community(name)
    none: Array = ~(community.renewable_kw.any(axis=0) | (community.storage_capacity > 0))
    return none


def operating_points(name: str) -> Iterator[tuple[Array, Array]]:
    """Give what prosumers put in at the optimal answers to charges, and what they would without any trade, shape (T, N) each."""
    community = load_community(name)
    distance = make_tariff("distance", community.network).basis[0]

    def answered(day: Day, charge: float) -> Array:
        return net_of(MARKET.clear_many([day], [charge * distance])[0])

    for number in DAYS:
        day = community.day(number)
        alone = answered(replace(day, trade_limit=np.zeros_like(day.trade_limit)), 0.0)
        yield from ((answered(day, charge), alone) for charge in CHARGES)


def moved(name: str, alone: Array, net: Array) -> Array:
    """Return by how much voltages change from no trade to what is put in, by each hour's own Jacobian at no trade, shape (T, B)."""
    network = load_community(name).network
    changed = []
    for before, after in zip(alone, net, strict=True):
        drawing = network.injection(np.where(before < 0, -before, 0.0))
        _, by_power, by_reactive = sensitivities(network.grid, power_kw=network.injection(before), reactive_kvar=-TANGENT * drawing)
        at_bus = np.where((drawing > 0), TANGENT, 0.0)
        changed.append((by_power + by_reactive * at_bus) @ network.injection(after - before))
    return np.array(changed)


if __name__ == "__main__":
    main()
