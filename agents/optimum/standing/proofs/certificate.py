"""The proof that comes with a standing charge: what each scenario does not exceed, charge by charge, and what that adds up to.

It can be kept in a file and checked by anyone: :meth:`StandingCertificate.verify` clears every scenario again and proves what is stated of
it by arithmetic that the search does not use, then adds up (:mod:`...verification.many`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from .....envs.account.objective import ExactObjective
from .....envs.community.day import Array
from .....envs.market.exact.market import P2PMarket
from .....envs.market.mechanism import ExactResponse
from ...one_charge.certificate import content_hash
from ...verification.findings import Verification
from ...verification.many import ScenarioClaim, ScenarioFound, WholeClaim, check_scenario, check_value, check_whole
from ...verification.stated import Limits, Stated
from ..answers import Standing
from ..limits import PADDING, spans_of
from ..parts import Known, StandingGame
from ..search import StandingDays, one_by_one
from ..secure import SecureCharge

FORMAT: Final = "gridtoll standing certificate 1"
_SCALARS: Final = ("objective", "risk_part", "charge_cap", "charge", "value_eur", "upper_bound_eur", "secure_share")
_OF_A_CHARGE: Final = {"charge": np.nan, "value_eur": -np.inf, "upper_bound_eur": -np.inf}  # with what they are where there is no charge
_FOUND: Final = ("goal_eur", "tolerance_eur", "is_secure")
_SLACK: Final = 0.25 * PADDING  # of the cap: with what is stated already it stays within what the search reckoned with


@dataclass(frozen=True, eq=False, kw_only=True)
class StandingCertificate:
    """The proof of one charge for S scenarios.

    Attributes:
        games: The scenarios.
        weights: How much each counts, shape (S,).
        objective: What is greatest.
        risk_part: The part of the weight that counts, the worst first: 1 for the mean, 0 for the worst scenario.
        charge_cap: Greatest charge, EUR/kWh.
        charge: The best charge found.
        value_eur: What counts there.
        upper_bound_eur: What it comes to at no charge more.
        edges: Of each scenario the charges between which it is bounded, EUR/kWh.
        stated: Of each scenario what it does not exceed.
        secure_share: In what share of the scenarios a charge must keep every branch within its limit; 0 where limits do not count. Where
            no charge does, it is NaN, and value and bound are minus infinity.
        spans: Of each scenario where it may keep them, EUR/kWh, each of shape (M, 2); none where limits do not count.
    """

    games: Sequence[StandingGame]
    weights: Array
    objective: ExactObjective
    risk_part: float
    charge_cap: float
    charge: float
    value_eur: float
    upper_bound_eur: float
    edges: Sequence[Array]
    stated: Sequence[Stated]
    secure_share: float = 0.0
    spans: Sequence[Array] = ()

    def verify(
        self,
        *,
        market: ExactResponse | None = None,
        run: Callable[[Callable[[Any], Any], Iterable[Any], str | None], list[Any]] = one_by_one,
    ) -> Verification:
        """Check the whole proof with new clearings and arithmetic of its own.

        Args:
            market: What clears; CVXPY and Clarabel where absent. Its answers are checked as well.
            run: Calls a function on many items; one after the other where absent.

        Raises:
            CertificateError: If a charge is not covered, or a stated number is contradicted or does not follow.
        """
        whole = WholeClaim(
            weights=self.weights,
            part=self.risk_part,
            cap=self.charge_cap,
            charge=self.charge,
            value_eur=self.value_eur,
            upper_bound_eur=self.upper_bound_eur,
            stated=self.stated,
            limits=Limits(self.secure_share, self.spans, slack=_SLACK * self.charge_cap) if self.secure_share > 0.0 else None,
        )
        most = check_whole(whole)
        claims = [
            ScenarioClaim(
                day=game.day,
                network=game.network,
                basis=game.basis,
                flows=game.flows,
                welfare=self.objective == "welfare",
                charge=self.charge,
                edges=edges,
                stated=stated,
                spans=spans,
            )
            for game, edges, stated, spans in zip(self.games, self.edges, self.stated, self._spans(), strict=True)
        ]
        items = [(claim, P2PMarket() if market is None else market) for claim in claims]
        found: list[ScenarioFound] = run(_checked, items, f"checking {len(items)} scenarios")
        goals, tolerances, secure = (np.array([getattr(each, name) for each in found]) for name in _FOUND)
        off, allowed = check_value(whole, goals, tolerances, secure)
        slack = 0.0 if whole.is_none else most - self.upper_bound_eur
        return Verification(sum(each.clearings for each in found), off, slack, allowed, found[0].solver)

    def _spans(self) -> Sequence[Array | None]:
        return self.spans if self.secure_share > 0.0 else [None] * len(self.games)

    def content(self) -> dict[str, Any]:
        """Return the proof in JSON's own types; :func:`standing_certificate_of` reads it."""
        scenarios = [
            {
                "content": content_hash(game.day, game.network, game.basis),
                "flows": game.flows,
                "weight": float(weight),
                "edges": edges.tolist(),
                "knots": stated.knots.tolist(),
                "bounds_eur": stated.values.tolist(),
                **({} if spans is None else {"secure": spans.tolist()}),
            }
            for game, weight, edges, stated, spans in zip(self.games, self.weights, self.edges, self.stated, self._spans(), strict=True)
        ]
        numbers = {name: getattr(self, name) for name in _SCALARS}
        none = {name: None for name in _OF_A_CHARGE if not np.isfinite(numbers[name])}
        return {"format": FORMAT, **numbers, **none, "scenarios": scenarios}


def standing_certificate(days: StandingDays, best: Standing) -> StandingCertificate:
    """Return the proof of the best charge of some days, from what is known of them.

    Args:
        days: The days.
        best: What :meth:`..search.StandingDays.greatest` found of them.
    """
    return replace(_blank(days, best.objective), charge=best.charge, value_eur=best.value_eur, upper_bound_eur=best.upper_bound_eur)


def secure_certificate(days: StandingDays, goal: ExactObjective, found: SecureCharge) -> StandingCertificate:
    """Return the proof of the best charge among those that are secure in a share of the scenarios, or that there is none.

    Args:
        days: The scenarios.
        goal: The goal asked for.
        found: What :func:`..secure.best_secure` found of them.
    """
    proof = _blank(days, goal) if found.best is None else standing_certificate(days, found.best)
    return replace(proof, secure_share=found.share, spans=[spans_of(each, cap=days.cap) for each in days.known])


def _blank(days: StandingDays, objective: ExactObjective) -> StandingCertificate:
    """Return what is known of days as a proof without a charge."""
    goal = days.goals.index(objective)
    return StandingCertificate(
        games=days.games,
        weights=days.weights,
        objective=objective,
        risk_part=days.risk.part,
        charge_cap=days.cap,
        charge=np.nan,
        value_eur=-np.inf,
        upper_bound_eur=-np.inf,
        edges=[edges_of(each) for each in days.known],
        stated=[stated_of(each, goal) for each in days.known],
    )


def standing_certificate_of(content: Any, games: Sequence[StandingGame], *, source: str) -> StandingCertificate:
    """Return the proof that :meth:`StandingCertificate.content` gave.

    Args:
        content: The proof in JSON's own types.
        games: The scenarios it is about, in its order.
        source: Where it comes from, for messages.

    Raises:
        ValueError: If it is no certificate, or is about other scenarios.
    """
    try:
        scenarios, form = content["scenarios"], content["format"]
        values = {name: content[name] for name in _SCALARS}
        values |= {name: none for name, none in _OF_A_CHARGE.items() if values[name] is None}
        told = [(each["content"], each["flows"]) for each in scenarios]
        arrays = [[np.array(each[name], dtype=np.float64) for name in ("edges", "knots", "bounds_eur")] for each in scenarios]
        weights = np.array([each["weight"] for each in scenarios], dtype=np.float64)
        spans = [np.array(each["secure"], dtype=np.float64).reshape(-1, 2) for each in scenarios if values["secure_share"] > 0.0]
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{source} must hold the proof of a standing charge, and does not: {error!r}.") from None
    if form != FORMAT or any(knots.ndim != 1 or values.shape != (len(knots) - 1, 3) for _, knots, values in arrays):
        raise ValueError(f"{source} must be of format {FORMAT}, with three bounds from each knot to the next, got {form!r}.")
    expected = [(content_hash(each.day, each.network, each.basis), each.flows) for each in games]
    if told != expected:
        others = [str(k) for k, pair in enumerate(zip(told, expected, strict=False)) if pair[0] != pair[1]]
        raise ValueError(
            f"{source} must be about these {len(games)} scenarios in this order; it states {len(told)}, and other data for those numbered "
            f"{', '.join(others[:8]) or 'beyond them'}."
        )
    return StandingCertificate(
        games=games,
        weights=weights,
        edges=[each[0] for each in arrays],
        stated=[Stated(knots, bounds) for _, knots, bounds in arrays],
        spans=spans,
        **values,
    )


def edges_of(known: Known) -> Array:
    """Return the charges between which a scenario is bounded, rising, EUR/kWh, shape (parts + 1,)."""
    return np.array([*(part.lower for part in known.parts), known.parts[-1].upper])


def stated_of(known: Known, goal: int) -> Stated:
    """Return the bounds of a goal by number over all parts, a quadratic for each share of each."""
    slices = known.parts[0].bound.shape[1]
    lower, upper = (np.array([getattr(part, name) for part in known.parts]) for name in ("lower", "upper"))
    knots = np.append((lower[:, None] + ((upper - lower) / slices)[:, None] * np.arange(slices)).ravel(), upper[-1])
    start, slope, bend = np.concatenate([part.bound[goal] for part in known.parts]).T
    stands = np.append(np.diff(knots) > 0.0, True)  # a share can be narrower than a charge's last digit
    values = np.stack([start, start + 0.5 * slope + 0.25 * bend, start + slope + bend], axis=1)
    return Stated(knots[stands], values[stands[:-1]])


def _checked(item: tuple[ScenarioClaim, ExactResponse]) -> ScenarioFound:
    claim, market = item
    return check_scenario(claim, market)
