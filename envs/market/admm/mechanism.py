"""Decentralised clearing: consensus on trades between the seller's and the buyer's copy, with a price for each pair as its dual.

The followers' program falls apart into one program for each prosumer (its T periods, with storage) and one for each pair, if the seller's
copy v_ij and the buyer's copy w_ij of a trade may differ. The price π_ij of the pair is the multiplier of v_ij = w_ij, half the charge and
half the friction belong to each side, and μ_i is what one more kWh is worth to a prosumer:

    prosumer i:  minimise its own costs + Σ_j [ (½τ_ij − π_ij)·v_ij + ¼ε_ij·v_ij² ] + Σ_j [ (π_ji + ½τ_ji)·w_ji + ¼ε_ji·w_ji² ]
    pair ij:     π_ij ← π_ij + ¼ε_ij·(w_ij − v_ij) = ½(μ_i + μ_j)

::

    before   each prosumer plans alone and tells its partners its own prices μ_i; π_ij begins halfway
    round    1  plan    each prosumer solves its program at the prices of its pairs: exactly, by its structure
             2  tell    it tells each partner T wishes, signed: (μ_i − π_ij)/(½ε_ij) before charges, above 0 to buy and below 0 to sell
             3  move    both sides move π_ij by ¼ε·(w − v), times the over-relaxation
             4  lead    both extrapolate π_ij by Nesterov's momentum, which begins anew where it leads astray
    end      when no copies of a trade differ by more than the tolerance and no price moved by more, or the rounds are over
    after    contracts are the smaller of both copies, at π_ij; each prosumer plans again with its contracts fixed

**Why it is quick.** Each pair's trade follows its price in closed form. The penalty that keeps a prosumer near what was agreed is the
friction of those of its trades that are under way, ½ε over their number: it adapts to each prosumer, period and round by itself. In such a
round the price of a pair becomes the mean of both sides' own, which minimises a bound above the dual function; momentum and relaxation
quicken that.

**Sources.** Consensus ADMM: Boyd and others, *Foundations and Trends in Machine Learning* 3(1), 2011, section 7. Without a penalty where
one side is strictly convex: Tseng, *SIAM J. Control and Optimization* 29(1), 1991. Momentum: Goldstein, O'Donoghue, Setzer and Baraniuk,
*SIAM J. Imaging Sciences* 7(3), 2014; beginning anew: O'Donoghue and Candès, *Foundations of Computational Mathematics* 15, 2015.

**Promised.** Nobody ends worse off than without trades, whenever the rounds end (:mod:`..negotiation.contracts`). Energy balances, payments
sum to zero, and the operator is paid Στp. Prosumers who are alike are treated alike. The same day and charges give the same outcome, to the
last bit. A negotiation that converged is the exact clearing to the tolerance; ``polish=yes`` brings it to the exact one to 1e-9.

**Not promised.** That it converges: look at ``converged`` and the residuals. Cut short it is a market of its own, whose response to charges
is neither the exact one nor piecewise affine: gradients and certified optima need ``exact``. Privacy: wishes reveal a prosumer's own price.

Tried and dropped: plain consensus with a fixed penalty (after 400 rounds revenue is off by 4e-4 to 0.3); prices moved by a linear penalty
instead of the curves themselves (diverges where trades begin unless held back by a guess of how many will); Anderson acceleration of type
II with a safeguard, in one piece and by period (quicker on most days, but it stalls on kinks on a few); momentum that begins anew by pair
alone (up to twice the rounds) or for everybody at once (no quicker, and it needs somebody who knows all).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, get_args

from ...community.day import Array, Day
from ...errors import known_name
from ..mechanism import Allocated
from ..negotiation.terms import NegotiationEvidence, Rule, Speech, check_between, check_rounds

NAME: Final = "admm"
Choice = Literal["no", "yes"]
_HALFWAY: Final = 0.25
"""The step, in multiples of ε, that puts a price halfway between both sides'."""


@dataclass(frozen=True, kw_only=True)
class Admm:
    """Decentralised clearing as a mechanism; ``"admm:rounds=50"`` makes one.

    Attributes:
        rounds: It ends after so many.
        tolerance: Greatest primal residual (over the mean of the greatest demands) and dual residual (over the day's price unit) at which
            it ends before.
        relaxation: Over-relaxation: 1 puts a price halfway between both sides', more puts it beyond. Momentum bears less than 4/3.
        momentum: ``"no"`` leaves step 4 out.
        polish: ``"yes"`` brings a negotiation that converged to the exact clearing.
    """

    rounds: int = 500
    tolerance: float = 5e-6
    relaxation: float = 1.3
    momentum: Choice = "yes"
    polish: Choice = "no"

    def __post_init__(self) -> None:
        """Check the parameters.

        Raises:
            ValueError: If one is out of range.
        """
        check_rounds(NAME, self.rounds)
        check_between(NAME, "tolerance", self.tolerance, low=0.0, high=1.0, below="1")
        for name in ("momentum", "polish"):
            known_name(f"`{name}` of {NAME}", getattr(self, name), get_args(Choice))
        high, below = (4.0 / 3.0, "4/3, what momentum bears") if self.momentum == "yes" else (2.0, "2")
        check_between(NAME, "relaxation", self.relaxation, low=0.0, high=high, below=below)

    def clear_many(self, days: Sequence[Day], charges: Array | Sequence[Array]) -> list[Allocated[NegotiationEvidence]]:
        """Clear each day; see :class:`~gridtoll.envs.market.mechanism.Mechanism`.

        Raises:
            ValueError: If charges are not valid, or there are not as many as days.
            ClearingError: If a day cannot be cleared.
        """
        from ..negotiation.outcome import negotiate_days  # noqa: PLC0415 - Numba takes a second to load

        momentum = self.momentum == "yes"
        step = _HALFWAY * self.relaxation
        rule = Rule(rounds=self.rounds, tolerance=float(self.tolerance), step=step, wishes=True, momentum=momentum)
        return negotiate_days(days, charges, rule, Speech(per_pair=0, per_partner=2 if momentum else 1), polish=self.polish == "yes")
