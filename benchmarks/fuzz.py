"""A campaign of random communities against clearings and optima, refereed by the tests' own arithmetic.

    python benchmarks/fuzz.py --clearings 100000 --optima 5000 --seed 1 --jobs 2
    python benchmarks/fuzz.py --replay lossless:100000359

Communities are drawn in named styles (``fuzzing/styles.py``). Each clearing is judged by ``tests/support/referee``: a bound, in long
double, on its distance from the optimum. Each optimum is contradicted, if possible, by charges tried everywhere, on both sides of the ends
of its pieces among them. Results are lines of JSON in a folder, one for each chunk of cases and one for each case that was not answered,
with what replays it. The same command run again goes on where it was. Exit status 1 means that an answer was wrong or that something
crashed.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

from fuzzing.cases import case_of, named
from fuzzing.clearings import checked_clearing
from fuzzing.optima import checked_optimum
from fuzzing.outcomes import FAILURES, Outcome, Tally
from fuzzing.styles import STYLES

from gridtoll.envs.market.exact import P2PMarket
from gridtoll.envs.market.exact.compiled import StructuredMarket

_AT_ONCE = {"clearing": 500, "optimum": 25}
"""Cases of a chunk: what is lost when a campaign is stopped."""


class Chunk(NamedTuple):
    """Cases that are run together, by their first number and how many there are."""

    kind: str
    seed: int
    first: int
    count: int


def main(arguments: list[str] | None = None) -> int:
    """Run or go on with a campaign, or replay a case; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clearings", type=int, default=10_000, help="clearings to try (default: %(default)s)")
    parser.add_argument("--optima", type=int, default=500, help="optima to try (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="seed of the campaign (default: %(default)s)")
    parser.add_argument("--jobs", type=int, default=1, help="processes (default: %(default)s)")
    parser.add_argument("--out", type=Path, default=Path("runs/fuzz"), help="folder of the results (default: %(default)s)")
    parser.add_argument(
        "--replay", metavar="STYLE:SEED", help="run one case again, its clearing and its optimum, and print what comes of it"
    )
    options = parser.parse_args(arguments)
    if options.replay:
        return _replay(options.replay)
    options.out.mkdir(parents=True, exist_ok=True)
    return _campaign(options.clearings, options.optima, seed=options.seed, jobs=options.jobs, out=options.out)


def run_chunk(chunk: Chunk) -> list[Outcome]:
    """Return the outcomes of a chunk's cases, with markets of its own, whose compiled programs are gone with it."""
    plain = P2PMarket()
    market = StructuredMarket(plain, threads=1)
    found = []
    for number in range(chunk.first, chunk.first + chunk.count):
        case = case_of(*named(number, chunk.seed))
        found.append(checked_clearing(case, market, plain) if chunk.kind == "clearing" else checked_optimum(case, market))
    return found


def _campaign(clearings: int, optima: int, *, seed: int, jobs: int, out: Path) -> int:
    done, tallies = _read(out / "chunks.jsonl", seed)
    todo = [chunk for chunk in [*_chunks("clearing", seed, clearings), *_chunks("optimum", seed, optima)] if chunk not in done]
    began, count = time.monotonic(), 0
    with (out / "chunks.jsonl").open("a") as chunks, (out / "outcomes.jsonl").open("a") as outcomes:
        for chunk, found in _run(todo, jobs):
            tally = Tally()
            for outcome in found:
                tally.add(outcome)
                if outcome.outcome not in {"right", "unproved"}:
                    outcomes.write(json.dumps(outcome.line()) + "\n")
                    if outcome.outcome in FAILURES:
                        print(json.dumps(outcome.line()), flush=True)
            outcomes.flush()
            tallies[chunk.kind].merge(tally.state())
            chunks.write(json.dumps({"chunk": chunk._asdict(), **tally.state()}) + "\n")
            chunks.flush()
            count += 1
            if count % 20 == 0 or count == len(todo):
                print(f"{count} of {len(todo)} chunks, {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    for kind, tally in tallies.items():
        print("\n".join([f"\n{kind}:", *tally.table()]))
    return 1 if any(tally.failures() for tally in tallies.values()) else 0


def _chunks(kind: str, seed: int, count: int) -> Iterator[Chunk]:
    size = _AT_ONCE[kind]
    for first in range(0, count, size):
        yield Chunk(kind, seed, first, min(size, count - first))


def _read(path: Path, seed: int) -> tuple[set[Chunk], dict[str, Tally]]:
    """Return which chunks are done, and what came of them; a line that was cut off by a kill does not count."""
    done: set[Chunk] = set()
    tallies = {"clearing": Tally(), "optimum": Tally()}
    for text in path.read_text().splitlines() if path.exists() else []:
        try:
            line: dict[str, Any] = json.loads(text)
        except json.JSONDecodeError:
            continue
        chunk = Chunk(**line["chunk"])
        if chunk.seed == seed and chunk not in done:
            done.add(chunk)
            tallies[chunk.kind].merge(line)
    return done, tallies


def _run(todo: list[Chunk], jobs: int) -> Iterator[tuple[Chunk, list[Outcome]]]:
    if jobs == 1:
        for chunk in todo:
            yield chunk, run_chunk(chunk)
        return
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        futures = {pool.submit(run_chunk, chunk): chunk for chunk in todo}
        for future in as_completed(futures):
            yield futures[future], future.result()


def _replay(name: str) -> int:
    style, _, seed = name.partition(":")
    if style not in STYLES or not seed.isdigit():
        print(f"--replay must name a style ({', '.join(STYLES)}) and a seed, such as plain:100000000, got {name!r}.", file=sys.stderr)
        return 2
    case, plain = case_of(style, int(seed)), P2PMarket()
    market = StructuredMarket(plain, threads=1)
    found = [checked_clearing(case, market, plain), checked_optimum(case, market)]
    for outcome in found:
        print(json.dumps(outcome.line(), indent=1))
    return 1 if any(outcome.outcome in FAILURES for outcome in found) else 0


if __name__ == "__main__":
    sys.exit(main())
