"""Pictures hold what they claim to hold."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gridtoll.train.ground.plots import draw_intervals, draw_learning_curve, draw_profit_against_charge, draw_regret_per_day, save_figure
from gridtoll.train.statistics.intervals import Interval


@pytest.fixture
def axes() -> Axes:
    return Figure().subplots()


def labels(axes: Axes) -> list[str]:
    return [text.get_text() for text in axes.get_legend().get_texts()]  # type: ignore[union-attr]


def test_profit_against_charge_marks_every_choice_at_its_place(axes: Axes) -> None:
    charges = np.linspace(0, 1, 11)
    draw_profit_against_charge(
        axes,
        charges,
        charges * (1 - charges),
        chosen={"learned": (0.4, 0.24), "optimum": (0.5, 0.25)},
        upper_bound_eur=0.2501,
        title="a day",
    )
    marks = {line.get_label(): line.get_xydata().tolist() for line in axes.lines}  # type: ignore[union-attr]
    assert marks["learned"] == [[0.4, 0.24]]
    assert marks["optimum"] == [[0.5, 0.25]]
    assert "EUR/kWh" in axes.get_xlabel()
    assert "EUR/day" in axes.get_ylabel()
    assert labels(axes) == ["certified upper bound", "learned", "optimum"]


def test_regret_per_day_names_some_of_many_days(axes: Axes) -> None:
    days = [f"day {k}" for k in range(40)]
    draw_regret_per_day(axes, days, {"learned": np.ones(40), "best constant": np.zeros(40)}, "test")
    assert labels(axes) == ["learned", "best constant"]
    shown = [tick.get_text() for tick in axes.get_xticklabels()]
    assert shown[0] == "day 0"
    assert 5 <= len(shown) <= 12
    assert "EUR/day" in axes.get_ylabel()


def test_intervals_are_drawn_from_end_to_end(axes: Axes) -> None:
    draw_intervals(axes, {"zero": Interval(3.0, 2.0, 5.0), "mine": Interval(1.0, 0.5, 1.5)}, "regret (EUR/day)")
    spans = [line.get_xdata().tolist() for line in axes.lines if len(line.get_xdata()) == 2]  # type: ignore[union-attr,arg-type]
    assert spans == [[2.0, 5.0], [0.5, 1.5]]
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ["zero", "mine"]


def test_the_learning_curve_rings_the_checkpoint_kept(axes: Axes) -> None:
    draw_learning_curve(axes, [100, 200, 300], [3.0, 1.0, 2.0], references={"best constant": 2.5})
    ring = next(line for line in axes.lines if line.get_label() == "checkpoint kept")
    assert (ring.get_xdata()[0], ring.get_ydata()[0]) == (200, 1.0)  # type: ignore[index]
    assert labels(axes) == ["learned", "checkpoint kept", "best constant"]


@pytest.mark.parametrize(("ending", "starts"), [("png", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF")])
def test_a_picture_has_the_format_its_name_says(tmp_path: Path, ending: str, starts: bytes) -> None:
    figure = Figure(figsize=(1, 1))
    save_figure(figure, tmp_path / f"picture.{ending}")
    assert (tmp_path / f"picture.{ending}").read_bytes().startswith(starts)


@pytest.mark.parametrize("name", ["picture.pgn", "picture"])
def test_another_ending_is_refused_and_nothing_is_written(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="must be one of pdf, png, svg"):
        save_figure(Figure(), tmp_path / name)
    assert list(tmp_path.iterdir()) == []
