"""Days on which clocks change are whole days of standard time: nothing is lost on the day of 23 hours, nothing invented on that of 25."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dialects import HOUSEHOLDS, Dialect, Readings, days, write, write_lines

from gridtoll.envs.community.building import BuildRequest, Built, build_community


def numbered(first: str, count: int, hours: slice = slice(None)) -> tuple[list[Any], Readings]:
    """Hours from midnight of standard time, and loads that count them from 1."""
    times = days(first, count)[hours]
    return times, {(name, "load"): [float(k + 1) for k in range(len(times))] for name in HOUSEHOLDS}


def built(folder: Path, meters: Path, **given: Any) -> Built:
    request: dict[str, Any] = {"name": "street", "grid": str(write_lines(folder)), "voltage_kv": 0.4, "time_zone": "Europe/Berlin"}
    request |= {"constants": {"import_price": 0.3, "export_price": 0.1}}
    return build_community(BuildRequest(meters=(meters,), **(request | given)))


@pytest.mark.parametrize("style", ["pandas", "offset", "dotted", "utc"])
def test_the_day_of_23_hours_has_24_of_standard_time_the_last_of_them_on_the_next_date(style: str, tmp_path: Path) -> None:
    # 30 March 00:00 to 1 April 24:00 by clock time: 24 + 23 + 24 hours, of which the last day of standard time lacks one
    times, values = numbered("2024-03-30", 3, slice(0, 71))
    community = built(tmp_path, write(tmp_path, times, values, Dialect(style=style))).community
    assert community.n_days == 2
    assert community.load_kw[:, 0].tolist() == list(range(1, 49))


@pytest.mark.parametrize("style", ["pandas", "offset", "dotted", "utc"])
def test_both_hours_that_clocks_show_as_two_on_the_day_of_25_are_kept_in_their_order(style: str, tmp_path: Path) -> None:
    # 26 October 00:00 to 28 October 24:00 by clock time begins an hour before midnight of standard time
    times, values = numbered("2024-10-25", 4, slice(23, 96))
    result = built(tmp_path, write(tmp_path, times, values, Dialect(style=style)))
    community = result.community
    assert (community.n_days, community.first_date) == (3, date(2024, 10, 26))
    assert community.load_kw[:, 0].tolist() == list(range(2, 74))
    assert "1 stamps before (2024-10-25T23:00 to 2024-10-25T23:00)" in result.sentences.text


def test_the_energy_of_all_whole_days_is_that_of_the_readings(tmp_path: Path) -> None:
    times, values = numbered("2024-10-26", 3)
    community = built(tmp_path, write(tmp_path, times, values, Dialect(energy=True)), stamps="start").community
    assert community.load_kw.sum(axis=0) == pytest.approx(np.full(3, sum(range(1, 73))), abs=0)


def test_the_hour_that_comes_twice_but_is_there_once_is_a_gap_after_the_first(tmp_path: Path) -> None:
    times, values = numbered("2024-10-26", 3)
    path = write(tmp_path, times, values, Dialect())
    rows = path.read_text(encoding="utf-8").splitlines()
    at = [k for k, row in enumerate(rows) if row.startswith("2024-10-27 02:00")]
    assert len(at) == 2
    path.write_text("\n".join(row for k, row in enumerate(rows) if k != at[1]), encoding="utf-8")
    with pytest.raises(ValueError, match=r"got none from 2024-10-27T02:00 to 2024-10-27T03:00 \(1 missing, a gap\)"):
        built(tmp_path, path, stamps="start")


def test_a_time_that_no_clock_showed_is_named(tmp_path: Path) -> None:
    times, values = numbered("2024-03-30", 3)
    path = write(tmp_path, times, values, Dialect(style="pandas"))
    path.write_text(path.read_text(encoding="utf-8").replace("2024-03-31 03:00:00", "2024-03-31 02:00:00"), encoding="utf-8")
    with pytest.raises(ValueError, match=r"row 28, column 'time': must be a time that clocks in Europe/Berlin showed"):
        built(tmp_path, path, stamps="start")


def test_clock_time_without_a_zone_is_told_by_what_it_does_to_the_day(tmp_path: Path) -> None:
    spring = write(tmp_path, *numbered("2024-03-30", 3), Dialect())
    with pytest.raises(
        ValueError, match=r"got none from 2024-03-31T02:00 to 2024-03-31T03:00 .* Where clocks were put forward, give --time"
    ):
        built(tmp_path, spring, time_zone=None)
    autumn = write(tmp_path, *numbered("2024-10-26", 3), Dialect())
    with pytest.raises(
        ValueError, match=r"row 28, .* one reading for 2024-10-27T02:00, got another in row 27.* put back, give --time-zone"
    ):
        built(tmp_path, autumn, time_zone=None, stamps="start")


def test_several_offsets_without_a_zone_are_asked_about_and_one_is_the_clock(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"--time-zone: must be given .* got UTC\+01:00, UTC\+02:00"):
        built(tmp_path, write(tmp_path, *numbered("2024-10-26", 3), Dialect(style="offset")), time_zone=None, stamps="start")
    winter = built(tmp_path, write(tmp_path, *numbered("2024-01-10", 2), Dialect(style="offset")), time_zone=None)
    assert "clock: UTC+01:00; the one offset from UTC that all stamps state" in winter.sentences.text


def test_stamps_that_look_like_the_ends_of_periods_are_asked_about_and_taken_as_said(tmp_path: Path) -> None:
    times = days("2024-01-10", 3)[1:49]
    path = write(tmp_path, times, {(name, "load"): [float(k) for k in range(1, 49)] for name in HOUSEHOLDS}, Dialect())
    with pytest.raises(ValueError, match=r"meters.csv: stamps go from 60 minutes after midnight to midnight.* Say --stamps end"):
        built(tmp_path, path)
    community = built(tmp_path, path, stamps="end").community
    assert (community.n_days, community.load_kw[:, 1].tolist()) == (2, list(range(1, 49)))
    assert built(tmp_path, path, stamps="start").community.n_days == 1


def test_an_unknown_zone_is_named_with_the_nearest_and_nothing_else_is(tmp_path: Path) -> None:
    """Without its zone, the hour that comes twice in autumn would seem to be a duplicate of every meter."""
    said = "--time-zone: must be the name of a time zone such as Europe/Berlin or UTC, got 'Europe/Berln'. Did you mean 'Europe/Berlin'?"
    with pytest.raises(ValueError, match="cannot be built") as caught:
        built(tmp_path, write(tmp_path, *numbered("2024-10-26", 3), Dialect()), time_zone="Europe/Berln", stamps="start")
    assert str(caught.value).splitlines()[1:] == [f"  - {said}"]
