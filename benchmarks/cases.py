"""Communities of any size from real profiles, for measurements.

The 99 prosumers of `ieee118`, who may all trade with one another, are drawn by a fixed seed, beyond 99 with repetition; each is scaled by a
factor of its own, so that no two are alike, and keeps its bus and with it its distance to the others. All that follows from the loads
(preferences, connections, frictions) follows from the scaled ones by the rules of :mod:`gridtoll.envs.community.parameters`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from gridtoll.envs.community.community import HOURS_PER_DAY, Community, make_community
from gridtoll.envs.community.day import Array, Day
from gridtoll.envs.community.sources import load_community
from gridtoll.envs.grid.network import make_network

SOURCE = "ieee118"
_SMALLEST, _GREATEST = 0.5, 2.0  # factors of size
_T_BY_N = ("demand_min", "demand_max", "utility_curvature", "utility_slope", "renewable")
_BY_T = ("import_price", "export_price", "loss_price", "base_injection")


@dataclass(frozen=True, kw_only=True)
class Case:
    """Days of one community cut to some hours.

    Attributes:
        community: Where the days come from.
        days: The days.
        charges: Network charges to clear each day at, in EUR/kWh, each of shape (N, N).
    """

    community: Community
    days: list[Day]
    charges: list[Array]


def read_case(text: str) -> tuple[int, int]:
    """Return prosumers and hours of a case as the command line names it, for example ``9x24``.

    Raises:
        ValueError: If it is not two whole numbers, at least 2 prosumers and 1 to 24 hours.
    """
    parts = text.split("x")
    if len(parts) != 2 or not all(part.isdecimal() for part in parts) or int(parts[0]) < 2 or not 1 <= int(parts[1]) <= HOURS_PER_DAY:
        raise ValueError(f"a case must be PROSUMERSxHOURS with at least 2 prosumers and 1 to {HOURS_PER_DAY} hours, got {text!r}.")
    return int(parts[0]), int(parts[1])


def make_case(n: int, hours: int, count: int, seed: int = 0, shares: tuple[float, ...] = (0.0, 0.1, 0.3, 1.0)) -> Case:
    """Return days and charges of a community of this size.

    Args:
        n: Prosumers.
        hours: Hours around noon; a single one comes without storage, which has nothing to do in it.
        count: Days, spread evenly over the training days.
        seed: Of the draw.
        shares: Charges by electrical distance, as shares of the community's cap.
    """
    community = case_community(n, seed)
    days = [
        _cut(community.day(scenario.day, price_path=scenario.price_path), hours) for scenario in community.scenarios("train", max(count, 1))
    ]
    return Case(community=community, days=days, charges=[share * community.charge_cap * community.network.distance for share in shares])


def case_days(n: int, hours: int, count: int, seed: int = 0) -> list[Day]:
    """Return the days of :func:`make_case`."""
    return make_case(n, hours, count, seed).days


def case_community(n: int, seed: int = 0, *, partners: int | None = None) -> Community:
    """Return a community of ``n`` prosumers drawn from the source's, each of whom may trade with so many nearest, or with all."""
    source, rng = load_community(SOURCE, partners="all"), np.random.default_rng((seed, n))
    rounds = -(-n // source.n_prosumers)
    chosen = np.concatenate([rng.permutation(source.n_prosumers) for _ in range(rounds)])[:n]
    factor = np.exp(rng.uniform(np.log(_SMALLEST), np.log(_GREATEST), n))
    return make_community(
        f"{n} of {SOURCE}",
        make_network(source.network.grid, source.network.prosumer_bus[chosen]),
        first_date=source.first_date,
        load_kw=source.load_kw[:, chosen] * factor,
        renewable_kw=source.renewable_kw[:, chosen] * factor,
        import_price=source.import_price,
        export_price=source.export_price,
        loss_price=source.loss_price,
        storage_power=source.storage_power[chosen] * factor,
        storage_capacity=source.storage_capacity[chosen] * factor,
        charge_cap=source.charge_cap,
        parameters=source.parameters,
        partners=partners,
    )


def _cut(day: Day, hours: int) -> Day:
    """Return the hours around noon of a day."""
    first = (day.n_periods - hours) // 2
    kept = slice(first, first + hours)
    changes = {name: getattr(day, name)[kept] for name in (*_T_BY_N, *_BY_T)}
    if hours == 1:
        changes |= {name: np.zeros(day.n_prosumers) for name in ("storage_power", "storage_capacity", "storage_start")}
    return replace(day, **changes)
