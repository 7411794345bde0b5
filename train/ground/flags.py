"""Errors of the library in the words of the command line: the flag, where an error names a parameter.

Errors name parameters in backquotes, or as they are where the name has an underscore or begins the sentence. On the command line nobody has
seen those names, so there they become the flags of the command that was run.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Mapping


def flags_of(parser: argparse.ArgumentParser) -> dict[str, str]:
    """Return the flag of each parameter that a parser, or a parser below it, takes."""
    flags: dict[str, str] = {}
    for action in parser._actions:  # noqa: SLF001 - argparse has no other way to ask
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001
            for below in action.choices.values():
                flags |= flags_of(below)
        elif action.option_strings:
            flags[action.dest] = max(action.option_strings, key=len)
    return flags


def with_flags(text: str, flags: Mapping[str, str]) -> str:
    """Return an error with flags in the place of parameters; words of paths and of quoted text stay as they are."""

    def quoted(match: re.Match[str]) -> str:
        return flags.get(match[1], match[0])

    def bare(match: re.Match[str]) -> str:
        return flags.get(match[0], match[0])

    text = re.sub(r"(?:option )?`([a-z_]+)` of `reset`", quoted, text)
    text = re.sub(r"`([a-z_]+)`", quoted, text)
    text = re.sub(r"^[a-z]+(?= must be one of )", bare, text)
    return re.sub(r"(?<![\w./\\'\"`-])[a-z]+(?:_[a-z]+)+(?![\w/\\'\"`(-]|\.\w)", bare, text)
