"""Arguments that several subcommands share, so that each is explained once."""

from .shared import (
    OF_HOURS,
    add_backend_options,
    add_game_options,
    add_prosumers_option,
    add_report_options,
    add_scenario_options,
    add_work_options,
    decimal,
    existing_parent,
    game_given,
    natural,
    positive,
    prosumers_path,
    task_from,
    whole,
    workers_from,
)

__all__ = [
    "OF_HOURS",
    "add_backend_options",
    "add_game_options",
    "add_prosumers_option",
    "add_report_options",
    "add_scenario_options",
    "add_work_options",
    "decimal",
    "existing_parent",
    "game_given",
    "natural",
    "positive",
    "prosumers_path",
    "task_from",
    "whole",
    "workers_from",
]
