"""A community of a few days can be cleared and played; a split that has no day there says what it needs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from builders import few_days

from gridtoll.envs.adapters.day_ahead import DayAheadEnv
from gridtoll.envs.adapters.hourly import HourlyEnv
from gridtoll.envs.community.calendar import Split, count_split_days
from gridtoll.envs.community.sources import export_community, load_community
from gridtoll.envs.games.spec import MOST_DAYS
from gridtoll.train.cli import main


@pytest.fixture(scope="module", params=[1, 7])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of so few days of the closed-form community."""
    return export_community(few_days("few-days", request.param), tmp_path_factory.mktemp("few") / "days")


def test_a_given_day_is_played_and_the_training_split_has_every_day(folder: Path) -> None:
    environment = DayAheadEnv(community=folder)
    environment.reset(seed=0, options={"day": 0})
    _, reward, *_ = environment.step(np.array([0.1]))
    assert np.isfinite(reward)
    days = load_community(folder).n_days
    assert environment.setting.days.tolist() == list(range(days))
    assert count_split_days(days) == {"train": days, "validation": 0, "test": 0}


def test_the_hourly_game_is_played_on_days_that_are_there(folder: Path) -> None:
    days = load_community(folder).n_days
    environment = HourlyEnv(community=folder, days=days)
    environment.reset(seed=0)
    _, reward, *_ = environment.step(environment.action_space.sample() * 0.0)
    assert np.isfinite(reward)
    in_a_row = f"the train split must have `days` days in a row, and has not {days + 1} among the {days} days of the data"
    with pytest.raises(ValueError, match=in_a_row if days < MOST_DAYS else f"a whole number from 1 to {MOST_DAYS}, got {days + 1}"):
        HourlyEnv(community=folder, days=days + 1)


@pytest.mark.parametrize(("split", "least"), [("validation", 42), ("test", 14)])
def test_a_split_without_a_day_says_what_it_needs_where_it_is_asked_for(folder: Path, split: Split, least: int) -> None:
    with pytest.raises(ValueError, match=f"the {split} split needs data of at least {least} days .*, got .* Give more days"):
        DayAheadEnv(community=folder, split=split)


def test_the_command_line_clears_shows_and_solves_a_day_of_it(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for command in ("clear --day 0 --charge 0.1", "optimum --day 0"):
        assert main([*command.split(), "--community", str(folder)]) == 0
    assert main(["communities", "show", str(folder)]) == 0
    assert main(["evaluate", "zero", "--community", str(folder), "--jobs", "1", "--quiet"]) == 2
    assert "the test split needs data of at least 14 days (2 whole weeks), got" in capsys.readouterr().err
