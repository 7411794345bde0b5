"""What is known of many days under one charge, kept in the user's cache folder: a search that was killed goes on where it was.

The file's name is a hash of the days' data, the game and what the software means (:mod:`..store`). It appears whole or not at all.
"""

from __future__ import annotations

import contextlib
import time
import zipfile
from pathlib import Path
from typing import Final

import numpy as np

from ....agents.optimum.one_charge.certificate import content_hash
from ....agents.optimum.standing.kept import as_arrays, go_on_from
from ....agents.optimum.standing.search import StandingDays
from ....envs.files import do_without_cache, write_atomically
from ..store import file_of

_EVERY_S: Final = 10.0  # seconds between two times that something is written, at least
_KIND: Final = "what is known of many days"


class StandingFile:
    """The file of some days.

    Args:
        days: The days.
        anew: Whether to begin anew, whatever was kept.
    """

    def __init__(self, days: StandingDays, *, anew: bool = False) -> None:
        self.path = _path(days)
        self._written = 0.0
        if anew:
            with contextlib.suppress(OSError):
                self.path.unlink(missing_ok=True)

    def read(self, days: StandingDays) -> bool:
        """Let days begin with what was kept of them; return whether there was something."""
        try:
            with np.load(self.path, allow_pickle=False) as arrays:
                go_on_from(days, dict(arrays))
        except FileNotFoundError:
            return False
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            do_without_cache(_KIND, error, remedy="It is found out anew")
            return False
        return True

    def keep(self, days: StandingDays) -> None:
        """Write what is known, unless that was done a moment ago."""
        if time.monotonic() - self._written >= _EVERY_S:
            self.write(days)

    def write(self, days: StandingDays) -> None:
        """Write what is known; where that cannot be done, it is said once."""
        try:
            write_atomically(self.path, lambda file: np.savez(file, **as_arrays(days)))
        except OSError as error:
            do_without_cache(_KIND, error)
        self._written = time.monotonic()


def _path(days: StandingDays) -> Path:
    key = {
        "days": [content_hash(each.day, each.network, each.basis) for each in days.games],
        "flows": [each.flows for each in days.games],
        "goals": list(days.goals),
        "hard_limits": days.games[0].hard_limits,
        "cap": days.cap,
    }
    return file_of("standing", key, ending="npz")
