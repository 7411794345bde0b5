"""Pictures of a report can be read: lines are named beside them, few at a time, and no two algorithms share a colour."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.figure import Figure

from gridtoll.train.reports.figures import Label, draw_labels, effort_figure, looks, named, profiles_figure, spread
from gridtoll.train.reports.results import REFERENCE, read_results
from gridtoll.train.reports.scores import Group, groups_of


@pytest.fixture(scope="module")
def group() -> Group:
    return next(each for each in groups_of(read_results(REFERENCE)) if (each.community, each.information) == ("simbench-rural", "public"))


def test_names_are_a_line_of_text_apart_and_keep_their_order() -> None:
    heights = np.array([0.5, 0.51, 0.5, 0.0, 0.01, 1.0])
    placed = spread(heights)
    assert np.diff(np.sort(placed)).min() >= 0.05
    assert placed.min() >= 0.0
    assert placed.max() <= 1.0
    assert (np.argsort(placed, kind="stable")[-1], placed[1] > placed[0]) == (5, True)


def test_names_that_are_far_apart_stay_where_they_are() -> None:
    heights = np.array([0.9, 0.1, 0.5])
    np.testing.assert_array_equal(spread(heights), heights)


def test_each_name_is_written_once_in_the_colour_of_its_line() -> None:
    axes = Figure().subplots()
    draw_labels(axes, [Label("sac", 0.2, 0.3, "#0072B2"), Label("ppo", 0.2, 0.3, "#D55E00")])
    assert {(text.get_text(), text.get_color()) for text in axes.texts} == {("sac", "#0072B2"), ("ppo", "#D55E00")}


def test_ten_algorithms_have_ten_colours() -> None:
    styles = looks([f"algorithm {place}" for place in range(10)])
    assert len({look["color"] for look in styles.values()}) == 10


def test_a_picture_of_effort_names_the_solver_the_best_and_whatever_nobody_beats(group: Group) -> None:
    found = named(group, "clearings")
    assert {"optimum", "prescriptive-kernel", "first-order", "random"} <= found
    assert len(found) <= 7
    figure = effort_figure(group, "clearings", looks([each.name for each in group.algorithms]))
    assert {text.get_text() for text in figure.axes[0].texts} == found
    assert figure.legends == []


def test_each_algorithm_has_a_profile_panel_of_its_own(group: Group) -> None:
    figure = profiles_figure(group, looks([each.name for each in group.algorithms]), 0)
    shown = [axes.get_title() for axes in figure.axes if axes.get_visible()]
    assert shown == [each.name for each in group.players]
