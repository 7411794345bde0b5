"""Packages that only some uses need: what is missing is named with the extra that brings it."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType


def research_package(name: str, purpose: str) -> ModuleType:
    """Import a package of the extra ``[research]``.

    Args:
        name: Of the module.
        purpose: What it is needed for, the beginning of the message where it is missing.

    Raises:
        ValueError: If it cannot be imported.
    """
    try:
        return import_module(name)
    except ImportError as error:
        raise ValueError(
            f"{purpose} needs the package `{name.partition('.')[0]}`, which cannot be imported here ({error}). "
            'Run `pip install "gridtoll[research]"`.'
        ) from error
