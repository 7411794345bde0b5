"""The command line's options of a game are the fields of GameSpec, each stated once."""

from __future__ import annotations

import argparse
from dataclasses import fields

import pytest

from gridtoll.envs.games.spec import GameSpec
from gridtoll.train.cli import main
from gridtoll.train.commands import evaluate, train
from gridtoll.train.commands.options import add_game_options, task_from

FIELDS = [entry.name for entry in fields(GameSpec) if entry.name != "days"]


def parsed(*words: str, without: tuple[str, ...] = ()) -> argparse.Namespace:
    parser = argparse.ArgumentParser(exit_on_error=False)
    add_game_options(parser, without=without)
    return parser.parse_args(words)


def test_every_field_of_a_game_but_its_days_is_an_option_that_is_absent_unless_given() -> None:
    assert vars(parsed()) == dict.fromkeys(FIELDS)
    assert vars(parsed(without=("tariff",))) == dict.fromkeys(name for name in FIELDS if name != "tariff")
    assert task_from(parsed()) == GameSpec()


def test_what_is_left_open_is_as_in_the_game_of_the_leaders_file() -> None:
    trained = GameSpec(env="hourly", belief="announced", charge_cap=0.5)
    assert task_from(parsed(), trained) == trained
    given = task_from(parsed("--charge-cap", "0.4", "--forecast-error", "0.1", "--power-flow", "dc", "--mechanism", "exact"), trained)
    assert given == trained.changed(charge_cap=0.4, forecast_error=0.1)


@pytest.mark.parametrize("command", [train, evaluate])
def test_a_command_for_both_games_has_every_option(command: object) -> None:
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)  # type: ignore[attr-defined]
    assert set(FIELDS) <= {action.dest for action in parser._actions}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["--belief", "announced"], "--belief must go with --env hourly, got --env day-ahead."),
        (["--env", "hourly", "--charges-per", "hour"], "--charges-per must go with --env day-ahead, got --env hourly."),
        (["--env", "weekly"], "--env must be one of day-ahead, hourly; got 'weekly'."),
        (["--power-flow", "ac-dc"], "--power-flow must be one of"),
    ],
)
def test_options_of_the_other_game_and_unknown_words_are_refused_in_words_of_flags(
    given: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", "zero", "--jobs", "1", *given]) == 2
    assert message in capsys.readouterr().err
