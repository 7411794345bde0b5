"""What is asked of an optimum: it closes, covers every charge, and no charge tried anywhere earns more than it allows."""

from __future__ import annotations

import math

import numpy as np
from referee import Account, account, kirchhoff_fault

from gridtoll.agents.optimum import CertificateError, Optimum, OptimumCertificate, smallest_recovering_charge, solve_optimum
from gridtoll.envs.account.tariff import Tariff
from gridtoll.envs.errors import ClearingError
from gridtoll.envs.grid.network import Network
from gridtoll.envs.market.mechanism import ExactResponse

from .cases import Case
from .clearings import PROFIT
from .falsified import falsified
from .outcomes import Outcome, refusal

TOLERANCE = 1e-6
MOST_CLEARINGS = 1_000
_GRID = 41
_RANDOM = 20
_MOST_ENDS = 24  # pieces whose both ends are tried on both sides
_EXACT = 1e-9  # of all that is paid at a charge: two exact clearings of it may differ so much
_NOTHING = 1e-6  # of the cap times the greatest connection: money that nobody counts
_ROUNDING = 1e-12  # of what importing would cost in the day: what a search and a new clearing of one charge may differ by
_KIRCHHOFF = 1e-9
_UNVERIFIED = "verification refuses"
_SHARES = {"verify": 0.1, "recovery": 0.1, "falsify": 0.03}
_FALSE = 1e-5  # of the greatest stake: what a false proof claims too much or too little


def checked_optimum(case: Case, market: ExactResponse) -> Outcome:
    """Seek the best charge of a case, and look for one that contradicts it."""
    about = {"kind": "optimum", "style": case.style, "seed": case.seed}
    if case.network is None or case.tariff is None:
        return Outcome(**about, outcome="right", detail="nobody to trade with")
    try:
        optimum = solve_optimum(
            case.day,
            case.network,
            case.tariff,
            cap=case.cap,
            flows=case.flows,
            objective=case.objective,
            market=market,
            tolerance=TOLERANCE,
            hard_limits=case.hard_limits,
        )
        against = Trials(case, case.network, case.tariff, market)
        faults = [*_covers(optimum), *against.faults(optimum), *_in_other_ways(optimum, against)]
    except ClearingError as error:
        outcome = "open" if "must close within" in str(error) or "must be proved to" in str(error) else refusal(str(error))
        return Outcome(**about, outcome=outcome, detail=str(error))
    except Exception as error:  # noqa: BLE001 - any other exception is a finding
        return Outcome(**about, outcome="crashed", detail=f"{type(error).__name__}: {error}")
    if (off := kirchhoff_fault(case.network.grid)) > _KIRCHHOFF:
        faults.append(f"flows break Kirchhoff's laws by {off:.3g}")
    measures = {"clearings": float(optimum.clearings), "gap": optimum.relative_gap, "seconds": optimum.seconds}
    measures |= {"excess": against.excess} if math.isfinite(against.excess) else {}
    outcome = "open" if optimum.clearings > MOST_CLEARINGS else "right"
    if faults:
        outcome = "unverified" if all(fault.startswith(_UNVERIFIED) for fault in faults) else "wrong"
    return Outcome(**about, outcome=outcome, detail="; ".join(faults), measures=measures)


class Trials:
    """The account at charges tried one by one, each cleared and reckoned anew."""

    def __init__(self, case: Case, network: Network, tariff: Tariff, market: ExactResponse) -> None:
        self.excess = -math.inf
        self.earned: list[tuple[float, Account]] = []
        self.case, self.network, self.tariff, self.market = case, network, tariff, market

    def at(self, charge: float) -> Account | None:
        """Return the account at a charge; None where it cannot be cleared."""
        charges = charge * self.tariff.basis[0]
        try:
            clearing = self.market.clear(self.case.day, charges)
        except ClearingError:
            return None
        return account(self.case.day, self.network, charges, clearing, flows=self.case.flows)

    def faults(self, optimum: Optimum) -> list[str]:
        """Return what charges everywhere say against an optimum."""
        case, faults = self.case, []
        bound, tops = optimum.upper_bound_eur, []
        if optimum.secure is False and case.hard_limits and math.isnan(optimum.charge):
            bound = -math.inf
        elif not math.isfinite(bound):
            faults.append(f"the upper bound is {bound}")
        for charge in self._charges(optimum):
            found = self.at(charge)
            if found is None:
                continue
            self.earned.append((charge, found))
            goal, stake = found.goal_eur(case.objective), found.stake_eur
            if case.hard_limits and found.loading > 1.0 - 1e-9:
                continue
            if stake > _NOTHING * found.turnover_eur and stake > _exactness_eur(case, found):
                self.excess = max(self.excess, (goal - bound) / stake)
            if goal > bound + _exactness_eur(case, found):
                tops.append((goal - bound, f"{charge!r} EUR/kWh earns {goal!r} EUR, and the upper bound is {bound!r}"))
        faults += [max(tops)[1]] if tops else []
        if not math.isnan(optimum.charge):
            faults += self._same_when_cleared(optimum)
        return faults

    def _same_when_cleared(self, optimum: Optimum) -> list[str]:
        case, found = self.case, self.at(optimum.charge)
        if found is None:
            return []
        goal, exact, stated = found.goal_eur(case.objective), _exactness_eur(case, found), optimum.recleared_eur
        proved = optimum.welfare_eur if case.objective == "welfare" else optimum.profit_eur
        faults = []
        # Two clearings of one charge: each is off by what docs/exactness.md states. Extreme styles promise the search's own tolerance only.
        agreed = exact + (TOLERANCE if case.is_extreme else PROFIT) * found.stake_eur
        if not (abs(goal - stated) <= exact and abs(proved - stated) <= agreed):
            faults.append(f"the optimum is proved at {proved!r} EUR, recleared at {stated!r}, and the referee finds {goal!r}")
        if not optimum.upper_bound_eur >= stated - exact:
            faults.append(f"the upper bound of {optimum.upper_bound_eur!r} EUR is below the optimum's {stated!r}")
        if case.hard_limits and not found.loading <= 1.0 + 1e-8:
            faults.append(f"a branch is loaded to {found.loading!r} of its limit at the optimum under hard limits")
        return faults

    def _charges(self, optimum: Optimum) -> list[float]:
        """Return a grid, random charges, and both sides of the ends of pieces."""
        cap, random = self.case.cap, np.random.default_rng([self.case.seed, 2])
        ends = np.unique([end for piece in optimum.pieces for end in (piece.lower, piece.upper, piece.best_charge)])
        if len(ends) > 3 * _MOST_ENDS:
            ends = random.choice(ends, 3 * _MOST_ENDS, replace=False)
        beside = [ends + step * cap for step in (0.0, -1e-9, 1e-9, -1e-6, 1e-6)]
        wanted = np.concatenate([np.linspace(0.0, cap, _GRID), random.uniform(0.0, cap, _RANDOM), *beside])
        return [float(charge) for charge in np.unique(wanted[(wanted >= 0.0) & (wanted <= cap)])]


def _exactness_eur(case: Case, found: Account) -> float:
    """Return by how much an account may be off where its clearing is exact; where nothing is paid, that is next to nothing of the cap."""
    floor = _NOTHING * case.cap * float(case.day.import_limit.max()) * case.day.period_hours
    return _EXACT * max(found.stake_eur + found.turnover_eur, floor)


def _covers(optimum: Optimum) -> list[str]:
    """Return what is wrong with the cover: pieces and gaps from 0 to the cap without holes, none of them above the bound."""
    reach, faults = 0.0, []
    parts = [(piece.lower, piece.upper, piece.best_eur) for piece in optimum.pieces]
    parts += [(gap.lower, gap.upper, gap.bound_eur) for gap in optimum.gaps]
    for lower, upper, stated in sorted(parts):
        if lower > reach:
            faults.append(f"no part covers the charges from {reach!r} to {lower!r}")
        reach = max(reach, upper)
        if math.isnan(stated) or stated > optimum.upper_bound_eur:
            faults.append(f"the part from {lower!r} to {upper!r} states {stated!r} EUR")
    if reach < optimum.charge_cap:
        faults.append(f"no part covers the charges above {reach!r}")
    return faults


def _in_other_ways(optimum: Optimum, tried: Trials) -> list[str]:
    """Verify the proof and false ones, and ask for the least charge that recovers half the profit, each for a share of cases."""
    case, market = tried.case, tried.market
    asked = np.random.default_rng([case.seed, 3]).random(3)
    faults = []
    if asked[0] < _SHARES["verify"] and optimum.certificate is not None:
        try:
            optimum.certificate.verify(market=market)
        except CertificateError as error:
            faults.append(f"{_UNVERIFIED}: {error}")
    if asked[2] < _SHARES["falsify"] and optimum.certificate is not None and tried.earned:
        faults += _accepted(optimum.certificate, tried)
    if asked[1] < _SHARES["recovery"] and optimum.profit_eur > 0 and case.objective == "profit":
        cost = 0.5 * optimum.profit_eur
        found = smallest_recovering_charge(case.day, tried.network, tried.tariff, cost, cap=case.cap, flows=case.flows, market=market)
        if found.charge is None:
            faults.append(f"{cost!r} EUR are recovered at the optimum, and no charge is said to recover them")
        elif not found.earned_eur >= cost - 1e-9 * abs(cost) - _ROUNDING * case.day.turnover_eur:
            faults.append(f"the recovering charge earns {found.earned_eur!r} of {cost!r} EUR")
        for charge, earned in tried.earned:
            if charge < found.charge_lower_bound and earned.profit_eur > cost + _exactness_eur(case, earned):
                faults.append(f"{charge!r} EUR/kWh recovers {cost!r} EUR already, below {found.charge_lower_bound!r}")
                break
    return faults


def least_falsehood_eur(tried: Trials) -> float:
    """Return how much a false proof must claim too much or too little at least, well above what two clearings may differ by."""
    stakes = (max(found.stake_eur, abs(found.welfare_eur)) for _, found in tried.earned)
    return _FALSE * max(tried.case.day.turnover_eur, *stakes)


def _accepted(certificate: OptimumCertificate, tried: Trials) -> list[str]:
    """Return which false proofs the verifier accepts."""
    by, random, faults = least_falsehood_eur(tried), np.random.default_rng([tried.case.seed, 4]), []
    for what, false in falsified(certificate, by, random):
        try:
            false.verify(market=tried.market)
        except (CertificateError, ClearingError):
            continue
        faults.append(f"a false proof is accepted: {what}, by {by:.3g} EUR")
    return faults
