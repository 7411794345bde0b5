"""Packages that only some uses need: what is missing is named with the extra that brings it."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from types import ModuleType
from typing import Final

INSTALL_RESEARCH: Final = 'pip install ".[research]"'
"""What brings every package of the extra ``[research]``."""
_OTHER_EXTRAS: Final = {"sbx": "jax"}
"""Modules that algorithms of comparisons need and another extra brings."""


class MissingPackageError(ValueError):
    """A package that only some uses need cannot be imported; says nothing about what was to be done with it."""


def package_of(extra: str, name: str, purpose: str) -> ModuleType:
    """Import a package of an extra.

    Args:
        extra: Which brings it, for example ``"ledger"``.
        name: Of the module.
        purpose: What it is needed for, the beginning of the message where it is missing.

    Raises:
        MissingPackageError: If it cannot be imported.
    """
    try:
        return import_module(name)
    except ImportError as error:
        raise MissingPackageError(
            f"{purpose} needs the package `{name.partition('.')[0]}`, which cannot be imported here ({error}). "
            f'In your clone of gridtoll, run `pip install ".[{extra}]"`.'
        ) from error


def research_package(name: str, purpose: str) -> ModuleType:
    """Import a package of the extra ``[research]``; see :func:`package_of`."""
    return package_of("research", name, purpose)


def require_research_packages(names: Sequence[str], purpose: str) -> None:
    """See to it that packages of ``[research]``, or an algorithm's own, can be imported, before work begins that needs them at its end.

    Raises:
        MissingPackageError: If some cannot; all of them are named.
    """
    missing = missing_packages(names)
    if missing:
        raise MissingPackageError(
            f"{purpose} needs the packages {', '.join(f'`{name}`' for name in missing)}, which cannot be imported here. "
            f"In your clone of gridtoll, run `{installing(missing)}`."
        )


def installing(names: Sequence[str]) -> str:
    """Return the command that brings some modules that algorithms need."""
    return f'pip install ".[{",".join(sorted({_OTHER_EXTRAS.get(name, "research") for name in names}))}]"'


def missing_packages(names: Sequence[str]) -> tuple[str, ...]:
    """Return those of some modules that cannot be imported here, each tried once; that one is installed does not say that it works."""
    return tuple(name for name in dict.fromkeys(names) if not _can_be_imported(name))


def _can_be_imported(name: str) -> bool:
    try:
        import_module(name)
    except ImportError:
        return False
    return True
