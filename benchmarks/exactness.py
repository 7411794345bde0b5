"""What a clearing's certificate of 1e-9 says about the operator's profit, measured against optima in long double.

    python benchmarks/exactness.py --clearings 3500 --seed 1

Random communities of the campaign's styles (``fuzzing/styles.py``) are cleared, and each clearing is solved again in long double by
``tests/support/referee/exact.py``, whose answer is bounded by ``tests/support/referee/certificate.py``. Three errors of profit are printed
in units of 1e-9 of what is at stake (docs/exactness.md): what the clearing misses; the most that a point whose certificate reads 1e-9 can
miss on the same piece of the response, by a linear program; and the most that any point with such a certificate can miss, by strong
convexity.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable

import numpy as np
from fuzzing.cases import case_of, named
from fuzzing.profit import Exactness, exactness

from gridtoll.envs.errors import ClearingError
from gridtoll.envs.market.exact.compiled import StructuredMarket

GROUPS = ("ordinary", "prohibitive", "extreme")
_ROWS: dict[str, tuple[str, str]] = {
    "the clearing, of what is at stake": ("missed_eur", "stake_eur"),
    "the clearing, of the day's turnover": ("missed_eur", "money_eur"),
    "1e-9 on the same piece, of the day's turnover": ("on_piece_eur", "money_eur"),
    "1e-9 anywhere, proved, of the day's turnover": ("proved_eur", "money_eur"),
    "the optimum in long double, of the day's turnover": ("reference_eur", "money_eur"),
}
"""What is in a row: an error, and what it is divided by; the turnover gives way to what is at stake where that is more."""


def main(arguments: list[str] | None = None) -> int:
    """Measure and print a table for each group; return 1 where an ordinary one has no optimum in long double."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clearings", type=int, default=3_500, help="cases to try, extreme styles among them (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="seed of the campaign (default: %(default)s)")
    options = parser.parse_args(arguments)
    market = StructuredMarket(threads=1)
    found: dict[str, list[Exactness]] = {group: [] for group in GROUPS}
    refused: list[str] = []
    lost: list[tuple[bool, str]] = []
    for number in range(options.clearings):
        case = case_of(*named(number, options.seed))
        if case.network is None:
            continue  # nobody to trade with, and no profit
        name = f"{case.style}:{case.seed}"
        try:
            measured = exactness(case, case.network, market)
        except ClearingError:
            refused.append(name)
            continue
        if measured is None:
            lost.append((case.is_extreme, name))
        else:
            found[measured.group].append(measured)
    for group, several in found.items():
        print(f"\n{len(several)} clearings, {group}")
        print("\n".join(table(several)))
    print(f"\nrefused: {', '.join(refused) or 'none'}\nno optimum in long double: {', '.join(name for _, name in lost) or 'none'}")
    return 1 if any(not extreme for extreme, _ in lost) else 0


def table(several: Iterable[Exactness]) -> list[str]:
    """Return the lines of a table of errors of profit in units of 1e-9 of what they are measured by."""
    rows = list(several)
    if not rows:
        return []
    lines = ["| error of profit, 1e-9 | median | 90% | 99% | most | which |", "| --- | ---: | ---: | ---: | ---: | --- |"]
    for label, (error, measure) in _ROWS.items():
        values = np.array([getattr(row, error) / getattr(row, measure) for row in rows]) / 1e-9
        cells = [f"{value:.2g}" for value in np.quantile(values, [0.5, 0.9, 0.99, 1.0], method="higher")]
        lines.append(f"| {label} | {' | '.join(cells)} | {rows[int(values.argmax())].name} |")
    return lines


if __name__ == "__main__":
    sys.exit(main())
