"""The API reference: a page for each folder of the package, with every public name of its modules."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from . import names

PARTS: Final = {
    "envs": "Grids, communities, the market and the games",
    "agents": "Leaders",
    "train": "Training, scoring, reports, commands",
}
_MOST_SHOWN: Final = 100  # letters of a constant's value


def pages() -> dict[str, str]:
    """Return the pages, in reStructuredText, by their paths below the folder of made pages."""
    root = names.ROOT
    found = {}
    for part in PARTS:
        for folder in sorted(path.parent for path in (root / part).rglob("__init__.py")):
            name = ".".join(("gridtoll", *folder.relative_to(root).parts))
            found[f"api/{name}.rst"] = _page(folder, name)
    found["api/index.rst"] = _index(sorted(path.removeprefix("api/").removesuffix(".rst") for path in found))
    return found


def _page(folder: Path, name: str) -> str:
    """Return the page of a folder: what it is for, what can be imported from it, and its modules."""
    modules = sorted(path.stem for path in folder.glob("*.py") if not path.stem.startswith("_"))
    inner = "".join(_module(f"{name}.{module}", "-") for module in modules)
    return f"{_module(name, '=')}{_exported(name)}{inner}"


def _module(name: str, line: str) -> str:
    """Return the part of a module: what autodoc finds, and the constants that it leaves out because no text describes them."""
    left = "".join(
        f".. py:data:: {each.name}\n   :module: {name}\n   :value: {_shortened(each.value)}\n\n"
        for each in names.undescribed(name)
        if each.name != "__all__"
    )
    return f"{_title(name, line)}.. automodule:: {name}\n\n{left}"


def _exported(name: str) -> str:
    """Return a list of what can be imported from a folder itself, each leading to where it is described."""
    found = {short: names.definition(name, short) for short in names.imported(name) if not short.startswith("_")}
    listed = "\n".join(f"* :py:obj:`{short} <{full}>`" for short, full in sorted(found.items()) if full)
    return f"Can be imported from here:\n\n{listed}\n\n" if listed else ""


def _shortened(value: str) -> str:
    return value if len(value) <= _MOST_SHOWN else f"{value[:_MOST_SHOWN]} …"


def _index(names: list[str]) -> str:
    """Return the page that leads to all others, by part of the package."""
    text = _title("API reference", "=") + "Every public name. Shapes, units and errors stand in the docstrings.\n\n"
    for part, words in PARTS.items():
        own = [name for name in names if name.split(".")[1] == part]
        listed = "\n".join(f"   {name}" for name in own)
        text += f"{_title(words, '-')}.. toctree::\n   :maxdepth: 1\n\n{listed}\n\n"
    return text


def _title(text: str, line: str) -> str:
    shown = text.replace("_", "\\_")
    return f"{shown}\n{line * len(shown)}\n\n"
