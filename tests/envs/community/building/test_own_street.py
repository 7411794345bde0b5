"""The example of docs/own-community.md: its files are those that the seeded script makes, small, and built as the page says."""

from __future__ import annotations

from datetime import date

import numpy as np
import own_street
import pytest

from gridtoll.envs.community.building import BuildRequest, Built, build_community


@pytest.fixture(scope="module")
def street() -> Built:
    folder = own_street.FOLDER
    return build_community(
        BuildRequest(
            name="my-street",
            meters=(folder / "meters.csv",),
            prices=folder / "prices.csv",
            grid=str(folder / "lines.csv"),
            prosumers=folder / "prosumers.csv",
            time_zone="Europe/Berlin",
            voltage_kv=0.4,
        )
    )


def test_the_files_are_those_that_the_script_makes_and_small() -> None:
    for name, text in own_street.files().items():
        assert (own_street.FOLDER / name).read_bytes() == text.encode(), f"run tests/support/own_street.py: {name}"
    assert sum(file.stat().st_size for file in own_street.FOLDER.iterdir()) < 1_000_000


def test_28_days_of_quarters_of_an_hour_with_the_clock_change_in_them_are_whole(street: Built) -> None:
    community = street.community
    assert (community.n_days, community.n_periods, community.first_date) == (28, 96, date(2024, 10, 14))
    assert community.time_zone == "UTC+01:00"


def test_no_energy_is_lost_but_that_of_the_hour_before_the_first_midnight(street: Built) -> None:
    rows = [line.split(";") for line in (own_street.FOLDER / "meters.csv").read_text(encoding="utf-8").splitlines()[1:]]
    kwh = np.array([[float(cell.replace(",", ".")) for cell in row[1:]] for row in rows])
    assert len(rows) == 4 * (28 * 24 + 1)
    assert street.community.load_kw.sum(axis=0) / 4 == pytest.approx(kwh[4:, :8].sum(axis=0), rel=1e-12)


def test_a_price_of_an_hour_holds_for_its_quarters(street: Built) -> None:
    by_hour = street.community.import_price.reshape(-1, 4)
    assert (by_hour == by_hour[:, :1]).all()
    assert len(np.unique(street.community.import_price)) > 100
