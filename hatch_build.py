"""What building the package checks first: an editable installation imports through the link `.pkg/gridtoll`, and not every clone has it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

_MESSAGE = """\
gridtoll: an editable installation needs {link} to be a symbolic link to the folder above it, and it is {found} here.
Git on Windows makes no links unless it is told to. Switch the developer mode of Windows on, and then, in this folder:

    git config core.symlinks true
    git checkout -- .pkg/gridtoll

Or install without --editable, which needs no link:

    python -m pip install .
"""


class LinkHook(BuildHookInterface):
    """Refuses an editable installation that could not be imported."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002 - as hatchling calls it
        """Check the link before an editable wheel is built.

        Raises:
            SystemExit: If the package cannot be found through it, saying what to do.
        """
        link = Path(self.root, ".pkg", "gridtoll")
        if version == "editable" and not (link / "envs" / "__init__.py").is_file():
            found = "a plain file" if link.is_file() else ("a folder of its own" if link.is_dir() else "missing")
            raise SystemExit(_MESSAGE.format(link=link, found=found))  # a traceback would hide the message
