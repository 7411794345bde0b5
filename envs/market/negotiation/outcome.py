"""A negotiation of one day from its data to an allocation, with the evidence of how far it came."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import numpy as np

from ...community.day import Array, Day
from ...errors import ClearingError
from ...machine import available_cores
from ..exact.compiled.program import Program, program_of
from ..exact.market_data import IntArray, read_charges_of
from ..exact.solution import Clearing
from ..mechanism import Allocated
from ..prosumer.crowd import TradingPairs, crowd_of, pairs_of
from .contracts import Contracts, contracts_of, plans_alone
from .loops import hold
from .rounds import Agreed
from .terms import NegotiationEvidence, Rule, Speech

_BYTES: Final = 8  # a number in a message
_BALANCED: Final = 1e-9


def negotiated(day: Day, charges: Array, rule: Rule, speech: Speech, *, polish: bool = False) -> Allocated[NegotiationEvidence]:
    """Hold the negotiation of a day.

    Args:
        day: The day.
        charges: τ in EUR/kWh, shape (T, N, N).
        rule: How prices move.
        speech: What a round's messages hold.
        polish: Whether a negotiation that converged is brought to the exact clearing from where it ended.

    Raises:
        ClearingError: If a prosumer's own program cannot be solved.
    """
    pairs = pairs_of(day, charges)
    alone = plans_alone(day)
    if not alone.missing.max() <= _BALANCED:
        raise ClearingError(
            f"a prosumer of day {day.label!r} cannot close its balance without trades: {alone.missing.max():.3g} is missing."
        )
    agreed = hold(crowd_of(day), pairs, alone.price, rule)
    converged = bool((agreed.trace[-1] <= rule.tolerance).all())
    exact = polished(day, charges, agreed) if polish and converged else None
    contracts = None if exact is not None else contracts_of(day, pairs, agreed)
    evidence = _evidence(pairs, agreed, contracts, speech, converged=converged)
    if contracts is None:
        return _exactly(exact, evidence)
    return _allocation(day, pairs, agreed, contracts, evidence)


def negotiate_days(
    days: Sequence[Day], charges: Array | Sequence[Array], rule: Rule, speech: Speech, *, polish: bool = False
) -> list[Allocated[NegotiationEvidence]]:
    """Hold the negotiation of each day, in threads.

    Args:
        days: The days.
        charges: τ of each in EUR/kWh, arrays of shape (T, N, N).
        rule: How prices move.
        speech: What a round's messages hold.
        polish: Whether negotiations that converged are brought to the exact clearing.

    Raises:
        ValueError: If charges are not valid, or there are not as many as days.
        ClearingError: If a day cannot be cleared.
    """
    read = read_charges_of(days, charges)

    def one(day: Day, posted: Array) -> Allocated[NegotiationEvidence]:
        return negotiated(day, posted, rule, speech, polish=polish)

    if len(days) < 2:
        return list(map(one, days, read))
    with ThreadPoolExecutor(min(available_cores(), len(days))) as pool:
        return list(pool.map(one, days, read))


def polished(day: Day, charges: Array, agreed: Agreed) -> Clearing:
    """Return the exact clearing, found from the prices, stores and active bounds that a negotiation ended with.

    Args:
        day: The day.
        charges: τ in EUR/kWh, shape (T, N, N).
        agreed: What the negotiation ended with.
    """
    from ..exact.compiled import StructuredMarket  # noqa: PLC0415 - Numba takes a second to load

    program = program_of(day)
    start = _state(day, program, agreed)
    return StructuredMarket(threads=1).clear(day, charges, start=start)


def _state(day: Day, program: Program, agreed: Agreed) -> Clearing:
    """Return where a negotiation ended as a clearing that nothing is proved of; only what polishing reads is filled in."""
    from ..exact.solution import Certificate  # noqa: PLC0415

    power, price = program.power_unit, program.price_unit
    none = np.zeros_like(day.demand_min)
    # Rows by period, as the market's own: its loops are compiled anew, for minutes, for arrays that lie otherwise.
    own = {name: np.ascontiguousarray(getattr(agreed, name).T) for name in ("renewable", "own_price", "stored_price", "stored")}
    return Clearing(
        demand=none,
        renewable_used=own["renewable"] * power,
        grid_import=none,
        grid_export=none,
        storage_charge=none,
        storage_discharge=none,
        stored_energy=np.vstack([day.storage_start, own["stored"] * (power * program.period_hours)]),
        trade=np.zeros((0, 0, 0)),
        nodal_price=own["own_price"] * price,
        storage_price=own["stored_price"] * price,
        objective_eur=np.nan,
        certificate=Certificate(primal_residual=np.nan, dual_residual=np.nan, gap=np.nan),
        solver="negotiation",
    )


def _evidence(pairs: TradingPairs, agreed: Agreed, contracts: Contracts | None, speech: Speech, *, converged: bool) -> NegotiationEvidence:
    """Return the evidence, messages counted as :mod:`.rounds` and :mod:`.contracts` say who tells whom what."""
    n_periods, n_pairs = pairs.charge.shape
    partners = _partners(pairs)
    links = int(partners.sum())
    numbers = n_periods * (links + agreed.rounds * (2 * n_pairs * speech.per_pair + links * speech.per_partner))
    requests, asked = 0, 0
    if contracts is not None:
        requests = contracts.requests
        halvings = np.where(contracts.shares > 0.0, -np.log2(np.maximum(contracts.shares, 2.0**-8)), 8.0)
        asked = int((halvings * partners).sum())  # one message to each partner, of one number
    primal, dual = agreed.trace[-1]
    return NegotiationEvidence(
        rounds=int(agreed.rounds),
        messages=links * (1 + int(agreed.rounds)) + asked,
        bytes=_BYTES * (numbers + asked),
        primal_residual=float(primal),
        dual_residual=float(dual),
        converged=converged,
        requests=requests,
        polished=contracts is None,
        trace=agreed.trace,
    )


def _partners(pairs: TradingPairs) -> IntArray:
    """Return how many partners each prosumer has, shape (N,), whoever of both may sell."""
    n = len(pairs.first) - 1
    known = np.zeros((n, n), dtype=np.bool_)
    known[pairs.seller, pairs.buyer] = known[pairs.buyer, pairs.seller] = True
    return np.asarray(known.sum(axis=1), dtype=np.intp)


def _exactly(exact: Clearing | None, evidence: NegotiationEvidence) -> Allocated[NegotiationEvidence]:
    assert exact is not None  # noqa: S101 - no contracts, hence polished
    names = ("demand", "renewable_used", "grid_import", "grid_export", "storage_charge", "storage_discharge", "stored_energy", "trade")
    values: dict[str, Any] = {name: getattr(exact, name) for name in (*names, "trade_price", "objective_eur")}
    return Allocated(**values, evidence=evidence)


def _allocation(
    day: Day, pairs: TradingPairs, agreed: Agreed, contracts: Contracts, evidence: NegotiationEvidence
) -> Allocated[NegotiationEvidence]:
    program, plans = program_of(day), contracts.plans
    power, price = program.power_unit, program.price_unit
    n_periods, n = day.demand_min.shape
    trade, trade_price = np.zeros((n_periods, n, n)), np.zeros((n_periods, n, n))
    limit = day.trade_limit[pairs.seller, pairs.buyer]  # no more than that, not by rounding either
    trade[:, pairs.seller, pairs.buyer] = np.minimum(contracts.trade * power, limit)
    trade_price[:, pairs.seller, pairs.buyer] = agreed.price * price
    stored = np.vstack([day.storage_start, plans.stored * power * program.period_hours])
    stored[1:, ~day.has_storage] = day.storage_start[~day.has_storage]
    found: dict[str, Any] = {
        "demand": np.clip(plans.demand * power, day.demand_min, day.demand_max),
        "renewable_used": plans.renewable * power,
        "grid_import": plans.imported * power,
        "grid_export": plans.exported * power,
        "storage_charge": plans.charge * power,
        "storage_discharge": plans.discharge * power,
        "stored_energy": stored,
        "trade": trade,
        "trade_price": trade_price,
    }
    for array in found.values():
        array.setflags(write=False)
    unit = program.period_hours * power * price
    return Allocated(**found, evidence=evidence, objective_eur=contracts.cost * unit)
