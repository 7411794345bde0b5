"""Bring your own: a community as a folder of CSV files, written as a template and read back, checked.

The files, with the columns and units of each, are described by :data:`~gridtoll.envs.community.sources.folder_format.FOLDER_README`, which
every exported folder holds as ``README.md``. Numbers are written so that they read back exactly: a community exported and loaded again has
the same ``content_hash``.
"""

from __future__ import annotations

import csv
import shutil
import tempfile
from collections.abc import Iterable, Sequence
from datetime import datetime, time, timedelta
from pathlib import Path
from typing import Final

import numpy as np

from ...grid.wires_columns import wires_as_columns
from ..community import Community
from ..day import Array
from ..parameters import MARKET_PARAMETER_NAMES
from .folder_format import BRANCH_RULES, BUS_COLUMNS, FOLDER_README, FORMAT_VERSION, LIMITS, PROSUMER_RULES, SETTINGS, field_name
from .grid_files import PTDF_FILE, VOLTAGE_FILE, ptdf_rows, voltage_rows
from .household_file import FILE as HOUSEHOLD_FILE
from .household_file import household_rows
from .place import FILES, holds_a_community
from .tables import HOUR_COLUMN, HOUR_FORMAT

_BESIDE: Final = ("README.md", HOUSEHOLD_FILE, PTDF_FILE, VOLTAGE_FILE)
"""Files that a community's folder may hold, but need not."""


def export_community(community: Community, folder: str | Path, *, replace: bool = False, history: str = "") -> Path:
    """Write a community as a folder of CSV files, completely or not at all, and return the folder.

    Args:
        community: What to write.
        folder: Where; it must not exist, or be empty.
        replace: Whether the folder of a community that is there already is replaced by this one.
        history: How the community was made, which ends the folder's README.

    Raises:
        ValueError: If the folder exists and is not empty, or is a file; where it may be replaced, if it holds anything but a community.
    """
    target = require_free(folder, replace=replace)
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}."))
    try:
        _write_folder(community, draft, history)
        draft.chmod(0o755)  # temporary folders are private
        if target.exists():
            _put_in_place_of(draft, target)
        else:
            draft.replace(target)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    return target


def require_free(folder: str | Path, *, replace: bool = False) -> Path:
    """Return the whole path of a folder that a community may be written to.

    Args:
        folder: The folder.
        replace: Whether the folder of a community may be there already.

    Raises:
        ValueError: If it may not be written to.
    """
    target = Path(folder).absolute()
    if not target.exists() or (target.is_dir() and not any(target.iterdir())):
        return target
    if not replace:
        raise ValueError(
            f"the folder to write to must not exist, or be empty, got {str(target)!r}. Choose another, or empty it "
            "(`gridtoll communities build` replaces a community there by --replace)."
        )
    others = [] if not target.is_dir() else sorted(each.name for each in target.iterdir() if each.name not in (*FILES, *_BESIDE))
    if not target.is_dir() or others or not holds_a_community(target):
        listed = f", which also holds {', '.join(others[:5])}" if others else ""
        raise ValueError(f"what is replaced must be the folder of a community and hold nothing else, got {str(target)!r}{listed}.")
    return target


def _put_in_place_of(draft: Path, target: Path) -> None:
    """Give a draft the name of a folder that exists; where that fails, the folder that was there is put back."""
    old = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}.")) / "old"
    target.replace(old)
    try:
        draft.replace(target)
    except BaseException:
        old.replace(target)
        raise
    finally:
        shutil.rmtree(old.parent, ignore_errors=True)


def _write_folder(community: Community, folder: Path, history: str) -> None:
    grid, network = community.network.grid, community.network
    (folder / "README.md").write_text(FOLDER_README + history, encoding="utf-8")
    values = {"format": FORMAT_VERSION, "name": community.name, "base_power_kw": grid.base_power_kw}
    values |= {"slack_bus": grid.bus_names[grid.slack_bus], "partners": community.partners or "all"}
    values |= {"trade_friction": community.trade_friction, "charge_cap": community.charge_cap}
    values |= {name: getattr(community.parameters, name) for name in MARKET_PARAMETER_NAMES}
    values |= {"period_minutes": community.period_minutes, "time_zone": community.time_zone}
    _write(folder / "settings.csv", ("name", "value", "meaning"), ((key, values[key], text) for key, text in SETTINGS.items()))
    of_buses, of_branches = wires_as_columns(grid)
    buses = zip(grid.bus_names, *grid.bus_position.T.tolist(), network.bus_zone.tolist(), *of_buses.values(), strict=True)
    _write(folder / "buses.csv", (*BUS_COLUMNS, *of_buses), buses)
    ends = ([grid.bus_names[i] for i in grid.branch_from], [grid.bus_names[i] for i in grid.branch_to])
    numbers = (grid.branch_resistance_pu.tolist(), grid.branch_reactance_pu.tolist(), grid.branch_limit_kw.tolist())
    branches = zip(grid.branch_names, *ends, *numbers, *of_branches.values(), strict=True)
    _write(folder / "branches.csv", ("branch", "from", "to", *BRANCH_RULES, LIMITS[0], *of_branches), branches)
    for file, own in ((PTDF_FILE, ptdf_rows(grid)), (VOLTAGE_FILE, voltage_rows(grid))):
        if own is not None:
            _write(folder / file, *own)
    columns = [getattr(community, field_name(column)).tolist() for column in PROSUMER_RULES]
    at = [grid.bus_names[i] for i in network.prosumer_bus]
    rows = zip(community.prosumer_names, at, community.renewable_kind, *columns, strict=True)
    _write(folder / "prosumers.csv", ("prosumer", "bus", "renewable_kind", *PROSUMER_RULES), rows)
    _write_hours(community, folder / "load_kw.csv", community.prosumer_names, community.load_kw)
    _write_hours(community, folder / "renewable_kw.csv", community.prosumer_names, community.renewable_kw)
    _write_prices(community, folder)


def _write_prices(community: Community, folder: Path) -> None:
    """Write common prices, and those of households' own, whose means are then the common ones."""
    paths = range(community.n_price_paths)
    header = ["import_price", *(name for path in paths for name in (f"export_price_{path}", f"loss_price_{path}"))]
    by_path = [price for path in paths for price in (community.mean_export_price[path], community.loss_price[path])]
    _write_hours(community, folder / "prices.csv", header, np.stack([community.mean_import_price, *by_path], axis=1))
    if community.has_own_prices:
        names, hours = community.prosumer_names, _hours_of(community)
        _write(folder / HOUSEHOLD_FILE, *household_rows(community.import_price, community.export_price, names, hours))


def _write_hours(community: Community, path: Path, header: Sequence[str], values: Array) -> None:
    rows = zip(_hours_of(community), values.tolist(), strict=True)
    _write(path, (HOUR_COLUMN, *header), ((hour, *row) for hour, row in rows))


def _hours_of(community: Community) -> list[str]:
    """Return when each period begins, as the column of hours has it."""
    start, period = datetime.combine(community.first_date, time()), timedelta(minutes=community.period_minutes)
    return [(start + number * period).strftime(HOUR_FORMAT) for number in range(len(community.load_kw))]


def _write(path: Path, header: Iterable[str], rows: Iterable[Iterable[object]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)  # floats are written as their shortest exact form
