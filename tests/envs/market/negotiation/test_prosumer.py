"""A prosumer's own program by its structure: the exact market with nobody to trade with, or with contracts fixed, finds the same."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from builders import DEGENERATE, day_fields, random_day
from hypothesis import given, settings
from hypothesis import strategies as st

from gridtoll.envs.community.day import Day, make_day
from gridtoll.envs.community.sources import load_community
from gridtoll.envs.market.call_auction.plans import plan_with_contracts
from gridtoll.envs.market.exact.compiled.program import program_of
from gridtoll.envs.market.negotiation.contracts import plans_alone
from gridtoll.envs.market.negotiation.loops import plan_with
from gridtoll.envs.market.prosumer.crowd import crowd_of
from gridtoll.envs.market.prosumer.plans import Plans
from gridtoll.envs.market.solvers import make_market

EXACT = make_market("structured")


def require_same_plans(day: Day, plans: Plans) -> None:
    """The plans are those of the exact market when no pair may trade, in what is unique."""
    alone = EXACT.clear(replace(day, trade_limit=np.zeros_like(day.trade_limit)), np.zeros(day.trade_limit.shape))
    program = program_of(day)
    power, stores = program.power_unit, day.has_storage
    for name, found in (
        ("demand", plans.demand),
        ("grid_import", plans.imported),
        ("grid_export", plans.exported),
        ("renewable_used", plans.renewable),
        ("storage_charge", plans.charge),
        ("storage_discharge", plans.discharge),
    ):
        np.testing.assert_allclose(found, getattr(alone, name) / power, atol=2e-8, err_msg=name)
    stored = alone.stored_energy[1:, stores] / (power * day.period_hours)
    np.testing.assert_allclose(plans.stored[:, stores], stored, atol=2e-8)
    worth = plans.cost.sum() * power * program.price_unit * day.period_hours
    assert worth == pytest.approx(alone.objective_eur, abs=1e-9 * day.turnover_eur)
    assert plans.missing.max() < 1e-12


@given(
    seed=st.integers(0, 100_000),
    hours=st.sampled_from([0.25, 1.0]),
    import_price=st.sampled_from([0.32, 0.05, -0.05]),
    wear=st.sampled_from([0.005, 0.2]),
    at_end=st.sampled_from([None, 0.0, 2.9]),
)
@settings(max_examples=40)
def test_plans_alone_are_those_of_the_exact_market(seed: int, hours: float, import_price: float, wear: float, at_end: float | None) -> None:
    fields = day_fields(seed, periods=9, stores=4, hours=hours) | {"storage_wear": wear, "import_price": import_price}
    fields["export_price"] = np.minimum(fields["export_price"], import_price) - (0.2 if import_price < 0.1 else 0.0)
    if at_end is not None:
        fields["storage_end"] = np.minimum(at_end * hours, np.broadcast_to(fields["storage_capacity"], 5))
    day = make_day(**fields)
    require_same_plans(day, plans_alone(day))


@pytest.mark.parametrize("name", DEGENERATE)
def test_plans_alone_on_degenerate_days_are_those_of_the_exact_market(name: str) -> None:
    day = DEGENERATE[name]()
    require_same_plans(day, plans_alone(day))


@pytest.mark.parametrize(("community", "number"), [("simbench-rural", 180), ("ieee39", 200), ("case33bw", 12)])
def test_plans_alone_of_named_communities_are_those_of_the_exact_market(community: str, number: int) -> None:
    day = load_community(community).day(number, price_path=0)
    require_same_plans(day, plans_alone(day))


@given(seed=st.integers(0, 100_000))
@settings(max_examples=15)
def test_plans_with_contracts_are_those_of_the_exact_market(seed: int) -> None:
    day = random_day(seed, stores=3)
    random = np.random.default_rng(seed)
    sold = random.uniform(-0.4, 0.4, day.demand_min.shape)
    power = program_of(day).power_unit
    plans = plan_with(crowd_of(day), -sold / power)
    exact = plan_with_contracts(day, sold)
    np.testing.assert_allclose(plans.demand * power, exact.demand, atol=1e-7)
    np.testing.assert_allclose(plans.imported * power, exact.grid_import, atol=1e-7)
    np.testing.assert_allclose(plans.charge * power, exact.storage_charge, atol=1e-7)


def test_contracts_that_cannot_be_kept_are_seen_at_the_prosumer_that_cannot() -> None:
    day = random_day(3)
    sold = np.zeros(day.demand_min.shape)
    sold[2, 4] = 100.0
    plans = plan_with(crowd_of(day), -sold / program_of(day).power_unit)
    assert plans.missing[4] > 1.0
    assert plans.missing[:4].max() < 1e-12
