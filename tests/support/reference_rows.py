"""The reference results that come with the package, as their tests read them."""

from __future__ import annotations

from gridtoll.train.reports.results import Results
from gridtoll.train.reports.scores import Group, Scored, groups_of


def by_class(results: Results) -> dict[tuple[str, str], Group]:
    """Scores by community and information class."""
    return {(group.community, group.information): group for group in groups_of(results)}


def scored(group: Group, name: str) -> Scored:
    """The scores of one algorithm."""
    [found] = (each for each in group.algorithms if each.name == name)
    return found
