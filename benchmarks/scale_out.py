"""What it is worth to plan the prosumers of `admm` side by side, where each may trade with its 20 nearest.

    python benchmarks/scale_out.py --sizes 300 1000 --workers 2
    python benchmarks/scale_out.py --sizes 300 --workers 2 --ray

In a round each prosumer plans by itself, and prices move pair by pair. Here the plans of a round are shared out over processes in blocks of
prosumers. A process is sent the prices of its own prosumers' pairs and sends back their own prices, as messages between machines would
hold. Rounds are those of `admm` but for momentum, which is no work. Seconds are processor time of each process, which is wall time on cores
of its own; the wall time of this machine stands beside it.
"""

from __future__ import annotations

import argparse
import multiprocessing
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from cases import case_community
from numba import njit

from gridtoll.envs.community.day import Array
from gridtoll.envs.machine_code import LOOPS
from gridtoll.envs.market.admm import Admm
from gridtoll.envs.market.negotiation import rounds
from gridtoll.envs.market.negotiation.contracts import plans_alone
from gridtoll.envs.market.prosumer.balance import Store
from gridtoll.envs.market.prosumer.crowd import Crowd, TradingPairs, crowd_of, pairs_of
from gridtoll.envs.market.prosumer.plans import blank_plans, plan_of
from gridtoll.envs.market.prosumer.storage import plan_day

PARTNERS, ROUNDS, CHARGE = 20, 20, 0.1
curves_of = rounds._curves  # noqa: SLF001 - a round is taken apart here


class Planned(NamedTuple):
    """What a block answers in a round: its prosumers' own prices, shape (n, T), and the processor time it took in seconds."""

    own_price: Array
    seconds: float


@njit(cache=True, **LOOPS)
def plan_block(crowd, pairs, price, plans, who):
    """Plan the day of some prosumers at the prices of pairs, shape (T, K)."""
    for at in range(len(who)):
        i = who[at]
        store = Store(crowd.wear[i], crowd.efficiency[i], crowd.power[i])
        curves = curves_of(pairs, price, i)
        plan_day(crowd.rows[i], store, crowd.start[i], crowd.stored_least[i], crowd.stored_most[i], curves, plan_of(plans, i))


class Block:
    """Some prosumers, with all they know: their own data, their pairs, and where their plans stand."""

    def __init__(self, crowd: Crowd, pairs: TradingPairs, own_price: Array, who: Sequence[int]) -> None:
        self.crowd, self.pairs, self.who = crowd, pairs, np.array(who, dtype=np.intp)
        self.mine = np.flatnonzero(np.isin(pairs.seller, self.who) | np.isin(pairs.buyer, self.who))
        self.price = np.zeros(pairs.charge.shape)
        self.plans = blank_plans(*pairs.charge.shape[:1], len(crowd.wear), own_price)

    def plan(self, price: Array) -> Planned:
        """Plan at the prices of one's own pairs, shape (T, own pairs)."""
        began = time.process_time()
        self.price[:, self.mine] = price
        plan_block(self.crowd, self.pairs, self.price, self.plans, self.who)
        return Planned(self.plans.price[self.who], time.process_time() - began)


def serve(block: Block, line: Any) -> None:
    """Answer prices with plans, until there are no more; then say the processor time of all of it."""
    began = time.process_time()
    while (price := line.recv()) is not None:
        line.send(block.plan(price))
    line.send(time.process_time() - began)


def by_pipes(blocks: Sequence[Block], moves: Any) -> dict[str, float]:
    """Hold rounds with a process for each block."""
    context = multiprocessing.get_context("fork")
    lines, processes = [], []
    for block in blocks:
        own, other = context.Pipe()
        process = context.Process(target=serve, args=(block, other), daemon=True)
        process.start()
        lines.append(own)
        processes.append(process)
    planning, began, mine = np.zeros(len(blocks)), time.perf_counter(), time.process_time()
    for _ in range(ROUNDS):
        for block, line in zip(blocks, lines, strict=True):
            line.send(moves.price[:, block.mine])
        answers = [line.recv() for line in lines]
        planning += [answer.seconds for answer in answers]
        moves.move([answer.own_price for answer in answers])
    wall, mine = time.perf_counter() - began, time.process_time() - mine
    spent = []
    for line, process in zip(lines, processes, strict=True):
        line.send(None)
        spent.append(line.recv())
        process.join()
    return {"planning": planning.max() / ROUNDS, "worker": max(spent) / ROUNDS, "here": mine / ROUNDS, "wall": wall / ROUNDS}


def by_ray(blocks: Sequence[Block], moves: Any) -> dict[str, float]:
    """Hold rounds with a Ray actor for each block."""
    import ray  # noqa: PLC0415 - only here

    ray.init(num_cpus=len(blocks), include_dashboard=False, log_to_driver=False)
    actors = [ray.remote(Block).remote(block.crowd, block.pairs, moves.begun, block.who) for block in blocks]
    ray.get([actor.plan.remote(moves.price[:, block.mine]) for actor, block in zip(actors, blocks, strict=True)])  # loads the loops
    planning, began, mine = np.zeros(len(blocks)), time.perf_counter(), time.process_time()
    for _ in range(ROUNDS):
        asked = [actor.plan.remote(moves.price[:, block.mine]) for actor, block in zip(actors, blocks, strict=True)]
        answers = ray.get(asked)
        planning += [answer.seconds for answer in answers]
        moves.move([answer.own_price for answer in answers])
    told = {"planning": planning.max() / ROUNDS, "worker": float("nan"), "here": (time.process_time() - mine) / ROUNDS}
    told["wall"] = (time.perf_counter() - began) / ROUNDS
    ray.shutdown()
    return told


class Moves:
    """The prices of all pairs, and how they move: to the middle of both sides' own, and 0.3 of that way beyond."""

    def __init__(self, pairs: TradingPairs, begun: Array, blocks: Sequence[Block]) -> None:
        self.pairs, self.begun, self.blocks = pairs, begun, blocks
        self.price = 0.5 * (begun[:, pairs.seller] + begun[:, pairs.buyer])

    def move(self, own_prices: Sequence[Array]) -> None:
        """Move prices by what the blocks answered."""
        own = np.empty(self.begun.T.shape)
        for block, price in zip(self.blocks, own_prices, strict=True):
            own[block.who] = price
        middle = 0.5 * (own[self.pairs.seller] + own[self.pairs.buyer]).T
        self.price += 1.3 * (middle - self.price)


def main() -> None:
    """Measure, and print a row for each size and number of processes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[300, 1000])
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rounds", type=int, default=500, help="rounds after which the negotiation ends")
    parser.add_argument("--ray", action="store_true", help="Ray actors instead of processes with pipes")
    options = parser.parse_args()
    print("| N | pairs | processes | planning, ms | process, ms | here, ms | wall, ms | MB between processes | MB between prosumers |")
    for n in options.sizes:
        community = case_community(n, partners=PARTNERS)
        day = community.day(180, price_path=0)
        charges = np.broadcast_to(CHARGE * community.charge_cap * community.network.distance, (day.n_periods, n, n))
        crowd, pairs, begun = crowd_of(day), pairs_of(day, charges), np.array(plans_alone(day).price)
        Block(crowd, pairs, begun, [0]).plan(np.zeros((day.n_periods, 0)) if not len(pairs.seller) else 0.3)  # compiles
        for workers in options.workers:
            blocks = [Block(crowd, pairs, begun, part) for part in np.array_split(np.arange(n), workers)]
            told = (by_ray if options.ray else by_pipes)(blocks, Moves(pairs, begun, blocks))
            sent = 8 * day.n_periods * sum(len(block.mine) + len(block.who) for block in blocks) / 1e6
            links = int((day.can_trade | day.can_trade.T).sum())
            times = " | ".join(f"{1e3 * told[name]:.1f}" for name in ("planning", "worker", "here", "wall"))
            print(
                f"| {n} | {len(pairs.seller):,} | {workers} | {times} | {sent:.2f} | {16 * day.n_periods * links / 1e6:.2f} |", flush=True
            )
        began = time.process_time()
        [found] = Admm(rounds=options.rounds).clear_many([day], [charges])
        told = found.evidence
        print(
            f"N = {n}: {told.rounds} rounds, converged {told.converged}, {told.messages:,} messages, {told.bytes / 1e6:.0f} MB, "
            f"{time.process_time() - began:.1f} s in one process",
            flush=True,
        )


if __name__ == "__main__":
    main()
