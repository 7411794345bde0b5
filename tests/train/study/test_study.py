"""``gridtoll study``: what it writes, that it goes on after a kill, and that its numbers are those of the parts it is made of."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from builders import retail_bill
from tables import rows_of

from gridtoll.agents.optimum import solve_optimum
from gridtoll.envs.account.settlement import settle
from gridtoll.envs.account.social import solve_social
from gridtoll.envs.account.tariff import make_tariff
from gridtoll.envs.community.sources import export_community, load_community
from gridtoll.train.cli import main
from gridtoll.train.study.cases import Case, equilibrium, market, situation_of
from gridtoll.train.study.cells import Answer, answer_all
from gridtoll.train.study.effort import StudySize, spread
from gridtoll.train.study.naming import SYSTEMS, chosen_systems
from gridtoll.train.study.parts.charge_models import ChargeModel, profit_bound
from gridtoll.train.study.parts.regimes import COLUMNS
from gridtoll.train.study.study import efforts_of, study
from gridtoll.train.study.tables import Row, mean_rows, one, write_csv
from gridtoll.train.workers import Workers

SMALL = replace(StudySize.quick(), charges=5, clearings=40)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("study")
    with Workers() as workers:
        study({"two-prosumers": SMALL}, folder, workers)
    return folder


def test_regimes_has_exactly_four_rows_a_system_and_the_columns_asked_for(written: Path) -> None:
    header = (written / "regimes.csv").read_text(encoding="utf-8").splitlines()[0]
    assert header == "system,regime,charge,operator_profit_eur,prosumer_surplus_eur,welfare_eur,loss_kwh,traded_kwh,charged_kwh"
    assert tuple(header.split(",")) == COLUMNS
    rows = rows_of(written / "regimes.csv")
    assert [(row["system"], row["regime"]) for row in rows] == [("two-prosumers", name) for name in ("no", "free", "social", "optimal")]
    assert [row["charge"] == "" for row in rows] == [True, False, True, False]


def test_its_numbers_are_means_of_the_days_solved_here_again(written: Path) -> None:
    community = load_community("two-prosumers")
    tariff = make_tariff("distance", community.network)
    rows = {row["regime"]: row for row in rows_of(written / "regimes.csv")}
    profit, welfare = [], []
    for scenario in community.scenarios("test", SMALL.days):
        day = community.day(scenario.day, price_path=scenario.price_path)
        best = solve_optimum(day, community.network, tariff, cap=community.charge_cap, market=market())
        profit.append(best.recleared_profit_eur)
        welfare.append(solve_social(day, community.network).welfare_eur)
    assert float(rows["optimal"]["operator_profit_eur"]) == pytest.approx(sum(profit) / len(profit), rel=1e-9)
    assert float(rows["social"]["welfare_eur"]) == pytest.approx(sum(welfare) / len(welfare), rel=1e-9)


def test_every_row_adds_up_and_no_regime_beats_social(written: Path) -> None:
    rows = rows_of(written / "accounts.csv")
    assert len(rows) == 16  # four regimes under two accounts, with a fee and without
    for row in rows:
        total = float(row["operator_profit_eur"]) + float(row["prosumer_surplus_eur"])
        assert float(row["welfare_eur"]) == pytest.approx(total)
        assert float(row["share_of_social_gain"]) <= 1.0 + 1e-6


def test_the_page_needs_nothing_beside_it_and_says_how_it_was_made(written: Path) -> None:
    page = (written / "index.html").read_text(encoding="utf-8")
    sources = re.findall(r'src="([^"]{0,30})', page)
    assert len(sources) == 10
    assert all(source.startswith("data:image/png;base64,") for source in sources)
    assert "http" not in re.sub(r"data:image/png;base64,[^\"]*", "", page)
    assert "commit" in page
    assert "clarabel" in page
    pictures = sorted(path.name for path in written.glob("*.png"))
    assert len(pictures) == 10
    assert {"overview.png", "two-prosumers-charge.png"} <= set(pictures)


def test_what_is_answered_is_not_asked_again(written: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in (written / "cells").iterdir()}
    table = (written / "regimes.csv").read_bytes()
    with Workers() as workers:
        study({"two-prosumers": SMALL}, written, workers)
    assert {path: path.stat().st_mtime_ns for path in (written / "cells").iterdir()} == before
    assert (written / "regimes.csv").read_bytes() == table


@dataclass(frozen=True)
class Counted:
    """A question that leaves a mark wherever it is answered, and fails on command."""

    case: Case
    number: int
    folder: str

    def answer(self) -> Answer:
        if (Path(self.folder) / f"fail-{self.number}").exists():
            raise KeyboardInterrupt
        mark = Path(self.folder) / f"answered-{self.number}"
        mark.write_text(mark.read_text() + "x" if mark.exists() else "x")
        return {"square": self.number**2}


def test_a_study_that_was_killed_goes_on_where_it_was(tmp_path: Path) -> None:
    case = Case(system="two-prosumers", day=0, price_path=0)
    questions = [Counted(case, number, str(tmp_path)) for number in (0, 1, 2, 1)]
    (tmp_path / "fail-2").touch()
    with Workers() as workers, pytest.raises(KeyboardInterrupt):
        answer_all(questions, tmp_path / "cells", workers)
    (tmp_path / "fail-2").unlink()
    for torn in (tmp_path / "cells").glob("*.json"):
        if json.loads(torn.read_text())["number"] == 1:
            torn.write_text('{"answer": {"squ')  # no whole file: asked again
    with Workers() as workers:
        found = answer_all(questions, tmp_path / "cells", workers)
    assert [one.answer["square"] for one in found] == [0, 1, 4, 1]
    assert [(tmp_path / f"answered-{number}").read_text() for number in range(3)] == ["x", "xx", "x"]


def cells_of(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in (folder / "cells").glob("*.json")}


ONE_DAY = ["study", "--system", "two-prosumers", "--quick", "--days", "1", "--jobs", "1", "--quiet", "--out"]


@pytest.fixture(scope="module")
def commanded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the command fills when nobody kills it, and beside it `said.json`, what it printed."""
    folder = tmp_path_factory.mktemp("commanded") / "out"
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        assert main([*ONE_DAY, str(folder), "--json"]) == 0
    folder.with_name("said.json").write_text(printed.getvalue(), encoding="utf-8")
    return folder


def test_the_command_goes_on_after_being_killed(commanded: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Killed, not interrupted: nothing can be tidied up. It takes its seconds because a process has to start and to work."""
    killed = tmp_path / "killed"
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3] / ".pkg"), "GRIDTOLL_CACHE": str(tmp_path / "cache")}
    process = subprocess.Popen([sys.executable, "-m", "gridtoll.train", *ONE_DAY, str(killed)], env=environment)
    while process.poll() is None and len(cells_of(killed)) < 3:
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert not (killed / "index.html").exists()
    before = cells_of(killed)
    assert len(before) >= 3
    assert main([*ONE_DAY, str(killed)]) == 0
    capsys.readouterr()
    done = cells_of(killed)
    assert {name: done[name] for name in before} == before  # what was there was kept, and not worked out again
    assert done.keys() == cells_of(commanded).keys()
    for table in commanded.glob("*.csv"):
        assert (killed / table.name).read_bytes() == table.read_bytes(), table.name
    assert (killed / "index.html").is_file()


@pytest.mark.long
def test_on_ray_the_tables_are_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("ray")
    arguments = ["study", "--system", "two-prosumers", "--quick", "--days", "1", "--jobs", "2", "--quiet"]
    for backend in ("local", "ray"):
        assert main([*arguments, "--backend", backend, "--out", str(tmp_path / backend)]) == 0
    capsys.readouterr()
    for table in (tmp_path / "local").glob("*.csv"):
        assert (tmp_path / "ray" / table.name).read_bytes() == table.read_bytes(), table.name


def test_a_changed_case_is_another_question(tmp_path: Path) -> None:
    case = Case(system="two-prosumers", day=0, price_path=0)
    cases: Sequence[Case] = [case, replace(case, price_path=1), replace(case, import_fee=0.08), replace(case, storage=False)]
    with Workers() as workers:
        answer_all([Counted(one, 3, str(tmp_path)) for one in cases], tmp_path / "cells", workers)
    assert len(list((tmp_path / "cells").iterdir())) == 4


def test_parts_of_a_community_trade_among_themselves_at_the_distances_of_the_whole() -> None:
    whole = situation_of(Case(system="ieee9", day=180, price_path=1))
    part = situation_of(Case(system="ieee9", day=180, price_path=1, prosumers=(0, 3, 8)))
    assert part.day.n_prosumers == 3
    assert part.network.distance[0, 2] == whole.network.distance[0, 8]
    assert part.clear_at(0.1)[0].certificate.holds()
    assert part.day.utility_slope[:, 1] == pytest.approx(whole.day.utility_slope[:, 3])


def test_limits_are_tightened_until_free_trade_loads_a_branch_as_asked() -> None:
    for loading in (1.1, 2.0):
        situation = situation_of(Case(system="ieee9", day=180, price_path=1, free_loading=loading))
        assert situation.clear_at(0.0)[1].peak_loading == pytest.approx(loading)


def test_a_cost_is_recovered_at_the_least_charge_or_proved_out_of_reach(written: Path) -> None:
    rows = rows_of(written / "cost_recovery.csv")
    recovered = [(int(row["days_recovered"]), int(row["days_proved_impossible"]), int(row["days"])) for row in rows]
    assert all(found + impossible == days for found, impossible, days in recovered)
    assert [found for found, _, _ in recovered] == sorted((found for found, _, _ in recovered), reverse=True)
    days = [situation_of(Case.of("two-prosumers", one)).day for one in load_community("two-prosumers").scenarios("test", SMALL.days)]
    mean_bill = sum(retail_bill(day) for day in days) / len(days)
    assert [float(row["cost_eur"]) for row in rows] == pytest.approx([share * mean_bill for share in SMALL.cost_shares])


def test_the_command_runs_and_reports(commanded: Path) -> None:
    values = json.loads(commanded.with_name("said.json").read_text(encoding="utf-8"))
    assert {row["regime"] for row in values["regimes"]} == {"no", "free", "social", "optimal"}
    assert Path(values["page"]).is_file()


def test_an_unknown_system_or_a_file_for_a_folder_is_refused_before_anything_is_done(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["study", "--system", "ieee8", "--out", str(tmp_path / "out")]) == 2
    assert "Did you mean 'ieee" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    (tmp_path / "file").touch()
    assert main(["study", "--system", "two-prosumers", "--out", str(tmp_path / "file")]) == 2
    assert "must name a folder" in capsys.readouterr().err
    assert chosen_systems(["ieee9", "all"]) == SYSTEMS


def test_large_systems_get_less_and_say_so(written: Path) -> None:
    efforts = efforts_of(["two-prosumers", "ieee39", "ieee118"])
    assert [effort.days for effort in efforts.values()] == [8, 8, 4]
    assert [effort.variant_days for effort in efforts.values()] == [8, 4, 2]
    assert [effort.nodes for effort in efforts.values()] == [100, 0, None]
    assert "2 days of them" in efforts["ieee118"].in_words()
    assert "comes from Social P2P alone" in efforts["ieee118"].in_words()
    fewer = efforts_of(["ieee39"], quick=True, days=3)["ieee39"]
    assert (fewer.days, fewer.variant_days) == (3, 1)
    assert rows_of(written / "effort.csv")[0]["clearings"] == "40"
    assert SMALL.in_words() in (written / "index.html").read_text(encoding="utf-8")


def test_days_of_the_variants_are_among_the_days_of_all() -> None:
    scenarios = load_community("ieee39").scenarios("test", 8)
    assert spread(scenarios, 4) == scenarios[::2]
    assert spread(scenarios, 9) == scenarios


def test_no_charges_of_any_kind_earn_more_than_social_p2p_leaves() -> None:
    """The bound that large systems rest on: welfare at most Social's, surplus at least that of No P2P."""
    case = Case(system="ieee9", day=180, price_path=1)
    bound = profit_bound(case)
    for tariff in ("unique", "distance"):
        best = equilibrium(case, tariff=tariff)
        assert best.profit_eur is not None
        assert 0 < best.profit_eur < bound
    found = ChargeModel(case, "zonal", starts=1, clearings=40, nodes=None).answer()
    assert found["proof"] == "Social P2P"
    assert found["upper_bound_eur"] == pytest.approx(bound, rel=1e-9)
    assert found["operator_profit_eur"] >= 0.99 * (equilibrium(case, tariff="unique").profit_eur or 0.0)
    tighter = ChargeModel(case, "zonal", starts=1, clearings=40, nodes=0).answer()
    assert (tighter["proof"], tighter["upper_bound_eur"] < bound) == ("K0", True)


def test_tables_read_back_exactly_and_leave_empty_what_is_missing(tmp_path: Path) -> None:
    rows: list[Row] = [{"name": "a, b", "x": 0.1 + 0.2, "y": None}, {"name": "c", "x": float("nan"), "y": 3}]
    write_csv(tmp_path / "t.csv", rows)
    read = rows_of(tmp_path / "t.csv")
    assert [row["name"] for row in read] == ["a, b", "c"]
    assert float(read[0]["x"]) == 0.1 + 0.2
    assert (read[0]["y"], read[1]["x"], read[1]["y"]) == ("", "", "3")
    assert mean_rows([{"k": 1, "v": 1.0}, {"k": 1, "v": None}], "k") == [{"k": 1, "v": 1.0}]
    with pytest.raises(ValueError, match="exactly one row"):
        one(rows, name="z")


def test_a_settled_case_is_the_environments_own_day() -> None:
    community = load_community("ieee9")
    day = community.day(100, price_path=2)
    situation = situation_of(Case(system="ieee9", day=100, price_path=2))
    charges = 0.2 * community.network.distance
    direct = settle(day, community.network, charges, market().clear(day, charges))
    assert situation.clear_at(0.2)[1].profit_eur == pytest.approx(direct.profit_eur, rel=1e-12)


def test_a_folder_of_ones_own_with_one_day_is_studied_under_its_folders_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    export_community(load_community("two-prosumers"), "mine")
    for path in (tmp_path / "mine").glob("*.csv"):
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        if len(lines) > 300:  # a year of hours: one day of them
            path.write_text("".join(lines[:25]), encoding="utf-8")
    assert main(["study", "--system", "./mine", "--out", "study", "--quick", "--jobs", "1", "--quiet"]) == 0
    assert "one day of all days" in capsys.readouterr().out
    assert {row["system"] for row in rows_of(tmp_path / "study" / "regimes.csv")} == {"mine"}
    assert (tmp_path / "study" / "mine-regimes.png").is_file()


def test_two_folders_of_one_name_and_a_folder_that_is_none_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    export_community(load_community("two-prosumers"), "mine")
    export_community(load_community("two-prosumers"), "other/mine")
    assert chosen_systems(["./mine", "./mine"]) == ("./mine",)
    with pytest.raises(ValueError, match="different names, got 'mine' more than once"):
        chosen_systems(["./mine", "./other/mine"])
    with pytest.raises(ValueError, match="nowhere"):
        chosen_systems(["./nowhere"])
