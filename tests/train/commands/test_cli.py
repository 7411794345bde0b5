"""The command line: its contract, its errors and its help."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tqdm import tqdm

from gridtoll import __version__
from gridtoll.envs.community.day import make_day
from gridtoll.envs.errors import ClearingError
from gridtoll.envs.games.spec import GameSpec
from gridtoll.envs.market.exact import verify
from gridtoll.envs.written import charges_from
from gridtoll.train.cli import COMMANDS, main
from gridtoll.train.commands import clear as clear_command
from gridtoll.train.ground.text import Report
from gridtoll.train.task import environment_of

CLEAR = (
    "profit_eur revenue_eur loss_cost_eur overload_cost_eur welfare_eur traded_kwh charged_kwh mechanism efficiency "
    "primal_residual dual_residual gap solver seconds"
)
OPTIMUM = "charge charge_cap profit_eur upper_bound_eur relative_gap recleared_profit_eur clearings seconds method closed proof from_store"
EVALUATE = "mean_profit_eur mean_regret_eur normalised_regret_mean normalised_regret_iqm normalised_regret_ci95 days excluded_days"
INPUTS = (
    "demand_min demand_max utility_curvature utility_slope renewable import_price export_price loss_price period_hours overload_price "
    "import_fee trade_friction trade_limit storage_power storage_capacity storage_efficiency storage_wear storage_start import_limit "
    "export_limit grid_friction base_injection"
)
GRID = "flows distance ptdf loss_coefficient branch_limit_kw prosumer_bus charge_per_kwh"
OUTPUTS = (
    "demand renewable_used grid_import grid_export storage_charge storage_discharge nodal_price storage_price stored_energy trade flow "
    "trade_price surplus_eur surplus_without_trade_eur"
)

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a command in a folder of its own and returns exit code, stdout and stderr."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("gridtoll.train.scoring.chosen.N_SAMPLE", 3)

    def call(text: str) -> tuple[int, str, str]:
        try:
            code = main(text.split())
        except SystemExit as leaving:
            code = int(leaving.code or 0)
        return code, *capsys.readouterr()

    return call


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of few days."""
    folder = tmp_path_factory.mktemp("runs") / "finished"
    options = "--community two-prosumers --steps 16 --validate-every 16 --validation-days 2 --warmup-days 8 --hidden 8 --jobs 1 --quiet"
    assert main(["train", "--out", str(folder), *options.split()]) == 0
    return folder


def only_json(out: str) -> dict[str, Any]:
    assert out.count("\n") == 1
    content = json.loads(out)
    assert isinstance(content, dict)
    return content


def test_clear_prints_what_the_contract_says(run: Run) -> None:
    code, out, err = run("clear --community two-prosumers --day 100 --tariff distance --charge 0.1 --json")
    values = only_json(out)
    assert (code, err) == (0, "")
    assert list(values) == CLEAR.split()
    assert values["profit_eur"] == pytest.approx(values["revenue_eur"] - values["loss_cost_eur"] - values["overload_cost_eur"])
    assert values["revenue_eur"] == pytest.approx(0.1 * values["charged_kwh"])
    assert max(abs(values[name]) for name in ("primal_residual", "dual_residual", "gap")) < 1e-9


def test_the_file_of_a_clearing_verifies_from_its_own_arrays(run: Run, tmp_path: Path) -> None:
    code, out, _ = run(
        "clear --community two-prosumers --day 100 --price-path 2 --charge 0.1 --flows injections --import-fee 0.08 --json --npz day.npz"
    )
    assert code == 0
    with np.load(tmp_path / "day.npz") as file:
        arrays = {name: file[name] for name in file.files}
    assert set(arrays) == {*INPUTS.split(), *GRID.split(), *OUTPUTS.split()}
    environment = environment_of(GameSpec(community="two-prosumers"))
    environment.reset(options={"day": 100, "price_path": 2})
    tariff = environment.tariff
    np.testing.assert_array_equal(arrays["charge_per_kwh"], tariff.charges(tariff.read([0.1], 24, 1.0)))
    assert (str(arrays["flows"]), float(arrays["import_fee"])) == ("injections", 0.08)
    day = make_day(label="read back", **{name: arrays[name] for name in INPUTS.split()})
    balance = arrays["renewable_used"] + arrays["grid_import"] - arrays["grid_export"] - arrays["demand"]
    balance += arrays["storage_discharge"] - arrays["storage_charge"] - arrays["trade"].sum(axis=2) + arrays["trade"].sum(axis=1)
    np.testing.assert_allclose(balance, 0, atol=1e-9)
    again = environment.mechanism.clear(day, arrays["charge_per_kwh"])
    np.testing.assert_allclose(again.trade, arrays["trade"], atol=1e-9)
    assert verify(day, arrays["charge_per_kwh"], again).holds()
    injection = arrays["renewable_used"] + arrays["storage_discharge"] - arrays["storage_charge"] - arrays["demand"]
    np.testing.assert_allclose(arrays["flow"], injection @ arrays["ptdf"][:, arrays["prosumer_bus"]].T, atol=1e-9)
    shapes = {name: arrays[name].shape for name in ("stored_energy", "trade", "distance", "base_injection", "storage_price")}
    assert shapes == {
        "stored_energy": (25, 2),
        "trade": (24, 2, 2),
        "distance": (2, 2),
        "base_injection": (24, 2),
        "storage_price": (24, 2),
    }
    assert only_json(out)["profit_eur"] != 0


def test_optimum_prints_what_the_contract_says_and_draws(run: Run, tmp_path: Path) -> None:
    code, out, _ = run("optimum --community two-prosumers --day 100 --tariff distance --json --plot day.png")
    values = only_json(out)
    assert code == 0
    assert list(values) == OPTIMUM.split()
    assert values["relative_gap"] <= 1e-6
    assert values["recleared_profit_eur"] == pytest.approx(values["profit_eur"], rel=1e-9)
    assert values["upper_bound_eur"] >= values["recleared_profit_eur"]
    assert (tmp_path / "day.png").read_bytes().startswith(b"\x89PNG")
    _, cleared, _ = run(f"clear --community two-prosumers --day 100 --charge {values['charge']!r} --json")
    assert only_json(cleared)["profit_eur"] == pytest.approx(values["recleared_profit_eur"], rel=1e-9)


@pytest.mark.parametrize("policy", ["zero", "random", "constant:0.1", "grid-constant", "optimum"])
def test_evaluate_prints_what_the_contract_says(run: Run, policy: str) -> None:
    code, out, _ = run(f"evaluate {policy} --community two-prosumers --split test --days 4 --json --jobs 1")
    values = only_json(out)
    assert code == 0
    assert list(values) == EVALUATE.split()
    assert (values["days"], values["excluded_days"]) == (4, [])
    assert len(values["normalised_regret_ci95"]) == 2


def test_a_trained_leader_is_evaluated_as_it_was_trained(run: Run, finished: Path, tmp_path: Path) -> None:
    code, out, _ = run(f"evaluate {finished} --days 3 --json --jobs 1 --quiet --rows rows.csv --plot regret.svg")
    assert code == 0
    assert only_json(out)["days"] == 3
    rows = (tmp_path / "rows.csv").read_text().splitlines()
    assert len(rows) == 4
    assert f"sac {finished},0,two-prosumers,test" in rows[1]
    assert (tmp_path / "regret.svg").is_file()
    code, text, _ = run(f"evaluate {finished} --days 3 --jobs 1 --quiet")
    assert "two-prosumers, distance tariff per day, 3 test days" in text


@pytest.mark.parametrize(
    ("more", "complaint"),
    [
        ("--information full", "Pass --information public"),
        ("--tariff zonal", "Pass --tariff distance"),
        ("--tariff unique", "Pass --tariff distance"),
        ("--charge-cap 0.5", "Pass --charge-cap 1"),
    ],
)
def test_a_trained_leader_does_not_play_another_game(run: Run, finished: Path, more: str, complaint: str) -> None:
    code, out, err = run(f"evaluate {finished} --days 3 --json --jobs 1 --quiet {more}")
    assert (code, out) == (2, "")
    assert complaint in err


def test_a_run_cut_short_is_refused_until_it_is_finished(run: Run, finished: Path, tmp_path: Path) -> None:
    config = json.loads((finished / "config.json").read_text())
    config["config"]["steps"] = 32
    for path in finished.iterdir():
        if path.is_file():
            (tmp_path / "cut" / path.name).parent.mkdir(exist_ok=True)
            (tmp_path / "cut" / path.name).write_bytes(path.read_bytes())
    (tmp_path / "cut" / "config.json").write_text(json.dumps(config))
    code, _, err = run("evaluate cut --days 2 --jobs 1")
    assert code == 2
    assert "after 16 of 32 training days" in err
    code, out, _ = run("train --resume cut --jobs 1 --quiet --json")
    assert code == 0
    assert only_json(out)["steps"] == 32
    assert run("evaluate cut --days 2 --jobs 1 --quiet --json")[0] == 0


def test_communities_are_listed_shown_and_exported(run: Run) -> None:
    code, out, _ = run("communities list --json")
    assert code == 0
    assert only_json(out)["default"] == "simbench-rural"
    assert "two-prosumers" in run("communities list")[1]
    shown = only_json(run("communities show two-prosumers --json")[1])
    assert (shown["prosumers"], shown["split_days"]) == (2, {"train": 198, "validation": 56, "test": 112})
    text = run("communities show two-prosumers")[1]
    assert "train 198" in text
    assert "storage_efficiency  2 filled: 0.95 (one way, the same for all)" in text
    entry = next(entry for entry in shown["derivations"] if entry["field"] == "grid_friction")
    assert entry == {
        "field": "grid_friction",
        "how": "filled",
        "rule": "0.005 EUR/kWh over the mean load of a prosumer",
        "count": 2,
        "least": pytest.approx(0.0025),
        "greatest": pytest.approx(0.0025),
        "unit": "EUR/kWh/kW",
        "whom": {},
    }
    code, out, _ = run("communities export two-prosumers mine --json")
    assert (code, only_json(out)) == (0, {"community": "two-prosumers", "folder": "mine"})
    first, second = (only_json(run(f"clear --community {name} --day 7 --charge 0.1 --json")[1]) for name in ("two-prosumers", "./mine"))
    assert first["profit_eur"] == pytest.approx(second["profit_eur"], rel=1e-9)


@pytest.mark.parametrize(
    ("command", "complaint"),
    [
        ("clear --day 1 --charge -0.1", "between 0 and the cap"),
        ("clear --day 1 --charge nan", "charges must be numbers in EUR/kWh separated by commas, got 'nan'"),
        ("clear --day 1 --charge 99", "between 0 and the cap"),
        ("clear --day 1 --charge 0.1,0.2", "must have shape"),
        ("clear --day 1 --charge 0.1,x", "got 'x' in '0.1,x'"),
        ("clear --day 366 --charge 0.1", "from 0 to 365"),
        ("clear --day 1 --price-path 9 --charge 0.1", "from 0 to 3"),
        ("clear --day 1 --charge 0.1 --tariff distnace", "Did you mean 'distance'?"),
        ("clear --day 1 --charge 0.1 --flows trade", "Did you mean 'trades'?"),
        ("clear --day 1 --charge 0.1 --charges-per week", "must be one of day, hour"),
        ("clear --day 1 --charge 0.1 --charge-cap -1", "--charge-cap must be"),
        ("clear --day 1 --charge 0.1 --npz no/such.npz", "existing folder"),
        ("clear --day 1 --charge 0.1 --npz .", "is a folder"),
        ("optimum --day 1 --tariff zonal --method exact", "one coefficient"),
        ("optimum --day 1 --plot day.gif", "must be one of pdf, png, svg"),
        ("optimum --split tests", "Did you mean 'test'?"),
        ("optimum --split test --days 1000", "number of days"),
        ("optimum --split test --days 2 --out no/rows.csv", "existing folder"),
        ("evaluate zeros --days 2", "Did you mean 'zero'?"),
        ("evaluate constant:x --days 2", "constant:0.2"),
        ("evaluate constant:7 --days 2", "between 0 and the cap"),
        ("evaluate no/run --days 2", "not there"),
        ("evaluate . --days 2", "must hold config.json"),
        ("evaluate zero --days 1000", "number of days"),
        ("evaluate zero --split tests", "Did you mean 'test'?"),
        ("evaluate zero --days 2 --rows no/rows.csv", "existing folder"),
        ("train --out run --algorithm sax", "Did you mean 'sac'?"),
        ("train --out run --learning-rate 0", "must be > 0"),
        ("train --out run --hidden 8,x", "whole numbers"),
        ("train --out run --information all", "must be one of full, public"),
        ("train --resume no/run", "not there"),
        ("train --resume no/run --steps 8", "--steps"),
    ],
)
def test_bad_input_is_one_clear_error_with_nothing_written(run: Run, tmp_path: Path, command: str, complaint: str) -> None:
    code, out, err = run(f"{command}{'' if '--resume' in command else ' --community two-prosumers'}")
    assert (code, out) == (2, "")
    assert complaint in err
    assert err.startswith(f"gridtoll {command.split(maxsplit=1)[0]}: error: ")
    assert "Traceback" not in err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "command",
    [
        "clear --day x --charge 1",
        "evaluate zero --days 0",
        "train --out a --seed -1",
        "train",
        "frobnicate",
        "clear",
        "optimum --day 1 --split test",
    ],
)
def test_a_command_line_that_cannot_be_read_is_usage_and_code_two(run: Run, command: str) -> None:
    code, out, err = run(command)
    assert (code, out) == (2, "")
    assert "usage: gridtoll" in err


def test_an_unknown_community_is_answered_with_the_nearest(run: Run) -> None:
    code, out, err = run("clear --community simbench-rurall --day 1 --charge 0.1 --json")
    assert (code, out) == (2, "")
    assert "Did you mean 'simbench-rural'?" in err


@pytest.mark.parametrize(("error", "code"), [(ClearingError("day 3 at 0.1"), 2), (OSError("disk full"), 2), (KeyboardInterrupt(), 130)])
def test_what_goes_wrong_on_the_way_is_said_on_stderr(run: Run, monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int) -> None:
    def fail(_: object) -> Report:
        sys.stdout.write("a library talks")
        raise error

    monkeypatch.setattr(clear_command, "run", fail)
    got, out, err = run("clear --day 1 --charge 0.1 --json")
    assert (got, out) == (code, "")
    assert (str(error) or "interrupted") in err


def test_what_is_logged_has_lines_of_its_own_beside_a_progress_bar(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def noisy(_: object) -> Report:
        for _ in tqdm(range(2), file=sys.stderr, miniters=1, mininterval=0.0):
            logging.getLogger("gridtoll.somewhere").warning("compiling, once")
        return Report({}, "done")

    monkeypatch.setattr("gridtoll.train.commands.communities.run", noisy)
    code, out, err = run("communities list")
    assert (code, out) == (0, "done\n")
    assert [line.split("\r")[-1] for line in err.split("\n")].count("compiling, once") == 2


def test_numbers_json_has_no_word_for_become_null() -> None:
    values = {"a": float("nan"), "b": [float("inf"), np.float64(1.5)], "c": np.arange(2), "d": {"e": (True, None, "x")}}
    assert json.loads(Report(values, "").as_json()) == {"a": None, "b": [None, 1.5], "c": [0, 1], "d": {"e": [True, None, "x"]}}


def test_help_teaches_and_version_tells(run: Run) -> None:
    assert run("--version")[:2] == (0, f"gridtoll {__version__}\n")
    for text in ("", "--help"):
        code, out, _ = run(text)
        assert code == 0
        assert all(name in out for name in COMMANDS)
    for name in COMMANDS:
        code, out, _ = run(f"{name} --help")
        assert code == 0
        assert "examples:\n  gridtoll " in out


def test_help_is_there_at_once() -> None:
    code = "import sys; from gridtoll.train.cli import main; main([]); sys.exit(bool({'torch', 'cvxpy', 'pandas'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=False, cwd=Path(__file__).parent).returncode == 0


def test_the_module_is_the_command() -> None:
    done = subprocess.run([sys.executable, "-m", "gridtoll.train", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"gridtoll {__version__}\n"


def test_charges_are_read_with_spaces_or_without() -> None:
    assert charges_from("0.1, 0.25 ,1") == (0.1, 0.25, 1.0)


def test_the_demo_trains_scores_and_draws(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from dataclasses import replace

    from gridtoll.train.reports import demo

    learner = replace(demo.DEMO.learner, hidden=(8,), warmup_days=8, batch_size=8, updates=1)
    small = replace(demo.DEMO, task=GameSpec(community="two-prosumers"), learner=learner, validate_every=16, validation_days=2)
    monkeypatch.setattr(demo, "DEMO", small)
    command = "demo --out here --steps 16 --days 3 --jobs 1 --quiet --json"
    code, out, _ = run(command)
    values = only_json(out)
    assert code == 0
    assert list(values)[:5] == ["zero", "random", "grid constant", "learned", "optimum"]
    assert values["optimum"]["mean_regret_eur"] == pytest.approx(0, abs=1e-9)
    low, high = values["regret_saved_by_learning_ci95"]
    assert low <= values["regret_saved_by_learning_eur"] <= high
    table = (tmp_path / "here" / "table.txt").read_text()
    assert "regret saved by learning" in table
    assert (tmp_path / "here" / "demo.png").read_bytes().startswith(b"\x89PNG")
    assert len((tmp_path / "here" / "rows.csv").read_text().splitlines()) == 1 + 5 * 3
    assert only_json(run(command)[1]) == values
    code, _, err = run("demo --out here --steps 32 --days 3 --jobs 1 --quiet")
    assert code == 2
    assert "holds another" in err
