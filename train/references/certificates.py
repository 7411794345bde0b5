"""Certificates as files that say in clear what they are about, and their check.

A file is the proof of one optimum, or one proof for each hour, with ``about`` beside it: community, day, price path, date, the fields of
the game that are not at their defaults, the version and the commit of the software that wrote it. ``sha256`` is of the whole file with the
hash itself left empty: a byte that was changed is found. Whoever changes a number and the hash with it is found by arithmetic: every number
that the claim rests on is proved anew from the day's data. Only what is said of the software and its commit cannot be proved from data.

See :class:`~gridtoll.agents.optimum.OptimumCertificate` for the proof, ``docs/optimum.md`` for what its check shows.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from ... import __version__
from ...agents.optimum import CertificateError, OptimumCertificate
from ...agents.optimum.one_charge.certificate import certificate_of
from ...envs.community.calendar import Scenario
from ...envs.files import write_atomically
from ...envs.games.spec import GameSpec
from ...envs.games.tail import hour_of
from ...envs.market.mechanism import ExactResponse
from ..ground.runs import commit
from ..task import environment_of

_HOURS: Final = "gridtoll certificate of hours 1"
ABOUT_DAY: Final = ("community", "day", "price_path", "date", "game", "gridtoll", "commit")


@dataclass(frozen=True, kw_only=True)
class Checked:
    """What a check of a file found.

    Attributes:
        about: What the file says it is about.
        charges: EUR/kWh, as claimed and checked; NaN where no charge keeps every branch within its limit.
        best_eur: The objective at them.
        upper_bound_eur: No charges take it higher.
        proofs: How many proofs it holds: one, or one for each hour.
        pieces: Pieces on which the response was shown to be straight, and their best charge found anew.
        gaps: Gaps that were bounded anew.
        clearings: Market clearings used.
        greatest_difference_eur: Greatest difference between a stated and a recomputed objective.
        tolerance_eur: To how many EUR the stated numbers were held, at most.
        solver: What cleared.
    """

    about: Mapping[str, Any]
    charges: tuple[float, ...]
    best_eur: float
    upper_bound_eur: float
    proofs: int
    pieces: int
    gaps: int
    clearings: int
    greatest_difference_eur: float
    tolerance_eur: float
    solver: str


def save_certificate(path: Path, task: GameSpec, scenario: Scenario, proofs: Sequence[OptimumCertificate]) -> None:
    """Keep the proof of a day's charge, or one for each hour, in a file that says what it is about.

    Raises:
        OSError: If it cannot be written.
    """
    hourly = task.charges_per == "hour"
    content = {"format": _HOURS, "hours": [proof.content() for proof in proofs]} if hourly else proofs[0].content()
    write_whole(path, content | {"about": about_day(task, scenario)})


def write_whole(path: Path, content: Mapping[str, Any]) -> None:
    """Write a file with the hash of its bytes.

    Raises:
        OSError: If it cannot be written.
    """
    text = _text({**content, "sha256": ""})
    whole = text.replace('"sha256": ""', f'"sha256": "{_digest(text)}"')
    write_atomically(path, lambda file: file.write(whole.encode()))


def check_certificate(path: Path, market: ExactResponse, *, community: str | None = None) -> Checked:
    """Check a file that :func:`save_certificate` wrote, by new clearings and arithmetic that the search does not use.

    Args:
        path: The file.
        market: What clears; its answers are checked as well.
        community: Where the community is, if it is elsewhere than the file says: a folder that has moved, say.

    Raises:
        ValueError: If the file is no certificate that says what it is about, or the community cannot be read.
        CertificateError: If a byte was changed, the data are others than those that the proof is about, or the proof does not hold.
    """
    content = read_whole(path, ABOUT_DAY)
    task, scenario = game_of(content["about"], community)
    proofs = _proofs(content, task, scenario, source=str(path))
    found = [proof.verify(market=market) for proof in proofs]
    return Checked(
        about=content["about"],
        charges=tuple(proof.charge for proof in proofs),
        best_eur=sum(proof.best_eur for proof in proofs),
        upper_bound_eur=sum(proof.upper_bound_eur for proof in proofs),
        proofs=len(proofs),
        pieces=sum(len(proof.pieces) for proof in proofs),
        gaps=sum(len(proof.gaps) for proof in proofs),
        clearings=sum(each.clearings for each in found),
        greatest_difference_eur=max(each.greatest_difference_eur for each in found),
        tolerance_eur=max(each.tolerance_eur for each in found),
        solver=found[0].solver,
    )


def about_day(task: GameSpec, scenario: Scenario) -> dict[str, Any]:
    """Return what a file says that it is about: its day and game, and the software that wrote it."""
    community = environment_of(task).community
    return {
        "community": str(task.community),
        **scenario._asdict(),
        "date": community.date(scenario.day).isoformat(),
        **game_and_origin(task),
    }


def game_and_origin(task: GameSpec) -> dict[str, Any]:
    """Return what a file says of its game, but for the community, and of the software that wrote it."""
    game = {name: value for name, value in task.told().items() if name != "community"}
    return {"game": game, "gridtoll": __version__, "commit": commit()}


def is_of_format(path: Path, name: str) -> bool:
    """Return whether a file says that it is a certificate of a format."""
    with path.open("rb") as file:
        return name.encode() in file.read(200)


def read_whole(path: Path, about: Sequence[str]) -> dict[str, Any]:
    """Return what is in a file that :func:`write_whole` wrote.

    Args:
        path: The file.
        about: What it must say that it is about.

    Raises:
        ValueError: If it is no certificate, or does not say what it is about.
        CertificateError: If a byte was changed.
    """
    try:
        text = path.read_bytes().decode()
        content = json.loads(text)
        told = content["about"]
        missing = [name for name in about if name not in told]
        whole = isinstance(content["sha256"], str) and isinstance(content["format"], str) and not missing
    except (json.JSONDecodeError, UnicodeDecodeError, KeyError, TypeError) as error:
        raise ValueError(
            f"{path} must be a certificate written by `gridtoll optimum --certificate`, but cannot be read as one: {error!r}."
        ) from None
    if not whole:
        raise ValueError(f"{path} must be a certificate that says what it is about, and lacks {', '.join(missing) or 'its hash'}.")
    stated = content["sha256"]
    blank = _text(content | {"sha256": ""})
    if blank.replace('"sha256": ""', f'"sha256": "{stated}"') != text or _digest(blank) != stated:
        raise CertificateError(f"{path} was changed after it was written: its bytes are not those of its hash.")
    return dict(content)


def game_of(about: Mapping[str, Any], community: str | None) -> tuple[GameSpec, Scenario]:
    """Return the game and the day that a file is about.

    Raises:
        CertificateError: If there is no such game or day, or it has another date.
    """
    try:
        task = GameSpec(community=community or about["community"], **about["game"])
        scenario = Scenario(about["day"], about["price_path"])
        environment_of(task).day_of(scenario)
        day = environment_of(task).community.date(scenario.day).isoformat()
    except (TypeError, ValueError) as error:
        raise CertificateError(f"the game or day that the certificate names cannot be found: {error}") from error
    if day != about["date"]:
        raise CertificateError(f"the certificate says that day {scenario.day} is {about['date']}, but it is {day}.")
    return task, scenario


def _proofs(content: Mapping[str, Any], task: GameSpec, scenario: Scenario, *, source: str) -> list[OptimumCertificate]:
    """Return the proofs of a file with the data they are about.

    Raises:
        CertificateError: If the data are others, or a proof is of another game.
    """
    environment = environment_of(task)
    day, network, basis = environment.day_of(scenario), environment.community.network, environment.tariff.basis
    hourly = content["format"] == _HOURS
    if len(basis) != 1 or hourly != (task.charges_per == "hour"):
        raise CertificateError(f"the proof is not one of the {task.tariff} tariff per {task.charges_per}, which the certificate is about.")
    if hourly and (day.has_storage.any() or len(content["hours"]) != day.n_periods):
        raise CertificateError("proofs hour by hour must be of a day without storage, one for each hour.")
    days = [hour_of(day, period) for period in range(day.n_periods)] if hourly else [day]
    found = []
    for each, of in zip(content["hours"] if hourly else [content], days, strict=True):
        try:
            proof = certificate_of(each, of, network, basis[0], source=source)
        except ValueError as error:
            raise CertificateError(str(error)) from error
        told = {"flows": task.flows, "objective": task.objective, "charge_cap": environment.charge_cap}
        require_told(proof, told)
        found.append(replace(proof, day=of))
    return found


def require_told(proof: object, told: Mapping[str, Any]) -> None:
    """Raise unless a proof is of the game that its file is about.

    Raises:
        CertificateError: If it is of another one.
    """
    other = [f"{name} {getattr(proof, name)!r}" for name, value in told.items() if getattr(proof, name) != value]
    if other:
        raise CertificateError(f"the certificate says that the proof is about {told}, but it is about {', '.join(other)}.")


def _text(content: Mapping[str, Any]) -> str:
    return json.dumps(content, indent=1, allow_nan=False) + "\n"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
