"""``gridtoll verify``: check a certificate that somebody kept."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from math import isfinite
from pathlib import Path
from typing import Any, Final

from ...agents.optimum import CertificateError
from ...envs.market.solvers import make_market
from ..ground.text import Report, lines
from ..references.certificates import Checked, check_certificate
from ..references.one_store import check_store, is_of_one_store
from ..references.standing_days.certificates import StandingChecked, check_standing, is_standing
from .options import add_backend_options, add_report_options, workers_from

DESCRIPTION = """\
Check a certificate that `gridtoll optimum --certificate FILE` wrote: that no charge earns more than it says.

The file names the community, day, tariff and version that it is about. The check finds out whether a byte was changed, and whether the
community's data are those the proof was made for. It proves every claim again, with new clearings and arithmetic that the search does not
use: docs/optimum.md says how. It prints what it checked. The exit code is 0 if the proof holds, 1 if it does not, and 2 if the file is not
a certificate.
"""
EXAMPLES = """\
  gridtoll optimum --day 180 --certificate day180.json
  gridtoll verify day180.json
  gridtoll verify day180.json --community ./mine --json
  gridtoll optimum --split test --days 8 --standing --certificate period.json
  gridtoll verify period.json --solver structured --jobs 2
  gridtoll optimum --env hourly --community simbench-rural-pooled --day 180 --tolerance 0.3 --certificate hourly.json
  gridtoll verify hourly.json --solver structured
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("file", type=Path, metavar="FILE", help="a certificate")
    parser.add_argument("--community", metavar="C", help="where the community is, if not where the file says: a folder that has moved")
    parser.add_argument(
        "--solver",
        choices=("cvxpy", "structured"),
        default="cvxpy",
        help="what clears the market anew; its answers are checked as well (default: %(default)s, which the search does not use)",
    )
    add_backend_options(parser)
    add_report_options(parser)


def run(options: argparse.Namespace) -> Report:
    """Check the file.

    Raises:
        ValueError: If it is no certificate.
    """
    if not options.file.is_file():
        raise ValueError(f"a certificate must be a file, got {options.file}, which is not one.")
    try:
        if is_standing(options.file):
            return _standing(options)
        if is_of_one_store(options.file):
            return _one_store(options)
        found = check_certificate(options.file, make_market(options.solver), community=options.community)
    except CertificateError as error:
        return Report({"holds": False, "reason": str(error)}, f"The certificate does not hold: {error}", exit_code=1)
    return Report({"holds": True, **_values(found)}, f"{_about(found.about)}\n{lines(_values(found))}\n{_told(found)}")


def _standing(options: argparse.Namespace) -> Report:
    """Check the proof of a charge for many days."""
    with workers_from(options) as workers:
        found = check_standing(options.file, make_market(options.solver), community=options.community, run=workers.map)
    proof, each = found.proof, found.found
    values = {
        **{name: _number(getattr(proof, name)) for name in ("charge", "value_eur", "upper_bound_eur")},
        "risk_part": proof.risk_part,
        **({"secure_share": proof.secure_share} if proof.secure_share > 0.0 else {}),
        "days": len(proof.games),
        "intervals": sum(len(edges) - 1 for edges in proof.edges),
        "clearings": each.clearings,
        "greatest_difference_eur": each.greatest_difference_eur,
        "tolerance_eur": each.tolerance_eur,
        "solver": each.solver,
    }
    if found.recovered is not None:
        names = ("cost_eur", "charge_lower_bound", "charge", "welfare_charge", "welfare_eur", "welfare_bound_eur")
        values |= {f"recovering_{name}": _number(getattr(found.recovered, name)) for name in names}
    also = _RECOVERY_TOLD if found.recovered is not None else ""
    secured = _SECURE_TOLD if proof.secure_share > 0.0 else ""
    return Report({"holds": True, **values}, f"{_about_days(found)}\n{lines(values)}\n{_STANDING_TOLD}{secured}{also}")


def _number(value: float) -> float | None:
    """Return a number, or None for what is none: no charge is secure."""
    return value if isfinite(value) else None


def _one_store(options: argparse.Namespace) -> Report:
    """Check the proof of an hourly day with one store."""
    checked = check_store(options.file, make_market(options.solver), community=options.community)
    known, found = checked.proof.known, checked.found
    values = {
        "best_eur": known.best_eur,
        "upper_bound_eur": known.upper_bound_eur,
        "replayed_bound_eur": known.upper_bound_eur + found.greatest_bound_excess_eur,
        "lines": len(known.price),
        "slabs": sum(len(edges) - 1 for edges in known.slabs),
        "clearings": found.clearings,
        "greatest_difference_eur": found.greatest_difference_eur,
        "tolerance_eur": found.tolerance_eur,
        "solver": found.solver,
    }
    return Report({"holds": True, **values}, f"{_about(checked.about)}\n{lines(values)}\n{_ONE_STORE_TOLD}")


_ONE_STORE_TOLD: Final = """\
Checked, and it holds:
  the bytes of the file are those that were written
  the data of day, network and tariff are those of the proof
  slabs cover every charge from 0 to the cap in every hour
  no sequence of charges earns more than the upper bound, worked out again from lines and slabs
  the best charges earn what is stated, played hour by hour"""


_STANDING_TOLD: Final = """\
Checked, and it holds:
  the bytes of the file are those that were written
  the data of every day, the network and the tariff are those of the proof
  weights are at least 0 and sum to 1
  every charge from 0 to the cap is covered on every day
  no day earns more between two charges than is stated of it
  what is stated of the days adds up to no more than the upper bound at any charge
  the best charge brings what is stated"""
_RECOVERY_TOLD: Final = """
  every charge below the lower bound recovers less than the cost; the two stated charges recover it
  no charge that recovers it brings prosumers and operator together more than the bound"""
_SECURE_TOLD: Final = """
  a branch is above its limit on each day at all charges that are stated to be insecure
  the best charge keeps limits on so many days, and no other that may brings more than the bound"""


def _about_days(found: StandingChecked) -> str:
    about = found.about
    names = ", ".join([about["community"], *(each["community"] for each in about["others"])])
    count = len(found.proof.games)
    return f"{names}, {count} days, {_game_and_origin(about)}"


def _values(found: Checked) -> dict[str, Any]:
    charges: dict[str, Any] = {"charge": found.charges[0]} if len(found.charges) == 1 else {"charges": list(found.charges)}
    names = ("best_eur", "upper_bound_eur", "pieces", "gaps", "clearings", "greatest_difference_eur", "tolerance_eur", "solver")
    return charges | {name: getattr(found, name) for name in names}


def _about(about: Mapping[str, Any]) -> str:
    where = f"{about['community']}, day {about['day']} ({about['date']}), price path {about['price_path']}"
    return f"{where}, {_game_and_origin(about)}"


def _game_and_origin(about: Mapping[str, Any]) -> str:
    game = ", ".join(f"{name} {value}" for name, value in about["game"].items()) or "default game"
    return f"{game}; written by gridtoll {about['gridtoll']}, commit {about['commit']}"


def _told(found: Checked) -> str:
    """Return what was checked, in words."""
    each = f", of each of {found.proofs} hours" if found.proofs > 1 else ""
    return "\n".join(
        [
            "Checked, and it holds:",
            "  the bytes of the file are those that were written",
            f"  the data of day, network and tariff are those of the proof{each}",
            "  pieces and gaps cover every charge from 0 to the cap",
            f"  on {found.pieces} pieces the response is straight, and no charge earns more than is stated",
            f"  in {found.gaps} gaps no charge earns more than the upper bound",
            "  the best charge earns what is stated",
        ]
    )
