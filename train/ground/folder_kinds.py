"""What a folder looks like, for whoever named one of another kind."""

from __future__ import annotations

from pathlib import Path
from typing import Final

_KINDS: Final[tuple[tuple[tuple[str, ...], str], ...]] = (
    (("cell.json",), "one cell of a comparison (its leader, where it has one, is policy.onnx in it)"),
    (("plan.toml",), "a comparison (`gridtoll report DIR` reports it; its leaders are cells/…/policy.onnx)"),
    (("cells.json", "rows.csv.xz"), "packed results (`gridtoll report DIR` reports them)"),
    (("study.db",), "a study of `gridtoll tune` (tuned.toml in it goes into a plan of `gridtoll compare`)"),
    (("tuned.toml",), "a study of `gridtoll tune` (tuned.toml in it goes into a plan of `gridtoll compare`)"),
    (("demo.png", "run"), "the folder of `gridtoll demo` (its run is the folder `run` in it)"),
    (("cells", "index.html"), "the study of `gridtoll study`"),
    (("cells",), "the study of `gridtoll study`, unfinished"),
    (("report.html",), "a report of `gridtoll report`"),
    (("settings.csv",), "a community (`--community DIR` plays it)"),
    (("checkpoint.json",), "a run that has lost its config.json"),
)
"""Files that tell a kind of folder, the most telling first, and what to say of it."""
RUN_FOLDER: Final = "a run of `gridtoll train`: config.json, checkpoint.json, best.json, progress.jsonl"


def kind_of(folder: Path) -> str:
    """Return in words what a folder looks like."""
    for names, words in _KINDS:
        if all((folder / name).exists() for name in names):
            return words.replace("DIR", str(folder))
    models = sorted(entry.name for entry in folder.iterdir() if entry.suffix.lower() in {".zip", ".onnx"})
    if models:
        return f"a folder with a model (name the file: {folder / models[0]})"
    runs = sorted(entry.name for entry in folder.iterdir() if (entry / "config.json").is_file())
    if runs:
        return f"a folder of other folders ({', '.join(runs[:5])})"
    found = sorted(entry.name for entry in folder.iterdir() if not entry.name.startswith("."))
    return f"a folder with {', '.join(found[:5])}" if found else "an empty folder"
