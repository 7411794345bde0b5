"""Retail prices of each household's own: through the market, the money, the optimum and the folder."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from builders import charges_of, household_prices, kernel, market, random_basis, random_day, random_network
from finer import cut
from oracles import plain_clearing

from gridtoll.agents.optimum import solve_optimum, solve_several
from gridtoll.agents.optimum.hourly_game.bound import bound_hourly, nodal_price_range
from gridtoll.agents.optimum.many_charges.several import Bracket
from gridtoll.envs.account.settlement import settle, settle_many
from gridtoll.envs.account.social import solve_social
from gridtoll.envs.account.tariff import Tariff
from gridtoll.envs.community.calendar import Scenario
from gridtoll.envs.community.community import Community
from gridtoll.envs.community.day import Day, make_day
from gridtoll.envs.community.sources import export_community, load_community
from gridtoll.envs.games.observation.observer import make_observer
from gridtoll.envs.games.tail import forecast_of, tail_of
from gridtoll.envs.market.exact.compiled import StructuredMarket
from gridtoll.envs.market.mechanism import make_mechanism

SEEDS = range(6)


def priced(seed: int, **changes: Any) -> Day:
    low = -0.3 if seed % 2 else -0.02
    return random_day(seed, **household_prices(seed, periods=6, n=5, low=low, high=0.45), **changes)


def of_one(tariff_basis: np.ndarray) -> Tariff:
    return Tariff(kind="unique", basis=tariff_basis[None], names=("all",))


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("charge", [0.0, 0.05])
def test_program_kernel_and_the_plain_statement_agree(seed: int, charge: float) -> None:
    day = priced(seed)
    charges = charges_of(day, charge)
    program, kernel, plain = market().clear(day, charges), StructuredMarket().clear(day, charges), plain_clearing(day, charges)
    assert day.import_price.shape == (6, 5)
    assert kernel.objective_eur == pytest.approx(program.objective_eur, rel=1e-9, abs=1e-10)
    assert program.objective_eur == pytest.approx(plain.objective_eur, rel=1e-6, abs=1e-7)
    for name in ("demand", "grid_import", "grid_export", "trade"):
        np.testing.assert_allclose(getattr(kernel, name), getattr(program, name), rtol=0, atol=1e-7)
        np.testing.assert_allclose(getattr(program, name), getattr(plain, name), rtol=0, atol=5e-3)


def test_days_side_by_side_do_not_influence_each_other_whatever_prices_they_have() -> None:
    days = [priced(seed) if seed % 3 else random_day(seed) for seed in range(9)]
    charges = [charges_of(day, 0.03) for day in days]
    kernel, network = StructuredMarket(threads=1), random_network(1)
    together = kernel.clear_many(days, charges)
    whole = np.stack([np.broadcast_to(each, (6, 5, 5)) for each in charges])
    paid = settle_many(days, network, whole, together)
    for row, (day, charge, found) in enumerate(zip(days, charges, together, strict=True)):
        alone = kernel.clear_many([day], [charge])[0]
        for name in ("trade", "nodal_price", "grid_import", "stored_energy"):
            np.testing.assert_array_equal(getattr(alone, name), getattr(found, name))
        own = settle(day, network, charge, alone)
        for entry in fields(own):
            np.testing.assert_array_equal(getattr(own, entry.name), getattr(paid.row(row), entry.name))


@pytest.mark.parametrize("seed", SEEDS)
def test_equal_columns_are_common_prices_to_the_last_bit(seed: int) -> None:
    common = random_day(seed)
    columns: dict[str, Any] = {name: np.tile(getattr(common, name)[:, None], (1, 5)) for name in ("import_price", "export_price")}
    same = random_day(seed, **columns)
    ours, theirs = common.arrays(), same.arrays()
    assert all(np.array_equal(ours[name], theirs[name]) and np.shape(ours[name]) == np.shape(theirs[name]) for name in ours)


@pytest.mark.parametrize("seed", SEEDS)
def test_reordering_households_with_their_prices_reorders_what_they_do(seed: int) -> None:
    day, order = priced(seed), np.random.default_rng(seed).permutation(5)
    moved: dict[str, Any] = {}
    for name, value in day.arrays().items():
        shape = np.shape(value)
        if name == "base_injection" or not shape:
            moved[name] = value
        elif name.startswith("trade_"):
            moved[name] = np.asarray(value)[np.ix_(order, order)]
        else:
            moved[name] = np.asarray(value)[..., order] if shape[-1] == 5 else value
    other, kernel = make_day(**moved), StructuredMarket()
    charges = charges_of(day, 0.04)
    one, two = kernel.clear(day, charges), kernel.clear(other, charges[np.ix_(order, order)])
    np.testing.assert_allclose(one.grid_import[:, order], two.grid_import, rtol=0, atol=1e-8)
    np.testing.assert_allclose(one.trade[:, order][:, :, order], two.trade, rtol=0, atol=1e-8)


@pytest.mark.parametrize("seed", SEEDS)
def test_money_adds_up_with_prices_of_each_households_own(seed: int) -> None:
    day, network = priced(seed, import_fee=0.02), random_network(seed)
    charges = charges_of(day, 0.03)
    found = market().clear(day, charges)
    paid = settle(day, network, charges, found)
    retail = day.period_hours * (day.import_price * found.grid_import - day.export_price * found.grid_export)
    assert paid.surplus_eur.sum() == pytest.approx(-found.objective_eur, abs=1e-9)
    account = found.to_frame()
    assert len(account) == 30
    utility = day.utility_slope * found.demand - 0.5 * day.utility_curvature * found.demand**2
    costs = 0.5 * (day.grid_friction * (found.grid_import**2 + found.grid_export**2))
    costs = costs + 0.5 * day.storage_wear * (found.storage_charge**2 + found.storage_discharge**2)
    trading = 0.25 * (day.trade_friction * found.trade**2).sum(axis=0)
    own = (
        (day.period_hours * (utility - costs)).sum(axis=0)
        - retail.sum(axis=0)
        - day.period_hours * (trading.sum(axis=0) + trading.sum(axis=1))
    )
    np.testing.assert_allclose(own - paid.charge_eur + paid.payment_eur, paid.surplus_eur, atol=1e-9)


@pytest.mark.parametrize("flows", ["trades", "injections"])
@pytest.mark.parametrize("seed", SEEDS)
def test_the_optimum_is_certified_verified_and_no_grid_charge_earns_more(seed: int, flows: Any) -> None:
    day, network = priced(seed), random_network(seed, limit_kw=2.0)
    tariff = of_one(random_basis(seed, 5))
    best = solve_optimum(day, network, tariff, cap=0.6, flows=flows, market=StructuredMarket())
    assert best.certificate is not None
    checked = best.certificate.verify(market=StructuredMarket())
    assert max(checked.greatest_difference_eur, checked.greatest_bound_excess_eur) <= checked.tolerance_eur
    assert best.relative_gap < 1e-5
    for charge in np.linspace(0.0, 0.6, 25):
        charges = charge * tariff.basis[0]
        earned = settle(day, network, charges, StructuredMarket().clear(day, charges), flows=flows).profit_eur
        assert earned <= best.profit_eur + 1e-6 * (1 + abs(best.profit_eur))


@pytest.mark.parametrize("seed", SEEDS)
def test_social_p2p_is_proved_and_beats_every_charge(seed: int) -> None:
    day, network = priced(seed), random_network(seed, limit_kw=2.0)
    social = solve_social(day, network)
    assert social.relative_gap < 1e-6
    for charge in (0.0, 0.02, 0.1, 0.5):
        charges = charges_of(day, charge)
        assert settle(day, network, charges, kernel().clear(day, charges)).welfare_eur <= social.upper_bound_eur + 1e-7


def test_an_export_price_above_the_own_import_price_is_refused_with_who_when_and_both_prices() -> None:
    prices = household_prices(0, periods=6, n=5)
    prices["export_price"][3, 1] = prices["import_price"][3, 1] + 0.25
    low, high = prices["import_price"][3, 1], prices["export_price"][3, 1]
    said = f"of the same prosumer, got import {low} below export {high} at period 3, prosumer 1."
    with pytest.raises(ValueError, match=re.escape(said)):
        random_day(0, **prices)


def test_an_export_price_above_anothers_import_price_is_fine() -> None:
    prices: dict[str, Any] = {"import_price": np.full((6, 5), 0.1), "export_price": np.full((6, 5), 0.05)}
    prices["import_price"][:, 0], prices["export_price"][:, 0] = 0.5, 0.4
    day = random_day(0, **prices, stores=0)
    found = market().clear(day, charges_of(day, 0.0))
    assert found.trade[:, 1:, 0].sum() > 0  # the others sell to whoever the retailer pays best


def own_priced(community: Community, days: int, *, paths: int = 4) -> Community:
    rows, n, random = days * community.n_periods, community.n_prosumers, np.random.default_rng(1)
    common = community.import_price[:rows, None], community.export_price[:paths, :rows, None]
    return cut(
        community,
        days=days,
        import_price=common[0] + random.uniform(0.0, 0.2, (rows, n)),
        export_price=common[1] + random.uniform(-0.05, 0.0, (paths, rows, n)),
        loss_price=community.loss_price[:paths, :rows],
    )


@pytest.fixture(scope="module")
def mine() -> Community:
    return own_priced(load_community("two-prosumers"), 14)


def test_a_community_with_own_prices_gives_each_household_the_value_of_its_own_mean_price(mine: Community) -> None:
    day, own = mine.day(3, price_path=1), slice(3 * 24, 4 * 24)
    np.testing.assert_array_equal(day.import_price, mine.import_price[own])
    np.testing.assert_array_equal(day.export_price, mine.export_price[1, own])
    np.testing.assert_allclose(day.utility_slope, np.broadcast_to(mine.import_price.mean(axis=0) + 0.3, (24, 2)), rtol=1e-12)


def test_equal_columns_make_the_community_of_common_prices(mine: Community) -> None:
    plain = cut(load_community("two-prosumers"), days=14)
    wide = cut(
        load_community("two-prosumers"),
        days=14,
        import_price=np.tile(plain.import_price[:, None], (1, 2)),
        export_price=np.tile(plain.export_price[:, :, None], (1, 1, 2)),
    )
    assert wide.content_hash == plain.content_hash != mine.content_hash
    assert not wide.has_own_prices


def test_columns_of_a_table_are_put_into_the_prosumers_order() -> None:
    plain = cut(load_community("two-prosumers"), days=2)
    table = pd.DataFrame({"buyer": np.full(48, 0.4), "seller": np.full(48, 0.3)})
    own = cut(load_community("two-prosumers"), days=2, import_price=table)
    assert own.prosumer_names == plain.prosumer_names == ("seller", "buyer")
    assert own.import_price[0].tolist() == [0.3, 0.4]


def test_a_folder_with_prices_of_households_reads_back_to_the_last_bit(mine: Community, tmp_path: Path) -> None:
    folder = export_community(mine, tmp_path / "own")
    assert (folder / "household_prices.csv").is_file()
    assert load_community(folder).content_hash == mine.content_hash


def test_households_without_rows_of_their_own_have_the_common_prices(tmp_path: Path) -> None:
    plain = cut(load_community("two-prosumers"), days=1)
    folder = export_community(plain, tmp_path / "own")
    rows = "".join(f"2016-01-01T{hour:02d}:00,buyer,{0.3 + 0.01 * (hour % 5)}\n" for hour in range(24))
    (folder / "household_prices.csv").write_text("hour,name,import_price\n" + rows)
    again = load_community(folder)
    np.testing.assert_array_equal(again.import_price[:, 0], plain.import_price)
    np.testing.assert_allclose(again.import_price[:, 1], 0.3 + 0.01 * (np.arange(24) % 5))
    np.testing.assert_array_equal(again.export_price[..., 0], plain.export_price)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            lambda text: text.replace("buyer", "bayer", 1),
            "row 2, column 'name': must be one of the prosumers of prosumers.csv, got 'bayer'",
        ),
        (lambda text: text.replace("import_price", "import_prise"), "there is no such column. Did you mean 'import_price'"),
        (lambda text: text.rsplit("\n", 2)[0] + "\n", "the rows of 'buyer' must be the 24 of prices.csv in their order, got 23"),
        (
            lambda text: text.replace(",0.31\n", ",-0.9\n", 1),
            "row 3, column 'export_price_0'|`import_price` must be at least `export_price` of",
        ),
        (lambda text: text.replace("T05:00", "T06:00"), "the rows of 'buyer' must be the 24 of prices.csv in their order"),
        (lambda text: text.replace("import_price", "export_price_9"), "there is no such column"),
    ],
)
def test_faults_of_household_prices_name_file_row_and_column(change: Any, said: str, tmp_path: Path) -> None:
    folder = export_community(cut(load_community("two-prosumers"), days=1), tmp_path / "own")
    rows = "".join(f"2016-01-01T{hour:02d}:00,buyer,{0.3 + 0.01 * (hour % 5):.2f}\n" for hour in range(24))
    (folder / "household_prices.csv").write_text(change("hour,name,import_price\n" + rows))
    with pytest.raises(ValueError, match=said):
        load_community(folder)


def test_a_public_leader_sees_mean_prices_and_a_full_one_each_households(mine: Community) -> None:
    public, full = make_observer("public", mine), make_observer("full", mine)
    plain = make_observer("full", cut(load_community("two-prosumers"), days=14))
    assert public.size == 270
    assert full.size == plain.size + 2 * 24  # one column more of each price
    day, scenario = mine.day(3, price_path=1), Scenario(3, 1)
    seen = full.read(full.observe(scenario, day))
    np.testing.assert_allclose(seen["each_import_price"].reshape(24, 2), day.import_price, atol=1e-6)
    assert public.read(public.observe(scenario, day))["import_price"][0] == pytest.approx(day.import_price.mean(), abs=1e-6)


def test_a_forecast_and_the_rest_of_a_day_keep_own_prices(mine: Community) -> None:
    day = mine.day(2)
    expected = forecast_of(day, np.full((3, 24), 1.1))
    tail = tail_of(day, 20, day.storage_start, forecast=expected)
    assert tail.import_price.shape == tail.export_price.shape == (4, 2)
    assert (expected.export_price <= expected.import_price).all()
    np.testing.assert_array_equal(tail.export_price[0], day.export_price[20])


def test_several_charges_are_bracketed_with_own_prices() -> None:
    day, network = priced(2, stores=0), random_network(2, limit_kw=2.0)
    basis = np.stack([random_basis(1, 5), random_basis(2, 5)])
    found: Bracket = solve_several(
        day, network, Tariff(kind="zonal", basis=basis, names=("a", "b")), cap=0.5, max_clearings=150, max_nodes=20, n_starts=1
    )
    assert found.upper_bound_eur >= found.best_eur - 1e-9


@pytest.mark.parametrize("mechanism", ["call-auction", "continuous-auction"])
@pytest.mark.parametrize("seed", SEEDS[:3])
def test_auctions_clear_days_with_own_prices_and_leave_no_more_than_the_exact_market(mechanism: str, seed: int) -> None:
    day, network = priced(seed), random_network(seed)
    charges = charges_of(day, 0.03)
    [found] = make_mechanism(mechanism).clear_many([day], [charges])
    surplus = settle(day, network, charges, found).surplus_eur.sum()
    assert -surplus >= kernel().clear(day, charges).objective_eur - 1e-9


@pytest.mark.parametrize("seed", SEEDS)
def test_the_bound_of_the_hourly_game_is_above_what_the_best_standing_charge_earns(seed: int) -> None:
    day, network = priced(seed, import_limit=30.0, export_limit=30.0, trade_limit=30.0), random_network(seed, limit_kw=2.0)
    tariff = of_one(random_basis(seed, 5))
    best = solve_optimum(day, network, tariff, cap=0.6, market=StructuredMarket())
    bound = bound_hourly(day, network, greatest_charge=0.6 * tariff.basis[0])
    assert bound.bound_eur >= best.profit_eur - 1e-9
    least, greatest = nodal_price_range(day, 0.6 * tariff.basis[0])
    price = StructuredMarket().clear(day, best.charge * tariff.basis[0]).nodal_price
    assert (least[:, None] - 1e-9 <= price).all()
    assert (price <= greatest[:, None] + 1e-9).all()


def test_no_module_takes_a_days_retail_prices_for_common_ones() -> None:
    root = Path(__file__).parents[3]
    common = re.compile(r"day\.(import|export)_price\[:, ?None")
    files = [file for room in ("envs", "agents", "train") for file in (root / room).rglob("*.py")]
    assert [str(file) for file in files if common.search(file.read_text(encoding="utf-8"))] == []
