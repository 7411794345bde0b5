"""What both checks clear: a day at charges, each answer checked, and intervals between charges parted until a bound is low enough."""

from __future__ import annotations

from collections.abc import Callable
from math import inf, isfinite
from typing import TYPE_CHECKING, Final

from ....envs.community.day import Array, Day
from ....envs.grid.network import Network
from ....envs.market.exact.solution import Clearing
from ....envs.market.mechanism import ExactResponse
from .account import Way
from .blur import goal_blur_eur
from .bound import bound
from .findings import CertificateError
from .program import FollowersProgram, program_of
from .response import FollowersResponse, response_of

if TYPE_CHECKING:
    from .stated import Stated

AGREE: Final = 1e-8  # share of what is at stake to which numbers must agree
STRAIGHT: Final = 1e-13  # of w·q: how far rounding alone may put what a straight way strays
STATED: Final = 1e-7  # the same where frictions are slight, at most: what docs/exactness.md states of the profit of any clearing
_CENTRE: Final = (
    0.1  # share of an interval that a charge between keeps from its ends; the middle is taken where a bound peaks closer to one
)
_CLOSE: Final = 1e-6  # EUR/kWh: ends so close together that one response may serve for both


class CheckedResponses:
    """Clears a day at charges and checks what comes.

    Args:
        day: The day.
        network: Where the prosumers sit.
        basis: What a coefficient of 1 charges, shape (N, N).
        flows: The account of flows.
        welfare: Whether the goal is welfare; profit otherwise.
        market: What clears.

    Attributes:
        program: The followers' program.
        clearings: Market clearings used.
        solver: What cleared last.
    """

    def __init__(self, day: Day, network: Network, basis: Array, *, flows: str, welfare: bool, market: ExactResponse) -> None:
        self.program: FollowersProgram = program_of(day, network, basis, flows=flows)
        self.clearings = 0
        self.solver = ""
        self._day, self._basis, self._welfare, self._market = day, basis, welfare, market
        self._last: Clearing | None = None
        self._stake = self._blur = 0.0

    @property
    def money(self) -> float:
        """EUR that shares are taken of: the day's turnover, energy at its prices, or what the leader pays and gets, whichever is most."""
        return max(self._stake, self._day.turnover_eur)

    @property
    def tolerance(self) -> float:
        """EUR to which numbers must agree: 1e-8 of the money, and up to 1e-7 where rounding in slopes can move so much (:mod:`.blur`)."""
        return max(AGREE * self.money, min(self._blur, STATED * self.money))

    def at(self, charge: float) -> FollowersResponse:
        """Clear at a charge in EUR/kWh; the clearing before is a start, which the answer does not depend on.

        Raises:
            CertificateError: If the clearing is no optimum.
        """
        self.clearings += 1
        self._last = self._market.clear(self._day, charge * self._basis, start=self._last)
        self.solver = self._last.solver
        response = response_of(self.program, charge, self._last)
        way = self.way(response, response)
        self._stake = max(self._stake, response.turnover_eur, way.stakes_eur)
        self._blur = max(self._blur, goal_blur_eur(way))
        if not response.shortfall_eur <= AGREE * self.money:
            raise CertificateError(
                f"a clearing must be the followers' optimum to {AGREE * self.money:.3g} EUR; at {charge!r} EUR/kWh of {self._day.label} it "
                f"may miss it by {response.shortfall_eur:.3g} EUR."
            )
        return response

    def way(self, left: FollowersResponse, right: FollowersResponse) -> Way:
        """Return the way from one response to another."""
        return Way(self.program, left, right, self._welfare)

    def goal(self, response: FollowersResponse) -> float:
        """Return the goal at a response in EUR."""
        return self.way(response, response).goal(0.0)

    def bound_from_one_end(
        self,
        left: FollowersResponse,
        right: FollowersResponse,
        found: float,
        *,
        target: float,
        enough: float,
        stated: Stated | None = None,
    ) -> float:
        """Return a bound, or where it is not low enough and the ends lie close together, the least of it and bounds from one end for both.

        Args:
            left: The response at the lower charge.
            right: That at the higher one.
            found: The bound, EUR.
            target: What bounds aim at, EUR.
            enough: What is low enough, EUR.
            stated: What the goal is held against; nothing if absent.
        """
        if found > enough and right.charge - left.charge <= _CLOSE:
            for end in (left, right):
                start, stop = (end.at_charge(self.program, at.charge) for at in (left, right))
                found = min(found, bound(self.way(start, stop), target=target, stated=stated)[0])
        return found

    def excess_between(
        self,
        left: FollowersResponse,
        right: FollowersResponse,
        bounded: Callable[[FollowersResponse, FollowersResponse], tuple[float, float]],
        *,
        limit: float,
        refused: Callable[[int, float], str],
        more: int,
    ) -> float:
        """Show that a bound is within a limit from one response to another, and return by how much it exceeds that at most.

        Where the ends do not show it, a charge between is cleared, and each part bounded.

        Args:
            left: The response at the lower charge.
            right: That at the higher one.
            bounded: Returns the bound between two responses, EUR, and at which share of the way it peaks.
            limit: What it may not exceed, EUR, but for the tolerance.
            refused: Says what does not hold, from the number of charges cleared between and the bound that is left.
            more: Charges cleared between at most.

        Raises:
            CertificateError: If it is not shown.
        """
        excess, parts, spare = -inf, [(left, right)], more
        while parts:
            start, end = parts.pop()
            found, share = bounded(start, end)
            if found <= limit + self.tolerance:
                excess = max(excess, found - limit) if isfinite(found) else excess
                continue
            at = share if _CENTRE <= share <= 1.0 - _CENTRE else 0.5
            middle = start.charge + at * (end.charge - start.charge)
            if spare == 0 or not start.charge < middle < end.charge:
                raise CertificateError(refused(more - spare, found))
            spare -= 1
            between = self.at(middle)
            parts += [(start, between), (between, end)]
        return excess
