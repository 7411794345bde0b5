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

import numpy as np

from ..community import Community
from ..day import Array
from ..parameters import MARKET_PARAMETER_NAMES
from .folder_format import BRANCH_RULES, BUS_COLUMNS, FOLDER_README, FORMAT_VERSION, PROSUMER_RULES, SETTINGS, field_name
from .tables import HOUR_COLUMN, HOUR_FORMAT


def export_community(community: Community, folder: str | Path) -> Path:
    """Write a community as a folder of CSV files, completely or not at all, and return the folder.

    Args:
        community: What to write.
        folder: Where; it must not exist, or be empty.

    Raises:
        ValueError: If the folder exists and is not empty, or is a file.
    """
    target = Path(folder).absolute()
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise ValueError(f"the folder to export to must not exist, or be empty, got {str(target)!r}. Choose another, or empty it.")
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}."))
    try:
        _write_folder(community, draft)
        draft.chmod(0o755)  # temporary folders are private
        if target.exists():
            target.rmdir()
        draft.replace(target)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    return target


def _write_folder(community: Community, folder: Path) -> None:
    grid, network = community.network.grid, community.network
    (folder / "README.md").write_text(FOLDER_README, encoding="utf-8")
    values = {"format": FORMAT_VERSION, "name": community.name, "base_power_kw": grid.base_power_kw}
    values |= {"slack_bus": grid.bus_names[grid.slack_bus], "partners": community.partners or "all"}
    values |= {"trade_friction": community.trade_friction, "charge_cap": community.charge_cap}
    values |= {name: getattr(community.parameters, name) for name in MARKET_PARAMETER_NAMES}
    values |= {"period_minutes": community.period_minutes, "time_zone": community.time_zone}
    _write(folder / "settings.csv", ("name", "value", "meaning"), ((key, values[key], text) for key, text in SETTINGS.items()))
    buses = zip(grid.bus_names, *grid.bus_position.T.tolist(), network.bus_zone.tolist(), strict=True)
    _write(folder / "buses.csv", BUS_COLUMNS, buses)
    ends = ([grid.bus_names[i] for i in grid.branch_from], [grid.bus_names[i] for i in grid.branch_to])
    numbers = (grid.branch_resistance_pu.tolist(), grid.branch_reactance_pu.tolist(), grid.branch_limit_kw.tolist())
    _write(folder / "branches.csv", ("branch", "from", "to", *BRANCH_RULES), zip(grid.branch_names, *ends, *numbers, strict=True))
    columns = [getattr(community, field_name(column)).tolist() for column in PROSUMER_RULES]
    at = [grid.bus_names[i] for i in network.prosumer_bus]
    rows = zip(community.prosumer_names, at, community.renewable_kind, *columns, strict=True)
    _write(folder / "prosumers.csv", ("prosumer", "bus", "renewable_kind", *PROSUMER_RULES), rows)
    _write_hours(community, folder / "load_kw.csv", community.prosumer_names, community.load_kw)
    _write_hours(community, folder / "renewable_kw.csv", community.prosumer_names, community.renewable_kw)
    paths = range(community.n_price_paths)
    header = ["import_price", *(name for path in paths for name in (f"export_price_{path}", f"loss_price_{path}"))]
    by_path = [price for path in paths for price in (community.export_price[path], community.loss_price[path])]
    _write_hours(community, folder / "prices.csv", header, np.stack([community.import_price, *by_path], axis=1))


def _write_hours(community: Community, path: Path, header: Sequence[str], values: Array) -> None:
    start, period = datetime.combine(community.first_date, time()), timedelta(minutes=community.period_minutes)
    hours = ((start + number * period).strftime(HOUR_FORMAT) for number in range(len(values)))
    _write(path, (HOUR_COLUMN, *header), ((hour, *row) for hour, row in zip(hours, values.tolist(), strict=True)))


def _write(path: Path, header: Iterable[str], rows: Iterable[Iterable[object]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)  # floats are written as their shortest exact form
