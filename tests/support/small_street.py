"""Two houses and two days of hours as files of text, of which each test changes what it is about."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gridtoll.envs.community.building import BuildRequest, Built, build_community

LINES = "from,to,r_ohm,x_ohm,limit_kw\nroot,A,0.02,0.01,60\nroot,B,0.03,0.01,50\n"
HOURS = [f"2024-06-0{day} {hour:02d}:00" for day in (1, 2) for hour in range(24)]


def meters(columns: dict[str, list[Any]] | None = None) -> str:
    """A wide file: 1 kW for A and 2 kW for B unless told."""
    given = columns if columns is not None else {"A load [kW]": [1.0] * 48, "B load [kW]": [2.0] * 48}
    rows = [",".join([at, *(str(each[k]) for each in given.values())]) for k, at in enumerate(HOURS)]
    return "\n".join([",".join(["time", *given]), *rows]) + "\n"


def build(folder: Path, meters_text: str | None = None, *, files: dict[str, str] | None = None, **given: Any) -> Built:
    """Build a community of these texts; ``files`` are others by name, and ``given`` goes into the request."""
    texts = {"meters.csv": meters() if meters_text is None else meters_text, "lines.csv": LINES} | (files or {})
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    request: dict[str, Any] = {"name": "street", "grid": str(folder / "lines.csv"), "meters": (folder / "meters.csv",), "voltage_kv": 0.4}
    request |= {"constants": {"import_price": 0.3, "export_price": 0.1}}
    return build_community(BuildRequest(**(request | given)))
