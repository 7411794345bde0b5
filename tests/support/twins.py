"""Blocks of code that mean the same, whatever their names: runs of statements whose syntax trees are equal once names are left out."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from typing import Final

_BLOCKS: Final = ("body", "orelse", "finalbody")


def twins(sources: Mapping[str, str], *, least: int) -> list[tuple[tuple[str, int], ...]]:
    """Return the blocks within functions that stand more than once, each with the places it stands at: file and first line.

    Blocks are compared statement by statement: names of variables, arguments and annotations do not count, those of attributes and
    functions called on them do.

    Args:
        sources: Text of each file.
        least: Lines that a block has at least.
    """
    found: dict[str, list[tuple[str, int]]] = {}
    for file, text in sources.items():
        for statements in _blocks(ast.parse(text)):
            trees = [_meaning(each) for each in statements]
            for first, start in enumerate(statements):
                for last in range(first, len(statements)):
                    if (statements[last].end_lineno or 0) - start.lineno + 1 >= least:
                        found.setdefault("\n".join(trees[first : last + 1]), []).append((file, start.lineno))
                        break
    return sorted({tuple(places) for places in found.values() if len(places) > 1})


def _blocks(tree: ast.AST) -> Iterator[list[ast.stmt]]:
    """Yield the lists of statements of a module, but for those of modules and classes themselves, without docstrings."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef):
            continue
        for name in _BLOCKS:
            block = getattr(node, name, None)
            if isinstance(block, list) and block and isinstance(block[0], ast.stmt):
                yield block[1:] if isinstance(block[0], ast.Expr) and isinstance(block[0].value, ast.Constant) else block


def _meaning(node: ast.AST) -> str:
    """Return a syntax tree as text, without names and annotations."""
    if isinstance(node, ast.Name):
        return "name"
    if isinstance(node, ast.Constant):
        return repr(node.value)
    parts = [type(node).__name__]
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns", "ctx", "type_comment") or (isinstance(node, ast.arg) and name == "arg"):
            continue
        if isinstance(value, list):
            parts.append("[" + ",".join(_meaning(each) if isinstance(each, ast.AST) else repr(each) for each in value) + "]")
        else:
            parts.append(_meaning(value) if isinstance(value, ast.AST) else repr(value))
    return "(" + " ".join(parts) + ")"
