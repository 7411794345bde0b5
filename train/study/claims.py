"""The source paper's qualitative claims, held against the tables of a study: what holds, by how much, and on how many days.

Where a system cannot tell (two prosumers are equally far from each other whatever they pay), ``holds`` is None.

=====================  ============================================================================================================
claim                  holds where
=====================  ============================================================================================================
``better off``         at the equilibrium, operator and prosumers each have more than under No P2P
``near social``        the equilibrium keeps at least 95% of the welfare that Social P2P gains over No P2P (the paper: near-optimal)
``free near social``   the same for Free P2P
``one charge enough``  the same for the distance charge that is best for all: what it misses is the fault of having one charge, and what
                       the equilibrium misses beyond that is the price of profit
``trade is closer``    a traded kWh travels less far under the distance charge than free, and than under the unique charge
``storage``            trade answers more to the charge with storage than without, by its elasticity around the equilibrium
=====================  ============================================================================================================
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from .tables import Row, grouped, one, only

_ALIKE: Final = 1e-9  # distances closer than this are those of one and the same trade
NEAR: Final = 0.95
"""Share of Social's gain from which on a regime counts as near-optimal; the paper gives no number."""


def claim_rows(tables: Mapping[str, Sequence[Row]]) -> list[Row]:
    """Return a row for each system and claim.

    Args:
        tables: By name: ``regime_details``, ``regimes_daily``, ``welfare_charge``, ``charge_models`` and ``storage``.
    """
    rows = []
    for (system,), details in grouped(tables["regime_details"], "system").items():
        by = {row["regime"]: row for row in details}
        rows.append(_better_off(str(system), by, only(tables["regimes_daily"], system=system)))
        for name, regime in (("near social", "optimal"), ("free near social", "free")):
            share = by[regime]["share_of_social_gain"]
            words = f"{_name(regime)} keeps {_percent(share)} of what Social P2P gains over No P2P"
            rows.append(_row(str(system), name, holds=share is not None and share >= NEAR, number=share, words=words))
        best = one(tables["welfare_charge"], system=system)
        share, words = best["share_of_social_gain"], f"the charge best for all, {best['charge']:.4f} EUR/kWh, keeps"
        words = f"{words} {_percent(share)} of what Social P2P gains over No P2P"
        rows.append(_row(str(system), "one charge enough", holds=share is not None and share >= NEAR, number=share, words=words))
        rows.append(_closer(str(system), tables["charge_models"]))
        rows.append(_storage(str(system), tables["storage"]))
    return rows


def conclusion_rows(accounts: Sequence[Row]) -> list[Row]:
    """Return what follows under each account of flows and import fee, and in words what that changes.

    Args:
        accounts: The four regimes by ``system``, ``flows`` and ``import_fee``, the paper's own account (of trades, no fee) first.
    """
    result: list[Row] = []
    for (system,), rows in grouped(accounts, "system").items():
        found = [_conclusion(str(system), members) for members in grouped(rows, "flows", "import_fee").values()]
        result += [row | {"in_words": _what_changes(row, found[0])} for row in found]
    return result


def _conclusion(system: str, members: Sequence[Row]) -> Row:
    by = {row["regime"]: row for row in members}
    return {
        "system": system,
        "flows": by["no"]["flows"],
        "import_fee": by["no"]["import_fee"],
        "equilibrium_charge": by["optimal"]["charge"],
        "operator_gain_eur": by["optimal"]["operator_profit_eur"] - by["no"]["operator_profit_eur"],
        "prosumers_gain_eur": by["optimal"]["prosumer_surplus_eur"] - by["no"]["prosumer_surplus_eur"],
        "operator_gain_without_charge_eur": by["free"]["operator_profit_eur"] - by["no"]["operator_profit_eur"],
        "free_keeps": by["free"]["share_of_social_gain"],
        "optimal_keeps": by["optimal"]["share_of_social_gain"],
    }


def _what_changes(row: Row, paper: Row) -> str:
    """Return how the conclusions differ from those of the paper's account."""
    gain = row["operator_gain_without_charge_eur"]
    free = f"without a charge trade {'brings' if gain > 0 else 'costs'} the operator {_money(abs(gain))} EUR/day"
    kept = f"Free keeps {_percent(row['free_keeps'])} and Optimal {_percent(row['optimal_keeps'])} of Social's gain"
    if row is paper:
        return f"{free}; {kept}"
    ends = [other["equilibrium_charge"] for other in (paper, row)]
    way = "rises" if ends[1] > ends[0] else "falls"
    was = f"(were {_percent(paper['free_keeps'])} and {_percent(paper['optimal_keeps'])})"
    return f"the charge {way} from {ends[0]:.3f} to {ends[1]:.3f}; {free}; {kept} {was}"


def _better_off(system: str, by: Mapping[str, Row], daily: Sequence[Row]) -> Row:
    gains = {name: by["optimal"][name] - by["no"][name] for name in ("operator_profit_eur", "prosumer_surplus_eur")}
    days = grouped(daily, "day").values()
    good = sum(all(one(day, regime="optimal")[name] > one(day, regime="no")[name] for name in gains) for day in days)
    words = (
        f"against No P2P the operator gains {_money(gains['operator_profit_eur'])} and the prosumers together "
        f"{_money(gains['prosumer_surplus_eur'])} EUR/day; both gain on {good} of {len(days)} days"
    )
    return _row(system, "better off", holds=min(gains.values()) > 0, number=min(gains.values()), words=words)


def _closer(system: str, models: Sequence[Row]) -> Row:
    far = {row["tariff"]: row["mean_distance"] for row in only(models, system=system)}
    free, unique, distance = (far[name] for name in ("free", "unique", "distance"))
    if free is None or distance is None or abs(distance - free) <= _ALIKE * free:
        return _row(system, "trade is closer", holds=None, number=None, words="nothing is traded, or all pairs are equally far apart")
    holds = distance < free and (unique is None or distance < unique)
    alike = "no trade" if unique is None else f"{unique:.3f}"
    words = f"a traded kWh travels {free:.3f} of the mean distance free, {alike} under the unique charge, {distance:.3f} by distance"
    return _row(system, "trade is closer", holds=holds, number=distance / free - 1.0, words=words)


def _storage(system: str, storage: Sequence[Row]) -> Row:
    having, lacking = (one(storage, system=system, storage=there) for there in (True, False))
    slopes = (having["elasticity_of_trade"], lacking["elasticity_of_trade"])
    if None in slopes or slopes[0] == slopes[1]:
        return _row(system, "storage", holds=None, number=None, words="nobody has storage, or nothing is traded")
    words = (
        f"elasticity of trade {slopes[0]:.3f} with storage and {slopes[1]:.3f} without; steeper with it on "
        f"{having['days_more_sensitive_with_storage']} of {having['days']} days"
    )
    return _row(system, "storage", holds=slopes[0] < slopes[1], number=slopes[0] - slopes[1], words=words)


def _row(system: str, claim: str, *, holds: bool | None, number: float | None, words: str) -> Row:
    return {"system": system, "claim": claim, "holds": holds, "number": number, "in_words": words}


def _name(regime: str) -> str:
    return f"{regime.capitalize()} P2P"


def _money(amount: float) -> str:
    return f"{amount:,.0f}" if abs(amount) >= 1000 else f"{amount:.4g}"


def _percent(share: float | None) -> str:
    return "no defined share" if share is None else f"{100 * share:.1f}%"
