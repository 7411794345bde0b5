"""Reading what a comparison left behind: its cells, and their rows as one table.

Two layouts hold the same. A *comparison* is what ``gridtoll compare`` writes, a folder for each cell. A *packed* one has three files,
``config.json``, ``cells.json`` (a list of what each ``cell.json`` holds) and ``rows.csv.xz`` (all rows); the reference results ship so.
Packing the same cells gives the same bytes.
"""

from __future__ import annotations

import io
import json
import lzma
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from ...envs.files import write_atomically
from ...envs.games.spec import GameSpec
from ..compare.cells import SCHEMA, expected_cells, read_comparison
from ..ground.runs import read_json, write_text
from ..scoring.rows import ADDED, COLUMNS, Row, have_columns

REFERENCE: Final = Path(__file__).parent / "reference"
"""Folder of the results of the day-ahead game that ship with the package."""
REFERENCE_HOURLY: Final = REFERENCE / "hourly"
"""Folder of those of the game from hour to hour."""
GROUP: Final = ("community", "information")
CELL: Final = ("community", "information", "algorithm", "seed")
_SETTING: Final = (
    "env",
    "tariff",
    "charges_per",
    "flows",
    "objective",
    "belief",
    "forecast_error",
    "mechanism",
    "power_flow",
    "forecast",
    "split",
)  # rows that differ in one of these are of different games


@dataclass(frozen=True, kw_only=True)
class CellResult:
    """One training and its test, as ``cell.json`` has it.

    Attributes:
        community: Name.
        information: Class.
        algorithm: Its name in the plan.
        seed: Of the training.
        kind: Which algorithm that is, by its own name or ``module:Class``.
        clairvoyant: Whether it looks at the days it is scored on; its clearings are then those of the test days.
        failed: Whether it has no rows, because it failed.
        error: Why.
        steps: Training days played.
        clearings: Clearings learned from.
        validation_clearings: Clearings that chose among policies.
        seconds: Wall time of the learning.
        settings: Of the algorithm.
        task: The whole game, None where the cell does not say.
        curve: Validations: ``steps``, ``clearings``, ``seconds``, ``validation_regret``.
        versions: Of the software.
        commit: Of the checkout, None where installed.
    """

    community: str
    information: str
    algorithm: str
    seed: int
    kind: str
    clairvoyant: bool
    failed: bool
    error: str | None
    steps: float
    clearings: float
    validation_clearings: float
    seconds: float
    settings: Mapping[str, Any]
    task: GameSpec | None
    curve: tuple[Mapping[str, Any], ...]
    versions: Mapping[str, str]
    commit: str | None

    @classmethod
    def of(cls, content: Mapping[str, Any], source: str) -> CellResult:
        """Return a cell from what its file holds.

        Raises:
            ValueError: If it is of another layout, or something is missing.
        """
        if content.get("schema") != SCHEMA:
            raise ValueError(f"cells must be of schema {SCHEMA}, got {content.get('schema')} in {source}. Use the version that wrote them.")
        missing = [name for name in (*CELL, "status") if name not in content]
        if missing:
            raise ValueError(f"{source} must say {', '.join(missing)}, and does not. Run that cell again with `gridtoll compare`.")
        try:
            task = GameSpec(**content["task"]) if content.get("task") else None
        except TypeError as error:
            raise ValueError(f"{source} must name a game of this version: {error}. Use the version that wrote it.") from None
        return cls(
            community=str(content["community"]),
            information=str(content["information"]),
            algorithm=str(content["algorithm"]),
            seed=int(content["seed"]),
            kind=str(content.get("class", content["algorithm"])),
            clairvoyant=bool(content.get("clairvoyant", content["algorithm"] == "optimum")),
            failed=content["status"] == "failed",
            error=content.get("error"),
            **{name: _number(content.get(name)) for name in ("steps", "clearings", "validation_clearings", "seconds")},
            settings=content.get("settings") or {},
            task=task,
            curve=tuple(content.get("curve") or ()),
            versions=content.get("versions") or {},
            commit=content.get("commit"),
        )

    @property
    def key(self) -> tuple[str, str, str, int]:
        """What tells it from all others."""
        return self.community, self.information, self.algorithm, self.seed

    @property
    def place(self) -> str:
        """Its folder, within ``cells``."""
        return "/".join(map(str, self.key))

    @property
    def label(self) -> str:
        """What texts call it."""
        return f"{self.algorithm}, seed {self.seed} ({self.community}, {self.information})"


@dataclass(frozen=True, eq=False)
class Results:
    """All of a comparison.

    Attributes:
        cells: Finished and failed ones, in the order of their keys.
        rows: One for each finished cell and test day: the columns of :class:`~gridtoll.train.scoring.rows.Row`, under the cell's names;
            ``place`` is the community's name or folder as the evaluation was given it.
        config: Of the comparison: versions, commit, hashes of communities and split, and which cells there are to be.
        unfinished: Cells that are not finished, those never begun included, by their folders' names.
        contents: What the cells' files hold, in the same order.
        not_run: Why some of the unfinished could not run for want of a package, by their folders' names.
    """

    cells: tuple[CellResult, ...]
    rows: pd.DataFrame
    config: Mapping[str, Any]
    unfinished: tuple[str, ...]
    contents: tuple[Mapping[str, Any], ...]
    not_run: Mapping[str, str] = field(default_factory=dict)

    @property
    def always_proved(self) -> bool:
        """Whether the optimum of every day of the game is proved, as in the exact market's day-ahead game with one coefficient."""
        one = (self.rows["env"] == "day-ahead").all() and not self.rows["charge"].str.contains(" ").any()
        return bool(one and np.isfinite(self.rows["upper_bound_eur"].astype(float)).all())

    @property
    def failed(self) -> list[CellResult]:
        """Cells that failed."""
        return [cell for cell in self.cells if cell.failed]


def read_results(folder: Path) -> Results:
    """Read a comparison or a packed one.

    Raises:
        ValueError: If the folder is neither, has no finished cells, a cell is torn, or cells are not of one game.
    """
    if (folder / "cells.json").is_file():
        config = read_json(folder / "config.json")
        return _checked(*_packed(folder), config, expected_cells(config), folder)
    written = read_comparison(folder)
    tables = [_rows_of(path, content) for path, content in written.complete.items() if content.get("status") == "done"]
    found = _checked(list(written.complete.values()), tables, written.config, written.missing, folder)
    return replace(found, not_run=written.not_run)


def pack(results: Results, folder: Path) -> None:
    """Write results in the packed layout, each file whole or not at all."""
    names = [*results.rows.columns.drop("place")]
    table = results.rows.assign(community=results.rows["place"])
    text = table.assign(cell_community=results.rows["community"])[[*names, "cell_community"]].to_csv(index=False, lineterminator="\n")
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / "rows.csv.xz", lambda file: file.write(lzma.compress(text.encode(), preset=9 | lzma.PRESET_EXTREME)))
    write_text(folder / "cells.json", json.dumps(list(results.contents), indent=1, allow_nan=False) + "\n")
    write_text(folder / "config.json", json.dumps(dict(results.config), indent=1, allow_nan=False) + "\n")


def _packed(folder: Path) -> tuple[list[dict[str, Any]], list[pd.DataFrame]]:
    contents = json.loads((folder / "cells.json").read_text(encoding="utf-8"))
    try:
        text = lzma.decompress((folder / "rows.csv.xz").read_bytes())
    except (lzma.LZMAError, FileNotFoundError) as error:
        raise ValueError(f"{folder / 'rows.csv.xz'} must hold the rows of {folder / 'cells.json'}, but: {error}.") from None
    table = _table(text, str(folder / "rows.csv.xz"), ("cell_community",))
    return contents, [table.rename(columns={"community": "place", "cell_community": "community"})]


def _rows_of(path: Path, content: Mapping[str, Any]) -> pd.DataFrame:
    """Return the rows of a finished cell under the cell's own names."""
    table = _table((path / "rows.csv").read_bytes(), str(path / "rows.csv"))
    return table.assign(place=table["community"], **{name: content.get(name) for name in CELL})


def _table(data: bytes, source: str, more: Sequence[str] = ()) -> pd.DataFrame:
    """Return the rows in a file; those of before get the columns added since."""
    words = {field.name: str for field in fields(Row) if field.type == "str"}
    missing = {name: ["nan", ""] for name in ("normalised_regret", "optimum_charge")}
    table = pd.read_csv(io.BytesIO(data), dtype=words, keep_default_na=False, na_values=missing, float_precision="round_trip")
    if not have_columns(list(table.columns), more):
        lacking = sorted({*COLUMNS, *more} ^ set(table.columns))
        raise ValueError(f"rows must have the columns of this version, but {source} differs in {', '.join(lacking) or 'their order'}.")
    added = {name: value for name, value in ADDED.items() if name not in table.columns}
    return table.assign(**added)[[*COLUMNS, *more]]


def _checked(
    contents: Sequence[Mapping[str, Any]],
    tables: Sequence[pd.DataFrame],
    config: Mapping[str, Any],
    expected: Sequence[str],
    folder: Path,
) -> Results:
    cells = [CellResult.of(content, f"cell {place} of {folder}") for place, content in enumerate(contents)]
    unfinished = tuple(sorted(set(expected) - {cell.place for cell in cells}))
    if not tables:
        raise ValueError(
            f"a report needs at least one finished cell, got {folder} with {len(cells)} failed and {len(unfinished)} unfinished ones. "
            "Go on with `gridtoll compare`."
        )
    order = sorted(range(len(cells)), key=lambda place: cells[place].key)
    rows = pd.concat(tables, ignore_index=True)[[*COLUMNS, "place"]]
    rows = rows.sort_values([*CELL, "day", "price_path"], kind="stable", ignore_index=True)
    _require_one_game(rows)
    _require_one_scale(rows, folder)
    finished, known = {cell.key for cell in cells if not cell.failed}, set(rows[list(CELL)].itertuples(index=False, name=None))
    if finished != known:
        raise ValueError(
            f"every finished cell must have rows and no other, but those of {folder} differ in {sorted(finished ^ known)[:3]}."
        )
    chosen, kept = tuple(cells[place] for place in order), tuple(contents[place] for place in order)
    return Results(chosen, rows, config, unfinished, kept)


def _require_one_game(rows: pd.DataFrame) -> None:
    """Raise unless all rows are of one game, and all cells of a community of the same days."""
    for name in _SETTING:
        found = sorted(set(rows[name]))
        if len(found) > 1:
            raise ValueError(f"all cells of a report must be of one game, got {name} {' and '.join(map(repr, found))}. Report them apart.")
    for (community, information), group in rows.groupby(list(GROUP)):
        days = {key: tuple(cell["scenario_hash"]) for key, cell in group.groupby(["algorithm", "seed"])}
        if len(set(days.values())) > 1:
            [(first, one), *others] = ((f"{name}, seed {seed},", each) for (name, seed), each in days.items())
            other = next(name for name, each in others if each != one)
            raise ValueError(
                f"all cells of a community and class must be scored on the same days of the same data, got {first} and {other} of "
                f"{community}, {information}, with others. Run one of them again."
            )


def _require_one_scale(rows: pd.DataFrame, folder: Path) -> None:
    """Raise unless all cells of a community are scored against the same best charges and bound, to a millionth."""
    found = rows.groupby(["community", "day", "price_path"])[["optimum_eur", "upper_bound_eur"]].agg(["min", "max"])
    for name in ("optimum_eur", "upper_bound_eur"):
        least, greatest = (found[name][end].to_numpy(dtype=np.float64) for end in ("min", "max"))
        apart = ~np.isclose(least, greatest, rtol=1e-6, atol=1e-6)  # two infinite ones are the same
        if apart.any():
            community, day, path = found.index[int(np.argmax(apart))]
            raise ValueError(
                f"all cells of a community must be scored against the same best charges and bound, but {name} of {community}, day {day}, "
                f"price path {path} is {least[apart][0]} in one cell of {folder} and {greatest[apart][0]} in another. Run `gridtoll "
                f"compare --out {folder} --score-again`."
            )


def _number(value: Any) -> float:
    return math.nan if value is None else float(value)
