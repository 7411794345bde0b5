"""The source of users' own algorithms, by which a comparison that is gone on with knows whether they are still the same."""

from __future__ import annotations

import ast
import hashlib
import inspect
import sys
from typing import Final

_DEFINITIONS: Final = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def source_hash(kind: type) -> str | None:
    """Return the SHA-256 of a class's source and of all that it names in its module, by way of others too; None where there is no source.

    What else the module holds may change, so that another algorithm can be added to it. What the module imports counts by name only.
    """
    try:
        text = inspect.getsource(sys.modules[kind.__module__])
    except (OSError, TypeError):  # there is no file, or it holds no Python
        return None
    statements, lines = ast.parse(text).body, text.split("\n")
    binding: dict[str, list[ast.stmt]] = {}
    for statement in statements:
        for name in _bound(statement):
            binding.setdefault(name, []).append(statement)
    found: set[ast.stmt] = set()
    names = [kind.__qualname__.partition(".")[0]]
    while names:
        for statement in binding.get(names.pop(), []):
            if statement not in found:
                found.add(statement)
                names += [inner.id for inner in ast.walk(statement) if isinstance(inner, ast.Name)]
    chosen = [statement for statement in statements if statement in found] or statements  # a class made under another name
    return hashlib.sha256("\n".join(_text(statement, lines) for statement in chosen).encode()).hexdigest()


def _bound(statement: ast.stmt) -> set[str]:
    """Return the names of the module that a statement gives something to."""
    if isinstance(statement, _DEFINITIONS):
        return {statement.name}
    found = set()
    for inner in ast.walk(statement):
        match inner:
            case ast.Name(id=name, ctx=ast.Store()):
                found.add(name)
            case ast.alias(name=name, asname=other):
                found.add(other or name.partition(".")[0])
            case ast.ClassDef(name=name) | ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                found.add(name)
    return found


def _text(statement: ast.stmt, lines: list[str]) -> str:
    """Return the lines of a statement, decorators included."""
    decorators = statement.decorator_list if isinstance(statement, _DEFINITIONS) else []
    first = min(statement.lineno, *(each.lineno for each in decorators)) if decorators else statement.lineno
    return "\n".join(lines[first - 1 : statement.end_lineno])
