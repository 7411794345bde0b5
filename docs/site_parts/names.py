"""What the modules of the package define and import, read from their text."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Constant:
    """A public name that a module assigns without saying what it is.

    Attributes:
        name: The name.
        value: What it is set to, as it stands in the module.
    """

    name: str
    value: str


def path_of(module: str) -> Path:
    """Return the file of a module of gridtoll, which need not exist."""
    base = ROOT.joinpath(*module.split(".")[1:])
    return base / "__init__.py" if base.is_dir() else base.with_suffix(".py")


@cache
def tree_of(module: str) -> ast.Module | None:
    """Return the syntax tree of a module, or None where there is none."""
    path = path_of(module)
    if module.split(".", maxsplit=1)[0] != "gridtoll" or not path.is_file():
        return None
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def imported(module: str) -> dict[str, str]:
    """Return what a module imports from gridtoll, by the names it uses, as dotted names."""
    tree, found = tree_of(module), {}
    package = module.split(".") if path_of(module).name == "__init__.py" else module.split(".")[:-1]
    for node in ast.walk(tree) if tree is not None else ():
        if isinstance(node, ast.ImportFrom) and node.level:
            source = [*package[: len(package) - node.level + 1], *([node.module] if node.module else [])]
            found.update({alias.asname or alias.name: ".".join([*source, alias.name]) for alias in node.names})
    return found


def definition(module: str, name: str) -> str | None:
    """Return the dotted name of what a module calls so, where it is defined; None where the module has no such name."""
    known = imported(module)
    while name in known:
        module, _, name = known[name].rpartition(".")
        known = imported(module)
    full = f"{module}.{name}"
    return full if name in _defined(module) or tree_of(full) is not None else None


def undescribed(module: str) -> Iterator[Constant]:
    """Yield the public constants and types of a module that no text describes; type variables are no such thing."""
    tree = tree_of(module)
    body = [] if tree is None else tree.body
    for statement, following in zip(body, [*body[1:], None], strict=True):
        if isinstance(following, ast.Expr) and isinstance(following.value, ast.Constant):
            continue
        for name in _targets(statement):
            value = getattr(statement, "value", None)
            text = ast.unparse(value) if value is not None else ""
            if not name.startswith("_") and not text.startswith("TypeVar("):
                yield Constant(name, text)


def type_variables() -> list[str]:
    """Return the dotted names of the type variables of all modules."""
    found = []
    for path in (path for part in ("envs", "agents", "train") for path in (ROOT / part).rglob("*.py")):
        module = ".".join(["gridtoll", *path.relative_to(ROOT).with_suffix("").parts]).removesuffix(".__init__")
        tree = tree_of(module)
        for statement in [] if tree is None else tree.body:
            value = getattr(statement, "value", None)
            if value is not None and ast.unparse(value).startswith("TypeVar("):
                found += [f"{module}.{name}" for name in _targets(statement)]
    return found


@cache
def _defined(module: str) -> frozenset[str]:
    tree = tree_of(module)
    body = [] if tree is None else tree.body
    kinds = (ast.ClassDef, ast.FunctionDef)
    return frozenset([each.name for each in body if isinstance(each, kinds)] + [name for each in body for name in _targets(each)])


def _targets(statement: ast.stmt) -> list[str]:
    if isinstance(statement, ast.Assign):
        targets: list[ast.expr] = statement.targets
    elif isinstance(statement, ast.AnnAssign):
        targets = [statement.target]
    else:
        return []
    return [target.id for target in targets if isinstance(target, ast.Name)]
