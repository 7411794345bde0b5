"""Docstrings as the site reads them: reStructuredText, with the references that are meant."""

from __future__ import annotations

import importlib.util
import inspect
import re
import sys
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from sphinx.addnodes import pending_xref

from . import names

if TYPE_CHECKING:
    from docutils.nodes import Element, TextElement
    from sphinx.application import Sphinx
    from sphinx.environment import BuildEnvironment

FROM_ELSEWHERE: Final = [
    (r"py:.*", r"(?!gridtoll\b).*"),
    (r"py:.*", r".*\._\w+"),
    *((r"py:.*", re.escape(name)) for name in names.type_variables()),
]
"""Names that others document, private ones and type variables: the site does not link to them, and type checkers check them."""

_ROLE: Final = re.compile(r":(mod|class|func|meth|attr|data|exc|obj):`(~?)(\.+)([^`]+)`")
_APART: Final = re.compile(r"(``.+?``|`[^`]+`(?:_+)?|(?<!\S)\*{1,2}\w[^*]*\w\*{1,2}(?!\w)|^\s*\* )")
_AS_IT_STANDS: Final = re.compile(r"[|*]|(?<=\w)_(?!\w)")
_MANUAL: Final = "## Description"  # an environment's docstring is a page of its own, in Markdown


def adapt(app: Sphinx, what: str, name: str, obj: Any, *options_and_lines: Any) -> None:
    """Adapt a docstring in place, the last argument."""
    del app, what, name
    lines: list[str] = options_and_lines[-1]
    if _MANUAL in lines:
        page = _page_of(obj)
        lines[:] = [lines[0], "", f"Its manual is a page of its own: :doc:`/_generated/environments/{page}`.", ""]
        return
    module = inspect.getmodule(obj)
    path = [] if module is None else [*module.__name__.split("."), *(["__init__"] if hasattr(module, "__path__") else [])]
    lines[:] = _escaped(_ROLE.sub(lambda match: _absolute(match, path), "\n".join(lines))).split("\n")


def skip(app: Sphinx, what: str, name: str, obj: Any, *would_skip_and_options: Any) -> bool | None:
    """Leave fields of dataclasses to their class, which describes them."""
    del app, name, would_skip_and_options
    if what == "class" and not callable(obj) and not isinstance(obj, property | cached_property | classmethod | staticmethod):
        return True
    return None


def resolve_imported(app: Sphinx, doctree: Element) -> None:
    """Replace names that a module imports by what they are called where they are defined: several modules may define one of that name."""
    del app
    for node in doctree.findall(pending_xref):
        module, target = node.get("py:module"), str(node.get("reftarget"))
        if node.get("refdomain") == "py" and module and "." not in target:
            full = names.definition(module, target)
            if full is not None and names.tree_of(full) is None:  # a module may have the name of an argument
                node["reftarget"] = full


def resolve(app: Sphinx, env: BuildEnvironment, node: Element, content: TextElement) -> Element | None:
    """Lead what is named by a module that only imports it to where it is defined."""
    target = str(node["reftarget"])
    module, _, name = target.rpartition(".")
    full = names.definition(module, name) if node.get("refdomain") == "py" and module else None
    if full is None or full == target:
        return None
    return env.domains.python_domain.resolve_xref(env, node["refdoc"], app.builder, "obj", full, node, content)


def _page_of(obj: Any) -> str:
    from .pages import ENVIRONMENTS  # noqa: PLC0415 - both need the other

    return next(page for page, (_, _, name) in ENVIRONMENTS.items() if name == obj.__name__)


def _absolute(match: re.Match[str], path: list[str]) -> str:
    """Make a relative reference absolute: `..yardstick` of `a.b.c` is `a.yardstick`. Where nothing is there, Sphinx looks in any place."""
    role, short, dots, target = match.groups()
    near = ".".join([*path[: -len(dots)], target])
    return f":{role}:`{short}{near}`" if len(dots) > 1 or _exists(near) else f":{role}:`{short}.{target}`"


def _exists(name: str) -> bool:
    """Return whether a dotted name is a module, or what a module defines."""
    module, _, rest = name.rpartition(".")
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:  # what is before the last dot is no package
        return hasattr(sys.modules.get(module), rest)


def _escaped(text: str) -> str:
    """Escape what is meant as it stands, as |f|, x* and x_, outside of code, formulas and references."""
    lines, block = [], None  # the indentation of a line that opened a block of code or a formula
    for line in text.split("\n"):
        indent = len(line) - len(line.lstrip())
        if block is not None and line.strip() and indent <= block:
            block = None
        as_it_stands = block is not None or line.lstrip().startswith((">>>", "..."))
        lines.append(line if as_it_stands else _escaped_words(line))
        if block is None and line.rstrip().endswith("::"):
            block = indent
    return "\n".join(lines)


def _escaped_words(line: str) -> str:
    parts = _APART.split(line)
    parts[::2] = [_AS_IT_STANDS.sub(r"\\\g<0>", part) for part in parts[::2]]
    return "".join(parts)
