"""The clearing's speed: the compiled kernel against the same model in CVXPY, solver calls interleaved in one run.

    python benchmarks/clearing.py --cases 9x1,9x24 --json
    python benchmarks/clearing.py --cases 9x1,9x24,20x24,57x24,118x24 --details --growth --profile --bounds --write docs/performance.md

A case is PROSUMERSxHOURS of :mod:`cases`. Each of its days is cleared at 0, 0.1, 0.3 and 1 times the cap on charges, by CVXPY
(:mod:`plain_cvxpy`) and by the kernel in turns. Seconds are processor time of this process, which is wall time on a core of its own: on a
busy machine a call of 50 ms is interrupted and one of 1 ms hardly ever, and wall time would double the ratio. CVXPY's time is that of
`problem.solve()` alone, after compiling and with parameters filled in; the kernel's is that of `StructuredMarket.clear`, polishing and
certificate included. A row holds

* `cvxpy_seconds`, `structured_seconds`: medians over all turns; `ratio`: one over the other. Cases with too many trades for CVXPY are
  cleared by the kernel alone, and their ratio is to CVXPY's time of 57x24, if that is in the same run;
* `max_profit_difference`: greatest difference of the operator's profit between the two, over the day's retail bill (what importing the
  middle of every demand range would cost). It is CVXPY that is off: its answer is as good as its solver's default tolerance, and profit
  has kinks, while the kernel's answers carry certificates of 1e-9.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import platform
import re
import resource
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from cases import Case, make_case, read_case
from plain_cvxpy import PlainMarket, as_clearing

from gridtoll.envs.account.settlement import settle
from gridtoll.envs.community.day import Array, Day
from gridtoll.envs.files import write_atomically
from gridtoll.envs.machine import available_cores
from gridtoll.envs.market.exact import P2PMarket
from gridtoll.envs.market.exact.compiled import StructuredMarket

Row = dict[str, Any]

REFERENCE = "57x24"
TARGETS = {"9x1": 100, "9x24": 50, "20x24": 60, "57x24": 400, "118x24": 75}
"""Ratios to reach; that of 118x24 is to CVXPY's time of 57x24."""
GROWTH = ("5x24", "9x24", "20x24", "40x24", "57x24", "80x24", "118x24", "20x1", "20x3", "20x6", "20x12")
_MOST_TRADES = 100_000  # for CVXPY
_MOST_POLISHED = 100_000  # for `P2PMarket`
_KEYS = ("case", "cvxpy_seconds", "structured_seconds", "ratio", "max_profit_difference")


def main() -> None:
    """Measure, and print a line per row as soon as it is there."""
    options = _parser().parse_args()
    if options.memory:
        print(_memory_here(options.memory, options.seed))
        return
    sections: dict[str, list[Row]] = {"cases": [], "growth": [], "profile": [], "bounds": []}
    for section, row in rows(options):
        sections[section].append(row)
        shown = row if options.details or section != "cases" else {key: row[key] for key in _KEYS}
        print(json.dumps(shown) if options.json else "  ".join(f"{key} {_text(value)}" for key, value in shown.items()), flush=True)
    if options.write:
        write(Path(options.write), sections)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Compare the compiled clearing with CVXPY.")
    parser.add_argument("--cases", default="9x1,9x24,20x24", help="PROSUMERSxHOURS, separated by commas (default: %(default)s)")
    parser.add_argument("--days", type=int, default=4, help="days of each case (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=8.0, help="about how long to measure a case (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--details", action="store_true", help="more columns: iterations, fallbacks, memory, other solvers")
    parser.add_argument("--growth", action="store_true", help="the kernel's time over prosumers and hours")
    parser.add_argument("--profile", action="store_true", help="where the kernel's time goes (compiles its parts: a minute or two)")
    parser.add_argument("--bounds", action="store_true", help="what the cases would take if their work ran at this machine's best rates")
    parser.add_argument("--json", action="store_true", help="one JSON object per line")
    parser.add_argument("--write", metavar="FILE", help="rewrite the marked sections of a document")
    parser.add_argument("--memory", metavar="CASE", help=argparse.SUPPRESS)
    return parser


def rows(options: argparse.Namespace) -> Iterator[tuple[str, Row]]:
    """Yield sections and rows."""
    warm_up()
    reference: float | None = None
    measured: list[Row] = []
    names = [name for name in options.cases.split(",") if name]
    for name in sorted(names, key=trades_of):
        row = measure(name, n_days=options.days, seconds=options.seconds, seed=options.seed, details=options.details)
        if name == REFERENCE:
            reference = row["cvxpy_seconds"]
        if row["cvxpy_seconds"] is None and reference is not None:
            row["ratio"] = reference / row["structured_seconds"]
        measured.append(row)
        yield "cases", row
    for name in GROWTH if options.growth else ():
        yield "growth", growth(name, options.seed)
    if options.profile:
        from profile_kernel import profile  # noqa: PLC0415 - compiling its parts is only for those who ask

        for name in ("9x24", "20x24", "57x24"):
            yield "profile", {"case": name, **profile(make_case(*read_case(name), 2, options.seed))}
    for row in measured if options.bounds else ():
        yield "bounds", _bounds(row, options)


def _bounds(row: Row, options: argparse.Namespace) -> Row:
    """Return milliseconds: what a case takes, what its target allows, and what its work takes at best."""
    from bounds import bounds  # noqa: PLC0415 - it compiles, and only for those who ask

    name, target, ratio = row["case"], TARGETS.get(row["case"]), row["ratio"]
    allowed = 1e3 * row["structured_seconds"] * ratio / target if ratio and target else None
    return {"case": name, "taken": 1e3 * row["structured_seconds"], "target": allowed, **bounds(name, options.days, options.seed)}


def warm_up() -> None:
    """Compile the kernel, or load it."""
    case = make_case(3, 2, 1)
    StructuredMarket().clear(case.days[0], case.charges[1])


def measure(name: str, *, n_days: int = 4, seconds: float = 8.0, seed: int = 0, details: bool = False) -> Row:
    """Time a case with all solvers, in turns.

    Args:
        name: The case.
        n_days: Days of it.
        seconds: About how long to measure; every day is cleared at every charge at least once.
        seed: Of the draw of prosumers.
        details: Whether to add columns, other solvers among them.
    """
    case, trades, market = make_case(*read_case(name), n_days, seed), trades_of(name), StructuredMarket(threads=1)
    plain = PlainMarket(case.days[0]) if trades <= _MOST_TRADES else None
    record = Record(others=_others(case, trades) if details else {})
    for day in case.days:
        market.clear(day, case.charges[0])  # its data are prepared, as CVXPY's are when its parameters are filled in
    if plain is not None:
        plain.fill(case.days[0], case.charges[0])
        plain.solve()  # compiles
    began = time.perf_counter()
    while not record.structured or time.perf_counter() - began < seconds:
        _turn(record, case, market, plain)
    row: Row = {
        "case": name,
        "cvxpy_seconds": statistics.median(record.cvxpy) if plain is not None else None,
        "structured_seconds": statistics.median(record.structured),
        "ratio": statistics.median(record.cvxpy) / statistics.median(record.structured) if plain is not None else None,
        "max_profit_difference": max(record.differences) if plain is not None else None,
    }
    return row | (_details(name, seed, record) | {"fallbacks": market.fallbacks} if details else {})


@dataclass
class Record:
    """What the turns of a case took in seconds, by solver, and what came out.

    Attributes:
        others: Solvers beside CVXPY and the kernel: each clears, and returns seconds and whether it succeeded.
        cvxpy: Seconds.
        structured: Seconds.
        other: Seconds of the others.
        failures: Of the others.
        differences: Of the profit, relative.
        steps: The kernel's iterations.
    """

    others: dict[str, Callable[[Day, Array], tuple[float, bool]]]
    cvxpy: list[float] = field(default_factory=list)
    structured: list[float] = field(default_factory=list)
    other: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    failures: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    differences: list[float] = field(default_factory=list)
    steps: list[tuple[int, int]] = field(default_factory=list)


def _turn(record: Record, case: Case, market: StructuredMarket, plain: PlainMarket | None) -> None:
    """Clear every day at all charges by one solver, then by the next: each finds the processor's caches as its own calls left them."""
    instances, answers = [(day, charges) for day in case.days for charges in case.charges], []
    for day, charges in instances if plain is not None else ():
        plain.fill(day, charges)
        record.cvxpy.append(timed(plain.solve)[0])
        answers.append(plain.read(day))
    found = [timed(lambda day=day, charges=charges: market.clear(day, charges)) for day, charges in instances]
    record.structured += [spent for spent, _ in found]
    record.steps += [clearing.iterations for _, clearing in found]
    for (day, charges), answer, (_, clearing) in zip(instances, answers, found, strict=False):
        by_hour = np.broadcast_to(charges, (day.n_periods, *charges.shape))
        profits = [settle(day, case.community.network, by_hour, each).profit_eur for each in (as_clearing(answer, clearing), clearing)]
        record.differences.append(abs(profits[0] - profits[1]) / day.retail_bill_eur)
    for name, run in record.others.items():
        for spent, solved in [run(day, charges) for day, charges in instances]:
            record.other[name].append(spent)
            record.failures[name] += not solved


def _details(name: str, seed: int, record: Record) -> Row:
    """Return the further columns of a row."""
    row: Row = {"trades": trades_of(name), "clearings": len(record.structured)}
    for column, number in (("interior_point_steps", 0), ("polishing_steps", 1)):
        row[column] = statistics.mean(step[number] for step in record.steps)
    if record.cvxpy:
        row["median_pair_ratio"] = statistics.median(a / b for a, b in zip(record.cvxpy, record.structured, strict=True))
    for other, taken in record.other.items():
        row |= {f"{other}_seconds": statistics.median(taken), f"{other}_failures": record.failures[other]}
    return row | {"peak_memory_mb": _memory_of(name, seed), "load_average": os.getloadavg()[0]}


def _others(case: Case, trades: int) -> dict[str, Callable[[Day, Array], tuple[float, bool]]]:
    """Return the other solvers, each a function that clears, and returns seconds and whether it succeeded."""
    found: dict[str, Callable[[Day, Array], tuple[float, bool]]] = {}
    if trades <= _MOST_POLISHED:
        polished = P2PMarket()
        polished.clear(case.days[0], case.charges[0])
        found["polished_cvxpy"] = lambda day, charges: (timed(lambda: polished.clear(day, charges))[0], True)
    if importlib.util.find_spec("piqp") is not None:
        from plain_piqp import PiqpMarket  # noqa: PLC0415 - optional

        direct = PiqpMarket(case.days[0])

        def piqp(day: Day, charges: Array) -> tuple[float, bool]:
            direct.fill(day, charges)
            return timed(direct.solve)

        found["piqp"] = piqp
    return found


def growth(name: str, seed: int) -> Row:
    """Return the kernel's time on one day of a case, the median over its charges and three repetitions."""
    case, market = make_case(*read_case(name), 1, seed), StructuredMarket(threads=1)
    seconds, steps = [], []
    for charges in case.charges:
        for _ in range(4):
            taken, clearing = timed(lambda charges=charges: market.clear(case.days[0], charges))
            seconds.append(taken)
            steps.append(clearing.iterations[0])
    trades = trades_of(name)
    median = statistics.median(seconds)
    return {
        "case": name,
        "trades": trades,
        "milliseconds": 1e3 * median,
        "nanoseconds_per_trade": 1e9 * median / trades,
        "interior_point_steps": statistics.mean(steps),
    }


def timed(call: Callable[[], Any]) -> tuple[float, Any]:
    """Return how many seconds of processor time a call takes, and its result."""
    began = time.process_time()
    result = call()
    return time.process_time() - began, result


def trades_of(name: str) -> int:
    """Return how many trades a case has."""
    n, hours = read_case(name)
    return n * (n - 1) * hours


def _memory_of(name: str, seed: int) -> float:
    """Return the peak memory of a process that only clears a case's days with the kernel, in MB."""
    command = [sys.executable, __file__, "--memory", name, "--seed", str(seed)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[-1])  # noqa: S603 - this file


def _memory_here(name: str, seed: int) -> float:
    case, market = make_case(*read_case(name), 1, seed), StructuredMarket(threads=1)
    for charges in case.charges:
        market.clear(case.days[0], charges)
    return peak_memory_mb()


def peak_memory_mb() -> float:
    """Return the most memory that this process has held, in MB."""
    status = Path("/proc/self/status")
    if status.exists():  # `getrusage` would count what the process this one was started from held
        [peak] = re.findall(r"^VmHWM:\s+(\d+) kB", status.read_text(encoding="utf-8"), re.MULTILINE)
        return float(peak) / 1e3
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)


# --- documents ------------------------------------------------------------------------------------------------------------------------


def write(document: Path, sections: dict[str, list[Row]]) -> None:
    """Rewrite a document's marked sections, those that were measured."""
    text = document.read_text(encoding="utf-8")
    for name, measured in sections.items():
        if measured:
            begin, end = f"<!-- written by benchmarks/clearing.py: {name} -->\n", "<!-- until here -->"
            pattern = re.compile(re.escape(begin) + ".*?" + re.escape(end), re.DOTALL)
            if not pattern.search(text):
                raise ValueError(f"{document} must have a section that begins with {begin.strip()!r} and ends with {end!r}.")
            text = pattern.sub(lambda _, name=name, measured=measured: f"{begin}{machine()}\n\n{table(name, measured)}\n{end}", text)  # noqa: B023
    write_atomically(document, lambda file: file.write(text.encode()))


def machine() -> str:
    """Return machine and versions in a line."""
    model = next((line.partition(":")[2].strip() for line in _cpu_lines() if line.startswith("model name")), platform.processor())
    libraries = ", ".join(f"{name} {version(name)}" for name in ("gridtoll", "numpy", "numba", "cvxpy", "clarabel"))
    load = ", ".join(f"{each:.1f}" for each in os.getloadavg())
    return f"{model}, {available_cores()} cores, load average {load}; Python {platform.python_version()}, {libraries}."


def _cpu_lines() -> list[str]:
    info = Path("/proc/cpuinfo")
    return info.read_text(encoding="utf-8").splitlines() if info.exists() else []


def table(name: str, measured: list[Row]) -> str:
    """Return rows as a Markdown table; those of cases, which are long, as columns."""
    if name == "cases":
        measured = [{**row, "target_ratio": TARGETS.get(row["case"])} for row in measured]
    keys = list(dict.fromkeys(key for row in measured for key in row))
    cells = [[key.replace("_", " ") for key in keys], *([_text(row.get(key)) for key in keys] for row in measured)]
    if name == "cases":
        cells = [list(column) for column in zip(*cells, strict=True)]
    cells.insert(1, ["---"] * len(cells[0]))
    return "\n".join(f"| {' | '.join(each)} |" for each in cells)


def _text(value: Any) -> str:
    if value is None:
        return "–"
    return f"{value:.3g}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    main()
