"""The clock of the data: what is stated of it, where it is said, and the evidence for SimBench's."""

from __future__ import annotations

from collections import Counter
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from finer import cut

from gridtoll.envs.community.clock import hour_axis
from gridtoll.envs.community.sources import COMMUNITY_NAMES, export_community, load_community
from gridtoll.envs.community.sources.simbench import profiles
from gridtoll.train import cli


def stamps(file: str) -> list[str]:
    """The first column of one of SimBench's files."""
    found = find_spec("simbench")
    assert found is not None
    assert found.origin is not None
    path = Path(found.origin).parent / "networks" / "1-complete_data-mixed-all-0-sw" / file
    with path.open(encoding="utf-8") as lines:
        next(lines)
        return [line.split(";", 1)[0] for line in lines]


@pytest.mark.parametrize("file", ["LoadProfile.csv", "RESProfile.csv"])
def test_simbench_stamps_its_rows_with_german_clock_time_and_spaces_them_evenly(file: str) -> None:
    found = stamps(file)
    assert len(found) == 366 * 96
    assert (found[0], found[-1]) == ("01.01.2016 00:00", "31.12.2016 23:45")
    spring = [text for text in found if text.startswith("27.03.2016")]
    assert len(spring) == 92
    assert spring[7:9] == ["27.03.2016 01:45", "27.03.2016 03:00"]
    twice = [text for text, count in Counter(found).items() if count == 2]
    assert twice == [f"30.10.2016 02:{minute:02d}" for minute in (0, 15, 30, 45)]


def test_the_sun_of_the_solar_profiles_comes_nearly_an_hour_early_for_utc_plus_1() -> None:
    by_hour = profiles()["solar"].reshape(366, 24, 8).sum(axis=0)
    middle = float(((np.arange(24) + 0.5) @ by_hour / by_hour.sum(axis=0)).mean())  # of what is produced in the year, hours of the day
    assert 11.0 < middle < 12.0  # at 10° E the sun is highest at 12.3 in UTC+1, at 11.3 in UTC


@pytest.mark.parametrize("name", COMMUNITY_NAMES)
def test_every_community_that_comes_with_gridtoll_states_its_clock(name: str) -> None:
    assert load_community(name).time_zone == ("solar time" if name == "two-prosumers" else "UTC+1")


def test_own_data_state_theirs_in_their_settings_and_it_is_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    year = load_community("two-prosumers")
    stated = export_community(cut(year, days=1, time_zone="Europe/Berlin, winter time"), tmp_path / "stated")
    silent = export_community(cut(year, days=1), tmp_path / "silent")
    assert load_community(stated).time_zone == "Europe/Berlin, winter time"
    for folder, said in ((stated, "Europe/Berlin, winter time"), (silent, "not stated")):
        assert cli.main(["communities", "show", str(folder)]) == 0
        assert f"time_zone               {said}" in capsys.readouterr().out


@pytest.mark.parametrize("label", ["", " UTC", "UTC\n", 1, None])
def test_a_clock_that_is_no_label_is_refused(label: object) -> None:
    with pytest.raises(ValueError, match="`time_zone` must be the name of a fixed clock, such as 'UTC' or 'UTC\\+1'"):
        cut(load_community("two-prosumers"), days=1, time_zone=label)


def test_an_axis_of_hours_names_the_clock_where_it_is_stated() -> None:
    assert hour_axis("UTC+1") == "hour of the day, UTC+1"
    assert hour_axis("not stated") == "hour of the day"
