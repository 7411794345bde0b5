"""How much a study does: the numbers that ``--quick`` lowers."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Effort:
    """The size of a study's parts.

    Attributes:
        days: Days studied, spread over the test split.
        charges: Charges of the curves, from 0 to ``greatest_charge``.
        greatest_charge: EUR/kWh at mean distance.
        loadings: How far Free P2P overloads the worst branch in the study of line limits.
        overload_prices: EUR/kWh, of which 0 is an operator that does not mind.
        renewables: What sun and wind are multiplied with.
        sizes: Shares of the community's prosumers.
        orders: Random orders in which prosumers join.
        cost_shares: Network costs to recover, as shares of the day's retail bill.
        starts: Starts of the search for charges of several coefficients.
        clearings: What one such search may spend.
        nodes: What its bound may spend.
    """

    days: int = 8
    charges: int = 41
    greatest_charge: float = 0.8
    loadings: tuple[float, ...] = (1.1, 1.5, 2.0)
    overload_prices: tuple[float, ...] = (0.0, 1.0, 10.0)
    renewables: tuple[float, ...] = (0.25, 0.5, 1.0, 1.5, 2.0)
    sizes: tuple[float, ...] = (0.34, 0.67, 1.0)
    orders: int = 3
    cost_shares: tuple[float, ...] = (0.005, 0.01, 0.02, 0.05, 0.1)
    starts: int = 2
    clearings: int = 300
    nodes: int = 100

    @classmethod
    def quick(cls) -> Effort:
        """Return one that shows every part on two days."""
        return cls(
            days=2,
            charges=17,
            loadings=(1.5,),
            overload_prices=(0.0, 1.0),
            renewables=(0.5, 1.0, 1.5),
            sizes=(0.5, 1.0),
            orders=1,
            cost_shares=(0.01, 0.05, 0.1),
            starts=1,
            clearings=150,
            nodes=0,
        )
