"""What source code means: a digest of modules and all that they import, which moving files and rewording comments leave as it is.

Answers that took long to compute are kept under such a digest (:mod:`.store`). It must change whenever the computation does, and should not
when only its place or its description does. So it is taken of syntax trees, statement by statement:

1. Comments, docstrings, layout, ``__all__`` and what only type checkers read are left out.
2. Where a name comes from is left out; what it stands for is not. Each top-level statement of a module comes with the names it uses that
   belong to this package, and with a digest of the statement each of them was bound by, found by following relative imports.
3. The lines so made are sorted, over all modules together.

A file that moves with its imports set right, or a function that moves between modules of the same computation, so keeps the digest. An edit
of a statement, or a name that now stands for another function, changes it.
"""

from __future__ import annotations

import ast
import hashlib
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

_DESCRIBED: Final = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
_MOST_ALIASES: Final = 20  # imports of one name that are followed, from module to module; a circle has no end


@dataclass(frozen=True)
class Source:
    """What a computation rests on.

    Attributes:
        files: The modules, all they import of this package included.
        packages: Names of other packages that those import, the standard library left out.
    """

    files: frozenset[Path]
    packages: frozenset[str]

    def digest(self) -> str:
        """Return a hexadecimal hash of what the modules compute; what they use of modules not listed counts by its name only."""
        modules = {file: _module(file, file.read_bytes()) for file in self.files}
        lines = sorted(line for module in modules.values() for line in module.lines(modules))
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def source_of(files: Iterable[Path]) -> Source:
    """Return the source behind modules.

    Args:
        files: Modules of this package, as paths.

    Raises:
        OSError: If one cannot be read.
        SyntaxError: If one is no Python.
    """
    found, packages = set[Path](), set[str]()
    waiting = set(files)
    while waiting:
        file = waiting.pop()
        found.add(file)
        module = _module(file, file.read_bytes())
        packages |= module.packages
        waiting |= {origin for origin, _ in module.imports.values()} - found
    return Source(frozenset(found), frozenset(packages - sys.stdlib_module_names))


def _origin(file: Path, node: ast.ImportFrom, name: str) -> Iterator[Path]:
    """Yield the file that a relative import takes a name from: a module of that name, else the module or folder it names.

    The ``__init__`` of a folder counts where names are taken from the folder itself; that it runs before its modules changes nothing they
    compute.
    """
    folder = file.parents[node.level - 1].joinpath(*(node.module or "").split("."))
    candidates = (folder / f"{name}.py", folder / name / "__init__.py", folder / "__init__.py", folder.with_suffix(".py"))
    yield from [candidate for candidate in candidates if candidate.is_file()][:1]


@cache
def _module(file: Path, content: bytes) -> _Module:
    """Return a module as read; several kinds of answer rest on the same ones, and one digest looks at each of them twice."""
    return _Module(file, content)


class _Module:
    """One module: its statements, and what its names are bound to.

    Attributes:
        imports: Where names of this package come from, module and name there, by the name they are bound to here.
        packages: Names of other packages that it imports.
        bound: A digest of the statements that bind each top-level name.
        whole: A digest of all its statements.
    """

    def __init__(self, file: Path, content: bytes) -> None:
        tree = ast.parse(content)
        nodes = _nodes_of(tree)
        self._file = file
        self.imports: dict[str, tuple[Path, str]] = {}
        self.packages: set[str] = set()
        for node in nodes:
            if isinstance(node, ast.Import):
                self.packages |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.level:
                for alias in node.names:
                    for origin in _origin(file, node, alias.name):
                        self.imports[alias.asname or alias.name] = origin, alias.name
            elif isinstance(node, ast.ImportFrom) and node.module:
                self.packages.add(node.module.partition(".")[0])
        _strip(tree, nodes)
        dumps: list[str] = []
        bound: dict[str, list[str]] = {}
        self._statements: list[tuple[str, list[str]]] = []  # the digest of each, and the names it uses that it does not bind
        for statement in tree.body:
            if _is_for_readers(statement):
                continue
            dump, names = ast.dump(statement), [node for node in _nodes_of(statement) if isinstance(node, ast.Name)]
            binds = _names_bound(statement, names)
            dumps.append(dump)
            self._statements.append((_hash([dump]), sorted({node.id for node in names}.difference(binds))))
            for name in binds:
                bound.setdefault(name, []).append(dump)
        self.bound = {name: _hash(binding) for name, binding in bound.items()}
        self.whole = _hash(sorted(dumps))

    def lines(self, modules: dict[Path, _Module]) -> Iterator[str]:
        """Yield a line for each statement: its digest, and the names of this package it uses with what they stand for."""
        for digest, used in self._statements:
            meant = ((name, self._meaning(name, modules)) for name in used)
            yield " ".join([digest, *(f"{name}={stands_for}" for name, stands_for in meant if stands_for)])

    def _meaning(self, name: str, modules: dict[Path, _Module]) -> str:
        """Return the digest of what a name stands for here; nothing where that is not of this package."""
        module = self
        for _ in range(_MOST_ALIASES):
            if name not in module.imports:
                return module.bound.get(name, "")
            file, name = module.imports[name]
            if file not in modules:
                return ""
            module = modules[file]
            if name in (file.stem, file.parent.name) and name not in module.bound and name not in module.imports:
                return module.whole  # the module itself was imported
        return ""


def _nodes_of(tree: ast.AST) -> list[ast.AST]:
    """Return a tree's nodes in the order of ``ast.walk``, in a third of its time: without the contexts of names, which are nodes too."""
    nodes = [tree]
    for node in nodes:  # which grows meanwhile
        for field in node._fields:
            value = getattr(node, field, None)
            if isinstance(value, list):
                nodes += [item for item in value if isinstance(item, ast.AST)]
            elif isinstance(value, ast.AST) and field != "ctx":
                nodes.append(value)
    return nodes


def _strip(tree: ast.Module, nodes: list[ast.AST]) -> None:
    """Take docstrings and relative imports out of a module's tree, in place; what is left empty keeps a ``pass``."""
    for node in nodes:
        if isinstance(node, _DESCRIBED) and ast.get_docstring(node, clean=False) is not None:
            node.body = node.body[1:] or [ast.Pass()]
        for name in ("body", "orelse", "finalbody"):
            block = getattr(node, name, None)
            if isinstance(block, list) and any(_is_relative(statement) for statement in block):
                kept = [statement for statement in block if not _is_relative(statement)]
                setattr(node, name, kept or [ast.Pass()] if name == "body" and node is not tree else kept)


def _is_relative(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.ImportFrom) and statement.level > 0


def _is_for_readers(statement: ast.stmt) -> bool:
    """Return whether a statement computes nothing: ``__all__`` and imports for type checkers."""
    if isinstance(statement, ast.If):
        return ast.unparse(statement.test) == "TYPE_CHECKING"
    return isinstance(statement, ast.Assign) and [ast.unparse(target) for target in statement.targets] == ["__all__"]


def _names_bound(statement: ast.stmt, names: list[ast.Name]) -> list[str]:
    """Return the names that a top-level statement binds; ``names`` are all those in it."""
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return [statement.name]
    return [node.id for node in names if isinstance(node.ctx, ast.Store)]


def _hash(parts: list[str]) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]
