"""A number made from the compiled loops here and those that they call: they are compiled anew when any of them has changed."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from ....machine_code import stamp_of

_HERE = Path(__file__).parent

_LOOPS = ("beginning.py", "dense.py", "numeric.py", "stages.py", "symbolic.py")
_CALLED = ("boxes.py", "exact.py", "linear_algebra.py", "market_sums.py")

SOURCE: Final = stamp_of([*(_HERE / name for name in _LOOPS), *(_HERE.parent / "compiled" / name for name in _CALLED)])
