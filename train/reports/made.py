"""How results were made: versions, commits, hashes, settings."""

from __future__ import annotations

import json
from collections.abc import Sequence

from ... import __version__
from .documents import Block, Paragraph, Table
from .results import Results
from .scores import Group


def made(results: Results, groups: Sequence[Group], seed: int) -> list[Block]:
    """Return the tables of versions, data and settings, and how the report was seeded."""
    return [
        Paragraph(
            f"This report was written by gridtoll {__version__} from {len(results.rows)} rows of {len(results.cells)} cells; every number "
            f"and picture comes from them. The bootstrap is seeded with {seed}: the same cells give the same bytes."
        ),
        _versions(results),
        _data(results, groups),
        _settings(results),
    ]


def _versions(results: Results) -> Table:
    """Return every version that any cell ran with: more than one of a package is worth knowing."""
    found: dict[str, set[str]] = {}
    for cell in results.cells:
        for name, version in cell.versions.items():
            found.setdefault(name, set()).add(str(version))
        found.setdefault("commit", set()).add(cell.commit or "(installed)")
    rows = tuple((name, ", ".join(sorted(versions))) for name, versions in sorted(found.items()))
    return Table("versions", "Software the cells ran with.", ("package", "versions"), rows, words=(1,))


def _data(results: Results, groups: Sequence[Group]) -> Table:
    hashes, splits = (results.config.get(name) or {} for name in ("communities", "splits"))
    rows = []
    for name in dict.fromkeys(group.community for group in groups):
        days = next(group.days for group in groups if group.community == name)
        first, last = days["date"].iloc[0], days["date"].iloc[-1]
        data = hashes.get(name, {}) if isinstance(hashes, dict) else {}
        split = splits.get(name, {}) if isinstance(splits, dict) else {}
        rows.append((name, f"{len(days)}, {first} to {last}", _word(data), _word(split)))
    header = ("community", "test days", "hash of its data", "hash of the split")
    return Table("data", "Data the cells ran on.", header, tuple(rows), words=(1, 2, 3))


def _settings(results: Results) -> Table:
    """Return one row for each algorithm and distinct settings."""
    found: dict[tuple[str, str, str], set[str]] = {}
    for cell in results.cells:
        settings = json.dumps(dict(cell.settings), sort_keys=True) if cell.settings else "defaults"
        found.setdefault((cell.algorithm, cell.kind, settings), set()).add(f"{cell.community} {cell.information}")
    every = {f"{cell.community} {cell.information}" for cell in results.cells}
    rows = tuple(
        (name, kind, settings.strip("{}").replace('"', ""), "everywhere" if where == every else ", ".join(sorted(where)))
        for (name, kind, settings), where in sorted(found.items())
    )
    return Table("settings", "Settings of the algorithms.", ("algorithm", "kind", "settings", "where"), rows, words=(1, 2, 3))


def _word(value: object) -> str:
    return value if type(value) is str else "" if not value else json.dumps(value, sort_keys=True)
