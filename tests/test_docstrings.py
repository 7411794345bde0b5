"""Whoever passes an array, or is handed one, can read its shape in the docstring."""

from __future__ import annotations

import ast
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
_ARRAY = re.compile(r"\b(Array|Arrays|ArrayLike|BoolArray|IntArray|Levels|NDArray|Observation|Tensor|Values|ndarray)\b")
_SAYS = re.compile(r"(?i:\bshapes?\b|\bsee :)|\([A-Z],")  # "shape (T, N)", "see :func:`make_day`", "(T, N)"
_RAISES = re.compile(r"^Raises:\n(?:[ \t]+.*\n?|\n)*", re.MULTILINE)  # what is wrong with a shape does not say which is right


def public_functions(tree: ast.Module) -> Iterator[tuple[str, ast.FunctionDef]]:
    """The functions of a module and the methods of its classes, with their names; those whose names begin with `_` are left out."""
    scopes = [("", tree.body), *((f"{node.name}.", node.body) for node in ast.walk(tree) if isinstance(node, ast.ClassDef))]
    for prefix, body in scopes:
        for node in body:
            if isinstance(node, ast.FunctionDef) and not prefix.startswith("_") and not node.name.startswith("_"):
                yield prefix + node.name, node


def handles_arrays(function: ast.FunctionDef) -> bool:
    given = function.args
    arguments = [*given.posonlyargs, *given.args, *given.kwonlyargs, *(each for each in (given.vararg, given.kwarg) if each)]
    annotations = [*(each.annotation for each in arguments), function.returns]
    return any(each is not None and _ARRAY.search(ast.unparse(each)) for each in annotations)


def says_a_shape(function: ast.FunctionDef) -> bool:
    return bool(_SAYS.search(_RAISES.sub("", ast.get_docstring(function) or "")))


def silent(source: str) -> list[str]:
    """The public functions that handle arrays and say no shape."""
    return [name for name, each in public_functions(ast.parse(source)) if handles_arrays(each) and not says_a_shape(each)]


def test_public_functions_say_the_shapes_of_their_arrays_or_where_they_are_said() -> None:
    paths = [path.relative_to(ROOT) for folder in ("envs", "agents", "train") for path in sorted((ROOT / folder).rglob("*.py"))]
    assert [f"{path}: {name}" for path in paths for name in silent((ROOT / path).read_text(encoding="utf-8"))] == []


@pytest.mark.parametrize(
    ("docstring", "says"),
    [
        ("Return it, shape (T, N).", True),
        ("Return it; for the arguments see :func:`make_day`.", True),
        ("Return it, (T, N).", True),
        ("Return it in kW.", False),
        ("Return it.\n\nRaises:\n    ValueError: If it has the wrong shape.", False),
        ("Return it.\n\nRaises:\n    ValueError: Never.\n\nReturns:\n    Of shape (N,).", True),
    ],
)
def test_a_docstring_says_a_shape_unless_only_its_errors_speak_of_one(docstring: str, says: bool) -> None:
    body = textwrap.indent(f'"""{docstring}"""', " " * 8)
    assert silent(f"class Market:\n    def price(self, *, load: NDArray[Any]) -> float:\n{body}\n") == ([] if says else ["Market.price"])


def test_private_functions_and_those_without_arrays_need_not_say_one() -> None:
    assert silent("def _price(load: Array) -> float: ...\ndef price(load: float) -> float: ...\n") == []
    assert silent("class _Market:\n    def price(self) -> Array: ...\n") == []
