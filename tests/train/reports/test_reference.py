"""The reference results that ship: whole, of enough seeds and days, with leaders near the exact optimum and a task that discriminates."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from reference_rows import by_class, scored

from gridtoll.train.compare.plan_file import find_plan, read_plan
from gridtoll.train.reports.board import LeaderboardLine, leaderboard
from gridtoll.train.reports.results import REFERENCE, Results, read_results
from gridtoll.train.reports.scores import Group, Scored, groups_of

ROOT = Path(__file__).resolve().parents[3]
DEFAULT = "simbench-rural"
NAMED = frozenset({"zero", "random", "best-constant", "grid-constant", "constant-search", "optimum"})
"""Leaders that learn nothing from observations."""
PLANNERS = frozenset({"prescriptive-neighbours", "prescriptive-kernel", "blended", "certainty-equivalent"})
"""Leaders that plan instead of learning a policy, and draw nothing at random."""
DRAWN = frozenset({"prescriptive-forest", "scenario"})
"""Those that draw something."""


@pytest.fixture(scope="module")
def results() -> Results:
    """The reference results, as ``gridtoll report --reference`` reads them."""
    return read_results(REFERENCE)


@pytest.fixture(scope="module")
def groups(results: Results) -> dict[tuple[str, str], Group]:
    return by_class(results)


def best_learned(group: Group) -> Scored:
    return next(each for each in group.algorithms if each.name not in NAMED | PLANNERS | DRAWN)  # by rising regret


def test_they_are_every_cell_of_the_plan_that_ships(results: Results) -> None:
    plan = read_plan(find_plan("reference").read_bytes(), source="reference")
    planned = {cell.place.relative_to("cells").as_posix() for cell in plan.cells()}
    assert {cell.place for cell in results.cells} == planned
    assert not results.unfinished
    assert not results.failed


def test_every_setting_is_that_of_the_plan(results: Results) -> None:
    plan = read_plan(find_plan("reference").read_bytes(), source="reference")
    stated = {cell.place.parts[1:]: cell for cell in plan.cells()}
    for cell in results.cells:
        own = stated[cell.community, cell.information, cell.algorithm, str(cell.seed)]
        settings = {name: list(value) if isinstance(value, tuple) else value for name, value in own.settings}
        assert settings.items() <= dict(cell.settings).items()
        assert cell.task == own.task


def test_ten_seeds_and_a_hundred_days_of_three_communities(groups: dict[tuple[str, str], Group]) -> None:
    assert {DEFAULT} < {community for community, _ in groups}
    assert len({community for community, _ in groups}) >= 3
    for group in groups.values():
        assert len(group.counted) >= 100
        for each in group.algorithms:
            assert len(each.cells) == 10


def test_every_day_is_scored_against_a_proved_optimum_and_a_certified_clearing(results: Results) -> None:
    assert results.rows["optimum_relative_gap"].max() <= 1e-6
    assert results.rows[["primal_residual", "dual_residual"]].to_numpy().max() <= 1e-9
    assert results.rows["gap"].abs().max() <= 1e-9


def test_no_leader_earns_more_than_the_bound(results: Results) -> None:
    rows = results.rows
    slack = 1e-6 * rows["optimum_eur"].abs().clip(lower=1.0)
    assert (rows["objective_eur"] <= rows["upper_bound_eur"] + slack).all()
    assert (rows.loc[rows["algorithm"] == "optimum", "regret_eur"].abs() <= slack[rows["algorithm"] == "optimum"]).all()


def test_the_best_leader_with_full_information_leaves_three_percent_at_most(groups: dict[tuple[str, str], Group]) -> None:
    assert best_learned(groups[DEFAULT, "full"]).iqm <= 0.03


def test_of_public_information_learning_leaves_two_percent_at_most(groups: dict[tuple[str, str], Group]) -> None:
    group = groups[DEFAULT, "public"]
    assert best_learned(group).iqm - scored(group, "supervised").iqm <= 0.02


def test_the_first_order_leader_is_near_the_best_with_a_twentieth_of_its_clearings(groups: dict[tuple[str, str], Group]) -> None:
    for (community, _), group in groups.items():
        best, first = best_learned(group), scored(group, "first-order")
        assert first.iqm <= best.iqm + 0.01
        share = 20 if community == DEFAULT else 15
        assert best is first or share * first.cost("clearings") <= best.cost("clearings")


def test_what_is_known_best_is_a_leader_that_plans_and_no_learner_beats_it(groups: dict[tuple[str, str], Group]) -> None:
    public, full = groups[DEFAULT, "public"], groups[DEFAULT, "full"]
    assert min(scored(public, name).iqm for name in PLANNERS) <= 0.02
    assert scored(full, "certainty-equivalent").iqm <= 0.01
    for group in groups.values():
        assert min(scored(group, name).iqm for name in PLANNERS) < best_learned(group).iqm
        for name in PLANNERS:
            assert scored(group, name).cost("clearings") <= 31_000


def test_the_task_discriminates(groups: dict[tuple[str, str], Group]) -> None:
    for group in groups.values():
        assert scored(group, "grid-constant").iqm >= (0.08 if group.community == DEFAULT else 0.05)
        assert scored(group, "random").iqm >= 0.20
        assert best_learned(group).iqm < 0.5 * scored(group, "grid-constant").iqm


def test_the_readme_says_what_the_results_say(groups: dict[tuple[str, str], Group]) -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    lines = re.findall(r"^\| `([a-z0-9-]+)` \| ([0-9.]+) \| ([0-9.]+) \| ([0-9,]+) \| ", text, flags=re.MULTILINE)
    assert {"optimum", "supervised", "first-order", "sac", "grid-constant", "random", "zero"} <= {name for name, *_ in lines}
    for name, public, full, clearings in lines:
        assert public == f"{100 * scored(groups[DEFAULT, 'public'], name).iqm:.1f}"
        assert full == f"{100 * scored(groups[DEFAULT, 'full'], name).iqm:.1f}"
        assert clearings == f"{scored(groups[DEFAULT, 'public'], name).cost('clearings'):,.0f}"


@pytest.mark.long
def test_the_leaderboard_that_ships_comes_from_the_rows(results: Results) -> None:
    entries: list[LeaderboardLine] = leaderboard(groups_of(results))
    text = (ROOT / "docs" / "reference" / "leaderboard.csv").read_text(encoding="utf-8")
    shipped = [line.split(",") for line in text.splitlines()[1:]]
    assert len(shipped) == len(entries)
    for line, entry in zip(shipped, entries, strict=True):
        assert line[:3] == [entry.algorithm, entry.information, entry.community]
        assert [float(value) for value in line[3:6]] == pytest.approx([entry.iqm.centre, entry.iqm.low, entry.iqm.high], rel=1e-9)
