"""Days of 24, 48 and 96 periods: the same day written in finer rows is the same day, and finer plans cost no more."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from finer import cut
from oracles import plain_clearing

from gridtoll.agents.optimum import solve_optimum
from gridtoll.envs.account.settlement import settle
from gridtoll.envs.account.tariff import make_tariff
from gridtoll.envs.adapters.day_ahead import DayAheadEnv
from gridtoll.envs.community.calendar import Scenario
from gridtoll.envs.community.community import Community
from gridtoll.envs.community.sources import export_community, load_community
from gridtoll.envs.games.observation.observer import make_observer
from gridtoll.envs.games.observation.public import public_values
from gridtoll.envs.market.exact import P2PMarket
from gridtoll.envs.market.exact.compiled import StructuredMarket


@pytest.fixture(scope="module")
def hourly() -> Community:
    return load_community("two-prosumers")


@pytest.mark.parametrize("minutes", [30, 15, 20])
def test_an_hour_repeated_without_storage_clears_to_the_same_powers_money_and_optimum(minutes: int) -> None:
    rural = load_community("simbench-rural")
    coarse, fine = (cut(rural, days=1, minutes=each, stores=False) for each in (60, minutes))
    times, market, tariff = 60 // minutes, StructuredMarket(), make_tariff("distance", rural.network)
    days = coarse.day(0), fine.day(0)
    assert (days[1].n_periods, days[1].period_hours) == (24 * times, 1 / times)
    charges = 0.05 * tariff.basis[0]
    one, other = (market.clear(day, charges) for day in days)
    for name in ("trade", "grid_import", "demand", "nodal_price"):
        np.testing.assert_allclose(np.repeat(getattr(one, name), times, axis=0), getattr(other, name), rtol=0, atol=1e-8)
    assert other.objective_eur == pytest.approx(one.objective_eur, rel=1e-12)
    paid = [settle(day, rural.network, charges, each) for day, each in zip(days, (one, other), strict=True)]
    for quantity in ("profit_eur", "welfare_eur", "traded_kwh", "loss_kwh", "import_kwh"):
        assert np.sum(getattr(paid[0], quantity)) == pytest.approx(np.sum(getattr(paid[1], quantity)), rel=1e-9, abs=1e-9)
    best = [solve_optimum(day, rural.network, tariff, cap=1.0, market=market) for day in days]
    assert best[1].profit_eur == pytest.approx(best[0].profit_eur, rel=1e-9)
    assert best[1].charge == pytest.approx(best[0].charge, rel=1e-6)


@pytest.mark.parametrize("minutes", [30, 15])
def test_with_storage_a_finer_plan_of_the_same_day_costs_no_more_and_is_certified(minutes: int) -> None:
    rural, market = load_community("simbench-rural"), StructuredMarket()
    charges = 0.05 * make_tariff("distance", rural.network).basis[0]
    coarse, fine = (market.clear(cut(rural, days=181, minutes=each).day(180), charges) for each in (60, minutes))
    assert fine.objective_eur <= coarse.objective_eur + 1e-9 * abs(coarse.objective_eur)
    assert max(fine.certificate.primal_residual, fine.certificate.dual_residual, abs(fine.certificate.gap)) < 1e-8


@pytest.mark.parametrize("minutes", [30, 15])
def test_energies_under_ac_are_those_of_the_same_powers_in_shorter_periods(minutes: int) -> None:
    """A day of 24, 48 or 96 rows of the same power loses the same energy, and is loaded alike."""
    found = []
    for each in (60, minutes):
        community = cut(load_community("simbench-rural"), days=1, minutes=each, stores=False)
        env = DayAheadEnv(community=community, flows="injections", power_flow="ac", solver="structured")
        env.reset(options={"day": 0, "price_path": 0})
        found.append(env.step(np.array([0.1]))[4])
    hourly, finer = found
    for name in ("ac_loss_kwh", "ac_loss_lines_kwh", "ac_loss_transformers_kwh", "loss_kwh", "profit_eur", "overload_cost_eur"):
        assert finer[name] == pytest.approx(hourly[name], rel=1e-9, abs=1e-9)
    for name in ("voltage_min_pu", "voltage_max_pu", "line_loading", "transformer_loading", "peak_loading"):
        assert finer[name] == pytest.approx(hourly[name], rel=1e-9)
    for name in ("voltage_min", "loaded"):
        assert finer[f"{name}_period"] == (60 // minutes) * hourly[f"{name}_period"], "the first of the periods of the same hour"
    assert hourly["ac_loss_kwh"] > 11.0


@pytest.mark.parametrize("minutes", [30, 15])
def test_program_kernel_and_the_plain_statement_agree_on_finer_days(hourly: Community, minutes: int) -> None:
    day = cut(hourly, days=3, minutes=minutes).day(2)
    charges = 0.03 * make_tariff("unique", hourly.network).basis[0]
    kernel, program, plain = StructuredMarket().clear(day, charges), P2PMarket().clear(day, charges), plain_clearing(day, charges)
    assert kernel.objective_eur == pytest.approx(program.objective_eur, rel=1e-9)
    assert kernel.objective_eur == pytest.approx(plain.objective_eur, rel=1e-6)
    for name in ("trade", "grid_import", "grid_export", "demand", "storage_charge"):
        np.testing.assert_allclose(getattr(kernel, name), getattr(program, name), rtol=0, atol=1e-7)
    np.testing.assert_allclose(kernel.trade, plain.trade, rtol=0, atol=2e-3)


@pytest.mark.parametrize("minutes", [60, 30, 15, 20, 5])
def test_a_folder_says_how_long_its_periods_are_and_reads_back_to_the_last_bit(hourly: Community, minutes: int, tmp_path: Path) -> None:
    finer = cut(hourly, days=2, minutes=minutes)
    folder = export_community(finer, tmp_path / "own")
    again = load_community(folder)
    assert (again.period_minutes, again.n_periods, again.n_days) == (minutes, 24 * 60 // minutes, 2)
    assert again.content_hash == finer.content_hash
    with (folder / "load_kw.csv").open(newline="") as file:
        assert [row[0] for row in list(csv.reader(file))[1:3]] == ["2016-01-01T00:00", f"2016-01-01T{minutes // 60:02d}:{minutes % 60:02d}"]


def test_folders_of_before_have_neither_setting_and_load_as_hours_of_a_clock_not_stated(hourly: Community, tmp_path: Path) -> None:
    folder = export_community(cut(hourly, days=2), tmp_path / "own")
    settings = folder / "settings.csv"
    kept = [line for line in settings.read_text().splitlines() if not line.startswith(("period_minutes", "time_zone"))]
    settings.write_text("\n".join(kept) + "\n")
    again = load_community(folder)
    assert (again.period_minutes, again.time_zone) == (60, "not stated")
    assert again.content_hash == cut(hourly, days=2).content_hash


@pytest.mark.parametrize("minutes", ["0", "7", "45", "90", "15.5", "-15", "quarter", "nan"])
def test_periods_that_do_not_divide_the_hour_are_refused_with_what_would(hourly: Community, minutes: str, tmp_path: Path) -> None:
    folder = export_community(cut(hourly, days=2), tmp_path / "own")
    settings = folder / "settings.csv"
    settings.write_text(settings.read_text().replace("period_minutes,60", f"period_minutes,{minutes}"))
    with pytest.raises(ValueError, match=r"settings.csv, row \d+, column 'value': period_minutes must be: .*divides 60"):
        load_community(folder)


@pytest.mark.parametrize("minutes", [0, 7, 120, 15.0, True, "15"])
def test_make_community_refuses_the_same(hourly: Community, minutes: object) -> None:
    with pytest.raises(ValueError, match="`period_minutes` must be a whole number of minutes that divides the hour, such as 60, 30 or 15"):
        cut(hourly, days=2, minutes=15, stated=minutes)


def test_a_part_of_a_day_of_quarter_hours_is_refused_by_their_number(hourly: Community) -> None:
    with pytest.raises(ValueError, match=r"whole days of 96 periods of 15 minutes, got \(48, 2\)"):
        cut(hourly, days=2, minutes=60, stated=15)


def test_a_table_of_quarter_hours_brings_its_own_times(hourly: Community) -> None:
    times = pd.date_range("2016-01-01", periods=2 * 96, freq="15min")
    table = pd.DataFrame(np.repeat(hourly.load_kw[:48], 4, axis=0), index=times, columns=list(hourly.prosumer_names))
    assert cut(hourly, days=2, minutes=15, load_kw=table).n_periods == 96
    with pytest.raises(
        ValueError, match="must be periods of 15 minutes that follow each other from `first_date`, row 1 must be 2016-01-01T00:15"
    ):
        cut(hourly, days=2, minutes=15, load_kw=table.set_axis(pd.date_range("2016-01-01", periods=2 * 96, freq="h")))


def test_the_length_of_a_period_counts_for_the_hash_and_the_name_of_the_clock_does_not(hourly: Community) -> None:
    day = cut(hourly, days=4)
    other = cut(hourly, days=1, minutes=15)
    assert day.content_hash != other.content_hash
    assert cut(hourly, days=4, time_zone="UTC+1").content_hash == day.content_hash


@pytest.mark.parametrize(("minutes", "size"), [(60, 270), (30, 486), (15, 918)])
def test_public_observations_are_sized_by_periods_and_mean_the_same_in_finer_rows(hourly: Community, minutes: int, size: int) -> None:
    coarse, fine = (make_observer("public", cut(hourly, days=14, minutes=each)) for each in (60, minutes))
    assert fine.size == size == 9 * fine.community.n_periods + 54
    times = 60 // minutes
    exact = [public_values(each.community, each.geometry, Scenario(8, 1), each.community.day(8, price_path=1)) for each in (coarse, fine)]
    for name in ("spread", "load", "renewable", "surplus", "deficit"):
        np.testing.assert_allclose(np.repeat(exact[0][name], times), exact[1][name], atol=1e-12, err_msg=name)
    for name in ("import_price", "revenue", "day_energy", "day_spread", "past_load", "past_renewable", "past_price"):
        np.testing.assert_allclose(exact[0][name], exact[1][name], atol=1e-12, err_msg=name)
