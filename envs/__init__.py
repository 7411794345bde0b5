"""Grids, communities, the market clearing, and the environments built on them.

Importing this package registers the environments with Gymnasium:

==========================  ==============================================================
id                          environment
==========================  ==============================================================
``gridtoll/DayAhead-v0``    :class:`DayAheadEnv`: one charge for a day, a contextual bandit
``gridtoll/Hourly-v0``      :class:`HourlyEnv`: a charge every hour, storage carried
==========================  ==============================================================

``gymnasium.make("gridtoll.envs:gridtoll/DayAhead-v0")`` needs no import at all.
"""

from __future__ import annotations

import gymnasium

from .account.objective import register_objective
from .account.settlement import Settlement, Settlements, settle, settle_many
from .account.tariff import TARIFF_NAMES, Tariff, make_tariff
from .adapters.day_ahead import DayAheadEnv
from .adapters.hourly import HourlyEnv
from .adapters.vector import PricingVectorEnv
from .community.calendar import Scenario, split_days, split_scenarios
from .community.community import Community, make_community
from .community.day import Day, make_day
from .community.sources import COMMUNITY_NAMES, export_community, load_community
from .errors import ClearingError
from .games.observation.observer import Observer, make_observer
from .games.spec import GameSpec
from .games.transition import Outcome
from .grid.grid import Grid, make_grid
from .grid.network import Network, make_network
from .grid.power_flows import register_power_flow
from .market.exact import Certificate, Clearing, P2PMarket
from .market.mechanism import ExactResponse, Mechanism, make_mechanism, register_mechanism
from .market.solvers import make_market

__all__ = [
    "COMMUNITY_NAMES",
    "DAY_AHEAD_ID",
    "HOURLY_ID",
    "TARIFF_NAMES",
    "Certificate",
    "Clearing",
    "ClearingError",
    "Community",
    "Day",
    "DayAheadEnv",
    "ExactResponse",
    "GameSpec",
    "Grid",
    "HourlyEnv",
    "Mechanism",
    "Network",
    "Observer",
    "Outcome",
    "P2PMarket",
    "PricingVectorEnv",
    "Scenario",
    "Settlement",
    "Settlements",
    "Tariff",
    "export_community",
    "load_community",
    "make_community",
    "make_day",
    "make_grid",
    "make_market",
    "make_mechanism",
    "make_network",
    "make_observer",
    "make_tariff",
    "register_mechanism",
    "register_objective",
    "register_power_flow",
    "settle",
    "settle_many",
    "split_days",
    "split_scenarios",
]

DAY_AHEAD_ID = "gridtoll/DayAhead-v0"
HOURLY_ID = "gridtoll/Hourly-v0"

if DAY_AHEAD_ID not in gymnasium.registry:  # a reload would otherwise warn that it overrides itself
    gymnasium.register(
        id=DAY_AHEAD_ID,
        entry_point="gridtoll.envs.adapters.day_ahead:DayAheadEnv",
        vector_entry_point="gridtoll.envs.adapters.vector:day_ahead_rows",
    )

if HOURLY_ID not in gymnasium.registry:
    gymnasium.register(
        id=HOURLY_ID,
        entry_point="gridtoll.envs.adapters.hourly:HourlyEnv",
        vector_entry_point="gridtoll.envs.adapters.vector:hourly_rows",
    )
