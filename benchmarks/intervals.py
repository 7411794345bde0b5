"""How often intervals of several kinds cover the truth: ``python benchmarks/intervals.py --tables 2000 --seed 0``.

A table of regrets has 10 seeds × 112 days of 16 weeks; seeds and whole weeks are drawn, as reports do. Each kind of interval is made of
the same tables and, but for Student's, of the same resamples:

* *here*: what :mod:`gridtoll.train.statistics.resampling` makes, stretched percentiles;
* *percentile*: the quantiles of the resamples;
* *BCa*: bias-corrected and accelerated (Efron 1987), its acceleration from the jackknife over seeds and weeks;
* *bootstrap-t*: quantiles of (value − centre) / its own standard error in each resample, from influences of seeds and weeks;
* *Student*: centre ± t · √V, V and its degrees of freedom as there;
* *wider*: from the lower to the higher of the ends that *here* and *percentile* have.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri, stdtrit

from gridtoll.train.statistics.intervals import Statistic, interquartile_mean, mean
from gridtoll.train.statistics.resampling import levels_of, resample

Array = NDArray[np.float64]
Ends = tuple[float, float]
Random = np.random.Generator

N_SEEDS: Final = 10
WEEKS: Final = np.arange(112) // 7
N_WEEKS: Final = int(WEEKS[-1]) + 1
TAIL: Final = 0.025
KINDS: Final = ("here", "percentile", "BCa", "bootstrap-t", "Student", "wider")


def _sums(effect: Callable[[Random, tuple[int, int]], Array], seed: float) -> Callable[[Random, int, int], Array]:
    """Return what draws a table of effects of seeds, weeks and days, and noise, of given deviations."""

    def draw(random: Random, n_seeds: int, n_weeks: int) -> Array:
        weeks = 0.45 * np.repeat(effect(random, (1, n_weeks)), 7, axis=1)
        days, noise = 0.9 * effect(random, (1, 7 * n_weeks)), 0.5 * effect(random, (n_seeds, 7 * n_weeks))
        return np.asarray(seed * effect(random, (n_seeds, 1)) + weeks + days + noise)

    return draw


def _noise(random: Random, n_seeds: int, n_weeks: int) -> Array:
    """Neither seeds nor days matter."""
    return random.normal(size=(n_seeds, 7 * n_weeks))


def _normal(random: Random, shape: tuple[int, int]) -> Array:
    return random.normal(size=shape)


def _skewed(random: Random, shape: tuple[int, int]) -> Array:
    return random.exponential(size=shape) - 1.0


def _collapsed(random: Random, n_seeds: int, n_weeks: int) -> Array:
    """One training in ten leaves a regret of 1, the others about 0.05."""
    level = np.where(random.random((n_seeds, 1)) < 0.1, 1.0, 0.05 + 0.01 * random.normal(size=(n_seeds, 1)))
    days = 1 + 0.5 * random.normal(size=(1, 7 * n_weeks))
    return np.asarray(level * days + 0.02 * random.normal(size=(n_seeds, 7 * n_weeks)))


REGIMES: Final[dict[str, Callable[[Random, int, int], Array]]] = {
    "one in ten collapses": _collapsed,
    "normal": _sums(_normal, 0.3),
    "normal, seeds dominate": _sums(_normal, 3.0),
    "normal, noise alone": _noise,
    "exponential": _sums(_skewed, 0.3),
    "exponential, seeds dominate": _sums(_skewed, 3.0),
}
STATISTICS: Final[dict[str, Statistic]] = {"mean": mean, "IQM": interquartile_mean}


def truth(draw: Callable[[Random, int, int], Array], statistic: Statistic) -> float:
    """Return the statistic of very many seeds and weeks, an average over 20 draws of 2,000 × 1,400."""
    random = np.random.default_rng(1)
    return float(np.mean([statistic(draw(random, 2000, 200).ravel()) for _ in range(20)]))


def intervals(table: Array, statistic: Statistic, random: Random, n_resamples: int) -> dict[str, Ends]:
    """Return the ends of every kind of interval."""
    spread: list[Array] = []

    def value(weights: Any) -> Array:
        seeds, days = weights
        crossed = (seeds[:, :, None] * days[:, None, :]).reshape(seeds.shape[0], -1)
        values = statistic(table.ravel(), crossed)
        spread.append(standard_errors(table, seeds, days, values, trimmed=statistic is interquartile_mean))
        return values

    [found] = resample(value, (levels_of(N_SEEDS), levels_of(WEEKS.size, WEEKS)), random, n_resamples=n_resamples)
    batches = -(-n_resamples // 500)
    errors, own = np.concatenate(spread[:batches]), float(spread[batches][0])  # then the sample, then each level left out
    here, values = found.interval(), found.values
    pivot = (values - found.centre) / np.maximum(errors, 1e-9)
    low, high = np.quantile(pivot, [TAIL, 1 - TAIL])
    variance = found.variance_ratio * float(values.var())
    reach = float(stdtrit(found.degrees_of_freedom, 1 - TAIL)) * np.sqrt(variance)
    plain = _quantiles(values, TAIL, 1 - TAIL)
    return {
        "here": (here.low, here.high),
        "percentile": plain,
        "BCa": _quantiles(values, *_corrected(table, statistic, values, found.centre)),
        "bootstrap-t": (found.centre - high * own, found.centre - low * own),
        "Student": (found.centre - reach, found.centre + reach),
        "wider": (min(here.low, plain[0]), max(here.high, plain[1])),
    }


def standard_errors(table: Array, seeds: Array, days: Array, centres: Array, *, trimmed: bool) -> Array:
    """Return the standard error of each resample from the influences of its seeds and weeks, shape (R,)."""
    errors = np.empty(len(centres))
    ordered = np.sort(table, axis=None)
    order = np.argsort(table, axis=None, kind="stable")
    for k, centre in enumerate(centres):
        used, factor, middle = table, 1.0, centre
        if trimmed:
            upto = np.cumsum((seeds[k][:, None] * days[k]).ravel()[order])
            ends = ordered[np.searchsorted(upto, [0.25 * upto[-1], 0.75 * upto[-1]])]
            used, factor = np.clip(table, *ends), 2.0
            middle = seeds[k] @ used @ days[k] / seeds[k].sum() / days[k].sum()  # of the winsorised scores
        of_seeds = factor * (used @ days[k] / days[k].sum() - middle)
        of_days = factor * (seeds[k] @ used / seeds[k].sum() - middle)
        of_weeks = (days[k] * of_days).reshape(N_WEEKS, 7).sum(axis=1) / days[k].sum() * N_WEEKS
        drawn = days[k].reshape(N_WEEKS, 7)[:, 0]
        by_weeks = np.where(drawn > 0, of_weeks**2 / np.maximum(drawn, 1), 0.0).sum() / N_WEEKS / (N_WEEKS - 1)
        errors[k] = np.sqrt(seeds[k] @ of_seeds**2 / seeds[k].sum() / (N_SEEDS - 1) + by_weeks)
    return errors


def _corrected(table: Array, statistic: Statistic, values: Array, centre: float) -> Ends:
    """Return the quantiles that BCa takes."""
    left = [statistic(np.delete(table, s, axis=0).ravel()) for s in range(N_SEEDS)]
    weeks = [statistic(table[:, w != WEEKS].ravel()) for w in range(N_WEEKS)]
    parts = [(len(each) - 1) * (np.mean(each) - np.array(each)) / len(each) for each in (left, weeks)]
    influence = np.concatenate(parts)
    accelerated = float(np.sum(influence**3) / (6 * np.sum(influence**2) ** 1.5)) if np.any(influence) else 0.0
    share = float(np.clip((np.mean(values < centre) + np.mean(values <= centre)) / 2, 1 / values.size, 1 - 1 / values.size))
    bias = float(ndtri(share))
    return tuple(float(ndtr(bias + (bias + z) / (1 - accelerated * (bias + z)))) for z in (ndtri(TAIL), -ndtri(TAIL)))  # type: ignore[return-value]


def _quantiles(values: Array, low: float, high: float) -> Ends:
    ends = np.quantile(values, [low, high])
    return float(ends[0]), float(ends[1])


def main() -> None:
    """Print the coverage and the median width of each kind, in percent and in units of that of the one in use."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tables", type=int, default=2000)
    parser.add_argument("--resamples", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--statistic", choices=tuple(STATISTICS), action="append")
    parser.add_argument("--regime", choices=tuple(REGIMES), action="append")
    options = parser.parse_args()
    print("| regime | statistic | " + " | ".join(KINDS) + " |")
    for name in options.regime or REGIMES:
        for word in options.statistic or STATISTICS:
            draw = REGIMES[name]
            statistic, began = STATISTICS[word], time.monotonic()
            random, at = np.random.default_rng(options.seed), truth(draw, statistic)
            tables = [intervals(draw(random, N_SEEDS, N_WEEKS), statistic, random, options.resamples) for _ in range(options.tables)]
            ends = np.array([[table[kind] for kind in KINDS] for table in tables])
            covered = 100 * np.mean((ends[..., 0] <= at) & (at <= ends[..., 1]), axis=0)
            width = np.mean(ends[..., 1] - ends[..., 0], axis=0)
            cells = (f"{share:.1f} ({wide:.2f})" for share, wide in zip(covered, width / width[0], strict=True))
            print(f"| {name} | {word} | " + " | ".join(cells) + f" |  {time.monotonic() - began:.0f} s", flush=True)


if __name__ == "__main__":
    main()
