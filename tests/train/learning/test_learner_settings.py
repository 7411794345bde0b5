"""The page of every learner's settings says what the code says."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import pytest
from learner_settings import PAGE, is_used, page

from gridtoll.agents.learned.settings import DEFAULTS_OF, LearnerSettings
from gridtoll.agents.learned.stable_baselines import arguments_of
from gridtoll.train import cli
from gridtoll.train.learning.algorithms import make_algorithm, settings_of

CHANGED: dict[str, Any] = {"hidden": (8, 8), "learning_rate": 0.5, "batch_size": 8, "updates": 3, "warmup_days": 64, "exploration": 0.9}
CHANGED["discount"] = 0.5
LEARNERS = [(game, name) for game, known in DEFAULTS_OF.items() for name in known]


def test_the_page_is_what_the_dataclasses_say() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run `make documents`"


@pytest.mark.parametrize(("game", "name"), LEARNERS)
def test_a_learner_without_settings_has_the_defaults_of_the_page(game: Any, name: str) -> None:
    expected = {entry.name: getattr(DEFAULTS_OF[game][name], entry.name) for entry in fields(LearnerSettings) if entry.name != "algorithm"}
    assert settings_of(make_algorithm(name, {}, env=game)).items() >= expected.items()


@pytest.mark.parametrize(("game", "name"), LEARNERS)
@pytest.mark.parametrize("setting", CHANGED)
def test_a_dash_stands_exactly_where_a_setting_changes_nothing(game: Any, name: str, setting: str) -> None:
    default, hours = DEFAULTS_OF[game][name], 24 if game == "hourly" else 1
    before, after = (
        repr(arguments_of(settings, n_envs=8, n_charges=1, days=1000, hours=hours))
        for settings in (default, replace(default, **{setting: CHANGED[setting]}))
    )
    assert (before != after) == is_used(setting, default, game)


def test_the_help_of_train_points_to_the_page(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["train", "--help"])
    assert "docs/learners.md" in " ".join(capsys.readouterr().out.split())
