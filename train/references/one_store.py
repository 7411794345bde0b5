"""What is proved of hourly days with one store: kept in the store of answers, and as certificates in files of their own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, cast

import numpy as np

from ...agents.optimum.hourly_game.search import HourlyDay
from ...agents.optimum.one_store.certificate import FORMAT, StoreCertificate, store_certificate_of
from ...agents.optimum.one_store.solve import StoreOptimum, applies
from ...agents.optimum.verification import CertificateError, Verification
from ...envs.account.settlement import Flows
from ...envs.account.tariff import Tariff
from ...envs.community.calendar import Scenario
from ...envs.community.day import Day
from ...envs.games.hourly import HourlyGame
from ...envs.games.spec import GameSpec
from ...envs.grid.network import Network
from ...envs.market.exact.compiled import StructuredMarket
from ...envs.market.mechanism import ExactResponse
from ..task import environment_of
from .answers import Form, Key
from .certificates import ABOUT_DAY, about_day, game_of, is_of_format, read_whole, write_whole
from .optima import content_key

PROOFS: Final = Form("one-store", StoreOptimum)
"""What is proved of days with one store, in the store of answers."""


def proof_key(day: Day, network: Network, tariff: Tariff, *, cap: float, flows: Flows) -> Key:
    """Return what a proof depends on: the day, its tariff, the greatest charge in EUR/kWh, and which flows the operator pays for."""
    return content_key(day, network, tariff.basis) | {"cap": cap, "flows": flows}


@dataclass(frozen=True, eq=False, kw_only=True)
class StoreChecked:
    """What a check of a file found.

    Attributes:
        about: What the file says it is about.
        proof: What it claims.
        found: What checking that found.
    """

    about: Mapping[str, Any]
    proof: StoreCertificate
    found: Verification


def walk_of(task: GameSpec, scenario: Scenario) -> HourlyDay:
    """Return a scenario of the hourly game as searches walk through it: under charges that stand, whatever the task's prosumers believe."""
    env = environment_of(replace(task, belief="standing", information="public"))
    return HourlyDay(cast(HourlyGame, env.game), scenario, StructuredMarket(threads=1))


def require_one_store(task: GameSpec, scenario: Scenario, what: str) -> None:
    """Refuse a day whose optimum has no proof by boxes.

    Args:
        task: The game.
        scenario: Which day under which prices.
        what: What needs the proof, the beginning of the message.

    Raises:
        ValueError: If it has several stores or none, or the game is another.
    """
    if task.belief == "standing" and applies(walk_of(task, scenario)):
        return
    day = environment_of(task).day_of(scenario)
    raise ValueError(
        f"{what} must go with an hourly day that has one store, one coefficient, linear flows, belief 'standing', objective 'profit' and "
        f"forecasts without errors; {day.label} has storage at {np.count_nonzero(day.has_storage)} prosumers, and belief {task.belief!r}. "
        "Leave it out: you get the best found and a bound all the same."
    )


def is_of_one_store(path: Path) -> bool:
    """Return whether a file says that it is the proof of an hourly day with one store, of this format or another."""
    return is_of_format(path, FORMAT.rpartition(" ")[0])


def save_store(path: Path, task: GameSpec, scenario: Scenario) -> StoreOptimum:
    """Keep what was proved of a day in a file that says what it is about, and return it.

    Raises:
        ValueError: If nothing of that kind was proved of the day.
        OSError: If the file cannot be written.
    """
    env = environment_of(task)
    day, network = env.day_of(scenario), env.community.network
    known = PROOFS.kept(proof_key(day, network, env.tariff, cap=env.charge_cap, flows=task.flows))
    if known is None:
        raise ValueError(
            f"--certificate must go with a proof in the store, and there is none of {day.label} of this version of gridtoll. "
            "To prove the day again, give --recompute."
        )
    proof = StoreCertificate(day=day, network=network, basis=env.tariff.basis[0], flows=task.flows, charge_cap=env.charge_cap, known=known)
    write_whole(path, proof.content() | {"about": about_day(task, scenario)})
    return known


def check_store(path: Path, market: ExactResponse, *, community: str | None = None) -> StoreChecked:
    """Check a file that :func:`save_store` wrote, by new clearings and arithmetic that the search does not use.

    Args:
        path: The file.
        market: What clears.
        community: Where the community is, if it is elsewhere than the file says.

    Raises:
        ValueError: If the file is no certificate.
        CertificateError: If a byte was changed, the data are others than those that the proof is about, or the proof does not hold.
    """
    content = read_whole(path, ABOUT_DAY)
    if content["format"] != FORMAT:
        raise ValueError(
            f"{path} must be a {FORMAT!r}, but is a {content['format']!r}, of another version of gridtoll. Check it with that, or write it "
            "again: `gridtoll optimum --env hourly --certificate`."
        )
    task, scenario = game_of(content["about"], community)
    env = environment_of(task)
    try:
        proof = store_certificate_of(
            content,
            env.day_of(scenario),
            env.community.network,
            env.tariff.basis[0],
            flows=task.flows,
            cap=env.charge_cap,
            source=str(path),
        )
    except ValueError as error:
        raise CertificateError(str(error)) from error
    return StoreChecked(about=content["about"], proof=proof, found=proof.verify(market=market))
