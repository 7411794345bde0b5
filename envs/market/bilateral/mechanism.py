"""Bilateral negotiation: each pair holds a price for each period, which moves until both want the same.

Each side bears half the charge and half the friction of its trades. At the prices of its pairs a prosumer solves its own program (T
periods, with storage), whose own price is μ_i, and wants of each partner

    seller i:  v_ij = clip((π_ij − ½τ_ij − μ_i)/(½ε_ij), 0, P_ij)       buyer j:  w_ij = clip((μ_j − ½τ_ij − π_ij)/(½ε_ij), 0, P_ij)

::

    before   each prosumer plans alone and tells its partners its own prices; π_ij begins halfway
    round    1  answer  each prosumer solves its program at the prices of its pairs: exactly, by its structure
             2  tell    it tells each partner the quantities it wants to sell to it, and to buy from it
             3  move    π_ij ← π_ij + step·ε_ij·(w_ij − v_ij)
    end      when no pair's quantities differ by more than the tolerance and no price moved by more, or the rounds are over
    after    contracts are the smaller quantity, at π_ij; each prosumer plans again with its contracts fixed

**Why it converges.** w − v is the gradient of the followers' dual function in π_ij. Each side's quantity answers its price by at most 2/ε,
so that steps below ε/2 climb (dual ascent, Bertsekas, *Nonlinear Programming*, section 7.5). ε > 0 makes the dual differentiable. It is
slow, as pairs are nearly interchangeable: thousands of rounds for the last digits. That is the point: people do not negotiate that long,
and ``rounds`` says how long they do.

**Source.** Sorin, Bobo and Pinson, *IEEE Trans. Power Systems* 34(2), 2019, and Morstyn, Teytelboym and McCulloch, *IEEE Trans. Smart Grid*
10(2), 2019, negotiate energy contracts pair by pair; the network charge of a pair enters as in Baroche and others, *IEEE Trans. Power
Systems* 34(4), 2019.

**Promised.** Nobody ends worse off than without trades (:mod:`..negotiation.contracts`). Energy balances, payments sum to zero, and the
operator is paid Στp. Prosumers who are alike are treated alike. The same day and charges give the same outcome, to the last bit.

**Not promised.** The exact clearing within any number of rounds: look at ``converged``. Gradients and certified optima need ``exact``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ...community.day import Array, Day
from ..mechanism import Allocated
from ..negotiation.terms import NegotiationEvidence, Rule, Speech, check_between, check_rounds

NAME: Final = "bilateral"


@dataclass(frozen=True, kw_only=True)
class Bilateral:
    """Bilateral negotiation as a mechanism; ``"bilateral:rounds=50,step=0.3"`` makes one.

    Attributes:
        rounds: It ends after so many.
        step: How far a price moves for a difference of quantities, in multiples of ε.
        tolerance: Greatest primal residual (over the mean of the greatest demands) and dual residual (over the day's price unit) at which
            it ends before.
    """

    rounds: int = 200
    step: float = 0.45
    tolerance: float = 5e-6

    def __post_init__(self) -> None:
        """Check the parameters.

        Raises:
            ValueError: If one is out of range.
        """
        check_rounds(NAME, self.rounds)
        check_between(NAME, "step", self.step, low=0.0, high=0.5, below="0.5")
        check_between(NAME, "tolerance", self.tolerance, low=0.0, high=1.0, below="1")

    def clear_many(self, days: Sequence[Day], charges: Array | Sequence[Array]) -> list[Allocated[NegotiationEvidence]]:
        """Negotiate each day; see :class:`~gridtoll.envs.market.mechanism.Mechanism`.

        Raises:
            ValueError: If charges are not valid, or there are not as many as days.
            ClearingError: If a day cannot be cleared.
        """
        from ..negotiation.outcome import negotiate_days  # noqa: PLC0415 - Numba takes a second to load

        rule = Rule(rounds=self.rounds, tolerance=float(self.tolerance), step=float(self.step), wishes=False, momentum=False)
        return negotiate_days(days, charges, rule, Speech(per_pair=1, per_partner=0))
