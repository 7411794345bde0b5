"""The house as docs/architecture.md describes it: data flows one way, rooms and modules stay small, the picture is that of the imports."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from architecture import PICTURE, ROOT, TOPS, circles, description, foreign, imports, modules, reached, room, shortest, uses
from twins import twins

CLEARS_WITH_TORCH = Path("envs/market/lockstep")  # for its tensors on a GPU, not to learn
MOST_ENTRIES = 15
"""Of a folder: its modules and folders, ``__init__.py`` and ``__pycache__`` left out."""
MOST_LINES = 330
"""Of a module."""
ECONOMICS = ("envs/grid", "envs/community", "envs/market", "envs/account", "envs/games")


def test_no_two_rooms_use_each_other_not_even_by_way_of_others() -> None:
    assert circles(uses()) == []


def test_no_two_modules_import_each_other_not_even_by_way_of_others() -> None:
    graph = {str(file): frozenset(map(str, targets)) - {str(file)} for file, targets in imports().items()}
    assert circles(graph) == []


def test_environments_know_no_leaders_and_leaders_no_training() -> None:
    for file, targets in imports().items():
        allowed = TOPS[: TOPS.index(file.parts[0]) + 1]
        assert {target.parts[0] for target in targets if target.parts[0] in TOPS} <= set(allowed), file


@pytest.mark.parametrize("name", ECONOMICS)
def test_the_economics_know_no_gymnasium(name: str) -> None:
    inside = [file for file in modules() if room(file) == name]
    assert inside
    assert [file for file in inside if foreign(file) & {"gymnasium", "stable_baselines3"}] == []
    learning = [file for file in inside if "torch" in foreign(file) and file.parent != CLEARS_WITH_TORCH]
    assert learning == []


def test_a_search_for_circles_finds_one_that_is_there() -> None:
    graph = {"a": frozenset({"b"}), "b": frozenset({"c"}), "c": frozenset({"b", "d"}), "d": frozenset[str]()}
    assert circles(graph) == [("b", "c")]
    assert reached(graph, "a") == {"b", "c", "d"}
    straight = {"a": frozenset({"b", "c"}), "b": frozenset({"c"}), "c": frozenset[str]()}
    assert shortest(straight)["a"] == {"b"}


def test_no_folder_has_more_entries_than_can_be_taken_in_at_a_glance() -> None:
    folders = {file.parent for file in modules()}
    entries = {folder: sorted(each.name for each in (ROOT / folder).iterdir() if _counts(folder, each)) for folder in folders}
    assert {folder: names for folder, names in entries.items() if len(names) > MOST_ENTRIES} == {}


def test_no_module_is_longer_than_can_be_read_at_a_sitting() -> None:
    lengths = {str(file): (ROOT / file).read_bytes().count(b"\n") for file in modules()}
    assert {file: lines for file, lines in lengths.items() if lines > MOST_LINES} == {}


def test_no_two_places_share_more_than_ten_lines_that_mean_the_same() -> None:
    assert twins({str(file): (ROOT / file).read_text(encoding="utf-8") for file in modules()}, least=11) == []


def test_a_search_for_twins_finds_one_under_other_names() -> None:
    one = "def f(a, b: int):\n    c = a.sum() + 1\n    if c > b:\n        c = b\n    return c\n"
    other = one.replace("a", "x").replace("b", "y").replace(" c", " z").replace("x.sum", "x.sum")
    assert twins({"one.py": one, "other.py": other}, least=4) == [(("one.py", 2), ("other.py", 2))]
    assert twins({"one.py": one, "other.py": other.replace("+ 1", "+ 2")}, least=4) == []
    assert twins({"one.py": one, "other.py": other.replace("sum", "mean")}, least=4) == []
    assert twins({"one.py": one}, least=4) == []


def test_every_room_and_module_that_the_page_names_is_there_and_every_room_is_named() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    missing = [name for name in uses() if f"`{name}`" not in page]
    assert missing == []


def test_the_picture_is_that_of_the_imports() -> None:
    """``make documents`` draws it anew."""
    drawn = PICTURE.read_text(encoding="utf-8")
    assert description() in " ".join(drawn.split())


def _counts(folder: Path, entry: Path) -> bool:
    whole = entry.is_file() or any(file.is_file() and "__pycache__" not in file.parts for file in entry.rglob("*"))
    return whole and not entry.name.startswith(("__", "."))  # what is left of a folder that has moved away is none


def test_no_two_public_classes_share_a_name() -> None:
    """One word, one thing: who reads a class's name knows which class is meant."""
    found: dict[str, list[str]] = {}
    for module in modules():
        for statement in ast.parse((ROOT / module).read_text(encoding="utf-8")).body:
            if isinstance(statement, ast.ClassDef) and not statement.name.startswith("_"):
                found.setdefault(statement.name, []).append(str(module))
    assert {name: places for name, places in found.items() if len(places) > 1} == {}
