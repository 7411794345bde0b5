"""The same data give the same community to the last bit, however they are written; what was built reads back as it was."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pytest
from dialects import LAYOUTS, STYLES, Dialect, days, readings, write, write_lines
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gridtoll.envs.community.building import BuildRequest, build_community
from gridtoll.envs.community.community import Community
from gridtoll.envs.community.sources import export_community, load_community

CONSTANTS = {"import_price": 0.3, "export_price": 0.1}


def built(folder: Path, meters: Path, **given: Any) -> Community:
    """A community of a file of meters on the grid of three houses."""
    request: dict[str, Any] = {"name": "street", "grid": str(write_lines(folder)), "voltage_kv": 0.4, "constants": CONSTANTS}
    request |= {"time_zone": "Europe/Berlin", "stamps": "start"}
    return build_community(BuildRequest(meters=(meters,), **(request | given))).community


@st.composite
def dialects(draw: st.DrawFn) -> Dialect:
    """Any dialect in which a number is one thing: a comma is not both the separator and, unquoted, the decimal sign."""
    separator = draw(st.sampled_from([",", ";", "\t", "|"]))
    return Dialect(
        separator=separator,
        comma=draw(st.booleans()),  # where commas separate, the writer quotes the cells that hold one
        mark=draw(st.booleans()),
        line_end=draw(st.sampled_from(["\n", "\r\n"])),
        quoted=draw(st.booleans()),
        layout=draw(st.sampled_from(LAYOUTS)),
        style=draw(st.sampled_from(STYLES)),
        energy=draw(st.booleans()),
        parquet=draw(st.booleans()),
        sep_line=draw(st.booleans()),
    )


@given(dialect=dialects(), first=st.sampled_from(["2024-03-30", "2024-10-26", "2024-07-01"]), seed=st.integers(0, 5))
@settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
def test_the_same_readings_in_every_dialect_give_the_same_community_to_the_last_bit(dialect: Dialect, first: str, seed: int) -> None:
    times = days(first, 3)
    values = readings(len(times), seed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        plain = built(folder, write(folder, times, values, Dialect(style="utc"), "plain"))
        other = built(folder, write(folder, times, values, dialect))
    assert plain.n_days == 3
    assert other.content_hash == plain.content_hash
    assert plain.load_kw[:, 0].tolist() == values["Müller 1", "load"]
    assert plain.renewable_kw[:, 0].tolist() == values["Müller 1", "generation"]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_what_was_built_reads_back_from_its_folder_to_the_last_bit(layout: str, tmp_path: Path) -> None:
    times = days("2024-10-26", 3)
    community = built(tmp_path, write(tmp_path, times, readings(len(times)), Dialect(layout=layout, energy=True)))
    again = load_community(export_community(community, tmp_path / "street"))
    assert again.content_hash == community.content_hash
    assert (
        export_community(again, tmp_path / "again").joinpath("load_kw.csv").read_bytes()
        == (tmp_path / "street" / "load_kw.csv").read_bytes()
    )


def test_the_order_of_rows_changes_nothing(tmp_path: Path) -> None:
    times = days("2024-07-01", 2)
    path = write(tmp_path, times, readings(len(times)), Dialect(style="utc"))
    sorted_hash = built(tmp_path, path).content_hash
    header, *rows = path.read_text(encoding="utf-8").splitlines()
    path.write_text("\n".join([header, *reversed(rows)]), encoding="utf-8")
    assert built(tmp_path, path).content_hash == sorted_hash


def test_readings_in_watts_are_those_in_kilowatts(tmp_path: Path) -> None:
    times = days("2024-07-01", 1)
    values = readings(len(times))
    in_kw = built(tmp_path, write(tmp_path, times, values, Dialect()))
    watts = {key: [1000 * value for value in each] for key, each in values.items()}
    path = write(tmp_path, times, watts, Dialect())
    path.write_text(path.read_text(encoding="utf-8").replace("[kW]", "[W]"), encoding="utf-8")
    assert abs(built(tmp_path, path).load_kw - in_kw.load_kw).max() < 1e-12


@pytest.mark.parametrize("minutes", [60, 30, 20, 15, 5])
def test_the_resolution_is_found_from_the_stamps_and_kept(minutes: int, tmp_path: Path) -> None:
    times = days("2024-10-26", 2, minutes)
    values = readings(len(times))
    community = built(tmp_path, write(tmp_path, times, values, Dialect(energy=True)))
    assert (community.period_minutes, community.n_days, community.time_zone) == (minutes, 2, "UTC+01:00")
    assert community.load_kw[:, 0] == pytest.approx(values["Müller 1", "load"], rel=1e-15)
    assert load_community(export_community(community, tmp_path / "street")).content_hash == community.content_hash
