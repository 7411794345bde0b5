"""The structure of the product, read from its imports: which room uses which, and the picture of it in docs/architecture.md.

A *room* is a folder two levels down, such as ``envs/market``. What lies beside the rooms, such as ``envs/files.py``, is ground that every
room of the folder may stand on. Imports inside functions count as well: they are made late to load less, not to depend on less. Those that
only type checkers see do not.

Run as a script, this module draws ``docs/figures/architecture.svg`` (``make documents``).
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

ROOT: Final = Path(__file__).resolve().parent.parent.parent
TOPS: Final = ("envs", "agents", "train")
PICTURE: Final = ROOT / "docs" / "figures" / "architecture.svg"
_COLOURS: Final = {"envs": "#d6e6f4", "agents": "#dff0d8", "train": "#fbe6cf"}
_WIDTH, _HEIGHT, _ACROSS, _DOWN = 1.5, 0.44, 1.72, 0.86  # inches: of a box, and from one to the next

_BENDS: Final = (0.0, 0.15, -0.15, 0.25, -0.25, 0.35, -0.35, 0.5, -0.5, 0.65, -0.65)

Graph = Mapping[str, frozenset[str]]
Spot = tuple[float, float]


def modules() -> list[Path]:
    """Every module of the product, relative to the root."""
    return sorted(file.relative_to(ROOT) for top in TOPS for file in (ROOT / top).rglob("*.py"))


@cache
def imports() -> Mapping[Path, frozenset[Path]]:
    """The modules of this package that each module imports."""
    return {file: frozenset(_imported(file)) for file in modules()}


def _imported(file: Path) -> Iterator[Path]:
    for node in _executed(ast.parse((ROOT / file).read_bytes())):
        if isinstance(node, ast.ImportFrom) and node.level:
            folder = file.parents[node.level - 1].joinpath(*(node.module or "").split("."))
            for alias in node.names:
                candidates = (folder / f"{alias.name}.py", folder / alias.name / "__init__.py", folder / "__init__.py")
                found = next((each for each in candidates if (ROOT / each).is_file()), folder.parent / f"{folder.name}.py")
                if found.parts[0] in TOPS:  # not the package's own __init__.py, which imports nothing
                    yield found


def _executed(tree: ast.AST) -> Iterator[ast.AST]:
    """Every node that is more than a hint to type checkers."""
    for node in ast.iter_child_nodes(tree):
        if not (isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"):
            yield node
            yield from _executed(node)


def foreign(file: Path) -> set[str]:
    """The packages outside this one that a module imports, by their first name."""
    found: set[str] = set()
    for node in ast.walk(ast.parse((ROOT / file).read_bytes())):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.partition(".")[0])
    return found


def room(file: Path) -> str | None:
    """The room a module lies in; None for what lies beside the rooms."""
    return "/".join(file.parts[:2]) if len(file.parts) > 2 else None


@cache
def uses() -> Graph:
    """The rooms that each room uses, itself left out."""
    found: dict[str, set[str]] = {name: set() for file in modules() if (name := room(file)) is not None}
    for file, targets in imports().items():
        if (here := room(file)) is not None:
            found[here] |= {there for target in targets if (there := room(target)) not in (None, here) and there is not None}
    return {name: frozenset(targets) for name, targets in found.items()}


def reached(graph: Graph, start: str) -> set[str]:
    """What a node leads to over one edge or more, itself where it stands in a circle."""
    found: set[str] = set()
    ahead = set(graph[start])
    while ahead:
        found |= ahead
        ahead = {target for node in ahead for target in graph[node]} - found
    return found


def circles(graph: Graph) -> list[tuple[str, ...]]:
    """The nodes that lead back to themselves, those of one circle together."""
    ahead = {node: reached(graph, node) for node in graph}
    return sorted({tuple(sorted(other for other in ahead[node] if node in ahead[other])) for node in graph if node in ahead[node]})


def shortest(graph: Graph) -> Graph:
    """The edges that do not follow from others, those within circles left out."""
    ahead = {node: reached(graph, node) for node in graph}
    straight = {node: {target for target in targets if node not in ahead[target]} for node, targets in graph.items()}
    return {
        node: frozenset(each for each in targets if not any(each in ahead[other] for other in targets if other != each))
        for node, targets in straight.items()
    }


def description() -> str:
    """The edges that are drawn, in words that stand in the picture's file: a picture of other imports is found out."""
    return "; ".join(f"{user} uses {', '.join(sorted(used))}" for user, used in sorted(shortest(uses()).items()) if used)


def heights(graph: Graph) -> dict[str, int]:
    """How high each node stands: just beneath the lowest of all that use it."""
    users = {node: {user for user, targets in graph.items() if node in targets} for node in graph}
    depth: dict[str, int] = {}
    while len(depth) < len(graph):
        ready = [node for node in graph if node not in depth and users[node] <= depth.keys()]
        depth |= {node: 1 + max((depth[user] for user in users[node]), default=-1) for node in ready}
    return {node: max(depth.values()) - down for node, down in depth.items()}


def spots(graph: Graph) -> dict[str, Spot]:
    """Where each room is drawn, in inches: above all it uses, and as nearly above these as the others in its row let it."""
    height = heights(graph)
    found: dict[str, Spot] = {}
    for row in range(1 + max(height.values())):
        wished = {name: _mean([found[used][0] for used in graph[name]]) for name in graph if height[name] == row}
        across = sorted(wished, key=lambda name: (wished[name], name))
        middle = _mean(list(wished.values()))
        for number, name in enumerate(across):
            found[name] = (middle + (number - 0.5 * (len(across) - 1)) * _ACROSS, row * _DOWN)
    return found


def _mean(values: list[float]) -> float:
    return sum(values) / len(values) if values else 0.0


def draw(path: Path, **options: Any) -> None:
    """Draw the rooms: each above all that it uses, a line from the user down to what is used, those left out that follow from others."""
    graph = shortest(uses())
    where = spots(graph)
    left, right = min(x for x, _ in where.values()) - _WIDTH, max(x for x, _ in where.values()) + _WIDTH
    top = max(y for _, y in where.values()) + 0.6
    with rc_context({"svg.hashsalt": "gridtoll", "svg.fonttype": "path", "font.family": "DejaVu Sans"}):
        figure = Figure(figsize=(right - left, top + 0.6))
        axes = figure.add_axes((0, 0, 1, 1), xlim=(left, right), ylim=(-0.6, top))
        axes.axis("off")
        for user, used in sorted((user, each) for user, targets in graph.items() for each in targets):
            _draw_use(axes, where, user, used)
        for name, spot in where.items():
            _draw_room(axes, name, spot)
        figure.savefig(path, **options)


def _draw_use(axes: Axes, where: Mapping[str, Spot], user: str, used: str) -> None:
    start, end = (where[user][0], where[user][1] - _HEIGHT / 2), (where[used][0], where[used][1] + _HEIGHT / 2)
    others = [spot for name, spot in where.items() if name not in (user, used)]
    bend = min(_BENDS, key=lambda bend: (_met(start, end, bend, others), abs(bend)))
    style = {"arrowstyle": "-|>", "color": "#7a7a7a", "lw": 1.0, "shrinkA": 0, "shrinkB": 0, "connectionstyle": f"arc3,rad={bend}"}
    axes.annotate("", end, start, arrowprops=style, zorder=1)


def _met(start: Spot, end: Spot, bend: float, others: list[Spot]) -> int:
    """How many points of a line, bent as Matplotlib's ``arc3`` bends it, lie in boxes that it has nothing to do with."""
    along = np.linspace(0, 1, 30)[:, None]
    ends = np.array([start, end])
    toward = ends[1] - ends[0]
    control = ends.mean(axis=0) + bend * np.array([toward[1], -toward[0]])
    line = (1 - along) ** 2 * ends[0] + 2 * along * (1 - along) * control + along**2 * ends[1]
    near = np.abs(line[:, None] - np.array(others)) < (_WIDTH / 2 + 0.04, _HEIGHT / 2 + 0.04)
    return int(near.all(axis=2).sum())


def _draw_room(axes: Axes, name: str, spot: Spot) -> None:
    top, x, y = name.partition("/")[0], *spot
    corner = (x - _WIDTH / 2, y - _HEIGHT / 2)
    style: dict[str, Any] = {
        "boxstyle": "round,pad=0,rounding_size=0.08",
        "facecolor": _COLOURS[top],
        "edgecolor": "#555555",
        "linewidth": 0.9,
    }
    axes.add_patch(FancyBboxPatch(corner, _WIDTH, _HEIGHT, zorder=2, **style))
    axes.text(x, y, name, ha="center", va="center", fontsize=11, zorder=3)


if __name__ == "__main__":
    draw(PICTURE, format="svg", metadata={"Date": None, "Creator": None, "Description": description()})
