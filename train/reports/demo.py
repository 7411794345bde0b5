"""The whole of gridtoll in one go: train a leader, score it beside the others on days it has not seen, and draw what came out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ...agents.fixed.day_ahead import ConstantPolicy
from ...envs.community.calendar import Scenario
from ..ground.config import TrainConfig
from ..ground.playing import play_days
from ..ground.plots import draw_intervals, draw_learning_curve, draw_profit_against_charge, draw_regret_per_day, save_figure
from ..ground.runs import RunFolder, write_text
from ..ground.text import Report, with_interval
from ..learning.learn import resume, train
from ..scoring.chosen import mean_objective
from ..scoring.evaluate import evaluate_leader
from ..scoring.evaluation import Evaluation, summary_table
from ..scoring.leaders import learned_leader, make_leader
from ..scoring.rows import write_rows
from ..statistics.intervals import Interval, over_weeks
from ..task import environment_of
from ..workers import Workers

DEMO: Final = TrainConfig()
"""What the demo trains: the defaults of `gridtoll train`."""

_CURVE_POINTS = 61


def demo(folder: Path, workers: Workers, *, steps: int = DEMO.steps, days: int = 40, seed: int = 0) -> Report:
    """Train, evaluate and draw into a folder; a training that is there already is gone on with.

    Args:
        folder: Takes the run, ``rows.csv``, ``table.txt`` and ``demo.png``.
        workers: Play the days.
        steps: Training days.
        days: Test days.
        seed: Of the training, the random charges, the best constant's sample and the bootstrap.

    Raises:
        ValueError: If the folder holds a training with other settings.
        ClearingError: If a day could not be cleared.
        ModelMismatchError: If a leader earned more than the upper bound.
    """
    config = replace(DEMO, steps=steps, seed=seed)
    scenarios = environment_of(config.task).community.scenarios("test", days)
    run = _trained(config, folder / "run", workers)
    evaluations = _scores(run, config, scenarios, workers)
    write_rows(folder / "rows.csv", [row for evaluation in evaluations.values() for row in evaluation.rows])
    summaries = {name: evaluation.summary(seed) for name, evaluation in evaluations.items()}
    constant, learned = evaluations["grid constant"], evaluations["learned"]
    saved = over_weeks(constant.regret_eur - learned.regret_eur, np.random.default_rng(seed), learned.weeks)
    text = f"{_title(config, days)}\n\n{summary_table(list(summaries.values()))}\n\n{_verdict(saved)}\n"
    write_text(folder / "table.txt", text)
    picture = folder / "demo.png"
    regrets = {name: summary.regret for name, summary in summaries.items()}
    save_figure(_picture(run, config, evaluations, regrets, workers), picture)
    values = {
        **{
            name: {**summary.values(), "mean_regret_ci95": [summary.regret.low, summary.regret.high]} for name, summary in summaries.items()
        },
        "regret_saved_by_learning_eur": saved.centre,
        "regret_saved_by_learning_ci95": [saved.low, saved.high],
        "picture": str(picture),
    }
    return Report(values, f"{text}\nwritten to {folder}: demo.png, rows.csv, table.txt, run/")


def _trained(config: TrainConfig, folder: Path, workers: Workers) -> RunFolder:
    """Train, or go on with what an interrupted demo has left."""
    if not (folder / "config.json").is_file():
        return train(config, folder, workers)
    there = TrainConfig.of(RunFolder.open(folder))
    if there != config:
        raise ValueError(
            f"the demo goes on with a training of the same settings, but {folder} holds another. Choose another folder with --out."
        )
    return resume(folder, workers)


def _scores(run: RunFolder, config: TrainConfig, scenarios: Sequence[Scenario], workers: Workers) -> dict[str, Evaluation]:
    """Score every leader on the test days, under the names of the table."""
    task = config.task
    names = {"zero": "zero", "random": "random", "grid constant": "grid-constant"}
    leaders = {name: make_leader(text, task, scenarios, workers, seed=config.seed) for name, text in names.items()}
    leaders["learned"] = learned_leader(run, task)
    leaders["optimum"] = make_leader("optimum", task, scenarios, workers, seed=config.seed)
    return {
        name: evaluate_leader(replace(leader, name=name, seed=config.seed), task, scenarios, workers, split="test")
        for name, leader in leaders.items()
    }


def _title(config: TrainConfig, days: int) -> str:
    return (
        f"{config.task.community}, {config.task.tariff} tariff, {days} test days; learned: {config.learner.algorithm}, "
        f"{config.steps} training days, seed {config.seed}"
    )


def _verdict(saved: Interval) -> str:
    """Say in words whether learning paid, for this one training: other seeds may come to something else."""
    if not saved.has_ends:
        return (
            f"regret saved by learning, against the best constant charge: {with_interval(saved, 2)} EUR/day "
            "(no interval: all days are of one week)"
        )
    clear = "clear of zero" if saved.low > 0 else "not clear of zero"
    about = f"paired 95% interval over weeks, for this training, {clear}"
    return f"regret saved by learning, against the best constant charge: {with_interval(saved, 2)} EUR/day ({about})"


def _picture(
    run: RunFolder, config: TrainConfig, evaluations: Mapping[str, Evaluation], regrets: Mapping[str, Interval], workers: Workers
) -> Figure:
    """Return four panels: regret with intervals, profit against charge of one day, regret per day, the learning curve."""
    figure = Figure(figsize=(12, 8), layout="constrained")
    (means, curve), (per_day, learning) = figure.subplots(2, 2)
    draw_intervals(means, regrets, "mean regret on test days (EUR/day), 95% interval")
    _draw_one_day(curve, config, evaluations, workers)
    shown = {name: evaluations[name].regret_eur for name in ("grid constant", "learned")}
    draw_regret_per_day(per_day, [row.date for row in evaluations["learned"].rows], shown, "regret on each test day")
    _draw_learning(learning, run, config, evaluations, workers)
    figure.suptitle(_title(config, len(evaluations["learned"].rows)), fontsize=10)
    return figure


def _draw_learning(axes: Axes, run: RunFolder, config: TrainConfig, evaluations: Mapping[str, Evaluation], workers: Workers) -> None:
    """Draw regret on the validation days while learning, beside that of the best constant charge on the same days."""
    progress = run.progress()
    validation = environment_of(config.task).community.scenarios("validation", config.validation_days)
    constant = np.array([float(charge) for charge in evaluations["grid constant"].rows[0].charge.split()])
    optimum = make_leader("optimum", config.task, validation, workers, seed=config.seed)
    best_eur = float(
        np.mean([row.objective_eur for row in evaluate_leader(optimum, config.task, validation, workers, split="validation").rows])
    )
    draw_learning_curve(
        axes,
        [row["step"] for row in progress],
        [best_eur - row["objective_eur"] for row in progress],
        references={"grid constant": best_eur - mean_objective(config.task, validation, constant, workers)},
        title=f"while learning, on {len(validation)} other days (validation)",
    )


def _draw_one_day(axes: Axes, config: TrainConfig, evaluations: Mapping[str, Evaluation], workers: Workers) -> None:
    """Draw profit against charge on the test day of median regret of the learned leader."""
    regrets = evaluations["learned"].regret_eur
    place = int(np.argsort(regrets)[len(regrets) // 2])
    row = evaluations["learned"].rows[place]
    cap = environment_of(config.task).charge_cap
    scenario = Scenario(row.day, row.price_path)
    chosen = {
        name: (float(evaluations[name].rows[place].charge), evaluations[name].rows[place].profit_eur)
        for name in ("grid constant", "learned", "optimum")
    }
    charges = np.union1d(np.linspace(0.0, cap, _CURVE_POINTS), [charge for charge, _ in chosen.values()])  # tops are kinks
    posted = iter([ConstantPolicy([charge]) for charge in charges])
    label = None if workers.quiet else "picture"
    played = play_days(config.task, lambda _: next(posted), [scenario] * len(charges), threads=workers.jobs, label=label)
    draw_profit_against_charge(
        axes,
        charges,
        [day.objective_eur for day in played],
        chosen=chosen,
        upper_bound_eur=row.upper_bound_eur,
        title=f"{row.date}: the test day of median regret",
    )
