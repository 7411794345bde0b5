"""Proofs of standing charges as files that say in clear what they are about, and their check: :mod:`..certificates` for many days."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from ....agents.optimum.standing.parts import StandingGame
from ....agents.optimum.standing.proofs.certificate import FORMAT, StandingCertificate, standing_certificate_of
from ....agents.optimum.standing.proofs.recovered import RecoveryCertificate, recovery_certificate_of
from ....agents.optimum.standing.search import standing_games
from ....agents.optimum.verification import CertificateError, Verification
from ....agents.optimum.verification.recovered import RecoveryClaim
from ....envs.account.objective import require_exact
from ....envs.community.calendar import Scenario
from ....envs.games.spec import GameSpec
from ....envs.market.mechanism import ExactResponse
from ...task import environment_of
from ..certificates import game_and_origin, is_of_format, read_whole, require_told, write_whole

_ABOUT: Final = ("community", "days", "others", "game", "gridtoll", "commit")


@dataclass(frozen=True, eq=False, kw_only=True)
class StandingChecked:
    """What a check of a file found.

    Attributes:
        about: What the file says it is about.
        proof: What it claims.
        found: What checking that found.
        recovered: What it claims of charges that recover a cost, checked as well; None where it claims nothing.
    """

    about: Mapping[str, Any]
    proof: StandingCertificate
    found: Verification
    recovered: RecoveryClaim | None = None


def is_standing(path: Path) -> bool:
    """Return whether a file says that it is the proof of a standing charge."""
    return is_of_format(path, FORMAT)


def save_standing(
    path: Path,
    places: Sequence[tuple[GameSpec, Sequence[Scenario]]],
    proof: StandingCertificate,
    recovered: RecoveryCertificate | None = None,
) -> None:
    """Keep the proof of a charge for many days in a file that says what it is about.

    Args:
        path: The file.
        places: The communities, each with its days; their games differ in nothing else.
        proof: The proof, of all days in this order.
        recovered: The proof of what recovers a cost, of the same days.

    Raises:
        OSError: If it cannot be written.
    """
    (task, scenarios), *others = places
    about = {
        "community": str(task.community),
        "days": _days(scenarios),
        "others": [{"community": str(each.community), "days": _days(chosen)} for each, chosen in others],
        **game_and_origin(task),
    }
    beside = {} if recovered is None else {"recovery": recovered.content()}
    write_whole(path, proof.content() | beside | {"about": about})


def _days(scenarios: Sequence[Scenario]) -> list[list[int]]:
    return [[each.day, each.price_path] for each in scenarios]


def check_standing(
    path: Path,
    market: ExactResponse,
    *,
    community: str | None = None,
    run: Callable[[Callable[[Any], Any], Iterable[Any], str | None], list[Any]],
) -> StandingChecked:
    """Check a file that :func:`save_standing` wrote, by new clearings and arithmetic that the search does not use.

    Args:
        path: The file.
        market: What clears; its answers are checked as well.
        community: Where the community is, if it is elsewhere than the file says.
        run: Calls a function on many items.

    Raises:
        ValueError: If the file is no such certificate.
        CertificateError: If a byte was changed, the data are others than those that the proof is about, or the proof does not hold.
    """
    content = read_whole(path, _ABOUT)
    about = content["about"]
    games, told = _games_of(about, community)
    try:
        proof = standing_certificate_of(content, games, source=str(path))
        recovered = None
        if "recovery" in content:
            recovered = recovery_certificate_of(content["recovery"], proof.weights, cap=proof.charge_cap, source=str(path))
    except ValueError as error:
        raise CertificateError(str(error)) from error
    require_told(proof, told)
    also = None if recovered is None else recovered.verify(games, market=market, run=run)
    found = proof.verify(market=market, run=run)
    if also is not None:
        found = replace(found, clearings=found.clearings + also.clearings)
    return StandingChecked(about=about, proof=proof, found=found, recovered=None if recovered is None else recovered.claim)


def _games_of(about: Mapping[str, Any], community: str | None) -> tuple[list[StandingGame], dict[str, Any]]:
    """Return the scenarios that a file is about, those of its first community first, with the cap of their game.

    Raises:
        CertificateError: If there is no such game or day.
    """
    places = [{"community": community or about["community"], "days": about["days"]}, *about["others"]]
    games: list[StandingGame] = []
    try:
        for place in places:
            task = GameSpec(community=place["community"], **about["game"])
            environment, goal = environment_of(task), require_exact(task.objective)
            days = [environment.day_of(Scenario(*each)) for each in place["days"]]
            cap, network = environment.charge_cap, environment.community.network
            games += standing_games(days, network, environment.tariff, cap=cap, flows=task.flows, goals=(goal,))
    except (TypeError, ValueError, KeyError) as error:
        raise CertificateError(f"the game or days that the certificate names cannot be found: {error}") from error
    return games, {"charge_cap": cap, "objective": goal}
