"""Many days in lockstep on one device against the compiled kernel.

    python benchmarks/lockstep.py --community simbench-rural --days 192 --device cuda

Both clear the same training days at charges drawn between none and the cap, in turns within one run; the ratio is the median of the turns'
own. Seconds are wall time, as a device has no processor time of ours, so the machine should be idle. `stack` makes tensors of the days,
`steps` is the interior point on the device, `last_digits` polishes and certifies on the CPU.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import Final

import numpy as np
import torch
from clearing import machine
from torch import Tensor

from gridtoll.envs.community.sources import COMMUNITY_NAMES, DEFAULT_COMMUNITY
from gridtoll.envs.games.spec import GameSpec
from gridtoll.envs.market.exact.compiled import StructuredMarket
from gridtoll.envs.market.exact.compiled.program import program_of
from gridtoll.envs.market.lockstep import LockstepMarket
from gridtoll.envs.market.lockstep.interior_point import approach
from gridtoll.envs.market.lockstep.stack import Stack
from gridtoll.train.task import environment_of

_TURNS: Final = 5


def main() -> None:
    """Measure, and print the row."""
    parser = argparse.ArgumentParser(description="Measure clearings in lockstep.")
    parser.add_argument("--community", default=DEFAULT_COMMUNITY, choices=COMMUNITY_NAMES)
    parser.add_argument("--days", type=int, default=192, help="days of a call (default: %(default)s)")
    parser.add_argument("--device", default=None, help="PyTorch's name (default: a GPU if there is one, else the CPU)")
    parser.add_argument("--at-once", type=int, default=None, help="days of a batch (default: as many as have room)")
    options = parser.parse_args()
    print(machine())
    print(json.dumps(measure(options.community, options.days, options.device, options.at_once)))


def measure(community: str, n_days: int, device: str | None, at_once: int | None) -> dict[str, float | str]:
    """Return microseconds a day of both markets and of the parts of one, their ratio, and hours cleared a second."""
    env = environment_of(GameSpec(community=community))
    days = [env.day_of(scenario) for scenario in env.community.scenarios("train", n_days)]
    charges = [env.tariff.charges(drawn) for drawn in np.random.default_rng(0).uniform(0.0, env.charge_cap, (len(days), 1))]
    ours, kernel = LockstepMarket(device, at_once=at_once), StructuredMarket()
    seconds: dict[str, list[float]] = {"lockstep": [], "kernel": []}
    for turn in range(_TURNS + 1):
        for name, market in (("lockstep", ours), ("kernel", kernel)):
            taken = _timed(partial(market.clear_many, days, charges))
            if turn:  # the first compiles, and makes what is kept of a day
                seconds[name].append(taken)
    programs = [program_of(day) for day in days]
    full = [np.ascontiguousarray(np.broadcast_to(each, (env.community.n_periods, *each.shape[-2:]))) for each in charges]
    where = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    with torch.inference_mode():
        stacking = statistics.median(_timed(partial(Stack.of, programs, full, where)) for _ in range(_TURNS))
        stack = Stack.of(programs, full, where)
        steps = statistics.median(_timed(partial(steps_of, stack)) for _ in range(_TURNS))
    whole, share = statistics.median(seconds["lockstep"]), 1e6 / len(days)
    return {
        "community": community,
        "device": str(where),
        "days": len(days),
        "lockstep_us": share * whole,
        "kernel_us": share * statistics.median(seconds["kernel"]),
        "ratio": statistics.median(a / b for a, b in zip(seconds["kernel"], seconds["lockstep"], strict=True)),
        "stack_us": share * stacking,
        "steps_us": share * steps,
        "last_digits_us": share * (whole - stacking - steps),
        "hours_per_second": len(days) * env.community.n_periods / whole,
        "fallbacks": ours.fallbacks,
    }


def steps_of(stack: Stack) -> Tensor:
    """Return the prices near the optima, once the device has found them."""
    return approach(stack).mu.cpu()


def _timed(call: Callable[[], object]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
