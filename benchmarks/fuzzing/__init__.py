"""Random communities in named styles, and what is asked of every clearing and optimum on them; see ``benchmarks/fuzz.py``."""

import os
import sys
from pathlib import Path

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")  # processes share the cores already; NumPy reads these once, when it is imported
_TESTS = str(Path(__file__).resolve().parents[2] / "tests" / "support")
if _TESTS not in sys.path:
    sys.path.append(_TESTS)  # where the referee is
